//! Other network namespaces.

use super::{
    container::{Container, ip},
    world::{NAMESPACES, PATIENCE},
    *,
};
use crate::intercept::sock_diag::{SockDiag, State, States};

#[test]
fn a_connection_from_a_fresh_network_namespace_arrives() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let client = thread::spawn(move || {
        in_another_netns(move || {
            server(at);
            let stream = connect(at)?;
            let cookie = sys::netns_cookie(stream.as_fd())?;
            Ok::<_, io::Error>((stream.peer_addr()?, cookie))
        })
    });
    let accepted = world.accept(&interception);
    let (seen, cookie) = client.join().unwrap().unwrap();
    assert_eq!((accepted.destination, seen), (at, at));
    assert_eq!(accepted.peer.netns_cookie, cookie);
    // The way on begins in the client's namespace: its own server is there, and nowhere else.
    let own = interception.own_sockets();
    let word = world.runtime.block_on(async {
        let stream = own.connect(&accepted.route, at).await.unwrap();
        let mut word = [0; 6];
        stream.readable().await.unwrap();
        stream.try_read(&mut word).unwrap();
        word
    });
    assert_eq!(&word, b"direct");
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
fn a_container_is_taken_without_any_preparation() {
    let world = world!();
    let container = Container::new();
    let at = server(container.host());
    let interception = world.start(&[at]);
    // Its loopback was down, which the kernel would have answered with "network unreachable".
    let client = container.spawn(move || (connect(at).unwrap(), connect(mapped(at)).unwrap()));
    for _ in 0..2 {
        let accepted = world.accept(&interception);
        assert_eq!(accepted.destination, at);
        let own = interception.own_sockets();
        let upstream = world.runtime.block_on(own.connect(&accepted.route, at)).unwrap();
        assert_eq!(upstream.local_addr().unwrap().ip(), IpAddr::from(container.inside()));
    }
    client.join().unwrap();
    interception.release().unwrap();
}

#[test]
fn a_namespace_that_was_there_before_the_daemon_is_served_from_the_start() {
    let world = world!();
    let container = Container::new();
    let at = container.host();
    let interception = world.start(&[at]);
    // Nobody drives the daemon now: the connection is complete all the same.
    container.run(move || connect(at)).unwrap();
    assert_eq!(world.accept(&interception).destination, at);
    assert_eq!(interception.counters().unwrap().held, 0);
    interception.release().unwrap();
}

#[test]
fn where_the_port_is_taken_another_one_serves() {
    let mut world = world!();
    let container = Container::new();
    let at = container.host();
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    world.config.port = probe.local_addr().unwrap().port();
    let port = world.config.port;
    drop(probe);
    let theirs = container.run(move || {
        ip("link set lo up");
        std::net::TcpListener::bind(("127.0.0.1", port)).unwrap()
    });
    let interception = world.start(&[at]);
    let client = container.run(move || connect(at)).unwrap();
    assert_eq!(client.peer_addr().unwrap(), at);
    assert_eq!(world.accept(&interception).destination, at);
    drop(theirs);
    interception.release().unwrap();
}

#[test]
fn a_socket_that_was_brought_from_another_namespace_is_taken() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    // Made in a namespace that its maker leaves at once; nobody else is there.
    let socket = in_another_netns(move || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
    let client = thread::spawn(move || {
        socket.connect_timeout(&at.into(), Duration::from_secs(10)).unwrap();
        sys::netns_cookie(socket.as_fd()).unwrap()
    });
    let accepted = world.accept(&interception);
    assert_eq!(accepted.peer.netns_cookie, client.join().unwrap());
    interception.release().unwrap();
}

#[test]
fn without_the_daemon_a_container_waits_and_the_next_one_serves_it() {
    let world = world!();
    let container = Container::new();
    let at = server(container.host());
    let first = world.start(&[at]);
    world.end(first);
    let client = container.spawn(move || connect(at).map(|stream| stream.peer_addr().unwrap()));
    let second = world.start(&[at]);
    assert_eq!(world.accept(&second).destination, at);
    assert_eq!(client.join().unwrap().unwrap(), at);
    second.release().unwrap();
}

#[test]
fn a_thousand_namespaces_come_and_go_and_nothing_stays() {
    let world = world!();
    if *NAMESPACES != 1000 {
        println!("no more than {} namespaces: PORTREEVE_TEST_NAMESPACES says so", *NAMESPACES);
    }
    let at = unused_address();
    let interception = world.start(&[at]);
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let links = || {
        let all = std::fs::read_to_string("/proc/net/dev").unwrap();
        all.lines().filter(|line| line.trim_start().starts_with("ptx")).count()
    };
    let (served, open) = (interception.namespaces(), descriptors());
    let rounds = *NAMESPACES;
    let churn = thread::spawn(move || {
        for round in 0..rounds {
            let (one, other) = (format!("ptx{round}a"), format!("ptx{round}b"));
            in_another_netns(move || {
                // Its other end is the host's, as a container's is.
                ip(&format!("link add {one} type veth peer name {other} netns {}", std::process::id()));
                // Every tenth lives until its connection is made; the others end at once.
                match round % 10 {
                    0 => drop(connect(at).unwrap()),
                    _ => drop(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()),
                }
            });
        }
    });
    // The daemon works meanwhile, and takes what arrives.
    let taking = interception.listener();
    let taken = world.runtime.spawn(async move {
        let mut taken = 0;
        while taken < rounds.div_ceil(10) {
            taken += u64::from(taking.accept().await.is_some());
        }
        taken
    });
    world.work_until(churn);
    assert_eq!(world.runtime.block_on(taken).unwrap(), rounds.div_ceil(10));
    // What is left of the namespaces of other tests that run beside this one goes by itself.
    let look = async {
        let enough = tokio::time::Instant::now() + 6 * *PATIENCE;
        loop {
            let now = (interception.namespaces(), descriptors(), links());
            if now.0 <= served + 8 && now.1 <= open + 64 && now.2 == 0 {
                return now;
            }
            assert!(tokio::time::Instant::now() < enough, "left {now:?} of ({served}, {open})");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    world.runtime.block_on(look);
    assert_eq!(interception.counters().unwrap().namespaces_full, 0);
    interception.release().unwrap();
}

#[test]
fn listeners_that_somebody_ends_are_made_anew() {
    let world = world!();
    let container = Container::new();
    let at = container.host();
    let interception = world.start(&[at]);
    // As `ss --kill` does, which takes no more than the right to administer the container's own network.
    let listener = interception.listen_address();
    let ended = container.run(move || {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let ours = diag.list(States::of(&[State::Listen]), |socket| socket.local == listener).unwrap();
        ours.iter().filter(|socket| diag.destroy(socket).is_ok()).count()
    });
    assert_eq!(ended, 1);
    let client = container.spawn(move || connect(at));
    assert_eq!(world.accept(&interception).destination, at);
    client.join().unwrap().unwrap();
    interception.release().unwrap();
}
