//! What it costs that a process of its own draws for a guest: glmark2 in two guests, in turns. One has the process, the
//! device of the other draws by itself.

use anyhow::{Context as _, Result, ensure};

use super::{Gpu, Machine, glmark, median, start_with};
use crate::labtests::{Bench, Compositor, Place, awake::Awake};

/// From those whose frames take least, where a way to another process weighs most, to those that the CPU draws for long.
const SCENES: &[&str] = &[
    "build:use-vbo=true",
    "texture:texture-filter=linear",
    "shading:shading=phong",
    "effect2d:kernel=0,1,0;1,-4,1;0,1,0;",
    "buffer:columns=200:interleave=false:update-dispersion=0.9:update-fraction=0.5:update-method=subdata",
    "shadow",
    "conditionals:fragment-steps=5:vertex-steps=0",
    "loop:fragment-loop=false:fragment-steps=5:vertex-steps=5",
];

/// How often each is drawn by each.
const ROUNDS: usize = 5;

/// How long each time, in seconds.
const LASTS: &str = "1.0";

/// The rate with the process, as a part of that without.
const BOUND: f64 = 0.97;

/// The process costs at most three frames in a hundred: two wake-ups a frame, one for its order and one for its answer. (A
/// frame is 1.5 to 6 ms here. It cost nine in a hundred while device and renderer woke each other some ten times a frame.
/// From scene to scene it varies by more than the bound, since the device that draws by itself draws in the thread that
/// the guest wakes.)
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let _awake = Awake::keep()?;
    let program = glmark::drawing(glmark::OFF_SCREEN);
    let [with, without] = ["with", "without"];
    let folders = [
        place.guest(with, &program)?,
        place.guest(without, &program)?,
    ];
    let [first, second] = &folders;
    let machine = |name, folder| Machine {
        name,
        folder,
        gpu: Gpu::Virgl,
    };
    let here = [("LUCARNE_RENDERER_HERE", "1")];
    let compositors = [
        start_with(bench, place, with, &[machine(with, first)], &[])?,
        start_with(bench, place, without, &[machine(without, second)], &here)?,
    ];
    let mut number = 0;
    let mut scenes = Vec::new();
    for scene in SCENES {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let order = format!("{scene}:duration={LASTS}");
            for (folder, rates) in folders.iter().zip(&mut rates) {
                let time = glmark::draw(folder, number, &order)
                    .with_context(|| format!("Drawing {scene}"))?;
                rates.push(1000.0 / time);
            }
            number += 1;
        }
        let [with, without] = rates.map(|rates| median(&rates).unwrap_or_default());
        scenes.push((with / without, with, without, *scene));
    }
    for folder in &folders {
        folder.signal("done")?;
        folder.wait_for_end(glmark::SOON)?;
    }
    compositors.into_iter().try_for_each(Compositor::quit)?;

    let ratios: Vec<f64> = scenes.iter().map(|scene| scene.0).collect();
    let middle = median(&ratios).unwrap_or_default();
    let each: String = scenes
        .iter()
        .map(|(ratio, with, without, name)| {
            format!("\n    {ratio:.3} ({with:.1} of {without:.1} frames/s) {name}")
        })
        .collect();
    let words = format!("{middle:.3} of the rate without in the middle{each}");
    ensure!(middle >= BOUND, "A process of its own leaves {words}");
    Ok(words)
}
