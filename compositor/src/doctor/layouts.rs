//! Keyboard layouts, which compositors make of files.

use super::{
    Check,
    mend::{self, Package},
};
use crate::keymap;

const NAME: &str = "layouts";

pub(super) fn check() -> Check {
    judge(keymap::is_installed())
}

fn judge(installed: bool) -> Check {
    if installed {
        return Check::ok(NAME, "keyboard layouts for compositors are installed");
    }
    Check::degraded(
        NAME,
        "no keyboard layouts: a compositor of Lucarne's brings the American one, guests have their own",
        mend::install(&Package {
            apt: "xkb-data",
            dnf: "xkeyboard-config",
            pacman: "xkeyboard-config",
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        assert_eq!(judge(true).verdict, Verdict::Ok);
        let check = judge(false);
        assert_eq!(check.verdict, Verdict::Degraded);
        let mend = check.mend.unwrap();
        assert!(mend.contains("xk"), "{mend}");
    }
}
