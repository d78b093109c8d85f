//! `wp_viewporter`.

use smithay::delegate_viewporter;

use crate::state::State;

delegate_viewporter!(State);
