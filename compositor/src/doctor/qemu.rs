//! QEMU and its devices that leave the graphics to Lucarne.

use super::{
    Check,
    mend::{Package, install},
};
use crate::guests::vmm::qemu::{Dialect, Error, Installed, TCG_SINCE};

const NAME: &str = "QEMU";

const QEMU: Package = Package {
    apt: "qemu-system-x86",
    dnf: "qemu-system-x86",
    pacman: "qemu-system-x86",
};

/// The devices that are modules of their own in some distributions.
const MODULES: Package = Package {
    apt: "qemu-system-modules-opengl qemu-system-gui",
    dnf: "qemu-device-display-vhost-user-gpu",
    pacman: "qemu-hw-display-virtio-gpu qemu-vhost-user-gpu",
};

/// The QEMU that guests get who name none.
pub(super) fn find() -> Result<Installed, Error> {
    Installed::find(&Installed::default_program())
}

pub(super) fn check(qemu: &Result<Installed, Error>) -> Check {
    match qemu {
        Err(error @ Error::Missing(_)) => Check::missing(NAME, error.to_string(), install(&QEMU)),
        Err(error) => Check::missing(NAME, error.to_string(), format!("{} again", install(&QEMU))),
        Ok(installed) => judge(installed, super::kvm::is_promising()),
    }
}

fn judge(installed: &Installed, has_kvm: bool) -> Check {
    let has: Vec<&str> = Dialect::ALL
        .into_iter()
        .filter(|dialect| dialect.is_in(installed))
        .map(Dialect::device)
        .collect();
    let version = installed.version;
    match has.first() {
        None => Check::missing(
            NAME,
            format!("version {version} without any vhost-user graphics"),
            install(&MODULES),
        ),
        Some(_) if !has_kvm && version < TCG_SINCE => Check::missing(
            NAME,
            format!("version {version}, whose vhost-user graphics need KVM"),
            format!("Update QEMU to {TCG_SINCE} or newer (Debian 12: from bookworm-backports)"),
        ),
        Some(_) if Dialect::Generic.is_in(installed) => {
            Check::ok(NAME, format!("version {version} with {}", has.join(", ")))
        }
        Some(_) => Check::degraded(
            NAME,
            format!(
                "version {version} with {}: guests' frames are copied once, and do not resize",
                has.join(", ")
            ),
            "Update QEMU to 10.2 or newer for vhost-user-test-device-pci",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};
    use crate::guests::vmm::qemu::Version;

    fn verdict(version: (u32, u32), devices: &[&str], has_kvm: bool) -> Verdict {
        let installed = Installed {
            program: "/usr/bin/qemu-system-x86_64".into(),
            version: Version {
                major: version.0,
                minor: version.1,
            },
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
            audio_drivers: std::collections::BTreeSet::new(),
            has_user_network: true,
        };
        judge(&installed, has_kvm).verdict
    }

    #[test]
    fn the_generic_device_is_what_makes_a_qemu_good() {
        let generic = ["vhost-user-gpu-pci", "vhost-user-test-device-pci"];
        assert_eq!(verdict((11, 1), &generic, false), Verdict::Ok);
        assert_eq!(verdict((10, 0), &generic, false), Verdict::Degraded);
        assert_eq!(verdict((11, 1), &generic[..1], false), Verdict::Degraded);
        assert_eq!(verdict((11, 1), &[], true), Verdict::Missing);
        assert_eq!(verdict((7, 2), &generic, true), Verdict::Degraded);
        assert_eq!(verdict((7, 2), &generic, false), Verdict::Missing);
    }
}
