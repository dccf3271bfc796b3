//! The systemd unit that a cgroup belongs to.

/// The system manager's unit of a cgroup path: the first part below the slices, as systemd's own
/// `cg_path_get_unit` tells it. What lies deeper is delegated, and whoever it was delegated to (a user's own
/// manager, a container) names it freely: such a name grants nothing.
///
/// `/system.slice/buildkite-agent.service/job` → `buildkite-agent.service`;
/// `/user.slice/user-1000.slice/user@1000.service/app.slice/x.service` → `user@1000.service`.
pub fn unit(cgroup: &str) -> Option<String> {
    // A name that the kernel reserves carries a `_` before it (cg_escape).
    let name = |part: &str| part.strip_prefix('_').unwrap_or(part).to_owned();
    cgroup
        .split('/')
        .filter(|part| !part.is_empty())
        .map(name)
        .find(|part| !part.ends_with(".slice"))
        .filter(|part| is_unit(part))
}

/// Whether it is the name of a unit that has processes.
fn is_unit(name: &str) -> bool {
    let stem =
        [".service", ".scope", ".socket", ".mount", ".swap"].iter().find_map(|end| name.strip_suffix(end));
    stem.is_some_and(|stem| !stem.is_empty())
}
