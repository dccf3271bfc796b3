//! ALTER of every kind of object, and COMMENT.

use policy::{Action, Detail, Object, ObjectKind, Verb};

use super::kind::{ObjectType, object_type, tag};
use super::{Read, action};
use crate::cursor::Cursor;
use crate::names::Name;
use crate::read::Reader;

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
                if looks_at_rows && self.names.relation(&name).is_some_and(|r| r.has_triggers) {
                    // What checks or computes them runs.
                    self.moves_settings();
                }
                self.definition(cursor);
            }
            ("policy" | "trigger" | "rule", _) => {
                let name = cursor.name()?.into_owned();
                if !cursor.eat("on") {
                    return None;
                }
                let table = cursor.qualified()?;
                self.act(action(Verb::Alter, ObjectKind::Other, object_type.class, name));
                self.touch(Verb::Alter, &table);
                self.definition(cursor);
            }
            ("schema", _) => {
                let name = cursor.name()?.into_owned();
                self.act(action(Verb::Alter, ObjectKind::Schema, "schema", name));
                cursor.rest = &[];
            }
            (class, kind) => {
                cursor.eat_all(&["if", "exists"]);
                let name = cursor.qualified();
                self.alter_other(Verb::Alter, kind, class, name);
                if class == "domain" {
                    // Its new check runs on what there is.
                    self.moves_settings();
                }
                cursor.rest = &[];
            }
        }
        Some(Read::quiet(tag("ALTER", object_type.class)))
    }

    /// `verb` on a relation; where it need not exist, on the name as written.
    pub(super) fn alter_relation(
        &mut self,
        verb: Verb,
        object_type: ObjectType,
        name: &Name,
        missing_ok: bool,
    ) {
        if missing_ok && self.names.relation(name).is_none() {
            let schema = name.schema.clone().or_else(|| self.names.creation_schema().map(str::to_owned));
            let object = Object {
                kind: ObjectKind::Relation,
                class: object_type.class,
                schema,
                name: name.name.clone(),
                oid: None,
            };
            self.act(Action { verb, object, implied: false, detail: Detail::NONE });
            return;
        }
        self.touch(verb, name);
    }

    pub(super) fn alter_other(
        &mut self,
        verb: Verb,
        kind: ObjectKind,
        class: &'static str,
        name: Option<Name>,
    ) {
        let (schema, name) = match name {
            Some(name) if kind == ObjectKind::Function => {
                let known = self.names.functions(&name).first().map(|f| f.schema.clone());
                (name.schema.or(known).or_else(|| self.names.creation_schema().map(str::to_owned)), name.name)
            }
            Some(name) => (name.schema, name.name),
            None => (None, String::new()),
        };
        let object = Object { kind, class, schema, name, oid: None };
        self.act(Action { verb, object, implied: false, detail: Detail::NONE });
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
                if cursor.eat("domain") {
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
