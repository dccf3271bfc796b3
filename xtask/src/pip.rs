//! What PyPI holds, by Debian's pip.

use std::{path::Path, process::Command};

use anyhow::Result;

use crate::{
    debian::{self, Package},
    process::output,
};

/// Debian's: the job may not be able to read another's files.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Finds pip, or installs it.
///
/// # Errors
///
/// It is missing and cannot be installed; with the cure.
pub(crate) fn ensure() -> Result<()> {
    debian::ensure(&[
        Package { name: "python3", is_there: || Path::new(PYTHON).is_file() },
        Package { name: "python3-pip", is_there: || output(&mut pip(&["--version"])).is_ok() },
    ])
}

/// pip with these arguments.
pub(crate) fn pip(arguments: &[&str]) -> Command {
    let mut command = Command::new(PYTHON);
    command.args(["-m", "pip"]).args(arguments).env("PIP_ROOT_USER_ACTION", "ignore");
    command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    command
}
