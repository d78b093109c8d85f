//! QEMU's machine protocol: a line of JSON in, a line of JSON out. Pure: whose socket it is, is
//! [`connection`](super::connection)'s business.
//!
//! ```text
//!             greeting                 return of qmp_capabilities
//!  Greeting ───────────▶ Negotiating ─────────────────────────────▶ Ready
//! ```
//!
//! What is asked for before `Ready` waits. The state of the machine is always asked for and never
//! guessed from an event: events come in bursts, and their names tell less than `query-status`.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocols::ipc::{MachineAction, MachineState};
use serde::Deserialize;
use serde_json::json;

use super::{AskError, News};

/// How long QEMU may take to answer. It answers within milliseconds, or never: where another
/// program has its monitor.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How many commands may be unanswered.
const MAX_OPEN: usize = 16;
/// What is passed on of QEMU's words.
const MAX_WORDS: usize = 300;

/// One conversation.
#[derive(Debug)]
pub(in crate::guests) struct Session {
    stage: Stage,
    /// Waiting for `Ready`.
    waiting: VecDeque<&'static str>,
    /// Sent and not answered: number, command, and when it was sent.
    open: VecDeque<(u64, &'static str, Instant)>,
    next_id: u64,
    since: Instant,
    state: Option<MachineState>,
    /// Lines to be sent.
    output: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Negotiating,
    Ready,
}

/// A line of QEMU's. One of these is there.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "QMP")]
    greeting: Option<serde::de::IgnoredAny>,
    #[serde(rename = "return")]
    result: Option<serde_json::Value>,
    error: Option<Refusal>,
    event: Option<String>,
    data: Option<EventData>,
    id: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    desc: String,
}

/// What is used of events' details.
#[derive(Debug, Default, Deserialize)]
struct EventData {
    #[serde(default)]
    action: String,
    #[serde(default)]
    nospace: bool,
}

const CAPABILITIES: &str = "qmp_capabilities";
const STATUS: &str = "query-status";

impl Session {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Greeting,
            waiting: VecDeque::new(),
            open: VecDeque::new(),
            next_id: 0,
            since: now,
            state: None,
            output: Vec::new(),
        }
    }

    /// How the machine is.
    pub(super) fn state(&self) -> Option<MachineState> {
        self.state
    }

    /// What has to be sent.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Asks for something. `Err(None)` where QEMU does not answer any more.
    pub(super) fn ask(
        &mut self,
        action: MachineAction,
        now: Instant,
    ) -> Result<(), Option<AskError>> {
        let commands = commands(action, self.state).map_err(Some)?;
        let oldest = match (self.stage, self.open.front()) {
            (Stage::Ready, Some((_, _, sent))) => *sent,
            (Stage::Ready, None) => now,
            (Stage::Greeting | Stage::Negotiating, _) => self.since,
        };
        let is_silent = now.saturating_duration_since(oldest) > ANSWER_LIMIT;
        let asked = self.open.len() + self.waiting.len() + commands.len();
        if is_silent || asked > MAX_OPEN {
            return Err(None);
        }
        for command in commands {
            if self.stage == Stage::Ready {
                self.send(command, now);
            } else {
                self.waiting.push_back(command);
            }
        }
        Ok(())
    }

    /// Takes in a line. An error says what is wrong with it; the conversation is over then.
    pub(super) fn on_line(&mut self, line: &[u8], now: Instant) -> Result<Vec<News>, String> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        let line: Line =
            serde_json::from_slice(line).map_err(|error| format!("it talks nonsense: {error}"))?;
        if let Some(event) = line.event {
            Ok(self.on_event(&event, line.data.unwrap_or_default(), now))
        } else if line.greeting.is_some() && self.stage == Stage::Greeting {
            self.stage = Stage::Negotiating;
            self.send(CAPABILITIES, now);
            Ok(Vec::new())
        } else if let Some(refusal) = line.error {
            self.on_refusal(line.id, &refusal.desc)
        } else {
            Ok(self.on_return(line.id, line.result, now))
        }
    }

    fn on_return(
        &mut self,
        id: Option<u64>,
        result: Option<serde_json::Value>,
        now: Instant,
    ) -> Vec<News> {
        match self.answered(id) {
            Some(CAPABILITIES) => {
                self.stage = Stage::Ready;
                self.send(STATUS, now);
                for command in std::mem::take(&mut self.waiting) {
                    self.send(command, now);
                }
                vec![News::Ready]
            }
            Some(STATUS) => {
                let status = result.as_ref().and_then(|result| result.get("status"));
                let status = status.and_then(|status| status.as_str());
                let state = status.map_or(MachineState::Unknown, machine_state);
                let is_new = self.state.replace(state) != Some(state);
                is_new.then_some(News::State(state)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn on_refusal(&mut self, id: Option<u64>, desc: &str) -> Result<Vec<News>, String> {
        let reason: String = desc
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_WORDS)
            .collect();
        match self.answered(id) {
            Some(CAPABILITIES) => Err(format!("it refuses to talk: {reason}")),
            Some(command) => Ok(vec![News::Refused { command, reason }]),
            None => Ok(Vec::new()),
        }
    }

    fn on_event(&mut self, event: &str, data: EventData, now: Instant) -> Vec<News> {
        match event {
            "STOP" | "RESUME" | "SUSPEND" | "SUSPEND_DISK" | "WAKEUP" | "SHUTDOWN" | "RESET"
            | "GUEST_PANICKED" => {
                // An answer that comes after an event was made after it.
                let is_asked = self.open.iter().any(|(_, command, _)| *command == STATUS);
                if self.stage == Stage::Ready && !is_asked && self.open.len() < MAX_OPEN {
                    self.send(STATUS, now);
                }
                Vec::new()
            }
            "BLOCK_IO_ERROR" if data.action == "stop" => {
                // Each request of a guest that keeps trying fails; once is enough.
                let is_new =
                    self.state.replace(MachineState::DiskError) != Some(MachineState::DiskError);
                let news = News::DiskError {
                    is_full: data.nospace,
                };
                is_new.then_some(news).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Which command an answer belongs to.
    fn answered(&mut self, id: Option<u64>) -> Option<&'static str> {
        let at = self
            .open
            .iter()
            .position(|(open, _, _)| Some(*open) == id)?;
        self.open.remove(at).map(|(_, command, _)| command)
    }

    fn send(&mut self, command: &'static str, now: Instant) {
        let line = json!({"execute": command, "id": self.next_id});
        self.output
            .extend_from_slice(format!("{line}\n").as_bytes());
        self.open.push_back((self.next_id, command, now));
        self.next_id += 1;
    }
}

/// The commands that do something to a machine in its state.
fn commands(
    action: MachineAction,
    state: Option<MachineState>,
) -> Result<&'static [&'static str], AskError> {
    use MachineState::{Crashed, DiskError, Paused, ShutDown, Suspended};
    let refuse = |state, remedy| Err(AskError::State { state, remedy });
    match (action, state) {
        (MachineAction::Power | MachineAction::Resume, Some(state @ (Crashed | ShutDown))) => {
            refuse(state, "Reset or restart it")
        }
        // It could not hear its button.
        (MachineAction::Power, Some(Paused | DiskError)) => Ok(&["system_powerdown", "cont"]),
        (MachineAction::Power, Some(Suspended)) => Ok(&["system_wakeup", "system_powerdown"]),
        (MachineAction::Power, _) => Ok(&["system_powerdown"]),
        (MachineAction::Pause, _) => Ok(&["stop"]),
        (MachineAction::Resume, Some(Suspended)) => Ok(&["system_wakeup"]),
        (MachineAction::Resume, _) => Ok(&["cont"]),
        // A machine that stands still would stay so after the reset.
        (MachineAction::Reset, Some(Crashed | ShutDown | DiskError)) => {
            Ok(&["system_reset", "cont"])
        }
        (MachineAction::Reset, _) => Ok(&["system_reset"]),
    }
}

/// QEMU's word for a state.
fn machine_state(status: &str) -> MachineState {
    match status {
        "running" => MachineState::Running,
        "suspended" => MachineState::Suspended,
        "shutdown" => MachineState::ShutDown,
        "internal-error" | "guest-panicked" | "watchdog" => MachineState::Crashed,
        "io-error" => MachineState::DiskError,
        // Migration and the like: it stands still.
        _ => MachineState::Paused,
    }
}

#[cfg(test)]
mod tests;
