//! A small database, and how cases look at it.

use policy::catalog::{Calls, Changes, Lookup, Probe, TypeKind};
use policy::{
    Catalog, Column, ColumnRef, Function, Lineage, Oid, Output, Relation, RelationKind, Verb, Volatility,
};

use crate::{Analysis, Limits, SearchPath, Settings, analyse};

pub(super) const CUSTOMERS: Oid = 100;
pub(super) const ORDERS: Oid = 101;
pub(super) const SECRET: Oid = 102;
pub(super) const T: Oid = 103;
pub(super) const CUSTOMERS_VIEW: Oid = 110;
pub(super) const EVENTS: Oid = 120;
pub(super) const EVENTS_2024: Oid = 121;
pub(super) const PG_CLASS: Oid = 1259;

/// `int4`, `numeric`, `text[]`, and `text` for the rest.
fn type_of(column: &str) -> Oid {
    match column {
        "id" | "customer_id" => 23,
        "total" => 1700,
        "owner" => 1009,
        _ => 25,
    }
}

pub(super) fn relation(oid: Oid, schema: &str, name: &str, kind: RelationKind, columns: &[&str]) -> Relation {
    Relation {
        columns: columns
            .iter()
            .zip(1..)
            .map(|(name, attnum)| Column {
                attnum,
                name: (*name).to_owned(),
                type_oid: type_of(name),
                generated: false,
                not_null: *name == "id",
            })
            .collect(),
        ..Relation::bare(oid, schema, name, kind)
    }
}

fn function(oid: Oid, schema: &str, name: &str, volatility: Volatility) -> Function {
    Function {
        oid,
        schema: schema.to_owned(),
        name: name.to_owned(),
        volatility,
        security_definer: false,
        language: "plpgsql".to_owned(),
        procedure: false,
        body: policy::catalog::Body::Foreign,
        config: Vec::new(),
    }
}

pub(super) fn catalog() -> Catalog {
    use RelationKind::{PartitionedTable, Table, View};
    let customers = relation(CUSTOMERS, "public", "customers", Table, &["id", "name", "ssn"]);
    let orders = relation(ORDERS, "public", "orders", Table, &["id", "customer_id", "total"]);
    let secret = relation(SECRET, "public", "secret", Table, &["pw", "owner"]);
    let t = relation(T, "public", "t", Table, &["a", "b"]);
    let mut view = relation(CUSTOMERS_VIEW, "public", "customers_view", View, &["id", "label"]);
    view.bases =
        vec![ColumnRef { relation: CUSTOMERS, attnum: 1 }, ColumnRef { relation: CUSTOMERS, attnum: 3 }];
    let events = relation(EVENTS, "public", "events", PartitionedTable, &["at", "body"]);
    let mut events_2024 = relation(EVENTS_2024, "public", "events_2024", Table, &["at", "body"]);
    events_2024.parents = vec![EVENTS];
    let mut ruled = relation(130, "public", "ruled", Table, &["a"]);
    ruled.has_rules = true;
    let mut over_ruled = relation(132, "public", "over_ruled", View, &["a"]);
    over_ruled.bases = vec![ColumnRef { relation: 130, attnum: 1 }];
    let only = relation(131, "public", "only", Table, &["a"]);
    let mut pg_class =
        relation(PG_CLASS, "pg_catalog", "pg_class", Table, &["oid", "relname", "relnamespace"]);
    pg_class.columns.extend(
        ["relkind", "reltablespace", "relhasindex", "relam", "relowner", "relchecks", "relhasrules"]
            .iter()
            .zip(4..)
            .map(|(name, attnum)| Column {
                attnum,
                name: (*name).to_owned(),
                type_oid: 18,
                generated: false,
                not_null: false,
            }),
    );
    let pg_namespace = relation(2615, "pg_catalog", "pg_namespace", Table, &["oid", "nspname", "nspowner"]);
    let pg_attribute =
        relation(1249, "pg_catalog", "pg_attribute", Table, &["attrelid", "attname", "atttypid", "attnum"]);
    let pg_am = relation(2601, "pg_catalog", "pg_am", Table, &["oid", "amname"]);
    let pg_settings = relation(12_100, "pg_catalog", "pg_settings", View, &["name", "setting"]);
    let sequence = relation(141, "public", "s", RelationKind::Sequence, &["last_value"]);
    let mut keyed = relation(150, "public", "keyed", Table, &["id", "mail", "ssn", "note", "until"]);
    let probe = |by, columns: &[i16]| Probe { by, columns: columns.to_vec() };
    keyed.writes.probes = vec![
        probe(Lookup::Key, &[1]),
        probe(Lookup::Key, &[1, 2]),
        probe(Lookup::Exclusion, &[3]),
        probe(Lookup::Check, &[4, 5]),
    ];
    let mut index = relation(151, "public", "customers_by_ssn", RelationKind::Index, &[]);
    index.table = Some(CUSTOMERS);
    let other = relation(140, "other", "notes", Table, &["id", "body"]);
    Catalog::new(
        1,
        ["public", "pg_catalog", "other"].map(str::to_owned),
        [
            customers,
            orders,
            secret,
            t,
            view,
            events,
            events_2024,
            ruled,
            over_ruled,
            only,
            pg_class,
            pg_namespace,
            pg_attribute,
            pg_am,
            pg_settings,
            other,
            sequence,
            keyed,
            index,
        ],
        [
            function(500, "public", "audit", Volatility::Volatile),
            function(501, "public", "tidy", Volatility::Immutable),
            function(515, "public", "hash", Volatility::Volatile),
            function(516, "public", "list", Volatility::Volatile),
            function(519, "pg_catalog", "ts_stat", Volatility::Volatile),
            function(520, "pg_catalog", "ts_rewrite", Volatility::Volatile),
            function(521, "pg_catalog", "table_to_xml", Volatility::Stable),
            function(522, "pg_catalog", "schema_to_xml", Volatility::Stable),
            function(523, "pg_catalog", "query_to_xml", Volatility::Volatile),
            function(517, "pg_catalog", "set_config", Volatility::Volatile),
            function(518, "pg_catalog", "eqsel", Volatility::Stable),
            function(524, "pg_catalog", "upper", Volatility::Immutable),
            function(502, "pg_catalog", "pg_read_file", Volatility::Volatile),
            function(503, "pg_catalog", "lower", Volatility::Immutable),
            function(504, "other", "lower", Volatility::Immutable),
            function(505, "public", "substring", Volatility::Volatile),
        ],
    )
    .with_types([
        ("public".to_owned(), "mood".to_owned(), TypeKind::Enum),
        ("public".to_owned(), "email".to_owned(), TypeKind::Domain),
        ("public".to_owned(), "zip".to_owned(), TypeKind::Domain),
        ("public".to_owned(), "address".to_owned(), TypeKind::Composite),
        ("public".to_owned(), "citext".to_owned(), TypeKind::Base),
        ("public".to_owned(), "is".to_owned(), TypeKind::Base),
        ("public".to_owned(), "isnull".to_owned(), TypeKind::Base),
    ])
    // What `email` checks, a function in C does, of which nothing else is told.
    .changed(
        1,
        Changes {
            calls: Some(Calls {
                types: [("email".to_owned(), vec![("public".to_owned(), 524)])].into(),
                ..Calls::default()
            }),
            ..Changes::default()
        },
    )
}

pub(super) fn settings() -> Settings {
    Settings {
        standard_conforming_strings: true,
        utf8: true,
        search_path: SearchPath::listed(vec!["pg_catalog".to_owned(), "public".to_owned()]),
        reach: Some(std::sync::Arc::new(crate::Reach {
            role: "app".to_owned(),
            schemas: ["pg_catalog", "public", "other"].map(str::to_owned).to_vec(),
        })),
        unsettled: false,
    }
}

pub(super) fn read(text: &str) -> Analysis {
    analyse(text.as_bytes(), &settings(), &catalog(), &Limits::default())
}

/// All actions of a text, one line for each statement, `*` before those that are implied.
pub(super) fn actions(text: &str) -> String {
    let lines: Vec<String> = read(text)
        .statements
        .iter()
        .map(|statement| {
            let actions: Vec<String> = statement
                .actions
                .iter()
                .map(|action| format!("{}{action}", if action.implied { "*" } else { "" }))
                .collect();
            actions.join(", ")
        })
        .collect();
    lines.join("; ")
}

/// The details of a text's actions on relations, one line for each: columns (`?` for any), whether a condition is there,
/// and the limit.
pub(super) fn details(text: &str) -> String {
    let told = |action: &policy::Action| {
        let detail = &action.detail;
        let columns = detail.columns.as_ref().map_or("?".to_owned(), |columns| columns.join("+"));
        let condition = match detail.condition {
            None => "",
            Some(true) => " where",
            Some(false) => " all",
        };
        let limit = detail.limit.map_or(String::new(), |limit| format!(" limit {limit}"));
        format!("{} {} ({columns}){condition}{limit}", action.verb, action.object.name)
    };
    let actions: Vec<_> = read(text).statements.into_iter().flat_map(|statement| statement.actions).collect();
    let on_relation = |a: &&policy::Action| a.object.kind == policy::ObjectKind::Relation;
    actions.iter().filter(on_relation).map(told).collect::<Vec<_>>().join(", ")
}

pub(super) fn is_opaque(text: &str) -> bool {
    read(text).statements.iter().any(|s| s.actions.iter().any(|a| a.verb == Verb::Opaque))
}

/// The output of the last statement: columns as `relation.attnum`, behind `=` where the value is the column's own, `?` for
/// what is not known.
pub(super) fn output(text: &str) -> String {
    let analysis = read(text);
    let Some(statement) = analysis.statements.last() else { return String::new() };
    match &statement.output {
        Output::None => "none".to_owned(),
        Output::Columns(columns) => columns.iter().map(lineage).collect::<Vec<_>>().join(" "),
        Output::Within(columns) => format!("within {}", refs(columns)),
        Output::Inherited(name) => format!("inherited {name}"),
        Output::Unknown => "unknown".to_owned(),
    }
}

/// What decides about the rows of a text's only statement.
pub(super) fn steers(text: &str) -> String {
    lineage(&read(text).statements.remove(0).steers)
}

/// What a text's last statement stores.
pub(super) fn written(text: &str) -> String {
    lineage(&read(text).statements.pop().expect("a statement").written)
}

fn lineage(lineage: &Lineage) -> String {
    match lineage {
        Lineage::Derived(columns) if columns.is_empty() => "-".to_owned(),
        Lineage::Derived(columns) => refs(columns),
        Lineage::Exact(columns) => format!("={}", refs(columns)),
        Lineage::Unknown => "?".to_owned(),
    }
}

fn refs(columns: &[ColumnRef]) -> String {
    columns.iter().map(|c| format!("{}.{}", c.relation, c.attnum)).collect::<Vec<_>>().join("+")
}
