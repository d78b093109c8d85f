//! What a host may want to know of a window in full screen: that the guest plays something, so that
//! the screen must not go dark; and whether a frame may be torn.
//!
//! Nothing here changes what is shown. Hosts that don't know a hint go without it.

use std::time::{Duration, Instant};

use wayland_client::{QueueHandle, delegate_noop, protocol::wl_surface::WlSurface};
use wayland_protocols::wp::{
    content_type::v1::client::{
        wp_content_type_manager_v1::WpContentTypeManagerV1,
        wp_content_type_v1::{Type, WpContentTypeV1},
    },
    idle_inhibit::zv1::client::{
        zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1,
        zwp_idle_inhibitor_v1::ZwpIdleInhibitorV1,
    },
    tearing_control::v1::client::{
        wp_tearing_control_manager_v1::WpTearingControlManagerV1,
        wp_tearing_control_v1::{PresentationHint, WpTearingControlV1},
    },
};

use super::{State, globals::Binder};

/// So many frames within [`LIVELY`] are motion. A cursor that blinks makes two a second.
const FRAMES: usize = 8;

/// See [`FRAMES`].
const LIVELY: Duration = Duration::from_secs(1);

/// How long after its last motion a guest counts as playing: films stand still at times.
const LASTS: Duration = Duration::from_secs(10);

/// The factories, as far as the host has them.
#[derive(Debug)]
pub(super) struct HintGlobals {
    idle: Option<ZwpIdleInhibitManagerV1>,
    content: Option<WpContentTypeManagerV1>,
    tearing: Option<WpTearingControlManagerV1>,
}

impl HintGlobals {
    pub(super) fn bind(binder: &Binder<'_>) -> Self {
        Self {
            idle: binder.wanted(1, 1),
            content: binder.wanted(1, 1),
            tearing: binder.wanted(1, 1),
        }
    }
}

impl HintGlobals {
    /// Whether the host can be kept from going dark.
    pub(super) fn can_inhibit_idle(&self) -> bool {
        self.idle.is_some()
    }
}

/// The hints about one window.
#[derive(Debug, Default)]
pub(super) struct Hints {
    playing: Playing,
    inhibitor: Option<ZwpIdleInhibitorV1>,
    content: Option<(WpContentTypeV1, Content)>,
    tearing: Option<WpTearingControlV1>,
}

/// What hints depend on besides frames.
#[derive(Debug, Clone, Copy)]
struct About {
    fullscreen: bool,
    /// The user's hands are held in the window.
    grabbed: bool,
    /// The user does not mind torn frames.
    may_tear: bool,
}

/// Whether a guest shows something that moves.
#[derive(Debug, Default)]
struct Playing {
    /// When its last frames came, the oldest first.
    frames: [Option<Instant>; FRAMES],
    until: Option<Instant>,
}

/// What a window shows, as far as it is worth a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Anything,
    /// It moves.
    Video,
    /// It moves, and the user's hands are in it.
    Game,
}

impl Playing {
    fn frame(&mut self, now: Instant) {
        self.frames.rotate_left(1);
        if let Some(last) = self.frames.last_mut() {
            *last = Some(now);
        }
        let oldest = self.frames.first().copied().flatten();
        if oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) <= LIVELY) {
            self.until = now.checked_add(LASTS);
        }
    }

    /// When it stops to count as playing; `None` if it does not.
    fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

impl Hints {
    /// The guest has shown a frame.
    pub(super) fn frame(&mut self, now: Instant) {
        self.playing.frame(now);
    }

    /// When [`Hints::apply`] has to be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        // Where neither was said there is nothing to take back.
        let said = self.inhibitor.is_some() || self.content.is_some();
        self.playing.until.filter(|_| said)
    }

    /// Says what has changed. Returns whether the surface has to commit for that.
    fn apply(
        &mut self,
        surface: &WlSurface,
        globals: &HintGlobals,
        about: About,
        now: Instant,
        handle: &QueueHandle<State>,
    ) -> bool {
        self.playing.until = self.playing.until(now);
        let plays = about.fullscreen && self.playing.until.is_some();
        match (&globals.idle, &self.inhibitor) {
            (Some(idle), None) if plays => {
                self.inhibitor = Some(idle.create_inhibitor(surface, handle, ()));
            }
            (_, Some(inhibitor)) if !plays => {
                inhibitor.destroy();
                self.inhibitor = None;
            }
            _ => {}
        }
        let content = match (plays, about.grabbed) {
            (false, _) => Content::Anything,
            (true, false) => Content::Video,
            (true, true) => Content::Game,
        };
        let content = self.say_content(content, surface, globals, handle);
        self.say_tearing(about.fullscreen && about.may_tear, surface, globals, handle) || content
    }

    fn say_content(
        &mut self,
        content: Content,
        surface: &WlSurface,
        globals: &HintGlobals,
        handle: &QueueHandle<State>,
    ) -> bool {
        let Some(manager) = &globals.content else {
            return false;
        };
        let said = self.content.as_ref().map(|(_, said)| *said);
        if said.unwrap_or(Content::Anything) == content {
            return false;
        }
        let (object, said) = self.content.get_or_insert_with(|| {
            let object = manager.get_surface_content_type(surface, handle, ());
            (object, Content::Anything)
        });
        *said = content;
        object.set_content_type(match content {
            Content::Anything => Type::None,
            Content::Video => Type::Video,
            Content::Game => Type::Game,
        });
        true
    }

    fn say_tearing(
        &mut self,
        may_tear: bool,
        surface: &WlSurface,
        globals: &HintGlobals,
        handle: &QueueHandle<State>,
    ) -> bool {
        match (&globals.tearing, &self.tearing) {
            (Some(manager), None) if may_tear => {
                let object = manager.get_tearing_control(surface, handle, ());
                object.set_presentation_hint(PresentationHint::Async);
                self.tearing = Some(object);
                true
            }
            // Without the object a frame waits for the refresh, as usual.
            (_, Some(object)) if !may_tear => {
                object.destroy();
                self.tearing = None;
                true
            }
            _ => false,
        }
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        if let Some(inhibitor) = &self.inhibitor {
            inhibitor.destroy();
        }
        if let Some((content, _)) = &self.content {
            content.destroy();
        }
        if let Some(tearing) = &self.tearing {
            tearing.destroy();
        }
    }
}

impl State {
    /// Says what has changed about all windows.
    pub(super) fn apply_hints(&mut self, now: Instant) {
        let (tearing, titles) = (self.preferences.tearing, &self.titles);
        for (scanout, record) in &mut self.scanouts {
            let Some(window) = &mut record.window else {
                continue;
            };
            let about = About {
                fullscreen: window.condition.fullscreen,
                grabbed: titles.is_grabbed(*scanout),
                may_tear: tearing,
            };
            let (globals, handle) = (&self.globals.hints, &self.handle);
            let hints = &mut window.hints;
            window.dirty |= hints.apply(&window.surface, globals, about, now, handle);
        }
    }

    /// When something about a window is due without anything happening.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let windows = self.scanouts.values();
        let windows = windows.filter_map(|record| record.window.as_ref());
        windows.filter_map(|window| window.hints.deadline()).min()
    }
}

delegate_noop!(State: ignore WpContentTypeManagerV1);
delegate_noop!(State: ignore WpContentTypeV1);
delegate_noop!(State: ignore ZwpIdleInhibitManagerV1);
delegate_noop!(State: ignore ZwpIdleInhibitorV1);
delegate_noop!(State: ignore WpTearingControlManagerV1);
delegate_noop!(State: ignore WpTearingControlV1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a guest counts as playing right after frames at this distance.
    fn plays(distance: Duration, frames: u32) -> bool {
        let start = Instant::now();
        let mut playing = Playing::default();
        let last = start + distance * (frames - 1);
        (0..frames).for_each(|frame| playing.frame(start + distance * frame));
        playing.until(last).is_some()
    }

    #[test]
    fn films_play_and_blinking_cursors_do_not() {
        assert!(plays(Duration::from_millis(16), 60));
        assert!(plays(Duration::from_millis(42), 24));
        assert!(!plays(Duration::from_millis(500), 1000));
        assert!(
            !plays(Duration::from_millis(16), 7),
            "a window that moved once"
        );
    }

    #[test]
    fn still_scenes_are_waited_for_and_the_end_is_noticed() {
        let start = Instant::now();
        let mut playing = Playing::default();
        (0..8).for_each(|_| playing.frame(start));
        assert_eq!(playing.until(start), Some(start + LASTS));
        assert_eq!(playing.until(start + LASTS), None);
        playing.frame(start + LASTS);
        assert_eq!(playing.until(start + LASTS), None, "one frame is no film");
    }
}
