//! CREATE of every kind of object.

use policy::{Action, Detail, Object, ObjectKind, Verb};

use super::kind::{object_type, tag};
use super::prepared::opens_query;
use super::{Read, action};
use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};
use crate::names::Name;
use crate::read::{Reader, Target};

impl<'a> Reader<'a> {
    /// Creates a relation: in the schema that is written, else in the first of the path, else in the session's.
    pub(crate) fn create(&mut self, class: &'static str, name: Name, temporary: bool) {
        let schema = name.schema.as_deref().or_else(|| self.names.creation_schema());
        let temporary = temporary || schema.is_some_and(|s| s == "pg_temp" || s.starts_with("pg_temp_"));
        let schema = if temporary {
            self.effects.temp = true;
            Some("pg_temp".to_owned())
        } else {
            schema.map(str::to_owned)
        };
        if schema.is_none() {
            self.wants.search_path = true;
            self.opaque(format!("the schema of \"{name}\" is not known"));
        }
        self.effects.ddl = true;
        let name = Name { schema, name: name.name };
        let oid = self.names.relation(&name).map(|relation| relation.oid);
        self.act(Action {
            verb: Verb::Create,
            object: Object { kind: ObjectKind::Relation, class, schema: name.schema, name: name.name, oid },
            implied: false,
            detail: Detail::NONE,
        });
    }

    pub(super) fn create_statement(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.effects.ddl = true;
        cursor.eat_all(&["or", "replace"]);
        cursor.eat_one(&["global", "local"]);
        let temporary = cursor.eat_one(&["temp", "temporary"]).is_some();
        cursor.eat_one(&["unlogged", "recursive", "unique"]);
        let object_type = object_type(cursor)?;
        cursor.eat("concurrently");
        let if_not_exists = cursor.eat_all(&["if", "not", "exists"]);
        let _ = if_not_exists;
        match object_type.class {
            "table" | "foreign table" => {
                let name = cursor.qualified()?;
                self.create(object_type.class, name, temporary);
                return self.table_body(cursor, tag("CREATE", object_type.class));
            }
            "view" | "materialized view" => {
                let name = cursor.qualified()?;
                self.create(object_type.class, name, temporary);
                let at = cursor.rest.iter().position(|t| t.is(cursor.text, "as"))?;
                cursor.rest = &cursor.rest[at + 1..];
                let end = trailing_with(cursor.text, cursor.rest);
                let query = &cursor.rest[..end];
                cursor.rest = &cursor.rest[end..];
                let rows = self.query_of(query);
                if object_type.class == "materialized view" {
                    self.store(rows.all());
                }
                cursor.eat("with");
                cursor.eat_one(&["no", "cascaded", "local"]);
                let _ = cursor.eat("data") || cursor.eat_all(&["check", "option"]);
            }
            "sequence" => {
                let name = cursor.qualified()?;
                self.create("sequence", name, temporary);
                cursor.rest = &[];
            }
            "index" => {
                let name = if cursor.sees("on") { None } else { Some(cursor.qualified()?) };
                if !cursor.eat("on") {
                    return None;
                }
                cursor.eat("only");
                let table = cursor.qualified()?;
                cursor.star();
                let schema = match self.target(&table) {
                    Target::Known(relation) => {
                        self.relations.insert(relation.oid);
                        Some(relation.schema.clone())
                    }
                    Target::Created(table) => table.schema,
                    Target::Missing => table.schema,
                };
                let mut object = action(
                    Verb::Create,
                    ObjectKind::Relation,
                    "index",
                    name.map(|n| n.name).unwrap_or_default(),
                );
                object.object.schema = schema;
                self.act(object);
                self.definition(cursor);
            }
            "schema" => {
                let name = if cursor.sees("authorization") { None } else { cursor.name() };
                let owner = if cursor.eat("authorization") { cursor.role() } else { None };
                let name = name.map(std::borrow::Cow::into_owned).or(owner)?;
                self.act(action(Verb::Create, ObjectKind::Schema, "schema", name));
            }
            "role" => return self.role_statement(cursor, "CREATE ROLE"),
            "function" | "procedure" => {
                let name = cursor.qualified()?;
                self.create_other(ObjectKind::Function, object_type.class, name);
                self.opaque(format!("body of a {}", object_type.class));
                cursor.rest = &[];
            }
            "trigger" => {
                let name = cursor.name()?.into_owned();
                self.act(action(Verb::Create, ObjectKind::Other, "trigger", name));
                let at = cursor.rest.iter().position(|t| t.is(cursor.text, "on"))?;
                cursor.rest = &cursor.rest[at + 1..];
                let table = cursor.qualified()?;
                self.touch(Verb::Alter, &table);
                self.definition(cursor);
            }
            "rule" | "policy" => {
                let name = cursor.name()?.into_owned();
                self.act(action(Verb::Create, ObjectKind::Other, object_type.class, name));
                let word = if object_type.class == "rule" { "to" } else { "on" };
                let at = cursor.rest.iter().position(|t| t.is(cursor.text, word))?;
                cursor.rest = &cursor.rest[at + 1..];
                let table = cursor.qualified()?;
                self.touch(Verb::Alter, &table);
                if object_type.class == "rule" {
                    self.opaque("body of a rule");
                    cursor.rest = &[];
                } else {
                    self.definition(cursor);
                }
            }
            "aggregate" => {
                let name = cursor.qualified()?;
                self.create_other(ObjectKind::Function, "aggregate", name);
                cursor.rest = &[];
            }
            "type" | "domain" | "collation" | "conversion" | "statistics" => {
                if object_type.class == "statistics" && cursor.sees("on") {
                    self.act(action(Verb::Create, ObjectKind::Other, "statistics", ""));
                } else {
                    let name = cursor.qualified()?;
                    self.create_other(ObjectKind::Other, object_type.class, name);
                }
                self.definition(cursor);
            }
            class => {
                // The rest of an object of a rarer kind holds names and options; the class tells what it is.
                let name = cursor.clone().chain().and_then(|parts| parts.into_iter().next_back());
                self.act(action(Verb::Create, object_type.kind, class, name.unwrap_or_default()));
                self.effects.search_path = true;
                self.effects.string_syntax = true;
                cursor.rest = &[];
            }
        }
        Some(Read::quiet(tag("CREATE", object_type.class)))
    }

    fn create_other(&mut self, kind: ObjectKind, class: &'static str, name: Name) {
        let schema = name.schema.or_else(|| self.names.creation_schema().map(str::to_owned));
        self.act(Action {
            verb: Verb::Create,
            object: Object { kind, class, schema, name: name.name, oid: None },
            implied: false,
            detail: Detail::NONE,
        });
    }

    /// What follows the name of a table: columns, or a query behind AS.
    fn table_body(&mut self, cursor: &mut Cursor<'a>, tag: &'static str) -> Option<Read> {
        let mut depth = 0_usize;
        let at = cursor.rest.iter().position(|t| {
            match t.kind {
                Kind::LeftParen => depth += 1,
                Kind::RightParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && t.is(cursor.text, "as")
        });
        let Some(at) = at else {
            self.definition(cursor);
            return Some(Read::quiet(tag));
        };
        cursor.rest = &cursor.rest[at + 1..];
        let end = trailing_with(cursor.text, cursor.rest);
        let query = &cursor.rest[..end];
        cursor.rest = &cursor.rest[end..];
        let mut inside = Cursor::new(self.text, query);
        if inside.eat("execute") {
            self.execute(&mut inside)?;
            self.store(policy::Lineage::Unknown);
            if !inside.is_end() {
                return None;
            }
        } else {
            let rows = self.query_of(query);
            self.store(rows.all());
        }
        cursor.eat("with");
        cursor.eat("no");
        cursor.eat("data");
        Some(Read::quiet("CREATE TABLE AS"))
    }

    /// Consumes definitions of columns, constraints and options: relations that they name, queries and calls.
    pub(super) fn definition(&mut self, cursor: &mut Cursor<'a>) {
        while let Some(token) = cursor.peek() {
            if token.kind == Kind::LeftParen {
                if opens_query(cursor)
                    && let Some(query) = cursor.group()
                {
                    self.query_of(query);
                    continue;
                }
                cursor.next();
                continue;
            }
            if !token.kind.is_name() {
                cursor.next();
                continue;
            }
            let kin: [&[&str]; 4] =
                [&["partition", "of"], &["inherit"], &["attach", "partition"], &["detach", "partition"]];
            if kin.iter().any(|words| cursor.eat_all(words)) {
                self.named_relation(cursor, Verb::Alter);
            } else if cursor.sees("inherits") {
                cursor.next();
                if let Some(parents) = cursor.group() {
                    for parent in super::expression::comma_parts(parents) {
                        self.named_relation(&mut Cursor::new(self.text, parent), Verb::Alter);
                    }
                }
            } else if cursor.sees("like") && cursor.rest.get(1).is_some_and(|t| t.kind.is_name()) {
                cursor.next();
                // In a column's check it is an operator, and a name behind it no relation.
                let mut ahead = *cursor;
                if let Some(name) = ahead.qualified()
                    && self.names.relation(&name).is_some()
                {
                    self.touch(Verb::Select, &name);
                    *cursor = ahead;
                }
            } else if cursor.eat("references") {
                let mut ahead = *cursor;
                if let Some(name) = ahead.qualified() {
                    if let Target::Known(relation) = self.target(&name) {
                        self.relations.insert(relation.oid);
                    }
                    *cursor = ahead;
                    cursor.group();
                }
            } else {
                self.name_in_definition(cursor);
            }
        }
    }

    fn named_relation(&mut self, cursor: &mut Cursor<'a>, verb: Verb) {
        let mut ahead = *cursor;
        if let Some(name) = ahead.qualified() {
            self.touch(verb, &name);
            *cursor = ahead;
        }
    }

    /// A chain of names: a call where parentheses follow, unless the grammar puts them there.
    fn name_in_definition(&mut self, cursor: &mut Cursor<'a>) {
        let Some(first) = cursor.next() else { return };
        let mut last = first;
        let mut schema: Option<Token> = None;
        while cursor.sees_kind(Kind::Dot) && cursor.rest.get(1).is_some_and(|t| t.kind.is_name()) {
            cursor.next();
            schema = Some(last);
            if let Some(token) = cursor.next() {
                last = token;
            }
        }
        if !cursor.sees_kind(Kind::LeftParen) {
            return;
        }
        let name = last.name(self.text).into_owned();
        if schema.is_none() && last.kind == Kind::Word && is_grammar_word(&name) {
            return;
        }
        let name = Name { schema: schema.map(|t| t.name(self.text).into_owned()), name };
        // An operator class, a constraint or a type with modifiers reads like a call and is none.
        if crate::names::is_builtin_type(&name.name) && name.schema.is_none() {
            return;
        }
        let known = !self.names.functions(&name).is_empty()
            || crate::names::builtin(&name.name) != crate::names::Builtin::Other;
        if known {
            self.call(Verb::Function, &name);
        } else if self.names.relation(&name).is_none() {
            self.missing("function", &name);
        }
    }
}

/// Words that the grammar itself puts before parentheses in a definition.
fn is_grammar_word(word: &str) -> bool {
    crate::keywords::is_reserved(word)
        || !crate::keywords::may_name_function(word)
        || matches!(
            word,
            "always"
                | "btree"
                | "brin"
                | "gin"
                | "gist"
                | "hash"
                | "spgist"
                | "by"
                | "bpchar"
                | "exclude"
                | "identity"
                | "include"
                | "including"
                | "key"
                | "list"
                | "of"
                | "options"
                | "range"
                | "reset"
                | "set"
                | "storage"
                | "stored"
                | "type"
                | "values"
                | "varbit"
                | "enum"
                | "generated"
                | "nothing"
                | "set_config_list"
        )
}

/// Where a trailing `WITH [NO] DATA` or `WITH … CHECK OPTION` begins.
fn trailing_with(text: &str, tokens: &[Token]) -> usize {
    let tails: [&[&str]; 5] = [
        &["with", "no", "data"],
        &["with", "data"],
        &["with", "check", "option"],
        &["with", "cascaded", "check", "option"],
        &["with", "local", "check", "option"],
    ];
    for tail in tails {
        if let Some(at) = tokens.len().checked_sub(tail.len())
            && tail.iter().zip(&tokens[at..]).all(|(word, token)| token.is(text, word))
        {
            return at;
        }
    }
    tokens.len()
}
