//! What the statements of a body do beside what is done to relations: a program that COPY runs, a role that is made, a right
//! that is given.

use policy::Verb;

use crate::lexer::{Kind, Token};

/// The words behind which PL/pgSQL has a statement.
const BEFORE: [&str; 4] = ["begin", "then", "else", "loop"];

/// What the statements in these tokens, from one semicolon to the next, do by their first words.
pub(super) fn of_no_relation(text: &str, tokens: &[Token]) -> Vec<Verb> {
    let begins = |at: usize| match at.checked_sub(1).and_then(|before| tokens.get(before)) {
        None => true,
        // Behind a label: <<name>>.
        Some(before) if before.kind == Kind::Operator => before.written(text) == ">>",
        Some(before) => BEFORE.iter().any(|word| before.is(text, word)),
    };
    let starts = (0..tokens.len()).filter(|at| begins(*at));
    starts.filter_map(|at| of_statement(text, tokens.get(at..).unwrap_or_default())).collect()
}

fn of_statement(text: &str, tokens: &[Token]) -> Option<Verb> {
    let is = |at: usize, words: &[&str]| {
        tokens.get(at).is_some_and(|token| words.iter().any(|word| token.is(text, word)))
    };
    let has = |word: &str| tokens.iter().any(|token| token.is(text, word));
    let first = tokens.first().filter(|token| token.kind == Kind::Word)?;
    // A variable may have the name of most of these words: it is assigned to.
    let assigned = tokens.get(1).is_some_and(|next| {
        matches!(next.kind, Kind::ColonEquals | Kind::Dot)
            || (next.kind == Kind::Operator && next.written(text) == "=")
    });
    if assigned {
        return None;
    }
    Some(match first.name(text).as_ref() {
        "copy" if has("program") => Verb::CopyProgram,
        "copy" => Verb::CopyServer,
        "alter" if is(1, &["system"]) => Verb::System,
        "create" | "alter" | "drop" if is(1, &["role", "user", "group"]) => Verb::Role,
        "reassign" => Verb::Role,
        "create" | "import" => Verb::Create,
        "alter" | "comment" | "security" => Verb::Alter,
        "drop" => Verb::Drop,
        "grant" => Verb::Grant,
        "revoke" => Verb::Revoke,
        "notify" | "listen" | "unlisten" => Verb::Notify,
        "load" if tokens.get(1).is_some_and(|next| next.kind.is_string()) => Verb::System,
        // The role is told by its name.
        "set" | "reset" if has("role") || has("authorization") => return None,
        "set" | "reset" | "discard" => Verb::Set,
        "vacuum" | "analyze" | "cluster" | "reindex" | "refresh" | "checkpoint" => Verb::Maintain,
        _ => return None,
    })
}
