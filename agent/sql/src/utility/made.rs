//! What is made on a table: its own definition, indexes, triggers, policies, statistics, publications.

use policy::{ObjectKind, Verb};

use super::action;
use super::define::{Defined, When, included};
use super::expression::comma_parts;
use crate::cursor::Cursor;
use crate::flow::constant;
use crate::lexer::Kind;
use crate::name::Name;
use crate::read::{Over, Reader};

impl<'a> Reader<'a> {
    /// CREATE TABLE behind the name, where no query follows.
    pub(super) fn table_definition(&mut self, cursor: &mut Cursor<'a>, name: &Name) -> Option<()> {
        let partition = cursor.eat_all(&["partition", "of"]);
        if partition {
            let parent = self.touch_named(cursor, Verb::Alter)?;
            self.born_to(&parent);
        }
        let typed = !partition && cursor.eat("of");
        if typed {
            cursor.chain()?;
        }
        let elements = cursor.group().unwrap_or_default();
        let inherits = cursor.sees("inherits");
        let columns = self.element_names(elements);
        let like =
            comma_parts(elements).iter().any(|part| part.first().is_some_and(|t| t.is(self.text, "like")));
        let over = Over::New { name, columns: &columns, more: partition || typed || inherits || like };
        let defined = Defined { over, when: When::Later };
        self.table_elements(elements, defined, partition || typed)?;
        if cursor.eat("inherits") {
            for parent in comma_parts(cursor.group()?) {
                let parent = self.touch_named(&mut Cursor::new(self.text, parent), Verb::Alter)?;
                self.born_to(&parent);
            }
        }
        if partition {
            self.bounds(cursor)?;
        }
        loop {
            if cursor.eat_all(&["partition", "by"]) {
                cursor.label()?;
                for element in comma_parts(cursor.group()?) {
                    let mut element = Cursor::new(self.text, element);
                    self.index_element(&mut element, defined)?;
                    if !element.is_end() {
                        return None;
                    }
                }
            } else if cursor.eat("with") || cursor.eat("options") {
                cursor.group()?;
            } else if cursor.eat_all(&["on", "commit"]) {
                if cursor.eat_one(&["drop"]).is_none() {
                    cursor.eat_one(&["preserve", "delete"])?;
                    cursor.eat("rows");
                }
            } else if cursor.eat_one(&["using", "tablespace", "server"]).is_some() {
                cursor.name()?;
            } else if !cursor.eat_all(&["without", "oids"]) {
                return Some(());
            }
        }
    }

    /// `verb` on the relation whose name is next.
    pub(super) fn touch_named(&mut self, cursor: &mut Cursor<'a>, verb: Verb) -> Option<Name> {
        let name = cursor.qualified()?;
        self.touch(verb, &name);
        Some(name)
    }

    /// CREATE INDEX from ON.
    pub(super) fn index(
        &mut self,
        cursor: &mut Cursor<'a>,
        named: Option<String>,
        unique: bool,
    ) -> Option<()> {
        if !cursor.eat("on") {
            return None;
        }
        cursor.eat("only");
        let table = cursor.qualified()?;
        cursor.star();
        self.create_on("index", &table);
        if let Some(named) = named {
            self.comes_along(&table, named, policy::RelationKind::Index);
        }
        let defined = Defined { over: Over::Relation(&table), when: When::Now };
        if unique {
            // A value that is there twice is told.
            self.reads_rows(defined);
        }
        if cursor.eat("using") {
            cursor.name()?;
        }
        for element in comma_parts(cursor.group()?) {
            if unique {
                self.decides_by(element, defined);
            }
            let mut element = Cursor::new(self.text, element);
            self.index_element(&mut element, defined)?;
            if !element.is_end() {
                return None;
            }
        }
        included(cursor)?;
        let _ = cursor.eat_all(&["nulls", "distinct"]) || cursor.eat_all(&["nulls", "not", "distinct"]);
        if cursor.eat("with") {
            cursor.group()?;
        }
        if cursor.eat("tablespace") {
            cursor.name()?;
        }
        if cursor.eat("where") {
            let condition = cursor.rest;
            cursor.rest = &[];
            self.defining(condition, defined);
        }
        Some(())
    }

    /// CREATE TRIGGER from the name.
    pub(super) fn trigger(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let name = cursor.name()?.into_owned();
        self.act(action(Verb::Create, ObjectKind::Other, "trigger", name));
        if !cursor.eat_all(&["instead", "of"]) {
            cursor.eat_one(&["before", "after"])?;
        }
        loop {
            if cursor.eat_one(&["insert", "update", "delete", "truncate"])? == "update" && cursor.eat("of") {
                cursor.name()?;
                while cursor.eat_kind(Kind::Comma) {
                    cursor.name()?;
                }
            }
            if !cursor.eat("or") {
                break;
            }
        }
        if !cursor.eat("on") {
            return None;
        }
        let table = self.touch_named(cursor, Verb::Alter)?;
        loop {
            if cursor.eat("from") {
                self.touch_named(cursor, Verb::References)?;
            } else if cursor.eat("referencing") {
                self.sees_rows(&table);
                while cursor.eat_one(&["new", "old"]).is_some() {
                    cursor.eat_one(&["table", "row"]);
                    cursor.eat("as");
                    cursor.name()?;
                }
            } else if cursor.eat("for") {
                cursor.eat("each");
                if cursor.eat_one(&["row", "statement"])? == "row" {
                    self.sees_rows(&table);
                }
            } else if cursor.eat("when") {
                let condition = cursor.group()?;
                self.defining(condition, Defined { over: Over::Rows(&table), when: When::Later });
            } else if !["deferrable", "initially", "not", "immediate", "deferred"]
                .iter()
                .any(|word| cursor.eat(word))
            {
                break;
            }
        }
        self.executed_function(cursor)
    }

    /// `EXECUTE FUNCTION f(…)`.
    pub(super) fn executed_function(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        if !cursor.eat("execute") {
            return None;
        }
        cursor.eat_one(&["function", "procedure"])?;
        let function = cursor.qualified()?;
        // Its arguments are constants and words.
        cursor.group()?;
        self.call(Verb::Function, &function);
        Some(())
    }

    /// What a policy for rows says behind the table: they are computed for the rows of others' statements.
    pub(super) fn policy_conditions(&mut self, cursor: &mut Cursor<'a>, table: &Name) -> Option<()> {
        let defined = Defined { over: Over::Relation(table), when: When::Later };
        if cursor.eat("as") {
            cursor.name()?;
        }
        if cursor.eat("for") {
            cursor.label()?;
        }
        if cursor.eat("to") {
            self.roles(cursor)?;
        }
        if cursor.eat("using") {
            let condition = cursor.group()?;
            // Which rows others find tells what it says of them.
            if self.computing(condition, defined) != constant() {
                self.sees_rows(table);
            }
        }
        if cursor.eat_all(&["with", "check"]) {
            let condition = cursor.group()?;
            self.defining(condition, defined);
        }
        Some(())
    }

    /// What is made on a relation is handed the rows that are there, when somebody writes or reads them.
    fn sees_rows(&mut self, table: &Name) {
        self.implying(|reader| reader.touch(Verb::Select, table));
    }

    /// Roles with commas between.
    pub(super) fn roles(&mut self, cursor: &mut Cursor<'a>) -> Option<Vec<String>> {
        let mut roles = vec![cursor.role()?];
        while cursor.eat_kind(Kind::Comma) {
            roles.push(cursor.role()?);
        }
        roles.sort_unstable();
        roles.dedup();
        Some(roles)
    }

    /// CREATE STATISTICS from the name on.
    pub(super) fn statistics(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        if cursor.sees_kind(Kind::LeftParen) || cursor.sees("on") {
            self.act(action(Verb::Create, ObjectKind::Other, "statistics", ""));
        } else {
            let name = cursor.qualified()?;
            self.create_other(ObjectKind::Other, "statistics", name);
        }
        cursor.group();
        if !cursor.eat("on") {
            return None;
        }
        let from = cursor.rest.iter().rposition(|token| token.is(cursor.text, "from"))?;
        let (elements, rest) = cursor.rest.split_at(from);
        cursor.rest = &rest[1..];
        let table = cursor.qualified()?;
        self.create_on("statistics", &table);
        let defined = Defined { over: Over::Relation(&table), when: When::Later };
        for element in comma_parts(elements) {
            let mut element = Cursor::new(self.text, element);
            self.index_element(&mut element, defined)?;
            if !element.is_end() {
                return None;
            }
        }
        Some(())
    }

    /// `FOR TABLE …`, `ADD TABLE …`, `FOR ALL TABLES`: whoever subscribes gets their rows.
    pub(super) fn publishes(&mut self, cursor: &mut Cursor<'a>, verb: Verb) -> Option<()> {
        if cursor.eat("all") {
            cursor.eat_one(&["tables", "sequences"])?;
            // Those that come later, too: so each schema is asked for as well.
            let catalog = self.names.catalog;
            let own = |schema: &&str| schema.starts_with("pg_") || *schema == "information_schema";
            for schema in catalog.schemas().filter(|schema| !own(schema)) {
                self.act(action(verb, ObjectKind::Schema, "schema", schema));
                self.act_within(verb, schema);
            }
            while cursor.eat_kind(Kind::Comma) {
                if !cursor.eat("all") {
                    return None;
                }
                cursor.eat_one(&["tables", "sequences"])?;
            }
            if cursor.eat("with") {
                cursor.group()?;
            }
            return Some(());
        }
        let mut schemas = false;
        loop {
            if cursor.eat_all(&["tables", "in", "schema"]) {
                schemas = true;
            } else if cursor.eat("table") {
                schemas = false;
            }
            if schemas {
                let schema = if cursor.eat("current_schema") {
                    self.names.creation_schema().map(str::to_owned)?
                } else {
                    cursor.name()?.into_owned()
                };
                self.act(action(verb, ObjectKind::Schema, "schema", schema.clone()));
                self.act_within(verb, &schema);
            } else {
                let only = cursor.eat("only");
                let table = match cursor.group() {
                    Some(inside) if only => self.touch_named(&mut Cursor::new(self.text, inside), verb)?,
                    _ => self.touch_named(cursor, verb)?,
                };
                cursor.star();
                cursor.group();
                if cursor.eat("where") {
                    let condition = cursor.group()?;
                    self.defining(condition, Defined { over: Over::Relation(&table), when: When::Later });
                }
            }
            if !cursor.eat_kind(Kind::Comma) {
                break;
            }
        }
        if cursor.eat("with") {
            cursor.group()?;
        }
        Some(())
    }
}
