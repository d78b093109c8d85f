//! A card that nobody uses, with a monitor at it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use smithay::reexports::drm::control::Device as _;

use super::card::{Card, Monitor};
use crate::{
    backend::kms::{holders, is_master},
    bench::subject::Lack,
};

/// Where nodes of graphics cards are.
const NODES: &str = "/dev/dri";

/// Makes dma-bufs of a guest's memory.
const UDMABUF: &str = "/dev/udmabuf";

/// A card with a monitor, both free.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The card's node.
    pub(super) node: PathBuf,
    /// Its first monitor.
    pub(super) monitor: Monitor,
}

/// Looks for one. Nothing changes on any screen.
///
/// # Errors
/// There is none, with the reason for each card.
pub(super) fn find() -> Result<Found, Lack> {
    if let Err(error) = File::open(UDMABUF) {
        return Err(Lack(format!(
            "a plane shows a guest's memory by {UDMABUF}, which could not be opened: {error}"
        )));
    }
    let mut reasons = Vec::new();
    for node in nodes(Path::new(NODES)) {
        match look(&node) {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(format!("{}: {reason}", node.display())),
        }
    }
    Err(Lack(match reasons.as_slice() {
        [] => format!("this machine has no graphics card ({NODES}/card*)"),
        reasons => reasons.join("; "),
    }))
}

fn look(node: &Path) -> Result<Found, String> {
    let card = Card::open(node).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "this user may not open it; run the benchmark as root, or join the group video"
                .to_owned()
        }
        _ => error.to_string(),
    })?;
    if card.resource_handles().is_err() {
        return Err("it only draws and has no screens".to_owned());
    }
    if !is_master(&card) {
        return Err(match holders(node).as_slice() {
            [] => "another program has it".to_owned(),
            holders => format!("in use by {}", holders.join(", ")),
        });
    }
    card.be_atomic()
        .map_err(|error| format!("its driver has no atomic mode setting ({error})"))?;
    match card.monitor() {
        Ok(Some(monitor)) => Ok(Found {
            node: node.to_owned(),
            monitor,
        }),
        Ok(None) => Err("no monitor is connected".to_owned()),
        Err(error) => Err(format!("it does not tell its monitors: {error}")),
    }
}

/// The nodes of cards, by number.
fn nodes(folder: &Path) -> Vec<PathBuf> {
    let mut numbers: Vec<u32> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix("card")?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    let node = |number| folder.join(format!("card{number}"));
    numbers.into_iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_tried_by_number_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["card10", "card2", "renderD128", "by-path"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let nodes = nodes(folder.path());
        let names: Vec<_> = nodes.iter().map(|node| node.file_name().unwrap()).collect();
        assert_eq!(names, ["card2", "card10"]);
    }
}
