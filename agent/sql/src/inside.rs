//! Texts within texts.

/// How deep in code a statement stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Inside {
    /// Texts within texts.
    pub(crate) depth: usize,
    /// What the code does is all known before it: a loop's last statement comes before its first.
    pub(crate) settled: bool,
}

/// Texts within texts that are read.
const MAX_DEPTH: usize = 8;

impl Inside {
    /// In a text of the text.
    pub(crate) fn deeper(self) -> Option<Inside> {
        (self.depth < MAX_DEPTH).then_some(Inside { depth: self.depth + 1, ..self })
    }
}
