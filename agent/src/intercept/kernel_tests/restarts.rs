//! Daemons that are killed while connections are made, one after the other.

use std::io::Write as _;

use super::{container::Container, *};

/// Set for a daemon that a test starts, to its pin directory.
const PINS: &str = "PORTREEVE_TEST_RESTARTS_PINS";
/// Likewise, to what it protects.
const PROTECTED: &str = "PORTREEVE_TEST_RESTARTS_PROTECTED";

/// Connects again and again, and says what it is told; it gives up nothing.
const CLIENT: &str = "while :; do \
     exec 3<>/dev/tcp/$0/$1 && read -t 5 -u 3 told && echo \"$$ $told\"; exec 3>&-; \
     done 2>/dev/null";

fn spawn_client(at: SocketAddr) -> (Killed, BufReader<std::process::ChildStdout>) {
    let child = Command::new("bash")
        .args(["-c", CLIENT, &at.ip().to_string(), &at.port().to_string()])
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Killed(child.unwrap());
    let said = BufReader::new(child.0.stdout.take().unwrap());
    (child, said)
}

fn spawn_daemon(world: &World, at: SocketAddr) -> Killed {
    let daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "intercept::kernel_tests::restarts::the_daemon_that_is_killed", "--nocapture"])
        .env(PINS, &world.config.pin_directory)
        .env(PROTECTED, at.to_string())
        .stdout(Stdio::null())
        .spawn();
    Killed(daemon.unwrap())
}

/// Not a test of its own: it tells everybody who they are, and their server's word to nobody.
#[test]
fn the_daemon_that_is_killed() {
    let Some(pins) = std::env::var_os(PINS) else { return };
    let at = std::env::var(PROTECTED).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config =
            Config { pin_directory: pins.into(), port: 0, content: Content::Off, ..Config::default() };
        let interception = Interception::start(&config, &destinations(&[at]), Inherited::default()).unwrap();
        let listener = interception.listener();
        while let Some(mut intercepted) = listener.accept().await {
            let _ = writeln!(intercepted.stream, "{}", intercepted.peer.pid);
        }
    });
}

#[test]
fn daemons_killed_under_load_let_nobody_past_and_mistake_nobody_for_another() {
    let world = world!();
    let containers = [Container::new(), Container::new(), Container::new()];
    // The server is in each namespace, where nothing but the hooks is between it and the job.
    let at = unused_address();
    server(at);
    let first = spawn_daemon(&world, at);
    let mut clients = vec![spawn_client(at)];
    for container in &containers {
        let client = container.run(move || {
            super::container::ip("link set lo up");
            server(at);
            spawn_client(at)
        });
        clients.push(client);
    }
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let readers: Vec<_> = clients
        .into_iter()
        .map(|(child, said)| {
            let told = Arc::clone(&told);
            let reader = thread::spawn(move || {
                for line in said.lines().map_while(Result::ok) {
                    told.lock().unwrap().push(line);
                }
            });
            (child, reader)
        })
        .collect();
    let served_since = |before: usize| {
        eventually("all are served", || {
            let told = told.lock().unwrap();
            let pids: std::collections::HashSet<_> =
                told[before..].iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
            (pids.len() == 4).then_some(told.len())
        })
    };
    // What the clients were told before the first daemon had its hooks is another matter.
    let mut daemon = first;
    let begin = eventually("the daemon serves", || {
        let told = told.lock().unwrap();
        told.last().is_some_and(|line| !line.ends_with("direct")).then_some(told.len())
    });
    let begin = served_since(begin);
    let mut served = begin;
    for _ in 0..6 {
        drop(daemon);
        daemon = spawn_daemon(&world, at);
        served = served_since(served);
    }
    for (client, reader) in readers {
        drop(client);
        reader.join().unwrap();
    }
    let told = told.lock().unwrap();
    for line in &told[begin..] {
        let (who, seen) = line.split_once(' ').unwrap();
        assert_eq!(who, seen, "told {line}");
    }
    drop(daemon);
    release(&world.config).unwrap();
}
