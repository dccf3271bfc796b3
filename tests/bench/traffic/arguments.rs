//! What `cargo xtask bench` hands over. It has read its own arguments before: here nothing is explained.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// The arguments.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// How often each way is measured.
    pub(crate) rounds: u64,
    /// How long each time, in seconds.
    pub(crate) seconds: u64,
    /// Where the figures go.
    pub(crate) json: Option<PathBuf>,
    /// Words that a leg's label must all have.
    only: Vec<String>,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// They are others.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Arguments { rounds: 5, seconds: 1, json: None, only: Vec::new() };
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match &*word {
                "--rounds" => arguments.rounds = value.parse().context("--rounds needs a number")?,
                "--seconds" => arguments.seconds = value.parse().context("--seconds needs a number")?,
                "--json" => arguments.json = Some(value.into()),
                "--only" => arguments.only = value.split_whitespace().map(str::to_owned).collect(),
                _ => bail!("unknown argument {word}"),
            }
        }
        Ok(arguments)
    }

    /// Whether a leg of this label is measured.
    pub(crate) fn wants(&self, label: &str) -> bool {
        self.only.iter().all(|only| label.split(' ').any(|word| word == only))
    }
}
