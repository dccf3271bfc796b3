//! Names are followed, by a clock that stands still until somebody waits for it.

use std::io;
use std::path::Path;

use super::*;

/// Answers as it is told to: addresses, an error where there are none, or nothing at all.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    answers: BTreeMap<String, Option<&'static str>>,
    /// How often, and how many wait for their answer.
    count: usize,
    waiting: usize,
}

impl Told {
    fn say(&self, name: &str, answer: Option<&'static str>) {
        lock(&self.0).answers.insert(name.to_owned(), answer);
    }

    fn asked(&self) -> (usize, usize) {
        let asked = lock(&self.0);
        (asked.count, asked.waiting)
    }
}

impl Resolve for Told {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let answer = {
                let mut asked = lock(&self.0);
                asked.count += 1;
                asked.waiting += 1;
                asked.answers.get(name).copied().flatten()
            };
            let Some(answer) = answer else { return std::future::pending().await };
            lock(&self.0).waiting -= 1;
            let found: BTreeSet<IpAddr> = answer.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
            if found.is_empty() { Err(io::Error::other("no such name")) } else { Ok(found) }
        })
    }
}

fn names(resolver: &Told, folder: &Path) -> Names {
    let config = Config { file: folder.join("names.json"), ..Config::default() };
    Names::new(&config, resolver.clone())
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn stands_for(names: &Names, name: &str) -> String {
    let now = names.addresses(name).into_iter().filter(|address| address.now);
    now.map(|address| address.ip.to_string()).collect::<Vec<_>>().join(" ")
}

/// Lets time pass. A little more than said: for what is due at that very moment.
async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds) + Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_again_and_what_it_stands_for_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = Told::default();
    resolver.say("db", Some("10.0.0.1"));
    let names = names(&resolver, folder.path());
    names.follow(&set(&["db"]));
    names.settled().await;
    assert_eq!(stands_for(&names, "db"), "10.0.0.1");
    resolver.say("db", Some("10.0.0.2 fd00::2"));
    pass(9).await;
    assert_eq!((stands_for(&names, "db").as_str(), resolver.asked().0), ("10.0.0.1", 1));
    pass(1).await;
    assert_eq!((stands_for(&names, "db").as_str(), resolver.asked().0), ("10.0.0.2 fd00::2", 2));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_fails_is_settled_and_tried_again_soon() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = Told::default();
    resolver.say("db", Some(""));
    let names = names(&resolver, folder.path());
    names.follow(&set(&["db"]));
    names.settled().await;
    let status = names.status("db").unwrap();
    assert_eq!((status.now.len(), status.failing.unwrap().0.as_str()), (0, "no such name"));
    resolver.say("db", Some("10.0.0.1"));
    pass(2).await;
    assert_eq!(stands_for(&names, "db"), "10.0.0.1");
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_hangs_is_told_and_not_asked_twice() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = Told::default();
    let names = names(&resolver, folder.path());
    names.follow(&set(&["db"]));
    let begin = tokio::time::Instant::now();
    names.settled().await;
    assert_eq!(begin.elapsed(), PATIENCE);
    assert_eq!(names.status("db").unwrap().failing.unwrap().0, "no answer within 5 s");
    pass(3600).await;
    assert_eq!(resolver.asked(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_names_that_hang_hold_few_threads_and_the_start_only_so_long() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = Told::default();
    let names = names(&resolver, folder.path());
    let all: BTreeSet<String> = (0..100).map(|number| format!("db{number}")).collect();
    names.follow(&all);
    let begin = tokio::time::Instant::now();
    names.settled().await;
    assert_eq!((begin.elapsed(), resolver.asked()), (PATIENCE * 2, (AT_ONCE, AT_ONCE)));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_no_longer_followed_is_neither_known_nor_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = Told::default();
    resolver.say("db", Some("10.0.0.1"));
    resolver.say("other", Some("10.0.0.2"));
    let names = names(&resolver, folder.path());
    names.follow(&set(&["db", "other"]));
    // Following what is followed already changes nothing.
    names.follow(&set(&["other"]));
    names.settled().await;
    names.retain(&set(&["other"]));
    assert_eq!((stands_for(&names, "db"), names.status("db")), (String::new(), None));
    let (before, _) = resolver.asked();
    pass(10).await;
    assert_eq!(resolver.asked().0 - before, 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_one_begins_with_what_the_last_one_knew() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = Told::default();
    resolver.say("db", Some("10.0.0.1"));
    let first = names(&resolver, folder.path());
    first.follow(&set(&["db"]));
    first.settled().await;
    resolver.say("db", Some("10.0.0.2"));
    pass(10).await;
    drop(first);

    resolver.say("db", Some(""));
    let next = names(&resolver, folder.path());
    next.follow(&set(&["db"]));
    next.settled().await;
    assert_eq!(stands_for(&next, "db"), "10.0.0.2");
    assert!(next.status("db").unwrap().failing.is_some());
    let kept: Vec<IpAddr> = next.status("db").unwrap().kept.into_iter().map(|(ip, _)| ip).collect();
    assert_eq!(kept, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    next.let_go(|_, _| false);
    pass(300).await;
    next.let_go(|_, _| false);
    assert_eq!(next.addresses("db").len(), 1);
}

#[tokio::test]
async fn the_system_knows_itself_and_not_what_cannot_be() {
    let found = System.resolve("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    // Longer than a name can be: refused before anybody is asked.
    assert!(System.resolve(&"x".repeat(300)).await.is_err());
}
