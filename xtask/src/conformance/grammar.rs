//! What we read of statements beside what PostgreSQL's own grammar reads: `tests/grammar`, which is built here with that
//! grammar as a library, outside of the default build.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::regress;
use crate::{
    cache::Cache,
    debian::{Package, ensure},
    pip::{self, pip},
    postgres::{Installed, MAJORS, Major},
    process::{cargo, exists, output, run as run_command, say, workspace},
};

/// What makes Rust of the library's C header; a package of PyPI holds it without the rest of its compiler.
const LIBCLANG: &str = "18.1.1";

/// What `capture/orms.py` imports.
const ORMS: [&str; 8] = [
    "sqlalchemy==2.1.9",
    "psycopg2-binary==2.9.13",
    "psycopg[binary]==3.3.9",
    "pg8000==1.31.6",
    "django==5.2.8",
    "peewee==3.18.3",
    "alembic==1.20.1",
    "asyncpg==0.32.0",
];

/// What `capture/orms.js` requires.
const MODULES: [&str; 9] = [
    "pg@8.23.1",
    "knex@3.3.0",
    "sequelize@6.37.8",
    "pg-hstore@2.3.4",
    "typeorm@0.3.27",
    "reflect-metadata@0.2.2",
    "drizzle-orm@0.45.4",
    "kysely@0.27.6",
    "postgres@3.4.9",
];

/// Its arguments, which are those of the program itself.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// So many mutated texts as well
    #[arg(long, default_value_t = 0)]
    mutations: u64,
    /// Mutated texts for so many minutes
    #[arg(long)]
    minutes: Option<f64>,
    /// Which mutated texts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first mutated text, as an earlier run told it
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// So many causes of what is not understood
    #[arg(long, default_value_t = 25)]
    causes: usize,
    /// Let tools work with a server, and keep what they send as `tests/grammar/tools.sql`
    #[arg(long)]
    capture: bool,
    /// Only this text: tell both readings
    #[arg(long, value_name = "SQL")]
    text: Option<String>,
}

/// The command.
///
/// # Errors
///
/// It cannot be built, or there are dangerous differences that are not in `tests/grammar/known`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cache = Cache::open()?;
    if args.capture {
        return capture(&cache);
    }
    let regress = [
        ("regress 15", regress::files_of_suite(&cache, "15", "bookworm")?),
        ("regress 18", regress::files_of_suite(&cache, "18", "sid")?),
    ];
    let mut words: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: String| words.extend([OsString::from(name), value.into()]);
    option("--mutations", args.mutations.to_string());
    option("--seed", args.seed.to_string());
    option("--first", args.first.to_string());
    option("--causes", args.causes.to_string());
    if let Some(minutes) = args.minutes {
        option("--minutes", minutes.to_string());
    }
    if let Some(text) = &args.text {
        option("--text", text.clone());
    }
    let mut command = Command::new(build(&cache)?);
    command.arg("--files").arg(folder()).args(words).arg("--figures").arg(workspace().join("README.md"));
    for (name, files) in &regress {
        command.arg("--regress").arg(name).arg(files.join("sql"));
    }
    run_command(&mut command)
}

/// Mutated texts that CI tries.
const QUICK: &str = "200000";

/// The corpora that are in the tree, and some mutated texts of them: nothing is fetched but the library.
///
/// # Errors
///
/// As [`run`].
pub(super) fn quick() -> Result<()> {
    let mut command = Command::new(build(&Cache::open()?)?);
    command.arg("--files").arg(folder()).args(["--mutations", QUICK, "--causes", "5", "--figures"]);
    run_command(command.arg(workspace().join("README.md")))
}

/// What tools send, by a server that logs it.
fn capture(cache: &Cache) -> Result<()> {
    ensure(&[
        Package { name: "npm", is_there: || exists("npm") },
        Package { name: "openjdk-17-jdk-headless", is_there: || exists("javac") },
        Package {
            name: "libpostgresql-jdbc-java",
            is_there: || Path::new("/usr/share/java/postgresql.jar").exists(),
        },
    ])?;
    let packages = cache.fill("grammar-packages-2", |folder| {
        say("fetching what the tools are made of");
        pip::ensure()?;
        run_command(pip(&["install", "--quiet", "--target"]).arg(folder).args(ORMS))
    })?;
    let modules = cache.fill("grammar-modules-2", |folder| {
        say("fetching Node's tools");
        let mut install = Command::new("npm");
        install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(folder);
        run_command(install.args(MODULES))
    })?;
    let newest = Major::new(*MAJORS.end())?;
    let script = folder().join("capture/capture.sh");
    let programs = format!("/usr/lib/postgresql/{}/bin", Installed::find()?.major);
    let mut capture = Command::new(script);
    capture.env("PACKAGES", packages).env("MODULES", modules).env("PROGRAMS", programs);
    let sent = output(capture.env("NEWER", newest.programs()))?;
    let file = folder().join("tools.sql");
    std::fs::write(&file, sent).with_context(|| format!("cannot write {}", file.display()))
}

fn folder() -> PathBuf {
    workspace().join("tests/grammar")
}

/// Builds the program; the library, which takes some minutes, once for all clones.
fn build(cache: &Cache) -> Result<PathBuf> {
    ensure(&[Package { name: "gcc", is_there: || exists("gcc") }])?;
    let libclang = libclang(cache)?;
    // bindgen's library comes without the headers of a compiler; gcc's do.
    let headers = output(Command::new("gcc").arg("-print-file-name=include"))?;
    let target = cache.path("build/grammar");
    say("building PostgreSQL's grammar and what compares with it (the first time some minutes)");
    let mut build = cargo();
    build
        .args(["build", "--quiet", "--release", "--locked", "--target-dir"])
        .arg(&target)
        .env("LIBCLANG_PATH", libclang.join("clang/native"))
        .env("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{}", headers.trim_end()))
        .current_dir(folder());
    run_command(&mut build)?;
    // Another clone's build may take its place in the shared folder.
    let program = workspace().join("target/grammar");
    copy(&target.join("release/grammar"), &program)?;
    Ok(program)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // One that runs keeps its file.
    let _ = std::fs::remove_file(to);
    std::fs::copy(from, to).map(drop).with_context(|| format!("cannot make {}", to.display()))
}

fn libclang(cache: &Cache) -> Result<PathBuf> {
    cache.fill(&format!("libclang-{LIBCLANG}"), |folder| {
        say("fetching libclang");
        pip::ensure()?;
        let mut install = pip(&["install", "--quiet", "--no-deps", "--target"]);
        run_command(install.arg(folder).arg(format!("libclang=={LIBCLANG}")))
    })
}
