//! What EXECUTE and FETCH do and give back: that is what their names stand for, and names may change hands on the way.

use policy::{Action, Lineage, ObjectKind, Output, Verb};
use sql::{Effects, SearchPath, Statement, TransactionEffect};

use super::Active;
use super::names::Prepared;
use super::plans::OLD;
use super::reading::{Changes, Reading};
use super::running::{MOVED, calls, moves_names};

impl Active {
    /// What EXECUTE does, and what EXECUTE and FETCH give back, is what their names stand for.
    pub(super) fn inherited(&self, reading: &Reading) -> Reading {
        let mut resolved = reading.clone();
        // Names that an earlier statement of the same text prepares stand in its own actions already.
        let mut prepared_here: Vec<&str> = Vec::new();
        // What earlier statements of it change counts for what is run here, not for how that was read.
        let (mut path_moves, mut names_move) = (false, false);
        let (mut behind_unseen, mut reopened) = (false, false);
        let (mut opened, mut held) = (false, self.holds_open());
        for (index, statement) in reading.statements().iter().enumerate() {
            let effects = &statement.effects;
            if behind_unseen && names_something(statement) {
                resolved
                    .doubt(index, "a name behind a FETCH or EXECUTE that may change the meaning of names");
                continue;
            }
            if let Some(name) = &effects.executes
                && (names_move || (path_moves && prepared_here.contains(&name.as_str())))
            {
                resolved.doubt(index, "EXECUTE behind what may change the meaning of names");
                continue;
            }
            prepared_here.extend(effects.prepares.as_deref());
            reopened |= effects.reopens;
            path_moves |= statement.moves_path();
            names_move |= effects.renames || !effects.names.is_empty();
            if effects.transaction.as_ref().is_some_and(TransactionEffect::takes_back) {
                path_moves |= self.facts.is_taken_back();
            }
            // Functions of a cursor run as it is fetched from, and those of one WITH HOLD at the end of the transaction.
            let fetched = opened && effects.fetches.is_some() && (path_moves || names_move);
            if fetched || (held && moves_names(statement)) {
                resolved.doubt(index, MOVED);
                continue;
            }
            let opens = effects.declares.is_some() && calls(&statement.actions);
            (opened, held) = (opened || opens, held || (opens && effects.holds));
            if let Some(name) = &effects.fetches {
                let cursor = self.names.portal(name.as_bytes());
                let cursor = cursor.filter(|portal| !reopened && !portal.reopened.get());
                let output = cursor.map_or(Output::Unknown, |portal| portal.output().clone());
                resolved.inherit(index, &[], &[], output, (nothing(), nothing()));
                self.fetch_runs(&mut resolved, index, name, path_moves || names_move);
                // The query runs as its rows are fetched.
                if cursor.is_none_or(|portal| portal.judged.reading.changes().moves_settings()) {
                    resolved.moves_settings();
                    behind_unseen = true;
                }
            }
            let Some(name) = &effects.executes else { continue };
            match self.names.statement(name.as_bytes()) {
                _ if prepared_here.contains(&name.as_str()) => {
                    resolved.inherit(index, &[], &[], Output::Unknown, (Lineage::Unknown, nothing()))
                }
                Some(prepared) => {
                    if self.inherit_prepared(&mut resolved, index, prepared, path_moves) {
                        // What those behind it mean was read without it.
                        (path_moves, behind_unseen) = (true, true);
                    }
                }
                None => resolved.doubt(index, "EXECUTE of a statement that was not prepared here"),
            }
        }
        resolved
    }

    /// Whether what it does depends on what the session has prepared or opened.
    pub(super) fn inherits(&self, reading: &Reading) -> bool {
        let holds = |statement: &Statement| statement.effects.declares.is_some() && statement.effects.holds;
        reading.inherits()
            || (reading.statements().iter().any(moves_names)
                && (self.holds_open() || reading.statements().iter().any(holds)))
    }

    /// It is planned again where the search path has changed: what counts is what it means now. PREPARE takes
    /// only queries and writes; Parse takes anything, and what that changes would have to be followed, too. Says whether it
    /// runs functions or triggers that may change settings, or more.
    fn inherit_prepared(
        &self,
        resolved: &mut Reading,
        index: usize,
        prepared: &Prepared,
        path_moves: bool,
    ) -> bool {
        let mut settings = self.facts.settings(prepared.strings);
        if path_moves {
            settings.to_mut().search_path = SearchPath::Unknown;
        }
        let meant = self.reread_by(&prepared.text, prepared.strings, &settings);
        let meant = self.with_checks(meant, &prepared.types);
        if self.is_old(prepared, &meant) {
            resolved.doubt(index, OLD);
            return false;
        }
        let [statement] = meant.statements() else {
            resolved.doubt(index, "EXECUTE of more than one statement");
            return false;
        };
        if acts_on_session(statement, prepared.inside) {
            resolved.doubt(index, "EXECUTE of what is neither a query nor a write");
            return false;
        }
        // Values that EXECUTE itself brings make its output something else than what was prepared gives.
        let output = match resolved.statements().get(index).map(|s| &s.output) {
            Some(Output::Inherited(_)) => statement.output.clone(),
            _ => Output::Unknown,
        };
        let carried = (statement.written.clone(), statement.steers.clone());
        resolved.inherit(index, meant.actions(), &statement.relations, output, carried);
        let runs = meant.changes() != Changes::default();
        if runs {
            resolved.follow(index, &statement.effects);
        }
        runs
    }

    /// Whether every name that a reading inherits from is known to stand for what it will find.
    pub(super) fn names_are_certain(&self, reading: &Reading) -> bool {
        reading.statements().iter().all(|s| {
            s.effects.executes.as_ref().is_none_or(|name| self.names.statement_is_certain(name.as_bytes()))
                && s.effects.fetches.as_ref().is_none_or(|name| self.names.portal_is_certain(name.as_bytes()))
        })
    }
}

/// What carries no column.
pub(super) const fn nothing() -> Lineage {
    Lineage::Derived(Vec::new())
}

/// Whether a statement does more than read and write rows. That the functions which it runs may do more is no matter of its
/// own. `prepares_itself`: it is a PREPARE that stands for the statement inside.
fn acts_on_session(statement: &Statement, prepares_itself: bool) -> bool {
    let Effects {
        ddl,
        search_path,
        sets_path: _,
        string_syntax,
        transaction,
        prepares,
        executes,
        deallocates,
        declares,
        holds: _,
        fetches,
        copy,
        temp,
        renames,
        hangs_code,
        reopens,
        names,
    } = &statement.effects;
    let runs = *ddl || *search_path || *string_syntax;
    (runs && !statement.actions.iter().all(|action| action.implied || is_of_rows(action.verb)))
        || *temp
        || *renames
        || *hangs_code
        || *reopens
        || !names.is_empty()
        || transaction.is_some()
        || prepares.is_some() != prepares_itself
        || executes.is_some()
        || deallocates.is_some()
        || declares.is_some()
        || fetches.is_some()
        || copy.is_some()
}

/// What queries and writes do, and the functions in them, `set_config` among these.
const fn is_of_rows(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Select
            | Verb::Predicate
            | Verb::Insert
            | Verb::Update
            | Verb::UpdateAll
            | Verb::Delete
            | Verb::DeleteAll
            | Verb::Lock
            | Verb::Function
            | Verb::Prepare
            | Verb::Set
    )
}

/// Whether it names a relation or a function, or alters or drops what relations may stand on.
pub(super) fn names_something(statement: &Statement) -> bool {
    let named = |a: &Action| match a.object.kind {
        ObjectKind::Relation | ObjectKind::Function => true,
        ObjectKind::Schema | ObjectKind::Other => matches!(a.verb, Verb::Alter | Verb::Drop),
        ObjectKind::Role | ObjectKind::Setting => false,
    };
    !statement.relations.is_empty() || statement.actions.iter().any(named)
}
