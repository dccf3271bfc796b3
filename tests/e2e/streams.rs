//! What does not fit into memory: it streams, both ways, and the daemon stays as small as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::patience::{PATIENCE, within};
use e2e::wire::{self, Wire};
use e2e::{Setup, World, eventually, story};

/// What a session may take beside what the daemon takes anyway, in bytes; README says so.
const BOUND: u64 = 16 << 20;

/// The most memory that the daemon has had since `reset`, in bytes.
fn peak(world: &World) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.daemon.child()?.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}

/// Has the kernel forget the peak so far (proc(5), `clear_refs`).
fn reset(world: &World) -> Result<u64> {
    std::fs::write(format!("/proc/{}/clear_refs", world.daemon.child()?.id()), "5")?;
    peak(world)
}

/// That the daemon does not grow by more than a session may take while `talk` goes on.
fn bounded<T>(world: &World, talk: impl FnOnce(&mut Wire) -> Result<T>) -> Result<T> {
    // What is allocated once is allocated by now.
    let mut wire = world.wire()?;
    wire.talk(&[wire::query("SELECT repeat('x', 100000) FROM generate_series(1, 100)")], 1)?;
    // A gigabyte takes a while where others have the machine, too.
    wire.wait_longer(10)?;
    let before = reset(world)?;
    let talked = talk(&mut wire)?;
    let grown = peak(world)?.saturating_sub(before);
    ensure!(grown < BOUND, "the daemon grew by {grown} bytes");
    Ok(talked)
}

#[test]
fn a_field_of_a_gigabyte_passes() -> Result<()> {
    story(&Setup::default(), |world| {
        // The largest that a text may be.
        const LENGTH: u64 = (1 << 30) - 1000;
        for sql in [
            format!("SELECT repeat('x', {LENGTH})"),
            format!("COPY (SELECT repeat('x', {LENGTH})) TO STDOUT"),
        ] {
            let counted = bounded(world, |wire| {
                wire.send(&wire::query(&sql))?;
                wire.count(1)
            })?;
            let bytes = counted.get(&'D').or(counted.get(&'d')).map_or(0, |(_, bytes)| *bytes);
            ensure!(bytes >= LENGTH, "{sql}: {counted:?}");
        }
        Ok(())
    })
}

#[test]
fn five_million_rows_pass() -> Result<()> {
    story(&Setup::default(), |world| {
        const ROWS: usize = 5_000_000;
        let counted = bounded(world, |wire| {
            wire.send(&wire::query(&format!("SELECT generate_series(1, {ROWS})")))?;
            wire.count(1)
        })?;
        ensure!(counted.get(&'D').is_some_and(|(rows, _)| *rows == ROWS), "{counted:?}");
        Ok(())
    })
}

#[test]
fn what_a_client_copies_in_passes() -> Result<()> {
    story(&Setup::default(), |world| {
        const LINES: usize = 400;
        world.rows(&["CREATE TABLE dump (line text)"])?;
        let line = wire::copy_data(&format!("{}\n", "x".repeat(1 << 20)));
        let counted = bounded(world, |wire| {
            wire.send(&wire::query("COPY dump FROM STDIN"))?;
            for _ in 0..LINES {
                wire.send(&line)?;
            }
            wire.send(&wire::copy_done())?;
            wire.count(1)
        })?;
        ensure!(counted.contains_key(&'G'), "{counted:?}");
        ensure!(
            world.rows(&["SELECT count(*), sum(length(line)) FROM dump"])?
                == format!("{LINES}|{}", LINES << 20)
        );
        Ok(())
    })
}

#[test]
fn a_client_that_does_not_read_holds_a_server_that_floods_it() -> Result<()> {
    let flood = "DO $$ BEGIN FOR i IN 1..300000 LOOP RAISE NOTICE '%', repeat('x', 200); END LOOP; END $$";
    story(&Setup::default(), |world| {
        let counted = bounded(world, |wire| {
            wire.send(&wire::query(flood))?;
            let held =
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND datname = 'shop'";
            eventually("the server is held", || match world.server.sql("postgres", held)?.as_str() {
                "1" => Ok(()),
                count => bail!("{count}"),
            })?;
            wire.count(1)
        })?;
        ensure!(counted.get(&'N').is_some_and(|(notices, _)| *notices == 300_000), "{counted:?}");
        Ok(())
    })
}

#[test]
fn a_pipeline_of_a_hundred_thousand_statements_passes() -> Result<()> {
    story(&Setup::default(), |world| {
        const STATEMENTS: usize = 100_000;
        let one =
            [wire::parse("", "SELECT $1::text"), wire::bind("", "", &["a value"]), wire::execute("", 0)]
                .concat();
        let counted = bounded(world, |wire| {
            let mut reader = wire.again()?;
            let read = thread::spawn(move || reader.count(1));
            for _ in 0..STATEMENTS / 100 {
                wire.send(&one.repeat(100))?;
            }
            wire.send(&wire::sync())?;
            read.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?
        })?;
        for tag in ['1', '2', 'D', 'C'] {
            ensure!(counted.get(&tag).is_some_and(|(count, _)| *count == STATEMENTS), "{counted:?}");
        }
        Ok(())
    })
}

/// What cannot be answered yet is not piled up here: the client is not read.
#[test]
fn a_pipeline_behind_a_statement_that_runs_long_waits() -> Result<()> {
    story(&Setup::default(), |world| {
        for (count, text) in [(50_000, String::new()), (400, "SELECT 1;".repeat(1000))] {
            let of_each = 1 + text.len() / "SELECT 1;".len();
            // The server sends its backend two signals for a request to cancel, one to the process and one to its group
            // (`signal_child`): the second may meet the next Query.
            let least = (count - 1) * of_each;
            let counted = bounded(world, |wire| {
                wire.send(&wire::query("SELECT pg_sleep(600)"))?;
                world.server.runs("SELECT pg_sleep%", 1)?;
                let (sent, mut writer) = (Arc::new(AtomicUsize::new(0)), wire.again()?);
                let so_far = Arc::clone(&sent);
                let written = thread::spawn(move || -> Result<()> {
                    for number in 0..count {
                        writer.send(&wire::query(&format!("{text}SELECT {number}")))?;
                        so_far.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                });
                let mut before = usize::MAX;
                within(PATIENCE, "no more is taken", || {
                    let now = sent.load(Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(500));
                    if std::mem::replace(&mut before, now) == now { Ok(()) } else { Err(now) }
                })?;
                wire::cancel(world.destination(), &wire.key)?;
                let counted = wire.count(count + 1)?;
                written.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
                Ok(counted)
            })?;
            if counted.get(&'D').is_none_or(|(got, _)| !(least..=count * of_each).contains(got)) {
                let ends =
                    world.daemon.export()?.into_iter().filter(|record| record["kind"] == "statement-end");
                let failed: Vec<_> = ends.filter(|end| end["body"]["sqlstate"] != "").collect();
                bail!("{counted:?}, {failed:?}");
            }
        }
        Ok(())
    })
}

/// A Bind of the unnamed statement with one value of so many bytes, piece by piece.
fn bind_long(wire: &mut Wire, length: usize) -> Result<()> {
    let frame = wire::bind("", "", &[""]);
    // The value's own length, of the empty one, stands before the two bytes of the formats.
    let (head, end) = frame.split_at(frame.len() - 6);
    let mut head = head.to_vec();
    head[1..5].copy_from_slice(&u32::try_from(frame.len() - 1 + length)?.to_be_bytes());
    head.extend_from_slice(&u32::try_from(length)?.to_be_bytes());
    wire.send(&head)?;
    let piece = vec![b'x'; 1 << 20];
    for begun in (0..length).step_by(piece.len()) {
        wire.send(&piece[..piece.len().min(length - begun)])?;
    }
    wire.send(&end[4..])
}

#[test]
fn a_value_of_a_gigabyte_is_bound() -> Result<()> {
    story(&Setup::default(), |world| {
        // A message may have a gigabyte (`PQ_LARGE_MESSAGE_LIMIT`).
        const LENGTH: usize = 1_000_000_000;
        let replies = bounded(world, |wire| {
            wire.send(&wire::parse("", "SELECT length($1::text)"))?;
            bind_long(wire, LENGTH)?;
            wire.talk(&[wire::execute("", 0), wire::sync()], 1)
        })?;
        ensure!(replies == ["1", "2", &format!("D {LENGTH}"), "C SELECT 1", "Z I"], "{replies:?}");
        // The record has its beginning, and how long it was.
        let records = world.daemon.export()?;
        let of_message = |kind: &str| {
            records.iter().filter(|r| r["kind"] == kind && r["body"]["stream"] == "message").count()
        };
        ensure!(of_message("result-chunk") > 0 && of_message("result-cut") == 1, "{}", records.len());
        Ok(())
    })
}

#[test]
fn what_is_refused_at_any_length_is_not_piled_up_and_the_session_goes_on() -> Result<()> {
    const LENGTH: usize = 300 << 20;
    story(&Setup::default(), |world| {
        let replies = bounded(world, |wire| {
            bind_long(wire, LENGTH)?;
            let mut replies = wire.talk(&[wire::execute("", 0), wire::sync()], 1)?;
            for tag in [b'Q', b'P'] {
                wire.send(&[&[tag][..], &u32::try_from(LENGTH + 4)?.to_be_bytes(), b"\0"].concat())?;
                let piece = vec![b' '; 1 << 20];
                for begun in (1..LENGTH).step_by(piece.len()) {
                    wire.send(&piece[..piece.len().min(LENGTH - begun)])?;
                }
                replies.extend(match tag {
                    b'Q' => wire.talk(&[], 1)?,
                    _ => wire.talk(&[wire::sync()], 1)?,
                });
            }
            replies.extend(wire.talk(&[wire::query("SELECT 7")], 1)?);
            Ok(replies)
        })?;
        let expect = ["E 26000", "Z I", "E 54000", "Z I", "E 54000", "Z I", "T", "D 7", "C SELECT 1", "Z I"];
        ensure!(replies == expect, "{replies:?}");
        Ok(())
    })
}

#[test]
fn a_long_value_waits_unread_for_a_reviewer() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\", opaque], decision: allow }
  - { name: wait, actions: [insert], relations: [public.dump], decision: hold }
";
    let setup = Setup {
        database: "CREATE TABLE dump (line text);".to_owned(),
        config: "approvals: {socket: FOLDER/control.sock, reviewers_group: daemon}\n".to_owned(),
        ..Setup::policy(policy)
    };
    story(&setup, |world| {
        const LENGTH: usize = 200 << 20;
        let sql = "INSERT INTO dump VALUES ($1)";
        for (verdict, rows) in [("deny", "0"), ("approve", "1")] {
            let replies = bounded(world, |wire| {
                let mut writer = wire.again()?;
                wire.send(&wire::parse("", sql))?;
                let written = thread::spawn(move || -> Result<()> {
                    bind_long(&mut writer, LENGTH)?;
                    writer.send(&[wire::execute("", 0), wire::sync()].concat())
                });
                eventually("it waits", || match world.daemon.holds()?.first() {
                    Some(hold) => {
                        let id = hold["id"].as_str().context("a hold has an id")?;
                        match verdict {
                            "approve" => crate::hold::approve(world, id),
                            _ => e2e::process::output(
                                &mut world.daemon.approvals(&["deny", id, "--reason", "no"])?,
                            )
                            .map(drop),
                        }
                    }
                    None => bail!("nothing is held"),
                })?;
                let replies = wire.until_ready()?;
                written.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
                Ok(replies.iter().map(|message| message.line()).collect::<Vec<_>>())
            })?;
            ensure!(replies.last().is_some_and(|line| line == "Z I"), "{replies:?}");
            ensure!(replies.contains(&"E 42501".to_owned()) == (verdict == "deny"), "{replies:?}");
            let count = format!("SELECT count(*) FROM dump WHERE length(line) = {LENGTH}");
            ensure!(world.server.sql("shop", &count)? == rows, "{verdict}: {replies:?}");
        }
        Ok(())
    })
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_value_leaves_no_server_behind() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        wire.send(&wire::parse("", "SELECT length($1::text)"))?;
        let frame = wire::bind("", "", &["x"]);
        let mut head = frame[..frame.len() - 3].to_vec();
        head[1..5].copy_from_slice(&500_000_000_u32.to_be_bytes());
        wire.send(&head)?;
        wire.send(&vec![b'x'; 10 << 20])?;
        drop(wire);
        let left = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                    AND datname = 'shop' AND application_name <> 'portreeve catalog'";
        eventually("the server is closed", || match world.server.sql("postgres", left)?.as_str() {
            "0" => Ok(()),
            count => bail!("{count}"),
        })?;
        let records = world.daemon.export()?;
        let ended = |record: &serde_json::Value| {
            record["kind"] == "session-end" && record["body"]["reason"] == "frontend closed"
        };
        ensure!(records.iter().any(ended), "no end is recorded");
        let told = |record: &serde_json::Value| {
            record["body"]["message"].as_str().is_some_and(|m| m.contains("before the message did"))
        };
        ensure!(records.iter().any(told), "the record does not say what became of it");
        Ok(())
    })
}
