//! What `portreeve doctor` says of a machine where all is well, of one where something is wrong, and of one where a
//! layer of the defence is missing.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use e2e::process::{finish, mortal, output};
use e2e::world::text;
use e2e::{Setup, World, eventually, leftovers, postgres, story};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};
use serde_json::Value;

/// What doctor said, and how it ended.
struct Told {
    code: i32,
    findings: Vec<Value>,
}

impl Told {
    /// Of the output of `portreeve doctor --format json`.
    fn read(output: &Output) -> Result<Self> {
        let told = text(&output.stdout);
        let value: Value =
            serde_json::from_str(&told).with_context(|| format!("{told}{}", text(&output.stderr)))?;
        let code = output.status.code().context("it was killed")?;
        ensure!(value["exit_code"] == code, "{code}: {told}");
        let findings = value["findings"].as_array().context("no findings")?.clone();
        Ok(Told { code, findings })
    }

    /// The findings of a check.
    fn of(&self, area: &str, check: &str) -> Vec<&Value> {
        let wanted = |finding: &&Value| finding["area"] == area && finding["check"] == check;
        self.findings.iter().filter(wanted).collect()
    }

    /// There is such a finding.
    fn has(&self, area: &str, check: &str, level: &str, what: &str) -> Result<()> {
        let found = self.of(area, check);
        let fits = |finding: &&Value| {
            let what_and_why = format!("{} {}", finding["what"], finding["why"]);
            finding["level"] == level && what_and_why.contains(what)
        };
        ensure!(found.iter().any(fits), "no {level} with {what:?} among {found:?}");
        Ok(())
    }

    /// Exactly these checks came to more than a note, and the exit code is that of the worst of them.
    ///
    /// What is of the whole machine may be of a world that stands beside this one: it is left out.
    fn came_to(&self, expect: &[(&str, &str, &str)]) -> Result<()> {
        const NEIGHBOURS: [&str; 4] =
            ["followers", "privileged-containers", "raw-containers", "uncovered-interfaces"];
        let neighbours = |finding: &&Value| {
            // Made while no daemon of ours runs, or kept from it by another one's.
            let theirs = finding["what"]
                .as_str()
                .is_some_and(|what| what.contains("are not guarded") || what.contains("does not listen in"));
            NEIGHBOURS.iter().any(|check| finding["check"] == *check)
                || (theirs && finding["level"] == "warning")
        };
        let bad = |finding: &&Value| finding["level"] == "warning" || finding["level"] == "failure";
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let (theirs, ours): (Vec<_>, Vec<_>) = self.findings.iter().filter(bad).partition(neighbours);
        let mut found: Vec<_> =
            ours.iter().map(|f| [word(f, "area"), word(f, "check"), word(f, "level")]).collect();
        found.dedup();
        let expect: Vec<_> =
            expect.iter().map(|(area, check, level)| [area, check, level].map(|&w| w.to_owned())).collect();
        ensure!(found == expect, "{ours:#?}");
        let worst = |level: &str| found.iter().any(|[.., found]| found == level);
        let code = match () {
            () if worst("failure") => 4,
            () if worst("warning") || !theirs.is_empty() => 3,
            () => 0,
        };
        ensure!(self.code == code, "{}, not {code}", self.code);
        Ok(())
    }
}

fn command(world: &World, arguments: &[&str]) -> Result<Command> {
    let mut command = world.daemon.command(&["doctor", "--format", "json", "--config"])?;
    command.arg(world.daemon.config()).args(arguments);
    Ok(command)
}

fn doctor(world: &World) -> Result<Told> {
    Told::read(&finish(&mut command(world, &[])?)?)
}

fn write_config(world: &World, change: impl FnOnce(String) -> String) -> Result<()> {
    let path = world.daemon.config();
    Ok(fs::write(&path, change(fs::read_to_string(&path)?))?)
}

#[test]
fn a_healthy_machine_is_well_and_it_is_said_what_stays_open() -> Result<()> {
    story(&Setup::default(), |world| {
        let before = world.daemon.status()?;
        let told = doctor(world)?;
        told.came_to(&[])?;
        for layer in ["redirect", "guard", "bind", "announcement", "peer-name", "syn-hold", "content-guard"] {
            told.has("layers", layer, "ok", "")?;
        }
        told.has("layers", "older-connections", "ok", "ended")?;
        told.has("layers", "interface-guard", "ok", "guarded")?;
        told.has("kernel", "programs", "ok", "connect4, connect6, guard, link")?;
        told.has("cgroup", "root", "ok", "its inode is 1")?;
        told.has("daemon", "running", "ok", "it runs (process")?;
        let served = told.of("namespaces", "served");
        let namespace = world.network.namespace();
        let holder = namespace.iter().nth(2).context("a path of /proc")?.to_string_lossy();
        let named = |finding: &&Value| finding["what"].to_string().contains(&format!("process {holder} "));
        ensure!(!served.iter().any(named), "{served:?}");
        told.has("resources", "answers", "ok", "resource \\\"shop\\\" at")?;
        ensure!(told.of("resources", "answers").len() == 2, "one for each address");
        told.has("configuration", "credentials", "ok", "shop")?;
        told.has("bypasses", "host-root", "note", "can take the programs off")?;
        told.has("bypasses", "out-of-sight", "note", "SSH")?;
        told.has("store", "configured", "note", "no central store")?;

        // Nobody has noticed it: it was taken for no job, and all is as before.
        let after = world.daemon.status()?;
        let count = |status: &Value, name: &str| status["interception"][name].as_u64().unwrap_or(0);
        ensure!(count(&before, "redirected") == count(&after, "redirected"), "{before} {after}");
        ensure!(count(&after, "own_passed") > count(&before, "own_passed"), "{before} {after}");
        ensure!(after["state"] == "running" && after["sessions"]["total"] == 0, "{after}");
        ensure!(world.rows(&["SELECT 1"])? == "1");
        let incidents = output(&mut world.daemon.audit(&["incidents"])?)?;
        ensure!(!incidents.contains("held") && !incidents.contains("unknown-connection"), "{incidents}");

        let mut table = world.daemon.command(&["doctor", "--config"])?;
        let asked = finish(table.arg(world.daemon.config()))?;
        let (table, code) = (text(&asked.stdout), asked.status.code().context("it was killed")?);
        ensure!(table.starts_with("doctor\n  ok       everything may be looked at\n"), "{table}");
        // Its own: what stands beside this world may have changed it since it was asked before.
        ensure!(table.trim_end().ends_with(&format!("(exit code {code})")), "{table}");
        Ok(())
    })
}

#[test]
fn a_daemon_that_was_killed_is_a_failure_and_what_it_left_is_told() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.kill()?;
        let told = doctor(world)?;
        told.came_to(&[("daemon", "running", "failure")])?;
        told.has("layers", "redirect", "ok", "in force")?;
        told.has("namespaces", "served", "note", "nobody listens")?;
        // Its own connections are still let through.
        told.has("resources", "answers", "ok", "shop")?;

        // A start-up script asks whether it can be started again.
        Told::read(&finish(&mut command(world, &["--before-start"])?)?)?.came_to(&[])?;
        world.daemon.start()?;
        ensure!(world.rows(&["SELECT 1"])? == "1");
        Ok(())
    })
}

#[test]
fn a_program_that_is_off_is_named_with_what_it_opens() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.kill()?;
        // Without a daemon that holds it, a link ends with its pin.
        let pins = leftovers::pin_directory(world.network.number());
        fs::remove_file(pins.join("guard_link"))?;
        let told = doctor(world)?;
        told.came_to(&[
            ("daemon", "running", "failure"),
            ("layers", "guard", "failure"),
            ("layers", "syn-hold", "warning"),
        ])?;
        told.has("layers", "guard", "failure", "raw sockets")?;
        leftovers::unpin(&pins);
        let told = doctor(world)?;
        told.has("layers", "programs", "failure", "protected connections go past")?;
        told.has("pins", "directory", "note", "nothing is pinned")?;
        ensure!(told.code == 4);
        Ok(())
    })
}

#[test]
fn a_resource_that_is_not_to_be_found_or_does_not_answer_is_a_failure() -> Result<()> {
    story(&Setup::default(), |world| {
        let [v4, _] = world.network.server();
        let credentials = world.folder().join("credentials.yaml").display().to_string();
        let more = format!(
            "resources:\n  lost: {{addresses: [\"no.such.host.invalid:5432\"], credentials: {{file: {credentials}}}}}\n  \
             mute: {{addresses: [\"{v4}:5999\"], credentials: {{file: {credentials}}}}}\n  \
             open: {{addresses: [\"10.99.0.0/16:5432\"], credentials: {{file: /no/such/file}}}}\n"
        );
        write_config(world, |config| config.replace("resources:\n", &more))?;
        let told = doctor(world)?;
        told.came_to(&[
            ("daemon", "configuration", "warning"),
            ("configuration", "credentials", "failure"),
            ("resources", "answers", "failure"),
        ])?;
        told.has(
            "resources",
            "answers",
            "failure",
            "\\\"lost\\\" at no.such.host.invalid:5432 cannot be found",
        )?;
        told.has("resources", "answers", "failure", &format!("\\\"mute\\\" at {v4}:5999 does not answer"))?;
        told.has("resources", "answers", "note", "\\\"open\\\" at 10.99.0.0/16:5432 is a network")?;
        told.has("resources", "answers", "ok", &format!("\\\"shop\\\" at {v4}:{}", postgres::PORT))?;
        told.has("configuration", "credentials", "failure", "/no/such/file")
    })
}

#[test]
fn a_server_that_does_not_speak_as_it_should_is_a_failure() -> Result<()> {
    let plain = Setup { tls: "{mode: require}".to_owned(), ..Setup::default() };
    story(&plain, |world| {
        let told = doctor(world)?;
        told.came_to(&[("resources", "answers", "failure")])?;
        told.has("resources", "answers", "failure", "speaks no TLS")
    })?;
    let tls = "{mode: verify-full, ca_file: FOLDER/tls/cert.pem, server_name: other.example}";
    story(&Setup { tls: tls.to_owned(), ..Setup::default() }.with_certificate(), |world| {
        doctor(world)?.has("resources", "answers", "failure", "answers, and TLS fails")
    })?;
    story(&Setup::default().with_certificate(), |world| {
        let told = doctor(world)?;
        told.came_to(&[])?;
        told.has("configuration", "clear-text", "note", "CAP_NET_RAW in a job's network namespace")?;
        told.has("resources", "answers", "note", "could speak TLS")
    })
}

#[test]
fn a_store_that_is_down_makes_records_wait() -> Result<()> {
    story(&Setup { store: true, ..Setup::default() }, |world| {
        doctor(world)?.has("store", "answers", "ok", "answers")?;
        world.store()?.server.crash();
        let told = doctor(world)?;
        told.has("store", "answers", "warning", "records wait on disk")?;
        ensure!(told.code == 3, "{}", told.code);
        Ok(())
    })
}

#[test]
fn a_configuration_that_is_not_understood_is_told_with_its_place() -> Result<()> {
    story(&Setup::default(), |world| {
        world.write_policy("version: 1\nrules:\n  - { name: x, actions: [slect], decision: deny }\n")?;
        let told = doctor(world)?;
        told.came_to(&[("configuration", "policies", "failure")])?;
        told.has("configuration", "policies", "failure", "policy.yaml:3:")?;
        write_config(world, |config| format!("{config}sesions: {{}}\n"))?;
        let told = doctor(world)?;
        told.has("configuration", "file", "failure", "did you mean `sessions`?")?;
        ensure!(told.code == 4);
        fs::remove_file(world.daemon.config())?;
        doctor(world)?.has("configuration", "file", "failure", "No such file")
    })
}

#[test]
fn who_is_not_root_is_told_what_could_not_be_looked_at() -> Result<()> {
    story(&Setup::default(), |world| {
        let command = command(world, &[])?;
        let mut as_job = Command::new("setpriv");
        as_job.args(["--reuid", "20001", "--regid", "20001", "--clear-groups", "--inh-caps=-all", "--"]);
        as_job.arg(command.get_program()).args(command.get_args());
        let told = Told::read(&finish(&mut as_job)?)?;
        told.came_to(&[("doctor", "privileges", "warning")])?;
        told.has("doctor", "privileges", "warning", "CAP_BPF")?;
        for (area, check) in [("kernel", "programs"), ("pins", "directory"), ("configuration", "credentials")]
        {
            told.has(area, check, "note", "could not be looked at")?;
        }
        // It would have been taken for a job.
        told.has("resources", "answers", "note", "was not asked")?;
        ensure!(world.daemon.status()?["interception"]["redirected"] == 0, "it was taken for a job");
        Ok(())
    })
}

#[test]
fn without_a_view_of_the_pins_the_daemon_is_believed_and_no_server_is_asked() -> Result<()> {
    story(&Setup::default(), |world| {
        let command = command(world, &[])?;
        let mut hidden = Command::new("unshare");
        hidden.args(["--mount", "sh", "-c", "umount /sys/fs/bpf && exec \"$@\"", "sh"]);
        hidden.arg(command.get_program()).args(command.get_args());
        let told = Told::read(&finish(&mut hidden)?)?;
        told.came_to(&[("pins", "file-system", "warning"), ("resources", "answers", "warning")])?;
        told.has("pins", "file-system", "warning", "another mount namespace")?;
        told.has("layers", "programs", "note", "the daemon says that all programs are in force")?;
        told.has("resources", "answers", "warning", "whose pins are not in")?;
        ensure!(world.daemon.status()?["interception"]["redirected"] == 0, "it was taken for a job");
        Ok(())
    })
}

#[test]
fn a_container_with_the_capabilities_of_the_machine_is_named() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut container = mortal("KILL", "unshare");
        container.args(["--pid", "--fork", "--kill-child", "sleep", "1234567"]);
        let mut container = container.stdin(Stdio::null()).spawn()?;
        let named = eventually("it is named", || {
            doctor(world)?.has("bypasses", "privileged-containers", "warning", "sleep (pid ")
        });
        container.kill()?;
        container.wait()?;
        named
    })
}

/// A system call that fails in this way if its arguments are these.
struct Denied {
    call: i64,
    arguments: &'static [(u8, u64)],
    errno: i32,
}

/// Programs cannot be attached by a link: of what doctor tries, that to an interface. It is what a kernel says that
/// does not know the place.
const NO_TCX: Denied = Denied { call: libc::SYS_bpf, arguments: &[(0, 28)], errno: libc::EINVAL };
/// Nobody may ask for interfaces (`AF_NETLINK`, `NETLINK_ROUTE`), as in some sandboxes.
const NO_INTERFACES: Denied =
    Denied { call: libc::SYS_socket, arguments: &[(0, 16), (2, 0)], errno: libc::EAFNOSUPPORT };

/// Denies it to this thread and what it starts.
fn restrict(Denied { call, arguments, errno }: &Denied) -> Result<()> {
    let condition = |(at, value): &(u8, u64)| SeccompCondition::new(*at, Length::Dword, Compare::Eq, *value);
    let conditions = arguments.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
    let filter = SeccompFilter::new(
        [(*call, vec![SeccompRule::new(conditions)?])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.cast_unsigned()),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?;
    Ok(apply_filter(&BpfProgram::try_from(filter)?)?)
}

#[test]
fn before_the_start_a_kernel_without_tcx_is_told_to_lack_a_layer() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.stop()?;
        let mut command = command(world, &["--before-start"])?;
        let restricted = thread::spawn(move || {
            restrict(&NO_TCX)?;
            finish(&mut command)
        });
        let output = restricted.join().map_err(|_| anyhow::anyhow!("the thread failed"))??;
        let told = Told::read(&output)?;
        told.came_to(&[("layers", "interface-guard", "warning")])?;
        told.has("kernel", "tcx", "note", "it has no tcx, which takes Linux 6.6")?;
        told.has("layers", "interface-guard", "warning", "raw sockets of containers")?;
        told.has("daemon", "running", "ok", "it does not run yet")
    })
}

#[test]
fn a_daemon_that_had_to_leave_a_layer_out_says_so() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.stop()?;
        let mut command = command(world, &[])?;
        let daemon = &mut world.daemon;
        let output = thread::scope(|scope| {
            // The daemon is killed when the thread that started it ends.
            let (started, running) = channel();
            let (_done, wait) = channel::<()>();
            scope.spawn(move || {
                let result = restrict(&NO_INTERFACES).and_then(|()| daemon.start());
                drop(started.send(result));
                let _ = wait.recv();
            });
            running.recv()??;
            finish(&mut command)
        })?;
        let told = Told::read(&output)?;
        told.came_to(&[("layers", "interface-guard", "warning")])?;
        told.has("kernel", "tcx", "ok", "can be attached")?;
        told.has(
            "layers",
            "interface-guard",
            "warning",
            "the daemon could not put it in place: Address family",
        )
    })
}
