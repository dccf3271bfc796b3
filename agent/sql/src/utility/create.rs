//! CREATE of every kind of object.

use policy::catalog::Provisional;
use policy::{Action, Detail, Object, ObjectKind, Verb};

use super::kind::{object_type, tag};
use super::{Read, action};
use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};
use crate::name::Name;
use crate::read::Reader;

/// Whether a schema is a session's temporary one.
fn is_temporary(schema: &str) -> bool {
    schema == "pg_temp" || schema.starts_with("pg_temp_")
}

impl<'a> Reader<'a> {
    /// Creates a relation: in the schema that is written, else in the first of the path, else in the session's.
    pub(crate) fn create(&mut self, class: &'static str, name: Name, temporary: bool) {
        let schema = name.schema.as_deref().or_else(|| self.names.creation_schema());
        let temporary = temporary || schema.is_some_and(is_temporary);
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
        let oid = self.names.relations(&name).last().map(|relation| relation.oid);
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
        let kind = cursor.eat_one(&["unlogged", "recursive", "unique"]);
        let unique = kind == Some("unique");
        if cursor.sees_all(&["default", "conversion"]) {
            cursor.eat("default");
        }
        let object_type = object_type(cursor)?;
        if object_type.class == "index" {
            cursor.eat("concurrently");
        }
        cursor.eat_all(&["if", "not", "exists"]);
        match object_type.class {
            "table" | "foreign table" => {
                let name = cursor.qualified()?;
                self.create(object_type.class, name.clone(), temporary);
                if object_type.class == "foreign table" {
                    self.stands_for(cursor.rest, Some(&name));
                }
                return self.table_body(cursor, &name, tag("CREATE", object_type.class));
            }
            "view" | "materialized view" => {
                let name = cursor.qualified()?;
                self.create(object_type.class, name.clone(), temporary);
                let at = cursor.rest.iter().position(|t| t.is(cursor.text, "as"))?;
                cursor.rest = &cursor.rest[at + 1..];
                let end = trailing_with(cursor.text, cursor.rest);
                let query = &cursor.rest[..end];
                cursor.rest = &cursor.rest[end..];
                let rows = match kind {
                    Some("recursive") => self.recursive_query_of(query, &name.name),
                    _ => self.query_of(query),
                };
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
                self.belongs_to(*cursor)?;
                cursor.rest = &[];
            }
            "index" => {
                let named = if cursor.sees("on") { None } else { Some(cursor.qualified()?.name) };
                self.index(cursor, named, unique)?;
            }
            "schema" => self.schema(cursor)?,
            "role" => return self.role_statement(cursor, "CREATE ROLE"),
            "function" | "procedure" => self.routine(cursor, object_type.class)?,
            "trigger" => self.trigger(cursor)?,
            "rule" => self.rule(cursor)?,
            "policy" => {
                let name = cursor.name()?.into_owned();
                if !cursor.eat("on") {
                    return None;
                }
                let table = cursor.qualified()?;
                self.act(action(Verb::Create, ObjectKind::Other, "policy", name));
                self.touch(Verb::Alter, &table);
                self.policy_conditions(cursor, &table)?;
            }
            class => self.create_rarer(cursor, class, object_type.kind)?,
        }
        Some(Read::quiet(tag("CREATE", object_type.class)))
    }

    pub(super) fn create_other(&mut self, kind: ObjectKind, class: &'static str, name: Name) {
        let schema = name.schema.or_else(|| self.names.creation_schema().map(str::to_owned));
        // With what is first made there the schema is, and types are looked for in it before all others.
        self.effects.temp |= schema.as_deref().is_some_and(is_temporary);
        if kind == ObjectKind::Function {
            self.effects.names.push(Provisional::Function(schema.clone(), name.name.clone()));
        }
        self.act(Action {
            verb: Verb::Create,
            object: Object { kind, class, schema, name: name.name, oid: None },
            implied: false,
            detail: Detail::NONE,
        });
    }

    /// What follows the name of a table: columns, or a query behind AS.
    fn table_body(&mut self, cursor: &mut Cursor<'a>, name: &Name, tag: &'static str) -> Option<Read> {
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
            self.table_definition(cursor, name)?;
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
