//! A guest with 3D, and a renderer that does what the test says.

mod blobs;
mod contexts;
mod fences;
mod gate;
mod lost;
mod pointer;
mod screen;
mod twins;

use protocols::virtio_gpu::{BLOB_MEM_HOST3D, Box3d, Command, Header, MemEntry, Rect, Response};

pub(super) use self::screen::exported;
use super::fixture::*;
use crate::{
    gpu::Reply,
    renderer::{Texture, Ticket, recording::Asked},
};

const PAGE: u32 = 4096;

/// A texture that a scanout can show.
fn texture(width: u32, height: u32) -> Texture {
    Texture {
        target: 2,
        format: 1,
        bind: 2,
        width,
        height,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    }
}

fn create_3d(resource_id: u32, texture: Texture) -> Command {
    Command::ResourceCreate3d {
        resource_id,
        target: texture.target,
        format: texture.format,
        bind: texture.bind,
        width: texture.width,
        height: texture.height,
        depth: texture.depth,
        array_size: texture.array_size,
        last_level: texture.last_level,
        nr_samples: texture.samples,
        flags: texture.flags,
    }
}

fn create_context() -> Command {
    let mut debug_name = [0; 64];
    debug_name[..4].copy_from_slice(b"game");
    Command::CtxCreate {
        context_init: 2,
        name_length: 4,
        debug_name,
    }
}

fn use_resource(resource_id: u32) -> Command {
    Command::CtxAttachResource { resource_id }
}

fn submit() -> Command {
    Command::Submit3d {
        commands: vec![1, 2, 3, 4],
    }
}

fn upload(resource_id: u32) -> Command {
    Command::TransferToHost3d {
        area: Box3d {
            x: 0,
            y: 0,
            z: 0,
            width: 1,
            height: 1,
            depth: 1,
        },
        offset: 0,
        resource_id,
        level: 0,
        stride: 0,
        layer_stride: 0,
    }
}

fn host_blob(resource_id: u32, size: u64) -> Command {
    Command::ResourceCreateBlob {
        resource_id,
        blob_mem: BLOB_MEM_HOST3D,
        blob_flags: 1,
        blob_id: 5,
        size,
        entries: Vec::new(),
    }
}

fn map(resource_id: u32, offset: u64) -> Command {
    Command::MapBlob {
        resource_id,
        offset,
    }
}

fn unmap(resource_id: u32) -> Command {
    Command::UnmapBlob { resource_id }
}

/// A device whose guest has context 1.
fn with_context() -> Fixture {
    let mut f = Fixture::with_renderer();
    f.later(create_context());
    f.renderer_does_all();
    f.answered();
    f.renderer.take_log();
    f
}

/// A texture that context 1 uses.
fn make_texture(f: &mut Fixture, id: u32, width: u32, height: u32) {
    f.later(create_3d(id, texture(width, height)));
    f.later(use_resource(id));
    f.renderer_does_all();
    f.answered();
    f.renderer.take_log();
}

/// The header of a command of context 1.
fn header(fence: Option<u64>, ring_idx: Option<u8>) -> Header {
    Header {
        fence,
        ctx_id: 1,
        ring_idx,
        ..Header::default()
    }
}

/// Carries out a command of context 1 that is answered at once.
#[track_caller]
fn now(f: &mut Fixture, command: Command) -> Response {
    match f.execute(header(None, None), command) {
        Reply::Now(response) => response,
        Reply::Later(ticket) => panic!("answered later: {ticket:?}"),
    }
}

#[track_caller]
fn fenced(f: &mut Fixture, fence: u64, command: Command) -> Ticket {
    match f.execute(header(Some(fence), None), command) {
        Reply::Later(ticket) => ticket,
        Reply::Now(response) => panic!("answered at once: {response:?}"),
    }
}
