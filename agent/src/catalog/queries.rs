//! The queries that read a database's system catalogs, the same for PostgreSQL 13 to 18.
//!
//! Every name is qualified; the search path is set to `pg_catalog` first, so that operators are the server's
//! own too (PostgreSQL manual, part VII, "System Catalogs"). Those that read content take one parameter: the OIDs of the
//! relations, functions or types that are wanted, or NULL for all.

mod depend;

pub(super) use depend::{OWNED, dependents};

/// Session settings before anything else; `{}` is the statement timeout in seconds.
pub(super) const SETTINGS: &str = "SET search_path = pg_catalog; \
     SET statement_timeout = '{}s'; \
     SET lock_timeout = '{}s'; \
     SET idle_in_transaction_session_timeout = '60s'; \
     SET default_transaction_read_only = on; \
     SET work_mem = '16MB'; SET max_parallel_workers_per_gather = 0; \
     SET jit = off";

/// One row: which server this is and which database, which transactions a look sees (NULL on a standby, whose answer leaves
/// out those that have not ended), and when it read its configuration.
///
/// A server says of itself when it was started, to the microsecond: one that was put in its place, from a backup or an
/// empty folder, may have given the same numbers to other transactions.
pub(super) const STATE: &str = "\
    SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::text, \
           (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), \
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL \
                ELSE pg_catalog.pg_current_snapshot()::text END, \
           pg_catalog.date_part('epoch', pg_catalog.pg_conf_load_time())::text";

/// For each system catalog that matters and each span of OIDs that its rows belong to: (catalog, span, rows, versions).
///
/// Where a row's version lies and which transaction wrote it (`ctid`, `xmin`) tell the version from all others that were
/// or will be seen, until transaction numbers wrap around: what is updated is written anew elsewhere, and a place is used
/// again only by a later transaction. What is written in place (statistics, `relhasindex`) is not read. So the sum over
/// a hash of both, with `$1` as salt, tells two contents apart, in whatever order transactions end: a largest number
/// would not, because one that began earlier may end later. Of `pg_depend` only what [`dependents`] and [`OWNED`] read is among them:
/// what a rule, a default, a check, a policy or an index depends on is written anew with its own row, and what a partition key
/// does with the table's. A range's row comes and goes with its type's.
pub(super) fn marks() -> String {
    let one = |(table, owner, condition): &(&str, &str, &str)| {
        let span = if owner.is_empty() { "0".to_owned() } else { format!("{owner}::int8 >> {SPAN_BITS}") };
        format!(
            "SELECT '{table}', {span}, count(*), sum(hashtidextended(ctid, xmin::text::int8 # $1))::text \
             FROM pg_catalog.{table} {condition} {}",
            if owner.is_empty() { "" } else { "GROUP BY 2" }
        )
    };
    MARKED.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ")
}

/// As many bits of an OID are not in its span's number.
pub(super) const SPAN_BITS: u32 = 6;

/// The system catalogs that [`marks`] tells of: the column with the OID that a row belongs to, if spans are told apart, and
/// which rows matter.
const MARKED: [(&str, &str, &str); 20] = [
    ("pg_class", "oid", ""),
    ("pg_attribute", "attrelid", "WHERE attnum > 0"),
    ("pg_rewrite", "ev_class", ""),
    ("pg_trigger", "tgrelid", "WHERE NOT tgisinternal"),
    ("pg_inherits", "inhrelid", ""),
    ("pg_policy", "polrelid", ""),
    ("pg_proc", "oid", ""),
    ("pg_type", "oid", ""),
    ("pg_namespace", "", ""),
    ("pg_language", "", ""),
    ("pg_operator", "", ""),
    ("pg_cast", "", ""),
    ("pg_attrdef", "", ""),
    ("pg_constraint", "conrelid", ""),
    ("pg_index", "indrelid", ""),
    ("pg_statistic_ext", "", ""),
    ("pg_amproc", "", ""),
    ("pg_event_trigger", "", ""),
    ("pg_auth_members", "", ""),
    ("pg_depend", "", depend::STANDS),
];

/// All schemas: (oid, nspname, what tells whether it is in a session's effective search path). That is its owner and
/// privileges, who is a member of whom, and when the server read its configuration: `search_path` may be another there, of
/// which no session is told before version 18.
pub(super) const SCHEMAS: &str = "\
    SELECT oid, nspname, pg_catalog.concat_ws(' ', nspowner, nspacl, ( \
        SELECT pg_catalog.sum(pg_catalog.hashtextextended(m::text, 0)) FROM pg_catalog.pg_auth_members m), \
        pg_catalog.date_part('epoch', pg_catalog.pg_conf_load_time())) \
    FROM pg_catalog.pg_namespace";

/// All languages: (oid, lanname).
pub(super) const LANGUAGES: &str = "SELECT oid, lanname FROM pg_catalog.pg_language";

/// Relations outside TOAST's schemas, without what [`WRITES`] tells: (oid, nspname, relname, relkind, has_rules,
/// has_triggers, indrelid, policies_look_beyond). What a policy for rows rests on that users made `pg_depend` tells; the row's own
/// type and columns, and types whose values nothing checks, are none of it.
pub(super) const RELATIONS: &str = "\
    SELECT c.oid, n.nspname, c.relname, c.relkind, \
           EXISTS (SELECT FROM pg_catalog.pg_rewrite r \
                   WHERE r.ev_class = c.oid AND r.ev_type <> '1') AS has_rules, \
           EXISTS (SELECT FROM pg_catalog.pg_trigger t \
                   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS has_triggers, \
           i.indrelid, \
           EXISTS (SELECT FROM pg_catalog.pg_policy y \
                   JOIN pg_catalog.pg_depend d \
                     ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = y.oid \
                   LEFT JOIN pg_catalog.pg_type t \
                     ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.refobjid \
                   WHERE y.polrelid = c.oid \
                     AND CASE d.refclassid WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN d.refobjid <> c.oid \
                                           WHEN 'pg_catalog.pg_type'::pg_catalog.regclass \
                                             THEN t.typtype NOT IN ('b', 'e') AND t.typrelid <> c.oid \
                                           ELSE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, \
                                                                 'pg_catalog.pg_operator'::pg_catalog.regclass) END) \
             AS policies_look_beyond \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
    WHERE n.nspname !~ '^pg_toast' AND ($1 IS NULL OR c.oid = ANY ($1))";

/// The columns of those that have rows: (attrelid, attnum[], attname[], atttypid[], generated[], attnotnull[]), a row for each
/// relation: one for each column costs more to carry than to find.
pub(super) const COLUMNS: &str = "\
    SELECT a.attrelid, pg_catalog.array_agg(a.attnum), pg_catalog.array_agg(a.attname), \
           pg_catalog.array_agg(a.atttypid), pg_catalog.array_agg(a.attgenerated <> ''), \
           pg_catalog.array_agg(a.attnotnull) \
    FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') \
      AND ($1 IS NULL OR a.attrelid = ANY ($1)) \
    GROUP BY a.attrelid";

/// What views and rules stand on: (ev_class, relation, attnum).
///
/// `pg_depend` tells the columns, but not all of it: objects that initdb made are pinned and leave no row, and
/// a whole-row reference leaves none beside a reference to one of the columns (`SELECT id, to_json(c) FROM
/// customers c` depends on `id` alone). So the stored tree's range table adds the pinned relations, and every
/// relation of a tree in which some variable has no column number, as whole rows. Names in a tree have their
/// spaces and braces escaped (`outToken`), so that none can be taken for a field. A tree that calls `set_config` gives that
/// function's OID with -1 for a column.
pub(super) const BASES: &str = "\
    SELECT r.ev_class, d.refobjid, d.refobjsubid::int2 \
    FROM pg_catalog.pg_rewrite r \
    JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class \
      AND ($1 IS NULL OR r.ev_class = ANY ($1)) \
    UNION \
    SELECT t.ev_class, t.relid, 0::int2 \
    FROM (SELECT r.ev_class, \
                 r.variables <> r.numbered AS whole, \
                 pg_catalog.split_part(pg_catalog.left(field, 20), ' ', 1)::pg_catalog.oid AS relid \
          FROM (SELECT ev_class, \
                       pg_catalog.string_to_array(tree, ':relid ') AS fields, \
                       pg_catalog.cardinality(pg_catalog.string_to_array(tree, '{VAR ')) - 1 AS variables, \
                       pg_catalog.cardinality(pg_catalog.string_to_array(tree, ':varattno ')) \
                       - pg_catalog.cardinality(pg_catalog.string_to_array(tree, ':varattno 0 ')) AS numbered \
                FROM (SELECT ev_class, ev_action::text || ev_qual::text AS tree \
                      FROM pg_catalog.pg_rewrite \
                      WHERE $1 IS NULL OR ev_class = ANY ($1)) rule \
                OFFSET 0) r, \
               pg_catalog.unnest(r.fields[2:]) field) t \
    WHERE t.relid <> t.ev_class AND t.relid <> 0 AND (t.whole OR t.relid < 16384) \
    UNION \
    SELECT ev_class, 2078, -1::int2 FROM pg_catalog.pg_rewrite \
    WHERE pg_catalog.strpos(ev_action::text, ':funcid 2078 ') > 0 AND ($1 IS NULL OR ev_class = ANY ($1)) \
    ORDER BY 1, 2, 3";

/// The trees of users' views, if they are not too long: (ev_class, ev_action).
pub(super) const VIEWS: &str = "\
    SELECT ev_class, ev_action::text FROM pg_catalog.pg_rewrite \
    WHERE ev_type = '1' AND is_instead AND ev_class >= 16384 AND ev_qual::text = '<>' \
      AND pg_catalog.octet_length(ev_action::text) <= 65536 AND ($1 IS NULL OR ev_class = ANY ($1))";

/// The functions that views and rules call, by name or by an operator: (ev_class, pg_proc.oid). Pinned ones,
/// which initdb made, leave no row in `pg_depend`: of users' views the stored tree tells them. `set_config` stands for all that a policy
/// for rows may run unseen, a function that is not in C, a view, or another relation's policy.
pub(super) const VIEW_FUNCTIONS: &str = "\
    SELECT r.ev_class, d.refobjid \
    FROM pg_catalog.pg_rewrite r \
    JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
      AND ($1 IS NULL OR r.ev_class = ANY ($1)) \
    UNION \
    SELECT r.ev_class, o.oprcode::pg_catalog.oid \
    FROM pg_catalog.pg_rewrite r \
    JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
    JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid \
    WHERE d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oprcode <> 0 \
      AND ($1 IS NULL OR r.ev_class = ANY ($1)) \
    UNION \
    SELECT r.ev_class, pg_catalog.split_part(pg_catalog.left(field, 12), ' ', 1)::pg_catalog.oid \
    FROM pg_catalog.pg_rewrite r, \
         pg_catalog.unnest((pg_catalog.string_to_array(r.ev_action::text || r.ev_qual::text, ':funcid '))[2:]) field \
    WHERE r.ev_class >= 16384 AND ($1 IS NULL OR r.ev_class = ANY ($1)) \
    UNION \
    SELECT y.polrelid, 2078 FROM pg_catalog.pg_policy y \
    WHERE ($1 IS NULL OR y.polrelid = ANY ($1)) \
      AND (pg_catalog.strpos(coalesce(y.polqual::text, '') || coalesce(y.polwithcheck::text, ''), \
                             ':funcid 2078 ') > 0 \
           OR EXISTS (SELECT FROM pg_catalog.pg_depend d \
                      LEFT JOIN pg_catalog.pg_proc p \
                        ON p.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                      LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
                      LEFT JOIN pg_catalog.pg_class c \
                        ON c.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                      WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = y.oid \
                        AND (l.lanname NOT IN ('c', 'internal') \
                             OR c.oid <> y.polrelid AND (c.relkind = 'v' OR c.relrowsecurity)))) \
    ORDER BY 1, 2";

/// Inheritance and partitioning: (inhrelid, inhparent).
pub(super) const INHERITS: &str = "\
    SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits \
    WHERE $1 IS NULL OR inhrelid = ANY ($1) \
    ORDER BY inhrelid, inhseqno, inhparent";

/// Whether an operator, an order of values or a cast of a user's calls a function that is not in C: expressions call it
/// unseen. And whether an event trigger does, which runs with every DDL.
pub(super) const HIDDEN: &str = "\
    WITH f AS MATERIALIZED ( \
      SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
      WHERE l.lanname NOT IN ('c', 'internal')) \
    SELECT EXISTS (SELECT FROM f WHERE f.oid IN ( \
                     SELECT o.oprcode::pg_catalog.oid FROM pg_catalog.pg_operator o WHERE o.oid >= 16384 \
                     UNION ALL SELECT m.amproc::pg_catalog.oid FROM pg_catalog.pg_amproc m WHERE m.oid >= 16384 \
                     UNION ALL SELECT c.castfunc FROM pg_catalog.pg_cast c WHERE c.oid >= 16384)), \
           EXISTS (SELECT FROM f JOIN pg_catalog.pg_event_trigger e ON e.evtfoid = f.oid)";

/// Functions: (oid, nspname, proname, provolatile, prosecdef, lanname, prokind, body, proconfig, members). An aggregate
/// has no language: others' are run for it, which `members` tells. A body is told of users' functions in the languages
/// that are read, if it is not too long and all of them together are not: a job can make functions. The information schema's
/// are told as users' are: a superuser may replace them.
pub(super) const FUNCTIONS: &str = "\
    SELECT p.oid, n.nspname, p.proname, p.provolatile, p.prosecdef, \
           CASE p.prokind WHEN 'a' THEN '' ELSE l.lanname END, p.prokind, \
           CASE WHEN (p.oid >= 16384 OR n.nspname = 'information_schema') \
                     AND l.lanname IN ('sql', 'plpgsql') AND p.prokind <> 'a' \
                     AND pg_catalog.octet_length(p.prosrc) <= 65536 \
                     AND (SELECT coalesce(pg_catalog.sum(pg_catalog.octet_length(prosrc)), 0) FROM pg_catalog.pg_proc \
                          WHERE oid >= 16384) <= 67108864 THEN p.prosrc END, \
           p.proconfig, \
           CASE WHEN p.oid >= 16384 AND p.prokind = 'a' \
                THEN (SELECT pg_catalog.array_agg(DISTINCT f) \
                      FROM pg_catalog.pg_aggregate a, \
                           pg_catalog.unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, \
                             a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[]) f \
                      WHERE a.aggfnoid = p.oid AND f <> 0) END \
    FROM pg_catalog.pg_proc p \
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
    WHERE $1 IS NULL OR p.oid = ANY ($1)";

/// Functions whose bodies are stored as trees (since version 14): (oid, relations, functions, writes).
///
/// The tree is looked at as text: a function that prints it as SQL would lock what it names. `pg_depend` tells what users
/// made, the tree's fields what initdb made.
pub(super) const TREES: &str = "\
    SELECT p.oid, \
           ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend d \
                 WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid \
                   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                 UNION SELECT pg_catalog.split_part(pg_catalog.left(field, 20), ' ', 1)::pg_catalog.oid \
                 FROM pg_catalog.unnest((pg_catalog.string_to_array(p.tree, ':relid '))[2:]) field \
                 ORDER BY 1), \
           ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend d \
                 WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid \
                   AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                 UNION SELECT o.oprcode::pg_catalog.oid FROM pg_catalog.pg_depend d \
                 JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid \
                 WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid \
                   AND d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass \
                 UNION SELECT pg_catalog.split_part(pg_catalog.left(field, 20), ' ', 1)::pg_catalog.oid \
                 FROM pg_catalog.unnest((pg_catalog.string_to_array(p.tree, ':funcid '))[2:]) field \
                 ORDER BY 1), \
           p.tree ~ ':commandType [2-5]' \
    FROM (SELECT p.oid, pg_catalog.to_jsonb(p) ->> 'prosqlbody' AS tree FROM pg_catalog.pg_proc p \
          WHERE (p.oid >= 16384 OR p.pronamespace = 'information_schema'::pg_catalog.regnamespace) \
            AND p.prosrc = '' AND ($1 IS NULL OR p.oid = ANY ($1)) OFFSET 0) p \
    WHERE p.tree IS NOT NULL";

/// Triggers of users': (tgrelid, tgfoid, tgtype).
pub(super) const TRIGGERS: &str = "\
    SELECT tgrelid, tgfoid, tgtype FROM pg_catalog.pg_trigger \
    WHERE NOT tgisinternal AND ($1 IS NULL OR tgrelid = ANY ($1)) ORDER BY 1, 2, 3";

/// What a write to a relation is held against, of users' relations: (oid, kind, columns). Unique indexes (`u`) and those of
/// exclusion constraints (`x`), with the columns that their expressions and predicates read, and checks over more than one
/// column (`c`).
pub(super) const PROBES: &str = "\
    SELECT i.indrelid, CASE WHEN i.indisexclusion THEN 'x' ELSE 'u' END, k.columns \
    FROM pg_catalog.pg_index i, \
         LATERAL (SELECT pg_catalog.array_agg(attnum ORDER BY attnum) AS columns \
                  FROM (SELECT key.attnum \
                        FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY key (attnum, place) \
                        WHERE key.place <= i.indnkeyatts AND key.attnum > 0 \
                        UNION SELECT d.refobjsubid::int2 FROM pg_catalog.pg_depend d \
                        WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) \
                          AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid \
                          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                          AND d.refobjid = i.indrelid AND d.refobjsubid > 0) of_index) k \
    WHERE (i.indisunique OR i.indisexclusion) AND i.indrelid >= 16384 AND k.columns IS NOT NULL \
      AND ($1 IS NULL OR i.indrelid = ANY ($1)) \
    UNION ALL SELECT conrelid, 'c', conkey FROM pg_catalog.pg_constraint \
    WHERE contype = 'c' AND conrelid <> 0 AND pg_catalog.cardinality(conkey) > 1 \
      AND ($1 IS NULL OR conrelid = ANY ($1)) \
    ORDER BY 1, 2, 3";

/// What domains call, and the types that they are within, as `types`: (oid, func).
macro_rules! with_types {
    () => {
        "\
    WITH RECURSIVE watched AS MATERIALIZED ( \
      SELECT oid FROM pg_catalog.pg_proc \
      WHERE oid < 16384 AND (provolatile = 'v' OR proname ~ '_to_xml|^ts_(stat|rewrite)$') \
        AND proname NOT IN ('nextval', 'random', 'random_normal', 'clock_timestamp', 'timeofday', 'gen_random_uuid', \
                            'uuidv4', 'uuidv7')), \
    depends AS MATERIALIZED ( \
      SELECT d.classid, d.objid, p.oid AS func FROM pg_catalog.pg_depend d \
      JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid \
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
      WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
        AND d.classid IN ('pg_catalog.pg_attrdef'::pg_catalog.regclass, \
                          'pg_catalog.pg_constraint'::pg_catalog.regclass, \
                          'pg_catalog.pg_class'::pg_catalog.regclass, \
                          'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, \
                          'pg_catalog.pg_type'::pg_catalog.regclass) \
        AND l.lanname NOT IN ('c', 'internal')), \
    trees AS ( \
      SELECT false AS of_type, adrelid AS owner, adbin::text AS tree FROM pg_catalog.pg_attrdef \
      UNION ALL SELECT conrelid = 0, CASE WHEN conrelid <> 0 THEN conrelid ELSE contypid END, conbin::text \
      FROM pg_catalog.pg_constraint WHERE contype = 'c' \
      UNION ALL SELECT true, oid, typdefaultbin::text FROM pg_catalog.pg_type WHERE typdefaultbin IS NOT NULL), \
    pinned AS MATERIALIZED ( \
      SELECT DISTINCT t.of_type, t.owner, w.oid AS func \
      FROM (SELECT of_type, owner, pg_catalog.split_part(pg_catalog.left(field, 12), ' ', 1) AS field \
            FROM trees, pg_catalog.unnest((pg_catalog.string_to_array(tree, ':funcid '))[2:]) field) t \
      JOIN watched w ON w.oid::text = t.field), \
    domains AS MATERIALIZED ( \
      SELECT owner AS oid, func FROM pinned WHERE of_type \
      UNION SELECT k.contypid, d.func FROM depends d JOIN pg_catalog.pg_constraint k ON k.oid = d.objid \
      WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.contypid <> 0 \
      UNION SELECT d.objid, d.func FROM depends d JOIN pg_catalog.pg_type t ON t.oid = d.objid \
      WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.typtype = 'd'), \
    within AS ( \
      SELECT typbasetype AS inner_type, oid AS outer_type FROM pg_catalog.pg_type WHERE typbasetype <> 0 \
      UNION ALL SELECT typelem, oid FROM pg_catalog.pg_type WHERE typelem <> 0 \
      UNION ALL SELECT a.atttypid, c.reltype FROM pg_catalog.pg_attribute a \
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
      WHERE a.attnum > 0 AND NOT a.attisdropped AND c.reltype <> 0 \
      UNION ALL SELECT rngsubtype, rngtypid FROM pg_catalog.pg_range \
      UNION ALL SELECT rngtypid, (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid \
      FROM pg_catalog.pg_range r), \
    types AS ( \
      SELECT oid, func FROM domains \
      UNION SELECT w.outer_type, t.func FROM types t JOIN within w ON w.inner_type = t.oid \
      WHERE (SELECT EXISTS (SELECT FROM domains))) "
    };
}

/// What else a write to a relation runs: (oid, referencing, confdeltype, confupdtype, function), a foreign key of
/// another relation or a function; with `k` for the third, one that an index or statistics call.
///
/// Functions are those that its defaults, checks, generated columns, indexes and partition keys call, and the domains of
/// its columns: users' that are not in C, and of PostgreSQL's own, which leave no row in `pg_depend`, those that do more
/// than compute. Those are looked for in the stored trees. A domain brings its own default and checks along, also where it
/// is within another type. What this rests on is far from the relation's own rows (the language of a function, a domain's
/// checks), so that it is read whole. Where no domain calls anything, which is asked first, no column is looked at.
pub(super) const WRITES: &str = concat!(
    with_types!(),
    "\
    SELECT confrelid, conrelid, confdeltype, confupdtype, 0::pg_catalog.oid \
    FROM pg_catalog.pg_constraint \
    WHERE contype = 'f' \
    UNION SELECT owner, 0, ' ', ' ', func FROM pinned WHERE NOT of_type \
    UNION SELECT a.adrelid, 0, ' ', ' ', d.func FROM depends d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid \
    WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
    UNION SELECT k.conrelid, 0, ' ', ' ', d.func FROM depends d JOIN pg_catalog.pg_constraint k ON k.oid = d.objid \
    WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.conrelid <> 0 \
    UNION SELECT coalesce(i.indrelid, d.objid), 0, ' ', ' ', d.func FROM depends d \
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = d.objid \
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
    UNION SELECT of.oid, 0, 'k', ' ', d.func FROM depends d \
    JOIN pg_catalog.pg_index i ON i.indexrelid = d.objid \
    CROSS JOIN LATERAL (VALUES (i.indrelid), (i.indexrelid)) of (oid) \
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
    UNION SELECT s.stxrelid, 0, 'k', ' ', d.func FROM depends d \
    JOIN pg_catalog.pg_statistic_ext s ON s.oid = d.objid \
    WHERE d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass \
    UNION SELECT a.attrelid, 0, ' ', ' ', t.func \
    FROM pg_catalog.pg_attribute a JOIN types t ON t.oid = a.atttypid \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND (SELECT EXISTS (SELECT FROM domains)) \
    ORDER BY 1, 2, 3, 4, 5"
);

/// Functions that expressions call without naming them: (kind, schema, name, function, of). The kind is `o` for operators,
/// `c` for casts that are written, by the type that they give, `t` for what checks the values of a type, by its name and OID,
/// `a` for what checks the arguments and the result of a function, or is computed for one that is not given, by its OID, and `u`
/// for what nothing in a text tells: casts that apply by themselves (to `json` all do: `to_json` and its like look for them), and
/// orders of values. Where no user has made a domain, which is asked first, it is not looked for what one calls. What defaults of
/// arguments call that users made `pg_depend` tells (with what the body calls, of one that is stored as a tree), and their trees'
/// fields what initdb made.
pub(super) const CALLS: &str = concat!(
    with_types!(),
    "\
    , f AS MATERIALIZED ( \
      SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
      WHERE l.lanname NOT IN ('c', 'internal') OR p.oid < 16384) \
    SELECT 'o', n.nspname, o.oprname, o.oprcode::pg_catalog.oid, 0::pg_catalog.oid \
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace \
    WHERE o.oid >= 16384 AND o.oprcode::pg_catalog.oid IN (SELECT oid FROM f) \
    UNION SELECT CASE WHEN c.castcontext = 'e' AND c.casttarget <> 'pg_catalog.json'::pg_catalog.regtype \
                 THEN 'c' ELSE 'u' END, ''::pg_catalog.name, t.typname, c.castfunc, 0 \
    FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_type t ON t.oid = c.casttarget \
    WHERE c.oid >= 16384 AND c.castfunc IN (SELECT oid FROM f) \
    UNION SELECT 'u', ''::pg_catalog.name, ''::pg_catalog.name, m.amproc::pg_catalog.oid, 0 FROM pg_catalog.pg_amproc m \
    WHERE m.oid >= 16384 AND m.amproc::pg_catalog.oid >= 16384 AND m.amproc::pg_catalog.oid IN (SELECT oid FROM f) \
    UNION SELECT 't', n.nspname, t.typname, y.func, t.oid \
    FROM types y JOIN pg_catalog.pg_type t ON t.oid = y.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
    WHERE (SELECT EXISTS (SELECT FROM pg_catalog.pg_type d WHERE d.typtype = 'd' AND d.oid >= 16384)) \
    UNION SELECT 'a', ''::pg_catalog.name, ''::pg_catalog.name, y.func, p.oid \
    FROM types y JOIN pg_catalog.pg_proc p \
      ON y.oid = p.prorettype OR y.oid = ANY (coalesce(p.proallargtypes, p.proargtypes::pg_catalog.oid[])) \
    WHERE p.oid >= 16384 \
      AND (SELECT EXISTS (SELECT FROM pg_catalog.pg_type d WHERE d.typtype = 'd' AND d.oid >= 16384)) \
    UNION SELECT 'a', ''::pg_catalog.name, ''::pg_catalog.name, y.func, p.oid \
    FROM pg_catalog.pg_proc p, LATERAL ( \
      SELECT coalesce(o.oprcode::pg_catalog.oid, d.refobjid) AS func FROM pg_catalog.pg_depend d \
      LEFT JOIN pg_catalog.pg_operator o \
        ON o.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass \
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid \
        AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass) \
      UNION ALL SELECT pg_catalog.split_part(pg_catalog.left(field, 20), ' ', 1)::pg_catalog.oid \
      FROM pg_catalog.unnest((pg_catalog.string_to_array(p.proargdefaults::text, ':funcid '))[2:]) field) y \
    WHERE p.oid >= 16384 AND p.proargdefaults IS NOT NULL AND y.func IN (SELECT oid FROM f) \
    ORDER BY 1, 2, 3, 4, 5"
);

/// The types that users made and that are no table's row type or an array: (oid, nspname, typname, typtype).
pub(super) const TYPES: &str = "\
    SELECT t.oid, n.nspname, t.typname, t.typtype \
    FROM pg_catalog.pg_type t \
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid \
    WHERE n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' \
      AND (t.typrelid = 0 OR c.relkind = 'c') \
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid) \
      AND ($1 IS NULL OR t.oid = ANY ($1))";
