//! Round trips, sizes and bytes against Linux's `virtio_gpu.h`, and hostile requests.

mod hostile;
mod layout;
mod plain;
mod round_trip;

use super::*;

fn encoded(header: &Header, command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    command.encode(header, &mut bytes);
    bytes
}

fn answered(request: &Header, response: &Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    response.encode(request, &mut bytes);
    bytes
}

fn entries(count: u32) -> Vec<MemEntry> {
    (0..count)
        .map(|number| MemEntry {
            addr: 0x1000 * u64::from(number),
            length: 0x1000 + number,
        })
        .collect()
}
