//! What a transaction that is still open has done to names: migrations in many messages and in one text go through it, and no
//! attack hides behind it.

use anyhow::Result;
use e2e::{Setup, story};

use crate::effects::{EFFECTS, Shows, check, texts};
use crate::honest::same;

const MIGRATIONS: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: no-vault, actions: [\"*\"], relations: [\"vault.*\"], decision: deny }
";

const DATABASE: &str = r"
CREATE SCHEMA app;
GRANT ALL ON SCHEMA app TO shop_service;
GRANT CREATE ON SCHEMA public TO shop_service;
GRANT CREATE ON DATABASE shop TO shop_service;
SET ROLE shop_service;
CREATE TYPE app.mood AS ENUM ('sad', 'glad');
CREATE TABLE app.users (id serial PRIMARY KEY, name text NOT NULL, mood app.mood DEFAULT 'sad');
INSERT INTO app.users (name) VALUES ('ada'), ('bob');
CREATE TABLE app.events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE VIEW app.names AS SELECT id, name FROM app.users;
CREATE FUNCTION app.shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)';
";

/// Statements of migrations as people and tools write them, each a transaction.
const WRITTEN: &[&[&str]] = &[
    // A table in the place of another.
    &[
        "CREATE TABLE app.users_new (LIKE app.users INCLUDING ALL)",
        "INSERT INTO app.users_new SELECT * FROM app.users",
        "ALTER TABLE app.users RENAME TO users_old",
        "ALTER TABLE app.users_new RENAME TO users",
        "DROP VIEW app.names",
        "DROP TABLE app.users_old CASCADE",
        "CREATE VIEW app.names AS SELECT id, name FROM app.users",
        "SELECT name FROM app.names ORDER BY id",
    ],
    // Prisma and TypeORM change an enumeration so.
    &[
        "CREATE TYPE app.mood_new AS ENUM ('sad', 'glad', 'calm')",
        "ALTER TABLE app.users ALTER COLUMN mood DROP DEFAULT",
        "ALTER TABLE app.users ALTER COLUMN mood TYPE app.mood_new USING (mood::text::app.mood_new)",
        "ALTER TYPE app.mood RENAME TO mood_old",
        "ALTER TYPE app.mood_new RENAME TO mood",
        "DROP TYPE app.mood_old",
        "ALTER TABLE app.users ALTER COLUMN mood SET DEFAULT 'sad'",
        "UPDATE app.users SET mood = 'calm'::app.mood WHERE name = 'ada'",
        "SELECT name, mood FROM app.users ORDER BY id",
    ],
    &[
        "CREATE EXTENSION IF NOT EXISTS pgcrypto SCHEMA public",
        "CREATE EXTENSION IF NOT EXISTS citext",
        "COMMENT ON EXTENSION citext IS 'no matter how it is written'",
        "CREATE TABLE app.accounts (id uuid PRIMARY KEY DEFAULT public.gen_random_uuid(), mail citext UNIQUE)",
        "INSERT INTO app.accounts (mail) VALUES ('A@example.com')",
        "SELECT count(*) FROM app.accounts WHERE mail = 'a@EXAMPLE.com' AND public.digest('x', 'sha256') IS NOT NULL",
    ],
    &[
        "SET LOCAL search_path = app, public",
        "CREATE TABLE notes (id bigserial PRIMARY KEY, body text, changed timestamptz)",
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.changed := now(); RETURN NEW; END$$",
        "CREATE TRIGGER touch BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touch()",
        "CREATE TABLE labels (id int REFERENCES notes, label text)",
        "INSERT INTO notes (body) VALUES ('x')",
        "UPDATE notes SET body = 'y'",
        "SELECT setval('notes_id_seq', 100)",
        "ALTER INDEX notes_pkey RENAME TO notes_pk",
        "CREATE INDEX labels_label ON labels (label)",
        "DROP INDEX labels_label",
        "SELECT body, changed IS NOT NULL FROM notes",
    ],
    // A function that is changed, and used before it is committed.
    &[
        "DROP FUNCTION app.shout(text)",
        "CREATE FUNCTION app.shout(text, int) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN upper(repeat($1, $2)); END$$",
        "ALTER FUNCTION app.shout(text, int) OWNER TO shop_service",
        "COMMENT ON FUNCTION app.shout(text, int) IS 'louder'",
        "GRANT EXECUTE ON FUNCTION app.shout(text, int) TO PUBLIC",
        "SELECT app.shout(name, 2) FROM app.users ORDER BY id",
        "CREATE INDEX ON app.users (name)",
        "DO $$ BEGIN PERFORM app.shout('x', 1); END $$",
    ],
    &[
        "CREATE TABLE app.events_2024 (LIKE app.events INCLUDING ALL)",
        "INSERT INTO app.events_2024 VALUES ('2024-02-02', 'x')",
        "ALTER TABLE app.events ATTACH PARTITION app.events_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "INSERT INTO app.events VALUES ('2024-03-03', 'y')",
        "SELECT count(*) FROM app.events",
        "ALTER TABLE app.events DETACH PARTITION app.events_2024",
        "SELECT count(*) FROM app.events_2024",
    ],
    &[
        "CREATE SCHEMA archive",
        "ALTER TABLE app.users SET SCHEMA archive",
        "CREATE TABLE app.users (id int)",
        "SELECT count(*) FROM archive.users",
        "SELECT count(*) FROM app.users",
        "ALTER SEQUENCE archive.users_id_seq RENAME TO ids",
        "SELECT nextval('archive.ids')",
    ],
    &[
        "DO $$ BEGIN CREATE TYPE app.kind AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "ALTER TABLE app.users ADD COLUMN kind app.kind NOT NULL DEFAULT 'a', ADD COLUMN up text",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM app.users LOOP UPDATE app.users SET up = app.shout(name) WHERE id = r.id; END LOOP; END $$",
        "ALTER TABLE app.users RENAME COLUMN up TO loud",
        "SELECT loud, kind FROM app.users ORDER BY id",
    ],
];

#[test]
fn migrations_go_through_in_many_messages_and_in_one() -> Result<()> {
    let setup = Setup { database: DATABASE.to_owned(), ..Setup::policy(MIGRATIONS) };
    story(&setup, |world| {
        let in_messages: Vec<Vec<&str>> =
            WRITTEN.iter().map(|statements| [&["BEGIN"], *statements, &["COMMIT"]].concat()).collect();
        let in_one: Vec<String> = WRITTEN.iter().map(|statements| statements.join("; ")).collect();
        let wrapped: Vec<String> = in_one.iter().map(|text| format!("BEGIN; {text}; COMMIT")).collect();
        let one = in_one.iter().chain(&wrapped).map(|text| vec![text.as_str()]);
        let sessions: Vec<Vec<&str>> = in_messages.into_iter().chain(one).collect();
        same(world, &sessions.iter().map(Vec::as_slice).collect::<Vec<_>>())
    })
}

#[test]
fn nothing_hides_behind_what_is_not_committed() -> Result<()> {
    story(&crate::effects::setup(), |world| {
        let twins = Shows::In("SELECT count(*) FROM public.effects WHERE what = 'the-secret'");
        let swap = "ALTER TABLE twin RENAME TO one; ALTER TABLE vault.twin SET SCHEMA public";
        check(
            world,
            vec![
                (
                    "a name that was not moved after all",
                    texts(&[
                        "BEGIN",
                        "DO $$ BEGIN IF false THEN ALTER TABLE vault.secret RENAME TO x; END IF; END $$",
                        "SELECT a FROM vault.secret",
                    ]),
                    Shows::Told,
                ),
                (
                    "a table that was not made after all",
                    texts(&[
                        "BEGIN",
                        "DO $$ BEGIN IF false THEN CREATE TABLE public.child (id int); END IF; END $$",
                        "SET LOCAL search_path = public, vault",
                        "DELETE FROM child",
                        "COMMIT",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                (
                    "the same in one text",
                    texts(&[
                        "DO $$ BEGIN IF false THEN CREATE TABLE public.child (id int); END IF; END $$; SET search_path = public, vault; DELETE FROM child",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                (
                    "a savepoint that takes it back",
                    texts(&[
                        "BEGIN",
                        "SAVEPOINT a",
                        "CREATE TEMP TABLE child (id int)",
                        "ROLLBACK TO a",
                        "SET LOCAL search_path = vault",
                        "DELETE FROM child",
                        "COMMIT",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                (
                    "a function that is replaced when it hangs already",
                    texts(&[
                        "BEGIN",
                        "CREATE TABLE h (a int)",
                        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
                        "CREATE TRIGGER x BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION f()",
                        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET LOCAL search_path = vault; RETURN NEW; END$$",
                        "INSERT INTO h VALUES (1)",
                        "DELETE FROM child",
                        "COMMIT",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                (
                    "the same in one text",
                    texts(&[
                        "CREATE TABLE h (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; \
                     CREATE TRIGGER x BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION f(); \
                     CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET LOCAL search_path = vault; RETURN NEW; END$$; \
                     INSERT INTO h VALUES (1); DELETE FROM child",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                (
                    "a function whose names are moved before it is called",
                    texts(&[
                        "BEGIN",
                        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT b FROM twin'",
                        "SET LOCAL search_path = vault",
                        "SELECT public.f()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a function that runs with the path of who calls it",
                    texts(&[
                        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT b FROM twin'",
                        "CREATE FUNCTION g() RETURNS text LANGUAGE sql SET search_path = vault AS 'SELECT public.f()'",
                        "SELECT g()",
                    ]),
                    Shows::Told,
                ),
                (
                    "a trigger whose names are moved before it runs",
                    texts(&[
                        "BEGIN",
                        "CREATE TABLE h (a int)",
                        "CREATE TRIGGER x BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION copies()",
                        "SET LOCAL search_path = vault, public",
                        "INSERT INTO public.h VALUES (1)",
                        "COMMIT",
                    ]),
                    twins,
                ),
                (
                    "the same in one text",
                    texts(&[
                        "CREATE TABLE h (a int); CREATE TRIGGER x BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION copies(); \
                     SET search_path = vault, public; INSERT INTO public.h VALUES (1)",
                    ]),
                    Shows::In("SELECT count(*) FROM public.effects WHERE what = 'the-secret'"),
                ),
                (
                    "a table that is moved into the place of another",
                    texts(&[
                        "BEGIN",
                        "ALTER TABLE twin RENAME TO one",
                        "ALTER TABLE vault.twin SET SCHEMA public",
                        "SELECT b FROM twin",
                    ]),
                    Shows::Told,
                ),
                ("the same in one text", texts(&[&format!("{swap}; SELECT b FROM twin")]), Shows::Told),
                (
                    "a child that is given away",
                    texts(&[
                        "BEGIN",
                        "CREATE TABLE p (b text)",
                        "ALTER TABLE vault.twin INHERIT p",
                        "SELECT b FROM p",
                    ]),
                    Shows::Told,
                ),
                (
                    "a search path in a branch that is not taken",
                    texts(&[
                        "DO $$ BEGIN SET search_path = vault; IF false THEN SET search_path = public; END IF; END $$; DELETE FROM child",
                    ]),
                    Shows::In("SELECT count(*) FROM vault.child"),
                ),
                (
                    "a schema that is not made",
                    texts(&[
                        "DO $$ BEGIN IF false THEN CREATE SCHEMA s; END IF; END $$; SET search_path = s, vault; CREATE TABLE made (a int)",
                    ]),
                    Shows::In("SELECT count(*) FROM pg_tables WHERE schemaname = 'vault'"),
                ),
                (
                    "a path of a role that reaches more",
                    texts(&["SET search_path = missing, vault; CREATE TABLE made (a int)"]),
                    Shows::In("SELECT count(*) FROM pg_tables WHERE schemaname = 'vault'"),
                ),
                (
                    "a domain that is checked from now on",
                    texts(&[
                        "BEGIN",
                        "CREATE DOMAIN d AS text",
                        "ALTER DOMAIN d ADD CHECK (run(VALUE) <> '')",
                        "SELECT 'x'::d",
                        "COMMIT",
                    ]),
                    EFFECTS,
                ),
                (
                    "a type that gets a domain that is checked",
                    texts(&[
                        "BEGIN; CREATE TYPE two AS (a int); ALTER TYPE two ADD ATTRIBUTE b ran; SELECT '(1,x)'::two; COMMIT",
                    ]),
                    EFFECTS,
                ),
                (
                    "a table of a domain that is checked",
                    texts(&["BEGIN; CREATE TABLE h (a ran); INSERT INTO h VALUES ('x'); COMMIT"]),
                    EFFECTS,
                ),
                (
                    "a table like one that is checked",
                    texts(&[
                        "BEGIN; CREATE TABLE h (LIKE checked INCLUDING ALL); INSERT INTO h VALUES ('x'); COMMIT",
                    ]),
                    EFFECTS,
                ),
                (
                    "a child of one that is checked",
                    texts(&[
                        "CREATE TABLE own (b text CHECK (b <> ''), c ran)",
                        "BEGIN",
                        "CREATE TABLE h () INHERITS (own)",
                        "INSERT INTO h VALUES ('x', 'y')",
                        "COMMIT",
                    ]),
                    EFFECTS,
                ),
                (
                    "a type of a domain that is checked",
                    texts(&["BEGIN; CREATE TYPE two AS (a ran, b int); SELECT '(x,1)'::two; COMMIT"]),
                    EFFECTS,
                ),
            ],
        )
    })
}
