//! A segment: one lane's records in a file, framed with length and checksum.
//!
//! All numbers are big-endian. The file begins with a [`Head`]; a frame is
//!
//! ```text
//! u32 header length | u32 body length | u32 CRC-32 of these lengths, the body and the header | body | header
//! ```
//!
//! The body comes first because its digest stands in the header: so it is encoded in its place and never copied.
//! An erased body has length 0 here and its true length in the header. The checksum finds a torn or rotten
//! file; it is the chain that finds a forged one. Nothing here opens files.

use crate::header::MAX_HEADER;
use crate::id::{BootId, Digest};

/// The first bytes of a segment: the format and its version.
pub const MAGIC: [u8; 8] = *b"PTRVSEG1";

/// Length of a segment's head in bytes.
pub const HEAD_LEN: usize = 8 + 16 + 4 + 8 + 32 + 4;

/// Length of what stands before a frame's body, in bytes.
pub const FRAME_HEAD: usize = 12;

/// No body is longer than this, in bytes: a limit for readers of foreign bytes.
pub const MAX_BODY: usize = 64 << 20;

/// How a segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The daemon's life that it belongs to.
    pub boot: BootId,
    /// The lane.
    pub lane: u32,
    /// Place in the lane of the first record.
    pub first: u64,
    /// SHA-256 of the header before that record.
    pub predecessor: Digest,
}

/// A file that does not begin like a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It ends within the head.
    #[error("ends within the segment's head")]
    Short,
    /// It is something else, or a later version of the format.
    #[error("does not begin with PTRVSEG1")]
    Magic,
    /// The head's checksum is wrong.
    #[error("the segment head's checksum does not match")]
    Checksum,
}

impl Head {
    /// Appends the head's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.boot.0);
        out.extend_from_slice(&self.lane.to_be_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.predecessor.0);
        let checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&checksum.to_be_bytes());
    }

    /// Reads the head at the start of a segment's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(HeadError::Short)?;
        if *magic != MAGIC {
            return Err(HeadError::Magic);
        }
        let (boot, rest) = rest.split_first_chunk::<16>().ok_or(HeadError::Short)?;
        let (lane, rest) = rest.split_first_chunk::<4>().ok_or(HeadError::Short)?;
        let (first, rest) = rest.split_first_chunk::<8>().ok_or(HeadError::Short)?;
        let (predecessor, rest) = rest.split_first_chunk::<32>().ok_or(HeadError::Short)?;
        let (checksum, _) = rest.split_first_chunk::<4>().ok_or(HeadError::Short)?;
        if crc32fast::hash(bytes.get(..HEAD_LEN - 4).unwrap_or_default()) != u32::from_be_bytes(*checksum) {
            return Err(HeadError::Checksum);
        }
        Ok(Head {
            boot: BootId(*boot),
            lane: u32::from_be_bytes(*lane),
            first: u64::from_be_bytes(*first),
            predecessor: Digest(*predecessor),
        })
    }
}

/// The name of a segment's file within its boot's folder: `lane-<lane>-<first>.seg`, padded so that names sort.
pub fn file_name(lane: u32, first: u64) -> String {
    format!("lane-{lane:05}-{first:020}.seg")
}

/// Lane and first sequence of a segment's file name, if it is one.
pub fn parse_file_name(name: &str) -> Option<(u32, u64)> {
    let (lane, first) = name.strip_prefix("lane-")?.strip_suffix(".seg")?.split_once('-')?;
    Some((lane.parse().ok()?, first.parse().ok()?))
}

/// A frame that is being appended.
pub(crate) struct Begun {
    start: usize,
}

/// Leaves room for a frame's lengths and checksum; the body follows.
pub(crate) fn begin(out: &mut Vec<u8>) -> Begun {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD]);
    Begun { start }
}

impl Begun {
    pub(crate) fn body<'o>(&self, out: &'o [u8]) -> &'o [u8] {
        out.get(self.start + FRAME_HEAD..).unwrap_or_default()
    }

    pub(crate) fn abandon(self, out: &mut Vec<u8>) {
        out.truncate(self.start);
    }

    /// Fills in the lengths and the checksum of the body and of the header that begins at `header_at`.
    pub(crate) fn finish(self, out: &mut [u8], header_at: usize) {
        let Some(frame) = out.get_mut(self.start..) else { return };
        let body_len = header_at - self.start - FRAME_HEAD;
        let header_len = frame.len() - FRAME_HEAD - body_len;
        let Some((head, rest)) = frame.split_first_chunk_mut::<FRAME_HEAD>() else { return };
        head[..4].copy_from_slice(&(header_len as u32).to_be_bytes());
        head[4..8].copy_from_slice(&(body_len as u32).to_be_bytes());
        let checksum = checksum(&head[..8], rest);
        head[8..].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Appends a frame of given header and body, as a store or a test has them. An empty body is an erased one.
pub fn encode_frame(header: &[u8], body: &[u8], out: &mut Vec<u8>) {
    let frame = begin(out);
    out.extend_from_slice(body);
    let header_at = out.len();
    out.extend_from_slice(header);
    frame.finish(out, header_at);
}

fn checksum(lengths: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(lengths);
    hasher.update(rest);
    hasher.finalize()
}

/// One record's bytes within a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header's bytes: what the chain runs over.
    pub header: &'a [u8],
    /// The body's bytes; empty where it was erased.
    pub body: &'a [u8],
    /// Length of the whole frame in bytes.
    pub len: usize,
}

/// Bytes that are no whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end within a frame: more may come, or a write was cut short.
    #[error("ends within a frame: {have} of {want} bytes")]
    Torn {
        /// Bytes that are there.
        have: usize,
        /// Bytes that the frame needs, as far as is known.
        want: usize,
    },
    /// A length that no frame has.
    #[error("a frame with an impossible length")]
    Length,
    /// The checksum is wrong.
    #[error("the frame's checksum does not match")]
    Checksum,
}

/// The frame at the start of `bytes`; `None` where there are no more bytes.
pub fn frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    match frame_unchecked(bytes)? {
        Some((_, false)) => Err(FrameError::Checksum),
        Some((frame, true)) => Ok(Some(frame)),
        None => Ok(None),
    }
}

/// The frame at the start of `bytes`, with whether its checksum holds.
pub(crate) fn frame_unchecked(bytes: &[u8]) -> Result<Option<(Frame<'_>, bool)>, FrameError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let torn = |want| FrameError::Torn { have: bytes.len(), want };
    let (head, rest) = bytes.split_first_chunk::<FRAME_HEAD>().ok_or(torn(FRAME_HEAD))?;
    let number = |at: usize| {
        head.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes) as usize
    };
    let (header_len, body_len) = (number(0), number(4));
    if header_len == 0 || header_len > MAX_HEADER || body_len > MAX_BODY {
        return Err(FrameError::Length);
    }
    let len = FRAME_HEAD + body_len + header_len;
    let payload = rest.get(..body_len + header_len).ok_or(torn(len))?;
    let intact = checksum(&head[..8], payload) as usize == number(8);
    let (body, header) = payload.split_at(body_len);
    Ok(Some((Frame { header, body, len }, intact)))
}

/// Walks the frames of a segment's bytes after its head, each with its offset in the file. Ends after an error.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// Frames from `at` on, which is [`HEAD_LEN`] for the first.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Frames { bytes, at }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = (usize, Result<Frame<'a>, FrameError>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        match frame(self.bytes.get(at..).unwrap_or_default()) {
            Ok(None) => None,
            Ok(Some(frame)) => {
                self.at += frame.len;
                Some((at, Ok(frame)))
            }
            Err(error) => {
                self.at = self.bytes.len();
                Some((at, Err(error)))
            }
        }
    }
}
