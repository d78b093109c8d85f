//! What never moves on the card: where things are, the sky, the panel, the dial, the test colours.

use std::f32::consts::TAU;

use super::{
    canvas::{Area, Canvas, Rgb, between, centre, index},
    text::Letters,
};

pub(super) const NIGHT: Rgb = [15, 19, 46];
pub(super) const DUSK: Rgb = [64, 38, 92];
pub(super) const GLOW: Rgb = [214, 116, 92];
pub(super) const PANEL: Rgb = [18, 21, 44];
pub(super) const PAPER: Rgb = [242, 240, 250];
pub(super) const FAINT: Rgb = [164, 160, 196];
pub(super) const AMBER: Rgb = [255, 190, 92];
pub(super) const MINT: Rgb = [118, 226, 190];
pub(super) const WHITE: Rgb = [255; 3];

/// Colours of the test strip.
pub(super) const STRIP: [Rgb; 8] = [
    [235, 235, 235],
    [235, 235, 16],
    [16, 235, 235],
    [16, 235, 16],
    [235, 16, 235],
    [235, 16, 16],
    [16, 16, 235],
    [16, 16, 16],
];

/// Where things are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// How much larger than at 1280×800 everything is.
    pub(super) unit: f32,
    pub(super) panel: Area,
    pub(super) clock: (f32, f32),
    pub(super) radius: f32,
    /// Left edge of the texts.
    pub(super) text: f32,
    /// Top edge of the first line with a value, and the distance to the next.
    pub(super) lines: (f32, f32),
    /// Size of the letters, in multiples of the font's.
    pub(super) size: f32,
    pub(super) bar: Area,
}

impl Layout {
    /// The places for a card of a size in pixels.
    pub(super) fn new(width: f32, height: f32) -> Self {
        let unit = (width / 1280.0).min(height / 800.0);
        let (middle_x, middle_y) = (width / 2.0, height / 2.0);
        let panel = Area::new(
            middle_x - 500.0 * unit,
            middle_y - 279.0 * unit,
            1000.0 * unit,
            430.0 * unit,
        );
        Self {
            unit,
            panel,
            clock: (panel.left + 200.0 * unit, middle_y - 46.0 * unit),
            radius: 140.0 * unit,
            text: panel.left + 410.0 * unit,
            lines: (panel.top + 190.0 * unit, 52.0 * unit),
            size: 1.5 * unit,
            bar: Area::new(
                panel.left,
                panel.bottom + 56.0 * unit,
                1000.0 * unit,
                26.0 * unit,
            ),
        }
    }
}

/// Evening sky, brighter towards the horizon, with a faint grid that shows scaling.
///
/// All its colours are mixed beforehand, since a window that is being resized needs a new sky
/// for each size.
pub(super) fn draw_sky(canvas: &mut Canvas) {
    /// Steps from night to dusk, and from no glow to the brightest.
    const STEPS: usize = 256;
    let part = |step: usize| (centre(step) - 0.5) / (centre(STEPS) - 1.5);
    let colours: Vec<Rgb> = (0..STEPS * STEPS)
        .map(|number| {
            let sky = between(NIGHT, DUSK, part(number / STEPS));
            between(sky, GLOW, part(number % STEPS) * 0.8)
        })
        .collect();
    let step = |share: f32| index(share.clamp(0.0, 1.0) * (centre(STEPS) - 1.5));

    let (width, height) = (canvas.width(), canvas.height());
    let columns: Vec<(f32, f32)> = (0..width)
        .map(|x| {
            let across = centre(x) / centre(width);
            (across * 0.25 - 0.15, hill((across - 0.78) / 0.75))
        })
        .collect();
    for y in 0..height {
        let down = centre(y) / centre(height);
        let glow = hill((down - 1.12) / 0.62);
        for (x, (sky, column)) in columns.iter().enumerate() {
            let number = step(down * 1.1 + sky) * STEPS + step(column * glow);
            if let Some(&colour) = colours.get(number) {
                canvas.set(x, y, colour);
            }
        }
        if y % 40 == 20 {
            for x in (20..width).step_by(40) {
                canvas.mix(x, y, PAPER, 0.3);
            }
        }
    }
}

/// 1 at 0, falling to 0 at -1 and 1.
fn hill(place: f32) -> f32 {
    let rise = (1.0 - place * place).max(0.0);
    rise * rise
}

pub(super) fn draw_panel(canvas: &mut Canvas, layout: &Layout, letters: &mut Letters) {
    let Layout {
        unit,
        panel,
        text,
        lines: (top, step),
        size,
        ..
    } = *layout;
    let reach = 26.0 * unit.max(0.1);
    let shadow = Area {
        left: panel.left - reach,
        top: panel.top - reach + 10.0 * unit,
        right: panel.right + reach,
        bottom: panel.bottom + reach + 10.0 * unit,
    };
    canvas.shape(shadow, [4, 5, 16], 0.4, |x, y| {
        shadow.distance(x, y, 28.0 * unit + reach) / (2.0 * reach) + 0.5
    });
    canvas.panel(panel, 28.0 * unit, PANEL, 0.86);
    canvas.frame(panel, 28.0 * unit, 1.5 * unit.max(0.67), [86, 82, 128]);
    draw_dormer(canvas, (text + 34.0 * unit, panel.top + 68.0 * unit), unit);
    let title = (text + 92.0 * unit, panel.top + 36.0 * unit);
    letters.draw(canvas, "Lucarne", title, 3.2 * unit, PAPER);
    for (line, label) in (0..4u8).zip(["Frame", "Mode", "Path", "Pointer"]) {
        let at = (text, top + f32::from(line) * step);
        letters.draw(canvas, label, at, size, FAINT);
    }
}

/// The sign of the house: a lit dormer window in a roof.
pub(super) fn draw_dormer(canvas: &mut Canvas, (x, y): (f32, f32), unit: f32) {
    let u = unit;
    let wall = Area::new(x - 22.0 * u, y - 14.0 * u, 44.0 * u, 44.0 * u);
    canvas.panel(wall, 3.0 * u, [70, 66, 110], 1.0);
    let ridge = (x, y - 32.0 * u);
    for side in [-1.0, 1.0] {
        let eave = (x + side * 34.0 * u, y - 8.0 * u);
        canvas.line(ridge, eave, 7.0 * u, GLOW);
    }
    let pane = Area::new(x - 14.0 * u, y - 6.0 * u, 28.0 * u, 30.0 * u);
    canvas.panel(pane, 4.0 * u, AMBER, 1.0);
    canvas.line((x, pane.top), (x, pane.bottom), 2.5 * u, [70, 66, 110]);
    let middle = y + 9.0 * u;
    canvas.line(
        (pane.left, middle),
        (pane.right, middle),
        2.5 * u,
        [70, 66, 110],
    );
}

pub(super) fn draw_dial(canvas: &mut Canvas, layout: &Layout) {
    let Layout {
        unit,
        clock: (x, y),
        radius,
        ..
    } = *layout;
    canvas.disc((x, y), radius, [10, 12, 30], 0.8);
    canvas.ring((x, y), radius, 3.0 * unit, [120, 112, 170]);
    for tick in 0..60u8 {
        let angle = TAU * f32::from(tick) / 60.0;
        let hour = tick % 5 == 0;
        let (inner, thick) = if hour { (0.86, 3.5) } else { (0.91, 1.5) };
        let at = |share: f32| {
            (
                x + angle.sin() * radius * share,
                y - angle.cos() * radius * share,
            )
        };
        let colour = if hour { PAPER } else { FAINT };
        canvas.line(at(inner), at(0.94), thick * unit, colour);
    }
}

/// What the bar moves in.
pub(super) fn draw_trough(canvas: &mut Canvas, layout: &Layout) {
    canvas.panel(layout.bar, 13.0 * layout.unit, PANEL, 0.75);
}

/// Colours in whole pixels: what a screenshot must show exactly.
pub(super) fn draw_strip(canvas: &mut Canvas, layout: &Layout) {
    let Layout { unit, panel, .. } = *layout;
    let height = index(22.0 * unit).max(2);
    let width = index(60.0 * unit).max(2);
    let (left, top) = (index(panel.left), index(panel.bottom + 106.0 * unit));
    for (number, colour) in STRIP.into_iter().enumerate() {
        let from = left + number * width;
        canvas.fill((from, top), (from + width, top + height), colour);
    }
    let ramp = left + STRIP.len() * width + width / 3;
    let steps = index(panel.right).saturating_sub(ramp);
    for step in 0..steps {
        let grey = between([0; 3], WHITE, centre(step) / centre(steps));
        canvas.fill((ramp + step, top), (ramp + step + 1, top + height), grey);
    }
}

/// The outermost pixels: white, corners in colour.
pub(super) fn draw_border(canvas: &mut Canvas) {
    let (width, height) = (canvas.width(), canvas.height());
    let (right, bottom) = (width.saturating_sub(1), height.saturating_sub(1));
    for x in 0..width {
        canvas.set(x, 0, WHITE);
        canvas.set(x, bottom, WHITE);
    }
    for y in 0..height {
        canvas.set(0, y, WHITE);
        canvas.set(right, y, WHITE);
    }
    canvas.set(0, 0, [255, 0, 0]);
    canvas.set(right, 0, [0, 255, 0]);
    canvas.set(0, bottom, [0, 0, 255]);
    canvas.set(right, bottom, [255, 255, 0]);
}
