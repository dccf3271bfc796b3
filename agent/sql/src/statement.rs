//! One statement's tokens into a [`Statement`]: who reads it, and the limits before anyone does.

use policy::{Action, Lineage, ObjectKind, Output, Verb};
use sqlparser::ast::{SetExpr, Statement as Tree};

use crate::before::Before;
use crate::cursor::Cursor;
use crate::flow::Rows;
use crate::inside::Inside;
use crate::lexer::{Kind, Token};
use crate::names::Names;
use crate::parse::Parsed;
use crate::read::Reader;
use crate::secrets;
use crate::utility::Read;
use crate::values::Values;
use crate::{Effects, Limits, Place, Settings, Statement, TransactionEffect, moves, parse, split};

/// What a statement stands in.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) limits: &'a Limits,
    /// Of the code that it is part of.
    pub(crate) values: &'a Values,
    pub(crate) inside: Inside,
}

/// What tokens are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A statement.
    Statement,
    /// What follows a SELECT that is not written: expressions of PL/pgSQL.
    Selected,
    /// The type of a variable.
    Type,
}

/// Reads one statement.
pub(crate) fn read(
    text: &str,
    tokens: &[Token],
    form: Form,
    around: Around<'_>,
    before: &mut Before<'_>,
) -> Statement {
    let Around { settings, limits, values, inside } = around;
    let catalog = &before.catalog;
    let path = before.search_path(settings);
    let names = Names {
        catalog,
        path,
        before,
        conforming: settings.standard_conforming_strings && !before.string_syntax,
        reach: settings.reach.as_ref(),
        values,
        inside,
    };
    let mut reader = Reader::new(text, &names, limits);
    let cursor = Cursor::new(text, tokens);
    let done = match form {
        Form::Selected => reader.selected(tokens),
        Form::Type => {
            reader.variable_type(tokens);
            Read { tag: "", output: Output::None }
        }
        Form::Statement if is_data(&cursor) => reader.data_statement(tokens),
        Form::Statement => reader.utility(cursor),
    };
    if evaluates(done.tag, &reader.effects) {
        reader.hidden_calls(text, tokens, path);
    }
    reader.read_along_moved_paths();
    reader.tell();
    let opaque = reader.actions.iter().any(|action| action.verb == Verb::Opaque);
    if opaque {
        let anything = Effects::anything();
        reader.effects.ddl |= anything.ddl;
        reader.effects.search_path |= anything.search_path;
        reader.effects.string_syntax |= anything.string_syntax;
        reader.effects.reopens |= anything.reopens;
    }
    reader.store_what_bodies_read();
    let at_once = reader.at_once.unwrap_or(reader.actions.len()).min(reader.actions.len());
    let on_relation = |a: &Action| a.object.kind == ObjectKind::Relation;
    let runs_code = before.hangs_code && reader.actions[..at_once].iter().any(on_relation);
    let event = reader.effects.ddl && catalog.has_event_triggers();
    // Nothing of a function is evaluated where it is made.
    let makes = matches!(done.tag, "CREATE FUNCTION" | "CREATE PROCEDURE");
    let evaluates = evaluates(done.tag, &reader.effects) && !makes;
    if runs_code || event || (catalog.has_hidden_calls() && evaluates) {
        reader.moves_settings();
    }
    moves::note(text, tokens, &reader.actions[..at_once], reader.told_moves, catalog, &mut reader.effects);
    let output = match reader.with_handed_on(done.output) {
        // What was not understood may return anything; rows of another statement stay those.
        Output::None | Output::Columns(_) | Output::Within(_) if opaque => Output::Unknown,
        Output::Columns(_) | Output::Within(_) if before.ddl => Output::Unknown,
        output => output,
    };
    let statement = Statement {
        tag: done.tag,
        actions: reader.actions,
        at_once,
        output,
        written: if opaque { Lineage::Unknown } else { reader.written },
        steers: if opaque { Lineage::Unknown } else { reader.steers },
        relations: reader.relations.into_iter().collect(),
        effects: reader.effects,
        wants: reader.wants,
    };
    before.add(&statement, settings);
    statement
}

/// Whether a statement of this tag does nothing but set or tell settings.
fn is_setting(tag: &str) -> bool {
    matches!(tag, "SET" | "RESET" | "SHOW")
}

impl Statement {
    /// Whether the server may take it before a SET TRANSACTION, which has to come before a transaction's first query: it
    /// belongs to the transaction, or sets or tells settings.
    pub fn is_no_query(&self) -> bool {
        self.effects.transaction.is_some() || is_setting(self.tag)
    }
}

/// Whether it may evaluate expressions. What only opens a transaction or tells of settings does not.
fn evaluates(tag: &str, effects: &Effects) -> bool {
    let opens =
        matches!(effects.transaction, Some(TransactionEffect::Begin | TransactionEffect::Savepoint(_)));
    !(opens || is_setting(tag))
}

impl Place {
    /// The place of the statement that these tokens are.
    pub(crate) fn of(text: &str, tokens: &[Token]) -> Self {
        Place {
            range: split::bytes(tokens),
            constants: tokens.iter().filter(|t| t.kind.is_constant()).map(|t| t.range()).collect(),
            secrets: secrets::find(text, tokens),
        }
    }
}

/// Whether `sqlparser` reads it: a query or a statement that writes rows.
pub(crate) fn is_data(cursor: &Cursor<'_>) -> bool {
    cursor.sees_kind(Kind::LeftParen)
        || ["select", "with", "values", "table", "insert", "update", "delete", "merge"]
            .iter()
            .any(|word| cursor.sees(word))
}

impl<'a> Reader<'a> {
    /// What follows a SELECT that is not written.
    fn selected(&mut self, tokens: &'a [Token]) -> Read {
        let rows = self.query_read(tokens, parse::selected);
        Read { tag: "SELECT", output: rows.into_output() }
    }

    /// A query or a statement that writes rows.
    pub(crate) fn data_statement(&mut self, tokens: &'a [Token]) -> Read {
        let unknown = || Read { tag: tag_of_tokens(self.text, tokens), output: Output::Unknown };
        if !self.fits(tokens) {
            return unknown();
        }
        let Parsed { tree, unplaced } = match parse::statement(self.text, tokens) {
            Ok(parsed) => parsed,
            Err(failed) => {
                self.opaque_at("unsupported syntax", failed.at.and_then(|i| tokens.get(i)).copied());
                return unknown();
            }
        };
        let rows = self.within(tokens, unplaced, |reader| {
            let rows = match &tree {
                Tree::Query(query) => reader.top_query(query),
                tree => reader.top_writing(tree),
            };
            reader.close();
            rows
        });
        let output = match rows {
            Rows::Columns(cells) if cells.is_empty() => Output::None,
            rows => rows.into_output(),
        };
        Read { tag: tag(&tree), output }
    }

    /// Whether the tree of these tokens stays as shallow as the limits ask; opaque otherwise.
    pub(crate) fn fits(&mut self, tokens: &[Token]) -> bool {
        let fits = depth(self.text, tokens) <= self.limits.depth;
        if !fits {
            self.opaque("the statement is nested too deeply");
        }
        let is_light = weight(self.text, tokens) <= self.limits.weight;
        if !is_light {
            self.opaque("the statement is too long");
        }
        fits && is_light
    }
}

/// The word for what the statement does, past WITH.
fn tag(tree: &Tree) -> &'static str {
    match tree {
        Tree::Insert(_) => "INSERT",
        Tree::Update(_) => "UPDATE",
        Tree::Delete(_) => "DELETE",
        Tree::Merge(_) => "MERGE",
        Tree::Query(query) => match &*query.body {
            SetExpr::Insert(tree) | SetExpr::Update(tree) | SetExpr::Delete(tree) | SetExpr::Merge(tree) => {
                tag(tree)
            }
            _ => "SELECT",
        },
        _ => "SELECT",
    }
}

/// The same of a statement that was not read: the first such word behind WITH, though it may be another's name.
fn tag_of_tokens(text: &str, tokens: &[Token]) -> &'static str {
    const TAGS: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "MERGE"];
    let is_tag = |token: &Token| TAGS.into_iter().find(|tag| token.is(text, tag));
    let Some((first, rest)) = tokens.split_first() else { return "SELECT" };
    if !first.is(text, "with") {
        return is_tag(first).unwrap_or("SELECT");
    }
    let mut depth = 0_usize;
    // The statement itself stands behind the parentheses of the last query of WITH.
    let mut before = first.kind;
    for token in rest {
        match token.kind {
            Kind::LeftParen => depth += 1,
            Kind::RightParen => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && before == Kind::RightParen => {
                if let Some(tag) = is_tag(token) {
                    return tag;
                }
            }
            _ => {}
        }
        before = token.kind;
    }
    "SELECT"
}

/// What the tree weighs that `sqlparser` makes of these tokens, in units of some 400 bytes: measured, for each kind of
/// token, on the shapes in which it weighs most.
fn weight(text: &str, tokens: &[Token]) -> usize {
    tokens
        .iter()
        .map(|token| match token.kind {
            Kind::Word if ["select", "with", "values", "table"].iter().any(|w| token.is(text, w)) => 30,
            Kind::Word | Kind::Quoted | Kind::UnicodeQuoted => 4,
            Kind::Operator | Kind::Dot | Kind::LeftBracket | Kind::ColonColon => 2,
            kind if kind.is_string() => 2,
            _ => 1,
        })
        .sum()
}

/// A bound of the depth of the tree that `sqlparser` makes of these tokens: operators make it deeper one by
/// one up to the next comma, set operations up to the end of their parentheses, parentheses by themselves.
fn depth(text: &str, tokens: &[Token]) -> usize {
    #[derive(Default)]
    struct Level {
        /// Deepest part between commas so far.
        deepest: usize,
        /// Operators since the last comma.
        chain: usize,
        /// Deepest parentheses since the last comma.
        inside: usize,
        /// Set operations.
        sets: usize,
    }
    impl Level {
        fn comma(&mut self) {
            self.deepest = self.deepest.max(self.chain + self.inside);
            self.chain = 0;
            self.inside = 0;
        }

        fn total(mut self) -> usize {
            self.comma();
            self.deepest + self.sets + 1
        }
    }
    const OPERATORS: &[&str] = &[
        "and", "at", "between", "case", "collate", "cross", "escape", "ilike", "in", "is", "isnull", "join",
        "like", "not", "notnull", "or", "overlaps", "similar",
    ];
    let mut levels = vec![Level::default()];
    for token in tokens {
        let Some(level) = levels.last_mut() else { break };
        match token.kind {
            Kind::Comma => level.comma(),
            Kind::LeftParen | Kind::LeftBracket => {
                level.chain += 1;
                levels.push(Level::default());
            }
            Kind::RightParen | Kind::RightBracket => {
                if levels.len() > 1
                    && let Some(inner) = levels.pop()
                    && let Some(level) = levels.last_mut()
                {
                    level.inside = level.inside.max(inner.total());
                }
            }
            Kind::Operator | Kind::ColonColon | Kind::Dot | Kind::Colon => level.chain += 1,
            Kind::Word => {
                let word = token.written(text);
                if ["union", "intersect", "except"].iter().any(|w| word.eq_ignore_ascii_case(w)) {
                    level.sets += 1;
                } else if OPERATORS.iter().any(|w| word.eq_ignore_ascii_case(w)) {
                    level.chain += 1;
                }
            }
            _ => {}
        }
    }
    levels.into_iter().map(Level::total).sum()
}
