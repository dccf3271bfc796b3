//! The few texts that the model server understands.

use policy::Oid;

use crate::tests::fixture::TABLES;

pub(crate) enum Sql {
    /// The session's own question for the search path.
    Schemas,
    Select {},
    Execute(String),
    Fetch(String),
    Prepare(String, String),
    Declare(String, String),
    Deallocate(Option<String>),
    Begin,
    Commit,
    Rollback,
    SetPath(String),
    SetStrings(String),
    CopyIn,
    CopyOut,
    /// It runs, and there is nothing to say of it.
    Other,
}

/// A text's statements: semicolons stand between them, never inside.
pub(crate) fn split(text: &str) -> Vec<String> {
    text.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

impl Sql {
    pub(crate) fn of(text: &str) -> Sql {
        let words: Vec<&str> = text.split_whitespace().collect();
        let word = |at: usize| words.get(at).map(|w| (*w).to_owned()).unwrap_or_default();
        let rest = |at: usize| words.get(at..).map(|w| w.join(" ")).unwrap_or_default();
        match words.first().copied().unwrap_or_default() {
            "SELECT" if text.contains("current_setting('search_path')") => Sql::Schemas,
            "SELECT" => Sql::Select {},
            "EXECUTE" => Sql::Execute(word(1)),
            "FETCH" => Sql::Fetch(word(3)),
            "PREPARE" => Sql::Prepare(word(1), rest(3)),
            "DECLARE" => Sql::Declare(word(1), rest(4)),
            "DEALLOCATE" if word(1) == "ALL" => Sql::Deallocate(None),
            "DEALLOCATE" => Sql::Deallocate(Some(word(1))),
            "BEGIN" => Sql::Begin,
            "COMMIT" => Sql::Commit,
            "ROLLBACK" => Sql::Rollback,
            "SET" if word(1) == "search_path" => Sql::SetPath(word(3)),
            "SET" if word(1) == "standard_conforming_strings" => Sql::SetStrings(word(3)),
            "COPY" if word(2) == "FROM" => Sql::CopyIn,
            "COPY" => Sql::CopyOut,
            _ => Sql::Other,
        }
    }
}

/// One column of a SELECT: `SELECT id, upper(ssn) FROM customers`.
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) table: Oid,
    pub(crate) attnum: i16,
}

pub(crate) fn columns(text: &str, path: &[String]) -> Vec<OutputColumn> {
    let list = text.strip_prefix("SELECT ").unwrap_or_default();
    let (list, from) = list.split_once(" FROM ").unwrap_or((list, ""));
    let relation = from.split_whitespace().next().unwrap_or_default();
    let found = TABLES.iter().find(|(schema, name, ..)| match relation.split_once('.') {
        Some(qualified) => qualified == (schema, name),
        None => name == &relation && path.iter().any(|p| p == schema),
    });
    let known = found.map_or(&[][..], |(.., columns)| columns);
    let list: Vec<&str> = match list {
        "*" => known.to_vec(),
        list => list.split(", ").collect(),
    };
    list.into_iter()
        .map(|expression| {
            let attnum = known.iter().position(|column| column == &expression);
            OutputColumn {
                name: expression.to_owned(),
                value: expression.to_owned(),
                table: attnum.and(found).map_or(0, |(_, _, oid, _)| *oid),
                attnum: attnum.map_or(0, |at| i16::try_from(at + 1).unwrap()),
            }
        })
        .collect()
}
