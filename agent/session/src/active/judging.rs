//! From a text to a decision: what has to be known first, what it is read as, and what the policy says.

use std::rc::Rc;
use std::sync::Arc;

use evidence::{Ruling, Would};
use policy::{Action, Decision, Judgement, Oid, Permit, Verb};
use sql::{CopyDirection, Effects, Limits, Settings, Statement};

use super::Active;
use super::facts::Strings;
use super::inherit::names_something;
use super::judged::Told;
use super::names::{Judged, Prepared};
use super::reading::Reading;
use super::refusal::Refusal;
use crate::own::Asked;
use crate::{Request, Turn};

/// What the session waits for before it can go on with the message in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The server's answer to the question for the search path.
    Facts,
    /// A newer catalog.
    Catalog,
    /// ReadyForQuery: what is in flight changes what the message means.
    Rest,
    /// Whether what is in flight has changed a name that the message is about.
    Names,
    /// Whether the server reads COPY data now, and so ignores a Sync.
    CopyIn,
    /// Which of the Syncs that were sent into a COPY the server has answered.
    AfterCopy,
}

/// A message can be judged now, or it cannot yet.
pub(crate) enum Ready<T> {
    Now(T),
    Wait,
}

/// A decision, with what the session itself adds to the policy's.
pub(crate) struct Ruled {
    judged: Judged,
    /// The session's own refusal, which no rule can lift.
    refusal: Option<(&'static str, Refusal)>,
}

impl Ruled {
    pub(crate) fn new(judged: Judged) -> Self {
        Ruled { judged, refusal: None }
    }

    pub(crate) fn refused(judged: Judged, rule: &'static str, refusal: Refusal) -> Self {
        Ruled { judged, refusal: Some((rule, refusal)) }
    }

    pub(crate) fn judged(&self) -> &Judged {
        &self.judged
    }

    pub(crate) fn judgement(&self) -> &Judgement {
        &self.judged.judgement
    }

    /// The same with the words in which it is recorded.
    pub(crate) fn told(&self) -> &Told {
        &self.judged.judgement
    }

    pub(crate) fn reading(&self) -> &Rc<Reading> {
        &self.judged.reading
    }

    pub(crate) fn ruling(&self) -> Ruling {
        match self.refusal {
            Some(_) => Ruling::Deny,
            None => ruling(self.judged.judgement.decision()),
        }
    }

    /// What would have been decided if what is only observed counted. Nothing lifts what the session itself refuses.
    pub(crate) fn would(&self) -> Option<Would<'static>> {
        self.judged.judgement.would().filter(|_| self.refusal.is_none()).map(super::judged::would)
    }

    pub(crate) fn rule(&self) -> &str {
        match &self.refusal {
            Some((rule, _)) => rule,
            None => self.judged.judgement.rule(),
        }
    }

    /// What the client is told where it is refused.
    pub(crate) fn refusal(&self) -> Refusal {
        match &self.refusal {
            Some((_, refusal)) => refusal.clone(),
            None => Refusal::denied(&self.judged.judgement),
        }
    }

    pub(crate) fn permit(&self) -> Option<Permit> {
        self.refusal.is_none().then(|| self.judged.judgement.permit()).flatten()
    }

    pub(crate) fn permit_preparation(&self) -> Option<Permit> {
        self.refusal.is_none().then(|| self.judged.judgement.permit_preparation()).flatten()
    }
}

impl Active {
    /// Judges the text of the message in front, or one that was prepared before. Its parameters have these types of users'
    /// among others.
    pub(super) fn judge(
        &mut self,
        text: &[u8],
        types: &[Oid],
        prepared: Option<&Prepared>,
        turn: &mut Turn<'_>,
    ) -> Ready<Ruled> {
        let reading = match self.read(text, prepared.map(|prepared| prepared.strings), turn) {
            Ready::Now(reading) => self.with_checks(reading, types),
            Ready::Wait => return Ready::Wait,
        };
        if !self.names_are_certain(&reading) {
            return self.wait(Waiting::Names);
        }
        let reading = match self.as_planned(prepared, reading, turn) {
            Ready::Now(reading) => reading,
            Ready::Wait => return Ready::Wait,
        };
        Ready::Now(self.rule(reading))
    }

    /// Judges a prepared statement: again only where something has changed since the last time.
    pub(super) fn judge_prepared(&mut self, prepared: &Prepared, turn: &mut Turn<'_>) -> Ready<Ruled> {
        if !self.doubtful()
            && let Some(judged) = prepared.judged.borrow().as_ref()
            && judged.epoch == self.facts.epoch()
            && !judged.reading.inherits()
        {
            return Ready::Now(self.ruled(judged.clone()));
        }
        let ruled = self.judge(&prepared.text, &prepared.types, Some(prepared), turn);
        if let Ready::Now(ruled) = &ruled
            && !self.is_old(prepared, ruled.reading())
        {
            *prepared.judged.borrow_mut() = Some(ruled.judged.clone());
        }
        ruled
    }

    /// What the policy says of a reading.
    pub(super) fn rule(&mut self, reading: Rc<Reading>) -> Ruled {
        let reading = if self.inherits(&reading) { Rc::new(self.inherited(&reading)) } else { reading };
        let judgement = self.judgement(&reading);
        self.ruled(Judged { epoch: self.facts.epoch(), reading, judgement })
    }

    /// What the policy says of a reading, as it is.
    pub(super) fn judgement(&self, reading: &Reading) -> Rc<Told> {
        let now = self.clock.now();
        self.judgements.judgement(reading, now, || {
            let stores_masked = |masks: &Rc<masking::MaskSet>| {
                reading.statements().iter().any(|statement| masks.hides(&statement.written))
            };
            let stores_masked = self.masks.as_ref().is_some_and(stores_masked);
            let predicates = self.predicates(reading);
            let actions = reading.actions().iter().chain(&predicates);
            Told::new(self.policy.judge_storing(actions, stores_masked, now))
        })
    }

    /// What it asks of masked columns.
    fn predicates(&self, reading: &Reading) -> Vec<Action> {
        let Some(masks) = &self.masks else { return Vec::new() };
        let (catalog, _) = self.facts.catalog();
        let of = |statement: &Statement| masks.predicates(&statement.steers, &statement.relations, catalog);
        reading.statements().iter().flat_map(of).collect()
    }

    /// Adds what the session itself refuses.
    pub(super) fn ruled(&self, judged: Judged) -> Ruled {
        // What was to be known of it may not be known now: so this comes before what the policy says.
        if let Some(refusal) = &self.interrupted {
            return Ruled::refused(judged, "cancelled", refusal.clone());
        }
        if judged.judgement.decision() != Decision::Deny
            && let Some(refusal) = self.unmaskable(&judged.reading)
        {
            return Ruled::refused(judged, "masking", refusal);
        }
        Ruled::new(judged)
    }

    /// Adds that there is no room for one more name, where it makes one: that of a statement, of a portal, or those in the
    /// text itself. What has no name takes the place of what was there before.
    pub(super) fn with_room(&self, ruled: Ruled, (statement, portal): (&[u8], &[u8])) -> Ruled {
        let most = self.options.limits.names;
        let makes = |of: fn(&Effects) -> bool| ruled.reading().statements().iter().any(|s| of(&s.effects));
        let full = (self.names.statements_full(most)
            && (!statement.is_empty() || makes(|effects| effects.prepares.is_some())))
            || (self.names.portals_full(most)
                && (!portal.is_empty() || makes(|effects| effects.declares.is_some())));
        if !full || ruled.ruling() == Ruling::Deny {
            return ruled;
        }
        let refusal = Refusal::limit(
            format!("there is no room for one more prepared statement or portal: a session has up to {most}"),
            "Close or DEALLOCATE those that are not used any more.",
        );
        Ruled::refused(ruled.judged, "limit", refusal)
    }

    /// Results that are no rows cannot be masked. (What a statement stores is the policy's to refuse.)
    pub(super) fn unmaskable(&self, reading: &Reading) -> Option<Refusal> {
        let masks = self.masks.as_ref()?;
        if reading.is_function() {
            return Some(Refusal::because("a FunctionCall is refused where columns are masked", None));
        }
        let copies_out =
            |s: &sql::Statement| s.effects.copy == Some(CopyDirection::Out) && masks.hides(&s.written);
        reading.statements().iter().any(copies_out).then(|| {
            Refusal::because(
                "COPY TO is refused of what may be masked",
                Some("Use SELECT: its rows can be masked.".to_owned()),
            )
        })
    }

    /// The same with what checks the values of its parameters, which are of these types.
    pub(super) fn with_checks(&self, reading: Rc<Reading>, types: &[Oid]) -> Rc<Reading> {
        if types.is_empty() {
            return reading;
        }
        let (catalog, _) = self.facts.catalog();
        let checks = sql::checked(types, catalog, &Limits::default());
        match checks.is_empty() {
            true => reading,
            false => Rc::new(reading.with_checks(&checks)),
        }
    }

    /// Reads a prepared statement by what is known now, without waiting for more.
    pub(super) fn reread_prepared(&self, prepared: &Prepared) -> Rc<Reading> {
        self.with_checks(self.reread(&prepared.text, prepared.strings), &prepared.types)
    }

    /// Reads a text by what is known now, without waiting for more.
    pub(super) fn reread(&self, text: &[u8], strings: Strings) -> Rc<Reading> {
        self.reread_by(text, strings, &self.facts.settings(strings))
    }

    pub(super) fn reread_by(&self, text: &[u8], strings: Strings, settings: &Settings) -> Rc<Reading> {
        if !strings.tell(text) {
            return Rc::new(Reading::unreadable(text, "how strings are read may have changed before it"));
        }
        let (catalog, shared) = self.facts.catalog();
        let reading = {
            let mut cache = self.cache.borrow_mut();
            match shared {
                true => cache.readings.read(&self.database, text, settings, catalog),
                false => cache.readings.read_alone(text, settings, catalog),
            }
        };
        if self.facts.names_doubtful() { Rc::new(without_names(&reading)) } else { reading }
    }

    /// Something that a reading stands on may have changed since it was last known.
    fn doubtful(&self) -> bool {
        self.facts.path_doubtful()
            || self.facts.strings_doubtful()
            || self.facts.catalog_doubtful()
            || self.facts.names_doubtful()
    }

    /// Reads the text of the message in front, once everything is known that its meaning needs.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        before: Option<Strings>,
        turn: &mut Turn<'_>,
    ) -> Ready<Rc<Reading>> {
        let at_rest = self.at_rest();
        if before.is_none() && self.facts.strings_doubtful() && !at_rest && self.comes_to_rest() {
            return self.wait(Waiting::Rest);
        }
        if self.awaits_catalog(turn) {
            return Ready::Wait;
        }
        let reading = self.reread(text, before.unwrap_or_else(|| self.facts.strings()));
        if self.facts.path_doubtful() && !self.facts.names_doubtful() && reading.names_something() {
            let may_ask = self.idle() || !reading.is_free_of_queries();
            if may_ask && at_rest && !self.failed() && !self.facts_asked {
                self.facts_asked = true;
                self.ask_facts(Asked::Path, turn);
                return self.wait(Waiting::Facts);
            }
            if reading.wants_search_path() && !at_rest && self.comes_to_rest() {
                return self.wait(Waiting::Rest);
            }
        }
        // What a SET of the path in this text comes to, where names behind it are looked for.
        if reading.wants_reach() && at_rest && !self.failed() && !self.reach_asked {
            self.reach_asked = true;
            self.ask_facts(Asked::Reach, turn);
            return self.wait(Waiting::Facts);
        }
        // Others may have created what this text names since the catalog was last read: ask once.
        if reading.wants_catalog() && !self.catalog_asked {
            self.catalog_asked = true;
            turn.request(Request::RefreshCatalog);
            return self.wait(Waiting::Catalog);
        }
        Ready::Now(reading)
    }

    /// Whether the message in front has to wait until it is known what has become of the catalog.
    pub(super) fn awaits_catalog(&mut self, turn: &mut Turn<'_>) -> bool {
        if !self.facts.catalog_doubtful() {
            return false;
        }
        let at_rest = self.at_rest();
        if at_rest && self.idle() && !self.catalog_asked {
            self.catalog_asked = true;
            turn.request(Request::RefreshCatalog);
            self.waiting = Some(Waiting::Catalog);
            return true;
        }
        if !at_rest && self.comes_to_rest() {
            self.waiting = Some(Waiting::Rest);
            return true;
        }
        false
    }

    pub(super) fn wait<T>(&mut self, waiting: Waiting) -> Ready<T> {
        self.waiting = Some(waiting);
        Ready::Wait
    }

    /// Whether literals and values of this statement may meet a masked column.
    pub(super) fn veils(&self, reading: &Reading) -> bool {
        let Some(masks) = &self.masks else { return false };
        let opaque = |actions: &[Action]| actions.iter().any(|a| a.verb == Verb::Opaque);
        reading.statements().iter().any(|s| {
            opaque(&s.actions)
                || s.effects.executes.is_some()
                || s.relations.iter().any(|relation| masks.touches(*relation))
        })
    }

    /// Whether policies for rows look at more than the rows that these statements name, or the checks of their columns' types call
    /// functions. PostgreSQL runs them unseen.
    pub(super) fn looks_beyond(&self, reading: &Reading) -> bool {
        let (catalog, _) = self.facts.catalog();
        let checked = &catalog.calls().values;
        let looks = |oid: &Oid| {
            catalog.relation(*oid).is_none_or(|relation| {
                let checks = || relation.columns.iter().any(|column| checked.contains_key(&column.type_oid));
                relation.policies_look_beyond || (!checked.is_empty() && checks())
            })
        };
        reading.statements().iter().any(|s| s.relations.iter().any(looks))
    }

    /// The policy has changed.
    pub(crate) fn policy_is(&mut self, policy: Arc<policy::SubjectPolicy>) {
        if policy.masks() != self.policy.masks() {
            self.mask_rules += 1;
        }
        self.policy = policy;
        self.clock.restart();
        self.facts.moved();
        self.resolve_masks();
    }

    /// Masks are by name; cells are by OID.
    pub(super) fn resolve_masks(&mut self) {
        let mut cache = self.cache.borrow_mut();
        self.masks = cache.masks.resolve(self.policy.masks(), self.facts.committed_catalog());
        self.judgements = cache.judgements.of(&self.policy, self.masks.as_ref());
        self.policy = Arc::clone(self.judgements.policy());
    }
}

/// A reading at a time when names may stand for other relations than the catalog knows.
fn without_names(reading: &Reading) -> Reading {
    let mut doubted = reading.clone();
    for (index, statement) in reading.statements().iter().enumerate() {
        if names_something(statement) {
            doubted.doubt(index, "names may have changed their meaning in this transaction");
        }
    }
    doubted
}

/// The record's word for a decision.
pub(crate) fn ruling(decision: policy::Decision) -> Ruling {
    match decision {
        policy::Decision::Allow => Ruling::Allow,
        policy::Decision::Hold => Ruling::Hold,
        policy::Decision::Deny => Ruling::Deny,
    }
}
