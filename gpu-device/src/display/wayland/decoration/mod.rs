//! What a window has around its picture where the host draws nothing there: a title bar, edges to
//! resize it by with a shadow on them, and bars beside a picture that does not fill it.
//!
//! | room | owns |
//! |------|------|
//! | `pieces` | sub-surfaces and where they are |
//! | `shades` | the few pixels that shadows and bars are made of |
//! | `title` | what a title bar looks like, and what is where in it |
//! | `paint` | pixels and letters |
//! | `hands` | what the user does with all of it |
//!
//! It is drawn here and by no toolkit: those look for fonts and settings with other programs, and a
//! process that faces a hostile guest had best start none. The guest knows nothing of all this:
//! `seat` asks [`State::surface_role`] whose a surface is, and brings what happens on a decoration
//! to `hands`.
//!
//! Everything is sub-surfaces of the picture's surface, in the synchronised mode: it changes with
//! the picture's commits and never apart from it. The picture stays the window's own surface, so
//! that hosts can put it on a plane and lock pointers in it.

mod hands;
mod paint;
mod pieces;
mod shades;
mod title;

use std::collections::BTreeMap;

use wayland_client::{Proxy as _, protocol::wl_surface::WlSurface};

pub(super) use self::{hands::Hand, shades::Shades, title::HEIGHT as TITLE_HEIGHT};
use self::{
    hands::Hands,
    pieces::{Maker, Piece, Place},
    title::{Button, Look, TitleBar},
};
use super::{
    State,
    geometry::{Placed, Size},
    window::{Stage, Window, pixels},
};
use crate::display::ScanoutId;

/// Whose a surface of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SurfaceRole {
    /// A scanout's picture: what happens on it is the guest's.
    Scanout(ScanoutId),
    /// Something around the picture of a scanout.
    Decoration(ScanoutId, Part),
    /// A pointer's image, or a surface that is gone.
    Unknown,
}

/// A surface of a decoration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    /// The title bar.
    Title,
    /// An edge to resize the window by.
    Edge(Edge),
    /// Black, beside the picture.
    Bar(Side),
}

/// A side of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    Top,
    Bottom,
    Left,
    Right,
}

/// A side or a corner of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Edge {
    Top,
    Bottom,
    Left,
    Right,
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
}

/// What is around one window.
#[derive(Debug, Default)]
pub(super) struct Decoration {
    title: Option<TitleBar>,
    /// Edges and bars.
    pieces: BTreeMap<Part, Piece>,
    dressed: Option<Dress>,
    hands: Hands,
}

/// How a decoration is to be.
#[derive(Debug, Clone, PartialEq)]
struct Dress {
    picture: Placed,
    window: Size,
    title: Option<Look>,
    edges: bool,
}

impl Dress {
    /// The height of the title bar.
    fn title_height(&self) -> u32 {
        self.title.as_ref().map_or(0, |_| TITLE_HEIGHT)
    }

    /// Everything but the title bar, with its place from the picture's corner.
    fn pieces(&self) -> Vec<(Part, Place)> {
        let Self {
            picture, window, ..
        } = self;
        let rest = |all: u32, before: u32, size: u32| all.saturating_sub(before + size);
        let bars = [
            (Side::Top, 0, 0, window.width, picture.y),
            (
                Side::Bottom,
                0,
                picture.y + picture.size.height,
                window.width,
                rest(window.height, picture.y, picture.size.height),
            ),
            (Side::Left, 0, picture.y, picture.x, picture.size.height),
            (
                Side::Right,
                picture.x + picture.size.width,
                picture.y,
                rest(window.width, picture.x, picture.size.width),
                picture.size.height,
            ),
        ];
        let bars = bars.map(|(side, x, y, width, height)| {
            let place = Place {
                x: pixels(x) - pixels(picture.x),
                y: pixels(y) - pixels(picture.y),
                width,
                height,
            };
            (Part::Bar(side), place)
        });
        let edges = if self.edges {
            edges(self.outline())
        } else {
            Vec::new()
        };
        let all = bars.into_iter().chain(edges);
        all.filter(|(_, place)| place.width > 0 && place.height > 0)
            .collect()
    }

    /// The whole window, from the picture's corner.
    fn outline(&self) -> Place {
        Place {
            x: -pixels(self.picture.x),
            y: -pixels(self.picture.y.saturating_add(self.title_height())),
            width: self.window.width,
            height: self.window.height.saturating_add(self.title_height()),
        }
    }
}

/// Outside of a window, all around.
fn edges(window: Place) -> Vec<(Part, Place)> {
    const WIDE: u32 = shades::REACH;
    let (left, top) = (window.x - pixels(WIDE), window.y - pixels(WIDE));
    let right = window.x.saturating_add_unsigned(window.width);
    let bottom = window.y.saturating_add_unsigned(window.height);
    let (width, height) = (window.width, window.height);
    [
        (Edge::Top, window.x, top, width, WIDE),
        (Edge::Bottom, window.x, bottom, width, WIDE),
        (Edge::Left, left, window.y, WIDE, height),
        (Edge::Right, right, window.y, WIDE, height),
        (Edge::TopLeft, left, top, WIDE, WIDE),
        (Edge::TopRight, right, top, WIDE, WIDE),
        (Edge::BottomLeft, left, bottom, WIDE, WIDE),
        (Edge::BottomRight, right, bottom, WIDE, WIDE),
    ]
    .map(|(edge, x, y, width, height)| {
        let place = Place {
            x,
            y,
            width,
            height,
        };
        (Part::Edge(edge), place)
    })
    .into()
}

impl Decoration {
    /// Whose part a surface is.
    fn part(&self, surface: &WlSurface) -> Option<Part> {
        if self.title.as_ref().is_some_and(|title| title.is(surface)) {
            return Some(Part::Title);
        }
        let mut pieces = self.pieces.iter();
        let found = pieces.find(|(_, piece)| piece.is(surface));
        found.map(|(part, _)| *part)
    }

    /// Brings everything to where it should be, for the picture's next commit. Returns whether
    /// anything changed.
    fn put_on(&mut self, dress: Dress, maker: &Maker<'_>, shades: &mut Shades) -> bool {
        if self.dressed.as_ref() == Some(&dress) {
            return false;
        }
        let outline = dress.outline();
        match &dress.title {
            None => self.title = None,
            Some(look) => {
                let title = self.title.get_or_insert_with(|| TitleBar::new(maker));
                title.show(look, outline, maker);
            }
        }
        // Without a viewport a shade can't be made as large as its place.
        let wanted = match maker.globals.viewporter {
            Some(_) => dress.pieces(),
            None => Vec::new(),
        };
        self.pieces
            .retain(|part, _| wanted.iter().any(|(wanted, _)| wanted == part));
        for (part, place) in wanted {
            let piece = self.pieces.entry(part).or_insert_with(|| Piece::new(maker));
            if piece.place() != Some(place)
                && let Some(shade) = shades.of(part, maker)
            {
                piece.show(shade, place);
            }
        }
        self.dressed = Some(dress);
        true
    }
}

impl Window {
    fn dress(&self, title: String, hovered: Option<Button>) -> Dress {
        let condition = self.condition;
        Dress {
            picture: self.geometry.picture(),
            window: self.geometry.window(),
            title: self.has_title().then_some(Look {
                text: title,
                condition,
                abilities: self.abilities,
                hovered,
                scale: self.host_scale,
            }),
            edges: self.has_title() && !condition.maximized && !condition.tiled,
        }
    }
}

impl State {
    /// Whose a surface is.
    pub(super) fn surface_role(&self, surface: &WlSurface) -> SurfaceRole {
        if !surface.is_alive() {
            return SurfaceRole::Unknown;
        }
        let windows = self.scanouts.iter();
        let mut windows = windows.filter_map(|(id, record)| Some((*id, record.window.as_ref()?)));
        let role = windows.find_map(|(id, window)| {
            if window.surface == *surface {
                return Some(SurfaceRole::Scanout(id));
            }
            let part = window.decoration.part(surface)?;
            Some(SurfaceRole::Decoration(id, part))
        });
        role.unwrap_or(SurfaceRole::Unknown)
    }

    /// Brings a window that has a picture to where it should be, with its next commit.
    pub(super) fn redress(&mut self, scanout: ScanoutId) {
        let window = self.window(scanout);
        if window.is_some_and(|window| window.stage == Stage::Mapped) {
            self.dress(scanout);
        }
    }

    /// Brings a window's size, its picture's place and what is around it to where they should be,
    /// for its next commit. Returns whether anything about the picture changed.
    pub(super) fn dress(&mut self, scanout: ScanoutId) -> bool {
        let title = self.titles.of(scanout, &self.preferences.release);
        let Some(record) = self.scanouts.get_mut(&scanout) else {
            return false;
        };
        let Some(window) = record.window.as_mut() else {
            return false;
        };
        let (globals, handle) = (&self.globals, &self.handle);
        let changed = window.apply_view(globals, handle);
        let dress = window.dress(title, window.decoration.hands.hovered());
        let maker = Maker {
            scanout,
            parent: &window.surface,
            globals,
            handle,
            font: self.preferences.font,
        };
        let dressed = window.decoration.put_on(dress, &maker, &mut self.shades);
        window.dirty |= changed || dressed;
        // Our own compositor scales the pointer as it scales the picture.
        if changed && record.link.is_none() {
            record.pointer.place_again();
        }
        changed
    }

    /// The guest of this scanout's window holds the user's hands, or none does: titles say how to
    /// get them back.
    pub(super) fn show_grab(&mut self, scanout: Option<ScanoutId>) {
        for changed in self.titles.set_grabbed(scanout) {
            self.retitle(changed);
        }
    }
}
