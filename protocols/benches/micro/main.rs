//! What it costs to read a command and to write an answer.

mod harness;

use std::hint::black_box;

use harness::Operation;
use protocols::virtio_gpu::{
    BLOB_FLAG_SHAREABLE, BLOB_MEM_GUEST, Command, DisplayMode, Format, Header, MAX_SCANOUTS,
    MemEntry, Rect, Response, decode,
};

/// Pages of a picture of 3840x2160 pixels, if no two follow each other.
const PAGES_4K: u32 = 8100;

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 3840,
    height: 2160,
};

const OPERATIONS: &[Operation] = &[
    Operation::new("decode/resource_flush", || {
        decoding(Command::ResourceFlush {
            rect: WHOLE,
            resource_id: 7,
        })
    }),
    Operation::new("decode/transfer_to_host_2d", || {
        decoding(Command::TransferToHost2d {
            rect: WHOLE,
            offset: 4096,
            resource_id: 7,
        })
    }),
    Operation::new("decode/set_scanout_blob", || {
        decoding(Command::SetScanoutBlob {
            rect: WHOLE,
            scanout_id: 0,
            resource_id: 7,
            width: WHOLE.width,
            height: WHOLE.height,
            format: Format::Bgrx8888 as u32,
            strides: [WHOLE.width * 4, 0, 0, 0],
            offsets: [0; 4],
        })
    }),
    Operation::new("decode/move_cursor", || {
        decoding(Command::MoveCursor {
            scanout_id: 0,
            x: 100,
            y: -3,
            resource_id: 7,
            hot_x: 1,
            hot_y: 2,
        })
    }),
    Operation::new("decode/create_blob_8100_entries", || {
        let entry = |page| MemEntry {
            addr: u64::from(page) * 8192,
            length: 4096,
        };
        decoding(Command::ResourceCreateBlob {
            resource_id: 7,
            blob_mem: BLOB_MEM_GUEST,
            blob_flags: BLOB_FLAG_SHAREABLE,
            blob_id: 0,
            size: u64::from(PAGES_4K) * 4096,
            entries: (0..PAGES_4K).map(entry).collect(),
        })
    })
    .rounds(10),
    Operation::new("encode/ok_nodata_fenced", || encoding(Response::OkNodata)),
    Operation::new("encode/display_info", || {
        encoding(Response::OkDisplayInfo(Box::new(
            [DisplayMode::default(); MAX_SCANOUTS],
        )))
    }),
];

fn main() {
    harness::run(OPERATIONS);
}

fn header(kind: u32) -> Header {
    Header {
        kind,
        fence: Some(12),
        ..Header::default()
    }
}

fn decoding(command: Command) -> Result<Box<dyn FnMut()>, String> {
    let mut bytes = Vec::new();
    command.encode(&header(command.kind()), &mut bytes);
    assert_eq!(decode(&bytes).map(|(_, command)| command), Ok(command));
    Ok(Box::new(move || {
        black_box(decode(black_box(&bytes)).is_ok());
    }))
}

fn encoding(response: Response) -> Result<Box<dyn FnMut()>, String> {
    let (header, mut bytes) = (header(0), Vec::new());
    Ok(Box::new(move || {
        bytes.clear();
        black_box(&response).encode(black_box(&header), &mut bytes);
        black_box(&bytes);
    }))
}
