use super::{
    canvas::Rgb,
    scene::{STRIP, WHITE},
    *,
};

const FACTS: Facts<'_> = Facts {
    frame: 1234,
    rate: 60,
    scanout: 0,
    path: "guest dma-buf, sampled",
    pointer: Some((640, 400)),
};

fn at(pixels: &[u8], width: usize, x: usize, y: usize) -> Rgb {
    let [blue, green, red] = pixels[4 * (y * width + x)..][..3].try_into().unwrap();
    [red, green, blue]
}

/// Pixels that differ, and the box around them.
fn changed(width: usize, one: &[u8], other: &[u8]) -> (usize, [usize; 4]) {
    let mut count = 0;
    let mut around = [usize::MAX, usize::MAX, 0, 0];
    for (number, (a, b)) in one.chunks_exact(4).zip(other.chunks_exact(4)).enumerate() {
        if a != b {
            let (x, y) = (number % width, number / width);
            count += 1;
            around = [
                around[0].min(x),
                around[1].min(y),
                around[2].max(x),
                around[3].max(y),
            ];
        }
    }
    (count, around)
}

#[test]
fn every_edge_pixel_is_on_the_border() {
    for (width, height) in [(1280, 800), (64, 32), (1366, 768)] {
        let mut card = Card::new(width, height);
        let (w, h) = (width as usize, height as usize);
        let pixels = card.draw(&FACTS);
        assert_eq!(pixels.len(), w * h * 4);
        let edge: Vec<Rgb> = (1..w - 1)
            .flat_map(|x| [at(pixels, w, x, 0), at(pixels, w, x, h - 1)])
            .chain((1..h - 1).flat_map(|y| [at(pixels, w, 0, y), at(pixels, w, w - 1, y)]))
            .collect();
        assert!(edge.iter().all(|&pixel| pixel == WHITE));
        let corners = [(0, 0), (w - 1, 0), (0, h - 1), (w - 1, h - 1)];
        let corners = corners.map(|(x, y)| at(pixels, w, x, y));
        assert_eq!(
            corners,
            [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]
        );
    }
}

#[test]
fn the_same_facts_give_the_same_pixels() {
    let first = Card::new(640, 400).draw(&FACTS).to_vec();
    let mut card = Card::new(640, 400);
    card.draw(&Facts {
        frame: 7,
        path: "something else",
        ..FACTS
    });
    assert!(card.draw(&FACTS) == first);
}

#[test]
fn each_fact_changes_the_card_at_its_place() {
    let mut card = Card::new(1280, 800);
    let before = card.draw(&FACTS).to_vec();
    let mut differ = |facts: Facts<'_>| changed(1280, &before, card.draw(&facts));

    let (count, [left, top, right, bottom]) = differ(Facts {
        pointer: Some((9, 9)),
        ..FACTS
    });
    assert!(count > 50);
    assert!(
        left > 640 && top > 380 && right < 1140 && bottom < 560,
        "the pointer's line"
    );

    let (count, around) = differ(Facts {
        path: "copy",
        ..FACTS
    });
    assert!(count > 200 && around[0] > 640, "the path's line");

    let (count, _) = differ(Facts {
        scanout: 1,
        ..FACTS
    });
    assert!(count > 10);

    let (count, around) = differ(Facts {
        frame: FACTS.frame + 1,
        ..FACTS
    });
    assert!(count > 1000);
    assert!(around[0] < 400 && around[3] > 610, "number, hand and bar");
}

#[test]
fn no_two_frames_in_a_row_look_the_same() {
    let mut card = Card::new(320, 200);
    let mut last = card.draw(&Facts { frame: 0, ..FACTS }).to_vec();
    for frame in 1..300 {
        let now = card.draw(&Facts { frame, ..FACTS }).to_vec();
        assert!(now != last, "frame {frame}");
        last = now;
    }
}

#[test]
fn the_colours_of_the_strip_are_exact() {
    let mut card = Card::new(1280, 800);
    let pixels = card.draw(&FACTS);
    let y = 800 / 2 + 151 + 106 + 10;
    let found: Vec<Rgb> = (0..8)
        .map(|bar| at(pixels, 1280, 140 + 30 + bar * 60, y))
        .collect();
    assert_eq!(found, STRIP);
}

#[test]
fn a_card_of_any_size_can_be_drawn() {
    for (width, height) in [(1, 1), (16, 16), (3, 700), (900, 20), (2560, 30)] {
        let facts = Facts {
            path: "a very long text that can't possibly fit on the card",
            ..FACTS
        };
        let size = Card::new(width, height).draw(&facts).len();
        assert_eq!(size, 4 * width as usize * height as usize);
    }
}

/// Writes pictures of the card to the folder in `LUCARNE_CARD_DIR`, to look at.
#[test]
fn cards_can_be_looked_at() {
    let Some(directory) = std::env::var_os("LUCARNE_CARD_DIR") else {
        return;
    };
    for (width, height) in [(1280, 800), (1920, 1080), (640, 480), (800, 1280)] {
        let path = std::path::Path::new(&directory).join(format!("card-{width}x{height}.png"));
        let file = std::fs::File::create(path).unwrap();
        let mut encoder = png::Encoder::new(file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let mut card = Card::new(width, height);
        let rgb: Vec<u8> = card
            .draw(&FACTS)
            .chunks_exact(4)
            .flat_map(|p| [p[2], p[1], p[0]])
            .collect();
        encoder
            .write_header()
            .unwrap()
            .write_image_data(&rgb)
            .unwrap();
    }
}
