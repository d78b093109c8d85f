//! What differs from one type of virtio device to another, as a front-end sees them.
//!
//! Memory, rings and features are negotiated in the same way for all; [`super::handler`] does that
//! once.

use super::rings::Chains;

/// A type of virtio device with two rings, by its configuration space.
pub trait DeviceType {
    /// What its rings are called in logs.
    const RINGS: [&'static str; 2];

    /// What its rings hold.
    type Chains: Chains;

    /// The feature bits of the type itself.
    fn features(&self) -> u64;

    /// How many bytes of host memory the guest's CPUs can be shown at a time, where the VMM has room
    /// for them; 0 for a device that shows none.
    fn window(&self) -> u64;

    /// `size` bytes of the configuration space from `offset`; whatever is asked for.
    fn read(&self, offset: u32, size: u32) -> Vec<u8>;

    /// Takes a write of any size at any offset. Returns whether the driver must be told that the
    /// configuration has changed.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> bool;

    /// A new driver starts.
    fn reset(&mut self);
}
