//! Signs in memory that a display controller can read.
//!
//! smithay puts only a client's `wl_buffer`s on planes. So there is a client for signs, at whose
//! other end nobody is: the server makes buffers for it by itself, and this file reads what it is
//! told, which is that a buffer is released. Then its last user is done with it, be that a scene
//! or a display controller, and it is destroyed.

use std::{
    cell::OnceCell,
    collections::HashMap,
    fmt,
    io::{self, Read as _},
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, generic::Generic};
use gpu_device::{
    display::Refused,
    memory::{DmaBufMaker, SharedMemory},
};
use smithay::{
    backend::{
        allocator::{
            Buffer as _, Modifier,
            dmabuf::{Dmabuf, DmabufFlags},
        },
        renderer::{element::memory::MemoryBuffer, utils::Buffer},
    },
    reexports::wayland_server::{
        Client, DisplayHandle, Resource as _,
        backend::{ClientData, ObjectId},
        protocol::wl_buffer::WlBuffer,
    },
};
use thiserror::Error;
use tracing::debug;

use super::{
    draw::{PIXEL, Picture},
    sign::format,
};
use crate::state::{HasState, State};

/// Rows begin at multiples of so many bytes, which all display controllers take.
const ALIGNMENT: usize = 256;

/// Of how many bytes on memory is worth to be kept. Small signs are made faster than looked for.
const SPARE_FROM: u64 = 1 << 20;

/// How many pictures' memory is kept: what a monitor shows, and what it showed before that.
const SPARES: usize = 2;

/// The only version of `wl_buffer`.
const WL_BUFFER_VERSION: u32 = 1;

/// Why a sign is in ordinary memory.
#[derive(Debug, Error)]
pub(super) enum PlaneError {
    /// No memory, or no descriptors.
    #[error("{0}")]
    Memory(#[from] io::Error),
    /// No dma-buf.
    #[error(transparent)]
    DmaBuf(#[from] Refused),
    /// It is larger than any picture of a monitor.
    #[error("it is too large")]
    Size,
    /// The client is gone, which means that the server ends.
    #[error("the server ends")]
    Server,
}

/// Makes buffers.
pub(super) struct Planes {
    display: DisplayHandle,
    client: Client,
    maker: Box<dyn DmaBufMaker>,
    /// Buffers that somebody uses, by the names that events have for them.
    buffers: HashMap<u32, InUse>,
    /// Memory of large pictures that nobody uses any more. The system takes longer to hand a monitor's
    /// worth of it out than it takes to draw a sign, and other monitors wait meanwhile.
    spare: Vec<SharedMemory>,
}

/// A buffer that somebody uses.
struct InUse {
    id: ObjectId,
    memory: Rc<SharedMemory>,
}

impl fmt::Debug for Planes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planes")
            .field("maker", &self.maker)
            .field("buffers", &self.buffers.len())
            .finish_non_exhaustive()
    }
}

/// A picture in a dma-buf, and the buffer that stands for it.
pub(super) struct SharedPicture {
    memory: Rc<SharedMemory>,
    dmabuf: Dmabuf,
    buffer: Buffer,
    /// For renderers that do not take the dma-buf.
    copy: OnceCell<MemoryBuffer>,
}

/// The client has nothing to be known.
#[derive(Debug)]
struct Phantom;

impl ClientData for Phantom {}

impl Planes {
    /// Makes the client, and lets the loop read what it is told.
    ///
    /// # Errors
    /// No more descriptors.
    pub(super) fn new<D: HasState>(
        display: &DisplayHandle,
        handle: &LoopHandle<'static, D>,
        maker: Box<dyn DmaBufMaker>,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        theirs.set_nonblocking(true)?;
        let client = display.clone().insert_client(ours, Arc::new(Phantom))?;
        let mut events = Events::default();
        let source = Generic::new(theirs, Interest::READ, Mode::Level);
        handle
            .insert_source(source, move |_, stream, data: &mut D| {
                let (released, open) = events.read(stream)?;
                if let Some(planes) = &mut data.state().signs.planes {
                    planes.released(&released);
                }
                Ok(if open {
                    PostAction::Continue
                } else {
                    PostAction::Remove
                })
            })
            .map_err(|error| error.error)?;
        Ok(Self {
            display: display.clone(),
            client,
            maker,
            buffers: HashMap::new(),
            spare: Vec::new(),
        })
    }

    /// Puts a picture where a display controller can read it.
    ///
    /// # Errors
    /// There is not enough memory of that kind.
    pub(super) fn share(
        &mut self,
        picture: &Picture,
        opaque: bool,
    ) -> Result<SharedPicture, PlaneError> {
        let stride = (picture.width() * PIXEL).next_multiple_of(ALIGNMENT);
        let bytes = stride.checked_mul(picture.height());
        let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let memory = self.memory(bytes.ok_or(PlaneError::Size)?)?;
        // Before it is a dma-buf, which spare memory becomes anew: what is written later might stay in
        // the CPU's caches.
        for (number, row) in picture.rows().enumerate() {
            let start = u64::try_from(number * stride).map_err(|_| PlaneError::Size)?;
            let slice = memory.slice(start, row.len()).ok_or(PlaneError::Size)?;
            slice.copy_from(row);
        }
        let fd = self.maker.make(&[memory.piece()?])?;

        let pixels = |pixels: usize| i32::try_from(pixels).map_err(|_| PlaneError::Size);
        let size = (pixels(picture.width())?, pixels(picture.height())?);
        let mut dmabuf =
            Dmabuf::builder(size, format(opaque), Modifier::Linear, DmabufFlags::empty());
        let stride = u32::try_from(stride).map_err(|_| PlaneError::Size)?;
        dmabuf.add_plane(fd, 0, 0, stride);
        let dmabuf = dmabuf.build().ok_or(PlaneError::Size)?;
        let memory = Rc::new(memory);
        Ok(SharedPicture {
            buffer: self.buffer(&dmabuf, &memory)?,
            memory,
            dmabuf,
            copy: OnceCell::new(),
        })
    }

    fn memory(&mut self, bytes: u64) -> io::Result<SharedMemory> {
        let most = bytes.saturating_add(SPARE_FROM);
        let fits = |memory: &SharedMemory| (bytes..most).contains(&memory.size());
        match self.spare.iter().position(fits) {
            Some(index) => Ok(self.spare.swap_remove(index)),
            None => SharedMemory::new(bytes),
        }
    }

    fn buffer(&mut self, dmabuf: &Dmabuf, memory: &Rc<SharedMemory>) -> Result<Buffer, PlaneError> {
        let buffer = self
            .client
            .create_resource::<WlBuffer, Dmabuf, State>(
                &self.display,
                WL_BUFFER_VERSION,
                dmabuf.clone(),
            )
            .map_err(|_| PlaneError::Server)?;
        let id = buffer.id();
        let name = id.protocol_id();
        let memory = Rc::clone(memory);
        self.buffers.insert(name, InUse { id, memory });
        Ok(Buffer::with_implicit(buffer))
    }

    /// Nobody uses these buffers any more.
    fn released(&mut self, names: &[u32]) {
        for name in names {
            let Some(InUse { id, memory }) = self.buffers.remove(name) else {
                continue;
            };
            self.keep(memory);
            if self
                .display
                .backend_handle()
                .destroy_object::<State>(&id)
                .is_err()
            {
                debug!("The buffer of a sign was gone before its release");
            }
        }
    }

    /// Nothing reads this memory any more.
    fn keep(&mut self, memory: Rc<SharedMemory>) {
        if let Ok(memory) = Rc::try_unwrap(memory)
            && memory.size() >= SPARE_FROM
        {
            self.spare.push(memory);
            let too_many = self.spare.len().saturating_sub(SPARES);
            self.spare.drain(..too_many);
        }
    }

    /// Bytes that are kept for the next pictures.
    #[cfg(test)]
    pub(super) fn spare(&self) -> Vec<u64> {
        self.spare.iter().map(SharedMemory::size).collect()
    }

    /// How many pictures somebody uses.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.buffers.len()
    }
}

impl SharedPicture {
    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(super) fn dmabuf(&self) -> &Dmabuf {
        &self.dmabuf
    }

    /// The picture in ordinary memory.
    pub(super) fn copy(&self) -> &MemoryBuffer {
        self.copy.get_or_init(|| {
            let size = self.dmabuf.size();
            let mut copy = MemoryBuffer::new(self.dmabuf.format().code, size);
            let stride = self.dmabuf.strides().next().unwrap_or_default();
            let row_length = usize::try_from(copy.stride()).unwrap_or_default().max(1);
            for (number, row) in (0..).zip(copy.chunks_exact_mut(row_length)) {
                let start = u64::from(stride) * number;
                if let Some(slice) = self.memory.slice(start, row.len()) {
                    slice.copy_to(row);
                }
            }
            copy
        })
    }
}

/// Reads `wl_buffer.release` out of a stream of events.
#[derive(Debug, Default)]
struct Events {
    /// The beginning of an event.
    partial: Vec<u8>,
}

impl Events {
    /// Bytes of an event's header: the object, the number of the event, the length.
    const HEADER: usize = 8;

    /// The objects that had an event, and whether there may be more. Buffers have only one kind
    /// of event.
    fn read(&mut self, mut stream: &UnixStream) -> io::Result<(Vec<u32>, bool)> {
        let mut bytes = [0; 4096];
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => return Ok((self.complete(), false)),
                Ok(count) => self.partial.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((self.complete(), true));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn complete(&mut self) -> Vec<u32> {
        let mut objects = Vec::new();
        let mut rest = self.partial.as_slice();
        while let Some(([a, b, c, d, e, f, g, h], _)) = rest.split_first_chunk::<{ Self::HEADER }>()
        {
            let object = u32::from_ne_bytes([*a, *b, *c, *d]);
            let length = u32::from_ne_bytes([*e, *f, *g, *h]) >> 16;
            let length = usize::try_from(length)
                .unwrap_or_default()
                .max(Self::HEADER);
            let Some(after) = rest.get(length..) else {
                break;
            };
            objects.push(object);
            rest = after;
        }
        self.partial = rest.to_vec();
        objects
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn events_may_arrive_in_pieces() {
        let (mut server, client) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        let mut events = Events::default();
        let release = |object: u32| [object.to_ne_bytes(), (8_u32 << 16).to_ne_bytes()].concat();

        let both = [release(0xff00_0000), release(0xff00_0001)].concat();
        server.write_all(&both[..11]).unwrap();
        assert_eq!(events.read(&client).unwrap(), (vec![0xff00_0000], true));
        server.write_all(&both[11..]).unwrap();
        assert_eq!(events.read(&client).unwrap(), (vec![0xff00_0001], true));
        drop(server);
        assert_eq!(events.read(&client).unwrap(), (Vec::new(), false));
    }
}
