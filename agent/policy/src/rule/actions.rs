//! Which actions a rule is about: verbs, verbs with a class, groups.

use super::Objects;
use crate::action::{Action, Verb, kind_of_class};

/// A named set of verbs.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) verbs: &'static [Verb],
}

/// The groups that documents may name beside `*`. Each holds what people mean by the word in one breath; the
/// destructive forms of writing are a group of their own, so that `write` never includes them.
pub(crate) const GROUPS: [Group; 5] = [
    Group { name: "read", verbs: &[Verb::Select, Verb::CopyOut] },
    Group { name: "write", verbs: &[Verb::Insert, Verb::Update, Verb::Delete, Verb::Lock, Verb::CopyIn] },
    Group { name: "destructive", verbs: &[Verb::UpdateAll, Verb::DeleteAll, Verb::Truncate, Verb::Drop] },
    Group { name: "ddl", verbs: &[Verb::Create, Verb::References, Verb::Alter, Verb::Drop] },
    Group {
        name: "session",
        verbs: &[Verb::Transaction, Verb::Set, Verb::Show, Verb::Prepare, Verb::Cursor, Verb::Explain],
    },
];

/// A set of actions by verb, and by verb and class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ActionSet {
    /// One bit for each verb of any class.
    verbs: u64,
    /// `drop table` and the like.
    classed: Vec<(Verb, &'static str)>,
}

impl ActionSet {
    /// Adds a verb with every class.
    pub(crate) const fn insert(&mut self, verb: Verb) {
        self.verbs |= bit(verb);
    }

    /// Adds a verb on objects of one class.
    pub(crate) fn insert_classed(&mut self, verb: Verb, class: &'static str) {
        if !self.classed.contains(&(verb, class)) {
            self.classed.push((verb, class));
        }
    }

    /// `*`: every verb but those that must be named ([`Verb::must_be_named`]).
    pub(crate) fn insert_every(&mut self) {
        for verb in Verb::ALL {
            if !verb.must_be_named() {
                self.insert(verb);
            }
        }
    }

    pub(crate) fn contains(&self, action: &Action) -> bool {
        self.has(action.verb, action.object.class)
    }

    /// Whether that verb is in it on objects of that class.
    pub(crate) fn has(&self, verb: Verb, class: &str) -> bool {
        self.has_verb(verb) || self.classed.iter().any(|(v, c)| *v == verb && *c == class)
    }

    /// Whether that verb is in it with every class.
    pub(crate) const fn has_verb(&self, verb: Verb) -> bool {
        self.verbs & bit(verb) != 0
    }

    /// Whether that verb is in it with any class at all.
    pub(crate) fn may_have(&self, verb: Verb) -> bool {
        self.has_verb(verb) || self.classed.iter().any(|(classed, _)| *classed == verb)
    }

    /// Each verb of any class, and each verb with its class, as a set of its own.
    pub(crate) fn each(&self) -> Vec<ActionSet> {
        let verbs = Verb::ALL.into_iter().filter(|verb| self.has_verb(*verb));
        let verbs = verbs.map(|verb| ActionSet { verbs: bit(verb), classed: Vec::new() });
        let classed = self.classed.iter().filter(|(verb, _)| !self.has_verb(*verb));
        verbs.chain(classed.map(|one| ActionSet { verbs: 0, classed: vec![*one] })).collect()
    }

    /// Whether everything of `other` is in it.
    pub(crate) fn covers(&self, other: &ActionSet) -> bool {
        other.verbs & !self.verbs == 0
            && other.classed.iter().all(|one| self.has_verb(one.0) || self.classed.contains(one))
    }

    /// What is in both.
    pub(crate) fn common(&self, other: &ActionSet) -> ActionSet {
        let of = |one: &ActionSet, other: &ActionSet| {
            let both = one.classed.iter().filter(|c| other.has_verb(c.0) || other.classed.contains(c));
            both.copied().collect::<Vec<_>>()
        };
        let mut classed = of(self, other);
        classed.extend(of(other, self));
        classed.retain(|one| self.verbs & other.verbs & bit(one.0) == 0);
        classed.sort_unstable();
        classed.dedup();
        ActionSet { verbs: self.verbs & other.verbs, classed }
    }

    /// Whether something of it may be done to what these name.
    pub(crate) fn may_be_done_to(&self, objects: &Objects) -> bool {
        let verb = |verb: Verb, kind| self.has_verb(verb) && verb.may_be_done_to(kind);
        let classed = |kind| {
            self.classed.iter().any(|(verb, class)| {
                verb.may_be_done_to(kind) && kind_of_class(class).is_none_or(|known| known == kind)
            })
        };
        objects.is_every()
            || objects
                .kinds()
                .any(|kind| Verb::ALL.into_iter().any(|known| verb(known, kind)) || classed(kind))
    }

    /// Whether nothing is in it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.verbs == 0 && self.classed.is_empty()
    }

    /// The words for what is in it.
    pub(crate) fn words(&self) -> Vec<String> {
        let verbs =
            Verb::ALL.into_iter().filter(|verb| self.has_verb(*verb)).map(|verb| verb.name().to_owned());
        verbs.chain(self.classed.iter().map(|(verb, class)| format!("{verb} {class}"))).collect()
    }
}

const fn bit(verb: Verb) -> u64 {
    1 << verb as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectKind;

    #[test]
    fn a_star_is_every_verb_but_those_that_must_be_named() {
        let mut set = ActionSet::default();
        set.insert_every();
        for verb in Verb::ALL {
            assert_eq!(
                set.has_verb(verb),
                ![Verb::Replicate, Verb::Opaque, Verb::Predicate].contains(&verb),
                "{verb}"
            );
        }
    }

    /// The README's table of actions, its cells.
    fn table() -> Vec<Vec<String>> {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let rows = readme.lines().skip_while(|line| !line.starts_with("| action |")).skip(2);
        let rows = rows.take_while(|line| line.starts_with('|'));
        let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        rows.map(cells).collect()
    }

    #[test]
    fn the_readme_has_every_action_with_its_groups_and_objects_and_what_it_covers() {
        let kinds = [
            (ObjectKind::Relation, "relation"),
            (ObjectKind::Function, "function"),
            (ObjectKind::Role, "role"),
            (ObjectKind::Setting, "setting"),
        ];
        let done_to = |verb: Verb| {
            let mut kinds =
                kinds.iter().filter(|(kind, _)| verb.may_be_done_to(*kind)).map(|(_, name)| *name);
            match (kinds.next(), kinds.next()) {
                (None, _) => "none",
                (Some(only), None) => only,
                (Some(_), Some(_)) => "any",
            }
        };
        let groups = |verb: Verb| {
            let groups = GROUPS.iter().filter(|group| group.verbs.contains(&verb));
            groups.map(|group| format!("`{}`", group.name)).collect::<Vec<_>>().join(", ")
        };
        let expect: Vec<Vec<String>> = Verb::ALL
            .into_iter()
            .map(|verb| vec![format!("`{verb}`"), groups(verb), done_to(verb).to_owned()])
            .collect();
        let table = table();
        let found: Vec<Vec<String>> = table.iter().map(|cells| cells[..3].to_vec()).collect();
        assert_eq!(found, expect);
        assert!(table.iter().all(|cells| cells.len() == 4 && !cells[3].is_empty()));
    }

    #[test]
    fn no_group_holds_what_another_word_is_there_for() {
        let group = |name: &str| GROUPS.iter().find(|group| group.name == name).unwrap().verbs;
        assert!(group("write").iter().all(|verb| !group("destructive").contains(verb)));
        assert!(GROUPS.iter().all(|group| !group.verbs.iter().any(|verb| verb.must_be_named())));
        assert!(GROUPS.iter().all(|group| !group.verbs.contains(&Verb::SetRole)));
    }
}
