//! The folder for this program's sockets: `lucarne-PID` in `$XDG_RUNTIME_DIR`, for the user alone,
//! gone with the program.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use thiserror::Error;

/// The begin of the names of all that this program puts into the user's runtime folder.
pub const PREFIX: &str = "lucarne-";

/// A folder that only this user can enter; removed with all that is in it when dropped.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
}

/// Why there is no place for sockets.
#[derive(Debug, Error)]
pub enum Error {
    /// The folder can't be made.
    #[error(
        "Could not make a folder for sockets at {}: {source}. \
         Set XDG_RUNTIME_DIR to a folder that you may write to",
        path.display()
    )]
    Make {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder in a place where everybody can write belongs to someone else.
    #[error(
        "Could not use {} for sockets: it belongs to another user or others may enter it. \
         Set XDG_RUNTIME_DIR to a folder of yours",
        .0.display()
    )]
    NotOurs(PathBuf),
}

/// The user's folder for sockets: `$XDG_RUNTIME_DIR`, or where a login session is missing
/// `/tmp/lucarne-run-UID`, which is made.
///
/// # Errors
/// Where that folder can't be made or is somebody else's.
pub fn base() -> Result<PathBuf, Error> {
    match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(path) if path.is_absolute() => Ok(path),
        _ => private_folder(&env::temp_dir().join(format!("lucarne-run-{}", geteuid().as_raw()))),
    }
}

/// Makes a folder, or takes one that is already ours alone.
fn private_folder(path: &Path) -> Result<PathBuf, Error> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Not followed: a link would be somebody's trap.
            let is_ours = fs::symlink_metadata(path).is_ok_and(|metadata| {
                metadata.is_dir()
                    && metadata.uid() == geteuid().as_raw()
                    && metadata.mode() & 0o077 == 0
            });
            if !is_ours {
                return Err(Error::NotOurs(path.to_owned()));
            }
        }
        Err(source) => {
            return Err(Error::Make {
                path: path.to_owned(),
                source,
            });
        }
    }
    Ok(path.to_owned())
}

impl RuntimeDir {
    /// Makes the folder of this process in `base`, and takes away what processes left there that
    /// were killed.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn new(base: &Path) -> Result<Self, Error> {
        remove_leftovers(base);
        let path = base.join(format!("{PREFIX}{}", std::process::id()));
        Ok(Self {
            path: private_folder(&path)?,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!("Could not remove {}: {error}", self.path.display());
        }
    }
}

/// `lucarne-PID` and `lucarne-PID.sock` of processes that are no more.
fn remove_leftovers(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = owner(&name) else { continue };
        if Path::new("/proc").join(pid.to_string()).exists() {
            continue;
        }
        let path = entry.path();
        let removed = match name.to_str() {
            Some(name) if name.ends_with(".sock") => fs::remove_file(&path),
            _ => fs::remove_dir_all(&path),
        };
        match removed {
            Ok(()) => tracing::debug!("Removed {} of a program that was killed", path.display()),
            Err(error) => tracing::debug!("Could not remove {}: {error}", path.display()),
        }
    }
}

/// The process that a name in the runtime folder belongs to.
fn owner(name: &OsStr) -> Option<u32> {
    let rest = name.to_str()?.strip_prefix(PREFIX)?;
    rest.strip_suffix(".sock").unwrap_or(rest).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_goes_with_its_owner() {
        let base = tempfile::tempdir().unwrap();
        let folder = RuntimeDir::new(base.path()).unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("gpu.sock"), "").unwrap();

        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_killed_programs_left_is_removed() {
        let base = tempfile::tempdir().unwrap();
        // No process has the greatest number that there could be.
        let (dead, alive) = (u32::MAX, std::process::id());
        fs::create_dir(base.path().join(format!("lucarne-{dead}"))).unwrap();
        for name in [
            format!("lucarne-{dead}.sock"),
            format!("lucarne-{alive}.sock"),
        ] {
            fs::write(base.path().join(name), "").unwrap();
        }
        fs::write(base.path().join("lucarne-notes"), "").unwrap();

        remove_leftovers(base.path());

        let mut names: Vec<_> = fs::read_dir(base.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [format!("lucarne-{alive}.sock"), "lucarne-notes".to_owned()]
        );
    }

    #[test]
    fn somebody_else_s_folder_is_not_used() {
        let base = tempfile::tempdir().unwrap();
        let open = base.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert!(matches!(private_folder(&open), Err(Error::NotOurs(_))));

        let link = base.path().join("link");
        std::os::unix::fs::symlink("/", &link).unwrap();
        assert!(matches!(private_folder(&link), Err(Error::NotOurs(_))));
    }
}
