//! QEMU's end of the display socket of `vhost-user-gpu-pci`: where a peer hands its frames over.
//!
//! Answers what devices ask there and takes their pixels into a picture, as QEMU does (its
//! `docs/interop/vhost-user-gpu.rst` and `hw/display/vhost-user-gpu.c`); frames that come as dma-bufs
//! are taken as by a QEMU whose graphics card is infinitely fast. On a thread of the benchmark: what it
//! costs is no part of the device's figures.

mod message;
mod picture;

use std::{
    io,
    os::unix::net::UnixStream,
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use protocols::virtio_gpu::{Header, Rect, Response};
use rustix::time::{ClockId, clock_gettime};

use self::{
    message::{Channel, Message, Update},
    picture::Picture,
};
use super::monitor::Monitor;
use crate::bench::stopwatch::{Arrival, What};

/// Plays the display of one guest.
#[derive(Debug)]
pub struct Display {
    sockets: Sender<UnixStream>,
    thread: JoinHandle<Option<Picture>>,
}

impl Display {
    /// Starts the display of a guest, without a socket yet. Each update that it has taken goes to
    /// `arrivals`.
    ///
    /// # Errors
    /// The monitor can't be described to a guest, or there can be no thread.
    pub fn start(
        guest: usize,
        monitor: Monitor,
        arrivals: Sender<Arrival>,
    ) -> anyhow::Result<Self> {
        let edid = monitor.edid()?;
        let (sockets, opened) = channel::<UnixStream>();
        let play = move || {
            let mut screen = Screen {
                guest,
                monitor,
                edid,
                arrivals,
                size: None,
                picture: None,
            };
            for socket in opened {
                if let Err(error) = screen.serve(&mut Channel::new(socket)) {
                    tracing::warn!(guest, "A device's display socket is given up: {error:#}");
                }
            }
            screen.picture
        };
        let thread = thread::Builder::new().name(format!("display {guest}"));
        Ok(Self {
            sockets,
            thread: thread.spawn(play)?,
        })
    }

    /// Where each display socket goes that the VMM opens. The display ends by itself when all of these
    /// are gone and the device has closed the last socket.
    #[must_use]
    pub fn sockets(&self) -> Sender<UnixStream> {
        self.sockets.clone()
    }

    /// Waits for that end, and returns the picture that was shown last: width, height and the pixels
    /// as XRGB8888 in memory's order, rows without gaps. `None` if nothing is shown.
    #[must_use]
    pub fn finish(self) -> Option<(u32, u32, Vec<u8>)> {
        drop(self.sockets);
        // A display that has panicked shows nothing.
        let picture = self.thread.join().ok()??;
        let (width, height) = picture.size();
        Some((width, height, picture.into_pixels()))
    }
}

/// What the display knows.
struct Screen {
    guest: usize,
    monitor: Monitor,
    edid: Vec<u8>,
    arrivals: Sender<Arrival>,
    /// The size of the first scanout; `None` while it is off.
    size: Option<(u32, u32)>,
    /// What is shown there, where it came as pixels.
    picture: Option<Picture>,
}

impl Screen {
    /// Serves a device until it closes the socket.
    fn serve(&mut self, device: &mut Channel) -> anyhow::Result<()> {
        while let Some(message) = device.receive().context("Could not read")? {
            self.obey(message, device)?;
        }
        Ok(())
    }

    fn obey(&mut self, message: Message, device: &mut Channel) -> anyhow::Result<()> {
        match message {
            Message::GetProtocolFeatures => device.answer_features()?,
            Message::GetDisplayInfo => {
                let info = Response::OkDisplayInfo(Box::new(self.monitor.display_info()));
                answer(device, message::GET_DISPLAY_INFO, &info)?;
            }
            Message::GetEdid { scanout } => {
                let edid = if scanout == 0 { &self.edid[..] } else { &[] };
                let edid = Response::OkEdid(edid.to_owned());
                answer(device, message::GET_EDID, &edid)?;
            }
            Message::Scanout {
                scanout,
                width,
                height,
            } => {
                if scanout == 0 {
                    self.picture = Picture::new(width, height);
                    self.size = self.picture.as_ref().map(Picture::size);
                }
            }
            Message::DmaBufScanout {
                scanout,
                width,
                height,
            } => {
                if scanout == 0 {
                    self.picture = None;
                    self.size = (width > 0).then_some((width, height));
                }
            }
            Message::Update(update) => self.update(&update, device)?,
            Message::DmaBufUpdate(update) => {
                // The card is done at once.
                self.arrived(What::Window, &update);
                device.answer(message::DMABUF_UPDATE, &[])?;
            }
            Message::Pointer(what) => self.arrived(what, &Update::default()),
            Message::SetProtocolFeatures => {}
        }
        Ok(())
    }

    /// Takes pixels: from the socket into a buffer, and from there into the picture, as QEMU does.
    fn update(&mut self, update: &Update, device: &mut Channel) -> anyhow::Result<()> {
        let pixels = device.pixels(update)?;
        if update.scanout == 0 {
            let picture = self.picture.as_mut();
            let picture = picture.context("It updates a scanout that it has not set up")?;
            picture.draw(update.rect, pixels)?;
        }
        self.arrived(What::Window, update);
        Ok(())
    }

    fn arrived(&self, what: What, update: &Update) {
        let Rect { width, height, .. } = update.rect;
        // Who no longer listens has ended its measurement.
        let _ = self.arrivals.send(Arrival {
            at: now(),
            guest: self.guest,
            what,
            buffer: self.size,
            damage: u64::from(width).saturating_mul(height.into()),
        });
    }
}

/// Answers with the structure that a guest's command would be answered with.
fn answer(device: &mut Channel, request: u32, response: &Response) -> io::Result<()> {
    let mut bytes = Vec::new();
    response.encode(&Header::default(), &mut bytes);
    device.answer(request, &bytes)
}

/// `CLOCK_MONOTONIC`, which never goes backwards and is the same in all processes.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests;
