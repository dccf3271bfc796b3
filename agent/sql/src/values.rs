//! Names that stand for values of the code around a statement: parameters, variables, NEW and OLD.

use std::collections::BTreeMap;

use policy::Lineage;

use crate::SearchPath;
use crate::flow::constant;
use crate::name::{Name, is_same};
use crate::names::Names;

/// What a name carries beside what it may carry as a column's. A variable has nothing that was not told where it got
/// it; the rows of a trigger or a rule come from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    Nothing,
    Anything,
}

/// The names in sight. A name that may be a column's as well is read as both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    names: BTreeMap<String, Carries>,
    /// The function whose code it is, which may call itself.
    pub(crate) function: Option<Name>,
    /// It is a trigger's function, which may find the rows of a whole statement as a table (REFERENCING … TABLE).
    pub(crate) transition_tables: bool,
}

/// Of a statement that stands in no code.
pub(crate) static NO_VALUES: Values =
    Values { names: BTreeMap::new(), function: None, transition_tables: false };

impl Values {
    /// A variable or parameter, or a label that may stand before one.
    pub(crate) fn add(&mut self, name: impl Into<String>) {
        self.names.entry(name.into()).or_insert(Carries::Nothing);
    }

    /// The rows that a trigger or a rule is for.
    pub(crate) fn add_rows(&mut self) {
        for row in ["new", "old"] {
            self.names.insert(row.to_owned(), Carries::Anything);
        }
    }

    /// Another name for one of them.
    pub(crate) fn alias(&mut self, name: &str, of: &str) {
        let carries = self.names.get(of).copied().unwrap_or(Carries::Nothing);
        self.names.insert(name.to_owned(), carries);
    }

    /// Whether a call by that name may be one of the function whose code it is.
    pub(crate) fn is_function(&self, name: &Name, names: &Names<'_>) -> bool {
        self.function.as_ref().is_some_and(|own| {
            own.name == name.name
                && match (&name.schema, &own.schema, names.path) {
                    (Some(written), Some(schema), _) => is_same(written, schema),
                    (None, Some(schema), SearchPath::Known { schemas, .. }) => schemas.contains(schema),
                    (None, Some(_), SearchPath::Unknown) | (_, None, _) => true,
                }
        })
    }

    /// Whether this name may be one of them.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.names.is_empty() && self.names.contains_key(name)
    }

    /// What a reference carries that begins with this name, if it may be one of them.
    pub(crate) fn lineage(&self, name: &str) -> Option<Lineage> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(name).map(|carries| match carries {
            Carries::Nothing => constant(),
            Carries::Anything => Lineage::Unknown,
        })
    }
}
