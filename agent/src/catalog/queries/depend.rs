//! What stands on what, by `pg_depend`.

/// The sequences that belong to a column: (sequence, relation, attnum).
pub(in crate::catalog) const OWNED: &str = "\
    SELECT d.objid, d.refobjid, d.refobjsubid::int2 \
    FROM pg_catalog.pg_sequence s \
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.seqrelid \
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')";

/// The rows of `pg_depend` that tell what stands on users' objects which are no relations, and on relations what the catalog
/// does not tell otherwise, as a default of a column or a domain on a sequence, or a sequence on its column. What is in a schema, the array of a type and a
/// row's type are known without them.
pub(super) const STANDS: &str = "WHERE (refobjid >= 16384 AND refclassid IN ( \
       'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass, \
       'pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass, \
       'pg_catalog.pg_opclass'::pg_catalog.regclass, 'pg_catalog.pg_opfamily'::pg_catalog.regclass, \
       'pg_catalog.pg_collation'::pg_catalog.regclass, 'pg_catalog.pg_am'::pg_catalog.regclass, \
       'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, \
       'pg_catalog.pg_foreign_server'::pg_catalog.regclass, 'pg_catalog.pg_ts_config'::pg_catalog.regclass, \
       'pg_catalog.pg_ts_dict'::pg_catalog.regclass, 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, \
       'pg_catalog.pg_ts_template'::pg_catalog.regclass, 'pg_catalog.pg_transform'::pg_catalog.regclass) \
     OR refclassid IN ('pg_catalog.pg_language'::pg_catalog.regclass, \
                       'pg_catalog.pg_extension'::pg_catalog.regclass) \
     OR refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
        AND (classid IN ('pg_catalog.pg_policy'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass) \
             OR classid IN ('pg_catalog.pg_attrdef'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass) \
                AND deptype = 'n' \
             OR classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND deptype IN ('a', 'i') \
                AND objid IN (SELECT seqrelid FROM pg_catalog.pg_sequence))) \
  AND NOT (refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
           AND classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass, \
                           'pg_catalog.pg_type'::pg_catalog.regclass)) \
  AND NOT (refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND deptype = 'i' \
           AND classid IN ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass))";

/// Objects that are no relations: the system catalog, the class, and what the schema and the name are.
const THINGS: [(&str, &str, &str, &str); 21] = [
    ("pg_proc", "'function'", "pronamespace", "proname"),
    ("pg_type", "CASE x.typtype WHEN 'd' THEN 'domain' ELSE 'type' END", "typnamespace", "typname"),
    ("pg_namespace", "'schema'", "", "nspname"),
    ("pg_extension", "'extension'", "", "extname"),
    ("pg_language", "'language'", "", "lanname"),
    ("pg_operator", "'operator'", "oprnamespace", "oprname"),
    ("pg_opclass", "'operator class'", "opcnamespace", "opcname"),
    ("pg_opfamily", "'operator family'", "opfnamespace", "opfname"),
    ("pg_collation", "'collation'", "collnamespace", "collname"),
    ("pg_conversion", "'conversion'", "connamespace", "conname"),
    ("pg_am", "'access method'", "", "amname"),
    ("pg_foreign_data_wrapper", "'foreign data wrapper'", "", "fdwname"),
    ("pg_foreign_server", "'server'", "", "srvname"),
    ("pg_ts_config", "'text search configuration'", "cfgnamespace", "cfgname"),
    ("pg_ts_dict", "'text search dictionary'", "dictnamespace", "dictname"),
    ("pg_ts_parser", "'text search parser'", "prsnamespace", "prsname"),
    ("pg_ts_template", "'text search template'", "tmplnamespace", "tmplname"),
    ("pg_statistic_ext", "'statistics'", "stxnamespace", "stxname"),
    ("pg_event_trigger", "'event trigger'", "", "evtname"),
    ("pg_cast", "'cast'", "", ""),
    ("pg_transform", "'transform'", "", ""),
];

/// Parts of relations: the system catalog, the class, the relation, which it is part of, and the name.
const PARTS: [(&str, &str, &str, &str); 4] = [
    ("pg_attrdef", "default", "adrelid", ""),
    ("pg_policy", "policy", "polrelid", "polname"),
    ("pg_trigger", "trigger", "tgrelid", "tgname"),
    ("pg_publication_rel", "publication", "prrelid", ""),
];

/// What stands on what: (relation, or 0; class, schema, name; kind, relation, class, schema, name). The kind of what stands
/// there is `r` for a relation, `p` for a part of one, `t` for another object, `q` for a part of that, and empty for what is not
/// known; nothing is said of what needs no word of its own.
///
/// Sequences that belong to a column are told by [`OWNED`]. On statistics stands their table, which has something less without them.
///
/// What is a part of something from within (a view's rule of the view, a trigger of its constraint, a member of an operator
/// class) takes that along when it goes, so that both are told.
pub(in crate::catalog) fn dependents() -> String {
    let class = |table: &str| format!("'pg_catalog.{table}'::pg_catalog.regclass");
    // Of each catalog only the rows that are asked for.
    let wanted =
        |table: &str| format!("WHERE x.oid IN (SELECT oid FROM wanted WHERE classid = {})", class(table));
    let mut named: Vec<String> = THINGS
        .iter()
        .map(|(table, word, schema, name)| {
            let (names, join) = match *schema {
                "" => ("''".to_owned(), String::new()),
                schema => (
                    "n.nspname::text".to_owned(),
                    format!("JOIN pg_catalog.pg_namespace n ON n.oid = x.{schema}"),
                ),
            };
            let name = if name.is_empty() { "''".to_owned() } else { format!("x.{name}::text") };
            // A row's type goes with its relation, as does the array of a type.
            let kind = match *table {
                "pg_type" => {
                    "CASE WHEN x.typrelid <> 0 AND (SELECT c.relkind FROM pg_catalog.pg_class c \
                          WHERE c.oid = x.typrelid) <> 'c' THEN 'n' ELSE 't' END"
                }
                _ => "'t'",
            };
            format!(
                "SELECT {}::oid AS classid, x.oid, {kind} AS kind, 0::oid AS relation, {word} AS class, \
                 {names} AS schema, {name} AS name FROM pg_catalog.{table} x {join} {}",
                class(table),
                wanted(table)
            )
        })
        .collect();
    named.extend(PARTS.iter().map(|(table, word, relation, name)| {
        let name = if name.is_empty() { "''".to_owned() } else { format!("x.{name}::text") };
        let kind =
            if *table == "pg_trigger" { "CASE WHEN x.tgisinternal THEN 'n' ELSE 'p' END" } else { "'p'" };
        format!(
            "SELECT {}, x.oid, {kind}, x.{relation}, '{word}', '', {name} FROM pg_catalog.{table} x {}",
            class(table),
            wanted(table)
        )
    }));
    named.extend([
        format!(
            "SELECT {}, x.oid, CASE WHEN x.rulename = '_RETURN' THEN 'r' ELSE 'p' END, x.ev_class, 'rule', '', \
             x.rulename::text FROM pg_catalog.pg_rewrite x {}",
            class("pg_rewrite"),
            wanted("pg_rewrite")
        ),
        format!(
            "SELECT {}, x.oid, CASE WHEN x.conrelid <> 0 THEN 'p' ELSE 'q' END, x.conrelid, \
             CASE WHEN x.conrelid <> 0 THEN 'constraint' ELSE 'domain' END, coalesce(n.nspname::text, ''), \
             coalesce(t.typname::text, '') FROM pg_catalog.pg_constraint x \
             LEFT JOIN pg_catalog.pg_type t ON t.oid = x.contypid \
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace {}",
            class("pg_constraint"),
            wanted("pg_constraint")
        ),
        format!(
            "SELECT {}, x.oid, CASE WHEN x.relkind IN ('i', 'I') THEN 'p' WHEN x.relkind = 't' THEN 'n' ELSE 'r' END, \
             coalesce(i.indrelid, x.oid), 'index', '', '' FROM pg_catalog.pg_class x \
             LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = x.oid {}",
            class("pg_class"),
            wanted("pg_class")
        ),
        // Privileges that are granted by themselves, and what a publication takes of a schema.
        format!(
            "SELECT {}, x.oid, 'n', 0, '', '', '' FROM pg_catalog.pg_default_acl x",
            class("pg_default_acl")
        ),
    ]);
    for (table, family) in [("pg_amop", "amopfamily"), ("pg_amproc", "amprocfamily")] {
        named.push(format!(
            "SELECT {}, x.oid, 'q', 0, 'operator family', n.nspname::text, f.opfname::text \
             FROM pg_catalog.{table} x JOIN pg_catalog.pg_opfamily f ON f.oid = x.{family} \
             JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace {}",
            class(table),
            wanted(table)
        ));
    }
    format!(
        "WITH inside AS ( \
           SELECT t.oid, e.oid AS base FROM pg_catalog.pg_type e JOIN pg_catalog.pg_type t ON t.oid = e.typarray \
           WHERE t.oid >= 16384 \
           UNION ALL SELECT (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid, r.rngtypid \
           FROM pg_catalog.pg_range r WHERE r.rngtypid >= 16384), \
         direct AS MATERIALIZED ( \
           SELECT d.refclassid, coalesce(b.base, a.base, d.refobjid) AS refobjid, d.classid, d.objid, d.objsubid \
           FROM (SELECT * FROM pg_catalog.pg_depend {STANDS}) d \
           LEFT JOIN inside a ON a.oid = d.refobjid AND d.refclassid = {types} \
           LEFT JOIN inside b ON b.oid = a.base \
           WHERE NOT (d.refclassid = {relations} AND d.classid = {relations})), \
         edges AS MATERIALIZED ( \
           SELECT * FROM direct \
           UNION SELECT e.refclassid, e.refobjid, o.refclassid, o.refobjid, o.refobjsubid \
           FROM direct e JOIN pg_catalog.pg_depend o \
             ON o.classid = e.classid AND o.objid = e.objid AND o.objsubid = e.objsubid AND o.deptype = 'i'), \
         wanted AS MATERIALIZED ( \
           SELECT refclassid AS classid, refobjid AS oid FROM edges UNION SELECT classid, objid FROM edges), \
         named AS MATERIALIZED ({named}) \
         SELECT DISTINCT * FROM ( \
           SELECT b.relation AS base, CASE WHEN b.relation = 0 THEN b.class ELSE '' END, \
                  CASE WHEN b.relation = 0 THEN b.schema ELSE '' END, \
                  CASE WHEN b.relation = 0 THEN b.name ELSE '' END, \
                  CASE WHEN e.is_column THEN 'p' ELSE coalesce(d.kind, '') END AS kind, \
                  CASE WHEN e.is_column THEN e.objid ELSE coalesce(d.relation, 0::pg_catalog.oid) END AS relation, \
                  CASE WHEN e.is_column THEN 'column' ELSE coalesce(d.class, '') END, \
                  coalesce(d.schema, ''), coalesce(d.name, '') \
           FROM (SELECT *, classid = {relations} AND objsubid <> 0 AS is_column FROM edges) e \
           JOIN named b ON b.classid = e.refclassid AND b.oid = e.refobjid \
           LEFT JOIN named d ON d.classid = e.classid AND d.oid = e.objid AND NOT e.is_column \
           WHERE (b.classid, b.oid) <> (e.classid, e.objid) \
             AND NOT (d.classid IS NULL AND e.classid IN ( \
                      {mappings}, \
                      coalesce(pg_catalog.to_regclass('pg_catalog.pg_publication_namespace')::pg_catalog.oid, 0)))) x \
         WHERE kind <> 'n' AND NOT (base <> 0 AND kind = 'p' AND relation = base) \
         UNION ALL SELECT 0::pg_catalog.oid, 'statistics', n.nspname::text, x.stxname::text, 'p', x.stxrelid, \
                          'statistics', '', '' \
         FROM pg_catalog.pg_statistic_ext x JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace",
        relations = class("pg_class"),
        types = class("pg_type"),
        // Not everyone may read them, and they are nobody's but their server's.
        mappings = class("pg_user_mapping"),
        named = named.join(" UNION ALL "),
    )
}
