//! The kiosk on a real text console: a distribution's kernel in QEMU, with virtual terminals and a graphics
//! card of their own, where the seat is libseat's builtin one and no daemon helps.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use anyhow::{Context as _, Result};

use super::{
    Bench, GuestFolder, Place, inside::CONSOLE_STEPS, picture::Picture, qmp::Monitor, reference,
    until,
};
use crate::{lab::STOCK_APPEND, paths, report};

/// From the machine's start to the first step. Ten seconds on an idle machine, without KVM.
const BOOT: Duration = Duration::from_secs(120);

/// From what is done to what is seen.
const SOON: Duration = Duration::from_secs(20);

/// The tests' program runs on the lab's Debian tree, which the machine has as a second share.
const PROGRAM: &str = r"
echo 0 >/sys/class/graphics/fbcon/cursor_blink
mkdir /tree
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose tree /tree
for folder in proc sys dev; do mount -o bind /$folder /tree/$folder; done
mount -t tmpfs run /tree/run
mount -t tmpfs tmp /tree/tmp
mount -o bind /lab /tree/lab
exec chroot /tree /lab/xtask inside console
";

/// Runs it.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("machine", PROGRAM)?;
    for (name, program) in [
        ("xtask", paths::xtask()),
        ("lucarne", bench.lucarne.clone()),
    ] {
        // Without what debuggers read: every page comes through the share.
        report::output(
            Command::new("strip")
                .arg("-o")
                .arg(folder.file(name))
                .arg(&program),
        )?;
    }
    // Sockets have short paths; the test's folder may not.
    let runtime = std::env::temp_dir().join(format!("lc{:x}", std::process::id()));
    fs::create_dir_all(&runtime)?;
    let socket = runtime.join("qmp");
    let share = |folder: &std::path::Path, tag: &str, more: &str| {
        format!(
            "local,path={},mount_tag={tag},security_model=none{more}",
            folder.display()
        )
    };
    let log = place.folder.join("qemu.log");
    let _qemu = reference::start(
        Command::new(&bench.lab.qemu)
            .args(["-M", "q35", "-accel", "tcg,thread=multi"])
            .args(["-cpu", "max", "-smp", "2", "-m", "1G"])
            .args(["-nodefaults", "-display", "none", "-append", STOCK_APPEND])
            .arg("-kernel")
            .arg(&bench.lab.vmlinuz)
            .arg("-initrd")
            .arg(&bench.lab.initrd)
            .args(["-device", "virtio-gpu-pci,xres=1024,yres=768"])
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
            .arg("-virtfs")
            .arg(share(&folder.0, "lab", ""))
            .arg("-virtfs")
            .arg(share(&bench.lab.tree, "tree", ",readonly=on")),
        &log,
    )?;
    let verdict = steps(place, &folder, &socket);
    let _ = fs::remove_dir_all(&runtime);
    verdict.with_context(|| {
        format!(
            "The machine said:\n{}and lucarne:\n{}",
            report::tail(&folder.file("run.log"), 20),
            report::tail(&folder.file("lucarne.log"), 20)
        )
    })
}

/// The machine's program goes step by step: it says what is to be seen, and waits until this was.
fn steps(place: &Place, folder: &GuestFolder, socket: &std::path::Path) -> Result<String> {
    let mut known: BTreeMap<usize, Picture> = BTreeMap::new();
    folder.wait_for("step0", BOOT)?;
    let mut monitor = Monitor::connect(socket)?;
    for (number, step) in CONSOLE_STEPS.iter().enumerate() {
        folder.wait_for(&format!("step{number}"), SOON)?;
        for keys in step.keys {
            monitor.press(keys)?;
        }
        let file = place.folder.join(format!("step{number}.png"));
        if let Some(wanted) = known.get(&step.picture) {
            until(SOON, || {
                Ok((monitor.screendump(&file)? == *wanted).then_some(()))
            })
            .with_context(|| format!("{}: waiting for the picture of before", step.what))?;
        } else {
            let picture = until(BOOT, || {
                let picture = settled(&mut monitor, &file)?;
                let new = known.values().all(|other| *other != picture);
                Ok((new && picture.colours(2) == 2).then_some(picture))
            })
            .with_context(|| format!("{}: waiting for another picture", step.what))?;
            known.insert(step.picture, picture);
        }
        folder.signal(&format!("seen{number}"))?;
    }
    folder.wait_for_end(SOON)?;
    Ok(format!("{} steps", CONSOLE_STEPS.len()))
}

/// A picture that stays for half a second.
fn settled(monitor: &mut Monitor, file: &std::path::Path) -> Result<Picture> {
    let mut last = monitor.screendump(file)?;
    until(SOON, || {
        std::thread::sleep(Duration::from_millis(500));
        let now = monitor.screendump(file)?;
        let same = now == last;
        last = now;
        Ok(same.then_some(()))
    })?;
    Ok(last)
}
