//! Patterns over names: a glob with `*`, and the dotted patterns of relations and columns.
//!
//! Dotted patterns are written as in SQL and as in psql's `\d`: what is not quoted is folded to lower case and
//! `*` in it stands for any run of characters, what stands in double quotes is taken literally. This module
//! knows nothing of rules.

use std::fmt;
use std::str::FromStr;

/// A pattern in which `*` stands for any run of characters, the empty one and `/` included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    /// The literal runs between the stars: one piece means no star.
    pieces: Vec<String>,
}

impl Glob {
    /// From plain text, where every `*` is a star.
    pub fn new(text: &str) -> Self {
        Glob { pieces: text.split('*').map(str::to_owned).collect() }
    }

    /// Whether it matches `text` as a whole.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return first == text };
        let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            match text.find(piece.as_str()) {
                Some(at) => text = &text[at + piece.len()..],
                None => return false,
            }
        }
        text.ends_with(last.as_str())
    }

    /// The text that alone it matches, where it has no star.
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether it matches whatever `other` matches. It may say no where it does.
    pub(crate) fn covers(&self, other: &Glob) -> bool {
        // A character that no pattern has stands for what the other's stars stand for: where only a star of this one
        // can take it, that takes anything.
        self.matches(&other.pieces.join("\u{0}"))
    }

    /// Whether some text matches both.
    pub(crate) fn meets(&self, other: &Glob) -> bool {
        let chars = |glob: &Glob| {
            let mut chars = Vec::new();
            for (at, piece) in glob.pieces.iter().enumerate() {
                chars.extend((at > 0).then_some(None));
                chars.extend(piece.chars().map(Some));
            }
            chars
        };
        let (one, other) = (chars(self), chars(other));
        // reach[j]: what of `one` has been taken and the first j of `other` have a text in common.
        let mut reach = vec![true];
        reach.extend(other.iter().scan(true, |stars, c| {
            *stars &= c.is_none();
            Some(*stars)
        }));
        for c in &one {
            let mut next = vec![c.is_none() && reach.first() == Some(&true)];
            for (j, d) in other.iter().enumerate() {
                let (both, above, left) = (reach[j], reach[j + 1], next[j]);
                next.push(match (c, d) {
                    (None, _) => above || left,
                    (Some(_), None) => above || left,
                    (Some(c), Some(d)) => both && c == d,
                });
            }
            reach = next;
        }
        reach.last() == Some(&true)
    }

    /// What stands before its first star.
    pub(crate) fn begins(&self) -> &str {
        self.pieces.first().map_or("", String::as_str)
    }

    /// Whether it matches everything.
    pub fn is_any(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(String::is_empty)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pieces.join("*"))
    }
}

/// Why a dotted pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too few or too many parts.
    #[error("it has {found} of the {wanted} parts `{form}`")]
    Parts {
        /// Parts that it has.
        found: usize,
        /// Parts that it should have.
        wanted: usize,
        /// What they stand for.
        form: &'static str,
    },
    /// Nothing before, after or between the dots.
    #[error("one of its parts is empty")]
    Empty,
    /// A quote that is not closed, or stands in the middle of a name.
    #[error("its double quotes are not in order")]
    Quotes,
    /// A character that no unquoted name has.
    #[error("`{0}` does not stand in a name that is not quoted")]
    Character(char),
}

/// Reads a dotted pattern into its parts.
fn parts(text: &str) -> Result<Vec<Glob>, PatternError> {
    let mut parts = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        let mut pieces = vec![String::new()];
        if chars.next_if_eq(&'"').is_some() {
            let mut name = String::new();
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => name.push('"'),
                    Some('"') => break,
                    Some(c) => name.push(c),
                    None => return Err(PatternError::Quotes),
                }
            }
            pieces = vec![name];
        } else {
            while let Some(c) = chars.next_if(|c| *c != '.') {
                match c {
                    '*' => pieces.push(String::new()),
                    '"' => return Err(PatternError::Quotes),
                    c if c == '_' || c == '$' || c.is_alphanumeric() => {
                        if let Some(piece) = pieces.last_mut() {
                            piece.push(c.to_ascii_lowercase());
                        }
                    }
                    c => return Err(PatternError::Character(c)),
                }
            }
        }
        if pieces.len() == 1 && pieces.iter().all(String::is_empty) {
            return Err(PatternError::Empty);
        }
        parts.push(Glob { pieces });
        match chars.next() {
            None => return Ok(parts),
            Some('.') => {}
            Some(_) => return Err(PatternError::Quotes),
        }
    }
}

/// Reads a dotted pattern of exactly so many parts.
fn exactly<const N: usize>(text: &str, form: &'static str) -> Result<[Glob; N], PatternError> {
    parts(text)?.try_into().map_err(|parts: Vec<Glob>| PatternError::Parts {
        found: parts.len(),
        wanted: N,
        form,
    })
}

/// How a schema that may not be known stands to a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It could be any schema: what restricts must match it.
    Matches,
    /// It need not be the schema that is meant: what allows must not match it.
    Differs,
}

/// `schema.name`: relations and functions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern {
    schema: Glob,
    name: Glob,
}

impl NamePattern {
    /// The schema's part.
    pub(crate) const fn schema(&self) -> &Glob {
        &self.schema
    }

    /// The name's part.
    pub(crate) const fn name(&self) -> &Glob {
        &self.name
    }

    /// Whether it matches whatever `other` matches. It may say no where it does.
    pub(crate) fn covers(&self, other: &NamePattern) -> bool {
        schema_covers(&self.schema, &other.schema) && self.name.covers(&other.name)
    }

    /// Whether something matches both.
    pub(crate) fn meets(&self, other: &NamePattern) -> bool {
        schema_meets(&self.schema, &other.schema) && self.name.meets(&other.name)
    }

    /// Whether it matches. `pg_temp` in a pattern stands for every session's temporary schema.
    pub(crate) fn matches(&self, schema: Option<&str>, name: &str, unknown: Unknown) -> bool {
        let schema = match schema {
            Some(schema) => schema_matches(&self.schema, schema),
            None => self.schema.is_any() || unknown == Unknown::Matches,
        };
        schema && self.name.matches(name)
    }
}

/// Whether a pattern for a schema matches whatever another does.
fn schema_covers(wide: &Glob, narrow: &Glob) -> bool {
    wide.covers(narrow)
        && (narrow.literal() != Some("pg_temp")
            || wide.literal() == Some("pg_temp")
            || wide.covers(&Glob::new("pg_temp_*")))
}

/// Whether some schema matches both.
fn schema_meets(one: &Glob, other: &Glob) -> bool {
    let temporary = |glob: &Glob| match glob.literal() {
        Some("pg_temp") => Glob::new("pg_temp_*"),
        _ => glob.clone(),
    };
    one.meets(other) || temporary(one).meets(&temporary(other))
}

/// `pg_temp` is what SQL calls the session's own temporary schema, whose stored name is `pg_temp_N`.
fn schema_matches(pattern: &Glob, schema: &str) -> bool {
    pattern.matches(schema) || (pattern.literal() == Some("pg_temp") && schema.starts_with("pg_temp_"))
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let [schema, name] = exactly(text, "schema.name")?;
        Ok(NamePattern { schema, name })
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// `name`: schemas, roles and settings of one part.
pub(crate) fn single(text: &str) -> Result<Glob, PatternError> {
    let [name] = exactly(text, "name")?;
    Ok(name)
}

/// `schema.table.column`: what a mask names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnPattern {
    schema: Glob,
    relation: Glob,
    column: Glob,
}

impl ColumnPattern {
    /// Whether it names that column.
    pub fn matches(&self, schema: &str, relation: &str, column: &str) -> bool {
        schema_matches(&self.schema, schema) && self.relation.matches(relation) && self.column.matches(column)
    }

    /// Whether it names whatever `other` names. It may say no where it does.
    pub(crate) fn covers(&self, other: &ColumnPattern) -> bool {
        schema_covers(&self.schema, &other.schema)
            && self.relation.covers(&other.relation)
            && self.column.covers(&other.column)
    }

    /// Whether it may name a column of one of those relations.
    pub(crate) fn meets_relation(&self, relations: &NamePattern) -> bool {
        schema_meets(&self.schema, &relations.schema) && self.relation.meets(&relations.name)
    }

    /// Every column of those relations.
    pub(crate) fn every_of(relations: &NamePattern) -> Self {
        let NamePattern { schema, name } = relations.clone();
        ColumnPattern { schema, relation: name, column: Glob::new("*") }
    }

    /// Whether it names that column of a relation whose schema is not known.
    pub(crate) fn matches_anywhere(&self, relation: &str, column: &str) -> bool {
        self.relation.matches(relation) && self.column.matches(column)
    }

    /// The column's part.
    pub(crate) const fn column(&self) -> &Glob {
        &self.column
    }

    /// The schema and the relation, where both are written out.
    pub(crate) fn literal_relation(&self) -> Option<(&str, &str)> {
        // `pg_temp` stands for every session's own.
        Some((self.schema.literal().filter(|schema| *schema != "pg_temp")?, self.relation.literal()?))
    }

    /// Whether it names a column of that schema and relation; `None` may be any.
    pub(crate) fn may_be_of(&self, schema: Option<&str>, relation: Option<&str>) -> bool {
        schema.is_none_or(|schema| schema_matches(&self.schema, schema))
            && relation.is_none_or(|relation| self.relation.matches(relation))
    }
}

impl FromStr for ColumnPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let [schema, relation, column] = exactly(text, "schema.table.column")?;
        Ok(ColumnPattern { schema, relation, column })
    }
}

impl fmt::Display for ColumnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.schema, self.relation, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("/ci/*", "/ci/job/1", true),
            ("/ci/*", "/cix", false),
            ("*b*b*", "ab", false),
            ("*b*b*", "abcb", true),
            ("ci-*.service", "ci-7.service", true),
            ("ci-*.service", "ci-7.scope", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_covers_and_meets_another_as_their_texts_do() {
        for (one, other, covers, meets) in [
            ("*", "a*", true, true),
            ("a*", "*", false, true),
            ("a*", "ab*", true, true),
            ("a*", "ab", true, true),
            ("ab", "ab", true, true),
            ("ab", "a*", false, true),
            ("a*b", "a*cb", true, true),
            ("a*cb", "a*b", false, true),
            ("*a*", "b*a*c", true, true),
            ("a*", "*b", false, true),
            ("a*", "b*", false, false),
            ("*a", "*b", false, false),
            ("ab*", "a", false, false),
            ("a*a", "a", false, false),
            ("", "*", false, true),
            ("", "a", false, false),
        ] {
            let (one, other) = (Glob::new(one), Glob::new(other));
            assert_eq!((one.covers(&other), one.meets(&other)), (covers, meets), "{one} {other}");
            assert_eq!(other.meets(&one), meets, "{one} {other}");
        }
        let pattern = |text: &str| text.parse::<NamePattern>().unwrap();
        for (one, other, covers, meets) in [
            ("pg_temp.*", "pg_temp.a", true, true),
            ("pg_*.*", "pg_temp.a", true, true),
            ("*_temp.*", "pg_temp.a", false, true),
            ("pg_temp_3.*", "pg_temp.a", false, true),
            ("public.a*", "public.ab", true, true),
            ("public.a", "hr.a", false, false),
        ] {
            let (one, other) = (pattern(one), pattern(other));
            assert_eq!((one.covers(&other), one.meets(&other)), (covers, meets), "{one} {other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_covered_pattern_matches_its_cover_matches_and_what_two_match_they_meet_in(
            one in "[ab*]{0,4}", other in "[ab*]{0,4}", texts in proptest::collection::vec("[ab]{0,5}", 1..40),
        ) {
            let (one, other) = (Glob::new(&one), Glob::new(&other));
            for text in &texts {
                let (by_one, by_other) = (one.matches(text), other.matches(text));
                proptest::prop_assert!(!one.covers(&other) || !by_other || by_one, "{} {} {}", one, other, text);
                proptest::prop_assert!(one.meets(&other) || !(by_one && by_other), "{} {} {}", one, other, text);
            }
        }
    }

    #[test]
    fn dotted_patterns_fold_and_quote_as_sql_does() {
        for (pattern, schema, name, matches) in [
            ("public.*", Some("public"), "orders", true),
            ("Public.Orders", Some("public"), "orders", true),
            ("public.\"Orders\"", Some("public"), "orders", false),
            ("public.\"Orders\"", Some("public"), "Orders", true),
            ("public.\"a.*\"", Some("public"), "a.*", true),
            ("public.\"a.*\"", Some("public"), "a.b", false),
            ("public.\"a\"\"b\"", Some("public"), "a\"b", true),
            ("pg_temp.*", Some("pg_temp_3"), "t", true),
            ("pg_temp.*", Some("pg_temp"), "t", true),
            ("pg_temp.*", Some("pg_tempx"), "t", false),
            ("public.*", None, "orders", false),
            ("*.orders", None, "orders", true),
        ] {
            let parsed: NamePattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(schema, name, Unknown::Differs), matches, "{pattern}");
        }
        let restricting: NamePattern = "public.*".parse().unwrap();
        assert!(restricting.matches(None, "orders", Unknown::Matches));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (pattern, error) in [
            ("orders", PatternError::Parts { found: 1, wanted: 2, form: "schema.name" }),
            ("a.b.c", PatternError::Parts { found: 3, wanted: 2, form: "schema.name" }),
            ("a.", PatternError::Empty),
            (".b", PatternError::Empty),
            ("", PatternError::Empty),
            ("a.\"\"", PatternError::Empty),
            ("a.\"b", PatternError::Quotes),
            ("a.b\"c\"", PatternError::Quotes),
            ("a.\"b\"c", PatternError::Quotes),
            ("a.b c", PatternError::Character(' ')),
        ] {
            assert_eq!(pattern.parse::<NamePattern>(), Err(error), "{pattern}");
        }
    }
}
