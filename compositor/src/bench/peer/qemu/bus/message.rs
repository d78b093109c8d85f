//! D-Bus between two processes without a bus: greeting, messages, descriptors (D-Bus Specification 0.43),
//! as much of it as QEMU's display needs.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{fd::BorrowedFd, unix::net::UnixStream},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg,
    sendmsg, sockopt::set_socket_passcred,
};

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const NO_REPLY_EXPECTED: u8 = 1;

/// Fields of a header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const REPLY_SERIAL: u8 = 5;
const SIGNATURE: u8 = 8;
const UNIX_FDS: u8 = 9;

/// The fixed part of a header, with the length of its fields.
const HEADER: usize = 16;

/// The longest message that there may be.
const MAX_MESSAGE: usize = 128 << 20;

/// A method that is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
}

/// A message that has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Incoming {
    kind: u8,
    flags: u8,
    serial: u32,
    pub(super) member: String,
}

impl Incoming {
    /// Whether it is a call and not an answer.
    pub(super) fn is_call(&self) -> bool {
        self.kind == METHOD_CALL
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    serial: u32,
    /// The last message's body.
    body: Vec<u8>,
}

impl Connection {
    /// Greets the other side, which knows us by what the kernel tells it of this process.
    ///
    /// # Errors
    /// It does not take us for the same user.
    pub(super) fn greet(mut stream: UnixStream) -> io::Result<Self> {
        set_socket_passcred(&stream, true)?;
        let user = rustix::process::geteuid().as_raw().to_string();
        let hex: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        expect(&mut stream, "OK ")?;
        stream.write_all(b"NEGOTIATE_UNIX_FD\r\n")?;
        expect(&mut stream, "AGREE_UNIX_FD")?;
        stream.write_all(b"BEGIN\r\n")?;
        Ok(Self {
            stream,
            serial: 0,
            body: Vec::new(),
        })
    }

    /// Calls a method whose only argument is a descriptor.
    pub(super) fn call_with(
        &mut self,
        call: Call<'_>,
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut fields = Writer::default();
        for (field, kind, value) in [
            (PATH, "o", call.path),
            (INTERFACE, "s", call.interface),
            (MEMBER, "s", call.member),
        ] {
            fields.field(field, kind);
            fields.string(value);
        }
        fields.field(SIGNATURE, "g");
        fields.signature("h");
        fields.field(UNIX_FDS, "u");
        fields.word(1);
        let mut body = Writer::default();
        // The place of the descriptor among those of the message.
        body.word(0);
        self.send(METHOD_CALL, &fields, &body, &[descriptor])
    }

    /// Answers a call, without a result where `body` is `None`.
    pub(super) fn answer(
        &mut self,
        call: &Incoming,
        body: Option<(&str, Writer)>,
    ) -> io::Result<()> {
        if call.flags & NO_REPLY_EXPECTED != 0 {
            return Ok(());
        }
        let mut fields = Writer::default();
        fields.field(REPLY_SERIAL, "u");
        fields.word(call.serial);
        let body = body.map_or_else(Writer::default, |(signature, body)| {
            fields.field(SIGNATURE, "g");
            fields.signature(signature);
            body
        });
        self.send(METHOD_RETURN, &fields, &body, &[])
    }

    /// Waits for the next message; its pixels are taken from the socket and not looked at. `None` at the
    /// end. Descriptors are closed as they come.
    pub(super) fn receive(&mut self) -> io::Result<Option<Incoming>> {
        let mut head = [0; HEADER];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut head)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(&self.stream, &mut parts, &mut control, flags)?.bytes;
        drop(control);
        if got == 0 {
            return Ok(None);
        }
        self.stream
            .read_exact(head.get_mut(got..).unwrap_or_default())?;
        let [endian, kind, message_flags, _, rest @ ..] = head;
        let [body, serial, fields] = words(&rest);
        if endian != b'l' {
            return Err(io::Error::other("its bytes are in another order than ours"));
        }
        let fields_length = length(fields)?;
        let body_length = length(body)?;
        let mut fields = vec![0; fields_length.next_multiple_of(8)];
        self.stream.read_exact(&mut fields)?;
        if self.body.len() < body_length {
            self.body.resize(body_length, 0);
        }
        let room = self.body.get_mut(..body_length).unwrap_or_default();
        self.stream.read_exact(room)?;
        let member = member(fields.get(..fields_length).unwrap_or_default());
        Ok(Some(Incoming {
            kind,
            flags: message_flags,
            serial,
            member: member.unwrap_or_default(),
        }))
    }

    fn send(
        &mut self,
        kind: u8,
        fields: &Writer,
        body: &Writer,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.serial += 1;
        let mut message = Writer(vec![b'l', kind, 0, 1]);
        message.word(u32::try_from(body.0.len()).unwrap_or(u32::MAX));
        message.word(self.serial);
        message.word(u32::try_from(fields.0.len()).unwrap_or(u32::MAX));
        message.0.extend(&fields.0);
        message.align(8);
        message.0.extend(&body.0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let parts = [IoSlice::new(&message.0)];
        let sent = sendmsg(&self.stream, &parts, &mut control, SendFlags::NOSIGNAL)?;
        self.stream
            .write_all(message.0.get(sent..).unwrap_or_default())
    }
}

/// Reads a line of the greeting.
fn expect(stream: &mut UnixStream, start: &str) -> io::Result<()> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") && line.len() < 1024 {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    match line.starts_with(start.as_bytes()) {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "it says {:?} instead of {start:?}",
            String::from_utf8_lossy(&line)
        ))),
    }
}

/// The member among a header's fields.
fn member(fields: &[u8]) -> Option<String> {
    let mut at = 0_usize;
    loop {
        at = at.next_multiple_of(8);
        let [code, 1, kind, 0] = *fields.get(at..at + 4)? else {
            return None;
        };
        at += 4;
        match kind {
            b'u' => at += 4,
            b'g' => at += usize::from(*fields.get(at)?) + 2,
            b's' | b'o' => {
                let [bytes] = words(fields.get(at..at + 4)?);
                let text = fields.get(at + 4..)?.get(..length(bytes).ok()?)?;
                if code == MEMBER {
                    return String::from_utf8(text.to_vec()).ok();
                }
                at += 4 + text.len() + 1;
            }
            _ => return None,
        }
    }
}

fn length(words: u32) -> io::Result<usize> {
    let length = usize::try_from(words).unwrap_or(usize::MAX);
    match length <= MAX_MESSAGE {
        true => Ok(length),
        false => Err(io::Error::other(format!("it sends {length} bytes at once"))),
    }
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = bytes.try_into().map_or(0, u32::from_le_bytes);
    }
    words
}

/// Values in D-Bus' form.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// A dictionary with one entry, a list of one text: `a{sv}` with an `as` in it.
    pub(super) fn dictionary(key: &str, text: &str) -> Self {
        let mut entry = Self::default();
        entry.string(key);
        entry.signature("as");
        entry.align(4);
        let mut list = Self::default();
        list.string(text);
        entry.word(u32::try_from(list.0.len()).unwrap_or(u32::MAX));
        entry.0.extend(list.0);
        let mut dictionary = Self::default();
        dictionary.word(u32::try_from(entry.0.len()).unwrap_or(u32::MAX));
        dictionary.align(8);
        dictionary.0.extend(entry.0);
        dictionary
    }

    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn word(&mut self, word: u32) {
        self.align(4);
        self.0.extend(word.to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.word(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend(text.bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.0.extend(text.bytes());
        self.0.push(0);
    }

    /// The beginning of a header's field.
    fn field(&mut self, code: u8, kind: &str) {
        self.align(8);
        self.0.push(code);
        self.signature(kind);
    }
}

#[cfg(test)]
mod tests;
