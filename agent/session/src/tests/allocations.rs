//! What a message costs in allocations where the policy allows it.

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
