//! What `cargo xtask conformance` hands over. It has read its own arguments before: here nothing is explained.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use e2e::process::build_folder;

use crate::regress::QUICK;

/// The arguments.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The suite's name.
    pub(crate) suite: String,
    /// Its files.
    pub(crate) files: PathBuf,
    /// What was built for it.
    pub(crate) library: Option<PathBuf>,
    /// The tests that are run; all if none is named.
    only: Vec<String>,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// They are others.
    pub(crate) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Self> {
        let text = |word: OsString| word.into_string().map_err(|word| anyhow!("{word:?} is not UTF-8"));
        let suite = text(words.next().context("which suite?")?)?;
        let mut arguments = Arguments { suite, files: PathBuf::new(), library: None, only: Vec::new() };
        while let Some(word) = words.next() {
            let word = text(word)?;
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match &*word {
                "--files" => arguments.files = value.into(),
                "--library" => arguments.library = Some(value.into()),
                "--only" => arguments.only.push(text(value)?),
                _ => bail!("unknown argument {word}"),
            }
        }
        Ok(arguments)
    }

    /// Whether a test of this name is run.
    pub(crate) fn wants(&self, test: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == test)
    }

    /// The tests that are run; all if none is named.
    pub(crate) fn only(&self) -> &[String] {
        &self.only
    }

    /// Whether the whole suite is run.
    pub(crate) fn wants_all(&self) -> bool {
        self.only.is_empty() && self.suite != QUICK
    }

    /// Where what the tests say is kept, for a look at it afterwards.
    ///
    /// # Errors
    ///
    /// This program lies in no folder.
    pub(crate) fn results(&self) -> Result<PathBuf> {
        Ok(build_folder()?.join("conformance-outcomes").join(&self.suite))
    }
}
