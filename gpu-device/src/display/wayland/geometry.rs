//! How large a window is, and when that is a wish to the guest.
//!
//! Pure: no Wayland object is touched here. Three sizes matter: the *source*, what the guest
//! draws; the *wanted* size, on which host and guest agree in the end; and the *shown* size,
//! which is the wanted one where the host can scale.

/// A size in pixels of the guest or of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What the host says about a window in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Configure {
    /// The size that the window shall have; zero where the window may choose.
    pub(super) size: Size,
    /// The window is full-screen, maximized or tiled: it must not choose.
    pub(super) fixed: bool,
    /// The user is dragging a border at this moment.
    pub(super) resizing: bool,
}

/// The sizes of one window.
#[derive(Debug)]
pub(super) struct Geometry {
    source: Size,
    wanted: Size,
    scales: bool,
    last: Configure,
    asked: Option<Size>,
}

impl Geometry {
    /// A window that shows a picture of this size and can be scaled or not.
    pub(super) fn new(source: Size, scales: bool) -> Self {
        Self {
            source,
            wanted: source,
            scales,
            last: Configure::default(),
            asked: None,
        }
    }

    /// The size on the host's screen.
    pub(super) fn shown(&self) -> Size {
        if self.scales {
            self.wanted
        } else {
            self.source
        }
    }

    /// The guest's picture has this size from now on. A window that may choose follows it.
    pub(super) fn set_source(&mut self, source: Size) {
        if source == self.source {
            return;
        }
        self.source = source;
        if !self.last.fixed {
            self.wanted = source;
        }
        if self.wanted == source {
            self.asked = None;
        }
    }

    /// The host has spoken. Returns the size that the guest shall be asked for, once per size
    /// and not while the user is still dragging.
    pub(super) fn configure(&mut self, new: Configure) -> Option<Size> {
        // Hosts repeat the size with every change of focus. One that was on its way while the
        // guest changed its mode would switch the guest back, hence only news counts.
        if new.fixed || new.size != self.last.size {
            self.wanted = Size {
                width: or(new.size.width, self.source.width),
                height: or(new.size.height, self.source.height),
            };
        }
        self.last = new;
        let known = self.asked.unwrap_or(self.source);
        if new.resizing || self.wanted == known {
            return None;
        }
        self.asked = Some(self.wanted);
        self.asked
    }

    /// Translates a distance from the left edge of the picture into one on the host's screen.
    pub(super) fn scale_x(&self, x: i32) -> i32 {
        scale(x, self.shown().width, self.source.width)
    }

    /// Translates a distance from the top edge of the picture into one on the host's screen.
    pub(super) fn scale_y(&self, y: i32) -> i32 {
        scale(y, self.shown().height, self.source.height)
    }

    /// Whether the picture is shown in another size than the guest's.
    pub(super) fn is_scaled(&self) -> bool {
        self.shown() != self.source
    }
}

fn or(value: u32, otherwise: u32) -> u32 {
    if value == 0 { otherwise } else { value }
}

fn scale(value: i32, shown: u32, source: u32) -> i32 {
    let scaled = i64::from(value) * i64::from(shown) / i64::from(source.max(1));
    i32::try_from(scaled).unwrap_or(if scaled < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Size = Size {
        width: 640,
        height: 480,
    };
    const LARGE: Size = Size {
        width: 1920,
        height: 1080,
    };

    fn floating(size: Size) -> Configure {
        Configure {
            size,
            ..Configure::default()
        }
    }

    fn maximized(size: Size) -> Configure {
        Configure {
            size,
            fixed: true,
            resizing: false,
        }
    }

    #[test]
    fn window_takes_the_size_of_the_picture_where_the_host_lets_it_choose() {
        let mut geometry = Geometry::new(SMALL, true);
        assert_eq!(geometry.configure(floating(Size::default())), None);
        assert_eq!(geometry.shown(), SMALL);
        geometry.set_source(LARGE);
        assert_eq!(geometry.shown(), LARGE);
    }

    #[test]
    fn guest_is_asked_once_when_the_host_dictates_a_size() {
        let mut geometry = Geometry::new(SMALL, true);
        assert_eq!(geometry.configure(maximized(LARGE)), Some(LARGE));
        assert_eq!(geometry.shown(), LARGE);
        assert_eq!(geometry.configure(maximized(LARGE)), None);
        geometry.set_source(LARGE);
        assert_eq!(geometry.configure(maximized(LARGE)), None);
        assert!(!geometry.is_scaled());
    }

    #[test]
    fn guest_is_not_asked_while_a_border_is_dragged() {
        let mut geometry = Geometry::new(SMALL, true);
        let dragging = |width| Configure {
            size: Size { width, height: 480 },
            fixed: false,
            resizing: true,
        };
        assert_eq!(geometry.configure(dragging(700)), None);
        assert_eq!(geometry.configure(dragging(800)), None);
        assert_eq!(
            geometry.shown(),
            Size {
                width: 800,
                height: 480
            }
        );
        let dropped = Size {
            width: 800,
            height: 480,
        };
        assert_eq!(geometry.configure(floating(dropped)), Some(dropped));
    }

    #[test]
    fn guest_that_was_asked_is_told_when_the_user_changes_back() {
        let mut geometry = Geometry::new(SMALL, true);
        assert_eq!(geometry.configure(floating(LARGE)), Some(LARGE));
        assert_eq!(geometry.configure(floating(SMALL)), Some(SMALL));
    }

    #[test]
    fn repeated_size_does_not_switch_a_guest_back() {
        let mut geometry = Geometry::new(SMALL, true);
        geometry.configure(floating(SMALL));
        geometry.set_source(LARGE);
        assert_eq!(geometry.configure(floating(SMALL)), None);
        assert_eq!(geometry.shown(), LARGE);
    }

    #[test]
    fn maximized_window_keeps_its_size_when_the_guest_chooses_another() {
        let mut geometry = Geometry::new(SMALL, true);
        geometry.configure(maximized(LARGE));
        let odd = Size {
            width: 1912,
            height: 1080,
        };
        geometry.set_source(odd);
        assert_eq!(geometry.shown(), LARGE);
        assert!(geometry.is_scaled());
        assert_eq!(
            geometry.configure(maximized(LARGE)),
            None,
            "it was asked before"
        );
    }

    #[test]
    fn host_that_can_not_scale_shows_the_guests_size_and_still_asks() {
        let mut geometry = Geometry::new(SMALL, false);
        assert_eq!(geometry.configure(maximized(LARGE)), Some(LARGE));
        assert_eq!(geometry.shown(), SMALL);
    }

    #[test]
    fn distances_are_scaled_like_the_picture() {
        let mut geometry = Geometry::new(SMALL, true);
        geometry.configure(maximized(Size {
            width: 1280,
            height: 480,
        }));
        assert_eq!(geometry.scale_x(-5), -10);
        assert_eq!(geometry.scale_y(7), 7);
        assert_eq!(geometry.scale_x(i32::MAX), i32::MAX);
    }
}
