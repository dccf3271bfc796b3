//! Everything a story needs, put together and taken away again.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::certificates;
use crate::cgroup::Cgroup;
use crate::daemon::Daemon;
use crate::job::Job;
use crate::leftovers;
use crate::network::Network;
use crate::postgres::{PORT, Server};
use crate::process::finish;
use crate::store::Store;
use crate::wire::Wire;

/// What the job is called, which is neither a role nor a user of anything.
pub const JOB: &str = "job";
/// The role that the daemon logs in as.
pub const ROLE: &str = "shop_service";
/// Its password, which no job must ever see.
pub const PASSWORD: &str = "correct horse battery staple";
/// The user that jobs run as, if nothing else is said.
pub const JOB_UID: u32 = 20_001;

/// The first of the ports that worlds have of their own, one for each number: below those that kernels give out.
const OWN_PORTS: u16 = 1 << 14;

/// Everybody may do everything.
pub const ALLOW_ALL: &str = "
version: 1
rules:
  - { name: observe, actions: [\"*\", opaque], decision: allow }
";

/// Customers with something to mask, orders with something to lose.
pub const SHOP: &str = "
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text, ssn text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, total numeric(10,2), state text);
INSERT INTO customers VALUES
  (1, 'Ada Lovelace', 'ada@example.com', '123-45-6789'),
  (2, 'Alan Turing', 'alan@example.com', '987-65-4321'),
  (3, 'Grace Hopper', 'grace@example.com', '555-12-3456');
INSERT INTO orders VALUES (1, 1, 10.00, 'paid'), (2, 2, 20.50, 'draft'), (3, 2, 30.00, 'paid');
";

/// What differs from one story to the next.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The policy document.
    pub policy: String,
    /// Statements that fill the database `shop`, run as the service's role.
    pub database: String,
    /// Settings of the server, `name=value`.
    pub server: Vec<String>,
    /// More of the configuration: whole sections of YAML.
    pub config: String,
    /// The resource's addresses, as YAML; by default `["V4:PORT", "[V6]:PORT"]`, the server's own.
    pub addresses: Option<String>,
    /// More of the section `intercept`; `PORT` is the server's port, `CGROUP` the cgroup of all jobs. By default no port is protected everywhere: worlds
    /// that stand side by side must not take each other's connections.
    pub intercept: String,
    /// Whether the server has a port that no other world's has.
    pub own_port: bool,
    /// Whether the daemon knows no other names than those of [`World::write_hosts`].
    pub own_hosts: bool,
    /// How the server is spoken to: the value of `tls`.
    pub tls: String,
    /// A password that clients are asked for.
    pub client_password: Option<String>,
    /// More of the resource: a line of YAML, or several with four spaces before each but the first.
    pub resource: String,
    /// Whether the server speaks TLS, with a self-signed certificate for `db.example` in the folder `tls`.
    pub certificate: bool,
    /// Whether there is a central store.
    pub store: bool,
    /// Which world's number is tried first: the demo has the first, for its address.
    pub first: Option<u16>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            policy: ALLOW_ALL.to_owned(),
            database: SHOP.to_owned(),
            server: Vec::new(),
            config: String::new(),
            addresses: None,
            intercept: "ports: []".to_owned(),
            own_port: false,
            own_hosts: false,
            tls: "{mode: disable}".to_owned(),
            client_password: None,
            resource: String::new(),
            certificate: false,
            store: false,
            first: None,
        }
    }
}

impl Setup {
    /// A setup with that policy.
    pub fn policy(policy: &str) -> Self {
        Setup { policy: policy.to_owned(), ..Setup::default() }
    }

    /// The same with a server that speaks TLS.
    pub fn with_certificate(mut self) -> Self {
        self.certificate = true;
        self
    }
}

/// A server, a daemon in front of it, and room for jobs.
#[derive(Debug)]
pub struct World {
    /// The protected server.
    pub server: Server,
    /// The daemon; it runs when a story begins.
    pub daemon: Daemon,
    /// The central store, where the setup asks for one.
    pub store: Option<Store>,
    /// The network between the jobs and the protected server.
    pub network: Network,
    port: u16,
    runtime: Runtime,
    cgroup: Cgroup,
    // The last to go: the others' files are in it.
    folder: tempfile::TempDir,
}

impl World {
    /// Builds it, with the daemon running.
    ///
    /// # Errors
    ///
    /// What this machine does not give.
    pub fn new(setup: &Setup) -> Result<Self> {
        leftovers::sweep();
        let network = Network::new(setup.first.unwrap_or_else(unused_number))?;
        let folder = tempfile::Builder::new().prefix(&leftovers::name(network.number())).tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let store = match setup.store {
            true => Some(Store::start(folder.path(), network.number() + 1)?),
            false => None,
        };
        let port = if setup.own_port { OWN_PORTS + network.number() } else { PORT };
        let cgroup = Cgroup::new(&leftovers::name(network.number()))?;
        prepare(folder.path(), setup, &network, port, &cgroup, store.as_ref())?;
        let mut settings = setup.server.clone();
        if setup.certificate {
            settings.extend(certificates::make(&folder.path().join("tls"))?);
        }
        let server = Server::start(&folder.path().join("server"), &network, port, &settings)?;
        server.sql("postgres", &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'"))?;
        server.sql("postgres", &format!("CREATE DATABASE shop OWNER {ROLE}"))?;
        server.sql(
            "shop",
            &format!("ALTER SCHEMA public OWNER TO {ROLE}; SET ROLE {ROLE}; {}", setup.database),
        )?;
        let mut world = World {
            daemon: if setup.own_hosts {
                Daemon::with_hosts(folder.path())?
            } else {
                Daemon::new(folder.path())
            },
            port,
            cgroup,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            server,
            store,
            network,
            folder,
        };
        world.daemon.start()?;
        Ok(world)
    }

    /// The central store of a setup that asks for one.
    ///
    /// # Errors
    ///
    /// It did not ask.
    pub fn store(&mut self) -> Result<&mut Store> {
        self.store.as_mut().context("this world has no store")
    }

    /// The folder with everything in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the server is, over IPv4: a connection string as an ordinary job has it.
    pub fn address(&self) -> String {
        format!("postgresql://{JOB}@{}/shop", self.destination())
    }

    /// The same over IPv6.
    pub fn address_v6(&self) -> String {
        let [_, v6] = self.network.server();
        format!("postgresql://{JOB}@[{v6}]:{}/shop", self.port)
    }

    /// The job of this world.
    pub fn job(&self) -> Job {
        self.job_of(JOB_UID)
    }

    /// A job of another user.
    pub fn job_of(&self, uid: u32) -> Job {
        Job { uid, gid: uid, cgroup: self.cgroup.processes() }
    }

    /// The cgroup of all jobs, as the kernel names it.
    pub fn cgroup(&self) -> String {
        self.cgroup.name()
    }

    /// Where the cgroups of containers are made.
    pub(crate) fn jobs(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Runs the job's psql with these statements, each a Query of its own, to its end.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn psql(&self, statements: &[&str]) -> Result<Output> {
        let mut command = self.job().psql(&self.address());
        for statement in statements {
            command.args(["-c", statement]);
        }
        finish(&mut command)
    }

    /// The rows that the job's psql gets, which must not meet an error.
    ///
    /// # Errors
    ///
    /// It met one.
    pub fn rows(&self, statements: &[&str]) -> Result<String> {
        let output = self.psql(statements)?;
        let (rows, errors) = (text(&output.stdout), text(&output.stderr));
        if !output.status.success() || errors.contains("ERROR") {
            bail!("psql failed ({}): {rows}{errors}", output.status);
        }
        Ok(rows.trim_end().to_owned())
    }

    /// What psql says when these statements fail, as they must.
    ///
    /// # Errors
    ///
    /// They did not.
    pub fn error(&self, statements: &[&str]) -> Result<String> {
        let output = self.psql(statements)?;
        let errors = text(&output.stderr);
        if !errors.contains("ERROR") && !errors.contains("FATAL") {
            bail!("psql met no error: {}{errors}", text(&output.stdout));
        }
        Ok(errors)
    }

    /// A connection of this process, which is a job like any other; its user is ours.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn connect(&self) -> Result<Client> {
        self.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.address(), NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        })
    }

    /// A connection of this process that speaks the protocol message by message.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn wire(&self) -> Result<Wire> {
        Wire::connect(self.destination(), "shop")
    }

    /// The same past Portreeve, as the role that the daemon logs in as.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn direct_wire(&self) -> Result<Wire> {
        Wire::direct(&self.server.socket(), ROLE, "shop")
    }

    /// Where the server is, over IPv4.
    pub fn destination(&self) -> SocketAddr {
        let [v4, _] = self.network.server();
        (v4, self.port).into()
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Says what names stand for, to a daemon that knows no others.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_hosts(&self, names: &[(&str, IpAddr)]) -> Result<()> {
        let lines: String = names.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        // The same file: the daemon has it mounted.
        Ok(fs::write(self.daemon.hosts(), lines)?)
    }

    /// Replaces what the daemon logs in with.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_credentials(&self, document: &str) -> Result<()> {
        write_secret(&self.folder().join("credentials.yaml"), document)
    }

    /// Drives what this process does on its connections.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Replaces the policy document; the daemon does not know yet.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_policy(&self, policy: &str) -> Result<()> {
        Ok(fs::write(self.folder().join("policy.yaml"), policy)?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        let _ = self.daemon.kill();
        leftovers::unpin(&leftovers::pin_directory(self.network.number()));
    }
}

impl World {
    /// What the daemon logged, on standard error.
    fn tell(&self) {
        let _ = writeln!(std::io::stderr(), "--- the daemon's log\n{}---", self.daemon.log());
    }
}

/// Runs a story in a world of its own.
///
/// Where the kernel may not be touched (without `PORTREEVE_E2E=1`) it does not run, and says so loudly.
///
/// # Errors
///
/// Those of the world, and of the story; the daemon's log is printed then.
pub fn story(setup: &Setup, tell: impl FnOnce(&mut World) -> Result<()>) -> Result<()> {
    if std::env::var_os("PORTREEVE_E2E").is_none_or(|value| value != "1") {
        // Past the test harness, which would swallow it.
        let line =
            "\n*** NOT RUN: a story with real eBPF and a real PostgreSQL; `cargo xtask e2e` runs it ***\n";
        std::io::stderr().write_all(line.as_bytes())?;
        return Ok(());
    }
    let mut world = World::new(setup)?;
    let told = tell(&mut world);
    if told.is_err() {
        world.tell();
    }
    told
}

/// A number that other worlds of this process do not try first, and those of other processes hardly.
fn unused_number() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // The first sixteen are for those who ask for one.
    let begin = (std::process::id() % 1000) * 16 + 16;
    (u16::try_from(begin).unwrap_or(16) + NEXT.fetch_add(1, Ordering::Relaxed)) % (1 << 14)
}

/// What a program wrote.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file that is its owner's alone.
fn write_secret(path: &Path, secret: &str) -> Result<()> {
    fs::write(path, secret)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

/// The daemon's files.
fn prepare(
    folder: &Path,
    setup: &Setup,
    network: &Network,
    port: u16,
    cgroup: &Cgroup,
    store: Option<&Store>,
) -> Result<()> {
    write_secret(&folder.join("credentials.yaml"), &format!("role: {ROLE}\npassword: {PASSWORD}\n"))?;
    fs::write(folder.join("policy.yaml"), &setup.policy)?;
    let at = |name: &str| folder.join(name).display().to_string();
    let mut clients = String::new();
    if let Some(password) = &setup.client_password {
        write_secret(&folder.join("clients"), password)?;
        clients = format!("    client_password_file: {}\n", at("clients"));
    }
    let [v4, v6] = network.server();
    let meant = |text: &str| {
        let text = text.replace("CGROUP", &cgroup.path().display().to_string());
        let text = text.replace("PORT", &port.to_string());
        text.replace("V4", &v4.to_string()).replace("V6", &v6.to_string())
    };
    let addresses = setup.addresses.as_deref().unwrap_or("[\"V4:PORT\", \"[V6]:PORT\"]");
    let mut config = format!(
        "policies: [{}]\n\
         resources:\n  shop:\n    addresses: {}\n    credentials: {{file: {}}}\n    tls: {}\n{}    {}\n\
         intercept: {{port: 0, pin_directory: {}, {}}}\n\
         names: {{resolve_seconds: 1, keep_seconds: 2, file: {}}}\n",
        at("policy.yaml"),
        meant(addresses),
        at("credentials.yaml"),
        setup.tls.replace("FOLDER", &folder.display().to_string()),
        clients,
        setup.resource,
        leftovers::pin_directory(network.number()).display(),
        meant(&setup.intercept),
        at("names.json"),
    );
    // A story may have a section of its own for these two.
    if !setup.config.contains("evidence:") {
        config += &format!("authority: {{directory: {}}}\n", at("authority"));
        config += &format!("evidence: {{directory: {}}}\n", at("evidence"));
    }
    if !setup.config.contains("approvals:") {
        config += &format!("approvals: {{socket: {}}}\n", at("control.sock"));
    }
    config += &store.map(Store::section).unwrap_or_default();
    config += &setup.config.replace("FOLDER", &folder.display().to_string());
    Ok(fs::write(folder.join("portreeve.yaml"), config)?)
}
