//! What runs as the rows of a portal are fetched. The portal's own names were looked up when it was bound; those in the
//! bodies of functions are as these run, by the search path of then, and a cursor WITH HOLD is run to its end at COMMIT.

use std::rc::Rc;

use evidence::Ruling;
use policy::{Action, ObjectKind, Output, Verb};
use sql::{Limits, SearchPath, Statement};

use super::Active;
use super::inherit::nothing;
use super::names::Portal;
use super::reading::Reading;

/// Why it cannot be told what runs.
pub(super) const MOVED: &str = "a cursor's functions, behind what may change the meaning of their names";

/// What a portal does by now that was not told when it was bound.
#[derive(Default)]
struct Besides {
    actions: Vec<Action>,
    /// Its rows may be made of something else.
    gives_other: bool,
}

impl Active {
    /// What is done by now besides. `path_moves`: the search path may have changed since what is known of it.
    fn runs_besides(&self, portal: &Portal, path_moves: bool) -> Besides {
        let bound = &portal.judged;
        let unmoved = bound.epoch == self.facts.epoch() && !path_moves;
        if unmoved {
            return Besides::default();
        }
        if portal.materialised.get() {
            // It has been run, and what names meant at that moment is not known.
            return Besides { actions: Vec::new(), gives_other: calls(bound.reading.actions()) };
        }
        let prepared = &portal.prepared;
        let settings = self.facts.settings(prepared.strings);
        let before = bound.reading.actions();
        if path_moves || matches!(settings.search_path, SearchPath::Unknown) {
            return self.runs_anywhere(before);
        }
        let now = self.reread_by(&prepared.text, prepared.strings, &settings);
        let now = self.with_checks(now, &prepared.types);
        if !calls(before) && !calls(now.actions()) {
            return Besides::default();
        }
        let runs = |action: &&Action| action.implied || action.verb == Verb::Opaque;
        let actions = now.actions().iter().filter(runs).filter(|action| !before.contains(action));
        let gives_other = !now.outputs().eq(bound.reading.outputs());
        Besides { actions: actions.cloned().collect(), gives_other }
    }

    /// What the functions among these do beside these, whatever the path is.
    fn runs_anywhere(&self, before: &[Action]) -> Besides {
        let (catalog, _) = self.facts.catalog();
        let mut runs = Besides::default();
        for function in before.iter().filter(|action| action.object.kind == ObjectKind::Function) {
            let called = match function.object.oid {
                Some(oid) => sql::called(oid, catalog, &Limits::default()),
                None => vec![Action::opaque(MOVED)],
            };
            let called = called.into_iter().filter(|action| action.object.kind != ObjectKind::Function);
            for action in called {
                runs.gives_other = true;
                let action = Action { implied: action.verb != Verb::Opaque, ..action };
                if !before.contains(&action) {
                    runs.actions.push(action);
                }
            }
        }
        runs
    }

    /// Whether any of it is not allowed, which has never been shown to a reviewer, or given without the masks that it needs.
    pub(super) fn runs_untold(&mut self, portal: &Portal) -> bool {
        let Besides { actions, gives_other } = self.runs_besides(portal, false);
        if gives_other && self.masks.is_some() {
            return true;
        }
        if actions.is_empty() {
            return false;
        }
        let mut now = Reading::clone(&portal.judged.reading);
        now.inherit(portal.at, &actions, &[], portal.output().clone(), (nothing(), nothing()));
        self.rule(Rc::new(now)).ruling() != Ruling::Allow
    }

    /// Whether there is a cursor WITH HOLD that calls functions, and has not been run to its end: the end of the transaction
    /// does that, which need not be a COMMIT.
    pub(super) fn holds_open(&self) -> bool {
        self.names.held().any(|portal| calls(portal.judged.reading.actions()))
    }

    /// Adds what runs to a FETCH.
    pub(super) fn fetch_runs(&self, resolved: &mut Reading, index: usize, name: &str, path_moves: bool) {
        let Besides { actions, gives_other } = match self.names.portal(name.as_bytes()) {
            Some(portal) => self.runs_besides(portal, path_moves),
            // A function may have opened it, of a query that calls others.
            None if path_moves || self.facts.is_taken_back() => {
                Besides { actions: vec![Action::opaque(MOVED)], gives_other: true }
            }
            None => return,
        };
        if !actions.is_empty() || gives_other {
            let known = resolved.statements().get(index).filter(|_| !gives_other);
            let output = known.map_or(Output::Unknown, |statement| statement.output.clone());
            resolved.inherit(index, &actions, &[], output, (nothing(), nothing()));
        }
    }
}

/// Whether a statement may change what the names in bodies stand for.
pub(super) fn moves_names(statement: &Statement) -> bool {
    statement.moves_path() || statement.effects.renames || !statement.effects.names.is_empty()
}

/// Whether functions run that look names up.
pub(super) fn calls(actions: &[Action]) -> bool {
    actions.iter().any(|action| action.object.kind == ObjectKind::Function)
}
