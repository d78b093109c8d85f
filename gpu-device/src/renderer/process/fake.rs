//! A backend for tests: draws nothing, and does what commands in plain letters say.

use std::{
    collections::BTreeMap,
    os::fd::BorrowedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use protocols::virtio_gpu::ErrorCode;
use rustix::process::{Signal, getpid, getrlimit, kill_process};
use vm_memory::VolatileSlice;

use super::{
    super::{Capset, Done, Fence, Mapped, Request, Versions},
    Backend, Memory,
};
use crate::{
    display::{Image, ImagePlane},
    memory::{Backing, SharedMemory},
};

/// A map of this resource has the process tell of itself.
pub(crate) const ABOUT_ITSELF: u32 = 0xabe1f;

/// How long it takes to reach a fence after `late`.
const LATE: Duration = Duration::from_millis(5);

/// When fences are reached.
#[derive(Debug)]
enum Pace {
    AtOnce,
    /// After [`LATE`].
    Late,
    /// Not before `free`.
    Held,
}

#[derive(Debug)]
pub(crate) struct Fake {
    capsets: Vec<Capset>,
    versions: Versions,
    backings: BTreeMap<u32, Backing>,
    pace: Pace,
    fences: Vec<(Instant, Fence)>,
    reached: Vec<Fence>,
    submits: u32,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            capsets: vec![Capset {
                id: 2,
                version: 2,
                // Not the same in any two processes.
                data: std::process::id().to_ne_bytes().to_vec(),
            }],
            versions: Versions {
                library: "fake".into(),
                ..Versions::default()
            },
            backings: BTreeMap::new(),
            pace: Pace::AtOnce,
            fences: Vec::new(),
            reached: Vec::new(),
            submits: 0,
        }
    }

    /// As drivers do that were replaced by others meanwhile.
    pub(crate) fn of_another_version(mut self) -> Self {
        for capset in &mut self.capsets {
            capset.version += std::process::id();
        }
        self
    }

    fn obey(&mut self, commands: &[u8]) -> Result<(), ErrorCode> {
        self.submits += 1;
        let kill = |signal| kill_process(getpid(), signal).unwrap();
        match commands {
            b"fall" => std::process::abort(),
            b"stop" => kill(Signal::STOP),
            b"exit" => std::process::exit(7),
            b"hang" => loop {
                std::thread::sleep(LATE);
            },
            b"slow" => std::thread::sleep(LATE),
            b"late" => self.pace = Pace::Late,
            b"hold" => self.pace = Pace::Held,
            b"free" => {
                self.pace = Pace::AtOnce;
                self.reached
                    .extend(self.fences.drain(..).map(|(_, fence)| fence));
            }
            b"fail" => return Err(ErrorCode::InvalidParameter),
            _ => {}
        }
        Ok(())
    }

    /// A line for each thing that a test wants to know.
    fn about_itself(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        for link in links.filter_map(Result::ok) {
            // The listing's own descriptor is gone by now.
            if let Ok(target) = std::fs::read_link(link.path()) {
                let number = link.file_name();
                writeln!(text, "fd {} {}", number.display(), target.display()).unwrap();
            }
        }
        for (name, _) in std::env::vars_os() {
            writeln!(text, "variable {}", name.display()).unwrap();
        }
        let core = getrlimit(rustix::process::Resource::Core).maximum;
        writeln!(text, "core {core:?}").unwrap();
        writeln!(text, "submits {}", self.submits).unwrap();
        text
    }

    /// Whole of a backing, or words about itself, as memory to be mapped.
    fn map(&self, resource: u32) -> Result<Done, ErrorCode> {
        let bytes = match resource {
            ABOUT_ITSELF => self.about_itself().into_bytes(),
            resource => {
                let backing = self.backings.get(&resource);
                let backing = backing.ok_or(ErrorCode::InvalidResourceId)?;
                let mut bytes = vec![0; usize::try_from(backing.len()).unwrap()];
                backing
                    .read(0, &VolatileSlice::from(bytes.as_mut_slice()))
                    .unwrap();
                bytes
            }
        };
        let memory = SharedMemory::new(bytes.len() as u64).unwrap();
        memory.slice(0, bytes.len()).unwrap().copy_from(&bytes);
        Ok(Done::Mapped(Mapped {
            fd: Arc::new(memory.descriptor().unwrap()),
            size: bytes.len() as u64,
            caching: 1,
        }))
    }
}

impl Backend for Fake {
    fn capsets(&self) -> &[Capset] {
        &self.capsets
    }

    fn versions(&self) -> &Versions {
        &self.versions
    }

    fn carry_out(&mut self, request: &Request<'_>, memory: &Memory) -> Result<Done, ErrorCode> {
        match *request {
            Request::AttachBacking { resource, entries } => {
                self.backings.insert(resource, memory.backing(entries)?);
            }
            Request::DetachBacking(resource) => {
                let backing = self.backings.remove(&resource);
                backing.ok_or(ErrorCode::InvalidResourceId)?;
            }
            Request::Submit { commands, .. } => self.obey(commands)?,
            Request::Map(resource) => return self.map(resource),
            // Memory that is no dma-buf: the device must not believe it.
            Request::Export(_) => {
                let plane = || ImagePlane {
                    fd: SharedMemory::new(4096).unwrap().descriptor().unwrap(),
                    offset: 0,
                    stride: 64,
                };
                return Ok(Done::Exported(Arc::new(Image {
                    width: 16,
                    height: 16,
                    fourcc: 0,
                    modifier: 0,
                    bottom_up: false,
                    planes: vec![plane(), plane()],
                })));
            }
            Request::ReadBack {
                resource, target, ..
            } => {
                let lent = memory.lent(target.memory)?;
                let slice = lent.slice(target.offset, 4).ok_or(ErrorCode::Unspec)?;
                slice.copy_from(&resource.to_ne_bytes());
            }
            _ => {}
        }
        Ok(Done::Nothing)
    }

    fn fence(&mut self, fence: Fence) -> Result<(), ErrorCode> {
        match self.pace {
            Pace::AtOnce => self.reached.push(fence),
            Pace::Late | Pace::Held => self.fences.push((Instant::now() + LATE, fence)),
        }
        Ok(())
    }

    fn poll(&mut self) {
        if !self.needs_polling() {
            return;
        }
        let now = Instant::now();
        let over = self.fences.extract_if(.., |(at, _)| *at <= now);
        self.reached.extend(over.map(|(_, fence)| fence));
    }

    fn take_reached(&mut self) -> Vec<Fence> {
        std::mem::take(&mut self.reached)
    }

    fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    fn needs_polling(&self) -> bool {
        matches!(self.pace, Pace::Late) && !self.fences.is_empty()
    }

    fn look_after_contexts(&mut self) {}

    fn reset(&mut self) {
        self.backings.clear();
        self.fences.clear();
        self.pace = Pace::AtOnce;
    }
}
