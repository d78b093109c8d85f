//! `wp_presentation`. What is answered and when: [`crate::redraw::ComposedFrame`].

use smithay::delegate_presentation;

use crate::state::State;

delegate_presentation!(State);
