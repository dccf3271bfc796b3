//! What is recorded, and when.

use super::*;

/// A ledger, the time, and what was recorded.
struct Story {
    ledger: Ledger,
    begin: Instant,
    at: Duration,
    records: Vec<String>,
    fails: bool,
}

fn who(uid: u32) -> Principal {
    Principal {
        pid: 7,
        uid,
        comm: "psql".to_owned(),
        cgroup: Some("/job".to_owned()),
        cgroup_id: 3,
        ..Principal::default()
    }
}

impl Story {
    fn new() -> Self {
        Story {
            ledger: Ledger::default(),
            begin: Instant::now(),
            at: Duration::ZERO,
            records: Vec::new(),
            fails: false,
        }
    }

    fn note(&mut self, what: What, uid: u32, to: &str) -> Result<(), NoteError> {
        let Story { ledger, begin, at, records, fails } = self;
        let write = |entry: &Entry<'_>| write(records, *fails, entry);
        ledger.note(*begin + *at, what, &who(uid), to.parse().unwrap(), write)
    }

    fn flush(&mut self, all: bool) {
        let Story { ledger, begin, at, records, fails } = self;
        ledger.flush(*begin + *at, all, |entry| write(records, *fails, entry));
    }

    fn after(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
    }

    #[track_caller]
    fn recorded(&mut self, expect: &[&str]) {
        assert_eq!(std::mem::take(&mut self.records), expect);
    }

    fn accounts(&self) -> usize {
        self.ledger.lock().len()
    }
}

/// A record as `COUNT KIND DETAIL`.
fn write(records: &mut Vec<String>, fails: bool, entry: &Entry<'_>) -> Result<(), recorder::Error> {
    if fails {
        return Err(recorder::Error::Stopped);
    }
    records.push(format!("{} {} {entry}", entry.count, entry.what.kind()));
    Ok(())
}

const ONE: &str = "10.0.0.1:5432";
const TWO: &str = "10.0.0.2:5432";

#[test]
fn the_first_is_recorded_at_once_and_those_that_follow_with_their_number() {
    let mut story = Story::new();
    let told = |count: u32, kind: &str, uid: u32, to: &str| {
        format!("{count} unmatched-{kind} pid 7 (psql) of uid {uid} in /job to {to}, which no resource names")
    };
    for _ in 0..100 {
        story.note(What::Refused, 1, ONE).unwrap();
    }
    story.recorded(&[&told(1, "refused", 1, ONE)]);
    // Another destination, another workload, another outcome.
    story.note(What::Refused, 1, TWO).unwrap();
    story.note(What::Refused, 2, ONE).unwrap();
    story.note(What::Passed, 1, ONE).unwrap();
    story.recorded(&[&told(1, "refused", 1, TWO), &told(1, "refused", 2, ONE), &told(1, "passed", 1, ONE)]);
    story.flush(false);
    story.recorded(&[]);
    story.after(10);
    story.flush(false);
    story.recorded(&[&told(99, "refused", 1, ONE)]);
    // Nothing has come since: the accounts are closed, and the next one is a first one.
    story.after(10);
    story.flush(false);
    assert_eq!(story.accounts(), 0);
    story.note(What::Refused, 1, ONE).unwrap();
    story.recorded(&[&told(1, "refused", 1, ONE)]);
}

#[test]
fn ends_are_told_with_the_bytes_of_all_of_them() {
    let mut story = Story::new();
    for (sent, received) in [(1, 10), (2, 20), (3, 30)] {
        story.note(What::Ended { sent, received }, 1, ONE).unwrap();
    }
    story.flush(true);
    let told = |count: u32, sent: u32, received: u32| {
        format!(
            "{count} unmatched-ended pid 7 (psql) of uid 1 in /job to {ONE}, which no resource names: {sent} bytes \
             to it, {received} bytes from it"
        )
    };
    story.recorded(&[&told(1, 1, 10), &told(2, 5, 50)]);
    assert_eq!(story.accounts(), 0);
}

#[test]
fn a_scan_of_many_addresses_is_recorded_by_its_number() {
    let mut story = Story::new();
    for last in 0..200 {
        story.note(What::Refused, 1, &format!("10.0.0.{last}:5432")).unwrap();
    }
    story.records.clear();
    story.note(What::Refused, 2, ONE).unwrap();
    assert_eq!(story.records.len(), 1, "another workload has room of its own");
    story.records.clear();
    story.flush(true);
    story.recorded(&[
        "167 unmatched-refused pid 7 (psql) of uid 1 in /job to other addresses that no resource names",
    ]);
}

#[test]
fn what_is_let_through_keeps_its_destination_or_is_not_let_through() {
    let mut story = Story::new();
    let outcomes: Vec<_> =
        (0..200).map(|last| story.note(What::Passed, 1, &format!("10.0.0.{last}:5432"))).collect();
    assert!(outcomes[..32].iter().all(Result::is_ok));
    assert!(outcomes[32..].iter().all(|outcome| *outcome == Err(NoteError::Crowded)));
    assert_eq!(story.records.len(), 32);
    // To where it goes already it may go again.
    story.note(What::Passed, 1, "10.0.0.1:5432").unwrap();
    story.note(What::Passed, 2, "10.0.0.99:5432").unwrap();
    story.after(10);
    story.flush(false);
    story.after(10);
    story.flush(false);
    story.note(What::Passed, 1, "10.0.0.199:5432").unwrap();
}

#[test]
fn many_workloads_are_bounded_too() {
    let mut story = Story::new();
    for uid in 0..5000 {
        story.note(What::Refused, uid, ONE).unwrap();
    }
    assert_eq!(story.accounts(), MOST_ACCOUNTS + 1);
    story.flush(true);
    let last = story.records.iter().find(|record| record.contains("many workloads")).unwrap();
    assert!(last.ends_with("many workloads to other addresses that no resource names"), "{last}");
    let counted: u64 =
        story.records.iter().map(|record| record.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(counted, 5000);
}

#[test]
fn without_a_record_nothing_is_let_through_and_nothing_is_told_that_was_not() {
    let mut story = Story::new();
    story.fails = true;
    assert_eq!(story.note(What::Passed, 1, ONE), Err(NoteError::Unrecorded));
    story.note(What::Refused, 1, ONE).unwrap();
    story.note(What::Refused, 1, ONE).unwrap();
    story.flush(true);
    story.recorded(&[]);
    // What was refused is told once there is a record again.
    story.fails = false;
    story.after(10);
    story.flush(false);
    let told = "2 unmatched-refused pid 7 (psql) of uid 1 in /job to 10.0.0.1:5432, which no resource names";
    story.recorded(&[told]);
    story.note(What::Passed, 1, ONE).unwrap();
    assert!(story.records[0].starts_with("1 unmatched-passed"), "{:?}", story.records);
    // Also where one was recorded before.
    story.fails = true;
    story.after(10);
    assert_eq!(story.note(What::Passed, 1, ONE), Err(NoteError::Unrecorded));
}
