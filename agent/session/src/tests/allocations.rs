//! What messages cost in allocations where the policy allows them, and in memory whatever the client sends.

use bytes::BytesMut;
use evidence::{Body, SessionId, Times, TooLarge};

use super::client::*;
use super::fixture::*;
use super::world::World;
use crate::{Journal, Request, Turn};

/// Records that go nowhere: what the daemon's own journal keeps them in grows once and stays.
struct Nowhere;

impl Journal for Nowhere {
    fn append(&mut self, _: (SessionId, u64), _: &Body<'_>, _: Times) -> Result<(), TooLarge> {
        Ok(())
    }
}

/// How many allocations the messages and their answers take, once everything has grown to its size.
fn counted(prelude: &[Vec<u8>], messages: &[Vec<u8>]) -> u64 {
    let mut world = World::new(ALL);
    world.send(prelude);
    let from = world.got.len();
    world.send(messages);
    let (asked, answered) = (messages.concat(), world.got[from..].to_vec());
    let (mut backend, mut frontend) = (BytesMut::with_capacity(1 << 20), BytesMut::with_capacity(1 << 20));
    let mut requests: Vec<Request> = Vec::with_capacity(16);
    let mut journal = Nowhere;
    let mut round = || {
        backend.clear();
        frontend.clear();
        let now = Times { wall_us: 7, mono_ns: 7000 };
        let mut turn = Turn::new(now, &mut journal, &mut backend, &mut frontend, &mut requests);
        assert_eq!(world.session.frontend(&asked, &mut turn), asked.len());
        assert_eq!(world.session.backend(&answered, &mut turn), answered.len());
        assert_eq!((backend.len(), frontend.len()), (asked.len(), answered.len()));
    };
    (0..8).for_each(|_| round());
    allocation_counter::measure(round).count_total
}

#[test]
fn a_message_takes_one_allocation_or_none() {
    let values = [Some(&b"41"[..])];
    let text = "SELECT id FROM orders WHERE id = $1";
    let prepared = [parse("p", text), sync()];
    let run = [bind_values("", "p", &values), execute("", 0), sync()];
    for (what, prelude, messages) in [
        ("simple", &[][..], &[query("SELECT id FROM orders")][..]),
        (
            "extended",
            &[],
            &[parse("", text), bind_values("", "", &values), describe_portal(""), execute("", 0), sync()],
        ),
        ("prepared", &prepared, &run),
    ] {
        let count = counted(prelude, messages);
        assert!(count <= messages.len() as u64, "{what}: {count} for {} messages", messages.len());
    }
}

/// The most memory that a session takes, in bytes, while its client sends these and its server answers nothing. Everything
/// that it sends on is taken off its hands.
fn taken_up(messages: impl Iterator<Item = Vec<u8>>) -> u64 {
    let mut world = World::new(ALL);
    world.send(&[query("SELECT id FROM orders")]);
    let (mut backend, mut frontend) = (BytesMut::with_capacity(1 << 20), BytesMut::new());
    let mut journal = Nowhere;
    let info = allocation_counter::measure(|| {
        for message in messages {
            let mut requests: Vec<Request> = Vec::new();
            let now = Times { wall_us: 7, mono_ns: 7000 };
            backend.clear();
            let mut turn = Turn::new(now, &mut journal, &mut backend, &mut frontend, &mut requests);
            if world.session.frontend(&message, &mut turn) == 0 {
                return;
            }
        }
        panic!("the session takes whatever comes");
    });
    info.bytes_max
}

#[test]
fn a_session_whose_server_does_not_answer_takes_no_more_than_it_may() {
    const MOST: u64 = 12 << 20;
    let count = 0..20_000;
    let short = taken_up(count.clone().map(|i| query(&format!("SELECT id FROM orders WHERE id = {i}"))));
    let many = "SELECT 1;".repeat(1000);
    let long = taken_up(count.clone().map(|i| query(&format!("{many} SELECT {i}"))));
    let runs = taken_up(count.map(|i| [run(&format!("SELECT {i}")), sync()].concat()));
    for (what, bytes) in [("short", short), ("long", long), ("extended", runs)] {
        assert!(bytes < MOST, "{what}: {bytes}");
    }
}

/// Without a Sync or a Flush the server keeps answers to itself: a session that waits for them asks for them.
#[test]
fn a_long_pipeline_without_a_sync_does_not_stand_still() {
    for (one, answer) in [
        (parse("", &format!("SELECT 1{}", " ".repeat(2000))), "parsed"),
        (bind("", "p"), "bound"),
        (query(&"SELECT 1;".repeat(200)), "SELECT 3"),
    ] {
        let mut world = World::new(ALL);
        world.send(&[query("SELECT id FROM orders"), parse("p", "SELECT 1"), sync()]);
        let got = world.send(&[one.repeat(2000), sync()]);
        assert!(got.iter().filter(|line| *line == answer).count() >= 2000, "{answer}");
        assert_eq!(got.last().map(String::as_str), Some("ready I"));
    }
}

#[test]
fn of_a_text_with_many_names_each_keeps_its_own_part() {
    let text: String = (0..2000).map(|i| format!("PREPARE p{i} AS SELECT {i};")).collect();
    let mut world = World::new(ALL);
    world.send(&[query("SELECT id FROM orders")]);
    let (mut backend, mut frontend) = (BytesMut::new(), BytesMut::new());
    let (message, mut requests) = (query(&text), Vec::new());
    let info = allocation_counter::measure(|| {
        let now = Times { wall_us: 7, mono_ns: 7000 };
        let mut journal = Nowhere;
        let mut turn = Turn::new(now, &mut journal, &mut backend, &mut frontend, &mut requests);
        assert_eq!(world.session.frontend(&message, &mut turn), message.len());
    });
    let most = 200 * text.len() as u64;
    assert!(info.bytes_max < most, "{} bytes for a text of {}", info.bytes_max, text.len());
}
