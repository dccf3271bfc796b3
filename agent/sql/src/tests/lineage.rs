//! What output columns may carry: never less than they do. `=` stands before the columns whose own values they are.
//!
//! customers = 100 (id, name, ssn), orders = 101 (id, customer_id, total), t = 103 (a, b), view = 110.

use super::fixture::{output, steers, written};

fn check(text: &str, expected: &str) {
    assert_eq!(output(text), expected, "{text}");
}

#[test]
fn columns_are_resolved_through_from() {
    check("SELECT id, ssn FROM customers", "=100.1 =100.3");
    check("SELECT 1, 'x', now()", "- - -");
    check("SELECT c.ssn FROM customers c", "=100.3");
    check("SELECT public.customers.ssn FROM customers", "=100.3");
    check("SELECT * FROM customers", "=100.1 =100.2 =100.3");
    check("SELECT o.*, c.name FROM customers c, orders o", "=101.1 =101.2 =101.3 =100.2");
    check("SELECT ssn || name, lower(ssn), ssn::text, -id FROM customers", "100.2+100.3 100.3 =100.3 100.1");
    check("SELECT CASE WHEN ssn = 'x' THEN 1 ELSE id END FROM customers", "100.1+100.3");
    check("SELECT count(*), count(ssn), max(id) FROM customers", "- 100.3 100.1");
    check("SELECT x FROM (SELECT ssn AS x FROM customers) y", "=100.3");
    check("SELECT y.name FROM (SELECT ssn AS name FROM customers) y", "=100.3");
    check("SELECT (SELECT ssn FROM customers LIMIT 1)", "=100.3");
    check("SELECT (SELECT c.ssn) FROM customers c", "=100.3");
    check("SELECT ctid, tableoid, id FROM customers", "- - =100.1");
    check("SELECT id FROM customers_view", "=110.1");
    check("TABLE customers", "=100.1 =100.2 =100.3");
    check("VALUES (1, 2), (3, (SELECT ssn FROM customers))", "- 100.3");
    check("SELECT at FROM events", "=120.1");
}

#[test]
fn what_is_lateral_in_a_join_with_an_alias_sees_what_stands_before_the_join() {
    let join = "(t JOIN LATERAL (SELECT c.ssn) s ON true) AS j";
    check(
        &format!("SELECT x.* FROM t c, LATERAL (SELECT j.* FROM customers c, {join}) x"),
        "within 100.3+103.1+103.2",
    );
    let join = "(t JOIN unnest(ARRAY[c.ssn]) s ON true) AS j";
    check(&format!("SELECT j.s FROM customers c, {join}"), "100.3+103.1+103.2");
}

#[test]
fn a_system_columns_name_is_looked_for_outside_of_a_view() {
    for name in ["ctid", "xmin", "tableoid"] {
        let around = format!("FROM (SELECT ssn AS {name} FROM customers) q");
        check(&format!("SELECT (SELECT {name} FROM customers_view LIMIT 1) {around}"), "=100.3");
        check(&format!("SELECT (SELECT {name} FROM t LIMIT 1) {around}"), "-");
        check(&format!("SELECT (SELECT {name} FROM t, customers_view LIMIT 1) {around}"), "-");
    }
}

#[test]
fn a_subscript_does_not_change_what_a_name_with_a_dot_means() {
    // An alias may be called as another column is.
    check("SELECT name.ssn[1] FROM customers AS name", "100.3");
    check("SELECT name.ssn['x'] FROM customers AS name", "100.3");
    check("SELECT name.ssn[1:2] FROM customers AS name", "100.3");
    check("SELECT customers.ssn[1], public.customers.ssn[1] FROM customers", "100.3 100.3");
    check("SELECT name[1], (name).ssn[1] FROM customers", "100.2 100.2");
}

#[test]
fn set_operations_add_up_by_position() {
    check("SELECT a, b FROM t UNION ALL SELECT id, ssn FROM customers", "100.1+103.1 =100.3+103.2");
    check("SELECT a FROM t UNION SELECT id, ssn FROM customers", "within 100.1+100.3+103.1");
    check("SELECT x FROM (SELECT a AS x FROM t EXCEPT SELECT ssn FROM customers) y", "=100.3+103.1");
}

#[test]
fn a_value_is_a_columns_own_as_long_as_nothing_is_computed_or_converted() {
    check("SELECT (ssn), ((ssn)) COLLATE \"C\" FROM customers", "=100.3 =100.3");
    check(
        "SELECT ssn::varchar, CAST(ssn AS character varying), ssn::text::varchar FROM customers",
        "=100.3 =100.3 =100.3",
    );
    check(
        "SELECT ssn::varchar(9), ssn::char(9), ssn::text[], id::text, id::int FROM customers",
        "100.3 100.3 100.3 100.1 100.1",
    );
    check(
        "SELECT ssn || '', coalesce(ssn), (ssn)[1], ssn IS NULL, NOT ssn, ssn = ssn FROM customers",
        "100.3 100.3 100.3 100.3 100.3 100.3",
    );
    check(
        "SELECT max(ssn), first_value(ssn) OVER (), ARRAY[ssn], ROW(ssn), EXISTS (SELECT lower(ssn)) FROM customers",
        "100.3 100.3 100.3 100.3 100.3",
    );
    check(
        "SELECT CASE WHEN true THEN ssn END, ssn IN ('x'), ssn BETWEEN ssn AND ssn FROM customers",
        "100.3 100.3 100.3",
    );
    // What another arm gives may have another type, and a constant is nobody's.
    check(
        "SELECT ssn FROM customers UNION ALL SELECT b FROM t UNION ALL SELECT name FROM customers",
        "=100.2+100.3+103.2",
    );
    check("SELECT ssn FROM customers UNION ALL SELECT 'x'", "100.3");
    check("SELECT id FROM customers UNION ALL SELECT total FROM orders", "100.1+101.3");
    check("SELECT id FROM customers UNION ALL SELECT customer_id FROM orders", "=100.1+101.2");
    check("SELECT ssn FROM customers INTERSECT SELECT lower(b) FROM t", "100.3+103.2");
    check("VALUES ((SELECT ssn FROM customers)), ((SELECT b FROM t))", "=100.3+103.2");
    // A join that merges takes the one or the other.
    check("SELECT id FROM customers FULL JOIN orders USING (id)", "=100.1+101.1");
    check("SELECT b FROM t JOIN (SELECT lower(ssn) AS b FROM customers) x USING (b)", "100.3+103.2");
    check("SELECT (SELECT ssn, id FROM customers)", "100.1+100.3");
}

#[test]
fn with_queries_carry_what_they_select() {
    check("WITH x AS (SELECT ssn FROM customers) SELECT * FROM x", "=100.3");
    check("WITH x(a) AS (SELECT ssn FROM customers) SELECT a FROM x", "=100.3");
    check("WITH x AS (SELECT ssn FROM customers), y AS (SELECT ssn AS z FROM x) SELECT z FROM y", "=100.3");
    check("WITH t AS (SELECT ssn AS a FROM customers) SELECT a FROM t", "=100.3");
    check("WITH x AS (DELETE FROM customers RETURNING ssn) SELECT * FROM x", "=100.3");
    check(
        "WITH RECURSIVE x AS (SELECT ssn AS n FROM customers UNION ALL SELECT n FROM x) SELECT n FROM x",
        "=100.3",
    );
    check(
        "WITH RECURSIVE x(n, m) AS (SELECT ssn, 1 FROM customers UNION SELECT lower(n), m + 1 FROM x) TABLE x",
        "100.3 -",
    );
    // What one column hands to the next.
    check(
        "WITH RECURSIVE x(p, q, r) AS (SELECT b, b, b FROM t UNION ALL SELECT q, r, ssn FROM x, customers) TABLE x",
        "100.3+103.2 100.3+103.2 100.3+103.2",
    );
    check(
        "WITH RECURSIVE x(p, q) AS (SELECT b, b FROM t UNION ALL SELECT q, ssn FROM x, customers) TABLE x",
        "=100.3+103.2 =100.3+103.2",
    );
    // Who names himself in another way is not followed.
    check(
        "WITH RECURSIVE x AS (SELECT n FROM y), y AS (SELECT ssn AS n FROM customers) SELECT n FROM x",
        "?",
    );
    check(
        "WITH RECURSIVE x AS (SELECT ssn AS n FROM customers UNION ALL (WITH RECURSIVE y AS (SELECT n FROM x \
         UNION ALL SELECT n FROM y) SELECT n FROM y)) SELECT n FROM x",
        "=100.3",
    );
    // As drivers ask for types: what is around does not take what is inside for anything that the statement reads.
    check(
        "WITH RECURSIVE x AS (SELECT (WITH RECURSIVE y(b) AS (SELECT t.b UNION ALL SELECT b FROM y) SELECT b FROM y) AS n \
         FROM t, customers UNION ALL SELECT n FROM x) SELECT n FROM x",
        "=103.2",
    );
    // One inside two others is not followed.
    check(
        "WITH RECURSIVE x AS (SELECT ssn AS n FROM customers UNION ALL (WITH RECURSIVE y AS (SELECT n FROM x \
         UNION ALL (WITH RECURSIVE z AS (SELECT n FROM y UNION ALL SELECT n FROM z) SELECT n FROM z)) \
         SELECT n FROM y)) SELECT n FROM x",
        "?",
    );
    check("WITH RECURSIVE x AS (SELECT ssn FROM customers) SELECT * FROM x", "=100.3");
    check(
        "WITH t AS (SELECT 1 AS a) SELECT (SELECT a FROM (SELECT ssn AS a FROM customers) t) FROM t",
        "=100.3",
    );
}

#[test]
fn whole_rows_carry_everything() {
    check("SELECT c FROM customers c", "100.0");
    check("SELECT customers FROM customers", "100.0");
    check("SELECT row(c.*) FROM customers c", "100.0");
    check("SELECT to_json(c) FROM customers c", "100.0");
    check("SELECT c::text FROM customers c", "100.0");
    check("SELECT array_agg(c) FROM customers c", "100.0");
    check("SELECT (c).ssn FROM customers c", "100.0");
    check("SELECT (c).id FROM customers c", "100.0");
    check("SELECT (c.*)::text FROM customers c", "100.0");
    check("SELECT lower(customers) FROM customers", "100.0");
    check("SELECT ssn(customers) FROM customers", "unknown");
    check("SELECT customers.text FROM customers", "100.0");
    check("SELECT (SELECT x FROM (SELECT ssn FROM customers) x)", "100.3");
    check("SELECT json_agg(x) FROM (SELECT ssn, id FROM customers) x", "100.1+100.3");
}

#[test]
fn aliases_do_not_hide() {
    check("SELECT c.a FROM customers AS c(a, b)", "=100.1");
    check("SELECT c.b FROM customers AS c(x, y, b)", "=100.3");
    check("SELECT name FROM customers AS c(ssn, id, name)", "=100.3");
    check("SELECT id FROM (SELECT ssn, id FROM customers) AS x(id, y)", "=100.3");
    check("SELECT j.ssn FROM (customers c CROSS JOIN t) AS j", "100.1+100.2+100.3+103.1+103.2");
    check("SELECT * FROM customers JOIN orders USING (id)", "within 100.1+100.2+100.3+101.1+101.2+101.3");
    check("SELECT id FROM customers JOIN orders USING (id)", "=100.1+101.1");
    check("SELECT id FROM customers NATURAL JOIN orders", "=100.1+101.1");
    check("SELECT x FROM customers c, LATERAL (SELECT c.ssn AS x) l", "=100.3");
    check("SELECT u FROM customers c, unnest(string_to_array(c.ssn, '')) u", "100.3");
    check("SELECT v FROM customers c, json_each(to_json(c)) AS e(k, v)", "100.0");
    check("SELECT a FROM t, (SELECT ssn FROM customers) s", "=103.1");
    check("SELECT x.t FROM (SELECT ssn AS t FROM customers) x", "=100.3");
    // In a subquery without LATERAL, a sibling is not seen.
    check("SELECT z FROM t, (SELECT (SELECT a) AS z FROM customers c(a)) s", "=100.1");
}

#[test]
fn windows_and_groups_carry_what_they_sort_by() {
    check("SELECT rank() OVER (ORDER BY ssn) FROM customers", "100.3");
    check("SELECT rank() OVER w FROM customers WINDOW w AS (ORDER BY ssn)", "100.3");
    check("SELECT rank() OVER (w ORDER BY id) FROM customers WINDOW w AS (PARTITION BY ssn)", "100.1+100.3");
    check("SELECT rank() OVER v FROM customers WINDOW w AS (ORDER BY ssn)", "?");
    check("SELECT string_agg(name, ',' ORDER BY ssn) FROM customers", "100.2+100.3");
    check("SELECT DISTINCT ON (ssn) id FROM customers", "=100.1");
    check("SELECT ssn FROM customers GROUP BY GROUPING SETS ((ssn), ())", "=100.3");
}

#[test]
fn settings_hold_nothing_since_what_is_put_there_counts_as_stored() {
    check("SELECT current_setting('x.y')::int, pg_catalog.current_setting($1 || 'x', true)", "- -");
    check("SELECT * FROM current_setting('server_version') v", "within ");
    check("SHOW my.variable", "-");
    check("SHOW ALL", "- - -");
    assert_eq!(steers("SELECT id FROM orders WHERE customer_id = current_setting('x.y')::int"), "101.2");
    // But what is put there by the same statement, or by name, is followed.
    check("SELECT current_setting(ssn) FROM customers", "100.3");
    assert_eq!(written("SELECT set_config('x.y', ssn, false) FROM customers"), "100.3");
}

#[test]
fn what_is_not_sure_is_unknown() {
    check("SELECT public.audit(id), id FROM customers", "? =100.1");
    check("SELECT nothing FROM customers", "?");
    check("EXPLAIN SELECT 1", "unknown");
    check("FETCH ALL FROM c", "inherited c");
    check("EXECUTE p", "inherited p");
    check("PREPARE p AS SELECT ssn FROM customers", "=100.3");
    check("DECLARE c CURSOR FOR SELECT ssn FROM customers", "=100.3");
}

#[test]
fn returning_carries_the_target() {
    check("INSERT INTO customers VALUES (1) RETURNING ssn, id", "=100.3 =100.1");
    check("UPDATE customers SET name = 'x' RETURNING *", "=100.1 =100.2 =100.3");
    check("DELETE FROM customers c USING orders o RETURNING o.total, c", "=101.3 100.0");
    check("DELETE FROM customers", "none");
}

#[test]
fn returning_knows_the_row_as_it_was_and_as_it_is() {
    check("UPDATE customers SET name = 'x' RETURNING old.ssn, new.name, id", "=100.3 =100.2 =100.1");
    check("UPDATE customers SET name = 'x' RETURNING old, to_json(new)", "100.0 100.0");
    check("UPDATE customers SET name = 'x' RETURNING old.*", "=100.1 =100.2 =100.3");
    check("UPDATE customers SET name = 'x' RETURNING *", "=100.1 =100.2 =100.3");
    check("INSERT INTO customers AS c VALUES (1) RETURNING new.ssn || c.name", "100.2+100.3");
    check("DELETE FROM customers RETURNING (SELECT old.ssn)", "=100.3");
    check(
        "INSERT INTO customers VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x' RETURNING old.id",
        "=100.1",
    );
    check(
        "MERGE INTO customers c USING orders o ON c.id = o.id WHEN MATCHED THEN DO NOTHING \
         RETURNING merge_action(), old.ssn",
        "within 100.3",
    );
    // A table of that name is meant first.
    check("UPDATE customers SET name = 'x' FROM orders old RETURNING old.id, new.id", "=101.1 =100.1");
    check("DELETE FROM customers new RETURNING new.id", "=100.1");
    check("UPDATE customers SET name = old.ssn", "none");
}

#[test]
fn what_is_stored_is_told() {
    use policy::Lineage;

    use super::fixture::{CUSTOMERS, read};
    let written = |text: &str| match &read(text).statements[0].written {
        Lineage::Exact(columns) | Lineage::Derived(columns) => columns
            .iter()
            .map(|c| if c.relation == CUSTOMERS { c.attnum.to_string() } else { "other".to_owned() })
            .collect::<Vec<_>>()
            .join(" "),
        Lineage::Unknown => "?".to_owned(),
    };
    for (text, expected) in [
        ("SELECT ssn FROM customers", ""),
        ("INSERT INTO t VALUES (1, 'x')", ""),
        ("INSERT INTO t SELECT id, ssn FROM customers", "1 3"),
        ("UPDATE t SET b = c.ssn FROM customers c WHERE c.id = a", "3"),
        ("UPDATE customers SET name = lower(name)", "2"),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = (SELECT ssn FROM customers)", "3"),
        ("MERGE INTO t USING customers c ON a = c.id WHEN MATCHED THEN UPDATE SET b = c.ssn", "3"),
        ("CREATE TABLE n AS SELECT ssn FROM customers", "3"),
        ("SELECT ssn INTO n FROM customers", "3"),
        ("CREATE MATERIALIZED VIEW n AS SELECT ssn FROM customers", "3"),
        ("COPY customers TO '/tmp/x'", "0"),
        ("COPY (SELECT ssn FROM customers) TO STDOUT", "3"),
        ("SELECT audit(id), lower(ssn) FROM customers", "1"),
        ("SELECT * FROM customers c, audit(c.ssn)", "3"),
        ("SELECT (c).audit FROM customers c", "0"),
        ("SELECT set_config('x.y', ssn, false) FROM customers", "3"),
        ("SELECT set_config('search_path', ssn, false) FROM customers", "3"),
        ("SELECT pg_notify('c', ssn) FROM customers", "3"),
        ("WITH x AS (INSERT INTO t SELECT ssn FROM customers RETURNING a) SELECT a FROM x", "3"),
        ("DO $$ $$", "?"),
    ] {
        assert_eq!(written(text), expected, "{text}");
    }
}

#[test]
fn parameters_of_execute_that_carry_something_are_not_inherited() {
    check("EXECUTE p (1, 'x', now())", "inherited p");
    check("EXECUTE p (public.audit(1))", "unknown");
}

#[test]
fn exists_tells_of_rows_and_not_of_what_is_in_them() {
    check(
        "SELECT EXISTS (SELECT * FROM customers), EXISTS (SELECT c.* FROM customers c), EXISTS (SELECT ssn FROM customers)",
        "- - -",
    );
    check("SELECT NOT EXISTS (SELECT 1, ssn AS x FROM customers)", "-");
    // What gives rows of its own, or is not known, may tell more.
    check(
        "SELECT EXISTS (SELECT unnest(ssn) FROM customers), EXISTS (SELECT ssn FROM customers UNION SELECT 'x')",
        "100.3 100.3",
    );
    check("SELECT EXISTS (SELECT audit() FROM customers)", "?");
    check("SELECT EXISTS (SELECT (json_each(ssn::json)).* FROM customers)", "100.3");
    for from in [
        "unnest(string_to_array(c.ssn, '-'))",
        "orders, LATERAL regexp_matches(c.ssn, '^1')",
        "orders JOIN generate_series(1, length(c.ssn) - 11) ON true",
        "(SELECT * FROM regexp_matches(c.ssn, '^1')) x",
        "(SELECT regexp_matches(c.ssn, '^1')) x",
        "(orders CROSS JOIN generate_series(1, length(c.ssn) - 11))",
    ] {
        let text = format!("SELECT EXISTS (SELECT * FROM {from}) FROM customers c");
        assert!(super::fixture::steers(&text).contains("100.3"), "{text}");
    }
    // What chooses them decides all the same.
    for text in [
        "SELECT EXISTS (SELECT * FROM customers WHERE ssn = 'x')",
        "SELECT EXISTS (SELECT id FROM customers GROUP BY id, ssn)",
        "SELECT EXISTS (SELECT * FROM customers c JOIN orders ON c.ssn = 'x')",
        "SELECT id FROM orders WHERE EXISTS (SELECT * FROM customers WHERE ssn = 'x')",
    ] {
        assert!(super::fixture::steers(text).contains("100.3"), "{text}");
    }
    assert_eq!(super::fixture::steers("SELECT id FROM orders o WHERE EXISTS (SELECT * FROM customers)"), "-");
}

#[test]
fn a_call_in_attribute_notation_may_fail_as_any_call() {
    for text in [
        "SELECT (ssn).xml FROM customers",
        "SELECT (c).xml FROM customers c",
        "SELECT c.xml FROM customers c",
    ] {
        assert_ne!(super::fixture::steers(text), "-", "{text}");
    }
    for text in ["SELECT (ssn).upper, (ssn).text FROM customers", "SELECT (ssn).no_function FROM customers"] {
        assert_eq!(super::fixture::steers(text), "-", "{text}");
    }
}

#[test]
fn a_column_that_is_set_to_what_was_to_be_inserted_into_it_stores_nothing_else() {
    let upsert = "INSERT INTO customers (id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET";
    check_written(&format!("{upsert} ssn = excluded.ssn, name = 'x'"), "-");
    check_written(&format!("{upsert} (ssn, name) = (excluded.ssn, excluded.name)"), "-");
    check_written(&format!("{upsert} name = excluded.ssn"), "100.3");
    check_written(&format!("{upsert} (name, ssn) = (excluded.ssn, excluded.name)"), "100.2+100.3");
    check_written(&format!("{upsert} ssn = customers.ssn"), "100.3");
    check_written(&format!("{upsert} ssn = lower(excluded.ssn)"), "100.3");
    let from =
        "INSERT INTO customers SELECT * FROM customers ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn";
    check_written(from, "100.1+100.2+100.3");
    check_written("UPDATE t SET a = excluded.a FROM (SELECT ssn AS a FROM customers) excluded", "100.3");
    check_written(
        "MERGE INTO t USING (SELECT ssn AS a FROM customers) excluded ON true WHEN MATCHED THEN UPDATE SET a = excluded.a",
        "100.3",
    );
}

fn check_written(text: &str, expected: &str) {
    assert_eq!(super::fixture::written(text), expected, "{text}");
}
