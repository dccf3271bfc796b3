//! One rule: whom, where, what, and with which decision and masks.
//!
//! A rule is made by `document` alone; nothing here reads text.

pub(crate) mod actions;
pub(crate) mod objects;
mod renaming;
pub(crate) mod when;

use std::fmt;
use std::sync::Arc;

pub(crate) use actions::ActionSet;
pub(crate) use objects::Objects;
pub(crate) use when::When;

use crate::action::{ALL_SETTINGS, Action, Verb};
use crate::decision::Decision;
use crate::mask::MaskMethod;
use crate::pattern::{ColumnPattern, Glob, Unknown};
use crate::principal::Subject;
use crate::who::{Standing, Who};
use crate::window::Moment;

/// Where something stands in a document. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The document's name.
    pub file: Arc<str>,
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What a rule says about the actions that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judging {
    pub(crate) decision: Decision,
    pub(crate) actions: ActionSet,
    pub(crate) objects: Objects,
    pub(crate) when: When,
}

impl Judging {
    /// Whether the rule is about that action as it is done at that time.
    pub(crate) fn matches(&self, action: &Action, at: Moment) -> bool {
        self.is_about(action) && self.when.holds(action, at, self.decision > Decision::Allow)
    }

    /// The same, however and whenever it is done. An object whose schema is not known matches what restricts, and so does
    /// the telling of all settings, or of one that is not known, where any is listed.
    pub(crate) fn is_about(&self, action: &Action) -> bool {
        let Action { verb, object, .. } = action;
        let restricts = self.decision > Decision::Allow;
        let unknown = if restricts { Unknown::Matches } else { Unknown::Differs };
        let tells_all = *verb == Verb::Show && object.name == ALL_SETTINGS;
        self.actions.contains(action)
            && (self.objects.contains(object, unknown)
                || (restricts && tells_all && !self.objects.settings.is_empty()))
    }
}

/// Whose document a rule stands in. The order is that in which equally severe rules are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// It holds for everyone, and no team's file can make it milder.
    Base,
    /// A team's own.
    #[default]
    Team,
}

impl Layer {
    /// Both.
    pub const ALL: [Layer; 2] = [Layer::Base, Layer::Team];

    /// The word in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Layer::Base => "base",
            Layer::Team => "team",
        }
    }
}

/// One rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) layer: Layer,
    /// What it decides is recorded and not enforced. Its masks hold all the same.
    pub(crate) observed: bool,
    /// Any of these; none is everyone.
    pub(crate) who: Vec<Who>,
    /// None of these.
    pub(crate) except: Vec<Who>,
    /// Any of these, with where each was written; none is every resource.
    pub(crate) resources: Vec<(Glob, Place)>,
    /// Any of these; none is every database.
    pub(crate) databases: Vec<Glob>,
    /// `None` for a rule of masks alone.
    pub(crate) judging: Option<Judging>,
    pub(crate) message: Option<Arc<str>>,
    pub(crate) masks: Vec<(ColumnPattern, MaskMethod)>,
}

impl Rule {
    /// The rule's name, unique in its policy.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it stands.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Whose it is.
    pub const fn layer(&self) -> Layer {
        self.layer
    }

    /// Whether what it decides is recorded and not enforced.
    pub const fn is_observed(&self) -> bool {
        self.observed
    }

    /// What it decides; `None` for a rule of masks alone.
    pub fn decision(&self) -> Option<Decision> {
        self.judging.as_ref().map(|judging| judging.decision)
    }

    /// What a refusal or a hold by this rule says to the client.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Whether it is about that resource, for whomever.
    pub fn concerns(&self, resource: &str) -> bool {
        self.resources.is_empty() || self.resources.iter().any(|(glob, _)| glob.matches(resource))
    }

    /// Whether it is about that database of that resource, for whomever.
    pub fn serves(&self, resource: &str, database: &str) -> bool {
        self.concerns(resource)
            && (self.databases.is_empty() || self.databases.iter().any(|glob| glob.matches(database)))
    }

    /// The resources that it lists, as they are written; none where it is about every one.
    pub fn resources(&self) -> impl Iterator<Item = String> {
        self.resources.iter().map(|(glob, _)| glob.to_string())
    }

    /// The login names that it is about, as far as they are written out.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.who.iter().flat_map(|who| &who.user).filter_map(Glob::literal)
    }

    /// How that subject stands to the rule's who, except, resources and databases.
    pub(crate) fn standing(&self, subject: &Subject<'_>) -> Standing {
        if !self.serves(subject.resource, subject.database) {
            return Standing::Outside;
        }
        let of = |who: &[Who]| who.iter().map(|who| who.standing(subject.principal)).max();
        let meant = of(&self.who).unwrap_or(Standing::Inside);
        let excepted = of(&self.except).unwrap_or(Standing::Outside);
        let spared = match excepted {
            Standing::Inside => Standing::Outside,
            Standing::Unknown => Standing::Unknown,
            Standing::Outside => Standing::Inside,
        };
        meant.min(spared)
    }
}
