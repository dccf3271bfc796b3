//! A container as an engine makes it: a cgroup and namespaces of its own, a link to the host, a route to the world's
//! server; nothing that has to do with Portreeve. Its loopback interface is down, as the kernel makes it.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::Pid;

use crate::World;
use crate::cgroup::Cgroup;
use crate::eventually;
use crate::process::{finish, mortal, output};
use crate::world::JOB_UID;

/// As many containers can a world have.
const MOST: u8 = 16;
/// The host's user that is root in a container with users of its own.
const MAPPED_ROOT: u32 = 300_000;

/// Joins the cgroup before the namespaces are made, so that it is the root of what the container sees; `$0` is the
/// cgroup's file.
const JOIN: &str = "echo $$ > \"$0\" && exec \"$@\"";

/// A running container. Dropping it ends all its processes.
#[derive(Debug)]
pub struct Container {
    number: u16,
    index: u8,
    has_users: bool,
    holder: Child,
    // The last to go: the processes are in it.
    cgroup: Cgroup,
}

impl Container {
    /// One whose users are the host's, as Docker's are if nothing else is said.
    ///
    /// # Errors
    ///
    /// The kernel or `ip` refuses; it needs root.
    pub fn new(world: &World) -> Result<Self> {
        Self::start(world, false)
    }

    /// One with users of its own, as Podman's are: nobody in it is anybody on the host.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_users(world: &World) -> Result<Self> {
        Self::start(world, true)
    }

    fn start(world: &World, has_users: bool) -> Result<Self> {
        let number = world.network.number();
        let taken = |index: &u8| PathBuf::from(format!("/sys/class/net/{}", device(number, *index))).exists();
        let index =
            (0..MOST).find(|index| !taken(index)).context("a world has no room for more containers")?;
        let cgroup = world.jobs().inside(&format!("container-{index}"))?;
        let mut command = mortal("KILL", "sh");
        command.args(["-c", JOIN]).arg(cgroup.processes());
        command.args(["unshare", "--net", "--mount", "--pid", "--cgroup", "--ipc", "--uts"]);
        command.args(has_users.then_some("--user"));
        command.args(["--fork", "--kill-child", "--mount-proc", "sleep", "infinity"]);
        let holder = command.stdin(Stdio::null()).spawn().context("cannot start `unshare`")?;
        let container = Container { number, index, has_users, holder, cgroup };
        let own = fs::read_link("/proc/self/ns/net")?;
        eventually("the container's network namespace", || match fs::read_link(container.namespace()) {
            Ok(namespace) if namespace != own => Ok(()),
            other => Err(format!("{other:?}")),
        })?;
        if has_users {
            for map in ["uid_map", "gid_map"] {
                let place = format!("/proc/{}/{map}", container.holder.id());
                fs::write(&place, format!("0 {MAPPED_ROOT} 65536")).with_context(|| place.clone())?;
            }
        }
        eventually("the container's first process", || container.process("sleep"))?;
        container.connect(world)?;
        Ok(container)
    }

    /// A link to the host, by which the world's server is reached, and the way back.
    fn connect(&self, world: &World) -> Result<()> {
        let (device, host) = (device(self.number, self.index), self.host());
        let ip = |words: &str| output(Command::new("ip").args(words.split(' ')));
        let inside = |words: &str| output(self.root("ip").args(words.split(' ')));
        ip(&format!("link add {device} type veth peer name eth0 netns {}", self.holder.id()))?;
        ip(&format!("address add {host}/30 dev {device}"))?;
        ip(&format!("link set {device} up"))?;
        inside(&format!("address add {}/30 dev eth0", self.address()))?;
        inside("link set eth0 up")?;
        inside(&format!("route add default via {host}"))?;
        // Between these two interfaces alone; the host's own setting stays as it is.
        for device in [&device, &world.network.device()] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{device}/forwarding"), "1")?;
        }
        let back = format!("route add {}/32 via {}", self.address(), world.network.host());
        output(world.network.inside("ip").args(back.split(' '))).map(drop)
    }

    /// A command of the container's job, which has no privileges.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let uid = if self.has_users { 0 } else { JOB_UID };
        let mut command = self.enter();
        command
            .args(["setpriv", "--reuid", &uid.to_string(), "--regid", &uid.to_string(), "--clear-groups"])
            .args(["--inh-caps=-all", "--bounding-set=-all", "--"])
            .arg(program);
        command
    }

    /// A command of its root, who may do there what root may.
    pub fn root(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.enter();
        command.arg(program);
        command
    }

    /// psql of the job on that connection string, as [`crate::Job::psql`].
    pub fn psql(&self, connection: &str) -> Command {
        let mut command = self.command("psql");
        command.args(["-X", "-At", "-w", connection]);
        command
    }

    fn enter(&self) -> Command {
        let holder = self.holder.id();
        let mut command = mortal("KILL", "sh");
        command.args(["-c", JOIN]).arg(self.cgroup.processes()).arg("nsenter");
        if self.has_users {
            command.arg(format!("--user=/proc/{holder}/ns/user"));
        }
        for kind in ["net", "mount", "cgroup", "ipc", "uts"] {
            let file = if kind == "mount" { "mnt" } else { kind };
            command.arg(format!("--{kind}=/proc/{holder}/ns/{file}"));
        }
        command
            .arg(format!("--pid=/proc/{holder}/ns/pid_for_children"))
            .arg("--")
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("LANG", "C.UTF-8")
            .env("PGCONNECT_TIMEOUT", "20");
        command
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        address(self.number, self.index, 2)
    }

    /// The host's address on the link to it.
    pub fn host(&self) -> Ipv4Addr {
        address(self.number, self.index, 1)
    }

    /// Its job's user, as the host numbers it.
    pub fn uid(&self) -> u32 {
        if self.has_users { MAPPED_ROOT } else { JOB_UID }
    }

    /// Its cgroup, as the host names it.
    pub fn cgroup(&self) -> String {
        self.cgroup.name()
    }

    /// Its network namespace's file.
    pub fn namespace(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.holder.id()).into()
    }

    /// Its only process of that name, as the host numbers it.
    ///
    /// # Errors
    ///
    /// There is none, or there are several.
    pub fn process(&self, name: &str) -> Result<Pid> {
        let is_it = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        match self.cgroup.members()?.into_iter().filter(is_it).collect::<Vec<_>>()[..] {
            [pid] => Pid::from_raw(i32::try_from(pid)?).context("a process has an id"),
            ref others => bail!("{} processes are called {name}", others.len()),
        }
    }

    /// Whether its network namespace is there still: with it goes the host's end of the link.
    pub fn is_there(&self) -> bool {
        PathBuf::from(format!("/sys/class/net/{}", device(self.number, self.index))).exists()
    }

    /// Ends it as an engine does that kills: all processes at once, and nothing tidied up.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.cgroup.kill()?;
        self.holder.wait()?;
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.cgroup.kill();
        let _ = self.holder.wait();
        let _ = finish(Command::new("ip").args(["link", "delete", &device(self.number, self.index)]));
    }
}

fn device(number: u16, index: u8) -> String {
    format!("ptb{number}-{index}")
}

fn address(number: u16, index: u8, host: u8) -> Ipv4Addr {
    let [high, low] = (number << 2).to_be_bytes();
    Ipv4Addr::new(10, 80 + index, high, low | host)
}
