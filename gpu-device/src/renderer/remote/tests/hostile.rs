//! Processes that a guest has taken over.
//!
//! They say hello like an honest one, and then something that no honest one says. The device has to
//! find out, lose them once, and go on.

use std::{
    io::stdin,
    os::fd::{AsFd as _, OwnedFd},
    time::Duration,
};

use protocols::render::{Outcome, Picture, PicturePlane, Report};

use super::{super::*, fixture::*};
use crate::{memory::SharedMemory, renderer::link::RendererEnd};

struct Hostile {
    link: RendererEnd,
}

/// Has said hello.
fn hostile() -> Hostile {
    let socket = stdin().as_fd().try_clone_to_owned().unwrap();
    let mut hostile = Hostile {
        link: RendererEnd::open(socket).unwrap(),
    };
    hostile.hello();
    hostile
}

impl Hostile {
    fn hello(&mut self) {
        self.report(
            &Report::Hello {
                capsets: Vec::new(),
                versions: Versions::default(),
            },
            Vec::new(),
        );
    }

    fn report(&mut self, report: &Report, descriptors: Vec<OwnedFd>) {
        let mut message = Vec::new();
        report.encode(&mut message);
        self.bytes(&message, descriptors);
    }

    fn answer(&mut self, number: u64, outcome: Outcome, descriptors: Vec<OwnedFd>) {
        self.report(&Report::Answer { number, outcome }, descriptors);
    }

    fn bytes(&mut self, message: &[u8], descriptors: Vec<OwnedFd>) {
        self.link.reports.send(message, descriptors).unwrap();
        self.link.reports.ring().unwrap();
    }

    fn ring(&mut self) {
        self.link.orders.bell.ring();
    }

    /// Waits for an order.
    fn order(&mut self) {
        while self.link.orders.ring.peek().unwrap().is_none() {
            std::thread::yield_now();
        }
    }
}

/// Lives on, and does nothing.
fn wait() -> ! {
    loop {
        std::thread::park();
    }
}

fn memory() -> OwnedFd {
    SharedMemory::new(4096).unwrap().descriptor().unwrap()
}

macro_rules! children {
    ($($(#[$doc:meta])* $name:ident($hostile:ident) $body:block)*) => {$(
        $(#[$doc])*
        #[test]
        #[ignore = "the other end of tests"]
        fn $name() {
            let mut $hostile = hostile();
            $body
            wait();
        }
    )*};
}

children! {
    answers_what_was_not_asked(hostile) {
        hostile.order();
        hostile.answer(77, Outcome::Done, Vec::new());
    }
    answers_twice(hostile) {
        hostile.order();
        hostile.answer(1, Outcome::Done, Vec::new());
        hostile.answer(1, Outcome::Done, Vec::new());
    }
    answers_with_a_picture_that_nobody_wants(hostile) {
        hostile.order();
        let picture = Picture {
            width: 1,
            height: 1,
            fourcc: 0,
            modifier: 0,
            bottom_up: false,
            planes: vec![PicturePlane::default()],
        };
        hostile.answer(1, Outcome::Exported(picture), vec![memory()]);
    }
    announces_descriptors_that_do_not_come(hostile) {
        hostile.order();
        hostile.answer(1, Outcome::Mapped { size: 1, caching: 1 }, Vec::new());
    }
    sends_more_descriptors_than_announced(hostile) {
        hostile.order();
        let mapped = Outcome::Mapped { size: 1, caching: 1 };
        hostile.answer(1, mapped, vec![memory(), memory(), memory()]);
    }
    says_hello_twice(hostile) {
        hostile.order();
        hostile.hello();
    }
    says_no_words(hostile) {
        hostile.order();
        hostile.bytes(&[0xff; 100], Vec::new());
    }
    /// Rings and rings.
    rings_for_nothing(hostile) {
        for _ in 0..u64::MAX {
            hostile.ring();
        }
    }
    /// A new end of the ring begins at its beginning, where others have been before.
    forgets_where_it_was(hostile) {
        hostile.order();
        for number in 2..4000 {
            hostile.answer(number, Outcome::Done, Vec::new());
        }
    }
    closes_its_end(hostile) {
        hostile.order();
        // Its standard input is the socket, too, but not the bell.
        drop(hostile);
    }
}

fn is_lost(child: &str, why: &str) {
    let before = descriptors();
    let mut fixture = Fixture::with(spawn(&format!("hostile::{child}")));
    fixture.send(Request::Map(1));
    fixture.send(Request::Nothing);
    fixture.lost();
    assert_eq!(fixture.remote.last_loss().unwrap().detail, why);
    assert!(fixture.remote.take_events().is_empty());
    drop(fixture);
    assert_eq!(descriptors(), before);
}

const NOT_ASKED: &str = "it has answered what was not asked";
const BROKEN: &str = "it has broken the rules";

#[test]
fn who_answers_what_was_not_asked_is_lost() {
    is_lost("answers_what_was_not_asked", NOT_ASKED);
    is_lost("forgets_where_it_was", NOT_ASKED);
    is_lost("says_hello_twice", NOT_ASKED);
}

#[test]
fn who_answers_something_else_than_what_was_asked_is_lost() {
    // The first request is for a blob's memory.
    is_lost("answers_twice", NOT_ASKED);
    is_lost("answers_with_a_picture_that_nobody_wants", NOT_ASKED);
}

#[test]
fn who_announces_other_descriptors_than_come_is_lost() {
    is_lost("announces_descriptors_that_do_not_come", BROKEN);
    is_lost("sends_more_descriptors_than_announced", BROKEN);
}

#[test]
fn who_says_no_words_is_lost() {
    is_lost("says_no_words", BROKEN);
}

#[test]
fn who_closes_the_way_and_lives_on_is_lost() {
    is_lost("closes_its_end", "it has closed its end");
}

#[test]
fn who_rings_for_nothing_is_heard_once_in_a_turn() {
    let mut spawn = spawn("hostile::rings_for_nothing");
    spawn.patience = Duration::from_millis(200);
    let mut fixture = Fixture::with(spawn);
    // Every turn ends, and the watchdog has its turn, too.
    fixture.send(Request::Nothing);
    assert!(fixture.lost().is_empty());
    assert_eq!(
        fixture.remote.last_loss().unwrap().detail,
        "it was stuck and was killed"
    );
}
