//! Messages in a row: what passes, what is refused in the middle, and what both sides see of it.

use super::client::*;
use super::fixture::*;
use super::world::World;

#[test]
fn a_query_passes_and_its_rows_come_back() {
    let mut world = World::new(GUARDED);
    let got = world.send(&[query("SELECT id, note FROM orders")]);
    let rows = ["row id#1|note#1", "row id#2|note#2", "row id#3|note#3"];
    assert_eq!(got, [&["columns id|note"][..], &rows, &["SELECT 3", "ready I"]].concat());
    assert_eq!(world.records.rulings(), ["simple allow all"]);
}

/// What the client gets for a batch of these messages and a Sync, under the policy that guards.
#[track_caller]
fn check(messages: &[Vec<u8>], expect: &[&str]) {
    let mut world = World::new(GUARDED);
    let got = world.send(&[messages.concat(), sync()]);
    assert_eq!(got, expect);
    assert!(world.server.ran.iter().all(|ran| !ran.contains("DROP")), "{:?}", world.server.ran);
}

const REFUSED: &str = "error 42501 drop table public.orders is denied by rule \"no-drops\"";

#[test]
fn a_refused_message_of_a_pipeline_fails_in_its_place_and_skips_to_sync() {
    let drop = "DROP TABLE orders";
    check(&[query(drop)], &[REFUSED, "ready I", "ready I"]);
    check(&[run("BEGIN"), run(drop), run("COMMIT")], &["parsed", "bound", "BEGIN", REFUSED, "ready E"]);
    check(
        &[run("SELECT 1"), parse("a", drop), run("SELECT 2")],
        &["parsed", "bound", "row 1#1", "row 1#2", "row 1#3", "SELECT 3", REFUSED, "ready I"],
    );
    check(&[query("SELECT 1; DROP TABLE orders; SELECT 2")], &[REFUSED, "ready I", "ready I"]);
}
