use serde_json::json;

use super::super::finding::Level;
use super::*;
use crate::intercept::inspect::{Hook, HookState, Namespace, Settings, Tcx, Unseen};
use crate::intercept::{Content, Existing};

const PROGRAMS: [&str; 9] = [
    "sock_ops",
    "getpeername4",
    "getpeername6",
    "bind4",
    "bind6",
    "sock_create",
    "connect4",
    "connect6",
    "guard",
];

/// A machine where everything is in place.
struct Machine {
    config: Config,
    kernel: Kernel,
    pins: Pins,
    namespaces: Seen<Namespaces>,
    status: Option<Value>,
    service: Option<Service>,
    stage: Stage,
}

impl Machine {
    fn new() -> Self {
        let hook = |program| Hook { program, state: Ok(HookState::InForce), tag: None, followers: vec![] };
        let pinned = Pinned {
            private: true,
            difference: Ok(None),
            settings: Some(Settings { looks: true, refuses: false, syn_retries: 11 }),
            hooks: PROGRAMS.into_iter().map(hook).collect(),
            interfaces: vec![4, 5],
        };
        let interface = |(name, index, kind): (&str, u32, &str)| Interface {
            name: name.to_owned(),
            index,
            kind: kind.to_owned(),
            entrance: kind == "veth",
        };
        let home = Namespace {
            known_by: "home".to_owned(),
            home: true,
            listening: true,
            interfaces: Ok([("a", 4, "veth"), ("b", 5, "veth"), ("br", 6, "bridge")].map(interface).to_vec()),
        };
        Machine {
            config: Config::default(),
            kernel: Kernel {
                release: "6.12.0".to_owned(),
                programs: Ok(vec![]),
                btf: true,
                netns_cookie: Ok(()),
                sock_destroy: Ok(()),
                tcx: Tcx::Attached,
            },
            pins: Pins {
                directory: "/sys/fs/bpf/portreeve".into(),
                bpffs: Ok(true),
                holder: Some(9),
                pinned: Ok(Some(pinned)),
            },
            namespaces: Ok(Namespaces { list: true, entered: vec![home], unentered: vec![] }),
            status: Some(json!({"interface_guard": {"active": 2}, "detached_programs": 0})),
            service: Some(Service {
                unit: "portreeve.service".to_owned(),
                stored_most: Some(4096),
                stored: 2,
                stop_seconds: Some(40),
            }),
            stage: Stage { daemon: true, ..Stage::default() },
        }
    }

    fn pinned(&mut self) -> &mut Pinned {
        self.pins.pinned.as_mut().unwrap().as_mut().unwrap()
    }

    fn set(&mut self, program: &str, state: HookState) {
        let hook = self.pinned().hooks.iter_mut().find(|hook| hook.program == program).unwrap();
        hook.state = Ok(state);
    }

    /// Exactly these are worse than well.
    #[track_caller]
    fn check(&self, expect: &[(&str, Level, &str)]) {
        let layers = Layers {
            config: &self.config,
            kernel: &self.kernel,
            pins: &self.pins,
            namespaces: &self.namespaces,
            status: self.status.as_ref(),
            service: self.service.as_ref(),
        };
        let findings = judge(&layers, &self.stage);
        let bad: Vec<_> = findings.iter().filter(|finding| finding.level > Level::Ok).collect();
        assert_eq!(bad.len(), expect.len(), "{bad:?}");
        for (finding, (check, level, told)) in bad.iter().zip(expect) {
            assert_eq!((finding.check, finding.level), (*check, *level), "{finding:?}");
            let all = format!("{} {}", finding.what, finding.why.as_deref().unwrap_or_default());
            assert!(all.contains(told), "{told}: {finding:?}");
        }
    }
}

#[test]
fn all_layers_in_place_are_well() {
    Machine::new().check(&[]);
}

#[test]
fn a_program_that_is_off_opens_its_layer() {
    for (program, state, check, level, told) in [
        ("connect4", HookState::Detached, "redirect", Level::Failure, "connect4 was taken off"),
        ("sock_ops", HookState::Unpinned, "redirect", Level::Failure, "sock_ops is not pinned"),
        ("bind6", HookState::Elsewhere(25), "bind", Level::Failure, "bind6 hangs on cgroup 25"),
        ("sock_create", HookState::Detached, "announcement", Level::Warning, "later"),
        ("getpeername6", HookState::Detached, "peer-name", Level::Warning, "the listener's address"),
    ] {
        let mut machine = Machine::new();
        machine.set(program, state);
        machine.check(&[(check, level, told)]);
    }
    let mut machine = Machine::new();
    machine.set("guard", HookState::Detached);
    machine.check(&[("guard", Level::Failure, "go past"), ("syn-hold", Level::Warning, "the guard is off")]);
}

#[test]
fn what_is_pinned_may_be_hidden_or_not_there() {
    let mut machine = Machine::new();
    machine.pins.pinned = Ok(None);
    machine.stage.daemon = false;
    machine.status = None;
    machine.check(&[("programs", Level::Failure, "go past")]);
    machine.stage.before_start = true;
    machine.check(&[]);
    machine.pins.pinned = Err(Unseen { denied: true, why: "Permission denied".to_owned() });
    machine.stage.restricted = true;
    machine.check(&[("programs", Level::Note, "could not be looked at")]);
}

#[test]
fn where_the_pins_are_in_another_mount_namespace_the_daemon_is_believed() {
    let mut machine = Machine::new();
    (machine.pins.bpffs, machine.pins.pinned) = (Ok(false), Ok(None));
    let guard = ("interface-guard", Level::Note, "the daemon says that it guards 2 interfaces");
    machine.check(&[("programs", Level::Note, "the daemon says that all"), guard]);
    machine.status = Some(json!({"interface_guard": {"active": 2}, "detached_programs": 1}));
    machine.check(&[("programs", Level::Failure, "off"), guard]);
    machine.status = None;
    machine.check(&[("programs", Level::Warning, "cannot be seen")]);
}

#[test]
fn the_layer_below_the_sockets_is_missing_where_the_daemon_or_the_kernel_says_so() {
    let missing = |told| [("interface-guard", Level::Warning, told)];
    let mut machine = Machine::new();
    machine.status =
        Some(json!({"interface_guard": {"missing": "Invalid argument"}, "detached_programs": 0}));
    machine.check(&missing("the daemon could not put it in place: Invalid argument"));
    // The daemon has done it, whatever this look may do.
    machine = Machine::new();
    machine.kernel.tcx = Tcx::Refused("Operation not permitted".to_owned());
    machine.check(&[]);
    machine.status = None;
    machine.check(&missing("no tcx (Operation not permitted)"));
    machine.kernel.tcx = Tcx::Untried("no".to_owned());
    machine.kernel.release = "6.1.0-18-amd64".to_owned();
    machine.check(&missing("Linux 6.1.0-18-amd64 has no tcx"));
    machine.kernel.release = "6.12.1".to_owned();
    machine.check(&[]);
}

#[test]
fn an_interface_without_the_program_is_named() {
    let mut machine = Machine::new();
    machine.pinned().interfaces = vec![4, 9];
    machine.check(&[("interface-guard", Level::Warning, "1 of 2 interfaces are not guarded: b")]);
    // Whoever cannot see the interfaces asks the daemon.
    let home = &mut machine.namespaces.as_mut().unwrap().entered[0];
    home.interfaces = Err(Unseen { denied: true, why: "no".to_owned() });
    machine.check(&[("interface-guard", Level::Note, "the daemon says that it guards 2")]);
}

#[test]
fn before_the_start_the_kernel_says_which_layers_there_will_be() {
    let mut machine = Machine::new();
    (machine.pins.pinned, machine.status) = (Ok(None), None);
    machine.stage = Stage { before_start: true, ..Stage::default() };
    machine.check(&[]);
    machine.kernel.tcx = Tcx::Untried("no".to_owned());
    machine.check(&[("interface-guard", Level::Note, "not tried")]);
    machine.kernel.tcx = Tcx::Refused("Invalid argument".to_owned());
    machine.check(&[("interface-guard", Level::Warning, "Invalid argument")]);
}

#[test]
fn the_content_guard_is_what_is_in_force_and_else_what_is_configured() {
    let off = [("content-guard", Level::Note, "nobody looks")];
    let mut machine = Machine::new();
    machine.pinned().settings = Some(Settings { looks: false, refuses: false, syn_retries: 11 });
    machine.check(&off);
    machine = Machine::new();
    machine.config.content = Content::Off;
    machine.check(&[]);
    machine.pins.pinned = Ok(None);
    machine.status = None;
    machine.stage = Stage { before_start: true, ..Stage::default() };
    machine.check(&off);
}

#[test]
fn older_connections_are_ended_if_the_kernel_can_and_the_configuration_wants() {
    let mut machine = Machine::new();
    machine.config.existing = Existing::Report;
    machine.check(&[("older-connections", Level::Note, "go on unjudged")]);
    machine = Machine::new();
    machine.kernel.sock_destroy =
        Err(Unseen { denied: false, why: "no CONFIG_INET_DIAG_DESTROY".to_owned() });
    machine.check(&[("older-connections", Level::Warning, "CONFIG_INET_DIAG_DESTROY; the guard drops")]);
}

#[test]
fn a_restart_loses_nothing_where_systemd_keeps_the_listeners() {
    let mut machine = Machine::new();
    machine.service = None;
    machine.check(&[("restart", Level::Note, "ten seconds")]);
    for (stored_most, stored, level, told) in [
        (Some(0), 0, Level::Warning, "no file descriptor store"),
        (Some(2), 2, Level::Warning, "2 of at most 2"),
        (None, 0, Level::Note, "not known"),
    ] {
        machine.service =
            Some(Service { unit: "p.service".to_owned(), stored_most, stored, stop_seconds: None });
        machine.check(&[("restart", level, told)]);
    }
}
