//! A renderer for tests: notes down every request, and answers when the test says so.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt,
};

use protocols::virtio_gpu::{ErrorCode, MemEntry, Rect};

use super::{
    BlobOf, Capset, Done, Fence, Lent, Renderer, RendererEvent, Request, Target, Texture, Ticket,
    Transfer,
};
use crate::memory::{GuestRam, SharedMemory};

/// A request, as it can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in Request")]
pub enum Asked {
    CreateContext {
        context: u32,
        capset: u32,
        name: Vec<u8>,
    },
    DestroyContext(u32),
    AttachToContext {
        context: u32,
        resource: u32,
    },
    DetachFromContext {
        context: u32,
        resource: u32,
    },
    CreateTexture {
        resource: u32,
        texture: Texture,
    },
    CreateBlob {
        resource: u32,
        blob: BlobOf,
        entries: Vec<MemEntry>,
    },
    AttachBacking {
        resource: u32,
        entries: Vec<MemEntry>,
    },
    DetachBacking(u32),
    Unref(u32),
    TransferToHost(Transfer),
    TransferFromHost(Transfer),
    Submit {
        context: u32,
        commands: Vec<u8>,
    },
    Map(u32),
    Unmap(u32),
    Export(u32),
    ReadBack {
        resource: u32,
        part: Rect,
        target: Target,
    },
    Nothing,
}

impl From<Request<'_>> for Asked {
    fn from(request: Request<'_>) -> Self {
        match request {
            Request::CreateContext {
                context,
                capset,
                name,
            } => Self::CreateContext {
                context,
                capset,
                name: name.to_vec(),
            },
            Request::DestroyContext(context) => Self::DestroyContext(context),
            Request::AttachToContext { context, resource } => {
                Self::AttachToContext { context, resource }
            }
            Request::DetachFromContext { context, resource } => {
                Self::DetachFromContext { context, resource }
            }
            Request::CreateTexture { resource, texture } => {
                Self::CreateTexture { resource, texture }
            }
            Request::CreateBlob {
                resource,
                blob,
                entries,
            } => Self::CreateBlob {
                resource,
                blob,
                entries: entries.to_vec(),
            },
            Request::AttachBacking { resource, entries } => Self::AttachBacking {
                resource,
                entries: entries.to_vec(),
            },
            Request::DetachBacking(resource) => Self::DetachBacking(resource),
            Request::Unref(resource) => Self::Unref(resource),
            Request::TransferToHost(transfer) => Self::TransferToHost(transfer),
            Request::TransferFromHost(transfer) => Self::TransferFromHost(transfer),
            Request::Submit { context, commands } => Self::Submit {
                context,
                commands: commands.to_vec(),
            },
            Request::Map(resource) => Self::Map(resource),
            Request::Unmap(resource) => Self::Unmap(resource),
            Request::Export(resource) => Self::Export(resource),
            Request::ReadBack {
                resource,
                part,
                target,
            } => Self::ReadBack {
                resource,
                part,
                target,
            },
            Request::Nothing => Self::Nothing,
        }
    }
}

/// A request that was not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its name.
    pub ticket: Ticket,
    /// Its fence.
    pub fence: Option<Fence>,
    /// What it was.
    pub asked: Asked,
}

/// Notes down what it is asked for.
#[derive(Debug, Default)]
pub struct RecordingRenderer {
    /// What it offers.
    pub capsets: Vec<Capset>,
    /// What was asked for and not answered, oldest first.
    pub sent: VecDeque<Sent>,
    /// The memory that it was lent and that was not taken back.
    pub lent: BTreeMap<Lent, File>,
    /// How often the driver has gone.
    pub resets: u32,
    /// How often the guest's memory was mapped otherwise.
    pub maps: u32,
    log: Vec<Asked>,
    events: Vec<RendererEvent>,
    last_lent: u32,
}

impl RecordingRenderer {
    /// One that offers virgl.
    pub fn virgl() -> Self {
        Self {
            capsets: vec![Capset {
                id: protocols::virtio_gpu::CAPSET_VIRGL2,
                version: 2,
                data: vec![7; 11],
            }],
            ..Self::default()
        }
    }

    /// All that was asked for since the last time, answered or not.
    pub fn take_log(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.log)
    }

    /// Answers a request; what it reads back is `value` everywhere.
    pub fn answer(&mut self, place: usize, outcome: Result<Done, ErrorCode>, value: u8) {
        let Some(sent) = self.sent.remove(place) else {
            return;
        };
        if let (Asked::ReadBack { part, target, .. }, Ok(_)) = (&sent.asked, &outcome) {
            self.write(*part, *target, value);
        }
        self.events
            .push(RendererEvent::Answered(sent.ticket, outcome));
    }

    /// Dies.
    pub fn die(&mut self) {
        self.sent.clear();
        self.lent.clear();
        self.events.push(RendererEvent::Lost);
    }

    fn write(&self, part: Rect, target: Target, value: u8) {
        let Some(file) = self.lent.get(&target.memory) else {
            return;
        };
        let row = vec![value; usize::try_from(part.width.saturating_mul(4)).unwrap_or(0)];
        for y in 0..part.height {
            let start = u64::from(y).saturating_mul(target.stride.into());
            let written = file.write_all_at(&row, target.offset.saturating_add(start));
            debug_assert!(written.is_ok(), "{written:?}");
        }
    }
}

impl Renderer for RecordingRenderer {
    fn capsets(&self) -> &[Capset] {
        &self.capsets
    }

    fn send(&mut self, ticket: Ticket, fence: Option<Fence>, request: Request<'_>) {
        let asked = Asked::from(request);
        self.log.push(asked.clone());
        self.sent.push_back(Sent {
            ticket,
            fence,
            asked,
        });
    }

    fn ram_changed(&mut self, _: &GuestRam) {
        self.maps = self.maps.saturating_add(1);
    }

    fn lend(&mut self, memory: &SharedMemory) -> io::Result<Lent> {
        self.last_lent = self.last_lent.saturating_add(1);
        let lent = Lent(self.last_lent);
        self.lent.insert(lent, File::from(memory.descriptor()?));
        Ok(lent)
    }

    fn take_back(&mut self, lent: Lent) {
        let known = self.lent.remove(&lent);
        debug_assert!(known.is_some(), "{lent:?} was not lent");
    }

    fn reset(&mut self) {
        self.sent.clear();
        self.events.clear();
        self.resets = self.resets.saturating_add(1);
    }

    fn take_events(&mut self) -> Vec<RendererEvent> {
        std::mem::take(&mut self.events)
    }
}
