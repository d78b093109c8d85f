//! `wp_cursor_shape_manager_v1`: pointers by name, which we draw.

use smithay::delegate_cursor_shape;

use crate::state::State;

delegate_cursor_shape!(State);
