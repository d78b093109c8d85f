//! How large a window is, where the picture is in it, and when that is a wish to the guest.
//!
//! Pure: no Wayland object is touched here. Three units matter: *guest pixels*, which the picture
//! has; *logical pixels*, in which the host counts windows; and the *pixels* of the host's monitor,
//! of which there are [`Scale`] to a logical one. A guest whose picture has as many pixels as its
//! window has on the monitor is shown as it is; any other picture is laid into the window as [`Fit`]
//! says until the guest has followed.

use protocols::virtio_gpu::Rect;

use super::preferences::{Fit, Scale};

/// A size, in the unit that its owner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What the host says about a window in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Configure {
    /// The logical size that the window shall have, a title bar of ours included; zero where the
    /// window may choose.
    pub(super) size: Size,
    /// The height of that title bar.
    pub(super) title: u32,
    /// The window is full-screen, maximized or tiled: it must not choose.
    pub(super) fixed: bool,
    /// The user is dragging a border at this moment.
    pub(super) resizing: bool,
}

/// What the guest shall be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// In guest pixels.
    pub(super) size: Size,
    /// How many of these there are to an inch, as far as the user sees it.
    pub(super) dpi: u32,
}

/// Where the picture is in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// From the window's left edge, in logical pixels.
    pub(super) x: u32,
    /// From the window's upper edge, below a title bar, in logical pixels.
    pub(super) y: u32,
    /// The picture's size there, in logical pixels.
    pub(super) size: Size,
    /// The part of the picture that is seen, in guest pixels.
    pub(super) visible: Rect,
}

/// How a window may show a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) fit: Fit,
    /// Whether the host can scale; without that, a logical pixel is a guest pixel.
    pub(super) scales: bool,
}

/// The sizes of one window.
#[derive(Debug)]
pub(super) struct Geometry {
    rules: Rules,
    scale: Scale,
    /// In guest pixels.
    source: Size,
    /// What picture and bars fill together, in logical pixels.
    window: Size,
    /// What `window` was when the host let it choose last.
    floating: Size,
    last: Configure,
    /// What the guest was asked for and has not done.
    asked: Option<Ask>,
    /// What it was asked for before that.
    superseded: Option<Size>,
    /// What it was told last.
    dpi: u32,
}

/// Widths that are given up where rows have to be whole; see `rows_refused` of the core's modes.
const ROW: u32 = 64;

impl Geometry {
    /// A window for a picture of this size.
    pub(super) fn new(source: Size, rules: Rules) -> Self {
        Self {
            rules,
            scale: Scale::ONE,
            source,
            window: source,
            floating: source,
            last: Configure::default(),
            asked: None,
            superseded: None,
            dpi: Scale::ONE.dpi(),
        }
    }

    /// What picture and bars fill together, in logical pixels.
    pub(super) fn window(&self) -> Size {
        if self.rules.scales {
            self.window
        } else {
            self.source
        }
    }

    /// Where in the window the picture is.
    pub(super) fn picture(&self) -> Placed {
        let window = self.window();
        let screen = self.pixels_of(window);
        let (source, scale) = (self.source, self.scale);
        let whole = Rect::from_size(source.width, source.height);
        if !self.rules.scales || source == screen {
            return centred(window, window, whole);
        }
        let logical = |size: Size| Size {
            width: scale.logical(size.width).min(window.width),
            height: scale.logical(size.height).min(window.height),
        };
        match self.rules.fit {
            Fit::Stretch => centred(window, window, whole),
            _ if lacks_part_of_a_row(source, screen) => centred(logical(source), window, whole),
            Fit::Letterbox => centred(letterbox(source, window), window, whole),
            Fit::Integer => match times(source, screen) {
                0 => centred(letterbox(source, window), window, whole),
                times => {
                    let size = Size {
                        width: source.width.saturating_mul(times),
                        height: source.height.saturating_mul(times),
                    };
                    centred(logical(size), window, whole)
                }
            },
            Fit::None => {
                let visible = middle(source, screen);
                let size = Size {
                    width: visible.width,
                    height: visible.height,
                };
                centred(logical(size), window, visible)
            }
        }
    }

    /// The part of the picture that is seen, in guest pixels, where that is not all of it.
    pub(super) fn cut(&self) -> Option<Rect> {
        let visible = self.picture().visible;
        let whole = Rect::from_size(self.source.width, self.source.height);
        (visible != whole).then_some(visible)
    }

    /// The picture's size on its surface, in logical pixels.
    pub(super) fn shown(&self) -> Size {
        self.picture().size
    }

    /// The guest's picture has this size from now on. A window that may choose follows it.
    pub(super) fn set_source(&mut self, source: Size) {
        if source == self.source {
            return;
        }
        self.source = source;
        if source == self.pixels_of(self.window) {
            self.asked = None;
            return;
        }
        // A guest that is slow to follow passes through what it was asked for before.
        let on_its_way = self.asked.is_some() && self.superseded == Some(source);
        if !self.last.fixed && !self.last.resizing && !on_its_way {
            self.window = Size {
                width: self.scale.logical(source.width),
                height: self.scale.logical(source.height),
            };
            self.floating = self.window;
            self.asked = None;
        }
    }

    /// The host has spoken. Returns what the guest shall be asked for, once per size and not while
    /// the user is still dragging.
    pub(super) fn configure(&mut self, new: Configure) -> Option<Ask> {
        // Hosts repeat the size with every change of focus. One that was on its way while the
        // guest changed its mode would switch the guest back, hence only news counts.
        let news = (new.size, new.title) != (self.last.size, self.last.title);
        if new.fixed || news || self.last.fixed {
            let below_title = new.size.height.saturating_sub(new.title);
            self.window = Size {
                width: or(new.size.width, self.floating.width),
                height: match new.size.height {
                    0 => self.floating.height,
                    _ => below_title.max(1),
                },
            };
        }
        if !new.fixed {
            self.floating = self.window;
        }
        self.last = new;
        self.ask()
    }

    /// The window is on a monitor of another scale. It keeps its logical size, as windows do, and
    /// the guest is asked for as many pixels as that has there now.
    pub(super) fn set_scale(&mut self, scale: Scale) -> Option<Ask> {
        if !self.rules.scales || scale == self.scale {
            return None;
        }
        self.scale = scale;
        self.ask()
    }

    /// How many of the monitor's pixels there are to a logical one, or as many guest pixels as the
    /// user wants there to be.
    pub(super) fn scale(&self) -> Scale {
        self.scale
    }

    fn ask(&mut self) -> Option<Ask> {
        if self.last.resizing {
            return None;
        }
        let size = self.pixels_of(self.window);
        let known = self.asked.map_or(self.source, |ask| ask.size);
        let dpi = self.scale.dpi();
        if (size, dpi) == (known, self.dpi) {
            return None;
        }
        self.superseded = self.asked.map(|ask| ask.size);
        self.dpi = dpi;
        let ask = Ask { size, dpi };
        self.asked = (size != self.source).then_some(ask);
        Some(ask)
    }

    /// Translates a width of the picture into one on the window's surface.
    pub(super) fn scale_x(&self, width: i32) -> i32 {
        let Placed { size, visible, .. } = self.picture();
        scale(width, size.width, visible.width)
    }

    /// Translates a height of the picture into one on the window's surface.
    pub(super) fn scale_y(&self, height: i32) -> i32 {
        let Placed { size, visible, .. } = self.picture();
        scale(height, size.height, visible.height)
    }

    /// Translates a place on the picture into one on the window's surface.
    pub(super) fn to_surface(&self, (x, y): (i32, i32)) -> (i32, i32) {
        let Rect {
            x: left, y: top, ..
        } = self.picture().visible;
        (
            self.scale_x(x.saturating_sub_unsigned(left)),
            self.scale_y(y.saturating_sub_unsigned(top)),
        )
    }

    /// Translates a place on the window's surface into one on the picture, in guest pixels.
    pub(super) fn to_picture(&self, x: f64, y: f64) -> (f64, f64) {
        let Placed { size, visible, .. } = self.picture();
        let stretch =
            |value: f64, seen: u32, shown: u32| value * f64::from(seen) / f64::from(shown.max(1));
        (
            f64::from(visible.x) + stretch(x, visible.width, size.width),
            f64::from(visible.y) + stretch(y, visible.height, size.height),
        )
    }

    /// Whether the picture has another size on its surface than the buffer has.
    pub(super) fn is_scaled(&self) -> bool {
        let Placed { size, visible, .. } = self.picture();
        (size.width, size.height) != (visible.width, visible.height)
    }

    fn pixels_of(&self, size: Size) -> Size {
        Size {
            width: self.scale.pixels(size.width),
            height: self.scale.pixels(size.height),
        }
    }
}

/// A picture of this size in the middle of its window.
fn centred(size: Size, window: Size, visible: Rect) -> Placed {
    Placed {
        x: window.width.saturating_sub(size.width) / 2,
        y: window.height.saturating_sub(size.height) / 2,
        size,
        visible,
    }
}

/// Whether a picture lacks just as much of its screen's width as rows of whole [`ROW`]s cost. It is
/// not worth being blurred for that.
fn lacks_part_of_a_row(source: Size, screen: Size) -> bool {
    let lacking = screen.width.checked_sub(source.width);
    source.height == screen.height
        && source.width.is_multiple_of(ROW)
        && lacking.is_some_and(|lacking| lacking < ROW)
}

/// The largest size of the source's proportions in a window, to the nearest pixel.
fn letterbox(source: Size, window: Size) -> Size {
    let [width, height] = [source.width, source.height].map(|side| u64::from(side.max(1)));
    let (most_wide, most_high) = (u64::from(window.width), u64::from(window.height));
    let rounded = |dividend: u64, divisor: u64| {
        let nearest = (dividend + divisor / 2) / divisor;
        u32::try_from(nearest).unwrap_or(u32::MAX).max(1)
    };
    if width * most_high >= height * most_wide {
        Size {
            width: window.width,
            height: rounded(height * most_wide, width).min(window.height.max(1)),
        }
    } else {
        Size {
            width: rounded(width * most_high, height).min(window.width.max(1)),
            height: window.height,
        }
    }
}

/// How many times a picture fits onto a screen.
fn times(source: Size, screen: Size) -> u32 {
    let across = screen.width / source.width.max(1);
    let down = screen.height / source.height.max(1);
    across.min(down)
}

/// The middle of a picture, as much of it as fits onto a screen.
fn middle(source: Size, screen: Size) -> Rect {
    let (width, height) = (
        source.width.min(screen.width.max(1)),
        source.height.min(screen.height.max(1)),
    );
    Rect {
        x: (source.width - width) / 2,
        y: (source.height - height) / 2,
        width,
        height,
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
mod tests;
