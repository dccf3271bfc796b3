//! Clients at the edges of the protocol: odd, large, hostile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::process::finish;
use e2e::wire;
use e2e::world::text;
use e2e::{Setup, World, eventually, story};

fn raw(world: &World) -> Result<TcpStream> {
    let stream = TcpStream::connect(world.destination())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// A start-up packet with that code and those words.
fn startup(code: u32, words: &[&str]) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    for word in words {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

const V3: u32 = 196_608;

#[test]
fn a_request_for_gssapi_encryption_is_answered_and_the_start_goes_on() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut stream = raw(world)?;
        let mut answer = [0];
        // GSSENCRequest, then the start itself.
        stream.write_all(&startup(80_877_104, &[]))?;
        stream.read_exact(&mut answer)?;
        ensure!(answer == *b"N", "{answer:?}");
        stream.write_all(&startup(V3, &["user", "x", "database", "shop", ""]))?;
        stream.read_exact(&mut answer)?;
        ensure!(answer == *b"R", "{answer:?}");
        Ok(())
    })
}

#[test]
fn a_newer_minor_version_is_negotiated() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut stream = raw(world)?;
        stream.write_all(&startup(V3 + 9, &["user", "x", "database", "shop", "_pq_.absent", "1", ""]))?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        ensure!(answer == *b"v", "{:?}", char::from(answer[0]));
        Ok(())
    })
}

#[test]
fn settings_of_the_start_hold() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut psql = world.job().psql(&world.address());
        psql.env("PGOPTIONS", "-c search_path=pg_catalog -c statement_timeout=5s").env("PGAPPNAME", "named");
        let sql = "SELECT current_setting('search_path'), current_setting('statement_timeout'), \
                   current_setting('application_name')";
        let output = finish(psql.args(["-c", sql]))?;
        ensure!(text(&output.stdout).trim() == "pg_catalog|5s|named", "{output:?}");
        Ok(())
    })
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut other = world.wire()?;
        // As a start.
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0; 64],
            &[0xff; 64],
            &startup(V3, &["user"])[..],
            &startup(V3 + 0x10000, &["user", "x", ""])[..],
            &[0, 0, 0, 8, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2][..],
        ] {
            let mut stream = raw(world)?;
            stream.write_all(bytes)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            // Closed, or told why and closed; a reset is as good.
            let _ = stream.read_to_end(&mut Vec::new());
        }
        // As messages of a session.
        for bytes in [
            &b"\0\0\0\0\0"[..],
            b"Q\0\0\0\x03",
            b"Q\xff\xff\xff\xff",
            b"?\0\0\0\x04",
            b"Q\0\0\0\x08SELE",
            b"P\0\0\0\x05\0",
            b"B\0\0\0\x0c\0\0\xff\xff\0\0\0\0",
            b"D\0\0\0\x06X\0",
            b"E\0\0\0\x05\0",
            b"p\0\0\0\x05x",
        ] {
            let mut wire = world.wire()?;
            wire.send(bytes)?;
            let message = wire.receive();
            ensure!(message.as_ref().is_ok_and(|m| m.tag == b'E'), "{bytes:?}: {message:?}");
            // FATAL ends it; a mistake that PostgreSQL forgives leaves it.
            drop(wire);
        }
        ensure!(other.talk(&[wire::query("SELECT 1")], 1)?.contains(&"D 1".to_owned()));
        eventually("only one session is left", || {
            let status = world.daemon.status()?;
            ensure!(status["sessions"]["running"] == 1, "{}", status["sessions"]);
            Ok(())
        })
    })
}

/// PostgreSQL forgives a message that has not its form: it fails in its place.
#[test]
fn a_message_without_its_form_is_answered_as_by_the_server() -> Result<()> {
    let message = |tag: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        [&[tag][..], &length.to_be_bytes(), body].concat()
    };
    let run = [wire::bind("", "", &[]), wire::execute("", 0), wire::sync()].concat();
    let told = |wire: &mut wire::Wire, (tag, body): (u8, &[u8])| -> Result<Vec<String>> {
        let mut told = Vec::new();
        for begin in ["", "BEGIN"] {
            wire.talk(&[wire::query(begin), wire::parse("", "SELECT 5"), wire::sync()], 2)?;
            // These are answered by a ReadyForQuery of their own.
            let more = usize::from(matches!(tag, b'Q' | b'F' | b'S'));
            let replies =
                wire.exchange(&[message(tag, body), run.clone(), wire::query("ROLLBACK")], 2 + more)?;
            let words = |reply: &wire::Message| format!("{} {}", reply.line(), reply.field(b'M'));
            told.extend(replies.iter().filter(|reply| reply.tag != b'N').map(words));
        }
        Ok(told)
    };
    story(&Setup::default(), |world| {
        for malformed in [
            (b'Q', &b"SELECT 1"[..]),
            (b'Q', b"SELECT 1\0x"),
            (b'P', b"s"),
            (b'P', b"\0SELECT 1\0"),
            (b'B', b"p"),
            (b'E', b"\0"),
            (b'E', b"\0\0\0\0\0x"),
            (b'D', b"Xs\0"),
            (b'D', b"S"),
            (b'C', b"Xs\0"),
            (b'F', b"\0\0"),
            (b'S', b"x"),
            (b'H', b"x"),
        ] {
            let expect = told(&mut world.direct_wire()?, malformed)?;
            let got = told(&mut world.wire()?, malformed)?;
            ensure!(got == expect, "{malformed:?}: {got:#?} from the server: {expect:#?}");
        }
        Ok(())
    })
}

#[test]
fn a_statement_beyond_the_limit_is_refused_and_one_below_it_runs() -> Result<()> {
    let config = "sessions: {message_bytes: 1000000}\n".to_owned();
    story(&Setup { config, ..Setup::default() }, |world| {
        let sql = |length: usize| wire::query(&format!("SELECT length('{}')", "x".repeat(length)));
        let mut wire = world.wire()?;
        ensure!(wire.talk(&[sql(900_000)], 1)?.contains(&"D 900000".to_owned()));
        // It is refused by its header: what is still on its way must not cost the client the reason.
        wire.send(&sql(30_000_000))?;
        let told = wire.receive()?;
        ensure!(told.tag == b'E' && told.field(b'C') == "54000", "{}", told.line());
        Ok(())
    })
}

#[test]
fn what_is_copied_in_is_recorded() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        let copy = [
            wire::query("COPY orders FROM STDIN"),
            wire::copy_data("80\t1\t1.00\tcopied-row\n"),
            wire::copy_done(),
        ];
        let replies = wire.talk(&copy, 1)?;
        ensure!(replies.contains(&"C COPY 1".to_owned()), "{replies:?}");
        let hex: String = b"copied-row".iter().map(|byte| format!("{byte:02x}")).collect();
        let records = world.daemon.export()?;
        let chunk =
            records.iter().any(|record| record["body"]["frames"].as_str().is_some_and(|f| f.contains(&hex)));
        ensure!(chunk, "the row is in no record");
        Ok(())
    })
}

#[test]
fn a_client_that_never_reads_blocks_nobody() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut deaf = Vec::new();
        for _ in 0..4 {
            let mut wire = world.wire()?;
            wire.send(&wire::query("SELECT repeat('x', 1000) FROM generate_series(1, 100000)"))?;
            deaf.push(wire);
        }
        for _ in 0..4 {
            ensure!(world.rows(&["SELECT 'served'"])? == "served");
        }
        Ok(())
    })
}

#[test]
fn the_unnamed_statement_outlives_deallocate_all() -> Result<()> {
    story(&Setup::default(), |world| {
        let again = [wire::bind("", "", &[]), wire::execute("", 0), wire::sync()].concat();
        for all in ["DEALLOCATE ALL", "DISCARD ALL"] {
            let mut wire = world.wire()?;
            wire.talk(&[wire::parse("all", all), wire::parse("", "SELECT 'it is there'"), wire::sync()], 1)?;
            let lines = wire.talk(
                &[
                    wire::bind("", "all", &[]),
                    wire::execute("", 0),
                    wire::sync(),
                    again.clone(),
                    again.clone(),
                ],
                3,
            )?;
            let there = lines.iter().filter(|line| *line == "D it is there").count();
            ensure!(there == 2, "{all}: {lines:?}");
        }
        Ok(())
    })
}
