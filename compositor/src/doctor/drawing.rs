//! What draws guests' 3D: libvirglrenderer, on each graphics card and on the CPU.
//!
//! Drivers are loaded by a process of its own for each question, as for guests: one that crashes is an
//! answer like any other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gpu_device::renderer::{
    Versions,
    choice::{self, GpuKind, Impossible, Lack, Machine, Missing, Node, Offer, Start, Wanted},
    remote::Remote,
};

use super::Check;
use crate::guests::vmm::qemu::{Dialect, Installed, WINDOW_SINCE};

const LIBRARY: &str = "virglrenderer";
const OPENGL: &str = "guest OpenGL";
const VULKAN: &str = "guest Vulkan";
const AUTO: &str = "gpu = auto";

/// Asks about all of it. `start` starts a renderer, to be looked at and dropped; `library_of` says where
/// its libvirglrenderer is.
pub(super) fn check<R: Offer>(
    machine: &Machine,
    qemu: Option<&Installed>,
    start: impl Fn(&Start) -> Result<R, Lack>,
    library_of: impl Fn(&R) -> Option<PathBuf>,
) -> Vec<Check> {
    let cpu = start(&Start {
        virgl: true,
        venus: false,
        node: None,
    });
    if let Err(lack) = &cpu
        && matches!(lack.what, Missing::Library | Missing::NewerLibrary)
    {
        // Nothing else can be asked without it.
        return vec![without_library(lack)];
    }
    vec![
        library(&cpu, library_of),
        opengl(machine, &cpu, &start),
        vulkan(machine, qemu, &start),
        auto(machine, &start),
    ]
}

fn without_library(lack: &Lack) -> Check {
    Check::degraded(LIBRARY, format!("{lack}: guests have no 3D"), lack.remedy())
}

fn library<R: Offer>(cpu: &Result<R, Lack>, library_of: impl Fn(&R) -> Option<PathBuf>) -> Check {
    let Ok(renderer) = cpu else {
        // What is wrong is said where it matters.
        return Check::ok(LIBRARY, "it can be loaded");
    };
    let version = format!("version {}", renderer.versions().library);
    Check::ok(
        LIBRARY,
        match library_of(renderer) {
            Some(file) => format!("{version}, {}", file.display()),
            None => version,
        },
    )
}

/// The file of libvirglrenderer that a process has loaded.
pub(super) fn library_of(renderer: &Remote) -> Option<PathBuf> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", renderer.process()?)).ok()?;
    library_in(&maps)
}

/// Addresses, permissions, offset, device, inode, and then the file.
fn library_in(maps: &str) -> Option<PathBuf> {
    let files = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]));
    let mut files = files.map(Path::new);
    let is_it = |file: &&Path| {
        let name = file.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("libvirglrenderer.so")
    };
    files.find(is_it).map(Path::to_owned)
}

fn opengl<R: Offer>(
    machine: &Machine,
    cpu: &Result<R, Lack>,
    start: &impl Fn(&Start) -> Result<R, Lack>,
) -> Check {
    let mut found = Vec::new();
    let mut wrong: Option<Lack> = None;
    for node in &machine.nodes {
        let outcome = match node.lack() {
            Some(lack) => Err(lack),
            None => start(&Start {
                virgl: true,
                venus: false,
                node: Some(node.path.clone()),
            }),
        };
        found.push(format!("{} {}", name(node), told(&outcome)));
        if let Err(lack) = outcome
            && node.is_card()
        {
            wrong = wrong.or(Some(lack));
        }
    }
    found.push(format!("the CPU: {}", told(cpu)));
    let finding = found.join("; ");
    match (wrong, cpu) {
        (Some(lack), _) => Check::degraded(OPENGL, finding, lack.remedy()),
        (None, Err(lack)) if machine.cards().next().is_none() => {
            Check::degraded(OPENGL, finding, lack.remedy())
        }
        _ => Check::ok(OPENGL, finding),
    }
}

/// `renderD128 (amdgpu):`
fn name(node: &Node) -> String {
    let name = node.path.file_name().unwrap_or_default().to_string_lossy();
    let driver = node.driver.as_deref().unwrap_or("no driver");
    match node.is_card() {
        true => format!("{name} ({driver}):"),
        false => format!("{name} ({driver}, no graphics card):"),
    }
}

fn told<R: Offer>(outcome: &Result<R, Lack>) -> String {
    match outcome {
        Ok(renderer) => versions(renderer.versions()),
        Err(lack) => lack.to_string(),
    }
}

fn versions(versions: &Versions) -> String {
    let parts = [
        ("", &versions.device),
        ("OpenGL ", &versions.gl),
        ("OpenGL ES ", &versions.gles),
        ("GLSL ", &versions.glsl),
    ];
    let parts = parts.iter().filter(|(_, version)| !version.is_empty());
    let parts: Vec<String> = parts
        .map(|(name, version)| format!("{name}{version}"))
        .collect();
    parts.join(", ")
}

fn vulkan<R: Offer>(
    machine: &Machine,
    qemu: Option<&Installed>,
    start: &impl Fn(&Start) -> Result<R, Lack>,
) -> Check {
    let wanted = Wanted {
        kind: GpuKind::Venus,
        node: None,
    };
    match choice::choose(&wanted, machine, start) {
        Err(Impossible::Lacks { lack }) => Check::missing(VULKAN, lack.to_string(), lack.remedy()),
        Err(error @ Impossible::NoWindow { .. }) => Check::missing(
            VULKAN,
            error.to_string(),
            format!("Update QEMU to {WINDOW_SINCE} or newer"),
        ),
        Ok(chosen) => {
            let server = machine.vulkan.server.as_ref();
            let server = server.map_or_else(String::new, |file| format!(", {}", file.display()));
            let version = match chosen.report.vulkan.as_str() {
                "" => String::new(),
                version => format!("Vulkan {version}, "),
            };
            let drivers = format!("{version}drivers: {}{server}", drivers(machine));
            match qemu {
                Some(qemu) if !Dialect::Generic.has_window(qemu) => Check::degraded(
                    VULKAN,
                    format!(
                        "{drivers}; QEMU {} shows guests no memory of the host",
                        qemu.version
                    ),
                    format!("Update QEMU to {WINDOW_SINCE} or newer"),
                ),
                _ => Check::ok(VULKAN, drivers),
            }
        }
    }
}

/// The names of the drivers' descriptions: `lvp_icd.x86_64` is `lvp`.
fn drivers(machine: &Machine) -> String {
    let files = machine.vulkan.drivers.iter();
    let names = files.filter_map(|file| file.file_name()?.to_str());
    let names = names.map(|name| name.split(['_', '.']).next().unwrap_or(name));
    let mut names: Vec<_> = names.collect();
    // Some have one for each generation of cards.
    names.dedup();
    names.join(", ")
}

fn auto<R: Offer>(machine: &Machine, start: &impl Fn(&Start) -> Result<R, Lack>) -> Check {
    let chosen = choice::choose(&Wanted::default(), machine, start);
    let (renderer, reason) = chosen.map_or((None, None), |chosen| {
        (chosen.renderer, chosen.report.reason)
    });
    if let Some(renderer) = renderer {
        let device = &renderer.versions().device;
        return Check::ok(AUTO, format!("guests get virgl, drawn by {device}"));
    }
    let what = reason
        .as_ref()
        .and_then(|reason| Missing::from_code(&reason.code));
    let text = reason.map(|reason| reason.text).unwrap_or_default();
    let finding = format!("guests get 2d: {text}");
    match what {
        // Nothing that could be mended.
        None | Some(Missing::Card) => Check::ok(AUTO, finding),
        Some(what) => Check::degraded(AUTO, finding, Lack::new(what, "").remedy()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gpu_device::renderer::{
        Capset,
        choice::{Access, Vulkan},
    };
    use protocols::virtio_gpu::{CAPSET_VENUS, CAPSET_VIRGL2};

    use super::{super::Verdict, *};
    use crate::guests::vmm::qemu::Version;

    struct Fake {
        capsets: Vec<Capset>,
        versions: Versions,
    }

    impl Offer for Fake {
        fn capsets(&self) -> &[Capset] {
            &self.capsets
        }

        fn versions(&self) -> &Versions {
            &self.versions
        }
    }

    fn fake(start: &Start) -> Fake {
        let id = if start.venus {
            CAPSET_VENUS
        } else {
            CAPSET_VIRGL2
        };
        let device = if start.node.is_some() {
            "Radeon"
        } else {
            "llvmpipe"
        };
        Fake {
            capsets: vec![Capset {
                id,
                version: 1,
                data: Vec::new(),
            }],
            versions: Versions {
                library: "1.3.0".to_owned(),
                device: device.to_owned(),
                gl: "4.5".to_owned(),
                gles: "3.2".to_owned(),
                ..Versions::default()
            },
        }
    }

    fn works(start: &Start) -> Result<Fake, Lack> {
        Ok(fake(start))
    }

    fn machine(access: Option<Access>) -> Machine {
        let node = access.map(|access| Node {
            path: "/dev/dri/renderD128".into(),
            driver: Some("amdgpu".to_owned()),
            access,
        });
        Machine {
            nodes: node.into_iter().collect(),
            vulkan: Vulkan {
                server: Some("/usr/libexec/virgl_render_server".into()),
                drivers: vec!["/usr/share/vulkan/icd.d/lvp_icd.x86_64.json".into()],
                version: "1.4".to_owned(),
            },
        }
    }

    fn qemu(major: u32, minor: u32) -> Installed {
        Installed {
            program: "/usr/bin/qemu-system-x86_64".into(),
            version: Version { major, minor },
            devices: BTreeSet::from([Dialect::Generic.device().to_owned()]),
            audio_drivers: BTreeSet::new(),
            has_user_network: true,
        }
    }

    fn checks(
        machine: &Machine,
        qemu: Option<&Installed>,
        start: impl Fn(&Start) -> Result<Fake, Lack>,
    ) -> Vec<Check> {
        check(machine, qemu, start, |_| None)
    }

    /// The check of this name.
    #[track_caller]
    fn of(checks: &[Check], name: &str) -> Check {
        let check = checks.iter().find(|check| check.name == name);
        check.unwrap().clone()
    }

    #[test]
    fn a_machine_with_everything_says_what_it_has() {
        let checks = check(
            &machine(Some(Access::Open)),
            Some(&qemu(11, 1)),
            works,
            |_| Some("/usr/lib/libvirglrenderer.so.1.8".into()),
        );
        let lines: Vec<_> = checks
            .iter()
            .map(|check| (check.verdict, check.name, check.finding.as_str()))
            .collect();
        let library = "version 1.3.0, /usr/lib/libvirglrenderer.so.1.8";
        let vulkan = "Vulkan 1.4, drivers: lvp, /usr/libexec/virgl_render_server";
        let opengl = "renderD128 (amdgpu): Radeon, OpenGL 4.5, OpenGL ES 3.2; the CPU: llvmpipe, \
                      OpenGL 4.5, OpenGL ES 3.2";
        assert_eq!(
            lines,
            [
                (Verdict::Ok, LIBRARY, library),
                (Verdict::Ok, OPENGL, opengl),
                (Verdict::Ok, VULKAN, vulkan),
                (Verdict::Ok, AUTO, "guests get virgl, drawn by Radeon"),
            ]
        );
    }

    #[test]
    fn without_the_library_it_is_the_only_line() {
        let checks = checks(&machine(None), None, |_| {
            Err(Lack::new(Missing::Library, "no such file"))
        });
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].verdict, Verdict::Degraded);
        assert_eq!(
            checks[0].finding,
            "libvirglrenderer can't be loaded (no such file): guests have no 3D"
        );
        assert!(checks[0].mend.as_ref().unwrap().contains("apt install"));
    }

    #[test]
    fn a_machine_without_a_card_draws_on_the_cpu_where_it_is_told_to() {
        let checks = checks(&machine(None), None, works);
        let opengl = of(&checks, OPENGL);
        assert_eq!(opengl.verdict, Verdict::Ok);
        assert_eq!(
            opengl.finding,
            "the CPU: llvmpipe, OpenGL 4.5, OpenGL ES 3.2"
        );
        let auto = of(&checks, AUTO);
        assert_eq!(auto.verdict, Verdict::Ok);
        assert_eq!(
            auto.finding,
            "guests get 2d: there is no graphics card that could draw"
        );
    }

    #[test]
    fn a_card_that_is_not_for_this_user_is_mended_by_a_group() {
        let checks = checks(&machine(Some(Access::Forbidden)), None, works);
        for name in [OPENGL, AUTO] {
            let check = of(&checks, name);
            assert_eq!(check.verdict, Verdict::Degraded, "{check:?}");
            assert!(check.mend.unwrap().contains("usermod -aG render"));
        }
    }

    #[test]
    fn opengl_that_does_not_start_is_named() {
        let checks = checks(&machine(None), None, |_| {
            Err(Lack::new(Missing::Egl, "eglInitialize"))
        });
        let opengl = of(&checks, OPENGL);
        assert_eq!(opengl.verdict, Verdict::Degraded);
        assert_eq!(
            opengl.finding,
            "the CPU: OpenGL does not start without a window (eglInitialize)"
        );
    }

    #[test]
    fn what_vulkan_lacks_is_named() {
        let mut bare = machine(None);
        bare.vulkan.drivers.clear();
        let vulkan = of(&checks(&bare, None, works), VULKAN);
        assert_eq!(vulkan.verdict, Verdict::Missing);
        assert_eq!(vulkan.finding, "there is no Vulkan driver");

        let old = of(&checks(&machine(None), Some(&qemu(10, 2)), works), VULKAN);
        assert_eq!(old.verdict, Verdict::Degraded);
        assert_eq!(old.mend.as_deref(), Some("Update QEMU to 11.1 or newer"));
    }

    #[test]
    fn a_loaded_library_is_found_by_its_name() {
        let maps = "7f00-7f10 r-xp 00000000 fe:00 12 /usr/lib/libEGL.so.1\n\
                    7f10-7f20 rw-p 00000000 00:00 0 \n\
                    7f20-7f30 r--p 00000000 fe:00 13   /opt/my lib/libvirglrenderer.so.1.8.9\n";
        let expected = Path::new("/opt/my lib/libvirglrenderer.so.1.8.9");
        assert_eq!(library_in(maps).as_deref(), Some(expected));
        assert_eq!(library_in(""), None);
    }
}
