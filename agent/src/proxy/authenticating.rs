//! Connections of our own behind which a driver speaks: whatever the server asks for at the login is answered here.
//!
//! A driver would show the password to whoever asks, in whichever way. So it gets none: it says who it is, and meets a
//! server that asks for nothing more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use pgwire::backend::{Message, tag};
use pgwire::{HEADER_LEN, Header};
use session::Refusal;
use session::authentication::{Authenticator, Channel, Error, Progress, Rules};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::error::Severity;

use crate::secret::Secret;

#[cfg(test)]
mod tests;

/// A connection that is ready for a StartupMessage, and on which the server then asks for nothing.
pub struct Authenticating<S> {
    inner: S,
    login: Option<Login>,
    /// What the server has said and nobody has read.
    arrived: BytesMut,
}

/// Until the server lets us in.
struct Login {
    authenticator: Authenticator,
    answer: BytesMut,
}

/// What a server asks for is short, and so is its refusal.
const LONGEST: usize = 64 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> Authenticating<S> {
    /// Answers for `role` with its password, as `rules` allow it on such a channel.
    pub fn new(inner: S, channel: Channel, role: &str, password: Option<&Secret>, rules: &Rules) -> Self {
        let password = password.map(|password| password.expose().to_vec());
        let authenticator = Authenticator::new(role.to_owned(), password, rules.clone(), channel);
        let login = Some(Login { authenticator, answer: BytesMut::new() });
        Authenticating { inner, login, arrived: BytesMut::new() }
    }

    /// Goes on with the login, until it is over one way or the other: then the server's own words are the driver's.
    fn poll_login(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(login) = &mut self.login {
            while !login.answer.is_empty() {
                match ready!(Pin::new(&mut self.inner).poll_write(cx, &login.answer))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => login.answer.advance(written),
                }
            }
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            match login.next(&mut self.arrived)? {
                Next::Over => self.login = None,
                Next::Answer => {}
                Next::More => {
                    let mut room = [0; 4096];
                    let mut buffer = ReadBuf::new(&mut room);
                    ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
                    match buffer.filled() {
                        // It has closed the connection: the driver is to see that itself.
                        [] => self.login = None,
                        read => self.arrived.extend_from_slice(read),
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What the front of the server's bytes comes to.
enum Next {
    /// The driver is to read on from here.
    Over,
    /// There is something to be answered, perhaps.
    Answer,
    /// It is not all there.
    More,
}

impl Login {
    fn next(&mut self, arrived: &mut BytesMut) -> io::Result<Next> {
        let Some(header) = Header::parse(arrived).map_err(io::Error::other)? else { return Ok(Next::More) };
        if header.frame_len() > LONGEST {
            return Err(io::Error::other("the server answers a login with more than any server says"));
        }
        let Some(body) = arrived.get(HEADER_LEN..header.frame_len()) else { return Ok(Next::More) };
        match Message::parse(header.tag, body).map_err(io::Error::other)? {
            Message::Authentication(asked) => {
                match self.authenticator.answer(&asked, &mut self.answer).map_err(io::Error::other)? {
                    Progress::Done => return Ok(Next::Over),
                    Progress::More => {}
                }
            }
            Message::ErrorResponse(_) => return Ok(Next::Over),
            Message::NoticeResponse(_) => {}
            // Nothing else comes before we are let in, and whoever sends it wants to be taken for a server that has.
            _ => {
                let name = tag::name(header.tag).unwrap_or("a message");
                return Err(io::Error::other(Error::OutOfPlace(name)));
            }
        }
        arrived.advance(header.frame_len());
        Ok(Next::Answer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Authenticating<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_login(cx))?;
        if this.arrived.is_empty() {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        let length = buf.remaining().min(this.arrived.len());
        buf.put_slice(&this.arrived.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Authenticating<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Why a driver could not log in over such a connection, where the server or we have said so, as a client of that
/// resource is told it.
pub(super) fn refusal(
    error: &tokio_postgres::Error,
    (resource, role, database): (&str, &str, &str),
) -> Option<Refusal> {
    if let Some(server) = error.as_db_error() {
        // What it says to a statement is an ERROR, and the connection stays.
        let ends = matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        let refusal = || Refusal {
            sqlstate: server.code().code().to_owned().into(),
            message: server.message().to_owned(),
            detail: server.detail().map(str::to_owned),
            hint: server.hint().map(str::to_owned),
        };
        return ends.then(|| refusal().told(resource, role, database));
    }
    let io: &io::Error = std::error::Error::source(error)?.downcast_ref()?;
    let own = Refusal::from(io.get_ref()?.downcast_ref::<Error>()?.clone());
    Some(own.of_login(resource, role, database))
}
