//! What was decided about a statement, by which rule, and how to say so.

use std::sync::Arc;

use crate::action::{Action, CLASSES, ObjectKind, Undefined, Verb};
use crate::decision::Decision;
use crate::permit::{Binding, Pending, Permit};

/// What decided about an action where no rule did.
pub const DEFAULT_RULE: &str = "default";
/// What allows an implied action that no rule denies or holds, and a text without statements.
pub const IMPLIED_RULE: &str = "implied";
/// What allows an action on a resource where the policy is only observed.
pub const OBSERVED_RULE: &str = "observed";

/// Why an action was decided as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The named rule matches it.
    Rule,
    /// No rule matches it: refused.
    NoRule,
    /// It comes along by inheritance with one that was named, and no rule denies or holds it.
    Implied,
    /// It would be refused or held, but the policy is only observed on this resource.
    Observed,
    /// It is opaque, a rule names `opaque`, but the named rule masks columns for this subject.
    OpaqueUnderMask,
    /// It is opaque, a rule names `opaque`, but the named rule denies or holds something for this subject, and
    /// what is not understood may be just that.
    OpaqueUnderRule,
    /// It copies rows out of the server past where cells are masked, and the named rule masks columns for this
    /// subject.
    CopyUnderMask,
    /// It stores, renames or redefines, and the named rule masks columns of what the statement reads or changes:
    /// what was masked could be read back in clear.
    StoreUnderMask,
    /// It gives what the named rule restricts another name, by which that rule would not know it.
    RenameUnderRule,
}

/// The decision on one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub action: Action,
    /// What becomes of it.
    pub decision: Decision,
    /// The rule's name; [`DEFAULT_RULE`] or [`IMPLIED_RULE`] where there is none.
    pub rule: Arc<str>,
    /// Why.
    pub cause: Cause,
    /// The rule's own message, if it has one.
    pub message: Option<Arc<str>>,
    /// What would have been decided if what is only observed counted, where that is something else.
    pub would: Option<Box<Finding>>,
    /// What is allowed in its place, for people: of what no rule allows, where it decides.
    pub instead: Option<String>,
}

impl Finding {
    /// What would be decided if everything that is only observed counted.
    fn by_all(&self) -> &Finding {
        self.would.as_deref().unwrap_or(self)
    }
}

/// What was decided about one statement, or about all of one Query. It may be kept and asked again for as long
/// as neither the policy nor the catalog moves; it can mint permits, but holds none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    findings: Vec<Finding>,
    /// Index of the severest finding, of equals one that a rule made, then one on a name that is not there, then the first; there is none where there are no actions.
    decisive: usize,
    policy: [u8; 32],
}

impl Judgement {
    /// From the findings on all actions of the statement.
    pub(crate) fn new(findings: Vec<Finding>, policy: [u8; 32]) -> Self {
        // That a rule says so is more to go by than that none allows it. What stands on a name that is not there cannot be
        // told either, and is not what its author has to mend.
        let plain = |finding: &Finding| match finding.cause {
            Cause::Rule => 3,
            _ if finding.action.detail.undefined.is_some() => 2,
            Cause::NoRule => 0,
            _ => 1,
        };
        let rank = |finding: &Finding| (finding.decision, plain(finding));
        let mut decisive = 0;
        for (index, finding) in findings.iter().enumerate() {
            if findings.get(decisive).is_some_and(|so_far| rank(finding) > rank(so_far)) {
                decisive = index;
            }
        }
        Judgement { findings, decisive, policy }
    }

    /// The severest decision on any of the actions. Without actions nothing would run: allowed.
    pub fn decision(&self) -> Decision {
        self.decisive().map_or(Decision::Allow, |finding| finding.decision)
    }

    /// The rule that decided.
    pub fn rule(&self) -> &str {
        self.decisive().map_or(IMPLIED_RULE, |finding| &finding.rule)
    }

    /// The finding that decided; `None` for a statement without actions.
    pub fn decisive(&self) -> Option<&Finding> {
        self.findings.get(self.decisive)
    }

    /// The same, to say more of it.
    pub(crate) fn decisive_mut(&mut self) -> Option<&mut Finding> {
        self.findings.get_mut(self.decisive)
    }

    /// What would have been decided if what is only observed counted: where it is something else, the finding that
    /// would have decided.
    pub fn would(&self) -> Option<&Finding> {
        let mut severest = self.findings.first()?.by_all();
        for finding in self.findings.iter().map(Finding::by_all) {
            if finding.decision > severest.decision {
                severest = finding;
            }
        }
        (severest.decision != self.decision()).then_some(severest)
    }

    /// One for each action, in the statement's order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The digest of the policy that judged.
    pub const fn policy(&self) -> &[u8; 32] {
        &self.policy
    }

    /// A permit for one message, where the statement is allowed.
    pub fn permit(&self) -> Option<Permit> {
        (self.decision() == Decision::Allow).then(Permit::mint)
    }

    /// A permit for a message that prepares the statement without running or planning it (Parse, and Describe
    /// of what it prepared): there it is enough that the statement is not denied, since its hold comes at Bind.
    pub fn permit_preparation(&self) -> Option<Permit> {
        (self.decision() != Decision::Deny).then(Permit::mint)
    }

    /// The hold of a statement that waits for a reviewer; `None` where it need not or may not.
    ///
    /// `statement` is a digest over text and bound values, `hold` the hold's number within the session.
    pub fn hold(&self, statement: [u8; 32], session: [u8; 16], hold: u64) -> Option<Pending> {
        (self.decision() == Decision::Hold)
            .then(|| Pending::new(Binding { statement, session, hold, policy: self.policy }))
    }

    /// One line for people: what, what became of it, by which rule.
    pub fn message(&self) -> String {
        let Some(finding) = self.decisive() else { return "nothing to run".to_owned() };
        let what = single_line(&match finding.action.detail.undefined {
            // As PostgreSQL begins: many a tool goes by it.
            Some(_) => format!("{}: {}", finding.action.object.name, finding.action.verb),
            None => finding.action.to_string(),
        });
        let decided = finding.decision.participle();
        let rule = &finding.rule;
        match finding.cause {
            // Whoever wrote the statement did not name it.
            Cause::Rule if finding.action.implied => format!(
                "{what}, which comes along (by a trigger, a function, a view, a partition or CASCADE), is {decided} by rule \
                 \"{rule}\""
            ),
            Cause::Rule => format!("{what} is {decided} by rule \"{rule}\""),
            Cause::NoRule => format!("{what} is {decided} by rule \"{rule}\": no rule allows it"),
            Cause::Implied => format!("{what} is {decided}: it comes along with what was named"),
            Cause::Observed => format!("{what} is {decided}: the policy is only observed here"),
            Cause::OpaqueUnderMask | Cause::OpaqueUnderRule if finding.action.verb == Verb::Replicate => {
                format!(
                    "{what} is {decided} by rule \"{rule}\": it masks or limits what is read here, and replication gives \
                 everything as it is written"
                )
            }
            Cause::OpaqueUnderMask => format!(
                "{what} is {decided} by rule \"{rule}\": it masks columns here, and this statement could not \
                 be understood in full"
            ),
            Cause::CopyUnderMask => format!(
                "{what} is {decided} by rule \"{rule}\": it masks columns here, and what COPY sends is not masked"
            ),
            Cause::StoreUnderMask => {
                let why = match finding.action.verb {
                    Verb::Create | Verb::Alter => {
                        "it masks columns of what this defines, alters or reads, which could then be read in clear"
                    }
                    Verb::Function | Verb::Call | Verb::Do => {
                        "it masks columns, from which may come what this is given or finds"
                    }
                    _ => {
                        "it masks columns, from which may come what this statement stores: it could then be read \
                         back in clear"
                    }
                };
                format!("{what} is {decided} by rule \"{rule}\": {why}")
            }
            Cause::RenameUnderRule => format!(
                "{what} is {decided} by rule \"{rule}\": it is about what else is done to this, and would not be by its new \
                 name"
            ),
            Cause::OpaqueUnderRule => format!(
                "{what} is {decided} by rule \"{rule}\": what could not be understood in full may be what that \
                 rule is about"
            ),
        }
    }

    /// One line for people, whole: what was refused, by which rule, and what would be allowed or whom to ask.
    pub fn refusal(&self) -> String {
        let mut line = self.message();
        let Some(finding) = self.decisive() else { return line };
        let mut separator = if finding.cause == Cause::Rule { ": " } else { "; " };
        let own = finding.message.as_deref().map(str::to_owned);
        let cure = match (own, self.hint()) {
            (Some(own), _) => Some(own),
            // It stands in a sentence.
            (None, hint) => hint.map(|hint| {
                let hint = hint.trim_end_matches('.');
                let first = hint.chars().take(1).flat_map(char::to_lowercase);
                first.chain(hint.chars().skip(1)).collect::<String>()
            }),
        };
        for part in [finding.instead.clone(), cure].into_iter().flatten() {
            line.push_str(separator);
            line.push_str(&single_line(&part));
            separator = "; ";
        }
        line
    }

    /// Where in the text what was refused stands, in characters from 1: of what was not understood.
    pub fn position(&self) -> Option<u32> {
        self.decisive().and_then(|finding| finding.action.detail.position)
    }

    /// The SQLSTATE that PostgreSQL would refuse with what was refused first, where it certainly would: a name that is not there.
    pub fn sqlstate(&self) -> Option<&'static str> {
        self.decisive().and_then(|finding| finding.action.detail.undefined).map(Undefined::sqlstate)
    }

    /// One line for people: what they can do about it. It is the rule's own message where it has one.
    pub fn hint(&self) -> Option<String> {
        let finding = self.decisive()?;
        if finding.decision == Decision::Allow {
            return None;
        }
        if let Some(message) = &finding.message {
            return Some(message.to_string());
        }
        if let (Decision::Deny, Some(undefined)) = (finding.decision, finding.action.detail.undefined) {
            return Some(format!("Name a {undefined} that is there."));
        }
        Some(match (finding.decision, finding.cause) {
            (Decision::Hold, _) => "A reviewer decides whether it runs.".to_owned(),
            (_, Cause::NoRule) if finding.action.verb == Verb::Opaque => {
                "Write the statement in a form that can be understood in full, or ask for a rule that names \
                 \"opaque\"."
                    .to_owned()
            }
            (_, Cause::OpaqueUnderMask | Cause::OpaqueUnderRule)
                if finding.action.verb == Verb::Replicate =>
            {
                format!("Ask whoever answers for rule \"{}\".", finding.rule)
            }
            (_, Cause::OpaqueUnderMask | Cause::OpaqueUnderRule) => {
                "Write the statement in a form that can be understood in full.".to_owned()
            }
            (_, Cause::CopyUnderMask) => "Read the rows with SELECT.".to_owned(),
            (_, Cause::StoreUnderMask) => match finding.action.verb {
                Verb::Alter | Verb::Create => {
                    "Define and alter what has no masked columns, and leave this to somebody for whom nothing is \
                     masked there."
                }
                Verb::Function | Verb::Call | Verb::Do => {
                    "Call what runs no text, with what you know by itself."
                }
                _ => "Write what you know by itself, and to rows of relations without masked columns.",
            }
            .to_owned(),
            (_, Cause::NoRule) if finding.action.verb == Verb::Predicate => {
                "Choose, compute and write by columns that are not masked, or ask for a rule that allows \"predicate\" there by name."
                    .to_owned()
            }
            (_, Cause::NoRule) => asked_for(&finding.action),
            (_, Cause::Rule | Cause::RenameUnderRule | Cause::Implied | Cause::Observed) => {
                format!("Ask whoever answers for rule \"{}\".", finding.rule)
            }
        })
    }
}

/// A rule that would allow it: which of a rule's lists it goes by is not plain from what was refused.
fn asked_for(action: &Action) -> String {
    let Action { verb, object, .. } = action;
    match (object.kind, object.class) {
        (ObjectKind::Relation, _) => format!("Ask for a rule that allows \"{verb}\" there."),
        (ObjectKind::Function, _) => format!("Ask for a rule that allows \"{verb}\" there, by `functions`."),
        (ObjectKind::Schema, _) => format!("Ask for a rule that allows \"{verb}\" there, by `schemas`."),
        (ObjectKind::Role, _) => format!("Ask for a rule that allows \"{verb}\" there, by `roles`."),
        (ObjectKind::Setting, _) => format!("Ask for a rule that allows \"{verb}\" there, by `settings`."),
        // A relation's, such as a trigger, and what no list is for.
        (ObjectKind::Other, class) if CLASSES.contains(&class) => {
            format!("Ask for a rule that allows \"{verb} {class}\" and lists no objects.")
        }
        (ObjectKind::Other, _) => format!("Ask for a rule that allows \"{verb}\" and lists no objects."),
    }
}

/// Names in quotes may hold any character; a message is one line.
fn single_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
