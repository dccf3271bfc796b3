//! The capabilities that matter here (capabilities(7)).

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Capability {
    /// Read any file.
    DacReadSearch = 2,
    /// Change networks; with [`Self::Bpf`], attach programs.
    NetAdmin = 12,
    /// Raw and packet sockets.
    NetRaw = 13,
    /// Look into any process.
    SysPtrace = 19,
    /// Nearly everything.
    SysAdmin = 21,
    /// Load programs and reach maps.
    Bpf = 39,
}

impl Capability {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Capability::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Capability::NetAdmin => "CAP_NET_ADMIN",
            Capability::NetRaw => "CAP_NET_RAW",
            Capability::SysPtrace => "CAP_SYS_PTRACE",
            Capability::SysAdmin => "CAP_SYS_ADMIN",
            Capability::Bpf => "CAP_BPF",
        }
    }

    /// Whether a set has it.
    pub(super) fn is_in(self, set: u64) -> bool {
        set & (1 << self as u32) != 0
    }
}

/// The effective set in the text of `/proc/PID/status`.
pub(super) fn effective(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_from_the_status_of_a_process() {
        let set = effective("Name:\tx\nCapPrm:\tffff\nCapEff:\t0000008000003000\nCapBnd:\t0\n").unwrap();
        let of = |all: &[Capability]| all.iter().map(|one| one.is_in(set)).collect::<Vec<_>>();
        assert_eq!(of(&[Capability::NetAdmin, Capability::NetRaw, Capability::Bpf]), [true; 3]);
        assert_eq!(of(&[Capability::SysAdmin, Capability::DacReadSearch, Capability::SysPtrace]), [false; 3]);
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
