//! A connection, and a packet of it: without the programs, beside them, and redirected.
//!
//! Everything goes over loopback: the client's thread on one CPU, who accepts on another (a thread of ours, or the
//! daemon). Within a round each leg has its turn, in another order each time; that none is attached means that the
//! daemon was stopped and its programs released. A leg's figure is compared with that of its own round.

mod arguments;
mod connects;
mod far_end;
mod hooks;
mod programs;
mod report;
mod round_trips;

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use e2e::{Setup, World};

use self::arguments::Arguments;
use self::connects::{Pace, To};
use self::far_end::FarEnd;
use self::hooks::Hooks;
use self::programs::Profile;
use self::report::{Operation, Report, Way};
use crate::cpu;

/// So often each leg has its turn while the kernel takes the programs' time, which itself costs time: not in the
/// rounds.
const PROFILED: usize = 3;

/// What has its turn in a round: an operation on one of the ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leg {
    /// Connections that nobody redirects.
    Connect,
    /// Connections to what is protected.
    ConnectProtected,
    /// Round trips of one byte over an established connection.
    Tcp,
    /// Round trips of datagrams of one byte.
    Udp,
}

impl Leg {
    const ALL: [Leg; 4] = [Leg::Connect, Leg::ConnectProtected, Leg::Tcp, Leg::Udp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Leg::Connect => "not redirected",
            Leg::ConnectProtected => "redirected",
            Leg::Tcp => "TCP round trip",
            Leg::Udp => "UDP round trip",
        }
    }

    fn way(self, attached: bool) -> Way {
        match self {
            Leg::ConnectProtected => Way::Redirected,
            _ if attached => Way::Beside,
            _ => Way::Without,
        }
    }
}

/// The benchmark.
///
/// # Errors
///
/// What this machine does not give, or unknown arguments.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::parse(words)?;
    let cpus = cpu::allowed()?;
    let (near, far) = (*cpus.first().context("no CPU")?, *cpus.last().context("no CPU")?);
    let mut world = World::new(&Setup::default())?;
    let far_end = FarEnd::start(far)?;
    let bench = Bench { protected: world.destination(), far_end, near, count: arguments.connects };
    let mut hooks = Hooks::new(&mut world, far);
    let mut report = Report::default();
    for round in 0..arguments.rounds {
        // Two rounds meet with the programs as they are.
        let attached = round % 2 == 1;
        for attached in [attached, !attached] {
            report.others = report.others.max(hooks.set(attached)?);
            for leg in turn(attached, round / 2) {
                for (operation, taken) in bench.measure(leg).with_context(|| leg.name())? {
                    report.add(operation, leg.way(attached), taken)?;
                }
            }
        }
        if (round + 1) % 5 == 0 || round + 1 == arguments.rounds {
            println!("round {} of {} is over", round + 1, arguments.rounds);
        }
    }
    hooks.set(true)?;
    let profile = profile(&bench, &hooks)?;
    println!("\n{}\n{}\n{}", report.table(), profile.table(), report.verdict());
    if let Some(file) = &arguments.json {
        let figures = serde_json::json!({ "measured": report.json(), "programs": profile.json() });
        std::fs::write(file, figures.to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The legs in the order of that turn.
fn turn(attached: bool, number: usize) -> Vec<Leg> {
    let mut legs = Leg::ALL.to_vec();
    legs.retain(|leg| attached || *leg != Leg::ConnectProtected);
    let first = number % legs.len();
    legs.rotate_left(first);
    legs
}

fn profile(bench: &Bench, hooks: &Hooks<'_>) -> Result<Profile> {
    let mut profile = Profile::begin(hooks.pins())?;
    for _ in 0..PROFILED {
        for leg in Leg::ALL {
            profile.measure(leg, bench.operations(leg), || bench.measure(leg).map(drop))?;
        }
    }
    Ok(profile)
}

/// What stays the same in all rounds.
struct Bench {
    protected: SocketAddr,
    far_end: FarEnd,
    /// The client's CPU.
    near: usize,
    /// How often each leg does its operation in a round.
    count: usize,
}

impl Bench {
    /// How many operations that makes, with those that are not timed.
    fn operations(&self, leg: Leg) -> usize {
        match leg {
            Leg::Connect | Leg::ConnectProtected => {
                connects::made(self.count) + connects::made(self.awaited())
            }
            Leg::Tcp | Leg::Udp => round_trips::BEFORE + self.count,
        }
    }

    /// Lets a leg have its turn, on a thread that keeps to the client's CPU: what each operation took, in nanoseconds.
    fn measure(&self, leg: Leg) -> Result<Vec<(Operation, Vec<f64>)>> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                cpu::pin(self.near)?;
                match leg {
                    Leg::Connect => self.connect(To::FarEnd(&self.far_end)),
                    Leg::ConnectProtected => self.connect(To::Protected(self.protected)),
                    Leg::Tcp => Ok(vec![(Operation::Tcp, round_trips::tcp(self.count)?)]),
                    Leg::Udp => Ok(vec![(Operation::Udp, round_trips::udp(self.count)?)]),
                }
            });
            thread.join().unwrap_or_else(|_| bail!("the thread that measures has died"))
        })
    }

    fn connect(&self, to: To<'_>) -> Result<Vec<(Operation, Vec<f64>)>> {
        let mut measured = connects::measure(to, Pace::Queued, self.count)?;
        measured.extend(connects::measure(to, Pace::Awaited, self.awaited())?);
        Ok(measured)
    }

    /// How many of the connections that somebody waits for: they take longer.
    fn awaited(&self) -> usize {
        self.count / 4
    }
}
