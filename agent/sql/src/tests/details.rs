//! What is told of actions beside their relations: columns, conditions, limits.

use policy::Verb;

use super::fixture::{details, read};

fn check(text: &str, expected: &str) {
    assert_eq!(details(text), expected, "{text}");
}

#[test]
fn the_columns_that_are_read_are_told() {
    check("SELECT id FROM customers", "select customers (id) all");
    check("SELECT c.name FROM customers c WHERE c.ssn = ''", "select customers (name+ssn) where");
    check("SELECT count(*) FROM customers", "select customers () all");
    check("SELECT * FROM t", "select t (a+b) all");
    check("SELECT t.* FROM t", "select t (a+b) all");
    check("SELECT t FROM t", "select t (a+b) all");
    check("SELECT t.b.c FROM t", "select t () all");
    check("SELECT x FROM t AS s(x)", "select t (a) all");
    check("SELECT 1 FROM t ORDER BY b", "select t (b) all");
    check("SELECT 1 FROM t JOIN t u USING (a)", "select t (a) all");
    check("SELECT 1 FROM t JOIN orders ON a = total", "select t (a) all, select orders (total) all");
    check("SELECT 1 FROM t NATURAL JOIN secret", "select t () all, select secret () all");
    check("SELECT 1 FROM customers NATURAL JOIN orders", "select customers (id) all, select orders (id) all");
    check("SELECT 1 FROM t NATURAL JOIN nowhere", "select t (a+b) all");
    check("SELECT (SELECT a FROM secret) FROM t", "select t (a) all, select secret () all");
    check("SELECT nowhere FROM t", "select t (a+b) all");
    check(
        "SELECT label FROM customers_view",
        "select customers_view (label) all, select customers (id+ssn) all",
    );
    // A view that is not understood may make one row of many.
    check(
        "SELECT label FROM customers_view LIMIT 1",
        "select customers_view (label) all limit 1, select customers (id+ssn) all",
    );
    check("SELECT body FROM events", "select events (body) all, select events_2024 (body) all");
    check("COPY t TO STDOUT", "select t (?), copy-out t (?)");
}

#[test]
fn who_gains_or_loses_by_a_grant_is_told_where_it_is_known() {
    for (text, roles) in [
        ("GRANT SELECT ON t TO a, b", &["a", "b"][..]),
        ("GRANT SELECT ON t TO b, \"A\", b WITH GRANT OPTION", &["A", "b"]),
        ("REVOKE ALL ON t FROM PUBLIC CASCADE", &["public"]),
        ("GRANT boss TO GROUP a", &["a"]),
        ("GRANT SELECT ON t TO a, CURRENT_USER", &[]),
        ("GRANT boss TO GROUP session_user", &[]),
        ("DO $$BEGIN GRANT boss TO a; GRANT boss TO b; END$$", &["a", "b"]),
        ("DO $$BEGIN GRANT boss TO a; GRANT boss TO current_user; GRANT boss TO b; END$$", &[]),
    ] {
        let statement = &read(text).statements[0];
        assert!(!statement.actions.is_empty());
        for action in statement.actions.iter().filter(|action| action.verb != Verb::Do) {
            assert_eq!(action.detail.roles, roles, "{text}");
        }
    }
}

#[test]
fn who_is_granted_a_role_by_another_statement_is_told() {
    for (text, granted) in [
        ("CREATE ROLE x IN ROLE a, b ROLE c ADMIN d", "a to x, b to x, x to c+d"),
        ("CREATE USER x ROLE \"a\", current_user", "x to "),
        ("CREATE ROLE x ADMIN current_user ROLE a", "x to "),
        ("ALTER GROUP a ADD USER b, c", "a to b+c"),
        ("ALTER GROUP a DROP USER b", "a to b"),
    ] {
        let actions = &read(text).statements[0].actions;
        let grants = actions.iter().filter(|action| matches!(action.verb, Verb::Grant | Verb::Revoke));
        let told: Vec<String> =
            grants.map(|a| format!("{} to {}", a.object.name, a.detail.roles.join("+"))).collect();
        assert_eq!(told.join(", "), granted, "{text}");
    }
}

#[test]
fn the_columns_that_are_written_are_told() {
    check("INSERT INTO t (b) VALUES (1)", "insert t (b)");
    check("INSERT INTO t VALUES (1)", "insert t (a+b)");
    check("INSERT INTO t DEFAULT VALUES", "insert t ()");
    check("INSERT INTO t (a) VALUES (1) RETURNING b", "insert t (a), select t (b) where");
    check("UPDATE t SET b = 1", "update-all t (b) all");
    check("UPDATE t SET (b, a) = (1, 2) WHERE a = 3", "update t (a+b) where, select t (a) where");
    check("DELETE FROM t WHERE a = 3", "delete t (?) where, select t (a) where");
    check("DELETE FROM t", "delete-all t (?) all");
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
        "insert t (a+b), update t (b) where, select t (a+b) where",
    );
    check(
        "INSERT INTO t SELECT $1, 2 x ON CONFLICT (a) DO UPDATE SET b = excluded.b",
        "insert t (a+b), update t (b) where, select t (a+b) where",
    );
    check(
        "MERGE INTO t USING orders o ON t.a = o.id WHEN MATCHED THEN UPDATE SET b = 1 \
         WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
        "select t (a) where, select orders (id) all, update t (b) where, insert t (a)",
    );
    check(
        "UPDATE customers_view SET label = '' WHERE id = 1",
        "update customers_view (label) where, update customers (?) where, select customers_view (id) where, \
         select customers (id+ssn) where",
    );
}

#[test]
fn what_is_touched_twice_is_told_once_and_as_the_wider() {
    check("SELECT a FROM t WHERE b = 1 UNION SELECT b FROM t", "select t (a+b) all");
    check("SELECT x.a, y.b FROM t x, t y WHERE x.a = y.a", "select t (a+b) where");
    check("(SELECT a FROM t LIMIT 2) UNION ALL SELECT a FROM t", "select t (a) all");
    check(
        "SELECT * FROM (SELECT a FROM t LIMIT 2) x, (SELECT b FROM t LIMIT 3) y",
        "select t (a+b) all limit 5",
    );
    check(
        "INSERT INTO orders SELECT 1 FROM t LIMIT 2; COPY t TO STDOUT",
        "insert orders (customer_id+id+total), select t () all limit 2, select t (?), copy-out t (?)",
    );
}

#[test]
fn a_limit_is_told_where_it_bounds_the_rows_that_are_given() {
    for (text, limit) in [
        ("SELECT a FROM t LIMIT 10", Some(10)),
        ("SELECT a FROM t LIMIT 10 OFFSET 5", Some(10)),
        ("SELECT a FROM t FETCH FIRST 5 ROWS ONLY", Some(5)),
        ("SELECT a FROM t FETCH FIRST ROW ONLY", Some(1)),
        ("SELECT a FROM t FETCH FIRST 5 ROWS WITH TIES", None),
        ("SELECT a FROM t LIMIT ALL", None),
        ("SELECT a FROM t LIMIT NULL", None),
        ("SELECT a FROM t LIMIT $1", None),
        ("SELECT a FROM t LIMIT 5 + 5", None),
        ("SELECT a FROM t", None),
        ("SELECT a FROM t OFFSET 10", None),
        ("SELECT string_agg(b, '') FROM t LIMIT 1", None),
        ("SELECT array_agg(b) OVER () FROM t LIMIT 1", None),
        ("SELECT (SELECT array_agg(x.b)) FROM t x LIMIT 1", None),
        ("SELECT b FROM t GROUP BY b LIMIT 1", None),
        ("SELECT lower(b) FROM t LIMIT 7", Some(7)),
        ("SELECT a FROM t WHERE audit(b) IS NULL LIMIT 1", None),
        ("SELECT a FROM t ORDER BY audit(b) LIMIT 1", None),
        ("SELECT audit(b) FROM t LIMIT 1", None),
        ("SELECT a FROM t WHERE (b).audit IS NULL LIMIT 1", None),
        ("SELECT a FROM t WHERE b OPERATOR(public.===) 'x' LIMIT 1", None),
        ("SELECT a FROM t WHERE b::email = 'x' LIMIT 1", None),
        ("SELECT a FROM t WHERE pg_notify('c', b) IS NULL LIMIT 1", None),
        ("SELECT a FROM t, LATERAL audit(b) x LIMIT 1", None),
        ("SELECT a FROM t WHERE lower(b) = 'x' ORDER BY length(b) LIMIT 1", Some(1)),
        ("SELECT * FROM (SELECT a FROM t) x LIMIT 1", None),
        ("SELECT DISTINCT b FROM t LIMIT 3", Some(3)),
        ("SELECT * FROM (SELECT a FROM t LIMIT 1) x", Some(1)),
        ("WITH x AS (SELECT a FROM t LIMIT 1) SELECT * FROM x", Some(1)),
        ("SELECT (SELECT a FROM t WHERE b = n LIMIT 1) FROM generate_series(1, 9999) n", None),
        ("SELECT x.a FROM generate_series(1, 9999) n, LATERAL (SELECT a FROM t OFFSET n LIMIT 1) x", None),
        ("SELECT 1 WHERE EXISTS (SELECT a FROM t LIMIT 1)", None),
        // It keeps what it sees.
        ("SELECT a FROM t ORDER BY set_config('x.y', b, false) LIMIT 1", None),
        (
            "WITH RECURSIVE r AS (SELECT 0 AS n UNION ALL (SELECT a FROM t, r ORDER BY a OFFSET n LIMIT 1)) \
             SELECT n FROM r",
            None,
        ),
    ] {
        let statement = read(text).statements.remove(0);
        let select = statement.actions.iter().find(|action| action.verb == policy::Verb::Select);
        assert_eq!(select.and_then(|action| action.detail.limit), limit, "{text}");
    }
}

/// Compared one by one this takes minutes without optimisation.
#[test]
fn a_statement_of_very_many_relations_is_told() {
    let names = (0..20_000).map(|n| format!("x{n}")).collect::<Vec<_>>().join(", ");
    let found = read(&format!("DROP TABLE IF EXISTS {names}")).statements.remove(0).actions;
    assert_eq!(found.last().map(ToString::to_string).as_deref(), Some("opaque (too many different actions)"));
}

#[test]
fn what_is_not_understood_is_told_with_its_place_in_characters() {
    use policy::Verb;
    for (text, at) in [
        ("SELECT * FROM nowhere", Some(15)),
        // Characters, not bytes.
        ("SELECT 'äöü' FROM nowhere", Some(19)),
        ("SELECT 1; SELECT * FROM t, nowhere", Some(28)),
        ("SELECT 1;  DO $$BEGIN$$", Some(17)),
        ("SELECT 'ä' || 'x", Some(15)),
        ("SELECT (1", Some(10)),
        ("SELECT nofunction(1)", Some(8)),
        ("SELECT FOO BAR BAZ FROM t", Some(16)),
        ("SELECT 1", None),
    ] {
        let actions = read(text).statements.into_iter().flat_map(|statement| statement.actions);
        let opaque: Vec<_> = actions.filter(|action| action.verb == Verb::Opaque).collect();
        assert_eq!(opaque.first().and_then(|action| action.detail.position), at, "{text}: {opaque:?}");
    }
}

#[test]
fn what_is_altered_tells_by_which_name_it_is_known_then() {
    let renamings = |text: &str| {
        let told = |action: &policy::Action| {
            let implied = if action.implied { "*" } else { "" };
            let of = |renaming: &policy::Renaming| format!("{implied}{} {renaming}", action.object);
            action.detail.renamings.iter().map(of).collect::<Vec<_>>()
        };
        let statements = read(text).statements;
        statements.iter().flat_map(|s| &s.actions).flat_map(told).collect::<Vec<_>>().join("; ")
    };
    for (text, expected) in [
        ("ALTER TABLE secret RENAME TO x", "table public.secret becomes public.x"),
        ("ALTER TABLE IF EXISTS ONLY secret RENAME TO \"X\"", "table public.secret becomes public.X"),
        ("ALTER TABLE IF EXISTS missing RENAME TO x", "table public.missing becomes public.x"),
        ("ALTER INDEX secret RENAME TO x", "table public.secret becomes public.x"),
        ("ALTER VIEW secret RENAME TO x", "table public.secret becomes public.x"),
        ("ALTER SEQUENCE secret RENAME TO x", "table public.secret becomes public.x"),
        ("ALTER FOREIGN TABLE secret RENAME TO x", "table public.secret becomes public.x"),
        ("ALTER MATERIALIZED VIEW customers_view RENAME TO x", "view public.customers_view becomes public.x"),
        ("ALTER TABLE secret SET SCHEMA other", "table public.secret becomes other.secret"),
        ("ALTER TABLE secret RENAME COLUMN pw TO x", "table public.secret column pw becomes x"),
        ("ALTER TABLE secret RENAME pw TO \"to\"", "table public.secret column pw becomes to"),
        ("ALTER VIEW customers_view RENAME label TO x", "view public.customers_view column label becomes x"),
        ("ALTER TYPE secret RENAME ATTRIBUTE pw TO x", "table public.secret column pw becomes x"),
        ("ALTER TABLE secret RENAME CONSTRAINT pw TO x", ""),
        ("ALTER TABLE secret ADD COLUMN x int", ""),
        ("ALTER FUNCTION hash(int) RENAME TO x", "function public.hash becomes public.x"),
        ("ALTER ROUTINE hash(int) SET SCHEMA other", "function public.hash becomes other.hash"),
        ("ALTER FUNCTION lower(text) RENAME TO x", "function pg_catalog.lower becomes pg_catalog.x"),
        ("ALTER FUNCTION hash(int) OWNER TO app", ""),
        ("ALTER ROLE boss RENAME TO x", "role boss becomes x"),
        (
            "DO $$BEGIN ALTER TABLE t ADD c int; ALTER TABLE t RENAME TO u; END$$",
            "table public.t becomes public.u",
        ),
        (
            "BEGIN; ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO v",
            "table public.t becomes public.u; table public.u becomes public.v",
        ),
    ] {
        assert_eq!(renamings(text), expected, "{text}");
    }
    let schema = renamings("ALTER SCHEMA other RENAME TO x");
    for part in [
        "schema other becomes x",
        "*table other.notes becomes x.notes",
        "*function other.lower becomes x.lower",
    ] {
        assert!(schema.split("; ").any(|told| told == part), "{schema}");
    }
    let parent = renamings("ALTER TABLE events RENAME body TO x");
    assert!(!parent.is_empty());
}
