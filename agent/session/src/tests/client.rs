//! What a client sends, and what it got, in one line for each message.

use bytes::BytesMut;
use pgwire::backend::{Message, Notice, notice};
use pgwire::frontend::{Target, encode};
use pgwire::{Format, HEADER_LEN, Header};

pub(crate) fn query(text: &str) -> Vec<u8> {
    frame(|out| encode::query(out, text.as_bytes()).unwrap())
}

pub(crate) fn parse(name: &str, text: &str) -> Vec<u8> {
    frame(|out| encode::parse(out, name.as_bytes(), text.as_bytes(), &[]).unwrap())
}

pub(crate) fn bind(portal: &str, statement: &str) -> Vec<u8> {
    bind_values(portal, statement, &[])
}

pub(crate) fn bind_values(portal: &str, statement: &str, values: &[Option<&[u8]>]) -> Vec<u8> {
    frame(|out| encode::bind(out, portal.as_bytes(), statement.as_bytes(), &[], values, &[]).unwrap())
}

pub(crate) fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    frame(|out| encode::execute(out, portal.as_bytes(), max_rows).unwrap())
}

pub(crate) fn describe_statement(name: &str) -> Vec<u8> {
    frame(|out| encode::describe(out, Target::Statement, name.as_bytes()).unwrap())
}

pub(crate) fn describe_portal(name: &str) -> Vec<u8> {
    frame(|out| encode::describe(out, Target::Portal, name.as_bytes()).unwrap())
}

pub(crate) fn close_statement(name: &str) -> Vec<u8> {
    frame(|out| encode::close(out, Target::Statement, name.as_bytes()).unwrap())
}

pub(crate) fn close_portal(name: &str) -> Vec<u8> {
    frame(|out| encode::close(out, Target::Portal, name.as_bytes()).unwrap())
}

pub(crate) fn sync() -> Vec<u8> {
    frame(encode::sync)
}

pub(crate) fn flush() -> Vec<u8> {
    frame(encode::flush)
}

pub(crate) fn terminate() -> Vec<u8> {
    frame(encode::terminate)
}

pub(crate) fn copy_data(bytes: &[u8]) -> Vec<u8> {
    frame(|out| encode::copy_data(out, bytes).unwrap())
}

pub(crate) fn copy_done() -> Vec<u8> {
    frame(encode::copy_done)
}

pub(crate) fn copy_fail() -> Vec<u8> {
    frame(|out| encode::copy_fail(out, b"no").unwrap())
}

pub(crate) fn function_call(oid: u32) -> Vec<u8> {
    frame(|out| encode::function_call(out, oid, &[], &[Some(b"x")], Format::TEXT).unwrap())
}

/// Parse, Bind and Execute of the unnamed statement.
pub(crate) fn run(text: &str) -> Vec<u8> {
    [parse("", text), bind("", ""), execute("", 0)].concat()
}

fn frame(encode: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(&mut out);
    out.to_vec()
}

/// One line for each whole message of a server's.
pub(crate) fn shown(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(header) = Header::parse(bytes).unwrap() {
        let Some(frame) = bytes.get(..header.frame_len()) else { break };
        lines.push(line(header.tag, &frame[HEADER_LEN..]));
        bytes = &bytes[header.frame_len()..];
    }
    if !bytes.is_empty() {
        lines.push(format!("({} bytes more)", bytes.len()));
    }
    lines
}

fn line(tag: u8, body: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match Message::parse(tag, body).unwrap() {
        Message::DataRow(cells) => {
            let cells: Vec<String> = cells.map(|c| c.map_or("NULL".to_owned(), text)).collect();
            format!("row {}", cells.join("|"))
        }
        Message::CommandComplete(tag) => text(tag),
        Message::ErrorResponse(error) => format!("error {}", fields(&error)),
        Message::NoticeResponse(notice) => format!("notice {}", fields(&notice)),
        Message::ReadyForQuery(status) => format!("ready {}", char::from(status.byte())),
        Message::RowDescription(fields) => {
            let names: Vec<String> = fields.map(|f| text(f.name)).collect();
            format!("columns {}", names.join("|"))
        }
        Message::ParameterStatus { name, value } => format!("status {}={}", text(name), text(value)),
        Message::CopyData(data) => format!("copy {}", text(data)),
        Message::CopyInResponse(_) => "copy-in".to_owned(),
        Message::CopyOutResponse(_) => "copy-out".to_owned(),
        Message::FunctionCallResponse(value) => format!("value {}", value.map_or("NULL".to_owned(), text)),
        Message::NotificationResponse { channel, .. } => format!("notification {}", text(channel)),
        Message::ParseComplete => "parsed".to_owned(),
        Message::BindComplete => "bound".to_owned(),
        Message::CloseComplete => "closed".to_owned(),
        Message::NoData => "no-data".to_owned(),
        Message::PortalSuspended => "suspended".to_owned(),
        Message::EmptyQueryResponse => "empty".to_owned(),
        Message::ParameterDescription(_) => "parameters".to_owned(),
        other => format!("{other:?}"),
    }
}

fn fields(notice: &Notice<'_>) -> String {
    let text = |code| String::from_utf8_lossy(notice.get(code).unwrap_or_default()).into_owned();
    format!("{} {}", text(notice::code::SQLSTATE), text(notice::code::MESSAGE))
}
