//! Runs small operations again and again: with criterion for their times, or a fixed number of times
//! for a tool that counts instructions.
//!
//! `cargo bench -p protocols -p gpu-device` takes times. `cargo xtask bench-check` counts, and for that
//! runs the program as `micro list` and `micro count NAME`.

use std::{env, hint::black_box};

use criterion::Criterion;

/// Something that can be done again and again.
pub type Work = Box<dyn FnMut()>;

/// Something small that is done often.
#[derive(Clone, Copy)]
pub struct Operation {
    /// Its name in tables: the room, a slash, what is done.
    pub name: &'static str,
    /// How often it is done where instructions are counted.
    pub rounds: u32,
    /// Makes what it needs, and then it. The error says what this machine lacks.
    pub prepare: fn() -> Result<Work, String>,
    /// Whether its instructions are its own and not the kernel's.
    pub counted: bool,
}

impl Operation {
    /// An operation that needs nothing of the machine.
    pub const fn new(name: &'static str, prepare: fn() -> Result<Work, String>) -> Self {
        Self {
            name,
            rounds: 100,
            prepare,
            counted: true,
        }
    }

    /// The same, for one that takes long.
    pub const fn rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds;
        self
    }
}

/// What a bench target's `main` does.
pub fn run(operations: &[Operation]) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["list"] => list(operations),
        ["count", name] => count(operations, name),
        _ => time(operations),
    }
}

/// Names of what can be counted, and how often each is done.
#[expect(clippy::print_stdout, reason = "it is what the program was asked for")]
fn list(operations: &[Operation]) {
    for operation in operations.iter().filter(|operation| operation.counted) {
        println!("{} {}", operation.name, operation.rounds);
    }
}

fn count(operations: &[Operation], name: &str) {
    let operation = operations
        .iter()
        .find(|operation| operation.name == name)
        .expect("an operation of this name");
    let mut work = (operation.prepare)().expect("what the operation needs");
    // What the first time costs, like memory that grows to its size, is not what it costs.
    for _ in 0..4 {
        work();
    }
    counted_rounds(&mut *work, operation.rounds);
}

/// The tool counts while this function runs, and finds it by its name.
#[inline(never)]
fn counted_rounds(work: &mut dyn FnMut(), rounds: u32) {
    for _ in 0..black_box(rounds) {
        work();
    }
}

#[expect(clippy::print_stderr, reason = "somebody waits for the times")]
fn time(operations: &[Operation]) {
    let mut criterion = Criterion::default().configure_from_args();
    for operation in operations {
        match (operation.prepare)() {
            Ok(mut work) => {
                criterion.bench_function(operation.name, |bencher| bencher.iter(&mut work));
            }
            Err(lack) => eprintln!("{}: left out: {lack}", operation.name),
        }
    }
    criterion.final_summary();
}
