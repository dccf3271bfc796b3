//! DROP of every kind of object.

use std::collections::BTreeSet;

use policy::{Action, Detail, ObjectKind, Verb};

use super::kind::{object_type, tag};
use super::{Read, action};
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::name::Name;
use crate::read::{Reader, function_object, relation_object};

impl<'a> Reader<'a> {
    pub(super) fn drop_statement(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.effects.ddl = true;
        if cursor.eat_all(&["owned", "by"]) {
            loop {
                let role = cursor.role()?;
                self.act(action(Verb::Role, ObjectKind::Role, "", role));
                if !cursor.eat_kind(Kind::Comma) {
                    break;
                }
            }
            cursor.eat_one(&["cascade", "restrict"]);
            self.owned(Verb::Drop);
            return Some(Read::quiet("DROP OWNED"));
        }
        let object_type = object_type(cursor)?;
        // A type or a function may be called so.
        if object_type.class == "index" {
            cursor.eat("concurrently");
        }
        let if_exists = cursor.eat_all(&["if", "exists"]);
        match (object_type.class, object_type.kind) {
            ("role", _) => {
                while let Some(role) = cursor.role() {
                    self.act(action(Verb::Role, ObjectKind::Role, "role", role));
                    if !cursor.eat_kind(Kind::Comma) {
                        break;
                    }
                }
            }
            (_, ObjectKind::Relation) => {
                loop {
                    let name = cursor.qualified()?;
                    self.alter_relation(Verb::Drop, object_type, &name, if_exists);
                    if !cursor.eat_kind(Kind::Comma) {
                        break;
                    }
                }
                self.alter_owned_by(Verb::Drop, Verb::Drop);
                match cursor.eat_one(&["cascade", "restrict"]) {
                    // The tables that are altered by it stay, with their views.
                    Some("cascade") if object_type.class == "index" => self.drop_keys(),
                    Some("cascade") => self.drop_dependents(),
                    _ => {}
                }
            }
            ("schema", _) => {
                let mut schemas = Vec::new();
                while let Some(name) = cursor.name() {
                    self.act(action(Verb::Drop, ObjectKind::Schema, "schema", name.clone()));
                    schemas.push(name);
                    if !cursor.eat_kind(Kind::Comma) {
                        break;
                    }
                }
                if cursor.eat_one(&["cascade", "restrict"]) == Some("cascade") {
                    for schema in &schemas {
                        self.act_within(Verb::Drop, schema);
                    }
                    let names =
                        schemas.iter().map(|name| Name { schema: None, name: name.clone().into_owned() });
                    self.drop_standing_on("schema", &names.collect::<Vec<_>>());
                }
            }
            ("policy" | "trigger" | "rule", _) => {
                let name = cursor.name()?.into_owned();
                if !cursor.eat("on") {
                    return None;
                }
                let table = cursor.qualified()?;
                self.act(action(Verb::Drop, ObjectKind::Other, object_type.class, name));
                self.alter_relation(Verb::Alter, object_type, &table, if_exists);
                cursor.eat_one(&["cascade", "restrict"]);
            }
            ("function" | "procedure" | "aggregate" | "type" | "domain", kind) => {
                let mut names = Vec::new();
                loop {
                    if cursor.sees("setof") {
                        // Of a type that is called as what follows.
                        return None;
                    }
                    let name = cursor.qualified()?;
                    self.alter_other(Verb::Drop, kind, object_type.class, Some(name.clone()));
                    names.push(name);
                    cursor.group();
                    if !cursor.eat_kind(Kind::Comma) {
                        break;
                    }
                }
                self.may_cascade(cursor, object_type.class, &names);
            }
            ("cast" | "transform" | "user mapping", kind) => {
                // These have no name of their own.
                self.alter_other(Verb::Drop, kind, object_type.class, None);
                let cascades = cursor.rest.last().is_some_and(|last| last.is(self.text, "cascade"));
                if cascades && object_type.class == "transform" {
                    self.opaque("DROP TRANSFORM … CASCADE takes along the functions that use it");
                }
                cursor.rest = &[];
            }
            (class, kind) => {
                let mut names = Vec::new();
                loop {
                    let name = if class == "operator" { cursor.operator()? } else { cursor.qualified()? };
                    self.alter_other(Verb::Drop, kind, class, Some(name.clone()));
                    names.push(name);
                    if class == "operator" {
                        cursor.group()?;
                    }
                    if !cursor.eat_kind(Kind::Comma) {
                        break;
                    }
                }
                // An operator class or family is one of an access method.
                if cursor.eat("using") {
                    cursor.name()?;
                }
                // DROP DATABASE … WITH (FORCE)
                if class == "database" && (cursor.eat("with") || cursor.sees_kind(Kind::LeftParen)) {
                    cursor.group()?;
                }
                self.may_cascade(cursor, object_type.class, &names);
            }
        }
        Some(Read::quiet(tag("DROP", object_type.class)))
    }

    /// CASCADE or RESTRICT behind what is no relation.
    fn may_cascade(&mut self, cursor: &mut Cursor<'a>, class: &str, names: &[Name]) {
        if cursor.eat_one(&["cascade", "restrict"]) == Some("cascade") {
            self.drop_standing_on(class, names);
        } else if class == "extension" {
            self.drop_members(names);
        }
    }

    /// What is done to all that a role owns. Who owns what the catalog does not tell: it may be any of it.
    pub(super) fn owned(&mut self, verb: Verb) {
        let catalog = self.names.catalog;
        let own = |schema: &str| schema.starts_with("pg_") || schema == "information_schema";
        let mut relations: Vec<_> = catalog.relations().filter(|r| !own(&r.schema)).collect();
        relations.sort_by_key(|relation| relation.oid);
        for relation in relations {
            self.act(Action { verb, object: relation_object(relation), implied: true, detail: Detail::NONE });
        }
        let functions = catalog.functions().filter(|function| !own(&function.schema));
        let names: BTreeSet<(&str, &str)> = functions.map(|f| (&*f.schema, &*f.name)).collect();
        for (schema, name) in names {
            let object = function_object("function", Some(schema), name, None);
            self.act(Action { verb, object, implied: true, detail: Detail::NONE });
        }
    }

    /// What is done to a schema's relations, because it is done to the schema.
    pub(super) fn act_within(&mut self, verb: Verb, schema: &str) {
        let catalog = self.names.catalog;
        let mut inside: Vec<_> = catalog.relations().filter(|r| schema == r.schema).collect();
        // One that has been moved here is still known by where it was.
        let moved = inside.iter().filter(|relation| catalog.is_made(relation.oid) && verb == Verb::Drop);
        let were = moved.flat_map(|relation| &relation.children).filter_map(|oid| catalog.relation(*oid));
        let were: Vec<_> = were.collect();
        inside.extend(were);
        inside.sort_by_key(|relation| relation.oid);
        for relation in inside {
            self.relations.insert(relation.oid);
            self.act(Action { verb, object: relation_object(relation), implied: true, detail: Detail::NONE });
        }
    }
}
