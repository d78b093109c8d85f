//! How processes live, die and follow each other.

use std::time::Duration;

use protocols::virtio_gpu::ErrorCode;
use rustix::process::Signal;

use super::{super::*, fixture::*};
use crate::{
    memory::GuestRam,
    renderer::{Done, Timeline},
};

/// How often each way to die is tried.
const TIMES: u32 = 50;

/// Patience that does not end in these tests, though it bounds how long those rest who died at once.
const A_WHILE: Duration = Duration::from_secs(2);

/// Patience that ends.
const SHORT: Duration = Duration::from_millis(400);

/// Has the process lost `TIMES` times in the middle of its work, in different moments of it.
fn dies(patience: Duration, mut die: impl FnMut(&mut Fixture)) {
    let mut spawn = spawn("children::fake");
    spawn.patience = patience;
    let mut fixture = Fixture::with(spawn);
    let before = descriptors();
    for time in 0..TIMES {
        fixture.create_context();
        fixture.say(b"late");
        for id in 1..u64::from(time) {
            fixture.send_fenced(fence(id, Timeline::Device), Request::Nothing);
        }
        // Some die before they have said what they can do, if they can; some when they have done much.
        fixture.wait_for_process(patience < A_WHILE || time % 3 > 0);
        if time % 3 > 1 {
            fixture.events(1);
        }
        die(&mut fixture);
        fixture.lost();
        assert_eq!(fixture.remote.losses(), time + 1);
        assert!(fixture.remote.take_events().is_empty(), "lost twice");
        assert!(fixture.remote.process().is_none());
    }
    let context = fixture.create_context();
    assert_eq!(fixture.tickets(1), [context]);
    assert!(fixture.about().contains("submits 0\n"), "a new one");
    // Those that were killed end, and nothing is left of them.
    while !fixture.remote.losses.dying.is_empty() {
        fixture.turn();
    }
    assert_eq!(descriptors(), before);
    assert_eq!(zombies(), 0);
}

fn zombies() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let children = tasks.filter_map(Result::ok).flat_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let state = |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    children
        .filter_map(|pid| state(&pid))
        .filter(|stat| stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
        .count()
}

#[test]
fn a_process_that_is_killed_is_lost_once_and_followed_by_another() {
    dies(A_WHILE, |fixture| fixture.kill(Signal::KILL));
}

#[test]
fn a_process_that_fails_by_itself_is_lost_once_and_followed_by_another() {
    dies(A_WHILE, |fixture| {
        fixture.say(b"fall");
    });
}

#[test]
fn a_process_that_fails_from_outside_is_lost_once_and_followed_by_another() {
    dies(A_WHILE, |fixture| {
        // Rust catches the first one, and lets a second one through: in earnest it comes by itself.
        while fixture.state() != 'Z' {
            fixture.kill(Signal::SEGV);
        }
    });
}

#[test]
fn a_process_that_is_stopped_is_killed_when_patience_ends() {
    dies(SHORT, |fixture| {
        fixture.stop();
        // It may have had nothing to do any more.
        fixture.say(b"more");
    });
}

#[test]
fn a_process_that_exits_is_lost() {
    let mut fixture = Fixture::new();
    fixture.say(b"exit");
    assert!(fixture.lost().is_empty());
    let loss = fixture.remote.last_loss().unwrap();
    assert_eq!(loss, &Lack::new(Missing::Answer, "exit status 7"));
}

#[test]
fn a_process_that_hangs_in_a_driver_is_killed_when_patience_ends() {
    let mut spawn = spawn("children::fake");
    spawn.patience = SHORT;
    let mut fixture = Fixture::with(spawn);
    let done = fixture.send(Request::Nothing);
    fixture.say(b"hang");
    fixture.send(Request::Nothing);
    assert_eq!(fixture.lost(), [done], "what was done before is answered");
}

#[test]
fn a_process_that_is_stopped_while_it_waits_for_the_graphics_card_is_killed() {
    let mut spawn = spawn("children::fake");
    spawn.patience = SHORT;
    let mut fixture = Fixture::with(spawn);
    fixture.say(b"hold");
    fixture.tickets(1);
    fixture.send_fenced(fence(1, Timeline::Device), Request::Nothing);
    fixture.remote.flush();
    // It has taken all that there was: nothing is left that it could be late with.
    while fixture.remote.life.orders().unwrap().is_pending().unwrap() {
        fixture.turn();
    }
    fixture.stop();
    assert!(fixture.lost().is_empty());
}

#[test]
fn a_process_that_waits_for_the_graphics_card_is_left_alone() {
    let patience = Duration::from_millis(200);
    let mut spawn = spawn("children::fake");
    spawn.patience = patience;
    let mut fixture = Fixture::with(spawn);
    fixture.say(b"hold");
    fixture.tickets(1);
    let held = fixture.send_fenced(fence(1, Timeline::Device), Request::Nothing);
    let start = Instant::now();
    while start.elapsed() < patience * 4 {
        assert!(fixture.turn().is_empty());
    }
    let free = fixture.say(b"free");
    let mut answered = fixture.tickets(2);
    answered.sort_unstable();
    assert_eq!(answered, [held, free]);
}

#[test]
fn what_was_sent_before_the_loss_was_told_is_lost_with_it() {
    let mut fixture = Fixture::new();
    fixture.kill(Signal::KILL);
    while fixture.remote.process().is_some() {
        std::thread::yield_now();
        fixture.remote.dispatch();
    }
    // The core does not know yet.
    fixture.create_context();
    fixture.send(Request::Nothing);
    let events = fixture.remote.take_events();
    assert!(
        matches!(events.as_slice(), [RendererEvent::Lost]),
        "{events:?}"
    );
    assert!(fixture.remote.process().is_none());

    let context = fixture.create_context();
    assert_eq!(fixture.tickets(1), [context]);
}

#[test]
fn without_a_process_all_is_answered_and_only_a_context_starts_one() {
    let mut fixture = Fixture::new();
    fixture.kill(Signal::KILL);
    fixture.lost();
    assert!(matches!(
        fixture.ask(Request::Unref(1)),
        Err(ErrorCode::Unspec)
    ));
    assert!(matches!(fixture.ask(Request::Nothing), Ok(Done::Nothing)));
    assert!(fixture.remote.process().is_none());
    fixture.create_context();
    assert!(fixture.remote.process().is_some());
}

#[test]
fn the_next_process_knows_the_memory() {
    use crate::memory::testing;
    use protocols::virtio_gpu::MemEntry;

    let mut fixture = Fixture::new();
    let file = testing::memfd(0x1000);
    let map = testing::map(&[(0, 0x1000, &file, 0)]);
    testing::write(&map, 0x10, b"ram");
    fixture.remote.ram_changed(&GuestRam::new(map));
    fixture.kill(Signal::KILL);
    fixture.lost();

    fixture.create_context();
    fixture.tickets(1);
    let entries = [MemEntry {
        addr: 0x10,
        length: 3,
    }];
    let attach = Request::AttachBacking {
        resource: 1,
        entries: &entries,
    };
    assert!(fixture.ask(attach).is_ok());
    assert_eq!(fixture.mapped(1), b"ram");
}

#[test]
fn who_dies_at_once_again_and_again_rests_and_requests_wait_for_it() {
    let mut fixture = Fixture::new();
    for _ in 0..4 {
        fixture.create_context();
        fixture.say(b"fall");
        fixture.lost();
    }
    let first = fixture.create_context();
    let second = fixture.send(Request::Nothing);
    assert!(fixture.remote.process().is_none(), "it rests");
    assert!(fixture.remote.next_deadline().is_some());
    assert_eq!(fixture.tickets(2), [first, second]);
}

#[test]
fn a_driver_that_starts_anew_does_not_wait_for_a_process() {
    let mut fixture = Fixture::new();
    for _ in 0..4 {
        fixture.create_context();
        fixture.say(b"fall");
        fixture.lost();
    }
    fixture.create_context();
    fixture.remote.reset();
    assert_eq!(fixture.remote.next_deadline(), None);
    assert!(fixture.remote.take_events().is_empty());
}

#[test]
fn a_guest_goes_on_with_what_it_was_offered_first() {
    let mut fixture = Fixture::new();
    let first = Renderer::capsets(&fixture.remote).to_vec();
    fixture.kill(Signal::KILL);
    fixture.lost();
    let context = fixture.create_context();
    assert_eq!(fixture.tickets(1), [context]);
    assert_eq!(Renderer::capsets(&fixture.remote), first);
}

#[test]
fn a_process_that_offers_something_else_is_of_no_use() {
    let mut fixture = Fixture::with(spawn("children::another_each_time"));
    fixture.kill(Signal::KILL);
    fixture.lost();
    fixture.create_context();
    assert!(fixture.lost().is_empty());
    assert_eq!(fixture.remote.last_loss().unwrap().what, Missing::Other);
}

#[test]
fn who_can_not_draw_says_what_is_missing() {
    let lack = Remote::start(spawn("children::lacking")).unwrap_err();
    assert_eq!(lack, Lack::new(Missing::Library, "no such file"));
}

#[test]
fn who_says_nothing_is_given_up() {
    let mut spawn = spawn("children::silent");
    spawn.greeting = Duration::from_millis(100);
    let lack = Remote::start(spawn).unwrap_err();
    assert_eq!(lack.what, Missing::Answer);
    assert_eq!(lack.detail, "it was silent for too long");
}

#[test]
fn a_program_that_is_not_there_or_another_is_an_error() {
    let mut spawn = spawn("children::fake");
    spawn.program = "/nonexistent/lucarne".into();
    assert_eq!(
        Remote::start(spawn.clone()).unwrap_err().what,
        Missing::Answer
    );
    spawn.program = "/bin/true".into();
    let lack = Remote::start(spawn).unwrap_err();
    assert_eq!(lack, Lack::new(Missing::Answer, "exit status 0"));
}

#[test]
fn nothing_is_left_when_the_device_ends() {
    let before = descriptors();
    let mut fixture = Fixture::new();
    fixture.say(b"late");
    fixture.send_fenced(fence(1, Timeline::Device), Request::Nothing);
    fixture.remote.flush();
    drop(fixture);
    assert_eq!(descriptors(), before);
    assert_eq!(zombies(), 0);
}
