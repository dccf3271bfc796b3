//! `cargo xtask layers`: who may know whom.
//!
//! Between packages cargo's own description tells, inside the agent the text of the sources does. A circle
//! is impossible in an order, so it is the order that is checked.

mod modules;
mod packages;
mod paths;

#[cfg(test)]
mod tests;

use anyhow::{Result, bail};

use crate::process::{say, workspace};

/// The command.
pub(crate) fn run() -> Result<()> {
    let violations = check()?;
    if violations.is_empty() {
        say("every package and module knows only those to its right");
        return Ok(());
    }
    bail!("the import order is broken:\n  {}", violations.join("\n  "))
}

/// All that breaks the order, one line each.
///
/// # Errors
///
/// The tree cannot be read.
pub(crate) fn check() -> Result<Vec<String>> {
    let mut violations = packages::check(&packages::read(&workspace())?);
    violations.extend(modules::check(&modules::read(&workspace().join("agent/src"))?));
    Ok(violations)
}
