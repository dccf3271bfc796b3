//! `tags`: names for sets of relations and columns.
//!
//! A rule names a set as `tag:NAME` wherever a pattern of that kind may stand. The base's rules know the base's tags
//! alone: what a team may write is nothing that the base's rules rest on.

use std::collections::{HashMap, HashSet};

use super::{Node, Reader};
use crate::pattern::{ColumnPattern, NamePattern};
use crate::rule::{Layer, Place};

/// What stands before a tag's name.
const PREFIX: &str = "tag:";

/// One tag.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(super) layer: Layer,
    pub(super) place: Place,
    pub(super) relations: Vec<NamePattern>,
    pub(super) columns: Vec<ColumnPattern>,
}

/// All tags of all documents, by name.
pub(crate) type Tags = HashMap<String, Tag>;

/// `tags: {pii: [public.customers.ssn, "vault.*"]}`.
pub(super) fn read(reader: &mut Reader, node: &Node, tags: &mut Tags) {
    let layer = reader.layer;
    for (name, (key, value)) in reader.entries(node, "`tags`").unwrap_or_default() {
        if reader.name(key, "a tag's name").is_none() {
            continue;
        }
        let mut tag = Tag { layer, place: reader.place(key), relations: Vec::new(), columns: Vec::new() };
        for node in reader.some_items(value, "a tag") {
            let Some(text) = reader.line(node, "a tag's pattern", 1024) else { continue };
            if let Ok(relation) = text.parse() {
                tag.relations.push(relation);
            } else if let Some(column) = super::objects::pattern(reader, node, "a tag", str::parse) {
                tag.columns.push(column);
            }
        }
        if let Some(first) = tags.get(name) {
            let message = format!("there is already a tag `{name}`, at {}", first.place);
            reader.error(key, message, "give each its own name");
        } else {
            tags.insert(name.to_owned(), tag);
        }
    }
}

/// The tag that a pattern names. `None`: it names none; `Some(None)`: it names one that is not there for this rule.
pub(super) fn named<'a>(reader: &mut Reader, node: &Node, tags: &'a Tags) -> Option<Option<&'a Tag>> {
    let super::Value::Text(text) = &node.value else { return None };
    let name = text.strip_prefix(PREFIX)?;
    let Some(tag) = tags.get(name) else {
        let known: Vec<&str> = tags.keys().map(String::as_str).collect();
        match known.is_empty() {
            true => reader.error(node, format!("there is no tag `{name}`"), "define it under `tags`"),
            false => reader.unknown_word(node, "tag", name, &known),
        }
        return Some(None);
    };
    if tag.layer > reader.layer {
        reader.error(
            node,
            format!("the base's rules cannot rest on the tag `{name}`, which a team's file defines"),
            "define it in a document of the base",
        );
        return Some(None);
    }
    reader.named_tags.push(name.to_owned());
    Some(Some(tag))
}

/// The tags that no rule names, in document order. The base's are there for teams, too.
pub(super) fn unused(tags: &Tags, named: &HashSet<String>) -> Vec<(String, Place)> {
    let unused = |(name, tag): &(&String, &Tag)| tag.layer == Layer::Team && !named.contains(*name);
    let unused = tags.iter().filter(unused).map(|(name, tag)| (name.clone(), tag.place.clone()));
    let mut unused: Vec<(String, Place)> = unused.collect();
    unused.sort_by(|(_, a), (_, b)| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    unused
}

/// What to write where a text that is no pattern names a tag without the word for it, or with another one.
pub(super) fn meant(text: &str, tags: &Tags) -> Option<String> {
    let name = text.split_once(':').map_or(text, |(_, name)| name).trim();
    tags.contains_key(name).then(|| format!("write `{PREFIX}{name}`"))
}
