//! Which connections to protected destinations were opened from here.
//!
//! The kernel does not keep which side opened a connection. A connection whose remote address is a protected
//! destination is nearly always one that was opened to it. The exception is a client elsewhere that connected
//! to a server here and happens to use a protected port of a protected address as its source; the server's
//! socket then looks like a connection to the destination. Such a socket stands on an address and port that a
//! socket of the same namespace listens on, and is exempt.
//!
//! What this cannot tell: a process that listens on the very port that its own connection left from is taken
//! for a server, and a server that has stopped listening, while it still serves, for a client. Neither is a
//! way out: this exemption is from the sweep alone.

use std::net::{IpAddr, SocketAddr};

use super::{Error, SockDiag, Socket, State, States};

impl SockDiag {
    /// The connections in these states to destinations that are `protected`, as far as this side opened them.
    ///
    /// Like [`Self::list`] it can miss one that lives; a sweep asks again until nothing is left.
    ///
    /// # Errors
    ///
    /// Those of [`Self::list`].
    pub(in crate::intercept) fn active_opens(
        &mut self,
        states: States,
        protected: impl Fn(SocketAddr) -> bool,
    ) -> Result<Vec<Socket>, Error> {
        // In one go, the listeners first: whoever is accepted in between has its listener in the list.
        let is_listener = |socket: &Socket| socket.state == State::Listen;
        let (listeners, mut connections): (Vec<_>, Vec<_>) = self
            .list(states.with(State::Listen), |socket| is_listener(socket) || protected(socket.remote))?
            .into_iter()
            .partition(is_listener);
        connections.retain(|socket| {
            socket.state == State::SynSent || !listeners.iter().any(|listener| accepts(listener, socket))
        });
        Ok(connections)
    }
}

/// Whether `socket` can be one that was accepted by `listener`.
fn accepts(listener: &Socket, socket: &Socket) -> bool {
    let address = match (listener.local.ip(), socket.local.ip()) {
        (IpAddr::V4(any), IpAddr::V4(_)) if any.is_unspecified() => true,
        (IpAddr::V6(any), IpAddr::V6(_)) if any.is_unspecified() => true,
        (IpAddr::V6(any), IpAddr::V4(_)) if any.is_unspecified() => !listener.v6_only,
        (listener, socket) => listener == socket,
    };
    // What is accepted inherits the interface that the listener is bound to.
    let interface = listener.interface == 0 || listener.interface == socket.interface;
    address && interface && listener.local.port() == socket.local.port()
}

#[cfg(test)]
mod tests {
    use super::{super::Family, *};

    fn socket(local: &str, state: State, interface: u32, v6_only: bool) -> Socket {
        let local: SocketAddr = local.parse().unwrap();
        Socket {
            family: if local.is_ipv4() { Family::V4 } else { Family::V6 },
            local,
            remote: SocketAddr::from(([10, 0, 0, 1], 5432)),
            state,
            uid: 0,
            inode: 1,
            cookie: 1,
            cgroup_id: None,
            interface,
            v6_only,
        }
    }

    #[track_caller]
    fn check(listener: &str, connection: &str, expect: bool) {
        let accepted = accepts(
            &socket(listener, State::Listen, 0, false),
            &socket(connection, State::Established, 0, false),
        );
        assert_eq!(accepted, expect, "{listener} {connection}");
    }

    #[test]
    fn a_listener_accepts_on_its_port_and_address() {
        check("10.0.0.2:80", "10.0.0.2:80", true);
        check("10.0.0.2:80", "10.0.0.2:81", false);
        check("10.0.0.2:80", "10.0.0.3:80", false);
        check("0.0.0.0:80", "10.0.0.3:80", true);
        check("0.0.0.0:80", "10.0.0.3:81", false);
        check("0.0.0.0:80", "[fd00::2]:80", false);
        check("[::]:80", "[fd00::2]:80", true);
        check("[::]:80", "10.0.0.2:80", true);
        check("[fd00::2]:80", "[fd00::2]:80", true);
        check("[fd00::2]:80", "[fd00::3]:80", false);
    }

    #[test]
    fn a_listener_for_ipv6_alone_accepts_no_ipv4() {
        let listener = socket("[::]:80", State::Listen, 0, true);
        assert!(!accepts(&listener, &socket("10.0.0.2:80", State::Established, 0, false)));
        assert!(accepts(&listener, &socket("[fd00::2]:80", State::Established, 0, false)));
    }

    #[test]
    fn a_listener_on_an_interface_accepts_there_alone() {
        let listener = socket("0.0.0.0:80", State::Listen, 3, false);
        let accepts =
            |interface| accepts(&listener, &socket("10.0.0.2:80", State::Established, interface, false));
        assert_eq!([accepts(0), accepts(3), accepts(4)], [false, true, false]);
    }
}
