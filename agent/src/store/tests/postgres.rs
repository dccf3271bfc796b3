//! A throwaway PostgreSQL in a folder of its own, reached over a Unix socket there and nowhere else.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::net::UnixStream;
use tokio_postgres::{Client, NoTls};

use super::{eventually, run};
use crate::store::{Address, Connect, Connecting, Endpoint, Stream};

/// A server; dropping it ends it and removes its data.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Server {
    /// A new server, or `None`, with a loud word on it, where end-to-end tests are not asked for.
    pub(crate) fn start() -> Option<Server> {
        if std::env::var_os("PORTREEVE_E2E").is_none_or(|value| value != "1") {
            // Past the test harness, which would swallow it.
            let line = "\n*** NOT RUN: the store against a real PostgreSQL; set PORTREEVE_E2E=1 ***\n";
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        }
        let folder = tempfile::Builder::new().prefix("portreeve-store-").tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            // PostgreSQL refuses to run as root.
            let status = Command::new("chown").arg("nobody").arg(folder.path()).status().unwrap();
            assert!(status.success());
        }
        let initdb = unprivileged(&programs().join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "--no-locale", "-D"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(initdb.success());
        let mut server = Server { folder, child: None };
        server.up();
        Some(server)
    }

    /// Starts it again after [`Server::crash`].
    pub(crate) fn up(&mut self) {
        let child = unprivileged(&programs().join("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-k")
            .arg(self.folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=fatal"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        eventually(|| run(self.log_in("postgres", "postgres")).is_ok(), |up| *up);
    }

    /// Ends it at once.
    pub(crate) fn crash(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()) {
            // SIGQUIT: the postmaster takes its children with it.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = child.wait();
    }

    /// How the command line writes its address.
    pub(crate) fn uri(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@/{database}?host={}", self.folder.path().display())
    }

    pub(crate) fn address(&self, user: &str, database: &str) -> Address {
        self.uri(user, database).parse().unwrap()
    }

    /// A login, with its connection's task on this runtime.
    pub(crate) async fn log_in(&self, user: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config: tokio_postgres::Config = self.uri(user, database).parse()?;
        config.application_name("test");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs statements as the superuser.
    pub(crate) fn execute(&self, database: &str, text: &str) {
        run(async { self.log_in("postgres", database).await.unwrap().batch_execute(text).await.unwrap() });
    }

    /// Lets a role in by its password alone.
    pub(crate) fn ask_for_passwords(&self, role: &str) {
        let file = self.folder.path().join("data/pg_hba.conf");
        let trust = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("local all {role} scram-sha-256\n{trust}")).unwrap();
        self.execute("postgres", "SELECT pg_reload_conf()");
        // The postmaster hears it by a signal.
        eventually(|| run(self.log_in(role, "postgres")).is_err(), |asks| *asks);
    }

    /// A single number, as the superuser.
    pub(crate) fn number(&self, database: &str, text: &str) -> i64 {
        run(async {
            let client = self.log_in("postgres", database).await.unwrap();
            client.query_one(text, &[]).await.unwrap().get(0)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

/// The programs that we are told to run, else those of the newest PostgreSQL that is installed.
fn programs() -> PathBuf {
    if let Some(told) = std::env::var_os("PORTREEVE_POSTGRESQL") {
        return told.into();
    }
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .unwrap()
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().unwrap()
}

/// A command as a user that PostgreSQL agrees to run as.
fn unprivileged(program: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

/// Connects to Unix sockets.
pub(crate) struct Sockets;

impl Connect for Sockets {
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a> {
        Box::pin(async move {
            let Endpoint::Unix(path) = &address.endpoint else { return Err("not a socket".into()) };
            let stream = UnixStream::connect(path).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
