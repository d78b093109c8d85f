//! Options about a guest's 3D.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use config::{Guest, guest::Gpu};
use gpu_device::GpuKind;

/// What the user wants of 3D.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct GpuArgs {
    /// What this machine draws for the guest [default: auto]
    #[arg(long, value_enum, value_name = "KIND")]
    gpu: Option<GpuArg>,
    /// The render node of the graphics card that draws for it, like /dev/dri/renderD128 [default:
    /// the first one]
    #[arg(long, value_name = "PATH", alias = "render-node")]
    gpu_device: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GpuArg {
    /// virgl where there is a graphics card for it, else 2d
    Auto,
    /// Nothing: the guest draws by itself
    #[value(name = "2d")]
    TwoD,
    /// OpenGL; on the CPU where there is no graphics card
    Virgl,
    /// Vulkan too; needs a VMM that shows the guest memory of the host, like QEMU 11.1
    Venus,
}

impl GpuArg {
    fn key(self) -> Gpu {
        match self {
            Self::Auto => Gpu::Auto,
            Self::TwoD => Gpu::TwoD,
            Self::Virgl => Gpu::Virgl,
            Self::Venus => Gpu::Venus,
        }
    }

    fn kind(self) -> GpuKind {
        match self {
            Self::Auto => GpuKind::Auto,
            Self::TwoD => GpuKind::TwoD,
            Self::Virgl => GpuKind::Virgl,
            Self::Venus => GpuKind::Venus,
        }
    }
}

impl GpuArgs {
    /// Lays the options over a guest's keys.
    pub(super) fn apply(&self, guest: &mut Guest) {
        guest.gpu = self.gpu.map_or(guest.gpu, GpuArg::key);
        if self.gpu_device.is_some() {
            guest.gpu_device.clone_from(&self.gpu_device);
        }
    }

    /// What is wanted, if it was said.
    pub(super) fn kind(&self) -> Option<GpuKind> {
        self.gpu.map(GpuArg::kind)
    }

    /// The render node, if one was named.
    pub(super) fn device(self) -> Option<PathBuf> {
        self.gpu_device
    }
}

#[cfg(test)]
mod tests {
    use clap::{Parser, ValueEnum as _};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        gpu: GpuArgs,
    }

    fn parse(words: &[&str]) -> GpuArgs {
        Line::parse_from(["x"].iter().chain(words)).gpu
    }

    #[test]
    fn options_are_laid_over_a_guest_s_keys() {
        let mut guest = Guest {
            gpu: Gpu::TwoD,
            ..Guest::default()
        };
        parse(&[]).apply(&mut guest);
        assert_eq!((guest.gpu, &guest.gpu_device), (Gpu::TwoD, &None));
        parse(&["--gpu", "virgl", "--gpu-device", "/dev/dri/renderD129"]).apply(&mut guest);
        assert_eq!(guest.gpu, Gpu::Virgl);
        assert_eq!(guest.gpu_device, Some("/dev/dri/renderD129".into()));
    }

    #[test]
    fn words_are_those_of_the_file() {
        for argument in GpuArg::value_variants() {
            let word = argument.to_possible_value().unwrap();
            assert_eq!(word.get_name(), argument.key().word());
            let arguments = parse(&["--gpu", word.get_name()]);
            assert_eq!(arguments.kind(), Some(argument.kind()));
        }
    }

    #[test]
    fn managers_have_a_word_of_their_own_for_the_node() {
        let arguments = parse(&["--render-node=/dev/dri/renderD128"]);
        assert_eq!(arguments.device(), Some("/dev/dri/renderD128".into()));
    }
}
