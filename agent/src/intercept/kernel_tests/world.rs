//! A place of its own for each test: a BPF file system, pins, destinations. What is protected is on loopback
//! addresses that nothing else uses, so that the hooks at the root of the hierarchy hurt nobody.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Child,
    sync::{
        LazyLock,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    thread::{UnshareFlags, unshare_unsafe},
};
use tokio::runtime::Runtime;

use super::super::{
    Attempt, AttemptKind, Config, Content, Destination, Inherited, Intercepted, Interception, Network,
};

/// How long anything that must happen may take; longer in a machine that is emulated.
pub(super) static PATIENCE: LazyLock<Duration> =
    LazyLock::new(|| Duration::from_secs(number("PORTREEVE_TEST_PATIENCE").unwrap_or(10)));

/// How many namespaces come and go; fewer in a machine that is emulated.
pub(super) static NAMESPACES: LazyLock<u64> =
    LazyLock::new(|| number("PORTREEVE_TEST_NAMESPACES").unwrap_or(1000));

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

pub(super) struct World {
    pub(super) config: Config,
    pub(super) runtime: Runtime,
    // Unmounted in drop(), before the folder goes.
    bpffs: tempfile::TempDir,
}

impl World {
    /// None, and a loud word, where the kernel may not be touched.
    pub(super) fn new() -> Option<Self> {
        if std::env::var_os("PORTREEVE_E2E").is_none_or(|value| value != "1") {
            println!("NOT RUN: this test loads eBPF programs; it runs as root with PORTREEVE_E2E=1");
            return None;
        }
        let bpffs = tempfile::tempdir().unwrap();
        mount("bpf", bpffs.path(), "bpf", MountFlags::empty(), c"mode=0700").unwrap();
        let config = Config {
            cgroup: None,
            pin_directory: bpffs.path().join("portreeve"),
            port: 0,
            content: Content::Off,
            ..Config::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Some(Self { config, runtime, bpffs })
    }

    /// The interception of this world, protecting these addresses.
    pub(super) fn start(&self, protected: &[SocketAddr]) -> Interception {
        self.try_start(protected).unwrap()
    }

    pub(super) fn try_start(&self, protected: &[SocketAddr]) -> Result<Interception, super::super::Error> {
        let _context = self.runtime.enter();
        Interception::start(&self.config, &destinations(protected), Inherited::default())
    }

    /// The daemon ends, as by a kill: what it left pinned stays.
    pub(super) fn end(&self, interception: Interception) {
        drop(interception);
        // Its tasks hold listeners; they are let go when the runtime turns to them.
        self.runtime.block_on(async {
            for _ in 0..64 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// The next intercepted connection.
    #[track_caller]
    pub(super) fn accept(&self, interception: &Interception) -> Intercepted {
        let listener = interception.listener();
        let accepted = async { tokio::time::timeout(*PATIENCE, listener.accept()).await };
        self.runtime.block_on(accepted).expect("no connection arrived").unwrap()
    }

    /// The next attempt of this kind that the kernel side tells of.
    #[track_caller]
    pub(super) fn attempt(&self, interception: &Interception, kind: AttemptKind) -> Attempt {
        let attempts = interception.attempts();
        let next = async {
            let wanted = async {
                loop {
                    let attempt = attempts.next().await.expect("the interception has ended");
                    if attempt.kind == kind {
                        return attempt;
                    }
                }
            };
            tokio::time::timeout(*PATIENCE, wanted).await
        };
        self.runtime.block_on(next).unwrap_or_else(|_| panic!("nothing was told of {kind:?}"))
    }

    /// Lets the daemon do its work until the other thread is done.
    pub(super) fn work_until<T: Send + 'static>(&self, done: thread::JoinHandle<T>) -> T {
        self.runtime
            .block_on(async { tokio::task::spawn_blocking(move || done.join()).await.unwrap().unwrap() })
    }

    /// Lets the listener work until it has closed a connection without a record.
    #[track_caller]
    pub(super) fn accept_nothing(&self, interception: &Interception, mut client: TcpStream) {
        let listener = interception.listener();
        let closed = async {
            let read = tokio::task::spawn_blocking(move || client.read(&mut [0]));
            tokio::select! {
                accepted = listener.accept() => panic!("accepted {accepted:?}"),
                read = tokio::time::timeout(*PATIENCE, read) => read,
            }
        };
        let read = self.runtime.block_on(closed).expect("the connection was not closed").unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "the connection was answered");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Links end with their last pin, so a failing test leaves no hook behind.
        let _ = unmount(self.bpffs.path(), UnmountFlags::DETACH);
    }
}

/// Waits until this gives something, and not for ever.
#[track_caller]
pub(super) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < *PATIENCE, "in vain: {what}");
        thread::yield_now();
    }
}

/// A process that does not outlive the test, however that ends: it would keep its hooks.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One address and port each.
pub(super) fn destinations(addresses: &[SocketAddr]) -> Vec<Destination> {
    addresses.iter().map(|at| Destination { network: Network::from(at.ip()), port: at.port() }).collect()
}

/// A loopback address that no other test of this process uses.
pub(super) fn unused_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let process = std::process::id().to_be_bytes();
    SocketAddr::from(([127, process[2] | 128, process[3], NEXT.fetch_add(1, Ordering::Relaxed)], 5432))
}

/// A server that answers every connection with one word; it lives as long as the process.
pub(super) fn server(address: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(b"direct");
        }
    });
    address
}

/// Whether a connection to the address comes to the server itself.
pub(super) fn reaches_the_server(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(*PATIENCE)).unwrap();
    let mut word = [0; 6];
    stream.read_exact(&mut word).is_ok() && &word == b"direct"
}

/// Runs `action` on a thread in a network namespace of its own, with its loopback up.
pub(super) fn in_another_netns<T: Send + 'static>(action: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(move || {
        // SAFETY: the thread's network namespace alone is replaced; descriptors stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        action()
    })
    .join()
    .unwrap()
}
