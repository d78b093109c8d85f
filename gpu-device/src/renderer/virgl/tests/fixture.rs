//! A guest's memory, and its commands by hand.

use std::{
    fs::File,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
};

use protocols::virtio_gpu::{Box3d, MemEntry};
use rustix::event::{PollFd, PollFlags, Timespec};
use vm_memory::GuestMemoryMmap;

use super::*;
use crate::{
    memory::{Backing, GuestRam, testing},
    renderer::Transfer,
};

/// VIRGL_FORMAT_B8G8R8A8_UNORM.
pub const BGRA: u32 = 1;
/// VIRGL_FORMAT_R8G8B8A8_UNORM.
pub const RGBA: u32 = 67;

/// Everything of OpenGL, without a graphics card.
pub const SOFTWARE: Settings = Settings {
    virgl: true,
    venus: false,
    node: None,
};

/// The library, started. A test that lacks it fails.
pub fn start() -> Virgl {
    start_with(None)
}

/// The same, and what it tells of fences by itself.
pub fn start_listening() -> (Virgl, Receiver<Fence>) {
    let (sender, receiver) = mpsc::channel();
    let listener = move |fence| sender.send(fence).unwrap();
    (start_with(Some(Box::new(listener))), receiver)
}

fn start_with(listener: Option<Listener>) -> Virgl {
    // SAFETY: the test has a process of its own, and nothing else in it reads or writes the environment.
    unsafe { std::env::set_var("LIBGL_ALWAYS_SOFTWARE", "1") };
    let library = Library::load().unwrap_or_else(|error| panic!("{error}"));
    Virgl::start(library, &SOFTWARE, listener).unwrap_or_else(|error| panic!("{error}"))
}

/// A 2D texture that is drawn into and shown.
pub fn picture(width: u32, height: u32) -> Texture {
    Texture {
        target: 2,
        format: BGRA,
        // RENDER_TARGET, SAMPLER_VIEW, SCANOUT.
        bind: 1 << 1 | 1 << 3 | 1 << 18,
        width,
        height,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    }
}

/// A guest's memory.
pub struct Guest {
    map: Arc<GuestMemoryMmap>,
    _file: File,
}

impl Guest {
    pub fn new(bytes: usize) -> Self {
        let file = testing::memfd(bytes as u64);
        let map = testing::map(&[(0, bytes, &file, 0)]);
        Self { map, _file: file }
    }

    /// A backing of pieces, by address and length.
    pub fn backing(&self, pieces: &[(u64, u32)]) -> Backing {
        let entry = |(addr, length): &(u64, u32)| MemEntry {
            addr: *addr,
            length: *length,
        };
        let entries: Vec<_> = pieces.iter().map(entry).collect();
        Backing::resolve(&GuestRam::new(Arc::clone(&self.map)), &entries).unwrap()
    }

    pub fn write(&self, address: u64, bytes: &[u8]) {
        testing::write(&self.map, address, bytes);
    }

    pub fn read(&self, address: u64, length: usize) -> Vec<u8> {
        use vm_memory::{Bytes, GuestAddress};
        let mut bytes = vec![0; length];
        self.map
            .read_slice(&mut bytes, GuestAddress(address))
            .unwrap();
        bytes
    }
}

/// A transfer of a part, as the backing has all of the picture.
pub fn transfer(resource: u32, (x, y, width, height): (u32, u32, u32, u32)) -> Transfer {
    Transfer {
        context: 0,
        resource,
        part: Box3d {
            x,
            y,
            z: 0,
            width,
            height,
            depth: 1,
        },
        offset: 0,
        level: 0,
        stride: 0,
        layer_stride: 0,
    }
}

/// Bytes that differ from pixel to pixel.
pub fn pattern(pixels: u32) -> Vec<u8> {
    (0..pixels)
        .flat_map(|pixel| (pixel.wrapping_mul(0x9e37_79b1) | 1).to_le_bytes())
        .collect()
}

/// All of a texture as it would be shown, rows without gaps.
pub fn shown(virgl: &mut Virgl, resource: u32, width: u32, height: u32) -> Vec<u8> {
    let mut pixels = vec![0xee; (width * height * 4) as usize];
    let memory = VolatileSlice::from(pixels.as_mut_slice());
    let part = Rect::from_size(width, height);
    virgl
        .read_back(resource, part, &memory, 0, width * 4)
        .unwrap();
    pixels
}

/// Polls until so many fences were reached, and says which. Sleeps in between; ends when nothing has
/// happened for long.
pub fn wait_for_fences(virgl: &mut Virgl, count: usize) -> Vec<Fence> {
    let mut reached = virgl.take_reached();
    let mut wakeups = 0;
    while reached.len() < count {
        assert!(!virgl.needs_polling(), "there is a file descriptor");
        let fds = virgl.poll_fds();
        let mut fds: Vec<_> = fds
            .iter()
            .map(|fd| PollFd::new(fd, PollFlags::IN))
            .collect();
        let long = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        let ready = rustix::event::poll(&mut fds, Some(&long)).unwrap();
        assert!(ready > 0, "fences are missing: {reached:?}");
        virgl.poll();
        reached.extend(virgl.take_reached());
        wakeups += 1;
        assert!(
            wakeups <= 2 * count + 2,
            "woken up for nothing: {reached:?}"
        );
    }
    reached
}

/// VIRGL_TRANSFER_TO_HOST and VIRGL_TRANSFER_FROM_HOST.
#[derive(Clone, Copy)]
pub enum Way {
    ToHost = 1,
    FromHost = 2,
}

/// Commands of virgl, as `virgl_protocol.h` lays them down.
#[derive(Default)]
pub struct Stream(Vec<u32>);

impl Stream {
    pub fn command(mut self, command: u32, object: u32, words: &[u32]) -> Self {
        self.0
            .push(command | object << 8 | u32::try_from(words.len()).unwrap() << 16);
        self.0.extend(words);
        self
    }

    /// CREATE_SUB_CTX and SET_SUB_CTX.
    pub fn sub_context(self, id: u32) -> Self {
        self.command(29, 0, &[id]).command(28, 0, &[id])
    }

    /// CREATE_OBJECT of a surface, and SET_FRAMEBUFFER_STATE to it.
    pub fn draw_into(self, surface: u32, resource: u32, format: u32) -> Self {
        self.command(1, 8, &[surface, resource, format, 0, 0])
            .command(5, 0, &[1, 0, surface])
    }

    /// CLEAR of the first colour buffer, to red, green, blue, alpha.
    pub fn clear(self, colour: [f32; 4]) -> Self {
        let [r, g, b, a] = colour.map(f32::to_bits);
        self.command(7, 0, &[4, r, g, b, a, 0, 0, 0])
    }

    /// BLIT of a whole picture to another one, filtered, since the library copies bytes otherwise.
    pub fn blit(self, from: u32, to: u32, width: u32, height: u32) -> Self {
        let all_channels_linearly = 0xf | 1 << 8;
        let [scissor_from, scissor_to] = [0, 0];
        let part = |resource| [resource, 0, BGRA, 0, 0, 0, width, height, 1];
        let words = [all_channels_linearly, scissor_from, scissor_to];
        self.command(16, 0, &[&words[..], &part(to), &part(from)].concat())
    }

    /// TRANSFER3D of a whole picture, from or to its backing, with any stride.
    pub fn transfer(
        self,
        resource: u32,
        stride: u32,
        (width, height): (u32, u32),
        to: Way,
    ) -> Self {
        let part = [0, 0, 0, width, height, 1];
        let words = [&[resource, 0, 0, stride, 0], &part[..], &[0, to as u32]].concat();
        self.command(43, 0, &words)
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

pub use protocols::virtio_gpu::Rect;
pub use vm_memory::VolatileSlice;
