//! A throwaway PostgreSQL in a folder of its own, reached over a Unix socket there and nowhere else.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio_postgres::{Client, NoTls};

use super::super::{Connect, Connected, Connecting, Key, Way};

/// A running server; dropping it stops it.
pub(super) struct Server {
    folder: tempfile::TempDir,
    child: Child,
}

impl Server {
    /// A new server, or `None`, with a loud word on it, where end-to-end tests are not asked for.
    pub(super) fn start() -> Option<Server> {
        if std::env::var_os("PORTREEVE_E2E").is_none_or(|value| value != "1") {
            // Past the test harness, which would swallow it.
            let line = "\n*** NOT RUN: the catalog against a real PostgreSQL; set PORTREEVE_E2E=1 ***\n";
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        }
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("portreeve-catalog-").tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            // PostgreSQL refuses to run as root.
            let status = Command::new("chown").arg("nobody").arg(folder.path()).status().unwrap();
            assert!(status.success());
        }
        let data = folder.path().join("data");
        let initdb = unprivileged(&programs.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "--no-locale", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(initdb.success());
        let child = serve(&folder);
        let server = Server { folder, child };
        server.wait();
        Some(server)
    }

    /// Ends it, puts another folder of data in the place of its own, and starts it on that.
    pub(super) fn replace_data(&mut self, with: &Path) {
        self.crash();
        let data = self.folder.path().join("data");
        std::fs::remove_dir_all(&data).unwrap();
        std::fs::rename(with, &data).unwrap();
        self.child = serve(&self.folder);
        self.wait();
    }

    /// Ends it, copies its data, and starts it again. Gives the copy.
    pub(super) fn copy_data(&mut self) -> PathBuf {
        self.crash();
        let (data, copy) = (self.folder.path().join("data"), self.folder.path().join("copy"));
        let status = Command::new("cp").arg("-a").args([&data, &copy]).status().unwrap();
        assert!(status.success());
        self.child = serve(&self.folder);
        self.wait();
        copy
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while super::run(self.try_client("postgres")).is_err() {
            assert!(Instant::now() < deadline, "the server did not start within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// A connection of the superuser.
    pub(super) async fn client(&self, database: &str) -> Client {
        self.try_client(database).await.unwrap()
    }

    async fn try_client(&self, database: &str) -> Result<Client, Box<dyn std::error::Error>> {
        let stream = UnixStream::connect(self.socket()).await?;
        let mut config = tokio_postgres::Config::new();
        let config =
            config.user("postgres").dbname(database).ssl_mode(tokio_postgres::config::SslMode::Disable);
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Ends it at once, as a crash would.
    pub(super) fn crash(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()) {
            // SIGQUIT: the postmaster takes its children with it.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Starts the server of a folder.
fn serve(folder: &tempfile::TempDir) -> Child {
    // A crashed one leaves its lock behind, which counts where the number of its process is used again.
    let _ = std::fs::remove_file(folder.path().join("data/postmaster.pid"));
    unprivileged(&programs().join("postgres"))
        .arg("-D")
        .arg(folder.path().join("data"))
        .arg("-k")
        .arg(folder.path())
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=fatal"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
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

/// Connects keepers to a server's socket, as `role`.
pub(super) struct Socket {
    pub(super) path: PathBuf,
    pub(super) role: &'static str,
}

impl Connect for Socket {
    fn connect<'a>(&'a self, key: &'a Key, _: Way) -> Connecting<'a> {
        Box::pin(async {
            let failed =
                |error: std::io::Error| -> Arc<dyn std::error::Error + Send + Sync> { Arc::new(error) };
            let stream = UnixStream::connect(&self.path).await.map_err(failed)?;
            Ok(Connected { stream: Box::new(stream), role: self.role.into(), database: key.database.clone() })
        })
    }
}
