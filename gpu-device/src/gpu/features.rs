//! Which of virtio-gpu's optional parts the device has: one table, which both the offered feature
//! bits and the refusal of all other commands come from.

use protocols::virtio_gpu::{
    Command, ErrorCode, F_CONTEXT_INIT, F_EDID, F_RESOURCE_BLOB, F_RESOURCE_UUID, F_VIRGL,
};

use crate::renderer::Capset;

/// The optional parts that [`super::Gpu::execute`] carries out, by bit number.
const IMPLEMENTED: [u32; 3] = [F_EDID, F_RESOURCE_UUID, F_RESOURCE_BLOB];

/// What it carries out besides where there is a renderer: nothing of it works without one.
const WITH_RENDERER: [u32; 2] = [F_VIRGL, F_CONTEXT_INIT];

/// The bits of virtio-gpu that a device offers to the guest whose renderer has these capsets.
///
/// What is offered is served, whether the guest has acknowledged it or not: Windows asks for the
/// EDID without.
pub fn offered(capsets: &[Capset]) -> u64 {
    let parts = IMPLEMENTED.iter().chain(&WITH_RENDERER);
    let offered = parts.filter(|part| is_offered(**part, capsets));
    offered
        .filter_map(|part| 1_u64.checked_shl(*part))
        .fold(0, |bits, bit| bits | bit)
}

fn is_offered(part: u32, capsets: &[Capset]) -> bool {
    IMPLEMENTED.contains(&part) || (!capsets.is_empty() && WITH_RENDERER.contains(&part))
}

/// The optional part that a command belongs to; `None` for those that every device has.
fn part_of(command: &Command) -> Option<u32> {
    match command {
        Command::GetDisplayInfo
        | Command::ResourceCreate2d { .. }
        | Command::ResourceUnref { .. }
        | Command::SetScanout { .. }
        | Command::ResourceFlush { .. }
        | Command::TransferToHost2d { .. }
        | Command::ResourceAttachBacking { .. }
        | Command::ResourceDetachBacking { .. }
        | Command::UpdateCursor { .. }
        | Command::MoveCursor { .. } => None,
        Command::GetEdid { .. } => Some(F_EDID),
        Command::ResourceAssignUuid { .. } => Some(F_RESOURCE_UUID),
        Command::ResourceCreateBlob { .. } | Command::SetScanoutBlob { .. } => {
            Some(F_RESOURCE_BLOB)
        }
        // Only blobs of host memory are mapped, and those come from 3D contexts.
        Command::MapBlob { .. }
        | Command::UnmapBlob { .. }
        | Command::GetCapsetInfo { .. }
        | Command::GetCapset { .. }
        | Command::CtxCreate { .. }
        | Command::CtxDestroy
        | Command::CtxAttachResource { .. }
        | Command::CtxDetachResource { .. }
        | Command::ResourceCreate3d { .. }
        | Command::TransferToHost3d { .. }
        | Command::TransferFromHost3d { .. }
        | Command::Submit3d { .. } => Some(F_VIRGL),
    }
}

/// Refuses commands of parts that are not offered.
pub(super) fn check(command: &Command, capsets: &[Capset]) -> Result<(), ErrorCode> {
    match command {
        command if part_of(command).is_none_or(|part| is_offered(part, capsets)) => Ok(()),
        // There is no capset with this index or id.
        Command::GetCapsetInfo { .. } | Command::GetCapset { .. } => {
            Err(ErrorCode::InvalidParameter)
        }
        _ => Err(ErrorCode::Unspec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn virgl() -> Vec<Capset> {
        vec![Capset {
            id: 2,
            version: 2,
            data: vec![0; 8],
        }]
    }

    /// One command of each kind that needs a renderer.
    fn commands_of_3d() -> [Command; 7] {
        [
            Command::CtxDestroy,
            Command::CtxCreate {
                context_init: 0,
                name_length: 0,
                debug_name: [0; 64],
            },
            Command::CtxAttachResource { resource_id: 1 },
            Command::CtxDetachResource { resource_id: 1 },
            Command::Submit3d {
                commands: Vec::new(),
            },
            Command::MapBlob {
                resource_id: 1,
                offset: 0,
            },
            Command::UnmapBlob { resource_id: 1 },
        ]
    }

    #[test]
    fn the_bits_are_those_of_the_parts() {
        assert_eq!(offered(&[]), 0b0_1110);
        assert_eq!(offered(&virgl()), 0b1_1111);
    }

    #[test]
    fn commands_of_other_parts_are_refused() {
        for command in commands_of_3d() {
            assert_eq!(check(&command, &[]), Err(ErrorCode::Unspec), "{command:?}");
            assert_eq!(check(&command, &virgl()), Ok(()), "{command:?}");
        }
        let info = Command::GetCapsetInfo { capset_index: 0 };
        assert_eq!(check(&info, &[]), Err(ErrorCode::InvalidParameter));
        let capset = Command::GetCapset {
            capset_id: 1,
            capset_version: 1,
        };
        assert_eq!(check(&capset, &[]), Err(ErrorCode::InvalidParameter));
        assert_eq!(check(&Command::GetEdid { scanout: 0 }, &[]), Ok(()));
        assert_eq!(check(&Command::GetDisplayInfo, &[]), Ok(()));
    }
}
