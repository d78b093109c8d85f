//! A certain frame of kmscube's turning cube, drawn by several guests at once, against the same frame drawn natively: by
//! Mesa's llvmpipe in guests that have no 3D, since kmscube wants a graphics card to show it on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Gpu, Machine, SIZE, start};
use crate::{
    labtests::{Bench, GuestFolder, Place, compositor::Compositor, picture::Picture, until},
    report,
};

/// From a guest's start to its last frame: on the CPU, four guests share this machine's processors.
const DRAWN: Duration = Duration::from_secs(90);

const SOON: Duration = Duration::from_secs(10);

/// A picture that stays this long is the last one: of a guest that others cover a new one is taken once a second only.
const STAYS: Duration = Duration::from_secs(2);

/// How far a channel of a pixel may be from the native one without counting.
const NOISE: u8 = 2;

/// One in how many pixels may be further away: those on the cube's edges, if the two ways round to begin at the other
/// end of a row decide differently to whom they belong.
const EDGES: usize = 500;

/// Shows the frame `$count` and keeps it: kmscube has its words in a buffer until it ends, which it then cannot, since
/// the pipe that it writes them to is full. It looks at its input, too. (What filled the pipe, empty lines, goes before
/// its words. Whoever reads it must not end before it is empty.)
pub const KMSCUBE: &str = r"
export XDG_RUNTIME_DIR=/run
mkfifo /tmp/full /tmp/never
exec 9<>/tmp/full 8<>/tmp/never
yes '' | head -c 65536 >&9
stdbuf -o1M kmscube -c $count >&9 <&8 2>/lab/kmscube.log &
cube=$!
while [ ! -e /lab/done ]; do sleep 0.1; done
cat <&9 >>/lab/kmscube.log &
wait $cube
";

/// Two guests draw at once, and both are right.
pub fn two_guests(bench: &Bench, place: &Place) -> Result<String> {
    crowd(bench, place, &[70, 90])
}

/// So do four.
pub fn four_guests(bench: &Bench, place: &Place) -> Result<String> {
    crowd(bench, place, &[60, 75, 90, 105])
}

fn crowd(bench: &Bench, place: &Place, counts: &[u32]) -> Result<String> {
    let drawn = frames(bench, place, Gpu::Virgl, counts)?;
    let native = frames(bench, place, Gpu::TwoD, counts)?;
    let mut words = Vec::new();
    for (number, (drawn, native)) in drawn.iter().zip(&native).enumerate() {
        let word = compare(place, &format!("guest{number}"), drawn, native)?;
        words.push(word);
    }
    ensure!(
        drawn.windows(2).all(|pair| pair.first() != pair.last()),
        "Two guests show the same frame where each has another one"
    );
    Ok(words.join("; "))
}

/// The frames with these numbers, each of a guest of its own, all at the same time.
pub fn frames(bench: &Bench, place: &Place, gpu: Gpu, counts: &[u32]) -> Result<Vec<Picture>> {
    let way = match gpu {
        Gpu::TwoD => "native",
        Gpu::Virgl => "virgl",
    };
    let names: Vec<String> = (0..counts.len())
        .map(|number| format!("{way}{number}"))
        .collect();
    let folders = names
        .iter()
        .zip(counts)
        .map(|(name, count)| place.guest(name, &format!("count={count}\n{KMSCUBE}")))
        .collect::<Result<Vec<_>>>()?;
    let machines: Vec<Machine<'_>> = names
        .iter()
        .zip(&folders)
        .map(|(name, folder)| Machine { name, folder, gpu })
        .collect();
    let compositor = start(bench, place, &machines)?;
    let pictures = names
        .iter()
        .zip(counts)
        .zip(&folders)
        .map(|((name, count), folder)| last_frame(&compositor, name, *count, folder))
        .collect::<Result<Vec<_>>>()?;
    for folder in &folders {
        folder.signal("done")?;
        folder.wait_for_end(SOON)?;
    }
    compositor.quit()?;
    Ok(pictures)
}

/// What a screen shows once all of its `count` frames came. (Not: were shown. The guests' screens lie one upon another.)
pub fn last_frame(
    compositor: &Compositor,
    guest: &str,
    count: u32,
    folder: &GuestFolder,
) -> Result<Picture> {
    let shown = || {
        let stats = compositor.stats(guest, 0);
        stats.map_or(0, |stats| stats.frames_flushed)
    };
    until(DRAWN, || Ok((shown() >= u64::from(count)).then_some(()))).with_context(|| {
        // Only at its end does it say what it did.
        let shown = shown();
        let ended = folder.signal("done").and_then(|()| folder.wait_for_end(SOON));
        format!(
            "Waiting for {count} frames of {guest}; {shown} came, it ended {}, and kmscube said:\n{}",
            ended.map_or_else(|error| format!("badly ({error:#})"), |()| "well".to_owned()),
            report::tail(&folder.file("kmscube.log"), 10)
        )
    })?;
    let mut last = compositor.guest_picture(guest, 0)?;
    let mut since = Instant::now();
    until(SOON, || {
        let now = compositor.guest_picture(guest, 0)?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        Ok((since.elapsed() >= STAYS).then_some(()))
    })
    .with_context(|| format!("Waiting for the frame that {guest} keeps"))?;
    Ok(last)
}

/// Holds a drawn frame against the native one and says how far it is from it.
pub fn compare(place: &Place, name: &str, drawn: &Picture, native: &Picture) -> Result<String> {
    drawn.write_png(&place.folder.join(format!("{name}.png")))?;
    native.write_png(&place.folder.join(format!("{name}-native.png")))?;
    ensure!(
        (drawn.width, drawn.height) == SIZE && (native.width, native.height) == SIZE,
        "The frame is {}x{}, the native one {}x{}",
        drawn.width,
        drawn.height,
        native.width,
        native.height
    );
    ensure!(
        native.colours(200) == 200,
        "The native frame shows no cube: it has {} colours",
        native.colours(200)
    );
    let distance = |(one, other): (&[u8; 3], &[u8; 3])| {
        let channels = one.iter().zip(other);
        channels
            .map(|(one, other)| one.abs_diff(*other))
            .max()
            .unwrap_or_default()
    };
    let pairs = drawn.pixels.iter().zip(&native.pixels);
    let distances: Vec<u8> = pairs.map(distance).collect();
    let far = distances.iter().filter(|far| **far > NOISE).count();
    let different = distances.iter().filter(|far| **far > 0).count();
    let most = distances.iter().max().copied().unwrap_or_default();
    let word = format!("{different} pixels differ, {far} by more than {NOISE}, at most by {most}");
    ensure!(
        far <= distances.len() / EDGES,
        "{name} is not what was drawn natively: {word} (see {name}.png and {name}-native.png in {})",
        place.folder.display()
    );
    Ok(word)
}
