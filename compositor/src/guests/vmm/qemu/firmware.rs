//! What QEMU boots a disk with.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use config::guest;

use super::{super::Seat, Error, joined};

/// Firmware other than QEMU's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Firmware {
    /// UEFI: its code, and this run's copy of its variables.
    Flash { code: PathBuf, variables: PathBuf },
    /// One file.
    Rom(PathBuf),
}

/// Where distributions put UEFI's code and its empty variables: Debian, Fedora, Arch, openSUSE.
const X86_64: [[&str; 2]; 5] = [
    [
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ],
    [
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ],
    [
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ],
    [
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ],
    [
        "/usr/share/qemu/ovmf-x86_64-code.bin",
        "/usr/share/qemu/ovmf-x86_64-vars.bin",
    ],
];
const AARCH64: [[&str; 2]; 3] = [
    [
        "/usr/share/AAVMF/AAVMF_CODE.fd",
        "/usr/share/AAVMF/AAVMF_VARS.fd",
    ],
    [
        "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
        "/usr/share/edk2/aarch64/vars-template-pflash.raw",
    ],
    [
        "/usr/share/edk2/aarch64/QEMU_CODE.fd",
        "/usr/share/edk2/aarch64/QEMU_VARS.fd",
    ],
];

impl Firmware {
    /// `None` for QEMU's own.
    pub(super) fn find(seat: Seat<'_>, architecture: &'static str) -> Result<Option<Self>, Error> {
        let guest = seat.guest;
        let is_pc = matches!(architecture, "x86_64" | "i386");
        match &guest.firmware {
            guest::Firmware::File(path) => Ok(Some(Self::Rom(path.clone()))),
            // Only a PC has a BIOS; elsewhere a disk boots with UEFI or not at all.
            guest::Firmware::Bios if is_pc || guest.disk.is_none() || guest.kernel.is_some() => {
                Ok(None)
            }
            guest::Firmware::Bios | guest::Firmware::Uefi => uefi(seat, architecture).map(Some),
        }
    }

    pub(super) fn arguments(&self, arguments: &mut Vec<OsString>) {
        match self {
            Self::Flash { code, variables } => {
                arguments.push("-drive".into());
                arguments.push(joined("if=pflash,format=raw,readonly=on,file=", code));
                arguments.push("-drive".into());
                arguments.push(joined("if=pflash,format=raw,file=", variables));
            }
            Self::Rom(path) => {
                arguments.push("-bios".into());
                arguments.push(path.into());
            }
        }
    }
}

fn uefi(seat: Seat<'_>, architecture: &'static str) -> Result<Firmware, Error> {
    let places: &[[&str; 2]] = match architecture {
        "x86_64" => &X86_64,
        "aarch64" => &AARCH64,
        _ => &[],
    };
    let found = places
        .iter()
        .map(|pair| pair.map(Path::new))
        .find(|[code, variables]| code.is_file() && variables.is_file());
    let [code, template] = found.ok_or(Error::NoFirmware(architecture))?;
    // Boot entries that the guest adds live as long as this program; the removable-media path
    // \EFI\BOOT is found without them.
    let variables = seat.folder.join(format!("{}.vars", seat.name));
    if !variables.exists() {
        fs::copy(template, &variables).map_err(|source| Error::File {
            attempt: "copy the firmware's variables to",
            path: variables.clone(),
            source,
        })?;
        make_writable(&variables)?;
    }
    Ok(Firmware::Flash {
        code: code.to_owned(),
        variables,
    })
}

/// The distribution's template is read-only, and a copy inherits that.
fn make_writable(path: &Path) -> Result<(), Error> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(
        |source| Error::File {
            attempt: "make the firmware's variables writable in",
            path: path.to_owned(),
            source,
        },
    )
}
