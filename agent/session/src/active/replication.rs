//! Replication connections ("Streaming Replication Protocol" in PostgreSQL's manual): their commands are not SQL.

use std::rc::Rc;

use policy::{Action, Verb};

use super::Active;
use super::judging::Ruled;
use super::reading::Reading;

/// What a text of a replication connection begins with that is not SQL (`repl_scanner.l`).
const COMMANDS: [&[u8]; 10] = [
    b"IDENTIFY_SYSTEM",
    b"READ_REPLICATION_SLOT",
    b"SHOW",
    b"TIMELINE_HISTORY",
    b"CREATE_REPLICATION_SLOT",
    b"ALTER_REPLICATION_SLOT",
    b"DROP_REPLICATION_SLOT",
    b"START_REPLICATION",
    b"BASE_BACKUP",
    b"UPLOAD_MANIFEST",
];

impl Active {
    /// The connection was begun for replication, which the policy has allowed.
    pub(crate) fn replicates(&mut self, replicates: bool) {
        self.replicates = replicates;
        self.facts_asked = replicates;
        self.reach_asked = replicates;
        self.renewal_asked = replicates;
    }

    /// The ruling on a command of the replication protocol; none for a text that the server takes for SQL.
    pub(super) fn replication_command(&mut self, text: &[u8]) -> Option<Ruled> {
        let is_command = self.replicates && is_command(text);
        is_command.then(|| self.rule(Rc::new(Reading::of_command(text, Action::bare(Verb::Replicate)))))
    }
}

/// As the server tells them apart, by the first word alone: it knows no comment there.
fn is_command(text: &[u8]) -> bool {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let text = text.get(text.iter().take_while(|byte| blank(byte)).count()..).unwrap_or_default();
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
    let end = text.iter().position(|byte| !word(byte)).unwrap_or(text.len());
    COMMANDS.iter().any(|command| command.eq_ignore_ascii_case(&text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_by_its_first_word() {
        for text in [
            "IDENTIFY_SYSTEM",
            " \n\t\u{b}identify_system;",
            "BASE_BACKUP(LABEL 'x')",
            "show x",
            "START_REPLICATION 0/1",
        ] {
            assert!(is_command(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "SELECT 1",
            "SHOWN",
            "SHOW$",
            "/* */ SHOW x",
            "-- \nBASE_BACKUP",
            "DROP TABLE x",
            "SHOW\u{e9}",
        ] {
            assert!(!is_command(text.as_bytes()), "{text}");
        }
    }
}
