//! What Portreeve costs: `cargo xtask bench` runs one of these benchmarks.
//!
//! What is compared takes turns within one run, so that a machine that is busy for a while is so for all of it, and
//! medians over the rounds are told. No figure fails a run, since machines differ and are
//! noisy, but those of `sizes`, whose bounds are promises.

mod catalog;
mod connect;
mod cpu;
mod judge;
mod sizes;
mod statistics;
mod traffic;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::anyhow;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let done = match words.next().unwrap_or_default().as_str() {
        "traffic" => traffic::run(words),
        "catalog" => catalog::run(words),
        "judge" => judge::run(words),
        "sizes" => sizes::run(words),
        "connect" => connect::run(words),
        traffic::RELAY => traffic::relay(words),
        other => Err(anyhow!("no benchmark is called `{other}`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
