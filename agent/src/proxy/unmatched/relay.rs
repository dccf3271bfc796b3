//! One direction of a connection that is let through: bytes, and in the end that no more come.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Carries bytes until there are no more, then closes that direction. What was handed over is counted, whatever the
/// end.
///
/// `buffer` is shared with others, and free again whenever this waits: an idle connection has none.
///
/// # Errors
///
/// Either side broke.
pub(super) async fn carry<R, W>(
    buffer: &RefCell<Vec<u8>>,
    mut from: R,
    mut to: W,
    carried: &Cell<u64>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let count = |bytes: usize| carried.set(carried.get() + bytes as u64);
    loop {
        let left = poll_fn(|cx| {
            let mut buffer = buffer.borrow_mut();
            let mut read = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut from).poll_read(cx, &mut read))?;
            let read = read.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(None));
            }
            let written = match Pin::new(&mut to).poll_write(cx, read) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            count(written);
            Poll::Ready(Ok::<_, io::Error>(Some(read.get(written..).unwrap_or_default().to_vec())))
        });
        let Some(left) = left.await? else { break };
        let mut left = left.as_slice();
        while !left.is_empty() {
            let written = to.write(left).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            count(written);
            left = left.get(written..).unwrap_or_default();
        }
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test]
    async fn each_direction_ends_on_its_own_and_is_counted() {
        let buffer = RefCell::new(vec![0; 64]);
        let ((mut job, job_here), (mut server, server_here)) = (duplex(16), duplex(16));
        let (from_job, to_job) = tokio::io::split(job_here);
        let (from_server, to_server) = tokio::io::split(server_here);
        let (sent, received) = (Cell::new(0), Cell::new(0));
        let asked: Vec<u8> = (0..1000_u32).map(|i| i as u8).collect();
        let carried = async {
            tokio::try_join!(
                carry(&buffer, from_job, to_server, &sent),
                carry(&buffer, from_server, to_job, &received),
            )
        };
        let the_job = async {
            job.write_all(&asked).await.unwrap();
            job.shutdown().await.unwrap();
            let mut answer = Vec::new();
            job.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let the_server = async {
            let mut got = Vec::new();
            server.read_to_end(&mut got).await.unwrap();
            // Only now, when the other direction is closed.
            server.write_all(b"the answer").await.unwrap();
            server.shutdown().await.unwrap();
            got
        };
        let (carried, answer, got) = tokio::join!(carried, the_job, the_server);
        carried.unwrap();
        assert_eq!((got, answer.as_slice()), (asked, &b"the answer"[..]));
        assert_eq!((sent.get(), received.get()), (1000, 10));
    }

    #[tokio::test]
    async fn a_side_that_is_gone_ends_it_and_what_it_took_is_counted() {
        let buffer = RefCell::new(vec![0; 64]);
        let ((mut job, job_here), (server, server_here)) = (duplex(64), duplex(8));
        job.write_all(b"more than eight bytes").await.unwrap();
        let carried = Cell::new(0);
        let carry = carry(&buffer, job_here, server_here, &carried);
        let gone = async {
            tokio::task::yield_now().await;
            drop(server);
        };
        let (carry, ()) = tokio::join!(carry, gone);
        assert!(carry.is_err());
        assert_eq!(carried.get(), 8);
    }
}
