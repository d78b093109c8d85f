//! Where things are: the checkout, what cargo built, the cache.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The root of the checkout.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Cargo's build folder.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The program `lucarne` as `cargo build` makes it.
pub fn lucarne() -> PathBuf {
    target().join("debug/lucarne")
}

/// This program. (While it runs, a build may put a new file in its place.)
pub fn xtask() -> PathBuf {
    target().join("debug/xtask")
}

/// Where logs, screenshots and sockets of test runs go.
pub fn scratch() -> PathBuf {
    target().join("xtask")
}

/// The cache that outlives `cargo clean`: `$LUCARNE_CACHE`, else the user's cache folder.
///
/// # Errors
///
/// When the environment names neither a cache nor a home folder.
pub fn cache() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("LUCARNE_CACHE") {
        return Ok(PathBuf::from(cache));
    }
    if let Some(cache) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(cache).join("lucarne"));
    }
    let home = env::var_os("HOME").context(
        "Finding the cache folder: neither LUCARNE_CACHE, XDG_CACHE_HOME nor HOME is set; set LUCARNE_CACHE",
    )?;
    Ok(PathBuf::from(home).join(".cache/lucarne"))
}
