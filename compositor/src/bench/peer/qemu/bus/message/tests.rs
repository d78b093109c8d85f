use std::{os::fd::AsFd as _, thread};

use super::*;

/// The other side's part of the greeting, and then its connection.
fn welcome(mut stream: UnixStream) -> Connection {
    let mut nul = [1];
    stream.read_exact(&mut nul).unwrap();
    assert_eq!(nul, [0]);
    let user = rustix::process::geteuid().as_raw().to_string();
    let hex: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
    expect(&mut stream, &format!("AUTH EXTERNAL {hex}\r\n")).unwrap();
    stream.write_all(b"OK 0123456789abcdef\r\n").unwrap();
    expect(&mut stream, "NEGOTIATE_UNIX_FD\r\n").unwrap();
    stream.write_all(b"AGREE_UNIX_FD\r\n").unwrap();
    expect(&mut stream, "BEGIN\r\n").unwrap();
    Connection {
        stream,
        serial: 41,
        body: Vec::new(),
    }
}

#[test]
fn calls_and_answers_reach_the_other_side() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let other = thread::spawn(move || welcome(theirs));
    let mut connection = Connection::greet(ours).unwrap();
    let mut other = other.join().unwrap();

    let call = Call {
        path: "/a",
        interface: "a.b",
        member: "Register",
    };
    let file = std::fs::File::open("/dev/null").unwrap();
    connection.call_with(call, file.as_fd()).unwrap();
    let heard = other.receive().unwrap().unwrap();
    assert!(heard.is_call());
    assert_eq!((heard.member.as_str(), heard.serial), ("Register", 1));

    let result = Writer::dictionary("Interfaces", "x");
    other.answer(&heard, Some(("a{sv}", result))).unwrap();
    let answer = connection.receive().unwrap().unwrap();
    assert!(!answer.is_call());
    assert_eq!(answer.serial, 42);
    drop(other);
    assert!(connection.receive().unwrap().is_none());
}

#[test]
fn a_dictionary_is_laid_out_as_the_specification_says() {
    let Writer(bytes) = Writer::dictionary("Key", "ab");
    let expected = [
        // The length of the entries, and their alignment.
        &[23, 0, 0, 0, 0, 0, 0, 0][..],
        &[3, 0, 0, 0, b'K', b'e', b'y', 0],
        // A variant that is a list of texts of 7 bytes.
        &[2, b'a', b's', 0, 7, 0, 0, 0],
        &[2, 0, 0, 0, b'a', b'b', 0],
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn who_refuses_us_is_named() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"REJECTED EXTERNAL\r\n").unwrap();
    let error = Connection::greet(ours).unwrap_err();
    assert!(error.to_string().contains("REJECTED"), "{error}");
}
