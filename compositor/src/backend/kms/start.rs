//! Finding seat, cards and renderer when the program starts.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use calloop::LoopHandle;
use smithay::backend::{
    drm::DrmDeviceNotifier,
    udev::{UdevBackend, primary_gpu},
};
use thiserror::Error;
use tracing::{debug, info, warn};

use super::{
    Kms, KmsError, KmsOptions,
    card::Card,
    console::Console,
    session::Seat,
    sources::{CardId, Sources},
};
use crate::{
    backend::Backend,
    desktop::Policy,
    render::{OpenError, Renderer},
    state::{self, HasState, Parts, State},
    wayland::syncobj_global,
};

/// Why the compositor can't start on a console.
#[derive(Debug, Error)]
pub enum StartError {
    /// No seat, no card, or it is somebody else's.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// No renderer.
    #[error(transparent)]
    Renderer(#[from] OpenError),
    /// The rest of the compositor can't be put together.
    #[error(transparent)]
    State(#[from] state::StartError),
}

impl State {
    /// A compositor on the monitors of a seat, served by a loop. It has none of them yet: when all
    /// is set up for them, [`State::look_for_monitors`] finds them.
    ///
    /// # Errors
    /// Each tells what to do.
    pub fn kms<D: HasState>(
        options: KmsOptions,
        handle: &LoopHandle<'static, D>,
    ) -> Result<Self, StartError> {
        let (kms, renderer) = Kms::start(options, handle)?;
        let card = kms.device().cloned();
        let parts = Parts {
            backend: Backend::Kms(Box::new(kms)),
            renderer,
            policy: Policy::Kiosk,
        };
        let mut state = Self::assemble(parts, handle)?;
        if let Some(card) = card {
            state.protocols.syncobj = syncobj_global(state.clients.display(), &card);
        }
        Ok(state)
    }
}

/// A card that was opened, and its events that nobody watches yet.
type Opened = (CardId, Card, DrmDeviceNotifier);

impl Kms {
    /// Takes the seat, opens its cards, and starts the renderer on the primary one. Monitors are
    /// looked for by [`State::look_for_monitors`].
    ///
    /// # Errors
    /// Each tells what to do.
    fn start<D: HasState>(
        options: KmsOptions,
        handle: &LoopHandle<'static, D>,
    ) -> Result<(Self, Renderer), StartError> {
        let console = Console::in_front();
        let seat = Seat::open(handle, |event, data: &mut D| {
            data.state().session_event(event);
        })
        .map_err(KmsError::from)?;
        if !seat.is_active() {
            let seat = seat.name().to_owned();
            return Err(KmsError::Inactive { seat }.into());
        }
        let udev = UdevBackend::new(seat.name()).map_err(KmsError::Search)?;
        let mut paths: Vec<(CardId, PathBuf)> = udev
            .device_list()
            .map(|(id, path)| (id, path.to_owned()))
            .collect();
        let first = first_card(&options, &seat, &paths)?;
        paths.sort_by_key(|(_, path)| (first.as_ref() != Some(path), path.clone()));
        let opened = open_all(&seat, &paths, options.device.is_some())?;
        let primary = opened[0].0;
        let mut kms = Self {
            seat,
            console,
            cards: BTreeMap::new(),
            unopened: BTreeMap::new(),
            primary,
            options,
            sources: Sources::new(handle),
            pixman: None,
            dark: false,
        };
        for (id, card, events) in opened {
            kms.add(id, card, events)?;
        }
        let renderer = kms.open_renderer()?;
        handle
            .insert_source(udev, |event, (), data: &mut D| {
                data.state().udev_event(event);
            })
            .map_err(|error| KmsError::Watch {
                what: "udev",
                reason: error.error.to_string(),
            })?;
        Ok((kms, renderer))
    }

    /// Adds a card and listens to it.
    pub(super) fn add(
        &mut self,
        id: CardId,
        mut card: Card,
        events: DrmDeviceNotifier,
    ) -> Result<(), KmsError> {
        let watched = self.sources.watch(id, events);
        match watched {
            Ok(token) => {
                card.events = Some(token);
                self.cards.insert(id, card);
                Ok(())
            }
            Err(reason) => {
                card.give_back(&self.seat);
                Err(KmsError::Watch {
                    what: "a graphics card",
                    reason,
                })
            }
        }
    }

    /// The renderer on the primary card's GPU, or on the CPU.
    fn open_renderer(&mut self) -> Result<Renderer, OpenError> {
        let card = self.cards.get_mut(&self.primary);
        let gbm = card.as_ref().and_then(|card| card.gbm.clone());
        let renderer = Renderer::open_on(self.options.renderer, gbm)?;
        if let (Some(card), Renderer::Gles(_)) = (card, &renderer) {
            card.draws = true;
        }
        Ok(renderer)
    }
}

/// The card that the user or the firmware chose, if any.
fn first_card(
    options: &KmsOptions,
    seat: &Seat,
    paths: &[(CardId, PathBuf)],
) -> Result<Option<PathBuf>, KmsError> {
    if paths.is_empty() {
        let seat = seat.name().to_owned();
        return Err(KmsError::NoCard { seat });
    }
    let Some(wanted) = &options.device else {
        return Ok(primary_gpu(seat.name()).ok().flatten());
    };
    // As in /dev/dri/by-path, whose names stay the same.
    let real = fs::canonicalize(wanted).unwrap_or_else(|_| wanted.clone());
    if paths.iter().any(|(_, path)| *path == real) {
        return Ok(Some(real));
    }
    let known = paths.iter().map(|(_, path)| path.display().to_string());
    Err(KmsError::UnknownCard {
        wanted: wanted.clone(),
        known: known.collect::<Vec<_>>().join(", "),
    })
}

/// Opens the cards. The first one must work if the user chose it; else one of them must.
fn open_all(
    seat: &Seat,
    paths: &[(CardId, PathBuf)],
    chosen: bool,
) -> Result<Vec<Opened>, KmsError> {
    let mut opened = Vec::new();
    let (mut first_error, mut no_screens) = (None, None);
    for (index, (id, path)) in paths.iter().enumerate() {
        match Card::open(seat, path) {
            Ok((card, events)) => {
                info!("Showing pictures on {}", path.display());
                opened.push((*id, card, events));
            }
            Err(error) if chosen && index == 0 => return Err(error),
            Err(error @ KmsError::NoScreens { .. }) => {
                debug!("{error}");
                no_screens.get_or_insert(error);
            }
            Err(error) => {
                warn!("Going on without {}: {error}", path.display());
                first_error.get_or_insert(error);
            }
        }
    }
    match (opened.is_empty(), first_error.or(no_screens)) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(KmsError::Search(io::ErrorKind::NotFound.into())),
        (false, _) => Ok(opened),
    }
}

/// Whether a device node is a card of this seat's; udev also tells of render nodes.
pub(super) fn is_card_of(seat: &str, path: &Path) -> bool {
    let cards = smithay::backend::udev::all_gpus(seat);
    cards.is_ok_and(|cards| cards.iter().any(|card| card == path))
}
