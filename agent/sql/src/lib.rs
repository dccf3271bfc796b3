//! SQL text and a catalog in; actions and column lineage out.
//!
//! Parsing is not understanding. An own lexer with PostgreSQL's exact rules makes the tokens and the statement
//! boundaries; `sqlparser` reads queries and DML on those tokens, guarded where it is known to read another
//! statement than the server runs; utility statements are read from the tokens alone; the extractor matches
//! exhaustively, and what it does not match makes the statement [`policy::Verb::Opaque`].
//!
//! This crate does no I/O and reads no clock. It never decides: what an action is worth is `policy`'s.
//!
//! Stack: trees are walked recursively, up to the depth that [`Limits`] bounds. Callers run [`analyse`] on a
//! thread with a stack of 64 MiB.

#![forbid(unsafe_code)]

mod analysis;
mod before;
mod code;
mod cursor;
mod flow;
mod inside;
mod keywords;
mod lexer;
mod moves;
mod name;
mod names;
mod parse;
mod read;
mod secrets;
mod settings;
mod shape;
mod split;
mod statement;
#[cfg(test)]
mod tests;
mod utility;
mod values;

pub use analysis::{Analysis, CopyDirection, Effects, Place, Statement, TransactionEffect, Wants};
pub use lexer::Unreadable;
#[cfg(feature = "trees")]
pub use parse::trees;
pub use settings::{Limits, Reach, SearchPath, Settings};
pub use shape::{Shape, stands_for_all};
pub use split::{split, tokens};

use policy::{Action, Catalog, Oid, Verb};

use before::Before;
use inside::Inside;
use statement::{Around, Form};
use values::NO_VALUES;

/// Reads the whole text of a Query or Parse message.
///
/// An empty text (or one of comments and semicolons alone) has no statements. A text that cannot be cut into
/// statements gives one opaque statement that spans it. What a statement does to `search_path` or the catalog
/// counts for the statements behind it.
pub fn analyse(text: &[u8], settings: &Settings, catalog: &Catalog, limits: &Limits) -> Analysis {
    let around = Around { settings, limits, values: &NO_VALUES, inside: Inside::default() };
    analyse_in(text, around, Before::nothing(text.len(), catalog, limits, true))
}

/// The same of a text that another runs.
fn analyse_in(text: &[u8], around: Around<'_>, mut before: Before<'_>) -> Analysis {
    let Around { settings, limits, .. } = around;
    let cut = lexer::lex(text, settings, limits)
        .and_then(|(text, tokens)| Ok((text, split::slices(text, &tokens, limits)?, tokens)));
    match cut {
        Ok((text, slices, tokens)) => {
            let mut analysis = Analysis::default();
            for slice in slices {
                let tokens = &tokens[slice];
                let mut statement = statement::read(text, tokens, Form::Statement, around, &mut before);
                let place = Place::of(text, tokens);
                let unplaced = |a: &&mut Action| a.verb == Verb::Opaque && a.detail.position.is_none();
                for action in statement.actions.iter_mut().filter(unplaced) {
                    action.detail.position = Some(lexer::character(text.as_bytes(), place.range.start));
                }
                analysis.statements.push(statement);
                analysis.places.push(place);
            }
            analysis
        }
        Err(error) => {
            let whole = 0..text.len();
            let place = Place {
                range: whole.clone(),
                // Where its literals are is not known.
                constants: vec![whole],
                secrets: secrets::find_in_unreadable(text),
            };
            let character = error.at().map(|at| lexer::character(text, at));
            let reason = match character {
                Some(character) => format!("{error} (character {character})"),
                None => error.to_string(),
            };
            let mut statement = Statement::opaque(reason);
            for action in &mut statement.actions {
                action.detail.position = character;
            }
            Analysis { statements: vec![statement], places: vec![place] }
        }
    }
}

/// What a call of a function by its number does, which no text names: the call itself, and what it runs. Where names in its
/// body are looked for is not asked: any schema counts.
pub fn called(function: Oid, catalog: &Catalog, limits: &Limits) -> Vec<Action> {
    unnamed(catalog, limits, |reader| reader.call_member(function))
}

/// What checks values of these types, which no text names: those of the parameters of a statement. As with [`called`].
pub fn checked(types: &[Oid], catalog: &Catalog, limits: &Limits) -> Vec<Action> {
    let checks = types.iter().filter_map(|of| catalog.calls().values.get(of)).flatten();
    unnamed(catalog, limits, |reader| {
        reader.implying(|reader| checks.for_each(|function| reader.call_member(*function)));
    })
}

fn unnamed(catalog: &Catalog, limits: &Limits, read: impl FnOnce(&mut read::Reader<'_>)) -> Vec<Action> {
    let names = names::Names {
        catalog,
        path: &SearchPath::Unknown,
        before: &Before::nothing(0, catalog, limits, false),
        conforming: false,
        reach: None,
        values: &NO_VALUES,
        inside: Inside::default(),
    };
    let mut reader = read::Reader::new("", &names, limits);
    read(&mut reader);
    reader.tell();
    reader.actions
}
