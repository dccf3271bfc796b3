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

    /// The kinds that patterns are given for.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = ObjectKind> + use<> {
        let given = [
            (ObjectKind::Relation, !self.relations.is_empty()),
            (ObjectKind::Function, !self.functions.is_empty()),
            (ObjectKind::Schema, !self.schemas.is_empty()),
            (ObjectKind::Role, !self.roles.is_empty()),
            (ObjectKind::Setting, !self.settings.is_empty()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(kind, _)| kind)
    }

    /// The keys that are given, as documents have them.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &'static str> + use<> {
        let given = [
            !self.relations.is_empty(),
            !self.functions.is_empty(),
            !self.schemas.is_empty(),
            !self.roles.is_empty(),
            !self.settings.is_empty(),
        ];
        Self::KEYS.into_iter().zip(given).filter(|(_, given)| *given).map(|(key, _)| key)
    }

    /// The same with one pattern each: of what is listed any is meant.
    pub(crate) fn each(&self) -> Vec<Objects> {
        let every = self.is_every().then(Objects::default);
        let relations =
            self.relations.iter().map(|p| Objects { relations: vec![p.clone()], ..Objects::default() });
        let functions =
            self.functions.iter().map(|p| Objects { functions: vec![p.clone()], ..Objects::default() });
        let schemas = self.schemas.iter().map(|p| Objects { schemas: vec![p.clone()], ..Objects::default() });
        let roles = self.roles.iter().map(|p| Objects { roles: vec![p.clone()], ..Objects::default() });
        let settings =
            self.settings.iter().map(|p| Objects { settings: vec![p.clone()], ..Objects::default() });
        every
            .into_iter()
            .chain(relations)
            .chain(functions)
            .chain(schemas)
            .chain(roles)
            .chain(settings)
            .collect()
    }

    /// Whether all that `other` is about is in it. It may say no where it is.
    pub(crate) fn covers(&self, other: &Objects) -> bool {
        let dotted = |wide: &[NamePattern], narrow: &[NamePattern]| {
            narrow.iter().all(|narrow| wide.iter().any(|wide| wide.covers(narrow)))
        };
        let plain = |wide: &[Glob], narrow: &[Glob]| {
            narrow.iter().all(|narrow| wide.iter().any(|wide| wide.covers(narrow)))
        };
        self.is_every()
            || (!other.is_every()
                && dotted(&self.relations, &other.relations)
                && dotted(&self.functions, &other.functions)
                && plain(&self.schemas, &other.schemas)
                && plain(&self.roles, &other.roles)
                && plain(&self.settings, &other.settings))
    }

    /// Whether something may be in both.
    pub(crate) fn meets(&self, other: &Objects) -> bool {
        let dotted = |one: &[NamePattern], other: &[NamePattern]| {
            one.iter().any(|one| other.iter().any(|other| one.meets(other)))
        };
        let plain =
            |one: &[Glob], other: &[Glob]| one.iter().any(|one| other.iter().any(|other| one.meets(other)));
        self.is_every()
            || other.is_every()
            || dotted(&self.relations, &other.relations)
            || dotted(&self.functions, &other.functions)
            || plain(&self.schemas, &other.schemas)
            || plain(&self.roles, &other.roles)
            || plain(&self.settings, &other.settings)
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
