//! The kiosk's tests, each in a machine of its own.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, Place, host::Machine, inside::kms::Test};

/// The tests' own tools agree with each other: the kernel's account of a card, its checksums, its writeback
/// connector, input devices and seats.
pub fn tools(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Tools, 60)
}

/// A guest of the monitor's size is on the primary plane, with nothing copied and nothing drawn.
pub fn plane(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Plane, 120)
}

/// A new frame at each vblank, nearly as often as a program manages that does nothing else.
pub fn sixty(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Sixty, 360)
}

/// The guest's pointer on the cursor plane.
pub fn pointer(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Pointer, 120)
}

/// Several guests on several monitors, and windows over guests.
pub fn monitors(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Monitors, 240)
}

/// Monitors that are pulled out and plugged in.
pub fn hotplug(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Hotplug, 300)
}

/// The seat goes and comes back, and processes die.
pub fn seats(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Seats, 240)
}

/// Cards that can do less.
pub fn drivers(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Drivers, 180)
}

/// An unmodified Linux driver in a machine that the kiosk started.
pub fn nested(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Nested, 300)
}

/// The same driver's page flips.
pub fn nested_flips(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::NestedFlips, 300)
}

/// Ordinary Wayland programs.
pub fn clients(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Clients, 180)
}

/// Keyboards, mice, touch screens and pens reach a guest, and its lights come back.
pub fn hands(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Hands, 120)
}

/// What goes wrong before there is a picture.
pub fn bad_input(bench: &Bench, place: &Place) -> Result<String> {
    // Not even the card without monitors that the kernel has for its own tests.
    machine_with(
        bench,
        place,
        Test::Bad,
        180,
        &["initcall_blacklist=vgem_init"],
    )
}

fn machine(bench: &Bench, place: &Place, test: Test, seconds: u64) -> Result<String> {
    machine_with(bench, place, test, seconds, &[])
}

fn machine_with(
    bench: &Bench,
    place: &Place,
    test: Test,
    seconds: u64,
    kernel: &[&str],
) -> Result<String> {
    // Cards are made by the tests.
    let kernel: Vec<&str> = ["vkms.create_default_dev=0"]
        .into_iter()
        .chain(kernel.iter().copied())
        .collect();
    let machine = Machine {
        program: &["kms", &test.name()],
        before: "export LIBGL_ALWAYS_SOFTWARE=1\n",
        kernel: &kernel,
        limit: Duration::from_secs(seconds),
        urgent: matches!(test, Test::Sixty | Test::NestedFlips),
    };
    machine.run(bench, place)
}
