//! Holds, answers, and the socket between them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use policy::{Action, Document, Policy, Subject, Verb};

use super::client::call;
use super::protocol::{Code, LISTED, REQUEST_LIMIT, Request, Response, SHOWN};
use super::*;
use crate::drain;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

const BINDING: Binding = Binding { statement: [1; 32], session: [2; 16], hold: 3, policy: [4; 32] };

/// What a policy that holds every DELETE finds.
fn findings() -> Vec<Finding> {
    let text = "version: 1\nrules:\n- {name: ask-first, actions: [delete-all], decision: hold}\n";
    let policy = Arc::new(Policy::parse(&[Document { name: "p.yaml", text }]).unwrap());
    let principal = Principal::default();
    let subject = Subject { principal: &principal, resource: "shop", database: "d" };
    let judgement =
        policy.for_subject(&subject).judge(&[Action::bare(Verb::DeleteAll)], policy::Moment::default());
    judgement.findings().to_vec()
}

fn ask(uid: u32) -> Ask {
    Ask {
        id: session_id().unwrap(),
        expires_us: u64::try_from((Timestamp::now() + Duration::from_secs(60)).as_microsecond()).unwrap(),
        principal: Principal { uid, pid: 42, comm: "psql".into(), ..Principal::default() },
        resource: "shop".into(),
        database: "d".into(),
        statement: "DELETE FROM orders".into(),
        values: vec!["7".into()],
        findings: findings(),
        binding: BINDING,
    }
}

fn approvals() -> Approvals {
    Approvals::new(Config::default())
}

#[test]
fn a_verdict_reaches_the_one_who_waits_and_binds_to_what_was_asked() {
    for answer in [Answer::Approve, Answer::Deny] {
        let approvals = approvals();
        let mut held = approvals.register(ask(1000)).unwrap();
        approvals.decide(held.id(), answer, 0, "uid 0 (root)", "because").unwrap();
        let verdict =
            Verdict { binding: BINDING, answer, reviewer: "uid 0 (root)".into(), reason: "because".into() };
        assert_eq!(run(held.outcome()), Outcome::Verdict(verdict));
        assert_eq!(run(held.outcome()), Outcome::Expired, "once");
        assert!(approvals.list().is_empty());
    }
}

#[test]
fn who_asked_cannot_approve_but_deny_root_included() {
    for uid in [0, 1000] {
        let approvals = approvals();
        let held = approvals.register(ask(uid)).unwrap();
        let own = approvals.decide(held.id(), Answer::Approve, uid, "x", "");
        assert_eq!(own, Err(DecideError::OwnRequest { id: held.id().into(), uid }));
        assert_eq!(approvals.list().len(), 1, "it still waits");
        assert_eq!(approvals.decide(held.id(), Answer::Deny, uid, "x", ""), Ok(()));
    }
}

#[test]
fn an_answer_is_taken_once_and_only_while_it_waits() {
    let approvals = approvals();
    let gone = |held: &str| {
        let answer = approvals.decide(held, Answer::Approve, 0, "x", "");
        assert!(matches!(answer, Err(DecideError::NotWaiting { .. })), "{answer:?}");
        assert!(approvals.show(held).is_err());
    };
    gone("h-xxxxx");
    let answered = approvals.register(ask(1)).unwrap();
    approvals.decide(answered.id(), Answer::Approve, 0, "x", "").unwrap();
    gone(answered.id());
    let dropped = approvals.register(ask(1)).unwrap();
    let id = dropped.id().to_owned();
    drop(dropped);
    gone(&id);
    assert_eq!(approvals.counts(), Counts { asked: 2, approved: 1, denied: 0, waiting: 0 });
}

#[test]
fn a_hold_expires_and_cannot_be_approved_after_that() {
    let approvals = approvals();
    let mut held = approvals.register(Ask { expires_us: 1, ..ask(1) }).unwrap();
    assert!(approvals.list().is_empty());
    assert!(approvals.decide(held.id(), Answer::Approve, 0, "x", "").is_err());
    assert_eq!(run(held.outcome()), Outcome::Expired);
    assert_eq!(approvals.counts().waiting, 0);
}

#[test]
fn one_job_cannot_fill_the_list() {
    let approvals = Approvals::new(Config { pending: 3, pending_per_uid: 2, ..Config::default() });
    let first = approvals.register(ask(1)).unwrap();
    let _second = approvals.register(ask(1)).unwrap();
    assert_eq!(approvals.register(ask(1)).unwrap_err(), Error::FullForUid { uid: 1, limit: 2 });
    let other = approvals.register(ask(2)).unwrap();
    assert_eq!(approvals.register(ask(3)).unwrap_err(), Error::Full { limit: 3 });
    drop(first);
    let same = approvals.register(Ask { id: other.id().into(), ..ask(3) });
    assert_eq!(same.unwrap_err(), Error::Taken);
    assert!(approvals.register(ask(3)).is_ok());
}

#[test]
fn what_is_long_is_cut_and_says_so() {
    let approvals = approvals();
    let statement = "é".repeat(SHOWN);
    let values = vec!["v".repeat(SHOWN - 100), String::new(), "w".repeat(200)];
    let held = approvals.register(Ask { statement: statement.clone(), values, ..ask(1) }).unwrap();
    let hold = approvals.show(held.id()).unwrap();
    assert_eq!((hold.statement.len(), hold.statement_bytes), (SHOWN, statement.len()));
    assert_eq!((hold.values.len(), hold.values_count, hold.cut), (2, 3, true));
    let held = approvals.register(ask(1)).unwrap();
    assert!(!approvals.show(held.id()).unwrap().cut);
}

#[test]
fn ids_are_short_and_easy_to_type() {
    for _ in 0..100 {
        let id = session_id().unwrap();
        assert_eq!(id.len(), 7);
        assert!(id.starts_with("h-") && !id[2..].contains(['0', '1', 'i', 'l', 'o', 'u', '-']), "{id}");
    }
}

/// A daemon that tells what it was asked.
struct Daemon;

impl Control for Daemon {
    fn status(&self) -> Answering<'_> {
        Box::pin(async { Ok(serde_json::json!({"ready": true})) })
    }

    fn reload(&self) -> Answering<'_> {
        Box::pin(async { Err("p.yaml:1:1: no".into()) })
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        (uid == rustix::process::geteuid().as_raw()).then(|| "me".into())
    }
}

/// Runs `test` with the socket of a served registry, on a thread of its own.
fn served<T: Send + 'static>(
    approvals: &Approvals,
    test: impl FnOnce(&Path) -> T + Send + 'static,
) -> (T, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/control.sock");
    let config = Config { socket: socket.clone(), ..Config::default() };
    let approvals = approvals.clone();
    let result = run(async move {
        let server = Server::bind(&config, approvals).unwrap();
        let (drain, watch) = drain::channel();
        let serving = tokio::spawn(server.serve(Arc::new(Daemon), watch));
        let result = tokio::task::spawn_blocking(move || test(&socket)).await.unwrap();
        drain.signal();
        serving.await.unwrap();
        result
    });
    assert!(!folder.path().join("run/control.sock").exists(), "the file goes with the server");
    (result, folder)
}

fn code(response: Response) -> Code {
    match response {
        Response::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reviewer_lists_shows_and_answers_over_the_socket() {
    let approvals = approvals();
    let other = rustix::process::geteuid().as_raw() + 1;
    let mut held = approvals.register(Ask { statement: "x".repeat(LISTED + 1), ..ask(other) }).unwrap();
    let own = approvals.register(ask(other - 1)).unwrap();
    let (id, own_id) = (held.id().to_owned(), own.id().to_owned());
    served(&approvals, move |socket| {
        let call = |request| call(socket, &request).unwrap();
        let Response::Holds(holds) = call(Request::List { wait: false }) else { panic!() };
        assert_eq!(holds.len(), 2);
        assert!(holds[0].cut && holds[0].id == id && holds[0].findings[0].rule == "ask-first", "{holds:?}");
        let Response::Hold(hold) = call(Request::Show { id: id.clone() }) else { panic!() };
        assert!(!hold.cut && hold.values == ["7"] && hold.session == "02".repeat(16), "{hold:?}");
        assert_eq!(code(call(Request::Show { id: "h-none0".into() })), Code::NotWaiting);
        let approve = |id: &str| Request::Approve { id: id.into(), reason: String::new() };
        assert_eq!(code(call(approve(&own_id))), Code::OwnRequest);
        let Response::Decided { answer, reviewer, .. } = call(approve(&id)) else { panic!() };
        assert_eq!((answer.as_str(), reviewer), ("approve", format!("uid {} (me)", other - 1)));
        assert_eq!(code(call(approve(&id))), Code::NotWaiting);
        assert_eq!(call(Request::Status), Response::Status(serde_json::json!({"ready": true})));
        let Response::Refused { code: Code::Failed, message } = call(Request::Reload) else { panic!() };
        assert_eq!(message, "p.yaml:1:1: no");
    });
    let Outcome::Verdict(verdict) = run(held.outcome()) else { panic!() };
    assert_eq!(verdict.answer, Answer::Approve);
}

#[test]
fn a_list_that_waits_answers_when_something_waits() {
    let approvals = approvals();
    let later = approvals.clone();
    let (id, _folder) = served(&approvals, move |socket| {
        let socket = socket.to_owned();
        let waiting = std::thread::spawn(move || call(&socket, &Request::List { wait: true }).unwrap());
        let held = later.register(ask(1)).unwrap();
        let Response::Holds(holds) = waiting.join().unwrap() else { panic!() };
        (holds[0].id.clone(), held.id().to_owned())
    });
    assert_eq!(id.0, id.1);
}

#[test]
fn what_is_no_request_is_refused_and_what_is_endless_is_ended() {
    use std::io::{Read, Write};
    served(&approvals(), |socket| {
        let talk = |bytes: &[u8]| {
            let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
            // What is too long is not read to its end, so the write may fail.
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8(answer).unwrap()
        };
        for bad in
            ["{}\n", "x\n", "\n", "{\"command\":\"list\",\"x\":1}\n", "{\"command\":\"run\"}\n", "\u{0}"]
        {
            let answer = talk(bad.as_bytes());
            assert!(answer.contains("bad-request"), "{bad:?}: {answer}");
        }
        assert_eq!(talk(b""), "");
        let two = talk(b"{\"command\":\"list\"}\n{\"command\":\"status\"}\n");
        assert_eq!(two, "{\"holds\":[]}\n{\"status\":{\"ready\":true}}\n");
        let long = talk(&vec![b'x'; REQUEST_LIMIT + 1]);
        assert!(long.contains("bad-request") || long.is_empty(), "{long}");
    });
}

#[test]
fn the_socket_is_private_and_belongs_to_one_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let config = Config { socket: socket.clone(), ..Config::default() };
    run(async {
        let first = Server::bind(&config, approvals()).unwrap();
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Server::bind(&config, approvals()), Err(server::Error::InUse { .. })));
        drop(first);
        // What a daemon that was killed leaves behind.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert!(socket.exists());
        let second = Server::bind(&config, approvals()).unwrap();
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["control.sock"]);
        drop(second);
        let config = Config { reviewers_group: Some("no such group".into()), ..config.clone() };
        assert!(matches!(Server::bind(&config, approvals()), Err(server::Error::NoGroup { .. })));
    });
}

#[test]
fn the_configuration_has_defaults_and_no_unknown_keys() {
    let read = |text| serde_saphyr::from_str::<Config>(text);
    assert_eq!(read("{}").unwrap(), Config::default());
    assert_eq!(read("reviewers_group: dba").unwrap().reviewers_group.as_deref(), Some("dba"));
    assert!(read("expire: 3").is_err());
}
