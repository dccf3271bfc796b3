//! The commands on a folder that the recorder made: one session with a bit of everything.

use std::borrow::Cow;
use std::path::Path;

use bytes::BytesMut;
use clap::Parser;
use evidence::{
    Body, Decision, Digest, Finding, Hold, HoldEnd, HoldOutcome, Incident, Judged, Parameter, Protocol,
    ResultChunk, ResultCut, Ruling, SessionEnd, SessionStart, Statement, StatementEnd, Stream, Would,
};
use pgwire::backend::{Field, NoticeFields, encode};
use pgwire::{Format, frontend};
use policy::{Ancestor, Principal};

use super::*;
use crate::recorder::{Config, HostInfo, Recorder};

mod stored;

const SESSION: SessionId = SessionId(*b"\x01\x92\xab\x00\x11\x22\x7a\xbc\xde\xf0\x00\x01\x02\x03\x04\xff");

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    command: AuditCommand,
}

/// Runs `portreeve audit …` on the folder.
fn audit(directory: &Path, arguments: &[&str]) -> (String, bool) {
    let directory = directory.to_str().unwrap();
    let all = ["audit"].iter().chain(arguments).copied().chain(["--from", directory]);
    let cli = Cli::try_parse_from(all).unwrap();
    let mut out = Vec::new();
    let code = run_to(&cli.command, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), code == ExitCode::SUCCESS)
}

fn decision(ruling: Ruling, rule: &str, action: &str) -> Option<Decision<'static>> {
    let rule: Cow<'static, str> = Cow::Owned(rule.to_owned());
    let findings = vec![Finding {
        action: action.to_owned().into(),
        parts: None,
        ruling,
        rule: rule.clone(),
        would: None,
    }];
    Some(Decision {
        ruling,
        rule,
        findings: findings.into(),
        relations: vec![].into(),
        policy: None,
        would: None,
    })
}

fn only_observed() -> Option<Decision<'static>> {
    let would = Some(Would { ruling: Ruling::Deny, rule: "no-truncate".into() });
    let mut decision = decision(Ruling::Allow, "all", "truncate public.orders")?;
    decision.findings = vec![Finding { would: would.clone(), ..decision.findings[0].clone() }].into();
    Some(Decision { would, ..decision })
}

fn field(name: &[u8], type_oid: u32, format: Format) -> Field<'_> {
    Field { name, table_oid: 0, column_attnum: 0, type_oid, type_size: -1, type_modifier: -1, format }
}

fn frames(fill: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    fill(&mut out);
    out.to_vec()
}

/// Records one session into a new folder.
fn world() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { directory: scratch.path().to_owned(), ..Config::default() };
    let host = HostInfo::of_this_host(Digest::of(b"policy"), Digest::of(b"config"));
    let recorder = Recorder::open(&config, host, 1).unwrap();
    let mut lane = recorder.lane(1).unwrap();
    for (sequence, body) in session().iter().enumerate() {
        lane.append(Some((SESSION, sequence as u64)), body, recorder.clock().now()).unwrap();
        lane.commit().unwrap();
    }
    recorder.incident(Incident::new("detached-programs", "connect4").times(2)).unwrap();
    let who = Principal { executable: None, comm: "n\x1bc".into(), ..principal() };
    let opened = Incident::new("opened-elsewhere", "on port 6543").by(&who);
    recorder.incident(opened.towards("10.0.0.5:6543".parse().unwrap())).unwrap();
    recorder.beat().unwrap();
    recorder.stop("SIGTERM").unwrap();
    scratch
}

fn principal() -> Principal {
    let ancestor = |pid, comm: &str, executable: Option<&str>| Ancestor {
        pid,
        start_time: 9,
        comm: comm.into(),
        executable: executable.map(Into::into),
    };
    Principal {
        uid: 1000,
        user: Some("ci".into()),
        executable: Some("/usr/bin/psql".into()),
        executable_sha256: Some([0xab; 32]),
        command_line: Some("psql -c 'select'".into()),
        unit: Some("docker-1.scope".into()),
        container: Some("web".into()),
        claims: [("ref", vec!["ma\x1bin"]), ("groups", vec!["a", "b"])]
            .map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()))
            .into(),
        ancestors: vec![ancestor(41, "sh", Some("/bin/sh")), ancestor(12, "a\x1bgent", None)],
        ..Principal::default()
    }
}

fn session() -> Vec<Body<'static>> {
    let rows = frames(|out| {
        let fields = [field(b"id", 23, Format::BINARY), field(b"name", 25, Format::TEXT)];
        encode::row_description(out, &fields).unwrap();
        encode::data_row(out, &[Some(&7i32.to_be_bytes()), Some(b"****")]).unwrap();
        encode::data_row(out, &[Some(&8i32.to_be_bytes()), None]).unwrap();
        encode::command_complete(out, b"SELECT 2").unwrap();
    });
    let (first, second) = rows.split_at(40);
    let described = frames(|out| {
        encode::row_description(out, &[field(b"total", 20, Format::BINARY)]).unwrap();
    });
    let row = frames(|out| encode::data_row(out, &[Some(&5i64.to_be_bytes())]).unwrap());
    let refused = frames(|out| {
        let error = NoticeFields::new("ERROR", "42501", "denied by rule no-ddl\x1b[2J");
        error.encode_error(out).unwrap();
    });
    let copied = frames(|out| frontend::encode::copy_data(out, b"1\tone\n2\ttwo\n").unwrap());
    let end = |statement, tag: &'static [u8], frames: Vec<u8>| {
        Body::StatementEnd(StatementEnd {
            statement,
            tag: tag.into(),
            rows: 2,
            duration_us: 1500,
            frames: frames.into(),
            ..StatementEnd::default()
        })
    };
    let simple = |text: &'static str, decision| {
        Body::Statement(Statement {
            text: text.as_bytes().into(),
            decision,
            ..Statement::new(Protocol::Simple)
        })
    };
    let chunk = |statement, stream, frames: &[u8]| {
        Body::ResultChunk(ResultChunk { statement, stream, frames: frames.to_vec().into() })
    };
    vec![
        Body::SessionStart(Box::new(SessionStart {
            principal: Cow::Owned(principal()),
            source: None,
            destination: "10.0.0.5:5432".parse().unwrap(),
            resource: "shop".into(),
            database: "shop".into(),
            role: "shop_ro".into(),
            policy: Digest::of(b"policy"),
            startup_user: b"postgres"[..].into(),
            startup_database: b"shop"[..].into(),
            application_name: b"psql"[..].into(),
        })),
        // 1: a result in a chunk that breaks within a frame, and the rest with the end
        simple("select id, name\nfrom customers", decision(Ruling::Allow, "read", "select")),
        chunk(1, Stream::Backend, first),
        end(1, b"SELECT 2", second.to_vec()),
        // 4: refused
        simple("drop table customers", decision(Ruling::Deny, "no-ddl", "drop table public.customers")),
        Body::StatementEnd(StatementEnd {
            statement: 4,
            sqlstate: b"42501"[..].into(),
            message: b"denied by rule no-ddl\x1b[2J"[..].into(),
            frames: refused.into(),
            ..StatementEnd::default()
        }),
        // 6, 7, 10: the extended protocol, held at Bind
        Body::Statement(Statement {
            text: b"delete from orders where id = $1"[..].into(),
            name: b"s"[..].into(),
            ..Statement::new(Protocol::Parse)
        }),
        Body::Statement(Statement {
            of: Some(6),
            parameters: vec![Parameter { value: Some(b"5"[..].into()), format: 0 }].into(),
            decision: decision(Ruling::Hold, "destructive", "delete public.orders"),
            ..Statement::new(Protocol::Bind)
        }),
        Body::Hold(Hold {
            statement: 7,
            request: "h-7k3f9".into(),
            binding: Digest::of(b"binding"),
            expires_us: 1_700_000_000_000_000,
        }),
        Body::HoldEnd(HoldEnd {
            statement: 7,
            request: "h-7k3f9".into(),
            outcome: HoldOutcome::Approved,
            reviewer: "ada".into(),
            reason: "ticket 9".into(),
        }),
        Body::Statement(Statement { of: Some(7), ..Statement::new(Protocol::Execute) }),
        Body::Decision(Judged {
            statement: 10,
            decision: decision(Ruling::Allow, "approved", "delete public.orders").unwrap(),
        }),
        chunk(7, Stream::Backend, &described),
        end(7, b"", Vec::new()),
        end(10, b"DELETE 1", row),
        // 15: COPY in, and a cut
        simple("copy t from stdin", decision(Ruling::Allow, "write", "insert")),
        chunk(15, Stream::CopyIn, &copied),
        Body::ResultCut(ResultCut {
            statement: 15,
            stream: Stream::CopyIn,
            recorded: 17,
            rows: 0,
            bytes: 99,
            rest: Digest::of(b"rest"),
        }),
        end(15, b"COPY 9", Vec::new()),
        // 19: allowed, by a rule that is only observed it would not have been
        simple("truncate orders", only_observed()),
        end(19, b"TRUNCATE TABLE", Vec::new()),
        Body::SessionEnd(SessionEnd {
            reason: "terminate".into(),
            statements: 5,
            denied: 1,
            held: 1,
            tips: vec![],
        }),
    ]
}

#[test]
fn sessions_are_listed_with_who_and_what() {
    let world = world();
    let (table, _) = audit(world.path(), &["sessions"]);
    let line = table.lines().nth(1).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], SESSION.to_string());
    assert_eq!(
        words[2..],
        ["ci", "(1000)", "/usr/bin/psql", "shop", "shop", "shop_ro", "5", "1", "1", "1", "terminate"]
    );
    let (json, _) = audit(world.path(), &["sessions", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let principal = &json["start"]["principal"];
    assert_eq!((&principal["uid"], &principal["container"]), (&1000.into(), &"web".into()));
    assert_eq!(principal["executable_sha256"], "ab".repeat(32));
    let parent = serde_json::json!({"pid": 41, "start_time": 9, "comm": "sh", "executable": "/bin/sh"});
    assert_eq!(principal["ancestors"][0], parent);
    assert_eq!((&json["statements"], &json["denied"]), (&5.into(), &1.into()));
    assert_eq!(json["observed"], 1);
}

#[test]
fn show_tells_each_statement_in_a_line() {
    let world = world();
    let (shown, _) = audit(world.path(), &["show", "0192ab00"]);
    let (head, table) = shown.split_once("\n\n").unwrap();
    assert!(head.contains("    container web\n") && head.contains("for shop as postgres"), "{head}");
    let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split("  ").collect()).collect();
    let has = |index: usize, text: &str| {
        assert!(lines[index].iter().any(|cell| cell.trim() == text), "{text} in {:?}", lines[index]);
    };
    assert_eq!(lines.len(), 6);
    has(0, "select id, name from customers");
    has(1, "error 42501: denied by rule no-ddl\\u{1b}[2J");
    has(2, "hold h-7k3f9: approved by ada");
    has(3, "delete from orders where id = $1");
    has(3, "approved");
    has(4, "COPY 9");
    has(5, "allow, only observed: would deny by rule no-truncate");
    let (json, _) = audit(world.path(), &["show", "0192ab00", "--format", "json"]);
    assert_eq!(json.lines().count(), 6);
    assert!(json.contains(r#""would":{"decision":"deny","rule":"no-truncate"}"#), "{json}");
}

#[test]
fn a_replay_shows_results_as_the_workload_saw_them() {
    let world = world();
    let (replay, _) = audit(world.path(), &["replay", &SESSION.to_string()]);
    let without_times: Vec<&str> =
        replay.lines().map(|line| line.split_once("Z  ").map_or(line, |(_, rest)| rest)).collect();
    let expect = "\
ci (uid 1000, pid 0) runs psql -c 'select'
    executable /usr/bin/psql
    SHA-256 abababababababababababababababababababababababababababababababab
    container web
    unit docker-1.scope
    claims groups=a, b; ref=ma\\u{1b}in
    descends from /bin/sh (pid 41), a\\u{1b}gent (pid 12)
    connects to 10.0.0.5:5432 for shop as postgres: resource shop, role shop_ro
#1 simple  allow by rule read
    select id, name
    from customers
    | id  name
    | 7   ****
    | 8   NULL
#1 SELECT 2 (2 rows, 1.5 ms)
#4 simple  deny by rule no-ddl
    drop table customers
    deny drop table public.customers (rule no-ddl)
    error: ERROR 42501: denied by rule no-ddl\\u{1b}[2J
#4 error 42501: denied by rule no-ddl\\u{1b}[2J (0 rows, 0 µs)
#6 parse
    delete from orders where id = $1
#7 bind  hold by rule destructive
    delete from orders where id = $1
    $1 = '5'
    hold delete public.orders (rule destructive)
#7 waits for a reviewer: request h-7k3f9, until 2023-11-14T22:13:20.000Z
#7 approved by ada: ticket 9
#10 execute
    delete from orders where id = $1
    $1 = '5'
#10 allow by rule approved
    allow delete public.orders (rule approved)
#7 done (2 rows, 1.5 ms)
    | total
    | 5
#10 DELETE 1 (2 rows, 1.5 ms)
#15 simple  allow by rule write
    copy t from stdin
";
    let shown = without_times.join("\n");
    assert!(shown.starts_with(expect), "{shown}");
    assert!(shown.contains("    > 1\tone\n    > 2\ttwo\n") || shown.contains("    > 1\\tone\n"), "{shown}");
    assert!(shown.contains("#15 copy-in cut: 17 of 99 bytes are recorded"), "{shown}");
    let observed = "simple  allow by rule all, only observed: would deny by rule no-truncate\n    truncate orders\n    \
                    allow truncate public.orders (rule all), only observed: would deny by rule no-truncate\n";
    assert!(shown.contains(observed), "{shown}");
    assert!(shown.ends_with("session over: terminate"), "{shown}");
    let (json, _) = audit(world.path(), &["replay", "0192ab00", "--format", "json"]);
    let ends: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|record: &serde_json::Value| record["kind"] == "statement-end")
        .collect();
    assert_eq!(ends[0]["results"][0]["rows"], serde_json::json!([["7", "****"], ["8", null]]));
    assert_eq!(ends[3]["results"][0]["columns"], serde_json::json!(["total"]));
}

#[test]
fn incidents_are_listed_with_who_and_where_to() {
    let world = world();
    let (table, _) = audit(world.path(), &["incidents"]);
    let lines: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split_once("Z  ").unwrap().1.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["detached-programs", "2", "-", "-", "-", "-", "connect4"]);
    let who = ["ci", "(1000)", "n\\u{1b}c", "web", "10.0.0.5:6543"];
    assert_eq!(lines[1], [&["opened-elsewhere", "1"], &who[..], &["on", "port", "6543"]].concat());
    let (json, _) = audit(world.path(), &["incidents", "--format", "json"]);
    let told: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((told.len(), &told[0]["body"]["principal"]), (2, &serde_json::Value::Null));
    assert_eq!(told[1]["body"]["destination"], "10.0.0.5:6543");
    assert_eq!(told[1]["body"]["principal"]["executable_sha256"], "ab".repeat(32));
    // As the export has it.
    let (all, _) = audit(world.path(), &["export"]);
    let all = all.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let exported: Vec<_> = all.filter(|record| record["kind"] == "incident").collect();
    assert_eq!(exported[1]["body"], told[1]["body"]);
}

#[test]
fn export_has_every_record_with_all_that_it_says() {
    let world = world();
    let (all, _) = audit(world.path(), &["export"]);
    // Start, two incidents, beat and stop beside the session's.
    assert_eq!(all.lines().count(), session().len() + 5);
    let (one, _) = audit(world.path(), &["export", "--session", "0192ab00"]);
    assert_eq!(one.lines().count(), session().len());
    for line in all.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record["body"].is_object(), "{line}");
    }
}

#[test]
fn verify_names_what_was_edited_and_fails() {
    let world = world();
    let (sound, ok) = audit(world.path(), &["verify"]);
    assert!(
        ok && sound.contains("stopped in order") && sound.ends_with("ok: the record is what was written\n"),
        "{sound}"
    );
    let segment = recorder::folder::scan(world.path()).unwrap().pop().unwrap();
    let mut bytes = segment.read().unwrap();
    let at = bytes.windows(9).position(|window| window == b"customers").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment.path, bytes).unwrap();
    let (edited, ok) = audit(world.path(), &["verify"]);
    assert!(!ok);
    assert!(edited.contains(&format!("lane 1, record 1, file {}", segment.name())), "{edited}");
    let (json, ok) = audit(world.path(), &["verify", "--format", "json"]);
    let summary: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((ok, &summary["sound"]), (false, &false.into()));
}

#[test]
fn verify_holds_a_boot_to_a_key_from_elsewhere() {
    let world = world();
    let (json, _) = audit(world.path(), &["verify", "--format", "json"]);
    let boot: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let key = boot["public_key"].as_str().unwrap();
    assert!(audit(world.path(), &["verify", "--key", key]).1);
    let (told, ok) = audit(world.path(), &["verify", "--key", &"00".repeat(32)]);
    assert!(!ok && told.contains("key replaced"), "{told}");
}

#[test]
fn a_session_is_found_by_a_unique_beginning_only() {
    let world = world();
    let find = |given| find(&Folder::new(world.path()), given);
    assert_eq!(find("0192AB").unwrap(), SESSION);
    assert!(matches!(find("ff"), Err(Error::NoSession(_))));
    assert!(matches!(find("first"), Err(Error::Id { .. })));
}

#[test]
fn a_verification_under_a_running_daemon_finds_no_fault() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { directory: scratch.path().to_owned(), segment_bytes: 20_000, ..Config::default() };
    let host = HostInfo::of_this_host(Digest::of(b"policy"), Digest::of(b"config"));
    let recorder = Recorder::open(&config, host, 2).unwrap();
    let done = AtomicBool::new(false);
    let clock = recorder.clock();
    std::thread::scope(|scope| {
        for number in 1..=2 {
            let (mut lane, done) = (recorder.lane(number).unwrap(), &done);
            scope.spawn(move || {
                let mut bodies = session();
                // The end signs the tips of all lanes; few of them, as a signature takes long to verify.
                let (end, beginning) = (bodies.pop().unwrap(), bodies.swap_remove(1));
                for sequence in 0..2000 {
                    let body = if sequence % 20 == 0 { &end } else { &beginning };
                    lane.append(Some((SESSION, sequence)), body, clock.now()).unwrap();
                    lane.commit().unwrap();
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for _ in 0..10 {
            recorder.beat().unwrap();
            let report = Folder::new(scratch.path()).verify(&[]).unwrap();
            assert_eq!(report.problems, []);
        }
        done.store(true, Ordering::Relaxed);
    });
    recorder.stop("SIGTERM").unwrap();
    assert_eq!(Folder::new(scratch.path()).verify(&[]).unwrap().problems, []);
}
