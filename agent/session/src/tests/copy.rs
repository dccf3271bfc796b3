//! COPY: in by both protocols, with Sync before, inside and behind the data, and out.

use evidence::Stream;

use super::client::*;
use super::fixture::*;
use super::world::World;

const IN: &str = "COPY orders FROM STDIN";
const FAILS: &str = "COPY vault.orders FROM STDIN";

#[track_caller]
fn check(rules: &str, script: &[Vec<u8>], expect: &[&str]) -> World {
    let mut world = World::new(rules);
    world.send(&[query("SELECT id FROM orders")]);
    let mut script = script.to_vec();
    script.push(query("SELECT 7"));
    let got = world.send(&script);
    let behind = ["columns 7", "row 7#1", "row 7#2", "row 7#3", "SELECT 3", "ready I"];
    assert_eq!(got, [expect, &behind].concat());
    world
}

#[test]
fn data_that_is_copied_in_is_recorded_as_it_was_sent() {
    let data = [copy_data(b"1\ta\n"), copy_data(b"2\tb\n"), copy_done()].concat();
    let simple = check(GUARDED, &[query(IN), data.clone()], &["copy-in", "COPY 1", "ready I"]);
    let sent = [copy_data(b"1\ta\n"), copy_data(b"2\tb\n")].concat();
    assert_eq!(simple.records.stream(Stream::CopyIn), sent);
    let extended = ["parsed", "bound", "copy-in", "COPY 1", "ready I"];
    check(GUARDED, &[run(IN), data.clone(), sync()], &extended);
    check(GUARDED, &[run(IN), sync(), data.clone(), sync()], &extended);
    check(GUARDED, &[run(IN), copy_data(b"1"), sync(), copy_done(), sync()], &extended);
}

#[test]
fn a_copy_that_fails_skips_to_the_sync_behind_its_data() {
    let bad = [copy_data(b"bad"), copy_data(b"more"), copy_done()].concat();
    let extended = ["parsed", "bound", "copy-in", "error 22P02 bad data", "ready I"];
    check(GUARDED, &[query(IN), bad.clone()], &["copy-in", "error 22P02 bad data", "ready I"]);
    check(GUARDED, &[run(IN), bad.clone(), sync()], &extended);
    check(GUARDED, &[run(IN), sync(), bad.clone(), sync()], &extended);
    let refused = ["parsed", "bound", "copy-in", "error 57014 COPY from stdin failed", "ready I"];
    check(GUARDED, &[run(IN), sync(), copy_data(b"1"), copy_fail(), sync()], &refused);
}

/// Which of the Syncs between pieces of data the server answers, it alone can tell.
#[test]
fn syncs_that_are_sent_into_a_copy_are_answered_where_the_server_answers_them() {
    let (good, bad) = (copy_data(b"1"), copy_data(b"bad"));
    let ends = "error 57014 COPY from stdin failed";
    for (data, answered) in [
        (vec![bad.clone(), sync()], 1),
        (vec![bad.clone(), sync(), sync()], 2),
        (vec![sync(), bad.clone(), sync()], 1),
        (vec![sync(), bad.clone()], 0),
        (vec![good.clone(), sync(), bad.clone(), good.clone()], 0),
        (vec![good.clone(), sync(), bad.clone(), sync(), good.clone(), sync(), copy_done()], 2),
        (vec![sync(), bad.clone(), copy_done()], 0),
    ] {
        for (begin, simple) in [(run(IN), 0), (query(IN), 1)] {
            let mut world = World::new(GUARDED);
            world.send(&[query("SELECT id FROM orders")]);
            world.send(std::slice::from_ref(&begin));
            // What was sent without a Sync behind the failure is skipped, whatever it is.
            let got = world.send(&[data.concat(), parse("", "SELECT 5"), sync(), query("SELECT 7")]);
            let ready = got.iter().filter(|line| *line == "ready I").count();
            let skipped = answered + simple == 0;
            assert_eq!(ready, answered + simple + 2, "{got:?}");
            assert_eq!(got.iter().filter(|line| *line == "parsed").count(), usize::from(!skipped), "{got:?}");
            assert_eq!(got[0], "error 22P02 bad data");
            assert!(got.contains(&"SELECT 3".to_owned()), "{got:?}");
        }
    }
    for data in [vec![good.clone(), sync(), good.clone(), sync()], vec![sync()]] {
        let all = [run(IN), data.concat(), copy_done(), sync()];
        check(GUARDED, &all, &["parsed", "bound", "copy-in", "COPY 1", "ready I"]);
        let all = [query(IN), data.concat(), copy_fail()];
        check(GUARDED, &all, &["copy-in", ends, "ready I"]);
    }
    // In a transaction, which has failed.
    let begun = [
        "BEGIN",
        "ready T",
        "parsed",
        "bound",
        "copy-in",
        "error 22P02 bad data",
        "ready E",
        "ROLLBACK",
        "ready I",
    ];
    check(GUARDED, &[query("BEGIN"), run(IN), sync(), bad, sync(), query("ROLLBACK")], &begun);
}

/// The server answers both Syncs of a client that pipelines if the COPY fails before it reads a message.
#[test]
fn a_copy_that_fails_before_its_data_does_not_move_answers_to_other_statements() {
    for masked in [GUARDED, MASKED] {
        let mut world = World::new(masked);
        world.send(&[query("SELECT id FROM orders")]);
        let got = world.send(&[
            run(FAILS),
            sync(),
            copy_data(b"1"),
            sync(),
            copy_done(),
            sync(),
            query("SELECT upper(ssn) FROM customers"),
            query("SELECT upper(name) FROM customers"),
        ]);
        let shown = got.join("\n");
        assert!(masked == GUARDED || !shown.contains("row upper(ssn)"), "{shown}");
        assert_eq!(got.iter().filter(|line| line.starts_with("ready")).count(), 5, "{shown}");
    }
}

/// The model takes the words in this place; the session understands nothing of them.
#[test]
fn a_copy_that_could_not_be_read_is_answered_as_any_other() {
    const ODD: &str = "COPY \"orders FROM STDIN";
    const ODD_FAILS: &str = "COPY \"vault.orders FROM STDIN";
    let data = [copy_data(b"1"), copy_done()].concat();
    let extended = ["parsed", "bound", "copy-in", "COPY 1", "ready I"];
    check(ALL, &[run(ODD), sync(), data.clone(), sync()], &extended);
    check(ALL, &[run(ODD), data.clone(), sync()], &extended);
    check(ALL, &[query(ODD), sync(), data], &["copy-in", "COPY 1", "ready I"]);
    let world = check(ALL, &[run(ODD), sync(), copy_data(b"abc"), copy_done(), sync()], &extended);
    assert_eq!(world.records.stream(Stream::CopyIn), copy_data(b"abc"));
    let failed = ["parsed", "bound", "copy-in", "error 22P02 bad data", "ready I"];
    check(ALL, &[run(ODD), sync(), copy_data(b"bad"), copy_done(), sync()], &failed);
    let twice = ["parsed", "bound", "copy-in", "error 22P02 bad data", "ready I", "ready I"];
    check(ALL, &[run(ODD), sync(), copy_data(b"bad"), sync(), sync()], &twice);
    let said = "error 42501 a statement trigger says no";
    let early = ["parsed", "bound", "copy-in", said, "ready I", "ready I"];
    check(ALL, &[run(ODD_FAILS), sync(), copy_data(b"1"), copy_done(), sync()], &early);
}

#[test]
fn a_copy_that_an_execute_runs_is_answered_as_any_other() {
    let begin = [parse("c", IN), run("EXECUTE c"), sync()].concat();
    let data = [copy_data(b"1"), copy_done(), sync()].concat();
    check(ALL, &[begin.clone(), data], &["parsed", "parsed", "bound", "copy-in", "COPY 1", "ready I"]);
    let failed = ["parsed", "parsed", "bound", "copy-in", "error 22P02 bad data", "ready I", "ready I"];
    check(ALL, &[begin, copy_data(b"bad"), sync(), sync()], &failed);
}

/// Between the end of one's data and the beginning of the next one.
#[test]
fn a_sync_between_two_copies_of_one_query_waits_for_the_second() {
    let data = [copy_data(b"1"), copy_done()].concat();
    for two in [[IN, IN].join("; "), "COPY \"orders FROM STDIN ; COPY \"orders FROM STDIN".to_owned()] {
        let both = ["copy-in", "COPY 1", "copy-in", "COPY 1", "ready I"];
        check(ALL, &[query(&two), data.clone(), sync(), data.clone()], &both);
        let failed = ["copy-in", "COPY 1", "copy-in", "error 22P02 bad data", "ready I"];
        check(ALL, &[query(&two), data.clone(), sync(), copy_data(b"bad")], &failed);
    }
}

#[test]
fn data_of_no_copy_does_not_leave() {
    let world = check(GUARDED, &[copy_data(b"1"), copy_done(), copy_fail()], &[]);
    assert!(world.server.received.iter().all(|frame| frame.first() != Some(&b'd')));
}

#[test]
fn copy_out_passes_and_is_recorded_but_not_of_what_is_masked() {
    let out = "COPY orders TO STDOUT";
    let got = ["copy-out", "copy 1\tssn#1\n", "CopyDone", "COPY 1", "ready I"];
    let world = check(GUARDED, &[query(out)], &got);
    assert!(world.records.everything().contains("COPY 1"));
    for masked in ["COPY customers TO STDOUT", "COPY (SELECT max(ssn) FROM customers) TO STDOUT"] {
        let mut world = World::new(MASKED);
        let got = world.send(&[query(masked)]).join("\n");
        assert!(got.starts_with("error 42501"), "{masked}: {got}");
    }
    assert_eq!(
        World::new(MASKED).send(&[query(out)]),
        ["copy-out", "copy 1\tssn#1\n", "CopyDone", "COPY 1", "ready I"]
    );
}

#[test]
fn a_piece_of_data_whose_copy_has_failed_meanwhile_still_ends_its_frame() {
    // Half a frame has left when the failure comes: without the other half the server would take the next message
    // for data.
    let rest = copy_data(b"more data than one read brings");
    let (half, other_half) = rest.split_at(12);
    for (begin, failed) in [
        (query(IN), vec!["copy-in", "error 22P02 bad data", "ready I"]),
        ([run(IN), sync()].concat(), vec!["parsed", "bound", "copy-in", "error 22P02 bad data", "ready I"]),
    ] {
        let mut world = World::new(GUARDED);
        world.send(&[query("SELECT id FROM orders")]);
        let mut got = world.send(&[begin, copy_data(b"bad"), half.to_vec()]);
        got.extend(world.send(&[other_half.to_vec(), copy_done(), sync()]));
        assert_eq!(got[..failed.len()], failed);
        let news = world.send(&[query("SELECT 7")]);
        assert_eq!(news.last().map(String::as_str), Some("ready I"));
        assert!(news.contains(&"SELECT 3".to_owned()), "{news:?}");
    }
    // And of a frame whose beginning did not leave, nothing does.
    let mut world = World::new(GUARDED);
    world.send(&[half.to_vec()]);
    world.send(&[other_half.to_vec()]);
    let news = world.send(&[query("SELECT 7")]);
    assert!(news.contains(&"SELECT 3".to_owned()), "{news:?}");
}
