//! A guest's list of memory, and dma-bufs out of it.

use std::hint::black_box;

use gpu_device::memory::{Backing, DmaBufMaker as _, GuestRam, Udmabuf};
use protocols::virtio_gpu::MemEntry;

use crate::{
    device::{self, PAGE},
    harness::Operation,
};

/// Bytes of a picture of 1920x1080 pixels, in whole pages.
const PICTURE: u32 = (1920 * 1080 * 4_u32).next_multiple_of(PAGE);
const RAM: usize = 32 << 20;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("backing/1080p_whole", || {
        resolving(device::whole(0, PICTURE))
    }),
    Operation::new("backing/1080p_pages_in_a_row", || {
        let page = |page| MemEntry {
            addr: u64::from(page) * u64::from(PAGE),
            length: PAGE,
        };
        resolving((0..PICTURE / PAGE).map(page).collect())
    })
    .rounds(10),
    Operation::new("backing/1080p_scattered", || {
        resolving(device::scattered(0, PICTURE))
    })
    .rounds(10),
    Operation {
        counted: false,
        ..Operation::new("udmabuf/1080p_whole", || making(device::whole(0, PICTURE)))
    },
    Operation {
        counted: false,
        ..Operation::new("udmabuf/1080p_512_pieces", || {
            making(device::scattered(0, 512 * PAGE))
        })
    },
];

fn resolving(entries: Vec<MemEntry>) -> Result<Box<dyn FnMut()>, String> {
    let ram = GuestRam::new(device::ram(RAM));
    Ok(Box::new(move || {
        let backing = Backing::resolve(black_box(&ram), black_box(&entries));
        black_box(backing.is_ok());
    }))
}

fn making(entries: Vec<MemEntry>) -> Result<Box<dyn FnMut()>, String> {
    let udmabuf = Udmabuf::open().map_err(|error| format!("/dev/udmabuf: {error}"))?;
    let ram = GuestRam::new(device::ram(RAM));
    let backing = Backing::resolve(&ram, &entries).map_err(|error| error.to_string())?;
    Ok(Box::new(move || {
        let made = backing.with_pieces(0..backing.len(), |pieces| udmabuf.make(pieces));
        assert!(black_box(made).is_ok());
    }))
}
