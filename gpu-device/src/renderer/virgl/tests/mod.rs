//! The real library: what is installed on this machine, drawing in software.
//!
//! Each of these tests needs a process of its own, since the library has one state per process: run them
//! with `cargo nextest`.

mod blobs;
mod contexts;
mod drawing;
mod fences;
mod fixture;
mod transfers;
mod venus;

use protocols::virtio_gpu::{CAPSET_VIRGL, CAPSET_VIRGL2};

use self::fixture::*;
use super::*;

#[test]
fn both_capsets_of_virgl_are_there() {
    let virgl = start();
    let capsets = virgl.capsets();
    let ids: Vec<_> = capsets.iter().map(|capset| capset.id).collect();
    assert_eq!(ids, [CAPSET_VIRGL, CAPSET_VIRGL2]);
    assert_eq!(capsets[0].data.len(), 308, "the first version never grows");
    assert!(capsets[1].data.len() >= 1376);
    assert_eq!(capsets[0].version, 1);
    // Both begin with their version, and have the same numbers as far as the first goes.
    assert_eq!(capsets[0].data[..4], [1, 0, 0, 0]);
    assert_eq!(capsets[1].data[..4], [2, 0, 0, 0]);
    assert_eq!(capsets[0].data[4..300], capsets[1].data[4..300]);
}

#[test]
fn the_drivers_say_what_they_are() {
    let virgl = start();
    let versions = virgl.versions();
    let number = |text: &str| text.split('.').all(|part| part.parse::<u32>().is_ok());
    for text in [
        &versions.gl,
        &versions.gles,
        &versions.glsl,
        &versions.library,
    ] {
        assert!(number(text), "{versions:?}");
    }
    assert!(versions.device.contains("llvmpipe"), "{versions:?}");
}

#[test]
fn a_host_without_drivers_is_told_so() {
    let nowhere = "/nonexistent";
    // SAFETY: the test has a process of its own, and nothing else in it reads or writes the environment.
    unsafe { std::env::set_var("__EGL_VENDOR_LIBRARY_DIRS", nowhere) };
    // SAFETY: as above.
    unsafe { std::env::set_var("__EGL_VENDOR_LIBRARY_FILENAMES", nowhere) };
    let started = Virgl::start(Library::load().unwrap(), &SOFTWARE, None);
    assert!(matches!(started, Err(StartError::NoGl(_))), "{started:?}");
}

#[test]
fn the_library_is_started_once() {
    let virgl = start();
    drop(virgl);
    let again = Virgl::start(Library::load().unwrap(), &SOFTWARE, None);
    assert!(matches!(again, Err(StartError::AlreadyStarted)));
}

#[test]
fn reset_leaves_nothing() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    for _ in 0..3 {
        virgl.create_context(7, CAPSET_VIRGL2, b"program").unwrap();
        virgl.create_texture(3, &picture(16, 16)).unwrap();
        virgl
            .attach_backing(3, guest.backing(&[(0, 0x1000)]))
            .unwrap();
        virgl.attach_to_context(7, 3).unwrap();
        let fence = Fence {
            id: 1,
            timeline: Timeline::Device,
        };
        virgl.fence(fence).unwrap();
        virgl.reset();
        assert_eq!(virgl.detach_backing(3), Err(Failure::NoResource(3)));
        assert_eq!(virgl.destroy_context(7), Err(Failure::NoContext(7)));
        assert_eq!(wait_for_fences(&mut virgl, 0).len(), 0);
    }
    // The thread that waits for fences is still there.
    let fence = Fence {
        id: 9,
        timeline: Timeline::Device,
    };
    virgl.fence(fence).unwrap();
    assert_eq!(wait_for_fences(&mut virgl, 1), [fence]);
}
