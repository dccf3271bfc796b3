//! Bodies of functions whose names come to mean something else than when they were written.

use anyhow::{Result, ensure};
use e2e::{Setup, story};

use crate::effects::{Shows, check_on, texts};
use crate::steps::play;

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.people.ssn, public.kept.ssn] }
  - { name: no-vault, actions: [\"*\"], relations: [\"vault.*\"], decision: deny }
";

/// The database as each attack finds it.
const AGAIN: &str = r"
RESET ROLE;
DROP SCHEMA IF EXISTS public CASCADE; DROP SCHEMA IF EXISTS side CASCADE; DROP SCHEMA IF EXISTS vault CASCADE;
CREATE SCHEMA public AUTHORIZATION shop_service; CREATE SCHEMA side AUTHORIZATION shop_service;
CREATE SCHEMA vault AUTHORIZATION shop_service;
SET ROLE shop_service;
CREATE TABLE public.people (id int, name text, n int, ssn text);
INSERT INTO public.people VALUES (1, 'ada', 0, 'the-secret');
CREATE TABLE public.kept (id int, ssn text);
CREATE TABLE public.t (a int, b text); INSERT INTO public.t VALUES (1, 'x');
CREATE TABLE side.people (id int, name text, n int, ssn text);
CREATE TABLE public.twin (b text); INSERT INTO public.twin VALUES ('twin');
CREATE TABLE vault.twin (b text); INSERT INTO vault.twin VALUES ('the-secret');
CREATE FUNCTION public.named() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT b FROM twin); END';
CREATE FUNCTION public.aside() RETURNS text LANGUAGE plpgsql SET search_path = public AS
  'BEGIN RETURN (SELECT b FROM twin); END';
CREATE FUNCTION public.counts() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN UPDATE people SET n = n + 1 WHERE id = NEW.a; RETURN NULL; END';
CREATE TRIGGER counts AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.counts();
CREATE FUNCTION public.names() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN IF NEW.b IS NULL THEN NEW.b := (SELECT p.name FROM people p WHERE p.id = NEW.a); END IF; RETURN NEW; END$$;
CREATE TRIGGER names BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.names();
CREATE FUNCTION public.keeps() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO kept (id, ssn) VALUES (OLD.id, OLD.ssn); RETURN NEW; END';
CREATE TRIGGER keeps BEFORE UPDATE OF name ON public.people FOR EACH ROW EXECUTE FUNCTION public.keeps();
RESET ROLE;
";

const ASIDE: &str = "SET search_path = side, public";
const BACK: &str = "SET search_path = public";

fn default(setting: &str) -> String {
    format!(
        "CREATE FUNCTION public.fz() RETURNS text LANGUAGE sql {setting} AS 'SELECT ssn FROM people LIMIT 1'"
    )
}

/// A trigger of `t` before its rows are written, which is defined where names mean others, and what it then has written.
fn trigger(on: &str, does: &str, then: &[&str]) -> Vec<crate::steps::Step> {
    let function = format!(
        "CREATE FUNCTION public.fills() RETURNS trigger LANGUAGE plpgsql AS $${does} RETURN NEW; END$$"
    );
    let hangs =
        format!("CREATE TRIGGER z BEFORE INSERT ON {on} FOR EACH ROW EXECUTE FUNCTION public.fills()");
    texts(&[&[ASIDE, &function, &hangs, BACK], then].concat())
}

#[test]
fn what_a_write_runs_fills_no_row_with_what_is_masked() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let hangs = "ALTER TABLE public.t ADD c text DEFAULT public.fz()";
        let (write, told) = ("INSERT INTO public.t VALUES (55, 'x')", "SELECT c FROM public.t WHERE a = 55");
        let told_all = "SELECT c FROM public.t";
        let (own, along) = (default("SET search_path = side"), default(""));
        let fills = |does: &str| trigger("public.t", does, &[write, "SELECT b FROM public.t WHERE a = 55"]);
        let attacks = vec![
            (
                "a default whose path is altered",
                texts(&[&own, hangs, "ALTER FUNCTION fz() SET search_path = public", write, told]),
            ),
            (
                "one whose path is reset",
                texts(&[&own, hangs, "ALTER FUNCTION fz() RESET search_path", write, told]),
            ),
            ("one along the path of the session", texts(&[ASIDE, &along, hangs, BACK, write, told])),
            (
                "one whose table is gone",
                texts(&[ASIDE, &along, hangs, "DROP TABLE side.people", write, told]),
            ),
            ("one that is added where they mean others", texts(&[ASIDE, &along, BACK, hangs, told_all])),
            (
                "one that is not committed",
                texts(&["BEGIN", ASIDE, &along, hangs, BACK, write, "COMMIT", told]),
            ),
            ("a trigger", fills("BEGIN NEW.b := (SELECT ssn FROM people LIMIT 1);")),
            ("a row as a whole", fills("BEGIN NEW.b := (SELECT p::text FROM people p LIMIT 1);")),
            ("a row by a function", fills("BEGIN NEW.b := (SELECT p.to_json FROM people p LIMIT 1);")),
            ("all columns", fills("DECLARE r record; BEGIN SELECT * INTO r FROM people; NEW.b := r.ssn;")),
            (
                "columns by other names",
                fills("BEGIN NEW.b := (SELECT d FROM people AS x (a, b, c, d) LIMIT 1);"),
            ),
            (
                "columns by other names of a join",
                fills("BEGIN NEW.b := (SELECT e FROM (people JOIN twin ON true) AS x (a, b, c, e) LIMIT 1);"),
            ),
            (
                "rows of the table itself",
                trigger(
                    "public.people",
                    "BEGIN NEW.name := (SELECT ssn FROM people LIMIT 1);",
                    &["INSERT INTO people VALUES (2)", "SELECT name FROM people WHERE id = 2"],
                ),
            ),
            (
                "a trigger behind the write that moves them on",
                texts(&[
                    ASIDE,
                    "CREATE FUNCTION public.moves() RETURNS trigger LANGUAGE plpgsql AS \
                     $$BEGIN UPDATE people SET name = ssn; RETURN NULL; END$$",
                    "CREATE TRIGGER z AFTER INSERT ON public.t EXECUTE FUNCTION public.moves()",
                    BACK,
                    write,
                    "SELECT name FROM people",
                ]),
            ),
        ];
        let attacks = attacks.into_iter().map(|(name, steps)| (name, steps, Shows::Told)).collect();
        check_on(world, AGAIN, attacks)?;
        // What the database's own triggers do beside them goes on.
        world.server.sql("shop", AGAIN)?;
        let mut wire = world.wire()?;
        let honest = texts(&[
            "CREATE TABLE nothing (); SELECT 1 FROM nothing",
            "INSERT INTO t (a) VALUES (1) RETURNING b",
            "UPDATE people SET name = 'eve' WHERE id = 1",
            "SELECT n, name, ssn FROM people",
            "SELECT ssn FROM kept",
        ]);
        let got = play(&mut wire, &honest)?;
        ensure!(!got.iter().any(|line| line.starts_with('E')), "{got:?}");
        let all = got.join("\n");
        ensure!(all.contains("ada") && all.contains("eve") && !all.contains("the-secret"), "{got:?}");
        Ok(())
    })
}

#[test]
fn what_moves_the_path_moves_it_for_all_that_the_statement_runs() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let moves = "CREATE FUNCTION moves() RETURNS int LANGUAGE plpgsql AS \
                     $$BEGIN SET search_path = vault; RETURN 1; END$$";
        let sets = "CREATE FUNCTION sets() RETURNS text LANGUAGE sql AS \
                    $$SELECT set_config('search_path', 'vault', true)$$";
        let attacks = vec![
            ("SET", texts(&[moves, "SELECT moves(), named()"])),
            ("set_config", texts(&["SELECT set_config('search_path', 'vault', false), named()"])),
            (
                "set_config for the transaction",
                texts(&["SELECT set_config('search_path', 'vault', true), named()"]),
            ),
            ("set_config in a body", texts(&[sets, "SELECT sets(), named()"])),
            (
                "one that is called behind the other",
                texts(&[moves, "SELECT named() FROM (SELECT moves() OFFSET 0) x"]),
            ),
            (
                "one that calls both",
                texts(&[
                    moves,
                    "CREATE FUNCTION calls() RETURNS text LANGUAGE plpgsql AS \
                     'BEGIN PERFORM public.moves(); RETURN public.named(); END'",
                    "SELECT calls()",
                ]),
            ),
            (
                "one with a path of its own, within which it moves",
                texts(&[
                    moves,
                    "CREATE FUNCTION within() RETURNS text LANGUAGE plpgsql SET search_path = public AS \
                     'BEGIN PERFORM public.moves(); RETURN public.named(); END'",
                    "SELECT within()",
                ]),
            ),
            (
                "one with a path of its own, behind which it has moved",
                texts(&[
                    "CREATE FUNCTION moves() RETURNS int LANGUAGE plpgsql SET search_path = public AS \
                     $$BEGIN SET search_path = vault; RETURN 1; END$$",
                    "SELECT moves(), named()",
                ]),
            ),
            (
                "a block",
                texts(&[
                    moves,
                    "CREATE TABLE told (b text)",
                    "DO $$ BEGIN PERFORM moves(); INSERT INTO public.told VALUES (public.named()); END $$",
                    "SELECT b FROM public.told",
                ]),
            ),
            (
                "a trigger",
                texts(&[
                    "CREATE TABLE told (b text DEFAULT named(), c int)",
                    "CREATE FUNCTION fills() RETURNS trigger LANGUAGE plpgsql AS \
                     $$BEGIN SET LOCAL search_path = vault; RETURN NEW; END$$",
                    "CREATE TRIGGER z BEFORE INSERT ON told FOR EACH ROW EXECUTE FUNCTION fills()",
                    "INSERT INTO told (c) VALUES (1), (2)",
                    "SELECT b FROM public.told",
                ]),
            ),
        ];
        let attacks = attacks.into_iter().map(|(name, steps)| (name, steps, Shows::Told)).collect();
        check_on(world, AGAIN, attacks)?;
        world.server.sql("shop", AGAIN)?;
        let honest = texts(&[
            "CREATE FUNCTION moves() RETURNS int LANGUAGE plpgsql AS $$BEGIN SET search_path = side; RETURN 1; END$$",
            "SELECT moves(), public.aside()",
            "SELECT set_config('search_path', 'public', false), public.aside() FROM public.twin",
            "SELECT named()",
        ]);
        let got = play(&mut world.wire()?, &honest)?;
        ensure!(!got.iter().any(|line| line.starts_with('E')), "{got:?}");
        Ok(())
    })
}
