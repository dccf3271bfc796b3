//! `resources`: the protected servers.

use super::{Node, Reader};
use crate::resource::{Address, Resource};

/// The keys of a resource.
pub(super) const KEYS: [&str; 4] = ["name", "addresses", "databases", "mode"];

pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<Resource> {
    let fields = reader.fields(node, "a resource", &KEYS)?;
    let name = reader.required(&fields, "name", "write what rules shall call it");
    let name = name.and_then(|node| reader.name(node, "a resource's name"));
    let mut addresses = Vec::new();
    let written = match fields.get("mode") {
        // Where it is may be left to whoever configures the daemon, if there is something else to say.
        Some(_) => fields.get("addresses"),
        None => reader.required(&fields, "addresses", "write where it is, as `[\"10.0.0.5:5432\"]`"),
    };
    if let Some(node) = written {
        for node in reader.some_items(node, "addresses") {
            let Some(text) = reader.text(node, "an address") else { continue };
            match text.parse::<Address>() {
                Ok(address) => addresses.push(address),
                Err(error) => reader.error(
                    node,
                    format!("`{text}` is no address: {error}"),
                    "write host:port, network/bits:port or name:port",
                ),
            }
        }
    }
    let mut databases = Vec::new();
    if let Some(node) = fields.get("databases") {
        for node in reader.some_items(node, "databases") {
            databases.extend(reader.text(node, "a database").map(str::to_owned));
        }
    }
    let observed = fields.get("mode").is_some_and(|node| reader.is_observed(node));
    Some(Resource { name: name?.to_owned(), addresses, databases, observed })
}
