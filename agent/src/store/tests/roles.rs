//! What each role may do, tried by doing it.

use super::postgres::Server;
use super::*;

/// Everything that an agent may try beside shipping; all of it is refused.
const FORBIDDEN_TO_AGENTS: [&str; 17] = [
    "SELECT body FROM portreeve.record",
    "SELECT count(*) FROM portreeve.record",
    "SELECT public_key FROM portreeve.boot",
    "SELECT * FROM portreeve.session",
    "SELECT * FROM portreeve.incident",
    "SELECT * FROM portreeve.conflict",
    "INSERT INTO portreeve.boot (boot, day, agent) VALUES (gen_random_uuid(), now(), 'x')",
    "UPDATE portreeve.record SET body = NULL",
    "UPDATE portreeve.boot SET agent = session_user",
    "DELETE FROM portreeve.record",
    "TRUNCATE portreeve.record",
    "DROP TABLE portreeve.record",
    "DROP SCHEMA portreeve CASCADE",
    "ALTER TABLE portreeve.record ADD COLUMN mine int",
    "CREATE TABLE portreeve.mine (id int)",
    "SET ROLE portreeve_owner",
    "GRANT portreeve_owner TO CURRENT_USER",
];

const FORBIDDEN_TO_AUDITORS: [&str; 9] = [
    "INSERT INTO portreeve.conflict (boot, lane, sequence, header, agent) VALUES (gen_random_uuid(), 0, 0, 'x', 'x')",
    "UPDATE portreeve.record SET body = NULL",
    "DELETE FROM portreeve.record",
    "TRUNCATE portreeve.record",
    "DROP VIEW portreeve.session",
    "CREATE TABLE portreeve.mine (id int)",
    "SELECT portreeve.register(gen_random_uuid(), NULL, NULL, NULL, NULL, NULL, NULL)",
    "SELECT * FROM portreeve.next_sequences('{}')",
    "SET ROLE portreeve_owner",
];

const ALLOWED_TO_AUDITORS: [&str; 6] = [
    "SELECT header, body FROM portreeve.record",
    "SELECT * FROM portreeve.boot",
    "SELECT * FROM portreeve.session",
    "SELECT * FROM portreeve.statement",
    "SELECT * FROM portreeve.incident",
    "SELECT * FROM portreeve.conflict",
];

pub(super) fn agents_ship_and_nothing_else_and_auditors_read_and_nothing_else(
    server: &Server,
    database: &str,
) {
    run(async {
        let agent = server.log_in("agent_1", database).await.unwrap();
        for text in FORBIDDEN_TO_AGENTS {
            let error = agent.batch_execute(text).await.expect_err(text);
            assert!(error.as_db_error().is_some(), "{text}: {error}");
        }
        let auditor = server.log_in("auditor_1", database).await.unwrap();
        for text in FORBIDDEN_TO_AUDITORS {
            assert!(auditor.batch_execute(text).await.is_err(), "{text}");
        }
        for text in ALLOWED_TO_AUDITORS {
            auditor.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        let nobody = server.log_in("nobody_1", database).await.unwrap();
        assert!(nobody.batch_execute("SELECT FROM portreeve.boot").await.is_err());
        assert!(nobody.batch_execute("SELECT portreeve.next_sequences('{}')").await.is_err());
    });
}
