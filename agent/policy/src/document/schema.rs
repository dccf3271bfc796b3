//! The JSON Schema of policy documents, for editors: made of the same lists of keys and words that the reading goes by.
//!
//! It is no second reader: what it cannot say (names that are unique, tags that are there, verbs that fit what a rule
//! lists) `portreeve policy check` says. What is read in any case of letters it knows in lower case.

use serde_json::{Map, Value, json};

use super::fields::MODES;
use super::{resources, rules, when};
use crate::action::{CLASSES, Verb};
use crate::decision::Decision;
use crate::mask::MaskMethod;
use crate::rule::actions::GROUPS;
use crate::rule::{Layer, Objects};
use crate::who::Who;

/// The schema of a policy document, of draft 2020-12.
pub fn schema() -> Value {
    let mut schema = map(&super::KEYS, &["version"], |key| match key {
        "version" => json!({ "const": 1, "description": "The version of the format" }),
        "layer" => told(
            words(&Layer::ALL.map(Layer::name)),
            "base: no team's file makes it milder; team if left out",
        ),
        "tags" => json!({
            "description": "Names for sets of relations and columns, used as tag:NAME",
            "type": "object",
            "propertyNames": name(),
            "additionalProperties": some(&json!({ "anyOf": [dotted(2), dotted(3)] })),
        }),
        "resources" => told(list(&reference("resource")), "The protected servers"),
        "rules" => told(
            list(&reference("rule")),
            "Of all that match the most severe decides; what none allows is denied",
        ),
        _ => Value::Null,
    });
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Portreeve policy");
    schema["$defs"] = json!({
        "resource": resource(),
        "rule": rule(),
        "who": who(),
        "when": conditions(),
        "time": time(),
        "action": action(),
        "mask": mask(),
    });
    schema
}

fn resource() -> Value {
    let mut resource = map(&resources::KEYS, &["name"], |key| match key {
        "name" => told(name(), "What rules call it"),
        "addresses" => {
            told(some(&text()), "host:port, network/bits:port or name:port; port 5432 if none is said")
        }
        "databases" => told(some(&text()), "The databases that may be asked for; all if left out"),
        "mode" => told(words(&MODES), "observe: judged and recorded, not enforced"),
        _ => Value::Null,
    });
    // Where it is may be left to the configuration, if there is something else to say.
    resource["anyOf"] = json!([{ "required": ["addresses"] }, { "required": ["mode"] }]);
    resource
}

fn rule() -> Value {
    let mut rule = map(&rules::KEYS, &["name"], |key| match key {
        "name" => told(name(), "Unique over all documents; refusals and records show it"),
        "who" => told(some(&reference("who")), "Whom it is about; everyone if left out"),
        "except" => told(some(&reference("who")), "Whom it is not about after all"),
        "resources" => {
            told(some(&line(64)), "Where it holds: resources by name, * for any run of characters")
        }
        "databases" => told(some(&line(4096)), "Where it holds: databases by name"),
        "actions" => told(some(&reference("action")), "What is done"),
        "relations" => told(some(&tag_or(&dotted(2))), "What it is done to: schema.name, or tag:NAME"),
        "functions" => told(some(&dotted(2)), "What it is done to: schema.name"),
        "schemas" | "roles" => told(some(&dotted(1)), "What it is done to, by name"),
        "settings" => told(some(&line(1024)), "What it is done to, by name"),
        "when" => reference("when"),
        "decision" => told(words(&Decision::ALL.map(Decision::name)), "What becomes of it"),
        "message" => told(line(300), "What a refusal or a hold tells the client"),
        "mask" => told(
            some(&reference("mask")),
            "Columns that come out masked for who and where of this rule, whatever decides",
        ),
        "mode" => told(words(&MODES), "observe: recorded, not enforced"),
        _ => Value::Null,
    });
    rule["anyOf"] = json!([{ "required": ["actions"] }, { "required": ["mask"] }]);
    let mut needs = Map::new();
    needs.insert("actions".to_owned(), json!(["decision"]));
    for key in Objects::KEYS.into_iter().chain(["decision", "when", "message", "mode"]) {
        needs.insert(key.to_owned(), json!(["actions"]));
    }
    rule["dependentRequired"] = Value::Object(needs);
    // A rule that allows rests on a limit that is there, one that restricts on one that is not.
    let limit =
        |kind: &str| json!({ "properties": { "when": { "properties": { "limit": { "type": kind } } } } });
    rule["if"] = json!({ "required": ["decision"], "properties": { "decision": { "const": Decision::Allow.name() } } });
    rule["then"] = limit("integer");
    rule["else"] = limit("object");
    rule
}

fn who() -> Value {
    let mut who = map(&Who::KEYS, &[], |key| match key {
        "user" => told(some(&line(4096)), "Login name"),
        "unit" => told(some(&line(4096)), "systemd unit"),
        "cgroup" => told(some(&line(4096)), "Path in the cgroup hierarchy"),
        "executable" => told(some(&line(4096)), "Path; a job chooses it, and others may act through it"),
        "container" => told(some(&line(4096)), "Container"),
        "uid" | "gid" => some(&number()),
        "executable_sha256" => some(&json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" })),
        "claims" => json!({
            "description": "Claims of the job's token, each with patterns",
            "type": "object",
            "additionalProperties": some(&line(4096)),
            "minProperties": 1,
        }),
        _ => Value::Null,
    });
    who["minProperties"] = json!(1);
    who
}

fn conditions() -> Value {
    let mut when = map(&when::KEYS, &[], |key| match key {
        "condition" => {
            told(words(&when::CONDITIONS), "Whether a WHERE chooses the rows, one that is not trivially true")
        }
        "limit" => json!({
            "description": "A literal LIMIT: 100 of a rule that allows, {above: 100} of one that denies or holds",
            "anyOf": [number(), map(&when::LIMIT_KEYS, &when::LIMIT_KEYS, |_| number())],
        }),
        "columns" => told(
            some(&tag_or(&dotted(3))),
            "schema.table.column, or tag:NAME: a rule that allows must name all that are read or written, another any",
        ),
        "roles" => told(some(&dotted(1)), "Who gains or loses by a grant or revoke"),
        "time" => told(some(&reference("time")), "When the rule speaks"),
        _ => Value::Null,
    });
    when["minProperties"] = json!(1);
    when["description"] =
        json!("All of these must hold; what could not be told never helps the one who asks");
    when
}

fn time() -> Value {
    let any_case = |c: char| format!("[{c}{}]", c.to_ascii_uppercase());
    let days = when::DAYS.map(|day| day.chars().map(any_case).collect::<String>()).join("|");
    map(&when::TIME_KEYS, &[], |key| match key {
        "days" => {
            let day = json!({ "type": "string", "pattern": format!("^({days})(-({days}))?$") });
            told(some(&day), "mon to sun, or mon-fri; all if left out")
        }
        "hours" => json!({
            "description": "08:00-18:00; 22:00-06:00 ends on the next day",
            "type": "string",
            "pattern": "^\\s*[0-2][0-9]:[0-5][0-9]\\s*-\\s*[0-2][0-9]:[0-5][0-9]\\s*$",
        }),
        "zone" => told(line(64), "A name of the tz database; UTC if left out"),
        _ => Value::Null,
    })
}

/// A verb, a group, `*`, or a verb and a class of objects.
fn action() -> Value {
    let verbs = Verb::ALL.map(Verb::name);
    let groups = GROUPS.iter().map(|group| group.name);
    let words: Vec<&str> = std::iter::once("*").chain(groups).chain(verbs).collect();
    let classed = Verb::ALL.iter().filter(|verb| !verb.is_anything()).map(|verb| verb.name());
    let classes = CLASSES.map(|class| class.replace(' ', "\\s+"));
    let pattern = format!("^({})\\s+({})\\s*$", classed.collect::<Vec<_>>().join("|"), classes.join("|"));
    json!({
        "description": "A verb, a verb and a class of objects (drop table), a group, or * for every verb but opaque and \
                        replicate",
        "anyOf": [{ "enum": words }, { "type": "string", "pattern": pattern }],
    })
}

fn mask() -> Value {
    let column = tag_or(&dotted(3));
    let methods: Vec<Value> =
        MaskMethod::ALL.iter().map(|method| json!(method.name())).chain([Value::Null]).collect();
    let masked = map(&rules::MASK_KEYS, &["columns"], |key| match key {
        "columns" => some(&column),
        "with" => json!({ "enum": methods, "description": "How; redact if left out" }),
        _ => Value::Null,
    });
    json!({ "anyOf": [column, masked] })
}

/// A map with these keys and no others.
fn map(keys: &[&str], required: &[&str], of: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), of(key))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn told(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

/// One, or a list of at least one.
fn some(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item, "minItems": 1 }] })
}

/// One, a list, or nothing.
fn list(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item }, { "type": "null" }] })
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

fn line(most: usize) -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": most,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    })
}

fn name() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
}

/// A pattern of so many parts: each in double quotes, or without what ends a name.
fn dotted(parts: usize) -> Value {
    let part = "(\"([^\"]|\"\")+\"|[^\".:\\s]+)";
    json!({ "type": "string", "pattern": format!("^{}$", vec![part; parts].join("\\.")), "maxLength": 1024 })
}

fn tag_or(other: &Value) -> Value {
    json!({ "anyOf": [{ "type": "string", "pattern": "^tag:[A-Za-z0-9._-]{1,64}$" }, other] })
}

#[cfg(test)]
mod tests;
