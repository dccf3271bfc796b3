//! What the results of functions are made of.

use policy::catalog::{Body, Calls, Changes, Trigger, Writes};
use policy::{Catalog, Function, Lineage, Oid, Output, Relation};

use super::super::fixture::{CUSTOMERS, ORDERS, PG_CLASS, SECRET, T, catalog, settings};
use super::function;
use crate::flow::{add, column, constant};
use crate::{Limits, SearchPath, Settings, analyse};

/// The shop with functions of these bodies, by their names.
fn with(bodies: &[(&str, &str)]) -> Catalog {
    let text = |(at, (name, body)): (Oid, &(&str, &str))| {
        let language = if body.starts_with("SELECT") { "sql" } else { "plpgsql" };
        function(at, name, language, Body::Text((*body).into()))
    };
    let mut functions: Vec<Function> = (600..).zip(bodies).map(text).collect();
    let own = |f: Function| Function { schema: "pg_catalog".to_owned(), ..f };
    functions.push(own(function(530, "current_setting", "internal", Body::Foreign)));
    functions.push(own(function(531, "nextval", "internal", Body::Foreign)));
    catalog().changed(2, Changes { functions, ..Changes::default() })
}

fn statement(catalog: &Catalog, settings: &Settings, text: &str) -> crate::Statement {
    analyse(text.as_bytes(), settings, catalog, &Limits::default()).statements.pop().unwrap()
}

/// The last output column.
fn result(catalog: &Catalog, text: &str) -> Lineage {
    match statement(catalog, &settings(), text).output {
        Output::Columns(columns) => columns.last().unwrap().clone(),
        Output::Within(columns) => Lineage::Derived(columns),
        Output::None | Output::Unknown | Output::Inherited(_) => Lineage::Unknown,
    }
}

fn rows_of(relations: &[Oid]) -> Lineage {
    let mut all = constant();
    relations.iter().for_each(|oid| add(&mut all, column(*oid, 0)));
    all
}

#[test]
fn a_result_is_made_of_what_the_body_reads() {
    for (body, expect) in [
        ("BEGIN RETURN 1 + $1; END", rows_of(&[])),
        ("BEGIN RETURN (SELECT total FROM orders WHERE id = $1); END", rows_of(&[ORDERS])),
        ("BEGIN RETURN (SELECT a FROM t JOIN customers ON true); END", rows_of(&[CUSTOMERS, T])),
        ("BEGIN DELETE FROM orders WHERE id = $1; RETURN found; END", rows_of(&[ORDERS])),
        ("BEGIN RETURN nextval('s'); END", rows_of(&[])),
        ("BEGIN IF f(1) THEN RETURN (SELECT a FROM t); END IF; END", rows_of(&[T])),
        ("BEGIN RETURN (SELECT label FROM customers_view); END", rows_of(&[CUSTOMERS, 110])),
        ("BEGIN RETURN current_setting('x.y'); END", rows_of(&[])),
        ("BEGIN RETURN pg_read_file('x'); END", Lineage::Unknown),
        ("BEGIN FETCH c INTO r; RETURN r; END", Lineage::Unknown),
        ("BEGIN RETURN (SELECT relname FROM pg_class); END", Lineage::Unknown),
        ("BEGIN EXECUTE x INTO r; RETURN r; END", Lineage::Unknown),
        ("BEGIN RETURN audit(); END", Lineage::Unknown),
    ] {
        let catalog = with(&[("f", body)]);
        assert_eq!(result(&catalog, "SELECT f(1)"), expect, "{body}");
        assert_eq!(result(&catalog, "SELECT x FROM f(1) x"), expect, "{body}");
    }
    assert!(catalog().relation(PG_CLASS).is_some());
}

#[test]
fn a_body_tells_of_the_settings_that_it_asks_for() {
    for (asked, told) in [
        ("current_setting('App.Key')", "*show app.key"),
        ("current_setting ('app.key', true)", "*show app.key"),
        ("current_setting('app.' || 'key')", "*show all"),
        ("current_setting($1)", "*show all"),
        ("('app.key').current_setting", "*show all"),
    ] {
        let catalog = with(&[("f", &format!("BEGIN RETURN {asked}; END"))]);
        let statement = statement(&catalog, &settings(), "SELECT f('x')");
        let shown: Vec<String> =
            statement.actions.iter().filter(|a| a.implied).map(|action| format!("*{action}")).collect();
        assert_eq!(shown.join(", "), told, "{asked}");
    }
}

#[test]
fn a_procedure_gives_as_a_function_does() {
    for (body, expect) in [
        ("BEGIN UPDATE orders SET total = 1 WHERE id = $1 RETURNING total INTO $2; END", rows_of(&[ORDERS])),
        ("BEGIN COMMIT; $2 := 1; END", rows_of(&[])),
        ("BEGIN SELECT pw INTO $2 FROM secret; END", rows_of(&[SECRET])),
        ("BEGIN FETCH c INTO $2; END", Lineage::Unknown),
    ] {
        let procedure =
            Function { procedure: true, ..function(600, "p", "plpgsql", Body::Text(body.into())) };
        let catalog = catalog().changed(2, Changes { functions: vec![procedure], ..Changes::default() });
        assert_eq!(result(&catalog, "CALL p(1, NULL)"), expect, "{body}");
    }
}

#[test]
fn a_body_gives_what_those_give_that_it_calls() {
    let catalog = with(&[
        ("outer_one", "SELECT inner_one() || inner_two()"),
        ("inner_one", "BEGIN RETURN (SELECT a FROM t); END"),
        ("inner_two", "SELECT id FROM orders"),
        ("even", "BEGIN PERFORM a FROM t; RETURN odd($1 - 1); END"),
        ("odd", "BEGIN PERFORM pw FROM secret; RETURN even($1 - 1); END"),
    ]);
    assert_eq!(result(&catalog, "SELECT outer_one()"), rows_of(&[ORDERS, T]));
    // Each by itself, whatever was called before.
    assert_eq!(result(&catalog, "SELECT outer_one(), inner_one()"), rows_of(&[T]));
    assert_eq!(result(&catalog, "SELECT inner_one(), outer_one()"), rows_of(&[ORDERS, T]));
    // Of what calls each other the inner one has not been read to its end.
    assert_eq!(result(&catalog, "SELECT even(1)"), Lineage::Unknown);
    assert_eq!(result(&catalog, "SELECT even(1), odd(1)"), Lineage::Unknown);
}

#[test]
fn a_result_chooses_and_is_stored_as_what_it_is_made_of() {
    let catalog = with(&[("f", "BEGIN RETURN (SELECT a FROM t); END")]);
    let chosen = statement(&catalog, &settings(), "SELECT id FROM orders WHERE f(1) = total");
    let mut expect = rows_of(&[T]);
    add(&mut expect, column(ORDERS, 3));
    assert_eq!(chosen.steers, expect);
    let stored = statement(&catalog, &settings(), "INSERT INTO orders (id) VALUES (f(1))");
    assert_eq!(stored.written, rows_of(&[T]));
}

#[test]
fn what_casts_and_aggregates_call_counts() {
    let calls = Calls { unseen: vec![601], ..Calls::default() };
    let functions = vec![
        function(600, "f", "plpgsql", Body::Text("BEGIN RETURN 1; END".into())),
        function(601, "cast_one", "plpgsql", Body::Text("BEGIN RETURN (SELECT pw FROM secret); END".into())),
        function(602, "total_of", "", Body::Calls(vec![603])),
        function(603, "adds", "sql", Body::Text("SELECT $1 + a FROM t".into())),
    ];
    let changes = Changes { functions: functions.clone(), ..Changes::default() };
    assert_eq!(result(&catalog().changed(2, changes), "SELECT total_of(total) FROM orders"), {
        let mut expect = rows_of(&[T]);
        add(&mut expect, column(ORDERS, 3));
        expect
    });
    let changes = Changes { functions, calls: Some(calls), ..Changes::default() };
    assert_eq!(result(&catalog().changed(2, changes), "SELECT f()"), Lineage::Unknown);
}

#[test]
fn what_a_trigger_reads_that_a_body_fires_counts() {
    let catalog = with(&[
        ("f", "BEGIN INSERT INTO t VALUES (1) RETURNING b INTO r; RETURN r; END"),
        ("fills", "BEGIN NEW.b := (SELECT pw FROM secret); RETURN NEW; END"),
        ("g", "BEGIN INSERT INTO t VALUES (2) RETURNING b INTO r; RETURN r; END"),
    ]);
    let mut t = catalog.relation(T).unwrap().clone();
    t.writes = Writes { triggers: vec![Trigger { function: 601, tgtype: 1 | 2 | 4 }], ..Writes::default() };
    let catalog = catalog.changed(3, Changes { relations: vec![t], ..Changes::default() });
    assert_eq!(result(&catalog, "SELECT f()"), rows_of(&[SECRET, T]));
    // Each that fires it, whichever came first.
    assert_eq!(result(&catalog, "SELECT f(), g()"), rows_of(&[SECRET, T]));
    assert_eq!(result(&catalog, "SELECT g(), f()"), rows_of(&[SECRET, T]));
}

#[test]
fn along_a_path_that_may_move_any_schema_counts() {
    let catalog = with(&[
        ("f", "BEGIN RETURN (SELECT body FROM notes); END"),
        ("moves", "BEGIN SET search_path = other; RETURN 1; END"),
    ]);
    assert_eq!(result(&catalog, "SELECT f()"), rows_of(&[]));
    let (notes, moved) = (rows_of(&[140]), "SELECT moves(), f()");
    assert_eq!(result(&catalog, moved), notes);
    let chosen = statement(&catalog, &settings(), "SELECT moves() FROM orders WHERE f() = 'x'");
    assert_eq!(chosen.steers, notes);
    let unknown = Settings { search_path: SearchPath::Unknown, ..settings() };
    let statement = statement(&catalog, &unknown, "SELECT public.f()");
    assert_eq!(statement.output, Output::Columns(vec![notes]));
}

#[test]
fn what_errors_say_that_no_text_tells_may_be_anything() {
    let caught =
        |body: &str| format!("BEGIN {body}; RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END");
    let (reads, looks) = (caught("PERFORM a FROM t"), caught("PERFORM looks()"));
    let (deferred, plain) = (caught("SET CONSTRAINTS ALL IMMEDIATE"), caught("PERFORM id FROM orders"));
    let diagnosed = "BEGIN PERFORM a FROM t; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS r = MESSAGE_TEXT; RETURN r; END";
    let keeps =
        "BEGIN PERFORM a FROM t; EXCEPTION WHEN OTHERS THEN INSERT INTO orders VALUES (1, SQLERRM); END";
    let catalog = with(&[
        ("reads", &reads),
        ("outer_one", &looks),
        ("looks", "BEGIN RETURN (SELECT a FROM t); END"),
        ("deferred", &deferred),
        ("plain", &plain),
        ("diagnosed", diagnosed),
        ("keeps", keeps),
    ]);
    // Where a type's check calls something, what fails in it is not told.
    assert_eq!(result(&catalog, "SELECT plain()"), Lineage::Unknown);
    let catalog = catalog.changed(2, Changes { calls: Some(Calls::default()), ..Changes::default() });
    assert_eq!(result(&catalog, "SELECT reads()"), rows_of(&[T]));
    let t = Relation { policies_look_beyond: true, ..catalog.relation(T).unwrap().clone() };
    let catalog = catalog.changed(3, Changes { relations: vec![t], ..Changes::default() });
    for name in ["reads", "outer_one", "deferred", "diagnosed"] {
        assert_eq!(result(&catalog, &format!("SELECT {name}()")), Lineage::Unknown, "{name}");
    }
    assert_eq!(result(&catalog, "SELECT looks()"), rows_of(&[T]));
    assert_eq!(result(&catalog, "SELECT plain()"), rows_of(&[ORDERS]));
    assert_eq!(statement(&catalog, &settings(), "SELECT keeps()").written, Lineage::Unknown);
    let block = |body: &str| statement(&catalog, &settings(), &format!("DO $$ {body} $$")).written;
    assert_eq!(block(keeps), Lineage::Unknown);
    assert_eq!(
        block(
            &caught("PERFORM looks()").replace("RETURN 1;", "").replace("RETURN SQLERRM", "PERFORM SQLERRM")
        ),
        Lineage::Unknown
    );
    assert_ne!(block(&keeps.replace("SQLERRM", "'failed'")), Lineage::Unknown);
    assert_ne!(block(&keeps.replace("a FROM t", "id FROM orders")), Lineage::Unknown);
}
