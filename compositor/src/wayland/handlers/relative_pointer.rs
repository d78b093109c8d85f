//! `zwp_relative_pointer_manager_v1`: how far a mouse moved, whatever became of the pointer.

use smithay::delegate_relative_pointer;

use crate::state::State;

delegate_relative_pointer!(State);
