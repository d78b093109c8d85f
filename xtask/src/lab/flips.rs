//! A guest for QEMU that flips pages as soon as it is up: a second root file system over that of [`stock`], with
//! this program in it.
//!
//! [`stock`]: super::stock

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{Lab, cpio::Archive, stock};
use crate::{paths, report};

/// First process of the guest.
const INIT: &str = include_str!("../../lab/flips-init");

/// What this program needs of the Debian tree. The loader looks for libraries where it was built to.
const FILES: &[&str] = &[
    "lib64/ld-linux-x86-64.so.2",
    "usr/lib/x86_64-linux-gnu/libc.so.6",
    "usr/lib/x86_64-linux-gnu/libgcc_s.so.1",
    "usr/lib/x86_64-linux-gnu/libm.so.6",
];

impl Lab {
    /// Makes the first root file system of a guest that flips pages, for the kernel [`Lab::vmlinuz`]; two seconds.
    ///
    /// # Errors
    ///
    /// When something of the lab cannot be read.
    pub fn flips(&self) -> Result<PathBuf> {
        let folder = paths::scratch().join("flips");
        fs::create_dir_all(&folder)?;
        let over = folder.join("over.gz");
        stock::gzip(&self.files_of_flips(&folder)?, &over)?;
        // The kernel unpacks both, one after the other.
        let initrd = folder.join("initrd.gz");
        let mut both = File::create(&initrd)?;
        for part in [&self.initrd, &over] {
            both.write_all(&fs::read(part)?)?;
        }
        Ok(initrd.canonicalize()?)
    }

    fn files_of_flips(&self, folder: &Path) -> Result<Vec<u8>> {
        let mut archive = Archive::new(Vec::new());
        for folder in ["lib64", "usr", "usr/lib", "usr/lib/x86_64-linux-gnu"] {
            archive.folder(folder)?;
        }
        for file in FILES {
            let content = fs::read(self.tree.join(file))
                .with_context(|| format!("Reading {file} of the Debian tree"))?;
            archive.file(file, true, &content)?;
        }
        let program = folder.join("xtask");
        report::output(
            Command::new("strip")
                .arg("-o")
                .arg(&program)
                .arg(paths::xtask()),
        )?;
        archive.file("bin/xtask", true, &fs::read(program)?)?;
        archive.file("init", true, INIT.as_bytes())?;
        Ok(archive.finish()?)
    }
}
