//! ALTER of every kind of object, and COMMENT.

use std::collections::BTreeSet;

use policy::catalog::{Base, Dependent, Provisional};
use policy::{Action, Detail, Object, ObjectKind, Renaming, Verb};

use super::define::{Defined, When};
use super::expression::comma_parts;
use super::kind::{ObjectType, object_type, tag};
use super::routine::listed;
use super::{Read, action};
use crate::SearchPath;
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::name::Name;
use crate::read::{Over, Reader, function_object};

/// Attributes of functions that say nothing of what they run.
const WORDS_OF_ROUTINES: &[&[&str]] = &[
    &["called", "on", "null", "input"],
    &["external", "security", "definer"],
    &["external", "security", "invoker"],
    &["immutable"],
    &["leakproof"],
    &["not", "leakproof"],
    &["restrict"],
    &["returns", "null", "on", "null", "input"],
    &["security", "definer"],
    &["security", "invoker"],
    &["stable"],
    &["strict"],
    &["volatile"],
    &["window"],
];

/// Words of ALTER TABLE that have a table's rows written anew, or looked at in its indexes: another type, another place, a
/// column that is filled.
const REWRITE: [&str; 6] = ["type", "add", "logged", "unlogged", "method", "expression"];

impl<'a> Reader<'a> {
    pub(super) fn alter_statement(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.effects.ddl = true;
        if cursor.eat("system") {
            let setting = cursor.eat_one(&["set", "reset"]).and_then(|_| cursor.chain())?.join(".");
            self.act(action(Verb::System, ObjectKind::Setting, "", setting));
            cursor.rest = &[];
            return Some(Read::quiet("ALTER SYSTEM"));
        }
        if cursor.eat_all(&["default", "privileges"]) {
            return self.default_privileges(cursor);
        }
        let object_type = object_type(cursor)?;
        match (object_type.class, object_type.kind) {
            ("role", _) => return self.role_statement(cursor, "ALTER ROLE"),
            ("database", _) => {
                let name = cursor.name()?.into_owned();
                self.act(action(Verb::Alter, ObjectKind::Other, "database", name));
                // Settings of a database come with the next session; a role's path may be read again sooner.
                self.effects.search_path = true;
                if cursor.eat_all(&["owner", "to"]) {
                    let role = cursor.role()?;
                    self.gives_to(vec![role]);
                }
                self.setting_of_sessions(cursor)?;
                cursor.rest = &[];
            }
            (_, ObjectKind::Relation) => {
                let if_exists = cursor.eat_all(&["if", "exists"]);
                cursor.eat("only");
                let name = cursor.qualified()?;
                cursor.star();
                self.alter_relation(Verb::Alter, object_type, &name, if_exists);
                let sees = |word| cursor.rest.iter().any(|token| token.is(cursor.text, word));
                let looks_at_rows = ["validate", "type", "attach"].into_iter().any(sees);
                if looks_at_rows && self.names.relations(&name).iter().any(|r| r.has_triggers) {
                    // What checks or computes them runs.
                    self.moves_settings();
                }
                // So does what its indexes compute, where all rows are written anew.
                if REWRITE.into_iter().any(sees)
                    && let Some(relation) = self.names.relation(&name)
                {
                    self.keeps_kin(relation.oid);
                }
                if self.may_be_foreign(object_type.class, &name) {
                    self.stands_for(cursor.rest, None);
                }
                self.alter_commands(cursor, object_type, &name)?;
            }
            ("policy" | "trigger" | "rule", _) => {
                let name = cursor.name()?.into_owned();
                if !cursor.eat("on") {
                    return None;
                }
                let table = cursor.qualified()?;
                self.act(action(Verb::Alter, ObjectKind::Other, object_type.class, name));
                self.touch(Verb::Alter, &table);
                if cursor.eat_all(&["rename", "to"]) {
                    self.told_moves += 1;
                    cursor.name()?;
                } else if object_type.class == "policy" {
                    self.policy_conditions(cursor, &table)?;
                } else {
                    // DEPENDS ON EXTENSION
                    cursor.eat("no");
                    if !cursor.eat_all(&["depends", "on", "extension"]) {
                        return None;
                    }
                    cursor.name()?;
                }
            }
            ("schema", _) => {
                let name = cursor.name()?.into_owned();
                self.act(action(Verb::Alter, ObjectKind::Schema, "schema", name.clone()));
                if cursor.eat_all(&["rename", "to"]) {
                    let becomes = cursor.name()?.into_owned();
                    self.rename_within(&name, &becomes);
                    self.act(action(Verb::Create, ObjectKind::Schema, "schema", becomes));
                } else if cursor.eat_all(&["owner", "to"]) {
                    let role = cursor.role()?;
                    self.gives_to(vec![role]);
                } else {
                    return None;
                }
            }
            ("extension", kind) => {
                let name = cursor.qualified()?;
                self.alter_other(Verb::Alter, kind, object_type.class, Some(name.clone()));
                self.alters_extension(cursor, &name)?;
            }
            (class, kind) => {
                cursor.eat_all(&["if", "exists"]);
                let name = cursor.qualified();
                self.alter_other(Verb::Alter, kind, class, name.clone());
                self.alter_rarer(cursor, class, kind, name)?;
            }
        }
        Some(Read::quiet(tag("ALTER", object_type.class)))
    }

    /// With a schema's name those of all that is in it change, by which rules and masks know it.
    fn rename_within(&mut self, schema: &str, becomes: &str) {
        let renaming = |name: &str| Renaming::To { schema: Some(becomes.to_owned()), name: name.to_owned() };
        let renamed = Renaming::To { schema: None, name: becomes.to_owned() };
        self.renames(action(Verb::Alter, ObjectKind::Schema, "schema", schema).object, false, renamed);
        self.act_within(Verb::Alter, schema);
        let inside = |a: &&mut Action| a.verb == Verb::Alter && a.object.schema.as_deref() == Some(schema);
        for action in self.actions.iter_mut().filter(inside) {
            action.detail.renamings.push(renaming(&action.object.name));
        }
        let functions = self.names.catalog.functions().filter(|function| function.schema == schema);
        let names: BTreeSet<(&str, bool)> = functions.map(|f| (&*f.name, f.procedure)).collect();
        for (name, procedure) in names {
            let class = if procedure { "procedure" } else { "function" };
            let object = function_object(class, Some(schema), name, None);
            self.renames(object, true, renaming(name));
        }
    }

    /// What follows the name in ALTER of the rarer kinds.
    fn alter_rarer(
        &mut self,
        cursor: &mut Cursor<'a>,
        class: &'static str,
        kind: ObjectKind,
        name: Option<Name>,
    ) -> Option<()> {
        if kind == ObjectKind::Function || class == "operator" {
            cursor.group();
        }
        let routine = name.clone();
        if let Some(name) =
            name.filter(|_| kind == ObjectKind::Function || matches!(class, "type" | "domain"))
        {
            if self.moves(cursor, kind, class, &name)? {
                return Some(());
            }
            match class {
                "type" => self.alters_attributes(cursor, &name)?,
                "domain"
                    if cursor.sees("add") || cursor.sees("validate") || cursor.sees_all(&["set", "not"]) =>
                {
                    self.checks_values(&name);
                }
                _ => {}
            }
            if class == "domain" && cursor.sees("validate") {
                // What it checks by is there already.
                self.defining_type(&name);
            }
        }
        match class {
            "domain" => {
                // Its new check runs on what there is.
                self.moves_settings();
                let defined = Defined { over: Over::Nothing, when: When::Later };
                if cursor.eat_all(&["set", "default"]) {
                    let value = cursor.rest;
                    cursor.rest = &[];
                    self.defining(value, defined);
                } else if cursor.eat("add") {
                    self.table_constraint(cursor, defined)?;
                } else {
                    cursor.eat_one(&["drop", "set", "validate", "rename", "owner"])?;
                    cursor.rest = &[];
                }
            }
            "function" | "procedure" => {
                if let Some(path) = self.routine_options(cursor)?
                    && let Some(name) = routine
                {
                    self.reads_along(&name, path.as_ref());
                }
            }
            "type" => {
                // A base type's functions, or an attribute's type.
                if cursor.eat("set")
                    && let Some(attributes) = cursor.group()
                {
                    self.attributes(attributes)?;
                }
                for part in comma_parts(cursor.rest) {
                    self.altered_attribute(Cursor::new(self.text, part));
                }
                cursor.rest = &[];
            }
            "operator" => {
                while cursor.label().is_some() && cursor.eat_kind(Kind::Dot) {}
                cursor.next();
                cursor.group();
                if cursor.eat("set")
                    && let Some(attributes) = cursor.group()
                {
                    self.attributes(attributes)?;
                }
                cursor.rest = &[];
            }
            "operator family" if ends_in_drop(cursor) => cursor.rest = &[],
            "operator family" | "foreign data wrapper" => self.named_functions(cursor, class, true)?,
            "publication" => {
                if cursor.eat_one(&["add", "set"]).is_some() && !cursor.sees_kind(Kind::LeftParen) {
                    return self.publishes(cursor, Verb::Select);
                }
                // PostgreSQL's grammar takes a condition behind DROP, and PostgreSQL does not.
                if let Some(condition) = cursor.rest.iter().find(|token| token.is(self.text, "where")) {
                    self.opaque_at("a condition of what is dropped", Some(*condition));
                } else if cursor.eat("drop") {
                    // Who follows them is told no more of what is done there.
                    return self.implying(|reader| reader.publishes(cursor, Verb::Alter));
                }
                cursor.rest = &[];
            }
            _ => cursor.rest = &[],
        }
        Some(())
    }

    /// ADD ATTRIBUTE and ALTER ATTRIBUTE: what the new type checks.
    fn altered_attribute(&mut self, mut cursor: Cursor<'a>) {
        let altered = cursor.eat_one(&["add", "alter"]).is_some() && cursor.eat("attribute");
        if !altered || cursor.name().is_none() {
            return;
        }
        let _ = cursor.eat_all(&["set", "data", "type"]) || cursor.eat("type");
        if let Some(Some(name)) = self.written_type(&mut cursor) {
            self.defining_type(&name);
        }
    }

    /// Attributes of a function that ALTER FUNCTION changes: the settings that hold while it runs are set. Gives where its
    /// names are looked for from now on, if that is another path, or that of who calls it.
    fn routine_options(&mut self, cursor: &mut Cursor<'a>) -> Option<Option<Option<SearchPath>>> {
        let mut path = None;
        loop {
            if cursor.eat("set") {
                let name = cursor.chain()?.join(".").to_ascii_lowercase();
                if cursor.eat_all(&["from", "current"]) {
                    if name == "search_path" {
                        path = Some(Some(self.names.path.clone()));
                    }
                    continue;
                }
                if !cursor.eat("to") && !cursor.eat_operator("=") {
                    return None;
                }
                let values = cursor.rest;
                let value = option_value(cursor)?;
                let single = !cursor.sees_kind(Kind::Comma);
                self.assign(&name, Some(&value).filter(|_| single).map(String::as_str));
                while cursor.eat_kind(Kind::Comma) {
                    option_value(cursor)?;
                }
                if name == "search_path" {
                    path = Some(Some(listed(self.text, &values[..values.len() - cursor.rest.len()])));
                }
            } else if cursor.eat("reset") {
                if cursor.eat("all") || cursor.chain()?.join(".").eq_ignore_ascii_case("search_path") {
                    path = Some(None);
                }
            } else if cursor.eat("support") {
                let function = self.function_name(cursor)?;
                self.call(Verb::Function, &function);
            } else if cursor.eat_one(&["cost", "rows", "parallel"]).is_some() {
                cursor.next()?;
            } else if cursor.eat_all(&["depends", "on", "extension"])
                || cursor.eat_all(&["no", "depends", "on", "extension"])
            {
                cursor.name()?;
            } else if !WORDS_OF_ROUTINES.iter().any(|words| cursor.eat_all(words)) {
                return Some(path);
            }
        }
    }

    /// `verb` on a relation; where it need not exist, on the name as written.
    pub(super) fn alter_relation(
        &mut self,
        verb: Verb,
        object_type: ObjectType,
        name: &Name,
        missing_ok: bool,
    ) {
        if missing_ok && self.names.relations(name).is_empty() {
            let object = self.missing_relation(object_type.class, name);
            self.act(Action { verb, object, implied: false, detail: Detail::NONE });
            return;
        }
        self.touch(verb, name);
    }

    /// One that need not be there, as it is written.
    pub(super) fn missing_relation(&self, class: &'static str, name: &Name) -> Object {
        let schema = name.schema.clone().or_else(|| self.names.creation_schema().map(str::to_owned));
        Object { kind: ObjectKind::Relation, class, schema, name: name.name.clone(), oid: None }
    }

    pub(super) fn alter_other(
        &mut self,
        verb: Verb,
        kind: ObjectKind,
        class: &'static str,
        name: Option<Name>,
    ) {
        let statistics = name.clone().filter(|_| class == "statistics");
        let others = name.as_ref().map_or_else(Vec::new, |name| self.classes(class, name));
        let object = self.altered_object(kind, class, name);
        if kind == ObjectKind::Function && verb == Verb::Alter {
            self.effects.names.push(Provisional::Function(object.schema.clone(), object.name.clone()));
        }
        // Of several by that name the types tell which is meant.
        for class in others.into_iter().filter(|class| *class != object.class) {
            let object = Object { class, ..object.clone() };
            self.implying(|reader| reader.act(Action { verb, object, implied: false, detail: Detail::NONE }));
        }
        self.act(Action { verb, object, implied: false, detail: Detail::NONE });
        if let Some(name) = statistics {
            self.alter_counted(&name);
        }
    }

    /// The classes of what a name stands for, where another word may be written for them: a domain is a type as well, and what
    /// is called is a routine.
    fn classes(&self, class: &'static str, name: &Name) -> Vec<&'static str> {
        match class {
            "type" => {
                let domain = self.things(class, name).iter().any(|thing| thing.class == "domain");
                vec![if domain { "domain" } else { "type" }]
            }
            "function" => {
                let of = |function: &&policy::Function| match function.body {
                    _ if function.procedure => "procedure",
                    policy::catalog::Body::Calls(_) => "aggregate",
                    _ => "function",
                };
                let classes: BTreeSet<&str> = self.names.functions(name).iter().map(of).collect();
                classes.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The table that statistics are of: it is planned by them.
    fn alter_counted(&mut self, name: &Name) {
        let dependents = self.names.catalog.dependents();
        for thing in self.things("statistics", name) {
            for dependent in dependents.of(&Base::Thing(thing)) {
                if let Dependent::Part { relation, .. } = dependent {
                    self.implying(|reader| reader.touch_oid(*relation, Verb::Alter));
                }
            }
        }
    }

    /// What is no relation, by the name that it is written with.
    pub(super) fn altered_object(&self, kind: ObjectKind, class: &'static str, name: Option<Name>) -> Object {
        let classes = name.as_ref().map_or_else(Vec::new, |name| self.classes(class, name));
        let class = classes.last().copied().unwrap_or(class);
        let (schema, name) = match name {
            Some(name) if kind == ObjectKind::Function => {
                let known = self.names.functions(&name).first().map(|f| f.schema.clone());
                (name.schema.or(known).or_else(|| self.names.creation_schema().map(str::to_owned)), name.name)
            }
            Some(name) => (name.schema, name.name),
            None => (None, String::new()),
        };
        Object { kind, class, schema, name, oid: None }
    }

    /// COMMENT ON, SECURITY LABEL … ON: an alteration of what they name.
    pub(super) fn comment(&mut self, head: &str, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.effects.ddl = true;
        if head == "security" {
            if !cursor.eat("label") {
                return None;
            }
            if cursor.eat("for") {
                let _ = cursor.string().is_some() || cursor.name().is_some();
            }
        }
        if !cursor.eat("on") {
            return None;
        }
        let object_type = object_type(cursor)?;
        match (object_type.class, object_type.kind) {
            ("column", _) => {
                let mut parts = cursor.chain()?;
                parts.pop();
                let name = parts.pop()?;
                self.touch(Verb::Alter, &Name { schema: parts.pop(), name });
            }
            (_, ObjectKind::Relation) => {
                let name = cursor.qualified()?;
                self.touch(Verb::Alter, &name);
            }
            ("constraint" | "policy" | "rule" | "trigger", _) => {
                cursor.name()?;
                if !cursor.eat("on") {
                    return None;
                }
                // A table may be called so.
                let named = cursor
                    .rest
                    .get(1)
                    .is_none_or(|next| next.kind == crate::lexer::Kind::Dot || next.is(cursor.text, "is"));
                if !named && cursor.eat("domain") {
                    let name = cursor.qualified();
                    self.alter_other(Verb::Alter, ObjectKind::Other, "domain", name);
                } else {
                    let table = cursor.qualified()?;
                    self.touch(Verb::Alter, &table);
                }
            }
            (class, kind) => {
                let name = cursor.clone().qualified();
                self.alter_other(Verb::Alter, kind, class, name);
                self.functions_stay();
                self.told_moves += usize::from(class == "extension");
                while !cursor.is_end() && !cursor.sees("is") {
                    cursor.next();
                }
            }
        }
        if !cursor.eat("is") || (!cursor.eat("null") && cursor.string().is_none()) {
            return None;
        }
        Some(Read::quiet(if head == "comment" { "COMMENT" } else { "SECURITY LABEL" }))
    }
}

/// `USING method DROP …`, behind the name of an operator family: it names numbers and types alone.
fn ends_in_drop(cursor: &Cursor<'_>) -> bool {
    let mut cursor = *cursor;
    cursor.eat("using") && cursor.name().is_some() && cursor.sees("drop")
}

/// A value of a setting: a word, a string or a number.
fn option_value(cursor: &mut Cursor<'_>) -> Option<String> {
    let signed = cursor.eat_operator("-") || cursor.eat_operator("+");
    let number = cursor.peek().filter(|token| matches!(token.kind, Kind::Integer | Kind::Number));
    match number {
        Some(token) => {
            cursor.next();
            Some(token.written(cursor.text).to_owned())
        }
        None if signed => None,
        None => super::session::value(cursor),
    }
}
