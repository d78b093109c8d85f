//! The same guest on QEMU's own vhost-user-gpu device, and what QEMU itself sees of it.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{Bench, Place, picture::Picture, qmp::Monitor, until};
use crate::{lab::STOCK_APPEND, report};

const BOOT: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);

/// A process that ends with the test.
pub struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `program` in the guest until it makes the file `dumped`, and returns QEMU's screendump.
///
/// # Errors
///
/// When something does not start or the guest does not get there.
pub fn screendump(bench: &Bench, place: &Place, program: &str) -> Result<Picture> {
    let folder = place.guest("reference", program)?;
    // Sockets have short paths; the test's folder may not.
    let runtime = std::env::temp_dir().join(format!("lr{:x}", std::process::id()));
    std::fs::create_dir_all(&runtime)?;
    let (device, monitor) = (runtime.join("gpu"), runtime.join("qmp"));
    let log = place.folder.join("reference.log");
    let _peer = start(Command::new(&bench.lab.peer).arg("-s").arg(&device), &log)?;
    until(ANSWER, || Ok(device.exists().then_some(())))
        .with_context(|| format!("Starting QEMU's device:\n{}", report::tail(&log, 10)))?;
    let _qemu = start(
        Command::new(&bench.lab.qemu)
            .args(["-M", "q35,memory-backend=ram", "-accel", "tcg,thread=multi"])
            .args(["-cpu", "max", "-smp", "2", "-m", "512M"])
            .args(["-object", "memory-backend-memfd,id=ram,size=512M,share=on"])
            .args(["-nodefaults", "-display", "none", "-append", STOCK_APPEND])
            .arg("-kernel")
            .arg(&bench.lab.vmlinuz)
            .arg("-initrd")
            .arg(&bench.lab.initrd)
            .arg("-chardev")
            .arg(format!("socket,id=gpu,path={}", device.display()))
            .args([
                "-device",
                "vhost-user-gpu-pci,chardev=gpu,xres=1280,yres=800",
            ])
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", monitor.display()))
            .arg("-virtfs")
            .arg(format!(
                "local,path={},mount_tag=lab,security_model=none",
                folder.0.display()
            )),
        &log,
    )?;
    folder
        .wait_for("dumped", BOOT)
        .with_context(|| format!("QEMU said:\n{}", report::tail(&log, 10)))?;
    let picture = Monitor::connect(&monitor)?.screendump(&place.folder.join("screendump.png"));
    std::fs::remove_dir_all(&runtime)?;
    picture
}

/// Starts a process whose output goes to `log`.
///
/// # Errors
///
/// When it does not start.
pub fn start(command: &mut Command, log: &Path) -> Result<Ended> {
    let output = File::options().create(true).append(true).open(log)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("Starting {}", command.get_program().display()))?;
    Ok(Ended(child))
}
