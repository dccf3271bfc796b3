//! What honest people write: with a policy that README suggests each statement is allowed, and answered as without Portreeve.

use anyhow::{Context as _, Result, ensure};
use e2e::process::finish;
use e2e::wire::{self, Wire};
use e2e::world::text;
use e2e::{Setup, World, story};

use crate::steps::{Step, play, q};

/// Everybody may look around, and read the application's tables.
const READS: &str = "
version: 1
rules:
  - { name: sessions, actions: [session], decision: allow }
  - { name: look-around, actions: [read], relations: [\"pg_catalog.*\", \"information_schema.*\"], decision: allow }
  - { name: reads, actions: [read], relations: [\"app.*\"], decision: allow }
";

/// Its own jobs write them, too.
const WRITES: &str = "  - { name: writes, actions: [write], relations: [\"app.*\"], decision: allow }\n";

const DATABASE: &str = r#"
CREATE SCHEMA app;
CREATE DOMAIN app.email AS text CHECK (VALUE ~ '@');
CREATE TYPE app.address AS (street text, zip text);
CREATE TABLE app.customers (id int PRIMARY KEY, mail app.email, home app.address, profile jsonb);
INSERT INTO app.customers VALUES (1, 'ada@example.com', ROW('1 St', 'E1'), '{"lang": "en"}'), (2, NULL, NULL, '{}');
CREATE TABLE app.accounts (id int PRIMARY KEY, balance numeric);
INSERT INTO app.accounts VALUES (1, 10), (2, 20);
CREATE TABLE app.log (what text);
CREATE FUNCTION app.audit() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO app.log VALUES (TG_OP); RETURN NEW; END$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON app.accounts FOR EACH ROW EXECUTE FUNCTION app.audit();
"#;

fn setup(more: &str) -> Setup {
    Setup { database: DATABASE.to_owned(), ..Setup::policy(&format!("{READS}{more}")) }
}

/// Plays each session past Portreeve and through it, on databases of their own: no statement fails, and the answers are the
/// same.
pub(crate) fn same(world: &World, sessions: &[&[&str]]) -> Result<()> {
    let mut wrong = Vec::new();
    for (number, session) in sessions.iter().enumerate() {
        let steps: Vec<Step> = session.iter().map(|sql| q(sql)).collect();
        let played = |way: &str| {
            let database = format!("{way}_{number}");
            world.server.sql(
                "postgres",
                &format!("CREATE DATABASE {database} TEMPLATE shop OWNER {}", e2e::world::ROLE),
            )?;
            let mut wire = match way {
                "direct" => Wire::direct(&world.server.socket(), e2e::world::ROLE, &database)?,
                _ => Wire::connect(world.destination(), &database)?,
            };
            play(&mut wire, &steps).with_context(|| session.join("; "))
        };
        let (direct, through) = (played("direct")?, played("through")?);
        ensure!(!direct.iter().any(|line| line.starts_with('E')), "{session:?} does not work: {direct:?}");
        if direct != through {
            wrong.push(format!("{session:?}: {direct:?}, but {through:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_reader_finds_its_way_and_computes() -> Result<()> {
    story(&setup(""), |world| {
        same(
            world,
            &[
                // Views of PostgreSQL's own call functions of their own.
                &["SELECT name FROM pg_settings WHERE name = 'work_mem'"],
                &[
                    "SELECT column_name, data_type, numeric_precision FROM information_schema.columns WHERE table_schema = 'app' ORDER BY 1",
                ],
                &[
                    "SELECT column_name FROM information_schema.key_column_usage WHERE table_name = 'accounts'",
                ],
                &["SELECT (information_schema._pg_expandarray('{7,8}'::int2[])).n"],
                // Making a value of a type that checks by PostgreSQL's own functions runs nothing else.
                &["SELECT jsonb_populate_record(NULL::app.accounts, '{\"id\": 9}'), ('a@b'::app.email)"],
                &["SELECT (jsonb_populate_recordset(NULL::app.address, '[{\"zip\": \"E1\"}]')).zip"],
                &[
                    "SELECT jsonb_exists(profile, 'lang'), hashint4(id), textcat('a', 'b') FROM app.customers ORDER BY id",
                ],
                &[
                    "SELECT pg_stat_get_live_tuples('app.log'::regclass) IS NOT NULL, pg_blocking_pids(pg_backend_pid())",
                ],
                &["SELECT token FROM ts_debug('simple', 'a b')", "SELECT current_query()"],
                &["SELECT set_config('my.user', '7', false)", "SELECT current_setting('my.user')"],
                &[
                    "BEGIN; SELECT set_config('search_path', 'app', true); SELECT count(*) FROM accounts; COMMIT",
                ],
            ],
        )
    })
}

#[test]
fn what_was_prepared_runs_triggers_as_any_write_does() -> Result<()> {
    story(&setup(WRITES), |world| {
        same(
            world,
            &[
                &[
                    "PREPARE ins AS INSERT INTO app.accounts VALUES ($1, $2) RETURNING id",
                    "EXECUTE ins (3, 5)",
                    "EXECUTE ins (4, 5)",
                    "SELECT what FROM app.log",
                ],
                &[
                    "SET search_path = app",
                    "PREPARE up AS UPDATE accounts SET balance = balance + 1 WHERE id = $1",
                    "BEGIN",
                    "EXECUTE up (1)",
                    "EXECUTE up (2)",
                    "SELECT balance FROM accounts ORDER BY id",
                    "COMMIT",
                ],
                &["PREPARE s AS SELECT set_config('my.user', $1, false)", "EXECUTE s ('x')"],
            ],
        )
    })
}

/// Migrations build what they like in the application's schema.
const BUILDS: &str = "
  - { name: builds, actions: [ddl, maintain], relations: [\"app.*\"], schemas: [app], functions: [\"app.*\"], decision: allow }
  - { name: types, actions: [create, alter, drop], decision: allow }
  - { name: calls, actions: [function], functions: [\"app.*\"], decision: allow }
";

#[test]
fn what_migrations_write_is_understood() -> Result<()> {
    story(&setup(&format!("{WRITES}{BUILDS}")), |world| {
        same(
            world,
            &[
                // The rows of a statement, in a trigger's function.
                &[
                    "CREATE FUNCTION app.log_all() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
                     INSERT INTO app.log SELECT TG_OP || to_jsonb(n)::text FROM new_rows n; \
                     IF TG_OP = 'UPDATE' THEN INSERT INTO app.log SELECT 'was ' || o.balance FROM old_rows o JOIN new_rows USING (id); END IF; \
                     RETURN NULL; END$$",
                    "CREATE TRIGGER ins AFTER INSERT ON app.accounts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.log_all()",
                    "CREATE TRIGGER upd AFTER UPDATE ON app.accounts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.log_all()",
                    "INSERT INTO app.accounts VALUES (7, 1), (8, 2)",
                    "UPDATE app.accounts SET balance = balance + 1 WHERE id > 6",
                    "SELECT what FROM app.log ORDER BY 1",
                ],
                // Bodies as older tools write them, with escapes.
                &[
                    "CREATE FUNCTION app.old() RETURNS text LANGUAGE plpgsql AS E'BEGIN\\n\\tRETURN \\'a\\\\\\\\b\\' || ''c'';\\nEND'",
                    "SELECT app.old()",
                ],
                &[
                    "SET search_path = app",
                    "CREATE RECURSIVE VIEW nums (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM nums WHERE n < 4",
                    "SELECT sum(n) FROM app.nums",
                ],
                &[
                    "SELECT !!'a'::tsquery, ?- lseg '[(0,0),(1,0)]', @-@ path '((0,0),(1,0))', (1, 2) = ANY (VALUES (1, 2), (3, 4))",
                ],
            ],
        )
    })
}

/// A reader who may call no function, in a database with extensions whose functions are called as PostgreSQL's own.
#[test]
fn extensions_take_no_function_of_postgresqls_own_away() -> Result<()> {
    let mut setup = setup(WRITES);
    setup.database.push_str("CREATE EXTENSION citext; CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore;");
    story(&setup, |world| {
        same(
            world,
            &[
                &["SELECT max(balance), min(id), max(id::text) FROM app.accounts"],
                &[
                    "SELECT replace(mail, 'a', 'b'), split_part(mail, '@', 1), strpos(mail, '@'), translate(mail, 'a', 'b') FROM app.customers ORDER BY id",
                ],
                &[
                    "SELECT regexp_replace(what, 'a', 'b'), regexp_match(what, 'a') FROM app.log",
                    "SELECT * FROM regexp_split_to_table('a b', ' ')",
                ],
                &["SELECT gen_random_uuid() IS NOT NULL"],
                &["UPDATE app.accounts SET balance = (SELECT max(balance) FROM app.accounts) WHERE id = 1"],
            ],
        )?;
        let wire = &mut Wire::connect(world.destination(), "shop")?;
        let refused = play(wire, &[q("SELECT public.max('a'::citext)"), q("SELECT digest('a', 'md5')")])?;
        ensure!(refused.iter().filter(|line| *line == "E 42501").count() == 2, "{refused:?}");
        Ok(())
    })
}

/// Who is shown masks meets them in the cells, and nowhere else.
#[test]
fn masks_leave_alone_what_shows_nothing_of_them() -> Result<()> {
    let masks = READS.replace(
        "relations: [\"app.*\"], decision: allow",
        "relations: [\"app.*\"], decision: allow, mask: [app.customers.mail, app.customers.profile]",
    );
    let calls =
        "  - { name: calls, actions: [function], functions: [\"app.*\", \"public.*\"], decision: allow }\n";
    let functions = "CREATE EXTENSION pgcrypto; CREATE EXTENSION hstore;
        CREATE FUNCTION app.rest(amount numeric, percent int) RETURNS numeric LANGUAGE sql AS
          $$SELECT amount * (100 - percent) / 100$$;";
    let setup = Setup {
        database: format!("{DATABASE}{functions}"),
        ..Setup::policy(&format!("{masks}{WRITES}{calls}"))
    };
    story(&setup, |world| {
        same(
            world,
            &[
                &[
                    "SELECT EXISTS (SELECT * FROM app.customers), NOT EXISTS (SELECT c.mail FROM app.customers c WHERE id = 9)",
                ],
                &[
                    "SELECT a.id FROM app.accounts a WHERE EXISTS (SELECT * FROM app.customers c WHERE c.id = a.id) ORDER BY 1",
                ],
                &[
                    "INSERT INTO app.customers (id, mail) VALUES (1, 'b@b'), (3, 'c@c') ON CONFLICT (id) DO UPDATE SET mail = excluded.mail, profile = excluded.profile RETURNING id",
                    "INSERT INTO app.customers (id, mail) VALUES (3, 'd@d') ON CONFLICT (id) DO UPDATE SET (mail, profile) = (excluded.mail, excluded.profile)",
                ],
                &["SELECT count(*), max(id) FROM app.customers WHERE id > 0"],
                // A function that is given nothing masked, and reads nothing, has nothing of it to give.
                &[
                    "INSERT INTO app.accounts SELECT 9, app.rest(100, 10) RETURNING balance",
                    "INSERT INTO app.log VALUES (encode(digest('a', 'md5'), 'hex')), (app.rest(1, 2)::text) RETURNING what",
                    "UPDATE app.log SET what = gen_salt('md5') WHERE what IS NULL",
                    "SELECT 'a=>1'::hstore -> 'a', hstore('a', 'b'), akeys('a=>1'), id FROM app.accounts WHERE app.rest(id, 0) > 1",
                ],
                // What both sides have in common is masked in neither.
                &["SELECT id, balance FROM app.accounts NATURAL JOIN app.customers ORDER BY id"],
            ],
        )?;
        let wire = &mut Wire::connect(world.destination(), "shop")?;
        let refused = play(
            wire,
            &[
                q("SELECT EXISTS (SELECT * FROM app.customers WHERE mail = 'ada@example.com')"),
                q(
                    "INSERT INTO app.customers (id, mail) VALUES (1, 'b@b') ON CONFLICT (id) DO UPDATE SET profile = to_jsonb(excluded.mail)",
                ),
                q("SELECT digest(mail::text, 'md5') FROM app.customers"),
                q("INSERT INTO app.log SELECT c.mail FROM app.customers c"),
            ],
        )?;
        ensure!(refused.iter().filter(|line| *line == "E 42501").count() == 4, "{refused:?}");
        Ok(())
    })
}

/// Where columns are masked, an error that can tell nothing of them says what it says elsewhere.
#[test]
fn what_meets_nothing_masked_fails_in_the_servers_own_words() -> Result<()> {
    let masks = READS.replace(
        "relations: [\"app.*\"], decision: allow",
        "relations: [\"app.*\"], decision: allow, mask: app.customers.mail",
    );
    let sleeps =
        "  - { name: sleeps, actions: [function], functions: pg_catalog.pg_sleep, decision: allow }\n";
    let setup = Setup { database: DATABASE.to_owned(), ..Setup::policy(&format!("{masks}{WRITES}{sleeps}")) };
    let copied =
        [wire::query("COPY app.log FROM STDIN"), wire::copy_data("a\tb\n"), wire::copy_done()].concat();
    story(&setup, |world| {
        let said = |wire: &mut Wire, messages: Vec<u8>| -> Result<Vec<String>> {
            let answers = wire.exchange(&[messages], 1)?;
            let told = answers.iter().filter(|message| matches!(message.tag, b'E' | b'N'));
            Ok(told.map(|message| b"CMDHW".map(|code| message.field(code)).join("|")).collect())
        };
        let (mut direct, mut through) = (world.direct_wire()?, world.wire()?);
        for text in [
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT a",
            "BEGIN",
            "BEGIN",
            "ROLLBACK TO a",
            "ROLLBACK",
            "SET work_mem = 'lots'",
            "SHOW nothing",
            "DEALLOCATE nothing",
            "CLOSE nothing",
            "COPY",
            "SET statement_timeout = 50",
            "SELECT pg_sleep(5)",
            "PARSE",
            "BIND",
        ] {
            let messages = || match text {
                "COPY" => copied.clone(),
                "PARSE" => [wire::parse("", "SELECT 1; SELECT 2"), wire::sync()].concat(),
                "BIND" => {
                    let parse = wire::parse("", "SELECT id FROM app.accounts WHERE id = $1");
                    [parse, wire::bind("", "", &["x"]), wire::sync()].concat()
                }
                text => wire::query(text),
            };
            let (expected, got) = (said(&mut direct, messages())?, said(&mut through, messages())?);
            ensure!(got == expected, "{text}: {expected:?}, but {got:?}");
        }
        Ok(())
    })
}

/// A schema dump takes locks that a SELECT takes as well, and looks at what PostgreSQL itself keeps but for its secrets.
#[test]
fn who_may_read_may_dump_the_schema() -> Result<()> {
    let secrets = "
  - name: secrets
    actions: [\"*\"]
    relations: [pg_catalog.pg_authid, pg_catalog.pg_shadow, pg_catalog.pg_statistic, \"pg_catalog.pg_stats*\",
      \"pg_catalog.pg_user_mapping*\", pg_catalog.pg_largeobject]
    decision: deny
  - name: passwords
    actions: [select]
    when: { columns: [pg_catalog.pg_subscription.subconninfo] }
    decision: deny
";
    let setup = setup(&format!("{secrets}    mask: [app.customers.mail]\n"));
    story(&setup, |world| {
        let dump = |command: &mut std::process::Command| {
            finish(command.args(["-w", "--schema-only"])).map(|dump| {
                let dropped =
                    |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
                (
                    text(&dump.stdout).lines().filter(dropped).collect::<Vec<_>>().join("\n"),
                    text(&dump.stderr),
                )
            })
        };
        let (schema, told) = dump(world.job().command("pg_dump").args(["-d", &world.address()]))?;
        ensure!(told.is_empty() && schema.contains("CREATE TABLE app.customers"), "{told}{schema}");
        // It takes the secrets of nobody.
        let mut wire = world.wire()?;
        for sql in ["SELECT subconninfo FROM pg_subscription", "TABLE pg_subscription"] {
            ensure!(play(&mut wire, &[q(sql)])?.contains(&"E 42501".to_owned()), "{sql}");
        }
        for sql in ["LOCK TABLE app.log IN SHARE MODE", "LOCK TABLE app.log"] {
            ensure!(
                play(&mut wire, &[q("BEGIN"), q(sql), q("ROLLBACK")])?.contains(&"E 42501".to_owned()),
                "{sql}"
            );
        }
        Ok(())
    })
}
