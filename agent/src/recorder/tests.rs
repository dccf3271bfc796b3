//! The recorder on real files: what it wrote verifies, and a disk that fails leaves no half of anything.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use evidence::verify::{BootEnd, Fault, Report, Verifier};
use evidence::{Protocol, SessionEnd, SessionId, Statement};
use rustix::process::{Resource, Rlimit};

use super::*;

const SESSION: SessionId = SessionId([9; 16]);

fn config(directory: &Path) -> Config {
    Config { directory: directory.join("evidence"), ..Config::default() }
}

fn host() -> HostInfo {
    HostInfo::of_this_host(Digest::of(b"policy"), Digest::of(b"config"))
}

fn statement(text: &str) -> Body<'_> {
    Body::Statement(Statement { text: text.as_bytes().into(), ..Statement::new(Protocol::Simple) })
}

fn session_end() -> Body<'static> {
    let end = SessionEnd { reason: "terminate".into(), statements: 1, denied: 0, held: 0, tips: vec![] };
    Body::SessionEnd(end)
}

/// Opens a folder that somebody has just let go. A process that another test is about to start has the lock for as long
/// as it is a copy of this one.
fn reopen(config: &Config, lanes: u32) -> Recorder {
    let enough = Instant::now() + Duration::from_secs(10);
    loop {
        match Recorder::open(config, host(), lanes) {
            Err(Error::InUse { .. }) if Instant::now() < enough => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

/// A turn of one statement.
fn turn(recorder: &Recorder, lane: &mut LaneWriter, sequence: u64, text: &str) -> Result<(), Error> {
    lane.append(Some((SESSION, sequence)), &statement(text), recorder.clock().now())?;
    lane.commit()
}

fn verify(config: &Config) -> Report {
    let mut verifier = Verifier::new();
    for segment in folder::scan(&config.directory).unwrap() {
        verifier.segment(&segment.name(), &segment.read().unwrap());
    }
    verifier.finish()
}

#[test]
fn what_was_recorded_verifies() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 1000, ..config(scratch.path()) };
    let recorder = Recorder::open(&config, host(), 2).unwrap();
    let mut lanes = [recorder.lane(1).unwrap(), recorder.lane(2).unwrap()];
    for round in 0..10 {
        for lane in &mut lanes {
            turn(&recorder, lane, round, "select 1").unwrap();
        }
        recorder.beat().unwrap();
    }
    lanes[0].append(Some((SESSION, 10)), &session_end(), recorder.clock().now()).unwrap();
    lanes[0].commit().unwrap();
    recorder.stop("SIGTERM").unwrap();
    let report = verify(&config);
    assert_eq!(report.problems, []);
    assert!(matches!(report.boots[0].end, BootEnd::Stopped { .. }));
    assert_eq!(report.boots[0].signatures, 12);
    assert_eq!(report.boots[0].public_key, Some(recorder.public_key()));
    assert!(folder::scan(&config.directory).unwrap().len() > 6, "segments were to be many");
}

#[test]
fn nothing_is_taken_after_the_stop() {
    let scratch = tempfile::tempdir().unwrap();
    let config = config(scratch.path());
    let recorder = Recorder::open(&config, host(), 1).unwrap();
    let mut lane = recorder.lane(1).unwrap();
    turn(&recorder, &mut lane, 0, "select 1").unwrap();
    recorder.stop("SIGTERM").unwrap();
    assert!(matches!(turn(&recorder, &mut lane, 1, "select 2"), Err(Error::Stopped)));
    assert!(matches!(recorder.beat(), Err(Error::Stopped)));
    assert!(!recorder.accepts_sessions());
    assert_eq!(verify(&config).problems, []);
}

#[test]
fn folders_and_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().unwrap();
    let config = config(scratch.path());
    std::fs::create_dir(&config.directory).unwrap();
    std::fs::set_permissions(&config.directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    let recorder = Recorder::open(&config, host(), 0).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config.directory), 0o700);
    assert_eq!(mode(recorder.directory()), 0o700);
    for segment in folder::scan(&config.directory).unwrap() {
        assert_eq!(mode(&segment.path), 0o600);
    }
}

#[test]
fn a_second_daemon_is_refused_the_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let config = config(scratch.path());
    let first = Recorder::open(&config, host(), 0).unwrap();
    assert!(matches!(Recorder::open(&config, host(), 0), Err(Error::InUse { .. })));
    drop(first);
    reopen(&config, 0);
}

#[test]
fn the_next_boot_holds_the_one_before_to_its_end() {
    let scratch = tempfile::tempdir().unwrap();
    let config = config(scratch.path());
    let first = Recorder::open(&config, host(), 0).unwrap();
    first.beat().unwrap();
    let folder = first.directory().to_owned();
    drop(first);
    let second = reopen(&config, 0);
    assert_eq!(verify(&config).problems, []);
    assert_eq!(verify(&config).boots.len(), 2);
    std::fs::remove_dir_all(folder).unwrap();
    assert!(matches!(verify(&config).problems[0].fault, Fault::PreviousBootMissing(_)));
    drop(second);
}

#[test]
fn a_turn_that_is_taken_back_leaves_no_trace() {
    let scratch = tempfile::tempdir().unwrap();
    let config = config(scratch.path());
    let recorder = Recorder::open(&config, host(), 1).unwrap();
    let mut lane = recorder.lane(1).unwrap();
    lane.append(Some((SESSION, 0)), &statement("select 1"), recorder.clock().now()).unwrap();
    assert!(lane.is_pending());
    lane.discard();
    assert!(!lane.is_pending());
    turn(&recorder, &mut lane, 0, "select 2").unwrap();
    recorder.stop("SIGTERM").unwrap();
    let report = verify(&config);
    assert_eq!(report.problems, []);
    assert_eq!(report.boots[0].lanes[1].records, 1);
}

#[test]
fn a_full_budget_stops_statements_and_before_that_new_sessions() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { disk_budget: 20_000, segment_bytes: 4000, ..config(scratch.path()) };
    let recorder = Recorder::open(&config, host(), 1).unwrap();
    let mut lane = recorder.lane(1).unwrap();
    assert!(recorder.accepts_sessions());
    let (mut sequence, mut refused_first) = (0, false);
    let error = loop {
        match turn(&recorder, &mut lane, sequence, "select 1") {
            Ok(()) => {
                refused_first |= !recorder.accepts_sessions();
                sequence += 1;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full { budget: 20_000, .. }), "{error}");
    assert!(refused_first, "sessions were to be refused while statements were still taken");
    // The host's own word still finds room, and the record is whole.
    recorder.incident(Incident::new("spool-full", error.to_string())).unwrap();
    recorder.beat().unwrap();
    assert_eq!(verify(&config).problems, []);
    let used: u64 = folder::scan(&config.directory).unwrap().iter().map(|segment| segment.len).sum();
    assert_eq!(recorder.usage().used, used);
}

#[test]
fn what_earlier_boots_left_counts_in_the_budget() {
    let scratch = tempfile::tempdir().unwrap();
    let config = config(scratch.path());
    let first = Recorder::open(&config, host(), 0).unwrap();
    let used = first.usage().used;
    drop(first);
    let second = reopen(&config, 0);
    assert!(second.usage().used > used);
}

/// All that is on disk was shipped.
fn all_shipped(config: &Config) -> Shipped {
    let mut shipped = Shipped::default();
    for segment in folder::scan(&config.directory).unwrap() {
        if let Some((sequence, _)) = folder::end(&segment).unwrap() {
            shipped.0.insert((segment.boot, segment.lane), sequence + 1);
        }
    }
    shipped
}

#[test]
fn shipped_segments_go_on_the_record_and_unshipped_ones_stay() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 1000, keep_shipped: false, ..config(scratch.path()) };
    let old = Recorder::open(&config, host(), 1).unwrap();
    turn(&old, &mut old.lane(1).unwrap(), 0, "select 1").unwrap();
    let old_folder = old.directory().to_owned();
    drop(old);
    let recorder = reopen(&config, 1);
    let mut lane = recorder.lane(1).unwrap();
    for round in 0..3 {
        for sequence in 0..20 {
            turn(&recorder, &mut lane, round * 20 + sequence, "select 1").unwrap();
            recorder.beat().unwrap();
        }
        assert_eq!(recorder.reclaim(&Shipped::default()).unwrap(), 0);
        let before = recorder.usage().used;
        let freed = recorder.reclaim(&all_shipped(&config)).unwrap();
        assert!(freed > 5000, "{freed}");
        assert!(recorder.usage().used < before);
        let report = verify(&config);
        assert_eq!(report.problems, [], "round {round}");
    }
    assert!(!old_folder.exists());
    assert!(verify(&config).boots[0].lanes.iter().all(|lane| lane.reclaimed > 0));
    let used: u64 = folder::scan(&config.directory).unwrap().iter().map(|segment| segment.len).sum();
    assert_eq!(recorder.usage().used, used);
    // What goes beyond that is found.
    let segment = folder::scan(&config.directory).unwrap().pop().unwrap();
    std::fs::remove_file(segment.path).unwrap();
    assert_ne!(verify(&config).problems, []);
}

#[test]
fn a_disk_with_room_keeps_what_was_shipped() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 1000, ..config(scratch.path()) };
    let recorder = Recorder::open(&config, host(), 0).unwrap();
    for _ in 0..10 {
        recorder.beat().unwrap();
    }
    assert_eq!(recorder.reclaim(&all_shipped(&config)).unwrap(), 0);
}

#[test]
fn a_tail_reads_each_record_once_and_no_more_than_was_confirmed() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 1000, ..config(scratch.path()) };
    let old = Recorder::open(&config, host(), 1).unwrap();
    turn(&old, &mut old.lane(1).unwrap(), 0, "select 0").unwrap();
    drop(old);
    let recorder = reopen(&config, 1);
    let mut lane = recorder.lane(1).unwrap();
    let mut tail = recorder.tail(Shipped::default());
    let mut verifier = Verifier::new();
    let mut records = 0;
    let long = "x".repeat(1 << 20);
    for round in 0..30 {
        let text = if round == 7 { &long } else { "select 1" };
        turn(&recorder, &mut lane, round, text).unwrap();
        recorder.beat().unwrap();
        lane.append(Some((SESSION, 99)), &statement("never written"), recorder.clock().now()).unwrap();
        lane.discard();
        // Now in small pieces, now in large ones.
        for record in tail.read(if round % 2 == 0 { 300 } else { 1 << 20 }).unwrap() {
            verifier.record(&record.header_bytes, Some(&record.body_bytes));
            records += 1;
        }
    }
    recorder.stop("SIGTERM").unwrap();
    loop {
        let batch = tail.read(1000).unwrap();
        if batch.is_empty() {
            break;
        }
        for record in batch {
            verifier.record(&record.header_bytes, Some(&record.body_bytes));
            records += 1;
        }
    }
    assert_eq!(verifier.finish().problems, []);
    assert_eq!(records, 2 + 30 + 1 + 30 + 1);
    assert_eq!(tail.position(), &all_shipped(&config));
    // Another one begins where this one was.
    assert_eq!(recorder.tail(tail.position().clone()).read(1 << 20).unwrap(), []);
}

/// Runs one of the tests below in a process of its own, with its variable set.
fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new("sh");
    // A write beyond the limit is then an error (EFBIG) and no signal, as a full disk is.
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("PORTREEVE_RECORDER_CHILD", directory);
    command
}

fn directory_of_child() -> Option<std::path::PathBuf> {
    std::env::var_os("PORTREEVE_RECORDER_CHILD").map(Into::into)
}

#[test]
fn a_write_that_the_disk_takes_in_part_leaves_nothing_of_it() {
    let scratch = tempfile::tempdir().unwrap();
    let status = child("recorder::tests::child_meets_a_limit", scratch.path()).status().unwrap();
    assert!(status.success());
    let report = verify(&config(scratch.path()));
    assert_eq!(report.problems, []);
    assert_eq!(report.boots[0].lanes[1].records, 3);
    assert!(matches!(report.boots[0].end, BootEnd::Stopped { .. }));
}

#[test]
#[ignore = "run by a_write_that_the_disk_takes_in_part_leaves_nothing_of_it, in a process of its own"]
fn child_meets_a_limit() {
    let Some(directory) = directory_of_child() else { return };
    let config = config(&directory);
    let recorder = Recorder::open(&config, host(), 1).unwrap();
    let mut lane = recorder.lane(1).unwrap();
    turn(&recorder, &mut lane, 0, "select 1").unwrap();
    let before = recorder.usage().used;
    let limit = rustix::process::getrlimit(Resource::Fsize);
    rustix::process::setrlimit(Resource::Fsize, Rlimit { current: Some(4096), ..limit }).unwrap();
    let long = "x".repeat(10_000);
    for _ in 0..3 {
        let error = turn(&recorder, &mut lane, 1, &long).unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
        assert!(!recorder.accepts_sessions());
        assert_eq!(recorder.usage().used, before);
    }
    // What fits is still taken, and with room again so is the rest.
    turn(&recorder, &mut lane, 1, "select 2").unwrap();
    assert!(recorder.accepts_sessions());
    rustix::process::setrlimit(Resource::Fsize, limit).unwrap();
    turn(&recorder, &mut lane, 2, &long).unwrap();
    recorder.stop("SIGTERM").unwrap();
}

#[test]
fn a_kill_loses_nothing_that_a_commit_has_confirmed() {
    let scratch = tempfile::tempdir().unwrap();
    let mut process = child("recorder::tests::child_writes_until_killed", scratch.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // One byte for each turn whose commit has returned.
    let mut stdout = process.stdout.take().unwrap();
    let mut confirmed = 0;
    let mut bytes = [0; 512];
    while confirmed < 2000 {
        let count = stdout.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "the child ended by itself");
        confirmed += bytes[..count].iter().filter(|byte| **byte == b'.').count();
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let report = verify(&config(scratch.path()));
    assert_eq!(report.problems, []);
    assert!(report.boots[0].lanes[1].records >= confirmed as u64);
    assert!(matches!(report.boots[0].end, BootEnd::Silent { .. }));
}

#[test]
#[ignore = "run by a_kill_loses_nothing_that_a_commit_has_confirmed, in a process of its own"]
fn child_writes_until_killed() {
    use std::io::Write;
    let Some(directory) = directory_of_child() else { return };
    let recorder = Recorder::open(&config(&directory), host(), 1).unwrap();
    let mut lane = recorder.lane(1).unwrap();
    for sequence in 0.. {
        turn(&recorder, &mut lane, sequence, "select 1").unwrap();
        std::io::stdout().write_all(b".").unwrap();
        std::io::stdout().flush().unwrap();
    }
}
