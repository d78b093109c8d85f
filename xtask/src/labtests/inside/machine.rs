//! Tests that run on the lab's own host: a machine with udmabuf and OpenGL on the CPU, or one with
//! neither.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use protocols::ipc::PresentPath;

use super::{Memory, drawn_guest, software_guest};
use crate::{
    lab::Lab,
    labtests::{Place, compositor::Compositor, list, picture::smpte, quoted, uml},
    report,
};

/// Mesa compiles its shaders on the CPU, in a machine whose system calls are slow.
const FIRST: Duration = Duration::from_secs(30);

const SOON: Duration = Duration::from_secs(10);

/// The tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Test {
    /// Guest memory is shown as it is, from a software guest
    SoftwareGuest,
    /// Guest memory is shown as it is, from an unmodified Linux driver
    NestedGuest,
    /// The same pictures where nothing can be shared as a dma-buf
    SharedMemory,
    /// What the host draws for a guest is shown as it is
    DrawnGuest,
    /// What the host draws for a guest, read back where it can't be shared
    ReadBack,
}

impl Test {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

/// Runs one; its last line of output is what is worth knowing about it.
pub fn run(test: Test, lucarne: &Path, uml: PathBuf, tree: PathBuf) -> Result<()> {
    let place = Place {
        folder: PathBuf::from("/lab"),
        log: PathBuf::from("/lab/lucarne.log"),
    };
    let note = match test {
        Test::SoftwareGuest => {
            let blob = software(&place, lucarne, Memory::Blob, Sharing::Dmabuf)?;
            let flat = software(&place, lucarne, Memory::TwoDimensional, Sharing::Dmabuf)?;
            format!("blob {blob}; 2D {flat}")
        }
        Test::NestedGuest => nested(&place, lucarne, uml, tree)?,
        Test::SharedMemory => {
            for device in ["/dev/udmabuf", "/dev/dri"] {
                ensure!(
                    !Path::new(device).exists(),
                    "This machine is to be one without {device}"
                );
            }
            let blob = software(&place, lucarne, Memory::Blob, Sharing::SharedMemory)?;
            let flat = software(
                &place,
                lucarne,
                Memory::TwoDimensional,
                Sharing::SharedMemory,
            )?;
            format!("blob {blob}; 2D {flat}")
        }
        Test::DrawnGuest => drawn(&place, lucarne, Sharing::Dmabuf)?,
        Test::ReadBack => drawn(&place, lucarne, Sharing::SharedMemory)?,
    };
    report::say(note);
    Ok(())
}

/// What the machine can do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Dmabuf,
    SharedMemory,
}

impl Sharing {
    fn renderer(self) -> [&'static str; 2] {
        match self {
            Self::Dmabuf => ["--renderer", "gles"],
            Self::SharedMemory => ["--renderer", "auto"],
        }
    }
}

fn software(place: &Place, lucarne: &Path, memory: Memory, sharing: Sharing) -> Result<String> {
    let name = match memory {
        Memory::Blob => "blob",
        Memory::TwoDimensional => "two-dimensional",
    };
    let folder = place.guest(name, "")?;
    let program = std::env::current_exe()?;
    let arguments = [
        "inside".to_owned(),
        "software-guest".to_owned(),
        "{socket}".to_owned(),
        folder.0.display().to_string(),
        name.to_owned(),
    ];
    let mode = format!("{}x{}", software_guest::SIZE.0, software_guest::SIZE.1);
    let config = format!(
        "[guest.guest]\nscanouts = [{mode:?}]\nrestart = \"never\"\n\
         vmm = {{ kind = \"custom\", program = {}, arguments = {} }}\n",
        quoted(&program.display().to_string()),
        list(&arguments),
    );
    let compositor = Compositor::start(
        lucarne,
        &place.folder.join(format!("host-{name}")),
        &place.log,
        &config,
        &[&format!("{mode}@60")],
        &sharing.renderer(),
    )?;
    for step in 0..software_guest::STEPS {
        folder.signal(&format!("step{step}"))?;
        let expected = software_guest::expected(step);
        compositor
            .expect_picture("guest", 0, &expected, if step == 0 { FIRST } else { SOON })
            .with_context(|| format!("Step {step} of the software guest ({name})"))?;
        for output in compositor.outputs()? {
            compositor.expect_output(&output, &expected, SOON)?;
        }
    }
    let note = verdict(&compositor, memory, sharing)?;
    folder.signal("done")?;
    compositor.quit()?;
    Ok(note)
}

/// The counters say which way the frames went, and why. (A guest that fills its output is not drawn until a picture
/// is asked for: the pictures above are where the compositor's own drawing of a dma-buf is seen.)
fn verdict(compositor: &Compositor, memory: Memory, sharing: Sharing) -> Result<String> {
    let stats = compositor.stats("guest", 0)?;
    let note = format!("{}, {} bytes copied", uml::way(&stats), stats.bytes_copied);
    match sharing {
        Sharing::Dmabuf => {
            ensure!(
                stats.path == PresentPath::DmabufPlane,
                "Frames are to stay the guest's own dma-bufs, as on a plane: {note}"
            );
            ensure!(
                memory != Memory::Blob || stats.bytes_copied == 0,
                "Nothing of a guest blob is to be copied: {note}"
            );
        }
        Sharing::SharedMemory => {
            ensure!(
                matches!(stats.path, PresentPath::SharedMemory | PresentPath::Copy),
                "Frames are to go through shared memory: {note}"
            );
            let reason = stats
                .reason
                .as_ref()
                .context("The counters name no reason")?;
            ensure!(
                reason.text.contains("udmabuf"),
                "The reason is to name what is missing: {reason:?}"
            );
        }
    }
    Ok(note)
}

/// A software guest whose pictures are drawn here.
fn drawn(place: &Place, lucarne: &Path, sharing: Sharing) -> Result<String> {
    let folder = place.guest("drawn", "")?;
    let program = std::env::current_exe()?;
    let arguments = [
        "inside".to_owned(),
        "drawn-guest".to_owned(),
        "{socket}".to_owned(),
        folder.0.display().to_string(),
    ];
    let mode = format!("{}x{}", software_guest::SIZE.0, software_guest::SIZE.1);
    let config = format!(
        "[guest.guest]\nscanouts = [{mode:?}]\nrestart = \"never\"\ngpu = \"virgl\"\n\
         vmm = {{ kind = \"custom\", program = {}, arguments = {} }}\n",
        quoted(&program.display().to_string()),
        list(&arguments),
    );
    let compositor = Compositor::start(
        lucarne,
        &place.folder.join("host-drawn"),
        &place.log,
        &config,
        &[&format!("{mode}@60")],
        &sharing.renderer(),
    )?;
    for step in 0..drawn_guest::STEPS {
        folder.signal(&format!("step{step}"))?;
        let expected = drawn_guest::expected(step);
        compositor
            .expect_picture("guest", 0, &expected, if step == 0 { FIRST } else { SOON })
            .with_context(|| format!("Step {step} of the guest that the host draws for"))?;
        for output in compositor.outputs()? {
            compositor.expect_output(&output, &expected, SOON)?;
        }
    }
    let stats = compositor.stats("guest", 0)?;
    let note = format!("{}, {} bytes copied", uml::way(&stats), stats.bytes_copied);
    let code = stats.reason.as_ref().map(|reason| reason.code.as_str());
    match sharing {
        Sharing::Dmabuf => ensure!(
            stats.path == PresentPath::DmabufPlane && stats.bytes_copied == 0,
            "What the host drew is to be shown as it is: {note}"
        ),
        Sharing::SharedMemory => ensure!(
            matches!(stats.path, PresentPath::SharedMemory | PresentPath::Copy)
                && code == Some("not_exported"),
            "What the host drew is to be read back, with the reason named: {note}, {code:?}"
        ),
    }
    folder.signal("done")?;
    compositor.quit()?;
    Ok(note)
}

/// A User Mode Linux guest on this User Mode Linux host.
fn nested(place: &Place, lucarne: &Path, uml: PathBuf, tree: PathBuf) -> Result<String> {
    let folder = place.guest("nested", uml::SHOW_PATTERN)?;
    let lab = Lab {
        uml,
        tree,
        qemu: PathBuf::new(),
        peer: PathBuf::new(),
        vmlinuz: PathBuf::new(),
        initrd: PathBuf::new(),
    };
    let config = uml::section(&lab, "guest", &folder, 2, &["800x600"]);
    let compositor = Compositor::start(
        lucarne,
        &place.folder.join("host"),
        &place.log,
        &config,
        &["800x600@60"],
        &Sharing::Dmabuf.renderer(),
    )?;
    let expected = smpte(800, 600);
    compositor
        .expect_picture("guest", 0, &expected, FIRST)
        .with_context(|| format!("The nested guest said {}", folder.printed()))?;
    for output in compositor.outputs()? {
        compositor.expect_output(&output, &expected, SOON)?;
    }
    let note = verdict(&compositor, Memory::Blob, Sharing::Dmabuf)?;
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    Ok(note)
}
