//! A store that an earlier Portreeve has made, with its records.

use std::borrow::Cow;

use evidence::{Incident, SessionStart};
use policy::{Ancestor, Principal};

use super::postgres::{Server, Sockets};
use super::*;

/// A host with a session and an incident of one job.
fn host(number: u8) -> Host {
    let mut host = Host::new(number, 1);
    let ancestor = |comm: &str| Ancestor { comm: comm.into(), ..Ancestor::default() };
    let principal = Principal {
        uid: 1000,
        user: Some("ci".into()),
        executable: Some("/usr/bin/psql".into()),
        executable_sha256: Some([0xab; 32]),
        container: Some("web".into()),
        ancestors: vec![ancestor("sh"), ancestor("agent")],
        ..Principal::default()
    };
    let start = SessionStart {
        principal: Cow::Borrowed(&principal),
        source: None,
        destination: "10.0.0.5:5432".parse().unwrap(),
        resource: "shop".into(),
        database: "shop".into(),
        role: "shop_ro".into(),
        policy: Digest::of(b"policy"),
        startup_user: Cow::default(),
        startup_database: Cow::default(),
        application_name: Cow::default(),
    };
    host.add(1, Some((SessionId([number; 16]), 0)), &Body::SessionStart(Box::new(start)));
    let incident = Incident::new("opened-elsewhere", "on port 6543").by(&principal);
    host.add(0, None, &Body::Incident(incident.towards("10.0.0.5:6543".parse().unwrap())));
    host.beat();
    host
}

pub(super) fn a_store_of_an_earlier_version_is_brought_up_to_date(server: &Server) {
    server.execute("postgres", "CREATE DATABASE old");
    let (roles, first) = (include_str!("../schema/roles.sql"), include_str!("../schema/1.sql"));
    let version = "INSERT INTO portreeve.schema_version (version) VALUES (1)";
    server.execute("old", &format!("BEGIN; {roles}; {first}; {version}; COMMIT"));
    let ship = |host: &Host| {
        run(async {
            let connector: Arc<dyn Connect> = Arc::new(Sockets);
            let address = server.address("agent_1", "old");
            let patience = Duration::from_secs(30);
            let mut ingest = ingest::Ingest::open(&connector, &address, host.own(), patience).await.unwrap();
            ingest.ship(&host.records).await.unwrap()
        })
    };
    let (before, after) = (host(11), host(12));
    ship(&before);
    let address = server.address("postgres", "old");
    assert_eq!(run(init(&Sockets, &address)).unwrap(), Initialized { before: 1, now: 2 });
    ship(&after);
    // Again, as from a host that did not hear the answer.
    ship(&before);
    let mut agree = Vec::new();
    run(async {
        let mut reader = Reader::open(&Sockets, &server.address("auditor_1", "old")).await.unwrap();
        reader.read_to_verify(&mut |_| (), &mut |_, row| agree.push(row.columns_agree)).await.unwrap();
    });
    assert_eq!(agree, [true; 8]);
    what_is_new_can_be_asked_for(server, &after);
}

fn what_is_new_can_be_asked_for(server: &Server, host: &Host) {
    let boot = host.boot;
    let whole = format!(
        "uid = 1000 AND username = 'ci' AND executable_sha256 = repeat('ab', 32) AND container = 'web'
         AND ancestors = '{{sh,agent}}' AND host = 'ci-1' AND boot = '{boot}'"
    );
    for (view, condition) in [
        ("session", "destination = '10.0.0.5:5432' AND resource = 'shop'"),
        ("incident", "destination = '10.0.0.5:6543' AND reason = 'opened-elsewhere: on port 6543'"),
    ] {
        let count = |condition: &str| {
            let query = format!("SELECT count(*) FROM portreeve.{view} WHERE {condition}");
            run(async {
                let auditor = server.log_in("auditor_1", "old").await.unwrap();
                auditor.query_one(&query, &[]).await.unwrap().get::<_, i64>(0)
            })
        };
        assert_eq!(count(&format!("{whole} AND {condition}")), 1, "{view}");
        assert_eq!(count("container IS NULL"), 1, "{view}, of the version before");
    }
}
