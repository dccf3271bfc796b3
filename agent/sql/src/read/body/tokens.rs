//! What tokens of a body are by where they stand: statements, targets of writes, variables.

use policy::Verb;

use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};

/// Verbs that change rows, where it is not told which.
pub(super) const WRITING: [Verb; 5] =
    [Verb::Insert, Verb::Update, Verb::UpdateAll, Verb::Delete, Verb::DeleteAll];

/// Words of statements that are done to every relation in them.
pub(super) const OF_STATEMENTS: [(&str, Verb); 12] = [
    ("truncate", Verb::Truncate),
    ("drop", Verb::Drop),
    ("alter", Verb::Alter),
    ("lock", Verb::Lock),
    ("copy", Verb::CopyServer),
    ("grant", Verb::Grant),
    ("revoke", Verb::Revoke),
    ("comment", Verb::Alter),
    ("references", Verb::References),
    ("refresh", Verb::Maintain),
    ("reindex", Verb::Maintain),
    ("create", Verb::Create),
];

/// Words without which no statement of a body changes settings, or runs other code than that of functions that it names.
pub(super) const SETTING: [&str; 18] = [
    "alter",
    "analyse",
    "analyze",
    "call",
    "cluster",
    "commit",
    "copy",
    "discard",
    "do",
    "execute",
    "import",
    "load",
    "refresh",
    "reindex",
    "reset",
    "rollback",
    "set",
    "set_config",
];

/// Statements that are neither queries nor the language's own.
const UTILITIES: [&str; 30] = [
    "alter",
    "analyse",
    "analyze",
    "checkpoint",
    "cluster",
    "comment",
    "copy",
    "create",
    "deallocate",
    "discard",
    "do",
    "drop",
    "grant",
    "import",
    "listen",
    "load",
    "lock",
    "notify",
    "prepare",
    "reassign",
    "refresh",
    "reindex",
    "reset",
    "revoke",
    "security",
    "set",
    "truncate",
    "unlisten",
    "vacuum",
    "show",
];

/// Adds the statements that plpgsql hands on as they are, with no variables in them: they are read as anywhere else.
pub(super) fn utilities(text: &str, tokens: &[Token], handed_on: &mut String) {
    let Some(last) = tokens.last() else { return };
    for (at, token) in tokens.iter().enumerate() {
        let is_utility = || UTILITIES.iter().any(|word| token.is(text, word));
        if begins(text, tokens, at) && !assigned(text, tokens, at) && is_utility() {
            handed_on.push_str(&text[token.range().start..last.range().end]);
            handed_on.push_str(";\n");
        }
    }
}

/// Whether a statement may begin there.
pub(super) fn begins(text: &str, tokens: &[Token], at: usize) -> bool {
    at.checked_sub(1).map(|before| tokens[before]).is_none_or(|before| {
        before.written(text) == ">>"
            || ["begin", "then", "else", "loop"].iter().any(|word| before.is(text, word))
    })
}

/// Whether the name that stands there is that of a variable, which gets a value.
pub(super) fn assigned(text: &str, tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| {
        matches!(next.kind, Kind::Dot | Kind::ColonEquals | Kind::LeftBracket) || next.written(text) == "="
    })
}

/// Whether these tokens behind EXECUTE go on with the privilege, or with what a trigger executes: `function` and
/// `procedure` are names of variables, too.
pub(super) fn is_privilege(text: &str, tokens: &[Token]) -> bool {
    let mut cursor = Cursor::new(text, tokens);
    if cursor.eat("on") {
        return true;
    }
    (cursor.eat("function") || cursor.eat("procedure"))
        && cursor.qualified().is_some()
        && cursor.sees_kind(Kind::LeftParen)
}

/// What is done to the relation whose name stands there, beside being read.
pub(super) fn written_at(text: &str, tokens: &[Token], mut at: usize) -> &'static [Verb] {
    // To the front of `database.schema.name`, out of `ONLY (name)`.
    while at >= 2 && tokens[at - 1].kind == Kind::Dot {
        at -= 2;
    }
    while at >= 1 && tokens[at - 1].kind == Kind::LeftParen {
        at -= 1;
    }
    let is =
        |back: usize, word: &str| at.checked_sub(back).is_some_and(|before| tokens[before].is(text, word));
    let from = if is(1, "only") { 2 } else { 1 };
    if is(from, "into") && is(from + 1, "insert") {
        &[Verb::Insert]
    } else if is(from, "into") && is(from + 1, "merge") {
        &WRITING
    } else if is(from, "update") {
        &[Verb::Update, Verb::UpdateAll]
    } else if is(from, "from") && is(from + 1, "delete") {
        &[Verb::Delete, Verb::DeleteAll]
    } else {
        &[]
    }
}
