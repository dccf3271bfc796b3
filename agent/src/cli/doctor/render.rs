//! Findings as a person or a program reads them.

use std::io::{self, Write};

use serde::Serialize;

use super::super::approvals::{Format, json_line, text};
use super::finding::{Finding, Level, counted, worst};

/// What a program reads.
#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    worst: Level,
    exit_code: u8,
    findings: &'a [Finding],
}

/// Prints all findings, in their order.
///
/// # Errors
///
/// They cannot be written.
pub(super) fn print(out: &mut impl Write, format: Format, findings: &[Finding]) -> io::Result<()> {
    let worst = worst(findings);
    match format {
        Format::Json => json_line(
            out,
            &Report { version: env!("CARGO_PKG_VERSION"), worst, exit_code: worst.exit_code(), findings },
        ),
        Format::Table => table(out, findings),
    }
}

fn table(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    for area in findings.chunk_by(|one, other| one.area == other.area) {
        let Some(first) = area.first() else { continue };
        writeln!(out, "{}", first.area.name())?;
        for finding in area {
            // Names of processes and files are chosen by others.
            writeln!(out, "  {:7}  {}", finding.level.name(), text::line(&finding.what))?;
            for (label, told) in [("why", &finding.why), ("cure", &finding.cure)] {
                if let Some(told) = told {
                    writeln!(out, "           {label}: {}", text::line(told))?;
                }
            }
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (warnings, failures) = (count(Level::Warning), count(Level::Failure));
    let worst = worst(findings);
    let verdict = match worst {
        Level::Ok | Level::Note => "all well".to_owned(),
        Level::Warning => format!("{} should be looked at", counted(warnings, "finding")),
        Level::Failure => format!(
            "connections are not protected or cannot be served: {}, beside {}",
            counted(failures, "failure"),
            counted(warnings, "warning")
        ),
    };
    writeln!(out, "{}: {verdict} (exit code {})", worst_name(worst), worst.exit_code())
}

/// A note is nothing that has to be done.
fn worst_name(worst: Level) -> &'static str {
    if worst == Level::Note { Level::Ok.name() } else { worst.name() }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Area;
    use super::*;

    fn printed(format: Format, findings: &[Finding]) -> String {
        let mut out = Vec::new();
        print(&mut out, format, findings).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok(Area::Kernel, "release", "Linux 6.1"),
            Finding::warning(Area::Layers, "interface-guard", "it is missing")
                .why("no tcx")
                .cure("Linux 6.6"),
            Finding::note(Area::Layers, "sweep", "evil\u{1b}[2J"),
        ]
    }

    #[test]
    fn a_person_reads_findings_by_area_with_reason_and_cure() {
        let expect = "kernel\n  ok       Linux 6.1\nlayers\n  warning  it is missing\n           why: no tcx\n           \
                      cure: Linux 6.6\n  note     evil\\u{1b}[2J\n\
                      warning: 1 finding should be looked at (exit code 3)\n";
        assert_eq!(printed(Format::Table, &findings()), expect);
    }

    #[test]
    fn the_last_line_says_what_it_comes_to() {
        let well = [Finding::note(Area::Clock, "year", "so")];
        assert!(printed(Format::Table, &well).ends_with("\nok: all well (exit code 0)\n"));
        let mut broken = findings();
        broken.push(Finding::failure(Area::Store, "answers", "no"));
        let told = printed(Format::Table, &broken);
        let expect = "failure: connections are not protected or cannot be served: 1 failure, beside 1 warning (exit code 4)\n";
        assert!(told.ends_with(expect), "{told}");
    }

    #[test]
    fn a_program_reads_one_object_on_one_line() {
        let told = printed(Format::Json, &findings());
        assert_eq!(told.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&value["worst"], &value["exit_code"]), (&"warning".into(), &3.into()));
        let expect = serde_json::json!({
            "area": "layers", "check": "interface-guard", "level": "warning",
            "what": "it is missing", "why": "no tcx", "cure": "Linux 6.6",
        });
        assert_eq!(value["findings"][1], expect);
        assert_eq!(value["findings"][0]["cure"], serde_json::Value::Null);
    }
}
