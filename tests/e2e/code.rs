//! Code that a job brings itself: what it does is judged, when it runs and when it is made for later.

use anyhow::Result;
use e2e::{Setup, story};

use crate::effects::{EFFECTS, Shows, check, passes, setup, texts};

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
