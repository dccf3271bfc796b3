//! A throwaway PostgreSQL server, Debian's or another that we are told to run, in a folder and a network namespace of its own.
//!
//! Setup goes over a Unix socket in the folder, which no hook sees; over TCP it asks for a password, as a real one
//! does.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::eventually;
use crate::network::Network;
use crate::process::{build_folder, finish, mortal, output, signal};

/// The port of nearly all servers, each on an address of its own.
pub const PORT: u16 = 5432;

/// The superuser, who is let in over the Unix socket alone.
const SUPERUSER: &str = "postgres";

const RULES: &str = "\
local all all trust\n\
local replication all trust\n\
host all postgres all reject\n\
host all,replication all all scram-sha-256\n";

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    addresses: String,
    port: u16,
    namespace: PathBuf,
    settings: Vec<String>,
    child: Child,
}

impl Server {
    /// Starts a new cluster in `folder`, listening in the network's namespace.
    ///
    /// # Errors
    ///
    /// There is no PostgreSQL, or it does not start: with what it said.
    pub fn start(folder: &Path, network: &Network, port: u16, settings: &[String]) -> Result<Self> {
        let addresses = network.server().map(|address| address.to_string()).join(",");
        Self::start_inside(folder, network.namespace(), addresses, port, settings)
    }

    /// The same on these addresses, separated by commas, of any network namespace.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_inside(
        folder: &Path,
        namespace: PathBuf,
        addresses: String,
        port: u16,
        settings: &[String],
    ) -> Result<Self> {
        let programs = programs()?;
        fs::create_dir(folder)?;
        let data = folder.join("data");
        output(Command::new("cp").args(["-a", "--reflink=auto"]).arg(template(&programs)?).arg(&data))?;
        fs::write(data.join("pg_hba.conf"), RULES)?;
        let (uid, gid) = owner()?;
        output(Command::new("chown").arg("-R").arg(format!("{uid}:{gid}")).arg(folder))?;
        let child = spawn(folder, &programs, &addresses, port, &namespace, settings)?;
        let settings = settings.to_vec();
        let mut server =
            Server { folder: folder.to_owned(), programs, addresses, port, namespace, settings, child };
        server.wait_ready()?;
        Ok(server)
    }

    fn wait_ready(&mut self) -> Result<()> {
        eventually("PostgreSQL takes connections", || {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended: {status}\n{}", self.log());
            }
            self.sql("postgres", "SELECT 1").map(drop)
        })
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        // SIGQUIT: the postmaster takes its children with it.
        let _ = signal(&self.child, Signal::QUIT);
        let _ = self.child.wait();
    }

    /// Starts it again on what is there.
    ///
    /// # Errors
    ///
    /// It does not come back.
    pub fn start_again(&mut self) -> Result<()> {
        let Server { folder, programs, addresses, port, namespace, settings, .. } = self;
        self.child = spawn(folder, programs, addresses, *port, namespace, settings)?;
        self.wait_ready()
    }

    /// Where its socket, its log and its data are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// psql of the superuser past Portreeve, with nothing but rows in its output.
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .env_clear()
            .env("LANG", "C.UTF-8")
            .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", database])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(&self.folder);
        command
    }

    /// Runs statements as the superuser, past Portreeve, and gives their rows.
    ///
    /// # Errors
    ///
    /// One of them fails.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let rows = output(self.psql(database).args(["-q", "-c", statements]))?;
        Ok(rows.trim_end().to_owned())
    }

    /// Lets others in by these lines of pg_hba.conf alone, from the next connection on.
    ///
    /// # Errors
    ///
    /// They cannot be written, or are not understood.
    pub fn let_in(&self, rules: &str) -> Result<()> {
        fs::write(self.folder.join("data/pg_hba.conf"), format!("local all all trust\n{rules}\n"))?;
        let wrong = "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL";
        let wrong = self.sql("postgres", wrong)?;
        if !wrong.is_empty() {
            bail!("{rules}: {wrong}");
        }
        self.reload()
    }

    /// Has it read its settings, rules and certificates again, for the next connections.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn reload(&self) -> Result<()> {
        let loaded = || self.sql("postgres", "SELECT pg_conf_load_time()");
        let before = loaded()?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        eventually("the server has read its settings", || match loaded()? {
            now if now == before => bail!("{now}"),
            _ => Ok(()),
        })
    }

    /// Waits until it runs so many statements like this (a pattern of LIKE).
    ///
    /// # Errors
    ///
    /// It does not, or cannot be asked.
    pub fn runs(&self, like: &str, count: usize) -> Result<()> {
        let of = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()";
        eventually("the server runs the statements", || {
            match self.sql("postgres", &format!("{of} AND query LIKE '{like}'"))? {
                found if found == count.to_string() => Ok(()),
                found => bail!("{found} run"),
            }
        })
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// What the server has logged: every connection and every statement.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

fn spawn(
    folder: &Path,
    programs: &Path,
    addresses: &str,
    port: u16,
    namespace: &Path,
    settings: &[String],
) -> Result<Child> {
    let (uid, gid) = owner()?;
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    let mut command = mortal("QUIT", "nsenter");
    command
        .arg(format!("--net={}", namespace.display()))
        .args(["--", "setpriv", "--pdeathsig", "QUIT", "--reuid", &uid.to_string(), "--regid"])
        .args([&gid.to_string(), "--clear-groups", "--"])
        .arg(programs.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder);
    let port = format!("port={port}");
    let listen = format!("listen_addresses={addresses}");
    let fixed = [
        &*listen,
        &*port,
        "fsync=off",
        "max_connections=60",
        "shared_buffers=16MB",
        "log_statement=all",
        "log_connections=on",
        "log_line_prefix=%p %u@%d ",
        "logging_collector=off",
    ];
    for setting in fixed.into_iter().chain(settings.iter().map(String::as_str)) {
        command.args(["-c", setting]);
    }
    command
        .current_dir("/")
        .env_clear()
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start PostgreSQL")
}

/// The programs that we are told to run (`PORTREEVE_POSTGRESQL`), else those of the newest PostgreSQL that is
/// installed.
///
/// # Errors
///
/// There are none; with the cure.
pub fn programs() -> Result<PathBuf> {
    if let Some(told) = std::env::var_os("PORTREEVE_POSTGRESQL") {
        return Ok(told.into());
    }
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("postgres").exists().then_some((version, programs))
        })
        .collect();
    found.sort();
    let newest =
        found.pop().context("no PostgreSQL below /usr/lib/postgresql; install Debian's `postgresql`")?;
    Ok(newest.1)
}

/// A user that PostgreSQL agrees to run as, with its group: never root.
///
/// # Errors
///
/// There is none here.
pub fn owner() -> Result<(u32, u32)> {
    for user in ["postgres", "nobody"] {
        let id = |flag: &str| -> Result<Option<u32>> {
            let found = finish(Command::new("id").args([flag, user]))?;
            Ok(String::from_utf8_lossy(&found.stdout).trim().parse().ok())
        };
        if let (Some(uid), Some(gid)) = (id("-u")?, id("-g")?) {
            return Ok((uid, gid));
        }
    }
    bail!("neither a user `postgres` nor `nobody` exists here")
}

/// An empty cluster to copy from, which is five times faster than making one; made once for each version.
fn template(programs: &Path) -> Result<PathBuf> {
    let version = output(Command::new(programs.join("postgres")).arg("--version"))?;
    let version: String = version.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let place = build_folder()?.join(format!("e2e-cluster-{version}"));
    if place.exists() {
        return Ok(place);
    }
    // The owner of the cluster may not be able to reach our build folder.
    let scratch = tempfile::Builder::new().prefix("portreeve-initdb-").tempdir()?;
    let (uid, gid) = owner()?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
    chown(scratch.path(), Some(uid), Some(gid))?;
    let made = scratch.path().join("data");
    output(
        Command::new("setpriv")
            .args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups", "--"])
            .arg(programs.join("initdb"))
            .args(["-A", "trust", "-U", SUPERUSER, "-E", "UTF8", "--no-sync", "--no-locale", "-D"])
            .arg(&made)
            .current_dir("/"),
    )?;
    let copy = tempfile::Builder::new().prefix("e2e-cluster-").tempdir_in(build_folder()?)?;
    let copied = copy.path().join("data");
    output(Command::new("cp").arg("-a").arg(&made).arg(&copied))?;
    match fs::rename(&copied, &place) {
        Ok(()) => Ok(place),
        // Another world was faster.
        Err(_) if place.exists() => Ok(place),
        Err(error) => Err(error).with_context(|| format!("cannot make {}", place.display())),
    }
}
