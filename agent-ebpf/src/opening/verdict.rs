//! What can be said of a stream.

/// Whether a stream speaks PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It cannot be told yet.
    More,
    /// It does not. The stream need not be looked at any more.
    Other,
    /// It does.
    Postgres(Kind),
    /// It could not be found out, and will not be. This comes of no ordinary client but for
    /// [`Reason::MidStream`]; a caller that refuses what it does not understand refuses the others.
    Unclear(Reason),
}

/// How a stream opens a conversation with PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A StartupMessage of protocol 3.0.
    Startup30,
    /// A StartupMessage of protocol 3.2, or of any other minor version above 0: servers do not refuse one that
    /// they do not know, they answer with their own (NegotiateProtocolVersion).
    Startup32,
    /// An SSLRequest. Servers do not look at what a longer one holds after its code.
    SslRequest,
    /// A GSSENCRequest; what is said of [`SslRequest`](Self::SslRequest) holds here too.
    GssEncRequest,
    /// A CancelRequest, with a key of any length (4 bytes in protocol 3.0, up to 256 in 3.2).
    CancelRequest,
    /// A TLS ClientHello that offers `postgresql` by ALPN (`sslnegotiation=direct`). It need not be the first: a
    /// server that asked for another (HelloRetryRequest) goes by the second.
    DirectTls,
}

/// Why a stream stays unclear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A ClientHello has more to read in one packet than [`STEPS`](super::STEPS) allow: above 50 extensions or
    /// names before the one that counts, or TLS records of a few bytes.
    Steps,
    /// A packet is missing between those that were seen, although a sender sends in order.
    Gap,
    /// The first packet that was seen was not the stream's first: the connection is older than the guard.
    MidStream,
    /// The packet is shorter than the caller said.
    Unreadable,
}

impl Verdict {
    /// This verdict as one byte; 0 is [`More`](Self::More).
    #[inline(always)]
    pub const fn code(self) -> u8 {
        match self {
            Self::More => 0,
            Self::Other => 1,
            Self::Postgres(Kind::Startup30) => 2,
            Self::Postgres(Kind::Startup32) => 3,
            Self::Postgres(Kind::SslRequest) => 4,
            Self::Postgres(Kind::GssEncRequest) => 5,
            Self::Postgres(Kind::CancelRequest) => 6,
            Self::Postgres(Kind::DirectTls) => 7,
            Self::Unclear(Reason::Steps) => 8,
            Self::Unclear(Reason::Gap) => 9,
            Self::Unclear(Reason::MidStream) => 10,
            Self::Unclear(Reason::Unreadable) => 11,
        }
    }

    /// The verdict of a code; of a number that is none, [`Reason::Unreadable`].
    #[inline(always)]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::More,
            1 => Self::Other,
            2 => Self::Postgres(Kind::Startup30),
            3 => Self::Postgres(Kind::Startup32),
            4 => Self::Postgres(Kind::SslRequest),
            5 => Self::Postgres(Kind::GssEncRequest),
            6 => Self::Postgres(Kind::CancelRequest),
            7 => Self::Postgres(Kind::DirectTls),
            8 => Self::Unclear(Reason::Steps),
            9 => Self::Unclear(Reason::Gap),
            10 => Self::Unclear(Reason::MidStream),
            _ => Self::Unclear(Reason::Unreadable),
        }
    }
}
