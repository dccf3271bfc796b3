//! What runs beside a statement's own text: bodies of functions, triggers, cascades, and what operators and casts call.
//!
//! A body is not parsed. Every relation that its static SQL touches stands in it by name, so that each name that means a
//! relation counts as read, and as written where the grammar puts a target; each that means a function, as called. It errs
//! to more, which is why all of it is implied: rules that deny or hold apply to it. What a body makes of strings while it
//! runs is not known, and opaque.

use std::rc::Rc;

use policy::catalog::{Body, Referential};
use policy::{ALL_SETTINGS, Action, Function, Lineage, Oid, Relation, RelationKind, Verb};

use self::tokens::{OF_STATEMENTS, SETTING, WRITING, chooses, is_privilege, utilities, written_at};
use super::Reader;
use super::call::makes_values;
use super::texts::{reads_relation, runs_text, runs_text_elsewhere};
use super::uses::Told;
use crate::cursor::Cursor;
use crate::keywords::is_reserved;
use crate::lexer::{Kind, Token, lex_body};
use crate::name::Name;
use crate::names::{Builtin, builtin};
use crate::{SearchPath, Settings};

mod columns;
mod moved;
mod results;
mod tokens;
mod unseen;
mod values;

pub(in crate::read) use results::Results;
pub(in crate::read) use values::{By, Kept};

/// Bodies that one statement may run; of more it is not told what they do.
const MAX_BODIES: usize = 300;

/// Relations that one statement may write to, of those with anything that runs by it: a table may have thousands of partitions.
const MAX_WRITTEN: usize = 20_000;

/// Texts within texts: EXECUTE of a literal, DO.
const MAX_DEPTH: usize = 8;

impl<'a> Reader<'a> {
    /// Reads as what comes along with what was named.
    pub(crate) fn implying<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.implies, true);
        let result = read(self);
        self.implies = outer;
        result
    }

    /// What a function runs, with the path that it brings along, or that of what calls it. Gives what its result is made of
    /// beside its arguments.
    pub(super) fn runs(&mut self, function: &'a Function) -> Lineage {
        let path = own_path(function).map_or(self.path, |own| self.path_of_bodies(own));
        let run = (std::ptr::from_ref(function), path, self.runs_by);
        self.along(path, |reader| {
            if reader.bodies.len() == MAX_BODIES {
                reader.opaque("it runs too many functions");
            } else if reader.bodies.insert(run) {
                reader.bodies_run.push((function, path, reader.runs_by));
                reader.reading(run, |reader| {
                    // What is not committed may have put another in its place.
                    for made in reader.names.catalog.functions_made(&function.schema, &function.name) {
                        reader.runs(made);
                    }
                    reader.runs_body(function);
                });
            }
        });
        self.result_of(run)
    }

    /// The number of a path that a body brings along, which may be the same as the session's and is another then, too: it does
    /// not move where that one does.
    fn path_of_bodies(&mut self, path: SearchPath) -> usize {
        let known = self.paths.iter().skip(1).position(|known| **known == path);
        known.map_or_else(
            || {
                self.paths.push(Rc::new(path));
                self.paths.len() - 1
            },
            |at| at + 1,
        )
    }

    fn runs_body(&mut self, function: &'a Function) {
        let shown = || format!("{}.{}", function.schema, function.name);
        if self.names.catalog.is_function_uncertain(&function.schema, &function.name) {
            self.opaque(format!("what {} runs, which is made or altered by what is not committed", shown()));
            return;
        }
        self.reads_body(function);
    }

    /// What the functions of a name do once their names are looked for along another path, or along that of who calls them.
    /// As where they are made it counts as stored.
    pub(crate) fn reads_along(&mut self, name: &Name, path: Option<&SearchPath>) {
        let by = std::mem::replace(&mut self.runs_by, By::Filling);
        let catalog = self.names.catalog;
        for function in self.names.functions(name) {
            let path = path.or_else(|| function.security_definer.then_some(&SearchPath::Unknown));
            let path = path.map_or(self.path, |path| self.path_of_bodies(path.clone()));
            self.along(path, |reader| {
                reader.reads_body(function);
                let made = catalog.functions_made(&function.schema, &function.name);
                made.for_each(|made| reader.reads_body(made));
            });
        }
        self.runs_by = by;
    }

    fn reads_body(&mut self, function: &'a Function) {
        let shown = || format!("{}.{}", function.schema, function.name);
        for (setting, value) in function.config.iter().filter_map(|setting| setting.split_once('=')) {
            if matches!(setting, "role" | "session_authorization") {
                // It ends with the function.
                let moved = self.moved_paths.clone();
                self.implying(|reader| reader.assign(setting, Some(value)));
                self.moved_paths = moved;
            }
            self.bodies_rename |= setting == "plpgsql.variable_conflict";
        }
        let checks = self.names.catalog.calls().arguments.get(&function.oid);
        self.implying(|reader| checks.into_iter().flatten().for_each(|oid| reader.call_member(*oid)));
        match &function.body {
            Body::Foreign if runs_text_elsewhere(&function.name) => {
                self.opaque(format!("{} runs a text", shown()));
            }
            Body::Foreign => {
                if !self.gives_its_arguments(function) {
                    self.give(Lineage::Unknown);
                }
            }
            Body::Unread => self.opaque(format!("what {} runs is not read", shown())),
            Body::Calls(functions) => {
                self.implying(|reader| functions.iter().for_each(|oid| reader.call_member(*oid)));
            }
            Body::Tree { relations, functions, writes } => self.implying(|reader| {
                for relation in relations {
                    reader.touch_oid(*relation, Verb::Select);
                    for verb in WRITING.iter().filter(|_| *writes) {
                        reader.touch_oid(*relation, *verb);
                    }
                }
                functions.iter().for_each(|oid| reader.call_member(*oid));
            }),
            Body::Text(text) => {
                if function.config.iter().any(|setting| setting.starts_with("standard_conforming_strings")) {
                    self.opaque(format!("what {} runs, by strings that are read otherwise", shown()));
                    return;
                }
                let dynamic = function.language == "plpgsql";
                self.implying(|reader| reader.scan(text, dynamic, &shown(), 0));
            }
        }
    }

    /// `verb` on a relation that no text names.
    pub(crate) fn touch_oid(&mut self, oid: Oid, verb: Verb) {
        match self.names.catalog.relation(oid) {
            Some(relation) => self.touch_known(verb, relation, &Told::Nothing),
            None => self.opaque("it reaches a relation that is not in the catalog"),
        }
    }

    /// A function that another calls, by its OID.
    pub(crate) fn call_member(&mut self, oid: Oid) {
        match self.names.catalog.function(oid) {
            Some(function) => self.call_known(function),
            None => self.opaque("it calls a function that is not in the catalog"),
        }
    }

    fn call_known(&mut self, function: &'a Function) {
        if function.schema == "pg_catalog" {
            if function.name == "current_setting" {
                self.tells_setting(ALL_SETTINGS);
            }
            let name = Name { schema: Some(function.schema.clone()), name: function.name.clone() };
            if runs_text(&name.name) || reads_relation(&name.name) {
                // What it is given is not told here.
                self.opaque(format!("{} runs a text", name.name));
            }
            if builtin(&name.name) != Builtin::Harmless {
                self.call_builtin(Verb::Function, &name, &[function]);
            }
            return;
        }
        self.call_function(Verb::Function, function);
    }

    /// A body's text. `dynamic`: EXECUTE runs a string in it.
    fn scan(&mut self, text: &str, dynamic: bool, shown: &str, depth: usize) {
        if !self.names.before.spend_body(text.len()) {
            return self.opaque("it runs too much code");
        }
        let settings = Settings { standard_conforming_strings: true, utf8: true, ..Settings::default() };
        let Ok((text, tokens)) = lex_body(text.as_bytes(), &settings, self.limits) else {
            self.opaque(format!("the body of {shown} is not understood"));
            return;
        };
        let moves = tokens.iter().any(|token| token.is(text, "search_path") || token.is(text, "set_config"));
        let path = if moves { self.path_of_bodies(SearchPath::Unknown) } else { self.path };
        self.along(path, |reader| reader.scan_tokens(text, &tokens, dynamic, shown, depth));
    }

    fn scan_tokens(&mut self, text: &str, tokens: &[Token], dynamic: bool, shown: &str, depth: usize) {
        let path = &*Rc::clone(&self.paths[self.path]);
        // Where `\\` escapes, other parts of it are strings.
        self.escapes_in_bodies |= text.contains('\\');
        self.bodies_rename |=
            ["alter", "variable_conflict"].iter().any(|word| tokens.iter().any(|t| t.is(text, word)));
        self.bodies_move_strings |=
            !self.names.conforming || text.to_ascii_lowercase().contains("standard_conforming_strings");
        if self.escapes_in_bodies && self.bodies_move_strings {
            self.opaque(format!("what {shown} runs, by strings that are read otherwise"));
        }
        self.note_errors(text, tokens);
        let mut handed_on = String::new();
        for segment in tokens.split(|token| token.kind == Kind::Semicolon) {
            self.segment(text, segment, path, dynamic, shown, depth);
            self.cursors_in_body(text, segment, dynamic && depth == 0, shown);
            utilities(text, segment, &mut handed_on);
        }
        // All at once: what one of them creates another may name.
        let settings = Settings { utf8: true, search_path: path.clone(), ..Settings::default() };
        self.given_statements(&handed_on, &settings);
        self.hidden_calls(text, tokens, path);
        // A variable may be of a type whose values are checked.
        self.checks_of_types(text, tokens);
    }

    /// The tokens from one semicolon to the next.
    fn segment(
        &mut self,
        text: &str,
        tokens: &[Token],
        path: &SearchPath,
        dynamic: bool,
        shown: &str,
        depth: usize,
    ) {
        let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(text, word));
        let whole: Vec<Verb> = OF_STATEMENTS
            .iter()
            .filter(|(word, _)| tokens.iter().any(|t| t.is(text, word)))
            .map(|(_, v)| *v)
            .collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at).copied() {
            if is(at, "execute") && (dynamic || depth > 0) && !is_privilege(text, &tokens[at + 1..]) {
                let next = tokens.get(at + 2);
                let alone = next.is_none_or(|t| ["into", "using", "loop"].iter().any(|w| t.is(text, w)));
                self.nested(text, tokens.get(at + 1).copied().filter(|_| alone), shown, depth);
            }
            if is(at, "do") && tokens.get(at + 1).is_some_and(|next| next.kind.is_string()) {
                self.nested(text, tokens.get(at + 1).copied(), shown, depth);
            }
            if (is(at, "role") || is(at, "authorization"))
                && (1..=3).any(|back| at.checked_sub(back).is_some_and(|before| is(before, "set")))
            {
                self.role_in_body(text, tokens, at + 1);
            }
            let behind_dot = at.checked_sub(1).is_some_and(|before| tokens[before].kind == Kind::Dot);
            let reserved = token.kind == Kind::Word && !behind_dot && is_reserved(&token.name(text));
            if !token.kind.is_name() || reserved {
                at += 1;
                continue;
            }
            let mut cursor = Cursor::new(text, &tokens[at..]);
            let first = token.name(text).into_owned();
            cursor.next();
            let qualified = cursor.eat_kind(Kind::Dot).then(|| cursor.label()).flatten();
            let called = cursor.sees_kind(Kind::LeftParen);
            // The name of the database may stand before that of the schema.
            if let Some(name) = &qualified {
                let name = Name { schema: Some(first.clone()), name: name.clone().into_owned() };
                self.mention(&name, text, tokens, at, path, &whole);
                if called {
                    self.call_in_body(&name, path, text, cursor, shown);
                }
            }
            let name = Name { schema: None, name: first };
            if !behind_dot {
                self.mention(&name, text, tokens, at, path, &whole);
            }
            let calls = tokens.get(at + 1).is_some_and(|next| next.kind == Kind::LeftParen);
            if calls && !behind_dot {
                let mut arguments = Cursor::new(text, &tokens[at + 1..]);
                arguments.rest = &tokens[at + 1..];
                self.call_in_body(&name, path, text, arguments, shown);
            } else if behind_dot && !calls {
                // Attribute notation.
                let of_value = at.checked_sub(2).is_some_and(|before| {
                    matches!(tokens[before].kind, Kind::RightParen | Kind::RightBracket | Kind::Parameter)
                });
                for function in self.names.functions_along(path, &name) {
                    if of_value || function.schema != "pg_catalog" {
                        self.call_known(function);
                    }
                }
            }
            at += 1;
        }
    }

    /// A text that a body runs: only a plain literal can be read.
    fn nested(&mut self, text: &str, literal: Option<Token>, shown: &str, depth: usize) {
        match literal.and_then(|token| token.literal(text)) {
            Some(inner) if depth < MAX_DEPTH => self.scan(&inner, true, shown, depth + 1),
            _ => self.opaque(format!("{shown} runs a text that it makes while it runs")),
        }
    }

    fn role_in_body(&mut self, text: &str, tokens: &[Token], at: usize) {
        let mut cursor = Cursor::new(text, tokens.get(at..).unwrap_or_default());
        let _ = cursor.eat("to") || cursor.eat_operator("=") || cursor.eat_kind(Kind::ColonEquals);
        match cursor.string().map_or_else(|| cursor.label().map(|l| l.into_owned()), |t| t.literal(text)) {
            Some(role) => self.assign("role", Some(&role)),
            None => self.assign("role", None),
        }
    }

    /// A name that may mean a relation.
    fn mention(
        &mut self,
        name: &Name,
        text: &str,
        tokens: &[Token],
        at: usize,
        path: &SearchPath,
        whole: &[Verb],
    ) {
        let relations: Vec<&'a Relation> = match self.names.mentioned(path, name) {
            Ok(relations) => relations,
            Err(()) => {
                self.opaque("what a function names may be another relation now");
                return;
            }
        };
        if relations.is_empty() {
            return;
        }
        let verbs = written_at(text, tokens, at);
        for relation in relations {
            // A column that was added a moment ago may be called as what is taken for a variable.
            let chosen = verbs.len() == 2
                && !self.bodies_rename
                && !self.names.may_hang_more()
                && chooses(text, tokens, at, relation);
            let is_done = |verb: &&Verb| !chosen || !matches!(verb, Verb::UpdateAll | Verb::DeleteAll);
            self.note_columns(
                relation.oid,
                columns::read_of(text, tokens, at, name.schema.is_some(), relation),
            );
            for verb in [Verb::Select].iter().chain(verbs.iter().filter(is_done)).chain(whole) {
                self.touch_known(*verb, relation, &Told::Nothing);
            }
        }
    }

    fn call_in_body(
        &mut self,
        name: &Name,
        path: &SearchPath,
        text: &str,
        mut arguments: Cursor<'_>,
        shown: &str,
    ) {
        let functions = self.names.functions_along(path, name);
        if self.names.catalog.functions_uncertain(&name.name).next().is_some() {
            self.opaque(format!("what {name} runs, which is made or altered by what is not committed"));
        }
        for function in functions.iter().filter(|function| function.schema != "pg_catalog") {
            self.call_known(function);
        }
        let own = name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
        if !own {
            return;
        }
        if matches!(&*name.name, "set_config" | "current_setting") {
            arguments.next();
            let literal = |cursor: &mut Cursor<'_>| {
                let value = cursor.string().and_then(|token| token.literal(text));
                let ends = cursor.eat_kind(Kind::Comma) || cursor.sees_kind(Kind::RightParen);
                value.filter(|_| ends)
            };
            let setting = literal(&mut arguments).map(|setting| setting.to_ascii_lowercase());
            if name.name == "current_setting" {
                return self.tells_setting(setting.as_deref().unwrap_or(ALL_SETTINGS));
            }
            match setting {
                Some(setting) => {
                    let value = literal(&mut arguments);
                    self.assign(&setting, value.as_deref());
                }
                None => self.opaque(format!("{shown} sets a setting that is not a plain literal")),
            }
        }
        if let Some(function) = functions.into_iter().find(|function| function.schema == "pg_catalog") {
            self.call_known(function);
        }
    }

    /// What the triggers, foreign keys, defaults and checks of a relation run when it is written to.
    pub(super) fn write_runs(&mut self, verb: Verb, relation: &'a Relation) {
        let writes = &relation.writes;
        if writes.triggers.is_empty() && writes.cascades.is_empty() && writes.functions.is_empty() {
            return;
        }
        let key = (relation.oid, verb, self.path, self.runs_by);
        if self.written_to.contains(&key) {
            return self.give_of_write(&key);
        }
        if self.written_to.len() == MAX_WRITTEN {
            return self.opaque("it writes to too many relations");
        }
        self.written_to.insert(key);
        let parents = relation.parents.iter().filter_map(|oid| self.names.catalog.relation(*oid));
        let is_partition = parents.into_iter().any(|of| of.kind == RelationKind::PartitionedTable);
        let outer = self.runs_by;
        let deletes = matches!(verb, Verb::Delete | Verb::DeleteAll);
        let updates = matches!(verb, Verb::Update | Verb::UpdateAll);
        let inserts = matches!(verb, Verb::Insert | Verb::CopyIn);
        // A row that comes to belong to another partition is deleted in its own, and inserted there.
        let goes = updates && is_partition;
        self.reading_write(key, |reader| {
            reader.implying(|reader| {
                for trigger in &writes.triggers {
                    if ((deletes || goes) && trigger.on_delete())
                        || (updates && trigger.on_update())
                        || ((inserts || goes) && trigger.on_insert())
                        || (verb == Verb::Truncate && trigger.on_truncate())
                    {
                        let fills = trigger.fills() && (inserts || updates);
                        reader.runs_by = if fills { By::Filling } else { By::Write };
                        reader.call_member(trigger.function);
                    }
                }
                reader.runs_by = By::Write;
                for cascade in &writes.cascades {
                    let effect = match verb {
                        _ if deletes => cascade.on_delete,
                        _ if updates => cascade.on_update,
                        _ => Referential::Nothing,
                    };
                    match effect {
                        Referential::Nothing => {}
                        Referential::Cascade if deletes => reader.touch_oid(cascade.relation, Verb::Delete),
                        Referential::Cascade | Referential::Set => {
                            reader.touch_oid(cascade.relation, Verb::Update)
                        }
                    }
                }
                if inserts || updates {
                    reader.runs_by = By::Filling;
                    writes.functions.iter().for_each(|oid| reader.call_member(*oid));
                }
            })
        });
        self.runs_by = outer;
    }

    /// The functions that check values of types by these names.
    fn checks_of_types(&mut self, text: &str, tokens: &[Token]) {
        let types = &self.names.catalog.calls().types;
        if types.is_empty() {
            return;
        }
        for (_, checks) in types.iter().filter(|(name, _)| {
            tokens.iter().any(|token| token.kind.is_name() && token.name(text) == name.as_str())
        }) {
            checks.iter().for_each(|(_, function)| self.call_member(*function));
        }
    }

    /// Marks an action that is found while what comes along is read.
    pub(super) fn imply(&self, action: &mut Action) {
        action.implied |= self.implies && action.verb != Verb::Opaque;
    }
}

/// Whether the statements of a body may change settings, leaving aside what the functions do that it calls, whose bodies are
/// asked by themselves.
pub(super) fn may_set(text: &str, limits: &crate::Limits) -> bool {
    let settings = Settings { standard_conforming_strings: true, utf8: true, ..Settings::default() };
    let Ok((text, tokens)) = lex_body(text.as_bytes(), &settings, limits) else { return true };
    // Where `\\` escapes, other parts of it are strings.
    text.contains('\\')
        || tokens.iter().filter(|token| token.kind.is_name()).any(|token| {
            let name = token.name(text);
            SETTING.contains(&&*name) || makes_values(&name)
        })
}

/// The path that a function brings along; `None`: the session's.
fn own_path(function: &Function) -> Option<SearchPath> {
    let set = function.config.iter().find_map(|setting| setting.strip_prefix("search_path="));
    let Some(set) = set else {
        // "$user" in the session's path is then who made the function, or whom it becomes.
        let role = function.config.iter().any(|setting| setting.starts_with("role="));
        return (function.security_definer || role).then_some(SearchPath::Unknown);
    };
    let mut schemas = Vec::new();
    for schema in set.split(',').map(str::trim).filter(|schema| !schema.is_empty()) {
        let name = schema.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(schema);
        if name.contains(['"', '$']) {
            return Some(SearchPath::Unknown);
        }
        schemas.push(name.to_owned());
    }
    Some(SearchPath::of_code(schemas))
}
