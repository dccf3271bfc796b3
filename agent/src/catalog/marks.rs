//! What tells two states of a database's system catalogs apart, and what of them is another.
//!
//! Rows are told apart in spans of OIDs: small enough that a change has little read again, large enough that a
//! comparison has few of them to carry.

use std::collections::{BTreeMap, BTreeSet};

use policy::Oid;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::queries::{self, SPAN_BITS};

/// What is the same for two looks where nothing can have changed between them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// When the server was started, and the database's OID.
    place: (String, Oid),
    /// The transactions whose work is seen: which of them have ended, as the server tells it. None where it cannot.
    seen: Option<String>,
    /// When the server read its configuration.
    configured: String,
}

/// One state of the system catalogs.
#[derive(Debug, Default)]
pub(super) struct Marks {
    state: State,
    tables: BTreeMap<String, BTreeMap<i64, Mark>>,
}

/// Of the rows of one span: how many, and the sum that stands for their versions.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    rows: i64,
    versions: String,
}

/// Objects of one kind that are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Those whose OIDs are in these spans.
    Spans(BTreeSet<i64>),
}

/// What is to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stale {
    /// The names of schemas and languages.
    pub(super) names: bool,
    pub(super) relations: Wanted,
    /// Which relations run functions unseen when they are written to.
    pub(super) unseen: bool,
    /// Whether operators, orders of values, casts and event triggers call functions unseen.
    pub(super) hidden: bool,
    /// What stands on what.
    pub(super) dependents: bool,
    pub(super) functions: Wanted,
    pub(super) types: Wanted,
}

/// The system catalogs whose rows make a relation.
const OF_RELATIONS: [&str; 8] = [
    "pg_class",
    "pg_attribute",
    "pg_rewrite",
    "pg_trigger",
    "pg_inherits",
    "pg_policy",
    "pg_constraint",
    "pg_index",
];

/// Those of schemas, who may use them, and languages.
const OF_NAMES: [&str; 3] = ["pg_namespace", "pg_auth_members", "pg_language"];

/// Those on which [`queries::WRITES`] rests, and which relations have triggers.
const OF_UNSEEN: [&str; 10] = [
    "pg_statistic_ext",
    "pg_trigger",
    "pg_attrdef",
    "pg_constraint",
    "pg_index",
    "pg_class",
    "pg_attribute",
    "pg_proc",
    "pg_language",
    "pg_type",
];

/// Those on which [`queries::HIDDEN`] and [`queries::CALLS`] rest.
const OF_HIDDEN: [&str; 9] = [
    "pg_operator",
    "pg_cast",
    "pg_amproc",
    "pg_event_trigger",
    "pg_proc",
    "pg_language",
    "pg_constraint",
    "pg_type",
    "pg_attribute",
];

/// Those on which [`queries::dependents`] and [`queries::OWNED`] rest: which there are, and their names.
const OF_DEPENDENTS: [&str; 11] = [
    "pg_depend",
    "pg_proc",
    "pg_type",
    "pg_namespace",
    "pg_language",
    "pg_operator",
    "pg_trigger",
    "pg_policy",
    "pg_rewrite",
    "pg_class",
    "pg_statistic_ext",
];

/// Those on which it rests whether a policy for the rows of a relation calls functions unseen, beside its own row.
const OF_POLICIES: [&str; 3] = ["pg_class", "pg_proc", "pg_language"];

impl State {
    /// As of now, or as of the transaction's snapshot.
    pub(super) async fn read(client: &impl GenericClient) -> Result<Self, tokio_postgres::Error> {
        let rows = client.query_typed(queries::STATE, &[]).await?;
        // A single row, which a server that answers at all gives.
        let Some(row) = rows.first() else { return Ok(State::default()) };
        Ok(State {
            place: (row.try_get(0)?, row.try_get(1)?),
            seen: row.try_get(2)?,
            configured: row.try_get(3)?,
        })
    }

    /// Whether nothing can have changed between the two: the same transactions are seen in the same place.
    pub(super) fn proves_unchanged(&self, before: &Marks) -> bool {
        self.seen.is_some() && *self == before.state
    }
}

impl Marks {
    /// As of the transaction's snapshot. Those of two reads can be compared if they had the same salt.
    pub(super) async fn read(
        transaction: &impl GenericClient,
        salt: i64,
    ) -> Result<Self, tokio_postgres::Error> {
        let state = State::read(transaction).await?;
        let rows = transaction.query_typed(&queries::marks(), &[(&salt, Type::INT8)]).await?;
        let mut marks = Marks { state, tables: BTreeMap::new() };
        for row in &rows {
            let table: &str = row.try_get(0)?;
            if !marks.tables.contains_key(table) {
                marks.tables.insert(table.to_owned(), BTreeMap::new());
            }
            if let Some(spans) = marks.tables.get_mut(table) {
                spans.insert(row.try_get(1)?, mark(row)?);
            }
        }
        Ok(marks)
    }

    /// A system catalog with more rows than that, and how many.
    pub(super) fn beyond(&self, limit: u64) -> Option<(&str, i64)> {
        let rows = |spans: &BTreeMap<i64, Mark>| spans.values().map(|mark| mark.rows).sum::<i64>();
        self.tables
            .iter()
            .map(|(table, spans)| (table.as_str(), rows(spans)))
            .find(|(_, rows)| u64::try_from(*rows).is_ok_and(|rows| rows > limit))
    }

    /// What has to be read again where all was read as of `before`.
    pub(super) fn since(&self, before: &Marks) -> Stale {
        if self.state.place != before.state.place {
            return Stale::ALL;
        }
        let mut relations = BTreeSet::new();
        for table in OF_RELATIONS {
            relations.extend(self.changed(before, table));
        }
        if self.differs(before, "pg_operator") {
            // What an operator calls, a view that has it calls.
            relations.extend(self.spans("pg_rewrite").into_iter().flat_map(BTreeMap::keys));
        }
        if OF_POLICIES.iter().any(|table| self.differs(before, table)) {
            relations.extend(self.spans("pg_policy").into_iter().flat_map(BTreeMap::keys));
        }
        let wanted = |spans: BTreeSet<i64>, table| match spans.len() * 2
            > self.spans(table).map_or(0, BTreeMap::len)
        {
            true => Wanted::All,
            false => Wanted::Spans(spans),
        };
        Stale {
            names: self.state.configured != before.state.configured
                || OF_NAMES.iter().any(|table| self.differs(before, table)),
            relations: wanted(relations, "pg_class"),
            unseen: OF_UNSEEN.iter().any(|table| self.differs(before, table)),
            hidden: OF_HIDDEN.iter().any(|table| self.differs(before, table)),
            dependents: OF_DEPENDENTS.iter().any(|table| self.differs(before, table)),
            functions: wanted(self.changed(before, "pg_proc").collect(), "pg_proc"),
            types: wanted(self.changed(before, "pg_type").collect(), "pg_type"),
        }
    }

    fn spans(&self, table: &str) -> Option<&BTreeMap<i64, Mark>> {
        self.tables.get(table)
    }

    fn differs(&self, before: &Marks, table: &str) -> bool {
        self.spans(table) != before.spans(table)
    }

    /// The spans whose rows are others than before, or that only one of the two has.
    fn changed<'a>(&'a self, before: &'a Marks, table: &'a str) -> impl Iterator<Item = i64> + 'a {
        let of = |marks: &'a Marks, span| marks.spans(table).and_then(|spans| spans.get(span));
        let all = self.spans(table).into_iter().chain(before.spans(table)).flat_map(BTreeMap::keys);
        all.filter(move |span| of(self, span) != of(before, span)).copied()
    }
}

impl Stale {
    /// Everything.
    pub(super) const ALL: Stale = Stale {
        names: true,
        relations: Wanted::All,
        unseen: true,
        hidden: true,
        dependents: true,
        functions: Wanted::All,
        types: Wanted::All,
    };
}

impl Wanted {
    /// Whether there is anything to read.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Wanted::Spans(spans) if spans.is_empty())
    }

    /// These, too, and all others of their spans.
    pub(super) fn add<'a>(&mut self, oids: impl Iterator<Item = &'a Oid>) {
        if let Wanted::Spans(spans) = self {
            spans.extend(oids.map(|oid| span(*oid)));
        }
    }

    /// Whether that one would be among what is read.
    pub(super) fn has(&self, oid: Oid) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Spans(spans) => spans.contains(&span(oid)),
        }
    }

    /// The parameter of the queries that read content.
    pub(super) fn oids(&self) -> Option<Vec<Oid>> {
        let Wanted::Spans(spans) = self else { return None };
        let first = spans.iter().filter_map(|span| Oid::try_from(span << SPAN_BITS).ok());
        Some(first.flat_map(|first| first..=first | ((1 << SPAN_BITS) - 1)).collect())
    }
}

fn span(oid: Oid) -> i64 {
    i64::from(oid >> SPAN_BITS)
}

fn mark(row: &Row) -> Result<Mark, tokio_postgres::Error> {
    // No rows have no sum.
    let versions: Option<String> = row.try_get(3)?;
    Ok(Mark { rows: row.try_get(2)?, versions: versions.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(tables: &[(&str, &[(i64, &str)])]) -> Marks {
        let mark =
            |(span, versions): &(i64, &str)| (*span, Mark { rows: 1, versions: (*versions).to_owned() });
        let tables = tables
            .iter()
            .map(|(table, spans)| ((*table).to_owned(), spans.iter().map(mark).collect()))
            .collect();
        Marks { state: State::default(), tables }
    }

    fn spans(spans: &[i64]) -> Wanted {
        Wanted::Spans(spans.iter().copied().collect())
    }

    #[test]
    fn a_span_that_differs_comes_or_goes_is_read_again() {
        let classes: &[(i64, &str)] = &[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f"), (7, "g")];
        let before = marks(&[("pg_class", classes), ("pg_attribute", &[(1, "a"), (2, "b")])]);
        let now = marks(&[("pg_class", classes), ("pg_attribute", &[(1, "x"), (3, "c")])]);
        assert_eq!(now.since(&before).relations, spans(&[1, 2, 3]));
        assert!(now.since(&before).functions.is_nothing());
        assert_eq!(now.since(&now).relations, spans(&[]));
    }

    #[test]
    fn where_half_of_it_differs_all_is_read() {
        let before = marks(&[("pg_proc", &[(1, "a"), (2, "b"), (3, "c")])]);
        let now = marks(&[("pg_proc", &[(1, "a"), (2, "x"), (3, "y")])]);
        assert_eq!(now.since(&before).functions, Wanted::All);
    }

    #[test]
    fn another_operator_has_all_rules_read() {
        let classes: &[(i64, &str)] = &[(1, "a"), (2, "b"), (3, "c"), (4, "d")];
        let rules: &[(i64, &str)] = &[(2, "r")];
        let before = marks(&[("pg_class", classes), ("pg_rewrite", rules), ("pg_operator", &[(0, "a")])]);
        let now = marks(&[("pg_class", classes), ("pg_rewrite", rules), ("pg_operator", &[(0, "b")])]);
        assert_eq!(now.since(&before).relations, spans(&[2]));
    }

    #[test]
    fn another_function_has_all_relations_with_policies_read() {
        let classes: &[(i64, &str)] = &[(1, "a"), (2, "b"), (3, "c"), (4, "d")];
        let policies: &[(i64, &str)] = &[(3, "p")];
        let before = marks(&[("pg_class", classes), ("pg_policy", policies), ("pg_proc", &[(0, "a")])]);
        let now = marks(&[("pg_class", classes), ("pg_policy", policies), ("pg_proc", &[(0, "b")])]);
        assert_eq!(now.since(&before).relations, spans(&[3]));
    }

    #[test]
    fn what_rests_on_much_is_read_whole_where_any_of_it_differs() {
        let stale = |table| {
            let stale = marks(&[(table, &[(0, "b")])]).since(&marks(&[(table, &[(0, "a")])]));
            (stale.unseen, stale.hidden)
        };
        for table in ["pg_attrdef", "pg_index"] {
            assert_eq!(stale(table), (true, false), "{table}");
        }
        for table in ["pg_proc", "pg_language", "pg_constraint", "pg_type", "pg_attribute"] {
            assert_eq!(stale(table), (true, true), "{table}");
        }
        for table in ["pg_operator", "pg_cast", "pg_amproc", "pg_event_trigger"] {
            assert_eq!(stale(table), (false, true), "{table}");
        }
        assert_eq!(stale("pg_trigger"), (true, false));
        assert_eq!(stale("pg_inherits"), (false, false));
    }

    #[test]
    fn one_more_has_its_span_read() {
        let mut wanted = spans(&[1]);
        wanted.add([64, 130].iter());
        assert_eq!(wanted, spans(&[1, 2]));
        let mut all = Wanted::All;
        all.add([1].iter());
        assert_eq!(all, Wanted::All);
    }

    #[test]
    fn in_another_place_nothing_is_known() {
        let before = marks(&[("pg_class", &[(1, "a")])]);
        let mut now = marks(&[("pg_class", &[(1, "a")])]);
        now.state.place = ("later".to_owned(), 5);
        assert_eq!(now.since(&before), Stale::ALL);
    }

    #[test]
    fn a_state_that_tells_nothing_of_transactions_proves_nothing() {
        let seen = |seen: Option<&str>| State { seen: seen.map(str::to_owned), ..State::default() };
        let before = |state| Marks { state, ..Marks::default() };
        assert!(seen(Some("5:5:")).proves_unchanged(&before(seen(Some("5:5:")))));
        assert!(!seen(Some("5:7:5")).proves_unchanged(&before(seen(Some("5:7:5,6")))));
        assert!(!seen(None).proves_unchanged(&before(seen(None))));
    }

    #[test]
    fn a_span_is_all_of_its_oids() {
        let oids = spans(&[0, 2]).oids().unwrap();
        assert_eq!((oids.len(), oids[0], oids[63], oids[64], oids[127]), (128, 0, 63, 128, 191));
        assert!(spans(&[2]).has(128) && !spans(&[2]).has(192));
        let last = i64::from(Oid::MAX >> SPAN_BITS);
        assert_eq!(spans(&[last]).oids().unwrap().last(), Some(&Oid::MAX));
    }
}
