//! What a guest's memory is like.

/// How the memory file is sealed; decides whether the host can make dma-bufs from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Seals {
    /// As QEMU's `memory-backend-memfd`: no shrinking, no growing, no further seals.
    #[default]
    Qemu,
    /// As crosvm: no shrinking, no growing.
    Crosvm,
    /// A memfd that nobody has sealed yet, but could.
    Open,
    /// Can't be sealed, as User Mode Linux's file on tmpfs.
    Unsealable,
}

/// Where the memory lies in the guest's address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// One region from address 0 on.
    #[default]
    Flat,
    /// Half of it from 0, half from 4 GiB on, both from one file, as in a PC.
    Split,
}

/// Which pages a buffer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// A buffer is one piece.
    Contiguous,
    /// A buffer is many pieces of 1 to `longest` pages from all over the memory, in no order;
    /// the same ones in each run with the same `seed`.
    Scattered {
        /// Start of the random sequence.
        seed: u64,
        /// Pages in the longest piece; 1 or more.
        longest: u64,
    },
}

/// What a [`Ram`](super::Ram) is like.
#[derive(Debug, Clone, Copy)]
pub struct RamOptions {
    /// Bytes; rounded up to whole pages.
    pub size: u64,
    /// Its regions.
    pub layout: Layout,
    /// Its file's seals.
    pub seals: Seals,
    /// The fragmentation of buffers.
    pub placement: Placement,
}

impl Default for RamOptions {
    /// 128 MiB as QEMU gives them, buffers in pieces of up to 64 KiB: enough for two 4K screens.
    fn default() -> Self {
        Self {
            size: 128 << 20,
            layout: Layout::Flat,
            seals: Seals::Qemu,
            placement: Placement::Scattered {
                seed: 1,
                longest: 16,
            },
        }
    }
}
