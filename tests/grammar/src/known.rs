//! Dangerous differences that are known, each with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Classes of findings, and why each is there.
pub struct Known(BTreeMap<String, String>);

impl Known {
    /// Lines of `CLASS = REASON`; `#` begins a comment.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a line has no reason.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut known = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some((class, reason)) = line.split_once(" = ") else {
                bail!("{}: `{line}` has no reason: write CLASS = REASON", path.display());
            };
            known.insert(class.trim().to_owned(), reason.trim().to_owned());
        }
        Ok(Known(known))
    }

    pub fn has(&self, class: &str) -> bool {
        self.0.contains_key(class)
    }

    /// Those that were not met.
    pub fn others<'a>(&'a self, met: &'a dyn Fn(&str) -> bool) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str).filter(move |class| !met(class))
    }
}
