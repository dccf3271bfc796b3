//! Asking a server whether it is a PostgreSQL that speaks as it is configured to: by the packet that asks for TLS,
//! which every one of them answers with one byte before anybody logs in, and none of them logs.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use policy::{Address, Host};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::intercept::Route;
use crate::intercept::inspect::{Seen, Unseen, Way};
use crate::proxy::{BackendError, BackendStream, Tls, secure, speaks_tls};

/// How long each step may take: to find a name, and to be answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A network has no server of its own to be asked.
    Network,
    /// The name stands for nothing.
    Unresolved(String),
    /// Nobody was asked.
    Untried(Unseen),
    /// The last server that was tried, which is the first that answered if one did.
    Tried(String, Result<Answered, String>),
}

/// How a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    /// In clear text: it speaks no TLS.
    Clear,
    /// It would speak TLS, and was not asked to.
    Offered,
    /// Over TLS, with a certificate that will do.
    Secured,
    /// It would speak TLS, and that fails.
    Refused(String),
    /// Not as a PostgreSQL does.
    Otherwise(String),
}

/// Tries the servers behind an address, one after the other, until one answers.
pub(super) async fn try_address(address: &Address, tls: &Tls, way: &Seen<Way>) -> Outcome {
    let way = match way {
        Ok(way) => way,
        Err(unseen) => return Outcome::Untried(unseen.clone()),
    };
    let servers = match &address.host {
        Host::Net(..) => return Outcome::Network,
        Host::Ip(ip) => vec![SocketAddr::new(*ip, address.port)],
        Host::Name(name) => match resolve(name, address.port).await {
            Ok(servers) => servers,
            Err(why) => return Outcome::Unresolved(why),
        },
    };
    let mut last = Outcome::Unresolved("the name has no address".to_owned());
    for server in servers {
        let asked = async {
            let stream = connect(way, server).await.map_err(|error| error.to_string())?;
            if tls.is_on() { secured(stream, tls).await } else { ask(stream).await }
        };
        let answered = timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(slow()));
        let done = answered.is_ok();
        last = Outcome::Tried(server.to_string(), answered);
        if done {
            break;
        }
    }
    last
}

/// Tries the server on a Unix socket, which no program is in the way of.
pub(super) async fn try_socket(path: &Path) -> Outcome {
    let asked = async { ask(UnixStream::connect(path).await.map_err(|error| error.to_string())?).await };
    let answered = timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(slow()));
    Outcome::Tried(path.display().to_string(), answered)
}

fn slow() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match timeout(PATIENCE, lookup_host((name, port))).await {
        Ok(Ok(servers)) => Ok(servers.collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the resolver gave no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn connect(way: &Way, server: SocketAddr) -> io::Result<TcpStream> {
    match way {
        Way::Marked(own) => own.connect(&Route::here(), server).await,
        Way::Direct => TcpStream::connect(server).await,
    }
}

/// As the daemon does it.
async fn secured(stream: TcpStream, tls: &Tls) -> Result<Answered, String> {
    match secure(stream, tls).await {
        Ok(BackendStream::Tls(_)) => Ok(Answered::Secured),
        Ok(BackendStream::Plain(_)) | Err(BackendError::NoTls) => Ok(Answered::Clear),
        Err(error) => failed(error),
    }
}

/// The question alone.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<Answered, String> {
    match speaks_tls(&mut stream).await {
        Ok(true) => Ok(Answered::Offered),
        Ok(false) => Ok(Answered::Clear),
        Err(error) => failed(error),
    }
}

fn failed(error: BackendError) -> Result<Answered, String> {
    match error {
        BackendError::NotPostgres(byte) => Ok(Answered::Otherwise(format!("its first byte is 0x{byte:02x}"))),
        BackendError::Handshake(_)
        | BackendError::Injected
        | BackendError::NoAlpn
        | BackendError::NotDirect => Ok(Answered::Refused(error.to_string())),
        error => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::proxy::TlsConfig;
    use crate::proxy::tls::Mode;

    /// A server that answers with these bytes; none closes at once.
    fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let _ = client.read(&mut [0; 8]);
                let _ = client.write_all(answer);
            }
        });
        at
    }

    fn run(address: &str, tls: &TlsConfig) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (address, tls) = (address.parse().unwrap(), Tls::new(tls).unwrap());
        runtime.block_on(try_address(&address, &tls, &Ok(Way::Direct)))
    }

    #[track_caller]
    fn check(answer: &'static [u8], tls: &TlsConfig, expect: Result<Answered, &str>) {
        let at = server(answer);
        let Outcome::Tried(server, answered) = run(&at.to_string(), tls) else { panic!("not tried") };
        assert_eq!(server, at.to_string());
        match (answered, expect) {
            (Ok(Answered::Refused(_)), Ok(Answered::Refused(_))) => {}
            (Err(told), Err(expect)) => assert!(told.contains(expect), "{told}"),
            (answered, expect) => assert_eq!(answered, expect.map_err(str::to_owned)),
        }
    }

    #[test]
    fn a_server_is_known_by_its_first_byte() {
        let clear = TlsConfig::default();
        let mode = |mode| TlsConfig { mode, ..TlsConfig::default() };
        let (prefer, require) = (mode(Mode::Prefer), mode(Mode::Require));
        check(b"N", &clear, Ok(Answered::Clear));
        check(b"S", &clear, Ok(Answered::Offered));
        check(b"E\0", &clear, Err("its log says which"));
        check(b"HTTP/1.1 400", &clear, Ok(Answered::Otherwise("its first byte is 0x48".to_owned())));
        check(b"", &clear, Err("closes the connection"));
        check(b"N", &require, Ok(Answered::Clear));
        check(b"N", &prefer, Ok(Answered::Clear));
        check(b"Sno TLS at all", &require, Ok(Answered::Refused(String::new())));
    }

    #[test]
    fn an_address_where_nobody_is_does_not_answer() {
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let Outcome::Tried(_, Err(why)) = run(&at.to_string(), &TlsConfig::default()) else {
            panic!("it answers")
        };
        assert!(why.contains("refused"), "{why}");
        assert_eq!(run("10.0.0.0/8", &TlsConfig::default()), Outcome::Network);
        let unresolved = run("no.such.host.invalid", &TlsConfig::default());
        assert!(matches!(unresolved, Outcome::Unresolved(_)), "{unresolved:?}");
    }
}
