//! Who may become root on this machine, as far as its files tell: root may take everything off.

mod sudoers;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use self::sudoers::Sudoers;
use super::super::finding::{Area, Finding, short_list};
use super::super::stage::Stage;
use crate::intercept::inspect::{Seen, Unseen};

/// Members may become root with their password, by the usual sudoers(5).
const SUDO_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];
/// Members are root for whoever asks in the right words: they may start containers and machines that see the host.
const ROOT_GROUPS: [&str; 5] = ["docker", "lxd", "incus-admin", "podman", "disk"];

/// Who may become root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Accounts {
    /// Users with uid 0 beside root.
    superusers: Vec<String>,
    /// The members of each group, by its name; those whose own group it is, too.
    groups: BTreeMap<String, BTreeSet<String>>,
    /// What sudo lets them do without a password; none where there is no sudo.
    sudoers: Option<Seen<Sudoers>>,
}

/// Looks at the machine's own files. Directories elsewhere (LDAP) are not asked.
pub(in super::super) fn look() -> Accounts {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (superusers, groups) = users_and_groups(&read("/etc/passwd"), &read("/etc/group"));
    let sudoers = match Path::new("/etc/sudoers").exists() {
        true => Some(sudoers::read(Path::new("/etc/sudoers")).map_err(Unseen::from)),
        false => None,
    };
    Accounts { superusers, groups, sudoers }
}

/// From the texts of passwd(5) and group(5).
fn users_and_groups(passwd: &str, group: &str) -> (Vec<String>, BTreeMap<String, BTreeSet<String>>) {
    let mut superusers = Vec::new();
    let mut by_gid: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in passwd.lines() {
        if let [user, _, uid, gid, ..] = line.split(':').collect::<Vec<_>>()[..] {
            by_gid.entry(gid).or_default().insert(user.to_owned());
            if uid == "0" && user != "root" {
                superusers.push(user.to_owned());
            }
        }
    }
    let mut groups = BTreeMap::new();
    for line in group.lines() {
        if let [name, _, gid, members] = line.split(':').collect::<Vec<_>>()[..] {
            let mut all = by_gid.remove(gid).unwrap_or_default();
            all.extend(members.split(',').filter(|member| !member.is_empty()).map(str::to_owned));
            groups.insert(name.to_owned(), all);
        }
    }
    (superusers, groups)
}

/// What that comes to. `policy_users` are jobs' users, as far as the policy names them.
pub(in super::super) fn judge(
    accounts: &Accounts,
    policy_users: &BTreeSet<String>,
    stage: &Stage,
) -> Vec<Finding> {
    vec![host_root(accounts), free_root(accounts, policy_users, stage), limited(accounts)]
        .into_iter()
        .flatten()
        .collect()
}

/// Open on every machine.
fn host_root(accounts: &Accounts) -> Option<Finding> {
    let with_password: BTreeSet<String> = SUDO_GROUPS
        .iter()
        .filter_map(|name| Some((name, accounts.groups.get(*name)?)))
        .flat_map(|(name, members)| members.iter().map(move |member| format!("{member} ({name})")))
        .collect();
    let who = match with_password.is_empty() {
        true => "nobody is in a group that sudo usually lets become root".to_owned(),
        false => format!("with their password these may become root: {}", short_list(with_password)),
    };
    let what = "root on this machine can take the programs off: that is detected and recorded, not prevented";
    Some(Finding::note(Area::Bypasses, "host-root", what).why(who))
}

/// Who becomes root without as much as a password.
fn free_root(accounts: &Accounts, policy_users: &BTreeSet<String>, stage: &Stage) -> Option<Finding> {
    const CHECK: &str = "root-for-free";
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |user: &String, how: String| found.entry(user.clone()).or_default().push(how);
    for user in &accounts.superusers {
        add(user, "uid 0".to_owned());
    }
    for (group, members) in ROOT_GROUPS.iter().filter_map(|name| Some((name, accounts.groups.get(*name)?))) {
        for member in members.iter().filter(|member| *member != "root") {
            add(member, format!("group {group}"));
        }
    }
    if let Some(Ok(sudoers)) = &accounts.sudoers {
        for who in sudoers.everything.iter().filter(|who| *who != "root") {
            for user in accounts.expand(who) {
                add(&user, "sudo without a password".to_owned());
            }
        }
    }
    if found.is_empty() {
        return match &accounts.sudoers {
            Some(Err(unseen)) => {
                Some(stage.unseen(Area::Bypasses, CHECK, "who may use sudo without a password", unseen))
            }
            _ => Some(Finding::ok(Area::Bypasses, CHECK, "nobody becomes root without a password")),
        };
    }
    let named: Vec<_> = found.keys().filter(|user| policy_users.contains(*user)).cloned().collect();
    let told = found.iter().map(|(user, how)| format!("{user} ({})", how.join(", ")));
    let mut why =
        "whatever runs as one of them can take the programs off, read the credentials and the record"
            .to_owned();
    if !named.is_empty() {
        why = format!("{why}; the policy has rules for {}", short_list(named));
    }
    let what = format!("some become root without a password: {}", short_list(told));
    let cure = "let jobs run as users that are in none of these groups and have no NOPASSWD in sudoers";
    Some(Finding::warning(Area::Bypasses, CHECK, what).why(why).cure(cure))
}

/// Who may run some commands as root without a password: whether that is a way to more depends on the commands.
fn limited(accounts: &Accounts) -> Option<Finding> {
    let Some(Ok(sudoers)) = &accounts.sudoers else { return None };
    let what = format!(
        "some may run single commands as root without a password: {}",
        short_list(sudoers.some.iter().cloned())
    );
    let finding = Finding::note(Area::Bypasses, "sudo-commands", what);
    (!sudoers.some.is_empty())
        .then(|| finding.why("a command that can write files or start others is a way to root"))
}

impl Accounts {
    /// The users that a word of sudoers means: those of a group where it is one.
    fn expand(&self, who: &str) -> Vec<String> {
        match who.strip_prefix('%') {
            Some(group) => match self.groups.get(group) {
                Some(members) => members.iter().cloned().collect(),
                // A group of a directory elsewhere, perhaps.
                None => vec![who.to_owned()],
            },
            None if who == "ALL" => vec!["everybody".to_owned()],
            None => vec![who.to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{expected::all_are, finding::Level};
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nci:x:1001:1001::/home/ci:/bin/sh\n\
                          dock:x:1002:999::/:/bin/sh\nada:x:1003:1003::/:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nsudo:x:27:ada\ndocker:x:999:\nci:x:1001:\nbuild:x:1100:ci,ada\n";

    fn accounts(sudoers: Option<Seen<Sudoers>>) -> Accounts {
        let (superusers, groups) = users_and_groups(PASSWD, GROUP);
        Accounts { superusers, groups, sudoers }
    }

    fn sudoers(everything: &[&str], some: &[&str]) -> Option<Seen<Sudoers>> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Some(Ok(Sudoers { everything: owned(everything), some: owned(some) }))
    }

    #[track_caller]
    fn check(accounts: &Accounts, policy_users: &[&str], expect: &[(&str, Level, &str)]) {
        let policy_users = policy_users.iter().map(|user| (*user).to_owned()).collect();
        let findings = judge(accounts, &policy_users, &Stage { restricted: true, ..Stage::default() });
        all_are(&findings, expect);
    }

    #[test]
    fn members_of_a_group_are_also_those_whose_own_group_it_is() {
        let found = accounts(None);
        assert_eq!(found.superusers, ["toor"]);
        assert_eq!(found.groups["docker"], BTreeSet::from(["dock".to_owned()]));
        assert_eq!(found.groups["build"], BTreeSet::from(["ada".to_owned(), "ci".to_owned()]));
    }

    #[test]
    fn root_without_a_password_should_be_looked_at_and_root_with_one_is_known() {
        let with_password = ("host-root", Level::Note, "ada (sudo)");
        check(
            &accounts(sudoers(&["%build", "root"], &[])),
            &["ci", "reporter"],
            &[with_password, ("root-for-free", Level::Warning, "ada (sudo without a password), ci (sudo")],
        );
        check(
            &accounts(None),
            &[],
            &[with_password, ("root-for-free", Level::Warning, "dock (group docker), toor (uid 0)")],
        );
        check(
            &accounts(sudoers(&["ALL"], &["ci"])),
            &[],
            &[
                with_password,
                ("root-for-free", Level::Warning, "everybody (sudo without a password)"),
                ("sudo-commands", Level::Note, "ci"),
            ],
        );
        let named = accounts(sudoers(&["ci"], &[]));
        check(
            &named,
            &["ci"],
            &[with_password, ("root-for-free", Level::Warning, "the policy has rules for ci")],
        );
    }

    #[test]
    fn a_machine_without_such_users_is_well_and_one_that_does_not_tell_is_not_known() {
        let (superusers, groups) =
            users_and_groups("root:x:0:0::/:/bin/sh\n", "root:x:0:\ndocker:x:9:root\n");
        let mut machine = Accounts { superusers, groups, sudoers: None };
        let nobody = ("host-root", Level::Note, "nobody is in a group");
        check(&machine, &[], &[nobody, ("root-for-free", Level::Ok, "nobody becomes root")]);
        machine.sudoers = Some(Err(Unseen { denied: true, why: "Permission denied".to_owned() }));
        check(&machine, &[], &[nobody, ("root-for-free", Level::Note, "could not be looked at")]);
    }
}
