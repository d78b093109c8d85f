//! What is told of a guest while it shows nothing.

use protocols::ipc::GuestState;

/// How a guest is, for people in front of the monitor where it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestStatus {
    /// Its state.
    pub state: GuestState,
    /// Why it came to that, in words, where something failed: `its VMM ended (exit status 1)`.
    pub reason: Option<String>,
    /// The last lines that its VMM or, if that is what failed, its graphics device has written,
    /// the oldest first.
    pub last_output: Vec<String>,
}

impl Default for GuestStatus {
    /// A guest of which nothing was heard yet.
    fn default() -> Self {
        Self {
            state: GuestState::Stopped,
            reason: None,
            last_output: Vec::new(),
        }
    }
}

impl GuestStatus {
    /// The state in a word or two.
    pub(super) fn word(&self) -> &'static str {
        match self.state {
            GuestState::Starting => "Starting",
            GuestState::Waiting => "Waiting",
            GuestState::Running => "Running",
            GuestState::Restarting => "Starting again",
            GuestState::Stopped => "Off",
            GuestState::Failed => "Failed",
            GuestState::Unknown => "Unknown",
        }
    }

    /// What follows from it for whoever waits for a picture of the guest of this name.
    pub(super) fn sentence(&self, name: &str) -> String {
        let sentence = match self.state {
            GuestState::Starting => "It will be seen as soon as it draws.",
            GuestState::Waiting => "Its VMM is started by somebody else, and is not connected.",
            GuestState::Running => "It shows nothing on this monitor.",
            GuestState::Restarting => "It is started again in a moment.",
            GuestState::Stopped => return format!("`lucarne msg restart {name}` starts it."),
            GuestState::Failed => return format!("`lucarne msg restart {name}` tries it again."),
            GuestState::Unknown => "",
        };
        sentence.to_owned()
    }

    /// Whether something went wrong, which its output may explain.
    pub(super) fn is_trouble(&self) -> bool {
        match self.state {
            GuestState::Failed => true,
            GuestState::Restarting => self.reason.is_some(),
            _ => false,
        }
    }
}
