//! Tests with whole machines: unmodified drivers, real VMMs, and a host with udmabuf.
//!
//! [`uml`] and [`qemu`] run guests on this machine; [`host`] starts a User Mode Linux machine and
//! there, as [`inside`], the same harness ([`compositor`]) with guests of its own. [`three_d`] is about what guests draw.

mod awake;
mod bench;
mod compositor;
mod console;
mod desktop;
mod desktop_guest;
mod hands;
mod host;
pub mod inside;
mod kms;
mod libvirt;
mod machine;
mod modes;
mod picture;
mod qemu;
mod qmp;
mod reference;
mod three_d;
mod uml;
mod venus;

pub use self::{
    bench::{
        Extent, blobs_take as bench_blobs_take, command as bench_command, glmark as bench_glmark,
        glmark_takes as bench_glmark_takes, on_planes as bench_planes,
        planes_take as bench_planes_take, with_blobs as bench_blobs,
    },
    compositor::Compositor,
    modes::MODES,
    picture::Picture,
};

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{checks, lab, paths, report, steps::Steps};

/// What every test here gets.
pub struct Bench {
    pub lab: lab::Lab,
    /// The program under test.
    pub lucarne: PathBuf,
}

type Test = fn(&Bench, &Place) -> Result<String>;

/// Their names and what they are; `cargo xtask test --only NAME` runs one.
const TESTS: &[(&str, Test)] = &[
    ("uml pattern on one screen", uml::pattern_on_one_screen),
    (
        "uml pattern on three screens",
        uml::pattern_on_three_screens,
    ),
    ("uml page flips", uml::page_flips),
    ("uml cursor", uml::cursor),
    ("uml resize", uml::resize),
    ("uml 100 boots", uml::boots),
    ("uml hands", hands::uml),
    ("qemu console on vhost-user-gpu-pci", qemu::console_on_gpu),
    ("qemu console on vhost-user-vga", qemu::console_on_vga),
    (
        "qemu console on the generic device",
        qemu::console_on_generic,
    ),
    ("qemu resize", qemu::resize),
    ("qemu hands", hands::qemu),
    ("qemu venus", venus::run),
    ("udmabuf software guest", host::software_guest),
    ("udmabuf nested guest", host::nested_guest),
    ("shared memory without udmabuf", host::shared_memory),
    ("udmabuf drawn guest", host::drawn_guest),
    ("drawn guest read back", host::read_back),
    ("kms tools", kms::tools),
    ("kms guest on the primary plane", kms::plane),
    ("kms cursor plane", kms::pointer),
    ("kms sixty hertz", kms::sixty),
    ("kms guests on monitors", kms::monitors),
    ("kms hotplug", kms::hotplug),
    ("kms modes of a monitor", modes::run),
    ("kms seat and crashes", kms::seats),
    ("kms drivers with less", kms::drivers),
    ("kms nested guest", kms::nested),
    ("kms ordinary clients", kms::clients),
    ("kms hands", kms::hands),
    ("kms bad input", kms::bad_input),
    ("kms on a text console", console::run),
    ("desktop weston", desktop::weston),
    ("desktop sway", desktop::sway),
    ("desktop frames", desktop::frames),
    ("desktop restarted", desktop::restarted),
    ("desktop hands", desktop::hands),
    ("desktop scanouts", desktop::scanouts),
    ("desktop nested on wayland", desktop::nested_on_wayland),
    ("desktop nested on x11", desktop::nested_on_x11),
    ("desktop guest", desktop_guest::run),
    ("libvirt domain", libvirt::domain),
    ("uml 3d programs", three_d::programs),
    ("uml 3d glmark2", three_d::glmark),
    ("uml 3d openarena", three_d::game),
    ("uml 3d piglit", three_d::piglit),
    ("uml 3d two guests", three_d::two_guests),
    ("uml 3d four guests", three_d::four_guests),
    ("uml 3d renderer killed", three_d::killed),
    ("machine of qemu", machine::qemu),
    ("machine of uml", machine::uml),
    ("bench planes", bench::planes),
    ("bench blobs", bench::blobs),
    ("bench peers", bench::peers),
    ("bench qemu", bench::qemu),
];

/// Bounds that are not reached on every run yet. They run where they are named in full.
const NOT_YET: &[(&str, Test)] = &[
    ("kms nested page flips", kms::nested_flips),
    ("uml 3d glmark2 ratios", three_d::glmark_ratios),
    ("uml 3d cost of a process", three_d::process),
];

/// Runs them.
pub fn run(steps: &mut Steps) {
    let mut bench = None;
    let named: Vec<_> = NOT_YET
        .iter()
        .filter(|(name, _)| steps.is_named(name))
        .collect();
    let wanted = TESTS.iter().any(|(name, _)| steps.wants(name));
    if wanted || !named.is_empty() || steps.wants("lab") {
        // Not behind `wants`: every test below stands on it.
        steps.always("lab", |log| {
            checks::build_lucarne(log)?;
            bench = Some(Bench {
                lab: lab::ensure()?,
                lucarne: paths::lucarne(),
            });
            Ok(String::new())
        });
    }
    for (name, test) in TESTS.iter().chain(named) {
        steps.step(name, |log| {
            let bench = bench
                .as_ref()
                .context("Running this test: the lab is not there (see the step `lab`)")?;
            let place = Place::new(name, log)?;
            test(bench, &place)
        });
    }
}

/// Where one test has its files.
pub struct Place {
    pub folder: PathBuf,
    pub log: PathBuf,
}

impl Place {
    /// An empty folder for the test `name`.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn new(name: &str, log: &Path) -> Result<Self> {
        let folder = paths::scratch().join("tests").join(name.replace(' ', "-"));
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("Removing {} of an earlier run", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder: folder.canonicalize()?,
            log: log.to_owned(),
        })
    }

    /// A new folder shared with a guest, in which `program` is the guest's program.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn guest(&self, name: &str, program: &str) -> Result<GuestFolder> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("run.sh"), program)?;
        Ok(GuestFolder(folder))
    }
}

/// A folder that is /lab in a guest.
pub struct GuestFolder(pub PathBuf);

impl GuestFolder {
    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the (empty) file `name`, which the guest waits for.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn signal(&self, name: &str) -> Result<()> {
        fs::write(self.file(name), "").with_context(|| format!("Writing {name} for the guest"))
    }

    /// Waits until the guest has made the file `name`.
    ///
    /// # Errors
    ///
    /// When it does not in time; the message holds what its program printed.
    pub fn wait_for(&self, name: &str, limit: Duration) -> Result<()> {
        until(limit, || Ok(self.file(name).exists().then_some(()))).with_context(|| {
            format!(
                "Waiting for the guest's file {name}; its program printed:\n{}",
                report::tail(&self.file("run.log"), 20)
            )
        })
    }

    /// What its program printed so far.
    pub fn printed(&self) -> String {
        fs::read(self.file("run.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until the guest's program has ended well.
    ///
    /// # Errors
    ///
    /// When it does not in time, or failed.
    pub fn wait_for_end(&self, limit: Duration) -> Result<()> {
        let verdict = until(limit, || {
            Ok(self
                .printed()
                .lines()
                .last()
                .and_then(|line| line.strip_prefix("rc=").map(str::to_owned)))
        });
        match verdict.as_deref() {
            Ok("0") => Ok(()),
            Ok(code) => bail!(
                "The guest's program failed ({code}):\n{}",
                report::tail(&self.file("run.log"), 20)
            ),
            Err(_) => bail!(
                "Waiting for the guest's program to end; it printed:\n{}",
                report::tail(&self.file("run.log"), 20)
            ),
        }
    }
}

/// Asks `question` again and again until it has an answer.
///
/// # Errors
///
/// When it has none in time, or fails.
pub fn until<T>(limit: Duration, mut question: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = question()? {
            return Ok(answer);
        }
        if started.elapsed() > limit {
            bail!("Nothing came within {}", report::seconds(limit));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Text as a string of a TOML file.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    out
}

/// A list of strings of a TOML file.
pub fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}
