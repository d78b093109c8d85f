//! What the device answered, and whether a driver would take it.
//!
//! Stricter than any one guest: the number of bytes must be exact as EDK2 wants it, the kind
//! must be the command's, and the fence is echoed exactly where there is one, as Linux needs it.

use std::time::Duration;

use protocols::virtio_gpu::{Command, HEADER_SIZE, Header, Response};

use super::DriverError;

/// Room for the data of a capset: more than any renderer has.
const CAPSET_ROOM: u32 = 4096;

/// What the answer to a request has to look like.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The command's name, for messages.
    pub(super) command: String,
    /// Bytes that the driver leaves for the answer.
    pub(super) room: u32,
    rules: Rules,
}

#[derive(Debug, Clone, Copy)]
enum Rules {
    /// A response of this kind if it is no error, echoing this header's fence.
    Response {
        header: Header,
        ok: fn(&Response) -> bool,
    },
    /// No answer at all: a cursor command.
    Nothing,
    /// The script will look at it itself.
    Anything,
}

impl Expected {
    /// What the VIRTIO text says about this command.
    pub(super) fn of(command: &Command, header: Header) -> Self {
        let (room, ok): (u32, fn(&Response) -> bool) = match command {
            Command::UpdateCursor { .. } | Command::MoveCursor { .. } => {
                return Self {
                    command: name(command),
                    room: 0,
                    rules: Rules::Nothing,
                };
            }
            Command::GetDisplayInfo => (408, |r| matches!(r, Response::OkDisplayInfo(_))),
            Command::GetEdid { .. } => (1056, |r| matches!(r, Response::OkEdid(_))),
            Command::ResourceAssignUuid { .. } => {
                (40, |r| matches!(r, Response::OkResourceUuid(_)))
            }
            Command::GetCapsetInfo { .. } => (40, |r| matches!(r, Response::OkCapsetInfo { .. })),
            Command::GetCapset { .. } => (24 + CAPSET_ROOM, |r| matches!(r, Response::OkCapset(_))),
            Command::MapBlob { .. } => (32, |r| matches!(r, Response::OkMapInfo { .. })),
            _ => (24, |r| matches!(r, Response::OkNodata)),
        };
        Self {
            command: name(command),
            room,
            rules: Rules::Response { header, ok },
        }
    }

    /// No rules.
    pub(super) fn anything(command: String) -> Self {
        Self {
            command,
            room: 0,
            rules: Rules::Anything,
        }
    }

    fn bad(&self, what: String) -> DriverError {
        DriverError::BadAnswer {
            command: self.command.clone(),
            what,
        }
    }
}

/// A request that the device has finished with.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The bytes of the answer that the device says it has written, as far as there was room.
    pub bytes: Vec<u8>,
    /// How many bytes the device says it has written.
    pub used: u32,
    /// Time from the request to the moment when the driver saw the answer.
    pub took: Duration,
    pub(super) expected: Expected,
}

impl Completion {
    /// The answer, which may be an error of the device's.
    ///
    /// # Errors
    /// No driver would take it.
    pub fn response(&self) -> Result<Response, DriverError> {
        match self.expected.rules {
            Rules::Nothing if self.used == 0 => Ok(Response::OkNodata),
            Rules::Nothing => {
                let what = format!("{} bytes where there is no room for any", self.used);
                Err(self.expected.bad(what))
            }
            Rules::Anything => Response::decode(&self.bytes)
                .map(|(_, response)| response)
                .map_err(|error| self.expected.bad(error.to_string())),
            Rules::Response { header, ok } => self.checked(header, ok),
        }
    }

    /// The answer's header: the fence and the context that the device echoed.
    ///
    /// # Errors
    /// There is none.
    pub fn header(&self) -> Result<Header, DriverError> {
        Response::decode(&self.bytes)
            .map(|(header, _)| header)
            .map_err(|error| self.expected.bad(error.to_string()))
    }

    /// Whether the command is done.
    ///
    /// # Errors
    /// The device refused it, or gave no answer that a driver would take.
    pub fn done(&self) -> Result<(), DriverError> {
        match self.response()? {
            Response::Err(code) => Err(DriverError::Refused {
                command: self.expected.command.clone(),
                code,
            }),
            _ => Ok(()),
        }
    }

    fn checked(&self, sent: Header, ok: fn(&Response) -> bool) -> Result<Response, DriverError> {
        let bad = |what| self.expected.bad(what);
        let (header, response) =
            Response::decode(&self.bytes).map_err(|error| bad(error.to_string()))?;
        let length = length_of(&response);
        if usize::try_from(self.used) != Ok(length) {
            return Err(bad(format!("{} bytes instead of {length}", self.used)));
        }
        if !response.is_err() && !ok(&response) {
            return Err(bad(format!("a response of kind {:#x}", response.kind())));
        }
        if header.fence != sent.fence {
            return Err(bad(format!(
                "fence {:?} instead of {:?}",
                header.fence, sent.fence
            )));
        }
        if sent.fence.is_some() && (header.ctx_id, header.ring_idx) != (sent.ctx_id, sent.ring_idx)
        {
            return Err(bad("a fence of another timeline".to_owned()));
        }
        // The padding that the answer ends its header with must not be what lay there before.
        if self.bytes.get(21..HEADER_SIZE) != Some(&[0; 3]) {
            return Err(bad("padding that was not written".to_owned()));
        }
        Ok(response)
    }
}

/// The exact size of a response in bytes.
fn length_of(response: &Response) -> usize {
    let mut bytes = Vec::new();
    response.encode(&Header::default(), &mut bytes);
    bytes.len()
}

/// A command's name, without its fields.
fn name(command: &Command) -> String {
    let text = format!("{command:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use protocols::virtio_gpu::ErrorCode;

    use super::*;

    fn answered(command: &Command, sent: Header, bytes: Vec<u8>) -> Completion {
        let used = u32::try_from(bytes.len()).unwrap();
        let expected = Expected::of(command, sent);
        Completion {
            bytes,
            used,
            took: Duration::ZERO,
            expected,
        }
    }

    fn encoded(response: &Response, request: Header) -> Vec<u8> {
        let mut bytes = Vec::new();
        response.encode(&request, &mut bytes);
        bytes
    }

    const UNREF: Command = Command::ResourceUnref { resource_id: 1 };
    const FENCED: Header = Header {
        kind: 0,
        fence: Some(7),
        ctx_id: 3,
        ring_idx: None,
    };

    #[test]
    fn a_good_answer_is_taken() {
        let plain = Header::default();
        answered(&UNREF, plain, encoded(&Response::OkNodata, plain))
            .done()
            .unwrap();
        answered(&UNREF, FENCED, encoded(&Response::OkNodata, FENCED))
            .done()
            .unwrap();
        let edid = Response::OkEdid(vec![1; 128]);
        let command = Command::GetEdid { scanout: 0 };
        let answer = answered(&command, plain, encoded(&edid, plain));
        assert_eq!(answer.used, 1056);
        assert_eq!(answer.response().unwrap(), edid);
    }

    #[test]
    fn an_error_of_the_device_names_the_command() {
        let error = Response::Err(ErrorCode::InvalidResourceId);
        let answer = answered(
            &UNREF,
            Header::default(),
            encoded(&error, Header::default()),
        );
        assert_eq!(answer.response().unwrap(), error);
        let error = answer.done().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::InvalidResourceId));
        assert_eq!(
            error.to_string(),
            "The device refused ResourceUnref: InvalidResourceId"
        );
    }

    #[test]
    fn a_number_of_bytes_that_is_not_exact_is_a_bug() {
        let mut bytes = encoded(&Response::OkNodata, Header::default());
        bytes.extend([0; 8]);
        let error = answered(&UNREF, Header::default(), bytes)
            .done()
            .unwrap_err();
        assert!(
            error.to_string().contains("32 bytes instead of 24"),
            "{error}"
        );
    }

    #[test]
    fn a_fence_must_be_echoed_exactly_where_there_is_one() {
        let unfenced = encoded(&Response::OkNodata, Header::default());
        assert!(answered(&UNREF, FENCED, unfenced).done().is_err());
        let other = Header {
            fence: Some(8),
            ..FENCED
        };
        assert!(
            answered(&UNREF, FENCED, encoded(&Response::OkNodata, other))
                .done()
                .is_err()
        );
        let fenced = encoded(&Response::OkNodata, FENCED);
        assert!(answered(&UNREF, Header::default(), fenced).done().is_err());
    }

    #[test]
    fn the_answer_to_another_command_is_a_bug() {
        let uuid = encoded(&Response::OkResourceUuid([0; 16]), Header::default());
        assert!(answered(&UNREF, Header::default(), uuid).done().is_err());
    }

    #[test]
    fn a_cursor_command_has_no_answer() {
        let command = Command::MoveCursor {
            scanout_id: 0,
            x: 0,
            y: 0,
            resource_id: 0,
            hot_x: 0,
            hot_y: 0,
        };
        answered(&command, Header::default(), Vec::new())
            .done()
            .unwrap();
        assert!(
            answered(&command, Header::default(), vec![0; 24])
                .done()
                .is_err()
        );
    }
}
