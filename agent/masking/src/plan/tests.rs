//! The origin rule, column by column, and the masking of rows.

use pgwire::backend::encode;
use pgwire::{Format, Oid};
use policy::{Catalog, ColumnRef, Lineage, Masks};
use proptest::prelude::*;

use super::*;
use crate::set::tests::{CUSTOMERS, ORDERS, PART, UNKNOWN, VIEW_CLEAR, VIEW_MASKED, catalog, masks};

const TEXT: Oid = 25;

fn field(table_oid: Oid, column_attnum: i16) -> Field<'static> {
    typed(table_oid, column_attnum, TEXT, Format::TEXT)
}

fn typed(table_oid: Oid, column_attnum: i16, type_oid: Oid, format: Format) -> Field<'static> {
    Field { name: b"c", table_oid, column_attnum, type_oid, type_size: -1, type_modifier: -1, format }
}

fn plan_with(set: &MaskSet, fields: &[Field<'_>], lineage: &Output) -> RowPlan {
    let mut out = BytesMut::new();
    encode::row_description(&mut out, fields).unwrap();
    let Ok(Message::RowDescription(fields)) = Message::parse(tag::ROW_DESCRIPTION, &out[HEADER_LEN..]) else {
        panic!()
    };
    RowPlan::new(fields, lineage, set)
}

fn plan(fields: &[Field<'_>], lineage: &Output) -> RowPlan {
    plan_with(&MaskSet::resolve(&masks(), &catalog()), fields, lineage)
}

fn row(cells: &[Option<&[u8]>]) -> BytesMut {
    let mut out = BytesMut::new();
    encode::data_row(&mut out, cells).unwrap();
    out
}

fn key() -> HashKey {
    HashKey::new(&[7; 32])
}

fn column(relation: Oid, attnum: i16) -> ColumnRef {
    ColumnRef { relation, attnum }
}

fn from(columns: &[(Oid, i16)]) -> Lineage {
    Lineage::Derived(columns.iter().map(|(relation, attnum)| column(*relation, *attnum)).collect())
}

fn exact(columns: &[(Oid, i16)]) -> Lineage {
    Lineage::Exact(columns.iter().map(|(relation, attnum)| column(*relation, *attnum)).collect())
}

#[test]
fn a_cell_passes_by_its_origin_or_by_proof_and_in_no_other_way() {
    use MaskMethod::{Last4, Redact};
    let check = |field: Field<'_>, lineage: Lineage, expect: Option<MaskMethod>| {
        let plan = plan(&[field], &Output::Columns(vec![lineage.clone()]));
        assert_eq!(plan.method(0), expect, "{field:?}, {lineage:?}");
        assert_eq!(plan.identity(), expect.is_none().then_some(1));
    };
    let unknown = Lineage::Unknown;
    // A column by its origin.
    check(field(CUSTOMERS, 1), unknown.clone(), None);
    check(field(CUSTOMERS, 2), unknown.clone(), Some(Last4));
    check(field(CUSTOMERS, 9), unknown.clone(), Some(Redact));
    check(field(CUSTOMERS, -1), unknown.clone(), None);
    check(field(VIEW_MASKED, 1), unknown.clone(), Some(Redact));
    check(field(VIEW_CLEAR, 1), unknown.clone(), None);
    check(field(UNKNOWN, 1), unknown.clone(), Some(Redact));
    // A whole row.
    check(field(CUSTOMERS, 0), unknown.clone(), Some(Redact));
    check(field(ORDERS, 0), unknown.clone(), None);
    // The text's word does not overrule the server's.
    check(field(CUSTOMERS, 2), from(&[]), Some(Last4));
    check(field(UNKNOWN, 1), from(&[]), Some(Redact));
    check(field(CUSTOMERS, 1), from(&[(CUSTOMERS, 2)]), None);
    // An expression.
    check(field(0, 0), unknown, Some(Redact));
    check(field(0, 0), from(&[]), None);
    check(field(0, 0), from(&[(CUSTOMERS, 1), (ORDERS, 1)]), None);
    check(field(0, 0), from(&[(CUSTOMERS, 1), (CUSTOMERS, 2)]), Some(Redact));
    check(field(0, 0), from(&[(CUSTOMERS, 0)]), Some(Redact));
    check(field(0, 0), from(&[(ORDERS, 0)]), None);
    check(field(0, 0), from(&[(VIEW_MASKED, 1)]), Some(Redact));
    check(field(0, 0), from(&[(UNKNOWN, 1)]), Some(Redact));
    // A column's own value of which the server names no origin.
    check(field(0, 0), exact(&[(CUSTOMERS, 1)]), None);
    check(field(0, 0), exact(&[(CUSTOMERS, 2)]), Some(Last4));
    check(field(0, 0), exact(&[(UNKNOWN, 1)]), Some(Redact));
    check(field(0, 0), exact(&[(CUSTOMERS, 2), (CUSTOMERS, 2)]), Some(Last4));
    // Another column's values may be anybody's: its mask is not lent to them.
    check(field(0, 0), exact(&[(CUSTOMERS, 2), (ORDERS, 2)]), Some(Redact));
    check(field(0, 0), exact(&[(CUSTOMERS, 2), (PART, 2)]), Some(Redact));
    check(field(CUSTOMERS, 1), exact(&[(CUSTOMERS, 2)]), None);
    check(field(CUSTOMERS, 2), exact(&[(CUSTOMERS, 1)]), Some(Last4));
}

#[test]
fn an_output_that_does_not_fit_its_columns_proves_nothing() {
    let check = |lineage: Output, expect: [Option<MaskMethod>; 2]| {
        let plan = plan(&[field(0, 0), field(CUSTOMERS, 1)], &lineage);
        assert_eq!([plan.method(0), plan.method(1)], expect, "{lineage:?}");
    };
    let (pass, masked) = ([None, None], [Some(MaskMethod::Redact), None]);
    check(Output::Columns(vec![from(&[]), from(&[])]), pass);
    check(Output::Columns(vec![from(&[])]), masked);
    check(Output::Columns(vec![from(&[]); 3]), masked);
    check(Output::Within(vec![]), pass);
    check(Output::Within(vec![column(CUSTOMERS, 1), column(ORDERS, 0)]), pass);
    check(Output::Within(vec![column(CUSTOMERS, 1), column(CUSTOMERS, 0)]), masked);
    check(Output::None, masked);
    check(Output::Unknown, masked);
    check(Output::Inherited("c".to_owned()), masked);
}

#[test]
fn without_masks_every_plan_is_the_identity() {
    let set = MaskSet::resolve(&Masks::default(), &Catalog::default());
    let plan = plan_with(&set, &[field(0, 0), field(UNKNOWN, 1), field(UNKNOWN, 0)], &Output::Unknown);
    assert!(plan.identity().is_some());
    let data_row = row(&[Some(b"a"), None, Some(b"")]);
    let mut out = BytesMut::new();
    plan.apply(&data_row, &key(), &mut out).unwrap();
    assert_eq!(out, data_row);
}

#[test]
fn a_row_is_masked_cell_by_cell_behind_what_is_there() {
    let fields = [
        field(CUSTOMERS, 1),
        field(CUSTOMERS, 2),
        field(CUSTOMERS, 2),
        typed(0, 0, 23, Format::BINARY),
        typed(0, 0, 16_999, Format::BINARY),
    ];
    let plan = plan(&fields, &Output::Unknown);
    let mut out = BytesMut::from(&b"before"[..]);
    let data_row = row(&[Some(b"1"), Some(b"123-45-6789"), None, Some(&[0, 0, 0, 9]), Some(b"secret")]);
    plan.apply(&data_row, &key(), &mut out).unwrap();
    let expect = row(&[Some(b"1"), Some(b"*******6789"), None, Some(&[0, 0, 0, 0]), None]);
    assert_eq!(out.strip_prefix(b"before").unwrap(), &expect[..]);
}

#[test]
fn what_is_not_the_described_row_is_refused_and_nothing_is_written() {
    let plan = plan(&[field(CUSTOMERS, 2), field(0, 0)], &Output::Unknown);
    let check = |bytes: &[u8], expect: Error| {
        let mut out = BytesMut::from(&b"before"[..]);
        assert_eq!(plan.apply(bytes, &key(), &mut out), Err(expect), "{bytes:?}");
        assert_eq!(out, b"before"[..]);
    };
    let good = row(&[Some(b"1"), Some(b"2")]);
    check(&good[..good.len() - 1], Error::NotADataRow);
    check(&[&good[..], b"x"].concat(), Error::NotADataRow);
    check(b"", Error::NotADataRow);
    check(b"C\0\0\0\x06\0\0", Error::NotADataRow);
    check(&row(&[Some(b"1")]), Error::Columns { expected: 2, found: 1 });
    check(&row(&[None; 3]), Error::Columns { expected: 2, found: 3 });
    check(
        b"D\0\0\0\x0a\0\x02\xff\xff\xff\xff",
        FrameError::Malformed { message: "DataRow", what: "it ends too early" }.into(),
    );
}

proptest! {
    #[test]
    fn hostile_rows_never_panic_and_never_show_a_masked_cell(
        body in proptest::collection::vec(prop_oneof![3 => Just(0u8), 1 => 0..5u8, 1 => any::<u8>()], 0..40),
    ) {
        let plan = plan(&[field(CUSTOMERS, 2), typed(0, 0, 3802, Format::BINARY)], &Output::Unknown);
        let mut frame = vec![b'D'];
        frame.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        frame.extend_from_slice(&body);
        let mut out = BytesMut::new();
        match plan.apply(&frame, &key(), &mut out) {
            Err(_) => prop_assert!(out.is_empty()),
            Ok(()) => {
                let Ok(Message::DataRow(mut cells)) = Message::parse(b'D', &out[HEADER_LEN..]) else { panic!() };
                prop_assert_eq!(cells.len(), 2);
                let json = cells.nth(1).flatten();
                prop_assert!(json.is_none_or(|json| json == b"\x01\"****\""));
            }
        }
    }
}
