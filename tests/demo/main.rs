//! The main job from end to end, told and checked: what `cargo xtask demo` runs.
//!
//! Every outcome is checked as well as shown: the demo fails where Portreeve does not do what it tells.

mod evidence;
mod job;
mod teller;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use e2e::postgres::PORT;
use e2e::world::ROLE;
use e2e::{Job, Setup, World};
use teller::{note, print_line};
use tokio::signal::unix::{SignalKind, signal};

/// `nobody`, on every Debian.
const NOBODY: u32 = 65_534;

/// What the chapters share.
struct Demo {
    world: World,
    job: Job,
    address: String,
}

fn main() -> ExitCode {
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => {
            let _ = writeln!(std::io::stderr(), "demo: unknown argument {other}; there is --keep");
            return ExitCode::FAILURE;
        }
    };
    match run(keep) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "\nthe demo FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(keep: bool) -> Result<()> {
    note(
        "starting two PostgreSQL servers, each in a network namespace of its own, and the daemon with its eBPF",
    );
    let setup = Setup { first: Some(0), store: true, ..Setup::policy(include_str!("policy.yaml")) };
    let world = World::new(&setup)?;
    let job = Job { gid: NOBODY, ..world.job_of(NOBODY) };
    let demo = Demo { address: world.address(), job, world };
    let told = tell(&demo);
    if told.is_err() {
        let _ = writeln!(std::io::stderr(), "--- the daemon's log\n{}---", demo.world.daemon.log());
    }
    told?;
    if keep { leave_running(demo) } else { Ok(()) }
}

fn tell(demo: &Demo) -> Result<()> {
    introduce(demo)?;
    job::masked_read(demo)?;
    job::allowed_write(demo)?;
    job::refused_drop(demo)?;
    job::held_delete(demo)?;
    job::what_the_server_saw(demo)?;
    let session = evidence::sessions(demo)?;
    evidence::replay(demo, &session)?;
    evidence::verify(demo)?;
    evidence::edited(demo)?;
    evidence::recomputed(demo)?;
    evidence::stored(demo)?;
    println!("\nEverything came out as it should.");
    Ok(())
}

fn introduce(demo: &Demo) -> Result<()> {
    let [v4, v6] = demo.world.network.server();
    note(&format!(
        "the protected database: shop on {v4} and [{v6}], port {PORT}; only {ROLE} can log in there,"
    ));
    note("and only the daemon knows its password");
    if let Some(store) = &demo.world.store {
        note(&format!("the central store: {}", store.auditor()));
    }
    note(&format!("the job: psql as user nobody, with {}", demo.address));
    note(&format!(
        "the policy: tests/demo/policy.yaml; the daemon's files: {}",
        demo.world.folder().display()
    ));
    if demo.world.daemon.status()?["state"] != "running" {
        bail!("the daemon does not say that it is running");
    }
    Ok(())
}

/// Hands the world over to whoever watches, until Enter or a signal.
fn leave_running(demo: Demo) -> Result<()> {
    let program = e2e::process::portreeve()?;
    let program = program.display();
    let (socket, evidence) = (demo.world.daemon.socket(), demo.world.daemon.evidence());
    let store = demo.world.store.as_ref().map(e2e::Store::auditor).unwrap_or_default();
    println!("\nIt is left running. Try, in another terminal of root:");
    for line in [
        format!("setpriv --reuid nobody --regid nogroup --clear-groups psql {}", demo.address),
        format!("{program} status --socket {}", socket.display()),
        format!("{program} approvals list --socket {}", socket.display()),
        format!("{program} approvals approve ID --socket {}", socket.display()),
        format!("{program} audit sessions --from {}", evidence.display()),
        format!("PGPASSWORD='{}' {program} audit sessions --from {store}", e2e::store::PASSWORD),
        format!("{program} audit replay SESSION --from {}", evidence.display()),
        format!("{program} audit verify --from {}", evidence.display()),
        format!(
            "vi {0}/policy.yaml; {program} reload --socket {1}",
            demo.world.folder().display(),
            socket.display()
        ),
    ] {
        print_line(&line);
    }
    println!("Enter or Ctrl-C ends it and cleans up.");
    let (entered, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Without a terminal there is no line to wait for: then a signal ends it.
        if std::io::stdin().read_line(&mut String::new()).is_ok_and(|length| length > 0) {
            let _ = entered.send(());
        } else {
            std::mem::forget(entered);
        }
    });
    demo.world.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = line => {}
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
