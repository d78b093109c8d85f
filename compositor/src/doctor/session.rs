//! The Wayland session that this program is a part of.

use wayland_client::{
    Connection, Dispatch, QueueHandle,
    globals::{GlobalListContents, registry_queue_init},
    protocol::wl_registry::{self, WlRegistry},
};

use super::Check;
use crate::cli::has_session;

const NAME: &str = "Wayland";

/// What guests' windows gain from, with the least version and what is lost without.
const USEFUL: [(&str, u32, &str); 4] = [
    ("zwp_linux_dmabuf_v1", 3, "frames are shared memory"),
    ("wp_presentation", 1, "guests are paced less exactly"),
    (
        "wp_viewporter",
        1,
        "parts of a guest's buffer can't be shown",
    ),
    ("zxdg_decoration_manager_v1", 1, "windows have no title bar"),
];

struct Session;

impl Dispatch<WlRegistry, GlobalListContents> for Session {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

pub(super) fn check() -> Check {
    if !has_session() {
        return Check::missing(
            NAME,
            "no session here: WAYLAND_DISPLAY is not set",
            match has_x11() {
                true => "On this X11 desktop, `lucarne nested` shows guests in one window",
                false => {
                    "Start this in a Wayland session for `lucarne run`; `lucarne headless` needs none"
                }
            },
        );
    }
    match globals() {
        Ok(globals) => judge(&globals),
        Err(error) => Check::missing(
            NAME,
            format!("the session does not answer: {error}"),
            "Check WAYLAND_DISPLAY and XDG_RUNTIME_DIR",
        ),
    }
}

fn has_x11() -> bool {
    std::env::var_os("DISPLAY").is_some_and(|value| !value.is_empty())
}

fn globals() -> anyhow::Result<Vec<(String, u32)>> {
    let connection = Connection::connect_to_env()?;
    let (globals, _queue) = registry_queue_init::<Session>(&connection)?;
    let list = globals.contents().clone_list();
    Ok(list
        .into_iter()
        .map(|global| (global.interface, global.version))
        .collect())
}

fn judge(globals: &[(String, u32)]) -> Check {
    let has = |wanted: &str, version: u32| {
        globals
            .iter()
            .any(|(name, offered)| name == wanted && *offered >= version)
    };
    if !has("xdg_wm_base", 1) {
        return Check::missing(
            NAME,
            "the session's compositor has no xdg-shell: it can't show windows",
            "Use another compositor",
        );
    }
    let lacking: Vec<String> = USEFUL
        .iter()
        .filter(|(name, version, _)| !has(name, *version))
        .map(|(name, _, loss)| format!("no {name} ({loss})"))
        .collect();
    if lacking.is_empty() {
        Check::ok(
            NAME,
            "a session with dma-bufs, presentation times and viewports",
        )
    } else {
        Check::degraded(
            NAME,
            format!("a session with {}", lacking.join(", ")),
            "Nothing to mend here; another compositor may have it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    fn globals(list: &[(&str, u32)]) -> Vec<(String, u32)> {
        list.iter()
            .map(|(name, version)| ((*name).to_owned(), *version))
            .collect()
    }

    #[test]
    fn what_a_compositor_lacks_is_named() {
        let mut list = vec![
            ("xdg_wm_base", 5),
            ("wp_presentation", 1),
            ("wp_viewporter", 1),
            ("zxdg_decoration_manager_v1", 1),
        ];
        let check = judge(&globals(&list));
        assert_eq!(check.verdict, Verdict::Degraded);
        assert!(
            check
                .finding
                .contains("no zwp_linux_dmabuf_v1 (frames are shared memory)")
        );

        list.push(("zwp_linux_dmabuf_v1", 4));
        assert_eq!(judge(&globals(&list)).verdict, Verdict::Ok);
        assert_eq!(judge(&globals(&list[1..])).verdict, Verdict::Missing);
    }
}
