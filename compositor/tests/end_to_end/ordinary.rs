//! Programs that know nothing of Lucarne: the compositor is one like any other to them.
//!
//! `cargo xtask setup` installs them; where one is missing its test fails and says so.

use std::process::{Child, Command};

use super::rig::{Rig, Setup, output};

/// An ordinary program while it runs.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let program = command.get_program().to_owned();
        Self(command.spawn().unwrap_or_else(|error| {
            panic!("{program:?} can't be started ({error}); `cargo xtask setup` installs it")
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// How many colours are on the output, counted up to `enough`.
fn colours(rig: &Rig, enough: usize) -> usize {
    let image = rig.shot(&output(1));
    let mut seen = std::collections::BTreeSet::new();
    for pixel in image.rgba.chunks_exact(4) {
        seen.insert(pixel.to_vec());
        if seen.len() >= enough {
            break;
        }
    }
    seen.len()
}

/// A program shows something on an empty output, and leaves it empty when it is killed.
fn shows_and_goes(program: &str, arguments: &[&str], enough: usize) {
    let rig = Setup::new(&["800x600"]).start();
    assert_eq!(colours(&rig, 2), 1, "the output begins empty");

    let running = Running::start(rig.client(program).args(arguments));
    rig.wait_for(program, |rig| {
        (colours(rig, enough) >= enough).then_some(())
    });

    drop(running);
    rig.wait_for("the window to go", |rig| {
        (colours(rig, 2) == 1).then_some(())
    });
}

#[test]
fn a_client_that_draws_into_shared_memory_is_shown() {
    shows_and_goes("weston-simple-shm", &[], 200);
}

#[test]
fn a_client_that_draws_with_egl_is_shown() {
    shows_and_goes("weston-simple-egl", &[], 20);
}

#[test]
fn a_terminal_is_shown_with_its_text() {
    let shell = [
        "sh",
        "-c",
        "printf '\\033[31mred \\033[32mgreen\\n'; sleep 60",
    ];
    shows_and_goes("foot", &shell, 8);
}
