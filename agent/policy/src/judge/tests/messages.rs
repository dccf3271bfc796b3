//! What a refusal tells whoever is refused.

use super::*;

#[test]
fn a_refusal_names_the_action_the_rule_and_the_cure() {
    let policy = policy(
        r#"
  - { name: no-ddl, actions: [ddl], decision: deny, message: "ask #dba" }
  - { name: slow, actions: [truncate], decision: hold }
  - { name: m, actions: [opaque], decision: allow }
"#,
    );
    for (actions, message, hint) in [
        ("drop public.t", "drop table public.t is denied by rule \"no-ddl\"", "ask #dba"),
        (
            "truncate public.t",
            "truncate table public.t is held by rule \"slow\"",
            "A reviewer decides whether it runs.",
        ),
        (
            "select public.t",
            "select table public.t is denied by rule \"default\": no rule allows it",
            "Ask for a rule that allows \"select\" there.",
        ),
        (
            "opaque body of DO",
            "opaque (body of DO) is denied by rule \"no-ddl\": what could not be understood in full may be what \
             that rule is about",
            "ask #dba",
        ),
    ] {
        let judgement = judge(&policy, &reporter(), &[actions]);
        assert_eq!(judgement.message(), message);
        assert_eq!(judgement.hint().as_deref(), Some(hint));
    }
    let odd = judge(&policy, &reporter(), &["drop public.a\nb"]);
    assert!(!odd.refusal().contains('\n'));
    assert!(!odd.message().contains('\n'));
}

#[test]
fn a_refusal_is_one_line_with_what_would_be_allowed_or_whom_to_ask() {
    let policy = policy(
        r#"
  - { name: rows, actions: [select, insert], relations: ["public.*"], decision: allow }
  - { name: some, actions: [delete, delete-all], when: { condition: present }, relations: ["public.*"], decision: allow }
  - { name: no-ddl, actions: [ddl], decision: deny, message: "Ask #dba." }
  - { name: no-locks, actions: [lock], decision: deny }
  - { name: m, actions: [opaque], decision: allow }
  - { name: watched, actions: [truncate], decision: allow, mode: observe }
"#,
    );
    for (action, refusal) in [
        ("drop public.t", "drop table public.t is denied by rule \"no-ddl\": Ask #dba."),
        (
            "lock public.t",
            "lock table public.t is denied by rule \"no-locks\": ask whoever answers \
             for rule \"no-locks\"",
        ),
        (
            "implied lock public.t",
            "lock table public.t, which comes along (by a trigger, a function, a view, a partition or CASCADE), is denied by \
             rule \"no-locks\": ask whoever answers for rule \"no-locks\"",
        ),
        (
            "truncate public.t",
            "truncate table public.t is denied by rule \"default\": no rule allows it; allowed there: select, insert, \
             delete; ask for a rule that allows \"truncate\" there",
        ),
        (
            "delete-all public.t",
            "delete-all table public.t is denied by rule \"default\": no rule allows it; rule \"some\" allows it with a \
             WHERE that is not trivially true; ask for a rule that allows \"delete-all\" there",
        ),
        (
            "select hr.t",
            "select table hr.t is denied by rule \"default\": no rule allows it; ask for a rule that allows \"select\" there",
        ),
        (
            "opaque body of DO",
            "opaque (body of DO) is denied by rule \"no-ddl\": what could not be understood in full may be what that rule is \
             about; Ask #dba.",
        ),
    ] {
        assert_eq!(judge(&policy, &reporter(), &[action]).refusal(), refusal);
    }
}

#[test]
fn what_masks_refuse_tells_what_can_be_done_of_that_kind() {
    let policy = policy("  - { name: m, actions: [\"*\"], decision: allow, mask: public.customers.ssn }\n");
    let subject = Subject { principal: &reporter(), resource: "shop", database: "shop" };
    for (action, refusal) in [
        (
            "alter public.customers",
            "alter table public.customers is denied by rule \"m\": it masks columns of what this defines, alters or reads, \
             which could then be read in clear; define and alter what has no masked columns, and leave this to somebody for \
             whom nothing is masked there",
        ),
        (
            "function function public.f",
            "function public.f is denied by rule \"m\": it masks columns, from which may come what this is given or finds; \
             call what runs no text, with what you know by itself",
        ),
        (
            "insert public.t",
            "insert table public.t is denied by rule \"m\": it masks columns, from which may come what this statement stores: \
             it could then be read back in clear; write what you know by itself, and to rows of relations without masked \
             columns",
        ),
    ] {
        let noon = "2026-03-02T12:00:00Z".parse().unwrap();
        let action = self::action(action);
        assert_eq!(policy.for_subject(&subject).judge_storing([&action], true, noon).refusal(), refusal);
    }
}

#[test]
fn what_would_allow_it_is_told_in_the_words_of_the_condition_that_is_not_met() {
    for (actions, when, action, told) in [
        (
            "select",
            "limit: 50",
            "select public.t",
            "with a literal LIMIT of at most 50 in the query itself that reads it, without an aggregate or a window",
        ),
        (
            "delete",
            "condition: absent",
            "delete public.t",
            "without a WHERE, or with one that is trivially true",
        ),
        (
            "select",
            "time: [{days: sun}, {hours: \"22:00-06:00\", zone: Europe/Berlin}]",
            "select public.t",
            "on sun UTC or at 22:00-06:00 Europe/Berlin",
        ),
        ("select", "columns: [a.b.c, a.b.d]", "select public.t", "for no column but a.b.c and a.b.d"),
        ("grant", "roles: [app]", "grant public.t", "for no role but app"),
    ] {
        let policy = policy(&format!(
            "  - {{ name: r, actions: [{actions}], when: {{ {when} }}, decision: allow }}\n"
        ));
        let mut action = self::action(action);
        action.detail.columns = Some(vec!["x".to_owned()]);
        action.detail.roles = vec!["other".to_owned()];
        let subject = Subject { principal: &reporter(), resource: "shop", database: "shop" };
        let noon = "2026-03-02T12:00:00Z".parse().unwrap();
        let refusal = policy.for_subject(&subject).judge([&action], noon).refusal();
        let expect = format!("no rule allows it; rule \"r\" allows it {told}; ask for a rule");
        assert!(refusal.contains(&expect), "{refusal}");
    }
}

#[test]
fn a_refusal_without_a_rule_says_which_kind_of_rule_would_allow_it() {
    let policy = policy("  []\n");
    for (action, hint) in [
        ("create type public.mood", "Ask for a rule that allows \"create type\" and lists no objects."),
        ("create function public.f", "Ask for a rule that allows \"create\" there, by `functions`."),
        ("drop schema s", "Ask for a rule that allows \"drop\" there, by `schemas`."),
        ("set search_path", "Ask for a rule that allows \"set\" there, by `settings`."),
        ("copy-out", "Ask for a rule that allows \"copy-out\" and lists no objects."),
    ] {
        assert_eq!(judge(&policy, &reporter(), &[action]).hint().as_deref(), Some(hint), "{action}");
    }
}

#[test]
fn of_what_is_refused_alike_what_a_rule_refuses_is_told_before_what_none_allows() {
    let policy =
        policy("  - { name: no-shell, actions: [copy-program], decision: deny, message: \"Ask #dba.\" }\n");
    let judgement = judge(&policy, &reporter(), &["insert public.t", "copy-program"]);
    assert_eq!(judgement.refusal(), "copy-program is denied by rule \"no-shell\": Ask #dba.");
    // A hold is milder than that nothing allows it.
    let policy = self::policy("  - { name: wait, actions: [copy-program], decision: hold }\n");
    assert_eq!(judge(&policy, &reporter(), &["copy-program", "insert public.t"]).rule(), "default");
}
