//! What a check comes to.

use std::process::ExitCode;

use serde::Serialize;

/// What a check is about, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Area {
    Doctor,
    Daemon,
    Kernel,
    Cgroup,
    Pins,
    Namespaces,
    Layers,
    Bypasses,
    Configuration,
    Resources,
    Store,
    Clock,
    Disk,
    Files,
}

impl Area {
    /// As the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Area::Doctor => "doctor",
            Area::Daemon => "daemon",
            Area::Kernel => "kernel",
            Area::Cgroup => "cgroup",
            Area::Pins => "pins",
            Area::Namespaces => "namespaces",
            Area::Layers => "layers",
            Area::Bypasses => "bypasses",
            Area::Configuration => "configuration",
            Area::Resources => "resources",
            Area::Store => "store",
            Area::Clock => "clock",
            Area::Disk => "disk",
            Area::Files => "files",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// To be known; nothing has to be done.
    Note,
    /// It works, but a layer is missing, or somebody should have a look.
    Warning,
    /// Connections are not protected, or cannot be served.
    Failure,
}

impl Level {
    /// As the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Failure => "failure",
        }
    }

    /// What a start-up script gets to know. 1 is left to a doctor that failed itself, and 2 to a command line that is
    /// not understood.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Level::Ok | Level::Note => 0,
            Level::Warning => 3,
            Level::Failure => 4,
        }
    }
}

/// What a check comes to, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) area: Area,
    /// A short name in kebab-case, for programs; the same for every outcome of a check.
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) what: String,
    pub(super) why: Option<String>,
    pub(super) cure: Option<String>,
}

impl Finding {
    pub(super) fn new(area: Area, check: &'static str, level: Level, what: impl Into<String>) -> Self {
        Finding { area, check, level, what: what.into(), why: None, cure: None }
    }

    pub(super) fn ok(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Finding::new(area, check, Level::Ok, what)
    }

    pub(super) fn note(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Finding::new(area, check, Level::Note, what)
    }

    pub(super) fn warning(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Finding::new(area, check, Level::Warning, what)
    }

    pub(super) fn failure(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Finding::new(area, check, Level::Failure, what)
    }

    /// The reason.
    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// What can be done about it.
    pub(super) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }
}

/// How all of them together are.
pub(super) fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// As the process ends with it.
pub(super) fn exit_code(findings: &[Finding]) -> ExitCode {
    ExitCode::from(worst(findings).exit_code())
}

/// At most so many things in one line, and how many more there are.
pub(super) fn short_list(items: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 6;
    let items: Vec<String> = items.into_iter().collect();
    let shown = items.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// So many of a thing.
pub(super) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_makes_the_exit_code() {
        let finding = |level| Finding::new(Area::Clock, "year", level, "");
        for (levels, expect) in [
            (&[][..], 0),
            (&[Level::Ok, Level::Note], 0),
            (&[Level::Warning, Level::Ok], 3),
            (&[Level::Warning, Level::Failure, Level::Note], 4),
        ] {
            let findings: Vec<_> = levels.iter().map(|level| finding(*level)).collect();
            assert_eq!(worst(&findings).exit_code(), expect, "{levels:?}");
        }
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let list = |count: u32| short_list((1..=count).map(|number| number.to_string()));
        assert_eq!(list(0), "");
        assert_eq!(list(6), "1, 2, 3, 4, 5, 6");
        assert_eq!(list(8), "1, 2, 3, 4, 5, 6 and 2 more");
    }
}
