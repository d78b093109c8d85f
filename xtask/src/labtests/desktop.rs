//! Guests as windows of somebody else's session, each test in a machine of its own.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, Place, host::Machine, inside::desktop::Test};

/// A window of weston, which another window resizes.
pub fn weston(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Weston)
}

/// A window of sway, which sway's own commands resize.
pub fn sway(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Sway)
}

/// The host's compositor is killed and started again.
pub fn restarted(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Restarted)
}

/// Real input devices on sway, by way of the guest's window.
pub fn hands(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Hands)
}

/// Monitors that are plugged in, moved and taken away while the guest draws on them.
pub fn scanouts(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Scanouts)
}

/// Frame after frame, each told as shown.
pub fn frames(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::Frames)
}

/// `lucarne nested` as a window of a Wayland session.
pub fn nested_on_wayland(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::NestedOnWayland)
}

/// The same as a window of an X server.
pub fn nested_on_x11(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::NestedOnX11)
}

fn machine(bench: &Bench, place: &Place, test: Test) -> Result<String> {
    let machine = Machine {
        program: &["desktop", &test.name()],
        before: "export LIBGL_ALWAYS_SOFTWARE=1\n",
        kernel: &[],
        limit: Duration::from_secs(90),
        urgent: false,
    };
    machine.run(bench, place)
}
