//! Rules that ask how something is done, against a real server: what they do not allow shows nothing and changes nothing.

use anyhow::{Result, ensure};
use e2e::{Setup, story};

const POLICY: &str = "
version: 1
tags: { public: [public.customers.id, public.customers.name] }
rules:
  - { name: session, actions: [session], decision: allow }
  - { name: names, actions: [read], relations: [public.customers], when: { columns: ['tag:public'] }, decision: allow }
  - { name: few, actions: [select], relations: [public.orders], when: { limit: 2 }, decision: allow }
  - { name: chosen, actions: [select], relations: [public.orders], when: { condition: present }, decision: allow }
  - { name: totals, actions: [update], relations: [public.orders], when: { columns: public.orders.total }, decision: allow }
";

#[test]
fn a_column_that_no_rule_names_is_not_read_in_any_way() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let names = world.rows(&["SELECT name FROM customers ORDER BY id"])?;
        ensure!(names.lines().count() == 3 && names.starts_with("Ada"), "{names}");
        for statement in [
            "SELECT ssn FROM customers",
            "SELECT * FROM customers",
            "TABLE customers",
            "SELECT c FROM customers c",
            "SELECT name FROM customers WHERE ssn LIKE '1%'",
            "SELECT name FROM customers ORDER BY ssn",
            "SELECT max(ssn) FROM customers",
            "SELECT (SELECT ssn FROM customers LIMIT 1)",
            "SELECT row_to_json(c) FROM customers c",
            "SELECT name FROM customers GROUP BY name HAVING min(ssn) < '2'",
            "SELECT name FROM customers JOIN (VALUES ('123-45-6789')) v (ssn) USING (ssn)",
            "COPY customers (ssn) TO STDOUT",
            "DECLARE c CURSOR WITH HOLD FOR SELECT ssn FROM customers",
        ] {
            let direct = world.server.sql("shop", statement);
            ensure!(direct.is_ok(), "it is no statement of the server's: {statement}");
            let output = world.psql(&[statement])?;
            let (rows, error) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            ensure!(rows.is_empty() && error.contains("is denied by rule"), "{statement}: {rows}{error}");
        }
        Ok(())
    })
}

#[test]
fn only_what_a_condition_or_a_literal_limit_keeps_small_is_read() -> Result<()> {
    let mut setup = Setup::policy(&format!(
        "{POLICY}  - {{ name: views, actions: [select], relations: [public.lines, public.totals, public.over], decision: allow }}\n"
    ));
    setup.database.push_str(
        "CREATE VIEW lines AS SELECT id, total::text AS total FROM orders WHERE id > 0;
         CREATE VIEW totals AS SELECT string_agg(total, ',') AS all FROM lines;
         CREATE VIEW over AS SELECT \"all\" FROM totals;",
    );
    story(&setup, |world| {
        for statement in [
            "SELECT id, total FROM lines LIMIT 2",
            "SELECT id FROM orders LIMIT 2",
            "SELECT id FROM orders FETCH FIRST 1 ROW ONLY",
            "SELECT id FROM orders WHERE id = 1",
        ] {
            ensure!(!world.rows(&[statement])?.is_empty(), "{statement}");
        }
        for statement in [
            "SELECT id FROM orders",
            "SELECT id FROM lines LIMIT 3",
            "SELECT * FROM totals LIMIT 1",
            "SELECT * FROM over LIMIT 1",
            "SELECT id FROM orders LIMIT 3",
            "SELECT id FROM orders LIMIT ALL",
            "SELECT id FROM orders LIMIT NULL",
            "SELECT id FROM orders LIMIT 1 + 1",
            "SELECT id FROM orders FETCH FIRST 1 ROW WITH TIES",
            "SELECT id FROM orders WHERE true",
            "SELECT id FROM orders WHERE id = id",
            "(SELECT id FROM orders LIMIT 2) UNION ALL SELECT id FROM orders",
            "SELECT a.id FROM orders a, (SELECT id FROM orders LIMIT 2) b",
        ] {
            let error = world.error(&[statement])?;
            ensure!(error.contains("select table public.orders is denied"), "{statement}: {error}");
        }
        world.rows(&["UPDATE orders SET total = 5 WHERE id = 1"])?;
        world.error(&["UPDATE orders SET state = 'x' WHERE id = 1"])?;
        world.error(&["UPDATE orders SET total = 6, state = 'x' WHERE id = 1"])?;
        world.error(&["UPDATE orders SET total = 6"])?;
        let left = world.server.sql("shop", "SELECT total, state FROM orders WHERE id = 1")?;
        ensure!(left == "5.00|paid", "{left}");
        Ok(())
    })
}

const CHOSEN: &str = "
version: 1
rules:
  - { name: session, actions: [session], decision: allow }
  - { name: reads, actions: [read], decision: allow }
  - { name: chosen, actions: [update, delete], relations: [public.orders], when: { condition: present }, decision: allow }
";

/// Every row is written, or a condition chooses among them: what it asks of other rows chooses none.
#[test]
fn a_condition_that_chooses_no_row_is_none() -> Result<()> {
    let mut setup = Setup::policy(CHOSEN);
    setup.database.push_str("ALTER TABLE orders ALTER state SET NOT NULL;");
    story(&setup, |world| {
        for statement in [
            "UPDATE orders SET total = 0 FROM customers WHERE customers.id = 1",
            "UPDATE orders SET total = 0 FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = 1 AND o.id = 1",
            "WITH c AS (SELECT id FROM customers) UPDATE orders SET total = 0 FROM c WHERE c.id = 1",
            "UPDATE orders SET total = 0 WHERE EXISTS (SELECT FROM customers WHERE ssn IS NOT NULL)",
            "UPDATE orders SET total = 0 WHERE 0 < (SELECT count(*) FROM customers)",
            "UPDATE orders SET total = 0 WHERE tableoid = 'orders'::regclass",
            "UPDATE orders SET total = 0 WHERE ctid IS NOT NULL",
            "UPDATE orders SET total = 0 WHERE id = orders.id",
            "UPDATE orders SET total = 0 WHERE (id = 1) IS UNKNOWN OR (id = 1) IS NOT UNKNOWN",
            "UPDATE orders SET total = 0 WHERE id = ALL (ARRAY[id])",
            "UPDATE orders SET total = 0 WHERE state ~ '.*'",
            "UPDATE orders SET total = 0 WHERE state SIMILAR TO '%'",
            "UPDATE orders SET total = 0 WHERE id IS DISTINCT FROM NULL",
            "UPDATE orders SET total = 0 WHERE CASE WHEN id = 1 THEN true ELSE 1 = 1 END",
            "DELETE FROM orders USING customers WHERE customers.id = 1",
            "DELETE FROM orders WHERE NOT EXISTS (SELECT FROM customers WHERE id = 0)",
            "MERGE INTO orders USING customers c ON c.id = 1 WHEN MATCHED THEN UPDATE SET total = 0",
            "MERGE INTO orders USING customers c ON c.id = 1 WHEN MATCHED THEN DELETE",
            "MERGE INTO orders USING customers c ON true WHEN MATCHED AND c.id = 1 THEN DELETE",
        ] {
            let direct = world.server.sql(
                "shop",
                &format!("BEGIN; {statement}; SELECT count(*) FROM orders WHERE total > 0; ROLLBACK"),
            )?;
            ensure!(direct == "0", "it leaves some: {statement}: {direct}");
            let error = world.error(&[statement])?;
            ensure!(error.contains("-all table public.orders is denied"), "{statement}: {error}");
        }
        for statement in [
            "UPDATE orders SET total = total FROM customers c WHERE c.id = customer_id AND c.name LIKE 'Ada%'",
            "UPDATE orders SET total = total WHERE EXISTS (SELECT FROM customers c WHERE c.id = customer_id AND c.id = 1)",
            "UPDATE orders SET total = total WHERE ctid = '(0,1)'",
            "DELETE FROM orders USING customers c WHERE c.id = orders.customer_id AND c.id = 9",
            "MERGE INTO orders USING customers c ON c.id = customer_id AND c.id = 1 WHEN MATCHED THEN UPDATE SET total = 1",
        ] {
            world.rows(&[statement])?;
        }
        world.rows(&[
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT * FROM orders",
            "FETCH c",
            "UPDATE orders SET total = 2 WHERE CURRENT OF c",
        ])?;
        Ok(())
    })
}

#[test]
fn psql_points_at_what_was_not_understood_as_at_any_other_error() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let statement = "SELECT 'ä' AS a FROM nowhere";
        let told = world.error(&[statement])?;
        let direct = world.server.psql("shop").args(["-c", statement]).output()?;
        let direct = String::from_utf8_lossy(&direct.stderr).into_owned();
        let line = |told: &str| {
            told.lines()
                .skip_while(|l| !l.starts_with("LINE 1:"))
                .take(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        ensure!(line(&direct).len() == 2 && line(&told) == line(&direct), "{told}\n{direct}");
        Ok(())
    })
}
