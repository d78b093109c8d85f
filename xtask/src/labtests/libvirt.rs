//! libvirt, as a user's own (`qemu:///session`), starts Lucarne's device for a machine of its own: by the description
//! file and one line of the machine's XML.
//!
//! libvirt, QEMU and weston are the lab's Debian tree's, run on this machine without a chroot.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Bench, GuestFolder, Picture, Place, qemu, until};
use crate::{
    lab::{Lab, STOCK_APPEND},
    paths, report,
};

/// From the start of a guest to its program.
const BOOT: Duration = Duration::from_secs(90);

/// libvirt asks QEMU for all that it can do first.
const START: Duration = Duration::from_secs(60);

const SOON: Duration = Duration::from_secs(10);

/// The machine's name.
const NAME: &str = "guest";

/// Where weston listens. No variable of libvirt's daemon tells it.
const DISPLAY: &str = "wayland-7";

/// How libvirt is asked for a user's own machines.
const URI: &str = "qemu+unix:///session?socket=";

/// A machine that was started before there was a compositor is in its window once there is one, and both of its
/// processes go with it.
pub fn domain(bench: &Bench, place: &Place) -> Result<String> {
    let program = format!("cat /proc/bus/input/devices\n{}", qemu::CONSOLE);
    let folder = place.guest("guest", &program)?;
    let home = Home::new()?;
    let manager = Manager::start(bench, &home, place)?;
    manager.create(&description(bench, &home, &folder))?;
    folder.wait_for("dumped", BOOT)?;
    let expected = qemu::dump(&folder)?;
    ensure!(
        expected.colours(6) == 6,
        "The guest's console has no text on it"
    );
    for kind in ["keyboard", "pointer"] {
        ensure!(
            folder.printed().contains(&format!("Lucarne {kind}")),
            "The guest has no {kind} of Lucarne's:\n{}",
            folder.printed()
        );
    }

    let weston = Weston::start(&bench.lab, &home, &place.log)?;
    let mut last = None;
    until(SOON, || {
        let picture = weston.screenshot()?;
        let difference = picture.difference(&expected);
        last = Some((difference.clone(), picture));
        Ok(difference.is_none().then_some(()))
    })
    .or_else(|error| match last {
        Some((Some(difference), picture)) => {
            picture.write_png(&place.folder.join("weston.png"))?;
            expected.write_png(&place.folder.join("expected.png"))?;
            bail!("Comparing weston's screenshot with the guest's memory: {difference}")
        }
        _ => Err(error),
    })?;

    ensure!(
        home.sockets()? > 0,
        "There are no sockets of input devices while the guest runs"
    );
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    until(SOON, || Ok((!manager.has_domain()?).then_some(())))
        .context("Waiting for libvirt to see that the guest has shut down")?;
    until(SOON, || Ok((home.sockets()? == 0).then_some(())))
        .context("Waiting for the device to end with its only VMM")?;
    Ok(String::new())
}

/// The machine. Its hands are the one thing that libvirt has no word for.
fn description(bench: &Bench, home: &Home, folder: &GuestFolder) -> String {
    let hands: String = [("keyboard", "0x16"), ("pointer", "0x17")]
        .into_iter()
        .flat_map(|(kind, slot)| {
            [
                "-chardev".to_owned(),
                format!(
                    "socket,id={kind},path={}/lucarne-{NAME}.{kind}",
                    home.runtime.display()
                ),
                "-device".to_owned(),
                format!("vhost-user-input-pci,chardev={kind},bus=pcie.0,addr={slot}"),
            ]
        })
        .map(|argument| format!("<qemu:arg value='{argument}'/>\n"))
        .collect();
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
<name>{NAME}</name>
<memory unit='MiB'>512</memory>
<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
<vcpu>2</vcpu>
<cpu mode='maximum'/>
<os>
<type arch='x86_64' machine='q35'>hvm</type>
<kernel>{kernel}</kernel>
<initrd>{initrd}</initrd>
<cmdline>{STOCK_APPEND}</cmdline>
</os>
<features><acpi/></features>
<devices>
<emulator>{emulator}</emulator>
<video><driver name='vhostuser'/><model type='virtio'/></video>
<filesystem type='mount' accessmode='squash'><source dir='{shared}'/><target dir='lab'/></filesystem>
</devices>
<qemu:commandline>
{hands}</qemu:commandline>
</domain>
",
        kernel = bench.lab.vmlinuz.display(),
        initrd = bench.lab.initrd.display(),
        emulator = bench.lab.qemu.display(),
        shared = folder.0.display(),
    )
}

/// The folders of a user who uses nothing but libvirt and Lucarne.
///
/// The path of a socket has at most 107 bytes, and libvirt puts its own deep below the home folder, so neither is in
/// the test's folder.
struct Home {
    folder: PathBuf,
    runtime: PathBuf,
}

impl Home {
    fn new() -> Result<Self> {
        let short = env::temp_dir().join(format!("lv{:x}", std::process::id()));
        let home = Self {
            folder: short.join("home"),
            runtime: short,
        };
        fs::create_dir_all(&home.runtime)?;
        let descriptions = home.folder.join(".config/qemu/vhost-user");
        fs::create_dir_all(&descriptions)?;
        let installed = paths::root().join("config/share/qemu/vhost-user/50-lucarne.json");
        let text = fs::read_to_string(&installed)
            .with_context(|| format!("Reading {}", installed.display()))?;
        let binary = "/usr/bin/lucarne";
        ensure!(
            text.contains(binary),
            "{} does not name {binary}",
            installed.display()
        );
        let here = paths::lucarne().canonicalize()?;
        fs::write(
            descriptions.join("50-lucarne.json"),
            text.replace(binary, &here.display().to_string()),
        )?;
        let settings = home.folder.join(".config/libvirt");
        fs::create_dir_all(&settings)?;
        // No daemon for logs, and none for security.
        fs::write(
            settings.join("qemu.conf"),
            "stdio_handler = \"file\"\nsecurity_driver = \"none\"\n",
        )?;
        Ok(home)
    }

    /// One of the tree's programs, with nothing of the session that the test runs in.
    fn command(&self, lab: &Lab, program: &str) -> Command {
        let libraries = lab.tree.join("usr/lib/x86_64-linux-gnu");
        let mut command = Command::new(lab.tree.join("lib64/ld-linux-x86-64.so.2"));
        command
            .arg("--library-path")
            .arg(format!("{0}:{0}/weston", libraries.display()))
            .arg(lab.tree.join(program));
        self.set_environment(&mut command);
        command
    }

    fn set_environment(&self, command: &mut Command) {
        command
            .env("HOME", &self.folder)
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .stdin(Stdio::null());
        for name in [
            "WAYLAND_DISPLAY",
            "WAYLAND_SOCKET",
            "LUCARNE_SOCKET",
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "XDG_DATA_HOME",
        ] {
            command.env_remove(name);
        }
    }

    /// How many sockets of input devices there are.
    fn sockets(&self) -> Result<usize> {
        let begin = format!("lucarne-{NAME}.");
        let names = fs::read_dir(&self.runtime)?.flatten();
        Ok(names
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin))
            .count())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.runtime);
    }
}

/// libvirt's daemon.
struct Manager<'a> {
    child: Child,
    lab: &'a Lab,
    home: &'a Home,
    log: PathBuf,
}

impl<'a> Manager<'a> {
    fn start(bench: &'a Bench, home: &'a Home, place: &Place) -> Result<Self> {
        let lab = &bench.lab;
        let daemon = home.command(lab, "usr/sbin/libvirtd");
        // Root's daemon would be the system's. It has its data at a fixed place, where the tree's is put for it
        // alone.
        let script = "mount --bind \"$1\" /usr/share && shift && \
                      exec unshare --user --map-user=1000 --map-group=1000 \"$@\"";
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
            .arg(lab.tree.join("usr/share"))
            .arg(daemon.get_program())
            .args(daemon.get_args())
            .env(
                "LIBVIRT_DRIVER_DIR",
                lab.tree
                    .join("usr/lib/x86_64-linux-gnu/libvirt/connection-driver"),
            );
        home.set_environment(&mut command);
        let child = spawn(&mut command, &place.log)
            .context("Starting libvirt. It needs user namespaces, like the rest of the lab")?;
        let manager = Self {
            child,
            lab,
            home,
            log: place.log.clone(),
        };
        until(START, || Ok(manager.virsh(&["list"]).ok())).with_context(|| {
            format!(
                "Waiting for libvirt; the end of its log:\n{}",
                report::tail(&manager.log, 15)
            )
        })?;
        Ok(manager)
    }

    fn create(&self, xml: &str) -> Result<()> {
        let file = self.home.folder.join("guest.xml");
        fs::write(&file, xml)?;
        self.virsh(&["create", &file.display().to_string()])
            .map(drop)
            .with_context(|| {
                let log = self
                    .home
                    .folder
                    .join(format!(".cache/libvirt/qemu/log/{NAME}.log"));
                format!(
                    "Starting the machine; the end of its log:\n{}",
                    report::tail(&log, 15)
                )
            })
    }

    fn has_domain(&self) -> Result<bool> {
        Ok(self
            .virsh(&["list", "--name"])?
            .lines()
            .any(|line| line.trim() == NAME))
    }

    fn virsh(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.home.runtime.join("libvirt/libvirt-sock");
        let client = self.home.command(self.lab, "usr/bin/virsh");
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-user=1000", "--map-group=1000"])
            .arg(client.get_program())
            .args(client.get_args())
            .args(["--connect", &format!("{URI}{}", socket.display())])
            .args(arguments);
        self.home.set_environment(&mut command);
        report::output(&mut command)
    }
}

/// A machine outlives its manager, but not the test.
impl Drop for Manager<'_> {
    fn drop(&mut self) {
        let _ = self.virsh(&["destroy", NAME]);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A compositor without a screen, whose shell gives the whole of it to one window.
struct Weston<'a> {
    child: Child,
    lab: &'a Lab,
    home: &'a Home,
}

impl<'a> Weston<'a> {
    fn start(lab: &'a Lab, home: &'a Home, log: &Path) -> Result<Self> {
        let libraries = lab.tree.join("usr/lib/x86_64-linux-gnu");
        let mut command = home.command(lab, "usr/bin/weston");
        command
            .args([
                "--no-config",
                "--backend=headless",
                "--renderer=pixman",
                "--width=1280",
                "--height=800",
                "--shell=kiosk-shell.so",
                "--idle-time=0",
                // Lets everybody take pictures.
                "--debug",
            ])
            .arg(format!("--socket={DISPLAY}"))
            .env(
                "WESTON_MODULE_MAP",
                format!(
                    "headless-backend.so={0}/libweston-16/headless-backend.so;\
                     kiosk-shell.so={0}/weston/kiosk-shell.so",
                    libraries.display()
                ),
            )
            .env("XKB_CONFIG_ROOT", lab.tree.join("usr/share/X11/xkb"));
        let child = spawn(&mut command, log)?;
        let weston = Self { child, lab, home };
        let socket = home.runtime.join(DISPLAY);
        until(SOON, || Ok(socket.exists().then_some(()))).context("Waiting for weston")?;
        Ok(weston)
    }

    /// What is on its screen. Its own tool chooses the file's name, in the folder that it is run in.
    fn screenshot(&self) -> Result<Picture> {
        let folder = self.home.folder.join("screenshot");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        let mut command = self.home.command(self.lab, "usr/bin/weston-screenshooter");
        command.env("WAYLAND_DISPLAY", DISPLAY).current_dir(&folder);
        report::output(&mut command)?;
        let file = fs::read_dir(&folder)?
            .flatten()
            .next()
            .context("Looking for weston's screenshot")?;
        Picture::read_png(&file.path())
    }
}

impl Drop for Weston<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    let program = command.get_program().to_owned();
    command
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("Starting {}", program.display()))
}
