//! Guests that draw in three dimensions: unmodified Linux, Mesa's `virgl` and ordinary programs, in User Mode Linux.
//!
//! The host is this machine with the libraries of the lab's Debian tree, so its OpenGL is Mesa's llvmpipe. What is called
//! *native* here is the same program, of the same tree and with the same Mesa, run on this machine itself: not in a
//! guest whose CPU is slower than that.

mod frames;
mod game;
mod glmark;
mod killed;
mod piglit;
mod process;
mod programs;
mod session;
mod vtest;

pub use self::{
    frames::{four_guests, two_guests},
    game::run as game,
    glmark::{Scene, off_screen as glmark_off_screen, ratios as glmark_ratios, run as glmark},
    killed::run as killed,
    piglit::run as piglit,
    process::run as process,
    programs::run as programs,
};

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::{Bench, GuestFolder, Place, compositor::Compositor, list, quoted};
use crate::lab::Lab;

/// From the start of a guest to its program.
const BOOT: Duration = Duration::from_secs(30);

/// The size of all screens here.
pub const SIZE: (usize, usize) = (640, 480);

/// What a guest may do with its graphics card, as the configuration says it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gpu {
    TwoD,
    Virgl,
}

/// A command for `program` of the Debian tree, or for one of this machine with that tree's libraries. All paths but those
/// below /usr are this machine's, and /proc/self/exe is the program.
pub(super) fn in_tree(lab: &Lab, program: &Path) -> Command {
    let script = "mount --rbind \"$1/usr\" /usr && mount --bind \"$1/etc/ld.so.cache\" /etc/ld.so.cache && \
                  shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(&lab.tree)
        .arg(program)
        // A GPU of the machine is not what these tests are about.
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        // As in the process that draws for a guest: what was compiled before is not to make one side faster. (And another
        // version of Mesa, with the same folder and other sizes of its files, ends a program by a signal.)
        .env("MESA_SHADER_CACHE_DISABLE", "true");
    command
}

/// A guest, its folder, and what its graphics card can do.
struct Machine<'a> {
    name: &'a str,
    folder: &'a GuestFolder,
    gpu: Gpu,
}

/// Starts `lucarne headless` with these guests, all on one output.
fn start(bench: &Bench, place: &Place, machines: &[Machine<'_>]) -> Result<Compositor> {
    start_with(bench, place, "host", machines, &[])
}

/// The same, in a folder of this name and with these variables besides.
fn start_with(
    bench: &Bench,
    place: &Place,
    name: &str,
    machines: &[Machine<'_>],
    environment: &[(&str, &str)],
) -> Result<Compositor> {
    let config: String = machines
        .iter()
        .map(|machine| section(&bench.lab, machine))
        .collect();
    Compositor::run(
        in_tree(&bench.lab, &bench.lucarne)
            .arg("headless")
            .envs(environment.iter().copied()),
        &place.folder.join(format!("host-{name}")),
        &place.log,
        &config,
        &["--output", &format!("{}x{}@60", SIZE.0, SIZE.1)],
    )
}

fn section(lab: &Lab, machine: &Machine<'_>) -> String {
    let mut arguments = lab.uml_root();
    arguments.push(format!("lab={}", machine.folder.0.display()));
    // No card but the one under test.
    arguments.push("vkms.create_default_dev=0".to_owned());
    arguments.push("initcall_blacklist=vgem_init".to_owned());
    let gpu = match machine.gpu {
        Gpu::TwoD => "2d",
        Gpu::Virgl => "virgl",
    };
    format!(
        "[guest.{}]\nkernel = {}\nmemory = \"1G\"\ncpus = 2\ngpu = \"{gpu}\"\nscanouts = [\"{}x{}\"]\nrestart = \"never\"\n\
         vmm = {{ kind = \"uml\", arguments = {} }}\n",
        machine.name,
        quoted(&lab.uml.display().to_string()),
        SIZE.0,
        SIZE.1,
        list(&arguments),
    )
}

/// The middle one of `values`, the lower of two.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
