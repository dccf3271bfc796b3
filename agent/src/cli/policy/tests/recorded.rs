//! What is proposed from records, and what another policy would make of them.

use std::borrow::Cow;

use evidence::{
    Body, Decision, Digest, Finding, HoldEnd, HoldOutcome, Protocol, Ruling, SessionEnd, SessionId,
    SessionStart, Statement,
};
use policy::{Action, Detail, Object, ObjectKind, Principal, Verb};

use super::run;
use crate::recorder::{Config, HostInfo, Recorder};

const SESSION: SessionId = SessionId(*b"\x01\x92\xab\x00\x11\x22\x7a\xbc\xde\xf0\x00\x01\x02\x03\x04\xff");

/// Records one session of the user `ci` into a new folder.
fn recorded(bodies: Vec<Body<'static>>) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { directory: scratch.path().to_owned(), ..Config::default() };
    let host = HostInfo::of_this_host(Digest::of(b"policy"), Digest::of(b"config"));
    let recorder = Recorder::open(&config, host, 1).unwrap();
    let mut lane = recorder.lane(1).unwrap();
    let start = Body::SessionStart(Box::new(SessionStart {
        principal: Cow::Owned(Principal { uid: 1000, user: Some("ci".into()), ..Principal::plain() }),
        source: None,
        destination: "10.0.0.5:5432".parse().unwrap(),
        resource: "shop".into(),
        database: "shop".into(),
        role: "shop_ro".into(),
        policy: Digest::of(b"policy"),
        startup_user: b"ci"[..].into(),
        startup_database: b"shop"[..].into(),
        application_name: b"psql"[..].into(),
    }));
    let end = Body::SessionEnd(SessionEnd {
        reason: "terminate".into(),
        statements: 0,
        denied: 0,
        held: 0,
        tips: vec![],
    });
    for (sequence, body) in [start].into_iter().chain(bodies).chain([end]).enumerate() {
        lane.append(Some((SESSION, sequence as u64)), &body, recorder.clock().now()).unwrap();
        lane.commit().unwrap();
    }
    recorder.stop("SIGTERM").unwrap();
    scratch
}

fn on(verb: Verb, class: &'static str, name: &str, columns: &[&str]) -> Action {
    let kind = if class.is_empty() { ObjectKind::Setting } else { ObjectKind::Relation };
    let schema = (kind == ObjectKind::Relation).then(|| "public".to_owned());
    let columns = (!columns.is_empty()).then(|| columns.iter().map(|c| (*c).to_owned()).collect());
    Action {
        object: Object { kind, class, schema, name: name.to_owned(), oid: None },
        detail: Detail { columns, ..Detail::NONE },
        ..Action::bare(verb)
    }
}

fn decision(ruling: Ruling, actions: Vec<Action>) -> Option<Decision<'static>> {
    let finding = |action: Action| Finding {
        action: action.to_string().into(),
        parts: Some(Cow::Owned(action)),
        ruling,
        rule: "all".into(),
        would: None,
    };
    Some(Decision {
        ruling,
        rule: "all".into(),
        findings: actions.into_iter().map(finding).collect::<Vec<_>>().into(),
        relations: vec![].into(),
        policy: None,
        would: None,
    })
}

fn simple(text: &'static str, ruling: Ruling, actions: Vec<Action>) -> Body<'static> {
    let decision = decision(ruling, actions);
    Body::Statement(Statement { text: text.as_bytes().into(), decision, ..Statement::new(Protocol::Simple) })
}

/// Sequences begin with 1: the session's start is before them.
fn a_bit_of_everything() -> Vec<Body<'static>> {
    let (orders, odd) =
        (on(Verb::Select, "table", "orders", &["id"]), on(Verb::Select, "table", "Odd\"x", &[]));
    let prepared = |protocol, of| Statement {
        of,
        decision: decision(
            Ruling::Allow,
            vec![
                on(Verb::Update, "table", "orders", &["total"]),
                on(Verb::Select, "table", "orders", &["id"]),
            ],
        ),
        ..Statement::new(protocol)
    };
    let execute = Statement {
        of: Some(5),
        decision: decision(Ruling::Allow, vec![]),
        ..Statement::new(Protocol::Execute)
    };
    let parse = Statement {
        text: b"UPDATE orders SET total = $1 WHERE id = 1"[..].into(),
        ..prepared(Protocol::Parse, None)
    };
    vec![
        simple("SELECT id FROM orders", Ruling::Allow, vec![orders.clone()]),
        simple("SELECT * FROM \"Odd\"\"x\"", Ruling::Allow, vec![odd]),
        simple("SET work_mem = 1", Ruling::Allow, vec![on(Verb::Set, "", "work_mem", &[])]),
        Body::Statement(parse),
        Body::Statement(prepared(Protocol::Bind, Some(4))),
        Body::Statement(execute),
        simple("DROP TABLE customers", Ruling::Deny, vec![on(Verb::Drop, "table", "customers", &[])]),
        simple("TRUNCATE orders", Ruling::Hold, vec![on(Verb::Truncate, "table", "orders", &[])]),
        Body::HoldEnd(HoldEnd {
            statement: 8,
            request: "1".into(),
            outcome: HoldOutcome::Approved,
            reviewer: "ann".into(),
            reason: "".into(),
        }),
        simple("SELECT ### FROM orders", Ruling::Allow, vec![orders, Action::opaque("odd syntax")]),
    ]
}

#[test]
fn what_ran_is_proposed_with_what_it_stands_on() {
    let records = recorded(a_bit_of_everything());
    let (result, text) = run(&["suggest", "--from", records.path().to_str().unwrap()]);
    assert_eq!(result, Ok(true), "{text}");
    let rules: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#') && !line.starts_with("who") && !line.starts_with("databases"))
        .collect();
    assert_eq!(
        rules.join("\n"),
        "version: 1
rules:
- name: \"ci-shop-select\"
resources: [\"shop\"]
actions: [select]
relations:
- \"public.\\\"Odd\\\"\\\"x\\\"\"
decision: allow
- name: \"ci-shop-select-update\"
resources: [\"shop\"]
actions: [select, update]
relations:
- \"public.orders\"
decision: allow
- name: \"ci-shop-set-settings\"
resources: [\"shop\"]
actions: [set]
settings:
- \"work_mem\"
decision: allow
- name: \"ci-shop-truncate\"
resources: [\"shop\"]
actions: [truncate]
relations:
- \"public.orders\"
decision: hold
message: proposed to be held, since it changes more than some rows"
    );
    assert!(text.contains("  # 3 uses in 1 session from "), "{text}");
    assert!(text.contains("  #     SELECT id FROM orders (session 0192ab00-"), "{text}");
    assert!(
        text.contains("#   drop table public.customers: did not run; 1 statement in 1 session"),
        "{text}"
    );
    assert!(text.contains("#   opaque (odd syntax): may be anything"), "{text}");
}

#[test]
fn a_proposal_is_one_that_can_be_read_however_long_its_words_are() {
    let views = || {
        [Verb::Alter, Verb::Create, Verb::Maintain]
            .map(|verb| on(verb, "materialized view", "sums", &[]))
            .to_vec()
    };
    let bare = || vec![Action::bare(Verb::Maintain)];
    let scratch = recorded(vec![
        simple("CREATE MATERIALIZED VIEW sums …", Ruling::Allow, views()),
        simple("ANALYZE", Ruling::Allow, bare()),
        simple("COPY t FROM PROGRAM 'true'", Ruling::Allow, vec![Action::bare(Verb::CopyProgram)]),
    ]);
    let (result, text) = run(&["suggest", "--from", scratch.path().to_str().unwrap()]);
    assert_eq!(result, Ok(true));
    let policy = policy::Policy::parse(&[policy::Document { name: "p", text: &text }]).unwrap();
    assert!(policy.rules().iter().all(|rule| rule.name().len() <= 64), "{text}");
    let (allowed, held) = text.split_once("decision: hold").unwrap();
    assert_eq!(allowed.matches("it is about every object, too").count(), 1, "{text}");
    assert!(held.contains("since it reaches further than rows of a table"), "{text}");
}

#[test]
fn who_can_be_told_in_other_ways() {
    let records = recorded(a_bit_of_everything());
    let from = records.path().to_str().unwrap();
    let (result, text) = run(&["suggest", "--from", from, "--by", "uid"]);
    assert!(result == Ok(true) && text.contains("who: { uid: 1000 }"), "{text}");
    // Nobody could be told: nothing is proposed, and all of it is told.
    let (result, text) = run(&["suggest", "--from", from, "--by", "claims.sub"]);
    assert!(result == Ok(true) && text.contains("rules: []"), "{text}");
    assert!(text.contains("select table public.orders: by nobody that `--by` can tell"), "{text}");
    let (result, _) = run(&["suggest", "--from", from, "--by", "shoe"]);
    assert!(result.unwrap_err().contains("claims.NAME"));
    let (_, text) = run(&["suggest", "--from", from, "--resource", "other"]);
    assert!(text.contains("no session was recorded there") && text.contains("rules: []"), "{text}");
}

fn policies(folder: &tempfile::TempDir, documents: [&str; 2]) -> [String; 2] {
    let mut number = 0;
    documents.map(|rules| {
        number += 1;
        let path = folder.path().join(format!("{number}.yaml"));
        std::fs::write(&path, format!("version: 1\nrules:\n{rules}")).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

const ALL: &str = "  - { name: all, actions: [\"*\", opaque], decision: allow }\n";

#[test]
fn what_would_end_otherwise_is_told_and_what_would_not_is_not() {
    let (records, folder) = (recorded(a_bit_of_everything()), tempfile::tempdir().unwrap());
    let from = records.path().to_str().unwrap();
    let less = format!(
        "{ALL}  - {{ name: no-updates, actions: [update], relations: [\"*.orders\"], decision: deny }}\n\
         \x20 - {{ name: no-drops, actions: [drop], decision: deny, mode: observe }}\n"
    );
    let [old, new] = policies(&folder, [ALL, &less]);
    let (result, text) = run(&["diff", &old, &new, "--over", from]);
    assert_eq!(result, Ok(true), "{text}");
    assert!(text.contains("allow -> deny: 1 statements in 1 sessions on shop/shop"), "{text}");
    assert!(text.contains("new: update table public.orders is denied by rule \"no-updates\""), "{text}");
    assert!(
        text.contains("such as UPDATE orders SET total = $1 WHERE id = 1 in session 0192ab00-"),
        "{text}"
    );
    assert!(text.contains("allow -> allow (deny if it were enforced): 1 statements"), "{text}");
    // The opaque one, too, since something is denied now.
    assert!(text.ends_with("3 of 7 statements in 1 sessions would end otherwise\n"), "{text}");
    assert_eq!(run(&["diff", &old, &new, "--over", from, "--exit-code"]).0, Ok(false));
    let (same, text) = run(&["diff", &old, &old, "--over", from, "--exit-code"]);
    assert_eq!((same, text.as_str()), (Ok(true), "0 of 7 statements in 1 sessions would end otherwise\n"));
    let (_, lines) = run(&["diff", &old, &new, "--over", from, "--json"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines.iter().any(|line| line["new"]["decision"] == "deny" && line["cases"]["sequence"] == 6));
}

#[test]
fn a_mask_that_would_show_otherwise_is_told() {
    let (records, folder) = (recorded(a_bit_of_everything()), tempfile::tempdir().unwrap());
    let masked = ALL.replace(" }", ", mask: [public.orders.id] }").replace(", opaque", "");
    let [old, new] = policies(&folder, [&ALL.replace(", opaque", ""), &masked]);
    let (_, text) = run(&["diff", &old, &new, "--over", records.path().to_str().unwrap()]);
    assert!(text.contains("public.orders.id: shown -> masked (redact): read by 2 statements"), "{text}");
    // What it writes may be what it has read, which the records do not tell.
    assert!(text.contains("allow -> allow (deny if what it stores is masked)"), "{text}");
}

#[test]
fn what_was_recorded_without_parts_is_said_not_to_be_compared() {
    let mut bodies = a_bit_of_everything();
    if let Body::Statement(Statement { decision: Some(decision), .. }) = &mut bodies[0] {
        let finding = decision.findings[0].clone();
        decision.findings = vec![Finding { parts: None, ..finding }].into();
    }
    let (records, folder) = (recorded(bodies), tempfile::tempdir().unwrap());
    let [old, new] = policies(&folder, [ALL, ALL]);
    let (_, text) = run(&["diff", &old, &new, "--over", records.path().to_str().unwrap()]);
    assert!(text.contains("1 statements were NOT compared") && text.contains("0 of 6"), "{text}");
}

/// The masks of the old policy made that action: by another policy's it is none.
#[test]
fn a_predicate_on_what_is_not_masked_any_more_is_none() {
    let (select, predicate) =
        (on(Verb::Select, "table", "orders", &["id"]), on(Verb::Predicate, "table", "orders", &["id"]));
    let records =
        recorded(vec![simple("SELECT 1 FROM orders WHERE id = 1", Ruling::Deny, vec![select, predicate])]);
    let folder = tempfile::tempdir().unwrap();
    let masked = "  - { name: all, actions: [\"*\"], decision: allow, mask: [public.orders.id] }\n";
    let clear = "  - { name: all, actions: [\"*\"], decision: allow }\n";
    let [old, new] = policies(&folder, [masked, clear]);
    let (_, text) = run(&["diff", &old, &new, "--over", records.path().to_str().unwrap()]);
    assert!(text.contains("deny -> allow: 1 statements"), "{text}");
    assert!(text.contains("old: predicate table public.orders (id) is denied"), "{text}");
}
