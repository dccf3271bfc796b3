//! Items of FROM that `sqlparser` does not know: ROWS FROM, samples, and what MERGE joins with.

use std::ops::Range;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token as To;

use super::{Bridge, Level, keyword, quoted};
use crate::lexer::Kind;

impl Bridge<'_> {
    /// `ROWS FROM (f(…), g(…) AS (a int))`: as the arguments of one function, whose rows carry them all, and every type as
    /// a cast of NULL. Without an alias it is called as its first function is.
    pub(super) fn rows_from(&mut self, index: usize) -> usize {
        if !self.is(index + 1, "from") || self.kind(index + 2) != Some(Kind::LeftParen) {
            return 0;
        }
        let Some(end) = self.closing(index + 2) else { return 0 };
        let Some((pieces, first)) = self.calls_of_rows(index + 3..end) else { return 0 };
        self.push(index, To::make_word("unnest", None));
        self.push(index + 2, To::LParen);
        let mut gap = index;
        for (position, piece) in pieces.iter().enumerate() {
            self.skip(gap..piece.range().start);
            gap = piece.range().end;
            if position > 0 {
                self.push(index + 2, To::Comma);
            }
            self.piece(piece);
        }
        self.skip(gap..end);
        self.push(end, To::RParen);
        let mut behind = end + 1;
        if self.are(behind, &["with", "ordinality"]) {
            self.pass(behind);
            self.pass(behind + 1);
            behind += 2;
        }
        let aliased = self.is(behind, "as") || self.chain(behind) > 0;
        if !aliased {
            let name = self.tokens[first].name(self.text).into_owned();
            self.push(first, keyword("as", Keyword::AS));
            self.push(first, quoted(&name));
        }
        behind - index
    }

    /// The calls in ROWS FROM with the types of their columns, and where the name of the first one stands.
    fn calls_of_rows(&self, list: Range<usize>) -> Option<(Vec<super::calls::Piece>, usize)> {
        use super::calls::Piece;
        let mut pieces = Vec::new();
        let mut first = None;
        let mut at = list.start;
        while at < list.end {
            let behind = self.comma(at, list.end)?;
            // A column called `rows` before FROM: there parentheses hold a query or a join, and no call alone.
            let name = self.chain(at);
            if name == 0 || self.kind(at + name) != Some(Kind::LeftParen) {
                return None;
            }
            first.get_or_insert(at + name - 1);
            let call = self.closing(at + name)? + 1;
            pieces.push(Piece::Expression(at..call));
            if call < behind {
                let closing = self.closing(call + 1)?;
                if !self.is(call, "as")
                    || self.kind(call + 1) != Some(Kind::LeftParen)
                    || closing + 1 != behind
                {
                    return None;
                }
                self.types_of_columns(call + 2..closing, &mut pieces)?;
            }
            at = behind + 1;
        }
        Some((pieces, first?))
    }

    /// `name type [COLLATE name], …`
    fn types_of_columns(&self, list: Range<usize>, pieces: &mut Vec<super::calls::Piece>) -> Option<()> {
        let mut at = list.start;
        while at < list.end {
            let behind = self.comma(at, list.end)?;
            let end = self.is_column(at).then(|| self.type_end(at + 1)).flatten()?;
            let collated = self.is(end, "collate") && self.chain(end + 1) > 0;
            let rest = if collated { end + 1 + self.chain(end + 1) } else { end };
            if rest != behind {
                return None;
            }
            pieces.push(super::calls::Piece::Type(at + 1..end));
            at = behind + 1;
        }
        Some(())
    }

    /// `TABLESAMPLE method (…) REPEATABLE (…)`. One of PostgreSQL's own methods over constants gives fewer of the same rows
    /// and is left out; of any other the method is called, which is a function, and all that it is given is read.
    pub(super) fn sample(&mut self, index: usize) -> usize {
        let method = self.chain(index + 1);
        let arguments = index + 1 + method;
        if method == 0 || self.kind(arguments) != Some(Kind::LeftParen) {
            return 0;
        }
        let Some(closing) = self.closing(arguments) else { return 0 };
        let mut end = closing + 1;
        if self.is(end, "repeatable") {
            if self.kind(end + 1) != Some(Kind::LeftParen) {
                return 0;
            }
            match self.closing(end + 1) {
                Some(closing) => end = closing + 1,
                None => return 0,
            }
        }
        let own = method == 1 && (self.is(index + 1, "system") || self.is(index + 1, "bernoulli"));
        let constant = |at: usize| {
            let kind = self.tokens[at].kind;
            kind.is_constant()
                || matches!(kind, Kind::Parameter | Kind::Operator | Kind::LeftParen | Kind::RightParen)
        };
        // A column may be called `repeatable`, too.
        if own && (arguments..end).all(|at| constant(at) || at == closing + 1) {
            return self.drop(index, end - index);
        }
        self.push(index, keyword("tablesample", Keyword::TABLESAMPLE));
        self.push(index, keyword("system", Keyword::SYSTEM));
        self.push(index, To::LParen);
        self.push(index, To::LParen);
        if own {
            self.skip(index + 1..arguments);
        } else {
            for at in index + 1..arguments {
                self.pass(at);
            }
            self.push(arguments, To::LParen);
        }
        self.inside(arguments + 1..closing);
        if !own {
            self.push(closing, To::RParen);
        }
        if closing + 1 < end {
            self.push(closing, To::Comma);
            self.unplaced[closing + 1] = true;
            self.inside(closing + 3..end - 1);
        }
        self.push(end - 1, To::RParen);
        self.push(end - 1, To::RParen);
        self.unplaced[index] = true;
        end - index
    }

    /// `MERGE INTO t USING a JOIN b ON … ON …`: what is joined, in parentheses.
    pub(super) fn merge_source(&mut self, index: usize) -> usize {
        if !self.is_using_of_merge(index) {
            return 0;
        }
        self.level_mut().lists = true;
        let (mut cases, mut joined, mut condition) = (0_usize, false, None);
        let mut at = index + 1;
        while at < self.tokens.len() {
            match self.ahead.checked_sub(1) {
                Some(left) => self.ahead = left,
                None => return 0,
            }
            match self.tokens[at].kind {
                Kind::LeftParen | Kind::LeftBracket => match self.closing(at) {
                    Some(end) => at = end,
                    None => return 0,
                },
                Kind::Word if self.is_label(at) => {}
                Kind::Word if self.is(at, "case") => cases += 1,
                Kind::Word if self.is(at, "end") => cases = cases.saturating_sub(1),
                Kind::Word if cases > 0 => {}
                Kind::Word if self.is(at, "when") => break,
                Kind::Word if self.is(at, "join") => joined = true,
                Kind::Word if self.is(at, "on") => condition = Some(at),
                _ => {}
            }
            at += 1;
        }
        let Some(condition) = condition.filter(|_| joined) else { return 0 };
        self.pass(index);
        self.push(index, To::LParen);
        self.levels.push(Level { query: true, lists: true, ..Level::default() });
        self.range(index + 1..condition);
        self.levels.pop();
        self.push(condition, To::RParen);
        condition - index
    }

    /// Whether this USING stands behind `MERGE INTO [ONLY] name [*] [[AS] alias]`.
    fn is_using_of_merge(&self, index: usize) -> bool {
        const LONGEST: usize = 10;
        let into = (index.saturating_sub(LONGEST)..index).rev().find(|at| self.is(*at, "into"));
        into.is_some_and(|into| {
            self.is_before(into, "merge")
                && (into + 1..index).all(|at| {
                    let kind = self.tokens[at].kind;
                    kind.is_name()
                        || matches!(kind, Kind::Dot | Kind::LeftParen | Kind::RightParen)
                        || self.is_operator(at, "*")
                })
        })
    }
}
