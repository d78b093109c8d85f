//! A guest that sends anything at any time, a host that answers in any order, a renderer that answers
//! late or dies, memory that comes and goes. Whatever happens: every command is answered once, and none
//! as done before what is older on its timeline is done; nothing is leaked, the host is never handed an
//! unknown buffer, and what it holds does not change.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};

use proptest::{prelude::*, sample::Index};
use protocols::virtio_gpu::{Box3d, Command, ErrorCode, Format, Header, MemEntry, Rect, Response};

use super::{fixture::*, three_d::exported};
use crate::{
    display::{BufferId, DisplayEvent, Frame, PixelMemory, Refused, ScanoutId, recording::Call},
    gpu::{Limits, Mode, Reply, fences::fence_of},
    memory::GuestRam,
    renderer::{
        Done, Mapped, Ticket, Timeline,
        recording::{Asked, RecordingRenderer},
    },
};

/// Where a command says that it is: its fence is on the device's timeline, on a ring, or not there.
#[derive(Debug, Clone, Copy)]
struct Origin {
    context: u32,
    fenced: bool,
    ring: Option<u8>,
}

#[derive(Debug, Clone)]
enum Op {
    Command(Origin, Command),
    /// The renderer carries out one of its requests, or can't.
    Rendered(Index, bool),
    RendererDies,
    /// The VMM has mapped or unmapped something, or can't.
    Window(Index, bool),
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
    let id = || 0_u32..6;
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
        12 => command_of_3d(),
    ]
}

fn command_of_3d() -> impl Strategy<Value = Command> {
    let id = || 0_u32..6;
    let side = || prop_oneof![6 => Just(32_u32), 2 => Just(16_u32), 1 => number()];
    let area = || {
        (number(), number(), number()).prop_map(|(x, width, depth)| Box3d {
            x,
            y: 0,
            z: 0,
            width,
            height: 1,
            depth,
        })
    };
    let offset = prop_oneof![6 => (0_u64..16).prop_map(|page| page * 4096), 1 => any::<u64>()];
    prop_oneof![
        2 => (0_u32..4, 0_u32..70).prop_map(|(context_init, name_length)| Command::CtxCreate {
            context_init, name_length, debug_name: [7; 64],
        }),
        1 => Just(Command::CtxDestroy),
        6 => id().prop_map(|resource_id| Command::CtxAttachResource { resource_id }),
        1 => id().prop_map(|resource_id| Command::CtxDetachResource { resource_id }),
        4 => (id(), side(), prop_oneof![5 => Just(2_u32), 1 => number()]).prop_map(|(resource_id, width, target)| {
            Command::ResourceCreate3d {
                resource_id, target, format: 1, bind: 2, width, height: 16, depth: 1,
                array_size: 1, last_level: 0, nr_samples: 0, flags: 0,
            }
        }),
        3 => (area(), id()).prop_map(|(area, resource_id)| Command::TransferToHost3d {
            area, offset: 0, resource_id, level: 0, stride: 0, layer_stride: 0,
        }),
        1 => (area(), id()).prop_map(|(area, resource_id)| Command::TransferFromHost3d {
            area, offset: 0, resource_id, level: 0, stride: 0, layer_stride: 0,
        }),
        8 => (0_usize..9).prop_map(|len| Command::Submit3d { commands: vec![1; len * 2] }),
        2 => (id(), 2_u32..4, entries()).prop_map(|(resource_id, blob_mem, entries)| {
            let entries = if blob_mem == 2 { Vec::new() } else { entries };
            Command::ResourceCreateBlob {
                resource_id, blob_mem, blob_flags: 1, blob_id: 1, size: 4096, entries,
            }
        }),
        4 => (id(), offset).prop_map(|(resource_id, offset)| Command::MapBlob { resource_id, offset }),
        2 => id().prop_map(|resource_id| Command::UnmapBlob { resource_id }),
        1 => (0_u32..3).prop_map(|capset_index| Command::GetCapsetInfo { capset_index }),
        1 => (0_u32..3, 0_u32..4).prop_map(|(capset_id, capset_version)| Command::GetCapset { capset_id, capset_version }),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    let ring = prop_oneof![
        4 => Just(None),
        2 => (0_u8..2).prop_map(Some),
        1 => any::<u8>().prop_map(Some),
    ];
    let context = prop_oneof![1 => Just(0_u32), 6 => Just(1_u32), 1 => Just(2_u32)];
    (context, any::<bool>(), ring).prop_map(|(context, fenced, ring)| Origin {
        context,
        fenced,
        ring,
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        40 => (origin(), command()).prop_map(|(from, command)| Op::Command(from, command)),
        30 => (any::<Index>(), prop::bool::weighted(0.9)).prop_map(|(which, done)| Op::Rendered(which, done)),
        1 => Just(Op::RendererDies),
        4 => (any::<Index>(), prop::bool::weighted(0.8)).prop_map(|(which, done)| Op::Window(which, done)),
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
    /// The commands that are to be answered, and on which timelines.
    waiting: BTreeMap<Ticket, Option<Timeline>>,
    /// What the VMM was asked for.
    window: Vec<Ticket>,
    mapped: HashMap<BufferId, bool>,
    gone: bool,
}

impl Host {
    /// Takes in what the device did.
    fn take(&mut self, f: &mut Fixture) {
        let calls = f.display.take_calls();
        for (place, call) in calls.iter().cloned().enumerate() {
            let shows = matches!(call, Call::Import { .. } | Call::Present(..));
            assert!(!(self.gone && shows), "shown to nobody: {call:?}");
            match call {
                Call::Present(scanout, frame) => {
                    let Some((layout, memory)) = f.display.buffers.get(&frame.buffer) else {
                        let forgotten = Call::Forget(frame.buffer);
                        assert!(calls[place..].contains(&forgotten), "an unknown buffer");
                        continue;
                    };
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
        let maps = f.window.maps.drain(..).map(|(ticket, _)| ticket);
        self.window.extend(maps);
        let unmaps = f.window.unmaps.drain(..).map(|(ticket, ..)| ticket);
        self.window.extend(unmaps);
        for (ticket, _) in f.answers() {
            let timeline = self.waiting.remove(&ticket);
            let timeline = timeline.expect("a command was answered twice");
            self.check_order(f, ticket, timeline);
        }
    }

    /// A command was answered: the renderer does not work at anything older on its timeline.
    fn check_order(&self, f: &Fixture, ticket: Ticket, timeline: Option<Timeline>) {
        let Some(timeline) = timeline else { return };
        for sent in f.renderer.sent.iter().filter(|sent| sent.ticket < ticket) {
            let on_it = self.waiting.get(&sent.ticket) == Some(&Some(timeline));
            assert!(!on_it, "{ticket:?} has overtaken {sent:?}");
        }
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
        let fd = match memory {
            PixelMemory::DmaBuf(fd) => fd,
            PixelMemory::Image(_) => return false,
            PixelMemory::Shm { .. } => return true,
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

/// What a driver does first, as far as the memory is there: a picture and a blob, both shown, and
/// where there is a renderer a texture in place of the blob. Anything else would rarely come as far as a
/// frame.
fn drive(f: &mut Fixture, host: &mut Host) {
    let whole = Rect::from_size(32, 16);
    let mut commands = vec![
        create_2d(1, Format::Bgrx8888, 32, 16),
        attach(1, 0x8000, 4096),
        create_blob(2, 2048, &[(0x4000, 4096)]),
        set_scanout(0, 1, whole),
        set_blob(1, 2, (32, 16), whole),
        flush(1, whole),
        flush(2, whole),
    ];
    if !f.renderer.capsets.is_empty() {
        commands.extend([
            Command::CtxCreate {
                context_init: 0,
                name_length: 0,
                debug_name: [0; 64],
            },
            Command::ResourceCreate3d {
                resource_id: 3,
                target: 2,
                format: 1,
                bind: 2,
                width: 32,
                height: 16,
                depth: 1,
                array_size: 1,
                last_level: 0,
                nr_samples: 0,
                flags: 0,
            },
            Command::CtxAttachResource { resource_id: 3 },
            set_scanout(1, 3, whole),
            flush(3, whole),
        ]);
    }
    let from = Origin {
        context: 1,
        fenced: false,
        ring: None,
    };
    for command in commands {
        carry_out(f, host, Op::Command(from, command));
        host.take(f);
    }
}

/// The renderer carries out one of its requests: the first on some timeline, or the first without a
/// fence. It may refuse any.
fn render(f: &mut Fixture, which: Index, done: bool) {
    let sent = &f.renderer.sent;
    if sent.is_empty() {
        return;
    }
    let timeline = |place: usize| sent[place].fence.map(|fence| fence.timeline);
    let mut place = which.index(sent.len());
    if done {
        let wanted = timeline(place);
        place = (0..sent.len()).find(|it| timeline(*it) == wanted).unwrap();
    }
    let outcome = match (&sent[place].asked, done) {
        (_, false) => Err(ErrorCode::Unspec),
        (Asked::Map(_), true) => Ok(Done::Mapped(Mapped {
            fd: Arc::new(OwnedFd::from(File::open("/dev/null").unwrap())),
            size: 4096,
            caching: 1,
        })),
        (Asked::Export(id), true) if id % 2 == 0 => Ok(Done::NotExported(Refused::NotExported)),
        (Asked::Export(_), true) => Ok(exported(32, 16)),
        (_, true) => Ok(Done::Nothing),
    };
    // Everything that is read back looks different.
    let value = (sent[place].ticket.0 % 251) as u8;
    f.renderer.answer(place, outcome, value);
    f.hear_renderer();
}

fn carry_out(f: &mut Fixture, host: &mut Host, op: Op) {
    match op {
        Op::Command(from, command) => {
            let header = Header {
                kind: command.kind(),
                fence: from.fenced.then_some(1),
                ctx_id: from.context,
                ring_idx: from.ring,
            };
            let timeline = fence_of(&header).map(|fence| fence.timeline);
            let offers_3d = !f.renderer.capsets.is_empty();
            match f.execute(header, command) {
                Reply::Later(ticket) => {
                    assert!(from.fenced || offers_3d);
                    assert_eq!(host.waiting.insert(ticket, timeline), None);
                }
                Reply::Now(Response::OkCapset(_) | Response::OkMapInfo { .. }) if !offers_3d => {
                    panic!("an answer to what is not offered")
                }
                Reply::Now(_) => host.check_order(f, Ticket(u64::MAX), timeline),
            }
        }
        Op::Rendered(which, done) => render(f, which, done),
        Op::RendererDies => f.renderer_dies(),
        Op::Window(which, done) if !host.window.is_empty() => {
            let ticket = host.window.remove(which.index(host.window.len()));
            f.window_did(ticket, done);
        }
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
            if !matches!(f.display.buffers[&buffer].1, PixelMemory::Shm { .. }) {
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
            host.take(f);
            host.waiting.clear();
            host.window.clear();
            drive(f, host);
        }
        Op::HostGone => host.lose(f),
        Op::HostThere => {
            host.lose(f);
            host.gone = false;
            f.find_host();
        }
        Op::Shown(..) | Op::Released(_) | Op::Refused(_) | Op::Window(..) => {}
    }
}

proptest! {
    #[test]
    fn nothing_a_guest_does_breaks_the_device(
        ops in prop::collection::vec(op(), 1..120),
        dma_bufs in any::<bool>(),
        renderer in any::<bool>(),
    ) {
        let mode = Mode { width: 32, height: 16, millihertz: 60_000 };
        let mut f = Fixture::with(|options| {
            options.scanouts = vec![mode; 2];
            options.limits = Limits {
                resources: 5,
                bytes: 1 << 16,
                entries: 8,
                contexts: 2,
                rendered: 1 << 14,
            };
            if dma_bufs {
                options.dma_bufs = Some(Box::new(FakeUdmabuf::default()));
            }
        });
        if renderer {
            f.renderer = RecordingRenderer::virgl();
            f.window.size = 16 * 4096;
        }
        let noise: Vec<u8> = (0..0x1_0000_u32).map(|n| (n / 3 % 255) as u8).collect();
        f.write(0, &noise);
        let mut host = Host::default();
        drive(&mut f, &mut host);
        host.take(&mut f);
        for (step, op) in ops.into_iter().enumerate() {
            carry_out(&mut f, &mut host, op);
            host.take(&mut f);
            host.check_held(&f);
            f.write(step as u64 * 64 % 0x9000, &[step as u8; 256]);
        }
        // No command is forgotten. What waits for the host waits no longer than this.
        for _ in 0..200 {
            if host.waiting.is_empty() {
                break;
            }
            while !f.renderer.sent.is_empty() {
                f.renderer_does(Ok(Done::Nothing));
                host.take(&mut f);
            }
            for ticket in std::mem::take(&mut host.window) {
                f.window_did(ticket, true);
            }
            host.take(&mut f);
            host.check_held(&f);
            f.wait(Duration::from_millis(50));
            host.take(&mut f);
        }
        prop_assert_eq!(&host.waiting, &BTreeMap::new());
        // Nothing is left behind.
        f.reset();
        f.wait(Duration::from_secs(1));
        host.take(&mut f);
        for (buffer, _) in host.held {
            f.event(DisplayEvent::Released(buffer));
        }
        prop_assert_eq!(f.gpu.quota.used(), (0, 0, 0));
        prop_assert_eq!(f.gpu.quota.rendered(), 0);
        prop_assert_eq!(f.gpu.three_d.len(), 0);
        prop_assert_eq!(f.gpu.fences.len(), 0);
        prop_assert_eq!(f.gpu.imports.len(), 0);
        prop_assert!(f.renderer.lent.is_empty());
        prop_assert!(f.display.buffers.is_empty());
    }
}
