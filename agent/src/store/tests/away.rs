//! A store that is not there.

use super::*;

/// Refuses every connection.
struct Refuses;

impl Connect for Refuses {
    fn connect<'a>(&'a self, _: &'a Address) -> Connecting<'a> {
        Box::pin(async { Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()) })
    }
}

fn start(connector: impl Connect + 'static, memory: &Memory, own: Own) -> Forwarder {
    let config: Config<()> = Config {
        timeout_seconds: 1,
        ..Config::new("postgresql://agent@store.example/audit".parse().unwrap())
    };
    Forwarder::start(config, own, Arc::new(connector), Box::new(memory.clone())).unwrap()
}

#[test]
fn records_wait_and_what_is_left_at_the_end_is_told() {
    let mut host = Host::new(1, 1);
    host.statement(1, 0, "select 1");
    let memory = Memory::of(&[&host]);
    let forwarder = start(Refuses, &memory, host.own());
    let status = eventually(|| forwarder.status(), |status| status.failures >= 2);
    assert!(!status.connected && status.last_error.unwrap().contains("refused"));
    let begun = Instant::now();
    let left = run(forwarder.drain(Duration::from_millis(300)));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!((left.shipped, left.backlog.records), (0, 3));
}

/// Accepts and never says a word.
struct Silent;

impl Connect for Silent {
    fn connect<'a>(&'a self, _: &'a Address) -> Connecting<'a> {
        Box::pin(async {
            let (stream, other) = tokio::io::duplex(64);
            std::mem::forget(other);
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

#[test]
fn a_store_that_says_nothing_is_given_up_and_tried_again() {
    let host = Host::new(1, 1);
    let memory = Memory::of(&[&host]);
    let forwarder = start(Silent, &memory, host.own());
    let status = eventually(|| forwarder.status(), |status| status.failures >= 1);
    assert!(status.last_error.unwrap().contains("did not answer within 1 s"));
    assert_eq!(run(forwarder.drain(Duration::ZERO)).backlog.records, 1);
}
