//! Code that a statement brings along.

use super::fixture::{actions, is_opaque, read, steers, written};

fn check(text: &str, expected: &str) {
    assert_eq!(actions(text), expected, "{text}");
}

/// All of these are among what is done, and all of it is understood.
fn finds(text: &str, found: &[&str]) {
    let all = actions(text);
    assert!(!is_opaque(text), "{text} gave {all}");
    for action in found {
        assert!(all.split(", ").any(|one| one == *action), "{text} gave {all}, not {action}");
    }
}

fn opaque(text: &str) {
    assert!(is_opaque(text), "{text} gave {}", actions(text));
}

#[test]
fn elements_of_a_schema_are_made_in_it() {
    check(
        "CREATE SCHEMA s CREATE TABLE n (a int DEFAULT 1) CREATE VIEW v AS SELECT audit(pw) FROM secret",
        "create schema s, create table s.n, create view s.v, select table public.secret, function public.audit",
    );
    // In the order in which they run, with names of the new schema first.
    check(
        "CREATE SCHEMA s GRANT SELECT ON n TO x WITH GRANT OPTION CREATE VIEW n2 AS SELECT a AS create FROM n CREATE UNIQUE INDEX ON n (a) CREATE TABLE n (a int)",
        "create schema s, create table s.n, create view s.n2, select table s.n, create index s.n, grant table s.n",
    );
    finds(
        "CREATE SCHEMA s CREATE SEQUENCE q CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit()",
        &["create sequence s.q", "create trigger g", "alter table public.t", "function public.audit"],
    );
    finds("CREATE SCHEMA s GRANT CREATE, USAGE ON SCHEMA other TO x", &["grant schema other"]);
    // One of the same name that was there before is not certainly another.
    finds(
        "CREATE SCHEMA s CREATE TABLE secret (a int) CREATE VIEW v AS SELECT a FROM secret",
        &["select table s.secret", "select table public.secret"],
    );
    // They run as the role that owns the schema.
    finds(
        "CREATE SCHEMA s AUTHORIZATION admin GRANT SELECT ON public.secret TO x",
        &["create schema s", "set-role admin", "grant table public.secret"],
    );
    finds("CREATE SCHEMA s AUTHORIZATION CURRENT_USER CREATE TABLE n (a int)", &["create table s.n"]);
    check("CREATE SCHEMA AUTHORIZATION admin", "create schema admin");
    assert_eq!(read("CREATE SCHEMA s AUTHORIZATION admin").statements[0].actions[0].detail.roles, ["admin"]);
    for text in [
        "CREATE SCHEMA s DROP TABLE t",
        "CREATE SCHEMA s CREATE TABLE",
        "CREATE SCHEMA s x",
        "CREATE SCHEMA AUTHORIZATION CURRENT_USER CREATE TABLE n (a int)",
        "CREATE SCHEMA AUTHORIZATION admin CREATE TABLE n (a int)",
        "CREATE SCHEMA s CREATE VIEW v AS SELECT 1 FROM missing",
    ] {
        opaque(text);
    }
    let effects = &read("CREATE SCHEMA s CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION audit()")
        .statements[0]
        .effects;
    assert!(effects.ddl && effects.hangs_code);
}

#[test]
fn actions_of_a_rule_are_told_where_it_is_made() {
    check(
        "CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO other.notes (id) VALUES (NEW.a)",
        "create rule r, alter table public.t, select table public.t, insert table other.notes",
    );
    check(
        "CREATE OR REPLACE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "create rule r, alter table public.t",
    );
    check(
        "CREATE RULE r AS ON UPDATE TO t WHERE OLD.do <> 1 AND audit(NEW.a) DO (DELETE FROM secret; ; SELECT pw FROM secret; NOTIFY x)",
        "create rule r, alter table public.t, select table public.t, function public.audit, delete-all table public.secret, select table public.secret, notify channel x",
    );
    finds(
        "CREATE RULE \"_RETURN\" AS ON SELECT TO t DO INSTEAD (SELECT 1, 'x') UNION (SELECT 1, pw FROM secret)",
        &["alter table public.t", "select table public.secret"],
    );
    finds(
        "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT set_config('role', 'admin', false)",
        &["set-role admin"],
    );
    // What is true whatever the row is chooses nothing.
    finds(
        "CREATE RULE r AS ON DELETE TO t DO ALSO DELETE FROM orders WHERE OLD.a = 1",
        &["delete-all table public.orders"],
    );
    finds(
        "CREATE RULE r AS ON DELETE TO t DO ALSO DELETE FROM orders WHERE id = OLD.a",
        &["delete table public.orders"],
    );
    for text in [
        "CREATE RULE r AS ON INSERT TO t DO ALSO DROP TABLE missing",
        "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 1 FROM missing",
        "CREATE RULE r AS ON INSERT TO t DO ALSO",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT FROM FROM t)",
        "CREATE RULE r AS ON TRUNCATE TO t DO NOTHING",
        "CREATE RULE r AS ON INSERT TO t WHERE a DO",
    ] {
        opaque(text);
    }
}

#[test]
fn what_code_stores_is_written_and_what_it_only_defines_is_not_done() {
    assert_eq!(
        written("CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO orders SELECT ssn FROM customers"),
        "100.3"
    );
    // Rows that come from elsewhere may carry anything.
    assert_eq!(written("CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO orders VALUES (NEW.a)"), "?");
    assert_eq!(
        steers("CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 1 FROM customers WHERE ssn = 'x'"),
        "100.3"
    );
    let text = "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT set_config('search_path', 'other', false)";
    let statement = &read(text).statements[0];
    assert!(!statement.effects.search_path && statement.effects.hangs_code);
    assert_eq!(statement.done().len(), 2);
}

#[test]
fn a_relation_that_a_text_creates_hides_no_other() {
    // The columns of the one that was there say nothing of the other's.
    let text = "CREATE TEMP TABLE t (z int); INSERT INTO orders SELECT (SELECT a FROM t) FROM (SELECT ssn AS a FROM customers) q";
    let statements = read(text).statements;
    assert_eq!(statements[1].written, policy::Lineage::Unknown);
    let found = actions(text);
    assert!(found.contains("select table pg_temp.t") && found.contains("select table public.t"), "{found}");
    let found = actions("CREATE TEMP TABLE customers (z int); COPY customers TO STDOUT");
    assert!(
        found.contains("copy-out table public.customers")
            && found.contains("copy-out table pg_temp.customers"),
        "{found}"
    );
}

#[test]
fn the_body_of_a_function_is_told_where_it_is_made() {
    check(
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET work_mem TO '1MB' SET x.y FROM CURRENT AS 'SELECT pw FROM secret'",
        "create function public.f, *set work_mem, *set x.y, select table public.secret",
    );
    check(
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT pw FROM secret'",
        "create function public.f, select table public.secret",
    );
    for body in [
        "AS $$SELECT pw FROM secret$$ LANGUAGE sql",
        "LANGUAGE 'sql' AS $_$ SELECT pw /* $$ */ FROM secret; -- $_x$\n $_$ STABLE",
        "LANGUAGE sql AS 'SELECT pw || ''x'' FROM secret'",
        "LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS 'SELECT pw FROM secret'",
        "RETURN (SELECT pw FROM secret)",
        "BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT pw FROM secret; END",
        "LANGUAGE sql BEGIN ATOMIC RETURN (SELECT pw FROM secret); END",
        "LANGUAGE sql COST 10 ROWS 1.5 PARALLEL safe NOT LEAKPROOF CALLED ON NULL INPUT RETURN (SELECT pw FROM secret)",
        "RETURNS NULL ON NULL INPUT TRANSFORM FOR TYPE int, FOR TYPE text LANGUAGE sql IMMUTABLE AS 'SELECT pw FROM secret'",
    ] {
        check(
            &format!(
                "CREATE OR REPLACE FUNCTION f(int, IN b text, OUT double precision, VARIADIC c int[] = '{{}}') {body}"
            ),
            "create function public.f, select table public.secret",
        );
    }
    for (function, found) in [
        ("f(a int DEFAULT audit(1)) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.audit"),
        (
            "f() RETURNS TABLE (a int, b text) LANGUAGE sql AS 'SELECT a, b FROM t; DELETE FROM orders'",
            "delete-all table public.orders",
        ),
        ("f() RETURNS int LANGUAGE sql SET role = admin AS 'SELECT 1'", "set-role admin"),
        ("f() RETURNS int LANGUAGE sql SET ROLE admin AS 'SELECT 1'", "set-role admin"),
        ("f() RETURNS int LANGUAGE sql SET SESSION AUTHORIZATION 'admin' AS 'SELECT 1'", "set-role admin"),
        ("f() RETURNS int LANGUAGE sql SUPPORT audit AS 'SELECT 1'", "function public.audit"),
        (
            "f() RETURNS int LANGUAGE sql SET search_path = other AS 'SELECT id FROM notes'",
            "select table other.notes",
        ),
        (
            "f() RETURNS int LANGUAGE sql SET search_path TO 'other', '' AS 'SELECT id FROM notes'",
            "select table other.notes",
        ),
        ("f(n int) RETURNS int LANGUAGE sql AS 'SELECT n * f(n - 1)'", "function public.f"),
        ("f(n int) RETURNS int LANGUAGE sql AS 'DELETE FROM t WHERE f.n = 1'", "delete-all table public.t"),
        ("f(n int) RETURNS int LANGUAGE sql AS 'DELETE FROM t WHERE $1 = 1'", "delete-all table public.t"),
        ("f(n int) RETURNS int LANGUAGE sql AS 'DELETE FROM t WHERE a = n'", "delete table public.t"),
        ("f(n int) RETURNS int LANGUAGE sql AS 'SELECT n.audit'", "function public.audit"),
        (
            "f(n int) RETURNS int LANGUAGE sql AS 'CREATE TEMP TABLE z (a int); INSERT INTO z SELECT a FROM t'",
            "insert table pg_temp.z",
        ),
        (
            "f() RETURNS int LANGUAGE sql AS E'SELECT pw\\n\\tFROM secret\\r\\nWHERE pw <> \\'--\\' OR owner = ''\\\\''\\f'",
            "select table public.secret",
        ),
        ("f() RETURNS int LANGUAGE sql AS E'SELECT 1 -- \\n FROM s\\ecret'", "select table public.secret"),
        ("f() RETURNS int LANGUAGE sql AS 'SELECT set_config(''role'', ''admin'', true)'", "set-role admin"),
    ] {
        finds(&format!("CREATE FUNCTION {function}"), &[found]);
        let procedure = function.replace(" RETURNS int", "").replace(" RETURNS TABLE (a int, b text)", "");
        finds(&format!("CREATE OR REPLACE PROCEDURE {procedure}"), &[found]);
    }
    for function in [
        "f() RETURNS int LANGUAGE c AS 'x', 'y'",
        "f() RETURNS int LANGUAGE sql AS 'x', 'y'",
        "f() RETURNS int LANGUAGE internal AS 'pg_read_file'",
        "f() RETURNS int LANGUAGE plperl AS 'SELECT 1'",
        "f() RETURNS int LANGUAGE \"SQL\" AS 'SELECT 1'",
        "f() RETURNS int AS 'SELECT 1'",
        "f() RETURNS int LANGUAGE sql",
        "f() RETURNS int LANGUAGE sql LANGUAGE plperl AS 'SELECT 1'",
        "f() RETURNS int LANGUAGE sql AS 'SELECT 1' AS 'SELECT pw FROM secret'",
        "f() RETURNS int LANGUAGE sql AS 'SELECT 1' FROB",
        "f() RETURNS int LANGUAGE sql AS E'SELECT \\x31'",
        "f() RETURNS int LANGUAGE sql AS E'SELECT \\061'",
        "f() RETURNS int LANGUAGE sql AS E'SELECT \\u0031'",
        "f() RETURNS int LANGUAGE sql AS E'SELECT 1 \\'\n'FROM secret'",
        "f() RETURNS int LANGUAGE sql AS U&'SELECT 1'",
        "f() RETURNS int LANGUAGE sql AS 'SELECT'\n' 1'",
        "f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM missing'",
        "f() RETURNS int LANGUAGE sql AS 'SELECT FROM FROM t'",
        "f() RETURNS int LANGUAGE sql AS 'SELECT 1) FROM (t'",
        "f() RETURNS int LANGUAGE sql SET search_path = \"$user\" AS 'SELECT 1 FROM missing'",
        "f() RETURNS int LANGUAGE sql SET standard_conforming_strings = off AS 'SELECT ''\\'''",
        "f() RETURNS int LANGUAGE sql AS 'SELECT audit(1); SELECT ''\\'''",
        "f() RETURNS int LANGUAGE sql SET role FROM CURRENT AS 'SELECT 1'",
        "f(a b c d) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "f() RETURNS int BEGIN ATOMIC SELECT 1; END x",
    ] {
        opaque(&format!("CREATE FUNCTION {function}"));
    }
}

#[test]
fn a_function_that_the_text_makes_is_called_by_what_was_told_of_it() {
    let f = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT a FROM t'; ";
    assert_eq!(
        actions(&format!("{f}SELECT f()")),
        "create function public.f, select table public.t; function public.f, *select table public.t"
    );
    // What it runs moves no names.
    assert!(!is_opaque(&format!("{f}SELECT f(); CREATE TABLE n (a int)")));
    assert_eq!(super::fixture::output(&format!("{f}SELECT f()")), "unknown");
    for text in [
        "CREATE FUNCTION f() RETURNS int LANGUAGE plperl AS 'x'; SELECT f()",
        "CREATE FUNCTION lower(int) RETURNS int LANGUAGE plperl AS 'x'; SELECT lower(1)",
        "ALTER FUNCTION audit(int) RENAME TO lower; SELECT lower(1)",
        "ALTER FUNCTION audit(int) RENAME TO f; SELECT f()",
    ] {
        let found = actions(text);
        let (_, last) = found.rsplit_once("; ").unwrap();
        assert!(last.contains("opaque"), "{text} gave {found}");
    }
    let text = "CREATE FUNCTION lower(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT lower(1)";
    assert!(actions(text).ends_with("; function public.lower"), "{}", actions(text));
}

#[test]
fn what_a_function_changes_is_followed_where_the_text_calls_it() {
    let made = |body: &str, then: &str| {
        let text = format!("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS '{body}'; SELECT f(); {then}");
        let found = actions(&text);
        found.rsplit_once("; ").unwrap().1.to_owned()
    };
    for (body, then) in [
        ("ALTER SCHEMA other RENAME TO o", "SELECT a FROM t"),
        ("SET search_path = other", "CREATE TABLE n (a int)"),
    ] {
        assert!(made(body, then).contains("opaque"), "{body}: {}", made(body, then));
    }
    assert_eq!(
        made("ALTER TABLE t RENAME TO o", "SELECT a FROM o"),
        "select table public.o, *select table public.t"
    );
    let either = made("CREATE TEMP TABLE t (a int)", "SELECT a FROM t");
    assert!(
        either.starts_with("select table pg_temp.t, select table public.t") && !either.contains("opaque")
    );
    assert_eq!(made("SELECT 1", "SELECT a FROM t"), "select table public.t");
    let text = "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE t'; SELECT a FROM t";
    assert!(!is_opaque(text));
}

#[test]
fn much_code_ends_in_a_verdict() {
    let started = std::time::Instant::now();
    let many =
        |piece: &str, count: usize| format!("DO $$ DECLARE v int; BEGIN {} END $$", piece.repeat(count));
    for text in [
        many("v := 1;", 100_000),
        many("LOOP v := 1; END LOOP;", 40_000),
        many("IF true THEN NULL; END IF;", 40_000),
        many("PERFORM 1 FROM missing;", 40_000),
        many("CREATE TEMP TABLE n (a int); PERFORM 1 FROM n;", 20_000),
        format!(
            "DO $$ DECLARE c CURSOR FOR SELECT {}; BEGIN {} END $$",
            "1,".repeat(100_000) + "1",
            "SET search_path = a; OPEN c;".repeat(20_000)
        ),
        "DO $a$ BEGIN LOOP PERFORM audit(1); ".repeat(3) + &"x := 1;".repeat(50_000),
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';".repeat(15_000),
        format!("DO '{}'", "''".repeat(500_000)),
    ] {
        let _ = actions(&text);
    }
    assert!(is_opaque(&many("v := 1;", 100_000)));
    assert!(!is_opaque(&many("v := 1;", 1000)));
    // In a debug build.
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}

/// Bodies are looked through for each statement that runs them; what they make is copied once.
#[test]
fn many_calls_of_a_body_end_in_a_verdict() {
    let is_opaque = |text: &str| {
        let limits = crate::Limits { bodies: 1 << 20, ..crate::Limits::default() };
        let settings = super::fixture::settings();
        let read = crate::analyse(text.as_bytes(), &settings, &super::fixture::catalog(), &limits);
        read.statements.iter().any(|s| s.actions.iter().any(|a| a.verb == policy::Verb::Opaque))
    };
    let calls = |body: &str, count: usize| {
        let made = format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS '{body}'; ");
        made + &"SELECT f();".repeat(count)
    };
    let long = format!("BEGIN PERFORM {}1; END", "1,".repeat(500));
    assert!(!is_opaque(&calls(&long, 500)) && is_opaque(&calls(&long, 2000)));
    let made: String = (0..1000).map(|at| format!("CREATE TABLE n{at} (); ")).collect();
    assert!(!is_opaque(&(made + &calls("BEGIN CREATE TEMP TABLE x (a int); END", 5000))));
}

#[test]
fn a_function_that_may_find_other_names_than_it_was_made_with_is_not_trusted() {
    let f = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT a FROM t'; ";
    let g = "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM a FROM t; RETURN NEW; END$$; ";
    // What its names stand for now, and all that they may stand for.
    let other = "CREATE TABLE other.t (a int); ";
    for text in [
        format!("{f}{other}SET search_path = other, public; SELECT f()"),
        format!(
            "{other}{f}CREATE FUNCTION h() RETURNS int LANGUAGE sql SET search_path = other AS 'SELECT public.f()'; SELECT h()"
        ),
        format!("{f}{other}DO $$BEGIN LOOP PERFORM f(); SET search_path = other; END LOOP; END$$"),
        format!("{f}{other}ALTER TABLE t RENAME TO u; SET search_path = other; SELECT public.f()"),
        format!(
            "{g}{other}CREATE TRIGGER x BEFORE INSERT ON public.orders EXECUTE FUNCTION g(); SET search_path = other, public; INSERT INTO public.orders VALUES (1)"
        ),
        format!(
            "{g}{other}DO $$BEGIN CREATE TRIGGER x BEFORE INSERT ON public.orders EXECUTE FUNCTION g(); SET search_path = other, public; END$$; INSERT INTO public.orders VALUES (1)"
        ),
        format!(
            "{f}{other}CREATE TABLE public.n (a int DEFAULT f()); SET search_path = other, public; INSERT INTO public.n VALUES (DEFAULT)"
        ),
    ] {
        let found = actions(&text);
        let (_, last) = found.rsplit_once("; ").unwrap();
        assert!(
            last.contains("*select table other.t") || last.contains("select table other.t"),
            "{text} gave {found}"
        );
    }
    let text = "CREATE TRIGGER x BEFORE INSERT ON public.orders EXECUTE FUNCTION audit(); SET ROLE other; INSERT INTO public.orders VALUES (1)";
    assert!(
        actions(text).ends_with("insert table public.orders, *function public.audit"),
        "{}",
        actions(text)
    );
    opaque(&format!("{f}ALTER SCHEMA other RENAME TO o; SELECT f()"));
    for text in [
        format!("{f}SELECT f(); SELECT f(); INSERT INTO t VALUES (1)"),
        format!(
            "{g}CREATE TRIGGER x BEFORE INSERT ON orders EXECUTE FUNCTION g(); INSERT INTO public.orders VALUES (1)"
        ),
        format!("{f}CREATE FUNCTION h() RETURNS int LANGUAGE sql AS 'SELECT f()'; SELECT h()"),
    ] {
        assert!(!is_opaque(&text), "{text} gave {}", actions(&text));
    }
}

#[test]
fn a_trigger_s_function_reads_the_rows_of_a_statement() {
    let function = |returns: &str, body: &str| {
        actions(&format!(
            "CREATE FUNCTION f() RETURNS {returns} LANGUAGE plpgsql AS $$BEGIN {body} RETURN NULL; END$$"
        ))
    };
    let inserts = "INSERT INTO t SELECT n.a, n.b FROM new_rows n JOIN old_rows o USING (id);";
    assert_eq!(function("trigger", inserts), "create function public.f, insert table public.t");
    assert_eq!(
        function("trigger", "PERFORM 1 FROM secret;"),
        "create function public.f, select table public.secret"
    );
    for (returns, body) in [
        ("int", inserts),
        ("event_trigger", inserts),
        // What is written to is no such table, nor what has a schema; and what another schema has may be meant.
        ("trigger", "INSERT INTO new_rows VALUES (1);"),
        ("trigger", "PERFORM 1 FROM public.new_rows;"),
        ("trigger", "PERFORM 1 FROM notes;"),
        ("trigger", "EXECUTE 'SELECT 1 FROM new_rows';"),
    ] {
        assert!(function(returns, body).contains("opaque"), "{body}");
    }
    let made = actions(
        "CREATE TABLE new_rows (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM 1 FROM new_rows; RETURN NULL; END$$",
    );
    assert!(made.ends_with("create function public.f, select table public.new_rows"), "{made}");
}

#[test]
fn a_recursive_view_reads_itself() {
    check(
        "CREATE OR REPLACE RECURSIVE VIEW n (a) AS SELECT pw FROM secret UNION ALL SELECT a FROM n WHERE a < 5",
        "create view public.n, select table public.secret",
    );
    opaque("CREATE RECURSIVE VIEW n (a) AS VALUES (1) UNION ALL SELECT a FROM public.n");
    opaque("CREATE VIEW n (a) AS VALUES (1) UNION ALL SELECT a FROM n");
}
