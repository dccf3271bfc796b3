//! Walks a stream of tagged frames in whatever pieces it arrives, without copying.
//!
//! A frame is a tag byte, a length of four bytes (that counts itself and the body) and the body. This module
//! never looks into a body; which frames are needed whole is the caller's to say.

#[cfg(test)]
mod tests;

/// Bytes of a frame's header: the tag and the length.
pub const HEADER_LEN: usize = 5;

/// What is wrong with bytes that should be a frame or a start-up packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length counts itself, so it is at least four; above `i32::MAX` it would be negative.
    #[error("invalid message length {len} (message type 0x{tag:02x})")]
    Length {
        /// The frame's tag.
        tag: u8,
        /// The length as it stands on the wire.
        len: u32,
    },
    /// The frame is needed whole but is larger than its limit.
    #[error("message of type 0x{tag:02x} has {len} bytes, the limit is {limit}")]
    TooLarge {
        /// The frame's tag.
        tag: u8,
        /// Length of the body in bytes.
        len: u32,
        /// The limit for the body in bytes.
        limit: usize,
    },
    /// No message of this side has that tag.
    #[error("unknown message type 0x{tag:02x}")]
    UnknownTag {
        /// The frame's tag.
        tag: u8,
    },
    /// The body does not have the message's form.
    #[error("malformed {message} message: {what}")]
    Malformed {
        /// The message's name in the manual.
        message: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What is most often wrong with a body.
pub mod malformed {
    /// A string without its terminator.
    pub const OPEN: &str = "a string has no terminator";
    /// Less than there has to be.
    pub const EARLY: &str = "it ends too early";
    /// More than there may be.
    pub const AFTER: &str = "it has bytes after its end";
    /// Of a Describe or a Close.
    pub const TARGET: &str = "it names neither a statement nor a portal";
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message's type.
    pub tag: u8,
    /// Length of the body in bytes: four less than the length on the wire.
    pub body_len: u32,
}

impl Header {
    /// Reads the header at the front of `input`; `None` if it is not there in full.
    ///
    /// # Errors
    /// [`FrameError::Length`] if the length is less than four or more than `i32::MAX`.
    pub fn parse(input: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some(&[tag, a, b, c, d]) = input.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes([a, b, c, d]);
        if len < 4 || len > i32::MAX as u32 {
            return Err(FrameError::Length { tag, len });
        }
        Ok(Some(Header { tag, body_len: len - 4 }))
    }

    /// Length of the whole frame in bytes, header included.
    pub const fn frame_len(self) -> usize {
        HEADER_LEN + self.body_len as usize
    }
}

/// How the caller needs frames of one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// In one piece; a body of more than `limit` bytes is an error.
    Needed {
        /// The body's limit in bytes.
        limit: usize,
    },
    /// As it comes.
    Streamed,
    /// In one piece where the body has at most `limit` bytes. A longer one as it comes, once the first `head` bytes of
    /// its body are there; where they are all of it, it is in one piece all the same.
    UpTo {
        /// The body's limit in bytes.
        limit: usize,
        /// How much of a longer body its beginning has at least, in bytes.
        head: usize,
    },
}

/// What stands at the front of the input. The caller consumes [`Piece::len`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole frame.
    Frame {
        /// The message's type.
        tag: u8,
        /// Header and body.
        frame: &'a [u8],
    },
    /// The beginning of a streamed frame that is not there in full.
    Begin {
        /// The message's type.
        tag: u8,
        /// Length of the whole body in bytes.
        body_len: u32,
        /// The header and what is there of the body.
        bytes: &'a [u8],
    },
    /// More of the body of the frame that was begun.
    Middle {
        /// The message's type.
        tag: u8,
        /// Bytes of the body, never empty.
        bytes: &'a [u8],
    },
    /// The last of the body of the frame that was begun.
    End {
        /// The message's type.
        tag: u8,
        /// Bytes of the body, never empty.
        bytes: &'a [u8],
    },
}

impl<'a> Piece<'a> {
    /// The message's type.
    pub const fn tag(&self) -> u8 {
        match *self {
            Piece::Frame { tag, .. }
            | Piece::Begin { tag, .. }
            | Piece::Middle { tag, .. }
            | Piece::End { tag, .. } => tag,
        }
    }

    /// The bytes of the stream that this piece is.
    pub const fn bytes(&self) -> &'a [u8] {
        match *self {
            Piece::Frame { frame: bytes, .. }
            | Piece::Begin { bytes, .. }
            | Piece::Middle { bytes, .. }
            | Piece::End { bytes, .. } => bytes,
        }
    }

    /// How many bytes of the input to consume; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a piece is never empty")]
    pub const fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether a frame ends with this piece.
    pub const fn ends_frame(&self) -> bool {
        matches!(self, Piece::Frame { .. } | Piece::End { .. })
    }
}

/// Walks a stream of frames. Its only state is what is missing of a frame that was begun.
#[derive(Debug, Clone)]
pub struct Splitter {
    max_whole: usize,
    tag: u8,
    missing: usize,
}

impl Splitter {
    /// A splitter at the boundary of a frame. No frame with a body of more than `max_whole` bytes is ever
    /// waited for, whatever limit the caller names.
    pub const fn new(max_whole: usize) -> Self {
        Splitter { max_whole, tag: 0, missing: 0 }
    }

    /// Whether the stream stands between two frames.
    pub const fn at_boundary(&self) -> bool {
        self.missing == 0
    }

    /// Says what stands at the front of `input`, the bytes not yet consumed. `None`: more bytes are needed,
    /// and the caller keeps those that it has. The piece that is returned counts as consumed.
    ///
    /// # Errors
    /// [`FrameError::Length`], and [`FrameError::TooLarge`] as soon as the header is there.
    pub fn next<'a>(
        &mut self,
        input: &'a [u8],
        whole: impl Fn(u8) -> Whole,
    ) -> Result<Option<Piece<'a>>, FrameError> {
        if self.missing > 0 {
            return Ok(self.more(input));
        }
        let Some(header) = Header::parse(input)? else {
            return Ok(None);
        };
        let Header { tag, body_len } = header;
        let need = whole(tag);
        if let Whole::Needed { limit } = need {
            let limit = limit.min(self.max_whole);
            if body_len as usize > limit {
                return Err(FrameError::TooLarge { tag, len: body_len, limit });
            }
        }
        if let Some(frame) = input.get(..header.frame_len()) {
            return Ok(Some(Piece::Frame { tag, frame }));
        }
        let begins = match need {
            Whole::Needed { .. } => false,
            Whole::Streamed => true,
            Whole::UpTo { limit, head } => {
                body_len as usize > limit.min(self.max_whole) && input.len() >= HEADER_LEN + head
            }
        };
        if !begins {
            return Ok(None);
        }
        self.tag = tag;
        self.missing = header.frame_len() - input.len();
        Ok(Some(Piece::Begin { tag, body_len, bytes: input }))
    }

    /// The whole frames of one type, with bodies that are `wanted`, that stand at the front of `input`: their bytes, and
    /// how many there are. Rows come by the thousand, and many pass as they are.
    ///
    /// Within a frame that was begun there are none.
    pub fn alike<'a>(&self, input: &'a [u8], tag: u8, wanted: impl Fn(&[u8]) -> bool) -> (&'a [u8], u64) {
        let (mut at, mut count) = (0, 0);
        while self.at_boundary()
            && let Ok(Some(header)) = Header::parse(input.get(at..).unwrap_or_default())
            && header.tag == tag
            && let Some(body) = input.get(at + HEADER_LEN..at + header.frame_len())
            && wanted(body)
        {
            at += header.frame_len();
            count += 1;
        }
        (input.get(..at).unwrap_or_default(), count)
    }

    /// The beginning of a frame that was just given has not been taken: it will be given again.
    pub const fn put_back(&mut self) {
        self.missing = 0;
    }

    fn more<'a>(&mut self, input: &'a [u8]) -> Option<Piece<'a>> {
        let tag = self.tag;
        if input.is_empty() {
            return None;
        }
        if let Some(bytes) = input.get(..self.missing) {
            self.missing = 0;
            return Some(Piece::End { tag, bytes });
        }
        self.missing -= input.len();
        Some(Piece::Middle { tag, bytes: input })
    }
}
