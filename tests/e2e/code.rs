//! Code that a job brings itself: what it does is judged, when it runs and when it is made for later.

use anyhow::{Result, ensure};
use e2e::wire::Wire;
use e2e::{Setup, story};

use crate::effects::{EFFECTS, Shows, check, passes, setup, texts};
use crate::steps::play;

fn code() -> Setup {
    let mut setup = setup();
    setup.database.push_str(
        "GRANT CREATE ON DATABASE shop TO shop_service, app; GRANT CREATE ON SCHEMA public TO app;\n",
    );
    setup
}

#[test]
fn what_a_rule_or_an_element_of_a_schema_does_is_judged_where_it_is_made() -> Result<()> {
    story(&code(), |world| {
        check(
            world,
            vec![
                (
                    "a view in a new schema",
                    texts(&["CREATE SCHEMA s CREATE VIEW v AS SELECT a FROM vault.secret", "TABLE s.v"]),
                    Shows::Told,
                ),
                (
                    "a view of a table that is hidden by no other",
                    texts(&[
                        "CREATE SCHEMA s CREATE TABLE vault (a text) CREATE VIEW v AS SELECT pw FROM secret",
                        "TABLE s.v",
                    ]),
                    Shows::Told,
                ),
                (
                    "a table of another role",
                    texts(&["CREATE SCHEMA s AUTHORIZATION app CREATE TABLE made (a int)"]),
                    Shows::In(
                        "SELECT count(*) FROM pg_tables WHERE tablename = 'made' AND tableowner = 'app'",
                    ),
                ),
                (
                    "a rule that reads",
                    texts(&[
                        "CREATE TABLE o (a text)",
                        "CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO o SELECT a FROM vault.secret",
                        "INSERT INTO t VALUES (2, 'y')",
                        "TABLE o",
                    ]),
                    Shows::Told,
                ),
                (
                    "a rule in the same transaction",
                    texts(&[
                        "BEGIN; CREATE RULE r AS ON INSERT TO t DO ALSO (NOTIFY x; DELETE FROM vault.secret); INSERT INTO t VALUES (2, 'y'); COMMIT",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.secret"),
                ),
                (
                    "a rule that makes a view of a table",
                    texts(&[
                        "CREATE TABLE o (a text)",
                        "CREATE RULE \"_RETURN\" AS ON SELECT TO o DO INSTEAD SELECT a FROM vault.secret",
                        "TABLE o",
                    ]),
                    Shows::Told,
                ),
                (
                    "the condition of a rule",
                    texts(&[
                        "CREATE RULE r AS ON INSERT TO t WHERE run(NEW.b) <> '' DO INSTEAD NOTHING",
                        "INSERT INTO t VALUES (2, 'y')",
                    ]),
                    EFFECTS,
                ),
            ],
        )?;
        passes(
            world,
            &[
                "CREATE SCHEMA s CREATE VIEW v AS SELECT a FROM public.t",
                "CREATE RULE r AS ON INSERT TO t WHERE NEW.a > 1 DO ALSO INSERT INTO effects VALUES (NEW.b)",
                "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
            ],
        )
    })
}

#[test]
fn what_a_function_runs_is_judged_where_it_is_made() -> Result<()> {
    story(&code(), |world| {
        check(
            world,
            vec![
                (
                    "a function",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT a FROM vault.secret'",
                        "SELECT f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a function of the same text",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $a$SELECT /* $b$ */ a FROM vault.secret$a$; SELECT f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a function with a path of its own",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text LANGUAGE sql SET search_path TO 'vault' AS 'SELECT a FROM secret'",
                        "SELECT f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a function without a string",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text RETURN (SELECT a FROM vault.secret)",
                        "SELECT f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a function of statements",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT a FROM vault.secret; END",
                        "SELECT f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a default of an argument",
                    texts(&[
                        "CREATE FUNCTION f(a text DEFAULT run('x')) RETURNS text LANGUAGE sql AS 'SELECT a'",
                        "SELECT f()",
                    ]),
                    EFFECTS,
                ),
                (
                    "an argument that a domain checks",
                    texts(&[
                        "CREATE FUNCTION f(a ran) RETURNS int LANGUAGE sql AS 'SELECT length(a)'",
                        "SELECT f('x')",
                    ]),
                    EFFECTS,
                ),
                (
                    "a result that a domain checks",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS ran LANGUAGE plpgsql AS $$BEGIN RETURN 'x'; END$$",
                        "SELECT f()",
                    ]),
                    EFFECTS,
                ),
                (
                    "a variable that a domain checks",
                    texts(&["DO $$DECLARE a ran; BEGIN a := 'x'; END$$"]),
                    EFFECTS,
                ),
                (
                    "a procedure that becomes another role",
                    texts(&[
                        "CREATE PROCEDURE p() LANGUAGE sql AS 'SET ROLE app; CREATE TABLE public.made (a int)'",
                        "CALL p()",
                    ]),
                    Shows::In(
                        "SELECT count(*) FROM pg_tables WHERE tablename = 'made' AND tableowner = 'app'",
                    ),
                ),
                (
                    "a function in the place of one that is harmless",
                    texts(&[
                        "CREATE FUNCTION lower(int) RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.set_config(''search_path'', ''vault'', false)'; SELECT lower(1); SELECT a FROM secret",
                    ]),
                    Shows::Told,
                ),
            ],
        )?;
        passes(
            world,
            &[
                "CREATE FUNCTION f(n int, b text DEFAULT 'x') RETURNS TABLE (a int) LANGUAGE sql STABLE AS 'SELECT t.a FROM t WHERE t.a = n'; SELECT * FROM f(1)",
                "CREATE OR REPLACE FUNCTION honest() RETURNS text LANGUAGE sql SET search_path = public AS $$SELECT b FROM t$$",
                "CREATE FUNCTION f(n int) RETURNS int RETURN n * 2",
                "CREATE PROCEDURE p(n int) LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (n, 'y'); END",
            ],
        )
    })
}

/// What a job is told, notices and errors as well.
fn told(wire: &mut Wire, statements: &[&str]) -> Result<String> {
    let mut all = Vec::new();
    for sql in statements {
        for message in wire.exchange(&[e2e::wire::query(sql)], 1)? {
            all.extend(message.body);
        }
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

#[test]
fn a_block_is_judged_as_what_it_does() -> Result<()> {
    story(&code(), |world| {
        let block = |body: &str| texts(&[&format!("DO $do$ {body} $do$")]);
        check(
            world,
            vec![
                ("a block", block("BEGIN INSERT INTO effects SELECT a FROM vault.secret; END"), EFFECTS),
                (
                    "quotes that are doubled",
                    texts(&["DO 'BEGIN INSERT INTO effects SELECT a || ''x'' FROM vault.secret; END'"]),
                    EFFECTS,
                ),
                (
                    "a text that is built",
                    block("BEGIN EXECUTE 'INSERT INTO effects SELECT a FROM va' || 'ult.secret'; END"),
                    EFFECTS,
                ),
                (
                    "texts in texts",
                    block(
                        "BEGIN EXECUTE $a$ DO $b$ BEGIN EXECUTE $c$ INSERT INTO effects SELECT a FROM vault.secret $c$; END $b$ $a$; END",
                    ),
                    EFFECTS,
                ),
                (
                    "comments, labels and names that look like something else",
                    block(
                        "<<effects>> DECLARE perform text; secret text; BEGIN perform := ' -- '; secret := $x$ /* $x$; \
                         INSERT INTO effects /* ; END; $x$ */ SELECT a FROM vault.secret; END effects",
                    ),
                    EFFECTS,
                ),
                (
                    "a cursor",
                    block(
                        "DECLARE c CURSOR FOR SELECT a FROM vault.secret; BEGIN FOR r IN c LOOP INSERT INTO effects VALUES (r.a); END LOOP; END",
                    ),
                    EFFECTS,
                ),
                (
                    "a cursor whose query is written before the path moves",
                    block(
                        "DECLARE c CURSOR FOR SELECT b FROM twin; v text; BEGIN SET search_path = vault, public; OPEN c; FETCH c INTO v; INSERT INTO effects SELECT v WHERE v = 'the-secret'; END",
                    ),
                    EFFECTS,
                ),
                (
                    "the second time of a loop",
                    block(
                        "BEGIN FOR i IN 1..2 LOOP INSERT INTO public.effects SELECT b FROM twin; SET search_path = vault, public; END LOOP; END",
                    ),
                    EFFECTS,
                ),
                (
                    "a path that a block leaves behind",
                    texts(&["DO $$BEGIN SET search_path = vault, public; END$$", "SELECT b FROM twin"]),
                    Shows::Told,
                ),
                (
                    "another role",
                    block("BEGIN SET ROLE app; CREATE TABLE public.made (a int); END"),
                    Shows::In(
                        "SELECT count(*) FROM pg_tables WHERE tablename = 'made' AND tableowner = 'app'",
                    ),
                ),
                (
                    "a table that is made in no branch that is taken",
                    texts(&[
                        "BEGIN",
                        "DO $$BEGIN IF false THEN CREATE TEMP TABLE secret (pw text); END IF; END$$",
                        "SELECT pw FROM secret",
                    ]),
                    Shows::Told,
                ),
                (
                    "a table that is taken back",
                    block(
                        "BEGIN BEGIN CREATE TEMP TABLE secret (pw text); RAISE 'x'; EXCEPTION WHEN others THEN NULL; END; INSERT INTO effects SELECT pw FROM secret; END",
                    ),
                    EFFECTS,
                ),
                (
                    "a prepared statement that becomes another",
                    texts(&[
                        "PREPARE p AS SELECT b FROM t",
                        "DO $$BEGIN EXECUTE 'DEALLOCATE p'; EXECUTE 'PREPARE p AS SELECT a FROM vault.secret'; END$$",
                        "EXECUTE p",
                    ]),
                    Shows::Told,
                ),
                (
                    "strings that are read otherwise when they run",
                    block(
                        "BEGIN SET standard_conforming_strings = off; INSERT INTO effects SELECT '\\'' || (SELECT a FROM vault.secret) --'; END",
                    ),
                    EFFECTS,
                ),
                (
                    "a function",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$DECLARE r record; BEGIN FOR r IN SELECT a FROM vault.secret LOOP RETURN r.a; END LOOP; END$$",
                        "SELECT f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a function that finds other names than it was made with",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT b FROM twin'; SET search_path = vault, public; SELECT f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a trigger whose function does",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.effects SELECT b FROM twin; RETURN NEW; END$$; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); SET search_path = vault, public; INSERT INTO public.t VALUES (2, 'y')",
                    ]),
                    EFFECTS,
                ),
                (
                    "one that was there before",
                    texts(&[
                        "BEGIN",
                        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION copies()",
                        "SET LOCAL search_path = vault, public",
                        "INSERT INTO public.t VALUES (2, 'y')",
                        "COMMIT",
                    ]),
                    EFFECTS,
                ),
                (
                    "a trigger's function",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM vault.secret; RETURN NEW; END$$",
                        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
                        "INSERT INTO t VALUES (2, 'y')",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.secret"),
                ),
            ],
        )?;
        passes(
            world,
            &[
                "DO $$BEGIN END$$",
                "DO 'BEGIN CREATE TYPE mood AS ENUM (''a'', ''b''); EXCEPTION WHEN duplicate_object THEN NULL; END'",
                "DO LANGUAGE plpgsql $$DECLARE n int; BEGIN SELECT count(*) INTO n FROM t; IF n > 0 THEN UPDATE t SET b = 'z' WHERE a = n; END IF; END$$",
                "DO $$DECLARE r record; BEGIN FOR r IN SELECT a, b FROM t LOOP INSERT INTO effects VALUES (r.b); END LOOP; FOR i IN 1..3 LOOP INSERT INTO t VALUES (i, 'x'); END LOOP; END$$",
                "DO $$BEGIN EXECUTE 'INSERT INTO t VALUES ($1, $2)' USING 2, 'y'; END$$",
                "CREATE FUNCTION f(n int) RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT b FROM t WHERE a = n; END$$; SELECT f(1)",
                "CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF TG_OP = 'UPDATE' THEN NEW.b := lower(NEW.b); END IF; RETURN NEW; END$$; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touched()",
            ],
        )
    })
}

const MASKED: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.customers.ssn] }
";

#[test]
fn a_block_does_not_lead_around_a_mask() -> Result<()> {
    story(&Setup::policy(MASKED), |world| {
        let ssn = "123-45-6789";
        let attacks: &[(&str, &[&str])] = &[
            (
                "a notice",
                &[
                    "DO $$DECLARE v text; BEGIN SELECT ssn INTO v FROM customers WHERE id = 1; RAISE NOTICE '%', v; END$$",
                ],
            ),
            ("an error", &["DO $$BEGIN RAISE '%', (SELECT ssn FROM customers WHERE id = 1); END$$"]),
            (
                "a text",
                &[
                    "DO $$DECLARE v text; BEGIN EXECUTE 'SELECT ssn FROM customers WHERE id = 1' INTO v; RAISE NOTICE '%', v; END$$",
                ],
            ),
            (
                "a row of a loop",
                &[
                    "DO $$DECLARE r record; BEGIN FOR r IN SELECT * FROM customers LOOP RAISE NOTICE '%', r.ssn; END LOOP; END$$",
                ],
            ),
            (
                "a table in between",
                &["DO $$BEGIN CREATE TEMP TABLE o AS SELECT ssn AS a FROM customers; END$$", "TABLE o"],
            ),
            (
                "a cursor of the session",
                &[
                    "BEGIN",
                    "DECLARE c CURSOR FOR SELECT ssn FROM customers",
                    "DO $$DECLARE c refcursor := 'c'; v text; BEGIN FETCH c INTO v; RAISE NOTICE '%', v; END$$",
                ],
            ),
            (
                "a cursor that becomes another",
                &[
                    "BEGIN",
                    "DECLARE c CURSOR FOR SELECT name FROM customers",
                    "DO $$DECLARE c refcursor := 'c'; BEGIN CLOSE c; OPEN c FOR SELECT ssn FROM customers; END$$",
                    "FETCH ALL FROM c",
                ],
            ),
            (
                "a variable called like the column",
                &[
                    "DO $$DECLARE id text; BEGIN SELECT c.ssn INTO id FROM customers c WHERE c.id = 1; RAISE NOTICE '%', id; END$$",
                ],
            ),
            (
                "a setting",
                &[
                    "DO $$BEGIN PERFORM set_config('my.x', ssn, false) FROM customers WHERE id = 1; END$$",
                    "SHOW my.x",
                ],
            ),
            (
                "a function",
                &[
                    "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers WHERE id = 1); RETURN 'x'; END$$",
                    "SELECT f()",
                ],
            ),
        ];
        let clean = "DROP FUNCTION IF EXISTS f()";
        for (name, statements) in attacks {
            world.server.sql("shop", clean)?;
            let direct = told(&mut world.direct_wire()?, statements)?;
            ensure!(direct.contains(ssn), "{name} is no attack: {direct}");
            world.server.sql("shop", clean)?;
            let got = told(&mut world.wire()?, statements)?;
            ensure!(!got.contains(ssn), "{name}: {got}");
        }
        for honest in [
            "DO $$DECLARE v text; BEGIN SELECT name INTO v FROM customers WHERE id = 1; RAISE NOTICE '%', v; END$$",
            "DO $$BEGIN UPDATE customers SET name = name || '!' WHERE id = 1; END$$",
            "DO $$BEGIN FOR i IN 4..5 LOOP INSERT INTO customers VALUES (i, 'x'); END LOOP; DELETE FROM customers WHERE id > 3; END$$",
        ] {
            let direct = told(&mut world.direct_wire()?, &[honest])?;
            let got = told(&mut world.wire()?, &[honest])?;
            ensure!(direct.contains("DO\0") && got.contains("DO\0"), "{honest}: {direct}, but {got}");
        }
        Ok(())
    })
}

const ALL: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
";

#[test]
fn a_migration_goes_through() -> Result<()> {
    story(&Setup::policy(ALL), |world| {
        let mut wire = world.wire()?;
        let steps = texts(&[
            "BEGIN",
            "DO $$BEGIN CREATE TYPE state AS ENUM ('draft', 'paid'); EXCEPTION WHEN duplicate_object THEN NULL; END$$",
            "DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_class WHERE relname = 'bills') THEN CREATE TABLE bills (id int PRIMARY KEY, state state, touched timestamptz); END IF; END$$",
            "INSERT INTO bills (id, state) VALUES (1, 'draft')",
            "CREATE FUNCTION total(n int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM bills WHERE id > n'",
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.touched := now(); RETURN NEW; END$$",
            "COMMIT",
            "CREATE TRIGGER touch BEFORE UPDATE ON bills FOR EACH ROW EXECUTE FUNCTION touch()",
            "UPDATE bills SET state = 'paid' WHERE id = 1",
            "SELECT total(0), count(*) FROM bills WHERE touched IS NOT NULL",
            "CREATE SCHEMA archive CREATE TABLE bills (id int) CREATE INDEX ON bills (id)",
            "CREATE RULE keep AS ON DELETE TO bills DO INSTEAD NOTHING",
        ]);
        let got = play(&mut wire, &steps)?;
        ensure!(!got.iter().any(|line| line.starts_with('E')), "{got:?}");
        ensure!(got.contains(&"D 1|1".to_owned()), "{got:?}");
        Ok(())
    })
}
