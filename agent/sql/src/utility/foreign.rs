//! Foreign tables: what they stand for, by the options that they are made with.
//!
//! A wrapper of the server's own reaches files, programs and, where the foreign server is this one again, its tables: what a
//! job makes itself is judged as what it stands for. What others have made is theirs, as a view is.

use policy::{Action, Oid, RelationKind, Verb};

use crate::cursor::Cursor;
use crate::flow::column;
use crate::lexer::Token;
use crate::name::Name;
use crate::read::Reader;

impl<'a> Reader<'a> {
    /// What a foreign table stands for by the options in these tokens; a new one has a name, by which it stands for a table
    /// of the same (`postgres_fdw`).
    pub(super) fn stands_for(&mut self, tokens: &'a [Token], new: Option<&Name>) {
        let (mut schema, mut table) = (None, None);
        for pair in tokens.windows(2) {
            let [option, value] = pair else { continue };
            if !(option.kind.is_name() && value.kind.is_string()) {
                continue;
            }
            match &*option.name(self.text) {
                // Both of file_fdw, which COPY asks for by other words.
                "program" => self.act(Action::bare(Verb::CopyProgram)),
                "filename" => self.act(Action::bare(Verb::CopyServer)),
                "schema_name" => schema = Some(*value),
                "table_name" => table = Some(*value),
                _ => {}
            }
        }
        if schema.is_none() && table.is_none() {
            return;
        }
        let mut told = |value: Option<Token>| match value {
            None => None,
            Some(value) => {
                let literal = value.literal(self.text);
                if literal.is_none() {
                    self.opaque_at("an option that is not a plain literal", Some(value));
                }
                literal
            }
        };
        let (schema, table) = (told(schema), told(table));
        let own_schema = new
            .and_then(|name| name.schema.clone().or_else(|| self.names.creation_schema().map(str::to_owned)));
        let schema = schema.or(own_schema);
        let table = table.or_else(|| new.map(|name| name.name.clone()));
        self.stands_for_all(schema.as_deref(), table.as_deref());
    }

    /// A foreign table that gets another name or schema stands for another table, where its options do not tell which.
    pub(super) fn stands_for_another(&mut self, mut part: Cursor<'a>, class: &str, name: &Name) {
        if !self.may_be_foreign(class, name) {
            return;
        }
        if part.eat_all(&["rename", "to"]) {
            let table = part.name();
            self.stands_for_all(None, table.as_deref());
        } else if part.eat_all(&["set", "schema"]) {
            let schema = part.name();
            self.stands_for_all(schema.as_deref(), None);
        }
    }

    /// Whether ALTER of that class alters a foreign table: ALTER TABLE does, too.
    pub(super) fn may_be_foreign(&self, class: &str, name: &Name) -> bool {
        let relations = self.names.relations(name);
        // One that is not committed may be of any kind.
        class == "foreign table"
            || relations.is_empty()
            || relations.iter().any(|relation| relation.kind == RelationKind::ForeignTable)
    }

    /// It may stand for any of the relations of that schema and name, to read and to write.
    pub(super) fn stands_for_all(&mut self, schema: Option<&str>, name: Option<&str>) {
        let catalog = self.names.catalog;
        let is_meant = |relation: &&policy::Relation| {
            schema.is_none_or(|schema| relation.schema == schema)
                && name.is_none_or(|name| relation.name == name)
                && !relation.columns.is_empty()
        };
        let mut meant: Vec<Oid> = catalog.relations().filter(is_meant).map(|relation| relation.oid).collect();
        meant.sort_unstable();
        for oid in meant {
            self.implying(|reader| {
                for verb in [Verb::Select, Verb::Insert, Verb::Update, Verb::Delete] {
                    reader.touch_oid(oid, verb);
                }
            });
            // A mask is of the relation that it names.
            self.store(column(oid, 0));
        }
    }
}
