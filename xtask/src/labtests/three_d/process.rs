//! What it costs that a process of its own draws for a guest: glmark2 in two guests, in turns. One has the process, the
//! device of the other draws by itself.

use anyhow::{Context as _, Result, ensure};

use super::{Gpu, Machine, glmark, median, start_with};
use crate::labtests::{Bench, Compositor, GuestFolder, Place, awake::Awake};

/// How often each scene is drawn by each.
const ROUNDS: usize = 3;

/// How long each time, in seconds.
const LASTS: &str = "1.0";

/// glmark2's score with the process, as a part of that without.
const BOUND: f64 = 0.97;

/// A scene's rates in frames a second, with the process and without.
struct Rates {
    scene: &'static str,
    with: f64,
    without: f64,
}

impl Rates {
    fn ratio(&self) -> f64 {
        self.with / self.without
    }
}

/// The process costs at most three in a hundred of glmark2's score, which is the mean of all scenes' rates: those whose
/// frames take least, where a wake-up more weighs most, weigh most in it. (A frame is 1.5 to 6 ms here for most. It cost
/// nine in a hundred while device and renderer woke each other some ten times a frame. From scene to scene it varies by
/// more than the bound, to either side: the device that draws by itself draws in the thread that the guest wakes, and the
/// guest waits where it would have gone on.)
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
    let mut rates = Vec::new();
    for (number, scene) in glmark::SCENES.iter().enumerate() {
        rates.push(measure(&folders, number * ROUNDS, scene)?);
    }
    for folder in &folders {
        folder.signal("done")?;
        folder.wait_for_end(glmark::SOON)?;
    }
    compositors.into_iter().try_for_each(Compositor::quit)?;

    let sum = |of: fn(&Rates) -> f64| rates.iter().map(of).sum::<f64>();
    let score = sum(|rates| rates.with) / sum(|rates| rates.without);
    let words = words(score, &rates);
    ensure!(score >= BOUND, "A process of its own leaves {words}");
    Ok(words)
}

/// Draws a scene in both guests, in turns.
fn measure(folders: &[GuestFolder; 2], first: usize, scene: &'static str) -> Result<Rates> {
    let order = format!("{scene}:duration={LASTS}");
    let mut rates = [Vec::new(), Vec::new()];
    for number in first..first + ROUNDS {
        for (folder, rates) in folders.iter().zip(&mut rates) {
            let rate =
                glmark::draw(folder, number, &order).with_context(|| format!("Drawing {scene}"))?;
            rates.push(rate);
        }
    }
    let [with, without] = rates.map(|rates| median(&rates).unwrap_or_default());
    Ok(Rates {
        scene,
        with,
        without,
    })
}

fn words(score: f64, rates: &[Rates]) -> String {
    let ratios: Vec<f64> = rates.iter().map(Rates::ratio).collect();
    let middle = median(&ratios).unwrap_or_default();
    let each: String = rates
        .iter()
        .map(|rates| {
            let (ratio, with, without) = (rates.ratio(), rates.with, rates.without);
            format!(
                "\n    {ratio:.3} ({with:.1} of {without:.1} frames/s) {}",
                rates.scene
            )
        })
        .collect();
    format!(
        "{score:.3} of glmark2's score without; of a scene's rate {middle:.3} in the middle{each}"
    )
}
