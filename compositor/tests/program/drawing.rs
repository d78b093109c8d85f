//! Guests' 3D on machines that have what it takes, and on those that lack something.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use protocols::ipc::{Guest, GuestState, RendererKind};

use super::{Headless, Place};

/// A machine, as the environment makes it look.
struct Machine {
    place: Place,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Machine {
    fn new() -> Self {
        Self {
            place: Place::new(),
            environment: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: PathBuf) -> Self {
        self.environment.push((name, value));
        self
    }

    /// One whose libvirglrenderer is this file.
    fn with_library(self, make: impl FnOnce(PathBuf)) -> Self {
        let folder = self.place.path("lib");
        fs::create_dir(&folder).unwrap();
        make(folder.join("libvirglrenderer.so.1"));
        self.with("LD_LIBRARY_PATH", folder)
    }

    /// A guest with these keys, under a compositor without a screen.
    fn run(&self, keys: &str) -> Headless {
        self.run_in("qemu-generic", keys)
    }

    /// The same, with a VMM that behaves like this one.
    fn run_in(&self, vmm: &str, keys: &str) -> Headless {
        let program = env!("CARGO_BIN_EXE_lucarne");
        let config = format!(
            "[guest.soft]\n{keys}\nrestart = \"never\"\n\
             vmm = {{ kind = \"custom\", program = \"{program}\", arguments = \
             [\"software-guest\", \"--socket\", \"{{socket}}\", \"--dialect\", \"{vmm}\"] }}\n"
        );
        self.place.file("c.toml", &config);
        let arguments = ["headless", "--renderer", "pixman", "--config", "c.toml"];
        let mut command = self.place.lucarne(&arguments);
        command
            .envs(self.environment.iter().cloned())
            .stderr(File::create(self.place.path("log")).unwrap());
        Headless::start(&mut command)
    }

    /// The guest, once it is shown. Its device answers nothing before it knows what draws.
    fn shown(&self, headless: &Headless) -> Guest {
        while headless.guest(&self.place).state != GuestState::Running {}
        headless.wait_for_frames(&self.place);
        headless.guest(&self.place)
    }

    /// What was logged with these words in front.
    fn log(&self, level: &str) -> Vec<String> {
        let log = fs::read_to_string(self.place.path("log")).unwrap();
        let lines = log.lines().filter(|line| line.contains(level));
        lines.map(str::to_owned).collect()
    }

    /// The one thing that was warned of.
    #[track_caller]
    fn warning(&self) -> String {
        let warnings = self.log(" WARN ");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        warnings[0].clone()
    }
}

/// The guest is shown, in two dimensions, for this reason.
#[track_caller]
fn assert_2d(guest: &Guest, code: &str) {
    assert_eq!(guest.state, GuestState::Running);
    let renderer = guest.renderer.as_ref().unwrap();
    assert_eq!(renderer.kind, RendererKind::TwoD);
    assert_eq!(renderer.reason.as_ref().unwrap().code, code);
}

#[test]
fn opengl_that_was_asked_for_is_drawn_by_the_cpu() {
    let machine = Machine::new();
    let headless = machine.run("gpu = \"virgl\"");

    let renderer = machine.shown(&headless).renderer.unwrap();

    assert_eq!(renderer.kind, RendererKind::Virgl);
    assert!(renderer.device.contains("llvmpipe"), "{renderer:?}");
    for version in [&renderer.gl, &renderer.gles, &renderer.glsl] {
        assert!(version.starts_with(['3', '4']), "{renderer:?}");
    }
    assert_eq!((renderer.restarts, &renderer.reason), (0, &None));
    assert_eq!(machine.log(" WARN "), [] as [&str; 0]);
    let told = headless.msg(&machine.place, &["guests"]).ok();
    let expected = format!("soft: OpenGL {}, OpenGL ES ", renderer.gl);
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn what_nobody_asked_for_is_not_missed() {
    let machine = Machine::new().with_library(|file| fs::write(file, "").unwrap());
    let headless = machine.run("gpu = \"2d\"");
    let renderer = machine.shown(&headless).renderer.unwrap();
    assert_eq!((renderer.kind, renderer.reason), (RendererKind::TwoD, None));
    assert_eq!(machine.log(" WARN "), [] as [&str; 0]);
}

#[test]
fn without_libvirglrenderer_the_guest_runs_in_2d_with_one_warning() {
    let machine = Machine::new().with_library(|file| fs::write(file, "").unwrap());
    let headless = machine.run("gpu = \"virgl\"");
    assert_2d(&machine.shown(&headless), "no_virglrenderer");
    let warning = machine.warning();
    assert!(
        warning.contains("Could not give the guest 3D (virgl), it gets 2D"),
        "{warning}"
    );
    assert!(
        warning.contains("apt install libvirglrenderer1"),
        "{warning}"
    );
}

#[test]
fn a_libvirglrenderer_that_is_too_old_is_named() {
    let machine = Machine::new().with_library(|file| {
        let source = file.with_extension("c");
        fs::write(&source, "int virgl_renderer_init(void) { return -1; }\n").unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-o"]).arg(file).arg(source);
        assert!(compiler.status().unwrap().success());
    });
    let headless = machine.run("gpu = \"virgl\"");
    assert_2d(&machine.shown(&headless), "old_virglrenderer");
    let warning = machine.warning();
    assert!(warning.contains("Update it to version 0.10.4"), "{warning}");
}

#[test]
fn a_machine_without_egl_is_told_what_to_install() {
    let machine = Machine::new();
    let nothing = machine.place.path("nothing");
    let machine = machine.with("__EGL_VENDOR_LIBRARY_DIRS", nothing);
    let headless = machine.run("gpu = \"virgl\"");
    assert_2d(&machine.shown(&headless), "no_egl");
    let warning = machine.warning();
    assert!(warning.contains("apt install libegl1"), "{warning}");
}

#[test]
fn a_file_that_is_no_render_node_is_warned_of_and_the_cpu_draws() {
    let machine = Machine::new();
    let headless = machine.run("gpu = \"virgl\"\ngpu_device = \"/dev/null\"");
    let renderer = machine.shown(&headless).renderer.unwrap();
    assert_eq!(renderer.kind, RendererKind::Virgl);
    assert_eq!(renderer.reason.unwrap().code, "no_render_node");
    let warning = machine.warning();
    assert!(
        warning.contains("/dev/null is not a render node"),
        "{warning}"
    );
}

/// The guest fails, with this in the log.
#[track_caller]
fn assert_fails(machine: &Machine, headless: &Headless, words: &str) {
    while headless.guest(&machine.place).state != GuestState::Failed {}
    let log = machine.log("Could not give the guest Vulkan (venus)");
    assert!(log.iter().any(|line| line.contains(words)), "{log:?}");
}

#[test]
fn vulkan_without_a_driver_is_an_error_of_its_guest() {
    let machine = Machine::new().with("VK_DRIVER_FILES", "/nowhere/driver.json".into());
    let headless = machine.run("gpu = \"venus\"");
    assert_fails(&machine, &headless, "there is no Vulkan driver");
}

#[test]
fn vulkan_without_libvirglrenderer_is_an_error_of_its_guest() {
    let machine = Machine::new().with_library(|file| fs::write(file, "").unwrap());
    let headless = machine.run("gpu = \"venus\"");
    assert_fails(&machine, &headless, "libvirglrenderer can't be loaded");
}

#[test]
fn vulkan_on_a_vmm_that_does_not_show_the_host_s_memory_is_an_error_of_its_guest() {
    let machine = Machine::new();
    let headless = machine.run_in("qemu-gpu", "gpu = \"venus\"");
    assert_fails(&machine, &headless, "shows it no memory of the host");
}
