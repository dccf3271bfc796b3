//! Numbers that are others in each run: they tell nothing of the way.

/// What stands before such a number, and its base.
const BEFORE: [(&str, u32); 3] = [
    // Servers before 15 tell temporary schemas and their own processes by number.
    ("pg_temp_", 10),
    ("WARNING:  PID ", 10),
    // Python tells objects by their addresses.
    (" at 0x", 16),
];

/// The text with `N` in the place of each.
pub(crate) fn without_numbers(text: &str) -> String {
    BEFORE.iter().fold(text.to_owned(), |text, (word, base)| without_numbers_behind(&text, word, *base))
}

fn without_numbers_behind(text: &str, word: &str, base: u32) -> String {
    let mut parts = text.split(word);
    let mut neutral = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_digit(base));
        neutral += word;
        neutral += if rest.len() < part.len() { "N" } else { "" };
        neutral += rest;
    }
    neutral
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    fn check(text: &str, expect: &str) {
        assert_eq!(without_numbers(text), expect);
    }

    #[test]
    fn what_is_numbered_anew_in_each_run_is_not_compared() {
        check("relation \"pg_temp_3.made\" of pg_temp_12", "relation \"pg_temp_N.made\" of pg_temp_N");
        check("WARNING:  PID 4711 is gone", "WARNING:  PID N is gone");
        check("<Connection object at 0x7fdeadBEEF10> is not None", "<Connection object at 0xN> is not None");
        check("<A at 0x1>, <B at 0x2>", "<A at 0xN>, <B at 0xN>");
    }

    #[test]
    fn what_is_the_same_in_each_run_stays() {
        check(
            "invalid byte sequence for encoding \"UTF8\": 0x00",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        );
        check("look at 0x", "look at 0x");
        check("SET search_path = pg_temp_", "SET search_path = pg_temp_");
        check("row 7 of 12", "row 7 of 12");
    }
}
