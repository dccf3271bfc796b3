//! DECLARE: variables, their types and defaults; aliases; cursors.

use policy::FIRST_NORMAL_OBJECT_ID;

use super::{Body, Stop};
use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};
use crate::name::Name;
use crate::names::TypeFound;
use crate::read::{Reader, Target};
use crate::statement::Form;
use crate::utility::comma_parts;

impl Body<'_, '_, '_, '_, '_> {
    pub(super) fn declarations(&mut self) -> Option<()> {
        while !self.at.sees("begin") {
            if !self.at.eat("declare") {
                self.declaration()?;
            }
        }
        Some(())
    }

    fn declaration(&mut self) -> Option<()> {
        let name = self.identifier()?;
        if self.at.eat_all(&["alias", "for"]) {
            let of = self.variable()?.pop()?;
            self.code.values.alias(&name, &of);
            if let Some(queries) = self.cursors.get(&of).cloned() {
                self.cursors.entry(name).or_default().extend(queries);
            }
            return self.semicolon();
        }
        self.code.values.add(name.clone());
        let mut cursor = self.at;
        let scrolls = cursor.eat_all(&["no", "scroll"]) || cursor.eat("scroll");
        if cursor.eat("cursor")
            && (scrolls || ["for", "is"].iter().any(|w| cursor.sees(w)) || cursor.sees_kind(Kind::LeftParen))
        {
            self.at = cursor;
            return self.declared_cursor(name);
        }
        self.at.eat("constant");
        let text = self.at.text;
        let ends = |token: &Token| {
            ["collate", "not", "default"].iter().any(|word| token.is(text, word))
                || matches!(token.kind, Kind::ColonEquals | Kind::Semicolon)
                || (token.kind == Kind::Operator && token.written(text) == "=")
        };
        let end = self.at.rest.iter().position(ends)?;
        let (of_type, rest) = self.at.rest.split_at(end);
        self.at.rest = rest;
        self.typed(of_type)?;
        if self.at.eat("collate") {
            self.at.chain()?;
        }
        if self.at.eat("not") {
            self.word("null")?;
        }
        if self.at.eat("default") || self.at.eat_kind(Kind::ColonEquals) || self.at.eat_operator("=") {
            return self.expression(&[Stop::Semicolon]).map(|_| ());
        }
        self.semicolon()
    }

    fn typed(&mut self, tokens: &[Token]) -> Option<()> {
        if tokens.is_empty() {
            return None;
        }
        // `x%TYPE` of a variable is its type, which was told.
        let is_value = |token: &Token| self.code.values.has(&token.name(self.at.text));
        if let [first, sign, _word] = tokens
            && sign.kind == Kind::Operator
            && is_value(first)
        {
            return Some(());
        }
        self.code.piece(tokens, Form::Type);
        Some(())
    }

    /// `CURSOR [(arguments)] FOR query`: it runs where it is opened, and means what it means there.
    fn declared_cursor(&mut self, name: String) -> Option<()> {
        if let Some(arguments) = self.at.group() {
            for argument in comma_parts(arguments) {
                let (first, of_type) = argument.split_first()?;
                self.code.values.add(first.name(self.at.text));
                self.typed(of_type)?;
            }
        }
        self.at.eat_one(&["for", "is"])?;
        let (query, _) = self.until(&[Stop::Semicolon])?;
        if query.is_empty() {
            return None;
        }
        self.code.piece(query, Form::Statement);
        self.cursors.entry(name).or_default().push(query);
        Some(())
    }
}

impl<'a> Reader<'a> {
    /// The type of a variable: values that it gets are converted to it, and checked.
    pub(crate) fn variable_type(&mut self, tokens: &'a [Token]) {
        let mut cursor = Cursor::new(self.text, tokens);
        let mut of = cursor;
        if let Some(mut parts) = of.chain()
            && of.sees_type_of()
        {
            let row = of.rest.get(1).is_some_and(|word| word.is(self.text, "rowtype"));
            let column = if row { None } else { parts.pop() };
            let name = parts.pop();
            let name = name.map(|name| Name { schema: parts.pop(), name });
            return self.type_of(name, column.as_deref());
        }
        match self.written_type(&mut cursor) {
            Some(Some(name)) if cursor.is_end() => {
                let is_relation = !self.names.relations(&name).is_empty();
                match is_relation && self.names.type_of(&name) != TypeFound::Harmless {
                    true => self.type_of(Some(name), None),
                    false => self.type_name(&name),
                }
            }
            Some(None) if cursor.is_end() => {}
            _ => self.opaque_at("unsupported syntax of a type", tokens.first().copied()),
        }
    }

    /// The type of a column, or of all of them.
    fn type_of(&mut self, relation: Option<Name>, column: Option<&str>) {
        let Some(name) = relation else {
            return self.opaque("the type of a variable that is not known");
        };
        let Target::Known(relation) = self.target(&name) else { return self.moves_settings() };
        let mut columns = relation.columns.iter().filter(|c| column.is_none_or(|column| c.name == column));
        let checks = !relation.writes.functions.is_empty() || self.names.may_hang_more();
        if checks && columns.any(|column| column.type_oid >= FIRST_NORMAL_OBJECT_ID) {
            // Which one it is the catalog does not say; a domain's checks run, which a write to the relation runs as well.
            self.call_hidden("type", name.schema.as_deref(), &format!("of {}", name.name));
            self.implying(|reader| relation.writes.functions.iter().for_each(|oid| reader.call_member(*oid)));
        }
    }
}
