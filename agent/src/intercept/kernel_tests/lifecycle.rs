//! The hooks without their daemon, with the next one, with two, and with another version.

use super::*;
use crate::intercept::programs::{LINK, PROGRAMS};

#[test]
fn without_the_daemon_protected_connections_wait_and_the_next_one_takes_over() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    check(&world, &first, at, at);
    world.end(first);
    shut(at);

    let second = world.start(&[at]);
    assert_eq!(second.adopted(), 9);
    check(&world, &second, at, at);
    assert_eq!(second.counters().unwrap().redirected, 3, "the refused one counts too");
    second.release().unwrap();
    assert!(reaches_the_server(at));
    assert!(!world.config.pin_directory.exists());
}

#[test]
fn a_killed_daemon_leaves_the_door_shut_and_a_stopped_one_a_wait() {
    let world = world!();
    let at = server(unused_address());
    let daemon = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "intercept::kernel_tests::lifecycle::the_daemon_that_another_test_kills",
            "--nocapture",
        ])
        .env("PORTREEVE_TEST_PINS", &world.config.pin_directory)
        .env("PORTREEVE_TEST_PROTECTED", at.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut daemon = Killed(daemon);
    let output = BufReader::new(daemon.0.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("in place")));
    assert!(matches!(world.try_start(&[]), Err(Error::AlreadyRunning { .. })));

    let pid = rustix::process::Pid::from_child(&daemon.0);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let mut waiting = connect(at).unwrap();
    assert_eq!(waiting.peer_addr().unwrap(), at);
    drop(daemon);
    assert!(matches!(waiting.read(&mut [0]), Ok(0) | Err(_)), "somebody answered");
    shut(at);

    let next = world.start(&[at]);
    assert_eq!(next.adopted(), 9);
    check(&world, &next, at, at);
    next.release().unwrap();
}

/// Not a test of its own: the process that the test above starts.
#[test]
fn the_daemon_that_another_test_kills() {
    let Some(pins) = std::env::var_os("PORTREEVE_TEST_PINS") else { return };
    let at = std::env::var("PORTREEVE_TEST_PROTECTED").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config =
            Config { pin_directory: pins.into(), port: 0, content: Content::Off, ..Config::default() };
        let _interception = Interception::start(&config, &destinations(&[at]), Inherited::default()).unwrap();
        println!("in place");
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_port_that_another_daemon_keeps_by_now_is_not_insisted_on() {
    let (world, mut other) = (world!(), world!());
    let at = unused_address();
    let first = world.start(&[at]);
    other.config.port = first.listen_address().port();
    let links = ["bind4", "bind6"].map(|hook| first.pins.link(hook));
    world.end(first);
    for link in links {
        sys::detach_link(sys::open_pin(&link).unwrap().as_fd()).unwrap();
    }
    // Its hooks refuse the port to everybody now.
    let keeper = other.start(&[unused_address()]);
    let second = world.start(&[at]);
    assert_ne!(second.listen_address().port(), other.config.port);
    check(&world, &second, at, at);
    second.release().unwrap();
    keeper.release().unwrap();
}

#[test]
fn a_second_daemon_is_refused() {
    let world = world!();
    let interception = world.start(&[unused_address()]);
    assert!(matches!(world.try_start(&[]), Err(Error::AlreadyRunning { .. })));
    assert!(matches!(release(&world.config), Err(Error::AlreadyRunning { .. })));
    world.end(interception);
    release(&world.config).unwrap();
    release(&world.config).unwrap();
}

#[test]
fn a_hook_that_was_detached_is_put_back_at_once_and_told() {
    let world = world!();
    let at = server(unused_address());
    let interception = world.start(&[at]);
    // Other tests' programs run after ours.
    let mend = || -> Vec<_> {
        interception.mend().into_iter().filter(|(_, fault)| *fault != Fault::Overruled).collect()
    };
    assert_eq!(mend(), []);
    let detach =
        |name| sys::detach_link(sys::open_pin(&interception.pins.link(name)).unwrap().as_fd()).unwrap();
    detach("connect4");
    // Not redirected any more, and yet not through: the guard is there.
    shut(at);
    assert_eq!(mend(), [("connect4", Fault::Reattached)]);
    assert_eq!(mend(), []);
    check(&world, &interception, at, at);
    detach("guard");
    assert_eq!(mend(), [("guard", Fault::Reattached)]);
    std::fs::remove_file(interception.pins.link("guard")).unwrap();
    assert_eq!(mend(), [("guard", Fault::Repinned)]);
    interception.release().unwrap();
    assert!(reaches_the_server(at));
}

#[test]
fn a_hook_that_was_detached_without_the_daemon_is_made_anew() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    let link = first.pins.link("connect4");
    world.end(first);
    sys::detach_link(sys::open_pin(&link).unwrap().as_fd()).unwrap();
    let second = world.start(&[at]);
    assert_eq!(second.adopted(), 8);
    check(&world, &second, at, at);
    second.release().unwrap();
}

#[test]
fn removing_the_pins_of_a_running_daemon_takes_no_hook_away() {
    let world = world!();
    let at = server(unused_address());
    let interception = world.start(&[at]);
    std::fs::remove_file(interception.pins.link("connect4")).unwrap();
    check(&world, &interception, at, at);
    interception.release().unwrap();
}

#[test]
fn hooks_of_another_version_are_replaced_and_shut_meanwhile() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    let mut settings: Array<MapData, abi::Value<Settings>> =
        abi::open_map(&first.pins.maps().unwrap(), maps::SETTINGS).unwrap().try_into().unwrap();
    let mut other = settings.get(&0, 0).unwrap();
    other.0.abi_version = ABI_VERSION + 1;
    settings.set(0, other, 0).unwrap();
    drop(settings);
    world.end(first);
    shut(at);
    let next = world.start(&[at]);
    assert_eq!(next.adopted(), 9, "the links stay");
    assert_eq!(next.counters().unwrap().redirected, 0, "the maps are new");
    check(&world, &next, at, at);
    for leftover in ["maps-new", "maps-old"] {
        assert!(!world.config.pin_directory.join(leftover).exists(), "{leftover} stays");
    }
    next.release().unwrap();
    assert!(reaches_the_server(at));
}

#[test]
fn maps_of_another_layout_are_replaced_while_connections_are_tried() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    let folder = world.config.pin_directory.join("maps");
    std::fs::remove_file(folder.join(maps::TUPLES)).unwrap();
    MapData::from_pin(folder.join(maps::COUNTERS)).unwrap().pin(folder.join(maps::TUPLES)).unwrap();
    world.end(first);
    let stop = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&stop);
    let direct = thread::spawn(move || {
        let mut reached = 0;
        while !over.load(Ordering::Relaxed) {
            let tried = TcpStream::connect_timeout(&at, Duration::from_millis(20));
            // Whoever answers with the server's word answered past the daemon.
            let answered = tried.is_ok_and(|mut stream| {
                let _ = stream.set_read_timeout(Some(Duration::from_millis(5)));
                stream.read(&mut [0; 6]).is_ok_and(|read| read > 0)
            });
            reached += u32::from(answered);
        }
        reached
    });
    let next = world.start(&[at]);
    stop.store(true, Ordering::Relaxed);
    assert_eq!(direct.join().unwrap(), 0);
    next.release().unwrap();
}

#[test]
fn a_daemon_that_ended_in_the_middle_of_an_upgrade_is_followed() {
    let world = world!();
    let at = server(unused_address());
    let first = world.start(&[at]);
    world.end(first);
    // Between the two renames: the maps in force are those that were new.
    let pins = &world.config.pin_directory;
    std::fs::rename(pins.join("maps"), pins.join("maps-new")).unwrap();
    let second = world.start(&[at]);
    assert_eq!(second.adopted(), 9);
    check(&world, &second, at, at);
    world.end(second);
    // Before any of them: half a set of new maps lies about.
    std::fs::create_dir(pins.join("maps-new")).unwrap();
    MapData::from_pin(pins.join("maps/COUNTERS")).unwrap().pin(pins.join("maps-new/TUPLES")).unwrap();
    let third = world.start(&[at]);
    check(&world, &third, at, at);
    third.release().unwrap();
    assert!(!pins.exists());
}

#[test]
fn a_pin_directory_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world!();
    std::fs::create_dir(&world.config.pin_directory).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&world.config.pin_directory, open).unwrap();
    let error = world.try_start(&[]).err().unwrap().to_string();
    assert!(error.contains("we alone may write to"), "{error}");
}

#[test]
fn a_pin_directory_elsewhere_is_refused_with_the_cure() {
    let mut world = world!();
    let folder = tempfile::tempdir().unwrap();
    world.config.pin_directory = folder.path().join("pins");
    let error = world.try_start(&[]).err().unwrap().to_string();
    assert!(error.contains(&format!("mount -t bpf bpf {}", folder.path().display())), "{error}");
    assert!(matches!(PinDirectory::lock(folder.path()).unwrap().remove(), Ok(())));
}

/// The verifier gives up at a million, and the older a kernel is the more it looks at: for the guard 123,000 instructions
/// on 6.18, and 271,000 on 6.1.
#[test]
fn the_verifier_is_far_from_giving_up_on_any_program() {
    let world = world!();
    let interception = world.start(&[]);
    let ours: Vec<_> = aya::programs::loaded_programs()
        .filter_map(Result::ok)
        .filter_map(|program| {
            let names = PROGRAMS.iter().map(|entry| entry.name).chain([LINK]);
            let name = names.into_iter().find(|name| program.name_as_str() == Some(name))?;
            Some((name, program.verified_instruction_count()?))
        })
        .collect();
    interception.release().unwrap();
    if ours.is_empty() {
        println!("NOT RUN: this kernel does not say what its verifier looked at (Linux 5.16)");
        return;
    }
    println!("{ours:?}");
    for (name, instructions) in ours {
        assert!(instructions < 400_000, "{name}: {instructions} instructions looked at");
    }
}
