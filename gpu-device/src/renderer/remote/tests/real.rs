//! With libvirglrenderer at the other end.

use std::{io::stdin, os::fd::AsFd as _, process::ExitCode};

use protocols::virtio_gpu::{Box3d, MemEntry, Rect};

use super::{super::*, fixture::*};
use crate::{
    memory::{GuestRam, SharedMemory, testing},
    renderer::{Done, Target, Texture, Timeline, Transfer, process::run, virgl::Settings},
};

#[test]
#[ignore = "the other end of tests"]
fn virgl() {
    let socket = stdin().as_fd().try_clone_to_owned().unwrap();
    let settings = Settings {
        virgl: true,
        venus: false,
        node: None,
    };
    assert_eq!(run(socket, &settings), ExitCode::SUCCESS);
}

/// 16 x 16 pixels, as a guest makes its framebuffer.
const TEXTURE: Texture = Texture {
    target: 2,
    format: 1,
    bind: 2,
    width: 16,
    height: 16,
    depth: 1,
    array_size: 1,
    last_level: 0,
    samples: 0,
    flags: 0,
};

#[test]
fn a_texture_is_filled_from_the_guests_memory_and_read_back() {
    let mut spawn = spawn("real::virgl");
    spawn.environment = vec![("LIBGL_ALWAYS_SOFTWARE".into(), "1".into())];
    let mut fixture = Fixture::with(spawn);
    assert!(!fixture.remote.versions().library.is_empty());
    assert!(!Renderer::capsets(&fixture.remote).is_empty());
    let file = testing::memfd(0x1000);
    let map = testing::map(&[(0, 0x1000, &file, 0)]);
    let pixels: Vec<u8> = (0..=255).cycle().take(16 * 16 * 4).collect();
    testing::write(&map, 0x400, &pixels);
    fixture.remote.ram_changed(&GuestRam::new(map));
    let memory = SharedMemory::new(4096).unwrap();
    let lent = fixture.remote.lend(&memory).unwrap();

    let entries = [MemEntry {
        addr: 0x400,
        length: 16 * 16 * 4,
    }];
    let requests = [
        Request::CreateContext {
            context: 1,
            capset: 0,
            name: b"test",
        },
        Request::CreateTexture {
            resource: 7,
            texture: TEXTURE,
        },
        Request::AttachBacking {
            resource: 7,
            entries: &entries,
        },
        Request::AttachToContext {
            context: 1,
            resource: 7,
        },
        Request::TransferToHost(Transfer {
            context: 1,
            resource: 7,
            part: Box3d {
                width: 16,
                height: 16,
                depth: 1,
                ..Box3d::default()
            },
            offset: 0,
            level: 0,
            stride: 0,
            layer_stride: 0,
        }),
    ];
    for request in requests {
        assert!(fixture.ask(request).is_ok(), "{request:?}");
    }
    let fenced = fixture.send_fenced(fence(9, Timeline::Device), Request::Nothing);
    assert_eq!(fixture.tickets(1), [fenced]);
    let read_back = Request::ReadBack {
        resource: 7,
        part: Rect::from_size(16, 16),
        target: Target {
            memory: lent,
            offset: 0,
            stride: 64,
        },
    };
    assert!(matches!(fixture.ask(read_back), Ok(Done::Nothing)));
    let mut seen = vec![0; pixels.len()];
    memory
        .slice(0, seen.len())
        .unwrap()
        .copy_to(seen.as_mut_slice());
    assert_eq!(seen, pixels);
}
