//! Names that a rule writes out and that a database does not have, where one that it has is most likely meant: a mask
//! on a column that is not there hides nothing.

use super::Remark;
use crate::catalog::Catalog;
use crate::document::nearest;
use crate::judge::Policy;
use crate::pattern::{ColumnPattern, NamePattern};
use crate::rule::Rule;

impl Policy {
    /// Columns that rules name of relations that are there and do not have them, and relations that are not there beside
    /// one that is named nearly so. What is known may be a part of a database, so nothing else is told. `of`: the rules that are asked.
    pub fn unknown_names(&self, catalog: &Catalog, of: impl Fn(&Rule) -> bool) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for rule in self.rules.iter().filter(|rule| of(rule)) {
            let judging = rule.judging.as_ref();
            let listed = judging.into_iter().flat_map(|judging| &judging.objects.relations);
            let asked = judging.into_iter().flat_map(|judging| &judging.when.columns);
            let masked = rule.masks.iter().map(|(pattern, _)| ("masks", pattern));
            let mut told: Vec<String> = listed.filter_map(|pattern| no_relation(catalog, pattern)).collect();
            let columns = masked.chain(asked.map(|pattern| ("names", pattern)));
            told.extend(columns.filter_map(|(does, pattern)| no_column(catalog, does, pattern)));
            remarks.extend(told.into_iter().map(|what| remark(rule, &what)));
        }
        remarks
    }
}

fn remark(rule: &Rule, what: &str) -> Remark {
    Remark { place: rule.place.clone(), message: format!("rule \"{}\" {what}", rule.name) }
}

fn no_relation(catalog: &Catalog, pattern: &NamePattern) -> Option<String> {
    let (schema, name) = (pattern.schema().literal()?, pattern.name().literal()?);
    let near = near_relation(catalog, schema, name)?;
    Some(format!("names {schema}.{name}, which is not there; did you mean `{schema}.{near}`?"))
}

fn no_column(catalog: &Catalog, does: &str, pattern: &ColumnPattern) -> Option<String> {
    let (schema, name) = pattern.literal_relation()?;
    let Some(relation) = catalog.relation_named(schema, name) else {
        let near = near_relation(catalog, schema, name)?;
        return Some(format!(
            "{does} {pattern}, of a relation that is not there; did you mean `{schema}.{near}`?"
        ));
    };
    let columns = || relation.columns.iter().map(|column| column.name.as_str());
    if columns().any(|column| pattern.matches(schema, name, column)) {
        return None;
    }
    let near = pattern.column().literal().and_then(|column| nearest(column, columns()));
    let cure = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Some(format!("{does} {pattern}, a column that {schema}.{name} does not have{cure}"))
}

/// A relation of that schema that is named nearly so, where none is named so.
fn near_relation<'a>(catalog: &'a Catalog, schema: &str, name: &str) -> Option<&'a str> {
    if catalog.relation_named(schema, name).is_some() {
        return None;
    }
    let there = catalog.relations().filter(|relation| relation.schema == schema);
    nearest(name, there.map(|relation| relation.name.as_str()))
}
