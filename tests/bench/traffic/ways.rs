//! The ways from pgbench to the server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use e2e::World;
use e2e::postgres::{PORT, programs};
use e2e::world::{JOB_UID, PASSWORD, ROLE};

use super::MASKED_UID;
use super::bouncer::Bouncer;
use super::relay::Relay;

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Nothing between, over an address of the server that is not protected.
    Direct,
    /// Through the plain relay.
    Relay,
    /// Through pgbouncer.
    Bouncer,
    /// Through Portreeve, nothing masked for this job.
    Portreeve,
    /// Through Portreeve, with a column masked that this job does not read.
    Masked,
    /// Through Portreeve, spoken to by TLS, as libpq does where it is not told otherwise. All others are in clear text, the
    /// server too.
    Tls,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::Relay => "relay",
            Way::Bouncer => "pgbouncer",
            Way::Portreeve => "portreeve",
            Way::Masked => "portreeve+masks",
            Way::Tls => "portreeve+tls",
        }
    }
}

/// Everything that stands between, running.
#[derive(Debug)]
pub(crate) struct Ways {
    direct: SocketAddr,
    protected: SocketAddr,
    relay: Relay,
    bouncer: Option<Bouncer>,
}

impl Ways {
    /// Gives the server its second address and starts the others in front of it.
    ///
    /// # Errors
    ///
    /// What this machine does not give.
    pub(crate) fn open(world: &World) -> Result<Self> {
        let [_, v6] = world.network.server();
        let direct = SocketAddr::new(world.network.add_address()?, PORT);
        let bouncer = Bouncer::start(world.folder(), direct)?;
        if bouncer.is_none() {
            println!("pgbouncer is not installed: it is left out");
        }
        let relay = Relay::start(direct)?;
        Ok(Ways { direct, protected: SocketAddr::new(v6, PORT), relay, bouncer })
    }

    /// All that are there.
    pub(crate) fn all(&self) -> impl Iterator<Item = Way> {
        [Way::Direct, Way::Relay, Way::Bouncer, Way::Portreeve, Way::Masked, Way::Tls]
            .into_iter()
            .filter(|way| *way != Way::Bouncer || self.bouncer.is_some())
    }

    /// pgbench on this way, as a job that is like those of the other ways.
    ///
    /// # Errors
    ///
    /// PostgreSQL is not installed.
    pub(crate) fn pgbench(&self, world: &World, way: Way) -> Result<Command> {
        Ok(self.job(world, way, &programs()?.join("pgbench")))
    }

    /// psql on this way.
    pub(crate) fn psql(&self, world: &World, way: Way) -> Command {
        let mut command = self.job(world, way, Path::new("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]);
        command
    }

    fn job(&self, world: &World, way: Way, program: &Path) -> Command {
        let (address, uid) = match way {
            Way::Direct => (self.direct, JOB_UID),
            Way::Relay => (self.relay.address, JOB_UID),
            Way::Bouncer => (self.bouncer.as_ref().map_or(self.direct, |bouncer| bouncer.address), JOB_UID),
            Way::Portreeve | Way::Tls => (self.protected, JOB_UID),
            Way::Masked => (self.protected, MASKED_UID),
        };
        let mut command = world.job_of(uid).command(program);
        command
            .env("PGHOST", address.ip().to_string())
            .env("PGPORT", address.port().to_string())
            .env("PGDATABASE", "shop")
            .env("PGUSER", ROLE)
            .env("PGSSLMODE", if way == Way::Tls { "require" } else { "disable" })
            // On the two ways through Portreeve nobody asks for it.
            .env("PGPASSWORD", PASSWORD);
        command
    }

    /// The process in the middle.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub(crate) fn process(&self, world: &World, way: Way) -> Result<Option<u32>> {
        Ok(match way {
            Way::Direct => None,
            Way::Relay => Some(self.relay.process()),
            Way::Bouncer => self.bouncer.as_ref().map(Bouncer::process),
            Way::Portreeve | Way::Masked | Way::Tls => Some(world.daemon.child()?.id()),
        })
    }
}
