//! `when`: conditions of a rule.

use jiff::tz::TimeZone;

use super::objects::{column_patterns, pattern};
use super::{Fields, Node, Reader, Value};
use crate::action::Verb;
use crate::decision::Decision;
use crate::pattern::single;
use crate::rule::ActionSet;
use crate::rule::when::{self, RowLimit, When};
pub(crate) use crate::window::DAYS;
use crate::window::{DAY, Window};

/// The keys of `when`.
pub(crate) const KEYS: [&str; 5] = ["condition", "limit", "columns", "roles", "time"];
/// The words for a condition.
pub(crate) const CONDITIONS: [&str; 2] = ["present", "absent"];
/// The keys of a limit that rows go above.
pub(crate) const LIMIT_KEYS: [&str; 1] = ["above"];
/// The keys of a time.
pub(crate) const TIME_KEYS: [&str; 3] = ["days", "hours", "zone"];

pub(super) fn read(reader: &mut Reader, node: &Node, actions: &ActionSet, decision: Decision) -> When {
    let mut when = When::default();
    let errors = reader.errors.len();
    let Some(fields) = reader.fields(node, "`when`", &KEYS) else { return when };
    if let Some(node) = fields.get("condition") {
        asked(reader, node, "condition", when::CONDITION, actions);
        when.condition = reader.word(node, "condition", &CONDITIONS).map(|word| word == "present");
    }
    if let Some(node) = fields.get("limit") {
        asked(reader, node, "limit", when::LIMIT, actions);
        when.limit = limit(reader, node, decision);
    }
    if let Some(node) = fields.get("columns") {
        asked(reader, node, "columns", when::COLUMNS, actions);
        for node in reader.some_items(node, "columns") {
            when.columns.extend(column_patterns(reader, node));
        }
    }
    if let Some(node) = fields.get("roles") {
        asked(reader, node, "roles", when::ROLES, actions);
        for node in reader.some_items(node, "roles") {
            when.roles.extend(pattern(reader, node, "roles", single));
        }
    }
    if let Some(node) = fields.get("time") {
        for node in reader.some_items(node, "time") {
            when.windows.extend(window(reader, node));
        }
    }
    if when.is_always() && reader.errors.len() == errors {
        reader.error(node, "`when` asks nothing", "give it a condition, or leave the key out");
    }
    when
}

/// A condition that none of the rule's actions can answer would never be met.
fn asked(reader: &mut Reader, node: &Node, key: &str, of: &[Verb], actions: &ActionSet) {
    if !of.iter().any(|verb| actions.may_have(*verb)) {
        let names: Vec<&str> = of.iter().map(|verb| verb.name()).collect();
        let message = format!("`{key}` is asked of none of this rule's actions");
        reader.error(node, message, format!("name one of: {}", names.join(", ")));
    }
}

/// `100` of a rule that allows, `{above: 100}` of one that denies or holds. The other way round it would rest on a limit
/// that is not known: `LIMIT $1` may be any.
fn limit(reader: &mut Reader, node: &Node, decision: Decision) -> Option<RowLimit> {
    let above = matches!(node.value, Value::Map(_));
    if above == (decision == Decision::Allow) {
        let (message, cure) = match above {
            true => ("a rule cannot allow what has no known limit", "write `limit: 100`, or leave it out"),
            false => {
                ("what a rule denies or holds is what no limit keeps small", "write `limit: {above: 100}`")
            }
        };
        reader.error(node, message, cure);
        return None;
    }
    if !above {
        return reader.number(node, "limit").map(|most| RowLimit::AtMost(most.into()));
    }
    let fields = reader.fields(node, "`limit`", &LIMIT_KEYS)?;
    let above = reader.required(&fields, "above", "write `limit: {above: 100}`")?;
    reader.number(above, "above").map(|most| RowLimit::Above(most.into()))
}

/// `{days: [mon-fri], hours: "08:00-18:00", zone: Europe/Berlin}`.
fn window(reader: &mut Reader, node: &Node) -> Option<Window> {
    reader.no_text(node, "a time", "hours: \"08:00-18:00\"")?;
    let fields = reader.fields(node, "a time", &TIME_KEYS)?;
    let days = days(reader, &fields);
    let (from, until) = match fields.get("hours") {
        None => (0, DAY),
        Some(node) => hours(reader, node)?,
    };
    let zone = match fields.get("zone") {
        None => TimeZone::UTC,
        Some(node) => {
            let name = reader.line(node, "a zone", 64)?;
            let zone = TimeZone::get(name).ok();
            if zone.is_none() {
                reader.error(
                    node,
                    format!("there is no time zone `{name}`"),
                    "write its name in the tz database, as `Europe/Berlin`",
                );
            }
            zone?
        }
    };
    Some(Window { days, from, until, zone })
}

fn days(reader: &mut Reader, fields: &Fields<'_>) -> u8 {
    let Some(node) = fields.get("days") else { return 0b111_1111 };
    let mut days = 0;
    for node in reader.some_items(node, "days") {
        let Some(text) = reader.text(node, "a day") else { continue };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let day = |name: &str| DAYS.iter().position(|known| *known == name.to_ascii_lowercase());
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            match text.contains('-') {
                true => {
                    let cure = format!("write one of: {}, or a span: mon-fri", DAYS.join(", "));
                    reader.error(node, format!("there is no day `{text}`"), cure);
                }
                false => reader.unknown_word(node, "day", text, &DAYS),
            }
            continue;
        };
        // `fri-mon` goes over the end of the week.
        let count = (last + 7 - first) % 7;
        days |= (0..=count).fold(0, |days, more| days | 1 << ((first + more) % 7));
    }
    days
}

fn hours(reader: &mut Reader, node: &Node) -> Option<(u16, u16)> {
    if matches!(node.value, Value::List(_)) {
        let message = "hours is text, this is a list";
        reader.error(node, message, "write one span, and a list of times for several");
        return None;
    }
    let text = reader.text(node, "hours")?;
    let read = || {
        let (from, until) = text.split_once('-')?;
        let (from, until) = (minute(from)?, minute(until)?);
        (from < DAY && from != until && until > 0).then_some((from, until))
    };
    let hours = read();
    if hours.is_none() {
        reader.error(
            node,
            format!("`{text}` are no hours of a day"),
            "write them as \"08:00-18:00\"; \"22:00-06:00\" ends on the next day",
        );
    }
    hours
}

/// `HH:MM`, up to 24:00.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60).then_some(hour * 60 + minute).filter(|minute| *minute <= DAY)
}
