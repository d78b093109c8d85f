//! What the painter can be told: a line of JSON on its socket, answered by another one.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use guest::pattern;
use protocols::virtio_gpu::Format;
use serde::{Deserialize, Serialize};

use crate::labtests::{inside::Memory, list, picture::Picture, quoted, until};

/// How long the painter's VMM may take to be started and to find its device.
const START: Duration = Duration::from_secs(30);

/// For all but those that take their time.
const ANSWER: Duration = Duration::from_secs(20);

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// Make buffers for a screen and switch it to their size.
    Screen {
        scanout: u32,
        size: (u32, u32),
        buffers: usize,
        memory: Memory,
        /// A number of virtio-gpu's.
        format: u32,
    },
    /// Draw a picture of the pattern into the next buffer, show it and wait as Linux does.
    Show { scanout: u32, picture: u32 },
    /// Draw a picture of the pattern into the buffer that is shown, and tell nobody.
    Poke { scanout: u32, picture: u32 },
    /// Show the next buffer again and again, each as soon as the one before is seen.
    Alternate {
        scanout: u32,
        millis: u64,
        /// Draw this many pictures of the pattern in turn; the buffers stay as they are if 0.
        pictures: u32,
        /// Move the pointer so many times a second meanwhile.
        moves: u32,
    },
    /// Show a pointer of the image [`pointer()`] with its top left corner there.
    Pointer {
        scanout: u32,
        image: u32,
        x: i32,
        y: i32,
    },
    /// Move it.
    Move { scanout: u32, x: i32, y: i32 },
    /// Move it to and fro on a line, so many times a second.
    Race {
        scanout: u32,
        x: i32,
        y: i32,
        rate: u32,
        millis: u64,
    },
    /// Hide it.
    HidePointer { scanout: u32 },
    /// Ask which monitor there is.
    Probe { scanout: u32 },
    /// Switch the screen off.
    Off { scanout: u32 },
    /// Ask what has arrived from the input devices since the last time.
    Hands,
    /// Switch a light of the keyboard, `LED_*`.
    Light { code: u16, on: bool },
    /// End, as a VMM does whose guest has powered itself off.
    End,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Outcome {
    Done,
    /// To [`Order::Show`]: whether it was seen before Linux would have given up, and after which time.
    Shown {
        micros: Option<u64>,
    },
    Alternated(Pace),
    /// To [`Order::Race`]: how often it was moved.
    Raced {
        moves: u32,
    },
    Monitor {
        enabled: bool,
        size: (u32, u32),
        edid: Vec<u8>,
    },
    /// To [`Order::Hands`].
    Hands(Frames),
    /// The device refused.
    Failed(String),
}

/// A flush that was answered after this long may have been answered only so that the guest goes on: Linux itself
/// goes on after 50 ms, whether the frame is on the screen or not, and the device lets a guest go before that.
pub const UNSEEN: Duration = Duration::from_millis(45);

/// What happened at once on an input device: kind, code and value of each event.
pub type Frame = Vec<(u16, u16, i32)>;

/// Frames in their order, by the device's kind.
pub type Frames = BTreeMap<String, Vec<Frame>>;

/// How frames went, one after the other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Frames that were seen.
    pub frames: u32,
    /// Frames that Linux would have given up on.
    pub late: u32,
    /// How often the pointer was moved.
    pub moves: u32,
    /// Microseconds from a flush to its answer: of 50, 90 and 99 of a hundred frames at most.
    pub micros: [u64; 3],
    /// When pictures were drawn without knowing whether the one before is seen, see [`UNSEEN`]: beginnings and
    /// ends, in microseconds of `CLOCK_MONOTONIC`.
    pub unseen: Vec<(u64, u64)>,
}

/// The picture `number` of the pattern.
pub fn picture(number: u32, (width, height): (u32, u32)) -> Picture {
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let large = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    Picture::from_fn(large(width), large(height), |x, y| {
        pattern::pixel(small(x), small(y), number)
    })
}

/// The side of a pointer's image.
pub const POINTER: usize = 64;

/// Where a pointer's image points.
pub const HOTSPOT: (u32, u32) = (3, 5);

/// The pointer's image `number`: a frame with a hole, in a colour of its own.
pub fn pointer(number: u32, x: usize, y: usize) -> Option<[u8; 3]> {
    let [low, ..] = number.to_le_bytes();
    let inside = |at: usize| (16..48).contains(&at);
    (!(inside(x) && inside(y))).then_some([255 - low.wrapping_mul(70), low.wrapping_mul(90), 200])
}

/// The section of the configuration for a guest that is a painter, with screens of these modes and with lines
/// of its own, and the painter's other end.
///
/// # Errors
///
/// When this program has no path.
pub fn guest(name: &str, scanouts: &[&str], lines: &str) -> Result<(String, Painter)> {
    guest_with(name, scanouts, lines, &[])
}

/// The same for a painter that is at its input devices as well.
///
/// # Errors
///
/// As [`guest()`].
pub fn guest_with_hands(name: &str, scanouts: &[&str], lines: &str) -> Result<(String, Painter)> {
    guest_with(name, scanouts, lines, &HANDS)
}

/// The input devices that a guest can have.
const HANDS: [&str; 5] = ["keyboard", "pointer", "mouse", "touch", "pen"];

fn guest_with(
    name: &str,
    scanouts: &[&str],
    lines: &str,
    hands: &[&str],
) -> Result<(String, Painter)> {
    let program = std::env::current_exe()?;
    let socket = std::env::temp_dir().join(format!("painter-{name}"));
    let mut arguments = ["inside", "painter", "{socket}"]
        .map(str::to_owned)
        .to_vec();
    arguments.push(socket.display().to_string());
    arguments.extend(
        hands
            .iter()
            .map(|kind| format!("--input={kind}={{{kind}}}")),
    );
    let section = format!(
        "[guest.{name}]\nscanouts = {}\n{lines}\n\
         vmm = {{ kind = \"custom\", program = {}, arguments = {} }}\n",
        list(
            &scanouts
                .iter()
                .map(|mode| (*mode).to_owned())
                .collect::<Vec<_>>()
        ),
        quoted(&program.display().to_string()),
        list(&arguments),
    );
    Ok((section, Painter::at(socket)))
}

/// The other end of a painter's socket.
pub struct Painter {
    socket: PathBuf,
}

impl Painter {
    /// The painter that listens there, or will.
    pub fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Gives an order and waits until it is carried out.
    ///
    /// # Errors
    ///
    /// When the painter is gone or its device refuses.
    pub fn order(&self, order: &Order) -> Result<Outcome> {
        let more = match order {
            Order::Alternate { millis, .. } | Order::Race { millis, .. } => {
                Duration::from_millis(*millis)
            }
            _ => Duration::ZERO,
        };
        let attempt = || -> Result<Outcome> {
            let stream = until(START, || Ok(UnixStream::connect(&self.socket).ok()))
                .context("Waiting for the guest")?;
            stream.set_read_timeout(Some(ANSWER + more))?;
            (&stream).write_all(format!("{}\n", serde_json::to_string(order)?).as_bytes())?;
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line)?;
            Ok(serde_json::from_str(&line)?)
        };
        match attempt().with_context(|| format!("Ordering {order:?}"))? {
            Outcome::Failed(text) => bail!("Ordering {order:?}: {text}"),
            outcome => Ok(outcome),
        }
    }

    /// Switches a screen to a size, with two guest blobs of XRGB8888.
    ///
    /// # Errors
    ///
    /// As [`Painter::order`].
    pub fn screen(&self, scanout: u32, size: (u32, u32)) -> Result<()> {
        self.order(&Order::Screen {
            scanout,
            size,
            buffers: 2,
            memory: Memory::Blob,
            format: Format::Bgrx8888.into(),
        })?;
        Ok(())
    }

    /// Shows a picture of the pattern.
    ///
    /// # Errors
    ///
    /// As [`Painter::order`].
    pub fn show(&self, scanout: u32, picture: u32) -> Result<()> {
        self.order(&Order::Show { scanout, picture })?;
        Ok(())
    }

    /// Shows frame after frame for a time.
    ///
    /// # Errors
    ///
    /// As [`Painter::order`].
    pub fn alternate(
        &self,
        scanout: u32,
        time: Duration,
        pictures: u32,
        moves: u32,
    ) -> Result<Pace> {
        let millis = u64::try_from(time.as_millis())?;
        match self.order(&Order::Alternate {
            scanout,
            millis,
            pictures,
            moves,
        })? {
            Outcome::Alternated(pace) => Ok(pace),
            other => bail!("Showing frames: the guest says {other:?}"),
        }
    }

    /// Waits until a screen of a size is wanted.
    ///
    /// # Errors
    ///
    /// When it is not in time.
    pub fn is_offered(&self, scanout: u32, size: (u32, u32), limit: Duration) -> Result<()> {
        let mut last = None;
        until(limit, || {
            let (enabled, seen, _) = self.monitor(scanout)?;
            last = Some((enabled, seen));
            Ok((enabled && seen == size).then_some(()))
        })
        .with_context(|| {
            format!("Waiting until screen {scanout} is wanted in {size:?}: it is {last:?}")
        })
    }

    /// The size that a screen is wanted in, and whether it is on at all.
    ///
    /// # Errors
    ///
    /// As [`Painter::order`].
    pub fn monitor(&self, scanout: u32) -> Result<(bool, (u32, u32), Vec<u8>)> {
        match self.order(&Order::Probe { scanout })? {
            Outcome::Monitor {
                enabled,
                size,
                edid,
            } => Ok((enabled, size, edid)),
            other => bail!("Asking for a monitor: the guest says {other:?}"),
        }
    }
}
