//! What can meet nothing that is masked: what fails in it says so in the server's own words.

use policy::{Action, Lineage, ObjectKind, Output, Verb};
use sql::{CopyDirection, Statement};

use super::reading::Reading;

/// What runs no query, no trigger and no constraint of its own: all that it can fail by is its own text and the state of the
/// session. COMMIT and SET CONSTRAINTS are none of these, as what was deferred runs with them.
const RUNS_NOTHING: [&str; 15] = [
    "BEGIN",
    "START TRANSACTION",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "SET",
    "RESET",
    "SHOW",
    "DEALLOCATE",
    "DEALLOCATE ALL",
    "CLOSE CURSOR",
    "LISTEN",
    "UNLISTEN",
    "NOTIFY",
    "LOCK TABLE",
];

impl Reading {
    /// Whether it reads and writes nothing that is masked or not known, beside the relations that it names, and runs no code
    /// of users: what fails in it tells of nothing else.
    pub(crate) fn meets_nothing_masked(&self) -> bool {
        let unseen =
            |action: &Action| action.verb == Verb::Opaque || action.object.kind == ObjectKind::Function;
        !self.actions().iter().any(unseen) && self.statements().iter().all(is_clear)
    }
}

fn is_clear(statement: &Statement) -> bool {
    let known = |lineage: &Lineage| !matches!(lineage, Lineage::Unknown);
    let gives = match &statement.output {
        Output::None => true,
        Output::Columns(columns) => columns.iter().all(known),
        Output::Within(_) | Output::Inherited(_) | Output::Unknown => false,
    };
    let writes_or_reads = matches!(statement.tag, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE")
        || statement.effects.copy == Some(CopyDirection::In);
    RUNS_NOTHING.contains(&statement.tag)
        || (writes_or_reads && gives && known(&statement.written) && known(&statement.steers))
}
