//! One pass over a statement's tree.

use std::collections::BTreeSet;

use pg_query::protobuf::{
    CmdType, CoercionForm, ObjectType, SetOperation, TransactionStmtKind, VariableSetKind,
};
use serde_json::{Map, Value};

use super::facts::{Facts, Name, Write};

type Fields = Map<String, Value>;

/// What the tree of a whole statement says.
pub(super) fn facts(tree: &Value) -> Facts {
    let mut walk = Walk::default();
    if let Some((kind, fields)) = node(tree) {
        walk.facts.kind = kind.to_owned();
        walk.facts.tag = tag(kind, fields);
        walk.facts.items = items(kind, fields);
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

/// A node with its kind: those in lists tell it, those in fields of one kind are known by what they hold.
fn node(value: &Value) -> Option<(&str, &Fields)> {
    let fields = value.as_object()?;
    if let Some(inner) = fields.get("node") {
        let (kind, inner) = inner.as_object()?.iter().next()?;
        return Some((kind, inner.as_object()?));
    }
    let has = |key: &str| fields.contains_key(key);
    let kind = if has("relname") && has("relpersistence") {
        "RangeVar"
    } else if has("distinct_clause") && has("larg") {
        "SelectStmt"
    } else if has("typmods") && has("names") {
        "TypeName"
    } else if has("funcname") && has("agg_star") {
        "FuncCall"
    } else if has("ctes") {
        "WithClause"
    } else if has("rel") && has("on_commit") {
        "IntoClause"
    } else if has("is_grant") && has("grantees") {
        "GrantStmt"
    } else if has("kind") && has("args") && has("is_local") {
        "VariableSetStmt"
    } else {
        ""
    };
    Some((kind, fields))
}

fn text<'a>(fields: &'a Fields, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(fields: &Fields, key: &str) -> i64 {
    fields.get(key).and_then(Value::as_i64).unwrap_or_default()
}

fn flag(fields: &Fields, key: &str) -> bool {
    fields.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn list<'a>(fields: &'a Fields, key: &str) -> &'a [Value] {
    fields.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_there(fields: &Fields, key: &str) -> bool {
    fields.get(key).is_some_and(|value| !value.is_null())
}

fn string(value: &Value) -> Option<&str> {
    match node(value)? {
        ("String", fields) => Some(text(fields, "sval")),
        _ => None,
    }
}

/// A list of strings as a name; one with a database's name in front has no schema here.
fn qualified(parts: &[Value]) -> Option<Name> {
    let parts: Vec<&str> = parts.iter().filter_map(string).collect();
    let name = (*parts.last()?).to_owned();
    let schema = parts.len().checked_sub(2).map(|at| parts[at].to_owned());
    Some(Name { schema, name })
}

fn range_var(fields: &Fields) -> Name {
    let schema = Some(text(fields, "schemaname")).filter(|s| !s.is_empty()).map(str::to_owned);
    // CREATE TEMP TABLE x; with another schema the server refuses it.
    let temporary = text(fields, "relpersistence") == "t";
    let schema = if temporary { Some("pg_temp".to_owned()) } else { schema };
    Name { schema, name: text(fields, "relname").to_owned() }
}

/// The name that the rest of the statement calls it by.
fn alias(fields: &Fields) -> &str {
    let alias = fields.get("alias").and_then(Value::as_object);
    alias.map_or_else(|| text(fields, "relname"), |alias| text(alias, "aliasname"))
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

    fn function(&mut self, name: &[Value], around: &str) {
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

    fn call(&mut self, fields: &Fields, around: &str) {
        self.given(fields, around);
        if let Some(name) = qualified(list(fields, "funcname"))
            // EXTRACT (… FROM …) and its like are functions of pg_catalog whose names the text does not hold.
            && number(fields, "funcformat") != CoercionForm::CoerceSqlSyntax as i64
        {
            self.facts.functions.entry(name).or_insert_with(|| around.to_owned());
        }
        self.fields(fields, "FuncCall", &["funcname"]);
    }

    /// What a session has to follow, and names that are no nodes of their own.
    fn utility(&mut self, kind: &str, fields: &Fields) {
        let name = |key: &str| text(fields, key).to_owned();
        let effect = match kind {
            "TransactionStmt" => match TransactionStmtKind::try_from(number(fields, "kind") as i32) {
                Ok(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => {
                    "begin".to_owned()
                }
                Ok(TransactionStmtKind::TransStmtCommit) => format!("commit {}", flag(fields, "chain")),
                Ok(TransactionStmtKind::TransStmtRollback) => format!("rollback {}", flag(fields, "chain")),
                Ok(TransactionStmtKind::TransStmtSavepoint) => {
                    format!("savepoint {}", name("savepoint_name"))
                }
                Ok(TransactionStmtKind::TransStmtRelease) => format!("release {}", name("savepoint_name")),
                Ok(TransactionStmtKind::TransStmtRollbackTo) => {
                    format!("rollback to {}", name("savepoint_name"))
                }
                Ok(TransactionStmtKind::TransStmtPrepare) => "prepare transaction".to_owned(),
                _ => "prepared".to_owned(),
            },
            "PrepareStmt" => format!("prepares {}", name("name")),
            "ExecuteStmt" => format!("executes {}", name("name")),
            "DeallocateStmt" => format!("deallocates {}", name("name")),
            "DeclareCursorStmt" => format!("declares {}", name("portalname")),
            "FetchStmt" => format!("fetches {}", name("portalname")),
            _ => String::new(),
        };
        if !effect.is_empty() {
            self.facts.effects.insert(effect);
        }
        if kind == "DropStmt" {
            self.dropped(fields);
        }
        if matches!(kind, "CommentStmt" | "SecLabelStmt") {
            self.commented(kind, fields);
        }
    }

    /// The relation that a comment or a label is on, or on a part of.
    fn commented(&mut self, kind: &str, fields: &Fields) {
        let object_type = ObjectType::try_from(number(fields, "objtype") as i32).unwrap_or_default();
        let Some(("List", object)) = fields.get("object").and_then(node) else { return };
        let parts = list(object, "items");
        let name = match object_type {
            ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectIndex
            | ObjectType::ObjectSequence
            | ObjectType::ObjectForeignTable => qualified(parts),
            ObjectType::ObjectColumn
            | ObjectType::ObjectTabconstraint
            | ObjectType::ObjectTrigger
            | ObjectType::ObjectRule
            | ObjectType::ObjectPolicy => parts.split_last().and_then(|(_, relation)| qualified(relation)),
            _ => None,
        };
        if let Some(name) = name {
            self.facts.relations.entry(name).or_insert_with(|| kind.to_owned());
        }
    }

    fn dropped(&mut self, fields: &Fields) {
        let object_type = ObjectType::try_from(number(fields, "remove_type") as i32).unwrap_or_default();
        let is_relation = matches!(
            object_type,
            ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectIndex
                | ObjectType::ObjectSequence
                | ObjectType::ObjectForeignTable
        );
        for object in list(fields, "objects") {
            let Some((kind, object)) = node(object) else { continue };
            let around = format!("DropStmt of {object_type:?}");
            match kind {
                "List" => {
                    let parts = list(object, "items");
                    let Some(name) = qualified(parts) else { continue };
                    if is_relation {
                        self.facts.relations.entry(name).or_insert(around);
                    } else if matches!(
                        object_type,
                        ObjectType::ObjectTrigger | ObjectType::ObjectRule | ObjectType::ObjectPolicy
                    ) {
                        if let Some((_, on)) = parts.split_last()
                            && let Some(on) = qualified(on)
                        {
                            self.facts.relations.entry(on).or_insert_with(|| around.clone());
                        }
                        self.facts.drops.insert(name.name, around);
                    } else {
                        self.facts.drops.insert(name.name, around);
                    }
                }
                "TypeName" => {
                    // Those that the grammar has words for cannot be dropped.
                    if let Some(name) = qualified(list(object, "names"))
                        && name.schema.as_deref() != Some("pg_catalog")
                    {
                        self.facts.drops.insert(name.name, around);
                    }
                }
                "ObjectWithArgs" => {
                    if let Some(name) = qualified(list(object, "objname")) {
                        self.facts.drops.insert(name.name, around);
                    }
                }
                "String" => {
                    self.facts.drops.insert(text(object, "sval").to_owned(), around);
                }
                _ => {}
            }
        }
    }
}

/// Statements whose attributes they are.
const DEFINES: [&str; 5] =
    ["DefineStmt", "CreateRangeStmt", "AlterOperatorStmt", "CreateFdwStmt", "AlterFdwStmt"];

/// Attributes whose values are functions.
const DEFINED_BY: [&str; 31] = [
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
    super::read(text).into_iter().flat_map(|reading| reading.statements).map(|s| s.facts).collect()
}

/// Columns outside of subqueries, as written: the last part, and what stands before it.
fn columns(value: &Value, found: &mut Vec<(Option<String>, String)>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| columns(value, found)),
        Value::Object(_) => match node(value) {
            Some(("ColumnRef", fields)) => {
                let parts = list(fields, "fields");
                let last = parts.last().map(|part| string(part).unwrap_or("*"));
                // Behind a schema's name as well it is not certain whose column it is.
                let before = match parts {
                    [item, _] => string(item).map(str::to_owned),
                    [_] => None,
                    _ => Some(String::new()),
                };
                if let Some(last) = last {
                    found.push((before, last.to_owned()));
                }
            }
            Some(("SubLink", fields)) => {
                if let Some(test) = fields.get("testexpr") {
                    columns(test, found);
                }
            }
            // The rows of JSON_ARRAY are a query's.
            Some(("TypeName" | "SelectStmt", _)) | None => {}
            Some((_, fields)) => fields.values().for_each(|value| columns(value, found)),
        },
        _ => {}
    }
}

/// Whether PostgreSQL asks for SELECT on the target, as far as it is certain without a catalog.
fn reads_target(kind: &str, fields: &Fields, relation: &Fields) -> bool {
    let mut found = Vec::new();
    let parts: &[&str] = match kind {
        "MergeStmt" => &["join_condition"],
        "InsertStmt" => &["returning_clause", "returning_list"],
        _ => &["where_clause", "target_list", "returning_clause", "returning_list"],
    };
    for part in parts {
        match fields.get(*part) {
            // Of SET a = b only the b is read.
            Some(Value::Array(targets)) => {
                for target in targets {
                    if let Some(value) = node(target).and_then(|(_, target)| target.get("val")) {
                        columns(value, &mut found);
                    }
                }
            }
            Some(value) => columns(value, &mut found),
            None => {}
        }
    }
    let alone = list(fields, "from_clause").is_empty()
        && list(fields, "using_clause").is_empty()
        && kind != "MergeStmt";
    let target = alias(relation);
    let system = |name: &str| matches!(name, "ctid" | "tableoid" | "xmin" | "xmax" | "cmin" | "cmax");
    found.iter().any(|(before, name)| match before {
        Some(before) => before == target && !system(name),
        None => alone && name != "*" && !system(name),
    })
}

/// The columns in each item of a plain SELECT from relations; none where the rest could give them other meanings.
fn items(kind: &str, fields: &Fields) -> Option<Vec<BTreeSet<String>>> {
    if kind != "SelectStmt"
        || number(fields, "op") != SetOperation::SetopNone as i64
        || is_there(fields, "with_clause")
        || is_there(fields, "into_clause")
        || !list(fields, "values_lists").is_empty()
    {
        return None;
    }
    let mut names = BTreeSet::new();
    if !list(fields, "from_clause").iter().all(|item| is_plain(item, &mut names)) || names.is_empty() {
        return None;
    }
    let mut items = Vec::new();
    for target in list(fields, "target_list") {
        let mut found = Vec::new();
        columns(target, &mut found);
        // Whole rows and stars are other questions.
        if found.iter().any(|(_, name)| name == "*" || names.contains(name)) {
            return None;
        }
        if found.iter().any(|(before, _)| before.as_ref().is_some_and(|before| !names.contains(before))) {
            return None;
        }
        items.push(found.into_iter().map(|(_, name)| name).collect());
    }
    Some(items)
}

fn is_plain(item: &Value, names: &mut BTreeSet<String>) -> bool {
    match node(item) {
        Some(("RangeVar", fields)) => {
            let renamed = fields.get("alias").and_then(Value::as_object);
            names.insert(alias(fields).to_owned());
            renamed.is_none_or(|alias| list(alias, "colnames").is_empty())
        }
        Some(("JoinExpr", fields)) => {
            !is_there(fields, "alias")
                && !is_there(fields, "join_using_alias")
                && ["larg", "rarg"].iter().all(|key| fields.get(*key).is_some_and(|arg| is_plain(arg, names)))
        }
        _ => false,
    }
}

/// The first word of PostgreSQL's command tag.
fn tag(kind: &str, fields: &Fields) -> &'static str {
    match kind {
        "SelectStmt" => "SELECT",
        "InsertStmt" => "INSERT",
        "UpdateStmt" => "UPDATE",
        "DeleteStmt" => "DELETE",
        "MergeStmt" => "MERGE",
        "ExplainStmt" => "EXPLAIN",
        "CopyStmt" => "COPY",
        "PrepareStmt" => "PREPARE",
        "ExecuteStmt" => "EXECUTE",
        "DeallocateStmt" => "DEALLOCATE",
        "DeclareCursorStmt" => "DECLARE",
        "ClosePortalStmt" => "CLOSE",
        "FetchStmt" => {
            if flag(fields, "ismove") {
                "MOVE"
            } else {
                "FETCH"
            }
        }
        "TruncateStmt" => "TRUNCATE",
        "LockStmt" => "LOCK",
        "CallStmt" => "CALL",
        "DoStmt" => "DO",
        "ListenStmt" => "LISTEN",
        "UnlistenStmt" => "UNLISTEN",
        "NotifyStmt" => "NOTIFY",
        "LoadStmt" => "LOAD",
        "CheckPointStmt" => "CHECKPOINT",
        "CommentStmt" => "COMMENT",
        "SecLabelStmt" => "SECURITY",
        "ReindexStmt" => "REINDEX",
        "ClusterStmt" => "CLUSTER",
        "RefreshMatViewStmt" => "REFRESH",
        "VacuumStmt" => {
            if flag(fields, "is_vacuumcmd") {
                "VACUUM"
            } else {
                "ANALYZE"
            }
        }
        "VariableShowStmt" => "SHOW",
        "DiscardStmt" => "DISCARD",
        "ImportForeignSchemaStmt" => "IMPORT",
        "ReassignOwnedStmt" => "REASSIGN",
        "GrantStmt" | "GrantRoleStmt" => {
            if flag(fields, "is_grant") {
                "GRANT"
            } else {
                "REVOKE"
            }
        }
        "ConstraintsSetStmt" => "SET",
        "ViewStmt" | "IndexStmt" | "RuleStmt" | "DefineStmt" | "CompositeTypeStmt" | "CreatedbStmt" => {
            "CREATE"
        }
        "RenameStmt" | "AddRoleMembersStmt" => "ALTER",
        "DropdbStmt" => "DROP",
        kind if kind.starts_with("Create") => "CREATE",
        kind if kind.starts_with("Alter") => "ALTER",
        kind if kind.starts_with("Drop") => "DROP",
        _ => "",
    }
}
