//! The figures of all rounds, as a table, as JSON and as a verdict.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::statistics::{Quartiles, median, quantile, quartiles, sorted};

/// What a connection that is not redirected may take of what it takes without the programs, at p50.
const ALLOWED: f64 = 1.10;

/// What was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// connect() to who waits for it.
    Awaited,
    /// connect() to who finds it in the queue.
    Queued,
    /// socket(), connect() and close().
    Whole,
    /// A byte there and back.
    Tcp,
    /// A datagram there and back.
    Udp,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Awaited => "connect(), awaited",
            Operation::Queued => "connect(), queued",
            Operation::Whole => "socket() to close()",
            Operation::Tcp => "TCP round trip",
            Operation::Udp => "UDP round trip",
        }
    }
}

/// What the programs do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// None is attached.
    Without,
    /// They are attached, and let it pass.
    Beside,
    /// They redirect it.
    Redirected,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Without => "no programs",
            Way::Beside => "not redirected",
            Way::Redirected => "redirected",
        }
    }
}

/// One round's.
#[derive(Debug, Clone, Copy)]
struct Round {
    p50: f64,
    p99: f64,
}

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// In the order of the rounds.
    rounds: BTreeMap<(Operation, Way), Vec<Round>>,
    /// The most programs of others that were attached meanwhile: what "no programs" has as well.
    pub(crate) others: usize,
}

impl Report {
    /// Takes one round's times of an operation, in nanoseconds.
    ///
    /// # Errors
    ///
    /// There are none.
    pub(crate) fn add(&mut self, operation: Operation, way: Way, taken: Vec<f64>) -> Result<()> {
        let taken = sorted(taken.into_iter());
        let at = |share| quantile(&taken, share).context("nothing was measured");
        self.rounds.entry((operation, way)).or_default().push(Round { p50: at(0.5)?, p99: at(0.99)? });
        Ok(())
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<20} {:<15} {:>8} {:>17} {:>8} {:>12} {:>15}\n",
            "microseconds", "", "p50", "quartiles", "p99", "of none, p50", "quartiles"
        );
        let mut last = None;
        for (&(operation, way), rounds) in &self.rounds {
            if last.is_some_and(|last| last != operation) {
                table.push('\n');
            }
            last = Some(operation);
            let p50 = quartiles(rounds.iter().map(|round| round.p50 / 1e3));
            let p99 = median(rounds.iter().map(|round| round.p99 / 1e3));
            let (Some(p50), Some(p99)) = (p50, p99) else { continue };
            let of_none = self.of_none(operation, way).filter(|_| way != Way::Without);
            // Writing to a String does not fail.
            let _ = writeln!(
                table,
                "{:<20} {:<15} {:>8.2} {:>17} {:>8.2} {:>12} {:>15}",
                operation.name(),
                way.name(),
                p50.middle,
                format!("{:.2} to {:.2}", p50.low, p50.high),
                p99,
                of_none.map_or_else(|| "-".to_owned(), |ratio| format!("{:.3}", ratio.middle)),
                of_none
                    .map_or_else(|| "-".to_owned(), |ratio| format!("{:.3} to {:.3}", ratio.low, ratio.high)),
            );
        }
        table
    }

    /// Whether a connection that is not redirected costs what it may, in words.
    pub(crate) fn verdict(&self) -> String {
        let (awaited, queued) =
            (self.of_none(Operation::Awaited, Way::Beside), self.of_none(Operation::Queued, Way::Beside));
        let (Some(awaited), Some(queued)) = (awaited, queued) else {
            return "nothing was measured\n".to_owned();
        };
        let outcome = if awaited.middle <= ALLOWED { "within" } else { "above" };
        let words = |Quartiles { low, middle, high }| {
            format!("{middle:.3} of none at p50 (quartiles {low:.3} to {high:.3})")
        };
        let mut verdict = format!(
            "connect() that is not redirected takes {}: {outcome} {ALLOWED:.2}\n\
             where it need not wake who accepts, {}\n",
            words(awaited),
            words(queued)
        );
        if self.others > 0 {
            // Writing to a String does not fail.
            let _ = writeln!(
                verdict,
                "beside ours up to {} programs of others were attached to cgroups: the figures without programs \
                 have their cost, and a ratio says less than it should",
                self.others
            );
        }
        verdict
    }

    /// The same for machines, with every round's figures.
    pub(crate) fn json(&self) -> Value {
        let legs = self.rounds.iter().map(|(&(operation, way), rounds)| {
            let rounds = rounds.iter().map(|round| json!({ "p50_ns": round.p50, "p99_ns": round.p99 }));
            let of_none = self
                .of_none(operation, way)
                .map(|ratio| json!({ "median": ratio.middle, "low": ratio.low, "high": ratio.high }));
            json!({
                "operation": operation.name(),
                "way": way.name(),
                "of_none_at_p50": of_none,
                "rounds": rounds.collect::<Vec<_>>(),
            })
        });
        json!({ "legs": legs.collect::<Vec<_>>(), "others_attached": self.others, "allowed": ALLOWED })
    }

    /// Each round's p50 beside that of the same round without programs.
    fn of_none(&self, operation: Operation, way: Way) -> Option<Quartiles> {
        let rounds = self.rounds.get(&(operation, way))?;
        let without = self.rounds.get(&(operation, Way::Without))?;
        quartiles(rounds.iter().zip(without).map(|(round, without)| round.p50 / without.p50))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of no programs and of those beside, each on a machine that is so much slower.
    fn measured(beside: f64, rounds: &[f64]) -> Report {
        let mut report = Report::default();
        for slower in rounds {
            for operation in [Operation::Awaited, Operation::Queued] {
                report.add(operation, Way::Without, vec![100.0 * slower]).unwrap();
                report.add(operation, Way::Beside, vec![beside * slower]).unwrap();
            }
        }
        report
    }

    #[test]
    fn a_round_is_compared_with_itself_alone() {
        let verdict = measured(105.0, &[1.0, 2.0, 4.0]).verdict();
        assert!(
            verdict.contains("takes 1.050 of none at p50 (quartiles 1.050 to 1.050): within 1.10"),
            "{verdict}"
        );
    }

    #[test]
    fn the_verdict_says_what_is_too_much_and_who_else_was_there() {
        let mut report = measured(111.0, &[1.0]);
        assert!(!report.verdict().contains("of others"), "{}", report.verdict());
        report.others = 3;
        let verdict = report.verdict();
        assert!(verdict.contains("above 1.10"), "{verdict}");
        assert!(verdict.contains("up to 3 programs of others"), "{verdict}");
    }
}
