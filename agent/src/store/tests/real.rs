//! Shipping into a real PostgreSQL.

use evidence::verify::Verifier;

use super::postgres::{Server, Sockets};
use super::roles::agents_ship_and_nothing_else_and_auditors_read_and_nothing_else;
use super::versions::a_store_of_an_earlier_version_is_brought_up_to_date;
use super::*;

fn forwarder(server: &Server, user: &str, own: Own, memory: &Memory, records: usize) -> Forwarder {
    let config: Config<()> =
        Config { batch_records: records, interval_ms: 10, ..Config::new(server.address(user, "store")) };
    Forwarder::start(config, own, Arc::new(Sockets), Box::new(memory.clone())).unwrap()
}

fn ship(server: &Server, own: Own, memory: &Memory, records: usize) -> Status {
    let forwarder = forwarder(server, "agent_1", own, memory, records);
    run(forwarder.drain(Duration::from_secs(60)))
}

/// What an auditor finds: the rows, and what a verification says of them.
fn audit(server: &Server) -> (Vec<Row>, Vec<String>) {
    run(async {
        let mut reader = Reader::open(&Sockets, &server.address("auditor_1", "store")).await.unwrap();
        let (mut rows, mut verifier) = (Vec::new(), Verifier::new());
        let mut keys = Vec::new();
        reader
            .read_to_verify(&mut |boot| keys.extend(boot.public_key), &mut |_, row| {
                verifier.record(&row.header, Some(&row.body));
                rows.push(row);
            })
            .await
            .unwrap();
        keys.into_iter().for_each(|key| verifier.trust(key));
        let problems = verifier.finish().problems.iter().map(ToString::to_string).collect();
        (rows, problems)
    })
}

fn rows(server: &Server) -> i64 {
    server.number("store", "SELECT count(*) FROM portreeve.record")
}

#[test]
fn against_a_real_server() {
    let Some(mut server) = Server::start() else { return };
    server.execute("postgres", "CREATE DATABASE store");
    a_store_is_asked_for_where_there_is_none(&server);
    init_can_be_run_again(&server);
    agents_ship_and_nothing_else_and_auditors_read_and_nothing_else(&server, "store");
    let mut host = Host::new(1, 2);
    what_is_shipped_twice_is_there_once(&server, &mut host);
    what_an_auditor_reads_is_what_was_written(&server, &host);
    a_store_that_comes_back_gets_what_has_gathered(&mut server, &mut host);
    another_record_in_a_records_place_is_kept_and_told(&server, &host);
    another_agents_boot_is_refused_and_keeps_nothing_back(&server, &host);
    a_column_that_was_changed_is_told(&server);
    texts_that_postgresql_cannot_hold_keep_no_record_back(&server);
    many_records_arrive_soon(&server);
    a_store_of_an_earlier_version_is_brought_up_to_date(&server);
}

fn a_store_is_asked_for_where_there_is_none(server: &Server) {
    let host = Host::new(9, 1);
    server.execute("postgres", "CREATE ROLE agent_1 LOGIN; CREATE ROLE nobody_1 LOGIN");
    let memory = Memory::of(&[&host]);
    let forwarder = forwarder(server, "agent_1", host.own(), &memory, 10);
    let status = run(forwarder.drain(Duration::from_millis(300)));
    assert!(status.last_error.as_deref().unwrap().contains("portreeve store init"), "{status:?}");
    assert_eq!((status.connected, status.backlog.records), (false, 1));
}

fn init_can_be_run_again(server: &Server) {
    // By an administrator who is no superuser, in a database of its own, before there are any roles.
    let administrator = |name: &str, database: &str| {
        server.execute("postgres", &format!("CREATE ROLE {name} LOGIN CREATEROLE"));
        server.execute("postgres", &format!("CREATE DATABASE {database} OWNER {name}"));
        server.address(name, database)
    };
    run(init(&Sockets, &administrator("admin_1", "other"))).unwrap();
    let address = server.address("postgres", "store");
    assert_eq!(run(init(&Sockets, &address)).unwrap(), Initialized { before: 0, now: 2 });
    assert_eq!(run(init(&Sockets, &address)).unwrap(), Initialized { before: 2, now: 2 });
    server.execute(
        "store",
        "GRANT portreeve_agent TO agent_1; CREATE ROLE agent_2 LOGIN IN ROLE portreeve_agent;
         CREATE ROLE auditor_1 LOGIN IN ROLE portreeve_auditor",
    );
    // By another one, whom the first has to let act as the owner, since version 16.
    let address = administrator("admin_2", "another");
    if server.number("postgres", "SELECT current_setting('server_version_num')::int8") >= 160_000 {
        let refused = run(init(&Sockets, &address)).unwrap_err().to_string();
        assert!(refused.contains("say GRANT portreeve_owner TO admin_2"), "{refused}");
        server.execute("postgres", "GRANT portreeve_owner TO admin_2");
    }
    run(init(&Sockets, &address)).unwrap();
    let refused = run(init(&Sockets, &server.address("nobody_1", "store"))).unwrap_err().to_string();
    assert!(refused.contains("42501"), "{refused}");
}

fn what_is_shipped_twice_is_there_once(server: &Server, host: &mut Host) {
    (0..10).for_each(|at| host.statement(1 + (at % 2) as u32, at * 2, "select 'ä', id from customers"));
    host.beat();
    host.end(2, 20);
    let records = host.records.len() as u64;
    let memory = Memory::of(&[host]);
    // Batches of all sizes: their ends fall on each place.
    let status = ship(server, host.own(), &memory, 3);
    assert_eq!((status.shipped, status.backlog, status.conflicts), (records, Backlog::default(), 0));
    assert_eq!(rows(server), records as i64);
    assert_eq!(memory.disk().told.values().sum::<u64>(), records);
    // The store says that it has everything.
    assert_eq!(ship(server, host.own(), &memory, 100).shipped, 0);
    // An agent that did not hear the answer ships again.
    let again = run(async {
        let connector: Arc<dyn Connect> = Arc::new(Sockets);
        let address = server.address("agent_1", "store");
        let mut ingest =
            ingest::Ingest::open(&connector, &address, host.own(), Duration::from_secs(30)).await.unwrap();
        ingest.ship(&host.records).await.unwrap()
    });
    assert_eq!((again.len(), rows(server)), (0, records as i64));
}

fn what_an_auditor_reads_is_what_was_written(server: &Server, host: &Host) {
    let (rows, problems) = audit(server);
    assert_eq!(problems, Vec::<String>::new());
    let mut expect: Vec<&Record> = host.records.iter().collect();
    expect.sort_by_key(|record| (record.header.lane, record.header.sequence));
    assert_eq!(rows.len(), expect.len());
    for (row, record) in rows.iter().zip(expect) {
        assert_eq!((&row.header, &row.body), (&record.header_bytes, &record.body_bytes));
        assert!(row.columns_agree, "{:?}", record.header);
    }
    let by_relation = "SELECT count(*) FROM portreeve.record WHERE relations @> '{public.customers}'";
    assert_eq!(server.number("store", by_relation), 10);
    let statements = "SELECT count(*) FROM portreeve.statement
                      WHERE query = 'select ''ä'', id from customers' AND rule = 'read' AND rows = 2 AND tag = 'SELECT 2'";
    assert_eq!(server.number("store", statements), 10);
    let mut of_session = 0;
    run(async {
        let mut reader = Reader::open(&Sockets, &server.address("auditor_1", "store")).await.unwrap();
        let take: &mut dyn FnMut(Row) -> Result<(), Error> = &mut |_| {
            of_session += 1;
            Ok(())
        };
        reader.read(Some(SESSION), take).await.unwrap();
    });
    assert_eq!(of_session, 21);
}

fn a_store_that_comes_back_gets_what_has_gathered(server: &mut Server, host: &mut Host) {
    let before = rows(server);
    let memory = Memory::of(&[host]);
    let forwarder = forwarder(server, "agent_1", host.own(), &memory, 7);
    eventually(|| forwarder.status(), |status| status.connected);
    server.crash();
    let from = host.records.len();
    (0..10).for_each(|at| host.statement(1, 100 + at * 2, "select 2"));
    host.beat();
    memory.add(&host.records[from..]);
    let away = eventually(|| forwarder.status(), |status| !status.connected && status.backlog.records == 21);
    assert!(away.last_error.is_some() && away.failures > 0);
    server.up();
    let back = eventually(|| forwarder.status(), |status| status.connected && status.backlog.records == 0);
    assert_eq!((back.shipped, back.last_error), (21, None));
    assert_eq!(rows(server), before + 21);
    assert_eq!(audit(server).1, Vec::<String>::new());
    let stopped = run(forwarder.drain(Duration::from_secs(60)));
    assert_eq!(stopped.backlog, Backlog::default());
}

fn another_record_in_a_records_place_is_kept_and_told(server: &Server, host: &Host) {
    // The host's history was written anew: the same place, another record.
    let mut forged = Host::new(1, 2);
    forged.boot = host.boot;
    forged.lanes = (0..=2).map(|lane| Lane::new(host.boot, lane, Arc::clone(&forged.signer))).collect();
    forged.statement(1, 0, "select 'forged'");
    let forged = &forged.records[1..];
    let taken = run(async {
        let connector: Arc<dyn Connect> = Arc::new(Sockets);
        let address = server.address("agent_1", "store");
        let mut ingest =
            ingest::Ingest::open(&connector, &address, host.own(), Duration::from_secs(30)).await.unwrap();
        ingest.ship(forged).await.unwrap()
    });
    assert_eq!(taken, [(1, 0), (1, 1)]);
    assert_eq!(server.number("store", "SELECT count(*) FROM portreeve.conflict"), 2);
    let (_, problems) = audit(server);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("lane 1, record 0") && problems[0].contains("inserted"), "{problems:?}");
    server.execute("store", "DELETE FROM portreeve.conflict");
}

fn another_agents_boot_is_refused_and_keeps_nothing_back(server: &Server, host: &Host) {
    let before = rows(server);
    let other = Host::new(2, 1);
    // As from a folder that was copied: the first one's records, and records of its own.
    let memory = Memory::of(&[host, &other]);
    let forwarder = forwarder(server, "agent_2", other.own(), &memory, 10);
    let status = run(forwarder.drain(Duration::from_secs(60)));
    assert_eq!(status.shipped, 1);
    assert!(status.refused[&host.boot].contains("belongs to the agent agent_1"), "{status:?}");
    assert_eq!(status.backlog.records, host.records.len() as u64);
    assert_eq!(rows(server), before + 1);
    // One whose first segment was made anew, with another key.
    let mut replaced = Host::new(3, 1);
    let key = replaced.key();
    ship(server, replaced.own(), &Memory::of(&[&replaced]), 10);
    replaced.signer = Arc::new(Signer::from_seed([33; 32]).unwrap());
    replaced.statement(1, 0, "select 1");
    assert_ne!(replaced.key(), key);
    let status = ship(server, replaced.own(), &Memory::of(&[&replaced]), 10);
    assert!(status.refused[&replaced.boot].contains("another public key"), "{status:?}");
}

fn a_column_that_was_changed_is_told(server: &Server) {
    server.execute("store", "UPDATE portreeve.record SET decision = 'deny' WHERE session_sequence = 4");
    let (rows, problems) = audit(server);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(rows.iter().filter(|row| !row.columns_agree).count(), 1);
    server.execute("store", "UPDATE portreeve.record SET decision = 'allow' WHERE session_sequence = 4");
    assert!(audit(server).0.iter().all(|row| row.columns_agree));
}

fn texts_that_postgresql_cannot_hold_keep_no_record_back(server: &Server) {
    let mut host = Host::new(4, 1);
    let long = "ä".repeat(5000);
    let texts: [&[u8]; 4] = [b"select '\0'", b"select '\xff\xfe'", &[b'x'; 100_000], long.as_bytes()];
    for (at, text) in (0..).zip(texts) {
        let decision = Decision {
            ruling: Ruling::Deny,
            rule: "no\0ne".into(),
            findings: vec![].into(),
            relations: (0..300)
                .map(|n| format!("{n}{}", "n".repeat(10_000)).into())
                .collect::<Vec<_>>()
                .into(),
            policy: None,
            would: None,
        };
        let statement =
            Statement { text: text.into(), decision: Some(decision), ..Statement::new(Protocol::Simple) };
        host.add(1, Some((SessionId([4; 16]), at)), &Body::Statement(statement));
    }
    let end = StatementEnd { rows: u64::MAX, duration_us: u64::MAX, ..StatementEnd::default() };
    host.add(1, Some((SessionId([4; 16]), 4)), &Body::StatementEnd(end));
    host.add(1, None, &Body::Other(9999, b"later"));
    let status = ship(server, host.own(), &Memory::of(&[&host]), 100);
    assert_eq!((status.shipped, status.refused.len()), (host.records.len() as u64, 0), "{status:?}");
    let (rows, problems) = audit(server);
    assert_eq!(problems, Vec::<String>::new());
    assert!(rows.iter().all(|row| row.columns_agree));
    assert_eq!(host.records.last().unwrap().header.kind, Kind::Other(9999));
}

fn many_records_arrive_soon(server: &Server) {
    let mut host = Host::new(5, 2);
    (0..20_000).for_each(|at| {
        host.statement(1 + (at % 2) as u32, at * 2, "select id, name from customers where id = 5")
    });
    host.beat();
    let memory = Memory::of(&[&host]);
    let begun = Instant::now();
    let status = ship(server, host.own(), &memory, 2000);
    let took = begun.elapsed();
    assert_eq!(status.backlog.records, 0);
    let rate = host.records.len() as f64 / took.as_secs_f64();
    std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("\nshipped {} records in {took:?}: {rate:.0} records/s\n", host.records.len()).as_bytes(),
    )
    .unwrap();
}
