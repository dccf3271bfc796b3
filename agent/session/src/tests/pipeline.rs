//! Messages in a row: what passes, what is refused in the middle, and what both sides see of it.

use policy::Answer;

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

const REFUSED: &str = "error 42501 drop table public.orders is denied by rule \"no-drops\": ask whoever answers for rule \"no-drops\"";

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

/// Functions may not be called, so that a FunctionCall is refused, too.
const NO_CALLS: &str = r#"
  - { name: all, actions: ["*"], decision: allow }
  - { name: hold-deletes, actions: [delete, delete-all], decision: hold }
  - { name: no-drops, actions: [drop, function], decision: deny }
"#;

#[test]
fn a_refused_message_leaves_its_neighbours_as_one_that_the_server_itself_fails_in_its_place() {
    let delete = "DELETE FROM orders WHERE id = 1";
    // Each kind of message, refused by policy or reviewer, and one of the same kind that the server refuses.
    let kinds = [
        (query("DROP TABLE orders"), query("SELECT id FROM orders WHERE note = 'fail'")),
        (parse("", "DROP TABLE orders"), parse("", "SYNTAX")),
        (bind("", "d"), bind("", "nothing")),
        (execute("held", 0), execute("nothing", 0)),
        (function_call(21_000), function_call(1)),
    ];
    let states = [
        vec![],
        vec![query("BEGIN")],
        vec![query("BEGIN"), query("SELECT id FROM orders WHERE note = 'fail'")],
    ];
    for state in &states {
        for (refused, fails) in &kinds {
            let around = |message: &[u8]| {
                let mut world = World::new(NO_CALLS);
                world.reviewer = Some(Answer::Deny);
                world.send(&[
                    query("SELECT id FROM orders"),
                    parse("d", delete),
                    parse("ok", "SELECT 1"),
                    sync(),
                ]);
                world.send(&[state.concat()]);
                let got = world.send(&[
                    bind("p", "ok"),
                    execute("p", 0),
                    message.to_vec(),
                    bind("q", "ok"),
                    execute("q", 0),
                    sync(),
                    run("SELECT 2"),
                    sync(),
                    query("ROLLBACK"),
                ]);
                let plain = got.into_iter().filter(|line| !line.starts_with("notice"));
                let plain =
                    plain.map(|line| if line.starts_with("error") { "error".to_owned() } else { line });
                plain.collect::<Vec<String>>()
            };
            assert_eq!(around(refused), around(fails), "{state:?} {refused:?}");
        }
    }
}
