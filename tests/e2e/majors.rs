//! What differs from one major of PostgreSQL to the next, with the server and the clients of the major that we run:
//! Debian's, or with `cargo xtask e2e --postgres` any other that is supported. `cargo xtask test` runs these on the
//! oldest and on the newest, with clients of the newest.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::{answer, begin, finish, output, portreeve, signal};
use e2e::wire::{self, Message};
use e2e::world::{ROLE, SHOP, text};
use e2e::{Setup, World, story};
use rustix::process::Signal;

/// The server's major.
fn major(world: &World) -> Result<u32> {
    let number: u32 = world.server.sql("postgres", "SHOW server_version_num")?.parse()?;
    Ok(number / 10_000)
}

/// The major of the job's psql: `psql (PostgreSQL) 18.6`.
fn clients(world: &World) -> Result<u32> {
    let told = output(world.job().command("psql").arg("--version"))?;
    let version = told.split(' ').nth(2).and_then(|version| version.split('.').next());
    version.and_then(|version| version.parse().ok()).with_context(|| told.clone())
}

/// psql by a name that its certificate is for.
fn psql(world: &World, more: &str) -> Command {
    let to = world.destination();
    world.job().psql(&format!(
        "host=db.example hostaddr={} port={} dbname=shop user=job {more}",
        to.ip(),
        to.port()
    ))
}

#[test]
fn portreeve_logs_in_by_every_way_that_the_server_has() -> Result<()> {
    const OLDER: &str = "it must be of version 17 or later";
    let verified = "mode: verify-ca, ca_file: FOLDER/tls/cert.pem";
    for (tls, since, channel) in [
        ("mode: disable", 0, "authentication: [scram-sha-256]"),
        ("mode: require", 0, "channel_binding: require"),
        (verified, 0, "channel_binding: require"),
        ("mode: require, negotiation: direct", 17, "channel_binding: require"),
        (&format!("{verified}, negotiation: direct"), 17, "authentication: [scram-sha-256]"),
    ] {
        let setup = Setup { tls: format!("{{{tls}}}"), resource: channel.to_owned(), ..Setup::default() };
        story(&setup.with_certificate(), |world| {
            let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            let told = finish(psql(world, "sslmode=disable").args(["-c", encrypted]))?;
            if major(world)? < since {
                let log = world.daemon.log();
                ensure!(text(&told.stderr).contains("its log says why") && log.contains(OLDER), "{log}");
            } else {
                let expect = if tls == "mode: disable" { "f\n" } else { "t\n" };
                ensure!(text(&told.stdout) == expect, "{tls}: {told:?}");
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Ways to begin that libpq has, and since which majors, its own and the server's. TLS is between the client and
/// Portreeve; the version of the protocol is between the client and the server, which negotiate it.
const WAYS: [(&str, u32, u32); 7] = [
    ("sslmode=disable", 0, 0),
    ("sslmode=require", 0, 0),
    ("sslmode=verify-full sslrootcert=FOLDER/root.crt", 0, 0),
    ("sslmode=verify-full sslrootcert=FOLDER/root.crt sslnegotiation=direct", 17, 0),
    ("sslmode=disable max_protocol_version=3.2", 18, 0),
    ("sslmode=require sslnegotiation=direct max_protocol_version=3.2", 18, 0),
    ("sslmode=require min_protocol_version=3.2 max_protocol_version=latest", 18, 18),
];

#[test]
fn a_client_gets_in_and_cancels_by_every_way_that_it_has() -> Result<()> {
    let password = "correct horse battery";
    for client_password in [None, Some(password.to_owned())] {
        let asked = client_password.is_some();
        story(&Setup { client_password, ..Setup::default() }, |world| {
            let shown = Command::new(portreeve()?)
                .args(["ca", "show", "--config"])
                .arg(world.daemon.config())
                .output()?;
            std::fs::write(world.folder().join("root.crt"), shown.stdout)?;
            let (server, clients) = (major(world)?, clients(world)?);
            let has = |(_, own, other): &&(&str, u32, u32)| clients >= *own && server >= *other;
            for (way, ..) in WAYS.iter().filter(has) {
                let mut way = way.replace("FOLDER", &world.folder().display().to_string());
                if asked && !way.contains("disable") {
                    way += " channel_binding=require";
                }
                let connect = || {
                    let mut psql = psql(world, &way);
                    psql.env("PGPASSWORD", password);
                    psql
                };
                let got_in = output(connect().args(["-c", "SELECT count(*) FROM customers"]));
                ensure!(got_in.with_context(|| way.clone())? == "3\n", "{way}");
                let waiting = begin(connect().args(["-c", "SELECT pg_sleep(60)"]))?;
                world.server.runs("SELECT pg_sleep%", 1)?;
                // libpq sends the key that it was given, in as many bytes as that has.
                signal(&waiting, Signal::INT)?;
                match answer(waiting) {
                    Ok(told) => bail!("{way}: it was not cancelled: {told}"),
                    Err(told) => ensure!(told.to_string().contains("due to user request"), "{way}: {told}"),
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

const RULES: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.customers.ssn] }
  - { name: no-secret, actions: [\"*\"], relations: [public.secret], decision: deny }
  - { name: no-call, actions: [function], functions: [public.charge], decision: deny }
";

/// Things that stand on others, so that only the catalog tells on which. Of views the queries are told by their trees,
/// which look different in each major.
const STANDING: &str = "
CREATE TABLE secret (id int, word text);
INSERT INTO secret VALUES (1, 'abracadabra');
CREATE VIEW shown AS SELECT s.word, count(*) FROM secret s GROUP BY ROLLUP (s.word);
CREATE VIEW whole AS SELECT to_json(s) FROM secret s;
CREATE VIEW veiled AS SELECT ssn AS other FROM customers GROUP BY ssn HAVING count(*) > 0;
CREATE VIEW veiled_whole AS SELECT id, to_json(c) AS row FROM customers c;
CREATE VIEW joined AS SELECT c.*, o.total FROM customers c JOIN orders o ON o.customer_id = c.id;
CREATE TABLE parts (ssn text, at int) PARTITION BY RANGE (at);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE FUNCTION charge(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION harmless(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE VIEW charging AS SELECT charge(1) AS charged;
CREATE TABLE derived (id int, ssn text, copied text GENERATED ALWAYS AS (ssn || '') STORED);
";

/// Statements that come up with a later major, each with the first that has it.
const LATER: [(u32, &str); 10] = [
    (15, "MERGE INTO customers c USING orders o ON c.id = o.id WHEN MATCHED THEN UPDATE SET name = c.ssn"),
    (16, "SELECT any_value(ssn) FROM customers"),
    (16, "SELECT JSON_ARRAYAGG(ssn) FROM customers"),
    (17, "MERGE INTO customers c USING orders o ON c.id = o.id WHEN MATCHED THEN DO NOTHING RETURNING c.ssn"),
    (
        17,
        "MERGE INTO customers c USING orders o ON c.id = o.id WHEN MATCHED THEN UPDATE SET name = 'x' \
         RETURNING merge_action(), c.*",
    ),
    (
        17,
        "SELECT t.* FROM customers c, JSON_TABLE(to_json(c)::jsonb, '$' COLUMNS (word text PATH '$.ssn')) t",
    ),
    (18, "UPDATE customers SET ssn = 'new' WHERE id = 1 RETURNING old.ssn"),
    (18, "UPDATE customers SET name = 'x' WHERE id = 2 RETURNING new, old"),
    (18, "UPDATE customers SET name = 'x' WHERE id = 2 RETURNING WITH (OLD AS o, NEW AS n) o.*, n.ssn"),
    (18, "DELETE FROM customers c WHERE id = 3 RETURNING to_json(old)"),
];

/// Pieces of what nobody may read.
const SECRETS: [&str; 4] = ["123-45-6789", "987-65-4321", "555-12-3456", "abracadabra"];

#[test]
fn what_stands_on_what_is_read_out_of_the_catalog() -> Result<()> {
    let setup = Setup { database: format!("{SHOP}{STANDING}"), ..Setup::policy(RULES) };
    story(&setup, |world| {
        let major = major(world)?;
        if major >= 18 {
            let add = "ALTER TABLE derived ADD computed text GENERATED ALWAYS AS (ssn || '') VIRTUAL";
            world.server.sql("shop", &format!("SET ROLE {ROLE}; {add}"))?;
        }
        world.write_policy(&format!(
            "{RULES}  - {{ name: more, mask: [public.parts.ssn, public.derived.ssn] }}\n"
        ))?;
        output(world.daemon.command(&["reload", "--socket"])?.arg(world.daemon.socket()))?;
        let fill =
            "INSERT INTO parts VALUES ('123-45-6789', 1); INSERT INTO derived VALUES (1, '123-45-6789')";
        world.server.sql("shop", fill)?;
        let told = |sql: &str| -> Result<String> {
            let output = world.psql(&[sql])?;
            let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
            match SECRETS.iter().find(|secret| told.contains(**secret)) {
                None => Ok(told),
                Some(secret) => bail!("`{secret}` is told by {sql}: {told}"),
            }
        };
        ensure!(told("SELECT id, name, ssn FROM customers")?.contains("1|Ada Lovelace|"));
        for sql in [
            "SELECT harmless(1)",
            "SELECT * FROM veiled",
            "SELECT * FROM joined",
            "SELECT ssn, at FROM parts",
            "TABLE part",
        ] {
            let told = told(sql)?;
            ensure!(!told.contains("ERROR"), "{sql}: {told}");
        }
        for sql in ["TABLE veiled_whole", "TABLE derived", "SELECT copied FROM derived"] {
            told(sql)?;
        }
        for (sql, rule) in [
            ("SELECT word FROM secret", "no-secret"),
            ("SELECT * FROM shown", "no-secret"),
            ("SELECT * FROM whole", "no-secret"),
            ("SELECT charge(1)", "no-call"),
            ("SELECT * FROM charging", "no-call"),
        ] {
            let told = told(sql)?;
            ensure!(told.contains("is denied by rule") && told.contains(rule), "{sql}: {told}");
        }
        for (since, sql) in LATER {
            let told = told(sql)?;
            ensure!(major < since || !told.contains("syntax error"), "{sql}: {told}");
        }
        if major >= 18 {
            told("SELECT computed FROM derived")?;
        }
        Ok(())
    })
}

#[test]
fn every_way_to_run_a_statement_is_answered_as_by_the_server() -> Result<()> {
    let statements = |wire: &mut wire::Wire| -> Result<Vec<Message>> {
        let copy =
            [wire::query("COPY orders FROM STDIN"), wire::copy_data("70\t1\t1\tnew\n"), wire::copy_done()];
        let prepared = [
            wire::parse("named", "SELECT name, $1::int + id FROM customers ORDER BY id"),
            wire::describe(b'S', "named"),
            wire::bind_formats("", "named", &["5"], &[0, 1]),
            wire::execute("", 2),
            wire::bind("", "named", &["seven"]),
            wire::sync(),
        ];
        let mut replies =
            wire.exchange(&[wire::query("SELECT * FROM customers; SELECT 1/0; SELECT 2")], 1)?;
        replies.extend(wire.exchange(&copy, 1)?);
        replies.extend(wire.exchange(&prepared, 1)?);
        // SQL's EXECUTE of what Parse prepared may be a COPY, which PREPARE takes none of; the Sync behind it is ignored.
        wire.exchange(&[wire::parse("copies", "COPY orders FROM STDIN"), wire::sync()], 1)?;
        for (data, ready) in [("72\t1\t1\tnew\n", 1), ("bad\n", 2)] {
            let end = if ready == 1 { wire::copy_done() } else { wire::sync() };
            let copy = [wire::run("EXECUTE copies"), wire::sync(), wire::copy_data(data), end, wire::sync()];
            replies.extend(wire.exchange(&copy, ready)?);
        }
        for failing in [
            "INSERT INTO orders VALUES (1, 1, 1, 'twice')",
            "INSERT INTO orders VALUES (71, 99, 1, 'of nobody')",
            "SELECT absent FROM customers",
            "DO $$ BEGIN RAISE EXCEPTION 'said' USING HINT = 'a hint', DETAIL = 'a detail'; END $$",
        ] {
            replies.extend(wire.exchange(&[wire::query(failing)], 1)?);
            replies.extend(wire.exchange(&[wire::run(failing), wire::sync()], 1)?);
        }
        let out =
            "COPY (SELECT * FROM orders ORDER BY id) TO STDOUT; DELETE FROM orders WHERE id IN (70, 72)";
        replies.extend(wire.exchange(&[wire::query(out)], 1)?);
        Ok(replies)
    };
    story(&Setup::default(), |world| {
        let expect = statements(&mut world.direct_wire()?)?;
        let got = statements(&mut world.wire()?)?;
        let lines = |messages: &[Message]| messages.iter().map(Message::line).collect::<Vec<_>>();
        ensure!(lines(&got) == lines(&expect), "{:?}\n{:?}", lines(&got), lines(&expect));
        // Fields of errors, descriptions of columns, binary values.
        ensure!(got == expect, "{got:?}\n{expect:?}");
        Ok(())
    })
}
