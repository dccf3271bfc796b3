//! Whether the servers of the resources answer, and as the configuration wants them to.

use policy::Policy;
use tokio::task::JoinSet;

use super::configuration::{addresses, told};
use super::dial::{Answered, Outcome, try_address};
use super::finding::{Area, Finding, Level};
use super::stage::Stage;
use crate::config::Config;
use crate::intercept::inspect::{Seen, Unseen, Way};
use crate::proxy::Tls;

/// One address of a resource, tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) resource: String,
    /// As it is written.
    pub(super) address: String,
    /// Whether the configuration asks for TLS.
    pub(super) encrypted: bool,
    pub(super) outcome: Outcome,
}

/// Tries every address of every resource, all at once.
pub(super) async fn look(config: &Config, policy: Option<&Policy>, way: &Seen<Way>) -> Vec<Tried> {
    let mut tries = JoinSet::new();
    for (at, (resource, address)) in addresses(config, policy).into_iter().enumerate() {
        let tls = config.resources.get(&resource).map(|resource| resource.tls.clone()).unwrap_or_default();
        let way = way.clone();
        tries.spawn(async move {
            let encrypted = tls.is_encrypted();
            let outcome = match Tls::new(&tls) {
                Ok(tls) => try_address(&address, &tls, &way).await,
                Err(error) => Outcome::Untried(Unseen::of(&error)),
            };
            (at, Tried { resource, address: told(&address), encrypted, outcome })
        });
    }
    let mut tried = tries.join_all().await;
    tried.sort_by_key(|(at, _)| *at);
    tried.into_iter().map(|(_, tried)| tried).collect()
}

/// What they come to.
pub(super) fn judge(tried: &[Tried], stage: &Stage) -> Vec<Finding> {
    tried.iter().map(|tried| one(tried, stage)).collect()
}

fn one(tried: &Tried, stage: &Stage) -> Finding {
    let Tried { resource, address, encrypted, outcome } = tried;
    let named = format!("resource \"{resource}\" at {address}");
    let finding =
        |level, what: &str| Finding::new(Area::Resources, "answers", level, format!("{named} {what}"));
    match outcome {
        Outcome::Network => finding(Level::Note, "is a network: its servers are found when jobs connect"),
        Outcome::Unresolved(why) => finding(Level::Failure, "cannot be found")
            .why(why)
            .cure("correct the name, or the machine's resolver"),
        Outcome::Untried(unseen) => {
            let level = if unseen.denied && stage.restricted { Level::Note } else { Level::Warning };
            finding(level, "was not asked").why(&unseen.why)
        }
        Outcome::Tried(server, Err(why)) => finding(Level::Failure, "does not answer")
            .why(format!("{server}: {why}"))
            .cure("start the server, or let this machine reach it"),
        Outcome::Tried(_, Ok(Answered::Clear)) if *encrypted => finding(Level::Failure, "speaks no TLS")
            .why("its `tls` asks for it")
            .cure("switch it on at the server, or take `tls` away"),
        Outcome::Tried(_, Ok(Answered::Refused(why))) => {
            finding(Level::Failure, "answers, and TLS fails").why(why).cure("correct its `tls`")
        }
        Outcome::Tried(_, Ok(Answered::Otherwise(why))) => {
            finding(Level::Failure, "answers, and is no PostgreSQL").why(why)
        }
        Outcome::Tried(_, Ok(Answered::Offered)) => {
            finding(Level::Note, "answers, and could speak TLS, which its `tls` does not ask for")
                .cure("tls: {mode: require}, or verify-full")
        }
        Outcome::Tried(_, Ok(Answered::Clear)) => finding(Level::Ok, "answers, in clear text"),
        Outcome::Tried(_, Ok(Answered::Secured)) => finding(Level::Ok, "answers, over TLS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(encrypted: bool, outcome: Outcome, level: Level, what: &str) {
        let tried =
            Tried { resource: "shop".to_owned(), address: "db.example:5432".to_owned(), encrypted, outcome };
        let findings = judge(&[tried], &Stage { restricted: true, ..Stage::default() });
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!(finding.level, level, "{finding:?}");
        assert_eq!(finding.what, format!("resource \"shop\" at db.example:5432 {what}"));
    }

    fn answered(answered: Answered) -> Outcome {
        Outcome::Tried("10.0.0.1:5432".to_owned(), Ok(answered))
    }

    #[test]
    fn an_answer_is_compared_with_what_the_configuration_wants() {
        check(false, answered(Answered::Clear), Level::Ok, "answers, in clear text");
        check(true, answered(Answered::Clear), Level::Failure, "speaks no TLS");
        check(true, answered(Answered::Secured), Level::Ok, "answers, over TLS");
        check(
            true,
            answered(Answered::Refused("expired".to_owned())),
            Level::Failure,
            "answers, and TLS fails",
        );
        let offered = "answers, and could speak TLS, which its `tls` does not ask for";
        check(false, answered(Answered::Offered), Level::Note, offered);
        check(
            false,
            answered(Answered::Otherwise("0x48".to_owned())),
            Level::Failure,
            "answers, and is no PostgreSQL",
        );
    }

    #[test]
    fn a_server_that_is_not_there_is_a_failure_and_one_that_was_not_asked_is_not_known() {
        let silent = Outcome::Tried("10.0.0.1:5432".to_owned(), Err("refused".to_owned()));
        check(false, silent, Level::Failure, "does not answer");
        check(false, Outcome::Unresolved("no such name".to_owned()), Level::Failure, "cannot be found");
        check(false, Outcome::Network, Level::Note, "is a network: its servers are found when jobs connect");
        let untried = |denied| Outcome::Untried(Unseen { denied, why: "no".to_owned() });
        check(false, untried(true), Level::Note, "was not asked");
        check(false, untried(false), Level::Warning, "was not asked");
    }
}
