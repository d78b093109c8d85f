//! What contexts draw.

use super::{
    fixture::{BGRA, Guest, RGBA, Stream, pattern, picture, shown, start, transfer},
    *,
};
use crate::display::Refused;

const RED: [f32; 4] = [1.0, 0.0, 0.0, 1.0];
const GREEN: [f32; 4] = [0.0, 1.0, 0.0, 1.0];
const RED_SHOWN: [u8; 4] = [0, 0, 255, 255];
const GREEN_SHOWN: [u8; 4] = [0, 255, 0, 255];

#[test]
fn a_cleared_picture_has_its_colour() {
    let mut virgl = start();
    virgl.create_context(1, 2, b"program").unwrap();
    let kinds = [
        (BGRA, 0),
        (RGBA, 0),
        (BGRA, ffi::Y_0_TOP),
        (RGBA, ffi::Y_0_TOP),
    ];
    for ((format, flags), id) in kinds.into_iter().zip(1..) {
        let texture = Texture {
            format,
            flags,
            ..picture(16, 8)
        };
        virgl.create_texture(id, &texture).unwrap();
        virgl.attach_to_context(1, id).unwrap();
        let stream = Stream::default()
            .sub_context(id)
            .draw_into(1, id, format)
            .clear(RED);
        virgl.submit(1, &stream.bytes()).unwrap();
        assert_eq!(
            shown(&mut virgl, id, 16, 8),
            RED_SHOWN.repeat(16 * 8),
            "{format} {flags}"
        );
        virgl
            .submit(1, &Stream::default().clear(GREEN).bytes())
            .unwrap();
        assert_eq!(shown(&mut virgl, id, 16, 8), GREEN_SHOWN.repeat(16 * 8));
    }
}

#[test]
fn pictures_keep_their_top_row_between_orientations() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    guest.write(0, &pattern(16 * 16));
    virgl.create_context(1, 2, b"").unwrap();
    for (id, flags) in [(1, 0), (2, ffi::Y_0_TOP), (3, 0)] {
        let texture = Texture {
            flags,
            ..picture(16, 16)
        };
        virgl.create_texture(id, &texture).unwrap();
        virgl.attach_to_context(1, id).unwrap();
    }
    virgl
        .attach_backing(1, guest.backing(&[(0, 0x400)]))
        .unwrap();
    virgl
        .transfer_to_host(&transfer(1, (0, 0, 16, 16)))
        .unwrap();

    let stream = Stream::default()
        .sub_context(1)
        .blit(1, 2, 16, 16)
        .blit(2, 3, 16, 16);
    virgl.submit(1, &stream.bytes()).unwrap();
    for id in [1, 2, 3] {
        assert_eq!(shown(&mut virgl, id, 16, 16), pattern(16 * 16), "{id}");
    }
}

#[test]
fn commands_may_be_at_any_address() {
    let mut virgl = start();
    virgl.create_context(1, 1, b"").unwrap();
    virgl.create_texture(1, &picture(4, 4)).unwrap();
    virgl.attach_to_context(1, 1).unwrap();
    let stream = Stream::default().sub_context(1).draw_into(1, 1, BGRA);
    virgl.submit(1, &stream.bytes()).unwrap();
    for (skip, colour, expected) in [(1, RED, RED_SHOWN), (4, GREEN, GREEN_SHOWN)] {
        let mut memory = vec![0xff; skip];
        memory.extend(Stream::default().clear(colour).bytes());
        virgl.submit(1, &memory[skip..]).unwrap();
        assert_eq!(shown(&mut virgl, 1, 4, 4), expected.repeat(16));
    }
}

#[test]
fn wrong_commands_end_their_context_only() {
    let mut virgl = start();
    let clear = Stream::default().clear(RED).bytes();
    let wrong: [(&str, Vec<u8>); 4] = [
        ("no such command", vec![0xff; 4]),
        ("cut off", clear[..8].to_vec()),
        (
            "nothing to draw into",
            Stream::default()
                .sub_context(1)
                .draw_into(9, 99, BGRA)
                .bytes(),
        ),
        (
            "too few words",
            Stream::default().command(7, 0, &[4]).bytes(),
        ),
    ];
    virgl.create_texture(1, &picture(4, 4)).unwrap();
    for (name, commands) in wrong {
        virgl.create_context(1, 2, b"bad").unwrap();
        let first = virgl.submit(1, &commands);
        // A stream that is cut off is found out at the next one, by old versions.
        let second = virgl.submit(1, &Stream::default().sub_context(1).bytes());
        assert!(
            first.is_err() || second.is_err(),
            "{name}: {first:?} {second:?}"
        );
        virgl.destroy_context(1).unwrap();

        virgl.create_context(2, 2, b"good").unwrap();
        virgl.attach_to_context(2, 1).unwrap();
        let stream = Stream::default()
            .sub_context(1)
            .draw_into(1, 1, BGRA)
            .clear(GREEN);
        virgl.submit(2, &stream.bytes()).unwrap();
        assert_eq!(shown(&mut virgl, 1, 4, 4), GREEN_SHOWN.repeat(16), "{name}");
        virgl.destroy_context(2).unwrap();
    }
}

#[test]
fn what_is_no_whole_words_is_not_sent() {
    let mut virgl = start();
    virgl.create_context(1, 2, b"").unwrap();
    let commands = Stream::default().sub_context(1).bytes();
    let cut = virgl.submit(1, &commands[..5]);
    assert!(matches!(cut, Err(Failure::Invalid(_))));
    assert_eq!(virgl.submit(2, &commands), Err(Failure::NoContext(2)));
    assert_eq!(virgl.submit(0, &commands), Err(Failure::NoContext(0)));
    assert_eq!(virgl.submit(1, &[]), Ok(()));
    assert_eq!(virgl.submit(1, &commands), Ok(()));
}

#[test]
fn a_picture_is_shared_with_all_that_belongs_to_it_or_not_at_all() {
    let mut virgl = start();
    let texture = Texture {
        format: 2, // without alpha
        flags: ffi::Y_0_TOP,
        ..picture(64, 32)
    };
    virgl.create_texture(1, &texture).unwrap();
    match virgl.export(1) {
        Err(refused) => assert_eq!(refused, Refused::NotExported),
        Ok(image) => {
            assert_eq!((image.width, image.height), (64, 32));
            assert!(image.bottom_up);
            assert_eq!(image.fourcc.to_le_bytes()[0], b'X');
            assert!(image.planes[0].stride >= 64 * 4);
        }
    }
    let others = [
        // Z32_FLOAT, and a rectangle.
        Texture {
            format: 18,
            bind: 1,
            ..picture(64, 32)
        },
        Texture {
            target: 5,
            ..picture(64, 32)
        },
    ];
    for (texture, id) in others.iter().zip(2..) {
        virgl.create_texture(id, texture).unwrap();
        assert_eq!(virgl.export(id).unwrap_err(), Refused::NotExported);
    }
    assert_eq!(virgl.export(9).unwrap_err(), Refused::NotExported);
}
