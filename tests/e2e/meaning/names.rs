//! Names that come to mean another relation.

use super::*;

#[test]
fn a_name_that_comes_to_mean_another_relation() -> Result<()> {
    story(&setup(), |world| {
        check(
            world,
            vec![
                (
                    "DROP in a transaction",
                    vec![
                        both(),
                        q(READ),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "DROP in the same text",
                    vec![both(), q(READ), q(&format!("DROP TABLE mine.secrets CASCADE; {READ}"))],
                ),
                (
                    "DROP and a prepared statement",
                    vec![
                        both(),
                        batch(&[wire::parse("r", READ)]),
                        batch(&[execute("r")]),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        batch(&[execute("r")]),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "DROP and EXECUTE in one text",
                    vec![
                        both(),
                        q(&format!("PREPARE r AS {READ}")),
                        q("DROP TABLE mine.secrets CASCADE; EXECUTE r"),
                    ],
                ),
                (
                    "a view dropped by the way",
                    vec![
                        both(),
                        q("SELECT a FROM v"),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("SELECT a FROM v"),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "a view dropped with a column",
                    vec![
                        both(),
                        q("SELECT a FROM v"),
                        q("BEGIN"),
                        q("ALTER TABLE mine.secrets DROP COLUMN a CASCADE"),
                        q("SELECT a FROM v"),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "RENAME in the same text",
                    vec![both(), q(READ), q(&format!("ALTER TABLE mine.secrets RENAME TO x; {READ}"))],
                ),
                (
                    "SET SCHEMA in the same text",
                    vec![
                        both(),
                        q(READ),
                        q(&format!("ALTER TABLE mine.secrets SET SCHEMA public; {READ}")),
                        q("DROP TABLE public.secrets CASCADE"),
                    ],
                ),
                (
                    "a schema renamed in the same text",
                    vec![both(), q(READ), q(&format!("ALTER SCHEMA mine RENAME TO aside; {READ}"))],
                ),
                (
                    "a schema dropped in the same text",
                    vec![both(), q(READ), q(&format!("DROP SCHEMA mine CASCADE; {READ}"))],
                ),
                (
                    "REVOKE in the same text",
                    vec![
                        both(),
                        q(READ),
                        q(&format!("REVOKE USAGE ON SCHEMA mine FROM shop_service; {READ}")),
                    ],
                ),
                (
                    "a table created behind a savepoint",
                    vec![
                        both(),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q("CREATE TABLE mine.secrets (a text)"),
                        q(READ),
                        q("ROLLBACK TO s"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "a temporary table created behind a savepoint",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE other (a int)"),
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q("CREATE TEMP TABLE secrets (a text)"),
                        q(READ),
                        q("ROLLBACK TO s"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "a temporary table that ends with its transaction",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE other (a int)"),
                        q("BEGIN"),
                        q("CREATE TEMP TABLE secrets (a text) ON COMMIT DROP"),
                        q(READ),
                        qs(&["COMMIT", READ]),
                    ],
                ),
                (
                    "the same in one text",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE other (a int)"),
                        q("BEGIN"),
                        q("CREATE TEMP TABLE secrets (a text) ON COMMIT DROP"),
                        q(READ),
                        q(&format!("COMMIT; {READ}")),
                    ],
                ),
                (
                    "a created table and ROLLBACK in one text",
                    vec![
                        both(),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("BEGIN"),
                        q("CREATE TABLE mine.secrets (a text)"),
                        q(READ),
                        q(&format!("ROLLBACK; {READ}")),
                    ],
                ),
                (
                    "a dropped table that comes back in one text",
                    vec![
                        q("SET search_path = vault, mine"),
                        q("BEGIN"),
                        q("DROP TABLE vault.secrets CASCADE"),
                        q(&format!("ROLLBACK; {READ}")),
                    ],
                ),
                (
                    "a dropped table that comes back",
                    vec![
                        q("SET search_path = vault, mine"),
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q("DROP TABLE vault.secrets CASCADE"),
                        q(READ),
                        q("ROLLBACK TO s"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "DISCARD TEMP",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE secrets (a text)"),
                        q(READ),
                        q("BEGIN"),
                        q("DISCARD TEMP"),
                        q(READ),
                        q("COMMIT"),
                    ],
                ),
                (
                    "DISCARD TEMP in the same text",
                    vec![
                        q("SET search_path = vault"),
                        q("CREATE TEMP TABLE secrets (a text)"),
                        q(READ),
                        q(&format!("DISCARD TEMP; {READ}")),
                    ],
                ),
                (
                    "COMMIT PREPARED",
                    vec![
                        both(),
                        q(READ),
                        q("BEGIN"),
                        q("DROP TABLE mine.secrets CASCADE"),
                        q("PREPARE TRANSACTION 'y'"),
                        q("SELECT 1"),
                        q("COMMIT PREPARED 'y'"),
                        q(READ),
                    ],
                ),
                (
                    "a parent in the same text",
                    vec![
                        q("CREATE TABLE public.parent (a text)"),
                        q("SELECT a FROM public.parent"),
                        q("ALTER TABLE vault.secrets INHERIT public.parent; SELECT a FROM public.parent"),
                        q("ALTER TABLE vault.secrets NO INHERIT public.parent; DROP TABLE public.parent"),
                    ],
                ),
            ],
        )
    })
}

/// A utility statement looks its names up when it runs, not when it is bound.
#[test]
fn a_portal_that_looks_its_names_up_late() -> Result<()> {
    story(&unmasked(), |world| {
        world.server.sql("shop", AGAIN)?;
        let bound = |sql: &str| batch(&[wire::parse("c", sql), wire::bind("p", "c", &[])]);
        for sql in ["COPY secrets TO STDOUT", "COPY (SELECT a FROM secrets) TO STDOUT"] {
            let steps = [
                q("SET search_path = mine"),
                q(READ),
                q("BEGIN"),
                bound(sql),
                q("SET search_path = vault"),
                batch(&[wire::execute("p", 0)]),
                q("ROLLBACK"),
            ];
            let play = |mut wire: Wire| -> Result<String> {
                let mut all = String::new();
                for step in &steps {
                    for message in wire.exchange(std::slice::from_ref(&step.messages), step.ready)? {
                        all += &String::from_utf8_lossy(&message.body);
                    }
                }
                Ok(all)
            };
            let direct = play(world.direct_wire()?)?;
            ensure!(direct.contains(SECRET) || sql.contains('('), "{sql} is no attack: {direct}");
            let got = play(world.wire()?)?;
            ensure!(!got.contains(SECRET), "{sql}: {got}");
        }
        Ok(())
    })
}
