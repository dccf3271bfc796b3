//! `portreeve status` and `portreeve reload`: ask the daemon how it is, and have it read its policies again.
//!
//! The form of the answer is the daemon's; here it is only laid out.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::approvals::{Error, Format, json_line, text};
use crate::approvals::client::{self, SOCKET};
use crate::approvals::protocol::{Request, Response};

/// Ask the daemon how it is.
#[derive(Debug, Args)]
pub struct StatusCommand {
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs `portreeve status`.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &StatusCommand) -> Result<ExitCode, Error> {
    ask(command, &Request::Status, &mut io::stdout().lock())
}

/// Runs `portreeve reload`, which takes the same arguments.
///
/// # Errors
/// See [`Error`]; among them that the new policies are not valid and the old ones hold.
pub fn reload(command: &StatusCommand) -> Result<ExitCode, Error> {
    ask(command, &Request::Reload, &mut io::stdout().lock())
}

fn ask(command: &StatusCommand, request: &Request, out: &mut impl Write) -> Result<ExitCode, Error> {
    match client::call(&command.socket, request)? {
        Response::Status(value) | Response::Reloaded(value) => {
            match command.format {
                Format::Json => json_line(out, &value)?,
                Format::Table => lay_out(out, &value, 0)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        // Its lines are the daemon's own: an error in each policy document has one.
        Response::Refused { message, .. } => Err(Error::Refused(text::block(&message, ""))),
        Response::Holds(_) | Response::Hold(_) | Response::Decided { .. } => Err(Error::Answer),
    }
}

/// A line for each value; objects and lists are indented below their name.
fn lay_out(out: &mut impl Write, value: &Value, depth: usize) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = text::line(&name.replace('_', " "));
                match leaf(value) {
                    Some(leaf) => writeln!(out, "{indent}{name}: {leaf}")?,
                    None => {
                        writeln!(out, "{indent}{name}:")?;
                        lay_out(out, value, depth + 1)?;
                    }
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            for item in items {
                match leaf(item) {
                    Some(leaf) => writeln!(out, "{indent}- {leaf}")?,
                    None => {
                        writeln!(out, "{indent}-")?;
                        lay_out(out, item, depth + 1)?;
                    }
                }
            }
            Ok(())
        }
        other => writeln!(out, "{indent}{}", leaf(other).unwrap_or_default()),
    }
}

/// What stands in one line.
fn leaf(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("-".to_owned()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(string) => Some(text::line(string)),
        Value::Array(items) if items.is_empty() => Some("none".to_owned()),
        Value::Object(fields) if fields.is_empty() => Some("none".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_laid_out_line_by_line() {
        let value = serde_json::json!({
            "ready": true, "sessions": 3, "last_error": null, "none": [],
            "resources": [{"name": "shop", "databases": ["a", "b\u{1b}[2J"]}],
        });
        let mut out = Vec::new();
        lay_out(&mut out, &value, 0).unwrap();
        let expect = "last error: -\nnone: none\nready: yes\nresources:\n  -\n    databases:\n      - a\n      \
                      - b\\u{1b}[2J\n    name: shop\nsessions: 3\n";
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }
}
