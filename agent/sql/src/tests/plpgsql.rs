//! PL/pgSQL: DO, and functions whose bodies are in it.

use super::fixture::{actions, is_opaque, read, steers, written};

/// What a block does, or the body of a function.
fn block(body: &str) -> String {
    let text = format!("DO $do$ {body} $do$");
    let found = actions(&text);
    let found = found.strip_prefix("do").unwrap_or_else(|| panic!("{text} gave {found}"));
    found.strip_prefix(", ").unwrap_or(found).to_owned()
}

fn check(body: &str, expected: &str) {
    assert_eq!(block(body), expected, "{body}");
}

fn opaque(body: &str) {
    assert!(block(body).contains("opaque"), "{body} gave {}", block(body));
}

const READS: &str = "select table public.secret";

#[test]
fn every_statement_that_holds_sql_is_read() {
    for body in [
        "BEGIN PERFORM pw FROM secret; END",
        "BEGIN PERFORM (SELECT pw FROM secret); END;",
        "DECLARE v text; BEGIN SELECT pw INTO v FROM secret; END",
        "DECLARE v text; BEGIN SELECT pw FROM secret INTO STRICT v; END",
        "DECLARE v text; w text; BEGIN SELECT pw, owner INTO v, w FROM secret WHERE owner = v; END",
        "DECLARE v record; BEGIN SELECT INTO v pw FROM secret; END",
        "DECLARE v text; BEGIN v := pw FROM secret; END",
        "DECLARE v text; BEGIN v = (SELECT pw FROM secret); END",
        "DECLARE v text[]; BEGIN v[(SELECT 1 FROM secret)] := 'x'; END",
        "DECLARE v record; BEGIN v.x := (SELECT pw FROM secret); END",
        "<<b>> DECLARE v text; BEGIN b.v := (SELECT pw FROM secret); END b",
        "DECLARE v text := (SELECT pw FROM secret); BEGIN END",
        "DECLARE v constant text not null default (SELECT pw FROM secret); BEGIN END",
        "DECLARE v text COLLATE \"C\" = (SELECT pw FROM secret); BEGIN END",
        "BEGIN IF (SELECT pw FROM secret) = 'x' THEN NULL; END IF; END",
        "BEGIN IF false THEN ELSIF EXISTS (SELECT FROM secret) THEN NULL; END IF; END",
        "BEGIN IF false THEN NULL; ELSEIF true THEN ELSE PERFORM pw FROM secret; END IF; END",
        "BEGIN CASE (SELECT pw FROM secret) WHEN 'a', 'b' THEN NULL; ELSE NULL; END CASE; END",
        "BEGIN CASE WHEN true THEN PERFORM pw FROM secret; END CASE; END",
        "BEGIN CASE 1 WHEN 1 THEN NULL; WHEN 2 THEN PERFORM pw FROM secret; END CASE; END",
        "BEGIN CASE 1 WHEN (SELECT 1 FROM secret) THEN NULL; END CASE; END",
        "BEGIN LOOP PERFORM pw FROM secret; EXIT; END LOOP; END",
        "BEGIN <<l>> LOOP CONTINUE l WHEN (SELECT true FROM secret); EXIT l WHEN true; END LOOP l; END",
        "BEGIN WHILE (SELECT true FROM secret) LOOP NULL; END LOOP; END",
        "BEGIN FOR i IN 1..(SELECT 1 FROM secret) LOOP NULL; END LOOP; END",
        "BEGIN FOR i IN REVERSE (SELECT 1 FROM secret) .. 1 BY 2 LOOP NULL; END LOOP; END",
        "BEGIN FOR i IN 1 .. 10 BY (SELECT 1 FROM secret) LOOP NULL; END LOOP; END",
        "DECLARE r record; BEGIN FOR r IN SELECT * FROM secret LOOP NULL; END LOOP; END",
        "DECLARE a text; b text; BEGIN FOR a, b IN (SELECT pw, owner FROM secret) LOOP NULL; END LOOP; END",
        "DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT * FROM secret' LOOP NULL; END LOOP; END",
        "DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT $1' USING (SELECT pw FROM secret), 1 LOOP NULL; END LOOP; END",
        "DECLARE x int; BEGIN FOREACH x SLICE 1 IN ARRAY (SELECT ARRAY[1] FROM secret) LOOP NULL; END LOOP; END",
        "BEGIN RAISE NOTICE '%', (SELECT pw FROM secret); END",
        "BEGIN RAISE EXCEPTION USING MESSAGE = 'x', DETAIL := (SELECT pw FROM secret); END",
        "BEGIN RAISE 'a % %', 1, 2 USING HINT = (SELECT pw FROM secret); END",
        "BEGIN RAISE division_by_zero USING MESSAGE = (SELECT pw FROM secret); END",
        "BEGIN RAISE SQLSTATE '22012' USING MESSAGE = (SELECT pw FROM secret); END",
        "BEGIN ASSERT (SELECT true FROM secret), 'x'; END",
        "BEGIN ASSERT true, (SELECT pw FROM secret); END",
        "BEGIN EXECUTE 'SELECT pw FROM secret'; END",
        "DECLARE v text; BEGIN EXECUTE $q$SELECT pw FROM secret WHERE pw = $1$q$ INTO STRICT v USING 1; END",
        "DECLARE v text; BEGIN EXECUTE 'SELECT $1' USING (SELECT pw FROM secret) INTO v; END",
        "BEGIN EXECUTE 'SELECT 1; SELECT pw FROM secret'; END",
        "BEGIN EXECUTE 'DO $x$ BEGIN EXECUTE ''SELECT pw FROM secret''; END $x$'; END",
        "BEGIN BEGIN RAISE 'x'; EXCEPTION WHEN division_by_zero OR SQLSTATE '22012' THEN NULL; WHEN others THEN PERFORM pw FROM secret; END; END",
        "DECLARE c CURSOR FOR SELECT pw FROM secret; BEGIN OPEN c; CLOSE c; END",
        "DECLARE c NO SCROLL CURSOR (a int, b text) IS SELECT pw FROM secret WHERE owner = b; BEGIN OPEN c(1, b := 'x'); END",
        "DECLARE c CURSOR FOR SELECT pw FROM secret; BEGIN FOR r IN c LOOP NULL; END LOOP; END",
        "DECLARE c CURSOR (a int) FOR SELECT 1; BEGIN FOR r IN c((SELECT 1 FROM secret)) LOOP NULL; END LOOP; END",
        "DECLARE c refcursor; BEGIN OPEN c FOR SELECT pw FROM secret; END",
        "DECLARE c refcursor; BEGIN OPEN c SCROLL FOR EXECUTE 'SELECT pw FROM secret WHERE pw = $1' USING 1; END",
        "DECLARE c refcursor; d ALIAS FOR c; BEGIN OPEN c NO SCROLL FOR SELECT pw FROM secret; MOVE NEXT FROM d; END",
        "/* PERFORM */ BEGIN -- ;\n PERFORM /* ; END */ pw FROM secret; END",
        "#variable_conflict use_column\nBEGIN PERFORM pw FROM secret; END",
        "BEGIN EXPLAIN SELECT pw FROM secret; END",
    ] {
        let found = block(body);
        let only: Vec<&str> =
            found.split(", ").filter(|action| !matches!(*action, "explain" | "do")).collect();
        assert_eq!(only, [READS], "{body}");
    }
}

#[test]
fn what_a_block_does_it_does_itself() {
    check("BEGIN END", "");
    check("BEGIN NULL; END;", "");
    check("DECLARE BEGIN RETURN; END", "");
    check("BEGIN UPDATE t SET a = 1 WHERE b = 'x'; END", "update table public.t, select table public.t");
    check(
        "BEGIN INSERT INTO t (a) VALUES (1) RETURNING a INTO x; DELETE FROM orders; END",
        "insert table public.t, select table public.t, delete-all table public.orders",
    );
    check("BEGIN SET LOCAL ROLE admin; END", "set-role admin");
    check(
        "BEGIN PERFORM set_config('role', 'admin', true); END",
        "*function pg_catalog.set_config, set-role admin",
    );
    check("BEGIN CALL audit(1); END", "call function public.audit");
    check("BEGIN COMMIT; ROLLBACK AND NO CHAIN; END", "transaction");
    check("BEGIN CREATE ROLE x; END", "role x");
    check("BEGIN ALTER SYSTEM SET work_mem = 1; END", "system work_mem");
    check("BEGIN COPY t TO PROGRAM 'id'; END", "select table public.t, copy-program");
    check(
        "BEGIN IMPORT FOREIGN SCHEMA s FROM SERVER x INTO other; END",
        &block("BEGIN EXECUTE 'IMPORT FOREIGN SCHEMA s FROM SERVER x INTO other'; END"),
    );
    check(
        "BEGIN MERGE INTO t USING orders ON a = id WHEN MATCHED THEN DELETE; END",
        "select table public.t, select table public.orders, delete table public.t",
    );
    check(
        "BEGIN CREATE RULE r AS ON INSERT TO t DO (DELETE FROM orders; SELECT 1); DROP TABLE t; END",
        "create rule r, alter table public.t, delete-all table public.orders, drop table public.t",
    );
    check(
        "BEGIN CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END; PERFORM pw FROM secret; END",
        "create function public.f, select table public.secret",
    );
    check(
        "BEGIN CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN RETURN (SELECT pw FROM secret); END $x$; END",
        "create function public.f, select table public.secret",
    );
    check("DECLARE v email; BEGIN END", "function type public.email");
    check("DECLARE v email[] := '{}'; BEGIN END", "function type public.email");
    check(
        "DECLARE a t%ROWTYPE; b secret.pw%TYPE; c public.t; d numeric(10, 2)[]; e a%TYPE; f record; g refcursor; BEGIN END",
        "",
    );
    // Once for everything that it does, however often.
    check(
        "BEGIN FOR i IN 1..2 LOOP DELETE FROM t WHERE a = i; DELETE FROM t WHERE a = i; END LOOP; END",
        "delete table public.t, select table public.t",
    );
}

#[test]
fn a_condition_on_variables_alone_is_none() {
    for (body, found) in [
        ("DECLARE v bool := true; BEGIN DELETE FROM t WHERE v; END", "delete-all table public.t"),
        ("DECLARE v int := 1; BEGIN DELETE FROM t WHERE v = 1; END", "delete-all table public.t"),
        ("<<l>> DECLARE v int := 1; BEGIN DELETE FROM t WHERE l.v = 1; END", "delete-all table public.t"),
        ("DECLARE r record; BEGIN UPDATE t SET a = 1 WHERE r.x; END", "update-all table public.t"),
        ("DECLARE v bool[]; BEGIN DELETE FROM t WHERE v[1]; END", "delete-all table public.t"),
        ("BEGIN FOR i IN 1..2 LOOP DELETE FROM t WHERE i > 0; END LOOP; END", "delete-all table public.t"),
        ("BEGIN DELETE FROM t WHERE found; END", "delete-all table public.t"),
        // With `#variable_conflict use_variable` it is the variable.
        (
            "#variable_conflict use_variable\nDECLARE a int := 1; BEGIN DELETE FROM t WHERE a = 1; END",
            "delete-all table public.t",
        ),
        ("DECLARE v int := 1; BEGIN DELETE FROM t WHERE a = v; END", "delete table public.t"),
        // A field of a variable's that is called as the column.
        ("DECLARE r t; BEGIN DELETE FROM t WHERE a = r.a; END", "delete table public.t"),
        (
            "BEGIN FOR r IN SELECT a FROM t LOOP UPDATE t x SET b = 1 WHERE a = r.a; END LOOP; END",
            "update table public.t",
        ),
        ("DECLARE r t; BEGIN DELETE FROM t WHERE a = t.a; END", "delete-all table public.t"),
        ("DECLARE r t; BEGIN DELETE FROM t r WHERE a = r.a; END", "delete-all table public.t"),
        ("DECLARE t t; BEGIN DELETE FROM t WHERE a = t.a; END", "delete-all table public.t"),
        // Whose name begins as that of a variable is a table's column all the same.
        ("DECLARE public int; BEGIN DELETE FROM t WHERE a = public.t.a; END", "delete-all table public.t"),
        ("DECLARE shop t; BEGIN DELETE FROM t WHERE a = shop.public.t.a; END", "delete-all table public.t"),
        ("BEGIN DELETE FROM t WHERE t.a = public.t.a; END", "delete-all table public.t"),
        ("BEGIN DELETE FROM t WHERE shop.public.t.a = public.t.a; END", "delete-all table public.t"),
        ("BEGIN DELETE FROM t WHERE t.a = public.orders.id; END", "delete table public.t"),
        ("DECLARE a int; r t; BEGIN DELETE FROM t WHERE a = r.a; END", "delete-all table public.t"),
        ("BEGIN EXECUTE 'DELETE FROM t WHERE $1' USING true; END", "delete-all table public.t"),
    ] {
        assert!(block(body).split(", ").any(|action| action == found), "{body} gave {}", block(body));
    }
}

#[test]
fn what_a_block_reads_of_a_column_is_written() {
    let of = |body: &str| written(&format!("DO $do$ {body} $do$"));
    for body in [
        "BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers); END",
        "DECLARE v text; BEGIN SELECT ssn INTO v FROM customers; RAISE NOTICE '%', v; END",
        "DECLARE v text; BEGIN v := ssn FROM customers; END",
        "DECLARE r record; BEGIN FOR r IN SELECT ssn FROM customers LOOP NULL; END LOOP; END",
        "DECLARE v text; BEGIN EXECUTE 'SELECT ssn FROM customers' INTO v; END",
        "BEGIN IF (SELECT ssn FROM customers) = 'x' THEN NULL; END IF; END",
        "DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT ssn FROM customers; END",
        "DECLARE c CURSOR FOR SELECT ssn FROM customers; BEGIN OPEN c; END",
        "DECLARE v text; BEGIN UPDATE customers SET name = 'x' WHERE id = 1 RETURNING ssn INTO v; END",
        "DECLARE v text; BEGIN EXECUTE 'SELECT $1' INTO v USING (SELECT ssn FROM customers); END",
        "BEGIN DO $x$ BEGIN PERFORM ssn FROM customers; END $x$; END",
    ] {
        assert_eq!(of(body), "100.3", "{body}");
    }
    assert_eq!(of("DECLARE v text; BEGIN SELECT name INTO v FROM customers WHERE id = 1; END"), "100.2");
    // A cursor of the session has another's rows.
    assert_eq!(of("DECLARE c refcursor := 'c'; v text; BEGIN FETCH c INTO v; END"), "?");
    assert_eq!(of("DECLARE v int := 1; BEGIN INSERT INTO t VALUES (v); END"), "-");
    assert_eq!(steers("DO $$ BEGIN PERFORM 1 FROM customers WHERE ssn = 'x'; END $$"), "100.3");
    let trigger = |body: &str| {
        written(&format!("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body} END $f$"))
    };
    assert_eq!(trigger("NEW.a := now(); RETURN NEW;"), "-");
    assert_eq!(trigger("RETURN OLD;"), "-");
    assert_eq!(trigger("INSERT INTO t (b) VALUES (NEW.b); RETURN NEW;"), "?");
    assert_eq!(trigger("RAISE NOTICE '%', OLD; RETURN NULL;"), "?");
    assert_eq!(trigger("RAISE NOTICE '%', TG_OP; RETURN NULL;"), "-");
    assert_eq!(
        written(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$ DECLARE n ALIAS FOR NEW; BEGIN RAISE '%', n.x; END $f$"
        ),
        "?"
    );
}

#[test]
fn what_is_no_body_or_not_told_is_opaque() {
    for body in [
        "",
        "SELECT 1",
        "BEGIN",
        "BEGIN END END",
        "BEGIN NULL END",
        "BEGIN PERFORM pw FROM secret END",
        "BEGIN IF true THEN NULL; END; END",
        "BEGIN LOOP NULL; END; END",
        "BEGIN FROB THE t; END",
        "BEGIN SELECT 1 INTO a INTO b; END",
        "BEGIN PERFORM; END",
        "BEGIN x := ; END",
        "BEGIN IF CASE WHEN true THEN true END THEN NULL; END IF; END",
        "BEGIN \"select\" 1; END",
        "BEGIN (SELECT 1); END",
        "DECLARE v; BEGIN END",
        "DECLARE v no_such_type; BEGIN END",
        "DECLARE v missing.a%TYPE; BEGIN END",
        "BEGIN PERFORM 1 FROM missing; END",
        "BEGIN PERFORM no_such(1); END",
        "BEGIN EXECUTE 'SELECT pw FROM ' || 'secret'; END",
        "DECLARE v text; BEGIN EXECUTE v; END",
        "BEGIN EXECUTE format('SELECT %I', 'x'); END",
        "BEGIN EXECUTE E'SELECT \\x31'; END",
        "DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT ' || 1 LOOP NULL; END LOOP; END",
        "BEGIN RETURN QUERY EXECUTE 'a' || 'b'; END",
        "DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE 'a' || 'b'; END",
        "BEGIN OPEN c; END",
        "BEGIN EXECUTE 'PREPARE p AS SELECT 1'; END",
        "BEGIN EXECUTE 'EXECUTE p'; END",
        "BEGIN DEALLOCATE p; END",
        "BEGIN EXECUTE 'DECLARE c CURSOR FOR SELECT 1'; END",
        "DECLARE select CURSOR FOR SELECT 1; BEGIN FOR r IN select LOOP NULL; END LOOP; END",
        "BEGIN SELECT a.insert INTO n FROM t a; END",
        "BEGIN DO LANGUAGE plperl 'x'; END",
        // Strings that may be others by the time they run.
        "BEGIN PERFORM audit(1); PERFORM '\\'' , (SELECT 1 FROM t) --'; END",
        "BEGIN SET standard_conforming_strings = off; EXECUTE $q$SELECT '\\'$q$; END",
    ] {
        opaque(body);
    }
    for text in [
        "DO 'x'",
        "DO LANGUAGE plperl 'BEGIN END'",
        "DO LANGUAGE plpgsql LANGUAGE plperl 'BEGIN END'",
        "DO 'BEGIN END' 'BEGIN END'",
        "DO",
        "DO E'BEGIN \\x45ND'",
        "DO $$ BEGIN END $$ x",
    ] {
        assert!(is_opaque(text), "{text} gave {}", actions(text));
    }
    assert_eq!(
        actions("DO LANGUAGE 'plpgsql' 'BEGIN PERFORM ''x'', pw FROM secret; END'"),
        "do, select table public.secret"
    );
}

#[test]
fn nothing_in_code_hides_code() {
    // Comments, quotes in quotes, labels and variables that are called like what begins a statement.
    for body in [
        "BEGIN /* $x$ */ PERFORM $x$ ' -- $x$, pw FROM secret; END",
        "DECLARE perform text; BEGIN perform := 'x'; perform pw FROM secret; END",
        "DECLARE query text; next int; BEGIN next := 1; query := 'x'; PERFORM pw FROM secret; END",
        "<<secret>> DECLARE secret text; BEGIN PERFORM pw FROM secret; END secret",
        "DECLARE \"end\" text; BEGIN \"end\" := (SELECT pw FROM secret); END",
        "DECLARE pw int; BEGIN PERFORM pw FROM secret; END",
        "DECLARE exception int; BEGIN exception := 1; PERFORM pw FROM secret; END",
        "BEGIN IF true THEN <<l>> BEGIN PERFORM pw FROM secret; END l; END IF; END",
        "DECLARE into_ text; BEGIN PERFORM 1 AS into_, pw FROM secret; END",
        "BEGIN IF true THEN IF true THEN NULL; ELSE PERFORM pw FROM secret; END IF; END IF; END",
        "BEGIN FOR secret IN SELECT pw FROM secret LOOP NULL; END LOOP; END",
        "BEGIN EXECUTE $a$ DO $b$ BEGIN EXECUTE $c$ SELECT pw FROM secret $c$; END $b$ $a$; END",
    ] {
        let found = block(body);
        assert!(found.contains(READS), "{body} gave {found}");
    }
    // A label is no column, and a variable hides none.
    assert_eq!(written("DO $$ DECLARE ssn text; BEGIN PERFORM ssn FROM customers; END $$"), "100.3");
    assert_eq!(
        written("DO $$ <<customers>> DECLARE ssn text; BEGIN PERFORM customers.ssn FROM customers; END $$"),
        "100.3"
    );
    let mut body = "PERFORM 1;".to_owned();
    for depth in 0..20 {
        body = format!("DO $a{depth}$ BEGIN {body} END $a{depth}$;");
    }
    assert!(actions(&body).contains("opaque"));
    let nested =
        format!("DO $$ {} PERFORM pw FROM secret; {} $$", "BEGIN ".repeat(1000), "END; ".repeat(1000));
    assert!(is_opaque(&nested));
}

#[test]
fn names_behind_what_moves_them_are_not_trusted() {
    for body in [
        "BEGIN PERFORM set_config('search_path', 'other', false); CREATE TABLE n (a int); END",
        "BEGIN SET search_path = other; CREATE TABLE n (a int); END",
        "BEGIN EXECUTE 'SET search_path = other'; CREATE TABLE n (a int); END",
        // What comes later in a loop comes before, too.
        "BEGIN LOOP CREATE TABLE n (a int); SET search_path = other; END LOOP; END",
        "BEGIN FOR i IN 1..2 LOOP CREATE TABLE n (a int); DO $x$ BEGIN SET search_path = other; END $x$; END LOOP; END",
        "BEGIN LOOP PERFORM a FROM t; ALTER SCHEMA other RENAME TO u; END LOOP; END",
        "DECLARE c CURSOR FOR SELECT a FROM t; BEGIN ALTER SCHEMA other RENAME TO u; OPEN c; END",
        "BEGIN ALTER FUNCTION audit(int) RENAME TO lower; PERFORM lower('x'); END",
        "BEGIN COMMIT; CREATE TABLE n (a int); END",
    ] {
        opaque(body);
    }
    // One of its own may not have been made after all.
    for body in [
        "BEGIN IF false THEN CREATE TEMP TABLE secret (pw text); END IF; PERFORM pw FROM secret; END",
        "BEGIN CREATE TEMP TABLE secret (pw text); PERFORM pw FROM secret; END",
        "BEGIN BEGIN CREATE TABLE other.secret (pw text); EXCEPTION WHEN others THEN NULL; END; PERFORM pw FROM secret; END",
        "BEGIN LOOP PERFORM pw FROM secret; CREATE TEMP TABLE secret (pw text); END LOOP; END",
        "BEGIN IF false THEN DROP TABLE secret; CREATE TEMP TABLE secret (pw text); END IF; PERFORM pw FROM secret; END",
        "BEGIN IF false THEN ALTER TABLE secret RENAME TO x; END IF; PERFORM pw FROM secret; END",
        "BEGIN LOOP PERFORM a FROM t; ALTER TABLE t RENAME TO u; ALTER TABLE secret RENAME TO t; END LOOP; END",
        "DECLARE c CURSOR FOR SELECT a FROM t; BEGIN ALTER TABLE t RENAME TO u; ALTER TABLE secret RENAME TO t; OPEN c; END",
        "BEGIN IF false THEN ALTER TABLE secret SET SCHEMA other; END IF; PERFORM pw FROM other.secret; END",
        "BEGIN ALTER TABLE secret INHERIT t; PERFORM a FROM t; END",
    ] {
        let found = block(body);
        assert!(found.contains(READS) && !found.contains("opaque"), "{body} gave {found}");
    }
    check(
        "BEGIN DROP TABLE IF EXISTS n; CREATE TEMP TABLE n AS SELECT a FROM t; INSERT INTO n SELECT a FROM n; END",
        "drop table public.n, create table pg_temp.n, select table public.t, insert table pg_temp.n, select table pg_temp.n",
    );
}

#[test]
fn effects_of_a_block_are_the_statements() {
    let effects = |body: &str| read(&format!("DO $do$ {body} $do$")).statements.remove(0).effects;
    assert_eq!(effects("BEGIN PERFORM 1; INSERT INTO t VALUES (1); END"), crate::Effects::default());
    assert!(effects("BEGIN SET search_path = other; END").search_path);
    assert!(effects("BEGIN EXECUTE 'SET standard_conforming_strings = off'; END").string_syntax);
    assert!(effects("BEGIN IF true THEN CREATE TEMP TABLE n (a int); END IF; END").temp);
    assert!(effects("BEGIN CREATE TABLE n (a int); END").ddl);
    assert!(
        effects("BEGIN DROP TABLE t; END")
            .names
            .contains(&policy::catalog::Provisional::Gone("public".to_owned(), "t".to_owned()))
    );
    let moved = effects("BEGIN ALTER TABLE t RENAME TO u; END").names;
    let named = |name: &str| ("public".to_owned(), name.to_owned());
    assert!(moved.contains(&policy::catalog::Provisional::Moved(named("t"), named("u"))));
    assert!(effects("BEGIN CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION audit(); END").hangs_code);
    assert!(effects("DECLARE c refcursor; BEGIN CLOSE c; END").reopens);
    let ends = effects("BEGIN COMMIT; END");
    assert!(ends.transaction.is_none() && ends.renames && ends.search_path && ends.string_syntax);
    // What is only defined is not done.
    let text = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE t; SET search_path = other; CREATE TEMP TABLE n (a int); END $$";
    let statement = read(text).statements.remove(0);
    let effects = &statement.effects;
    assert!(effects.ddl && effects.names.len() == 1 && !effects.search_path && !effects.temp, "{effects:?}");
    assert_eq!(statement.done().len(), 1);
    assert!(statement.actions.iter().any(|action| action.to_string() == "drop table public.t"));
}

#[test]
fn bodies_of_functions_are_read_with_their_arguments() {
    let of = |head: &str, body: &str| {
        actions(&format!("CREATE FUNCTION f{head} LANGUAGE plpgsql AS $f$ {body} $f$"))
    };
    for (head, body, found) in [
        ("(n int) RETURNS int", "BEGIN RETURN n + $1 + f.n; END", "create function public.f"),
        (
            "(n int) RETURNS SETOF int",
            "BEGIN RETURN NEXT n; RETURN NEXT; RETURN QUERY SELECT a FROM t WHERE a = n; END",
            "create function public.f, select table public.t",
        ),
        (
            "(n int) RETURNS TABLE (a int)",
            "BEGIN RETURN QUERY EXECUTE 'SELECT pw FROM secret' USING n, a; RETURN; END",
            "create function public.f, select table public.secret",
        ),
        ("(n int) RETURNS int", "BEGIN RETURN f(n - 1); END", "create function public.f, function public.f"),
        (
            "(n int) RETURNS bool",
            "DECLARE m ALIAS FOR $1; BEGIN DELETE FROM t WHERE m = 1; RETURN (SELECT true); END",
            "create function public.f, delete-all table public.t, select table public.t",
        ),
        (
            "() RETURNS trigger",
            "BEGIN IF TG_OP = 'INSERT' THEN NEW.a := audit(1); END IF; RETURN NEW; END",
            "create function public.f, function public.audit",
        ),
        (
            "(INOUT n int, OUT m int)",
            "BEGIN m := n; GET STACKED DIAGNOSTICS n = ROW_COUNT, m = PG_CONTEXT; END",
            "create function public.f",
        ),
    ] {
        assert_eq!(of(head, body), found, "{body}");
    }
    assert!(
        of(
            "(n int) RETURNS int SECURITY DEFINER SET search_path = other, pg_temp",
            "BEGIN RETURN (SELECT id FROM notes); END"
        )
        .ends_with("select table other.notes")
    );
    assert!(of("() RETURNS int", "BEGIN EXECUTE 'SELECT ' || $1; END").contains("opaque"));
}

#[test]
fn what_is_not_understood_of_a_body_is_told_with_its_place() {
    let place = |text: &str| {
        let actions = read(text).statements.remove(0).actions;
        actions.into_iter().find(|action| action.verb == policy::Verb::Opaque).unwrap().detail.position
    };
    let text = "DO $$ BEGIN EXECUTE 'SELECT ' || x; END $$";
    assert_eq!(place(text), Some(u32::try_from(text.find("'SELECT").unwrap()).unwrap() + 1));
    let text = "DO $$ BEGIN PERFORM 1 FROM missing; END $$";
    assert_eq!(place(text), Some(u32::try_from(text.find("missing").unwrap()).unwrap() + 1));
    // Where quotes are doubled it is where the statement is.
    assert_eq!(place("DO 'BEGIN PERFORM ''x'' FROM missing; END'"), Some(1));
}
