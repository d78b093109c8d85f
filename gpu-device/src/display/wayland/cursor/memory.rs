//! What the host says about the memory of pointer images.

use tracing::{info, warn};
use wayland_client::{
    Connection, Dispatch, QueueHandle, event_created_child,
    protocol::wl_buffer::{self, WlBuffer},
};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self, ZwpLinuxBufferParamsV1,
};

use super::images::{Image, Images};
use crate::display::wayland::State;

impl Dispatch<WlBuffer, Image> for State {
    fn event(
        state: &mut Self,
        buffer: &WlBuffer,
        event: wl_buffer::Event,
        Image: &Image,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_buffer::Event::Release = event {
            state.images().for_each(|images| images.released(buffer));
        }
    }
}

impl Dispatch<ZwpLinuxBufferParamsV1, Image> for State {
    fn event(
        state: &mut Self,
        params: &ZwpLinuxBufferParamsV1,
        event: zwp_linux_buffer_params_v1::Event,
        Image: &Image,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwp_linux_buffer_params_v1::Event::Created { buffer } => {
                let mut images = state.images();
                if !images.any(|images| images.made(params, &buffer)) {
                    // The window is gone in the meantime.
                    buffer.destroy();
                }
            }
            zwp_linux_buffer_params_v1::Event::Failed => state.image_refused(params),
            _ => return,
        }
        params.destroy();
    }

    event_created_child!(State, ZwpLinuxBufferParamsV1, [
        zwp_linux_buffer_params_v1::EVT_CREATED_OPCODE => (WlBuffer, Image),
    ]);
}

impl State {
    /// Of the guest's pointers on windows, and of the host's own.
    fn images(&mut self) -> impl Iterator<Item = &mut Images> {
        let windows = self.scanouts.values_mut();
        let above = windows.filter_map(|record| record.window.as_mut()?.cursor.as_mut());
        let seats = self.hands.seats.iter_mut();
        let hosts = seats.filter_map(|seat| seat.pointer.as_mut()?.cursor.images());
        above.map(|cursor| &mut cursor.images).chain(hosts)
    }

    /// The host can't use a dma-buf for a pointer's image after all: from now on none is tried.
    fn image_refused(&mut self, params: &ZwpLinuxBufferParamsV1) {
        self.dma_bufs = None;
        let mut records = self.scanouts.values_mut();
        let refused = records.find_map(|record| {
            let cursor = record.window.as_mut()?.cursor.as_mut()?;
            let is_it = cursor.images.awaits(params);
            is_it.then_some((cursor, &mut record.pointer))
        });
        let Some((cursor, pointer)) = refused else {
            return;
        };
        info!("The host does not take a dma-buf for a pointer's image; using shared memory");
        match Images::shared(&self.globals, &self.handle) {
            Ok(images) => cursor.images = images,
            Err(error) => warn!("Making memory for a pointer image failed: {error}"),
        }
        pointer.image_stale = pointer.image.is_some();
    }
}
