//! Commands, one after the other: who carries out what, and the resource commands themselves.

use protocols::virtio_gpu::{
    BLOB_FLAG_CROSS_DEVICE, BLOB_FLAG_MAPPABLE, BLOB_FLAG_SHAREABLE, BLOB_MEM_GUEST, Command,
    ErrorCode, Format, MemEntry, Rect, Response,
};

use super::{
    Context, Gpu, Reply,
    cursor::CursorCommand,
    features,
    resources::{Blob, Kind, PictureResource, Resource},
    scanouts::BlobImage,
};
use crate::renderer::pixels::{
    convert::PIXEL,
    copy::{self, Source},
    picture::Picture,
    slots::{MAX_SIDE, stored_bytes},
};

impl Gpu {
    /// Carries out one command.
    pub(super) fn carry_out(
        &mut self,
        fenced: bool,
        command: Command,
        context: &mut Context<'_>,
    ) -> Result<Reply, ErrorCode> {
        features::check(&command)?;
        let response = match command {
            Command::ResourceFlush { rect, resource_id } => {
                return self.flush(fenced, rect, resource_id, context);
            }
            Command::GetDisplayInfo => Response::OkDisplayInfo(self.modes.display_info()),
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
            command @ (Command::UpdateCursor { .. } | Command::MoveCursor { .. }) => {
                self.cursor_command(&command, context)?;
                Response::OkNodata
            }
            command => {
                self.resource_command(command, context)?;
                Response::OkNodata
            }
        };
        Ok(Reply::Now(response))
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
        command: Command,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        match command {
            Command::ResourceCreate2d {
                resource_id,
                format,
                width,
                height,
            } => self.create_2d(resource_id, format, width, height),
            Command::ResourceCreateBlob {
                resource_id,
                blob_mem,
                blob_flags,
                size,
                entries,
                ..
            } => {
                check_blob_kind(blob_mem, blob_flags)?;
                self.create_blob(resource_id, size, entries, context)
            }
            Command::ResourceUnref { resource_id } => self.unref(resource_id, context),
            Command::ResourceAttachBacking {
                resource_id,
                entries,
            } => self.attach_backing(resource_id, entries, context),
            Command::ResourceDetachBacking { resource_id } => {
                self.detach_backing(resource_id, context)
            }
            Command::TransferToHost2d {
                rect,
                offset,
                resource_id,
            } => self.transfer_to_host(resource_id, rect, offset),
            // The others were carried out or refused before.
            _ => Err(ErrorCode::Unspec),
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

    fn unref(&mut self, id: u32, context: &mut Context<'_>) -> Result<(), ErrorCode> {
        self.resources.get(id)?;
        self.keep_pictures_of(id, context);
        self.stop_showing(id, context.now);
        let resource = self.resources.remove(id, &mut self.quota)?;
        for buffer in resource.buffers() {
            self.imports.forget(context.display, buffer);
        }
        self.residents.retain(|resident| *resident != id);
        Ok(())
    }

    fn attach_backing(
        &mut self,
        id: u32,
        entries: Vec<MemEntry>,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let resource = self.resources.get_mut(id)?;
        resource.attach(entries, context.ram, &mut self.quota)?;
        if matches!(resource.kind, Kind::Blob(_)) {
            self.show_everywhere(id, context);
        }
        Ok(())
    }

    fn detach_backing(&mut self, id: u32, context: &mut Context<'_>) -> Result<(), ErrorCode> {
        self.keep_pictures_of(id, context);
        let resource = self.resources.get_mut(id)?;
        if !resource.drop_backing(&mut self.quota) {
            return Err(ErrorCode::Unspec);
        }
        if matches!(resource.kind, Kind::Blob(_)) {
            // The guest uses these pages for something else now.
            self.take_back(id, context);
        }
        Ok(())
    }

    fn transfer_to_host(&mut self, id: u32, rect: Rect, offset: u64) -> Result<(), ErrorCode> {
        let (kind, backing) = self.resources.get_mut(id)?.parts();
        let backing = backing.ok_or(ErrorCode::Unspec)?;
        let Kind::Picture(resource) = kind else {
            // Linux sends it for every dumb buffer; the pixels of a blob are there already.
            return Ok(());
        };
        let whole = resource.picture.whole();
        if !whole.contains(&rect) {
            return Err(ErrorCode::InvalidParameter);
        }
        if rect.is_empty() {
            return Ok(());
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
        Ok(())
    }
}

/// Only guest memory can be a blob; the other kinds are made by 3D contexts.
fn check_blob_kind(blob_mem: u32, blob_flags: u32) -> Result<(), ErrorCode> {
    let known = BLOB_FLAG_MAPPABLE | BLOB_FLAG_SHAREABLE | BLOB_FLAG_CROSS_DEVICE;
    if blob_mem != BLOB_MEM_GUEST || blob_flags & !known != 0 {
        return Err(ErrorCode::InvalidParameter);
    }
    Ok(())
}
