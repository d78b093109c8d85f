//! A real Linux machine on the screen, or in a picture where there is no screen.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    checks,
    lab::{self, Lab, STOCK_APPEND},
    labtests::{Compositor, Picture, quoted},
    paths, report, setup,
};

/// What the guest is called.
const NAME: &str = "linux";

const MODE: &str = "1280x800";

/// From the guest's start to its text. Four seconds without KVM on an idle machine.
const BOOT: Duration = Duration::from_secs(90);

/// A picture that stays as it is for so long is complete.
const STILL: Duration = Duration::from_millis(1500);

/// Boots it.
///
/// # Errors
///
/// When something is missing that cannot be installed, or the guest shows nothing.
pub fn run(screenshot: Option<PathBuf>) -> Result<()> {
    setup::ensure(setup::Scope::Lab, false)?;
    let lab = lab::ensure()?;
    report::say("demo     building lucarne");
    let log = paths::scratch().join("demo.log");
    std::fs::create_dir_all(paths::scratch())?;
    std::fs::write(&log, "")?;
    checks::build_lucarne(&log)?;
    if env::var_os("WAYLAND_DISPLAY").is_some() || env::var_os("WAYLAND_SOCKET").is_some() {
        window(&lab)
    } else {
        let file = screenshot.unwrap_or_else(|| paths::scratch().join("demo.png"));
        picture(&lab, &file, &log)
    }
}

/// A window in the user's session, until it is closed or the guest shuts down.
fn window(lab: &Lab) -> Result<()> {
    report::say("demo     a Linux machine in a window; close it to end");
    let status = Command::new(paths::lucarne())
        .args(["run", "--name", NAME, "--mode", MODE])
        .arg("--vmm")
        .arg(&lab.qemu)
        .arg("--kernel")
        .arg(&lab.vmlinuz)
        .arg("--initrd")
        .arg(&lab.initrd)
        .args(["--append", STOCK_APPEND])
        .status()
        .context("Starting lucarne")?;
    if !status.success() {
        bail!("lucarne ended with an error ({status})");
    }
    Ok(())
}

/// What the guest shows, saved as a file.
fn picture(lab: &Lab, file: &Path, log: &Path) -> Result<()> {
    report::say("demo     no Wayland session here: booting a Linux machine on a virtual output");
    let config = format!(
        "[guest.{NAME}]\nkernel = {}\ninitrd = {}\nappend = {}\nscanouts = [{MODE:?}]\n\
         vmm = {{ program = {} }}\n",
        quoted(&lab.vmlinuz.display().to_string()),
        quoted(&lab.initrd.display().to_string()),
        quoted(STOCK_APPEND),
        quoted(&lab.qemu.display().to_string()),
    );
    let folder = paths::scratch().join("demo");
    let compositor = Compositor::start(
        &paths::lucarne(),
        &folder,
        log,
        &config,
        &[&format!("{MODE}@60")],
        &[],
    )?;
    let started = Instant::now();
    let picture = settled(&compositor)?;
    picture.write_png(file)?;
    let stats = compositor.stats(NAME, 0)?;
    let dialect = compositor.guest(NAME)?.dialect.unwrap_or_default();
    compositor.quit()?;
    report::say(format!(
        "demo     booted in {} by a VMM that behaves as {dialect}; shown as {}{}",
        report::seconds(started.elapsed().saturating_sub(STILL)),
        stats.path,
        stats
            .reason
            .map(|reason| format!(" ({})", reason.text))
            .unwrap_or_default()
    ));
    report::say(format!(
        "demo     what it shows is saved as {}",
        file.canonicalize()?.display()
    ));
    Ok(())
}

/// Waits until there is a picture with something on it that stays as it is.
fn settled(compositor: &Compositor) -> Result<Picture> {
    let started = Instant::now();
    let mut last: Option<(Picture, Instant)> = None;
    while started.elapsed() < BOOT {
        thread::sleep(Duration::from_millis(100));
        let Ok(picture) = compositor.guest_picture(NAME, 0) else {
            continue;
        };
        match &last {
            Some((earlier, since)) if *earlier == picture => {
                if since.elapsed() >= STILL && picture.colours(4) == 4 {
                    return Ok(picture);
                }
            }
            _ => last = Some((picture, Instant::now())),
        }
    }
    let guest = compositor.guest(NAME)?;
    bail!(
        "Waiting for the guest's text: nothing came within {}. The guest is {:?}; the end of what its VMM said:\n{}",
        report::seconds(BOOT),
        guest.state,
        guest.last_output.join("\n")
    )
}
