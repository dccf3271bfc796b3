//! Whether there is room for the record: without it no statement runs.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::finding::{Area, Finding};
use super::stage::Stage;
use crate::intercept::inspect::Seen;
use crate::recorder;
use crate::recorder::folder;

/// So few free inodes are few.
const FEW_INODES: u64 = 1000;

/// What is known of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    /// The folder of the evidence, or its nearest parent that is there.
    pub(super) folder: PathBuf,
    pub(super) space: Seen<Space>,
    /// What all segments take, in bytes; none if that may not be seen.
    pub(super) used: Option<u64>,
    /// What they may take.
    pub(super) budget: u64,
    /// What one of them takes.
    pub(super) segment: u64,
    /// Whether they are taken away once they have been shipped.
    pub(super) shipped: bool,
}

/// What a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) free: u64,
    /// None where the file system makes them as they are needed.
    pub(super) free_inodes: Option<u64>,
    pub(super) read_only: bool,
}

/// Looks at the disk of the evidence.
pub(super) fn look(config: &recorder::Config, shipped: bool) -> Disk {
    let directory = config.directory.as_path();
    let there = directory.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let used = match folder::scan(directory) {
        Ok(segments) => Some(segments.iter().map(|segment| segment.len).sum()),
        Err(recorder::Error::Folder { source, .. }) if source.kind() == io::ErrorKind::NotFound => Some(0),
        Err(_) => None,
    };
    Disk {
        space: statvfs(there).map(space).map_err(Into::into),
        folder: there.to_path_buf(),
        used,
        budget: config.disk_budget,
        segment: config.segment_bytes,
        shipped,
    }
}

fn space(found: rustix::fs::StatVfs) -> Space {
    Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        free_inodes: (found.f_files > 0).then_some(found.f_favail),
        read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
    }
}

/// What that comes to.
pub(super) fn judge(disk: &Disk, stage: &Stage) -> Vec<Finding> {
    let mut findings = match &disk.space {
        Err(unseen) => vec![stage.unseen(Area::Disk, "free", &disk.folder.display().to_string(), unseen)],
        Ok(space) => vec![free(disk, space), inodes(disk, space)],
    };
    findings.push(budget(disk));
    findings
}

fn free(disk: &Disk, space: &Space) -> Finding {
    const CHECK: &str = "free";
    let folder = disk.folder.display();
    if space.read_only {
        return Finding::failure(Area::Disk, CHECK, format!("{folder} is on a read-only file system"))
            .why("no record can be written, so that no statement runs")
            .cure("mount it for writing, or choose another evidence.directory");
    }
    let what = format!("{folder} has {} free", size(space.free));
    let wanted = disk.budget.saturating_sub(disk.used.unwrap_or(0));
    if space.free < disk.segment {
        Finding::failure(Area::Disk, CHECK, what)
            .why(format!(
                "that is less than a segment of {}; when it is used up no statement runs",
                size(disk.segment)
            ))
            .cure("make room")
    } else if space.free < wanted {
        Finding::warning(Area::Disk, CHECK, what)
            .why(format!("the record may take {} more, by evidence.disk_budget", size(wanted)))
            .cure("make room, or lower evidence.disk_budget")
    } else {
        Finding::ok(Area::Disk, CHECK, what)
    }
}

fn inodes(disk: &Disk, space: &Space) -> Finding {
    const CHECK: &str = "inodes";
    match space.free_inodes {
        Some(few) if few < FEW_INODES => {
            Finding::warning(Area::Disk, CHECK, format!("{} has {few} free inodes", disk.folder.display()))
                .why("each segment is a file")
                .cure("remove small files that nobody needs")
        }
        _ => Finding::ok(Area::Disk, CHECK, format!("{} has inodes enough", disk.folder.display())),
    }
}

/// The recorder refuses sessions at nine tenths and statements at all of it.
fn budget(disk: &Disk) -> Finding {
    const CHECK: &str = "budget";
    let Some(used) = disk.used else {
        return Finding::note(Area::Disk, CHECK, "what the record takes may not be seen");
    };
    let what = format!("the record takes {} of {}", size(used), size(disk.budget));
    let cure = match disk.shipped {
        true => "see the area store: what was shipped makes room",
        false => "raise evidence.disk_budget, configure a store, or move old boots' folders away",
    };
    let tenths = |tenths: u64| disk.budget / 10 * tenths;
    match used {
        used if used >= tenths(9) => Finding::failure(Area::Disk, CHECK, what)
            .why("at nine tenths new sessions are refused")
            .cure(cure),
        // What was shipped is kept up to three quarters.
        used if used >= tenths(8) => Finding::warning(Area::Disk, CHECK, what)
            .why("at nine tenths new sessions are refused")
            .cure(cure),
        _ => Finding::ok(Area::Disk, CHECK, what),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 10 << 30 => format!("{} GiB", bytes >> 30),
        bytes if bytes >= 10 << 20 => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{expected::bad_are, finding::Level};
    use super::*;
    use crate::intercept::inspect::Unseen;

    const MIB: u64 = 1 << 20;

    fn disk(free: u64, used: u64) -> Disk {
        Disk {
            folder: "/var/lib/portreeve/evidence".into(),
            space: Ok(Space { free, free_inodes: Some(50_000), read_only: false }),
            used: Some(used),
            budget: 1000 * MIB,
            segment: 64 * MIB,
            shipped: false,
        }
    }

    #[track_caller]
    fn check(disk: &Disk, expect: &[(&str, Level, &str)]) {
        let findings = judge(disk, &Stage { restricted: true, ..Stage::default() });
        bad_are(&findings, expect);
    }

    #[test]
    fn room_is_measured_against_what_the_record_may_still_take() {
        check(&disk(1000 * MIB, 0), &[]);
        check(&disk(999 * MIB, 0), &[("free", Level::Warning, "999 MiB free")]);
        check(&disk(600 * MIB, 400 * MIB), &[]);
        check(&disk(63 * MIB, 400 * MIB), &[("free", Level::Failure, "63 MiB free")]);
    }

    #[test]
    fn a_budget_is_full_before_it_is_used_up() {
        check(&disk(5000 * MIB, 799 * MIB), &[]);
        check(&disk(5000 * MIB, 800 * MIB), &[("budget", Level::Warning, "800 MiB of 1000 MiB")]);
        check(&disk(5000 * MIB, 900 * MIB), &[("budget", Level::Failure, "900 MiB of 1000 MiB")]);
        check(&Disk { used: None, ..disk(5000 * MIB, 0) }, &[("budget", Level::Note, "may not be seen")]);
    }

    #[test]
    fn a_disk_that_takes_no_file_is_told() {
        let with = |space| Disk { space: Ok(space), ..disk(0, 0) };
        let space = Space { free: 5000 * MIB, free_inodes: Some(50_000), read_only: false };
        check(&with(Space { read_only: true, ..space }), &[("free", Level::Failure, "read-only")]);
        check(
            &with(Space { free_inodes: Some(999), ..space }),
            &[("inodes", Level::Warning, "999 free inodes")],
        );
        check(&with(Space { free_inodes: None, ..space }), &[]);
        let unseen = Unseen { denied: true, why: "no".to_owned() };
        check(&Disk { space: Err(unseen), ..disk(0, 0) }, &[("free", Level::Note, "could not be looked at")]);
    }

    #[test]
    fn the_folder_that_is_not_there_yet_is_measured_where_it_will_be() {
        let folder = tempfile::tempdir().unwrap();
        let config = recorder::Config { directory: folder.path().join("a/b"), ..recorder::Config::default() };
        let found = look(&config, false);
        assert_eq!((found.folder.as_path(), found.used), (folder.path(), Some(0)));
        assert!(found.space.unwrap().free > 0);
    }
}
