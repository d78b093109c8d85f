//! The library's file and its functions.

use std::{
    ffi::{c_char, c_int, c_void},
    mem::ManuallyDrop,
};

use libloading::os::unix::{Library as File, RTLD_LOCAL, RTLD_NOW};
use thiserror::Error;

use super::ffi::{
    Callbacks, CreateArgs, CreateBlobArgs, Cuboid, ExportQuery, Iovec, Log, LogFormat, ResourceInfo,
};

/// The name under which all supported versions are found.
const FILE: &str = "libvirglrenderer.so.1";

/// The number in the file's name behind `.so.1.` of the oldest supported version, 0.10.
const OLDEST: u32 = 7;

/// Why libvirglrenderer can't be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It is not installed, or something that it needs is not.
    #[error("Could not load {FILE}: {0}. Install it (package libvirglrenderer1 or virglrenderer)")]
    Missing(String),
    /// It is too old: its version, or a function that it lacks.
    #[error(
        "Could not use the installed libvirglrenderer: {0}. Install version 0.10.4 or a newer one"
    )]
    TooOld(String),
}

/// libvirglrenderer, loaded but not started.
#[derive(Debug)]
pub struct Library {
    version: String,
    pub(super) functions: Functions,
}

/// Declares the functions that are called, and how they are found.
macro_rules! functions {
    (
        needed { $($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)* }
        optional { $($maybe:ident = $maybe_symbol:literal: fn($($maybe_argument:ty),*) $(-> $maybe_result:ty)?;)* }
    ) => {
        /// Functions of the library, by the header's types.
        #[derive(Debug, Clone)]
        pub struct Functions {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            $(pub $maybe: Option<unsafe extern "C" fn($($maybe_argument),*) $(-> $maybe_result)?>,)*
        }

        impl Functions {
            fn find(file: &File) -> Result<Self, LoadError> {
                Ok(Self {
                    $($name: {
                        // SAFETY: the symbol's type is the header's, in every version that has it,
                        // and the file is never unloaded.
                        let found = unsafe { file.get(concat!($symbol, "\0").as_bytes()) };
                        *found.map_err(|_| LoadError::TooOld(format!("it has no {}", $symbol)))?
                    },)*
                    $($maybe: {
                        // SAFETY: as above.
                        let found = unsafe { file.get(concat!($maybe_symbol, "\0").as_bytes()) };
                        found.ok().map(|function| *function)
                    },)*
                })
            }
        }
    };
}

functions! {
    needed {
        init = "virgl_renderer_init": fn(*mut c_void, c_int, *mut Callbacks) -> c_int;
        cleanup = "virgl_renderer_cleanup": fn(*mut c_void);
        poll = "virgl_renderer_poll": fn();
        get_poll_fd = "virgl_renderer_get_poll_fd": fn() -> c_int;
        force_ctx_0 = "virgl_renderer_force_ctx_0": fn();
        get_cap_set = "virgl_renderer_get_cap_set": fn(u32, *mut u32, *mut u32);
        fill_caps = "virgl_renderer_fill_caps": fn(u32, u32, *mut c_void);
        context_create = "virgl_renderer_context_create": fn(u32, u32, *const c_char) -> c_int;
        context_create_with_flags = "virgl_renderer_context_create_with_flags":
            fn(u32, u32, u32, *const c_char) -> c_int;
        context_destroy = "virgl_renderer_context_destroy": fn(u32);
        ctx_attach_resource = "virgl_renderer_ctx_attach_resource": fn(c_int, c_int);
        ctx_detach_resource = "virgl_renderer_ctx_detach_resource": fn(c_int, c_int);
        submit_cmd = "virgl_renderer_submit_cmd": fn(*mut c_void, c_int, c_int) -> c_int;
        resource_create = "virgl_renderer_resource_create":
            fn(*mut CreateArgs, *mut Iovec, u32) -> c_int;
        resource_create_blob = "virgl_renderer_resource_create_blob":
            fn(*const CreateBlobArgs) -> c_int;
        resource_unref = "virgl_renderer_resource_unref": fn(u32);
        resource_attach_iov = "virgl_renderer_resource_attach_iov":
            fn(c_int, *mut Iovec, c_int) -> c_int;
        resource_detach_iov = "virgl_renderer_resource_detach_iov":
            fn(c_int, *mut *mut Iovec, *mut c_int);
        resource_get_info = "virgl_renderer_resource_get_info": fn(c_int, *mut ResourceInfo) -> c_int;
        resource_get_map_info = "virgl_renderer_resource_get_map_info": fn(u32, *mut u32) -> c_int;
        resource_export_blob = "virgl_renderer_resource_export_blob":
            fn(u32, *mut u32, *mut c_int) -> c_int;
        transfer_read_iov = "virgl_renderer_transfer_read_iov":
            fn(u32, u32, u32, u32, u32, *mut Cuboid, u64, *mut Iovec, c_int) -> c_int;
        transfer_write_iov = "virgl_renderer_transfer_write_iov":
            fn(u32, u32, c_int, u32, u32, *mut Cuboid, u64, *mut Iovec, u32) -> c_int;
        create_fence = "virgl_renderer_create_fence": fn(c_int, u32) -> c_int;
        context_create_fence = "virgl_renderer_context_create_fence":
            fn(u32, u32, u32, u64) -> c_int;
        context_get_poll_fd = "virgl_renderer_context_get_poll_fd": fn(u32) -> c_int;
        execute = "virgl_renderer_execute": fn(*mut ExportQuery, u32) -> c_int;
    }
    optional {
        set_log = "virgl_set_log_callback":
            fn(Option<Log>, *mut c_void, Option<unsafe extern "C" fn(*mut c_void)>);
        set_log_format = "virgl_set_debug_callback": fn(Option<LogFormat>) -> Option<LogFormat>;
    }
}

impl Library {
    /// Loads the library. Of its code only what the dynamic linker calls has run then.
    ///
    /// # Errors
    /// It is not installed, or too old.
    pub fn load() -> Result<Self, LoadError> {
        // SAFETY: the library and those that it needs run nothing at their start that relies on
        // this process's state.
        let file = unsafe { File::open(Some(FILE), RTLD_NOW | RTLD_LOCAL) };
        // Never unloaded: drivers that came with it leave threads and exit handlers behind.
        let file = ManuallyDrop::new(file.map_err(|error| LoadError::Missing(error.to_string()))?);
        let functions = Functions::find(&file)?;
        let version = match file_name().as_deref().and_then(Version::of_file) {
            Some(version) if version.minor < OLDEST => {
                return Err(LoadError::TooOld(format!(
                    "it is version {}",
                    version.text()
                )));
            }
            Some(version) => version.text(),
            None if functions.set_log.is_some() => "1.1 or newer".to_owned(),
            None => "0.10 or newer".to_owned(),
        };
        Ok(Self { version, functions })
    }

    /// Its version, like `1.3.0`, as far as its file tells it.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// The numbers in the file's name; the library itself does not say which version it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    minor: u32,
    patch: u32,
}

impl Version {
    /// From `libvirglrenderer.so.1.11.0`.
    fn of_file(name: &str) -> Option<Self> {
        let (minor, patch) = name
            .strip_prefix(FILE)?
            .strip_prefix('.')?
            .split_once('.')?;
        Some(Self {
            minor: minor.parse().ok()?,
            patch: patch.parse().ok()?,
        })
    }

    /// 0.10.4 was `1.7.7`; since 1.0, which is `1.8`, the numbers count together.
    fn text(self) -> String {
        match (self.minor.checked_sub(8), self.patch) {
            (Some(minor), patch) => format!("1.{minor}.{patch}"),
            (None, 7) if self.minor == OLDEST => "0.10.4".to_owned(),
            (None, _) if self.minor == OLDEST => "0.10".to_owned(),
            (None, _) => "older than 0.10".to_owned(),
        }
    }
}

/// The name of the file that was mapped, behind all links.
fn file_name() -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let names = maps.lines().filter_map(|line| line.rsplit('/').next());
    names
        .filter(|name| name.starts_with(FILE))
        .map(str::to_owned)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_the_version() {
        let version = |name| Version::of_file(name).map(Version::text);
        let texts = [
            ("libvirglrenderer.so.1.7.7", "0.10.4"),
            ("libvirglrenderer.so.1.7.3", "0.10"),
            ("libvirglrenderer.so.1.8.0", "1.0.0"),
            ("libvirglrenderer.so.1.9.0", "1.1.0"),
            ("libvirglrenderer.so.1.11.0", "1.3.0"),
            ("libvirglrenderer.so.1.5.2", "older than 0.10"),
        ];
        for (name, text) in texts {
            assert_eq!(version(name).as_deref(), Some(text), "{name}");
        }
        assert_eq!(version("libvirglrenderer.so.1"), None);
        assert_eq!(version("libepoxy.so.0.0.0"), None);
    }
}
