//! Policies and the cases beside them.

use std::path::{Path, PathBuf};

use policy::{CaseFile, Policy};

use crate::config::{CASES, PoliciesError, PolicyFile, in_folder, read_policies};

/// A file's name and text.
pub(super) type File = PolicyFile;

/// The policy of these documents, and of the documents in these folders in the order of their names, over a base.
pub(super) fn policy(base: &[PathBuf], paths: &[PathBuf]) -> Result<Policy, PoliciesError> {
    read_policies(base, paths).map(|(policy, _)| policy)
}

/// The cases files of a folder, each with the policy that it is about.
pub(super) fn cases(folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>, PoliciesError> {
    let found = in_folder(folder, |name| name.ends_with(CASES))?;
    if found.is_empty() {
        return Err(PoliciesError::Nothing { what: "cases file (*.cases.yaml)", path: folder.to_owned() });
    }
    let pair = |cases: PathBuf| {
        let name = cases.file_name().unwrap_or_default().to_string_lossy().replace(CASES, ".yaml");
        (cases.with_file_name(name), cases)
    };
    Ok(found.into_iter().map(pair).collect())
}

/// The policies of a folder that have no cases.
pub(super) fn without_cases(folder: &Path) -> Result<Vec<PathBuf>, PoliciesError> {
    let found = in_folder(folder, |name| name.ends_with(".yaml") && !name.ends_with(CASES))?;
    Ok(found.into_iter().filter(|policy| !policy.with_extension("cases.yaml").exists()).collect())
}

/// The cases beside these documents, and in these folders.
pub(super) fn beside(paths: &[PathBuf]) -> Result<Vec<CaseFile>, PoliciesError> {
    let mut found = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => found.extend(in_folder(path, |name| name.ends_with(CASES))?),
            false => found.extend(Some(path.with_extension("cases.yaml")).filter(|cases| cases.exists())),
        }
    }
    let read = |path: PathBuf| {
        let file = File::read(path)?;
        CaseFile::parse(&file.document()).map_err(PoliciesError::Documents)
    };
    found.into_iter().map(read).collect()
}
