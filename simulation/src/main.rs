//! `mirrormesh-simulate`: searches seeds, and runs scenarios.
//!
//! The only place in this crate that has threads, files, a clock and a terminal; what it starts
//! with them is deterministic all the same. Data on stdout, talk on stderr; exit codes of CLI.md.

mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::main()
}
