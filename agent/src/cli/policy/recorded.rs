//! Recorded statements as policies are asked about them: who, where, which actions, and what became of it.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use evidence::{Body, Decision, HoldOutcome, Protocol, Ruling, SessionId, Statement};
use policy::{Action, Principal};

use super::super::audit::{Error, Source};

/// Who asked, and where.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) session: SessionId,
    pub(super) principal: Principal,
    pub(super) resource: String,
    pub(super) database: String,
}

/// One statement that was judged.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) start: Rc<Start>,
    /// Its record's sequence in the session.
    pub(super) sequence: u64,
    pub(super) wall_us: u64,
    /// The text as it was recorded.
    pub(super) text: Rc<[u8]>,
    /// `None`: the records do not tell them in parts.
    pub(super) actions: Option<Rc<[Action]>>,
    pub(super) ruling: Ruling,
    /// A reviewer approved it.
    pub(super) approved: bool,
}

impl Recorded {
    /// It was let through.
    pub(super) const fn ran(&self) -> bool {
        match self.ruling {
            Ruling::Allow => true,
            Ruling::Hold => self.approved,
            Ruling::Deny => false,
        }
    }
}

/// Gives every statement that was judged, session by session. A Parse or a Bind that went through is told by its Execute.
///
/// # Errors
/// The records cannot be read.
pub(super) fn each(source: &dyn Source, take: &mut dyn FnMut(&Recorded)) -> Result<(), Error> {
    let mut sessions: HashMap<SessionId, Session> = HashMap::new();
    source.read(None, &mut |header, body| {
        let Some((id, sequence)) = header.session else { return Ok(()) };
        let Ok(body) = Body::decode(header.kind, body) else { return Ok(()) };
        match &body {
            Body::SessionStart(start) => {
                let start = Start {
                    session: id,
                    principal: start.principal.clone().into_owned(),
                    resource: start.resource.clone().into_owned(),
                    database: start.database.clone().into_owned(),
                };
                sessions.insert(id, Session::new(start));
            }
            Body::SessionEnd(_) => {
                if let Some(session) = sessions.remove(&id) {
                    session.tell(take);
                }
            }
            // Without its beginning (which was reclaimed) nobody knows whose it was.
            body => {
                if let Some(session) = sessions.get_mut(&id) {
                    session.take(sequence, header.times.wall_us, body);
                }
            }
        }
        Ok(())
    })?;
    // Those that are open still, or were cut off.
    let mut open: Vec<Session> = sessions.into_values().collect();
    open.sort_by_key(|session| session.start.session);
    open.into_iter().for_each(|session| session.tell(take));
    Ok(())
}

struct Session {
    start: Rc<Start>,
    statements: BTreeMap<u64, (Protocol, Recorded)>,
}

impl Session {
    fn new(start: Start) -> Self {
        Session { start: Rc::new(start), statements: BTreeMap::new() }
    }

    fn take(&mut self, sequence: u64, wall_us: u64, body: &Body<'_>) {
        match body {
            Body::Statement(statement) => self.add(sequence, wall_us, statement),
            Body::Decision(judged) => {
                if let Some((_, known)) = self.statements.get_mut(&judged.statement) {
                    decide(known, &judged.decision);
                }
            }
            Body::HoldEnd(end) => {
                if let Some((_, known)) = self.statements.get_mut(&end.statement) {
                    known.approved = end.outcome == HoldOutcome::Approved;
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, sequence: u64, wall_us: u64, statement: &Statement<'_>) {
        let of = statement.of.and_then(|of| self.statements.get(&of)).map(|(_, of)| of);
        let mut recorded = Recorded {
            start: Rc::clone(&self.start),
            sequence,
            wall_us,
            text: match of {
                Some(of) if statement.text.is_empty() => Rc::clone(&of.text),
                _ => Rc::from(&*statement.text),
            },
            actions: match of {
                Some(of) => of.actions.clone(),
                None => Some(Rc::from([])),
            },
            // No record of a decision: it did not run.
            ruling: Ruling::Deny,
            approved: of.is_some_and(|of| of.approved),
        };
        if let Some(decision) = &statement.decision {
            decide(&mut recorded, decision);
        }
        self.statements.insert(sequence, (statement.protocol, recorded));
    }

    fn tell(self, take: &mut dyn FnMut(&Recorded)) {
        for (protocol, recorded) in self.statements.values() {
            let prepares = matches!(protocol, Protocol::Parse | Protocol::Bind);
            if !prepares || recorded.ruling != Ruling::Allow && !recorded.approved {
                take(recorded);
            }
        }
    }
}

fn decide(recorded: &mut Recorded, decision: &Decision<'_>) {
    recorded.ruling = decision.ruling;
    // An Execute says only what was decided: the actions are those of its Bind.
    if !decision.findings.is_empty() {
        let parts = decision.findings.iter().map(|finding| finding.parts.as_deref().cloned());
        recorded.actions = parts.collect::<Option<Vec<_>>>().map(Rc::from);
    }
}
