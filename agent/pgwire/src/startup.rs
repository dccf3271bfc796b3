//! The untagged packets that open a connection: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.
//!
//! Which of them may come when, and what to answer, is not decided here.

use bytes::BytesMut;

use crate::{EncodeError, FrameError, read::Reader, write};

#[cfg(test)]
mod tests;

/// The largest packet in bytes, its length field not counted: PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`.
pub const MAX_PACKET_LEN: usize = 10_000;
/// The shortest secret of a cancel request in bytes (protocol 3.0 always has this length).
pub const MIN_SECRET_LEN: usize = 4;
/// The longest secret of a cancel request in bytes (protocol 3.2).
pub const MAX_SECRET_LEN: usize = 256;

/// What TLS calls the protocol (ALPN, "SSL Session Encryption"): a client that starts with TLS has to say it.
pub const ALPN: &[u8] = b"postgresql";

const CANCEL_REQUEST: u32 = 1234 << 16 | 5678;
const SSL_REQUEST: u32 = ProtocolVersion::SSL_REQUEST.0;
const GSSENC_REQUEST: u32 = ProtocolVersion::GSSENC_REQUEST.0;

/// A protocol version: the major number in the upper 16 bits, the minor in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion(pub u32);

impl ProtocolVersion {
    /// 3.0, since PostgreSQL 7.4.
    pub const V3_0: ProtocolVersion = ProtocolVersion(3 << 16);
    /// 3.2, since PostgreSQL 18: secrets of variable length.
    pub const V3_2: ProtocolVersion = ProtocolVersion(3 << 16 | 2);

    /// What stands in the place of a version in an SSLRequest.
    pub const SSL_REQUEST: ProtocolVersion = ProtocolVersion(1234 << 16 | 5679);
    /// What stands in the place of a version in a GSSENCRequest.
    pub const GSSENC_REQUEST: ProtocolVersion = ProtocolVersion(1234 << 16 | 5680);

    /// The major number.
    pub const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The minor number.
    pub const fn minor(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

/// What is wrong with a start-up packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// The length is too small for any packet or above [`MAX_PACKET_LEN`].
    #[error("invalid length of startup packet: {len}")]
    Length {
        /// The length as it stands on the wire, itself included.
        len: u32,
    },
    /// A major version other than 3, and not one of the special requests.
    #[error("unsupported frontend protocol {}.{}", .version.major(), .version.minor())]
    Version {
        /// What was asked for.
        version: ProtocolVersion,
    },
    /// The packet does not have its form.
    #[error(transparent)]
    Malformed(#[from] FrameError),
}

/// One packet of a connection's opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// StartupMessage of protocol 3.x.
    Startup {
        /// The version asked for; the minor number may be one that does not exist yet.
        version: ProtocolVersion,
        /// Names and values in their order; names starting with `_pq_.` are protocol options.
        parameters: Vec<(&'a [u8], &'a [u8])>,
    },
    /// SSLRequest.
    SslRequest,
    /// GSSENCRequest.
    GssEncRequest,
    /// CancelRequest.
    Cancel {
        /// The backend's process id from BackendKeyData.
        process_id: i32,
        /// The secret from BackendKeyData, 4 to 256 bytes.
        secret: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    /// Reads the packet at the front of `input` and says how many bytes it has; `None` if it is not there in
    /// full, in which case the caller keeps the bytes (never more than [`MAX_PACKET_LEN`] and four).
    ///
    /// # Errors
    /// [`StartupError`]; a wrong length is told as soon as its four bytes are there.
    pub fn parse(input: &'a [u8]) -> Result<Option<(Self, usize)>, StartupError> {
        let Some(len) = input.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes)) else {
            return Ok(None);
        };
        let total = len as usize;
        if !(8..=MAX_PACKET_LEN + 4).contains(&total) {
            return Err(StartupError::Length { len });
        }
        let Some(packet) = input.get(4..total) else {
            return Ok(None);
        };
        Self::parse_body(packet).map(|packet| Some((packet, total)))
    }

    fn parse_body(packet: &'a [u8]) -> Result<Self, StartupError> {
        let mut reader = Reader::new("StartupMessage", packet);
        match reader.u32()? {
            CANCEL_REQUEST => {
                let mut reader = Reader::new("CancelRequest", reader.rest());
                let process_id = reader.i32()?;
                let secret = reader.rest();
                if !(MIN_SECRET_LEN..=MAX_SECRET_LEN).contains(&secret.len()) {
                    return Err(reader.malformed("the secret has no valid length").into());
                }
                Ok(Packet::Cancel { process_id, secret })
            }
            SSL_REQUEST => {
                Reader::new("SSLRequest", reader.rest()).end()?;
                Ok(Packet::SslRequest)
            }
            GSSENC_REQUEST => {
                Reader::new("GSSENCRequest", reader.rest()).end()?;
                Ok(Packet::GssEncRequest)
            }
            version => {
                let version = ProtocolVersion(version);
                if version.major() != 3 {
                    return Err(StartupError::Version { version });
                }
                let mut parameters = Vec::new();
                loop {
                    let name = reader.cstr()?;
                    if name.is_empty() {
                        break;
                    }
                    parameters.push((name, reader.cstr()?));
                }
                reader.end()?;
                Ok(Packet::Startup { version, parameters })
            }
        }
    }

    /// Appends the packet.
    ///
    /// # Errors
    /// [`EncodeError`] if a name is empty, a string holds a zero byte, or the packet is larger than
    /// PostgreSQL takes.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        write::frame(out, None, |body| match self {
            Packet::Startup { version, parameters } => {
                body.u32(version.0);
                for (name, value) in parameters {
                    if name.is_empty() {
                        return Err(EncodeError::EmptyName);
                    }
                    body.cstr(name)?;
                    body.cstr(value)?;
                }
                body.u8(0);
                Ok(())
            }
            Packet::SslRequest => {
                body.u32(SSL_REQUEST);
                Ok(())
            }
            Packet::GssEncRequest => {
                body.u32(GSSENC_REQUEST);
                Ok(())
            }
            Packet::Cancel { process_id, secret } => {
                if !(MIN_SECRET_LEN..=MAX_SECRET_LEN).contains(&secret.len()) {
                    return Err(EncodeError::SecretLength);
                }
                body.u32(CANCEL_REQUEST);
                body.i32(*process_id);
                body.bytes(secret);
                Ok(())
            }
        })?;
        if out.len() - start > MAX_PACKET_LEN + 4 {
            out.truncate(start);
            return Err(EncodeError::TooLong);
        }
        Ok(())
    }
}
