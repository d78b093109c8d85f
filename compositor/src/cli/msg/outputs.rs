//! `lucarne msg outputs`

use protocols::ipc::{Output, Plane, PlaneOwner};

use super::{
    super::table::Table,
    words::{mode, or_dash, word},
};

pub(super) fn describe(outputs: &[Output]) -> String {
    if outputs.is_empty() {
        return "No monitor is connected.\n".to_owned();
    }
    let mut table = Table::new([
        "OUTPUT", "MODE", "AT", "SCALE", "RENDERER", "DIRECT", "DRAWN", "MISSED",
    ]);
    let mut details = String::new();
    for output in outputs {
        table.row([
            output.name.clone(),
            mode(output.width, output.height, output.millihertz),
            format!("{},{}", output.position.x, output.position.y),
            output.scale.to_string(),
            word(&output.renderer),
            output.frames.direct.to_string(),
            output.frames.composited.to_string(),
            output.frames.missed.to_string(),
        ]);
        if let Some(monitor) = describe_monitor(output) {
            details.push_str(&format!("{}: {monitor}\n", output.name));
        }
        for plane in &output.planes {
            details.push_str(&format!("{}: {}\n", output.name, describe_plane(plane)));
        }
        if let Some(reason) = &output.composited {
            details.push_str(&format!("{}: composited: {}\n", output.name, reason.text));
        }
    }
    format!("{table}{details}")
}

/// `DEL U2720Q ABC123, 597x336 mm, 14 modes, best 3840x2160@60, turned 90`. `None` where there is
/// nothing to say.
fn describe_monitor(output: &Output) -> Option<String> {
    let monitor = &output.monitor;
    let names = [&monitor.make, &monitor.model, &monitor.serial];
    let names = names.into_iter().filter(|name| !name.is_empty());
    let mut parts = vec![names.map(String::as_str).collect::<Vec<_>>().join(" ")];
    if monitor.width_mm > 0 && monitor.height_mm > 0 {
        parts.push(format!("{}x{} mm", monitor.width_mm, monitor.height_mm));
    }
    if output.modes.len() > 1 {
        parts.push(format!("{} modes", output.modes.len()));
    }
    if let Some(best) = output.modes.iter().find(|mode| mode.preferred) {
        let best = mode(best.width, best.height, best.millihertz);
        parts.push(format!("best {best}"));
    }
    if output.transform != "normal" {
        parts.push(format!("turned {}", output.transform));
    }
    if output.vrr {
        parts.push("refreshes when there is something to show".to_owned());
    }
    if !output.enabled {
        parts.push("dark now".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `primary plane: debian/0, XR24 1024x768 at 0,0 (framebuffer 42)`.
fn describe_plane(plane: &Plane) -> String {
    let owner = match &plane.owner {
        PlaneOwner::Guest {
            name,
            scanout: Some(scanout),
        } => format!("{name}/{scanout}"),
        PlaneOwner::Guest {
            name,
            scanout: None,
        } => name.clone(),
        PlaneOwner::Client { app_id } if app_id.is_empty() => "a program".to_owned(),
        PlaneOwner::Client { app_id } => app_id.clone(),
        PlaneOwner::Sign => "lucarne itself".to_owned(),
        PlaneOwner::Composed => "the composited picture".to_owned(),
        PlaneOwner::Unknown => "unknown".to_owned(),
    };
    let Plane {
        width,
        height,
        x,
        y,
        framebuffer,
        ..
    } = plane;
    format!(
        "{} plane: {owner}, {} {width}x{height} at {x},{y} (framebuffer {framebuffer})",
        word(&plane.kind),
        or_dash(plane.format.as_ref()),
    )
}

#[cfg(test)]
mod tests {
    use protocols::ipc::{
        MonitorIdentity, OutputFrames, OutputMode, PlaneKind, Position, Reason, Renderer,
    };

    use super::*;

    fn monitor() -> Output {
        Output {
            name: "DP-1".to_owned(),
            width: 1920,
            height: 1080,
            millihertz: 59_940,
            position: Position { x: 0, y: 0 },
            scale: 1.5,
            renderer: Renderer::Pixman,
            monitor: MonitorIdentity::default(),
            transform: "normal".to_owned(),
            vrr: false,
            enabled: true,
            modes: Vec::new(),
            frames: OutputFrames {
                direct: 3,
                composited: 2,
                missed: 1,
            },
            planes: Vec::new(),
            composited: None,
        }
    }

    #[test]
    fn what_is_known_of_a_monitor_is_a_line() {
        assert_eq!(describe_monitor(&monitor()), None);
        let mode = |width, preferred| OutputMode {
            width,
            height: 1080,
            millihertz: 60_000,
            preferred,
        };
        let known = Output {
            monitor: MonitorIdentity {
                make: "DEL".to_owned(),
                serial: "ABC".to_owned(),
                width_mm: 520,
                height_mm: 320,
                ..MonitorIdentity::default()
            },
            modes: vec![mode(1280, false), mode(1920, true)],
            transform: "flipped-90".to_owned(),
            vrr: true,
            enabled: false,
            ..monitor()
        };
        assert_eq!(
            describe_monitor(&known).unwrap(),
            "DEL ABC, 520x320 mm, 2 modes, best 1920x1080@60, turned flipped-90, \
             refreshes when there is something to show, dark now"
        );
    }

    #[test]
    fn outputs_are_a_table_with_their_planes_below() {
        let mut output = monitor();
        let plane = |kind, owner, x| Plane {
            kind,
            framebuffer: 42,
            format: Some("XR24".to_owned()),
            width: 64,
            height: 32,
            x,
            y: -1,
            owner,
        };
        let guest = PlaneOwner::Guest {
            name: "debian".to_owned(),
            scanout: Some(0),
        };
        output.planes = vec![
            plane(PlaneKind::Primary, guest, 0),
            plane(PlaneKind::Overlay, PlaneOwner::Sign, 7),
        ];
        output.composited = Some(Reason {
            code: "covered".to_owned(),
            text: "something lies over it".to_owned(),
        });
        let text = describe(&[output]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "DP-1 1920x1080@59.94 0,0 1.5 pixman 3 2 1"
        );
        assert_eq!(
            lines[2..],
            [
                "DP-1: primary plane: debian/0, XR24 64x32 at 0,-1 (framebuffer 42)",
                "DP-1: overlay plane: lucarne itself, XR24 64x32 at 7,-1 (framebuffer 42)",
                "DP-1: composited: something lies over it",
            ]
        );
        assert_eq!(describe(&[]), "No monitor is connected.\n");
    }
}
