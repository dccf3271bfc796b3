//! The order of the agent's modules, out of the paths in their sources.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::paths::{Root, roots};

/// Outermost first. A module knows those of the rows below its own; those of one row never each other.
const ORDER: [&[&str]; 8] = [
    &["main"],
    &["cli"],
    &["daemon", "centre"],
    &["config"],
    &["proxy"],
    &[
        "intercept",
        "identity",
        "names",
        "authority",
        "catalog",
        "credentials",
        "approvals",
        "recorder",
        "store",
    ],
    &["drain", "end_point", "secret"],
    &["trusted"],
];

/// A source file of the agent.
pub(super) struct Source {
    /// Its path below `agent/src`, like `proxy/upstream.rs`.
    pub(super) path: String,
    pub(super) text: String,
}

/// Reads all sources below a folder.
///
/// # Errors
///
/// One cannot be read.
pub(super) fn read(folder: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let path = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

/// What breaks the order.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for Source { path, text } in sources {
        // `a/b.rs` is the module `a::b`; its depth is what `super` counts down.
        let module: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
        let Some(&here) = module.first() else { continue };
        if path == "lib.rs" {
            continue;
        }
        let Some(row) = row(here) else {
            violations
                .push(format!("{path}: {here} has no place in the order (xtask/src/layers/modules.rs)"));
            continue;
        };
        for (line, root) in roots(text, module.len()) {
            let wrong = match root {
                Root::Module(name) if name == here => continue,
                Root::Module(name) => match self::row(&name) {
                    Some(theirs) if theirs > row => continue,
                    Some(theirs) if theirs == row => format!("{here} and {name} never know each other"),
                    Some(_) => format!("{here} must not know {name}"),
                    None => format!("crate::{name} has no place in the order"),
                },
                Root::Everything => "a glob over the whole crate hides who is known".to_owned(),
            };
            violations.push(format!("{path}:{line}: {wrong}"));
        }
    }
    violations
}

fn row(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}
