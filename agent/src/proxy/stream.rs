//! One side of a session: a socket, with or without TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use session::authentication::Channel;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use crate::end_point::end_point;

/// A connection, and what encrypts it.
#[derive(Debug)]
pub enum Stream<T> {
    /// In clear text.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<T>),
}

/// A connection to a server.
pub type BackendStream = Stream<client::TlsStream<TcpStream>>;
/// A job's connection.
pub type FrontendStream = Stream<server::TlsStream<TcpStream>>;

impl BackendStream {
    /// What a login over it depends on.
    pub fn channel(&self) -> Channel {
        let Stream::Tls(stream) = self else { return Channel::default() };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        Channel { encrypted: true, end_point: certificate.and_then(|certificate| end_point(certificate)) }
    }
}

macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream.get_mut() {
            Stream::Plain($inner) => {
                let $inner = Pin::new($inner);
                $call
            }
            Stream::Tls($inner) => {
                let $inner = Pin::new(&mut **$inner);
                $call
            }
        }
    };
}

impl<T: AsyncRead + Unpin> AsyncRead for Stream<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => inner.poll_read(cx, buf))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, inner => inner.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => inner.poll_shutdown(cx))
    }
}
