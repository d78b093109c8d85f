//! Which pixel formats the host's compositor takes, as dma-bufs and as shared memory.
//!
//! A dma-buf that is made of a guest's pages is linear; the implicit modifier does not count for it,
//! since a compositor's driver may guess another layout. What the host's graphics card has drawn for
//! the guest has the modifier that its driver chose. A host that knows feedback objects says what it takes in general and what it takes of each window,
//! which changes with the monitor that the window is on. There is nothing to choose between its
//! tranches: pixels are handed over without alpha, which is what planes want, and a guest's pages
//! can't be moved to another device's memory.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    os::fd::OwnedFd,
    os::unix::fs::FileExt,
};

use protocols::virtio_gpu::Format;
use tracing::warn;
use wayland_client::{
    Connection, Dispatch, QueueHandle, WEnum,
    protocol::wl_shm::{self, WlShm},
};
use wayland_protocols::wp::linux_dmabuf::zv1::client::{
    zwp_linux_dmabuf_feedback_v1::{self, ZwpLinuxDmabufFeedbackV1},
    zwp_linux_dmabuf_v1::{self, ZwpLinuxDmabufV1},
};

use super::State;
use crate::display::{DisplayEvent, ScanoutId};

/// `DRM_FORMAT_MOD_LINEAR`: rows one after the other.
pub(super) const LINEAR: u64 = 0;

/// The version of `zwp_linux_dmabuf_v1` that tells formats through a feedback object.
pub(super) const VERSION_FEEDBACK: u32 = 4;

/// Bytes of a format table's entry: fourcc, four unused, modifier.
const TABLE_ENTRY: usize = 16;

/// Tranches name entries by 16-bit numbers: a longer table has entries that nothing can name.
const MAX_TABLE: usize = TABLE_ENTRY * 65536;

/// What the compositor takes.
#[derive(Debug, Default)]
pub(super) struct Formats {
    /// Of hosts without feedback objects: fourccs and modifiers.
    told: HashSet<(u32, u64)>,
    shm: HashSet<u32>,
    feedbacks: BTreeMap<About, Feedback>,
}

/// What a feedback object is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// Whatever is shown.
    Anything,
    /// A scanout's window.
    Window(ScanoutId),
}

/// What a feedback object has said.
#[derive(Debug, Default)]
struct Feedback {
    table: Vec<(u32, u64)>,
    told: HashSet<(u32, u64)>,
    /// Since its last "that is all".
    incoming: HashSet<(u32, u64)>,
    heard: bool,
}

impl Formats {
    /// Whether a linear dma-buf of this format can be shown.
    pub(super) fn takes_dmabuf(&self, format: Format) -> bool {
        self.takes(format.drm_fourcc(), LINEAR)
    }

    /// Whether dma-bufs of this fourcc and modifier can be shown.
    pub(super) fn takes(&self, fourcc: u32, modifier: u64) -> bool {
        let wanted = (fourcc, modifier);
        let mut sets = self.feedbacks.values().map(|feedback| &feedback.told);
        self.told.contains(&wanted) || sets.any(|told| told.contains(&wanted))
    }

    /// A feedback object has said all. Returns whether that is more than was known.
    fn heard(&mut self, about: About) -> bool {
        let feedback = self.feedbacks.entry(about).or_default();
        let told = std::mem::take(&mut feedback.incoming);
        let first = !std::mem::replace(&mut feedback.heard, true);
        let more = told
            .iter()
            .any(|(fourcc, modifier)| !self.takes(*fourcc, *modifier));
        if let Some(feedback) = self.feedbacks.get_mut(&about) {
            feedback.told = told;
        }
        // Nothing has been refused before the first answer to the first question.
        more && !(first && about == About::Anything)
    }

    /// A window is gone, and with it what was said about it.
    pub(super) fn window_gone(&mut self, scanout: ScanoutId) {
        self.feedbacks.remove(&About::Window(scanout));
    }

    /// The code under which `wl_shm` takes this format, where it does.
    pub(super) fn shm(&self, format: Format) -> Option<wl_shm::Format> {
        match format {
            // The two that every compositor takes; their codes are older than the fourccs.
            Format::Bgra8888 => Some(wl_shm::Format::Argb8888),
            Format::Bgrx8888 => Some(wl_shm::Format::Xrgb8888),
            other => {
                let fourcc = other.drm_fourcc();
                let code = wl_shm::Format::try_from(fourcc).ok();
                code.filter(|_| self.shm.contains(&fourcc))
            }
        }
    }
}

impl Feedback {
    fn add_tranche(&mut self, indices: &[u8]) {
        let (indices, _) = indices.as_chunks::<2>();
        let entries = indices.iter().filter_map(|index| {
            let index = usize::from(u16::from_ne_bytes(*index));
            self.table.get(index).copied()
        });
        self.incoming.extend(entries);
    }
}

/// Reads the table from its file: mapping it would let the compositor change it under our hands.
fn read_table(fd: OwnedFd, size: u32) -> Vec<(u32, u64)> {
    let size = usize::try_from(size).unwrap_or(MAX_TABLE).min(MAX_TABLE);
    let mut bytes = vec![0; size];
    if let Err(error) = File::from(fd).read_exact_at(&mut bytes, 0) {
        warn!(
            "Reading the compositor's table of dma-buf formats failed: {error}; frames are copied"
        );
        return Vec::new();
    }
    parse_table(&bytes)
}

fn parse_table(bytes: &[u8]) -> Vec<(u32, u64)> {
    let (entries, _) = bytes.as_chunks::<TABLE_ENTRY>();
    entries
        .iter()
        .map(|entry| {
            let [a, b, c, d, _, _, _, _, modifier @ ..] = *entry;
            (
                u32::from_ne_bytes([a, b, c, d]),
                u64::from_ne_bytes(modifier),
            )
        })
        .collect()
}

impl Dispatch<ZwpLinuxDmabufFeedbackV1, About> for State {
    fn event(
        state: &mut Self,
        _: &ZwpLinuxDmabufFeedbackV1,
        event: zwp_linux_dmabuf_feedback_v1::Event,
        about: &About,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_linux_dmabuf_feedback_v1::Event;
        let formats = &mut state.formats;
        let feedback = formats.feedbacks.entry(*about).or_default();
        match event {
            Event::FormatTable { fd, size } => feedback.table = read_table(fd, size),
            Event::TrancheFormats { indices } => feedback.add_tranche(&indices),
            Event::Done if formats.heard(*about) => {
                state.events.push_back(DisplayEvent::FormatsChanged);
            }
            // Devices and flags say where to allocate; a guest's pages are where they are.
            _ => {}
        }
    }
}

impl Dispatch<ZwpLinuxDmabufV1, ()> for State {
    fn event(
        state: &mut Self,
        _: &ZwpLinuxDmabufV1,
        event: zwp_linux_dmabuf_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // Version 3 only; from version 4 on there is the feedback.
        if let zwp_linux_dmabuf_v1::Event::Modifier {
            format,
            modifier_hi,
            modifier_lo,
        } = event
        {
            let modifier = u64::from(modifier_hi) << 32 | u64::from(modifier_lo);
            state.formats.told.insert((format, modifier));
        }
    }
}

impl Dispatch<WlShm, ()> for State {
    fn event(
        state: &mut Self,
        _: &WlShm,
        event: wl_shm::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_shm::Event::Format { format } = event {
            state.formats.shm.insert(match format {
                WEnum::Value(format) => format.into(),
                WEnum::Unknown(code) => code,
            });
        }
    }
}
