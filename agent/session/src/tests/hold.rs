//! Holds: where they are, and the five ways in which they end.

use evidence::HoldOutcome;
use policy::Answer;

use super::client::*;
use super::fixture::*;
use super::journal::Record;
use super::world::World;
use crate::{Event, Request};

const DELETE: &str = "DELETE FROM orders WHERE id = 1";

fn outcomes(world: &World) -> Vec<HoldOutcome> {
    let outcome = |record: &Record| match record {
        Record::HoldEnd { outcome, .. } => Some(*outcome),
        _ => None,
    };
    world.records.0.iter().filter_map(outcome).collect()
}

fn held(messages: &[Vec<u8>]) -> World {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders")]);
    let got = world.send(messages).join("\n");
    assert!(got.contains("request h1 waits for a reviewer"), "{got}");
    assert!(world.session.is_held() && world.session.is_blocked());
    assert!(!world.server.ran.iter().any(|ran| ran == DELETE));
    world
}

#[test]
fn a_held_query_waits_and_ends_by_one_of_five_ways() {
    type End = fn(&mut World);
    let cases: [(End, HoldOutcome, &str); 5] = [
        (|w| w.decide(Answer::Approve), HoldOutcome::Approved, "OK"),
        (|w| w.decide(Answer::Deny), HoldOutcome::Denied, "error 42501 request h1 was denied by uid 0: seen"),
        (
            |w| w.event(Event::HoldExpired),
            HoldOutcome::Expired,
            "error 42501 nobody decided on request h1 in time",
        ),
        (
            |w| w.event(Event::Cancel),
            HoldOutcome::Cancelled,
            "error 57014 canceling statement due to user request",
        ),
        (|w| w.event(Event::FrontendClosed), HoldOutcome::Disconnected, ""),
    ];
    for (end, outcome, expect) in cases {
        let mut world = held(&[query(DELETE), query("SELECT 5")]);
        end(&mut world);
        world.settle();
        assert_eq!(outcomes(&world), [outcome]);
        let got = world.news();
        assert_eq!(world.server.ran.iter().any(|ran| ran == DELETE), outcome == HoldOutcome::Approved);
        let withdrawn = world.requests.contains(&Request::WithdrawApproval("h1".to_owned()));
        assert_eq!(withdrawn, !matches!(outcome, HoldOutcome::Approved | HoldOutcome::Denied));
        match outcome {
            HoldOutcome::Disconnected => assert!(world.closed && got.is_empty(), "{got:?}"),
            _ => {
                let behind = ["ready I", "columns 5", "row 5#1", "row 5#2", "row 5#3", "SELECT 3", "ready I"];
                assert_eq!(got, [&[expect][..], &behind].concat());
            }
        }
    }
}

#[test]
fn a_bind_is_held_with_its_values_and_one_approval_is_one_portal() {
    let text = "DELETE FROM orders WHERE id = $1";
    let values = [Some(&b"41"[..])];
    let mut world = held(&[parse("d", text), bind_values("", "d", &values), execute("", 0), sync()]);
    assert_eq!(world.asked[0].values, ["41"]);
    world.decide(Answer::Approve);
    world.settle();
    assert_eq!(world.news(), ["parsed", "bound", "OK", "ready I"]);
    world.send(&[bind_values("", "d", &values), execute("", 0), sync()]);
    assert_eq!(world.asked.len(), 2);
    world.decide(Answer::Deny);
    world.settle();
    assert_eq!(world.news().len(), 2);
    assert_eq!(world.server.ran.iter().filter(|ran| *ran == text).count(), 1);
}

#[test]
fn a_denied_bind_in_a_transaction_fails_it() {
    let mut world = held(&[query("BEGIN"), parse("d", DELETE), bind("", "d"), execute("", 0), sync()]);
    world.decide(Answer::Deny);
    world.settle();
    assert_eq!(world.news(), ["parsed", "error 42501 request h1 was denied by uid 0: seen", "ready E"]);
}

#[test]
fn nothing_is_held_that_the_server_would_skip() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders")]);
    world.send(&[run("DROP TABLE orders"), run(DELETE), query(DELETE), sync()]);
    assert!(world.asked.is_empty());
}

#[test]
fn an_approval_lifts_no_denial_that_came_meanwhile() {
    let mut world = held(&[query(DELETE)]);
    let denies = "\n  - { name: none, actions: [\"*\"], decision: deny }\n";
    world.event(Event::Policy(policy(denies)));
    world.decide(Answer::Approve);
    world.settle();
    let got = world.news();
    assert!(got[0].contains("the policy has changed while the statement waited"), "{got:?}");
    assert!(!world.server.ran.iter().any(|ran| ran == DELETE));
}

#[test]
fn a_hold_ends_in_the_record_however_the_session_ends() {
    let ends: [fn(&mut World); 3] = [
        |w| w.event(Event::BackendClosed),
        |w| w.event(Event::Drain { now: true }),
        |w| drop(w.server_says(|out| out.extend_from_slice(b"?\0\0\0\x04"))),
    ];
    for end in ends {
        let mut world = held(&[query(DELETE)]);
        end(&mut world);
        assert_eq!(outcomes(&world), [HoldOutcome::Disconnected]);
        assert!(world.requests.contains(&Request::WithdrawApproval("h1".to_owned())));
        assert!(matches!(world.records.0.last(), Some(Record::SessionEnd { .. })));
    }
}
