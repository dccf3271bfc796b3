//! RETURNING WITH (OLD AS o, NEW AS n) … (6.4, since version 18): references to these rows become such to `old` and `new`, as
//! they are called without it.

use super::Bridge;
use crate::lexer::Kind;

impl Bridge<'_> {
    /// The list from RETURNING on; 0: it is not as the grammar has it, or a query in it may call another relation so.
    pub(super) fn returning_with(&mut self, index: usize) -> usize {
        let names = match self.closing(index + 2) {
            Some(closing) if self.kind(index + 2) == Some(Kind::LeftParen) => {
                self.row_names(index + 3, closing)
            }
            _ => None,
        };
        let Some((names, start)) = names else { return 0 };
        let Some(end) = self.end_of_list(start) else { return 0 };
        let level = self.level_mut();
        level.assigns = false;
        level.lists = false;
        self.pass(index);
        self.skip(index + 1..start);
        let around = std::mem::replace(&mut self.rows, names);
        self.range(start..end);
        self.rows = around;
        end - index
    }

    /// What the reference that begins here is one to: a name of such a row, and one column or all of them behind it. Before a
    /// function, a type or a table such a name is a schema's.
    pub(super) fn row_called(&self, index: usize) -> Option<&'static str> {
        let kind = |at: usize| self.kind(index + at);
        let is_name = matches!(kind(0), Some(Kind::Word | Kind::Quoted));
        if self.rows.is_empty() || !is_name || kind(1) != Some(Kind::Dot) || self.is_label(index) {
            return None;
        }
        let is_column = kind(2).is_some_and(Kind::is_name) || self.is_operator(index + 2, "*");
        let goes_on = |kind: Kind| matches!(kind, Kind::LeftParen | Kind::Dot) || kind.is_string();
        if !is_column || kind(3).is_some_and(goes_on) {
            return None;
        }
        let name = self.tokens[index].name(self.text);
        self.rows.iter().find(|(called, _)| *called == name).map(|(_, row)| *row)
    }

    /// The names between the parentheses, and where the list begins behind them.
    fn row_names(&self, start: usize, closing: usize) -> Option<(Vec<(String, &'static str)>, usize)> {
        let mut names = Vec::new();
        let mut at = start;
        loop {
            let row = ["old", "new"].into_iter().find(|row| self.is(at, row))?;
            let name =
                self.tokens.get(at + 2).filter(|token| self.is(at + 1, "as") && token.kind.is_name())?;
            names.push((name.name(self.text).into_owned(), row));
            at += 3;
            match self.kind(at) {
                _ if at == closing => return Some((names, closing + 1)),
                Some(Kind::Comma) => at += 1,
                _ => return None,
            }
        }
    }

    /// Where a list without queries ends: with the parentheses around it, or the statement.
    fn end_of_list(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(token) = self.tokens.get(at) {
            at = match token.kind {
                Kind::LeftParen | Kind::LeftBracket => {
                    let closing = self.closing(at)?;
                    let begins = |word| (at..closing).any(|inside| self.is(inside, word));
                    if ["select", "values", "table"].into_iter().any(begins) {
                        return None;
                    }
                    closing + 1
                }
                Kind::RightParen | Kind::RightBracket => break,
                _ => at + 1,
            };
        }
        Some(at)
    }
}
