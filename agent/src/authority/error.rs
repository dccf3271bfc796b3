//! What can be wrong with an authority.

use std::io;
use std::path::PathBuf;

use crate::secret;

/// Why there is no authority, or why it cannot vouch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Only one of the operator's two files is named.
    #[error(
        "`authority` names a `{named}` without a `{missing}`: name both for an authority of your own, or neither"
    )]
    Half {
        /// The key that is there.
        named: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// The folder of this machine's own authority.
    #[error("the certificate authority cannot be kept at {}: {source}", .path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read the certificate {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A private key that cannot be read, or that others can.
    #[error("the certificate authority's private key: {0}")]
    Key(#[from] secret::Error),
    /// What was read is not what it should be.
    #[error("{}: {what}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the cure.
        what: String,
    },
    /// The crypto library says no.
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library says no.
    #[error("TLS towards clients cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// RFC 5929 says nothing of such a signature.
    #[error("clients cannot bind a login to a certificate that is signed in this way")]
    Unbindable,
    /// No random numbers.
    #[error("the system gives no random numbers")]
    Random,
}
