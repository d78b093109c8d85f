//! Which files the front-end has from this device.
//!
//! QEMU announces what it has mapped into the window for host memory as memory of the guest, with the
//! very file that it was given. To take it for RAM would map host memory into this process, where
//! whoever made it could end the process by making it shorter.

use std::{
    collections::BTreeMap,
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::fs::fstat;

/// What makes a file this one and no other, as long as somebody has it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// The files that a front-end has, each with how often. Clones are the same list, and both live on one
/// thread, so the lock is never contended.
#[derive(Debug, Clone, Default)]
pub struct Passed(Arc<Mutex<BTreeMap<Identity, usize>>>);

impl Passed {
    /// The front-end gets a file once more. `None` if it can't be told from others; then it isn't one
    /// that could be mapped.
    pub fn add(&self, file: impl AsFd) -> Option<Identity> {
        let identity = identity(file)?;
        let mut files = self.files();
        let times = files.entry(identity).or_default();
        *times = times.saturating_add(1);
        Some(identity)
    }

    /// The front-end has let go of a file once.
    pub fn forget(&self, identity: Identity) {
        let mut files = self.files();
        if let Some(times) = files.get_mut(&identity) {
            *times = times.saturating_sub(1);
            if *times == 0 {
                files.remove(&identity);
            }
        }
    }

    /// Whether the front-end has this file from us.
    pub fn has(&self, file: impl AsFd) -> bool {
        identity(file).is_some_and(|identity| self.files().contains_key(&identity))
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<Identity, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity(file: impl AsFd) -> Option<Identity> {
    let status = fstat(file).ok()?;
    Some(Identity {
        device: status.st_dev,
        inode: status.st_ino,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn memory() -> File {
        memfd_create("blob", MemfdFlags::CLOEXEC).unwrap().into()
    }

    #[test]
    fn a_file_is_known_by_any_descriptor_until_it_was_let_go_of_as_often() {
        let passed = Passed::default();
        let (ours, other) = (memory(), memory());
        let identity = passed.add(&ours).unwrap();
        assert_eq!(passed.clone().add(&ours), Some(identity));
        passed.forget(identity);
        assert!(passed.has(ours.try_clone().unwrap()));
        assert!(!passed.has(&other));
        passed.forget(identity);
        passed.forget(identity);
        assert!(!passed.has(&ours));
    }
}
