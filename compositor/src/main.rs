//! The `lucarne` program.

use std::process::ExitCode;

// Unwinding shows on each monitor what was there before: it is how a console survives us.
#[cfg(panic = "abort")]
compile_error!("Build with panic = \"unwind\": after an abort the monitors of a kiosk stay dark");

fn main() -> ExitCode {
    compositor::cli::main()
}
