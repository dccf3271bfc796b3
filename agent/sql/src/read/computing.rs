//! Functions of others that are called as PostgreSQL's own are, and do no more than these.
//!
//! Which of several is meant their arguments' types say, which are not known: beside citext `max(total)` may be its
//! `max(citext)`. Where PostgreSQL's own is free to be called and the other only computes as well, it does not matter which it
//! is. So no rule has to allow the call; one that denies or holds it is still about it.

use policy::catalog::Body;
use policy::{Catalog, Function, Volatility};

use super::call::makes_values;
use super::texts::runs_text_elsewhere;
use crate::lexer::{Kind, Token, lex_body};
use crate::names::{Builtin, builtin, is_builtin_type};
use crate::{Limits, Settings};

/// Whether the function gives nothing but what it computes from its arguments, and does nothing else.
///
/// Of one in C the promise to be immutable is believed, as it is of operators: they come with extensions.
pub(super) fn only_computes(function: &Function, catalog: &Catalog, limits: &Limits) -> bool {
    let Function { schema, name, language, .. } = function;
    let is_settled = catalog.functions_made(schema, name).next().is_none()
        && !catalog.is_function_uncertain(schema, name)
        && !catalog.calls().arguments.contains_key(&function.oid);
    if function.procedure || function.security_definer || !function.config.is_empty() || !is_settled {
        return false;
    }
    // pgcrypto's is PostgreSQL's own by now, and gives another value each time.
    if function.volatility != Volatility::Immutable && name != "gen_random_uuid" {
        return false;
    }
    match &function.body {
        Body::Foreign => language == "c" && !runs_text_elsewhere(name),
        // An aggregate's.
        Body::Calls(members) => members.iter().all(|oid| is_plain(*oid, catalog)),
        Body::Tree { relations, functions, writes } => {
            relations.is_empty() && !writes && functions.iter().all(|oid| is_plain(*oid, catalog))
        }
        Body::Text(text) => {
            let settings = Settings { standard_conforming_strings: true, utf8: true, ..Settings::default() };
            let lexed = lex_body(text.as_bytes(), &settings, limits);
            language == "sql" && lexed.is_ok_and(|(text, tokens)| is_computation(text, &tokens, catalog))
        }
        Body::Unread => false,
    }
}

/// PostgreSQL's own that is free to be called, or one in C that computes.
fn is_plain(oid: policy::Oid, catalog: &Catalog) -> bool {
    catalog.function(oid).is_some_and(|function| match function.schema == "pg_catalog" {
        true => is_free(&function.name),
        false => {
            function.body == Body::Foreign
                && function.language == "c"
                && function.volatility == Volatility::Immutable
                && !function.security_definer
                && !runs_text_elsewhere(&function.name)
        }
    })
}

/// Whether PostgreSQL's own function of that name gives what it makes of its arguments alone.
fn is_free(name: &str) -> bool {
    builtin(name) == Builtin::Harmless && name != "current_setting" && !makes_values(name)
}

/// Whether a body is one SELECT of parameters, constants, CASE, and functions and types of `pg_catalog` under their whole
/// names, as citext's are: there is no other word in it.
fn is_computation(text: &str, tokens: &[Token], catalog: &Catalog) -> bool {
    let tokens = match tokens {
        [first, rest @ .., last] if last.kind == Kind::Semicolon && first.is(text, "select") => rest,
        [first, rest @ ..] if first.is(text, "select") => rest,
        _ => return false,
    };
    let kind = |at: usize| tokens.get(at).map(|token| token.kind);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += match token.kind {
            Kind::Word if token.is(text, "pg_catalog") => {
                let Some(name) = tokens.get(at + 2).filter(|name| name.kind == Kind::Word) else {
                    return false;
                };
                let name = name.name(text);
                let is_type = at.checked_sub(1).and_then(kind) == Some(Kind::ColonColon);
                let is_own = match (is_type, kind(at + 3)) {
                    // A user's type may be cast to it by a user's function.
                    (true, _) => {
                        is_builtin_type(&name) && !catalog.calls().casts.iter().any(|cast| cast.name == *name)
                    }
                    (false, Some(Kind::LeftParen)) => is_free(&name),
                    (false, _) => false,
                };
                if kind(at + 1) != Some(Kind::Dot) || !is_own {
                    return false;
                }
                3
            }
            Kind::Word => {
                if !["case", "when", "then", "else", "end"].iter().any(|word| token.is(text, word)) {
                    return false;
                }
                1
            }
            // Of a user's operator the catalog tells what it runs.
            Kind::Operator if catalog.calls().operators.contains_key(token.written(text)) => return false,
            // No cast to what is no name of `pg_catalog`.
            Kind::ColonColon if !tokens.get(at + 1).is_some_and(|next| next.is(text, "pg_catalog")) => {
                return false;
            }
            Kind::Operator
            | Kind::ColonColon
            | Kind::Comma
            | Kind::LeftParen
            | Kind::RightParen
            | Kind::LeftBracket
            | Kind::RightBracket
            | Kind::Parameter => 1,
            kind if kind.is_constant() => 1,
            _ => return false,
        };
    }
    true
}
