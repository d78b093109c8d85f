//! The keys of `[guest.NAME]` about its graphics card.

use std::path::Path;

use serde::Deserialize;

use super::{Device, Guest, VmmKind};
use crate::parse::Mistake;

/// What the guest may do with its graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gpu {
    /// As [`Gpu::Virgl`] where a graphics card of the host can draw for it, else as [`Gpu::TwoD`].
    #[default]
    Auto,
    /// Show pictures that it drew itself.
    #[serde(rename = "2d")]
    TwoD,
    /// Have OpenGL drawn by the host, by its CPU where there is no graphics card.
    Virgl,
    /// That, and Vulkan.
    Venus,
}

impl Gpu {
    /// The word for it in this file and on command lines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::TwoD => "2d",
            Self::Virgl => "virgl",
            Self::Venus => "venus",
        }
    }
}

/// Whether these keys go together.
pub(super) fn check(guest: &Guest) -> Result<(), Mistake> {
    if let Some(node) = &guest.gpu_device {
        if guest.gpu == Gpu::TwoD {
            return Err(Mistake::at(
                "gpu_device",
                "Could not use `gpu_device` for a guest without 3D",
                "Leave it out, or choose gpu = \"auto\", \"virgl\" or \"venus\"",
            ));
        }
        check_node(node)?;
    }
    if guest.gpu == Gpu::Venus {
        check_window(guest)?;
    }
    Ok(())
}

/// Whether a path can be that of a render node; what is there only the machine itself knows.
fn check_node(node: &Path) -> Result<(), Mistake> {
    let name = node.file_name().unwrap_or_default().to_string_lossy();
    let is_render_node = |name: &str| name.starts_with("renderD") || name.ends_with("-render");
    let problem = if name.starts_with("card") || name.ends_with("-card") {
        "it is the node for its monitors"
    } else if node.starts_with("/dev/dri") && !is_render_node(&name) {
        "it is not the name of a render node"
    } else {
        return Ok(());
    };
    Err(Mistake::at(
        "gpu_device",
        format!("Could not draw with {}: {problem}", node.display()),
        "Name a render node like /dev/dri/renderD128, or the link to one in /dev/dri/by-path; \
         `lucarne doctor` lists them",
    ))
}

/// Vulkan's memory is the host's own, which the VMM has to show the guest.
fn check_window(guest: &Guest) -> Result<(), Mistake> {
    let (who, hint) = match (guest.vmm.kind, guest.device) {
        (VmmKind::Uml, _) => (
            "User Mode Linux",
            "Choose gpu = \"virgl\", or another VMM".to_owned(),
        ),
        (VmmKind::Qemu, Device::Gpu | Device::Vga) => (
            "this device of QEMU",
            "Choose gpu = \"virgl\", or leave `device` out: QEMU's generic device can, from version \
             11.1 on"
                .to_owned(),
        ),
        _ => return Ok(()),
    };
    Err(Mistake::at(
        "gpu",
        format!("Could not give a guest Vulkan: {who} shows it no memory of the host"),
        hint,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(gpu: Gpu, node: Option<&str>) -> Guest {
        Guest {
            disk: Some("d".into()),
            gpu,
            gpu_device: node.map(Into::into),
            ..Guest::default()
        }
    }

    #[test]
    fn words_are_those_of_the_file() {
        for gpu in [Gpu::Auto, Gpu::TwoD, Gpu::Virgl, Gpu::Venus] {
            let read: Guest = toml::from_str(&format!("gpu = {:?}", gpu.word())).unwrap();
            assert_eq!(read.gpu, gpu);
        }
    }

    #[test]
    fn a_render_node_goes_by_several_names() {
        for node in [
            "/dev/dri/renderD128",
            "/dev/dri/by-path/pci-0000:01:00.0-render",
            "/dev/my-gpu",
        ] {
            assert_eq!(check(&guest(Gpu::Auto, Some(node))), Ok(()), "{node}");
        }
    }

    #[test]
    fn what_can_not_be_a_render_node_is_told_without_looking() {
        let refused = |node| {
            let mistake = check(&guest(Gpu::Virgl, Some(node))).unwrap_err();
            mistake.to_string()
        };
        assert_eq!(
            refused("/dev/dri/card0"),
            "Could not draw with /dev/dri/card0: it is the node for its monitors. Name a render \
             node like /dev/dri/renderD128, or the link to one in /dev/dri/by-path; `lucarne \
             doctor` lists them"
        );
        assert!(refused("/dev/dri/by-path/pci-0000:01:00.0-card").contains("for its monitors"));
        assert!(refused("/dev/dri/128").contains("not the name of a render node"));
    }

    #[test]
    fn a_guest_without_3d_has_nothing_to_draw_with() {
        let mistake = check(&guest(Gpu::TwoD, Some("/dev/dri/renderD128"))).unwrap_err();
        assert!(mistake.to_string().contains("without 3D"), "{mistake}");
    }

    #[test]
    fn venus_needs_a_vmm_that_shows_memory_of_the_host() {
        let mut venus = guest(Gpu::Venus, None);
        assert_eq!(check(&venus), Ok(()));
        venus.device = Device::Gpu;
        let mistake = check(&venus).unwrap_err().to_string();
        assert!(mistake.contains("this device of QEMU"), "{mistake}");
        venus.device = Device::Auto;
        venus.vmm.kind = VmmKind::Uml;
        let mistake = check(&venus).unwrap_err().to_string();
        assert!(mistake.contains("User Mode Linux"), "{mistake}");
        venus.gpu = Gpu::Virgl;
        assert_eq!(check(&venus), Ok(()));
    }
}
