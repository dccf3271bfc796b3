//! The end of sockets, as their owners see it.

use rustix::thread::CapabilitySet;

use super::*;
use crate::intercept::sock_diag::{Error, not_ended, not_listed, wire::Id};

/// The owner of a socket that was ended gets `ECONNABORTED` once, and the end after that.
#[track_caller]
pub(super) fn is_aborted(stream: &mut TcpStream) {
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNABORTED), "{error}");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(stream.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPIPE));
}

/// The peer of a socket that was ended sees a reset.
#[track_caller]
fn is_reset(stream: &mut TcpStream) {
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET), "{error}");
}

/// A socket whose SYN nobody answers, and where it goes to.
pub(super) fn opening() -> (socket2::Socket, SocketAddr) {
    ip("link add va type veth peer name vb");
    ip("link set va up");
    ip("link set vb up");
    ip("addr add 10.9.0.1/24 dev va");
    // The other end answers no ARP for this one, so the SYN waits.
    let at = SocketAddr::from(([10, 9, 0, 2], 5432));
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.set_reuse_address(true).unwrap();
    let error = socket.connect(&at.into()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINPROGRESS));
    (socket, at)
}

/// Waits until a socket is in one of these states, or in none.
#[track_caller]
fn is_listed(diag: &mut SockDiag, states: States, socket: &Socket, expect: bool) {
    eventually(|| {
        let found = diag.list(states, |found| found.cookie == socket.cookie).unwrap();
        if found.is_empty() != expect { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn one_of_two_alike_is_ended_and_the_other_one_lives() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let mut check = |listen: SocketAddr, to: SocketAddr| {
            let listener = TcpListener::bind(listen).unwrap();
            let to = SocketAddr::new(to.ip(), listener.local_addr().unwrap().port());
            let (mut ended, mut its_peer) = connect(&listener, to);
            let (mut other, mut others_peer) = connect(&listener, to);
            let socket = find(&mut diag, &ended);
            assert_eq!(diag.destroy(&socket).unwrap(), Outcome::Ended);
            is_aborted(&mut ended);
            is_reset(&mut its_peer);
            assert!(carries(&mut other, &mut others_peer) && carries(&mut others_peer, &mut other));
            assert_eq!(diag.destroy(&socket).unwrap(), Outcome::Gone);
        };
        check(v4(0), v4(0));
        check(v6(0), v6(0));
        check(v4(0), mapped(0));
    });
}

#[test]
fn a_socket_is_ended_by_its_addresses_and_cookie() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let mut check = |listen: SocketAddr, to: SocketAddr, written: fn(SocketAddr) -> SocketAddr| {
            let listener = TcpListener::bind(listen).unwrap();
            let to = SocketAddr::new(to.ip(), listener.local_addr().unwrap().port());
            let (mut client, _server) = connect(&listener, to);
            let (local, remote) = (client.local_addr().unwrap(), written(client.peer_addr().unwrap()));
            let outcome = diag.destroy_exact(local, remote, cookie(&client)).unwrap();
            assert_eq!(outcome, Outcome::Ended);
            is_aborted(&mut client);
        };
        // As the socket's owner sees them, and IPv4 also as the other one of its two forms.
        check(v4(0), v4(0), |at| at);
        check(v6(0), v6(0), |at| at);
        check(v4(0), mapped(0), |at| at);
        check(v4(0), v4(0), |at| mapped(at.port()));
        check(v4(0), mapped(0), |at| v4(at.port()));
    });
}

#[test]
fn another_cookie_ends_nothing() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let listener = TcpListener::bind(v4(0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (mut client, mut server) = connect(&listener, at);
        let local = client.local_addr().unwrap();
        let right = cookie(&client);
        // The last one is the kernel's word for "whatever the cookie".
        for wrong in [0, right + 1, right ^ 1 << 32, right << 32, cookie(&server), u64::MAX] {
            assert_eq!(diag.destroy_exact(local, at, wrong).unwrap(), Outcome::Gone, "{wrong:#x}");
        }
        // Neither does the right one with other addresses: the peer's view, another port, another family.
        for (local, remote) in [(at, local), (local, v4(1)), (local, v6(at.port())), (v6(1), v6(1))] {
            assert_eq!(diag.destroy_exact(local, remote, right).unwrap(), Outcome::Gone, "{local} {remote}");
        }
        assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
        assert_eq!(diag.destroy_exact(local, at, right).unwrap(), Outcome::Ended);
    });
}

#[test]
fn a_socket_that_is_closed_after_it_was_listed_is_no_error() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let listener = TcpListener::bind(v4(0)).unwrap();
        let at = listener.local_addr().unwrap();

        let (client, _server) = connect(&listener, at);
        let reset = find(&mut diag, &client);
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        is_listed(&mut diag, States::CONNECTED, &reset, false);
        assert_eq!(diag.destroy(&reset).unwrap(), Outcome::Gone);

        // One that is remembered for a while has a cookie, and nothing behind it.
        let (client, server) = connect(&listener, at);
        let closed = find(&mut diag, &client);
        drop(client);
        drop(server);
        is_listed(&mut diag, States::of(&[State::TimeWait]), &closed, true);
        diag.destroy(&closed).unwrap();
    });
}

#[test]
fn a_connection_that_is_half_closed_or_being_opened_is_ended() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let (opening, _) = opening();
        let socket = find(&mut diag, &opening);
        assert_eq!(socket.state, State::SynSent);
        assert_eq!(diag.destroy(&socket).unwrap(), Outcome::Ended);
        let error = opening.take_error().unwrap().and_then(|error| error.raw_os_error());
        assert_eq!(error, Some(libc::ECONNABORTED));

        // Each side can still be sent to, or send, when it or the other one has sent its last.
        for ends_the_closer in [true, false] {
            let listener = TcpListener::bind(v4(0)).unwrap();
            let (mut client, mut server) = connect(&listener, listener.local_addr().unwrap());
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(server.read(&mut [0]).unwrap(), 0);
            assert!(carries(&mut server, &mut client));
            let (end, state) = if ends_the_closer {
                (&mut client, State::FinWait2)
            } else {
                (&mut server, State::CloseWait)
            };
            let socket = find(&mut diag, &*end);
            assert_eq!(socket.state, state);
            assert_eq!(diag.destroy(&socket).unwrap(), Outcome::Ended);
            if ends_the_closer {
                let error = end.read(&mut [0]).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ECONNABORTED));
            } else {
                let error = end.write(b"x").unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ECONNABORTED));
            }
            assert!(!carries(&mut server, &mut client));
        }
    });
}

#[test]
fn a_socket_on_one_interface_is_found_without_naming_it() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let listener = TcpListener::bind(v4(0)).unwrap();
        let at = listener.local_addr().unwrap();
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind_device(Some(b"lo")).unwrap();
        let (mut client, _server) = connect_as(socket, &listener, at);
        assert_eq!(find(&mut diag, &client).interface, interface("lo"));
        let local = client.local_addr().unwrap();
        assert_eq!(diag.destroy_exact(local, at, cookie(&client) + 1).unwrap(), Outcome::Gone);
        assert_eq!(diag.destroy_exact(local, at, cookie(&client)).unwrap(), Outcome::Ended);
        is_aborted(&mut client);
    });
}

#[test]
fn it_can_be_told_whether_sockets_can_be_ended() {
    in_a_private_netns(|| {
        SockDiag::in_this_namespace().unwrap().check_destroy().unwrap();
    });
}

#[test]
fn without_the_capability_nothing_is_ended() {
    in_a_private_netns(|| {
        let mut diag = SockDiag::in_this_namespace().unwrap();
        let listener = TcpListener::bind(v4(0)).unwrap();
        let (mut client, mut server) = connect(&listener, listener.local_addr().unwrap());
        let socket = find(&mut diag, &client);
        // This thread's alone.
        let mut capabilities = rustix::thread::capabilities(None).unwrap();
        capabilities.effective.remove(CapabilitySet::NET_ADMIN);
        rustix::thread::set_capabilities(None, capabilities).unwrap();
        let error = diag.destroy(&socket).unwrap_err();
        assert!(matches!(&error, Error::Destroy { .. }), "{error:?}");
        assert!(error.to_string().contains("it takes CAP_NET_ADMIN"), "{error}");
        assert!(carries(&mut client, &mut server));
    });
}

#[test]
fn what_the_kernel_lacks_is_said_with_the_cure() {
    let id = Id { local: v4(1), remote: v4(2), interface: 0, cookie: 0 };
    let check = |error: Error, expect: &str| assert!(error.to_string().contains(expect), "{error}");
    let errno = std::io::Error::from_raw_os_error;
    check(not_ended(&id, errno(libc::EOPNOTSUPP)), "CONFIG_INET_DIAG_DESTROY");
    check(not_ended(&id, errno(libc::ENOMEM)), "from 127.0.0.1:1 to 127.0.0.1:2 cannot be ended");
    check(not_listed(errno(libc::ENOENT)), "`modprobe tcp_diag`");
    check(not_listed(errno(libc::EPROTONOSUPPORT)), "`modprobe tcp_diag`");
    check(not_listed(errno(libc::EMFILE)), "cannot be listed: Too many open files");
}
