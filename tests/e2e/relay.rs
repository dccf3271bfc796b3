//! Where everything is allowed, a client cannot tell Portreeve from the server: the same bytes come back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e::process::{finish, output};
use e2e::wire::{self, Message, Wire};
use e2e::world::ROLE;
use e2e::{Setup, World, story};

/// Sends the same messages through Portreeve and to the server itself, and compares the replies byte for byte.
fn check(world: &World, messages: &[Vec<u8>], ready: usize) -> Result<()> {
    let (mut through, mut direct) = (world.wire()?, world.direct_wire()?);
    let expect = direct.exchange(messages, ready)?;
    let got = through.exchange(messages, ready)?;
    if let Some(at) = (0..got.len().max(expect.len())).find(|&at| got.get(at) != expect.get(at)) {
        let told = |messages: &[Message]| {
            messages
                .get(at)
                .map(|message| (message.line(), String::from_utf8_lossy(&message.body).into_owned()))
        };
        bail!("reply {at} through Portreeve: {:?}; from the server: {:?}", told(&got), told(&expect));
    }
    Ok(())
}

#[test]
fn simple_queries_come_back_unchanged() -> Result<()> {
    story(&Setup::default(), |world| {
        for sql in [
            "SELECT * FROM customers ORDER BY id",
            "SELECT 1; SELECT 'two'; SELECT NULL",
            "",
            ";;",
            "-- nothing",
            "SELECT 1/0",
            "SELECT 1; SELECT absent; SELECT 3",
            "BEGIN; UPDATE orders SET state = 'x' WHERE id = 1; ROLLBACK",
            "DO $$BEGIN RAISE NOTICE 'noticed'; END$$",
            "SET application_name = 'renamed'; SHOW application_name",
            "SELECT repeat('x', 300000)",
            "SELECT i, repeat('y', 100) FROM generate_series(1, 20000) i",
            "VALUES (1, E'a\\tb'), (2, '\u{20ac}')",
            "SELEC 1",
            "EXPLAIN (COSTS OFF) SELECT * FROM orders",
            "COPY customers TO STDOUT",
            "COPY (SELECT 1) TO STDOUT; SELECT 2",
        ] {
            check(world, &[wire::query(sql)], 1).map_err(|error| error.context(sql.to_owned()))?;
        }
        Ok(())
    })
}

#[test]
fn pipelines_come_back_unchanged() -> Result<()> {
    story(&Setup::default(), |world| {
        let select = "SELECT id, name FROM customers WHERE id = $1::int";
        let one = |values: &[&str]| [wire::bind("", "", values), wire::execute("", 0)].concat();
        // Parse, Describe of both kinds, Execute in pieces, Close.
        check(
            world,
            &[
                wire::parse("s", "SELECT i FROM generate_series(1, $1::int) i"),
                wire::describe(b'S', "s"),
                wire::bind("p", "s", &["5"]),
                wire::describe(b'P', "p"),
                wire::execute("p", 2),
                wire::execute("p", 2),
                wire::execute("p", 2),
                wire::close(b'P', "p"),
                wire::close(b'S', "s"),
                wire::close(b'S', "absent"),
                wire::sync(),
            ],
            1,
        )?;
        // Several Syncs at once, with an error in the middle one.
        check(
            world,
            &[
                wire::parse("", select),
                one(&["1"]),
                wire::sync(),
                wire::parse("", select),
                one(&["no number"]),
                one(&["2"]),
                wire::sync(),
                wire::parse("", select),
                one(&["3"]),
                wire::sync(),
                wire::query("SELECT 'simple'"),
            ],
            4,
        )?;
        // A statement that is there already, an empty one.
        check(
            world,
            &[
                wire::parse("twice", "SELECT 1"),
                wire::parse("twice", "SELECT 2"),
                wire::sync(),
                wire::parse("", ""),
                one(&[]),
                wire::sync(),
            ],
            2,
        )?;
        // COPY in, by both protocols, and one that fails.
        check(
            world,
            &[
                wire::query("BEGIN"),
                wire::query("COPY orders FROM STDIN"),
                wire::copy_data("10\t1\t1.00\tnew\n"),
                wire::copy_data("11\t1\t2.00\tnew\n"),
                wire::copy_done(),
                wire::query("SELECT * FROM orders WHERE id >= 10"),
                wire::query("COPY orders FROM STDIN"),
                wire::copy_fail("changed my mind"),
                wire::query("ROLLBACK"),
            ],
            5,
        )
    })
}

#[test]
fn names_that_are_not_there_get_the_servers_error() -> Result<()> {
    story(&Setup::default(), |world| {
        let messages = [
            wire::bind("", "absent", &[]),
            wire::sync(),
            wire::bind("", "", &[]),
            wire::sync(),
            wire::execute("absent", 0),
            wire::sync(),
            wire::describe(b'P', "absent"),
            wire::sync(),
            wire::describe(b'S', "absent"),
            wire::sync(),
        ];
        let (mut through, mut direct) = (world.wire()?, world.direct_wire()?);
        let (got, expect) = (through.exchange(&messages, 5)?, direct.exchange(&messages, 5)?);
        // Nothing can be judged there, so that the server never gets the message: the error is made here, without
        // the place in the server's source.
        let told = |message: &Message| (message.line(), message.field(b'S'), message.field(b'M'));
        let (got, expect): (Vec<_>, Vec<_>) =
            (got.iter().map(told).collect(), expect.iter().map(told).collect());
        ensure!(got == expect, "through Portreeve: {got:?}; from the server: {expect:?}");
        Ok(())
    })
}

#[test]
fn psql_shows_the_same_as_without() -> Result<()> {
    story(&Setup::default(), |world| {
        let script = "\\d customers\n\\dt\n\\l\n\\df\n\\dn+\nSELECT * FROM orders ORDER BY id;\n\
                      SELECT * FROM orders \\gdesc\nSELECT absent;\n\\d absent\n\\sf absent\n";
        let path = world.folder().join("script.sql");
        std::fs::write(&path, script)?;
        let through = finish(world.job().psql(&world.address()).arg("-f").arg(&path))?;
        let direct =
            finish(world.server.psql("shop").args(["-v", "ON_ERROR_STOP=0", "-U", ROLE, "-f"]).arg(&path))?;
        let same = |a: &[u8], b: &[u8]| String::from_utf8_lossy(a) == String::from_utf8_lossy(b);
        ensure!(same(&through.stdout, &direct.stdout), "{through:?}\n{direct:?}");
        ensure!(same(&through.stderr, &direct.stderr), "{through:?}\n{direct:?}");
        Ok(())
    })
}

#[test]
fn a_start_that_the_server_refuses_is_refused_in_its_words() -> Result<()> {
    story(&Setup::default(), |world| {
        for (database, options) in
            [("absent", ""), ("shop", "-c absent_setting=1"), ("shop", "-c statement_timeout=soon")]
        {
            let told = |command: &mut std::process::Command| -> Result<String> {
                let output = finish(command.args(["-c", "SELECT 1"]).env("PGOPTIONS", options))?;
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                // What comes before it is libpq's, and names the way: once for each attempt.
                Ok(said.rsplit_once("FATAL:").map_or(said.clone(), |(_, words)| words.to_owned()))
            };
            let through =
                told(&mut world.job().psql(&world.address().replace("/shop", &format!("/{database}"))))?;
            let direct = told(world.server.psql(database).args(["-U", ROLE]))?;
            ensure!(through == direct, "through Portreeve: {through}; from the server: {direct}");
        }
        Ok(())
    })
}

#[test]
fn a_running_statement_is_cancelled() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        wire.send(&wire::query("SELECT pg_sleep(600)"))?;
        world.server.runs("SELECT pg_sleep%", 1)?;
        wire::cancel(world.destination(), &wire.key)?;
        let replies: Vec<String> = wire.until_ready()?.iter().map(Message::line).collect();
        ensure!(replies.contains(&"E 57014".to_owned()), "{replies:?}");
        ensure!(wire.talk(&[wire::query("SELECT 1")], 1)?.contains(&"D 1".to_owned()));
        Ok(())
    })
}

/// Goes on to the server once it is known where that is. A CancelRequest it keeps to itself for a while; what is returned
/// tells whether the server has closed behind one.
fn slow_for_cancels() -> Result<(SocketAddr, Sender<SocketAddr>, Arc<AtomicBool>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (go, server) = channel();
    let done = Arc::new(AtomicBool::new(false));
    let closed = Arc::clone(&done);
    std::thread::spawn(move || -> Result<()> {
        let server = server.recv()?;
        for mut client in listener.incoming().flatten() {
            let mut server = TcpStream::connect(server)?;
            let mut first = [0; 8];
            client.read_exact(&mut first)?;
            let cancels = first[4..] == 80_877_102_u32.to_be_bytes();
            if cancels {
                std::thread::sleep(Duration::from_millis(500));
            }
            server.write_all(&first)?;
            let (mut up, mut down) = ((client.try_clone()?, server.try_clone()?), (server, client));
            let closed = Arc::clone(&closed);
            std::thread::spawn(move || std::io::copy(&mut up.0, &mut up.1));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut down.0, &mut down.1);
                if cancels {
                    closed.store(true, Ordering::SeqCst);
                }
                let _ = down.1.shutdown(Shutdown::Both);
            });
        }
        Ok(())
    });
    Ok((address, go, done))
}

#[test]
fn who_cancels_is_told_no_sooner_than_the_server_has_done_it() -> Result<()> {
    let (address, go, done) = slow_for_cancels()?;
    let setup = Setup { addresses: Some(format!("[\"{address}\"]")), ..Setup::default() };
    story(&setup, |world| {
        go.send(world.destination())?;
        let mut wire = Wire::connect(address, "shop")?;
        wire.send(&wire::query("SELECT pg_sleep(600)"))?;
        world.server.runs("SELECT pg_sleep%", 1)?;
        wire::cancel(address, &wire.key)?;
        // Were it sooner, it could meet the statement behind.
        ensure!(done.load(Ordering::SeqCst), "the client was told before the server had the request");
        let told: Vec<String> = wire.until_ready()?.iter().map(Message::line).collect();
        ensure!(told.contains(&"E 57014".to_owned()), "{told:?}");
        Ok(())
    })
}

#[test]
fn a_session_keeps_what_it_made() -> Result<()> {
    story(&Setup::default(), |world| {
        let rows = world.rows(&[
            "CREATE TEMP TABLE orders (secret text)",
            "INSERT INTO orders VALUES ('temporary')",
            "SELECT * FROM orders",
            "SET search_path = pg_catalog",
            "SELECT count(*) FROM public.orders",
            "SET search_path = public, pg_temp",
            "SELECT count(*) FROM orders",
            "PREPARE p AS SELECT $1::int + 1",
            "EXECUTE p(41)",
            // psql shows the last result alone before version 15.
            "BEGIN; CREATE TABLE made (id int); INSERT INTO made VALUES (7); COMMIT; SELECT id FROM made",
            "SELECT id FROM made",
        ])?;
        let rows: Vec<&str> =
            rows.lines().filter(|line| line.bytes().all(|b| !b.is_ascii_uppercase())).collect();
        ensure!(rows == ["temporary", "3", "3", "42", "7", "7"], "{rows:?}");
        Ok(())
    })
}

#[test]
fn drivers_pipeline_copy_and_listen() -> Result<()> {
    story(&Setup::default(), |world| {
        let client = world.connect()?;
        world.block_on(async {
            let (a, b, c) = tokio::try_join!(
                client.query_one("SELECT name FROM customers WHERE id = $1", &[&1_i32]),
                client.query_one("SELECT count(*) FROM orders", &[]),
                client.query_one("SELECT $1::text || 'x'", &[&"y"]),
            )?;
            ensure!(a.get::<_, String>(0) == "Ada Lovelace" && b.get::<_, i64>(0) == 3);
            ensure!(c.get::<_, String>(0) == "yx");
            client.batch_execute("BEGIN").await?;
            let error = client.query("SELECT 1/0", &[]).await;
            ensure!(error.is_err_and(|error| error.code().is_some_and(|code| code.code() == "22012")));
            client.batch_execute("ROLLBACK").await?;
            let statement = client.prepare("SELECT state FROM orders WHERE id = ANY($1) ORDER BY id").await?;
            let rows = client.query(&statement, &[&vec![1_i32, 2]]).await?;
            ensure!(rows.len() == 2);
            Ok(())
        })?;
        let dump = finish(world.job().command("pg_dump").args(["-w", "-d", &world.address()]))?;
        ensure!(dump.status.success(), "{dump:?}");
        let mut load = world.job().psql(&world.address());
        ensure!(
            output(load.args(["-c", "\\copy (SELECT name FROM customers) TO STDOUT"]))?.lines().count() == 3
        );
        Ok(())
    })
}

#[test]
fn a_notification_reaches_the_one_who_listens() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut listener = world.wire()?;
        listener.talk(&[wire::query("LISTEN channel")], 1)?;
        world.rows(&["NOTIFY channel, 'hello'"])?;
        let message = listener.receive()?;
        ensure!(message.tag == b'A' && message.body.ends_with(b"channel\0hello\0"), "{message:?}");
        Ok(())
    })
}

#[test]
fn large_copies_pass_in_both_directions() -> Result<()> {
    story(&Setup::default(), |world| {
        let rows = 200_000;
        let path = world.folder().join("rows");
        let line = |i: u32| format!("{i}\t{}\n", "x".repeat(80));
        std::fs::write(&path, (0..rows).map(line).collect::<String>())?;
        world.rows(&["CREATE TABLE bulk (id int, text text)"])?;
        let copy = format!("\\copy bulk FROM '{}'", path.display());
        ensure!(world.rows(&[&copy])? == format!("COPY {rows}"));
        let out = finish(world.job().psql(&world.address()).args(["-c", "\\copy bulk TO STDOUT"]))?;
        ensure!(out.stdout == std::fs::read(&path)?, "it came back otherwise: {} bytes", out.stdout.len());
        Ok(())
    })
}

#[test]
fn many_clients_at_once_get_their_own_answers() -> Result<()> {
    story(&Setup::default(), |world| {
        let address = world.destination();
        let client = |number: u32| -> Result<()> {
            let mut wire = wire::Wire::connect(address, "shop")?;
            for i in 0..40 {
                let sql = format!("SELECT {number} * 1000 + $1::int");
                let run = [
                    wire::parse("", &sql),
                    wire::bind("", "", &[&i.to_string()]),
                    wire::execute("", 0),
                    wire::sync(),
                    wire::query(&format!("SELECT 'simple {number}'")),
                ];
                let replies = wire.talk(&run, 2)?;
                ensure!(replies.contains(&format!("D {}", number * 1000 + i)), "{replies:?}");
                ensure!(replies.contains(&format!("D simple {number}")), "{replies:?}");
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..24).map(|number| scope.spawn(move || client(number))).collect();
            clients.into_iter().try_for_each(|client| match client.join() {
                Ok(told) => told,
                Err(_) => bail!("a client panicked"),
            })
        })
    })
}
