//! GROUPING SETS within GROUPING SETS (7.2.4): `sqlparser` reads one list of expressions and of rows of them.

use std::ops::Range;

use sqlparser::tokenizer::Token as To;

use super::Bridge;
use crate::lexer::Kind;

impl Bridge<'_> {
    /// A list in which there are further lists, or ROLLUP and CUBE: one list of all that they are made of, each of which
    /// is grouped by.
    pub(super) fn grouping_sets(&mut self, index: usize) -> usize {
        if !self.begins_sets(index) || self.is_label(index) {
            return 0;
        }
        let Some(end) = self.closing(index + 2) else { return 0 };
        let mut elements = Vec::new();
        match self.elements(index + 3..end, &mut elements) {
            Some(nested) if nested && !elements.is_empty() => {}
            _ => return 0,
        }
        for at in index..index + 3 {
            self.pass(at);
        }
        let mut gap = index + 3;
        for (position, element) in elements.into_iter().enumerate() {
            self.skip(gap..element.start);
            gap = element.end;
            if position > 0 {
                self.push(index + 2, To::Comma);
            }
            self.inside(element);
        }
        self.skip(gap..end);
        self.pass(end);
        end + 1 - index
    }

    fn begins_sets(&self, index: usize) -> bool {
        self.are(index, &["grouping", "sets"]) && self.kind(index + 2) == Some(Kind::LeftParen)
    }

    /// What a list is made of; gives whether there is more in it than expressions and rows.
    fn elements(&self, list: Range<usize>, found: &mut Vec<Range<usize>>) -> Option<bool> {
        let mut nested = false;
        let mut at = list.start;
        while at < list.end {
            let behind = self.comma(at, list.end)?;
            // Deeper inside of parentheses these words are names of functions.
            let whole = |opens: usize| {
                self.kind(opens) == Some(Kind::LeftParen) && self.closing(opens) == behind.checked_sub(1)
            };
            if self.begins_sets(at) && whole(at + 2) {
                self.elements(at + 3..behind - 1, found)?;
                nested = true;
            } else if (self.is(at, "rollup") || self.is(at, "cube")) && whole(at + 1) {
                found.push(at + 1..behind);
                nested = true;
            } else {
                found.push(at..behind);
            }
            at = behind + 1;
        }
        Some(nested)
    }
}
