//! Clients that ask for TLS, as their users have set them up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::{finish, output, portreeve};
use e2e::wire;
use e2e::world::text;
use e2e::{Setup, World, eventually, story};

/// The certificate that `portreeve ca show` prints, in a file that every job can read.
pub(crate) fn authority(world: &World) -> Result<PathBuf> {
    let shown =
        output(Command::new(portreeve()?).args(["ca", "show", "--config"]).arg(world.daemon.config()))?;
    let file = world.folder().join("root.crt");
    std::fs::write(&file, shown)?;
    Ok(file)
}

/// psql as a job runs it, by the name `host`.
fn psql(world: &World, host: &str, more: &str) -> Command {
    let to = world.destination();
    world.job().psql(&format!(
        "host={host} hostaddr={} port={} dbname=shop user=job {more}",
        to.ip(),
        to.port()
    ))
}

const ENCRYPTED: &str = "SELECT count(*) > 0 FROM customers";

#[test]
fn a_job_that_asks_for_encryption_gets_it_in_every_mode() -> Result<()> {
    story(&Setup::default(), |world| {
        let root = authority(world)?;
        let root = root.display();
        for (host, more, version) in [
            ("db.example", "sslmode=prefer".to_owned(), "TLSv1.3"),
            ("db.example", "sslmode=require".to_owned(), "TLSv1.3"),
            ("db.example", "sslmode=require ssl_max_protocol_version=TLSv1.2".to_owned(), "TLSv1.2"),
            ("db.example", format!("sslmode=verify-ca sslrootcert={root}"), "TLSv1.3"),
            ("db.example", format!("sslmode=verify-full sslrootcert={root}"), "TLSv1.3"),
            // Any name that the job knows the server by, and its address.
            ("another.name.example", format!("sslmode=verify-full sslrootcert={root}"), "TLSv1.3"),
            (
                &world.destination().ip().to_string(),
                format!("sslmode=verify-full sslrootcert={root}"),
                "TLSv1.3",
            ),
        ] {
            let mut psql = psql(world, host, &more);
            let output = finish(psql.args(["-c", "\\conninfo", "-c", ENCRYPTED]))?;
            let told = text(&output.stdout);
            ensure!(told.contains(version), "{host} {more}: {output:?}");
            ensure!(told.ends_with("t\n"), "{host} {more}: {output:?}");
        }
        let output =
            finish(psql(world, "db.example", "sslmode=disable").args(["-c", "\\conninfo", "-c", ENCRYPTED]))?;
        ensure!(!text(&output.stdout).contains("TLSv") && output.status.success(), "{output:?}");
        Ok(())
    })
}

#[test]
fn a_job_that_trusts_another_authority_is_stopped_by_its_own_client() -> Result<()> {
    story(&Setup::default().with_certificate(), |world| {
        let other = world.folder().join("tls/other.pem");
        let more = format!("sslmode=verify-full sslrootcert={}", other.display());
        let refused = finish(psql(world, "db.example", &more).args(["-c", ENCRYPTED]))?;
        ensure!(text(&refused.stderr).contains("certificate verify failed"), "{refused:?}");
        Ok(())
    })
}

#[test]
fn a_client_may_start_with_tls() -> Result<()> {
    story(&Setup::default(), |world| {
        for (alpn, answered) in [("postgresql", true), ("h2", false)] {
            // A start-up packet, and Terminate.
            let start = b"\0\0\0\x20\0\x03\0\0user\0job\0database\0shop\0\0X\0\0\0\x04";
            let told = over_tls(world, alpn, start)?;
            ensure!(told.starts_with(b"R\0\0\0\x08\0\0\0\0") == answered, "{alpn}: {}", text(&told));
        }
        Ok(())
    })
}

#[test]
fn results_that_are_read_slowly_arrive_whole() -> Result<()> {
    story(&Setup::default(), |world| {
        // Each of them ends with something else of it still on its way.
        let rows: Vec<usize> = (0..40).map(|number| 10_000 + number * 333).collect();
        let mut psql = psql(world, "db.example", "sslmode=require");
        for rows in &rows {
            let sql = format!("COPY (SELECT repeat('x', 199) FROM generate_series(1, {rows})) TO STDOUT");
            psql.args(["-c", &sql]);
        }
        let mut child = psql.stdout(Stdio::piped()).spawn()?;
        let mut output = child.stdout.take().context("no output")?;
        let (mut piece, mut length) = (vec![0; 1 << 16], 0);
        loop {
            // Long enough for everything on the way to be full each time.
            std::thread::sleep(std::time::Duration::from_millis(2));
            match output.read(&mut piece)? {
                0 => break,
                read => length += read,
            }
        }
        ensure!(child.wait()?.success());
        ensure!(length == rows.iter().sum::<usize>() * 200, "{length}");
        Ok(())
    })
}

#[test]
fn a_job_that_is_refused_reads_why_over_tls_too() -> Result<()> {
    let setup = Setup { own_port: true, intercept: "ports: [PORT]".to_owned(), ..Setup::default() };
    story(&setup, |world| {
        let stray = world.network.add_address()?;
        let connection = format!("host={stray} port={} dbname=shop user=job sslmode=require", world.port());
        let refused = finish(world.job().psql(&connection).args(["-c", "SELECT 1"]))?;
        ensure!(text(&refused.stderr).contains("no resource of Portreeve names"), "{refused:?}");
        Ok(())
    })
}

#[test]
fn the_authority_is_the_same_after_a_restart_and_its_key_is_nobodys() -> Result<()> {
    story(&Setup::default(), |world| {
        let before = std::fs::read(authority(world)?)?;
        world.daemon.stop()?;
        world.daemon.start()?;
        ensure!(std::fs::read(authority(world)?)? == before);
        let key = |folder: &Path| folder.join("authority/authority.pem");
        let read = finish(world.job().command("cat").arg(key(world.folder())))?;
        ensure!(text(&read.stderr).contains("Permission denied"), "{read:?}");
        Ok(())
    })
}

#[test]
fn a_client_that_insists_on_being_asked_is_asked() -> Result<()> {
    const PASSWORD: &str = "correct horse battery";
    let setup = Setup { client_password: Some(format!("{PASSWORD}\n")), ..Setup::default() };
    story(&setup, |world| {
        for (more, password, expect) in [
            // To the certificate that the client was shown, as a server's own login is.
            ("sslmode=require channel_binding=require", PASSWORD, Ok(())),
            ("sslmode=require channel_binding=disable", PASSWORD, Ok(())),
            ("sslmode=disable", PASSWORD, Ok(())),
            ("sslmode=disable channel_binding=require", PASSWORD, Err("channel binding required")),
            ("sslmode=require", "another", Err("password authentication failed for user \"job\"")),
            ("sslmode=require", "", Err("no password supplied")),
        ] {
            let mut psql = psql(world, "db.example", more);
            if !password.is_empty() {
                psql.env("PGPASSWORD", password);
            }
            let output = finish(psql.args(["-c", ENCRYPTED]))?;
            match expect {
                Ok(()) => ensure!(text(&output.stdout) == "t\n", "{more}: {output:?}"),
                Err(why) => ensure!(text(&output.stderr).contains(why), "{more}: {output:?}"),
            }
        }
        Ok(())
    })
}

#[test]
fn a_client_that_is_not_asked_and_insists_says_so_itself() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut psql = psql(world, "db.example", "sslmode=require channel_binding=require");
        let output = finish(psql.env("PGPASSWORD", "any").args(["-c", ENCRYPTED]))?;
        ensure!(text(&output.stderr).contains("channel binding required"), "{output:?}");
        Ok(())
    })
}

/// What a client sends that starts with TLS, and what it gets.
fn over_tls(world: &World, alpn: &str, sent: &[u8]) -> Result<Vec<u8>> {
    let mut client = world
        .job()
        .command("openssl")
        .args(["s_client", "-quiet", "-alpn", alpn, "-connect", &world.destination().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // It may be closed already.
    let _ = client.stdin.as_mut().context("no input")?.write_all(sent);
    let mut told = Vec::new();
    client.stdout.as_mut().context("no output")?.read_to_end(&mut told)?;
    client.wait()?;
    Ok(told)
}

#[test]
fn a_cancel_request_may_come_over_tls() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        wire.send(&wire::query("SELECT pg_sleep(60)"))?;
        world.server.runs("SELECT pg_sleep%", 1)?;
        let request = [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &wire.key].concat();
        ensure!(over_tls(world, "postgresql", &request)?.is_empty(), "a canceller learns nothing");
        let told: Vec<String> = wire.until_ready()?.iter().map(wire::Message::line).collect();
        ensure!(told.ends_with(&["E 57014".to_owned(), "Z I".to_owned()]), "{told:?}");
        Ok(())
    })
}

/// A connection whose client has asked for TLS, and has begun no handshake.
fn half_open(world: &World) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(world.destination())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(&[&8_u32.to_be_bytes()[..], &80_877_103_u32.to_be_bytes()].concat())?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    ensure!(answer == *b"S", "{answer:?}");
    Ok(stream)
}

#[test]
fn a_handshake_that_does_not_go_on_is_not_waited_for() -> Result<()> {
    let config = "sessions: {startup_seconds: 1}\ndrain_seconds: 20\n".to_owned();
    story(&Setup { config, ..Setup::default() }, |world| {
        // In the handshake, and before it.
        let mut begun = half_open(world)?;
        begun.write_all(&[0x16, 3, 1, 2, 0, 1])?;
        for mut stream in [half_open(world)?, begun, TcpStream::connect(world.destination())?] {
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            ensure!(matches!(stream.read(&mut [0; 64]), Ok(0)), "it is waited for");
        }
        drop(half_open(world)?);
        eventually("nobody is counted any more", || match &world.daemon.status()?["sessions"]["running"] {
            count if *count == 0 => Ok(()),
            count => bail!("{count}"),
        })
    })?;
    story(&Setup::default(), |world| {
        let mut stream = half_open(world)?;
        let begun = Instant::now();
        ensure!(world.daemon.stop()?.success());
        ensure!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        ensure!(matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_)));
        Ok(())
    })
}
