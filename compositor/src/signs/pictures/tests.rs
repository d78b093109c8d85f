use proptest::prelude::*;
use protocols::ipc::GuestState;

use super::{pointer::Shape, switcher::Entry, *};
use crate::signs::{draw::Picture, status::GuestStatus};

const STATES: [GuestState; 7] = [
    GuestState::Starting,
    GuestState::Waiting,
    GuestState::Running,
    GuestState::Restarting,
    GuestState::Stopped,
    GuestState::Failed,
    GuestState::Unknown,
];

const HD: Screen = Screen {
    width: 1920,
    height: 1080,
};

fn status(state: GuestState) -> GuestStatus {
    GuestStatus {
        state,
        ..GuestStatus::default()
    }
}

fn failed(lines: &[&str]) -> GuestStatus {
    GuestStatus {
        state: GuestState::Failed,
        reason: Some("its VMM ended (exit status 1) before it used its graphics device".to_owned()),
        last_output: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

/// How many pixels of a part of the picture, in tenths of its size, are unlike its first one.
fn ink(picture: &Picture, across: std::ops::Range<usize>, down: std::ops::Range<usize>) -> usize {
    let rows: Vec<&[u8]> = picture.rows().collect();
    let background = &rows[0][..4];
    let (width, height) = (picture.width(), picture.height());
    let part = &rows[height * down.start / 10..height * down.end / 10];
    let columns = width * across.start / 10 * 4..width * across.end / 10 * 4;
    part.iter()
        .flat_map(|row| row[columns.clone()].chunks_exact(4))
        .filter(|pixel| *pixel != background)
        .count()
}

fn entries<'a>(names: &[&'a str]) -> Vec<Entry<'a>> {
    let entry = |name: &&'a str| Entry {
        name,
        state: "Running",
    };
    names.iter().map(entry).collect()
}

#[test]
fn a_status_is_written_in_the_middle_of_a_monitor_that_is_not_black() {
    for state in STATES {
        let picture = status::draw(HD, "debian", &status(state));
        assert_eq!((picture.width(), picture.height()), (1920, 1080));
        assert!(picture.bytes()[0] > 16, "the background is no black");
        assert!(ink(&picture, 3..7, 3..6) > 1000, "{state:?}");
        assert_eq!(ink(&picture, 0..10, 0..2), 0);
        assert_eq!(ink(&picture, 0..10, 8..10), 0);
    }
}

/// The picture in characters, one for each ten by twenty pixels: letters and lines, boxes, and
/// background.
fn sketch(picture: &Picture) -> String {
    let rows: Vec<&[u8]> = picture.rows().collect();
    let background = &rows[0][..4];
    let mut sketch = String::new();
    for rows in rows.chunks_exact(20) {
        let character = |column: usize| {
            let cell = rows.iter().map(|row| &row[column * 40..column * 40 + 40]);
            let pixels: Vec<&[u8]> = cell.flat_map(|row| row.chunks_exact(4)).collect();
            let bright = pixels.iter().filter(|pixel| pixel[0] > 0x50).count();
            let boxed = pixels.iter().filter(|pixel| **pixel != background).count();
            match (bright, boxed) {
                (10.., _) => 'o',
                (_, 100..) => '.',
                _ => ' ',
            }
        };
        let line: String = (0..picture.width() / 10).map(character).collect();
        sketch.push_str(line.trim_end());
        sketch.push('\n');
    }
    sketch
}

#[test]
fn a_failure_has_its_headline_above_and_its_output_below() {
    let screen = Screen {
        width: 640,
        height: 480,
    };
    let lines: Vec<String> = (0..40).map(|number| format!("line {number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let picture = status::draw(screen, "debian", &failed(&lines));
    let sketch = sketch(&picture);
    let wanted = "
                          ooo oooooo o
                         oooooooooooooo
                              oooo
                             oooooo
                              ooooo
         ooooooooooooooooooooooooooooooo oooooooo oooo
                 oooooooo ooooooooo  ooo oooooo
  oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  ooooooo....................................................o
  oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo";
    assert_eq!(sketch.trim(), wanted.trim(), "\n{sketch}");
}

#[test]
fn each_state_looks_different() {
    let pictures = STATES.map(|state| status::draw(HD, "debian", &status(state)));
    for (number, picture) in pictures.iter().enumerate() {
        for other in &pictures[..number] {
            assert!(picture != other);
        }
    }
}

#[test]
fn only_a_failure_shows_what_was_written_last() {
    let silent = status::draw(HD, "debian", &failed(&[]));
    let telling = status::draw(HD, "debian", &failed(&["one", "two"]));
    assert_eq!(ink(&silent, 0..1, 0..10), 0);
    assert!(ink(&telling, 0..1, 3..8) > 1000);

    let mut running = failed(&["one"]);
    running.state = GuestState::Running;
    let chatty = status::draw(HD, "debian", &running);
    running.last_output.clear();
    assert!(chatty == status::draw(HD, "debian", &running));
}

#[test]
fn of_much_output_the_end_is_shown() {
    let lines: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let picture = status::draw(HD, "debian", &failed(&lines));
    lines[0] = "something else";
    assert!(picture == status::draw(HD, "debian", &failed(&lines)));
    lines[199] = "something else";
    assert!(picture != status::draw(HD, "debian", &failed(&lines)));
}

#[test]
fn what_guests_write_is_text_and_nothing_else() {
    let plain = status::draw(HD, "debian", &failed(&["[31mred 2J"]));
    let wild = status::draw(
        HD,
        "deb\u{202e}ian",
        &failed(&["\u{1b}[31m\u{8}red\t2J\r\u{0}"]),
    );
    assert!(plain == wild);
}

#[test]
fn signs_grow_with_the_monitor() {
    let small = notice::draw(HD, &["Keyboard is grabbed"]);
    let large = notice::draw(
        Screen {
            width: 3840,
            height: 2160,
        },
        &["Keyboard is grabbed"],
    );
    let ratio = large.height() * 10 / small.height();
    assert!((18..22).contains(&ratio), "{ratio}");
}

#[test]
fn the_chosen_guest_is_marked() {
    let guests = entries(&["debian", "fedora", "arch"]);
    let pictures = [0, 1, 2].map(|chosen| switcher::draw(HD, &guests, chosen));
    assert!(pictures[0] != pictures[1] && pictures[1] != pictures[2]);
    let sizes = pictures.map(|picture| (picture.width(), picture.height()));
    assert_eq!(sizes, [sizes[0]; 3], "it does not jump");
}

#[test]
fn pointers_point_from_within() {
    for shape in [Shape::Arrow, Shape::Text, Shape::Hand] {
        for side in [24, 48, 64] {
            let (picture, (x, y)) = pointer::draw(shape, side);
            assert_eq!((picture.width(), picture.height()), (side, side));
            let place = (usize::try_from(y).unwrap() * side + usize::try_from(x).unwrap()) * 4;
            assert!(picture.bytes()[place + 3] > 128, "{shape:?} {side}");
            let corner = picture.bytes().last().copied();
            assert_eq!(corner, Some(0), "{shape:?} {side}");
        }
    }
    for (height, side) in [(480, 24), (1080, 24), (2160, 48), (4320, 64)] {
        let width = height * 16 / 9;
        assert_eq!(pointer::side(Screen { width, height }), side);
    }
}

proptest! {
    #[test]
    fn signs_are_never_larger_than_the_monitor(
        width in 1..700usize,
        height in 1..500usize,
        names in prop::collection::vec("\\PC{0,40}", 0..9),
        lines in prop::collection::vec("\\PC{0,200}", 0..9),
        chosen in 0..12usize,
        state in 0..STATES.len(),
    ) {
        let screen = Screen { width, height };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let told = GuestStatus { state: STATES[state], ..failed(&lines) };

        let picture = status::draw(screen, names.first().unwrap_or(&""), &told);
        prop_assert_eq!((picture.width(), picture.height()), (width, height));
        for picture in [switcher::draw(screen, &entries(&names), chosen), notice::draw(screen, &lines)] {
            prop_assert!(picture.width() <= width && picture.height() <= height);
        }
    }
}
