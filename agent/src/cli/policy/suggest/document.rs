//! The proposal as a document: rules in YAML, each under a comment that tells what it stands on.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use policy::{Action, CLASSES, Decision, Object, ObjectKind, Verb};

use super::{Proposed, Seen, Target, Words};
use crate::cli::table::{one_line, time};

/// The longest text that is shown, in characters.
const TEXT: usize = 90;

/// As many of what is not proposed are told.
const LEFT: usize = 50;

/// What rules may name of an action's object.
pub(super) fn target(action: &Action) -> Target {
    let Object { kind, schema, name, .. } = &action.object;
    let name = match (kind, schema) {
        (_, _) if name.is_empty() => String::new(),
        (ObjectKind::Relation | ObjectKind::Function, Some(schema)) => {
            // Each session's own has a number.
            let schema = if schema.starts_with("pg_temp_") { "pg_temp" } else { schema };
            format!("{}.{}", quoted(schema), quoted(name))
        }
        (ObjectKind::Relation | ObjectKind::Function, None) => format!("*.{}", quoted(name)),
        (ObjectKind::Schema | ObjectKind::Role, _) => quoted(name),
        (ObjectKind::Setting, _) => name.clone(),
        (ObjectKind::Other, _) => String::new(),
    };
    Target { kind: *kind, name }
}

/// A name as patterns have it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$';
    match name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// The action as rules have it: with the class where definitions change.
pub(super) fn words(action: &Action) -> Words {
    let class = action.object.class;
    let defines = matches!(action.verb, Verb::Create | Verb::Alter | Verb::Drop);
    match defines && CLASSES.contains(&class) {
        true => format!("{} {class}", action.verb),
        false => action.verb.to_string(),
    }
}

/// The verb that they begin with.
pub(super) fn verb(words: &str) -> Option<Verb> {
    let first = words.split(' ').next()?;
    Verb::ALL.into_iter().find(|verb| verb.name() == first)
}

/// The whole document.
pub(super) fn written(
    rules: &[Proposed],
    left: &BTreeMap<(&'static str, String), Seen>,
    all: Option<&Seen>,
) -> String {
    let mut text = String::from("# Proposed by `portreeve policy suggest`");
    match all {
        Some(all) => line(&mut text, format_args!(" from {}.", over(all, "statement"))),
        None => line(&mut text, format_args!(": no session was recorded there.")),
    }
    text.push_str(
        "# It allows what ran, and no more. Read each rule before it holds: what ran once need not be what may run.\n",
    );
    text.push_str("version: 1\n");
    text.push_str(if rules.is_empty() { "rules: []\n" } else { "rules:\n" });
    let mut names = HashMap::new();
    for rule in rules {
        written_rule(&mut text, rule, &mut names);
    }
    if !left.is_empty() {
        text.push_str("# Not proposed:\n");
    }
    for ((reason, action), seen) in left.iter().take(LEFT) {
        let action = one_line(action.as_bytes(), TEXT);
        line(&mut text, format_args!("#   {action}: {reason}; {}, such as", over(seen, "statement")));
        written_case(&mut text, "#", seen);
    }
    if left.len() > LEFT {
        line(&mut text, format_args!("#   and {} more kinds", left.len() - LEFT));
    }
    text
}

fn written_rule(text: &mut String, rule: &Proposed, names: &mut HashMap<String, u32>) {
    line(text, format_args!("  # {}, such as", over(&rule.seen, "use")));
    written_case(text, "  #", &rule.seen);
    // Of these some are done to objects, too, and there is no pattern for none.
    let wide = ["maintain", "copy-in", "copy-out", "copy-server", "grant", "revoke", "role", "system"];
    if rule.names.is_empty() && rule.actions.iter().any(|words| wide.contains(&words.as_str())) {
        text.push_str(
            "  # What ran was done to no object, so nothing is listed: it is about every object, too.\n",
        );
    }
    let name = name(rule);
    let count = names.entry(name.clone()).or_insert(0);
    *count += 1;
    let name = if *count == 1 { name } else { format!("{name}-{count}") };
    line(text, format_args!("  - name: {}", yaml(&name)));
    let (key, value) = &rule.who.told;
    line(text, format_args!("    who: {{ {key}: {value} }}"));
    line(text, format_args!("    resources: [{}]", yaml(&rule.who.resource)));
    line(text, format_args!("    databases: [{}]", yaml(&rule.who.database)));
    line(text, format_args!("    actions: [{}]", rule.actions.join(", ")));
    let key = match rule.kind {
        ObjectKind::Relation => "relations",
        ObjectKind::Function => "functions",
        ObjectKind::Schema => "schemas",
        ObjectKind::Role => "roles",
        ObjectKind::Setting => "settings",
        ObjectKind::Other => "",
    };
    if !rule.names.is_empty() {
        line(text, format_args!("    {key}:"));
        for name in &rule.names {
            line(text, format_args!("      - {}", yaml(name)));
        }
    }
    line(text, format_args!("    decision: {}", rule.decision.name()));
    if rule.decision == Decision::Hold {
        let rows = ["update-all", "delete-all", "truncate", "drop"];
        let of_rows = |words: &String| rows.iter().any(|verb| words.split(' ').next() == Some(verb));
        let why = match rule.actions.iter().all(of_rows) {
            true => "changes more than some rows",
            false => "reaches further than rows of a table",
        };
        line(text, format_args!("    message: proposed to be held, since it {why}"));
    }
}

/// So long a name leaves room, within a rule's 64 characters, for a number that makes it unique.
const NAME: usize = 56;

/// A name that tells what the rule is about; not yet unique.
fn name(rule: &Proposed) -> String {
    let actions = match rule.actions.as_slice() {
        [] => String::new(),
        few if few.len() <= 3 => few.join("-"),
        many => format!(
            "{}-and-{}-more",
            many.iter().take(2).cloned().collect::<Vec<_>>().join("-"),
            many.len() - 2
        ),
    };
    let kind = match rule.kind {
        ObjectKind::Relation => "",
        ObjectKind::Function => "-functions",
        ObjectKind::Schema => "-schemas",
        ObjectKind::Role => "-roles",
        ObjectKind::Setting => "-settings",
        ObjectKind::Other => "-session",
    };
    let who = rule.who.told.1.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = format!("{who}-{}-{actions}{kind}", rule.who.resource);
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(fit).take(NAME).collect()
}

/// How much was seen, and when. A statement uses each of its objects, in each way.
fn over(seen: &Seen, what: &str) -> String {
    let days = (time(seen.from_us), time(seen.to_us));
    let of = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (statements, sessions) = (of(seen.count, what), of(seen.sessions.len() as u64, "session"));
    format!("{statements} in {sessions} from {} to {}", days.0, days.1)
}

fn written_case(text: &mut String, margin: &str, seen: &Seen) {
    let shown = one_line(&seen.text, TEXT);
    let shown = if shown.is_empty() { "(no text)" } else { &shown };
    line(text, format_args!("{margin}     {shown} (session {}, #{})", seen.session, seen.sequence));
}

/// A text that YAML takes for nothing else: JSON's strings are YAML's.
pub(super) fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}
