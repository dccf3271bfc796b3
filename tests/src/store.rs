//! A central store: another PostgreSQL, in a network namespace of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::network::Network;
use crate::postgres::{PORT, Server};
use crate::process::{output, portreeve};

/// The role that the daemon ships records as.
const AGENT: &str = "portreeve_host";
/// The role that an auditor reads as.
const AUDITOR: &str = "alice";
/// The password of both.
pub const PASSWORD: &str = "battery staple";

/// A prepared store.
#[derive(Debug)]
pub struct Store {
    /// The server; its database is `audit`.
    pub server: Server,
    network: Network,
    password_file: PathBuf,
}

impl Store {
    /// A new server with the schema and roles of `portreeve store init`.
    ///
    /// # Errors
    ///
    /// It does not start, or cannot be prepared.
    pub fn start(folder: &Path, first: u16) -> Result<Self> {
        let network = Network::new(first)?;
        let server = Server::start(&folder.join("store"), &network, PORT, &[])?;
        server.sql("postgres", "CREATE DATABASE audit")?;
        let password_file = folder.join("store-password");
        fs::write(&password_file, PASSWORD)?;
        fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600))?;
        let store = Store { server, network, password_file };
        output(&mut store.init()?)?;
        for (role, group) in [(AGENT, "portreeve_agent"), (AUDITOR, "portreeve_auditor")] {
            let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' IN ROLE {group}");
            store.server.sql("postgres", &create)?;
        }
        Ok(store)
    }

    /// `portreeve store init`, as the server's administrator.
    ///
    /// # Errors
    ///
    /// The program was not built.
    pub fn init(&self) -> Result<Command> {
        let mut command = Command::new(portreeve()?);
        let folder = self.server.folder().display().to_string().replace('/', "%2F");
        command.args(["store", "init", "--url", &format!("postgresql://postgres@{folder}/audit")]);
        Ok(command)
    }

    /// The section of the daemon's configuration.
    pub fn section(&self) -> String {
        format!("store: {{url: \"{}\", password_file: {}}}\n", self.url(AGENT), self.password_file.display())
    }

    /// `portreeve audit …` on the store, as its auditor.
    ///
    /// # Errors
    ///
    /// The program was not built.
    pub fn audit(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(portreeve()?);
        command.arg("audit").args(arguments).args(["--from", &self.auditor()]).env("PGPASSWORD", PASSWORD);
        Ok(command)
    }

    /// The store as its auditor names it.
    pub fn auditor(&self) -> String {
        self.url(AUDITOR)
    }

    fn url(&self, role: &str) -> String {
        let [v4, _] = self.network.server();
        format!("postgresql://{role}@{v4}:{PORT}/audit")
    }
}
