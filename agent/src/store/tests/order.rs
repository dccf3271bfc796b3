//! What is shipped before what.

use super::*;
use crate::store::order::Order;

fn places(batch: &[Record]) -> Vec<(u32, u64)> {
    batch.iter().map(|record| (record.header.lane, record.header.sequence)).collect()
}

#[test]
fn a_signed_record_waits_for_what_it_signed() {
    let mut host = Host::new(1, 1);
    host.statement(1, 0, "select 1");
    host.beat();
    let [start, statement, end, beat] = <[Record; 4]>::try_from(host.records).unwrap();
    let mut order = Order::default();
    order.push(start);
    order.push(beat);
    assert_eq!(places(&order.take(100, 1 << 20, false)), [(0, 0)]);
    assert_eq!(places(&order.take(100, 1 << 20, false)), []);
    order.push(statement);
    order.push(end);
    assert_eq!(places(&order.take(100, 1 << 20, false)), [(1, 0), (1, 1), (0, 1)]);
    assert!(order.is_empty() && order.bytes() == 0);
}

#[test]
fn what_waits_for_records_that_do_not_come_goes_without_them() {
    let mut host = Host::new(1, 1);
    host.statement(1, 0, "select 1");
    host.beat();
    let mut order = Order::default();
    order.push(host.records.remove(3));
    assert_eq!(places(&order.take(100, 1 << 20, false)), []);
    assert_eq!(places(&order.take(100, 1 << 20, true)), [(0, 1)]);
}

#[test]
fn a_batch_ends_at_its_count_and_at_its_bytes_and_has_one_boot() {
    let (mut one, two) = (Host::new(1, 1), Host::new(2, 1));
    (0..5).for_each(|at| one.statement(1, at * 2, "select 1"));
    let mut order = Order::default();
    for record in one.records.iter().chain(&two.records) {
        order.push(record.clone());
    }
    assert_eq!(order.take(4, 1 << 20, false).len(), 4);
    assert_eq!(order.take(100, 1, false).len(), 1);
    let rest = order.take(100, 1 << 20, false);
    assert!(rest.len() == 6 && rest.iter().all(|record| record.header.boot == one.boot));
    let other = order.take(100, 1 << 20, false);
    assert!(other.len() == 1 && other[0].header.boot == two.boot);
}

#[test]
fn a_boot_that_is_set_aside_keeps_the_others_from_nothing() {
    let (one, two) = (Host::new(1, 1), Host::new(2, 1));
    let mut order = Order::default();
    order.push(one.records[0].clone());
    order.set_aside(one.boot);
    order.push(one.records[0].clone());
    order.push(two.records[0].clone());
    assert_eq!(order.take(100, 1 << 20, false), two.records);
    assert!(order.is_empty() && order.bytes() == 0);
}
