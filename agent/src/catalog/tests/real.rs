//! Catalogs of a real PostgreSQL.

use std::time::Instant;

use policy::catalog::{Probe, ViewColumn};
use policy::{RelationKind, TypeKind, Volatility};
use tokio_postgres::Client;

use super::postgres::{Server, Socket};
use super::*;

pub(super) fn start(server: &Server, role: &'static str, config: Config) -> Catalogs {
    Catalogs::start(config, Arc::new(Socket { path: server.socket(), role })).unwrap()
}

/// The last value that `attempt` gave, once it is what is wanted or a minute is over.
pub(super) async fn eventually<T: fmt::Debug, F: Future<Output = T>>(
    mut attempt: impl FnMut() -> F,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let value = attempt().await;
        if wanted(&value) {
            return value;
        }
        assert!(Instant::now() < deadline, "still after a minute: {value:?}");
        // Between two looks, so that the server has the processor meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn against_a_real_server() {
    let Some(mut server) = Server::start() else { return };
    run(async {
        let admin = server.client("postgres").await;
        for database in ["reads", "changes", "watched", "lost", "dropped", "forced", "unwatched"] {
            admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
        }
        admin.batch_execute("CREATE ROLE plain LOGIN; CREATE ROLE nologin NOLOGIN").await.unwrap();
        everything_that_judgement_needs_is_read(&server).await;
        the_generation_rises_with_the_content_alone(&server).await;
        a_change_by_others_is_noticed_without_asking(&server).await;
        a_role_that_may_not_log_in_is_named(&server).await;
        too_many_rows_are_refused(&server).await;
        a_database_without_sessions_is_forgotten(&server).await;
        a_database_without_sessions_can_be_dropped(&server, &admin).await;
        a_database_that_nobody_wants_is_not_connected_to(&server, &admin).await;
        what_changed_while_nobody_looked_is_read(&server).await;
        a_lost_connection_is_made_again(&server, &admin).await;
        who_asks_does_not_wait_for_the_next_try(&server, &admin).await;
        a_database_that_is_made_anew_is_read_at_once(&server, &admin).await;
    });
    a_server_that_stays_away_refuses_new_sessions(&mut server);
}

const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, gone int, name text, ssn text);
    ALTER TABLE customers DROP COLUMN gone;
    CREATE FUNCTION noisy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION tax(n int) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT n';
    CREATE FUNCTION same(a text, b text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
    CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
    CREATE PROCEDURE proc() LANGUAGE sql AS '';
    CREATE TRIGGER t BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION noisy();
    CREATE TABLE keyed (a int REFERENCES customers, b int, c int, d int4range, e int,
        UNIQUE (a, c) INCLUDE (e), CHECK (b < c), CHECK (e > 0), EXCLUDE USING gist (d WITH &&));
    CREATE UNIQUE INDEX ON keyed ((b + 1)) WHERE c > 0;
    CREATE INDEX ON keyed (e);
    CREATE VIEW names AS SELECT id, name FROM customers;
    CREATE VIEW whole AS SELECT id, to_json(c) FROM customers c;
    CREATE VIEW nested AS SELECT (SELECT ssn FROM customers LIMIT 1) FROM names;
    CREATE VIEW taxed AS SELECT tax(id) AS t, name === 'x' AS s FROM customers;
    CREATE VIEW roles AS SELECT rolpassword FROM pg_catalog.pg_authid;
    CREATE VIEW granted AS SELECT table_name FROM information_schema.tables;
    CREATE TABLE visits (id int, day date);
    CREATE VIEW v_where AS SELECT id, ssn AS number FROM customers WHERE name <> '';
    CREATE VIEW v_join AS SELECT c.id, v.day FROM customers c JOIN visits v USING (id);
    CREATE VIEW v_full AS SELECT id FROM customers FULL JOIN visits USING (id);
    CREATE VIEW v_query AS SELECT id, x FROM (SELECT id, ssn AS x FROM customers) s WHERE x <> '';
    CREATE VIEW v_with AS WITH w AS (SELECT id, ssn FROM customers) SELECT id FROM w ORDER BY ssn;
    CREATE VIEW v_all AS SELECT ssn FROM customers UNION ALL SELECT name FROM customers;
    CREATE VIEW v_union AS SELECT ssn FROM customers UNION SELECT 'x';
    CREATE VIEW v_distinct AS SELECT DISTINCT ssn FROM customers;
    CREATE VIEW v_group AS SELECT name, count(ssn) FROM customers GROUP BY name HAVING max(id) > 1;
    CREATE VIEW v_lateral AS SELECT c.id, l.x FROM customers c, LATERAL (SELECT upper(c.ssn) AS x) l;
    CREATE VIEW v_window AS SELECT id, rank() OVER (ORDER BY ssn) FROM customers;
    CREATE VIEW v_exists AS SELECT id FROM customers c WHERE EXISTS (SELECT FROM visits v WHERE v.id = length(c.ssn));
    CREATE VIEW v_series AS SELECT g FROM customers, generate_series(1, length(ssn)) g;
    CREATE VIEW v_filter AS SELECT count(*) FILTER (WHERE ssn = 'x') AS n FROM customers;
    CREATE VIEW v_recursive AS WITH RECURSIVE r AS (SELECT ssn FROM customers UNION ALL SELECT ssn FROM r) SELECT * FROM r;
    CREATE VIEW v_values AS SELECT column1 FROM (VALUES (1), (2)) v;
    CREATE VIEW \"v{} :odd\" AS SELECT id AS \"x :resno 9 {VAR :varattno 4}\" FROM customers;
    CREATE MATERIALIZED VIEW kept AS SELECT name FROM names;
    CREATE TABLE orders (id int, day date) PARTITION BY RANGE (day);
    CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE vips (rank int) INHERITS (customers);
    CREATE TABLE ruled (id int);
    CREATE RULE r AS ON INSERT TO ruled DO ALSO DELETE FROM orders;
    CREATE SCHEMA empty;
    CREATE SEQUENCE s;
    CREATE TYPE pair AS (a int, b int);
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN taxable AS positive CHECK (tax(VALUE) > 0);
    CREATE TYPE taxed_pair AS (a int, b taxable[]);
";

async fn everything_that_judgement_needs_is_read(server: &Server) {
    let admin = server.client("reads").await;
    admin.batch_execute(SCHEMA).await.unwrap();
    admin.batch_execute("CREATE TEMP TABLE scratch (id int)").await.unwrap();
    let catalogs = start(server, "plain", Config::default());
    let began = Instant::now();
    let catalog = catalogs.get(&key("reads")).await.unwrap().current();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "reading a small database took {took:?}");
    let find = |name: &str| catalog.relation_named("public", name).unwrap();
    let customers = find("customers");
    let columns: Vec<_> = customers.columns.iter().map(|c| (c.attnum, c.name.as_str(), c.type_oid)).collect();
    assert_eq!(columns, [(1, "id", 23), (3, "name", 25), (4, "ssn", 25)]);
    assert!(customers.has_triggers && !customers.has_rules);
    let probes = |name: &str| {
        let one = |p: &Probe| format!("{:?} {:?}", p.by, p.columns);
        find(name).writes.probes.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(probes("customers"), ["Key [1]"]);
    assert_eq!(probes("keyed"), ["Check [2, 3]", "Key [1, 3]", "Key [2, 3]", "Exclusion [4]"]);
    assert_eq!(customers.children, [find("vips").oid]);

    // Columns as `name.attnum`, for bases that this catalog knows.
    let bases = |name: &str| -> Vec<String> {
        let name_of = |oid| catalog.relation(oid).map_or("?", |r| r.name.as_str()).to_owned();
        find(name).bases.iter().map(|b| format!("{}.{}", name_of(b.relation), b.attnum)).collect()
    };
    assert_eq!(bases("names"), ["customers.1", "customers.3"]);
    assert_eq!(bases("whole"), ["customers.0", "customers.1"]);
    assert_eq!(bases("nested"), ["customers.4", "names.0"]);
    assert_eq!(bases("roles"), ["pg_authid.0"]);
    assert_eq!(bases("granted"), ["tables.0", "tables.3"]);
    assert_eq!(bases("kept"), ["names.2"]);
    assert_eq!(bases("ruled"), ["orders.0"]);
    assert!(bases("customers").is_empty());
    let user = catalog.relation_named("pg_catalog", "pg_user").unwrap();
    assert!(!user.bases.is_empty(), "the system's own views stand on something too");

    // A view's columns: own ones by their names, what others are made of in parentheses; and what decides.
    let refs = |columns: &[policy::ColumnRef]| -> Vec<String> {
        let name = |oid| catalog.relation(oid).map_or("?", |relation| &relation.name);
        columns.iter().map(|c| format!("{}.{}", name(c.relation), c.attnum)).collect()
    };
    let view = |name: &str| {
        let Some(view) = &find(name).view else { return "?".to_owned() };
        let column = |column: &ViewColumn| match column {
            ViewColumn::Own(own) => refs(&[*own]).concat(),
            ViewColumn::Made(made) => format!("({})", refs(made).join("+")),
        };
        let columns: Vec<_> = view.columns.iter().map(column).collect();
        format!("{} | {}", columns.join(" "), refs(&view.decides).join(" "))
    };
    for (name, expected) in [
        ("names", "customers.1 customers.3 | "),
        ("whole", "customers.1 (customers.0) | "),
        ("nested", "(customers.4) | "),
        ("kept", "names.2 | "),
        ("v_where", "customers.1 customers.4 | customers.3"),
        ("v_join", "customers.1 visits.2 | customers.1 visits.1"),
        ("v_full", "(customers.1+visits.1) | customers.1 visits.1"),
        ("v_query", "customers.1 customers.4 | customers.4"),
        ("v_with", "customers.1 | customers.4"),
        ("v_all", "(customers.4+customers.3) | "),
        ("v_union", "(customers.4) | customers.4"),
        ("v_distinct", "customers.4 | customers.4"),
        ("v_group", "customers.3 (customers.4) | customers.1 customers.3"),
        ("v_lateral", "customers.1 (customers.4) | "),
        ("v_window", "customers.1 () | customers.4"),
        ("v_exists", "customers.1 | customers.4 visits.1"),
        ("v_series", "(customers.4) | customers.4"),
        ("v_filter", "(customers.4) | "),
        ("v_recursive", "?"),
        ("v_values", "() | "),
        ("v{} :odd", "customers.1 | "),
        ("customers", "?"),
    ] {
        assert_eq!(view(name), expected, "{name}");
    }

    let gathers = |name: &&str| find(name).view.as_ref().unwrap().gathers;
    assert!(["nested", "v_group", "v_window", "v_exists", "v_filter"].iter().all(gathers));
    assert!(!["names", "whole", "v_where", "v_join", "v_all", "v_distinct", "v_lateral"].iter().any(gathers));

    let function = |name: &str| catalog.functions_named("public", name).next().unwrap();
    assert_eq!(find("taxed").functions, {
        let mut oids = [function("tax").oid, function("same").oid];
        oids.sort_unstable();
        oids
    });
    let tax = function("tax");
    assert_eq!((tax.volatility, tax.security_definer), (Volatility::Stable, true));
    assert_eq!((tax.language.as_str(), tax.procedure), ("sql", false));
    assert!(function("proc").procedure);
    assert!(catalog.functions_named("pg_catalog", "lower").next().is_some());

    let checks = |name: &str| -> Vec<&str> {
        let functions = catalog.calls().types.get(name).into_iter().flatten();
        functions.map(|(_, oid)| catalog.function(*oid).map_or("?", |f| &f.name)).collect()
    };
    assert_eq!(checks("taxable"), ["tax"]);
    assert_eq!(checks("taxed_pair"), ["tax"]);
    assert!(checks("positive").is_empty() && checks("pair").is_empty());

    let kinds =
        ["pair", "mood", "positive", "_mood", "orders"].map(|name| catalog.type_named("public", name));
    assert_eq!(kinds, [Some(TypeKind::Composite), Some(TypeKind::Enum), Some(TypeKind::Domain), None, None]);

    assert_eq!(find("orders").kind, RelationKind::PartitionedTable);
    assert_eq!(find("orders_1").parents, [find("orders").oid]);
    assert!(find("ruled").has_rules && !find("names").has_rules);
    assert_eq!(find("s").kind, RelationKind::Sequence);
    assert_eq!(find("pair").columns.len(), 2);
    assert!(catalog.has_schema("empty") && !catalog.has_schema("pg_toast"));
    assert!(catalog.relations().all(|r| !r.schema.starts_with("pg_toast")));
    let scratch = catalog.relations().find(|r| r.name == "scratch").unwrap();
    assert!(scratch.schema.starts_with("pg_temp_"), "{}", scratch.schema);
}

async fn the_generation_rises_with_the_content_alone(server: &Server) {
    let admin = server.client("changes").await;
    let catalogs = start(server, "plain", Config::default());
    let mut live = catalogs.get(&key("changes")).await.unwrap();
    let mut last = live.current().generation();
    for (statements, changes) in [
        ("SELECT 1", false),
        ("CREATE TABLE t (id int)", true),
        ("INSERT INTO t SELECT generate_series(1, 1000); ANALYZE; VACUUM t", false),
        ("BEGIN; ALTER TABLE t ADD COLUMN x int; ROLLBACK", false),
        ("ALTER TABLE t RENAME COLUMN id TO key", true),
        ("ALTER TABLE t RENAME TO u", true),
        ("CREATE VIEW v AS SELECT key FROM u", true),
        ("CREATE OR REPLACE VIEW v AS SELECT key + 1 AS key FROM u", true),
        ("CREATE OR REPLACE VIEW v AS SELECT key + 2 AS key FROM u", false),
        ("CREATE OR REPLACE VIEW v AS SELECT 1 AS key", true),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", true),
        ("ALTER FUNCTION f() SECURITY DEFINER", true),
        ("CREATE SCHEMA s", true),
        ("ALTER TABLE u SET SCHEMA s", true),
        ("CREATE TABLE child () INHERITS (s.u)", true),
        ("ALTER TABLE child NO INHERIT s.u", true),
        ("CREATE RULE r AS ON DELETE TO child DO INSTEAD NOTHING", true),
        ("DROP RULE r ON child", true),
        ("BEGIN; DROP TABLE child; CREATE TABLE child (key int); COMMIT", true),
        ("DROP FUNCTION f()", true),
        ("CREATE TYPE e AS ENUM ('a')", true),
        ("ALTER TYPE e RENAME TO f", true),
        ("GRANT SELECT ON child TO plain", false),
        ("DROP VIEW v", true),
    ] {
        for statement in statements.split("; ") {
            admin.batch_execute(statement).await.unwrap();
        }
        let catalog = live.refresh().await.unwrap();
        let generation = catalog.generation();
        assert_eq!(generation > last, changes, "{statements}: {last} -> {generation}");
        assert_eq!(live.changed().is_some(), changes, "{statements}");
        assert_eq!(live.current().generation(), generation);
        last = generation;
    }
}

async fn a_change_by_others_is_noticed_without_asking(server: &Server) {
    let catalogs = start(server, "plain", Config { check_seconds: 1, ..Config::default() });
    let mut live = catalogs.get(&key("watched")).await.unwrap();
    server.client("watched").await.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    let newer = tokio::time::timeout(Duration::from_secs(60), live.wait()).await.unwrap();
    assert!(newer.relation_named("public", "t").is_some());
}

async fn a_role_that_may_not_log_in_is_named(server: &Server) {
    let catalogs = start(server, "nologin", Config::default());
    let error = catalogs.get(&key("reads")).await.unwrap_err();
    assert!(error.to_string().contains("role \"nologin\" is not permitted to log in"), "{error}");
    let catalogs = start(server, "plain", Config::default());
    let error = catalogs.get(&key("none")).await.unwrap_err();
    assert!(error.to_string().contains("3D000"), "{error}");
}

async fn too_many_rows_are_refused(server: &Server) {
    let catalogs = start(server, "plain", Config { rows: 500, ..Config::default() });
    let error = catalogs.get(&key("reads")).await.unwrap_err();
    assert!(matches!(error, Error::Large { .. }), "{error}");
}

async fn a_database_without_sessions_is_forgotten(server: &Server) {
    let config = Config { check_seconds: 1, idle_seconds: 0, ..Config::default() };
    let catalogs = start(server, "plain", config);
    let live = catalogs.get(&key("reads")).await.unwrap();
    assert_eq!(catalogs.databases(), [key("reads")]);
    drop(live);
    eventually(|| async { catalogs.databases() }, Vec::is_empty).await;
    assert!(catalogs.get(&key("reads")).await.is_ok(), "and read again when it is wanted again");
}

async fn a_database_without_sessions_can_be_dropped(server: &Server, admin: &Client) {
    let catalogs = start(server, "plain", Config::default());
    drop(catalogs.get(&key("dropped")).await.unwrap());
    // It waits for others to leave, but not for long.
    admin.batch_execute("DROP DATABASE dropped").await.unwrap();
    // What is known of it was right until then: it counts as long as after a lost connection.
    assert!(catalogs.get(&key("dropped")).await.is_ok());
    let catalogs = start(server, "plain", Config::default());
    assert!(catalogs.get(&key("dropped")).await.is_err());
}

/// Counts the connections that a keeper makes.
struct Counts(Socket, AtomicUsize);

impl Connect for Counts {
    fn connect<'a>(&'a self, key: &'a Key, way: Way) -> Connecting<'a> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.connect(key, way)
    }
}

async fn a_database_that_nobody_wants_is_not_connected_to(server: &Server, admin: &Client) {
    let socket = Socket { path: server.socket(), role: "plain" };
    let connector = Arc::new(Counts(socket, AtomicUsize::new(0)));
    let catalogs = Catalogs::start(Config::default(), connector.clone()).unwrap();
    drop(catalogs.get(&key("forced")).await.unwrap());
    // While the connection is still there, so that it is lost.
    admin.batch_execute("DROP DATABASE forced WITH (FORCE)").await.unwrap();
    // Longer than the first two pauses.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(connector.1.load(Ordering::Relaxed), 1, "it asks for a database that is gone");
    // The next session has it looked for again.
    assert!(catalogs.get(&key("forced")).await.is_ok(), "the last catalog is still good for a while");
    let connections = || async { connector.1.load(Ordering::Relaxed) };
    eventually(connections, |count| *count == 2).await;
}

async fn what_changed_while_nobody_looked_is_read(server: &Server) {
    let catalogs = start(server, "plain", Config::default());
    let before = catalogs.get(&key("unwatched")).await.unwrap().current().generation();
    let client = server.client("unwatched").await;
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'unwatched' AND pid <> pg_backend_pid()";
    let count = || async { client.query_one(others, &[]).await.unwrap().get::<_, i64>(0) };
    eventually(count, |count| *count == 0).await;
    client.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    let live = catalogs.get(&key("unwatched")).await.unwrap();
    assert!(live.is_unchecked() && live.current().generation() == before, "it does not wait for a look");
    let catalog = live.refresh().await.unwrap();
    assert!(catalog.generation() > before && catalog.relation_named("public", "t").is_some());
    assert!(!catalogs.get(&key("unwatched")).await.unwrap().is_unchecked(), "somebody has just looked");
    drop(live);
    // Where nothing has changed it is the same.
    eventually(count, |count| *count == 0).await;
    let live = catalogs.get(&key("unwatched")).await.unwrap();
    assert_eq!(live.refresh().await.unwrap().generation(), catalog.generation());
}

async fn a_lost_connection_is_made_again(server: &Server, admin: &Client) {
    let catalogs = start(server, "plain", Config::default());
    let live = catalogs.get(&key("lost")).await.unwrap();
    let before = live.current().generation();
    let terminated = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lost'";
    assert_eq!(admin.query(terminated, &[]).await.unwrap().len(), 1);
    server.client("lost").await.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    assert!(catalogs.get(&key("lost")).await.is_ok(), "the last catalog is still good for a while");
    let newer = eventually(|| live.refresh(), Result::is_ok).await.unwrap();
    assert!(newer.generation() > before && newer.relation_named("public", "t").is_some());
}

/// Lets nobody else into a database, or lets them in again.
async fn shut(admin: &Client, database: &str, shut: bool) {
    let limit = if shut { 0 } else { -1 };
    admin.batch_execute(&format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}")).await.unwrap();
}

async fn who_asks_does_not_wait_for_the_next_try(server: &Server, admin: &Client) {
    let catalogs = start(server, "plain", Config { stale_seconds: 0, ..Config::default() });
    let live = catalogs.get(&key("lost")).await.unwrap();
    shut(admin, "lost", true).await;
    let terminated = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lost'";
    admin.query(terminated, &[]).await.unwrap();
    let _ = eventually(|| live.refresh(), Result::is_err).await;
    // Some tries fail, so that the pauses are long.
    tokio::time::sleep(Duration::from_secs(4)).await;
    shut(admin, "lost", false).await;
    let lost = key("lost");
    let asked = tokio::join!(live.refresh(), catalogs.get(&lost));
    assert!(matches!(asked, (Ok(_), Ok(_))), "{asked:?}");
}

async fn a_database_that_is_made_anew_is_read_at_once(server: &Server, admin: &Client) {
    let catalogs = start(server, "plain", Config { stale_seconds: 0, ..Config::default() });
    let live = catalogs.get(&key("lost")).await.unwrap();
    admin.batch_execute("DROP DATABASE lost WITH (FORCE)").await.unwrap();
    let _ = eventually(|| live.refresh(), Result::is_err).await;
    drop(live);
    // Whoever asks for it now reads the server's own word.
    let gone = eventually(
        || async { catalogs.get(&key("lost")).await.err() },
        |error| error.as_ref().is_some_and(|error| error.to_string().contains("3D000")),
    );
    gone.await;
    admin.batch_execute("CREATE DATABASE lost").await.unwrap();
    let live = catalogs.get(&key("lost")).await.unwrap();
    assert!(live.current().relation_named("public", "t").is_none());
}

fn a_server_that_stays_away_refuses_new_sessions(server: &mut Server) {
    let catalogs = start(server, "plain", Config { stale_seconds: 0, ..Config::default() });
    let live = run(catalogs.get(&key("reads"))).unwrap();
    server.crash();
    run(async {
        let error = eventually(|| async { catalogs.get(&key("reads")).await.err() }, Option::is_some).await;
        assert!(matches!(error, Some(Error::Stale { .. })), "{error:?}");
        assert!(live.refresh().await.is_err());
        assert!(
            live.current().relation_named("public", "customers").is_some(),
            "who runs keeps the last one"
        );
    });
}
