//! What a name stands for, as answers come and time passes.

use super::*;

const KEEP: Duration = Duration::from_secs(300);

struct Story {
    book: Book,
    begin: Instant,
    at: Duration,
}

impl Story {
    fn new() -> Self {
        let mut book = Book::default();
        book.add("db", Addresses::new());
        Story { book, begin: Instant::now(), at: Duration::ZERO }
    }

    fn now(&self) -> Instant {
        self.begin + self.at
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.at += Duration::from_secs(seconds);
        self
    }

    /// The resolver answers with these, space separated; with none it fails.
    fn answers(&mut self, addresses: &str) -> &mut Self {
        let found = ips(addresses);
        let answer = if found.is_empty() { Err("no such name".to_owned()) } else { Ok(found) };
        self.book.answer("db", answer, self.now());
        self
    }

    /// Looks for what can go, while these are used.
    fn uses(&mut self, addresses: &str) -> &mut Self {
        let used = ips(addresses);
        self.book.let_go(KEEP, self.now(), |name, ip| name == "db" && used.contains(&ip));
        self
    }

    /// What it stands for, and after a bar what it is kept for.
    #[track_caller]
    fn stands_for(&mut self, expect: &str) -> &mut Self {
        let of = |now| {
            let those = self.book.addresses("db").into_iter().filter(|address| address.now == now);
            those.map(|address| address.ip.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(format!("{} | {}", of(true), of(false)).trim(), expect);
        self
    }

    #[track_caller]
    fn tells(&mut self, expect: &[News]) -> &mut Self {
        assert_eq!(self.book.news(), expect);
        self
    }
}

fn ips(addresses: &str) -> BTreeSet<IpAddr> {
    addresses.split_whitespace().map(|address| address.parse().unwrap()).collect()
}

fn found(now: &str, kept: &str) -> News {
    let all = |addresses| ips(addresses).into_iter().collect();
    News::Found { name: "db".to_owned(), now: all(now), kept: all(kept) }
}

fn gone(address: &str) -> News {
    News::Gone { name: "db".to_owned(), address: address.parse().unwrap() }
}

#[test]
fn an_address_that_the_name_has_left_is_kept_for_its_time_and_then_goes() {
    Story::new()
        .answers("10.0.0.1")
        .tells(&[found("10.0.0.1", "")])
        .after(10)
        .answers("10.0.0.2")
        .tells(&[found("10.0.0.2", "10.0.0.1")])
        .after(299)
        .uses("")
        .stands_for("10.0.0.2 | 10.0.0.1")
        .after(1)
        .uses("")
        .stands_for("10.0.0.2 |")
        .tells(&[gone("10.0.0.1")]);
}

#[test]
fn an_address_that_is_used_stays_for_as_long_as_it_is() {
    Story::new()
        .answers("10.0.0.1")
        .answers("10.0.0.2")
        .after(100_000)
        .uses("10.0.0.1")
        .stands_for("10.0.0.2 | 10.0.0.1")
        .uses("")
        .stands_for("10.0.0.2 |");
}

#[test]
fn an_address_that_comes_back_was_never_gone_and_its_time_begins_anew() {
    Story::new()
        .answers("10.0.0.1 10.0.0.2")
        .tells(&[found("10.0.0.1 10.0.0.2", "")])
        .answers("10.0.0.2")
        .after(200)
        .answers("10.0.0.1")
        .stands_for("10.0.0.1 | 10.0.0.2")
        .tells(&[])
        .after(10)
        .answers("10.0.0.2")
        .after(290)
        .uses("")
        .stands_for("10.0.0.2 | 10.0.0.1");
}

#[test]
fn a_failure_removes_nothing_and_is_told_once_with_its_first_moment() {
    let mut story = Story::new();
    story.answers("10.0.0.1").tells(&[found("10.0.0.1", "")]);
    story.after(10).answers("").after(1000).answers("").uses("").stands_for("10.0.0.1 |");
    story.tells(&[News::Failing { name: "db".to_owned(), error: "no such name".to_owned() }]);
    let status = story.book.status("db", story.now()).unwrap();
    assert_eq!(status.failing, Some(("no such name".to_owned(), Duration::from_secs(1000))));
    assert_eq!(status.answered, Some(Duration::from_secs(1010)));
    story.answers("10.0.0.1").tells(&[News::Recovered { name: "db".to_owned() }]);
    assert_eq!(story.book.status("db", story.now()).unwrap().failing, None);
}

#[test]
fn a_failure_does_not_stop_the_time_of_what_was_left_before() {
    Story::new()
        .answers("10.0.0.1")
        .answers("10.0.0.2")
        .after(299)
        .answers("")
        .after(1)
        .uses("")
        .stands_for("10.0.0.2 |");
}

#[test]
fn what_was_remembered_holds_until_the_first_answer_which_is_always_told() {
    let mut story = Story::new();
    story.book.add("db", Addresses::from([("10.0.0.1".parse().unwrap(), None)]));
    assert!(!story.book.is_settled());
    story.answers("").stands_for("10.0.0.1 |");
    assert!(story.book.is_settled());
    story.book.news();
    story.answers("10.0.0.1");
    story.tells(&[News::Recovered { name: "db".to_owned() }, found("10.0.0.1", "")]);
}

#[test]
fn of_a_name_that_is_another_each_time_the_longest_gone_make_room() {
    let mut story = Story::new();
    for last in 0..=99 {
        story.after(1).answers(&format!("10.0.0.{last}"));
    }
    story.uses("10.0.0.7").book.news();
    let kept: Vec<IpAddr> =
        story.book.addresses("db").into_iter().filter(|address| !address.now).map(|a| a.ip).collect();
    assert_eq!(kept.len(), MOST_KEPT + 1, "and the one that is used");
    assert!(kept.contains(&"10.0.0.7".parse().unwrap()) && kept.contains(&"10.0.0.98".parse().unwrap()));
    assert!(!kept.contains(&"10.0.0.0".parse().unwrap()), "{kept:?}");
}

#[test]
fn the_generation_moves_with_the_addresses_and_with_nothing_else() {
    let mut story = Story::new();
    let mut last = story.book.generation();
    for (answer, moves) in
        [("10.0.0.1", true), ("10.0.0.1", false), ("", false), ("10.0.0.2", true), ("10.0.0.1", true)]
    {
        story.answers(answer);
        assert_eq!(story.book.generation() != last, moves, "{answer}");
        last = story.book.generation();
    }
    story.uses("");
    assert_eq!(story.book.generation(), last, "nothing was old enough");
    story.after(300).uses("");
    assert_ne!(story.book.generation(), last);
}
