//! PostgreSQL on ports that nobody protects.
//!
//! Each test runs in a process of its own in a cgroup of its own, to which alone the programs are attached: what they
//! refuse or report is no other test's.

use std::{
    fs,
    io::{Seek as _, Write as _},
    net::TcpListener,
    path::PathBuf,
};

use agent_ebpf::opening::Verdict;
use socket2::SockFilter;

use super::*;
use crate::intercept::{Attempt, AttemptKind, cgroup_root};

#[path = "../../../../agent-ebpf/tests/opening/captures.rs"]
mod captures;

use self::captures::CAPTURES;

/// Set for the process that a test starts, to its cgroup's path.
const INSIDE: &str = "PORTREEVE_TEST_CGROUP";

/// A start-up packet as psql sends it.
const STARTUP: &[u8] = b"\0\0\0\x25\0\x03\0\0user\0job\0database\0shop\0\0\0\0\0\0\0";

/// A guard over this process alone, and a server that it connects to.
struct Scene {
    world: World,
    interception: Interception,
    listeners: [TcpListener; 2],
}

/// Runs the test where its own guard is.
fn scene(test: &str, content: Content, body: impl FnOnce(&Scene)) {
    let Some(mut world) = World::new() else { return };
    if let Some(cgroup) = std::env::var_os(INSIDE) {
        fs::write(PathBuf::from(&cgroup).join("cgroup.procs"), std::process::id().to_string()).unwrap();
        world.config.cgroup = Some(cgroup.into());
        world.config.content = content;
        let interception = world.start(&[]);
        let listeners = ["127.0.0.1:0", "[::1]:0"].map(|at| TcpListener::bind(at).unwrap());
        let scene = Scene { world, interception, listeners };
        body(&scene);
        scene.interception.release().unwrap();
        return;
    }
    let root = cgroup_root::find_root().unwrap();
    let root = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), root.as_fd().as_raw_fd()));
    let cgroup = root.join(format!("portreeve-test-{}-{test}", std::process::id()));
    fs::create_dir(&cgroup).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("intercept::kernel_tests::content::{test}"), "--nocapture"])
        .env(INSIDE, &cgroup)
        .status()
        .unwrap();
    // The process was reaped, but may leave its cgroup a moment later.
    eventually("the cgroup is empty", || fs::remove_dir(&cgroup).ok());
    assert!(status.success());
}

impl Scene {
    /// A connection, and its other end.
    fn connect(&self, family: usize) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.listeners[family].local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (server, _) = self.listeners[family].accept().unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (client, server)
    }

    /// That this connection is ended, and was told of, and that the server never had `opening` whole.
    #[track_caller]
    fn refused(&self, what: &str, client: &TcpStream, mut server: TcpStream, opening: usize) -> Attempt {
        let told = self.world.attempt(&self.interception, AttemptKind::Opening);
        assert_eq!(told.source, Some(client.local_addr().unwrap()), "{what}");
        assert_eq!(told.peer.as_ref().map(|peer| peer.pid), Some(std::process::id()), "{what}");
        let mut arrived = Vec::new();
        let _ = server.read_to_end(&mut arrived);
        assert!(arrived.len() < opening, "{what}: the server got {arrived:?}");
        let ended = eventually("the connection is ended", || client.take_error().unwrap());
        assert_eq!(ended.raw_os_error(), Some(libc::ECONNABORTED), "{what}");
        told
    }
}

#[test]
fn where_it_is_refused_no_client_gets_past_the_beginning() {
    scene("where_it_is_refused_no_client_gets_past_the_beginning", Content::Refuse, |scene| {
        for capture in CAPTURES.iter().filter(|capture| matches!(capture.expect, Verdict::Postgres(_))) {
            let bytes = capture.bytes();
            for (family, size) in [(0, bytes.len()), (1, bytes.len()), (0, 1), (0, 7), (1, 8), (0, 90)] {
                let (mut client, server) = scene.connect(family);
                for packet in bytes.chunks(size) {
                    if client.write_all(packet).is_err() {
                        break;
                    }
                }
                let what = format!("{} of {} in packets of {size}", capture.name, capture.made_by);
                let told = scene.refused(&what, &client, server, bytes.len());
                assert_eq!(Verdict::from_code(told.detail as u8), capture.expect, "{what}");
            }
        }
    });
}

#[test]
fn no_way_of_sending_hides_the_beginning() {
    scene("no_way_of_sending_hides_the_beginning", Content::Refuse, |scene| {
        let (client, server) = scene.connect(0);
        let socket = SockRef::from(&client);
        for (begin, end) in [(0, 3), (3, 9), (9, STARTUP.len())] {
            socket.send_with_flags(&STARTUP[begin..end], libc::MSG_MORE).unwrap();
        }
        scene.refused("MSG_MORE", &client, server, STARTUP.len());

        let (client, server) = scene.connect(0);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(STARTUP).unwrap();
        file.rewind().unwrap();
        // SAFETY: both descriptors are open, and no offset is passed.
        let sent = unsafe {
            libc::sendfile(client.as_raw_fd(), file.as_raw_fd(), std::ptr::null_mut(), STARTUP.len())
        };
        assert_eq!(sent, STARTUP.len().cast_signed());
        scene.refused("sendfile", &client, server, STARTUP.len());

        let (client, server) = scene.connect(0);
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&write, STARTUP).unwrap();
        rustix::pipe::splice(&read, None, &client, None, STARTUP.len(), rustix::pipe::SpliceFlags::empty())
            .unwrap();
        scene.refused("splice", &client, server, STARTUP.len());

        let (client, server) = scene.connect(0);
        const SO_ZEROCOPY: i32 = 60;
        set_option(&SockRef::from(&client), libc::SOL_SOCKET, SO_ZEROCOPY, 1).unwrap();
        SockRef::from(&client).send_with_flags(STARTUP, libc::MSG_ZEROCOPY).unwrap();
        scene.refused("MSG_ZEROCOPY", &client, server, STARTUP.len());

        // One urgent byte before it, which the server never reads.
        let (client, server) = scene.connect(0);
        SockRef::from(&client).send_out_of_band(b"x").unwrap();
        let _ = SockRef::from(&client).send(STARTUP);
        let mut server = server;
        server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(!server.read(&mut [0; 64]).is_ok_and(|read| read > 0), "urgent: something arrived");
    });
}

#[test]
fn data_in_the_syn_is_looked_at() {
    scene("data_in_the_syn_is_looked_at", Content::Refuse, |scene| {
        // The server's side too has to be willing, and the client to have its cookie.
        let before = fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen").unwrap();
        fs::write("/proc/sys/net/ipv4/tcp_fastopen", "3").unwrap();
        let at = scene.listeners[0].local_addr().unwrap();
        set_option(&SockRef::from(&scene.listeners[0]), libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 16).unwrap();
        let send = move |bytes: &[u8]| {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let sent = client.send_to_with_flags(bytes, &at.into(), libc::MSG_FASTOPEN);
            (client, sent.map_err(|error| error.raw_os_error()))
        };
        let first = send(b"the cookie comes with the answer");
        let (mut server, _) = scene.listeners[0].accept().unwrap();
        server.read_exact(&mut [0; 32]).unwrap();
        drop((first, server));
        // It waits for its connection, which never comes.
        let second = thread::spawn(move || send(STARTUP).1);
        let told = scene.world.attempt(&scene.interception, AttemptKind::Opening);
        assert_eq!(told.destination, Some(at));
        assert_eq!(scene.world.work_until(second), Err(Some(libc::ECONNABORTED)));
        fs::write("/proc/sys/net/ipv4/tcp_fastopen", before).unwrap();
    });
}

#[test]
fn other_protocols_pass_whole_where_postgresql_is_refused() {
    scene("other_protocols_pass_whole_where_postgresql_is_refused", Content::Refuse, |scene| {
        for capture in CAPTURES.iter().filter(|capture| !matches!(capture.expect, Verdict::Postgres(_))) {
            let bytes = capture.bytes();
            for (family, size) in [(0, bytes.len()), (1, bytes.len()), (0, 1), (0, 7)] {
                let (mut client, mut server) = scene.connect(family);
                let mut arrived = vec![0; bytes.len()];
                for packet in bytes.chunks(size) {
                    client.write_all(packet).unwrap();
                }
                server.read_exact(&mut arrived).unwrap();
                assert_eq!(arrived, bytes, "{} of {} in packets of {size}", capture.name, capture.made_by);
            }
        }
        let counters = scene.interception.counters().unwrap();
        assert_eq!((counters.opening_found, counters.opening_dropped, counters.opening_lost), (0, 0, 0));
    });
}

#[test]
fn where_it_is_only_reported_it_passes_and_is_told_once() {
    scene("where_it_is_only_reported_it_passes_and_is_told_once", Content::Report, |scene| {
        let (mut client, mut server) = scene.connect(0);
        let mut arrived = vec![0; STARTUP.len()];
        for _ in 0..3 {
            client.write_all(STARTUP).unwrap();
            server.read_exact(&mut arrived).unwrap();
        }
        let told = scene.world.attempt(&scene.interception, AttemptKind::Opening);
        assert_eq!(told.destination, Some(scene.listeners[0].local_addr().unwrap()));
        assert_eq!(scene.interception.counters().unwrap().opening_found, 1);
        client.write_all(b"more").unwrap();
        server.read_exact(&mut arrived[..4]).unwrap();
    });
}

#[test]
fn where_nobody_looks_nothing_is_told() {
    scene("where_nobody_looks_nothing_is_told", Content::Off, |scene| {
        let (mut client, mut server) = scene.connect(0);
        client.write_all(STARTUP).unwrap();
        server.read_exact(&mut vec![0; STARTUP.len()]).unwrap();
        assert_eq!(scene.interception.counters().unwrap().opening_found, 0);
    });
}

#[test]
fn a_stream_that_was_under_way_before_the_guard_is_left_alone() {
    scene("a_stream_that_was_under_way_before_the_guard_is_left_alone", Content::Off, |scene| {
        let (mut client, mut server) = scene.connect(0);
        client.write_all(b"once").unwrap();
        server.read_exact(&mut [0; 4]).unwrap();
        // One that has said nothing yet is at its beginning.
        let (mut silent, quiet) = scene.connect(0);
        let mut other = World::new().unwrap();
        other.config.cgroup = scene.world.config.cgroup.clone();
        other.config.content = Content::Refuse;
        let late = other.start(&[]);
        client.write_all(STARTUP).unwrap();
        server.read_exact(&mut vec![0; STARTUP.len()]).unwrap();
        assert_eq!(late.counters().unwrap().opening_found, 0);
        silent.write_all(STARTUP).unwrap();
        let told = other.attempt(&late, AttemptKind::Opening);
        assert_eq!(told.source, Some(silent.local_addr().unwrap()));
        late.release().unwrap();
        drop((silent, quiet));
    });
}

#[test]
fn a_server_that_speaks_first_is_left_alone() {
    scene("a_server_that_speaks_first_is_left_alone", Content::Refuse, |scene| {
        let (mut client, mut server) = scene.connect(0);
        // Neither is what it says a beginning, nor what is answered.
        server.write_all(STARTUP).unwrap();
        client.read_exact(&mut vec![0; STARTUP.len()]).unwrap();
        client.write_all(STARTUP).unwrap();
        server.read_exact(&mut vec![0; STARTUP.len()]).unwrap();
        let counters = scene.interception.counters().unwrap();
        assert_eq!((counters.opening_found, counters.opening_lost), (0, 0));
    });
}

#[test]
fn a_beginning_that_is_put_aside_by_hand_is_not_missed() {
    scene("a_beginning_that_is_put_aside_by_hand_is_not_missed", Content::Refuse, |scene| {
        const TCP_REPAIR: i32 = 19;
        const TCP_REPAIR_QUEUE: i32 = 20;
        const TCP_SEND_QUEUE: i32 = 2;
        const TCP_REPAIR_OFF_NO_WP: i32 = -1;
        let (client, server) = scene.connect(0);
        let socket = SockRef::from(&client);
        set_option(&socket, libc::IPPROTO_TCP, TCP_REPAIR, 1).unwrap();
        set_option(&socket, libc::IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE).unwrap();
        // It counts as sent, and is sent again after what follows.
        socket.send(STARTUP).unwrap();
        set_option(&socket, libc::IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP).unwrap();
        let _ = socket.send(b"what follows");
        scene.refused("TCP_REPAIR", &client, server, STARTUP.len());
    });
}

#[test]
fn a_stream_that_cannot_be_followed_is_refused() {
    scene("a_stream_that_cannot_be_followed_is_refused", Content::Refuse, |scene| {
        let at = scene.listeners[0].local_addr().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        use_up_allowance(&socket);
        socket.connect(&at.into()).unwrap();
        let (mut server, _) = scene.listeners[0].accept().unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send(STARTUP).unwrap();
        let told = scene.world.attempt(&scene.interception, AttemptKind::Opening);
        assert_eq!(told.destination, Some(at));
        assert_eq!(
            told.peer.map(|peer| peer.pid),
            Some(std::process::id()),
            "who connected was seen all the same"
        );
        let ended = eventually("the connection is ended", || socket.take_error().unwrap());
        assert_eq!(ended.raw_os_error(), Some(libc::ECONNABORTED));
        assert!(!server.read(&mut [0; 64]).is_ok_and(|read| read > 0), "something arrived");
    });
}

/// Takes what a socket may allocate beside its buffers, as every process can: by a long filter.
fn use_up_allowance(socket: &Socket) {
    let attach = |long: usize, short: usize| {
        // BPF_LDX | BPF_MSH becomes several instructions of the kernel's, BPF_LD | BPF_IMM one.
        let codes = [0xb1].repeat(long).into_iter().chain([0].repeat(short));
        let mut filter: Vec<_> = codes.map(|code| SockFilter::new(code, 0, 0, 0)).collect();
        filter.push(SockFilter::new(0x06, 0, 0, u32::MAX));
        let _ = socket.detach_filter();
        socket.attach_filter(&filter).is_ok()
    };
    let most = |limit: usize, fits: &dyn Fn(usize) -> bool| {
        let (mut low, mut high) = (0, limit);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        low
    };
    let long = most(4000, &|long| attach(long, 0));
    let short = most(90, &|short| attach(long, short));
    assert!(attach(long, short));
}
