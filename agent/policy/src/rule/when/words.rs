//! Conditions in words, for whoever is told that one is not met.

use super::{RowLimit, When};
use crate::window::Window;

/// More values than this are not told.
const FEW: usize = 6;

impl When {
    /// What the condition of that key asks, as the end of a sentence: `without a WHERE`.
    /// `restricts`: the rule denies or holds.
    pub(crate) fn words(&self, key: &str, restricts: bool) -> String {
        let all = |what: &str, values: Vec<String>| match restricts {
            true => format!("where {what} is among {}", few(&values, "and")),
            false => format!("for no {what} but {}", few(&values, "and")),
        };
        match (key, self.condition, self.limit) {
            ("condition", Some(true), _) => "with a WHERE that is not trivially true".to_owned(),
            ("condition", Some(false), _) => "without a WHERE, or with one that is trivially true".to_owned(),
            ("limit", _, Some(RowLimit::AtMost(most))) => {
                format!(
                    "with a literal LIMIT of at most {most} in the query itself that reads it, without an aggregate or a \
                     window"
                )
            }
            ("limit", _, Some(RowLimit::Above(most))) => {
                format!("where no literal LIMIT keeps it to {most} rows")
            }
            ("columns", ..) => all("column", self.columns.iter().map(ToString::to_string).collect()),
            ("roles", ..) => all("role", self.roles.iter().map(ToString::to_string).collect()),
            ("time", ..) => few(&self.windows.iter().map(Window::to_string).collect::<Vec<_>>(), "or"),
            // What is not asked is met.
            _ => format!("where its `{key}` is met"),
        }
    }
}

/// The values, as far as they are few.
fn few(values: &[String], word: &str) -> String {
    let shown = values.get(..FEW).unwrap_or(values);
    let more = match values.len() - shown.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    match shown.split_last() {
        Some((last, rest)) if more.is_empty() && !rest.is_empty() => {
            format!("{} {word} {last}", rest.join(", "))
        }
        _ => format!("{}{more}", shown.join(", ")),
    }
}
