//! Functions of others that are called as PostgreSQL's own are, and do no more than these.
//!
//! Which of several is meant their arguments' types say, which are not known: beside citext `max(total)` may be its
//! `max(citext)`. Where PostgreSQL's own is free to be called and the other only computes as well, it does not matter which it
//! is. So no rule has to allow the call; one that denies or holds it is still about it.

use policy::catalog::Body;
use policy::{Catalog, Function, Volatility};

use super::call::makes_values;
use super::texts::runs_text_elsewhere;
use crate::keywords::is_keyword;
use crate::lexer::{Kind, Token, lex_body};
use crate::names::{Builtin, builtin, is_builtin_type};
use crate::{Limits, Settings};

/// Whether the function gives nothing but what it computes from its arguments, and does nothing else.
///
/// Of one in C the promise to be immutable is believed, as it is of operators: they come with extensions. Of one whose text is
/// read none is needed.
pub(super) fn only_computes(function: &Function, catalog: &Catalog, limits: &Limits) -> bool {
    let Function { schema, name, language, .. } = function;
    let is_settled = catalog.functions_made(schema, name).next().is_none()
        && !catalog.is_function_uncertain(schema, name)
        && !catalog.calls().arguments.contains_key(&function.oid);
    if function.procedure || function.security_definer || !function.config.is_empty() || !is_settled {
        return false;
    }
    // pgcrypto's is PostgreSQL's own by now, and gives another value each time.
    let is_read = matches!(function.body, Body::Text(_));
    if function.volatility != Volatility::Immutable && !is_read && name != "gen_random_uuid" {
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

/// What extensions that PostgreSQL is shipped with give anew with each call, or by a dictionary of words, and not of any row.
const GIVE_NO_ROWS: [&str; 10] = [
    "gen_random_bytes",
    "gen_salt",
    "pgp_pub_encrypt",
    "pgp_pub_encrypt_bytea",
    "pgp_sym_encrypt",
    "pgp_sym_encrypt_bytea",
    "unaccent",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
];

/// Whether what the function gives is made of its arguments alone: of no row, nor of what the session keeps. Who is shown masks
/// may have it stored, and see it, as far as he may its arguments.
pub(super) fn gives_its_arguments(function: &Function, catalog: &Catalog, limits: &Limits) -> bool {
    let Function { schema, name, language, security_definer, config, body, .. } = function;
    let is_settled =
        catalog.functions_made(schema, name).next().is_none() && !catalog.is_function_uncertain(schema, name);
    only_computes(function, catalog, limits)
        || (is_settled
            && *body == Body::Foreign
            && language == "c"
            && !security_definer
            && config.is_empty()
            && GIVE_NO_ROWS.contains(&name.as_str()))
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

/// The words of a CASE.
fn is_of_case(text: &str, token: &Token) -> bool {
    ["case", "when", "then", "else", "end"].iter().any(|word| token.is(text, word))
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
                let is_of_case = |at: usize| tokens.get(at).is_some_and(|token| is_of_case(text, token));
                // Where nothing is read from, a name alone is a parameter's.
                let names_more = match kind(at + 1) {
                    Some(Kind::Word) => !is_of_case(at + 1),
                    Some(Kind::Dot | Kind::LeftParen) => true,
                    Some(kind) => kind.is_constant(),
                    None => false,
                };
                if !is_of_case(at) && (names_more || is_keyword(&token.name(text))) {
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
