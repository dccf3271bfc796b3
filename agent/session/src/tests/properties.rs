//! What holds for every script, in every order of arrival.

use std::slice::from_ref;

use policy::Answer;
use proptest::prelude::*;

use super::client::*;
use super::fixture::*;
use super::journal::Record;
use super::world::World;

const TEXTS: [&str; 24] = [
    "SELECT id FROM orders",
    "SELECT id, ssn FROM customers",
    "SELECT upper(ssn) FROM customers",
    "SELECT upper(name) FROM customers",
    "DELETE FROM orders WHERE id = 1",
    "DROP TABLE orders",
    "SYNTAX",
    "SELECT id FROM orders WHERE note = 'fail'",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "PREPARE a AS SELECT upper(ssn) FROM customers",
    "PREPARE b AS DELETE FROM orders WHERE id = 1",
    "PREPARE a AS SELECT upper(name) FROM customers",
    "EXECUTE a",
    "EXECUTE b",
    "DEALLOCATE a",
    "DEALLOCATE ALL",
    "DECLARE p CURSOR FOR SELECT upper(ssn) FROM customers",
    "DECLARE p CURSOR FOR SELECT upper(name) FROM customers",
    "FETCH ALL FROM p",
    "SET search_path = vault",
    "COPY vault.orders FROM STDIN",
    "COPY orders FROM STDIN",
];

fn text() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&TEXTS[..])
}

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["", "a", "b"])
}

fn portal() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["", "p"])
}

/// One message, or a whole run of one text, with what it is for people.
#[derive(Clone)]
struct Step(String, Vec<u8>);

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn message() -> impl Strategy<Value = Step> {
    let fixed =
        |weight: u32, label: &str, bytes: Vec<u8>| (weight, Just(Step(label.to_owned(), bytes)).boxed());
    proptest::strategy::Union::new_weighted(vec![
        (3, text().prop_map(|t| Step(format!("query({t})"), query(t))).boxed()),
        (4, (name(), text()).prop_map(|(n, t)| Step(format!("parse({n}, {t})"), parse(n, t))).boxed()),
        (4, (portal(), name()).prop_map(|(p, n)| Step(format!("bind({p}, {n})"), bind(p, n))).boxed()),
        (4, (portal(), 0..2).prop_map(|(p, n)| Step(format!("execute({p}, {n})"), execute(p, n))).boxed()),
        (4, text().prop_map(|t| Step(format!("run({t})"), run(t))).boxed()),
        (1, name().prop_map(|n| Step(format!("describe_statement({n})"), describe_statement(n))).boxed()),
        (1, portal().prop_map(|p| Step(format!("describe_portal({p})"), describe_portal(p))).boxed()),
        (1, name().prop_map(|n| Step(format!("close_statement({n})"), close_statement(n))).boxed()),
        (1, portal().prop_map(|p| Step(format!("close_portal({p})"), close_portal(p))).boxed()),
        fixed(6, "sync()", sync()),
        fixed(1, "flush()", flush()),
        fixed(1, "copy_data()", copy_data(b"1\tx\n")),
        fixed(1, "copy_data(bad)", copy_data(b"bad")),
        fixed(1, "copy_done()", copy_done()),
        fixed(1, "copy_fail()", copy_fail()),
        fixed(1, "function_call(21000)", function_call(21_000)),
        fixed(1, "function_call(1)", function_call(1)),
    ])
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(message(), 1..25)
}

fn bytes(script: &[Step]) -> Vec<Vec<u8>> {
    script.iter().map(|step| step.1.clone()).collect()
}

/// Chooses by a sequence that repeats.
fn chooser(choices: Vec<usize>) -> impl FnMut(usize) -> usize {
    let mut at = 0;
    move |most| {
        at += 1;
        let choice = choices[at % choices.len()];
        if most == usize::MAX { choice % 4 } else { choice.min(most) }
    }
}

fn choices() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![usize::MAX - 1]),
        proptest::collection::vec(prop_oneof![1..4_usize, 5..40_usize, Just(10_000)], 2..12),
    ]
}

fn played(rules: &str, answer: Answer, script: &[Step], choices: Vec<usize>) -> World {
    let mut world = World::new(rules);
    world.reviewer = Some(answer);
    let mut world = world.chosen_by(chooser(choices));
    world.send(&bytes(script));
    // Whatever is open is closed: a COPY, a batch, and one more of each.
    world.send(&[copy_done(), sync(), sync()]);
    world
}

/// For each message with a statement that reached the server there is a permit, and a record before it.
fn recorded_first(world: &World) {
    // Of what stands behind a Close of its name it cannot be seen from outside whose that Close was.
    let (least, most) = world.statements_sent();
    // A server that has hung up has not taken all that it was sent.
    assert!(world.permits >= least);
    assert!(world.permits <= most || world.server.closed || world.closed);
    // A server that keeps to the protocol is never taken to have broken it: both sides are in step.
    if let Some(Record::SessionEnd { reason, .. }) = world.records.0.last() {
        assert!(!reason.contains("the server sent"), "{reason}");
    }
    let mut let_through = 0;
    for record in &world.records.0 {
        let_through += match record {
            Record::Statement { ruling: evidence::Ruling::Allow, .. } => 1,
            Record::Statement { ruling: evidence::Ruling::Hold, protocol: "parse" | "execute", .. } => 1,
            Record::HoldEnd { outcome: evidence::HoldOutcome::Approved, .. } => 1,
            _ => 0,
        };
    }
    assert!(world.permits <= let_through, "{} permits, {let_through} let through", world.permits);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_statement_reaches_the_server_without_a_permit_and_none_runs_that_was_not_let_through(
        script in script(),
        choices in choices(),
    ) {
        let world = played(GUARDED, Answer::Deny, &script, choices);
        recorded_first(&world);
        for ran in &world.server.ran {
            prop_assert!(!ran.starts_with("DELETE") && !ran.starts_with("DROP"), "{:?}", world.server.ran);
        }
    }

    #[test]
    fn one_approval_runs_one_statement(script in script(), choices in choices()) {
        let world = played(GUARDED, Answer::Approve, &script, choices);
        recorded_first(&world);
        let deleted = world.server.ran.iter().filter(|ran| ran.starts_with("DELETE")).count();
        prop_assert!(deleted <= world.asked.len(), "{deleted} deletions, {} approvals", world.asked.len());
    }

    #[test]
    fn no_masked_value_reaches_the_client_or_the_record(script in script(), choices in choices()) {
        let world = played(MASKED, Answer::Approve, &script, choices);
        recorded_first(&world);
        let got = String::from_utf8_lossy(&world.got).into_owned();
        prop_assert!(!got.contains("ssn#") && !got.contains("ssn)#"), "{:?}", shown(&world.got));
        let recorded = world.records.delivered();
        let recorded = String::from_utf8_lossy(&recorded);
        prop_assert!(!recorded.contains("ssn#") && !recorded.contains("ssn)#"));
    }

    #[test]
    fn any_chunking_gives_the_same_answers_and_records(
        script in script(),
        choices in choices(),
        rules in proptest::sample::select(vec![ALL, GUARDED, MASKED]),
    ) {
        // What the client does not wait for may be answered in more than one right way; so each message waits.
        let mut whole = World::new(rules);
        whole.reviewer = Some(Answer::Approve);
        let mut cut = World::new(rules).chosen_by(chooser(choices));
        cut.reviewer = Some(Answer::Approve);
        for Step(_, message) in &script {
            let (one, other) = (whole.send(from_ref(message)), cut.send(from_ref(message)));
            if one.iter().any(|line| line.contains("lost synchronization")) {
                // Statements inside of COPY data end it all: whether the notice of a hold still comes is a race.
                return Ok(());
            }
            prop_assert_eq!(one, other);
        }
        prop_assert_eq!(&whole.got, &cut.got);
        prop_assert_eq!(whole.records.delivered(), cut.records.delivered());
        let ran = |world: &World| -> Vec<String> {
            world.server.ran.iter().filter(|ran| !ran.contains("current_schemas")).cloned().collect()
        };
        prop_assert_eq!(ran(&whole), ran(&cut));
    }

    #[test]
    fn where_all_is_allowed_bytes_pass_unchanged_both_ways(script in script(), choices in choices()) {
        // Whether that one still answers a Sync inside its COPY is a race that a client cannot build on.
        prop_assume!(!script.iter().any(|step| step.0.contains("COPY vault") || step.0.contains("bad")));
        // A PREPARE or DECLARE that Parse has prepared and EXECUTE runs makes a name that is not followed: to use it
        // is refused.
        let names = |text: &str| text.contains("PREPARE") || text.contains("DECLARE");
        prop_assume!(!script.iter().any(|step| step.0.starts_with("parse(") && names(&step.0)));
        let mut direct = super::server::Server::new();
        direct.feed(&super::world::startup(&[("user", "job"), ("database", "shop")]));
        direct.feed(&bytes(&script).concat());
        direct.feed(&[copy_done(), sync(), sync()].concat());
        while direct.step() {}
        let world = played(ALL, Answer::Deny, &script, choices);
        if direct.closed || world.closed {
            return Ok(());
        }
        let direct_got = shown(&direct.output);
        prop_assert_eq!(&shown(&world.got)[4..], &direct_got[4..]);
    }
}
