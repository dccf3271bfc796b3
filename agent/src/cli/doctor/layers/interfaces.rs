//! The layer below the sockets: the program on the interfaces by which packets of others enter.

use super::super::finding::{Area, Finding, counted, short_list};
use super::super::kernel::{TCX, at_least};
use super::super::stage::Stage;
use super::Layers;
use crate::intercept::inspect::{Interface, Tcx};

const CHECK: &str = "interface-guard";

/// What the interfaces of this network namespace come to.
pub(super) fn judge(layers: &Layers<'_>, stage: &Stage) -> Finding {
    if let Some(why) = missing(layers) {
        return Finding::warning(Area::Layers, CHECK, "the layer below the sockets is missing")
            .why(why)
            .cure(
                "Linux 6.6 has it; until then give containers and virtual machines no raw sockets \
                 (docker run --cap-drop NET_RAW)",
            );
    }
    match layers.entrances() {
        Some(all) if layers.pinned().is_some() => in_place(all.len(), &layers.unguarded(), stage),
        _ => elsewhere(layers),
    }
}

/// What is pinned stands on all of them but these.
fn in_place(all: usize, unguarded: &[&Interface], stage: &Stage) -> Finding {
    if all == 0 {
        return Finding::ok(Area::Layers, CHECK, "there is no interface by which packets of others enter");
    }
    if unguarded.is_empty() {
        let what = format!("packets of others that enter here are guarded, on {}", counted(all, "interface"));
        return Finding::ok(Area::Layers, CHECK, what);
    }
    let names = short_list(unguarded.iter().map(|interface| interface.name.clone()));
    let what = format!("{} of {} are not guarded: {names}", unguarded.len(), counted(all, "interface"));
    let cure = match stage.daemon {
        true => "somebody took the program off; restart portreeve, which puts it back",
        false => "start the daemon: interfaces that are new have nobody to guard them",
    };
    Finding::warning(Area::Layers, CHECK, what)
        .why("raw sockets of containers and virtual machines behind them reach protected destinations")
        .cure(cure)
}

/// Where the pins or the interfaces cannot be seen, by what the daemon and the kernel say.
fn elsewhere(layers: &Layers<'_>) -> Finding {
    let told = layers.status.and_then(|status| status["interface_guard"]["active"].as_u64());
    match (told, &layers.kernel.tcx) {
        (Some(count), _) => {
            let count = counted(usize::try_from(count).unwrap_or(usize::MAX), "interface");
            Finding::note(Area::Layers, CHECK, format!("the daemon says that it guards {count}"))
        }
        (None, Tcx::Attached) => {
            Finding::ok(Area::Layers, CHECK, "this kernel has the layer below the sockets (tcx)")
        }
        (None, _) => {
            Finding::note(Area::Layers, CHECK, "whether the layer below the sockets is there was not tried")
        }
    }
}

/// Why the layer cannot be there: the daemon says so, or else the kernel.
pub(super) fn missing(layers: &Layers<'_>) -> Option<String> {
    const OPEN: &str =
        "raw sockets of containers and virtual machines, which Docker gives by default, go past";
    let guard = layers.status.map(|status| &status["interface_guard"]);
    if let Some(why) = guard.and_then(|guard| guard["missing"].as_str()) {
        return Some(format!("the daemon could not put it in place: {why}; {OPEN}"));
    }
    if guard.is_some_and(|guard| guard["active"].is_number()) {
        return None;
    }
    match &layers.kernel.tcx {
        Tcx::Refused(why) => Some(format!("this kernel has no tcx ({why}); {OPEN}")),
        Tcx::Untried(_) if at_least(&layers.kernel.release, TCX) == Some(false) => {
            Some(format!("Linux {} has no tcx; {OPEN}", layers.kernel.release))
        }
        Tcx::Untried(_) | Tcx::Attached => None,
    }
}
