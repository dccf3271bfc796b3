//! Operators: PostgreSQL's own are harmless, any other calls a function of a user's.

use policy::Lineage;
use sqlparser::ast::{BinaryOperator, ObjectName, ObjectNamePart};

use super::super::Reader;
use crate::SearchPath;
use crate::flow::constant;
use crate::name::is_temp;
use crate::names::is_builtin_operator;

impl Reader<'_> {
    /// The operator itself: PostgreSQL's own carry nothing beside their operands.
    pub(super) fn binary_operator(&mut self, op: &BinaryOperator) -> Lineage {
        match op {
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
            | BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::BitwiseOr
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseXor
            | BinaryOperator::PGBitwiseXor
            | BinaryOperator::PGBitwiseShiftLeft
            | BinaryOperator::PGBitwiseShiftRight
            | BinaryOperator::PGExp
            | BinaryOperator::PGOverlap
            | BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::PGLikeMatch
            | BinaryOperator::PGILikeMatch
            | BinaryOperator::PGNotLikeMatch
            | BinaryOperator::PGNotILikeMatch
            | BinaryOperator::PGStartsWith
            | BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow
            | BinaryOperator::AtAt
            | BinaryOperator::AtArrow
            | BinaryOperator::ArrowAt
            | BinaryOperator::HashMinus
            | BinaryOperator::AtQuestion
            | BinaryOperator::Question
            | BinaryOperator::QuestionAnd
            | BinaryOperator::QuestionPipe
            | BinaryOperator::Overlaps
            | BinaryOperator::DoubleHash
            | BinaryOperator::LtDashGt
            | BinaryOperator::AndLt
            | BinaryOperator::AndGt
            | BinaryOperator::LtLtPipe
            | BinaryOperator::PipeGtGt
            | BinaryOperator::AndLtPipe
            | BinaryOperator::PipeAndGt
            | BinaryOperator::LtCaret
            | BinaryOperator::GtCaret
            | BinaryOperator::QuestionHash
            | BinaryOperator::QuestionDash
            | BinaryOperator::QuestionDashPipe
            | BinaryOperator::QuestionDoublePipe
            | BinaryOperator::At
            | BinaryOperator::TildeEq => constant(),
            BinaryOperator::Custom(operator) => match operator.rsplit_once('.') {
                Some((schema, operator)) => self.operator(Some(schema), operator),
                None => self.operator(None, operator),
            },
            BinaryOperator::PGCustomBinaryOperator(_)
            | BinaryOperator::Spaceship
            | BinaryOperator::Xor
            | BinaryOperator::DuckIntegerDivide
            | BinaryOperator::MyIntegerDivide
            | BinaryOperator::Match
            | BinaryOperator::Regexp
            | BinaryOperator::Glob
            | BinaryOperator::Assignment => self.unsupported("operator"),
        }
    }

    /// The operator that ORDER BY … USING names.
    pub(super) fn sort_operator(&mut self, operator: &ObjectName) -> Lineage {
        match operator.0.as_slice() {
            [ObjectNamePart::Identifier(operator)] => match operator.value.rsplit_once('.') {
                Some((schema, operator)) => self.operator(Some(schema), operator),
                None => self.operator(None, &operator.value),
            },
            _ => self.unsupported("ORDER BY USING"),
        }
    }

    pub(crate) fn operator(&mut self, schema: Option<&str>, operator: &str) -> Lineage {
        let own = schema.is_none_or(|s| s == "pg_catalog");
        if own && is_builtin_operator(operator) {
            return constant();
        }
        // It is in a schema of the path, in which none is known: each has to be allowed.
        let searched = match self.names.path {
            SearchPath::Known { schemas, .. } if schema.is_none() => schemas.as_slice(),
            SearchPath::Known { .. } | SearchPath::Unknown => &[],
        };
        let mut told = false;
        for schema in searched.iter().filter(|schema| *schema != "pg_catalog" && !is_temp(schema)) {
            self.call_hidden("operator", Some(schema), operator);
            told = true;
        }
        if !told {
            self.call_hidden("operator", schema, operator);
        }
        let catalog = self.names.catalog;
        let called = catalog.calls().operators.get(operator).map_or(&[][..], Vec::as_slice);
        let is_plain = |(_, oid): &(String, policy::Oid)| {
            catalog.function(*oid).is_some_and(|f| self.gives_its_arguments(f))
        };
        match !called.is_empty() && called.iter().all(is_plain) {
            true => constant(),
            false => Lineage::Unknown,
        }
    }
}
