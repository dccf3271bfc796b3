//! A job: a process under a user of its own in the world's cgroup, which knows nothing of Portreeve.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

/// Who runs it and where.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its user, which needs no entry in `/etc/passwd`.
    pub uid: u32,
    /// Its group, which it has alone.
    pub gid: u32,
    /// The file of the cgroup that it joins.
    pub cgroup: PathBuf,
}

/// Where a job's programs lie: those of PostgreSQL are of the major that we are told for clients, else of the server's
/// where we are told that.
fn path() -> OsString {
    let mut path = OsString::new();
    let told = ["PORTREEVE_POSTGRESQL_CLIENTS", "PORTREEVE_POSTGRESQL"].map(std::env::var_os);
    if let Some(told) = told.into_iter().flatten().next() {
        path.push(told);
        path.push(":");
    }
    path.push("/usr/local/bin:/usr/bin:/bin");
    path
}

/// Writes the shell into the cgroup before anything else is run; `$0` is the cgroup's file.
const JOIN: &str = "echo $$ > \"$0\" && exec \"$@\"";

impl Job {
    /// A command of this job, without privileges and with an environment of its own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "sh", "-c", JOIN])
            .arg(&self.cgroup)
            .args(["setpriv", "--pdeathsig", "KILL", "--reuid", &self.uid.to_string()])
            .args(["--regid", &self.gid.to_string(), "--clear-groups", "--inh-caps=-all", "--"])
            .arg(program)
            .current_dir("/")
            .env_clear()
            .env("PATH", path())
            .env("LANG", "C.UTF-8")
            .env("PGCONNECT_TIMEOUT", "20");
        command
    }

    /// psql on that connection string, without a startup file, unaligned and with nothing but rows.
    pub fn psql(&self, connection: &str) -> Command {
        let mut command = self.command("psql");
        command.args(["-X", "-At", "-w", connection]);
        command
    }
}
