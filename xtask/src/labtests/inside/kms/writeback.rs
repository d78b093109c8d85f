//! What a CRTC shows, through its writeback connector.
//!
//! Only the card's master may commit, so this is done while the compositor's seat is elsewhere: its last
//! frame stays on the planes, and nothing of them is touched here.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use drm::control::{AtomicCommitFlags, Device as _, atomic::AtomicModeReq, connector};

use super::card::{self, Card};
use crate::labtests::{picture::Picture, until};

/// The driver writes a picture within three refreshes.
const LIMIT: Duration = Duration::from_secs(5);

/// The picture on the first monitor of the card at `node`.
///
/// # Errors
///
/// When somebody else is the card's master, the monitor is off, or the card has no writeback connector.
pub fn capture(node: &Path) -> Result<Picture> {
    capture_with(&mut Card::open(node)?)
}

/// The same with a card that is open already.
///
/// # Errors
///
/// As [`capture`].
pub fn capture_with(card: &mut Card) -> Result<Picture> {
    let head = card.head()?;
    let mode = card
        .get_crtc(head.crtc)?
        .mode()
        .context("Reading back a picture: the CRTC is off")?;
    let (width, height) = mode.size();
    let writeback = card
        .connectors(|connector| connector.interface() == connector::Interface::Writeback)?
        .first()
        .context("Looking for a writeback connector: there is none")?
        .handle();
    let (mut buffer, framebuffer) = card.dumb(width.into(), height.into())?;
    let crtc = u64::from(u32::from(head.crtc));
    let mut request = AtomicModeReq::new();
    card.set(&mut request, writeback, "CRTC_ID", crtc)?;
    let number = u64::from(u32::from(framebuffer));
    card.set(&mut request, writeback, "WRITEBACK_FB_ID", number)?;
    card.atomic_commit(AtomicCommitFlags::ALLOW_MODESET, request)
        .context("Asking for a picture through the writeback connector")?;
    let stride = card::stride(&buffer)?;
    let (width, height) = (usize::from(width), usize::from(height));
    // Dumb buffers start as zeros, and of each pixel that is written the unused byte becomes 255.
    let bytes = until(LIMIT, || {
        let bytes = card::read(card, &mut buffer)?;
        let written = bytes.chunks_exact(stride).take(height).all(|row| {
            row.chunks_exact(4)
                .take(width)
                .all(|pixel| pixel[3] == 0xff)
        });
        Ok(written.then_some(bytes))
    })
    .context("Waiting for a picture from the writeback connector")?;
    let mut request = AtomicModeReq::new();
    card.set(&mut request, writeback, "CRTC_ID", 0)?;
    card.atomic_commit(AtomicCommitFlags::ALLOW_MODESET, request)
        .context("Letting go of the writeback connector")?;
    card.destroy_framebuffer(framebuffer)?;
    card.destroy_dumb_buffer(buffer)?;
    Picture::from_xrgb(&bytes, width, height, stride)
}
