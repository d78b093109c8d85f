//! `zwp_pointer_gestures_v1`: what fingers do on a touchpad.

use smithay::delegate_pointer_gestures;

use crate::state::State;

delegate_pointer_gestures!(State);
