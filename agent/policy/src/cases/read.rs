//! A cases file's meaning, from the tree of what was written.

use std::collections::BTreeMap;

use super::{Case, CaseFile, Masked, schema};
use crate::decision::Decision;
use crate::document::{self, Document, DocumentError, Fields, Node, Reader, Value};
use crate::principal::Principal;
use crate::window::Moment;

const FILE_KEYS: [&str; 10] = [
    "version",
    "resource",
    "database",
    "search_path",
    "schema",
    "functions",
    "procedures",
    "types",
    "principals",
    "cases",
];
const CASE_KEYS: [&str; 10] =
    ["name", "who", "at", "resource", "database", "statement", "statements", "expect", "rule", "masked"];
const PRINCIPAL_KEYS: [&str; 9] =
    ["user", "uid", "gid", "unit", "cgroup", "executable", "executable_sha256", "container", "claims"];

/// What a file is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// One without cases would try nothing.
    ForCases,
    ForSchema,
}

pub(super) fn file(document: &Document<'_>, asked: Asked) -> Result<CaseFile, Vec<DocumentError>> {
    let mut reader = Reader::new(document.name);
    let root = document::read(&mut reader, document.text);
    let file = root.and_then(|root| contents(&mut reader, &root, asked));
    reader.errors.sort_by_key(|error| (error.place.line, error.place.column));
    match file {
        Some(file) if reader.errors.is_empty() => Ok(file),
        _ => Err(reader.errors),
    }
}

/// What a case takes from its file.
struct Surroundings<'a> {
    resource: Option<&'a str>,
    database: Option<&'a str>,
    principals: BTreeMap<&'a str, Principal>,
}

fn contents(reader: &mut Reader, root: &Node, asked: Asked) -> Option<CaseFile> {
    let fields = reader.fields(root, "a cases file", &FILE_KEYS)?;
    reader.version(&fields);
    let mut search_path = vec!["pg_catalog".to_owned()];
    match fields.get("search_path") {
        Some(node) => {
            for node in reader.items(node) {
                search_path.extend(reader.text(node, "a schema").map(str::to_owned));
            }
        }
        None => search_path.push("public".to_owned()),
    }
    let mut principals = BTreeMap::new();
    if let Some(node) = fields.get("principals") {
        for (name, (_, value)) in reader.entries(node, "`principals`").unwrap_or_default() {
            principals.extend(principal(reader, value).map(|principal| (name, principal)));
        }
    }
    let around = Surroundings {
        resource: text(reader, &fields, "resource"),
        database: text(reader, &fields, "database"),
        principals,
    };
    let catalog = schema::catalog(reader, &fields);
    let mut cases = Vec::new();
    let listed = match asked {
        Asked::ForCases => reader.required(&fields, "cases", "write at least one"),
        Asked::ForSchema => fields.get("cases"),
    };
    for node in listed.map(|node| reader.items(node)).unwrap_or_default() {
        cases.extend(case(reader, node, &around).unwrap_or_default());
    }
    if let Some(node) = listed.filter(|node| asked == Asked::ForCases && reader.items(node).is_empty()) {
        reader.error(node, "`cases` is empty", "write at least one");
    }
    Some(CaseFile { catalog, search_path, cases })
}

fn text<'a>(reader: &mut Reader, fields: &Fields<'a>, key: &str) -> Option<&'a str> {
    fields.get(key).and_then(|node| reader.text(node, key))
}

/// One entry: as many cases as it has statements.
fn case(reader: &mut Reader, node: &Node, around: &Surroundings<'_>) -> Option<Vec<Case>> {
    let fields = reader.fields(node, "a case", &CASE_KEYS)?;
    let name = reader.required(&fields, "name", "say in a sentence what is expected");
    let name = name.and_then(|node| reader.line(node, "a case's name", 200));
    let who = reader.required(&fields, "who", "name a principal, or give its fields");
    let principal = who.and_then(|node| who_is(reader, node, around));
    let at = match fields.get("at") {
        None => Some(NOON),
        Some(node) => at(reader, node),
    };
    let resource = text(reader, &fields, "resource").or(around.resource);
    let database = text(reader, &fields, "database").or(around.database);
    if resource.is_none() || database.is_none() {
        reader.error(node, "it is not said where the case runs", "give `resource` and `database`");
    }
    let expect = reader.required(&fields, "expect", "write allow, deny or hold").and_then(|node| {
        let word = reader.word(node, "decision", &Decision::ALL.map(Decision::name))?;
        Decision::ALL.into_iter().find(|decision| decision.name() == word)
    });
    let rule = reader.required(&fields, "rule", "name the rule that decides, `default` if none");
    let rule = rule.and_then(|node| reader.name(node, "a rule's name"));
    let masked = fields.get("masked").and_then(|node| masked(reader, node));
    let statements = match (fields.get("statement"), fields.get("statements")) {
        (Some(one), None) => vec![one],
        (None, Some(list)) => reader.some_items(list, "statements"),
        _ => {
            reader.error(node, "a case has `statement` or `statements`", "give one of the two");
            Vec::new()
        }
    };
    let statements: Vec<(&Node, &str)> = statements
        .into_iter()
        .filter_map(|node| reader.text(node, "a statement").map(|text| (node, text)))
        .collect();
    let (name, principal, resource, database) = (name?, principal?, resource?, database?);
    let (expect, rule, at) = (expect?, rule?, at?);
    let cases = statements.into_iter().map(|(node, statement)| Case {
        name: name.to_owned(),
        place: reader.place(node),
        principal: principal.clone(),
        resource: resource.to_owned(),
        database: database.to_owned(),
        at,
        statement: statement.to_owned(),
        expect,
        rule: rule.to_owned(),
        masked: masked.clone(),
    });
    Some(cases.collect())
}

/// Monday, 2026-03-02, at noon UTC: a time in a week's work, the same whenever the cases are run.
const NOON: Moment = Moment::from_micros(1_772_452_800_000_000);

fn at(reader: &mut Reader, node: &Node) -> Option<Moment> {
    let at = reader.text(node, "a time")?.parse().ok();
    if at.is_none() {
        reader.error(node, "this is no time with an offset", "write it as `2026-03-02T09:30:00Z`");
    }
    at
}

/// `every`, or a list of positions.
fn masked(reader: &mut Reader, node: &Node) -> Option<Masked> {
    if node.value == Value::Text("every".to_owned()) {
        return Some(Masked::Every);
    }
    let columns = reader.items(node);
    let columns = columns.into_iter().filter_map(|node| reader.number(node, "a column's position"));
    Some(Masked::Columns(columns.filter_map(|column| usize::try_from(column).ok()).collect()))
}

fn who_is(reader: &mut Reader, node: &Node, around: &Surroundings<'_>) -> Option<Principal> {
    let Value::Text(name) = &node.value else { return principal(reader, node) };
    let found = around.principals.get(name.as_str()).cloned();
    if found.is_none() {
        let known: Vec<&str> = around.principals.keys().copied().collect();
        reader.unknown_word(node, "principal", name, &known);
    }
    found
}

/// A principal's fields. What is not given is a plain process's; `null` says that it is not known.
fn principal(reader: &mut Reader, node: &Node) -> Option<Principal> {
    let fields = reader.fields(node, "a principal", &PRINCIPAL_KEYS)?;
    let mut optional = |key: &str, plain: Option<String>| match fields.get(key) {
        None => plain,
        Some(Node { value: Value::Null, .. }) => None,
        Some(node) => reader.text(node, key).map(str::to_owned),
    };
    let plain = Principal::plain();
    let user = optional("user", plain.user);
    let unit = optional("unit", plain.unit);
    let cgroup = optional("cgroup", plain.cgroup);
    let executable = optional("executable", plain.executable);
    let container = optional("container", plain.container);
    let executable_sha256 = match fields.get("executable_sha256") {
        None => plain.executable_sha256,
        Some(Node { value: Value::Null, .. }) => None,
        Some(node) => Some(reader.digest(node, "executable_sha256")?),
    };
    let mut id = |key, plain| fields.get(key).map_or(Some(plain), |node| reader.number(node, key));
    let (uid, gid) = (id("uid", plain.uid), id("gid", plain.gid));
    let mut claims = BTreeMap::new();
    if let Some(node) = fields.get("claims") {
        for (claim, (_, value)) in reader.entries(node, "`claims`").unwrap_or_default() {
            let values = reader.some_items(value, claim);
            let values = values.into_iter().filter_map(|value| reader.text(value, claim).map(str::to_owned));
            let values: Vec<String> = values.collect();
            claims.insert(claim.to_owned(), values);
        }
    }
    let (uid, gid) = (uid?, gid?);
    Some(Principal {
        uid,
        gid,
        user,
        unit,
        cgroup,
        executable,
        executable_sha256,
        container,
        claims,
        ..Principal::default()
    })
}
