//! A distribution's own kernel for QEMU, and a small first root file system for it.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{Work, apt::Apt, cpio::Archive};

/// The modules that the guest loads, before those that they depend on.
pub const MODULES: &[&str] = &[
    "virtio_gpu",
    "9p",
    "9pnet_virtio",
    "virtio_input",
    "evdev",
    "atkbd",
    "i8042",
];

/// First process of the guest.
pub const INIT: &str = include_str!("../../lab/qemu-init");

/// What it shows when no test runs.
pub const CONSOLE: &str = include_str!("../../lab/console");

/// Changes when the same inputs are to be built in another way.
pub const VERSION: &str = "1";

pub fn build(work: &Work, tree: &Path) -> Result<()> {
    let apt = Apt::new(&work.scratch.join("apt"), &work.log)?;
    // linux-image-amd64 is empty and depends on the current linux-image-7.2.12-…-amd64; where that is
    // itself only a frame, it depends on the packages that hold the kernel and its modules.
    let image = apt
        .dependencies("linux-image-amd64")?
        .into_iter()
        .find(|name| name.starts_with("linux-image-"))
        .context("Looking for the kernel's package")?;
    let version = image.trim_start_matches("linux-image-").to_owned();
    let mut packages = vec![image.clone()];
    packages.extend(
        apt.dependencies(&image)?
            .into_iter()
            .filter(|name| name.starts_with("linux-") && name.ends_with(&version)),
    );
    let unpacked = work.scratch.join("package");
    for package in &packages {
        apt.unpack(package, &unpacked)?;
    }
    let files = walk(&unpacked)?;
    let kernel = files
        .iter()
        .find(|path| file_name(path).starts_with("vmlinuz"))
        .context("Looking for the kernel in its package")?;
    fs::copy(kernel, work.out.join("vmlinuz"))?;
    let busybox = fs::read(tree.join("usr/bin/busybox")).context("Reading the tree's busybox")?;
    let archive = initial_files(&busybox, &Modules::index(&files))?;
    gzip(&archive, &work.out.join("initrd.gz"))
}

fn initial_files(busybox: &[u8], modules: &Modules) -> Result<Vec<u8>> {
    let mut archive = Archive::new(Vec::new());
    archive.folder("bin")?;
    archive.folder("modules")?;
    archive.file("bin/busybox", true, busybox)?;
    archive.file("init", true, INIT.as_bytes())?;
    archive.file("console", false, CONSOLE.as_bytes())?;
    let mut order = String::new();
    for (name, content) in modules.in_loading_order(MODULES)? {
        archive.file(&format!("modules/{name}.ko"), false, &content)?;
        order.push_str(&format!("{name}.ko\n"));
    }
    archive.file("modules/order", false, order.as_bytes())?;
    Ok(archive.finish()?)
}

/// The kernel's modules by name. Where a module is missing it is built into the kernel.
struct Modules(BTreeMap<String, PathBuf>);

impl Modules {
    fn index(files: &[PathBuf]) -> Self {
        let modules = files.iter().filter_map(|path| {
            let name = file_name(path);
            let (name, suffix) = name.split_once(".ko")?;
            matches!(suffix, "" | ".xz").then(|| (name.replace('-', "_"), path.clone()))
        });
        Self(modules.collect())
    }

    /// `wanted` and what they depend on, each after its dependencies, with their contents.
    fn in_loading_order(&self, wanted: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut order = Vec::new();
        for name in wanted {
            self.load(name, &mut order)?;
        }
        if order.is_empty() {
            bail!(
                "Looking for {} in the kernel's package: there is none",
                wanted.join(", ")
            );
        }
        Ok(order)
    }

    fn load(&self, name: &str, order: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        let Some(path) = self.0.get(name) else {
            return Ok(());
        };
        if order.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let content = read_module(path)?;
        for dependency in dependencies(&content) {
            self.load(&dependency, order)?;
        }
        order.push((name.to_owned(), content));
        Ok(())
    }
}

fn read_module(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "ko") {
        return Ok(fs::read(path)?);
    }
    let output = Command::new("xz")
        .arg("--decompress")
        .arg("--stdout")
        .arg(path)
        .output()
        .context("Starting xz: is it installed? `cargo xtask setup` does it")?;
    if !output.status.success() {
        bail!("Unpacking the kernel module {} failed", path.display());
    }
    Ok(output.stdout)
}

/// The modules that a module says it needs, in its list of NUL-ended `key=value` texts.
fn dependencies(module: &[u8]) -> Vec<String> {
    module
        .split(|byte| *byte == 0)
        .find_map(|text| text.strip_prefix(b"depends="))
        .map(|list| {
            String::from_utf8_lossy(list)
                .split(',')
                .filter(|name| !name.is_empty())
                .map(|name| name.replace('-', "_"))
                .collect()
        })
        .unwrap_or_default()
}

/// Packs `content` as the file `path`.
pub fn gzip(content: &[u8], path: &Path) -> Result<()> {
    let mut child = Command::new("gzip")
        .arg("-9")
        .stdin(Stdio::piped())
        .stdout(fs::File::create(path)?)
        .spawn()
        .context("Starting gzip")?;
    child
        .stdin
        .take()
        .context("Writing to gzip")?
        .write_all(content)?;
    if !child.wait()?.success() {
        bail!("Packing {} failed", path.display());
    }
    Ok(())
}

fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::dependencies;

    #[test]
    fn a_modules_dependencies_are_read_from_its_own_list() {
        let module = b"\x7fELF\0license=GPL\0depends=drm,drm-shmem-helper\0name=virtio_gpu\0";
        assert_eq!(dependencies(module), ["drm", "drm_shmem_helper"]);
        assert!(dependencies(b"depends=\0name=x\0").is_empty());
        assert!(dependencies(b"name=x\0").is_empty());
    }
}
