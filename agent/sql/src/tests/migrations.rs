//! Texts of migrations, as people and tools write them.

use super::fixture::{actions, is_opaque};

#[test]
fn what_a_migration_does_is_understood_behind_what_it_has_done() {
    for text in [
        "BEGIN; SET search_path = other; CREATE TABLE n (a int); COMMIT; CREATE TABLE m (a int)",
        "SET search_path = other, pg_catalog; SELECT id FROM notes; CREATE TABLE m (a int)",
        "CREATE INDEX i ON t (a); ALTER INDEX i RENAME TO j; SELECT a FROM t",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING; CREATE TABLE o (a int)",
        "SELECT pg_advisory_lock(1); CREATE TABLE o (a int); SELECT pg_advisory_unlock(1)",
        "GRANT USAGE ON SCHEMA public TO app; CREATE TABLE o (a int)",
        "BEGIN; CREATE TABLE o (a int); COMMIT; BEGIN; CREATE TABLE p (a int); COMMIT",
        "ALTER TABLE t RENAME TO u; ALTER TABLE u ADD COLUMN c int; UPDATE u SET c = 1; SELECT id FROM orders",
        "CREATE TYPE mood_new AS ENUM ('a', 'b'); ALTER TABLE t ALTER COLUMN b TYPE mood_new USING (b::text::mood_new); ALTER TYPE mood RENAME TO mood_old; ALTER TYPE mood_new RENAME TO mood; DROP TYPE mood_old; SELECT b::mood FROM t",
        "CREATE TABLE events_2025 (LIKE events INCLUDING ALL); ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM (1) TO (2); INSERT INTO events VALUES (1); SELECT a FROM t",
        "ALTER TABLE events DETACH PARTITION events_2024; DROP TABLE events_2024; SELECT a FROM t",
        "CREATE SCHEMA app; ALTER TABLE t SET SCHEMA app; SELECT a FROM app.t; SELECT id FROM orders",
        "DROP FUNCTION audit(int); CREATE FUNCTION audit(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT audit(1, 2)",
        "CREATE FUNCTION slug(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'; CREATE TABLE n (a text, b text GENERATED ALWAYS AS (slug(a)) STORED); CREATE INDEX ON n (slug(a)); ALTER FUNCTION slug(text) OWNER TO app; GRANT EXECUTE ON FUNCTION slug(text) TO PUBLIC; SELECT slug('x'); INSERT INTO n VALUES ('x')",
        "CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%'); CREATE TABLE n (a mail); INSERT INTO n VALUES ('x'); SELECT a::mail FROM n",
        "CREATE MATERIALIZED VIEW mv AS SELECT a FROM t; CREATE UNIQUE INDEX ON mv (a); REFRESH MATERIALIZED VIEW mv; ALTER MATERIALIZED VIEW mv RENAME TO mv2; SELECT a FROM mv2",
        "CREATE TABLE t_new (LIKE t INCLUDING ALL); INSERT INTO t_new SELECT a, b FROM t; ALTER TABLE t RENAME TO t_old; ALTER TABLE t_new RENAME TO t; DROP TABLE t_old; SELECT a FROM t",
        "DO $$ BEGIN CREATE TYPE st AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$; CREATE TABLE n (a st); SELECT 'a'::st",
        "CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE n (a int); INSERT INTO n SELECT a FROM t",
        "CREATE EXTENSION hstore CASCADE; SELECT hstore('a', 'b') -> 'a'; SELECT a FROM t",
        "CREATE INDEX i ON t (a); ALTER INDEX i RENAME TO j; COMMENT ON INDEX j IS 'x'; REINDEX INDEX j; DROP INDEX j",
    ] {
        assert!(!is_opaque(text), "{text} gave {}", actions(text));
    }
}

#[test]
fn what_an_extension_brings_is_a_users_own() {
    let text = "CREATE EXTENSION pgcrypto SCHEMA other; SELECT other.digest('x', 'md5')";
    assert_eq!(actions(text), "create extension pgcrypto; function other.digest");
    assert!(is_opaque("CREATE EXTENSION vector; SELECT l2_distance(NULL, NULL)"));
    assert!(is_opaque("ALTER EXTENSION pgcrypto UPDATE; SELECT a FROM t"));
}
