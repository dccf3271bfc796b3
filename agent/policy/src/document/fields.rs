//! Taking a written tree apart: maps with known keys, texts, words, lists. Each mistake is noted with its cure
//! and the reading goes on, so that one look finds them all.

use std::sync::Arc;

use super::tags::Tags;
use super::{DocumentError, Node, Value, nearest, other_words};
use crate::rule::{Layer, Place};

/// The modes of a rule or resource.
pub(crate) const MODES: [&str; 2] = ["enforce", "observe"];

/// Reads one document, and gathers what is wrong with it.
pub(crate) struct Reader {
    pub(super) file: Arc<str>,
    pub(crate) errors: Vec<DocumentError>,
    /// Whose document it is.
    pub(super) layer: Layer,
    /// What it may name beside patterns.
    pub(super) tags: Arc<Tags>,
    /// The tags that its rules name.
    pub(super) named_tags: Vec<String>,
}

/// The entries of a map whose keys are known.
pub(crate) struct Fields<'a> {
    map: &'a Node,
    entries: Vec<(&'a str, &'a Node)>,
}

impl<'a> Fields<'a> {
    /// The value of a key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, node)| *node)
    }
}

impl Reader {
    /// Where a node stands.
    pub(crate) fn place(&self, node: &Node) -> Place {
        Place { file: self.file.clone(), line: node.line, column: node.column }
    }

    /// Notes a mistake.
    pub(crate) fn error(&mut self, node: &Node, message: impl Into<String>, cure: impl Into<String>) {
        self.error_at(node.line, node.column, message, cure);
    }

    pub(crate) fn error_at(
        &mut self,
        line: u64,
        column: u64,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) {
        let place = Place { file: self.file.clone(), line, column };
        self.errors.push(DocumentError { place, message: message.into(), cure: cure.into() });
    }

    /// A map with keys among `known`.
    pub(crate) fn fields<'a>(&mut self, node: &'a Node, what: &str, known: &[&str]) -> Option<Fields<'a>> {
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in self.entries(node, what)? {
            if !known.contains(&key) {
                let cure = cure(what, key, known);
                self.error(value.0, format!("{what} has no key `{key}`"), cure);
            }
            entries.push((key, value.1));
        }
        Some(Fields { map: node, entries })
    }

    /// A map whose keys have been looked at.
    pub(super) fn known_fields<'a>(&mut self, node: &'a Node) -> Option<Fields<'a>> {
        let Value::Map(map) = &node.value else { return None };
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in map {
            if let Value::Text(key) = &key.value {
                entries.push((key, value));
            }
        }
        Some(Fields { map: node, entries })
    }

    /// A map with keys of any name: key, and the nodes of key and value.
    pub(crate) fn entries<'a>(
        &mut self,
        node: &'a Node,
        what: &str,
    ) -> Option<Vec<(&'a str, (&'a Node, &'a Node))>> {
        let Value::Map(map) = &node.value else {
            self.error(
                node,
                format!("{what} is a map, this is {}", node.value.kind()),
                "write it as `key: value`",
            );
            return None;
        };
        let mut entries: Vec<(&str, (&Node, &Node))> = Vec::new();
        for (key, value) in map {
            let Some(name) = self.text(key, "a key") else { continue };
            if entries.iter().any(|(seen, _)| *seen == name) {
                self.error(key, format!("`{name}` is there twice"), "keep one of them");
            } else {
                entries.push((name, (key, value)));
            }
        }
        Some(entries)
    }

    /// Text in the place of a map is a mistake with a cure of its own: the map as it is most often written. `None` then.
    pub(crate) fn no_text(&mut self, node: &Node, what: &str, example: &str) -> Option<()> {
        if !matches!(node.value, Value::Text(_)) {
            return Some(());
        }
        let cure = format!("write its keys, as `{{ {example} }}`");
        self.error(node, format!("{what} is a map, this is text"), cure);
        None
    }

    /// A field that must be there.
    pub(crate) fn required<'a>(&mut self, fields: &Fields<'a>, key: &str, cure: &str) -> Option<&'a Node> {
        let node = fields.get(key);
        if node.is_none() {
            self.error(fields.map, format!("`{key}` is missing"), cure);
        }
        node
    }

    /// `version: 1`.
    pub(crate) fn version(&mut self, fields: &Fields<'_>) {
        let cure = "write `version: 1`";
        if let Some(node) = self.required(fields, "version", cure)
            && node.value != Value::Whole(1)
        {
            self.error(node, "this version of the format is not known", cure);
        }
    }

    /// Text that is not empty.
    pub(crate) fn text<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a str> {
        match &node.value {
            Value::Text(text) if !text.is_empty() => return Some(text),
            Value::Text(_) => self.error(node, format!("{what} is empty"), "write it, or leave the key out"),
            Value::Flag(_) | Value::Whole(_) | Value::OtherNumber => {
                self.error(node, format!("{what} is text, this is {}", node.value.kind()), "put it in quotes")
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.error(node, format!("{what} is text, this is {}", node.value.kind()), "write one text")
            }
        }
        None
    }

    /// One line of text, at most so many characters.
    pub(crate) fn line<'a>(&mut self, node: &'a Node, what: &str, most: usize) -> Option<&'a str> {
        let text = self.text(node, what)?;
        if text.chars().count() <= most && !text.chars().any(char::is_control) {
            return Some(text);
        }
        self.error(
            node,
            format!("{what} is longer than one line of {most} characters"),
            "shorten it to one line",
        );
        None
    }

    /// A name of letters, digits, `-`, `_` and `.`.
    pub(crate) fn name<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a str> {
        let name = self.text(node, what)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.len() <= 64 && name.chars().all(fits) {
            return Some(name);
        }
        self.error(node, format!("{what} is not a name"), "use at most 64 letters, digits, `-`, `_` and `.`");
        None
    }

    /// One of the known words.
    pub(crate) fn word<'w>(&mut self, node: &Node, what: &str, known: &[&'w str]) -> Option<&'w str> {
        if matches!(node.value, Value::Flag(_) | Value::Whole(_) | Value::OtherNumber | Value::Null) {
            let message = format!("{what} is text, this is {}", node.value.kind());
            self.error(node, message, format!("write one of: {}", known.join(", ")));
            return None;
        }
        let text = self.text(node, what)?;
        if let Some(word) = known.iter().find(|word| **word == text) {
            return Some(word);
        }
        self.unknown_word(node, what, text, known);
        None
    }

    /// `mode: enforce` or `mode: observe`.
    pub(crate) fn is_observed(&mut self, node: &Node) -> bool {
        self.word(node, "mode", &MODES) == Some("observe")
    }

    /// Notes a word that is not known.
    pub(crate) fn unknown_word(&mut self, node: &Node, what: &str, text: &str, known: &[&str]) {
        let cure = cure(what, text, known);
        self.error(node, format!("there is no {what} `{text}`"), cure);
    }

    /// A whole number that fits.
    pub(crate) fn number(&mut self, node: &Node, what: &str) -> Option<u32> {
        if let Value::Whole(number) = node.value
            && let Ok(number) = u32::try_from(number)
        {
            return Some(number);
        }
        self.error(node, format!("{what} is a number, this is {}", node.value.kind()), "write it in digits");
        None
    }

    /// A SHA-256 digest.
    pub(crate) fn digest(&mut self, node: &Node, what: &str) -> Option<[u8; 32]> {
        let mut digest = [0; 32];
        if hex::decode_to_slice(self.text(node, what)?, &mut digest).is_ok() {
            return Some(digest);
        }
        self.error(node, format!("{what} is no SHA-256"), "write its 64 hexadecimal digits");
        None
    }

    /// The items of a list; what is no list is its own only item. An empty list is a mistake where it would
    /// read as a condition, since it asks nothing.
    pub(crate) fn items<'a>(&mut self, node: &'a Node) -> Vec<&'a Node> {
        match &node.value {
            Value::List(nodes) => nodes.iter().collect(),
            Value::Null => Vec::new(),
            _ => vec![node],
        }
    }

    /// Like [`Reader::items`], of which there must be one at least.
    pub(crate) fn some_items<'a>(&mut self, node: &'a Node, what: &str) -> Vec<&'a Node> {
        let items = self.items(node);
        if items.is_empty() {
            self.error(node, format!("{what} is empty"), "name at least one, or leave the key out");
        }
        items
    }
}

/// What to write for a word that is not known.
fn cure(what: &str, word: &str, known: &[&str]) -> String {
    match (other_words(what, word), nearest(word, known.iter().copied())) {
        (Some(ours), _) => format!("write {ours}"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("write one of: {}", known.join(", ")),
    }
}
