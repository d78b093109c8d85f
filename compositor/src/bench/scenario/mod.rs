//! What the subjects have to do: a file for each scenario.

mod commands;
mod cursor;
mod damage;
mod flip;
mod frames;
mod gl;
mod guests;
mod idle;
mod input;
pub mod planes;
mod start;
mod transfer;

use std::time::Duration;

use super::{
    plan::{Plan, ScenarioKind},
    run::Bench,
    subject::{Lack, Wanted},
};

/// Something that is measured.
pub trait Scenario {
    /// What it does and what its figures mean, in a sentence or two for the report.
    fn about(&self) -> &'static str;

    /// What its simplest case wants of a subject: whoever does not suit that can't take part at all.
    ///
    /// # Errors
    /// This machine, or what was asked for, lacks something that all cases need.
    fn wanted(&self, plan: &Plan) -> Result<Wanted, Lack>;

    /// About how long all cases of a plan take, with all repetitions, where so many subjects suit what is
    /// [`wanted`](Scenario::wanted): for the estimate that is shown before a long run.
    fn takes(&self, plan: &Plan, subjects: u32) -> Duration;

    /// Measures all its cases through [`Bench::case`] and [`Bench::contest`].
    ///
    /// # Errors
    /// The scenario can't go on. A subject that crashes is not such an error: `Bench` writes that down.
    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()>;
}

/// What a start of a subject and of its guest takes beside what is measured, for estimates.
const START: Duration = Duration::from_millis(300);

/// The scenario of a kind.
#[must_use]
pub fn of(kind: ScenarioKind) -> Box<dyn Scenario> {
    match kind {
        ScenarioKind::Flip => Box::new(flip::Flip),
        ScenarioKind::Transfer => Box::new(transfer::Transfer),
        ScenarioKind::Damage => Box::new(damage::Damage),
        ScenarioKind::Cursor => Box::new(cursor::Cursor),
        ScenarioKind::Input => Box::new(input::Input),
        ScenarioKind::Commands => Box::new(commands::Commands),
        ScenarioKind::Guests => Box::new(guests::Guests),
        ScenarioKind::Idle => Box::new(idle::Idle),
        ScenarioKind::Start => Box::new(start::Start),
        ScenarioKind::Gl => Box::new(gl::Gl),
        ScenarioKind::Planes => Box::new(planes::Planes),
    }
}
