//! Transaction control.

use policy::{Action, Verb};

use super::Read;
use crate::TransactionEffect;
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::read::Reader;

/// Every word of `transaction_mode_list`.
const MODE_WORDS: &[&str] = &[
    "isolation",
    "level",
    "serializable",
    "repeatable",
    "read",
    "committed",
    "uncommitted",
    "only",
    "write",
    "not",
    "deferrable",
];

/// Steps over `ISOLATION LEVEL …`, `READ ONLY`, `DEFERRABLE` and so on.
pub(super) fn modes(cursor: &mut Cursor<'_>) {
    while cursor.eat_one(MODE_WORDS).is_some() || cursor.eat_kind(Kind::Comma) {}
}

impl<'a> Reader<'a> {
    pub(super) fn transaction(&mut self, head: &str, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.act(Action::bare(Verb::Transaction));
        let (tag, effect) = match head {
            "start" => {
                if !cursor.eat("transaction") {
                    return None;
                }
                modes(cursor);
                ("START TRANSACTION", TransactionEffect::Begin)
            }
            "begin" => {
                cursor.eat_one(&["work", "transaction"]);
                modes(cursor);
                ("BEGIN", TransactionEffect::Begin)
            }
            "savepoint" => ("SAVEPOINT", TransactionEffect::Savepoint(cursor.name()?.into_owned())),
            "release" => {
                // A savepoint may itself be named so.
                if cursor.rest.len() > 1 {
                    cursor.eat("savepoint");
                }
                ("RELEASE", TransactionEffect::Release(cursor.name()?.into_owned()))
            }
            "commit" | "end" => {
                if head == "commit" && cursor.eat("prepared") {
                    cursor.string()?;
                    ("COMMIT PREPARED", TransactionEffect::Prepared)
                } else {
                    cursor.eat_one(&["work", "transaction"]);
                    ("COMMIT", TransactionEffect::Commit { chain: chain(cursor)? })
                }
            }
            "rollback" | "abort" => {
                if head == "rollback" && cursor.eat("prepared") {
                    cursor.string()?;
                    ("ROLLBACK PREPARED", TransactionEffect::Prepared)
                } else {
                    cursor.eat_one(&["work", "transaction"]);
                    if head == "rollback" && cursor.eat("to") {
                        if cursor.rest.len() > 1 {
                            cursor.eat("savepoint");
                        }
                        ("ROLLBACK", TransactionEffect::RollbackTo(cursor.name()?.into_owned()))
                    } else {
                        ("ROLLBACK", TransactionEffect::Rollback { chain: chain(cursor)? })
                    }
                }
            }
            _ => return None,
        };
        if effect == TransactionEffect::Prepared {
            // What the other transaction has done to the catalog holds now.
            self.effects.ddl = true;
            self.effects.renames = true;
        }
        self.effects.transaction = Some(effect);
        Some(Read::quiet(tag))
    }
}

/// `[AND [NO] CHAIN]`
fn chain(cursor: &mut Cursor<'_>) -> Option<bool> {
    if !cursor.eat("and") {
        return Some(false);
    }
    let no = cursor.eat("no");
    cursor.eat("chain").then_some(!no)
}
