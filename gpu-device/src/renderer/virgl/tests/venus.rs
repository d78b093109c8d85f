//! Vulkan for guests: contexts that the library runs in processes of its own.

use std::{fs::File, os::unix::fs::FileExt as _, time::Instant};

use protocols::virtio_gpu::{BLOB_MEM_HOST3D, CAPSET_VENUS, CAPSET_VIRGL2};
use rustix::process::{Pid, Signal};

use super::{
    fixture::{picture, wait_for_fences},
    *,
};
use crate::renderer::BlobOf;

const RING: Timeline = Timeline::Ring {
    context: 1,
    ring: 0,
};

fn start() -> Virgl {
    let settings = Settings {
        virgl: false,
        venus: true,
        node: None,
    };
    let library = Library::load().unwrap_or_else(|error| panic!("{error}"));
    let mut virgl =
        Virgl::start(library, &settings, None).unwrap_or_else(|error| panic!("{error}"));
    virgl.create_context(1, CAPSET_VENUS, b"program").unwrap();
    virgl
}

#[test]
fn venus_is_offered_with_the_drivers_version() {
    let virgl = start();
    let ids: Vec<_> = virgl.capsets().iter().map(|capset| capset.id).collect();
    assert_eq!(ids, [CAPSET_VENUS]);
    let versions = virgl.versions();
    assert!(versions.vulkan.starts_with("1."), "{versions:?}");
    assert!(!versions.device.is_empty());
    assert_eq!(versions.gl, "");
}

#[test]
fn fences_of_venus_are_reached_through_the_contexts_descriptor() {
    let mut virgl = start();
    let fences = [1, 2, 3].map(|id| Fence { id, timeline: RING });
    for fence in fences {
        virgl.fence(fence).unwrap();
    }
    assert_eq!(wait_for_fences(&mut virgl, 3), fences);
    // Nothing of OpenGL is there to be waited for.
    let on_device = Fence {
        id: 9,
        timeline: Timeline::Device,
    };
    virgl.fence(on_device).unwrap();
    assert_eq!(virgl.take_reached(), [on_device]);
}

#[test]
fn memory_of_the_hosts_is_mapped_once() {
    let mut virgl = start();
    // Venus has blob 0 be memory for the two sides to talk through.
    let blob = BlobOf {
        context: 1,
        memory: BLOB_MEM_HOST3D,
        flags: 1,
        id: 0,
        size: 0x4000,
    };
    virgl.create_blob(5, &blob, None).unwrap();
    let mapped = virgl.map(5).unwrap();
    assert_eq!((mapped.size, mapped.caching), (0x4000, 1));
    let file = File::from(mapped.fd.try_clone().unwrap());
    assert_eq!(file.metadata().unwrap().len(), 0x4000);
    file.write_all_at(b"guest", 0x3000).unwrap();

    assert!(matches!(virgl.map(5), Err(Failure::State { .. })));
    virgl.unmap(5).unwrap();
    assert!(matches!(virgl.unmap(5), Err(Failure::State { .. })));
    let again = File::from(virgl.map(5).unwrap().fd.try_clone().unwrap());
    let mut bytes = [0; 5];
    again.read_exact_at(&mut bytes, 0x3000).unwrap();
    assert_eq!(&bytes, b"guest");
    virgl.unref(5).unwrap();
    assert_eq!(virgl.map(5).unwrap_err(), Failure::NoResource(5));
}

#[test]
fn a_context_that_dies_owes_nothing_and_takes_no_other_along() {
    let mut virgl = start();
    let before = grandchildren();
    virgl.create_context(2, CAPSET_VENUS, b"doomed").unwrap();
    let doomed = grandchildren()
        .into_iter()
        .filter(|process| !before.contains(process));
    let doomed: Vec<_> = doomed.collect();
    assert_eq!(doomed.len(), 1, "a context is a process of the server's");
    let on = |context| Fence {
        id: 1,
        timeline: Timeline::Ring { context, ring: 0 },
    };
    rustix::process::kill_process(doomed[0], Signal::KILL).unwrap();
    // Nothing tells until something more is asked for.
    let mut owed = 0;
    let begin = Instant::now();
    while virgl.fence(on(2)).is_ok() {
        owed += 1;
        assert!(begin.elapsed().as_secs() < 20, "the context lives");
        virgl.look_after_contexts();
        virgl.poll();
    }
    assert_eq!(virgl.take_reached().len(), owed);
    assert!(virgl.submit(2, &[0; 4]).is_err());

    virgl.fence(on(1)).unwrap();
    assert_eq!(wait_for_fences(&mut virgl, 1), [on(1)]);
    virgl.destroy_context(2).unwrap();
    virgl.create_context(2, CAPSET_VENUS, b"anew").unwrap();
    virgl.fence(on(2)).unwrap();
    assert_eq!(wait_for_fences(&mut virgl, 1), [on(2)]);
}

#[test]
fn what_is_not_vulkans_is_an_error() {
    let mut virgl = start();
    assert!(virgl.create_texture(1, &picture(4, 4)).is_err());
    assert!(virgl.create_context(2, CAPSET_VIRGL2, b"").is_err());
    assert!(virgl.create_context(2, 0, b"").is_err());
    // Nonsense ends the context at most.
    let _ = virgl.submit(1, &[0xff; 64]);
    virgl.destroy_context(1).unwrap();
    virgl.create_context(1, CAPSET_VENUS, b"").unwrap();
}

/// The processes of this one's children: the render server's.
fn grandchildren() -> Vec<Pid> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let pid = name.to_str().and_then(|name| name.parse::<i32>().ok());
        // The name in brackets may have anything in it; state and parent come after it.
        let stat = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        let parent = stat.as_deref().and_then(|stat| {
            let (_, after) = stat.rsplit_once(") ")?;
            after.split(' ').nth(1)?.parse::<i32>().ok()
        });
        parents.extend(pid.zip(parent));
    }
    let own = i32::try_from(std::process::id()).unwrap();
    let of = |parent: i32| move |(_, its): &&(i32, i32)| *its == parent;
    let children = parents.iter().filter(of(own));
    let grandchildren = children.flat_map(|(child, _)| parents.iter().filter(of(*child)));
    grandchildren
        .map(|(pid, _)| Pid::from_raw(*pid).unwrap())
        .collect()
}
