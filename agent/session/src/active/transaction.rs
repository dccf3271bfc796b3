//! What the open transaction has done to relations, which no other connection sees before it commits, and how much of
//! it a savepoint takes back.
//!
//! It is noted when a statement is sent, whatever becomes of it: one that fails spoils its transaction, and what gets
//! the session out of that takes back what was noted since. Where it cannot be told how much, a name stays uncertain.

use policy::Provisional;
use sql::TransactionEffect;

/// The transaction's own relations, in the order of its statements.
#[derive(Default)]
pub(crate) struct Transaction {
    done: Vec<Provisional>,
    /// Its savepoints, and how much had been done before each.
    savepoints: Vec<(String, usize)>,
}

/// More savepoints are not followed: what goes back to one of these leaves everything uncertain.
const MOST_SAVEPOINTS: usize = 10_000;

impl Transaction {
    pub(crate) fn done(&self) -> &[Provisional] {
        &self.done
    }

    pub(crate) fn does(&mut self, what: Provisional) {
        self.done.push(what);
    }

    /// Whether it may have taken away the relation of that name.
    pub(crate) fn took(&self, schema: &str, name: &str) -> bool {
        self.done.iter().any(|done| matches!(done, Provisional::Uncertain(s, n) if s == schema && n == name))
    }

    /// A statement with that effect is on its way. Says whether anything is another than before.
    pub(crate) fn sent(&mut self, effect: &TransactionEffect) -> bool {
        match effect {
            TransactionEffect::Begin | TransactionEffect::Prepared => false,
            TransactionEffect::Savepoint(name) => {
                if self.savepoints.len() < MOST_SAVEPOINTS {
                    self.savepoints.push((name.clone(), self.done.len()));
                }
                false
            }
            TransactionEffect::Release(name) => {
                if let Some(at) = self.savepoints.iter().rposition(|(known, _)| known == name) {
                    self.savepoints.truncate(at);
                }
                false
            }
            TransactionEffect::RollbackTo(name) => self.back_to(name),
            TransactionEffect::Commit { .. }
            | TransactionEffect::Rollback { .. }
            | TransactionEffect::Prepare => {
                // It may have failed, and what is temporary may go with it. What holds the catalog tells later.
                self.savepoints.clear();
                self.doubt(0)
            }
        }
    }

    fn back_to(&mut self, name: &str) -> bool {
        // A SAVEPOINT in a transaction that has failed makes none: of several with that name any may be the one.
        let marks = || self.savepoints.iter().filter(|(known, _)| known == name).map(|(_, mark)| *mark);
        let (Some(first), Some(last)) = (marks().min(), marks().next_back()) else { return self.doubt(0) };
        let kept = self.savepoints.iter().rposition(|(known, _)| known == name).map_or(0, |at| at + 1);
        self.savepoints.truncate(kept);
        let before = self.done.len();
        self.done.truncate(last);
        self.doubt(first) || before > last
    }

    /// What was done since then may have been taken back.
    fn doubt(&mut self, since: usize) -> bool {
        let doubted = self.done.get_mut(since..).unwrap_or_default();
        for done in doubted.iter_mut() {
            if let Provisional::Created(schema, name, _) = done {
                *done = Provisional::Uncertain(std::mem::take(schema), std::mem::take(name));
            }
        }
        !doubted.is_empty()
    }

    /// The catalog has all of it.
    pub(crate) fn over(&mut self) {
        self.done.clear();
        self.savepoints.clear();
    }
}

#[cfg(test)]
mod tests {
    use policy::RelationKind;

    use super::*;

    /// Plays statements in a word each: `+t` creates, `-t` drops, `s:` sets a savepoint, `r:` releases it, `b:` goes back
    /// to it, `commit` ends. Gives what is left.
    #[track_caller]
    fn check(script: &str, expect: &str) {
        let mut transaction = Transaction::default();
        for word in script.split(' ') {
            let name = || word[1..].trim_start_matches(':').to_owned();
            match word.as_bytes()[0] {
                b'+' => transaction.does(Provisional::Created("a".into(), name(), RelationKind::Table)),
                b'-' => transaction.does(Provisional::Uncertain("a".into(), name())),
                b's' => drop(transaction.sent(&TransactionEffect::Savepoint(name()))),
                b'r' => drop(transaction.sent(&TransactionEffect::Release(name()))),
                b'b' => drop(transaction.sent(&TransactionEffect::RollbackTo(name()))),
                _ => drop(transaction.sent(&TransactionEffect::Commit { chain: false })),
            }
        }
        let left = transaction.done().iter().map(|done| match done {
            Provisional::Created(_, name, _) => format!("+{name}"),
            Provisional::Uncertain(_, name) | Provisional::Function(_, name) => format!("?{name}"),
            Provisional::Changed => "!".to_owned(),
        });
        assert_eq!(left.collect::<Vec<_>>().join(" "), expect, "{script}");
    }

    #[test]
    fn a_savepoint_takes_back_what_was_done_behind_it() {
        check("+t s:1 +u -t b:1", "+t");
        check("+t s:1 +u s:2 +v b:1 +w", "+t +w");
        check("+t s:1 +u b:1 +v b:1", "+t");
        check("s:1 +t r:1 s:1 +u b:1", "+t");
    }

    #[test]
    fn where_it_cannot_be_told_how_much_everything_is_uncertain() {
        check("+t s:1 +u s:1 +v b:1", "+t ?u");
        check("+t b:1", "?t");
        check("+t s:1 +u r:1 b:1", "?t ?u");
        check("+t -u commit", "?t ?u");
    }
}
