//! A cases file's schema as a catalog. OIDs are made up: what counts is what stands on what.

use std::collections::HashMap;

use crate::Oid;
use crate::catalog::{Catalog, Column, Function, Relation, RelationKind, TypeKind, Volatility};
use crate::document::{Fields, Node, Reader, Value};
use crate::lineage::ColumnRef;

/// The first OID that is not PostgreSQL's own (`FirstNormalObjectId`, src/include/access/transam.h).
const FIRST_OWN: Oid = 16_384;
/// `text`.
const TEXT: Oid = 25;
/// The kinds of relations by their keys.
const KINDS: [(&str, RelationKind); 5] = [
    ("table", RelationKind::Table),
    ("view", RelationKind::View),
    ("materialized view", RelationKind::MaterializedView),
    ("foreign table", RelationKind::ForeignTable),
    ("sequence", RelationKind::Sequence),
];
const TYPES: [(&str, TypeKind); 3] =
    [("enum", TypeKind::Enum), ("domain", TypeKind::Domain), ("composite", TypeKind::Composite)];

/// Numbers for objects, below [`FIRST_OWN`] for those of PostgreSQL's own schemas.
struct Oids {
    system: Oid,
    own: Oid,
}

impl Oids {
    const fn next(&mut self, schema: &str) -> Oid {
        let next = match schema.as_bytes() {
            b"pg_catalog" | b"information_schema" => &mut self.system,
            _ => &mut self.own,
        };
        *next += 1;
        *next
    }
}

pub(super) fn catalog(reader: &mut Reader, fields: &Fields<'_>) -> Catalog {
    let mut oids = Oids { system: 10_000, own: FIRST_OWN };
    let mut relations: Vec<Relation> = Vec::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    if let Some(node) = fields.get("schema") {
        for (name, (key, value)) in reader.entries(node, "`schema`").unwrap_or_default() {
            let Some((schema, table)) = dotted(reader, key, name) else { continue };
            let oid = oids.next(schema);
            if let Some(relation) = relation(reader, value, oid, (schema, table), (&names, &relations)) {
                names.insert(name.to_owned(), relations.len());
                relations.push(relation);
            }
        }
    }
    let mut functions = Vec::new();
    for (key, procedure) in [("functions", false), ("procedures", true)] {
        let items = fields.get(key).map(|node| reader.items(node)).unwrap_or_default();
        for node in items {
            let Some(text) = reader.text(node, "a function") else { continue };
            let Some((schema, name)) = dotted(reader, node, text) else { continue };
            functions.push(Function {
                oid: oids.next(schema),
                schema: schema.to_owned(),
                name: name.to_owned(),
                volatility: Volatility::Volatile,
                security_definer: false,
                language: "plpgsql".to_owned(),
                procedure,
                body: crate::catalog::Body::Foreign,
                config: Vec::new(),
            });
        }
    }
    let mut types = Vec::new();
    if let Some(node) = fields.get("types") {
        for (name, (key, value)) in reader.entries(node, "`types`").unwrap_or_default() {
            let kind = reader.word(value, "kind of type", &TYPES.map(|(word, _)| word));
            let kind = kind.and_then(|kind| TYPES.into_iter().find(|(word, _)| *word == kind));
            let name = dotted(reader, key, name);
            types.extend(name.zip(kind).map(|((s, n), (_, kind))| (s.to_owned(), n.to_owned(), kind)));
        }
    }
    let schemas = ["pg_catalog", "information_schema", "public"].map(str::to_owned);
    Catalog::new(1, schemas, relations, functions).with_types(types)
}

/// `schema.name`, taken literally.
fn dotted<'a>(reader: &mut Reader, node: &Node, text: &'a str) -> Option<(&'a str, &'a str)> {
    let parts = text.split_once('.').filter(|(schema, name)| !schema.is_empty() && !name.is_empty());
    if parts.is_none() {
        reader.error(node, format!("`{text}` names no schema"), "write it as `schema.name`");
    }
    parts
}

/// A list of columns for a table, or a map with the kind, its columns and what it stands on.
fn relation(
    reader: &mut Reader,
    node: &Node,
    oid: Oid,
    (schema, name): (&str, &str),
    (names, known): (&HashMap<String, usize>, &[Relation]),
) -> Option<Relation> {
    let mut kind = RelationKind::Table;
    let mut columns = node;
    let (mut bases, mut parents) = (Vec::new(), Vec::new());
    if matches!(node.value, Value::Map(_)) {
        let keys: Vec<&str> = KINDS.iter().map(|(word, _)| *word).chain(["of", "parents"]).collect();
        let fields = reader.fields(node, "a relation", &keys)?;
        let given = KINDS.iter().find_map(|(word, kind)| Some((*kind, fields.get(word)?)));
        let Some(given) = given else {
            reader.error(node, "the relation has no kind", "write `table: [columns]` or `view: [columns]`");
            return None;
        };
        (kind, columns) = given;
        let items = fields.get("of").map(|node| reader.items(node)).unwrap_or_default();
        for node in items {
            bases.extend(
                reader.text(node, "a base").and_then(|base| column(reader, node, base, names, known)),
            );
        }
        let items = fields.get("parents").map(|node| reader.items(node)).unwrap_or_default();
        for node in items {
            let parent =
                reader.text(node, "a parent").and_then(|parent| column(reader, node, parent, names, known));
            parents.extend(parent.map(|parent| parent.relation));
        }
    }
    let items = reader.items(columns);
    let texts = items.into_iter().filter_map(|node| reader.text(node, "a column"));
    let columns = (1..=i16::MAX).zip(texts.collect::<Vec<_>>());
    let columns = columns
        .map(|(attnum, name)| Column {
            attnum,
            name: name.to_owned(),
            type_oid: TEXT,
            generated: false,
            not_null: false,
        })
        .collect();
    Some(Relation { columns, bases, parents, ..Relation::bare(oid, schema, name, kind) })
}

/// `schema.table.column`, or `schema.table` for the whole row, of a relation further up.
fn column(
    reader: &mut Reader,
    node: &Node,
    text: &str,
    names: &HashMap<String, usize>,
    known: &[Relation],
) -> Option<ColumnRef> {
    let relation = |name: &str| names.get(name).and_then(|at| known.get(*at));
    if let Some(whole) = relation(text) {
        return Some(ColumnRef { relation: whole.oid, attnum: 0 });
    }
    let found = text.rsplit_once('.').and_then(|(table, column)| {
        let relation = relation(table)?;
        Some(ColumnRef { relation: relation.oid, attnum: relation.column(column)?.attnum })
    });
    if found.is_none() {
        reader.error(
            node,
            format!("there is no `{text}` so far"),
            "name a column or relation that stands further up",
        );
    }
    found
}
