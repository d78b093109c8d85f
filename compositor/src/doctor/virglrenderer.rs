//! libvirglrenderer, which draws guests' 3D.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Check,
    mend::{Package, install},
};

const NAME: &str = "virglrenderer";

const PACKAGE: Package = Package {
    apt: "libvirglrenderer1",
    dnf: "virglrenderer",
    pacman: "virglrenderer",
};

pub(super) fn check() -> Check {
    match library(&folders()) {
        Some(path) => {
            let version =
                version().map_or_else(|| path.display().to_string(), |v| format!("version {v}"));
            Check::ok(NAME, format!("{version}; guests are shown in 2D so far"))
        }
        None => Check::missing(
            NAME,
            "not installed; not needed as long as guests are shown in 2D",
            install(&PACKAGE),
        ),
    }
}

/// Where the loader looks, near enough: nothing is loaded here.
fn folders() -> Vec<PathBuf> {
    let architecture = std::env::consts::ARCH;
    ["/usr/local/lib", "/usr/lib64", "/usr/lib"]
        .into_iter()
        .map(PathBuf::from)
        .chain([PathBuf::from(format!("/usr/lib/{architecture}-linux-gnu"))])
        .collect()
}

fn library(folders: &[PathBuf]) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join("libvirglrenderer.so.1"))
        .find(|path| path.exists())
}

/// The package manager knows the release; the library's file name has another number.
fn version() -> Option<String> {
    let [dpkg, rpm, pacman] = [PACKAGE.apt, PACKAGE.dnf, PACKAGE.pacman];
    let questions: [(&str, &[&str]); 3] = [
        ("/usr/bin/dpkg-query", &["-W", "-f", "${Version}", dpkg]),
        ("/usr/bin/rpm", &["-q", "--queryformat", "%{VERSION}", rpm]),
        ("/usr/bin/pacman", &["-Q", pacman]),
    ];
    questions
        .into_iter()
        .filter(|(program, _)| Path::new(program).exists())
        .find_map(|(program, arguments)| {
            let output = Command::new(program).args(arguments).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            let word = text.split_whitespace().last()?.to_owned();
            output.status.success().then_some(word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("none"), folder.path().to_owned()];
        assert_eq!(library(&folders), None);
        let file = folder.path().join("libvirglrenderer.so.1");
        std::fs::write(&file, "").unwrap();
        assert_eq!(library(&folders), Some(file));
    }
}
