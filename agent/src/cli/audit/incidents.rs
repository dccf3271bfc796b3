//! `portreeve audit incidents`: what happened that was no session's own doing, and whose doing it was.

use std::io::Write;

use evidence::{Body, Header, Incident};

use super::{Error, Format, Source, json, who};
use crate::cli::table;
use crate::cli::table::{plain, time};

const HEAD: [&str; 8] = ["TIME", "INCIDENT", "TIMES", "USER", "EXECUTABLE", "IN", "TOWARDS", "DETAIL"];

pub(super) fn run(source: &dyn Source, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let mut rows = Vec::new();
    source.read(None, &mut |header, bytes| {
        let Ok(body) = Body::decode(header.kind, bytes) else { return Ok(()) };
        let Body::Incident(incident) = &body else { return Ok(()) };
        match format {
            Format::Json => {
                let mut object = json::header(header);
                object.insert("body".into(), json::body(&body));
                writeln!(out, "{}", serde_json::Value::Object(object))?;
            }
            Format::Table => rows.push((header.times.wall_us, cells(header, incident))),
        }
        Ok(())
    })?;
    if format == Format::Table {
        // Of several hosts' the latest stands last.
        rows.sort_by_key(|(at, _)| *at);
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, cells)| cells).collect();
        table::print(out, &HEAD, &rows)?;
    }
    Ok(())
}

fn cells(header: &Header, incident: &Incident<'_>) -> Vec<String> {
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let principal = incident.principal.as_deref();
    vec![
        time(header.times.wall_us),
        plain(incident.kind.as_bytes(), false),
        incident.count.to_string(),
        known(principal.map(who::user)),
        known(principal.map(|of| who::program(of.executable.as_deref(), &of.comm))),
        known(principal.and_then(who::place)),
        known(incident.destination.map(|to| to.to_string())),
        plain(incident.detail.as_bytes(), false),
    ]
}
