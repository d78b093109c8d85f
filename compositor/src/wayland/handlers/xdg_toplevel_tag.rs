//! `xdg_toplevel_tag_manager_v1`: how a device says which virtual monitor a window shows.

use smithay::{
    delegate_xdg_toplevel_tag,
    reexports::wayland_protocols::xdg::shell::server::xdg_toplevel::XdgToplevel,
    wayland::xdg_toplevel_tag::XdgToplevelTagHandler,
};

use protocols::virtio_gpu::MAX_SCANOUTS;

use crate::state::State;

/// What comes before the number in a tag.
const PREFIX: &str = "scanout-";

impl XdgToplevelTagHandler for State {
    fn set_tag(&mut self, toplevel: XdgToplevel, tag: String) {
        // smithay also keeps tags, but overwrites them with descriptions; so the number is taken
        // from here and kept with the window. Other clients use tags of their own.
        let Some(scanout) = scanout_of(&tag) else {
            return;
        };
        let known = self.protocols.xdg_shell.get_toplevel(&toplevel);
        let Some(surface) = known.map(|toplevel| toplevel.wl_surface().clone()) else {
            return;
        };
        self.windows.set_scanout(&surface, scanout);
    }
}

fn scanout_of(tag: &str) -> Option<u8> {
    let number: u8 = tag.strip_prefix(PREFIX)?.parse().ok()?;
    (usize::from(number) < MAX_SCANOUTS).then_some(number)
}

delegate_xdg_toplevel_tag!(State);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_scanouts_that_exist() {
        assert_eq!(scanout_of("scanout-0"), Some(0));
        assert_eq!(scanout_of("scanout-15"), Some(15));
        assert_eq!(scanout_of("scanout-16"), None);
        assert_eq!(scanout_of("scanout-"), None);
        assert_eq!(scanout_of("main window"), None);
    }
}
