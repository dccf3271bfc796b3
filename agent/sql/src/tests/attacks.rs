//! Texts that read one way and run another: each is refused, or read as PostgreSQL runs it.

use super::fixture::{actions, is_opaque, read};

/// Either opaque, or all of these actions are found.
fn refused_or(text: &str, needed: &[&str]) {
    if is_opaque(text) {
        return;
    }
    let found = actions(text);
    for action in needed {
        assert!(found.contains(action), "{text:?} gave {found}");
    }
}

#[test]
fn a_column_that_is_called_as_a_type_is_no_literal() {
    for text in [
        "SELECT interval b FROM t",
        "SELECT ARRAY[1, 2][date:1] FROM t",
        "SELECT ARRAY[1, 2][int:1] FROM t",
        "SELECT a[INTERVAL : 1] FROM t",
    ] {
        assert!(is_opaque(text), "{text:?} gave {}", actions(text));
    }
}

#[test]
fn a_type_in_a_schema_is_no_field_of_a_value() {
    // sqlparser takes these names for types alone.
    let catalog = super::fixture::catalog().with_types([
        ("int8".to_owned(), "e".to_owned(), policy::TypeKind::Pseudo),
        ("text".to_owned(), "e".to_owned(), policy::TypeKind::Pseudo),
    ]);
    for text in [
        "SELECT - 1::int8.e",
        "SELECT - a :: int8 . e << 63 FROM t",
        "SELECT NOT b::text.e FROM t",
        "SELECT 1::int8.e",
    ] {
        let settings = super::fixture::settings();
        let read = crate::analyse(text.as_bytes(), &settings, &catalog, &crate::Limits::default());
        let tells = |a: &policy::Action| a.object.class == "type" && a.object.name == "e";
        assert!(read.statements[0].actions.iter().any(tells), "{text}: {read:?}");
    }
}

#[test]
fn statement_boundaries_are_the_servers() {
    let cases: &[(&str, usize)] = &[
        ("SELECT 1 END; DROP TABLE secret", 2),
        ("COPY t FROM STDIN; DROP TABLE secret", 2),
        ("SELECT $€$ -- $€$; DROP TABLE secret", 2),
        ("SELECT 1 /* ; /* ; */ ; */; SELECT 2", 2),
        ("SELECT ';'; SELECT E'\\';'; SELECT $a$;$a$; SELECT \";\"", 4),
        (";;SELECT 1;;", 1),
        ("", 0),
        ("-- nothing\n/* at all */ ;", 0),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3", 2),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2",
            2,
        ),
        ("SELECT begin atomic; SELECT 1", 2),
    ];
    for (text, count) in cases {
        let found = read(text);
        assert_eq!(found.statements.len(), *count, "{text:?}: {found:?}");
    }
}

#[test]
fn what_only_the_server_would_see_is_seen() {
    let drop = &["drop table public.secret"][..];
    let select = &["select table public.secret"][..];
    let cases: &[(&str, &[&str])] = &[
        ("SELECT 1 END; DROP TABLE secret", drop),
        ("COPY t FROM STDIN; DROP TABLE secret", drop),
        ("CREATE TABLE IF NOT EXISTS t (a int DEFAULT x'\\'); DROP TABLE secret; --')", drop),
        ("SELECT $€$ -- $€$; DROP TABLE secret", drop),
        ("SELECT 'a' ||/* 'x' --*/ 'y', (SELECT pw FROM secret)", select),
        ("SELECT 'a' >/* 'x' --*/ 'y', (SELECT pw FROM secret)", select),
        ("SELECT '{}' ->/* 'x' --*/ 'y', (SELECT pw FROM secret)", select),
        ("SELECT 1 %-- 1 /*\n 1, (SELECT pw FROM secret) -- */", select),
        ("SELECT 1 ~-- 1 /*\n 1, (SELECT pw FROM secret) -- */", select),
        ("SELECT 1 @-- 1 /*\n 1, (SELECT pw FROM secret) -- */", select),
        ("SELECT E'a'\n'\\'' , (SELECT pw FROM secret) --'", select),
        ("SELECT $€$ -- $€$, (SELECT pw FROM secret)", select),
        ("SELECT U&\"\\0070w\" FROM secret", select),
        ("SELECT b\"pw\" FROM secret", select),
        ("SELECT * FROM ONLY secret", select),
        ("SELECT * FROM ONLY (secret)", select),
        ("SELECT * FROM t, ONLY secret", select),
        ("SELECT * FROM t JOIN ONLY secret ON true", select),
        ("UPDATE ONLY secret SET pw = 'x'", &["update-all table public.secret"]),
        ("DELETE FROM ONLY secret", &["delete-all table public.secret"]),
        ("INSERT INTO t SELECT pw FROM ONLY secret", select),
        ("SELECT pw OR FROM secret", select),
        ("SELECT pw AND FROM secret", select),
        ("SELECT pw LIKE FROM secret", select),
        ("SELECT pw COLLATE FROM secret", select),
        ("SELECT pw XOR FROM secret", select),
        ("SELECT pw REGEXP FROM secret", select),
        ("SELECT pw RLIKE FROM secret", select),
        ("SELECT pw DIV FROM secret", select),
        ("SELECT a, b FROM t UNION ALL TABLE secret", select),
        ("CREATE TABLE x AS TABLE secret", select),
        ("INSERT INTO t (a) TABLE secret", select),
        ("INSERT INTO t TABLE secret", select),
        ("TABLE secret", select),
        ("WITH x AS (TABLE secret) SELECT * FROM x", select),
        ("SELECT (TABLE secret)", select),
        ("SELECT INTO n FROM secret", &["create table public.n", "select table public.secret"]),
        ("SELECT pw INTO n FROM secret", &["create table public.n", "select table public.secret"]),
        ("SELECT audit(a) FROM t", &["function public.audit"]),
        ("SELECT TOP(1) FROM t", &["function"]),
        ("SELECT interval FROM secret", select),
        ("UPDATE replace t SET a = 1", &["nothing reads this"]),
        ("INSERT INTO t SELECT 1 WHERE EXISTS (SELECT FROM secret)", select),
        ("SELECT 1 ORDER BY (SELECT pw FROM secret)", select),
        ("SELECT 1 LIMIT (SELECT 1 FROM secret)", select),
        ("SELECT a FROM t GROUP BY (SELECT pw FROM secret), a", select),
        ("SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM secret)) FROM t", select),
        ("SELECT sum(a) OVER (ORDER BY (SELECT pw FROM secret)) FROM t", select),
        ("SELECT a FROM t WINDOW w AS (ORDER BY (SELECT pw FROM secret))", select),
        ("SELECT DISTINCT ON ((SELECT pw FROM secret)) a FROM t", select),
        ("SELECT a[(SELECT 1 FROM secret)] FROM t", select),
        ("SELECT CASE WHEN EXISTS (SELECT 1 FROM secret) THEN 1 END", select),
        ("VALUES ((SELECT pw FROM secret))", select),
        ("SELECT * FROM LATERAL (SELECT pw FROM secret) x", select),
        ("SELECT * FROM generate_series(1, (SELECT 1 FROM secret)) g", select),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = (SELECT pw FROM secret)", select),
        ("WITH x AS (DELETE FROM secret RETURNING pw) SELECT * FROM x", &["delete-all table public.secret"]),
        ("MERGE INTO t USING secret ON a = pw WHEN MATCHED THEN DELETE", select),
        ("DELETE FROM t USING secret WHERE a = pw", select),
        ("EXPLAIN ANALYZE DELETE FROM secret", &["explain", "delete-all table public.secret"]),
        ("PREPARE p AS SELECT * FROM secret", select),
        ("DECLARE c CURSOR FOR SELECT * FROM secret", select),
        ("COPY (SELECT * FROM secret) TO STDOUT", select),
        ("COPY secret TO STDOUT", select),
        ("COPY secret TO PROGRAM 'cat'", &["select table public.secret, copy-program"]),
        ("COPY BINARY secret TO STDOUT", select),
        ("EXECUTE p((SELECT pw FROM secret))", select),
        ("CALL audit((SELECT pw FROM secret))", select),
        ("CREATE VIEW v AS SELECT * FROM secret", select),
        ("CREATE MATERIALIZED VIEW v AS TABLE secret WITH NO DATA", select),
        ("CREATE POLICY p ON t USING (a IN (SELECT pw FROM secret))", select),
        ("ALTER TABLE t ADD COLUMN c int DEFAULT audit(1)", &["function public.audit"]),
        ("CREATE INDEX ON t (audit(a))", &["function public.audit"]),
        ("SELECT t.audit FROM t", &["function public.audit"]),
        ("SELECT (t).audit FROM t", &["function public.audit"]),
    ];
    for (text, needed) in cases {
        refused_or(text, needed);
    }
}

#[test]
fn the_harmless_neighbours_of_attacks_are_still_read() {
    for text in [
        "SELECT * FROM ONLY t",
        "TABLE t",
        "SELECT a, b FROM t UNION ALL TABLE t",
        "INSERT INTO t TABLE t",
        "SELECT 'a' || /* x */ 'y'",
        "SELECT a AS \"or\", b AS select FROM t",
        "SELECT t.a FROM t WHERE t.a IS NOT NULL",
        "SELECT E'a'\n'b', 'x'\n  'y', $x$ $ $x$, U&'\\0061', b'01', x'1F'",
        "SELECT 1_000, 0x1F, 1.5e3, .5, 1.",
        "SELECT a FROM t FETCH FIRST 5 ROWS ONLY",
        "SELECT CURRENT_USER, current_role, SESSION_USER, current_date, CURRENT_TIMESTAMP(3), now()",
        "SELECT date '2024-01-01', interval '1 day', timestamp with time zone 'now', 'x'::text, a::int[] FROM t",
        "SELECT coalesce(a, b), greatest(a, 1), nullif(a, 2), left(b, 3), row(a, b), array[a, b] FROM t",
        "SELECT extract(year FROM now()), position('a' in b), substring(b from 1 for 2), trim(both 'x' from b) FROM t",
        "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)",
        "INSERT INTO t DEFAULT VALUES",
        "SELECT a FROM t FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT a FROM t FOR KEY SHARE",
        "SELECT a FROM t WHERE a BETWEEN SYMMETRIC 2 AND 1",
        "SELECT concat(VARIADIC array[a, b]) FROM t",
        "SELECT a FROM t WHERE a = ANY (ARRAY[1, 2]) AND b LIKE 'x%' ESCAPE '!'",
    ] {
        assert!(!is_opaque(text), "{text:?} gave {}", actions(text));
    }
}

#[test]
fn with_standard_conforming_strings_off_a_backslash_escapes() {
    use super::fixture::{catalog, settings};
    let settings = crate::Settings { standard_conforming_strings: false, ..settings() };
    let text = br"SELECT '\'; DROP TABLE secret; --'";
    let slices = crate::split(text, &settings, &crate::Limits::default()).unwrap();
    assert_eq!(slices.len(), 1);
    let on = crate::split(text, &super::fixture::settings(), &crate::Limits::default()).unwrap();
    assert_eq!(on.len(), 2);
    let read = crate::analyse(b"SELECT U&'x'", &settings, &catalog(), &crate::Limits::default());
    assert_eq!(read.statements[0].actions[0].verb, policy::Verb::Opaque);
}

#[test]
fn names_are_cut_at_63_bytes_and_folded_in_ascii_alone() {
    let long = "x".repeat(70);
    assert!(actions(&format!("CREATE TABLE {long} (a int)")).contains(&"x".repeat(63)));
    assert!(!actions(&format!("CREATE TABLE {long} (a int)")).contains(&"x".repeat(64)));
    assert_eq!(actions("SELECT a FROM T"), "select table public.t");
    // The Kelvin sign does not fold to k.
    assert!(actions("SELECT 1 FROM \u{212A}").contains("does not exist in the catalog"));
}

/// A megabyte of one shape.
fn megabyte(head: &str, part: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = head.to_owned();
    let mut number = 0;
    while text.len() < 1_000_000 {
        text.push_str(&part(number));
        number += 1;
    }
    text + tail
}

#[test]
fn what_would_take_too_much_to_read_is_not_read() {
    let same = |part: &'static str| move |_: usize| part.to_owned();
    let columns = (0..1600).map(|n| format!("{n} AS c{n}")).collect::<Vec<_>>().join(", ");
    let wide = format!("WITH w AS (SELECT {columns}) SELECT 1 FROM ");
    let items = (0..5000).map(|n| format!("customers c{n}, ")).collect::<String>();
    let many = format!("SELECT {} 1 FROM {items} t", "missing, ".repeat(10_000));
    let few = format!(
        "SELECT {} 1 FROM {items} t",
        (0..10_000).map(|n| format!("c{}.id, ", n % 5000)).collect::<String>()
    );
    for (text, reason) in [
        (
            megabyte("WITH ", |n| format!("c{n} AS (SELECT 1), "), "z AS (SELECT 1) SELECT 1"),
            "the statement is too long",
        ),
        (megabyte("SELECT ", same("(SELECT ssn FROM customers), "), "1"), "the statement is too long"),
        (megabyte("SELECT 1 FROM t", |n| format!(", t t{n}"), ""), "the statement is too long"),
        (megabyte("UPDATE t SET ", same("a[1] = 2, "), "a = 1"), "the statement is too long"),
        (megabyte("SELECT ", same("json_object('a':1),"), "1"), "the statement is too long"),
        (
            megabyte("INSERT INTO t VALUES (1) ", same("ON CONFLICT (a + 1) WHERE b "), "DO NOTHING"),
            "the statement is nested too deeply",
        ),
        (format!("{}t ON true", "MERGE INTO t USING ".repeat(25_000)), "unsupported syntax"),
        (format!("SELECT a FROM t {}ROWS", "FETCH FIRST a ".repeat(30_000)), "unsupported syntax"),
        (many, "too many names in too many relations"),
        (few, "too many names in too many relations"),
        (format!("{wide}{} t", "w, ".repeat(2000)), "too many names in too many relations"),
        (
            format!("{wide}w, (SELECT {} 1 FROM w) x", "w.*, ".repeat(2000)),
            "too many names in too many relations",
        ),
    ] {
        let said = actions(&text);
        assert!(said.contains(reason), "{}... gave {}", &text[..60], &said[..said.len().min(300)]);
    }
    // What honest clients send is far from it.
    let rows = format!("INSERT INTO t VALUES {}(1, 'x')", "(1, 'x'), ".repeat(40_000));
    assert_eq!(actions(&rows), "insert table public.t");
    let names = format!("SELECT {} 1 FROM customers c, orders o, t", "c.ssn, o.id, a, ".repeat(5000));
    assert!(!is_opaque(&names));
}
