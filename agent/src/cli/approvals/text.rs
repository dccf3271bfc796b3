//! Text from a stranger, made safe for a terminal.
//!
//! Control characters could move the cursor and repaint what a reviewer reads; characters that turn the
//! direction of writing or have no width could show another statement than the one that will run.

/// In one line: line ends and tabs as spaces, what is dangerous escaped.
pub(in crate::cli) fn line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c => push(&mut out, c),
        }
        out
    })
}

/// In several lines, each after `indent`, what is dangerous escaped.
pub(in crate::cli) fn block(text: &str, indent: &str) -> String {
    let mut out = String::from(indent);
    for c in text.chars() {
        match c {
            '\n' => {
                out.push('\n');
                out.push_str(indent);
            }
            '\t' => out.push('\t'),
            c => push(&mut out, c),
        }
    }
    out
}

/// In one line of at most `width` characters, the last an ellipsis where it is longer.
pub(in crate::cli) fn cell(text: &str, width: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let all = line(&words.join(" "));
    if all.chars().count() <= width {
        return all;
    }
    all.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn push(out: &mut String, c: char) {
    if c.is_control() || is_deceptive(c) {
        out.extend(c.escape_unicode());
    } else {
        out.push(c);
    }
}

/// Characters that change how their neighbours are shown, or are not shown at all.
const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
