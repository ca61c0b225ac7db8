//! The parts of the program.

mod arguments;
mod campaign;
mod file;
mod gates;
mod one;
mod print;
mod search;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use self::arguments::{Arguments, Verb};

/// The scenario cannot be used.
const BAD_SCENARIO: u8 = 3;
/// Two runs of one seed differ.
const NOT_DETERMINISTIC: u8 = 4;

pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let is_help =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // There is no other code for a wrong call: 2 says "no convergence".
            return ExitCode::from(if is_help { 0 } else { BAD_SCENARIO });
        }
    };
    let code = match arguments.verb {
        Verb::Run(run) => one::run(&run),
        Verb::Search(search) => search::search(&search),
        Verb::Switches => print::switches(),
    };
    ExitCode::from(code)
}
