//! Why a session ends before its client wants it to, and whose fault that is.

use pgwire::FrameError;
use pgwire::startup::StartupError;

/// What ends a session. Each has the SQLSTATE that PostgreSQL would give in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The client broke the protocol.
    #[error("the client broke the protocol: {0}")]
    Frontend(FrameError),
    /// The client's first packet cannot be read.
    #[error("the client's start-up packet: {0}")]
    Startup(#[from] StartupError),
    /// The client sent a message that has no place here.
    #[error("the client sent {message} where it has no place")]
    FrontendOutOfPlace {
        /// The message's name.
        message: &'static str,
    },
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Backend(FrameError),
    /// The server sent a message that answers nothing.
    #[error("the server sent {message} where it has no place")]
    BackendOutOfPlace {
        /// The message's name.
        message: &'static str,
    },
    /// A row that has to be masked is longer than the session holds in memory.
    #[error("a row to be masked cannot be: {0}")]
    Masking(#[from] masking::Error),
    /// A record is longer than the evidence can hold.
    #[error(transparent)]
    Record(evidence::TooLarge),
    /// A client that never syncs, or opens names without end.
    #[error("{what}: the limit is {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A defect of ours: a statement was about to leave without a permit.
    #[error("a message with a statement had no permit")]
    Unpermitted,
}

impl Fault {
    /// The SQLSTATE to tell the client.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Fault::Frontend(FrameError::TooLarge { .. })
            | Fault::Backend(FrameError::TooLarge { .. })
            | Fault::Masking(_)
            | Fault::Limit { .. } => "54000",
            // feature_not_supported
            Fault::Startup(StartupError::Version { .. }) => "0A000",
            Fault::Frontend(_)
            | Fault::Startup(_)
            | Fault::FrontendOutOfPlace { .. }
            | Fault::Backend(_)
            | Fault::BackendOutOfPlace { .. } => "08P01",
            Fault::Record(_) => "54000",
            Fault::Unpermitted => "XX000",
        }
    }
}
