//! One process's entry under `/proc` (proc(5)).
//!
//! Everything here may belong to another process by the time it is read; the caller checks that.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::command_line;
use crate::secret::Secret;

/// What its `stat` says (proc_pid_stat(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    /// The name of its first thread.
    pub(super) comm: String,
    /// The process that is told when it ends; 0 where it is outside of what this `/proc` shows.
    pub(super) parent: u32,
    /// Its start in clock ticks since boot.
    pub(super) started: u64,
}

impl Stat {
    /// Whether both are of one process, which has the same parent all along.
    pub(super) fn is_same(&self, other: &Stat) -> bool {
        (self.parent, self.started) == (other.parent, other.started)
    }
}

/// Reads `stat`.
pub(super) fn stat(folder: &Path) -> Option<Stat> {
    parse_stat(&read(&folder.join("stat"), 4096)?)
}

/// The name in field 2 stands in parentheses and may hold any byte, these two included: the last `)` ends it.
pub(super) fn parse_stat(stat: &[u8]) -> Option<Stat> {
    let begin = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let comm = String::from_utf8_lossy(stat.get(begin + 1..end)?).into_owned();
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    // Fields 4 and 22, counted after the name.
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Stat { comm, parent, started })
}

/// Start of the process in clock ticks since boot.
pub(super) fn start_time(folder: &Path) -> Option<u64> {
    Some(stat(folder)?.started)
}

/// Whether it is process 1 of its pid namespace, or of all: the last number of `NSpid` in `status` is its own name
/// for itself. The process's name stands there without line feeds.
pub(super) fn is_first_of_its_namespace(folder: &Path) -> bool {
    let status = status(folder).unwrap_or_default();
    let last = field(&status, b"NSpid:").and_then(|line| line.rsplit(u8::is_ascii_whitespace).next());
    last == Some(b"1")
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

/// The command line: at most its first 4096 bytes, with passwords taken out.
pub(super) fn command_line(folder: &Path) -> Option<String> {
    let arguments = read(&folder.join("cmdline"), 4096)?;
    (!arguments.is_empty()).then(|| command_line::display(&arguments))
}

/// Its environment, `NAME=value` with a NUL behind each: at most the first megabyte. It is what the program was started with,
/// unless it has written something else there, and other secrets of the job stand in it.
pub(super) fn environment(folder: &Path) -> Option<Secret> {
    Secret::take(File::open(folder.join("environ")).ok()?, 1 << 20).ok()
}

/// The real user and group ids, which the kernel's word at connect has, too.
pub(super) fn ids(folder: &Path) -> Option<(u32, u32)> {
    parse_ids(&status(folder)?)
}

/// The ids of [`ids`] in the file's content: of the real, effective, saved and file system's the first.
pub(super) fn parse_ids(content: &[u8]) -> Option<(u32, u32)> {
    let id = |name: &[u8]| {
        std::str::from_utf8(field(content, name)?).ok()?.split_ascii_whitespace().next()?.parse().ok()
    };
    Some((id(b"Uid:")?, id(b"Gid:")?))
}

fn status(folder: &Path) -> Option<Vec<u8>> {
    read(&folder.join("status"), 1 << 20)
}

/// What stands behind a name in `status`.
fn field<'a>(status: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))
}

/// The second since the Unix epoch.
pub(super) fn now() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}

/// At most `limit` bytes of a file.
fn read(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(512);
    File::open(path).ok()?.take(limit).read_to_end(&mut content).ok()?;
    Some(content)
}
