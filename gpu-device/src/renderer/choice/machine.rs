//! What this machine has for 3D, as far as looking at files tells. Nothing is loaded or started.

use std::{
    env, fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use super::{Lack, Missing};

/// Drivers of render nodes behind which is no graphics card.
const NOT_CARDS: [&str; 3] = ["vgem", "vkms", "faux_driver"];

/// The kernel's number for graphics cards (`DRM_MAJOR`).
const DRM_MAJOR: u32 = 226;

/// The nodes of one kind have numbers from here on; `/dev/dri/renderD128` is the first.
const FIRST_RENDER_NODE: u32 = 128;

/// What was seen of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Its render nodes, by number; behind them that which the user named, whether it is there or
    /// not.
    pub nodes: Vec<Node>,
    /// What it has for Vulkan.
    pub vulkan: Vulkan,
}

/// A render node: a graphics card as far as it draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its path, as it was found or named.
    pub path: PathBuf,
    /// The kernel's driver; `None` where it has none, as some virtual devices.
    pub driver: Option<String>,
    /// Whether it can be used.
    pub access: Access,
}

/// Whether a file can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    Open,
    /// This user may not.
    Forbidden,
    /// There is no such file.
    Missing,
    /// It is something else than a render node.
    NoNode,
    /// The system says why not.
    Broken(String),
}

/// What there is for Vulkan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vulkan {
    /// libvirglrenderer's own process for it, where it is usually found.
    pub server: Option<PathBuf>,
    /// The descriptions of drivers.
    pub drivers: Vec<PathBuf>,
    /// The newest version that one of them says it has, like `1.4`; empty where none says.
    pub version: String,
}

impl Machine {
    /// Looks. Opens render nodes, which wakes up a graphics card that sleeps.
    #[must_use]
    pub fn look(named: Option<&Path>) -> Self {
        let mut nodes: Vec<Node> = names_of_nodes(Path::new("/dev/dri"))
            .into_iter()
            .map(Node::look)
            .collect();
        if let Some(path) = named
            && !nodes.iter().any(|node| node.path == path)
        {
            nodes.push(Node::look(path.to_owned()));
        }
        Self {
            nodes,
            vulkan: Vulkan::look(|name| env::var_os(name).map(PathBuf::from)),
        }
    }

    /// The graphics cards among the nodes, whether they can be used or not.
    pub fn cards(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_card())
    }

    /// The node of this path.
    #[must_use]
    pub fn node(&self, path: &Path) -> Option<&Node> {
        self.nodes.iter().find(|node| node.path == path)
    }
}

impl Node {
    fn look(path: PathBuf) -> Self {
        let access = access(&path);
        let driver = fs::metadata(&path).ok().and_then(|file| {
            let [major, minor] = numbers(file.rdev());
            let link = format!("/sys/dev/char/{major}:{minor}/device/driver");
            let driver = fs::read_link(link).ok()?;
            Some(driver.file_name()?.to_string_lossy().into_owned())
        });
        Self {
            path,
            driver,
            access,
        }
    }

    /// Whether there is a graphics card behind it, and not a device for tests or for memory alone.
    #[must_use]
    pub fn is_card(&self) -> bool {
        let driver = self.driver.as_deref();
        driver.is_some_and(|driver| !NOT_CARDS.contains(&driver))
    }

    /// Why it can't be used.
    #[must_use]
    pub fn lack(&self) -> Option<Lack> {
        let path = self.path.display();
        let detail = match &self.access {
            Access::Open => return None,
            Access::Forbidden => return Some(Lack::new(Missing::Permission, path.to_string())),
            Access::Missing => format!("there is no {path}"),
            Access::NoNode => format!("{path} is not a render node"),
            Access::Broken(error) => format!("{path}: {error}"),
        };
        Some(Lack::new(Missing::Node, detail))
    }
}

fn names_of_nodes(folder: &Path) -> Vec<PathBuf> {
    let number = |path: &PathBuf| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("renderD")?.parse().ok()
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut nodes: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    nodes.retain(|path| number(path).is_some());
    nodes.sort_by_key(number);
    nodes
}

fn access(path: &Path) -> Access {
    match fs::metadata(path) {
        Err(error) => return refused(&error),
        Ok(file) if !is_render_node(&file) => return Access::NoNode,
        Ok(_) => {}
    }
    let opened = fs::File::options().read(true).write(true).open(path);
    opened.map_or_else(|error| refused(&error), |_| Access::Open)
}

fn is_render_node(file: &fs::Metadata) -> bool {
    let [major, minor] = numbers(file.rdev());
    file.file_type().is_char_device() && major == DRM_MAJOR && minor >= FIRST_RENDER_NODE
}

fn numbers(device: u64) -> [u32; 2] {
    [rustix::fs::major(device), rustix::fs::minor(device)]
}

fn refused(error: &io::Error) -> Access {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Access::Forbidden,
        io::ErrorKind::NotFound => Access::Missing,
        _ => Access::Broken(error.to_string()),
    }
}

impl Vulkan {
    /// Looks where libvirglrenderer's packages put the server, and where Vulkan's loader looks for
    /// drivers (its LoaderDriverInterface.md).
    fn look(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let server = variable("RENDER_SERVER_EXEC_PATH").unwrap_or_else(|| {
            let places = ["/usr/libexec", "/usr/local/libexec", "/usr/lib"];
            let files = places.map(|place| Path::new(place).join("virgl_render_server"));
            let [usual, ..] = &files;
            let there = files.iter().find(|file| file.exists());
            there.unwrap_or(usual).clone()
        });
        let drivers = drivers(variable);
        let newest = drivers.iter().filter_map(|file| version(file)).max();
        Self {
            server: server.exists().then_some(server),
            drivers,
            version: newest.map_or_else(String::new, |(major, minor)| format!("{major}.{minor}")),
        }
    }
}

/// The version of Vulkan in a driver's description: `{"ICD": {"api_version": "1.4.318", …}}`.
fn version(description: &Path) -> Option<(u32, u32)> {
    let text = fs::read_to_string(description).ok()?;
    let (_, rest) = text.split_once("\"api_version\"")?;
    let mut numbers = rest.split('"').nth(1)?.split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

fn drivers(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let list = |name: &str, default: &str| {
        let value = variable(name).filter(|value| !value.as_os_str().is_empty());
        let value = value.unwrap_or_else(|| default.into());
        env::split_paths(&value).collect::<Vec<_>>()
    };
    // These say it all where they are set.
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
    if let Some(files) = named.into_iter().find_map(&variable) {
        return env::split_paths(&files).flat_map(descriptions).collect();
    }
    let home = variable("HOME").unwrap_or_default();
    let own = |name, default: &str| variable(name).unwrap_or_else(|| home.join(default));
    let mut folders = vec![own("XDG_CONFIG_HOME", ".config")];
    folders.extend(list("XDG_CONFIG_DIRS", "/etc/xdg"));
    folders.extend(["/usr/local/etc", "/etc"].map(PathBuf::from));
    folders.push(own("XDG_DATA_HOME", ".local/share"));
    folders.extend(list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    let folders = folders
        .into_iter()
        .map(|folder| folder.join("vulkan/icd.d"));
    let more = list("VK_ADD_DRIVER_FILES", "");
    let found = folders.chain(more).flat_map(descriptions);
    found.collect()
}

/// A description, or those in a folder.
fn descriptions(path: PathBuf) -> Vec<PathBuf> {
    let is_description = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mut files: Vec<PathBuf> = match fs::read_dir(&path) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![path],
    };
    files.retain(|file| is_description(file) && file.exists());
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn render_nodes_are_sorted_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["renderD1000", "renderD129", "card0", "renderDx", "by-path"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names = names_of_nodes(folder.path());
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["renderD129", "renderD1000"]);
    }

    #[test]
    fn what_is_no_render_node_is_not_taken_for_one() {
        assert_eq!(access(Path::new("/dev/null")), Access::NoNode);
        assert_eq!(access(Path::new("/nowhere/renderD128")), Access::Missing);
        let machine = Machine::look(Some(Path::new("/dev/null")));
        let lack = machine.node(Path::new("/dev/null")).unwrap().lack();
        let text = lack.unwrap().to_string();
        assert!(text.ends_with("(/dev/null is not a render node)"), "{text}");
    }

    #[test]
    fn a_node_of_others_is_told_from_one_that_fails() {
        let access = |kind: io::ErrorKind| refused(&kind.into());
        assert_eq!(access(io::ErrorKind::PermissionDenied), Access::Forbidden);
        assert_eq!(access(io::ErrorKind::NotFound), Access::Missing);
        let busy = access(io::ErrorKind::ResourceBusy);
        assert!(matches!(busy, Access::Broken(_)), "{busy:?}");
    }

    #[test]
    fn virtual_devices_are_no_graphics_cards() {
        let node = |driver: Option<&str>| Node {
            driver: driver.map(str::to_owned),
            path: "/dev/dri/renderD128".into(),
            access: Access::Open,
        };
        for driver in ["amdgpu", "i915", "xe", "nouveau", "nvidia", "virtio_gpu"] {
            assert!(node(Some(driver)).is_card(), "{driver}");
        }
        for driver in [Some("vgem"), Some("vkms"), Some("faux_driver"), None] {
            assert!(!node(driver).is_card(), "{driver:?}");
        }
    }

    #[test]
    fn vulkan_drivers_are_where_its_loader_looks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in [
            "data/vulkan/icd.d/b.json",
            "data/vulkan/icd.d/x.txt",
            "own/a.json",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        let found = |variables: &[(&str, PathBuf)]| {
            let found = drivers(|name| {
                let nowhere = name.starts_with("XDG_") || name == "HOME";
                let given = variables.iter().find(|(known, _)| *known == name);
                given
                    .map(|(_, value)| value.clone())
                    .or(nowhere.then(|| root.join("nowhere")))
            });
            let is_ours = |path: &&PathBuf| path.starts_with(root);
            let ours = found.iter().filter(is_ours);
            ours.map(|path| path.strip_prefix(root).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let data = ("XDG_DATA_DIRS", root.join("data"));
        assert_eq!(found(&[]), [] as [PathBuf; 0]);
        assert_eq!(
            found(std::slice::from_ref(&data)),
            [PathBuf::from("data/vulkan/icd.d/b.json")]
        );
        assert_eq!(
            found(&[data, ("VK_DRIVER_FILES", root.join("own/a.json"))]),
            [PathBuf::from("own/a.json")]
        );
    }

    #[test]
    fn drivers_say_which_version_of_vulkan_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let descriptions = [
            (
                "a.json",
                r#"{"ICD": {"api_version": "1.3.289", "library_path": "a.so"}}"#,
            ),
            ("b.json", r#"{"ICD": {"api_version" : "1.10.1"}}"#),
            ("c.json", r#"{"ICD": {"library_path": "c.so"}}"#),
            ("d.json", r#"{"ICD": {"api_version": "new"}}"#),
        ];
        for (name, text) in descriptions {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let named = |name: &str| (name == "VK_DRIVER_FILES").then(|| folder.path().to_owned());
        let vulkan = Vulkan::look(named);
        assert_eq!(vulkan.drivers.len(), 4);
        assert_eq!(vulkan.version, "1.10");
        assert_eq!(Vulkan::look(|_| Some("/nowhere".into())).version, "");
    }

    #[test]
    fn the_render_server_can_be_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let named = |path: PathBuf| {
            let variable = |name: &str| (name == "RENDER_SERVER_EXEC_PATH").then(|| path.clone());
            Vulkan::look(variable).server
        };
        assert_eq!(named(path.clone()), Some(path));
        assert_eq!(named("/nowhere/server".into()), None);
    }
}
