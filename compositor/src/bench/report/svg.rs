//! Drawings of points and lines: axes, their marks, and a legend.
//!
//! Colours are those of the page, by class (`s0` to `s5`), so that a drawing is light or dark with it, and
//! lines also differ in their marks, for those who don't tell the colours apart.

use maud::{Markup, html};

/// A drawing.
pub(super) struct Plot {
    /// For a caption; in the drawing only those have it who listen to it.
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
}

/// A direction of a [`Plot`].
pub(super) struct Axis {
    /// With its unit.
    pub(super) label: String,
    pub(super) scale: Scale,
    /// Values with a word, instead of round numbers.
    pub(super) marks: Vec<(f64, String)>,
    /// Always within the range.
    pub(super) includes: Vec<f64>,
}

/// How values become places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// Values that are not positive are left out.
    Logarithmic,
}

/// What is drawn of one subject.
pub(super) struct Line {
    pub(super) name: String,
    /// Its colour and mark, from 0.
    pub(super) style: usize,
    pub(super) form: Form,
    pub(super) points: Vec<(f64, f64)>,
}

/// How points are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line through all of them.
    Curve,
    /// A line, and a mark on each.
    Marked,
    /// A dot for each.
    Dots,
}

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 52.0;

/// Colours that the page has.
pub(super) const STYLES: usize = 6;

/// About the width of a character.
const CHARACTER: f64 = 7.2;

impl Plot {
    /// The drawing, for a page; `None` if it would be empty.
    pub(super) fn draw(&self) -> Option<Markup> {
        let values = |pick: fn(&(f64, f64)) -> f64| {
            let points = self.lines.iter().flat_map(|line| &line.points);
            points.map(pick).collect::<Vec<f64>>()
        };
        let x = Range::new(&self.x, &values(|p| p.0), (LEFT, WIDTH - RIGHT))?;
        let y = Range::new(&self.y, &values(|p| p.1), (HEIGHT - BOTTOM, TOP))?;
        Some(html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" {
                title { (self.title) }
                (self.legend())
                (across(&y))
                (along(&x))
                text class="axis" x=(place((LEFT + WIDTH - RIGHT) / 2.0)) y=(place(HEIGHT - 8.0)) text-anchor="middle" { (self.x.label) }
                text class="axis" text-anchor="middle"
                    transform={ "translate(14 " (place((TOP + HEIGHT - BOTTOM) / 2.0)) ") rotate(-90)" } { (self.y.label) }
                @for line in &self.lines { (line.draw(&x, &y)) }
            }
        })
    }

    fn legend(&self) -> Markup {
        let mut next = LEFT;
        let places = self.lines.iter().map(|line| {
            let place = next;
            next += 48.0 + CHARACTER * line.name.chars().count() as f64;
            (line, place)
        });
        html! {
            @for (line, x) in places {
                g class={ "s" (line.style % STYLES) } {
                    @if line.form != Form::Dots {
                        path class="line" d={ "M" (place(x)) " 14h22" } {}
                    }
                    @if line.form != Form::Curve {
                        path class="mark" d=(mark(line.style, x + 11.0, 14.0)) {}
                    }
                }
                text x=(place(x + 28.0)) y="18" { (line.name) }
            }
        }
    }
}

/// The marks of the vertical axis, with a line across for each.
fn across(y: &Range) -> Markup {
    html! {
        @for (value, text) in &y.marks {
            @let at = place(y.place(*value));
            path class="grid" d={ "M" (LEFT) " " (at) "H" (WIDTH - RIGHT) } {}
            text x=(LEFT - 8.0) y=(at) dy="0.35em" text-anchor="end" { (text) }
        }
    }
}

/// The marks of the horizontal axis.
fn along(x: &Range) -> Markup {
    html! {
        path class="base" d={ "M" (LEFT) " " (HEIGHT - BOTTOM) "H" (WIDTH - RIGHT) } {}
        @for (value, text) in &x.marks {
            @let at = place(x.place(*value));
            path class="base" d={ "M" (at) " " (HEIGHT - BOTTOM) "v5" } {}
            text x=(at) y=(HEIGHT - BOTTOM + 19.0) text-anchor="middle" { (text) }
        }
    }
}

impl Line {
    fn draw(&self, x: &Range, y: &Range) -> Markup {
        let places: Vec<(f64, f64)> = self
            .points
            .iter()
            .filter(|point| x.has(point.0) && y.has(point.1))
            .map(|point| (x.place(point.0), y.place(point.1)))
            .collect();
        let line: String = places
            .iter()
            .enumerate()
            .map(|(index, (x, y))| {
                let command = if index == 0 { 'M' } else { 'L' };
                format!("{command}{} {}", place(*x), place(*y))
            })
            .collect();
        let dots = dots(&places);
        let marks: String = places
            .iter()
            .map(|(x, y)| mark(self.style, *x, *y))
            .collect();
        html! {
            g class={ "s" (self.style % STYLES) } {
                @match self.form {
                    Form::Curve => path class="line" d=(line) {},
                    Form::Dots => path class="dots" d=(dots) {},
                    Form::Marked => {
                        path class="line" d=(line) {}
                        path class="mark" d=(marks) {}
                    }
                }
            }
        }
    }
}

/// A dot at each place, from one to the next in whole steps: there are many, and a reader sees no less.
fn dots(places: &[(f64, f64)]) -> String {
    let (mut text, mut last) = (String::new(), (0.0, 0.0));
    for (x, y) in places {
        let (x, y) = (x.round(), y.round());
        text.push_str(&format!("m{} {}h0", x - last.0, y - last.1));
        last = (x, y);
    }
    text
}

/// The outline of a line's mark around a place.
fn mark(style: usize, x: f64, y: f64) -> String {
    let (x, y) = (place(x), place(y));
    let outline = match style % STYLES {
        0 => "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        1 => "m-3.5 -3.5h7v7h-7z",
        2 => "m0 -5l4.6 8h-9.2z",
        3 => "m0 -5l5 5l-5 5l-5 -5z",
        4 => "m0 5l4.6 -8h-9.2z",
        _ => "m-4 -1.5h2.5v-2.5h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5z",
    };
    format!("M{x} {y}{outline}")
}

/// A place in the drawing, as exact as an eye is.
fn place(place: f64) -> String {
    let text = format!("{place:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// From where to where an axis goes, and its marks.
struct Range {
    scale: Scale,
    values: (f64, f64),
    places: (f64, f64),
    marks: Vec<(f64, String)>,
}

impl Range {
    /// `None` if no value can be shown.
    fn new(axis: &Axis, values: &[f64], places: (f64, f64)) -> Option<Self> {
        let shown = values
            .iter()
            .chain(&axis.includes)
            .copied()
            .filter(|value| can_show(axis.scale, *value));
        let low = shown.clone().min_by(f64::total_cmp)?;
        let high = shown.max_by(f64::total_cmp)?;
        let (low, high) = match axis.scale {
            Scale::Linear if low == high => (low - 1.0, high + 1.0),
            Scale::Linear => (low, high),
            // A little more, so that nothing stands on the rim.
            Scale::Logarithmic => (low / 1.15, high * 1.15),
        };
        let mut range = Self {
            scale: axis.scale,
            values: (low, high),
            places,
            marks: axis.marks.clone(),
        };
        if range.marks.is_empty() {
            range.marks = match axis.scale {
                Scale::Linear => round_marks(low, high),
                Scale::Logarithmic => decades(low, high),
            };
        }
        if axis.scale == Scale::Linear && axis.marks.is_empty() {
            // Up to a mark, so that the highest value has one above it.
            let step = step(low, high);
            range.values.1 = (high / step - 1e-9).ceil() * step;
            range.marks = round_marks(low, range.values.1);
        }
        Some(range)
    }

    fn has(&self, value: f64) -> bool {
        can_show(self.scale, value)
    }

    fn place(&self, value: f64) -> f64 {
        let on_scale = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.ln(),
        };
        let (low, high) = (on_scale(self.values.0), on_scale(self.values.1));
        let part = (on_scale(value) - low) / (high - low);
        self.places.0 + part * (self.places.1 - self.places.0)
    }
}

fn can_show(scale: Scale, value: f64) -> bool {
    value.is_finite() && (scale == Scale::Linear || value > 0.0)
}

/// 1, 2 or 5 of a power of ten, so that there are about five marks.
fn step(low: f64, high: f64) -> f64 {
    let rough = (high - low) / 5.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps.iter().find(|step| **step * power >= rough);
    step.unwrap_or(&10.0) * power
}

fn round_marks(low: f64, high: f64) -> Vec<(f64, String)> {
    let step = step(low, high);
    let first = (low / step - 1e-9).ceil();
    (0..20)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|value| *value <= high + step * 1e-6)
        .map(|value| (value, number(value)))
        .collect()
}

/// Powers of ten, and 2 and 5 of each where there are few.
fn decades(low: f64, high: f64) -> Vec<(f64, String)> {
    let few = high / low < 1e3;
    let factors: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let mut marks = Vec::new();
    let mut power = 10.0_f64.powf(low.log10().floor());
    while power <= high && marks.len() < 40 {
        for factor in factors {
            let value = power * factor;
            if (low..=high).contains(&value) {
                marks.push((value, number(value)));
            }
        }
        power *= 10.0;
    }
    marks
}

/// A round number with thin spaces between thousands.
fn number(value: f64) -> String {
    let text = super::figure::digits(value);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits.to_owned()),
        None => ("", text),
    };
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) || digits.len() < 5 {
        return format!("{sign}{digits}");
    }
    let mut spaced = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            spaced.push('\u{2009}');
        }
        spaced.push(digit);
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(marks: &[(f64, String)]) -> Vec<&str> {
        marks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn marks_are_round_numbers() {
        assert_eq!(
            words(&round_marks(0.0, 100.0)),
            ["0", "20", "40", "60", "80", "100"]
        );
        assert_eq!(words(&round_marks(0.13, 0.47)), ["0.2", "0.3", "0.4"]);
        assert_eq!(
            words(&decades(90.0, 2_500.0)),
            ["100", "200", "500", "1000", "2000"]
        );
        assert_eq!(
            words(&decades(3.0, 60_000.0)),
            ["10", "100", "1000", "10\u{2009}000"]
        );
    }

    #[test]
    fn dots_lead_from_one_to_the_next() {
        let places = [(10.2, 20.0), (12.0, 15.4), (12.0, 15.4)];
        assert_eq!(dots(&places), "m10 20h0m2 -5h0m0 0h0");
    }

    #[test]
    fn a_range_goes_up_to_a_mark() {
        let axis = Axis {
            label: String::new(),
            scale: Scale::Linear,
            marks: Vec::new(),
            includes: vec![0.0],
        };
        let range = Range::new(&axis, &[3.0, 47.0], (200.0, 0.0)).unwrap();
        assert_eq!(range.values, (0.0, 50.0));
        assert_eq!((range.place(0.0), range.place(50.0)), (200.0, 0.0));
    }

    #[test]
    fn what_a_scale_cannot_show_is_left_out() {
        let axis = Axis {
            label: String::new(),
            scale: Scale::Logarithmic,
            marks: Vec::new(),
            includes: Vec::new(),
        };
        assert!(Range::new(&axis, &[0.0, f64::NAN, -1.0], (0.0, 1.0)).is_none());
        assert!(Range::new(&axis, &[0.0, 1.0], (0.0, 1.0)).is_some());
    }
}
