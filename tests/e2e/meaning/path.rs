//! A search path that moves, or the role that it depends on.

use super::*;

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
