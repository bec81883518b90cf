//! The native program `b158`: standard output carries the result alone, everything else goes to standard error.

#![warn(clippy::unwrap_used, clippy::disallowed_macros, clippy::disallowed_methods)]

mod cli;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
