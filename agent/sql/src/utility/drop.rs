//! DROP of every kind of object.

use policy::{Action, Detail, ObjectKind, Verb};

use super::kind::{object_type, tag};
use super::{Read, action};
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::moves;
use crate::read::{Reader, relation_object};

impl<'a> Reader<'a> {
    pub(super) fn drop_statement(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.effects.ddl = true;
        if cursor.eat_all(&["owned", "by"]) {
            while let Some(role) = cursor.role() {
                self.act(action(Verb::Role, ObjectKind::Role, "", role));
                cursor.eat_kind(Kind::Comma);
            }
            cursor.eat_one(&["cascade", "restrict"]);
            return Some(Read::quiet("DROP OWNED"));
        }
        let object_type = object_type(cursor)?;
        cursor.eat("concurrently");
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
                if cursor.eat_one(&["cascade", "restrict"]) == Some("cascade") {
                    self.drop_dependents();
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
                    self.drop_dependents();
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
                loop {
                    let name = cursor.qualified()?;
                    self.alter_other(Verb::Drop, kind, object_type.class, Some(name));
                    cursor.group();
                    if !cursor.eat_kind(Kind::Comma) {
                        break;
                    }
                }
                self.may_cascade(cursor, object_type.class);
            }
            ("cast" | "transform" | "user mapping", kind) => {
                // These have no name of their own.
                self.alter_other(Verb::Drop, kind, object_type.class, None);
                cursor.rest = &[];
            }
            (class, kind) => {
                loop {
                    let name = if class == "operator" { cursor.operator()? } else { cursor.qualified()? };
                    self.alter_other(Verb::Drop, kind, class, Some(name));
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
                self.may_cascade(cursor, object_type.class);
            }
        }
        Some(Read::quiet(tag("DROP", object_type.class)))
    }

    /// CASCADE or RESTRICT behind what is no relation: which columns, defaults and views use it is not known.
    fn may_cascade(&mut self, cursor: &mut Cursor<'a>, class: &str) {
        let unused = ["conversion", "database", "event trigger", "publication", "statistics", "subscription"];
        if cursor.eat_one(&["cascade", "restrict"]) == Some("cascade") && !unused.contains(&class) {
            self.opaque("DROP … CASCADE of what is no relation takes along whatever uses it");
        }
    }

    /// What stands on the relations that are dropped or altered is dropped with them.
    pub(super) fn drop_dependents(&mut self) {
        let changed = self.actions.iter().filter(|a| matches!(a.verb, Verb::Drop | Verb::Alter));
        let dependents =
            moves::dependents(changed.filter_map(|a| a.object.oid).collect(), self.names.catalog);
        for relation in dependents {
            self.relations.insert(relation.oid);
            let object = relation_object(relation);
            self.act(Action { verb: Verb::Drop, object, implied: true, detail: Detail::NONE });
        }
    }

    /// What is done to a schema's relations, because it is done to the schema.
    pub(super) fn act_within(&mut self, verb: Verb, schema: &str) {
        let catalog = self.names.catalog;
        let mut inside: Vec<_> = catalog.relations().filter(|r| schema == r.schema).collect();
        inside.sort_by_key(|relation| relation.oid);
        for relation in inside {
            self.relations.insert(relation.oid);
            self.act(Action { verb, object: relation_object(relation), implied: true, detail: Detail::NONE });
        }
    }
}
