//! Drawing with libvirglrenderer.

use std::{io::ErrorKind, os::fd::BorrowedFd, sync::Arc};

use protocols::{render::Lack, virtio_gpu::ErrorCode};
use tracing::debug;

use super::{
    super::{
        Capset, Done, Fence, Request, Versions,
        virgl::{Failure, Library, Listener, LoadError, Settings, StartError, Virgl},
    },
    Backend, Lacking, Memory,
};

/// Loads and starts the library. A listener hears of fences at once, where that is possible.
///
/// # Errors
/// What it takes and the host has not.
pub(super) fn start(settings: &Settings, listener: Option<Listener>) -> Result<Virgl, Lacking> {
    let library = Library::load().map_err(|error| match error {
        LoadError::Missing(text) => Lacking::new(Lack::Library, text),
        LoadError::TooOld(text) => Lacking::new(Lack::NewerLibrary, text),
    })?;
    Virgl::start(library, settings, listener).map_err(lacking)
}

/// What is missing, in words without the remedy: that is found by who reads it.
fn lacking(error: StartError) -> Lacking {
    match error {
        StartError::Node { path, reason } => {
            let lack = match reason.kind() {
                ErrorKind::PermissionDenied => Lack::Permission,
                _ => Lack::Node,
            };
            Lacking::new(lack, format!("{}: {reason}", path.display()))
        }
        StartError::NoGl(text) => Lacking::new(Lack::Egl, text),
        StartError::Refused(answer) => {
            Lacking::new(Lack::Egl, format!("libvirglrenderer answers {answer}"))
        }
        StartError::NoVenus => Lacking::new(Lack::Server, ""),
        error @ (StartError::AlreadyStarted | StartError::Nothing) => {
            Lacking::new(Lack::Other, error)
        }
    }
}

impl Backend for Virgl {
    fn capsets(&self) -> &[Capset] {
        Virgl::capsets(self)
    }

    fn versions(&self) -> &Versions {
        Virgl::versions(self)
    }

    fn carry_out(&mut self, request: &Request<'_>, memory: &Memory) -> Result<Done, ErrorCode> {
        let done = match *request {
            Request::CreateContext {
                context,
                capset,
                name,
            } => self.create_context(context, capset, name),
            Request::DestroyContext(context) => self.destroy_context(context),
            Request::AttachToContext { context, resource } => {
                self.attach_to_context(context, resource)
            }
            Request::DetachFromContext { context, resource } => {
                self.detach_from_context(context, resource)
            }
            Request::CreateTexture { resource, texture } => self.create_texture(resource, &texture),
            Request::CreateBlob {
                resource,
                blob,
                entries,
            } => {
                let backing = match entries {
                    [] => None,
                    entries => Some(memory.backing(entries)?),
                };
                self.create_blob(resource, &blob, backing)
            }
            Request::AttachBacking { resource, entries } => {
                self.attach_backing(resource, memory.backing(entries)?)
            }
            Request::DetachBacking(resource) => self.detach_backing(resource),
            Request::Unref(resource) => self.unref(resource),
            Request::TransferToHost(transfer) => self.transfer_to_host(&transfer),
            Request::TransferFromHost(transfer) => self.transfer_from_host(&transfer),
            Request::Submit { context, commands } => self.submit(context, commands),
            Request::Map(resource) => {
                let mapped = self.map(resource).map_err(told)?;
                return Ok(Done::Mapped(mapped));
            }
            Request::Unmap(resource) => self.unmap(resource),
            Request::Export(resource) => {
                return Ok(match self.export(resource) {
                    Ok(image) => Done::Exported(Arc::new(image)),
                    Err(refused) => Done::NotExported(refused),
                });
            }
            Request::ReadBack {
                resource,
                part,
                target,
            } => {
                let lent = memory.lent(target.memory)?;
                let len = usize::try_from(lent.size()).map_err(|_| ErrorCode::Unspec)?;
                let whole = lent.slice(0, len).ok_or(ErrorCode::Unspec)?;
                self.read_back(resource, part, &whole, target.offset, target.stride)
            }
            Request::Nothing => Ok(()),
        };
        done.map(|()| Done::Nothing).map_err(told)
    }

    fn fence(&mut self, fence: Fence) -> Result<(), ErrorCode> {
        Virgl::fence(self, fence).map_err(told)
    }

    fn poll(&mut self) {
        Virgl::poll(self);
    }

    fn take_reached(&mut self) -> Vec<Fence> {
        Virgl::take_reached(self)
    }

    fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        Virgl::poll_fds(self)
    }

    fn needs_polling(&self) -> bool {
        Virgl::needs_polling(self)
    }

    fn look_after_contexts(&mut self) {
        Virgl::look_after_contexts(self);
    }

    fn reset(&mut self) {
        Virgl::reset(self);
    }
}

/// What the guest is told of a failure that it may have caused itself.
fn told(failure: Failure) -> ErrorCode {
    debug!("{failure}");
    failure.code()
}
