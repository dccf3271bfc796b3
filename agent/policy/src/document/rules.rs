//! `rules`: each entry's meaning.

use std::sync::Arc;

use super::objects::{actions, column_patterns, objects};
use super::who::{blocks, globs};
use super::{Fields, Node, Reader, Value, when};
use crate::decision::Decision;
use crate::judgement::{DEFAULT_RULE, IMPLIED_RULE, OBSERVED_RULE};
use crate::mask::MaskMethod;
use crate::pattern::{ColumnPattern, Glob};
use crate::rule::{Judging, Objects, Place, Rule};

/// The keys of a rule.
pub(super) const KEYS: [&str; 16] = [
    "name",
    "who",
    "except",
    "resources",
    "databases",
    "actions",
    "relations",
    "functions",
    "schemas",
    "roles",
    "settings",
    "when",
    "decision",
    "message",
    "mask",
    "mode",
];

/// The keys of a mask with a method.
pub(super) const MASK_KEYS: [&str; 2] = ["columns", "with"];

pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<Rule> {
    let errors = reader.errors.len();
    let fields = reader.fields(node, "a rule", &KEYS)?;
    let place = reader.place(node);
    let name = reader.required(&fields, "name", "give the rule a name: refusals and records show it");
    let name = name.and_then(|node| name_of(reader, node));
    let who = fields.get("who").map(|node| blocks(reader, node, "who")).unwrap_or_default();
    let except = fields.get("except").map(|node| blocks(reader, node, "except")).unwrap_or_default();
    let resources = resources(reader, &fields);
    let databases = fields.get("databases").map(|node| globs(reader, node, "databases")).unwrap_or_default();
    let masks = masks(reader, &fields);
    let judging = judging(reader, &fields, node);
    let message = fields.get("message").and_then(|node| reader.line(node, "a message", 300)).map(Arc::from);
    if judging.is_none() && masks.is_empty() && reader.errors.len() == errors {
        reader.error(node, "the rule says nothing", "give it `actions` and `decision`, or `mask`");
    }
    let observed = fields.get("mode").is_some_and(|mode| {
        if judging.is_none() && reader.errors.len() == errors {
            reader.error(mode, "masks hold in any mode", "leave `mode` out, or give the rule a `decision`");
        }
        reader.is_observed(mode)
    });
    let (name, layer) = (name?, reader.layer);
    Some(Rule { name, place, layer, observed, who, except, resources, databases, judging, message, masks })
}

fn name_of(reader: &mut Reader, node: &Node) -> Option<Arc<str>> {
    let name = reader.name(node, "a rule's name")?;
    if [DEFAULT_RULE, IMPLIED_RULE, OBSERVED_RULE].contains(&name) {
        let message = format!("`{name}` stands for what is decided without a rule");
        reader.error(node, message, "choose another name");
        return None;
    }
    Some(Arc::from(name))
}

fn resources(reader: &mut Reader, fields: &Fields<'_>) -> Vec<(Glob, Place)> {
    let Some(node) = fields.get("resources") else { return Vec::new() };
    let items = reader.some_items(node, "resources");
    let read = |node: &Node| {
        let text = reader.line(node, "a resource", 64)?;
        Some((Glob::new(text), reader.place(node)))
    };
    items.into_iter().filter_map(read).collect()
}

/// `actions`, the objects, `decision`: all or none, since half of it could be read as more than was meant.
fn judging(reader: &mut Reader, fields: &Fields<'_>, rule: &Node) -> Option<Judging> {
    let objects = objects(reader, fields);
    let decision = fields.get("decision").map(|node| {
        let word = reader.word(node, "decision", &Decision::ALL.map(Decision::name));
        word.and_then(|word| Decision::ALL.into_iter().find(|decision| decision.name() == word))
    });
    match (fields.get("actions"), decision) {
        (Some(node), Some(decision)) => {
            let actions = actions(reader, node, &objects);
            let decision = decision?;
            let when = fields.get("when").map(|node| when::read(reader, node, &actions, decision));
            Some(Judging { decision, actions, objects, when: when.unwrap_or_default() })
        }
        (Some(node), None) => {
            reader.error(node, "`actions` need a `decision`", "add `decision: allow`, `deny` or `hold`");
            None
        }
        (None, Some(_)) => {
            reader.error(rule, "`decision` needs `actions`", "add `actions: [\"*\"]` or name them");
            None
        }
        (None, None) => {
            let lonely = Objects::KEYS.into_iter().chain(["when", "message"]).find_map(|key| fields.get(key));
            if let Some(node) = lonely {
                reader.error(node, "this means nothing without `actions`", "add `actions` and `decision`");
            }
            None
        }
    }
}

/// `mask: ["public.customers.ssn", {columns: [...], with: hash}]`.
fn masks(reader: &mut Reader, fields: &Fields<'_>) -> Vec<(ColumnPattern, MaskMethod)> {
    let mut masks = Vec::new();
    let Some(node) = fields.get("mask") else { return masks };
    for node in reader.some_items(node, "mask") {
        let (columns, method) = if matches!(node.value, Value::Map(_)) {
            let Some(fields) = reader.fields(node, "a mask", &MASK_KEYS) else { continue };
            let columns = reader.required(&fields, "columns", "name them as `schema.table.column`");
            let columns = columns.map(|node| reader.some_items(node, "columns")).unwrap_or_default();
            (columns, fields.get("with").map_or(Some(MaskMethod::Redact), |node| method(reader, node)))
        } else {
            (vec![node], Some(MaskMethod::Redact))
        };
        for node in columns {
            let columns = column_patterns(reader, node);
            masks.extend(
                method.into_iter().flat_map(|method| columns.iter().map(move |c| (c.clone(), method))),
            );
        }
    }
    masks
}

fn method(reader: &mut Reader, node: &Node) -> Option<MaskMethod> {
    if node.value == Value::Null {
        // `with: null` without quotes is what one writes, and YAML's word for nothing.
        return Some(MaskMethod::Null);
    }
    let word = reader.word(node, "masking method", &MaskMethod::ALL.map(MaskMethod::name))?;
    MaskMethod::ALL.into_iter().find(|method| method.name() == word)
}
