//! Functions that are told by a literal what they do: set_config, those that run a text, those of sequences.

use std::borrow::Cow;

use policy::{ALL_SETTINGS, Action, Detail, Object, ObjectKind, Verb};
use sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, ObjectName, ObjectNamePart, Value, ValueWithSpan,
};

use super::Reader;
use super::texts::{reads_relation, runs_text, takes_sequence};
use crate::before::Before;
use crate::cursor::Cursor;
use crate::lexer::lex;
use crate::name::Name;
use crate::statement::Around;
use crate::values::NO_VALUES;
use crate::{Settings, analyse_in};

impl<'a> Reader<'a> {
    /// What a call does by what it is given.
    pub(in crate::read) fn given(&mut self, name: &ObjectName, args: &[FunctionArg]) {
        let Some(function) = name.0.last().and_then(|part| part.as_ident()) else { return };
        let function = function.value.as_str();
        let own = match name.0.as_slice() {
            [_] => true,
            [schema, _] => schema.as_ident().is_some_and(|ident| ident.value == "pg_catalog"),
            _ => false,
        };
        if function == "set_config" {
            self.set_config(args);
        } else if own && function == "current_setting" {
            let setting = self.literal(args, 0).map(|name| name.to_ascii_lowercase());
            self.tells_setting(setting.as_deref().unwrap_or(ALL_SETTINGS));
        } else if own && function.starts_with("pg_input_") {
            // A value becomes one of the type that the second argument names.
            let written = self.literal(args, 1);
            self.checks_by_text(written.as_deref());
        } else if own && function.contains("_populate_record") {
            // And here of the type of the first.
            self.checks_by_text(None);
        } else if own && takes_sequence(function) {
            match self.literal(args, 0).and_then(|text| written_name(&text, self.limits)) {
                Some(sequence) => {
                    let verb = if function == "currval" { Verb::Select } else { Verb::Update };
                    self.implying(|reader| reader.touch(verb, &sequence));
                }
                None if is_constant(args) => {
                    self.opaque(format!("{function} of a sequence that is not a plain name in a literal"));
                }
                // It is computed, or a parameter: the call's own action stands for it.
                None => {}
            }
        } else if own && reads_relation(function) {
            match self.literal(args, 0).and_then(|text| written_name(&text, self.limits)) {
                Some(relation) => drop(self.touch(Verb::Select, &relation)),
                None => self.opaque(format!("{function} of a relation that is not a plain literal")),
            }
        } else if own && runs_text(function) && !(function == "ts_rewrite" && args.len() > 2) {
            let text = self.literal(args, usize::from(function == "ts_rewrite"));
            match text.filter(|text| !text.contains('\\')) {
                Some(text) => self.given_text(&text),
                None => self.opaque(format!("{function} of a text that is not a plain literal")),
            }
        }
    }

    /// `current_setting(name)` is SHOW by another name, which needs no rule of its own.
    pub(in crate::read) fn tells_setting(&mut self, name: &str) {
        let object = Object { kind: ObjectKind::Setting, name: name.to_owned(), ..Object::none() };
        self.act(Action { verb: Verb::Show, object, implied: true, detail: Detail::NONE });
    }

    /// `set_config(name, …)` is SET by another name.
    fn set_config(&mut self, args: &[FunctionArg]) {
        let (setting, value) = (self.literal(args, 0), self.literal(args, 1));
        let by_name = || {
            let is_name = matches!(args.first(), Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(
                Expr::Identifier(ident)))) if ident.value == "name");
            self.chosen_setting.as_deref().filter(|_| is_name).map(str::to_owned)
        };
        match setting.map(Cow::into_owned).or_else(by_name) {
            Some(setting) => self.assign(&setting.to_ascii_lowercase(), value.as_deref()),
            None => self.opaque("set_config of a setting that is not a plain literal"),
        }
    }

    /// A text that is run as a statement of its own.
    fn given_text(&mut self, text: &str) {
        if self.names.before.moved {
            self.opaque("a text that is run behind what has changed names");
            return;
        }
        let settings = Settings { utf8: true, search_path: self.names.path.clone(), ..Settings::default() };
        self.given_statements(text, &settings);
    }

    /// Adds what the statements of another text do.
    pub(super) fn given_statements(&mut self, text: &str, settings: &Settings) {
        let Some(inside) = self.names.inside.deeper() else {
            self.opaque("texts that run texts, too deep");
            return;
        };
        let limits = self.limits;
        let around = Around { settings, limits, values: &NO_VALUES, inside };
        let before = Before::given(text.len(), self.names.before);
        for mut statement in analyse_in(text.as_bytes(), around, before).statements {
            let effects = std::mem::take(&mut statement.effects);
            self.take(statement, false);
            self.follow(effects);
        }
    }

    /// An argument that is a plain literal, perhaps cast.
    fn literal(&self, args: &[FunctionArg], at: usize) -> Option<Cow<'a, str>> {
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) = args.get(at) else { return None };
        let value: &ValueWithSpan = match bare(expr) {
            Expr::Value(value) => value,
            _ => return None,
        };
        let token = self.tokens.get((value.span.start.column as usize).checked_sub(1)?)?;
        token.plain_string(self.text)
    }
}

/// What stands within parentheses and casts that leave a string as it is.
fn bare(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Nested(inner) => inner,
            Expr::Cast { expr: inner, data_type, .. } if keeps_strings(data_type) => inner,
            other => return other,
        };
    }
}

fn keeps_strings(data_type: &DataType) -> bool {
    let plain = |name: &str| matches!(name, "text" | "regclass" | "varchar");
    let ident = |part: &ObjectNamePart| part.as_ident().map(|ident| ident.value.clone());
    match data_type {
        DataType::Text | DataType::Regclass | DataType::Varchar(None) | DataType::CharacterVarying(None) => {
            true
        }
        DataType::Custom(name, modifiers) if modifiers.is_empty() => match name.0.as_slice() {
            [name] => ident(name).is_some_and(|name| plain(&name)),
            [schema, name] => {
                ident(schema).is_some_and(|schema| schema == "pg_catalog")
                    && ident(name).is_some_and(|name| plain(&name))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether the first argument is written out, perhaps with a cast.
fn is_constant(args: &[FunctionArg]) -> bool {
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))) = args.first() else { return false };
    let mut expr = argument;
    while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
        expr = inner;
    }
    matches!(expr, Expr::Value(value) if !matches!(value.value, Value::Placeholder(_) | Value::Null))
}

/// A name as `regclass` takes it from a string.
fn written_name(text: &str, limits: &crate::Limits) -> Option<Name> {
    let (text, tokens) =
        lex(text.as_bytes(), &Settings { utf8: true, ..Settings::default() }, limits).ok()?;
    let mut cursor = Cursor::new(text, &tokens);
    let name = cursor.qualified()?;
    cursor.is_end().then_some(name)
}
