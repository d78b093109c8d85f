//! glmark2: every scene of its own list is drawn by a guest and natively, in turns.
//!
//! Natively there is no screen: glmark2 draws into a buffer in memory, and ends each frame with glFinish. It has this
//! machine's processors to itself and no kernel of another machine below it, so a guest pays here for all that there is
//! between it and the host's OpenGL: its driver, the rings, the device and the process that draws. A guest's frames go to its
//! screen in one of the tests, by page flips that take the newest frame at each refresh, and pay for that, too. In the
//! other, which is held to bounds, they go where the native ones go.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Gpu, Machine, SIZE, median, session::Session, start};
use crate::{
    labtests::{Bench, GuestFolder, Place, awake::Awake},
    report,
};

/// The scenes that glmark2 draws where it is not told otherwise.
pub(super) const SCENES: &[&str] = &[
    "build:use-vbo=false",
    "build:use-vbo=true",
    "texture:texture-filter=nearest",
    "texture:texture-filter=linear",
    "texture:texture-filter=mipmap",
    "shading:shading=gouraud",
    "shading:shading=blinn-phong-inf",
    "shading:shading=phong",
    "shading:shading=cel",
    "bump:bump-render=high-poly",
    "bump:bump-render=normals",
    "bump:bump-render=height",
    "effect2d:kernel=0,1,0;1,-4,1;0,1,0;",
    "effect2d:kernel=1,1,1,1,1;1,1,1,1,1;1,1,1,1,1;",
    "pulsar:light=false:quads=5:texture=false",
    "desktop:blur-radius=5:effect=blur:passes=1:separable=true:windows=4",
    "desktop:effect=shadow:windows=4",
    "buffer:columns=200:interleave=false:update-dispersion=0.9:update-fraction=0.5:update-method=map",
    "buffer:columns=200:interleave=false:update-dispersion=0.9:update-fraction=0.5:update-method=subdata",
    "buffer:columns=200:interleave=true:update-dispersion=0.9:update-fraction=0.5:update-method=map",
    "ideas:speed=duration",
    "jellyfish",
    "terrain",
    "shadow",
    "refract",
    "conditionals:fragment-steps=0:vertex-steps=0",
    "conditionals:fragment-steps=5:vertex-steps=0",
    "conditionals:fragment-steps=0:vertex-steps=5",
    "function:fragment-complexity=low:fragment-steps=5",
    "function:fragment-complexity=medium:fragment-steps=5",
    "loop:fragment-loop=false:fragment-steps=5:vertex-steps=5",
    "loop:fragment-steps=5:fragment-uniform=false:vertex-steps=5",
    "loop:fragment-steps=5:fragment-uniform=true:vertex-steps=5",
];

/// How long each scene is drawn, in seconds: where it only has to be drawn, where it is reported how fast, and where a
/// bound is held, which takes what glmark2 does where it is not told otherwise. Before its first frame a scene's shaders
/// are translated, in the guest's case twice, which takes up to a second and counts.
const DRAWN: &str = "2.0";
const REPORTED: &str = "5.0";
const HELD: &str = "10.0";

/// From an order to its result. The scene `terrain` takes two seconds for a frame on the CPU.
const SCENE: Duration = Duration::from_secs(60);

pub(super) const SOON: Duration = Duration::from_secs(10);

/// How fast a guest has to be, as a part of the native rate: the scene in the middle, and the slowest.
const MEDIAN: f64 = 0.9;
const LEAST: f64 = 0.6;

/// Draws the scenes that it is told, one after the other.
const DRAW: &str = r"
export XDG_RUNTIME_DIR=/run
number=0
while [ ! -e /lab/done ]; do
    if [ ! -e /lab/order$number ]; then sleep 0.05; continue; fi
    glmark2-es2-drm $way -b $(cat /lab/order$number) >/lab/result.new 2>&1
    mv /lab/result.new /lab/result$number
    number=$((number + 1))
done
";

/// To the screen, whose only format has no alpha.
const ON_SCREEN: &str = "--visual-config red=8:green=8:blue=8:alpha=0";

/// Into memory.
pub(super) const OFF_SCREEN: &str = "--off-screen";

/// Every scene is drawn without an error, on the guest's screen; how fast is reported.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    Ok(words(&measure(bench, place, ON_SCREEN, DRAWN)?))
}

/// Every scene is drawn nearly as fast as natively. (Measured, the middle one is; the slowest reached 0.75 of it in one run
/// and 0.45 in the next, in which the machine drew twice as fast: what a frame costs on its way to and fro does not shrink
/// with it, so the scenes whose frames take least are the slowest. Others are faster than natively, where each frame is
/// waited for: a guest goes on with the next one meanwhile.)
pub fn ratios(bench: &Bench, place: &Place) -> Result<String> {
    let _awake = Awake::keep()?;
    let scenes = measure(bench, place, OFF_SCREEN, HELD)?;
    let ratios: Vec<f64> = scenes.iter().map(Scene::ratio).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    ensure!(
        median(&ratios).is_some_and(|median| median >= MEDIAN) && least >= LEAST,
        "The guest is to reach {MEDIAN} of the native rate in the middle and {LEAST} at least: {}",
        words(&scenes)
    );
    Ok(words(&scenes))
}

/// The first scenes of the list, so many, off-screen.
///
/// # Errors
///
/// When one is not drawn.
pub fn off_screen(bench: &Bench, place: &Place, most: usize) -> Result<Vec<Scene>> {
    let _awake = Awake::keep()?;
    measure_first(bench, place, OFF_SCREEN, REPORTED, most)
}

/// How long a frame of a scene took, in milliseconds.
pub struct Scene {
    pub name: &'static str,
    pub guest: f64,
    pub native: f64,
}

impl Scene {
    /// The guest's rate as a part of the native one.
    pub fn ratio(&self) -> f64 {
        self.native / self.guest
    }
}

fn words(scenes: &[Scene]) -> String {
    let ratios: Vec<f64> = scenes.iter().map(Scene::ratio).collect();
    let each = scenes
        .iter()
        .map(|scene| {
            format!(
                "\n    {:.2} ({:.1} of {:.1} frames/s) {}",
                scene.ratio(),
                1000.0 / scene.guest,
                1000.0 / scene.native,
                scene.name
            )
        })
        .collect::<String>();
    let (least, most) = ratios
        .iter()
        .fold((f64::INFINITY, 0.0), |(least, most), ratio| {
            (ratio.min(least), ratio.max(most))
        });
    format!(
        "{} scenes, {:.2} of the native rate in the middle, {least:.2} to {most:.2}{each}",
        scenes.len(),
        median(&ratios).unwrap_or_default(),
    )
}

fn measure(bench: &Bench, place: &Place, way: &str, lasts: &str) -> Result<Vec<Scene>> {
    measure_first(bench, place, way, lasts, SCENES.len())
}

fn measure_first(
    bench: &Bench,
    place: &Place,
    way: &str,
    lasts: &str,
    most: usize,
) -> Result<Vec<Scene>> {
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let folder = place.guest("guest", &drawing(way))?;
    let compositor = start(
        bench,
        place,
        &[Machine {
            name: "guest",
            folder: &folder,
            gpu: Gpu::Virgl,
        }],
    )?;
    let session = Session::start(bench, place)?;
    let mut scenes = Vec::new();
    for (number, name) in SCENES.iter().take(most).enumerate() {
        let order = format!("{name}:duration={lasts}");
        let native = report::output(
            session
                .command(bench, "/usr/bin/glmark2-es2-wayland")
                .args(["--off-screen", "-s", &size, "-b", &order]),
        )?;
        let native =
            frame_time(&native, "llvmpipe").with_context(|| format!("Drawing {name} natively"))?;
        let guest = draw(&folder, number, &order)
            .with_context(|| format!("Drawing {name} in the guest"))?;
        scenes.push(Scene {
            name,
            guest,
            native,
        });
    }
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    Ok(scenes)
}

/// The program of a guest that draws, one scene after the other, what [`draw`] tells it.
pub(super) fn drawing(way: &str) -> String {
    format!("way='{way}'\n{DRAW}")
}

/// Has a guest draw its next scene; the time of a frame in milliseconds.
pub(super) fn draw(folder: &GuestFolder, number: usize, order: &str) -> Result<f64> {
    let new = folder.file("order.new");
    fs::write(&new, order)?;
    fs::rename(new, folder.file(&format!("order{number}")))?;
    let result = format!("result{number}");
    folder.wait_for(&result, SCENE)?;
    frame_time(&fs::read_to_string(folder.file(&result))?, "virgl")
}

/// The time of a frame in what glmark2 printed, if it was drawn by `renderer` and nothing went wrong.
fn frame_time(printed: &str, renderer: &str) -> Result<f64> {
    let has = |words: [&str; 2]| {
        printed
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    ensure!(
        has(["GL_RENDERER", renderer]),
        "It is to be drawn by {renderer}:\n{printed}"
    );
    let wrong = |line: &&str| {
        // There is nothing on the screen before it, which it can't restore.
        let harmless = line.contains("Failed to restore original CRTC");
        (line.starts_with("Error") && !harmless) || line.contains("Unsupported")
    };
    if let Some(wrong) = printed.lines().find(wrong) {
        bail!("glmark2 says {wrong:?}");
    }
    printed
        .lines()
        .find_map(|line| {
            let time = line.split("FrameTime: ").nth(1)?;
            time.trim().strip_suffix(" ms")?.parse().ok()
        })
        .with_context(|| format!("Looking for a frame's time in\n{printed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_that_went_wrong_has_no_time() -> Result<()> {
        let good = "    GL_RENDERER:    virgl (llvmpipe)\n[build] use-vbo=true: FPS: 888 FrameTime: 1.126 ms\n";
        assert!((frame_time(good, "virgl")? - 1.126).abs() < 1e-9);
        assert!(frame_time(good, "softpipe").is_err());
        let failed = "GL_RENDERER: virgl\nError: Failed to link program\n";
        assert!(frame_time(failed, "virgl").is_err());
        let unsupported = "GL_RENDERER: virgl\n[bump] <default>: Unsupported\n";
        assert!(frame_time(unsupported, "virgl").is_err());
        Ok(())
    }
}
