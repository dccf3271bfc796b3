//! Somebody between the daemon and the server: he speaks TLS with both, with a certificate of his own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// AuthenticationSASL with SCRAM-SHA-256 alone.
const WITHOUT_PLUS: &[u8] = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";

/// A middleman on the loopback, who goes on to a server once he knows where it is. He ends with this process.
#[derive(Debug)]
pub struct Middleman {
    /// Where he listens.
    pub address: SocketAddr,
    go: Sender<(SocketAddr, Way)>,
}

#[derive(Debug, Clone)]
struct Way {
    accept: Arc<ServerConfig>,
    connect: Arc<ClientConfig>,
    strip: bool,
}

impl Middleman {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// The system does not let him.
    pub fn new() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (go, told) = channel::<(SocketAddr, Way)>();
        std::thread::spawn(move || {
            let Ok((server, way)) = told.recv() else { return };
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((client, _)) = listener.accept().await {
                    // What goes wrong shows in what the two sides say.
                    tokio::spawn(between(client, server, way.clone()));
                }
            });
        });
        Ok(Middleman { address, go })
    }

    /// Shows `other.pem` of the folder to clients and takes `cert.pem` from the server; and takes SCRAM-SHA-256-PLUS
    /// from what the server offers, where `strip` says so.
    ///
    /// # Errors
    ///
    /// The files are not there.
    pub fn go_on_to(&self, server: SocketAddr, folder: &Path, strip: bool) -> Result<()> {
        let certificate = |name: &str| CertificateDer::from_pem_file(folder.join(name));
        let key = PrivateKeyDer::from_pem_file(folder.join("other.key"))?;
        let provider = || Arc::new(rustls::crypto::ring::default_provider());
        let accept = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate("other.pem")?], key)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate("cert.pem")?)?;
        let connect = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let way = Way { accept: Arc::new(accept), connect: Arc::new(connect), strip };
        self.go.send((server, way)).context("the middleman has ended")
    }
}

/// SSLRequest.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

async fn between(mut client: TcpStream, server: SocketAddr, way: Way) -> Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    ensure!(request == REQUEST, "{request:?}");
    client.write_all(b"S").await?;
    let mut client = TlsAcceptor::from(way.accept).accept(client).await?;
    let mut server = TcpStream::connect(server).await?;
    server.write_all(&REQUEST).await?;
    ensure!(server.read_u8().await? == b'S');
    let name = ServerName::try_from("db.example")?;
    let mut server = TlsConnector::from(way.connect).connect(name, server).await?;
    // The start-up packet, and what the server asks for.
    let length = client.read_u32().await?;
    let mut startup = vec![0; usize::try_from(length)?.saturating_sub(4)];
    client.read_exact(&mut startup).await?;
    server.write_all(&[&length.to_be_bytes()[..], &startup].concat()).await?;
    server.flush().await?;
    let tag = server.read_u8().await?;
    let length = server.read_u32().await?;
    let mut asked = vec![0; usize::try_from(length)?.saturating_sub(4)];
    server.read_exact(&mut asked).await?;
    if !asked.windows(18).any(|name| name == b"SCRAM-SHA-256-PLUS") {
        bail!("the server does not offer what is to be taken away");
    }
    match way.strip {
        true => client.write_all(WITHOUT_PLUS).await?,
        false => client.write_all(&[&[tag][..], &length.to_be_bytes(), &asked].concat()).await?,
    }
    client.flush().await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
