//! What one guest may use up.

use protocols::virtio_gpu::ErrorCode;

/// What one guest may use up, so that it can't starve the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Resources that exist at the same time.
    pub resources: u32,
    /// Bytes of host memory for pixels: 2D resources, and copies of blobs that can't be shown in
    /// place.
    pub bytes: u64,
    /// Entries of all backing lists together.
    pub entries: u32,
    /// 3D contexts that exist at the same time.
    pub contexts: u32,
    /// Bytes of memory that the renderer needs for the guest's resources, by our estimate: how much
    /// the host's driver adds to that is not known here.
    pub rendered: u64,
}

impl Limits {
    /// A desktop keeps some hundreds of resources; each costs the host some hundred bytes.
    pub const RESOURCES: u32 = 4096;

    /// Sixteen scanouts of 4K with two buffers each fit, in memory slots for two frames each.
    pub const BYTES: u64 = 2 << 30;

    /// A 4K frame in single pages has 8100 entries, and an entry costs the host some 100 bytes.
    pub const ENTRIES: u32 = 1 << 20;

    /// Each program of the guest that draws has one or two, a browser some ten; each costs the host's
    /// driver some megabytes.
    pub const CONTEXTS: u32 = 256;

    /// A large game has textures of 4 GiB.
    pub const RENDERED: u64 = 8 << 30;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            resources: Self::RESOURCES,
            bytes: Self::BYTES,
            entries: Self::ENTRIES,
            contexts: Self::CONTEXTS,
            rendered: Self::RENDERED,
        }
    }
}

/// What one guest uses at the moment.
#[derive(Debug)]
pub(super) struct Quota {
    limits: Limits,
    resources: u32,
    bytes: u64,
    entries: u32,
    rendered: u64,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            resources: 0,
            bytes: 0,
            entries: 0,
            rendered: 0,
        }
    }

    pub(super) fn take_resource(&mut self) -> Result<(), ErrorCode> {
        let resources = self
            .resources
            .checked_add(1)
            .filter(|sum| *sum <= self.limits.resources);
        self.resources = resources.ok_or(ErrorCode::OutOfMemory)?;
        Ok(())
    }

    pub(super) fn give_resource(&mut self) {
        self.resources = self.resources.saturating_sub(1);
    }

    pub(super) fn take_bytes(&mut self, bytes: u64) -> Result<(), ErrorCode> {
        let sum = self
            .bytes
            .checked_add(bytes)
            .filter(|sum| *sum <= self.limits.bytes);
        self.bytes = sum.ok_or(ErrorCode::OutOfMemory)?;
        Ok(())
    }

    pub(super) fn give_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn take_entries(&mut self, entries: usize) -> Result<(), ErrorCode> {
        let entries = u32::try_from(entries).map_err(|_| ErrorCode::OutOfMemory)?;
        let sum = self
            .entries
            .checked_add(entries)
            .filter(|sum| *sum <= self.limits.entries);
        self.entries = sum.ok_or(ErrorCode::OutOfMemory)?;
        Ok(())
    }

    pub(super) fn give_entries(&mut self, entries: usize) {
        self.entries = self
            .entries
            .saturating_sub(u32::try_from(entries).unwrap_or(u32::MAX));
    }

    pub(super) fn take_rendered(&mut self, bytes: u64) -> Result<(), ErrorCode> {
        let sum = self
            .rendered
            .checked_add(bytes)
            .filter(|sum| *sum <= self.limits.rendered);
        self.rendered = sum.ok_or(ErrorCode::OutOfMemory)?;
        Ok(())
    }

    pub(super) fn give_rendered(&mut self, bytes: u64) {
        self.rendered = self.rendered.saturating_sub(bytes);
    }

    /// Whether there may be one more 3D context than so many.
    pub(super) fn allows_context_besides(&self, contexts: usize) -> bool {
        u32::try_from(contexts).is_ok_and(|contexts| contexts < self.limits.contexts)
    }

    #[cfg(test)]
    pub(super) fn rendered(&self) -> u64 {
        self.rendered
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> (u32, u64, u32) {
        (self.resources, self.bytes, self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_not_counted() {
        let mut quota = Quota::new(Limits {
            resources: 1,
            bytes: 10,
            entries: 3,
            rendered: 5,
            contexts: 2,
        });
        assert_eq!(quota.take_resource(), Ok(()));
        assert_eq!(quota.take_resource(), Err(ErrorCode::OutOfMemory));
        assert_eq!(quota.take_bytes(8), Ok(()));
        assert_eq!(quota.take_bytes(3), Err(ErrorCode::OutOfMemory));
        assert_eq!(quota.take_bytes(u64::MAX), Err(ErrorCode::OutOfMemory));
        assert_eq!(quota.take_entries(3), Ok(()));
        assert_eq!(quota.take_entries(1), Err(ErrorCode::OutOfMemory));
        assert_eq!(quota.used(), (1, 8, 3));

        assert_eq!(quota.take_rendered(5), Ok(()));
        assert_eq!(quota.take_rendered(1), Err(ErrorCode::OutOfMemory));
        assert_eq!(quota.rendered(), 5);
        quota.give_rendered(5);
        assert_eq!(quota.rendered(), 0);
        assert!(quota.allows_context_besides(1) && !quota.allows_context_besides(2));

        quota.give_resource();
        quota.give_bytes(8);
        quota.give_entries(3);
        assert_eq!(quota.used(), (0, 0, 0));
    }
}
