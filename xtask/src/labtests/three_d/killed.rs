//! The process that draws for a guest is killed while it does. Nothing of the guest hangs, its console is alive, and what
//! is started afterwards draws again.
//!
//! Programs of the guest can't be told of it by OpenGL's own word, GL_CONTEXT_LOST: Mesa's `virgl` never asks its device
//! whether a context was lost.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    BOOT, Gpu, Machine, SIZE,
    frames::{KMSCUBE, compare, frames, last_frame},
    start,
};
use crate::labtests::{Bench, Place, picture::smpte, uml, until};

/// How many frames the second program draws.
const COUNT: u32 = 100;

/// Between two things that the guest does.
const SOON: Duration = Duration::from_secs(30);

/// Draws until it is told, ends that program, shows a picture in plain memory, and draws again.
fn program() -> String {
    format!(
        "export XDG_RUNTIME_DIR=/run\nmkfifo /tmp/open\nexec 7<>/tmp/open\n\
         kmscube <&7 >/lab/first.log 2>&1 &\nwhile [ ! -e /lab/killed ]; do sleep 0.1; done\n\
         kill -KILL $! 2>/dev/null\nwait $! 2>/dev/null\ntouch /lab/ended\n(\n{}\n)\nrm /lab/done\ntouch /lab/console\n\
         count={COUNT}\n{KMSCUBE}",
        uml::SHOW_PATTERN
    )
}

/// Runs it.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", &program())?;
    let compositor = start(
        bench,
        place,
        &[Machine {
            name: "guest",
            folder: &folder,
            gpu: Gpu::Virgl,
        }],
    )?;
    let flushed = || {
        let stats = compositor.stats("guest", 0);
        stats.map_or(0, |stats| stats.frames_flushed)
    };
    until(BOOT, || Ok((flushed() >= 20).then_some(())))
        .context("Waiting for what the guest draws")?;
    let renderer = renderer(compositor.pid())
        .context("Looking for the process that draws, among those of the compositor")?;
    kill_process(renderer, Signal::KILL)?;
    folder.signal("killed")?;
    folder
        .wait_for("ended", SOON)
        .context("A program of the guest hangs in its kernel")?;
    compositor
        .expect_picture("guest", 0, &smpte(SIZE.0, SIZE.1), SOON)
        .context("The guest's console, after the process that draws was killed")?;
    let before = flushed();
    folder.signal("done")?;
    folder.wait_for("console", SOON)?;
    let count = u32::try_from(before)? + COUNT;
    let drawn = last_frame(&compositor, "guest", count, &folder)?;
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    let native = frames(bench, place, Gpu::TwoD, &[COUNT])?;
    let native = native.first().context("A native frame")?;
    compare(place, "afterwards", &drawn, native)
}

/// The first process below `process` that is `lucarne render`.
fn renderer(process: u32) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let children: Vec<u32> = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            let numbers: Vec<u32> = list.split_whitespace().flat_map(str::parse).collect();
            numbers
        })
        .collect();
    children.into_iter().find_map(|child| {
        let words = fs::read(format!("/proc/{child}/cmdline")).ok()?;
        if words.split(|byte| *byte == 0).nth(1) == Some(b"render") {
            return Pid::from_raw(i32::try_from(child).ok()?);
        }
        renderer(child)
    })
}
