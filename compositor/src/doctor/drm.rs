//! DRM devices: cards with their planes, and render nodes.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

use smithay::reexports::drm::{
    self, ClientCapability, Device as _,
    control::{Device as _, PlaneType, connector, plane},
};

use super::Check;
use crate::backend::kms::{holders, is_master};

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
            "no graphics card: the CPU draws, and `lucarne kiosk` has no monitors",
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
    let mut parts = vec![driver.name().to_string_lossy().into_owned()];
    if !is_render_node(path) {
        parts.extend(screens(&node));
        if !is_master(&node) {
            parts.push(match holders(path).as_slice() {
                [] => "another program shows its picture there now".to_owned(),
                holders => format!("used by {} now", holders.join(", ")),
            });
        }
    }
    Ok(format!("{name} ({})", parts.join(", ")))
}

/// What a card has for monitors.
fn screens(node: &Node) -> Vec<String> {
    // Without this only overlay planes are listed.
    let planes = node
        .set_client_capability(ClientCapability::UniversalPlanes, true)
        .and_then(|()| node.plane_handles());
    let (Ok(planes), Ok(resources)) = (planes, node.resource_handles()) else {
        // A card without screens.
        return vec!["draws only".to_owned()];
    };
    let kinds = planes.iter().map(|plane| kind(node, *plane)).collect();
    let connectors = resources.connectors().iter();
    let monitors = connectors
        .filter_map(|connector| node.get_connector(*connector, false).ok())
        .filter(|connector| connector.state() == connector::State::Connected)
        .map(|connector| {
            format!(
                "{}-{}",
                connector.interface().as_str(),
                connector.interface_id()
            )
        })
        .collect();
    let atomic = node.set_client_capability(ClientCapability::Atomic, true);
    abilities(kinds, atomic.is_ok(), monitors)
}

fn kind(node: &Node, plane: plane::Handle) -> Option<PlaneType> {
    let properties = node.get_properties(plane).ok()?;
    let (_, value) = properties.iter().find(|(property, _)| {
        let info = node.get_property(**property);
        info.is_ok_and(|info| info.name().to_bytes() == b"type")
    })?;
    [PlaneType::Primary, PlaneType::Overlay, PlaneType::Cursor]
        .into_iter()
        .find(|kind| u64::from(*kind as u32) == *value)
}

fn abilities(planes: Vec<Option<PlaneType>>, atomic: bool, monitors: Vec<String>) -> Vec<String> {
    let count = |kind| planes.iter().filter(|plane| **plane == Some(kind)).count();
    let mut parts = vec![format!(
        "planes: {} primary, {} overlay, {} cursor",
        count(PlaneType::Primary),
        count(PlaneType::Overlay),
        count(PlaneType::Cursor)
    )];
    if !atomic {
        parts.push("not atomic: one picture fills a monitor, or it is drawn".to_owned());
    }
    parts.push(match monitors.as_slice() {
        [] => "no monitor".to_owned(),
        monitors => monitors.join(" "),
    });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_its_planes_and_its_monitors() {
        let planes = [PlaneType::Primary, PlaneType::Overlay, PlaneType::Overlay];
        let planes = planes.into_iter().map(Some).chain([None]).collect();
        let monitors = vec!["DP-1".to_owned(), "eDP-1".to_owned()];
        assert_eq!(
            abilities(planes, true, monitors),
            ["planes: 1 primary, 2 overlay, 0 cursor", "DP-1 eDP-1"]
        );
        let legacy = abilities(Vec::new(), false, Vec::new());
        assert!(legacy[1].starts_with("not atomic"), "{legacy:?}");
        assert_eq!(legacy[2], "no monitor");
    }

    #[test]
    fn cards_come_before_render_nodes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["renderD128", "card1", "by-path", "card0"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let nodes = nodes(folder.path());
        let names: Vec<_> = nodes.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["card0", "card1", "renderD128"]);
    }
}
