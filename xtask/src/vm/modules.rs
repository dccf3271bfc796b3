//! Which of a kernel's modules go into the machine, and in which order they are loaded.
//!
//! The machine loads all of them at its start and none later: it has no udev, and a test that needs a module shall
//! not depend on the kernel asking for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};

/// What the interception and its tests stand on, where a kernel has it as modules.
const WANTED: [&str; 22] = [
    // Networks and namespaces.
    "ipv6",
    "veth",
    "bridge",
    "macvlan",
    "dummy",
    "tun",
    // Packets below the sockets.
    "sch_ingress",
    "cls_bpf",
    "act_bpf",
    // Finding and ending connections.
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    // Rewriting destinations with `nft`.
    "nf_tables",
    "nf_conntrack",
    "nf_nat",
    "nft_chain_nat",
    "nft_nat",
    "nft_redir",
    "nft_masq",
    "nft_ct",
    "nft_reject_inet",
    "nf_conntrack_netlink",
];

/// The modules for a machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Modules {
    /// Files below the kernel's folder of modules; each after all that it depends on.
    pub(super) files: Vec<String>,
    /// Wanted, and neither a module nor built into the kernel.
    pub(super) absent: Vec<String>,
}

impl Modules {
    /// Reads a folder `lib/modules/VERSION`.
    ///
    /// # Errors
    ///
    /// It has no index of its modules; with the cure.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            fs::read_to_string(folder.join(name)).with_context(|| {
                format!(
                    "{} has no {name}\ncure: depmod -b BASE VERSION, where this folder is BASE/lib/modules/VERSION",
                    folder.display()
                )
            })
        };
        Ok(Self::choose(&WANTED, &read("modules.dep")?, &read("modules.builtin")?))
    }

    /// Out of depmod's `modules.dep`, whose lines are `FILE: FILES THAT IT NEEDS`, and the kernel's `modules.builtin`,
    /// whose lines are the files that its built-in modules would have had.
    fn choose(wanted: &[&str], dependencies: &str, builtin: &str) -> Self {
        let index: BTreeMap<String, (&str, Vec<&str>)> = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(file, needs)| (name(file), (file, needs.split_whitespace().collect())))
            .collect();
        let builtin: BTreeSet<String> = builtin.lines().map(name).collect();
        let mut modules = Self::default();
        let mut seen = BTreeSet::new();
        for &module in wanted {
            if index.contains_key(module) {
                add(module, &index, &mut seen, &mut modules.files);
            } else if !builtin.contains(module) {
                modules.absent.push(module.to_owned());
            }
        }
        modules
    }
}

fn add(
    module: &str,
    index: &BTreeMap<String, (&str, Vec<&str>)>,
    seen: &mut BTreeSet<String>,
    files: &mut Vec<String>,
) {
    if !seen.insert(module.to_owned()) {
        return;
    }
    let Some((file, needs)) = index.get(module) else { return };
    for need in needs {
        add(&name(need), index, seen, files);
    }
    files.push((*file).to_owned());
}

/// `nf_nat` of `kernel/net/netfilter/nf-nat.ko.xz`: the kernel takes hyphens as underscores.
fn name(file: &str) -> String {
    let file = file.rsplit('/').next().unwrap_or(file);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/net/veth.ko.xz:
kernel/net/nf-nat.ko.xz: kernel/net/nf_conntrack.ko.xz kernel/lib/libcrc32c.ko.xz kernel/net/nf_defrag.ko.xz
kernel/net/nf_conntrack.ko.xz: kernel/net/nf_defrag.ko.xz kernel/lib/libcrc32c.ko.xz
kernel/net/nf_defrag.ko.xz:
kernel/lib/libcrc32c.ko.xz:
kernel/net/other.ko.xz: kernel/net/veth.ko.xz
";
    const BUILTIN: &str = "kernel/net/ipv6/ipv6.ko\nkernel/lib/crc-t10.ko\n";

    #[track_caller]
    fn check(wanted: &[&str], files: &[&str], absent: &[&str]) {
        let owned = |list: &[&str]| list.iter().map(|&each| each.to_owned()).collect::<Vec<_>>();
        let expect = Modules { files: owned(files), absent: owned(absent) };
        assert_eq!(Modules::choose(wanted, DEPENDENCIES, BUILTIN), expect);
    }

    #[test]
    fn a_module_comes_after_all_that_it_depends_on_and_once() {
        check(&["veth"], &["kernel/net/veth.ko.xz"], &[]);
        check(
            &["nf_nat", "nf_conntrack"],
            &[
                "kernel/net/nf_defrag.ko.xz",
                "kernel/lib/libcrc32c.ko.xz",
                "kernel/net/nf_conntrack.ko.xz",
                "kernel/net/nf-nat.ko.xz",
            ],
            &[],
        );
    }

    #[test]
    fn what_is_built_in_needs_no_file_and_what_is_nowhere_is_named() {
        check(&["ipv6", "crc_t10", "veth", "tun"], &["kernel/net/veth.ko.xz"], &["tun"]);
        check(&["vet", "ko"], &[], &["vet", "ko"]);
    }
}
