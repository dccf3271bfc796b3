//! Whom sudo lets act as root without a password, as far as sudoers(5) says it plainly. Aliases are followed; hosts
//! are not looked at, so that a line for another host counts as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Users, and groups as `%group`, that need no password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sudoers {
    /// For every command.
    pub(super) everything: BTreeSet<String>,
    /// For some.
    pub(super) some: BTreeSet<String>,
}

/// Reads the file and those that it includes.
///
/// # Errors
///
/// The file itself cannot be read. What it includes and cannot be read is left out, as sudo does.
pub(super) fn read(path: &Path) -> io::Result<Sudoers> {
    let mut text = fs::read_to_string(path)?;
    for included in included(&text, path) {
        text.push('\n');
        text.push_str(&fs::read_to_string(included).unwrap_or_default());
    }
    Ok(parse(&text))
}

/// The files that a text includes. What these include is left out.
fn included(text: &str, from: &Path) -> Vec<PathBuf> {
    let folder = from.parent().unwrap_or(Path::new("/"));
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (directive, Some(path)) = (words.next().unwrap_or_default(), words.next()) else { continue };
        let path = folder.join(path);
        match directive.trim_start_matches(['@', '#']) {
            "include" if directive.len() > "include".len() => found.push(path),
            "includedir" if directive.len() > "includedir".len() => {
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                // sudo passes over names with a dot, which editors and packages leave behind.
                let taken = |path: &PathBuf| {
                    let name =
                        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    !name.contains('.') && !name.ends_with('~')
                };
                found.extend(entries.map(|entry| entry.path()).filter(taken));
            }
            _ => {}
        }
    }
    found
}

fn parse(text: &str) -> Sudoers {
    let joined = text.replace("\\\n", " ");
    let lines: Vec<&str> =
        joined.lines().map(|line| line.split(" #").next().unwrap_or_default().trim()).collect();
    let lines = || lines.iter().copied().filter(|line| !line.is_empty() && !line.starts_with(['#', '@']));
    let mut aliases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for definition in lines().filter_map(|line| line.strip_prefix("User_Alias ")) {
        if let Some((name, members)) = definition.split_once('=') {
            aliases.insert(name.trim(), members.split(',').map(str::trim).collect());
        }
    }
    let no_password = lines().any(|line| {
        line.split_once(char::is_whitespace)
            .is_some_and(|(word, rest)| word == "Defaults" && rest.contains("!authenticate"))
    });
    let mut sudoers = Sudoers::default();
    for line in lines() {
        let Some((who, what)) = specification(line) else { continue };
        let commands = match what.split_once("NOPASSWD:") {
            Some((_, commands)) => commands,
            None if no_password => what.rsplit_once([')', '=']).map_or(what, |(_, commands)| commands),
            None => continue,
        };
        let everything =
            commands.split(',').any(|command| command.rsplit(':').next().map(str::trim) == Some("ALL"));
        let found = if everything { &mut sudoers.everything } else { &mut sudoers.some };
        for user in who.split(',').map(str::trim) {
            match aliases.get(user) {
                Some(members) => found.extend(members.iter().map(|member| (*member).to_owned())),
                None => drop(found.insert(user.to_owned())),
            }
        }
    }
    sudoers
}

/// `users hosts = commands`: the users, and what stands after the first sign of equality.
fn specification(line: &str) -> Option<(&str, &str)> {
    const OTHERS: [&str; 5] = ["Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias"];
    if OTHERS.iter().any(|word| line.starts_with(word)) {
        return None;
    }
    let (left, right) = line.split_once('=')?;
    // The hosts are the last word, and users may have spaces after their commas.
    let (who, _) = left.trim().rsplit_once(char::is_whitespace)?;
    Some((who, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, everything: &[&str], some: &[&str]) {
        let found = parse(text);
        let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        assert_eq!(
            (words(&found.everything), words(&found.some)),
            (owned(everything), owned(some)),
            "{text}"
        );
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn who_needs_no_password_is_read_from_the_lines() {
        check("root ALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n", &[], &[]);
        check("runner ALL=(ALL) NOPASSWD:ALL\n", &["runner"], &[]);
        check("ci,%build ALL = (root) NOPASSWD: SETENV: ALL # why not\n", &["%build", "ci"], &[]);
        check("ci, cd ALL=(ALL) NOPASSWD: /usr/bin/apt, \\\n  ALL\n", &["cd", "ci"], &[]);
        check("deploy ALL=NOPASSWD: /bin/systemctl restart app\n", &[], &["deploy"]);
        check("#runner ALL=(ALL) NOPASSWD:ALL\n", &[], &[]);
        check("User_Alias BOTS = a, b\nBOTS ALL=(ALL) NOPASSWD: ALL\n", &["a", "b"], &[]);
        check("Defaults !authenticate\nops ALL=(ALL) ALL\nweb ALL=/bin/x\n", &["ops"], &["web"]);
        check("Defaults env_reset\nops ALL=(ALL) ALL\n", &[], &[]);
    }

    #[test]
    fn included_files_count_and_those_with_a_dot_in_their_name_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("sudoers.d")).unwrap();
        write("sudoers", "root ALL=(ALL) ALL\n@includedir sudoers.d\n#include more\ninclude nothing\n");
        write("sudoers.d/ci", "ci ALL=(ALL) NOPASSWD:ALL");
        write("sudoers.d/old.bak", "old ALL=(ALL) NOPASSWD:ALL");
        write("more", "more ALL=(ALL) NOPASSWD:ALL");
        let found = read(&folder.path().join("sudoers")).unwrap();
        assert_eq!(found.everything, BTreeSet::from(["ci".to_owned(), "more".to_owned()]));
        assert!(read(&folder.path().join("none")).is_err());
    }
}
