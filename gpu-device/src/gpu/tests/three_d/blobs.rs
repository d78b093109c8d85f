//! Blobs of host memory, and the window that the guest's CPUs see them through.

use std::{fs::File, os::fd::OwnedFd, sync::Arc};

use protocols::virtio_gpu::{BLOB_MEM_HOST3D_GUEST, ErrorCode::*};

use super::*;
use crate::renderer::{Done, Mapped};

fn memory(size: u64) -> Done {
    Done::Mapped(Mapped {
        fd: Arc::new(OwnedFd::from(File::open("/dev/null").unwrap())),
        size,
        caching: 1,
    })
}

/// A blob of so many bytes that is in the window.
fn make_mapped(f: &mut Fixture, id: u32, size: u64, offset: u64) {
    f.later(host_blob(id, size));
    f.later(map(id, offset));
    f.renderer_does(Ok(Done::Nothing));
    f.renderer_does(Ok(memory(size.next_multiple_of(4096))));
    let (ticket, _) = f.window.maps.pop().unwrap();
    f.window_did(ticket, true);
    f.answers();
    f.renderer.take_log();
}

#[test]
fn impossible_host_blobs_are_refused() {
    let mut f = with_context();
    let blob = |blob_mem, blob_flags, size, length| Command::ResourceCreateBlob {
        resource_id: 3,
        blob_mem,
        blob_flags,
        blob_id: 5,
        size,
        entries: (length != 0)
            .then_some(MemEntry { addr: 0, length })
            .into_iter()
            .collect(),
    };
    for wrong in [
        blob(0, 1, 4096, 0),
        blob(4, 1, 4096, 0),
        blob(BLOB_MEM_HOST3D, 8, 4096, 0),
        blob(BLOB_MEM_HOST3D, 1, 0, 0),
        blob(BLOB_MEM_HOST3D, 1, 4096, 4096),
        blob(BLOB_MEM_HOST3D_GUEST, 1, 8192, 4096),
    ] {
        let text = format!("{wrong:?}");
        assert_eq!(
            now(&mut f, wrong),
            Response::Err(InvalidParameter),
            "{text}"
        );
    }
    f.refuse(host_blob(3, 4096), InvalidContextId);
    assert_eq!(
        now(&mut f, host_blob(0, 4096)),
        Response::Err(InvalidResourceId)
    );
    let far = blob(BLOB_MEM_HOST3D, 1, u64::MAX, 0);
    assert_eq!(now(&mut f, far), Response::Err(OutOfMemory));
    assert_eq!(f.gpu.quota.used(), (0, 0, 0));
    f.later(blob(BLOB_MEM_HOST3D_GUEST, 1, 4096, 4096));
    assert_eq!(f.gpu.quota.used(), (1, 0, 1));
    // Host memory has none of the guest's behind it.
    f.later(host_blob(4, 4096));
    f.refuse(attach(4, 0, 4096), Unspec);
}

#[test]
fn without_a_renderer_there_are_no_host_blobs() {
    let mut f = Fixture::new();
    f.refuse(host_blob(3, 4096), InvalidParameter);
    f.refuse(map(3, 0), Unspec);
}

#[test]
fn a_blob_is_mapped_once_the_vmm_has_done_it() {
    let mut f = with_context();
    f.later(host_blob(3, 5000));
    f.renderer_does_all();
    f.answered();
    let mapped = f.later(map(3, 4096));
    assert!(f.window.maps.is_empty());
    f.renderer_does(Ok(memory(8192)));
    let (ticket, mapping) = f.window.maps.pop().unwrap();
    assert_eq!(
        (mapping.offset, mapping.len, mapping.writable),
        (4096, 8192, true)
    );
    assert_eq!(f.answers(), []);
    f.window_did(ticket, true);
    assert_eq!(f.answers(), [(mapped, Response::OkMapInfo { map_info: 1 })]);

    assert_eq!(
        now(&mut f, map(3, 0x8000)),
        Response::Err(Unspec),
        "mapped twice"
    );
    let unmapped = f.later(unmap(3));
    let (ticket, offset, len) = f.window.unmaps.pop().unwrap();
    assert_eq!((offset, len), (4096, 8192));
    f.window_did(ticket, true);
    assert_eq!(f.answered(), [unmapped]);
    assert!(f.renderer.take_log().contains(&Asked::Unmap(3)));
    assert_eq!(now(&mut f, unmap(3)), Response::Err(Unspec));
}

#[test]
fn what_does_not_fit_the_window_is_refused() {
    let mut f = with_context();
    make_mapped(&mut f, 3, 8192, 4096);
    f.later(host_blob(4, 8192));
    f.later(create_3d(5, texture(16, 16)));
    f.create_blob(6, 0, 4096);
    for offset in [
        1,
        2048,
        0,
        8192,
        15 * 4096,
        16 * 4096,
        u64::MAX,
        u64::MAX - 4095,
    ] {
        let response = now(&mut f, map(4, offset));
        assert_eq!(response, Response::Err(InvalidParameter), "{offset:#x}");
    }
    for id in [5, 6] {
        assert_eq!(now(&mut f, map(id, 0)), Response::Err(InvalidParameter));
        assert_eq!(
            now(&mut f, unmap(id)),
            Response::Err(if id == 5 { Unspec } else { InvalidParameter })
        );
    }
    assert_eq!(now(&mut f, map(9, 0)), Response::Err(InvalidResourceId));
    f.window.size = 0;
    assert_eq!(now(&mut f, map(4, 0x8000)), Response::Err(Unspec));
    f.window.size = 16 * 4096;
    f.later(map(4, 14 * 4096));
}

#[test]
fn memory_that_is_too_small_or_not_to_be_mapped_is_not_shown() {
    let mut f = with_context();
    f.later(host_blob(3, 8192));
    f.renderer_does_all();
    f.answers();
    let uncached = Done::Mapped(Mapped {
        fd: Arc::new(OwnedFd::from(File::open("/dev/null").unwrap())),
        size: 8192,
        caching: 0,
    });
    for (outcome, code) in [
        (Err(OutOfMemory), OutOfMemory),
        (Ok(memory(4096)), Unspec),
        (Ok(uncached), Unspec),
        (Ok(Done::Nothing), Unspec),
    ] {
        let mapped = f.later(map(3, 0));
        f.renderer_does(outcome);
        assert_eq!(f.answers(), [(mapped, Response::Err(code))]);
        assert!(f.window.maps.is_empty());
        f.renderer_does_all();
    }
    // The VMM may refuse, too.
    let mapped = f.later(map(3, 0));
    f.renderer_does(Ok(memory(8192)));
    let (ticket, _) = f.window.maps.pop().unwrap();
    f.window_did(ticket, false);
    assert_eq!(f.answers(), [(mapped, Response::Err(Unspec))]);
    f.later(map(3, 0));
}

#[test]
fn a_blob_that_goes_is_taken_out_of_the_window() {
    let mut f = with_context();
    make_mapped(&mut f, 3, 4096, 0);
    f.later(unref(3));
    assert_eq!(
        f.window.unmaps.pop().map(|(_, offset, len)| (offset, len)),
        Some((0, 4096))
    );

    // While the renderer looks for its memory.
    f.later(host_blob(4, 4096));
    let mapped = f.later(map(4, 0));
    f.later(unref(4));
    f.renderer_does(Ok(Done::Nothing));
    f.renderer_does(Ok(Done::Nothing));
    f.answers();
    f.renderer_does(Ok(memory(4096)));
    assert_eq!(f.answers(), [(mapped, Response::Err(InvalidResourceId))]);
    assert!(f.window.maps.is_empty() && f.window.unmaps.is_empty());

    // While the VMM places it.
    f.renderer_does_all();
    f.later(host_blob(5, 4096));
    let mapped = f.later(map(5, 0));
    f.renderer_does(Ok(Done::Nothing));
    f.renderer_does(Ok(memory(4096)));
    let (ticket, _) = f.window.maps.pop().unwrap();
    f.later(unref(5));
    assert_eq!(f.window.unmaps.pop().map(|(_, offset, _)| offset), Some(0));
    f.answers();
    f.window_did(ticket, true);
    assert_eq!(f.answers(), [(mapped, Response::Err(InvalidResourceId))]);
}

#[test]
fn a_mapping_outlives_the_renderer() {
    let mut f = with_context();
    make_mapped(&mut f, 3, 4096, 0);
    f.later(host_blob(4, 4096));
    f.renderer_does_all();
    let mapped = f.later(map(4, 4096));
    f.renderer_dies();
    assert!(f.answers().contains(&(mapped, Response::Err(Unspec))));
    assert!(f.window.unmaps.is_empty());
    f.later(unmap(3));
    let (ticket, ..) = f.window.unmaps.pop().unwrap();
    f.window_did(ticket, true);
    assert_eq!(f.answers().len(), 1);
    assert_eq!(now(&mut f, map(3, 0)), Response::Err(InvalidResourceId));
}
