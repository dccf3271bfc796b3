//! The sockets of private network namespaces on the kernel that runs the test: root, and `PORTREEVE_E2E=1`.

mod destroy;
mod owners;

use std::{
    collections::HashSet,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::{fd::AsFd, unix::fs::MetadataExt as _},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::{
    net::sockopt::socket_cookie,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use socket2::{Domain, SockRef, Type};

use super::{Family, Outcome, SockDiag, Socket, State, States};
use crate::intercept::isolated::{in_a_private_netns, ip};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(10);

const ESTABLISHED: States = States::of(&[State::Established]);

fn v4(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn v6(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::LOCALHOST, port))
}

fn mapped(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port))
}

/// A connection: the client's end and the server's.
fn connect(listener: &TcpListener, to: SocketAddr) -> (TcpStream, TcpStream) {
    connect_as(socket2::Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap(), listener, to)
}

/// The same with a socket that has been prepared.
fn connect_as(client: socket2::Socket, listener: &TcpListener, to: SocketAddr) -> (TcpStream, TcpStream) {
    client.connect(&to.into()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let client = TcpStream::from(client);
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    (client, server)
}

/// Whether bytes still go from one end to the other.
fn carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    let mut word = [0; 4];
    from.write_all(b"word").is_ok() && to.read_exact(&mut word).is_ok() && &word == b"word"
}

fn cookie(of: impl AsFd) -> u64 {
    socket_cookie(of).unwrap()
}

fn inode(of: impl AsFd) -> u64 {
    rustix::fs::fstat(of).unwrap().st_ino
}

/// The socket with this cookie, in any state.
#[track_caller]
fn find(diag: &mut SockDiag, of: impl AsFd) -> Socket {
    let cookie = cookie(of);
    let all = States::CONNECTED.with(State::Listen);
    let mut found = diag.list(all, |socket| socket.cookie == cookie).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Asks until the answer is there. What is closed can take a moment to be so: the children of other tests have
/// all descriptors of this process until they exec.
#[track_caller]
fn eventually<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(seen) if Instant::now() > deadline => panic!("in vain: {seen}"),
            Err(_) => std::thread::yield_now(),
        }
    }
}

#[test]
fn connections_are_listed_as_their_owner_sees_them() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let check = |diag: &mut SockDiag, listen: SocketAddr, to: SocketAddr, family: Family| {
            let listener = TcpListener::bind(listen).unwrap();
            let to = SocketAddr::new(to.ip(), listener.local_addr().unwrap().port());
            let (client, _server) = connect(&listener, to);
            let plain = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
            let expect = Socket {
                family,
                local: plain(client.local_addr().unwrap()),
                remote: plain(to),
                state: State::Established,
                uid: rustix::process::getuid().as_raw(),
                inode: inode(&client),
                cookie: cookie(&client),
                cgroup_id: find(diag, &client).cgroup_id,
                interface: 0,
                v6_only: false,
            };
            assert_eq!(find(diag, &client), expect);
            assert_ne!((expect.inode, expect.cgroup_id), (0, None));
        };
        check(&mut diag, v4(0), v4(0), Family::V4);
        check(&mut diag, v6(0), v6(0), Family::V6);
        check(&mut diag, v4(0), mapped(0), Family::V6);
    });
}

#[test]
fn a_socket_shows_the_cgroup_that_it_was_made_in() {
    in_a_private_netns(|| {
        let listener = TcpListener::bind(v4(0)).unwrap();
        let socket = find(&mut SockDiag::in_this_namespace().unwrap(), &listener);
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let path = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        // Beside the hierarchies of v1 first: what these are mounted in has a root of that inode, too.
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .find(|root| fs::metadata(root).is_ok_and(|root| root.ino() == 1));
        match root {
            Some(root) => {
                assert_eq!(socket.cgroup_id, Some(fs::metadata(format!("{root}/{path}")).unwrap().ino()));
            }
            None => println!("NOT RUN: the root of the cgroup2 hierarchy is not where it is looked for"),
        }
    });
}

#[test]
fn only_the_states_that_are_asked_for_are_listed() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let listener = TcpListener::bind(v4(0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (client, server) = connect(&listener, at);
        let mut states = |asked: &[State]| {
            // A daemon that another test runs has listeners here too.
            let found =
                diag.list(States::of(asked), |socket| socket.local == at || socket.remote == at).unwrap();
            found.iter().map(|socket| socket.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&[State::Listen]), [State::Listen]);
        assert_eq!(states(&[State::Established]), [State::Established; 2]);
        assert_eq!(states(&[State::SynSent, State::FinWait2, State::CloseWait]), []);

        client.shutdown(std::net::Shutdown::Write).unwrap();
        eventually(|| match states(&[State::FinWait2, State::CloseWait]).as_slice() {
            [_, _] => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
        assert_eq!(states(&[State::Established]), []);
        drop(server);
        drop(client);
        eventually(|| match states(&[State::TimeWait]).as_slice() {
            [State::TimeWait] => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
        assert_eq!(states(&[State::Established, State::FinWait2, State::CloseWait]), []);
    });
}

#[test]
fn a_listener_tells_whether_it_is_for_ipv6_alone() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        for only in [true, false] {
            let listener = socket2::Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
            listener.set_only_v6(only).unwrap();
            listener.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).unwrap();
            listener.listen(1).unwrap();
            assert_eq!(find(&mut diag, &listener).v6_only, only);
        }
    });
}

#[test]
fn five_thousand_sockets_are_all_listed() {
    in_a_private_netns(|| {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        let listener = TcpListener::bind(v4(0)).unwrap();
        let at = listener.local_addr().unwrap();
        let connections: Vec<_> = (0..2500).map(|_| connect(&listener, at)).collect();
        let expect: HashSet<_> =
            connections.iter().flat_map(|(client, server)| [cookie(client), cookie(server)]).collect();
        assert_eq!(expect.len(), 5000);

        let mut diag = SockDiag::in_this_namespace().unwrap();
        let found = diag.list(ESTABLISHED, |_| true).unwrap();
        assert_eq!(found.len(), 5000);
        assert_eq!(found.iter().map(|socket| socket.cookie).collect::<HashSet<_>>(), expect);
        let wanted = diag.list(ESTABLISHED, |socket| socket.remote.port() == at.port()).unwrap();
        assert_eq!(wanted.len(), 2500);
    });
}

#[test]
fn a_namespace_is_looked_at_from_outside_of_it() {
    let (inside, outside) = mpsc::channel();
    let (done, until_done) = mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let Ok((mut diag, at, cookie)): Result<(SockDiag, SocketAddr, u64), _> = outside.recv() else {
            return;
        };
        let mut here = SockDiag::in_this_namespace().unwrap();
        let is_it = |socket: &Socket| socket.cookie == cookie;
        assert_eq!(here.list(ESTABLISHED, is_it).unwrap(), []);
        let found = diag.list(ESTABLISHED, |_| true).unwrap();
        assert_eq!(found.len(), 2, "its own sockets alone: {found:?}");
        let socket = found.into_iter().find(is_it).unwrap();
        assert_eq!(socket.remote, at);
        assert_eq!(here.destroy(&socket).unwrap(), Outcome::Gone);
        assert_eq!(diag.destroy(&socket).unwrap(), Outcome::Ended);
        done.send(()).unwrap();
    });
    in_a_private_netns(move || {
        let listener = TcpListener::bind(v4(0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (mut client, _server) = connect(&listener, at);
        let diag = SockDiag::in_this_namespace().unwrap();
        inside.send((diag, at, cookie(&client))).unwrap();
        until_done.recv().unwrap();
        destroy::is_aborted(&mut client);
    });
    watcher.join().unwrap();
}

#[test]
fn active_opens_to_protected_destinations_are_found_and_passive_ones_are_not() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        // Two addresses with the same protected port: behind one is a server, the other is a client's.
        let database = SocketAddr::from(([127, 0, 0, 2], 5432));
        let client_there = SocketAddr::from(([127, 0, 0, 3], 5432));
        let is_protected = |at: SocketAddr| [database, client_there].contains(&at);
        let listener = TcpListener::bind(database).unwrap();
        let (client, _server) = connect(&listener, database);

        // A server of ours, on all addresses and on one, with a client that comes from a protected port.
        let any = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let one = TcpListener::bind(v4(0)).unwrap();
        let mut passive = Vec::new();
        for (listener, from) in [(&any, client_there), (&one, client_there)] {
            let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&from.into()).unwrap();
            passive.push(connect_as(socket, listener, v4(listener.local_addr().unwrap().port())));
        }
        for (_, server) in &passive {
            assert!(
                is_protected(find(&mut diag, server).remote),
                "the server's peer has a protected address"
            );
        }

        let found = diag.active_opens(States::CONNECTED, is_protected).unwrap();
        let cookies: Vec<_> = found.iter().map(|socket| socket.cookie).collect();
        assert_eq!(cookies, [cookie(&client)]);

        // Once it does not listen any more, its connection cannot be told from one to the destination.
        drop(one);
        let expect = HashSet::from([cookie(&client), cookie(&passive[1].1)]);
        eventually(|| {
            let found = diag.active_opens(States::CONNECTED, is_protected).unwrap();
            let cookies: HashSet<_> = found.iter().map(|socket| socket.cookie).collect();
            if cookies == expect { Ok(()) } else { Err(format!("{found:?}")) }
        });
    });
}

#[test]
fn a_connection_that_is_being_opened_is_an_active_open_whoever_listens() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let (socket, at) = destroy::opening();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let listener = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into()).unwrap();
        listener.listen(1).unwrap();
        let found = diag.active_opens(States::CONNECTED, |remote| remote == at).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].state, found[0].cookie), (State::SynSent, cookie(&socket)));
    });
}

#[test]
fn a_link_local_address_has_its_scope() {
    in_a_private_netns(|| {
        ip("link add va type veth peer name vb");
        ip("link set va up");
        ip("link set vb up");
        let mut diag = SockDiag::in_this_namespace().unwrap();
        ip("addr add fe80::aa/64 dev va nodad");
        let index = interface("va");
        let at = std::net::SocketAddrV6::new("fe80::aa".parse().unwrap(), 0, 0, index);
        let listener = TcpListener::bind(at).unwrap();
        let at = listener.local_addr().unwrap();
        let (mut client, _server) = connect(&listener, at);
        let socket = find(&mut diag, &client);
        assert_eq!((socket.interface, socket.remote), (index, at));
        assert_eq!(socket.local, client.local_addr().unwrap());
        let outcome = diag.destroy_exact(socket.local, socket.remote, socket.cookie).unwrap();
        assert_eq!(outcome, Outcome::Ended);
        destroy::is_aborted(&mut client);
    });
}

/// The index of an interface of this thread's network namespace.
fn interface(name: &str) -> u32 {
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    rustix::net::netdevice::name_to_index(&socket, name).unwrap()
}
