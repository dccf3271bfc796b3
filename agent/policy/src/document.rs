//! Policy documents: from YAML to a [`Policy`].
//!
//! Two stages. `node` holds what was written, with the place of every value; `rules` and `resources` say what
//! it means. Every error of every document is found in one go, and says what to write instead.

mod fields;
mod nearest;
mod node;
mod objects;
mod resources;
mod rules;
mod who;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::judge::Policy;
use crate::resource::Resource;
use crate::rule::{Place, Rule};

pub(crate) use fields::{Fields, Reader};
pub use nearest::nearest;
pub(crate) use node::{Node, Value, read};

/// The largest document that is read, in bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;

/// One document, as it was found.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// What errors and places call it: a file's name, most often.
    pub name: &'a str,
    /// Its YAML.
    pub text: &'a str,
}

/// What is wrong with a document, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub cure: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.message, self.cure)
    }
}

impl std::error::Error for DocumentError {}

impl Policy {
    /// Reads all documents of a policy. Without any the policy refuses everything.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, in their order.
    pub fn parse(documents: &[Document<'_>]) -> Result<Policy, Vec<DocumentError>> {
        let mut parts = Parts::default();
        let mut errors = Vec::new();
        for document in documents {
            let mut reader = Reader::new(document.name);
            if let Some(root) = read(&mut reader, document.text) {
                parts.read(&mut reader, &root);
            }
            reader.errors.sort_by_key(|error| (error.place.line, error.place.column));
            errors.append(&mut reader.errors);
        }
        parts.check_names(&mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let resources: Vec<Resource> = parts.resources.into_iter().map(|(resource, _)| resource).collect();
        let policy = Policy { digest: digest(documents), rules: parts.rules, resources };
        if policy.resources.is_empty() {
            return Ok(policy);
        }
        let names: Vec<&str> = policy.resources.iter().map(|resource| resource.name.as_str()).collect();
        let errors = policy.unknown_resources(&names);
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    /// The resources that rules name but that are not among `known`: for whoever configures resources outside
    /// of the documents. Patterns with a `*` are not looked at.
    pub fn unknown_resources(&self, known: &[&str]) -> Vec<DocumentError> {
        let named = self.rules.iter().flat_map(|rule| &rule.resources);
        let unknown = named.filter_map(|(glob, place)| {
            let name = glob.literal().filter(|name| !known.contains(name))?;
            Some(DocumentError {
                place: place.clone(),
                message: format!("there is no resource `{name}`"),
                cure: match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of: {}", known.join(", ")),
                },
            })
        });
        unknown.collect()
    }
}

/// What has been read of all documents so far.
#[derive(Default)]
struct Parts {
    rules: Vec<Rule>,
    resources: Vec<(Resource, Place)>,
}

impl Parts {
    fn read(&mut self, reader: &mut Reader, root: &Node) {
        let Some(fields) = reader.fields(root, "a policy document", &["version", "resources", "rules"])
        else {
            return;
        };
        reader.version(&fields);
        for node in fields.get("resources").map(|node| reader.items(node)).unwrap_or_default() {
            let place = reader.place(node);
            self.resources.extend(resources::read(reader, node).map(|resource| (resource, place)));
        }
        for node in fields.get("rules").map(|node| reader.items(node)).unwrap_or_default() {
            self.rules.extend(rules::read(reader, node));
        }
    }

    /// Names are unique over all documents: evidence names the rule alone.
    fn check_names(&self, errors: &mut Vec<DocumentError>) {
        let rules = self.rules.iter().map(|rule| ("rule", &*rule.name, &rule.place));
        let resources = self.resources.iter().map(|(r, place)| ("resource", r.name.as_str(), place));
        let mut seen = HashMap::new();
        for (kind, name, place) in resources.chain(rules) {
            if let Some(first) = seen.insert((kind, name), place) {
                errors.push(DocumentError {
                    place: place.clone(),
                    message: format!("there is already a {kind} `{name}`, at {first}"),
                    cure: "give each its own name".to_owned(),
                });
            }
        }
    }
}

/// Each text is preceded by its length, so that no two lists of texts give the same bytes. Names are left out:
/// an auditor's copy of the same documents, wherever it lies, has the same digest.
fn digest(documents: &[Document<'_>]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"portreeve policy 1\0");
    for document in documents {
        context.update(&(document.text.len() as u64).to_be_bytes());
        context.update(document.text.as_bytes());
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

impl Reader {
    /// A reader of the document of that name.
    pub(crate) fn new(file: &str) -> Self {
        Reader { file: Arc::from(file), errors: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
