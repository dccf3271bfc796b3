//! The medians over all rounds, as tables and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::ways::Way;
use super::workload::Workload;
use crate::statistics::median;

/// What one leg gave, or the medians of several.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// How many of the workload's unit there were: statements, MB, connections.
    pub(crate) count: f64,
    /// How many in a second, the time to connect not counted.
    pub(crate) rate: f64,
    /// Half of the transactions took less, in microseconds.
    pub(crate) p50_us: Option<f64>,
    /// All but one in a hundred took less, in microseconds.
    pub(crate) p99_us: Option<f64>,
    /// Of the process in the middle, for one of the unit, in microseconds.
    pub(crate) cpu_us: Option<f64>,
    /// Memory of the process in the middle, for one of the unit.
    pub(crate) bytes: Option<f64>,
}

impl Figures {
    /// With what the process in the middle, where there is one, spent on it.
    pub(crate) fn with_cpu(self, spent: Option<Duration>) -> Self {
        Figures { cpu_us: spent.map(|spent| spent.as_secs_f64() * 1e6 / self.count), ..self }
    }

    fn median_of(rounds: &[Figures]) -> Option<Self> {
        let optional = |of: fn(&Figures) -> Option<f64>| median(rounds.iter().filter_map(of));
        Some(Figures {
            count: median(rounds.iter().map(|round| round.count))?,
            rate: median(rounds.iter().map(|round| round.rate))?,
            p50_us: optional(|round| round.p50_us),
            p99_us: optional(|round| round.p99_us),
            cpu_us: optional(|round| round.cpu_us),
            bytes: optional(|round| round.bytes),
        })
    }

    fn json(&self) -> Value {
        json!({
            "count": self.count,
            "per_second": self.rate,
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
            "cpu_us": self.cpu_us,
            "bytes": self.bytes,
        })
    }
}

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    legs: BTreeMap<(Workload, Way), Vec<Figures>>,
}

impl Report {
    /// Takes one round's figures of a leg.
    pub(crate) fn add(&mut self, workload: Workload, way: Way, measured: Figures) {
        self.legs.entry((workload, way)).or_default().push(measured);
    }

    /// A table for each workload.
    pub(crate) fn tables(&self) -> String {
        let mut out = String::new();
        let mut last = None;
        for &(workload, way) in self.legs.keys() {
            let Some(figures) = self.median(workload, way) else { continue };
            if last != Some(workload) {
                // Writing to a String does not fail.
                let _ = writeln!(out, "\n{}", heading(workload));
                last = Some(workload);
            }
            let relay = self.median(workload, Way::Relay).filter(|_| way != Way::Direct);
            let _ = writeln!(out, "{}", line(workload, way, &figures, relay.as_ref()));
        }
        out
    }

    /// The same for machines, with every round's figures.
    pub(crate) fn json(&self) -> Value {
        let legs = self.legs.iter().map(|(&(workload, way), rounds)| {
            json!({
                "workload": workload.name(),
                "unit": workload.unit(),
                "way": way.name(),
                "median": Figures::median_of(rounds).map(|figures| figures.json()),
                "rounds": rounds.iter().map(Figures::json).collect::<Vec<_>>(),
            })
        });
        json!({ "legs": legs.collect::<Vec<_>>() })
    }

    fn median(&self, workload: Workload, way: Way) -> Option<Figures> {
        Figures::median_of(self.legs.get(&(workload, way))?)
    }
}

fn heading(workload: Workload) -> String {
    let (name, unit) = (workload.name(), workload.unit());
    match workload {
        Workload::Idle => format!("{name:<18} {:>16}", "KiB/connection"),
        _ => format!(
            "{name:<18} {:>12} {:>9} {:>17} {:>9} {:>9} {:>9}",
            format!("{unit}s/s"),
            "of relay",
            format!("CPU us/{unit}"),
            "of relay",
            "p50 us",
            "p99 us"
        ),
    }
}

fn line(workload: Workload, way: Way, figures: &Figures, relay: Option<&Figures>) -> String {
    let shown = |number: Option<f64>, digits: usize| {
        number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
    };
    let name = way.name();
    if workload == Workload::Idle {
        return format!("  {name:<16} {:>16}", shown(figures.bytes.map(|bytes| bytes / 1024.0), 1));
    }
    let cpu_of_relay =
        figures.cpu_us.zip(relay.and_then(|relay| relay.cpu_us)).map(|(own, relay)| own / relay);
    format!(
        "  {name:<16} {:>12.0} {:>9} {:>17} {:>9} {:>9} {:>9}",
        figures.rate,
        shown(relay.map(|relay| figures.rate / relay.rate), 2),
        shown(figures.cpu_us, 1),
        shown(cpu_of_relay, 2),
        shown(figures.p50_us, 0),
        shown(figures.p99_us, 0),
    )
}
