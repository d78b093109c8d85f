//! The guest's input devices in the loop: each has a socket and rings of its own.
//!
//! Carries over to [`crate::input`] what the VMMs' connections tell of the drivers, its events into
//! their rings, and its wishes to the display.

use std::{collections::BTreeSet, os::fd::OwnedFd, time::Instant};

use protocols::{
    ipc::{HandStats, InputAction},
    virtio_input::Event,
};
use tracing::{debug, info, warn};

use super::{
    DeviceError, HostDisplay, Process,
    connection::{Connection, MESSAGES_PER_TURN},
    door::Door,
};
use crate::{
    display::Display,
    input::{Description, Hands, HandsOptions, HostInput, InputKind, Layout, Refusal, Wishes},
    vhost_user::{events::Events, input_space::InputSpace, listener::Listener, session::Step},
};

/// What became ready of the input devices since the last turn.
#[derive(Debug, Default)]
pub(super) struct ReadyHands {
    knocks: BTreeSet<InputKind>,
    messages: BTreeSet<InputKind>,
}

/// All input devices.
#[derive(Debug)]
pub(super) struct Desk {
    hands: Hands,
    sockets: Vec<Socket>,
}

/// One input device's socket, and the VMM that is connected to it.
#[derive(Debug)]
struct Socket {
    kind: InputKind,
    door: Door,
    connection: Option<Connection<InputSpace>>,
}

/// One device's events.
struct Deliveries<'a> {
    hands: &'a mut Hands,
    kind: InputKind,
}

impl Events for Deliveries<'_> {
    fn next(&self) -> Option<Event> {
        self.hands.backlog(self.kind)
    }

    fn delivered(&mut self) {
        self.hands.delivered(self.kind, Instant::now());
    }
}

/// What hands can lose, all of it.
const GONE: [HostInput; 4] = [
    HostInput::KeyboardLeave,
    HostInput::PointerLeave,
    HostInput::TouchCancel,
    HostInput::PenLeave,
];

impl Desk {
    /// No devices.
    pub(super) fn new(options: HandsOptions) -> Self {
        Self {
            hands: Hands::new([], options),
            sockets: Vec::new(),
        }
    }

    /// When there is something to do although nothing happens.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let doors = self
            .sockets
            .iter()
            .map(|socket| socket.door.next_deadline());
        doors.flatten().chain(self.hands.next_deadline(now)).min()
    }

    /// Whether chains may be waiting in a ring.
    pub(super) fn rings_wait(&self) -> bool {
        let connections = self
            .sockets
            .iter()
            .filter_map(|socket| socket.connection.as_ref());
        connections.into_iter().any(Connection::rings_wait)
    }

    /// Hands did something on the host, which has windows fill its monitors by itself or not.
    pub(super) fn input(&mut self, event: HostInput, fills_monitors: bool, now: Instant) {
        self.hands.set_fills_monitors(fills_monitors);
        self.hands.input(event, now);
    }

    /// The host is gone, and with it whatever it reported.
    pub(super) fn host_gone(&mut self) {
        let now = Instant::now();
        for gone in GONE {
            self.hands.input(gone, now);
        }
        self.hands.host_is_new();
    }

    /// The counters, a line for each device.
    pub(super) fn stats(&self) -> Vec<HandStats> {
        self.hands.stats()
    }

    /// What a client of the control socket does.
    pub(super) fn inject(&mut self, action: &InputAction) -> Result<(), Refusal> {
        self.hands.inject(action)
    }

    fn socket(&mut self, kind: InputKind) -> Option<&mut Socket> {
        self.sockets.iter_mut().find(|socket| socket.kind == kind)
    }
}

impl ReadyHands {
    /// Whether the loop need not wait.
    pub(super) fn any(&self) -> bool {
        !self.knocks.is_empty() || !self.messages.is_empty()
    }
}

impl<D: HostDisplay + 'static> Process<D> {
    /// Gives the guest these input devices. Call it once, before the loop runs.
    ///
    /// # Errors
    /// Descriptors that can't be had or watched.
    pub fn give_hands(
        &mut self,
        listeners: Vec<(InputKind, Listener)>,
        options: HandsOptions,
    ) -> Result<(), DeviceError> {
        let kinds: Vec<InputKind> = listeners.iter().map(|(kind, _)| *kind).collect();
        self.desk.hands = Hands::new(kinds, options);
        for (kind, listener) in listeners {
            let door = Door::new(&self.handle, listener, move |ready| {
                ready.hands.knocks.insert(kind);
            })?;
            self.desk.sockets.push(Socket {
                kind,
                door,
                connection: None,
            });
        }
        Ok(())
    }

    /// Lets in VMMs, one at a time for each device.
    pub(super) fn answer_knocks_for_hands(&mut self) {
        let knocked = std::mem::take(&mut self.ready.hands.knocks);
        for socket in &mut self.desk.sockets {
            let (kind, taken) = (socket.kind, socket.connection.is_some());
            let knocks = knocked.contains(&kind);
            let Some(stream) = socket.door.answer(&self.handle, knocks, taken) else {
                continue;
            };
            let space = InputSpace::new(Description::of(kind));
            let connected =
                Connection::new(&self.handle, stream, space, &self.passed, move |ready| {
                    ready.hands.messages.insert(kind);
                });
            match connected {
                Ok(connection) => {
                    socket.connection = Some(connection);
                    self.ready.hands.messages.insert(kind);
                }
                Err(error) => warn!(%error, %kind, "A VMM could not be let in"),
            }
        }
    }

    /// Handles the messages of the VMMs that have arrived.
    pub(super) fn hear_front_ends_of_hands(&mut self) {
        for kind in std::mem::take(&mut self.ready.hands.messages) {
            self.hear_front_end_of(kind);
        }
    }

    fn hear_front_end_of(&mut self, kind: InputKind) {
        for _ in 0..MESSAGES_PER_TURN {
            let Some(socket) = self.desk.socket(kind) else {
                return;
            };
            let Some(connection) = &mut socket.connection else {
                return;
            };
            match connection.session.step() {
                Ok(Step::Handled) => self.follow_front_end_of(kind),
                Ok(Step::Waiting) => return,
                Ok(Step::Closed) => {
                    debug!(%kind, "The VMM has closed its connection");
                    return self.disconnect_hand(kind);
                }
                Err(error) => {
                    warn!(%error, %kind, "The connection to the VMM is given up");
                    return self.disconnect_hand(kind);
                }
            }
        }
        self.ready.hands.messages.insert(kind);
    }

    /// Carries out what a message meant for the hands.
    fn follow_front_end_of(&mut self, kind: InputKind) {
        let Some(Socket {
            connection: Some(connection),
            ..
        }) = self
            .desk
            .sockets
            .iter_mut()
            .find(|socket| socket.kind == kind)
        else {
            return;
        };
        let (changes, runs) = {
            let mut handler = connection.session.handler();
            (handler.take_changes(), handler.runs())
        };
        if changes.kicks {
            connection.watch_kicks(&self.handle, move |process: &mut Self, index, fd| {
                process.hand_kicked(kind, index, fd)
            });
        }
        let started = runs && !connection.runs;
        connection.runs = runs;
        if changes.reset {
            self.desk.hands.driver_is_new(kind);
        }
        self.desk.hands.set_works(kind, runs, Instant::now());
        if started {
            info!(%kind, "The guest's driver is at work");
        }
    }

    fn hand_kicked(&mut self, kind: InputKind, index: usize, fd: &OwnedFd) -> bool {
        let connection = self
            .desk
            .socket(kind)
            .and_then(|socket| socket.connection.as_ref());
        connection.is_some_and(|connection| connection.take_kick(index, fd))
    }

    /// The VMM is gone: its guest had keys that it takes nowhere.
    fn disconnect_hand(&mut self, kind: InputKind) {
        let Some(socket) = self
            .desk
            .sockets
            .iter_mut()
            .find(|socket| socket.kind == kind)
        else {
            return;
        };
        if let Some(connection) = socket.connection.take() {
            connection.close(&self.handle);
        }
        socket.door.listen(&self.handle, true);
        self.desk.hands.set_works(kind, false, Instant::now());
        self.desk.hands.driver_is_new(kind);
    }

    /// Tells the hands what they need to know of the guest's screens.
    pub(super) fn show_screens_to_hands(&mut self) {
        let hands = &mut self.desk.hands;
        hands.set_layout(Layout::new(self.gpu.screens()));
        hands.guest_pointer(self.gpu.shows_pointer());
    }

    /// Brings events to the guest, hears what it says of lights, and asks the display for what the
    /// hands want.
    pub(super) fn serve_hands(&mut self) {
        self.show_screens_to_hands();
        let Desk { hands, sockets } = &mut self.desk;
        hands.expire(Instant::now());
        for Socket {
            kind, connection, ..
        } in sockets
        {
            let Some(connection) = connection else {
                continue;
            };
            let mut handler = connection.session.handler();
            let handler = &mut *handler;
            let (kind, memory) = (*kind, handler.memory.map());
            let [events, status] = &mut handler.rings;
            status.hear(memory, &mut |event| {
                hands.status(kind, event, Instant::now());
            });
            events.deliver(memory, &mut Deliveries { hands, kind });
            events.announce(memory);
            status.announce(memory);
        }
        let Wishes {
            grab,
            follows,
            leds,
            fullscreen,
        } = hands.take_wishes();
        if let Some(grab) = grab {
            self.around.display.set_grab(grab);
        }
        if let Some(follows) = follows {
            self.around.display.set_pointer_follows(follows);
        }
        if let Some(leds) = leds {
            self.around.display.set_leds(leds);
        }
        for scanout in fullscreen {
            self.around.display.toggle_fullscreen(scanout);
        }
    }
}
