use std::{
    fs::File,
    io::{IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::Arc,
};

use proptest::prelude::*;
use rustix::{
    fs::{MemfdFlags, memfd_create},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};

use super::*;

const PAGE: u64 = 4096;
const SIZE: u64 = 256 << 20;

/// A window and the front-end's end of its channel.
struct Fixture {
    window: Window,
    channel: Channel,
    vmm: UnixStream,
    now: Instant,
}

/// A request as a front-end sees it.
#[derive(Debug)]
struct Seen {
    request: u32,
    flags: u32,
    offset: u64,
    len: u64,
    writable: u64,
    fd: Option<OwnedFd>,
}

impl Seen {
    fn piece(&self) -> (u32, u64, u64) {
        (self.request, self.offset, self.len)
    }
}

impl Fixture {
    fn new() -> Self {
        let (ours, vmm) = UnixStream::pair().unwrap();
        let channel = Channel::new(ours.into());
        let mut window = Window::new(SIZE);
        assert!(window.follow(Some(&channel), true));
        Self {
            window,
            channel,
            vmm,
            now: Instant::now(),
        }
    }

    fn map(&mut self, ticket: u64, page: u64) {
        let mapping = Mapping {
            fd: Arc::new(memory()),
            offset: page * PAGE,
            len: PAGE,
            writable: true,
        };
        self.window.map(Ticket(ticket), mapping);
    }

    fn unmap(&mut self, ticket: u64, page: u64) {
        self.window.unmap(Ticket(ticket), page * PAGE, PAGE);
    }

    /// One that is in the window.
    fn mapped(&mut self, page: u64) {
        self.map(1000 + page, page);
        self.heard();
        self.answer(9, 0);
        assert_eq!(self.outcomes(), [(1000 + page, true)]);
    }

    /// All requests that have arrived.
    fn heard(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| receive(&self.vmm)).collect()
    }

    fn pieces(&mut self) -> Vec<(u32, u64, u64)> {
        self.heard().iter().map(Seen::piece).collect()
    }

    fn answer(&mut self, request: u32, code: u64) {
        self.say(request, 5, 8, code);
        self.window.dispatch(self.now);
    }

    fn say(&mut self, request: u32, flags: u32, size: u32, code: u64) {
        let words = [request, flags, size];
        let head = words.iter().flat_map(|word| word.to_ne_bytes());
        let bytes: Vec<u8> = head.chain(code.to_ne_bytes()).collect();
        self.vmm.write_all(&bytes).unwrap();
    }

    fn outcomes(&mut self) -> Vec<(u64, bool)> {
        let outcomes = self.window.take_outcomes().into_iter();
        outcomes.map(|(ticket, done)| (ticket.0, done)).collect()
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.window.dispatch(self.now);
    }
}

fn memory() -> OwnedFd {
    memfd_create("blob", MemfdFlags::CLOEXEC).unwrap()
}

fn receive(socket: &UnixStream) -> Option<Seen> {
    let mut bytes = [0_u8; 52];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let got = recvmsg(socket, &mut parts, &mut control, RecvFlags::DONTWAIT).ok()?;
    if got.bytes == 0 {
        return None;
    }
    assert_eq!(got.bytes, 52);
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(word(8), 40);
    assert_eq!(bytes[12], 1, "the host-visible region");
    assert_eq!(long(20), 0, "from the memory's first byte");
    Some(Seen {
        request: word(0),
        flags: word(4),
        offset: long(28),
        len: long(36),
        writable: long(44),
        fd,
    })
}

#[test]
fn a_mapping_carries_its_memory_and_waits_for_the_answer() {
    let mut fixture = Fixture::new();
    let memory = memory();
    rustix::io::write(&memory, b"pixels").unwrap();
    let mapping = Mapping {
        fd: Arc::new(memory),
        offset: 3 * PAGE,
        len: 2 * PAGE,
        writable: false,
    };
    fixture.window.map(Ticket(7), mapping);
    let [seen] = &mut fixture.heard()[..] else {
        panic!("one request")
    };
    assert_eq!(seen.piece(), (9, 3 * PAGE, 2 * PAGE));
    assert_eq!(
        (seen.flags, seen.writable),
        (9, 0),
        "version 1, to be answered; read only"
    );
    let mut there = [0; 6];
    let file = File::from(seen.fd.take().unwrap());
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut there, 0).unwrap();
    assert_eq!(&there, b"pixels");

    fixture.window.dispatch(fixture.now);
    assert_eq!(fixture.outcomes(), []);
    fixture.answer(9, 0);
    assert_eq!(fixture.outcomes(), [(7, true)]);
    assert_eq!(fixture.window.next_deadline(), None);
}

#[test]
fn what_may_be_written_is_mapped_so_and_unmapped_as_a_whole() {
    let mut fixture = Fixture::new();
    fixture.map(1, 0);
    let seen = fixture.heard();
    assert_eq!(seen[0].writable, 1);
    fixture.answer(9, 0);
    // A part, more than it, another place.
    for (offset, len) in [(0, PAGE / 2), (0, 2 * PAGE), (PAGE, PAGE)] {
        fixture.window.unmap(Ticket(2), offset, len);
    }
    assert!(fixture.heard().is_empty());
    assert_eq!(
        fixture.outcomes(),
        [(1, true), (2, false), (2, false), (2, false)]
    );
    fixture.unmap(3, 0);
    let seen = fixture.heard();
    assert_eq!(seen[0].piece(), (10, 0, PAGE));
    assert!(seen[0].fd.is_none());
    fixture.answer(10, 0);
    assert_eq!(fixture.outcomes(), [(3, true)]);
    fixture.unmap(4, 0);
    assert_eq!(fixture.outcomes(), [(4, false)]);
}

#[test]
fn answers_belong_to_requests_in_their_order() {
    let mut fixture = Fixture::new();
    for ticket in 0..4 {
        fixture.map(ticket, ticket);
    }
    assert_eq!(fixture.heard().len(), 4);
    for (ticket, code) in [(0, 0), (1, 22), (2, 0), (3, u64::MAX)] {
        fixture.answer(9, code);
        assert_eq!(fixture.outcomes(), [(ticket, code == 0)]);
    }
}

#[test]
fn a_refused_unmapping_can_be_tried_again() {
    let mut fixture = Fixture::new();
    fixture.mapped(0);
    fixture.unmap(1, 0);
    fixture.answer(10, 1);
    fixture.unmap(2, 0);
    fixture.answer(10, 0);
    assert_eq!(fixture.outcomes(), [(1, false), (2, true)]);
}

#[test]
fn a_vmm_that_never_answers_costs_five_seconds_once() {
    let mut fixture = Fixture::new();
    fixture.mapped(9);
    fixture.map(1, 0);
    fixture.map(2, 1);
    fixture.unmap(3, 9);
    fixture.heard();
    fixture.wait(Duration::from_millis(4900));
    assert_eq!(fixture.outcomes(), []);
    fixture.wait(Duration::from_millis(200));
    assert_eq!(fixture.outcomes(), [(1, false), (2, false), (3, false)]);
    assert_eq!(fixture.window.next_deadline(), None);

    fixture.map(4, 2);
    assert_eq!(fixture.outcomes(), [(4, false)], "not tried");
    assert!(fixture.heard().is_empty());
    assert_eq!(fixture.window.size(), SIZE);
}

#[test]
fn a_vmm_that_wakes_up_is_asked_again_and_its_late_mappings_are_taken_away() {
    let mut fixture = Fixture::new();
    fixture.map(1, 0);
    fixture.map(2, 1);
    fixture.heard();
    fixture.wait(Duration::from_secs(6));
    assert_eq!(fixture.outcomes(), [(1, false), (2, false)]);

    fixture.answer(9, 0);
    assert_eq!(
        fixture.pieces(),
        [(10, 0, PAGE)],
        "nobody wants it any more"
    );
    fixture.answer(9, 1);
    assert!(fixture.heard().is_empty(), "that one was never made");
    fixture.answer(10, 0);
    assert_eq!(fixture.outcomes(), []);
    fixture.map(3, 0);
    fixture.answer(9, 0);
    assert_eq!(fixture.outcomes(), [(3, true)]);
}

#[test]
fn each_answer_gives_a_busy_vmm_more_time() {
    let mut fixture = Fixture::new();
    (0..4).for_each(|ticket| fixture.map(ticket, ticket));
    for ticket in 0..4 {
        fixture.wait(Duration::from_secs(4));
        fixture.answer(9, 0);
        assert_eq!(fixture.outcomes(), [(ticket, true)]);
    }
}

#[test]
fn a_paused_guest_is_no_reason_to_send_or_to_lose_patience() {
    let mut fixture = Fixture::new();
    let channel = fixture.channel.clone();
    assert!(!fixture.window.follow(Some(&channel), false));
    fixture.map(1, 0);
    fixture.wait(Duration::from_secs(60));
    assert!(fixture.heard().is_empty());
    assert_eq!(fixture.outcomes(), []);
    assert!(!fixture.window.follow(Some(&channel), true));
    fixture.now = Instant::now();
    fixture.wait(Duration::from_secs(4));
    assert_eq!(fixture.pieces(), [(9, 0, PAGE)]);
    fixture.answer(9, 0);
    assert_eq!(fixture.outcomes(), [(1, true)]);
}

#[test]
fn a_new_driver_finds_an_empty_window() {
    let mut fixture = Fixture::new();
    fixture.mapped(0);
    fixture.mapped(1);
    fixture.map(1, 2);
    fixture.unmap(2, 1);
    fixture.heard();
    fixture.window.reset();
    assert_eq!(fixture.pieces(), [(10, 0, PAGE)]);
    // What was asked before is answered still, and is nobody's.
    fixture.answer(9, 0);
    assert_eq!(fixture.pieces(), [(10, 2 * PAGE, PAGE)]);
    fixture.answer(10, 0);
    // This VMM has emptied the window by itself.
    fixture.answer(10, 1);
    fixture.answer(10, 1);
    assert_eq!(fixture.outcomes(), []);
    fixture.mapped(0);
    assert_eq!(fixture.window.next_deadline(), None);
}

#[test]
fn a_reset_in_a_pause_empties_the_window_before_anything_new_is_mapped() {
    let mut fixture = Fixture::new();
    let channel = fixture.channel.clone();
    fixture.mapped(0);
    fixture.window.follow(Some(&channel), false);
    fixture.map(1, 5);
    fixture.window.reset();
    assert!(fixture.heard().is_empty());
    fixture.window.follow(Some(&channel), true);
    fixture.map(2, 0);
    assert_eq!(fixture.pieces(), [(10, 0, PAGE), (9, 0, PAGE)]);
}

#[test]
fn nonsense_ends_the_window_but_not_the_device() {
    for (request, flags, size) in [(9, 1, 8), (9, 5, 12), (10, 5, 8), (2, 5, 8)] {
        let mut fixture = Fixture::new();
        fixture.map(1, 0);
        fixture.map(2, 1);
        fixture.say(request, flags, size, 0);
        fixture.window.dispatch(fixture.now);
        assert_eq!(fixture.outcomes(), [(1, false), (2, false)]);
        assert_eq!(fixture.window.size(), 0);
        assert!(fixture.window.watched().is_none());
        fixture.map(3, 2);
        fixture.unmap(4, 0);
        assert_eq!(fixture.outcomes(), [(3, false), (4, false)]);
        let channel = fixture.channel.clone();
        assert!(!fixture.window.follow(Some(&channel), true), "it stays so");
        assert_eq!(fixture.window.size(), 0);
    }
}

#[test]
fn one_answer_too_many_ends_the_window() {
    let mut fixture = Fixture::new();
    fixture.mapped(0);
    fixture.answer(9, 0);
    assert_eq!(fixture.window.size(), 0);
    assert_eq!(fixture.outcomes(), []);
}

#[test]
fn a_closed_channel_fails_what_is_under_way_and_another_one_opens_the_window_again() {
    let mut fixture = Fixture::new();
    fixture.map(1, 0);
    let (ours, vmm) = UnixStream::pair().unwrap();
    fixture.vmm = vmm;
    fixture.window.dispatch(fixture.now);
    assert_eq!(fixture.outcomes(), [(1, false)]);
    assert_eq!(fixture.window.size(), 0);
    let channel = Channel::new(ours.into());
    assert!(fixture.window.follow(Some(&channel), true));
    assert!(fixture.window.watched().is_some());
    fixture.mapped(0);
    // Without notice, as a front-end may.
    let (ours, vmm) = UnixStream::pair().unwrap();
    fixture.map(2, 1);
    assert!(
        fixture
            .window
            .follow(Some(&Channel::new(ours.into())), true)
    );
    fixture.vmm = vmm;
    assert_eq!(fixture.outcomes(), [(2, false)]);
    fixture.mapped(0);
}

#[test]
fn without_a_vmm_there_is_no_window_and_nothing_is_left_of_an_old_one() {
    let mut fixture = Fixture::new();
    fixture.mapped(0);
    fixture.map(1, 1);
    assert!(fixture.window.follow(None, false));
    assert_eq!(fixture.outcomes(), []);
    assert_eq!(fixture.window.size(), 0);
    assert_eq!(fixture.window.offered(), SIZE);
    assert_eq!(fixture.window.next_deadline(), None);
    fixture.map(2, 1);
    fixture.unmap(3, 0);
    assert_eq!(fixture.outcomes(), [(2, false), (3, false)]);
    fixture.channel = Channel::new(memory());
    fixture.heard();
    assert_eq!(
        fixture.vmm.read(&mut [0; 52]).unwrap(),
        0,
        "the channel is closed"
    );
}

#[test]
fn a_vmm_that_does_not_read_blocks_nobody_and_gets_the_rest_later() {
    let mut fixture = Fixture::new();
    let flood = |fixture: &mut Fixture| {
        let memory = Arc::new(memory());
        for page in 0..2000 {
            let mapping = Mapping {
                fd: Arc::clone(&memory),
                offset: page * PAGE,
                len: PAGE,
                writable: true,
            };
            fixture.window.map(Ticket(page), mapping);
        }
    };
    flood(&mut fixture);
    let refused = fixture.outcomes();
    assert_eq!(refused.len(), 2000 - UNDER_WAY);
    assert_eq!(refused[0], (1024, false));
    let first = fixture.heard().len();
    assert!(first > 0 && first < UNDER_WAY, "{first}");
    let mut left = UNDER_WAY;
    let mut waiting = first;
    while waiting > 0 {
        (0..waiting).for_each(|_| fixture.answer(9, 0));
        left -= waiting;
        waiting = fixture.heard().len();
    }
    assert_eq!(left, 0);
    let outcomes = fixture.outcomes();
    let expected: Vec<_> = (0..1024).map(|ticket| (ticket, true)).collect();
    assert_eq!(outcomes, expected);
}

#[test]
fn memory_is_known_again_as_long_as_the_vmm_has_it() {
    let mut fixture = Fixture::new();
    let passed = fixture.channel.passed.clone();
    let memory = Arc::new(memory());
    let map = |fixture: &mut Fixture, ticket, page: u64| {
        let mapping = Mapping {
            fd: Arc::clone(&memory),
            offset: page * PAGE,
            len: PAGE,
            writable: true,
        };
        fixture.window.map(Ticket(ticket), mapping);
        assert!(passed.has(&memory), "before the answer");
    };
    map(&mut fixture, 1, 0);
    fixture.answer(9, 1);
    assert!(!passed.has(&memory), "refused");
    map(&mut fixture, 2, 0);
    fixture.answer(9, 0);
    map(&mut fixture, 3, 1);
    fixture.answer(9, 0);
    fixture.unmap(4, 0);
    fixture.answer(10, 0);
    assert!(passed.has(&memory), "it is in the window twice");
    fixture.window.reset();
    assert!(passed.has(&memory));
    fixture.answer(10, 1);
    assert!(!passed.has(&memory));
}

#[test]
fn memory_is_let_go_of_once_it_is_sent() {
    let mut fixture = Fixture::new();
    let memory = Arc::new(memory());
    let mapping = Mapping {
        fd: Arc::clone(&memory),
        offset: 0,
        len: PAGE,
        writable: true,
    };
    fixture.window.map(Ticket(1), mapping);
    assert_eq!(Arc::strong_count(&memory), 1);
    assert!(
        fixture.heard()[0]
            .fd
            .as_ref()
            .unwrap()
            .as_fd()
            .try_clone_to_owned()
            .is_ok()
    );
}

/// What a driver, a core and a VMM may do, well-behaved or not.
#[derive(Debug, Clone)]
enum Deed {
    Map(u64),
    Unmap(u64),
    Answer(bool),
    Pause,
    Resume,
    Reset,
    Wait(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0..6_u64).prop_map(Deed::Map),
        3 => (0..6_u64).prop_map(Deed::Unmap),
        8 => any::<bool>().prop_map(Deed::Answer),
        1 => Just(Deed::Pause),
        1 => Just(Deed::Resume),
        1 => Just(Deed::Reset),
        1 => (0..7_u64).prop_map(Deed::Wait),
    ];
    prop::collection::vec(deed, 0..120)
}

/// A VMM as the protocol wants it: no mapping over another, only whole mappings taken away. It makes
/// no mapping that it does not like, besides.
#[derive(Debug, Default)]
struct Vmm {
    due: std::collections::VecDeque<(u32, u64, u64)>,
    mapped: BTreeMap<u64, u64>,
}

impl Vmm {
    fn carry_out(&mut self, willing: bool) -> Option<(u32, u64)> {
        let (request, offset, len) = self.due.pop_front()?;
        let done = match request {
            9 if willing && !self.mapped.contains_key(&offset) => {
                self.mapped.insert(offset, len);
                true
            }
            10 => self.mapped.remove(&offset).is_some(),
            _ => false,
        };
        Some((request, u64::from(!done)))
    }
}

proptest! {
    /// Each request has one outcome at most, and exactly one if nobody resets the device; what was
    /// reported as mapped is what the VMM has mapped, once all is answered.
    #[test]
    fn whatever_happens_the_window_is_as_it_was_reported(deeds in deeds()) {
        let mut fixture = Fixture::new();
        let channel = fixture.channel.clone();
        let mut vmm = Vmm::default();
        let mut open = BTreeMap::new();
        let mut reported = BTreeMap::new();
        let mut ticket = 0;
        let finish = [Deed::Resume].into_iter().chain(std::iter::repeat_n(Deed::Answer(true), 400));
        for deed in deeds.into_iter().chain(finish) {
            ticket += 1;
            match deed {
                Deed::Map(page) => {
                    open.insert(ticket, (true, page * PAGE));
                    fixture.map(ticket, page);
                }
                Deed::Unmap(page) => {
                    open.insert(ticket, (false, page * PAGE));
                    fixture.unmap(ticket, page);
                }
                Deed::Answer(willing) => {
                    if let Some((request, code)) = vmm.carry_out(willing) {
                        fixture.answer(request, code);
                    }
                }
                Deed::Pause => {
                    fixture.window.follow(Some(&channel), false);
                }
                Deed::Resume => {
                    fixture.window.follow(Some(&channel), true);
                }
                Deed::Reset => {
                    fixture.window.reset();
                    open.clear();
                    reported.clear();
                }
                Deed::Wait(seconds) => fixture.wait(Duration::from_secs(seconds)),
            }
            vmm.due.extend(fixture.heard().iter().map(Seen::piece));
            for (ticket, done) in fixture.outcomes() {
                let Some((map, offset)) = open.remove(&ticket) else {
                    return Err(TestCaseError::fail(format!("{ticket} has two outcomes")));
                };
                match (map, done) {
                    (true, true) => {
                        reported.insert(offset, PAGE);
                    }
                    (false, true) => prop_assert!(reported.remove(&offset).is_some()),
                    (_, false) => {}
                }
            }
        }
        prop_assert!(open.is_empty(), "no outcome: {open:?}");
        for (offset, len) in &vmm.mapped {
            prop_assert!(reported.get(offset) == Some(len), "left behind: {offset:#x}");
        }
    }
}
