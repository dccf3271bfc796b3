//! `actions` and the objects that they are done to.

use std::sync::Arc;

use super::{Fields, Node, Reader, nearest, other_words, tags};
use crate::action::{CLASSES, ObjectKind, Verb};
use crate::pattern::{ColumnPattern, Glob, NamePattern, PatternError, single};
use crate::rule::actions::GROUPS;
use crate::rule::{ActionSet, Objects};

/// `actions: [select, "drop table", read, "*"]`.
pub(super) fn actions(reader: &mut Reader, node: &Node, objects: &Objects) -> ActionSet {
    let mut set = ActionSet::default();
    for node in reader.some_items(node, "actions") {
        let Some(text) = reader.text(node, "an action") else { continue };
        let text = text.to_ascii_lowercase();
        if text == "*" {
            set.insert_every();
        } else if let Some(group) = GROUPS.iter().find(|group| group.name == text) {
            group.verbs.iter().for_each(|verb| set.insert(*verb));
        } else if let Some(verb) = verb(&text) {
            set.insert(verb);
            check_objects(reader, node, verb, objects);
        } else if let Some((verb, class)) = classed(&text) {
            set.insert_classed(verb, class);
        } else {
            unknown(reader, node, &text);
        }
    }
    set
}

fn verb(text: &str) -> Option<Verb> {
    Verb::ALL.into_iter().find(|verb| verb.name() == text)
}

/// A verb and a class of objects: `drop table`, `create materialized view`.
fn classed(text: &str) -> Option<(Verb, &'static str)> {
    let (first, class) = text.split_once(' ')?;
    let verb = verb(first).filter(|verb| !verb.is_anything())?;
    let class: Vec<&str> = class.split_whitespace().collect();
    let class = class.join(" ");
    Some((verb, CLASSES.iter().find(|known| **known == class)?))
}

fn unknown(reader: &mut Reader, node: &Node, text: &str) {
    let groups = GROUPS.iter().map(|group| group.name);
    let words: Vec<&str> = Verb::ALL.iter().map(|verb| verb.name()).chain(groups).collect();
    let whole = nearest(text, words.iter().copied()).map(str::to_owned);
    let (first, class) = text.split_once(' ').unwrap_or((text, ""));
    let by_parts = || {
        let first = words
            .iter()
            .find(|word| **word == first)
            .copied()
            .or_else(|| nearest(first, words.iter().copied()))?;
        Some(format!("{first} {}", nearest(class, CLASSES)?))
    };
    // A verb with a word behind it that is no class: `insert into`.
    let alone = || verb(first).map(|verb| verb.name().to_owned());
    let near = || whole.or_else(by_parts).or_else(alone);
    let cure = match other_words("action", text).map(|ours| format!("write {ours}")) {
        Some(ours) => ours,
        None if let Some(near) = near() => format!("did you mean `{near}`?"),
        None if class.is_empty() => format!("write \"*\" or one of: {}", words.join(", ")),
        None => format!("write a verb and one of: {}", CLASSES.join(", ")),
    };
    reader.error(node, format!("there is no action `{text}`"), cure);
}

/// The key under which objects of a kind are listed.
const LISTS: [(ObjectKind, &str); 5] = [
    (ObjectKind::Relation, "relations"),
    (ObjectKind::Function, "functions"),
    (ObjectKind::Schema, "schemas"),
    (ObjectKind::Role, "roles"),
    (ObjectKind::Setting, "settings"),
];

/// A verb that is never done to what the rule lists would never match: better said than silently so.
fn check_objects(reader: &mut Reader, node: &Node, verb: Verb, objects: &Objects) {
    if !objects.kinds().any(|kind| verb.may_be_done_to(kind)) && !objects.is_every() {
        let list = match LISTS.iter().find(|(kind, _)| verb.may_be_done_to(*kind)) {
            Some((_, list)) => format!("list `{list}`, or leave the lists out of its rule"),
            None => "move it to a rule without those lists".to_owned(),
        };
        reader.error(node, format!("`{verb}` is never done to what this rule lists"), list);
    }
}

/// `relations`, `functions`, `schemas`, `roles`, `settings`.
pub(super) fn objects(reader: &mut Reader, fields: &Fields<'_>) -> Objects {
    let relations = relations(reader, fields);
    let functions = each(reader, fields, "functions", |text| text.parse::<NamePattern>());
    let (schemas, roles) = (each(reader, fields, "schemas", single), each(reader, fields, "roles", single));
    // A setting's name may have a dot, and is folded by the server whether quoted or not.
    let setting = |text: &str| Ok(Glob::new(&text.to_ascii_lowercase()));
    let settings = each(reader, fields, "settings", setting);
    Objects { relations, functions, schemas, roles, settings }
}

/// `relations`: patterns, and tags with relations in them.
fn relations(reader: &mut Reader, fields: &Fields<'_>) -> Vec<NamePattern> {
    let Some(node) = fields.get("relations") else { return Vec::new() };
    let tags = Arc::clone(&reader.tags);
    let mut relations = Vec::new();
    for node in reader.some_items(node, "relations") {
        match tags::named(reader, node, &tags) {
            None => relations.extend(pattern(reader, node, "relations", str::parse::<NamePattern>)),
            Some(Some(tag)) if !tag.columns.is_empty() => {
                let message = "this tag stands for columns, and a rule's `relations` for whole relations";
                let cure = "name the tag under `columns` of `when` or in a mask, or give the relations one of their own";
                reader.error(node, message, cure);
            }
            Some(tag) => relations.extend(tag.into_iter().flat_map(|tag| tag.relations.iter().cloned())),
        }
    }
    relations
}

/// A column's pattern, or a tag: its columns, and every column of its relations.
pub(super) fn column_patterns(reader: &mut Reader, node: &Node) -> Vec<ColumnPattern> {
    let tags = Arc::clone(&reader.tags);
    match tags::named(reader, node, &tags) {
        None => pattern(reader, node, "columns", str::parse::<ColumnPattern>).into_iter().collect(),
        Some(None) => Vec::new(),
        Some(Some(tag)) => {
            let whole = tag.relations.iter().map(ColumnPattern::every_of);
            tag.columns.iter().cloned().chain(whole).collect()
        }
    }
}

fn each<T>(
    reader: &mut Reader,
    fields: &Fields<'_>,
    key: &str,
    parse: impl Fn(&str) -> Result<T, PatternError>,
) -> Vec<T> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let items = reader.some_items(node, key);
    items.into_iter().filter_map(|node| pattern(reader, node, key, &parse)).collect()
}

/// One pattern.
pub(super) fn pattern<T>(
    reader: &mut Reader,
    node: &Node,
    key: &str,
    parse: impl Fn(&str) -> Result<T, PatternError>,
) -> Option<T> {
    let text = reader.line(node, key, 1024)?;
    let error = match parse(text) {
        Ok(pattern) => return Some(pattern),
        Err(error) => error,
    };
    let cure = tags::meant(text, &reader.tags).unwrap_or_else(|| meant(text, key, &error));
    reader.error(node, format!("`{text}` is no pattern for {key}: {error}"), cure);
    None
}

/// What whoever wrote a pattern that is none most likely meant.
fn meant(text: &str, key: &str, error: &PatternError) -> String {
    match error {
        PatternError::Parts { .. } if key == "a tag" => {
            "write a relation as `schema.name`, a column as `schema.table.column`".to_owned()
        }
        PatternError::Parts { found: 1, wanted: 2, .. } if text.contains('*') => format!(
            "write `\"{text}.*\"` for all that is in such schemas, or `\"*.{text}\"` for such names in every one"
        ),
        PatternError::Parts { found: 1, wanted: 2, .. } => {
            format!("write `schema.{text}`, or `\"*.{text}\"` for that name in every schema")
        }
        PatternError::Parts { wanted: 2, form, .. } => {
            format!(
                "write `{form}`: a database goes under `databases`, columns under `columns` of `when` or in a mask"
            )
        }
        PatternError::Parts { found: 1, wanted: 3, form } => {
            format!("write `{form}`, or `\"*.*.{text}\"` for that name in every table")
        }
        PatternError::Parts { found: 2, wanted: 3, form } => {
            format!("write it as `{form}`, and `\"schema.table.*\"` for every column of a table")
        }
        PatternError::Parts { form, .. } => format!("write it as `{form}`"),
        PatternError::Empty => "write `*` where anything may stand".to_owned(),
        PatternError::Quotes => "quote each name as a whole, and double a quote within".to_owned(),
        PatternError::Character('(') if key == "functions" => {
            let name = text.split('(').next().unwrap_or_default();
            format!("write the name without its arguments: `{name}`")
        }
        PatternError::Character(c) if "%?[](){}|^+\\".contains(*c) => format!(
            "`*` alone stands for any characters; a name with `{c}` in it goes in double quotes, and all of it in single ones"
        ),
        PatternError::Character(_) => {
            "put the name in double quotes, and all of it in single ones".to_owned()
        }
    }
}
