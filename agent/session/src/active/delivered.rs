//! What went one way for a statement, and how much of it is recorded.

use std::borrow::Cow;

use evidence::{Body, Digest, Hasher, ResultChunk, ResultCut, Stream};

use super::ledger::Ledger;
use crate::{Fault, Turn};

/// What went one way.
#[derive(Default)]
pub(super) struct Delivered {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) recorded: u64,
    /// Of what is not recorded, begun with its first byte. What is recorded, the record's own digest covers.
    rest: Option<Hasher>,
}

impl Delivered {
    /// Records bytes that go on, up to `most` of the whole. `veiled`: they may hold what must not be recorded.
    pub(super) fn record(
        &mut self,
        (statement, stream): (u64, Stream),
        bytes: &[u8],
        veiled: bool,
        most: u64,
        ledger: &mut Ledger,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        self.bytes += bytes.len() as u64;
        if veiled {
            // What must not be recorded must not be guessed at either.
            return Ok(());
        }
        for frames in bytes.chunks(ResultChunk::MAX) {
            if self.recorded >= most {
                self.leave(frames);
                continue;
            }
            self.recorded += frames.len() as u64;
            let frames = Cow::Borrowed(frames);
            ledger.write(turn, &Body::ResultChunk(ResultChunk { statement, stream, frames }))?;
        }
        Ok(())
    }

    /// Bytes that are not recorded.
    pub(super) fn leave(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.rest.get_or_insert_default().update(bytes);
        }
    }

    /// Says how much there was, where it is not all recorded.
    pub(super) fn cut(
        &self,
        (statement, stream): (u64, Stream),
        ledger: &mut Ledger,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        if self.recorded == self.bytes {
            return Ok(());
        }
        let cut = ResultCut {
            statement,
            stream,
            recorded: self.recorded,
            rows: self.rows,
            bytes: self.bytes,
            rest: self.rest.clone().map_or(Digest::NONE, Hasher::finish),
        };
        ledger.write(turn, &Body::ResultCut(cut)).map(drop)
    }
}
