//! `portreeve audit export`: every record with all that it says, one JSON object on each line.

use std::io::Write;

use evidence::{Body, SessionId};
use serde_json::Value;

use super::{Error, Source, json};

pub(super) fn run(source: &dyn Source, session: Option<SessionId>, out: &mut dyn Write) -> Result<(), Error> {
    source.read(session, &mut |header, body| {
        let mut object = json::header(header);
        object.insert("predecessor".into(), header.predecessor.to_string().into());
        object.insert("body_digest".into(), header.body.to_string().into());
        object.insert("body_length".into(), header.body_len.into());
        let body = match (body, Body::decode(header.kind, body)) {
            // Erased.
            ([], _) => Value::Null,
            (_, Ok(body)) => json::body(&body),
            (_, Err(error)) => {
                serde_json::json!({ "unreadable": error.to_string(), "hex": hex::encode(body) })
            }
        };
        object.insert("body".into(), body);
        writeln!(out, "{}", Value::Object(object))?;
        Ok(())
    })
}
