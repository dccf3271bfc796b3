//! Recorded frames as tables. What cannot be read (a cut, a frame without its beginning) is said, never guessed.

use std::io::{self, Write};

use pgwire::backend::{Message, RowDescription};
use pgwire::{Format, HEADER_LEN, Header, Values, frontend};
use serde_json::{Value, json};

use super::super::json as as_json;
use crate::cli::table::{self, plain};

/// Rows that are aligned together; a longer result is aligned in parts.
const PART: usize = 1000;

/// Name, type and format of each column of a result.
pub(super) type Columns = Vec<Column>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    name: Vec<u8>,
    type_oid: u32,
    format: Format,
}

fn columns(fields: RowDescription<'_>) -> Columns {
    fields
        .map(|field| Column { name: field.name.to_vec(), type_oid: field.type_oid, format: field.format })
        .collect()
}

/// What a frame of the backend's is for a reader.
enum Item<'a> {
    Columns(Columns),
    Row(Values<'a>),
    Copied(&'a [u8]),
    Notice(&'static str, String),
    /// Bytes that are no frame, as after a cut.
    Rest(usize),
}

/// Walks whole frames. What concerns the protocol alone is passed over.
fn items(mut bytes: &[u8]) -> impl Iterator<Item = Item<'_>> {
    std::iter::from_fn(move || {
        loop {
            let whole = match Header::parse(bytes) {
                _ if bytes.is_empty() => return None,
                Ok(Some(header)) => bytes.split_at_checked(header.frame_len()).map(|split| (header, split)),
                Ok(None) | Err(_) => None,
            };
            let Some((header, (frame, rest))) = whole else {
                return Some(Item::Rest(std::mem::take(&mut bytes).len()));
            };
            bytes = rest;
            let body = frame.get(HEADER_LEN..).unwrap_or_default();
            match Message::parse(header.tag, body) {
                Ok(Message::RowDescription(fields)) => return Some(Item::Columns(columns(fields))),
                Ok(Message::DataRow(values)) => return Some(Item::Row(values)),
                Ok(Message::CopyData(data)) => return Some(Item::Copied(data)),
                Ok(Message::ErrorResponse(error)) => return Some(Item::Notice("error", notice(&error))),
                Ok(Message::NoticeResponse(note)) => return Some(Item::Notice("notice", notice(&note))),
                Ok(_) => {}
                Err(_) => return Some(Item::Rest(frame.len())),
            }
        }
    })
}

fn notice(notice: &pgwire::backend::Notice<'_>) -> String {
    let field = |code| plain(notice.get(code).unwrap_or_default(), false);
    format!("{} {}: {}", field(b'S'), field(b'C'), field(b'M'))
}

/// Prints the frames' rows as tables, and gives the last columns that they told.
pub(super) fn print(
    bytes: &[u8],
    known: Option<Columns>,
    out: &mut dyn Write,
) -> io::Result<Option<Columns>> {
    let mut told = None;
    let mut columns = known.unwrap_or_default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for item in items(bytes) {
        if !matches!(item, Item::Row(_)) || rows.len() >= PART {
            print_rows(&columns, &mut rows, out)?;
        }
        match item {
            Item::Columns(new) => {
                columns = new.clone();
                told = Some(new);
            }
            Item::Row(values) => rows.push(cells(&columns, values)),
            Item::Copied(data) => {
                for line in plain(data, true).lines() {
                    writeln!(out, "    < {line}")?;
                }
            }
            Item::Notice(what, text) => writeln!(out, "    {what}: {text}")?,
            Item::Rest(len) => {
                writeln!(out, "    ({len} bytes of a message whose other part is not recorded)")?
            }
        }
    }
    print_rows(&columns, &mut rows, out)?;
    Ok(told)
}

fn cells(columns: &[Column], values: Values<'_>) -> Vec<String> {
    values.enumerate().map(|(index, value)| cell(columns.get(index), value)).collect()
}

fn print_rows(columns: &[Column], rows: &mut Vec<Vec<String>>, out: &mut dyn Write) -> io::Result<()> {
    let Some(width) = rows.iter().map(Vec::len).max() else { return Ok(()) };
    let names: Vec<String> = (0..width)
        .map(|index| match columns.get(index) {
            Some(column) => plain(&column.name, false),
            None => format!("column {}", index + 1),
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut lines = Vec::new();
    table::print(&mut lines, &names, rows)?;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        out.write_all(b"    | ")?;
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    rows.clear();
    Ok(())
}

/// A value for people. Binary forms of common types are read (their OIDs are `pg_type.dat`'s); others are shown
/// in hexadecimal.
fn cell(column: Option<&Column>, value: Option<&[u8]>) -> String {
    let Some(value) = value else { return "NULL".to_owned() };
    match column {
        Some(column) if column.format == Format::BINARY => {
            binary(column.type_oid, value).unwrap_or_else(|| format!("\\x{}", hex::encode(value)))
        }
        Some(_) => plain(value, false),
        // The format is not known: text unless it cannot be.
        None => match std::str::from_utf8(value) {
            Ok(_) => plain(value, false),
            Err(_) => format!("\\x{}", hex::encode(value)),
        },
    }
}

fn binary(type_oid: u32, value: &[u8]) -> Option<String> {
    Some(match type_oid {
        16 => (if value == [1] { "t" } else { "f" }).to_owned(),
        20 => i64::from_be_bytes(value.try_into().ok()?).to_string(),
        21 => i16::from_be_bytes(value.try_into().ok()?).to_string(),
        23 => i32::from_be_bytes(value.try_into().ok()?).to_string(),
        26 => u32::from_be_bytes(value.try_into().ok()?).to_string(),
        700 => f32::from_be_bytes(value.try_into().ok()?).to_string(),
        701 => f64::from_be_bytes(value.try_into().ok()?).to_string(),
        // char, name, text, json, xml, bpchar, varchar
        18 | 19 | 25 | 114 | 142 | 1042 | 1043 => plain(value, false),
        // jsonb: a version before the text
        3802 => plain(value.split_first()?.1, false),
        _ => return None,
    })
}

/// The bytes that a client copied in, out of its CopyData frames.
pub(super) fn copied(mut bytes: &[u8]) -> Vec<u8> {
    let mut copied = Vec::new();
    while let Ok(Some(header)) = Header::parse(bytes) {
        let Some((frame, rest)) = bytes.split_at_checked(header.frame_len()) else { break };
        if header.tag == frontend::tag::COPY_DATA {
            copied.extend_from_slice(frame.get(HEADER_LEN..).unwrap_or_default());
        }
        bytes = rest;
    }
    copied
}

/// The frames' rows as JSON, and the last columns that they told.
pub(super) fn json(bytes: &[u8], known: Option<Columns>) -> (Value, Option<Columns>) {
    let mut told = None;
    let mut columns = known.unwrap_or_default();
    let mut results: Vec<Value> = Vec::new();
    let mut rows: Vec<Value> = Vec::new();
    let close = |columns: &Columns, rows: &mut Vec<Value>, results: &mut Vec<Value>| {
        if !rows.is_empty() {
            let names: Vec<Value> = columns.iter().map(|column| as_json::bytes(&column.name)).collect();
            results.push(json!({ "columns": names, "rows": std::mem::take(rows) }));
        }
    };
    for item in items(bytes) {
        if !matches!(item, Item::Row(_)) {
            close(&columns, &mut rows, &mut results);
        }
        match item {
            Item::Columns(new) => {
                columns = new.clone();
                told = Some(new);
            }
            Item::Row(values) => {
                let cells = values.enumerate().map(|(index, value)| match value {
                    None => Value::Null,
                    Some(_) => cell(columns.get(index), value).into(),
                });
                rows.push(cells.collect());
            }
            Item::Copied(data) => results.push(json!({ "copied": as_json::bytes(data) })),
            Item::Notice(what, text) => results.push(json!({ what: text })),
            Item::Rest(len) => results.push(json!({ "unreadable_bytes": len })),
        }
    }
    close(&columns, &mut rows, &mut results);
    (Value::Array(results), told)
}
