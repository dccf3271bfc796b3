//! What this kernel has of what the programs need.

use super::finding::{Area, Finding};
use super::stage::Stage;
use crate::intercept::inspect::{Kernel, Tcx, Tried};

/// The oldest kernel that has all that cannot be done without.
const FLOOR: (u32, u32) = (5, 15);
/// The first kernel with tcx.
pub(super) const TCX: (u32, u32) = (6, 6);

/// What the kernel's features come to.
pub(super) fn judge(kernel: &Kernel, stage: &Stage) -> Vec<Finding> {
    let mut findings = vec![release(&kernel.release)];
    findings.extend(programs(kernel, stage));
    findings.extend([btf(kernel), netns_cookie(kernel, stage), sock_destroy(kernel, stage), tcx(kernel)]);
    findings
}

/// Whether a release such as `6.1.0-18-amd64` is at least of that version; none if it is not understood.
pub(super) fn at_least(release: &str, version: (u32, u32)) -> Option<bool> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor) >= version),
        _ => None,
    }
}

fn release(release: &str) -> Finding {
    const CHECK: &str = "release";
    let (major, minor) = FLOOR;
    match at_least(release, FLOOR) {
        Some(true) => {
            Finding::ok(Area::Kernel, CHECK, format!("Linux {release}: it takes {major}.{minor} or newer"))
        }
        Some(false) => {
            Finding::warning(Area::Kernel, CHECK, format!("Linux {release} is older than {major}.{minor}"))
                .why("nothing older was ever tried")
                .cure("boot a newer kernel")
        }
        None => Finding::note(Area::Kernel, CHECK, format!("the release `{release}` is not understood")),
    }
}

fn programs(kernel: &Kernel, stage: &Stage) -> Vec<Finding> {
    const CHECK: &str = "programs";
    let tried = match &kernel.programs {
        Ok(tried) => tried,
        Err(unseen) if unseen.denied && stage.restricted => {
            return vec![stage.unseen(Area::Kernel, CHECK, "whether the programs can be loaded", unseen)];
        }
        Err(unseen) => {
            let what = "no program can be tried, and the daemon would not start";
            return vec![Finding::failure(Area::Kernel, CHECK, what).why(&unseen.why)];
        }
    };
    let refused: Vec<Finding> = tried.iter().filter_map(|tried| refusal(tried, stage)).collect();
    if !refused.is_empty() {
        return refused;
    }
    let names: Vec<_> = tried.iter().map(|tried| tried.program).collect();
    vec![Finding::ok(Area::Kernel, CHECK, format!("it takes all programs: {}", names.join(", ")))]
}

fn refusal(tried: &Tried, stage: &Stage) -> Option<Finding> {
    const CHECK: &str = "programs";
    let unseen = tried.tag.as_ref().err()?;
    if unseen.denied && stage.restricted {
        return Some(stage.unseen(Area::Kernel, CHECK, &format!("the program {}", tried.program), unseen));
    }
    let what = format!("it refuses the program {}, so the daemon cannot start", tried.program);
    let cure = format!("the program needs {}, CONFIG_CGROUP_BPF and CONFIG_BPF_SYSCALL", tried.feature);
    Some(Finding::failure(Area::Kernel, CHECK, what).why(&unseen.why).cure(cure))
}

fn btf(kernel: &Kernel) -> Finding {
    const CHECK: &str = "btf";
    match kernel.btf {
        true => Finding::ok(Area::Kernel, CHECK, "it tells its types (BTF)"),
        false => Finding::note(Area::Kernel, CHECK, "it does not tell its types (BTF)")
            .why("/sys/kernel/btf/vmlinux is not there; where it takes the programs all the same, nothing is amiss")
            .cure("a kernel built with CONFIG_DEBUG_INFO_BTF"),
    }
}

fn netns_cookie(kernel: &Kernel, stage: &Stage) -> Finding {
    const CHECK: &str = "netns-cookie";
    match &kernel.netns_cookie {
        Ok(()) => Finding::ok(Area::Kernel, CHECK, "network namespaces can be told apart (SO_NETNS_COOKIE)"),
        Err(unseen) if unseen.denied && stage.restricted => {
            stage.unseen(Area::Kernel, CHECK, "SO_NETNS_COOKIE", unseen)
        }
        Err(unseen) => Finding::failure(Area::Kernel, CHECK, "network namespaces cannot be told apart")
            .why(&unseen.why)
            .cure("SO_NETNS_COOKIE takes Linux 5.14"),
    }
}

/// What is missing of this is judged where it matters: see the layers.
fn sock_destroy(kernel: &Kernel, stage: &Stage) -> Finding {
    const CHECK: &str = "sock-destroy";
    match &kernel.sock_destroy {
        Ok(()) => {
            Finding::ok(Area::Kernel, CHECK, "TCP sockets can be listed and ended (sock_diag, SOCK_DESTROY)")
        }
        Err(unseen) if unseen.denied => {
            stage.unseen(Area::Kernel, CHECK, "whether TCP sockets can be ended", unseen)
        }
        Err(unseen) => {
            Finding::note(Area::Kernel, CHECK, "TCP sockets cannot be listed and ended").why(&unseen.why)
        }
    }
}

/// Likewise.
fn tcx(kernel: &Kernel) -> Finding {
    const CHECK: &str = "tcx";
    let (major, minor) = TCX;
    match &kernel.tcx {
        Tcx::Attached => Finding::ok(
            Area::Kernel,
            CHECK,
            "programs can be attached to interfaces (tcx): one was, for the look",
        ),
        Tcx::Refused(why) => {
            Finding::note(Area::Kernel, CHECK, format!("it has no tcx, which takes Linux {major}.{minor}"))
                .why(why)
        }
        Tcx::Untried(why) => {
            let what = match at_least(&kernel.release, TCX) {
                Some(true) => "by its version it has tcx; that was not tried",
                Some(false) => "by its version it has no tcx; that was not tried",
                None => "whether it has tcx was not tried",
            };
            Finding::note(Area::Kernel, CHECK, what).why(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{expected::bad_are, finding::Level};
    use super::*;
    use crate::intercept::inspect::Unseen;

    fn unseen(denied: bool) -> Unseen {
        Unseen { denied, why: "Operation not permitted".to_owned() }
    }

    fn kernel() -> Kernel {
        let tried = |program| Tried { program, feature: "a hook (Linux 5.8)", tag: Ok(7) };
        Kernel {
            release: "6.1.0-18-amd64".to_owned(),
            programs: Ok(vec![tried("connect4"), tried("guard")]),
            btf: true,
            netns_cookie: Ok(()),
            sock_destroy: Ok(()),
            tcx: Tcx::Attached,
        }
    }

    #[track_caller]
    fn check(kernel: &Kernel, restricted: bool, expect: &[(&str, Level, &str)]) {
        let findings = judge(kernel, &Stage { restricted, ..Stage::default() });
        bad_are(&findings, expect);
    }

    #[test]
    fn a_kernel_with_everything_is_well() {
        check(&kernel(), false, &[]);
    }

    #[test]
    fn releases_are_compared_by_their_first_two_numbers() {
        for (release, expect) in [
            ("5.15.0", Some(true)),
            ("5.4.0-150-generic", Some(false)),
            ("6.18.44-fc", Some(true)),
            ("10.0", Some(true)),
            ("6", None),
            ("", None),
            ("rolling", None),
        ] {
            assert_eq!(at_least(release, FLOOR), expect, "{release}");
        }
        check(
            &Kernel { release: "5.4.0".to_owned(), ..kernel() },
            false,
            &[("release", Level::Warning, "older")],
        );
        check(
            &Kernel { release: "?".to_owned(), ..kernel() },
            false,
            &[("release", Level::Note, "understood")],
        );
    }

    #[test]
    fn each_program_that_is_refused_is_a_failure_with_what_it_needs() {
        let mut refused = kernel();
        refused.programs.as_mut().unwrap()[1].tag = Err(unseen(false));
        check(&refused, false, &[("programs", Level::Failure, "the program guard")]);
        let cure = programs(&refused, &Stage::default())[0].cure.clone().unwrap();
        assert!(cure.contains("a hook (Linux 5.8)"), "{cure}");
        let none = Kernel { programs: Err(unseen(false)), ..kernel() };
        check(&none, false, &[("programs", Level::Failure, "would not start")]);
    }

    #[test]
    fn what_is_denied_to_somebody_without_rights_is_not_known() {
        let denied = Kernel { programs: Err(unseen(true)), ..kernel() };
        check(&denied, true, &[("programs", Level::Note, "could not be looked at")]);
        // Root that is denied it has a daemon that is denied it as well.
        check(&denied, false, &[("programs", Level::Failure, "would not start")]);
        let denied = Kernel { sock_destroy: Err(unseen(true)), ..kernel() };
        check(&denied, true, &[("sock-destroy", Level::Note, "could not be looked at")]);
    }

    #[test]
    fn a_feature_that_is_missing_is_named() {
        let refused = Tcx::Refused("Invalid argument".to_owned());
        check(
            &Kernel { tcx: refused, ..kernel() },
            false,
            &[("tcx", Level::Note, "no tcx, which takes Linux 6.6")],
        );
        for (release, what) in [("6.1.0", "has no tcx"), ("6.12.1", "has tcx"), ("x", "was not tried")] {
            let untried =
                Kernel { tcx: Tcx::Untried("no".to_owned()), release: release.to_owned(), ..kernel() };
            let finding = tcx(&untried);
            assert!(finding.level == Level::Note && finding.what.contains(what), "{finding:?}");
        }
        check(&Kernel { btf: false, ..kernel() }, false, &[("btf", Level::Note, "BTF")]);
        let none = Kernel { netns_cookie: Err(unseen(false)), ..kernel() };
        check(&none, false, &[("netns-cookie", Level::Failure, "told apart")]);
        let none = Kernel { sock_destroy: Err(unseen(false)), ..kernel() };
        check(&none, false, &[("sock-destroy", Level::Note, "ended")]);
    }
}
