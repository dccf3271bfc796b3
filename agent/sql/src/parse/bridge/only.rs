//! Relations with ONLY, with a star, and TABLE.

use super::Bridge;
use crate::lexer::Kind;

impl Bridge<'_> {
    /// ONLY in front of a relation: behind a word or sign that a relation follows, and before a name or `(`. It is reserved,
    /// so there it cannot be anything else. Before a clause it labels a column that is called as the word (`SELECT update only
    /// FROM t`).
    pub(super) fn only(&mut self, index: usize) -> usize {
        let Some(previous) = self.before(index) else { return 0 };
        let follows = matches!(previous.kind, Kind::Comma | Kind::LeftParen)
            || ["from", "join", "update", "into", "using", "table", "lateral"]
                .iter()
                .any(|word| previous.is(self.text, word));
        if !follows {
            return 0;
        }
        if self.is_column(index + 1) {
            return self.drop(index, 1);
        }
        // ONLY (name)
        let names = self.chain(index + 2);
        let end = index + 2 + names;
        if self.kind(index + 1) != Some(Kind::LeftParen)
            || names == 0
            || self.kind(end) != Some(Kind::RightParen)
        {
            return 0;
        }
        self.unplaced[index] = true;
        for at in index + 2..end {
            self.pass(at);
        }
        end + 1 - index
    }

    /// TABLE as a query: not a label, not the noise word of INTO.
    pub(super) fn table_is_query(&self, index: usize) -> bool {
        let excluded = self.before(index).is_some_and(|p| {
            p.kind == Kind::Dot
                || ["as", "into", "temp", "temporary", "unlogged"].iter().any(|word| p.is(self.text, word))
        });
        self.kind(index + 1).is_some_and(Kind::is_name) && !excluded
    }

    /// The `*` behind a relation's name in FROM: its children too, as always.
    pub(super) fn is_star_of_relation(&self, index: usize) -> bool {
        if self.tokens[index].written(self.text) != "*" {
            return false;
        }
        let mut at = index;
        loop {
            match at.checked_sub(1).map(|i| self.tokens[i].kind) {
                Some(kind) if kind.is_name() => at -= 1,
                _ => return false,
            }
            match at.checked_sub(1).map(|i| self.tokens[i].kind) {
                Some(Kind::Dot) => at -= 1,
                _ => break,
            }
        }
        // INSERT INTO update SELECT *: the star is what is selected.
        if self.chain(at) == 0 {
            return false;
        }
        // A FROM that is a query's, and not that of extract(… FROM …) or of IS DISTINCT FROM.
        let from = self.is_before(at, "from") && !self.is_two_before(at, "distinct") && self.level().query;
        let listed = self.level().lists
            && self
                .before(at)
                .is_some_and(|before| before.kind == Kind::Comma || before.is(self.text, "using"));
        let target = self.is_before(at, "join")
            || (self.is_before(at, "update") && !self.is_two_before(at, "for"))
            || (self.is_before(at, "into") && self.is_two_before(at, "merge"));
        let behind = match self.tokens.get(index + 1) {
            None => true,
            Some(next) => next.kind.is_name() || matches!(next.kind, Kind::Comma | Kind::RightParen),
        };
        (from || listed || target) && behind
    }
}
