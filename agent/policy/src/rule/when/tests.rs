use std::sync::Arc;

use crate::{Action, Detail, Document, Moment, Object, ObjectKind, Policy, Principal, Subject, Verb};

fn decide(rule: &str, action: &Action, at: Moment) -> bool {
    let decision = if rule.contains("decision: allow") { "deny" } else { "allow" };
    let rest = match decision {
        "allow" => "- { name: rest, actions: ['*'], decision: allow }\n",
        _ => "",
    };
    let text = format!("rules:\n- {{ name: asked, {rule} }}\n{rest}version: 1\n");
    let policy = Policy::parse(&[Document { name: "p", text: &text }]).unwrap();
    let principal = Principal::plain();
    let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
    let judgement = Arc::new(policy).for_subject(&subject).judge([action], at);
    judgement.rule() == "asked"
}

/// Whether a rule that allows and one that denies, with the same `when`, match that action.
#[track_caller]
fn check(actions: &str, when: &str, action: &Action, (allows, denies): (bool, bool)) {
    for (decision, matches) in [("allow", allows), ("deny", denies), ("hold", denies)] {
        let rule = format!("actions: [{actions}], when: {{ {when} }}, decision: {decision}");
        assert_eq!(decide(&rule, action, Moment::default()), matches, "{rule}: {action:?}");
    }
}

fn on_customers(verb: Verb, detail: Detail) -> Action {
    let object = Object {
        kind: ObjectKind::Relation,
        class: "table",
        schema: Some("public".to_owned()),
        name: "customers".to_owned(),
        oid: None,
    };
    Action { verb, object, implied: false, detail }
}

fn columns(names: &[&str]) -> Detail {
    Detail { columns: Some(names.iter().map(|name| (*name).to_owned()).collect()), ..Detail::NONE }
}

const BOTH: (bool, bool) = (true, true);
const NEITHER: (bool, bool) = (false, false);
/// What is not known never helps the one who asks.
const NOT_KNOWN: (bool, bool) = (false, true);

#[test]
fn a_condition_is_known_by_the_verb_or_told_of_a_select() {
    let select = |condition| on_customers(Verb::Select, Detail { condition, ..Detail::NONE });
    let of = |verb| on_customers(verb, Detail::NONE);
    for (action, present, absent) in [
        (select(Some(true)), BOTH, NEITHER),
        (select(Some(false)), NEITHER, BOTH),
        (select(None), NOT_KNOWN, NOT_KNOWN),
        (of(Verb::Update), BOTH, NEITHER),
        (of(Verb::UpdateAll), NEITHER, BOTH),
        (of(Verb::Delete), BOTH, NEITHER),
        (of(Verb::DeleteAll), NEITHER, BOTH),
        // It has none: a rule with one is about others.
        (of(Verb::Insert), NEITHER, NEITHER),
    ] {
        check("'*'", "condition: present", &action, present);
        check("'*'", "condition: absent", &action, absent);
    }
}

#[test]
fn a_limit_that_is_not_known_is_none() {
    let select = |limit| on_customers(Verb::Select, Detail { limit, ..Detail::NONE });
    let asked = |when: &str, decision: &str, action: &Action| {
        decide(
            &format!("actions: [read], when: {{ {when} }}, decision: {decision}"),
            action,
            Moment::default(),
        )
    };
    for (limit, allowed, held) in
        [(Some(99), true, false), (Some(100), true, false), (Some(101), false, true)]
    {
        assert_eq!(asked("limit: 100", "allow", &select(limit)), allowed, "{limit:?}");
        assert_eq!(asked("limit: { above: 100 }", "hold", &select(limit)), held, "{limit:?}");
    }
    assert!(!asked("limit: 100", "allow", &select(None)));
    assert!(asked("limit: { above: 100 }", "deny", &select(None)));
}

#[test]
fn all_columns_are_allowed_and_one_is_enough_to_be_denied() {
    for (names, expect) in [
        (&["id"][..], (true, true)),
        (&["id", "ssn"], (false, true)),
        (&["ssn"], (false, false)),
        // It counts rows, and reads none of them.
        (&[], (true, false)),
    ] {
        for verb in [Verb::Select, Verb::Insert, Verb::Update, Verb::UpdateAll] {
            check("'*'", "columns: public.customers.id", &on_customers(verb, columns(names)), expect);
        }
    }
    let any = on_customers(Verb::Select, Detail::NONE);
    check("read", "columns: '*.*.id'", &any, NOT_KNOWN);
    check("read", "columns: public.customers.id", &any, NOT_KNOWN);
    // Of another relation it is none of these, whichever it is.
    check("read", "columns: public.orders.id", &any, NEITHER);
    check(
        "read",
        "columns: ['*.orders.*', '*.customers.i*']",
        &on_customers(Verb::Select, columns(&["id"])),
        BOTH,
    );
    let mut nowhere = on_customers(Verb::Select, columns(&["id"]));
    nowhere.object.schema = None;
    check("read", "columns: public.customers.id", &nowhere, NOT_KNOWN);
    check("read", "columns: public.orders.id", &nowhere, NEITHER);
    // Nothing of a column is asked of what takes whole rows.
    check("read, delete", "columns: public.customers.id", &on_customers(Verb::Delete, Detail::NONE), NEITHER);
}

#[test]
fn a_grant_is_allowed_to_all_who_gain_and_denied_for_one_of_them() {
    let grant = |roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        on_customers(Verb::Grant, Detail { roles, ..Detail::NONE })
    };
    for (roles, expect) in
        [(&["ci_a"][..], BOTH), (&["ci_a", "public"], NOT_KNOWN), (&["public"], NEITHER), (&[], NOT_KNOWN)]
    {
        check("grant, revoke", "roles: 'ci_*'", &grant(roles), expect);
    }
}

#[test]
fn a_rule_speaks_in_its_time_alone_and_all_of_its_conditions_must_hold() {
    let select = on_customers(Verb::Select, Detail { condition: Some(true), ..columns(&["id"]) });
    let at = |text: &str| text.parse::<Moment>().unwrap();
    for decision in ["allow", "deny"] {
        let asked = |when: &str, time| {
            decide(&format!("actions: [read], when: {{ {when} }}, decision: {decision}"), &select, at(time))
        };
        let work = "time: { days: mon-fri, hours: '08:00-18:00', zone: Europe/Berlin }";
        assert!(asked(work, "2026-03-02T09:00:00Z"));
        assert!(!asked(work, "2026-03-02T17:00:00Z"));
        let either = "time: [{ hours: '08:00-09:00' }, { days: [sat, sun] }]";
        assert!(asked(either, "2026-03-02T08:00:00Z"));
        assert!(asked(either, "2026-03-01T20:00:00Z"));
        assert!(!asked(either, "2026-03-02T20:00:00Z"));
        assert!(asked(&format!("condition: present, {work}"), "2026-03-02T09:00:00Z"));
        assert!(!asked(&format!("condition: absent, {work}"), "2026-03-02T09:00:00Z"));
        assert!(!asked(&format!("condition: present, columns: '*.*.ssn', {work}"), "2026-03-02T09:00:00Z"));
    }
}
