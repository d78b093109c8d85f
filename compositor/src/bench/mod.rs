//! `lucarne bench`: what a frame costs, how long it takes, how many are missed, beside the alternatives.
//!
//! Everything is measured from outside, on processes that run as a user's do: our own compositor and
//! device processes, and those of peers, all with the same software guest for a virtual machine
//! (`guest`), so that the same commands reach each of them through the same virtqueues. Where several
//! are measured they take turns within one run, since a machine's speed changes from minute to minute;
//! what is compared are ratios of one run.
//!
//! - [`plan`]: what was asked for.
//! - [`subject`]: the seam: something that can be measured, and how it is started.
//! - [`peer`]: who is measured: ourselves, the alternatives, and a device that does nothing.
//! - [`scenario`]: what they have to do, a file for each.
//! - [`measure`]: clocks and counters of the machine, and the statistics of what they say.
//! - [`stopwatch`]: a Wayland server that shows nothing and takes the time.
//! - [`machine`]: the machine that a report is about.
//! - [`run`]: takes turns, and survives those that crash or hang.
//! - [`report`]: what came out, as a model, and that model as a table, as JSON and as a page.
//!
//! Nothing here may reach into a compositor or a device of this process: a number that a user's program
//! would not have does not count.

pub mod machine;
pub mod measure;
pub mod peer;
pub mod plan;
pub mod report;
pub mod run;
pub mod scenario;
pub mod stopwatch;
pub mod subject;
