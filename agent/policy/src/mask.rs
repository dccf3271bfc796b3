//! Which columns a subject may not see, and how they are shown. What a mask does to a cell is `masking`'s.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::pattern::ColumnPattern;

/// How a masked column's values are shown. The order is that of severity: where several masks name a column,
/// the greatest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MaskMethod {
    /// An e-mail address keeps its first character and the last part of its domain.
    Email,
    /// The last four characters stay.
    Last4,
    /// A keyed digest: equal values stay equal.
    Hash,
    /// A constant that is valid for the type.
    Redact,
    /// NULL.
    Null,
}

impl MaskMethod {
    /// Every method.
    pub const ALL: [MaskMethod; 5] =
        [MaskMethod::Email, MaskMethod::Last4, MaskMethod::Hash, MaskMethod::Redact, MaskMethod::Null];

    /// The word in documents.
    pub const fn name(self) -> &'static str {
        match self {
            MaskMethod::Email => "email",
            MaskMethod::Last4 => "last4",
            MaskMethod::Hash => "hash",
            MaskMethod::Redact => "redact",
            MaskMethod::Null => "null",
        }
    }
}

impl fmt::Display for MaskMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The masks that hold for one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masks {
    masks: Vec<(ColumnPattern, MaskMethod)>,
    /// The relations that patterns write out, by schema: many masks name one relation each.
    relations: HashMap<String, HashSet<String>>,
    /// Indices of the other patterns.
    wide: Vec<usize>,
}

impl Masks {
    /// From patterns and methods.
    pub fn new(masks: impl IntoIterator<Item = (ColumnPattern, MaskMethod)>) -> Self {
        let mut found = Masks { masks: masks.into_iter().collect(), ..Masks::default() };
        for (at, (pattern, _)) in found.masks.iter().enumerate() {
            match pattern.literal_relation() {
                Some((schema, relation)) => {
                    found.relations.entry(schema.to_owned()).or_default().insert(relation.to_owned());
                }
                None => found.wide.push(at),
            }
        }
        found
    }

    /// Whether nothing is masked.
    pub fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    /// How that column is masked, by the severest mask that names it; `None` where none does.
    pub fn method(&self, schema: &str, relation: &str, column: &str) -> Option<MaskMethod> {
        let named = self.masks.iter().filter(|(pattern, _)| pattern.matches(schema, relation, column));
        named.map(|(_, method)| *method).max()
    }

    /// Whether any mask names a column of that relation; where its schema is not known it may be.
    pub(crate) fn name_relation(&self, schema: Option<&str>, relation: &str) -> bool {
        let exact = match schema {
            Some(schema) => self.relations.get(schema).is_some_and(|relations| relations.contains(relation)),
            None => self.relations.values().any(|relations| relations.contains(relation)),
        };
        let wide = || self.wide.iter().filter_map(|at| self.masks.get(*at));
        exact || wide().any(|(pattern, _)| pattern.may_be_of(schema, Some(relation)))
    }

    /// Whether any mask names a column in that schema.
    pub(crate) fn name_schema(&self, schema: &str) -> bool {
        self.masks.iter().any(|(pattern, _)| pattern.may_be_of(Some(schema), None))
    }

    /// The patterns with their methods, in document order.
    pub fn iter(&self) -> impl Iterator<Item = &(ColumnPattern, MaskMethod)> {
        self.masks.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_severest_mask_that_names_a_column_holds() {
        let masks = Masks::new([
            ("public.customers.*".parse().unwrap(), MaskMethod::Last4),
            ("public.customers.ssn".parse().unwrap(), MaskMethod::Null),
            ("*.*.ssn".parse().unwrap(), MaskMethod::Hash),
        ]);
        assert_eq!(masks.method("public", "customers", "ssn"), Some(MaskMethod::Null));
        assert_eq!(masks.method("public", "customers", "email"), Some(MaskMethod::Last4));
        assert_eq!(masks.method("hr", "people", "ssn"), Some(MaskMethod::Hash));
        assert_eq!(masks.method("hr", "people", "name"), None);
        assert!(Masks::default().is_empty());
    }

    #[test]
    fn relations_that_are_written_out_are_found_as_by_asking_every_pattern() {
        let patterns = ["public.a.x", "hr.b.*", "public.*.y", "*.c.z", "p*.d.x", "pg_temp.e.x"];
        for pattern in patterns.map(|text| text.parse::<ColumnPattern>().unwrap()) {
            let masks = Masks::new([(pattern.clone(), MaskMethod::Null)]);
            for schema in [None, Some("public"), Some("hr"), Some("pg_temp_3"), Some("x")] {
                for relation in ["a", "b", "c", "d", "e", "f"] {
                    let asked = pattern.may_be_of(schema, Some(relation));
                    assert_eq!(
                        masks.name_relation(schema, relation),
                        asked,
                        "{pattern} {schema:?} {relation}"
                    );
                }
            }
        }
    }
}
