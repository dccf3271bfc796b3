//! Why a text could not be cut into tokens or statements. Never holds a part of the text.

/// A text that cannot be read, with the byte where the reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not UTF-8 although the session says so.
    #[error("invalid UTF-8")]
    NotUtf8 {
        /// Offset in bytes.
        at: usize,
    },
    /// Not ASCII, and the session's `client_encoding` is not UTF8.
    #[error("text is not ASCII and client_encoding is not UTF8")]
    Encoding,
    /// More than 4 GiB.
    #[error("text is too long")]
    TooLong,
    /// More tokens than [`crate::Limits::tokens`].
    #[error("too many tokens")]
    TooManyTokens,
    /// More statements than [`crate::Limits::statements`].
    #[error("too many statements")]
    TooManyStatements,
    /// Deeper comments than [`crate::Limits::comment_depth`].
    #[error("comments are nested too deeply")]
    CommentDepth {
        /// Offset in bytes.
        at: usize,
    },
    /// Deeper parentheses than [`crate::Limits::nesting`].
    #[error("parentheses are nested too deeply")]
    Nesting {
        /// Offset in bytes.
        at: usize,
    },
    /// A parenthesis or bracket without its partner.
    #[error("unbalanced parenthesis")]
    Unbalanced {
        /// Offset in bytes.
        at: usize,
    },
    /// A string, quoted identifier or comment without an end.
    #[error("unterminated string, identifier or comment")]
    Unterminated {
        /// Offset in bytes.
        at: usize,
    },
    /// A character that begins no token.
    #[error("unexpected character")]
    Unexpected {
        /// Offset in bytes.
        at: usize,
    },
    /// Letters right after a number, or a malformed number.
    #[error("trailing junk after a number")]
    Junk {
        /// Offset in bytes.
        at: usize,
    },
    /// A bit string with other digits.
    #[error("invalid digit in a bit string")]
    BitString {
        /// Offset in bytes.
        at: usize,
    },
    /// UESCAPE, or an invalid Unicode escape.
    #[error("unsupported Unicode escape")]
    UnicodeEscape {
        /// Offset in bytes.
        at: usize,
    },
    /// A quoted identifier of length zero.
    #[error("zero-length identifier")]
    EmptyIdentifier {
        /// Offset in bytes.
        at: usize,
    },
}

impl Unreadable {
    /// The byte where the reading stopped.
    pub const fn at(self) -> Option<usize> {
        match self {
            Unreadable::NotUtf8 { at }
            | Unreadable::CommentDepth { at }
            | Unreadable::Nesting { at }
            | Unreadable::Unbalanced { at }
            | Unreadable::Unterminated { at }
            | Unreadable::Unexpected { at }
            | Unreadable::Junk { at }
            | Unreadable::BitString { at }
            | Unreadable::UnicodeEscape { at }
            | Unreadable::EmptyIdentifier { at } => Some(at),
            Unreadable::Encoding
            | Unreadable::TooLong
            | Unreadable::TooManyTokens
            | Unreadable::TooManyStatements => None,
        }
    }
}
