//! User Mode Linux' console for commands: datagrams of a fixed layout
//! (`arch/um/drivers/mconsole.h`). The kernel has no power button: it is told to write its file
//! systems out, to write nothing more, and to halt. Its command `stop` stops one of several
//! processors, so that the kernel's process is stopped instead.

use std::{
    fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    rc::Rc,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic};
use protocols::ipc::{MachineAction, MachineState};

use super::{super::process::Process, AskError, Heard, News};

const MAGIC: u32 = 0xcafe_babe;
const VERSION: u32 = 2;
/// Room for text in a request and in an answer.
const TEXT: usize = 512;
const HEADER: usize = 12;
/// Answers that are read at once.
const PORTION: usize = 16;

/// A console.
#[derive(Debug)]
pub(in crate::guests) struct Mconsole {
    socket: Rc<UnixDatagram>,
    /// The kernel's address. Not connected to: a kernel that restarts makes another socket there.
    kernel: PathBuf,
    /// Our own address, a file.
    own: PathBuf,
    state: MachineState,
    pub(super) source: RegistrationToken,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::guests) struct Answer {
    is_error: bool,
    text: String,
}

impl Mconsole {
    /// `None` where there is no kernel yet.
    pub(super) fn open<D: 'static>(
        path: &Path,
        handle: &LoopHandle<'static, D>,
        on_heard: impl Fn(&mut D, Heard) + 'static,
    ) -> io::Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        // Answers go to an address, so that one is needed. It lies beside the kernel's folder.
        let own = path.parent().unwrap_or(path).with_extension("answers");
        let _ = fs::remove_file(&own);
        let socket = UnixDatagram::bind(&own)?;
        socket.set_nonblocking(true)?;
        let socket = Rc::new(socket);
        let source = Generic::new(socket.clone(), Interest::READ, Mode::Level);
        let source = handle
            .insert_source(source, move |_, socket, data: &mut D| {
                let answers = receive(socket);
                if !answers.is_empty() {
                    on_heard(data, Heard::Answers(answers));
                }
                Ok(PostAction::Continue)
            })
            .map_err(|error| io::Error::from(error.error))?;
        Ok(Some(Self {
            socket,
            kernel: path.to_owned(),
            own,
            state: MachineState::Running,
            source,
        }))
    }

    pub(super) fn ask(&mut self, action: MachineAction, process: &Process) -> Result<(), AskError> {
        let pause = action == MachineAction::Pause;
        process.pause(pause).map_err(|_| AskError::Gone)?;
        self.state = if pause {
            MachineState::Paused
        } else {
            MachineState::Running
        };
        let commands: &[&str] = match action {
            MachineAction::Power => &["sysrq s", "sysrq u", "halt"],
            MachineAction::Pause | MachineAction::Resume => &[],
            MachineAction::Reset => &["reboot"],
        };
        commands.iter().try_for_each(|command| {
            let sent = self.socket.send_to(&request(command), &self.kernel);
            sent.map(drop).map_err(|_| AskError::Gone)
        })
    }

    /// What the kernel refused. `sysrq` may be left out of it.
    pub(super) fn hear(&mut self, answers: &[Answer]) -> Vec<News> {
        let refused = answers.iter().filter(|answer| answer.is_error);
        let news = |answer: &Answer| News::Refused {
            command: "mconsole",
            reason: answer.text.clone(),
        };
        refused.map(news).collect()
    }

    pub(super) fn state(&self) -> MachineState {
        self.state
    }
}

impl Drop for Mconsole {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.own);
    }
}

/// Magic number, version, length, text. The kernel wants all of it, whatever the length.
fn request(command: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + TEXT);
    let length = u32::try_from(command.len()).unwrap_or(u32::MAX);
    for number in [MAGIC, VERSION, length] {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    bytes.extend_from_slice(command.as_bytes());
    bytes.resize(HEADER + TEXT, 0);
    bytes
}

fn receive(socket: &UnixDatagram) -> Vec<Answer> {
    let mut buffer = [0; HEADER + TEXT];
    let mut answers = Vec::new();
    for _ in 0..PORTION {
        let Ok(count) = socket.recv(&mut buffer) else {
            break;
        };
        answers.extend(buffer.get(..count).and_then(answer));
    }
    answers
}

/// Error number, whether more follows, length, text.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let (header, text) = bytes.split_at_checked(HEADER)?;
    let is_error = header.get(..4)?.iter().any(|byte| *byte != 0);
    let text = String::from_utf8_lossy(text);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    Some(Answer {
        is_error,
        text: text.chars().filter(|c| !c.is_control()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_the_kernel_reads_it() {
        let bytes = request("sysrq s");
        assert_eq!(bytes.len(), 524);
        assert_eq!(bytes[..4], 0xcafe_babe_u32.to_ne_bytes());
        assert_eq!(bytes[4..8], 2_u32.to_ne_bytes());
        assert_eq!(bytes[8..12], 7_u32.to_ne_bytes());
        assert_eq!(&bytes[12..20], b"sysrq s\0");
    }

    #[test]
    fn a_kernel_that_restarted_is_reached_and_its_answers_are_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("u").join("mconsole");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let mut event_loop = calloop::EventLoop::<Vec<Answer>>::try_new().unwrap();
        let open = || {
            let on_heard = |all: &mut Vec<Answer>, heard| {
                if let Heard::Answers(answers) = heard {
                    all.extend(answers);
                }
            };
            Mconsole::open(&path, &event_loop.handle(), on_heard).unwrap()
        };
        assert!(open().is_none());
        drop(UnixDatagram::bind(&path).unwrap());
        let mut console = open().unwrap();
        fs::remove_file(&path).unwrap();
        let kernel = UnixDatagram::bind(&path).unwrap();

        let started = Process::start(std::process::Command::new("cat"), &[]).unwrap();
        console.ask(MachineAction::Reset, &started.process).unwrap();

        let mut buffer = [0; 1024];
        let (count, address) = kernel.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], request("reboot"));
        let mut refusal = vec![1; HEADER];
        refusal.extend_from_slice(b"no\n");
        kernel
            .send_to(&refusal, address.as_pathname().unwrap())
            .unwrap();
        let mut answers = Vec::new();
        while answers.is_empty() {
            event_loop.dispatch(None, &mut answers).unwrap();
        }
        let expected = News::Refused {
            command: "mconsole",
            reason: "no".to_owned(),
        };
        assert_eq!(console.hear(&answers), [expected]);
    }

    #[test]
    fn answers_are_read_whatever_is_in_them() {
        let mut bytes = vec![0; 12];
        bytes.extend_from_slice(b"stopped\n\0\0");
        let expected = Answer {
            is_error: false,
            text: "stopped".to_owned(),
        };
        assert_eq!(answer(&bytes), Some(expected));
        bytes[0] = 1;
        assert!(answer(&bytes).unwrap().is_error);
        assert_eq!(answer(&bytes[..11]), None);
    }
}
