//! The guest of `lucarne demo`: an animated [`Card`] on each monitor, a pointer that moves, and
//! modes that follow the windows.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    card::{Card, Facts, POINTER_HOT, pointer_image},
    driver::{Driver, DriverError, DriverOptions},
    frontend::Dialect,
    kms::{BufferKind, Connector, Fencing, Pointer, Screen, ScreenOptions, probe, reprobe},
    ram::RamOptions,
};

/// The largest mode that the demo sets, in pixels in each direction; Linux draws the same line.
const LARGEST: u32 = 8192;

/// The smallest, so that QEMU's rules for scanouts hold.
const SMALLEST: u32 = 32;

/// How often the card's path is asked for.
const ASK_FOR_PATH: Duration = Duration::from_millis(500);

/// Which buffers the demo draws into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Buffers {
    /// Blobs where the device has them.
    #[default]
    Auto,
    /// 2D resources.
    Dumb2d,
    /// Blobs; the demo fails where the device has none.
    Blobs,
}

/// Tells by which path a scanout is shown, in words; `None` if that is not known (yet).
pub type PathOf<'a> = dyn FnMut(u32) -> Option<String> + 'a;

/// What the demo does.
pub struct DemoOptions<'a> {
    /// The device's socket.
    pub socket: PathBuf,
    /// How long to wait for the device to appear, and for its answers.
    pub timeout: Duration,
    /// The VMM to pretend to be.
    pub dialect: Dialect,
    /// The guest's buffers.
    pub buffers: Buffers,
    /// A size for all monitors, instead of what they ask for.
    pub size: Option<(u32, u32)>,
    /// Frames a second; 1 or more.
    pub rate: u32,
    /// Stop after as many frames; else when the device goes away.
    pub frames: Option<u64>,
    /// Whether there is a pointer.
    pub pointer: bool,
    /// Asked now and then for the text on the card.
    pub path_of: Box<PathOf<'a>>,
    /// The guest's memory in bytes.
    pub memory: u64,
}

impl DemoOptions<'_> {
    /// A demo on the device at `socket`: 60 frames a second with a pointer, until the device
    /// goes away.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            timeout: Duration::from_secs(5),
            dialect: Dialect::QemuGeneric,
            buffers: Buffers::Auto,
            size: None,
            rate: 60,
            frames: None,
            pointer: true,
            path_of: Box::new(|_| None),
            memory: 256 << 20,
        }
    }
}

impl fmt::Debug for DemoOptions<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DemoOptions")
            .field("socket", &self.socket)
            .field("dialect", &self.dialect)
            .field("buffers", &self.buffers)
            .field("size", &self.size)
            .field("rate", &self.rate)
            .field("frames", &self.frames)
            .field("pointer", &self.pointer)
            .finish_non_exhaustive()
    }
}

/// What the demo did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DemoReport {
    /// Frames drawn; each monitor's frame of the same moment counts once.
    pub frames: u64,
    /// Flushes that the host answered in time.
    pub answered: u64,
    /// Flushes that it did not answer within 50 ms.
    pub late: u64,
    /// Modes that were set after the first ones.
    pub resizes: u64,
}

/// Runs the demo until it is over or the device goes away, which is no error.
///
/// # Errors
/// The device can't be reached, refuses what it should do, or breaks the rules.
pub fn run_demo(mut options: DemoOptions<'_>) -> Result<DemoReport, DriverError> {
    let driver_options = DriverOptions {
        dialect: options.dialect,
        timeout: options.timeout,
        ram: RamOptions {
            size: options.memory,
            ..RamOptions::default()
        },
        ..DriverOptions::default()
    };
    let mut driver = Driver::connect(&options.socket, &driver_options)?;
    let mut report = DemoReport::default();
    match animate(&mut driver, &mut options, &mut report) {
        Err(error) if error.is_gone() => Ok(report),
        Err(error) => Err(error),
        Ok(()) => Ok(report),
    }
}

/// A monitor with its card.
struct Monitor {
    screen: Screen,
    card: Card,
    pointer: Option<Pointer>,
    path: String,
}

impl Monitor {
    fn new(
        driver: &mut Driver,
        scanout: u32,
        size: (u32, u32),
        options: &DemoOptions<'_>,
    ) -> Result<Self, DriverError> {
        let kind = match options.buffers {
            Buffers::Auto => BufferKind::of_linux(driver),
            Buffers::Dumb2d => BufferKind::Dumb2d,
            Buffers::Blobs => BufferKind::Blob,
        };
        let screen_options = ScreenOptions {
            kind,
            fencing: Fencing::Always,
            ..ScreenOptions::default()
        };
        let screen = Screen::new(driver, scanout, size, screen_options)?;
        // One pointer is enough: a guest has one pair of hands.
        let pointer = if options.pointer && scanout == 0 {
            let pointer = Pointer::new(driver, scanout, kind, POINTER_HOT)?;
            pointer.show(driver, &pointer_image(), corner(pointer_at(0, size)))?;
            Some(pointer)
        } else {
            None
        };
        Ok(Self {
            screen,
            card: Card::new(size.0, size.1),
            pointer,
            path: "?".to_owned(),
        })
    }

    fn resize(&mut self, driver: &mut Driver, size: (u32, u32)) -> Result<bool, DriverError> {
        if size == self.screen.size() {
            return Ok(false);
        }
        self.screen.resize(driver, size)?;
        self.card = Card::new(size.0, size.1);
        Ok(true)
    }

    fn destroy(self, driver: &mut Driver) -> Result<(), DriverError> {
        if let Some(pointer) = self.pointer {
            pointer.hide(driver)?;
            pointer.destroy(driver)?;
        }
        self.screen.destroy(driver)
    }
}

fn animate(
    driver: &mut Driver,
    options: &mut DemoOptions<'_>,
    report: &mut DemoReport,
) -> Result<(), DriverError> {
    let mut monitors = BTreeMap::new();
    let connectors = probe(driver)?;
    // Without a monitor it waits for one, as every guest does.
    if connectors.is_empty() {
        return Err(DriverError::NoScanout { scanout: 0 });
    }
    follow(driver, options, &mut monitors, &connectors)?;

    let period = Duration::from_secs(1) / options.rate.max(1);
    let mut next = Instant::now();
    let mut ask_at = next;
    while options.frames.is_none_or(|frames| report.frames < frames) {
        if Instant::now() >= ask_at {
            for (&scanout, monitor) in &mut monitors {
                monitor.path = (options.path_of)(scanout).unwrap_or_else(|| "?".to_owned());
            }
            ask_at = Instant::now() + ASK_FOR_PATH;
        }
        draw_frame(driver, options.rate, &mut monitors, report)?;
        report.frames += 1;
        next = (next + period).max(Instant::now());
        idle_until(driver, next)?;
        if driver.take_display_changed()
            && let Some(connectors) = reprobe(driver)?
        {
            report.resizes += follow(driver, options, &mut monitors, &connectors)?;
        }
        if let Some(failure) = driver.take_failures().into_iter().next() {
            return Err(failure);
        }
    }
    monitors
        .into_values()
        .try_for_each(|monitor| monitor.destroy(driver))
}

/// Draws one frame on all monitors, then waits for the host to have shown them.
fn draw_frame(
    driver: &mut Driver,
    rate: u32,
    monitors: &mut BTreeMap<u32, Monitor>,
    report: &mut DemoReport,
) -> Result<(), DriverError> {
    let frame = report.frames;
    let mut tickets = Vec::new();
    for (&scanout, monitor) in monitors.iter_mut() {
        let at = monitor
            .pointer
            .as_ref()
            .map(|_| pointer_at(frame, monitor.screen.size()));
        let facts = Facts {
            frame,
            rate,
            scanout,
            path: &monitor.path,
            pointer: at,
        };
        let image = monitor.card.draw(&facts);
        tickets.push(monitor.screen.flip(driver, image)?);
        if let (Some(pointer), Some(at)) = (&monitor.pointer, at) {
            pointer.move_to(driver, corner(at))?;
        }
    }
    for (monitor, ticket) in monitors.values().zip(tickets) {
        match monitor.screen.wait(driver, ticket)? {
            Some(_) => report.answered += 1,
            None => report.late += 1,
        }
    }
    Ok(())
}

/// Waits until a moment, and takes what the device announces meanwhile.
fn idle_until(driver: &mut Driver, moment: Instant) -> Result<(), DriverError> {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        driver.poll(left)?;
        if left.is_zero() {
            return Ok(());
        }
    }
}

/// Makes the monitors what the connectors say; returns how many changed their mode.
fn follow(
    driver: &mut Driver,
    options: &DemoOptions<'_>,
    monitors: &mut BTreeMap<u32, Monitor>,
    connectors: &[Connector],
) -> Result<u64, DriverError> {
    let mut changed = 0;
    for connector in connectors {
        let size = options.size.unwrap_or(connector.size);
        let size = (
            size.0.clamp(SMALLEST, LARGEST),
            size.1.clamp(SMALLEST, LARGEST),
        );
        match (connector.enabled, monitors.get_mut(&connector.scanout)) {
            (true, Some(monitor)) => changed += u64::from(monitor.resize(driver, size)?),
            (true, None) => {
                let monitor = Monitor::new(driver, connector.scanout, size, options)?;
                monitors.insert(connector.scanout, monitor);
            }
            (false, _) => {
                if let Some(monitor) = monitors.remove(&connector.scanout) {
                    monitor.destroy(driver)?;
                }
            }
        }
    }
    Ok(changed)
}

/// Where the pointer points in a frame: it bounces off the edges at 3 pixels a frame across and
/// 2 down.
fn pointer_at(frame: u64, (width, height): (u32, u32)) -> (i32, i32) {
    let bounce = |way: u64, size: u32| {
        let span = u64::from(size.saturating_sub(1)).max(1);
        let at = way % (2 * span);
        i32::try_from(at.min(2 * span - at)).unwrap_or(0)
    };
    (bounce(frame * 3, width), bounce(frame * 2, height))
}

/// The pointer image's top left corner for a place that it points to.
fn corner((x, y): (i32, i32)) -> (i32, i32) {
    let hot = |hot: u32| i32::try_from(hot).unwrap_or(0);
    (x - hot(POINTER_HOT.0), y - hot(POINTER_HOT.1))
}

#[cfg(test)]
mod tests {
    use protocols::virtio_gpu::Command;

    use super::*;
    use crate::testing::{Reaction, TestDevice, usual_answer};

    fn options(device: &TestDevice) -> DemoOptions<'static> {
        DemoOptions {
            rate: 1000,
            frames: Some(20),
            memory: 32 << 20,
            ..DemoOptions::new(device.socket.clone())
        }
    }

    #[test]
    fn the_demo_flips_with_fences_moves_the_pointer_and_cleans_up() {
        let device = TestDevice::new();
        let report = run_demo(options(&device)).unwrap();
        assert_eq!(
            report,
            DemoReport {
                frames: 20,
                answered: 20,
                late: 0,
                resizes: 0
            }
        );
        let seen = device.seen();
        let count = |wanted: fn(&Command) -> bool| {
            seen.commands
                .iter()
                .filter(|(_, command)| wanted(command))
                .count()
        };
        assert_eq!(count(|c| matches!(c, Command::ResourceFlush { .. })), 20);
        assert_eq!(count(|c| matches!(c, Command::MoveCursor { .. })), 20);
        assert_eq!(
            count(|c| matches!(c, Command::ResourceCreateBlob { .. })),
            3
        );
        assert_eq!(count(|c| matches!(c, Command::ResourceUnref { .. })), 3);
        let fenced = |(header, command): &&(protocols::virtio_gpu::Header, Command)| {
            matches!(command, Command::ResourceFlush { .. }) && header.fence.is_some()
        };
        assert_eq!(seen.commands.iter().filter(fenced).count(), 20);
    }

    #[test]
    fn a_host_that_is_late_does_not_stop_the_demo() {
        let device = TestDevice::with(|command| match command {
            Command::ResourceFlush { .. } => Reaction::Hold,
            other => Reaction::Answer(usual_answer(other)),
        });
        let mut options = options(&device);
        options.frames = Some(2);
        let report = run_demo(options).unwrap();
        assert_eq!((report.frames, report.late), (2, 2));
    }

    #[test]
    fn a_command_that_is_refused_ends_the_demo_with_its_name() {
        let device = TestDevice::with(|command| {
            Reaction::Answer(match command {
                Command::SetScanoutBlob { .. } => protocols::virtio_gpu::Response::Err(
                    protocols::virtio_gpu::ErrorCode::InvalidParameter,
                ),
                other => usual_answer(other),
            })
        });
        let error = run_demo(options(&device)).unwrap_err().to_string();
        assert_eq!(error, "The device refused SetScanoutBlob: InvalidParameter");
    }

    #[test]
    fn a_guest_without_a_monitor_goes_on() {
        let device = TestDevice::with(|command| {
            Reaction::Answer(match command {
                Command::GetDisplayInfo => {
                    let none = protocols::virtio_gpu::DisplayMode::default();
                    protocols::virtio_gpu::Response::OkDisplayInfo(Box::new([none; 16]))
                }
                other => usual_answer(other),
            })
        });
        let mut options = options(&device);
        options.frames = Some(2);
        let report = run_demo(options).unwrap();
        assert_eq!((report.frames, report.answered), (2, 0));
    }

    #[test]
    fn monitors_follow_what_the_device_says() {
        let device = TestDevice::new();
        let options = options(&device);
        let ram = RamOptions {
            size: options.memory,
            ..RamOptions::default()
        };
        let driver_options = DriverOptions {
            ram,
            ..DriverOptions::default()
        };
        let mut driver = Driver::connect(&device.socket, &driver_options).unwrap();
        let free = driver.ram().available();
        let mut monitors = BTreeMap::new();
        let mut says = |driver: &mut Driver, enabled: bool, size: (u32, u32)| {
            let connector = Connector {
                scanout: 0,
                enabled,
                size,
                edid: None,
            };
            let changed = follow(driver, &options, &mut monitors, &[connector]).unwrap();
            (
                changed,
                monitors
                    .get(&0)
                    .map(|monitor: &Monitor| monitor.screen.size()),
            )
        };
        assert_eq!(says(&mut driver, true, (320, 200)), (0, Some((320, 200))));
        assert_eq!(says(&mut driver, true, (320, 200)), (0, Some((320, 200))));
        assert_eq!(says(&mut driver, true, (400, 300)), (1, Some((400, 300))));
        assert_eq!(says(&mut driver, true, (1, 100_000)), (1, Some((32, 8192))));
        assert_eq!(says(&mut driver, false, (400, 300)), (0, None));
        while driver.requests_under_way() > 0 {
            driver.poll(Duration::from_secs(10)).unwrap();
        }
        assert!(driver.take_failures().is_empty());
        assert_eq!(driver.ram().available(), free, "all memory came back");
    }

    #[test]
    fn the_pointer_stays_on_the_screen_and_reaches_its_edges() {
        let places: Vec<_> = (0..2000).map(|frame| pointer_at(frame, (64, 48))).collect();
        assert!(
            places
                .iter()
                .all(|&(x, y)| (0..64).contains(&x) && (0..48).contains(&y))
        );
        assert!(places.iter().any(|&(x, _)| x == 0) && places.iter().any(|&(x, _)| x == 63));
        assert!(places.iter().any(|&(_, y)| y == 0) && places.iter().any(|&(_, y)| y >= 46));
    }
}
