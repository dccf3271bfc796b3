//! A text as it was read: the statements in it, what they do together, and what the session must follow.

use std::rc::Rc;

use policy::{Action, ColumnRef, Lineage, ObjectKind, Oid, Output, Verb};
use sql::{Analysis, Effects, Place, Statement, TransactionEffect};

use super::running::calls;

/// What a text changes that the reading of later texts depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) search_path: bool,
    pub(crate) string_syntax: bool,
    pub(crate) ddl: bool,
    /// Names of relations may stand for others afterwards.
    pub(crate) renames: bool,
    /// Settings and relations may be what they were before.
    pub(crate) takes_back: bool,
    /// Code may hang on relations that did not before.
    pub(crate) hangs_code: bool,
    /// Portals may stand for other queries afterwards.
    pub(crate) reopens: bool,
}

impl Changes {
    /// The search path may be another afterwards, or how strings are read.
    pub(crate) fn moves_settings(self) -> bool {
        self.search_path || self.string_syntax
    }

    fn anything() -> Self {
        let (search_path, string_syntax, ddl, hangs_code, reopens) = (true, true, true, true, true);
        Changes { search_path, string_syntax, ddl, hangs_code, reopens, ..Changes::default() }
    }
}

/// What a reading takes beside its statements, in bytes.
const READING: usize = 2 << 10;

/// A text, read: what it means, and where in it what stands.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    meaning: Rc<Meaning>,
    places: Vec<Place>,
}

/// What a text means, wherever its statements and literals stand.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    statements: Vec<Statement>,
    actions: Vec<Action>,
    changes: Changes,
    function: bool,
}

impl Reading {
    pub(crate) fn new(analysis: Analysis) -> Self {
        let mut actions: Vec<Action> = Vec::new();
        let mut changes = Changes::default();
        for statement in &analysis.statements {
            for action in &statement.actions {
                if !actions.contains(action) {
                    actions.push(action.clone());
                }
            }
            changes.search_path |= statement.moves_path();
            changes.string_syntax |= statement.effects.string_syntax;
            changes.ddl |= statement.effects.ddl;
            changes.takes_back |=
                statement.effects.transaction.as_ref().is_some_and(TransactionEffect::takes_back);
            changes.renames |= statement.effects.renames;
            changes.hangs_code |= statement.effects.hangs_code;
            changes.reopens |= statement.effects.reopens;
        }
        let meaning = Meaning { statements: analysis.statements, actions, changes, function: false };
        Reading { meaning: Rc::new(meaning), places: analysis.places }
    }

    /// A text that means the same as another whose literals are others.
    pub(crate) fn alike(meaning: &Rc<Meaning>, place: Place) -> Self {
        Reading { meaning: Rc::clone(meaning), places: vec![place] }
    }

    /// Whether a text reads, writes and gives the same when it is read like this as when it is read like that.
    pub(crate) fn means_as(&self, other: &Reading) -> bool {
        let same = |(a, b): (&Statement, &Statement)| {
            a.actions == b.actions
                && a.relations == b.relations
                && a.output == b.output
                && a.written == b.written
                && a.steers == b.steers
        };
        Rc::ptr_eq(&self.meaning, &other.meaning)
            || (self.statements().len() == other.statements().len()
                && self.statements().iter().zip(other.statements()).all(same))
    }

    pub(crate) fn meaning(&self) -> &Rc<Meaning> {
        &self.meaning
    }

    /// A FunctionCall: no text, the call and what it runs, and whatever the function may change.
    pub(crate) fn of_function(action: Action, runs: Vec<Action>) -> Self {
        let mut reading = Self::of_action(0, action);
        let meaning = Rc::make_mut(&mut reading.meaning);
        for action in runs {
            if !meaning.actions.contains(&action) {
                meaning.actions.push(action);
            }
        }
        for statement in &mut meaning.statements {
            statement.actions.clone_from(&meaning.actions);
        }
        meaning.changes = Changes { hangs_code: false, ..Changes::anything() };
        meaning.function = true;
        reading
    }

    /// A command of the replication protocol: no SQL, and one action.
    pub(crate) fn of_command(text: &[u8], action: Action) -> Self {
        Self::of_action(text.len(), action)
    }

    /// What is no SQL, and does one thing; its text, if it has one, is so long.
    fn of_action(length: usize, action: Action) -> Self {
        let statement = Statement { actions: vec![action.clone()], ..Statement::opaque("") };
        let meaning = Meaning {
            statements: vec![statement],
            actions: vec![action],
            changes: Changes::default(),
            function: false,
        };
        let place = Place { range: 0..length, ..Place::default() };
        Reading { meaning: Rc::new(meaning), places: vec![place] }
    }

    /// It is a FunctionCall's.
    pub(crate) fn is_function(&self) -> bool {
        self.meaning.function
    }

    /// A text that cannot be read now.
    pub(crate) fn unreadable(text: &[u8], why: &str) -> Self {
        let whole: Vec<_> = std::iter::once(0..text.len()).collect();
        let place = Place { range: 0..text.len(), secrets: whole.clone(), constants: whole };
        Reading::new(Analysis { statements: vec![Statement::opaque(why)], places: vec![place] })
    }

    /// The same, but one of its statements may do anything.
    pub(crate) fn doubt(&mut self, statement: usize, why: &str) {
        Rc::make_mut(&mut self.meaning).changes = Changes::anything();
        let unknown = (Lineage::Unknown, Lineage::Unknown);
        self.inherit(statement, &[Action::opaque(why)], &[], Output::Unknown, unknown);
    }

    /// The same, but what its functions give may be made of anything.
    pub(crate) fn doubt_results(&mut self) {
        for statement in &mut Rc::make_mut(&mut self.meaning).statements {
            if !calls(&statement.actions) {
                continue;
            }
            statement.steers = Lineage::Unknown;
            if statement.output != Output::None {
                statement.output = Output::Unknown;
            }
            let writes = |action: &Action| {
                !action.implied && action.object.kind == ObjectKind::Relation && action.verb != Verb::Select
            };
            if statement.actions.iter().any(writes) {
                statement.written = Lineage::Unknown;
            }
        }
    }

    /// The same, but it may change settings of the session.
    pub(crate) fn moves_settings(&mut self) {
        let changes = &mut Rc::make_mut(&mut self.meaning).changes;
        (changes.search_path, changes.string_syntax) = (true, true);
    }

    /// The same, but one of its statements changes what this does by the functions that it runs.
    pub(crate) fn follow(&mut self, statement: usize, effects: &Effects) {
        let meaning = Rc::make_mut(&mut self.meaning);
        meaning.changes.search_path |= effects.search_path;
        meaning.changes.string_syntax |= effects.string_syntax;
        meaning.changes.ddl |= effects.ddl;
        if let Some(statement) = meaning.statements.get_mut(statement) {
            statement.effects.search_path |= effects.search_path;
            statement.effects.string_syntax |= effects.string_syntax;
            statement.effects.ddl |= effects.ddl;
        }
    }

    /// The same, where these check the values of its parameters, and may change settings of the session.
    pub(crate) fn with_checks(&self, checks: &[Action]) -> Self {
        let mut reading = self.clone();
        let meaning = Rc::make_mut(&mut reading.meaning);
        for action in checks {
            if !meaning.actions.contains(action) {
                meaning.actions.push(action.clone());
            }
        }
        for statement in &mut meaning.statements {
            statement.actions.extend_from_slice(checks);
        }
        reading.moves_settings();
        reading
    }

    /// What each of its statements gives back.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.meaning.statements.iter().map(|s| &s.output)
    }

    /// About what it takes in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        READING + (0..self.statements().len()).map(|at| self.weight_of(at)).sum::<usize>()
    }

    /// What one of its statements takes of that.
    pub(crate) fn weight_of(&self, at: usize) -> usize {
        let (Some(statement), Some(place)) = (self.statements().get(at), self.places.get(at)) else {
            return 0;
        };
        let carried = |columns: &[ColumnRef]| std::mem::size_of_val(columns);
        let lineage = |lineage: &Lineage| match lineage {
            Lineage::Exact(columns) | Lineage::Derived(columns) => size_of::<Lineage>() + carried(columns),
            Lineage::Unknown => size_of::<Lineage>(),
        };
        let output = match &statement.output {
            Output::Columns(columns) => columns.iter().map(lineage).sum(),
            Output::Within(columns) => carried(columns),
            Output::None | Output::Inherited(_) | Output::Unknown => 0,
        };
        // Each action is told once for the statement, once for the text, and once with what was found on it.
        let action = |action: &Action| {
            let names = action.object.name.len() + action.object.schema.as_ref().map_or(0, String::len);
            let columns = action.detail.columns.iter().flatten().map(|name| size_of::<String>() + name.len());
            3 * (size_of::<Action>() + names + columns.sum::<usize>())
        };
        size_of::<Statement>()
            + statement.actions.iter().map(action).sum::<usize>()
            + output
            + lineage(&statement.written)
            + lineage(&statement.steers)
            + std::mem::size_of_val(statement.relations.as_slice())
            + size_of::<Place>()
            + std::mem::size_of_val(place.constants.as_slice())
            + std::mem::size_of_val(place.secrets.as_slice())
    }

    /// How far its last statement reaches into the text, in bytes.
    pub(crate) fn text_len(&self) -> usize {
        self.places.last().map_or(0, |place| place.range.end)
    }

    /// Something in it must never be recorded, and may be told by an error.
    pub(crate) fn has_secrets(&self) -> bool {
        self.places.iter().any(|place| !place.secrets.is_empty())
    }

    /// The same with what one of its statements inherits from a name of the session; `carried`: what that stores, and what
    /// it decides by.
    pub(crate) fn inherit(
        &mut self,
        statement: usize,
        actions: &[Action],
        relations: &[Oid],
        output: Output,
        carried: (Lineage, Lineage),
    ) {
        // Where something stands in another text says nothing of this one.
        let placeless = |action: &Action| Action {
            detail: policy::Detail { position: None, ..action.detail.clone() },
            ..action.clone()
        };
        let actions: Vec<Action> = actions.iter().map(placeless).collect();
        let meaning = Rc::make_mut(&mut self.meaning);
        for action in &actions {
            if !meaning.actions.contains(action) {
                meaning.actions.push(action.clone());
            }
        }
        if let Some(statement) = meaning.statements.get_mut(statement) {
            statement.actions.extend_from_slice(&actions);
            statement.relations.extend_from_slice(relations);
            statement.output = output;
            // What EXECUTE hands over as values counts beside what was prepared to be written.
            let (written, steers) = carried;
            extend(&mut statement.written, written);
            extend(&mut statement.steers, steers);
        }
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.meaning.statements
    }

    /// Where its statements stand, each by its number.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(crate) fn actions(&self) -> &[Action] {
        &self.meaning.actions
    }

    pub(crate) fn changes(&self) -> Changes {
        self.meaning.changes
    }

    /// There is a statement in it: where it does not want the search path, those behind it in a batch may.
    pub(crate) fn names_something(&self) -> bool {
        !self.statements().is_empty()
    }

    /// None of its statements is a query to the server: they may stand before a SET TRANSACTION, which a question of the
    /// session's own may not.
    pub(crate) fn is_free_of_queries(&self) -> bool {
        self.statements().iter().all(Statement::is_no_query)
    }

    /// Something was not understood for want of the search path.
    pub(crate) fn wants_search_path(&self) -> bool {
        self.statements().iter().any(|s| s.wants.search_path)
    }

    /// Something was not understood because it is not known what a SET of the search path before it comes to.
    pub(crate) fn wants_reach(&self) -> bool {
        self.wants_search_path() && self.statements().iter().any(|s| s.wants.reach)
    }

    /// Something was not understood for want of a name in the catalog.
    pub(crate) fn wants_catalog(&self) -> bool {
        self.statements().iter().any(|s| s.wants.catalog)
    }

    /// What it does or gives back is what prepared statements or cursors of the session do.
    pub(crate) fn inherits(&self) -> bool {
        self.statements().iter().any(|s| s.effects.executes.is_some() || s.effects.fetches.is_some())
    }
}

fn extend(sum: &mut Lineage, more: Lineage) {
    match (sum, more) {
        (Lineage::Derived(sum), Lineage::Exact(more) | Lineage::Derived(more)) => sum.extend(more),
        (sum, _) => *sum = Lineage::Unknown,
    }
}

#[cfg(test)]
mod tests;
