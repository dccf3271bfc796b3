//! The medians over all rounds, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::pgbench::{Kind, Measured};
use super::ways::Way;
use crate::statistics::median;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    legs: BTreeMap<(Kind, u32, Way), Vec<Measured>>,
}

/// The medians of one leg, each figure's own.
#[derive(Debug, Clone, Copy)]
struct Row {
    tps: f64,
    to_direct: Option<f64>,
    to_relay: Option<f64>,
    cpu_us: Option<f64>,
    latency_us: f64,
}

impl Report {
    /// Takes one round's figures of a leg.
    pub(crate) fn add(&mut self, way: Way, kind: Kind, clients: u32, measured: Measured) {
        self.legs.entry((kind, clients, way)).or_default().push(measured);
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<9} {:>7}  {:<16} {:>9} {:>10} {:>9} {:>14} {:>11}\n",
            "kind", "clients", "way", "tps", "of direct", "of relay", "CPU us/stmt", "latency us"
        );
        let shown = |number: Option<f64>, digits: usize| {
            number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
        };
        let mut last = None;
        for &(kind, clients, way) in self.legs.keys() {
            if last.is_some_and(|last| last != (kind, clients)) {
                table.push('\n');
            }
            last = Some((kind, clients));
            let Some(row) = self.row(kind, clients, way) else { continue };
            // Writing to a String does not fail.
            let _ = writeln!(
                table,
                "{:<9} {clients:>7}  {:<16} {:>9.0} {:>10} {:>9} {:>14} {:>11.0}",
                kind.name(),
                way.name(),
                row.tps,
                shown(row.to_direct, 2),
                shown(row.to_relay, 2),
                shown(row.cpu_us, 1),
                row.latency_us
            );
        }
        table
    }

    /// The same for machines, with every round's figures.
    pub(crate) fn json(&self) -> Value {
        let legs = self.legs.iter().map(|(&(kind, clients, way), rounds)| {
            let median = self.row(kind, clients, way).map(|row| {
                json!({
                    "tps": row.tps,
                    "ratio_to_direct": row.to_direct,
                    "ratio_to_relay": row.to_relay,
                    "cpu_us_per_statement": row.cpu_us,
                    "latency_us": row.latency_us,
                })
            });
            let rounds = rounds.iter().map(|round| {
                json!({
                    "statements": round.statements,
                    "tps": round.tps,
                    "cpu_us_per_statement": round.cpu_us,
                    "latency_us": round.latency_us,
                })
            });
            json!({
                "kind": kind.name(),
                "clients": clients,
                "way": way.name(),
                "median": median,
                "rounds": rounds.collect::<Vec<_>>(),
            })
        });
        json!({ "legs": legs.collect::<Vec<_>>() })
    }

    fn row(&self, kind: Kind, clients: u32, way: Way) -> Option<Row> {
        let rounds = self.legs.get(&(kind, clients, way))?;
        let tps = median(rounds.iter().map(|round| round.tps))?;
        let beside = |other: Way| {
            let others = self.legs.get(&(kind, clients, other)).filter(|_| other != way)?;
            Some(tps / median(others.iter().map(|round| round.tps))?)
        };
        Some(Row {
            tps,
            to_direct: beside(Way::Direct),
            to_relay: beside(Way::Relay).filter(|_| way != Way::Direct),
            cpu_us: median(rounds.iter().filter_map(|round| round.cpu_us)),
            latency_us: median(rounds.iter().map(|round| round.latency_us))?,
        })
    }
}
