//! Which rules lose what they restrict when it gets another name.

use super::Judging;
use super::when::COLUMNS;
use crate::action::{Action, Object, Renaming, Verb};
use crate::decision::Decision;
use crate::pattern::{ColumnPattern, Unknown};

impl Judging {
    /// Whether the rule denies or holds something that may be done to this object by its name, and would not by a name that
    /// the action gives it.
    pub(crate) fn loses(&self, action: &Action) -> bool {
        let object = &action.object;
        self.decision > Decision::Allow
            && self.objects.contains(object, Unknown::Matches)
            && action.detail.renamings.iter().any(|renaming| match renaming {
                Renaming::To { schema, name } => {
                    let becomes = Object { schema: schema.clone(), name: name.clone(), ..object.clone() };
                    self.loses_object(object, &becomes)
                }
                Renaming::Column { from, to } => {
                    self.restricts(object, true)
                        && self.names_column(object, from)
                        && !self.names_column(object, to)
                }
            })
    }

    fn loses_object(&self, object: &Object, becomes: &Object) -> bool {
        let by_columns = !self.when.columns.is_empty();
        let of = |object: &Object, pattern: &ColumnPattern| {
            pattern.may_be_of(object.schema.as_deref(), Some(&object.name))
        };
        let mut known = self.when.columns.iter().filter(|pattern| of(object, pattern)).peekable();
        if !self.restricts(object, by_columns) || (by_columns && known.peek().is_none()) {
            return false;
        }
        !self.objects.contains(becomes, Unknown::Differs)
            || known.any(|pattern| becomes.schema.is_none() || !of(becomes, pattern))
    }

    /// Whether what it restricts may be done to an object that is there; `by_columns`: to columns of it. What is created is
    /// another one.
    fn restricts(&self, object: &Object, by_columns: bool) -> bool {
        Verb::ALL.into_iter().any(|verb| {
            verb != Verb::Create
                && verb.may_be_done_to(object.kind)
                && (!by_columns || COLUMNS.contains(&verb))
                && self.actions.has(verb, object.class)
        })
    }

    fn names_column(&self, object: &Object, column: &str) -> bool {
        self.when.columns.iter().any(|pattern| match &object.schema {
            Some(schema) => pattern.matches(schema, &object.name, column),
            None => pattern.matches_anywhere(&object.name, column),
        })
    }
}
