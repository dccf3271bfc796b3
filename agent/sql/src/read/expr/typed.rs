//! What is known of the types of values, and which of them are converted to that of another where they meet: in CASE,
//! COALESCE, ARRAY, VALUES and set operations. A conversion that may fail by the value asks it.

use policy::{Catalog, ColumnRef, FIRST_NORMAL_OBJECT_ID, Lineage, Oid};
use sqlparser::ast::{ArrayElemTypeDef, DataType, ExactNumberInfo, TimezoneInfo};

use super::asking::own_name;
use crate::flow::{Cell, Rows, stored_as};
use crate::read::Reader;

/// What is known of a value's type. An array has that of its elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A number, or what takes the type of what it stands beside.
    Literal,
    /// `pg_type.oid`.
    Of(Oid),
    #[default]
    Unknown,
}

/// Types by their OIDs (src/include/catalog/pg_type.dat), with those of their arrays.
const INT8: Oid = 20;
const OID: Oid = 26;
const TEXT: Oid = 25;
const FLOAT4: Oid = 700;
const FLOAT8: Oid = 701;
const MACADDR8: Oid = 774;
const MACADDR: Oid = 829;
const DATE: Oid = 1082;
const TIMESTAMP: Oid = 1114;
const TIMESTAMPTZ: Oid = 1184;
const NUMERIC: Oid = 1700;
const REGCLASS: Oid = 2205;
const ARRAYS: [(Oid, Oid); 22] = [
    (1008, 24),
    (1009, TEXT),
    (1015, TEXT),
    (1016, INT8),
    (1021, FLOAT4),
    (1022, FLOAT8),
    (1028, OID),
    (1040, MACADDR),
    (775, MACADDR8),
    (1115, TIMESTAMP),
    (1182, DATE),
    (1185, TIMESTAMPTZ),
    (1231, NUMERIC),
    (2207, 2202),
    (2208, 2203),
    (2209, 2204),
    (2210, REGCLASS),
    (2211, 2206),
    (3735, 3734),
    (3770, 3769),
    (4090, 4089),
    (4097, 4096),
];

/// Types that have names of no words of SQL's.
const NAMED: [(&str, Oid); 17] = [
    ("bpchar", TEXT),
    ("macaddr", MACADDR),
    ("macaddr8", MACADDR8),
    ("name", 19),
    ("oid", OID),
    ("regclass", REGCLASS),
    ("regcollation", 4191),
    ("regconfig", 3734),
    ("regdictionary", 3769),
    ("regnamespace", 4089),
    ("regoper", 2203),
    ("regoperator", 2204),
    ("regproc", 24),
    ("regprocedure", 2202),
    ("regrole", 4096),
    ("regtype", 2206),
    ("timestamptz", TIMESTAMPTZ),
];

/// Implicit conversions that fail by the value (src/include/catalog/pg_cast.dat): what does not fit.
fn narrower(of: Oid) -> &'static [Oid] {
    match of {
        INT8 => &[OID, 24, 2202, 2203, 2204, REGCLASS, 2206, 3734, 3769, 4089, 4096, 4191],
        NUMERIC => &[FLOAT4, FLOAT8],
        DATE => &[TIMESTAMP, TIMESTAMPTZ],
        TIMESTAMP => &[TIMESTAMPTZ],
        MACADDR8 => &[MACADDR],
        _ => &[],
    }
}

/// Whether a conversion from one type to the other may fail. Of a user's, which may be a domain, anything is.
fn may_fail(from: Oid, to: Typed) -> bool {
    let is_users = from >= FIRST_NORMAL_OBJECT_ID;
    match to {
        Typed::Literal => false,
        Typed::Unknown => is_users || !narrower(from).is_empty(),
        Typed::Of(to) if to >= FIRST_NORMAL_OBJECT_ID => {
            to != from && (is_users || !narrower(from).is_empty())
        }
        Typed::Of(to) if is_users => is_narrow(to),
        Typed::Of(to) => narrower(from).contains(&to),
    }
}

/// Whether some value of another type does not fit in it.
fn is_narrow(to: Oid) -> bool {
    [INT8, NUMERIC, DATE, TIMESTAMP, MACADDR8].into_iter().any(|from| narrower(from).contains(&to))
}

impl Typed {
    pub(crate) const TEXT: Typed = Typed::Of(TEXT);

    /// What a value is that is any of these.
    pub(crate) fn of_all(values: &[(Typed, Lineage)]) -> Typed {
        values.iter().fold(Typed::Literal, |sum, (typed, _)| sum.either(*typed))
    }

    /// What a value is that is the one or the other.
    pub(crate) fn either(self, other: Typed) -> Typed {
        match (self, other) {
            (Typed::Literal, typed) | (typed, Typed::Literal) => typed,
            (one, other) if one == other => one,
            _ => Typed::Unknown,
        }
    }

    /// Of a column.
    pub(crate) fn of_column(type_oid: Oid) -> Typed {
        Typed::Of(
            ARRAYS.iter().find(|(array, _)| *array == type_oid).map_or(type_oid, |(_, element)| *element),
        )
    }

    /// Of a value that is a column's own, where it is.
    pub(crate) fn of_own(lineage: &Lineage, catalog: &Catalog) -> Typed {
        let Lineage::Exact(columns) = lineage else { return Typed::Unknown };
        let stored = columns.first().and_then(|column| stored_as(*column, catalog));
        stored.map_or(Typed::Unknown, Typed::of_column)
    }

    /// Of what is cast to that.
    pub(crate) fn of_cast(data_type: &DataType) -> Typed {
        Typed::Of(match data_type {
            DataType::Text
            | DataType::Character(_)
            | DataType::Char(_)
            | DataType::CharacterVarying(_)
            | DataType::CharVarying(_)
            | DataType::Varchar(_) => TEXT,
            DataType::SmallInt(_) | DataType::Int2(_) => 21,
            DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => 23,
            DataType::BigInt(_) | DataType::Int8(_) => INT8,
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => NUMERIC,
            DataType::Real | DataType::Float4 => FLOAT4,
            DataType::DoublePrecision | DataType::Float8 | DataType::Float(ExactNumberInfo::None) => FLOAT8,
            DataType::Date => DATE,
            DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => TIMESTAMP,
            DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => TIMESTAMPTZ,
            DataType::Boolean | DataType::Bool => 16,
            DataType::Uuid => 2950,
            DataType::Regclass => REGCLASS,
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => return Typed::of_cast(element),
            DataType::Custom(name, _) => {
                let Some(name) = own_name(name) else { return Typed::Unknown };
                let name = name.to_ascii_lowercase();
                let known = NAMED.iter().find(|(known, _)| *known == name);
                return known.map_or(Typed::Unknown, |(_, oid)| Typed::Of(*oid));
            }
            _ => return Typed::Unknown,
        })
    }

    /// Of what PostgreSQL's own function of that name gives, which is given values of these types.
    pub(crate) fn of_call(function: Option<&str>, args: &[(Typed, Lineage)]) -> Typed {
        match function {
            Some("coalesce") => Typed::of_all(args),
            Some("array_agg" | "first_value" | "last_value" | "lag" | "lead") => {
                args.first().map_or(Typed::Unknown, |(typed, _)| *typed)
            }
            Some("concat" | "concat_ws" | "left" | "right" | "md5" | "initcap" | "string_agg") => {
                Typed::Of(TEXT)
            }
            Some("count" | "length" | "char_length" | "character_length" | "octet_length" | "bit_length") => {
                Typed::Of(23)
            }
            _ => Typed::Unknown,
        }
    }
}

impl Reader<'_> {
    /// Values that get one type: each that may not fit in another's is asked. `members` gives them with what they carry.
    pub(in crate::read) fn converts(&mut self, members: &[(Typed, Lineage)]) {
        for (at, (typed, lineage)) in members.iter().enumerate() {
            let mut others = members.iter().enumerate().filter(|(other, _)| *other != at);
            if !carries_nothing(lineage)
                && others.any(|(_, (other, _))| self.may_not_convert(*typed, lineage, *other))
            {
                self.steer(lineage.clone().derived());
            }
        }
    }

    /// The same of two sets of rows, column by column.
    pub(in crate::read) fn converts_rows(&mut self, left: &Rows, right: &Rows) {
        let pair = |one: &Cell, other: &Cell| {
            [(one.typed, one.lineage.clone()), (other.typed, other.lineage.clone())]
        };
        match (left, right) {
            (Rows::Columns(left), Rows::Columns(right)) if left.len() == right.len() => {
                for (one, other) in left.iter().zip(right) {
                    if !(carries_nothing(&one.lineage) && carries_nothing(&other.lineage)) {
                        self.converts(&pair(one, other));
                    }
                }
            }
            (left, right) => self.converts(&[(Typed::Unknown, left.all()), (Typed::Unknown, right.all())]),
        }
    }

    fn may_not_convert(&self, typed: Typed, lineage: &Lineage, to: Typed) -> bool {
        let catalog = self.names.catalog;
        match (typed, lineage.columns()) {
            (Typed::Literal, _) => false,
            (Typed::Of(from), _) => may_fail(from, to),
            // Of what is not known it is not known, either, whether it is converted.
            (Typed::Unknown, None) => matches!(to, Typed::Of(to) if is_narrow(to)),
            (Typed::Unknown, Some(columns)) => columns.iter().any(|column| {
                let may_fail = |column| match stored_as(column, catalog).map(Typed::of_column) {
                    Some(Typed::Of(from)) => may_fail(from, to),
                    _ => false,
                };
                match (column.attnum, catalog.relation(column.relation)) {
                    (0, Some(relation)) => relation
                        .columns
                        .iter()
                        .any(|field| may_fail(ColumnRef { relation: column.relation, attnum: field.attnum })),
                    _ => may_fail(*column),
                }
            }),
        }
    }
}

fn carries_nothing(lineage: &Lineage) -> bool {
    lineage.columns().is_some_and(<[_]>::is_empty)
}
