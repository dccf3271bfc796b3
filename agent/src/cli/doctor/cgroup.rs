//! Where the programs hang, and why there.

use super::finding::{Area, Finding, short_list};
use super::stage::Stage;
use crate::intercept::inspect::{Cgroups, Chosen};

/// What the cgroups of this machine come to.
pub(super) fn judge(cgroups: &Cgroups, stage: &Stage) -> Vec<Finding> {
    vec![hierarchy(cgroups), root(cgroups, stage)]
}

fn hierarchy(cgroups: &Cgroups) -> Finding {
    const CHECK: &str = "hierarchy";
    let mounts = cgroups.mounts.iter().map(|mount| match &mount.inode {
        Ok(inode) => format!("{} (inode {inode})", mount.path.display()),
        Err(_) => mount.path.display().to_string(),
    });
    if cgroups.mounts.is_empty() {
        return Finding::note(Area::Cgroup, CHECK, "no cgroup2 hierarchy is mounted")
            .why("the daemon mounts it for itself alone where it may");
    }
    let beside = match cgroups.legacy {
        true => "hybrid: hierarchies of version 1 stand beside it",
        false => "unified: there is none of version 1",
    };
    Finding::ok(Area::Cgroup, CHECK, format!("cgroup2 is mounted at {}; {beside}", short_list(mounts)))
}

fn root(cgroups: &Cgroups, stage: &Stage) -> Finding {
    const CHECK: &str = "root";
    let chosen = match &cgroups.chosen {
        Ok(chosen) => chosen,
        Err(unseen) if unseen.denied && stage.restricted => {
            return stage.unseen(Area::Cgroup, CHECK, "the root of the cgroup2 hierarchy", unseen);
        }
        Err(unseen) => {
            return Finding::failure(Area::Cgroup, CHECK, "there is no cgroup to attach the programs to")
                .why(&unseen.why);
        }
    };
    let at = match &chosen.path {
        Some(path) => path.display().to_string(),
        None => "a mount of the daemon's own".to_owned(),
    };
    match chosen {
        chosen if !chosen.is_root() => {
            let what = format!("the programs belong to {at}, which is cgroup {}: not the root", chosen.id);
            Finding::warning(Area::Cgroup, CHECK, what)
                .why("processes outside of it are neither led to the daemon nor guarded")
                .cure("leave intercept.cgroup out of the configuration")
        }
        Chosen { configured: true, .. } => {
            Finding::ok(Area::Cgroup, CHECK, format!("the programs belong to {at}"))
                .why("intercept.cgroup names it, and its inode is 1: it is the root of the hierarchy")
        }
        Chosen { .. } => Finding::ok(Area::Cgroup, CHECK, format!("the programs belong to {at}")).why(
            "its inode is 1, as the root's alone is, whatever is mounted where; no process is outside of it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::intercept::inspect::{Mount, Unseen};

    #[track_caller]
    fn check(mounts: &[(&str, u64)], legacy: bool, chosen: Result<Chosen, Unseen>, expect: &[(Level, &str)]) {
        let mount = |(path, inode): &(&str, u64)| Mount { path: path.into(), inode: Ok(*inode) };
        let cgroups = Cgroups { mounts: mounts.iter().map(mount).collect(), legacy, chosen };
        let findings = judge(&cgroups, &Stage { restricted: true, ..Stage::default() });
        assert_eq!(findings.len(), expect.len());
        for (finding, (level, what)) in findings.iter().zip(expect) {
            assert!(finding.level == *level && finding.what.contains(what), "{finding:?}");
        }
    }

    fn chosen(id: u64, path: Option<&str>) -> Result<Chosen, Unseen> {
        Ok(Chosen { id, path: path.map(Into::into), configured: id != 1 })
    }

    #[test]
    fn the_root_is_told_with_the_reason() {
        let unified = [("/sys/fs/cgroup", 1)];
        check(
            &unified,
            false,
            chosen(1, Some("/sys/fs/cgroup")),
            &[(Level::Ok, "unified"), (Level::Ok, "belong to /sys/fs/cgroup")],
        );
        let hybrid = [("/mnt/job", 25), ("/sys/fs/cgroup/unified", 1)];
        check(
            &hybrid,
            true,
            chosen(1, Some("/sys/fs/cgroup/unified")),
            &[
                (Level::Ok, "/mnt/job (inode 25), /sys/fs/cgroup/unified (inode 1); hybrid"),
                (Level::Ok, "unified"),
            ],
        );
        check(&[], true, chosen(1, None), &[(Level::Note, "no cgroup2"), (Level::Ok, "daemon's own")]);
    }

    #[test]
    fn any_other_cgroup_leaves_processes_outside() {
        let expect = [(Level::Ok, "cgroup2 is mounted"), (Level::Warning, "cgroup 25: not the root")];
        check(&[("/c", 1)], false, chosen(25, Some("/c/job")), &expect);
    }

    #[test]
    fn without_a_root_nothing_can_be_protected() {
        let unseen = |denied| Err(Unseen { denied, why: "in a cgroup namespace".to_owned() });
        check(
            &[],
            false,
            unseen(false),
            &[(Level::Note, "no cgroup2"), (Level::Failure, "no cgroup to attach")],
        );
        check(
            &[],
            false,
            unseen(true),
            &[(Level::Note, "no cgroup2"), (Level::Note, "could not be looked at")],
        );
    }
}
