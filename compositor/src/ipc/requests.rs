//! What the requests of the control socket do.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use calloop::RegistrationToken;
use protocols::ipc::{
    Answer, DeviceStats, ErrorCode, GuestStats, Reply, Request, Screenshot, ScreenshotTarget,
    device::{Asked, DeviceRequest},
};
use tracing::warn;

use super::server::ClientId;
use crate::{
    app::App,
    delay::{Delay, Then},
    host::Host,
    screenshot::Image,
};

/// How long a device may take to send its counters. One that hangs is left out of the answer.
const STATS_LIMIT: Duration = Duration::from_millis(500);

/// A request for counters, while devices are asked.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) client: ClientId,
    missing: BTreeSet<String>,
    stats: Vec<GuestStats>,
    timer: Option<RegistrationToken>,
}

impl<H: Host> App<H> {
    /// Does what a client asks for. `None`: the reply comes later, through
    /// [`reply`](Self::reply).
    pub(super) fn request(&mut self, client: ClientId, request: Request) -> Option<Reply> {
        let done = Some(Reply::Ok(Answer::Done));
        match request {
            Request::Guests => Some(Reply::Ok(Answer::Guests(self.guests.describe()))),
            Request::Outputs => Some(match self.host.outputs() {
                Ok(outputs) => Reply::Ok(Answer::Outputs(outputs)),
                Err(error) => Reply::Error(error),
            }),
            Request::Stats { guest } => self.gather_stats(client, guest),
            Request::Screenshot { target, path } => self.save_screenshot(client, &target, path),
            Request::Restart { guest } => self.unknown(&guest).or_else(|| {
                self.restart_guest(&guest);
                done
            }),
            Request::Resize {
                guest,
                scanout,
                width,
                height,
            } => self.unknown(&guest).or_else(|| {
                match self.host.resize(&guest, scanout, width, height) {
                    Ok(()) => done,
                    Err(error) => Some(Reply::Error(error)),
                }
            }),
            Request::Focus { guest } => {
                self.unknown(&guest)
                    .or_else(|| match self.host.focus(&guest) {
                        Ok(()) => done,
                        Err(error) => Some(Reply::Error(error)),
                    })
            }
            Request::Input { guest, action } => self.use_hands(client, guest, action),
            Request::Scanout {
                guest,
                scanout,
                size,
            } => self.plug(client, guest, scanout, size),
            Request::Machine { guest, action } => {
                self.unknown(&guest)
                    .or_else(|| match self.guests.machine(&guest, action) {
                        Ok(()) => done,
                        Err(error) => Some(Reply::Error(error)),
                    })
            }
            Request::Attach { guest, display } => {
                self.unknown(&guest)
                    .or_else(|| match self.show_guest(&guest, display.as_deref()) {
                        Ok(true) => self.await_answer(client, guest, Asked::Attach),
                        Ok(false) => done,
                        Err(error) => Some(Reply::Error(error)),
                    })
            }
            Request::Detach { guest } => self.unknown(&guest).or_else(|| {
                match self.guests.ask(&guest, &DeviceRequest::Detach) {
                    Ok(()) => self.await_answer(client, guest, Asked::Detach),
                    Err(error) => Some(Reply::Error(error)),
                }
            }),
            Request::Quit => {
                self.quit();
                done
            }
        }
    }

    pub(super) fn unknown(&self, guest: &str) -> Option<Reply> {
        if self.guests.contains(guest) {
            return None;
        }
        let known: Vec<&str> = self.guests.names().collect();
        let known = if known.is_empty() {
            "There is none here".to_owned()
        } else {
            format!("There is {}", known.join(", "))
        };
        let text = format!("Could not find a guest {guest}. {known}");
        Some(Reply::error(ErrorCode::UnknownGuest, text))
    }

    fn gather_stats(&mut self, client: ClientId, guest: Option<String>) -> Option<Reply> {
        let wanted: Vec<String> = match guest {
            Some(guest) => {
                if let Some(refusal) = self.unknown(&guest) {
                    return Some(refusal);
                }
                vec![guest]
            }
            None => self.guests.names().map(str::to_owned).collect(),
        };
        let mut pending = Pending {
            client,
            missing: BTreeSet::new(),
            stats: Vec::new(),
            timer: None,
        };
        for guest in wanted {
            if self.guests.ask_for_stats(&guest) {
                pending.missing.insert(guest);
            }
        }
        if pending.missing.is_empty() {
            return Some(pending.reply());
        }
        let timer = Delay::new(STATS_LIMIT);
        let timer = self
            .handle
            .insert_source(timer, move |(), (), app: &mut Self| {
                app.finish_stats(|pending| {
                    let is_it = pending.client == client;
                    if is_it {
                        pending.timer = None;
                        let missing = &pending.missing;
                        warn!("No counters came in time from the devices of {missing:?}");
                    }
                    is_it
                });
                Then::Over
            });
        match timer {
            Ok(timer) => pending.timer = Some(timer),
            Err(error) => {
                let text = format!("Could not wait for the devices' answers: {}", error.error);
                return Some(Reply::error(ErrorCode::Failed, text));
            }
        }
        self.ipc.pending.push(pending);
        None
    }

    pub(crate) fn stats_arrived(&mut self, guest: &str, stats: DeviceStats) {
        self.finish_stats(|pending| {
            if pending.missing.remove(guest) {
                pending.stats.push(GuestStats {
                    guest: guest.to_owned(),
                    device: stats.clone(),
                });
            }
            pending.missing.is_empty()
        });
    }

    /// Answers those requests for counters that `is_over` names.
    fn finish_stats(&mut self, is_over: impl FnMut(&mut Pending) -> bool) {
        let mut is_over = is_over;
        let (over, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ipc.pending)
            .into_iter()
            .map(|mut pending| (is_over(&mut pending), pending))
            .partition(|(over, _)| *over);
        self.ipc.pending = open.into_iter().map(|(_, pending)| pending).collect();
        for (_, mut pending) in over {
            if let Some(timer) = pending.timer.take() {
                self.handle.remove(timer);
            }
            let client = pending.client;
            let reply = pending.reply();
            self.reply(client, &reply);
        }
    }

    fn save_screenshot(
        &mut self,
        client: ClientId,
        target: &ScreenshotTarget,
        path: PathBuf,
    ) -> Option<Reply> {
        if !path.is_absolute() {
            let text = format!(
                "Could not write to {}: the path is not absolute. Begin it with /",
                path.display()
            );
            return Some(Reply::error(ErrorCode::InvalidPath, text));
        }
        if let ScreenshotTarget::Guest { name, .. } = target
            && let Some(refusal) = self.unknown(name)
        {
            return Some(refusal);
        }
        let image = match self.host.screenshot(target) {
            Ok(image) => image,
            Err(error) => return Some(Reply::Error(error)),
        };
        // Compressing a picture takes longer than the time from one frame to the next.
        let finished = self.ipc.finished.clone();
        let saving = thread::Builder::new()
            .name("screenshot".to_owned())
            .spawn(move || {
                // The loop is gone if this fails, and the client with it.
                let _ = finished.send((client, save(&image, path)));
            });
        match saving {
            Ok(_) => None,
            Err(error) => Some(Reply::error(
                ErrorCode::Failed,
                format!("Could not start a thread for a screenshot: {error}"),
            )),
        }
    }
}

impl Pending {
    fn reply(mut self) -> Reply {
        self.stats.sort_by(|a, b| a.guest.cmp(&b.guest));
        Reply::Ok(Answer::Stats(self.stats))
    }
}

/// Writes a picture beside its place and moves it there, so that nobody ever sees half of it.
fn save(image: &Image, path: PathBuf) -> Reply {
    let temporary = beside(&path);
    let saved = image
        .save(&temporary)
        .and_then(|()| std::fs::rename(&temporary, &path));
    match saved {
        Ok(()) => Reply::Ok(Answer::Screenshot(Screenshot {
            width: image.width,
            height: image.height,
            path,
        })),
        Err(error) => {
            let _ = std::fs::remove_file(&temporary);
            let text = format!(
                "Could not write {}: {error}. Check that the folder exists and that you may \
                 write to it",
                path.display()
            );
            Reply::error(ErrorCode::Failed, text)
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}
