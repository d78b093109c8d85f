//! smithay's compositor of one CRTC, with either kind of memory below it.

use smithay::{
    backend::{
        allocator::{
            Format, Fourcc, Modifier,
            dmabuf::Dmabuf,
            dumb::DumbAllocator,
            gbm::{GbmAllocator, GbmBufferFlags},
        },
        drm::{
            DrmDeviceFd, DrmSurface, VrrSupport,
            compositor::{DrmCompositor, FrameFlags},
        },
        renderer::Bind,
    },
    output::OutputModeSource,
    reexports::drm::control::Mode,
    utils::Transform,
};
use tracing::warn;

use super::{KmsError, card::Card, exporter::Exporter, gbm::GbmExporter, hotplug::NewScreen};
use crate::render::{
    Layer, RenderError, Renderer,
    scanout::{Candidate, Scanned, scan_out},
};

/// Any client's format may fill the primary plane. smithay's default wants the format of our own
/// pictures, and takes linear memory for another one if it came through GBM.
const FLAGS: FrameFlags = FrameFlags::DEFAULT.union(FrameFlags::ALLOW_PRIMARY_PLANE_SCANOUT_ANY);

type Dumb = DrmCompositor<DumbAllocator, Exporter, (), DrmDeviceFd>;
type Gbm = DrmCompositor<GbmAllocator<DrmDeviceFd>, GbmExporter, (), DrmDeviceFd>;

/// What prepares and flips the pictures of one CRTC.
#[derive(Debug)]
pub enum Picture {
    /// Pictures are drawn by the CPU.
    Dumb(Box<Dumb>),
    /// Pictures are drawn by the card's GPU.
    Gbm(Box<Gbm>),
}

/// Calls the same of both kinds.
macro_rules! each {
    ($picture:expr, $compositor:ident => $what:expr) => {
        match $picture {
            Picture::Dumb($compositor) => $what,
            Picture::Gbm($compositor) => $what,
        }
    };
}

impl Picture {
    /// Begins to drive a CRTC. Nothing is shown before the first frame.
    ///
    /// # Errors
    /// The mode or every format was refused.
    pub fn open(
        card: &mut Card,
        new: &NewScreen,
        renderer: &mut Renderer,
    ) -> Result<Self, KmsError> {
        if card.draws {
            match Self::with_gbm(card, new, renderer) {
                Ok(picture) => return Ok(picture),
                Err(reason) => warn!(
                    "The GPU's pictures can't be shown on {}, the CPU's may be: {reason}",
                    new.monitor.name
                ),
            }
        }
        Self::without_gbm(card, new).map_err(|reason| KmsError::Monitor {
            monitor: new.monitor.name.clone(),
            reason: format!("{reason}. Choose another mode for it with [[output]]"),
        })
    }

    fn with_gbm(card: &mut Card, new: &NewScreen, renderer: &mut Renderer) -> Result<Self, String> {
        let (Some(device), Renderer::Gles(painter)) = (card.gbm.clone(), renderer) else {
            return Err("there is no GPU".to_owned());
        };
        let formats = Bind::<Dmabuf>::supported_formats(painter.renderer()).unwrap_or_default();
        let surface = surface(card, new)?;
        let flags = GbmBufferFlags::RENDERING | GbmBufferFlags::SCANOUT;
        let colours = colours(&surface);
        DrmCompositor::new(
            mode_source(&new.mode, new.rule.transform),
            surface,
            None,
            GbmAllocator::new(device.clone(), flags),
            GbmExporter::new(device.clone(), card.framebuffers.clone()),
            colours,
            formats.iter().copied(),
            card.device.cursor_size(),
            Some(device),
        )
        .map(|compositor| Self::Gbm(Box::new(compositor)))
        .map_err(|error| error.to_string())
    }

    fn without_gbm(card: &mut Card, new: &NewScreen) -> Result<Self, String> {
        let fd = card.device.device_fd().clone();
        let surface = surface(card, new)?;
        let colours = colours(&surface);
        // Pixman draws all of them, in rows from left to right, which is all that such memory is.
        let formats = colours.clone().into_iter().map(|code| Format {
            code,
            modifier: Modifier::Linear,
        });
        DrmCompositor::new(
            mode_source(&new.mode, new.rule.transform),
            surface,
            None,
            DumbAllocator::new(fd.clone()),
            Exporter::new(&fd, card.framebuffers.clone()),
            colours,
            formats,
            card.device.cursor_size(),
            card.gbm.clone(),
        )
        .map(|compositor| Self::Dumb(Box::new(compositor)))
        .map_err(|error| error.to_string())
    }

    /// Lets the refresh rate vary, where the monitor and its driver can. Whether they do.
    pub fn vary_the_rate(&mut self, new: &NewScreen) -> bool {
        let NewScreen { monitor, .. } = new;
        let support = self.surface().vrr_supported(monitor.connector);
        if !support.is_ok_and(|support| support != VrrSupport::NotSupported) {
            warn!(
                "{} can't vary its refresh rate: its vrr stays off",
                monitor.name
            );
            return false;
        }
        let varied = each!(&mut *self, compositor => {
            compositor.use_vrr(true).map_err(|error| error.to_string())
        });
        if let Err(error) = &varied {
            warn!("{} can't vary its refresh rate: {error}", monitor.name);
        }
        varied.is_ok()
    }

    /// Prepares a frame with a renderer of the right kind.
    ///
    /// # Errors
    /// The renderer's, or the driver's.
    pub fn prepare(
        &mut self,
        renderer: &mut Renderer,
        scene: &[Layer],
        may_scan_out: &mut dyn FnMut(&Candidate) -> bool,
    ) -> Result<Scanned, RenderError> {
        match (self, renderer) {
            (Self::Dumb(compositor), Renderer::Pixman(painter)) => {
                scan_out(painter.renderer(), compositor, scene, FLAGS, may_scan_out)
            }
            (Self::Gbm(compositor), Renderer::Gles(painter)) => {
                scan_out(painter.renderer(), compositor, scene, FLAGS, may_scan_out)
            }
            (Self::Dumb(_), Renderer::Gles(_))
            | (Self::Gbm(_), Renderer::Pixman(_))
            | (_, Renderer::Window(_)) => Err(RenderError::no_output()),
        }
    }

    /// Flips to the prepared frame at the next vblank.
    ///
    /// # Errors
    /// The driver's.
    pub fn flip(&mut self) -> Result<(), String> {
        each!(self, compositor => compositor.queue_frame(()).map_err(|error| error.to_string()))
    }

    /// The flip is done.
    ///
    /// # Errors
    /// The driver's, of a flip that waited for this one.
    pub fn flipped(&mut self) -> Result<(), String> {
        each!(self, compositor => compositor
            .frame_submitted()
            .map(|_| ())
            .map_err(|error| error.to_string()))
    }

    /// Takes nothing that the driver was told for granted any more.
    ///
    /// # Errors
    /// The driver's.
    pub fn start_over(&mut self) -> Result<(), String> {
        each!(self, compositor => {
            // What was drawn into the pictures may be gone, too.
            compositor.reset_buffer_ages();
            compositor.reset_state().map_err(|error| error.to_string())
        })
    }

    /// Switches the monitor off until the next frame.
    ///
    /// # Errors
    /// The driver's.
    pub fn darken(&mut self) -> Result<(), String> {
        each!(self, compositor => compositor.clear().map_err(|error| error.to_string()))
    }

    /// Changes the mode with the next frame.
    ///
    /// # Errors
    /// The driver's; the mode is the old one then.
    pub fn use_mode(&mut self, mode: Mode, transform: Transform) -> Result<(), String> {
        let source = mode_source(&mode, transform);
        each!(self, compositor => {
            compositor.use_mode(mode).map_err(|error| error.to_string())?;
            compositor.set_output_mode_source(source);
        });
        Ok(())
    }

    /// smithay's surface.
    #[must_use]
    pub fn surface(&self) -> &DrmSurface {
        each!(self, compositor => compositor.surface())
    }
}

fn surface(card: &mut Card, new: &NewScreen) -> Result<DrmSurface, String> {
    card.device
        .create_surface(new.crtc, new.mode, &[new.monitor.connector])
        .map_err(|error| error.to_string())
}

/// The mode, as smithay's compositor wants to know it.
fn mode_source(mode: &Mode, transform: Transform) -> OutputModeSource {
    let (width, height) = mode.size();
    OutputModeSource::Static {
        size: (i32::from(width), i32::from(height)).into(),
        // Elements bring their own.
        scale: 1.0.into(),
        transform,
    }
}

/// The formats to draw in, the best first. What lies below the picture shines through it only
/// where it has an alpha channel, which costs blending elsewhere; and without atomic mode setting
/// a flip can't change the format to that of the guests.
fn colours(surface: &DrmSurface) -> Vec<Fourcc> {
    let primary = surface.plane_info().zpos.unwrap_or_default();
    let below = surface
        .planes()
        .overlay
        .iter()
        .any(|plane| plane.zpos.unwrap_or_default() < primary);
    let mut colours = vec![
        Fourcc::Xrgb8888,
        Fourcc::Argb8888,
        Fourcc::Xbgr8888,
        Fourcc::Abgr8888,
    ];
    if below && !surface.is_legacy() {
        colours.swap(0, 1);
    }
    colours
}
