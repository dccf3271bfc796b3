//! The queries that read a database's system catalogs, the same for PostgreSQL 13 to 18.
//!
//! Every name is qualified; the search path is set to `pg_catalog` first, so that operators are the server's
//! own too. Each is ordered, so that the same content always reads the same (PostgreSQL manual, part VII,
//! "System Catalogs").

/// Session settings before anything else; `{}` is the statement timeout in seconds.
pub(super) const SETTINGS: &str = "SET search_path = pg_catalog; \
     SET statement_timeout = '{}s'; \
     SET lock_timeout = '{}s'; \
     SET idle_in_transaction_session_timeout = '60s'; \
     SET default_transaction_read_only = on; \
     SET jit = off";

/// One row for each system catalog that matters: its name, its rows, and the sum of the transactions that wrote
/// them. A row that is written takes a later transaction's number, so any change but wrap-around moves one of
/// the two. Statistics (`reltuples` and its like) are written in place and move neither.
pub(super) const FINGERPRINT: &str = "\
    SELECT 'pg_class', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_class \
    UNION ALL SELECT 'pg_attribute', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_attribute \
    UNION ALL SELECT 'pg_proc', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_proc \
    UNION ALL SELECT 'pg_type', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_type \
    UNION ALL SELECT 'pg_rewrite', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_rewrite \
    UNION ALL SELECT 'pg_inherits', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_inherits \
    UNION ALL SELECT 'pg_trigger', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_trigger \
    UNION ALL SELECT 'pg_operator', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_operator \
    UNION ALL SELECT 'pg_attrdef', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_attrdef \
    UNION ALL SELECT 'pg_constraint', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_constraint \
    UNION ALL SELECT 'pg_cast', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_cast \
    UNION ALL SELECT 'pg_policy', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_policy \
    UNION ALL SELECT 'pg_event_trigger', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_event_trigger \
    UNION ALL SELECT 'pg_language', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_language \
    UNION ALL SELECT 'pg_namespace', count(*), sum(xmin::text::int8)::text FROM pg_catalog.pg_namespace";

/// All schemas but those of TOAST tables: (nspname, who may use it).
pub(super) const SCHEMAS: &str = "\
    SELECT nspname, nspowner::text || coalesce(nspacl::text, '') FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_toast' ORDER BY oid";

/// All relations outside TOAST's schemas: (oid, nspname, relname, relkind, has_rules, has_triggers).
///
/// A trigger is what runs with a write and may change settings of the session: one of a user's, or what does as much. `f`
/// are functions that are not in C; of those that are nothing is feared. `y` are types whose check or default calls one, or
/// `set_config` (2078, pinned: only the stored tree tells), and what is made of such types. `w` are relations with such a
/// column, default, check, index or partition key; `g` adds those whose foreign keys carry a write on to one of them.
pub(super) const RELATIONS: &str = "\
    WITH RECURSIVE f AS MATERIALIZED ( \
      SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
      WHERE l.lanname NOT IN ('c', 'internal')), \
    y (oid) AS ( \
      SELECT k.contypid FROM pg_catalog.pg_constraint k \
      WHERE k.contypid <> 0 AND pg_catalog.strpos(k.conbin::text, ':funcid 2078 ') > 0 \
      UNION SELECT t.oid FROM pg_catalog.pg_type t \
      WHERE pg_catalog.strpos(t.typdefaultbin::text, ':funcid 2078 ') > 0 \
      UNION SELECT coalesce(k.contypid, d.objid) FROM pg_catalog.pg_depend d \
      JOIN f ON f.oid = d.refobjid \
      LEFT JOIN pg_catalog.pg_constraint k \
        ON k.oid = d.objid AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass \
      WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
        AND (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass OR k.contypid <> 0) \
      UNION SELECT coalesce(c.reltype, d.objid) FROM y \
      JOIN pg_catalog.pg_depend d \
        ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = y.oid \
      LEFT JOIN pg_catalog.pg_class c \
        ON c.oid = d.objid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
      WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass OR c.reltype <> 0), \
    w AS MATERIALIZED ( \
      SELECT d.adrelid AS oid FROM pg_catalog.pg_attrdef d \
      WHERE pg_catalog.strpos(d.adbin::text, ':funcid 2078 ') > 0 \
      UNION SELECT k.conrelid FROM pg_catalog.pg_constraint k \
      WHERE k.contype = 'c' AND k.conrelid <> 0 AND pg_catalog.strpos(k.conbin::text, ':funcid 2078 ') > 0 \
      UNION SELECT c.oid FROM y JOIN pg_catalog.pg_class c ON c.reltype = y.oid \
      UNION SELECT CASE d.classid WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
                   THEN (SELECT f.adrelid FROM pg_catalog.pg_attrdef f WHERE f.oid = d.objid) \
                   WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass \
                   THEN (SELECT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid) \
                   ELSE coalesce((SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = d.objid), \
                                 d.objid) END \
      FROM pg_catalog.pg_depend d JOIN f ON f.oid = d.refobjid \
      WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
        AND d.classid IN ('pg_catalog.pg_attrdef'::pg_catalog.regclass, \
                          'pg_catalog.pg_constraint'::pg_catalog.regclass, \
                          'pg_catalog.pg_class'::pg_catalog.regclass)), \
    g (oid) AS ( \
      SELECT w.oid FROM w \
      UNION SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal \
      UNION SELECT k.confrelid FROM g JOIN pg_catalog.pg_constraint k ON k.conrelid = g.oid \
      WHERE k.contype = 'f' AND (k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r'))) \
    SELECT c.oid, n.nspname, c.relname, c.relkind, \
           EXISTS (SELECT FROM pg_catalog.pg_rewrite r \
                   WHERE r.ev_class = c.oid AND r.ev_type <> '1') AS has_rules, \
           c.oid IN (SELECT oid FROM g WHERE oid IS NOT NULL) AS has_triggers \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname !~ '^pg_toast' ORDER BY c.oid";

/// The columns of those that have rows: (attrelid, attnum, attname, atttypid, generated).
pub(super) const COLUMNS: &str = "\
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attgenerated <> '' \
    FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') \
      AND n.nspname !~ '^pg_toast' \
    ORDER BY a.attrelid, a.attnum";

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
                      FROM pg_catalog.pg_rewrite) rule \
                OFFSET 0) r, \
               pg_catalog.unnest(r.fields[2:]) field) t \
    WHERE t.relid <> t.ev_class AND t.relid <> 0 AND (t.whole OR t.relid < 16384) \
    UNION \
    SELECT ev_class, 2078, -1::int2 FROM pg_catalog.pg_rewrite \
    WHERE pg_catalog.strpos(ev_action::text, ':funcid 2078 ') > 0 \
    ORDER BY 1, 2, 3";

/// The functions that views and rules call, by name or by an operator: (ev_class, pg_proc.oid). Pinned ones,
/// which initdb made, leave no row in `pg_depend` and are not among them, but for `set_config`: it stands for all that a policy
/// for rows may run unseen, a function that is not in C, a view, or another relation's policy.
pub(super) const VIEW_FUNCTIONS: &str = "\
    SELECT r.ev_class, d.refobjid \
    FROM pg_catalog.pg_rewrite r \
    JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
    UNION \
    SELECT r.ev_class, o.oprcode::pg_catalog.oid \
    FROM pg_catalog.pg_rewrite r \
    JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
    JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid \
    WHERE d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oprcode <> 0 \
    UNION \
    SELECT y.polrelid, 2078 FROM pg_catalog.pg_policy y \
    WHERE pg_catalog.strpos(coalesce(y.polqual::text, '') || coalesce(y.polwithcheck::text, ''), ':funcid 2078 ') > 0 \
       OR EXISTS (SELECT FROM pg_catalog.pg_depend d \
                  LEFT JOIN pg_catalog.pg_proc p \
                    ON p.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                  LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
                  LEFT JOIN pg_catalog.pg_class c \
                    ON c.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                  WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = y.oid \
                    AND (l.lanname NOT IN ('c', 'internal') \
                         OR c.oid <> y.polrelid AND (c.relkind = 'v' OR c.relrowsecurity))) \
    ORDER BY 1, 2";

/// Inheritance and partitioning: (inhrelid, inhparent).
pub(super) const INHERITS: &str = "\
    SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits ORDER BY inhrelid, inhseqno, inhparent";

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

/// All functions: (oid, nspname, proname, provolatile, prosecdef, lanname, prokind). An aggregate has no language: others'
/// are run for it.
pub(super) const FUNCTIONS: &str = "\
    SELECT p.oid, n.nspname, p.proname, p.provolatile, p.prosecdef, \
           CASE p.prokind WHEN 'a' THEN '' ELSE l.lanname END, p.prokind \
    FROM pg_catalog.pg_proc p \
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
    ORDER BY p.oid";

/// The types that users made and that are no table's row type or an array: (nspname, typname, typtype).
pub(super) const TYPES: &str = "\
    SELECT n.nspname, t.typname, t.typtype \
    FROM pg_catalog.pg_type t \
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid \
    WHERE n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' \
      AND (t.typrelid = 0 OR c.relkind = 'c') \
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid) \
    ORDER BY t.oid";
