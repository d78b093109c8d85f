//! What the rooms of the device cost, one by one.

mod commands;
mod device;
#[path = "../../../protocols/benches/micro/harness.rs"]
mod harness;
mod memory;
mod pixels;
mod rings;

use harness::Operation;

fn main() {
    let rooms: [&[Operation]; 4] = [
        commands::OPERATIONS,
        pixels::OPERATIONS,
        memory::OPERATIONS,
        rings::OPERATIONS,
    ];
    harness::run(&rooms.concat());
}
