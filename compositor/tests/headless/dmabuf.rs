//! Which dma-bufs are taken.

use std::{fs::File, io::Write};

use compositor::render::RendererChoice;
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Flags;

use crate::{
    client::{memfd, pattern, rgba, sealed_memfd},
    fixture::{ClientId, Fixture, not_tested, output, renderers},
};

const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");
const LINEAR: u64 = 0;
const INVALID: u64 = 0x00ff_ffff_ffff_ffff;
const X_TILED: u64 = 0x0100_0000_0000_0001;

/// Asks for a buffer. `true` if the compositor took it, `false` if it refused and the client may go
/// on.
fn is_taken(fixture: &mut Fixture, id: ClientId, file: &File, stride: u32, modifier: u64) -> bool {
    let client = fixture.client(id);
    let params = client.dmabuf(file, stride, modifier);
    params.create(32, 24, XRGB8888, Flags::empty());
    let seen = |fixture: &mut Fixture| {
        let seen = &fixture.client(id).seen;
        (seen.dmabufs_created.len(), seen.dmabufs_failed)
    };
    let before = seen(fixture);
    fixture.wait_until("the compositor decides", |fixture| seen(fixture) != before);
    assert!(fixture.client(id).protocol_error().is_none());
    seen(fixture).0 > before.0
}

#[test]
fn memory_that_does_not_fit_its_description_is_refused() {
    for renderer in renderers() {
        let mut fixture = Fixture::with(renderer, vec![output("HEADLESS-1", 64, 48)]);
        let id = fixture.add_client();
        if !fixture.client(id).has_global("zwp_linux_dmabuf_v1") {
            not_tested(&format!("{renderer:?} takes no dma-bufs"));
            continue;
        }
        let file = sealed_memfd(64 * 1024);
        assert!(
            !is_taken(&mut fixture, id, &file, 4, LINEAR),
            "short stride"
        );
        assert!(
            !is_taken(&mut fixture, id, &file, 127, LINEAR),
            "stride a byte short"
        );
        assert!(
            !is_taken(&mut fixture, id, &file, 128, INVALID),
            "no modifier"
        );
        assert!(!is_taken(&mut fixture, id, &file, 128, X_TILED), "tiled");
        assert!(
            !is_taken(&mut fixture, id, &memfd(64 * 1024), 128, LINEAR),
            "can shrink"
        );
    }
}

#[test]
fn memory_that_is_too_short_ends_the_client() {
    let mut fixture = Fixture::new();
    let id = fixture.add_client();
    let params = fixture.client(id).dmabuf(&sealed_memfd(4096), 128, LINEAR);
    params.create(32, 64, XRGB8888, Flags::empty());
    let error = fixture.wait_for_protocol_error(id);
    assert_eq!(error.object_interface, "zwp_linux_buffer_params_v1");
    assert!(fixture.state().windows().is_empty());
}

#[test]
fn impossible_sizes_end_the_client_only() {
    for (width, height) in [(0, 0), (-1, 1), (i32::MAX, 1), (1, i32::MIN)] {
        let mut fixture = Fixture::new();
        let id = fixture.add_client();
        let params = fixture.client(id).dmabuf(&sealed_memfd(4096), 128, LINEAR);
        params.create(width, height, XRGB8888, Flags::empty());
        fixture.wait_until("the compositor decides", |fixture| {
            let client = fixture.client(id);
            client.protocol_error().is_some() || client.seen.dmabufs_failed > 0
        });
        let other = fixture.add_client();
        fixture.round_trip(other);
    }
}

/// With a Mesa whose llvmpipe takes a memfd for a dma-buf (25 and later), and on GPUs.
#[test]
fn a_dma_buf_is_shown_and_later_writes_to_it_are_seen() {
    if !renderers().contains(&RendererChoice::Gles) {
        return;
    }
    let mut fixture = Fixture::with(RendererChoice::Gles, vec![output("HEADLESS-1", 64, 48)]);
    let guest = fixture.add_guest("a");
    if !fixture.client(guest).has_global("zwp_linux_dmabuf_v1") {
        not_tested("GLES takes no linear dma-bufs");
        return;
    }
    let window = fixture.client(guest).scanout(0);
    fixture.round_trip(guest);

    let stride = 144;
    let mut file = sealed_memfd(stride * 24);
    let picture = |offset: u32| {
        let mut bytes = vec![0; stride * 24];
        for y in 0..24u32 {
            for x in 0..32u32 {
                let at = y as usize * stride + x as usize * 4;
                bytes[at..at + 4].copy_from_slice(&pattern(x + offset, y));
            }
        }
        bytes
    };
    file.write_all(&picture(0)).unwrap();
    if !is_taken(&mut fixture, guest, &file, 144, LINEAR) {
        not_tested("GLES takes no memfd for a dma-buf");
        return;
    }
    let client = fixture.client(guest);
    let buffer = client.seen.dmabufs_created[0].clone();
    client.present(&window.surface, &buffer);
    fixture.round_trip(guest);
    let image = fixture.guest_screenshot("a", 0);
    assert_eq!(image.pixel(31, 23), Some(rgba(pattern(31, 23))));

    use std::os::unix::fs::FileExt;
    file.write_all_at(&picture(9), 0).unwrap();
    let client = fixture.client(guest);
    client.present(&window.surface, &buffer);
    fixture.round_trip(guest);
    for (x, y) in [(0, 0), (31, 23), (16, 5)] {
        let image = fixture.screenshot("HEADLESS-1");
        assert_eq!(image.pixel(x, y), Some(rgba(pattern(x + 9, y))));
    }
}
