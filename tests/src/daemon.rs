//! The daemon, as an operator runs it: started, told, asked, killed.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::Value;

use crate::fd_store::FdStore;
use crate::patience::{PATIENCE, eventually, within};
use crate::process::{mortal, output, portreeve, signal};

/// A daemon with its configuration. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    folder: PathBuf,
    /// Whether it has a file of names of its own.
    has_hosts: bool,
    /// Keeps its listeners, as systemd would.
    store: Option<FdStore>,
    child: Option<Child>,
}

/// Puts the files of names in the place of the machine's; `$0` is the folder that they are in.
const MOUNT: &str = "mount --bind \"$0\"/hosts /etc/hosts && \
    mount --bind \"$0\"/nsswitch.conf /etc/nsswitch.conf && exec \"$@\"";

impl Daemon {
    /// A daemon whose `portreeve.yaml` lies in the folder; it does not run yet.
    pub fn new(folder: &Path) -> Self {
        Daemon { folder: folder.to_owned(), has_hosts: false, store: None, child: None }
    }

    /// The same, in a mount namespace of its own where names are those of the file [`Daemon::hosts`] and no others.
    ///
    /// # Errors
    ///
    /// The files cannot be written.
    pub fn with_hosts(folder: &Path) -> Result<Self> {
        let mut daemon = Daemon::new(folder);
        daemon.has_hosts = true;
        fs::write(daemon.hosts(), "")?;
        // Nobody else is asked: a test sends nothing to the machine's name servers.
        fs::write(folder.join("nsswitch.conf"), "hosts: files\n")?;
        Ok(daemon)
    }

    /// Has its listeners kept from its next start on.
    ///
    /// # Errors
    ///
    /// The store's socket cannot be made.
    pub fn keep_listeners(&mut self) -> Result<()> {
        self.store = Some(FdStore::new(&self.folder.join("manager"))?);
        Ok(())
    }

    /// What is kept of it, when all that it has sent was seen to.
    ///
    /// # Errors
    ///
    /// Nothing is to be kept.
    pub fn kept(&mut self) -> Result<&FdStore> {
        let store = self.store.as_mut().context("nothing is kept of this daemon")?;
        store.collect();
        Ok(store)
    }

    /// Its own `/etc/hosts`.
    pub fn hosts(&self) -> PathBuf {
        self.folder.join("hosts")
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// It ends before, or takes too long: with what it logged.
    pub fn start(&mut self) -> Result<()> {
        let place = self.folder.join("notify");
        let _ = fs::remove_file(&place);
        let notified = UnixDatagram::bind(&place)?;
        notified.set_read_timeout(Some(Duration::from_millis(50)))?;
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut command = match (&self.store, self.has_hosts) {
            (Some(store), _) => store.command(&portreeve()?)?,
            (None, false) => mortal("KILL", portreeve()?),
            (None, true) => {
                let mut command = mortal("KILL", "unshare");
                command.args(["--mount", "sh", "-c", MOUNT]).arg(&self.folder).arg(portreeve()?);
                command
            }
        };
        if self.store.is_none() {
            command.env("NOTIFY_SOCKET", &place);
        }
        let child = command
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start the daemon")?;
        let child = self.child.insert(child);
        let mut told = [0; 256];
        let store = &mut self.store;
        within(PATIENCE, "the daemon is ready", || {
            let ready = match store {
                Some(store) => store.receive().is_some_and(|message| message.starts_with("READY=1")),
                None => notified.recv(&mut told).is_ok_and(|length| told[..length].starts_with(b"READY=1")),
            };
            if ready {
                return Ok(Ok(()));
            }
            match child.try_wait() {
                Ok(Some(status)) => Ok(Err(status)),
                _ => Err("nothing"),
            }
        })?
        .map_err(|status| anyhow::anyhow!("the daemon ended ({status}):\n{}", self.log()))
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("portreeve.yaml")
    }

    /// Its folder of evidence.
    pub fn evidence(&self) -> PathBuf {
        self.folder.join("evidence")
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// What it has logged, over all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn child(&self) -> Result<&Child> {
        self.child.as_ref().context("the daemon does not run")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn signal(&self, sent: Signal) -> Result<()> {
        signal(self.child()?, sent)
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the daemon does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    ///
    /// It does not run, or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("the daemon does not run")?;
        let status = eventually("the daemon ends", || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        })?;
        self.child = None;
        Ok(status)
    }

    /// A command of the program.
    ///
    /// # Errors
    ///
    /// The program was not built.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(portreeve()?);
        command.args(arguments);
        Ok(command)
    }

    /// `portreeve audit …` on its evidence.
    ///
    /// # Errors
    ///
    /// The program was not built.
    pub fn audit(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command(&["audit"])?;
        command.args(arguments).arg("--from").arg(self.evidence());
        Ok(command)
    }

    /// `portreeve approvals …` on its control socket.
    ///
    /// # Errors
    ///
    /// The program was not built.
    pub fn approvals(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command(&["approvals"])?;
        command.args(arguments).arg("--socket").arg(self.socket());
        Ok(command)
    }

    /// All holds that wait.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    pub fn holds(&self) -> Result<Vec<Value>> {
        json_lines(&output(&mut self.approvals(&["list", "--format", "json"])?)?)
    }

    /// Waits for the only hold there is and gives its id.
    ///
    /// # Errors
    ///
    /// There is none, or there are several.
    pub fn the_hold(&self) -> Result<String> {
        let hold = eventually("one statement waits for approval", || match &self.holds()?[..] {
            [hold] => Ok(hold.clone()),
            holds => bail!("{holds:?}"),
        })?;
        Ok(hold["id"].as_str().context("a hold has an id")?.to_owned())
    }

    /// How it is.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    pub fn status(&self) -> Result<Value> {
        let mut command = self.command(&["status", "--format", "json", "--socket"])?;
        Ok(serde_json::from_str(&output(command.arg(self.socket()))?)?)
    }

    /// Every record as it is exported.
    ///
    /// # Errors
    ///
    /// The evidence cannot be read.
    pub fn export(&self) -> Result<Vec<Value>> {
        json_lines(&output(&mut self.audit(&["export"])?)?)
    }

    /// All incidents of that kind in the record.
    ///
    /// # Errors
    ///
    /// As [`Self::export`].
    pub fn incidents(&self, kind: &str) -> Result<Vec<Value>> {
        let bodies = self.export()?.into_iter().map(|mut record| record["body"].take());
        Ok(bodies.filter(|body| body["incident"] == kind).collect())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.kill();
        }
    }
}

fn json_lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
