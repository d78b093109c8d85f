//! Every command that does not show anything, and every way in which one can be wrong.

use protocols::virtio_gpu::{Command, ErrorCode::*, Format, MAX_ENTRIES, MemEntry, Response};

use super::fixture::*;
use crate::gpu::{Limits, offered};

#[test]
fn every_monitor_is_described_and_has_an_edid() {
    let mut f = Fixture::new();
    let Response::OkDisplayInfo(info) = f.run(Command::GetDisplayInfo) else {
        panic!("no display info")
    };
    assert_eq!(
        (info[0].rect, info[0].enabled),
        (rect(0, 0, 640, 480), true)
    );
    assert!(!info[1].enabled);
    assert!(matches!(
        f.run(Command::GetEdid { scanout: 0 }),
        Response::OkEdid(_)
    ));
    f.refuse(Command::GetEdid { scanout: 1 }, InvalidParameter);
    f.refuse(Command::GetEdid { scanout: u32::MAX }, InvalidParameter);
}

#[test]
fn resource_ids_are_new_and_not_zero() {
    let mut f = Fixture::new();
    f.refuse(create_2d(0, Format::Bgrx8888, 64, 64), InvalidResourceId);
    f.refuse(create_blob(0, 4096, &[(0, 4096)]), InvalidResourceId);
    f.ok(create_2d(1, Format::Bgrx8888, 64, 64));
    f.refuse(create_2d(1, Format::Bgrx8888, 64, 64), InvalidResourceId);
    f.refuse(create_blob(1, 4096, &[(0, 4096)]), InvalidResourceId);
    f.ok(create_blob(u32::MAX, 4096, &[(0, 4096)]));
}

#[test]
fn unknown_resources_are_refused_by_every_command() {
    let mut f = Fixture::new();
    for id in [0, 7, u32::MAX] {
        f.refuse(unref(id), InvalidResourceId);
        f.refuse(attach(id, 0, 4096), InvalidResourceId);
        f.refuse(detach(id), InvalidResourceId);
        f.refuse(transfer(id, rect(0, 0, 1, 1), 0), InvalidResourceId);
        f.refuse(flush(id, rect(0, 0, 1, 1)), InvalidResourceId);
        f.refuse(
            Command::ResourceAssignUuid { resource_id: id },
            InvalidResourceId,
        );
    }
    f.refuse(set_scanout(0, 7, rect(0, 0, 64, 64)), InvalidResourceId);
    f.refuse(
        set_blob(0, 7, (64, 64), rect(0, 0, 64, 64)),
        InvalidResourceId,
    );
}

#[test]
fn all_eight_formats_and_no_others() {
    let mut f = Fixture::new();
    for (id, format) in (1..).zip(Format::ALL) {
        f.ok(create_2d(id, format, 16, 16));
    }
    for format in [0, 5, 66, 135, u32::MAX] {
        let command = Command::ResourceCreate2d {
            resource_id: 99,
            format,
            width: 1,
            height: 1,
        };
        f.refuse(command, InvalidParameter);
    }
}

#[test]
fn pictures_without_pixels_or_beyond_every_gpu_are_refused() {
    let mut f = Fixture::new();
    for (width, height) in [
        (0, 1),
        (1, 0),
        (16385, 1),
        (1, 16385),
        (0x4000_0001, 4),
        (u32::MAX, u32::MAX),
    ] {
        f.refuse(
            create_2d(1, Format::Bgrx8888, width, height),
            InvalidParameter,
        );
    }
    f.ok(create_2d(1, Format::Bgrx8888, 16384, 1));
}

#[test]
fn backing_that_is_not_the_guests_memory_is_refused() {
    let mut f = Fixture::new();
    f.ok(create_2d(1, Format::Bgrx8888, 64, 64));
    let ram = RAM as u64;
    for (addr, length) in [
        (0, 0),
        (ram, 1),
        (ram - 1, 2),
        (u64::MAX, 1),
        (u64::MAX - 1, 4),
        (1 << 40, 4096),
    ] {
        f.refuse(attach(1, addr, length), Unspec);
    }
    // What was refused left nothing behind.
    f.refuse(transfer(1, rect(0, 0, 1, 1), 0), Unspec);
    f.ok(attach(1, ram - 1, 1));
}

#[test]
fn backing_is_attached_once_and_detached_once() {
    let mut f = Fixture::new();
    f.ok(create_2d(1, Format::Bgrx8888, 64, 64));
    f.refuse(detach(1), Unspec);
    f.ok(attach(1, 0, 64 * 64 * 4));
    f.refuse(attach(1, 0, 64 * 64 * 4), Unspec);
    f.ok(detach(1));
    f.refuse(detach(1), Unspec);
    f.refuse(transfer(1, rect(0, 0, 1, 1), 0), Unspec);
    f.ok(attach(1, 0, 64 * 64 * 4));
    f.ok(unref(1));
    f.refuse(unref(1), InvalidResourceId);
}

#[test]
fn an_empty_list_attaches_nothing() {
    let mut f = Fixture::new();
    f.ok(create_2d(1, Format::Bgrx8888, 64, 64));
    f.ok(Command::ResourceAttachBacking {
        resource_id: 1,
        entries: Vec::new(),
    });
    f.refuse(detach(1), Unspec);
    f.ok(attach(1, 0, 4096));
}

#[test]
fn a_list_that_is_too_long_is_refused() {
    let mut f = Fixture::new();
    f.ok(create_2d(1, Format::Bgrx8888, 64, 64));
    let entries = vec![MemEntry { addr: 0, length: 1 }; MAX_ENTRIES + 1];
    f.refuse(
        Command::ResourceAttachBacking {
            resource_id: 1,
            entries,
        },
        Unspec,
    );
}

#[test]
fn a_blob_is_guest_memory_of_its_size() {
    let mut f = Fixture::new();
    f.refuse(create_blob(1, 0, &[(0, 4096)]), InvalidParameter);
    f.refuse(create_blob(1, 4097, &[(0, 4096)]), InvalidParameter);
    f.refuse(create_blob(1, u64::MAX, &[(0, 4096)]), InvalidParameter);
    f.refuse(create_blob(1, 4096, &[(RAM as u64, 4096)]), Unspec);
    f.refuse(create_blob(1, 1, &[(0, 0), (0, 1)]), Unspec);
    let blob = |blob_mem, blob_flags| Command::ResourceCreateBlob {
        resource_id: 1,
        blob_mem,
        blob_flags,
        blob_id: 0,
        size: 4096,
        entries: vec![MemEntry {
            addr: 0,
            length: 4096,
        }],
    };
    for (mem, flags) in [(0, 2), (2, 1), (3, 2), (4, 2), (1, 8), (1, u32::MAX)] {
        f.refuse(blob(mem, flags), InvalidParameter);
    }
    f.ok(blob(1, 7));
    // Pages may be listed twice, and be more than the blob needs.
    f.ok(create_blob(2, 4096, &[(0, 4096), (0, 4096)]));
}

#[test]
fn a_blob_may_get_its_memory_later() {
    let mut f = Fixture::new();
    f.ok(create_blob(1, 8192, &[]));
    f.refuse(detach(1), Unspec);
    f.refuse(transfer(1, rect(0, 0, 1, 1), 0), Unspec);
    f.refuse(attach(1, 0, 8191), Unspec);
    f.ok(attach(1, 0, 8192));
    // Linux transfers blobs that are dumb buffers; their pixels are there already.
    f.ok(transfer(1, rect(0, 0, 1, 1), 0));
}

#[test]
fn a_transfer_stays_inside_picture_and_backing() {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    for wrong in [
        rect(0, 0, 65, 1),
        rect(0, 0, 1, 33),
        rect(64, 0, 1, 1),
        rect(u32::MAX, 0, 1, 1),
        rect(1, 0, u32::MAX, 1),
        rect(u32::MAX, u32::MAX, u32::MAX, u32::MAX),
    ] {
        f.refuse(transfer(1, wrong, 0), InvalidParameter);
    }
    let end = 64 * 32 * 4;
    for (area, offset) in [
        (rect(0, 0, 64, 32), 1),
        (rect(0, 0, 1, 1), end - 3),
        (rect(0, 0, 1, 1), u64::MAX),
        (rect(0, 0, 1, 2), u64::MAX - 256),
        (rect(0, 0, 2, 2), end - 256 - 7),
    ] {
        f.refuse(transfer(1, area, offset), InvalidParameter);
    }
    f.ok(transfer(1, rect(0, 0, 64, 32), 0));
    f.ok(transfer(1, rect(63, 31, 1, 1), end - 4));
    f.ok(transfer(1, rect(0, 0, 2, 2), end - 256 - 8));
    f.ok(transfer(1, rect(64, 32, 0, 0), u64::MAX));
}

#[test]
fn a_flush_stays_inside_a_picture() {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.refuse(flush(1, rect(0, 0, 65, 1)), InvalidParameter);
    f.refuse(flush(1, rect(1, 0, u32::MAX, 1)), InvalidParameter);
    f.ok(flush(1, rect(0, 0, 64, 32)));
    assert!(f.display.calls.is_empty());
}

#[test]
fn a_resource_keeps_its_uuid() {
    let mut f = Fixture::new();
    f.create(1, 16, 16, 0);
    f.create(2, 16, 16, 0);
    let mut uuid = |resource_id| match f.run(Command::ResourceAssignUuid { resource_id }) {
        Response::OkResourceUuid(uuid) => uuid,
        other => panic!("{other:?}"),
    };
    let first = uuid(1);
    assert_eq!(uuid(1), first);
    assert_ne!(uuid(2), first);
}

#[test]
fn what_is_not_offered_is_refused() {
    let mut f = Fixture::new();
    assert_eq!(offered(&[]) & 1, 0, "no 3D");
    f.refuse(Command::GetCapsetInfo { capset_index: 0 }, InvalidParameter);
    f.refuse(
        Command::GetCapset {
            capset_id: 0,
            capset_version: 0,
        },
        InvalidParameter,
    );
    f.refuse(Command::CtxDestroy, Unspec);
    f.refuse(
        Command::Submit3d {
            commands: vec![0; 64],
        },
        Unspec,
    );
    f.refuse(
        Command::MapBlob {
            resource_id: 1,
            offset: 0,
        },
        Unspec,
    );
    f.refuse(Command::UnmapBlob { resource_id: 1 }, Unspec);
    f.refuse(Command::CtxAttachResource { resource_id: 1 }, Unspec);
}

#[test]
fn quotas_are_kept_and_given_back() {
    let limits = Limits {
        resources: 2,
        bytes: 64 * 64 * 4 * 4,
        entries: 3,
        ..Limits::default()
    };
    let mut f = Fixture::with(|options| options.limits = limits);
    f.ok(create_2d(1, Format::Bgrx8888, 64, 64));
    f.ok(create_2d(2, Format::Bgrx8888, 64, 128));
    f.refuse(create_2d(3, Format::Bgrx8888, 1, 1), OutOfMemory);
    f.ok(unref(2));
    f.refuse(create_2d(2, Format::Bgrx8888, 64, 256), OutOfMemory);

    let entries = |count| Command::ResourceAttachBacking {
        resource_id: 1,
        entries: vec![
            MemEntry {
                addr: 0,
                length: 4096 * 4
            };
            count
        ],
    };
    f.refuse(entries(4), OutOfMemory);
    f.ok(entries(3));
    f.refuse(create_blob(3, 1, &[(0, 1)]), OutOfMemory);
    f.ok(detach(1));
    f.ok(create_blob(3, 1, &[(0, 1)]));
    // Being shown takes a second memory.
    f.ok(entries(2));
    f.ok(set_scanout(0, 1, rect(0, 0, 64, 64)));
    f.ok(unref(3));
    f.refuse(create_2d(3, Format::Bgrx8888, 64, 192), OutOfMemory);
    f.reset();
    f.ok(create_2d(3, Format::Bgrx8888, 64, 256));
}

#[test]
fn nothing_leaks_however_often_it_fails() {
    let mut f = Fixture::with(|options| options.limits.resources = 4);
    for _ in 0..2_000 {
        f.ok(create_2d(1, Format::Bgrx8888, 64, 64));
        f.refuse(create_2d(1, Format::Bgrx8888, 64, 64), InvalidResourceId);
        f.ok(attach(1, 0, 64 * 64 * 4));
        f.refuse(attach(1, 0, 64 * 64 * 4), Unspec);
        f.ok(set_scanout(0, 1, rect(0, 0, 64, 64)));
        f.ok(flush(1, rect(0, 0, 64, 64)));
        f.refuse(create_blob(2, 4096, &[(u64::MAX, 4096)]), Unspec);
        f.ok(unref(1));
    }
    assert_eq!(f.gpu.quota.used(), (0, 0, 0));
    assert_eq!(f.gpu.imports.len(), 0);
    assert!(f.display.buffers.is_empty());
}

#[test]
fn nothing_leaks_however_often_it_is_repeated() {
    let mut f = Fixture::new();
    f.create(1, 64, 64, 0);
    f.create_blob(2, 0, 64 * 64 * 4);
    let whole = rect(0, 0, 64, 64);
    let cursor = |resource_id| Command::UpdateCursor {
        scanout_id: 0,
        x: 0,
        y: 0,
        resource_id,
        hot_x: 0,
        hot_y: 0,
    };
    let mut used = None;
    for round in 0..2_000 {
        f.ok(cursor(1));
        f.ok(cursor(2));
        f.ok(set_scanout(0, 1, whole));
        f.ok(flush(1, whole));
        f.ok(set_blob(0, 2, (64, 64), whole));
        f.ok(flush(2, whole));
        f.ok(switch_off(0));
        f.display.calls.clear();
        let now = (
            f.gpu.quota.used(),
            f.gpu.imports.len(),
            f.display.buffers.len(),
        );
        if round > 10 {
            assert_eq!(used.replace(now).unwrap_or(now), now);
        }
    }
}
