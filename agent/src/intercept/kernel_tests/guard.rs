//! Attempts to go past.

use std::{
    io::Write as _,
    net::{SocketAddrV4, TcpListener},
};

use super::{
    container::Container,
    packets::{ip4, tcp4},
    *,
};
use crate::intercept::{AttemptKind, Existing};

/// A client in a process of its own, since what this process holds is taken for the daemon's. It says `got WORD`
/// for what it is sent, and `gone` at the end.
fn client(at: SocketAddr) -> (Killed, BufReader<std::process::ChildStdout>) {
    let script = format!(
        "exec 3<>/dev/tcp/{}/{} || exit 1; echo open; read -N 6 -t 20 word <&3 && echo got $word; \
         while read -r line; do echo $line >&3 || {{ echo gone; exit; }}; done",
        at.ip(),
        at.port()
    );
    let child = Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Killed(child.unwrap());
    let mut said = BufReader::new(child.0.stdout.take().unwrap());
    for expect in ["open\n", "got direct\n"] {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, expect);
    }
    (child, said)
}

#[test]
fn a_connection_that_is_older_is_found_with_its_owner_and_ended() {
    let world = world!();
    let at = server(unused_address());
    let (mut client, mut said) = client(at);
    let interception = world.start(&[at]);
    let (found, failed) = interception.sweep();
    assert_eq!(failed, Vec::<String>::new());
    let [older] = found.as_slice() else { panic!("{found:?}") };
    let peer = older.peer.as_ref().unwrap();
    assert_eq!((older.kind, older.destination, peer.pid), (AttemptKind::Older, Some(at), client.0.id()));
    assert_eq!((older.detail, peer.comm.as_str()), (1, "bash"));
    client.0.stdin.take().unwrap().write_all(b"one\n").unwrap();
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "gone\n");
    assert_eq!(interception.sweep().0, []);
    interception.release().unwrap();
}

#[test]
fn an_older_connection_goes_on_where_that_is_wanted() {
    let mut world = world!();
    world.config.existing = Existing::Report;
    let at = unused_address();
    let listener = TcpListener::bind(at).unwrap();
    let accepted = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"direct").unwrap();
        stream
    });
    let (mut client, _said) = client(at);
    let interception = world.start(&[at]);
    let (found, _) = interception.sweep();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].detail, 0);
    client.0.stdin.as_mut().unwrap().write_all(b"still here\n").unwrap();
    let mut stream = accepted.join().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut word = [0; 10];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"still here");
    interception.release().unwrap();
}

#[test]
fn a_packet_of_an_older_connection_is_dropped_and_ends_it() {
    let world = world!();
    let at = server(unused_address());
    let mut older = connect(at).unwrap();
    let interception = world.start(&[at]);
    older.write_all(b"one").unwrap();
    let told = world.attempt(&interception, AttemptKind::Guard);
    assert_eq!(told.destination, Some(at));
    assert_eq!(told.source, Some(older.local_addr().unwrap()));
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(told.peer.map(|peer| peer.uid), Some(uid));
    let ended = eventually("the socket is ended", || older.take_error().unwrap());
    assert_eq!(ended.raw_os_error(), Some(libc::ECONNABORTED));
    interception.release().unwrap();
}

#[test]
fn a_socket_that_is_older_than_the_programs_is_redirected_when_it_connects() {
    let world = world!();
    let at = unused_address();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let interception = world.start(&[at]);
    socket.connect(&at.into()).unwrap();
    assert_eq!(world.accept(&interception).destination, at);
    interception.release().unwrap();
}

#[test]
fn a_socket_bound_to_an_interface_is_redirected_and_the_way_on_is_bound_alike() {
    let world = world!();
    let at = server(unused_address());
    let interception = world.start(&[at]);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind_device(Some(b"lo")).unwrap();
    socket.connect_timeout(&at.into(), Duration::from_secs(10)).unwrap();
    let accepted = world.accept(&interception);
    assert_eq!(accepted.destination, at);
    assert!(format!("{:?}", accepted.route).contains("device: Some("), "{:?}", accepted.route);
    let own = interception.own_sockets();
    let device = world.runtime.block_on(async {
        let stream = own.connect(&accepted.route, at).await.unwrap();
        SockRef::from(&stream).device().unwrap()
    });
    assert_eq!(device.as_deref(), Some(b"lo".as_slice()));
    interception.release().unwrap();
}

#[test]
fn a_connection_under_repair_reaches_nobody() {
    let world = world!();
    let at = server(unused_address());
    let interception = world.start(&[at]);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    const TCP_REPAIR: i32 = 19;
    set_option(&socket, libc::IPPROTO_TCP, TCP_REPAIR, 1).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.connect(&at.into()).unwrap();
    set_option(&socket, libc::IPPROTO_TCP, TCP_REPAIR, 0).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let _ = socket.send(b"x");
    let mut stream = TcpStream::from(socket);
    assert!(!stream.read(&mut [0; 6]).is_ok_and(|read| read > 0), "somebody answered");
    interception.release().unwrap();
}

#[test]
fn a_raw_socket_opens_no_connection() {
    let world = world!();
    let at = server(unused_address());
    let SocketAddr::V4(to) = at else { unreachable!() };
    let interception = world.start(&[at]);
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))).unwrap();
    let from = SocketAddrV4::new([127, 0, 0, 1].into(), 40_000);
    let send = |packet: &[u8]| raw.send_to(packet, &at.into()).map_err(|error| error.raw_os_error());
    let syn = tcp4(from, to, 2, &[]);
    assert_eq!(send(&syn), Err(Some(libc::EPERM)));
    let told = world.attempt(&interception, AttemptKind::Raw);
    let peer = told.peer.unwrap();
    assert_eq!((told.destination, peer.pid), (Some(at), std::process::id()));
    assert_eq!(told.source, Some(from.into()));
    // With data, urgent, or in pieces that hide what it is.
    assert_eq!(send(&tcp4(from, to, 16, b"data")), Err(Some(libc::EPERM)));
    assert_eq!(send(&tcp4(from, to, 2 | 32, &[])), Err(Some(libc::EPERM)));
    assert_eq!(send(&ip4(from, to, 0x2000, &syn[20..28])), Err(Some(libc::EPERM)));
    assert_eq!(send(&ip4(from, to, 1, &syn[28..])), Err(Some(libc::EPERM)));
    // To a port that is not protected.
    let open = SocketAddrV4::new(*to.ip(), 5433);
    assert!(send(&tcp4(from, open, 2, &[])).is_ok());
    assert_eq!(interception.counters().unwrap().raw_dropped, 5);
    interception.release().unwrap();
}

#[test]
fn a_server_answers_a_client_that_comes_from_a_protected_port() {
    let world = world!();
    // The client's own address and port are a protected destination.
    let at = unused_address();
    let interception = world.start(&[at]);
    let server = server(unused_address());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&at.into()).unwrap();
    socket.connect_timeout(&server.into(), Duration::from_secs(10)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut word = [0; 6];
    TcpStream::from(socket).read_exact(&mut word).unwrap();
    assert_eq!(&word, b"direct");
    assert_eq!(interception.counters().unwrap().guard_dropped, 0);
    interception.release().unwrap();
}

#[test]
fn nobody_else_takes_the_listeners_port() {
    let world = world!();
    let interception = world.start(&[unused_address()]);
    let port = interception.listen_address().port();
    let bind = |address: &str| {
        let address: SocketAddr = address.replace("PORT", &port.to_string()).parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).map_err(|error| error.raw_os_error())
    };
    for address in [
        "127.0.0.1:PORT",
        "0.0.0.0:PORT",
        "127.0.0.2:PORT",
        "[::]:PORT",
        "[::1]:PORT",
        "[::ffff:127.0.0.1]:PORT",
    ] {
        assert_eq!(bind(address), Err(Some(libc::EPERM)), "{address}");
    }
    let told = world.attempt(&interception, AttemptKind::Bind);
    assert_eq!(told.peer.map(|peer| peer.pid), Some(std::process::id()));
    assert_eq!(interception.counters().unwrap().bind_refused, 6);
    bind("127.0.0.1:0").unwrap();
    UdpSocket::bind(("127.0.0.1", port)).unwrap();
    interception.release().unwrap();
}

#[test]
fn a_firewall_leads_nobody_past() {
    let world = world!();
    if Command::new("nft").arg("--version").output().is_err() {
        println!("NOT RUN: there is no nft here");
        return;
    }
    let (container, open) = (Container::new(), 15_999);
    let at = container.host();
    let other = SocketAddr::new(at.ip(), open);
    let (_protected, _other) = (server(at), server(other));
    let interception = world.start(&[at]);
    let proxy = interception.listen_address().port();
    let nft = |rule: String| {
        let chain = format!("type nat hook output priority -100;\n{rule}\n");
        let ruleset = format!("flush ruleset\ntable ip t {{\nchain c {{\n{chain}}}\n}}\n");
        let status = Command::new("nft").arg(&ruleset).status().unwrap();
        assert!(status.success(), "nft {ruleset}");
    };
    // From the listener to the database by a port that nobody guards.
    let inside = SocketAddr::new(container.inside().into(), 0);
    let redirected = container.spawn(move || {
        nft(format!("tcp dport {proxy} dnat to {other}"));
        // From an address that the network would route.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&inside.into()).unwrap();
        socket.connect_timeout(&at.into(), Duration::from_millis(500)).map_err(|error| error.kind())
    });
    assert_eq!(world.work_until(redirected), Err(io::ErrorKind::TimedOut));
    let told = world.attempt(&interception, AttemptKind::Held);
    assert_eq!((told.destination, told.peer.map(|peer| peer.pid)), (Some(at), Some(std::process::id())));
    // From a port that nobody guards to the database.
    let dropped = container.spawn(move || {
        nft(format!("tcp dport {open} dnat to {at}"));
        TcpStream::connect_timeout(&other, Duration::from_secs(10)).map_err(|error| error.raw_os_error())
    });
    assert_eq!(world.work_until(dropped).map(drop), Err(Some(libc::ECONNABORTED)));
    let told = world.attempt(&interception, AttemptKind::Guard);
    assert_eq!((told.destination, told.peer.map(|peer| peer.pid)), (Some(at), Some(std::process::id())));
    interception.release().unwrap();
}

#[test]
fn a_packet_socket_of_a_container_opens_no_connection() {
    let world = world!();
    let container = Container::new();
    let at = container.host();
    let open = SocketAddr::new(at.ip(), 15_998);
    let (_guarded, _open) = (server(at), server(open));
    let interception = world.start(&[at]);
    if matches!(interception.interface_guard(), InterfaceGuard::Missing(_)) {
        println!("NOT RUN: this kernel has no tcx");
        return;
    }
    let inside = container.inside();
    // Whether the host answers a SYN that no socket sent.
    let answered = move |to: SocketAddr, bypass: bool| {
        syn_from_below("eth0", SocketAddrV4::new(inside, if bypass { 40_001 } else { 40_002 }), to, bypass)
    };
    for bypass in [false, true] {
        assert!(container.run(move || answered(open, bypass)), "the host answers where nothing is guarded");
        assert!(!container.run(move || answered(at, bypass)), "a connection below the sockets");
    }
    let told = world.attempt(&interception, AttemptKind::Link);
    assert_eq!((told.destination, told.source.map(|source| source.ip())), (Some(at), Some(inside.into())));
    // The way on for a client in there passes, though it leaves by the same link.
    let client = container.spawn(move || connect(at).unwrap());
    let accepted = world.accept(&interception);
    let own = interception.own_sockets();
    world.runtime.block_on(own.connect(&accepted.route, at)).unwrap();
    drop(client.join());
    interception.release().unwrap();
}

/// What the README says is open: nothing that holds for sockets sees what a packet socket of the host sends.
#[test]
fn a_packet_socket_of_the_host_is_not_stopped() {
    let world = world!();
    let container = Container::new();
    let at = SocketAddr::new(container.inside().into(), 5432);
    container.run(move || server(at));
    let interception = world.start(&[at]);
    let IpAddr::V4(host) = container.host().ip() else { unreachable!() };
    assert!(syn_from_below(&container.device(), SocketAddrV4::new(host, 40_003), at, false));
    interception.release().unwrap();
}

/// Whether a SYN that no TCP socket sent is answered with another; `bypass`: past the queueing discipline.
fn syn_from_below(device: &str, from: SocketAddrV4, to: SocketAddr, bypass: bool) -> bool {
    let SocketAddr::V4(to) = to else { unreachable!() };
    let packets = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0x0008))).unwrap();
    const PACKET_QDISC_BYPASS: i32 = 20;
    set_option(&packets, libc::SOL_PACKET, PACKET_QDISC_BYPASS, bypass.into()).unwrap();
    send_below(&packets, device, to, &tcp4(from, to, 2, &[]));
    packets.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut packet = [0; 128];
    while let Ok(length) = (&packets).read(&mut packet) {
        let (ip, tcp) = (&packet[..20], &packet[20..]);
        let ports = [to.port().to_be_bytes(), from.port().to_be_bytes()].concat();
        if length >= 40 && ip[9] == 6 && tcp[..4] == ports && tcp[13] & 0x12 == 0x12 {
            return true;
        }
    }
    false
}

/// Sends an IPv4 packet by a packet socket, with the address that the neighbour has.
fn send_below(socket: &Socket, device: &str, to: SocketAddrV4, packet: &[u8]) {
    // The neighbour's address has to be known: ping makes it so without a connection.
    let _ = UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", (*to.ip(), 9));
    let neighbour = eventually("the neighbour is known", || {
        let table = std::fs::read_to_string("/proc/thread-self/net/arp").unwrap();
        let line = table.lines().find(|line| line.starts_with(&format!("{} ", to.ip())))?;
        let address = line.split_whitespace().nth(3)?;
        let bytes: Vec<u8> =
            address.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        (bytes.iter().any(|byte| *byte != 0)).then_some(bytes)
    });
    // SAFETY: zero is a value of all its fields.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = 0x0800_u16.to_be();
    let name = std::ffi::CString::new(device).unwrap();
    // SAFETY: a name that ends with a zero.
    address.sll_ifindex = unsafe { libc::if_nametoindex(name.as_ptr()) }.cast_signed();
    address.sll_halen = 6;
    address.sll_addr[..6].copy_from_slice(&neighbour);
    // SAFETY: the kernel reads the packet and the address, of the lengths given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    assert_eq!(sent, packet.len().cast_signed());
}
