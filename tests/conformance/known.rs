//! The differences that are known, each with its reason.

use anyhow::{Context as _, Result};

/// A suite's list: lines `TEST -- REASON`, and comments after `#`. `TEST (N lines)` is for a test that says much: in
/// exactly so many lines it differs, so that another difference beside the known one is none that is listed.
#[derive(Debug)]
pub(crate) struct Known(Vec<Entry>);

/// A line of it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which test.
    pub(crate) test: String,
    /// In how many lines, where that is said.
    pub(crate) lines: Option<usize>,
    /// Why.
    pub(crate) reason: String,
}

impl Known {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// A line has no reason.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entry = |line: &str| {
            let (test, reason) = line.split_once(" -- ").with_context(|| format!("no reason in `{line}`"))?;
            let counted = test.strip_suffix(" lines)").and_then(|test| test.rsplit_once(" ("));
            let counted = counted.and_then(|(test, lines)| Some((test, lines.parse().ok()?)));
            let (test, lines) = counted.map_or((test, None), |(test, lines)| (test, Some(lines)));
            Ok(Entry { test: test.to_owned(), lines, reason: reason.to_owned() })
        };
        lines.map(entry).collect::<Result<_>>().map(Known)
    }

    /// What is known of a test.
    pub(crate) fn of(&self, test: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.test == test)
    }

    /// All of it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}

impl Entry {
    /// Whether this difference, as `diff` tells it, is the one that is known.
    pub(crate) fn is(&self, diff: &str) -> bool {
        // The first two lines name both ways.
        let changed = diff.lines().skip(2).filter(|line| line.starts_with(['+', '-'])).count();
        self.lines.is_none_or(|lines| lines == changed)
    }
}
