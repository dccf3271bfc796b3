//! The network namespaces that are in use: whether the daemon listens in them, and which interfaces they have.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use agent_ebpf::{Namespace as Ports, maps};
use aya::maps::{HashMap as KernelMap, MapData};

use super::{
    super::{
        Config,
        abi::{Value, open_map},
        links,
        namespaces::{Errands, in_use, open},
        pins::Maps,
        sock_diag::{SockDiag, State, States},
    },
    Seen, Unseen,
    kernel::netns_cookie,
};

/// The network namespaces that are in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Whether the kernel side's list of them can be read; without it none seems to be served.
    pub list: bool,
    /// Those that could be entered.
    pub entered: Vec<Namespace>,
    /// Those that could not, and why.
    pub unentered: Vec<(String, String)>,
}

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Where it was found: a process that is in it, or a file that it is mounted at.
    pub known_by: String,
    /// Whether it is the one that this process is in.
    pub home: bool,
    /// Whether somebody listens where the kernel side leads connections to.
    pub listening: bool,
    /// Its interfaces of a kind, that is all but those of hardware and the loopback; or why they cannot be told.
    pub interfaces: Seen<Vec<Interface>>,
}

/// A network interface that is no hardware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index in its namespace.
    pub index: u32,
    /// What the kernel calls its kind, such as `veth`.
    pub kind: String,
    /// Whether packets of others enter by it, so that the program for interfaces has to stand on it.
    pub entrance: bool,
}

/// Looks into every network namespace that is in use.
///
/// # Errors
///
/// There is no thread to be had for it.
pub fn namespaces(config: &Config) -> Seen<Namespaces> {
    let ports = ports(config);
    let mut found = Namespaces { list: ports.is_some(), ..Namespaces::default() };
    let ports = Arc::new(ports.unwrap_or_default());
    let errands = Errands::start()?;
    let home = netns_cookie()?;
    for path in in_use(errands.thread()).into_values() {
        // One that is gone by now is in use no more.
        let Ok(file) = open(&path) else { continue };
        let (known_by, ports) = (name(&path), Arc::clone(&ports));
        match errands.run_blocking(&Arc::new(file), move || look(&ports)) {
            Ok(Ok((cookie, listening, interfaces))) => {
                found.entered.push(Namespace { known_by, home: cookie == home, listening, interfaces });
            }
            Ok(Err(unseen)) => found.unentered.push((known_by, unseen.why)),
            Err(error) => found.unentered.push((known_by, error.to_string())),
        }
    }
    found.entered.sort_by(|one, other| (!one.home, &one.known_by).cmp(&(!other.home, &other.known_by)));
    Ok(found)
}

/// The kernel side's list, by cookie.
fn ports(config: &Config) -> Option<HashMap<u64, Ports>> {
    let map = open_map(&Maps::in_force(&config.pin_directory), maps::NAMESPACES).ok()?;
    let map: KernelMap<MapData, u64, Value<Ports>> = map.try_into().ok()?;
    Some(map.iter().filter_map(Result::ok).map(|(cookie, Value(ports))| (cookie, ports)).collect())
}

/// In the network namespace of this thread. No socket of the internet is made: the kernel side tells the daemon of
/// each.
fn look(ports: &HashMap<u64, Ports>) -> Seen<(u64, bool, Seen<Vec<Interface>>)> {
    let cookie = netns_cookie()?;
    let port = ports.get(&cookie).filter(|ports| ports.served == 1).map(|ports| ports.port4);
    let listening = port.map(listens).transpose()?.unwrap_or(false);
    let interface = |link: links::Described| Interface {
        entrance: link.is_entrance(),
        name: link.name,
        index: link.index,
        kind: link.kind,
    };
    let interfaces = links::described().map(|all| all.into_iter().map(interface).collect());
    Ok((cookie, listening, interfaces.map_err(Into::into)))
}

fn listens(port: u16) -> Seen<bool> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let found = SockDiag::in_this_namespace()
        .and_then(|mut diag| diag.list(States::of(&[State::Listen]), |socket| socket.local == at))
        .map_err(|error| Unseen::of(&error))?;
    Ok(!found.is_empty())
}

/// In words, from a path such as `/proc/7/task/7/ns/net` or `/proc/7/root/run/netns/a`.
fn name(path: &Path) -> String {
    let told = path.display().to_string();
    let Some((process, rest)) = told.strip_prefix("/proc/").and_then(|rest| rest.split_once('/')) else {
        return told;
    };
    if let Some(mounted) = rest.strip_prefix("root/") {
        return format!("/{mounted}");
    }
    let comm = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    format!("process {process} ({})", comm.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_namespace_is_not_waited_on() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert!(open(Path::new("/proc/self/ns/net")).is_ok());
        for other in [fifo.as_path(), folder.path(), Path::new("/dev/null"), Path::new("/none")] {
            assert!(open(other).is_err(), "{}", other.display());
        }
    }

    #[test]
    fn a_namespace_is_named_by_where_it_is_mounted_or_by_a_process() {
        assert_eq!(name(Path::new("/proc/1/root/run/netns/blue")), "/run/netns/blue");
        let own = std::process::id();
        let named = name(Path::new(&format!("/proc/{own}/task/{own}/ns/net")));
        assert!(named.starts_with(&format!("process {own} (")) && !named.ends_with("()"), "{named}");
    }
}
