//! What triggers, defaults and bodies along another path read.

use policy::catalog::{Body, Changes, Trigger, Writes};
use policy::{Catalog, Function, Lineage};

use super::super::fixture::{CUSTOMERS, T, catalog, settings};
use super::{actions, function};
use crate::flow::{add, column, constant};
use crate::{Limits, analyse};

/// The shop with this function, and on `t` what runs when it is written to.
fn with(body: &str, writes: Writes) -> Catalog {
    let mut t = catalog().relation(T).unwrap().clone();
    t.writes = writes;
    let functions = vec![function(600, "f", "plpgsql", Body::Text(body.into()))];
    catalog().changed(2, Changes { functions, relations: vec![t], ..Changes::default() })
}

fn written(catalog: &Catalog, text: &str) -> Lineage {
    analyse(text.as_bytes(), &settings(), catalog, &Limits::default()).statements.pop().unwrap().written
}

fn trigger(tgtype: i16) -> Writes {
    Writes { triggers: vec![Trigger { function: 600, tgtype }], ..Writes::default() }
}

/// Columns of `customers`.
fn columns(attnums: &[i16]) -> Lineage {
    let mut all = constant();
    attnums.iter().for_each(|attnum| add(&mut all, column(CUSTOMERS, *attnum)));
    all
}

#[test]
fn what_fills_a_row_stores_what_it_reads() {
    let insert = "INSERT INTO t (a) VALUES (1)";
    let before = |body: &str| written(&with(body, trigger(1 | 2 | 4)), insert);
    for (body, found) in [
        ("BEGIN NEW.b := (SELECT ssn FROM customers); RETURN NEW; END", &[3][..]),
        (
            "BEGIN NEW.b := (SELECT c.name FROM public.customers c WHERE c.id = NEW.a); RETURN NEW; END",
            &[1, 2],
        ),
        ("BEGIN NEW.ssn := OLD.ssn; RETURN NEW; END", &[]),
        ("BEGIN INSERT INTO customers (ssn) VALUES (NEW.ssn); RETURN NEW; END", &[]),
        ("BEGIN INSERT INTO customers VALUES (1) RETURNING ssn INTO NEW.b; RETURN NEW; END", &[0]),
        ("BEGIN UPDATE customers SET ssn = NEW.b WHERE id = NEW.a; RETURN NEW; END", &[1]),
        ("BEGIN NEW.b := (SELECT count(*) FROM customers); RETURN NEW; END", &[]),
        ("BEGIN NEW.b := (SELECT id * 2 FROM customers); RETURN NEW; END", &[1]),
        ("BEGIN EXECUTE 'SELECT ssn FROM customers' INTO NEW.b; RETURN NEW; END", &[3]),
        ("BEGIN SELECT * INTO r FROM customers; RETURN NEW; END", &[0]),
        ("BEGIN SELECT INTO r * FROM customers; RETURN NEW; END", &[0]),
        ("BEGIN SELECT DISTINCT ON (id) * INTO r FROM customers; RETURN NEW; END", &[0]),
        ("BEGIN FOR r IN UPDATE customers SET id = 1 RETURNING * LOOP END LOOP; RETURN NEW; END", &[0]),
        ("BEGIN FOR r IN TABLE customers LOOP END LOOP; RETURN NEW; END", &[0]),
        ("BEGIN NEW.b := (SELECT customers FROM customers); RETURN NEW; END", &[0]),
        ("BEGIN NEW.b := (SELECT c FROM customers c); RETURN NEW; END", &[0]),
        ("BEGIN NEW.b := (SELECT c FROM customers * c); RETURN NEW; END", &[0]),
        ("BEGIN NEW.b := (SELECT c FROM ONLY (customers) c); RETURN NEW; END", &[0]),
        ("BEGIN NEW.b := (SELECT c.to_json FROM customers AS c); RETURN NEW; END", &[0]),
        ("BEGIN NEW.b := (SELECT x FROM customers c (u, v, x)); RETURN NEW; END", &[0]),
        (
            "BEGIN NEW.b := (SELECT x FROM (unnest(a) JOIN customers ON true) AS j (u, v, w, x)); RETURN NEW; END",
            &[0],
        ),
        ("BEGIN NEW.b := (SELECT new.ssn FROM customers new); RETURN NEW; END", &[0]),
        ("BEGIN NEW.b := (SELECT old.ssn FROM customers old); RETURN NEW; END", &[3]),
    ] {
        assert_eq!(before(body), columns(found), "{body}");
    }
    assert_eq!(before("BEGIN FETCH c INTO NEW.b; RETURN NEW; END"), Lineage::Unknown);
    let filled = Writes { functions: vec![600], ..Writes::default() };
    let default = with("BEGIN RETURN (SELECT ssn FROM customers); END", filled);
    assert_eq!(written(&default, insert), columns(&[3]));
    assert_eq!(written(&default, "DELETE FROM t"), constant());
    // One that has been called before is read again.
    let called = "WITH x AS (SELECT f()) INSERT INTO t (a) VALUES (1)";
    assert_eq!(written(&default, called), columns(&[3]));
}

#[test]
fn what_runs_beside_a_write_stores_what_it_reads_where_it_writes() {
    let behind = |body: &str| written(&with(body, trigger(1 | 4)), "INSERT INTO t (a) VALUES (1)");
    assert_eq!(behind("BEGIN PERFORM ssn FROM customers; RETURN NULL; END"), constant());
    let counts = "BEGIN UPDATE customers SET name = 'x' WHERE id = NEW.a; RETURN NULL; END";
    assert_eq!(behind(counts), columns(&[1]));
    let moves = "BEGIN UPDATE customers SET name = ssn; RETURN NULL; END";
    assert_eq!(behind(moves), columns(&[3]));
}

#[test]
fn a_path_of_its_own_is_what_a_body_is_read_by_again() {
    let body = "BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers); RETURN 1; END";
    let catalog = with(body, Writes::default());
    for text in [
        "ALTER FUNCTION f() SET search_path = public",
        "ALTER FUNCTION f STABLE SET search_path TO 'public', pg_temp",
        "ALTER ROUTINE public.f() SET search_path FROM CURRENT",
        "ALTER FUNCTION f() RESET search_path",
        "ALTER FUNCTION f() RESET ALL",
        "ALTER FUNCTION f() SET search_path TO DEFAULT",
    ] {
        assert_eq!(written(&catalog, text), columns(&[3]), "{text}");
    }
    for text in [
        "ALTER FUNCTION f() SET search_path = other",
        "ALTER FUNCTION f() SET search_path = ''",
        "ALTER FUNCTION f() STABLE",
        "ALTER FUNCTION f() OWNER TO app",
        "ALTER FUNCTION f() RESET work_mem",
    ] {
        assert_eq!(written(&catalog, text), constant(), "{text}");
    }
}

#[test]
fn a_body_is_read_along_any_path_where_the_statement_moves_it() {
    let text = |oid, name: &str, body: &str, path: &str| {
        let mut function = function(oid, name, "plpgsql", Body::Text(body.into()));
        function.config =
            Some(format!("search_path={path}")).filter(|_| !path.is_empty()).into_iter().collect();
        function
    };
    let functions = vec![
        text(600, "named", "BEGIN RETURN (SELECT body FROM notes); END", ""),
        text(601, "moves", "BEGIN SET search_path = other; RETURN 1; END", ""),
        text(602, "sets", "BEGIN PERFORM set_config('search_path', 'other', true); END", ""),
        text(603, "calls", "BEGIN PERFORM public.moves(); RETURN public.named(); END", ""),
        text(604, "within", "BEGIN PERFORM public.moves(); RETURN public.named(); END", "public"),
        text(605, "moves_within", "BEGIN SET search_path = other; RETURN 1; END", "public"),
        text(606, "aside", "BEGIN RETURN (SELECT body FROM notes); END", "public"),
        text(607, "sets_other", "BEGIN PERFORM set_config('my.x', 'y', true); END", ""),
        text(608, "becomes", "BEGIN SET ROLE admin; END", ""),
        Function { config: vec!["role=admin".to_owned()], ..text(609, "as_admin", "BEGIN END", "") },
    ];
    let mut pg_settings = catalog().relation(12_100).unwrap().clone();
    pg_settings.functions = vec![517];
    let relations = vec![pg_settings];
    let catalog = catalog().changed(2, Changes { functions, relations, ..Changes::default() });
    let reads = |text: &str| actions(&catalog, text).contains("other.notes");
    for text in [
        "SELECT moves(), named()",
        "SELECT named() FROM (SELECT moves()) x",
        "SELECT sets(), named()",
        "SELECT set_config('search_path', 'other', false), named()",
        "SELECT calls()",
        "SELECT within()",
        "SELECT moves_within(), named()",
        "SELECT becomes(), named()",
        "UPDATE pg_settings SET setting = named() WHERE name = 'search_path'",
    ] {
        assert!(reads(text), "{text} gave {}", actions(&catalog, text));
    }
    for text in [
        "SELECT named()",
        "SELECT moves(), aside()",
        "SELECT set_config('search_path', 'other', false), aside()",
        "SELECT sets_other(), named()",
        "SELECT set_config('my.x', 'y', false), named()",
        "SELECT as_admin(), named()",
    ] {
        assert!(!reads(text), "{text} gave {}", actions(&catalog, text));
    }
}

#[test]
fn what_a_body_gives_to_a_function_that_hands_it_on_is_stored() {
    let own = |(oid, name): (u32, &str)| Function {
        schema: "pg_catalog".to_owned(),
        ..function(oid, name, "internal", Body::Text("".into()))
    };
    let names = ["pg_notify", "setval", "pg_advisory_lock", "pg_logical_emit_message", "nextval", "pg_sleep"];
    let functions: Vec<Function> = (3000..).zip(names).map(own).collect();
    let called = |call: &str| {
        let catalog = with(&format!("BEGIN PERFORM {call}; END"), Writes::default());
        let changes = Changes { functions: functions.clone(), ..Changes::default() };
        written(&catalog.changed(3, changes), "SELECT f()")
    };
    for call in [
        "pg_notify('x', (SELECT ssn FROM customers))",
        "setval('s', (SELECT ssn FROM customers))",
        "pg_advisory_lock((SELECT ssn FROM customers))",
        "pg_logical_emit_message(true, 'x', (SELECT ssn FROM customers))",
        "pg_catalog.pg_notify('x', ssn) FROM customers",
    ] {
        assert_eq!(called(call), columns(&[0]), "{call}");
    }
    for call in [
        "pg_notify('x', 'y')",
        "upper(ssn) FROM customers",
        "nextval('s') FROM customers",
        "pg_sleep(1) FROM customers",
    ] {
        assert_eq!(called(call), constant(), "{call}");
    }
}
