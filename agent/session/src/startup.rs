//! The client's first packets ("Start-up" and "SSL Session Encryption" in PostgreSQL's manual).

use pgwire::startup::{Packet, ProtocolVersion, StartupError};
use policy::{Action, Detail, Object, ObjectKind, Verb};

use crate::Fault;

/// The start-up packet, owned.
#[derive(Debug, Clone)]
pub(crate) struct Startup {
    pub(crate) version: ProtocolVersion,
    pub(crate) parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What the front of the client's bytes is.
pub(crate) enum First {
    /// Not all there yet.
    Incomplete,
    /// CancelRequest.
    Cancel {
        process_id: i32,
        secret: Vec<u8>,
    },
    Startup(Startup),
}

/// Reads one packet. Returns how long it was, too.
///
/// Encryption is a matter of the connection's, which has come to terms about it with the client by now: a request for it
/// is out of place, and the server takes that for a version of the protocol that it does not know. (One that began with
/// TLS at once says no to it. No client asks.)
pub(crate) fn first(input: &[u8]) -> Result<(First, usize), Fault> {
    let Some((packet, len)) = Packet::parse(input)? else { return Ok((First::Incomplete, 0)) };
    let first = match packet {
        Packet::SslRequest => {
            return Err(StartupError::Version { version: ProtocolVersion::SSL_REQUEST }.into());
        }
        Packet::GssEncRequest => {
            return Err(StartupError::Version { version: ProtocolVersion::GSSENC_REQUEST }.into());
        }
        Packet::Cancel { process_id, secret } => First::Cancel { process_id, secret: secret.to_vec() },
        Packet::Startup { version, parameters } => First::Startup(Startup {
            version,
            parameters: parameters.into_iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect(),
        }),
    };
    Ok((first, len))
}

impl Startup {
    /// The parameter's value; of several the last, as the server takes it.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().rev().find(|(n, _)| n == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn user(&self) -> &[u8] {
        self.get("user").unwrap_or_default()
    }

    /// The database, which is named like the user where the packet does not say.
    pub(crate) fn database(&self) -> &[u8] {
        self.get("database").filter(|name| !name.is_empty()).unwrap_or_else(|| self.user())
    }

    /// A client that wants to read the write-ahead log.
    pub(crate) fn replicates(&self) -> bool {
        let off = [&b""[..], b"false", b"off", b"no", b"0", b"f", b"n"];
        self.get("replication").is_some_and(|v| !off.iter().any(|off| v.eq_ignore_ascii_case(off)))
    }

    /// Settings that the packet asks for are SET by another way, and judged as such. Those that drivers send on
    /// their own account, and that change no more than how values are written, are free.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut settings: Vec<(String, String)> = Vec::new();
        let replication = self.replicates().then(|| Action::bare(Verb::Replicate));
        for (name, value) in &self.parameters {
            match &**name {
                b"user" | b"database" | b"replication" => {}
                b"options" => options(value, &mut settings),
                name if name.starts_with(b"_pq_.") => {}
                name => settings.push((owned(name), owned(value))),
            }
        }
        replication.into_iter().chain(settings.into_iter().filter_map(set)).collect()
    }

    /// The packet for the server: the client's own but for role and database.
    pub(crate) fn packet<'a>(&'a self, role: &'a str, database: &'a str) -> Packet<'a> {
        let mut parameters: Vec<(&[u8], &[u8])> =
            vec![(b"user", role.as_bytes()), (b"database", database.as_bytes())];
        let others = self.parameters.iter().filter(|(name, _)| !matches!(&**name, b"user" | b"database"));
        parameters.extend(others.map(|(name, value)| (name.as_slice(), value.as_slice())));
        Packet::Startup { version: self.version, parameters }
    }
}

fn owned(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A setting gets a value, which for those that hold the session's role is that role's name.
fn set((name, value): (String, String)) -> Option<Action> {
    const FREE: [&str; 6] = [
        "application_name",
        "client_encoding",
        "datestyle",
        "extra_float_digits",
        "intervalstyle",
        "timezone",
    ];
    let name = name.replace('-', "_").to_ascii_lowercase();
    if FREE.contains(&name.as_str()) {
        return None;
    }
    let (verb, kind, name) = match name.as_str() {
        "role" | "session_authorization" => (Verb::SetRole, ObjectKind::Role, value),
        _ => (Verb::Set, ObjectKind::Setting, name),
    };
    Some(Action {
        verb,
        object: Object { kind, class: "", schema: None, name, oid: None },
        implied: false,
        detail: Detail::NONE,
    })
}

/// `-c name=value`, `-cname=value` and `--name=value`, split as the server does (`pg_split_opts`): at white
/// space that no backslash stands before. Whatever else stands there is a setting of that very text, which no
/// rule is likely to allow.
fn options(value: &[u8], settings: &mut Vec<(String, String)>) {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let (mut word, mut inside, mut bytes) = (Vec::new(), false, value.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                inside = true;
                word.extend(bytes.next());
            }
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c if inside => {
                words.push(std::mem::take(&mut word));
                inside = false;
            }
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {}
            byte => {
                inside = true;
                word.push(*byte);
            }
        }
    }
    if inside {
        words.push(word);
    }
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix(b"--").or(word.strip_prefix(b"-c")) {
            Some([]) => words.next().unwrap_or_default(),
            Some(rest) => rest.to_vec(),
            None => word,
        };
        let mut parts = assignment.splitn(2, |b| *b == b'=');
        let name = owned(parts.next().unwrap_or_default()).trim().to_owned();
        settings.push((name, owned(parts.next().unwrap_or_default())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(parameters: &[(&str, &str)]) -> Vec<String> {
        let owned = |text: &str| text.as_bytes().to_vec();
        let startup = Startup {
            version: ProtocolVersion::V3_0,
            parameters: parameters.iter().map(|(n, v)| (owned(n), owned(v))).collect(),
        };
        startup.actions().iter().map(|a| format!("{} {}", a.verb, a.object.name)).collect()
    }

    #[test]
    fn settings_of_the_start_up_packet_are_judged_but_for_those_that_drivers_send() {
        for (parameters, expected) in [
            (vec![("user", "u"), ("database", "d"), ("application_name", "psql")], vec![]),
            (vec![("TimeZone", "UTC"), ("DateStyle", "ISO")], vec![]),
            (vec![("search_path", "vault")], vec!["set search_path"]),
            (vec![("role", "admin")], vec!["set-role admin"]),
            (vec![("session_authorization", "Admin=x")], vec!["set-role Admin=x"]),
            (vec![("options", "-c role=admin")], vec!["set-role admin"]),
            (
                vec![("options", "-crole=admin --search-path=a\\ b")],
                vec!["set-role admin", "set search_path"],
            ),
            (vec![("options", "  -c   ROLE=x ")], vec!["set-role x"]),
            (vec![("options", "--ro\\le=a\\ b")], vec!["set-role a b"]),
            (vec![("options", "-e")], vec!["set _e"]),
            (vec![("_pq_.thing", "1")], vec![]),
            (vec![("replication", "off")], vec![]),
            (vec![("replication", "database")], vec!["replicate "]),
            (vec![("replication", "true"), ("options", "-c role=x")], vec!["replicate ", "set-role x"]),
        ] {
            assert_eq!(settings(&parameters), expected, "{parameters:?}");
        }
    }
}
