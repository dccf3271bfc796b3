//! The order of packages, out of `cargo metadata`.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process::{cargo, output};

/// A package and those of ours that it may know.
const ORDER: [(&str, &[&str]); 10] = [
    ("pgwire", &[]),
    ("policy", &[]),
    ("agent-ebpf", &[]),
    ("sql", &["policy"]),
    ("masking", &["policy", "pgwire"]),
    ("evidence", &["policy"]),
    ("session", &["pgwire", "policy", "sql", "masking", "evidence"]),
    ("portreeve", &["pgwire", "policy", "sql", "masking", "evidence", "session", "agent-ebpf"]),
    // They use the program and its build from outside; the stories forge records, which needs their format, and a
    // benchmark judges without a daemon.
    ("e2e", &["policy", "sql", "evidence", "session"]),
    ("xtask", &[]),
];

/// The packages that do no I/O and read no clock.
const PURE: [&str; 6] = ["pgwire", "policy", "sql", "masking", "evidence", "session"];

/// What would let them, by its name or by what its name begins with and a hyphen.
const IMPURE: [&str; 10] =
    ["aya", "async", "futures", "libc", "mio", "nix", "rustix", "rustls", "socket2", "tokio"];

/// A package with what it depends on.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// A declared dependency.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Only tests and build scripts see it.
    pub(super) only_aside: bool,
}

/// Asks cargo.
///
/// # Errors
///
/// The workspace cannot be read.
pub(super) fn read(workspace: &Path) -> Result<Vec<Package>> {
    let metadata =
        output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(workspace))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let list = |value: &Value, key: &str| -> Result<Vec<Value>> {
        Ok(value[key].as_array().with_context(|| format!("cargo metadata: no {key}"))?.clone())
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list(&metadata, "packages")?
        .iter()
        .map(|package| {
            let dependencies = list(package, "dependencies")?
                .iter()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    // "dev" or "build"; null for the ordinary ones.
                    only_aside: dependency["kind"].is_string(),
                })
                .collect();
            Ok(Package { name: text(&package["name"]), dependencies })
        })
        .collect()
}

/// What breaks the order.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for Package { name, dependencies } in packages {
        let Some((_, allowed)) = ORDER.iter().find(|(known, _)| known == name) else {
            violations
                .push(format!("package {name} has no place in the order (xtask/src/layers/packages.rs)"));
            continue;
        };
        for dependency in dependencies {
            let is_ours = ORDER.iter().any(|(ours, _)| *ours == dependency.name);
            if is_ours && !allowed.contains(&dependency.name.as_str()) {
                violations.push(format!("package {name} must not know {}", dependency.name));
            }
            let is_impure = IMPURE.iter().any(|impure| {
                let rest = dependency.name.strip_prefix(impure);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            });
            if PURE.contains(&name.as_str()) && is_impure && !dependency.only_aside {
                violations.push(format!("package {name} is pure and must not know {}", dependency.name));
            }
            if dependency.name == "sqlparser" && name != "sql" {
                violations.push(format!("package {name} must not know sqlparser: it belongs to sql"));
            }
        }
    }
    violations
}
