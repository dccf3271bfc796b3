//! The known word that a misspelt one was most likely meant to be.

/// The nearest of the known words, if any is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer word than any that we know is no misspelling, and is not worth comparing.
    let word: Vec<char> = word.chars().take(65).collect();
    if word.len() > 64 {
        return None;
    }
    let enough = (word.len() / 3).max(1);
    let distances = known.into_iter().map(|candidate| (distance(&word, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= enough).min().map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap neighbours) between two words, letter case aside: optimal string
/// alignment.
fn distance(word: &[char], other: &str) -> usize {
    let fold = |c: &char| c.to_ascii_lowercase();
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in word.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = above[j] + usize::from(fold(a) != fold(b));
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && fold(a) == fold(&other[j - 1]) && fold(&word[i - 1]) == fold(b) {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_the_one_that_was_meant() {
        let known = ["relations", "resources", "rules", "select", "delete-all"];
        for (word, meant) in [
            ("relation", Some("relations")),
            ("relatoins", Some("relations")),
            ("Rules", Some("rules")),
            ("delete_all", Some("delete-all")),
            ("sleect", Some("select")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"a".repeat(100_000), known), None);
    }
}
