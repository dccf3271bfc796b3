//! Masks against a small catalog: views, matviews, partitions, inheritance, rules, and what is not known.

use policy::{Column, RelationKind as Kind};

use super::*;

pub(crate) const CUSTOMERS: Oid = 20_001;
pub(crate) const ORDERS: Oid = 20_002;
pub(crate) const VIEW_MASKED: Oid = 20_003;
pub(crate) const VIEW_CLEAR: Oid = 20_004;
pub(crate) const UNKNOWN: Oid = 29_999;
const VIEW_OF_VIEW: Oid = 20_005;
const VIEW_WHOLE_ROW: Oid = 20_006;
const VIEW_UNKNOWN_BASE: Oid = 20_007;
const VIEW_CALLS: Oid = 20_008;
const VIEW_CALLS_BUILTIN: Oid = 20_009;
const MATVIEW: Oid = 20_010;
const NO_COLUMNS: Oid = 20_011;
const TOAST: Oid = 20_012;
const VIEW_OWN_MASK: Oid = 20_013;
const VIEW_OVER_OWN_MASK: Oid = 20_014;
pub(crate) const PART: Oid = 20_020;
const PART_1: Oid = 20_021;
const PART_2: Oid = 20_022;
const PART_1_1: Oid = 20_023;
const LOG: Oid = 20_030;
const LOG_A: Oid = 20_031;
const LOG_B: Oid = 20_032;
const VIEW_LOG: Oid = 20_033;
const ORPHAN: Oid = 20_040;
const ORPHANS_OTHER_PARENT: Oid = 20_041;
const RULE_A: Oid = 20_050;
const RULE_B: Oid = 20_051;
const VIEW_TOLD: Oid = 20_070;
const VIEW_OVER_TOLD: Oid = 20_071;
const VIEW_DECIDES: Oid = 20_072;
const VIEW_NOT_ALL_TOLD: Oid = 20_073;
const VIEW_OTHER_WIDTH: Oid = 20_074;
const VIEW_TOLD_CALLS: Oid = 20_075;
const STATS: Oid = 12_001;
const VIEW_STATS: Oid = 20_060;

fn relation(oid: Oid, kind: Kind, name: &str, columns: &[&str]) -> Relation {
    let columns = columns.iter().zip(1..);
    Relation {
        columns: columns
            .map(|(name, attnum)| Column {
                attnum,
                name: (*name).to_owned(),
                type_oid: 25,
                generated: name.starts_with("generated"),
                not_null: false,
            })
            .collect(),
        ..Relation::bare(oid, if oid < FIRST_NORMAL_OBJECT_ID { "pg_catalog" } else { "public" }, name, kind)
    }
}

fn table(oid: Oid, name: &str, columns: &[&str], parents: &[Oid]) -> Relation {
    Relation { parents: parents.to_vec(), ..relation(oid, Kind::Table, name, columns) }
}

fn view(oid: Oid, columns: &[&str], bases: &[(Oid, i16)]) -> Relation {
    let bases = bases.iter().map(|(relation, attnum)| ColumnRef { relation: *relation, attnum: *attnum });
    Relation { bases: bases.collect(), ..relation(oid, Kind::View, &format!("v{oid}"), columns) }
}

pub(crate) fn catalog() -> Catalog {
    let relations = [
        table(CUSTOMERS, "customers", &["id", "ssn", "name"], &[]),
        table(ORDERS, "orders", &["id", "note"], &[]),
        view(VIEW_MASKED, &["id", "s"], &[(CUSTOMERS, 1), (CUSTOMERS, 2)]),
        view(VIEW_CLEAR, &["id", "name"], &[(CUSTOMERS, 1), (CUSTOMERS, 3), (ORDERS, 0)]),
        view(VIEW_OF_VIEW, &["id"], &[(VIEW_MASKED, 1)]),
        view(VIEW_WHOLE_ROW, &["c"], &[(CUSTOMERS, 0)]),
        view(VIEW_UNKNOWN_BASE, &["c"], &[(UNKNOWN, 1)]),
        Relation { functions: vec![20_100], ..view(VIEW_CALLS, &["c"], &[(ORDERS, 1)]) },
        Relation { functions: vec![13_000], ..view(VIEW_CALLS_BUILTIN, &["c"], &[(ORDERS, 1)]) },
        Relation { kind: Kind::MaterializedView, ..view(MATVIEW, &["n"], &[(CUSTOMERS, 2)]) },
        table(NO_COLUMNS, "new", &[], &[]),
        Relation { kind: Kind::Toast, ..table(TOAST, "pg_toast_1", &["chunk_data"], &[]) },
        Relation { name: "shown".to_owned(), ..view(VIEW_OWN_MASK, &["id", "note"], &[(ORDERS, 0)]) },
        view(VIEW_OVER_OWN_MASK, &["n"], &[(VIEW_OWN_MASK, 2)]),
        Relation { kind: Kind::PartitionedTable, ..table(PART, "part", &["k", "card"], &[]) },
        table(PART_1, "part_1", &["card", "k"], &[PART]),
        table(PART_2, "part_2", &["k", "card"], &[PART]),
        table(PART_1_1, "part_1_1", &["k", "card"], &[PART_1]),
        table(LOG, "log", &["at", "text"], &[]),
        table(LOG_A, "log_a", &["at", "text", "extra"], &[LOG]),
        table(LOG_B, "log_b", &["at", "text", "extra"], &[LOG]),
        view(VIEW_LOG, &["text"], &[(LOG, 2)]),
        table(ORPHAN, "orphan", &["a"], &[UNKNOWN, ORPHANS_OTHER_PARENT]),
        table(ORPHANS_OTHER_PARENT, "other", &["a"], &[]),
        Relation { bases: vec![whole(RULE_B)], ..table(RULE_A, "rule_a", &["a"], &[]) },
        Relation { bases: vec![whole(RULE_A)], ..table(RULE_B, "rule_b", &["a"], &[]) },
        Relation {
            view: told(&[own(1), own(2), made(&[1]), made(&[1, 2])], &[]),
            ..view(VIEW_TOLD, &["id", "s", "x", "y"], &[(CUSTOMERS, 1), (CUSTOMERS, 2)])
        },
        Relation {
            view: told(&[ViewColumn::Own(base(VIEW_TOLD, 1)), ViewColumn::Own(base(VIEW_TOLD, 2))], &[]),
            ..view(VIEW_OVER_TOLD, &["id", "s"], &[(VIEW_TOLD, 1), (VIEW_TOLD, 2)])
        },
        Relation {
            view: told(&[own(1)], &[2]),
            ..view(VIEW_DECIDES, &["id"], &[(CUSTOMERS, 1), (CUSTOMERS, 2)])
        },
        Relation {
            view: told(&[own(1)], &[]),
            ..view(VIEW_NOT_ALL_TOLD, &["id"], &[(CUSTOMERS, 1), (CUSTOMERS, 2)])
        },
        Relation {
            view: told(&[own(1)], &[]),
            ..view(VIEW_OTHER_WIDTH, &["id", "s"], &[(CUSTOMERS, 1), (CUSTOMERS, 2)])
        },
        Relation {
            view: told(&[own(1), own(2)], &[]),
            functions: vec![20_100],
            ..view(VIEW_TOLD_CALLS, &["id", "s"], &[(CUSTOMERS, 1), (CUSTOMERS, 2)])
        },
        relation(STATS, Kind::View, "pg_stats", &["tablename", "most_common_vals"]),
        view(VIEW_STATS, &["v"], &[(STATS, 2)]),
    ];
    Catalog::new(1, [], relations, [])
}

fn base(relation: Oid, attnum: i16) -> ColumnRef {
    ColumnRef { relation, attnum }
}

fn own(attnum: i16) -> ViewColumn {
    ViewColumn::Own(base(CUSTOMERS, attnum))
}

fn made(attnums: &[i16]) -> ViewColumn {
    ViewColumn::Made(attnums.iter().map(|attnum| base(CUSTOMERS, *attnum)).collect())
}

/// What is told of a view over customers.
fn told(columns: &[ViewColumn], decides: &[i16]) -> Option<policy::catalog::View> {
    let decides = decides.iter().map(|attnum| base(CUSTOMERS, *attnum)).collect();
    Some(policy::catalog::View { columns: columns.to_vec(), decides, gathers: false })
}

fn whole(relation: Oid) -> ColumnRef {
    ColumnRef { relation, attnum: 0 }
}

pub(crate) fn masks() -> Masks {
    Masks::new([
        ("public.customers.ssn".parse().unwrap(), MaskMethod::Last4),
        ("public.part.card".parse().unwrap(), MaskMethod::Hash),
        ("public.log_a.text".parse().unwrap(), MaskMethod::Null),
        ("public.log_a.extra".parse().unwrap(), MaskMethod::Email),
        ("public.shown.note".parse().unwrap(), MaskMethod::Redact),
    ])
}

#[test]
fn a_column_is_clear_only_if_no_way_leads_to_a_mask() {
    use MaskMethod::{Email, Hash, Last4, Null, Redact};
    use Verdict::{Clear, Masked, Unknown};
    let set = MaskSet::resolve(&masks(), &catalog());
    let check = |oid, attnum, expect| assert_eq!(set.column(oid, attnum), expect, "{oid}.{attnum}");
    // A table's columns stand alone.
    check(CUSTOMERS, 1, Clear);
    check(CUSTOMERS, 2, Masked(Last4));
    check(CUSTOMERS, 4, Unknown);
    check(CUSTOMERS, -6, Clear);
    check(CUSTOMERS, 0, Masked(Redact));
    check(UNKNOWN, 1, Unknown);
    check(UNKNOWN, 0, Masked(Redact));
    check(ORDERS, 0, Clear);
    // A view's do not.
    check(VIEW_MASKED, 1, Masked(Redact));
    check(VIEW_MASKED, 2, Masked(Redact));
    check(VIEW_CLEAR, 1, Clear);
    check(VIEW_CLEAR, 0, Clear);
    check(VIEW_OF_VIEW, 1, Masked(Redact));
    check(VIEW_WHOLE_ROW, 1, Masked(Redact));
    check(VIEW_UNKNOWN_BASE, 1, Masked(Redact));
    check(VIEW_CALLS, 1, Masked(Redact));
    check(VIEW_CALLS_BUILTIN, 1, Clear);
    check(MATVIEW, 1, Masked(Redact));
    // But where it is told what its columns are.
    check(VIEW_TOLD, 1, Clear);
    check(VIEW_TOLD, 2, Masked(Last4));
    check(VIEW_TOLD, 3, Clear);
    check(VIEW_TOLD, 4, Masked(Redact));
    check(VIEW_TOLD, 5, Unknown);
    check(VIEW_OVER_TOLD, 1, Clear);
    check(VIEW_OVER_TOLD, 2, Masked(Last4));
    check(VIEW_DECIDES, 1, Masked(Redact));
    check(VIEW_NOT_ALL_TOLD, 1, Masked(Redact));
    check(VIEW_OTHER_WIDTH, 1, Masked(Redact));
    check(VIEW_TOLD_CALLS, 1, Masked(Redact));
    // A mask on a view's own column leaves its others, and holds for views above.
    check(VIEW_OWN_MASK, 1, Clear);
    check(VIEW_OWN_MASK, 2, Masked(Redact));
    check(VIEW_OVER_OWN_MASK, 1, Masked(Redact));
    // Down to partitions, by name and not by number, at any depth.
    check(PART, 2, Masked(Hash));
    check(PART_1, 1, Masked(Hash));
    check(PART_1, 2, Clear);
    check(PART_2, 2, Masked(Hash));
    check(PART_1_1, 2, Masked(Hash));
    // Up to the parent whose rows include the child's, not across to its sibling.
    check(LOG_A, 2, Masked(Null));
    check(LOG, 2, Masked(Null));
    check(LOG_B, 2, Clear);
    check(LOG_A, 3, Masked(Email));
    check(LOG_B, 3, Clear);
    check(VIEW_LOG, 1, Masked(Redact));
    // What is not known.
    check(ORPHAN, 1, Unknown);
    check(ORPHANS_OTHER_PARENT, 1, Unknown);
    check(TOAST, 1, Unknown);
    check(NO_COLUMNS, 1, Unknown);
    // Rules in a circle, without a mask on the way.
    check(RULE_A, 1, Clear);
    check(RULE_B, 1, Clear);
    // The server's own copies of values.
    check(STATS, 1, Clear);
    check(STATS, 2, Masked(Redact));
    check(VIEW_STATS, 1, Masked(Redact));
}

#[test]
fn a_relation_touches_what_its_rows_may_hold() {
    let set = MaskSet::resolve(&masks(), &catalog());
    let touching = [
        CUSTOMERS,
        VIEW_MASKED,
        VIEW_OF_VIEW,
        VIEW_WHOLE_ROW,
        VIEW_UNKNOWN_BASE,
        VIEW_CALLS,
        MATVIEW,
        NO_COLUMNS,
        TOAST,
        VIEW_OWN_MASK,
        VIEW_OVER_OWN_MASK,
        PART,
        PART_1,
        PART_2,
        PART_1_1,
        LOG,
        LOG_A,
        VIEW_LOG,
        ORPHAN,
        ORPHANS_OTHER_PARENT,
        STATS,
        VIEW_STATS,
        VIEW_TOLD,
        VIEW_OVER_TOLD,
        UNKNOWN,
    ];
    let clear = [ORDERS, VIEW_CLEAR, VIEW_CALLS_BUILTIN, LOG_B, RULE_A, RULE_B];
    touching.iter().for_each(|oid| assert!(set.touches(*oid), "{oid}"));
    clear.iter().for_each(|oid| assert!(!set.touches(*oid), "{oid}"));
}

#[test]
fn the_severest_of_the_masks_of_kin_holds() {
    let masks = Masks::new([
        ("public.log.text".parse().unwrap(), MaskMethod::Redact),
        ("public.log_a.text".parse().unwrap(), MaskMethod::Email),
        ("public.log_b.text".parse().unwrap(), MaskMethod::Null),
    ]);
    let set = MaskSet::resolve(&masks, &catalog());
    assert_eq!(set.column(LOG, 2), Verdict::Masked(MaskMethod::Null));
    assert_eq!(set.column(LOG_A, 2), Verdict::Masked(MaskMethod::Redact));
    assert_eq!(set.column(LOG_B, 2), Verdict::Masked(MaskMethod::Null));
}

#[test]
fn rules_in_a_circle_pass_a_mask_around() {
    let masks = Masks::new([("public.rule_b.a".parse().unwrap(), MaskMethod::Hash)]);
    let set = MaskSet::resolve(&masks, &catalog());
    assert_eq!(set.column(RULE_A, 1), Verdict::Masked(MaskMethod::Redact));
    assert_eq!(set.column(RULE_B, 1), Verdict::Masked(MaskMethod::Hash));
}

#[test]
fn without_masks_everything_is_clear() {
    let set = MaskSet::resolve(&Masks::default(), &catalog());
    assert!(set.is_empty());
    assert_eq!(set.column(UNKNOWN, 1), Verdict::Clear);
    assert!(!set.touches(CUSTOMERS) && !set.touches(UNKNOWN));
}

#[test]
fn a_view_of_postgresqls_own_shows_all_but_the_columns_that_hold_values() {
    const AUTHID: Oid = 1_260;
    const ROLES: Oid = 12_010;
    const SHADOW: Oid = 12_011;
    const USERS_VIEW: Oid = 20_070;
    let relations = [
        table(AUTHID, "pg_authid", &["rolname", "rolpassword"], &[]),
        Relation {
            name: "pg_roles".to_owned(),
            ..view(ROLES, &["rolname", "rolpassword"], &[(AUTHID, 0), (AUTHID, 2)])
        },
        Relation {
            name: "pg_shadow".to_owned(),
            ..view(SHADOW, &["usename", "passwd"], &[(AUTHID, 0), (AUTHID, 2)])
        },
        view(USERS_VIEW, &["n"], &[(AUTHID, 2)]),
    ];
    let catalog = Catalog::new(1, [], relations, []);
    let of = |masks: &str| {
        let masks = Masks::new([(masks.parse().unwrap(), MaskMethod::Redact)]);
        let set = MaskSet::resolve(&masks, &catalog);
        [(ROLES, 1), (SHADOW, 1), (SHADOW, 2), (USERS_VIEW, 1)]
            .map(|(oid, column)| set.column(oid, column) == Verdict::Clear)
    };
    assert_eq!(of("public.customers.ssn"), [true, true, false, false]);
    assert_eq!(of("pg_catalog.pg_authid.rolname"), [false, false, false, false]);
}

#[test]
fn a_column_computed_beside_a_masked_one_is_masked_in_the_whole_family() {
    const PARENT: Oid = 21_001;
    const CHILD: Oid = 21_002;
    const OTHER: Oid = 21_003;
    let relations = [
        table(PARENT, "family", &["id", "ssn", "generated_upper"], &[]),
        table(CHILD, "child", &["id", "ssn", "generated_upper"], &[PARENT]),
        table(OTHER, "other", &["id", "generated_upper"], &[]),
    ];
    let catalog = Catalog::new(1, [], relations, []);
    let masks = Masks::new([("public.family.ssn".parse().unwrap(), MaskMethod::Null)]);
    let set = MaskSet::resolve(&masks, &catalog);
    for (relation, attnum, expect) in [
        (PARENT, 1, Verdict::Clear),
        (PARENT, 2, Verdict::Masked(MaskMethod::Null)),
        (PARENT, 3, Verdict::Masked(MaskMethod::Redact)),
        (CHILD, 3, Verdict::Masked(MaskMethod::Redact)),
        (OTHER, 2, Verdict::Clear),
    ] {
        assert_eq!(set.column(relation, attnum), expect, "{relation} {attnum}");
    }
}
