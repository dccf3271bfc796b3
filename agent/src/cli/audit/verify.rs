//! `portreeve audit verify`: is the record what was written?

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use evidence::PublicKey;
use evidence::verify::{BootEnd, BootReport, Problem, Report};
use serde_json::{Value, json};

use super::{Error, Format, Source};
use crate::cli::table::{plain, time};

/// A host whose last beat is no older than this is taken to be running, in microseconds.
const ALIVE: u64 = 5_000_000;

pub(super) fn run(
    source: &dyn Source,
    keys: &[PublicKey],
    format: Format,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let report = source.verify(keys)?;
    match format {
        Format::Table => print(&report, out)?,
        Format::Json => print_json(&report, out)?,
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, out: &mut dyn Write) -> Result<(), Error> {
    for boot in &report.boots {
        let host = boot
            .host
            .as_deref()
            .map_or_else(|| "unknown host".to_owned(), |host| plain(host.as_bytes(), false));
        writeln!(
            out,
            "boot {} of {host}, started {}",
            boot.boot,
            boot.started_us.map_or("?".to_owned(), time)
        )?;
        writeln!(out, "  {}", end(&boot.end, is_latest(report, boot)))?;
        let records: u64 = boot.lanes.iter().map(|lane| lane.records).sum();
        writeln!(
            out,
            "  {records} records in {} lanes, {} sessions, {} signatures hold{}",
            boot.lanes.len(),
            boot.sessions,
            boot.signatures,
            boot.public_key.map(|key| format!(" by key {key}")).unwrap_or_default(),
        )?;
        if boot.erased > 0 {
            writeln!(out, "  {} bodies were erased; their digests and lengths are kept", boot.erased)?;
        }
        for lane in &boot.lanes {
            if lane.unsigned > 0 {
                writeln!(
                    out,
                    "  lane {}: unsigned tail of {} records after the last signature",
                    lane.lane, lane.unsigned
                )?;
            }
            if let Some(place) = &lane.torn {
                writeln!(out, "  lane {}: the last write was cut short ({place})", lane.lane)?;
            }
            if lane.reclaimed > 0 {
                writeln!(
                    out,
                    "  lane {}: {} records were removed after shipping",
                    lane.lane, lane.reclaimed
                )?;
            }
        }
    }
    for problem in &report.problems {
        writeln!(out, "PROBLEM {}", plain(problem.to_string().as_bytes(), false))?;
    }
    if report.untold > 0 {
        writeln!(out, "PROBLEM and {} more", report.untold)?;
    }
    match (report.problems.len() as u64 + report.untold, report.boots.len()) {
        (0, 0) => writeln!(out, "there are no records")?,
        (0, _) => writeln!(out, "ok: the record is what was written")?,
        (problems, _) => writeln!(out, "FAILED: {problems} problems")?,
    }
    Ok(())
}

/// A host has one daemon at a time: an earlier one does not run, however fresh its last beat is.
fn is_latest(report: &Report, boot: &BootReport) -> bool {
    !report.boots.iter().any(|other| other.host == boot.host && other.boot > boot.boot)
}

fn end(end: &BootEnd, latest: bool) -> String {
    let told = |at: &Option<u64>| at.map_or_else(|| "never".to_owned(), time);
    match end {
        BootEnd::Stopped { at_us, reason } => {
            format!("stopped in order {} ({})", time(*at_us), plain(reason.as_bytes(), false))
        }
        BootEnd::Silent { last_beat_us, .. } if latest && last_beat_us.is_some_and(is_recent) => {
            format!("is running: last beat {}", told(last_beat_us))
        }
        BootEnd::Silent { last_beat_us, last_record_us } => format!(
            "FELL SILENT without a stop record: last beat {}, last record {}",
            told(last_beat_us),
            told(last_record_us)
        ),
    }
}

fn is_recent(at_us: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    now.abs_diff(at_us.into()) <= ALIVE.into()
}

fn print_json(report: &Report, out: &mut dyn Write) -> Result<(), Error> {
    for boot in &report.boots {
        writeln!(out, "{}", boot_json(boot, is_latest(report, boot)))?;
    }
    for problem in &report.problems {
        writeln!(out, "{}", problem_json(problem))?;
    }
    let count = report.problems.len() as u64 + report.untold;
    writeln!(out, "{}", json!({ "type": "summary", "sound": report.is_sound(), "problems": count }))?;
    Ok(())
}

fn boot_json(boot: &BootReport, latest: bool) -> Value {
    let end = match &boot.end {
        BootEnd::Stopped { at_us, reason } => json!({ "stopped": time(*at_us), "reason": reason }),
        BootEnd::Silent { last_beat_us, last_record_us } => json!({
            "silent": true, "last_beat": last_beat_us.map(time), "last_record": last_record_us.map(time),
            "running": latest && last_beat_us.is_some_and(is_recent),
        }),
    };
    let lanes: Vec<Value> = boot
        .lanes
        .iter()
        .map(|lane| {
            json!({
                "lane": lane.lane, "records": lane.records, "last": lane.last, "unsigned": lane.unsigned,
                "torn": lane.torn.as_ref().map(ToString::to_string), "reclaimed": lane.reclaimed,
            })
        })
        .collect();
    json!({
        "type": "boot", "boot": boot.boot.to_string(), "host": boot.host, "started": boot.started_us.map(time),
        "public_key": boot.public_key.map(|key| key.to_string()), "end": end, "lanes": lanes,
        "sessions": boot.sessions, "signatures": boot.signatures, "erased": boot.erased,
    })
}

fn problem_json(problem: &Problem) -> Value {
    let place = &problem.place;
    json!({
        "type": "problem", "boot": place.boot.map(|boot| boot.to_string()), "lane": place.lane,
        "sequence": place.sequence, "file": place.file, "offset": place.offset, "what": problem.fault.to_string(),
    })
}
