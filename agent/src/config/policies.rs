//! Policy documents on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use policy::{Document, DocumentError, Policy};

/// What cases files end in: they stand beside the documents and are none.
pub(crate) const CASES: &str = ".cases.yaml";

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to read in a folder.
    #[error("there is no {what} in {}", path.display())]
    Nothing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// A file looks like a document and is not read as one.
    #[error("{} would not be read; name it {}, or move it elsewhere", path.display(), meant.display())]
    Misnamed {
        /// Which.
        path: PathBuf,
        /// What it is named if it is one.
        meant: PathBuf,
    },
    /// Documents are wrong. One line for each mistake.
    #[error("{}", lines(.0))]
    Documents(Vec<DocumentError>),
}

fn lines(errors: &[DocumentError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A file's name and text.
#[derive(Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What errors call it.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl File {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not UTF-8.
    pub fn read(path: PathBuf) -> Result<Self, Error> {
        let name = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(File { path, name, text }),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// As the policy takes it.
    pub fn document(&self) -> Document<'_> {
        Document { name: &self.name, text: &self.text }
    }
}

/// The policy of these documents, and of the documents in these folders in the order of their names; and the
/// names of all of them. Where `base` names any, only those are the base's.
///
/// # Errors
///
/// What cannot be read, or every mistake with its place.
pub fn read(base: &[PathBuf], paths: &[PathBuf]) -> Result<(Policy, Vec<String>), Error> {
    let (base, files) = (files(base)?, files(paths)?);
    let over: Vec<Document<'_>> = base.iter().map(File::document).collect();
    let documents: Vec<Document<'_>> = files.iter().map(File::document).collect();
    let policy =
        if base.is_empty() { Policy::parse(&documents) } else { Policy::parse_over(&over, &documents) };
    let policy = policy.map_err(Error::Documents)?;
    Ok((policy, base.into_iter().chain(files).map(|file| file.name).collect()))
}

fn files(paths: &[PathBuf]) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            all_named(path)?;
            let found = in_folder(path, |name| name.ends_with(".yaml") && !name.ends_with(CASES))?;
            if found.is_empty() {
                return Err(Error::Nothing { what: "policy document (*.yaml)", path: path.clone() });
            }
            files.extend(found.into_iter().map(File::read));
        } else {
            files.push(File::read(path.clone()));
        }
    }
    files.into_iter().collect()
}

/// What a rule denies that nobody reads is not denied: a document under another ending (`base.yml`) is a mistake.
fn all_named(folder: &Path) -> Result<(), Error> {
    let misnamed = |name: &str| {
        let name = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        name != "yaml" && ["yml", "yaml"].iter().any(|ending| name.eq_ignore_ascii_case(ending))
    };
    match in_folder(folder, misnamed)?.into_iter().next() {
        Some(path) => Err(Error::Misnamed { meant: path.with_extension("yaml"), path }),
        None => Ok(()),
    }
}

/// The files of a folder, sorted by name, so that the order of rules does not hang on the file system.
///
/// # Errors
///
/// The folder cannot be read.
pub fn in_folder(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
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
