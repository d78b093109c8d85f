//! Contexts and resources that come and go.

use super::{
    fixture::{BGRA, Guest, Stream, picture, shown, start, transfer},
    *,
};

#[test]
fn ids_are_used_once() {
    let mut virgl = start();
    virgl
        .create_context(1, 2, b"a name of up to sixty-four bytes, or \xff no text")
        .unwrap();
    assert_eq!(
        virgl.create_context(1, 2, b""),
        Err(Failure::ContextExists(1))
    );
    assert_eq!(
        virgl.create_context(0, 2, b""),
        Err(Failure::ContextExists(0))
    );
    virgl.create_texture(1, &picture(4, 4)).unwrap();
    let again = virgl.create_texture(1, &picture(4, 4));
    assert_eq!(again, Err(Failure::ResourceExists(1)));
    let zero = virgl.create_texture(0, &picture(4, 4));
    assert_eq!(zero, Err(Failure::ResourceExists(0)));
    virgl.create_texture(u32::MAX, &picture(4, 4)).unwrap();
    virgl.create_context(u32::MAX, 0, b"").unwrap();
    virgl.attach_to_context(u32::MAX, u32::MAX).unwrap();
    virgl.unref(u32::MAX).unwrap();
    virgl.destroy_context(u32::MAX).unwrap();
    virgl.create_texture(u32::MAX, &picture(4, 4)).unwrap();
}

#[test]
fn what_does_not_exist_is_named() {
    let mut virgl = start();
    let guest = Guest::new(0x1000);
    virgl.create_context(1, 2, b"").unwrap();
    virgl.create_texture(1, &picture(4, 4)).unwrap();
    assert_eq!(virgl.destroy_context(2), Err(Failure::NoContext(2)));
    assert_eq!(virgl.attach_to_context(2, 1), Err(Failure::NoContext(2)));
    assert_eq!(virgl.attach_to_context(1, 2), Err(Failure::NoResource(2)));
    assert_eq!(virgl.detach_from_context(1, 2), Err(Failure::NoResource(2)));
    assert_eq!(virgl.unref(2), Err(Failure::NoResource(2)));
    let backing = guest.backing(&[(0, 64)]);
    assert_eq!(
        virgl.attach_backing(2, backing),
        Err(Failure::NoResource(2))
    );
    assert_eq!(virgl.detach_backing(2), Err(Failure::NoResource(2)));
    assert!(matches!(
        virgl.detach_backing(1),
        Err(Failure::State { .. })
    ));
    for capset in [3, 4, 5, 6, 255, 256, u32::MAX] {
        assert!(virgl.create_context(7, capset, b"").is_err(), "{capset}");
    }
}

#[test]
fn impossible_textures_are_errors() {
    let mut virgl = start();
    let impossible = [
        Texture {
            target: 99,
            ..picture(4, 4)
        },
        Texture {
            format: 0,
            ..picture(4, 4)
        },
        Texture {
            format: u32::MAX,
            ..picture(4, 4)
        },
        Texture {
            bind: 0,
            ..picture(4, 4)
        },
        Texture {
            flags: u32::MAX,
            ..picture(4, 4)
        },
        Texture {
            last_level: 31,
            ..picture(4, 4)
        },
        picture(0, 0),
        picture(u32::MAX, 1),
        picture(1 << 15, 1 << 15),
    ];
    for texture in impossible {
        assert!(virgl.create_texture(1, &texture).is_err(), "{texture:?}");
    }
    virgl.create_texture(1, &picture(4, 4)).unwrap();
}

#[test]
fn a_backing_is_attached_once_and_comes_back() {
    let mut virgl = start();
    let guest = Guest::new(0x1000);
    virgl.create_texture(1, &picture(4, 4)).unwrap();
    let whole = || guest.backing(&[(0, 64)]);
    virgl.attach_backing(1, whole()).unwrap();
    assert!(matches!(
        virgl.attach_backing(1, whole()),
        Err(Failure::State { .. })
    ));
    virgl.detach_backing(1).unwrap();
    assert!(virgl.transfer_to_host(&transfer(1, (0, 0, 4, 4))).is_err());
    // A single byte can't be cut in two.
    virgl.attach_backing(1, guest.backing(&[(5, 1)])).unwrap();
    virgl.detach_backing(1).unwrap();
    virgl.attach_backing(1, whole()).unwrap();
    virgl.transfer_to_host(&transfer(1, (0, 0, 4, 4))).unwrap();
    assert!(virgl.attach_backing(1, guest.backing(&[])).is_err());
}

#[test]
fn resources_outlive_contexts_and_contexts_resources() {
    let mut virgl = start();
    let guest = Guest::new(0x1000);
    virgl.create_context(1, 2, b"").unwrap();
    virgl.create_texture(1, &picture(4, 4)).unwrap();
    virgl.attach_backing(1, guest.backing(&[(0, 64)])).unwrap();
    for _ in 0..2 {
        virgl.attach_to_context(1, 1).unwrap();
    }
    let stream = Stream::default()
        .sub_context(1)
        .draw_into(1, 1, BGRA)
        .clear([1.0; 4]);
    virgl.submit(1, &stream.bytes()).unwrap();
    virgl.destroy_context(1).unwrap();
    assert_eq!(shown(&mut virgl, 1, 4, 4), [255; 64]);

    virgl.create_context(1, 2, b"").unwrap();
    virgl.attach_to_context(1, 1).unwrap();
    virgl.submit(1, &stream.bytes()).unwrap();
    virgl.unref(1).unwrap();
    assert_eq!(virgl.detach_from_context(1, 1), Err(Failure::NoResource(1)));
    // The context still has its surface of it.
    virgl
        .submit(1, &Stream::default().clear([0.0; 4]).bytes())
        .unwrap();
    virgl.destroy_context(1).unwrap();
    virgl.create_texture(1, &picture(4, 4)).unwrap();
    assert_eq!(shown(&mut virgl, 1, 4, 4), [0; 64]);
}
