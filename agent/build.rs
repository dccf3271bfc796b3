//! Embeds the kernel side that `cargo xtask build-ebpf` built, if it was built from the sources as they
//! are now. Otherwise the agent compiles without it and says so when it starts.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

#[path = "../agent-ebpf/object.rs"]
mod object;

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = manifest.parent().unwrap_or(Path::new("."));
    let (name, sources) = object::object_name(workspace, &variable("CARGO_CFG_TARGET_ARCH")?)?;
    for source in &sources {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    println!("cargo::rerun-if-changed={}", workspace.join("agent-ebpf/src").display());
    println!("cargo::rerun-if-changed={}", workspace.join("agent-ebpf/object.rs").display());
    println!("cargo::rerun-if-env-changed=PORTREEVE_CACHE");
    println!("cargo::rerun-if-env-changed=XDG_CACHE_HOME");

    // Cargo takes a watched path that does not exist as changed, at every build; so the folder is
    // made. xtask puts the object there too, which is what wakes this script.
    let here = object::checkout_dir(workspace);
    if fs::create_dir_all(&here).is_ok() {
        println!("cargo::rerun-if-changed={}", here.display());
    }
    let cached = object::cache_dir().map(|cache| cache.join("ebpf").join(&name));
    let found = [Some(here.join(&name)), cached].into_iter().flatten().find(|path| path.is_file());

    let embedded = PathBuf::from(variable("OUT_DIR")?).join("portreeve-ebpf.o");
    match found {
        Some(object) => drop(fs::copy(object, &embedded)?),
        None => {
            println!(
                "cargo::warning=without the kernel side, `portreeve run` will refuse to start: run `cargo xtask build-ebpf`"
            );
            fs::write(&embedded, [])?;
        }
    }
    println!("cargo::rustc-env=PORTREEVE_EBPF_OBJECT={}", embedded.display());
    Ok(())
}
