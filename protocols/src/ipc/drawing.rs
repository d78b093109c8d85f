//! What draws a guest's 3D.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Reason;

/// What draws what a guest's programs want drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuestRenderer {
    /// What the guest can have drawn.
    pub kind: RendererKind,
    /// The version of libvirglrenderer, like `1.3.0`; empty without it, as are those below.
    #[serde(default)]
    pub library: String,
    /// The host's graphics card, or the program that stands in for it.
    #[serde(default)]
    pub device: String,
    /// The version of OpenGL, like `4.5`; empty where the host has none, as for those below.
    #[serde(default)]
    pub gl: String,
    /// The version of OpenGL ES.
    #[serde(default)]
    pub gles: String,
    /// The version of OpenGL's shading language.
    #[serde(default)]
    pub glsl: String,
    /// The version of Vulkan.
    #[serde(default)]
    pub vulkan: String,
    /// How many times its process was started again, because it had died or hung.
    #[serde(default)]
    pub restarts: u64,
    /// Why that is less than was asked for, or than there could be; `None` if it is not.
    #[serde(default)]
    pub reason: Option<Reason>,
}

/// What a guest can have drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RendererKind {
    /// Nothing: it draws by itself, and shows pictures.
    #[default]
    #[serde(rename = "2d")]
    TwoD,
    /// OpenGL.
    Virgl,
    /// Vulkan; OpenGL besides where it has a version.
    Venus,
    /// A kind of a newer version.
    #[serde(other)]
    Unknown,
}

/// The word of the JSON.
impl fmt::Display for RendererKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TwoD => "2d",
            Self::Virgl => "virgl",
            Self::Venus => "venus",
            Self::Unknown => "unknown",
        })
    }
}
