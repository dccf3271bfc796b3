//! What is protected goes by port first.

use super::*;

#[test]
fn an_unprotected_port_of_a_protected_address_is_left_alone() {
    let world = world!();
    let at = unused_address();
    let other = server(SocketAddr::new(at.ip(), 5433));
    let interception = world.start(&[at]);
    assert!(reaches_the_server(other));
    // Also when the port has become one that is looked up, for another address.
    interception.protected().set(&destinations(&[at, SocketAddr::new(unused_address().ip(), 5433)])).unwrap();
    assert!(reaches_the_server(other));
    let counters = interception.counters().unwrap();
    assert_eq!((counters.redirected, counters.guard_dropped), (0, 0));
    interception.release().unwrap();
}

#[test]
fn a_port_is_protected_again_after_it_was_not() {
    let world = world!();
    let at = server(unused_address());
    let interception = world.start(&[at]);
    let protected = interception.protected();
    for _ in 0..3 {
        protected.set(&[]).unwrap();
        assert!(reaches_the_server(at));
        protected.set(&destinations(&[at])).unwrap();
        check(&world, &interception, at, at);
    }
    interception.release().unwrap();
}
