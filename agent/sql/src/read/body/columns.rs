//! Which columns of a relation a statement of a body reads.

use policy::{Relation, Verb};

use super::tokens::written_at;
use crate::keywords::is_reserved;
use crate::lexer::{Kind, Token};

/// Their numbers, where the name of the relation stands at `at`, behind that of its schema where `qualified`; `None`: any.
/// It errs to more: a column is read where its name stands, whosesoever it is there, and all are where they may come without
/// their names.
pub(super) fn read_of(
    text: &str,
    tokens: &[Token],
    at: usize,
    qualified: bool,
    relation: &Relation,
) -> Option<Vec<i16>> {
    let is = |at: usize, words: &[&str]| {
        tokens.get(at).is_some_and(|token| words.iter().any(|word| token.is(text, word)))
    };
    let has = |words: &[&str]| (0..tokens.len()).any(|at| is(at, words));
    let kind = |at: usize| tokens.get(at).map(|token| token.kind);
    let behind_dot = |at: usize| at.checked_sub(1).is_some_and(|before| kind(before) == Some(Kind::Dot));
    // To the front of `database.schema.name`.
    let mut front = at;
    while front >= 2 && behind_dot(front) {
        front -= 2;
    }
    let named = if qualified { at + 2 } else { at };
    let before = front.checked_sub(1);
    if !qualified && kind(at + 1) == Some(Kind::Dot) {
        // Of a column: its relation is named where its rows come from.
        return Some(Vec::new());
    }
    if written_at(text, tokens, named) == [Verb::Insert] && !has(&["returning", "conflict"]) {
        return Some(Vec::new());
    }
    // Whose columns are called otherwise, or whose rows, cannot be told there.
    if has(&["join", "table", "merge", "tablesample"])
        || before.is_none_or(|before| !is(before, &["from", "update", "into", "only"]))
    {
        return None;
    }
    let mut alias = named + 1;
    alias += usize::from(is(alias, &["as"]));
    let called = tokens
        .get(alias)
        .filter(|t| t.kind.is_name() && !(t.kind == Kind::Word && is_reserved(&t.name(text))));
    let alias = called.map_or(named, |_| alias);
    let after = kind(alias + 1);
    if after == Some(Kind::LeftParen) || tokens.get(alias + 1).is_some_and(|token| token.written(text) == "*")
    {
        return None;
    }
    let is_row = |name: &str| name == relation.name || called.is_some_and(|token| token.name(text) == name);
    let own_rows = |name: &str| matches!(name, "new" | "old") && !is_row(name);
    let mut columns = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        if token.written(text) == "*" && !multiplies(text, tokens, place) {
            return None;
        }
        if !token.kind.is_name() {
            continue;
        }
        let name = token.name(text);
        let column = relation.column(&name);
        let of = place.checked_sub(2).filter(|_| behind_dot(place)).map(|of| tokens[of].name(text));
        if is_row(&name) && !(front..=alias).contains(&place) {
            // The row as a whole, unless one of its columns follows: a function may be called by what is behind a dot.
            let field = tokens.get(place + 2).filter(|_| kind(place + 1) == Some(Kind::Dot));
            field.and_then(|field| relation.column(&field.name(text)))?;
        }
        let assigned = place.checked_sub(1).is_some_and(|set| is(set, &["set"]));
        if let Some(column) = column
            && !assigned
            && !of.is_some_and(|of| own_rows(&of))
            && !(front..=alias).contains(&place)
        {
            columns.push(column.attnum);
        }
    }
    Some(columns)
}

/// Whether the asterisk that stands there is no list of columns: a value is on both sides of it, or it is counted.
fn multiplies(text: &str, tokens: &[Token], at: usize) -> bool {
    let Some((before, after)) = at.checked_sub(1).zip(tokens.get(at + 1)) else { return false };
    let value = |token: &Token| match token.kind {
        Kind::Word => !is_reserved(&token.name(text)) && !token.is(text, "loop"),
        kind => kind.is_name() || kind.is_constant() || kind == Kind::Parameter,
    };
    let counted = before.checked_sub(1).is_some_and(|count| tokens[count].is(text, "count"))
        && tokens[before].kind == Kind::LeftParen
        && after.kind == Kind::RightParen;
    let ends = |kind| matches!(kind, Kind::RightParen | Kind::RightBracket);
    counted
        || ((value(&tokens[before]) || ends(tokens[before].kind))
            && (value(after) || after.kind == Kind::LeftParen))
}
