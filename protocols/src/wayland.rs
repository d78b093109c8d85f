//! `lucarne-guest-v1`: what a guest's device and our own compositor say to each other beyond
//! Wayland's usual protocols. Only bindings; the words and what they mean are in
//! `wayland/lucarne-guest-v1.xml`.

/// The protocol as a client speaks it.
#[cfg(feature = "wayland-client")]
pub use self::generated::client;

/// The protocol as a server speaks it.
#[cfg(feature = "wayland-server")]
pub use self::generated::server;

// The macros below read the file behind cargo's back, which would go on with old bindings.
const _: &[u8] = include_bytes!("../wayland/lucarne-guest-v1.xml");

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_code,
    unused_imports,
    unused_qualifications,
    unused_unsafe,
    unused_variables,
    clippy::all,
    reason = "generated"
)]
mod generated {
    #[cfg(feature = "wayland-client")]
    pub mod client {
        //! The protocol as a client speaks it.
        use wayland_client::{self, protocol::*};

        pub mod __interfaces {
            use wayland_client::protocol::__interfaces::*;
            wayland_scanner::generate_interfaces!("wayland/lucarne-guest-v1.xml");
        }
        use self::__interfaces::*;

        wayland_scanner::generate_client_code!("wayland/lucarne-guest-v1.xml");
    }

    #[cfg(feature = "wayland-server")]
    pub mod server {
        //! The protocol as a server speaks it.
        use wayland_server::{self, protocol::*};

        pub mod __interfaces {
            use wayland_server::protocol::__interfaces::*;
            wayland_scanner::generate_interfaces!("wayland/lucarne-guest-v1.xml");
        }
        use self::__interfaces::*;

        wayland_scanner::generate_server_code!("wayland/lucarne-guest-v1.xml");
    }
}
