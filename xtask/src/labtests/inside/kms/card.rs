//! A DRM card driven by the tests themselves, with atomic commits and nothing else.

use std::{
    collections::HashMap,
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use drm::{
    ClientCapability, Device,
    buffer::{Buffer as _, DrmFourcc, DrmModifier, Handle, PlanarBuffer},
    control::{
        AtomicCommitFlags, Device as ControlDevice, FbCmd2Flags, Mode, PlaneType,
        RawResourceHandle, ResourceHandle, atomic::AtomicModeReq, connector, crtc,
        dumbbuffer::DumbBuffer, framebuffer, plane, property,
    },
};

use super::buffers::Buffer;

/// An open card.
pub struct Card {
    file: File,
    /// Numbers of properties, by object and name.
    properties: HashMap<(u32, String), property::Handle>,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Device for Card {}
impl ControlDevice for Card {}

/// A monitor with what drives it.
#[derive(Clone)]
pub struct Head {
    pub connector: connector::Handle,
    pub crtc: crtc::Handle,
    /// The CRTC's place in the list of CRTCs.
    pub pipe: u32,
    pub primary: plane::Handle,
    pub modes: Vec<Mode>,
}

impl Head {
    /// The first mode of a size.
    ///
    /// # Errors
    ///
    /// When the monitor has none.
    pub fn mode(&self, width: u32, height: u32) -> Result<Mode> {
        self.modes
            .iter()
            .find(|mode| {
                let (across, down) = mode.size();
                (u32::from(across), u32::from(down)) == (width, height)
            })
            .copied()
            .with_context(|| format!("Looking for a mode of {width}x{height}: there is none"))
    }
}

impl Card {
    /// Opens it and takes what an atomic client has.
    ///
    /// # Errors
    ///
    /// When there is no such card, or its driver is not atomic.
    pub fn open(node: &Path) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(node)
            .with_context(|| format!("Opening {}", node.display()))?;
        let card = Self {
            file,
            properties: HashMap::new(),
        };
        for capability in [
            ClientCapability::UniversalPlanes,
            ClientCapability::Atomic,
            ClientCapability::WritebackConnectors,
        ] {
            card.set_client_capability(capability, true)
                .with_context(|| format!("Asking {} for {capability:?}", node.display()))?;
        }
        Ok(card)
    }

    /// The first connected monitor.
    ///
    /// # Errors
    ///
    /// When there is none, or nothing drives it.
    pub fn head(&self) -> Result<Head> {
        let resources = self.resource_handles()?;
        let connector = self
            .connectors(|connector| {
                connector.interface() != connector::Interface::Writeback
                    && connector.state() == connector::State::Connected
            })?
            .into_iter()
            .next()
            .context("Looking for a monitor: none is connected")?;
        let encoder = connector
            .encoders()
            .first()
            .context("The monitor has no encoder")?;
        let possible = resources.filter_crtcs(self.get_encoder(*encoder)?.possible_crtcs());
        let crtc = *possible.first().context("The monitor has no CRTC")?;
        let pipe = resources
            .crtcs()
            .iter()
            .position(|other| *other == crtc)
            .context("The monitor's CRTC is in no list")?;
        Ok(Head {
            connector: connector.handle(),
            crtc,
            pipe: u32::try_from(pipe)?,
            primary: self.primary(crtc)?,
            modes: connector.modes().to_vec(),
        })
    }

    /// The connectors of a kind, freshly probed.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to tell.
    pub fn connectors(
        &self,
        wanted: impl Fn(&connector::Info) -> bool,
    ) -> Result<Vec<connector::Info>> {
        let resources = self.resource_handles()?;
        let mut found = Vec::new();
        for handle in resources.connectors() {
            let connector = self.get_connector(*handle, true)?;
            if wanted(&connector) {
                found.push(connector);
            }
        }
        Ok(found)
    }

    fn primary(&self, crtc: crtc::Handle) -> Result<plane::Handle> {
        let resources = self.resource_handles()?;
        for plane in self.plane_handles()? {
            let possible = resources.filter_crtcs(self.get_plane(plane)?.possible_crtcs());
            let properties = self.get_properties(plane)?.as_hashmap(self)?;
            let kind = properties.get("type").context("A plane has no type")?;
            let values = self.get_properties(plane)?;
            let primary = values.iter().any(|(handle, value)| {
                *handle == kind.handle() && *value == u64::from(PlaneType::Primary as u32)
            });
            if primary && possible.contains(&crtc) {
                return Ok(plane);
            }
        }
        anyhow::bail!("Looking for a CRTC's primary plane: there is none")
    }

    /// A framebuffer of a dma-buf. The card's own handle of the memory is closed again at once.
    ///
    /// # Errors
    ///
    /// When the card does not take it.
    pub fn import(&self, buffer: &Buffer) -> Result<framebuffer::Handle> {
        let handle = self
            .prime_fd_to_buffer(buffer.dmabuf())
            .context("Importing a dma-buf")?;
        let framebuffer =
            self.add_planar_framebuffer(&Imported { buffer, handle }, FbCmd2Flags::MODIFIERS);
        self.close_buffer(handle)?;
        framebuffer.context("Making a framebuffer of a dma-buf")
    }

    /// A buffer of the card's own, with a framebuffer of it.
    ///
    /// # Errors
    ///
    /// When there is no memory.
    pub fn dumb(&self, width: u32, height: u32) -> Result<(DumbBuffer, framebuffer::Handle)> {
        let buffer = self.create_dumb_buffer((width, height), DrmFourcc::Xrgb8888, 32)?;
        let framebuffer = self.add_framebuffer(&buffer, 24, 32)?;
        Ok((buffer, framebuffer))
    }

    /// Shows a framebuffer of the mode's size on a monitor, in one blocking commit.
    ///
    /// # Errors
    ///
    /// When this program is not the card's master, or the card refuses.
    pub fn light(
        &mut self,
        head: &Head,
        mode: Mode,
        framebuffer: framebuffer::Handle,
    ) -> Result<()> {
        let (width, height) = mode.size();
        let blob = self.create_property_blob(&mode)?;
        let mut request = AtomicModeReq::new();
        let crtc = u64::from(u32::from(head.crtc));
        self.set(&mut request, head.connector, "CRTC_ID", crtc)?;
        self.set(&mut request, head.crtc, "MODE_ID", blob.into())?;
        self.set(&mut request, head.crtc, "ACTIVE", 1)?;
        let across = u64::from(width);
        let down = u64::from(height);
        for (name, value) in [
            ("CRTC_ID", crtc),
            ("FB_ID", u64::from(u32::from(framebuffer))),
            ("SRC_X", 0),
            ("SRC_Y", 0),
            ("SRC_W", across << 16),
            ("SRC_H", down << 16),
            ("CRTC_X", 0),
            ("CRTC_Y", 0),
            ("CRTC_W", across),
            ("CRTC_H", down),
        ] {
            self.set(&mut request, head.primary, name, value)?;
        }
        self.atomic_commit(AtomicCommitFlags::ALLOW_MODESET, request)
            .context("Switching a monitor on")
    }

    /// Asks for another framebuffer at the next vblank; an event tells when it is shown.
    ///
    /// # Errors
    ///
    /// When the card refuses.
    pub fn flip(&mut self, head: &Head, framebuffer: framebuffer::Handle) -> Result<()> {
        let mut request = AtomicModeReq::new();
        let number = u64::from(u32::from(framebuffer));
        self.set(&mut request, head.primary, "FB_ID", number)?;
        let flags = AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT;
        self.atomic_commit(flags, request).context("Flipping")
    }

    /// Adds a property, by name, to a request.
    ///
    /// # Errors
    ///
    /// When the object has no such property.
    pub fn set<H: ResourceHandle>(
        &mut self,
        request: &mut AtomicModeReq,
        object: H,
        name: &str,
        value: u64,
    ) -> Result<()> {
        let raw: RawResourceHandle = object.into();
        let number = u32::from(raw);
        let key = (number, name.to_owned());
        if !self.properties.contains_key(&key) {
            for (known, info) in self.get_properties(object)?.as_hashmap(self)? {
                self.properties.insert((number, known), info.handle());
            }
        }
        let property = self
            .properties
            .get(&key)
            .with_context(|| format!("Looking for the property {name} of object {number}"))?;
        request.add_raw_property(raw, *property, value);
        Ok(())
    }
}

/// A dma-buf as a card sees it.
struct Imported<'a> {
    buffer: &'a Buffer,
    handle: Handle,
}

impl PlanarBuffer for Imported<'_> {
    fn size(&self) -> (u32, u32) {
        (self.buffer.width, self.buffer.height)
    }

    fn format(&self) -> DrmFourcc {
        DrmFourcc::Xrgb8888
    }

    fn modifier(&self) -> Option<DrmModifier> {
        Some(DrmModifier::Linear)
    }

    fn pitches(&self) -> [u32; 4] {
        [self.buffer.stride(), 0, 0, 0]
    }

    fn handles(&self) -> [Option<Handle>; 4] {
        [Some(self.handle), None, None, None]
    }

    fn offsets(&self) -> [u32; 4] {
        [0; 4]
    }
}

/// The nodes of the cards that are driven by `driver`, as sysfs calls it, in their order.
///
/// # Errors
///
/// When sysfs cannot be read.
pub fn nodes(wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/sys/class/drm")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name
            .strip_prefix("card")
            .and_then(|rest| rest.parse::<u32>().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    let mut nodes = Vec::new();
    for (number, folder) in found {
        let device = folder.join("device").canonicalize()?;
        let name = device
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if wanted(&name) {
            nodes.push(PathBuf::from(format!("/dev/dri/card{number}")));
        }
    }
    Ok(nodes)
}

/// The debugfs folder of a card.
///
/// # Errors
///
/// When the node is no card's.
pub fn debugfs(node: &Path) -> Result<PathBuf> {
    let name = node
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let number = name.strip_prefix("card").context("This is no card")?;
    let folder = Path::new("/sys/kernel/debug/dri").join(number);
    ensure!(
        folder.is_dir(),
        "{} has no folder in debugfs",
        node.display()
    );
    Ok(folder)
}

/// Bytes of a dumb buffer's rows, as a picture.
///
/// # Errors
///
/// When it cannot be mapped.
pub fn read(card: &Card, buffer: &mut DumbBuffer) -> Result<Vec<u8>> {
    let map = card.map_dumb_buffer(buffer)?;
    Ok(map.to_vec())
}

/// The stride of a dumb buffer.
pub fn stride(buffer: &DumbBuffer) -> Result<usize> {
    Ok(usize::try_from(buffer.pitch())?)
}
