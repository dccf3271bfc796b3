//! Whether the daemon runs, and whether it is the one that this program and this configuration are of.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::finding::{Area, Finding};
use super::stage::Stage;
use crate::approvals::client::{self, call_within};
use crate::approvals::protocol::{Request, Response};

/// How long the daemon may take. It answers from memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the daemon says of itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// How it is, as `portreeve status` prints it.
    Status(Value),
    /// Nobody listens on its socket.
    Nobody(String),
    /// We may not ask.
    Denied(String),
    /// Somebody listens, and does not answer as the daemon does.
    Silent(String),
}

/// What is known of the daemon.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Daemon {
    /// What it says.
    pub(super) answer: Answer,
    /// The process that holds the pin directory.
    pub(super) holder: Option<u32>,
}

impl Daemon {
    /// What it says of itself, if it does.
    pub(super) fn status(&self) -> Option<&Value> {
        match &self.answer {
            Answer::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether there is one, whether it answers or not.
    pub(super) fn runs(&self) -> bool {
        self.holder.is_some() || self.status().is_some()
    }
}

/// Asks the daemon.
pub(super) fn ask(socket: &Path) -> Answer {
    match call_within(PATIENCE, socket, &Request::Status) {
        Ok(Response::Status(status)) => Answer::Status(status),
        Ok(Response::Refused { message, .. }) => Answer::Denied(message),
        Ok(_) => Answer::Silent("it answers something else than it was asked".to_owned()),
        Err(client::Error::Connect { source, path }) => {
            let told = format!("{}: {source}", path.display());
            match source.kind() {
                io::ErrorKind::PermissionDenied => Answer::Denied(told),
                _ => Answer::Nobody(told),
            }
        }
        Err(error) => Answer::Silent(error.to_string()),
    }
}

/// What the files say now: digests of the configuration and of the policy, where they can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OnDisk {
    pub(super) configuration: Option<String>,
    pub(super) policy: Option<String>,
}

/// What that comes to.
pub(super) fn judge(daemon: &Daemon, on_disk: &OnDisk, stage: &Stage) -> Vec<Finding> {
    let mut findings = vec![running(daemon, stage)];
    if let Some(status) = daemon.status() {
        findings.extend(agreement(status, on_disk));
    }
    findings
}

fn running(daemon: &Daemon, stage: &Stage) -> Finding {
    const CHECK: &str = "running";
    let (area, holder) = (Area::Daemon, daemon.holder);
    match (&daemon.answer, holder) {
        (Answer::Status(status), _) => {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            let process = holder.map(|pid| format!("process {pid}, ")).unwrap_or_default();
            let what = format!(
                "it runs ({process}version {}) since {} s, and says that it is {}",
                text(&status["version"]),
                status["uptime_seconds"].as_u64().unwrap_or(0),
                text(&status["state"])
            );
            if status["evidence"]["accepts_sessions"] == false {
                return Finding::failure(area, CHECK, format!("{what}; it takes no new session"))
                    .why("the space for its record is nearly used up, or the record cannot be written")
                    .cure("see the area disk, or raise evidence.disk_budget");
            }
            match status["state"] == "running" {
                true => Finding::ok(area, CHECK, what),
                false => Finding::failure(area, CHECK, what).cure("see its log"),
            }
        }
        (Answer::Denied(why), _) => {
            let runs = if holder.is_some() { "it runs, and " } else { "" };
            Finding::note(area, CHECK, format!("{runs}this user may not ask it how it is")).why(why)
        }
        (Answer::Silent(why), _) => {
            Finding::failure(area, CHECK, "it does not answer on its control socket").why(why)
        }
        (Answer::Nobody(why), Some(pid)) => {
            let what = format!("process {pid} holds the pins and answers on no control socket");
            Finding::failure(area, CHECK, what)
                .why(why)
                .cure("it starts or stops just now, or its approvals.socket is another one")
        }
        (Answer::Nobody(_), None) if stage.before_start => Finding::ok(area, CHECK, "it does not run yet"),
        (Answer::Nobody(why), None) => {
            Finding::failure(area, CHECK, "no daemon runs: nothing protected can be served")
                .why(why)
                .cure("start it: systemctl start portreeve, or portreeve run")
        }
    }
}

/// Whether the daemon is what is on disk.
fn agreement(status: &Value, on_disk: &OnDisk) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (theirs, ours) = (&status["version"], env!("CARGO_PKG_VERSION"));
    if theirs != ours {
        let what =
            format!("it is of version {}, this program of version {ours}", theirs.as_str().unwrap_or("?"));
        findings.push(Finding::warning(Area::Daemon, "version", what).cure("systemctl restart portreeve"));
    }
    // A daemon of another version may not say.
    let differs = |holds: &Value, now: &Option<String>| match (holds.as_str(), now) {
        (Some(holds), Some(now)) => holds != now,
        _ => false,
    };
    if differs(&status["configuration"]["digest"], &on_disk.configuration) {
        let what = "the configuration was changed since it started";
        findings
            .push(Finding::warning(Area::Daemon, "configuration", what).cure("systemctl restart portreeve"));
    }
    if differs(&status["policy"]["digest"], &on_disk.policy) {
        let what = "the policies were changed since it read them";
        findings.push(Finding::warning(Area::Daemon, "policy", what).cure("portreeve reload"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Level;
    use super::*;

    fn status() -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"), "state": "running", "uptime_seconds": 7,
            "evidence": {"accepts_sessions": true},
            "configuration": {"digest": "c1"}, "policy": {"digest": "p1"},
        })
    }

    #[track_caller]
    fn check(answer: Answer, holder: Option<u32>, before_start: bool, level: Level, what: &str) {
        let stage = Stage { before_start, ..Stage::default() };
        let on_disk = OnDisk { configuration: Some("c1".to_owned()), policy: Some("p1".to_owned()) };
        let findings = judge(&Daemon { answer, holder }, &on_disk, &stage);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!(finding.level, level, "{finding:?}");
        assert!(finding.what.contains(what), "{finding:?}");
    }

    #[test]
    fn a_daemon_that_runs_answers_on_its_socket() {
        check(Answer::Status(status()), Some(9), false, Level::Ok, "it runs (process 9, version");
        let mut impaired = status();
        impaired["state"] = "impaired".into();
        check(Answer::Status(impaired), Some(9), false, Level::Failure, "impaired");
        let mut full = status();
        full["evidence"]["accepts_sessions"] = false.into();
        check(Answer::Status(full), Some(9), false, Level::Failure, "no new session");
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_a_failure_unless_it_is_still_to_be_started() {
        let nobody = || Answer::Nobody("no such file".to_owned());
        check(nobody(), None, false, Level::Failure, "no daemon runs");
        check(nobody(), None, true, Level::Ok, "does not run yet");
        check(nobody(), Some(9), true, Level::Failure, "process 9 holds the pins");
        check(Answer::Silent("timed out".to_owned()), Some(9), false, Level::Failure, "does not answer");
        check(Answer::Denied("no".to_owned()), None, false, Level::Note, "may not ask");
    }

    #[test]
    fn what_is_on_disk_and_does_not_hold_yet_is_told() {
        let silent = json!({"version": env!("CARGO_PKG_VERSION"), "state": "running"});
        let daemon = Daemon { answer: Answer::Status(status()), holder: None };
        let on_disk = OnDisk { configuration: Some("c2".to_owned()), policy: Some("p2".to_owned()) };
        let checks =
            |findings: Vec<Finding>| findings.iter().map(|finding| finding.check).collect::<Vec<_>>();
        assert_eq!(
            checks(judge(&daemon, &on_disk, &Stage::default())),
            ["running", "configuration", "policy"]
        );
        assert_eq!(checks(judge(&daemon, &OnDisk::default(), &Stage::default())), ["running"]);
        let daemon = Daemon { answer: Answer::Status(silent), holder: None };
        assert_eq!(checks(judge(&daemon, &on_disk, &Stage::default())), ["running"]);
        let mut other = status();
        other["version"] = "0.0.1".into();
        let daemon = Daemon { answer: Answer::Status(other), holder: None };
        assert_eq!(checks(judge(&daemon, &OnDisk::default(), &Stage::default())), ["running", "version"]);
    }
}
