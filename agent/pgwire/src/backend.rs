//! The messages that a backend sends: views of a whole body, and encoders.
//!
//! A body is checked in full when it is parsed, so the lists in a message can be walked without further errors.

use crate::startup::{MAX_SECRET_LEN, MIN_SECRET_LEN, ProtocolVersion};
use crate::{Format, Formats, FrameError, Oids, Values, read::Reader};

pub mod authentication;
pub mod encode;
pub mod notice;
pub mod row;
pub mod tag;
#[cfg(test)]
mod tests;

pub use authentication::Authentication;
pub use notice::{Notice, NoticeFields};
pub use row::{Field, RowDescription};

/// ReadyForQuery's word on the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// `I`: not in a transaction block.
    Idle,
    /// `T`: in a transaction block.
    InTransaction,
    /// `E`: in a failed transaction block.
    Failed,
}

impl TransactionStatus {
    /// As it stands on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            TransactionStatus::Idle => b'I',
            TransactionStatus::InTransaction => b'T',
            TransactionStatus::Failed => b'E',
        }
    }

    /// From the wire.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::InTransaction,
            b'E' => TransactionStatus::Failed,
            _ => return None,
        })
    }
}

/// CopyInResponse, CopyOutResponse and CopyBothResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyResponse<'a> {
    /// The format of the whole: text (also CSV), or binary.
    pub format: Format,
    /// The format of each column.
    pub columns: Formats<'a>,
}

impl<'a> CopyResponse<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let format = match reader.u8()? {
            0 => Format::TEXT,
            1 => Format::BINARY,
            _ => return Err(reader.malformed("unknown format of the whole")),
        };
        Ok(CopyResponse { format, columns: Formats::read(reader)? })
    }
}

/// The protocol options that a server did not recognise, each with its full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionNames<'a>(&'a [u8]);

impl<'a> OptionNames<'a> {
    /// Each name in turn.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.split_inclusive(|byte| *byte == 0).map(|name| &name[..name.len() - 1])
    }
}

/// One message of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Authentication….
    Authentication(Authentication<'a>),
    /// BackendKeyData: what a cancel request must show.
    BackendKeyData {
        /// The backend's process id.
        process_id: i32,
        /// 4 bytes in protocol 3.0, up to 256 in 3.2.
        secret: &'a [u8],
    },
    /// BindComplete.
    BindComplete,
    /// CloseComplete.
    CloseComplete,
    /// CommandComplete with its command tag.
    CommandComplete(&'a [u8]),
    /// CopyBothResponse.
    CopyBothResponse(CopyResponse<'a>),
    /// CopyData with its bytes.
    CopyData(&'a [u8]),
    /// CopyDone.
    CopyDone,
    /// CopyInResponse.
    CopyInResponse(CopyResponse<'a>),
    /// CopyOutResponse.
    CopyOutResponse(CopyResponse<'a>),
    /// DataRow with its cells.
    DataRow(Values<'a>),
    /// EmptyQueryResponse.
    EmptyQueryResponse,
    /// ErrorResponse.
    ErrorResponse(Notice<'a>),
    /// FunctionCallResponse with its value.
    FunctionCallResponse(Option<&'a [u8]>),
    /// NegotiateProtocolVersion.
    NegotiateProtocolVersion {
        /// The newest version that the server speaks. The manual calls it a minor number; servers send both
        /// numbers, as in a StartupMessage.
        version: ProtocolVersion,
        /// Protocol options that it does not know.
        unrecognized: OptionNames<'a>,
    },
    /// NoData.
    NoData,
    /// NoticeResponse.
    NoticeResponse(Notice<'a>),
    /// NotificationResponse.
    NotificationResponse {
        /// The notifying backend's process id.
        process_id: i32,
        /// The channel's name.
        channel: &'a [u8],
        /// The payload.
        payload: &'a [u8],
    },
    /// ParameterDescription: the types of a statement's parameters.
    ParameterDescription(Oids<'a>),
    /// ParameterStatus.
    ParameterStatus {
        /// The parameter's name.
        name: &'a [u8],
        /// Its value now.
        value: &'a [u8],
    },
    /// ParseComplete.
    ParseComplete,
    /// PortalSuspended.
    PortalSuspended,
    /// ReadyForQuery.
    ReadyForQuery(TransactionStatus),
    /// RowDescription.
    RowDescription(RowDescription<'a>),
}

impl<'a> Message<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`FrameError::UnknownTag`] and [`FrameError::Malformed`].
    pub fn parse(tag: u8, body: &'a [u8]) -> Result<Self, FrameError> {
        let name = tag::name(tag).ok_or(FrameError::UnknownTag { tag })?;
        let mut reader = Reader::new(name, body);
        let message = match tag {
            tag::AUTHENTICATION => return Authentication::read(reader).map(Message::Authentication),
            tag::BACKEND_KEY_DATA => {
                let process_id = reader.i32()?;
                let secret = reader.rest();
                if !(MIN_SECRET_LEN..=MAX_SECRET_LEN).contains(&secret.len()) {
                    return Err(reader.malformed("the secret has no valid length"));
                }
                return Ok(Message::BackendKeyData { process_id, secret });
            }
            tag::BIND_COMPLETE => Message::BindComplete,
            tag::CLOSE_COMPLETE => Message::CloseComplete,
            tag::COMMAND_COMPLETE => Message::CommandComplete(reader.cstr()?),
            tag::COPY_BOTH_RESPONSE => Message::CopyBothResponse(CopyResponse::read(&mut reader)?),
            tag::COPY_DATA => return Ok(Message::CopyData(body)),
            tag::COPY_DONE => Message::CopyDone,
            tag::COPY_IN_RESPONSE => Message::CopyInResponse(CopyResponse::read(&mut reader)?),
            tag::COPY_OUT_RESPONSE => Message::CopyOutResponse(CopyResponse::read(&mut reader)?),
            tag::DATA_ROW => Message::DataRow(Values::read(&mut reader)?),
            tag::EMPTY_QUERY_RESPONSE => Message::EmptyQueryResponse,
            tag::ERROR_RESPONSE => Message::ErrorResponse(Notice::read(&mut reader)?),
            tag::FUNCTION_CALL_RESPONSE => Message::FunctionCallResponse(reader.value()?),
            tag::NEGOTIATE_PROTOCOL_VERSION => {
                let version = ProtocolVersion(reader.u32()?);
                let count = reader.u32()?;
                let names = reader.spanned(|reader| (0..count).try_for_each(|_| reader.cstr().map(drop)))?;
                Message::NegotiateProtocolVersion { version, unrecognized: OptionNames(names) }
            }
            tag::NO_DATA => Message::NoData,
            tag::NOTICE_RESPONSE => Message::NoticeResponse(Notice::read(&mut reader)?),
            tag::NOTIFICATION_RESPONSE => Message::NotificationResponse {
                process_id: reader.i32()?,
                channel: reader.cstr()?,
                payload: reader.cstr()?,
            },
            tag::PARAMETER_DESCRIPTION => Message::ParameterDescription(Oids::read(&mut reader)?),
            tag::PARAMETER_STATUS => Message::ParameterStatus { name: reader.cstr()?, value: reader.cstr()? },
            tag::PARSE_COMPLETE => Message::ParseComplete,
            tag::PORTAL_SUSPENDED => Message::PortalSuspended,
            tag::READY_FOR_QUERY => match TransactionStatus::from_byte(reader.u8()?) {
                Some(status) => Message::ReadyForQuery(status),
                None => return Err(reader.malformed("unknown transaction status")),
            },
            tag::ROW_DESCRIPTION => Message::RowDescription(RowDescription::read(&mut reader)?),
            tag => return Err(FrameError::UnknownTag { tag }),
        };
        reader.end()?;
        Ok(message)
    }
}

/// The number of rows that a command tag tells (`SELECT 3`, `INSERT 0 3`); `None` if it tells none.
pub fn rows_of_command_tag(command_tag: &[u8]) -> Option<u64> {
    let last = command_tag.rsplit(|byte| *byte == b' ').next()?;
    if last.len() == command_tag.len() || !last.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(last).ok()?.parse().ok()
}
