//! One process's entry under `/proc` (proc(5)).
//!
//! Everything here may belong to another process by the time it is read; the caller checks that.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::command_line;

/// Start of the process in clock ticks since boot: field 22 of `stat`.
pub(super) fn start_time(folder: &Path) -> Option<u64> {
    parse_start_time(&read(&folder.join("stat"), 4096)?)
}

/// The name in field 2 stands in parentheses and may hold any byte, these two included: the last `)` ends it.
pub(super) fn parse_start_time(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether a process that started at `ticks` since boot can have connected at `ktime_ns` of the monotonic
/// clock. `stat` counts on the boot-time clock, which goes on through suspend.
pub(super) fn started_before(ticks: u64, ktime_ns: u64) -> bool {
    let elapsed = |clock| {
        let now = clock_gettime(clock);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    };
    let suspended = elapsed(ClockId::Boottime).saturating_sub(elapsed(ClockId::Monotonic));
    let connected = Duration::from_nanos(ktime_ns) + suspended;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    // Rounded down to a tick by the kernel, so a true start is never later than the connection.
    let started = Duration::from_millis(ticks.saturating_mul(1000) / per_second);
    started <= connected
}

/// The path in the cgroup2 hierarchy: the line that begins with `0::` (cgroups(7)). A path that leaves the
/// reader's own root (`/../…`) or whose cgroup has been deleted cannot be looked up.
pub(super) fn cgroup(folder: &Path) -> Option<String> {
    parse_cgroup(&read(&folder.join("cgroup"), 64 * 1024)?)
}

/// The path of [`cgroup`] in the file's content.
pub(super) fn parse_cgroup(content: &[u8]) -> Option<String> {
    let path = content.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    let path = std::str::from_utf8(path).ok()?;
    let climbs = path.split('/').any(|part| part == "..");
    (path.starts_with('/') && !climbs && !path.ends_with(" (deleted)")).then(|| path.to_owned())
}

/// The executable's path, if the host has this very file there. In a mount namespace or a chroot of its own a
/// workload can show any name, so a path that means another file to the host is no name. It is what the process
/// runs now: one that has called execve(2) since it connected shows what it runs then.
pub(super) fn executable(folder: &Path) -> Option<String> {
    let link = folder.join("exe");
    let path = std::fs::read_link(&link).ok()?;
    let runs = std::fs::metadata(&link).ok()?;
    let has = std::fs::metadata(&path).ok()?;
    let same = path.is_absolute() && (runs.dev(), runs.ino()) == (has.dev(), has.ino());
    same.then(|| path.into_os_string().into_string().ok()).flatten()
}

/// The command line: at most its first 4096 bytes, with passwords taken out.
pub(super) fn command_line(folder: &Path) -> Option<String> {
    let arguments = read(&folder.join("cmdline"), 4096)?;
    (!arguments.is_empty()).then(|| command_line::display(&arguments))
}

/// At most `limit` bytes of a file.
fn read(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(512);
    File::open(path).ok()?.take(limit).read_to_end(&mut content).ok()?;
    Some(content)
}
