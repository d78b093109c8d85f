//! The host's compositor dies and is started again: the guest goes on, and its window comes back.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use protocols::ipc::GuestState;

use super::{
    Desk, FIRST, appear, follow,
    hosts::{Host, Session},
};
use crate::labtests::{inside::kms::orders, until};

const MONITOR: (u32, u32) = (1024, 640);

/// How long the guest draws frame after frame while its host dies and comes back.
const TIME: Duration = Duration::from_secs(6);

/// For how long there is no host.
const NOBODY: Duration = Duration::from_secs(2);

/// The pictures that it draws in turn.
const PICTURES: u32 = 4;

/// Both hosts, each in a crash of its own.
pub fn run(desk: &Desk) -> Result<String> {
    let mut notes = Vec::new();
    for host in [Host::Sway, Host::Weston] {
        let note = restart(desk, host).with_context(|| format!("With {host:?}"))?;
        notes.push(format!("{host:?} {note}"));
    }
    Ok(notes.join(", "))
}

fn restart(desk: &Desk, host: Host) -> Result<String> {
    let session = Session::start(host, &desk.folder, MONITOR)?;
    let (config, painter) = orders::guest("guest", &["640x480"], "")?;
    let lucarne = desk.lucarne(&session, &config, "guest")?;
    let size = appear(&painter, MONITOR.0 - 100)?;
    follow(desk, &session, &lucarne, &painter, size, 1)?;
    let before = lucarne.guest("guest")?;
    let (pace, session) = thread::scope(|scope| -> Result<_> {
        let drawing = scope.spawn(|| painter.alternate(0, TIME, PICTURES, 0));
        // Some frames with the first one.
        let begun = lucarne.stats("guest", 0)?.frames_flushed;
        until(FIRST, || {
            let now = lucarne.stats("guest", 0)?.frames_flushed;
            Ok((now > begun + 20).then_some(()))
        })
        .context("Waiting for frames before the crash")?;
        session.kill()?;
        thread::sleep(NOBODY);
        let session = Session::start(host, &desk.folder, MONITOR)?;
        let Ok(pace) = drawing.join() else {
            bail!("The thread that waits for the guest panicked");
        };
        Ok((pace.context("The guest was disturbed")?, session))
    })?;
    // A guest without a host is paced like a hidden one; half of that is enough to have gone on.
    ensure!(
        u128::from(pace.frames) > TIME.as_millis() / 100,
        "The guest got only {} frames answered in {TIME:?}",
        pace.frames
    );
    let after = lucarne.guest("guest")?;
    ensure!(
        after.state == GuestState::Running
            && (after.device_pid, after.vmm_pid) == (before.device_pid, before.vmm_pid),
        "The guest was {before:?}, and is {after:?}"
    );
    follow(desk, &session, &lucarne, &painter, size, 9)
        .context("The window after the host's restart")?;
    lucarne.quit()?;
    session.kill()?;
    Ok(format!("{} frames, {} late", pace.frames, pace.late))
}
