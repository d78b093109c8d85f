//! Machines that are paused, reset and switched off over the control socket, while their guests count.

use std::{fs, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use protocols::ipc::{GuestState, MachineAction, MachineState, Request};

use super::{Bench, GuestFolder, Place, compositor::Compositor, qemu, uml, until};

/// From a guest's start, or its reset, to its program.
const BOOT: Duration = Duration::from_secs(60);

const SOON: Duration = Duration::from_secs(10);

/// Ten times longer than the guest takes for a step.
const PAUSE: Duration = Duration::from_secs(1);

/// Notes each boot down, and counts.
const COUNT: &str = "echo boot >>/lab/boots
count=0
while [ ! -e /lab/done ]; do
    count=$((count + 1))
    echo $count >/lab/count.new
    mv /lab/count.new /lab/count
    sleep 0.1
done
";

/// QEMU, by its machine protocol.
pub fn qemu(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", COUNT)?;
    let compositor = qemu::start(bench, place, &folder, "gpu", &[], "640x480@60")?;
    pause_and_reset(&compositor, &folder)?;
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    Ok(String::new())
}

/// User Mode Linux, by its console for commands. It is halted, which is all that it has for a power button.
pub fn uml(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", COUNT)?;
    let compositor = uml::start(bench, place, &folder, &["640x480"])?;
    pause_and_reset(&compositor, &folder)?;
    ask(&compositor, MachineAction::Power)?;
    until(SOON, || {
        let guest = compositor.guest("guest")?;
        Ok((guest.state == GuestState::Stopped).then_some(()))
    })
    .context("Waiting for the machine to be off")?;
    compositor.quit()?;
    Ok(String::new())
}

fn pause_and_reset(compositor: &Compositor, folder: &GuestFolder) -> Result<()> {
    wait_for_count(folder, 1, BOOT)?;
    wait_for_state(compositor, MachineState::Running)?;

    ask(compositor, MachineAction::Pause)?;
    wait_for_state(compositor, MachineState::Paused)?;
    let before = count(folder);
    thread::sleep(PAUSE);
    ensure!(
        count(folder) == before,
        "The guest counts on from {before} while its machine is paused"
    );

    ask(compositor, MachineAction::Resume)?;
    wait_for_state(compositor, MachineState::Running)?;
    wait_for_count(folder, before + 2, SOON)?;

    ask(compositor, MachineAction::Reset)?;
    until(BOOT, || {
        let boots = fs::read_to_string(folder.file("boots"))?;
        Ok((boots.lines().count() >= 2).then_some(()))
    })
    .context("Waiting for the guest to boot a second time")
}

fn ask(compositor: &Compositor, action: MachineAction) -> Result<()> {
    let guest = "guest".to_owned();
    compositor
        .ask(&Request::Machine { guest, action })
        .map(drop)
}

fn count(folder: &GuestFolder) -> u64 {
    let text = fs::read_to_string(folder.file("count")).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

fn wait_for_count(folder: &GuestFolder, wanted: u64, limit: Duration) -> Result<()> {
    until(limit, || Ok((count(folder) >= wanted).then_some(()))).with_context(|| {
        format!(
            "Waiting for the guest to count to {wanted}; it printed:\n{}",
            folder.printed()
        )
    })
}

fn wait_for_state(compositor: &Compositor, wanted: MachineState) -> Result<()> {
    until(SOON, || {
        let guest = compositor.guest("guest")?;
        Ok((guest.machine == Some(wanted)).then_some(()))
    })
    .with_context(|| format!("Waiting for the machine to be {wanted}"))
}
