//! What runs by the way: what is set for later, what calls call, what checks values and what keeps tables in order.

use anyhow::{Result, ensure};
use e2e::{story, wire};

use crate::effects::{AGAIN, EFFECTS, Shows, check, check_on, passes, setup, texts};
use crate::steps::{Step, batch, play};

#[test]
fn what_sets_for_later_sets() -> Result<()> {
    story(&setup(), |world| {
        let roles = "SELECT count(*) FROM pg_db_role_setting";
        let functions = "SELECT count(*) FROM pg_proc WHERE proconfig::text LIKE '%lock_timeout%'";
        let one = |sql: &str| texts(&[sql]);
        check(
            world,
            vec![
                ("a role", one("ALTER ROLE shop_service SET lock_timeout = '7s'"), Shows::In(roles)),
                (
                    "a function",
                    one("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET lock_timeout = '7s' AS 'SELECT 1'"),
                    Shows::In(functions),
                ),
            ],
        )
    })
}

#[test]
fn what_is_called_reads_and_writes_by_the_way() -> Result<()> {
    story(&setup(), |world| {
        let one = |sql: &str| texts(&[sql]);
        check(
            world,
            vec![
                ("a function", one("SELECT peek()"), Shows::Told),
                ("a function whose body is stored as a tree", one("SELECT peek_atomic()"), Shows::Told),
                ("a function with a path of its own", one("SELECT peek_along()"), Shows::Told),
                ("a function that runs a literal", one("SELECT peek_text()"), Shows::Told),
                ("a function that runs what it makes", one("SELECT peek_built()"), Shows::Told),
                ("a function that calls another", one("SELECT * FROM peek_twice()"), Shows::Told),
                ("an operator", one("SELECT 'a'::text + 'b'::text"), Shows::Told),
                ("a cast", one("SELECT t::xml FROM t"), Shows::Told),
                (
                    "a text",
                    one("SELECT query_to_xml('SELECT a FROM vault.secret', true, true, '')"),
                    Shows::Told,
                ),
                ("a name", one("SELECT table_to_xml('vault.secret', true, true, '')"), Shows::Told),
                ("a view of a text", one("SELECT a FROM xml_view"), Shows::Told),
                ("a view that calls", one("SELECT a FROM calling_view"), Shows::Told),
                (
                    "functions that change names",
                    texts(&[
                        "SELECT honest()",
                        "BEGIN",
                        "ALTER FUNCTION honest() RENAME TO aside",
                        "ALTER FUNCTION peek() RENAME TO honest",
                        "SELECT honest()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a trigger",
                    one("INSERT INTO triggered VALUES (1)"),
                    Shows::In("SELECT count(*) FROM vault.secret"),
                ),
                (
                    "a foreign key",
                    one("DELETE FROM parent WHERE id = 1"),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                (
                    "a table that is truncated in cascade",
                    one("TRUNCATE parent CASCADE"),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                ("a default", one("INSERT INTO filled (a) VALUES (1)"), EFFECTS),
                ("a check", one("INSERT INTO checked VALUES ('a')"), EFFECTS),
                ("a domain", one("SELECT 'x'::ran"), EFFECTS),
                ("a domain before a string", one("SELECT public.ran 'x'"), EFFECTS),
                ("a domain in an array", one("SELECT '{x}'::ran[]"), EFFECTS),
                ("a domain in a row", one("SELECT '(1,x)'::holds"), EFFECTS),
                ("a domain in a function", one("SELECT holding('x')"), EFFECTS),
                ("what is not given to a function", one("SELECT given()"), EFFECTS),
            ],
        )?;
        let honest =
            ["SELECT honest()", "SELECT b FROM t", "INSERT INTO t VALUES (2, 'y')", "SELECT 'a' || 'b'"];
        passes(world, &honest)
    })
}

/// Values become one of a domain, whose check calls what is denied, and no text says so.
#[test]
fn values_come_to_a_domain_unseen() -> Result<()> {
    const MORE: &str = "
        CREATE FUNCTION public.takes(public.ran) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
        CREATE PROCEDURE public.does(public.ran) LANGUAGE plpgsql AS 'BEGIN END';
        CREATE TYPE public.span AS RANGE (subtype = public.ran);
        CREATE TABLE public.held (b public.ran); INSERT INTO public.held VALUES (NULL);
        CREATE TYPE public.mood AS ENUM ('good');
        CREATE FUNCTION public.told(public.mood) RETURNS json LANGUAGE sql AS $$SELECT to_json(public.run('x'))$$;
        CREATE CAST (public.mood AS json) WITH FUNCTION public.told(public.mood);
        CREATE TABLE public.moods (m public.mood); INSERT INTO public.moods VALUES ('good');
        GRANT ALL ON public.held, public.moods TO PUBLIC;
        DELETE FROM public.effects;";
    story(&setup(), |world| {
        let again = format!("{AGAIN}{MORE}");
        let one = |sql: &str| texts(&[sql]);
        check_on(
            world,
            &again,
            vec![
                ("a function", batched("SELECT takes($1)")),
                ("a procedure", one("CALL does('x')")),
                ("a range", one("SELECT span('a', 'b')")),
                (
                    "a new column",
                    one("CREATE TABLE made (a ran DEFAULT 'x'); INSERT INTO made DEFAULT VALUES"),
                ),
                ("a row of a table", one("SELECT json_populate_record(h, '{\"b\": \"x\"}') FROM held h")),
                ("a cast to json that is not written", one("SELECT to_json(m) FROM moods")),
                ("one within a row", one("SELECT row_to_json(r) FROM moods r")),
            ]
            .into_iter()
            .map(|(name, steps)| (name, steps, EFFECTS))
            .collect(),
        )?;
        for of in ["ran", "ran[]", "holds", "filled", "span"] {
            let value = match of {
                "ran" => "x",
                "ran[]" => "{x}",
                "span" => "[a,b)",
                _ => "(1,x)",
            };
            for text in ["SELECT $1", "SELECT 1 WHERE $1 IS NULL"] {
                for direct in [true, false] {
                    world.server.sql("shop", &again)?;
                    world.server.sql("shop", "ALTER TABLE public.filled ALTER b TYPE public.ran")?;
                    world.server.sql("shop", "DELETE FROM public.effects")?;
                    let oid =
                        world.server.sql("shop", &format!("SELECT 'public.{of}'::regtype::oid::int8"))?;
                    let mut wire = if direct { world.direct_wire()? } else { world.wire()? };
                    if !direct {
                        play(&mut wire, &texts(&["CREATE TABLE nothing ()", "SELECT 1 FROM nothing"]))?;
                    }
                    let parse = wire::parse_typed("s", text, &[oid.parse()?]);
                    let got = play(&mut wire, &[batch(&[parse]), batch(&[wire::bind("", "s", &[value])])])?;
                    let ran = world.server.sql("shop", "SELECT count(*) FROM public.effects")? != "0";
                    ensure!(ran == direct, "{text} of {of}, past Portreeve {direct}: {got:?}");
                }
            }
        }
        Ok(())
    })
}

/// A statement with a value, in the extended protocol.
fn batched(sql: &str) -> Vec<Step> {
    vec![batch(&[wire::parse("", sql), wire::bind("", "", &["x"]), wire::execute("", 0)])]
}

/// What is denied runs where a table is kept in order, where a row moves, and behind foreign tables.
#[test]
fn what_keeps_tables_in_order_runs_code() -> Result<()> {
    const MORE: &str = "
        DROP EXTENSION IF EXISTS file_fdw CASCADE; DROP EXTENSION IF EXISTS postgres_fdw CASCADE;
        DROP EXTENSION IF EXISTS refint CASCADE;
        CREATE FUNCTION public.keyed(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
          $$BEGIN RETURN public.run($1); END$$;
        CREATE INDEX keys ON public.t (public.keyed(b));
        CREATE TABLE public.counted (a int, b text); INSERT INTO public.counted VALUES (1, 'x');
        CREATE STATISTICS public.counts ON (public.keyed(b)) FROM public.counted;
        ALTER TABLE public.counted OWNER TO shop_service;
        CREATE TABLE public.whole (id int) PARTITION BY LIST (id);
        CREATE TABLE public.one PARTITION OF public.whole FOR VALUES IN (1);
        CREATE TABLE public.two PARTITION OF public.whole FOR VALUES IN (2);
        INSERT INTO public.whole VALUES (1);
        CREATE TRIGGER g AFTER INSERT ON public.two FOR EACH ROW EXECUTE FUNCTION public.empties();
        GRANT ALL ON public.whole, public.one, public.two TO shop_service;
        CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE EXTENSION refint;
        GRANT USAGE ON FOREIGN SERVER files TO shop_service;
        DELETE FROM public.effects;";
    story(&setup(), |world| {
        let host = world.server.folder().display();
        let again = format!(
            "{AGAIN}{MORE} CREATE EXTENSION postgres_fdw;
             CREATE SERVER same FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'shop', host '{host}');
             CREATE USER MAPPING FOR PUBLIC SERVER same OPTIONS (user 'postgres', password_required 'false');
             GRANT USAGE ON FOREIGN SERVER same TO shop_service;"
        );
        let one = |sql: &str| texts(&[sql]);
        check_on(
            world,
            &again,
            vec![
                ("ANALYZE of an index's table", one("ANALYZE t"), EFFECTS),
                ("ANALYZE of all", one("ANALYZE"), EFFECTS),
                ("ANALYZE of statistics", one("ANALYZE counted"), EFFECTS),
                ("REINDEX", one("REINDEX INDEX keys"), EFFECTS),
                ("REINDEX of a table", one("REINDEX TABLE t"), EFFECTS),
                ("VACUUM FULL", one("VACUUM FULL t"), EFFECTS),
                ("CLUSTER", one("CLUSTER t USING keys"), EFFECTS),
                ("rows that are written anew", one("ALTER TABLE t ALTER a TYPE bigint"), EFFECTS),
                (
                    "a row that moves to another partition",
                    one("UPDATE whole SET id = 2 WHERE id = 1"),
                    Shows::In("SELECT count(*) FROM vault.secret"),
                ),
                (
                    "a program behind a foreign table",
                    texts(&[
                        "CREATE FOREIGN TABLE f (a text) SERVER files OPTIONS (program 'touch portreeve-was-here')",
                        "TABLE f",
                    ]),
                    Shows::In("SELECT (pg_stat_file('portreeve-was-here', true)).modification"),
                ),
                (
                    "a foreign table that is a table here",
                    texts(&[
                        "CREATE FOREIGN TABLE f (a text) SERVER same OPTIONS (schema_name 'vault', table_name 'secret')",
                        "SELECT a FROM f",
                    ]),
                    Shows::Told,
                ),
                (
                    "a foreign table that becomes one by ALTER TABLE",
                    texts(&[
                        "CREATE FOREIGN TABLE f (a text) SERVER same OPTIONS (schema_name 'far', table_name 'far')",
                        "ALTER TABLE f OPTIONS (SET schema_name 'vault', SET table_name 'secret')",
                        "SELECT a FROM f",
                    ]),
                    Shows::Told,
                ),
                (
                    "a foreign table that gets the name of a table here",
                    texts(&[
                        "DROP TABLE twin",
                        "CREATE FOREIGN TABLE f (b text) SERVER same OPTIONS (schema_name 'vault')",
                        "ALTER TABLE f RENAME TO twin",
                        "SELECT b FROM twin",
                    ]),
                    Shows::Told,
                ),
                (
                    "a foreign schema that is one here",
                    texts(&[
                        "IMPORT FOREIGN SCHEMA vault LIMIT TO (over) FROM SERVER same INTO public",
                        "TABLE over",
                    ]),
                    Shows::In("SELECT count(*) FROM pg_foreign_table"),
                ),
                (
                    "a trigger that is given a table",
                    texts(&[
                        "CREATE TRIGGER k BEFORE DELETE ON counted FOR EACH ROW EXECUTE FUNCTION check_foreign_key(1, 'cascade', 'b', 'vault.secret', 'a')",
                        "UPDATE counted SET b = 'the-secret'",
                        "DELETE FROM counted WHERE a = 1",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.secret"),
                ),
            ],
        )?;
        world.server.sql("shop", "DROP INDEX public.keys")?;
        let mut wire = world.wire()?;
        play(&mut wire, &texts(&["CREATE TABLE nothing ()", "SELECT 1 FROM nothing"]))?;
        let honest = texts(&[
            "ANALYZE t",
            "REINDEX TABLE t",
            "CREATE FOREIGN TABLE elsewhere (a text) SERVER same OPTIONS (schema_name 'far', table_name 'secret')",
        ]);
        let got = play(&mut wire, &honest)?;
        ensure!(!got.iter().any(|line| line.starts_with('E')), "{got:?}");
        Ok(())
    })
}
