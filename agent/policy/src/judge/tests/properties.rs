//! What holds of any rules and any actions.

use proptest::prelude::*;

use super::super::find::Counting;
use super::layers::layered;
use super::*;

/// What is known of an action, and what is not.
fn any_detail() -> impl Strategy<Value = Detail> {
    let columns = prop::option::of(prop::sample::subsequence(vec!["x", "y"], 0..=2));
    let limit = prop::option::of(prop::sample::select(vec![1, 10, 100]));
    let roles = prop::sample::subsequence(vec!["app", "public"], 0..=2);
    let to = |schema: Option<&str>, name: &str| Renaming::To {
        schema: schema.map(str::to_owned),
        name: name.to_owned(),
    };
    let renamings = vec![
        to(Some("public"), "a"),
        to(Some("hr"), "b"),
        to(None, "c"),
        Renaming::Column { from: "x".to_owned(), to: "y".to_owned() },
    ];
    let renamings = prop::sample::subsequence(renamings, 0..=2);
    (columns, prop::option::of(any::<bool>()), limit, roles, renamings).prop_map(
        |(columns, condition, limit, roles, renamings)| {
            let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
            Detail {
                columns: columns.map(owned),
                condition,
                limit,
                roles: owned(roles),
                renamings,
                position: None,
                undefined: None,
            }
        },
    )
}

/// `when` of a rule with that decision, or none.
fn any_when() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "",
        "",
        "when: { condition: present }, ",
        "when: { columns: '*.*.x' }, ",
        "when: { columns: ['*.a.x', 'public.*.*'] }, ",
        "when: { time: { days: thu } }, ",
        "when: { time: { days: fri-wed } }, ",
    ])
}

fn any_action() -> impl Strategy<Value = Action> {
    let names = prop::sample::select(vec!["a", "b", "c"]);
    let schemas = prop::option::of(prop::sample::select(vec!["public", "hr"]));
    let kinds = prop::sample::select(vec![
        (ObjectKind::Relation, "table"),
        (ObjectKind::Function, "function"),
        (ObjectKind::Schema, "schema"),
        (ObjectKind::Other, ""),
    ]);
    (prop::sample::select(Verb::ALL.to_vec()), kinds, schemas, names, any::<bool>(), any_detail()).prop_map(
        |(verb, (kind, class), schema, name, implied, detail)| Action {
            verb,
            object: Object {
                kind,
                class,
                schema: schema.map(str::to_owned),
                name: name.to_owned(),
                oid: None,
            },
            implied,
            detail,
        },
    )
}

/// The YAML of one rule, its decision given and its name left open.
fn any_rule(decision: impl Strategy<Value = &'static str>) -> impl Strategy<Value = String> {
    let who = prop::sample::select(vec![
        "",
        "who: { user: reporter }, ",
        "who: { user: other }, ",
        "who: { executable: /bin/x }, ",
        "except: { uid: 1000 }, ",
        "except: { executable: /bin/x }, ",
    ]);
    let actions = prop::sample::select(vec![
        "actions: ['*'], ",
        "actions: [read, write], ",
        "actions: [destructive, ddl], ",
        "actions: ['*'], relations: [public.*], ",
        "actions: ['drop table', select], relations: ['*.a'], ",
        "actions: [opaque], ",
        "actions: [opaque, '*'], ",
        "actions: [function], functions: [hr.*], ",
    ]);
    let mask = prop::sample::select(vec!["", "", "", "mask: a.b.c, "]);
    (who, actions, any_when(), mask, decision).prop_map(|(who, actions, when, mask, decision)| {
        // It is asked of none of these.
        let asks = when.is_empty()
            || when.contains("time")
            || ["'*'", "read", "select"].iter().any(|a| actions.contains(a));
        let when = if asks { when } else { "" };
        format!("{who}{actions}{when}{mask}decision: {decision}")
    })
}

fn numbered(rules: &[String]) -> Arc<Policy> {
    let rules = rules.iter().enumerate();
    policy(&rules.map(|(at, rule)| format!("  - {{ name: r{at}, {rule} }}\n")).collect::<String>())
}

fn any_rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any_rule(prop::sample::select(vec!["allow", "hold", "deny"])), 1..6)
}

fn decide(policy: &Arc<Policy>, actions: &[Action]) -> Decision {
    let principal = reporter();
    let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
    policy.for_subject(&subject).judge(actions, Moment::default()).decision()
}

proptest! {
    #[test]
    fn another_rule_that_restricts_never_makes_a_decision_milder(
        rules in any_rules(),
        restricting in any_rule(prop::sample::select(vec!["hold", "deny"])),
        at in any::<prop::sample::Index>(),
        action in any_action(),
    ) {
        let before = decide(&numbered(&rules), std::slice::from_ref(&action));
        let mut more = rules.clone();
        more.insert(at.index(rules.len() + 1), restricting.clone());
        let after = decide(&numbered(&more), std::slice::from_ref(&action));
        // A hold may take the place of a refusal by default: it is a rule that speaks where none did.
        let spoken = before == Decision::Deny && after == Decision::Hold && restricting.ends_with("hold");
        prop_assert!(after >= before || spoken);
    }

    #[test]
    fn another_deny_never_makes_a_decision_milder(
        rules in any_rules(),
        deny in any_rule(Just("deny")),
        at in any::<prop::sample::Index>(),
        actions in prop::collection::vec(any_action(), 0..5),
    ) {
        let before = decide(&numbered(&rules), &actions);
        let mut more = rules.clone();
        more.insert(at.index(rules.len() + 1), deny);
        prop_assert!(decide(&numbered(&more), &actions) >= before);
    }

    #[test]
    fn another_action_never_makes_a_decision_milder(
        rules in any_rules(),
        actions in prop::collection::vec(any_action(), 0..5),
        more in any_action(),
        at in any::<prop::sample::Index>(),
    ) {
        let policy = numbered(&rules);
        let before = decide(&policy, &actions);
        let mut with = actions.clone();
        with.insert(at.index(actions.len() + 1), more);
        prop_assert!(decide(&policy, &with) >= before);
    }

    #[test]
    fn a_teams_file_never_makes_a_decision_of_the_base_milder(
        base in any_rules(),
        team in prop::collection::vec(
            (any_rule(prop::sample::select(vec!["allow", "hold", "deny"])), any::<bool>()), 0..6,
        ),
        base_first in any::<bool>(),
        actions in prop::collection::vec(any_action(), 0..5),
    ) {
        let team: Vec<String> = team
            .into_iter()
            .map(|(rule, observed)| if observed { format!("{rule}, mode: observe") } else { rule })
            .collect();
        let principal = reporter();
        let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
        let (alone, both) = (layered(&base, &[], base_first), layered(&base, &team, base_first));
        for action in &actions {
            let one = std::slice::from_ref(action);
            let before = alone.for_subject(&subject).judge(one, Moment::default());
            let after = both.for_subject(&subject).judge(one, Moment::default());
            // Where the base is silent, teams decide.
            prop_assert!(before.rule() == "default" || after.decision() >= before.decision(), "{}", action);
        }
        let masks = both.masks(&subject);
        let held = alone.masks(&subject);
        prop_assert!(held.iter().all(|mask| masks.iter().any(|found| found == mask)));
    }

    #[test]
    fn opaque_is_never_allowed_unless_named_and_never_beside_masks_or_denials(rules in any_rules()) {
        let policy = numbered(&rules);
        let opaque = [Action::opaque("x")];
        let principal = reporter();
        let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
        let judgement = policy.for_subject(&subject).judge(&opaque, Moment::default());
        if judgement.decision() != Decision::Deny {
            prop_assert!(rules.iter().any(|rule| rule.contains("opaque")));
            prop_assert!(policy.masks(&subject).is_empty());
            let denies = policy.rules().iter().any(|rule| {
                rule.decision() == Some(Decision::Deny) && rule.standing(&subject) > Standing::Outside
            });
            prop_assert!(!denies);
        }
    }

    #[test]
    fn any_text_is_a_policy_or_a_list_of_errors(text in ".{0,200}") {
        let read = Policy::parse(&[Document { name: "p", text: &text }]);
        prop_assert!(read.is_ok() || !read.unwrap_err().is_empty());
    }
}

/// What the index is held against: every rule that there is, in document order, with nothing of how rules are ranked.
fn by_asking_all<'a>(
    policy: &'a SubjectPolicy,
    action: &Action,
    at: Moment,
    counting: Counting,
) -> Option<(Decision, &'a Rule)> {
    let mut severest: Option<(Decision, &Rule)> = None;
    for rule in &policy.policy.rules {
        let Some(judging) = &rule.judging else { continue };
        let decision = judging.decision;
        let silent = (action.implied && decision == Decision::Allow)
            || (rule.observed && counting == Counting::Enforced);
        if !silent && judging.matches(action, at) && severest.is_none_or(|(so_far, _)| decision > so_far) {
            severest = Some((decision, rule));
        }
    }
    severest
}

/// Patterns that the index keeps in each of its ways.
fn any_objects() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["relations", "functions", "schemas", "roles", "settings"]);
    let dotted = prop::sample::select(vec![
        "public.a",
        "public.b",
        "hr.a",
        "'hr.*'",
        "'public.a*'",
        "'*.a'",
        "'*.*'",
        "'p*.b'",
        "pg_temp.a",
        "'pg_temp.*'",
        "'*.\"a\"'",
    ]);
    let plain = prop::sample::select(vec!["a", "b", "'a*'", "'*'", "public"]);
    prop::collection::vec((key, prop::collection::vec((dotted, plain), 1..3)), 0..3).prop_map(|lists| {
        let mut seen = Vec::new();
        let mut text = String::new();
        for (key, patterns) in lists {
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let dotted = matches!(key, "relations" | "functions");
            let patterns = patterns.into_iter().map(|(two, one)| if dotted { two } else { one });
            text.push_str(&format!("{key}: [{}], ", patterns.collect::<Vec<_>>().join(", ")));
        }
        text
    })
}

fn any_action_at_all() -> impl Strategy<Value = Action> {
    let kinds = prop::sample::select(vec![
        (ObjectKind::Relation, "table"),
        (ObjectKind::Relation, "view"),
        (ObjectKind::Function, "function"),
        (ObjectKind::Schema, "schema"),
        (ObjectKind::Role, "role"),
        (ObjectKind::Setting, ""),
        (ObjectKind::Other, ""),
    ]);
    let schemas = prop::option::weighted(
        0.8,
        prop::sample::select(vec!["public", "hr", "pg_temp", "pg_temp_3", "other"]),
    );
    let names = prop::sample::select(vec!["a", "b", "ab", "public", ""]);
    (prop::sample::select(Verb::ALL.to_vec()), kinds, schemas, names, any::<bool>(), any_detail()).prop_map(
        |(verb, (kind, class), schema, name, implied, detail)| {
            let schema = schema.map(str::to_owned);
            let object = Object { kind, class, schema, name: name.to_owned(), oid: None };
            Action { verb, object, implied, detail }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_the_rule_that_asking_all_of_them_finds(
        rules in prop::collection::vec(
            (
                prop::sample::select(vec!["'*'", "read", "write, opaque", "'drop table', select", "set, show"]),
                (any_objects(), any_when()),
                prop::sample::select(vec!["allow", "hold", "deny", "allow, mode: observe", "deny, mode: observe"]),
            ),
            1..12,
        ),
        actions in prop::collection::vec(any_action_at_all(), 1..40),
    ) {
        let rules: Vec<String> = rules
            .into_iter()
            .map(|(verbs, (objects, when), decision)| {
                format!("actions: [{verbs}], {objects}{when}decision: {decision}")
            })
            .collect();
        let parsed = |rules: &[&String]| {
            let rules = rules.iter().enumerate();
            let rules: String = rules.map(|(at, rule)| format!("  - {{ name: r{at}, {rule} }}\n")).collect();
            let text = format!("version: 1\nrules:\n{rules}");
            (Policy::parse(&[Document { name: "p", text: &text }]).ok(), text)
        };
        // Verbs that are never done to what a rule lists are mistakes.
        let rules: Vec<&String> = rules.iter().filter(|rule| parsed(&[rule]).0.is_some()).collect();
        let (Some(policy), text) = parsed(&rules) else { return Err(TestCaseError::fail("no policy")) };
        let principal = reporter();
        let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
        let policy = Arc::new(policy).for_subject(&subject);
        for action in &actions {
            for counting in [Counting::Enforced, Counting::All] {
                let at = Moment::default();
                let found = policy.severest(action, at, counting);
                let expect = by_asking_all(&policy, action, at, counting);
                prop_assert_eq!(found, expect, "{}\n{} {:?}", text, action, counting);
            }
        }
    }
}
