//! What the statements before one of the same text have made uncertain, and those around the code that it is in.

use std::cell::Cell;
use std::collections::HashMap;

use policy::{Action, Catalog, ObjectKind, Verb};

use crate::names::{Name, is_same};
use crate::{Effects, SearchPath, Statement, TransactionEffect};

/// Bytes that code may have beyond the text's own length, where it is read again: in a loop, or in code of code.
const MORE_CODE: usize = 256 * 1024;

/// Statements and expressions of code that one text may have.
const MAX_PIECES: usize = 40_000;

/// A function that is made or altered: its schema, and what it does when it is called, where its code has been read with
/// the statement that made it.
type Altered = (Option<String>, Option<Made>);

/// What is known of a function that the text makes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    /// What a call of it changes.
    pub(crate) effects: Effects,
    /// Where its names were looked for.
    pub(crate) path: SearchPath,
}

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
    /// Functions hang on something that they did not before.
    hung: bool,
    /// What they name may be something else by now, so that no relation can be told what comes with it.
    pub(crate) strayed: bool,
    /// Relations that they create, by name: their schemas.
    created: HashMap<String, Vec<Option<String>>>,
    /// Relations that they have taken away, or may have.
    uncertain: HashMap<String, Vec<Option<String>>>,
    /// Functions that they make or alter, by name.
    functions: HashMap<String, Vec<Altered>>,
    /// Bytes of code that may still be read; of the outermost alone.
    code: Cell<usize>,
    /// Pieces of it; the same.
    pieces: Cell<usize>,
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
            hung: false,
            strayed: false,
            created: HashMap::new(),
            uncertain: HashMap::new(),
            functions: HashMap::new(),
            code: Cell::new(length.saturating_add(MORE_CODE)),
            pieces: Cell::new(MAX_PIECES),
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
            hung: outer.hung,
            strayed: outer.strayed,
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

    /// The schemas in which a relation of that name was created.
    pub(crate) fn created(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        self.levels().filter_map(move |before| before.created.get(name)).flatten().map(Option::as_deref)
    }

    /// Functions of that name that were made or altered: their schemas, and what each does, if that is known.
    pub(crate) fn functions(&self, name: &str) -> impl Iterator<Item = (Option<&str>, Option<&Made>)> {
        let named = self.levels().filter_map(move |before| before.functions.get(name)).flatten();
        named.map(|(schema, made)| (schema.as_deref(), made.as_ref()))
    }

    /// Whether that name in that schema may stand for nothing now, or for another relation.
    pub(crate) fn is_uncertain(&self, schema: &str, name: &str) -> bool {
        let is = |s: &Option<String>| s.as_deref().is_some_and(|s| is_same(s, schema));
        self.levels().filter_map(|before| before.uncertain.get(name)).flatten().any(is)
    }

    /// Whether so many bytes of code may still be read.
    pub(crate) fn spend(&self, bytes: usize) -> bool {
        let Some(outermost) = self.levels().last() else { return false };
        spend(&outermost.code, bytes)
    }

    /// Whether one more piece of code may be read.
    pub(crate) fn spend_piece(&self) -> bool {
        let Some(outermost) = self.levels().last() else { return false };
        spend(&outermost.pieces, 1)
    }

    /// Whether names stand for what they stood for at the beginning of the text.
    pub(crate) fn names_are_as_before(&self) -> bool {
        !self.moved && !self.strayed && self.levels().all(|before| before.uncertain.is_empty())
    }

    /// Whether every name stands for what the catalog says.
    pub(crate) fn names_are_certain(&self) -> bool {
        !self.moved && self.levels().all(|before| before.uncertain.is_empty() && before.functions.is_empty())
    }

    /// Whether anything is uncertain that was not around the code.
    pub(crate) fn has_changed(&self) -> bool {
        let Some(outer) = self.outer else { return false };
        !(self.created.is_empty() && self.uncertain.is_empty() && self.functions.is_empty())
            || self.hung != outer.hung
            || self.strayed != outer.strayed
            || (self.search_path, self.ddl, self.defines, self.moved, self.hangs_code, self.string_syntax)
                != (
                    outer.search_path,
                    outer.ddl,
                    outer.defines,
                    outer.moved,
                    outer.hangs_code,
                    outer.string_syntax,
                )
    }

    /// `unsettled`: the open transaction has changed a setting.
    pub(crate) fn add(
        &mut self,
        statement: &Statement,
        path: &SearchPath,
        catalog: &Catalog,
        unsettled: bool,
    ) {
        let provisional = catalog.is_provisional();
        let effects = &statement.effects;
        let hangs = statement.hangs_functions();
        // Of a block it is not known what came first.
        self.strayed |= (self.hung || (hangs && statement.tag == "DO")) && statement.moves_names(catalog);
        self.hung |= hangs;
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
            for (name, schemas) in &mut self.created {
                let lost = |schema: &mut Option<String>| !kept || schema.as_deref() == Some("pg_temp");
                let lost: Vec<Option<String>> = schemas.extract_if(.., lost).collect();
                if !lost.is_empty() {
                    self.uncertain.entry(name.clone()).or_default().extend(lost);
                }
            }
            self.created.retain(|_, schemas| !schemas.is_empty());
        }
        for (schema, name) in &effects.drops {
            if let Some(schemas) = self.created.get_mut(name) {
                schemas.retain(|created| created.as_ref() != Some(schema));
                if schemas.is_empty() {
                    self.created.remove(name);
                }
            }
            note(&mut self.uncertain, name, Some(schema.clone()));
        }
        let made = || Made { effects: statement.defers.clone(), path: path.clone() };
        let made = statement.makes_function_that_is_read().then(made);
        for Name { schema, name } in statement.functions_altered() {
            note(&mut self.functions, &name, (schema, made.clone()));
        }
        for Action { verb, object, .. } in statement.done() {
            if *verb == Verb::Create && object.kind == ObjectKind::Relation && object.class != "index" {
                note(&mut self.created, &object.name, object.schema.clone());
            }
        }
    }
}

/// Once for each name and what is noted of it.
fn note<T: PartialEq>(noted: &mut HashMap<String, Vec<T>>, name: &str, what: T) {
    let known = noted.entry(name.to_owned()).or_default();
    if !known.contains(&what) {
        known.push(what);
    }
}

fn spend(left: &Cell<usize>, what: usize) -> bool {
    let after = left.get().checked_sub(what);
    left.set(after.unwrap_or(0));
    after.is_some()
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
