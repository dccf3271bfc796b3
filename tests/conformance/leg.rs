//! One of the two ways from a suite to its server.

use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use e2e::patience::within;
use e2e::{Setup, World};

use crate::arguments::Arguments;
use crate::neutral::without_numbers;

/// The role that both ways log in as: the superuser that many suites have in their texts.
pub(crate) const ROLE: &str = "postgres";

/// Its password: not every client's texts quote it.
pub(crate) const PASSWORD: &str = "battery-staple";

/// Who is let in how: the superuser over TCP, too. Clients are asked for no password on either way, and so those that
/// know no SCRAM are compared as well.
fn rules(way: Way) -> String {
    let over_tcp = match way {
        Way::Direct => "trust",
        // Of Portreeve.
        Way::Through => "scram-sha-256",
    };
    format!("local all all trust\nhost all all all {over_tcp}\n")
}

/// How long a program of a suite may take: one that waits for ever is a difference too.
const LONGEST: Duration = Duration::from_secs(1800);

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To an address of the server that is not protected.
    Direct,
    /// To its protected address.
    Through,
}

impl Way {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::Through => "through Portreeve",
        }
    }

    /// The same as a folder's name.
    fn folder(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::Through => "through",
        }
    }
}

/// A way with a server of its own at its end. The daemon runs for both, so that both machines are alike.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) world: World,
    way: Way,
    address: IpAddr,
    results: PathBuf,
}

impl Leg {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// What this machine does not give.
    pub(crate) fn new(way: Way, arguments: &Arguments) -> Result<Self> {
        let setup = Setup {
            database: String::new(),
            server: [
                "listen_addresses=*",
                "log_statement=none",
                "log_connections=off",
                "shared_buffers=128MB",
            ]
            .map(str::to_owned)
            .to_vec(),
            config: "evidence: {directory: FOLDER/evidence, disk_budget: 8GiB}\n".to_owned(),
            // As a client sees it: Portreeve speaks TLS to whoever asks.
            certificate: true,
            ..Setup::default()
        };
        let mut world = World::new(&setup)?;
        let_in_superuser(&mut world, way)?;
        let [protected, _] = world.network.server();
        let address = match way {
            // Of the same kind: not every client's texts have room for IPv6.
            Way::Direct => world.network.add_address_v4()?,
            Way::Through => protected,
        };
        let results = arguments.results()?.join(way.folder());
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        fs::create_dir_all(&results)?;
        Ok(Leg { world, way, address, results })
    }

    /// A folder of that name which the job and the server may write to.
    ///
    /// # Errors
    ///
    /// It is there already.
    pub(crate) fn shared_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.world.folder().join(name);
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        Ok(folder)
    }

    /// Where the server is.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// A command of the job, which finds the server as every client of `libpq` does.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, database: &str) -> Command {
        let mut command = self.world.job().command(program);
        command
            .env("PGHOST", self.address.to_string())
            .env("PGPORT", self.world.port().to_string())
            .env("PGUSER", ROLE)
            // Nobody asks for it on the way through Portreeve.
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", database);
        command
    }

    /// What is only in one world or one run, such as addresses, in words for both.
    pub(crate) fn neutral(&self, text: &str) -> String {
        let text = text
            .replace(&self.world.folder().display().to_string(), "FOLDER")
            .replace(&self.address.to_string(), "ADDRESS");
        without_numbers(&text)
    }

    /// Keeps a file for a look at it afterwards.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn keep(&self, name: &str, text: &str) -> Result<()> {
        let path = self.results.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Sees to it that the way was the one that is meant.
    ///
    /// # Errors
    ///
    /// It was the other.
    pub(crate) fn check(&self) -> Result<()> {
        let sessions = self.world.daemon.status()?["sessions"]["total"].as_u64().unwrap_or(0);
        match (self.way, sessions) {
            (Way::Direct, 0) | (Way::Through, 1..) => Ok(()),
            (way, sessions) => bail!("{sessions} sessions through the daemon are not {}", way.name()),
        }
    }

    /// Keeps what the daemon and the server logged.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn keep_log(&self) -> Result<()> {
        self.keep("daemon.log", &self.world.daemon.log())?;
        self.keep("server.log", &self.world.server.log())
    }
}

/// Makes the server's superuser the role that the daemon logs in as.
fn let_in_superuser(world: &mut World, way: Way) -> Result<()> {
    fs::write(world.server.folder().join("data/pg_hba.conf"), rules(way))?;
    world.server.sql("postgres", &format!("ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'"))?;
    world.server.sql("postgres", "SELECT pg_reload_conf()")?;
    fs::write(world.folder().join("credentials.yaml"), format!("role: {ROLE}\npassword: {PASSWORD}\n"))?;
    world.daemon.stop()?;
    world.daemon.start()
}

/// Runs a program to its end, or ends it after a long time; its output goes to a file.
///
/// # Errors
///
/// It cannot be started.
pub(crate) fn run_into(command: &mut Command, output: &Path) -> Result<ExitStatus> {
    let file = fs::File::create(output)?;
    let mut child = command.stdout(file.try_clone()?).stderr(file).spawn().context("cannot start it")?;
    let ended = within(LONGEST, "the program ends", || match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        other => Err(format!("{other:?}")),
    });
    if ended.is_err() {
        child.kill()?;
        return Ok(child.wait()?);
    }
    ended
}
