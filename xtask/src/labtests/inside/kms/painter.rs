//! The guest of these tests: a virtio-gpu driver in user space that shows what it is told to, with the
//! buffers and the commands of Linux.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use guest::{
    driver::{Driver, DriverError, DriverOptions, Ticket},
    kms::{self, BufferKind, FLUSH_PATIENCE, Fencing, Pointer, Screen, ScreenOptions},
    pattern,
};
use protocols::virtio_gpu::Format;

use super::{
    desk::monotonic,
    evdev::Hands,
    orders::{self, HOTSPOT, Order, Outcome, POINTER, Pace, UNSEEN},
};
use crate::labtests::inside::Memory;

/// Drives the device at `socket` and the input devices at `inputs` (kind, equals sign, socket), and takes orders at
/// `control` until it is told to end.
///
/// # Errors
///
/// When there is no device, or it has gone.
pub fn run(socket: &Path, control: &Path, inputs: &[String]) -> Result<()> {
    let driver = Driver::connect(socket, &DriverOptions::default())
        .with_context(|| format!("Driving the device at {}", socket.display()))?;
    let mut painter = Painter {
        driver,
        screens: BTreeMap::new(),
        pointers: BTreeMap::new(),
        hands: Hands::start(inputs)?,
    };
    // An earlier run's, which was killed.
    let _ = fs::remove_file(control);
    let listener = UnixListener::bind(control)
        .with_context(|| format!("Listening at {}", control.display()))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let Some(order) = receive(&stream)? else {
            continue;
        };
        let end = matches!(order, Order::End);
        let outcome = painter
            .carry_out(order)
            .unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let line = format!("{}\n", serde_json::to_string(&outcome)?);
        // Whoever asked may have given up.
        let _ = stream.write_all(line.as_bytes());
        if end {
            break;
        }
    }
    let _ = fs::remove_file(control);
    Ok(())
}

fn receive(stream: &UnixStream) -> Result<Option<Order>> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    // Somebody who only looked whether this program is there.
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

struct Painter {
    driver: Driver,
    screens: BTreeMap<u32, (Screen, Format)>,
    pointers: BTreeMap<u32, Pointer>,
    hands: Hands,
}

impl Painter {
    fn carry_out(&mut self, order: Order) -> Result<Outcome> {
        match order {
            Order::Screen {
                scanout,
                size,
                buffers,
                memory,
                format,
            } => self.screen(scanout, size, buffers, memory, format),
            Order::Show { scanout, picture } => self.show(scanout, picture),
            Order::Poke { scanout, picture } => self.poke(scanout, picture),
            Order::Alternate {
                scanout,
                millis,
                pictures,
                moves,
            } => self.alternate(scanout, Duration::from_millis(millis), pictures, moves),
            Order::Pointer {
                scanout,
                image,
                x,
                y,
            } => self.point(scanout, image, (x, y)),
            Order::Move { scanout, x, y } => {
                let (pointer, driver) = self.pointer(scanout)?;
                pointer.move_to(driver, (x, y))?;
                Ok(Outcome::Done)
            }
            Order::Race {
                scanout,
                x,
                y,
                rate,
                millis,
            } => self.race(scanout, (x, y), rate, Duration::from_millis(millis)),
            Order::HidePointer { scanout } => {
                self.driver.hide_cursor(scanout)?;
                Ok(Outcome::Done)
            }
            Order::Probe { scanout } => self.probe(scanout),
            Order::Off { scanout } => {
                if let Some((screen, _)) = self.screens.remove(&scanout) {
                    screen.destroy(&mut self.driver)?;
                }
                Ok(Outcome::Done)
            }
            Order::Hands => Ok(Outcome::Hands(self.hands.take()?)),
            Order::Light { code, on } => {
                self.hands.light(code, on)?;
                Ok(Outcome::Done)
            }
            Order::End => Ok(Outcome::Done),
        }
    }

    fn screen(
        &mut self,
        scanout: u32,
        size: (u32, u32),
        buffers: usize,
        memory: Memory,
        format: u32,
    ) -> Result<Outcome> {
        if let Some((old, _)) = self.screens.remove(&scanout) {
            old.destroy(&mut self.driver)?;
        }
        let format = Format::try_from(format)?;
        let options = ScreenOptions {
            kind: match memory {
                Memory::Blob => BufferKind::Blob,
                Memory::TwoDimensional => BufferKind::Dumb2d,
            },
            format,
            fencing: Fencing::Always,
            buffers,
        };
        let screen = Screen::new(&mut self.driver, scanout, size, options)?;
        self.screens.insert(scanout, (screen, format));
        Ok(Outcome::Done)
    }

    fn on(&mut self, scanout: u32) -> Result<(&mut Driver, &mut Screen, Format)> {
        let (screen, format) = self
            .screens
            .get_mut(&scanout)
            .context("This screen has no buffers yet")?;
        Ok((&mut self.driver, screen, *format))
    }

    fn show(&mut self, scanout: u32, picture: u32) -> Result<Outcome> {
        let (driver, screen, format) = self.on(scanout)?;
        let (width, height) = screen.size();
        let ticket = screen.flip(driver, &pattern::image(format, width, height, picture))?;
        let took = screen.wait(driver, ticket)?;
        Ok(Outcome::Shown {
            micros: took.map(micros).transpose()?,
        })
    }

    fn poke(&mut self, scanout: u32, picture: u32) -> Result<Outcome> {
        let (driver, screen, format) = self.on(scanout)?;
        let (width, height) = screen.size();
        let front = screen.front().context("Nothing is shown")?;
        let image = pattern::image(format, width, height, picture);
        front.write(driver, front.whole(), &image)?;
        Ok(Outcome::Done)
    }

    fn alternate(
        &mut self,
        scanout: u32,
        time: Duration,
        pictures: u32,
        moves: u32,
    ) -> Result<Outcome> {
        let (screen, format) = self
            .screens
            .get_mut(&scanout)
            .context("This screen has no buffers yet")?;
        let driver = &mut self.driver;
        let (width, height) = screen.size();
        let images: Vec<Vec<u8>> = (0..pictures)
            .map(|number| pattern::image(*format, width, height, number))
            .collect();
        let mut turn = images.iter().cycle();
        let mut hand = match moves {
            0 => None,
            rate => Some(Hand::new(
                self.pointers.get(&scanout).context("There is no pointer")?,
                rate,
            )),
        };
        let mut pace = Pace::default();
        let mut times = Vec::new();
        let mut is_seen = true;
        let started = Instant::now();
        while started.elapsed() < time {
            let begun = monotonic()?;
            let ticket = match turn.next() {
                Some(image) => screen.flip(driver, image)?,
                None => screen.flip_drawn(driver)?,
            };
            let ticket = ticket.context("The frame has no fence")?;
            if !is_seen {
                pace.unseen.push((micros(begun)?, micros(monotonic()?)?));
            }
            let took = wait(driver, ticket, hand.as_mut())?;
            is_seen = took.is_some_and(|took| took < UNSEEN);
            match took {
                Some(took) => {
                    pace.frames += 1;
                    times.push(micros(took)?);
                }
                None => pace.late += 1,
            }
        }
        times.sort_unstable();
        pace.micros = [50, 90, 99].map(|part| {
            let place = times.len() * part / 100;
            times.get(place).copied().unwrap_or_default()
        });
        pace.moves = hand.map_or(0, |hand| hand.moves);
        Ok(Outcome::Alternated(pace))
    }

    fn point(&mut self, scanout: u32, image: u32, position: (i32, i32)) -> Result<Outcome> {
        if !self.pointers.contains_key(&scanout) {
            let kind = BufferKind::of_linux(&self.driver);
            let pointer = Pointer::new(&mut self.driver, scanout, kind, HOTSPOT)?;
            self.pointers.insert(scanout, pointer);
        }
        let (pointer, driver) = self.pointer(scanout)?;
        let bytes: Vec<u8> = (0..POINTER * POINTER)
            .flat_map(|place| {
                let colour = orders::pointer(image, place % POINTER, place / POINTER);
                colour.map_or([0; 4], |[red, green, blue]| [blue, green, red, 255])
            })
            .collect();
        pointer.show(driver, &bytes, position)?;
        Ok(Outcome::Done)
    }

    fn pointer(&mut self, scanout: u32) -> Result<(&Pointer, &mut Driver)> {
        let pointer = self.pointers.get(&scanout).context("There is no pointer")?;
        Ok((pointer, &mut self.driver))
    }

    fn race(
        &mut self,
        scanout: u32,
        (x, y): (i32, i32),
        rate: u32,
        time: Duration,
    ) -> Result<Outcome> {
        const WAY: u32 = 200;
        let (pointer, driver) = self.pointer(scanout)?;
        let pause = Duration::from_secs(1) / rate;
        let started = Instant::now();
        let mut moves = 0;
        while started.elapsed() < time {
            let step = i32::try_from(moves % WAY)?;
            pointer.move_to(driver, (x + step, y + step))?;
            driver.poll(Duration::ZERO)?;
            moves += 1;
            thread::sleep((pause * moves).saturating_sub(started.elapsed()));
        }
        pointer.move_to(driver, (x, y))?;
        Ok(Outcome::Raced { moves })
    }

    fn probe(&mut self, scanout: u32) -> Result<Outcome> {
        let connectors = match kms::reprobe(&mut self.driver)? {
            Some(connectors) => connectors,
            None => kms::probe(&mut self.driver)?,
        };
        let connector = connectors
            .into_iter()
            .find(|connector| connector.scanout == scanout)
            .context("The device has no such screen")?;
        Ok(Outcome::Monitor {
            enabled: connector.enabled,
            size: connector.size,
            edid: connector.edid.unwrap_or_default(),
        })
    }
}

/// Moves a pointer to and fro at an even rate.
struct Hand<'a> {
    pointer: &'a Pointer,
    pause: Duration,
    started: Instant,
    moves: u32,
}

impl<'a> Hand<'a> {
    fn new(pointer: &'a Pointer, rate: u32) -> Self {
        Self {
            pointer,
            pause: Duration::from_secs(1) / rate,
            started: Instant::now(),
            moves: 0,
        }
    }

    /// How long until the next move.
    fn rest(&self) -> Duration {
        (self.pause * self.moves).saturating_sub(self.started.elapsed())
    }

    /// Makes the moves that are due.
    fn act(&mut self, driver: &mut Driver) -> Result<()> {
        while self.rest().is_zero() {
            // Never over the edge of the smallest screen: a pointer that comes back is made anew.
            let step = i32::try_from((self.moves % 200).min(200 - self.moves % 200))?;
            self.pointer.move_to(driver, (400 + step, 310 + step))?;
            self.moves += 1;
        }
        Ok(())
    }
}

/// Waits for a flush as Linux does, and moves a pointer meanwhile; nothing if Linux would give up.
fn wait(
    driver: &mut Driver,
    ticket: Ticket,
    mut hand: Option<&mut Hand<'_>>,
) -> Result<Option<Duration>> {
    let started = Instant::now();
    loop {
        if let Some(hand) = hand.as_deref_mut() {
            hand.act(driver)?;
        }
        let left = FLUSH_PATIENCE.saturating_sub(started.elapsed());
        let rest = hand.as_deref().map_or(left, |hand| hand.rest().min(left));
        match driver.wait(ticket, rest) {
            Ok(completion) => {
                completion.done()?;
                return Ok(Some(completion.took));
            }
            Err(DriverError::Timeout { .. }) if !left.is_zero() => {}
            Err(DriverError::Timeout { .. }) => {
                driver.forget(ticket);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn micros(time: Duration) -> Result<u64> {
    Ok(u64::try_from(time.as_micros())?)
}
