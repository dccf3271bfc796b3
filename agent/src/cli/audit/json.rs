//! Records as JSON: names for fields, RFC 3339 for times, hexadecimal for digests and for bytes that are no text.

use evidence::{Body, Decision, Header, Parameter, Tip, Would};
use policy::{Ancestor, Principal};
use serde_json::{Map, Value, json};

use crate::cli::table::time;

/// Bytes as text where they are, else `{"hex": …}`.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "hex": hex::encode(bytes) }),
    }
}

pub(super) fn header(header: &Header) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("boot".into(), header.boot.to_string().into());
    object.insert("lane".into(), header.lane.into());
    object.insert("sequence".into(), header.sequence.into());
    if let Some((session, sequence)) = header.session {
        object.insert("session".into(), session.to_string().into());
        object.insert("session_sequence".into(), sequence.into());
    }
    object.insert("kind".into(), header.kind.name().into());
    object.insert("time".into(), time(header.times.wall_us).into());
    object.insert("wall_us".into(), header.times.wall_us.into());
    object.insert("mono_ns".into(), header.times.mono_ns.into());
    object
}

pub(super) fn principal(principal: &Principal) -> Value {
    let Principal {
        pid,
        start_time,
        uid,
        gid,
        user,
        comm,
        executable,
        executable_sha256,
        command_line,
        cgroup_id,
        cgroup,
        unit,
        container,
        ancestors,
        netns,
        claims,
    } = principal;
    json!({
        "pid": pid, "start_time": start_time, "uid": uid, "gid": gid, "user": user, "comm": comm,
        "executable": executable, "executable_sha256": executable_sha256.map(hex::encode),
        "command_line": command_line, "cgroup_id": cgroup_id, "cgroup": cgroup, "unit": unit,
        "container": container, "ancestors": ancestors.iter().map(ancestor).collect::<Vec<_>>(),
        "netns": netns, "claims": claims,
    })
}

fn ancestor(ancestor: &Ancestor) -> Value {
    let Ancestor { pid, start_time, comm, executable } = ancestor;
    json!({ "pid": pid, "start_time": start_time, "comm": comm, "executable": executable })
}

pub(super) fn decision(decision: &Decision<'_>) -> Value {
    let findings: Vec<Value> = decision
        .findings
        .iter()
        .map(|finding| {
            json!({
                "action": finding.action, "decision": finding.ruling.name(), "rule": finding.rule,
                "would": finding.would.as_ref().map(would),
                "parts": finding.parts.as_deref().map(parts),
            })
        })
        .collect();
    json!({
        "decision": decision.ruling.name(),
        "rule": decision.rule,
        "findings": findings,
        "relations": *decision.relations,
        "policy": decision.policy.map(|digest| digest.to_string()),
        "would": decision.would.as_ref().map(would),
    })
}

/// An action for programs: rules speak of its parts.
fn parts(action: &policy::Action) -> Value {
    let policy::Action { verb, object, implied, detail } = action;
    json!({
        "verb": verb.name(),
        "class": object.class,
        "schema": object.schema,
        "name": object.name,
        "implied": implied,
        "columns": detail.columns,
        "condition": detail.condition,
        "limit": detail.limit,
        "roles": detail.roles,
        "renamings": detail.renamings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn would(would: &Would<'_>) -> Value {
    json!({ "decision": would.ruling.name(), "rule": would.rule })
}

fn parameters(parameters: &[Parameter<'_>]) -> Vec<Value> {
    let one = |parameter: &Parameter<'_>| match (&parameter.value, parameter.format) {
        (None, _) => Value::Null,
        (Some(value), 0) => bytes(value),
        (Some(value), _) => json!({ "hex": hex::encode(value) }),
    };
    parameters.iter().map(one).collect()
}

fn tips(tips: &[Tip]) -> Vec<Value> {
    let one =
        |tip: &Tip| json!({ "lane": tip.lane, "sequence": tip.sequence, "digest": tip.digest.to_string() });
    tips.iter().map(one).collect()
}

/// Everything that a body says.
pub(super) fn body(body: &Body<'_>) -> Value {
    match body {
        Body::HostStart(start) => json!({
            "version": start.version, "host": start.host, "machine": start.machine, "kernel": start.kernel,
            "public_key": start.public_key.to_string(), "policy": start.policy.to_string(),
            "config": start.config.to_string(), "lanes": start.lanes,
            "previous": start.previous.map(|previous| json!({
                "boot": previous.boot.to_string(), "sequence": previous.sequence,
                "digest": previous.digest.to_string(),
            })),
        }),
        Body::Beat(beat) => json!({ "tips": tips(&beat.tips) }),
        Body::HostStop(stop) => json!({ "reason": stop.reason, "tips": tips(&stop.tips) }),
        Body::PolicyReloaded(reloaded) => {
            json!({ "policy": reloaded.policy.to_string(), "documents": reloaded.documents })
        }
        Body::Incident(incident) => json!({
            "incident": incident.kind, "detail": incident.detail, "count": incident.count,
            "principal": incident.principal.as_deref().map(principal), "destination": incident.destination,
        }),
        Body::Reclaimed(gone) => json!({
            "boot": gone.boot.to_string(), "lane": gone.lane, "from": gone.from, "before": gone.before,
        }),
        Body::SessionStart(start) => json!({
            "principal": principal(&start.principal), "source": start.source, "destination": start.destination,
            "resource": start.resource, "database": start.database, "role": start.role,
            "policy": start.policy.to_string(), "startup_user": bytes(&start.startup_user),
            "startup_database": bytes(&start.startup_database),
            "application_name": bytes(&start.application_name),
        }),
        Body::Statement(statement) => json!({
            "protocol": statement.protocol.name(), "text": bytes(&statement.text), "name": bytes(&statement.name),
            "portal": bytes(&statement.portal), "of": statement.of,
            "parameters": parameters(&statement.parameters), "max_rows": statement.max_rows,
            "function": statement.function,
            "original": statement.original.map(|digest| digest.to_string()),
            "decision": statement.decision.as_ref().map(decision),
        }),
        Body::Decision(judged) => json!({
            "statement": judged.statement, "decision": decision(&judged.decision),
        }),
        Body::Hold(hold) => json!({
            "statement": hold.statement, "request": hold.request, "binding": hold.binding.to_string(),
            "expires": time(hold.expires_us),
        }),
        Body::HoldEnd(end) => json!({
            "statement": end.statement, "request": end.request, "outcome": end.outcome.name(),
            "reviewer": end.reviewer, "reason": end.reason,
        }),
        Body::ResultChunk(chunk) => json!({
            "statement": chunk.statement, "stream": chunk.stream.name(), "frames": hex::encode(&chunk.frames),
        }),
        Body::ResultCut(cut) => json!({
            "statement": cut.statement, "stream": cut.stream.name(), "recorded": cut.recorded, "rows": cut.rows,
            "bytes": cut.bytes, "rest": cut.rest.to_string(),
        }),
        Body::StatementEnd(end) => json!({
            "statement": end.statement, "tag": bytes(&end.tag), "rows": end.rows, "bytes": end.bytes,
            "sqlstate": bytes(&end.sqlstate), "message": bytes(&end.message), "duration_us": end.duration_us,
            "frames": hex::encode(&end.frames),
        }),
        Body::SessionEnd(end) => json!({
            "reason": end.reason, "statements": end.statements, "denied": end.denied, "held": end.held,
            "tips": tips(&end.tips),
        }),
        Body::Other(code, bytes) => json!({ "code": code, "hex": hex::encode(bytes) }),
    }
}
