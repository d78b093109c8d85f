//! `lucarne msg guests`

use protocols::ipc::{Guest, GuestRenderer, GuestState, MachineState, RendererKind};

use super::{
    super::table::Table,
    words::{or_dash, word},
};

pub(super) fn describe(guests: &[Guest]) -> String {
    if guests.is_empty() {
        return "There are no guests.\n".to_owned();
    }
    let mut table = Table::new(["GUEST", "STATE", "DEVICE", "VMM", "DIALECT", "GPU"]);
    for guest in guests {
        table.row([
            guest.name.clone(),
            state(guest),
            or_dash(guest.device_pid),
            or_dash(guest.vmm_pid),
            or_dash(guest.dialect.as_ref()),
            or_dash(guest.renderer.as_ref().map(|renderer| renderer.kind)),
        ]);
    }
    let mut text = table.to_string();
    for guest in guests {
        if let Some(renderer) = &guest.renderer {
            for line in drawing(renderer) {
                text.push_str(&format!("{}: {line}\n", guest.name));
            }
        }
    }
    let failed = |guest: &&Guest| guest.state == GuestState::Failed;
    for guest in guests.iter().filter(failed) {
        for line in guest.last_output.iter().rev().take(3).rev() {
            text.push_str(&format!("{}: {line}\n", guest.name));
        }
    }
    text
}

/// What draws for a guest, and why it is not more.
pub(super) fn drawing(renderer: &GuestRenderer) -> Vec<String> {
    let mut lines = Vec::new();
    let versions = [
        ("OpenGL", &renderer.gl),
        ("OpenGL ES", &renderer.gles),
        ("GLSL", &renderer.glsl),
        ("Vulkan", &renderer.vulkan),
    ];
    let versions = versions.iter().filter(|(_, version)| !version.is_empty());
    let mut parts: Vec<String> = versions
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    if renderer.kind != RendererKind::TwoD {
        let library = match renderer.library.as_str() {
            "" => "libvirglrenderer".to_owned(),
            version => format!("libvirglrenderer {version}"),
        };
        parts.push(match renderer.device.as_str() {
            "" => library,
            device => format!("by {device} through {library}"),
        });
        lines.push(parts.join(", "));
    }
    match renderer.restarts {
        0 => {}
        1 => lines.push("its renderer was restarted once".to_owned()),
        times => lines.push(format!("its renderer was restarted {times} times")),
    }
    if let Some(reason) = &renderer.reason {
        let what = match renderer.kind {
            RendererKind::TwoD => "no 3D",
            _ => "no graphics card",
        };
        lines.push(format!("{what}: {}", reason.text));
    }
    lines
}

/// `running, detached`; `paused` for one that runs in all but its processors.
fn state(guest: &Guest) -> String {
    let mut state = match guest.machine {
        Some(machine) if machine != MachineState::Running => machine.to_string(),
        _ => word(&guest.state),
    };
    if guest.detached {
        state.push_str(", detached");
    }
    state
}

#[cfg(test)]
mod tests {
    use protocols::ipc::Reason;

    use super::*;

    #[test]
    fn guests_are_a_table() {
        let guest = |name: &str, state, vmm_pid| Guest {
            name: name.to_owned(),
            state,
            device_pid: Some(7),
            vmm_pid,
            dialect: None,
            last_output: vec!["last words".to_owned()],
            detached: false,
            disk: None,
            machine: None,
            renderer: None,
        };
        let guests = [
            guest("a", GuestState::Running, Some(1234)),
            guest("debian", GuestState::Failed, None),
        ];
        assert_eq!(
            describe(&guests),
            "GUEST   STATE    DEVICE   VMM  DIALECT  GPU\n\
             a       running       7  1234        -    -\n\
             debian  failed        7     -        -    -\n\
             debian: last words\n"
        );
        assert_eq!(describe(&[]), "There are no guests.\n");
    }

    #[test]
    fn what_draws_for_a_guest_is_told_with_its_versions() {
        let renderer = GuestRenderer {
            kind: RendererKind::Virgl,
            library: "1.3.0".to_owned(),
            device: "llvmpipe (LLVM 19)".to_owned(),
            gl: "4.5".to_owned(),
            gles: "3.2".to_owned(),
            glsl: "4.50".to_owned(),
            restarts: 2,
            reason: Some(Reason {
                code: "render_node_forbidden".to_owned(),
                text: "this user may not use the render node".to_owned(),
            }),
            ..GuestRenderer::default()
        };
        assert_eq!(
            drawing(&renderer),
            [
                "OpenGL 4.5, OpenGL ES 3.2, GLSL 4.50, by llvmpipe (LLVM 19) through \
                 libvirglrenderer 1.3.0",
                "its renderer was restarted 2 times",
                "no graphics card: this user may not use the render node",
            ]
        );
    }

    #[test]
    fn a_guest_without_3d_has_a_reason_or_nothing_to_tell() {
        assert_eq!(drawing(&GuestRenderer::default()), [] as [&str; 0]);
        let lacking = GuestRenderer {
            reason: Some(Reason {
                code: "no_virglrenderer".to_owned(),
                text: "libvirglrenderer can't be loaded".to_owned(),
            }),
            ..GuestRenderer::default()
        };
        assert_eq!(
            drawing(&lacking),
            ["no 3D: libvirglrenderer can't be loaded"]
        );
    }
}
