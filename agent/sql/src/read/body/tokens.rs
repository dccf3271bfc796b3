//! What tokens of a body are by where they stand: statements, targets of writes, variables.

use policy::{Relation, Verb};

use crate::cursor::Cursor;
use crate::keywords::is_reserved;
use crate::lexer::{Kind, Token};
use crate::read::scope::is_system_column;

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

/// As many tokens of an UPDATE or DELETE are looked through for its condition.
const MAX_LOOKED_THROUGH: usize = 512;

/// Whether an UPDATE or DELETE of a relation whose name stands there surely chooses among its rows: by a column that has to be
/// equal to a constant, a parameter, or a variable or field that is called otherwise, with nothing but AND beside it. It errs
/// to no.
pub(super) fn chooses(text: &str, tokens: &[Token], at: usize, relation: &Relation) -> bool {
    let mut depth = 0_usize;
    // The statement's own words, without those in parentheses.
    let mut outer = Vec::new();
    for (count, token) in tokens.iter().skip(at).take_while(|token| token.kind != Kind::Semicolon).enumerate()
    {
        match token.kind {
            Kind::LeftParen | Kind::LeftBracket => depth += 1,
            Kind::RightParen | Kind::RightBracket if depth == 0 => break,
            Kind::RightParen | Kind::RightBracket => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            outer.push(*token);
        }
        if count == MAX_LOOKED_THROUGH {
            return false;
        }
    }
    let is = |token: &Token, words: &[&str]| words.iter().any(|word| token.is(text, word));
    // What stands behind a RETURNING may be a loop's: `FOR r IN DELETE FROM t RETURNING a LOOP UPDATE … WHERE a = v`.
    let from = outer.iter().position(|token| is(token, &["where", "returning", "loop"]));
    let Some((head, [word, condition @ ..])) = from.and_then(|from| outer.split_at_checked(from)) else {
        return false;
    };
    if !is(word, &["where"]) {
        return false;
    }
    let condition = condition.split(|token| is(token, &["returning"])).next().unwrap_or_default();
    // Rows of others may be what is chosen; with `#variable_conflict` a variable may be what is called as the column.
    let is_plain = !head.iter().any(|token| is(token, &["from", "using"]))
        && !condition.iter().any(|token| is(token, &["or", "not", "between", "case", "where", "union"]))
        && !tokens.first().is_some_and(|token| token.written(text).starts_with('#'));
    let names = head.split(|token| is(token, &["set"])).next().unwrap_or_default();
    let names: Vec<_> =
        names.iter().filter(|token| token.kind.is_name()).map(|token| token.name(text)).collect();
    let is_of_relation = |token: &Token| names.contains(&token.name(text));
    is_plain
        && condition.split(|token| is(token, &["and"])).any(|part| {
            let (column, value) = match part {
                [column, sign, value @ ..] if sign.written(text) == "=" => (column, value),
                [row, dot, column, sign, value @ ..]
                    if dot.kind == Kind::Dot && sign.written(text) == "=" && is_of_relation(row) =>
                {
                    (column, value)
                }
                _ => return false,
            };
            let is_column =
                |token: &Token| token.kind.is_name() && relation.column(&token.name(text)).is_some();
            let is_of_row = |token: &Token| {
                is_column(token) || is_of_relation(token) || is_system_column(&token.name(text))
            };
            let is_other = match value {
                [value] if value.kind.is_name() => !is_reserved(&value.name(text)) && !is_of_row(value),
                [value] => value.kind == Kind::Parameter || value.kind.is_constant(),
                [row, dot, field] => {
                    row.kind.is_name()
                        && dot.kind == Kind::Dot
                        && field.kind.is_name()
                        && !is_of_relation(row)
                }
                _ => false,
            };
            is_column(column) && is_other
        })
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
