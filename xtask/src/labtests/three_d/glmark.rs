//! glmark2: every scene of its own list is drawn by a guest and natively, in turns.
//!
//! Where rates are compared, each scene is drawn several times by each. What else the real machine does
//! changes what a virtual one gets done by as much as half, for seconds or minutes: two draws that follow each other
//! mostly see the same machine, and the ratio in the middle of several such pairs is not one of the others.
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

/// How each scene is drawn. Before its first frame its shaders are translated, in the guest's case twice, which takes up
/// to a second and counts.
#[derive(Clone, Copy)]
struct Plan {
    way: &'static str,
    /// In seconds.
    lasts: &'static str,
    /// How many rounds at least and at most; between them, as many as [`settled`] wants.
    rounds: (usize, usize),
}

/// It only has to be drawn.
const DRAWN: Plan = Plan {
    way: ON_SCREEN,
    lasts: "2.0",
    rounds: (1, 1),
};

/// It is reported how fast.
const REPORTED: Plan = Plan {
    way: OFF_SCREEN,
    lasts: "2.0",
    rounds: (3, 3),
};

/// A bound is held.
const HELD: Plan = Plan {
    way: OFF_SCREEN,
    lasts: "3.0",
    rounds: (3, 7),
};

/// How far the ratios next to the middle one may be from it, as a part of it, for more rounds not to be wanted.
const SETTLED: f64 = 0.05;

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
    Ok(words(&measure(bench, place, DRAWN, SCENES.len())?))
}

/// Every scene is drawn nearly as fast as natively. (Measured, the middle one is. Those whose frames take least are the
/// slowest, at two thirds: what a frame costs on its way to and fro is 0.3 ms, half as much as llvmpipe takes to draw a
/// textured cube, and most of it is User Mode Linux's, for four system calls and an interrupt a frame. Others are faster
/// than natively, where each frame is waited for: a guest goes on with the next one meanwhile.)
pub fn ratios(bench: &Bench, place: &Place) -> Result<String> {
    let _awake = Awake::keep()?;
    let scenes = measure(bench, place, HELD, SCENES.len())?;
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
    measure(bench, place, REPORTED, most)
}

/// A scene as it was drawn, by the guest and natively in turns.
pub struct Scene {
    pub name: &'static str,
    rounds: Vec<Round>,
}

/// Frames a second.
#[derive(Clone, Copy)]
struct Round {
    guest: f64,
    native: f64,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.guest / self.native
    }
}

impl Scene {
    /// The guest's frames a second.
    pub fn guest(&self) -> f64 {
        self.middle(|round| round.guest)
    }

    /// The frames a second without a guest.
    pub fn native(&self) -> f64 {
        self.middle(|round| round.native)
    }

    /// The guest's rate as a part of the native one of the same round.
    pub fn ratio(&self) -> f64 {
        self.middle(Round::ratio)
    }

    fn middle(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(of).collect::<Vec<_>>()).unwrap_or_default()
    }
}

/// Whether the ratios next to the middle one agree with it.
fn settled(rounds: &[Round]) -> bool {
    let mut ratios: Vec<f64> = rounds.iter().map(Round::ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios.len().saturating_sub(1) / 2;
    ratios
        .get(middle.saturating_sub(1)..middle + 2)
        .is_none_or(|near| (near[2] - near[0]) / near[1] <= 2.0 * SETTLED)
}

fn words(scenes: &[Scene]) -> String {
    let ratios: Vec<f64> = scenes.iter().map(Scene::ratio).collect();
    let each = scenes
        .iter()
        .map(|scene| {
            format!(
                "\n    {:.2} ({:.1} of {:.1} frames/s, rounds: {}) {}",
                scene.ratio(),
                scene.guest(),
                scene.native(),
                scene.rounds.len(),
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

/// Draws the first scenes of the list, so many, as planned.
fn measure(bench: &Bench, place: &Place, plan: Plan, most: usize) -> Result<Vec<Scene>> {
    let folder = place.guest("guest", &drawing(plan.way))?;
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
    let mut orders = 0..;
    let mut scenes = Vec::new();
    for &name in &SCENES[..most.min(SCENES.len())] {
        let order = format!("{name}:duration={}", plan.lasts);
        let mut rounds = Vec::new();
        let (least, most) = plan.rounds;
        while rounds.len() < least || (rounds.len() < most && !settled(&rounds)) {
            let native = draw_natively(bench, &session, &order)
                .with_context(|| format!("Drawing {name} natively"))?;
            let number = orders.next().context("Numbering the orders")?;
            let guest = draw(&folder, number, &order)
                .with_context(|| format!("Drawing {name} in the guest"))?;
            rounds.push(Round { guest, native });
        }
        scenes.push(Scene { name, rounds });
    }
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    Ok(scenes)
}

/// Draws a scene without a guest; frames a second.
fn draw_natively(bench: &Bench, session: &Session, order: &str) -> Result<f64> {
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let printed = report::output(
        session
            .command(bench, "/usr/bin/glmark2-es2-wayland")
            .args(["--off-screen", "-s", &size, "-b", order]),
    )?;
    rate(&printed, "llvmpipe")
}

/// The program of a guest that draws, one scene after the other, what [`draw`] tells it.
pub(super) fn drawing(way: &str) -> String {
    format!("way='{way}'\n{DRAW}")
}

/// Has a guest draw its next scene; frames a second.
pub(super) fn draw(folder: &GuestFolder, number: usize, order: &str) -> Result<f64> {
    let new = folder.file("order.new");
    fs::write(&new, order)?;
    fs::rename(new, folder.file(&format!("order{number}")))?;
    let result = format!("result{number}");
    folder.wait_for(&result, SCENE)?;
    rate(&fs::read_to_string(folder.file(&result))?, "virgl")
}

/// The frames a second in what glmark2 printed, if they were drawn by `renderer` and nothing went wrong. It prints whole
/// ones; the time of a frame is more exact.
fn rate(printed: &str, renderer: &str) -> Result<f64> {
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
            let milliseconds: f64 = time.trim().strip_suffix(" ms")?.parse().ok()?;
            Some(1000.0 / milliseconds)
        })
        .with_context(|| format!("Looking for a frame's time in\n{printed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_that_went_wrong_has_no_rate() -> Result<()> {
        let good = "    GL_RENDERER:    virgl (llvmpipe)\n[build] use-vbo=true: FPS: 799 FrameTime: 1.250 ms\n";
        assert!((rate(good, "virgl")? - 800.0).abs() < 1e-9);
        assert!(rate(good, "softpipe").is_err());
        let failed = "GL_RENDERER: virgl\nError: Failed to link program\n";
        assert!(rate(failed, "virgl").is_err());
        let unsupported = "GL_RENDERER: virgl\n[bump] <default>: Unsupported\n";
        assert!(rate(unsupported, "virgl").is_err());
        Ok(())
    }

    /// Rounds with these ratios.
    fn rounds(ratios: &[f64]) -> Vec<Round> {
        let round = |ratio: &f64| Round {
            guest: 500.0 * ratio,
            native: 500.0,
        };
        ratios.iter().map(round).collect()
    }

    #[test]
    fn more_rounds_are_wanted_until_those_in_the_middle_agree() {
        assert!(settled(&rounds(&[0.70, 0.68, 0.72])));
        assert!(!settled(&rounds(&[0.70, 0.45, 0.72])));
        assert!(!settled(&rounds(&[0.70, 1.30, 0.72, 0.45])));
        assert!(settled(&rounds(&[0.70, 1.30, 0.72, 0.45, 0.71])));
    }

    #[test]
    fn a_round_in_which_the_machine_changed_does_not_count() {
        let mut rounds = rounds(&[0.70, 0.72, 0.68]);
        rounds[1].native = 1000.0;
        let scene = Scene { name: "", rounds };
        assert!((scene.ratio() - 0.68).abs() < 1e-9);
    }
}
