//! The login name of a user id, from the host's passwd file (passwd(5)).
//!
//! Only that file: users of a directory service have no name here, and rules for them go by uid.

use std::path::Path;

/// The name of the first entry with that uid, as getpwuid(3) answers.
pub(super) fn name(passwd: &Path, uid: u32) -> Option<String> {
    parse(&std::fs::read(passwd).ok()?, uid)
}

/// [`name`] in the file's content.
pub(super) fn parse(content: &[u8], uid: u32) -> Option<String> {
    content.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = std::str::from_utf8(fields.next()?).ok()?;
        let id = std::str::from_utf8(fields.nth(1)?).ok()?;
        let real = !name.is_empty() && !name.starts_with(['#', '+', '-']);
        (real && id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
