//! The rules of the house that a reader would otherwise have to trust: which crate may know
//! which, where `unsafe` may stand, and how large a room may grow.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Who may know whom: `protocols` ← {`gpu-device`, `guest`, `config`} ← `compositor`.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("protocols", &[]),
    ("config", &["protocols"]),
    ("gpu-device", &["protocols"]),
    ("guest", &["protocols"]),
    (
        "compositor",
        &["protocols", "config", "gpu-device", "guest"],
    ),
    ("xtask", &["protocols", "guest"]),
];

/// The rooms that need `unsafe`, and why nothing safe would do.
const UNSAFE_ROOMS: &[(&str, &str)] = &[
    (
        "gpu-device/src/memory/",
        "udmabuf's ioctls and stores past the caches are known to no safe wrapper",
    ),
    (
        "gpu-device/src/renderer/virgl/",
        "libvirglrenderer and EGL are C libraries, loaded at run time",
    ),
    (
        "compositor/src/backend/kms/console.rs",
        "the ioctls of consoles are known to no safe wrapper",
    ),
    (
        "compositor/src/backend/kms/session.rs",
        "libseat hands out descriptors as plain numbers",
    ),
    (
        "compositor/src/keymap/mod.rs",
        "smithay's XKB is told where to look by the environment alone, and changing that is unsafe",
    ),
    (
        "compositor/src/render/gles.rs",
        "smithay marks EGL displays and GLES renderers unsafe",
    ),
    (
        "compositor/src/guests/process.rs",
        "preparing a child between fork and exec",
    ),
    (
        "xtask/src/labtests/inside/ioctl.rs",
        "the ioctls of udmabuf, uinput and consoles are known to no safe wrapper",
    ),
];

/// Lines a file may have before its tests.
const ROOM: usize = 450;

#[test]
fn dependencies_run_one_way() {
    let metadata: serde_json::Value = serde_json::from_slice(&cargo_metadata()).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    let allowed: BTreeMap<_, _> = MAY_KNOW.iter().copied().collect();
    assert_eq!(
        names,
        allowed.keys().copied().collect(),
        "a crate without a place in the order"
    );

    for package in packages {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let known = dependency["name"].as_str().unwrap();
            // crates.io also has crates of these plain names; ours have a path.
            if names.contains(known) && !dependency["path"].is_null() {
                assert!(
                    allowed[name].contains(&known),
                    "{name} must not know {known}"
                );
            }
        }
    }
}

#[test]
fn unsafe_stands_only_in_its_rooms() {
    let misplaced: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| {
            let room = UNSAFE_ROOMS.iter().any(|(room, _)| path.starts_with(room));
            !room && text.lines().any(uses_unsafe)
        })
        .map(|(path, _)| path)
        .collect();
    assert!(
        misplaced.is_empty(),
        "unsafe outside the rooms that the design names: {misplaced:?}"
    );
}

#[test]
fn every_unsafe_argues_its_case() {
    for (path, text) in sources() {
        let lines: Vec<_> = text.lines().collect();
        // A function's contract is written down where its trait is, and that of a C function's type
        // in a header, so only blocks and impls argue.
        let declares = |line: &str| {
            [
                concat!("unsafe ", "fn"),
                concat!("unsafe ", "extern \"C\" fn"),
            ]
            .iter()
            .any(|form| line.contains(form))
        };
        let argues = |line: &str| uses_unsafe(line) && !declares(line);
        for (number, _) in lines.iter().enumerate().filter(|(_, line)| argues(line)) {
            let before = &lines[number.saturating_sub(8)..number];
            assert!(
                before
                    .iter()
                    .any(|l| l.contains("SAFETY:") || l.contains("# Safety")),
                "{path}:{}: unsafe without a SAFETY comment",
                number + 1
            );
        }
    }
}

#[test]
fn rooms_stay_small() {
    let large: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| !path.contains("/tests") && !path.ends_with("tests.rs"))
        .map(|(path, text)| {
            (
                path,
                text.lines()
                    .take_while(|l| l.trim() != "#[cfg(test)]")
                    .count(),
            )
        })
        .filter(|(_, lines)| *lines > ROOM)
        .collect();
    assert!(
        large.is_empty(),
        "more than {ROOM} lines without tests: {large:?}"
    );
}

#[test]
fn nothing_is_left_for_later() {
    // Written apart so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    for (path, text) in sources() {
        for mark in marks {
            assert!(!text.contains(mark), "{path} contains {mark}");
        }
    }
}

fn uses_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split_once("unsafe ").is_some_and(|(_, rest)| {
        ["{", "impl", "fn", "extern"]
            .iter()
            .any(|form| rest.starts_with(form))
    })
}

fn cargo_metadata() -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Every Rust file of the workspace, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, _) in MAY_KNOW {
        collect(&root().join(name), &mut found);
    }
    assert!(
        found.len() > 10,
        "the search for sources found only {} files",
        found.len()
    );
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (
                path.strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
                text,
            )
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
