//! What the window looks like in a list of windows: a house whose window is lit.

/// Pixels on a side.
pub(super) const SIDE: u32 = 64;

const ROOF: [u8; 4] = [0xd9, 0x75, 0x5c, 0xff];
const WALL: [u8; 4] = [0x45, 0x41, 0x74, 0xff];
const LIGHT: [u8; 4] = [0xff, 0xc1, 0x5a, 0xff];
const NOTHING: [u8; 4] = [0; 4];

/// Its pixels, row by row: red, green, blue, alpha.
pub(super) fn pixels() -> Vec<u8> {
    let pixel = |index: u32| colour(index % SIDE, index / SIDE);
    (0..SIDE * SIDE).flat_map(pixel).collect()
}

fn colour(x: u32, y: u32) -> [u8; 4] {
    // From the middle, in half pixels: it lies between two of them.
    let aside = (2 * x + 1).abs_diff(SIDE);
    // The roof falls by three pixels for every four to the side.
    let eaves = 6 + aside * 3 / 8;
    if aside <= 60 && (eaves..eaves + 9).contains(&y) {
        return ROOF;
    }
    let is_wall = aside <= 38 && (eaves..60).contains(&y);
    // Four panes, with the wall's colour between them.
    let is_pane = (3..=25).contains(&aside) && (30..=53).contains(&y) && y.abs_diff(41) > 1;
    match (is_wall, is_pane) {
        (true, true) => LIGHT,
        (true, false) => WALL,
        (false, _) => NOTHING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_icon_is_a_house_with_a_lit_window() {
        assert_eq!(pixels().len(), (SIDE * SIDE * 4) as usize);
        let middle = SIDE / 2;
        for (x, y, expected) in [
            (0, 0, NOTHING),
            (middle, 8, ROOF),
            (middle - 6, 36, LIGHT),
            (middle + 6, 48, LIGHT),
            (middle, 41, WALL),
            (middle, SIDE - 6, WALL),
            (middle, SIDE - 1, NOTHING),
        ] {
            assert_eq!(colour(x, y), expected, "{x},{y}");
        }
    }
}
