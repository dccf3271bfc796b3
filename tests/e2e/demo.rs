//! The demo itself, which checks its own outcomes.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::process::finish;
use e2e::world::text;

#[test]
fn the_demo_comes_out_as_it_should() -> Result<()> {
    if std::env::var_os("PORTREEVE_E2E").is_none_or(|value| value != "1") {
        return Ok(());
    }
    let output = finish(&mut Command::new(env!("CARGO_BIN_EXE_demo")))?;
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}
