//! How connections end, by whoever ends them: what the client sees is what it sees of the server itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::output;
use e2e::wire::{self, Wire};
use e2e::{Setup, World, eventually, story};
use rustls::pki_types::pem::PemObject as _;

/// What a client does, and all the bytes that it gets from then on.
type Script<'a> = &'a dyn Fn(&mut Wire) -> Result<()>;

/// The same through Portreeve and past it, to the last byte.
fn check(world: &World, name: &str, script: Script<'_>) -> Result<()> {
    let play = |mut wire: Wire| -> Result<Vec<u8>> {
        script(&mut wire)?;
        wire.rest()
    };
    let got = play(world.wire()?).with_context(|| format!("{name}, through Portreeve"))?;
    let expect = play(world.direct_wire()?).with_context(|| format!("{name}, from the server"))?;
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
    ensure!(
        got == expect,
        "{name}; through Portreeve ({} bytes):\n{}\nfrom the server ({} bytes):\n{}",
        got.len(),
        shown(&got),
        expect.len(),
        shown(&expect)
    );
    Ok(())
}

/// Sends this and says that no more comes.
fn then_finishes(messages: &[Vec<u8>]) -> impl Fn(&mut Wire) -> Result<()> {
    let messages = messages.concat();
    move |wire| {
        wire.send(&messages)?;
        wire.finish()
    }
}

#[test]
fn a_client_that_finishes_gets_its_answers() -> Result<()> {
    story(&Setup::default(), |world| {
        let long = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
        let scripts: Vec<(&str, Vec<Vec<u8>>)> = vec![
            ("nothing", vec![]),
            ("a query", vec![wire::query("SELECT 1")]),
            ("a slow query", vec![wire::query("SELECT pg_sleep(0.5), 'done'")]),
            ("a long result", vec![wire::query(long)]),
            (
                "several queries",
                vec![wire::query("SELECT 1"), wire::query("SELECT 1/0"), wire::query("SELECT 2")],
            ),
            ("an open transaction", vec![wire::query("BEGIN"), wire::query("SELECT 1")]),
            ("a pipeline", vec![wire::run("SELECT 1"), wire::run("SELECT 2"), wire::sync()]),
            ("a pipeline without Sync", vec![wire::run("SELECT 1")]),
            ("a pipeline with Flush", vec![wire::run("SELECT 1"), wire::flush()]),
            ("an error without Sync", vec![wire::run("SELECT 1/0")]),
            ("COPY to it", vec![wire::query("COPY orders TO STDOUT")]),
            (
                "COPY that it does not end",
                vec![wire::query("COPY orders FROM STDIN"), wire::copy_data("9\t1\t1\tx\n")],
            ),
            ("Terminate", vec![wire::query("SELECT 1"), vec![b'X', 0, 0, 0, 4]]),
            ("half a message", vec![wire::query("SELECT 1"), b"Q\0\0\0\x20SELECT".to_vec()]),
            ("half a header", vec![wire::query("SELECT 1"), b"Q\0\0".to_vec()]),
        ];
        for (name, messages) in scripts {
            check(world, name, &then_finishes(&messages))?;
        }
        let count = world.server.sql("shop", "SELECT count(*) FROM orders WHERE id = 9")?;
        ensure!(count == "0", "a COPY that was not ended is there");
        Ok(())
    })
}

/// The server ends the session, or the statement, by a limit of its own.
#[test]
fn limits_of_the_server_end_what_they_end_in_its_words() -> Result<()> {
    story(&Setup::default(), |world| {
        check(world, "statement_timeout", &|wire| {
            wire.send(&wire::query("SET statement_timeout = '200ms'"))?;
            wire.until_ready()?;
            then_finishes(&[wire::query("SELECT pg_sleep(30)"), wire::query("SELECT 1")])(wire)
        })?;
        check(world, "statement_timeout in a pipeline", &|wire| {
            wire.send(&wire::query("SET statement_timeout = '200ms'"))?;
            wire.until_ready()?;
            then_finishes(&[wire::run("SELECT pg_sleep(30)"), wire::run("SELECT 1"), wire::sync()])(wire)
        })?;
        check(world, "idle_session_timeout", &|wire| {
            wire.send(&wire::query("SET idle_session_timeout = '300ms'"))
        })?;
        check(world, "idle_in_transaction_session_timeout", &|wire| {
            wire.send(&wire::query("SET idle_in_transaction_session_timeout = '300ms'"))?;
            wire.until_ready()?;
            wire.send(&wire::query("BEGIN"))
        })?;
        check(world, "lock_timeout", &|wire| {
            let mut other = world.direct_wire()?;
            other.talk(&[wire::query("BEGIN; LOCK TABLE orders")], 1)?;
            wire.send(&wire::query("SET lock_timeout = '200ms'"))?;
            wire.until_ready()?;
            then_finishes(&[wire::query("SELECT 1 FROM orders")])(wire)?;
            wire.until_ready().map(drop)
        })
    })
}

#[test]
fn an_administrator_ends_a_session_in_the_servers_words() -> Result<()> {
    story(&Setup::default(), |world| {
        let end = |pid: &str| world.server.sql("postgres", &format!("SELECT pg_terminate_backend({pid})"));
        let pid = |wire: &mut Wire| -> Result<String> {
            let lines = wire.talk(&[wire::query("SELECT pg_backend_pid()")], 1)?;
            let row = lines.iter().find_map(|line| line.strip_prefix("D ")).context("no pid")?;
            Ok(row.to_owned())
        };
        check(world, "between statements", &|wire| {
            let pid = pid(wire)?;
            end(&pid).map(drop)
        })?;
        check(world, "in a transaction", &|wire| {
            let pid = pid(wire)?;
            wire.talk(&[wire::query("BEGIN")], 1)?;
            end(&pid).map(drop)
        })?;
        check(world, "in a statement", &|wire| {
            let pid = pid(wire)?;
            wire.send(&wire::query("SELECT pg_sleep(30)"))?;
            runs(world, &pid)?;
            end(&pid).map(drop)
        })?;
        check(world, "in a pipeline", &|wire| {
            let pid = pid(wire)?;
            wire.send(&[wire::run("SELECT 1"), wire::run("SELECT pg_sleep(30)"), wire::flush()].concat())?;
            runs(world, &pid)?;
            end(&pid).map(drop)
        })?;
        check(world, "reading COPY data", &|wire| {
            let pid = pid(wire)?;
            wire.send(&wire::query("COPY orders FROM STDIN"))?;
            ensure!(wire.receive()?.tag == b'G');
            end(&pid).map(drop)
        })
    })
}

fn runs(world: &World, pid: &str) -> Result<()> {
    let running = format!("SELECT wait_event FROM pg_stat_activity WHERE pid = {pid}");
    eventually("it runs", || match world.server.sql("postgres", &running)?.as_str() {
        "PgSleep" => Ok(()),
        event => bail!("{event}"),
    })
}

/// A server that stops in the middle of a message: the client gets what there was, and the end, and nothing made up.
#[test]
fn a_server_that_goes_in_the_middle_of_a_message_is_gone_for_the_client() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        wire.send(&wire::query("SELECT repeat('x', 200000000)"))?;
        let held = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND datname = 'shop'";
        let mut pid = String::new();
        eventually("the server writes", || {
            pid = world.server.sql("postgres", held)?;
            ensure!(!pid.is_empty(), "it does not");
            Ok(())
        })?;
        world.server.sql("postgres", &format!("SELECT pg_terminate_backend({pid})"))?;
        let rest = wire.rest()?;
        // RowDescription, and of the DataRow what had come.
        let row = rest.iter().position(|byte| *byte == b'D').context("no row")?;
        ensure!(
            rest.len() < 200_000_000 && rest[row + 100..].iter().all(|byte| *byte == b'x'),
            "{}",
            rest.len()
        );
        Ok(())
    })
}

#[test]
fn a_client_that_resets_in_the_middle_of_a_result_leaves_no_server_behind() -> Result<()> {
    story(&Setup::default(), |world| {
        for sql in ["SELECT repeat('x', 1000) FROM generate_series(1, 1000000)", "SELECT pg_sleep(1)"] {
            let stream = TcpStream::connect(world.destination())?;
            (&stream).write_all(&[startup()?, wire::query(sql)].concat())?;
            thread::sleep(Duration::from_millis(300));
            // Closing it resets it.
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
            drop(stream);
        }
        eventually("nothing is left", || {
            let left = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                        AND datname = 'shop' AND application_name <> 'portreeve catalog'";
            let left = world.server.sql("postgres", left)?;
            let status = world.daemon.status()?;
            ensure!(left == "0" && status["sessions"]["running"] == 0, "{left}, {}", status["sessions"]);
            Ok(())
        })
    })
}

/// A client that does not say who it is is closed without a word, as the server does it.
#[test]
fn a_client_that_says_nothing_is_closed_after_a_while_without_a_word() -> Result<()> {
    let setup = Setup {
        config: "sessions: {startup_seconds: 1}\n".to_owned(),
        server: vec!["authentication_timeout=1".to_owned()],
        client_password: Some("the clients' own".to_owned()),
        ..Setup::default()
    };
    story(&setup, |world| {
        let whole = startup()?;
        for (sent, asked) in [(&b""[..], false), (&whole[..10], false), (&whole[..], true)] {
            let mut stream = TcpStream::connect(world.destination())?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let begun = Instant::now();
            stream.write_all(sent)?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest)?;
            ensure!(begun.elapsed() < Duration::from_secs(5), "after {:?}", begun.elapsed());
            // It was asked for its password, and that was all.
            let asks = rest.first() == Some(&b'R')
                && rest.len() == 1 + rest[1..5].iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
            ensure!(if asked { asks } else { rest.is_empty() }, "{rest:?}");
        }
        Ok(())
    })
}

#[test]
fn nobody_is_closed_for_being_idle() -> Result<()> {
    let setup = Setup { config: "sessions: {startup_seconds: 1}\n".to_owned(), ..Setup::default() };
    story(&setup, |world| {
        let mut idle = world.wire()?;
        let mut busy = world.wire()?;
        busy.talk(&[wire::query("BEGIN")], 1)?;
        busy.send(&wire::query("SELECT pg_sleep(4)"))?;
        thread::sleep(Duration::from_secs(3));
        ensure!(idle.talk(&[wire::query("SELECT 1")], 1)?.contains(&"D 1".to_owned()));
        ensure!(busy.until_ready()?.iter().any(|message| message.tag == b'D'));
        Ok(())
    })
}

/// Over TLS a client finishes by close_notify, with or without the end of its TCP connection behind it.
#[test]
fn a_client_that_finishes_over_tls_gets_its_answers() -> Result<()> {
    story(&Setup::default(), |world| {
        let root = crate::encryption::authority(world)?;
        let scripts: [Vec<u8>; 3] = [
            wire::query("SELECT repeat('x', 1000) FROM generate_series(1, 5000)"),
            wire::query("SELECT pg_sleep(0.5), 'done'"),
            [wire::run("SELECT 1"), wire::run("SELECT 1/0"), wire::sync()].concat(),
        ];
        for script in scripts {
            let expect = {
                let mut wire = world.direct_wire()?;
                then_finishes(std::slice::from_ref(&script))(&mut wire)?;
                wire.rest()?
            };
            for fin in [true, false] {
                let got = over_tls(world, &root, &script, fin)?;
                // Everything behind the start-up's ReadyForQuery.
                let ready = got.windows(6).position(|w| w == b"Z\0\0\0\x05I").context("no ReadyForQuery")?;
                ensure!(got[ready + 6..] == expect, "{} bytes, not {}", got.len() - ready - 6, expect.len());
            }
        }
        Ok(())
    })
}

/// All that the server says to a client that sends its start-up and this, and then finishes.
fn over_tls(world: &World, root: &Path, script: &[u8], fin: bool) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(world.destination())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f")?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    ensure!(answer == *b"S", "{answer:?}");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(root)?)?;
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("db.example")?;
    let mut tls = rustls::ClientConnection::new(std::sync::Arc::new(config), name)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    let mut stream = rustls::StreamOwned::new(tls, stream);
    stream.write_all(&[startup()?, script.to_vec()].concat())?;
    stream.flush()?;
    // Some of the answer first: the end of what the client sends comes while the server speaks.
    let mut first = [0; 1];
    stream.read_exact(&mut first)?;
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock)?;
    if fin {
        stream.sock.shutdown(std::net::Shutdown::Write)?;
    }
    let mut rest = first.to_vec();
    stream.read_to_end(&mut rest)?;
    Ok(rest)
}

/// A start-up packet.
fn startup() -> Result<Vec<u8>> {
    let mut startup = 196_608_i32.to_be_bytes().to_vec();
    startup.extend_from_slice(b"user\0job\0database\0shop\0\0");
    let length = u32::try_from(startup.len() + 4)?.to_be_bytes();
    Ok([&length[..], &startup].concat())
}

/// A peer that is gone without a word is noticed, as libpq and the server notice it: both of our legs ask for it.
#[test]
fn both_legs_of_a_session_are_kept_alive() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        wire.send(&wire::query("SELECT 1"))?;
        wire.until_ready()?;
        let owner = format!("pid={},", world.daemon.child()?.id());
        // While something is not acknowledged its own timer is shown instead.
        eventually("every connection of the daemon is kept alive", || {
            let sockets = output(Command::new("ss").args(["-Htnop", "state", "established"]))?;
            let ours: Vec<&str> = sockets.lines().filter(|line| line.contains(&owner)).collect();
            // The client's, the server's, and that by which the catalog is read.
            ensure!(ours.len() >= 2, "{sockets}");
            let without = ours.iter().find(|line| !line.contains("timer:(keepalive,"));
            ensure!(without.is_none(), "{without:?}");
            Ok(())
        })?;
        Ok(())
    })
}
