//! CREATE FUNCTION and CREATE PROCEDURE: their arguments, clauses and body.
//!
//! Nothing of the body runs here. It is judged all the same, as what the statement itself does: whoever calls it may be
//! somebody else, or a trigger, and what a call does is only implied then, so that a job which may define functions would
//! reach by one of its own what no rule allows it. When it is called through here it is judged once more, as it is then.

use std::sync::Arc;

use policy::catalog::{Body, Provisional};
use policy::{Function, ObjectKind, Volatility};

use super::expression::comma_parts;
use super::session::{is_role_setting, value};
use crate::SearchPath;
use crate::code::{CodeText, Source};
use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};
use crate::name::Name;
use crate::read::{Over, Reader};
use crate::values::Values;

const NULL_ON_NULL: &[&str] = &["returns", "null", "on", "null", "input"];

/// What a trigger's function knows of the event.
const TRIGGER: [&str; 12] = [
    "tg_argv",
    "tg_event",
    "tg_level",
    "tg_name",
    "tg_nargs",
    "tg_op",
    "tg_relid",
    "tg_relname",
    "tg_table_name",
    "tg_table_schema",
    "tg_tag",
    "tg_when",
];

/// Options of one or more words that say nothing of what is run.
const WORDS: &[&[&str]] = &[
    NULL_ON_NULL,
    &["called", "on", "null", "input"],
    &["external", "security", "definer"],
    &["external", "security", "invoker"],
    &["security", "definer"],
    &["security", "invoker"],
    &["not", "leakproof"],
    &["leakproof"],
    &["strict"],
    &["immutable"],
    &["stable"],
    &["volatile"],
    &["window"],
];

/// What has been read of a routine before its body.
pub(super) struct Routine {
    pub(super) values: Values,
    pub(super) path: SearchPath,
    language: Option<String>,
    body: Option<Token>,
    /// It is in a file, or in the server.
    foreign: bool,
    /// Strings in it are not read as they are here.
    other_strings: bool,
    /// What it will be when it is called.
    made: Function,
}

impl<'a> Reader<'a> {
    /// CREATE FUNCTION or PROCEDURE from the name on.
    pub(super) fn routine(&mut self, cursor: &mut Cursor<'a>, class: &'static str) -> Option<()> {
        let name = self.function_name(cursor)?;
        self.create_other(ObjectKind::Function, class, name.clone());
        let mut values = Values::default();
        values.add(name.name.clone());
        let schema = name.schema.or_else(|| self.names.creation_schema().map(str::to_owned));
        values.function = Some(Name { schema, name: name.name });
        let arguments = cursor.group()?;
        self.defines(|reader| reader.arguments(arguments, &mut values))?;
        if !cursor.sees_all(NULL_ON_NULL) {
            self.returns(cursor, &mut values)?;
        }
        let path = self.names.path.clone();
        let made = Function {
            oid: 0,
            schema: values.function.as_ref()?.schema.clone().unwrap_or_default(),
            name: values.function.as_ref()?.name.clone(),
            volatility: Volatility::Volatile,
            security_definer: false,
            language: "sql".to_owned(),
            procedure: class == "procedure",
            body: Body::Unread,
            config: Vec::new(),
        };
        let mut routine =
            Routine { values, path, language: None, body: None, foreign: false, other_strings: false, made };
        loop {
            if cursor.is_end() {
                return self.routine_text(routine);
            }
            if cursor.sees("begin") || cursor.sees("return") {
                return self.routine_statements(cursor, routine);
            }
            self.routine_option(cursor, &mut routine)?;
        }
    }

    /// The arguments: their names, and what their defaults call.
    fn arguments(&mut self, tokens: &'a [Token], values: &mut Values) -> Option<()> {
        for part in comma_parts(tokens) {
            let mut cursor = Cursor::new(self.text, part);
            mode(&mut cursor);
            let mut unnamed = cursor;
            let alone = self.written_type(&mut unnamed);
            let named = match alone {
                Some(named) if unnamed.is_end() || at_default(&unnamed) => {
                    cursor = unnamed;
                    named
                }
                _ => {
                    values.add(cursor.label()?);
                    mode(&mut cursor);
                    self.written_type(&mut cursor)?
                }
            };
            named.iter().for_each(|name| self.checked_type(name));
            if cursor.eat("default") || cursor.eat_operator("=") {
                if cursor.is_end() {
                    return None;
                }
                self.expression_of(cursor.rest, Over::Nothing);
                cursor.rest = &[];
            }
            if !cursor.is_end() {
                return None;
            }
        }
        Some(())
    }

    /// `RETURNS type`, or a table, whose columns are names of the body.
    fn returns(&mut self, cursor: &mut Cursor<'a>, values: &mut Values) -> Option<()> {
        if !cursor.eat("returns") {
            return Some(());
        }
        if !cursor.eat("table") {
            values.transition_tables = cursor.sees("trigger");
            let trigger = values.transition_tables || cursor.sees("event_trigger");
            if trigger {
                values.add_rows();
                TRIGGER.iter().for_each(|name| values.add(*name));
            }
            let named = self.written_type(cursor)?;
            self.defines(|reader| named.iter().for_each(|name| reader.checked_type(name)));
            return Some(());
        }
        for column in comma_parts(cursor.group()?) {
            let mut column = Cursor::new(self.text, column);
            values.add(column.label()?);
            let named = self.written_type(&mut column)?;
            self.defines(|reader| named.iter().for_each(|name| reader.checked_type(name)));
            if !column.is_end() {
                return None;
            }
        }
        Some(())
    }

    fn routine_option(&mut self, cursor: &mut Cursor<'a>, routine: &mut Routine) -> Option<()> {
        if let Some(words) = WORDS.iter().find(|words| cursor.eat_all(words)) {
            let made = &mut routine.made;
            match words.last() {
                Some(&"definer") => made.security_definer = true,
                Some(&"immutable") => made.volatility = Volatility::Immutable,
                Some(&"stable") => made.volatility = Volatility::Stable,
                _ => {}
            }
            return Some(());
        }
        match cursor.eat_one(&[
            "as",
            "language",
            "transform",
            "cost",
            "rows",
            "support",
            "parallel",
            "set",
            "reset",
        ])? {
            "as" => {
                if routine.body.is_some() {
                    return None;
                }
                routine.body = Some(cursor.string()?);
                if cursor.eat_kind(Kind::Comma) {
                    cursor.string()?;
                    routine.foreign = true;
                }
            }
            "language" => {
                if routine.language.is_some() {
                    return None;
                }
                routine.language = Some(language(cursor)?);
            }
            "transform" => loop {
                if !cursor.eat_all(&["for", "type"]) {
                    return None;
                }
                self.written_type(cursor)?;
                if !cursor.eat_kind(Kind::Comma) {
                    break;
                }
            },
            "support" => {
                let function = self.function_name(cursor)?;
                self.call(policy::Verb::Function, &function);
            }
            "parallel" => {
                cursor.label()?;
            }
            "set" => self.routine_setting(cursor, routine)?,
            "reset" => {
                cursor.chain()?;
            }
            _ => {
                let _ = cursor.eat_operator("-") || cursor.eat_operator("+");
                cursor.next().filter(|token| matches!(token.kind, Kind::Integer | Kind::Number))?;
            }
        }
        Some(())
    }

    /// A setting that holds while the routine runs.
    fn routine_setting(&mut self, cursor: &mut Cursor<'a>, routine: &mut Routine) -> Option<()> {
        let is_assigned = cursor.rest.get(1).is_some_and(|t| {
            t.is(cursor.text, "to") || t.is(cursor.text, "from") || t.written(cursor.text) == "="
        });
        if !is_assigned {
            let name = match () {
                () if cursor.eat_all(&["session", "authorization"]) || cursor.eat("role") => "role",
                () if cursor.eat_all(&["time", "zone"]) => "timezone",
                () => "",
            };
            if !name.is_empty() {
                let value = value(cursor)?;
                if name == "role" {
                    self.defines(|reader| reader.assign(name, Some(&value)));
                    routine.made.config.push(format!("role={value}"));
                } else {
                    self.defines(|reader| reader.sets_later(name));
                }
                return Some(());
            }
        }
        let name = cursor.chain()?.join(".").to_ascii_lowercase();
        // A path of its own is what the body is read by.
        if !is_role_setting(&name) && name != "search_path" {
            self.defines(|reader| reader.sets_later(&name));
        }
        if cursor.eat_all(&["from", "current"]) {
            if is_role_setting(&name) {
                self.defines(|reader| reader.assign(&name, None));
            }
            match name.as_str() {
                "search_path" => routine.made.config.push(setting_of(&self.names.path.clone())),
                name => routine.made.config.push(format!("{name}=")),
            }
            return Some(());
        }
        if !cursor.eat("to") && !cursor.eat_operator("=") {
            return None;
        }
        let start = cursor.rest;
        loop {
            let _ = cursor.eat_operator("-") || cursor.eat_operator("+");
            cursor.next().filter(|token| token.kind.is_constant() || token.kind.is_name())?;
            if !cursor.eat_kind(Kind::Comma) {
                break;
            }
        }
        let values = &start[..start.len() - cursor.rest.len()];
        match name.as_str() {
            "search_path" => {
                routine.path = listed(self.text, values);
                routine.made.config.push(setting_of(&routine.path));
            }
            "standard_conforming_strings" => {
                routine.other_strings = true;
                routine.made.config.push(format!("{name}="));
            }
            name if is_role_setting(name) => {
                let mut cursor = Cursor::new(self.text, values);
                let role = value(&mut cursor).filter(|_| cursor.is_end());
                self.defines(|reader| reader.assign(name, role.as_deref()));
                routine.made.config.push(format!("{name}={}", role.unwrap_or_default()));
            }
            _ => {}
        }
        Some(())
    }

    /// A body that is a string.
    fn routine_text(&mut self, routine: Routine) -> Option<()> {
        let body = routine.body?;
        let language = routine.language.as_deref()?;
        let plpgsql = language == "plpgsql";
        if routine.foreign || !(plpgsql || language == "sql") {
            self.opaque(format!("body of a function in {language}"));
            return Some(());
        }
        self.text_of_code(body, "a function", routine.other_strings, |reader, text, inside| {
            let Routine { path, values, mut made, .. } = routine;
            made.language = if plpgsql { "plpgsql" } else { "sql" }.to_owned();
            made.body = Body::Text(body.literal(reader.text).unwrap_or_default().into());
            reader.makes_function(made);
            let placed = text.placed;
            let source = Source { text: &text.text, placed, inside, path, values };
            reader.defines(|reader| {
                reader.code(source, |code| {
                    if plpgsql {
                        code.plpgsql(&text.tokens);
                    } else {
                        code.statements(&text.tokens);
                        code.strings(&text.tokens);
                    }
                });
            });
        });
        Some(())
    }

    /// BEGIN ATOMIC … END, or RETURN of an expression.
    fn routine_statements(&mut self, cursor: &mut Cursor<'a>, routine: Routine) -> Option<()> {
        let is_sql = routine.language.as_deref().is_none_or(|language| language == "sql");
        if routine.body.is_some() || !is_sql {
            return None;
        }
        let mut tokens = cursor.rest;
        if cursor.eat_all(&["begin", "atomic"]) {
            let (last, inside) = cursor.rest.split_last()?;
            if !last.is(cursor.text, "end") {
                return None;
            }
            tokens = inside;
        } else if !cursor.sees("return") {
            return None;
        }
        cursor.rest = &[];
        let Routine { values, path, mut made, .. } = routine;
        // What it names it has named where it is made.
        let text =
            tokens.first().zip(tokens.last()).map(|(first, last)| first.range().start..last.range().end);
        made.body = Body::Text(text.and_then(|range| self.text.get(range)).unwrap_or_default().into());
        made.config.insert(0, setting_of(self.names.path));
        self.makes_function(made);
        self.defines(|reader| {
            let source = Source { path, ..reader.source(values) };
            reader.code(source, |code| code.statements(tokens));
        });
        Some(())
    }

    /// It is known what a call of this function runs.
    fn makes_function(&mut self, made: Function) {
        // Nobody knows where it is.
        if !made.schema.is_empty() {
            self.functions_stay();
            self.effects.names.push(Provisional::Made(Arc::new(made)));
        }
    }

    /// The text of code in a string, if it can be read: not too deep, not too much, and as PostgreSQL will.
    pub(crate) fn text_of_code(
        &mut self,
        token: Token,
        of: &str,
        other_strings: bool,
        read: impl FnOnce(&mut Self, CodeText<'a>, crate::inside::Inside),
    ) {
        let Some(inside) = self.names.inside.deeper() else {
            self.opaque_at("code in code, too deep", Some(token));
            return;
        };
        if !self.names.before.spend(token.range().len()) {
            self.opaque_at("too much code", Some(token));
            return;
        }
        let conforming = self.names.conforming && !other_strings;
        match CodeText::of(token, self.text, self.limits) {
            Some(text) if conforming || !text.has_backslash() => read(self, text, inside),
            Some(_) | None => self.opaque_at(&format!("the body of {of} is not understood"), Some(token)),
        }
    }
}

fn mode(cursor: &mut Cursor<'_>) {
    if !cursor.eat_all(&["in", "out"]) {
        cursor.eat_one(&["in", "out", "inout", "variadic"]);
    }
}

fn at_default(cursor: &Cursor<'_>) -> bool {
    cursor.sees("default")
        || cursor.rest.first().is_some_and(|t| t.kind == Kind::Operator && t.written(cursor.text) == "=")
}

/// The name of a language.
pub(super) fn language(cursor: &mut Cursor<'_>) -> Option<String> {
    match cursor.string() {
        Some(token) => token.plain_string(cursor.text).map(std::borrow::Cow::into_owned),
        None => cursor.label().map(std::borrow::Cow::into_owned),
    }
}

/// A search path as `pg_proc.proconfig` has it.
fn setting_of(path: &SearchPath) -> String {
    let schemas = match path {
        SearchPath::Known { schemas, .. } => schemas.iter().map(|schema| format!("\"{schema}\"")).collect(),
        SearchPath::Unknown => vec!["\"$user\"".to_owned()],
    };
    format!("search_path={}", schemas.join(", "))
}

/// The schemas that these values of `search_path` list.
pub(super) fn listed(text: &str, values: &[Token]) -> SearchPath {
    let mut schemas = Vec::new();
    for token in values.iter().filter(|token| token.kind != Kind::Comma) {
        let name = if token.kind.is_name() { Some(token.name(text)) } else { token.plain_string(text) };
        match name {
            Some(name) if name == "$user" || token.is(text, "default") => return SearchPath::Unknown,
            Some(name) if !name.is_empty() => schemas.push(name.into_owned()),
            Some(_) => {}
            None => return SearchPath::Unknown,
        }
    }
    SearchPath::of_code(schemas)
}
