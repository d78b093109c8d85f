//! Which keys the kiosk keeps for itself: pure, by their meaning in the layout.

use smithay::input::keyboard::{Keysym, ModifiersState};

/// What a key of the kiosk's own does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Shows another virtual terminal, by its number from 1.
    SwitchVt(i32),
    /// Shows the next guest.
    NextGuest,
    /// Shows the guest before.
    PreviousGuest,
    /// Takes keyboard and pointer back from a window that keeps them, or gives them again.
    Release,
}

impl Action {
    /// Whether a window that asked for all keys is denied even this one: who is locked in needs a
    /// way out.
    #[must_use]
    pub fn is_never_given_away(self) -> bool {
        match self {
            Self::SwitchVt(_) | Self::Release => true,
            Self::NextGuest | Self::PreviousGuest => false,
        }
    }
}

/// What a key press does. `modified` is the key's symbol with the modifiers that are held, `raw`
/// without.
///
/// - Ctrl+Alt+F1 … F12: another terminal. Layouts turn them into symbols of their own; where one
///   does not, the keys themselves count.
/// - Super+Tab, Super+Shift+Tab: the next guest, the one before.
/// - Super+Escape: everything back from a window that keeps it.
#[must_use]
pub fn action(modifiers: &ModifiersState, modified: Keysym, raw: Option<Keysym>) -> Option<Action> {
    let number = |symbol: Keysym, first: Keysym| {
        let number = symbol.raw().checked_sub(first.raw())?;
        let number = i32::try_from(number).ok()? + 1;
        (1..=12).contains(&number).then_some(number)
    };
    if let Some(vt) = number(modified, Keysym::XF86_Switch_VT_1) {
        return Some(Action::SwitchVt(vt));
    }
    let raw = raw.unwrap_or(modified);
    if modifiers.ctrl
        && modifiers.alt
        && let Some(vt) = number(raw, Keysym::F1)
    {
        return Some(Action::SwitchVt(vt));
    }
    if !modifiers.logo || modifiers.ctrl || modifiers.alt {
        return None;
    }
    match raw {
        Keysym::Tab | Keysym::ISO_Left_Tab if modifiers.shift => Some(Action::PreviousGuest),
        Keysym::Tab | Keysym::ISO_Left_Tab => Some(Action::NextGuest),
        Keysym::Escape if !modifiers.shift => Some(Action::Release),
        _ => None,
    }
}

/// Whether a key is one of those that, held, keep the switcher up.
#[must_use]
pub fn is_super(symbol: Keysym) -> bool {
    matches!(symbol, Keysym::Super_L | Keysym::Super_R)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(names: &str) -> ModifiersState {
        ModifiersState {
            ctrl: names.contains("ctrl"),
            alt: names.contains("alt"),
            shift: names.contains("shift"),
            logo: names.contains("super"),
            ..ModifiersState::default()
        }
    }

    fn pressed(names: &str, symbol: Keysym) -> Option<Action> {
        action(&held(names), symbol, Some(symbol))
    }

    #[test]
    fn all_twelve_terminals_have_a_key() {
        for number in 0..12u8 {
            let expected = Some(Action::SwitchVt(i32::from(number) + 1));
            let symbol = Keysym::new(Keysym::XF86_Switch_VT_1.raw() + u32::from(number));
            assert_eq!(action(&held("ctrl alt"), symbol, None), expected);
            let key = Keysym::new(Keysym::F1.raw() + u32::from(number));
            assert_eq!(pressed("ctrl alt", key), expected);
            assert_eq!(pressed("ctrl", key), None);
            assert_eq!(pressed("alt", key), None);
        }
        assert_eq!(pressed("ctrl alt", Keysym::F13), None);
    }

    #[test]
    fn tab_switches_guests_while_super_alone_is_held() {
        assert_eq!(pressed("super", Keysym::Tab), Some(Action::NextGuest));
        let back = action(
            &held("super shift"),
            Keysym::ISO_Left_Tab,
            Some(Keysym::Tab),
        );
        assert_eq!(back, Some(Action::PreviousGuest));
        for others in ["", "alt", "ctrl", "super alt", "super ctrl"] {
            assert_eq!(pressed(others, Keysym::Tab), None, "{others}");
        }
    }

    #[test]
    fn a_window_that_keeps_all_keys_does_not_get_the_way_out() {
        assert_eq!(pressed("super", Keysym::Escape), Some(Action::Release));
        assert!(Action::Release.is_never_given_away());
        assert!(Action::SwitchVt(1).is_never_given_away());
        assert!(!Action::NextGuest.is_never_given_away());
    }

    #[test]
    fn every_other_key_is_the_clients() {
        for symbol in [Keysym::a, Keysym::F5, Keysym::Super_L, Keysym::Delete] {
            assert_eq!(pressed("super", symbol), None);
            assert_eq!(pressed("", symbol), None);
        }
    }
}
