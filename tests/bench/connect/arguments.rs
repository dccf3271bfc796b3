//! What `cargo xtask bench connect` hands over. It has read its own arguments before: here nothing is explained.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// The arguments.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// How often each leg has its turn.
    pub(crate) rounds: usize,
    /// How many connections, or round trips, each time.
    pub(crate) connects: usize,
    /// Where the figures go.
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// They are others.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Arguments { rounds: 20, connects: 4000, json: None };
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match &*word {
                "--rounds" => arguments.rounds = value.parse().context("--rounds needs a number")?,
                "--connects" => arguments.connects = value.parse().context("--connects needs a number")?,
                "--json" => arguments.json = Some(value.into()),
                _ => bail!("unknown argument {word}"),
            }
        }
        Ok(arguments)
    }
}
