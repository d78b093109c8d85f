//! The lab: real guests, and a machine with udmabuf, for computers that have neither.
//!
//! Artefacts, each in a folder of the cache that is named by a hash of all that goes into it,
//! so that a second run does nothing and a changed input makes a new one beside the old:
//! a User Mode Linux kernel ([`kernel`]), a Debian testing file system ([`tree`]), a stock Debian
//! kernel for QEMU ([`stock`]), and, where a test needs them, large programs for guests ([`programs`]) and devices
//! to compare with ([`peers`]).

mod apt;
mod cpio;
mod flips;
mod kernel;
mod peers;
mod programs;
mod stock;
mod tree;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};

use crate::{paths, report};

/// Where the parts of the lab are.
pub struct Lab {
    /// User Mode Linux: a program, and a guest or a host with udmabuf, vkms and vgem.
    pub uml: PathBuf,
    /// The root of a Debian testing file system.
    pub tree: PathBuf,
    /// QEMU of that file system, as a program for this machine.
    pub qemu: PathBuf,
    /// QEMU's own vhost-user-gpu device, which ours is compared with.
    pub peer: PathBuf,
    /// A distribution's kernel.
    pub vmlinuz: PathBuf,
    /// The first root file system of that kernel.
    pub initrd: PathBuf,
}

/// Builds what is missing of the lab.
///
/// # Errors
///
/// When a download or a build fails; what was ready before stays.
pub fn ensure() -> Result<Lab> {
    let cache = Cache::open()?;
    let kernel = cache.ensure(
        "uml",
        &[kernel::CONFIG, kernel::PATCH, kernel::VERSION],
        "the User Mode Linux kernel (about 4 minutes on 2 cores, 165 MB to download)",
        kernel::build,
    )?;
    let packages = tree::PACKAGES.join(" ");
    let tree = cache.ensure(
        "tree",
        &[&packages, tree::INIT, tree::QEMU, tree::PEER, tree::VERSION],
        "the Debian testing file system (about 90 seconds, 370 MB to download, 1.2 GB on disk)",
        tree::build,
    )?;
    let modules = stock::MODULES.join(" ");
    let stock = cache.ensure(
        "stock",
        &[
            &modules,
            stock::INIT,
            stock::CONSOLE,
            stock::VERSION,
            apt::SUITE,
        ],
        "the stock kernel for QEMU (about 15 seconds, 125 MB to download)",
        |work| stock::build(work, &tree.join("root")),
    )?;
    Ok(Lab {
        uml: kernel.join("linux"),
        tree: tree.join("root"),
        qemu: tree.join("bin/qemu-system-x86_64"),
        peer: tree.join("bin/vhost-user-gpu"),
        vmlinuz: stock.join("vmlinuz"),
        initrd: stock.join("initrd.gz"),
    })
}

/// Builds the programs that only some tests run, where they are missing, and returns the root of their files.
///
/// # Errors
///
/// When a download fails.
pub fn ensure_programs() -> Result<PathBuf> {
    let programs = Cache::open()?.ensure(
        "programs",
        &[&programs::inputs(), programs::VERSION],
        "a game and a test suite for guests (about 30 seconds, 460 MB to download, 560 MB on disk)",
        programs::build,
    )?;
    Ok(programs.join("root"))
}

impl Lab {
    /// Builds, where they are missing, the devices that the benchmark compares with, and returns the folder of their
    /// programs.
    ///
    /// # Errors
    ///
    /// When a download or a build fails.
    pub fn ensure_peers(&self) -> Result<PathBuf> {
        let tree = self.tree.parent().context("Naming the tree's folder")?;
        let peers = Cache::open()?.ensure(
            "peers",
            &[
                // Its folder's name says which it is.
                &tree.display().to_string(),
                peers::CRATE_VERSION,
                peers::PROGRAM,
                peers::QEMU,
                peers::VERSION,
            ],
            "the devices that the benchmark compares with (about a minute, 6 MB to download)",
            |work| peers::build(work, tree),
        )?;
        Ok(peers.join("bin"))
    }

    /// The lab for people: where it is and how a guest is started by hand.
    pub fn describe(&self) -> String {
        format!(
            "User Mode Linux    {uml}\n\
             Debian tree        {tree}\n\
             QEMU               {qemu}\n\
             stock kernel       {vmlinuz}\n\
             its initrd         {initrd}\n\
             \n\
             A guest by hand, for a device that listens at SOCKET (DIR/run.sh is the guest's program, its\n\
             output goes to DIR/run.log; DIR is /lab inside, the host's files are below /host):\n  \
             {uml} {arguments} mem=512M lab=DIR virtio_uml.device=SOCKET:16 </dev/null\n\
             The same without virtio_uml.device is a host with /dev/udmabuf and Mesa's llvmpipe.\n\
             \n\
             A guest with a text console:\n  \
             {qemu} -M q35,memory-backend=ram -object memory-backend-memfd,id=ram,size=1G,share=on \
             -accel tcg,thread=multi -cpu max -smp 2 -m 1G -nodefaults -display none \
             -kernel {vmlinuz} -initrd {initrd} -append \"{append}\" -chardev socket,id=gpu,path=SOCKET \
             -device vhost-user-gpu-pci,chardev=gpu",
            uml = self.uml.display(),
            tree = self.tree.display(),
            qemu = self.qemu.display(),
            vmlinuz = self.vmlinuz.display(),
            initrd = self.initrd.display(),
            arguments = self.uml_arguments(2).join(" "),
            append = STOCK_APPEND,
        )
    }

    /// What a User Mode Linux machine of the lab with so many processors is started with, but for memory, `lab=DIR`
    /// and the device.
    pub fn uml_arguments(&self, cpus: u32) -> Vec<String> {
        let mut arguments = self.uml_root();
        arguments.extend(["con=null", "con0=null,fd:1", "seccomp=on"].map(str::to_owned));
        arguments.push(format!("ncpus={cpus}"));
        arguments
    }

    /// The part of them that says which file system it has and what runs in it.
    pub fn uml_root(&self) -> Vec<String> {
        vec![
            "root=/dev/root".to_owned(),
            "rootfstype=hostfs".to_owned(),
            format!("rootflags={}", self.tree.display()),
            "ro".to_owned(),
            "init=/uml-init".to_owned(),
        ]
    }
}

/// The command line that the stock kernel is started with.
pub const STOCK_APPEND: &str = "console=ttyS0 console=tty0 quiet";

/// The folder of finished artefacts. Held locked, so that two builds do not meet.
struct Cache {
    folder: PathBuf,
    _lock: File,
}

impl Cache {
    fn open() -> Result<Self> {
        let folder = paths::cache()?.join("lab");
        fs::create_dir_all(&folder)
            .with_context(|| format!("Making the cache folder {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        if lock.try_lock().is_err() {
            report::say("         … another build of the lab is at work; waiting for it");
            lock.lock()
                .context("Waiting for another build of the lab")?;
        }
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// The folder of the artefact `name` made of `inputs`, built by `build` where it is not there.
    ///
    /// `build` gets the folder `out` to fill, a sibling to work in and a log. Nothing of a build that
    /// failed is ever taken for an artefact: the folder gets its name at the very end.
    fn ensure(
        &self,
        name: &str,
        inputs: &[&str],
        what: &str,
        build: impl FnOnce(&Work) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.folder.join(format!("{name}-{:016x}", hash(inputs)));
        if place.is_dir() {
            return Ok(place);
        }
        report::say(format!("         building {what}"));
        let started = Instant::now();
        let scratch = place.with_extension("building");
        remove(&scratch)?;
        let work = Work {
            out: scratch.join("out"),
            scratch: scratch.join("work"),
            log: self.folder.join(format!("{name}.log")),
        };
        fs::create_dir_all(&work.out)?;
        fs::create_dir_all(&work.scratch)?;
        remove_file(&work.log)?;
        build(&work).with_context(|| format!("Building {what}"))?;
        fs::rename(&work.out, &place)?;
        remove(&scratch)?;
        report::say(format!(
            "         … done in {}: {}",
            report::seconds(started.elapsed()),
            place.display()
        ));
        Ok(place)
    }
}

/// The places of one build.
struct Work {
    /// Becomes the artefact.
    out: PathBuf,
    /// Is thrown away.
    scratch: PathBuf,
    /// Holds what the programs print.
    log: PathBuf,
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("Removing {} of an earlier build", folder.display()))?;
    }
    Ok(())
}

fn remove_file(file: &Path) -> Result<()> {
    if file.exists() {
        fs::remove_file(file).with_context(|| format!("Removing {}", file.display()))?;
    }
    Ok(())
}

/// FNV-1a over all inputs and their boundaries: it names a cache entry, and need only be the same on
/// every machine and in every version of the standard library.
fn hash(inputs: &[&str]) -> u64 {
    let separated = inputs.iter().flat_map(|input| input.bytes().chain([0]));
    separated.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_key_depends_on_every_input_and_on_their_boundaries() {
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["ab", ""]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
    }
}
