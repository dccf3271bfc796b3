//! The interception on the kernel that runs the test: root, and `PORTREEVE_E2E=1`.

mod world;

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::{fs::MetadataExt as _, process::CommandExt as _},
    },
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use agent_ebpf::{ABI_VERSION, Settings, maps};
use aya::maps::{Array, MapData};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use self::world::{
    Killed, World, destinations, in_another_netns, reaches_the_server, server, unused_address,
};
use super::{Error, Interception, abi, pins::PinDirectory, sys};

macro_rules! world {
    () => {
        match World::new() {
            Some(world) => world,
            None => return,
        }
    };
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, Duration::from_secs(10))
}

#[track_caller]
fn refused(address: SocketAddr, expect: i32) {
    match connect(address) {
        Err(error) => assert_eq!(error.raw_os_error(), Some(expect), "{error}"),
        Ok(stream) => panic!("{address} answered as {stream:?}"),
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn v6_server() -> SocketAddr {
    server(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)))
}

/// Connects, accepts, and compares what both sides see.
#[track_caller]
fn check(world: &World, interception: &Interception, connect_to: SocketAddr, expect: SocketAddr) {
    let client = connect(connect_to).unwrap();
    let accepted = world.accept(interception);
    assert_eq!(accepted.destination, expect);
    assert_eq!(accepted.stream.peer_addr().unwrap().port(), client.local_addr().unwrap().port());
    let seen = client.peer_addr().unwrap();
    assert_eq!((seen.ip().to_canonical(), seen.port()), (expect.ip(), expect.port()));
    assert_eq!(seen.is_ipv6(), connect_to.is_ipv6());
}

#[test]
fn a_protected_connection_arrives_with_its_destination() {
    let world = world!();
    let (v4, v6) = (unused_address(), v6_server());
    let interception = world.start(&[v4, v6]);
    check(&world, &interception, v4, v4);
    check(&world, &interception, v6, v6);
    check(&world, &interception, mapped(v4), v4);
    interception.release().unwrap();
}

#[test]
fn every_way_to_open_a_stream_is_redirected() {
    let world = world!();
    let (at, v6) = (unused_address(), v6_server());
    let interception = world.start(&[at, v6]);
    let check = |domain, protocol, prepare: &dyn Fn(&Socket) -> io::Result<()>, to: SocketAddr| {
        let socket = Socket::new(domain, Type::STREAM, protocol).unwrap();
        prepare(&socket).unwrap();
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            connected => connected.unwrap(),
        }
        // With TCP_FASTOPEN_CONNECT the handshake begins with the first byte.
        let _ = socket.send(b"x");
        assert_eq!(world.accept(&interception).destination, to);
    };
    let fast_open = |socket: &Socket| set_option(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1);
    check(Domain::IPV4, None, &|_| Ok(()), at);
    check(Domain::IPV4, None, &|socket| socket.set_nonblocking(true), at);
    check(Domain::IPV4, None, &|socket| socket.bind(&SocketAddr::from(([127, 1, 2, 3], 0)).into()), at);
    check(Domain::IPV4, None, &|socket| socket.set_mark(15001), at);
    check(Domain::IPV4, None, &fast_open, at);
    check(Domain::IPV6, None, &fast_open, v6);
    // MPTCP runs the hook on its first subflow; a kernel without it has no way there either.
    if let Ok(socket) = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)) {
        drop(socket);
        check(Domain::IPV4, Some(Protocol::MPTCP), &|_| Ok(()), at);
        check(Domain::IPV6, Some(Protocol::MPTCP), &|_| Ok(()), v6);
    }

    // sendto() that connects and sends in one.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.send_to_with_flags(b"x", &at.into(), libc::MSG_FASTOPEN).unwrap();
    assert_eq!(world.accept(&interception).destination, at);
    interception.release().unwrap();
}

fn set_option(socket: &Socket, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the kernel reads the 4 bytes of `value`.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), 4) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn a_protected_network_holds_all_its_addresses_on_one_port() {
    let world = world!();
    let at = unused_address();
    let IpAddr::V4(v4) = at.ip() else { unreachable!() };
    let [a, b, c, _] = v4.octets();
    let interception = world.start(&[]);
    let network = format!("{}/24", Ipv4Addr::new(a, b, c, 0)).parse().unwrap();
    interception.protected().set(&[super::Destination { network, port: 5432 }]).unwrap();
    let inside = SocketAddr::from(([a, b, c, 200], 5432));
    check(&world, &interception, inside, inside);
    refused(SocketAddr::from(([a, b, c, 200], 5433)), libc::ECONNREFUSED);
    refused(SocketAddr::from(([a, b, c ^ 1, 200], 5432)), libc::ECONNREFUSED);
    assert_eq!(interception.counters().unwrap().redirected, 1);
    interception.release().unwrap();
}

#[test]
fn the_peer_is_the_process_that_connected() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let script = format!("exec 3<>/dev/tcp/{}/{}; read -t 10 <&3", at.ip(), at.port());
    let mut child = Command::new("bash").args(["-c", &script]).uid(1000).gid(1001).spawn().unwrap();
    let peer = world.accept(&interception).peer;
    let cgroup = std::fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    assert_eq!((peer.pid, peer.tid), (child.id(), child.id()));
    assert_eq!((peer.uid, peer.gid, peer.comm.as_str()), (1000, 1001, "bash"));
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .find(|root| std::fs::metadata(root).is_ok_and(|root| root.ino() == 1));
    if let Some(root) = root {
        assert_eq!(peer.cgroup_id, std::fs::metadata(format!("{root}/{path}")).unwrap().ino());
    }
    let own = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    assert_eq!(peer.netns_cookie, netns_cookie(&own));
    assert!(peer.ktime_ns > 0 && peer.socket_cookie > 0);
    interception.release().unwrap();
}

/// `SO_NETNS_COOKIE`.
fn netns_cookie(socket: &Socket) -> u64 {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let (mut cookie, mut length) = (0_u64, 8);
    // SAFETY: the kernel writes at most 8 bytes to `cookie`, and the length to `length`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    assert_eq!(result, 0);
    cookie
}

#[test]
fn our_own_connection_reaches_the_server() {
    let world = world!();
    for at in [server(unused_address()), v6_server()] {
        let interception = world.start(&[at]);
        let own = interception.own_sockets();
        let word = world.runtime.block_on(async {
            let stream = own.connect(at).await.unwrap();
            let mut word = [0; 6];
            stream.readable().await.unwrap();
            stream.try_read(&mut word).unwrap();
            word
        });
        assert_eq!(&word, b"direct");
        assert_eq!(interception.counters().unwrap().own_passed, 1);
        interception.release().unwrap();
    }
}

#[test]
fn a_connection_without_a_record_is_closed_and_counted() {
    let world = world!();
    let interception = world.start(&[unused_address()]);
    let client = connect(interception.listen_address()).unwrap();
    world.accept_nothing(&interception, client);
    let counters = interception.counters().unwrap();
    assert_eq!((counters.accepted_unknown, counters.closed_unrecorded), (1, 1));
    assert_eq!(counters.accepted, 0);
    interception.release().unwrap();
}

#[test]
fn a_socket_that_connects_again_elsewhere_is_not_taken_for_the_old_one() {
    let world = world!();
    let (protected, open) = (unused_address(), server(unused_address()));
    let interception = world.start(&[protected]);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.connect(&protected.into()).unwrap();
    assert_eq!(world.accept(&interception).destination, protected);
    // AF_UNSPEC dissolves the connection; the socket may connect again.
    let unspecified = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: a sockaddr of the length given.
    let dissolved = unsafe { libc::connect(socket.as_raw_fd(), &raw const unspecified, length) };
    assert_eq!(dissolved, 0);
    socket.connect(&open.into()).unwrap();
    assert_eq!(socket.peer_addr().unwrap().as_socket(), Some(open));
    interception.release().unwrap();
}

#[test]
fn protection_changes_while_the_programs_run() {
    let world = world!();
    let (stays, goes, comes) = (server(unused_address()), server(unused_address()), server(unused_address()));
    let interception = world.start(&[stays, goes]);
    check(&world, &interception, stays, stays);
    check(&world, &interception, goes, goes);
    assert!(reaches_the_server(comes));

    // All the while somebody tries what is protected before and after.
    let trying = thread::spawn(move || (0..300).filter(|_| connect(stays).is_ok()).count());
    let protected = interception.protected();
    for _ in 0..200 {
        protected.set(&destinations(&[stays, comes])).unwrap();
        protected.set(&destinations(&[stays, goes])).unwrap();
    }
    protected.set(&destinations(&[stays, comes])).unwrap();
    assert_eq!(trying.join().unwrap(), 300);
    assert_eq!(interception.counters().unwrap().redirected, 302);
    for _ in 0..300 {
        assert_eq!(world.accept(&interception).destination, stays);
    }
    assert!(reaches_the_server(goes));
    check(&world, &interception, comes, comes);
    protected.set(&[]).unwrap();
    assert!(reaches_the_server(stays));
    interception.release().unwrap();
}

#[test]
fn the_unspecified_address_is_no_way_around() {
    let world = world!();
    // A port that only this test's server has, because 127.0.0.1 and ::1 belong to everybody.
    let v4 = server(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let v6 = v6_server();
    let elsewhere = SocketAddr::new(unused_address().ip(), v4.port());
    let interception = world.start(&[v4, v6, elsewhere]);
    check(&world, &interception, SocketAddr::from((Ipv4Addr::UNSPECIFIED, v4.port())), v4);
    check(&world, &interception, SocketAddr::from((Ipv6Addr::UNSPECIFIED, v6.port())), v6);
    let unspecified = SocketAddr::from((Ipv4Addr::UNSPECIFIED, v4.port()));
    check(&world, &interception, mapped(unspecified), v4);

    // Bound to an address, 0.0.0.0 means that address.
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&SocketAddr::new(elsewhere.ip(), 0).into()).unwrap();
    bound.connect(&unspecified.into()).unwrap();
    assert_eq!(world.accept(&interception).destination, elsewhere);

    // Bound to an IPv4-mapped address, :: means 127.0.0.1.
    let bound = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    bound.bind(&mapped(SocketAddr::new(elsewhere.ip(), 0)).into()).unwrap();
    bound.connect(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, v4.port())).into()).unwrap();
    assert_eq!(world.accept(&interception).destination, v4);
    interception.release().unwrap();
}

#[test]
fn datagrams_are_left_alone() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let receiver = UdpSocket::bind(at).unwrap();
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    sender.connect(at).unwrap();
    assert_eq!(sender.peer_addr().unwrap(), at);
    sender.send(b"x").unwrap();
    assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 1);
    assert_eq!(interception.counters().unwrap().redirected, 0);
    interception.release().unwrap();
}

#[test]
fn every_connection_has_its_record_however_soon_it_ends() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let (threads, each) = (4, 500);
    let clients: Vec<_> = (0..threads)
        .map(|_| {
            thread::spawn(move || {
                for _ in 0..each {
                    let client = connect(at).unwrap();
                    // Ends with a reset.
                    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
                }
            })
        })
        .collect();
    for _ in 0..threads * each {
        let accepted = world.accept(&interception);
        assert_eq!((accepted.destination, accepted.peer.pid), (at, std::process::id()));
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    let counters = interception.counters().unwrap();
    assert_eq!((counters.redirected, counters.accepted), (2000, 2000));
    assert_eq!((counters.accepted_unknown, counters.closed_unrecorded), (0, 0));
    let tuples: aya::maps::HashMap<MapData, [u8; 48], [u8; 88]> =
        abi::open_map(&interception.pins, maps::TUPLES).unwrap().try_into().unwrap();
    assert_eq!(tuples.keys().count(), 0, "entries stay behind");
    interception.release().unwrap();
}

#[test]
fn without_the_daemon_protected_connections_are_refused_and_the_next_one_takes_over() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    check(&world, &first, at, at);
    drop(first);
    refused(at, libc::ECONNREFUSED);

    let second = world.try_start().unwrap();
    assert_eq!(second.programs.adopted(), 5);
    check(&world, &second, at, at);
    assert_eq!(second.counters().unwrap().redirected, 3, "the refused one counts too");
    second.release().unwrap();
    assert!(reaches_the_server(at));
    assert!(!world.config.pin_directory.exists());
}

#[test]
fn a_killed_daemon_leaves_a_refusal_and_a_stopped_one_a_wait() {
    let world = world!();
    let at = server(unused_address());
    let daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "intercept::kernel_tests::the_daemon_that_another_test_kills", "--nocapture"])
        .env("PORTREEVE_TEST_PINS", &world.config.pin_directory)
        .env("PORTREEVE_TEST_PROTECTED", at.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut daemon = Killed(daemon);
    let output = BufReader::new(daemon.0.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("in place")));
    assert!(matches!(world.try_start(), Err(Error::AlreadyRunning { .. })));

    let pid = rustix::process::Pid::from_child(&daemon.0);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let mut waiting = connect(at).unwrap();
    assert_eq!(waiting.peer_addr().unwrap(), at);
    drop(daemon);
    assert!(matches!(waiting.read(&mut [0]), Ok(0) | Err(_)), "somebody answered");
    refused(at, libc::ECONNREFUSED);

    let next = world.try_start().unwrap();
    assert_eq!(next.programs.adopted(), 5);
    check(&world, &next, at, at);
    next.release().unwrap();
}

/// Not a test of its own: the process that the test above starts.
#[test]
fn the_daemon_that_another_test_kills() {
    let Some(pins) = std::env::var_os("PORTREEVE_TEST_PINS") else { return };
    let at = std::env::var("PORTREEVE_TEST_PROTECTED").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config =
            super::Config { cgroup: None, pin_directory: pins.into(), port: 0, ..super::Config::default() };
        let interception = Interception::start(&config).unwrap();
        interception.protected().set(&destinations(&[at])).unwrap();
        println!("in place");
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_second_daemon_is_refused() {
    let world = world!();
    let interception = world.start(&[unused_address()]);
    assert!(matches!(world.try_start(), Err(Error::AlreadyRunning { .. })));
    assert!(matches!(super::release(&world.config), Err(Error::AlreadyRunning { .. })));
    drop(interception);
    super::release(&world.config).unwrap();
    super::release(&world.config).unwrap();
}

#[test]
fn a_hook_that_was_detached_is_made_anew() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    let link = sys::open_pin(&first.pins.link("connect4")).unwrap();
    assert_eq!(first.detached(), Vec::<&str>::new());
    sys::detach_link(link.as_fd()).unwrap();
    assert_eq!(first.detached(), ["connect4"]);
    assert!(reaches_the_server(at));
    drop(first);
    let second = world.try_start().unwrap();
    assert_eq!(second.programs.adopted(), 4);
    check(&world, &second, at, at);
    second.release().unwrap();
}

#[test]
fn removing_the_pins_of_a_running_daemon_takes_no_hook_away() {
    let world = world!();
    let at = server(unused_address());
    let interception = world.start(&[at]);
    std::fs::remove_file(interception.pins.link("connect4")).unwrap();
    check(&world, &interception, at, at);
    interception.release().unwrap();
}

#[test]
fn hooks_of_another_version_are_not_taken_over_and_stay_in_force() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    let mut settings: Array<MapData, abi::Value<Settings>> =
        abi::open_map(&first.pins, maps::SETTINGS).unwrap().try_into().unwrap();
    let mut other = settings.get(&0, 0).unwrap();
    other.0.abi_version = ABI_VERSION + 1;
    settings.set(0, other, 0).unwrap();
    drop((first, settings));
    assert!(matches!(world.try_start(), Err(Error::Incompatible { .. })));
    refused(at, libc::ECONNREFUSED);
    super::release(&world.config).unwrap();
    assert!(reaches_the_server(at));
}

#[test]
fn a_map_of_another_layout_is_not_taken_over() {
    let world = world!();
    let first = world.start(&[]);
    let other = first.pins.path(maps::COUNTERS);
    std::fs::remove_file(first.pins.path(maps::TUPLES)).unwrap();
    MapData::from_pin(other).unwrap().pin(first.pins.path(maps::TUPLES)).unwrap();
    drop(first);
    let error = world.try_start().err().unwrap().to_string();
    assert!(error.contains("TUPLES") && error.contains("PerCpuArray"), "{error}");
    super::release(&world.config).unwrap();
}

#[test]
fn from_another_network_namespace_a_protected_connection_is_refused() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let answer = in_another_netns(move || {
        server(at);
        connect(at).map(|_| ()).map_err(|error| error.raw_os_error())
    });
    assert_eq!(answer, Err(Some(libc::ECONNREFUSED)));
    interception.release().unwrap();
}

#[test]
fn a_connection_that_cannot_be_remembered_is_refused() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let answer = in_another_netns(move || {
        server(at);
        // What a socket may allocate beside its buffers, socket storage among it; its namespace's own.
        if std::fs::write("/proc/sys/net/core/optmem_max", "0").is_err() {
            return None;
        }
        Some(connect(at).map(|_| ()).map_err(|error| error.raw_os_error()))
    });
    match answer {
        Some(answer) => {
            assert_eq!(answer, Err(Some(libc::EPERM)));
            assert_eq!(interception.counters().unwrap().refused_no_storage, 1);
        }
        None => println!("NOT RUN: this kernel has no net.core.optmem_max of a namespace's own (Linux 6.8)"),
    }
    interception.release().unwrap();
}

#[test]
fn too_many_destinations_are_refused_and_change_nothing() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let many: Vec<_> =
        (0..5000).map(|n: u16| SocketAddr::from(([127, 99, (n >> 8) as u8, n as u8], 5432))).collect();
    let error = interception.protected().set(&destinations(&many)).unwrap_err();
    assert!(matches!(error, Error::TooManyDestinations { wanted: 5001 }));
    check(&world, &interception, at, at);
    interception.release().unwrap();
}

#[test]
fn a_pin_directory_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world!();
    std::fs::create_dir(&world.config.pin_directory).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&world.config.pin_directory, open).unwrap();
    let error = world.try_start().err().unwrap().to_string();
    assert!(error.contains("we alone may write to"), "{error}");
}

#[test]
fn a_pin_directory_elsewhere_is_refused_with_the_cure() {
    let mut world = world!();
    let folder = tempfile::tempdir().unwrap();
    world.config.pin_directory = folder.path().join("pins");
    let error = world.try_start().err().unwrap().to_string();
    assert!(error.contains(&format!("mount -t bpf bpf {}", folder.path().display())), "{error}");
    assert!(matches!(PinDirectory::lock(folder.path()).unwrap().remove(), Ok(())));
}
