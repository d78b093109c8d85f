//! The holes that virglrenderer and other devices of this kind once had, as far as a guest's commands
//! reach them: whatever the renderer makes of them, the device answers, and nobody else notices.
//!
//! The streams are written after the causes that the projects' own commits name; they are no exploits.

use std::fs;

use guest::{
    driver::{Driver, Piece, Texture, Ticket, Timeline},
    kms::{BufferKind, Screen},
    ram::Backing,
    virgl::{
        Draw, Stream, header,
        numbers::{
            FORMAT_B8G8R8X8, FORMAT_R8G8B8A8, SHADER_FRAGMENT, SHADER_VERTEX, bind, command,
            object, target,
        },
    },
};
use protocols::{
    ipc::GuestState,
    virtio_gpu::{BLOB_FLAG_MAPPABLE, Box3d, CAPSET_VIRGL2, Command, Header, Rect, Response},
};

use super::{
    guest_side::{is_frame, screen, show},
    rig::{PATIENCE, Rig, Setup, scanout},
    three_d::driver,
};

/// A hole: who has it, what it was, and how a guest would reach it.
struct Hole {
    id: &'static str,
    cause: &'static str,
    attack: fn(&mut Evil<'_>),
}

/// The guests' own screens.
const FLAT: (u32, u32) = (160, 120);

/// The size of the texture that is there, and of the buffer.
const SIDE: u32 = 64;
const BUFFER: u32 = 4096;

/// A guest that means harm, with a context of its own for each attack.
struct Evil<'a> {
    driver: &'a mut Driver,
    context: u32,
    canvas: u32,
    buffer: u32,
    resources: Vec<u32>,
    memory: Backing,
}

impl<'a> Evil<'a> {
    /// A new context with a texture and a buffer. Waits for a renderer, if the last one has just died.
    fn new(rig: &Rig, driver: &'a mut Driver, memory: Backing) -> Self {
        let context = rig.wait_for("a renderer", |_| {
            let context = driver.new_context_id();
            let made = driver.create_context(context, CAPSET_VIRGL2, "evil");
            made.ok().map(|()| context)
        });
        let mut evil = Self {
            driver,
            context,
            canvas: 0,
            buffer: 0,
            resources: Vec::new(),
            memory,
        };
        evil.canvas = evil.texture(Texture::screen(FORMAT_B8G8R8X8, SIDE, SIDE));
        evil.buffer = evil.texture(Texture::buffer(BUFFER, bind::VERTEX_BUFFER));
        evil
    }

    /// A new context in place of the one that there is: virglrenderer does little in a context that was
    /// refused something, and the next attack is to reach as far as it can.
    fn fresh(&mut self) {
        let context = self.context;
        self.context = self.driver.new_context_id();
        self.send_in(context, &Command::CtxDestroy);
        self.send(&Command::CtxCreate {
            context_init: CAPSET_VIRGL2,
            name_length: 0,
            debug_name: [0; 64],
        });
        for index in 0..self.resources.len() {
            let resource_id = self.resources[index];
            self.send(&Command::CtxAttachResource { resource_id });
        }
    }

    /// A resource with memory behind it, known to the context, if the device makes it.
    fn texture(&mut self, texture: Texture) -> u32 {
        let resource = self.unbacked(texture);
        let entries = self.memory.entries.clone();
        self.send(&Command::ResourceAttachBacking {
            resource_id: resource,
            entries,
        });
        resource
    }

    fn unbacked(&mut self, texture: Texture) -> u32 {
        let resource_id = self.driver.new_resource_id();
        self.resources.push(resource_id);
        self.send(&texture.command(resource_id));
        self.send(&Command::CtxAttachResource { resource_id });
        resource_id
    }

    /// Sends a command of the context and waits for an answer, whichever.
    #[track_caller]
    fn send(&mut self, command: &Command) -> Response {
        self.send_in(self.context, command)
    }

    #[track_caller]
    fn send_in(&mut self, context: u32, command: &Command) -> Response {
        let header = Header {
            ctx_id: context,
            ..Header::default()
        };
        let ticket = self.driver.submit_with(command, header).unwrap();
        self.answer(ticket)
    }

    /// Sends a stream and waits until it was carried out or refused.
    #[track_caller]
    fn submit(&mut self, stream: &Stream) -> Response {
        let ticket = self
            .driver
            .submit_3d(self.context, stream, Timeline::Device)
            .unwrap();
        self.answer(ticket)
    }

    /// One command in a context of its own.
    #[track_caller]
    fn run(&mut self, number: u32, object: u32, payload: &[u32]) {
        self.fresh();
        self.again(number, object, payload);
    }

    /// One command in the context of the one before.
    #[track_caller]
    fn again(&mut self, number: u32, object: u32, payload: &[u32]) {
        let mut stream = Stream::new();
        stream.command(number, object, payload);
        self.submit(&stream);
    }

    #[track_caller]
    fn answer(&mut self, ticket: Ticket) -> Response {
        let completion = self.driver.wait(ticket, PATIENCE).unwrap();
        completion.response().unwrap()
    }

    /// Both ways between a resource and its memory.
    fn transfer(&mut self, resource_id: u32, piece: Piece) {
        let Piece {
            area,
            level,
            offset,
            stride,
            layer_stride,
        } = piece;
        self.send(&Command::TransferToHost3d {
            area,
            offset,
            resource_id,
            level,
            stride,
            layer_stride,
        });
        self.send(&Command::TransferFromHost3d {
            area,
            offset,
            resource_id,
            level,
            stride,
            layer_stride,
        });
        for direction in [1, 2, 3] {
            let offset = u32::try_from(offset & 0xffff_ffff).unwrap();
            let fields = [resource_id, level, 0, stride, layer_stride];
            let place = [area.x, area.y, area.z, area.width, area.height, area.depth];
            let payload = [&fields[..], &place, &[offset, direction]].concat();
            self.run(command::TRANSFER3D, 0, &payload);
        }
    }

    /// A blit of all of the canvas, in formats of the attacker's choice.
    fn blit(&mut self, to: (u32, u32), from: (u32, u32)) {
        let payload = [
            0xf, 0, 0, to.0, 0, to.1, 0, 0, 0, SIDE, SIDE, 1, from.0, 0, from.1, 0, 0, 0, SIDE,
            SIDE, 1,
        ];
        self.again(command::BLIT, 0, &payload);
    }

    fn end(self) {
        let Self {
            driver,
            context,
            resources,
            ..
        } = self;
        // The renderer may have died, and the attack may have destroyed them.
        let _ = driver.destroy_context(context);
        for resource in resources {
            let _ = driver.unref(resource);
        }
        driver.take_failures();
    }
}

const HOLES: &[Hole] = &[
    Hole {
        id: "CVE-2022-0135",
        cause: "a transfer whose depth a 2D texture does not have writes beyond its storage",
        attack: |evil| {
            let texture = evil.texture(Texture::screen(FORMAT_R8G8B8A8, 4, 4));
            for depth in [0, 2, 0x1000, u32::MAX] {
                let mut piece = Piece::whole(4, 4);
                piece.area.depth = depth;
                evil.transfer(texture, piece);
            }
        },
    },
    Hole {
        id: "CVE-2022-0175",
        cause: "storage on the host was not zeroed before the guest could read it",
        attack: |evil| {
            for purpose in [bind::CUSTOM, bind::STAGING, 0, bind::VERTEX_BUFFER] {
                let buffer = evil.texture(Texture::buffer(BUFFER, purpose));
                let size = usize::try_from(BUFFER).unwrap();
                let ram = evil.driver.ram();
                ram.write_backing(&evil.memory, 0, &vec![0xaa; size])
                    .unwrap();
                let all = Piece::whole(BUFFER, 1);
                evil.send(&Command::TransferFromHost3d {
                    area: all.area,
                    offset: 0,
                    resource_id: buffer,
                    level: 0,
                    stride: 0,
                    layer_stride: 0,
                });
                let mut bytes = vec![0; size];
                let ram = evil.driver.ram();
                ram.read_backing(&evil.memory, 0, &mut bytes).unwrap();
                let leaked = bytes.iter().any(|byte| !matches!(byte, 0 | 0xaa));
                assert!(!leaked, "memory of the host, for purpose {purpose:#x}");
            }
        },
    },
    Hole {
        id: "CVE-2020-8003",
        cause: "a texture that can't be allocated was freed twice",
        attack: |evil| {
            for format in [0, 73, 163, 191, 309, 313, 0x4_0000, u32::MAX] {
                for kind in [
                    target::TEXTURE_2D,
                    target::TEXTURE_3D,
                    target::TEXTURE_CUBE,
                    99,
                ] {
                    let mut texture = Texture::screen(format, 49, 49);
                    texture.target = kind;
                    for _ in 0..2 {
                        evil.unbacked(texture);
                    }
                }
            }
        },
    },
    Hole {
        id: "CVE-2020-8002",
        cause: "a compute grid without a compute shader went through a null pointer",
        attack: |evil| {
            evil.run(command::LAUNCH_GRID, 0, &[1, 1, 1, 1, 1, 1, 0, 0]);
            let buffer = evil.buffer;
            for offset in [0, BUFFER, u32::MAX] {
                evil.run(command::LAUNCH_GRID, 0, &[0, 0, 0, 1, 1, 1, buffer, offset]);
            }
            evil.run(command::LAUNCH_GRID, 0, &[u32::MAX; 8]);
        },
    },
    Hole {
        id: "CVE-2019-18388",
        cause: "views whose format or kind does not fit their resource went through a null pointer",
        attack: |evil| {
            let mut line = Texture::screen(109, 2, 2);
            line.target = target::TEXTURE_1D;
            let compressed = evil.unbacked(line);
            for resource in [evil.canvas, evil.buffer, compressed, 0xdead] {
                for format in [0, 10, 73, 126, 0x1_0191, u32::MAX] {
                    for kind in [object::SAMPLER_VIEW, object::SURFACE] {
                        let mut payload = vec![77, resource, format, 0x7777, 0x7777];
                        if kind == object::SAMPLER_VIEW {
                            payload.push(0xfff);
                        }
                        evil.run(command::CREATE_OBJECT, kind, &payload);
                    }
                    evil.again(command::SET_SAMPLER_VIEWS, 0, &[SHADER_FRAGMENT, 0, 77]);
                    evil.again(command::SET_FRAMEBUFFER_STATE, 0, &[1, 77, 77]);
                }
            }
        },
    },
    Hole {
        id: "CVE-2019-18389",
        cause: "a transfer of more than its memory holds overflowed the heap",
        attack: |evil| {
            for format in [FORMAT_R8G8B8A8, 107, 191] {
                let texture = evil.unbacked(Texture::screen(format, SIDE, SIDE));
                let mut entries = evil.memory.entries.clone();
                entries.truncate(1);
                entries[0].length = 16;
                evil.send(&Command::ResourceAttachBacking {
                    resource_id: texture,
                    entries,
                });
                let whole = Piece::whole(SIDE, SIDE);
                for (offset, stride, layer_stride) in [
                    (0, 0, 0),
                    (u64::MAX, 0, 0),
                    (15, 1, 1),
                    (0, u32::MAX, u32::MAX),
                ] {
                    evil.transfer(
                        texture,
                        Piece {
                            offset,
                            stride,
                            layer_stride,
                            ..whole
                        },
                    );
                }
                evil.transfer(texture, Piece { level: 31, ..whole });
            }
        },
    },
    Hole {
        id: "no number, virglrenderer 0.10.4 to 1.3.0",
        cause: "a transfer in a stream whose stride does not fit into 31 bits reads before its memory",
        attack: |evil| {
            let texture = evil.texture(Texture::screen(FORMAT_R8G8B8A8, SIDE, SIDE));
            for stride in [0x8000_0000, 0x4000_0000, 0xffff_ff00] {
                for layer_stride in [0, 0x8000_0000] {
                    let piece = Piece {
                        stride,
                        layer_stride,
                        ..Piece::whole(SIDE, SIDE)
                    };
                    evil.transfer(texture, piece);
                }
            }
        },
    },
    Hole {
        id: "CVE-2019-18390",
        cause: "a blit between formats that do not exist read beyond a table",
        attack: |evil| {
            let (canvas, buffer) = (evil.canvas, evil.buffer);
            for format in [0, 73, 309, 400, 0x7fff_ffff, u32::MAX] {
                for (to, from) in [
                    ((canvas, format), (canvas, FORMAT_B8G8R8X8)),
                    ((canvas, FORMAT_B8G8R8X8), (canvas, format)),
                    ((buffer, format), (canvas, format)),
                    ((canvas, format), (buffer, format)),
                    ((0xdead, format), (canvas, format)),
                ] {
                    evil.fresh();
                    evil.blit(to, from);
                }
            }
        },
    },
    Hole {
        id: "CVE-2019-18391",
        cause: "an inline write of more than the stream holds overflowed the heap",
        attack: |evil| {
            for resource in [evil.buffer, evil.canvas, 0xdead] {
                for (width, height, depth) in [
                    (BUFFER, 1, 1),
                    (SIDE, SIDE, 1),
                    (SIDE, SIDE, 0xffff),
                    (u32::MAX, u32::MAX, u32::MAX),
                    (0x8000_0000, 1, 1),
                ] {
                    let payload = [resource, 0, 0, 0, 0, 0, 0, 0, width, height, depth, 0];
                    evil.run(command::RESOURCE_INLINE_WRITE, 0, &payload);
                }
            }
        },
    },
    Hole {
        id: "CVE-2017-5956",
        cause: "vertices from a buffer of a number that there is not were read beyond an array",
        attack: |evil| {
            for number in [32, 255, 0x7fff_ffff, u32::MAX] {
                evil.fresh();
                let mut stream = Stream::new();
                stream
                    .create(object::VERTEX_ELEMENTS, 5, &[0, 0, number, 31])
                    .bind(object::VERTEX_ELEMENTS, 5)
                    .set_vertex_buffer(evil.buffer)
                    .draw(Draw::triangles(3));
                evil.submit(&stream);
            }
        },
    },
    Hole {
        id: "CVE-2017-5957",
        cause: "more colour buffers than there can be overflowed the stack",
        attack: |evil| {
            for count in [9, 200, 0x7ff0] {
                let mut payload = vec![count, 0];
                payload.extend((0..count).map(|_| 1));
                evil.run(command::SET_FRAMEBUFFER_STATE, 0, &payload);
            }
            evil.run(command::SET_FRAMEBUFFER_STATE, 0, &[u32::MAX, 0]);
        },
    },
    Hole {
        id: "CVE-2017-5580",
        cause: "a texture instruction with many offsets was parsed beyond an array",
        attack: |evil| {
            let offsets = ", IMM[0].xyz".repeat(200);
            let text = format!(
                "FRAG\nDCL IN[0], COLOR, LINEAR\nDCL OUT[0], COLOR\nDCL SAMP[0]\n\
                 IMM[0] INT32 {{1, 1, 1, 1}}\n0: TEX OUT[0], IN[0], SAMP[0], 2D{offsets}\n1: END\n"
            );
            evil.shader(SHADER_FRAGMENT, &text);
        },
    },
    Hole {
        id: "CVE-2017-5994",
        cause: "more vertex elements than there can be overflowed the heap",
        attack: |evil| {
            for count in [33, 200, 0x3f00] {
                let elements: Vec<u32> = (0..count).flat_map(|_| [0, 0, 0, 31]).collect();
                evil.run(
                    command::CREATE_OBJECT,
                    object::VERTEX_ELEMENTS,
                    &[&[5][..], &elements].concat(),
                );
                evil.again(command::BIND_OBJECT, object::VERTEX_ELEMENTS, &[5]);
            }
        },
    },
    Hole {
        id: "CVE-2017-6209",
        cause: "the long name of a shader's property overflowed the stack",
        attack: |evil| {
            let name = "A".repeat(20_000);
            evil.shader(
                SHADER_FRAGMENT,
                &format!("FRAG\nPROPERTY {name} 1\n0: END\n"),
            );
            evil.shader(
                SHADER_FRAGMENT,
                &format!("FRAG\nDCL {name}[0], {name}\n0: END\n"),
            );
            evil.shader(SHADER_VERTEX, &format!("VERT\n0: {name} OUT[0], {name}\n"));
        },
    },
    Hole {
        id: "CVE-2017-6355",
        cause: "the length of a shader in several parts overflowed, and so did the heap",
        attack: |evil| {
            let part = u32::from_le_bytes(*b"FRAG");
            for length in [4, 0x100, 0x7fff_fffc, 0x7fff_ffff] {
                let first = [9, SHADER_FRAGMENT, length, 300, 0, part];
                evil.run(command::CREATE_OBJECT, object::SHADER, &first);
                for offset in [0, 4, 0x7fff_fff0, 0x7fff_fffc] {
                    let more = [9, SHADER_FRAGMENT, 0x8000_0000 | offset, 300, 0, part];
                    evil.again(command::CREATE_OBJECT, object::SHADER, &more);
                }
            }
            let tokens = [10, SHADER_FRAGMENT, 5, u32::MAX, 0, part, 0];
            evil.run(command::CREATE_OBJECT, object::SHADER, &tokens);
        },
    },
    Hole {
        id: "CVE-2017-6210",
        cause: "a reset went through a null pointer after context 0 was destroyed",
        attack: |evil| {
            for _ in 0..2 {
                evil.send_in(0, &Command::CtxDestroy);
            }
            let mut stream = Stream::new();
            stream.clear([0.0; 4]);
            let ticket = evil.driver.submit_3d(0, &stream, Timeline::Device).unwrap();
            evil.answer(ticket);
        },
    },
    Hole {
        id: "CVE-2017-5937",
        cause: "clearing colour buffers that are not set went through a null pointer",
        attack: |evil| {
            for buffers in [u32::MAX, 1 << 9, 0x3fc, 3, 0] {
                evil.run(command::CLEAR, 0, &[buffers, 0, 0, 0, 0, 0, 0, 0]);
            }
            evil.run(command::CLEAR, 0, &[]);
            let canvas = evil.canvas;
            let clear = [canvas, 0, 0, 0, 0, u32::MAX, u32::MAX, u32::MAX, 0, 0, 0, 0];
            evil.run(command::CLEAR_TEXTURE, 0, &clear);
        },
    },
    Hole {
        id: "CVE-2017-5993",
        cause: "each blit prepared everything anew and freed nothing",
        attack: |evil| {
            let canvas = evil.canvas;
            let other = evil.texture(Texture::screen(FORMAT_R8G8B8A8, SIDE, SIDE));
            for _ in 0..100 {
                evil.blit((other, FORMAT_R8G8B8A8), (canvas, FORMAT_B8G8R8X8));
            }
        },
    },
    Hole {
        id: "CVE-2017-6317",
        cause: "shaders that could not be linked were never freed",
        attack: |evil| {
            for number in 0..20 {
                evil.fresh();
                let mut stream = Stream::new();
                stream
                    .create_shader(
                        20,
                        SHADER_VERTEX,
                        "VERT\nDCL IN[0]\nDCL OUT[0], POSITION\n0: MOV OUT[0], IN[0]\n1: END\n",
                    )
                    .bind_shader(20, SHADER_VERTEX)
                    .create_shader(
                        21,
                        SHADER_FRAGMENT,
                        &format!(
                            "FRAG\nDCL IN[0], GENERIC[{number}], PERSPECTIVE\nDCL OUT[0], COLOR\n\
                             0: MOV OUT[0], IN[0]\n1: END\n"
                        ),
                    )
                    .bind_shader(21, SHADER_FRAGMENT)
                    .set_vertex_buffer(evil.buffer)
                    .draw(Draw::triangles(3))
                    .destroy(object::SHADER, 20)
                    .destroy(object::SHADER, 21);
                evil.submit(&stream);
            }
        },
    },
    Hole {
        id: "CVE-2017-6386",
        cause: "vertex elements that were refused were never freed",
        attack: |evil| {
            let elements = [0, 0, 0, u32::MAX].repeat(16);
            let mut stream = Stream::new();
            for handle in 100..600 {
                stream.create(object::VERTEX_ELEMENTS, handle, &elements);
            }
            evil.submit(&stream);
        },
    },
    Hole {
        id: "CVE-2016-10163",
        cause: "making a context a second time leaked the first",
        attack: |evil| {
            let make = Command::CtxCreate {
                context_init: CAPSET_VIRGL2,
                name_length: u32::MAX,
                debug_name: [0xff; 64],
            };
            for _ in 0..200 {
                evil.send(&make);
            }
            for sub_context in [0, 1, 1, 2, u32::MAX] {
                evil.again(command::CREATE_SUB_CTX, 0, &[sub_context]);
                evil.again(command::SET_SUB_CTX, 0, &[sub_context]);
            }
            for sub_context in [1, 1, 0, 7] {
                evil.again(command::DESTROY_SUB_CTX, 0, &[sub_context]);
            }
        },
    },
    Hole {
        id: "CVE-2016-10214",
        cause: "attaching memory a second time leaked the first list of it",
        attack: |evil| {
            let resource_id = evil.buffer;
            for _ in 0..200 {
                let entries = evil.memory.entries.clone();
                evil.send(&Command::ResourceAttachBacking {
                    resource_id,
                    entries,
                });
            }
            for _ in 0..2 {
                evil.send(&Command::ResourceDetachBacking { resource_id });
            }
            evil.transfer(resource_id, Piece::whole(BUFFER, 1));
        },
    },
    // What other devices of this kind had.
    Hole {
        id: "vhost-user-gpu without a number, QEMU 11.1.2",
        cause: "SUBMIT_3D's size was not checked against what was sent",
        attack: |evil| {
            for size in [1, 2, 3, 20, 0x10_0000, 0x8000_0000, 0xffff_fffc, u32::MAX] {
                let mut request = Vec::new();
                let submit = Command::Submit3d {
                    commands: vec![0; 16],
                };
                let context = Header {
                    ctx_id: evil.context,
                    ..Header::default()
                };
                submit.encode(&context, &mut request);
                request[24..28].copy_from_slice(&size.to_le_bytes());
                let ticket = evil.driver.submit_bytes(0, &request, 24).unwrap();
                let answer = evil.answer(ticket);
                assert!(answer.is_err(), "{size} bytes of 16");
            }
            evil.submit(&Stream::new());
            let mut torn = Stream::new();
            torn.word(header(command::DRAW_VBO, 0, 0xffff)).word(1);
            evil.submit(&torn);
        },
    },
    Hole {
        id: "CVE-2021-3546, CVE-2016-10028",
        cause: "a capset that there is not, or of no size, was written or read beyond its end",
        attack: |evil| {
            for capset_id in [0, 3, 5, 6, 63, 64, 0x8000_0000, u32::MAX] {
                let ask = Command::GetCapset {
                    capset_id,
                    capset_version: u32::MAX,
                };
                let answer = evil.send(&ask);
                assert!(answer.is_err(), "capset {capset_id}: {answer:?}");
            }
        },
    },
    Hole {
        id: "CVE-2021-3545, CVE-2016-9908, CVE-2016-9845",
        cause: "answers about capsets held what lay in the host's memory before",
        attack: |evil| {
            for capset_index in [0, 1, 2, 3, 100, u32::MAX] {
                let ask = Command::GetCapsetInfo { capset_index };
                let ticket = evil.driver.submit(&ask, false).unwrap();
                let answer = evil.driver.wait(ticket, PATIENCE).unwrap();
                match answer.response().unwrap() {
                    Response::OkCapsetInfo { .. } => assert_eq!(answer.bytes[36..40], [0; 4]),
                    other => assert!(other.is_err(), "{other:?}"),
                }
            }
        },
    },
    Hole {
        id: "CVE-2021-3544, CVE-2017-5857, CVE-2016-9912",
        cause: "a resource that went with its memory attached leaked the list of it",
        attack: |evil| {
            for _ in 0..200 {
                let resource_id = evil.texture(Texture::buffer(64, bind::VERTEX_BUFFER));
                evil.send(&Command::ResourceUnref { resource_id });
            }
        },
    },
    Hole {
        id: "CVE-2017-5552, CVE-2017-5578",
        cause: "a second list of memory for a texture leaked the first",
        attack: |evil| {
            for resource_id in [evil.canvas, evil.buffer, 0, 0xdead] {
                for _ in 0..100 {
                    let entries = evil.memory.entries.clone();
                    evil.send(&Command::ResourceAttachBacking {
                        resource_id,
                        entries,
                    });
                }
            }
        },
    },
    Hole {
        id: "CVE-2026-3886",
        cause: "the product of a resource's measures did not fit into 32 bits",
        attack: |evil| {
            let flat = Texture::screen(FORMAT_R8G8B8A8, 0x1_0000, 0x1_0000);
            let solid = Texture {
                target: target::TEXTURE_3D,
                depth: 0x1_0000,
                ..flat
            };
            let stack = Texture {
                target: target::TEXTURE_2D_ARRAY,
                array_size: u32::MAX,
                ..Texture::screen(FORMAT_R8G8B8A8, 16, 16)
            };
            let small = Texture {
                last_level: u32::MAX,
                ..Texture::screen(FORMAT_R8G8B8A8, 1, 1)
            };
            let many = Texture {
                samples: u32::MAX,
                ..Texture::screen(FORMAT_R8G8B8A8, 16, 16)
            };
            let nothing = Texture {
                width: 0,
                height: 0,
                depth: 0,
                array_size: 0,
                ..flat
            };
            let buffer = Texture::buffer(u32::MAX, bind::VERTEX_BUFFER);
            for texture in [flat, solid, stack, small, many, nothing, buffer] {
                let resource = evil.texture(texture);
                let mut piece = Piece::whole(texture.width, texture.height);
                piece.area.depth = texture.depth;
                evil.transfer(resource, piece);
                evil.transfer(
                    resource,
                    Piece {
                        area: Box3d {
                            x: u32::MAX,
                            y: u32::MAX,
                            z: u32::MAX,
                            width: 1,
                            height: 1,
                            depth: 1,
                        },
                        ..piece
                    },
                );
            }
        },
    },
    Hole {
        id: "CVE-2026-66020, CVE-2026-6426, CVE-2026-6502",
        cause: "what was shown lost its memory, or went, and was used after that",
        attack: |evil| {
            let rect = Rect::from_size(SIDE, SIDE);
            for round in 0..20 {
                let resource_id = evil.texture(Texture::screen(FORMAT_B8G8R8X8, SIDE, SIDE));
                evil.send(&Command::SetScanout {
                    rect,
                    scanout_id: 0,
                    resource_id,
                });
                let flush = Command::ResourceFlush { rect, resource_id };
                evil.send(&flush);
                evil.send(&Command::ResourceDetachBacking { resource_id });
                evil.send(&flush);
                if round % 2 == 0 {
                    evil.send(&Command::CtxDetachResource { resource_id });
                }
                evil.send(&Command::ResourceUnref { resource_id });
                evil.send(&flush);
                evil.send(&Command::CtxDetachResource { resource_id });
                evil.blit(
                    (resource_id, FORMAT_B8G8R8X8),
                    (evil.canvas, FORMAT_B8G8R8X8),
                );
            }
        },
    },
    Hole {
        id: "CVE-2016-10029",
        cause: "a texture was shown on a monitor of a number that there is not",
        attack: |evil| {
            for scanout_id in [16, 17, 0x8000_0000, u32::MAX] {
                let answer = evil.send(&Command::SetScanout {
                    rect: Rect::from_size(SIDE, SIDE),
                    scanout_id,
                    resource_id: evil.canvas,
                });
                assert!(answer.is_err(), "scanout {scanout_id}");
            }
        },
    },
    Hole {
        id: "CVE-2026-66021",
        cause: "blobs that were smaller than they said, or not there at all, were read",
        attack: |evil| {
            for blob_mem in [0, 1, 2, 3, 4, u32::MAX] {
                for size in [0, 1, 4096, 1 << 40, u64::MAX] {
                    let resource_id = evil.driver.new_resource_id();
                    evil.resources.push(resource_id);
                    let mut entries = evil.memory.entries.clone();
                    entries.truncate(usize::from(blob_mem != 2));
                    evil.send(&Command::ResourceCreateBlob {
                        resource_id,
                        blob_mem,
                        blob_flags: BLOB_FLAG_MAPPABLE,
                        blob_id: 0xdead,
                        size,
                        entries,
                    });
                    for offset in [0, 1, u64::MAX - 4095] {
                        evil.send(&Command::MapBlob {
                            resource_id,
                            offset,
                        });
                    }
                    evil.send(&Command::UnmapBlob { resource_id });
                    evil.send(&Command::CtxAttachResource { resource_id });
                    evil.transfer(resource_id, Piece::whole(SIDE, SIDE));
                }
            }
        },
    },
    Hole {
        id: "commands without a context",
        cause: "numbers of contexts that there are not were looked up without asking",
        attack: |evil| {
            let resource_id = evil.canvas;
            for context in [0, 999, 0x8000_0000, u32::MAX] {
                for order in [
                    Command::CtxDestroy,
                    Command::CtxAttachResource { resource_id },
                    Command::CtxDetachResource { resource_id },
                    Command::CtxAttachResource { resource_id: 0 },
                    Command::Submit3d {
                        commands: vec![0; 8],
                    },
                ] {
                    evil.send_in(context, &order);
                }
                for ring in [0, 1, 63, 64, 255] {
                    let mut stream = Stream::new();
                    stream.command(command::NOP, 0, &[]);
                    let timeline = Timeline::Ring(ring);
                    let ticket = evil.driver.submit_3d(context, &stream, timeline).unwrap();
                    evil.answer(ticket);
                }
            }
        },
    },
];

impl Evil<'_> {
    /// Makes, binds and uses a shader of this text.
    fn shader(&mut self, kind: u32, text: &str) {
        self.fresh();
        let mut stream = Stream::new();
        stream
            .create_shader(30, kind, text)
            .bind_shader(30, kind)
            .draw(Draw::triangles(3))
            .destroy(object::SHADER, 30);
        self.submit(&stream);
    }
}

/// The guests' own screens, which must not notice.
struct Screens<'a> {
    rig: &'a Rig,
    evil: Screen,
    good_driver: Driver,
    good: Screen,
    frame: u32,
}

impl<'a> Screens<'a> {
    fn new(rig: &'a Rig, evil: &mut Driver) -> Self {
        let mut good_driver = rig.driver("good");
        Self {
            rig,
            evil: screen(evil, 1, FLAT, BufferKind::Dumb2d),
            good: screen(&mut good_driver, 0, FLAT, BufferKind::Dumb2d),
            good_driver,
            frame: 0,
        }
    }

    #[track_caller]
    fn go_on(&mut self, evil: &mut Driver) {
        self.frame += 1;
        show(evil, &mut self.evil, self.frame);
        show(&mut self.good_driver, &mut self.good, self.frame);
        for target in [scanout("evil", 1), scanout("good", 0)] {
            self.rig
                .wait_for_picture(&target, is_frame(FLAT, self.frame));
        }
    }
}

/// Open files of a process.
pub fn files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn known_holes_are_the_renderers_own() {
    let rig = Setup::new(&["640x480", "640x480", "640x480"])
        .guest_3d("evil", &["320x240", "160x120"])
        .guest("good", &["160x120"])
        .renderer_patience("2000")
        .start();
    let mut driver = driver(&rig, "evil");
    let mut screens = Screens::new(&rig, &mut driver);
    let memory = driver
        .ram_mut()
        .allocate_backing(u64::from(SIDE * SIDE * 4))
        .unwrap();
    screens.go_on(&mut driver);
    let before = ["evil", "good"].map(|guest| rig.guest(guest));
    let device = before[0].device_pid.unwrap();
    let open = files(device);
    for hole in HOLES {
        // Says which one it was, should something below fail.
        let guard = Named(hole);
        let t0 = std::time::Instant::now();
        let p0 = super::three_d::renderer(&rig, "evil");
        let mut evil = Evil::new(&rig, &mut driver, memory.clone());
        (hole.attack)(&mut evil);
        evil.end();
        assert_eq!(driver.requests_under_way(), 0);
        screens.go_on(&mut driver);
        std::mem::forget(guard);
        eprintln!(
            "TMP {:?} {} {:?}->{:?}",
            t0.elapsed(),
            hole.id,
            p0,
            super::three_d::renderer(&rig, "evil")
        );
    }
    let after = ["evil", "good"].map(|guest| rig.guest(guest));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (after.device_pid, after.state),
            (before.device_pid, GuestState::Running)
        );
    }
    let now = files(device);
    assert!(now <= open + 8, "{open} open files became {now}");

    // A better driver can begin anew.
    driver.reboot().unwrap();
    let evil = Evil::new(&rig, &mut driver, memory);
    evil.end();
}

/// Names the hole when a test fails in it.
struct Named(&'static Hole);

impl Drop for Named {
    #[expect(clippy::print_stderr, reason = "for whoever reads a test that failed")]
    fn drop(&mut self) {
        eprintln!("In {}: {}", self.0.id, self.0.cause);
    }
}
