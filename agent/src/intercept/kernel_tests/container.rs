//! A network namespace as a container has it: with a link to the host, and nothing else prepared.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsFd as _,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::world::{Killed, eventually};

pub(super) struct Container {
    number: u16,
    _holder: Killed,
    namespace: File,
}

impl Container {
    /// A namespace with a veth pair to the host; loopback stays down, as the kernel makes it.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let holder =
            Command::new("unshare").args(["--net", "sleep", "1000"]).stdin(Stdio::null()).spawn().unwrap();
        let holder = Killed(holder);
        let namespace = namespace_of(&holder.0);
        let begin = (std::process::id() % 512) * 32;
        let number = u16::try_from(begin).unwrap() + NEXT.fetch_add(1, Ordering::Relaxed);
        let container = Self { number, _holder: holder, namespace };
        let device = container.device();
        let host = container.host().ip();
        ip(&format!("link add {device} type veth peer name eth0 netns {}", container._holder.0.id()));
        ip(&format!("address add {host}/30 dev {device}"));
        ip(&format!("link set {device} up"));
        let own = container.address(2);
        container.run(move || {
            ip(&format!("address add {own}/30 dev eth0"));
            ip("link set eth0 up");
            ip(&format!("route add default via {host}"));
        });
        container
    }

    /// The name of the host's end of the link.
    pub(super) fn device(&self) -> String {
        format!("ptk{}", self.number)
    }

    /// Port 5432 of the host, as seen from inside.
    pub(super) fn host(&self) -> SocketAddr {
        (self.address(1), 5432).into()
    }

    /// Its own address.
    pub(super) fn inside(&self) -> Ipv4Addr {
        self.address(2)
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        let [high, low] = (self.number << 2).to_be_bytes();
        Ipv4Addr::new(10, 79, high, low | host)
    }

    /// Does this on a thread inside.
    pub(super) fn run<T: Send + 'static>(&self, action: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(action).join().unwrap()
    }

    /// Begins this on a thread inside.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        action: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let namespace = self.namespace.try_clone().unwrap();
        thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            drop(namespace);
            action()
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.device()]).stderr(Stdio::null()).status();
    }
}

/// The namespace of a child, once it is another one than ours.
fn namespace_of(child: &Child) -> File {
    let path = format!("/proc/{}/ns/net", child.id());
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    eventually("the child is in a namespace of its own", || {
        let theirs = std::fs::read_link(&path).ok()?;
        (theirs != ours).then_some(())
    });
    File::open(path).unwrap()
}

/// Runs ip(8) in the network namespace of this thread.
#[track_caller]
pub(super) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}: {status}");
}
