//! Writes the messages of a backend; for ErrorResponse and NoticeResponse see [`super::NoticeFields`].
//!
//! Each function appends one frame. Those with strings, lists or values fail, and leave the buffer as it was,
//! if a string holds a zero byte or a length or count does not fit its field.

use bytes::BytesMut;

use super::{Field, TransactionStatus, tag};
use crate::startup::{MAX_SECRET_LEN, MIN_SECRET_LEN, ProtocolVersion};
use crate::{EncodeError, Format, Oid, write};

fn authentication(out: &mut BytesMut, kind: i32, data: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::AUTHENTICATION), |body| {
        body.i32(kind);
        body.bytes(data);
        Ok(())
    })
}

/// AuthenticationOk.
pub fn authentication_ok(out: &mut BytesMut) {
    out.extend_from_slice(&[tag::AUTHENTICATION, 0, 0, 0, 8, 0, 0, 0, 0]);
}

/// AuthenticationCleartextPassword.
pub fn authentication_cleartext_password(out: &mut BytesMut) {
    out.extend_from_slice(&[tag::AUTHENTICATION, 0, 0, 0, 8, 0, 0, 0, 3]);
}

/// AuthenticationMD5Password.
pub fn authentication_md5_password(out: &mut BytesMut, salt: [u8; 4]) {
    out.extend_from_slice(&[tag::AUTHENTICATION, 0, 0, 0, 12, 0, 0, 0, 5]);
    out.extend_from_slice(&salt);
}

/// AuthenticationSASL.
///
/// # Errors
/// [`EncodeError`].
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&[u8]]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::AUTHENTICATION), |body| {
        body.i32(10);
        for name in mechanisms {
            if name.is_empty() {
                return Err(EncodeError::EmptyName);
            }
            body.cstr(name)?;
        }
        body.u8(0);
        Ok(())
    })
}

/// AuthenticationSASLContinue.
///
/// # Errors
/// [`EncodeError`].
pub fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    authentication(out, 11, data)
}

/// AuthenticationSASLFinal.
///
/// # Errors
/// [`EncodeError`].
pub fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    authentication(out, 12, data)
}

/// BackendKeyData.
///
/// # Errors
/// [`EncodeError`].
pub fn backend_key_data(out: &mut BytesMut, process_id: i32, secret: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::BACKEND_KEY_DATA), |body| {
        if !(MIN_SECRET_LEN..=MAX_SECRET_LEN).contains(&secret.len()) {
            return Err(EncodeError::SecretLength);
        }
        body.i32(process_id);
        body.bytes(secret);
        Ok(())
    })
}

/// ParameterStatus.
///
/// # Errors
/// [`EncodeError`].
pub fn parameter_status(out: &mut BytesMut, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::PARAMETER_STATUS), |body| {
        body.cstr(name)?;
        body.cstr(value)
    })
}

/// ReadyForQuery.
pub fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    out.extend_from_slice(&[tag::READY_FOR_QUERY, 0, 0, 0, 5, status.byte()]);
}

/// NegotiateProtocolVersion, with both numbers of the version, as servers send it.
///
/// # Errors
/// [`EncodeError`].
pub fn negotiate_protocol_version(
    out: &mut BytesMut,
    version: ProtocolVersion,
    unrecognized: &[&[u8]],
) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::NEGOTIATE_PROTOCOL_VERSION), |body| {
        body.u32(version.0);
        body.i32(i32::try_from(unrecognized.len()).map_err(|_| EncodeError::TooLong)?);
        unrecognized.iter().try_for_each(|name| body.cstr(name))
    })
}

/// RowDescription.
///
/// # Errors
/// [`EncodeError`].
pub fn row_description(out: &mut BytesMut, fields: &[Field<'_>]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::ROW_DESCRIPTION), |body| {
        body.count(fields.len())?;
        for field in fields {
            body.cstr(field.name)?;
            body.u32(field.table_oid);
            body.i16(field.column_attnum);
            body.u32(field.type_oid);
            body.i16(field.type_size);
            body.i32(field.type_modifier);
            body.i16(field.format.0);
        }
        Ok(())
    })
}

/// DataRow.
///
/// # Errors
/// [`EncodeError`].
pub fn data_row(out: &mut BytesMut, cells: &[Option<&[u8]>]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::DATA_ROW), |body| body.values(cells))
}

/// CommandComplete.
///
/// # Errors
/// [`EncodeError`].
pub fn command_complete(out: &mut BytesMut, command_tag: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::COMMAND_COMPLETE), |body| body.cstr(command_tag))
}

/// ParameterDescription.
///
/// # Errors
/// [`EncodeError`].
pub fn parameter_description(out: &mut BytesMut, types: &[Oid]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::PARAMETER_DESCRIPTION), |body| {
        body.count(types.len())?;
        types.iter().for_each(|oid| body.u32(*oid));
        Ok(())
    })
}

/// NotificationResponse.
///
/// # Errors
/// [`EncodeError`].
pub fn notification_response(
    out: &mut BytesMut,
    process_id: i32,
    channel: &[u8],
    payload: &[u8],
) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::NOTIFICATION_RESPONSE), |body| {
        body.i32(process_id);
        body.cstr(channel)?;
        body.cstr(payload)
    })
}

fn copy_response(out: &mut BytesMut, tag: u8, format: Format, columns: &[Format]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag), |body| {
        body.u8(u8::try_from(format.0).map_err(|_| EncodeError::TooLong)?);
        body.formats(columns)
    })
}

/// CopyInResponse.
///
/// # Errors
/// [`EncodeError`].
pub fn copy_in_response(out: &mut BytesMut, format: Format, columns: &[Format]) -> Result<(), EncodeError> {
    copy_response(out, tag::COPY_IN_RESPONSE, format, columns)
}

/// CopyOutResponse.
///
/// # Errors
/// [`EncodeError`].
pub fn copy_out_response(out: &mut BytesMut, format: Format, columns: &[Format]) -> Result<(), EncodeError> {
    copy_response(out, tag::COPY_OUT_RESPONSE, format, columns)
}

/// CopyBothResponse.
///
/// # Errors
/// [`EncodeError`].
pub fn copy_both_response(out: &mut BytesMut, format: Format, columns: &[Format]) -> Result<(), EncodeError> {
    copy_response(out, tag::COPY_BOTH_RESPONSE, format, columns)
}

/// CopyData.
///
/// # Errors
/// [`EncodeError`].
pub fn copy_data(out: &mut BytesMut, bytes: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::COPY_DATA), |body| {
        body.bytes(bytes);
        Ok(())
    })
}

/// CopyDone.
pub fn copy_done(out: &mut BytesMut) {
    write::bare(out, tag::COPY_DONE);
}

/// FunctionCallResponse.
///
/// # Errors
/// [`EncodeError`].
pub fn function_call_response(out: &mut BytesMut, value: Option<&[u8]>) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::FUNCTION_CALL_RESPONSE), |body| body.value(value))
}

/// ParseComplete.
pub fn parse_complete(out: &mut BytesMut) {
    write::bare(out, tag::PARSE_COMPLETE);
}

/// BindComplete.
pub fn bind_complete(out: &mut BytesMut) {
    write::bare(out, tag::BIND_COMPLETE);
}

/// CloseComplete.
pub fn close_complete(out: &mut BytesMut) {
    write::bare(out, tag::CLOSE_COMPLETE);
}

/// NoData.
pub fn no_data(out: &mut BytesMut) {
    write::bare(out, tag::NO_DATA);
}

/// EmptyQueryResponse.
pub fn empty_query_response(out: &mut BytesMut) {
    write::bare(out, tag::EMPTY_QUERY_RESPONSE);
}

/// PortalSuspended.
pub fn portal_suspended(out: &mut BytesMut) {
    write::bare(out, tag::PORTAL_SUSPENDED);
}
