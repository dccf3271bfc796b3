//! What the rows of a statement are made of, in words.

use std::fmt::Display;

use masking::{MaskSet, Verdict};
use policy::{Catalog, ColumnRef, Lineage, Output};
use sql::Statement;

/// One line for each output column, or one for all where they cannot be told apart; none for what returns no rows.
pub(super) fn lines(statement: &Statement, catalog: &Catalog, set: &MaskSet) -> Vec<String> {
    let line = |column: &dyn Display, lineage: &Lineage| {
        let told = told(lineage, catalog);
        format!("{column}  {told}{}", masked(set.lineage(lineage)))
    };
    match &statement.output {
        Output::None => Vec::new(),
        Output::Columns(columns) => {
            let numbered = columns.iter().zip(1..);
            numbered.map(|(lineage, at)| line(&format_args!("column {at}"), lineage)).collect()
        }
        Output::Within(columns) => vec![line(&"each column", &Lineage::Derived(columns.clone()))],
        Output::Inherited(name) => vec![format!("columns as of \"{name}\"")],
        Output::Unknown => vec![line(&"each column", &Lineage::Unknown)],
    }
}

fn told(lineage: &Lineage, catalog: &Catalog) -> String {
    let names = |columns: &[ColumnRef], or: &str| {
        let names: Vec<String> = columns.iter().map(|column| name(*column, catalog)).collect();
        names.join(or)
    };
    match lineage {
        Lineage::Exact(columns) => format!("exact    {}", names(columns, " or ")),
        Lineage::Derived(columns) if columns.is_empty() => "derived  from no column".to_owned(),
        Lineage::Derived(columns) => format!("derived  from {}", names(columns, ", ")),
        Lineage::Unknown => "unknown".to_owned(),
    }
}

fn name(ColumnRef { relation, attnum }: ColumnRef, catalog: &Catalog) -> String {
    let Some(relation) = catalog.relation(relation) else { return "a relation that is not known".to_owned() };
    let column = relation.columns.iter().find(|column| column.attnum == attnum);
    let column = column.map_or("*", |column| column.name.as_str());
    format!("{}.{}.{column}", relation.schema, relation.name)
}

fn masked(verdict: Verdict) -> String {
    match verdict {
        Verdict::Clear => String::new(),
        Verdict::Masked(method) => format!(", shown by {method}"),
        Verdict::Unknown => ", shown by redact".to_owned(),
    }
}
