//! The pixels of one 2D resource: private until it is shown, then in memory that the host reads.

use std::io;

use protocols::virtio_gpu::Rect;
use vm_memory::VolatileSlice;

use super::{
    convert::PIXEL,
    copy::{self, Canvas},
    slots::{NoFreeSlot, Slots, stored_bytes, stride},
};

/// The pixels of a 2D resource, B, G, R, A.
#[derive(Debug)]
pub struct Picture {
    width: u32,
    height: u32,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    /// Pointer images, textures, frames that were never shown. Empty until something is written:
    /// then all of it is black, and the system need not find the memory yet.
    Private(Vec<u8>),
    /// What is or was shown.
    Shared(Slots),
}

impl Picture {
    /// Reserves memory for a black picture. Its sides are at most [`super::slots::MAX_SIDE`].
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(width: u32, height: u32) -> io::Result<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(private_len(width, height)?)?;
        Ok(Self {
            width,
            height,
            storage: Storage::Private(bytes),
        })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// All of the picture.
    pub fn whole(&self) -> Rect {
        Rect::from_size(self.width, self.height)
    }

    /// Bytes of host memory that it takes.
    pub fn bytes(&self) -> u64 {
        match &self.storage {
            Storage::Private(_) => stored_bytes(self.width, self.height),
            Storage::Shared(slots) => slots.bytes(),
        }
    }

    /// The memories that the host reads, where it is or was shown.
    pub fn slots(&self) -> Option<&Slots> {
        match &self.storage {
            Storage::Private(_) => None,
            Storage::Shared(slots) => Some(slots),
        }
    }

    /// The memories that the host reads, where it is or was shown.
    pub fn slots_mut(&mut self) -> Option<&mut Slots> {
        match &mut self.storage {
            Storage::Private(_) => None,
            Storage::Shared(slots) => Some(slots),
        }
    }

    /// The picture as it is to be written in this rectangle, all of which the caller then
    /// overwrites. Also returns how many bytes had to be copied for that.
    ///
    /// # Errors
    /// See [`NoFreeSlot`].
    pub fn begin_write(&mut self, rect: Rect) -> Result<(Canvas<'_>, u64), NoFreeSlot> {
        match &mut self.storage {
            Storage::Shared(slots) => slots.begin_write(&[rect]),
            Storage::Private(bytes) => {
                // The capacity is there, see `new`.
                bytes.resize(
                    private_len(self.width, self.height).map_err(|_| NoFreeSlot)?,
                    0,
                );
                let memory = VolatileSlice::from(bytes.as_mut_slice());
                Ok((
                    Canvas {
                        memory,
                        stride: stride(self.width),
                    },
                    0,
                ))
            }
        }
    }

    /// Moves the pixels to where the host can read them. Returns the bytes copied for that.
    ///
    /// # Errors
    /// The system's: out of memory or of file descriptors. Nothing has changed then.
    pub fn share(&mut self) -> io::Result<u64> {
        let Storage::Private(bytes) = &mut self.storage else {
            return Ok(0);
        };
        let mut slots = Slots::new(self.width, self.height)?;
        let mut copied = 0;
        if !bytes.is_empty() {
            let whole = slots.whole();
            let (to, _) = slots
                .begin_write(&[whole])
                .map_err(|NoFreeSlot| io::ErrorKind::OutOfMemory)?;
            let memory = VolatileSlice::from(bytes.as_mut_slice());
            copied = copy::between(
                &Canvas {
                    memory,
                    stride: stride(self.width),
                },
                &to,
                &whole,
            );
        }
        self.storage = Storage::Shared(slots);
        Ok(copied)
    }

    /// Moves the pixels back to private memory. The host must have been told to forget its
    /// buffers; what it holds is never written again.
    ///
    /// # Errors
    /// Out of memory. Nothing has changed then.
    pub fn unshare(&mut self) -> io::Result<()> {
        let Storage::Shared(slots) = &self.storage else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        let len = private_len(self.width, self.height)?;
        bytes.try_reserve_exact(len)?;
        bytes.resize(len, 0);
        if let Some(newest) = slots.newest() {
            newest.memory.copy_to(bytes.as_mut_slice());
        }
        self.storage = Storage::Private(bytes);
        Ok(())
    }

    /// A copy of all pixels, rows without gaps.
    pub fn to_vec(&self) -> Vec<u8> {
        let row = usize::try_from(self.width.saturating_mul(PIXEL)).unwrap_or(0);
        let height = usize::try_from(self.height).unwrap_or(0);
        let stored = match &self.storage {
            Storage::Private(bytes) => bytes.clone(),
            Storage::Shared(slots) => slots.newest().map_or_else(Vec::new, |newest| {
                let mut bytes = vec![0; newest.memory.len()];
                newest.memory.copy_to(bytes.as_mut_slice());
                bytes
            }),
        };
        let stride = usize::try_from(stride(self.width))
            .unwrap_or(usize::MAX)
            .max(1);
        let mut pixels: Vec<u8> = stored
            .chunks(stride)
            .filter_map(|chunk| chunk.get(..row))
            .flatten()
            .copied()
            .collect();
        pixels.resize(row.saturating_mul(height), 0);
        pixels
    }
}

fn private_len(width: u32, height: u32) -> io::Result<usize> {
    usize::try_from(stored_bytes(width, height)).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(picture: &mut Picture, rect: Rect, value: u8) {
        let (canvas, _) = picture.begin_write(rect).unwrap();
        for y in rect.y..rect.y + rect.height {
            let start = (y * canvas.stride + rect.x * 4) as usize;
            let len = (rect.width * 4) as usize;
            canvas
                .memory
                .subslice(start, len)
                .unwrap()
                .copy_from(&vec![value; len]);
        }
    }

    #[test]
    fn a_new_picture_is_black() {
        let picture = Picture::new(3, 2).unwrap();
        assert_eq!(picture.to_vec(), [0; 24]);
        assert_eq!(picture.bytes(), 512);
    }

    #[test]
    fn pixels_survive_being_shown_and_put_away() {
        let mut picture = Picture::new(3, 2).unwrap();
        fill(
            &mut picture,
            Rect {
                x: 1,
                y: 1,
                width: 2,
                height: 1,
            },
            7,
        );
        let before = picture.to_vec();
        assert_eq!(before[16..], [7; 8]);

        assert_eq!(picture.share().unwrap(), 24);
        assert_eq!(picture.share().unwrap(), 0);
        assert_eq!(picture.to_vec(), before);
        assert_eq!(picture.bytes(), 1024);
        picture.unshare().unwrap();
        assert_eq!(picture.to_vec(), before);
        assert!(picture.slots().is_none());
    }

    #[test]
    fn an_untouched_picture_is_shared_without_a_copy() {
        let mut picture = Picture::new(64, 64).unwrap();
        assert_eq!(picture.share().unwrap(), 0);
        assert_eq!(picture.to_vec(), vec![0; 64 * 64 * 4]);
    }
}
