//! Who may change what the daemon reads, and read what it writes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::finding::{Area, Finding, Level, short_list};
use super::stage::Stage;
use crate::config::Config;
use crate::intercept::inspect::{Seen, Unseen};

/// Sticky: in such a folder others' files cannot be replaced.
const STICKY: u32 = 0o1000;

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) folder: bool,
}

/// What is known of the daemon's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// What the daemon reads, with all folders above it.
    pub(super) read: Vec<Entry>,
    /// The folder of the evidence; none if it is not there yet.
    pub(super) evidence: Seen<Option<Entry>>,
    /// Who the daemon is: the owner of what is private to it.
    pub(super) own: u32,
}

/// Looks at the configuration's file, and at all that it names.
pub(super) fn look(file: &Path, config: Option<&Config>) -> Files {
    let mut paths = vec![file.to_path_buf()];
    for policies in config.iter().flat_map(|config| config.policies.iter().chain(&config.base_policies)) {
        paths.push(policies.clone());
        let entries = fs::read_dir(policies).into_iter().flatten().flatten().map(|entry| entry.path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")));
    }
    // Whoever may change keys makes tokens as he likes.
    paths.extend(
        config.iter().flat_map(|config| &config.identity.tokens).map(|token| token.keys_file.clone()),
    );
    let mut above: Vec<PathBuf> = paths
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .flat_map(|path| path.ancestors().skip(1).map(Path::to_path_buf).collect::<Vec<_>>())
        .collect();
    paths.append(&mut above);
    paths.sort();
    paths.dedup();
    let evidence = config.map(|config| config.evidence.directory.as_path());
    Files {
        read: paths.iter().filter_map(|path| entry(path).ok()).collect(),
        evidence: match evidence.map(entry) {
            None => Ok(None),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Some(entry) => entry.map(Some).map_err(Unseen::from),
        },
        own: rustix::process::geteuid().as_raw(),
    }
}

/// What a path leads to.
fn entry(path: &Path) -> std::io::Result<Entry> {
    let metadata = fs::metadata(path)?;
    Ok(Entry {
        path: path.to_path_buf(),
        mode: metadata.mode(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        folder: metadata.is_dir(),
    })
}

/// What they come to.
pub(super) fn judge(files: &Files, stage: &Stage) -> Vec<Finding> {
    vec![changed(files), private(files, stage)]
}

/// How bad it is that an entry can be changed, by whom, if anybody else can.
fn changeable(entry: &Entry, own: u32) -> Option<(Level, String)> {
    let protected = entry.folder && entry.mode & STICKY != 0;
    let path = entry.path.display();
    match entry {
        Entry { uid, .. } if *uid != 0 && *uid != own => {
            Some((Level::Failure, format!("{path} by uid {uid}")))
        }
        Entry { mode, .. } if mode & 0o002 != 0 && !protected => {
            Some((Level::Failure, format!("{path} by everybody")))
        }
        Entry { mode, gid, .. } if mode & 0o020 != 0 && *gid != 0 && !protected => {
            Some((Level::Warning, format!("{path} by group {gid}")))
        }
        _ => None,
    }
}

fn changed(files: &Files) -> Finding {
    const CHECK: &str = "configuration";
    let found: Vec<_> = files.read.iter().filter_map(|entry| changeable(entry, files.own)).collect();
    let Some(level) = found.iter().map(|(level, _)| *level).max() else {
        return Finding::ok(
            Area::Files,
            CHECK,
            "root alone may change the configuration, the policies and the keys of tokens",
        );
    };
    let told = found.into_iter().map(|(_, told)| told);
    let what =
        format!("the configuration, the policies or the keys of tokens may be changed: {}", short_list(told));
    Finding::new(Area::Files, CHECK, level, what)
        .why("whoever may change them decides what is protected, and what is allowed")
        .cure("chown root and chmod go-w what is named")
}

fn private(files: &Files, stage: &Stage) -> Finding {
    const CHECK: &str = "evidence";
    match &files.evidence {
        Ok(None) => {
            Finding::ok(Area::Files, CHECK, "the folder of the record will be made, for its owner alone")
        }
        Err(unseen) => stage.unseen(Area::Files, CHECK, "the folder of the record", unseen),
        Ok(Some(entry)) => {
            let (path, mode) = (entry.path.display(), entry.mode & 0o777);
            if entry.uid != 0 && entry.uid != files.own {
                let what = format!("{path} belongs to uid {}, who may remove the record", entry.uid);
                return Finding::failure(Area::Files, CHECK, what).cure(format!("chown root {path}"));
            }
            if mode & 0o077 != 0 {
                let what = format!("{path} has mode {mode:04o}: others may see what the record has");
                return Finding::warning(Area::Files, CHECK, what).cure(format!("chmod 700 {path}"));
            }
            Finding::ok(Area::Files, CHECK, format!("{path} is its owner's alone"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: u32, uid: u32, gid: u32) -> Entry {
        Entry { path: "/etc/portreeve".into(), mode, uid, gid, folder: mode & 0o40000 != 0 }
    }

    #[track_caller]
    fn check(read: Entry, evidence: Option<Entry>, expect: [(Level, &str); 2]) {
        let files = Files { read: vec![read], evidence: Ok(evidence), own: 900 };
        let findings = judge(&files, &Stage::default());
        for (finding, (level, what)) in findings.iter().zip(expect) {
            assert!(finding.level == level && finding.what.contains(what), "{what}: {finding:?}");
        }
    }

    #[test]
    fn who_else_may_change_what_the_daemon_reads_is_told() {
        let well = (Level::Ok, "will be made");
        for (mode, uid, gid, level, what) in [
            (0o100644, 0, 0, Level::Ok, "root alone"),
            (0o100644, 900, 900, Level::Ok, "root alone"),
            (0o100664, 0, 0, Level::Ok, "root alone"),
            (0o100664, 0, 50, Level::Warning, "/etc/portreeve by group 50"),
            (0o100646, 0, 0, Level::Failure, "/etc/portreeve by everybody"),
            (0o100644, 1000, 0, Level::Failure, "/etc/portreeve by uid 1000"),
            (0o40777, 0, 0, Level::Failure, "by everybody"),
            // As /tmp has it.
            (0o41777, 0, 0, Level::Ok, "root alone"),
        ] {
            check(entry(mode, uid, gid), None, [(level, what), well]);
        }
    }

    #[test]
    fn who_else_may_see_the_record_is_told() {
        let well = (Level::Ok, "root alone");
        for (mode, uid, level, what) in [
            (0o40700, 0, Level::Ok, "owner's alone"),
            (0o40700, 900, Level::Ok, "owner's alone"),
            (0o40750, 0, Level::Warning, "mode 0750"),
            (0o40700, 1000, Level::Failure, "uid 1000"),
        ] {
            check(entry(0o100644, 0, 0), Some(entry(mode, uid, 0)), [well, (level, what)]);
        }
    }

    #[test]
    fn folders_above_count_and_policies_within() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portreeve.yaml");
        let policies = folder.path().join("policies");
        fs::create_dir(&policies).unwrap();
        fs::write(policies.join("a.yaml"), "").unwrap();
        fs::write(policies.join("notes"), "").unwrap();
        let keys = folder.path().join("keys.json");
        fs::write(&keys, "{}").unwrap();
        let text = format!(
            "policies: [{}]\nresources: {{}}\nidentity: {{tokens: [{{issuer: a, audience: b, keys_file: {}}}]}}\n",
            policies.display(),
            keys.display()
        );
        fs::write(&file, &text).unwrap();
        let config: Config = serde_saphyr::from_str(&text).unwrap();
        let found: Vec<_> = look(&file, Some(&config)).read.into_iter().map(|entry| entry.path).collect();
        for expect in [Path::new("/"), folder.path(), &file, &policies, &policies.join("a.yaml"), &keys] {
            assert!(found.iter().any(|path| path == expect), "{expect:?} in {found:?}");
        }
        assert!(!found.contains(&policies.join("notes")));
    }
}
