//! Which server a destination belongs to.

use super::*;

/// A server as `name: ADDRESS…`, space separated: `10.0.0.0/8`, `[fd00::1]`, a host name; each with `:PORT`.
fn resource(text: &str) -> Resource {
    let (name, addresses) = text.split_once(": ").unwrap();
    let (mut written, mut names) = (Vec::new(), Vec::new());
    for address in addresses.split_whitespace() {
        let (host, port) = address.rsplit_once(':').unwrap();
        let port = port.parse().unwrap();
        match host.trim_matches(['[', ']']).parse() {
            Ok(network) => written.push(Destination { network, port }),
            Err(_) => names.push((host.to_owned(), port)),
        }
    }
    Resource::new(name.to_owned(), written, names, Tls::default(), Rules::default())
}

/// Where our own connections go.
fn home(resource: &Resource) -> Option<SocketAddr> {
    resource.home(None).map(|(_, server)| server)
}

/// Servers, and what names stand for: `name=ADDRESS` now, `name<ADDRESS` until lately.
fn resources(servers: &[&str], names: &[&str]) -> Resources {
    let written = Resources::new(servers.iter().map(|text| resource(text)));
    written.renewed(|asked| stands_for(names, asked))
}

fn stands_for(names: &[&str], asked: &str) -> Vec<Address> {
    let of = |text: &&str| {
        let (name, ip) = text.split_once(['=', '<']).unwrap();
        (name == asked).then(|| Address { ip: ip.parse().unwrap(), now: text.contains('=') })
    };
    names.iter().filter_map(of).collect()
}

fn at(resources: &Resources, destination: &str) -> String {
    resources.at(destination.parse().unwrap()).map_or("nobody", |resource| &resource.name).to_owned()
}

#[test]
fn of_several_servers_of_an_address_the_most_specific_one_has_it() {
    #[track_caller]
    fn check(servers: &[&str], names: &[&str], cases: &[(&str, &str)]) {
        let resources = resources(servers, names);
        for (destination, expect) in cases {
            assert_eq!(at(&resources, destination), *expect, "{destination} of {servers:?} with {names:?}");
        }
    }
    // The smaller network, wherever it stands.
    check(
        &["all: 0.0.0.0/0:5432 [::/0]:5432", "site: 10.0.0.0/8:5432", "one: 10.1.2.3:5432 [fd00::3]:5432"],
        &[],
        &[
            ("10.1.2.3:5432", "one"),
            ("[::ffff:10.1.2.3]:5432", "one"),
            ("10.1.2.4:5432", "site"),
            ("11.0.0.1:5432", "all"),
            ("[fd00::3]:5432", "one"),
            ("[fd00::4]:5432", "all"),
            ("10.1.2.3:5433", "nobody"),
        ],
    );
    // Ports are servers of their own.
    check(
        &["a: 10.0.0.0/8:5432", "b: 10.0.0.1:6432"],
        &[],
        &[("10.0.0.1:5432", "a"), ("10.0.0.1:6432", "b"), ("10.0.0.2:6432", "nobody")],
    );
    // A name beats a network, and an address that is written a name.
    check(
        &["net: 10.0.0.0/8:5432", "name: db:5432", "written: 10.0.0.2:5432"],
        &["db=10.0.0.1", "db=10.0.0.2"],
        &[("10.0.0.1:5432", "name"), ("10.0.0.2:5432", "written"), ("10.0.0.3:5432", "net")],
    );
    // What a name has left belongs to who has it now.
    check(
        &["a: db-a:5432", "b: db-b:5432"],
        &["db-a=10.0.0.2", "db-a<10.0.0.1", "db-b=10.0.0.1", "db-b<10.0.0.3"],
        &[("10.0.0.1:5432", "b"), ("10.0.0.2:5432", "a"), ("10.0.0.3:5432", "b")],
    );
    // Where nothing else tells, the first.
    check(&["b: 10.0.0.1:5432", "a: 10.0.0.1:5432"], &[], &[("10.0.0.1:5432", "b")]);
    check(&["a: x:5432", "b: y:5432"], &["y=10.0.0.1", "x=10.0.0.1"], &[("10.0.0.1:5432", "a")]);
    // An IPv4-mapped network is as long as the IPv4 network that it is.
    check(
        &["mapped: [::ffff:10.0.0.0/104]:5432", "plain: 10.1.0.0/16:5432"],
        &[],
        &[("10.1.0.1:5432", "plain"), ("10.2.0.1:5432", "mapped")],
    );
    // A name that stands for nothing has nothing.
    check(&["a: db:5432"], &[], &[("10.0.0.1:5432", "nobody")]);
}

#[test]
fn two_servers_of_an_address_are_told_with_the_one_that_has_it() {
    let names = ["db=10.0.0.9", "gone<10.0.0.1"];
    let resources = resources(
        &[
            "net: 10.0.0.0/8:5432 10.0.0.0/8:6432",
            "one: 10.0.0.1:5432 10.0.0.0/16:5432",
            "two: db:5432 gone:5432",
        ],
        &names,
    );
    let told: Vec<String> = (resources.overlaps().iter())
        .map(|o| format!("{} ({}) before {} ({})", o.winner, o.won, o.loser, o.lost))
        .collect();
    assert_eq!(
        told,
        [
            "one (10.0.0.0/16 port 5432) before net (10.0.0.0/8 port 5432)",
            "one (10.0.0.1/32 port 5432) before net (10.0.0.0/8 port 5432)",
            "two (10.0.0.9/32 port 5432) before net (10.0.0.0/8 port 5432)",
            "two (10.0.0.9/32 port 5432) before one (10.0.0.0/16 port 5432)",
        ]
    );
}

#[test]
fn connections_of_our_own_go_where_the_name_stands_now() {
    let servers = ["a: db:5432"];
    let before = resources(&servers, &["db=10.0.0.1"]);
    let a = before.named("a").unwrap();
    assert_eq!(home(a), Some("10.0.0.1:5432".parse().unwrap()));
    a.saw(None, &Route::here(), "10.0.0.1:5432".parse().unwrap());
    let moved = before.renewed(|name| stands_for(&["db=10.0.0.2", "db<10.0.0.1"], name));
    assert_eq!(home(moved.named("a").unwrap()), Some("10.0.0.2:5432".parse().unwrap()));
    let lost = before.renewed(|name| stands_for(&["db<10.0.0.1"], name));
    assert_eq!(home(lost.named("a").unwrap()), Some("10.0.0.1:5432".parse().unwrap()));
    // Of several, the one that a session has shown, also to a picture that was made before.
    let several = before.renewed(|name| stands_for(&["db=10.0.0.1", "db=10.0.0.2"], name));
    a.saw(None, &Route::here(), "10.0.0.2:5432".parse().unwrap());
    assert_eq!(home(several.named("a").unwrap()), Some("10.0.0.2:5432".parse().unwrap()));
}

#[test]
fn a_network_is_no_place_to_go_until_a_session_has_shown_one() {
    let all = resources(&["a: 10.0.0.0/8:5432"], &[]);
    let a = all.named("a").unwrap();
    assert_eq!(home(a), None);
    a.saw(None, &Route::here(), "10.1.1.1:5432".parse().unwrap());
    assert_eq!(home(a), Some("10.1.1.1:5432".parse().unwrap()));
    let read_again = resources(&["a: 10.0.0.0/8:5432"], &[]);
    assert_eq!(home(read_again.named("a").unwrap()), None);
    assert_eq!(home(read_again.after(&all).named("a").unwrap()), Some("10.1.1.1:5432".parse().unwrap()));
}

#[test]
fn what_is_at_a_loopback_address_of_another_network_namespace_is_known_by_that_namespace() {
    let all = resources(&["a: 127.0.0.1:5432 10.0.0.1:5432"], &[]);
    let a = all.named("a").unwrap();
    let [loopback, other] = ["127.0.0.1:5432", "10.0.0.1:5432"].map(|at| at.parse().unwrap());
    let container = Route::through(7);
    assert_eq!(a.known_by(&Route::here(), loopback), None);
    assert_eq!(a.known_by(&container, loopback), Some(7));
    assert_eq!(a.known_by(&container, other), None);
    // Where the workload may be whoever it likes, the daemon does not go by itself.
    a.saw(None, &container, other);
    assert_eq!(a.home(None).map(|(route, at)| (route.netns(), at)), Some((None, other)));
    assert_eq!(a.home(Some(7)).map(|(_, at)| at), None);
    a.saw(Some(7), &container, loopback);
    assert_eq!(a.home(Some(7)).map(|(route, at)| (route.netns(), at)), Some((Some(7), loopback)));
    assert_eq!(a.home(None).map(|(_, at)| at), Some(other));
    // As soon as it is gone, so is what was known.
    drop(container);
    assert_eq!(a.home(Some(7)).map(|(_, at)| at), None);
    // Where the daemon cannot reach it, there is no other way.
    a.cannot_be_reached();
    assert_eq!(a.known_by(&Route::through(8), other), Some(8));
    assert_eq!(a.known_by(&Route::here(), other), None);
}

#[test]
fn an_address_is_used_as_long_as_a_session_to_it_lives() {
    let before = resources(&["a: db:5432 10.0.0.1:6432", "b: 10.0.0.1:7432"], &["db=10.0.0.1"]);
    let ip: IpAddr = "10.0.0.1".parse().unwrap();
    let [a, b] = ["a", "b"].map(|name| before.named(name).unwrap());
    // To other ports of the address, which the name has nothing to do with.
    let _others = [a.used(SocketAddr::new(ip, 6432)), b.used(SocketAddr::new(ip, 7432))];
    assert!(!before.uses("db", ip));
    let sessions = [5432, 5432].map(|port| a.used(SocketAddr::new(ip, port)));
    let moved = before.renewed(|name| stands_for(&["db=10.0.0.2", "db<10.0.0.1"], name));
    assert!(moved.uses("db", ip) && !moved.uses("db", "10.0.0.2".parse().unwrap()));
    let [first, second] = sessions;
    drop(first);
    assert!(moved.uses("db", ip));
    drop(second);
    assert!(!moved.uses("db", ip) && !before.uses("db", ip));
}
