//! Definitions of tables and of what is like them: columns, constraints, bounds of partitions, elements of an index.
//!
//! What is an expression is read as one, over the columns of the relation that is defined; what names a relation or a
//! function is told. What is not understood ends the reading, so that the statement is opaque.

use policy::{Action, Detail, Lineage, Object, ObjectKind, Relation, Verb};

use super::expression::comma_parts;
use crate::cursor::Cursor;
use crate::flow::{column, constant};
use crate::lexer::{Kind, Token};
use crate::name::Name;
use crate::read::{Over, Reader, relation_object};

/// What an expression in a definition is computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// The rows that there are: an error may tell their values.
    Now,
    /// Rows that come.
    Later,
}

/// The relation that is defined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defined<'d> {
    pub(super) over: Over<'d>,
    /// Whether rows of it are there already, which are looked at.
    pub(super) when: When,
}

impl<'a> Reader<'a> {
    /// An expression of a definition. Where rows are there already, what it reads of them is selected.
    /// It decides: about an error now, or about what statements do that come.
    pub(super) fn defining(&mut self, tokens: &'a [Token], defined: Defined<'_>) {
        self.computing(tokens, defined);
    }

    /// One whose values are stored.
    pub(super) fn storing(&mut self, tokens: &'a [Token], defined: Defined<'_>) {
        let carried = self.computing(tokens, defined);
        self.store(carried);
    }

    /// Gives what it carries of rows that are there, or come to be.
    pub(super) fn computing(&mut self, tokens: &'a [Token], defined: Defined<'_>) -> Lineage {
        let (carried, read) = self.expression_read(tokens, defined.over);
        if read && defined.when == When::Now {
            self.reads_rows(defined);
        }
        if !read {
            return constant();
        }
        self.steer(carried.clone());
        carried
    }

    /// Values of the columns that are named here are compared or cast, and an error may tell them.
    pub(super) fn decides_by(&mut self, tokens: &[Token], defined: Defined<'_>) {
        let (Over::Relation(name), When::Now) = (defined.over, defined.when) else { return };
        let Some(relation) = self.names.relation(name) else {
            return self.steer(Lineage::Unknown);
        };
        for token in tokens.iter().filter(|token| token.kind.is_name()) {
            let name = token.name(self.text);
            if let Some(named) = relation.columns.iter().find(|column| column.name == *name) {
                self.steer(column(relation.oid, named.attnum));
            }
        }
    }

    /// Rows of the relation are looked at, and an error may tell their values.
    pub(super) fn reads_rows(&mut self, defined: Defined<'_>) {
        if let (Over::Relation(name), When::Now) = (defined.over, defined.when)
            && !self.names.relations(name).is_empty()
        {
            self.touch(Verb::Select, name);
        }
    }

    /// The columns that elements of CREATE TABLE define.
    pub(super) fn element_names(&self, tokens: &'a [Token]) -> Vec<String> {
        let columns = comma_parts(tokens).into_iter().filter(|part| !self.is_no_column(part));
        columns.filter_map(|part| part.first()).map(|token| token.name(self.text).into_owned()).collect()
    }

    /// `(element, …)` of CREATE TABLE: columns, LIKE, constraints. `typed`: where a column's type may be missing.
    pub(super) fn table_elements(
        &mut self,
        tokens: &'a [Token],
        defined: Defined<'_>,
        typed: bool,
    ) -> Option<()> {
        for part in comma_parts(tokens) {
            let mut cursor = Cursor::new(self.text, part);
            if cursor.eat("like") {
                let like = self.touch_named(&mut cursor, Verb::Select)?;
                // Its defaults and checks may come along.
                let functions = self.names.relations(&like).into_iter().flat_map(|r| &r.writes.functions);
                self.implying(|reader| functions.for_each(|oid| reader.call_member(*oid)));
                while cursor.eat_one(&["including", "excluding"]).is_some() {
                    cursor.label()?;
                }
            } else if self.is_no_column(part) {
                self.table_constraint(&mut cursor, defined)?;
            } else {
                self.column(&mut cursor, defined, typed)?;
            }
            if !cursor.is_end() {
                self.opaque_at("unsupported syntax", cursor.peek());
                return Some(());
            }
        }
        Some(())
    }

    /// Whether an element is LIKE or a constraint: all of these words are reserved but EXCLUDE and NOT's.
    pub(super) fn is_no_column(&self, part: &[Token]) -> bool {
        let is = |at: usize, word: &str| part.get(at).is_some_and(|token| token.is(self.text, word));
        let reserved = ["like", "constraint", "check", "unique", "primary", "foreign", "not"];
        let excludes = is(0, "exclude")
            && part.get(1).is_some_and(|next| next.kind == Kind::LeftParen || next.is(self.text, "using"));
        reserved.iter().any(|word| is(0, word)) || excludes
    }

    /// A column's name, type and qualities; `typed`: of a table OF a type or PARTITION OF another, where the type may be
    /// missing.
    pub(super) fn column(
        &mut self,
        cursor: &mut Cursor<'a>,
        defined: Defined<'_>,
        typed: bool,
    ) -> Option<()> {
        let name = cursor.name()?;
        let options = cursor.eat_all(&["with", "options"]);
        if !(options || (typed && self.at_quality(cursor))) {
            let serial = ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"];
            if serial.iter().any(|word| cursor.sees(word)) {
                self.sequence_along(defined, &name);
            }
            self.column_type(cursor, defined.when)?;
        }
        self.qualities_of(cursor, defined, Some(&name))
    }

    fn at_quality(&self, cursor: &Cursor<'_>) -> bool {
        cursor.is_end() || QUALITIES.iter().any(|word| cursor.sees(word))
    }

    /// A column's type. Rows that are there already are computed for it, and its checks run.
    pub(super) fn column_type(&mut self, cursor: &mut Cursor<'a>, when: When) -> Option<()> {
        match self.written_type(cursor)? {
            // One that is made by the same transaction is not in the catalog; what its checks call was told with it.
            Some(name) if when == When::Now => self.known_type(&name),
            Some(name) => self.defining_type(&name),
            None => {}
        }
        Some(())
    }

    /// What follows a column's type, up to what it is not.
    pub(super) fn qualities(&mut self, cursor: &mut Cursor<'a>, defined: Defined<'_>) -> Option<()> {
        self.qualities_of(cursor, defined, None)
    }

    /// The same of a column of that name.
    fn qualities_of(
        &mut self,
        cursor: &mut Cursor<'a>,
        defined: Defined<'_>,
        column: Option<&str>,
    ) -> Option<()> {
        let mut named = None;
        loop {
            if cursor.eat("constraint") {
                named = Some(cursor.name()?.into_owned());
            } else if cursor.eat_one(&["storage", "compression"]).is_some() {
                cursor.label()?;
            } else if cursor.eat("options") {
                cursor.group()?;
            } else if cursor.eat_all(&["not", "null"]) || cursor.eat("null") {
                cursor.eat_all(&["no", "inherit"]);
            } else if let Some(unique) = unique_or_primary(cursor) {
                self.indexed(defined, named.take(), unique.then_some(column.into_iter().collect()));
                nulls_distinct(cursor);
                index_parameters(cursor)?;
            } else if cursor.eat("check") {
                let condition = cursor.group()?;
                self.defining(condition, defined);
                cursor.eat_all(&["no", "inherit"]);
            } else if cursor.eat("default") {
                let value = default_value(cursor);
                self.defining(value, defined);
            } else if cursor.eat("generated") {
                if !cursor.eat("always") && !cursor.eat_all(&["by", "default"]) {
                    return None;
                }
                if !cursor.eat("as") {
                    return None;
                }
                if cursor.eat("identity") {
                    if let Some(column) = column {
                        self.sequence_along(defined, column);
                    }
                    cursor.group();
                } else {
                    let value = cursor.group()?;
                    self.storing(value, defined);
                    cursor.eat_one(&["stored", "virtual"]);
                }
            } else if cursor.sees("references") {
                self.references(cursor)?;
            } else if cursor.eat("collate") {
                cursor.chain()?;
            } else if !constraint_attribute(cursor) {
                return Some(());
            }
        }
    }

    /// `REFERENCES table [(columns)] …`.
    fn references(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        if !cursor.eat("references") {
            return None;
        }
        let name = cursor.qualified()?;
        // A table may refer to itself while it is made.
        if !self.makes(&name) {
            self.touch(Verb::References, &name);
        }
        cursor.group();
        if cursor.eat("match") {
            cursor.eat_one(&["full", "partial", "simple"])?;
        }
        while cursor.eat("on") {
            cursor.eat_one(&["delete", "update"])?;
            if !(cursor.eat_all(&["no", "action"])
                || cursor.eat_one(&["restrict", "cascade"]).is_some()
                || cursor.eat_all(&["set", "null"])
                || cursor.eat_all(&["set", "default"]))
            {
                return None;
            }
            cursor.group();
        }
        Some(())
    }

    /// Whether this statement has made a relation of that name, as far as it has been read.
    fn makes(&self, name: &Name) -> bool {
        let schema = name.schema.as_deref().or_else(|| self.names.creation_schema());
        self.actions.iter().any(|action| {
            action.verb == Verb::Create
                && action.object.kind == ObjectKind::Relation
                && action.object.name == name.name
                && (action.object.schema.as_deref() == schema
                    || (name.schema.is_none() && action.object.schema.as_deref() == Some("pg_temp")))
        })
    }

    /// A constraint of a table.
    pub(super) fn table_constraint(&mut self, cursor: &mut Cursor<'a>, defined: Defined<'_>) -> Option<()> {
        let mut named = None;
        if cursor.eat("constraint") {
            named = Some(cursor.name()?.into_owned());
        }
        if cursor.eat("check") {
            let condition = cursor.group()?;
            self.defining(condition, defined);
            cursor.eat_all(&["no", "inherit"]);
        } else if let Some(unique) = unique_or_primary(cursor) {
            self.indexed(defined, named, unique.then(Vec::new));
            // A value that is there twice is told.
            self.reads_rows(defined);
            nulls_distinct(cursor);
            if cursor.eat_all(&["using", "index"]) {
                cursor.name()?;
            } else {
                let columns = cursor.group()?;
                self.decides_by(columns, defined);
                index_parameters(cursor)?;
            }
        } else if cursor.eat("exclude") {
            self.reads_rows(defined);
            if cursor.eat("using") {
                cursor.name()?;
            }
            for element in comma_parts(cursor.group()?) {
                self.decides_by(element, defined);
                let mut element = Cursor::new(self.text, element);
                self.index_element(&mut element, defined)?;
                if !element.eat("with") {
                    return None;
                }
                self.operator_name(&mut element)?;
                if !element.is_end() {
                    return None;
                }
            }
            index_parameters(cursor)?;
            if cursor.eat("where") {
                let condition = cursor.group()?;
                self.defining(condition, defined);
            }
        } else if cursor.eat_all(&["foreign", "key"]) {
            self.reads_rows(defined);
            let columns = cursor.group()?;
            self.decides_by(columns, defined);
            self.references(cursor)?;
        } else if cursor.eat_all(&["not", "null"]) {
            // Whether one is NULL is told.
            self.reads_rows(defined);
            // A domain has no column to name.
            if !cursor.is_end() {
                cursor.name()?;
            }
            cursor.eat_all(&["no", "inherit"]);
        } else {
            return None;
        }
        while constraint_attribute(cursor) {}
        Some(())
    }

    /// `column`, `f(…)` or `(expression)`, with its collation, operator class and order.
    pub(super) fn index_element(&mut self, cursor: &mut Cursor<'a>, defined: Defined<'_>) -> Option<()> {
        if let Some(expression) = cursor.group() {
            self.defining(expression, defined);
        } else {
            let start = cursor.rest;
            cursor.label()?;
            while cursor.eat_kind(Kind::Dot) {
                cursor.label()?;
            }
            if cursor.group().is_some() {
                self.defining(&start[..start.len() - cursor.rest.len()], defined);
            }
        }
        if cursor.eat("collate") {
            cursor.chain()?;
        }
        let ordered = |cursor: &Cursor<'_>| ["asc", "desc", "nulls", "with"].iter().any(|w| cursor.sees(w));
        if !cursor.is_end() && !ordered(cursor) {
            // An operator class: it was there before, with what it calls.
            cursor.chain()?;
            cursor.group();
        }
        cursor.eat_one(&["asc", "desc"]);
        if cursor.eat("nulls") {
            cursor.eat_one(&["first", "last"])?;
        }
        Some(())
    }

    /// An operator, or `OPERATOR(schema.op)`; a user's calls a function.
    pub(super) fn operator_name(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let mut inside = *cursor;
        if cursor.eat("operator") {
            inside = Cursor::new(self.text, cursor.group()?);
        } else {
            cursor.next()?;
        }
        let mut schema = None;
        while inside.peek().is_some_and(|token| token.kind.is_name()) {
            schema = inside.label();
            inside.eat_kind(Kind::Dot);
        }
        let operator = inside.next().filter(|token| token.kind == Kind::Operator)?;
        self.operator(schema.as_deref(), operator.written(self.text));
        Some(())
    }

    /// `FOR VALUES …` or DEFAULT.
    pub(super) fn bounds(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        if cursor.eat("default") {
            return Some(());
        }
        if !cursor.eat_all(&["for", "values"]) {
            return None;
        }
        match cursor.eat_one(&["in", "with", "from"])? {
            "with" => {
                cursor.group()?;
            }
            "in" => {
                let values = cursor.group()?;
                self.expression_list(values);
            }
            _ => {
                for last in [false, true] {
                    let values = cursor.group()?;
                    // MINVALUE and MAXVALUE read as columns that are not there.
                    self.expression_list(values);
                    if !last && !cursor.eat("to") {
                        return None;
                    }
                }
            }
        }
        Some(())
    }

    /// `verb` on objects of a class that belong to a relation, and to its children: `create index`.
    pub(super) fn create_on(&mut self, class: &'static str, table: &Name) {
        let on = |object: Object, implied| Action {
            verb: Verb::Create,
            object: Object { class, ..object },
            implied,
            detail: Detail::NONE,
        };
        let target = self.target(table);
        for relation in target.relations() {
            self.relations.insert(relation.oid);
            self.act(on(relation_object(relation), false));
            let mut work: Vec<policy::Oid> = relation.children.clone();
            let known = |reader: &Self, oid| -> Option<&'a Relation> { reader.names.catalog.relation(oid) };
            while let Some(child) = work.pop().and_then(|oid| known(self, oid)) {
                if self.relations.insert(child.oid) {
                    self.act(on(relation_object(child), true));
                    work.extend(&child.children);
                }
            }
        }
    }
}

/// UNIQUE, or PRIMARY KEY.
fn unique_or_primary(cursor: &mut Cursor<'_>) -> Option<bool> {
    let unique = cursor.eat("unique");
    (unique || cursor.eat_all(&["primary", "key"])).then_some(unique)
}

/// What a quality of a column begins with, where nothing else of the column may.
const QUALITIES: [&str; 12] = [
    "constraint",
    "not",
    "null",
    "unique",
    "primary",
    "check",
    "default",
    "generated",
    "references",
    "collate",
    "deferrable",
    "initially",
];

/// The tokens of a default: up to what can only be the next quality of the column (`b_expr`).
fn default_value<'a>(cursor: &mut Cursor<'a>) -> &'a [Token] {
    const OTHERS: [&str; 5] = ["no", "storage", "compression", "options", "enforced"];
    let (mut depth, mut cases) = (0_usize, 0_usize);
    let mut operand = false;
    let mut length = cursor.rest.len();
    for (index, token) in cursor.rest.iter().enumerate() {
        let is = |word: &str| token.is(cursor.text, word);
        if operand && depth == 0 && cases == 0 && QUALITIES.iter().chain(&OTHERS).any(|word| is(word)) {
            length = index;
            break;
        }
        match token.kind {
            Kind::LeftParen | Kind::LeftBracket => depth += 1,
            Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
            Kind::Word if is("case") => cases += 1,
            Kind::Word if is("end") => cases = cases.saturating_sub(1),
            _ => {}
        }
        operand = !matches!(token.kind, Kind::Operator | Kind::ColonColon | Kind::Dot) && !is("is");
    }
    let (value, rest) = cursor.rest.split_at(length);
    cursor.rest = rest;
    value
}

fn nulls_distinct(cursor: &mut Cursor<'_>) {
    let _ = cursor.eat_all(&["nulls", "distinct"]) || cursor.eat_all(&["nulls", "not", "distinct"]);
}

/// `INCLUDE (column, …)`: columns alone, since the server takes no expressions there, whatever its grammar does.
pub(super) fn included(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.eat("include") {
        let columns = cursor.group()?;
        return columns.iter().all(|token| token.kind != Kind::LeftParen).then_some(());
    }
    Some(())
}

/// What may follow the columns of UNIQUE and its like.
fn index_parameters(cursor: &mut Cursor<'_>) -> Option<()> {
    included(cursor)?;
    if cursor.eat("with") {
        cursor.group()?;
    }
    if cursor.eat_all(&["using", "index", "tablespace"]) {
        cursor.name()?;
    }
    Some(())
}

fn constraint_attribute(cursor: &mut Cursor<'_>) -> bool {
    let attributes: [&[&str]; 7] = [
        &["deferrable"],
        &["not", "deferrable"],
        &["initially", "deferred"],
        &["initially", "immediate"],
        &["enforced"],
        &["not", "enforced"],
        &["not", "valid"],
    ];
    attributes.iter().any(|words| cursor.eat_all(words))
}
