//! Policy documents: from YAML to a [`Policy`].
//!
//! Two stages. `node` holds what was written, with the place of every value; `rules` and `resources` say what
//! it means. Every error of every document is found in one go, and says what to write instead.
//!
//! # The format
//!
//! ```yaml
//! version: 1
//! layer: team                           # absent: team; base: no team's file makes it milder. Where it is said from
//!                                       # outside which documents are the base's, none can say so of itself
//! tags:                                 # names for sets of relations and columns, of every document
//!   pii: [public.customers.ssn, "vault.*"]
//! resources:                            # may be left to whoever configures the daemon
//!   - name: shop
//!     addresses: ["10.0.0.5:5432", "10.1.0.0/16:5432", "[fd00::5]:5432", "db.internal:5432"]
//!     databases: [shop]                 # absent: every database
//!     mode: observe                     # judged and recorded, not enforced; absent, or enforce: enforced
//! rules:
//!   - name: reporter-reads              # unique over all documents
//!     who: { user: reporter }           # absent: everyone; a list of blocks: any of them
//!     except: { uid: 0 }                # whom the rule is not about after all
//!     resources: [shop]                 # absent: every one
//!     databases: ["shop*"]              # absent: every one
//!     actions: [read, "drop view"]
//!     relations: ["public.*"]           # absent, like the other four: whatever the action is done to
//!     when: { limit: 1000, time: { days: mon-fri, hours: "08:00-18:00", zone: Europe/Berlin } }
//!     decision: allow                   # or deny, or hold
//!     message: ask the data team        # the hint of a refusal or a hold
//!     mode: enforce                     # or observe: recorded, not enforced
//!     mask:                             # holds for who and where of this rule, whatever decides
//!       - public.customers.ssn
//!       - { columns: ["*.*.email"], with: hash }
//! ```
//!
//! Wherever one value may stand, a list of them may. `*` in a pattern is any run of characters, `/` and `.`
//! included; a value that begins with it stands in quotes, or YAML takes it for an alias.
//!
//! - `who` and `except`: `user`, `unit`, `cgroup`, `container`, `executable` (patterns), `uid`, `gid` (numbers),
//!   `executable_sha256` (64 hexadecimal digits), `claims` (a map from claim to patterns). All keys must match, each
//!   with any of its values. An executable is what a job chooses, and others may act through it (a shell, a library
//!   that is loaded into it): grant by what the job cannot choose (user, unit, container), and narrow by executable.
//! - `actions`: a verb ([`crate::Verb::name`]), a verb and a class ([`crate::action::CLASSES`]: `drop table`), a
//!   group, or `*` for every verb but `predicate`, `replicate` and `opaque`. Groups: `read` (select, copy-out), `write`
//!   (insert, update, delete, lock, copy-in), `destructive` (update-all, delete-all, truncate, drop), `ddl` (create,
//!   references, alter, drop), `session` (transaction, set, show, prepare, cursor, explain).
//! - `relations` and `functions` (`schema.name`), `schemas`, `roles`, `settings` (`name`): with any of these the
//!   rule is about actions on objects of those kinds alone. `COPY (query) TO` is done to no relation.
//! - `when`: all that it asks must hold. It is asked of the verbs that can answer, and a rule with a condition is about
//!   no other verb. What could not be told never helps: a rule that allows does not match it, one that denies or holds
//!   does.
//!   - `condition`: `present` or `absent`: whether a WHERE chooses the rows, one that is not trivially true (select,
//!     update, update-all, delete, delete-all).
//!   - `limit`: `100` of a rule that allows: by a literal LIMIT there are no more rows; `{above: 100}` of one that denies
//!     or holds: there may be more, without a literal LIMIT too (select).
//!   - `columns` (`schema.table.column`): of the columns that are read (select) or written (insert, update, update-all) a
//!     rule that allows must name all, one that denies or holds any.
//!   - `roles`: in the same way of those that gain or lose by a grant or revoke.
//!   - `time`: `days` (`mon` to `sun`, `mon-fri`; all), `hours` (all day; `"22:00-06:00"` ends on the next day) and `zone`
//!     (UTC); of several any. A rule's masks hold at any time.
//! - `tags`: `tag:NAME` stands for the tag's patterns, under `relations` where all of them name whole relations, and
//!   wherever columns are named. The base's rules know the base's tags alone.
//! - `mask`: `redact` (if not said otherwise), `null`, `hash`, `last4`, `email`; of several the severest holds. Name
//!   tables rather than `*` where the same subjects write: what a mask names may not be updated.

mod fields;
mod nearest;
mod node;
mod objects;
mod other_words;
mod resources;
mod rules;
mod schema;
mod tags;
mod when;
mod who;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::judge::{Policy, Shared};
use crate::resource::Resource;
use crate::rule::{Layer, Place, Rule};

pub(crate) use fields::{Fields, Reader};
pub use nearest::nearest;
pub(crate) use node::{Node, Value, read};
use other_words::other_words;
pub use schema::schema;
use tags::Tags;

/// The keys of a document.
const KEYS: [&str; 5] = ["version", "layer", "tags", "resources", "rules"];

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
        Policy::read(&documents.iter().map(|document| (document, None)).collect::<Vec<_>>())
    }

    /// The same where it is said from outside which documents are the base's: none of the others can say so of itself.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, the base's first.
    pub fn parse_over(
        base: &[Document<'_>],
        documents: &[Document<'_>],
    ) -> Result<Policy, Vec<DocumentError>> {
        let base = base.iter().map(|document| (document, Some(Layer::Base)));
        let documents = documents.iter().map(|document| (document, Some(Layer::Team)));
        Policy::read(&base.chain(documents).collect::<Vec<_>>())
    }

    /// Each with its layer, where that is not its own to say.
    fn read(documents: &[(&Document<'_>, Option<Layer>)]) -> Result<Policy, Vec<DocumentError>> {
        let mut parts = Parts::default();
        let mut errors = Vec::new();
        // A tag may stand behind a rule that names it, and in another document.
        let mut tags = Tags::new();
        let mut read_all = Vec::new();
        for (document, layer) in documents {
            let mut reader = Reader::new(document.name);
            let root = read(&mut reader, document.text);
            let root = root.filter(|root| head(&mut reader, root, *layer, &mut tags));
            read_all.push((reader, root));
        }
        let tags = Arc::new(tags);
        let mut named = HashSet::new();
        for (mut reader, root) in read_all {
            reader.tags = Arc::clone(&tags);
            if let Some(root) = &root {
                parts.read(&mut reader, root);
            }
            named.extend(reader.named_tags.drain(..));
            reader.errors.sort_by_key(|error| (error.place.line, error.place.column));
            errors.append(&mut reader.errors);
        }
        parts.check_names(&mut errors);
        parts.check_layers(&mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let resources: Vec<Resource> = parts.resources.into_iter().map(|(resource, ..)| resource).collect();
        let unused_tags = tags::unused(&tags, &named);
        let digest = digest(documents);
        let policy = Policy { digest, rules: parts.rules, resources, unused_tags, shared: Shared::default() };
        // Where one is described elsewhere, so may others be.
        if policy.resources.is_empty() || policy.resources.iter().any(|r| r.addresses.is_empty()) {
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

/// What the reading of all rules needs of a document: whose it is, and its tags. False for what is no document.
fn head(reader: &mut Reader, root: &Node, given: Option<Layer>, tags: &mut Tags) -> bool {
    let Some(fields) = reader.fields(root, "a policy document", &KEYS) else { return false };
    reader.version(&fields);
    reader.layer = layer(reader, &fields, given);
    if let Some(node) = fields.get("tags") {
        tags::read(reader, node, tags);
    }
    true
}

/// `layer: base`, where it is not given.
fn layer(reader: &mut Reader, fields: &Fields<'_>, given: Option<Layer>) -> Layer {
    let Some(node) = fields.get("layer") else { return given.unwrap_or_default() };
    let word = reader.word(node, "layer", &Layer::ALL.map(Layer::name));
    let written = Layer::ALL.into_iter().find(|known| Some(known.name()) == word);
    if let (Some(given), Some(written)) = (given, written)
        && given != written
    {
        let message =
            format!("this document is not of layer `{}`: it is not named as one of those", written.name());
        reader.error(node, message, "leave `layer` out: which documents are the base's is configured");
    }
    given.or(written).unwrap_or_default()
}

/// What has been read of all documents so far.
#[derive(Default)]
struct Parts {
    rules: Vec<Rule>,
    resources: Vec<(Resource, Place, Layer)>,
    /// One of the documents is the base's.
    has_base: bool,
}

impl Parts {
    fn read(&mut self, reader: &mut Reader, root: &Node) {
        let Some(fields) = reader.known_fields(root) else { return };
        let layer = reader.layer;
        self.has_base |= layer == Layer::Base;
        for node in fields.get("resources").map(|node| reader.items(node)).unwrap_or_default() {
            let place = reader.place(node);
            let resource = resources::read(reader, node);
            self.resources.extend(resource.map(|resource| (resource, place, layer)));
        }
        for node in fields.get("rules").map(|node| reader.items(node)).unwrap_or_default() {
            self.rules.extend(rules::read(reader, node));
        }
    }

    /// Rules of the base go by a resource's name: who says what it is, and whether anything is enforced there, can lift
    /// them from it.
    fn check_layers(&self, errors: &mut Vec<DocumentError>) {
        let lifted = |(_, _, layer): &&(Resource, Place, Layer)| self.has_base && *layer == Layer::Team;
        errors.extend(self.resources.iter().filter(lifted).map(|(resource, place, _)| DocumentError {
            place: place.clone(),
            message: format!(
                "a team's file cannot say what resource `{}` is: rules of the base go by it",
                resource.name
            ),
            cure: "describe it in a document of the base, or in the configuration".to_owned(),
        }));
    }

    /// Names are unique over all documents: evidence names the rule alone.
    fn check_names(&self, errors: &mut Vec<DocumentError>) {
        let rules = self.rules.iter().map(|rule| ("rule", &*rule.name, &rule.place));
        let resources = self.resources.iter().map(|(r, place, _)| ("resource", r.name.as_str(), place));
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
fn digest(documents: &[(&Document<'_>, Option<Layer>)]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"portreeve policy 1\0");
    for (document, layer) in documents {
        // No text has that length.
        if *layer == Some(Layer::Base) {
            context.update(&u64::MAX.to_be_bytes());
        }
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
        Reader {
            file: Arc::from(file),
            errors: Vec::new(),
            layer: Layer::default(),
            tags: Arc::default(),
            named_tags: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
