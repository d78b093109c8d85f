//! What is missing for 3D, and how to get it.

use std::fmt;

use protocols::ipc::Reason;

/// What kind of thing is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// A graphics card that can draw.
    Card,
    /// A render node.
    Node,
    /// The right to use a render node.
    Permission,
    /// libvirglrenderer.
    Library,
    /// A libvirglrenderer of a version that works here.
    NewerLibrary,
    /// OpenGL without a window.
    Egl,
    /// libvirglrenderer's own process for Vulkan.
    Server,
    /// A driver for Vulkan.
    Vulkan,
    /// Vulkan that libvirglrenderer can use.
    Venus,
    /// An answer of the process that draws.
    Answer,
    /// Something else.
    Other,
}

impl Missing {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Card,
        Self::Node,
        Self::Permission,
        Self::Library,
        Self::NewerLibrary,
        Self::Egl,
        Self::Server,
        Self::Vulkan,
        Self::Venus,
        Self::Answer,
        Self::Other,
    ];

    /// The name for programs: stable, in snake case.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Card => "no_graphics_card",
            Self::Node => "no_render_node",
            Self::Permission => "render_node_forbidden",
            Self::Library => "no_virglrenderer",
            Self::NewerLibrary => "old_virglrenderer",
            Self::Egl => "no_egl",
            Self::Server => "no_render_server",
            Self::Vulkan => "no_vulkan",
            Self::Venus => "no_venus",
            Self::Answer => "renderer_died",
            Self::Other => "renderer_failed",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|missing| missing.code() == code)
    }
}

/// What is missing, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What.
    pub what: Missing,
    /// In whose words it was said: a driver's, the dynamic linker's, the kernel's. May be empty.
    pub detail: String,
}

impl Lack {
    /// Something is missing.
    #[must_use]
    pub fn new(what: Missing, detail: impl Into<String>) -> Self {
        Self {
            what,
            detail: detail.into(),
        }
    }

    /// How to get it, as a sentence without its full stop.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.what {
            Missing::Card => {
                "Its own software draws for it; gpu = \"virgl\" has this machine's CPU draw all the \
                 same"
            }
            Missing::Node => "Choose one of those that `lucarne doctor` lists",
            Missing::Permission => {
                "Join the group that may: sudo usermod -aG render $USER, then log in again"
            }
            Missing::Library => {
                "Install it (Debian and Ubuntu: apt install libvirglrenderer1; Fedora and Arch: \
                 virglrenderer)"
            }
            Missing::NewerLibrary => "Update it to version 0.10.4 or newer",
            Missing::Egl => {
                "Install Mesa's drivers (Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri; \
                 Fedora: mesa-libEGL mesa-dri-drivers; Arch: mesa)"
            }
            Missing::Server => {
                "Install it (Debian and Ubuntu: apt install virgl-server; Fedora and Arch: \
                 virglrenderer)"
            }
            Missing::Vulkan => {
                "Install one (Debian and Ubuntu: apt install mesa-vulkan-drivers; Fedora: \
                 mesa-vulkan-drivers; Arch: vulkan-swrast, or that of the graphics card)"
            }
            Missing::Venus => {
                "See whether `vulkaninfo` works here; if it does, libvirglrenderer was built without \
                 Vulkan: update it"
            }
            Missing::Answer | Missing::Other => "The log tells more with LUCARNE_LOG=debug",
        }
    }
}

/// A clause: `libvirglrenderer is not installed (…)`.
impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.what {
            Missing::Card => "there is no graphics card that could draw",
            Missing::Node => "the render node can't be used",
            Missing::Permission => "this user may not use the render node",
            Missing::Library => "libvirglrenderer can't be loaded",
            Missing::NewerLibrary => "libvirglrenderer is too old",
            Missing::Egl => "OpenGL does not start without a window",
            Missing::Server => "virgl_render_server is not there",
            Missing::Vulkan => "there is no Vulkan driver",
            Missing::Venus => "libvirglrenderer finds no Vulkan that works",
            Missing::Answer => "the process that draws does not answer",
            Missing::Other => "libvirglrenderer does not start",
        })?;
        match self.detail.as_str() {
            "" => Ok(()),
            detail => write!(f, " ({detail})"),
        }
    }
}

impl std::error::Error for Lack {}

/// For statistics.
impl From<&Lack> for Reason {
    fn from(lack: &Lack) -> Self {
        Self {
            code: lack.what.code().to_owned(),
            text: lack.to_string(),
        }
    }
}
