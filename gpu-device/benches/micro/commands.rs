//! Commands through the core of the device, decoded already.

use protocols::virtio_gpu::{Command, Format, Rect};

use crate::{
    device::{self, Device},
    harness::Operation,
};

const FORMAT: Format = Format::Bgrx8888;
const SIZE: (u32, u32) = (1920, 1080);
const BYTES: u32 = SIZE.0 * SIZE.1 * 4;
const RAM: usize = 64 << 20;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("execute/move_cursor", || {
        let mut device = Device::new(RAM);
        let mut x = 0;
        Ok(Box::new(move || {
            x = (x + 1) % 1024;
            device.run(Command::MoveCursor {
                scanout_id: 0,
                x,
                y: 5,
                resource_id: 1,
                hot_x: 0,
                hot_y: 0,
            });
        }))
    }),
    Operation::new("execute/create_and_destroy_2d", || {
        let mut device = Device::new(RAM);
        Ok(Box::new(move || {
            device.create_2d(9, FORMAT, (64, 64), device::whole(0, 64 * 64 * 4));
            device.run(Command::ResourceUnref { resource_id: 9 });
        }))
    }),
    Operation::new("execute/transfer_1x1", || {
        let mut device = Device::new(RAM);
        device.create_2d(1, FORMAT, SIZE, device::whole(0, BYTES));
        let rect = Rect::from_size(1, 1);
        Ok(Box::new(move || device.run(transfer(rect, 1))))
    }),
    Operation::new("execute/frame_2d_64x64", || {
        let mut device = Device::new(RAM);
        device.create_2d(1, FORMAT, SIZE, device::whole(0, BYTES));
        device.run(Command::SetScanout {
            rect: Rect::from_size(SIZE.0, SIZE.1),
            scanout_id: 0,
            resource_id: 1,
        });
        let rect = Rect::from_size(64, 64);
        Ok(Box::new(move || {
            device.run(transfer(rect, 1));
            device.show(rect, 1);
        }))
    }),
    Operation::new("execute/flip_blobs", || {
        let mut device = Device::new(RAM);
        for id in [1, 2] {
            device.run(Command::ResourceCreateBlob {
                resource_id: id,
                blob_mem: protocols::virtio_gpu::BLOB_MEM_GUEST,
                blob_flags: protocols::virtio_gpu::BLOB_FLAG_SHAREABLE,
                blob_id: 0,
                size: BYTES.into(),
                entries: device::whole(u64::from(id) * u64::from(BYTES), BYTES),
            });
        }
        let whole = Rect::from_size(SIZE.0, SIZE.1);
        let mut next = 1;
        Ok(Box::new(move || {
            next = 3 - next;
            device.run(Command::SetScanoutBlob {
                rect: whole,
                scanout_id: 0,
                resource_id: next,
                width: SIZE.0,
                height: SIZE.1,
                format: FORMAT as u32,
                strides: [SIZE.0 * 4, 0, 0, 0],
                offsets: [0; 4],
            });
            device.show(whole, next);
        }))
    }),
];

fn transfer(rect: Rect, resource_id: u32) -> Command {
    Command::TransferToHost2d {
        rect,
        offset: 0,
        resource_id,
    }
}
