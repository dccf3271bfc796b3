//! What the tests of a judgement compare its findings with.

use super::finding::{Finding, Level};

/// A check, how bad it is, and a part of what is said of it.
pub(super) type Expected<'a> = (&'a str, Level, &'a str);

/// That what is worse than well is exactly this, by what was found.
#[track_caller]
pub(super) fn bad_are(findings: &[Finding], expect: &[Expected<'_>]) {
    let bad: Vec<_> = findings.iter().filter(|finding| finding.level > Level::Ok).collect();
    compare(&bad, expect, |finding| finding.what.clone());
}

/// That all of it is exactly this, by what was found and why.
#[track_caller]
pub(super) fn all_are(findings: &[Finding], expect: &[Expected<'_>]) {
    let all: Vec<_> = findings.iter().collect();
    compare(&all, expect, |finding| {
        format!("{} {}", finding.what, finding.why.as_deref().unwrap_or_default())
    });
}

#[track_caller]
fn compare(found: &[&Finding], expect: &[Expected<'_>], said: impl Fn(&Finding) -> String) {
    assert_eq!(found.len(), expect.len(), "{found:?}");
    for (finding, (check, level, told)) in found.iter().zip(expect) {
        assert_eq!((finding.check, finding.level), (*check, *level), "{finding:?}");
        assert!(said(finding).contains(told), "{told}: {finding:?}");
    }
}
