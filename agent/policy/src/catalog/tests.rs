use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn relation(oid: Oid, name: &str, parents: &[Oid]) -> Relation {
    Relation { parents: parents.to_vec(), ..Relation::bare(oid, "s", name, RelationKind::Table) }
}

fn function(oid: Oid, name: &str) -> Function {
    Function {
        oid,
        schema: "s".into(),
        name: name.into(),
        volatility: Volatility::Volatile,
        security_definer: false,
        language: "sql".into(),
        procedure: false,
        body: crate::catalog::Body::Foreign,
        config: Vec::new(),
    }
}

#[test]
fn relations_may_change_their_names_with_each_other() {
    let catalog = Catalog::new(1, [], [relation(1, "a", &[]), relation(2, "b", &[])], []);
    let relations = vec![relation(1, "b", &[]), relation(2, "a", &[])];
    let changed = catalog.changed(2, Changes { relations, ..Changes::default() });
    assert_eq!(changed.relation_named("s", "a").map(|r| r.oid), Some(2));
    assert_eq!(changed.relation_named("s", "b").map(|r| r.oid), Some(1));
    assert_eq!(catalog.relation_named("s", "a").map(|r| r.oid), Some(1), "the one before is as it was");
}

#[test]
fn what_did_not_change_is_shared() {
    let catalog = Catalog::new(1, [], [relation(1, "a", &[]), relation(2, "b", &[])], [function(3, "f")]);
    let changed =
        catalog.changed(2, Changes { relations: vec![relation(2, "c", &[])], ..Changes::default() });
    assert!(std::ptr::eq(catalog.relation(1).unwrap(), changed.relation(1).unwrap()));
    assert!(std::ptr::eq(catalog.function(3).unwrap(), changed.function(3).unwrap()));
}

#[test]
fn what_a_transaction_created_stands_before_what_was_read() {
    let catalog = Catalog::new(1, [], [relation(1, "a", &[])], []);
    let named = |s: &str, n: &str| (s.to_owned(), n.to_owned());
    let created = catalog.with_provisional(&[
        Provisional::Gone("s".into(), "a".into()),
        Provisional::Created("s".into(), "a".into(), RelationKind::View),
        Provisional::Created("t".into(), "b".into(), RelationKind::Table),
        Provisional::Gone("t".into(), "b".into()),
    ]);
    assert_eq!(created.relation_named("s", "a").map(|r| r.kind), Some(RelationKind::View));
    assert_eq!(created.relation(1).map(|r| r.kind), Some(RelationKind::Table));
    assert!(created.has_schema("t") && !catalog.has_schema("t"));
    assert_eq!(created.relations().count(), 3);
    let kinds: Vec<_> = created.relations_named("s", "a").map(|r| r.kind).collect();
    assert_eq!(kinds, [RelationKind::View, RelationKind::Table], "it may be what was there");
    assert!(!created.is_settled("s", "a") && catalog.is_settled("s", "a"));
    assert!(created.has_uncommitted() && !created.is_like(&catalog));
    let next = created.changed(2, Changes::default());
    assert!(next.is_like(&catalog), "a reading knows nothing of it");

    let moved = catalog.with_provisional(&[
        Provisional::Moved(named("s", "a"), named("t", "b")),
        Provisional::Moved(named("t", "b"), named("s", "c")),
    ]);
    let of = |name: &str| moved.relation_named("s", name).unwrap();
    assert!(!moved.is_settled("s", "a") && of("a").oid == 1, "it may have failed");
    let (b, c) = (moved.relation_named("t", "b").unwrap(), of("c"));
    assert!(moved.is_made(b.oid) && b.children == [1] && c.children == [b.oid] && c.columns.is_empty());
}

#[test]
fn of_what_a_child_was_given_to_nothing_is_known_any_more() {
    let column = Column { attnum: 1, name: "x".into(), type_oid: 25, generated: false, not_null: false };
    let with_column = |oid, name, parents: &[Oid]| Relation {
        columns: vec![column.clone()],
        ..relation(oid, name, parents)
    };
    let mut view = with_column(5, "v", &[]);
    view.bases = vec![ColumnRef { relation: 1, attnum: 1 }];
    let relations = [
        with_column(1, "root", &[]),
        with_column(2, "parent", &[1]),
        with_column(3, "child", &[]),
        with_column(4, "other", &[]),
        view,
    ];
    let catalog = Catalog::new(1, [], relations, []);
    let named = |n: &str| ("s".to_owned(), n.to_owned());
    let after = catalog.with_provisional(&[Provisional::Inherits(named("parent"), named("child"))]);
    let columns = |oid| after.relation(oid).unwrap().columns.len();
    assert_eq!([1, 2, 3, 4, 5].map(columns), [0, 0, 1, 1, 0]);
    assert_eq!(
        (&*after.relation(2).unwrap().children, &*after.relation(3).unwrap().parents),
        (&[3][..], &[2][..])
    );
    assert!(after.is_altered(1) && !after.is_altered(4) && !after.is_made(1));
}

#[test]
fn what_is_not_said_to_change_stays() {
    let before = Catalog::new(1, ["s".to_owned()], [], []);
    let changes = Changes { usable: Some("u".into()), hidden_calls: Some(true), ..Changes::default() };
    let before = before.changed(1, changes);
    let next = before.changed(2, Changes { relations: vec![relation(1, "a", &[])], ..Changes::default() });
    assert!(next.has_same_schemas(&before) && next.has_hidden_calls());
    let next = next.changed(3, Changes { usable: Some("v".into()), ..Changes::default() });
    assert!(!next.has_same_schemas(&before) && next.has_hidden_calls());
    let next = next.changed(4, Changes { hidden_calls: Some(false), ..Changes::default() });
    assert!(!next.has_hidden_calls());
}

/// What becomes of a number: a name and parents, or nothing.
type Step = (Oid, Option<(u8, Vec<Oid>)>);

/// Few of everything, so that numbers, names and kin meet again and again.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let parents = proptest::collection::btree_set(0..6_u32, 0..3).prop_map(|set| set.into_iter().collect());
    proptest::collection::vec((0..6_u32, proptest::option::of((0..4_u8, parents))), 0..30)
}

proptest! {
    #[test]
    fn changes_one_by_one_come_to_the_same_as_all_at_once(steps in steps()) {
        let (mut now, mut catalog) = (HashMap::<Oid, Relation>::new(), Catalog::default());
        let mut functions = HashMap::<Oid, Function>::new();
        for (oid, is) in steps {
            let mut changes = Changes::default();
            match is {
                Some((name, parents)) => {
                    let new = relation(oid, &format!("r{name}"), &parents);
                    // A name stands for one relation: who had it is gone.
                    changes.relations_gone =
                        now.values().filter(|r| r.name == new.name && r.oid != oid).map(|r| r.oid).collect();
                    now.retain(|_, r| r.name != new.name);
                    now.insert(oid, new.clone());
                    changes.relations.push(new);
                    functions.insert(oid, function(oid, &format!("f{name}")));
                    changes.functions.push(function(oid, &format!("f{name}")));
                }
                None => {
                    now.remove(&oid);
                    functions.remove(&oid);
                    changes.relations_gone.push(oid);
                    changes.functions_gone.push(oid);
                }
            }
            catalog = catalog.changed(1, changes);
            let whole = Catalog::new(1, catalog.schemas().map(str::to_owned), now.values().cloned(), functions.values().cloned());
            prop_assert!(catalog.is_like(&whole), "{catalog:?} is not {whole:?}");
        }
    }
}
