//! What a statement does to names, and to what hangs on them: which relations are gone or have other names behind it, and whether
//! names may have changed hands in a way that cannot be told.

use std::collections::BTreeSet;

use policy::catalog::Provisional;
use policy::{Action, Catalog, ObjectKind, Oid, Relation, RelationKind, Verb};

use crate::cursor::Cursor;
use crate::lexer::Token;
use crate::{Effects, Statement};

/// Notes it among the effects of the statement that these tokens are and that does this. `told`: so many of its words that
/// move names are told already.
pub(crate) fn note(
    text: &str,
    tokens: &[Token],
    actions: &[Action],
    told: usize,
    catalog: &Catalog,
    effects: &mut Effects,
) {
    if !effects.ddl {
        return;
    }
    let cascades = tokens.iter().any(|token| token.is(text, "cascade"));
    effects.renames |= renames(text, tokens, actions, told);
    // What a function does that is called is its own matter, as with names.
    let defines = actions.iter().any(|a| matches!(a.verb, Verb::Create | Verb::Alter | Verb::Opaque));
    effects.hangs_code |= defines && (effects.search_path || hangs_code(text, tokens, actions, catalog));
    // One that hangs somewhere may run something else now.
    let hung = |done: &Provisional| match done {
        Provisional::Made(made) => catalog.hung().iter().any(|(_, name)| *name == made.name),
        Provisional::Function(_, name) => catalog.hung().iter().any(|(_, hung)| hung == name),
        _ => false,
    };
    effects.hangs_code |= effects.names.iter().any(hung);
    for Action { object, .. } in actions.iter().filter(|a| a.verb == Verb::Drop) {
        let Some(schema) = &object.schema else { continue };
        match object.kind {
            // The relation stays.
            ObjectKind::Relation if object.class == "column" => {}
            ObjectKind::Relation => {
                effects.names.push(Provisional::Gone(schema.clone(), object.name.clone()));
                // The type of its rows goes with it.
                effects.names.push(Provisional::TypeGone(schema.clone(), object.name.clone()));
            }
            _ if matches!(object.class, "type" | "domain") => {
                effects.names.push(Provisional::TypeGone(schema.clone(), object.name.clone()));
            }
            _ => {}
        }
    }
    if cascades {
        let changed = actions.iter().filter(|a| matches!(a.verb, Verb::Drop | Verb::Alter));
        let dependents = dependents(changed.filter_map(|a| a.object.oid).collect(), catalog);
        let gone = dependents.into_iter().map(|r| Provisional::Gone(r.schema.clone(), r.name.clone()));
        effects.names.extend(gone);
    }
}

impl Statement {
    /// What it does to names, which no other connection sees before it is committed: what it tells itself, and what its actions
    /// make and alter. `catalog`: with what was done before.
    pub fn provisional(&self, catalog: &Catalog) -> Vec<Provisional> {
        let effects = &self.effects;
        if !effects.ddl && catalog.hung().is_empty() {
            return Vec::new();
        }
        // First: where a relation is moved to, it is not a new one.
        let mut done = effects.names.clone();
        // What hangs somewhere is not in the catalog yet, and may name something else by now. Of a block it is not known what came
        // first.
        let hangs = self.hangs_functions();
        let strays = (!catalog.hung().is_empty() || (hangs && self.tag == "DO")) && self.moves_names(catalog);
        for action in self.done() {
            let (verb, object) = (action.verb, &action.object);
            let (schema, name) = (object.schema.clone(), object.name.clone());
            match object.kind {
                ObjectKind::Relation if verb == Verb::Create => {
                    let kind = match object.class {
                        "view" => RelationKind::View,
                        "materialized view" => RelationKind::MaterializedView,
                        "foreign table" => RelationKind::ForeignTable,
                        "sequence" => RelationKind::Sequence,
                        // Of a class that belongs to a relation.
                        "index" | "statistics" => continue,
                        _ => RelationKind::Table,
                    };
                    let Some(schema) = schema else { continue };
                    done.push(Provisional::Created(schema.clone(), name.clone(), kind));
                    if kind == RelationKind::View {
                        let view = (schema, name);
                        done.extend(self.reads().map(|base| Provisional::Stands(view.clone(), base)));
                    }
                }
                ObjectKind::Schema if verb == Verb::Create => {
                    let certain = self.tag == "CREATE SCHEMA" && action.detail.roles.is_empty();
                    done.push(Provisional::Schema(name, certain));
                }
                _ if hangs && calls_users(action) => done.push(Provisional::Hung(schema, name)),
                _ => {}
            }
        }
        if self.defines() {
            done.push(Provisional::Changed);
        }
        if strays {
            done.push(Provisional::Strayed);
        }
        done.retain(|done| catalog.is_news(done));
        done
    }

    /// What it reads by itself, by which a view is made.
    fn reads(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let reads =
            |a: &&Action| a.verb == Verb::Select && !a.implied && a.object.kind == ObjectKind::Relation;
        let read = self.done().iter().filter(reads);
        read.filter_map(|action| Some((action.object.schema.clone()?, action.object.name.clone())))
    }

    /// Whether it makes or alters something, on which more stands behind it: what is only dropped leaves less.
    pub fn defines(&self) -> bool {
        let defines = |a: &Action| matches!(a.verb, Verb::Create | Verb::Alter | Verb::Opaque);
        // What goes by the way of a DROP is altered at most.
        !self.tag.starts_with("DROP") && self.done().iter().any(defines)
    }

    /// Whether it makes functions of users' run where they did not before: a trigger, a default, a policy.
    pub fn hangs_functions(&self) -> bool {
        self.effects.ddl && self.defines() && self.done().iter().any(calls_users)
    }

    /// Whether names in code that runs behind it may mean something else than before, by what it is known to do.
    pub fn moves_names(&self, catalog: &Catalog) -> bool {
        let moves = |a: &Action| match a.verb {
            Verb::Set => matches!(a.object.name.as_str(), "search_path" | "all" | "discard all"),
            Verb::SetRole | Verb::Opaque | Verb::Role => true,
            // Of a schema that may not be used nothing is found, nor by a role that is no member.
            Verb::Grant | Verb::Revoke => matches!(a.object.kind, ObjectKind::Schema | ObjectKind::Role),
            _ => a.object.kind == ObjectKind::Schema,
        };
        let another = |done: &Provisional| match done {
            Provisional::Gone(schema, name) => catalog
                .schemas()
                .any(|other| other != schema && catalog.relation_named(other, name).is_some()),
            Provisional::Moved(..) | Provisional::Inherits(..) => true,
            _ => false,
        };
        self.effects.renames || self.effects.names.iter().any(another) || self.done().iter().any(moves)
    }
}

/// Whether it is the call of a function of a user's.
fn calls_users(action: &Action) -> bool {
    action.verb == Verb::Function
        && action.object.class == "function"
        && action.object.schema.as_deref() != Some("pg_catalog")
}

/// Whether a name may stand for another relation, or for more of them. Of what was not understood, any of these
/// words is enough.
fn renames(text: &str, tokens: &[Token], actions: &[Action], told: usize) -> bool {
    let does = |verb| actions.iter().any(|a| a.verb == verb);
    if does(Verb::Opaque) {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return true };
        let text = text.as_bytes().get(first.start as usize..last.end as usize).unwrap_or_default();
        let has = |word: &[u8]| text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
        return [&b"rename"[..], b"schema", b"inherit", b"attach", b"drop"].into_iter().any(has);
    }
    let cursor = Cursor::new(text, tokens);
    if cursor.sees_all(&["drop", "owned"]) {
        return true;
    }
    let extension =
        |a: &Action| a.object.class == "extension" && matches!(a.verb, Verb::Alter | Verb::Create);
    // RENAME of a column or a constraint has that one's name before TO.
    const MOVING: [&[&str]; 4] = [&["rename", "to"], &["set", "schema"], &["inherit"], &["attach"]];
    let moving = |at: &usize| {
        let cursor = Cursor::new(text, tokens.get(*at..).unwrap_or_default());
        MOVING.iter().any(|words| cursor.sees_all(words))
    };
    let moving = if does(Verb::Alter) { (0..tokens.len()).filter(moving).count() } else { 0 };
    moving + usize::from(actions.iter().any(extension)) > told
}

/// Whether it may make a relation run what it did not before, and what its own text does not call: by a rule, an operator or
/// a cast; by defaults and checks that it has from another relation, or a cascade to one, where those may change settings.
fn hangs_code(text: &str, tokens: &[Token], actions: &[Action], catalog: &Catalog) -> bool {
    let sees = |word: &str| tokens.iter().any(|token| token.is(text, word));
    let alters = actions.iter().any(|a| a.verb == Verb::Alter);
    let takes_over =
        ["like", "inherits", "of"].into_iter().any(sees) || (alters && sees("references") && sees("on"));
    let relations = || actions.iter().filter_map(|a| catalog.relation(a.object.oid?));
    ["rule", "operator", "cast"].into_iter().any(sees)
        || (takes_over && relations().any(|relation| relation.has_triggers))
}

/// The relations that stand on these, and those that stand on them.
pub(crate) fn dependents(mut of: BTreeSet<Oid>, catalog: &Catalog) -> Vec<&Relation> {
    let mut found = Vec::new();
    loop {
        let before = of.len();
        for relation in catalog.relations().filter(|r| r.oid != 0) {
            let stands = relation.bases.iter().any(|base| of.contains(&base.relation))
                || relation.parents.iter().any(|parent| of.contains(parent));
            if stands && of.insert(relation.oid) {
                found.push(relation);
            }
        }
        if of.len() == before {
            return found;
        }
    }
}
