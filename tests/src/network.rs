//! A network namespace, and a link to it from the host.
//!
//! The namespace has no name: it lives as long as the process that holds it, so that nothing stays behind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::eventually;
use crate::process::{finish, mortal, output};

/// As many links fit into 10.77.0.0/16.
const LINKS: u16 = 1 << 14;

/// A namespace with one interface, whose other end is the host's.
#[derive(Debug)]
pub struct Network {
    number: u16,
    holder: Child,
}

impl Network {
    /// The first free network from `number` on.
    ///
    /// # Errors
    ///
    /// The kernel or `ip` refuses; it needs root.
    pub fn new(number: u16) -> Result<Self> {
        let holder = mortal("KILL", "unshare")
            .args(["--net", "sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start `setpriv` and `unshare` (Debian's util-linux)")?;
        let mut network = Network { number, holder };
        let own = std::fs::read_link("/proc/self/ns/net")?;
        let theirs = network.namespace();
        eventually("a network namespace", || match std::fs::read_link(&theirs) {
            Ok(namespace) if namespace != own => Ok(()),
            other => Err(format!("{other:?}")),
        })?;
        for tried in 0..LINKS {
            network.number = (number + tried) % LINKS;
            if network.link()? {
                network.configure()?;
                return Ok(network);
            }
        }
        bail!("all {LINKS} networks of the tests are taken; see `ip link`")
    }

    /// Whether the link could be made: false where another world has this number.
    fn link(&self) -> Result<bool> {
        let holder = self.holder.id().to_string();
        let made = finish(
            Command::new("ip")
                .args(["link", "add", &self.device(), "type", "veth"])
                .args(["peer", "name", "eth0", "netns", &holder]),
        )?;
        let said = String::from_utf8_lossy(&made.stderr);
        match made.status.success() {
            true => Ok(true),
            false if said.contains("File exists") => Ok(false),
            false => bail!("`ip link add` failed: {}", said.trim_end()),
        }
    }

    fn configure(&self) -> Result<()> {
        let device = self.device();
        let ours = ["address", "add", &format!("{}/30", self.v4(1)), "dev", &device];
        let ours6 = ["address", "add", &format!("{}/64", self.v6(1)), "dev", &device, "nodad"];
        let theirs = ["address", "add", &format!("{}/30", self.v4(2)), "dev", "eth0"];
        let theirs6 = ["address", "add", &format!("{}/64", self.v6(2)), "dev", "eth0", "nodad"];
        output(Command::new("ip").args(ours))?;
        output(Command::new("ip").args(ours6))?;
        output(Command::new("ip").args(["link", "set", &device, "up"]))?;
        output(self.inside("ip").args(theirs))?;
        output(self.inside("ip").args(theirs6))?;
        output(self.inside("ip").args(["link", "set", "lo", "up"]))?;
        output(self.inside("ip").args(["link", "set", "eth0", "up"]))?;
        Ok(())
    }

    /// A command in the namespace.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace().display())).arg("--").arg(program);
        command
    }

    /// The world's number, which no other has at the same time.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The server's addresses, IPv4 first.
    pub fn server(&self) -> [IpAddr; 2] {
        [self.v4(2).into(), self.v6(2).into()]
    }

    /// Gives the server another address, of IPv6.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn add_address(&self) -> Result<IpAddr> {
        let address = self.v6(3);
        let words = ["address", "add", &format!("{address}/64"), "dev", "eth0", "nodad"];
        output(self.inside("ip").args(words))?;
        Ok(address.into())
    }

    /// Gives the server another address of IPv4, by a network of its own on the same link.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn add_address_v4(&self) -> Result<IpAddr> {
        let at = |host: u8| {
            let [_, _, high, low] = self.v4(host).octets();
            Ipv4Addr::new(10, 78, high, low)
        };
        let ours = ["address", "add", &format!("{}/30", at(1)), "dev", &self.device()];
        let theirs = ["address", "add", &format!("{}/30", at(2)), "dev", "eth0"];
        output(Command::new("ip").args(ours))?;
        output(self.inside("ip").args(theirs))?;
        Ok(at(2).into())
    }

    /// The namespace's file.
    pub fn namespace(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.holder.id()).into()
    }

    /// The host's address on the link.
    pub fn host(&self) -> Ipv4Addr {
        self.v4(1)
    }

    /// The host's end of the link.
    pub fn device(&self) -> String {
        format!("portreeve{}", self.number)
    }

    fn v4(&self, host: u8) -> Ipv4Addr {
        let [high, low] = (self.number << 2).to_be_bytes();
        Ipv4Addr::new(10, 77, high, low | host)
    }

    fn v6(&self, host: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, self.number, 0, 0, 0, 0, 0, host)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The link first: the kernel takes a namespace away in its own time.
        let _ = finish(Command::new("ip").args(["link", "delete", &self.device()]));
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
