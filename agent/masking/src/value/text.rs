//! The masks that keep a part of a text.

/// All but the last four characters as stars; of four and fewer, all. `None` if it is not UTF-8.
pub(super) fn last4(value: &[u8]) -> Option<Vec<u8>> {
    let value = std::str::from_utf8(value).ok()?;
    let count = value.chars().count();
    let hidden = if count <= 4 { count } else { count - 4 };
    let mut masked = vec![b'*'; hidden];
    masked.extend(value.chars().skip(hidden).flat_map(|character| {
        let mut buffer = [0; 4];
        character.encode_utf8(&mut buffer);
        buffer.into_iter().take(character.len_utf8())
    }));
    Some(masked)
}

/// `alice@example.com` as `a***@***.com`, whatever its lengths. `None` if it does not look like an address.
pub(super) fn email(value: &[u8]) -> Option<Vec<u8>> {
    let value = std::str::from_utf8(value).ok()?;
    let (local, domain) = value.rsplit_once('@')?;
    let (_, top) = domain.rsplit_once('.')?;
    let first = local.chars().next().filter(|character| character.is_alphanumeric())?;
    // The longest top-level domains have 24 characters; what is longer is something else.
    if !(2..=24).contains(&top.len()) || !top.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    Some(format!("{first}***@***.{top}").into_bytes())
}

/// How many characters PostgreSQL counts in a masked value, which is UTF-8.
pub(super) fn characters(masked: &[u8]) -> usize {
    masked.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// Without the blanks that `char(n)` is filled up with.
pub(super) fn unpadded(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    &value[..end]
}

/// The longest `char(n)` in characters that is filled up; a length in a type must not be a way to have memory
/// taken.
const MAX_PADDED: usize = 64 * 1024;

/// With blanks to `length` characters, as `char(n)` is.
pub(super) fn pad(mut masked: Vec<u8>, length: usize) -> Vec<u8> {
    let missing = length.min(MAX_PADDED).saturating_sub(characters(&masked));
    masked.resize(masked.len() + missing, b' ');
    masked
}
