use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;

use super::super::node::{self, Node, Value as Yaml};
use super::super::{Document, KEYS, Reader, resources, rules, when};
use super::schema;
use crate::action::{CLASSES, Verb};
use crate::mask::MaskMethod;
use crate::rule::actions::GROUPS;
use crate::who::Who;
use crate::{Decision, Policy};

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

fn json(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Flag(flag) => (*flag).into(),
        Yaml::Whole(number) => (*number).into(),
        Yaml::OtherNumber => (-0.5).into(),
        Yaml::Text(text) => text.as_str().into(),
        Yaml::List(nodes) => nodes.iter().map(json).collect(),
        Yaml::Map(entries) => {
            let name =
                |key: &Node| if let Yaml::Text(text) = &key.value { text.clone() } else { String::new() };
            Value::Object(entries.iter().map(|(key, value)| (name(key), json(value))).collect())
        }
    }
}

/// Whether the reader takes a document, and whether the schema does.
fn taken(validator: &Validator, text: &str) -> (bool, bool) {
    let read = Policy::parse(&[Document { name: "p", text }]).is_ok();
    let node = node::read(&mut Reader::new("p"), text).unwrap();
    (read, validator.is_valid(&json(&node)))
}

#[track_caller]
fn both(validator: &Validator, text: &str, expect: bool) {
    assert_eq!(taken(validator, text), (expect, expect), "the reader, the schema: {text}");
}

fn rule(body: &str) -> String {
    format!("version: 1\nrules:\n- {{ name: r, {body} }}\n")
}

#[test]
fn every_policy_of_the_tree_is_valid() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = fs::read_dir(tree.join("policies")).unwrap().map(|entry| entry.unwrap().path());
    let policies = folder.filter(|path| {
        let name = path.to_str().unwrap();
        name.ends_with(".yaml") && !name.ends_with(".cases.yaml")
    });
    let mut count = 0;
    for path in policies.chain([tree.join("agent/dist/policy.yaml")]) {
        both(&validator(), &fs::read_to_string(path).unwrap(), true);
        count += 1;
    }
    assert!(count > 5);
}

/// What the schema knows under `properties`, at that place.
fn keys(schema: &Value, pointer: &str) -> Vec<String> {
    let properties = schema.pointer(&format!("{pointer}/properties")).and_then(Value::as_object).unwrap();
    assert!(properties.values().all(Value::is_object), "{pointer} has a key that the schema says nothing of");
    properties.keys().cloned().collect()
}

#[test]
fn the_keys_of_each_map_are_those_that_are_read() {
    let schema = schema();
    for (pointer, read) in [
        ("", &KEYS[..]),
        ("/$defs/resource", &resources::KEYS),
        ("/$defs/rule", &rules::KEYS),
        ("/$defs/mask/anyOf/1", &rules::MASK_KEYS),
        ("/$defs/who", &Who::KEYS),
        ("/$defs/when", &when::KEYS),
        ("/$defs/when/properties/limit/anyOf/1", &when::LIMIT_KEYS),
        ("/$defs/time", &when::TIME_KEYS),
    ] {
        let mut read: Vec<String> = read.iter().map(|key| (*key).to_owned()).collect();
        read.sort();
        assert_eq!(keys(&schema, pointer), read, "{pointer}");
    }
}

/// A document with each key of the format, with a value of each of its forms.
const WHOLE: &str = r#"
version: 1
layer: base
tags:
  pii: [public.customers.ssn, '"Vault"."*"']
  open: web.*
resources:
  - { name: shop, addresses: [10.0.0.5], databases: [shop], mode: enforce }
rules:
  - name: one
    who: { user: a, uid: 1, gid: [1, 2], unit: u, cgroup: /c, executable: /x, executable_sha256: DIGEST, container: c, claims: { branch: [main, "release/*"] } }
    except: [{ uid: 0 }]
    resources: sh*
    databases: [shop]
    actions: [grant, select, "drop table"]
    relations: [public.*, tag:open]
    functions: pg_catalog.lower
    schemas: [public]
    roles: app
    settings: search_path
    when: { condition: absent, limit: 10, columns: [tag:pii, a.b.c], roles: [public], time: [{ days: [Mon-fri, sun], hours: "08:00-18:00", zone: Europe/Berlin }, { hours: "22:00-06:00" }] }
    decision: allow
    message: ask
    mask: [a.b.c, { columns: [a.b.d, tag:pii], with: last4 }]
    mode: observe
  - { name: two, actions: read, decision: hold, when: { limit: { above: 10 } } }
"#;

fn whole() -> String {
    WHOLE.replace("DIGEST", &"0f".repeat(32))
}

#[test]
fn each_key_is_taken_by_both_and_none_with_another_name_is() {
    let validator = validator();
    both(&validator, &whole(), true);
    let every = KEYS.iter().chain(&resources::KEYS).chain(&rules::KEYS).chain(&rules::MASK_KEYS);
    let every = every.chain(&Who::KEYS).chain(&when::KEYS).chain(&when::LIMIT_KEYS).chain(&when::TIME_KEYS);
    for key in every {
        let other = whole().replace(&format!("{key}: "), &format!("{key}x: ")).replace("\ntags:", "\ntagsx:");
        let other = other.replace(&format!("\n{key}:\n"), &format!("\n{key}x:\n"));
        assert_ne!(other, whole(), "the document does not have {key}");
        both(&validator, &other, false);
    }
}

#[test]
fn each_word_is_taken_by_both() {
    let validator = validator();
    let mut actions: Vec<String> = vec!["'*'".into()];
    actions.extend(Verb::ALL.iter().map(|verb| verb.name().to_owned()));
    actions.extend(GROUPS.iter().map(|group| group.name.to_owned()));
    actions.extend(CLASSES.iter().map(|class| format!("drop {class}")));
    let classed = Verb::ALL.iter().filter(|verb| !verb.is_anything());
    actions.extend(classed.map(|verb| format!("'{verb}  foreign  table'")));
    for action in &actions {
        for decision in Decision::ALL {
            both(&validator, &rule(&format!("actions: [{action}], decision: {decision}")), true);
        }
    }
    for method in MaskMethod::ALL {
        both(&validator, &rule(&format!("mask: {{ columns: a.b.c, with: {method} }}")), true);
    }
    for day in when::DAYS {
        let time = format!("actions: read, decision: deny, when: {{ time: {{ days: {day} }} }}");
        both(&validator, &rule(&time), true);
    }
    for condition in when::CONDITIONS {
        both(
            &validator,
            &rule(&format!("actions: read, decision: deny, when: {{ condition: {condition} }}")),
            true,
        );
    }
}

#[test]
fn mistakes_that_a_schema_can_tell_are_told_by_both() {
    let validator = validator();
    for text in [
        "{}".to_owned(),
        "version: 2".into(),
        "version: '1'".into(),
        "version: 1\nlayer: bottom".into(),
        "version: 1\nrules: 5".into(),
        "version: 1\ntags: { 'a b': x.y }".into(),
        "version: 1\ntags: { a: x }".into(),
        "version: 1\ntags: { a: [] }".into(),
        "version: 1\nresources: [{ name: a }]".into(),
        "version: 1\nresources: [{ addresses: [10.0.0.1] }]".into(),
        "version: 1\nresources: [{ name: a, addresses: [] }]".into(),
        "version: 1\nrules: [{ actions: read, decision: allow }]".into(),
        rule("decision: allow"),
        rule("actions: read"),
        rule("relations: a.b, mask: a.b.c"),
        rule("message: m, mask: a.b.c"),
        rule("mode: observe, mask: a.b.c"),
        rule("when: { limit: 1 }, mask: a.b.c"),
        rule("actions: [], decision: allow"),
        rule("actions: [selct], decision: allow"),
        rule("actions: ['drop tabel'], decision: allow"),
        rule("actions: ['opaque table'], decision: allow"),
        rule("actions: read, decision: perhaps"),
        rule("actions: read, decision: allow, mode: watch"),
        rule("actions: read, decision: allow, who: {}"),
        rule("actions: read, decision: allow, who: { uid: root }"),
        rule("actions: read, decision: allow, who: { uid: 4294967296 }"),
        rule("actions: read, decision: allow, who: { executable_sha256: '00' }"),
        rule("actions: read, decision: allow, who: { user: [] }"),
        rule("actions: read, decision: allow, relations: orders"),
        rule("actions: read, decision: allow, relations: a.b.c"),
        rule("actions: read, decision: allow, relations: a..b"),
        rule("actions: read, decision: allow, relations: 'a.\"b'"),
        rule("actions: read, decision: allow, message: \"a\\nb\""),
        rule(&format!("actions: read, decision: allow, message: {}", "m".repeat(301))),
        rule("actions: read, decision: allow, when: {}"),
        rule("actions: read, decision: allow, when: { limit: -1 }"),
        rule("actions: read, decision: allow, when: { limit: { above: 1 } }"),
        rule("actions: read, decision: deny, when: { limit: 1 }"),
        rule("actions: read, decision: deny, when: { limit: { below: 1 } }"),
        rule("actions: read, decision: deny, when: { columns: a.b }"),
        rule("actions: read, decision: deny, when: { time: { days: someday } }"),
        rule("actions: read, decision: deny, when: { time: { hours: 8-18 } }"),
        rule("mask: a.b"),
        rule("mask: { with: hash }"),
        rule("mask: { columns: a.b.c, with: rot13 }"),
    ] {
        both(&validator, &text, false);
    }
}

/// Values that may stand anywhere, right or wrong.
const VALUES: [&str; 24] = [
    "a",
    "'*'",
    "a.b",
    "a.b.c",
    "'\"A b\".c'",
    "tag:open",
    "[a, b]",
    "[a.b, '*.c']",
    "[]",
    "7",
    "[1, 2]",
    "null",
    "true",
    "{ uid: 1 }",
    "read",
    "[select, 'drop table']",
    "allow",
    "deny",
    "observe",
    "{ limit: 5 }",
    "{ limit: { above: 5 }, time: { days: sat } }",
    "{ columns: a.b.c, with: hash }",
    "shop",
    "''",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_is_valid(
        entries in prop::collection::btree_map(
            prop::sample::select(rules::KEYS.to_vec()), prop::sample::select(VALUES.to_vec()), 0..5,
        ),
        // Without these two most are no rules.
        judging in any::<bool>(),
    ) {
        let mut body = String::new();
        let base = [("name", "r"), ("actions", "[read, grant]"), ("decision", "deny")];
        for (key, value) in base.into_iter().take(if judging { 3 } else { 1 }) {
            if !entries.contains_key(key) {
                write!(body, "{key}: {value}, ").unwrap();
            }
        }
        for (key, value) in &entries {
            write!(body, "{key}: {value}, ").unwrap();
        }
        let text = format!("version: 1\ntags: {{ open: web.* }}\nrules: [{{ {body} }}]\n");
        thread_local!(static VALIDATOR: Validator = validator());
        let (read, valid) = VALIDATOR.with(|validator| taken(validator, &text));
        prop_assert!(valid || !read, "{}", text);
    }
}
