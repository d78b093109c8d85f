//! The commands of 3D by their names: contexts, textures, streams, blobs of the host. Each waits until
//! the device has done it, unless it says otherwise.

use protocols::virtio_gpu::{
    BLOB_FLAG_MAPPABLE, BLOB_MEM_HOST3D, Box3d, Command, Header, Response,
};

use super::{Driver, DriverError, Ticket, commands::unexpected};
use crate::virgl::{
    Stream,
    numbers::{FORMAT_R8, bind, target},
};

/// What a set of capabilities is called and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapsetInfo {
    /// Which one, such as [`protocols::virtio_gpu::CAPSET_VIRGL2`].
    pub id: u32,
    /// The newest version that there is.
    pub version: u32,
    /// Its size in bytes.
    pub size: u32,
}

/// What is asked of RESOURCE_CREATE_3D, in the numbers of [`crate::virgl::numbers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texture {
    /// What it is, such as [`target::TEXTURE_2D`].
    pub target: u32,
    /// Its pixels.
    pub format: u32,
    /// What it is for, such as [`bind::RENDER_TARGET`].
    pub bind: u32,
    /// Width in pixels, or bytes of a buffer.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Depth in pixels.
    pub depth: u32,
    /// Layers.
    pub array_size: u32,
    /// The number of the smallest mipmap.
    pub last_level: u32,
    /// Samples of a pixel, 0 for one.
    pub samples: u32,
    /// [`crate::virgl::numbers::RESOURCE_Y_0_TOP`] or 0.
    pub flags: u32,
}

impl Texture {
    /// A picture that is drawn to and shown.
    #[must_use]
    pub const fn screen(format: u32, width: u32, height: u32) -> Self {
        Self {
            target: target::TEXTURE_2D,
            format,
            bind: bind::RENDER_TARGET | bind::SAMPLER_VIEW | bind::SCANOUT | bind::SHARED,
            width,
            height,
            depth: 1,
            array_size: 1,
            last_level: 0,
            samples: 0,
            flags: 0,
        }
    }

    /// Bytes, for a purpose such as [`bind::VERTEX_BUFFER`].
    #[must_use]
    pub const fn buffer(bytes: u32, bind: u32) -> Self {
        Self {
            target: target::BUFFER,
            format: FORMAT_R8,
            bind,
            width: bytes,
            height: 1,
            depth: 1,
            array_size: 1,
            last_level: 0,
            samples: 0,
            flags: 0,
        }
    }

    /// The command that makes it.
    #[must_use]
    pub const fn command(self, resource_id: u32) -> Command {
        Command::ResourceCreate3d {
            resource_id,
            target: self.target,
            format: self.format,
            bind: self.bind,
            width: self.width,
            height: self.height,
            depth: self.depth,
            array_size: self.array_size,
            last_level: self.last_level,
            nr_samples: self.samples,
            flags: self.flags,
        }
    }
}

/// Which part of a 3D resource, and where in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    /// The part.
    pub area: Box3d,
    /// Which mipmap.
    pub level: u32,
    /// Bytes from the start of the memory.
    pub offset: u64,
    /// Bytes from row to row, 0 for no gaps.
    pub stride: u32,
    /// Bytes from layer to layer, 0 for no gaps.
    pub layer_stride: u32,
}

impl Piece {
    /// All pixels of a picture, its rows without gaps.
    #[must_use]
    pub const fn whole(width: u32, height: u32) -> Self {
        Self {
            area: Box3d {
                x: 0,
                y: 0,
                z: 0,
                width,
                height,
                depth: 1,
            },
            level: 0,
            offset: 0,
            stride: 0,
            layer_stride: 0,
        }
    }
}

/// Which timeline a fence is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timeline {
    /// The device's own.
    Device,
    /// A ring of the command's context, below 64.
    Ring(u8),
}

impl Driver {
    /// A context's id that was not used since the last reset; Linux counts from 1, too.
    pub fn new_context_id(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }

    /// Which set of capabilities has this index; there are as many as the configuration space says.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn capset_info(&mut self, capset_index: u32) -> Result<CapsetInfo, DriverError> {
        match self.ask(&Command::GetCapsetInfo { capset_index })? {
            Response::OkCapsetInfo {
                capset_id,
                max_version,
                max_size,
            } => Ok(CapsetInfo {
                id: capset_id,
                version: max_version,
                size: max_size,
            }),
            other => Err(unexpected("GetCapsetInfo", &other)),
        }
    }

    /// A set of capabilities.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn capset(&mut self, capset_id: u32, capset_version: u32) -> Result<Vec<u8>, DriverError> {
        let command = Command::GetCapset {
            capset_id,
            capset_version,
        };
        match self.ask(&command)? {
            Response::OkCapset(data) => Ok(data),
            other => Err(unexpected("GetCapset", &other)),
        }
    }

    /// Makes a context for a capset, 0 for none named (needs no CONTEXT_INIT).
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn create_context(
        &mut self,
        context: u32,
        capset: u32,
        name: &str,
    ) -> Result<(), DriverError> {
        let mut debug_name = [0; 64];
        let bytes = name.bytes().take(debug_name.len());
        let name_length = u32::try_from(bytes.len()).unwrap_or(0);
        for (place, byte) in debug_name.iter_mut().zip(bytes) {
            *place = byte;
        }
        let command = Command::CtxCreate {
            context_init: capset,
            name_length,
            debug_name,
        };
        self.order_in(context, &command)
    }

    /// Destroys a context.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn destroy_context(&mut self, context: u32) -> Result<(), DriverError> {
        self.order_in(context, &Command::CtxDestroy)
    }

    /// Lets a context use a resource.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn attach_resource(&mut self, context: u32, resource_id: u32) -> Result<(), DriverError> {
        self.order_in(context, &Command::CtxAttachResource { resource_id })
    }

    /// Stops that.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn detach_resource(&mut self, context: u32, resource_id: u32) -> Result<(), DriverError> {
        self.order_in(context, &Command::CtxDetachResource { resource_id })
    }

    /// Makes a texture or a buffer of the host's memory.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn create_3d(&mut self, resource_id: u32, texture: Texture) -> Result<(), DriverError> {
        self.order(&texture.command(resource_id))
    }

    /// Copies from the memory behind a texture into it.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn transfer_to_host_3d(
        &mut self,
        context: u32,
        resource_id: u32,
        piece: Piece,
    ) -> Result<(), DriverError> {
        let command = Command::TransferToHost3d {
            area: piece.area,
            offset: piece.offset,
            resource_id,
            level: piece.level,
            stride: piece.stride,
            layer_stride: piece.layer_stride,
        };
        self.order_in_fenced(context, &command)
    }

    /// Copies from a texture into the memory behind it. What was drawn before is in it.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn transfer_from_host_3d(
        &mut self,
        context: u32,
        resource_id: u32,
        piece: Piece,
    ) -> Result<(), DriverError> {
        let command = Command::TransferFromHost3d {
            area: piece.area,
            offset: piece.offset,
            resource_id,
            level: piece.level,
            stride: piece.stride,
            layer_stride: piece.layer_stride,
        };
        self.order_in_fenced(context, &command)
    }

    /// Has a stream carried out, with a fence: the ticket is answered when all of it is drawn. Does not
    /// wait.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn submit_3d(
        &mut self,
        context: u32,
        stream: &Stream,
        timeline: Timeline,
    ) -> Result<Ticket, DriverError> {
        let header = Header {
            fence: Some(self.new_fence()),
            ctx_id: context,
            ring_idx: match timeline {
                Timeline::Device => None,
                Timeline::Ring(ring) => Some(ring),
            },
            ..Header::default()
        };
        self.submit_with(&submit(stream), header)
    }

    /// Has a stream carried out and waits until all of it is drawn.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn run_3d(&mut self, context: u32, stream: &Stream) -> Result<(), DriverError> {
        let ticket = self.submit_3d(context, stream, Timeline::Device)?;
        self.wait(ticket, self.options.timeout)?.done()
    }

    /// Makes a resource of memory that a context calls `blob_id`.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn create_host_blob(
        &mut self,
        context: u32,
        resource_id: u32,
        blob_id: u64,
        size: u64,
    ) -> Result<(), DriverError> {
        let command = Command::ResourceCreateBlob {
            resource_id,
            blob_mem: BLOB_MEM_HOST3D,
            blob_flags: BLOB_FLAG_MAPPABLE,
            blob_id,
            size,
            entries: Vec::new(),
        };
        self.order_in(context, &command)
    }

    /// Has the VMM map a blob into the host-visible region, `offset` bytes from its start. Returns how
    /// the guest must map it (1 cached, 2 uncached, 3 write-combined).
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn map_blob(&mut self, resource_id: u32, offset: u64) -> Result<u32, DriverError> {
        let command = Command::MapBlob {
            resource_id,
            offset,
        };
        match self.ask(&command)? {
            Response::OkMapInfo { map_info } => Ok(map_info),
            other => Err(unexpected("MapBlob", &other)),
        }
    }

    /// Has the VMM unmap it.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn unmap_blob(&mut self, resource_id: u32) -> Result<(), DriverError> {
        self.order(&Command::UnmapBlob { resource_id })
    }

    /// Sends a command of a context and waits until it is done.
    ///
    /// # Errors
    /// The device refuses, or there is no valid answer in time.
    pub fn order_in(&mut self, context: u32, command: &Command) -> Result<(), DriverError> {
        let header = Header {
            ctx_id: context,
            ..Header::default()
        };
        let ticket = self.submit_with(command, header)?;
        self.wait(ticket, self.options.timeout)?.done()
    }

    fn order_in_fenced(&mut self, context: u32, command: &Command) -> Result<(), DriverError> {
        let header = Header {
            ctx_id: context,
            fence: Some(self.new_fence()),
            ..Header::default()
        };
        let ticket = self.submit_with(command, header)?;
        self.wait(ticket, self.options.timeout)?.done()
    }
}

/// The command that has a stream carried out.
pub(crate) fn submit(stream: &Stream) -> Command {
    Command::Submit3d {
        commands: stream.to_bytes(),
    }
}
