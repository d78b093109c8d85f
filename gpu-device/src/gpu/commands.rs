//! Commands, one after the other: who carries out what, and the resource commands themselves.

use protocols::virtio_gpu::{
    BLOB_FLAG_CROSS_DEVICE, BLOB_FLAG_MAPPABLE, BLOB_FLAG_SHAREABLE, BLOB_MEM_GUEST, Command,
    ErrorCode, Format, MemEntry, Rect, Response,
};

use super::{
    Context, Gpu, Order, Outcome,
    cursor::CursorCommand,
    features,
    resources::{Blob, Kind, PictureResource, Resource},
    scanouts::BlobImage,
    three_d::twin_transfer,
};
use crate::renderer::{
    BlobOf, Request, Timeline,
    pixels::{
        convert::PIXEL,
        copy::{self, Source},
        picture::Picture,
        slots::{MAX_SIDE, stored_bytes},
    },
};

/// How many rings a 3D context has.
const RINGS: u8 = 64;

impl Gpu {
    /// Carries out one command. What the guest did wrong becomes an error response.
    pub(super) fn carry_out(
        &mut self,
        order: Order,
        command: Command,
        context: &mut Context<'_>,
    ) -> Outcome {
        let kind = command.kind();
        let outcome = self.try_to_carry_out(order, command, context);
        outcome.unwrap_or_else(|error| refused(kind, error))
    }

    /// Carries out a SUBMIT_3D, as [`Gpu::carry_out`] does.
    pub(super) fn carry_out_submission(
        &mut self,
        order: Order,
        commands: &[u8],
        context: &mut Context<'_>,
    ) -> Outcome {
        // What is asked is the same for all of them.
        let command = Command::Submit3d {
            commands: Vec::new(),
        };
        let outcome = check(order, &command, context)
            .and_then(|()| self.try_to_submit(order, commands, context));
        outcome.unwrap_or_else(|error| refused(command.kind(), error))
    }

    fn try_to_carry_out(
        &mut self,
        order: Order,
        command: Command,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        check(order, &command, context)?;
        let response = match command {
            Command::ResourceFlush { rect, resource_id } => {
                return self.flush(order, rect, resource_id, context);
            }
            Command::GetDisplayInfo => Response::OkDisplayInfo(Box::new(self.modes.display_info())),
            Command::GetEdid { scanout } => Response::OkEdid(self.modes.edid(scanout)?),
            Command::ResourceAssignUuid { resource_id } => {
                Response::OkResourceUuid(self.resources.get_mut(resource_id)?.uuid())
            }
            Command::SetScanout {
                rect,
                scanout_id,
                resource_id,
            } => {
                self.set_scanout(rect, scanout_id, resource_id, context)?;
                Response::OkNodata
            }
            Command::SetScanoutBlob {
                rect,
                scanout_id,
                resource_id,
                width,
                height,
                format,
                strides: [stride, ..],
                offsets: [offset, ..],
            } => {
                let image = BlobImage {
                    width,
                    height,
                    format,
                    stride,
                    offset,
                };
                self.set_scanout_blob(rect, scanout_id, resource_id, image, context)?;
                Response::OkNodata
            }
            Command::GetCapsetInfo { capset_index } => Self::capset_info(capset_index, context)?,
            Command::GetCapset {
                capset_id,
                capset_version,
            } => Self::capset(capset_id, capset_version, context)?,
            command @ (Command::UpdateCursor { .. } | Command::MoveCursor { .. }) => {
                self.cursor_command(&command, context)?;
                Response::OkNodata
            }
            command => return self.resource_command(order, command, context),
        };
        Ok(Outcome::Now(response))
    }

    fn cursor_command(
        &mut self,
        command: &Command,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        match *command {
            Command::UpdateCursor {
                scanout_id,
                x,
                y,
                resource_id,
                hot_x,
                hot_y,
            } => {
                let command = CursorCommand {
                    scanout_id,
                    x,
                    y,
                    resource_id,
                    hot_x,
                    hot_y,
                };
                self.update_cursor(command, context)
            }
            Command::MoveCursor {
                scanout_id,
                x,
                y,
                resource_id,
                hot_x,
                hot_y,
            } => {
                let command = CursorCommand {
                    scanout_id,
                    x,
                    y,
                    resource_id,
                    hot_x,
                    hot_y,
                };
                self.move_cursor(command, context)
            }
            _ => Err(ErrorCode::Unspec),
        }
    }

    fn resource_command(
        &mut self,
        order: Order,
        command: Command,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        match command {
            Command::ResourceCreate2d {
                resource_id,
                format,
                width,
                height,
            } => {
                self.create_2d(resource_id, format, width, height)?;
                Ok(Outcome::Now(Response::OkNodata))
            }
            Command::ResourceCreateBlob {
                resource_id,
                blob_mem,
                blob_flags,
                blob_id,
                size,
                entries,
            } => {
                let blob = BlobOf {
                    context: order.context,
                    memory: blob_mem,
                    flags: blob_flags,
                    id: blob_id,
                    size,
                };
                if blob_mem != BLOB_MEM_GUEST {
                    return self.create_host_blob(order, resource_id, blob, entries, context);
                }
                check_blob_flags(blob_flags)?;
                self.create_blob(resource_id, size, entries, context)?;
                Ok(Outcome::Now(Response::OkNodata))
            }
            Command::ResourceUnref { resource_id } => self.unref(order, resource_id, context),
            Command::ResourceAttachBacking {
                resource_id,
                entries,
            } => {
                self.attach_backing(resource_id, entries, context)?;
                self.also_attach(order, resource_id, context)
            }
            Command::ResourceDetachBacking { resource_id } => {
                self.detach_backing(order, resource_id, context)
            }
            Command::TransferToHost2d {
                rect,
                offset,
                resource_id,
            } => self.transfer_2d(order, resource_id, rect, offset, context),
            command => self.command_of_3d(order, command, context),
        }
    }

    fn create_2d(
        &mut self,
        id: u32,
        format: u32,
        width: u32,
        height: u32,
    ) -> Result<(), ErrorCode> {
        self.resources.insert(id, &mut self.quota, |quota| {
            let format = Format::try_from(format).map_err(|_| ErrorCode::InvalidParameter)?;
            let sides = 1..=MAX_SIDE;
            if !sides.contains(&width) || !sides.contains(&height) {
                return Err(ErrorCode::InvalidParameter);
            }
            let bytes = stored_bytes(width, height);
            quota.take_bytes(bytes)?;
            let picture = Picture::new(width, height).map_err(|_| {
                quota.give_bytes(bytes);
                ErrorCode::OutOfMemory
            })?;
            let picture = PictureResource {
                format,
                picture,
                copied: 0,
            };
            Ok(Resource::new(Kind::Picture(Box::new(picture))))
        })
    }

    fn create_blob(
        &mut self,
        id: u32,
        size: u64,
        entries: Vec<MemEntry>,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        self.resources.insert(id, &mut self.quota, |quota| {
            let named = entries
                .iter()
                .fold(0, |sum: u64, entry| sum.saturating_add(entry.length.into()));
            if size == 0 || (!entries.is_empty() && named < size) {
                return Err(ErrorCode::InvalidParameter);
            }
            let mut resource = Resource::new(Kind::Blob(Blob::new(size)));
            resource.attach(entries, context.ram, quota)?;
            Ok(resource)
        })
    }

    fn unref(
        &mut self,
        order: Order,
        id: u32,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let rendered = self.resources.get(id)?.is_rendered();
        self.forget_resource(id, context);
        Ok(self.also(order, rendered, Request::Unref(id), context))
    }

    /// Drops a resource. What is on the screen stays there.
    pub(super) fn forget_resource(&mut self, id: u32, context: &mut Context<'_>) {
        self.keep_pictures_of(id, context);
        self.stop_showing(id, context);
        self.forget_in_3d(id, context);
        let Ok(resource) = self.resources.remove(id, &mut self.quota) else {
            return;
        };
        for buffer in resource.buffers() {
            self.imports.forget(context.display, buffer);
        }
        self.residents.retain(|resident| *resident != id);
    }

    fn attach_backing(
        &mut self,
        id: u32,
        entries: Vec<MemEntry>,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let resource = self.resources.get_mut(id)?;
        if matches!(&resource.kind, Kind::Host(host) if !host.takes_backing()) {
            return Err(ErrorCode::Unspec);
        }
        resource.attach(entries, context.ram, &mut self.quota)?;
        if matches!(resource.kind, Kind::Blob(_)) {
            self.show_everywhere(id, context);
        }
        Ok(())
    }

    fn detach_backing(
        &mut self,
        order: Order,
        id: u32,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        self.keep_pictures_of(id, context);
        let resource = self.resources.get_mut(id)?;
        if !resource.drop_backing(&mut self.quota) {
            return Err(ErrorCode::Unspec);
        }
        let rendered = resource.is_rendered();
        if matches!(resource.kind, Kind::Blob(_)) {
            // The guest uses these pages for something else now.
            self.take_back(id, context);
        }
        Ok(self.also(order, rendered, Request::DetachBacking(id), context))
    }

    fn transfer_2d(
        &mut self,
        order: Order,
        id: u32,
        rect: Rect,
        offset: u64,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        if !self.transfer_to_host(id, rect, offset)? {
            return Ok(Outcome::Now(Response::OkNodata));
        }
        let request = Request::TransferToHost(twin_transfer(id, rect, offset));
        Ok(self.also(order, true, request, context))
    }

    /// Returns whether the renderer has a twin that is to get these pixels, too.
    fn transfer_to_host(&mut self, id: u32, rect: Rect, offset: u64) -> Result<bool, ErrorCode> {
        let resource = self.resources.get_mut(id)?;
        let rendered = resource.is_rendered();
        let (kind, backing) = resource.parts();
        let backing = backing.ok_or(ErrorCode::Unspec)?;
        let resource = match kind {
            Kind::Picture(picture) => picture,
            // Linux sends it for every dumb buffer; the pixels of a blob are there already.
            Kind::Blob(_) => return Ok(false),
            Kind::Host(_) => return Err(ErrorCode::InvalidParameter),
        };
        let whole = resource.picture.whole();
        if !whole.contains(&rect) {
            return Err(ErrorCode::InvalidParameter);
        }
        if rect.is_empty() {
            return Ok(false);
        }
        // The command has no stride: rows in the guest's memory have no gaps.
        let stride = whole.width.saturating_mul(PIXEL);
        let last_row = u64::from(stride).saturating_mul(u64::from(rect.height).saturating_sub(1));
        let row = u64::from(rect.width).saturating_mul(PIXEL.into());
        let end = offset
            .checked_add(last_row)
            .and_then(|end| end.checked_add(row));
        if end.is_none_or(|end| end > backing.len()) {
            return Err(ErrorCode::InvalidParameter);
        }
        let source = Source {
            backing,
            offset,
            stride,
            format: resource.format,
        };
        let (canvas, carried) = resource
            .picture
            .begin_write(rect)
            .map_err(|_| ErrorCode::OutOfMemory)?;
        let copied = copy::from_guest(&source, &canvas, &rect, &mut self.row);
        let copied = copied
            .map_err(|_| ErrorCode::Unspec)?
            .saturating_add(carried);
        resource.copied = resource.copied.saturating_add(copied);
        Ok(rendered)
    }
}

/// Whether the device has what a command belongs to, and where it says that it is.
fn check(order: Order, command: &Command, context: &Context<'_>) -> Result<(), ErrorCode> {
    features::check(command, context.renderer.capsets())?;
    match order.fence.map(|fence| fence.timeline) {
        Some(Timeline::Ring { ring, .. }) if ring >= RINGS => Err(ErrorCode::InvalidParameter),
        _ => Ok(()),
    }
}

/// The outcome of what the guest did wrong.
fn refused(kind: u32, error: ErrorCode) -> Outcome {
    tracing::debug!(
        kind = format_args!("{kind:#06x}"),
        ?error,
        "a command was refused"
    );
    Outcome::Now(Response::Err(error))
}

fn check_blob_flags(flags: u32) -> Result<(), ErrorCode> {
    let known = BLOB_FLAG_MAPPABLE | BLOB_FLAG_SHAREABLE | BLOB_FLAG_CROSS_DEVICE;
    match flags & !known {
        0 => Ok(()),
        _ => Err(ErrorCode::InvalidParameter),
    }
}
