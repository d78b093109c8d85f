//! What the user does with a window's borders.

use wayland_client::protocol::wl_seat::WlSeat;
use wayland_protocols::{
    wp::cursor_shape::v1::client::wp_cursor_shape_device_v1::Shape,
    xdg::shell::client::xdg_toplevel::ResizeEdge,
};

use super::{
    Edge, Part,
    title::{self, Button, TitleBar},
};
use crate::display::{
    DisplayEvent, ScanoutId,
    wayland::{State, window::Window},
};

/// Left and right buttons of a mouse, as `input-event-codes.h` of Linux numbers them.
const BTN_LEFT: u32 = 0x110;
const BTN_RIGHT: u32 = 0x111;

/// Two clicks within so many milliseconds are one double click.
const DOUBLE_CLICK: u32 = 400;

/// How far from its end a side counts as a corner, in logical pixels.
const CORNER: f64 = 16.0;

/// What a pointer or a finger does on a decoration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Hand {
    /// It came there or moved, to a place in the surface's own coordinates.
    At {
        /// From the left edge.
        x: f64,
        /// From the top edge.
        y: f64,
    },
    /// A button went down (`BTN_*`); a finger is `BTN_LEFT`.
    Pressed {
        /// Which one.
        button: u32,
        /// The serial number of the host's event.
        serial: u32,
        /// When, in milliseconds of the host's clock for input.
        time: u32,
    },
    /// It is up again.
    Released {
        /// Which one.
        button: u32,
    },
    /// It is there no more.
    Away,
}

/// Where the user's hand is, of one window.
#[derive(Debug, Default)]
pub(super) struct Hands {
    at: (f64, f64),
    hovered: Option<Button>,
    /// The button of the title bar that was pressed and is not up again.
    pressed: Option<Button>,
    /// When the title bar itself was clicked on last.
    clicked: Option<u32>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Nothing,
    Move { serial: u32 },
    Resize { serial: u32, edge: Edge },
    Menu { serial: u32 },
    ToggleMaximized,
    Do(Button),
}

impl Hands {
    /// The button of the title bar that a hand is over.
    pub(super) fn hovered(&self) -> Option<Button> {
        self.hovered
    }

    /// Takes in what a hand did on a part. `button` is that of the title bar at this place, and
    /// `edge` what there is to resize.
    fn take_in(
        &mut self,
        part: Part,
        hand: Hand,
        button: Option<Button>,
        edge: Option<Edge>,
    ) -> Then {
        match hand {
            Hand::At { x, y } => {
                self.at = (x, y);
                self.hovered = button;
                Then::Nothing
            }
            Hand::Away => {
                self.hovered = None;
                self.pressed = None;
                Then::Nothing
            }
            Hand::Pressed {
                button: BTN_LEFT,
                serial,
                time,
            } => match (part, edge) {
                (Part::Title, _) => self.press(serial, time),
                (Part::Edge(_), Some(edge)) => Then::Resize { serial, edge },
                _ => Then::Nothing,
            },
            Hand::Pressed {
                button: BTN_RIGHT,
                serial,
                ..
            } if part == Part::Title => Then::Menu { serial },
            Hand::Released { button: BTN_LEFT } => match self.pressed.take() {
                Some(pressed) if self.hovered == Some(pressed) => Then::Do(pressed),
                _ => Then::Nothing,
            },
            Hand::Pressed { .. } | Hand::Released { .. } => Then::Nothing,
        }
    }

    fn press(&mut self, serial: u32, time: u32) -> Then {
        self.pressed = self.hovered;
        if self.pressed.is_some() {
            return Then::Nothing;
        }
        // The clock starts anew every seven weeks.
        let before = self.clicked.replace(time);
        if before.is_some_and(|before| time.wrapping_sub(before) <= DOUBLE_CLICK) {
            self.clicked = None;
            return Then::ToggleMaximized;
        }
        Then::Move { serial }
    }
}

impl Edge {
    /// What is resized by a place on this edge, which is so long.
    fn at(self, (x, y): (f64, f64), (width, height): (u32, u32)) -> Self {
        let first = |at: f64| at < CORNER;
        let last = |at: f64, length: u32| at >= f64::from(length) - CORNER;
        match self {
            Self::Top if first(x) => Self::TopLeft,
            Self::Top if last(x, width) => Self::TopRight,
            Self::Bottom if first(x) => Self::BottomLeft,
            Self::Bottom if last(x, width) => Self::BottomRight,
            Self::Left if first(y) => Self::TopLeft,
            Self::Left if last(y, height) => Self::BottomLeft,
            Self::Right if first(y) => Self::TopRight,
            Self::Right if last(y, height) => Self::BottomRight,
            other => other,
        }
    }

    fn shape(self) -> Shape {
        match self {
            Self::Top => Shape::NResize,
            Self::Bottom => Shape::SResize,
            Self::Left => Shape::WResize,
            Self::Right => Shape::EResize,
            Self::TopLeft => Shape::NwResize,
            Self::TopRight => Shape::NeResize,
            Self::BottomLeft => Shape::SwResize,
            Self::BottomRight => Shape::SeResize,
        }
    }

    fn to_host(self) -> ResizeEdge {
        match self {
            Self::Top => ResizeEdge::Top,
            Self::Bottom => ResizeEdge::Bottom,
            Self::Left => ResizeEdge::Left,
            Self::Right => ResizeEdge::Right,
            Self::TopLeft => ResizeEdge::TopLeft,
            Self::TopRight => ResizeEdge::TopRight,
            Self::BottomLeft => ResizeEdge::BottomLeft,
            Self::BottomRight => ResizeEdge::BottomRight,
        }
    }
}

impl State {
    /// A hand did something on a decoration. Returns the shape that the pointer has there.
    pub(in super::super) fn on_decoration(
        &mut self,
        scanout: ScanoutId,
        part: Part,
        hand: Hand,
        seat: &WlSeat,
    ) -> Shape {
        let Some(window) = self.window(scanout) else {
            return Shape::Default;
        };
        let at = match hand {
            Hand::At { x, y } => (x, y),
            _ => window.decoration.hands.at,
        };
        let (button, edge) = (window.button_at(part, at), window.edge_at(part, at));
        let hands = &mut window.decoration.hands;
        let before = hands.hovered;
        let then = hands.take_in(part, hand, button, edge);
        let hovers_other = hands.hovered != before;
        window.follow(then, seat);
        if then == Then::Do(Button::Close) {
            self.events.push_back(DisplayEvent::CloseRequested(scanout));
        }
        if hovers_other {
            self.redress(scanout);
        }
        edge.map_or(Shape::Default, Edge::shape)
    }
}

impl Window {
    fn button_at(&self, part: Part, (x, _): (f64, f64)) -> Option<Button> {
        let title = self.decoration.title.as_ref();
        let place = title.filter(|_| part == Part::Title)?.place()?;
        title::button_at(self.abilities, place.width, x)
    }

    fn edge_at(&self, part: Part, at: (f64, f64)) -> Option<Edge> {
        let Part::Edge(edge) = part else { return None };
        let place = self.decoration.pieces.get(&part)?.place()?;
        Some(edge.at(at, (place.width, place.height)))
    }

    fn follow(&mut self, then: Then, seat: &WlSeat) {
        let toplevel = &self.role.toplevel;
        match then {
            Then::Nothing | Then::Do(Button::Close) => {}
            Then::Move { serial } => toplevel._move(seat, serial),
            Then::Resize { serial, edge } => toplevel.resize(seat, serial, edge.to_host()),
            Then::Menu { serial } => self.show_menu(serial, seat),
            Then::ToggleMaximized if !self.abilities.maximize => {}
            Then::ToggleMaximized | Then::Do(Button::Maximize) => match self.condition.maximized {
                true => toplevel.unset_maximized(),
                false => toplevel.set_maximized(),
            },
            Then::Do(Button::Minimize) => toplevel.set_minimized(),
        }
    }

    /// Opens the host's menu for windows at the hand.
    fn show_menu(&self, serial: u32, seat: &WlSeat) {
        let title = self.decoration.title.as_ref();
        let place = title.and_then(TitleBar::place);
        let Some(place) = place.filter(|_| self.abilities.menu) else {
            return;
        };
        let (x, y) = self.decoration.hands.at;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let (x, y) = (x as i32, y as i32);
        let (x, y) = (place.x.saturating_add(x), place.y.saturating_add(y));
        self.role.toplevel.show_window_menu(seat, serial, x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Hand = Hand::At { x: 5.0, y: 5.0 };
    const UP: Hand = Hand::Released { button: BTN_LEFT };

    fn press(time: u32) -> Hand {
        Hand::Pressed {
            button: BTN_LEFT,
            serial: 7,
            time,
        }
    }

    fn on_title(hands: &mut Hands, hand: Hand, button: Option<Button>) -> Then {
        hands.take_in(Part::Title, hand, button, None)
    }

    #[test]
    fn bar_moves_the_window_and_a_double_click_makes_it_large() {
        let mut hands = Hands::default();
        on_title(&mut hands, AT, None);
        assert_eq!(
            on_title(&mut hands, press(1000), None),
            Then::Move { serial: 7 }
        );
        assert_eq!(
            on_title(&mut hands, press(1300), None),
            Then::ToggleMaximized
        );
        assert_eq!(
            on_title(&mut hands, press(1500), None),
            Then::Move { serial: 7 },
            "three clicks are not two double clicks"
        );
        assert_eq!(
            on_title(&mut hands, press(2000), None),
            Then::Move { serial: 7 }
        );
        let mut late = Hands::default();
        on_title(&mut late, press(u32::MAX - 10), None);
        assert_eq!(on_title(&mut late, press(10), None), Then::ToggleMaximized);
    }

    #[test]
    fn button_acts_when_it_is_let_go_where_it_was_pressed() {
        let close = Some(Button::Close);
        let mut hands = Hands::default();
        on_title(&mut hands, AT, close);
        assert_eq!(on_title(&mut hands, press(0), close), Then::Nothing);
        assert_eq!(on_title(&mut hands, UP, close), Then::Do(Button::Close));
        assert_eq!(on_title(&mut hands, UP, close), Then::Nothing);

        on_title(&mut hands, press(0), close);
        on_title(&mut hands, AT, None);
        assert_eq!(on_title(&mut hands, UP, None), Then::Nothing);

        on_title(&mut hands, AT, close);
        on_title(&mut hands, press(0), close);
        on_title(&mut hands, Hand::Away, None);
        assert_eq!(hands.hovered(), None);
        assert_eq!(on_title(&mut hands, UP, None), Then::Nothing);
    }

    #[test]
    fn right_button_opens_a_menu_on_the_title_only() {
        let right = Hand::Pressed {
            button: BTN_RIGHT,
            serial: 9,
            time: 0,
        };
        let mut hands = Hands::default();
        assert_eq!(on_title(&mut hands, right, None), Then::Menu { serial: 9 });
        let bar = Part::Bar(super::super::Side::Left);
        assert_eq!(hands.take_in(bar, right, None, None), Then::Nothing);
        assert_eq!(hands.take_in(bar, press(0), None, None), Then::Nothing);
    }

    #[test]
    fn sides_are_corners_near_their_ends() {
        let size = (200, 10);
        assert_eq!(Edge::Top.at((3.0, 5.0), size), Edge::TopLeft);
        assert_eq!(Edge::Top.at((100.0, 5.0), size), Edge::Top);
        assert_eq!(Edge::Top.at((199.0, 5.0), size), Edge::TopRight);
        assert_eq!(Edge::Right.at((3.0, 195.0), (10, 200)), Edge::BottomRight);
        assert_eq!(Edge::BottomLeft.at((0.0, 0.0), (10, 10)), Edge::BottomLeft);
        let mut hands = Hands::default();
        let edge = Part::Edge(Edge::Top);
        let then = hands.take_in(edge, press(0), None, Some(Edge::TopLeft));
        assert_eq!(
            then,
            Then::Resize {
                serial: 7,
                edge: Edge::TopLeft
            }
        );
    }
}
