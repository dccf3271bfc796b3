//! One run of the machine, and what to make of how it ended.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{
    console::{self, Console},
    machine::{Accelerator, End, Machine},
};
use crate::{harness::Counts, process::say};

/// A machine that was run.
pub(super) struct Attempt {
    console: Console,
    end: End,
    accelerator: Accelerator,
    took: Duration,
}

impl Attempt {
    /// Runs it, and shows what the tests say.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started.
    pub(super) fn new(machine: &Machine<'_>) -> Result<Self> {
        let begun = Instant::now();
        let accelerator = machine.accelerator;
        say(&format!(
            "booting with {}; the kernel's console goes to {}",
            accelerator.name(),
            machine.log.display()
        ));
        let mut console = Console::default();
        let end = machine.run(&mut console, |line| println!("{line}"))?;
        Ok(Self { console, end, accelerator, took: begun.elapsed() })
    }

    /// Whether its first process came so far that the tests began.
    pub(super) fn is_up(&self) -> bool {
        self.console.up.is_some()
    }

    /// What came of it.
    ///
    /// # Errors
    ///
    /// The tests did not come to their end; with why, as far as the kernel's console tells.
    pub(super) fn tell(self, log: &Path) -> Result<Counts> {
        let Console { up, exit, counts, not_run } = self.console;
        match (exit, self.end) {
            (Some(0), _) if counts.passed > 0 && counts.failed == 0 => {}
            (Some(_), _) if counts.failed > 0 => {}
            (Some(0), _) => bail!("no test has run; is the filter right?"),
            (Some(status), _) => bail!("the tests ended with status {status} and no result{}", end_of(log)),
            (None, End::Late(limit)) => {
                let what = if up.is_none() {
                    "the kernel did not come up"
                } else {
                    "the tests did not come to an end"
                };
                bail!("{what} within {} s{}", limit.as_secs(), end_of(log))
            }
            (None, End::Off(status)) => match console::panic(&console::log(log)) {
                Some(panic) => bail!("{panic}{}", end_of(log)),
                None => bail!("the machine ended before the tests did (QEMU: {status}){}", end_of(log)),
            },
        }
        for why in &not_run {
            say(&format!("one that passed did nothing: {why}"));
        }
        say(&format!(
            "{}, {}: {} passed, {} failed, {:.0} s",
            up.unwrap_or_default(),
            self.accelerator.name(),
            counts.passed,
            counts.failed,
            self.took.as_secs_f32()
        ));
        Ok(counts)
    }
}

fn end_of(log: &Path) -> String {
    let console = console::log(log);
    if console.trim().is_empty() {
        return "; the kernel said nothing".to_owned();
    }
    format!("\nthe end of the kernel's console (all of it: {}):{}", log.display(), console::tail(&console))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is told of a machine that said these things and ended so.
    fn told(port: &str, kernel: &str, end: End) -> Result<Counts> {
        let mut console = Console::default();
        for line in port.lines() {
            console.read(line.as_bytes());
        }
        let log = tempfile::NamedTempFile::new()?;
        fs::write(&log, kernel)?;
        let took = Duration::from_secs(7);
        Attempt { console, end, accelerator: Accelerator::Tcg, took }.tell(log.path())
    }

    #[track_caller]
    fn fails(port: &str, kernel: &str, end: End, expect: &[&str]) {
        let error = told(port, kernel, end).unwrap_err().to_string();
        assert!(expect.iter().all(|part| error.contains(part)), "{error}");
    }

    fn off() -> End {
        End::Off("exit status: 0".to_owned())
    }

    const UP: &str = "portreeve-vm: up: Linux 6.1.0\n";

    #[test]
    fn tests_that_came_to_their_end_are_counted() {
        let passed = "test result: ok. 3 passed; 0 failed;\nportreeve-vm: exit 0\n";
        assert_eq!(told(&format!("{UP}{passed}"), "", off()).unwrap().passed, 3);
        let failed = "test a ... FAILED\ntest result: FAILED. 2 passed; 1 failed;\nportreeve-vm: exit 101\n";
        let counts = told(&format!("{UP}{failed}"), "", off()).unwrap();
        assert_eq!((counts.passed, counts.failed, counts.failures), (2, 1, vec!["a".to_owned()]));
    }

    #[test]
    fn a_filter_that_names_no_test_is_no_success() {
        let none = "test result: ok. 0 passed; 0 failed;\nportreeve-vm: exit 0\n";
        fails(&format!("{UP}{none}"), "", off(), &["no test has run"]);
    }

    #[test]
    fn tests_that_died_are_told_with_their_status() {
        let died = "running 3 tests\nportreeve-vm: exit 139\n";
        fails(&format!("{UP}{died}"), "segfault at 0", off(), &["status 139", "| segfault at 0"]);
    }

    #[test]
    fn a_kernel_that_panicked_is_told_with_its_console() {
        let console = "BUG: of ours\r\n[ 1.3] Kernel panic - not syncing: Fatal exception\r\n";
        let expect = ["Kernel panic - not syncing: Fatal exception\n", "| BUG: of ours"];
        fails(UP, console, off(), &expect);
    }

    #[test]
    fn a_machine_that_hung_is_told_from_one_that_never_came_up() {
        let late = || End::Late(Duration::from_secs(120));
        fails("", "Run /init", late(), &["the kernel did not come up within 120 s", "| Run /init"]);
        fails(UP, "", late(), &["the tests did not come to an end within 120 s", "the kernel said nothing"]);
    }

    #[test]
    fn what_qemu_says_is_told_when_the_machine_just_ends() {
        let end = End::Off("exit status: 1; no such kernel".to_owned());
        fails("", "", end, &["QEMU: exit status: 1; no such kernel"]);
    }
}
