//! Which tests said the same on both ways.

use std::process::Command;

use anyhow::Result;
use e2e::process::finish;

use crate::Outcomes;

/// What a test said on both ways.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) test: String,
    /// None where the test did not run.
    pub(crate) direct: Option<String>,
    pub(crate) through: Option<String>,
}

impl Pair {
    /// Whether both are the same.
    pub(crate) fn is_same(&self) -> bool {
        self.direct == self.through
    }

    /// The difference, as `diff` tells it.
    ///
    /// # Errors
    ///
    /// There is no `diff`.
    pub(crate) fn diff(&self) -> Result<String> {
        let folder = tempfile::tempdir()?;
        for (name, text) in [("direct", &self.direct), ("through", &self.through)] {
            let text = text.as_deref().unwrap_or("(did not run)\n");
            std::fs::write(folder.path().join(name), text)?;
        }
        let mut diff = Command::new("diff");
        diff.args(["-U2", "--label", "direct", "--label", "through Portreeve", "direct", "through"]);
        let told = finish(diff.current_dir(folder.path()))?;
        Ok(String::from_utf8_lossy(&told.stdout).into_owned())
    }
}

/// Puts the outcomes of a test beside each other, in the order of the direct run.
pub(crate) fn pair(direct: Outcomes, mut through: Outcomes) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (test, text) in direct {
        let at = through.iter().position(|(other, _)| *other == test);
        let other = at.map(|at| through.remove(at).1);
        pairs.push(Pair { test, direct: Some(text), through: other });
    }
    pairs.extend(through.into_iter().map(|(test, text)| Pair { test, direct: None, through: Some(text) }));
    pairs
}
