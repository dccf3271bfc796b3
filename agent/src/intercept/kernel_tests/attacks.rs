//! Attempts that take root in a container, or the wish to do harm.

use std::{fs, net::SocketAddrV4};

use super::{
    container::{Container, ip},
    packets::{ip4, tcp4, tcp4_at},
    *,
};
use crate::intercept::AttemptKind;

fn nft(ruleset: &str) {
    let status = Command::new("nft").arg(ruleset).status().unwrap();
    assert!(status.success(), "nft {ruleset}");
}

#[test]
fn what_hides_a_mounted_namespace_is_not_waited_for() {
    let world = world!();
    let folder = tempfile::tempdir().unwrap();
    let script = "mount --make-rprivate / && mkfifo fifo && touch at && mount --bind /proc/self/ns/net at && \
                  mount --bind fifo at && echo mounted && exec sleep 1000";
    let mut child = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", script])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _child = Killed(child);
    assert_eq!(line, "mounted\n");
    let starting = thread::spawn(move || {
        let interception = world.start(&[]);
        interception.release().unwrap();
    });
    eventually("the daemon has started", || starting.is_finished().then_some(()));
    starting.join().unwrap();
}

/// Whether TCP has sent anything again in the network namespace of this thread.
fn sent_again() -> bool {
    let counters = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut tcp = counters.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (tcp.next().unwrap(), tcp.next().unwrap());
    let at = names.split(' ').position(|name| name == "RetransSegs").unwrap();
    values.split(' ').nth(at).is_some_and(|count| count != "0")
}

#[test]
fn a_syn_that_waits_is_led_nowhere_else() {
    let mut world = world!();
    world.config.content = Content::Off;
    let container = Container::new();
    // A database beside the job, where no interface is between them.
    let at = SocketAddr::new(container.inside().into(), 5432);
    let open = SocketAddr::new(at.ip(), 15_997);
    container.run(move || {
        server(at);
    });
    let interception = world.start(&[at]);
    let proxy = interception.listen_address().port();
    for (asked, seen) in [(at, proxy), (open, open.port())] {
        let answer = container.spawn(move || {
            ip("link set lo up");
            let table = "flush ruleset; table ip t";
            // What goes by is not answered, and firewalls forget what comes to nothing.
            nft(&format!("{table} {{ chain i {{ type filter hook input priority 0; tcp dport {seen} drop; }}; }}"));
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&asked.into());
            eventually("it is sent again", || sent_again().then_some(()));
            nft(&format!(
                "{table} {{ chain o {{ type nat hook output priority -100; tcp dport {seen} dnat to {at}; }}; }}"
            ));
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            let mut word = [0; 6];
            (&socket).read(&mut word).map(|_| word)
        });
        let answer = world.work_until(answer);
        assert!(!answer.as_ref().is_ok_and(|word| word == b"direct"), "{asked}: led to the database");
    }
    interception.release().unwrap();
}

#[test]
fn tags_hide_no_packet_below_the_sockets() {
    let world = world!();
    let container = Container::new();
    let at = container.host();
    let open = SocketAddr::new(at.ip(), 15_996);
    let (_guarded, _open) = (server(at), server(open));
    let interception = world.start(&[at]);
    if matches!(interception.interface_guard(), InterfaceGuard::Missing(_)) {
        println!("NOT RUN: this kernel has no tcx");
        return;
    }
    let (inside, of_host) = (container.inside(), address_of(&container.device()));
    let answered = move |to: SocketAddr, tags: usize| {
        let SocketAddr::V4(to) = to else { unreachable!() };
        let from = SocketAddrV4::new(inside, 40_002);
        let packets = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0x0008))).unwrap();
        send_frame(&packets, "eth0", &frame(&of_host, tags, &tcp4(from, to, 2, &[])));
        packets.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut packet = [0; 128];
        while let Ok(length) = (&packets).read(&mut packet) {
            let (ip, tcp) = (&packet[14..34], &packet[34..]);
            if length >= 54 && ip[9] == 6 && tcp[..2] == to.port().to_be_bytes() && tcp[13] & 0x12 == 0x12 {
                return true;
            }
        }
        false
    };
    for tags in 0..4 {
        let (one, other) = (answered.clone(), answered.clone());
        assert!(
            container.run(move || one(open, tags)),
            "{tags} tags: the host answers where nothing is guarded"
        );
        assert!(!container.run(move || other(at, tags)), "{tags} tags: a connection below the sockets");
        let told = world.attempt(&interception, AttemptKind::Link);
        assert_eq!(told.destination, Some(at));
    }
    interception.release().unwrap();
}

#[test]
fn the_rest_of_a_fragmented_packet_passes_and_what_hides_a_header_does_not() {
    let world = world!();
    let container = Container::new();
    let at = container.host();
    let interception = world.start(&[at]);
    if matches!(interception.interface_guard(), InterfaceGuard::Missing(_)) {
        println!("NOT RUN: this kernel has no tcx");
        return;
    }
    let of_host = address_of(&container.device());
    let SocketAddr::V4(to) = at else { unreachable!() };
    let from = SocketAddrV4::new(container.inside(), 40_003);
    let more = 0x2000;
    container.run(move || {
        let packets = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0x0008))).unwrap();
        let send = |fragment: u16, payload: &[u8]| {
            let packet = ip4(from, to, fragment, payload);
            send_frame(&packets, "eth0", &frame(&of_host, 0, &packet));
        };
        // To a port that nobody guards: data to one that is guarded would be dropped for what it is.
        let open = SocketAddrV4::new(*to.ip(), 15_997);
        send(more, &tcp4(from, open, 16, b"data")[20..]);
        send(more | 2, b"more of it");
        send(4, b"the rest");
        // A SYN whose flags come in the second fragment, and one whole at the head of its fragments.
        let opens = &tcp4(from, to, 2, &[])[20..];
        send(more, &opens[..8]);
        send(1, &opens[8..]);
        send(more, opens);
    });
    // The last one is told of.
    assert_eq!(world.attempt(&interception, AttemptKind::Link).destination, Some(at));
    // The hooks of a test that runs beside this one may have been there first.
    let dropped = interception.counters().unwrap().link_dropped;
    assert!((1..=3).contains(&dropped), "{dropped}");
    interception.release().unwrap();
}

/// The link-layer address of an interface of this network namespace.
fn address_of(device: &str) -> Vec<u8> {
    let address = fs::read_to_string(format!("/sys/class/net/{device}/address")).unwrap();
    address.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// A frame with so many tags for no network in particular.
fn frame(to: &[u8], tags: usize, packet: &[u8]) -> Vec<u8> {
    let mut frame = to.to_vec();
    frame.extend([2, 0, 0, 0, 0, 1]);
    frame.extend([0x81, 0, 0, 0].repeat(tags));
    frame.extend([8, 0]);
    frame.extend(packet);
    frame
}

/// Sends a frame as it is.
fn send_frame(socket: &Socket, device: &str, frame: &[u8]) {
    // SAFETY: zero is a value of all its fields.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    let name = std::ffi::CString::new(device).unwrap();
    // SAFETY: a name that ends with a zero.
    address.sll_ifindex = unsafe { libc::if_nametoindex(name.as_ptr()) }.cast_signed();
    // SAFETY: the kernel reads the frame and the address, of the lengths given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    assert_eq!(sent, frame.len().cast_signed());
}

#[test]
fn a_flood_of_attempts_leaves_room_for_who_waits() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let port = interception.listen_address();
    // Nobody reads meanwhile.
    for _ in 0..3000 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        assert!(socket.bind(&port.into()).is_err());
    }
    assert!(interception.counters().unwrap().events_lost > 1000);
    let client = thread::spawn(move || in_another_netns(move || connect(at)));
    assert_eq!(world.accept(&interception).destination, at);
    client.join().unwrap().unwrap();
    let counters = interception.counters().unwrap();
    assert_eq!(counters.bind_refused, 3000);
    interception.release().unwrap();
}

#[test]
fn what_is_rewritten_below_the_sockets_is_dropped_at_the_link() {
    let world = world!();
    let container = Container::new();
    let at = container.host();
    let open = SocketAddr::new(at.ip(), 15_995);
    let (_guarded, _open) = (server(at), server(open));
    let interception = world.start(&[at]);
    if matches!(interception.interface_guard(), InterfaceGuard::Missing(_)) {
        println!("NOT RUN: this kernel has no tcx");
        return;
    }
    let inside = SocketAddr::new(container.inside().into(), 0);
    let led = container.run(move || {
        let port = open.port();
        // After the guard, where a packet leaves its namespace.
        nft(&format!(
            "flush ruleset; table netdev t {{ chain e {{ type filter hook egress device eth0 priority 0; \
             tcp dport {port} tcp dport set 5432; }}; chain i {{ type filter hook ingress device eth0 priority 0; \
             tcp sport 5432 tcp sport set {port}; }}; }}"
        ));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&inside.into()).unwrap();
        socket.connect_timeout(&open.into(), Duration::from_secs(2)).map_err(|error| error.kind())
    });
    assert_eq!(led, Err(io::ErrorKind::TimedOut));
    let told = world.attempt(&interception, AttemptKind::Link);
    assert_eq!(told.destination, Some(at));
    interception.release().unwrap();
}

#[test]
fn nobody_puts_data_into_the_daemons_own_connection_from_below() {
    let world = world!();
    let container = Container::new();
    let at = container.host();
    let listener = std::net::TcpListener::bind(at).unwrap();
    let interception = world.start(&[at]);
    if matches!(interception.interface_guard(), InterfaceGuard::Missing(_)) {
        println!("NOT RUN: this kernel has no tcx");
        return;
    }
    let _client = container.run(move || connect(at)).unwrap();
    let accepted = world.accept(&interception);
    let own = interception.own_sockets();
    let upstream = world.runtime.block_on(own.connect(&accepted.route, at)).unwrap();
    let (mut server, from) = listener.accept().unwrap();
    // What is sent there itself arrives, and shows whoever listens in where the stream is.
    let of_host = address_of(&container.device());
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, at) else { unreachable!() };
    let spy = container.run(|| {
        let everything = i32::from(0x0003_u16.to_be());
        Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(everything))).unwrap()
    });
    spy.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    upstream.try_write(b"ours").unwrap();
    server.read_exact(&mut [0; 4]).unwrap();
    container.run(move || {
        let mut seen = [0; 256];
        let ours = loop {
            let length = (&spy).read(&mut seen).unwrap();
            if seen[..length].ends_with(b"ours") {
                break seen[14..length].to_vec();
            }
        };
        let number = |at: usize| u32::from_be_bytes(ours[at..at + 4].try_into().unwrap());
        let theirs = tcp4_at(from, to, (number(24).wrapping_add(4), number(28)), 24, b"theirs");
        send_frame(&spy, "eth0", &frame(&of_host, 0, &theirs));
    });
    assert_eq!(world.attempt(&interception, AttemptKind::Link).destination, Some(at));
    upstream.try_write(b"again").unwrap();
    let mut word = [0; 5];
    server.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"again");
    interception.release().unwrap();
}
