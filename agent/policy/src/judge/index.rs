//! Which rules may be about an action, without asking all of them.
//!
//! Rules are known here by their rank: the lower it is, the sooner a rule decides. A rule is kept under each name that
//! its patterns write out, and under each of its verbs where they write out none. What is found is asked again by
//! [`Judging::matches`]: a rule too many costs time, and none may be missing, which a property test holds against
//! asking all of them.

use std::collections::HashMap;

use crate::action::{ALL_SETTINGS, Object, ObjectKind, Verb};
use crate::pattern::NamePattern;
use crate::rule::Judging;

/// Ranks, the lowest first.
type Ranks = Vec<u32>;

/// Rules of one subject, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Rules without patterns, and those of which one tells no name: by verb.
    wide: Vec<Ranks>,
    relations: Dotted,
    functions: Dotted,
    schemas: HashMap<Box<str>, Ranks>,
    roles: HashMap<Box<str>, Ranks>,
    settings: HashMap<Box<str>, Ranks>,
}

/// Rules by patterns of schema and name.
#[derive(Debug, Default)]
struct Dotted {
    schemas: HashMap<Box<str>, Schema>,
    /// `*.name`.
    anywhere: HashMap<Box<str>, Ranks>,
}

/// Rules whose patterns write out one schema.
#[derive(Debug, Default)]
struct Schema {
    /// With a pattern for the name.
    every: Ranks,
    names: HashMap<Box<str>, Ranks>,
}

/// The most lists that one action has candidates in.
const LISTS: usize = 4;

impl Index {
    /// Of rules in the order of their ranks.
    pub(super) fn new<'a>(rules: impl IntoIterator<Item = &'a Judging>) -> Self {
        let mut index = Index { wide: vec![Vec::new(); Verb::ALL.len()], ..Index::default() };
        for (rank, judging) in (0..).zip(rules) {
            index.insert(rank, judging);
        }
        index
    }

    fn insert(&mut self, rank: u32, judging: &Judging) {
        let objects = &judging.objects;
        let mut wide = objects.is_every();
        for pattern in &objects.relations {
            wide |= !self.relations.insert(rank, pattern);
        }
        for pattern in &objects.functions {
            wide |= !self.functions.insert(rank, pattern);
        }
        for (globs, names) in [
            (&objects.schemas, &mut self.schemas),
            (&objects.roles, &mut self.roles),
            (&objects.settings, &mut self.settings),
        ] {
            for glob in globs {
                match glob.literal() {
                    Some(name) => push(named(names, name), rank),
                    None => wide = true,
                }
            }
        }
        if wide {
            for (verb, ranks) in Verb::ALL.into_iter().zip(&mut self.wide) {
                if judging.actions.may_have(verb) {
                    push(ranks, rank);
                }
            }
        }
    }

    /// The rules that may be about that, each list by rank; `None` where it may be any: a pattern that restricts is
    /// about an object whose schema is not known, whatever schema it names.
    pub(super) fn candidates(&self, verb: Verb, object: &Object) -> Option<[&[u32]; LISTS]> {
        let wide = self.wide.get(verb as usize).map_or(&[][..], Vec::as_slice);
        Some(match object.kind {
            ObjectKind::Relation => self.relations.candidates(object, wide)?,
            ObjectKind::Function => self.functions.candidates(object, wide)?,
            ObjectKind::Schema => [wide, under(&self.schemas, &object.name), &[], &[]],
            ObjectKind::Role => [wide, under(&self.roles, &object.name), &[], &[]],
            ObjectKind::Setting if verb == Verb::Show && object.name == ALL_SETTINGS => return None,
            ObjectKind::Setting => [wide, under(&self.settings, &object.name), &[], &[]],
            ObjectKind::Other => [wide, &[], &[], &[]],
        })
    }
}

impl Dotted {
    /// False where the pattern writes out no name to keep the rule under.
    fn insert(&mut self, rank: u32, pattern: &NamePattern) -> bool {
        let (schema, name) = (pattern.schema(), pattern.name());
        match (schema.literal(), name.literal()) {
            // It stands for every session's own.
            (Some("pg_temp"), _) => return false,
            (Some(schema), Some(name)) => push(named(&mut self.schema(schema).names, name), rank),
            (Some(schema), None) => push(&mut self.schema(schema).every, rank),
            (None, Some(name)) if schema.is_any() => push(named(&mut self.anywhere, name), rank),
            (None, _) => return false,
        }
        true
    }

    fn schema(&mut self, name: &str) -> &mut Schema {
        self.schemas.entry(Box::from(name)).or_default()
    }

    fn candidates<'a>(&'a self, object: &Object, wide: &'a [u32]) -> Option<[&'a [u32]; LISTS]> {
        let schema = self.schemas.get(object.schema.as_deref()?);
        let every = schema.map_or(&[][..], |schema| &schema.every);
        let exact = schema.map_or(&[][..], |schema| under(&schema.names, &object.name));
        Some([wide, every, exact, under(&self.anywhere, &object.name)])
    }
}

fn named<'a>(names: &'a mut HashMap<Box<str>, Ranks>, name: &str) -> &'a mut Ranks {
    names.entry(Box::from(name)).or_default()
}

fn under<'a>(names: &'a HashMap<Box<str>, Ranks>, name: &str) -> &'a [u32] {
    names.get(name).map_or(&[], Vec::as_slice)
}

/// Two patterns of one rule may name the same.
fn push(ranks: &mut Ranks, rank: u32) {
    if ranks.last() != Some(&rank) {
        ranks.push(rank);
    }
}
