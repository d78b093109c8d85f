//! The same guest on QEMU's own vhost-user-gpu device, and what QEMU itself sees of it.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{Bench, Place, picture::Picture, until};
use crate::{lab::STOCK_APPEND, report};

const BOOT: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);

/// A process that ends with the test.
struct Ended(Child);

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
    let file = place.folder.join("screendump.png");
    dump(&monitor, &file)?;
    let picture = Picture::read_png(&file);
    std::fs::remove_dir_all(&runtime)?;
    picture
}

fn start(command: &mut Command, log: &Path) -> Result<Ended> {
    let output = File::options().create(true).append(true).open(log)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("Starting {}", command.get_program().display()))?;
    Ok(Ended(child))
}

/// Asks QEMU for a picture over its monitor.
fn dump(monitor: &Path, file: &Path) -> Result<()> {
    let stream = UnixStream::connect(monitor).context("Connecting to QEMU's monitor")?;
    stream.set_read_timeout(Some(ANSWER))?;
    let mut answers = BufReader::new(&stream).lines();
    let commands = [
        serde_json::json!({"execute": "qmp_capabilities"}),
        serde_json::json!({
            "execute": "screendump",
            "arguments": {"filename": file, "format": "png"}
        }),
    ];
    for command in commands {
        (&stream).write_all(format!("{command}\n").as_bytes())?;
        loop {
            let line = answers.next().context("QEMU's monitor has closed")??;
            let answer: serde_json::Value = serde_json::from_str(&line)?;
            if answer.get("return").is_some() {
                break;
            }
            if let Some(error) = answer.get("error") {
                bail!("Asking QEMU's monitor for {command}: {error}");
            }
        }
    }
    Ok(())
}
