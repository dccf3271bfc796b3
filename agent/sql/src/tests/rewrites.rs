//! Shapes that are rewritten before they are parsed: each is read as what PostgreSQL makes of it, and words that only look
//! like one of them stay names.

use super::fixture::{actions, details, is_opaque, steers, written};

/// What the columns carry, be it their own value or not.
fn output(text: &str) -> String {
    super::fixture::output(text).replace('=', "")
}

#[track_caller]
fn check(text: &str, expected_actions: &str, expected_output: &str) {
    assert_eq!(actions(text), expected_actions, "{text}");
    assert_eq!(output(text), expected_output, "{text}");
}

/// What the statement reads of customers.ssn (100.3) and names of relations.
#[track_caller]
fn carries(text: &str, expected_output: &str) {
    assert!(!is_opaque(text), "{text} gave {}", actions(text));
    assert_eq!(output(text), expected_output, "{text}");
}

#[test]
fn literals_with_a_type_before_them_are_casts() {
    check("SELECT point '(0,0)', box '(0,0,1,1)', xml '<a/>', name 'x', jsonb '1'", "", "- - - - -");
    check("SELECT mood 'happy', public.email 'a@b'", "function type public.email", "- -");
    carries("SELECT ssn = text 'x' FROM customers", "100.3");
    assert!(is_opaque("SELECT nowhere 'x'"));
    // Words of the grammar before a string are no types.
    carries("SELECT ssn FROM customers GROUP BY 'x', ssn ORDER BY 'x'", "100.3");
    carries("SELECT ssn LIKE 'x' ESCAPE 'y' FROM customers", "100.3");
    carries("SELECT ssn AT TIME ZONE 'UTC' FROM customers", "100.3");
    carries("SELECT sum(id) OVER (ORDER BY ssn RANGE '1 day' PRECEDING) FROM customers", "100.1+100.3");
}

#[test]
fn all_columns_of_an_item_may_be_taken_anywhere() {
    carries("SELECT c.* FROM customers c", "100.1 100.2 100.3");
    carries("SELECT public.customers.*, 1 FROM customers", "100.1 100.2 100.3 -");
    // A label does not make one column of them.
    carries("SELECT c.* AS x, 1 FROM customers c", "100.1 100.2 100.3 -");
    carries("SELECT (c.*), 1 FROM customers c", "100.1 100.2 100.3 -");
    carries("SELECT (c.*)::text, 1 FROM customers c", "100.0 -");
    carries("SELECT c.* IS NULL, ROW(c.*, 1), count(c.*) FROM customers c", "100.0 100.0 100.0");
    carries("SELECT (c).*, 1 FROM customers c", "within 100.0");
    carries("SELECT ((c)).ssn FROM customers c", "100.0");
    carries("SELECT (lower(ssn)).*, 1 FROM customers", "within 100.3");
    carries("SELECT x.column1 FROM customers c, LATERAL (VALUES (c.*)) x", "100.0");
    carries("SELECT id * 2, 3.*2 FROM customers", "100.1 -");
    assert!(is_opaque("SELECT a.b.public.customers.* FROM customers"));
}

#[test]
fn arguments_are_named_either_way() {
    carries("SELECT make_interval(years := 2, days => id) FROM customers", "100.1");
}

#[test]
fn functions_with_words_between_their_arguments_carry_all_of_them() {
    for text in [
        "SELECT xmlelement(name ssn, xmlattributes(c.ssn AS x), 'y') FROM customers c",
        "SELECT xmlforest(c.ssn AS x, 1) FROM customers c",
        "SELECT xmlparse(document ssn preserve whitespace) FROM customers",
        "SELECT xmlroot(xmlcomment(ssn), version '1.0', standalone yes) FROM customers",
        "SELECT xmlroot(xmlcomment('x'), version ssn, standalone no value) FROM customers",
        "SELECT xmlserialize(content xmlcomment(ssn) AS text INDENT) FROM customers",
        "SELECT xmlexists('//x' PASSING BY REF xmlcomment(ssn) BY REF) FROM customers",
        "SELECT xmlpi(name foo, ssn) FROM customers",
        "SELECT json_object('k' : ssn ABSENT ON NULL WITH UNIQUE KEYS RETURNING jsonb) FROM customers",
        "SELECT json_object(ssn VALUE 1 FORMAT JSON) FROM customers",
        "SELECT json_array(1, ssn FORMAT JSON ENCODING utf8 NULL ON NULL RETURNING text FORMAT JSON) FROM customers",
        "SELECT json_array(SELECT ssn FROM customers FORMAT JSON RETURNING jsonb)",
        "SELECT json_arrayagg(1 ORDER BY ssn DESC NULLS LAST ABSENT ON NULL) FROM customers",
        "SELECT json_objectagg('k' : ssn RETURNING jsonb) FILTER (WHERE true) FROM customers",
        "SELECT json(ssn WITHOUT UNIQUE KEYS), json_scalar(ssn), json_serialize(ssn RETURNING bytea) FROM customers",
        "SELECT json_value('{}', '$' PASSING ssn AS x RETURNING int DEFAULT 1 ON EMPTY NULL ON ERROR) FROM customers",
        "SELECT json_value('{}', '$' DEFAULT ssn ON EMPTY ERROR ON ERROR) FROM customers",
        "SELECT json_value('{}', '$' DEFAULT true ON EMPTY DEFAULT ssn ON ERROR) FROM customers",
        "SELECT json_query(ssn, '$' WITH UNCONDITIONAL ARRAY WRAPPER KEEP QUOTES ON SCALAR STRING EMPTY ARRAY ON EMPTY) FROM customers",
        "SELECT json_exists(ssn, '$' UNKNOWN ON ERROR) FROM customers",
        "SELECT j.* FROM customers, json_table(ssn, '$' AS p PASSING 1 AS x COLUMNS (n FOR ORDINALITY, a int PATH '$.a' DEFAULT 1 ON EMPTY, \
         NESTED PATH '$.b' AS q COLUMNS (c text EXISTS PATH '$'), d jsonb FORMAT JSON WITH WRAPPER OMIT QUOTES) ERROR ON ERROR) j",
        "SELECT x.* FROM customers, xmltable(xmlnamespaces('u' AS n, DEFAULT 'v'), '/r' PASSING xmlcomment('x') \
         COLUMNS n FOR ORDINALITY, a text PATH 'a' NOT NULL, b timestamp with time zone DEFAULT ssn PATH 'b') x",
    ] {
        assert!(!is_opaque(text), "{text} gave {}", actions(text));
        let output = output(text);
        assert!(output.split([' ', '+']).all(|c| c == "100.3" || c == "within"), "{text} gave {output}");
    }
}

#[test]
fn a_column_that_is_called_as_a_word_between_arguments_is_read() {
    let from = |columns: &str| format!("FROM (SELECT ssn AS {columns} FROM customers) q");
    for (text, column) in [
        ("SELECT xmlparse(document document)", "document"),
        ("SELECT xmlroot(xmlcomment('x'), version version)", "version"),
        ("SELECT xmlserialize(content content AS text)", "content"),
        ("SELECT json_query('{}', passing)", "passing"),
        ("SELECT json_query('{}', '$' || passing PASSING 1 AS x)", "passing"),
        ("SELECT json_query('{}', '$' PASSING passing AS passing)", "passing"),
        ("SELECT json_object('a' VALUE value)", "value"),
        ("SELECT json_object(value VALUE 1)", "value"),
        ("SELECT json_array(format FORMAT JSON)", "format"),
        ("SELECT json_array(absent ABSENT ON NULL)", "absent"),
        ("SELECT json_value('{}', '$' DEFAULT error ON ERROR)", "error"),
        ("SELECT json_value('{}', '$' DEFAULT empty ON EMPTY)", "empty"),
        ("SELECT json_query('{}', keep KEEP QUOTES)", "keep"),
        ("SELECT json_serialize(returning.returning) FROM (SELECT 1) x,", "returning"),
    ] {
        let from = from(column);
        let text = match text.strip_suffix(" FROM (SELECT 1) x,") {
            Some(text) => format!(
                "{text} {}",
                from.replace(" q", " \"returning\"").replace("AS returning", "AS \"returning\"")
            ),
            None => format!("{text} {from}"),
        };
        if !is_opaque(&text) {
            assert_eq!(output(&text), "100.3", "{text}");
        }
    }
    carries(
        "SELECT x.* FROM customers, xmltable('/r' PASSING 'x' COLUMNS a text PATH path) x, (SELECT 1) y",
        "unknown",
    );
}

#[test]
fn types_of_what_is_made_are_told() {
    check("SELECT json_value('1', '$' RETURNING email)", "function type public.email", "-");
    check("SELECT xmlserialize(content 'x' AS email)", "function type public.email", "-");
    check(
        "SELECT 1 FROM json_table('[]', '$' COLUMNS (a email PATH '$')) j",
        "function type public.email",
        "-",
    );
    check("SELECT json_array(audit(1) FORMAT JSON)", "function public.audit", "?");
}

#[test]
fn modifiers_of_windows_collations_and_samples_say_nothing_of_their_own() {
    carries(
        "SELECT sum(id) OVER (ORDER BY ssn ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM customers",
        "100.1+100.3",
    );
    carries("SELECT ssn::text COLLATE \"C\" FROM customers ORDER BY ssn COLLATE pg_catalog.\"C\"", "100.3");
    carries("SELECT ssn FROM customers TABLESAMPLE SYSTEM (10) REPEATABLE (0)", "100.3");
    carries("SELECT ssn FROM customers c TABLESAMPLE bernoulli ($1)", "100.3");
    carries("SELECT ssn IS NFC NORMALIZED, ssn IS NOT DOCUMENT FROM customers", "100.3 100.3");
    carries("SELECT substring(name SIMILAR ssn ESCAPE '#') FROM customers", "?");
    carries("SELECT collation for (ssn) FROM customers", "100.3");
    carries("SELECT ssn FROM customers ORDER BY ssn USING <", "100.3");
    check(
        "SELECT a FROM t ORDER BY a USING OPERATOR(other.<)",
        "select table public.t, function operator other.<",
        "103.1",
    );
    // Names that look like them.
    carries("SELECT q.as COLLATE \"C\" AS b, 1 FROM (SELECT ssn AS \"as\" FROM customers) q", "100.3 -");
    carries("SELECT q.collate \"C\" FROM (SELECT ssn AS \"collate\" FROM customers) q", "100.3");
    carries("SELECT exclude ties FROM (SELECT ssn AS exclude FROM customers) q", "100.3");
    carries("SELECT (SELECT exclude ties) FROM (SELECT ssn AS exclude FROM customers) q", "100.3");
    assert!(is_opaque("SELECT a FROM t TABLESAMPLE mine (1)"));
}

#[test]
fn a_sample_may_be_chosen_by_what_is_read_and_by_a_method_of_a_user_s() {
    check(
        "SELECT a FROM t TABLESAMPLE SYSTEM ((SELECT id FROM customers))",
        "select table public.t, select table public.customers",
        "103.1",
    );
    check(
        "SELECT x.a FROM t AS x (a, b) TABLESAMPLE bernoulli (audit(1)) REPEATABLE (hash(2)) JOIN orders o ON o.id = x.a",
        "select table public.t, function public.audit, function public.hash, select table public.orders",
        "103.1",
    );
    check(
        "SELECT a FROM t TABLESAMPLE audit (1, hash(2)), customers WHERE ssn = a",
        "select table public.t, function public.audit, function public.hash, select table public.customers",
        "103.1",
    );
    check(
        "SELECT a FROM t TABLESAMPLE other.lower (1)",
        "select table public.t, function other.lower",
        "103.1",
    );
    assert_eq!(steers("SELECT a FROM customers c, t TABLESAMPLE SYSTEM (length(c.ssn))"), "100.3");
    assert_eq!(steers("SELECT a FROM customers c, t TABLESAMPLE SYSTEM (5) REPEATABLE (c.id)"), "100.1");
    let named = "SELECT a FROM (SELECT id AS repeatable FROM customers) c, LATERAL (SELECT a FROM t TABLESAMPLE SYSTEM (repeatable)) x";
    assert_eq!(steers(named), "100.1");
    carries("SELECT \"tablesample\".ssn FROM (SELECT ssn FROM customers) \"tablesample\"", "100.3");
}

#[test]
fn relations_may_be_written_with_a_star_or_in_parentheses() {
    carries("SELECT ssn FROM customers*", "100.3");
    carries("SELECT c.ssn FROM public.customers * c JOIN t * ON true WHERE id = 1", "100.3");
    check("SELECT pw FROM ONLY (secret)", "select table public.secret", "102.1");
    carries("SELECT c.ssn FROM t *, customers * AS c, orders o", "100.3");
    carries("SELECT (SELECT ssn FROM t * a, customers LIMIT 1) FROM t", "100.3");
    check("UPDATE t * SET a = 1", "update-all table public.t", "none");
    // A table that is called as a word before a relation.
    let stored = "CREATE TABLE update (a int, b text, c text); INSERT INTO update SELECT * FROM customers";
    assert_eq!(written(stored), "100.1+100.2+100.3");
    check(
        "UPDATE t * AS x SET a = o.id FROM orders *, public.secret * s WHERE o.total = x.a",
        "update table public.t, select table public.orders, select table public.secret, select table public.t",
        "none",
    );
    check(
        "DELETE FROM t * USING orders *, secret * WHERE id = a",
        "delete table public.t, select table public.orders, select table public.secret, select table public.t",
        "none",
    );
    check(
        "MERGE INTO t * USING orders * o ON t.a = o.id WHEN MATCHED THEN DELETE",
        "select table public.t, select table public.orders, delete table public.t",
        "none",
    );
    // Elsewhere it multiplies.
    carries("SELECT id, id * ssn FROM customers, t", "100.1 100.1+100.3");
    carries("SELECT 1, id * ssn x FROM customers ORDER BY 1, id * ssn", "- 100.1+100.3");
    carries("SELECT extract(year FROM id * ssn) FROM customers", "100.1+100.3");
    carries("SELECT id IS DISTINCT FROM id * ssn FROM customers", "100.1+100.3");
}

#[test]
fn a_label_may_be_the_word_end() {
    carries("SELECT ssn END FROM customers", "100.3");
    carries(
        "SELECT CASE WHEN true THEN ssn END END, CASE id WHEN 1 THEN 1 END FROM customers",
        "100.3 100.1",
    );
}

#[test]
fn functions_in_from_may_define_their_columns() {
    carries("SELECT * FROM json_to_recordset('[]') AS (a int, b text)", "within ");
    check("SELECT * FROM json_to_record('{}') AS (a email)", "function type public.email", "within ");
    carries(
        "SELECT x.* FROM customers, ROWS FROM (unnest(ARRAY[ssn]), generate_series(1, 2)) WITH ORDINALITY AS x",
        "within 100.3",
    );
    // What has no alias is called as its first function is.
    carries(
        "SELECT unnest.x FROM customers, ROWS FROM (pg_catalog.unnest(ARRAY[ssn]), generate_series(1, 2))",
        "100.3",
    );
    carries(
        "SELECT g.* FROM t CROSS JOIN (ROWS FROM (generate_series(1, 2)) WITH ORDINALITY AS g JOIN ROWS FROM (lower('x')) ON true)",
        "within ",
    );
    check(
        "SELECT 1 FROM ROWS FROM (json_to_recordset('[]') AS (a email, b text COLLATE \"C\"), audit(1)) WITH ORDINALITY AS x",
        "function type public.email, function public.audit",
        "-",
    );
    check(
        "SELECT 1 FROM ROWS FROM (audit((SELECT pw FROM secret)), lower('a'))",
        "function public.audit, select table public.secret",
        "-",
    );
    assert!(is_opaque("SELECT * FROM ROWS FROM (lower('x') AS (a nowhere.type))"));
    assert!(is_opaque("SELECT * FROM ROWS FROM (lower('x') AS (a int b))"));
    carries("SELECT rows FROM (SELECT ssn AS rows FROM customers) x", "100.3");
}

#[test]
fn search_and_cycle_add_columns() {
    carries(
        "WITH RECURSIVE r AS (SELECT id, ssn FROM customers UNION ALL SELECT 1, 'x' FROM t) SEARCH DEPTH FIRST BY id SET o SELECT * FROM r",
        "within 100.1+100.3",
    );
    carries(
        "WITH RECURSIVE r (a) AS (SELECT ssn FROM customers UNION ALL SELECT 'x' FROM t) CYCLE a SET c TO 'y' DEFAULT 'n' USING p SELECT p FROM r",
        "100.3",
    );
    carries(
        "WITH RECURSIVE r (a) AS (SELECT ssn FROM customers UNION ALL SELECT 'x' FROM t) SEARCH BREADTH FIRST BY a SET o CYCLE a SET c USING p SELECT o FROM r",
        "100.3",
    );
}

#[test]
fn marks_of_a_cycle_may_be_of_any_type() {
    let cycle = |marks: &str| {
        format!(
            "WITH RECURSIVE r (a) AS (SELECT ssn FROM customers UNION ALL SELECT 'x' FROM t) SEARCH DEPTH FIRST BY a SET o CYCLE a SET c {marks} USING p SELECT c FROM r"
        )
    };
    carries(&cycle("TO true DEFAULT false"), "100.3");
    carries(&cycle("TO point '(1,1)' DEFAULT point '(0,0)'"), "100.3");
    carries(&cycle("TO interval '1' day DEFAULT timestamp with time zone '2000-01-01'"), "100.3");
    let text = cycle("TO public.email 'a' DEFAULT 1");
    assert!(actions(&text).contains("function type public.email") && !is_opaque(&text), "{}", actions(&text));
    assert!(is_opaque(&cycle("TO 1 DEFAULT nowhere.x 'a'")));
    assert!(is_opaque(&cycle("TO 1 2 DEFAULT 3")));
}

#[test]
fn groups_may_be_sets_of_sets() {
    for text in [
        "SELECT sum(id) FROM customers GROUP BY GROUPING SETS (GROUPING SETS ((ssn)))",
        "SELECT sum(id) FROM customers GROUP BY GROUPING SETS ((), ROLLUP (id, (name, ssn)), CUBE (name))",
        "SELECT sum(id) FROM customers GROUP BY id, GROUPING SETS (GROUPING SETS ((), GROUPING SETS (ssn)), name)",
        "SELECT sum(id) FROM customers GROUP BY DISTINCT ROLLUP (id), CUBE (id, ssn)",
        "SELECT sum(id) FROM customers GROUP BY ALL id, ssn",
        "SELECT sum(id) FROM customers GROUP BY DISTINCT GROUPING SETS (ROLLUP (ssn), (id))",
    ] {
        assert!(!is_opaque(text), "{text} gave {}", actions(text));
        assert_eq!(output(text), "100.1", "{text}");
        assert!(steers(text).split('+').any(|column| column == "100.3"), "{text} gave {}", steers(text));
    }
    check(
        "SELECT 1 FROM t GROUP BY GROUPING SETS (GROUPING SETS (audit(a), (cube(b))), ROLLUP ((SELECT id FROM orders)))",
        "select table public.t, function public.audit, opaque (function \"cube\" does not exist in the catalog), select table public.orders",
        "unknown",
    );
    // A function is called so.
    assert!(is_opaque("SELECT 1 FROM t GROUP BY GROUPING SETS (cube(a) + 1, ROLLUP (b))"));
}

#[test]
fn as_many_rows_may_be_fetched_as_an_expression_says() {
    for text in [
        "SELECT ssn FROM customers ORDER BY id FETCH FIRST (5) ROW WITH TIES",
        "SELECT ssn FROM customers FETCH NEXT (1 + 1) ROWS ONLY",
        "SELECT ssn FROM customers OFFSET 2 ROWS FETCH FIRST -1 ROWS ONLY FOR UPDATE",
        "SELECT ssn FROM customers FETCH FIRST lower('1')::int ROWS ONLY",
        "SELECT ssn FROM customers FETCH FIRST CASE WHEN true THEN 1 END ROW ONLY",
    ] {
        carries(text, "100.3");
        // It is no bound that is told.
        assert!(!details(text).contains("limit"), "{text}");
    }
    assert!(details("SELECT ssn FROM customers FETCH FIRST 5 ROWS ONLY").contains("limit 5"));
    check(
        "SELECT a FROM t FETCH FIRST (SELECT audit(id) FROM orders) ROWS ONLY",
        "select table public.t, select table public.orders, function public.audit",
        "103.1",
    );
    carries("SELECT q.fetch FROM (SELECT ssn AS fetch FROM customers) q", "100.3");
}

#[test]
fn a_time_may_be_told_in_the_local_zone() {
    carries(
        "SELECT ssn AT LOCAL, (id || ssn) AT LOCAL AT TIME ZONE 'UTC' FROM customers",
        "100.3 100.1+100.3",
    );
    carries("SELECT 1 FROM customers WHERE ssn AT LOCAL < now() AT LOCAL", "-");
    carries("SELECT at local FROM (SELECT ssn AS at FROM customers) q", "100.3");
    carries("SELECT id AS at, local FROM (SELECT id, ssn AS local FROM customers) q", "100.1 100.3");
}

#[test]
fn parts_of_arrays_may_be_assigned_to() {
    check(
        "UPDATE t SET a[1] = 2, b[1:2] = 'x' WHERE a = 1",
        "update table public.t, select table public.t",
        "none",
    );
    check("UPDATE t SET a[1] = 2", "update-all table public.t", "none");
    check(
        "UPDATE t SET a[(SELECT id FROM orders)] = 2",
        "update-all table public.t, select table public.orders",
        "none",
    );
    check(
        "UPDATE t SET a[audit(1)].f = audit(2)",
        "update-all table public.t, function public.audit",
        "none",
    );
    check("INSERT INTO t (a[1], b[2:3]) VALUES (1, 2)", "insert table public.t", "none");
    assert!(is_opaque("INSERT INTO t (a[audit(1)]) VALUES (1)"));
    carries("SELECT set, id[1] = 2 FROM (SELECT ssn AS set, id FROM customers) q", "100.3 100.1");
}

#[test]
fn a_conflict_may_be_on_expressions() {
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE b > 1 DO NOTHING",
        "insert table public.t, select table public.t",
        "none",
    );
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT (lower(b) COLLATE \"C\" text_pattern_ops, (audit(a)), a) DO UPDATE SET a = 2",
        "insert table public.t, function public.audit, update table public.t, select table public.t",
        "none",
    );
    assert!(is_opaque("INSERT INTO t VALUES (1) ON CONFLICT (a b c) DO NOTHING"));
    assert!(is_opaque("INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE nowhere(1) DO NOTHING"));
}

#[test]
fn merge_has_all_its_clauses() {
    check(
        "MERGE INTO t USING orders o ON t.a = o.id WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
        "select table public.t, select table public.orders, insert table public.t",
        "none",
    );
    check(
        "MERGE INTO t USING orders o ON t.a = o.id WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "select table public.t, select table public.orders, delete table public.t",
        "none",
    );
    check(
        "MERGE INTO t USING orders o ON false WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "select table public.t, select table public.orders, delete-all table public.t",
        "none",
    );
}

#[test]
fn merge_may_join_with_what_is_joined() {
    check(
        "MERGE INTO t USING orders o JOIN customers c ON o.customer_id = c.id ON t.a = o.id WHEN MATCHED AND c.ssn = 'x' THEN DELETE",
        "select table public.t, select table public.orders, select table public.customers, delete table public.t",
        "none",
    );
    check(
        "MERGE INTO ONLY public.t AS x USING orders o LEFT JOIN secret USING (id) ON CASE WHEN x.a = 1 THEN true END WHEN NOT MATCHED THEN INSERT VALUES (o.id)",
        "select table public.t, select table public.orders, select table public.secret, insert table public.t",
        "none",
    );
    assert_eq!(
        steers(
            "MERGE INTO t USING orders o JOIN customers c ON ssn = 'x' ON t.a = o.id WHEN MATCHED THEN DO NOTHING"
        ),
        "100.3+101.1+103.1"
    );
    check(
        "WITH w AS (SELECT a FROM t) MERGE INTO t USING w CROSS JOIN (SELECT pw FROM secret) s ON true WHEN MATCHED THEN DELETE",
        "select table public.t, select table public.secret, delete-all table public.t",
        "none",
    );
}

#[test]
fn a_row_at_a_cursor_may_be_written() {
    check("DELETE FROM t WHERE CURRENT OF c", "delete table public.t, select table public.t", "none");
    check("UPDATE t SET a = 1 WHERE CURRENT OF c", "update table public.t, select table public.t", "none");
    carries("SELECT current of FROM (SELECT ssn AS current FROM customers) q", "100.3");
}

#[test]
fn frames_may_be_bounded_by_casts() {
    carries(
        "SELECT sum(id) OVER (ORDER BY ssn RANGE BETWEEN '1'::text PRECEDING AND '2'::text || name FOLLOWING EXCLUDE GROUP) FROM customers",
        "100.1+100.2+100.3",
    );
    carries("SELECT ssn BETWEEN '1'::text AND '2'::text FROM customers", "100.3");
}

#[test]
fn a_join_by_columns_may_have_an_alias() {
    carries("SELECT x.id FROM customers JOIN orders USING (id) AS x", "100.1+101.1");
    carries("SELECT (SELECT c.id FROM t a JOIN t b USING (b) AS c) FROM customers c", "103.2");
    carries("SELECT ssn ISNULL, ssn ISNULL AND true FROM customers", "100.3 100.3");
}

#[test]
fn signs_before_a_value_and_values_to_compare_with_are_read() {
    carries("SELECT !!ssn, @-@ ssn, ?- ssn, ?| ssn FROM customers", "100.3 100.3 100.3 100.3");
    carries("SELECT id ?- ssn FROM customers", "100.1+100.3");
    carries(
        "SELECT ssn IS JSON, ssn IS NOT JSON OBJECT WITHOUT UNIQUE, ssn IS JSON WITH UNIQUE KEYS AS x FROM customers",
        "100.3 100.3 100.3",
    );
    carries("SELECT (id, name) = ANY (VALUES (1, ssn), ((2), 'x')) AS b FROM customers", "100.1+100.2+100.3");
    carries("SELECT id <> ALL (VALUES (1), (2)), id FROM customers", "100.1 100.1");
    check("SELECT 1 = SOME (VALUES ((SELECT pw FROM secret)))", "select table public.secret", "102.1");
}

#[test]
fn patterns_are_held_against_all_some_or_any_of_a_list() {
    for like in ["LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"] {
        for of in ["ALL", "SOME", "ANY"] {
            carries(&format!("SELECT ssn {like} {of} ('{{a%}}') FROM customers"), "100.3");
            let text = format!("SELECT id FROM customers WHERE name {like} {of} (SELECT pw FROM secret)");
            check(&text, "select table public.customers, select table public.secret", "100.1");
        }
    }
    carries("SELECT 'x' LIKE ALL (ARRAY[ssn, name]) FROM customers", "100.2+100.3");
    carries("SELECT 'x' LIKE ALL (VALUES ('a')) FROM customers", "-");
}

#[test]
fn blanks_are_trimmed_where_no_characters_are_named() {
    for inside in ["FROM ssn", "BOTH FROM ssn", "LEADING FROM ssn", "TRAILING FROM ssn", "BOTH FROM ssn, 'x'"]
    {
        carries(&format!("SELECT trim({inside}) FROM customers"), "100.3");
    }
    check("SELECT trim(FROM (SELECT pw FROM secret))", "select table public.secret", "102.1");
    assert!(is_opaque("SELECT lower(FROM ssn) FROM customers"));
}

#[test]
fn national_characters_are_characters() {
    carries(
        "SELECT ssn::nchar(2), ssn::national char(2), ssn::nchar varying(2) FROM customers",
        "100.3 100.3 100.3",
    );
    carries(
        "SELECT CAST(ssn AS national character varying(3)), CAST(ssn AS nchar(2)) FROM customers",
        "100.3 100.3",
    );
    carries("SELECT x.nchar FROM (SELECT ssn AS nchar FROM customers) x", "100.3");
    // With columns behind it, it is what they are of, and `char` is another.
    carries("SELECT nchar.c FROM customers AS nchar(a, b, c)", "100.3");
    let outer = "(SELECT char.a FROM (SELECT 1) AS nchar(a))";
    carries(&format!("SELECT {outer} FROM customers AS char(x, y, a)"), "100.3");
}

#[test]
fn returning_may_call_its_rows_as_it_likes() {
    let update = "UPDATE customers SET name = 'x' WHERE id = 1 RETURNING WITH";
    carries(
        &format!("{update} (OLD AS o, NEW AS n) o.ssn, n.id, lower(o.name), id"),
        "100.3 100.1 100.2 100.1",
    );
    carries(&format!("{update} (OLD AS \"O\") \"O\".ssn, new.id"), "100.3 100.1");
    carries(&format!("{update} (NEW AS n) n.*"), "100.1 100.2 100.3");
    carries(
        &format!("WITH w AS ({update} (OLD AS o) o.ssn AS s) SELECT s, o.total FROM w, orders o"),
        "100.3 101.3",
    );
    // It could stand for another relation, or a column.
    assert!(is_opaque(&format!("{update} (OLD AS o) (SELECT o.pw FROM secret o)")));
    assert_eq!(output(&format!("{update} (OLD AS o) o, id")), "? 100.1");
    assert!(is_opaque(&format!("{update} (ELSE AS o) o.ssn")));
    for schema in ["o.lower(ssn)", "ssn::o.mood", "o.mood 'x'", "CAST(ssn AS o.mood)"] {
        assert!(is_opaque(&format!("{update} (OLD AS o) {schema}")), "{schema}");
    }
}

#[test]
fn a_function_called_conflict_may_join() {
    let joined = "SELECT 1 FROM t JOIN orders ON conflict(id + 1)";
    for rest in ["WHERE true UNION SELECT pw FROM secret", "WHERE (SELECT pw FROM secret) = 'x'"] {
        let told = actions(&format!("{joined} {rest}"));
        assert!(told.contains("public.secret") && told.contains("conflict"), "{told}");
    }
    let told = actions("SELECT 1 FROM t JOIN orders ON conflict((SELECT pw FROM secret))");
    assert!(told.contains("public.secret"), "{told}");
}

#[test]
fn a_product_behind_a_column_that_is_called_from_is_one() {
    carries("SELECT 1 AS from, a * b FROM t", "- 103.1+103.2");
    carries("SELECT q.from, a * b FROM t, (SELECT 1 AS from) q", "- 103.1+103.2");
}

/// What a query in FROM calls its column is not `word`, so that it is one of the query around it.
#[track_caller]
fn labels_otherwise(inner: &str, word: &str) {
    let around = format!("(SELECT ssn AS {word} FROM customers) q");
    carries(&format!("SELECT (SELECT {word} FROM ({inner}) p) FROM {around}"), "100.3");
}

#[test]
fn a_type_and_a_column_may_be_called_as_a_question() {
    for value in ["'a'::isnull", "'a'::public.isnull", "'a'::is document", "'a'::public.is json"] {
        labels_otherwise(&format!("SELECT {value}"), "\"null\"");
    }
    labels_otherwise("SELECT r.is normalized FROM (SELECT 1 AS is) r", "\"null\"");
    carries(
        "SELECT ssn IS NOT DOCUMENT, ssn ISNULL, ssn::xml IS DOCUMENT FROM customers",
        "100.3 100.3 100.3",
    );
}

#[test]
fn a_word_that_would_be_left_out_may_label_a_column() {
    labels_otherwise("SELECT between symmetric FROM (SELECT 1 AS between) r", "between");
    labels_otherwise("SELECT r.between asymmetric FROM (SELECT 1 AS between) r", "between");
    labels_otherwise("SELECT update only FROM (SELECT 1 AS update) r", "update");
    labels_otherwise("SELECT r.update only FROM (SELECT 1 AS update) r", "update");
    carries("SELECT ssn BETWEEN SYMMETRIC 'a' AND name FROM ONLY customers", "100.2+100.3");
}

#[test]
fn a_column_may_be_called_system_user_before_version_16() {
    carries(
        "SELECT (SELECT system_user FROM (SELECT 1) p) FROM (SELECT ssn AS system_user FROM customers) q",
        "100.3",
    );
    carries("SELECT system_user, id FROM customers", "- 100.1");
}

#[test]
fn what_is_called_as_a_function_of_the_grammar_has_all_its_columns() {
    for columns in ["xmlelement(name, n, c)", "xmlparse(content, n, c)", "xmlroot(i, version, c)"] {
        carries(&format!("SELECT c FROM customers {columns}"), "100.3");
        carries(&format!("SELECT c FROM customers AS {columns}"), "100.3");
        carries(
            &format!(
                "WITH {columns} AS (TABLE customers) SELECT c FROM {}",
                &columns[..columns.find('(').unwrap()]
            ),
            "100.3",
        );
    }
    for label in ["AS xmlelement", "xmlelement"] {
        let record = format!("json_to_record(q.j) {label}(name text, b text)");
        carries(
            &format!(
                "SELECT (SELECT name FROM {record}) FROM (SELECT to_json(ssn) AS j, 1 AS name FROM customers) q"
            ),
            "100.3",
        );
    }
    carries(
        "SELECT xmlelement(name name, ssn), xmlparse(content content) FROM (SELECT ssn, name AS content FROM customers) q",
        "100.3 100.2",
    );
}
