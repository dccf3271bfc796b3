//! `portreeve policy suggest`: a least policy from what was recorded, to be read and cut by a person.
//!
//! What ran is proposed, each rule with what it stands on. What changes more than rows is proposed to be held. What was
//! refused, and what was not understood, is told and not proposed.

mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use clap::Args;
use evidence::SessionId;
use policy::{Action, Decision, Document, Moment, ObjectKind, Policy, Principal, Subject, Verb};

use super::Error;
use super::recorded::{self, Recorded};
use crate::cli::audit::{self, Origin};
use crate::config::PoliciesError;

#[derive(Debug, Args)]
pub(super) struct Suggest {
    #[command(flatten)]
    from: Origin,
    /// By what the rules tell who asks: user, uid, gid, unit, container, executable or claims.NAME. A job cannot choose its
    /// user, unit and container.
    #[arg(long, value_name = "KEY", default_value = "user", value_parser = By::parse)]
    by: By,
    /// Only the sessions on this resource.
    #[arg(long)]
    resource: Option<String>,
}

/// What tells subjects apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    User,
    Uid,
    Gid,
    Unit,
    Container,
    Executable,
    Claim(String),
}

impl By {
    fn parse(text: &str) -> Result<By, String> {
        Ok(match text {
            "user" => By::User,
            "uid" => By::Uid,
            "gid" => By::Gid,
            "unit" => By::Unit,
            "container" => By::Container,
            "executable" => By::Executable,
            _ => match text.strip_prefix("claims.") {
                Some(name) if !name.is_empty() => By::Claim(name.to_owned()),
                _ => {
                    return Err("write user, uid, gid, unit, container, executable or claims.NAME".to_owned());
                }
            },
        })
    }

    /// What a rule says of the principal, where it can be told so: a key of `who` and the value. A user without a name is
    /// told by its number; what has a `*` in it would be a pattern, and of several values any would do.
    fn of(&self, principal: &Principal) -> Option<(String, String)> {
        let uid = || ("uid".to_owned(), principal.uid.to_string());
        let literal = |value: &str| (!value.contains('*')).then(|| document::yaml(value));
        let text = |key: &str, value: &Option<String>| Some((key.to_owned(), literal(value.as_ref()?)?));
        match self {
            By::User => Some(text("user", &principal.user).unwrap_or_else(uid)),
            By::Uid => Some(uid()),
            By::Gid => Some(("gid".to_owned(), principal.gid.to_string())),
            By::Unit => text("unit", &principal.unit),
            By::Container => text("container", &principal.container),
            By::Executable => text("executable", &principal.executable),
            By::Claim(name) => {
                let [value] = principal.claims.get(name)?.as_slice() else { return None };
                let value = literal(value)?;
                Some(("claims".to_owned(), format!("{{ {}: {value} }}", document::yaml(name))))
            }
        }
    }
}

/// Who, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    /// A key of `who`, and its value in YAML.
    told: (String, String),
    resource: String,
    database: String,
}

/// What is done to an object, as rules select by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    kind: ObjectKind,
    /// As rules write it: empty where the verb says all, or rules cannot tell it.
    name: String,
}

/// A verb as rules write it, with the class where it has one.
type Words = String;

/// What an action was seen in.
#[derive(Debug, Clone)]
struct Seen {
    /// Statements, or objects of statements.
    count: u64,
    sessions: BTreeSet<SessionId>,
    from_us: u64,
    to_us: u64,
    text: Rc<[u8]>,
    session: SessionId,
    sequence: u64,
}

impl Seen {
    fn of(recorded: &Recorded) -> Seen {
        Seen {
            count: 1,
            sessions: BTreeSet::from([recorded.start.session]),
            from_us: recorded.wall_us,
            to_us: recorded.wall_us,
            text: Rc::clone(&recorded.text),
            session: recorded.start.session,
            sequence: recorded.sequence,
        }
    }

    fn sum<'a>(all: impl IntoIterator<Item = &'a Seen>) -> Option<Seen> {
        let mut all = all.into_iter();
        let mut sum = all.next()?.clone();
        all.for_each(|seen| sum.and(seen));
        Some(sum)
    }

    fn and(&mut self, other: &Seen) {
        self.count += other.count;
        self.sessions.extend(&other.sessions);
        self.from_us = self.from_us.min(other.from_us);
        self.to_us = self.to_us.max(other.to_us);
    }
}

/// Names of objects, and what was done to each.
type Group = (Vec<String>, Vec<Seen>);

/// One rule of the proposal.
#[derive(Debug)]
struct Proposed {
    who: Who,
    kind: ObjectKind,
    /// Empty: the verbs say all.
    names: Vec<String>,
    actions: Vec<Words>,
    decision: Decision,
    seen: Seen,
}

#[derive(Default)]
struct Found {
    /// What ran, by subject, object and verb.
    ran: BTreeMap<Who, BTreeMap<Target, BTreeMap<Words, Seen>>>,
    /// What is told and not proposed: why, and the action.
    left: BTreeMap<(&'static str, String), Seen>,
    /// The statements that ran, each kind once, to try the proposal on.
    tried: BTreeMap<Who, (Rc<recorded::Start>, BTreeSet<Vec<ActionKey>>)>,
    actions: BTreeMap<ActionKey, Action>,
    all: Option<Seen>,
}

/// An action by what it prints as: what rules select by is in it.
type ActionKey = (String, bool);

impl Suggest {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<ExitCode, Error> {
        let source = audit::source(&self.from)?;
        let mut found = Found::default();
        recorded::each(&*source, &mut |recorded| {
            if self.resource.as_ref().is_none_or(|resource| *resource == recorded.start.resource) {
                found.take(&self.by, recorded);
            }
        })?;
        let rules = found.rules();
        let text = document::written(&rules, &found.left, found.all.as_ref());
        found.try_out(&text)?;
        out.write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What changes more than rows, or every row of a relation: a person should look at each.
const fn is_held(verb: Verb) -> bool {
    match verb {
        Verb::UpdateAll
        | Verb::DeleteAll
        | Verb::Truncate
        | Verb::CopyServer
        | Verb::CopyProgram
        | Verb::Drop
        | Verb::Grant
        | Verb::Revoke
        | Verb::Role
        | Verb::SetRole
        | Verb::Do
        | Verb::System => true,
        Verb::Select
        | Verb::Predicate
        | Verb::Insert
        | Verb::Update
        | Verb::Delete
        | Verb::Lock
        | Verb::CopyIn
        | Verb::CopyOut
        | Verb::References
        | Verb::Create
        | Verb::Alter
        | Verb::Maintain
        | Verb::Set
        | Verb::Show
        | Verb::Transaction
        | Verb::Prepare
        | Verb::Cursor
        | Verb::Notify
        | Verb::Call
        | Verb::Function
        | Verb::Explain
        | Verb::Replicate
        | Verb::Opaque => false,
    }
}

impl Found {
    fn take(&mut self, by: &By, recorded: &Recorded) {
        let seen = Seen::of(recorded);
        match &mut self.all {
            Some(all) => all.and(&seen),
            None => self.all = Some(seen.clone()),
        }
        let Some(actions) = &recorded.actions else {
            return self.leave(
                "recorded by a version that does not tell actions in parts",
                "any action",
                &seen,
            );
        };
        let refused = !recorded.ran();
        let unknown = actions.iter().any(|action| action.verb.is_anything());
        let told = by.of(&recorded.start.principal);
        let reason = match &told {
            _ if refused => Some("did not run"),
            _ if unknown => Some("may be anything"),
            None => Some("by nobody that `--by` can tell"),
            Some(_) => None,
        };
        let (Some(told), None) = (told, reason) else {
            let reason = reason.unwrap_or_default();
            for action in actions.iter() {
                self.leave(reason, &action.to_string(), &seen);
            }
            return;
        };
        let start = &recorded.start;
        let who = Who { told, resource: start.resource.clone(), database: start.database.clone() };
        let targets = self.ran.entry(who.clone()).or_default();
        // What comes along with what was named needs no rule.
        for action in actions.iter().filter(|action| !action.implied) {
            let verbs = targets.entry(document::target(action)).or_default();
            let known = verbs.entry(document::words(action));
            known.and_modify(|known| known.and(&seen)).or_insert_with(|| seen.clone());
        }
        let key = |action: &Action| (action.to_string(), action.implied);
        for action in actions.iter() {
            self.actions.entry(key(action)).or_insert_with(|| action.clone());
        }
        let (_, tried) = self.tried.entry(who).or_insert_with(|| (Rc::clone(start), BTreeSet::new()));
        tried.insert(actions.iter().map(key).collect());
    }

    fn leave(&mut self, reason: &'static str, action: &str, seen: &Seen) {
        let known = self.left.entry((reason, action.to_owned()));
        known.and_modify(|known| known.and(seen)).or_insert_with(|| seen.clone());
    }

    /// Objects of one kind to which the same was done are one rule.
    fn rules(&self) -> Vec<Proposed> {
        let mut rules = Vec::new();
        for (who, targets) in &self.ran {
            // By what one rule may say together: objects and actions without one do not mix.
            let mut groups: BTreeMap<(Decision, ObjectKind, bool, Vec<Words>), Group> = BTreeMap::new();
            for (target, verbs) in targets {
                for decision in [Decision::Allow, Decision::Hold] {
                    let held = |words: &str| document::verb(words).is_some_and(is_held);
                    let verbs: BTreeMap<&Words, &Seen> = verbs
                        .iter()
                        .filter(|(words, _)| held(words) == (decision == Decision::Hold))
                        .collect();
                    let Some(seen) = Seen::sum(verbs.values().copied()) else { continue };
                    let words = verbs.into_keys().cloned().collect();
                    let named = !target.name.is_empty();
                    let (names, all) = groups.entry((decision, target.kind, named, words)).or_default();
                    names.extend(named.then(|| target.name.clone()));
                    all.push(seen);
                }
            }
            for ((decision, kind, _, actions), (names, seen)) in groups {
                let Some(seen) = Seen::sum(&seen) else { continue };
                rules.push(Proposed { who: who.clone(), kind, names, actions, decision, seen });
            }
        }
        rules
    }

    /// The proposal is a policy, and refuses nothing of what ran.
    fn try_out(&self, text: &str) -> Result<(), Error> {
        let document = Document { name: "the proposal", text };
        let policy = Policy::parse(&[document]).map_err(PoliciesError::Documents)?;
        let policy = Arc::new(policy);
        for (who, (start, statements)) in &self.tried {
            let subject =
                Subject { principal: &start.principal, resource: &who.resource, database: &who.database };
            let policy = policy.for_subject(&subject);
            for statement in statements {
                let judgement =
                    policy.judge(statement.iter().filter_map(|key| self.actions.get(key)), Moment::default());
                if judgement.decision() == Decision::Deny {
                    return Err(Error::Proposal { message: judgement.message() });
                }
            }
        }
        Ok(())
    }
}
