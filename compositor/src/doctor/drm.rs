//! DRM devices: cards with their planes, and render nodes.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

use smithay::reexports::drm::{self, ClientCapability, Device as _, control::Device as _};

use super::Check;

const NAME: &str = "DRM";

/// A card or render node. What is asked of it here needs no rights over the screen.
struct Node(File);

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Node {}
impl drm::control::Device for Node {}

pub(super) fn check() -> Check {
    let nodes = nodes(Path::new("/dev/dri"));
    if nodes.is_empty() {
        return Check::degraded(
            NAME,
            "no graphics card: pictures are drawn by the CPU",
            "Nothing to mend without a card; in a virtual machine, give it one",
        );
    }
    let mut found = Vec::new();
    let mut forbidden = Vec::new();
    for path in nodes {
        match describe(&path) {
            Ok(text) => found.push(text),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => forbidden.push(path),
            Err(error) => found.push(format!("{}: {error}", path.display())),
        }
    }
    match forbidden.first() {
        // A seat manager opens cards for us; render nodes must be ours.
        Some(path) if is_render_node(path) => Check::degraded(
            NAME,
            format!("{} is not for this user", path.display()),
            "sudo usermod -aG render,video $USER, then log in again",
        ),
        _ => {
            found.extend(
                forbidden
                    .iter()
                    .map(|path| format!("{}: by a seat", path.display())),
            );
            Check::ok(NAME, found.join("; "))
        }
    }
}

fn is_render_node(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("renderD"))
}

fn nodes(folder: &Path) -> Vec<PathBuf> {
    let mut nodes: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("card") || name.starts_with("renderD")
        })
        .collect();
    nodes.sort();
    nodes
}

fn describe(path: &Path) -> io::Result<String> {
    let node = Node(File::options().read(true).write(true).open(path)?);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let driver = node.get_driver()?;
    let driver = driver.name().to_string_lossy().into_owned();
    if is_render_node(path) {
        return Ok(format!("{name} ({driver})"));
    }
    // Without this only overlay planes are listed.
    let planes = node
        .set_client_capability(ClientCapability::UniversalPlanes, true)
        .and_then(|()| node.plane_handles());
    Ok(match planes {
        Ok(planes) => format!("{name} ({driver}, {} planes)", planes.len()),
        // A card without screens.
        Err(_) => format!("{name} ({driver}, no planes)"),
    })
}
