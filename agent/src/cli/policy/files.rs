//! Finding and reading policy documents and cases.

use std::fs;
use std::path::{Path, PathBuf};

use policy::{Document, Policy};

use super::Error;

const CASES: &str = ".cases.yaml";

/// A file's name and text.
pub(super) struct File {
    pub(super) path: PathBuf,
    name: String,
    text: String,
}

impl File {
    pub(super) fn read(path: PathBuf) -> Result<Self, Error> {
        let name = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(File { path, name, text }),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    pub(super) fn document(&self) -> Document<'_> {
        Document { name: &self.name, text: &self.text }
    }
}

/// The policy of these documents, and of the documents in these folders in the order of their names.
pub(super) fn policy(paths: &[PathBuf]) -> Result<Policy, Error> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = in_folder(path, |name| name.ends_with(".yaml") && !name.ends_with(CASES))?;
            if found.is_empty() {
                return Err(Error::Nothing { what: "policy document (*.yaml)", path: path.clone() });
            }
            files.extend(found.into_iter().map(File::read));
        } else {
            files.push(File::read(path.clone()));
        }
    }
    let files = files.into_iter().collect::<Result<Vec<File>, Error>>()?;
    let documents: Vec<Document<'_>> = files.iter().map(File::document).collect();
    Policy::parse(&documents).map_err(Error::Documents)
}

/// The cases files of a folder, each with the policy that it is about.
pub(super) fn cases(folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let found = in_folder(folder, |name| name.ends_with(CASES))?;
    if found.is_empty() {
        return Err(Error::Nothing { what: "cases file (*.cases.yaml)", path: folder.to_owned() });
    }
    let pair = |cases: PathBuf| {
        let name = cases.file_name().unwrap_or_default().to_string_lossy().replace(CASES, ".yaml");
        (cases.with_file_name(name), cases)
    };
    Ok(found.into_iter().map(pair).collect())
}

/// The policies of a folder that have no cases.
pub(super) fn without_cases(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let found = in_folder(folder, |name| name.ends_with(".yaml") && !name.ends_with(CASES))?;
    Ok(found.into_iter().filter(|policy| !policy.with_extension("cases.yaml").exists()).collect())
}

/// Sorted by name, so that the order of rules does not hang on the file system.
fn in_folder(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
    let error = |source| Error::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        if entry.file_name().to_str().is_some_and(&wanted) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
