//! Which functions a statement calls or names, and what literals tell them.

use pg_query::protobuf::CoercionForm;
use serde_json::Value;

use super::Walk;
use crate::oracle::facts::Facts;
use crate::oracle::tree::{Fields, list, node, number, qualified};

/// Statements whose attributes they are.
pub(super) const DEFINES: [&str; 5] =
    ["DefineStmt", "CreateRangeStmt", "AlterOperatorStmt", "CreateFdwStmt", "AlterFdwStmt"];

/// Attributes whose values are functions.
pub(super) const DEFINED_BY: [&str; 31] = [
    "analyze",
    "canonical",
    "combinefunc",
    "deserialfunc",
    "end",
    "finalfunc",
    "function",
    "gettoken",
    "handler",
    "headline",
    "init",
    "input",
    "join",
    "lexize",
    "lextypes",
    "mfinalfunc",
    "minvfunc",
    "msfunc",
    "output",
    "procedure",
    "receive",
    "restrict",
    "send",
    "serialfunc",
    "sfunc",
    "start",
    "subscript",
    "subtype_diff",
    "typmod_in",
    "typmod_out",
    "validator",
];

impl Walk {
    pub(super) fn function(&mut self, name: &[Value], around: &str) {
        if let Some(name) = qualified(name) {
            self.facts.functions.entry(name).or_insert_with(|| around.to_owned());
        }
    }

    /// What is told by a literal: a relation's name, or a whole text.
    fn given(&mut self, fields: &Fields, around: &str) {
        let Some(name) = qualified(list(fields, "funcname")) else { return };
        if name.schema.as_deref().is_some_and(|schema| schema != "pg_catalog") {
            return;
        }
        let arguments = list(fields, "args");
        let called = &*name.name;
        if matches!(called, "nextval" | "currval" | "setval") || called.starts_with("table_to_xml") {
            let text = arguments.first().and_then(literal).map(|text| format!("TABLE {text}"));
            for statement in text.iter().flat_map(|text| statements(text)) {
                for name in statement.relations.into_keys() {
                    self.facts.relations.entry(name).or_insert_with(|| around.to_owned());
                }
            }
        } else if called == "ts_stat"
            || (called == "ts_rewrite" && arguments.len() == 2)
            || called.starts_with("query_to_xml")
        {
            let place = usize::from(called == "ts_rewrite");
            for statement in arguments.get(place).and_then(literal).iter().flat_map(|text| statements(text)) {
                self.facts.relations.extend(statement.relations);
                self.facts.reads.extend(statement.reads);
                self.facts.functions.extend(statement.functions);
                self.facts.columns.extend(statement.columns);
            }
        }
    }

    pub(super) fn call(&mut self, fields: &Fields, around: &str) {
        self.given(fields, around);
        if let Some(name) = qualified(list(fields, "funcname"))
            // EXTRACT (… FROM …) and its like are functions of pg_catalog whose names the text does not hold.
            && number(fields, "funcformat") != CoercionForm::CoerceSqlSyntax as i64
        {
            self.facts.functions.entry(name).or_insert_with(|| around.to_owned());
        }
        self.fields(fields, "FuncCall", &["funcname"]);
    }
}

/// The string that an argument is, with or without a cast.
fn literal(argument: &Value) -> Option<String> {
    match node(argument)? {
        ("AConst", fields) => {
            let value = fields.get("val")?.get("Sval")?.get("sval")?;
            value.as_str().map(str::to_owned)
        }
        ("TypeCast", fields) => {
            let (_, to) = fields.get("type_name").and_then(node)?;
            let plain = matches!(&*qualified(list(to, "names"))?.name, "regclass" | "text" | "tsquery");
            fields.get("arg").filter(|_| plain).and_then(literal)
        }
        _ => None,
    }
}

/// What a text does that a literal holds, as far as it is valid.
fn statements(text: &str) -> Vec<Facts> {
    crate::oracle::read(text).into_iter().flat_map(|reading| reading.statements).map(|s| s.facts).collect()
}
