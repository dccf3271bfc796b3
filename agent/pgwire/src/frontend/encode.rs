//! Writes the messages of a frontend.
//!
//! Each function appends one frame. Those with strings, lists or values fail, and leave the buffer as it was,
//! if a string holds a zero byte or a length or count does not fit its field.

use bytes::BytesMut;

use super::{Target, tag};
use crate::{EncodeError, Format, Oid, write};

/// Query.
///
/// # Errors
/// [`EncodeError`].
pub fn query(out: &mut BytesMut, text: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::QUERY), |body| body.cstr(text))
}

/// Parse.
///
/// # Errors
/// [`EncodeError`].
pub fn parse(
    out: &mut BytesMut,
    name: &[u8],
    text: &[u8],
    parameter_types: &[Oid],
) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::PARSE), |body| {
        body.cstr(name)?;
        body.cstr(text)?;
        body.count(parameter_types.len())?;
        parameter_types.iter().for_each(|oid| body.u32(*oid));
        Ok(())
    })
}

/// Bind.
///
/// # Errors
/// [`EncodeError`].
pub fn bind(
    out: &mut BytesMut,
    portal: &[u8],
    statement: &[u8],
    parameter_formats: &[Format],
    parameters: &[Option<&[u8]>],
    result_formats: &[Format],
) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::BIND), |body| {
        body.cstr(portal)?;
        body.cstr(statement)?;
        body.formats(parameter_formats)?;
        body.values(parameters)?;
        body.formats(result_formats)
    })
}

fn targeted(out: &mut BytesMut, tag: u8, target: Target, name: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag), |body| {
        body.u8(target.byte());
        body.cstr(name)
    })
}

/// Describe.
///
/// # Errors
/// [`EncodeError`].
pub fn describe(out: &mut BytesMut, target: Target, name: &[u8]) -> Result<(), EncodeError> {
    targeted(out, tag::DESCRIBE, target, name)
}

/// Close.
///
/// # Errors
/// [`EncodeError`].
pub fn close(out: &mut BytesMut, target: Target, name: &[u8]) -> Result<(), EncodeError> {
    targeted(out, tag::CLOSE, target, name)
}

/// Execute; `max_rows` 0 means all rows.
///
/// # Errors
/// [`EncodeError`].
pub fn execute(out: &mut BytesMut, portal: &[u8], max_rows: i32) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::EXECUTE), |body| {
        body.cstr(portal)?;
        body.i32(max_rows);
        Ok(())
    })
}

/// FunctionCall.
///
/// # Errors
/// [`EncodeError`].
pub fn function_call(
    out: &mut BytesMut,
    function: Oid,
    argument_formats: &[Format],
    arguments: &[Option<&[u8]>],
    result_format: Format,
) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::FUNCTION_CALL), |body| {
        body.u32(function);
        body.formats(argument_formats)?;
        body.values(arguments)?;
        body.i16(result_format.0);
        Ok(())
    })
}

/// Sync.
pub fn sync(out: &mut BytesMut) {
    write::bare(out, tag::SYNC);
}

/// Flush.
pub fn flush(out: &mut BytesMut) {
    write::bare(out, tag::FLUSH);
}

/// Terminate.
pub fn terminate(out: &mut BytesMut) {
    write::bare(out, tag::TERMINATE);
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

/// CopyFail.
///
/// # Errors
/// [`EncodeError`].
pub fn copy_fail(out: &mut BytesMut, reason: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::COPY_FAIL), |body| body.cstr(reason))
}

/// PasswordMessage: the password in clear or as MD5 hash.
///
/// # Errors
/// [`EncodeError`].
pub fn password(out: &mut BytesMut, password: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::PASSWORD), |body| body.cstr(password))
}

/// SASLInitialResponse: the chosen mechanism and the client's first message.
///
/// # Errors
/// [`EncodeError`].
pub fn sasl_initial_response(
    out: &mut BytesMut,
    mechanism: &[u8],
    data: Option<&[u8]>,
) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::PASSWORD), |body| {
        body.cstr(mechanism)?;
        body.value(data)
    })
}

/// SASLResponse: a later message of the client.
///
/// # Errors
/// [`EncodeError`].
pub fn sasl_response(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    write::frame(out, Some(tag::PASSWORD), |body| {
        body.bytes(data);
        Ok(())
    })
}
