//! Functions that the grammar knows by name, with words between their arguments: SQL/JSON (9.16.2, 9.16.4) and XML
//! (9.15). They become calls with commas: every argument stays, and every type as a cast of NULL. What only says how a
//! result is written, or which label it has, is left out.

use std::ops::Range;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token as To, Word};

use super::{Bridge, Level, keyword};
use crate::keywords::is_reserved;
use crate::lexer::Kind;

const NAMES: &[&str] = &[
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "xmlattributes",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// One argument of the call that is made.
pub(super) enum Piece {
    Expression(Range<usize>),
    Query(Range<usize>),
    Type(Range<usize>),
}

impl Piece {
    pub(super) const fn range(&self) -> &Range<usize> {
        match self {
            Piece::Expression(range) | Piece::Query(range) | Piece::Type(range) => range,
        }
    }
}

/// What has been found of the arguments so far.
struct Scan<'w> {
    function: &'w str,
    pieces: Vec<Piece>,
    /// Where the piece at hand begins.
    start: usize,
    /// An operand has to follow, so that a word which is one of a clause elsewhere is a column here.
    expects: bool,
}

impl Scan<'_> {
    /// Ends the piece at hand behind which a clause goes on to `next`.
    fn finish(&mut self, at: usize, next: usize) -> usize {
        if self.start < at {
            self.pieces.push(Piece::Expression(self.start..at));
        }
        self.start = next;
        self.expects = false;
        next
    }

    /// The same where an operand begins at `next`.
    fn operand(&mut self, at: usize, next: usize) -> usize {
        self.finish(at, next);
        self.expects = true;
        next
    }

    fn is(&self, functions: &[&str]) -> bool {
        functions.contains(&self.function)
    }
}

impl Bridge<'_> {
    /// The call that begins at this word; 0: none of these.
    pub(super) fn special_call(&mut self, index: usize, word: &str) -> usize {
        let begins = (word.starts_with("json") || word.starts_with("xml"))
            && self.kind(index + 1) == Some(Kind::LeftParen)
            && NAMES.contains(&word)
            && !self.is_label(index)
            && !self.is_alias(index);
        if !begins {
            return 0;
        }
        let Some(end) = self.closing(index + 1) else { return 0 };
        let mut scan = Scan { function: word, pieces: Vec::new(), start: index + 2, expects: true };
        if word == "json_array" && self.begins_query(index + 2) {
            let at = (index + 2..end)
                .find(|at| self.is(*at, "returning") || self.is_format_at_end(*at, end))
                .unwrap_or(end);
            scan.pieces.push(Piece::Query(index + 2..at));
            scan.start = at;
            scan.expects = false;
        }
        if self.scan(&mut scan, end).is_none() {
            return 0;
        }
        // What is read of a mistaken call may reach beyond it.
        let mut behind = index + 2;
        let fits = scan.pieces.iter().map(Piece::range).all(|range| {
            let fits = (behind..=end).contains(&range.start) && (range.start..=end).contains(&range.end);
            behind = range.end;
            fits
        });
        if !fits {
            return 0;
        }
        // Without quotes sqlparser would look for the words that were left out.
        let name = Word { value: word.to_owned(), quote_style: Some('"'), keyword: Keyword::NoKeyword };
        self.push(index, To::Word(name));
        self.push(index + 1, To::LParen);
        let mut gap = index + 2;
        for (position, piece) in scan.pieces.iter().enumerate() {
            self.skip(gap..piece.range().start);
            gap = piece.range().end;
            if position > 0 {
                self.push(index + 1, To::Comma);
            }
            self.piece(piece);
        }
        self.skip(gap..end);
        self.push(end, To::RParen);
        end + 1 - index
    }

    /// Whether it stands where an alias of a function in FROM does, behind whose call there are columns with their types.
    fn is_alias(&self, index: usize) -> bool {
        self.before(index).is_some_and(|token| token.kind == Kind::RightParen)
    }

    pub(super) fn piece(&mut self, piece: &Piece) {
        let start = piece.range().start;
        match piece {
            Piece::Expression(range) => self.inside(range.clone()),
            Piece::Query(range) => {
                self.push(start, To::LParen);
                self.inside(range.clone());
                self.push(start, To::RParen);
            }
            Piece::Type(range) => {
                self.push(start, To::make_word("cast", None));
                self.push(start, To::LParen);
                self.push(start, keyword("null", Keyword::NULL));
                self.push(start, keyword("as", Keyword::AS));
                for at in range.clone() {
                    self.pass(at);
                }
                self.push(start, To::RParen);
            }
        }
    }

    /// Passes on what stands within parentheses.
    pub(super) fn inside(&mut self, range: Range<usize>) {
        self.levels.push(Level::default());
        self.range(range);
        self.levels.pop();
    }

    fn begins_query(&self, index: usize) -> bool {
        let first = (index..).find(|at| self.kind(*at) != Some(Kind::LeftParen)).unwrap_or(index);
        ["select", "with", "values", "table"].iter().any(|word| self.is(first, word))
    }

    /// `FORMAT JSON [ENCODING name]` with nothing behind it but RETURNING.
    fn is_format_at_end(&self, index: usize, end: usize) -> bool {
        let behind = self.format(index);
        behind > index && (behind == end || self.is(behind, "returning"))
    }

    /// What stands behind `FORMAT JSON [ENCODING name]`, if that is here.
    fn format(&self, index: usize) -> usize {
        match (self.are(index, &["format", "json"]), self.is(index + 2, "encoding")) {
            (false, _) => index,
            (true, false) => index + 2,
            (true, true) => index + 4,
        }
    }

    /// Reads arguments up to `end`; `None` where something is not as the grammar has it.
    fn scan(&self, scan: &mut Scan<'_>, end: usize) -> Option<()> {
        let mut at = scan.start;
        while at < end {
            at = match self.tokens[at].kind {
                Kind::LeftParen | Kind::LeftBracket => self.closing(at)? + 1,
                Kind::Comma => scan.operand(at, at + 1),
                Kind::Colon if scan.is(&["json_object", "json_objectagg"]) => scan.operand(at, at + 1),
                Kind::Word if !self.is_before_dot(at) => self.argument_word(scan, at, end)?,
                _ => at + 1,
            };
        }
        scan.finish(end, end);
        Some(())
    }

    /// Whether a clause may begin here: no operand is begun or has to follow.
    fn may_be_clause(&self, scan: &Scan<'_>, at: usize) -> bool {
        if scan.start == at { !scan.expects } else { self.ends_operand(at - 1) }
    }

    /// A word between arguments, or in one; where to go on.
    fn argument_word(&self, scan: &mut Scan<'_>, at: usize, end: usize) -> Option<usize> {
        let word = self.tokens[at].name(self.text);
        if let Some(next) = self.first_word(scan, at, &word) {
            return Some(next);
        }
        if !self.may_be_clause(scan, at) {
            return Some(at + 1);
        }
        let json = scan.function.starts_with("json");
        Some(match &*word {
            "returning" => self.of_type(scan, at, at + 1)?,
            "as" if scan.function == "xmlserialize" => self.of_type(scan, at, at + 1)?,
            "as" if self.kind(at + 1).is_some_and(Kind::is_name) => scan.finish(at, at + 2),
            "passing" => scan.operand(at, self.by(at + 1)),
            "by" if self.by(at) > at => scan.finish(at, self.by(at)),
            "default" => scan.operand(at, at + 1),
            "on" if self.is(at + 1, "empty") || self.is(at + 1, "error") => scan.finish(at, at + 2),
            "value" if scan.is(&["json_object", "json_objectagg"]) => scan.operand(at, at + 1),
            "order" if scan.function == "json_arrayagg" && self.is(at + 1, "by") => scan.operand(at, at + 2),
            "asc" | "desc" if scan.function == "json_arrayagg" => scan.finish(at, at + 1),
            "nulls" if scan.function == "json_arrayagg" => scan.finish(at, at + 2),
            "columns" if scan.function == "json_table" => {
                scan.finish(at, at + 1);
                let closing = self.closing(at + 1)?;
                self.columns(scan, at + 2, closing)?;
                scan.finish(closing, closing + 1)
            }
            "columns" if scan.function == "xmltable" => {
                scan.finish(at, at + 1);
                self.columns(scan, at + 1, end)?;
                end
            }
            "preserve" | "strip" if self.is(at + 1, "whitespace") => scan.finish(at, at + 2),
            "indent" if scan.function == "xmlserialize" => scan.finish(at, at + 1),
            "no" if scan.function == "xmlserialize" && self.is(at + 1, "indent") => scan.finish(at, at + 2),
            _ if json => match self.json_clause(at, &word) {
                0 => at + 1,
                words => scan.finish(at, at + words),
            },
            _ => at + 1,
        })
    }

    /// Words that may only stand before the first operand, or behind a comma, with something behind them: alone they are
    /// columns, of which a relation that is called as the function has a list.
    fn first_word(&self, scan: &mut Scan<'_>, at: usize, word: &str) -> Option<usize> {
        let behind = |kind| self.before(at).is_some_and(|token| token.kind == kind);
        if matches!(self.kind(at + 1), Some(Kind::Comma | Kind::RightParen) | None) {
            return None;
        }
        let next = match word {
            "name" if behind(Kind::LeftParen) && scan.is(&["xmlelement", "xmlpi"]) => {
                return Some(scan.finish(at, at + 2));
            }
            "document" | "content" if behind(Kind::LeftParen) && scan.is(&["xmlparse", "xmlserialize"]) => {
                at + 1
            }
            "version" if behind(Kind::Comma) && scan.function == "xmlroot" => {
                if self.are(at + 1, &["no", "value"]) {
                    return Some(scan.finish(at, at + 3));
                }
                at + 1
            }
            "standalone" if behind(Kind::Comma) && scan.function == "xmlroot" => {
                let value = usize::from(self.is(at + 2, "value"));
                return Some(scan.finish(at, at + 2 + value));
            }
            "default" if scan.function == "xmlnamespaces" => at + 1,
            _ => return None,
        };
        Some(scan.operand(at, next))
    }

    /// How many words the clause of an SQL/JSON function has that begins here.
    fn json_clause(&self, at: usize, word: &str) -> usize {
        match word {
            "format" => self.format(at) - at,
            "null" | "absent" if self.are(at + 1, &["on", "null"]) => 3,
            "with" | "without" if self.is(at + 1, "unique") => 2 + usize::from(self.is(at + 2, "keys")),
            "with" | "without" => {
                let mut behind = at + 1;
                behind += usize::from(self.is(behind, "conditional") || self.is(behind, "unconditional"));
                behind += usize::from(self.is(behind, "array"));
                if self.is(behind, "wrapper") { behind + 1 - at } else { 0 }
            }
            "keep" | "omit" if self.is(at + 1, "quotes") => {
                if self.are(at + 2, &["on", "scalar", "string"]) {
                    5
                } else {
                    2
                }
            }
            "error" | "empty" | "null" | "true" | "false" | "unknown" => {
                let of = usize::from(self.is(at + 1, "array") || self.is(at + 1, "object"));
                let behaviour = self.is(at + 1 + of, "on")
                    && (self.is(at + 2 + of, "empty") || self.is(at + 2 + of, "error"));
                if behaviour { 3 + of } else { 0 }
            }
            _ => 0,
        }
    }

    /// A type that stands at `start`, behind the words that begin at `at`.
    fn of_type(&self, scan: &mut Scan<'_>, at: usize, start: usize) -> Option<usize> {
        let behind = self.type_end(start)?;
        scan.finish(at, behind);
        scan.pieces.push(Piece::Type(start..behind));
        Some(behind)
    }

    /// What stands behind `BY REF` or `BY VALUE`, if that is here.
    fn by(&self, index: usize) -> usize {
        let by = self.is(index, "by") && (self.is(index + 1, "ref") || self.is(index + 1, "value"));
        if by { index + 2 } else { index }
    }

    /// Definitions of columns of JSON_TABLE and XMLTABLE.
    fn columns(&self, scan: &mut Scan<'_>, start: usize, end: usize) -> Option<()> {
        let mut at = start;
        while at < end {
            let behind = self.comma(at, end)?;
            if self.is(at, "nested") && !self.is(at + 1, "for") {
                let group = (at..behind).find(|i| self.is(*i, "columns"))? + 1;
                let closing = self.closing(group)?;
                if self.kind(group) != Some(Kind::LeftParen) || closing + 1 != behind {
                    return None;
                }
                self.columns(scan, group + 1, closing)?;
            } else if !self.are(at + 1, &["for", "ordinality"]) {
                let after = self.type_end(at + 1)?;
                scan.pieces.push(Piece::Type(at + 1..after));
                self.options(scan, after, behind)?;
            }
            at = behind + 1;
        }
        scan.start = end;
        scan.expects = false;
        Some(())
    }

    /// What follows a column's type.
    fn options(&self, scan: &mut Scan<'_>, start: usize, end: usize) -> Option<()> {
        scan.start = start;
        scan.expects = false;
        let mut at = start;
        while at < end {
            let clause = self.may_be_clause(scan, at);
            let ends = |behind| behind == end || self.is(behind, "path") || self.is(behind, "default");
            at = match self.tokens[at].kind {
                Kind::LeftParen | Kind::LeftBracket => self.closing(at)? + 1,
                Kind::Word if self.is_before_dot(at) => at + 1,
                Kind::Word if clause && self.is(at, "path") => {
                    // EXISTS PATH, PATH of a JSON column: with one operand.
                    scan.operand(at, at + 1)
                }
                Kind::Word if clause && self.is(at, "exists") => scan.finish(at, at + 1),
                Kind::Word if clause && self.are(at, &["not", "null"]) && ends(at + 2) => {
                    scan.finish(at, at + 2)
                }
                Kind::Word if clause && self.is(at, "null") && ends(at + 1) => scan.finish(at, at + 1),
                Kind::Word => self.argument_word(scan, at, end)?,
                _ => at + 1,
            };
        }
        scan.finish(end, end);
        Some(())
    }

    /// The next comma outside of parentheses, or `end`.
    pub(super) fn comma(&self, start: usize, end: usize) -> Option<usize> {
        let mut at = start;
        while at < end {
            at = match self.tokens[at].kind {
                Kind::Comma => return Some(at),
                Kind::LeftParen | Kind::LeftBracket => self.closing(at)? + 1,
                _ => at + 1,
            };
        }
        Some(end)
    }

    /// Where a type ends that begins here.
    pub(super) fn type_end(&self, start: usize) -> Option<usize> {
        let names = self.chain(start);
        if names == 0 {
            return None;
        }
        let mut at = start + names;
        loop {
            let word = self.tokens.get(at).filter(|t| t.kind == Kind::Word).map(|t| t.name(self.text));
            at = match (word.as_deref(), self.kind(at)) {
                (
                    Some(
                        "precision" | "varying" | "character" | "array" | "year" | "month" | "day" | "hour"
                        | "minute" | "second" | "to",
                    ),
                    _,
                ) => at + 1,
                (Some("with" | "without"), _) if self.are(at + 1, &["time", "zone"]) => at + 3,
                (None, Some(Kind::LeftParen | Kind::LeftBracket)) => self.closing(at)? + 1,
                _ => return Some(at),
            };
        }
    }

    /// Whether an operand may end with this token.
    pub(super) fn ends_operand(&self, index: usize) -> bool {
        let Some(token) = self.tokens.get(index) else { return false };
        match token.kind {
            Kind::Word => {
                let word = token.name(self.text);
                !is_reserved(&word)
                    || matches!(&*word, "end" | "null" | "true" | "false" | "user")
                    || word.starts_with("current_")
                    || word.starts_with("local")
                    || word.ends_with("_user")
            }
            kind => {
                kind.is_constant()
                    || kind.is_name()
                    || matches!(kind, Kind::RightParen | Kind::RightBracket | Kind::Parameter)
            }
        }
    }
}
