//! The programs at the root of the cgroups.

use super::super::finding::{Area, Finding, Level};
use super::super::stage::Stage;
use crate::intercept::inspect::{Hook, HookState, Pinned};

/// What some of the programs do together.
struct Layer {
    check: &'static str,
    programs: &'static [&'static str],
    /// What they do.
    does: &'static str,
    /// What is so without them.
    without: &'static str,
    /// How bad that is.
    level: Level,
}

const LAYERS: [Layer; 5] = [
    Layer {
        check: "redirect",
        programs: &["connect4", "connect6", "sock_ops"],
        does: "protected connections are led to the daemon, with who opened them",
        without: "protected connections are not led to the daemon; the guard, if it is there, drops them",
        level: Level::Failure,
    },
    Layer {
        check: "guard",
        programs: &["guard"],
        does: "packets to protected destinations that are not the daemon's are dropped",
        without: "connections that are older, raw sockets and whatever a firewall leads elsewhere go past",
        level: Level::Failure,
    },
    Layer {
        check: "bind",
        programs: &["bind4", "bind6"],
        does: "nobody else may listen where connections are led to",
        without: "another process may listen where connections are led to, and be taken for the daemon",
        level: Level::Failure,
    },
    Layer {
        check: "announcement",
        programs: &["sock_create"],
        does: "the daemon hears of a new network namespace by its first socket",
        without: "the daemon hears of a new network namespace later, and its first connection waits",
        level: Level::Warning,
    },
    Layer {
        check: "peer-name",
        programs: &["getpeername4", "getpeername6"],
        does: "a job sees the address that it asked for",
        without: "a job sees the listener's address in place of the one that it asked for",
        level: Level::Warning,
    },
];

/// What the programs come to.
pub(super) fn judge(pinned: &Pinned, stage: &Stage) -> Vec<Finding> {
    let mut findings: Vec<_> = LAYERS.iter().map(|layer| one(layer, &pinned.hooks, stage)).collect();
    findings.push(hold(pinned));
    findings
}

fn one(layer: &Layer, hooks: &[Hook], stage: &Stage) -> Finding {
    let hooks = || hooks.iter().filter(|hook| layer.programs.contains(&hook.program));
    if let Some(unseen) = hooks().find_map(|hook| hook.state.as_ref().err()) {
        return stage.unseen(Area::Layers, layer.check, &layer.programs.join(", "), unseen);
    }
    let off: Vec<String> = hooks().filter_map(fault).collect();
    if off.is_empty() {
        return Finding::ok(Area::Layers, layer.check, layer.does)
            .why(format!("in force: {}", layer.programs.join(", ")));
    }
    let cure = match stage.daemon {
        true => "the daemon puts it back within a second, and records that; see portreeve audit incidents",
        false => "start the daemon, which makes it anew",
    };
    Finding::new(Area::Layers, layer.check, layer.level, layer.without).why(off.join("; ")).cure(cure)
}

fn fault(hook: &Hook) -> Option<String> {
    let program = hook.program;
    match hook.state.as_ref().ok()? {
        HookState::InForce => None,
        HookState::Detached => Some(format!("{program} was taken off: its pin is there and holds nothing")),
        HookState::Elsewhere(cgroup) => Some(format!("{program} hangs on cgroup {cgroup} instead")),
        HookState::Unpinned => Some(format!("{program} is not pinned")),
    }
}

/// What becomes of a connection that meets no listener: the guard drops its SYN, which is sent again.
fn hold(pinned: &Pinned) -> Finding {
    const CHECK: &str = "syn-hold";
    let guard = pinned.hooks.iter().find(|hook| hook.program == "guard");
    let guards = guard.is_some_and(|hook| hook.state == Ok(HookState::InForce));
    match pinned.settings {
        Some(settings) if guards && settings.syn_retries > 0 => {
            let what = "a connection that comes before its listener waits for it instead of being refused";
            Finding::ok(Area::Layers, CHECK, what)
                .why(format!("its SYN is dropped and sent again, up to {} times", settings.syn_retries))
        }
        Some(_) => {
            let what =
                "a connection that comes before its listener is refused, or taken by whoever listens there";
            Finding::warning(Area::Layers, CHECK, what).why("the guard is off, or its settings are not there")
        }
        None => Finding::note(
            Area::Layers,
            CHECK,
            "whether connections wait for their listener cannot be seen",
        )
        .why("the settings of what is pinned cannot be read: they are of another version, or not there"),
    }
}
