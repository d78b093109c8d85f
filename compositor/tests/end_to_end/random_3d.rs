//! Commands of 3D in any order with any numbers, through the real device to the real renderer: each is
//! answered, nothing is left behind, and nobody else notices.

use std::cell::RefCell;

use guest::{
    driver::{Driver, DriverError, Piece, Texture},
    kms::{BufferKind, Screen},
    ram::Backing,
    spin::Spin,
    virgl::{
        Draw, Stream, Vertex,
        numbers::{FORMAT_B8G8R8X8, bind},
        triangle::{self, Canvas},
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use protocols::virtio_gpu::{Box3d, CAPSET_VIRGL2, Command, Header, Rect};

use super::{
    guest_side::{is_frame, screen, show},
    known_holes::files,
    rig::{PATIENCE, Rig, Setup, scanout},
    three_d::{SIZE, SIZE_32, driver, is_triangle, shown},
};

const FLAT: (u32, u32) = (160, 120);

/// How many sequences of commands are tried.
const SEQUENCES: u32 = 128;

/// Ids that are made, used and destroyed by chance are few, so that they meet.
fn id() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 1..7u32, 1 => Just(0), 1 => Just(0xdead_beef), 1 => Just(u32::MAX)]
}

/// Lengths: small enough for this machine, or too large for any.
fn length() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => 0..130u32,
        1 => select(vec![0x1_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX])
    ]
}

/// What a field of a stream may hold.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0..8u32,
        4 => 0..320u32,
        2 => select(vec![1.0f32, -1.0, 0.5, f32::NAN, f32::INFINITY]).prop_map(f32::to_bits),
        1 => any::<u32>(),
        1 => Just(u32::MAX),
    ]
}

/// The canvases that each context can draw on at the beginning, and the buffer of the vertices.
const CANVASES: [Canvas; 2] = [canvas(1), canvas(2)];
const VERTICES: u32 = 4;

const fn canvas(resource: u32) -> Canvas {
    Canvas {
        resource,
        format: FORMAT_B8G8R8X8,
        width: 64,
        height: 64,
    }
}

/// Streams of three kinds: good ones, good ones with one wrong word, and any words at all. virglrenderer
/// does nothing more in a context that was once refused something, so most are good.
fn stream() -> impl Strategy<Value = Stream> {
    let good = (0..2usize, 0..8u32).prop_map(|(index, count)| {
        let degrees = f32::from(u16::try_from(count * 40).unwrap());
        let mut stream = triangle::frame(index, &CANVASES[index], VERTICES, [0.5; 4], degrees);
        for _ in 0..count {
            stream.draw(Draw::triangles(3));
        }
        stream
    });
    let nearly =
        (good.clone(), any::<prop::sample::Index>(), word()).prop_map(|(stream, place, word)| {
            let mut words = stream.words().to_vec();
            let place = place.index(words.len());
            words[place] = word;
            let mut changed = Stream::new();
            changed.append(&words);
            changed
        });
    let command = (0..56u32, 0..13u32, vec(word(), 0..34));
    let random = vec(command, 1..12).prop_map(|commands| {
        let mut stream = Stream::new();
        for (number, object, payload) in commands {
            stream.command(number, object, &payload);
        }
        stream
    });
    prop_oneof![4 => good, 2 => nearly, 1 => random]
}

fn texture() -> impl Strategy<Value = Texture> {
    let format = prop_oneof![
        6 => select(vec![1u32, 2, 67, 64, 19, 31, 107, 177]),
        1 => word()
    ];
    let bind = prop_oneof![
        4 => select(vec![2u32, 8, 10, 16, 1 << 17, 1 << 18, 10 | 1 << 18, 1]),
        1 => word()
    ];
    let sides = [length(), length(), length(), length()];
    (0..10u32, format, bind, sides, 0..12u32, 0..10u32, 0..3u32).prop_map(
        |(target, format, bind, [width, height, depth, array_size], last_level, samples, flags)| {
            Texture {
                target,
                format,
                bind,
                width,
                height,
                // Most are flat, or nearly all would be refused.
                depth: if depth < 100 { 1 } else { depth },
                array_size: if array_size < 100 { 1 } else { array_size },
                last_level: last_level.saturating_sub(8),
                samples: samples.saturating_sub(6),
                flags,
            }
        },
    )
}

fn piece() -> impl Strategy<Value = Piece> {
    let strides = [length(), length()];
    (vec(length(), 6), 0..4u32, length(), strides).prop_map(
        |(sides, level, offset, [stride, layer_stride])| Piece {
            area: Box3d {
                x: sides[0],
                y: sides[1],
                z: sides[2].saturating_sub(100),
                width: sides[3],
                height: sides[4],
                depth: sides[5].clamp(1, 3),
            },
            level: level.saturating_sub(2),
            offset: offset.into(),
            stride,
            layer_stride,
        },
    )
}

/// A command, the context that it is of, and the ring that its fence is on.
type Order = (Command, u32, Option<u8>);

fn order(memory: &Backing) -> impl Strategy<Value = Order> + use<> {
    let entries = memory.entries.clone();
    let blob_entries = memory.entries.clone();
    let resources = prop_oneof![
        3 => (id(), texture()).prop_map(|(id, texture)| texture.command(id)),
        2 => id().prop_map(|resource_id| Command::CtxAttachResource { resource_id }),
        1 => id().prop_map(|resource_id| Command::CtxDetachResource { resource_id }),
        2 => id().prop_map(move |resource_id| Command::ResourceAttachBacking {
            resource_id,
            entries: entries.clone(),
        }),
        1 => id().prop_map(|resource_id| Command::ResourceDetachBacking { resource_id }),
        1 => id().prop_map(|resource_id| Command::ResourceUnref { resource_id }),
        1 => (id(), 0..5u32, 0..8u64, length()).prop_map(move |(resource_id, blob_mem, blob_id, size)| {
            Command::ResourceCreateBlob {
                resource_id,
                blob_mem,
                blob_flags: 1,
                blob_id,
                size: size.into(),
                entries: blob_entries.clone(),
            }
        }),
        1 => (id(), length()).prop_map(|(resource_id, offset)| Command::MapBlob {
            resource_id,
            offset: offset.into(),
        }),
        1 => id().prop_map(|resource_id| Command::UnmapBlob { resource_id }),
    ];
    let pixels = prop_oneof![
        (id(), piece(), any::<bool>()).prop_map(|(resource_id, piece, up)| transfer(
            resource_id,
            piece,
            up
        )),
        (id(), length(), length()).prop_map(|(resource_id, width, height)| Command::SetScanout {
            rect: Rect::from_size(width, height),
            scanout_id: 0,
            resource_id,
        }),
        (id(), length(), length()).prop_map(|(resource_id, width, height)| {
            Command::ResourceFlush {
                rect: Rect::from_size(width, height),
                resource_id,
            }
        }),
    ];
    let contexts = prop_oneof![
        3 => Just(Command::CtxCreate {
            context_init: CAPSET_VIRGL2,
            name_length: 4,
            debug_name: [b'x'; 64],
        }),
        1 => Just(Command::CtxDestroy),
    ];
    let command = prop_oneof![
        4 => resources,
        2 => pixels,
        1 => contexts,
        5 => stream().prop_map(|stream| Command::Submit3d { commands: stream.to_bytes() }),
    ];
    let context = prop_oneof![8 => 1..4u32, 1 => word()];
    let ring = prop_oneof![3 => Just(None), 1 => (0..70u8).prop_map(Some)];
    (command, context, ring)
}

fn transfer(resource_id: u32, piece: Piece, up: bool) -> Command {
    let Piece {
        area,
        level,
        offset,
        stride,
        layer_stride,
    } = piece;
    if up {
        Command::TransferToHost3d {
            area,
            offset,
            resource_id,
            level,
            stride,
            layer_stride,
        }
    } else {
        Command::TransferFromHost3d {
            area,
            offset,
            resource_id,
            level,
            stride,
            layer_stride,
        }
    }
}

/// The guest that sends them, and one that must not notice.
struct Two<'a> {
    rig: &'a Rig,
    wild: Driver,
    good: Driver,
    flat: Screen,
    frame: u32,
    fences: u64,
    memory: Backing,
    /// How many commands were carried out, and how many refused.
    counts: [u64; 2],
}

impl Two<'_> {
    /// Three contexts that can draw. All of it is refused while the renderer rests after it died: then so
    /// is what follows.
    fn prepare(&mut self) {
        let wild = &mut self.wild;
        for canvas in &CANVASES {
            let screen = Texture::screen(canvas.format, canvas.width.into(), canvas.height.into());
            let _ = wild.create_3d(canvas.resource, screen);
            let _ = wild.attach_backing(canvas.resource, &self.memory.entries);
        }
        let buffer = Texture::buffer(3 * Vertex::SIZE, bind::VERTEX_BUFFER);
        let _ = wild.create_3d(VERTICES, buffer);
        for context in 1..4 {
            let _ = wild.create_context(context, CAPSET_VIRGL2, "wild");
            for resource in [CANVASES[0].resource, CANVASES[1].resource, VERTICES] {
                let _ = wild.attach_resource(context, resource);
            }
            let _ = wild.run_3d(context, &triangle::set_up(VERTICES, &CANVASES));
        }
    }

    /// Sends all of them at once, and waits until each is answered.
    fn try_out(&mut self, orders: &[Order]) -> Result<(), TestCaseError> {
        self.prepare();
        let tickets: Vec<_> = orders
            .iter()
            .map(|(command, context, ring)| {
                self.fences += 1;
                let header = Header {
                    fence: Some(self.fences),
                    ctx_id: *context,
                    ring_idx: *ring,
                    ..Header::default()
                };
                self.wild.submit_with(command, header).unwrap()
            })
            .collect();
        for (ticket, (command, ..)) in tickets.into_iter().zip(orders) {
            let answer = self.wild.wait(ticket, PATIENCE);
            match answer.and_then(|answer| answer.done()) {
                Ok(()) => self.counts[0] += 1,
                Err(DriverError::Refused { .. }) => self.counts[1] += 1,
                Err(error) => {
                    return Err(TestCaseError::fail(format!("{command:?}: {error}")));
                }
            }
        }
        prop_assert_eq!(self.wild.requests_under_way(), 0);
        self.wild.take_failures();
        self.wild.reboot().unwrap();
        self.frame += 1;
        show(&mut self.good, &mut self.flat, self.frame);
        self.rig
            .wait_for_picture(&scanout("good", 0), is_frame(FLAT, self.frame));
        Ok(())
    }
}

#[test]
fn any_commands_are_answered() {
    let rig = Setup::new(&["640x480", "640x480"])
        .guest_3d("wild", &["320x240"])
        .guest("good", &["160x120"])
        .renderer_patience("1000")
        .start();
    let mut wild = driver(&rig, "wild");
    let mut good = rig.driver("good");
    let flat = screen(&mut good, 0, FLAT, BufferKind::Dumb2d);
    let memory = wild.ram_mut().allocate_backing(1 << 16).unwrap();
    let device = rig.guest("wild").device_pid.unwrap();
    let open = files(device);
    let strategy = vec(order(&memory), 1..60);
    let two = RefCell::new(Two {
        rig: &rig,
        wild,
        good,
        flat,
        frame: 0,
        // Those of the preparations are counted from 1.
        fences: 1 << 32,
        memory,
        counts: [0; 2],
    });
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        max_shrink_iters: 64,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    runner
        .run(&strategy, |orders| two.borrow_mut().try_out(&orders))
        .unwrap();

    let mut two = two.into_inner();
    assert!(
        two.counts.iter().all(|&count| count > 100),
        "one-sided: {:?} carried out and refused",
        two.counts
    );
    assert_eq!(rig.guest("wild").device_pid, Some(device));
    let now = files(device);
    assert!(now <= open + 8, "{open} open files became {now}");
    // Somebody better can still have a triangle.
    let mut spin = rig.wait_for("a renderer", |_| Spin::new(&mut two.wild, 0, SIZE).ok());
    let ticket = spin.frame(&mut two.wild).unwrap();
    shown(&mut two.wild, ticket);
    rig.wait_for_picture(&scanout("wild", 0), is_triangle(SIZE_32));
}
