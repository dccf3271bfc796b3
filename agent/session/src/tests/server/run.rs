//! What the model server does when a statement runs, and what it says of its rows.

use pgwire::Format;
use pgwire::backend::{Field, TransactionStatus, encode};

use super::text::{Sql, columns};
use super::{Failure, Portal, Server};
use crate::tests::fixture::TEXT;

impl Server {
    pub(super) fn describe(&mut self, text: &str) {
        match self.output_of(text) {
            Some(text) => self.row_description(&text),
            None => encode::no_data(&mut self.held),
        }
    }

    /// The SELECT whose rows a text gives back.
    pub(super) fn output_of(&self, text: &str) -> Option<String> {
        match Sql::of(text) {
            Sql::Select { .. } | Sql::Schemas => Some(text.to_owned()),
            Sql::Execute(name) => self.rows_of(self.statements.get(name.as_bytes())?),
            Sql::Fetch(name) => self.rows_of(&self.portals.get(name.as_bytes())?.text),
            _ => None,
        }
    }

    pub(super) fn rows_of(&self, text: &str) -> Option<String> {
        match Sql::of(text) {
            Sql::Select { .. } => Some(text.to_owned()),
            _ => None,
        }
    }

    pub(super) fn row_description(&mut self, text: &str) {
        let columns = columns(text, &self.path);
        let fields: Vec<Field<'_>> = columns
            .iter()
            .map(|column| Field {
                name: column.name.as_bytes(),
                table_oid: column.table,
                column_attnum: column.attnum,
                type_oid: TEXT,
                type_size: -1,
                type_modifier: -1,
                format: Format::TEXT,
            })
            .collect();
        encode::row_description(&mut self.held, &fields).unwrap();
    }

    pub(super) fn complete(&mut self, tag: &str) {
        encode::command_complete(&mut self.held, tag.as_bytes()).unwrap();
    }

    pub(super) fn run(
        &mut self,
        text: &str,
        simple: bool,
        given: &mut Option<usize>,
        most: usize,
    ) -> Result<(), Failure> {
        self.allowed_now(text)?;
        let sql = Sql::of(text);
        self.ran.push(text.to_owned());
        if text.contains("'fail'") {
            // An error of other tables cannot quote what it does not meet.
            let quoted = if text.contains("orders") { "" } else { " near ssn#1" };
            return Err(Failure("22012", format!("division by zero{quoted}")));
        }
        match sql {
            Sql::Schemas => {
                self.row_description_if(simple, text);
                // First where objects are created.
                let mut path = self.path.clone();
                if self.path_makes_schema && text.contains("current_schemas") {
                    path.clear();
                }
                for schema in path.last().into_iter().chain(&path) {
                    encode::data_row(&mut self.held, &[Some(schema.as_bytes())]).unwrap();
                }
                self.complete("SELECT 2");
            }
            Sql::Select { .. } => self.select(text, simple, given, most),
            Sql::Execute(name) => {
                let missing = || Failure("26000", "prepared statement does not exist".to_owned());
                let inner = self.statements.get(name.as_bytes()).ok_or_else(missing)?.clone();
                return self.run_inner(&inner, simple, given, most);
            }
            Sql::Fetch(name) => {
                let missing = || Failure("34000", "cursor does not exist".to_owned());
                let inner = self.portals.get(name.as_bytes()).ok_or_else(missing)?.text.clone();
                // `PORTAL_MULTI_QUERY` cannot be fetched from.
                if matches!(Sql::of(&inner), Sql::CopyIn | Sql::CopyOut | Sql::Other) {
                    return Err(Failure("XX000", "unsupported portal strategy".to_owned()));
                }
                return self.run_inner(&inner, simple, given, most);
            }
            Sql::Prepare(name, inner) => {
                if self.statements.contains_key(name.as_bytes()) {
                    return Err(Failure("42P05", "prepared statement already exists".to_owned()));
                }
                self.statements.insert(name.into_bytes(), inner);
                self.complete("PREPARE");
            }
            Sql::Declare(name, inner) => {
                self.portals.insert(name.into_bytes(), Portal { text: inner, rows_given: None });
                self.complete("DECLARE CURSOR");
            }
            Sql::Deallocate(None) => {
                self.statements.clear();
                self.complete("DEALLOCATE ALL");
            }
            Sql::Deallocate(Some(name)) => {
                if self.statements.remove(name.as_bytes()).is_none() {
                    return Err(Failure("26000", "prepared statement does not exist".to_owned()));
                }
                self.complete("DEALLOCATE");
            }
            Sql::Begin => {
                self.status = TransactionStatus::InTransaction;
                self.complete("BEGIN");
            }
            Sql::Commit | Sql::Rollback => {
                self.status = TransactionStatus::Idle;
                self.complete("ROLLBACK");
            }
            Sql::SetPath(path) => {
                self.path = vec!["pg_catalog".to_owned(), path];
                self.complete("SET");
            }
            Sql::SetStrings(value) => {
                encode::parameter_status(&mut self.held, b"standard_conforming_strings", value.as_bytes())
                    .unwrap();
                self.complete("SET");
            }
            Sql::CopyIn => {
                encode::copy_in_response(&mut self.held, Format::TEXT, &[]).unwrap();
                self.flush();
                if text.contains("vault") {
                    return Err(Failure("42501", "a statement trigger says no".to_owned()));
                }
                self.copying = Some(simple);
            }
            Sql::CopyOut => {
                encode::copy_out_response(&mut self.held, Format::TEXT, &[]).unwrap();
                encode::copy_data(&mut self.held, b"1\tssn#1\n").unwrap();
                encode::copy_done(&mut self.held);
                self.complete("COPY 1");
            }
            Sql::Other => self.complete("OK"),
        }
        Ok(())
    }

    pub(super) fn run_inner(
        &mut self,
        inner: &str,
        simple: bool,
        given: &mut Option<usize>,
        most: usize,
    ) -> Result<(), Failure> {
        if self.depth == 5 {
            return Err(Failure("54001", "stack depth limit exceeded".to_owned()));
        }
        self.depth += 1;
        let ran = self.run(inner, simple, given, most);
        self.depth -= 1;
        ran
    }

    pub(super) fn row_description_if(&mut self, simple: bool, text: &str) {
        if simple {
            self.row_description(text);
        }
    }

    pub(super) fn select(&mut self, text: &str, simple: bool, given: &mut Option<usize>, most: usize) {
        const ROWS: usize = 3;
        self.row_description_if(simple, text);
        let columns = columns(text, &self.path);
        let from = given.unwrap_or(0);
        let to = if most == 0 { ROWS } else { ROWS.min(from + most) };
        for row in from..to {
            let cells: Vec<String> = columns.iter().map(|c| format!("{}#{}", c.value, row + 1)).collect();
            let cells: Vec<Option<&[u8]>> = cells.iter().map(|c| Some(c.as_bytes())).collect();
            encode::data_row(&mut self.held, &cells).unwrap();
        }
        *given = Some(to);
        if most > 0 && to < ROWS {
            encode::portal_suspended(&mut self.held);
        } else {
            self.complete(&format!("SELECT {}", to - from));
        }
    }
}
