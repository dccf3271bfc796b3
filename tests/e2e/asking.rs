//! What a mask hides is not told by what fails, what is chosen and what is there already.
//!
//! Each question is asked with the right value and with a wrong one. Past Portreeve the two answers differ, else it is no
//! question; through Portreeve they are the same.

use anyhow::{Context as _, Result, ensure};
use e2e::{Setup, World, story};

use crate::steps::{Step, play, q};

const POLICY: &str = "
version: 1
rules:
  - name: all
    actions: [\"*\"]
    decision: allow
    mask: [public.people.ssn, public.spans.during, public.lists.tags]
";

const DATABASE: &str = "
CREATE TABLE people (id int PRIMARY KEY, name text, ssn text UNIQUE, CHECK (name <> ssn));
CREATE TABLE visits (id int PRIMARY KEY, ssn text REFERENCES people (ssn), note text);
CREATE TABLE pairs (a text, b text);
CREATE INDEX pairs_key ON pairs (a);
CREATE TABLE spans (during int4range, EXCLUDE USING gist (during WITH &&));
CREATE VIEW seen AS SELECT id, name, ssn AS number FROM people;
CREATE VIEW low AS SELECT id FROM people WHERE ssn < '5';
CREATE SEQUENCE steps;
CREATE TABLE lists (tags text[]);
";

/// The rows as each question finds them.
const AGAIN: &str = "
TRUNCATE people, visits, pairs, spans, lists;
INSERT INTO lists VALUES ('{a,b}');
INSERT INTO spans VALUES ('[10,20)');
SELECT setval('steps', 1);
INSERT INTO people VALUES (1, 'Ada', '123-45-6789'), (2, 'Alan', '987-65-4321'), (3, 'Grace', '555-12-3456');
";

const RIGHT: &str = "123-45-6789";
const WRONG: &str = "123-45-0000";

/// What is sent with `?` in the place of the value.
fn answer(world: &World, questions: &[&str], value: &str, direct: bool) -> Result<Vec<String>> {
    world.server.sql("shop", AGAIN)?;
    let steps: Vec<Step> = questions.iter().map(|question| q(&question.replace('?', value))).collect();
    let mut wire = if direct { world.direct_wire()? } else { world.wire()? };
    play(&mut wire, &steps).with_context(|| questions.join("; "))
}

fn check(world: &World, questions: &[&[&str]]) -> Result<()> {
    let mut wrong = Vec::new();
    for question in questions {
        let ask = |direct| -> Result<_> {
            Ok((answer(world, question, RIGHT, direct)?, answer(world, question, WRONG, direct)?))
        };
        let (right, other) = ask(true)?;
        if right == other {
            wrong.push(format!("no question: {question:?}: {right:?}"));
            continue;
        }
        let (right, other) = ask(false)?;
        if right != other {
            wrong.push(format!("{question:?}: {right:?} or {other:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn setup() -> Setup {
    let mut setup = Setup::policy(POLICY);
    setup.database = DATABASE.to_owned();
    setup
}

#[test]
fn by_expressions_that_fail_choose_or_come_to_nothing() -> Result<()> {
    story(&setup(), |world| {
        check(
            world,
            &[
                &["SELECT 1 / (ssn = '?')::int FROM people WHERE id = 1"],
                &["SELECT ssn = '?' FROM people WHERE id = 1"],
                &["SELECT nullif(ssn, '?') FROM people WHERE id = 1"],
                &["SELECT coalesce(nullif(ssn, '?'), (1 / (id - 1))::text) FROM people WHERE id = 1"],
                &["SELECT NULL OR ssn = '?' FROM people WHERE id = 1"],
                &["SELECT ssn <> '?' AND 1 / (id - 1) > 0 FROM people WHERE id = 1"],
                &["SELECT substring(ssn FROM '^?') FROM people WHERE id = 1"],
                &["SELECT array_position(ARRAY['?'], ssn) FROM people WHERE id = 1"],
                &["SELECT ssn LIKE left('?', 9) || '\\' FROM people WHERE id = 1"],
                &["SELECT ssn IN ('?', NULL) FROM people WHERE id = 1"],
                &["SELECT (ARRAY['x'])[1 + (ssn = '?')::int] FROM people WHERE id = 1"],
                &["SELECT sum(1 / (id - 1)) FILTER (WHERE ssn = '?') FROM people"],
                &["SELECT max(name) FILTER (WHERE ssn = '?') FROM people"],
                &["SELECT id, rank() OVER (ORDER BY ssn = '?') FROM people"],
                &["SELECT nth_value(id, (ssn = '?')::int) OVER () FROM people WHERE id = 1"],
                &[
                    "SELECT sum(id) OVER (ORDER BY id ROWS (SELECT length(replace(ssn, '?', '')) - 1 FROM people WHERE id = 1) PRECEDING) FROM people",
                ],
                &["SELECT 1 / length(replace((SELECT ssn FROM people WHERE id = 1), '?', ''))"],
                &[
                    "SELECT x / y FROM (SELECT id AS x, length(replace(ssn, '?', '')) AS y FROM people WHERE id = 1) z",
                ],
                &["SELECT 1 / length(replace(number, '?', '')) FROM seen WHERE id = 1"],
                &[
                    "WITH RECURSIVE x AS (SELECT ssn FROM people WHERE id = 1 UNION ALL SELECT replace(ssn, '?', '') FROM x WHERE ssn <> '') SELECT ssn FROM x LIMIT 3",
                ],
                &["VALUES ((SELECT 1 / length(replace(ssn, '?', '')) FROM people WHERE id = 1))"],
                &["UPDATE people SET id = 1 WHERE id = 1 RETURNING 1 / length(replace(ssn, '?', ''))"],
                &[
                    "SELECT ssn = '?' OR nextval('steps') > 0 FROM people WHERE id = 1",
                    "SELECT last_value FROM steps",
                ],
                &[
                    "BEGIN",
                    "CREATE DOMAIN text AS pg_catalog.text CHECK (VALUE <> '?')",
                    "SET search_path = public, pg_catalog",
                    "SELECT ssn::text FROM people WHERE id = 1",
                ],
                &[
                    "BEGIN; CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (VALUE <> '?')",
                    "SELECT ssn::text FROM people WHERE id = 1",
                ],
                &[
                    "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (VALUE <> '?')",
                    "SELECT ssn::text FROM people WHERE id = 1",
                ],
                &[
                    "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (VALUE <> '?'); SELECT ssn::text FROM people WHERE id = 1",
                ],
                &[
                    "DO $$BEGIN CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (VALUE <> '?'); END$$",
                    "SELECT ssn::text FROM people WHERE id = 1",
                ],
                &[
                    "BEGIN; CREATE DOMAIN count AS text CHECK (VALUE <> '?')",
                    "SELECT count(ssn) FROM people WHERE id = 1",
                ],
                &[
                    "BEGIN; CREATE DOMAIN kept AS people CHECK ((VALUE).ssn <> '?')",
                    "SELECT p.kept IS NULL FROM people p WHERE id = 1",
                ],
                &[
                    "BEGIN",
                    "DECLARE c CURSOR FOR SELECT 1 / (ssn = '?')::int FROM people WHERE id = 1",
                    "FETCH c",
                ],
            ],
        )
    })
}

/// Arrays go together where they have as many elements: two, as the right value has parts.
#[test]
fn by_arrays_that_do_not_go_together() -> Result<()> {
    story(&setup(), |world| {
        check(
            world,
            &[
                &["SELECT ARRAY[tags, string_to_array('?', '6789')] FROM lists"],
                &["SELECT tags || ARRAY[string_to_array('?', '6789')] FROM lists"],
                &[
                    "SELECT array_agg(x) FROM (SELECT tags AS x FROM lists UNION ALL SELECT string_to_array('?', '6789')) y",
                ],
                &["SELECT ARRAY(SELECT tags FROM lists UNION ALL SELECT string_to_array('?', '6789'))"],
            ],
        )
    })
}

/// The order of an index on what is hidden is not found in the order of the rows.
#[test]
fn by_the_order_that_rows_are_put_in() -> Result<()> {
    story(&setup(), |world| {
        let ask = |direct: bool, first: &str| -> Result<Vec<String>> {
            world.server.sql("shop", &format!("{AGAIN}; DELETE FROM people; {first}"))?;
            let mut wire = if direct { world.direct_wire()? } else { world.wire()? };
            play(&mut wire, &[q("CLUSTER people USING people_ssn_key"), q("SELECT id FROM people")])
        };
        let one = "INSERT INTO people VALUES (1, 'Ada', '1'), (2, 'Alan', '2')";
        let other = "INSERT INTO people VALUES (1, 'Ada', '2'), (2, 'Alan', '1')";
        ensure!(ask(true, one)? != ask(true, other)?, "it is no question");
        let (one, other) = (ask(false, one)?, ask(false, other)?);
        ensure!(one == other, "{one:?}, but {other:?}");
        world.rows(&["CLUSTER pairs USING pairs_key"])?;
        Ok(())
    })
}

#[test]
fn by_what_a_write_is_held_against() -> Result<()> {
    story(&setup(), |world| {
        check(
            world,
            &[
                &["INSERT INTO people VALUES (9, 'x', '?') ON CONFLICT DO NOTHING"],
                &["INSERT INTO people (ssn, id) VALUES ('?', 9) ON CONFLICT (ssn) DO NOTHING"],
                &[
                    "INSERT INTO people VALUES (9, 'x', '?') ON CONFLICT ON CONSTRAINT people_ssn_key DO NOTHING",
                ],
                &[
                    "INSERT INTO people VALUES (9, 'x', '?') ON CONFLICT (ssn) DO UPDATE SET name = 'y' RETURNING id",
                ],
                &["UPDATE people SET name = '?' WHERE id = 1"],
                &["INSERT INTO spans VALUES (int4range(9 + length(replace('123-45-6789', '?', '')), 30))"],
                &["SELECT id FROM seen WHERE number = '?'"],
            ],
        )
    })
}

#[test]
fn what_asks_nothing_goes_on() -> Result<()> {
    story(&setup(), |world| {
        for (statement, rows) in [
            (
                "SELECT ssn, lower(ssn), ssn || name, left(ssn, 3), coalesce(ssn, '') FROM people WHERE id = 1",
                "****|****|****|****|****",
            ),
            ("SELECT id, name, number FROM seen WHERE id = 1 ORDER BY name", "1|Ada|****"),
            ("SELECT s.id FROM seen s JOIN people USING (id) WHERE s.name = 'Ada'", "1"),
            ("SELECT id FROM low", "0"),
            ("SELECT id, 10 / id, ssn FROM people WHERE id = 1", "1|10|****"),
            ("SELECT count(*), sum(id) / 3, max(name) FROM people", "3|2|Grace"),
            ("SELECT CASE WHEN id = 1 THEN ssn ELSE 'x' END FROM people WHERE id = 1", "****"),
            ("INSERT INTO people (id, name) VALUES (8, 'x') ON CONFLICT (id) DO NOTHING", "INSERT 0 1"),
            ("INSERT INTO visits (id, note) VALUES (1, 'x')", "INSERT 0 1"),
            ("UPDATE people SET id = 7 WHERE name = 'Grace'", "UPDATE 1"),
            ("INSERT INTO people VALUES (9, 'x', '123-45-0000')", "INSERT 0 1"),
            ("INSERT INTO visits VALUES (1, '123-45-6789')", "INSERT 0 1"),
            ("INSERT INTO pairs VALUES ('x', 'y')", "INSERT 0 1"),
        ] {
            world.server.sql("shop", AGAIN)?;
            let found = world.rows(&[statement])?;
            ensure!(found == rows, "{statement}: {found}");
        }
        Ok(())
    })
}
