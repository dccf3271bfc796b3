//! `who` and `except`: whom a rule is about.

use super::{Node, Reader};
use crate::pattern::Glob;
use crate::who::Who;

/// One block, or a list of which any may match.
pub(super) fn blocks(reader: &mut Reader, node: &Node, key: &str) -> Vec<Who> {
    let items = reader.some_items(node, key);
    items.into_iter().filter_map(|node| block(reader, node, key)).collect()
}

fn block(reader: &mut Reader, node: &Node, key: &str) -> Option<Who> {
    let errors = reader.errors.len();
    reader.no_text(node, &format!("`{key}`"), "user: agent")?;
    let fields = reader.fields(node, &format!("`{key}`"), &Who::KEYS)?;
    let mut globs = |key| match fields.get(key) {
        Some(node) => globs(reader, node, key),
        None => Vec::new(),
    };
    let (user, unit) = (globs("user"), globs("unit"));
    let (cgroup, executable) = (globs("cgroup"), globs("executable"));
    let container = globs("container");
    let executable_sha256 = match fields.get("executable_sha256") {
        Some(node) => {
            let items = reader.some_items(node, "executable_sha256");
            items.into_iter().filter_map(|node| reader.digest(node, "executable_sha256")).collect()
        }
        None => Vec::new(),
    };
    let mut ids = |key| match fields.get(key) {
        Some(node) => {
            let items = reader.some_items(node, key);
            items.into_iter().filter_map(|node| reader.number(node, key)).collect()
        }
        None => Vec::new(),
    };
    let (uid, gid) = (ids("uid"), ids("gid"));
    let mut claims = Vec::new();
    if let Some(node) = fields.get("claims") {
        let entries = reader.entries(node, "`claims`").unwrap_or_default();
        if entries.is_empty() && reader.errors.len() == errors {
            reader.error(
                node,
                "`claims` is empty",
                "write the claims and their values, or leave the key out",
            );
        }
        for (claim, (_, value)) in entries {
            claims.push((claim.to_owned(), self::globs(reader, value, claim)));
        }
    }
    let who = Who { user, uid, gid, unit, cgroup, executable, executable_sha256, container, claims };
    if who == Who::default() && reader.errors.len() == errors {
        reader.error(node, format!("`{key}` without a condition is everyone"), "leave the key out");
    }
    Some(who)
}

/// A pattern or a list of them.
pub(super) fn globs(reader: &mut Reader, node: &Node, what: &str) -> Vec<Glob> {
    let items = reader.some_items(node, what);
    items.into_iter().filter_map(|node| reader.line(node, what, 4096).map(Glob::new)).collect()
}
