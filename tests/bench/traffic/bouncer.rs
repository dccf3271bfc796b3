//! pgbouncer, as the proxy that everybody knows: one connection to the server for each client, as Portreeve has it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, bail};
use e2e::eventually;
use e2e::postgres::owner;
use e2e::process::mortal;
use e2e::world::{PASSWORD, ROLE};

const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A running pgbouncer. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Bouncer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Bouncer {
    /// Starts it in front of `server`; `None` where it is not installed.
    ///
    /// # Errors
    ///
    /// It does not start: with what it said.
    pub(crate) fn start(folder: &Path, server: SocketAddr) -> Result<Option<Self>> {
        if !Path::new(PROGRAM).exists() {
            return Ok(None);
        }
        // pgbouncer names no port that it chose by itself: a free one is looked for.
        let address = TcpListener::bind("[::1]:0")?.local_addr()?;
        let folder = folder.join("pgbouncer");
        fs::create_dir(&folder)?;
        let (uid, gid) = owner()?;
        let config = folder.join("pgbouncer.ini");
        fs::write(
            &config,
            format!(
                "[databases]\nshop = host={} port={} user={ROLE} password='{PASSWORD}'\n\
                 [pgbouncer]\nlisten_addr = ::1\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\n\
                 pool_mode = session\nserver_reset_query =\nserver_idle_timeout = 1\ndefault_pool_size = 1100\nmax_client_conn = 1100\n\
                 log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n",
                server.ip(),
                server.port(),
                address.port()
            ),
        )?;
        for path in [&folder, &config] {
            chown(path, Some(uid), Some(gid))?;
        }
        // The password is in it.
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
        let log = fs::File::create(folder.join("log"))?;
        let child = mortal("KILL", "setpriv")
            .args(["--pdeathsig", "KILL", "--reuid", &uid.to_string(), "--regid", &gid.to_string()])
            .args(["--clear-groups", "--", PROGRAM, "-q"])
            .arg(&config)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start pgbouncer")?;
        let mut bouncer = Bouncer { child, address };
        eventually("pgbouncer takes connections", || match bouncer.child.try_wait()? {
            Some(status) => bail!("it ended: {status}"),
            None => Ok(TcpStream::connect(address).map(drop)?),
        })
        .with_context(|| fs::read_to_string(folder.join("log")).unwrap_or_default())?;
        Ok(Some(bouncer))
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
