//! Which objects a rule is about.

use crate::action::{Object, ObjectKind};
use crate::pattern::{Glob, NamePattern, Unknown};

/// Patterns by kind of object. Without any the rule is about every object and none; with some it is about
/// objects of those kinds alone, by their patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Objects {
    pub(crate) relations: Vec<NamePattern>,
    pub(crate) functions: Vec<NamePattern>,
    pub(crate) schemas: Vec<Glob>,
    pub(crate) roles: Vec<Glob>,
    pub(crate) settings: Vec<Glob>,
}

impl Objects {
    /// The keys in documents.
    pub(crate) const KEYS: [&'static str; 5] = ["relations", "functions", "schemas", "roles", "settings"];

    /// Whether no kind is given.
    pub(crate) const fn is_every(&self) -> bool {
        self.relations.is_empty()
            && self.functions.is_empty()
            && self.schemas.is_empty()
            && self.roles.is_empty()
            && self.settings.is_empty()
    }

    /// Whether the rule is about that object.
    pub(crate) fn contains(&self, object: &Object, unknown: Unknown) -> bool {
        let dotted = |patterns: &[NamePattern]| {
            patterns.iter().any(|p| p.matches(object.schema.as_deref(), &object.name, unknown))
        };
        let plain = |patterns: &[Glob]| patterns.iter().any(|p| p.matches(&object.name));
        self.is_every()
            || match object.kind {
                ObjectKind::Relation => dotted(&self.relations),
                ObjectKind::Function => dotted(&self.functions),
                ObjectKind::Schema => plain(&self.schemas),
                ObjectKind::Role => plain(&self.roles),
                ObjectKind::Setting => plain(&self.settings),
                ObjectKind::Other => false,
            }
    }
}
