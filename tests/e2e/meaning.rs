//! What a text means depends on what came before it. Each attack here is a script that makes the server read
//! `vault.secrets`, which the policy denies, or a masked column, by a text that looks as if it read something else.
//!
//! Played past Portreeve it must give the secret, else it is no attack; played through Portreeve it must not. Beside them
//! stand the honest neighbours, which must be understood: the policy denies what is not.

use anyhow::{Context as _, Result, ensure};
use e2e::wire::{self, Wire};
use e2e::{Setup, World, story};

use crate::steps::{Step, batch, bytes, execute, play, q, qs};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.people.ssn] }
  - { name: no-vault, actions: [select, copy-out], relations: [\"vault.*\"], decision: deny }
";

const DATABASE: &str = r"
CREATE SCHEMA vault;
CREATE TABLE vault.secrets (a text);
INSERT INTO vault.secrets VALUES ('the-secret');
CREATE SCHEMA mine;
CREATE TABLE mine.secrets (a text);
INSERT INTO mine.secrets VALUES ('decoy');
CREATE TABLE public.people (id int, ssn text);
INSERT INTO public.people VALUES (1, 'the-secret');
CREATE FUNCTION public.move() RETURNS text LANGUAGE plpgsql AS
  $$BEGIN RETURN set_config('search_path', 'vault', false); END$$;
CREATE FUNCTION public.move_stable() RETURNS text STABLE LANGUAGE plpgsql AS
  $$BEGIN RETURN set_config('search_path', 'vault', false); END$$;
CREATE FUNCTION public.move_immutable() RETURNS text IMMUTABLE LANGUAGE sql AS
  $$SELECT set_config('search_path', 'vault', false)$$;
CREATE FUNCTION public.escape_stable() RETURNS text STABLE LANGUAGE sql AS
  $$SELECT set_config('standard_conforming_strings', 'off', false)$$;
CREATE FUNCTION public.own_path() RETURNS text SET search_path = vault LANGUAGE sql AS $$SELECT 'x'::text$$;
CREATE TABLE public.indexed (a text);
CREATE FUNCTION public.moved(text) RETURNS text IMMUTABLE LANGUAGE sql AS
  $$SELECT set_config('search_path', 'vault', false)$$;
CREATE INDEX ON public.indexed (public.moved(a));
CREATE FUNCTION public.step(text, text) RETURNS text IMMUTABLE LANGUAGE sql AS
  $$SELECT set_config('search_path', 'vault', false)$$;
CREATE AGGREGATE public.collected(text) (SFUNC = public.step, STYPE = text);
CREATE VIEW public.moving AS SELECT set_config('search_path', 'vault', false) AS a;
CREATE TABLE public.filled (a text DEFAULT set_config('search_path', 'vault', false));
CREATE TABLE public.checked (a text CHECK (set_config('search_path', 'vault', false) <> a));
";

/// The same, but nothing is masked: what cannot be told of rows would be.
fn unmasked() -> Setup {
    let mut setup = setup();
    setup.policy = setup.policy.replace(", mask: [public.people.ssn]", "");
    setup
}

fn setup() -> Setup {
    let mut setup = Setup::policy(POLICY);
    setup.database = DATABASE.to_owned();
    setup.server = vec!["max_prepared_transactions=5".to_owned()];
    setup
}

/// Reads a decoy by this name and no schema.
const READ: &str = "SELECT a FROM secrets";
const SECRET: &str = "the-secret";

/// Statements that put back what an attack has moved.
const AGAIN: &str = "
DROP SCHEMA IF EXISTS mine CASCADE; DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA mine;
CREATE TABLE mine.secrets (a text); INSERT INTO mine.secrets VALUES ('decoy');
CREATE VIEW mine.v AS SELECT a FROM mine.secrets;
ALTER SCHEMA mine OWNER TO shop_service; ALTER TABLE mine.secrets OWNER TO shop_service;
ALTER VIEW mine.v OWNER TO shop_service;
CREATE OR REPLACE VIEW vault.v AS SELECT a FROM vault.secrets; ALTER VIEW vault.v OWNER TO shop_service;";

type Attack = (&'static str, Vec<Step>);

/// None of these gets through, and each would.
fn check(world: &World, attacks: Vec<Attack>) -> Result<()> {
    let mut through = Vec::new();
    for (name, steps) in attacks {
        world.server.sql("shop", AGAIN)?;
        let mut wire = world.direct_wire()?;
        let direct = play(&mut wire, &steps).with_context(|| name.to_owned())?;
        if !direct.join("\n").contains(SECRET) {
            through.push(format!("{name} is no attack: {direct:?}"));
            continue;
        }
        drop(wire);
        world.server.sql("shop", AGAIN)?;
        // What was committed past the daemon is what it finds.
        let mut wire = world.wire()?;
        wire.talk(&[wire::query("CREATE TABLE IF NOT EXISTS public.nothing ()")], 1)?;
        wire.talk(&[wire::query("SELECT 1 FROM public.nothing")], 1)?;
        let got = play(&mut wire, &steps).with_context(|| name.to_owned())?;
        if got.join("\n").contains(SECRET) {
            through.push(format!("{name}: {got:?}"));
        }
    }
    ensure!(through.is_empty(), "these get through:\n{}", through.join("\n"));
    Ok(())
}

/// Knows the path as `mine, vault`, so that the decoy is what the name means.
fn both() -> Step {
    q("SET search_path = mine, vault")
}

#[test]
fn a_path_that_moves() -> Result<()> {
    story(&setup(), |world| {
        let set = "SET search_path = vault";
        let mine = || q("SET search_path = mine");
        check(
            world,
            vec![
                ("SET", vec![mine(), q(READ), q(set), q(READ)]),
                ("SET in the same text", vec![mine(), q(READ), q(&format!("{set}; {READ}"))]),
                ("SET SCHEMA", vec![mine(), q(READ), q("SET SCHEMA 'vault'"), q(READ)]),
                ("a quoted name", vec![mine(), q(READ), q("SET \"Search_Path\" TO vault"), q(READ)]),
                ("at once", vec![mine(), q(READ), qs(&[set, READ])]),
                (
                    "RESET",
                    vec![
                        q("ALTER ROLE CURRENT_USER SET search_path = vault"),
                        mine(),
                        q(READ),
                        q("RESET search_path"),
                        q(set),
                        q(READ),
                        q("ALTER ROLE CURRENT_USER RESET search_path"),
                    ],
                ),
                (
                    "set_config",
                    vec![mine(), q(READ), q("SELECT set_config('search_path', 'vault', false)"), q(READ)],
                ),
                (
                    "set_config in the same pipeline",
                    vec![
                        mine(),
                        q(READ),
                        batch(&[
                            wire::run("SELECT set_config('search_path', 'vault', false)"),
                            wire::run(READ),
                        ]),
                    ],
                ),
                (
                    "a prepared statement",
                    vec![
                        mine(),
                        batch(&[wire::parse("r", READ)]),
                        batch(&[execute("r")]),
                        q(set),
                        batch(&[execute("r")]),
                    ],
                ),
                (
                    "a prepared statement in the same pipeline",
                    vec![mine(), batch(&[wire::parse("r", READ)]), batch(&[wire::run(set), execute("r")])],
                ),
                (
                    "EXECUTE",
                    vec![mine(), q(&format!("PREPARE r AS {READ}")), q("EXECUTE r"), q(set), q("EXECUTE r")],
                ),
                (
                    "SET and EXECUTE in one text",
                    vec![
                        mine(),
                        q(&format!("PREPARE r AS {READ}")),
                        q("EXECUTE r"),
                        q(&format!("{set}; EXECUTE r")),
                    ],
                ),
                (
                    "PREPARE, SET and EXECUTE in one text",
                    vec![mine(), q(READ), q(&format!("PREPARE r AS {READ}; {set}; EXECUTE r"))],
                ),
                (
                    "CREATE TABLE AS EXECUTE",
                    vec![
                        mine(),
                        q(&format!("PREPARE r AS {READ}")),
                        q(&format!("{set}; CREATE TEMP TABLE got AS EXECUTE r; SELECT a FROM pg_temp.got")),
                    ],
                ),
                (
                    "a transaction that is rolled back",
                    vec![q(set), q("BEGIN"), mine(), q(READ), q("ROLLBACK"), q(READ)],
                ),
                (
                    "a transaction that is rolled back at once",
                    vec![q(set), q("BEGIN"), mine(), q(READ), qs(&["ROLLBACK", READ])],
                ),
                (
                    "a savepoint",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        mine(),
                        q(READ),
                        q("ROLLBACK TO s"),
                        q(READ),
                        q("COMMIT"),
                    ],
                ),
                (
                    "SET LOCAL and COMMIT",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        q("COMMIT"),
                        q(READ),
                    ],
                ),
                (
                    "SET LOCAL and COMMIT at once",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        qs(&["COMMIT", READ]),
                    ],
                ),
                (
                    "SET LOCAL and COMMIT in one text",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        q(&format!("COMMIT; {READ}")),
                    ],
                ),
                (
                    "ROLLBACK in one text",
                    vec![q(set), q("BEGIN"), mine(), q(READ), q(&format!("ROLLBACK; {READ}"))],
                ),
                (
                    "COMMIT AND CHAIN in one text",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        q(&format!("COMMIT AND CHAIN; {READ}")),
                        q("COMMIT"),
                    ],
                ),
                (
                    "SET LOCAL and COMMIT in a pipeline",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        batch(&[wire::run("COMMIT"), wire::run(READ)]),
                    ],
                ),
                (
                    "COMMIT AND CHAIN",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        qs(&["COMMIT AND CHAIN", READ]),
                        q("COMMIT"),
                    ],
                ),
                (
                    "PREPARE TRANSACTION",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        qs(&["PREPARE TRANSACTION 'x'", READ]),
                        q("ROLLBACK PREPARED 'x'"),
                    ],
                ),
                (
                    "DISCARD ALL",
                    vec![
                        q(set),
                        q("ALTER ROLE CURRENT_USER SET search_path = vault"),
                        mine(),
                        q(READ),
                        q("DISCARD ALL"),
                        q(set),
                        q(READ),
                        q("ALTER ROLE CURRENT_USER RESET search_path"),
                    ],
                ),
                ("a function", vec![mine(), q(READ), q("SELECT public.move()"), q(READ)]),
                ("a stable function", vec![mine(), q(READ), q("SELECT public.move_stable()"), q(READ)]),
                (
                    "an immutable function",
                    vec![mine(), q(READ), q("SELECT public.move_immutable()"), q(READ)],
                ),
                ("an aggregate", vec![mine(), q(READ), q("SELECT public.collected('x')"), q(READ)]),
                ("an index", vec![mine(), q(READ), q("INSERT INTO public.indexed VALUES ('x')"), q(READ)]),
                (
                    "an error, ROLLBACK and a query at once",
                    vec![
                        q(set),
                        q("BEGIN"),
                        q("SET LOCAL search_path = mine"),
                        q(READ),
                        qs(&["SELECT 1/0", "ROLLBACK", READ]),
                    ],
                ),
                ("a view", vec![mine(), q(READ), q("SELECT a FROM public.moving"), q(READ)]),
                ("a default", vec![mine(), q(READ), q("INSERT INTO public.filled DEFAULT VALUES"), q(READ)]),
                (
                    "a constraint",
                    vec![mine(), q(READ), q("INSERT INTO public.checked VALUES ('x')"), q(READ)],
                ),
            ],
        )
    })
}

#[test]
fn a_name_that_comes_to_mean_another_relation() -> Result<()> {
    story(&setup(), |world| {
        check(
            world,
            vec![
                (
                    "DROP in a transaction",
                    vec![
                        both(),
                        q(READ),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "DROP in the same text",
                    vec![both(), q(READ), q(&format!("DROP TABLE mine.secrets CASCADE; {READ}"))],
                ),
                (
                    "DROP and a prepared statement",
                    vec![
                        both(),
                        batch(&[wire::parse("r", READ)]),
                        batch(&[execute("r")]),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        batch(&[execute("r")]),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "DROP and EXECUTE in one text",
                    vec![
                        both(),
                        q(&format!("PREPARE r AS {READ}")),
                        q("DROP TABLE mine.secrets CASCADE; EXECUTE r"),
                    ],
                ),
                (
                    "a view dropped by the way",
                    vec![
                        both(),
                        q("SELECT a FROM v"),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("SELECT a FROM v"),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "a view dropped with a column",
                    vec![
                        both(),
                        q("SELECT a FROM v"),
                        q("BEGIN"),
                        q("ALTER TABLE mine.secrets DROP COLUMN a CASCADE"),
                        q("SELECT a FROM v"),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "RENAME in the same text",
                    vec![both(), q(READ), q(&format!("ALTER TABLE mine.secrets RENAME TO x; {READ}"))],
                ),
                (
                    "SET SCHEMA in the same text",
                    vec![
                        both(),
                        q(READ),
                        q(&format!("ALTER TABLE mine.secrets SET SCHEMA public; {READ}")),
                        q("DROP TABLE public.secrets CASCADE"),
                    ],
                ),
                (
                    "a schema renamed in the same text",
                    vec![both(), q(READ), q(&format!("ALTER SCHEMA mine RENAME TO aside; {READ}"))],
                ),
                (
                    "a schema dropped in the same text",
                    vec![both(), q(READ), q(&format!("DROP SCHEMA mine CASCADE; {READ}"))],
                ),
                (
                    "REVOKE in the same text",
                    vec![
                        both(),
                        q(READ),
                        q(&format!("REVOKE USAGE ON SCHEMA mine FROM shop_service; {READ}")),
                    ],
                ),
                (
                    "a table created behind a savepoint",
                    vec![
                        both(),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q("CREATE TABLE mine.secrets (a text)"),
                        q(READ),
                        q("ROLLBACK TO s"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "a temporary table created behind a savepoint",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE other (a int)"),
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q("CREATE TEMP TABLE secrets (a text)"),
                        q(READ),
                        q("ROLLBACK TO s"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "a temporary table that ends with its transaction",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE other (a int)"),
                        q("BEGIN"),
                        q("CREATE TEMP TABLE secrets (a text) ON COMMIT DROP"),
                        q(READ),
                        qs(&["COMMIT", READ]),
                    ],
                ),
                (
                    "the same in one text",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE other (a int)"),
                        q("BEGIN"),
                        q("CREATE TEMP TABLE secrets (a text) ON COMMIT DROP"),
                        q(READ),
                        q(&format!("COMMIT; {READ}")),
                    ],
                ),
                (
                    "a created table and ROLLBACK in one text",
                    vec![
                        both(),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("BEGIN"),
                        q("CREATE TABLE mine.secrets (a text)"),
                        q(READ),
                        q(&format!("ROLLBACK; {READ}")),
                    ],
                ),
                (
                    "a dropped table that comes back in one text",
                    vec![
                        q("SET search_path = vault, mine"),
                        q("BEGIN"),
                        q("DROP TABLE vault.secrets CASCADE"),
                        q(&format!("ROLLBACK; {READ}")),
                    ],
                ),
                (
                    "a dropped table that comes back",
                    vec![
                        q("SET search_path = vault, mine"),
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q("DROP TABLE vault.secrets CASCADE"),
                        q(READ),
                        q("ROLLBACK TO s"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "DISCARD TEMP",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE secrets (a text)"),
                        q(READ),
                        q("BEGIN"),
                        q("DISCARD TEMP"),
                        q(READ),
                        q("COMMIT"),
                    ],
                ),
                (
                    "DISCARD TEMP in the same text",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE secrets (a text)"),
                        q(READ),
                        q(&format!("DISCARD TEMP; {READ}")),
                    ],
                ),
                (
                    "COMMIT PREPARED",
                    vec![
                        both(),
                        q(READ),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("PREPARE TRANSACTION 'y'"),
                        q("SELECT 1"),
                        q("COMMIT PREPARED 'y'"),
                        q(READ),
                    ],
                ),
                (
                    "a parent in the same text",
                    vec![
                        q("CREATE TABLE public.parent (a text)"),
                        q("SELECT a FROM public.parent"),
                        q("ALTER TABLE vault.secrets INHERIT public.parent; SELECT a FROM public.parent"),
                        q("ALTER TABLE vault.secrets NO INHERIT public.parent; DROP TABLE public.parent"),
                    ],
                ),
            ],
        )
    })
}

/// Operators and casts of users call functions that no text names.
#[test]
fn a_path_that_an_operator_or_a_cast_moves() -> Result<()> {
    let mut setup = setup();
    setup.database += "
CREATE FUNCTION mine.same(point, point) RETURNS bool IMMUTABLE LANGUAGE sql AS
  $$SELECT set_config('search_path', 'vault', false) <> ''$$;
CREATE OPERATOR mine.= (LEFTARG = point, RIGHTARG = point, FUNCTION = mine.same);
CREATE TYPE public.mood AS ENUM ('sad');
CREATE FUNCTION public.made(public.mood) RETURNS int IMMUTABLE LANGUAGE sql AS
  $$SELECT length(set_config('search_path', 'vault', false))$$;
CREATE CAST (public.mood AS int) WITH FUNCTION public.made(public.mood);
";
    story(&setup, |world| {
        for moves in ["SELECT point(1, 1) = point(1, 1)", "SELECT 'sad'::public.mood::int"] {
            let steps = [q("SET search_path = mine, pg_catalog"), q(READ), q(moves), q(READ)];
            let direct = play(&mut world.direct_wire()?, &steps)?;
            ensure!(direct.contains(&format!("D {SECRET}")), "{moves} is no attack: {direct:?}");
            let got = play(&mut world.wire()?, &steps)?;
            ensure!(!got.contains(&format!("D {SECRET}")), "{moves}: {got:?}");
        }
        Ok(())
    })
}

/// What a session begins with: settings of its start-up packet and of its role.
#[test]
fn settings_that_a_session_begins_with() -> Result<()> {
    story(&setup(), |world| {
        let escaping = "SELECT '\\'' || a || ' AS x --' FROM vault.secrets";
        let role = |sql: &str| world.server.sql("shop", &format!("ALTER ROLE shop_service {sql}"));
        for (options, setting, sql) in [
            ("-c search_path=vault", "SET search_path = vault", READ),
            ("-c standard_conforming_strings=off", "SET standard_conforming_strings = off", escaping),
        ] {
            let mut psql = world.job().psql(&world.address());
            let got = e2e::process::finish(psql.env("PGOPTIONS", options).args(["-c", sql]))?;
            ensure!(!String::from_utf8_lossy(&got.stdout).contains(SECRET), "{options}: {got:?}");
            role(setting)?;
            let direct = play(&mut world.direct_wire()?, &[q(sql)])?;
            ensure!(direct.join("\n").contains(SECRET), "{setting} is no attack: {direct:?}");
            for steps in
                [vec![q(sql)], vec![batch(&[wire::run(sql)])], vec![both(), q("DISCARD ALL"), q(sql)]]
            {
                let got = play(&mut world.wire()?, &steps)?;
                ensure!(!got.join("\n").contains(SECRET), "{setting}: {got:?}");
            }
            role("RESET ALL")?;
        }
        Ok(())
    })
}

/// The first schema of `"$user", …` is another role's as soon as the role is.
#[test]
fn a_role_that_changes() -> Result<()> {
    story(&setup(), |world| {
        world.server.sql("shop", AGAIN)?;
        world.server.sql("shop", "CREATE ROLE vault; GRANT vault TO shop_service; \
             GRANT USAGE ON SCHEMA vault, mine TO vault; GRANT SELECT ON vault.secrets, mine.secrets TO vault")?;
        let path = || q("SET search_path = \"$user\", mine");
        let sets: Vec<(&str, Vec<Step>)> = vec![
            ("SET ROLE", vec![path(), q(READ), q("SET ROLE vault"), q(READ)]),
            ("at once", vec![path(), q(READ), qs(&["SET ROLE vault", READ])]),
            ("in one text", vec![path(), q(READ), q(&format!("SET ROLE vault; {READ}"))]),
            ("set_config", vec![path(), q(READ), q("SELECT set_config('role', 'vault', false)"), q(READ)]),
            ("SET role", vec![path(), q(READ), q("SET \"role\" = vault"), q(READ)]),
            (
                "prepared",
                vec![
                    path(),
                    batch(&[wire::parse("r", READ)]),
                    batch(&[execute("r")]),
                    batch(&[wire::run("SET ROLE vault"), execute("r")]),
                ],
            ),
            (
                "SET LOCAL, and back at once",
                vec![
                    path(),
                    q("SET ROLE vault"),
                    q("BEGIN"),
                    q("SET LOCAL ROLE none"),
                    q(READ),
                    qs(&["COMMIT", READ]),
                ],
            ),
            (
                "RESET at once",
                vec![
                    q("SET ROLE vault"),
                    path(),
                    q("BEGIN"),
                    q("RESET ROLE"),
                    q(READ),
                    qs(&["ROLLBACK", READ]),
                ],
            ),
        ];
        for (name, steps) in sets {
            let direct = play(&mut world.direct_wire()?, &steps)?;
            ensure!(direct.contains(&format!("D {SECRET}")), "{name} is no attack: {direct:?}");
            let got = play(&mut world.wire()?, &steps)?;
            ensure!(!got.contains(&format!("D {SECRET}")), "{name}: {got:?}");
        }
        Ok(())
    })
}

/// A utility statement looks its names up when it runs, not when it is bound.
#[test]
fn a_portal_that_looks_its_names_up_late() -> Result<()> {
    story(&unmasked(), |world| {
        world.server.sql("shop", AGAIN)?;
        let bound = |sql: &str| batch(&[wire::parse("c", sql), wire::bind("p", "c", &[])]);
        for sql in ["COPY secrets TO STDOUT", "COPY (SELECT a FROM secrets) TO STDOUT"] {
            let steps = [
                q("SET search_path = mine"),
                q(READ),
                q("BEGIN"),
                bound(sql),
                q("SET search_path = vault"),
                batch(&[wire::execute("p", 0)]),
                q("ROLLBACK"),
            ];
            let play = |mut wire: Wire| -> Result<String> {
                let mut all = String::new();
                for step in &steps {
                    for message in wire.exchange(std::slice::from_ref(&step.messages), step.ready)? {
                        all += &String::from_utf8_lossy(&message.body);
                    }
                }
                Ok(all)
            };
            let direct = play(world.direct_wire()?)?;
            ensure!(direct.contains(SECRET) || sql.contains('('), "{sql} is no attack: {direct}");
            let got = play(world.wire()?)?;
            ensure!(!got.contains(SECRET), "{sql}: {got}");
        }
        Ok(())
    })
}

#[test]
fn a_schema_that_another_session_takes_away() -> Result<()> {
    let config = "catalog: {check_seconds: 1}\n".to_owned();
    story(&Setup { config, ..setup() }, |world| {
        world.server.sql("shop", AGAIN)?;
        let mut wire = world.wire()?;
        play(&mut wire, &[both(), q(READ)])?;
        world.server.sql("shop", "REVOKE USAGE ON SCHEMA mine FROM shop_service")?;
        let mut told = world.direct_wire()?;
        let direct = play(&mut told, &[both(), q(READ)])?;
        ensure!(direct.contains(&format!("D {SECRET}")), "{direct:?}");
        std::thread::sleep(std::time::Duration::from_secs(3));
        let got = play(&mut wire, &[q(READ)])?;
        ensure!(got == ["E 42501", "Z I"], "{got:?}");
        Ok(())
    })
}

/// Strings that are one thing where a backslash escapes, and another where it does not.
#[test]
fn strings_that_are_read_in_another_way() -> Result<()> {
    story(&setup(), |world| {
        let (on, off) = ("SET standard_conforming_strings = on", "SET standard_conforming_strings = off");
        // The secret where strings conform; a text where a backslash escapes.
        let conforming = "SELECT '\\' || a || ' AS x --' FROM vault.secrets";
        // The other way round.
        let escaping = "SELECT '\\'' || a || ' AS x --' FROM vault.secrets";
        // The same for what is masked, where only one of the two columns is seen.
        let masked = "SELECT '\\' || ssn || ' AS x --'\nFROM people";
        check(
            world,
            vec![
                ("SET", vec![q(off), q("SELECT 1"), q(on), q(conforming)]),
                ("SET to off", vec![q(off), q(escaping)]),
                ("at once", vec![q(off), q("SELECT 1"), qs(&[on, conforming])]),
                ("to off at once", vec![qs(&[off, escaping])]),
                (
                    "set_config",
                    vec![q("SELECT set_config('standard_conforming_strings', 'off', false)"), q(escaping)],
                ),
                (
                    "set_config in a pipeline",
                    vec![batch(&[
                        wire::run("SELECT set_config('standard_conforming_strings', 'off', false)"),
                        wire::run(escaping),
                    ])],
                ),
                (
                    "a stable function in a pipeline",
                    vec![batch(&[wire::run("SELECT public.escape_stable()"), wire::run(escaping)])],
                ),
                (
                    "SET LOCAL and COMMIT at once",
                    vec![
                        q("BEGIN"),
                        q("SET LOCAL standard_conforming_strings = off"),
                        q("SELECT 1"),
                        qs(&["COMMIT", conforming]),
                    ],
                ),
                (
                    "SET LOCAL and COMMIT in a pipeline",
                    vec![
                        q("BEGIN"),
                        q("SET LOCAL standard_conforming_strings = off"),
                        q("SELECT 1"),
                        batch(&[wire::run("COMMIT"), wire::run(conforming)]),
                    ],
                ),
                (
                    "a savepoint",
                    vec![
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q(off),
                        q("SELECT 1"),
                        qs(&["ROLLBACK TO s", conforming]),
                        q("COMMIT"),
                    ],
                ),
                ("DISCARD ALL", vec![q(off), q("SELECT 1"), qs(&["DISCARD ALL", conforming])]),
                (
                    "a mask and a prepared statement",
                    vec![batch(&[wire::parse("m", masked)]), q(off), batch(&[execute("m")])],
                ),
                ("a mask and EXECUTE", vec![q(&format!("PREPARE m AS {masked}")), q(off), q("EXECUTE m")]),
            ],
        )
    })
}

#[test]
fn what_is_honest_is_understood() -> Result<()> {
    story(&unmasked(), |world| {
        world.server.sql("shop", AGAIN)?;
        let scripts: Vec<Attack> = vec![
            ("a path and a query", vec![both(), q(READ), q(READ)]),
            (
                "a path and a prepared statement",
                vec![both(), batch(&[wire::parse("r", READ)]), batch(&[execute("r")])],
            ),
            (
                "a path and EXECUTE",
                vec![both(), q(&format!("PREPARE r AS {READ}")), q("EXECUTE r"), q("EXECUTE r")],
            ),
            ("SET LOCAL", vec![q("BEGIN"), q("SET LOCAL search_path = mine"), q(READ), q("COMMIT")]),
            (
                "settings that change no meaning",
                vec![
                    both(),
                    q("SET DateStyle = 'ISO, DMY'"),
                    q("SET TimeZone = 'UTC'"),
                    q("SET application_name = 'x'"),
                    q("SET statement_timeout = '1min'"),
                    q(READ),
                    batch(&[wire::run("SET extra_float_digits = 3"), wire::run(READ)]),
                ],
            ),
            (
                "a text of SET and a query in one schema",
                vec![q("SET search_path = mine; SELECT a FROM mine.secrets")],
            ),
            (
                "a script that begins again",
                vec![
                    both(),
                    q(
                        "DROP TABLE IF EXISTS mine.t CASCADE; CREATE TABLE mine.t (a text); INSERT INTO t VALUES ('x'); SELECT a FROM t",
                    ),
                    q(
                        "DROP TABLE IF EXISTS mine.t; CREATE TABLE mine.t (a text); INSERT INTO mine.t VALUES ('x'); SELECT a FROM mine.t",
                    ),
                    q("BEGIN; DROP TABLE mine.t; CREATE TABLE mine.t (a text); COMMIT; SELECT a FROM mine.t"),
                ],
            ),
            (
                "a migration in a transaction",
                vec![
                    both(),
                    q("CREATE TABLE mine.t (a text)"),
                    q("BEGIN"),
                    q("DROP TABLE IF EXISTS mine.t CASCADE"),
                    q("CREATE TABLE mine.t (a text)"),
                    q("INSERT INTO t VALUES ('x')"),
                    q("SELECT a FROM secrets"),
                    q("ALTER TABLE mine.t ADD COLUMN b int; UPDATE mine.t SET b = 1"),
                    q("COMMIT"),
                    q("SELECT b FROM t"),
                ],
            ),
            (
                "savepoints around everything",
                vec![
                    both(),
                    q("BEGIN"),
                    q("SAVEPOINT s"),
                    q("CREATE TABLE mine.t (a text)"),
                    q("RELEASE s"),
                    q("SAVEPOINT s"),
                    q("INSERT INTO t VALUES ('x')"),
                    q("ROLLBACK TO s"),
                    q("RELEASE s"),
                    q("SELECT a FROM t"),
                    q(READ),
                    q("ROLLBACK"),
                ],
            ),
            (
                "temporary tables",
                vec![
                    q("CREATE TEMP TABLE t (a text)"),
                    q("INSERT INTO t VALUES ('x')"),
                    q("SELECT a FROM t"),
                    q("BEGIN"),
                    q("CREATE TEMP TABLE u (a text) ON COMMIT DROP"),
                    q("SELECT a FROM u"),
                    q("COMMIT"),
                    q("DROP TABLE t"),
                    q("CREATE TEMP TABLE t (a text)"),
                    q("SELECT a FROM t"),
                ],
            ),
            (
                "a schema that begins again",
                vec![
                    q("BEGIN"),
                    q("DROP SCHEMA IF EXISTS mine CASCADE"),
                    q("CREATE SCHEMA mine"),
                    q("CREATE TABLE mine.t (a text)"),
                    q("INSERT INTO mine.t VALUES ('x')"),
                    q("SELECT a FROM mine.t"),
                    q("ROLLBACK"),
                ],
            ),
            (
                "strings with backslashes",
                vec![
                    q("SELECT E'\\'' || '\\'"),
                    q("SET standard_conforming_strings = off"),
                    q("SELECT '\\'' || E'\\''"),
                    batch(&[wire::parse("b", "SELECT '\\''")]),
                    batch(&[execute("b")]),
                ],
            ),
            (
                "texts beyond ASCII",
                vec![q("SELECT 'gr\u{fc}n'"), batch(&[wire::run("SELECT 'gr\u{fc}n' AS \"gr\u{fc}n\"")])],
            ),
        ];
        for (name, steps) in scripts {
            world.server.sql("shop", AGAIN)?;
            let expect = play(&mut world.direct_wire()?, &steps)?;
            ensure!(!expect.iter().any(|line| line.starts_with('E')), "{name}: {expect:?}");
            world.server.sql("shop", AGAIN)?;
            let mut wire = world.wire()?;
            wire.talk(&[wire::query("CREATE TABLE IF NOT EXISTS public.nothing ()")], 1)?;
            wire.talk(&[wire::query("SELECT 1 FROM public.nothing")], 1)?;
            let got = play(&mut wire, &steps)?;
            ensure!(
                got == expect,
                "{name}; through Portreeve:\n{}\nfrom the server:\n{}",
                got.join("\n"),
                expect.join("\n")
            );
        }
        Ok(())
    })
}

#[test]
fn encodings_in_which_a_byte_of_a_character_is_a_quote_or_a_backslash() -> Result<()> {
    story(&setup(), |world| {
        // In each of these the second byte of a character may be a backslash.
        for (encoding, character) in
            [("SJIS", b"\x95\x5c"), ("BIG5", b"\xa5\x5c"), ("GBK", b"\x95\x5c"), ("GB18030", b"\x95\x5c")]
        {
            let set = format!("SET client_encoding = {encoding}");
            // To who does not know the character, `\'` does not end the string.
            let text = [&b"SELECT E'"[..], character, b"' || a || ' AS x --' FROM vault.secrets"].concat();
            let at_once = [wire::query(&set), bytes(&text).messages].concat();
            check(
                world,
                vec![
                    (encoding, vec![q(&set), bytes(&text)]),
                    (encoding, vec![Step { messages: at_once, ready: 2 }]),
                ],
            )?;
        }
        Ok(())
    })
}
