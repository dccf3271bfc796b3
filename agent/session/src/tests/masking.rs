//! Masks: what of customers' ssn gets through, by every way that was thought of.

use super::client::*;
use super::fixture::*;
use super::world::World;
use crate::Event;

fn masked() -> World {
    let mut world = World::new(MASKED);
    world.send(&[query("SELECT id FROM orders")]);
    world
}

#[track_caller]
fn check(script: &[Vec<u8>], expect: &[&str]) {
    let mut world = masked();
    let got = world.send(script);
    assert_eq!(got, expect);
    assert!(!String::from_utf8_lossy(&world.records.delivered()).contains("ssn#"));
}

#[test]
fn cells_are_masked_by_origin_and_by_lineage_in_both_protocols() {
    let rows = ["row id#1|****", "row id#2|****", "row id#3|****", "SELECT 3", "ready I"];
    let simple = |columns| [&[columns][..], &rows].concat();
    check(&[query("SELECT id, ssn FROM customers")], &simple("columns id|ssn"));
    check(&[query("SELECT id, upper(ssn) FROM customers")], &simple("columns id|upper(ssn)"));
    let extended = [&["parsed", "bound"][..], &rows].concat();
    check(&[run("SELECT id, ssn FROM customers"), sync()], &extended);
    check(&[run("SELECT id, upper(ssn) FROM customers"), sync()], &extended);
    check(
        &[query("SELECT upper(name) FROM customers"), query("SELECT upper(ssn) FROM customers")],
        &[
            "columns upper(name)",
            "row upper(name)#1",
            "row upper(name)#2",
            "row upper(name)#3",
            "SELECT 3",
            "ready I",
            "columns upper(ssn)",
            "row ****",
            "row ****",
            "row ****",
            "SELECT 3",
            "ready I",
        ],
    );
}

#[test]
fn the_sessions_own_describe_is_never_seen_and_the_clients_own_is() {
    check(
        &[
            parse("", "SELECT ssn FROM customers"),
            describe_statement(""),
            bind("", ""),
            describe_portal(""),
            execute("", 1),
            execute("", 0),
            sync(),
        ],
        &[
            "parsed",
            "parameters",
            "columns ssn",
            "bound",
            "columns ssn",
            "row ****",
            "suspended",
            "row ****",
            "row ****",
            "SELECT 2",
            "ready I",
        ],
    );
}

#[test]
fn execute_and_fetch_are_masked_by_what_they_name() {
    let rows = ["row ****", "row ****", "row ****", "SELECT 3", "ready I"];
    let prepare = [
        query("PREPARE a AS SELECT upper(ssn) FROM customers"),
        query("PREPARE b AS SELECT upper(name) FROM customers"),
    ]
    .concat();
    let prepared = ["PREPARE", "ready I", "PREPARE", "ready I"];
    let of = |columns: &'static str, rows: &[&'static str]| [&prepared[..], &[columns], rows].concat();
    check(&[prepare.clone(), query("EXECUTE a")], &of("columns upper(ssn)", &rows));
    let clear = ["row upper(name)#1", "row upper(name)#2", "row upper(name)#3", "SELECT 3", "ready I"];
    check(&[prepare, query("EXECUTE b")], &of("columns upper(name)", &clear));
    check(
        &[
            query("BEGIN"),
            query("DECLARE c CURSOR FOR SELECT upper(ssn) FROM customers"),
            query("FETCH ALL FROM c"),
        ],
        &[
            "BEGIN",
            "ready T",
            "DECLARE CURSOR",
            "ready T",
            "columns upper(ssn)",
            "row ****",
            "row ****",
            "row ****",
            "SELECT 3",
            "ready T",
        ],
    );
    check(
        &[query("BEGIN"), query("DECLARE c CURSOR FOR SELECT ssn FROM customers"), execute("c", 1), sync()],
        &["BEGIN", "ready T", "DECLARE CURSOR", "ready T", "row ****", "suspended", "ready T"],
    );
}

#[test]
fn a_portal_does_not_run_by_a_plan_of_what_its_name_stood_for_before() {
    let mut world = masked();
    world.send(&[
        query("PREPARE a AS SELECT upper(name) FROM customers"),
        query("BEGIN"),
        parse("x", "EXECUTE a"),
        bind("p", "x"),
        sync(),
        query("DEALLOCATE a; PREPARE a AS SELECT upper(ssn) FROM customers"),
    ]);
    let got = world.send(&[execute("p", 0), sync()]).join("\n");
    assert!(got.contains("can no longer be told"), "{got}");
    assert!(!got.contains("ssn"), "{got}");
}

#[test]
fn lineage_of_a_failed_parse_does_not_unmask_another() {
    let mut world = masked();
    let got = world.send(&[
        parse("a", "SELECT upper(ssn) FROM customers"),
        sync(),
        parse("a", "SELECT upper(name) FROM customers"),
        sync(),
        bind("", "a"),
        execute("", 0),
        sync(),
    ]);
    assert!(!got.join("\n").contains("upper(ssn)"), "{got:?}");
}

#[test]
fn errors_are_cut_and_a_refused_copy_of_values_is_refused_by_masking() {
    check(
        &[query("SELECT id FROM customers WHERE ssn = 'fail'")],
        &["error 22012 the message is not shown where columns are masked", "ready I"],
    );
    // What meets nothing that is masked, and no code of users, tells nothing of it: these do.
    for text in [
        "SELECT id FROM orders WHERE note = 'fail'; SELECT id FROM customers",
        "SELECT own() FROM orders WHERE note = 'fail'",
        "FETCH c -- 'fail'",
    ] {
        let got = masked().send(&[query(text)]).join("\n");
        assert!(!got.contains("division by zero"), "{text}: {got}");
    }
    for text in [
        "INSERT INTO notes SELECT id, ssn FROM customers",
        "INSERT INTO customers SELECT id, name, ssn FROM customers",
        "INSERT INTO notes SELECT id, upper(ssn) FROM customers",
        "UPDATE customers SET name = ssn WHERE id = 1",
        "UPDATE notes SET note = (SELECT ssn FROM customers LIMIT 1) WHERE id = 1",
        "INSERT INTO customers VALUES ('1', 'x', 'y') ON CONFLICT (id) DO UPDATE SET name = customers.ssn",
        "CREATE TABLE copied AS SELECT ssn FROM customers",
        "CREATE VIEW seen AS SELECT ssn AS s FROM customers",
        "SELECT ssn INTO copied FROM customers",
        "ALTER TABLE customers RENAME COLUMN ssn TO s",
        "ALTER TABLE customers RENAME TO c",
        "ALTER SCHEMA public RENAME TO p",
        "PREPARE w AS INSERT INTO notes SELECT id, ssn FROM customers",
    ] {
        let mut world = masked();
        let got = world.send(&[query(text)]).join("\n");
        assert!(got.starts_with("error 42501"), "{text}: {got}");
        let rulings = world.records.rulings();
        assert!(rulings.last().unwrap().starts_with("simple deny"), "{text}: {rulings:?}");
    }
    for text in [
        "INSERT INTO customers VALUES ('1', 'x', 'y')",
        "INSERT INTO notes SELECT id, name FROM customers",
        "INSERT INTO notes SELECT id, note FROM orders",
        "UPDATE notes SET note = 'x' WHERE id = 1",
        "CREATE TABLE copied AS SELECT note FROM orders",
    ] {
        let mut world = masked();
        assert_eq!(world.send(&[query(text)]), ["OK", "ready I"], "{text}");
    }
}

#[test]
fn what_runs_nothing_fails_in_its_own_words() {
    for text in ["SAVEPOINT a", "ROLLBACK TO a", "SET work_mem = 'x'", "SHOW x", "DEALLOCATE a", "LISTEN x"] {
        let got = masked().send(&[query(&format!("{text} -- 'fail'"))]).join("\n");
        assert!(got.contains("division by zero"), "{text}: {got}");
    }
    // What was deferred runs with these, and what stands beside them in a text may meet what is masked.
    for text in
        ["COMMIT", "SET CONSTRAINTS ALL IMMEDIATE", "SAVEPOINT a; SELECT id FROM customers", "SHOW x; COMMIT"]
    {
        let got = masked().send(&[query(&format!("{text} -- 'fail'"))]).join("\n");
        assert!(got.contains("not shown"), "{text}: {got}");
    }
}

/// What messages without a Sync have deferred fails where the Query behind them ends their transaction.
#[test]
fn a_query_that_ends_a_batch_may_fail_by_what_was_deferred_there() {
    let fails = query("SELECT id FROM orders WHERE note = 'fail'");
    let batch = run("SELECT id FROM customers");
    let got = masked().send(&[batch.clone(), fails.clone()]).join("\n");
    assert!(got.contains("not shown") && !got.contains("division by zero"), "{got}");
    let got = masked().send(&[batch, sync(), fails]).join("\n");
    assert!(got.contains("division by zero"), "{got}");
}

/// The values of an EXECUTE may bring what the statement inside could not read.
#[test]
fn what_execute_hands_over_is_stored_as_well() {
    let mut world = masked();
    world.send(&[query("PREPARE w(text) AS INSERT INTO notes VALUES ('1', $1)")]);
    assert_eq!(world.send(&[query("EXECUTE w('plain')")]).last().unwrap(), "ready I");
    let ran = world.server.ran.len();
    let got = world.send(&[query("EXECUTE w(settle())")]);
    assert!(got[0].starts_with("error 42501"), "{got:?}");
    assert_eq!(world.server.ran.len(), ran);
}

/// What was prepared may have asked nothing when it was judged, for want of a mask or by another search path.
#[test]
fn execute_asks_what_the_statement_inside_asks() {
    const ALL: &str = "  - { name: all, actions: [\"*\"], decision: allow }\n";
    let veiled = format!("{ALL}  - {{ name: veil, mask: public.customers.ssn }}\n");
    let mut world = World::new(ALL);
    world.send(&[query("PREPARE p AS SELECT id FROM customers WHERE ssn = 'x'"), query("EXECUTE p")]);
    let ran = world.server.ran.len();
    world.event(Event::Policy(policy(&veiled)));
    let got = world.send(&[query("EXECUTE p")]);
    assert!(got[0].starts_with("error 42501 predicate table public.customers (ssn) is denied"), "{got:?}");
    assert_eq!(world.server.ran.len(), ran);
}

#[test]
fn literals_and_values_that_may_meet_a_masked_column_are_recorded_as_digests() {
    let mut world = masked();
    world.send(&[query("SELECT id FROM customers WHERE ssn = '123-45-6789'")]);
    let text = "SELECT id FROM customers WHERE ssn = $1";
    world.send(&[parse("", text), bind_values("", "", &[Some(b"123-45-6789")]), execute("", 0), sync()]);
    world.send(&[query("INSERT INTO customers VALUES ('1', '123-45-6789', 'n')")]);
    world.send(&[query("COPY customers FROM STDIN"), copy_data(b"1\t123-45-6789\n"), copy_done()]);
    let records = world.records.everything();
    assert!(!records.contains("123-45"), "{records}");
    assert!(records.contains("masked:hmac-sha256:"));
}

#[test]
fn a_result_on_its_way_keeps_its_masks_and_portals_are_bound_again_under_new_ones() {
    let mut world = World::new(GUARDED);
    world.send(&[
        query("BEGIN"),
        parse("", "SELECT ssn FROM customers"),
        bind("p", ""),
        execute("p", 1),
        sync(),
    ]);
    world.event(Event::Policy(policy(MASKED)));
    let got = world.send(&[execute("p", 1), sync()]).join("\n");
    assert!(got.contains("can no longer be told") && !got.contains("ssn#"), "{got}");
    world.send(&[query("ROLLBACK")]);
    let got = world.send(&[query("SELECT ssn FROM customers")]);
    assert_eq!(got[1], "row ****");
}
