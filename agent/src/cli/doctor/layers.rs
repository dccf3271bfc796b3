//! Which layers of the defence are in place here, and what is open without those that are not.

mod content;
mod hooks;
mod interfaces;
mod older;
mod restart;

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::finding::{Area, Finding};
use super::namespaces;
use super::stage::Stage;
use super::systemd::Service;
use crate::intercept::Config;
use crate::intercept::inspect::{Interface, Kernel, Namespaces, Pinned, Pins, Seen};

/// What the layers are judged by.
pub(super) struct Layers<'a> {
    pub(super) config: &'a Config,
    pub(super) kernel: &'a Kernel,
    pub(super) pins: &'a Pins,
    pub(super) namespaces: &'a Seen<Namespaces>,
    /// What the daemon says of itself, if it does.
    pub(super) status: Option<&'a Value>,
    /// The daemon's unit, where systemd has one.
    pub(super) service: Option<&'a Service>,
}

impl Layers<'_> {
    /// What is pinned, as far as it can be seen.
    fn pinned(&self) -> Option<&Pinned> {
        self.pins.pinned.as_ref().ok()?.as_ref()
    }

    /// The interfaces of this network namespace by which packets of others enter; none if they cannot be seen.
    fn entrances(&self) -> Option<Vec<&Interface>> {
        let home = self.namespaces.as_ref().ok()?.entered.iter().find(|one| one.home)?;
        Some(home.interfaces.as_ref().ok()?.iter().filter(|interface| interface.entrance).collect())
    }

    /// Those of them that the program for interfaces does not stand on.
    fn unguarded(&self) -> Vec<&Interface> {
        let guarded = self.pinned().map(|pinned| pinned.interfaces.as_slice()).unwrap_or_default();
        let entrances = self.entrances().unwrap_or_default().into_iter();
        entrances.filter(|interface| !guarded.contains(&interface.index)).collect()
    }

    /// Whether there is a network namespace or an interface that a running daemon will soon have seen, unless
    /// something is wrong.
    pub(super) fn is_behind(&self) -> bool {
        let unserved = |all: &Namespaces| namespaces::unserved(&all.entered).next().is_some();
        let unguarded = || interfaces::missing(self).is_none() && !self.unguarded().is_empty();
        self.pinned().is_some() && (self.namespaces.as_ref().is_ok_and(unserved) || unguarded())
    }
}

/// What the layers come to.
pub(super) fn judge(layers: &Layers<'_>, stage: &Stage) -> Vec<Finding> {
    let mut findings = match layers.pinned() {
        Some(pinned) => hooks::judge(pinned, stage),
        None => vec![unpinned(layers, stage)],
    };
    findings.push(interfaces::judge(layers, stage));
    // Of no use where nothing else is in place.
    if layers.pinned().is_some() || stage.before_start || stage.daemon {
        findings.push(content::judge(layers));
        findings.push(older::judge(layers, stage));
    }
    findings.push(restart::judge(layers));
    findings
}

/// Where no pin is to be seen.
fn unpinned(layers: &Layers<'_>, stage: &Stage) -> Finding {
    let (area, check) = (Area::Layers, "programs");
    if let Err(unseen) = &layers.pins.pinned {
        return stage.unseen(area, check, "which programs are in force", unseen);
    }
    if stage.before_start {
        return Finding::ok(area, check, "no program is in force yet");
    }
    if !stage.daemon || layers.pins.bpffs == Ok(true) {
        let what = "no program is in force: protected connections go past";
        return Finding::failure(area, check, what).cure("start the daemon");
    }
    // It has its pins where we cannot see them.
    match layers.status.and_then(|status| status["detached_programs"].as_u64()) {
        Some(0) => Finding::note(area, check, "the daemon says that all programs are in force"),
        Some(_) => Finding::failure(area, check, "the daemon says that programs are off"),
        None => Finding::warning(area, check, "which programs are in force cannot be seen from here"),
    }
}
