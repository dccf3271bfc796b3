//! What is pinned: whether it can be seen, whose version it is, and what runs after it.

use super::finding::{Area, Finding, Level, short_list};
use super::stage::Stage;
use crate::intercept::inspect::{ABI_VERSION, Follower, Hook, Kernel, Pinned, Pins};

/// What the pin directory comes to.
pub(super) fn judge(pins: &Pins, kernel: &Kernel, stage: &Stage) -> Vec<Finding> {
    let mut findings = vec![file_system(pins, stage)];
    match &pins.pinned {
        Err(unseen) => {
            let what = format!("the pin directory {}", pins.directory.display());
            findings.push(stage.unseen(Area::Pins, "directory", &what, unseen));
        }
        // Otherwise it is said already that nothing can be seen.
        Ok(None) if pins.bpffs == Ok(true) => findings.push(nothing(pins, stage)),
        Ok(None) => {}
        Ok(Some(pinned)) => {
            findings.push(directory(pins, pinned));
            findings.push(version(pinned, stage));
            findings.extend(build(pinned, kernel));
            findings.push(followers(pinned, kernel));
        }
    }
    findings
}

fn file_system(pins: &Pins, stage: &Stage) -> Finding {
    const CHECK: &str = "file-system";
    let parent = pins.directory.parent().unwrap_or(&pins.directory).display();
    let standard = pins.directory.starts_with("/sys/fs/bpf");
    match &pins.bpffs {
        Ok(true) => Finding::ok(Area::Pins, CHECK, format!("{parent} is on a BPF file system")),
        Err(unseen) if unseen.denied => stage.unseen(Area::Pins, CHECK, &parent.to_string(), unseen),
        _ if stage.before_start && standard => {
            Finding::note(Area::Pins, CHECK, format!("{parent} is on no BPF file system; the daemon will mount one"))
        }
        _ if stage.daemon => {
            Finding::warning(Area::Pins, CHECK, format!("{parent} is on no BPF file system here, and a daemon runs"))
                .why("this process is in another mount namespace, and cannot see what the daemon has pinned")
                .cure("run it in the daemon's: nsenter --mount --target PID")
        }
        _ => Finding::failure(Area::Pins, CHECK, format!("{parent} is on no BPF file system"))
            .why("nothing can be pinned there, and what is pinned in another mount namespace cannot be seen from here")
            .cure(format!("mount -t bpf bpf {parent}")),
    }
}

fn nothing(pins: &Pins, stage: &Stage) -> Finding {
    let what = format!("nothing is pinned in {}", pins.directory.display());
    match stage {
        Stage { before_start: true, .. } => Finding::ok(Area::Pins, "directory", format!("{what} yet")),
        // What that means is told of the layers.
        _ => Finding::note(Area::Pins, "directory", what)
            .why("no daemon has been started yet, or what it protected was released"),
    }
}

fn directory(pins: &Pins, pinned: &Pinned) -> Finding {
    let directory = pins.directory.display();
    match pinned.private {
        true => Finding::ok(Area::Pins, "directory", format!("{directory} is ours alone")),
        false => {
            Finding::failure(Area::Pins, "directory", format!("{directory} may be written to by others"))
                .why("a daemon does not start with it, and what is pinned there may be taken away")
                .cure(format!("chown root:root {directory} && chmod 700 {directory}"))
        }
    }
}

fn version(pinned: &Pinned, stage: &Stage) -> Finding {
    const CHECK: &str = "version";
    match &pinned.difference {
        Ok(None) => Finding::ok(
            Area::Pins,
            CHECK,
            format!("the pinned maps are of this program's version, ABI {ABI_VERSION}"),
        ),
        Ok(Some(difference)) => {
            let level = if stage.daemon { Level::Warning } else { Level::Note };
            Finding::new(Area::Pins, CHECK, level, "the pinned maps are of another version than this program")
                .why(difference)
                .cure(
                    "the next start of the daemon replaces them, and what is protected stays shut meanwhile",
                )
        }
        Err(unseen) => stage.unseen(Area::Pins, CHECK, "the version of the pinned maps", unseen),
    }
}

/// Whether the programs in force are this executable's.
fn build(pinned: &Pinned, kernel: &Kernel) -> Option<Finding> {
    let tried = kernel.programs.as_ref().ok()?;
    let ours =
        |hook: &&Hook| tried.iter().find(|tried| tried.program == hook.program)?.tag.as_ref().ok().copied();
    let others = pinned
        .hooks
        .iter()
        .filter(|hook| matches!((hook.tag, ours(hook)), (Some(one), Some(other)) if one != other));
    let others: Vec<_> = others.map(|hook| hook.program.to_owned()).collect();
    let what =
        format!("in force are programs of another build than this one's: {}", short_list(others.clone()));
    (!others.is_empty()).then(|| {
        Finding::note(Area::Pins, "programs", what).cure("the next start of the daemon replaces them")
    })
}

/// What runs after ours. A refusal cannot be undone, but an address can be changed once more.
fn followers(pinned: &Pinned, kernel: &Kernel) -> Finding {
    const CHECK: &str = "followers";
    let tried = kernel.programs.as_deref().unwrap_or_default();
    let ours: Vec<u64> = tried.iter().filter_map(|tried| tried.tag.as_ref().ok().copied()).collect();
    let changes_addresses = |hook: &&Hook| ["connect4", "connect6", "bind4", "bind6"].contains(&hook.program);
    let told = |hook: &Hook, follower: &Follower| {
        let name = if follower.name.is_empty() { "?" } else { follower.name.as_str() };
        format!("{name} (id {}) after {}", follower.id, hook.program)
    };
    let (mut strangers, mut others) = (Vec::new(), Vec::new());
    for hook in &pinned.hooks {
        for follower in &hook.followers {
            let ours = ours.contains(&follower.tag);
            let list = if changes_addresses(&hook) && !ours { &mut strangers } else { &mut others };
            list.push(told(hook, follower));
        }
    }
    if !strangers.is_empty() {
        let what = format!(
            "other programs run after ours and may lead connections elsewhere: {}",
            short_list(strangers)
        );
        return Finding::warning(Area::Pins, CHECK, what)
            .why("on one cgroup, whoever was attached last runs last; the guard still drops what would go past")
            .cure("see what they are: bpftool prog show id ID; restart portreeve after what loads them");
    }
    if !others.is_empty() {
        let what = format!(
            "other programs run after ours, and cannot undo what they decide: {}",
            short_list(others)
        );
        return Finding::note(Area::Pins, CHECK, what);
    }
    Finding::ok(Area::Pins, CHECK, "no other program runs after ours on the same cgroup")
}

#[cfg(test)]
mod tests;
