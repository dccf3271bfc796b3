//! Queries, expressions and types inside utility statements.

use policy::Lineage;
use sqlparser::ast::Query;

use crate::cursor::Cursor;
use crate::flow::{Rows, add, constant};
use crate::lexer::{Kind, Token};
use crate::name::Name;
use crate::parse::{self, Failed, Parsed};
use crate::read::{Over, Reader};
use crate::utility::Read;

impl<'a> Reader<'a> {
    /// A query made of these tokens.
    pub(crate) fn query_of(&mut self, tokens: &'a [Token]) -> Rows {
        self.query_read(tokens, parse::query)
    }

    /// The same, in which this name without a schema stands for the query itself.
    pub(super) fn recursive_query_of(&mut self, tokens: &'a [Token], name: &str) -> Rows {
        self.query_among(tokens, vec![(name.to_owned(), Rows::Any(Lineage::Unknown))], parse::query)
    }

    /// The same as [`Self::query_of`], of what this makes of them.
    pub(crate) fn query_read(
        &mut self,
        tokens: &'a [Token],
        parse: impl FnOnce(&str, &[Token]) -> Result<Parsed<Box<Query>>, Failed>,
    ) -> Rows {
        self.query_among(tokens, Vec::new(), parse)
    }

    fn query_among(
        &mut self,
        tokens: &'a [Token],
        ctes: Vec<(String, Rows)>,
        parse: impl FnOnce(&str, &[Token]) -> Result<Parsed<Box<Query>>, Failed>,
    ) -> Rows {
        if !self.fits(tokens) {
            return Rows::Any(Lineage::Unknown);
        }
        match parse(self.text, tokens) {
            Ok(Parsed { tree: query, unplaced }) => self.within(tokens, unplaced, |reader| {
                reader.ctes = ctes;
                let rows = reader.top_query(&query);
                reader.close();
                rows
            }),
            Err(failed) => {
                self.opaque_at("unsupported syntax", failed.at.and_then(|i| tokens.get(i)).copied());
                Rows::Any(Lineage::Unknown)
            }
        }
    }

    /// An expression made of these tokens; gives what it carries.
    pub(super) fn expression_of(&mut self, tokens: &'a [Token], over: Over<'_>) -> Lineage {
        self.expression_read(tokens, over).0
    }

    /// The same; gives as well whether it reads a column of what it is over.
    pub(super) fn expression_read(&mut self, tokens: &'a [Token], over: Over<'_>) -> (Lineage, bool) {
        if !self.fits(tokens) {
            return (Lineage::Unknown, true);
        }
        match parse::expression(self.text, tokens) {
            Ok(Parsed { tree: expr, unplaced }) => self.within(tokens, unplaced, |reader| {
                let read = reader.lone_expression(&expr, over);
                reader.close();
                read
            }),
            Err(failed) => {
                self.opaque_at("unsupported syntax", failed.at.and_then(|i| tokens.get(i)).copied());
                (Lineage::Unknown, true)
            }
        }
    }

    /// Expressions with commas between; gives what they carry.
    pub(super) fn expression_list(&mut self, tokens: &'a [Token]) -> Lineage {
        let mut sum = constant();
        for part in comma_parts(tokens) {
            let mut cursor = Cursor::new(self.text, part);
            // name => value
            if let [name, arrow, value @ ..] = part
                && name.kind.is_name()
                && !value.is_empty()
                && (arrow.kind == Kind::ColonEquals
                    || (arrow.kind == Kind::Operator && arrow.written(self.text) == "=>"))
            {
                cursor.rest = value;
            }
            cursor.eat("variadic");
            if !cursor.is_end() {
                add(&mut sum, self.expression_of(cursor.rest, Over::Nothing));
            }
        }
        sum
    }

    /// Types with commas between.
    pub(super) fn types(&mut self, tokens: &'a [Token]) {
        for part in comma_parts(tokens) {
            let mut cursor = Cursor::new(self.text, part);
            self.type_at(&mut cursor);
            if !cursor.is_end() {
                self.opaque_at("unsupported syntax", cursor.peek());
            }
        }
    }

    /// One type, whose use may run a user's code.
    pub(super) fn type_at(&mut self, cursor: &mut Cursor<'a>) {
        match self.written_type(cursor) {
            Some(Some(name)) => self.type_name(&name),
            Some(None) => {}
            None => self.opaque_at("unsupported syntax of a type", cursor.peek()),
        }
    }

    /// Steps over one type, with modifiers and array bounds. Built-in ones may have several words, others give their name;
    /// `None` where there is no type.
    pub(crate) fn written_type(&mut self, cursor: &mut Cursor<'a>) -> Option<Option<Name>> {
        cursor.eat("setof");
        let mut named = None;
        const MANY: &[&[&str]] = &[
            &["double", "precision"],
            &["character", "varying"],
            &["char", "varying"],
            &["national", "character", "varying"],
            &["national", "character"],
            &["national", "char"],
            &["bit", "varying"],
            &["character"],
            &["char"],
            &["nchar"],
            &["varchar"],
            &["bit"],
            &["bigint"],
            &["smallint"],
            &["integer"],
            &["int"],
            &["numeric"],
            &["decimal"],
            &["dec"],
            &["real"],
            &["float"],
            &["boolean"],
            &["json"],
            &["interval"],
        ];
        let clock = cursor.eat_one(&["timestamp", "time"]);
        if clock.is_some() {
            cursor.group();
            if cursor.eat_one(&["with", "without"]).is_some() {
                cursor.eat_all(&["time", "zone"]);
            }
        } else if MANY.iter().any(|words| cursor.eat_all(words)) {
            cursor.group();
            while cursor.eat_one(&["year", "month", "day", "hour", "minute", "second", "to"]).is_some() {}
            cursor.group();
        } else {
            let mut parts = cursor.chain()?;
            if cursor.sees_type_of() {
                // The type of a column: it was there before.
                cursor.next();
                cursor.next();
            } else {
                let name = parts.pop()?;
                let name = Name { schema: parts.pop(), name };
                if !parts.is_empty() {
                    return None;
                }
                cursor.group();
                named = Some(name).filter(|name| !is_serial(name));
            }
        }
        while cursor.eat_kind(Kind::LeftBracket) {
            cursor.eat_kind(Kind::Integer);
            cursor.eat_kind(Kind::RightBracket);
        }
        if cursor.eat("array") && cursor.eat_kind(Kind::LeftBracket) {
            cursor.eat_kind(Kind::Integer);
            cursor.eat_kind(Kind::RightBracket);
        }
        Some(named)
    }

    /// The statement inside PREPARE, DECLARE, EXPLAIN.
    pub(super) fn planned(&mut self, tokens: &'a [Token]) -> Read {
        let cursor = Cursor::new(self.text, tokens);
        let utility = cursor.sees("execute") || cursor.sees("declare") || cursor.sees("refresh");
        if utility || cursor.sees("create") {
            return self.utility(cursor);
        }
        self.data_statement(tokens)
    }
}

/// The pseudo-types that CREATE TABLE takes.
fn is_serial(name: &Name) -> bool {
    name.schema.is_none()
        && matches!(
            name.name.as_str(),
            "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8"
        )
}

/// The parts between commas outside parentheses.
pub(crate) fn comma_parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::LeftParen | Kind::LeftBracket => depth += 1,
            Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
            Kind::Comma if depth == 0 => {
                parts.push(&tokens[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if start < tokens.len() {
        parts.push(&tokens[start..]);
    }
    parts
}
