//! A guest's program with a pointer, on an ordinary DRM card.

use std::{
    fs::{self, File},
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use drm::{
    Device,
    buffer::{Buffer as _, DrmFourcc},
    control::{Device as ControlDevice, connector, dumbbuffer::DumbBuffer},
};

use crate::{
    labtests::{picture::Picture, until},
    report,
};

const SIDE: usize = 64;

/// Where the image points.
const HOTSPOT: (i32, i32) = (3, 5);

/// One place on the pointer's way.
#[derive(Debug)]
pub struct Step {
    pub visible: bool,
    pub image: usize,
    /// Where the image's top left corner is.
    pub x: i32,
    pub y: i32,
}

const fn at(image: usize, x: i32, y: i32) -> Step {
    Step {
        visible: true,
        image,
        x,
        y,
    }
}

/// Its way over a screen of 1024x768: in the middle, over each edge, with another image, away.
pub const CURSOR: &[Step] = &[
    at(0, 100, 80),
    at(0, -20, 300),
    at(0, 1000, 740),
    at(1, 1000, 740),
    at(1, 512, -31),
    Step {
        visible: false,
        image: 1,
        x: 512,
        y: -31,
    },
    at(0, 511, 383),
];

impl Step {
    /// What is on the screen then.
    pub fn expected(&self, width: usize, height: usize) -> Picture {
        let back = backdrop(width, height);
        Picture::from_fn(width, height, |x, y| {
            self.covers(x, y).unwrap_or_else(|| back.at(x, y))
        })
    }

    /// The pointer's colour at a pixel of the screen, if it covers it.
    fn covers(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        let inside = |position: usize, start: i32| {
            usize::try_from(i64::try_from(position).ok()? - i64::from(start)).ok()
        };
        let (column, row) = (inside(x, self.x)?, inside(y, self.y)?);
        if !self.visible || column >= SIDE || row >= SIDE {
            return None;
        }
        image(self.image, column, row)
    }
}

/// The pointer's image `number` at a pixel of it; transparent if `None`.
fn image(number: usize, column: usize, row: usize) -> Option<[u8; 3]> {
    const COLOURS: [[[u8; 3]; 4]; 2] = [
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]],
        [[1, 2, 3], [250, 128, 7], [99, 98, 97], [0, 200, 200]],
    ];
    let hole = (24..40).contains(&column) && (24..40).contains(&row);
    let quadrant = column / (SIDE / 2) + 2 * (row / (SIDE / 2));
    (!hole).then(|| COLOURS[number][quadrant])
}

fn backdrop(width: usize, height: usize) -> Picture {
    let low = |value: usize| u8::try_from(value & 0xff).unwrap_or_default();
    Picture::from_fn(width, height, |x, y| [low(x), low(y), low(x / 4 + y / 4)])
}

struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Device for Card {}
impl ControlDevice for Card {}

impl Card {
    /// The first card of the driver virtio_gpu.
    fn open() -> Result<Self> {
        for entry in fs::read_dir("/dev/dri")? {
            let node = entry?.path();
            let Ok(file) = File::options().read(true).write(true).open(&node) else {
                continue;
            };
            let card = Self(file);
            if card.get_driver()?.name() == "virtio_gpu" && card.resource_handles().is_ok() {
                return Ok(card);
            }
        }
        bail!("Looking for a card of virtio_gpu: there is none")
    }

    fn buffer(&self, width: usize, height: usize, format: DrmFourcc) -> Result<DumbBuffer> {
        let size = (u32::try_from(width)?, u32::try_from(height)?);
        Ok(self.create_dumb_buffer(size, format, 32)?)
    }

    fn fill(
        &self,
        buffer: &mut DumbBuffer,
        width: usize,
        pixel: impl Fn(usize, usize) -> [u8; 4],
    ) -> Result<()> {
        let stride = usize::try_from(buffer.pitch())?;
        let mut map = self.map_dumb_buffer(buffer)?;
        for (y, row) in map.chunks_exact_mut(stride).enumerate() {
            for (x, bytes) in row.chunks_exact_mut(4).take(width).enumerate() {
                bytes.copy_from_slice(&pixel(x, y));
            }
        }
        Ok(())
    }
}

/// Shows the backdrop and goes the pointer's way, a step for each file `stepN` in `folder`.
///
/// # Errors
///
/// When the card refuses something.
#[expect(
    deprecated,
    reason = "the ioctls that Xorg uses; the kernel turns them into a cursor plane's commits"
)]
pub fn run(folder: &Path) -> Result<()> {
    let card = Card::open()?;
    let resources = card.resource_handles()?;
    let connector = resources
        .connectors()
        .iter()
        .filter_map(|handle| card.get_connector(*handle, true).ok())
        .find(|connector| connector.state() == connector::State::Connected)
        .context("Looking for a monitor: none is connected")?;
    let mode = *connector
        .modes()
        .first()
        .context("The monitor has no mode")?;
    let crtc = *resources.crtcs().first().context("The card has no CRTC")?;
    let (width, height) = (usize::from(mode.size().0), usize::from(mode.size().1));
    let mut screen = card.buffer(width, height, DrmFourcc::Xrgb8888)?;
    let back = backdrop(width, height);
    card.fill(&mut screen, width, |x, y| {
        let [red, green, blue] = back.at(x, y.min(height - 1));
        [blue, green, red, 0]
    })?;
    let framebuffer = card.add_framebuffer(&screen, 24, 32)?;
    card.set_crtc(
        crtc,
        Some(framebuffer),
        (0, 0),
        &[connector.handle()],
        Some(mode),
    )?;
    let mut images = Vec::new();
    for number in 0..2 {
        let mut buffer = card.buffer(SIDE, SIDE, DrmFourcc::Argb8888)?;
        card.fill(&mut buffer, SIDE, |x, y| {
            image(number, x, y.min(SIDE - 1))
                .map_or([0; 4], |[red, green, blue]| [blue, green, red, 255])
        })?;
        images.push(buffer);
    }
    let mut shown = None;
    for (number, step) in CURSOR.iter().enumerate() {
        wait(folder, &format!("step{number}"))?;
        report::say(format!("step {number}: {step:?}"));
        card.move_cursor(crtc, (step.x, step.y))?;
        let wanted = step.visible.then_some(step.image);
        if wanted != shown {
            let buffer = wanted.and_then(|image| images.get(image));
            card.set_cursor2(crtc, buffer, HOTSPOT)?;
            shown = wanted;
        }
    }
    wait(folder, "done")
}

/// Waits for a file of the test, which ends this machine if it never comes.
fn wait(folder: &Path, file: &str) -> Result<()> {
    until(Duration::from_secs(300), || {
        Ok(folder.join(file).exists().then_some(()))
    })
    .with_context(|| format!("Waiting for the file {file}"))
}
