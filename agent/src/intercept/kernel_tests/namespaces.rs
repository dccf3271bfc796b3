//! Other network namespaces.

use super::*;

#[test]
fn a_connection_from_a_fresh_network_namespace_arrives() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let client = thread::spawn(move || {
        in_another_netns(move || {
            server(at);
            let stream = connect(at)?;
            let cookie = sys::netns_cookie(stream.as_fd())?;
            Ok::<_, io::Error>((stream.peer_addr()?, cookie))
        })
    });
    let accepted = world.accept(&interception);
    let (seen, cookie) = client.join().unwrap().unwrap();
    assert_eq!((accepted.destination, seen), (at, at));
    assert_eq!(accepted.peer.netns_cookie, cookie);
    // The way on begins in the client's namespace: its own server is there, and nowhere else.
    let own = interception.own_sockets();
    let word = world.runtime.block_on(async {
        let stream = own.connect(&accepted.route, at).await.unwrap();
        let mut word = [0; 6];
        stream.readable().await.unwrap();
        stream.try_read(&mut word).unwrap();
        word
    });
    assert_eq!(&word, b"direct");
    interception.release().unwrap();
}

#[test]
fn a_connection_that_cannot_be_remembered_is_refused() {
    let world = world!();
    let at = unused_address();
    let interception = world.start(&[at]);
    let answer = in_another_netns(move || {
        server(at);
        // What a socket may allocate beside its buffers, socket storage among it; its namespace's own.
        if std::fs::write("/proc/sys/net/core/optmem_max", "0").is_err() {
            return None;
        }
        Some(connect(at).map(|_| ()).map_err(|error| error.raw_os_error()))
    });
    match answer {
        Some(answer) => {
            assert_eq!(answer, Err(Some(libc::EPERM)));
            assert_eq!(interception.counters().unwrap().refused_no_storage, 1);
        }
        None => println!("NOT RUN: this kernel has no net.core.optmem_max of a namespace's own (Linux 6.8)"),
    }
    interception.release().unwrap();
}
