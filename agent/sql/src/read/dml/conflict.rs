//! ON CONFLICT (…) with expressions, collations, operator classes or a condition, which `sqlparser` does not know: the
//! bridge left one name in its place, and it is read here from the tokens.

use sqlparser::ast::{AssignmentTarget, Expr, Ident};

use super::super::Reader;
use super::super::scope::{Item, Scope};
use crate::cursor::Cursor;
use crate::keywords::is_reserved;
use crate::lexer::{Kind, Token};
use crate::parse::{self, Parsed};
use crate::utility::comma_parts;

/// The row that was to be inserted, as DO UPDATE calls it.
pub(super) const EXCLUDED: &str = "excluded";

/// Whether a column is set to what was to be inserted into that very column: then the value stands where it was written to,
/// under the same mask, as without a conflict.
pub(super) fn keeps_its_column(target: &AssignmentTarget, value: &Expr) -> bool {
    let keeps = |name: &sqlparser::ast::ObjectName, value: &Expr| match (name.0.as_slice(), value) {
        ([column], Expr::CompoundIdentifier(parts)) => match parts.as_slice() {
            [row, of] => {
                row.value == EXCLUDED && column.as_ident().is_some_and(|column| column.value == of.value)
            }
            _ => false,
        },
        _ => false,
    };
    match (target, value) {
        (AssignmentTarget::ColumnName(name), value) => keeps(name, value),
        (AssignmentTarget::Tuple(names), Expr::Tuple(values)) => {
            names.len() == values.len() && names.iter().zip(values).all(|(name, value)| keeps(name, value))
        }
        (AssignmentTarget::Tuple(_), _) => false,
    }
}

impl<'a> Reader<'a> {
    /// Where the parenthesis is that these columns stand for; `None`: they are columns.
    pub(super) fn stands_for_tokens(&self, columns: &[Ident]) -> Option<usize> {
        let [only] = columns else { return None };
        let at = self.token_of(only)?;
        (self.tokens[at].kind == Kind::LeftParen).then_some(at)
    }

    /// Reads it over the columns of the target, which it gives back.
    pub(super) fn conflict_expressions(&mut self, at: usize, item: Item, outer: Option<&Scope<'_>>) -> Item {
        let mut scope = Scope { items: vec![item], ..Scope::inside(outer) };
        let mut cursor = Cursor::new(self.text, &self.tokens[at..]);
        for part in comma_parts(cursor.group().unwrap_or_default()) {
            self.conflict_part(part, &scope);
        }
        if cursor.eat("where") {
            let mut depth = 0_usize;
            let end = cursor.rest.iter().position(|token| {
                match token.kind {
                    Kind::LeftParen | Kind::LeftBracket => depth += 1,
                    Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth == 0 && token.is(self.text, "do")
            });
            self.inner_expression(&cursor.rest[..end.unwrap_or(cursor.rest.len())], &scope);
        }
        scope.items.remove(0)
    }

    /// `{ column | f(…) | (expression) } [COLLATE name] [operator class]`
    fn conflict_part(&mut self, part: &'a [Token], scope: &Scope<'_>) {
        let mut cursor = Cursor::new(self.text, part);
        if cursor.sees_kind(Kind::LeftParen) {
            let inside = cursor.group().unwrap_or_default();
            self.inner_expression(inside, scope);
        } else {
            let chain = cursor.label().is_some();
            while chain && cursor.eat_kind(Kind::Dot) {
                cursor.label();
            }
            cursor.group();
            let read = part.len() - cursor.rest.len();
            self.inner_expression(&part[..read], scope);
        }
        if cursor.eat("collate") && cursor.chain().is_none() {
            self.opaque_at("unsupported syntax", cursor.peek());
        }
        let is_class =
            cursor.peek().is_some_and(|t| t.kind != Kind::Word || !is_reserved(&t.name(self.text)));
        if is_class {
            cursor.chain();
        }
        if !cursor.is_end() {
            self.opaque_at("unsupported syntax", cursor.peek());
        }
    }

    /// An expression of these tokens, which the tree around does not hold.
    pub(in crate::read) fn inner_expression(&mut self, tokens: &'a [Token], scope: &Scope<'_>) {
        if !self.fits(tokens) {
            return;
        }
        match parse::expression(self.text, tokens) {
            Ok(Parsed { tree, unplaced }) => self.within(tokens, unplaced, |reader| {
                let lineage = reader.expr(&tree, scope);
                reader.steer(lineage);
                reader.close();
            }),
            Err(failed) => {
                self.opaque_at("unsupported syntax", failed.at.and_then(|i| tokens.get(i)).copied());
            }
        }
    }
}
