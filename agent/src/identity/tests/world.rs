//! A `/proc` and a cgroup hierarchy of our own.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;

/// A made-up host; removed when dropped.
pub(super) struct World {
    scratch: tempfile::TempDir,
    pub(super) identifier: Identifier,
}

/// A process of it.
#[derive(Clone)]
pub(super) struct Process<'a> {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) started: u64,
    /// Its pid in its own namespace.
    pub(super) inner: u32,
    pub(super) comm: &'a str,
    pub(super) cgroup: &'a str,
    pub(super) executable: &'a str,
}

impl Default for Process<'_> {
    fn default() -> Self {
        Process {
            pid: 42,
            parent: 0,
            started: 5,
            inner: 42,
            comm: "a) b",
            cgroup: "/job",
            executable: "/bin/sh",
        }
    }
}

impl World {
    pub(super) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("passwd"), "root:x:0:0::/:/bin/sh\nci:x:1000:1000::/:/bin/sh\n").unwrap();
        std::fs::create_dir(at("cgroups")).unwrap();
        let identifier = Identifier {
            proc: at("proc"),
            passwd: at("passwd"),
            cgroups: Some(Cgroups::made_up(at("cgroups"))),
            digests: Digests::new(digests::MOST_BYTES),
            tokens: Tokens::default(),
        };
        World { scratch, identifier }
    }

    /// The same host where nobody knows its cgroups.
    pub(super) fn without_cgroups(mut self) -> Self {
        self.identifier.cgroups = None;
        self
    }

    /// The folder of a process in `/proc`.
    pub(super) fn folder(&self, pid: u32) -> PathBuf {
        self.identifier.proc.join(pid.to_string())
    }

    pub(super) fn make_cgroup(&self, path: &str) -> PathBuf {
        let folder = self.scratch.path().join("cgroups").join(path.trim_start_matches('/'));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Starts a process.
    pub(super) fn process(&self, process: Process<'_>) {
        let folder = self.folder(process.pid);
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, content: String| std::fs::write(folder.join(name), content).unwrap();
        write("cgroup", format!("1:name=systemd:/x\n0::{}\n", process.cgroup));
        write("cmdline", "psql\0-c\0select 1\0".to_owned());
        write(
            "status",
            format!(
                "Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t1000\t0\t0\t0\nNSpid:\t{}\t{}\nNSpgid:\t1\n",
                process.pid, process.inner
            ),
        );
        self.make_cgroup(process.cgroup);
        self.run(process.pid, process.executable);
        self.set_stat(&process);
    }

    /// Has a process run a program from now on.
    pub(super) fn run(&self, pid: u32, executable: &str) {
        let new = self.folder(pid).join("new");
        symlink(executable, &new).unwrap();
        std::fs::rename(new, self.folder(pid).join("exe")).unwrap();
    }

    /// Writes its `stat` at one go.
    pub(super) fn set_stat(&self, process: &Process<'_>) {
        let Process { pid, parent, started, comm, .. } = process;
        let new = self.folder(*pid).join("new");
        let rest = "3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
        std::fs::write(&new, format!("{pid} ({comm}) S {parent} 2 {rest} {started} 20\n")).unwrap();
        std::fs::rename(new, self.folder(*pid).join("stat")).unwrap();
    }

    /// What the kernel says of a process that connected in that cgroup.
    pub(super) fn peer(&self, pid: u32, cgroup: &str) -> KernelPeer {
        let cgroup_id = std::fs::metadata(self.make_cgroup(cgroup)).unwrap().ino();
        KernelPeer { pid, uid: 1000, gid: 1000, cgroup_id, ..myself() }
    }

    /// Identifies a process of `/job`, and does something once one of its files is about to be read.
    pub(super) fn identify_while(&self, pid: u32, read: (u32, &str), change: impl FnOnce()) -> Principal {
        let file = self.folder(read.0).join(read.1);
        let content = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &file, fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let peer = self.peer(pid, "/job");
        std::thread::scope(|scope| {
            let identified = scope.spawn(|| self.identifier.identify(&peer));
            // Opened as soon as the other side reads; a reader that comes again must not wait.
            let mut writer = open_for_its_reader(&file);
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, &content).unwrap();
            change();
            std::io::Write::write_all(&mut writer, &content).unwrap();
            drop(writer);
            identified.join().unwrap()
        })
    }
}

/// The writing side of a FIFO, once there is somebody who reads.
fn open_for_its_reader(fifo: &Path) -> std::fs::File {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match std::fs::OpenOptions::new().write(true).custom_flags(flags).open(fifo) {
            Ok(writer) => return writer,
            Err(error) => assert!(Instant::now() < deadline, "nobody reads: {error}"),
        }
        std::thread::yield_now();
    }
}
