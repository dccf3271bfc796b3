//! Objects that are made of functions: aggregates, operators, casts, types, languages and their like. Whoever uses one
//! calls them, so that each is an action where it is made.

use policy::catalog::{Provisional, TypeKind};
use policy::{ObjectKind, Verb};

use super::action;
use super::define::{Defined, When};
use super::expression::comma_parts;
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::name::Name;
use crate::names::extension;
use crate::read::{Over, Reader};

/// Attributes whose values are functions.
const FUNCTIONS: &[&str] = &[
    "analyze",
    "canonical",
    "combinefunc",
    "deserialfunc",
    "end",
    "finalfunc",
    "function",
    "gettoken",
    "headline",
    "init",
    "input",
    "join",
    "lexize",
    "lextypes",
    "mfinalfunc",
    "minvfunc",
    "msfunc",
    "output",
    "procedure",
    "receive",
    "restrict",
    "send",
    "serialfunc",
    "sfunc",
    "sfunc1",
    "sfunc2",
    "start",
    "subscript",
    "subtype_diff",
    "typmod_in",
    "typmod_out",
];

/// All others: types, values, operators, names of objects.
const OTHERS: &[&str] = &[
    "alignment",
    "basetype",
    "category",
    "collatable",
    "collation",
    "commutator",
    "copy",
    "default",
    "delimiter",
    "deterministic",
    "element",
    "finalfunc_extra",
    "finalfunc_modify",
    "gtcmp",
    "hashes",
    "hypothetical",
    "initcond",
    "initcond1",
    "initcond2",
    "internallength",
    "lc_collate",
    "lc_ctype",
    "leftarg",
    "like",
    "locale",
    "ltcmp",
    "merges",
    "mfinalfunc_extra",
    "mfinalfunc_modify",
    "minitcond",
    "msspace",
    "mstype",
    "multirange_type_name",
    "negator",
    "parallel",
    "parser",
    "passedbyvalue",
    "preferred",
    "provider",
    "rightarg",
    "rules",
    "sort1",
    "sort2",
    "sortop",
    "sspace",
    "storage",
    "stype",
    "stype1",
    "stype2",
    "subtype",
    "subtype_opclass",
    "version",
];

impl<'a> Reader<'a> {
    /// CREATE of the kinds that are made of functions or of options, from the name on.
    pub(super) fn create_rarer(
        &mut self,
        cursor: &mut Cursor<'a>,
        class: &'static str,
        kind: ObjectKind,
    ) -> Option<()> {
        match class {
            "aggregate" => {
                let name = cursor.qualified()?;
                self.create_other(ObjectKind::Function, "aggregate", name);
                let first = cursor.group()?;
                // Without a list of arguments it is the old way to write one.
                let attributes = cursor.group().unwrap_or(first);
                self.attributes(attributes)
            }
            "type" => {
                let name = cursor.qualified()?;
                let kind = match () {
                    () if cursor.sees_all(&["as", "enum"]) => TypeKind::Enum,
                    () if cursor.sees_all(&["as", "range"]) => TypeKind::Range,
                    () if cursor.sees("as") => TypeKind::Composite,
                    () => TypeKind::Base,
                };
                self.makes_type(&name, kind);
                self.create_other(ObjectKind::Other, "type", name);
                self.type_definition(cursor)
            }
            "domain" => {
                let name = cursor.qualified()?;
                self.makes_type(&name, TypeKind::Domain);
                self.create_other(ObjectKind::Other, "domain", name);
                cursor.eat("as");
                self.column_type(cursor, When::Later)?;
                self.qualities(cursor, Defined { over: Over::Nothing, when: When::Later })
            }
            "operator" => {
                self.act(action(Verb::Create, ObjectKind::Other, "operator", ""));
                while cursor.label().is_some() && cursor.eat_kind(Kind::Dot) {}
                cursor.next().filter(|token| token.kind == Kind::Operator)?;
                let attributes = cursor.group()?;
                self.attributes(attributes)
            }
            "collation" => {
                let name = cursor.qualified()?;
                self.create_other(ObjectKind::Other, "collation", name);
                if cursor.eat("from") {
                    cursor.chain()?;
                    return Some(());
                }
                cursor.group().map(|_| ())
            }
            "text search parser" | "text search template" => {
                let name = cursor.qualified()?;
                self.create_other(ObjectKind::Other, class, name);
                let attributes = cursor.group()?;
                self.attributes(attributes)
            }
            "text search configuration" | "text search dictionary" => {
                let name = cursor.qualified()?;
                self.create_other(ObjectKind::Other, class, name);
                cursor.group().map(|_| ())
            }
            "statistics" => self.statistics(cursor),
            "publication" => {
                let name = cursor.name()?.into_owned();
                self.act(action(Verb::Create, ObjectKind::Other, "publication", name));
                if cursor.eat("for") {
                    return self.publishes(cursor, Verb::Select);
                }
                if cursor.eat("with") {
                    cursor.group()?;
                }
                Some(())
            }
            "cast"
            | "conversion"
            | "operator class"
            | "transform"
            | "language"
            | "event trigger"
            | "access method"
            | "foreign data wrapper" => {
                let name = cursor.clone().chain().and_then(|parts| parts.into_iter().next_back());
                self.act(action(Verb::Create, kind, class, name.unwrap_or_default()));
                self.moves_settings();
                self.named_functions(cursor, class, false)
            }
            "extension" => self.extension(cursor),
            // The rest of these holds names and options; the class tells what it is.
            class => {
                let name = cursor.clone().chain().and_then(|parts| parts.into_iter().next_back());
                self.act(action(Verb::Create, kind, class, name.unwrap_or_default()));
                self.moves_settings();
                cursor.rest = &[];
                Some(())
            }
        }
    }

    /// What follows the name in CREATE TYPE.
    fn type_definition(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        if cursor.eat_all(&["as", "enum"]) {
            return cursor.group().map(|_| ());
        }
        if cursor.eat_all(&["as", "range"]) {
            let attributes = cursor.group()?;
            return self.attributes(attributes);
        }
        if cursor.eat("as") {
            for attribute in comma_parts(cursor.group()?) {
                let mut attribute = Cursor::new(self.text, attribute);
                attribute.name()?;
                self.column_type(&mut attribute, When::Later)?;
                if attribute.eat("collate") {
                    attribute.chain()?;
                }
                if !attribute.is_end() {
                    return None;
                }
            }
            return Some(());
        }
        match cursor.group() {
            Some(attributes) => self.attributes(attributes),
            None => Some(()),
        }
    }

    /// `(name = value, …)`.
    pub(super) fn attributes(&mut self, tokens: &'a [crate::lexer::Token]) -> Option<()> {
        for part in comma_parts(tokens) {
            let mut cursor = Cursor::new(self.text, part);
            let name = cursor.label()?.to_ascii_lowercase();
            if !FUNCTIONS.contains(&name.as_str()) {
                if !OTHERS.contains(&name.as_str()) {
                    self.opaque_at("unsupported attribute", part.first().copied());
                }
                continue;
            }
            if !cursor.eat_operator("=") {
                return None;
            }
            if cursor.eat("none") && cursor.is_end() {
                continue;
            }
            let function = match cursor.string() {
                Some(token) => Name { schema: None, name: token.plain_string(self.text)?.into_owned() },
                None => self.function_name(&mut cursor)?,
            };
            if !cursor.is_end() {
                return None;
            }
            self.call(Verb::Function, &function);
        }
        Some(())
    }

    /// `[[database.]schema.]name` of a function: a word that may not name a column may name one.
    pub(super) fn function_name(&mut self, cursor: &mut Cursor<'a>) -> Option<Name> {
        let mut parts = vec![cursor.label()?.into_owned()];
        while cursor.eat_kind(Kind::Dot) {
            parts.push(cursor.label()?.into_owned());
        }
        Name::of(parts)
    }

    /// CREATE EXTENSION from the name on: its scripts run as they were installed at the server.
    fn extension(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let name = cursor.name()?.into_owned();
        self.act(action(Verb::Create, ObjectKind::Other, "extension", name.clone()));
        cursor.eat("with");
        let mut schema = self.names.creation_schema().map(str::to_owned);
        loop {
            if cursor.eat("schema") {
                schema = Some(cursor.name()?.into_owned());
            } else if cursor.eat("version") || cursor.eat("from") {
                let _ = cursor.string().is_some() || cursor.name().is_some();
            } else if !cursor.eat("cascade") {
                break;
            }
        }
        // Its scripts are the server's own: they move no names of others, and settings that they set are put back. What is not
        // known to come with it has no name here until it is committed.
        self.told_moves += 1;
        let made = schema.and_then(|schema| extension(&name, &schema)).unwrap_or_default();
        // Where it is there already, IF NOT EXISTS makes nothing.
        let catalog = self.names.catalog;
        let is_new = |made: &Provisional| match made {
            Provisional::Made(made) => !catalog
                .schemas()
                .any(|schema| catalog.functions_named(schema, &made.name).any(|known| known.language == "c")),
            Provisional::Type(_, name, _) => {
                !catalog.schemas().any(|schema| catalog.type_named(schema, name).is_some())
            }
            _ => true,
        };
        self.effects.names.extend(made.into_iter().filter(is_new));
        Some(())
    }

    /// A type of that kind is there from now on.
    fn makes_type(&mut self, name: &Name, kind: TypeKind) {
        let schema = name.schema.clone().or_else(|| self.names.creation_schema().map(str::to_owned));
        let made = schema.map(|schema| Provisional::Type(schema, name.name.clone(), kind));
        self.effects.names.extend(made);
    }

    /// Functions that stand behind the words of the grammar that a function follows; everything else is names, types and
    /// strings. `named`: the object's own name stands before.
    pub(super) fn named_functions(
        &mut self,
        cursor: &mut Cursor<'a>,
        class: &str,
        named: bool,
    ) -> Option<()> {
        let words: &[&str] = match class {
            "conversion" => &["from"],
            "language" => &["handler", "inline", "validator"],
            "access method" | "foreign data wrapper" => &["handler", "validator"],
            _ => &["function", "procedure"],
        };
        let numbered = matches!(class, "operator class" | "operator family");
        // A name may be such a word, and NO or WITHOUT stands before what is not there.
        let mut before: Option<crate::lexer::Token> = None;
        while let Some(token) = cursor.next() {
            let follows = match before.replace(token) {
                Some(before) => !before.is(self.text, "no") && !before.is(self.text, "without"),
                None => named,
            };
            let is_function = follows && words.iter().any(|word| token.is(self.text, word));
            if numbered && token.is(self.text, "operator") {
                // OPERATOR 1 <, or of two types: a user's calls its function.
                if cursor.eat_kind(Kind::Integer) && self.plain_operator(cursor).is_none() {
                    return None;
                }
                continue;
            }
            if !is_function || (numbered && !cursor.eat_kind(Kind::Integer)) {
                continue;
            }
            if numbered {
                cursor.group();
            }
            let function = self.function_name(cursor)?;
            self.call(Verb::Function, &function);
        }
        Some(())
    }

    /// `[schema.]op`
    fn plain_operator(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let mut schema = None;
        while cursor.peek().is_some_and(|token| token.kind.is_name()) {
            schema = cursor.label();
            cursor.eat_kind(Kind::Dot);
        }
        let operator = cursor.next().filter(|token| token.kind == Kind::Operator)?;
        self.operator(schema.as_deref(), operator.written(self.text));
        Some(())
    }
}
