//! Why a text could not be cut into tokens or statements. Never holds a part of the text.

/// A text that cannot be read, with the byte where the reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not UTF-8 although the session says so.
    #[error("invalid UTF-8 at byte {at}")]
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
    #[error("comments are nested too deeply at byte {at}")]
    CommentDepth {
        /// Offset in bytes.
        at: usize,
    },
    /// Deeper parentheses than [`crate::Limits::nesting`].
    #[error("parentheses are nested too deeply at byte {at}")]
    Nesting {
        /// Offset in bytes.
        at: usize,
    },
    /// A parenthesis or bracket without its partner.
    #[error("unbalanced parenthesis at byte {at}")]
    Unbalanced {
        /// Offset in bytes.
        at: usize,
    },
    /// A string, quoted identifier or comment without an end.
    #[error("unterminated string, identifier or comment at byte {at}")]
    Unterminated {
        /// Offset in bytes.
        at: usize,
    },
    /// A character that begins no token.
    #[error("unexpected character at byte {at}")]
    Unexpected {
        /// Offset in bytes.
        at: usize,
    },
    /// Letters right after a number, or a malformed number.
    #[error("trailing junk after a number at byte {at}")]
    Junk {
        /// Offset in bytes.
        at: usize,
    },
    /// A bit string with other digits.
    #[error("invalid digit in a bit string at byte {at}")]
    BitString {
        /// Offset in bytes.
        at: usize,
    },
    /// UESCAPE, or an invalid Unicode escape.
    #[error("unsupported Unicode escape at byte {at}")]
    UnicodeEscape {
        /// Offset in bytes.
        at: usize,
    },
    /// A quoted identifier of length zero.
    #[error("zero-length identifier at byte {at}")]
    EmptyIdentifier {
        /// Offset in bytes.
        at: usize,
    },
}
