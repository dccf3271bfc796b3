//! Putting the programs into the kernel and taking them out, as an operator does: by the daemon, and by `release`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::links::LinkType;
use aya::programs::loaded_links;
use e2e::World;
use e2e::leftovers::pin_directory;
use e2e::process::output;
use e2e::{Daemon, eventually};

use crate::cpu;

/// A daemon that has been on a CPU for less than this since the last look is at rest.
const REST: Duration = Duration::from_micros(500);

/// The programs of a world.
#[derive(Debug)]
pub(crate) struct Hooks<'a> {
    daemon: &'a mut Daemon,
    pins: PathBuf,
    cpu: usize,
}

impl<'a> Hooks<'a> {
    /// Those of this world, whose daemon is to keep to that CPU.
    pub(crate) fn new(world: &'a mut World, cpu: usize) -> Self {
        let pins = pin_directory(world.network.number());
        Hooks { daemon: &mut world.daemon, pins, cpu }
    }

    /// Where their links are pinned.
    pub(crate) fn pins(&self) -> &PathBuf {
        &self.pins
    }

    /// Attaches them, or detaches them, and gives how many others are attached.
    ///
    /// # Errors
    ///
    /// The daemon or `release` fails.
    pub(crate) fn set(&mut self, attached: bool) -> Result<usize> {
        match (attached, self.daemon.runs()) {
            (true, false) => self.attach()?,
            (false, true) => self.detach()?,
            _ => {}
        }
        let ours = fs::read_dir(&self.pins).map_or(0, |entries| {
            entries.flatten().filter(|entry| entry.path().to_string_lossy().ends_with("_link")).count()
        });
        let all = loaded_links().flatten().filter(|link| matches!(link.link_type(), Ok(LinkType::Cgroup)));
        Ok(all.count().saturating_sub(ours))
    }

    fn attach(&mut self) -> Result<()> {
        // The disk's use is bounded by one life's.
        fs::remove_dir_all(self.daemon.evidence())?;
        self.daemon.start()?;
        let process = self.daemon.child()?.id();
        cpu::pin_process(process, self.cpu)?;
        let mut before = Duration::ZERO;
        eventually("the daemon is at rest after its start", || {
            let spent = cpu::time(process)?;
            let since = spent.saturating_sub(std::mem::replace(&mut before, spent));
            if since < REST { Ok(()) } else { Err(anyhow::anyhow!("{since:?} on a CPU since the last look")) }
        })
    }

    fn detach(&mut self) -> Result<()> {
        self.daemon.stop()?;
        let config = self.daemon.config();
        let config = config.to_str().context("the world's folder has a name of letters")?;
        output(&mut self.daemon.command(&["release", "--config", config])?).map(drop)
    }
}
