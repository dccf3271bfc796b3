//! What the machine says: the tests on one serial port, the kernel on the other.

use std::{fs, path::Path};

use crate::harness::Counts;

/// What `init.sh` says itself begins with this.
const OURS: &str = "portreeve-vm: ";
/// A test's word that it does nothing here begins with this.
const NOT_RUN: &str = "NOT RUN: ";
/// How many lines of the kernel's console a failure shows, and how many of these after a panic, which has a long trace.
const TAIL: usize = 40;
const AFTER_PANIC: usize = 12;

/// The tests' port, line by line.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// What the machine is, once it is up.
    pub(super) up: Option<String>,
    /// The status with which the tests ended.
    pub(super) exit: Option<i32>,
    pub(super) counts: Counts,
    /// Why tests that passed did nothing: this kernel lacks what they are about.
    pub(super) not_run: Vec<String>,
}

impl Console {
    /// Takes in a line, and gives it back without what the port added to it.
    pub(super) fn read(&mut self, line: &[u8]) -> String {
        let line = String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned();
        match line.strip_prefix(OURS) {
            Some(ours) => {
                if let Some(what) = ours.strip_prefix("up: ") {
                    self.up = Some(what.to_owned());
                } else if let Some(status) = ours.strip_prefix("exit ") {
                    self.exit = status.parse().ok();
                }
            }
            None => {
                self.counts.read(&line);
                self.not_run.extend(line.strip_prefix(NOT_RUN).map(str::to_owned));
            }
        }
        line
    }
}

const PANIC: &str = "Kernel panic";

/// The line with which a kernel ends, if it did.
pub(super) fn panic(console: &str) -> Option<&str> {
    console.lines().find_map(|line| line.find(PANIC).map(|at| line[at..].trim_end()))
}

/// The last lines of a console, or those around its panic; indented, to be shown below an error.
pub(super) fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    let panic = lines.iter().position(|line| line.contains(PANIC));
    let end = panic.map_or(lines.len(), |at| lines.len().min(at + AFTER_PANIC));
    let lines = &lines[end.saturating_sub(TAIL)..end];
    lines.iter().map(|line| format!("\n  | {}", line.trim_end())).collect()
}

/// What the kernel wrote, whatever its bytes.
pub(super) fn log(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_harness_are_told_apart() {
        let mut console = Console::default();
        let lines: [&[u8]; 7] = [
            b"portreeve-vm: up: Linux 6.1.0, cgroup2 at /sys/fs/cgroup, 20 modules\r\n",
            b"test intercept::kernel_tests::a_name ... FAILED\r\n",
            b"said by a test: portreeve-vm: exit 0\r\n",
            b"NOT RUN: this kernel has none\r\n",
            b"test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out\r\n",
            b"\xff\r\n",
            b"portreeve-vm: exit 101\r\n",
        ];
        let seen: Vec<String> = lines.iter().map(|line| console.read(line)).collect();
        assert_eq!(seen[1], "test intercept::kernel_tests::a_name ... FAILED");
        assert_eq!(seen[5], "\u{fffd}");
        assert_eq!(console.up.as_deref(), Some("Linux 6.1.0, cgroup2 at /sys/fs/cgroup, 20 modules"));
        assert_eq!((console.counts.passed, console.counts.failed), (4, 1));
        assert_eq!(console.counts.failures, ["intercept::kernel_tests::a_name"]);
        assert_eq!(console.not_run, ["this kernel has none"]);
        assert_eq!(console.exit, Some(101));
    }

    #[test]
    fn a_machine_that_ended_early_has_no_exit() {
        let mut console = Console::default();
        console.read(b"portreeve-vm: up: Linux 6.1.0\n");
        console.read(b"running 20 tests\n");
        console.read(b"portreeve-vm: exi");
        assert_eq!(console.exit, None);
    }

    #[test]
    fn a_panic_is_found_in_the_kernels_words() {
        let console = "[    1.1] Run /init as init process\r\n\
                       [    1.3] Kernel panic - not syncing: Attempted to kill init! exitcode=0x100\r\n\
                       [    1.3] CPU: 0 PID: 1\r\n";
        assert_eq!(
            panic(console),
            Some("Kernel panic - not syncing: Attempted to kill init! exitcode=0x100")
        );
        assert_eq!(panic("all is well"), None);
    }

    #[test]
    fn a_tail_is_the_end_alone() {
        let console: String = (0..100).map(|n| format!("line {n}\r\n")).collect();
        let tail = tail(&console);
        assert!(tail.starts_with("\n  | line 60\n") && tail.ends_with("\n  | line 99"), "{tail}");
        let console = console.replace("line 50", "Kernel panic");
        let tail = super::tail(&console);
        assert!(tail.starts_with("\n  | line 22\n") && tail.ends_with("\n  | line 61"), "{tail}");
        assert_eq!(super::tail("one"), "\n  | one");
        assert_eq!(super::tail(""), "");
    }
}
