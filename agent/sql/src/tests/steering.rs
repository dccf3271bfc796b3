//! What decides about rows and is not shown itself: who may choose it finds out what a mask hides.

use super::fixture::{catalog, is_opaque, settings, steers, written};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert!(!is_opaque(text), "{text}");
    assert_eq!(steers(text), expected, "{text}");
}

#[test]
fn a_natural_join_is_by_any_column_where_what_is_not_committed_may_have_added_one() {
    let text = "SELECT 1 FROM t NATURAL JOIN customers";
    let steers = |catalog: &policy::Catalog| {
        let mut analysis = crate::analyse(text.as_bytes(), &settings(), catalog, &crate::Limits::default());
        analysis.statements.remove(0).steers
    };
    assert_eq!(steers(&catalog()), crate::flow::constant());
    let open = catalog().with_provisional(&[policy::catalog::Provisional::Changed]);
    assert_ne!(steers(&open), crate::flow::constant());
}

/// The temporary schema may come to be by what is no relation.
#[test]
fn what_is_made_in_the_temporary_schema_moves_the_path() {
    for text in [
        "CREATE DOMAIN pg_temp.text AS pg_catalog.text",
        "CREATE TYPE pg_temp.text AS ENUM ('x')",
        "CREATE TYPE pg_temp.text AS (a int)",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE COLLATION pg_temp.c FROM \"C\"",
        "DO $$BEGIN CREATE DOMAIN pg_temp.text AS pg_catalog.text; END$$",
    ] {
        let analysis = super::fixture::read(text);
        assert!(analysis.statements[0].effects.temp, "{text}");
    }
    assert!(!super::fixture::read("CREATE DOMAIN d AS text").statements[0].effects.temp);
}

/// A cast to text takes every value, but not one to a user's type that is called so.
#[test]
fn a_cast_asks_of_a_type_that_has_the_name_of_one_of_postgresqls_alone() {
    use policy::catalog::TypeKind;
    let of = |catalog: &policy::Catalog, schemas: &[&str], text: &str| {
        let mut settings = settings();
        settings.search_path = crate::SearchPath::Known {
            schemas: schemas.iter().map(|schema| (*schema).to_owned()).collect(),
            creation: None,
        };
        let limits = crate::Limits::default();
        let mut analysis = crate::analyse(text.as_bytes(), &settings, catalog, &limits);
        analysis.statements.remove(0).steers
    };
    let (own, made) = (["pg_catalog", "public"], ["public", "pg_catalog"]);
    let none = crate::flow::constant();
    for kind in [TypeKind::Enum, TypeKind::Domain, TypeKind::Composite] {
        let types = ["text", "_text"].map(|name| ("public".to_owned(), name.to_owned(), kind));
        let users = catalog().with_types(types);
        for text in [
            "SELECT ssn::text FROM customers",
            "SELECT CAST(ssn AS text) FROM customers",
            "SELECT ssn::text::varchar FROM customers",
        ] {
            assert_eq!(of(&users, &own, text), none, "{text}");
            assert_eq!(of(&catalog(), &made, text), none, "{text}");
            assert_ne!(of(&users, &made, text), none, "{text}");
        }
        assert_eq!(of(&users, &made, "SELECT ssn::varchar FROM customers"), none);
    }
}

/// `lower(x)` of one value is a cast to a type `lower` where no function takes the value as it is.
#[test]
fn a_call_by_the_name_of_a_type_asks_as_the_cast_does() {
    use policy::catalog::TypeKind;
    let read = |catalog: &policy::Catalog, text: &str| {
        let limits = crate::Limits::default();
        crate::analyse(text.as_bytes(), &settings(), catalog, &limits).statements.remove(0)
    };
    let none = crate::flow::constant();
    let of_one = ["lower(ssn)", "pg_catalog.lower(ssn)", "public.lower(ssn)", "(ssn).lower", "c.lower"];
    let [called, own, qualified, of_value, of_row] =
        of_one.map(|call| format!("SELECT {call} FROM customers c"));
    for (kind, casts) in [(TypeKind::Enum, true), (TypeKind::Domain, true), (TypeKind::Composite, false)] {
        let types = [("public".to_owned(), "lower".to_owned(), kind)];
        let users = catalog().with_types(types);
        for text in [&called, &of_value, &of_row, &"SELECT count(lower(ssn)) FROM customers".to_owned()] {
            assert_eq!(read(&catalog(), text).steers, none, "{text}");
            assert_eq!(read(&users, text).steers != none, casts, "{text} {kind:?}");
        }
        assert_ne!(read(&users, &qualified).steers, none, "{kind:?}");
        assert_eq!(read(&users, &own).steers, none, "{kind:?}");
    }
    // A type of PostgreSQL's own that comes first is none of a user's.
    let types = [("public".to_owned(), "text".to_owned(), TypeKind::Domain)];
    let users = catalog().with_types(types);
    let hidden = |text: &str| read(&users, text).actions.iter().any(|action| action.object.class == "type");
    assert!(!hidden("SELECT text('a')"));
    assert!(hidden("SELECT public.text('a')"));
}

#[test]
fn conditions_of_every_clause_decide() {
    for (text, expected) in [
        ("SELECT ssn FROM customers", "-"),
        ("SELECT * FROM customers LIMIT 3", "-"),
        ("SELECT upper(ssn), count(ssn) OVER () FROM customers", "-"),
        ("SELECT id FROM customers WHERE ssn = 'x'", "100.3"),
        ("SELECT 1 FROM customers c WHERE c.ssn LIKE 'x%' AND id = 1", "100.1+100.3"),
        ("SELECT 1 FROM customers JOIN t ON ssn = b", "100.3+103.2"),
        ("SELECT 1 FROM t JOIN customers ON true WHERE t.a = 1", "103.1"),
        ("SELECT 1 FROM customers JOIN customers d USING (ssn)", "100.3"),
        // A NATURAL join compares what both sides have, where that is known.
        ("SELECT 1 FROM customers NATURAL JOIN orders", "100.1+101.1"),
        ("SELECT 1 FROM customers NATURAL JOIN t", "-"),
        ("SELECT 1 FROM customers NATURAL JOIN (SELECT 1 AS id) x", "100.1"),
        ("SELECT 1 FROM customers NATURAL JOIN (SELECT '' AS ssn) x", "100.3"),
        ("SELECT 1 FROM (SELECT '' AS ssn) x NATURAL FULL JOIN customers", "100.3"),
        ("SELECT 1 FROM t AS x(ssn) NATURAL JOIN customers", "100.3+103.1"),
        ("SELECT 1 FROM t, orders NATURAL JOIN customers AS c(b)", "-"),
        ("SELECT 1 FROM t NATURAL JOIN (orders NATURAL JOIN customers AS c(i, ssn, b))", "100.3+103.2"),
        ("SELECT 1 FROM orders JOIN t ON true NATURAL JOIN customers c", "100.1+101.1"),
        (
            "SELECT 1 FROM orders JOIN customers c USING (id) NATURAL JOIN t AS x(ssn)",
            "100.1+100.3+101.1+103.1",
        ),
        ("WITH x AS (SELECT ssn, id FROM customers) SELECT 1 FROM x NATURAL JOIN t AS t(ssn)", "100.3+103.1"),
        ("SELECT 1 FROM customers NATURAL JOIN json_each('{}') AS e(ssn)", "100.1+100.2+100.3"),
        (
            "SELECT 1 FROM customers NATURAL JOIN (t CROSS JOIN orders) AS j",
            "100.1+100.2+100.3+101.1+101.2+101.3+103.1+103.2",
        ),
        ("SELECT 1 FROM customers, LATERAL (SELECT 1 FROM t WHERE b = ssn) x", "100.3+103.2"),
        ("SELECT 1 FROM customers, generate_series(1, length(ssn))", "100.3"),
        ("SELECT count(*) FROM customers GROUP BY ssn", "100.3"),
        ("SELECT 1 FROM customers GROUP BY id HAVING max(ssn) > 'x'", "100.1+100.3"),
        ("SELECT id FROM customers ORDER BY ssn", "100.3"),
        ("SELECT DISTINCT ON (ssn) id FROM customers", "100.3"),
        ("SELECT DISTINCT ssn FROM customers", "100.3"),
        ("SELECT ssn FROM customers UNION SELECT 'x'", "100.3"),
        ("SELECT ssn FROM customers INTERSECT ALL SELECT 'x'", "100.3"),
        ("SELECT 'x' EXCEPT SELECT ssn FROM customers", "100.3"),
        ("SELECT ssn FROM customers UNION ALL SELECT 'x'", "-"),
        ("SELECT id FROM customers LIMIT (SELECT length(ssn) FROM customers)", "100.3"),
        ("SELECT CASE WHEN ssn = 'x' THEN 1 / 0 END FROM customers", "100.3"),
        ("SELECT CASE ssn WHEN 'x' THEN 1 / 0 END FROM customers", "100.3"),
        ("SELECT CASE WHEN id = 1 THEN ssn ELSE name END FROM customers", "100.1"),
        ("SELECT EXISTS (SELECT FROM customers WHERE ssn = 'x')", "100.3"),
        ("SELECT 1 FROM t WHERE b IN (SELECT ssn FROM customers)", "100.3+103.2"),
        ("SELECT rank() OVER w FROM customers WINDOW w AS (ORDER BY ssn)", "100.3"),
        ("WITH x AS (SELECT ssn AS y FROM customers) SELECT 1 FROM x WHERE y = 'x'", "100.3"),
        ("SELECT 1 FROM (SELECT lower(ssn) AS y, id FROM customers) x WHERE y = 'x'", "100.3"),
        ("SELECT 1 FROM (SELECT lower(ssn) AS y, id FROM customers) x WHERE id = 1", "100.1"),
        ("UPDATE t SET a = 1 FROM customers WHERE ssn = b", "100.3+103.2"),
        ("DELETE FROM customers WHERE ssn = 'x'", "100.3"),
        ("MERGE INTO t USING customers ON b = ssn WHEN MATCHED THEN DO NOTHING", "100.3+103.2"),
        ("MERGE INTO t USING customers ON true WHEN MATCHED AND ssn = 'x' THEN DELETE", "100.3"),
        ("COPY (SELECT id FROM customers WHERE ssn = 'x') TO STDOUT", "100.3"),
        ("EXPLAIN ANALYZE SELECT id FROM customers WHERE ssn = 'x'", "100.3"),
        ("DECLARE c CURSOR FOR SELECT id FROM customers ORDER BY ssn", "100.3"),
        (
            "DO $$DECLARE shop int; BEGIN PERFORM 1 FROM customers WHERE shop.public.customers.ssn = 'x'; END$$",
            "100.3",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_may_fail_or_choose_by_a_value_asks_it() {
    for (text, expected) in [
        ("SELECT 1 / (ssn = 'x')::int FROM customers", "100.3"),
        ("SELECT ssn::int FROM customers", "100.3"),
        ("SELECT ssn = 'x' FROM customers", "100.3"),
        ("SELECT ssn LIKE 'x\\' FROM customers", "100.3"),
        ("SELECT nullif(ssn, 'x') FROM customers", "100.3"),
        ("SELECT NULL OR ssn > name FROM customers", "100.2+100.3"),
        ("SELECT ssn IN ('x', NULL), id IN (SELECT a FROM t) FROM customers", "100.1+100.3+103.1"),
        ("SELECT 'x' = ANY (ARRAY[ssn, name]) FROM customers", "100.2+100.3"),
        ("SELECT coalesce(nullif(ssn, 'x'), name) FROM customers", "100.3"),
        ("SELECT substring(ssn FROM '^1'), substr(ssn, 1, id) FROM customers", "100.1+100.3"),
        ("SELECT array_position(ARRAY['x'], ssn) FROM customers", "100.3"),
        ("SELECT (ARRAY[1])[length(ssn)] FROM customers", "100.3"),
        ("SELECT max(ssn) FROM customers", "100.3"),
        ("SELECT count(*) FILTER (WHERE ssn = 'x') FROM customers", "100.3"),
        ("SELECT count(DISTINCT ssn) FROM customers", "100.3"),
        ("SELECT (array_agg(id ORDER BY ssn))[1] FROM customers", "100.1+100.3"),
        ("SELECT id, rank() OVER (ORDER BY ssn) FROM customers", "100.3"),
        ("SELECT id, rank() OVER (PARTITION BY ssn) FROM customers", "100.3"),
        ("SELECT sum(a) OVER (ROWS (SELECT length(ssn) FROM customers) PRECEDING) FROM t", "100.3+103.1"),
        ("SELECT nth_value(id, length(ssn)) OVER () FROM customers", "100.1+100.3"),
        ("SELECT 1 / (SELECT length(ssn) FROM customers)", "100.3"),
        ("SELECT length((SELECT ssn FROM customers)) - 11", "100.3"),
        ("SELECT x / 2 FROM (SELECT length(ssn) AS x, id FROM customers) y", "100.3"),
        ("SELECT x / 2 FROM (SELECT ssn, id AS x FROM customers) y", "100.1"),
        ("SELECT id / 2, ssn, lower(name) FROM customers", "100.1"),
        ("SELECT ssn || (id / 2) FROM customers", "100.1"),
        (
            "SELECT lower(ssn) || upper(name), ssn::varchar(3), left(ssn, 1), coalesce(ssn, '') FROM customers",
            "-",
        ),
        (
            "SELECT ssn IS NULL, count(ssn), json_agg(c), row_to_json(c), (c).ssn, ARRAY[ssn] FROM customers c",
            "-",
        ),
        // Arrays of other dimensions do not go together.
        ("SELECT ARRAY[owner, '{x}'] FROM secret", "102.2"),
        ("SELECT owner || '{{x}}', pw || 'x' FROM secret", "102.2"),
        ("SELECT array_agg(owner), array_agg(pw) FROM secret", "102.2"),
        ("SELECT ARRAY(SELECT owner FROM secret), ARRAY(SELECT pw FROM secret)", "102.2"),
        ("SELECT owner, coalesce(owner, '{}'), ARRAY[pw] FROM secret", "-"),
        ("SELECT array_agg((secret).owner) FROM secret", "102.0"),
        // A range may have no bound, bytes may be no text in an encoding, and JSON may be none of jsonb's.
        ("SELECT lower(owner), upper(pw) FROM secret", "102.2"),
        ("SELECT length(ssn), length('x', ssn) FROM customers", "100.3"),
        ("SELECT (owner).lower, (name).upper FROM secret, customers", "102.2"),
        ("SELECT substring(ssn FROM 1 FOR 3), pg_catalog.lower(ssn), count(*) OVER () FROM customers", "-"),
        ("SELECT 1 / (SELECT count(*) FROM (SELECT ssn FROM customers) x)", "-"),
        ("VALUES (1), ((SELECT 1 / length(ssn) FROM customers))", "100.3"),
        ("DELETE FROM customers WHERE id = 1 RETURNING 1 / length(ssn)", "100.1+100.3"),
        ("EXECUTE p (1 / (SELECT length(ssn) FROM customers))", "100.3"),
        // What another one's function makes of it, it does itself; what is made of that is not known to ask nothing.
        ("SELECT audit(id), audit(id)::text || 'x' FROM customers", "100.1"),
        ("SELECT 1 / audit(id) FROM customers", "?"),
        ("SELECT nullif(audit(id), 1) FROM customers", "?"),
        ("SELECT 1 / x FROM customers, audit(id) x", "?"),
        ("INSERT INTO customers VALUES (1) ON CONFLICT (ssn) DO NOTHING", "100.3"),
        (
            "INSERT INTO customers VALUES (1) ON CONFLICT (lower(ssn)) WHERE name = 'x' DO NOTHING",
            "100.2+100.3",
        ),
        ("INSERT INTO customers VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x'", "100.1"),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_a_write_is_held_against_is_asked() {
    for (text, expected) in [
        ("INSERT INTO keyed (ssn) VALUES ('x') ON CONFLICT DO NOTHING", "150.3"),
        ("INSERT INTO keyed (mail) VALUES ('x') ON CONFLICT DO NOTHING", "150.1+150.2"),
        ("INSERT INTO keyed VALUES (1) ON CONFLICT DO NOTHING", "150.1+150.2+150.3"),
        ("INSERT INTO keyed (note) VALUES (1) ON CONFLICT (note) DO UPDATE SET ssn = 'x'", "150.3+150.4"),
        // As with PostgreSQL, whoever may write finds out that a key is there already.
        ("INSERT INTO keyed (mail, note) VALUES ('x', 'y')", "-"),
        ("INSERT INTO keyed (id, mail, note, until) SELECT 1, 'x', 'y', 'z' FROM orders", "-"),
        ("UPDATE keyed SET mail = 'x'", "-"),
        ("MERGE INTO keyed USING t ON true WHEN NOT MATCHED THEN INSERT (mail) VALUES (b)", "-"),
        // What overlaps, or is more than another, is found out step by step.
        ("INSERT INTO keyed VALUES (1)", "150.3"),
        ("COPY keyed FROM STDIN", "150.3"),
        ("INSERT INTO keyed (note, until) VALUES ('x', 'y')", "-"),
        ("INSERT INTO keyed DEFAULT VALUES", "-"),
        ("UPDATE keyed SET note = 'x'", "150.4+150.5"),
        ("UPDATE keyed SET ssn = 'x' WHERE note = 'y'", "150.3+150.4"),
        ("DELETE FROM keyed", "-"),
        ("TRUNCATE keyed", "-"),
    ] {
        check(text, expected);
    }
}

#[test]
fn numbers_and_labels_of_output_columns_are_what_stands_there() {
    for (text, expected) in [
        ("SELECT id, ssn FROM customers ORDER BY 2", "100.3"),
        ("SELECT id, ssn FROM customers ORDER BY 1", "100.1"),
        ("SELECT lower(ssn) AS x, id FROM customers ORDER BY x", "100.3"),
        ("SELECT lower(ssn) AS x, count(*) AS n FROM customers GROUP BY 1 ORDER BY n DESC", "100.3"),
        ("SELECT id AS x, count(*) AS n FROM customers GROUP BY x ORDER BY n DESC", "100.1"),
        // The label is what ORDER BY means, and the column what GROUP BY means: both are told.
        ("SELECT ssn AS id FROM customers ORDER BY id", "100.1+100.3"),
        ("SELECT ssn AS id FROM customers GROUP BY id, ssn", "100.1+100.3"),
        ("SELECT DISTINCT ON (1) ssn, id FROM customers", "100.3"),
        ("SELECT * FROM customers ORDER BY 3", "100.3"),
        ("SELECT ssn FROM customers UNION ALL SELECT b FROM t ORDER BY 1", "100.3+103.2"),
        ("SELECT id, ssn FROM customers ORDER BY 2 + 0", "-"),
        // Rows come of what a function is given.
        ("SELECT id, regexp_matches(ssn, '^1') FROM customers", "100.3"),
        ("SELECT id, pg_catalog.generate_series(1, length(ssn)) FROM customers", "100.3"),
        ("SELECT id, jsonb_array_elements_text(ssn::jsonb) FROM customers", "100.3"),
        ("SELECT id, (string_to_array(ssn, '')).unnest FROM customers", "100.3"),
        ("SELECT id, unnest(ARRAY[1, 2]) FROM customers", "-"),
        ("SELECT id, ssn FROM customers ORDER BY ((2))", "100.3"),
        ("SELECT ssn, count(*) FROM customers GROUP BY (1)", "100.3"),
        ("SELECT DISTINCT ON ((1)) ssn FROM customers", "100.3"),
        ("SELECT (c).* FROM customers c ORDER BY (3)", "100.0"),
        ("SELECT ssn, count(*) FROM customers GROUP BY ROLLUP (1)", "100.3"),
        ("SELECT ssn, count(*) FROM customers GROUP BY CUBE ((1), 1)", "100.3"),
        ("SELECT ssn, id FROM customers GROUP BY GROUPING SETS ((1, id), ((1)), ())", "100.1+100.3"),
    ] {
        check(text, expected);
    }
}

/// Which rows come first shows in what order an index had them.
#[test]
fn rows_that_are_put_in_the_order_of_an_index_tell_it() {
    for text in ["CLUSTER customers", "CLUSTER VERBOSE customers USING i", "CLUSTER i ON customers"] {
        check(text, "100.0");
    }
    // Which of those with an index have been clustered before is not known.
    check("CLUSTER", "100.0");
    check("CLUSTER (VERBOSE)", "100.0");
}

#[test]
fn what_was_not_understood_may_have_been_decided_by_anything() {
    assert_eq!(steers("SELECT 1 FROM customers ELSEWHERE ssn"), "?");
}

#[test]
fn what_a_definition_computes_of_rows_decides() {
    for (text, expected) in [
        ("ALTER TABLE customers ADD CHECK (ssn <> 'x')", "100.3"),
        ("ALTER TABLE customers ADD x int CHECK (length(ssn) > 3)", "100.3"),
        ("ALTER TABLE customers ADD UNIQUE (ssn)", "100.3"),
        ("ALTER TABLE customers ADD PRIMARY KEY (id)", "100.1"),
        ("ALTER TABLE customers ADD FOREIGN KEY (ssn) REFERENCES t (a)", "100.3"),
        ("ALTER TABLE customers ADD EXCLUDE (ssn WITH =)", "100.3"),
        ("ALTER TABLE customers ADD x text GENERATED ALWAYS AS (ssn) STORED", "100.3"),
        ("ALTER TABLE customers ALTER ssn TYPE int", "100.3"),
        ("ALTER TABLE customers ALTER name TYPE text USING lower(ssn)", "100.2+100.3"),
        ("ALTER TABLE customers VALIDATE CONSTRAINT x", "100.0"),
        ("CREATE INDEX i ON customers (id) WHERE ssn = 'x'", "100.3"),
        ("CREATE INDEX i ON customers ((1 / length(ssn)))", "100.3"),
        ("CREATE UNIQUE INDEX i ON customers (ssn)", "100.3"),
        ("CREATE INDEX i ON customers (ssn)", "-"),
        (
            "CREATE TRIGGER g BEFORE UPDATE ON customers FOR EACH ROW WHEN (OLD.ssn = 'x') EXECUTE FUNCTION tidy()",
            "100.3",
        ),
        (
            "CREATE TRIGGER g AFTER INSERT ON customers FOR EACH ROW WHEN (NEW.id > 1) EXECUTE FUNCTION tidy()",
            "100.1",
        ),
        ("CREATE POLICY p ON customers USING (ssn = 'x')", "100.3"),
        ("CREATE PUBLICATION p FOR TABLE customers WHERE (ssn = 'x')", "100.3"),
        ("CREATE TABLE x (a int CHECK (a > 1), b int GENERATED ALWAYS AS (a) STORED)", "-"),
        ("ALTER TABLE customers ADD x int DEFAULT 1", "-"),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_a_definition_computes_is_stored() {
    for (text, expected) in [
        ("ALTER TABLE customers ALTER name TYPE text USING lower(ssn)", "100.3"),
        ("ALTER TABLE customers ADD x text GENERATED ALWAYS AS (ssn) STORED", "100.3"),
        ("ALTER TABLE customers ADD CHECK (ssn <> 'x')", "-"),
        ("CREATE TABLE x (a int, b int GENERATED ALWAYS AS (a) STORED)", "-"),
    ] {
        assert_eq!(written(text), expected, "{text}");
    }
}

#[test]
fn a_condition_of_a_join_sees_its_two_sides_and_what_lies_around_the_query() {
    for (text, expected) in [
        // What stands beside the join hides nothing from it.
        (
            "SELECT 1 FROM customers, LATERAL (SELECT 1 FROM (VALUES ('x')) v (ssn), t JOIN t u ON ssn < '5') x",
            "100.3",
        ),
        ("SELECT 1 FROM customers c, LATERAL (SELECT 1 FROM t c, (t JOIN t u ON c.ssn < '5')) x", "100.3"),
        ("SELECT 1 FROM t c, (customers JOIN t ON ssn < '5')", "100.3"),
        ("SELECT 1 FROM t c, customers JOIN t ON true JOIN t u ON ssn < '5'", "100.3"),
        ("SELECT 1 FROM (VALUES ('x')) v (b), t JOIN customers ON b < '5'", "103.2"),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_stands_behind_the_parentheses_of_a_query_is_the_querys() {
    for (text, expected) in [
        ("(SELECT id FROM customers) ORDER BY ssn", "100.3"),
        (
            "SELECT x.* FROM (VALUES ('x')) v (ssn), LATERAL ((SELECT id FROM customers) ORDER BY ssn LIMIT 1) x",
            "100.3",
        ),
        ("SELECT 1 FROM t c, LATERAL (((SELECT id FROM customers c)) ORDER BY c.ssn LIMIT 1) x", "100.3"),
        (
            "(WITH t (b) AS (SELECT length(ssn) FROM customers) SELECT id FROM orders) LIMIT (SELECT b FROM t)",
            "100.3",
        ),
        // Behind an arm of a set operation its WITH queries are out of sight.
        (
            "(WITH t AS (SELECT ssn AS b FROM customers) SELECT 1) UNION ALL SELECT 1 FROM t WHERE b = 'x'",
            "103.2",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn a_key_that_may_be_of_the_output_or_of_from_is_both() {
    for (text, expected) in [
        ("SELECT g.* FROM customers, generate_series(1, 2) g ORDER BY ssn", "100.3"),
        ("SELECT x.*, 1 AS total FROM t NATURAL JOIN t x ORDER BY total", "103.1+103.2"),
        ("SELECT id, ssn FROM customers ORDER BY 0x2", "100.1+100.3"),
        ("SELECT id, ssn FROM customers ORDER BY 1", "100.1"),
        // GROUP BY means the column of FROM, of which is not known what it carries.
        (
            "WITH RECURSIVE a AS (SELECT 1 AS b FROM x GROUP BY b), x AS (SELECT ssn AS b FROM customers) TABLE a",
            "?",
        ),
        ("SELECT 1 AS total FROM t ORDER BY total", "-"),
    ] {
        check(text, expected);
    }
}

#[test]
fn the_columns_of_a_cycle_decide_where_it_ends() {
    let query = "WITH RECURSIVE r (x, n) AS (SELECT ssn, id FROM customers UNION ALL SELECT 'x', n + 1 FROM r WHERE n < 4)";
    for (marks, expected) in [
        ("CYCLE x SET c USING p", "100.1+100.3"),
        ("SEARCH DEPTH FIRST BY x SET o CYCLE n, x SET c TO 'y' DEFAULT 'n' USING p", "100.1+100.3"),
        ("CYCLE n SET c USING p", "100.1"),
        ("SEARCH BREADTH FIRST BY x SET o", "100.1"),
    ] {
        check(&format!("{query} {marks} SELECT n FROM r"), expected);
    }
}

#[test]
fn what_may_not_fit_in_the_type_that_values_get_together_is_asked() {
    for (text, expected) in [
        ("SELECT total FROM orders UNION ALL SELECT '1'::real", "101.3"),
        ("SELECT '1'::float8 UNION ALL SELECT total FROM orders", "101.3"),
        ("SELECT id, total FROM orders UNION ALL SELECT 1, '1'::float8 UNION ALL SELECT 2, NULL", "101.3"),
        ("SELECT * FROM orders UNION ALL SELECT 1, 2, real '1'", "101.3"),
        ("SELECT total FROM orders UNION ALL SELECT x FROM pg_sleep(0) x", "101.3"),
        (
            "WITH RECURSIVE r AS (SELECT real '1' AS x UNION ALL SELECT total FROM orders) SELECT x FROM r",
            "101.3",
        ),
        ("VALUES ((SELECT total FROM orders)), ('1'::real)", "101.3"),
        ("VALUES ('1'::real), (1), ((SELECT total FROM orders))", "101.3"),
        ("SELECT coalesce(total, '1'::real) FROM orders", "101.3"),
        ("SELECT coalesce(total, tableoid) FROM orders", "101.3"),
        ("SELECT coalesce((total), 0, CAST('1' AS double precision)) FROM orders", "101.3"),
        ("SELECT coalesce(total, $1) FROM orders", "101.3"),
        ("SELECT coalesce(x, '1'::real) FROM (SELECT coalesce(total, 0) AS x FROM orders) y", "101.3"),
        ("SELECT ARRAY[total, '1'::real] FROM orders", "101.3"),
        ("SELECT ARRAY[total] || '1'::real, 'x' || total FROM orders", "101.3"),
        ("SELECT coalesce(array_agg(total), '{}'::real[]) FROM orders", "101.3"),
        ("SELECT CASE WHEN true THEN total ELSE '1'::real END FROM orders", "101.3"),
        ("SELECT coalesce(CASE WHEN true THEN total END, '1'::real) FROM orders", "101.3"),
        // What fits in any, and what is of one type.
        ("SELECT coalesce(total, 0, -1.5, NULL, '1') FROM orders", "-"),
        ("SELECT coalesce(total, 0::numeric(10, 2)), coalesce(total, 1::bigint) FROM orders", "-"),
        (
            "SELECT coalesce(ssn, ''), coalesce(ssn, name, lower(name)), ssn || ' ' || lower(name) FROM customers",
            "-",
        ),
        ("SELECT total FROM orders UNION ALL SELECT NULL UNION ALL SELECT 0", "-"),
        ("SELECT ssn FROM customers UNION ALL SELECT lower(name) FROM customers", "-"),
        ("SELECT total FROM orders UNION ALL SELECT total FROM orders", "-"),
        ("SELECT id FROM customers UNION ALL SELECT '1'::oid", "-"),
        ("VALUES ((SELECT total FROM orders)), (0)", "-"),
        (
            "SELECT ARRAY[total, 0], CASE WHEN true THEN total ELSE 0 END, coalesce(sum(1), 0) FROM orders",
            "-",
        ),
        ("SELECT coalesce(total::text, 'x'), coalesce(ssn, $1) FROM orders, customers", "-"),
        (
            "WITH RECURSIVE r AS (SELECT total FROM orders UNION ALL SELECT total FROM r) SELECT total FROM r",
            "-",
        ),
    ] {
        check(text, expected);
    }
}
