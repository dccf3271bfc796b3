//! The format as others hold it: every body reads back as it was written, and the bytes do not change.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::borrow::Cow;
use std::sync::Arc;

use evidence::*;
use policy::{Ancestor, Principal};

fn principal() -> Principal {
    Principal {
        pid: 4711,
        start_time: Some(99),
        uid: 1000,
        gid: 1001,
        user: Some("ci".into()),
        comm: "psql".into(),
        executable: Some("/usr/bin/psql".into()),
        executable_sha256: Some([9; 32]),
        command_line: Some("psql -c x".into()),
        cgroup_id: 77,
        cgroup: Some("/ci/job".into()),
        unit: None,
        container: Some("web".into()),
        ancestors: vec![
            Ancestor { pid: 4710, start_time: 98, comm: "sh".into(), executable: Some("/bin/sh".into()) },
            Ancestor { pid: 1, start_time: 0, comm: "init".into(), executable: None },
        ],
        netns: 5,
        claims: [("sub".to_owned(), vec!["job:1".to_owned()])].into(),
    }
}

fn tips() -> Vec<Tip> {
    vec![
        Tip { lane: 0, sequence: 3, digest: Digest::of(b"a") },
        Tip { lane: 2, sequence: u64::MAX, digest: Digest::of(b"b") },
    ]
}

fn decision() -> Decision<'static> {
    Decision {
        ruling: Ruling::Hold,
        rule: "destructive".into(),
        findings: vec![Finding {
            action: "delete table public.orders".into(),
            parts: None,
            ruling: Ruling::Hold,
            rule: "destructive".into(),
            would: None,
        }]
        .into(),
        relations: vec!["public.orders".into()].into(),
        policy: Some(Digest::of(b"policy")),
        would: None,
    }
}

/// One that would have been another, if what is only observed had counted.
fn observed() -> Decision<'static> {
    let would = |rule: &'static str| Some(Would { ruling: Ruling::Deny, rule: rule.into() });
    let finding = Finding {
        action: "drop table public.orders".into(),
        parts: Some(Cow::Owned(policy::Action {
            verb: policy::Verb::Drop,
            object: policy::Object {
                kind: policy::ObjectKind::Relation,
                class: "table",
                schema: Some("public".into()),
                name: "orders".into(),
                oid: Some(16_384),
            },
            implied: true,
            detail: policy::Detail {
                columns: Some(vec!["id".into(), "total".into()]),
                condition: Some(false),
                limit: Some(10),
                roles: vec!["ci".into()],
                renamings: vec![
                    policy::Renaming::To { schema: Some("public".into()), name: "old".into() },
                    policy::Renaming::Column { from: "id".into(), to: "key".into() },
                ],
                position: None,
                undefined: None,
            },
        })),
        ruling: Ruling::Allow,
        rule: "all".into(),
        would: would("no-drops"),
    };
    Decision { ruling: Ruling::Allow, findings: vec![finding].into(), would: would("no-drops"), ..decision() }
}

fn every_body() -> Vec<Body<'static>> {
    vec![
        Body::HostStart(HostStart {
            version: "0.1.0".into(),
            host: "ci-7".into(),
            machine: Some("abc".into()),
            kernel: "6.1.0".into(),
            public_key: PublicKey([3; 32]),
            policy: Digest::of(b"policy"),
            config: Digest::of(b"config"),
            lanes: 4,
            previous: Some(Previous { boot: BootId([1; 16]), sequence: 12, digest: Digest::of(b"tip") }),
        }),
        Body::Beat(Beat { tips: tips() }),
        Body::HostStop(HostStop { tips: tips(), reason: "SIGTERM".into() }),
        Body::PolicyReloaded(PolicyReloaded {
            policy: Digest::of(b"new"),
            documents: vec!["a.yaml".into(), "b.yaml".into()],
        }),
        Body::Incident(Incident::new("unknown-connection", "from ::1").times(3)),
        Body::Incident(Incident {
            principal: Some(Cow::Owned(principal())),
            ..Incident::new("opened-elsewhere", "on port 6543").towards("[2001:db8::5]:6543".parse().unwrap())
        }),
        Body::Reclaimed(Reclaimed { boot: BootId([1; 16]), lane: 1, from: 0, before: 1000 }),
        Body::SessionStart(Box::new(SessionStart {
            principal: Cow::Owned(principal()),
            source: Some("10.0.0.9:41000".parse().unwrap()),
            destination: "[2001:db8::5]:5432".parse().unwrap(),
            resource: "shop".into(),
            database: "shop".into(),
            role: "shop_ro".into(),
            policy: Digest::of(b"policy"),
            startup_user: b"postgres"[..].into(),
            startup_database: b"sh\xf6p"[..].into(),
            application_name: b""[..].into(),
        })),
        Body::Statement(Statement {
            text: b"select $1"[..].into(),
            name: b"s1"[..].into(),
            original: Some(Digest::of(b"original")),
            ..Statement::new(Protocol::Parse)
        }),
        Body::Statement(Statement {
            portal: b"p"[..].into(),
            of: Some(7),
            parameters: vec![
                Parameter { value: Some(b"1"[..].into()), format: 0 },
                Parameter { value: None, format: 1 },
                Parameter { value: Some(b"\x00\xff"[..].into()), format: 1 },
            ]
            .into(),
            max_rows: 10,
            decision: Some(decision()),
            ..Statement::new(Protocol::Bind)
        }),
        Body::Statement(Statement { function: 1598, ..Statement::new(Protocol::FunctionCall) }),
        Body::Decision(Judged { statement: 5, decision: decision() }),
        Body::Decision(Judged { statement: 6, decision: observed() }),
        Body::Hold(Hold {
            statement: 5,
            request: "h-7k3f9".into(),
            binding: Digest::of(b"binding"),
            expires_us: 1_700_000_000_000_000,
        }),
        Body::HoldEnd(HoldEnd {
            statement: 5,
            request: "h-7k3f9".into(),
            outcome: HoldOutcome::Approved,
            reviewer: "ada".into(),
            reason: "ticket 9".into(),
        }),
        Body::HoldEnd(HoldEnd {
            statement: 5,
            request: "h-7k3f9".into(),
            outcome: HoldOutcome::Disconnected,
            reviewer: "".into(),
            reason: "".into(),
        }),
        Body::ResultChunk(ResultChunk {
            statement: 5,
            stream: Stream::CopyIn,
            frames: vec![0xd5; ResultChunk::MAX].into(),
        }),
        Body::ResultCut(ResultCut {
            statement: 5,
            stream: Stream::Backend,
            recorded: 1,
            rows: 2,
            bytes: 3,
            rest: Digest::of(b"rest"),
        }),
        Body::StatementEnd(StatementEnd {
            statement: 5,
            tag: b"SELECT 1"[..].into(),
            rows: 1,
            bytes: 30,
            sqlstate: b""[..].into(),
            message: b""[..].into(),
            duration_us: 800,
            frames: b"D\0\0\0\x04"[..].into(),
        }),
        Body::StatementEnd(StatementEnd {
            statement: 5,
            sqlstate: b"42501"[..].into(),
            message: b"denied by rule"[..].into(),
            ..StatementEnd::default()
        }),
        Body::SessionEnd(SessionEnd {
            reason: "terminate".into(),
            statements: 3,
            denied: 1,
            held: 0,
            tips: tips(),
        }),
        Body::Other(4000, b"\xa0"),
    ]
}

fn lane() -> Lane {
    Lane::new(BootId([1; 16]), 3, Arc::new(Signer::from_seed([5; 32]).unwrap()))
}

#[test]
fn every_body_reads_back_as_it_was_written() {
    let mut lane = lane();
    for body in every_body() {
        let mut out = Vec::new();
        lane.append(None, &body, Times { wall_us: 1, mono_ns: 2 }, &mut out).unwrap();
        let frame = segment::frame(&out).unwrap().unwrap();
        let header = Header::decode(frame.header).unwrap();
        assert_eq!(header.kind, body.kind());
        assert_eq!(Body::decode(header.kind, frame.body).unwrap(), body);
        assert_eq!(frame.len, out.len());
    }
}

/// As the first version wrote them: an incident that says neither who nor where to, a principal without the
/// executable's digest, container and ancestors.
#[test]
fn bodies_of_an_earlier_version_are_read_with_nothing_in_the_later_fields() {
    let incident = b"\xa3\x00\x72unknown-connection\x01\x68from ::1\x02\x03";
    let expect = Incident::new("unknown-connection", "from ::1").times(3);
    assert_eq!(Body::decode(Kind::Incident, incident).unwrap(), Body::Incident(expect));

    let policy = Digest::of(b"policy").0;
    let start = [
        b"\xa9\x00\xac\x00\x19\x12\x67\x01\x18\x63\x02\x19\x03\xe8\x03\x19\x03\xe9\x04\x62ci\x05\x64psql"
            .as_slice(),
        b"\x06\x6d/usr/bin/psql\x07\x69psql -c x\x08\x18\x4d\x09\x67/ci/job\x0b\x05\x0c\x82\x63sub\x65job:1",
        b"\x01\x6e10.0.0.9:41000\x02\x72[2001:db8::5]:5432\x03\x64shop\x04\x64shop\x05\x67shop_ro",
        b"\x06\x58\x20",
        &policy,
        b"\x07\x68postgres\x08\x44sh\xf6p",
    ]
    .concat();
    let Body::SessionStart(start) = Body::decode(Kind::SessionStart, &start).unwrap() else { panic!() };
    let expect = Principal { executable_sha256: None, container: None, ancestors: Vec::new(), ..principal() };
    assert_eq!(*start.principal, expect);
    assert_eq!(start.resource, "shop");
}

/// Claims with several values or none, which nobody had at first, read back beside those with one.
#[test]
fn a_claim_has_any_number_of_values() {
    let claims = [("address", vec![]), ("groups", vec!["b", "a"]), ("sub", vec!["job:1"])];
    let claims =
        claims.map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()));
    for body in every_body() {
        let Body::SessionStart(mut start) = body else { continue };
        start.principal.to_mut().claims = claims.clone().into();
        let mut bytes = Vec::new();
        Body::SessionStart(start.clone()).encode(&mut bytes);
        assert_eq!(Body::decode(Kind::SessionStart, &bytes).unwrap(), Body::SessionStart(start));
    }
}

/// As it was before anything could be observed: neither the decision nor its finding says what would have been.
#[test]
fn a_decision_of_an_earlier_version_is_read_as_one_that_was_enforced() {
    // {0: 5, 1: {0: 2, 1: "d", 2: [{0: "drop", 1: 2, 2: "d"}]}}
    let bytes = b"\xa2\x00\x05\x01\xa3\x00\x02\x01\x61d\x02\x81\xa3\x00\x64drop\x01\x02\x02\x61d";
    let Body::Decision(judged) = Body::decode(Kind::Decision, bytes).unwrap() else { panic!() };
    assert_eq!((judged.decision.ruling, &*judged.decision.rule), (Ruling::Deny, "d"));
    assert_eq!((judged.decision.would, &judged.decision.findings[0].would), (None, &None));
}

#[test]
fn a_body_with_fields_of_a_later_version_is_read_without_them() {
    // {0: 5, 2: h'', 99: [1, {}]}
    let bytes = b"\xa3\x00\x05\x02\x40\x18\x63\x82\x01\xa0";
    let Body::ResultChunk(chunk) = Body::decode(Kind::ResultChunk, bytes).unwrap() else { panic!() };
    assert_eq!((chunk.statement, chunk.frames.len()), (5, 0));
}

#[test]
fn no_body_reads_past_cut_bytes() {
    for body in every_body() {
        let mut bytes = Vec::new();
        body.encode(&mut bytes);
        for cut in 0..bytes.len().min(300) {
            let _ = Body::decode(body.kind(), &bytes[..cut]);
        }
    }
}

#[test]
fn a_header_has_exactly_one_form() {
    let mut out = Vec::new();
    lane().append(None, &Body::Beat(Beat { tips: vec![] }), Times::default(), &mut out).unwrap();
    let good = segment::frame(&out).unwrap().unwrap().header;
    assert!(Header::decode(good).is_ok());
    // The lane, 3, said in two bytes.
    let at = good.windows(2).position(|two| two == [1, 3]).unwrap();
    let mut long = good.to_vec();
    long.splice(at + 1..at + 2, [0x18, 3]);
    assert!(matches!(Header::decode(&long), Err(DecodeError::NotCanonical)));
    let mut trailing = good.to_vec();
    trailing.push(0);
    assert!(matches!(Header::decode(&trailing), Err(DecodeError::NotCanonical)));
}

#[test]
fn a_rolled_back_record_leaves_no_trace_in_the_chain() {
    let body = Body::Incident(Incident::new("x", ""));
    let (mut one, mut other) = (lane(), lane());
    let mut out = Vec::new();
    one.append(None, &body, Times::default(), &mut out).unwrap();
    other.append(None, &body, Times::default(), &mut out).unwrap();
    let mark = one.mark();
    one.append(None, &body, Times { wall_us: 5, mono_ns: 5 }, &mut out).unwrap();
    one.rollback(mark);
    assert_eq!(one.tip(), other.tip());
}

#[test]
fn a_body_that_is_too_long_is_refused_and_leaves_nothing() {
    let mut lane = lane();
    let mut out = b"before".to_vec();
    let text = vec![b'x'; segment::MAX_BODY];
    let body = Body::Statement(Statement { text: text.into(), ..Statement::new(Protocol::Simple) });
    assert!(lane.append(None, &body, Times::default(), &mut out).is_err());
    assert_eq!(out, b"before");
    assert_eq!(lane.tip(), None);
}

#[test]
fn segment_file_names_sort_by_lane_and_place() {
    assert_eq!(segment::file_name(2, 70), "lane-00002-00000000000000000070.seg");
    assert_eq!(segment::parse_file_name("lane-00002-00000000000000000070.seg"), Some((2, 70)));
    for not in ["lane-2.seg", "lane-x-1.seg", "lane-1-2.seg.tmp", "notes"] {
        assert_eq!(segment::parse_file_name(not), None, "{not}");
    }
}

/// If this fails, the format has changed: what was written before would not be read any more.
#[test]
fn the_bytes_of_a_record_do_not_change() {
    let mut lane = lane();
    let mut out = Vec::new();
    lane.segment_head().encode(&mut out);
    let body = Body::Statement(Statement {
        text: b"select 1"[..].into(),
        decision: Some(Decision {
            ruling: Ruling::Allow,
            rule: "read".into(),
            findings: vec![].into(),
            relations: vec![].into(),
            policy: None,
            would: None,
        }),
        ..Statement::new(Protocol::Simple)
    });
    let times = Times { wall_us: 1_700_000_000_000_000, mono_ns: 123_456_789 };
    lane.append(Some((SessionId([2; 16]), 7)), &body, times, &mut out).unwrap();
    lane.append(None, &Body::Beat(Beat { tips: lane.tip().into_iter().collect() }), times, &mut out).unwrap();
    for body in every_body() {
        if body.kind() == Kind::SessionStart || body.kind() == Kind::Incident {
            lane.append(None, &body, times, &mut out).unwrap();
        }
    }
    let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
    let golden = include_str!("format.golden").split_whitespace().collect::<String>();
    assert_eq!(hex, golden);
}
