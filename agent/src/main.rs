//! The program `portreeve`.

use std::process::ExitCode;

fn main() -> ExitCode {
    portreeve::cli::main()
}
