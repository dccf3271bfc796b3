//! Attacks by names: a statement must never run under another one's judgement.

use policy::Answer;

use super::client::*;
use super::fixture::*;
use super::world::World;
use crate::Limits;

const DELETE: &str = "DELETE FROM orders WHERE id = 1";
const HARMLESS: &str = "SELECT id FROM orders";

/// All at once, so that nothing is answered before everything is sent; nobody approves anything.
#[track_caller]
fn check_nothing_deleted(rules: &str, script: &[Vec<u8>]) -> World {
    let mut world = World::new(rules);
    world.send(&[query(HARMLESS)]);
    world.send(script);
    world.send(&[copy_done(), sync(), sync()]);
    assert!(world.server.ran.iter().all(|ran| !ran.starts_with("DELETE")), "{:?}", world.server.ran);
    assert_eq!(world.permits, world.statements_sent().0);
    world
}

#[test]
fn a_parse_that_fails_lends_its_text_to_nobody() {
    let twice =
        [parse("a", DELETE), sync(), parse("a", HARMLESS), sync(), bind("", "a"), execute("", 0), sync()];
    let world = check_nothing_deleted(GUARDED, &twice);
    assert_eq!(world.asked.len(), 1, "the Bind is of the deletion");
}

#[test]
fn a_failed_change_puts_nothing_back_over_a_later_one() {
    check_nothing_deleted(
        GUARDED,
        &[
            parse("", HARMLESS),
            sync(),
            parse("", "SYNTAX"),
            sync(),
            parse("", DELETE),
            sync(),
            bind("", ""),
            execute("", 0),
            sync(),
        ],
    );
    check_nothing_deleted(
        GUARDED,
        &[
            parse("a", DELETE),
            sync(),
            parse("a", HARMLESS),
            sync(),
            parse("a", HARMLESS),
            sync(),
            bind("", "a"),
            execute("", 0),
            sync(),
        ],
    );
}

#[test]
fn what_is_skipped_changes_no_name() {
    check_nothing_deleted(
        GUARDED,
        &[
            parse("a", DELETE),
            sync(),
            execute("nothing", 0),
            close_statement("a"),
            parse("a", HARMLESS),
            sync(),
            bind("", "a"),
            execute("", 0),
            sync(),
        ],
    );
    check_nothing_deleted(
        GUARDED,
        &[
            parse("a", DELETE),
            sync(),
            query("BEGIN; SELECT 1 FROM orders WHERE note = 'fail'; DEALLOCATE ALL"),
            query("PREPARE a AS SELECT id FROM orders"),
            bind("", "a"),
            execute("", 0),
            sync(),
            query("ROLLBACK"),
            bind("", "a"),
            execute("", 0),
            sync(),
        ],
    );
}

#[test]
fn execute_by_name_is_what_the_name_stands_for_at_the_server() {
    check_nothing_deleted(
        GUARDED,
        &[
            parse("a", DELETE),
            sync(),
            query("PREPARE a AS SELECT id FROM orders"),
            query("EXECUTE a"),
            sync(),
        ],
    );
    check_nothing_deleted(
        GUARDED,
        &[parse("b", DELETE), sync(), parse("a", "EXECUTE b"), sync(), query("EXECUTE a"), sync()],
    );
}

#[test]
fn a_portal_that_fails_lends_its_judgement_to_nobody() {
    let mut world = World::new(GUARDED);
    world.reviewer = Some(Answer::Approve);
    world.send(&[query("BEGIN"), parse("d", DELETE), parse("h", HARMLESS), bind("p", "d"), sync()]);
    world.reviewer = Some(Answer::Deny);
    let before = world.asked.len();
    world.send(&[bind("p", "h"), sync(), execute("p", 0), sync(), query("ROLLBACK")]);
    assert_eq!((before, world.asked.len()), (1, 1));
}

#[test]
fn names_that_are_certain_do_not_wait() {
    let mut world = World::new(GUARDED);
    let got = world.send(&[
        parse("a", HARMLESS),
        sync(),
        parse("", "SELECT 2"),
        bind("", ""),
        execute("", 1),
        execute("", 1),
        sync(),
        bind("", "a"),
        execute("", 0),
        close_statement("a"),
        sync(),
        bind("", "a"),
        sync(),
    ]);
    assert_eq!(
        got,
        [
            "parsed",
            "ready I",
            "parsed",
            "bound",
            "row 2#1",
            "suspended",
            "row 2#2",
            "suspended",
            "ready I",
            "bound",
            "row id#1",
            "row id#2",
            "row id#3",
            "SELECT 3",
            "closed",
            "ready I",
            "error 26000 prepared statement \"a\" does not exist",
            "ready I",
        ]
    );
}

#[test]
fn the_question_for_the_search_path_leaves_the_unnamed_statement_alone() {
    let mut world = World::new(GUARDED);
    world.send(&[parse("set", "SET search_path = vault"), parse("", "SELECT id FROM public.orders"), sync()]);
    world.send(&[bind("", "set"), execute("", 0), sync()]);
    let got = world.send(&[bind("", ""), execute("", 1), sync()]);
    assert_eq!(got, ["bound", "row id#1", "suspended", "ready I"]);
}

#[test]
fn one_name_too_many_is_refused_in_its_place_and_the_session_goes_on() {
    const NO: &str =
        "error 54000 there is no room for one more prepared statement or portal: a session has up to 2";
    let mut world = World::with_limits(GUARDED, Limits { names: 2, ..Limits::default() });
    world.send(&[query(HARMLESS), parse("a", HARMLESS), parse("b", HARMLESS), sync()]);
    let got = world.send(&[parse("c", HARMLESS), bind("", "c"), sync()]);
    assert_eq!(got, [NO, "ready I"]);
    assert_eq!(world.send(&[query("PREPARE c AS SELECT id FROM orders")]), [NO, "ready I"]);
    assert_eq!(
        world.send(&[parse("", "PREPARE c AS SELECT id FROM orders"), bind("", ""), sync()]),
        [NO, "ready I"]
    );
    // What has no name takes the place of the one before.
    let got = world.send(&[
        parse("", HARMLESS),
        bind("", ""),
        execute("", 1),
        bind("", "a"),
        execute("", 1),
        sync(),
    ]);
    assert_eq!(
        got,
        ["parsed", "bound", "row id#1", "suspended", "bound", "row id#1", "suspended", "ready I"]
    );
    let got = world.send(&[close_statement("a"), sync(), parse("c", HARMLESS), sync()]);
    assert_eq!(got, ["closed", "ready I", "parsed", "ready I"]);
    // Portals are counted for themselves.
    world.send(&[query("BEGIN"), bind("p", "b"), bind("q", "b"), sync()]);
    assert_eq!(world.send(&[bind("r", "b"), sync()]), [NO, "ready E"]);
    world.send(&[query("ROLLBACK")]);
    let got = world.send(&[query("BEGIN"), bind("r", "b"), sync()]);
    assert_eq!(got[got.len() - 2..], ["bound", "ready T"]);
    assert_eq!(world.permits, world.statements_sent().0);
}
