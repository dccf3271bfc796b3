//! What becomes of a connection, and that it is recorded by then.

use std::num::NonZeroU16;
use std::path::Path;

use evidence::{Body, Digest};

use super::*;
use crate::recorder::{Config, HostInfo, Shipped};

fn recorder(folder: &Path) -> Recorder {
    let digest = Digest::of(b"");
    let config = Config { directory: folder.to_owned(), ..Config::default() };
    Recorder::open(&config, HostInfo::of_this_host(digest, digest), 1).unwrap()
}

fn unmatched(mode: Mode) -> Unmatched {
    let ports = vec![NonZeroU16::new(5432).unwrap()];
    Unmatched::new(&intercept::Config { unmatched: mode, ports, ..intercept::Config::default() })
}

/// Every incident as `COUNT KIND`.
fn incidents(recorder: &Recorder) -> Vec<String> {
    let records = recorder.tail(Shipped::default()).read(1 << 20).unwrap();
    let incident =
        |record: &recorder::Written| match Body::decode(record.header.kind, &record.body_bytes).unwrap() {
            Body::Incident(incident) => Some(format!("{} {}", incident.count, incident.kind)),
            _ => None,
        };
    records.iter().filter_map(incident).collect()
}

#[test]
fn what_becomes_of_it_is_recorded_before_it_comes_to_be() {
    for (mode, port, refused, expect) in [
        (Mode::Refuse, 5432, true, "1 unmatched-refused"),
        (Mode::Pass, 5432, false, "1 unmatched-passed"),
        // It was a resource's a moment ago: that it would pass was never said of this port.
        (Mode::Pass, 6432, true, "1 unmatched-refused"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        let to = SocketAddr::from(([10, 0, 0, 1], port));
        let decided = unmatched(mode).decide(&recorder, &Principal::plain(), to);
        assert_eq!(decided.is_err(), refused, "{mode:?} {port}");
        assert!(decided.is_ok() || matches!(decided, Err(Why::NotNamed)), "{decided:?}");
        assert_eq!(incidents(&recorder), [expect], "{mode:?} {port}");
    }
}

#[test]
fn without_a_record_nothing_passes() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    recorder.stop("test").unwrap();
    let decided =
        unmatched(Mode::Pass).decide(&recorder, &Principal::plain(), SocketAddr::from(([10, 0, 0, 1], 5432)));
    assert!(matches!(decided, Err(Why::Unrecorded)), "{decided:?}");
}
