//! The words of other languages for what a document says, and ours for each.

/// What to write for a word that others say there; `what` is how messages call that which has no such word.
pub(super) fn other_words(what: &str, word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    Some(match (what, word.as_str()) {
        ("a rule", "table" | "tables" | "view" | "views" | "objects") => "`relations`",
        ("a rule", "condition" | "conditions" | "limit" | "time" | "columns") => "it under `when`",
        ("a rule", "users" | "for" | "subject" | "principal" | "principals") => "`who`",
        ("a rule", "effect" | "allow" | "deny" | "hold") => "`decision: allow`, `deny` or `hold`",
        ("a rule", "procedure" | "procedures") => "`functions`",
        ("a policy document", "rule" | "policies") => "`rules`",
        ("`who`" | "`except`", "username" | "login") => "`user`",
        ("`who`" | "`except`", "group") => "`gid`",
        ("`who`" | "`except`", "service") => "`unit`",
        ("`who`" | "`except`", "program" | "binary" | "command") => "`executable`",
        ("`who`" | "`except`", "sha256") => "`executable_sha256`",
        ("`when`", "where") => "`condition: present`",
        ("`when`", "hours" | "days" | "zone") => "it under `time`",
        ("a time", "from" | "to" | "until" | "start" | "end") => "`hours`",
        ("a time", "timezone" | "tz") => "`zone`",
        ("a mask", "as" | "method" | "how") => "`with`",
        ("action", "all" | "any") => "`\"*\"`",
        ("action", "execute" | "exec" | "run") => "`function`, or `call` for a procedure",
        ("action", "copy") => "`copy-in` or `copy-out`",
        ("action", "merge" | "upsert") => "`insert` and `update`",
        ("action", "connect" | "login" | "usage") => "`session`",
        ("action", "begin" | "commit" | "rollback") => "`transaction`",
        ("action", "vacuum" | "analyze" | "reindex" | "refresh") => "`maintain`",
        ("action", "listen") => "`notify`",
        ("decision", "refuse" | "reject" | "block" | "forbid") => "`deny`",
        ("decision", "approve" | "approval" | "review" | "ask" | "wait") => "`hold`",
        ("decision", "permit" | "accept" | "grant") => "`allow`",
        ("mode", "dry-run" | "log" | "audit" | "monitor" | "warn" | "permissive") => "`observe`",
        ("masking method", "hide" | "mask" | "stars") => "`redact`",
        ("masking method", "sha256" | "md5" | "pseudonym") => "`hash`",
        _ => return None,
    })
}
