//! What tests of three dimensions run, where it is too large for every test to pay for it: a game, and a suite of
//! tests for OpenGL. Their files only; the libraries that they need are in the [`super::tree`].

use std::fs;

use anyhow::Result;

use super::{Work, apt::Apt};

/// The packages whose files are unpacked, and what is left out of each.
pub const PACKAGES: &[(&str, &[&str])] = &[
    ("openarena", &[]),
    ("openarena-data", &[]),
    ("openarena-081-maps", &[]),
    ("openarena-081-misc", &[]),
    ("openarena-081-players", &[]),
    ("openarena-081-players-mature", &[]),
    ("openarena-081-textures", &[]),
    ("openarena-085-data", &[]),
    ("openarena-088-data", &[]),
    // Its shaders that a program wrote are 46 000 files of 2 GB. None of the list `quick_gl` needs them.
    ("piglit", &["*/piglit/generated_tests"]),
];

/// Changes when the same inputs are to be built in another way.
pub const VERSION: &str = "1";

/// All that they are made of, for the name in the cache.
pub fn inputs() -> String {
    let all = PACKAGES
        .iter()
        .map(|(name, without)| format!("{name} {}", without.join(" ")));
    all.collect::<Vec<_>>().join("\n")
}

pub fn build(work: &Work) -> Result<()> {
    let apt = Apt::new(&work.scratch.join("apt"), &work.log)?;
    let root = work.out.join("root");
    fs::create_dir(&root)?;
    for (package, without) in PACKAGES {
        apt.unpack_without(package, &root, without)?;
    }
    Ok(())
}
