//! VACUUM, ANALYZE, CLUSTER, REINDEX, REFRESH, CHECKPOINT; TRUNCATE and LOCK.

use std::collections::BTreeSet;
use std::rc::Rc;

use policy::{Action, ObjectKind, Oid, Verb};

use super::{Read, action};
use crate::cursor::Cursor;
use crate::flow::column;
use crate::lexer::Kind;
use crate::name::Name;
use crate::read::{Reader, Target, Told};

impl<'a> Reader<'a> {
    pub(super) fn maintain(&mut self, head: &str, cursor: &mut Cursor<'a>) -> Option<Read> {
        let tag = match head {
            "vacuum" => "VACUUM",
            "analyze" | "analyse" => "ANALYZE",
            "cluster" => "CLUSTER",
            "reindex" => "REINDEX",
            "refresh" => "REFRESH MATERIALIZED VIEW",
            _ => "CHECKPOINT",
        };
        if head != "refresh" {
            cursor.group();
        }
        match head {
            "checkpoint" => self.act(Action::bare(Verb::Maintain)),
            "refresh" => {
                if !cursor.eat_all(&["materialized", "view"]) {
                    return None;
                }
                cursor.eat("concurrently");
                let name = cursor.qualified()?;
                self.touch(Verb::Maintain, &name);
                self.names.relations(&name).into_iter().for_each(|view| self.refills(view));
                let _ = cursor.eat_all(&["with", "data"]) || cursor.eat_all(&["with", "no", "data"]);
                self.effects.ddl = true;
            }
            "reindex" => {
                let what = cursor.eat_one(&["index", "table", "schema", "database", "system"])?;
                cursor.eat("concurrently");
                match what {
                    "index" | "table" => {
                        let name = cursor.qualified()?;
                        self.touch(Verb::Maintain, &name);
                    }
                    "schema" => {
                        let name = cursor.name()?;
                        self.keeps_all(Some(&name));
                        self.act(action(Verb::Maintain, ObjectKind::Schema, "schema", name));
                    }
                    _ => {
                        let name = cursor.name().unwrap_or_default();
                        self.keeps_all(None);
                        self.act(action(Verb::Maintain, ObjectKind::Other, "database", name));
                    }
                }
            }
            "cluster" => {
                cursor.eat("verbose");
                if cursor.is_end() {
                    self.keeps_all(None);
                    self.act(Action::bare(Verb::Maintain));
                    self.puts_all_in_order();
                } else {
                    let name = cursor.qualified()?;
                    if cursor.eat("on") {
                        // CLUSTER index ON table
                        let table = cursor.qualified()?;
                        self.touch(Verb::Maintain, &table);
                        self.puts_in_order(&table);
                    } else {
                        self.touch(Verb::Maintain, &name);
                        self.puts_in_order(&name);
                        if cursor.eat("using") {
                            cursor.name()?;
                        }
                    }
                }
            }
            _ => {
                while cursor.eat_one(&["full", "freeze", "verbose", "analyze", "analyse"]).is_some() {}
                if cursor.is_end() {
                    self.keeps_all(None);
                    self.act(Action::bare(Verb::Maintain));
                }
                while !cursor.is_end() {
                    cursor.eat("only");
                    let name = cursor.qualified()?;
                    cursor.star();
                    self.touch(Verb::Maintain, &name);
                    cursor.group();
                    if !cursor.eat_kind(Kind::Comma) {
                        break;
                    }
                }
            }
        }
        Some(Read::quiet(tag))
    }

    /// The rows of a table come in the order of an index from now on, of whichever columns that is.
    fn puts_in_order(&mut self, table: &Name) {
        for relation in self.names.relations(table) {
            self.steer(column(relation.oid, 0));
        }
    }

    /// The same of every table that has an index, since it is not known which has been clustered before.
    fn puts_all_in_order(&mut self) {
        let catalog = self.names.catalog;
        let tables: BTreeSet<Oid> = catalog.relations().filter_map(|relation| relation.table).collect();
        for table in tables {
            self.steer(column(table, 0));
        }
    }

    pub(super) fn truncate(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        cursor.eat("table");
        for name in relations(cursor)? {
            self.touch(Verb::Truncate, &name);
        }
        let identity = cursor.eat_one(&["restart", "continue"]);
        if identity.is_some() && !cursor.eat("identity") {
            return None;
        }
        if cursor.eat_one(&["cascade", "restrict"]) == Some("cascade") {
            self.truncate_referring();
        }
        if identity == Some("restart") {
            self.alter_owned_by(Verb::Truncate, Verb::Alter);
        }
        Some(Read::quiet("TRUNCATE TABLE"))
    }

    /// CASCADE: the tables whose foreign keys refer to those that are named, and so on.
    fn truncate_referring(&mut self) {
        if self.names.may_hang_more() {
            self.opaque("TRUNCATE … CASCADE behind what may have made foreign keys, before it is committed");
            return;
        }
        let mut seen = BTreeSet::new();
        let mut at = 0;
        // Those that are found come behind.
        while let Some(action) = self.actions.get(at) {
            at += 1;
            let oid = action.object.oid.filter(|_| action.verb == Verb::Truncate);
            let relation =
                oid.filter(|oid| seen.insert(*oid)).and_then(|oid| self.names.catalog.relation(oid));
            let Some(relation) = relation else { continue };
            self.implying(|reader| {
                relation
                    .writes
                    .cascades
                    .iter()
                    .for_each(|key| reader.touch_oid(key.relation, Verb::Truncate));
            });
        }
    }

    pub(super) fn lock(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        cursor.eat("table");
        let names = relations(cursor)?;
        let shares = cursor.sees_all(&["in", "access", "share", "mode"]);
        for name in names {
            // What a SELECT of no column takes, and needs the same privilege.
            let target = match shares {
                true => self.touch_telling(Verb::Select, &name, &Told::Read(Rc::default())),
                false => self.touch(Verb::Lock, &name),
            };
            if let Target::Known(relation) = target {
                self.relations.insert(relation.oid);
            }
        }
        if cursor.eat("in") {
            while cursor.eat_one(&["access", "row", "share", "update", "exclusive"]).is_some() {}
            if !cursor.eat("mode") {
                return None;
            }
        }
        cursor.eat("nowait");
        Some(Read::quiet("LOCK TABLE"))
    }
}

/// `[ONLY] name [*], …`
fn relations(cursor: &mut Cursor<'_>) -> Option<Vec<Name>> {
    let mut names = Vec::new();
    loop {
        if cursor.eat("only") && cursor.eat_kind(Kind::LeftParen) {
            names.push(cursor.qualified()?);
            if !cursor.eat_kind(Kind::RightParen) {
                return None;
            }
        } else {
            names.push(cursor.qualified()?);
        }
        cursor.star();
        if !cursor.eat_kind(Kind::Comma) {
            return Some(names);
        }
    }
}
