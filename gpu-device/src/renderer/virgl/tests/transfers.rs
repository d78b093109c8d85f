//! Between the guest's memory and textures.

use super::{
    fixture::{BGRA, Guest, RGBA, Stream, Way, pattern, picture, shown, start, transfer},
    *,
};
use crate::renderer::Transfer;

/// VIRGL_FORMAT_A8R8G8B8_UNORM.
const ARGB: u32 = 3;
/// VIRGL_FORMAT_X8B8G8R8_UNORM.
const XBGR: u32 = 68;

#[test]
fn scattered_memory_reads_back_equal() {
    let mut virgl = start();
    let guest = Guest::new(0x1_0000);
    let bytes = pattern(64 * 32);
    guest.write(0x1000, &bytes[..0x1000]);
    guest.write(0x8000, &bytes[0x1000..]);
    virgl.create_texture(1, &picture(64, 32)).unwrap();
    let backing = guest.backing(&[(0x1000, 0x1000), (0x8000, 0x1000)]);
    virgl.attach_backing(1, backing).unwrap();
    virgl
        .transfer_to_host(&transfer(1, (0, 0, 64, 32)))
        .unwrap();

    assert_eq!(shown(&mut virgl, 1, 64, 32), bytes);

    virgl.detach_backing(1).unwrap();
    let other = guest.backing(&[(0x4000, 0x800), (0x2000, 0x1800)]);
    virgl.attach_backing(1, other).unwrap();
    virgl
        .transfer_from_host(&transfer(1, (0, 0, 64, 32)))
        .unwrap();
    assert_eq!(guest.read(0x4000, 0x800), bytes[..0x800]);
    assert_eq!(guest.read(0x2000, 0x1800), bytes[0x800..]);
}

#[test]
fn only_the_part_is_copied() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    guest.write(0, &pattern(32 * 32));
    virgl.create_texture(1, &picture(32, 32)).unwrap();
    virgl
        .attach_backing(1, guest.backing(&[(0, 0x1000)]))
        .unwrap();
    let part = Transfer {
        offset: 4 * (5 * 32 + 3),
        ..transfer(1, (3, 5, 10, 4))
    };
    virgl.transfer_to_host(&part).unwrap();

    let shown = shown(&mut virgl, 1, 32, 32);
    for (index, pixel) in shown.chunks(4).enumerate() {
        let (x, y) = (index % 32, index / 32);
        let inside = (3..13).contains(&x) && (5..9).contains(&y);
        let expected = match inside {
            true => &pattern(32 * 32)[index * 4..][..4],
            false => &[0; 4],
        };
        assert_eq!(pixel, expected, "{x}, {y}");
    }
}

#[test]
fn a_new_texture_is_empty() {
    let mut virgl = start();
    virgl.create_texture(1, &picture(64, 64)).unwrap();
    assert_eq!(shown(&mut virgl, 1, 64, 64), [0; 64 * 64 * 4]);
}

#[test]
fn what_is_written_is_shown_the_right_way_up_in_both_orientations() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    guest.write(0, &pattern(16 * 16));
    for flags in [0, ffi::Y_0_TOP] {
        let id = flags + 1;
        let texture = Texture {
            flags,
            ..picture(16, 16)
        };
        virgl.create_texture(id, &texture).unwrap();
        virgl
            .attach_backing(id, guest.backing(&[(0, 0x400)]))
            .unwrap();
        virgl
            .transfer_to_host(&transfer(id, (0, 0, 16, 16)))
            .unwrap();
        assert_eq!(shown(&mut virgl, id, 16, 16), pattern(16 * 16), "{flags}");
    }
}

#[test]
fn all_orders_of_bytes_are_shown_as_blue_green_red_alpha() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    // Blue 1, green 2, red 3, alpha 255, in each format's order.
    let orders = [
        (BGRA, [1, 2, 3, 255]),
        (RGBA, [3, 2, 1, 255]),
        (ARGB, [255, 3, 2, 1]),
        (XBGR, [255, 1, 2, 3]),
    ];
    for (format, bytes) in orders {
        let texture = Texture {
            format,
            ..picture(4, 4)
        };
        // What the library offers no such texture for can't be shown either.
        if virgl.create_texture(format, &texture).is_err() {
            assert!(![BGRA, RGBA].contains(&format), "{format}");
            continue;
        }
        guest.write(0, &bytes.repeat(16));
        virgl
            .attach_backing(format, guest.backing(&[(0, 64)]))
            .unwrap();
        virgl
            .transfer_to_host(&transfer(format, (0, 0, 4, 4)))
            .unwrap();
        let shown = shown(&mut virgl, format, 4, 4);
        assert_eq!(shown, [1, 2, 3, 255].repeat(16), "format {format}");
    }
}

#[test]
fn rows_are_read_back_to_their_places_only() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    guest.write(0, &pattern(16 * 16));
    virgl.create_texture(1, &picture(16, 16)).unwrap();
    virgl
        .attach_backing(1, guest.backing(&[(0, 0x400)]))
        .unwrap();
    virgl
        .transfer_to_host(&transfer(1, (0, 0, 16, 16)))
        .unwrap();
    let mut memory = vec![0xee; 400];
    let part = Rect {
        x: 2,
        y: 3,
        width: 4,
        height: 3,
    };
    let slice = VolatileSlice::from(memory.as_mut_slice());
    virgl.read_back(1, part, &slice, 8, 100).unwrap();

    for (at, byte) in memory.iter().enumerate() {
        let (row, column) = (at.wrapping_sub(8) / 100, at.wrapping_sub(8) % 100);
        let expected = match at >= 8 && row < 3 && column < 16 {
            true => pattern(16 * 16)[((row + 3) * 16 + 2) * 4 + column],
            false => 0xee,
        };
        assert_eq!(*byte, expected, "{at}");
    }
}

#[test]
fn what_does_not_fit_is_not_read_back() {
    let mut virgl = start();
    virgl.create_texture(1, &picture(16, 16)).unwrap();
    let mut memory = vec![0; 1024];
    let slice = VolatileSlice::from(memory.as_mut_slice());
    let mut read = |part, offset, stride| virgl.read_back(1, part, &slice, offset, stride);
    let whole = Rect::from_size(16, 16);
    assert_eq!(read(whole, 0, 64), Ok(()));
    assert_eq!(
        read(Rect::default(), 0, 64),
        Ok(()),
        "nothing fits anywhere"
    );
    let wrong = [
        (whole, 4, 64),
        (whole, u64::MAX, 64),
        (whole, 0, 68),
        (whole, 0, 60),
        (whole, 0, 0),
        (whole, 0, u32::MAX),
        (Rect::from_size(4, 4), 0, 66),
        (Rect::from_size(17, 1), 0, 100),
        (
            Rect {
                y: 16,
                ..Rect::from_size(1, 1)
            },
            0,
            64,
        ),
        (
            Rect {
                x: u32::MAX,
                ..Rect::from_size(1, 1)
            },
            0,
            64,
        ),
    ];
    for (part, offset, stride) in wrong {
        let result = read(part, offset, stride);
        assert!(
            matches!(result, Err(Failure::Invalid(_))),
            "{part:?} {offset} {stride}"
        );
    }
}

#[test]
fn wrong_transfers_are_errors_and_the_next_one_works() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    virgl.create_texture(1, &picture(16, 16)).unwrap();
    assert!(
        virgl.transfer_to_host(&transfer(1, (0, 0, 1, 1))).is_err(),
        "no backing"
    );
    virgl
        .attach_backing(1, guest.backing(&[(0, 0x400)]))
        .unwrap();
    virgl.create_context(1, 2, b"").unwrap();
    let good = transfer(1, (0, 0, 16, 16));
    let wrong = [
        transfer(2, (0, 0, 1, 1)),
        transfer(1, (16, 0, 1, 1)),
        transfer(1, (0, 0, 17, 1)),
        transfer(1, (0, 0, 0, 1)),
        transfer(1, (u32::MAX, u32::MAX, 2, 2)),
        Transfer { offset: 1, ..good },
        Transfer {
            offset: u64::MAX,
            ..good
        },
        Transfer { stride: 63, ..good },
        Transfer {
            stride: 1 << 31,
            ..good
        },
        Transfer {
            layer_stride: 1,
            ..good
        },
        Transfer { level: 1, ..good },
        Transfer {
            level: u32::MAX,
            ..good
        },
        Transfer { context: 5, ..good },
        // Known, but the resource is not attached to it.
        Transfer { context: 1, ..good },
    ];
    for transfer in wrong {
        assert!(virgl.transfer_to_host(&transfer).is_err(), "{transfer:?}");
        assert!(virgl.transfer_from_host(&transfer).is_err(), "{transfer:?}");
    }
    virgl.transfer_to_host(&good).unwrap();
    virgl.attach_to_context(1, 1).unwrap();
    let in_context = Transfer { context: 1, ..good };
    virgl.transfer_to_host(&in_context).unwrap();
    virgl.transfer_from_host(&in_context).unwrap();
}

#[test]
fn buffers_are_bytes() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    let buffer = Texture {
        target: 0,
        format: 64,
        bind: 1 << 4, // VERTEX_BUFFER
        height: 1,
        ..picture(256, 1)
    };
    virgl.create_texture(1, &buffer).unwrap();
    virgl
        .attach_backing(1, guest.backing(&[(0, 100), (0x1000, 156)]))
        .unwrap();
    guest.write(0, &pattern(25));
    virgl
        .transfer_to_host(&transfer(1, (0, 0, 256, 1)))
        .unwrap();
    guest.write(0, &[0; 100]);
    virgl
        .transfer_from_host(&transfer(1, (0, 0, 256, 1)))
        .unwrap();
    assert_eq!(guest.read(0, 100), pattern(25));
    assert!(
        virgl
            .transfer_to_host(&transfer(1, (1, 0, 256, 1)))
            .is_err()
    );
}

#[test]
fn strides_that_wrap_in_a_stream_do_not_end_the_process() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    virgl.create_context(1, 2, b"").unwrap();
    virgl.create_texture(1, &picture(16, 3)).unwrap();
    virgl
        .attach_backing(1, guest.backing(&[(0, 0x400)]))
        .unwrap();
    virgl.attach_to_context(1, 1).unwrap();
    let set_up = Stream::default().sub_context(1);
    virgl.submit(1, &set_up.bytes()).unwrap();
    for way in [Way::ToHost, Way::FromHost] {
        // The third row is 4 GiB behind the first, which is 0 in 32 bits.
        let stream = Stream::default().transfer(1, 1 << 31, (16, 3), way);
        // Whether it is refused is the library's to decide.
        let _ = virgl.submit(1, &stream.bytes());
    }
    guest.write(0, &pattern(16 * 3));
    virgl.transfer_to_host(&transfer(1, (0, 0, 16, 3))).unwrap();
    assert_eq!(shown(&mut virgl, 1, 16, 3), pattern(16 * 3));
}

#[test]
fn a_stream_copies_like_a_command() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    guest.write(0, &pattern(16 * 3));
    virgl.create_context(1, 2, b"").unwrap();
    virgl.create_texture(1, &picture(16, 3)).unwrap();
    virgl
        .attach_backing(1, guest.backing(&[(0, 0x400)]))
        .unwrap();
    virgl.attach_to_context(1, 1).unwrap();
    let stream = Stream::default()
        .sub_context(1)
        .transfer(1, 64, (16, 3), Way::ToHost);
    virgl.submit(1, &stream.bytes()).unwrap();
    assert_eq!(shown(&mut virgl, 1, 16, 3), pattern(16 * 3));
}
