//! Settings that are understood one by one and do not fit together, or not to the machine.

use super::super::finding::{Area, Finding, short_list};
use super::Configured;

/// How long the daemon takes beyond `drain_seconds` at most: for last words to sessions, and for the last records.
const AFTER_DRAIN: u64 = 9;

/// What they come to.
pub(super) fn judge(configured: &Configured<'_>) -> Vec<Finding> {
    [stop_timeout(configured), reviewers(configured), log_filter(configured)].into_iter().flatten().collect()
}

/// The members of a group in the text of group(5), if there is such a group.
pub(super) fn members(group: &str, name: &str) -> Option<Vec<String>> {
    group.lines().find_map(|line| match line.split(':').collect::<Vec<_>>()[..] {
        [found, _, _, members] if found == name => {
            Some(members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect())
        }
        _ => None,
    })
}

/// The service manager kills whoever does not stop in time, and the record then has no end.
fn stop_timeout(configured: &Configured<'_>) -> Option<Finding> {
    const CHECK: &str = "stop-timeout";
    let service = configured.service.as_ref()?;
    let (drain, stop) = (configured.config.drain_seconds, service.stop_seconds?);
    let needed = drain.saturating_add(AFTER_DRAIN);
    let what = format!("systemd gives {} {stop} s to stop, and drain_seconds is {drain}", service.unit);
    if stop > needed {
        return Some(Finding::ok(Area::Configuration, CHECK, what));
    }
    Some(
        Finding::warning(Area::Configuration, CHECK, what)
            .why(format!("the daemon may take {needed} s; killed before, it leaves a record without an end"))
            .cure(format!(
                "systemctl edit {}: [Service] TimeoutStopSec={}",
                service.unit,
                needed.saturating_add(6)
            )),
    )
}

fn reviewers(configured: &Configured<'_>) -> Option<Finding> {
    const CHECK: &str = "reviewers";
    let name = configured.config.approvals.reviewers_group.as_deref()?;
    Some(match configured.reviewers.as_ref()? {
        None => {
            let what = format!("there is no group \"{name}\", and the daemon does not start");
            Finding::failure(Area::Configuration, CHECK, what)
                .why("approvals.reviewers_group names it")
                .cure(format!("groupadd {name}"))
        }
        Some(members) if members.is_empty() => Finding::note(
            Area::Configuration,
            CHECK,
            format!("group \"{name}\" has no member: root alone reviews"),
        )
        .cure(format!("usermod --append --groups {name} USER")),
        Some(members) => {
            let what = format!("statements are reviewed by root and {}", short_list(members.iter().cloned()));
            Finding::ok(Area::Configuration, CHECK, what)
        }
    })
}

fn log_filter(configured: &Configured<'_>) -> Option<Finding> {
    let filter = &configured.config.log.filter;
    let error = filter.parse::<tracing_subscriber::EnvFilter>().err()?;
    let what = format!("`log.filter: {filter}` is not understood, and the daemon does not start");
    Some(Finding::failure(Area::Configuration, "log-filter", what).why(error.to_string()))
}
