//! What virglrenderer gives a program without a guest, a device or a kernel between: its own server of commands, with the
//! same Mesa at both ends. A guest can't have more than this.
//!
//! It is less than the host's own OpenGL. OpenGL 4.4 wants buffers that stay mapped (`ARB_buffer_storage`), which
//! Mesa's virgl has where three are true:
//!
//! 1. the driver has memory of the host's that the guest's CPUs see (`VIRTGPU_PARAM_HOST_VISIBLE`): not in a User Mode
//!    Linux guest, as virtio_uml has no shared memory regions;
//! 2. virglrenderer says `VIRGL_CAP_ARB_BUFFER_STORAGE`, which it does for memory that OpenGL maps in its own process
//!    where it was *not* told to give out memory as descriptors only (`VIRGL_RENDERER_USE_EXTERNAL_BLOB`). A VMM in
//!    another process can map nothing else, and this server has told it so as well as our renderer has;
//! 3. or there is a graphics card of Intel's or AMD's and virglrenderer was built with an allocator for its memory
//!    (minigbm), which gives descriptors. Distributions build it without, and llvmpipe is no such card.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::in_tree;
use crate::{
    labtests::{Bench, Place, until},
    report,
};

const SOON: Duration = Duration::from_secs(20);

/// virglrenderer's server, on the CPU's OpenGL.
pub struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(bench: &Bench, place: &Place) -> Result<Self> {
        // Sockets have short paths; the test's folder may not.
        let socket = std::env::temp_dir().join(format!("lv{:x}", std::process::id()));
        let _ = fs::remove_file(&socket);
        let log = File::options().create(true).append(true).open(&place.log)?;
        let child = in_tree(&bench.lab, Path::new("/usr/bin/virgl_test_server"))
            .args(["--use-egl-surfaceless", "--socket-path"])
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("Starting virglrenderer's server")?;
        let server = Self { child, socket };
        until(SOON, || Ok(server.socket.exists().then_some(())))
            .context("Waiting for virglrenderer's server")?;
        Ok(server)
    }

    /// What a shell script prints whose programs draw through the server.
    pub fn output(&self, bench: &Bench, script: &str) -> Result<String> {
        report::output(
            in_tree(&bench.lab, Path::new("/bin/sh"))
                .args(["-c", script])
                .env("GALLIUM_DRIVER", "virpipe")
                .env("VTEST_SOCKET_NAME", &self.socket),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}
