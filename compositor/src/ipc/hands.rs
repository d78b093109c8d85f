//! What may be done with a guest's hands: checked before its device is asked.

use config::guest::InputDevice;
use protocols::ipc::{
    self, ErrorCode, InputAction,
    device::{Asked, DeviceRequest},
};

use super::server::ClientId;
use crate::{app::App, host::Host};
use protocols::ipc::Reply;

impl<H: Host> App<H> {
    /// Lets a guest's device do what hands do.
    pub(super) fn use_hands(
        &mut self,
        client: ClientId,
        guest: String,
        action: InputAction,
    ) -> Option<Reply> {
        let checked = match self.guests.config(&guest) {
            Some(config) => check(&guest, config, &action),
            None => return self.unknown(&guest),
        };
        let request = DeviceRequest::Input(action);
        match checked.and_then(|()| self.guests.ask(&guest, &request)) {
            Ok(()) => self.await_answer(client, guest, Asked::Input),
            Err(error) => Some(Reply::Error(error)),
        }
    }
}

/// Whether a guest has what an action needs. Whether the action makes sense, its device knows.
fn check(name: &str, guest: &config::Guest, action: &InputAction) -> Result<(), ipc::Error> {
    let devices = needed(action);
    if !devices.iter().any(|device| guest.input.contains(device)) {
        let words: Vec<&str> = devices.iter().map(|device| device.word()).collect();
        return Err(ipc::Error {
            code: ErrorCode::Unsupported,
            text: format!(
                "Could not do that in the guest {name}: it has no {}. Add \"{}\" to `input` of \
                 [guest.{name}] and start it again",
                words.join(" and no "),
                words[0],
            ),
        });
    }
    for scanout in scanouts(action) {
        super::scanouts::check(name, guest, scanout)?;
    }
    Ok(())
}

/// The devices of which an action needs one, the likeliest first.
fn needed(action: &InputAction) -> &'static [InputDevice] {
    use InputDevice::{Keyboard, Mouse, Pointer, Touch};
    match action {
        InputAction::Chords(_) | InputAction::Key { .. } => &[Keyboard],
        InputAction::PointerTo { .. } => &[Pointer],
        InputAction::PointerBy { .. } => &[Mouse],
        InputAction::Button { .. } | InputAction::Scroll { .. } => &[Pointer, Mouse],
        InputAction::Touch(_) => &[Touch],
    }
}

fn scanouts(action: &InputAction) -> Vec<u8> {
    match action {
        InputAction::PointerTo { scanout, .. } => vec![*scanout],
        InputAction::Touch(points) => points.iter().map(|point| point.scanout).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use protocols::ipc::TouchPoint;

    use super::*;

    fn refused(guest: &config::Guest, action: &InputAction) -> (ErrorCode, String) {
        let error = check("g", guest, action).unwrap_err();
        (error.code, error.text)
    }

    fn touch(finger: u8, scanout: u8) -> InputAction {
        InputAction::Touch(vec![TouchPoint {
            finger,
            scanout,
            x: 0,
            y: 0,
            down: true,
        }])
    }

    #[test]
    fn what_a_guest_has_hands_for_is_done() {
        let guest = config::Guest::default();
        for action in [
            InputAction::Chords(vec![vec![29, 30], vec![1]]),
            InputAction::Scroll {
                horizontal: 0,
                vertical: -120,
            },
            InputAction::PointerTo {
                scanout: 0,
                x: -5,
                y: i32::MAX,
            },
            touch(9, 0),
        ] {
            assert_eq!(check("g", &guest, &action), Ok(()));
        }
    }

    #[test]
    fn a_device_that_a_guest_does_not_have_is_named() {
        let guest = config::Guest {
            input: vec![InputDevice::Mouse],
            ..config::Guest::default()
        };
        let (code, text) = refused(&guest, &InputAction::Chords(vec![vec![30]]));
        assert_eq!(code, ErrorCode::Unsupported);
        assert!(
            text.contains("it has no keyboard. Add \"keyboard\""),
            "{text}"
        );
        let scroll = InputAction::Scroll {
            horizontal: 1,
            vertical: 0,
        };
        assert_eq!(check("g", &guest, &scroll), Ok(()), "a mouse has a wheel");
        let none = config::Guest {
            input: Vec::new(),
            ..config::Guest::default()
        };
        let (_, text) = refused(&none, &scroll);
        assert!(text.contains("it has no pointer and no mouse"), "{text}");
    }

    #[test]
    fn a_monitor_that_there_can_not_be_is_named() {
        let guest = config::Guest::default();
        let (code, text) = refused(&guest, &touch(0, 4));
        assert_eq!(code, ErrorCode::UnknownScanout);
        assert!(text.contains("it can have 4, counted from 0"), "{text}");
    }
}
