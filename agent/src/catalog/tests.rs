//! Keepers with connectors that fail, and with a real PostgreSQL where there is one.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

mod changes;
mod code;
mod depend;
mod postgres;
mod real;
mod unseen;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn key(database: &str) -> Key {
    Key { resource: "shop".into(), database: database.into(), netns: None }
}

/// A connector that never succeeds, and counts.
struct Refuses(AtomicUsize);

impl Connect for Refuses {
    fn connect<'a>(&'a self, _: &'a Key, _: Way) -> Connecting<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused)) as _) })
    }
}

#[test]
fn a_catalog_that_cannot_be_had_is_an_error_and_the_next_session_tries_again() {
    let connector = Arc::new(Refuses(AtomicUsize::new(0)));
    let catalogs = Catalogs::start(Config::default(), connector.clone()).unwrap();
    for tries in 1..=3 {
        let error = run(catalogs.get(&key("d"))).unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error}");
        assert!(error.to_string().contains("shop/d"), "{error}");
        assert_eq!(connector.0.load(Ordering::Relaxed), tries);
    }
}

/// A connector whose server never says a word.
struct Silent;

impl Connect for Silent {
    fn connect<'a>(&'a self, _: &'a Key, _: Way) -> Connecting<'a> {
        Box::pin(async {
            let (stream, other) = tokio::io::duplex(64);
            std::mem::forget(other);
            Ok(Connected { stream: Box::new(stream), role: "r".into(), database: "d".into() })
        })
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let config = Config { connect_seconds: 0, ..Config::default() };
    let catalogs = Catalogs::start(config, Arc::new(Silent)).unwrap();
    let error = run(catalogs.get(&key("d"))).unwrap_err();
    assert!(matches!(error, Error::Slow { doing: "connecting", .. }), "{error}");
}

#[test]
fn a_job_cannot_make_more_databases_known_than_configured() {
    let config = Config { databases: 0, ..Config::default() };
    let catalogs = Catalogs::start(config, Arc::new(Silent)).unwrap();
    assert!(matches!(run(catalogs.get(&key("d"))), Err(Error::TooMany { limit: 0 })));
}

#[test]
fn the_configuration_has_defaults_and_no_unknown_keys() {
    let read = |text| serde_saphyr::from_str::<Config>(text);
    assert_eq!(read("{}").unwrap(), Config::default());
    assert_eq!(read("check_seconds: 3").unwrap().check_seconds, 3);
    assert!(read("check_second: 3").is_err());
}
