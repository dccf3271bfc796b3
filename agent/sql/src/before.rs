//! What the statements before one of the same text have made uncertain, and those around the code that it is in.

use std::cell::Cell;

use policy::{Action, ObjectKind, Verb};

use crate::names::{Name, is_same};
use crate::{Statement, TransactionEffect};

/// Bytes that code may have beyond the text's own length, where it is read again: in a loop, or in code of code.
const MORE_CODE: usize = 256 * 1024;

/// What earlier statements have made uncertain. It only ever grows: what one of them may have done counts as done.
pub(crate) struct Before<'o> {
    /// Of the statement that this code is in.
    outer: Option<&'o Before<'o>>,
    /// `search_path` may have changed.
    pub(crate) search_path: bool,
    /// The catalog may have changed: lineage proves nothing any more.
    pub(crate) ddl: bool,
    /// Something may stand on what did not have it before.
    pub(crate) defines: bool,
    /// No name of a relation is certain any more.
    pub(crate) moved: bool,
    /// Any relation may run what changes settings.
    pub(crate) hangs_code: bool,
    /// How strings are read may have changed.
    pub(crate) string_syntax: bool,
    /// Relations that they create.
    created: Vec<Name>,
    /// Relations that they have taken away, or may have.
    uncertain: Vec<Name>,
    /// Functions that they make or alter, and whether the code of each has been read with the statement that made it.
    functions: Vec<(Name, bool)>,
    /// Bytes of code that may still be read; of the outermost alone.
    code: Cell<usize>,
}

impl<'o> Before<'o> {
    /// Before the first statement of a text of that many bytes.
    pub(crate) fn nothing(length: usize) -> Self {
        Before {
            outer: None,
            search_path: false,
            ddl: false,
            defines: false,
            moved: false,
            hangs_code: false,
            string_syntax: false,
            created: Vec::new(),
            uncertain: Vec::new(),
            functions: Vec::new(),
            code: Cell::new(length.saturating_add(MORE_CODE)),
        }
    }

    /// Before the first statement of code that is read where this is known.
    pub(crate) fn code_in(outer: &'o Before<'o>) -> Self {
        Before {
            outer: Some(outer),
            search_path: outer.search_path,
            ddl: outer.ddl,
            defines: outer.defines,
            moved: outer.moved,
            hangs_code: outer.hangs_code,
            string_syntax: outer.string_syntax,
            ..Before::nothing(0)
        }
    }

    fn levels(&self) -> impl Iterator<Item = &Before<'o>> {
        std::iter::successors(Some(self), |before| before.outer)
    }

    /// Whether it is known of code, whose statements need not run once and in their order.
    pub(crate) fn is_in_code(&self) -> bool {
        self.outer.is_some()
    }

    /// Relations that were created.
    pub(crate) fn created(&self) -> impl Iterator<Item = &Name> {
        self.levels().flat_map(|before| &before.created)
    }

    /// Functions that were made or altered.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &(Name, bool)> {
        self.levels().flat_map(|before| &before.functions)
    }

    /// Whether that name in that schema may stand for nothing now, or for another relation.
    pub(crate) fn is_uncertain(&self, schema: &str, name: &str) -> bool {
        let named = |n: &Name| n.name == name && n.schema.as_deref().is_some_and(|s| is_same(s, schema));
        self.levels().any(|before| before.uncertain.iter().any(named))
    }

    /// Whether so many bytes of code may still be read.
    pub(crate) fn spend(&self, bytes: usize) -> bool {
        let Some(outermost) = self.levels().last() else { return false };
        let left = outermost.code.get().checked_sub(bytes);
        outermost.code.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Whether every name stands for what the catalog says.
    pub(crate) fn names_are_certain(&self) -> bool {
        !self.moved && self.levels().all(|before| before.uncertain.is_empty() && before.functions.is_empty())
    }

    /// `unsettled`: the open transaction has changed a setting. `provisional`: it has changed relations.
    pub(crate) fn add(&mut self, statement: &Statement, unsettled: bool, provisional: bool) {
        let effects = &statement.effects;
        let takes_back = effects.transaction.as_ref().is_some_and(TransactionEffect::takes_back);
        self.search_path |= statement.moves_path() || (takes_back && unsettled);
        self.ddl |= effects.ddl;
        self.defines |= effects.ddl && statement.defines();
        self.hangs_code |= effects.hangs_code;
        self.string_syntax |= effects.string_syntax;
        self.moved |= effects.renames || (takes_back && provisional);
        if takes_back {
            // What a transaction created it may keep, and what it dropped it may have back.
            let kept = matches!(effects.transaction, Some(TransactionEffect::Commit { .. }));
            let lost = |name: &mut Name| !kept || name.schema.as_deref() == Some("pg_temp");
            self.uncertain.extend(self.created.extract_if(.., lost));
        }
        for (schema, name) in &effects.drops {
            let name = Name { schema: Some(schema.clone()), name: name.clone() };
            self.created.retain(|created| *created != name);
            self.uncertain.push(name);
        }
        let read = statement.makes_function_that_is_read();
        self.functions.extend(statement.functions_altered().map(|name| (name, read)));
        for Action { verb, object, .. } in statement.done() {
            if *verb == Verb::Create && object.kind == ObjectKind::Relation && object.class != "index" {
                self.created.push(Name { schema: object.schema.clone(), name: object.name.clone() });
            }
        }
    }
}

impl Statement {
    /// Whether it is a CREATE FUNCTION whose code is told by its own actions.
    fn makes_function_that_is_read(&self) -> bool {
        matches!(self.tag, "CREATE FUNCTION" | "CREATE PROCEDURE")
            && !self.actions.iter().any(|action| action.verb == Verb::Opaque)
    }

    /// Functions that it makes, alters or drops: what they run is not what the catalog says until it is committed.
    fn functions_altered(&self) -> impl Iterator<Item = Name> {
        let alters = |action: &&Action| {
            matches!(action.verb, Verb::Create | Verb::Alter | Verb::Drop)
                && action.object.kind == ObjectKind::Function
        };
        self.done()
            .iter()
            .filter(alters)
            .map(|action| Name { schema: action.object.schema.clone(), name: action.object.name.clone() })
    }
}
