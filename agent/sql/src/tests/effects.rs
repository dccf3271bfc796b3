//! What runs beside a statement's own text.

use policy::catalog::{Body, Calls, Cascade, Cast, Changes, Referential, Trigger, Writes};
use policy::{Catalog, Function, Oid, Provisional, Verb, Volatility};

use super::fixture::{CUSTOMERS, EVENTS, EVENTS_2024, ORDERS, SECRET, T, catalog, settings};
use crate::{Limits, analyse};

mod bodies;
mod computing;
mod results;

fn function(oid: Oid, name: &str, language: &str, body: Body) -> Function {
    Function {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        volatility: Volatility::Volatile,
        security_definer: false,
        language: language.to_owned(),
        procedure: false,
        body,
        config: Vec::new(),
    }
}

const BODIES: &[(&str, &str)] = &[
    ("reads", "SELECT pw FROM secret"),
    ("reads_there", "SELECT body FROM other.notes"),
    ("calls", "BEGIN PERFORM reads(); FOR i IN 1..10 LOOP NULL; END LOOP; END"),
    ("recurses", "BEGIN PERFORM recurses(); END"),
    ("inserts", "BEGIN INSERT INTO secret (pw) VALUES (1); END"),
    ("deletes", "BEGIN DELETE FROM ONLY secret AS u WHERE u.pw = $1; END"),
    ("updates", "BEGIN UPDATE secret SET pw = 1 WHERE owner = NEW.owner; END"),
    ("truncates", "BEGIN TRUNCATE t, secret; END"),
    ("literal", "BEGIN EXECUTE 'SELECT pw FROM secret' INTO x; END"),
    ("quoted", "BEGIN EXECUTE $q$SELECT pw FROM \"secret\"$q$; END"),
    ("built", "BEGIN EXECUTE 'SELECT pw FROM ' || name; END"),
    ("formatted", "BEGIN RETURN QUERY EXECUTE format('SELECT %I', name); END"),
    ("granted", "BEGIN GRANT EXECUTE ON FUNCTION reads() TO x; END"),
    ("whole", "BEGIN RETURN (SELECT u FROM secret u); END"),
    ("by_xml", "SELECT query_to_xml('SELECT pw FROM secret', true, true, '')"),
    ("becomes", "BEGIN SET LOCAL ROLE admin; END"),
    ("sets", "SELECT set_config('role', 'admin', true)"),
    ("sets_own", "SELECT set_config('my.x', $1, true)"),
    ("sets_any", "SELECT set_config($1, $2, true)"),
    ("moves_path", "BEGIN SET search_path = other; RETURN (SELECT body FROM notes); END"),
    ("plain", "BEGIN RETURN lower($1) || 'secret' /* secret */; END -- secret"),
    ("broken", "BEGIN 'x"),
    ("attribute", "BEGIN RETURN NEW.reads; END"),
    ("renames", "BEGIN ALTER TABLE t RENAME TO u; END"),
    ("drops", "BEGIN DROP TABLE secret; END"),
    ("makes_temp", "BEGIN CREATE TEMP TABLE t (id int); END"),
    ("hangs", "BEGIN CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION reads(); END"),
    ("deallocates", "BEGIN EXECUTE 'DEALLOCATE p'; END"),
    ("prepares", "BEGIN EXECUTE 'PREPARE p AS SELECT 1'; END"),
    ("declares", "BEGIN EXECUTE 'CLOSE c'; EXECUTE 'DECLARE c CURSOR FOR SELECT 1'; END"),
    ("calls_later", "BEGIN RETURN later(); END"),
];

fn with(change: impl FnOnce(&mut Changes)) -> Catalog {
    let mut changes = Changes::default();
    let bodies = BODIES.iter().zip(600..);
    changes.functions = bodies
        .map(|((name, body), oid)| function(oid, name, "plpgsql", Body::Text((*body).into())))
        .collect();
    let relations = vec![SECRET, T];
    let tree = Body::Tree { relations, functions: vec![600], writes: true };
    changes.functions.push(function(700, "stored", "sql", tree));
    changes.functions.push(function(701, "foreign", "plperlu", Body::Unread));
    changes.functions.push(function(702, "gathers", "", Body::Calls(vec![600])));
    changes.functions.push(function(703, "in_c", "c", Body::Foreign));
    changes.functions.push(function(704, "dblink", "c", Body::Foreign));
    changes.functions.push(function(707, "check_foreign_key", "c", Body::Foreign));
    let mut pinned = function(705, "fixed", "sql", Body::Text("SELECT body FROM notes".into()));
    pinned.config = vec!["search_path=other, \"x y\"".to_owned()];
    changes.functions.push(pinned);
    // Whoever runs it may not use the first of the schemas.
    let mut either = function(706, "either", "sql", Body::Text("SELECT * FROM same".into()));
    either.config = vec!["search_path=other, public".to_owned()];
    changes.functions.push(either);
    changes.relations.extend([
        super::fixture::relation(800, "other", "same", policy::RelationKind::Table, &["a"]),
        super::fixture::relation(801, "public", "same", policy::RelationKind::Table, &["a"]),
    ]);
    change(&mut changes);
    catalog().changed(2, changes)
}

fn actions(catalog: &Catalog, text: &str) -> String {
    let analysis = analyse(text.as_bytes(), &settings(), catalog, &Limits::default());
    let line = |statement: &crate::Statement| {
        let of = |a: &policy::Action| format!("{}{a}", if a.implied { "*" } else { "" });
        statement.actions.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    analysis.statements.iter().map(line).collect::<Vec<_>>().join("; ")
}

fn check(catalog: &Catalog, text: &str, expected: &str) {
    assert_eq!(actions(catalog, text), expected, "{text}");
}

#[test]
fn what_a_body_changes_of_rows_that_it_chooses_is_not_all_of_them() {
    let all = |body: &str| {
        let catalog = catalog();
        let f = function(600, "f", "plpgsql", Body::Text(body.into()));
        let catalog = catalog.changed(2, Changes { functions: vec![f], ..Changes::default() });
        actions(&catalog, "SELECT f()").contains("-all table")
    };
    for body in [
        "BEGIN UPDATE t SET a = 1, b = (SELECT 2) WHERE a = NEW.a; RETURN NEW; END",
        "BEGIN IF x THEN UPDATE public.t x SET a = a + 1 WHERE x.a = v_id AND b IS NULL RETURNING a INTO y; END IF; END",
        "BEGIN DELETE FROM t WHERE b = 'x' AND (a = 1 OR a = 2); END",
        "WITH d AS (DELETE FROM ONLY t WHERE t.a = $1 RETURNING *) SELECT count(*) FROM d",
        "BEGIN EXECUTE 'DELETE FROM t WHERE a = $1' USING 1; END",
    ] {
        assert!(!all(body), "{body}");
    }
    for body in [
        "BEGIN UPDATE t SET a = 1; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = a; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = t.a; END",
        "BEGIN UPDATE t x SET a = 1 WHERE a = x.a; END",
        "BEGIN UPDATE t AS new SET a = 1 WHERE a = NEW.a; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = b; END",
        "BEGIN UPDATE t SET a = 1 WHERE v = 1; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = 1 OR true; END",
        "BEGIN UPDATE t SET a = 1 WHERE NOT a = 1; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = 1 IS NOT NULL; END",
        "BEGIN UPDATE t SET a = 1 WHERE (a = 1) = v; END",
        "BEGIN UPDATE t SET a = 1 WHERE 1 BETWEEN 0 AND a = 1; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = coalesce(v, a); END",
        "BEGIN UPDATE t SET a = 1 FROM secret WHERE a = 1; END",
        "BEGIN DELETE FROM t USING secret s WHERE a = 1; END",
        "BEGIN DELETE FROM t WHERE r.a = 1; END",
        "BEGIN DELETE FROM t WHERE x; SELECT 1 FROM t WHERE a = 1; END",
        "BEGIN FOR r IN UPDATE t SET a = 1 RETURNING a LOOP UPDATE u SET x = 1 WHERE a = v; END LOOP; END",
        "BEGIN FOR r IN DELETE FROM t RETURNING a LOOP UPDATE u SET x = 1 WHERE a = v; END LOOP; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = tableoid; END",
        "BEGIN UPDATE t SET a = 1 WHERE a = t; END",
        "BEGIN ALTER TABLE t ADD v int GENERATED ALWAYS AS (a) STORED; UPDATE t SET a = 1 WHERE a = v; END",
        "#variable_conflict use_variable\nBEGIN DELETE FROM t WHERE a = 1; END",
        "BEGIN EXECUTE 'DELETE FROM t'; PERFORM 1 WHERE a = 1; END",
        "BEGIN MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; END",
    ] {
        assert!(all(body), "{body}");
    }
}

#[test]
fn a_body_does_what_it_names() {
    let catalog = with(|_| {});
    for (name, found) in [
        ("reads", ", *select table public.secret"),
        ("reads_there", ", *select table other.notes"),
        ("calls", ", *function public.reads, *select table public.secret"),
        ("recurses", ", *function public.recurses"),
        ("inserts", ", *select table public.secret, *insert table public.secret"),
        ("deletes", ", *select table public.secret, *delete table public.secret"),
        ("updates", ", *select table public.secret, *update table public.secret"),
        (
            "truncates",
            ", *select table public.t, *truncate table public.t, *select table public.secret, *truncate table public.secret",
        ),
        ("literal", ", *select table public.secret"),
        ("quoted", ", *select table public.secret"),
        ("whole", ", *select table public.secret"),
        ("becomes", ", *set-role admin"),
        ("sets", ", *set-role admin, *function pg_catalog.set_config"),
        ("sets_own", ", *set my.x, *function pg_catalog.set_config"),
        ("moves_path", ", *select table other.notes, *set search_path"),
        ("plain", ""),
        ("attribute", ", *function public.reads, *select table public.secret"),
        ("gathers", ", *function public.reads, *select table public.secret"),
        ("in_c", ""),
        ("fixed", ", *select table other.notes"),
        ("either", ", *select table other.same, *select table public.same"),
    ] {
        check(&catalog, &format!("SELECT {name}()"), &format!("function public.{name}{found}"));
    }
    let stored = actions(&catalog, "SELECT stored()");
    assert!(
        stored.contains("*select table public.secret") && stored.contains("*delete table public.t"),
        "{stored}"
    );
    for name in
        ["built", "formatted", "by_xml", "sets_any", "broken", "foreign", "dblink", "check_foreign_key"]
    {
        let found = actions(&catalog, &format!("SELECT {name}()"));
        assert!(found.contains(", opaque"), "{name} gave {found}");
    }
    assert!(!actions(&catalog, "SELECT granted()").contains("opaque"));
}

#[test]
fn a_call_by_number_does_the_same() {
    let catalog = with(|_| {});
    let called = |oid| {
        let actions = crate::called(oid, &catalog, &Limits::default());
        actions
            .iter()
            .map(|a| format!("{}{a}", if a.implied { "*" } else { "" }))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(called(600), "function public.reads, *select table public.secret");
    assert!(called(610).contains("opaque") && called(523).contains("opaque") && called(9).contains("opaque"));
    assert_eq!(called(503), "");
}

#[test]
fn a_body_that_may_be_another_is_not_trusted() {
    let catalog = with(|_| {});
    for text in [
        "ALTER FUNCTION reads() RENAME TO plain; SELECT plain()",
        "ALTER FUNCTION reads() SECURITY DEFINER; SELECT reads()",
        "ALTER SCHEMA public RENAME TO x; SELECT reads()",
        "ALTER FUNCTION other.lower(text) RENAME TO later; SELECT calls_later()",
        "CREATE FUNCTION later() RETURNS int LANGUAGE c AS 'x'; SELECT calls_later()",
        "CREATE FUNCTION later(t) RETURNS int LANGUAGE c AS 'x'; SELECT u.later FROM t u",
        "IMPORT FOREIGN SCHEMA s FROM SERVER far INTO other; SELECT a FROM t",
    ] {
        let found = actions(&catalog, text);
        let (_, last) = found.rsplit_once("; ").unwrap();
        assert!(last.contains("opaque"), "{text} gave {found}");
    }
    for text in ["DROP FUNCTION plain(); SELECT plain()", "ALTER FUNCTION plain() OWNER TO x; SELECT plain()"]
    {
        assert!(!actions(&catalog, text).contains("opaque"), "{text}");
    }
    let open = |schema: Option<&str>| {
        catalog.with_provisional(&[Provisional::Function(schema.map(str::to_owned), "plain".to_owned())])
    };
    for schema in [None, Some("public")] {
        assert!(actions(&open(schema), "SELECT plain()").contains("opaque"));
        assert!(!actions(&open(schema), "SELECT reads()").contains("opaque"));
    }
    assert!(!actions(&open(Some("other")), "SELECT plain()").contains("opaque"));
}

#[test]
fn a_write_runs_what_hangs_on_its_relation() {
    let writes = Writes {
        triggers: vec![Trigger { function: 600, tgtype: 4 }, Trigger { function: 604, tgtype: 8 | 32 }],
        cascades: vec![Cascade {
            relation: ORDERS,
            on_delete: Referential::Cascade,
            on_update: Referential::Set,
        }],
        functions: vec![601],
        ..Writes::default()
    };
    let catalog = with(|changes| {
        let mut t = catalog().relation(T).unwrap().clone();
        t.writes = writes;
        changes.relations.push(t);
        let mut orders = catalog().relation(ORDERS).unwrap().clone();
        let again = Cascade { relation: T, on_delete: Referential::Cascade, on_update: Referential::Nothing };
        let on =
            Cascade { relation: CUSTOMERS, on_delete: Referential::Set, on_update: Referential::Nothing };
        orders.writes = Writes { cascades: vec![again, on], ..Writes::default() };
        changes.relations.push(orders);
    });
    check(&catalog, "SELECT a FROM t", "select table public.t");
    check(
        &catalog,
        "INSERT INTO t (a) VALUES (1)",
        "insert table public.t, *function public.reads, *select table public.secret, \
         *function public.reads_there, *select table other.notes",
    );
    let deleted = actions(&catalog, "DELETE FROM t WHERE a = 1");
    for found in [
        "*function public.inserts",
        "*insert table public.secret",
        "*delete table public.orders",
        "*update table public.customers",
    ] {
        assert!(deleted.contains(found), "{deleted}");
    }
    assert!(!deleted.contains("reads"), "{deleted}");
    assert!(actions(&catalog, "UPDATE t SET a = 1").contains("*update table public.orders"));
    assert!(actions(&catalog, "TRUNCATE t").contains("*function public.inserts"));
    assert!(actions(&catalog, "COPY t FROM STDIN").contains("*function public.reads"));
}

#[test]
fn what_is_maintained_or_rewritten_has_its_indexes_computed() {
    let catalog = with(|changes| {
        let mut t = catalog().relation(T).unwrap().clone();
        t.writes = Writes { kept: vec![601], ..Writes::default() };
        changes.relations.push(t);
    });
    for text in [
        "ANALYZE t",
        "ANALYZE",
        "VACUUM (FULL) t",
        "VACUUM",
        "CLUSTER t USING i",
        "CLUSTER",
        "REINDEX TABLE t",
        "REINDEX SCHEMA public",
        "REINDEX DATABASE shop",
        "ALTER TABLE t ALTER a TYPE bigint",
        "ALTER TABLE t SET UNLOGGED",
        "ALTER TABLE t ADD c timestamptz DEFAULT clock_timestamp()",
    ] {
        let all = actions(&catalog, text);
        assert!(all.contains("*function public.reads_there"), "{text} gave {all}");
    }
    for text in ["ANALYZE notes", "REINDEX SCHEMA other", "ALTER TABLE t RENAME a TO c", "SELECT a FROM t"] {
        let all = actions(&catalog, text);
        assert!(!all.contains("reads_there"), "{text} gave {all}");
    }
}

#[test]
fn a_row_that_goes_to_another_partition_is_deleted_and_inserted() {
    let catalog = with(|changes| {
        let mut partition = catalog().relation(EVENTS_2024).unwrap().clone();
        let of = |function, tgtype| Trigger { function, tgtype };
        partition.writes = Writes { triggers: vec![of(600, 4), of(604, 8)], ..Writes::default() };
        changes.relations.push(partition);
    });
    let updated = actions(&catalog, "UPDATE events SET id = 2 WHERE id = 1");
    for found in ["*function public.reads", "*function public.inserts"] {
        assert!(updated.contains(found), "{updated}");
    }
}

#[test]
fn a_foreign_table_is_judged_as_what_it_stands_for() {
    let catalog = with(|_| {});
    let secret = "*select table public.secret, *insert table public.secret, *update table public.secret";
    for (text, found) in [
        ("CREATE FOREIGN TABLE f (a text) SERVER s OPTIONS (program 'id')", "copy-program"),
        ("CREATE FOREIGN TABLE f (a text) SERVER s OPTIONS (format 'csv', \"filename\" '/x')", "copy-server"),
        ("ALTER FOREIGN TABLE f OPTIONS (DROP filename, ADD program E'id')", "copy-program"),
        (
            "CREATE FOREIGN TABLE f (a text) SERVER s OPTIONS (schema_name 'public', table_name 'secret')",
            secret,
        ),
        ("CREATE FOREIGN TABLE other.secret (a text) SERVER s OPTIONS (schema_name 'public')", secret),
        ("ALTER FOREIGN TABLE f OPTIONS (SET table_name 'secret')", secret),
        ("ALTER FOREIGN TABLE f OPTIONS (SET schema_name 'public')", secret),
        ("IMPORT FOREIGN SCHEMA public FROM SERVER s INTO other", secret),
        // Without a name in its options it stands for a table of its own name, without a schema for one of its own.
        ("ALTER FOREIGN TABLE f RENAME TO secret", secret),
        ("ALTER TABLE f RENAME TO secret", secret),
        ("ALTER FOREIGN TABLE f SET SCHEMA public", secret),
    ] {
        let all = actions(&catalog, text);
        assert!(all.contains(found), "{text} gave {all}");
    }
    for text in [
        "CREATE FOREIGN TABLE f (a text) SERVER s OPTIONS (schema_name 'elsewhere', table_name 'secret')",
        "CREATE FOREIGN TABLE f (a text OPTIONS (column_name 'program')) SERVER s",
        "ALTER FOREIGN TABLE f OPTIONS (SET fetch_size '10')",
        "ALTER FOREIGN TABLE f RENAME TO elsewhere",
        "ALTER FOREIGN TABLE f RENAME COLUMN a TO secret",
        "ALTER TABLE t RENAME TO other",
    ] {
        let all = actions(&catalog, text);
        assert!(!all.contains("secret") && !all.contains("copy-"), "{text} gave {all}");
    }
}

#[test]
fn truncating_in_cascade_reaches_the_tables_that_refer_here() {
    let key =
        |relation| Cascade { relation, on_delete: Referential::Nothing, on_update: Referential::Nothing };
    let catalog = with(|changes| {
        for (oid, referring) in
            [(T, vec![key(ORDERS), key(T)]), (ORDERS, vec![key(EVENTS)]), (SECRET, vec![key(T)])]
        {
            let mut relation = catalog().relation(oid).unwrap().clone();
            relation.writes = Writes { cascades: referring, ..Writes::default() };
            changes.relations.push(relation);
        }
    });
    let reached = "truncate table public.t, *truncate table public.orders, *truncate table public.t, \
                   *truncate table public.events, *truncate table public.events_2024";
    check(&catalog, "TRUNCATE t CASCADE", reached);
    check(&catalog, "TRUNCATE TABLE ONLY t * RESTART IDENTITY CASCADE", reached);
    check(&catalog, "TRUNCATE t", "truncate table public.t");
    check(&catalog, "TRUNCATE t RESTRICT", "truncate table public.t");
    check(&catalog, "DELETE FROM t", "delete-all table public.t");
    assert!(
        actions(&catalog, "TRUNCATE secret, customers CASCADE").contains("*truncate table public.events")
    );
    // What is not committed may refer here as well.
    let text = "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES t; TRUNCATE t CASCADE";
    assert!(actions(&catalog, text).contains("opaque"));
    assert!(!actions(&catalog, "DROP TABLE customers; TRUNCATE t CASCADE").contains("opaque"));
    let open = catalog.with_provisional(&[Provisional::Changed]);
    assert!(actions(&open, "TRUNCATE t CASCADE").contains("opaque"));
    assert!(!open.is_like(&catalog));
    check(&open, "TRUNCATE t", "truncate table public.t");
}

#[test]
fn operators_and_casts_are_the_functions_they_call() {
    let catalog = with(|changes| {
        let mut calls = Calls::default();
        calls
            .operators
            .insert("+".to_owned(), vec![("public".to_owned(), 600), ("elsewhere".to_owned(), 601)]);
        calls.operators.insert("~~".to_owned(), vec![("public".to_owned(), 601)]);
        calls.casts.push(Cast { name: "int4".to_owned(), function: 604 });
        changes.calls = Some(calls);
    });
    let reads = "function public.reads, *select table public.secret";
    check(&catalog, "SELECT 1 + 2", reads);
    check(&catalog, "SELECT 1 - 2", "");
    check(&catalog, "SELECT 'a' LIKE 'b'", "function public.reads_there, *select table other.notes");
    check(
        &catalog,
        "SELECT 1 OPERATOR(pg_catalog.+) 2",
        &format!("{reads}, function public.reads_there, *select table other.notes"),
    );
    for text in ["SELECT 1::int", "SELECT CAST('1' AS integer)", "SELECT '{1}'::int4[]"] {
        assert!(actions(&catalog, text).starts_with("function public.inserts"), "{text}");
    }
    check(&catalog, "SELECT 1::text", "");
    let catalog = with(|changes| changes.calls = Some(Calls { unseen: vec![600], ..Calls::default() }));
    check(&catalog, "SELECT 1", "*function public.reads, *select table public.secret");
    check(&catalog, "SHOW work_mem", "show work_mem");
    // A cast that applies by itself is handed what functions are given, and may keep it.
    let written = |catalog: &Catalog, text: &str| {
        let analysis = analyse(text.as_bytes(), &settings(), catalog, &Limits::default());
        analysis.statements[0].written.clone()
    };
    let ssn = crate::flow::column(CUSTOMERS, 3);
    assert_eq!(written(&catalog, "SELECT to_json(ssn) FROM customers"), ssn);
    assert_eq!(written(&catalog, "SELECT ssn FROM customers"), crate::flow::constant());
    assert_eq!(written(&with(|_| {}), "SELECT to_json(ssn) FROM customers"), crate::flow::constant());
}

#[test]
fn a_text_that_is_run_is_read() {
    let catalog = with(|_| {});
    let xml = |text: &str| actions(&catalog, &format!("SELECT query_to_xml({text}, true, true, '')"));
    assert!(xml("'SELECT pw FROM secret'").contains("select table public.secret"));
    assert!(!xml("'SELECT a FROM t'").contains("opaque"));
    for text in ["'SELECT pw FROM ' || 'secret'", "$1", "b", "E'SELECT \\\\x'", "'SELECT'' FROM'"] {
        assert!(xml(text).contains("opaque"), "{text}");
    }
    for (text, found) in [
        ("SELECT * FROM ts_stat('SELECT pw FROM secret')", "select table public.secret"),
        ("SELECT ts_rewrite('a'::tsquery, 'SELECT pw, pw FROM secret')", "select table public.secret"),
        ("SELECT table_to_xml('other.notes'::regclass, true, true, '')", "select table other.notes"),
        ("SELECT nextval('s')", "*update sequence public.s"),
        ("SELECT nextval('public.s'::regclass)", "*update sequence public.s"),
        ("SELECT nextval(('s'::text)::regclass)", "*update sequence public.s"),
        ("SELECT setval((('s')), 1)", "*update sequence public.s"),
        ("SELECT currval('s')", "*select sequence public.s"),
    ] {
        let all = actions(&catalog, text);
        assert!(all.contains(found) && !all.contains("opaque"), "{text} gave {all}");
    }
    assert!(
        !actions(&catalog, "SELECT ts_rewrite('a'::tsquery, 'b'::tsquery, 'c'::tsquery)").contains("opaque")
    );
    // A sequence by a literal that is not read, or by its number; what is computed is its own matter.
    for text in
        ["nextval('s'\n'x')", "setval(E'\\163', 1)", "nextval(141)", "nextval('a.b.c')", "nextval(U&'s')"]
    {
        assert!(actions(&catalog, &format!("SELECT {text}")).contains("opaque"), "{text}");
    }
    for text in ["nextval($1)", "nextval($1::regclass)", "nextval(pg_get_serial_sequence('t', 'a'))"] {
        assert!(!actions(&catalog, &format!("SELECT {text}")).contains("opaque"), "{text}");
    }
    for text in [
        "SELECT schema_to_xml('public', true, true, '')",
        "SELECT table_to_xml(a::regclass, true, true, '') FROM t",
        "SELECT ('SELECT pw FROM secret'::text).ts_stat",
    ] {
        assert!(actions(&catalog, text).contains("opaque"), "{text}");
    }
}

#[test]
fn a_value_of_a_domain_is_checked_by_what_the_domain_calls() {
    let catalog = with(|changes| {
        let email = vec![("other".to_owned(), 602), ("public".to_owned(), 600)];
        changes.calls = Some(Calls { types: [("email".to_owned(), email)].into(), ..Calls::default() });
        changes.functions.push(function(
            720,
            "declares_one",
            "plpgsql",
            Body::Text("DECLARE x email; BEGIN x := $1; END".into()),
        ));
    });
    let checked = "function type public.email, *function public.reads, *select table public.secret";
    for text in [
        "SELECT 'x'::email",
        "SELECT public.email 'x'",
        "SELECT CAST('x' AS email)",
        "SELECT '{x}'::email[]",
        "PREPARE p (email) AS SELECT 1",
        "DO $$DECLARE x email; BEGIN x := 'x'; END$$",
        "CREATE FUNCTION f(email) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f(a int, OUT b email) LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE FUNCTION f() RETURNS SETOF public.email LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS TABLE (a int, b email[]) LANGUAGE sql AS 'SELECT 1'",
    ] {
        let all = actions(&catalog, text);
        assert!(all.contains(checked) && !all.contains("reads_there"), "{text} gave {all}");
    }
    assert!(actions(&catalog, "SELECT declares_one('x')").contains("*function public.reads, "));
    check(&catalog, "SELECT 'x'::mood", "");
    check(&catalog, "SELECT email FROM (SELECT b AS email FROM t) x", "select table public.t");
}

#[test]
fn values_that_come_to_a_domain_unseen_are_checked_by_what_it_calls() {
    let catalog = with(|changes| {
        let checks = vec![("public".to_owned(), 600)];
        changes.calls = Some(Calls {
            types: [("email".to_owned(), checks)].into(),
            values: [(9000, vec![600])].into(),
            arguments: [(703, vec![600])].into(),
            ..Calls::default()
        });
    });
    let checked = "*function public.reads, *select table public.secret";
    for text in [
        "SELECT in_c('x')",
        "CREATE TABLE made (a email DEFAULT 'x')",
        "CREATE TABLE made (a public.email[])",
        "ALTER TABLE made ADD a email",
        "CREATE TYPE pair AS (a int, b email)",
        "CREATE DOMAIN mine AS email",
        "SELECT pg_input_is_valid('x', 'public.email')",
        "SELECT pg_input_is_valid('x', 'Email[]')",
        "SELECT pg_input_is_valid('x', U&'em\\0061il')",
        "SELECT pg_input_is_valid('x', 'em' || 'ail')",
        "SELECT pg_catalog.pg_input_error_info('x', b) FROM t",
        "SELECT json_populate_record(t, '{}') FROM t",
    ] {
        let all = actions(&catalog, text);
        assert!(all.contains(checked), "{text} gave {all}");
    }
    for text in ["SELECT pg_input_is_valid('1', 'integer')", "CREATE TABLE made (a mood, b text)"] {
        assert!(!actions(&catalog, text).contains("reads"), "{text}");
    }
    let by_type = |of| crate::checked(&[of], &catalog, &Limits::default());
    assert!(by_type(9000).iter().all(|action| action.implied) && by_type(9000).len() == 2);
    assert_eq!(by_type(25), []);
}

#[test]
fn what_a_body_hands_on_is_read_as_anywhere_else() {
    let run = |language: &str, config: &[&str], body: &str, text: &str, settings: &crate::Settings| {
        let catalog = with(|changes| {
            let mut f = function(800, "f", language, Body::Text(body.into()));
            f.config = config.iter().map(|setting| (*setting).to_owned()).collect();
            changes.functions.push(f);
        });
        let analysis = analyse(text.as_bytes(), settings, &catalog, &Limits::default());
        let of = |a: &policy::Action| format!("{}{a}", if a.implied { "*" } else { "" });
        let last = analysis.statements.last().unwrap();
        last.actions.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    for (body, found) in [
        ("BEGIN SET \"role\" TO admin; END", "*set-role admin"),
        ("BEGIN SET U&\"rol\\0065\" TO admin; END", "*set-role admin"),
        ("BEGIN SET session_authorization TO admin; END", "*set-role admin"),
        ("BEGIN RESET ROLE; END", "*set-role default"),
        ("BEGIN COPY (SELECT 1) TO PROGRAM 'id'; END", "*copy-program"),
        ("BEGIN IF a THEN COPY t TO PROGRAM 'id'; END IF; END", "*copy-program"),
        ("BEGIN <<x>> LOOP COPY (SELECT 1) TO '/x'; END LOOP; END", "*copy-server"),
        ("BEGIN CREATE ROLE x SUPERUSER; END", "*role x"),
        ("BEGIN ALTER SYSTEM SET x = 1; END", "*system x"),
        ("BEGIN GRANT admin TO x; END", "*grant role admin"),
        ("BEGIN GRANT ALL ON ALL TABLES IN SCHEMA public TO x; END", "*grant table public.secret"),
        ("BEGIN DROP SCHEMA public CASCADE; END", "*drop table public.secret"),
        ("BEGIN CREATE EXTENSION x; END", "*create extension x"),
        ("BEGIN EXECUTE 'DROP SCHEMA public CASCADE'; END", "*drop table public.secret"),
        ("BEGIN DO LANGUAGE plpgsql 'x'; END", "opaque"),
        (
            "BEGIN CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT pw FROM secret'; END",
            "*create function public.g",
        ),
        ("BEGIN DELETE FROM db.public.secret; END", "*delete table public.secret"),
        ("BEGIN UPDATE ONLY (secret) SET pw = 1; END", "*update table public.secret"),
        ("BEGIN DELETE FROM ONLY (db.public.secret); END", "*delete table public.secret"),
        ("BEGIN PERFORM db.public.reads(); END", "*function public.reads"),
        ("BEGIN x := (a).pg_read_file; END", "*function pg_catalog.pg_read_file"),
        ("BEGIN x := $1.pg_read_file; END", "*function pg_catalog.pg_read_file"),
        ("BEGIN x := a[1].ts_stat; END", "opaque"),
        ("DECLARE function text; BEGIN EXECUTE function; END", "opaque"),
        ("DECLARE function text; BEGIN EXECUTE function x; END", "opaque"),
        ("DECLARE procedure text; BEGIN EXECUTE procedure INTO x; END", "opaque"),
        ("BEGIN SET standard_conforming_strings = off; RETURN '\\'' , (SELECT 1) --'; END", "opaque"),
    ] {
        let all = run("plpgsql", &[], body, "SELECT f()", &settings());
        assert!(all.contains(found), "{body} gave {all}");
    }
    for body in [
        "BEGIN CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION reads(); END",
        "DECLARE comment text; BEGIN comment := 'x'; lock = 1; RETURN regexp_replace(x, '\\d', ''); END",
        "BEGIN DROP TABLE IF EXISTS x; CREATE TEMP TABLE x AS SELECT a FROM t; END",
        "BEGIN CREATE TEMP TABLE x (a int); INSERT INTO x VALUES (1); CREATE INDEX ON x (a); TRUNCATE x; END",
    ] {
        let all = run("plpgsql", &[], body, "SELECT f()", &settings());
        assert!(!all.contains("opaque"), "{body} gave {all}");
    }
    assert!(run("sql", &["role=admin"], "SELECT 1", "SELECT f()", &settings()).contains("*set-role admin"));
    // Where `\\` escapes, what stands in a string may be code.
    let hides = "SELECT '\\'' || (SELECT pw FROM x) --'";
    let off = crate::Settings { standard_conforming_strings: false, ..settings() };
    assert!(run("sql", &[], hides, "SELECT f()", &off).contains("opaque"));
    assert!(!run("sql", &[], "SELECT 1", "SELECT f()", &off).contains("opaque"));
    let turned = "SET standard_conforming_strings = off; SELECT f()";
    assert!(run("sql", &[], hides, turned, &settings()).contains("opaque"));
}

#[test]
fn what_a_body_does_to_the_session_is_an_effect_of_who_calls_it() {
    let catalog = with(|_| {});
    let effects = |call: &str| {
        let text = format!("SELECT {call}()");
        let mut analysis = analyse(text.as_bytes(), &settings(), &catalog, &Limits::default());
        analysis.statements.remove(0).effects
    };
    let moved = |done: &Provisional| matches!(done, Provisional::Moved(..));
    assert!(effects("renames").names.iter().any(moved));
    assert!(effects("drops").names.contains(&Provisional::Gone("public".to_owned(), "secret".to_owned())));
    assert!(effects("makes_temp").temp);
    assert!(effects("hangs").hangs_code);
}

#[test]
fn a_text_that_gives_names_of_the_session_another_meaning_is_not_understood() {
    let catalog = with(|_| {});
    for call in ["deallocates", "prepares", "declares"] {
        let told = actions(&catalog, &format!("SELECT {call}()"));
        assert!(told.contains("opaque"), "{call}: {told}");
    }
}

#[test]
fn views_of_postgresql_s_own_call_what_they_call() {
    let view = |oid, schema: &str, name: &str| {
        let mut view = super::fixture::relation(oid, schema, name, policy::RelationKind::View, &["a"]);
        view.functions = vec![517, 600];
        view
    };
    let catalog = with(|changes| {
        changes.relations.push(view(12_101, "pg_catalog", "own"));
        changes.relations.push(view(20_001, "pg_catalog", "not_own"));
        changes.relations.push(view(20_002, "public", "calling"));
    });
    check(&catalog, "SELECT a FROM own", "select view pg_catalog.own");
    let calls = |name: &str| {
        format!(
            "select view {name}, function pg_catalog.set_config, function public.reads, *select table public.secret"
        )
    };
    check(&catalog, "SELECT a FROM not_own", &calls("pg_catalog.not_own"));
    check(&catalog, "SELECT a FROM calling", &calls("public.calling"));
}

#[test]
fn functions_of_the_information_schema_are_harmless_as_long_as_their_bodies_are() {
    let of_schema = |oid, name: &str, body: &str| {
        let mut function = function(oid, name, "sql", Body::Text(body.into()));
        function.schema = "information_schema".to_owned();
        function
    };
    let catalog = with(|changes| {
        changes.schemas =
            Some(["public", "pg_catalog", "other", "information_schema"].map(str::to_owned).into());
        changes.functions.push(of_schema(
            13_000,
            "_pg_expandarray",
            "SELECT $1[elem] FROM generate_series(1, 2) elem",
        ));
        changes.functions.push(of_schema(13_001, "_pg_replaced", "SELECT pw FROM public.secret"));
        changes.functions.push(of_schema(20_000, "added", "SELECT 1"));
    });
    check(&catalog, "SELECT (information_schema._pg_expandarray(a)).n FROM t", "select table public.t");
    check(&catalog, "SELECT * FROM information_schema._pg_expandarray('{1}')", "");
    check(&catalog, "SELECT information_schema._pg_replaced()", "*select table public.secret");
    check(&catalog, "SELECT information_schema.added()", "function information_schema.added");
    let open = catalog.with_provisional(&[Provisional::Function(None, "_pg_expandarray".to_owned())]);
    assert!(actions(&open, "SELECT information_schema._pg_expandarray('{1}')").contains("opaque"));
}
