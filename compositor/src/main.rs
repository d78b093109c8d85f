//! The `lucarne` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    compositor::cli::main()
}
