//! Rules with a time: what was judged before it turned is judged again behind it.

use super::client::*;
use super::world::World;

/// Orders are read on Sundays; the epoch began on a Thursday.
const SUNDAYS: &str = r#"
  - { name: session, actions: [session], decision: allow }
  - { name: sundays, actions: [read], relations: ["public.*"], when: { time: { days: sun } }, decision: allow }
"#;

const SELECT: &str = "SELECT id FROM orders";
/// A microsecond before Sunday, 1970-01-04, and before the Monday behind it.
const SUNDAY: u64 = 3 * 86_400_000_000 - 1;
const MONDAY: u64 = SUNDAY + 86_400_000_000;

#[test]
fn a_text_is_judged_by_the_time_at_which_it_comes() {
    let mut world = World::new(SUNDAYS);
    let refused = "error 42501 select table public.orders is denied by rule \"default\": no rule allows it";
    let mut check = |clock: u64, allowed: bool| {
        world.set_clock(clock);
        let got = world.send(&[query(SELECT)]).join("\n");
        assert_eq!(got.contains(refused), !allowed, "{clock}: {got}");
    };
    // A turn takes a microsecond.
    check(1, false);
    check(SUNDAY - 1_000_000, false);
    check(SUNDAY, true);
    check(SUNDAY + 1_000_000, true);
    check(MONDAY, false);
    // Clocks may be put back.
    check(SUNDAY, true);
    check(1, false);
}

#[test]
fn a_statement_that_was_prepared_in_time_does_not_run_out_of_time() {
    let mut world = World::new(SUNDAYS);
    world.set_clock(SUNDAY);
    let run = [bind("p", "s"), execute("p", 0), sync()];
    let got = world.send(&[parse("s", SELECT), sync()]).join("\n");
    assert!(!got.contains("error"), "{got}");
    let got = world.send(&run).join("\n");
    assert!(!got.contains("error"), "{got}");
    let ran = world.server.ran.len();
    world.set_clock(MONDAY);
    let got = world.send(&run).join("\n");
    assert!(got.contains("error 42501"), "{got}");
    assert_eq!(world.server.ran.len(), ran);
}
