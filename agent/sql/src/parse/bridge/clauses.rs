//! Clauses of queries and of writing statements that `sqlparser` does not know.

use super::{Bridge, quoted};
use crate::keywords::is_reserved;
use crate::lexer::Kind;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token as To;

/// What may follow the columns of a SELECT, or stand in an INSERT without one.
const BEHIND_COLUMNS: [&str; 15] = [
    "from",
    "where",
    "group",
    "having",
    "window",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "union",
    "intersect",
    "except",
    "values",
    "into",
];

impl Bridge<'_> {
    /// Parentheses or brackets open. A list of INSERT's columns may have subscripts, which hold constants if they are to be
    /// left out.
    pub(super) fn open(&mut self, index: usize) -> usize {
        if self.tokens[index].kind == Kind::LeftParen
            && self.is_insert_list(index)
            && let Some(end) = self.closing(index)
        {
            let subscripts: Vec<_> =
                (index..end).filter(|at| self.tokens[*at].kind == Kind::LeftBracket).collect();
            let constant = |kind| {
                matches!(
                    kind,
                    Kind::Integer | Kind::Parameter | Kind::Colon | Kind::LeftBracket | Kind::RightBracket
                )
            };
            let mut depth = 0_usize;
            let mut inside = Vec::new();
            for at in index..end {
                depth += usize::from(self.tokens[at].kind == Kind::LeftBracket);
                if depth > 0 {
                    inside.push(at);
                }
                depth -= usize::from(depth > 0 && self.tokens[at].kind == Kind::RightBracket);
            }
            if !subscripts.is_empty() && inside.iter().all(|at| constant(self.tokens[*at].kind)) {
                for at in index..=end {
                    if inside.binary_search(&at).is_err() {
                        self.pass(at);
                    }
                }
                return end + 1 - index;
            }
        }
        self.levels.push(super::Level::default());
        0
    }

    /// Whether the parentheses are those behind `INSERT INTO name [AS alias]`, and no query.
    fn is_insert_list(&self, index: usize) -> bool {
        let query = ["select", "with", "values", "table"].iter().any(|word| self.is(index + 1, word));
        if query || self.kind(index + 1) == Some(Kind::LeftParen) {
            return false;
        }
        let Some(mut at) = index.checked_sub(1) else { return false };
        if self.is_before(at, "as") && at >= 2 {
            at -= 2;
        }
        for _ in 0..3 {
            if !self.tokens[at].kind.is_name() {
                return false;
            }
            if self.is_before(at, "into") {
                return self.is_two_before(at, "insert");
            }
            match at.checked_sub(2) {
                Some(before) if self.is_before_dot(at) => at = before,
                _ => return false,
            }
        }
        false
    }

    /// `name[…] = value` of SET as `name = … OR value`: what the subscript reads stays, and is written with the value.
    pub(super) fn assignment(&mut self, index: usize) -> usize {
        let mut at = index;
        let mut names = Vec::new();
        let mut subscripts = Vec::new();
        loop {
            match self.kind(at) {
                Some(kind) if kind.is_name() && names.len() == subscripts.len() && subscripts.is_empty() => {
                    names.push(at);
                    at += 1;
                }
                Some(kind) if kind.is_name() && self.is_before_dot(at) => {
                    names.push(at);
                    at += 1;
                }
                Some(Kind::Dot) if !names.is_empty() => at += 1,
                Some(Kind::LeftBracket) if !names.is_empty() => {
                    let Some(end) = self.closing(at) else { return 0 };
                    subscripts.push(at + 1..end);
                    at = end + 1;
                }
                _ => break,
            }
        }
        if subscripts.is_empty() || !self.is_operator(at, "=") {
            return 0;
        }
        for (position, name) in names.into_iter().enumerate() {
            if position > 0 {
                self.push(name, To::Period);
            }
            self.pass(name);
        }
        self.pass(at);
        for subscript in subscripts {
            let mut start = subscript.start;
            let mut depth = 0_usize;
            for place in subscript.start..=subscript.end {
                match self.tokens[place].kind {
                    Kind::LeftParen | Kind::LeftBracket => depth += 1,
                    Kind::RightParen | Kind::RightBracket if place < subscript.end => {
                        depth = depth.saturating_sub(1);
                    }
                    Kind::Colon | Kind::RightBracket if depth == 0 => {
                        if start < place {
                            self.push(start, To::LParen);
                            self.levels.push(super::Level::default());
                            self.range(start..place);
                            self.levels.pop();
                            self.push(start, To::RParen);
                            self.push(start, super::keyword("or", Keyword::OR));
                        }
                        start = place + 1;
                    }
                    _ => {}
                }
            }
        }
        at + 1 - index
    }

    /// `FROM f(…) AS (a int, …)`: a list of columns needs an alias to `sqlparser`. It gets one that no text can hold.
    pub(super) fn column_definitions(&mut self, index: usize) -> usize {
        let opens = self.before(index).is_some_and(|t| t.kind == Kind::RightParen)
            && self.kind(index + 1) == Some(Kind::LeftParen)
            && self.kind(index + 2).is_some_and(Kind::is_name);
        let query = ["select", "with", "values", "table", "insert", "update", "delete", "merge"]
            .iter()
            .any(|word| self.is(index + 2, word));
        if !opens || query {
            return 0;
        }
        self.pass(index);
        self.push(index, quoted(""));
        1
    }

    /// `SEARCH DEPTH FIRST BY a SET b`, `CYCLE a SET b USING c` behind a query of WITH. They add columns, which the reader
    /// has to know of: [`crate::read`] looks for these words behind the parentheses.
    pub(super) fn search_or_cycle(&mut self, index: usize) -> usize {
        let behind_with = self.before(index).is_some_and(|t| t.kind == Kind::RightParen)
            || index.checked_sub(1).is_some_and(|before| self.unplaced[before]);
        if !behind_with {
            return 0;
        }
        let mut at = index + 1;
        if self.is(index, "search") {
            let words = self.are(at + 1, &["first", "by"]);
            if !(self.is(at, "depth") || self.is(at, "breadth")) || !words {
                return 0;
            }
            at += 3;
        }
        loop {
            if !self.is_column(at) {
                return 0;
            }
            at += 1;
            if self.kind(at) != Some(Kind::Comma) {
                break;
            }
            at += 1;
        }
        if !self.is(at, "set") || !self.is_column(at + 1) {
            return 0;
        }
        at += 2;
        if self.is(index, "cycle") {
            if self.is(at, "to") {
                let Some(using) = self.marks_of_cycle(at) else { return 0 };
                at = using;
            }
            if !self.is(at, "using") || !self.is_column(at + 1) {
                return 0;
            }
            at += 2;
        }
        self.drop(index, at - index)
    }

    /// `TO value DEFAULT value` of CYCLE, constants which the reader goes back to; where USING stands behind it.
    fn marks_of_cycle(&self, index: usize) -> Option<usize> {
        /// No constant with its type has as many.
        const LONGEST: usize = 40;
        let end = self.tokens.len().min(index + LONGEST);
        let default = (index + 2..end).find(|at| self.is(*at, "default"))?;
        (default + 2..end).find(|at| self.is(*at, "using"))
    }

    /// `FETCH FIRST (…) ROWS ONLY`, `… WITH TIES`: a count that is more than a number, as that of LIMIT in parentheses,
    /// which bounds nothing that is told.
    pub(super) fn fetch(&mut self, index: usize) -> usize {
        const LONGEST: usize = 1000;
        let number = self.kind(index + 2).is_some_and(|kind| kind.is_constant() || kind == Kind::Parameter);
        let words = |at| self.is(at, "row") || self.is(at, "rows");
        let begins = self.is(index + 1, "first") || self.is(index + 1, "next");
        if !begins || self.is_label(index) || words(index + 2) || (number && words(index + 3)) {
            return 0;
        }
        let mut at = index + 2;
        let end = self.tokens.len().min(at + LONGEST);
        while at < end {
            let behind = match (words(at), self.is(at + 1, "only"), self.are(at + 1, &["with", "ties"])) {
                (true, true, _) => at + 2,
                (true, _, true) => at + 3,
                _ => {
                    at = match self.kind(at) {
                        Some(Kind::LeftParen | Kind::LeftBracket) => match self.closing(at) {
                            Some(end) => end + 1,
                            None => return 0,
                        },
                        _ => at + 1,
                    };
                    continue;
                }
            };
            self.push(index, super::keyword("limit", Keyword::LIMIT));
            self.push(index, To::LParen);
            self.inside(index + 2..at);
            self.push(index, To::RParen);
            self.skip(index..index + 2);
            self.skip(at..behind);
            return behind - index;
        }
        0
    }

    /// `AT LOCAL` behind a time: in the session's zone, by the same function as in any other.
    pub(super) fn at_local(&mut self, index: usize) -> usize {
        let follows = index.checked_sub(1).is_some_and(|before| self.ends_operand(before));
        if !follows || self.is_label(index) || !self.is(index + 1, "local") {
            return 0;
        }
        self.push(index, super::keyword("at", Keyword::AT));
        self.push(index, super::keyword("time", Keyword::TIME));
        self.push(index, super::keyword("zone", Keyword::ZONE));
        self.push(index, To::SingleQuotedString(String::new()));
        self.drop(index, 2)
    }

    pub(super) fn is_column(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| {
            token.kind.is_name() && !(token.kind == Kind::Word && is_reserved(&token.name(self.text)))
        })
    }

    /// Whether an ON CONFLICT begins here behind a SELECT that has nothing but columns. A longer list is not looked through:
    /// a text may hold many of them.
    pub(super) fn ends_select_list(&self, index: usize) -> bool {
        let begins = self.is(index + 1, "conflict")
            && (self.kind(index + 2) == Some(Kind::LeftParen)
                || self.is(index + 2, "do")
                || self.is(index + 2, "on"));
        if !begins {
            return false;
        }
        let mut depth = 0_usize;
        for at in (index.saturating_sub(1000)..index).rev() {
            match self.kind(at) {
                Some(Kind::RightParen | Kind::RightBracket) => depth += 1,
                Some(Kind::LeftParen | Kind::LeftBracket) => match depth.checked_sub(1) {
                    Some(outer) => depth = outer,
                    None => return false,
                },
                _ if depth > 0 || self.is_label(at) => {}
                _ if self.is(at, "select") => return true,
                _ if BEHIND_COLUMNS.iter().any(|word| self.is(at, word)) => return false,
                _ => {}
            }
        }
        false
    }

    /// `ON CONFLICT (…) [WHERE …]` with more than names in it: one name that no text can hold stands for all of it, at the
    /// place of the parenthesis. The reader goes back to the tokens for it.
    pub(super) fn conflict(&mut self, index: usize) -> usize {
        if self.kind(index + 1) != Some(Kind::LeftParen) {
            return 0;
        }
        let Some(end) = self.closing(index + 1) else { return 0 };
        let names = (index + 2..end).all(|at| {
            if (at - index).is_multiple_of(2) {
                self.is_column(at)
            } else {
                self.kind(at) == Some(Kind::Comma)
            }
        });
        if names && !self.is(end + 1, "where") {
            return 0;
        }
        let mut behind = end + 1;
        if self.is(behind, "where") {
            // A longer condition of an index is not looked through: a text may hold many of them.
            let last = self.tokens.len().min(behind + 1000);
            while behind < last && !self.is(behind, "do") {
                behind = match self.kind(behind) {
                    Some(Kind::LeftParen | Kind::LeftBracket) => match self.closing(behind) {
                        Some(end) => end + 1,
                        None => return 0,
                    },
                    _ => behind + 1,
                };
            }
        }
        // Behind the ON of a join it is a function.
        if !self.is(behind, "do") {
            return 0;
        }
        self.pass(index);
        self.push(index + 1, To::LParen);
        self.push(index + 1, quoted(""));
        self.push(index + 1, To::RParen);
        self.skip(index + 1..behind);
        behind - index
    }

    /// WHERE CURRENT OF cursor: a condition of which no column is known. The cursor's name stands for it.
    pub(super) fn current_of(&mut self, index: usize) -> usize {
        let name = self.is_before(index, "where") && self.is(index + 1, "of") && self.is_column(index + 2);
        if name { self.drop(index, 2) } else { 0 }
    }

    /// `JOIN … USING (a, b) AS x`: the alias goes on as one more column, behind the parenthesis.
    pub(super) fn using(&mut self, index: usize) -> usize {
        if self.kind(index + 1) == Some(Kind::LeftParen)
            && let Some(end) = self.closing(index + 1)
            && self.is(end + 1, "as")
            && self.is_column(end + 2)
            && (index + 2..end).all(|at| self.is_column(at) || self.kind(at) == Some(Kind::Comma))
        {
            for at in index..end {
                self.pass(at);
            }
            self.push(end, To::Comma);
            self.pass(end + 2);
            self.pass(end);
            return end + 3 - index;
        }
        0
    }

    /// `'1 day'::interval PRECEDING`: `sqlparser` takes no more than the literal without parentheses.
    pub(super) fn frame_bound(&mut self, index: usize) -> usize {
        const LONGEST: usize = 40;
        let frame = ["between", "and", "range", "rows", "groups"];
        if self.kind(index + 1) != Some(Kind::ColonColon)
            || !frame.iter().any(|word| self.is_before(index, word))
        {
            return 0;
        }
        let mut at = index;
        while at < self.tokens.len() && at < index + LONGEST {
            at = match self.kind(at) {
                Some(Kind::LeftParen | Kind::LeftBracket) => match self.closing(at) {
                    Some(end) => end + 1,
                    None => return 0,
                },
                Some(Kind::RightParen | Kind::RightBracket | Kind::Comma) => return 0,
                _ if frame.iter().any(|word| self.is(at, word)) => return 0,
                _ if self.is(at, "preceding") || self.is(at, "following") => {
                    self.push(index, To::LParen);
                    self.pass(index);
                    self.range(index + 1..at);
                    self.push(index, To::RParen);
                    return at - index;
                }
                _ => at + 1,
            };
        }
        0
    }
}
