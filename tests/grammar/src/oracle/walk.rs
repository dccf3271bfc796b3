//! One pass over a statement's tree.

mod functions;
mod utility;

use std::collections::BTreeSet;

use pg_query::protobuf::{CmdType, ObjectType, VariableSetKind};
use serde_json::Value;

use self::functions::{DEFINED_BY, DEFINES};
use super::columns::{items, reads_target};
use super::facts::{Facts, Name, Write};
use super::names::names;
use super::tag::tag;
use super::tree::{Fields, flag, is_there, list, node, number, qualified, range_var, string, text};

/// What the tree of a whole statement says.
pub(super) fn facts(tree: &Value) -> Facts {
    let mut walk = Walk::default();
    if let Some((kind, fields)) = node(tree) {
        walk.facts.kind = kind.to_owned();
        walk.facts.tag = tag(kind, fields);
        walk.facts.items = items(kind, fields);
        let is_data = matches!(kind, "SelectStmt" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt");
        walk.facts.names = is_data.then(|| names(tree));
    }
    walk.value(tree, "");
    walk.facts
}

#[derive(Default)]
struct Walk {
    facts: Facts,
    /// The WITH queries in sight, innermost last.
    ctes: Vec<BTreeSet<String>>,
    /// The schema that the statement makes, in which its elements are made.
    schema: Option<String>,
}

impl Walk {
    fn value(&mut self, value: &Value, around: &str) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.value(value, around)),
            Value::Object(_) => {
                if let Some((kind, fields)) = node(value) {
                    self.node(kind, fields, around);
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &Fields, kind: &str, without: &[&str]) {
        for (key, value) in fields {
            if !without.contains(&&**key) {
                self.value(value, kind);
            }
        }
    }

    fn node(&mut self, kind: &str, fields: &Fields, around: &str) {
        let kind = if kind.is_empty() { around } else { kind };
        match kind {
            "RangeVar" => self.relation(fields, around),
            "SelectStmt" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
                let before = self.ctes.len();
                self.with(fields);
                match kind {
                    "SelectStmt" => self.fields(fields, kind, &["with_clause", "locking_clause"]),
                    _ => {
                        self.written(kind, fields);
                        self.fields(fields, kind, &["with_clause", "relation"]);
                    }
                }
                self.ctes.truncate(before);
            }
            "CreateSchemaStmt" => {
                self.schema = Some(text(fields, "schemaname")).filter(|s| !s.is_empty()).map(str::to_owned);
                // A role is no statement in it.
                self.fields(fields, kind, &["authrole"]);
                self.schema = None;
            }
            "IntoClause" => self.create(fields, "rel", kind),
            "CreateStmt" => {
                self.create(fields, "relation", kind);
                self.fields(fields, kind, &["relation"]);
            }
            "CreateForeignTableStmt" => self.fields(fields, "CreateStmt", &[]),
            "ViewStmt" => {
                self.create(fields, "view", kind);
                self.fields(fields, kind, &["view"]);
            }
            "CreateSeqStmt" => {
                self.create(fields, "sequence", kind);
                self.fields(fields, kind, &["sequence"]);
            }
            // Names of constraints look like those of relations.
            "ConstraintsSetStmt" => {}
            // Of a type's attributes: its name is a type's.
            "AlterTableStmt" if number(fields, "objtype") == ObjectType::ObjectType as i64 => {
                self.fields(fields, kind, &["relation"]);
            }
            "RenameStmt" if number(fields, "relation_type") == ObjectType::ObjectType as i64 => {
                self.fields(fields, kind, &["relation"]);
            }
            "CreateStatsStmt" => {
                let from = list(fields, "relations");
                // Only one relation can be named, but the grammar takes any FROM.
                from.iter().filter(|item| node(item).is_some_and(|(kind, _)| kind == "RangeVar")).for_each(
                    |item| {
                        self.value(item, kind);
                    },
                );
                self.fields(fields, kind, &["relations"]);
            }
            "CreateTrigStmt" => {
                if let Some(name) = qualified(list(fields, "funcname")) {
                    self.facts.functions.entry(name).or_insert_with(|| kind.to_owned());
                }
                self.fields(fields, kind, &["funcname"]);
            }
            "CompositeTypeStmt" => self.fields(fields, kind, &["typevar"]),
            // Names of another server's relations.
            "ImportForeignSchemaStmt" => {}
            "CopyStmt" => {
                if let Some((_, relation)) = fields.get("relation").and_then(node) {
                    let name = range_var(relation);
                    // What a program does is none of the relation's.
                    let write = match (flag(fields, "is_program"), text(fields, "filename")) {
                        (true, _) => Write::Insert,
                        (false, "") => Write::CopyIn,
                        (false, _) => Write::CopyServer,
                    };
                    if flag(fields, "is_from") {
                        self.write(write, name, kind);
                    } else {
                        self.facts.reads.entry(name.clone()).or_insert_with(|| kind.to_owned());
                        self.facts.relations.entry(name).or_insert_with(|| kind.to_owned());
                    }
                }
                self.fields(fields, kind, &["relation"]);
            }
            "TruncateStmt" => {
                for relation in list(fields, "relations") {
                    if let Some((_, relation)) = node(relation) {
                        self.family(relation, kind);
                        self.write(Write::Truncate, range_var(relation), kind);
                    }
                }
            }
            "FuncCall" => self.call(fields, around),
            "CreateEventTrigStmt" | "CreateConversionStmt" | "CreateAmStmt" | "CreatePlangStmt" => {
                for key in ["funcname", "func_name", "handler_name", "plhandler", "plinline", "plvalidator"] {
                    self.function(list(fields, key), kind);
                }
                self.utility(kind, fields);
            }
            "ObjectWithArgs" if matches!(around, "CreateCastStmt" | "CreateTransformStmt") => {
                self.function(list(fields, "objname"), around);
                self.fields(fields, kind, &[]);
            }
            // OPCLASS_ITEM_FUNCTION; of DROP FUNCTION the number alone is told.
            "CreateOpClassItem" if number(fields, "itemtype") == 2 => {
                if let Some((_, function)) = fields.get("name").and_then(node) {
                    self.function(list(function, "objname"), kind);
                }
            }
            // Of these no attribute is a function, whatever it is called.
            "DefineStmt"
                if [
                    ObjectType::ObjectTsconfiguration,
                    ObjectType::ObjectTsdictionary,
                    ObjectType::ObjectCollation,
                ]
                .iter()
                .any(|of| number(fields, "kind") == *of as i64) => {}
            "DefElem" if DEFINES.contains(&around) && DEFINED_BY.contains(&text(fields, "defname")) => {
                match fields.get("arg").and_then(node) {
                    Some(("TypeName", name)) => self.function(list(name, "names"), kind),
                    Some(("List", name)) => self.function(list(name, "items"), kind),
                    _ => {}
                }
                self.fields(fields, kind, &[]);
            }
            // OWNED BY a column; or by NONE.
            "DefElem" if text(fields, "defname") == "owned_by" => {
                if let Some(("List", name)) = fields.get("arg").and_then(node)
                    && let [of @ .., _] = list(name, "items")
                    && let Some(name) = qualified(of)
                {
                    self.facts.relations.entry(name).or_insert_with(|| kind.to_owned());
                }
            }
            // Its modifiers are constants or words; anything else is refused before it is looked at.
            "TypeName" => {
                if let Some(name) = qualified(list(fields, "names")) {
                    self.facts.named_types.insert(name);
                }
            }
            "TypeCast" => {
                if let Some((_, to)) = fields.get("type_name").and_then(node)
                    && let Some(name) = qualified(list(to, "names"))
                {
                    self.facts.types.entry(name).or_insert_with(|| around.to_owned());
                }
                self.fields(fields, kind, &[]);
            }
            "ColumnRef" => {
                if let Some(name) = list(fields, "fields").iter().filter_map(string).next_back() {
                    self.facts.columns.insert(name.to_owned());
                }
            }
            "ResTarget" => {
                self.facts.columns.insert(text(fields, "name").to_owned());
                self.fields(fields, kind, &[]);
            }
            "IndexElem" => {
                self.facts.columns.insert(text(fields, "name").to_owned());
                self.fields(fields, kind, &[]);
            }
            "JoinExpr" => {
                for name in list(fields, "using_clause").iter().filter_map(string) {
                    self.facts.columns.insert(name.to_owned());
                }
                self.fields(fields, kind, &[]);
            }
            "VariableSetStmt" => {
                // SET TRANSACTION and SET SESSION CHARACTERISTICS have names of their own.
                let name = match number(fields, "kind") {
                    n if n == VariableSetKind::VarResetAll as i64 => "all",
                    n if n == VariableSetKind::VarSetMulti as i64 => "",
                    _ => text(fields, "name"),
                };
                if !name.is_empty() {
                    self.facts.settings.insert(name.to_ascii_lowercase());
                }
            }
            _ => {
                self.utility(kind, fields);
                self.fields(fields, kind, &[]);
            }
        }
    }

    /// Puts the names of WITH in sight.
    fn with(&mut self, fields: &Fields) {
        let Some(with) = fields.get("with_clause").and_then(Value::as_object) else { return };
        let name = |cte: &Value| node(cte).map(|(_, cte)| text(cte, "ctename").to_owned());
        let mut names = BTreeSet::new();
        if flag(with, "recursive") {
            names.extend(list(with, "ctes").iter().filter_map(name));
        }
        self.ctes.push(names);
        for cte in list(with, "ctes") {
            self.value(cte, "WithClause");
            if let (Some(names), Some(name)) = (self.ctes.last_mut(), name(cte)) {
                names.insert(name);
            }
        }
    }

    fn relation(&mut self, fields: &Fields, around: &str) {
        let name = range_var(fields);
        if name.schema.is_none() && self.ctes.iter().any(|names| names.contains(&name.name)) {
            return;
        }
        let queried = matches!(
            around,
            "SelectStmt"
                | "JoinExpr"
                | "InsertStmt"
                | "UpdateStmt"
                | "DeleteStmt"
                | "MergeStmt"
                | "RangeTableSample"
        );
        if queried {
            self.family(fields, around);
            self.facts.reads.entry(name.clone()).or_insert_with(|| around.to_owned());
        }
        self.facts.relations.entry(name).or_insert_with(|| around.to_owned());
    }

    fn family(&mut self, fields: &Fields, around: &str) {
        if flag(fields, "inh") {
            self.facts.families.entry(range_var(fields)).or_insert_with(|| around.to_owned());
        }
    }

    fn write(&mut self, write: Write, name: Name, around: &str) {
        if write != Write::Create {
            self.facts.relations.entry(name.clone()).or_insert_with(|| around.to_owned());
        }
        self.facts.writes.entry((write, name)).or_insert_with(|| around.to_owned());
    }

    fn create(&mut self, fields: &Fields, key: &str, kind: &str) {
        if let Some((_, relation)) = fields.get(key).and_then(node) {
            let mut name = range_var(relation);
            name.schema = name.schema.or_else(|| self.schema.clone());
            self.write(Write::Create, name, kind);
        }
    }

    /// The target of INSERT, UPDATE, DELETE and MERGE, which is never one of WITH's names.
    fn written(&mut self, kind: &str, fields: &Fields) {
        let Some((_, relation)) = fields.get("relation").and_then(node) else { return };
        let name = range_var(relation);
        let all = !is_there(fields, "where_clause");
        let mut writes = Vec::new();
        match kind {
            "InsertStmt" => {
                writes.push(Write::Insert);
                let conflict = fields.get("on_conflict_clause").and_then(Value::as_object);
                // ONCONFLICT_UPDATE
                if conflict.is_some_and(|conflict| number(conflict, "action") == 3) {
                    writes.push(Write::Update);
                }
            }
            "UpdateStmt" => writes.push(if all { Write::UpdateAll } else { Write::Update }),
            "DeleteStmt" => writes.push(if all { Write::DeleteAll } else { Write::Delete }),
            _ => {
                for clause in list(fields, "merge_when_clauses") {
                    let Some((_, clause)) = node(clause) else { continue };
                    match number(clause, "command_type") {
                        n if n == CmdType::CmdInsert as i64 => writes.push(Write::Insert),
                        n if n == CmdType::CmdUpdate as i64 => writes.push(Write::Update),
                        n if n == CmdType::CmdDelete as i64 => writes.push(Write::Delete),
                        _ => {}
                    }
                }
            }
        }
        if kind != "InsertStmt" {
            self.family(relation, kind);
        }
        self.facts.relations.entry(name.clone()).or_insert_with(|| kind.to_owned());
        for write in writes {
            self.write(write, name.clone(), kind);
        }
        if reads_target(kind, fields, relation) {
            self.facts.reads.entry(name).or_insert_with(|| format!("{kind}'s target"));
        }
    }
}
