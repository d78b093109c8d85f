//! A graphics card driven by atomic commits, with nothing around them.
//!
//! Owns one open card and its numbers of properties; knows no guest and no compositor.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use anyhow::Context as _;
use smithay::reexports::drm::{
    self, ClientCapability, Device as _, VblankWaitFlags, VblankWaitTarget,
    buffer::{DrmFourcc, DrmModifier, Handle, PlanarBuffer},
    control::{
        AtomicCommitFlags, Device as _, Event, FbCmd2Flags, Mode, PlaneType, RawResourceHandle,
        ResourceHandle, atomic::AtomicModeReq, connector, crtc, framebuffer, plane, property,
    },
};

/// Bytes of a pixel of XRGB8888, the one format here.
const BYTES: u32 = 4;

/// An open card. Whoever opens a card that nobody else has is its master.
pub(super) struct Card {
    file: File,
    /// Numbers of properties, by object and name.
    properties: HashMap<(u32, String), property::Handle>,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// A monitor of a card, with what drives it.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    /// Like `DP-1`.
    pub(super) name: String,
    connector: connector::Handle,
    crtc: crtc::Handle,
    /// The CRTC's place in the list of CRTCs.
    pipe: u32,
    primary: plane::Handle,
    /// The one that it prefers.
    mode: Mode,
}

impl Monitor {
    /// Width and height of its mode, in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        let (width, height) = self.mode.size();
        (width.into(), height.into())
    }

    /// Refreshes a second.
    pub(super) fn hertz(&self) -> u32 {
        self.mode.vrefresh()
    }
}

impl Card {
    /// Opens it.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(node: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::options().read(true).write(true).open(node)?,
            properties: HashMap::new(),
        })
    }

    /// Asks to be told of all planes, and to commit states at once.
    ///
    /// # Errors
    /// The driver has no atomic mode setting.
    pub(super) fn be_atomic(&self) -> io::Result<()> {
        self.set_client_capability(ClientCapability::UniversalPlanes, true)?;
        self.set_client_capability(ClientCapability::Atomic, true)
    }

    /// The first monitor that is connected; `None` where there is none.
    ///
    /// # Errors
    /// The card has no screens, or the kernel's.
    pub(super) fn monitor(&self) -> io::Result<Option<Monitor>> {
        let resources = self.resource_handles()?;
        for handle in resources.connectors() {
            let connector = self.get_connector(*handle, true)?;
            if connector.state() == connector::State::Connected
                && let Some(mode) = connector.modes().first()
                && let Some(monitor) = self.driven(&connector, *mode)?
            {
                return Ok(Some(monitor));
            }
        }
        Ok(None)
    }

    fn driven(&self, connector: &connector::Info, mode: Mode) -> io::Result<Option<Monitor>> {
        let resources = self.resource_handles()?;
        for encoder in connector.encoders() {
            let possible = resources.filter_crtcs(self.get_encoder(*encoder)?.possible_crtcs());
            for crtc in possible {
                let place = resources.crtcs().iter().position(|other| *other == crtc);
                let pipe = place.and_then(|place| u32::try_from(place).ok());
                if let (Some(pipe), Some(primary)) = (pipe, self.primary(crtc)?) {
                    let kind = connector.interface().as_str();
                    return Ok(Some(Monitor {
                        name: format!("{kind}-{}", connector.interface_id()),
                        connector: connector.handle(),
                        crtc,
                        pipe,
                        primary,
                        mode,
                    }));
                }
            }
        }
        Ok(None)
    }

    fn primary(&self, crtc: crtc::Handle) -> io::Result<Option<plane::Handle>> {
        let resources = self.resource_handles()?;
        for plane in self.plane_handles()? {
            let possible = resources.filter_crtcs(self.get_plane(plane)?.possible_crtcs());
            if possible.contains(&crtc) && self.is_primary(plane)? {
                return Ok(Some(plane));
            }
        }
        Ok(None)
    }

    fn is_primary(&self, plane: plane::Handle) -> io::Result<bool> {
        let values = self.get_properties(plane)?;
        for (handle, value) in values.iter() {
            if self.get_property(*handle)?.name().to_bytes() == b"type" {
                return Ok(*value == u64::from(PlaneType::Primary as u32));
            }
        }
        Ok(false)
    }

    /// The number of the last vblank. The screen has to be on.
    ///
    /// # Errors
    /// It is off.
    pub(super) fn vblank(&self, monitor: &Monitor) -> io::Result<u32> {
        let now = VblankWaitTarget::Relative(0);
        let reply = self.wait_vblank(now, VblankWaitFlags::empty(), monitor.pipe, 0)?;
        Ok(reply.frame())
    }

    /// A framebuffer of a dma-buf that holds a picture of this size in XRGB8888, row after row.
    ///
    /// # Errors
    /// The card does not take it.
    pub(super) fn import(
        &self,
        dmabuf: &OwnedFd,
        size: (u32, u32),
    ) -> anyhow::Result<framebuffer::Handle> {
        let handle = self
            .prime_fd_to_buffer(dmabuf.as_fd())
            .context("Could not import a dma-buf")?;
        let imported = Imported { size, handle };
        let made = self.add_planar_framebuffer(&imported, FbCmd2Flags::MODIFIERS);
        self.close_buffer(handle)?;
        made.context("Could not make a framebuffer of a dma-buf")
    }

    /// Shows a framebuffer of the monitor's size, and waits until it does.
    ///
    /// # Errors
    /// Somebody else is the card's master, or the driver refuses.
    pub(super) fn light(
        &mut self,
        monitor: &Monitor,
        shown: framebuffer::Handle,
    ) -> anyhow::Result<()> {
        let mode = self.create_property_blob(&monitor.mode)?;
        let mut request = AtomicModeReq::new();
        self.set(
            &mut request,
            monitor.connector,
            "CRTC_ID",
            number(monitor.crtc),
        )?;
        self.set(&mut request, monitor.crtc, "MODE_ID", mode.into())?;
        self.set(&mut request, monitor.crtc, "ACTIVE", 1)?;
        self.fill(&mut request, monitor, shown, monitor.size())?;
        self.atomic_commit(AtomicCommitFlags::ALLOW_MODESET, request)
            .context("Could not switch the monitor on")
    }

    /// Asks for another framebuffer at the next vblank; [`Card::flipped`] tells when it is shown.
    ///
    /// # Errors
    /// The driver refuses.
    pub(super) fn flip(
        &mut self,
        monitor: &Monitor,
        shown: framebuffer::Handle,
    ) -> anyhow::Result<()> {
        let mut request = AtomicModeReq::new();
        self.set(&mut request, monitor.primary, "FB_ID", number(shown))?;
        let flags = AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT;
        self.atomic_commit(flags, request)
            .context("Could not flip to another framebuffer")
    }

    /// Waits for the flip that is under way; the number of its vblank.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn flipped(&self) -> io::Result<u32> {
        loop {
            for event in self.receive_events()? {
                if let Event::PageFlip(flip) = event {
                    return Ok(flip.frame);
                }
            }
        }
    }

    /// The question whether the primary plane would show a part of a framebuffer, from its top left corner
    /// on, so large that it fills the monitor.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn arrangement(
        &mut self,
        monitor: &Monitor,
        shown: framebuffer::Handle,
        part: (u32, u32),
    ) -> anyhow::Result<AtomicModeReq> {
        let mut request = AtomicModeReq::new();
        self.fill(&mut request, monitor, shown, part)?;
        Ok(request)
    }

    /// Whether the driver would take an arrangement; nothing changes on the screen.
    ///
    /// # Errors
    /// It refuses.
    pub(super) fn test(&self, arrangement: AtomicModeReq) -> io::Result<()> {
        self.atomic_commit(AtomicCommitFlags::TEST_ONLY, arrangement)
    }

    fn fill(
        &mut self,
        request: &mut AtomicModeReq,
        monitor: &Monitor,
        shown: framebuffer::Handle,
        part: (u32, u32),
    ) -> anyhow::Result<()> {
        let (width, height) = monitor.size();
        for (name, value) in [
            ("CRTC_ID", number(monitor.crtc)),
            ("FB_ID", number(shown)),
            // Within framebuffers lengths are 16.16.
            ("SRC_X", 0),
            ("SRC_Y", 0),
            ("SRC_W", u64::from(part.0) << 16),
            ("SRC_H", u64::from(part.1) << 16),
            ("CRTC_X", 0),
            ("CRTC_Y", 0),
            ("CRTC_W", width.into()),
            ("CRTC_H", height.into()),
        ] {
            self.set(request, monitor.primary, name, value)?;
        }
        Ok(())
    }

    fn set<H: ResourceHandle>(
        &mut self,
        request: &mut AtomicModeReq,
        object: H,
        name: &str,
        value: u64,
    ) -> anyhow::Result<()> {
        let raw: RawResourceHandle = object.into();
        let key = (u32::from(raw), name.to_owned());
        if !self.properties.contains_key(&key) {
            for (known, info) in self.get_properties(object)?.as_hashmap(self)? {
                self.properties.insert((key.0, known), info.handle());
            }
        }
        let property = self.properties.get(&key).with_context(|| {
            format!(
                "Could not find the property {name} of the kernel's object {}",
                key.0
            )
        })?;
        request.add_raw_property(raw, *property, value);
        Ok(())
    }
}

/// An object's number, as the value of a property.
fn number<H: Into<RawResourceHandle>>(object: H) -> u64 {
    u64::from(u32::from(object.into()))
}

/// A dma-buf as a card sees it.
struct Imported {
    size: (u32, u32),
    handle: Handle,
}

impl PlanarBuffer for Imported {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn format(&self) -> DrmFourcc {
        DrmFourcc::Xrgb8888
    }

    fn modifier(&self) -> Option<DrmModifier> {
        Some(DrmModifier::Linear)
    }

    fn pitches(&self) -> [u32; 4] {
        [self.size.0.saturating_mul(BYTES), 0, 0, 0]
    }

    fn handles(&self) -> [Option<Handle>; 4] {
        [Some(self.handle), None, None, None]
    }

    fn offsets(&self) -> [u32; 4] {
        [0; 4]
    }
}
