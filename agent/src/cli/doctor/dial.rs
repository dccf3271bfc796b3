//! Asking a server whether it is a PostgreSQL that speaks as it is configured to: by the packet that asks for TLS,
//! which every one of them answers with one byte before anybody logs in, and none of them logs.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::startup::Packet;
use policy::{Address, Host};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::intercept::Route;
use crate::intercept::inspect::{Seen, Unseen, Way};
use crate::proxy::{BackendError, BackendStream, Tls, secure};

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
pub(super) async fn try_address(address: &Address, tls: &Tls, encrypted: bool, way: &Seen<Way>) -> Outcome {
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
            if encrypted { secured(stream, tls).await } else { ask(stream).await }
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
        Err(BackendError::Handshake(error)) => Ok(Answered::Refused(error.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

/// PostgreSQL's protocol, "SSL Session Encryption": one byte, `S` or `N`; or an error where it is overloaded.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<Answered, String> {
    let mut request = BytesMut::new();
    Packet::SslRequest.encode(&mut request).map_err(|error| error.to_string())?;
    let answered = async {
        stream.write_all(&request).await?;
        stream.read_u8().await
    };
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closes the connection without an answer".to_owned(),
        _ => error.to_string(),
    };
    match answered.await.map_err(told)? {
        b'S' => Ok(Answered::Offered),
        b'N' => Ok(Answered::Clear),
        b'E' => Err("it answers with an error: see its log".to_owned()),
        other => Ok(Answered::Otherwise(format!("its first byte is 0x{other:02x}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::proxy::TlsConfig;

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
        let (address, encrypted) = (address.parse().unwrap(), *tls != TlsConfig::Disable);
        let tls = Tls::new(tls).unwrap();
        runtime.block_on(try_address(&address, &tls, encrypted, &Ok(Way::Direct)))
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
        let clear = TlsConfig::Disable;
        check(b"N", &clear, Ok(Answered::Clear));
        check(b"S", &clear, Ok(Answered::Offered));
        check(b"E\0", &clear, Err("see its log"));
        check(b"HTTP/1.1 400", &clear, Ok(Answered::Otherwise("its first byte is 0x48".to_owned())));
        check(b"", &clear, Err("without an answer"));
        check(b"N", &TlsConfig::Require, Ok(Answered::Clear));
        check(b"Sno TLS at all", &TlsConfig::Require, Ok(Answered::Refused(String::new())));
    }

    #[test]
    fn an_address_where_nobody_is_does_not_answer() {
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let Outcome::Tried(_, Err(why)) = run(&at.to_string(), &TlsConfig::Disable) else {
            panic!("it answers")
        };
        assert!(why.contains("refused"), "{why}");
        assert_eq!(run("10.0.0.0/8", &TlsConfig::Disable), Outcome::Network);
        let unresolved = run("no.such.host.invalid", &TlsConfig::Disable);
        assert!(matches!(unresolved, Outcome::Unresolved(_)), "{unresolved:?}");
    }
}
