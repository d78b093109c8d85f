use proptest::prelude::*;

use super::*;

const SCREEN: ScanoutId = ScanoutId(0);
const CTRL: u16 = 29;
const ALT: u16 = 56;
const F11: u16 = 87;
const A: u16 = 30;

const NOTHING: Grab = Grab {
    pointer: false,
    shortcuts: false,
};
const SHORTCUTS: Grab = Grab {
    pointer: false,
    shortcuts: true,
};
const BOTH: Grab = Grab {
    pointer: true,
    shortcuts: true,
};
const POINTER: Grab = Grab {
    pointer: true,
    shortcuts: false,
};

/// A policy and a clock.
struct Fixture {
    policy: Policy,
    now: Instant,
}

impl Fixture {
    /// With the keyboard and all devices.
    fn new(pointer: PointerMode, grab: GrabMode) -> Self {
        let has = Has {
            pointer: true,
            mouse: true,
        };
        Self::with(pointer, grab, has)
    }

    fn with(pointer: PointerMode, grab: GrabMode, has: Has) -> Self {
        let options = HandsOptions {
            pointer,
            grab,
            ..HandsOptions::default()
        };
        let mut fixture = Self {
            policy: Policy::new(options, has),
            now: Instant::now(),
        };
        fixture.see(HostInput::KeyboardEnter(SCREEN));
        fixture
    }

    fn auto() -> Self {
        Self::new(PointerMode::Auto, GrabMode::Auto)
    }

    fn see(&mut self, event: HostInput) -> Fate {
        self.now += Duration::from_millis(1);
        self.policy.observe(&event, self.now)
    }

    fn press(&mut self, code: u16) -> Fate {
        self.see(HostInput::Key {
            code,
            pressed: true,
        })
    }

    fn release(&mut self, code: u16) -> Fate {
        self.see(HostInput::Key {
            code,
            pressed: false,
        })
    }

    fn chord(&mut self) {
        self.press(CTRL);
        self.press(ALT);
        self.release(ALT);
        self.release(CTRL);
    }

    fn click(&mut self) {
        for pressed in [true, false] {
            self.see(HostInput::Button {
                code: 0x110,
                pressed,
            });
        }
    }

    fn move_to(&mut self, x: f64) {
        self.see(HostInput::PointerMotion(Position {
            scanout: SCREEN,
            x,
            y: 0.0,
        }));
    }

    /// The guest hides its pointer, and the user moves it for a second.
    fn lose_the_pointer(&mut self) {
        self.policy.guest_pointer(true);
        self.policy.guest_pointer(false);
        for x in 0..10 {
            self.move_to(f64::from(x) * 10.0);
            self.now += Duration::from_millis(100);
        }
    }

    fn full_screen(&mut self, on: bool) {
        self.see(HostInput::Fullscreen {
            scanout: SCREEN,
            on,
        });
    }

    fn wanted(&self) -> Grab {
        self.policy.wanted()
    }
}

#[test]
fn the_chord_holds_and_lets_go() {
    let mut fixture = Fixture::auto();
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.chord();
    assert_eq!(fixture.wanted(), BOTH);
    fixture.chord();
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.press(CTRL);
    fixture.press(ALT);
    fixture.press(A);
    for code in [A, ALT, CTRL] {
        fixture.release(code);
    }
    assert_eq!(fixture.wanted(), NOTHING);
}

#[test]
fn the_guest_sees_the_keys_of_the_chord() {
    let mut fixture = Fixture::auto();
    assert_eq!(fixture.press(CTRL), Fate::Guest);
    assert_eq!(fixture.press(ALT), Fate::Guest);
    assert_eq!(fixture.release(ALT), Fate::Guest);
    assert_eq!(fixture.release(CTRL), Fate::Guest);
}

#[test]
fn a_chord_that_brought_the_user_here_is_not_ours() {
    let mut fixture = Fixture::auto();
    fixture.see(HostInput::KeyboardLeave);
    // Ctrl+Alt+Right of the host: what is held comes with the keyboard, at once.
    let now = fixture.now;
    for event in [
        HostInput::KeyboardEnter(SCREEN),
        HostInput::Key {
            code: CTRL,
            pressed: true,
        },
        HostInput::Key {
            code: ALT,
            pressed: true,
        },
    ] {
        fixture.policy.observe(&event, now);
    }
    fixture.release(CTRL);
    fixture.release(ALT);
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.chord();
    assert_eq!(fixture.wanted(), BOTH);
}

#[test]
fn full_screen_takes_the_shortcuts_until_the_chord() {
    let mut fixture = Fixture::auto();
    fixture.full_screen(true);
    assert_eq!(fixture.wanted(), SHORTCUTS);
    fixture.chord();
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.see(HostInput::KeyboardLeave);
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.see(HostInput::KeyboardEnter(SCREEN));
    assert_eq!(fixture.wanted(), SHORTCUTS);
    fixture.full_screen(false);
    assert_eq!(fixture.wanted(), NOTHING);
}

#[test]
fn always_and_never_mean_it() {
    let mut always = Fixture::new(PointerMode::Absolute, GrabMode::Always);
    assert_eq!(always.wanted(), SHORTCUTS);
    always.chord();
    assert_eq!(always.wanted(), NOTHING);
    always.chord();
    assert_eq!(always.wanted(), SHORTCUTS);

    let mut never = Fixture::new(PointerMode::Auto, GrabMode::Never);
    never.full_screen(true);
    assert_eq!(never.wanted(), NOTHING);
    never.chord();
    assert_eq!(never.wanted(), POINTER);
    never.chord();
    assert_eq!(never.wanted(), NOTHING);
}

#[test]
fn where_the_host_fills_its_monitors_full_screen_says_nothing() {
    let mut fixture = Fixture::auto();
    fixture.policy.set_fills_monitors(true);
    fixture.full_screen(true);
    assert_eq!(fixture.wanted(), NOTHING);
    assert_eq!(fixture.press(F11), Fate::Guest);
    assert_eq!(fixture.release(F11), Fate::Guest);
    assert!(fixture.policy.take_toggles().is_empty());
    fixture.chord();
    assert!(fixture.wanted().shortcuts);
}

#[test]
fn the_full_screen_key_is_ours_while_no_shortcuts_are_grabbed() {
    let mut fixture = Fixture::auto();
    assert_eq!(fixture.press(F11), Fate::Kept);
    assert_eq!(fixture.policy.take_toggles(), [SCREEN]);
    fixture.full_screen(true);
    assert_eq!(fixture.release(F11), Fate::Kept);
    assert_eq!(fixture.press(F11), Fate::Guest);
    assert_eq!(fixture.release(F11), Fate::Guest);
    assert!(fixture.policy.take_toggles().is_empty());
    fixture.chord();
    assert_eq!(fixture.press(F11), Fate::Kept);
}

#[test]
fn with_other_keys_the_full_screen_key_is_the_guest_s() {
    let mut fixture = Fixture::auto();
    fixture.press(CTRL);
    assert_eq!(fixture.press(F11), Fate::Guest);
    assert!(fixture.policy.take_toggles().is_empty());
}

#[test]
fn a_click_locks_a_pointer_that_the_guest_hides() {
    let mut fixture = Fixture::auto();
    fixture.lose_the_pointer();
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.click();
    assert_eq!(fixture.wanted(), POINTER);
    fixture.policy.guest_pointer(true);
    assert_eq!(fixture.wanted(), NOTHING);
}

#[test]
fn a_guest_that_hides_its_pointer_while_one_types_is_no_game() {
    let mut fixture = Fixture::auto();
    fixture.policy.guest_pointer(true);
    fixture.policy.guest_pointer(false);
    fixture.now += Duration::from_secs(60);
    fixture.move_to(0.0);
    fixture.move_to(300.0);
    fixture.click();
    assert_eq!(fixture.wanted(), NOTHING);
}

#[test]
fn a_guest_that_never_had_a_pointer_is_no_game() {
    let mut fixture = Fixture::auto();
    fixture.policy.guest_pointer(false);
    for x in 0..100 {
        fixture.move_to(f64::from(x));
        fixture.now += Duration::from_millis(100);
    }
    fixture.click();
    assert_eq!(fixture.wanted(), NOTHING);
}

#[test]
fn a_relative_pointer_is_locked_by_any_click_and_stays_so() {
    let mut fixture = Fixture::new(PointerMode::Relative, GrabMode::Auto);
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.click();
    assert_eq!(fixture.wanted(), POINTER);
    fixture.policy.guest_pointer(true);
    assert_eq!(fixture.wanted(), POINTER);
    fixture.chord();
    assert_eq!(fixture.wanted(), NOTHING);
    fixture.click();
    assert_eq!(fixture.wanted(), POINTER);
}

#[test]
fn what_the_guest_has_no_device_for_is_not_locked() {
    let mouse = Has {
        pointer: false,
        mouse: true,
    };
    let mut fixture = Fixture::with(PointerMode::Auto, GrabMode::Auto, mouse);
    fixture.click();
    assert_eq!(fixture.wanted(), POINTER);

    let pointer = Has {
        pointer: true,
        mouse: false,
    };
    let mut fixture = Fixture::with(PointerMode::Auto, GrabMode::Auto, pointer);
    fixture.lose_the_pointer();
    fixture.click();
    fixture.chord();
    assert_eq!(fixture.wanted(), SHORTCUTS);

    let mut fixture = Fixture::new(PointerMode::Absolute, GrabMode::Auto);
    fixture.lose_the_pointer();
    fixture.click();
    assert_eq!(fixture.wanted(), NOTHING);
}

#[test]
fn whatever_is_lost_is_let_go() {
    for lost in [
        HostInput::KeyboardLeave,
        HostInput::PointerLeave,
        HostInput::PointerLocked(false),
    ] {
        let mut fixture = Fixture::new(PointerMode::Relative, GrabMode::Never);
        fixture.click();
        assert_eq!(fixture.wanted(), POINTER);
        fixture.see(lost);
        assert_eq!(fixture.wanted(), NOTHING, "{lost:?}");
    }
}

#[test]
fn another_guest_is_no_longer_in_its_game() {
    let mut fixture = Fixture::auto();
    fixture.lose_the_pointer();
    fixture.click();
    fixture.policy.forget_guest();
    assert_eq!(fixture.wanted(), NOTHING);
}

#[test]
fn without_a_chord_nothing_is_toggled() {
    let options = HandsOptions {
        release: None,
        fullscreen: None,
        ..HandsOptions::default()
    };
    let mut fixture = Fixture::auto();
    fixture.policy = Policy::new(options, Has::default());
    fixture.see(HostInput::KeyboardEnter(SCREEN));
    fixture.chord();
    assert_eq!(fixture.press(F11), Fate::Guest);
    assert_eq!(fixture.wanted(), NOTHING);
}

/// Anything that a user or a guest does.
#[derive(Debug, Clone)]
enum Step {
    Host(HostInput),
    Pointer(bool),
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let code = prop::sample::select(vec![CTRL, ALT, F11, A]);
    let key = (code, any::<bool>()).prop_map(|(code, pressed)| HostInput::Key { code, pressed });
    let place = (0..400_i32).prop_map(|x| {
        HostInput::PointerMotion(Position {
            scanout: SCREEN,
            x: x.into(),
            y: 0.0,
        })
    });
    let other = prop::sample::select(vec![
        HostInput::KeyboardEnter(SCREEN),
        HostInput::KeyboardLeave,
        HostInput::PointerLeave,
        HostInput::PointerLocked(true),
        HostInput::PointerLocked(false),
        HostInput::Button {
            code: 0x110,
            pressed: true,
        },
        HostInput::Fullscreen {
            scanout: SCREEN,
            on: true,
        },
        HostInput::Fullscreen {
            scanout: SCREEN,
            on: false,
        },
    ]);
    let step = prop_oneof![
        4 => key.prop_map(Step::Host),
        2 => place.prop_map(Step::Host),
        2 => other.prop_map(Step::Host),
        1 => any::<bool>().prop_map(Step::Pointer),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 0..80)
}

fn modes() -> impl Strategy<Value = (PointerMode, GrabMode)> {
    let pointers = [
        PointerMode::Auto,
        PointerMode::Absolute,
        PointerMode::Relative,
    ];
    let grabs = [GrabMode::Auto, GrabMode::Always, GrabMode::Never];
    (
        prop::sample::select(pointers.to_vec()),
        prop::sample::select(grabs.to_vec()),
    )
}

proptest! {
    /// Whatever happened, the chord lets go of everything that is held.
    #[test]
    fn the_chord_always_lets_go((pointer, grab) in modes(), steps in steps()) {
        let mut fixture = Fixture::new(pointer, grab);
        for step in steps {
            match step {
                Step::Host(event) => drop(fixture.see(event)),
                Step::Pointer(seen) => fixture.policy.guest_pointer(seen),
                Step::Wait => fixture.now += Duration::from_millis(600),
            }
            let wanted = fixture.wanted();
            prop_assert!(!(wanted.pointer && pointer == PointerMode::Absolute));
            prop_assert!(!(wanted.shortcuts && grab == GrabMode::Never));
        }
        for code in [CTRL, ALT, F11, A] {
            fixture.release(code);
        }
        if fixture.wanted() != NOTHING {
            fixture.chord();
            prop_assert_eq!(fixture.wanted(), NOTHING);
        }
        fixture.see(HostInput::KeyboardLeave);
        prop_assert_eq!(fixture.wanted(), NOTHING);
    }

    /// A key of which the guest saw the press is not kept from it when it goes up, and the other way
    /// round.
    #[test]
    fn a_key_goes_where_it_came_from(steps in steps()) {
        let mut fixture = Fixture::auto();
        let mut down = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Host(event @ HostInput::Key { code, pressed }) => {
                    let fate = fixture.see(event);
                    if pressed {
                        down.entry(code).or_insert(fate);
                    } else if let Some(before) = down.remove(&code) {
                        prop_assert_eq!(before, fate);
                    }
                }
                Step::Host(event) => {
                    if matches!(event, HostInput::KeyboardEnter(_) | HostInput::KeyboardLeave) {
                        down.clear();
                    }
                    fixture.see(event);
                }
                Step::Pointer(seen) => fixture.policy.guest_pointer(seen),
                Step::Wait => fixture.now += Duration::from_millis(600),
            }
        }
    }
}
