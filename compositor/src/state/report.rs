//! What `lucarne msg outputs` tells.

use protocols::ipc;
use smithay::{
    reexports::wayland_server::{Client, Resource as _, protocol::wl_surface::WlSurface},
    utils::Transform,
    wayland::compositor::get_parent,
};

use super::State;
use crate::{
    backend::{
        Backend, HostOutput, OutputId,
        kms::{self, PlaneKind, PlaneOwner, PlaneReport, Reason},
    },
    desktop::Owner,
    wayland::ClientState,
};

impl State {
    /// The outputs, in the order in which they appeared.
    #[must_use]
    pub fn outputs(&self) -> Vec<ipc::Output> {
        self.outputs
            .iter()
            .map(|(id, output)| self.describe(id, output))
            .collect()
    }

    fn describe(&self, id: OutputId, output: &HostOutput) -> ipc::Output {
        let positive = |number: i32| u32::try_from(number).unwrap_or_default();
        let at = output.position();
        let monitor = output.monitor();
        let counters = output.counters();
        let (planes, composited, enabled) = match &self.backend {
            Backend::Kms(kms) => (kms.planes(id), why(kms.reasons(id)), kms.is_active()),
            Backend::Headless(_) => (Vec::new(), None, true),
            Backend::Nested(_) => (Vec::new(), None, !self.paused),
        };
        ipc::Output {
            name: output.name(),
            width: positive(output.size().w),
            height: positive(output.size().h),
            millihertz: output.millihertz(),
            position: ipc::Position { x: at.x, y: at.y },
            scale: output.scale(),
            renderer: self.renderer.kind(),
            monitor: ipc::MonitorIdentity {
                make: monitor.make.clone(),
                model: monitor.model.clone(),
                serial: monitor.serial.clone(),
                width_mm: positive(monitor.millimetres.0),
                height_mm: positive(monitor.millimetres.1),
            },
            transform: turned(monitor.transform).to_owned(),
            vrr: monitor.vrr,
            enabled,
            modes: monitor
                .modes
                .iter()
                .map(|mode| ipc::OutputMode {
                    width: positive(mode.size.w),
                    height: positive(mode.size.h),
                    millihertz: positive(mode.refresh),
                    preferred: monitor.preferred.as_ref() == Some(mode),
                })
                .collect(),
            frames: ipc::OutputFrames {
                direct: counters.direct,
                composited: counters.composited,
                missed: counters.missed,
            },
            planes: planes.into_iter().map(|plane| self.plane(plane)).collect(),
            composited,
        }
    }

    fn plane(&self, plane: PlaneReport) -> ipc::Plane {
        ipc::Plane {
            kind: match plane.kind {
                PlaneKind::Primary => ipc::PlaneKind::Primary,
                PlaneKind::Overlay => ipc::PlaneKind::Overlay,
                PlaneKind::Cursor => ipc::PlaneKind::Cursor,
            },
            framebuffer: plane.framebuffer,
            format: plane.format.map(|format| format.to_string()),
            width: plane.size.0,
            height: plane.size.1,
            x: plane.position.0,
            y: plane.position.1,
            owner: match plane.owner {
                PlaneOwner::Composed => ipc::PlaneOwner::Composed,
                PlaneOwner::Unknown => ipc::PlaneOwner::Unknown,
                PlaneOwner::Of(kms::Owner::Sign) => ipc::PlaneOwner::Sign,
                PlaneOwner::Of(kms::Owner::Surface(surface)) => match surface.upgrade() {
                    Ok(surface) => self.owner(surface),
                    Err(_) => ipc::PlaneOwner::Unknown,
                },
            },
        }
    }

    fn owner(&self, surface: WlSurface) -> ipc::PlaneOwner {
        let client = surface.client();
        let client = client.as_ref().and_then(Client::get_data::<ClientState>);
        let guest = client.and_then(ClientState::guest).map(str::to_owned);
        let mut root = surface;
        while let Some(parent) = get_parent(&root) {
            root = parent;
        }
        match self.windows.owner(&self.toplevel_of(root)) {
            Some((Owner::Guest { name, scanout }, _)) => ipc::PlaneOwner::Guest {
                name: name.clone(),
                scanout: *scanout,
            },
            Some((Owner::Client, app_id)) => ipc::PlaneOwner::Client { app_id },
            // A pointer's surface belongs to no window.
            None => match guest {
                Some(name) => ipc::PlaneOwner::Guest {
                    name,
                    scanout: None,
                },
                None => ipc::PlaneOwner::Client {
                    app_id: String::new(),
                },
            },
        }
    }
}

/// Why the lowest of the composited surfaces is not on a plane; and, if another one is to blame,
/// why that one is not.
fn why(reasons: &[Reason]) -> Option<ipc::Reason> {
    let reason = reasons.last()?;
    let text = match (reason, reasons.first()) {
        (Reason::Covered, Some(culprit)) if *culprit != Reason::Covered => {
            format!(
                "{}, which is not on a plane because {}",
                reason.text(),
                culprit.text()
            )
        }
        _ => reason.text().to_owned(),
    };
    Some(ipc::Reason {
        code: reason.code().to_owned(),
        text,
    })
}

/// As in the configuration file.
fn turned(transform: Transform) -> &'static str {
    match transform {
        Transform::Normal => "normal",
        Transform::_90 => "90",
        Transform::_180 => "180",
        Transform::_270 => "270",
        Transform::Flipped => "flipped",
        Transform::Flipped90 => "flipped-90",
        Transform::Flipped180 => "flipped-180",
        Transform::Flipped270 => "flipped-270",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_covers_is_to_blame() {
        let said = why(&[Reason::SharedMemory, Reason::Covered]).unwrap();
        assert_eq!(said.code, "covered");
        assert!(said.text.contains("shared memory"), "{}", said.text);
        assert_eq!(why(&[Reason::Format]).unwrap().code, "format");
        assert_eq!(why(&[]), None);
    }
}
