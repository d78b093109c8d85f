//! Blobs of OpenGL's contexts.

use protocols::virtio_gpu::{BLOB_MEM_GUEST, BLOB_MEM_HOST3D, BLOB_MEM_HOST3D_GUEST};

use super::{
    fixture::{Guest, picture, start, transfer},
    *,
};
use crate::{display::Refused, renderer::BlobOf};

fn blob(memory: u32, size: u64) -> BlobOf {
    BlobOf {
        context: 1,
        memory,
        flags: 1,
        id: 5,
        size,
    }
}

#[test]
fn a_guests_blob_is_known_to_contexts_and_is_not_mapped() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    virgl.create_context(1, 2, b"").unwrap();
    let backing = guest.backing(&[(0, 0x1000), (0x3000, 0x1000)]);
    virgl
        .create_blob(1, &blob(BLOB_MEM_GUEST, 0x2000), Some(backing))
        .unwrap();
    virgl.attach_to_context(1, 1).unwrap();
    assert!(matches!(virgl.map(1), Err(Failure::State { .. })));
    assert!(matches!(virgl.unmap(1), Err(Failure::State { .. })));
    assert!(virgl.transfer_to_host(&transfer(1, (0, 0, 1, 1))).is_err());
    assert_eq!(virgl.export(1).unwrap_err(), Refused::NotExported);
    virgl.detach_backing(1).unwrap();
    virgl
        .attach_backing(1, guest.backing(&[(0, 0x2000)]))
        .unwrap();
    virgl.detach_from_context(1, 1).unwrap();
    virgl.unref(1).unwrap();
}

#[test]
fn wrong_blobs_are_errors() {
    let mut virgl = start();
    let guest = Guest::new(0x4000);
    virgl.create_context(1, 2, b"").unwrap();
    virgl.create_texture(7, &picture(4, 4)).unwrap();
    let backing = || Some(guest.backing(&[(0, 0x1000)]));
    let mut create = |id, blob, backing| virgl.create_blob(id, &blob, backing);
    assert!(create(1, blob(BLOB_MEM_GUEST, 0x1001), backing()).is_err());
    assert!(create(1, blob(BLOB_MEM_GUEST, 0), backing()).is_err());
    assert!(create(1, blob(BLOB_MEM_GUEST, 1), None).is_err());
    assert!(create(1, blob(0, 0x1000), backing()).is_err());
    assert!(create(1, blob(4, 0x1000), backing()).is_err());
    assert!(create(1, blob(BLOB_MEM_HOST3D, 0x1000), backing()).is_err());
    assert!(
        create(1, blob(BLOB_MEM_HOST3D, 0x1000), None).is_err(),
        "no such blob"
    );
    assert!(create(1, blob(BLOB_MEM_HOST3D_GUEST, 0x1000), backing()).is_err());
    let of_nobody = BlobOf {
        context: 9,
        ..blob(BLOB_MEM_HOST3D, 0x1000)
    };
    assert_eq!(create(1, of_nobody, None), Err(Failure::NoContext(9)));
    let taken = create(7, blob(BLOB_MEM_GUEST, 0x1000), backing());
    assert_eq!(taken, Err(Failure::ResourceExists(7)));
    create(1, blob(BLOB_MEM_GUEST, 0x1000), backing()).unwrap();
    assert_eq!(virgl.map(2).unwrap_err(), Failure::NoResource(2));
    assert!(virgl.map(7).is_err(), "a texture");
}
