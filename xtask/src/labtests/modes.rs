//! The kiosk on a monitor with an EDID that changes: a machine whose graphics card is Lucarne's own device.
//!
//! vkms' monitors have no EDID and always the same modes. virtio_gpu's have what the device says, so `lucarne
//! headless` out here plays the monitor: it says which mode is preferred, and sees what the kiosk in the machine
//! puts on it, pixel for pixel.

use std::time::Duration;

use anyhow::{Context as _, Result};
use protocols::ipc::Request;

use super::{
    Bench, Place,
    compositor::Compositor,
    inside::kms::{Test, picture},
    list, quoted,
};
use crate::{paths, report};

/// From the machine's start to the guest's first picture on its kiosk.
const BOOT: Duration = Duration::from_secs(90);

const SOON: Duration = Duration::from_secs(30);

/// The preferred modes, one after the other.
pub const MODES: [(u32, u32); 4] = [(1024, 768), (1280, 720), (800, 600), (1366, 768)];

/// Runs it.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let inside = |path: &std::path::Path| -> Result<String> {
        Ok(quoted(&format!("/host{}", path.canonicalize()?.display())))
    };
    let program = format!(
        "export LIBGL_ALWAYS_SOFTWARE=1\nexec {} inside kms {} --lucarne {} --uml {} --tree {}\n",
        inside(&paths::xtask())?,
        Test::Modes.name(),
        inside(&bench.lucarne)?,
        inside(&bench.lab.uml)?,
        inside(&bench.lab.tree)?,
    );
    let folder = place.guest("machine", &program)?;
    let mut arguments = bench.lab.uml_root();
    arguments.push("vkms.create_default_dev=0".to_owned());
    arguments.push(format!("lab={}", folder.0.display()));
    let config = format!(
        "[guest.machine]\nkernel = {}\nmemory = \"1G\"\ncpus = 2\nscanouts = [\"1024x768\"]\nrestart = \"never\"\n\
         vmm = {{ kind = \"uml\", arguments = {} }}\n",
        quoted(&bench.lab.uml.display().to_string()),
        list(&arguments),
    );
    let monitor = Compositor::start(
        &bench.lucarne,
        &place.folder.join("monitor"),
        &place.log,
        &config,
        &["1024x768@60"],
        &[],
    )?;
    let steps = || -> Result<()> {
        for (number, size) in (0..).zip(MODES) {
            if number > 0 {
                monitor.ask(&Request::Resize {
                    guest: "machine".to_owned(),
                    scanout: 0,
                    width: size.0,
                    height: size.1,
                })?;
                folder.signal(&format!("resized{number}"))?;
            }
            let limit = if number == 0 { BOOT } else { SOON };
            folder.wait_for(&format!("shown{number}"), limit)?;
            monitor
                .expect_picture("machine", 0, &picture(number, size), SOON)
                .with_context(|| format!("With the monitor's mode {size:?}"))?;
        }
        folder.signal("done")?;
        folder.wait_for_end(SOON)
    };
    steps().with_context(|| {
        format!(
            "The kiosk said:\n{}",
            report::tail(&folder.file("lucarne.log"), 20)
        )
    })?;
    let printed = folder.printed();
    let note = printed.lines().rev().nth(1).unwrap_or_default().to_owned();
    monitor.quit()?;
    Ok(note)
}
