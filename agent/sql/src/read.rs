//! One statement's tree into actions, lineage and effects, by matches that name every variant.
//!
//! What is not understood is reported as opaque at its place and the reading goes on, so that the actions found
//! are as many as can be. It never decides what may pass.

mod access;
mod body;
mod call;
mod computing;
mod condition;
mod dml;
mod expr;
mod from;
mod given;
mod query;
mod scope;
mod texts;
mod types;
mod uses;
mod with;

use body::{By, Kept, Results};

pub(crate) use access::{Target, relation_object};
pub(crate) use call::function_object;
pub(crate) use expr::{Over, Typed};
pub(crate) use texts::is_told_by_literal;
pub(crate) use uses::Told;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use policy::{Action, ColumnRef, Detail, Function, Lineage, Object, Oid, Undefined, Verb};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::flow::{Rows, add, constant};
use crate::keywords::{is_reserved, may_name_column};
use crate::lexer::{Kind, Token, character};
use crate::name::Name;
use crate::names::Names;
use crate::{Effects, Limits, SearchPath, Wants};

/// Actions that one statement may have; more are not told apart.
const MAX_ACTIONS: usize = 2000;

/// As many are compared one by one; of more their places are kept.
const FEW_ACTIONS: usize = 16;

/// What makes two actions the same.
fn key(action: &Action) -> (Verb, Object, bool) {
    (action.verb, action.object.clone(), action.implied)
}

/// What has been found of one statement so far.
pub(crate) struct Reader<'a> {
    pub(crate) text: &'a str,
    /// The tokens of the slice that the tree at hand was made of.
    pub(crate) tokens: &'a [Token],
    pub(crate) names: &'a Names<'a>,
    pub(crate) actions: Vec<Action>,
    /// The first of them that is of code which is only defined.
    pub(crate) at_once: Option<usize>,
    /// How many of its words that rename or move relations are told by `effects.names`.
    pub(crate) told_moves: usize,
    /// The place of each action, once there are more than a few.
    places: HashMap<(Verb, Object, bool), usize>,
    /// What is to be told of actions on relations.
    notes: Vec<uses::Note>,
    /// What the values carry that are stored or handed on.
    pub(crate) written: Lineage,
    /// What decides which rows there are, how many and in which order, and is not shown itself.
    pub(crate) steers: Lineage,
    /// Columns that the expressions at hand read, as far as nothing has been asked of them; `None`: it is not known which.
    unasked: Vec<Option<ColumnRef>>,
    /// What is known of the type of the expression that was read last.
    typed: Typed,
    /// The INSERT at hand goes on where a row is there already.
    on_conflict: bool,
    pub(crate) relations: BTreeSet<Oid>,
    pub(crate) effects: Effects,
    pub(crate) wants: Wants,
    /// The WITH queries in sight, innermost last.
    pub(crate) ctes: Vec<(String, Rows)>,
    /// How many WITH RECURSIVE are being read, one within the other: their queries may run many times.
    recursive: usize,
    /// What is left of [`Limits::work`].
    work: usize,
    /// The one row of pg_settings that the SELECT at hand is of, by its name.
    chosen_setting: Option<String>,
    pub(crate) limits: &'a Limits,
    /// What is found comes along with what was named.
    pub(crate) implies: bool,
    /// Search paths with which bodies run: the session's, and those that functions bring along.
    paths: Vec<Rc<SearchPath>>,
    /// Which of these what is read now runs with.
    path: usize,
    /// Functions whose bodies have been read, each with a path, and by what they run.
    bodies: HashSet<(*const Function, usize, By)>,
    /// The same in their order.
    bodies_run: Vec<(&'a Function, usize, By)>,
    /// The paths that `path` is within.
    outer_paths: Vec<usize>,
    /// Those that the statement may move while it runs.
    moved_paths: BTreeSet<usize>,
    /// One of them has a backslash: its strings may be read otherwise.
    escapes_in_bodies: bool,
    /// How strings are read may have changed when one of them runs.
    bodies_move_strings: bool,
    /// Functions that operators and casts of the statement's own call.
    hidden: BTreeSet<Oid>,
    /// What is called may alter a table, or what is a variable and what a column.
    bodies_rename: bool,
    /// What those keep that calls run.
    calls_kept: Kept,
    /// The same of those that writes run.
    writes_kept: Kept,
    /// What their results are made of.
    results: Results,
    /// What runs the one at hand.
    runs_by: By,
    /// Of which columns it reads a relation.
    columns_in_body: Option<(Oid, Vec<i16>)>,
    /// Relations whose triggers and their like have been read: for which verb, with which path, and by what that runs.
    written_to: BTreeSet<(Oid, Verb, usize, By)>,
    /// Which of `tokens` the tree has been seen to hold.
    met: Vec<bool>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, names: &'a Names<'a>, limits: &'a Limits) -> Self {
        Reader {
            text,
            tokens: &[],
            names,
            actions: Vec::new(),
            at_once: None,
            told_moves: 0,
            places: HashMap::new(),
            notes: Vec::new(),
            written: constant(),
            steers: constant(),
            unasked: Vec::new(),
            typed: Typed::Unknown,
            on_conflict: false,
            relations: BTreeSet::new(),
            effects: Effects::default(),
            wants: Wants::default(),
            ctes: Vec::new(),
            recursive: 0,
            work: limits.work,
            chosen_setting: None,
            limits,
            implies: false,
            paths: vec![Rc::new(names.path.clone())],
            path: 0,
            bodies: HashSet::new(),
            bodies_run: Vec::new(),
            outer_paths: Vec::new(),
            moved_paths: BTreeSet::new(),
            escapes_in_bodies: false,
            bodies_move_strings: false,
            hidden: BTreeSet::new(),
            bodies_rename: false,
            calls_kept: Kept::nothing(),
            writes_kept: Kept::nothing(),
            results: Results::nothing(),
            runs_by: By::default(),
            columns_in_body: None,
            written_to: BTreeSet::new(),
            met: Vec::new(),
        }
    }

    /// Reads with a tree made of these tokens, some of which have no place in it.
    pub(crate) fn within<T>(
        &mut self,
        tokens: &'a [Token],
        unplaced: Vec<bool>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = std::mem::replace(&mut self.tokens, tokens);
        let outer_met = std::mem::replace(&mut self.met, unplaced);
        let outer_ctes = std::mem::take(&mut self.ctes);
        let result = read(self);
        self.tokens = outer;
        self.met = outer_met;
        self.ctes = outer_ctes;
        result
    }

    /// Whether so many names may be gone through; opaque otherwise, for the rest of the statement.
    pub(crate) fn spend(&mut self, names: usize) -> bool {
        match self.work.checked_sub(names) {
            Some(left) if left > 0 => {
                self.work = left;
                true
            }
            _ => {
                self.work = 0;
                self.opaque("too many names in too many relations");
                false
            }
        }
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.add_action(action);
    }

    /// Notes an action; gives its place, unless there are too many. The same action twice is one: of its detail all
    /// roles and new names count.
    fn add_action(&mut self, mut action: Action) -> Option<usize> {
        self.imply(&mut action);
        self.note_in_body(&action);
        self.note_path(&action);
        if let Some(place) = self.place_of(&action) {
            let Detail { roles, renamings, .. } = &mut self.actions[place].detail;
            for renaming in action.detail.renamings {
                if !renamings.contains(&renaming) {
                    renamings.push(renaming);
                }
            }
            let unknown = matches!(action.verb, Verb::Grant | Verb::Revoke)
                && (roles.is_empty() || action.detail.roles.is_empty());
            if unknown {
                // Nobody is granted nothing: to whom is not known.
                roles.clear();
            } else if *roles != action.detail.roles {
                roles.extend(action.detail.roles);
                roles.sort_unstable();
                roles.dedup();
            }
            return Some(place);
        }
        let place = self.actions.len();
        if place == MAX_ACTIONS {
            self.actions.push(Action::opaque("too many different actions"));
        }
        if place >= MAX_ACTIONS {
            return None;
        }
        if place >= FEW_ACTIONS {
            self.places.insert(key(&action), place);
        }
        self.actions.push(action);
        Some(place)
    }

    /// Notes an action of a statement of code, of which was told what there is to tell.
    pub(crate) fn act_told(&mut self, mut action: Action) {
        if !uses::is_told(action.verb) {
            return self.act(action);
        }
        let detail = std::mem::replace(&mut action.detail, Detail::NONE);
        if let Some(action) = self.add_action(action) {
            let told = uses::Told::Already(Box::new(detail));
            self.notes.push(uses::Note { action, told, named: None, base: None });
        }
    }

    fn place_of(&mut self, action: &Action) -> Option<usize> {
        let few = self.actions.iter().take(FEW_ACTIONS).position(|other| {
            other.verb == action.verb && other.implied == action.implied && other.object == action.object
        });
        if few.is_some() || self.actions.len() <= FEW_ACTIONS {
            return few;
        }
        self.places.get(&key(action)).copied()
    }

    /// Tells the actions what was noted of them while the statement was read.
    pub(crate) fn tell(&mut self) {
        uses::tell(&self.notes, &mut self.actions, self.names.catalog);
        // A function in a condition or an order sees every row that is looked at, and may keep it.
        let sees_rows = |action: &Action| {
            matches!(action.verb, Verb::Function | Verb::Call)
                && (!action.implied || action.object.name == "set_config")
        };
        if self.actions.iter().any(sees_rows) {
            self.actions.iter_mut().for_each(|action| action.detail.limit = None);
        }
    }

    /// Notes what decides about rows.
    pub(crate) fn steer(&mut self, lineage: Lineage) {
        add(&mut self.steers, lineage);
    }

    /// Notes that an expression has what this carries in it.
    fn read_in_expression(&mut self, lineage: &Lineage) {
        match lineage.columns() {
            Some(columns) => self.unasked.extend(columns.iter().copied().map(Some)),
            None => self.unasked.push(None),
        }
    }

    /// Notes that what has been read in the expression from there on decides: by it something may fail, or be chosen.
    fn ask(&mut self, from: usize) {
        for column in self.unasked.split_off(from.min(self.unasked.len())) {
            self.steer(column.map_or(Lineage::Unknown, |c| crate::flow::column(c.relation, c.attnum)));
        }
    }

    /// Notes what a stored value carries.
    pub(crate) fn store(&mut self, lineage: Lineage) {
        add(&mut self.written, lineage);
    }

    pub(crate) fn opaque(&mut self, reason: impl Into<String>) {
        self.act(Action::opaque(reason));
    }

    /// Opaque because a name is not in the catalog, or not certainly.
    pub(crate) fn missing(&mut self, what: Undefined, name: &Name) {
        if name.schema.is_none() && matches!(self.names.path, SearchPath::Unknown) {
            self.wants.search_path = true;
        }
        self.wants.catalog = true;
        let sure = self.names.would_be_found(name);
        let told = if sure { "does not exist in the catalog" } else { "is not in the catalog" };
        let mut action = Action::opaque(format!("{what} \"{name}\" {told}"));
        action.detail.undefined = sure.then_some(what);
        action.detail.position = self.position_of(name);
        self.act(action);
    }

    /// Opaque, with the place of a token in the text; a literal's own text is never told.
    pub(crate) fn opaque_at(&mut self, what: &str, token: Option<Token>) {
        let mut action = Action::opaque(self.describe(what, token));
        action.detail.position = token.and_then(|token| self.position(token));
        self.act(action);
    }

    /// Where a name stands first; one in a string stands in no token.
    fn position_of(&self, name: &Name) -> Option<u32> {
        let written = |token: &&Token| token.kind.is_name() && token.name(self.text) == name.name;
        let few = self.actions.len() < FEW_ACTIONS;
        let token = few.then(|| self.tokens.iter().find(written)).flatten()?;
        self.position(*token)
    }

    /// Where a token stands, for the first of what is told: the text before it is walked each time.
    fn position(&self, token: Token) -> Option<u32> {
        let few = self.actions.len() < FEW_ACTIONS;
        few.then(|| character(self.text.as_bytes(), token.start as usize))
    }

    pub(crate) fn describe(&self, what: &str, token: Option<Token>) -> String {
        let Some(token) = token else { return what.to_owned() };
        let before = self.text.get(..token.start as usize).unwrap_or_default();
        let character = character(self.text.as_bytes(), token.start as usize);
        if token.kind.is_constant() {
            return format!("{what} at a literal (character {character})");
        }
        if crate::secrets::ends_in_password(before) {
            return format!("{what} behind PASSWORD (character {character})");
        }
        let shown: String = token.written(self.text).chars().take(64).collect();
        format!("{what} at \"{shown}\" (character {character})")
    }

    fn token_of(&self, ident: &Ident) -> Option<usize> {
        (ident.span.start.column as usize).checked_sub(1).filter(|i| *i < self.tokens.len())
    }

    /// Notes that the tree holds this identifier's token. False: it is no identifier to PostgreSQL (a string).
    fn meet(&mut self, ident: &Ident) -> bool {
        match (self.token_of(ident), ident.quote_style) {
            (Some(index), None | Some('"')) => {
                self.met[index] = true;
                true
            }
            (Some(_) | None, _) => {
                self.opaque("a string in the place of a name");
                false
            }
        }
    }

    /// A label (after AS, or of a column): any word may be one.
    pub(crate) fn label(&mut self, ident: &Ident) -> String {
        if self.meet(ident) { ident.value.clone() } else { String::new() }
    }

    /// The name of a column, table or alias: without quotes it cannot be a reserved word (guard 3).
    pub(crate) fn name(&mut self, ident: &Ident) -> String {
        if !self.meet(ident) {
            return String::new();
        }
        if ident.quote_style.is_none() && !may_name_column(&ident.value) {
            let token = self.token_of(ident).and_then(|i| self.tokens.get(i)).copied();
            self.opaque_at("unsupported syntax", token);
        }
        ident.value.clone()
    }

    /// The same for a part behind a dot, where every word may stand.
    pub(crate) fn part(&mut self, ident: &Ident) -> String {
        self.label(ident)
    }

    /// `[[database.]schema.]name` of a relation, or of a type or function where `function`.
    pub(crate) fn object_name(&mut self, name: &ObjectName, function: bool) -> Option<Name> {
        let mut parts = Vec::with_capacity(2);
        let strings = name.0.iter().filter_map(ObjectNamePart::as_ident).any(|i| i.quote_style == Some('\''));
        if strings {
            self.opaque("a string in the place of a name");
            return None;
        }
        for (index, part) in name.0.iter().enumerate() {
            match part {
                ObjectNamePart::Identifier(ident) if index > 0 => parts.push(self.part(ident)),
                ObjectNamePart::Identifier(ident) if function => {
                    self.meet(ident);
                    if ident.quote_style.is_none()
                        && is_reserved(&ident.value)
                        && !expr::is_value_word(&ident.value)
                    {
                        let token = self.token_of(ident).and_then(|i| self.tokens.get(i)).copied();
                        self.opaque_at("unsupported syntax", token);
                    }
                    parts.push(ident.value.clone());
                }
                ObjectNamePart::Identifier(ident) => parts.push(self.name(ident)),
                ObjectNamePart::Function(_) => {
                    self.opaque("a function in the place of a name");
                    return None;
                }
            }
        }
        let found = Name::of(parts);
        if found.is_none() {
            self.opaque("a name of more than three parts");
        }
        found
    }

    /// Guard 5, for names: every name of the slice must have been met in the tree.
    pub(crate) fn close(&mut self) {
        for (token, met) in self.tokens.iter().zip(&self.met) {
            if *met {
                continue;
            }
            let lost = match token.kind {
                Kind::Quoted | Kind::UnicodeQuoted => true,
                Kind::Word => {
                    let word = token.name(self.text);
                    !crate::keywords::is_passed_on(&word) && !is_reserved(&word)
                }
                _ => false,
            };
            if lost {
                self.opaque_at("unsupported syntax", Some(*token));
                return;
            }
        }
    }
}
