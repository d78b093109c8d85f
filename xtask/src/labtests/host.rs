//! A machine of the lab as the host: started here, with the test inside it.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{Bench, GuestFolder, Place, awake::Awake, inside::Test, quoted};
use crate::{paths, report};

/// For the whole machine, with its test.
const LIMIT: Duration = Duration::from_secs(180);

/// Guest memory is shown as it is: a software guest with udmabuf and OpenGL on the CPU.
pub fn software_guest(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::SoftwareGuest, "")
}

/// The same with an unmodified driver: User Mode Linux inside User Mode Linux.
pub fn nested_guest(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::NestedGuest, "")
}

/// The same pictures on a machine without udmabuf and without any DRM node.
pub fn shared_memory(bench: &Bench, place: &Place) -> Result<String> {
    machine(
        bench,
        place,
        Test::SharedMemory,
        "rm -r /dev/udmabuf /dev/dri\n",
    )
}

/// What is drawn for a guest on this machine's CPU is shown as it is.
pub fn drawn_guest(bench: &Bench, place: &Place) -> Result<String> {
    machine(bench, place, Test::DrawnGuest, "")
}

/// The same where nothing that is drawn can be shared.
pub fn read_back(bench: &Bench, place: &Place) -> Result<String> {
    machine(
        bench,
        place,
        Test::ReadBack,
        "rm -r /dev/udmabuf /dev/dri\n",
    )
}

fn machine(bench: &Bench, place: &Place, test: Test, before: &str) -> Result<String> {
    let before = format!("{before}export LIBGL_ALWAYS_SOFTWARE=1\n");
    let machine = Machine {
        program: &["machine", &test.name()],
        before: &before,
        kernel: &[],
        limit: LIMIT,
        urgent: false,
    };
    machine.run(bench, place)
}

/// A machine with one test in it.
pub struct Machine<'a> {
    /// The test: a program of [`super::inside`].
    pub program: &'a [&'a str],
    /// What a shell does before.
    pub before: &'a str,
    /// More of the kernel's command line.
    pub kernel: &'a [&'a str],
    /// How long all of it may take.
    pub limit: Duration,
    /// Whether it gets this machine's processors before everybody else, as far as that is allowed, and finds them
    /// awake: what else goes on here, or does not, is not to decide a test of what happens when.
    pub urgent: bool,
}

impl Machine<'_> {
    /// Starts it, waits for its test's end and returns the last line that the test printed.
    ///
    /// # Errors
    ///
    /// When the test fails or does not end in time.
    pub fn run(&self, bench: &Bench, place: &Place) -> Result<String> {
        // Inside, this machine's files are below /host.
        let inside = |path: &Path| -> Result<String> {
            let path = path
                .canonicalize()
                .with_context(|| format!("Finding {}", path.display()))?;
            Ok(quoted(&format!("/host{}", path.display())))
        };
        let program = format!(
            "{}exec {} inside {} --lucarne {} --uml {} --tree {}\n",
            self.before,
            inside(&paths::xtask())?,
            self.program.join(" "),
            inside(&bench.lucarne)?,
            inside(&bench.lab.uml)?,
            inside(&bench.lab.tree)?,
        );
        let folder = place.guest("machine", &program)?;
        let console = File::create(place.folder.join("console.log"))?;
        let _awake = self.urgent.then(Awake::keep).transpose()?;
        let mut child = self
            .program(&bench.lab.uml)
            .args(bench.lab.uml_arguments(2))
            .arg("mem=2G")
            .args(self.kernel)
            .arg(format!("lab={}", folder.0.display()))
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()
            .context("Starting User Mode Linux")?;
        let verdict = folder.wait_for_end(self.limit);
        let _ = child.kill();
        child.wait()?;
        let hint = match self.urgent && !may_go_first() {
            true => {
                " (The machine could not go before what else runs here: that takes SCHED_RR, as root has it. \
                 Without it these bounds hold on an idle machine only.)"
            }
            false => "",
        };
        verdict.with_context(|| {
            format!(
                "In the machine, lucarne said{hint}:\n{}",
                report::tail(&folder.file("lucarne.log"), 20)
            )
        })?;
        Ok(note(&folder))
    }

    fn program(&self, uml: &Path) -> Command {
        if self.urgent && may_go_first() {
            let mut command = Command::new("chrt");
            command.args(URGENTLY).arg(uml);
            command
        } else {
            Command::new(uml)
        }
    }
}

/// How a machine gets the processors before everybody else.
const URGENTLY: [&str; 2] = ["--rr", "20"];

/// Whether this machine allows that.
fn may_go_first() -> bool {
    let trial = Command::new("chrt").args(URGENTLY).arg("true").output();
    trial.is_ok_and(|trial| trial.status.success())
}

/// The line before "rc=0".
fn note(folder: &GuestFolder) -> String {
    let printed = folder.printed();
    printed.lines().rev().nth(1).unwrap_or_default().to_owned()
}
