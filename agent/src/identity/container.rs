//! The container that a cgroup belongs to, and the part of the hierarchy that a workload cannot leave.
//!
//! Runtimes say a container's id in the name of its cgroup, and anybody can make a cgroup of such a name in a subtree
//! that was delegated to them. So a name counts only where none but the system's own managers make cgroups: as the
//! first part below the slices, as for [`super::unit()`], or at the very root in the layout of a runtime that does
//! without systemd. A container in a container, or in a user's own session (rootless), is told as what it is in.

/// Runtimes that put each container into a scope `RUNTIME-ID.scope` of the system's manager. `libpod` is Podman's.
const RUNTIMES: [&str; 5] = ["docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"];

/// The id of the container that a cgroup belongs to.
///
/// `/system.slice/docker-ID.scope/init` → `ID`; `/kubepods/burstable/podUID/ID` → `ID`; `/lxc.payload.web/x` → `web`.
pub fn container(cgroup: &str) -> Option<&str> {
    told(&parts(cgroup)).map(|(id, _)| id)
}

/// The path down to the container or unit that the cgroup belongs to, or else its first part: whoever begins in
/// there stays in there, unless it is root on the host.
pub(super) fn home(cgroup: &str) -> &str {
    let parts = parts(cgroup);
    let depth = told(&parts).map_or_else(|| slices(&parts) + 1, |(_, depth)| depth);
    let end = cgroup.match_indices('/').nth(depth).map_or(cgroup.len(), |(at, _)| at);
    &cgroup[..end]
}

fn parts(cgroup: &str) -> Vec<&str> {
    cgroup.split('/').filter(|part| !part.is_empty()).collect()
}

/// How many parts the system's manager has made only to hold others.
fn slices(parts: &[&str]) -> usize {
    parts.iter().take_while(|part| part.ends_with(".slice")).count()
}

/// A container's id, and how many parts of the path lead to it.
fn told<'p>(parts: &[&'p str]) -> Option<(&'p str, usize)> {
    // The layouts at the root come first: LXC's names are free, and may end like a slice.
    let told = match parts {
        [first, ..] if first.starts_with("lxc.payload.") => (name(first)?, 1),
        ["docker", id, ..] => (hexadecimal(id)?, 2),
        ["libpod_parent", id, ..] => (hexadecimal(id.strip_prefix("libpod-")?)?, 2),
        ["kubepods", "burstable" | "besteffort", pod, id, ..] if pod.starts_with("pod") => {
            (without_runtime(id)?, 4)
        }
        ["kubepods", pod, id, ..] if pod.starts_with("pod") => (without_runtime(id)?, 3),
        _ => {
            let slices = slices(parts);
            (scope(parts.get(slices)?)?, slices + 1)
        }
    };
    Some(told)
}

fn name(part: &str) -> Option<&str> {
    part.strip_prefix("lxc.payload.").filter(|name| !name.is_empty())
}

fn scope(part: &str) -> Option<&str> {
    let name = part.strip_suffix(".scope")?;
    hexadecimal(RUNTIMES.iter().find_map(|runtime| name.strip_prefix(runtime))?)
}

fn without_runtime(part: &str) -> Option<&str> {
    hexadecimal(RUNTIMES.iter().find_map(|runtime| part.strip_prefix(runtime)).unwrap_or(part))
}

/// The digits that runtimes make up for each container; other names (`libpod-conmon-…`, which watches one) are not
/// containers.
fn hexadecimal(id: &str) -> Option<&str> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (id.len() == 64 && id.bytes().all(digits)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
    const POD: &str = "pod8f5b9d6e_0000_4000_8000_0123456789ab";

    #[track_caller]
    fn check(path: &str, container: Option<&str>, home: &str) {
        let filled = |text: &str| text.replace("POD", POD).replace("ID", ID);
        let path = filled(path);
        assert_eq!(super::container(&path), container.map(filled).as_deref(), "{path}");
        assert_eq!(super::home(&path), filled(home), "{path}");
    }

    #[test]
    fn containers_are_told_from_the_cgroups_that_their_runtimes_make() {
        for (path, id, home) in [
            ("/system.slice/docker-ID.scope", "ID", "/system.slice/docker-ID.scope"),
            ("/ci.slice/ci-jobs.slice/docker-ID.scope/init", "ID", "/ci.slice/ci-jobs.slice/docker-ID.scope"),
            ("/docker/ID", "ID", "/docker/ID"),
            ("/docker/ID/a/b", "ID", "/docker/ID"),
            ("/system.slice/nerdctl-ID.scope", "ID", "/system.slice/nerdctl-ID.scope"),
            ("/machine.slice/libpod-ID.scope/container", "ID", "/machine.slice/libpod-ID.scope"),
            ("/libpod_parent/libpod-ID", "ID", "/libpod_parent/libpod-ID"),
            ("/kubepods/POD/ID", "ID", "/kubepods/POD/ID"),
            ("/kubepods/besteffort/POD/ID/x", "ID", "/kubepods/besteffort/POD/ID"),
            ("/kubepods/burstable/POD/crio-ID", "ID", "/kubepods/burstable/POD/crio-ID"),
            ("/lxc.payload.web", "web", "/lxc.payload.web"),
            ("/lxc.payload.a.slice/b.service", "a.slice", "/lxc.payload.a.slice"),
        ] {
            check(path, Some(id), home);
        }
        let pods = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-POD.slice";
        check(
            &format!("{pods}/cri-containerd-ID.scope"),
            Some("ID"),
            &format!("{pods}/cri-containerd-ID.scope"),
        );
        check(&format!("{pods}/crio-ID.scope/container"), Some("ID"), &format!("{pods}/crio-ID.scope"));
    }

    #[test]
    fn a_name_that_a_workload_can_make_itself_is_no_container() {
        let own = "/user.slice/user-1000.slice/user@1000.service";
        for (path, home) in [
            // Its own manager's, also where rootless Podman has put it.
            (format!("{own}/app.slice/docker-ID.scope"), own),
            (format!("{own}/user.slice/libpod-ID.scope"), own),
            // A unit with `Delegate=yes`.
            ("/system.slice/agent.service/docker-ID.scope".to_owned(), "/system.slice/agent.service"),
            ("/system.slice/agent.service/docker/ID".to_owned(), "/system.slice/agent.service"),
            ("/system.slice/agent.service/kubepods/POD/ID".to_owned(), "/system.slice/agent.service"),
            (
                "/user.slice/user-1000.slice/session-2.scope/lxc.payload.web".to_owned(),
                "/user.slice/user-1000.slice/session-2.scope",
            ),
            // A subtree that was given to it by hand, with slices of its own making.
            ("/delegated/docker-ID.scope".to_owned(), "/delegated"),
            ("/delegated/x.slice/docker-ID.scope".to_owned(), "/delegated"),
            ("/delegated/lxc.payload.web".to_owned(), "/delegated"),
        ] {
            check(&path, None, home);
        }
        // In a container, whichever name it gives itself there.
        let other = ID.replace('4', "5");
        check(&format!("/docker/ID/docker-{other}.scope"), Some("ID"), "/docker/ID");
        check(&format!("/lxc.payload.web/docker/{other}"), Some("web"), "/lxc.payload.web");
    }

    #[test]
    fn what_only_looks_like_a_container_is_none() {
        for (path, home) in [
            ("/", "/"),
            ("/system.slice", "/system.slice"),
            ("/docker", "/docker"),
            ("/docker/buildx", "/docker"),
            ("/kubepods/burstable/POD", "/kubepods"),
            ("/kubepods/burstable/x/ID", "/kubepods"),
            ("/lxc.payload.", "/lxc.payload."),
            ("/lxc.monitor.web", "/lxc.monitor.web"),
            ("/system.slice/docker.service", "/system.slice/docker.service"),
            ("/system.slice/docker-1234.scope", "/system.slice/docker-1234.scope"),
            ("/machine.slice/libpod-conmon-ID.scope", "/machine.slice/libpod-conmon-ID.scope"),
            ("/system.slice/ID.scope", "/system.slice/ID.scope"),
            ("/system.slice/docker-ID.scope.x", "/system.slice/docker-ID.scope.x"),
        ] {
            check(path, None, home);
        }
        assert_eq!(container(&format!("/docker/{}", ID.to_uppercase())), None);
        assert_eq!((container(""), home("")), (None, ""));
    }
}
