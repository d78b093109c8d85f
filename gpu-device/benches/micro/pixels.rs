//! Pixels out of the guest's memory, and lists of what changed.

use std::hint::black_box;

use gpu_device::renderer::pixels::region::Region;
use protocols::virtio_gpu::{Command, Format, MemEntry, Rect};

use crate::{
    device::{self, Device},
    harness::Operation,
};

const SIZE: (u32, u32) = (1920, 1080);
const BYTES: u32 = SIZE.0 * SIZE.1 * 4;
const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: SIZE.0,
    height: SIZE.1,
};
const SMALL: Rect = Rect {
    x: 128,
    y: 128,
    width: 64,
    height: 64,
};

pub const OPERATIONS: &[Operation] = &[
    Operation::new("transfer/1080p_bgrx", || {
        transfer(Format::Bgrx8888, WHOLE, device::whole)
    })
    .rounds(4),
    Operation::new("transfer/1080p_bgrx_scattered", || {
        transfer(Format::Bgrx8888, WHOLE, device::scattered)
    })
    .rounds(4),
    Operation::new("transfer/1080p_rgbx", || {
        transfer(Format::Rgbx8888, WHOLE, device::whole)
    })
    .rounds(4),
    Operation::new("transfer/1080p_xrgb", || {
        transfer(Format::Xrgb8888, WHOLE, device::whole)
    })
    .rounds(4),
    Operation::new("transfer/64x64_bgrx", || {
        transfer(Format::Bgrx8888, SMALL, device::whole)
    }),
    Operation::new("transfer/64x64_bgrx_scattered", || {
        transfer(Format::Bgrx8888, SMALL, device::scattered)
    }),
    Operation::new("transfer/64x64_rgbx", || {
        transfer(Format::Rgbx8888, SMALL, device::whole)
    }),
    Operation::new("damage/terminal_40_lines", || damage(lines)),
    Operation::new("damage/scattered_40", || damage(far_apart)),
    Operation::new("damage/subtract", || {
        let mut region = Region::default();
        Ok(Box::new(move || {
            region.clear();
            region.add(black_box(WHOLE));
            region.subtract(black_box(&SMALL));
            black_box(&region);
        }))
    }),
];

fn transfer(
    format: Format,
    rect: Rect,
    memory: fn(u64, u32) -> Vec<MemEntry>,
) -> Result<Box<dyn FnMut()>, String> {
    let mut device = Device::new(64 << 20);
    device.create_2d(1, format, SIZE, memory(0, BYTES));
    // As the host's memory, so that nothing but pixels moves.
    device.run(Command::SetScanout {
        rect: WHOLE,
        scanout_id: 0,
        resource_id: 1,
    });
    let command = Command::TransferToHost2d {
        rect,
        offset: u64::from(rect.y * SIZE.0 + rect.x) * 4,
        resource_id: 1,
    };
    Ok(Box::new(move || device.run(command.clone())))
}

/// Rectangles one after the other, as between two frames.
fn damage(rect: fn(u32) -> Rect) -> Result<Box<dyn FnMut()>, String> {
    let mut region = Region::default();
    Ok(Box::new(move || {
        region.clear();
        for index in 0..40 {
            region.add(black_box(rect(index)));
        }
        black_box(&region);
    }))
}

/// The lines of a terminal, from top to bottom.
fn lines(index: u32) -> Rect {
    Rect {
        x: 0,
        y: index * 16,
        width: 8 * (20 + index * 7 % 60),
        height: 16,
    }
}

/// Far from each other.
fn far_apart(index: u32) -> Rect {
    Rect {
        x: index * 397 % 1800,
        y: index * 211 % 1000,
        width: 20,
        height: 20,
    }
}
