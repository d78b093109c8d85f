use super::*;

/// A guest whose clock stands still unless it is moved.
struct Guest {
    life: Lifecycle,
    now: Instant,
}

impl Guest {
    fn new(restart: Restart) -> Self {
        Self {
            life: Lifecycle::new(restart, true),
            now: Instant::now(),
        }
    }

    fn running(restart: Restart) -> Self {
        let mut guest = Self::new(restart);
        guest.on(Event::Start);
        guest.on(Event::Listening);
        guest.on(Event::Connected);
        assert_eq!(guest.life.state(), GuestState::Running);
        guest
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.step(event)
            .map(|step| step.actions)
            .unwrap_or_default()
    }

    fn step(&mut self, event: Event) -> Option<Step> {
        self.life.on(event, self.now)
    }
}

fn ended(role: Role, code: i32) -> Event {
    Event::Exited {
        role,
        success: code == 0,
        status: format!("exit status {code}"),
    }
}

const START_DEVICE: Action = Action::Start(Role::Device);
const START_VMM: Action = Action::Start(Role::Vmm);
const STOP_DEVICE: Action = Action::Terminate(Role::Device);
const STOP_VMM: Action = Action::Terminate(Role::Vmm);

#[test]
fn the_vmm_starts_when_the_device_listens() {
    let mut guest = Guest::new(Restart::OnFailure);

    assert_eq!(guest.on(Event::Start), [START_DEVICE]);
    assert_eq!(guest.life.state(), GuestState::Starting);
    assert_eq!(guest.on(Event::Listening), [START_VMM]);
    assert_eq!(guest.life.state(), GuestState::Starting);
    assert_eq!(guest.on(Event::Connected), []);
    assert_eq!(guest.life.state(), GuestState::Running);
}

#[test]
fn a_guest_that_shuts_down_stays_off() {
    // The two pieces of news come in any order, and the second one may never come.
    let orders = [
        [Event::Disconnected, ended(Role::Vmm, 0)],
        [ended(Role::Vmm, 0), Event::Disconnected],
        [ended(Role::Vmm, 0), Event::Timeout],
    ];
    for [first, second] in orders {
        let mut guest = Guest::running(Restart::OnFailure);

        assert_eq!(guest.on(first), []);
        assert_eq!(guest.on(second), [STOP_DEVICE]);
        assert_eq!(guest.on(ended(Role::Device, 0)), []);

        assert_eq!(guest.life.ended(), Some(&Ended::ShutDown));
        assert_eq!(guest.life.state(), GuestState::Stopped);
    }
}

#[test]
fn a_vmm_that_ends_well_because_its_device_died_has_not_shut_its_guest_down() {
    let mut guest = Guest::running(Restart::OnFailure);

    let step = guest.step(ended(Role::Vmm, 0)).unwrap();
    assert_eq!((step.actions, step.timer), (vec![], Some(NEWS_LIMIT)));
    assert_eq!(guest.on(ended(Role::Device, 9)), []);

    assert_eq!(guest.life.state(), GuestState::Restarting);
    assert_eq!(guest.on(Event::Timeout), [START_DEVICE]);
}

#[test]
fn a_guest_can_be_stopped_while_its_end_is_looked_into() {
    let mut guest = Guest::running(Restart::OnFailure);

    guest.on(ended(Role::Vmm, 0));
    assert_eq!(guest.on(Event::Stop), [STOP_DEVICE]);
    assert_eq!(guest.on(ended(Role::Device, 0)), []);

    assert_eq!(guest.life.ended(), Some(&Ended::Stopped));
}

#[test]
fn a_guest_that_always_restarts_does_so_after_a_shutdown_too() {
    let mut guest = Guest::running(Restart::Always);

    let step = guest.step(ended(Role::Vmm, 0)).unwrap();

    assert_eq!(
        step,
        Step {
            actions: vec![],
            timer: Some(MIN_PAUSE)
        }
    );
    assert_eq!(guest.on(Event::Timeout), [START_VMM]);
}

#[test]
fn a_vmm_that_fails_is_started_again_under_the_same_device() {
    let mut guest = Guest::running(Restart::OnFailure);

    let step = guest.step(ended(Role::Vmm, 137)).unwrap();

    assert_eq!(step.timer, Some(MIN_PAUSE));
    assert_eq!(guest.life.state(), GuestState::Restarting);
    assert_eq!(guest.on(Event::Timeout), [START_VMM]);
    guest.on(Event::Connected);
    assert_eq!(guest.life.state(), GuestState::Running);
}

#[test]
fn pauses_double_up_to_a_bound_and_begin_anew_after_a_stable_minute() {
    let mut guest = Guest::running(Restart::OnFailure);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        pauses.push(
            guest
                .step(ended(Role::Vmm, 1))
                .unwrap()
                .timer
                .unwrap()
                .as_millis(),
        );
        guest.on(Event::Timeout);
        guest.on(Event::Connected);
    }
    assert_eq!(
        pauses,
        [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
    );

    guest.now += STABLE_AFTER;
    assert_eq!(
        guest.step(ended(Role::Vmm, 1)).unwrap().timer,
        Some(MIN_PAUSE)
    );
}

#[test]
fn a_vmm_that_fails_before_it_connects_is_not_tried_again() {
    let mut guest = Guest::new(Restart::OnFailure);
    guest.on(Event::Start);
    guest.on(Event::Listening);

    assert_eq!(guest.on(ended(Role::Vmm, 1)), [STOP_DEVICE]);
    guest.on(ended(Role::Device, 0));

    let Some(Ended::Failed {
        role: Role::Vmm,
        reason,
    }) = guest.life.ended()
    else {
        panic!("it is {:?}", guest.life)
    };
    assert_eq!(
        reason,
        "its VMM ended (exit status 1) before it used its graphics device"
    );
    assert_eq!(guest.life.state(), GuestState::Failed);
}

#[test]
fn a_device_that_dies_takes_its_vmm_along() {
    let mut guest = Guest::running(Restart::OnFailure);

    assert_eq!(guest.on(ended(Role::Device, 1)), [STOP_VMM]);
    assert_eq!(guest.life.state(), GuestState::Restarting);
    let step = guest.step(ended(Role::Vmm, 1)).unwrap();
    assert_eq!(
        step,
        Step {
            actions: vec![],
            timer: Some(MIN_PAUSE)
        }
    );
    assert_eq!(guest.on(Event::Timeout), [START_DEVICE]);
}

#[test]
fn a_device_whose_window_was_closed_stops_its_guest() {
    let mut guest = Guest::running(Restart::Always);

    assert_eq!(guest.on(ended(Role::Device, 0)), [STOP_VMM]);
    assert_eq!(guest.on(ended(Role::Vmm, 0)), []);

    assert_eq!(guest.life.ended(), Some(&Ended::Stopped));
}

#[test]
fn a_guest_that_never_restarts_fails_with_its_device() {
    let mut guest = Guest::running(Restart::Never);

    assert_eq!(guest.on(ended(Role::Device, 1)), [STOP_VMM]);
    guest.on(ended(Role::Vmm, 0));

    let reason = "its graphics device ended (exit status 1)".to_owned();
    let failed = Ended::Failed {
        role: Role::Device,
        reason,
    };
    assert_eq!(guest.life.ended(), Some(&failed));
}

#[test]
fn a_device_that_never_listens_is_stopped() {
    let mut guest = Guest::new(Restart::OnFailure);
    assert_eq!(guest.step(Event::Start).unwrap().timer, Some(LISTEN_LIMIT));

    assert_eq!(guest.on(Event::Timeout), [STOP_DEVICE]);
    guest.on(ended(Role::Device, 0));

    assert_eq!(guest.life.state(), GuestState::Failed);
}

#[test]
fn a_device_that_cannot_begin_fails_its_guest() {
    let mut guest = Guest::new(Restart::OnFailure);
    guest.on(Event::Start);

    assert_eq!(guest.on(ended(Role::Device, 1)), []);

    assert_eq!(guest.life.state(), GuestState::Failed);
}

#[test]
fn stopping_ends_the_vmm_first_and_kills_what_does_not_listen() {
    let mut guest = Guest::running(Restart::Always);

    assert_eq!(
        guest.step(Event::Stop),
        Some(Step {
            actions: vec![STOP_VMM],
            timer: Some(VMM_STOP_LIMIT)
        })
    );
    assert_eq!(guest.on(Event::Timeout), [Action::Kill(Role::Vmm)]);
    assert_eq!(guest.on(ended(Role::Vmm, 137)), [STOP_DEVICE]);
    assert_eq!(guest.on(Event::Timeout), [Action::Kill(Role::Device)]);
    assert_eq!(guest.on(ended(Role::Device, 137)), []);

    assert_eq!(guest.life.ended(), Some(&Ended::Stopped));
}

#[test]
fn stopping_twice_asks_once() {
    let mut guest = Guest::running(Restart::OnFailure);
    guest.on(Event::Stop);
    assert_eq!(guest.step(Event::Stop), None);
}

#[test]
fn a_guest_that_waits_for_its_next_try_can_be_stopped() {
    let mut guest = Guest::running(Restart::OnFailure);
    guest.on(ended(Role::Vmm, 1));
    assert_eq!(guest.on(Event::Stop), [STOP_DEVICE]);
    guest.on(ended(Role::Device, 0));
    assert_eq!(guest.life.ended(), Some(&Ended::Stopped));

    let mut guest = Guest::running(Restart::OnFailure);
    guest.on(ended(Role::Device, 1));
    guest.on(ended(Role::Vmm, 0));
    assert_eq!(guest.on(Event::Stop), []);
    assert_eq!(guest.life.ended(), Some(&Ended::Stopped));
}

#[test]
fn restarting_stops_both_and_starts_both() {
    let mut guest = Guest::running(Restart::Never);

    assert_eq!(guest.on(Event::Restart), [STOP_VMM]);
    assert_eq!(guest.on(ended(Role::Vmm, 0)), [STOP_DEVICE]);
    assert_eq!(guest.on(ended(Role::Device, 0)), [START_DEVICE]);
    assert_eq!(guest.on(Event::Listening), [START_VMM]);
}

#[test]
fn restarting_starts_a_guest_that_is_off_or_failed() {
    let mut guest = Guest::new(Restart::OnFailure);
    guest.on(Event::Start);
    guest.on(ended(Role::Device, 1));
    assert_eq!(guest.life.state(), GuestState::Failed);

    assert_eq!(guest.on(Event::Restart), [START_DEVICE]);
}

#[test]
fn stop_overtakes_a_restart() {
    let mut guest = Guest::running(Restart::OnFailure);
    guest.on(Event::Restart);
    guest.on(Event::Stop);
    guest.on(ended(Role::Vmm, 0));
    assert_eq!(guest.on(ended(Role::Device, 0)), []);
    assert_eq!(guest.life.ended(), Some(&Ended::Stopped));
}

#[test]
fn a_program_that_is_not_there_is_the_reason() {
    let mut guest = Guest::new(Restart::Always);
    guest.on(Event::Start);
    guest.on(Event::Listening);

    let reason = "no qemu".to_owned();
    let not_started = Event::NotStarted {
        role: Role::Vmm,
        reason: reason.clone(),
    };
    assert_eq!(guest.on(not_started), [STOP_VMM]);
    // There is no VMM: whoever acts reports it as gone.
    guest.on(ended(Role::Vmm, 0));
    guest.on(ended(Role::Device, 0));

    assert_eq!(
        guest.life.ended(),
        Some(&Ended::Failed {
            role: Role::Vmm,
            reason
        })
    );
}

#[test]
fn a_guest_with_somebody_else_s_vmm_waits_for_it() {
    let mut guest = Guest {
        life: Lifecycle::new(Restart::OnFailure, false),
        now: Instant::now(),
    };
    guest.on(Event::Start);

    assert_eq!(guest.on(Event::Listening), []);
    assert_eq!(guest.life.state(), GuestState::Waiting);
    guest.on(Event::Connected);
    assert_eq!(guest.life.state(), GuestState::Running);
    guest.on(Event::Disconnected);
    assert_eq!(guest.life.state(), GuestState::Waiting);
    assert_eq!(guest.on(Event::Stop), [STOP_DEVICE]);
}
