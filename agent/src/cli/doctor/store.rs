//! Whether the central store answers, and has what it should have. Records wait on disk meanwhile, so that nothing
//! here keeps a connection from being served.

use policy::{Address, Host};
use serde_json::Value;

use super::dial::{Answered, Outcome, try_address, try_socket};
use super::finding::{Area, Finding};
use super::stage::Stage;
use crate::config::{StoreConfig, store_tls};
use crate::intercept::inspect::{Seen, Unseen, Way};
use crate::store::Endpoint;

/// The store, tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    /// Where it is.
    pub(super) address: String,
    /// Whether the configuration asks for TLS.
    pub(super) encrypted: bool,
    pub(super) outcome: Outcome,
}

/// Tries the store.
pub(super) async fn look(config: &StoreConfig, way: &Seen<Way>) -> Tried {
    let encrypted = config.tls.is_encrypted();
    let outcome = match &config.url.endpoint {
        Endpoint::Unix(path) => try_socket(path).await,
        Endpoint::Tcp(host, port) => match store_tls(&config.tls, &config.url.endpoint) {
            Ok(tls) => {
                let host = host.parse().map_or_else(|_| Host::Name(host.clone()), Host::Ip);
                try_address(&Address { host, port: *port }, &tls, way).await
            }
            Err(error) => Outcome::Untried(Unseen::of(&error)),
        },
    };
    Tried { address: config.url.to_string(), encrypted, outcome }
}

/// What it comes to. `status` is what the daemon says of it.
pub(super) fn judge(tried: Option<&Tried>, status: Option<&Value>, stage: &Stage) -> Vec<Finding> {
    let Some(tried) = tried else {
        let what = "no central store is configured: the record stays on this machine";
        return vec![
            Finding::note(Area::Store, "configured", what).why("whoever is root here can remove it"),
        ];
    };
    let mut findings = vec![answers(tried, stage)];
    findings.extend(status.and_then(shipping));
    findings.extend(status.and_then(conflicts));
    findings
}

fn answers(tried: &Tried, stage: &Stage) -> Finding {
    const CHECK: &str = "answers";
    let Tried { address, encrypted, outcome } = tried;
    let waits =
        |what: &str| Finding::warning(Area::Store, CHECK, format!("{address} {what}; records wait on disk"));
    match outcome {
        Outcome::Network => waits("is no server"),
        Outcome::Unresolved(why) => waits("cannot be found").why(why),
        Outcome::Untried(unseen) if unseen.denied && stage.restricted => {
            stage.unseen(Area::Store, CHECK, address, unseen)
        }
        Outcome::Untried(unseen) => {
            Finding::warning(Area::Store, CHECK, format!("{address} was not asked")).why(&unseen.why)
        }
        Outcome::Tried(server, Err(why)) => waits("does not answer").why(format!("{server}: {why}")),
        Outcome::Tried(_, Ok(Answered::Clear)) if *encrypted => waits("speaks no TLS, which `tls` asks for"),
        Outcome::Tried(_, Ok(Answered::Refused(why))) => waits("answers, and TLS fails").why(why),
        Outcome::Tried(_, Ok(Answered::Otherwise(why))) => waits("answers, and is no PostgreSQL").why(why),
        Outcome::Tried(_, Ok(Answered::Offered)) => {
            let what = format!("{address} answers, and could speak TLS, which `tls` does not ask for");
            Finding::note(Area::Store, CHECK, what).cure("tls: {mode: verify-full, …}")
        }
        Outcome::Tried(_, Ok(Answered::Clear | Answered::Secured)) => {
            Finding::ok(Area::Store, CHECK, format!("{address} answers"))
        }
    }
}

/// Whether the daemon's records get there.
fn shipping(status: &Value) -> Option<Finding> {
    const CHECK: &str = "shipping";
    let waiting = status["waiting_records"].as_u64()?;
    if status["connected"] == true {
        return Some(Finding::ok(Area::Store, CHECK, format!("the daemon ships records; {waiting} wait")));
    }
    let what = format!("the daemon ships no records; {waiting} wait on disk");
    let why = status["last_error"].as_str().unwrap_or("it is not connected");
    Some(Finding::warning(Area::Store, CHECK, what).why(why))
}

/// What the store has that this machine did not write, or does not take from it.
fn conflicts(status: &Value) -> Option<Finding> {
    let conflicts = status["conflicts"].as_u64().unwrap_or(0);
    let refused = status["refused_boots"].as_array().map_or(0, Vec::len);
    let what = format!(
        "the store has {conflicts} other records in place of this machine's, and refuses {refused} boots"
    );
    (conflicts > 0 || refused > 0).then(|| {
        Finding::warning(Area::Store, "conflicts", what)
            .why("somebody else writes as this machine, or its disk was put back to an earlier state")
            .cure("portreeve audit verify --from the store")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{expected::all_are, finding::Level};
    use super::*;

    fn tried(encrypted: bool, outcome: Outcome) -> Tried {
        Tried { address: "database audit at a:5432 as ci".to_owned(), encrypted, outcome }
    }

    fn answered(answered: Answered) -> Outcome {
        Outcome::Tried("10.0.0.1:5432".to_owned(), Ok(answered))
    }

    #[track_caller]
    fn check(tried: Option<Tried>, status: Option<Value>, expect: &[(&str, Level, &str)]) {
        let findings =
            judge(tried.as_ref(), status.as_ref(), &Stage { restricted: true, ..Stage::default() });
        all_are(&findings, expect);
    }

    #[test]
    fn a_store_that_does_not_answer_makes_records_wait() {
        let waits = |encrypted, outcome, told| {
            check(Some(tried(encrypted, outcome)), None, &[("answers", Level::Warning, told)]);
        };
        waits(false, Outcome::Tried("a:1".to_owned(), Err("refused".to_owned())), "a:1: refused");
        waits(false, Outcome::Unresolved("no such name".to_owned()), "cannot be found; records wait");
        waits(true, answered(Answered::Clear), "no TLS");
        waits(true, answered(Answered::Refused("expired".to_owned())), "expired");
        waits(false, answered(Answered::Otherwise("0x48".to_owned())), "no PostgreSQL");
        waits(
            false,
            Outcome::Untried(Unseen { denied: false, why: "other maps".to_owned() }),
            "not asked other maps",
        );
        let hidden = Outcome::Untried(Unseen { denied: true, why: "no".to_owned() });
        check(Some(tried(false, hidden)), None, &[("answers", Level::Note, "could not be looked at")]);
        check(Some(tried(true, answered(Answered::Secured))), None, &[("answers", Level::Ok, "answers")]);
        check(None, None, &[("configured", Level::Note, "no central store")]);
    }

    #[test]
    fn what_the_daemon_ships_is_told() {
        let status = |connected, conflicts| {
            json!({
                "connected": connected, "waiting_records": 7, "last_error": "it is full",
                "conflicts": conflicts, "refused_boots": [],
            })
        };
        let answers = || Some(tried(false, answered(Answered::Clear)));
        let ok = ("answers", Level::Ok, "answers");
        check(answers(), Some(status(true, 0)), &[ok, ("shipping", Level::Ok, "7 wait")]);
        check(
            answers(),
            Some(status(false, 0)),
            &[ok, ("shipping", Level::Warning, "7 wait on disk it is full")],
        );
        let conflicts = ("conflicts", Level::Warning, "2 other records");
        check(answers(), Some(status(true, 2)), &[ok, ("shipping", Level::Ok, "7 wait"), conflicts]);
        check(answers(), Some(Value::Null), &[ok]);
    }
}
