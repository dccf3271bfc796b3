//! The daemon's unit, as systemd itself understands it with all drop-ins.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How long systemctl(1) may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The unit of whoever has none of its own.
const UNIT: &str = "portreeve.service";

/// What systemd says of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Service {
    /// Its name.
    pub(super) unit: String,
    /// How many file descriptors are kept for it at most; none if systemd does not say.
    pub(super) stored_most: Option<u64>,
    /// How many are.
    pub(super) stored: u64,
    /// How long it may take to stop; none if systemd does not say, or for as long as it likes.
    pub(super) stop_seconds: Option<u64>,
}

/// The unit that a process is in, or else the one that the installation makes; none where systemd does not run, or
/// knows no such unit.
pub(super) fn service(process: Option<u32>) -> Option<Service> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let cgroup = process.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok());
    let unit = cgroup.as_deref().and_then(unit_of).unwrap_or_else(|| UNIT.to_owned());
    parse(&unit, &show(&unit)?)
}

/// The service in the cgroup2 line of `/proc/PID/cgroup`.
fn unit_of(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.split('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

/// What systemctl(1) prints, if it does so in time.
fn show(unit: &str) -> Option<String> {
    let properties = "LoadState,FileDescriptorStoreMax,NFileDescriptorStore,TimeoutStopUSec";
    let mut child = Command::new("systemctl")
        .args(["show", "--property", properties, "--", unit])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut output = child.stdout.take()?;
    let (done, wait) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        drop(done.send(read.map(|_| text)));
    });
    let told = wait.recv_timeout(PATIENCE);
    // Where it is done already, this does nothing.
    drop(child.kill());
    drop(child.wait());
    told.ok()?.ok()
}

fn parse(unit: &str, shown: &str) -> Option<Service> {
    let value = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    if value("LoadState") != Some("loaded") {
        return None;
    }
    Some(Service {
        unit: unit.to_owned(),
        stored_most: value("FileDescriptorStoreMax").and_then(|most| most.parse().ok()),
        stored: value("NFileDescriptorStore").and_then(|count| count.parse().ok()).unwrap_or(0),
        stop_seconds: value("TimeoutStopUSec").and_then(seconds),
    })
}

/// A span of time such as `1min 30s`, in whole seconds.
fn seconds(span: &str) -> Option<u64> {
    span.split_whitespace().try_fold(0, |sum: u64, part| {
        let digits = part.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = part.split_at(digits);
        let one = match unit {
            "w" => 7 * 24 * 3600,
            "d" => 24 * 3600,
            "h" => 3600,
            "min" => 60,
            "s" => 1,
            "ms" | "us" => 0,
            _ => return None,
        };
        sum.checked_add(number.parse::<u64>().ok()?.checked_mul(one)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_as_systemd_prints_them() {
        for (span, expect) in [
            ("40s", Some(40)),
            ("1min 30s", Some(90)),
            ("2h 1min", Some(7260)),
            ("1s 500ms", Some(1)),
            ("infinity", None),
            ("1.5s", None),
            ("5", None),
        ] {
            assert_eq!(seconds(span), expect, "{span}");
        }
    }

    #[test]
    fn a_unit_is_read_and_one_that_is_not_there_is_none() {
        let shown =
            "LoadState=loaded\nFileDescriptorStoreMax=0\nNFileDescriptorStore=0\nTimeoutStopUSec=40s\n";
        let expect =
            Service { unit: "p.service".to_owned(), stored_most: Some(0), stored: 0, stop_seconds: Some(40) };
        assert_eq!(parse("p.service", shown), Some(expect));
        assert_eq!(parse("p.service", "LoadState=not-found\nTimeoutStopUSec=1min 30s\n"), None);
        assert_eq!(parse("p.service", ""), None);
    }

    #[test]
    fn the_unit_of_a_process_is_in_its_cgroup() {
        let unit = |cgroup| unit_of(cgroup);
        assert_eq!(
            unit("1:name=systemd:/x.service\n0::/system.slice/warden.service\n").as_deref(),
            Some("warden.service")
        );
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(unit("0::/\n"), None);
    }
}
