//! `actions` and the objects that they are done to.

use std::sync::Arc;

use super::{Fields, Node, Reader, nearest, tags};
use crate::action::{CLASSES, Verb};
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
    let cure = match whole.or_else(by_parts) {
        Some(near) => format!("did you mean `{near}`?"),
        None if class.is_empty() => format!("write \"*\" or one of: {}", words.join(", ")),
        None => format!("write a verb and one of: {}", CLASSES.join(", ")),
    };
    reader.error(node, format!("there is no action `{text}`"), cure);
}

/// A verb that is never done to what the rule lists would never match: better said than silently so.
fn check_objects(reader: &mut Reader, node: &Node, verb: Verb, objects: &Objects) {
    if !objects.kinds().any(|kind| verb.may_be_done_to(kind)) && !objects.is_every() {
        reader.error(
            node,
            format!("`{verb}` is never done to what this rule lists"),
            "move it to a rule without those lists",
        );
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
    let cure = match &error {
        PatternError::Parts { found: 1, wanted: 2, .. } => format!("write `\"*.{text}\"` or name the schema"),
        PatternError::Parts { form, .. } => format!("write it as `{form}`"),
        PatternError::Empty => "write `*` where anything may stand".to_owned(),
        PatternError::Quotes => "quote each name as a whole, and double a quote within".to_owned(),
        PatternError::Character(_) => {
            "put the name in double quotes, and all of it in single ones".to_owned()
        }
    };
    reader.error(node, format!("`{text}` is no pattern for {key}: {error}"), cure);
    None
}
