//! On a machine with virtual terminals: the kiosk takes one, leaves it, comes back, and dies.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{ioctl, kms::udev::Udev};
use crate::{
    labtests::{compositor::Compositor, until},
    report,
};

const SOON: Duration = Duration::from_secs(60);

/// What is to be seen after a step.
pub struct Step {
    pub what: &'static str,
    /// 0 for the text console, else the kiosk. The same number means the same picture.
    pub picture: usize,
    /// Keys that are pressed before, each at the same time.
    pub keys: &'static [&'static [&'static str]],
}

const fn step(what: &'static str, picture: usize) -> Step {
    Step {
        what,
        picture,
        keys: &[],
    }
}

/// The steps, in the order in which [`run`] prepares them.
pub const STEPS: &[Step] = &[
    step("Before all", 0),
    step("The kiosk has started", 1),
    Step {
        what: "After Ctrl+Alt+F2",
        picture: 0,
        keys: &[&["ctrl", "alt", "f2"]],
    },
    step("Back on the first console", 1),
    step("After `chvt 2`", 0),
    step("Back again", 1),
    step("The guest's processes were killed", 2),
    step("The kiosk was killed", 0),
    step("A second kiosk", 1),
    step("All its children were killed", 0),
    step("A third kiosk", 1),
    step("It has quit", 0),
];

/// Goes through the steps, with files in `folder` to tell and to wait.
///
/// # Errors
///
/// When something is not as it should be.
pub fn run(folder: &Path) -> Result<()> {
    // libinput finds a keyboard by what udev says of it.
    let _udev = Udev::start(&folder.join("udev.log"))?;
    // Both consoles have the same text, so that one picture is right for both.
    for console in ["/dev/tty1", "/dev/tty2"] {
        fs::write(
            console,
            "\x1b[?25l\x1b[2J\x1b[HA text console, as it was before.\n",
        )?;
    }
    let mut number = 0..STEPS.len();
    let mut next = || seen(folder, number.next().context("There are no more steps")?);
    expect(false)?;
    next()?;

    let kiosk = start(folder)?;
    expect(true)?;
    next()?;
    next()?;
    active(2)?;
    change(1)?;
    next()?;
    change(2)?;
    next()?;
    change(1)?;
    next()?;
    kill_children(kiosk.pid(), |command| !command.contains("kiosk"))?;
    next()?;
    kiosk.kill()?;
    expect(false)?;
    next()?;

    // The process that holds the seat is a child of the kiosk, too.
    let kiosk = start(folder)?;
    expect(true)?;
    next()?;
    kill_children(kiosk.pid(), |_| true)?;
    expect(false)?;
    next()?;
    drop(kiosk);

    let kiosk = start(folder)?;
    expect(true)?;
    next()?;
    kiosk.quit()?;
    expect(false)?;
    next()
}

fn start(folder: &Path) -> Result<Compositor> {
    Compositor::run(
        Command::new(folder.join("lucarne"))
            .arg("kiosk")
            .env("LIBSEAT_BACKEND", "builtin")
            // Nothing can be kept below /, and Mesa says so.
            .env("MESA_SHADER_CACHE_DISABLE", "true"),
        &std::env::temp_dir().join("kiosk"),
        &folder.join("lucarne.log"),
        "[guest.guest]\nvmm = { kind = \"custom\", program = \"/bin/sleep\", arguments = [\"1000\"] }\n",
        &["guest"],
    )
}

/// Tells that a step is there to be looked at, and waits until it was.
fn seen(folder: &Path, number: usize) -> Result<()> {
    fs::write(folder.join(format!("step{number}")), "")?;
    until(SOON, || {
        Ok(folder.join(format!("seen{number}")).exists().then_some(()))
    })
    .with_context(|| format!("Step {number}"))
}

/// Waits until the first console is in graphics mode, or in text mode.
fn expect(graphics: bool) -> Result<()> {
    let console = File::open("/dev/tty1")?;
    until(SOON, || {
        Ok((ioctl::console_shows_graphics(&console)? == graphics).then_some(()))
    })
    .with_context(|| format!("Waiting for the console; graphics mode: {graphics}"))
}

fn change(console: u32) -> Result<()> {
    report::output(Command::new("busybox").args(["chvt", &console.to_string()]))?;
    active(console)
}

/// Waits until a console is the one that is seen.
fn active(console: u32) -> Result<()> {
    until(SOON, || {
        let name = fs::read_to_string("/sys/class/tty/tty0/active")?;
        Ok((name.trim() == format!("tty{console}")).then_some(()))
    })
    .with_context(|| format!("Changing to console {console}"))
}

/// Ends those children of the kiosk whose command line is `wanted`, without a warning.
fn kill_children(parent: u32, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let mut killed = 0;
    for child in list.split_whitespace() {
        let command = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        if wanted(&command) {
            report::output(Command::new("busybox").args(["kill", "-9", child]))?;
            killed += 1;
        }
    }
    ensure!(killed > 0, "The kiosk has no such children: {list}");
    Ok(())
}
