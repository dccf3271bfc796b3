//! What the job may not read it does not get, in any protocol or shape.

use anyhow::{Result, ensure};
use e2e::wire;
use e2e::{Setup, World, story};

const POLICY: &str = "
version: 1
rules:
  - name: all
    actions: [\"*\"]
    decision: allow
    mask:
      - public.customers.ssn
      - { columns: [public.customers.email], with: hash }
";

/// Pieces of what is masked.
const SECRETS: [&str; 6] = ["123-45-6789", "987-65-4321", "555-12-3456", "ada@", "alan@", "grace@"];

fn no_secret(text: &str) -> Result<()> {
    match SECRETS.iter().find(|secret| text.contains(**secret)) {
        None => Ok(()),
        Some(secret) => anyhow::bail!("`{secret}` is told: {text}"),
    }
}

/// What psql gets, rows and errors alike, has no secret in it.
fn check(world: &World, statements: &[&str]) -> Result<String> {
    let output = world.psql(statements)?;
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    no_secret(&told)?;
    Ok(told)
}

#[test]
fn masked_columns_come_masked_and_others_in_clear() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let told = check(world, &["SELECT id, name, email, ssn FROM customers ORDER BY id"])?;
        ensure!(told.contains("1|Ada Lovelace|") && told.lines().count() == 3, "{told}");
        Ok(())
    })
}

#[test]
fn a_masked_column_is_shown_alike_wherever_nothing_is_computed_from_it() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let shown = world.rows(&["SELECT email FROM customers WHERE id = 1"])?;
        ensure!(shown.trim().len() == 32, "{shown}");
        for same in [
            "SELECT email::text FROM customers WHERE id = 1",
            "SELECT email FROM customers WHERE id = 1 UNION ALL SELECT email FROM customers WHERE id < 0",
            "SELECT (SELECT email FROM customers WHERE id = 1)",
            "WITH RECURSIVE x(e, n) AS (SELECT email, 1 FROM customers WHERE id = 1 \
             UNION ALL SELECT e, n + 1 FROM x WHERE n < 1) SELECT e FROM x",
        ] {
            let found = world.rows(&[same])?;
            ensure!(found == shown, "{same}: {found}");
        }
        // What the job chooses itself is not shown as a mask would, or it could try values until one is shown alike.
        for other in [
            "SELECT email FROM customers WHERE id = 1 UNION ALL SELECT name FROM customers WHERE id < 0",
            "SELECT email FROM customers WHERE id = 1 UNION ALL SELECT 'ada@example.com' WHERE false",
            "SELECT email::varchar(9) FROM customers WHERE id = 1",
        ] {
            let found = world.rows(&[other])?;
            ensure!(found.trim() == "****", "{other}: {found}");
        }
        Ok(())
    })
}

#[test]
fn no_detour_leads_around_a_mask() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        for statement in [
            "SELECT * FROM customers",
            "TABLE customers",
            "SELECT c FROM customers c",
            "SELECT to_json(c) FROM customers c",
            "SELECT row_to_json(c)::text FROM customers c",
            "SELECT upper(ssn) || '' FROM customers",
            "SELECT string_agg(ssn, ',') FROM customers",
            "SELECT x FROM (SELECT ssn AS x FROM customers) s",
            "WITH w AS (SELECT ssn FROM customers) SELECT * FROM w",
            "SELECT ssn FROM customers UNION SELECT 'x'",
            "SELECT (SELECT max(ssn) FROM customers)",
            "SELECT array_agg(c) FROM customers c",
            "UPDATE customers SET name = name WHERE id = 1 RETURNING ssn",
            "INSERT INTO customers SELECT 9, 'x', 'y', ssn FROM customers WHERE id = 1 RETURNING ssn",
            "SELECT ssn::int FROM customers",
            "SELECT 1/(length(ssn) - 11) FROM customers",
            "SELECT x.* FROM (SELECT 'x') c (ssn), LATERAL (SELECT j.* FROM customers c, (orders JOIN LATERAL (SELECT c.ssn) s ON true) AS j) x",
            "SELECT (SELECT char.a FROM (SELECT 1) AS nchar(a)) FROM customers AS char(i, n, e, a)",
            "COPY customers TO STDOUT",
            "COPY (SELECT ssn FROM customers) TO STDOUT",
            "COPY customers (id) TO STDOUT",
            "COPY (SELECT c FROM customers c) TO STDOUT",
            "COPY (SELECT length(ssn) FROM customers) TO STDOUT",
            "COPY (SELECT id FROM customers WHERE ssn LIKE '1%') TO STDOUT",
            "COPY (UPDATE customers SET name = name RETURNING ssn) TO STDOUT",
            "COPY (TABLE customers) TO STDOUT (FORMAT binary)",
            "COPY (SELECT most_common_vals::text FROM pg_stats) TO STDOUT",
            "COPY (SELECT * FROM (SELECT ssn AS x FROM customers) s) TO STDOUT",
            "COPY (WITH w AS (SELECT * FROM customers) SELECT w::text FROM w) TO STDOUT",
            "COPY (SELECT id, (SELECT ssn FROM customers c WHERE c.id = o.id) FROM orders o) TO STDOUT",
            "COPY (SELECT 1 UNION ALL SELECT length(ssn) FROM customers) TO STDOUT",
            "COPY (INSERT INTO orders SELECT 77, id, 1, ssn FROM customers RETURNING state) TO STDOUT",
            "CREATE TEMP TABLE copied AS SELECT 1 AS a; COPY (SELECT ssn FROM customers, copied) TO STDOUT",
            "PREPARE q AS SELECT ssn FROM customers; COPY (SELECT name FROM pg_prepared_statements) TO STDOUT; EXECUTE q",
            "SELECT set_config('own.x', ssn, false) FROM customers; SHOW own.x",
            "UPDATE pg_settings SET setting = (SELECT ssn FROM customers LIMIT 1) WHERE name = 'application_name'; SHOW application_name",
            "CREATE TEMP VIEW v AS SELECT ssn AS other FROM customers; SELECT * FROM v",
            "CREATE TEMP TABLE t AS SELECT ssn AS other FROM customers; SELECT * FROM t",
            "BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM customers; FETCH ALL FROM c; COMMIT",
            "PREPARE p AS SELECT ssn FROM customers; EXECUTE p",
            "SELECT query_to_xml('SELECT ssn FROM customers', true, false, '')",
            "DO $$BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers LIMIT 1); END$$",
            "EXPLAIN SELECT * FROM customers WHERE ssn = '123-45-6789'",
            "INSERT INTO customers VALUES (1, 'twice', 'ada@example.com', '123-45-6789')",
            "SELECT histogram_bounds, most_common_vals FROM pg_stats WHERE tablename = 'customers'",
        ] {
            // Its own text comes back in errors' positions only, never with its literals.
            check(world, &["ANALYZE customers", statement]).map_err(|error| error.context(statement))?;
        }
        Ok(())
    })
}

#[test]
fn what_is_not_masked_is_copied_out() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        for copy in [
            "COPY orders TO STDOUT",
            "COPY orders (id) TO STDOUT (FORMAT csv, HEADER)",
            "COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT",
            "COPY (SELECT count(*) FROM customers) TO STDOUT",
            "COPY (VALUES (1)) TO STDOUT (FORMAT binary)",
        ] {
            let got = world.wire()?.talk(&[wire::query(copy)], 1)?;
            let expect = world.direct_wire()?.talk(&[wire::query(copy)], 1)?;
            ensure!(got == expect && !got[0].starts_with('E'), "{copy}: {got:?}, past Portreeve {expect:?}");
        }
        Ok(())
    })
}

#[test]
fn several_statements_of_one_session_do_not_either() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        check(world, &["CREATE VIEW v AS SELECT ssn AS other FROM customers", "SELECT * FROM v"])?;
        check(world, &["CREATE TABLE t AS SELECT ssn AS other FROM customers", "SELECT other FROM v"])?;
        check(world, &["BEGIN", "DECLARE c CURSOR FOR SELECT ssn FROM customers", "FETCH ALL FROM c"])?;
        check(world, &["PREPARE p AS SELECT ssn FROM customers", "EXECUTE p"])?;
        check(
            world,
            &["BEGIN", "ALTER TABLE customers RENAME ssn TO harmless", "SELECT harmless FROM customers"],
        )?;
        check(
            world,
            &["ALTER TYPE customers RENAME ATTRIBUTE ssn TO harmless", "SELECT harmless FROM customers"],
        )?;
        world.server.sql("shop", "CREATE TABLE base (ssn text); ALTER TABLE customers INHERIT base")?;
        world.server.sql("shop", &format!("ALTER TABLE base OWNER TO {}", e2e::world::ROLE))?;
        check(world, &["ALTER TABLE base RENAME ssn TO harmless", "SELECT harmless FROM customers"])?;
        world.server.sql("shop", "ALTER TABLE customers NO INHERIT base; DROP TABLE base")?;
        world.server.sql("shop", &format!("ALTER SCHEMA public OWNER TO {}", e2e::world::ROLE))?;
        world.server.sql("shop", &format!("GRANT CREATE ON DATABASE shop TO {}", e2e::world::ROLE))?;
        check(world, &["ALTER SCHEMA public RENAME TO other", "SELECT * FROM other.customers"])?;
        Ok(())
    })
}

#[test]
fn a_table_that_is_made_of_masked_rows_has_none_of_their_values() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        for made in [
            "CREATE TABLE made AS SELECT ssn AS other FROM customers",
            "CREATE TABLE made (other) AS TABLE customers",
            "SELECT ssn AS other INTO made FROM customers",
            "CREATE TABLE made AS WITH w AS (SELECT * FROM customers) SELECT to_jsonb(w) AS other FROM w",
            "CREATE TABLE made AS SELECT c AS other FROM customers c",
            "CREATE TABLE made AS SELECT max(ssn) AS other FROM customers GROUP BY id",
            "CREATE TABLE made AS SELECT CASE WHEN ssn > '2' THEN 'more' ELSE 'less' END AS other FROM customers",
            "CREATE TABLE made AS SELECT id FROM customers WHERE ssn = '123-45-6789'",
            "CREATE TABLE made AS SELECT id FROM customers ORDER BY ssn",
            "CREATE TABLE made AS SELECT (SELECT ssn FROM customers LIMIT 1) AS other",
            "CREATE TABLE made AS VALUES ((SELECT ssn FROM customers LIMIT 1))",
            "CREATE TABLE made AS SELECT 1 AS one UNION SELECT id FROM customers WHERE ssn LIKE '1%'",
            "PREPARE p AS SELECT ssn AS other FROM customers; CREATE TABLE made AS EXECUTE p",
            "CREATE MATERIALIZED VIEW made AS SELECT ssn AS other FROM customers",
            "CREATE UNLOGGED TABLE IF NOT EXISTS made AS SELECT ssn::bytea AS other FROM customers WITH DATA",
        ] {
            check(world, &[made, "SELECT * FROM made"]).map_err(|error| error.context(made))?;
            let there = world.server.sql("shop", "SELECT to_regclass('public.made') IS NOT NULL")?;
            ensure!(there == "f", "it was made: {made}");
        }
        // What carries nothing of them is a report's daily bread.
        world.rows(&[
            "CREATE TEMP TABLE per AS SELECT id, count(*) AS n FROM customers GROUP BY id; SELECT * FROM per",
        ])?;
        world.rows(&["CREATE TABLE made AS SELECT id FROM customers WHERE id < 3", "SELECT * FROM made"])?;
        Ok(())
    })
}

#[test]
fn in_the_extended_protocol_and_in_binary() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let client = world.connect()?;
        world.block_on(async {
            // tokio-postgres asks for binary.
            let statement =
                client.prepare("SELECT id, ssn, email, name FROM customers WHERE id >= $1").await?;
            for _ in 0..2 {
                let rows = client.query(&statement, &[&1_i32]).await?;
                for row in rows {
                    let id: i32 = row.get(0);
                    let (ssn, email): (Option<String>, Option<String>) = (row.get(1), row.get(2));
                    let name: String = row.get(3);
                    no_secret(&format!("{ssn:?} {email:?}"))?;
                    ensure!(id > 0 && !name.is_empty());
                }
            }
            Ok(())
        })
    })
}

#[test]
fn neither_the_record_nor_the_log_tells_it() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        check(world, &["SELECT * FROM customers", "SELECT 1 FROM customers WHERE ssn = '987-65-4321'"])?;
        let mut files = Vec::new();
        for boot in std::fs::read_dir(world.daemon.evidence())? {
            let boot = boot?.path();
            if boot.is_dir() {
                for file in std::fs::read_dir(boot)? {
                    files.extend(std::fs::read(file?.path())?);
                }
            }
        }
        // The command line of psql is recorded too, and has what was typed there.
        let text = String::from_utf8_lossy(&files).into_owned();
        let typed = ["-c", "SELECT 1 FROM customers WHERE ssn = '987-65-4321'"];
        ensure!(text.contains(typed[0]));
        ensure!(!text.contains("123-45-6789") && !text.contains("ada@"), "a result is recorded in clear");
        no_secret(&world.daemon.log())
    })
}

/// Each of these tells one bit of a masked value, in rows, in their number, in their order, or in whether it fails.
const QUESTIONS: [&str; 16] = [
    "SELECT id FROM customers WHERE ssn < '5'",
    "SELECT id FROM customers WHERE email LIKE 'ada@%'",
    "SELECT c.id FROM customers c JOIN (VALUES ('123-45-6789')) v(x) ON c.ssn = v.x",
    "SELECT id FROM customers ORDER BY ssn",
    "SELECT id, ssn FROM customers ORDER BY 2",
    "SELECT count(*) FROM customers GROUP BY left(ssn, 1)",
    "SELECT count(*) FROM (SELECT ssn FROM customers INTERSECT SELECT '123-45-6789') x",
    "SELECT EXISTS (SELECT FROM customers WHERE ssn = '123-45-6789')",
    "SELECT id FROM (SELECT id, lower(ssn) AS x FROM customers) s WHERE x = '123-45-6789'",
    "SELECT CASE WHEN ssn = '123-45-6789' THEN 1 / 0 ELSE id END FROM customers",
    "SELECT count(*) FROM customers, generate_series(1, left(ssn, 1)::int)",
    "UPDATE customers SET name = name WHERE ssn = '123-45-6789'",
    "SELECT c.id FROM customers c, LATERAL (SELECT 1 FROM (VALUES ('x')) v (ssn), orders o JOIN orders p ON ssn < '5') x",
    "SELECT x.id FROM (VALUES ('x')) v (ssn), LATERAL ((SELECT id FROM customers) ORDER BY ssn LIMIT 1) x",
    "WITH RECURSIVE r (x, n) AS (SELECT left(ssn, 1), 1 FROM customers UNION ALL SELECT '1', n + 1 FROM r WHERE n < 4) CYCLE x SET c USING p SELECT n FROM r",
    "SELECT length('x'::bytea, 'UTF' || substr(ssn, 1, 1)) FROM customers",
];

#[test]
fn what_a_mask_hides_is_not_found_out_by_asking() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        for question in QUESTIONS {
            let told = world.error(&[question])?;
            ensure!(
                told.contains("predicate table public.customers (") && told.contains("by name"),
                "{question}: {told}"
            );
        }
        // What asks other columns is answered.
        let told = world.rows(&["SELECT id, ssn FROM customers WHERE name LIKE 'Ada%' ORDER BY id, name"])?;
        ensure!(told.starts_with("1|"), "{told}");
        Ok(())
    })
}

const NUMBERS: &str = "
RESET ROLE;
ALTER TABLE customers ADD big bigint, ADD many bigint[], ADD born date;
UPDATE customers SET big = 8589934592 * (2 - id), many = ARRAY[8589934592 * (2 - id)], born = '2000-01-01';
";

const NUMBERS_POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.customers.big, public.customers.many, public.customers.born] }
";

/// Each fails where a masked value does not fit in the type that it gets beside the others.
#[test]
fn a_masked_value_that_may_not_fit_in_a_type_is_not_converted_to_it() -> Result<()> {
    let mut setup = Setup::policy(NUMBERS_POLICY);
    setup.database.push_str(NUMBERS);
    story(&setup, |world| {
        for question in [
            "SELECT big FROM customers UNION ALL SELECT '1'::oid",
            "SELECT coalesce(big, '1'::oid) FROM customers",
            "SELECT coalesce(big, tableoid) FROM customers",
            "SELECT ARRAY[big, '1'::oid] FROM customers",
            "SELECT ARRAY[big] || '1'::oid FROM customers",
            "SELECT CASE WHEN true THEN big ELSE '1'::oid END FROM customers",
            "VALUES ((SELECT big FROM customers WHERE id = 1)), ('1'::oid)",
            "SELECT '{1}'::oid[] UNION ALL SELECT many FROM customers",
        ] {
            let direct = world.server.sql("shop", question);
            ensure!(direct.is_err_and(|error| format!("{error:#}").contains("out of range")), "{question}");
            let told = world.error(&[question])?;
            ensure!(told.contains("predicate table public.customers ("), "{question}: {told}");
        }
        let told = world.error(&["SELECT coalesce(born, '2000-01-01'::timestamp) FROM customers"])?;
        ensure!(told.contains("predicate table public.customers (born)"), "{told}");
        for (honest, rows) in [
            ("SELECT coalesce(big, 0), coalesce(born, '2000-01-01') FROM customers", 3),
            ("SELECT big FROM customers UNION ALL SELECT NULL UNION ALL SELECT 0", 5),
            ("SELECT big FROM customers UNION ALL SELECT big FROM customers", 6),
            ("SELECT CASE WHEN id > 1 THEN big ELSE 0 END, ARRAY[big, 1] FROM customers", 3),
            ("SELECT id FROM customers UNION ALL SELECT '1'::oid", 4),
        ] {
            let shown = world.rows(&[honest])?;
            ensure!(shown.lines().count() == rows, "{honest}: {shown}");
        }
        Ok(())
    })
}

#[test]
fn a_rule_may_allow_by_name_to_find_rows_by_a_masked_column() -> Result<()> {
    let policy = format!(
        "{POLICY}  - {{ name: find, actions: [predicate], relations: [public.customers], decision: allow, \
         when: {{ columns: [public.customers.email] }} }}\n"
    );
    story(&Setup::policy(&policy), |world| {
        let found = world.rows(&["SELECT id FROM customers WHERE email LIKE 'ada@%'"])?;
        ensure!(found.trim() == "1", "{found}");
        let both = world.error(&["SELECT id FROM customers WHERE email LIKE 'ada@%' AND ssn < '5'"])?;
        ensure!(both.contains("predicate table public.customers (email, ssn) is denied"), "{both}");
        Ok(())
    })
}

/// Functions that give names of the session's another meaning, or put what they read where it can be read.
const AGAIN: &str = "
    CREATE FUNCTION public.again() RETURNS void LANGUAGE plpgsql AS
      $$ DECLARE c refcursor := 'c'; BEGIN CLOSE c; OPEN c FOR SELECT ssn || '' FROM public.customers; END $$;
    CREATE FUNCTION public.prepares() RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE 'DEALLOCATE p'; EXECUTE 'PREPARE p AS SELECT ssn || '''' FROM public.customers'; END $$;
    CREATE TABLE public.open_to_all (t text); GRANT ALL ON public.open_to_all TO public;
    CREATE FUNCTION public.copies() RETURNS void LANGUAGE sql AS
      $$ INSERT INTO public.open_to_all SELECT ssn FROM public.customers $$;
    CREATE FUNCTION public.fetches() RETURNS void LANGUAGE plpgsql AS
      $$ DECLARE c refcursor := 'c'; x text; BEGIN FETCH c INTO x; INSERT INTO public.open_to_all VALUES (x); END $$;
    CREATE FUNCTION public.says() RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM public.customers LIMIT 1); END $$";

#[test]
fn no_function_leads_around_a_mask() -> Result<()> {
    const CURSOR: [&str; 5] = [
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT name FROM customers",
        "SELECT again()",
        "FETCH ALL FROM c",
        "COMMIT",
    ];
    const PREPARED: [&str; 3] = ["PREPARE p AS SELECT name FROM customers", "SELECT prepares()", "EXECUTE p"];
    story(&Setup::policy(POLICY), |world| {
        world.server.sql("shop", AGAIN)?;
        const FETCHED: [&str; 5] = [
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT ssn FROM customers",
            "SELECT fetches()",
            "SELECT t FROM open_to_all",
            "ROLLBACK",
        ];
        const COPIED: [&str; 4] = ["BEGIN", "SELECT copies()", "SELECT t FROM open_to_all", "ROLLBACK"];
        for script in [&CURSOR[..], &PREPARED, &FETCHED, &COPIED, &["SELECT says()"]] {
            let mut direct = world.server.psql("shop");
            for statement in script {
                direct.args(["-c", statement]);
            }
            let output = direct.output()?;
            let told = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            ensure!(no_secret(&told).is_err(), "nothing is there to be hidden: {told}");
            for script in [script, &[script.join("; ").as_str()][..]] {
                check(world, script)?;
            }
        }
        Ok(())
    })
}

/// What a cursor gives is known for as long as it is there, by FETCH and by the protocol.
#[test]
fn a_cursor_that_outlives_its_transaction_is_masked_by_what_it_was_declared_as() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.customers.ssn] }
";
    story(&Setup::policy(policy), |world| {
        let declare = "DECLARE c CURSOR WITH HOLD FOR SELECT upper(name), ssn || '' FROM customers";
        let mut wire = world.wire()?;
        for sql in ["BEGIN", declare, "COMMIT"] {
            wire.talk(&[wire::query(sql)], 1)?;
        }
        let fetched = wire.talk(&[wire::query("FETCH 1 c")], 1)?;
        ensure!(fetched.contains(&"D ADA LOVELACE|****".to_owned()), "{fetched:?}");
        let executed = wire.talk(&[wire::execute("c", 1), wire::sync()], 1)?;
        ensure!(executed.contains(&"D ALAN TURING|****".to_owned()), "{executed:?}");
        let closed = wire.talk(&[wire::query("CLOSE c"), wire::execute("c", 1), wire::sync()], 2)?;
        ensure!(
            closed.contains(&"C CLOSE CURSOR".to_owned()) && closed.contains(&"E 34000".to_owned()),
            "{closed:?}"
        );
        Ok(())
    })
}

/// A cast to `json` of a user's, which `to_json` and its like look for, gets the values that they are given.
#[test]
fn a_cast_that_no_text_names_keeps_no_masked_value() -> Result<()> {
    const CAST: &str = "
        CREATE TYPE public.kind AS ENUM ('123-45-6789');
        CREATE TABLE public.kinds (k public.kind); INSERT INTO public.kinds VALUES ('123-45-6789');
        GRANT ALL ON public.kinds TO public;
        CREATE TABLE public.open_to_all (t text); GRANT ALL ON public.open_to_all TO public;
        CREATE FUNCTION public.kept(public.kind) RETURNS json LANGUAGE sql AS
          $$ INSERT INTO public.open_to_all VALUES ($1::text) RETURNING '1'::json $$;
        CREATE CAST (public.kind AS json) WITH FUNCTION public.kept(public.kind)";
    let policy = POLICY.replace("- public.customers.ssn", "- public.kinds.k");
    story(&Setup::policy(&policy), |world| {
        world.server.sql("shop", CAST)?;
        for kept in [
            "SELECT to_json(k) FROM kinds",
            "SELECT json_agg(k) FROM kinds",
            "SELECT row_to_json(x) FROM kinds x",
        ] {
            world.server.sql("shop", &kept.replace("kinds", "public.kinds"))?;
            let there = world
                .server
                .sql("shop", "SELECT t FROM public.open_to_all; DELETE FROM public.open_to_all")?;
            ensure!(no_secret(&there).is_err(), "nothing is there to be hidden: {there}");
            check(world, &[kept, "SELECT t FROM open_to_all"]).map_err(|error| error.context(kept))?;
        }
        world.rows(&["SELECT k FROM kinds", "SELECT to_json(id) FROM customers"])?;
        Ok(())
    })
}

/// Errors of the client's own text, and of what meets nothing that is masked, say what they say.
#[test]
fn an_error_is_told_where_it_can_hold_nothing_masked() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\", predicate], decision: allow, mask: [public.customers.ssn] }
";
    let mut setup = Setup::policy(policy);
    setup.database += "CREATE FUNCTION raises(text) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''%'', $1; END';";
    story(&setup, |world| {
        for (sql, told) in [
            ("SELECT nosuch FROM customers", "column \"nosuch\" does not exist"),
            ("SELECT id, 'x'::int FROM customers", "invalid input syntax for type integer"),
            ("SELECT 1 / (id - id) FROM orders", "division by zero"),
            ("INSERT INTO orders (id) VALUES (1)", "duplicate key value"),
        ] {
            let error = world.error(&[sql])?;
            ensure!(error.contains(told), "{sql}: {error}");
        }
        for sql in [
            "SELECT ssn::int FROM customers",
            "SELECT raises(ssn) FROM customers",
            "SELECT ssn::regclass FROM customers",
            "SELECT has_column_privilege('customers', ssn, 'select') FROM customers",
            "INSERT INTO customers (id, ssn) SELECT id, ssn FROM customers",
            "SELECT 1 / (id - id) FROM orders WHERE EXISTS (SELECT ssn::int FROM customers WHERE ssn::int > 0)",
            "DO $$ BEGIN PERFORM ssn::int FROM customers; END $$",
        ] {
            let direct = world.server.sql("shop", sql);
            ensure!(
                direct.as_ref().is_err_and(|error| no_secret(&error.to_string()).is_err()),
                "{sql}: {direct:?}"
            );
            let error = world.error(&[sql])?;
            no_secret(&error).map_err(|error| error.context(sql))?;
        }
        Ok(())
    })
}

/// What a user's cast reads is what it gives, whoever casts: the text, or PostgreSQL by itself.
#[test]
fn a_cast_hands_on_nothing_masked() -> Result<()> {
    cast_hands_on_nothing("")
}

#[test]
fn a_cast_that_applies_by_itself_hands_on_nothing_masked() -> Result<()> {
    cast_hands_on_nothing(" AS IMPLICIT")
}

fn cast_hands_on_nothing(context: &str) -> Result<()> {
    const CAST: &str = "
         CREATE TYPE public.my AS (x text);
         CREATE FUNCTION public.of_my(public.my) RETURNS text LANGUAGE plpgsql AS
           'BEGIN RETURN (SELECT ssn FROM public.customers LIMIT 1); END';
         CREATE FUNCTION public.plain(public.my) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN length(($1).x); END';
         CREATE CAST (public.my AS int) WITH FUNCTION public.plain(public.my);
         CREATE TABLE public.open_to_all (t text); GRANT ALL ON public.open_to_all TO public;";
    story(&Setup::policy(POLICY), |world| {
        let cast =
            format!("{CAST} CREATE CAST (public.my AS text) WITH FUNCTION public.of_my(public.my){context}");
        world.server.sql("shop", &cast)?;
        let mut scripts = vec![
            vec!["SELECT ROW('a')::public.my::text"],
            vec!["INSERT INTO open_to_all SELECT ROW('a')::public.my::text", "SELECT t FROM open_to_all"],
        ];
        if !context.is_empty() {
            scripts.push(vec!["SELECT upper(ROW('a')::public.my)"]);
            scripts.push(vec![
                "INSERT INTO open_to_all SELECT ROW('a')::public.my",
                "SELECT t FROM open_to_all",
            ]);
        }
        for script in scripts {
            let direct = world.server.sql("shop", &script.join(";"))?;
            ensure!(no_secret(&direct).is_err(), "nothing is there to be hidden: {direct}");
            world.server.sql("shop", "DELETE FROM open_to_all")?;
            check(world, &script).map_err(|error| error.context(script.join("; ")))?;
        }
        // One that applies by itself may be anywhere.
        let plain = "SELECT name, ROW('abc')::public.my::int FROM customers WHERE id = 1";
        ensure!(!context.is_empty() || world.rows(&[plain])?.contains('3'));
        Ok(())
    })
}

/// What is deferred fails where its transaction ends: without a Sync that is at the end of a Query that meets nothing masked.
#[test]
fn a_deferred_key_says_nothing_masked_wherever_it_fails() -> Result<()> {
    let mut setup = Setup::policy(POLICY);
    setup.database += "ALTER TABLE customers ADD UNIQUE (ssn);
        CREATE TABLE insured (ssn text REFERENCES customers (ssn) DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO customers VALUES (4, 'Ed', NULL, '111-11-1111');
        INSERT INTO insured VALUES ('111-11-1111');";
    story(&setup, |world| {
        for end in ["SELECT 1", "SET work_mem = 1000", "SHOW work_mem", "DEALLOCATE ALL"] {
            let mut wire = world.wire()?;
            let sent = [wire::run("DELETE FROM customers WHERE id = 4"), wire::query(end)].concat();
            let answers = wire.exchange(&[sent], 1)?;
            let failed = answers.iter().find(|answer| answer.tag == b'E');
            let Some(failed) = failed else { anyhow::bail!("{end}: nothing fails") };
            ensure!(failed.field(b'C') == "23503", "{end}: {}", failed.line());
            let told = b"MDHW".map(|code| failed.field(code)).join(" ");
            ensure!(!told.contains("111-11"), "{end}: {told}");
        }
        Ok(())
    })
}
