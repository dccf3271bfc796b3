//! What each program takes, as the kernel itself counts it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context as _, Result};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use serde_json::{Value, json};

use super::Leg;

/// Runs of a program, and the nanoseconds of all of them.
#[derive(Debug, Clone, Copy, Default)]
struct Runs {
    count: u64,
    ns: u64,
}

/// The programs' time by leg. As long as it lives, the kernel takes that of every program.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Their ids, and what they are called.
    programs: BTreeMap<u32, String>,
    legs: BTreeMap<Leg, (usize, BTreeMap<u32, Runs>)>,
    _stats: OwnedFd,
}

impl Profile {
    /// Begins to count for the programs whose links are pinned there.
    ///
    /// # Errors
    ///
    /// The kernel does not (before Linux 5.8), or there are no links.
    pub(crate) fn begin(pins: &Path) -> Result<Self> {
        let mut programs = BTreeMap::new();
        for entry in fs::read_dir(pins)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix("_link"));
            if let Some(name) = name {
                let link = FdLink::from(PinnedLink::from_pin(&path)?);
                programs.insert(link.info()?.program_id(), name.to_owned());
            }
        }
        let stats = enable_stats(Stats::RunTime).context("the kernel does not take programs' time")?;
        Ok(Profile { programs, legs: BTreeMap::new(), _stats: stats })
    }

    /// Takes the programs' time while a leg does so many operations.
    ///
    /// # Errors
    ///
    /// Those of the leg; or the programs are gone.
    pub(crate) fn measure(
        &mut self,
        leg: Leg,
        operations: usize,
        run: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let before = self.read()?;
        run()?;
        let after = self.read()?;
        let (done, programs) = self.legs.entry(leg).or_default();
        *done += operations;
        for (id, after) in after {
            let before = before.get(&id).copied().unwrap_or_default();
            let runs = programs.entry(id).or_default();
            runs.count += after.count - before.count;
            runs.ns += after.ns - before.ns;
        }
        Ok(())
    }

    fn read(&self) -> Result<BTreeMap<u32, Runs>> {
        let mut read = BTreeMap::new();
        for info in loaded_programs() {
            // Others' programs may go while we look.
            let Ok(info) = info else { continue };
            if self.programs.contains_key(&info.id()) {
                let ns = info.run_time().as_nanos() as u64;
                read.insert(info.id(), Runs { count: info.run_count(), ns });
            }
        }
        Ok(read)
    }

    /// The table: for each leg how often a program runs for one operation, and how long each time.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{:<14}", "program");
        // Writing to a String does not fail.
        for leg in self.legs.keys() {
            let _ = write!(table, "{:>21}", leg.name());
        }
        let _ = write!(table, "\n{:<14}", "");
        for _ in &self.legs {
            let _ = write!(table, "{:>11} {:>9}", "runs", "ns each");
        }
        table.push('\n');
        for (id, name) in self.by_name() {
            let _ = write!(table, "{name:<14}");
            for (operations, programs) in self.legs.values() {
                let runs = programs.get(&id).copied().unwrap_or_default();
                let _ = match runs.each() {
                    // Once in a hundred operations it is somebody else's.
                    Some(each) if runs.share(*operations) >= 0.01 => {
                        write!(table, "{:>11.2} {each:>9.0}", runs.share(*operations))
                    }
                    _ => write!(table, "{:>11} {:>9}", "-", "-"),
                };
            }
            table.push('\n');
        }
        let _ = write!(table, "{:<14}", "together");
        for (operations, programs) in self.legs.values() {
            let ns: u64 = programs.values().map(|runs| runs.ns).sum();
            let _ = write!(table, "{:>11} {:>9.0}", "", ns as f64 / *operations as f64);
        }
        table.push('\n');
        table
    }

    /// The same for machines.
    pub(crate) fn json(&self) -> Value {
        let legs = self.legs.iter().map(|(leg, (operations, programs))| {
            let programs = self.by_name().into_iter().map(|(id, name)| {
                let runs = programs.get(&id).copied().unwrap_or_default();
                json!({ "program": name, "runs": runs.count, "ns": runs.ns })
            });
            json!({
                "leg": leg.name(),
                "operations": operations,
                "programs": programs.collect::<Vec<_>>(),
            })
        });
        legs.collect()
    }

    fn by_name(&self) -> Vec<(u32, &str)> {
        let mut programs: Vec<_> = self.programs.iter().map(|(id, name)| (*id, name.as_str())).collect();
        programs.sort_by_key(|(_, name)| *name);
        programs
    }
}

impl Runs {
    fn each(self) -> Option<f64> {
        (self.count > 0).then(|| self.ns as f64 / self.count as f64)
    }

    fn share(self, operations: usize) -> f64 {
        self.count as f64 / operations as f64
    }
}
