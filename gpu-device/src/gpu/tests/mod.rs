//! The whole core at work: commands in, calls of the display out.

#![expect(clippy::cast_possible_truncation, reason = "test data is small")]

mod attach;
mod commands;
mod cursor;
mod fixture;
mod frames;
mod hostile;
mod invariants;
mod keep;
mod ladder;
mod memory;
mod plug;
mod scanouts;
mod screens;
mod step;
mod three_d;
