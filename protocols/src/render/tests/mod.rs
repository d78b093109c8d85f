//! Messages of the renderer's ring.

mod hostile;
mod round_trip;
