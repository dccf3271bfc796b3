//! What is on its way out on one side of a session.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncWrite;

/// Bytes for one side.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) bytes: BytesMut,
    /// The stream has taken bytes that it may not have sent yet: TLS keeps what it has encrypted.
    kept: bool,
}

impl Outgoing {
    /// Nothing is left, here or in the stream.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.kept
    }
}

/// Writes as much as goes, and is ready when nothing is left.
pub(super) fn write<S: AsyncWrite>(
    mut stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    outgoing: &mut Outgoing,
) -> Poll<io::Result<()>> {
    while !outgoing.bytes.is_empty() {
        let written = ready!(stream.as_mut().poll_write(cx, &outgoing.bytes))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        outgoing.bytes.advance(written);
        outgoing.kept = true;
    }
    ready!(stream.poll_flush(cx))?;
    outgoing.kept = false;
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A stream that encrypts: it takes everything, and sends it when it can.
    #[derive(Default)]
    struct Encrypting {
        taken: Vec<u8>,
        sent: Vec<u8>,
        can_send: bool,
    }

    impl AsyncWrite for Encrypting {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.taken.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if !self.can_send {
                return Poll::Pending;
            }
            let taken = std::mem::take(&mut self.taken);
            self.sent.extend_from_slice(&taken);
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_a_stream_keeps_for_itself_is_not_forgotten() {
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut stream, mut outgoing) = (Encrypting::default(), Outgoing::default());
        assert!(outgoing.is_empty());
        outgoing.bytes.extend_from_slice(b"row");
        assert!(write(Pin::new(&mut stream), cx, &mut outgoing).is_pending());
        assert!(outgoing.bytes.is_empty() && !outgoing.is_empty(), "{outgoing:?}");
        stream.can_send = true;
        assert!(write(Pin::new(&mut stream), cx, &mut outgoing).is_ready());
        assert!(outgoing.is_empty());
        assert_eq!(stream.sent, b"row");
    }
}
