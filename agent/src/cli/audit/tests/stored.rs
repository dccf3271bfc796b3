//! The commands on a central store that a recorder's folder was shipped to: they tell what they tell of the folder.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::daemon::Recorded;
use crate::store::tests::postgres::{Server, Sockets};
use crate::store::tests::{eventually, run as finish};
use crate::store::{Forwarder, Own};

const DATABASE: &str = "store";

fn prepared() -> Option<Server> {
    let server = Server::start()?;
    server.execute("postgres", "CREATE DATABASE store");
    let arguments = ["portreeve", "init", "--url", &server.uri("postgres", DATABASE)];
    #[derive(Parser)]
    struct Store {
        #[command(flatten)]
        command: crate::cli::store::StoreCommand,
    }
    crate::cli::store::run(&Store::try_parse_from(arguments).unwrap().command).unwrap();
    server.execute(
        DATABASE,
        "CREATE ROLE host_1 LOGIN IN ROLE portreeve_agent; CREATE ROLE ada LOGIN IN ROLE portreeve_auditor",
    );
    Some(server)
}

fn open(config: &Config, lanes: u32) -> Arc<Recorder> {
    let host = HostInfo::of_this_host(Digest::of(b"policy"), Digest::of(b"config"));
    Arc::new(Recorder::open(config, host, lanes).unwrap())
}

fn ship(server: &Server, recorder: &Arc<Recorder>) -> Forwarder {
    let config: store::Config<()> = store::Config {
        batch_records: 3,
        interval_ms: 10,
        ..store::Config::new(server.address("host_1", DATABASE))
    };
    let own = Own { boot: recorder.boot(), key: recorder.public_key() };
    let source = Box::new(Recorded::new(Arc::clone(recorder)));
    Forwarder::start(config, own, Arc::new(Sockets), source).unwrap()
}

fn record_session(recorder: &Recorder, lane: u32, id: SessionId) {
    let mut lane = recorder.lane(lane).unwrap();
    for (sequence, body) in session().iter().enumerate() {
        lane.append(Some((id, sequence as u64)), body, recorder.clock().now()).unwrap();
        lane.commit().unwrap();
        recorder.beat().unwrap();
    }
}

#[test]
fn a_central_store_tells_what_the_folder_tells() {
    let Some(server) = prepared() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { directory: scratch.path().to_owned(), segment_bytes: 2000, ..Config::default() };
    // A boot that was killed before anything was shipped.
    let killed = open(&config, 1);
    record_session(&killed, 1, SessionId([7; 16]));
    drop(killed);
    let recorder = open(&config, 2);
    let forwarder = ship(&server, &recorder);
    record_session(&recorder, 2, SESSION);
    // While the daemon runs: within the second, and sound at any moment.
    let url = server.uri("ada", DATABASE);
    eventually(|| forwarder.status(), |status| status.connected && status.backlog.records == 0);
    assert!(audit(Path::new(&url), &["verify"]).1);
    recorder.incident(Incident::new("opened-elsewhere", "").by(&principal())).unwrap();
    recorder.stop("SIGTERM").unwrap();
    let status = finish(forwarder.drain(Duration::from_secs(60)));
    assert_eq!((status.backlog.records, status.backlog.bytes, status.failures), (0, 0, 0), "{status:?}");
    let session = SESSION.to_string();
    let commands: [&[&str]; 10] = [
        &["sessions"],
        &["sessions", "--format", "json"],
        &["incidents"],
        &["incidents", "--format", "json"],
        &["show", "0192ab00"],
        &["replay", &session],
        &["export"],
        &["export", "--session", &session],
        &["verify"],
        &["verify", "--format", "json"],
    ];
    for arguments in commands {
        assert_eq!(audit(Path::new(&url), arguments), audit(scratch.path(), arguments), "{arguments:?}");
    }
    what_was_changed_in_the_store_is_found(&server, &url);
}

fn what_was_changed_in_the_store_is_found(server: &Server, url: &str) {
    let of_session =
        format!("portreeve.record SET {{}} WHERE session = '{SESSION}' AND session_sequence = 1");
    let edits = [
        (
            format!("UPDATE {}", of_session.replace("{}", "body = overlay(body PLACING 'X'::bytea FROM 9)")),
            "lane 2, record 1: edited: the body does not match the header's digest",
        ),
        (
            format!("UPDATE {}", of_session.replace("{}", "rule = 'other'")),
            "lane 2, record 1: edited: the columns beside the record do not say what the record says",
        ),
        (
            format!("UPDATE {}", of_session.replace("{}", "header = set_byte(header, 60, 1)")),
            "lane 2, record 1: ",
        ),
        (
            format!("DELETE FROM portreeve.record WHERE session = '{SESSION}' AND session_sequence = 1"),
            "lane 2, record 2: dropped: records 1 to 1 are missing before this one",
        ),
        (
            format!("DELETE FROM portreeve.record WHERE session = '{SESSION}' AND session_sequence > 15"),
            "signed this record, which is missing",
        ),
        ("DELETE FROM portreeve.record WHERE kind = 'host-stop'".to_owned(), "FELL SILENT"),
        (
            "DELETE FROM portreeve.record r USING (SELECT max(boot::text) AS boot FROM portreeve.boot) b
             WHERE r.boot::text = b.boot"
                .to_owned(),
            "dropped: the boot is known here, and all of its records are missing",
        ),
        (
            "UPDATE portreeve.boot SET public_key = sha256(public_key)".to_owned(),
            "is not a given one: key replaced",
        ),
        ("DELETE FROM portreeve.boot".to_owned(), "is not a given one: key replaced"),
    ];
    let before = audit(Path::new(url), &["verify"]);
    assert!(before.1, "{}", before.0);
    server.execute(
        DATABASE,
        "CREATE TABLE kept AS SELECT * FROM portreeve.record; CREATE TABLE boots AS SELECT * FROM portreeve.boot",
    );
    for (edit, expect) in edits {
        server.execute(DATABASE, &edit);
        let (told, sound) = audit(Path::new(url), &["verify"]);
        assert!(told.contains(expect), "{edit}: {told}");
        assert_eq!(sound, expect == "FELL SILENT", "{edit}: {told}");
        server.execute(
            DATABASE,
            "DELETE FROM portreeve.record; INSERT INTO portreeve.record SELECT * FROM kept;
             DELETE FROM portreeve.boot; INSERT INTO portreeve.boot SELECT * FROM boots",
        );
        assert_eq!(audit(Path::new(url), &["verify"]), before);
    }
}

#[test]
fn an_auditors_password_comes_from_a_file_and_is_shown_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let Some(server) = prepared() else { return };
    server.execute(DATABASE, "ALTER ROLE ada PASSWORD 'hunter2'");
    server.ask_for_passwords("ada");
    let scratch = tempfile::tempdir().unwrap();
    let url = server.uri("ada", DATABASE);
    let told = |password: &str| {
        let file = scratch.path().join("password");
        std::fs::write(&file, format!("{password}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let arguments = ["audit", "sessions", "--from", &url, "--password-file", file.to_str().unwrap()];
        let cli = Cli::try_parse_from(arguments).unwrap();
        run_to(&cli.command, &mut Vec::new()).map(drop).map_err(|error| error.to_string())
    };
    told("hunter2").unwrap();
    let wrong = told("hunter3").unwrap_err();
    assert!(wrong.contains("28P01") && !wrong.contains("hunter"), "{wrong}");
}

#[test]
fn what_was_shipped_may_go_from_the_disk_and_is_whole_in_the_store() {
    let Some(server) = prepared() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let config = Config {
        directory: scratch.path().to_owned(),
        segment_bytes: 1000,
        keep_shipped: false,
        ..Config::default()
    };
    let first = open(&config, 1);
    record_session(&first, 1, SessionId([7; 16]));
    first.stop("SIGTERM").unwrap();
    drop(first);
    let recorder = open(&config, 1);
    record_session(&recorder, 1, SESSION);
    let written = recorder.usage().used;
    let forwarder = ship(&server, &recorder);
    eventually(|| forwarder.status(), |status| status.connected && status.backlog.records == 0);
    eventually(|| recorder.usage().used, |used| *used < written / 2);
    recorder.stop("SIGTERM").unwrap();
    let status = finish(forwarder.drain(Duration::from_secs(60)));
    assert_eq!((status.backlog.records, status.failures), (0, 0), "{status:?}");
    let url = server.uri("ada", DATABASE);
    for place in [Path::new(&url), scratch.path()] {
        let (told, sound) = audit(place, &["verify"]);
        assert!(sound, "{told}");
    }
    assert_eq!(audit(Path::new(&url), &["sessions"]).0.lines().count(), 3);
}
