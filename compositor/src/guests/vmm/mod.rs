//! Command lines of the programs that run guests; a file for each kind of program.
//!
//! [`Vmm::find`] looks at the machine once, [`Vmm::launch`] writes a command line. Nothing is
//! started here but QEMU itself, to be asked what it has.

pub mod custom;
pub mod qemu;
pub(in crate::guests) mod remedy;
pub mod uml;

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use config::{
    Guest,
    guest::{InputDevice, VmmKind},
};
use thiserror::Error;

use super::monitor::Place;

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Files that it needs copies of.
    pub copies: Vec<FileCopy>,
}

/// A file that must be copied before a VMM starts, unless it is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCopy {
    /// The original; may be read-only.
    pub from: PathBuf,
    /// The copy, which the VMM writes to.
    pub to: PathBuf,
}

impl FileCopy {
    fn make(&self) -> Result<(), Error> {
        if self.to.exists() {
            return Ok(());
        }
        // The distribution's original is read-only, and a copy made as a whole would inherit that.
        fs::read(&self.from)
            .and_then(|bytes| fs::write(&self.to, bytes))
            .map_err(|source| Error::FileCopy {
                from: self.from.clone(),
                to: self.to.clone(),
                source,
            })
    }
}

impl Launch {
    /// The command, to be started, after the files that it needs have been made.
    ///
    /// # Errors
    /// A file that can't be made.
    pub fn prepare(&self) -> Result<Command, Error> {
        self.copies.iter().try_for_each(FileCopy::make)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        Ok(command)
    }

    /// What would be typed into a shell to do the same: an option and its value on each line.
    #[must_use]
    pub fn script(&self) -> String {
        let mut script = String::new();
        for FileCopy { from, to } in &self.copies {
            let [from, to] = [from, to].map(|path| quoted(path.as_os_str()));
            // Not `cp`, which would keep the copy from being written to.
            script.push_str(&format!("test -e {to} || cat {from} >{to}\n"));
        }
        script.push_str(&quoted(self.program.as_os_str()));
        let mut is_value = false;
        for argument in &self.arguments {
            let is_option = argument.as_encoded_bytes().starts_with(b"-");
            script.push_str(if is_value && !is_option {
                " "
            } else {
                " \\\n    "
            });
            script.push_str(&quoted(argument));
            is_value = is_option;
        }
        script.push('\n');
        script
    }
}

/// As it would be typed into a shell.
impl fmt::Display for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", quoted(self.program.as_os_str()))?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// A word for a shell.
pub(crate) fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a command line is written for.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The guest's name.
    pub name: &'a str,
    /// What the guest is.
    pub guest: &'a Guest,
    /// The socket that the guest's graphics device listens on.
    pub socket: &'a Path,
    /// The guest's input devices, and the sockets that they listen on.
    pub inputs: &'a [(InputDevice, PathBuf)],
    /// A folder for the files that belong to this run.
    pub folder: &'a Path,
}

impl Seat<'_> {
    /// The socket that a VMM listens on for commands in QEMU's machine protocol.
    #[must_use]
    pub fn qmp(&self) -> PathBuf {
        self.folder.join(format!("{}.qmp", self.name))
    }
}

/// The program that runs a guest, found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vmm {
    /// QEMU.
    Qemu(qemu::Qemu),
    /// User Mode Linux; the program.
    Uml(PathBuf),
    /// Another program.
    Custom(PathBuf),
    /// Somebody else starts it.
    External,
}

/// Why a guest can't be run.
#[derive(Debug, Error)]
pub enum Error {
    /// A program is not there.
    #[error("Could not find the program {program:?}: {hint}")]
    NoProgram {
        /// Its name.
        program: PathBuf,
        /// How to get it.
        hint: String,
    },
    /// A file of the guest can't be opened.
    #[error("Could not open the {what} {}: {source}. Check the path", path.display())]
    File {
        /// What it is to the guest.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file can't be copied.
    #[error(
        "Could not copy {} to {}: {source}. Check that the disk is not full",
        from.display(),
        to.display()
    )]
    FileCopy {
        /// The original.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This QEMU won't do.
    #[error(transparent)]
    Qemu(#[from] qemu::Error),
}

impl Vmm {
    /// Finds the program for a guest, and checks that the guest's files can be opened.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(guest: &Guest) -> Result<Self, Error> {
        for (what, path) in [
            ("disk image", &guest.disk),
            ("kernel", &guest.kernel),
            ("initial RAM file system", &guest.initrd),
        ] {
            if let Some(path) = path {
                check_file(what, path)?;
            }
        }
        let program = guest.vmm.program.as_deref();
        match guest.vmm.kind {
            VmmKind::Qemu => Ok(Self::Qemu(qemu::Qemu::find(guest)?)),
            VmmKind::Uml => {
                let program = program
                    .or(guest.kernel.as_deref())
                    .unwrap_or(Path::new("linux"));
                Ok(Self::Uml(named_program(
                    program,
                    "give the `linux` that a kernel build with ARCH=um makes",
                )?))
            }
            VmmKind::Custom => Ok(Self::Custom(named_program(
                program.unwrap_or(Path::new("")),
                "check vmm.program in the configuration",
            )?)),
            VmmKind::External => Ok(Self::External),
        }
    }

    /// Where it takes commands while it runs.
    #[must_use]
    pub fn monitor(&self, seat: Seat<'_>) -> Place {
        match self {
            Self::Qemu(_) => Place::Qmp(seat.qmp()),
            Self::Uml(_) => uml::console(seat).map_or(
                Place::Nowhere("Leave `umid` and `uml_dir` out of its arguments"),
                Place::Mconsole,
            ),
            Self::Custom(_) if custom::speaks_qmp(seat.guest) => Place::Qmp(seat.qmp()),
            Self::Custom(_) => Place::Nowhere(
                "If it speaks QMP, let it listen at {qmp} in vmm.arguments; else use its own tools",
            ),
            Self::External => Place::Nowhere("Use the program that started it"),
        }
    }

    /// The command line; `None` where somebody else starts the VMM.
    ///
    /// # Errors
    /// What can't be prepared, for a message to the user.
    pub fn launch(&self, seat: Seat<'_>) -> Result<Option<Launch>, Error> {
        match self {
            Self::Qemu(qemu) => Ok(Some(qemu.launch(seat)?)),
            Self::Uml(program) => Ok(Some(uml::launch(program, seat))),
            Self::Custom(program) => Ok(Some(custom::launch(program, seat))),
            Self::External => Ok(None),
        }
    }
}

/// Opening tells more than looking: permissions, dangling links, folders.
fn check_file(what: &'static str, path: &Path) -> Result<(), Error> {
    let file = |source| Error::File {
        what,
        path: path.to_owned(),
        source,
    };
    let metadata = fs::File::open(path)
        .and_then(|file| file.metadata())
        .map_err(file)?;
    if metadata.is_dir() {
        return Err(file(io::ErrorKind::IsADirectory.into()));
    }
    Ok(())
}

fn named_program(program: &Path, hint: &str) -> Result<PathBuf, Error> {
    find_program(program).ok_or_else(|| Error::NoProgram {
        program: program.to_owned(),
        hint: hint.to_owned(),
    })
}

/// The file of a program: a path as it is, a bare name looked for in `$PATH`.
#[must_use]
pub fn find_program(program: &Path) -> Option<PathBuf> {
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if program.components().count() != 1 || program.is_absolute() {
        return executable(program).then(|| program.to_owned());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| executable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_prints_as_a_shell_reads_it() {
        let launch = Launch {
            program: "/bin/x y".into(),
            arguments: vec!["a=b,c".into(), "".into(), "it's".into()],
            copies: Vec::new(),
        };
        assert_eq!(launch.to_string(), r"'/bin/x y' a=b,c '' 'it'\''s'");
    }

    #[test]
    fn a_script_has_an_option_with_its_value_on_each_line() {
        let launch = Launch {
            program: "/bin/vmm".into(),
            arguments: ["-nodefaults", "-name", "a b", "-m", "1G", "disk.img", "x"]
                .map(OsString::from)
                .to_vec(),
            copies: vec![FileCopy {
                from: "/usr/v".into(),
                to: "/run/v".into(),
            }],
        };
        let expected = "test -e /run/v || cat /usr/v >/run/v\n\
                        /bin/vmm \\\n    -nodefaults \\\n    -name 'a b' \\\n    -m 1G \\\n    \
                        disk.img \\\n    x\n";
        assert_eq!(launch.script(), expected);
    }

    #[test]
    fn a_copy_is_made_once_and_can_be_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["original", "copy"].map(|name| folder.path().join(name));
        fs::write(&from, "new").unwrap();
        let mut read_only = fs::metadata(&from).unwrap().permissions();
        read_only.set_readonly(true);
        fs::set_permissions(&from, read_only).unwrap();
        let launch = Launch {
            program: "/bin/vmm".into(),
            arguments: Vec::new(),
            copies: vec![FileCopy {
                from,
                to: to.clone(),
            }],
        };

        launch.prepare().unwrap();
        fs::write(&to, "used").unwrap();
        launch.prepare().unwrap();

        assert_eq!(fs::read_to_string(&to).unwrap(), "used");
    }

    #[test]
    fn a_missing_disk_image_is_named() {
        let guest = Guest {
            disk: Some("/nowhere/disk.qcow2".into()),
            ..Guest::default()
        };
        let error = Vmm::find(&guest).unwrap_err().to_string();
        assert_eq!(
            error,
            "Could not open the disk image /nowhere/disk.qcow2: \
             No such file or directory (os error 2). Check the path"
        );
    }

    #[test]
    fn a_folder_is_no_disk_image() {
        let guest = Guest {
            disk: Some("/".into()),
            ..Guest::default()
        };
        let error = Vmm::find(&guest).unwrap_err().to_string();
        assert_eq!(
            error,
            "Could not open the disk image /: is a directory. Check the path"
        );
    }

    #[test]
    fn programs_are_found_in_the_path_and_by_path() {
        let shell = find_program(Path::new("sh")).unwrap();
        assert!(shell.is_absolute());
        assert_eq!(find_program(&shell), Some(shell));
        assert_eq!(find_program(Path::new("/etc/passwd")), None);
        assert_eq!(find_program(Path::new("no-such-program-anywhere")), None);
    }
}
