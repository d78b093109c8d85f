//! Drawing: what is on an output, front to back, into a picture that is kept from frame to frame.
//!
//! Two renderers exist, GLES and Pixman; [`Renderer`] picks one and hides which. This room knows
//! surfaces and pictures. It must not know windows, outputs' clocks or who owns a surface.

pub(crate) mod direct;
mod element;
mod gles;
mod painter;
pub(crate) mod scanout;
mod scene;
mod window;

use std::{fmt, str::FromStr};

use smithay::{
    backend::{
        allocator::{Format, dmabuf::Dmabuf, gbm::GbmDevice},
        drm::DrmDeviceFd,
        renderer::{
            element::RenderElementStates, gles::GlesRenderer, pixman::PixmanRenderer,
            sync::SyncPoint,
        },
        winit::WinitGraphicsBackend,
    },
    reexports::{pixman, wayland_server::protocol::wl_shm},
    utils::{Physical, Size},
};
use thiserror::Error;
use tracing::info;

use crate::{backend::OutputId, screenshot::Image};

pub use scene::{Content, Layer, Role};

pub(crate) use window::{Canvas, WindowPainter};

use gles::{GlesPainter, Software};
use painter::Painter;

type PixmanPainter = Painter<PixmanRenderer, pixman::Image<'static, 'static>>;

/// Which renderer the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RendererChoice {
    /// GLES where there is a GPU, Pixman otherwise: composing 1280x800 takes Pixman 0.7 ms where
    /// GLES in software takes 10.
    #[default]
    Auto,
    /// OpenGL ES, on a GPU or in software.
    Gles,
    /// The CPU alone.
    Pixman,
}

impl FromStr for RendererChoice {
    type Err = UnknownRenderer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "gles" => Ok(Self::Gles),
            "pixman" => Ok(Self::Pixman),
            _ => Err(UnknownRenderer(text.to_owned())),
        }
    }
}

/// A renderer's name that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Could not use {0:?} as a renderer. Choose one of auto, gles and pixman")]
pub struct UnknownRenderer(String);

/// Why no renderer could be started.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// GLES was asked for and does not work here.
    #[error(
        "Could not start the GLES renderer: {0}. Install libegl1, libgles2 and libgl1-mesa-dri, or \
         use the renderer \"pixman\""
    )]
    Gles(String),
    /// Pixman does not work, which means that memory ran out.
    #[error("Could not start the Pixman renderer: {0}. Free some memory and try again")]
    Pixman(String),
}

/// Something could not be drawn, read back or imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Could not {attempt}: {reason}. Use the renderer \"pixman\" if this goes on")]
pub struct RenderError {
    attempt: &'static str,
    reason: String,
}

impl RenderError {
    pub(crate) fn new(attempt: &'static str, reason: impl fmt::Display) -> Self {
        Self {
            attempt,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn no_output() -> Self {
        Self::new("draw an output", "there is no such output")
    }
}

/// A composed output.
#[derive(Debug)]
pub struct Composed {
    /// What had to be done for it.
    pub work: Work,
    /// What became of each surface.
    pub states: RenderElementStates,
    /// Reached when the picture is complete. Where a display waits for that by itself, this is
    /// still that moment: it decides how early to compose.
    pub sync: SyncPoint,
    /// How it becomes visible.
    pub shown: Shown,
}

/// What had to be done for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing: it already was as the scene.
    None,
    /// Other buffers of clients are shown; no pixel was drawn.
    Direct,
    /// Something was drawn.
    Drawn,
}

/// How a composed output becomes visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A display flips to it, and tells when it has.
    Flip,
    /// At the next vblank of the output's own clock: because there is no display, or because
    /// nothing changed and there is nothing to flip to.
    AtVblank,
    /// At the vblank that is nearest, even if that is just past: there is no display, nothing had to be
    /// drawn, and so there was nothing that could have been too slow.
    AtOnce,
}

impl Composed {
    /// For an output that shows what it showed before, whatever is in the scene.
    pub(crate) fn nothing() -> Self {
        Self {
            work: Work::None,
            states: RenderElementStates::default(),
            sync: SyncPoint::signaled(),
            shown: Shown::AtVblank,
        }
    }
}

/// What can be done with either renderer.
pub trait Paint {
    /// Draws what changed of a scene into the picture that is kept for an output, all of it where
    /// there is none of this size yet.
    ///
    /// # Errors
    /// The renderer's own. The next call then draws everything.
    fn compose(
        &mut self,
        output: OutputId,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError>;

    /// The picture that is kept for an output.
    ///
    /// # Errors
    /// The renderer's own; also if the output was never composed.
    fn read_back(&mut self, output: OutputId) -> Result<Image, RenderError>;

    /// Drops the picture that is kept for an output.
    fn forget(&mut self, output: OutputId);

    /// Draws a scene on black, once.
    ///
    /// # Errors
    /// The renderer's own.
    fn picture(&mut self, size: Size<i32, Physical>, scene: &[Layer])
    -> Result<Image, RenderError>;

    /// Tries whether a client's dma-buf can be drawn.
    ///
    /// # Errors
    /// The renderer's own.
    fn import(&mut self, dmabuf: &Dmabuf) -> Result<(), RenderError>;

    /// The formats of shared memory that can be drawn.
    fn shm_formats(&mut self) -> Vec<wl_shm::Format>;

    /// The formats of dma-bufs that can be drawn.
    fn dmabuf_formats(&mut self) -> Vec<Format>;
}

/// What draws all outputs.
#[derive(Debug)]
pub enum Renderer {
    /// OpenGL ES.
    Gles(Box<GlesPainter>),
    /// OpenGL ES in a window of another session, which it keeps.
    Window(Box<WindowPainter>),
    /// The CPU.
    Pixman(Box<PixmanPainter>),
}

impl Renderer {
    /// Starts the wanted renderer.
    ///
    /// # Errors
    /// What was asked for by name does not work here.
    pub fn open(choice: RendererChoice) -> Result<Self, OpenError> {
        let renderer = match choice {
            RendererChoice::Gles => Self::gles(Software::Allowed).map_err(OpenError::Gles)?,
            RendererChoice::Pixman => Self::pixman()?,
            RendererChoice::Auto => match Self::gles(Software::Refused) {
                Ok(renderer) => renderer,
                Err(reason) => {
                    info!("Drawing with the CPU, because no GPU draws here: {reason}");
                    Self::pixman()?
                }
            },
        };
        info!("Drawing with {}", renderer.description());
        Ok(renderer)
    }

    /// Starts the wanted renderer for a card that shows the pictures: its own GPU's, if it has one.
    ///
    /// # Errors
    /// What was asked for by name does not work on this card.
    pub fn open_on(
        choice: RendererChoice,
        card: Option<GbmDevice<DrmDeviceFd>>,
    ) -> Result<Self, OpenError> {
        let gles = |software| {
            let card = card.ok_or_else(|| "Mesa does not know the card".to_owned())?;
            let painter = gles::open_on(card, software)?;
            Ok(Self::Gles(Box::new(painter)))
        };
        let renderer = match choice {
            RendererChoice::Gles => gles(Software::Allowed).map_err(OpenError::Gles)?,
            RendererChoice::Pixman => Self::pixman()?,
            RendererChoice::Auto => match gles(Software::Refused) {
                Ok(renderer) => renderer,
                Err(reason) => {
                    info!("Drawing with the CPU, because the card's GPU does not: {reason}");
                    Self::pixman()?
                }
            },
        };
        info!("Drawing with {}", renderer.description());
        Ok(renderer)
    }

    /// Draws in a window with the renderer that smithay made for it.
    ///
    /// # Errors
    /// It can't draw.
    pub fn in_window(window: WinitGraphicsBackend<GlesRenderer>) -> Result<Self, OpenError> {
        let painter = WindowPainter::open(window).map_err(OpenError::Gles)?;
        let renderer = Self::Window(Box::new(painter));
        info!("Drawing with {}", renderer.description());
        Ok(renderer)
    }

    fn gles(software: Software) -> Result<Self, String> {
        gles::open(software).map(Box::new).map(Self::Gles)
    }

    fn pixman() -> Result<Self, OpenError> {
        PixmanRenderer::new()
            .and_then(Painter::pixman)
            .map(|painter| Self::Pixman(Box::new(painter)))
            .map_err(|error| OpenError::Pixman(error.to_string()))
    }

    /// The renderer at work. The only place that asks which one it is.
    pub fn paint(&mut self) -> &mut dyn Paint {
        match self {
            Self::Gles(painter) => &mut **painter,
            Self::Window(painter) => &mut **painter,
            Self::Pixman(painter) => &mut **painter,
        }
    }

    /// Which one it is, as `lucarne msg outputs` tells it.
    #[must_use]
    pub fn kind(&self) -> protocols::ipc::Renderer {
        match self {
            Self::Gles(_) | Self::Window(_) => protocols::ipc::Renderer::Gles,
            Self::Pixman(_) => protocols::ipc::Renderer::Pixman,
        }
    }

    /// Which one it is and on what, for people.
    #[must_use]
    pub fn description(&self) -> &str {
        match self {
            Self::Gles(painter) => painter.description(),
            Self::Window(painter) => painter.description(),
            Self::Pixman(painter) => painter.description(),
        }
    }

    /// Whether a graphics card draws, and not the CPU.
    #[must_use]
    pub fn is_gpu(&self) -> bool {
        match self {
            Self::Gles(painter) => !painter.is_software(),
            Self::Window(painter) => !painter.is_software(),
            Self::Pixman(_) => false,
        }
    }

    /// The device number of the GPU that draws, as linux-dmabuf names it to clients.
    #[must_use]
    pub fn device(&self) -> Option<u64> {
        match self {
            Self::Gles(painter) => painter.device(),
            Self::Window(painter) => painter.device(),
            Self::Pixman(_) => None,
        }
    }
}
