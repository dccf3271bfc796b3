//! Texts for a terminal: aligned columns, times, and nothing in them that the terminal would obey.

use std::fmt::Write as _;
use std::io::{self, Write};

use evidence::Would;

/// A text of a stranger's as a terminal may show it: control characters and those that turn the reading
/// direction are spelled out. Line feeds stay where `lines` says so.
pub(in crate::cli) fn plain(bytes: &[u8], lines: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        let turns = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (char.is_control() && !(lines && char == '\n')) || turns {
            let _ = write!(plain, "{}", char.escape_default());
        } else {
            plain.push(char);
        }
    }
    plain
}

/// One line of a statement's text: white space folded, and cut where it gets long.
pub(in crate::cli) fn one_line(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = plain(folded.as_bytes(), false);
    match plain.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", plain.get(..end).unwrap_or_default()),
        None => plain,
    }
}

/// What was recorded and not enforced.
pub(in crate::cli) fn observed(would: &Would<'_>) -> String {
    format!("only observed: would {} by rule {}", would.ruling.name(), plain(would.rule.as_bytes(), false))
}

/// A time of the record as RFC 3339 in UTC, to the millisecond.
pub(in crate::cli) fn time(wall_us: u64) -> String {
    i64::try_from(wall_us)
        .ok()
        .and_then(|wall_us| jiff::Timestamp::from_microsecond(wall_us).ok())
        .map_or_else(|| format!("{wall_us} µs"), |time| format!("{time:.3}"))
}

/// A duration in the unit that reads best.
pub(in crate::cli) fn duration(us: u64) -> String {
    match us {
        0..1000 => format!("{us} µs"),
        1000..1_000_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

/// Rows under a head. The last column is not padded.
pub(in crate::cli) fn print(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_a_stranger() {
        let cases: [(&[u8], bool, &str); 4] = [
            (b"a\x1b[2Jb", false, "a\\u{1b}[2Jb"),
            (b"a\nb", true, "a\nb"),
            (b"a\nb", false, "a\\nb"),
            ("a\u{202e}b".as_bytes(), true, "a\\u{202e}b"),
        ];
        for (bytes, lines, expect) in cases {
            assert_eq!(plain(bytes, lines), expect);
        }
    }

    #[test]
    fn long_statements_are_cut_at_a_character() {
        assert_eq!(one_line("select\n  'äöü'".as_bytes(), 10), "select 'äö…");
    }

    #[test]
    fn times_and_durations_read_well() {
        assert_eq!(time(1_700_000_000_123_456), "2023-11-14T22:13:20.123Z");
        assert_eq!(duration(999), "999 µs");
        assert_eq!(duration(1_250), "1.2 ms");
        assert_eq!(duration(61_250_000), "61.25 s");
    }
}
