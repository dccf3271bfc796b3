//! Looks from outside at what this kernel has, and at a real interception in all of its states.

use super::super::{
    inspect::{self, HookState, Pinned, Tcx, Way},
    isolated::{in_a_private_netns, ip, with_own_descriptors},
};
use super::*;

fn pinned(world: &World) -> Option<Pinned> {
    inspect::pins(&world.config).pinned.unwrap()
}

#[track_caller]
fn state(world: &World, program: &str) -> HookState {
    let pinned = pinned(world).unwrap();
    let hook = pinned.hooks.into_iter().find(|hook| hook.program == program).unwrap();
    hook.state.unwrap()
}

#[test]
fn this_kernel_takes_every_program_and_one_on_an_interface() {
    let _world = world!();
    let kernel = inspect::kernel();
    let programs = kernel.programs.unwrap();
    assert_eq!(programs.len(), 10);
    for tried in programs {
        assert!(tried.tag.as_ref().is_ok_and(|tag| *tag != 0), "{tried:?}");
    }
    assert_eq!((kernel.netns_cookie, kernel.sock_destroy), (Ok(()), Ok(())));
    let mut version = kernel.release.split('.').map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (version.next().unwrap(), version.next().unwrap());
    assert_eq!(kernel.tcx == Tcx::Attached, version >= (6, 6), "{} {:?}", kernel.release, kernel.tcx);
}

#[test]
fn a_look_at_the_kernel_leaves_nothing_of_what_it_tried() {
    let _world = world!();
    with_own_descriptors(|| {
        let open = || {
            let all = std::fs::read_dir("/proc/thread-self/fd").unwrap().flatten();
            let links = all.filter_map(|entry| std::fs::read_link(entry.path()).ok());
            links.filter(|link| link.to_string_lossy().contains("bpf")).count()
        };
        let before = open();
        assert!(inspect::kernel().programs.is_ok());
        assert_eq!(open(), before);
    });
}

#[test]
fn what_is_pinned_is_seen_in_all_of_its_states() {
    let world = world!();
    let at = unused_address();
    assert_eq!(pinned(&world), None);
    let interception = world.start(&[at]);
    let pins = inspect::pins(&world.config);
    assert_eq!((pins.bpffs, pins.holder), (Ok(true), Some(std::process::id())));
    let found = pins.pinned.unwrap().unwrap();
    assert!(found.private && found.difference == Ok(None), "{found:?}");
    let settings = found.settings.unwrap();
    assert!(!settings.looks && !settings.refuses && settings.syn_retries > 0, "{settings:?}");
    let tried = inspect::kernel().programs.unwrap();
    for hook in &found.hooks {
        assert_eq!(hook.state, Ok(HookState::InForce), "{hook:?}");
        let own = tried.iter().find(|tried| tried.program == hook.program).unwrap();
        assert_eq!(hook.tag.as_ref(), own.tag.as_ref().ok(), "{hook:?}");
    }

    sys::detach_link(sys::open_pin(&interception.pins.link("bind4")).unwrap().as_fd()).unwrap();
    assert_eq!(state(&world, "bind4"), HookState::Detached);
    std::fs::remove_file(interception.pins.link("guard")).unwrap();
    assert_eq!(state(&world, "guard"), HookState::Unpinned);
    assert_eq!(state(&world, "connect4"), HookState::InForce);

    std::fs::remove_file(world.config.pin_directory.join("maps").join(maps::TUPLES)).unwrap();
    let difference = pinned(&world).unwrap().difference.unwrap().unwrap();
    assert!(difference.contains("TUPLES is missing"), "{difference}");
    world.end(interception);
    assert_eq!(inspect::pins(&world.config).holder, None);
    release(&world.config).unwrap();
    assert_eq!(pinned(&world), None);
}

#[test]
fn a_program_that_was_attached_later_is_seen_to_run_after_ours() {
    let (first, second) = (world!(), world!());
    let interception = first.start(&[unused_address()]);
    let other = second.start(&[unused_address()]);
    let hooks = pinned(&first).unwrap().hooks;
    for hook in &hooks {
        // Other tests' are there as well, some of another version.
        let same =
            |follower: &inspect::Follower| follower.name == hook.program && Some(follower.tag) == hook.tag;
        assert!(hook.followers.iter().any(same), "{hook:?}");
    }
    other.release().unwrap();
    interception.release().unwrap();
}

#[test]
fn network_namespaces_are_seen_with_and_without_a_listener() {
    let world = world!();
    let interception = world.start(&[unused_address()]);
    let here = || {
        let all = inspect::namespaces(&world.config).unwrap();
        let home = all.entered.iter().find(|namespace| namespace.home);
        (all.list, home.map(|home| home.listening))
    };
    assert_eq!(here(), (true, Some(true)));
    world.end(interception);
    assert_eq!(here(), (true, Some(false)));
    release(&world.config).unwrap();
    assert_eq!(here(), (false, Some(false)));
}

#[test]
fn interfaces_are_seen_with_their_kinds() {
    in_a_private_netns(|| {
        ip("link add v0 type veth peer name v1");
        ip("link add b0 type bridge");
        let world = World::new().unwrap();
        let all = inspect::namespaces(&world.config).unwrap();
        let home = all.entered.into_iter().find(|namespace| namespace.home).unwrap();
        let mut found: Vec<_> = home
            .interfaces
            .unwrap()
            .into_iter()
            .map(|interface| (interface.name, interface.kind, interface.entrance))
            .collect();
        found.sort();
        let expect = [("b0", "bridge", false), ("v0", "veth", true), ("v1", "veth", true)];
        assert_eq!(found, expect.map(|(name, kind, entrance)| (name.to_owned(), kind.to_owned(), entrance)));
    });
}

#[test]
fn a_look_reaches_a_protected_server_and_nothing_if_it_cannot_be_told_from_a_job() {
    let world = world!();
    let at = server(unused_address());
    let interception = world.start(&[at]);
    let own = match inspect::way(&world.config).unwrap() {
        Way::Marked(own) => own,
        Way::Direct => panic!("the programs are in the way"),
    };
    let reached = world.runtime.block_on(async {
        use tokio::io::AsyncReadExt as _;
        let mut word = [0; 6];
        let mut stream = own.connect(&Route::here(), at).await?;
        stream.read_exact(&mut word).await.map(|_| word)
    });
    assert_eq!(&reached.unwrap(), b"direct");

    // The programs of another pin directory, whose maps are not known here.
    let other = World::new().unwrap();
    let unseen = inspect::way(&other.config).err().unwrap();
    assert!(unseen.why.contains("whose pins are not in"), "{unseen:?}");
    std::fs::remove_file(world.config.pin_directory.join("maps").join(maps::TUPLES)).unwrap();
    let unseen = inspect::way(&world.config).err().unwrap();
    assert!(unseen.why.contains("another version"), "{unseen:?}");
    interception.release().unwrap();
}

#[test]
fn a_packet_socket_is_seen_with_its_owner() {
    let _world = world!();
    let before = inspect::packet_sockets().unwrap();
    let _socket = Socket::new(Domain::PACKET, Type::RAW, None).unwrap();
    let found = inspect::packet_sockets().unwrap();
    let ours = |all: &[inspect::PacketSocket]| {
        let owned =
            |socket: &&inspect::PacketSocket| socket.owners.iter().any(|(_, pid)| *pid == std::process::id());
        all.iter().filter(owned).count()
    };
    assert!(ours(&found) > ours(&before), "{found:?}");
}
