//! What stands in the record: every statement, what was delivered of it, and nothing that must not.

use evidence::{Ruling, Stream};

use super::client::*;
use super::fixture::*;
use super::journal::Record;
use super::world::World;
use crate::Limits;

#[test]
fn results_are_recorded_as_they_were_delivered() {
    for rules in [GUARDED, MASKED] {
        let mut world = World::new(rules);
        let before = world.got.len();
        world.send(&[query("SELECT id, ssn FROM customers")]);
        let delivered = &world.got[before..];
        let ready = b"Z\0\0\0\x05I";
        assert_eq!(world.records.delivered(), delivered.strip_suffix(ready).unwrap());
    }
}

#[test]
fn a_result_longer_than_is_recorded_is_cut_by_a_record_that_says_so() {
    let mut world = World::with_limits(GUARDED, Limits { recorded: 0, ..Limits::default() });
    world.send(&[query("SELECT id FROM orders")]);
    let cut = world.records.0.iter().find_map(|record| match record {
        Record::Cut { recorded, bytes, .. } => Some((*recorded, *bytes)),
        _ => None,
    });
    let (recorded, bytes) = cut.unwrap();
    assert!(recorded == 0 && bytes > 0);
    assert!(world.records.stream(Stream::Backend).is_empty());
}

#[test]
fn errors_are_recorded_for_each_kind_of_message() {
    let fails = "SELECT id FROM orders WHERE note = 'fail'";
    let fails_twice = [parse("a", "SELECT 1"), parse("a", "SELECT 2"), sync()].concat();
    for (script, sqlstate) in [
        (query(fails), "22012"),
        ([run(fails), sync()].concat(), "22012"),
        ([parse("", "SELECT id FROM orders"), parse("", "SYNTAX"), sync()].concat(), "42501"),
        (fails_twice, "42P05"),
        ([query("BEGIN"), query(fails), parse("", "BEGIN"), sync()].concat(), "25P02"),
        ([bind("", "nothing"), sync()].concat(), "26000"),
        ([execute("nothing", 0), sync()].concat(), "34000"),
        (function_call(1), "42501"),
    ] {
        let mut world = World::new(GUARDED);
        world.send(&[query("SELECT id FROM orders"), script]);
        let mut ends = world.records.0.iter().filter_map(|record| match record {
            Record::End { sqlstate, .. } => Some(sqlstate.as_str()),
            _ => None,
        });
        assert_eq!(ends.next_back(), Some(sqlstate), "{}", world.records.everything());
    }
}

#[test]
fn statements_that_are_skipped_end_in_the_record_too() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders")]);
    world.send(&[execute("nothing", 0), run("SELECT id FROM orders"), query("SELECT 1"), sync()]);
    let skipped = world.records.everything().matches("skipped: an earlier message").count();
    assert_eq!(skipped, 2, "{}", world.records.everything());
}

#[test]
fn passwords_are_never_recorded() {
    let mut world = World::new(ALL);
    let text = "CREATE ROLE r PASSWORD 'hunter2'";
    world.send(&[query(text), run(text), sync(), query("ALTER ROLE r PASSWORD 'hunter2' WHAT 'fail'")]);
    world.send(&[query("CREATE ROLE 'hunter2 PASSWORD")]);
    let records = world.records.everything();
    assert!(!records.contains("hunter2"), "{records}");
}

#[test]
fn the_session_counts_its_statements() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders"), query("DROP TABLE orders"), terminate()]);
    let last = world.records.0.last().unwrap();
    assert!(matches!(last, Record::SessionEnd { statements: 2, denied: 1, held: 0, .. }), "{last:?}");
    let rulings = world.records.0.iter().filter_map(|record| match record {
        Record::Statement { ruling, sequence, .. } => Some((*ruling, *sequence)),
        _ => None,
    });
    assert_eq!(rulings.map(|r| r.0).collect::<Vec<_>>(), [Ruling::Allow, Ruling::Deny]);
}

#[test]
fn a_description_in_the_extended_protocol_is_recorded_with_what_it_describes() {
    // Without masks the client's own Describe is recorded, with them the session's own, once.
    let script = |world: &mut World| {
        world.send(&[
            parse("s", "SELECT id FROM orders"),
            describe_statement("s"),
            bind("", "s"),
            describe_portal(""),
            execute("", 0),
            sync(),
        ]);
        let described = |record: &Record| match record {
            Record::Chunk { statement, frames, .. } if frames.first() == Some(&b'T') => Some(*statement),
            _ => None,
        };
        let statements = |record: &Record| match record {
            Record::Statement { sequence, protocol, .. } => Some((*sequence, *protocol)),
            _ => None,
        };
        let statements: Vec<_> = world.records.0.iter().filter_map(statements).collect();
        let of = |sequence| statements.iter().find(|s| s.0 == sequence).map(|s| s.1);
        world.records.0.iter().filter_map(described).map(of).collect::<Vec<_>>()
    };
    assert_eq!(script(&mut World::new(ALL)), [Some("parse"), Some("bind")]);
    assert_eq!(script(&mut World::new(MASKED)), [Some("parse"), Some("bind")]);
}

#[test]
fn an_error_points_at_what_was_not_understood_as_the_servers_own_do() {
    let mut world = World::new(GUARDED);
    let mut fields = |messages: &[Vec<u8>]| {
        let before = world.got.len();
        world.send(messages);
        let got = &world.got[before..];
        let position = got.windows(2).position(|two| two == b"\0P").map(|at| at + 2);
        position.map(|at| {
            got[at..].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect::<String>()
        })
    };
    assert_eq!(fields(&[query("SELECT 'ä' FROM nowhere")]).as_deref(), Some("17"));
    assert_eq!(fields(&[parse("", "SELECT 1 FROM nowhere"), sync()]).as_deref(), Some("15"));
    // What is understood and refused is all of the statement.
    assert_eq!(fields(&[query("DROP TABLE orders")]), None);
}
