//! The machine that a report is about: what is known of it without asking anybody for permission.
//!
//! Facts come from `/proc`, `/sys` and the programs themselves; what is not to be found is left out. Besides
//! there is what it can do at best, which is measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use gpu_device::renderer::{
    choice::Start,
    remote::{Remote, Spawn},
};

use super::measure::{memcpy::Copies, ping_pong::PingPong};

/// Facts by name, in the order in which people ask for them. Takes some tenths of a second.
#[must_use]
pub fn facts() -> Vec<(String, String)> {
    let mut facts = Files::new(Path::new("/")).facts();
    facts.extend(programs());
    facts
}

/// What the machine can do at best, measured now: what figures of other machines are to be compared with.
/// Takes about a second.
#[must_use]
pub fn units() -> Vec<(String, String)> {
    let copies = Copies::large().throughput(Duration::from_millis(300));
    let ping_pong = || -> anyhow::Result<String> {
        let mut ping_pong = PingPong::start()?;
        let awake = ping_pong.round_trip(2000, Duration::ZERO)?;
        let rested = ping_pong.round_trip(30, Duration::from_millis(16))?;
        Ok(format!("{awake:.1?}, after a rest of 16 ms {rested:.1?}"))
    };
    named([
        (
            "copies of memory",
            Some(format!("{:.1} GB/s", copies / 1e3)),
        ),
        ("a byte to another process and back", ping_pong().ok()),
    ])
}

/// How much was waiting for a processor lately: 1, 5 and 15 minutes.
#[must_use]
pub fn load() -> Option<String> {
    Files::new(Path::new("/")).load()
}

fn programs() -> Vec<(String, String)> {
    let build = match cfg!(debug_assertions) {
        true => "for debugging: its figures say nothing about a release",
        false => "release",
    };
    let found = [
        ("build", Some(build.to_owned())),
        ("QEMU", qemu()),
        ("virglrenderer", virglrenderer()),
    ];
    named(found)
}

/// The first line that QEMU says about itself, less its copyright.
fn qemu() -> Option<String> {
    let program = format!("qemu-system-{}", std::env::consts::ARCH);
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim();
    let version = line.strip_prefix("QEMU emulator version ").unwrap_or(line);
    (!version.is_empty()).then(|| version.to_owned())
}

/// Asked of the process that would draw for a guest.
fn virglrenderer() -> Option<String> {
    let start = Start {
        virgl: true,
        venus: false,
        node: None,
    };
    let renderer = Remote::start(Spawn::this_program(&start)).ok()?;
    let versions = renderer.versions();
    Some(format!(
        "{} (the CPU: {})",
        versions.library, versions.device
    ))
}

/// Facts that were found.
fn named<const N: usize>(facts: [(&str, Option<String>); N]) -> Vec<(String, String)> {
    let found = facts
        .into_iter()
        .filter_map(|(name, fact)| Some((name, fact?)));
    found.map(|(name, fact)| (name.to_owned(), fact)).collect()
}

/// The kernel's files, below a root.
#[derive(Debug)]
struct Files {
    root: PathBuf,
}

impl Files {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn facts(&self) -> Vec<(String, String)> {
        named([
            ("CPU", self.cpu()),
            ("caches", self.caches()),
            (
                "frequency",
                self.line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            ),
            ("virtual machine", self.hypervisor()),
            ("memory", self.memory()),
            ("huge pages", self.huge_pages()),
            ("kernel", self.kernel()),
            ("graphics", self.graphics()),
            ("udmabuf", self.udmabuf()),
            ("load before", self.load()),
        ])
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn line(&self, path: &str) -> Option<String> {
        let line = self.text(path)?.trim().to_owned();
        (!line.is_empty()).then_some(line)
    }

    /// How many processors, and what kind the first one is.
    fn cpu(&self) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let count = text
            .lines()
            .filter(|line| field(line, "processor").is_some())
            .count();
        let model = text.lines().find_map(|line| field(line, "model name"));
        let numbers = ["cpu family", "model", "stepping"].map(|name| {
            let found = text.lines().find_map(|line| field(line, name));
            found.map(|value| format!("{} {value}", name.trim_start_matches("cpu ")))
        });
        let numbers: Vec<String> = numbers.into_iter().flatten().collect();
        let model = model.unwrap_or(std::env::consts::ARCH);
        let cpu = format!("{count} × {model}");
        Some(match numbers.as_slice() {
            [] => cpu,
            numbers => format!("{cpu} ({})", numbers.join(", ")),
        })
    }

    /// Those of the first processor: `L1 32K data, 32K instruction; L2 1024K; L3 32768K`.
    fn caches(&self) -> Option<String> {
        let folder = "sys/devices/system/cpu/cpu0/cache";
        let mut caches = Vec::new();
        for index in 0..8 {
            let of = |what: &str| self.line(&format!("{folder}/index{index}/{what}"));
            let (Some(level), Some(size)) = (of("level"), of("size")) else {
                break;
            };
            let kind = match of("type").as_deref() {
                Some("Data") => " data",
                Some("Instruction") => " instructions",
                _ => "",
            };
            caches.push(format!("L{level} {size}{kind}"));
        }
        (!caches.is_empty()).then(|| caches.join(", "))
    }

    /// Whether this is itself a virtual machine, and whose.
    fn hypervisor(&self) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let flags = text.lines().find_map(|line| field(line, "flags"))?;
        if !flags.split(' ').any(|flag| flag == "hypervisor") {
            return Some("no".to_owned());
        }
        let of = |name: &str| self.line(&format!("sys/class/dmi/id/{name}"));
        let names: Vec<String> = ["sys_vendor", "product_name"]
            .into_iter()
            .filter_map(of)
            .collect();
        Some(match names.as_slice() {
            [] => "yes".to_owned(),
            names => format!("yes, {}", names.join(" ")),
        })
    }

    fn memory(&self) -> Option<String> {
        let text = self.text("proc/meminfo")?;
        let total = text.lines().find_map(|line| field(line, "MemTotal"))?;
        let kibibytes: u64 = total.strip_suffix(" kB")?.trim().parse().ok()?;
        Some(format!("{:.1} GiB", kibibytes as f64 / f64::from(1 << 20)))
    }

    /// When memory comes in large pages: it makes copies faster, for whoever gets them.
    fn huge_pages(&self) -> Option<String> {
        let folder = "sys/kernel/mm/transparent_hugepage";
        let of = |name: &str| {
            let text = self.line(&format!("{folder}/{name}"))?;
            let (_, rest) = text.split_once('[')?;
            Some(rest.split_once(']')?.0.to_owned())
        };
        let memory = of("enabled")?;
        Some(match of("shmem_enabled") {
            Some(shared) => format!("{memory}, shared memory: {shared}"),
            None => memory,
        })
    }

    fn kernel(&self) -> Option<String> {
        let release = self.line("proc/sys/kernel/osrelease")?;
        let version = self.line("proc/sys/kernel/version");
        Some(format!(
            "Linux {release} {} {}",
            std::env::consts::ARCH,
            version.unwrap_or_default()
        ))
    }

    /// The drivers of the graphics cards, with their numbers.
    fn graphics(&self) -> Option<String> {
        let entries = fs::read_dir(self.root.join("sys/class/drm"))
            .into_iter()
            .flatten();
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        // Not card0-HDMI-A-1.
        let mut cards: Vec<String> = names
            .filter(|name| name.starts_with("card") && !name.contains('-'))
            .collect();
        cards.sort();
        let described = cards.iter().map(|card| {
            let of = |name: &str| self.line(&format!("sys/class/drm/{card}/device/{name}"));
            let uevent = of("uevent").unwrap_or_default();
            let driver = uevent.lines().find_map(|line| line.strip_prefix("DRIVER="));
            let driver = driver.unwrap_or("no driver");
            match (of("vendor"), of("device")) {
                (Some(vendor), Some(device)) => format!("{card} ({driver}, {vendor}:{device})"),
                _ => format!("{card} ({driver})"),
            }
        });
        let described: Vec<String> = described.collect();
        Some(match described.as_slice() {
            [] => "no card".to_owned(),
            described => described.join(", "),
        })
    }

    /// Whether guest memory can be shown without a copy, and how much at once.
    fn udmabuf(&self) -> Option<String> {
        if !self.root.join("dev/udmabuf").exists() {
            return Some("not there".to_owned());
        }
        let of = |name: &str| self.line(&format!("sys/module/udmabuf/parameters/{name}"));
        Some(match (of("size_limit_mb"), of("list_limit")) {
            (Some(size), Some(list)) => format!("{size} MiB, {list} entries"),
            _ => "there, its limits are not known".to_owned(),
        })
    }

    fn load(&self) -> Option<String> {
        let text = self.line("proc/loadavg")?;
        let numbers: Vec<&str> = text.split(' ').take(3).collect();
        Some(numbers.join(" "))
    }
}

/// `NAME   : VALUE`
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    (found.trim_end() == name).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in texts {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = Files::new(folder.path());
        (folder, files)
    }

    #[test]
    fn a_machine_is_described() {
        let (_folder, files) = files(&[
            (
                "proc/cpuinfo",
                "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: A CPU\n\
                 stepping\t: 1\nflags\t\t: fpu hypervisor avx\n\nprocessor\t: 1\nmodel name\t: A CPU\n",
            ),
            (
                "proc/meminfo",
                "MemTotal:       25165824 kB\nMemFree: 1 kB\n",
            ),
            ("proc/loadavg", "0.08 0.47 1.06 1/116 29783\n"),
            ("proc/sys/kernel/osrelease", "6.18.0\n"),
            ("proc/sys/kernel/version", "#1 SMP\n"),
            ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"),
            ("sys/devices/system/cpu/cpu0/cache/index1/level", "2\n"),
            ("sys/devices/system/cpu/cpu0/cache/index1/size", "1024K\n"),
            ("sys/devices/system/cpu/cpu0/cache/index1/type", "Unified\n"),
            (
                "sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            ),
            ("sys/class/drm/card0/device/uevent", "DRIVER=vkms\n"),
            ("sys/class/drm/card0-Virtual-1/status", "connected\n"),
            ("dev/udmabuf", ""),
            ("sys/module/udmabuf/parameters/size_limit_mb", "64\n"),
            ("sys/module/udmabuf/parameters/list_limit", "1024\n"),
        ]);
        let facts = files.facts();
        let facts: Vec<(&str, &str)> = facts
            .iter()
            .map(|(name, fact)| (name.as_str(), fact.as_str()))
            .collect();
        let kernel = format!("Linux 6.18.0 {} #1 SMP", std::env::consts::ARCH);
        let expected = [
            ("CPU", "2 × A CPU (family 25, model 17, stepping 1)"),
            ("caches", "L1 32K data, L2 1024K"),
            ("virtual machine", "yes, QEMU"),
            ("memory", "24.0 GiB"),
            ("huge pages", "madvise"),
            ("kernel", &kernel),
            ("graphics", "card0 (vkms)"),
            ("udmabuf", "64 MiB, 1024 entries"),
            ("load before", "0.08 0.47 1.06"),
        ];
        assert_eq!(facts, expected);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let (_folder, files) = files(&[("proc/cpuinfo", "processor : 0\nBogoMIPS : 50\n")]);
        let names: Vec<String> = files.facts().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["CPU", "graphics", "udmabuf"]);
        let cpu = format!("1 × {}", std::env::consts::ARCH);
        assert_eq!(files.cpu(), Some(cpu));
    }

    #[test]
    fn this_machine_has_a_kernel_and_memory() {
        let facts = Files::new(Path::new("/")).facts();
        for name in ["CPU", "kernel", "memory", "load before"] {
            assert!(
                facts.iter().any(|(found, _)| found == name),
                "{name}: {facts:?}"
            );
        }
    }
}
