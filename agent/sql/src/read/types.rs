//! Types as casts name them. A cast to a type of a user's may run the user's code, so it is an action then.

use policy::Undefined;
use sqlparser::ast::{ArrayElemTypeDef, DataType, GeometricTypeKind, Ident, ObjectName, ObjectNamePart};

use super::Reader;
use super::expr::own_name;
use crate::name::Name;
use crate::names::{TypeFound, is_builtin_type};

impl Reader<'_> {
    /// A type in a cast or a typed literal.
    pub(crate) fn data_type(&mut self, data_type: &DataType) {
        match data_type {
            DataType::Character(_)
            | DataType::Char(_)
            | DataType::CharacterVarying(_)
            | DataType::CharVarying(_)
            | DataType::Varchar(_)
            | DataType::Numeric(_)
            | DataType::Decimal(_)
            | DataType::Dec(_)
            | DataType::Float(_)
            | DataType::SmallInt(_)
            | DataType::Int(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::Real
            | DataType::DoublePrecision
            | DataType::Boolean
            | DataType::Time(..)
            | DataType::Timestamp(..)
            | DataType::Interval { .. }
            | DataType::Bit(_)
            | DataType::BitVarying(_) => {}
            // All others are names to PostgreSQL, which the search path may lead to a user's type.
            DataType::Uuid
            | DataType::Int2(_)
            | DataType::Int4(_)
            | DataType::Int8(_)
            | DataType::Float4
            | DataType::Float8
            | DataType::Double(_)
            | DataType::Bool
            | DataType::Date
            | DataType::JSON
            | DataType::JSONB
            | DataType::Regclass
            | DataType::Text
            | DataType::Bytea
            | DataType::VarBit(_)
            | DataType::TsVector
            | DataType::TsQuery
            | DataType::GeometricType(_) => {
                if let Some(name) = plain_name(data_type) {
                    self.type_name(&plain(name));
                }
            }
            DataType::Custom(name, _) => self.named_type(name),
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => self.data_type(element),
            DataType::Array(
                ArrayElemTypeDef::None
                | ArrayElemTypeDef::AngleBracket(_)
                | ArrayElemTypeDef::Parenthesis(_)
                | ArrayElemTypeDef::Qualified(..),
            )
            | DataType::Table(_)
            | DataType::NamedTable { .. }
            | DataType::Nvarchar(_)
            | DataType::CharacterLargeObject(_)
            | DataType::CharLargeObject(_)
            | DataType::Clob(_)
            | DataType::Binary(_)
            | DataType::Varbinary(_)
            | DataType::Blob(_)
            | DataType::TinyBlob
            | DataType::MediumBlob
            | DataType::LongBlob
            | DataType::Bytes(_)
            | DataType::DecimalUnsigned(_)
            | DataType::BigNumeric(_)
            | DataType::BigDecimal(_)
            | DataType::DecUnsigned(_)
            | DataType::FloatUnsigned(_)
            | DataType::TinyInt(_)
            | DataType::TinyIntUnsigned(_)
            | DataType::UTinyInt
            | DataType::Int2Unsigned(_)
            | DataType::SmallIntUnsigned(_)
            | DataType::USmallInt
            | DataType::MediumInt(_)
            | DataType::MediumIntUnsigned(_)
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Int128
            | DataType::Int256
            | DataType::IntUnsigned(_)
            | DataType::Int4Unsigned(_)
            | DataType::IntegerUnsigned(_)
            | DataType::HugeInt
            | DataType::UHugeInt
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64
            | DataType::UInt128
            | DataType::UInt256
            | DataType::BigIntUnsigned(_)
            | DataType::UBigInt
            | DataType::Int8Unsigned(_)
            | DataType::Signed
            | DataType::SignedInteger
            | DataType::Unsigned
            | DataType::UnsignedInteger
            | DataType::Float32
            | DataType::Float64
            | DataType::RealUnsigned
            | DataType::DoubleUnsigned(_)
            | DataType::DoublePrecisionUnsigned
            | DataType::Date32
            | DataType::Datetime(_)
            | DataType::Datetime64(..)
            | DataType::TimestampNtz(_)
            | DataType::TinyText
            | DataType::MediumText
            | DataType::LongText
            | DataType::String(_)
            | DataType::FixedString(_)
            | DataType::Map(..)
            | DataType::Tuple(_)
            | DataType::Nested(_)
            | DataType::Enum(..)
            | DataType::Set(_)
            | DataType::Struct(..)
            | DataType::Union(_)
            | DataType::Nullable(_)
            | DataType::LowCardinality(_)
            | DataType::Unspecified
            | DataType::Trigger
            | DataType::AnyType => self.opaque("unsupported syntax of a type"),
        }
    }

    /// Whether it is certainly PostgreSQL's own type of that name, which may be a user's where his schema comes first.
    pub(super) fn is_own_type(&self, data_type: &DataType) -> bool {
        match data_type {
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => self.is_own_type(element),
            DataType::Custom(name, _) => match own_name(name) {
                Some(own) => name.0.len() > 1 || self.names.is_own_type(&plain(own)),
                None => false,
            },
            other => plain_name(other).is_none_or(|name| self.names.is_own_type(&plain(name))),
        }
    }

    fn named_type(&mut self, name: &ObjectName) {
        let name = match name.0.as_slice() {
            // A time zone or precision word may be in the place of the name; a type's own name is never reserved.
            [ObjectNamePart::Identifier(Ident { .. })] | [_, _] | [_, _, _] => self.object_name(name, true),
            _ => {
                self.opaque("unsupported syntax of a type");
                return;
            }
        };
        let Some(name) = name else { return };
        self.type_name(&name);
    }

    /// The same of a type that may have been made by the open transaction.
    pub(crate) fn known_type(&mut self, name: &Name) {
        if self.names.type_of(name) != TypeFound::Missing {
            self.type_name(name);
        }
    }

    /// The type of an argument or of what a function returns: values become it when it is called, where a domain's checks
    /// run.
    pub(crate) fn checked_type(&mut self, name: &Name) {
        if self.names.catalog.calls().types.contains_key(&name.name) {
            self.known_type(name);
        }
    }

    /// The type of a column or an attribute that is defined, or what a domain is made of: its checks run when there are values.
    /// One that the open transaction has made had them told with it.
    pub(crate) fn defining_type(&mut self, name: &Name) {
        match self.names.type_of(name) {
            TypeFound::Harmless | TypeFound::Plain(_) => {}
            TypeFound::User(schema) => self.checks(Some(&schema), &name.name),
            TypeFound::Missing => self.checks(name.schema.as_deref(), &name.name),
        }
    }

    /// What values are checked by that are made of a type which a text names, or, without a text, of any.
    pub(crate) fn checks_by_text(&mut self, written: Option<&str>) {
        let types = &self.names.catalog.calls().types;
        let is_named = |name: &str| written.is_none_or(|text| names_in(text, name));
        let checks = types.iter().filter(|(name, _)| is_named(name)).flat_map(|(_, checks)| checks);
        self.implying(|reader| checks.for_each(|(_, function)| reader.call_member(*function)));
    }

    /// The checks of the types of that name, of a schema or of any.
    fn checks(&mut self, schema: Option<&str>, name: &str) {
        let checks = self.names.catalog.calls().types.get(name).into_iter().flatten();
        let of = checks.filter(|(of, _)| schema.is_none_or(|schema| schema == of));
        self.implying(|reader| of.for_each(|(_, function)| reader.call_member(*function)));
    }

    /// A type by its name.
    pub(crate) fn type_name(&mut self, name: &Name) {
        if name.schema.as_deref() == Some("information_schema") {
            return;
        }
        match self.names.type_of(name) {
            // What is known of PostgreSQL's own by that name does not hold of a user's.
            TypeFound::Plain(schema) if is_builtin_type(&name.name) => {
                self.call_hidden("type", Some(&schema), &name.name);
            }
            TypeFound::Harmless | TypeFound::Plain(_) => {}
            TypeFound::User(schema) => {
                self.call_hidden("type", Some(&schema), &name.name);
                self.checks(Some(&schema), &name.name);
            }
            TypeFound::Missing => self.missing(Undefined::Type, name),
        }
    }
}

/// A name without a schema.
fn plain(name: &str) -> Name {
    Name { schema: None, name: name.to_owned() }
}

/// The name of a type that is a word of its own to sqlparser, but no word of PostgreSQL's grammar.
const fn plain_name(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Uuid => "uuid",
        DataType::Int2(_) => "int2",
        DataType::Int4(_) => "int4",
        DataType::Int8(_) => "int8",
        DataType::Float4 => "float4",
        DataType::Float8 => "float8",
        DataType::Double(_) => "double",
        DataType::Bool => "bool",
        DataType::Date => "date",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Regclass => "regclass",
        DataType::Text => "text",
        DataType::Bytea => "bytea",
        DataType::VarBit(_) => "varbit",
        DataType::TsVector => "tsvector",
        DataType::TsQuery => "tsquery",
        DataType::GeometricType(kind) => match kind {
            GeometricTypeKind::Point => "point",
            GeometricTypeKind::Line => "line",
            GeometricTypeKind::LineSegment => "lseg",
            GeometricTypeKind::GeometricBox => "box",
            GeometricTypeKind::GeometricPath => "path",
            GeometricTypeKind::Polygon => "polygon",
            GeometricTypeKind::Circle => "circle",
        },
        _ => return None,
    })
}

/// Whether a name stands in a text, with quotes and in whatever case.
fn names_in(text: &str, name: &str) -> bool {
    let folded = text.to_ascii_lowercase();
    // An array's type has an underscore before the name of what it holds, which need not be written so.
    folded.contains(&name.trim_start_matches('_').to_ascii_lowercase()) || text.contains(['\\', '"'])
}
