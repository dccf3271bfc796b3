//! What a reading takes in memory.

use super::Reading;
use crate::tests::fixture::catalog;

/// Names are counted by what they weigh; a text of many statements takes many times its length.
#[test]
fn a_reading_weighs_about_what_it_takes() {
    let wide = (0..200).map(|at| format!("id AS c{at}")).collect::<Vec<_>>().join(", ");
    for text in [
        "SELECT id FROM orders WHERE id = 41".to_owned(),
        "SELECT 1;".repeat(1000),
        format!("SELECT {wide} FROM orders"),
        (0..300).map(|at| format!("DROP TABLE t{at};")).collect(),
    ] {
        let catalog = catalog(1);
        let settings = sql::Settings::default();
        let mut kept = None;
        let info = allocation_counter::measure(|| {
            let analysis = sql::analyse(text.as_bytes(), &settings, &catalog, &sql::Limits::default());
            kept = Some(Reading::new(analysis));
        });
        let (weight, taken) = (kept.unwrap().weight() as i64, info.bytes_current);
        assert!(weight * 2 > taken && weight < 4 * taken, "{weight} for {taken} bytes of {}", &text[..30]);
    }
}
