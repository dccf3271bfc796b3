//! Which rules another may have to do with, without asking all of them.
//!
//! Most rules write out somewhere whom or what they are about: a user, a table, a schema. Each is kept under what it
//! writes out in one facet alone, the one in which it has the least company, so that nothing is found twice. What is
//! found is asked again by whoever looks: a rule too many costs time, and none may be missing.

use std::collections::HashMap;

use crate::pattern::{Glob, NamePattern};
use crate::rule::Rule;
use crate::who::Who;

/// In what a rule may write out what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Facet {
    User,
    Unit,
    Container,
    Uid,
    Gid,
    Resource,
    Database,
    Object,
    Schema,
}

/// Those that say whom and where it is about.
const SUBJECTS: [Facet; 7] =
    [Facet::User, Facet::Unit, Facet::Container, Facet::Uid, Facet::Gid, Facet::Resource, Facet::Database];
/// The same, and those that say to what something is done.
const ALL: [Facet; 9] = [
    Facet::User,
    Facet::Unit,
    Facet::Container,
    Facet::Uid,
    Facet::Gid,
    Facet::Resource,
    Facet::Database,
    Facet::Object,
    Facet::Schema,
];

/// The rules of a policy, by what they write out.
#[derive(Debug)]
pub(super) struct Candidates {
    facets: Vec<(Facet, Kept)>,
    /// Those that write out nothing.
    everywhere: Vec<usize>,
}

/// Rules that are kept in one facet.
#[derive(Debug, Default)]
struct Kept {
    by_name: HashMap<String, Vec<usize>>,
    all: Vec<usize>,
}

impl Candidates {
    /// By whom, where and what the rules are about.
    pub(super) fn new(rules: &[Rule]) -> Self {
        Candidates::by(&ALL, rules)
    }

    /// By whom and where alone.
    pub(super) fn of_subjects(rules: &[Rule]) -> Self {
        Candidates::by(&SUBJECTS, rules)
    }

    fn by(facets: &[Facet], rules: &[Rule]) -> Self {
        let mut company: HashMap<(Facet, String), usize> = HashMap::new();
        for rule in rules {
            for facet in facets {
                for name in facet.names(rule).unwrap_or_default() {
                    *company.entry((*facet, name)).or_default() += 1;
                }
            }
        }
        let mut facets: Vec<(Facet, Kept)> = facets.iter().map(|facet| (*facet, Kept::default())).collect();
        let mut everywhere = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let kept = facets.iter_mut().filter_map(|(facet, kept)| {
                let names = facet.names(rule)?;
                let among = |name: &String| company.get(&(*facet, name.clone())).copied().unwrap_or_default();
                Some((names.iter().map(among).sum::<usize>(), names, kept))
            });
            match kept.min_by_key(|(among, ..)| *among) {
                None => everywhere.push(at),
                Some((_, names, kept)) => {
                    kept.all.push(at);
                    for name in names {
                        kept.by_name.entry(name).or_default().push(at);
                    }
                }
            }
        }
        Candidates { facets, everywhere }
    }

    /// The rules that may be about all of some part of what that one is about, in document order.
    pub(super) fn covering(&self, rule: &Rule) -> Vec<usize> {
        self.found(|facet, kept, found| {
            for name in facet.some_names(rule) {
                found.extend(kept.by_name.get(&name).into_iter().flatten());
            }
        })
    }

    /// The rules that may be about some of what that one is about, in document order.
    pub(super) fn meeting(&self, rule: &Rule) -> Vec<usize> {
        self.found(|facet, kept, found| match facet.names(rule) {
            None => found.extend(&kept.all),
            Some(names) => {
                found.extend(names.iter().filter_map(|name| kept.by_name.get(name)).flatten());
            }
        })
    }

    /// Whether that is true of one of the rules that may be about some of what that one is about; each is asked until then.
    pub(super) fn any_meeting(&self, rule: &Rule, is: &mut dyn FnMut(usize) -> bool) -> bool {
        let mut any = |at: &[usize]| at.iter().any(|at| is(*at));
        any(&self.everywhere)
            || self.facets.iter().any(|(facet, kept)| match facet.names(rule) {
                None => any(&kept.all),
                Some(names) => names.iter().filter_map(|name| kept.by_name.get(name)).any(|at| any(at)),
            })
    }

    fn found(&self, look: impl Fn(Facet, &Kept, &mut Vec<usize>)) -> Vec<usize> {
        let mut found = self.everywhere.clone();
        for (facet, kept) in &self.facets {
            look(*facet, kept, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Facet {
    /// What a rule writes out there, all of it: `None` where it may be about something else.
    fn names(self, rule: &Rule) -> Option<Vec<String>> {
        let alternatives = self.alternatives(rule)?;
        let names: Option<Vec<Vec<String>>> = alternatives.into_iter().map(Names::whole).collect();
        Some(names?.concat()).filter(|names| !names.is_empty())
    }

    /// What is written out there in any of what the rule is about.
    fn some_names(self, rule: &Rule) -> Vec<String> {
        let alternatives = self.alternatives(rule).unwrap_or_default();
        alternatives.into_iter().flat_map(|names| names.written).collect()
    }

    /// Of each of which any is meant, what it writes out there; `None` where all is meant.
    fn alternatives(self, rule: &Rule) -> Option<Vec<Names>> {
        let who = |names: fn(&Who) -> Names| {
            (!rule.who.is_empty()).then(|| rule.who.iter().map(names).collect::<Vec<_>>())
        };
        match self {
            Facet::User => who(|who| Names::of_globs(&who.user)),
            Facet::Unit => who(|who| Names::of_globs(&who.unit)),
            Facet::Container => who(|who| Names::of_globs(&who.container)),
            Facet::Uid => who(|who| Names::of_numbers(&who.uid)),
            Facet::Gid => who(|who| Names::of_numbers(&who.gid)),
            Facet::Resource => Some(vec![Names::of(rule.resources.iter().map(|(glob, _)| glob.literal()))]),
            Facet::Database => Some(vec![Names::of_globs(&rule.databases)]),
            Facet::Object => objects(rule, |pattern| {
                let (schema, name) = (written_schema(pattern)?, pattern.name().literal()?);
                Some(format!("{schema}\0{name}"))
            }),
            Facet::Schema => objects(rule, |pattern| written_schema(pattern).map(str::to_owned)),
        }
    }
}

/// What one alternative writes out.
#[derive(Debug, Default)]
struct Names {
    written: Vec<String>,
    /// It is about nothing else.
    is_all: bool,
}

impl Names {
    /// Of values of which any is meant, and all where there is none.
    fn of<'a>(values: impl ExactSizeIterator<Item = Option<&'a str>>) -> Self {
        let count = values.len();
        let written: Vec<String> = values.flatten().map(str::to_owned).collect();
        Names { is_all: count > 0 && written.len() == count, written }
    }

    fn of_globs(globs: &[Glob]) -> Self {
        Names::of(globs.iter().map(Glob::literal))
    }

    fn of_numbers(numbers: &[u32]) -> Self {
        Names { written: numbers.iter().map(u32::to_string).collect(), is_all: !numbers.is_empty() }
    }

    fn whole(self) -> Option<Vec<String>> {
        self.is_all.then_some(self.written)
    }
}

/// The objects that a rule lists, each by what it writes out of schema and name.
fn objects(rule: &Rule, of: impl Fn(&NamePattern) -> Option<String>) -> Option<Vec<Names>> {
    let objects = &rule.judging.as_ref()?.objects;
    let dotted = objects.relations.iter().chain(&objects.functions).map(of);
    // These have one name, which is told apart by having no schema.
    let plain = objects.schemas.iter().chain(&objects.roles).chain(&objects.settings);
    let plain = plain.map(|glob| glob.literal().map(|name| format!("\0{name}")));
    let names = |name: Option<String>| Names { is_all: name.is_some(), written: name.into_iter().collect() };
    (!objects.is_every()).then(|| dotted.chain(plain).map(names).collect())
}

/// `pg_temp` is every session's own, whose stored name is another.
fn written_schema(pattern: &NamePattern) -> Option<&str> {
    pattern.schema().literal().filter(|schema| !schema.starts_with("pg_temp"))
}
