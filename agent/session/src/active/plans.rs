//! What the server makes of a prepared statement. It takes one apart when it is prepared, and again, when it is used or
//! described, where it sees that its plan no longer holds. It does not see that a name which stands for something may have
//! come to stand for something else, that is before it in the search path: then it runs what the text has meant before.
//! So where it means something else now, the server is told to forget its plans, and so where it keeps plans of the bodies of
//! functions.

use std::rc::Rc;

use policy::{Action, ObjectKind};

use super::Active;
use super::frontend::Taken;
use super::judging::{Ready, Waiting};
use super::names::{Analysed, Prepared};
use super::reading::Reading;
use super::running::calls;
use crate::Turn;
use crate::own::Asked;

/// Why it cannot be told what runs.
pub(super) const OLD: &str = "the server may run what the statement has meant before";

impl Active {
    /// The reading of the message in front, or of what was prepared, once the server cannot take it for anything else.
    pub(super) fn as_planned(
        &mut self,
        prepared: Option<&Prepared>,
        reading: Rc<Reading>,
        turn: &mut Turn<'_>,
    ) -> Ready<Rc<Reading>> {
        let is_old = prepared.is_some_and(|prepared| self.is_old(prepared, &reading));
        if !is_old && !self.executes_old(&reading) && !self.runs_old(&reading) {
            return Ready::Now(reading);
        }
        if self.at_rest() && !self.failed() && !self.renewal_asked {
            self.renewal_asked = true;
            self.ask_facts(Asked::Plans, turn);
            return self.wait(Waiting::Facts);
        }
        if !self.at_rest() && self.comes_to_rest() {
            return self.wait(Waiting::Rest);
        }
        // Bodies were judged when they were planned, but what they gave then may be masked.
        let gives_old = || self.masks.is_some() && self.runs_old(&reading);
        if !is_old && !gives_old() {
            // EXECUTE doubts it by itself.
            return Ready::Now(reading);
        }
        let mut doubted = Reading::clone(&reading);
        if is_old {
            (0..reading.statements().len()).for_each(|at| doubted.doubt(at, OLD));
        } else {
            doubted.doubt_results();
        }
        Ready::Now(Rc::new(doubted))
    }

    /// Whether the server may run something else than `now`, which is what the statement means now. What is EXECUTEd or
    /// fetched from has plans of its own.
    pub(super) fn is_old(&self, prepared: &Prepared, now: &Reading) -> bool {
        let analysed = prepared.analysed.borrow();
        analysed.epoch != self.facts.epoch()
            && analysed.renewals == self.renewals
            && !now.inherits()
            && analysed.reading.as_ref().is_none_or(|before| !before.means_as(now))
    }

    /// The same of what is EXECUTEd in a text.
    fn executes_old(&self, reading: &Reading) -> bool {
        let is_old = |prepared: &Rc<Prepared>| self.is_old(prepared, &self.reread_prepared(prepared));
        self.executed(reading).any(is_old)
    }

    /// Whether bodies of functions may run by plans of before names have moved: the session keeps those.
    fn runs_old(&self, reading: &Reading) -> bool {
        let (moves, renewals) = (self.facts.moves(), self.renewals);
        runs_bodies(reading) && self.bodies.is_some_and(|planned| planned.0 != moves && planned.1 == renewals)
    }

    /// A message is on its way by which the server may plan bodies.
    pub(super) fn plans_bodies(&mut self, reading: &Reading) {
        if runs_bodies(reading) {
            self.bodies = Some((self.facts.moves(), self.renewals));
        }
    }

    /// What is EXECUTEd in a text, as far as it was prepared before.
    fn executed(&self, reading: &Reading) -> impl Iterator<Item = &Rc<Prepared>> {
        let names = reading.statements().iter().filter_map(|statement| statement.effects.executes.as_ref());
        names.filter_map(|name| self.names.statement(name.as_bytes()))
    }

    /// What is taken apart now is what that reading says; where there is none, that is not known.
    pub(super) fn analysed(&self, reading: Option<&Rc<Reading>>) -> Analysed {
        Analysed { reading: reading.cloned(), epoch: self.facts.epoch(), renewals: self.renewals }
    }

    /// A message is on its way that lets the server take it apart.
    pub(super) fn taken_apart(&self, prepared: &Prepared, reading: &Rc<Reading>) {
        let known = !self.is_old(prepared, reading);
        let analysed = self.analysed(known.then_some(reading));
        *prepared.analysed.borrow_mut() = analysed;
    }

    /// The same for what is EXECUTEd in a text.
    pub(super) fn executes(&self, reading: &Reading) {
        for prepared in self.executed(reading) {
            self.taken_apart(prepared, &self.reread_prepared(prepared));
        }
    }

    /// A Describe of a statement has come: the server may take it apart for that, so that it is read as for a Bind.
    pub(super) fn takes_apart(&mut self, name: &[u8], turn: &mut Turn<'_>) -> Taken {
        if self.skips() {
            return Taken::Yes;
        }
        if !self.names.statement_is_certain(name) {
            self.wait::<()>(Waiting::Names);
            return Taken::NotYet;
        }
        let Some(prepared) = self.names.statement(name).cloned() else { return Taken::Yes };
        match self.judge_prepared(&prepared, turn) {
            Ready::Now(ruled) => {
                self.taken_apart(&prepared, ruled.reading());
                Taken::Yes
            }
            Ready::Wait => Taken::NotYet,
        }
    }
}

/// Whether functions run in which relations are named.
fn runs_bodies(reading: &Reading) -> bool {
    let names = |action: &Action| action.implied && action.object.kind == ObjectKind::Relation;
    calls(reading.actions()) && reading.actions().iter().any(names)
}
