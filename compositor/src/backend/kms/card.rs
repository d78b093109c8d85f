//! A graphics card: opened through the seat, paused and resumed with it, and given back as it was
//! found.

use std::{
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use calloop::RegistrationToken;
use smithay::{
    backend::{
        allocator::gbm::GbmDevice,
        drm::{DrmDevice, DrmDeviceFd, DrmDeviceNotifier},
    },
    reexports::drm::{
        self, Device as _,
        control::{Device as _, connector, crtc},
    },
    utils::DeviceFd,
};
use tracing::{debug, info, warn};

use super::{
    KmsError,
    framebuffers::Framebuffers,
    gbm,
    holder::{holders, is_master},
    looks::Looks,
    screen::Screen,
    session::{Seat, SeatError},
};

/// What a CRTC showed before we came.
#[derive(Debug)]
struct Before {
    crtc: crtc::Info,
    connectors: Vec<connector::Handle>,
}

/// A card that we set the modes of.
#[derive(Debug)]
pub struct Card {
    /// Its device node.
    pub path: PathBuf,
    /// smithay's device.
    pub device: DrmDevice,
    /// Where there is a Mesa that knows the card.
    pub gbm: Option<GbmDevice<DrmDeviceFd>>,
    /// Whether the card's GPU draws for it.
    pub draws: bool,
    /// All framebuffers of ours on it.
    pub framebuffers: Framebuffers,
    /// What it shows.
    pub screens: Vec<Screen>,
    /// When its connectors are looked at.
    pub looks: Looks,
    /// Its vblanks in the event loop.
    pub events: Option<RegistrationToken>,
    before: Vec<Before>,
}

impl Card {
    /// Opens a card. Its picture stays as it is.
    ///
    /// # Errors
    /// The seat does not give it to us, somebody else sets its modes, or it has no screens.
    pub fn open(seat: &Seat, path: &Path) -> Result<(Self, DrmDeviceNotifier), KmsError> {
        let fd = seat.open_device(path).map_err(|error| busy(path, error))?;
        let number = fd.as_raw_fd();
        let opened = Self::take(path, fd);
        if opened.is_err() {
            seat.forget_device(number);
        }
        opened
    }

    fn take(path: &Path, fd: OwnedFd) -> Result<(Self, DrmDeviceNotifier), KmsError> {
        let node = Node(fd);
        if node.resource_handles().is_err() {
            let card = path.to_owned();
            return Err(KmsError::NoScreens { card });
        }
        if !is_master(&node) {
            return Err(KmsError::Busy {
                card: path.to_owned(),
                holder: named(&holders(path)),
            });
        }
        let fd = &DrmDeviceFd::new(DeviceFd::from(node.0));
        let before = before(fd);
        let (device, notifier) = DrmDevice::new(fd.clone(), false)
            .map_err(|error| KmsError::card("set modes on", path, error))?;
        if !device.is_atomic() {
            info!(
                "{} has no atomic mode setting: one picture at a time fills a monitor, and \
                 pointers are drawn into it",
                path.display()
            );
        }
        let gbm = match gbm::open(fd) {
            Ok(gbm) => Some(gbm),
            Err(error) => {
                info!(
                    "No GBM for {}: {error}. Cursor planes stay unused",
                    path.display()
                );
                None
            }
        };
        let card = Self {
            path: path.to_owned(),
            device,
            gbm,
            draws: false,
            framebuffers: Framebuffers::default(),
            screens: Vec::new(),
            looks: Looks::default(),
            events: None,
            before,
        };
        Ok((card, notifier))
    }

    /// Switches off what nobody drives and nobody is about to: the console's picture would stay on
    /// monitors that are configured off.
    pub fn switch_off_the_rest(&self, wanted: &[crtc::Handle]) {
        let driven =
            |crtc| wanted.contains(&crtc) || self.screens.iter().any(|screen| screen.crtc == crtc);
        for crtc in self.device.crtcs().iter().filter(|crtc| !driven(**crtc)) {
            let shows = self.device.get_crtc(*crtc);
            if shows.is_ok_and(|shows| shows.mode().is_some())
                && let Err(error) = self.device.set_crtc(*crtc, None, (0, 0), &[], None)
            {
                warn!(
                    "Could not switch off a monitor of {}: {error}",
                    self.path.display()
                );
            }
        }
    }

    /// The seat goes: nothing touches the card from now on.
    pub fn pause(&mut self) {
        self.device.pause();
        for screen in &mut self.screens {
            screen.pause();
        }
    }

    /// The seat is back. Somebody else may have left other modes.
    pub fn resume(&mut self) {
        if let Err(error) = self.device.activate(false) {
            warn!("Could not take {} back: {error}", self.path.display());
        }
        if self.resume_screens() {
            return;
        }
        // Whatever state the card was left in, from nothing it can be set.
        match self.device.reset_state() {
            Ok(()) => {
                self.resume_screens();
            }
            Err(error) => warn!("Could not reset {}: {error}", self.path.display()),
        }
    }

    /// Whether the driver plays along with all of them.
    fn resume_screens(&mut self) -> bool {
        let mut all = true;
        for screen in &mut self.screens {
            all &= screen.resume();
        }
        all
    }

    /// The card was unplugged: nothing can be asked of it any more.
    pub fn lost(mut self, seat: &Seat) {
        self.device.pause();
        self.screens.clear();
        let fd = self.device.device_fd().as_fd().as_raw_fd();
        drop(self);
        seat.forget_device(fd);
    }

    /// Shows what was shown before we came. Its events have to be out of the event loop.
    pub fn give_back(mut self, seat: &Seat) {
        let fd = self.device.device_fd().as_fd().as_raw_fd();
        if self.device.is_active() {
            let restored: Vec<crtc::Handle> = self
                .before
                .iter()
                .filter(|before| self.restore(before))
                .map(|before| before.crtc.handle())
                .collect();
            // These switch their monitors off, which is what they showed before.
            self.screens
                .retain(|screen| restored.contains(&screen.crtc));
            // The others must not any more.
            self.device.pause();
        }
        self.screens.clear();
        // smithay has dropped it with the pause, and does so again with the device, loudly.
        drop(self.device.acquire_master_lock());
        drop(self);
        seat.forget_device(fd);
    }

    fn restore(&self, before: &Before) -> bool {
        let (info, crtc) = (&before.crtc, before.crtc.handle());
        let (Some(framebuffer), Some(mode)) = (info.framebuffer(), info.mode()) else {
            return false;
        };
        for screen in self.screens.iter().filter(|screen| screen.crtc == crtc) {
            screen.clear_upper_planes();
        }
        let result = self.device.set_crtc(
            crtc,
            Some(framebuffer),
            info.position(),
            &before.connectors,
            Some(mode),
        );
        if let Err(error) = &result {
            // Its framebuffer went with the program that made it, or its monitor was unplugged.
            debug!("Could not show the console's picture again: {error}");
        }
        result.is_ok()
    }
}

/// A device node that is looked at.
struct Node(OwnedFd);

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Node {}
impl drm::control::Device for Node {}

fn before(card: &DrmDeviceFd) -> Vec<Before> {
    let Ok(resources) = card.resource_handles() else {
        return Vec::new();
    };
    let driver = |connector: &connector::Handle| {
        let info = card.get_connector(*connector, false).ok()?;
        card.get_encoder(info.current_encoder()?).ok()?.crtc()
    };
    let drivers: Vec<_> = resources
        .connectors()
        .iter()
        .filter_map(|connector| Some((*connector, driver(connector)?)))
        .collect();
    let crtcs = resources.crtcs().iter();
    crtcs
        .filter_map(|crtc| card.get_crtc(*crtc).ok())
        .map(|crtc| Before {
            connectors: drivers
                .iter()
                .filter(|(_, driver)| *driver == crtc.handle())
                .map(|(connector, _)| *connector)
                .collect(),
            crtc,
        })
        .collect()
}

fn busy(path: &Path, error: SeatError) -> KmsError {
    let refused = match &error {
        SeatError::Device { source, .. } => matches!(
            source.kind(),
            std::io::ErrorKind::ResourceBusy | std::io::ErrorKind::PermissionDenied
        ),
        _ => false,
    };
    let holders = holders(path);
    if refused && !holders.is_empty() {
        return KmsError::Busy {
            card: path.to_owned(),
            holder: named(&holders),
        };
    }
    error.into()
}

fn named(holders: &[String]) -> String {
    match holders {
        [] => "another program (which one, only root may see)".to_owned(),
        holders => holders.join(" or "),
    }
}
