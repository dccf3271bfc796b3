//! How a value that must not be read stands in a record: as a keyed digest, so that equal values can be told.
//!
//! Which literals of a statement are to be taken out is `sql`'s to say.

use std::borrow::Cow;
use std::ops::Range;

use crate::key::{HashKey, Purpose};

#[cfg(test)]
mod tests;

/// The digest of a value, as it stands in a record: `masked:hmac-sha256:` and 16 hexadecimal digits.
pub fn digest(key: &HashKey, value: &[u8]) -> String {
    format!("masked:hmac-sha256:{}", short(key, value))
}

/// The whole digest that [`digest`] shows the beginning of.
pub fn keyed_digest(key: &HashKey, value: &[u8]) -> [u8; 32] {
    key.digest(Purpose::Record, value)
}

fn short(key: &HashKey, value: &[u8]) -> String {
    key.hex::<16>(Purpose::Record, value).iter().map(|digit| char::from(*digit)).collect()
}

/// `text` with each range replaced by `'<masked:…>'` and the 16 digits of [`digest`]. Where the range is a
/// string constant, the digest is that of the value, not of its quotes, so that it equals that of the same value
/// bound as a text parameter.
///
/// Ranges are in bytes, in any order. Those that overlap become one; one that ends inside a character or
/// behind the text is widened, or cut, to a boundary, so that nothing of what was named ever stays.
pub fn redact_literals(text: &str, ranges: &[Range<usize>], key: &HashKey) -> String {
    let mut ranges: Vec<Range<usize>> = ranges
        .iter()
        .map(|range| text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end))
        .filter(|range| range.start < range.end)
        .collect();
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut redacted = String::with_capacity(text.len());
    let mut at = 0;
    let mut ranges = ranges.into_iter().peekable();
    while let Some(mut range) = ranges.next() {
        while let Some(next) = ranges.next_if(|next| next.start < range.end) {
            range.end = range.end.max(next.end);
        }
        redacted.push_str(&text[at..range.start]);
        redacted.push_str("'<masked:");
        redacted.push_str(&short(key, constant_value(&text[range.clone()]).as_bytes()));
        redacted.push_str(">'");
        at = range.end;
    }
    redacted.push_str(&text[at..]);
    redacted
}

/// The value of a string constant where that is plain to see; anything else stands for itself.
fn constant_value(literal: &str) -> Cow<'_, str> {
    if let Some(inner) = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        if inner.contains("''") {
            return Cow::Owned(inner.replace("''", "'"));
        }
        return Cow::Borrowed(inner);
    }
    let dollar_quoted = || {
        let tag_end = literal.strip_prefix('$')?.find('$')? + 2;
        let (tag, rest) = literal.split_at(tag_end);
        rest.strip_suffix(tag)
    };
    Cow::Borrowed(dollar_quoted().unwrap_or(literal))
}
