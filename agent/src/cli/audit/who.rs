//! Who did it, for people.

use std::io::{self, Write};

use evidence::SessionStart;
use policy::Principal;

use crate::cli::table::plain;

/// The login name and the uid, or the uid alone.
pub(super) fn user(principal: &Principal) -> String {
    match &principal.user {
        Some(user) => format!("{} ({})", text(user), principal.uid),
        None => principal.uid.to_string(),
    }
}

/// What it ran: the executable, or the name that it had given itself.
pub(super) fn program(executable: Option<&str>, comm: &str) -> String {
    text(executable.unwrap_or(comm))
}

/// The container or unit that it was in, whichever says more, or else its cgroup.
pub(super) fn place(principal: &Principal) -> Option<String> {
    let Principal { container, unit, cgroup, .. } = principal;
    container.as_deref().or(unit.as_deref()).or(cgroup.as_deref()).map(text)
}

/// The beginning of a session in some lines, those of them for which something is known.
pub(super) fn tell(out: &mut dyn Write, at: &str, start: &SessionStart<'_>) -> io::Result<()> {
    let principal = &*start.principal;
    let user = principal.user.as_deref().map_or_else(|| principal.uid.to_string(), text);
    let what = principal.command_line.as_deref().or(principal.executable.as_deref());
    let what = text(what.unwrap_or(&principal.comm));
    writeln!(out, "{at}  {user} (uid {}, pid {}) runs {what}", principal.uid, principal.pid)?;
    let digest = principal.executable_sha256.map(hex::encode);
    let known = [
        ("executable", principal.executable.as_deref()),
        ("SHA-256", digest.as_deref()),
        ("container", principal.container.as_deref()),
        ("unit", principal.unit.as_deref()),
        ("cgroup", principal.cgroup.as_deref()),
    ];
    for (what, value) in known {
        if let Some(value) = value {
            writeln!(out, "    {what} {}", text(value))?;
        }
    }
    if !principal.claims.is_empty() {
        let claims = principal.claims.iter();
        let claims = claims.map(|(name, values)| format!("{}={}", text(name), text(&values.join(", "))));
        writeln!(out, "    claims {}", claims.collect::<Vec<_>>().join("; "))?;
    }
    if !principal.ancestors.is_empty() {
        let ancestors: Vec<String> = principal
            .ancestors
            .iter()
            .map(|of| format!("{} (pid {})", program(of.executable.as_deref(), &of.comm), of.pid))
            .collect();
        writeln!(out, "    descends from {}", ancestors.join(", "))?;
    }
    writeln!(
        out,
        "    connects to {} for {} as {}: resource {}, role {}",
        start.destination,
        plain(&start.startup_database, false),
        plain(&start.startup_user, false),
        text(&start.resource),
        text(&start.role),
    )
}

fn text(text: &str) -> String {
    plain(text.as_bytes(), false)
}
