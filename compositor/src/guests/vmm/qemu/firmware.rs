//! What QEMU boots a disk with.

use std::path::{Path, PathBuf};

use config::guest;

use super::{
    super::{FileCopy, Seat},
    Error,
    line::{Line, joined},
};

/// Firmware other than QEMU's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Firmware {
    /// UEFI: its code, and this run's copy of its variables.
    Flash { code: PathBuf, variables: FileCopy },
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

    /// `copies`: files that must be made before QEMU starts.
    pub(super) fn arguments(self, line: &mut Line, copies: &mut Vec<FileCopy>) {
        match self {
            Self::Flash { code, variables } => {
                let code = joined("if=pflash,format=raw,readonly=on,file=", &code);
                line.option("-drive", code);
                let drive = joined("if=pflash,format=raw,file=", &variables.to);
                line.option("-drive", drive);
                copies.push(variables);
            }
            Self::Rom(path) => line.option("-bios", path),
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
    Ok(Firmware::Flash {
        code: code.to_owned(),
        variables: FileCopy {
            from: template.to_owned(),
            to: variables,
        },
    })
}
