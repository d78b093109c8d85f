//! When a guest's two processes are started and stopped, and when they are started again.
//!
//! ```text
//!           Start              Listening
//!   Off ───────────▶ DeviceStarts ──────────▶ Runs
//!    ▲                ▲        │               │ │
//!    │      Timeout   │        │ device died,  │ │ VMM ended: VmmWaits ──Timeout──▶ Runs
//!    │    AllWaits ───┘        │ or never      │ │            or, if that was all, DeviceStops
//!    │       ▲                 ▼ listened      ▼ ▼
//!    └───────┴────────── DeviceStops ◀──── VmmStops, VmmLeft
//! ```
//!
//! - A VMM that ended well, but was connected a moment ago, either shut its guest down or lost its
//!   device. `VmmLeft` waits for the word of the device: that the VMM is gone, or its own end.
//! - A VMM that failed is started again alone: the device keeps the guest's windows up meanwhile.
//! - A device that died takes its VMM along, because QEMU never connects a second time. One that
//!   ended without an error was told to by somebody else: the guest is stopped.
//! - [`Event::Stop`] and [`Event::Restart`] go through `VmmStops` and `DeviceStops` from anywhere;
//!   each asks first (SIGTERM) and kills when the time is over.
//!
//! Pure: events in, actions out. The process handles, sockets and timers are elsewhere.

mod phase;
mod words;

use std::time::{Duration, Instant};

use config::guest::Restart;
use protocols::ipc::GuestState;

use self::phase::{Phase, Then};
pub use self::words::{Action, Ended, Event, Role, Step};

/// How long a device may take to reach its compositor, to find what draws for the guest (it gives each
/// of at most three processes 10 seconds to begin), and to listen.
const LISTEN_LIMIT: Duration = Duration::from_secs(45);
/// How long a VMM may take to end when asked.
const VMM_STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long a device may take to end when asked.
const DEVICE_STOP_LIMIT: Duration = Duration::from_secs(2);
/// How long a device may take to see that its VMM is gone.
const NEWS_LIMIT: Duration = Duration::from_secs(2);
/// The first pause before something is started again; doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A guest that ran this long was not a failure to start: the pauses begin anew.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// The life of one guest.
#[derive(Debug)]
pub struct Lifecycle {
    phase: Phase,
    restart: Restart,
    /// Whether we start the VMM; else somebody else does.
    own_vmm: bool,
    /// Failures in a row.
    failures: u32,
}

impl Lifecycle {
    /// A guest that is off. `own_vmm` is false where somebody else starts the VMM.
    #[must_use]
    pub fn new(restart: Restart, own_vmm: bool) -> Self {
        Self {
            phase: Phase::Off(Ended::NeverStarted),
            restart,
            own_vmm,
            failures: 0,
        }
    }

    /// How the guest is, for the user.
    #[must_use]
    pub fn state(&self) -> GuestState {
        match &self.phase {
            Phase::Off(Ended::Failed { .. }) => GuestState::Failed,
            Phase::Off(_) => GuestState::Stopped,
            Phase::DeviceStarts => GuestState::Starting,
            Phase::VmmLeft { .. }
            | Phase::Runs {
                connected: true, ..
            } => GuestState::Running,
            Phase::Runs { .. } if !self.own_vmm => GuestState::Waiting,
            Phase::Runs { .. } => GuestState::Starting,
            Phase::VmmWaits | Phase::AllWaits => GuestState::Restarting,
            Phase::VmmStops { then, .. } | Phase::DeviceStops { then, .. } => match then {
                Then::Off(Ended::Failed { .. }) => GuestState::Failed,
                Then::Off(_) => GuestState::Stopped,
                Then::Start | Then::Again => GuestState::Restarting,
            },
        }
    }

    /// Why the guest is off; `None` while any process of it is or will be there.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        match &self.phase {
            Phase::Off(ended) => Some(ended),
            _ => None,
        }
    }

    /// Moves on. `None` where the event changes nothing: the running timer stays.
    pub fn on(&mut self, event: Event, now: Instant) -> Option<Step> {
        match event {
            Event::Start => match self.phase {
                Phase::Off(_) => {
                    self.failures = 0;
                    Some(self.start_device())
                }
                _ => None,
            },
            Event::Stop => self.stop(Then::Off(Ended::Stopped)),
            Event::Restart => {
                self.failures = 0;
                self.stop(Then::Start)
            }
            Event::Listening => (self.phase == Phase::DeviceStarts).then(|| self.start_vmm(now)),
            Event::Connected => self.connection(true),
            Event::Disconnected => self.connection(false),
            Event::Exited {
                role: Role::Device,
                success,
                status,
            } => self.device_exited(success, &status, now),
            Event::Exited {
                role: Role::Vmm,
                success,
                status,
            } => self.vmm_exited(success, &status, now),
            Event::NotStarted { role, reason } => {
                self.stop(Then::Off(Ended::Failed { role, reason }))
            }
            Event::Unfit => self.stop(Then::Start),
            Event::Timeout => self.timeout(now),
        }
    }

    fn start_device(&mut self) -> Step {
        self.phase = Phase::DeviceStarts;
        Step {
            actions: vec![Action::Start(Role::Device)],
            timer: Some(LISTEN_LIMIT),
        }
    }

    fn start_vmm(&mut self, now: Instant) -> Step {
        self.phase = Phase::Runs {
            since: now,
            connected: false,
            was_connected: false,
        };
        let actions = if self.own_vmm {
            vec![Action::Start(Role::Vmm)]
        } else {
            Vec::new()
        };
        Step {
            actions,
            timer: None,
        }
    }

    fn connection(&mut self, is: bool) -> Option<Step> {
        match &mut self.phase {
            Phase::Runs {
                connected,
                was_connected,
                ..
            } => {
                *connected = is;
                *was_connected |= is;
                None
            }
            Phase::VmmLeft { .. } if !is => Some(self.stop_device(Then::Off(Ended::ShutDown))),
            _ => None,
        }
    }

    fn stop(&mut self, then: Then) -> Option<Step> {
        match &mut self.phase {
            Phase::Off(_) if then == Then::Start => Some(self.start_device()),
            Phase::Off(ended) => {
                // A failure's reason is worth more than that somebody stopped it afterwards.
                if let Then::Off(new @ Ended::Failed { .. }) = then {
                    *ended = new;
                }
                None
            }
            Phase::Runs { .. } if self.own_vmm => Some(self.stop_vmm(then, true)),
            Phase::VmmStops { then: old, .. } | Phase::DeviceStops { then: old, .. } => {
                *old = then;
                None
            }
            Phase::AllWaits => Some(self.all_gone(then)),
            Phase::DeviceStarts | Phase::VmmLeft { .. } | Phase::VmmWaits | Phase::Runs { .. } => {
                Some(self.stop_device(then))
            }
        }
    }

    fn stop_vmm(&mut self, then: Then, device: bool) -> Step {
        self.phase = Phase::VmmStops {
            then,
            device,
            asked: true,
        };
        Step {
            actions: vec![Action::Terminate(Role::Vmm)],
            timer: Some(VMM_STOP_LIMIT),
        }
    }

    fn stop_device(&mut self, then: Then) -> Step {
        self.phase = Phase::DeviceStops { then, asked: true };
        Step {
            actions: vec![Action::Terminate(Role::Device)],
            timer: Some(DEVICE_STOP_LIMIT),
        }
    }

    /// No process is left.
    fn all_gone(&mut self, then: Then) -> Step {
        match then {
            Then::Off(ended) => {
                self.phase = Phase::Off(ended);
                Step::default()
            }
            Then::Start => self.start_device(),
            Then::Again => {
                self.phase = Phase::AllWaits;
                Step {
                    actions: Vec::new(),
                    timer: Some(self.pause()),
                }
            }
        }
    }

    fn pause(&mut self) -> Duration {
        let pause = MIN_PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    fn device_exited(&mut self, success: bool, status: &str, now: Instant) -> Option<Step> {
        let failed = Ended::Failed {
            role: Role::Device,
            reason: format!("its graphics device ended ({status})"),
        };
        match self.phase.clone() {
            // A device that can't even begin fails for a reason that a second try won't mend:
            // no compositor, an occupied socket. Later it is a guest's doing, or ours.
            Phase::DeviceStarts => {
                let then = match self.restart {
                    Restart::Always => Then::Again,
                    _ => Then::Off(failed),
                };
                Some(self.all_gone(then))
            }
            Phase::Runs {
                since,
                was_connected,
                ..
            } => {
                // A device never ends by itself without an error: somebody else told it to.
                let then = if success {
                    Then::Off(Ended::Stopped)
                } else {
                    self.after_failure(failed, was_connected, since, now)
                };
                if self.own_vmm {
                    Some(self.stop_vmm(then, false))
                } else {
                    Some(self.all_gone(then))
                }
            }
            Phase::VmmLeft { since } => {
                let then = self.after_failure(failed, true, since, now);
                Some(self.all_gone(then))
            }
            Phase::VmmWaits => Some(self.all_gone(Then::Again)),
            Phase::VmmStops { then, asked, .. } => {
                self.phase = Phase::VmmStops {
                    then,
                    device: false,
                    asked,
                };
                None
            }
            Phase::DeviceStops { then, .. } => Some(self.all_gone(then)),
            Phase::Off(_) | Phase::AllWaits => None,
        }
    }

    fn vmm_exited(&mut self, success: bool, status: &str, now: Instant) -> Option<Step> {
        match self.phase.clone() {
            Phase::Runs {
                since,
                connected: true,
                ..
            } if success && self.restart != Restart::Always => {
                self.phase = Phase::VmmLeft { since };
                Some(Step {
                    actions: Vec::new(),
                    timer: Some(NEWS_LIMIT),
                })
            }
            Phase::Runs {
                since,
                was_connected,
                ..
            } => {
                let then = if success && was_connected && self.restart != Restart::Always {
                    Then::Off(Ended::ShutDown)
                } else {
                    let when = if was_connected {
                        ""
                    } else {
                        " before it used its graphics device"
                    };
                    let reason = format!("its VMM ended ({status}){when}");
                    let failed = Ended::Failed {
                        role: Role::Vmm,
                        reason,
                    };
                    self.after_failure(failed, was_connected, since, now)
                };
                if then == Then::Again {
                    self.phase = Phase::VmmWaits;
                    Some(Step {
                        actions: Vec::new(),
                        timer: Some(self.pause()),
                    })
                } else {
                    Some(self.stop_device(then))
                }
            }
            Phase::VmmStops {
                then, device: true, ..
            } => Some(self.stop_device(then)),
            Phase::VmmStops {
                then,
                device: false,
                ..
            } => Some(self.all_gone(then)),
            Phase::Off(_)
            | Phase::DeviceStarts
            | Phase::VmmLeft { .. }
            | Phase::VmmWaits
            | Phase::AllWaits
            | Phase::DeviceStops { .. } => None,
        }
    }

    /// Whether a failure is worth another try. One that came before the guest ever ran has its
    /// cause in the command line, and would come again.
    fn after_failure(
        &mut self,
        failed: Ended,
        was_connected: bool,
        since: Instant,
        now: Instant,
    ) -> Then {
        if now.saturating_duration_since(since) >= STABLE_AFTER {
            self.failures = 0;
        }
        match self.restart {
            Restart::Always => Then::Again,
            Restart::OnFailure if was_connected => Then::Again,
            Restart::OnFailure | Restart::Never => Then::Off(failed),
        }
    }

    fn timeout(&mut self, now: Instant) -> Option<Step> {
        match self.phase.clone() {
            Phase::DeviceStarts => {
                let seconds = LISTEN_LIMIT.as_secs();
                let reason = format!("its graphics device was not ready within {seconds} seconds");
                Some(self.stop_device(Then::Off(Ended::Failed {
                    role: Role::Device,
                    reason,
                })))
            }
            Phase::VmmLeft { .. } => Some(self.stop_device(Then::Off(Ended::ShutDown))),
            Phase::VmmWaits => Some(self.start_vmm(now)),
            Phase::AllWaits => Some(self.start_device()),
            Phase::VmmStops {
                then,
                device,
                asked: true,
            } => {
                self.phase = Phase::VmmStops {
                    then,
                    device,
                    asked: false,
                };
                Some(Step {
                    actions: vec![Action::Kill(Role::Vmm)],
                    timer: None,
                })
            }
            Phase::DeviceStops { then, asked: true } => {
                self.phase = Phase::DeviceStops { then, asked: false };
                Some(Step {
                    actions: vec![Action::Kill(Role::Device)],
                    timer: None,
                })
            }
            Phase::Off(_)
            | Phase::Runs { .. }
            | Phase::VmmStops { .. }
            | Phase::DeviceStops { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
