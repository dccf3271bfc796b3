//! One statement's tokens into a [`Statement`]: who reads it, and the limits before anyone does.

use policy::{Action, Catalog, Lineage, ObjectKind, Output, Verb};
use sqlparser::ast::{SetExpr, Statement as Tree};

use crate::cursor::Cursor;
use crate::flow::Rows;
use crate::lexer::{Kind, Token};
use crate::names::{Name, Names};
use crate::parse::Parsed;
use crate::read::Reader;
use crate::secrets;
use crate::utility::Read;
use crate::{
    Effects, Limits, Place, SearchPath, Settings, Statement, TransactionEffect, moves, parse, split,
};

/// What earlier statements of the same text have made uncertain.
#[derive(Default)]
pub(crate) struct Before {
    /// `search_path` may have changed.
    search_path: bool,
    /// The catalog may have changed: lineage proves nothing any more.
    ddl: bool,
    /// Something may stand on what did not have it before.
    defines: bool,
    /// Relations that they create.
    created: Vec<Name>,
    /// Relations that they have taken away, or may have.
    uncertain: Vec<Name>,
    /// Functions that they make or alter.
    functions: Vec<Name>,
    /// No name of a relation is certain any more.
    moved: bool,
    /// Any relation may run what changes settings.
    hangs_code: bool,
    /// How strings are read may have changed.
    string_syntax: bool,
}

impl Before {
    /// `unsettled`: the open transaction has changed a setting. `provisional`: it has changed relations.
    fn add(&mut self, statement: &Statement, unsettled: bool, provisional: bool) {
        let effects = &statement.effects;
        let takes_back = effects.transaction.as_ref().is_some_and(TransactionEffect::takes_back);
        self.search_path |= statement.moves_path() || (takes_back && unsettled);
        self.ddl |= effects.ddl;
        self.defines |= effects.ddl && statement.defines();
        self.hangs_code |= effects.hangs_code;
        self.string_syntax |= effects.string_syntax;
        self.moved |= effects.renames || (takes_back && provisional);
        if takes_back {
            // What a transaction created it may keep, and what it dropped it may have back.
            let kept = matches!(effects.transaction, Some(TransactionEffect::Commit { .. }));
            let lost = |name: &mut Name| !kept || name.schema.as_deref() == Some("pg_temp");
            self.uncertain.extend(self.created.extract_if(.., lost));
        }
        for (schema, name) in &effects.drops {
            let name = Name { schema: Some(schema.clone()), name: name.clone() };
            self.created.retain(|created| *created != name);
            self.uncertain.push(name);
        }
        self.functions.extend(statement.functions_altered());
        for Action { verb, object, .. } in &statement.actions {
            if *verb == Verb::Create && object.kind == ObjectKind::Relation && object.class != "index" {
                self.created.push(Name { schema: object.schema.clone(), name: object.name.clone() });
            }
        }
    }
}

/// Reads one statement.
pub(crate) fn read(
    text: &str,
    tokens: &[Token],
    settings: &Settings,
    catalog: &Catalog,
    limits: &Limits,
    before: &mut Before,
) -> Statement {
    let path = if before.search_path { &SearchPath::Unknown } else { &settings.search_path };
    let names = Names {
        catalog,
        path,
        moved: before.moved,
        uncertain: &before.uncertain,
        conforming: settings.standard_conforming_strings && !before.string_syntax,
        functions: &before.functions,
        changed: before.defines,
    };
    let mut reader = Reader::new(text, &names, &before.created, limits);
    let cursor = Cursor::new(text, tokens);
    let done = if is_data(&cursor) { reader.data_statement(tokens) } else { reader.utility(cursor) };
    if evaluates(done.tag, &reader.effects) {
        reader.hidden_calls(text, tokens, path);
    }
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
    let on_relation = |a: &Action| a.object.kind == ObjectKind::Relation;
    let runs_code = before.hangs_code && reader.actions.iter().any(on_relation);
    let event = reader.effects.ddl && catalog.has_event_triggers();
    if runs_code || event || (catalog.has_hidden_calls() && evaluates(done.tag, &reader.effects)) {
        reader.moves_settings();
    }
    moves::note(text, tokens, &reader.actions, catalog, &mut reader.effects);
    let output = match done.output {
        // What was not understood may return anything; rows of another statement stay those.
        Output::None | Output::Columns(_) | Output::Within(_) if opaque => Output::Unknown,
        Output::Columns(_) | Output::Within(_) if before.ddl => Output::Unknown,
        output => output,
    };
    let statement = Statement {
        tag: done.tag,
        actions: reader.actions,
        output,
        written: if opaque { Lineage::Unknown } else { reader.written },
        steers: if opaque { Lineage::Unknown } else { reader.steers },
        relations: reader.relations.into_iter().collect(),
        effects: reader.effects,
        wants: reader.wants,
    };
    before.add(&statement, settings.unsettled, catalog.is_provisional());
    statement
}

/// Whether a statement of this tag does nothing but set or tell settings.
fn is_setting(tag: &str) -> bool {
    matches!(tag, "SET" | "RESET" | "SHOW")
}

impl Statement {
    /// Functions that it makes, alters or drops: what they run is not what the catalog says until it is committed.
    fn functions_altered(&self) -> impl Iterator<Item = Name> {
        let alters = |action: &&Action| {
            matches!(action.verb, Verb::Create | Verb::Alter | Verb::Drop)
                && action.object.kind == ObjectKind::Function
        };
        self.actions
            .iter()
            .filter(alters)
            .map(|action| Name { schema: action.object.schema.clone(), name: action.object.name.clone() })
    }

    /// Whether it makes or alters something, on which more stands behind it: what is only dropped leaves less.
    pub fn defines(&self) -> bool {
        let defines = |a: &Action| matches!(a.verb, Verb::Create | Verb::Alter | Verb::Opaque);
        self.actions.iter().any(defines)
    }

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
