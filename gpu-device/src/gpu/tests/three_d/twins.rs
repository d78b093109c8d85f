//! The device's own resources in 3D contexts.

use protocols::virtio_gpu::{ErrorCode::*, Format};

use super::*;
use crate::{
    memory::GuestRam,
    renderer::{Done, Transfer},
};

#[test]
fn a_picture_gets_a_twin_when_a_context_first_uses_it() {
    let mut f = with_context();
    f.create(2, 32, 16, 0x8000);
    f.later(use_resource(2));
    let log = f.renderer.take_log();
    let Asked::CreateTexture {
        resource: 2,
        texture,
    } = &log[0]
    else {
        panic!("{log:?}");
    };
    assert_eq!((texture.target, texture.format), (2, 2));
    assert_eq!((texture.width, texture.height, texture.flags), (32, 16, 0));
    assert!(matches!(&log[1], Asked::AttachBacking { resource: 2, entries } if entries.len() == 1));
    assert!(matches!(
        &log[2],
        Asked::TransferToHost(Transfer {
            context: 0,
            resource: 2,
            ..
        })
    ));
    assert_eq!(log.len(), 4);
    f.renderer_does_all();

    let copied = f.later(transfer(2, rect(4, 2, 8, 8), 272));
    let log = f.renderer.take_log();
    let [Asked::TransferToHost(transferred)] = &log[..] else {
        panic!("{log:?}");
    };
    let part = (
        transferred.part.x,
        transferred.part.y,
        transferred.part.depth,
    );
    assert_eq!((part, transferred.offset), ((4, 2, 1), 272));
    f.answered();
    // The picture itself was written.
    f.renderer_does(Err(Unspec));
    assert_eq!(f.answered(), [copied]);

    let detached = f.later(detach(2));
    let attached = f.later(attach(2, 0, 2048));
    let gone = f.later(unref(2));
    let log = f.renderer.take_log();
    assert_eq!(
        (&log[0], &log[2]),
        (&Asked::DetachBacking(2), &Asked::Unref(2))
    );
    assert!(matches!(&log[1], Asked::AttachBacking { resource: 2, .. }));
    f.renderer_does_all();
    assert_eq!(f.answered(), [detached, attached, gone]);
}

#[test]
fn a_guest_blob_gets_a_twin_too() {
    let mut f = with_context();
    f.ok(create_blob(2, 4096, &[]));
    assert_eq!(now(&mut f, use_resource(2)), Response::Err(Unspec));
    f.ok(attach(2, 0x4000, 4096));
    f.later(use_resource(2));
    let log = f.renderer.take_log();
    let Asked::CreateBlob {
        resource: 2,
        blob,
        entries,
    } = &log[0]
    else {
        panic!("{log:?}");
    };
    assert_eq!((blob.memory, blob.size, entries.len()), (1, 4096, 1));
    f.renderer_does_all();
    // Its pixels are there already.
    f.ok(transfer(2, rect(0, 0, 4, 4), 0));
    assert_eq!(
        f.renderer.take_log(),
        [Asked::AttachToContext {
            context: 1,
            resource: 2
        }][1..]
    );
}

#[test]
fn pictures_that_no_context_uses_are_none_of_the_renderers_business() {
    let mut f = with_context();
    f.create(2, 32, 16, 0);
    f.ok(transfer(2, rect(0, 0, 32, 16), 0));
    f.ok(detach(2));
    f.ok(unref(2));
    assert_eq!(f.renderer.take_log(), []);
}

#[test]
fn backings_follow_the_guests_memory() {
    let mut f = with_context();
    make_texture(&mut f, 3, 16, 16);
    f.later(attach(3, 0x4000, 4096));
    f.ok(create_2d(4, Format::Bgrx8888, 16, 16));
    f.renderer_does_all();
    f.renderer.take_log();

    f.change_ram(GuestRam::default());
    assert_eq!(f.renderer.take_log(), [Asked::DetachBacking(3)]);
    f.change_ram(GuestRam::default());
    assert_eq!(f.renderer.take_log(), []);
    f.change_ram(GuestRam::new(f.map.clone()));
    let log = f.renderer.take_log();
    assert!(matches!(
        &log[..],
        [Asked::AttachBacking { resource: 3, .. }]
    ));
    f.change_ram(GuestRam::new(f.map.clone()));
    assert_eq!(f.renderer.take_log(), [], "the same memory");
    assert_eq!(f.renderer.maps, 4);
    f.renderer_does(Ok(Done::Nothing));
}
