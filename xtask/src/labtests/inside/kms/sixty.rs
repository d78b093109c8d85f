//! A new frame at each vblank, held against a bare program on the same machine in the same minute.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use protocols::virtio_gpu::Format;

use super::{
    crc::{self, Crcs},
    desk::{self, Desk, Kiosk, SOON, Vblanks, monotonic},
    devices::Device,
    flipper::Rate,
    orders::{self, Order, Pace, Painter},
    pointer::point,
    standstill::Watch,
    vkms::{Planes, Vkms},
};
use crate::labtests::{inside::Memory, until};

/// How long the kiosk's share of it lasts.
const TIME: Duration = Duration::from_secs(60);

/// How long the bare program runs, before and after the kiosk.
const BARE_SECONDS: u64 = 15;

/// One refresh and two milliseconds, in microseconds.
const LATENCY: u64 = 16_667 + 2_000;

/// What the second guest shows, over the first.
const SMALL: (u32, u32) = (320, 240);

/// How often the guest's pointer moves in a second, and the mouse.
const MOVES: u32 = 125;

/// The scenes of the two sizes, and one whose frames are looked at each.
pub fn run(desk: &Desk) -> Result<String> {
    let large = scene(desk, (1024, 768), 2)?;
    let ratio = large.kiosk.share() / large.bare.share();
    let small = scene(desk, (640, 480), 1)?;
    let note = format!(
        "1024x768: {}, {:.2} % of the bare program's; 640x480: {}; flush to present {} µs in the middle, {} µs \
         for 9 in 10",
        large.words(),
        100.0 * ratio,
        small.words(),
        large.pace.micros[0],
        large.pace.micros[1]
    );
    ensure!(ratio >= 0.99, "Too many frames were missed: {note}");
    ensure!(
        small.kiosk.share() >= 0.995,
        "Too many frames were missed of a buffer that is used again: {note}"
    );
    ensure!(
        large.small.share() > 0.9 * large.bare.share(),
        "The second guest missed too many frames: {note}"
    );
    ensure!(
        large.pace.micros[0] < LATENCY,
        "Frames take too long: {note}"
    );
    Ok(format!("{note}; {}", torn(desk)?))
}

struct Figures {
    bare: Rate,
    kiosk: Rate,
    /// The second guest's.
    small: Rate,
    pace: Pace,
}

impl Figures {
    fn words(&self) -> String {
        format!(
            "{:.2} % of {} vblanks with a new frame ({} late, {} more while the machine stood still), the bare \
             program {:.2} %, the second guest {:.2} %",
            100.0 * self.kiosk.share(),
            self.kiosk.vblanks,
            self.pace.late,
            self.kiosk.still,
            100.0 * self.bare.share(),
            100.0 * self.small.share(),
        )
    }
}

/// A guest that fills the screen and moves its pointer, one on an overlay, and a mouse that moves.
fn scene(desk: &Desk, size: (u32, u32), buffers: u32) -> Result<Figures> {
    let card = Vkms::new("sixty", 1, Planes::MANY)?;
    let before = desk::flipper(&card.node, size, buffers, BARE_SECONDS)?;
    let (first, large) = desk.guest("large", 1, "")?;
    let (second, small) = desk.guest("small", 1, "position = [64, 64]")?;
    let config = format!("{}{first}{second}", mode(size));
    let kiosk = desk.kiosk(&config, &["large", "small"])?;
    prepare(&kiosk, &large, size, buffers)?;
    prepare_small(&small, buffers)?;
    // Beside the second guest: what lies under that is not on top, and gets no cursor plane.
    point(&large, 0, 0, (400, 310))?;
    let mut mouse = Device::mouse()?;
    kiosk.expect_planes(&card, "both guests and the pointer on planes", |planes| {
        planes.len() == 3
            && planes
                .iter()
                .any(|plane| plane.name == card.cursor_plane(0))
            && planes.iter().any(|plane| plane.is_guests(size))
            && planes.iter().any(|plane| plane.is_guests(SMALL))
    })?;
    let vblanks = Vblanks::of(&card.node, 0)?;
    let counted = kiosk.compositor.stats("large", 0)?;
    let (pace, other, passed) = thread::scope(|scope| {
        let mover = scope.spawn(|| mouse.wander(MOVES, TIME));
        let other = scope.spawn(|| small.alternate(0, TIME, 0, 0));
        let watch = Watch::start(&card.node, 0)?;
        let start = vblanks.now()?;
        let pace = large.alternate(0, TIME, 0, MOVES)?;
        let passed = (vblanks.now()? - start, watch.end()?);
        let moves = join(mover)?.min(pace.moves);
        let other = join(other)?;
        ensure!(
            f64::from(moves) > 0.9 * TIME.as_secs_f64() * f64::from(MOVES),
            "The pointer or the mouse moved only {moves} times"
        );
        Ok((pace, other, passed))
    })?;
    let rate = |fresh: u32| Rate::new(fresh, passed.0, passed.1);
    let stats = kiosk.compositor.stats("large", 0)?;
    let zero_copy = stats.frames_zero_copy - counted.frames_zero_copy;
    let presented = stats.frames_presented - counted.frames_presented;
    ensure!(
        zero_copy == presented,
        "Only {zero_copy} of {presented} frames were on the plane: {:#?}",
        kiosk.outputs()
    );
    kiosk.compositor.quit()?;
    let after = desk::flipper(&card.node, size, buffers, BARE_SECONDS)?;
    Ok(Figures {
        bare: before.and(after),
        kiosk: rate(pace.frames)?,
        small: rate(other.frames)?,
        pace,
    })
}

/// The configuration of a monitor's mode.
pub fn mode(size: (u32, u32)) -> String {
    format!(
        "[[output]]\nname = \"Virtual-1\"\nmode = \"{}x{}\"\n",
        size.0, size.1
    )
}

fn prepare(kiosk: &Kiosk, painter: &Painter, size: (u32, u32), buffers: u32) -> Result<()> {
    kiosk.offers(painter, 0, size)?;
    screen(painter, size, buffers)
}

fn prepare_small(painter: &Painter, buffers: u32) -> Result<()> {
    screen(painter, SMALL, buffers)
}

fn screen(painter: &Painter, size: (u32, u32), buffers: u32) -> Result<()> {
    painter.order(&Order::Screen {
        scanout: 0,
        size,
        buffers: usize::try_from(buffers)?,
        memory: Memory::Blob,
        format: Format::Bgrx8888.into(),
    })?;
    for picture in 0..buffers {
        painter.show(0, picture)?;
    }
    Ok(())
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("A thread of the test panicked"),
    }
}

/// How many pictures are drawn in turn, where each refresh is looked at.
const PICTURES: u32 = 16;

/// For how long; whatever is looked at goes on a little longer, since a CRTC that is off has no checksums.
const LOOK: Duration = Duration::from_secs(8);
const LONGER: Duration = Duration::from_secs(10);

/// Every refresh shows a whole picture: the guest draws each frame anew into the buffer that it was given back,
/// and each refresh's checksum is that of one of its pictures.
///
/// Not every checksum can be held against that, for two reasons that have nothing to do with the kiosk:
///
/// - vkms reads the picture of a refresh some time after its vblank, on a busy machine even after the next one.
///   Then it finds a buffer that is rightly being drawn into; the bare program meets that, too. So only those
///   count that had their checksums before the next vblank, when nobody can have been told that a buffer is free.
/// - A guest whose frame was not seen for [`orders::UNSEEN`] goes on, as Linux does, and draws over what is on the
///   screen. That happens where this machine stands still for so long. What was read while such a picture was
///   drawn does not count.
fn torn(desk: &Desk) -> Result<String> {
    let size = (640, 480);
    let card = Vkms::new("torn", 1, Planes::MANY)?;
    let bare = || -> Result<Looked> {
        let (_, refreshes) = look(&card, size, || {
            desk::flipper_drawing(&card.node, size, 2, LONGER.as_secs(), PICTURES)
        })?;
        Ok(Looked::at(&refreshes, &[]))
    };
    let before = bare()?;
    let (guest, painter) = desk.guest("guest", 1, "")?;
    let kiosk = desk.kiosk(&format!("{}{guest}", mode(size)), &["guest"])?;
    prepare(&kiosk, &painter, size, 2)?;
    kiosk.expect_planes(&card, "the guest's memory on a plane", |planes| {
        desk::fills(planes, size)
    })?;
    let (pace, refreshes) = look(&card, size, || painter.alternate(0, LONGER, PICTURES, 0))?;
    let looked = Looked::at(&refreshes, &pace.unseen);
    kiosk.compositor.quit()?;
    let after = bare()?;
    let note = format!(
        "{} with {} new pictures ({} drawn, {} of them unasked), the bare program {} and {}",
        looked.words(),
        looked.fresh,
        pace.frames,
        pace.unseen.len(),
        before.words(),
        after.words()
    );
    for looked in [&before, &looked, &after] {
        ensure!(
            looked.counted > 100 && looked.counted > looked.seen / 2,
            "Too few can be counted: {note}"
        );
        ensure!(looked.torn_and_counted == 0, "Pictures were torn: {note}");
    }
    ensure!(
        looked.fresh > looked.seen / 2,
        "Too few new pictures were seen: {note}"
    );
    Ok(note)
}

/// A refresh of which vkms made a checksum.
struct Refresh {
    crc: u32,
    /// Whether it is none of the pattern's pictures.
    is_torn: bool,
    /// Its vblank and the next one, in seconds of `CLOCK_MONOTONIC`.
    vblanks: (f64, f64),
    /// When its checksum was there.
    known_at: f64,
}

impl Refresh {
    /// Whether nobody who waits for his turn can have drawn into what was read, given when somebody drew
    /// who does not.
    fn counts(&self, unseen: &[(u64, u64)]) -> bool {
        let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
        let is_drawn = |(begun, ended): &(u64, u64)| {
            seconds(*begun) < self.known_at && seconds(*ended) > self.vblanks.0
        };
        self.known_at < self.vblanks.1 && !unseen.iter().any(is_drawn)
    }
}

/// What the refreshes of a time were like.
#[derive(Default)]
struct Looked {
    seen: u32,
    /// Those with another picture than the one before.
    fresh: u32,
    /// Those with no picture of the pattern.
    torn: u32,
    /// Those that count, and how many of them were torn.
    counted: u32,
    torn_and_counted: u32,
}

impl Looked {
    fn at(refreshes: &[Refresh], unseen: &[(u64, u64)]) -> Self {
        let mut looked = Self::default();
        let mut last = None;
        for refresh in refreshes {
            let counts = refresh.counts(unseen);
            looked.seen += 1;
            looked.fresh += u32::from(last != Some(refresh.crc));
            looked.torn += u32::from(refresh.is_torn);
            looked.counted += u32::from(counts);
            looked.torn_and_counted += u32::from(refresh.is_torn && counts);
            last = Some(refresh.crc);
        }
        looked
    }

    fn words(&self) -> String {
        format!(
            "{} torn of {} refreshes, {} of the {} that count",
            self.torn, self.seen, self.torn_and_counted, self.counted
        )
    }
}

/// Looks at each refresh while something is done.
fn look<T: Send>(
    card: &Vkms,
    size: (u32, u32),
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<(T, Vec<Refresh>)> {
    let known: Vec<u32> = (0..PICTURES)
        .map(|number| crc::of_picture(&orders::picture(number, size)))
        .collect();
    thread::scope(|scope| {
        let work = scope.spawn(work);
        // A program that has just started has no CRTC yet, and no picture of the pattern on it.
        let mut crcs = until(SOON, || Ok(Crcs::open(&card.debugfs, 0).ok()))?;
        until(SOON, || Ok(known.contains(&crcs.next()?.crc).then_some(())))?;
        let vblanks = Vblanks::of(&card.node, 0)?;
        let first = vblanks.last()?;
        let mut samples = Vec::new();
        let started = Instant::now();
        while started.elapsed() < LOOK {
            let sample = crcs.next()?;
            samples.push((sample, monotonic()?));
        }
        let clock = Grid::through(first, vblanks.last()?)?;
        let refreshes = samples.into_iter().map(|(sample, at)| Refresh {
            crc: sample.crc,
            is_torn: !known.contains(&sample.crc),
            vblanks: (clock.vblank(sample.frame), clock.vblank(sample.frame + 1)),
            known_at: at.as_secs_f64(),
        });
        let refreshes = refreshes.collect();
        Ok((join(work)?, refreshes))
    })
}

/// The vblanks of a CRTC, in seconds of `CLOCK_MONOTONIC`.
struct Grid {
    number: u32,
    time: f64,
    period: f64,
}

impl Grid {
    /// The grid with these two vblanks.
    fn through((number, time): (u32, Duration), later: (u32, Duration)) -> Result<Self> {
        ensure!(later.0 > number, "The kernel counted no vblanks");
        Ok(Self {
            number,
            time: time.as_secs_f64(),
            period: (later.1 - time).as_secs_f64() / f64::from(later.0 - number),
        })
    }

    fn vblank(&self, number: u32) -> f64 {
        self.time + (f64::from(number) - f64::from(self.number)) * self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(known_at: f64) -> Refresh {
        Refresh {
            crc: 1,
            is_torn: true,
            vblanks: (1.0, 1.016),
            known_at,
        }
    }

    #[test]
    fn only_what_was_read_before_the_next_vblank_counts() {
        assert!(read_at(1.010).counts(&[]));
        assert!(!read_at(1.017).counts(&[]));
    }

    #[test]
    fn what_was_read_while_somebody_drew_out_of_turn_does_not_count() {
        let refresh = read_at(1.010);
        assert!(!refresh.counts(&[(1_009_000, 1_012_000)]));
        assert!(!refresh.counts(&[(900_000, 1_001_000)]));
        assert!(refresh.counts(&[(900_000, 999_000)]), "drawn before");
        assert!(refresh.counts(&[(1_011_000, 1_012_000)]), "drawn after");
    }
}
