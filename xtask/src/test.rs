//! `cargo xtask test`: every check there is, in the order in which they fail soonest. CI runs this and nothing
//! else.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build_ebpf, conformance, e2e, fuzz,
    harness::Counts,
    layers,
    postgres::{self, MAJORS, Major},
    process::{cargo, exists, output, run as run_command, say, workspace},
    toolchain::RustSrc,
    vm,
};

/// Its arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also the interception on this kernel, as `cargo xtask vm` runs it; may be given more than once
    #[arg(long, value_name = "KERNEL")]
    vm: Vec<String>,
}

/// What came of the checks so far.
#[derive(Default)]
struct Tally(Counts);

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    let ground = e2e::ground().and_then(|()| postgres::ensure());
    tally.check("Format", || {
        component("rustfmt", "fmt")?;
        // Each is a workspace of its own, built in its own way.
        for apart in ["", "fuzz", "tests/grammar"] {
            run_command(cargo().args(["fmt", "--all", "--check"]).current_dir(workspace().join(apart)))?;
        }
        Ok(())
    });
    tally.check("Import order", layers::run);
    tally.check("Kernel side", || {
        build_ebpf::ensure(RustSrc::default())?;
        component("clippy", "clippy")?;
        build_ebpf::lint(RustSrc::default())
    });
    tally.check("Lints", || {
        let lints = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        run_command(cargo().args(lints).current_dir(workspace()))
    });
    if exists("cargo-deny") {
        tally.check("Dependencies", || {
            let deny = ["deny", "check", "bans", "licenses", "sources"];
            run_command(cargo().args(deny).current_dir(workspace()))
        });
    }
    tally.tests("Units and properties", ground.is_ok(), || {
        let mut command = cargo();
        command.args(["test", "--workspace", "--exclude", "e2e", "--no-fail-fast"]);
        command.current_dir(workspace());
        command
    });
    // The policies are tested with the program itself, and the stories run it from outside.
    tally.check("Program", || {
        run_command(cargo().args(["build", "--package", "portreeve"]).current_dir(workspace()))
    });
    tally.check("Example policies", || {
        let portreeve = ["run", "--quiet", "--package", "portreeve", "--", "policy", "test", "policies"];
        run_command(cargo().args(portreeve).current_dir(workspace()))
    });
    tally.check("Fuzz targets, for a short while", fuzz::short);
    tally.check("PostgreSQL's grammar", conformance::grammar);
    match ground {
        Ok(()) => {
            tally.tests("End to end", true, e2e::stories);
            tally.check("Conformance", conformance::quick);
            for major in [*MAJORS.start(), *MAJORS.end()] {
                tally.major(major, *MAJORS.end());
            }
        }
        Err(error) => {
            heading("End to end");
            let _ = writeln!(std::io::stderr(), "*** DID NOT RUN: {error:#} ***");
            tally.0.fail("End to end (did not run)");
        }
    }
    for kernel in &args.vm {
        tally.vm(kernel);
    }
    tally.tell()
}

impl Tally {
    /// One check.
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        let begun = heading(name);
        match check() {
            Ok(()) => {
                self.0.passed += 1;
                say(&format!("{name}: ok, {:.0} s", begun.elapsed().as_secs_f32()));
            }
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "xtask: {name}: {error:#}");
                self.0.fail(name);
            }
        }
    }

    /// Tests of cargo's, each of which counts; with the kernel and real servers where `real`.
    fn tests(&mut self, name: &str, real: bool, command: impl FnOnce() -> Command) {
        let begun = heading(name);
        let mut command = command();
        command.env("PORTREEVE_E2E", if real { "1" } else { "0" });
        // The same scripts at each run, so that a change is judged by what it changes; plain `cargo test` tries others.
        command.env("PROPTEST_RNG_SEED", "20261123");
        match self.count(&mut command) {
            Ok(true) => say(&format!("{name}: ok, {:.0} s", begun.elapsed().as_secs_f32())),
            Ok(false) => {}
            Err(error) => self.0.fail(&format!("{name}: {error:#}")),
        }
    }

    /// What differs from one major of PostgreSQL to the next, on servers of one and with clients of another.
    fn major(&mut self, server: u32, clients: u32) {
        let name = format!("PostgreSQL {server}");
        let (server, clients) = match Major::new(server).and_then(|server| Ok((server, Major::new(clients)?)))
        {
            Ok(both) => both,
            Err(error) => return self.0.fail(&format!("{name}: {error:#}")),
        };
        self.tests(&format!("{name}, what the agent reads and stores"), true, || {
            let mut command = cargo();
            command.args(["test", "--package", "portreeve", "--lib", "--", "against_a_real_server"]);
            server.run_by(command.current_dir(workspace()));
            command
        });
        self.tests(&format!("{name}, end to end, with clients of {}", clients.number()), true, || {
            let mut command = e2e::stories();
            command.args(["majors::", "conversations::"]).env("PORTREEVE_CONVERSATIONS", "40");
            server.run_by(&mut command);
            clients.run_by_jobs_of(&mut command);
            command
        });
    }

    /// The interception's tests on another kernel, each of which counts.
    fn vm(&mut self, kernel: &str) {
        let name = format!("Kernel {kernel}");
        let begun = heading(&name);
        match vm::test(kernel) {
            Ok(counts) => {
                if counts.failed == 0 {
                    say(&format!("{name}: ok, {:.0} s", begun.elapsed().as_secs_f32()));
                }
                self.0.add(counts, &name);
            }
            Err(error) => self.0.fail(&format!("{name}: {error:#}")),
        }
    }

    /// Runs it, passes its output on, and counts what the test harness says. Whether all is well.
    fn count(&mut self, command: &mut Command) -> Result<bool> {
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
        let output = child.stdout.take().context("cargo has no output")?;
        let failed_before = self.0.failed;
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            self.0.read(&line);
        }
        let status = child.wait()?;
        if !status.success() && self.0.failed == failed_before {
            // It did not compile, or a test's process died.
            bail!("{status}");
        }
        Ok(status.success())
    }

    fn tell(self) -> Result<()> {
        heading("All");
        for failure in &self.0.failures {
            println!("FAILED {failure}");
        }
        println!("{} passed, {} failed", self.0.passed, self.0.failed);
        if self.0.failed > 0 {
            bail!("not all checks passed");
        }
        Ok(())
    }
}

fn heading(name: &str) -> Instant {
    println!("\n=== {name}");
    Instant::now()
}

/// A component of the toolchain that brings a cargo command; rustup adds it where it is missing.
fn component(name: &str, command: &str) -> Result<()> {
    if output(cargo().args([command, "--version"])).is_ok() {
        return Ok(());
    }
    say(&format!("adding {name} with rustup"));
    output(Command::new("rustup").args(["component", "add", name])).map(drop).with_context(|| {
        format!("the toolchain has no {name}\ncure: `rustup component add {name}` where rustup's server can be reached")
    })
}
