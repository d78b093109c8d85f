//! Vulkan in a guest: Mesa's Venus in the guest, virglrenderer's render server and lavapipe on the host, and between
//! them the window for host memory of QEMU's generic device.
//!
//! Whatever Venus does goes through that window, for its ring of commands lies in a blob of host memory: the guest's
//! CPUs write there what the render server reads. In messages, for each blob:
//!
//! ```text
//! guest ── RESOURCE_CREATE_BLOB(HOST3D, MAPPABLE), RESOURCE_MAP_BLOB ──▶ device ──▶ renderer: the blob's memory as a file
//!                          device ── SHMEM_MAP(region 1, offset, length, file), to be answered ──▶ QEMU
//! guest ◀── OK_MAP_INFO ── device ◀── 0 ── QEMU, which also announces the file as memory of the guest (ADD_MEM_REG)
//! ```
//!
//! QEMU announces each mapped blob as memory of the guest as well (ADD_MEM_REG), and 11.1.2 dies of a null pointer when
//! the driver starts again after a reset of the guest, if the device has accepted one of those. The device declines them,
//! which this test's reset shows.
//!
//! **What lavapipe does not allow without /dev/udmabuf**, as on this machine: memory of Vulkan that is mapped (vkMapMemory).
//! lavapipe can export memory as a dma-buf only where it can make one. virglrenderer 1.3 takes an opaque descriptor
//! then, of which only lavapipe knows what is where (the memory begins a page behind a header of Mesa's own). The
//! exchange, seen with vkcube of this tree (`--wsi wayland`, MESA_VK_WSI_DEBUG=sw):
//!
//! ```text
//! guest ── RESOURCE_CREATE_BLOB(HOST3D, MAPPABLE, blob_id = the VkDeviceMemory) ──▶ device     OK_NODATA
//! guest ── RESOURCE_MAP_BLOB ──▶ device ── virgl_renderer_resource_export_blob ──▶ 0, VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE
//! guest ◀── ERR_UNSPEC (0x1200), logged by Linux as "response 0x1200 (command 0x208)"
//! vkcube: demo_prepare_texture_image: Assertion `!err' failed (vkMapMemory)
//! ```
//!
//! A graphics card's Vulkan exports dma-bufs. vulkaninfo maps no memory of its own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Bench, GuestFolder, Place, compositor::Compositor, list, qemu, quoted, three_d};
use crate::{lab::STOCK_APPEND, report};

/// From the start of a guest to its program, which goes on from a share with all of Mesa: without KVM.
const BOOT: Duration = Duration::from_secs(120);

/// How long vulkaninfo may take. Five seconds on an idle machine, without KVM.
const VULKAN: Duration = Duration::from_secs(120);

/// A guest that is reset while one of its programs has host memory mapped, and that uses Vulkan afterwards. The file
/// `reset` tells the second boot from the first.
const PROGRAM: &str = r#"
export VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/virtio_icd.json XDG_RUNTIME_DIR=/run
if [ ! -e /lab/reset ]; then
    vulkaninfo --summary >/lab/first.txt 2>&1 &
    program=$!
    until grep -q renderD128 /proc/$program/maps; do
        kill -0 $program || exit 1
    done
    kill -STOP $program
    grep -c renderD128 /proc/$program/maps >/lab/mapped
    sync
    touch /lab/reset
    while [ ! -e /lab/go ]; do sleep 0.1; done
    echo b >/proc/sysrq-trigger
    sleep 60
fi
vulkaninfo --summary >/lab/summary.txt 2>&1 || exit 1
vulkaninfo >/lab/vulkaninfo.txt 2>&1 || exit 1
"#;

/// Runs it.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let (program, shares) = qemu::in_tree(bench, PROGRAM);
    let program = format!("dmesg | grep 'drm. '\n{program}");
    let folder = place.guest("guest", &program)?;
    let compositor = start(bench, place, &folder, &shares)?;
    let words = || {
        let guest = compositor.guest("guest");
        let vmm = guest.map(|guest| guest.last_output).unwrap_or_default();
        format!(
            "The VMM said {vmm:?}, lucarne said:\n{}",
            report::tail(&place.log, 20)
        )
    };
    folder.wait_for("reset", BOOT).with_context(words)?;
    let seen = folder.printed();
    for expected in [
        "Host memory window",
        "+virgl",
        "+resource_blob +host_visible",
    ] {
        ensure!(
            seen.contains(expected),
            "The guest's driver does not say {expected:?}:\n{seen}"
        );
    }
    folder.signal("go")?;
    folder.wait_for("summary.txt", BOOT).with_context(words)?;
    folder.wait_for_end(VULKAN).with_context(words)?;
    compositor.quit()?;
    let device = device(&std::fs::read_to_string(folder.file("summary.txt"))?)?;
    // The long report asks for everything that Venus knows of the host's Vulkan.
    let report = std::fs::read_to_string(folder.file("vulkaninfo.txt"))?;
    ensure!(
        report.contains("DRIVER_ID_MESA_VENUS") && report.contains("VkQueueFamilyProperties"),
        "vulkaninfo did not report everything:\n{report}"
    );
    Ok(device)
}

/// The name of the graphics card, as vulkaninfo has it.
fn device(summary: &str) -> Result<String> {
    let value = |name: &str| {
        let line = summary
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_once('='))
            .map(|(_, value)| value.trim().to_owned())
            .with_context(|| format!("Looking for {name} in what vulkaninfo said:\n{summary}"))
    };
    let (name, version) = (value("deviceName")?, value("apiVersion")?);
    ensure!(
        name.starts_with("Virtio-GPU Venus (llvmpipe"),
        "The guest's Vulkan is {name}, not lavapipe by Venus"
    );
    Ok(format!("{name}, Vulkan {version}"))
}

fn start(
    bench: &Bench,
    place: &Place,
    folder: &GuestFolder,
    shares: &[String],
) -> Result<Compositor> {
    let mut arguments = vec![
        "-virtfs".to_owned(),
        format!(
            "local,path={},mount_tag=lab,security_model=none",
            folder.0.display()
        ),
    ];
    arguments.extend_from_slice(shares);
    let config = format!(
        "[guest.guest]\nkernel = {}\ninitrd = {}\nappend = {}\nmemory = \"1G\"\ncpus = 2\nscanouts = [\"640x480\"]\n\
         device = \"generic\"\ngpu = \"venus\"\naccel = \"tcg\"\nrestart = \"never\"\n\
         vmm = {{ kind = \"qemu\", program = {}, arguments = {} }}\n",
        quoted(&bench.lab.vmlinuz.display().to_string()),
        quoted(&bench.lab.initrd.display().to_string()),
        quoted(STOCK_APPEND),
        quoted(&bench.lab.qemu.display().to_string()),
        list(&arguments),
    );
    Compositor::run(
        three_d::in_tree(&bench.lab, &bench.lucarne).arg("headless"),
        &place.folder.join("host"),
        &place.log,
        &config,
        &["--output", "640x480@60"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lavapipe_by_venus_is_right() {
        let summary =
            |name: &str| format!("GPU0:\n\tapiVersion  = 1.4.334\n\tdeviceName = {name}\n");
        assert_eq!(
            device(&summary("Virtio-GPU Venus (llvmpipe (LLVM 21))")).unwrap(),
            "Virtio-GPU Venus (llvmpipe (LLVM 21)), Vulkan 1.4.334"
        );
        assert!(device(&summary("llvmpipe (LLVM 21)")).is_err());
        assert!(device("Cannot create Vulkan instance.").is_err());
    }
}
