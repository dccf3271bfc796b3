//! Which network namespaces there are, and in which of them the daemon listens.

use super::finding::{Area, Finding, counted, short_list};
use super::stage::Stage;
use crate::intercept::inspect::{Namespace, Namespaces, Seen};

/// What the network namespaces come to.
pub(super) fn judge(namespaces: &Seen<Namespaces>, stage: &Stage) -> Vec<Finding> {
    let namespaces = match namespaces {
        Ok(namespaces) => namespaces,
        Err(unseen) => return vec![stage.unseen(Area::Namespaces, "served", "network namespaces", unseen)],
    };
    let all = namespaces.entered.len();
    let hidden =
        |all| format!("in which of {} the daemon listens cannot be seen from here", network_namespaces(all));
    let mut findings = match namespaces.list || !stage.daemon {
        // Who may enter none knows nothing of them.
        _ if all == 0 => Vec::new(),
        true => vec![served(&namespaces.entered, stage)],
        false => vec![Finding::note(Area::Namespaces, "served", hidden(all))],
    };
    if !namespaces.unentered.is_empty() {
        let unentered = namespaces.unentered.iter().map(|(known_by, why)| format!("{known_by}: {why}"));
        let what = format!("into some network namespaces could not be looked: {}", short_list(unentered));
        let finding = if stage.restricted { Finding::note } else { Finding::warning };
        findings.push(finding(Area::Namespaces, "entered", what));
    }
    findings
}

/// Those that the daemon does not listen in.
pub(super) fn unserved(namespaces: &[Namespace]) -> impl Iterator<Item = &Namespace> {
    namespaces.iter().filter(|namespace| !namespace.listening)
}

fn served(namespaces: &[Namespace], stage: &Stage) -> Finding {
    const CHECK: &str = "served";
    let all = namespaces.len();
    let unserved: Vec<_> = unserved(namespaces).collect();
    let name = |namespace: &&Namespace| match namespace.home {
        true => "this one".to_owned(),
        false => namespace.known_by.clone(),
    };
    if stage.before_start && !stage.daemon {
        return Finding::ok(Area::Namespaces, CHECK, format!("{} in use", network_namespaces(all)));
    }
    if unserved.is_empty() {
        return Finding::ok(
            Area::Namespaces,
            CHECK,
            format!("the daemon listens in {}", network_namespaces(all)),
        );
    }
    if !stage.daemon {
        let what = format!("nobody listens in {} of {}", unserved.len(), network_namespaces(all));
        return Finding::note(Area::Namespaces, CHECK, what)
            .why("there is no daemon, and listeners end with it");
    }
    let what = format!(
        "the daemon does not listen in {} of {}: {}",
        unserved.len(),
        network_namespaces(all),
        short_list(unserved.iter().map(name))
    );
    let home = unserved.iter().any(|namespace| namespace.home);
    let finding = if home { Finding::failure } else { Finding::warning };
    finding(Area::Namespaces, CHECK, what)
        .why("what is protected waits in vain there, and nothing passes; the daemon looks every two seconds")
        .cure("see its log for why")
}

fn network_namespaces(count: usize) -> String {
    counted(count, "network namespace")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::intercept::inspect::Unseen;

    fn namespace(known_by: &str, listening: bool) -> Namespace {
        Namespace {
            known_by: known_by.to_owned(),
            home: known_by == "home",
            listening,
            interfaces: Ok(vec![]),
        }
    }

    #[track_caller]
    fn check(namespaces: &[(&str, bool)], stage: Stage, level: Level, what: &str) {
        let entered = namespaces.iter().map(|(name, listening)| namespace(name, *listening)).collect();
        let findings = judge(&Ok(Namespaces { list: true, entered, unentered: vec![] }), &stage);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert!(finding.level == level && finding.what.contains(what), "{finding:?}");
    }

    const SILENT: Stage = Stage { before_start: false, daemon: false, restricted: false };
    const RUNNING: Stage = Stage { daemon: true, ..SILENT };

    #[test]
    fn each_namespace_has_a_listener_or_is_named() {
        check(&[("home", true), ("a", true)], RUNNING, Level::Ok, "listens in 2 network namespaces");
        check(&[("home", true), ("a", false)], RUNNING, Level::Warning, "1 of 2 network namespaces: a");
        check(&[("home", false)], RUNNING, Level::Failure, "1 of 1 network namespace: this one");
    }

    #[test]
    fn without_the_daemon_nobody_listens() {
        check(&[("home", false), ("a", false)], SILENT, Level::Note, "nobody listens in 2 of 2");
        let before = Stage { before_start: true, ..SILENT };
        check(&[("home", false)], before, Level::Ok, "1 network namespace in use");
    }

    #[test]
    fn without_the_list_nobody_knows() {
        let namespaces =
            Ok(Namespaces { list: false, entered: vec![namespace("home", false)], unentered: vec![] });
        let level = |stage| judge(&namespaces, &stage)[0].clone();
        assert!(level(RUNNING).what.contains("cannot be seen from here"), "{:?}", level(RUNNING));
        assert_eq!((level(RUNNING).level, level(SILENT).level), (Level::Note, Level::Note));
    }

    #[test]
    fn what_cannot_be_entered_is_named() {
        let unentered = vec![("process 7 (x)".to_owned(), "no".to_owned())];
        let namespaces = Ok(Namespaces { list: true, entered: vec![], unentered });
        let level = |restricted| judge(&namespaces, &Stage { restricted, ..RUNNING })[0].level;
        assert_eq!((level(true), level(false)), (Level::Note, Level::Warning));
        let unseen = Err(Unseen { denied: false, why: "no thread".to_owned() });
        assert_eq!(judge(&unseen, &RUNNING)[0].level, Level::Warning);
    }
}
