//! Queries and DML: their actions.

use policy::catalog::TypeKind;

use super::fixture::{actions, read};

fn check(text: &str, expected: &str) {
    assert_eq!(actions(text), expected, "{text}");
}

#[test]
fn the_name_of_the_database_may_stand_before_the_schemas() {
    for text in [
        "SELECT \"d\".public.t.a FROM \"d\".\"public\".\"t\" WHERE d.public.t.b = 1",
        "SELECT d.public.t.* FROM d.public.t",
        "INSERT INTO d.public.t (a) SELECT 1",
        "UPDATE d.public.t SET a = 1 WHERE a = 2",
        "DELETE FROM d.public.t WHERE a = 2",
        "CREATE TABLE \"d\".\"public\".\"n\" AS (WITH s AS (SELECT * FROM d.public.t) SELECT a FROM s)",
        "CREATE VIEW d.public.n AS (SELECT count(*) AS n FROM d.public.t)",
        "CREATE INDEX IF NOT EXISTS n ON d.public.t USING btree (a)",
        "ALTER TABLE d.public.t RENAME TO n",
        "DROP TABLE IF EXISTS d.public.t CASCADE",
        "TRUNCATE TABLE d.public.t",
        "ANALYZE d.public.t",
        "GRANT SELECT ON d.public.t TO PUBLIC",
        "COMMENT ON TABLE d.public.t IS 'x'",
        "COMMENT ON COLUMN d.public.t.a IS 'x'",
        "COPY d.public.t TO STDOUT",
        "SELECT d.public.tidy(1), d.pg_catalog.lower('x'), NULL::d.public.mood",
        "ALTER FUNCTION d.public.tidy(int) STABLE",
        "SELECT nextval('d.public.s')",
    ] {
        let without = text.replace("\"d\".", "").replace("d.", "");
        assert!(!super::fixture::is_opaque(text), "{text}");
        assert_eq!(super::fixture::actions(text), super::fixture::actions(&without), "{text}");
        assert_eq!(super::fixture::output(text), super::fixture::output(&without), "{text}");
        assert_eq!(super::fixture::details(text), super::fixture::details(&without), "{text}");
    }
    for text in [
        "SELECT 1 FROM x.d.public.t",
        "SELECT x.d.public.t.a FROM t",
        "DROP TABLE x.d.public.t",
        "SELECT x.d.public.tidy(1)",
    ] {
        assert!(super::fixture::is_opaque(text), "{text}");
    }
}

#[test]
fn queries_read_what_they_name() {
    check("SELECT 1", "");
    check("SELECT a FROM t", "select table public.t");
    check("SELECT a FROM public.t x", "select table public.t");
    check("SELECT * FROM t, orders o", "select table public.t, select table public.orders");
    check(
        "SELECT a FROM t WHERE a IN (SELECT id FROM orders)",
        "select table public.t, select table public.orders",
    );
    check("WITH t AS (SELECT 1 AS a) SELECT a FROM t", "");
    check("WITH t AS (SELECT * FROM t) SELECT a FROM t", "select table public.t");
    check("WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y, public.t", "select table public.t");
    check("SELECT * FROM missing", "opaque (relation \"missing\" does not exist in the catalog)");
    check("SELECT * FROM other.notes", "select table other.notes");
    check("SELECT * FROM notes", "opaque (relation \"notes\" does not exist in the catalog)");
    check("SELECT a FROM t FOR UPDATE", "select table public.t, lock table public.t");
    check("(SELECT a FROM t) FOR UPDATE", "select table public.t, lock table public.t");
}

#[test]
fn a_function_that_the_grammar_has_words_for_may_be_a_users_where_it_is_called_with_commas() {
    check("SELECT substring(b, 1, 2) FROM t", "select table public.t, function public.substring");
    check("SELECT substring(b) FROM t", "select table public.t, function public.substring");
    check("SELECT substring(b from 1 for 2) FROM t", "select table public.t");
}

#[test]
fn a_view_reads_its_bases_and_a_parent_its_partitions() {
    check("SELECT * FROM customers_view", "select view public.customers_view, select table public.customers");
    check("SELECT * FROM events", "select table public.events, *select table public.events_2024");
    check("SELECT * FROM events_2024", "select table public.events_2024, *select table public.events");
    check("DELETE FROM events", "delete-all table public.events, *delete-all table public.events_2024");
    check(
        "UPDATE customers_view SET label = '' WHERE id = 1",
        "update view public.customers_view, update table public.customers, select view public.customers_view, \
         select table public.customers",
    );
    check(
        "INSERT INTO ruled VALUES (1)",
        "opaque (rewrite rules on \"public.ruled\"), insert table public.ruled",
    );
    check(
        "INSERT INTO over_ruled VALUES (1)",
        "insert view public.over_ruled, insert table public.ruled, opaque (rewrite rules on \"public.ruled\")",
    );
    check("SELECT * FROM over_ruled", "select view public.over_ruled, select table public.ruled");
}

#[test]
fn a_relation_named_like_a_keyword_needs_its_quotes() {
    check("SELECT * FROM \"only\"", "select table public.only");
    check("SELECT * FROM ONLY t", "select table public.t");
}

#[test]
fn writing_statements_write_their_target() {
    check("INSERT INTO t VALUES (1, 2)", "insert table public.t");
    check("INSERT INTO t SELECT * FROM orders", "insert table public.t, select table public.orders");
    check("INSERT INTO t VALUES (1) RETURNING a", "insert table public.t, select table public.t");
    check("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "insert table public.t");
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = excluded.a",
        "insert table public.t, update table public.t, select table public.t",
    );
    check("UPDATE t SET a = 1 WHERE b = 2", "update table public.t, select table public.t");
    check(
        "UPDATE t SET a = o.id FROM orders o WHERE t.a = o.id",
        "update table public.t, select table public.orders, select table public.t",
    );
    check("DELETE FROM t WHERE a = 1", "delete table public.t, select table public.t");
    check(
        "DELETE FROM t USING orders o WHERE t.a = o.id",
        "delete table public.t, select table public.orders, select table public.t",
    );
    check(
        "WITH d AS (DELETE FROM t WHERE a = 1 RETURNING a) INSERT INTO orders SELECT a FROM d",
        "delete table public.t, select table public.t, insert table public.orders",
    );
    check(
        "MERGE INTO t USING orders o ON t.a = o.id WHEN MATCHED THEN UPDATE SET b = 1 WHEN NOT MATCHED THEN INSERT VALUES (1, 2)",
        "select table public.t, select table public.orders, update table public.t, insert table public.t",
    );
    check("WITH t AS (SELECT 1) DELETE FROM t WHERE a = 1", "delete table public.t, select table public.t");
}

#[test]
fn a_condition_that_always_holds_is_none() {
    for condition in [
        "true",
        "1 = 1",
        "'a' = 'a'",
        "NOT false",
        "a = a",
        "(a) = (a)",
        "a = 1 OR true",
        "true AND 1 = 1",
        "$1",
        "a IS NOT DISTINCT FROM a",
        "NOT (a <> a)",
        "(SELECT true)",
        "EXISTS (SELECT 1)",
        "b LIKE '%'",
        "b LIKE ANY (ARRAY['x', '%'])",
        "b NOT ILIKE ALL (ARRAY[]::text[])",
        "b <> ALL (ARRAY[]::text[])",
        "2 > 1",
        "1 IN (1)",
        "now() = now()",
        "a >= a",
        "NOT (a < a)",
        "true IS TRUE",
        "a = ANY (ARRAY[1, a])",
        "a IN (1, a)",
        "a BETWEEN a AND a",
        "a IS NULL OR (a IS NOT NULL)",
        "(a = 1) IS NOT TRUE OR (a = 1) IS TRUE",
        "(a = 1) IS UNKNOWN OR (a = 1) IS NOT UNKNOWN",
        "a = ALL (ARRAY[a, a])",
        "(a) = (t.a)",
        "(a = a) = true",
        "b SIMILAR TO '%'",
        "b ~ ''",
        "b ~* '^.*$'",
        "CASE WHEN a = 1 THEN true ELSE 1 = 1 END",
        "ctid IS NOT NULL",
        "(xmin, ctid) IS NOT NULL",
        "b NOT LIKE ALL ('{}')",
        "b <> ALL ('{}'::text[])",
        "b LIKE ANY ('{x,%}')",
        "a IN (SELECT a FROM t)",
        "t.a IN (SELECT c.a FROM public.t AS c ORDER BY b)",
        "EXISTS (SELECT 1 FROM t x WHERE x.a = t.a)",
    ] {
        let found = actions(&format!("DELETE FROM t WHERE {condition}"));
        assert!(found.starts_with("delete-all table public.t"), "{condition}: {found}");
    }
    for condition in [
        "a = 1",
        "a = b",
        "a = 1 AND true",
        "false",
        "a IN (1)",
        "a NOT IN (1, a)",
        "a = ANY (ARRAY[1, 2])",
        "a IS NULL OR b IS NOT NULL",
        "a IS NOT NULL",
        "EXISTS (SELECT 1 FROM t x WHERE x.a = t.a AND x.b = 'x')",
        "EXISTS (SELECT 1 FROM orders x WHERE x.id = t.a)",
        "a IN (SELECT a FROM t WHERE b = 'x')",
        "a IN (SELECT a FROM t ORDER BY b LIMIT 10)",
        "a IN (SELECT max(a) FROM t GROUP BY b)",
        "a NOT IN (SELECT a FROM t)",
        "a IN (SELECT id FROM orders)",
        "a = ANY ('{1,2}')",
        "a = ALL (ARRAY[a, 1])",
        "b ~ '^x'",
        "CASE WHEN a = 1 THEN true ELSE false END",
        "ctid = '(0,1)'",
        "CURRENT OF c",
    ] {
        let text = format!("DELETE FROM t WHERE {condition}");
        assert!(actions(&text).starts_with("delete table public.t"), "{text}: {}", actions(&text));
    }
    // `id` is never NULL, and `total` may be.
    for condition in [
        "id IS DISTINCT FROM NULL",
        "(id IS NOT NULL) = true",
        "(id, o.id) IS NOT NULL",
        "id IS NOT NULL",
        "o.id IS NOT NULL",
        "NOT (id IS NULL)",
        "id IS NOT NULL AND 1 = 1",
    ] {
        let found = actions(&format!("DELETE FROM orders o WHERE {condition}"));
        assert!(found.starts_with("delete-all table public.orders"), "{condition}: {found}");
    }
    let found = actions("UPDATE orders SET total = 1 WHERE total IS NOT NULL");
    assert!(found.starts_with("update table public.orders"), "{found}");
}

#[test]
fn only_an_index_is_made_or_dropped_concurrently() {
    check("DROP INDEX CONCURRENTLY nowhere", &actions("DROP INDEX nowhere"));
    // A type or a function may be called so.
    for text in [
        "DROP DOMAIN concurrently CASCADE",
        "DROP TYPE concurrently",
        "DROP TABLE concurrently t",
        "DROP TYPE setof CASCADE",
    ] {
        assert!(super::fixture::is_opaque(text), "{text}");
    }
}

/// What a condition asks of other rows is asked of none of those that are written.
#[test]
fn a_condition_on_other_relations_alone_chooses_none() {
    for text in [
        "UPDATE t SET b = 'x' FROM orders WHERE orders.id = 1",
        "UPDATE t SET b = 'x' FROM orders WHERE id = 1",
        "UPDATE t AS orders SET b = 'x' FROM orders AS o WHERE o.id = 1",
        "WITH q AS (SELECT 1 AS one) UPDATE t SET b = 'x' FROM q WHERE q.one = 1",
        "UPDATE t SET b = 'x' WHERE EXISTS (SELECT FROM orders)",
        "UPDATE t SET b = 'x' WHERE 1 = (SELECT count(*) FROM orders o WHERE o.id = 1)",
        "UPDATE t SET b = 'x' WHERE EXISTS (SELECT FROM t t WHERE t.a = 1)",
        "UPDATE t SET b = 'x' WHERE tableoid = 't'::regclass",
        "UPDATE t SET b = b || 'x' FROM orders WHERE orders.id = 1",
        "UPDATE t SET b = 'x' FROM orders WHERE t.a = t.a AND orders.id = 1",
        "UPDATE t SET b = 'x' FROM t c WHERE c.a = t.a",
        "UPDATE t SET b = 'x' FROM (SELECT a FROM t) c WHERE c.a = t.a AND true",
        "MERGE INTO t USING public.t c ON t.a = c.a WHEN MATCHED THEN UPDATE SET b = 'x'",
        "MERGE INTO t USING orders o ON o.id = 1 AND t.a = a WHEN MATCHED THEN UPDATE SET b = 'x'",
        "UPDATE t SET b = 'x' WHERE (t).a = a",
        "UPDATE t AS q SET b = 'x' WHERE q.a::int = a::int",
        "UPDATE t SET b = 'x' WHERE a = (SELECT t.a)",
        "UPDATE t SET b = 'x' WHERE (SELECT a = t.a)",
        "UPDATE t SET b = 'x' WHERE EXISTS (SELECT t.a)",
        "UPDATE t SET b = 'x' WHERE EXISTS (SELECT t.a WHERE a = t.a)",
        "UPDATE t SET b = 'x' WHERE EXISTS (VALUES (t.a))",
        "UPDATE t SET b = 'x' WHERE a = ANY (SELECT a FROM t)",
        "UPDATE t SET b = 'x' WHERE a = SOME (SELECT c.a FROM t c ORDER BY 1)",
        "UPDATE t SET b = 'x' WHERE ctid = ANY (ARRAY(SELECT ctid FROM t))",
        "UPDATE t SET b = 'x' WHERE NOT a <> ALL (SELECT a FROM t)",
        "UPDATE t SET b = 'x' WHERE NOT (a NOT IN (SELECT a FROM t))",
        "UPDATE t SET b = 'x' WHERE NOT (NOT EXISTS (SELECT FROM t c WHERE c.a = t.a))",
        "UPDATE t SET b = 'x' WHERE (a, b) IN (SELECT a, b FROM t)",
        "UPDATE t SET b = 'x' WHERE a IN (SELECT a FROM (SELECT a FROM t) q)",
        "UPDATE t SET b = 'x' WHERE a IN (SELECT a)",
        "UPDATE t SET b = 'x' WHERE a = 5 OR a <> 5",
        "UPDATE t SET b = 'x' WHERE a = 5 OR NOT 5 = a",
        "UPDATE t SET b = 'x' WHERE NOT (a NOT IN (1, a))",
        "UPDATE t SET b = 'x' WHERE a = +a",
        "UPDATE t SET b = 'x' WHERE b LIKE b",
        "MERGE INTO t USING orders o ON o.id = 1 WHEN MATCHED THEN UPDATE SET b = 'x'",
        "MERGE INTO t USING orders o ON true WHEN MATCHED AND o.id = 1 THEN UPDATE SET b = 'x'",
    ] {
        assert!(actions(text).contains("update-all table public.t"), "{text}: {}", actions(text));
    }
    for text in [
        "DELETE FROM t USING orders WHERE orders.id = 1",
        "DELETE FROM t WHERE NOT EXISTS (SELECT FROM orders)",
    ] {
        assert!(actions(text).contains("delete-all table public.t"), "{text}: {}", actions(text));
    }
    for text in [
        "UPDATE t SET b = 'x' FROM orders o WHERE o.id = t.a",
        "UPDATE t SET b = 'x' FROM t c WHERE c.a = t.a AND c.b = 'y'",
        "UPDATE t SET b = 'x' FROM t c WHERE c.a < t.a",
        "UPDATE t SET b = 'x' FROM t c, orders o WHERE c.a = t.a AND o.id = c.a",
        "UPDATE t SET b = 'x' FROM (SELECT a FROM t LIMIT 1) c WHERE c.a = t.a",
        "UPDATE t SET b = 'x' FROM other.t c WHERE c.a = t.a",
        "UPDATE t SET b = 'x' WHERE a IN (SELECT a FROM other.t)",
        "UPDATE t SET b = 'x' WHERE (b).a = a",
        "UPDATE t SET b = 'x' WHERE a = ANY (SELECT a FROM t WHERE b = 'y')",
        "UPDATE t SET b = 'x' WHERE ctid = ANY (ARRAY(SELECT ctid FROM t LIMIT 100))",
        "UPDATE t SET b = 'x' WHERE a <> ALL (SELECT id FROM orders)",
        "UPDATE t SET b = 'x' WHERE a NOT IN (SELECT a FROM t)",
        "UPDATE t SET b = 'x' WHERE (a, b) IN (SELECT b, a FROM t)",
        "UPDATE t SET b = 'x' WHERE a IN (SELECT a FROM (SELECT a FROM t LIMIT 10) q)",
        "UPDATE t SET b = 'x' WHERE a = 5 OR b <> 'y'",
        "UPDATE t SET b = 'x' WHERE a < 5 OR a >= 50",
        "UPDATE t SET b = 'x' WHERE a = (SELECT max(a) FROM t)",
        "UPDATE t SET b = 'x' WHERE EXISTS (SELECT 1 WHERE t.a = 1)",
        "UPDATE t SET b = 'x' FROM orders o WHERE o.id = a AND o.total > 1",
        "UPDATE t SET b = 'x' WHERE EXISTS (SELECT FROM orders o WHERE o.id = t.a)",
        "UPDATE t SET b = 'x' WHERE EXISTS (SELECT FROM orders WHERE id = a)",
        "UPDATE t SET b = 'x' WHERE t IS DISTINCT FROM ROW(1, 'x')",
        "UPDATE t SET b = 'x' WHERE ctid = '(0,1)'",
        "UPDATE t SET b = 'x' WHERE nowhere = 1",
        "DELETE FROM t USING orders o WHERE o.id = t.a",
        "DELETE FROM events WHERE tableoid = 'events_2024'::regclass",
        "MERGE INTO t USING orders o ON o.id = t.a WHEN MATCHED THEN UPDATE SET b = 'x'",
        "MERGE INTO t USING orders o ON true WHEN MATCHED AND t.a = 1 THEN UPDATE SET b = 'x'",
    ] {
        assert!(!actions(text).contains("-all"), "{text}: {}", actions(text));
    }
}

#[test]
fn what_is_read_of_a_target_is_selected() {
    let select = "select table public.secret";
    for text in [
        "MERGE INTO secret s USING t ON s.pw::int = t.a WHEN MATCHED THEN DO NOTHING",
        "MERGE INTO secret USING t ON true WHEN MATCHED THEN DO NOTHING",
        "DELETE FROM secret WHERE pw::int = 1",
        "DELETE FROM secret s USING t WHERE s.pw = t.b",
        "DELETE FROM secret USING t NATURAL JOIN orders WHERE pw = b",
        "DELETE FROM secret WHERE secret::text = ''",
        "DELETE FROM secret WHERE secret.unknown = ''",
        "DELETE FROM secret WHERE unknown = ''",
        "DELETE FROM secret WHERE EXISTS (SELECT 1 FROM t WHERE b = pw)",
        "DELETE FROM secret RETURNING pw",
        "UPDATE secret SET owner = pw",
        "UPDATE secret SET owner = (SELECT b FROM t WHERE b = pw)",
        "UPDATE secret SET (pw, owner) = (owner, pw)",
        "INSERT INTO secret VALUES (1) ON CONFLICT (pw) DO NOTHING",
        "INSERT INTO secret VALUES (1) ON CONFLICT ON CONSTRAINT c DO NOTHING",
        "INSERT INTO secret VALUES (1) ON CONFLICT (pw) DO UPDATE SET owner = 'x'",
        "INSERT INTO secret VALUES (1) ON CONFLICT DO NOTHING RETURNING owner",
        "WITH d AS (DELETE FROM secret WHERE pw = '' RETURNING 1) SELECT 1",
    ] {
        let found = actions(text);
        assert!(found.contains(select), "{text}: {found}");
    }
    for text in [
        "DELETE FROM secret",
        "DELETE FROM secret WHERE true",
        "DELETE FROM secret USING t WHERE t.a = 1",
        "UPDATE secret SET owner = 'x'",
        "UPDATE secret SET owner = t.b FROM t",
        "INSERT INTO secret SELECT a, b FROM t",
        "INSERT INTO secret VALUES (1) ON CONFLICT DO NOTHING",
    ] {
        let found = actions(text);
        assert!(!found.contains(select), "{text}: {found}");
    }
}

#[test]
fn calls_are_actions_unless_they_are_harmless() {
    check("SELECT count(*), max(a), lower(b) FROM t", "select table public.t");
    check("SELECT audit(1)", "function public.audit");
    check("SELECT public.audit(1)", "function public.audit");
    check("SELECT pg_read_file('/etc/passwd')", "function pg_catalog.pg_read_file");
    check("SELECT pg_catalog.pg_sleep(1)", "function pg_catalog.pg_sleep");
    check("SELECT nextval('s')", "function pg_catalog.nextval, *update sequence public.s");
    check("SELECT set_config('search_path', 'x', false)", "*function pg_catalog.set_config, set search_path");
    check("SELECT other.lower('X')", "function other.lower");
    check("SELECT missing(1)", "opaque (function \"missing\" does not exist in the catalog)");
    check("SELECT 'x'::mood", "");
    check("SELECT 'x'::email", "function type public.email");
    check("SELECT 'x'::missing", "opaque (type \"missing\" does not exist in the catalog)");
    check("SELECT 1 OPERATOR(pg_catalog.+) 2", "");
    check("SELECT 1 OPERATOR(other.+) 2", "function operator other.+");
    check("SELECT a <=> b FROM t", "select table public.t, function operator public.<=>");
}

#[test]
fn a_function_of_an_earlier_schema_is_seen_behind_a_harmless_name() {
    use super::fixture::{catalog, settings};
    let path = ["pg_catalog", "public", "other"].map(str::to_owned).to_vec();
    let settings = crate::Settings { search_path: crate::SearchPath::listed(path), ..settings() };
    let analysis = crate::analyse(b"SELECT lower('x')", &settings, &catalog(), &crate::Limits::default());
    assert_eq!(analysis.statements[0].actions[0].to_string(), "function other.lower");
}

#[test]
fn making_a_value_of_a_type_is_an_action_where_functions_check_it() {
    for of in ["zip", "address", "citext", "zip[]", "customers", "public.address"] {
        check(&format!("SELECT 'x'::{of}, CAST(NULL AS {of})"), "");
    }
    check("SELECT 'x'::email", "function type public.email");
    check("SELECT 'x'::email[], 'x'::_email", "function type public.email, function type public._email");
    check("SELECT jsonb_populate_record(NULL::customers, '{}')", "");
    // Behind what makes functions run by themselves, or makes the type, more may run than is known.
    check("CREATE TABLE n (a int); SELECT 'x'::zip", "create table public.n; ");
    let behind = |text: &str| actions(text).rsplit_once("; ").unwrap().1.to_owned();
    let altered = behind("ALTER DOMAIN zip ADD CHECK (audit(1) IS NULL); SELECT 'x'::zip");
    assert!(altered.starts_with("function type public.zip"), "{altered}");
    assert_eq!(behind("CREATE DOMAIN d AS email; SELECT 'x'::d"), "function type public.d");
}

#[test]
fn a_type_of_a_user_s_is_seen_behind_a_name_of_postgresql_s() {
    use super::fixture::{catalog, settings};
    let types = ["text", "int4", "uuid", "date", "jsonb", "point", "bool", "double", "float8", "regclass"];
    let shadows = types.map(|name| ("pg_temp_3".to_owned(), name.to_owned(), TypeKind::Domain));
    let catalog = catalog().with_types(shadows);
    let read = |schemas: &[&str], text: &str| {
        let path = schemas.iter().map(|schema| (*schema).to_owned()).collect();
        let settings = crate::Settings { search_path: crate::SearchPath::listed(path), ..settings() };
        let analysis = crate::analyse(text.as_bytes(), &settings, &catalog, &crate::Limits::default());
        analysis.statements[0].actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    for name in types {
        for text in [
            format!("SELECT 'x'::{name}"),
            format!("SELECT CAST('x' AS {name}[])"),
            format!("SELECT {name} 'x'"),
            format!("SELECT 'x'::\"{name}\""),
        ] {
            let found = read(&["pg_temp_3", "pg_catalog", "public"], &text);
            // PostgreSQL has none of that name alone, of which more would be known than of a user's.
            if name == "double" {
                assert_eq!(found, "", "{text}");
            } else {
                assert_eq!(found, format!("function type pg_temp_3.{name}"), "{text}");
                assert_eq!(read(&["pg_catalog", "pg_temp_3", "public"], &text), "", "{text}");
            }
        }
    }
    // Words of the grammar are never looked for.
    let words =
        "SELECT 'x'::int, 'x'::double precision, 'x'::boolean, 'x'::timestamp with time zone, 'x'::varchar";
    assert_eq!(read(&["pg_temp_3", "pg_catalog"], words), "");
}

#[test]
fn an_object_is_created_where_the_server_says_whatever_is_looked_through_first() {
    use super::fixture::{catalog, settings};
    let created = |creation: &str, text: &str| {
        // A temporary schema stands first, whether it is listed or not.
        let schemas = ["pg_temp", "pg_temp_3", "pg_catalog", "public"].map(str::to_owned).to_vec();
        let search_path = crate::SearchPath::Known { schemas, creation: Some(creation.to_owned()) };
        let settings = crate::Settings { search_path, ..settings() };
        let analysis = crate::analyse(text.as_bytes(), &settings, &catalog(), &crate::Limits::default());
        let statement = &analysis.statements[0];
        (statement.actions[0].to_string(), statement.effects.temp)
    };
    let table = "CREATE TABLE n (a int)";
    assert_eq!(created("public", table), ("create table public.n".to_owned(), false));
    assert_eq!(created("pg_temp", table), ("create table pg_temp.n".to_owned(), true));
    let function = "CREATE FUNCTION n() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    assert_eq!(created("public", function).0, "create function public.n");
}

#[test]
fn an_unknown_path_is_never_guessed() {
    use super::fixture::{catalog, settings};
    let settings = crate::Settings { search_path: crate::SearchPath::Unknown, ..settings() };
    let read = |text: &str| {
        let analysis = crate::analyse(text.as_bytes(), &settings, &catalog(), &crate::Limits::default());
        analysis.statements[0].clone()
    };
    assert_eq!(read("SELECT a FROM t").actions[0].to_string(), "select table public.t");
    assert_eq!(read("SELECT lower('x')").actions[0].to_string(), "function other.lower");
    let missing = read("SELECT * FROM missing");
    assert!(missing.wants.search_path && missing.wants.catalog);
    assert_eq!(read("CREATE TABLE n (a int)").actions[0].verb, policy::Verb::Opaque);
}

#[test]
fn what_a_text_has_changed_counts_for_the_statements_behind() {
    check("CREATE TABLE n (a int); INSERT INTO n VALUES (1)", "create table public.n; insert table public.n");
    let analysis = read("CREATE VIEW v AS SELECT 1; SELECT a FROM t");
    assert_eq!(analysis.statements[1].output, policy::Output::Unknown);
    let settings = crate::Settings { reach: None, ..super::fixture::settings() };
    let text = "SET search_path TO other; SELECT * FROM missing";
    let analysis =
        crate::analyse(text.as_bytes(), &settings, &super::fixture::catalog(), &crate::Limits::default());
    assert!(analysis.statements[0].wants.reach && analysis.statements[1].wants.search_path);
}

/// Names are looked for, and things made, where PostgreSQL does it behind a SET: in what the role reaches of the list.
#[test]
fn a_search_path_that_a_text_sets_holds_behind_it() {
    let behind = |text: &str, expected: &str| {
        let found = actions(text);
        assert_eq!(found.rsplit_once("; ").unwrap().1, expected, "{text}");
    };
    const NOWHERE: &str = "opaque (the schema of \"n\" is not known), create table n";
    for (set, made) in [
        ("SET search_path = other", "create table other.n"),
        ("SET search_path TO 'other', public", "create table other.n"),
        ("SET SCHEMA 'other'", "create table other.n"),
        ("SET search_path = missing, other", "create table other.n"),
        ("SET search_path = \"$user\", other", "create table other.n"),
        ("CREATE SCHEMA app; SET search_path = \"$user\", other", "create table app.n"),
        ("CREATE SCHEMA new; SET search_path = new", "create table new.n"),
        ("SET search_path = new, other; CREATE SCHEMA new", "create table new.n"),
        ("BEGIN; SET search_path = other; COMMIT", "create table other.n"),
        ("GRANT USAGE ON SCHEMA other TO x; GRANT SELECT ON t TO x; CREATE ROLE y", "create table public.n"),
        ("CREATE TEMP TABLE x (a int)", "create table public.n"),
        // Who knows.
        ("CREATE SCHEMA new", NOWHERE),
        ("SET search_path = DEFAULT", NOWHERE),
        ("BEGIN; SET LOCAL search_path = other; COMMIT", NOWHERE),
        ("BEGIN; SET search_path = other; ROLLBACK", NOWHERE),
        ("GRANT USAGE ON SCHEMA missing TO x", NOWHERE),
        ("REVOKE USAGE ON SCHEMA other FROM app; SET search_path = other, public", NOWHERE),
        ("SET ROLE x; SET search_path = other", NOWHERE),
        ("DO $$BEGIN IF false THEN SET search_path = other; END IF; END$$", NOWHERE),
        ("DO $$BEGIN IF false THEN CREATE SCHEMA new; END IF; END$$; SET search_path = new, other", NOWHERE),
        ("CREATE SCHEMA new AUTHORIZATION x; SET search_path = new, other", NOWHERE),
        ("SELECT audit(1); SET search_path = other", NOWHERE),
    ] {
        behind(&format!("{set}; CREATE TABLE n (a int)"), made);
    }
    behind("SET search_path = other; SELECT id FROM notes", "select table other.notes");
    behind(
        "SET search_path = other; SELECT a FROM t",
        "opaque (relation \"t\" does not exist in the catalog)",
    );
    behind("SET search_path = public; SELECT lower('X')", "");
    behind("SET search_path = other, pg_catalog; SELECT lower('X')", "function other.lower");
}

#[test]
fn relations_are_all_that_is_touched() {
    use super::fixture::{CUSTOMERS, CUSTOMERS_VIEW, EVENTS, EVENTS_2024};
    assert_eq!(read("SELECT * FROM customers_view").statements[0].relations, [CUSTOMERS, CUSTOMERS_VIEW]);
    assert_eq!(read("SELECT * FROM events_2024").statements[0].relations, [EVENTS, EVENTS_2024]);
}

#[test]
fn literals_are_found_and_passwords_too() {
    let text = "SELECT 'a', 12, $x$b$x$, B'1', a FROM t WHERE b = E'c'";
    let place = &read(text).places[0];
    let constants: Vec<&str> = place.constants.iter().map(|r| &text[r.clone()]).collect();
    assert_eq!(constants, ["'a'", "12", "$x$b$x$", "B'1'", "E'c'"]);
    assert!(place.secrets.is_empty());
    for (text, secret) in [
        ("CREATE ROLE x LOGIN PASSWORD 'hush'", "'hush'"),
        ("ALTER ROLE x PASSWORD hush", "hush"),
        ("ALTER ROLE x PASSWORD \"hush\" LOGIN", "\"hush\""),
        ("ALTER USER x ENCRYPTED PASSWORD 'hush' VALID UNTIL '2030-01-01'", "'hush'"),
        ("CREATE USER MAPPING FOR x SERVER s OPTIONS (user 'u', password 'hush')", "'hush'"),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=a user=b' PUBLICATION p", "'host=a user=b'"),
        ("SELECT dblink_connect('host=a password=hush')", "'host=a password=hush'"),
        ("SELECT 'postgres://u:hush@h/d'", "'postgres://u:hush@h/d'"),
        ("INSERT INTO t (a, password) VALUES (1, 'hush')", "'hush'"),
        ("SET SESSION my.password = 'hush'", "'hush'"),
        ("DO $$ ALTER ROLE x PASSWORD 'hush' $$", "$$ ALTER ROLE x PASSWORD 'hush' $$"),
    ] {
        let place = &read(text).places[0];
        let secrets: Vec<&str> = place.secrets.iter().map(|r| &text[r.clone()]).collect();
        assert!(secrets.contains(&secret), "{text}: {secrets:?}");
    }
    let told = format!("{:?}", read("ALTER ROLE x PASSWORD hush").statements[0].actions);
    assert!(!told.contains("hush"), "{told}");
    let broken = read("ALTER ROLE x PASSWORD 'hush");
    assert_eq!(broken.places[0].secrets.first(), Some(&(0..27)));
}

#[test]
fn no_reason_repeats_a_literal() {
    for text in [
        "SELECT 'hush' 'hush'",
        "SELECT ('hush'",
        "FOO 'hush'",
        "SELECT a FROM 'hush'",
        "SET x = 'hush' 'hush' y z",
    ] {
        for statement in &read(text).statements {
            for action in &statement.actions {
                assert!(!action.to_string().contains("hush"), "{text}: {action}");
            }
        }
    }
    assert_eq!(
        actions("VACUUM (FULL) t FOO"),
        "maintain table public.t, opaque (unsupported syntax at \"FOO\" (character 17))"
    );
}

#[test]
fn statements_are_tagged_in_postgresqls_words() {
    for (text, tag) in [
        ("SELECT 1", "SELECT"),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT 1", "INSERT"),
        ("(VALUES (1))", "SELECT"),
        ("DELETE FROM t", "DELETE"),
        ("CREATE TABLE n (a int)", "CREATE TABLE"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"),
        ("DROP MATERIALIZED VIEW IF EXISTS m", "DROP MATERIALIZED VIEW"),
        ("ALTER USER x RENAME TO y", "ALTER ROLE"),
    ] {
        assert_eq!(read(text).statements[0].tag, tag, "{text}");
    }
}

#[test]
fn the_tag_is_that_of_the_statement_behind_with() {
    let tag = |text: &str| read(text).statements[0].tag;
    assert_eq!(tag("WITH delete AS (SELECT a FROM t) SELECT a FROM delete"), "SELECT");
    assert_eq!(tag("WITH x AS (SELECT 1) DELETE FROM t"), "DELETE");
    assert_eq!(tag("WITH x AS (SELECT 1), insert AS (SELECT 2) (SELECT 3)"), "SELECT");
    assert_eq!(tag("TABLE t"), "SELECT");
    // Not read at all.
    assert_eq!(tag("WITH delete AS (SELECT a FROM t) SELECT a FROM delete ELSEWHERE y"), "SELECT");
    assert_eq!(tag("WITH x AS (SELECT 1) UPDATE t SET a = 1 ELSEWHERE y"), "UPDATE");
}

#[test]
fn a_call_that_is_mistaken_ends_nothing() {
    let text =
        "SELECT * JSON_TABLE(jsonb '\"a\"', '$' COLUMNS EXISTS a char(5) (PATH '$.a' ERROR PRIOR ERROR))";
    assert!(super::fixture::is_opaque(text));
}
