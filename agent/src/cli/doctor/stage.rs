//! Under which circumstances is looked, and what of the machine may be seen at all.

use std::fs;

use super::capabilities::{self, Capability};
use super::finding::{Area, Finding, Level};
use crate::intercept::inspect::Unseen;

/// What a look into every corner takes.
const NEEDED: [Capability; 5] = [
    Capability::Bpf,
    Capability::NetAdmin,
    Capability::SysAdmin,
    Capability::SysPtrace,
    Capability::DacReadSearch,
];

/// Under which circumstances is looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stage {
    /// The daemon is about to be started: that it does not run yet is no fault.
    pub(super) before_start: bool,
    /// A daemon runs.
    pub(super) daemon: bool,
    /// Something of [`NEEDED`] is not to be had.
    pub(super) restricted: bool,
}

impl Stage {
    /// What comes of a look that could not be taken: nothing is known, neither good nor bad. Where it was denied to
    /// somebody without the rights for it, [`privileges`] says so once for all.
    pub(super) fn unseen(&self, area: Area, check: &'static str, what: &str, unseen: &Unseen) -> Finding {
        let level = if unseen.denied && self.restricted { Level::Note } else { Level::Warning };
        Finding::new(area, check, level, format!("{what} could not be looked at")).why(&unseen.why)
    }
}

/// The capabilities of this process that a look takes and that it does not have.
pub(super) fn missing() -> Vec<Capability> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = capabilities::effective(&status).unwrap_or(0);
    NEEDED.into_iter().filter(|capability| !capability.is_in(held)).collect()
}

/// What this process may see.
pub(super) fn privileges(missing: &[Capability]) -> Finding {
    if missing.is_empty() {
        return Finding::ok(Area::Doctor, "privileges", "everything may be looked at");
    }
    let names: Vec<_> = missing.iter().map(|capability| capability.name()).collect();
    Finding::warning(
        Area::Doctor,
        "privileges",
        "not everything may be looked at, so this is not the whole truth",
    )
    .why(format!("this process does not have {}", names.join(", ")))
    .cure("run it as root, outside of containers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_seen_is_told_once_and_what_fails_is_told_each_time() {
        let denied = Unseen { denied: true, why: "no".to_owned() };
        let failed = Unseen { denied: false, why: "no".to_owned() };
        for (restricted, unseen, expect) in [
            (true, &denied, Level::Note),
            (false, &denied, Level::Warning),
            (true, &failed, Level::Warning),
            (false, &failed, Level::Warning),
        ] {
            let stage = Stage { restricted, ..Stage::default() };
            let finding = stage.unseen(Area::Pins, "directory", "it", unseen);
            assert_eq!(finding.level, expect, "{restricted} {unseen:?}");
            assert_eq!(finding.why.as_deref(), Some("no"));
        }
    }

    #[test]
    fn a_process_without_rights_is_told_which_it_lacks() {
        assert_eq!(privileges(&[]).level, Level::Ok);
        let finding = privileges(&[Capability::Bpf, Capability::SysAdmin]);
        assert_eq!(finding.level, Level::Warning);
        assert_eq!(finding.why.as_deref(), Some("this process does not have CAP_BPF, CAP_SYS_ADMIN"));
    }
}
