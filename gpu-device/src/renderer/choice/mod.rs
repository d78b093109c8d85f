//! What is to draw a guest's 3D: from what the user wants and what this machine has.
//!
//! ```text
//!  Wanted, Machine ──▶ choose ── Start ──▶ a renderer is started ── what it offers ──▶ Choice
//!                         ▲                        │
//!                         └──── Lack ◀─────────────┘          or Impossible
//! ```
//!
//! Knows neither processes nor libraries: starting one is handed in, and so is what was [seen](Machine)
//! of the machine. It decides, and finds the words for it.

mod lack;
mod machine;

use std::path::PathBuf;

use protocols::{
    ipc::{GuestRenderer, Reason, RendererKind},
    virtio_gpu::CAPSET_VENUS,
};
use thiserror::Error;
use tracing::{debug, info, warn};

pub use self::{
    lack::{Lack, Missing},
    machine::{Access, Machine, Node, Vulkan},
};
use super::{Capset, Versions};

/// What the user wants for a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GpuKind {
    /// [`GpuKind::Virgl`] where a graphics card can draw, and else [`GpuKind::TwoD`]: the guest's own
    /// software draws faster than the host's would for it, and its pictures need no copy.
    #[default]
    Auto,
    /// No 3D.
    TwoD,
    /// OpenGL, on the CPU if need be.
    Virgl,
    /// Vulkan, and OpenGL where the host has it.
    Venus,
}

/// What the user wants, and of which graphics card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// What for.
    pub kind: GpuKind,
    /// The render node that was named; the first one of a graphics card where none was.
    pub node: Option<PathBuf>,
}

/// How a renderer is to be started.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Start {
    /// With OpenGL.
    pub virgl: bool,
    /// With Vulkan.
    pub venus: bool,
    /// On this graphics card; without one where `None`.
    pub node: Option<PathBuf>,
}

/// A renderer that was started, as far as it matters here.
pub trait Offer {
    /// What guests can use.
    fn capsets(&self) -> &[Capset];
    /// What it draws with.
    fn versions(&self) -> &Versions;
}

/// What became of it.
#[derive(Debug)]
pub struct Choice<R> {
    /// What draws; `None` for 2D.
    pub renderer: Option<R>,
    /// For those who ask.
    pub report: GuestRenderer,
    /// What the user should know now.
    pub note: Option<Note>,
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Nobody asked for more than there is.
    Debug(String),
    /// All is as it was wanted.
    Info(String),
    /// It is less than what was wanted.
    Warning(String),
}

impl Note {
    /// Writes it to the log.
    pub fn log(&self) {
        match self {
            Self::Debug(text) => debug!("{text}"),
            Self::Info(text) => info!("{text}"),
            Self::Warning(text) => warn!("{text}"),
        }
    }
}

/// Why a guest can't have what was demanded for it. There is no Vulkan but on the host, so a guest that
/// is to have it would not do what it is there for.
#[derive(Debug, Error)]
pub enum Impossible {
    /// The machine lacks something.
    #[error("Could not give the guest Vulkan (venus): {lack}. {}, or choose virgl", lack.remedy())]
    Lacks {
        /// What.
        lack: Lack,
    },
    /// The VMM can't show the guest the host's memory.
    #[error(
        "Could not give the guest Vulkan (venus): its VMM ({vmm}) shows it no memory of the host. \
         Use QEMU 11.1 or newer with its generic device, or crosvm, or choose virgl"
    )]
    NoWindow {
        /// What the VMM was recognised as.
        vmm: String,
    },
}

/// Chooses, and starts what was chosen. `start` is called at most three times.
///
/// # Errors
/// Vulkan was demanded and there is none.
pub fn choose<R: Offer>(
    wanted: &Wanted,
    machine: &Machine,
    mut start: impl FnMut(&Start) -> Result<R, Lack>,
) -> Result<Choice<R>, Impossible> {
    let picked = Picked::of(wanted, machine);
    match wanted.kind {
        GpuKind::TwoD => Ok(Choice::two_d(None)),
        GpuKind::Auto => Ok(auto(wanted, picked, start)),
        GpuKind::Virgl => Ok(virgl(picked, &mut start)),
        GpuKind::Venus => venus(picked, &machine.vulkan, &mut start),
    }
}

/// The graphics card that is to draw.
#[derive(Debug)]
struct Picked {
    node: Option<PathBuf>,
    /// Why it is not the one that was named, or that there is.
    trouble: Option<Lack>,
}

impl Picked {
    fn of(wanted: &Wanted, machine: &Machine) -> Self {
        let candidates: Vec<&Node> = match &wanted.node {
            Some(path) => machine.node(path).into_iter().collect(),
            None => machine.cards().collect(),
        };
        let usable = candidates.iter().find(|node| node.lack().is_none());
        Self {
            node: usable.map(|node| node.path.clone()),
            trouble: match usable {
                Some(_) => None,
                None => candidates.iter().find_map(|node| node.lack()),
            },
        }
    }
}

/// Quiet about what it does without, unless the user named something that can't be used.
fn auto<R: Offer>(
    wanted: &Wanted,
    picked: Picked,
    mut start: impl FnMut(&Start) -> Result<R, Lack>,
) -> Choice<R> {
    let lack = match (picked.node, picked.trouble) {
        (_, Some(trouble)) => trouble,
        (None, None) => Lack::new(Missing::Card, ""),
        (Some(node), None) => match start(&Start::virgl(Some(node.clone()))) {
            Ok(renderer) if !is_software(renderer.versions()) => {
                return Choice::three_d(renderer, None);
            }
            Ok(renderer) => {
                let device = &renderer.versions().device;
                Lack::new(
                    Missing::Card,
                    format!("on {} {device} does", node.display()),
                )
            }
            Err(lack) => lack,
        },
    };
    let text = format!("The guest has no 3D: {lack}. {}", lack.remedy());
    let note = match (&wanted.node, lack.what) {
        (None, Missing::Card) => Note::Debug(text),
        (None, _) => Note::Info(text),
        (Some(_), _) => Note::Warning(text),
    };
    Choice {
        note: Some(note),
        ..Choice::two_d(Some(&lack))
    }
}

/// The best that works: the graphics card, the CPU, no 3D.
fn virgl<R: Offer>(picked: Picked, start: &mut impl FnMut(&Start) -> Result<R, Lack>) -> Choice<R> {
    let (outcome, trouble) = with_or_without_card(picked, Start::virgl, start);
    match outcome {
        Ok(renderer) => Choice::three_d(renderer, trouble),
        Err(lack) => Choice {
            note: Some(Note::Warning(format!(
                "Could not give the guest 3D (virgl), it gets 2D: {lack}. {}",
                lack.remedy()
            ))),
            ..Choice::two_d(Some(&lack))
        },
    }
}

/// All or nothing, but OpenGL.
fn venus<R: Offer>(
    picked: Picked,
    vulkan: &Vulkan,
    start: &mut impl FnMut(&Start) -> Result<R, Lack>,
) -> Result<Choice<R>, Impossible> {
    // The library does not look for drivers before a guest uses one.
    if vulkan.drivers.is_empty() {
        let lack = Lack::new(Missing::Vulkan, "");
        return Err(Impossible::Lacks { lack });
    }
    let without_gl = |lack: &Lack| lack.what == Missing::Egl;
    let (outcome, trouble) = with_or_without_card(picked, Start::venus, start);
    let outcome = match outcome {
        Err(lack) if without_gl(&lack) => start(&Start {
            virgl: false,
            ..Start::venus(None)
        }),
        outcome => outcome,
    };
    let lack = match outcome {
        Ok(renderer) if renderer.capsets().iter().any(|set| set.id == CAPSET_VENUS) => {
            let mut choice = Choice::three_d(renderer, trouble);
            // The library asks no driver before a guest does.
            if choice.report.vulkan.is_empty() {
                choice.report.vulkan.clone_from(&vulkan.version);
            }
            return Ok(choice);
        }
        Ok(_) => Lack::new(Missing::Server, ""),
        Err(lack) => lack,
    };
    // The library says only that it has none; a server that is there is not what it lacks.
    let lack = match (lack.what, &vulkan.server) {
        (Missing::Server, Some(_)) => Lack::new(Missing::Venus, lack.detail),
        _ => lack,
    };
    Err(Impossible::Lacks { lack })
}

/// Starts on the card that was picked; where that can't draw, on the CPU. With why it is the CPU.
fn with_or_without_card<R: Offer>(
    picked: Picked,
    how: impl Fn(Option<PathBuf>) -> Start,
    start: &mut impl FnMut(&Start) -> Result<R, Lack>,
) -> (Result<R, Lack>, Option<Lack>) {
    let is_of_card = |lack: &Lack| {
        let card = [
            Missing::Egl,
            Missing::Node,
            Missing::Permission,
            // Its driver may have brought the process down.
            Missing::Answer,
            Missing::Other,
        ];
        card.contains(&lack.what)
    };
    let Some(node) = picked.node else {
        return (start(&how(None)), picked.trouble);
    };
    match start(&how(Some(node))) {
        Err(lack) if is_of_card(&lack) => (start(&how(None)), Some(lack)),
        outcome => (outcome, picked.trouble),
    }
}

/// Whether it is the CPU that draws, by the names of Mesa's drivers that do.
#[must_use]
pub fn is_software(versions: &Versions) -> bool {
    let device = versions.device.to_ascii_lowercase();
    let names = ["llvmpipe", "softpipe", "swrast", "software"];
    names.iter().any(|name| device.contains(name))
}

impl Start {
    fn virgl(node: Option<PathBuf>) -> Self {
        Self {
            virgl: true,
            venus: false,
            node,
        }
    }

    fn venus(node: Option<PathBuf>) -> Self {
        Self {
            venus: true,
            ..Self::virgl(node)
        }
    }
}

impl<R: Offer> Choice<R> {
    fn two_d(lack: Option<&Lack>) -> Self {
        Self {
            renderer: None,
            report: GuestRenderer {
                reason: lack.map(Reason::from),
                ..GuestRenderer::default()
            },
            note: None,
        }
    }

    fn three_d(renderer: R, trouble: Option<Lack>) -> Self {
        let report = report(renderer.capsets(), renderer.versions());
        let what = describe(&report);
        let note = match &trouble {
            Some(lack) => Note::Warning(format!(
                "The guest's 3D is drawn by the CPU ({what}): {lack}. {}",
                lack.remedy()
            )),
            None if is_software(renderer.versions()) => Note::Info(format!(
                "The guest's 3D is drawn by the CPU ({what}): there is no graphics card for it"
            )),
            None => Note::Info(format!("The guest's 3D is drawn by {what}")),
        };
        Self {
            renderer: Some(renderer),
            report: GuestRenderer {
                reason: trouble.as_ref().map(Reason::from),
                ..report
            },
            note: Some(note),
        }
    }
}

/// What a renderer is, for those who ask.
#[must_use]
pub fn report(capsets: &[Capset], versions: &Versions) -> GuestRenderer {
    let has_venus = capsets.iter().any(|set| set.id == CAPSET_VENUS);
    GuestRenderer {
        kind: match (has_venus, capsets) {
            (_, []) => RendererKind::TwoD,
            (true, _) => RendererKind::Venus,
            (false, _) => RendererKind::Virgl,
        },
        library: versions.library.clone(),
        device: versions.device.clone(),
        gl: versions.gl.clone(),
        gles: versions.gles.clone(),
        glsl: versions.glsl.clone(),
        vulkan: versions.vulkan.clone(),
        restarts: 0,
        reason: None,
    }
}

/// `llvmpipe, OpenGL 4.5, libvirglrenderer 1.3.0`.
fn describe(report: &GuestRenderer) -> String {
    let parts = [
        ("", &report.device),
        ("OpenGL ", &report.gl),
        ("OpenGL ES ", &report.gles),
        ("Vulkan ", &report.vulkan),
        ("libvirglrenderer ", &report.library),
    ];
    let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
    let parts: Vec<String> = parts
        .map(|(name, value)| format!("{name}{value}"))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests;
