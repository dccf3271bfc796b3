//! The three answers, in the order of their severity.

use std::fmt;

/// What becomes of an action, and of the statement that does it. The order is that of severity: of several
/// decisions the greatest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    /// It may run.
    Allow,
    /// It waits for a reviewer.
    Hold,
    /// It is refused.
    Deny,
}

impl Decision {
    /// Every decision, the mildest first.
    pub const ALL: [Decision; 3] = [Decision::Allow, Decision::Hold, Decision::Deny];

    /// The word in documents and records.
    pub const fn name(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Hold => "hold",
            Decision::Deny => "deny",
        }
    }

    /// The word in a sentence: *it is …*.
    pub const fn participle(self) -> &'static str {
        match self {
            Decision::Allow => "allowed",
            Decision::Hold => "held",
            Decision::Deny => "denied",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
