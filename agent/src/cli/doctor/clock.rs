//! Whether the machine's clock tells the time: the record's times are what it says.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use evidence::Times;
use evidence::segment::{Frames, HEAD_LEN};
use jiff::Timestamp;

use super::finding::{Area, Finding};
use super::stage::Stage;
use crate::intercept::inspect::{self, Seen};
use crate::recorder::folder::{self, SegmentFile};

/// Before this, in seconds since the epoch, this program did not exist: 2026-01-01.
const EXISTS_SINCE: i64 = 1_767_225_600;
/// How far the two clocks may be from each other, in seconds: a slow clock is put right in steps smaller than this.
const STEP: i64 = 2;

/// What is known of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clock {
    /// Microseconds since the epoch.
    pub(super) now_us: u64,
    /// How the kernel keeps it.
    pub(super) kept: Seen<inspect::Clock>,
    /// Of the newest boot of the daemon that the record has.
    pub(super) recorded: Option<Recorded>,
}

/// The times of a boot's first and last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) first: Times,
    pub(super) last: Times,
}

/// Looks at the clock and at the record.
pub(super) fn look(evidence: &Path) -> Clock {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock {
        now_us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
        kept: inspect::clock(),
        recorded: recorded(evidence),
    }
}

/// The host's lane has a record for each second.
fn recorded(evidence: &Path) -> Option<Recorded> {
    let segments = folder::scan(evidence).ok()?;
    let boot = segments.iter().map(|segment| segment.boot).max()?;
    let host: Vec<&SegmentFile> =
        segments.iter().filter(|segment| segment.boot == boot && segment.lane == 0).collect();
    let first = times(host.first()?)?.first().copied()?;
    let last = host.iter().rev().find_map(|segment| times(segment)?.last().copied())?;
    Some(Recorded { first, last })
}

/// The times of a segment's records.
fn times(segment: &SegmentFile) -> Option<Vec<Times>> {
    let bytes = segment.read().ok()?;
    let frames = Frames::new(&bytes, HEAD_LEN).map_while(|(_, frame)| frame.ok());
    Some(frames.filter_map(|frame| Some(evidence::Header::decode(frame.header).ok()?.times)).collect())
}

/// What that comes to.
pub(super) fn judge(clock: &Clock, stage: &Stage) -> Vec<Finding> {
    let mut findings = vec![year(clock), kept(clock, stage)];
    findings.extend(clock.recorded.and_then(steady));
    findings
}

fn year(clock: &Clock) -> Finding {
    const CHECK: &str = "year";
    let now = seconds(clock.now_us);
    let shown = shown(now);
    if now < EXISTS_SINCE {
        return Finding::warning(Area::Clock, CHECK, format!("it is {shown}, before this program existed"))
            .why("the record's times are wrong, and certificates of servers are not yet valid")
            .cure("set the clock");
    }
    match clock.recorded {
        Some(Recorded { last, .. }) if seconds(last.wall_us) > now + STEP => {
            let what = format!(
                "it is {shown}, and the record's last entry is of {}",
                self::shown(seconds(last.wall_us))
            );
            Finding::warning(Area::Clock, CHECK, what)
                .why("the clock was put back since, or was ahead then")
                .cure("set the clock, and note it for the auditors")
        }
        _ => Finding::ok(Area::Clock, CHECK, format!("it is {shown}")),
    }
}

fn kept(clock: &Clock, stage: &Stage) -> Finding {
    const CHECK: &str = "synchronised";
    match &clock.kept {
        Err(unseen) => stage.unseen(Area::Clock, CHECK, "whether the clock is kept right", unseen),
        Ok(inspect::Clock { synchronised: true, most_error_us }) => {
            let what = format!("it is kept right, to within {} ms", most_error_us / 1000);
            Finding::ok(Area::Clock, CHECK, what)
        }
        Ok(_) => Finding::note(Area::Clock, CHECK, "the kernel knows of nobody who keeps it right")
            .why("the record's times are as good as this clock")
            .cure("run chrony or systemd-timesyncd"),
    }
}

/// Whether both clocks went on alike while the daemon last ran. While the machine sleeps only one of them does.
fn steady(Recorded { first, last }: Recorded) -> Option<Finding> {
    const CHECK: &str = "steady";
    let wall = seconds(last.wall_us) - seconds(first.wall_us);
    let monotonic = i64::try_from(last.mono_ns.saturating_sub(first.mono_ns) / 1_000_000_000).ok()?;
    let moved = wall - monotonic;
    if moved.abs() <= STEP {
        return Some(Finding::ok(Area::Clock, CHECK, "it went on evenly while the daemon last ran"));
    }
    let way = if moved > 0 { "forward" } else { "back" };
    let what = format!("it was put {way} by about {} s while the daemon last ran", moved.abs());
    Some(
        Finding::note(Area::Clock, CHECK, what)
            .why("the wall clock and the monotonic one went apart in the record; a machine that sleeps does so too")
            .cure("nothing is lost: records of one boot are ordered by the monotonic clock"),
    )
}

fn seconds(microseconds: u64) -> i64 {
    i64::try_from(microseconds / 1_000_000).unwrap_or(i64::MAX)
}

fn shown(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s"), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{expected::bad_are, finding::Level};
    use super::*;
    use crate::intercept::inspect::Unseen;

    const NOW: u64 = 1_800_000_000;

    fn times(wall_s: u64, mono_s: u64) -> Times {
        Times { wall_us: wall_s * 1_000_000, mono_ns: mono_s * 1_000_000_000 }
    }

    #[track_caller]
    fn check(
        now_s: u64,
        recorded: Option<(Times, Times)>,
        synchronised: bool,
        expect: &[(&str, Level, &str)],
    ) {
        let clock = Clock {
            now_us: now_s * 1_000_000,
            kept: Ok(inspect::Clock { synchronised, most_error_us: 1500 }),
            recorded: recorded.map(|(first, last)| Recorded { first, last }),
        };
        let findings = judge(&clock, &Stage::default());
        bad_are(&findings, expect);
    }

    #[test]
    fn a_clock_that_goes_on_and_is_kept_is_well() {
        check(NOW, None, true, &[]);
        check(NOW, Some((times(NOW - 600, 0), times(NOW - 100, 501))), true, &[]);
        check(NOW, None, false, &[("synchronised", Level::Note, "nobody")]);
    }

    #[test]
    fn a_year_that_cannot_be_is_told() {
        check(0, None, true, &[("year", Level::Warning, "it is 1970-01-01T00:00:00Z, before")]);
        let ahead = Some((times(NOW + 100, 0), times(NOW + 200, 100)));
        check(NOW, ahead, true, &[("year", Level::Warning, "last entry is of 2027-01-15T08:03:20Z")]);
    }

    #[test]
    fn a_clock_that_was_moved_while_the_daemon_ran_is_told() {
        let moved = |wall| Some((times(NOW - 7200, 5), times(wall, 105)));
        check(NOW, moved(NOW - 7200 + 3700), true, &[("steady", Level::Note, "forward by about 3600 s")]);
        check(NOW, moved(NOW - 7200 - 50), true, &[("steady", Level::Note, "back by about 150 s")]);
    }

    #[test]
    fn a_clock_that_may_not_be_asked_is_not_known() {
        let unseen = Unseen { denied: true, why: "no".to_owned() };
        let clock = Clock { now_us: NOW * 1_000_000, kept: Err(unseen), recorded: None };
        assert_eq!(judge(&clock, &Stage { restricted: true, ..Stage::default() })[1].level, Level::Note);
    }
}
