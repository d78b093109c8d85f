//! A title bar: its looks, and which of its buttons is where.

use tracing::warn;
use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_shm,
        wl_surface::WlSurface,
    },
};

use super::{
    paint::{Area, Canvas, Rgb, buffer},
    pieces::{Maker, Piece, Place},
};
use crate::display::{
    ScanoutId,
    wayland::{
        State,
        preferences::Scale,
        toplevel::{Abilities, Condition},
    },
};

/// The height in logical pixels.
pub(in super::super) const HEIGHT: u32 = 34;

/// The radius of the upper corners.
const ROUND: f32 = 8.0;

/// How large a button is, and how far from the next one.
const BUTTON: f32 = 22.0;
const GAP: f32 = 10.0;

/// How large its sign is.
const SIGN: f32 = 8.0;

/// The letters' em.
const EM: f32 = 12.0;

const BAR: Rgb = [0x2d, 0x2d, 0x32];
const BAR_INACTIVE: Rgb = [0x3a, 0x3a, 0x3f];
const TEXT: Rgb = [0xf2, 0xf2, 0xf2];
const TEXT_INACTIVE: Rgb = [0xa4, 0xa4, 0xa8];
const HOVERED: Rgb = [0x55, 0x55, 0x5c];
const HOVERED_CLOSE: Rgb = [0xc0, 0x3a, 0x3a];

/// Drawings that the host may hold at the same time. A host that releases none gets no further.
const MAX_HELD: usize = 4;

/// A button of a title bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Button {
    Minimize,
    Maximize,
    Close,
}

/// What a title bar shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub(super) text: String,
    pub(super) condition: Condition,
    pub(super) abilities: Abilities,
    /// The button that a hand is over.
    pub(super) hovered: Option<Button>,
    pub(super) scale: Scale,
}

/// The bar on the host's side.
#[derive(Debug)]
pub(super) struct TitleBar {
    piece: Piece,
    shown: Option<(Look, Place)>,
    held: Vec<WlBuffer>,
}

impl Abilities {
    /// The buttons that there are, from the right.
    fn buttons(self) -> impl Iterator<Item = Button> {
        let all = [
            (Button::Close, true),
            (Button::Maximize, self.maximize),
            (Button::Minimize, self.minimize),
        ];
        all.into_iter()
            .filter(|(_, is_there)| *is_there)
            .map(|(button, _)| button)
    }
}

/// Where the buttons of a bar are, in logical pixels.
fn places(abilities: Abilities, width: f32) -> impl Iterator<Item = (Button, Area)> {
    let mut right = width - GAP;
    abilities.buttons().map(move |button| {
        let top = (height() - BUTTON) / 2.0;
        let area = Area {
            left: right - BUTTON,
            top,
            right,
            bottom: top + BUTTON,
        };
        right -= BUTTON + GAP;
        (button, area)
    })
}

/// The button at a place of a bar that is so wide, in logical pixels. The gaps belong to the
/// buttons beside them.
pub(super) fn button_at(abilities: Abilities, width: u32, x: f64) -> Option<Button> {
    let mut buttons = places(abilities, px(width));
    let found = buttons.find(|(_, area)| {
        let half = f64::from(GAP) / 2.0;
        let (left, right) = (f64::from(area.left) - half, f64::from(area.right) + half);
        (left..right).contains(&x)
    });
    found.map(|(button, _)| button)
}

impl TitleBar {
    pub(super) fn new(maker: &Maker<'_>) -> Self {
        Self {
            piece: Piece::new(maker),
            shown: None,
            held: Vec::new(),
        }
    }

    pub(super) fn is(&self, surface: &WlSurface) -> bool {
        self.piece.is(surface)
    }

    /// Where it is.
    pub(super) fn place(&self) -> Option<Place> {
        self.piece.place()
    }

    /// Draws it above a window.
    pub(super) fn show(&mut self, look: &Look, window: Place, maker: &Maker<'_>) {
        let place = Place {
            height: HEIGHT,
            ..window
        };
        let shown = Some((look.clone(), place));
        if self.shown == shown {
            return;
        }
        if self.held.len() >= MAX_HELD {
            // The host still draws with these, and may see one of them end.
            self.held.drain(..1).for_each(|oldest| oldest.destroy());
        }
        let scale = match maker.globals.viewporter {
            Some(_) => look.scale,
            None => Scale::ONE,
        };
        let canvas = draw(look, place.width, scale, maker.font);
        let (format, size) = (wl_shm::Format::Argb8888, canvas.size());
        match buffer(canvas.bytes(), size, format, Drawn(maker.scanout), maker) {
            Ok(buffer) => {
                self.piece.show(&buffer, place);
                self.held.push(buffer);
                self.shown = shown;
            }
            Err(error) => warn!("Making memory for a title bar failed: {error}; the old one stays"),
        }
    }

    fn released(&mut self, buffer: &WlBuffer) {
        self.held.retain(|held| held != buffer);
        buffer.destroy();
    }
}

impl Drop for TitleBar {
    fn drop(&mut self) {
        self.held.iter().for_each(WlBuffer::destroy);
    }
}

/// Draws a bar that is so many logical pixels wide.
fn draw(look: &Look, width: u32, scale: Scale, font: Option<&[u8]>) -> Canvas {
    #[expect(clippy::cast_possible_truncation, reason = "1/4 to 8")]
    let factor = scale.factor() as f32;
    let mut canvas = Canvas::new(scale.pixels(width), scale.pixels(HEIGHT));
    let large = |area: Area| Area {
        left: area.left * factor,
        top: area.top * factor,
        right: area.right * factor,
        bottom: area.bottom * factor,
    };
    let (bar, text) = match look.condition.active {
        true => (BAR, TEXT),
        false => (BAR_INACTIVE, TEXT_INACTIVE),
    };
    let all = Area {
        left: 0.0,
        top: 0.0,
        right: px(width),
        bottom: height(),
    };
    let fills = look.condition.maximized || look.condition.tiled;
    let round = if fills { 0.0 } else { ROUND * factor };
    canvas.fill(large(all), (round, 0.0), bar);
    let mut left_of_buttons = px(width);
    for (button, area) in places(look.abilities, px(width)) {
        left_of_buttons = area.left;
        if look.hovered == Some(button) {
            let colour = match button {
                Button::Close => HOVERED_CLOSE,
                Button::Minimize | Button::Maximize => HOVERED,
            };
            let radius = BUTTON / 2.0 * factor;
            canvas.fill(large(area), (radius, radius), colour);
        }
        sign(
            &mut canvas,
            button,
            look.condition,
            large(area),
            factor,
            text,
        );
    }
    if let Some(font) = font {
        // In the middle of the bar: as much is left free on the left as the buttons take.
        let margin = px(width) - left_of_buttons + GAP;
        let free = Area {
            left: margin,
            right: px(width) - margin,
            ..all
        };
        if free.left < free.right {
            canvas.write(&look.text, large(free), EM * factor, font, text);
        }
    }
    canvas
}

/// Draws what is on a button.
fn sign(
    canvas: &mut Canvas,
    button: Button,
    condition: Condition,
    area: Area,
    factor: f32,
    colour: Rgb,
) {
    let (x, y) = (
        (area.left + area.right) / 2.0,
        (area.top + area.bottom) / 2.0,
    );
    let half = SIGN / 2.0 * factor;
    let wide = 1.5 * factor;
    let mut line = |from: (f32, f32), to: (f32, f32)| {
        canvas.line(
            (x + from.0 * half, y + from.1 * half),
            (x + to.0 * half, y + to.1 * half),
            wide,
            colour,
        );
    };
    match button {
        Button::Minimize => line((-1.0, 1.0), (1.0, 1.0)),
        Button::Maximize => {
            // A smaller square takes the window back to a smaller size.
            let side = if condition.maximized { 0.6 } else { 1.0 };
            let corners = [(-side, -side), (side, -side), (side, side), (-side, side)];
            let next = corners.iter().cycle().skip(1);
            corners
                .iter()
                .zip(next)
                .for_each(|(from, to)| line(*from, *to));
        }
        Button::Close => {
            line((-1.0, -1.0), (1.0, 1.0));
            line((-1.0, 1.0), (1.0, -1.0));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "windows are small")]
fn px(pixels: u32) -> f32 {
    pixels as f32
}

fn height() -> f32 {
    px(HEIGHT)
}

/// Marks a drawing of the title bar of a scanout's window.
#[derive(Debug)]
pub(in super::super) struct Drawn(ScanoutId);

impl Dispatch<WlBuffer, Drawn> for State {
    fn event(
        state: &mut Self,
        buffer: &WlBuffer,
        event: wl_buffer::Event,
        Drawn(scanout): &Drawn,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let wl_buffer::Event::Release = event else {
            return;
        };
        let window = state.window(*scanout);
        if let Some(title) = window.and_then(|window| window.decoration.title.as_mut()) {
            title.released(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FONT: &[u8] = include_bytes!("../../../../../compositor/fonts/DejaVuSansMono.ttf");

    fn look() -> Look {
        Look {
            text: "debian".to_owned(),
            condition: Condition {
                active: true,
                ..Condition::default()
            },
            abilities: Abilities::default(),
            hovered: None,
            scale: Scale::ONE,
        }
    }

    #[test]
    fn buttons_are_at_the_right_end() {
        let all = Abilities::default();
        let at = |x: f64| button_at(all, 400, x);
        assert_eq!(at(380.0), Some(Button::Close));
        assert_eq!(at(348.0), Some(Button::Maximize));
        assert_eq!(at(316.0), Some(Button::Minimize));
        assert_eq!(at(200.0), None);
        assert_eq!(at(-1e300), None);
        assert_eq!(at(f64::NAN), None);
        let no_tiling = Abilities {
            maximize: false,
            ..all
        };
        assert_eq!(button_at(no_tiling, 400, 348.0), Some(Button::Minimize));
    }

    #[test]
    fn bar_looks_other_where_something_is_other() {
        let drawn = |change: fn(&mut Look)| {
            let mut look = look();
            change(&mut look);
            draw(&look, 400, Scale::ONE, Some(FONT)).bytes().to_vec()
        };
        let usual = drawn(|_| {});
        let changes: [fn(&mut Look); 5] = [
            |look| look.text = "web".to_owned(),
            |look| look.condition.active = false,
            |look| look.condition.maximized = true,
            |look| look.hovered = Some(Button::Close),
            |look| look.abilities.minimize = false,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert_ne!(drawn(change), usual, "change {number}");
        }
        assert_eq!(drawn(|_| {}), usual);
    }

    #[test]
    fn bar_is_drawn_in_any_size_and_scale() {
        for width in [0, 1, 40, 90, 8192] {
            for parts in [30, 120, 180, 960] {
                let scale = Scale::from_parts(parts);
                let canvas = draw(&look(), width, scale, Some(FONT));
                assert_eq!(canvas.size(), (scale.pixels(width), scale.pixels(HEIGHT)));
            }
        }
    }

    #[test]
    fn bar_without_a_font_has_buttons_all_the_same() {
        let bare = draw(&look(), 400, Scale::ONE, None);
        let named = draw(&look(), 400, Scale::ONE, Some(FONT));
        assert_ne!(bare.bytes(), named.bytes());
        assert!(
            bare.bytes()
                .chunks(4)
                .any(|pixel| pixel == [0xf2, 0xf2, 0xf2, 255])
        );
    }
}
