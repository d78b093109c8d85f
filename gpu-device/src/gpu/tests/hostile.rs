//! A guest that sends anything at any time, a host that answers in any order, memory that comes and
//! goes. Whatever happens: every command is answered, nothing is leaked, the host is never handed
//! an unknown buffer, and what it holds does not change.

use std::{collections::HashMap, time::Duration};

use proptest::{prelude::*, sample::Index};
use protocols::virtio_gpu::{Command, Format, MemEntry, Rect, Response};

use super::fixture::*;
use crate::{
    display::{BufferId, DisplayEvent, Frame, PixelMemory, Refused, ScanoutId, recording::Call},
    gpu::{Limits, Mode, Reply},
    memory::GuestRam,
};

#[derive(Debug, Clone)]
enum Op {
    Command(bool, Command),
    Ready(u8),
    /// The host shows or discards its oldest frame of a scanout.
    Shown(Index, bool),
    Released(Index),
    Refused(Index),
    Wait(u64),
    RamGone,
    RamBack,
    Stop,
    Reset,
    /// The host is gone, or gone and another one there.
    HostGone,
    HostThere,
}

/// A number that is often near something: an id, a size, an edge.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        12 => 0_u32..5,
        4 => prop::sample::select(vec![15, 16, 32, 64, 128, 256, 4096]),
        1 => prop::sample::select(vec![u32::MAX, u32::MAX - 1, 1 << 31, 16384, 16385]),
    ]
}

fn any_rect() -> impl Strategy<Value = Rect> {
    prop_oneof![
        3 => Just(Rect::from_size(32, 16)),
        3 => (0_u32..20, 0_u32..10, 0_u32..20, 0_u32..10)
            .prop_map(|(x, y, width, height)| Rect { x, y, width, height }),
        1 => (number(), number(), number(), number())
            .prop_map(|(x, y, width, height)| Rect { x, y, width, height }),
    ]
}

fn entries() -> impl Strategy<Value = Vec<MemEntry>> {
    let entry = prop_oneof![
        4 => (0_u64..16, 1_u32..4).prop_map(|(page, pages)| MemEntry { addr: page * 4096, length: pages * 4096 }),
        1 => (any::<u64>(), number()).prop_map(|(addr, length)| MemEntry { addr, length }),
        1 => (0_u64..0x5000, number()).prop_map(|(addr, length)| MemEntry { addr, length }),
    ];
    prop::collection::vec(entry, 0..4)
}

fn command() -> impl Strategy<Value = Command> {
    let id = || 0_u32..4;
    let format =
        prop_oneof![8 => prop::sample::select(Format::ALL.map(u32::from).to_vec()), 1 => number()];
    let size = || prop_oneof![5 => Just(32_u32), 1 => number()];
    let cursor = || {
        (
            0_u32..3,
            any::<i16>(),
            any::<i16>(),
            id(),
            number(),
            number(),
        )
    };
    prop_oneof![
        2 => (id(), format.clone(), size(), prop_oneof![5 => Just(16_u32), 1 => number()]).prop_map(
            |(resource_id, format, width, height)| Command::ResourceCreate2d { resource_id, format, width, height }
        ),
        2 => (id(), 1_u64..5, entries()).prop_map(|(resource_id, half_pages, entries)| Command::ResourceCreateBlob {
            resource_id, blob_mem: 1, blob_flags: 2, blob_id: 0, size: half_pages * 2048, entries,
        }),
        2 => (id(), entries()).prop_map(|(resource_id, entries)| Command::ResourceAttachBacking { resource_id, entries }),
        1 => id().prop_map(|resource_id| Command::ResourceDetachBacking { resource_id }),
        1 => id().prop_map(|resource_id| Command::ResourceUnref { resource_id }),
        4 => (any_rect(), 0_u32..3, id()).prop_map(|(rect, scanout_id, resource_id)| Command::SetScanout { rect, scanout_id, resource_id }),
        4 => (any_rect(), 0_u32..3, id(), format, size(), prop_oneof![4 => Just(128_u32), 1 => number()], prop_oneof![4 => Just(0_u32), 1 => number()])
            .prop_map(|(rect, scanout_id, resource_id, format, width, stride, offset)| Command::SetScanoutBlob {
                rect, scanout_id, resource_id, width, height: 16, format, strides: [stride; 4], offsets: [offset; 4],
            }),
        6 => (any_rect(), id(), prop_oneof![4 => Just(0_u64), 1 => any::<u64>()]).prop_map(|(rect, resource_id, offset)| Command::TransferToHost2d { rect, offset, resource_id }),
        8 => (any_rect(), id()).prop_map(|(rect, resource_id)| Command::ResourceFlush { rect, resource_id }),
        1 => cursor().prop_map(|(scanout_id, x, y, resource_id, hot_x, hot_y)| Command::UpdateCursor {
            scanout_id, x: x.into(), y: y.into(), resource_id, hot_x, hot_y,
        }),
        1 => cursor().prop_map(|(scanout_id, x, y, resource_id, hot_x, hot_y)| Command::MoveCursor {
            scanout_id, x: x.into(), y: y.into(), resource_id, hot_x, hot_y,
        }),
        1 => id().prop_map(|resource_id| Command::ResourceAssignUuid { resource_id }),
        1 => (0_u32..3).prop_map(|scanout| Command::GetEdid { scanout }),
        1 => Just(Command::GetDisplayInfo),
        1 => number().prop_map(|resource_id| Command::UnmapBlob { resource_id }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => (any::<bool>(), command()).prop_map(|(fenced, command)| Op::Command(fenced, command)),
        8 => (0_u8..3).prop_map(Op::Ready),
        8 => (any::<Index>(), any::<bool>()).prop_map(|(which, shown)| Op::Shown(which, shown)),
        8 => any::<Index>().prop_map(Op::Released),
        1 => any::<Index>().prop_map(Op::Refused),
        3 => (0_u64..700).prop_map(Op::Wait),
        1 => Just(Op::RamGone),
        2 => Just(Op::RamBack),
        1 => Just(Op::Stop),
        1 => Just(Op::Reset),
        1 => Just(Op::HostGone),
        2 => Just(Op::HostThere),
    ]
}

/// The host's side, as a display would keep it.
#[derive(Default)]
struct Host {
    in_flight: Vec<(ScanoutId, Frame)>,
    /// For each release that is due: the buffer, and what it looked like if it must not change.
    held: Vec<(BufferId, Option<Vec<u8>>)>,
    waiting: Vec<crate::gpu::FlushId>,
    mapped: HashMap<BufferId, bool>,
    gone: bool,
}

impl Host {
    /// Takes in what the device did.
    fn take(&mut self, f: &mut Fixture) {
        for call in f.display.take_calls() {
            let shows = matches!(call, Call::Import { .. } | Call::Present(..));
            assert!(!(self.gone && shows), "shown to nobody: {call:?}");
            match call {
                Call::Present(scanout, frame) => {
                    let (layout, memory) = &f.display.buffers[&frame.buffer];
                    let buffer = Rect::from_size(layout.width, layout.height);
                    assert!(buffer.contains(&frame.source));
                    assert!(!frame.damage.is_empty());
                    assert!(frame.damage.iter().all(|rect| frame.source.contains(rect)));
                    // A guest's own pages change when the guest wants; slots don't.
                    let is_slot = layout.stride % 256 == 0 && self.is_slot(f, frame.buffer, memory);
                    let seen = is_slot.then(|| f.seen(frame.buffer, buffer));
                    self.held.push((frame.buffer, seen));
                    self.in_flight.push((scanout, frame));
                }
                Call::Forget(buffer) => {
                    self.held.retain(|(held, _)| *held != buffer);
                    self.mapped.remove(&buffer);
                }
                Call::Import { .. }
                | Call::Disable(_)
                | Call::Cursor(..)
                | Call::SetGrab(_)
                | Call::SetPointerFollows(_)
                | Call::SetLeds(_)
                | Call::ToggleFullscreen(_) => {}
            }
        }
        let answered = f.answered();
        self.waiting.retain(|id| !answered.contains(id));
    }

    /// It is gone with all that it has.
    fn lose(&mut self, f: &mut Fixture) {
        f.lose_host();
        self.in_flight.clear();
        self.held.clear();
        self.mapped.clear();
        self.gone = true;
    }

    fn is_slot(&mut self, f: &Fixture, buffer: BufferId, memory: &PixelMemory) -> bool {
        let PixelMemory::DmaBuf(fd) = memory else {
            return true;
        };
        *self.mapped.entry(buffer).or_insert_with(|| {
            let of = |fd| rustix::fs::fstat(fd).unwrap().st_ino;
            of(std::os::fd::AsFd::as_fd(&f.file)) != of(std::os::fd::AsFd::as_fd(&**fd))
        })
    }

    fn check_held(&self, f: &Fixture) {
        for (buffer, seen) in &self.held {
            if let Some(seen) = seen {
                let (layout, _) = &f.display.buffers[buffer];
                let whole = Rect::from_size(layout.width, layout.height);
                assert_eq!(
                    &f.seen(*buffer, whole),
                    seen,
                    "{buffer:?} was written while held"
                );
            }
        }
    }
}

/// What a driver does first, as far as the memory is there: a picture and a blob, both shown.
/// Anything else would rarely come as far as a frame.
fn drive(f: &mut Fixture) {
    let whole = Rect::from_size(32, 16);
    for command in [
        create_2d(1, Format::Bgrx8888, 32, 16),
        attach(1, 0x8000, 4096),
        create_blob(2, 2048, &[(0x4000, 4096)]),
        set_scanout(0, 1, whole),
        set_blob(1, 2, (32, 16), whole),
        flush(1, whole),
        flush(2, whole),
    ] {
        f.run(command);
    }
}

fn carry_out(f: &mut Fixture, host: &mut Host, op: Op) {
    match op {
        Op::Command(fenced, command) => match f.reply(fenced, command) {
            Reply::Later(id) => {
                assert!(fenced);
                host.waiting.push(id);
            }
            Reply::Now(Response::OkCapset(_) | Response::OkMapInfo { .. }) => {
                panic!("an answer to what is not offered")
            }
            Reply::Now(_) => {}
        },
        Op::Ready(scanout) => f.event(DisplayEvent::Ready(ScanoutId(scanout))),
        Op::Shown(which, shown) if !host.in_flight.is_empty() => {
            let (scanout, frame) = host.in_flight.remove(which.index(host.in_flight.len()));
            let frame = frame.id;
            f.event(if shown {
                DisplayEvent::Presented {
                    scanout,
                    frame,
                    at: None,
                    refresh: REFRESH,
                    zero_copy: shown,
                }
            } else {
                DisplayEvent::Discarded { scanout, frame }
            });
        }
        Op::Released(which) if !host.held.is_empty() => {
            let (buffer, _) = host.held.remove(which.index(host.held.len()));
            f.event(DisplayEvent::Released(buffer));
        }
        Op::Refused(which) if !f.display.buffers.is_empty() => {
            let mut buffers: Vec<_> = f.display.buffers.keys().copied().collect();
            buffers.sort();
            let buffer = *which.get(&buffers);
            if matches!(f.display.buffers[&buffer].1, PixelMemory::DmaBuf(_)) {
                host.in_flight.retain(|(_, frame)| frame.buffer != buffer);
                host.held.retain(|(held, _)| *held != buffer);
                f.event(DisplayEvent::ImportRefused(buffer, Refused::ImportFailed));
            }
        }
        Op::Wait(millis) => f.wait(Duration::from_millis(millis)),
        Op::RamGone => f.change_ram(GuestRam::default()),
        Op::RamBack => f.change_ram(GuestRam::new(f.map.clone())),
        Op::Stop => f.stop(),
        Op::Reset => {
            f.reset();
            host.waiting.clear();
            drive(f);
        }
        Op::HostGone => host.lose(f),
        Op::HostThere => {
            host.lose(f);
            host.gone = false;
            f.find_host();
        }
        Op::Shown(..) | Op::Released(_) | Op::Refused(_) => {}
    }
}

proptest! {
    #[test]
    fn nothing_a_guest_does_breaks_the_device(
        ops in prop::collection::vec(op(), 1..120),
        dma_bufs in any::<bool>(),
    ) {
        let mode = Mode { width: 32, height: 16, millihertz: 60_000 };
        let mut f = Fixture::with(|options| {
            options.scanouts = vec![mode; 2];
            options.limits = Limits { resources: 3, bytes: 1 << 16, entries: 8 };
            if dma_bufs {
                options.dma_bufs = Some(Box::new(FakeUdmabuf::default()));
            }
        });
        let noise: Vec<u8> = (0..0x1_0000_u32).map(|n| (n / 3 % 255) as u8).collect();
        f.write(0, &noise);
        drive(&mut f);
        let mut host = Host::default();
        host.take(&mut f);
        for (step, op) in ops.into_iter().enumerate() {
            carry_out(&mut f, &mut host, op);
            host.take(&mut f);
            host.check_held(&f);
            f.write(step as u64 * 64 % 0x9000, &[step as u8; 256]);
        }
        // No flush is forgotten.
        f.wait(Duration::from_millis(50));
        host.take(&mut f);
        prop_assert!(host.waiting.is_empty());
        // Nothing is left behind.
        f.reset();
        f.wait(Duration::from_secs(1));
        host.take(&mut f);
        for (buffer, _) in host.held {
            f.event(DisplayEvent::Released(buffer));
        }
        prop_assert_eq!(f.gpu.quota.used(), (0, 0, 0));
        prop_assert_eq!(f.gpu.imports.len(), 0);
        prop_assert!(f.display.buffers.is_empty());
    }
}
