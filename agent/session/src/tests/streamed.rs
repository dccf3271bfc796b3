//! Messages that are too long to be read whole: they are judged by their beginning, and pass as they come.

use evidence::{HoldOutcome, Stream};
use policy::Answer;

use super::client::*;
use super::fixture::*;
use super::journal::Record;
use super::world::World;
use crate::{Event, Limits, Request};

const SELECT: &str = "SELECT id FROM orders WHERE note = $1";
const DELETE: &str = "DELETE FROM orders WHERE note = $1";

fn world(rules: &str, recorded: u64) -> World {
    let limits = Limits { message: 1000, bind: 1000, recorded, ..Limits::default() };
    let mut world = World::with_limits(rules, limits);
    world.send(&[query("SELECT id FROM orders")]);
    world
}

/// A Bind of half a megabyte.
fn long(portal: &str, statement: &str) -> Vec<u8> {
    bind_values(portal, statement, &[Some(&[b'x'; 500_000]), None, Some(b"last")])
}

fn received(world: &World, frame: &[u8]) -> bool {
    world.server.received.iter().any(|got| got == frame)
}

#[test]
fn a_long_bind_passes_and_is_recorded_whatever_pieces_it_comes_in() {
    for pieces in [usize::MAX - 1, 100_000, 7_001] {
        let mut world = world(GUARDED, 1 << 30)
            .chosen_by(move |most| if most == usize::MAX { 1 } else { pieces.min(most) });
        let got = world.send(&[parse("s", SELECT), long("p", "s"), execute("p", 1), sync()]);
        assert_eq!(got, ["parsed", "bound", "row id#1", "suspended", "ready I"], "{pieces}");
        assert!(received(&world, &long("p", "s")));
        assert_eq!(world.records.stream(Stream::Message), long("p", "s"));
        assert_eq!(world.permits, world.statements_sent().0);
    }
}

#[test]
fn of_a_longer_one_the_record_says_how_long_it_was() {
    let mut world = world(GUARDED, 100_000);
    world.send(&[parse("s", SELECT), long("", "s"), sync()]);
    let recorded = world.records.stream(Stream::Message).len() as u64;
    let cut = world.records.0.iter().find_map(|record| match record {
        Record::Cut { recorded, bytes, .. } => Some((*recorded, *bytes)),
        _ => None,
    });
    assert_eq!(cut, Some((recorded, long("", "s").len() as u64)));
    assert!((100_000..200_000).contains(&recorded), "{recorded}");
}

#[test]
fn where_values_may_meet_a_mask_none_is_recorded() {
    let mut world = world(MASKED, 1 << 30);
    let text = "SELECT name FROM customers WHERE ssn = $1";
    let got = world.send(&[parse("s", text), long("", "s"), sync()]);
    assert_eq!(got, ["parsed", "bound", "ready I"]);
    assert!(world.records.stream(Stream::Message).is_empty());
}

#[test]
fn what_is_refused_is_read_to_its_end_and_left() {
    let text = format!("SELECT '{}'", "x".repeat(500_000));
    let short = format!("SELECT '{}'", "x".repeat(2_000));
    let too_long = "error 54000 a text of";
    for (refused, expect) in [
        (vec![long("", "nothing"), execute("", 0), sync()], "error 26000"),
        (vec![query(&text)], too_long),
        (vec![query(&short)], too_long),
        (vec![parse("", &text), bind("", ""), execute("", 0), sync()], too_long),
        (vec![parse("named", &short), sync()], too_long),
    ] {
        for pieces in [usize::MAX - 1, 5_000] {
            let mut world = world(GUARDED, 1 << 30)
                .chosen_by(move |most| if most == usize::MAX { 1 } else { pieces.min(most) });
            let got = world.send(&refused);
            assert!(got.len() == 2 && got[0].starts_with(expect) && got[1] == "ready I", "{got:?}");
            assert!(world.server.received.iter().all(|frame| frame.len() < 1000));
            let got = world.send(&[run("SELECT 7"), sync()]);
            assert_eq!(got.last().map(String::as_str), Some("ready I"), "{got:?}");
            assert!(got.contains(&"SELECT 3".to_owned()), "{got:?}");
        }
    }
}

#[test]
fn while_it_waits_for_a_reviewer_the_rest_of_it_is_not_read() {
    type End = fn(&mut World);
    let cases: [(End, HoldOutcome, &str); 4] = [
        (|w| w.decide(Answer::Approve), HoldOutcome::Approved, "bound"),
        (|w| w.decide(Answer::Deny), HoldOutcome::Denied, "error 42501"),
        (|w| w.event(Event::HoldExpired), HoldOutcome::Expired, "error 42501"),
        (|w| w.event(Event::Cancel), HoldOutcome::Cancelled, "error 57014"),
    ];
    for (end, outcome, expect) in cases {
        let mut world = world(GUARDED, 1 << 30);
        let message = long("", "d");
        // All of it is there for some, and the beginning for others.
        let first = if outcome == HoldOutcome::Approved { 250_000 } else { message.len() };
        let got = world.send(&[parse("d", DELETE), message[..first].to_vec()]);
        assert!(got.iter().any(|line| line.contains("waits for a reviewer")), "{got:?}");
        assert_eq!(world.unread.len(), first, "it was read");
        let shown = &world.asked[0].values;
        assert!(shown[0].ends_with("x… (500000 bytes)") && shown[0].len() < 2000, "{shown:?}");
        end(&mut world);
        let got = world.send(&[message[first..].to_vec(), execute("", 0), sync(), run("SELECT 7"), sync()]);
        assert!(got.iter().any(|line| line.starts_with(expect)), "{got:?}");
        assert!(got.contains(&"SELECT 3".to_owned()), "{got:?}");
        assert_eq!(received(&world, &message), outcome == HoldOutcome::Approved);
        assert_eq!(world.server.ran.iter().any(|ran| ran == DELETE), outcome == HoldOutcome::Approved);
        assert_eq!(world.asked.len(), 1);
    }
}

#[test]
fn a_client_that_goes_in_the_middle_of_it_leaves_a_record_that_says_so() {
    let mut world = world(GUARDED, 1 << 30);
    let message = long("", "s");
    world.send(&[parse("s", SELECT), message[..300_000].to_vec()]);
    world.event(Event::FrontendClosed);
    assert!(world.requests.contains(&Request::FinishBackend));
    world.event(Event::BackendClosed);
    assert!(world.closed);
    assert_eq!(world.records.stream(Stream::Message), message[..300_000]);
    let told = world.records.everything();
    assert!(told.contains("the connection ended before the message did"), "{told}");
    assert!(!world.server.received.iter().any(|frame| frame.first() == Some(&b'X')), "in the middle of it");
}

fn long_call(oid: u32) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    let value = [b'x'; 500_000];
    pgwire::frontend::encode::function_call(&mut out, oid, &[], &[Some(&value)], pgwire::Format::TEXT)
        .unwrap();
    out.to_vec()
}

#[test]
fn a_long_function_call_passes() {
    let mut world = world(ALL, 1 << 30);
    world.send(&[long_call(21_000)]);
    assert!(received(&world, &long_call(21_000)), "{:?}", world.records.rulings());
    let mut world = self::world(GUARDED, 1 << 30);
    let got = world.send(&[long_call(1)]);
    assert!(got[0].starts_with("error 42501") && got[1] == "ready I", "{got:?}");
}

#[test]
fn a_long_function_call_waits_for_the_catalog() {
    let mut world = world(ALL, 1 << 30);
    let newer = world.catalog.take();
    world.send(&[query("ALTER FUNCTION settle() RENAME TO harmless")]);
    world.catalog = newer;
    let asked = |world: &World| {
        world.requests.iter().filter(|r| matches!(r, Request::RefreshCatalog | Request::ShareCatalog)).count()
    };
    let before = asked(&world);
    let call = long_call(21_000);
    world.send(&[call[..250_000].to_vec()]);
    assert_eq!(asked(&world), before + 1);
    world.send(&[call[250_000..].to_vec()]);
    assert!(received(&world, &call), "{:?}", world.records.rulings());
}
