//! What a guest sees of the host's OpenGL, and whether it draws the same.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{
    BOOT, Gpu, Machine, SIZE,
    frames::{compare, frames},
    in_tree, start,
    vtest::Server,
};
use crate::{
    labtests::{Bench, Place, picture::smpte, uml},
    report,
};

/// Mesa looks at every kind of display, and compiles its shaders on the CPU.
const ANSWER: Duration = Duration::from_secs(60);

/// Mesa's program, which is named like this on this architecture.
const EGLINFO: &str = "/usr/bin/eglinfo.x86_64-linux-gnu";

/// The versions that are at least to be there, whatever the host has. ([`super::vtest`] says why the newer OpenGL of the
/// host's can't be.)
const GL: (u32, u32) = (4, 3);
const GLES: (u32, u32) = (3, 1);

/// A picture in plain memory first, as consoles have it; then what there is of OpenGL.
fn program() -> String {
    format!(
        "export XDG_RUNTIME_DIR=/run\n(\n{}\n)\nrm /lab/done\n{EGLINFO} -B >/lab/eglinfo.new 2>&1\n\
         mv /lab/eglinfo.new /lab/eglinfo\nwhile [ ! -e /lab/done ]; do sleep 0.1; done\n",
        uml::SHOW_PATTERN
    )
}

/// Runs it.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let folder = place.guest("guest", &program())?;
    let compositor = start(
        bench,
        place,
        &[Machine {
            name: "guest",
            folder: &folder,
            gpu: Gpu::Virgl,
        }],
    )?;
    compositor
        .expect_picture("guest", 0, &smpte(SIZE.0, SIZE.1), BOOT)
        .context("A picture in plain memory, before anything draws")?;
    folder.signal("done")?;
    folder.wait_for("eglinfo", ANSWER)?;
    let guest = Versions::read(&fs::read_to_string(folder.file("eglinfo"))?, "GBM platform")?;
    folder.signal("done")?;
    folder.wait_for_end(ANSWER)?;
    compositor.quit()?;

    // It fails where one kind of display does, and here most do.
    let script = format!("timeout 60 {EGLINFO} -B || true");
    let printed = report::output(in_tree(&bench.lab, Path::new("/bin/sh")).args(["-c", &script]))?;
    let host = Versions::read(&printed, "Surfaceless platform")?;
    ensure!(
        guest.renderer.contains("virgl") && host.renderer.contains("llvmpipe"),
        "The guest is to draw with virgl and the host with llvmpipe; they do with {:?} and {:?}",
        guest.renderer,
        host.renderer
    );
    ensure!(
        guest.gl >= GL && guest.gles >= GLES,
        "The guest has less than OpenGL {GL:?} and OpenGL ES {GLES:?}: {guest:?}"
    );
    ensure!(
        guest.gles == host.gles,
        "The guest has another OpenGL ES than the host: {guest:?}, {host:?}"
    );
    let printed = Server::start(bench, place)?.output(bench, &script)?;
    let most = Versions::read(&printed, "Surfaceless platform")?;
    ensure!(
        most.renderer.contains("virgl"),
        "Virglrenderer's server is to draw, and {:?} does",
        most.renderer
    );
    ensure!(
        (guest.gl, guest.gles, &guest.glsl) == (most.gl, most.gles, &most.glsl),
        "The guest is to have what virglrenderer gives a program of this machine: {guest:?}, {most:?}"
    );
    let drawn = frames(bench, place, Gpu::Virgl, &[100])?;
    let native = frames(bench, place, Gpu::TwoD, &[100])?;
    let (drawn, native) = drawn.first().zip(native.first()).context("Two frames")?;
    let picture = compare(place, "kmscube", drawn, native)?;
    Ok(format!(
        "OpenGL {} of virglrenderer's {} (the host has {}), ES {} of {}; kmscube: {picture}",
        dotted(guest.gl),
        dotted(most.gl),
        dotted(host.gl),
        dotted(guest.gles),
        dotted(host.gles),
    ))
}

fn dotted((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

/// What eglinfo says about one kind of display.
#[derive(Debug)]
struct Versions {
    renderer: String,
    gl: (u32, u32),
    gles: (u32, u32),
    /// The versions of the three shading languages.
    glsl: Vec<String>,
}

impl Versions {
    fn read(printed: &str, platform: &str) -> Result<Self> {
        let words: BTreeMap<&str, &str> = printed
            .lines()
            .skip_while(|line| !line.starts_with(platform))
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(": "))
            .collect();
        let word = |name: &str| {
            words.get(name).copied().with_context(|| {
                format!("Looking for {name:?} of {platform:?} in what eglinfo said:\n{printed}")
            })
        };
        Ok(Self {
            renderer: word("OpenGL core profile renderer")?.to_owned(),
            gl: version(word("OpenGL core profile version")?)?,
            gles: version(word("OpenGL ES profile version")?)?,
            glsl: ["core", "compatibility", "ES"]
                .map(|profile| {
                    word(&format!(
                        "OpenGL {profile} profile shading language version"
                    ))
                })
                .into_iter()
                .map(|version| version.map(str::to_owned))
                .collect::<Result<_>>()?,
        })
    }
}

/// The first word with a dot: "OpenGL ES 3.2 Mesa 26.1" is 3.2.
fn version(text: &str) -> Result<(u32, u32)> {
    text.split_whitespace()
        .find_map(|word| {
            let (major, minor) = word.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        })
        .with_context(|| format!("Looking for a version in {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_platform_that_was_asked_for() -> Result<()> {
        let printed = "GBM platform:\neglinfo: eglInitialize failed\n\nSurfaceless platform:\n\
                       EGL API version: 1.5\nOpenGL core profile renderer: llvmpipe (LLVM 21)\n\
                       OpenGL core profile version: 4.6 (Core Profile) Mesa 26.1.6-1\n\
                       OpenGL core profile shading language version: 4.60\n\
                       OpenGL compatibility profile shading language version: 4.60\n\
                       OpenGL ES profile version: OpenGL ES 3.2 Mesa 26.1.6-1\n\
                       OpenGL ES profile shading language version: OpenGL ES GLSL ES 3.20\n\nDevice platform:\n";
        let versions = Versions::read(printed, "Surfaceless platform")?;
        assert_eq!((versions.gl, versions.gles), ((4, 6), (3, 2)));
        assert_eq!(versions.renderer, "llvmpipe (LLVM 21)");
        assert_eq!(versions.glsl, ["4.60", "4.60", "OpenGL ES GLSL ES 3.20"]);
        assert!(Versions::read(printed, "GBM platform").is_err());
        Ok(())
    }
}
