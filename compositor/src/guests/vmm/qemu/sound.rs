//! Where a guest's sound is heard, and with which card.

use std::{
    env,
    path::{Path, PathBuf},
};

use config::guest::Sound;

use super::{
    Error, Installed,
    line::{Line, Slot},
};

/// A program of the user's session that plays sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// `PipeWire`.
    PipeWire,
    /// `PulseAudio`, or `PipeWire` where it speaks that protocol.
    Pulse,
}

impl Player {
    /// The better one first: QEMU's `pa` goes through one more process where PipeWire plays.
    const ALL: [Self; 2] = [Self::PipeWire, Self::Pulse];

    /// QEMU's name for it.
    pub(super) fn driver(self) -> &'static str {
        match self {
            Self::PipeWire => "pipewire",
            Self::Pulse => "pa",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::PipeWire => "PipeWire",
            Self::Pulse => "PulseAudio",
        }
    }

    /// Whether the user's session has it, as its own client library would look for it.
    pub(super) fn is_there(self) -> bool {
        if self == Self::Pulse && env::var_os("PULSE_SERVER").is_some_and(|set| !set.is_empty()) {
            return true;
        }
        let (folder, file) = match self {
            Self::PipeWire => (
                env::var_os("PIPEWIRE_RUNTIME_DIR"),
                env::var_os("PIPEWIRE_REMOTE").unwrap_or_else(|| "pipewire-0".into()),
            ),
            Self::Pulse => (None, "pulse/native".into()),
        };
        folder
            .or_else(|| env::var_os("XDG_RUNTIME_DIR"))
            .map(|folder| PathBuf::from(folder).join(Path::new(&file)))
            .is_some_and(|socket| socket.exists())
    }

    /// The wanted one; with `auto` the best one that QEMU can use and `is_there`.
    pub(super) fn choose(
        wanted: Sound,
        installed: &Installed,
        is_there: impl Fn(Self) -> bool,
    ) -> Result<Option<Self>, Error> {
        let insisted = match wanted {
            Sound::None => return Ok(None),
            Sound::Auto => {
                return Ok(Self::ALL
                    .into_iter()
                    .find(|player| installed.plays_on(*player) && is_there(*player)));
            }
            Sound::PipeWire => Self::PipeWire,
            Sound::Pulse => Self::Pulse,
        };
        let problem = if !installed.plays_on(insisted) {
            format!(
                "QEMU {} ({}) has no driver {} for it. Install its audio modules (Debian and Ubuntu: \
                 qemu-system-gui, Fedora: qemu-audio-{}), or choose another value of `sound`",
                installed.version,
                installed.program.display(),
                insisted.driver(),
                insisted.driver()
            )
        } else if !is_there(insisted) {
            "no socket of it is in $XDG_RUNTIME_DIR. Start it in this session, or choose another \
             value of `sound`"
                .to_owned()
        } else {
            return Ok(Some(insisted));
        };
        Err(Error::NoSound {
            system: insisted.name(),
            problem,
        })
    }

    /// The card and its connection. Intel's HDA is what every guest has a driver for; virtio's
    /// card, which Windows and older systems do not know, is for machines without HDA.
    pub(super) fn arguments(
        self,
        line: &mut Line,
        installed: &Installed,
        name: &str,
        microphone: bool,
    ) {
        let driver = self.driver();
        line.option(
            "-audiodev",
            format!("{driver},id=sound,out.stream-name={name},in.stream-name={name}"),
        );
        if installed.has_device(HDA) {
            line.device(HDA, Slot::Sound);
            // The user's microphone is private.
            let codec = if microphone {
                "hda-duplex"
            } else {
                "hda-output"
            };
            line.option("-device", format!("{codec},audiodev=sound"));
        } else {
            let streams = if microphone { 2 } else { 1 };
            line.device(
                &format!("{VIRTIO},audiodev=sound,streams={streams}"),
                Slot::Sound,
            );
        }
    }
}

/// The HDA controller.
pub(super) const HDA: &str = "ich9-intel-hda";
/// Virtio's sound card; QEMU 8.2 and newer.
pub(super) const VIRTIO: &str = "virtio-sound-pci";
