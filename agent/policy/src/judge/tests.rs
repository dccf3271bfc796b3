use super::*;
use crate::{Detail, Document, MaskMethod, Object, ObjectKind, Principal, Renaming};

mod properties;

fn policy(rules: &str) -> Arc<Policy> {
    let text = format!("version: 1\nrules:\n{rules}");
    Arc::new(Policy::parse(&[Document { name: "p", text: &text }]).unwrap())
}

fn reporter() -> Principal {
    Principal { uid: 1000, user: Some("reporter".into()), cgroup: Some("/ci".into()), ..Principal::default() }
}

/// `select public.orders`, `implied select public.orders`, `create schema x`, `set search_path`, `transaction`.
fn action(text: &str) -> Action {
    let (implied, text) = match text.strip_prefix("implied ") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (verb, object) = text.split_once(' ').unwrap_or((text, ""));
    let verb = Verb::ALL.into_iter().find(|known| known.name() == verb).unwrap();
    let object = match (verb, object) {
        (_, "") => Object::none(),
        (Verb::Set | Verb::Show, name) => {
            Object { kind: ObjectKind::Setting, name: name.into(), ..Object::none() }
        }
        (Verb::Opaque, name) => return Action { implied, ..Action::opaque(name) },
        (_, object) => {
            let (class, name) = object.split_once(' ').unwrap_or(("table", object));
            let class = crate::action::CLASSES.into_iter().find(|known| *known == class).unwrap();
            let kind = crate::action::kind_of_class(class).unwrap_or(ObjectKind::Other);
            let (schema, name) = match name.split_once('.') {
                Some((schema, name)) => (Some(schema.to_owned()), name),
                None => (None, name),
            };
            Object { kind, class, schema, name: name.into(), oid: None }
        }
    };
    Action { verb, object, implied, detail: Detail::NONE }
}

/// `stores masked` among the actions says so of the statement.
fn judge(policy: &Arc<Policy>, principal: &Principal, actions: &[&str]) -> Judgement {
    let subject = Subject { principal, resource: "shop", database: "shop" };
    let stores_masked = actions.contains(&"stores masked");
    let actions = actions.iter().filter(|text| **text != "stores masked");
    let actions: Vec<Action> = actions.map(|text| action(text)).collect();
    policy.for_subject(&subject).judge_storing(&actions, stores_masked, Moment::default())
}

#[track_caller]
fn check(policy: &Arc<Policy>, actions: &[&str], expect: &str) {
    let judgement = judge(policy, &reporter(), actions);
    let got = format!("{} {}", judgement.decision(), judgement.rule());
    assert_eq!(got, expect, "{actions:?}");
    assert_eq!(judgement.permit().is_some(), judgement.decision() == Decision::Allow);
    assert_eq!(judgement.permit_preparation().is_some(), judgement.decision() != Decision::Deny);
    assert_eq!(judgement.hold([0; 32], [0; 16], 0).is_some(), judgement.decision() == Decision::Hold);
}

#[test]
fn the_most_severe_rule_decides_and_among_equals_the_first() {
    let policy = policy(
        r#"
  - { name: a1, actions: [read, session], decision: allow }
  - { name: a2, actions: ["*"], relations: ["public.*"], decision: allow }
  - { name: h1, actions: [destructive], decision: hold }
  - { name: d1, actions: ["drop table"], relations: ["public.orders"], decision: deny }
  - { name: d2, actions: ["drop"], relations: ["public.orders"], decision: deny }
"#,
    );
    for (actions, expect) in [
        (&[][..], "allow implied"),
        (&["select public.orders"], "allow a1"),
        (&["insert public.orders"], "allow a2"),
        (&["insert hr.people"], "deny default"),
        (&["delete-all public.orders"], "hold h1"),
        (&["drop public.orders"], "deny d1"),
        (&["drop view public.orders"], "deny d2"),
        (&["drop public.customers"], "hold h1"),
        (&["transaction", "select hr.people"], "allow a1"),
        (&["select public.orders", "drop public.x", "insert hr.people"], "deny default"),
        (&["select public.orders", "truncate public.x", "drop public.orders"], "deny d1"),
    ] {
        check(&policy, actions, expect);
    }
}

#[test]
fn lists_of_objects_select_by_kind() {
    let policy = policy(
        r#"
  - { name: r, actions: ["*"], relations: ["public.*"], functions: ["pg_catalog.*"], schemas: [app], settings: [search_path], decision: allow }
"#,
    );
    for (actions, expect) in [
        (&["select public.a"][..], "allow r"),
        (&["select hr.a"], "deny default"),
        (&["function function pg_catalog.pg_sleep"], "allow r"),
        (&["function function public.f"], "deny default"),
        (&["create schema app"], "allow r"),
        (&["create schema other"], "deny default"),
        (&["set search_path"], "allow r"),
        (&["set role"], "deny default"),
        (&["transaction"], "deny default"),
        (&["drop unknown_schema_table"], "deny default"),
    ] {
        check(&policy, actions, expect);
    }
}

#[test]
fn implied_actions_need_no_rule_but_heed_those_that_deny_or_hold() {
    let policy = policy(
        r#"
  - { name: a, actions: [select], relations: ["public.parent"], decision: allow }
  - { name: d, actions: [select], relations: ["public.secret"], decision: deny }
  - { name: h, actions: [select], relations: ["public.slow"], decision: hold }
"#,
    );
    check(&policy, &["select public.parent", "implied select public.child"], "allow a");
    check(&policy, &["implied select public.child"], "allow implied");
    check(&policy, &["select public.parent", "implied select public.secret"], "deny d");
    check(&policy, &["select public.parent", "implied select public.slow"], "hold h");
    check(&policy, &["implied opaque x"], "deny default");
}

#[test]
fn an_opaque_action_is_allowed_only_by_name_and_never_beside_masks_denials_or_holds() {
    let star = "  - { name: star, actions: [\"*\"], decision: allow }\n";
    let named = "  - { name: named, actions: [opaque], decision: allow }\n";
    let held = "  - { name: held, actions: [opaque], decision: hold }\n";
    let deny = "  - { name: d, actions: [truncate], relations: [\"x.y\"], decision: deny }\n";
    let hold = "  - { name: h, actions: [truncate], relations: [\"x.y\"], decision: hold }\n";
    let mask = "  - { name: m, mask: public.customers.ssn }\n";
    let other = "  - { name: o, who: { user: other }, actions: [\"*\"], decision: deny, mask: a.b.c }\n";
    for (rules, expect) in [
        (vec![star], "deny default"),
        (vec![star, named], "allow named"),
        (vec![held], "hold held"),
        (vec![named, held], "hold held"),
        (vec![named, deny], "deny d"),
        (vec![named, hold], "hold h"),
        (vec![held, hold], "hold held"),
        (vec![named, mask], "deny m"),
        (vec![held, mask], "deny m"),
        (vec![named, mask, hold, deny], "deny d"),
        (vec![named, other], "allow named"),
        (vec![star, mask], "deny default"),
    ] {
        check(&policy(&rules.concat()), &["opaque DO block"], expect);
    }
    check(&policy(&[star, named, mask, deny].concat()), &["select a.b"], "allow star");
}

#[test]
fn copying_out_is_refused_where_masks_hold() {
    let star = "  - { name: star, actions: [\"*\"], decision: allow }\n";
    let mask = "  - { name: m, mask: public.customers.ssn }\n";
    let other = "  - { name: o, who: { user: other }, mask: public.customers.ssn }\n";
    for (rules, actions, expect) in [
        (&[star, other][..], &["select a.b", "copy-out"][..], "allow star"),
        (&[star, mask], &["select a.b", "copy-out"], "deny m"),
        (&[star, mask], &["select a.b", "copy-server"], "deny m"),
        (&[star, mask], &["insert a.b", "copy-in"], "allow star"),
        (&[mask], &["copy-out"], "deny default"),
    ] {
        check(&policy(&rules.concat()), actions, expect);
    }
}

#[test]
fn what_could_be_read_back_in_clear_is_not_stored_where_masks_hold() {
    let star = "  - { name: star, actions: [\"*\"], decision: allow }\n";
    let mask = "  - { name: m, mask: public.customers.ssn }\n";
    let policy = policy(&[star, mask].concat());
    for (actions, expect) in [
        (&["select public.customers"][..], "allow star"),
        (&["insert public.customers"], "allow star"),
        (&["insert public.orders", "select hr.people"], "allow star"),
        (&["insert public.orders", "select public.customers"], "allow star"),
        (&["insert public.orders", "select public.customers", "stores masked"], "deny m"),
        (&["insert public.orders", "implied select public.customers", "stores masked"], "deny m"),
        (&["function pg_catalog.set_config", "select public.customers", "stores masked"], "deny m"),
        (&["select public.customers", "implied function public.kept"], "allow star"),
        (&["select public.customers", "implied function public.kept", "stores masked"], "deny m"),
        // A table's contents are told by their lineage, as those of an INSERT; a view's text is read again later.
        (&["create public.copy", "select public.customers"], "allow star"),
        (&["create public.copy", "select public.customers", "stores masked"], "deny m"),
        (&["create view public.copy", "select public.customers"], "deny m"),
        (&["create function public.copy", "select public.customers"], "deny m"),
        (&["update public.orders"], "allow star"),
        (&["update public.customers"], "allow star"),
        (&["update public.customers", "stores masked"], "deny m"),
        (&["update-all public.customers", "stores masked"], "deny m"),
        (&["update public.orders", "select public.customers"], "allow star"),
        (&["delete public.customers", "select public.customers"], "allow star"),
        (&["alter public.orders"], "allow star"),
        (&["alter public.customers"], "deny m"),
        (&["alter schema public"], "deny m"),
        (&["alter schema hr"], "allow star"),
    ] {
        check(&policy, actions, expect);
    }
}

/// `alter public.secret TO hr.x`; `alter public.people COLUMN ssn TO x`.
fn renaming(text: &str) -> Action {
    let (what, to) = text.split_once(" TO ").unwrap();
    let owned = str::to_owned;
    let (what, renaming) = match (what.split_once(" COLUMN "), to.split_once('.')) {
        (Some((what, from)), _) => (what, Renaming::Column { from: owned(from), to: owned(to) }),
        (None, Some((schema, name))) => {
            (what, Renaming::To { schema: Some(owned(schema)), name: owned(name) })
        }
        (None, None) => (what, Renaming::To { schema: None, name: owned(to) }),
    };
    Action { detail: Detail { renamings: vec![renaming], ..Detail::NONE }, ..action(what) }
}

#[test]
fn nothing_is_renamed_away_from_under_a_rule_that_restricts_it() {
    let star = "  - { name: star, actions: [\"*\"], decision: allow }\n";
    let rule = |rest: &str| policy(&format!("{star}  - {{ name: r, {rest} }}\n"));
    let moved = "alter public.secret TO public.x";
    for (rest, text, expect) in [
        ("actions: select, relations: public.secret, decision: deny", moved, "deny r"),
        ("actions: select, relations: public.secret, decision: hold", moved, "hold r"),
        ("actions: drop table, relations: public.secret, decision: deny", moved, "deny r"),
        ("actions: drop view, relations: public.secret, decision: deny", moved, "allow star"),
        // Which is not about what is there, but about what would be.
        ("actions: create, relations: public.secret, decision: deny", moved, "allow star"),
        ("actions: select, relations: public.secret, decision: allow", moved, "allow star"),
        ("actions: select, relations: public.other, decision: deny", moved, "allow star"),
        ("actions: select, relations: public.x, decision: deny", moved, "allow star"),
        ("actions: function, functions: public.secret, decision: deny", moved, "allow star"),
        (
            "who: { user: other }, actions: select, relations: public.secret, decision: deny",
            moved,
            "allow star",
        ),
        ("mode: observe, actions: select, relations: public.secret, decision: deny", moved, "allow star"),
        (
            "actions: select, relations: public.secret, when: { limit: { above: 1 } }, decision: deny",
            moved,
            "deny r",
        ),
        // By the new name it holds as well.
        ("actions: select, decision: deny", moved, "allow star"),
        ("actions: select, relations: \"*.*\", decision: deny", moved, "allow star"),
        ("actions: select, relations: \"public.*\", decision: deny", moved, "allow star"),
        ("actions: select, relations: [public.secret, public.x], decision: deny", moved, "allow star"),
        (
            "actions: select, relations: \"public.*\", decision: deny",
            "alter public.secret TO hr.secret",
            "deny r",
        ),
        (
            "actions: select, relations: \"public.*\", decision: deny",
            "implied alter public.secret TO hr.secret",
            "deny r",
        ),
        (
            "actions: select, relations: \"*.secret\", decision: deny",
            "alter public.secret TO hr.secret",
            "allow star",
        ),
        ("actions: select, relations: \"public.*\", decision: deny", "alter secret TO x", "deny r"),
        (
            "actions: function, functions: public.run, decision: deny",
            "alter function public.run TO public.x",
            "deny r",
        ),
        ("actions: drop, schemas: hr, decision: deny", "alter schema hr TO x", "deny r"),
        ("actions: set-role, roles: boss, decision: deny", "role role boss TO x", "deny r"),
        ("actions: set-role, roles: \"b*\", decision: deny", "role role boss TO bo", "allow star"),
        // By columns.
        ("actions: select, when: { columns: public.secret.pw }, decision: deny", moved, "deny r"),
        ("actions: select, when: { columns: \"public.*.pw\" }, decision: deny", moved, "allow star"),
        (
            "actions: select, when: { columns: [public.secret.a, \"public.*.b\"] }, decision: deny",
            moved,
            "deny r",
        ),
        ("actions: select, when: { columns: public.other.pw }, decision: deny", moved, "allow star"),
        (
            "actions: select, when: { columns: public.secret.pw }, decision: deny",
            "alter public.secret COLUMN pw TO x",
            "deny r",
        ),
        (
            "actions: select, when: { columns: public.secret.pw }, decision: hold",
            "alter public.secret COLUMN pw TO x",
            "hold r",
        ),
        (
            "actions: select, when: { columns: public.secret.pw }, decision: deny",
            "alter public.secret COLUMN a TO x",
            "allow star",
        ),
        (
            "actions: select, when: { columns: \"public.secret.*\" }, decision: deny",
            "alter public.secret COLUMN a TO x",
            "allow star",
        ),
        (
            "actions: select, relations: public.secret, decision: deny",
            "alter public.secret COLUMN pw TO x",
            "allow star",
        ),
    ] {
        let principal = reporter();
        let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
        let judgement = rule(rest).for_subject(&subject).judge(&[renaming(text)], Moment::default());
        let got = format!("{} {}", judgement.decision(), judgement.rule());
        assert_eq!(got, expect, "{rest}: {text}: {}", judgement.refusal());
    }
    // Who may not alter it at all is told so.
    let principal = reporter();
    let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
    let select = policy("  - { name: r, actions: select, relations: public.secret, decision: deny }\n");
    let judgement = select.for_subject(&subject).judge(&[renaming(moved)], Moment::default());
    assert_eq!(judgement.rule(), "default");
    let denied = rule("actions: select, relations: public.secret, decision: deny").for_subject(&subject);
    assert_eq!(
        denied.judge(&[renaming(moved)], Moment::default()).refusal(),
        "alter table public.secret is denied by rule \"r\": it is about what else is done to this, and would not be by its \
         new name; ask whoever answers for rule \"r\""
    );
}

#[test]
fn what_is_not_known_never_helps_the_one_who_asks() {
    let gone = Principal { cgroup: None, ..reporter() };
    let by_exe = |decision: &str, key: &str| {
        policy(&format!(
            r#"
  - {{ name: all, actions: [select, update], decision: allow }}
  - {{ name: x, {key}: {{ executable: /usr/bin/psql }}, actions: [insert, update], decision: {decision}, mask: a.b.c }}
"#
        ))
    };
    for (decision, key, expect) in [
        ("allow", "who", ["deny default", "allow all"]),
        ("allow", "except", ["deny default", "allow all"]),
        ("deny", "who", ["deny x", "deny x"]),
        ("deny", "except", ["deny x", "deny x"]),
        // To wait for a person is less than to be allowed, and more than to be refused.
        ("hold", "who", ["deny default", "hold x"]),
        ("hold", "except", ["deny default", "hold x"]),
    ] {
        let policy = by_exe(decision, key);
        for (action, expect) in ["insert a.b", "update a.b"].iter().zip(expect) {
            let judgement = judge(&policy, &gone, &[action]);
            let got = format!("{} {}", judgement.decision(), judgement.rule());
            assert_eq!(got, expect, "{decision} {key} {action}");
        }
        let subject = Subject { principal: &gone, resource: "shop", database: "shop" };
        assert!(!policy.masks(&subject).is_empty(), "{decision} {key}");
    }
    let schema = policy(
        r#"
  - { name: a, actions: [drop], relations: ["*.*"], decision: allow }
  - { name: d, actions: [drop], relations: ["secret.*"], decision: deny }
"#,
    );
    check(&schema, &["drop t"], "deny d");
    check(&schema, &["drop public.t"], "allow a");
}

#[test]
fn rules_hold_where_their_resources_and_databases_match() {
    let policy = policy(
        r#"
  - { name: here, resources: ["sh*"], databases: [shop], actions: [select], decision: allow, mask: a.b.c }
  - { name: there, resources: [billing], actions: [insert], decision: allow, mask: a.b.d }
  - { name: elsewhere, databases: [postgres], actions: [insert], decision: allow }
"#,
    );
    check(&policy, &["select a.b"], "allow here");
    check(&policy, &["insert a.b"], "deny default");
    let principal = reporter();
    let masks = policy.masks(&Subject { principal: &principal, resource: "shop", database: "shop" });
    assert_eq!(masks.method("a", "b", "c"), Some(MaskMethod::Redact));
    assert_eq!(masks.method("a", "b", "d"), None);
}

#[test]
fn a_database_that_the_resource_does_not_serve_is_refused() {
    let text = "version: 1\nresources: [{name: shop, addresses: [10.0.0.1], databases: [shop]}]\n\
                rules: [{name: a, actions: [\"*\"], decision: allow}]\n";
    let policy = Arc::new(Policy::parse(&[Document { name: "p", text }]).unwrap());
    let principal = reporter();
    for (resource, database, decision) in [
        ("shop", "shop", Decision::Allow),
        ("shop", "postgres", Decision::Deny),
        ("other", "postgres", Decision::Allow),
    ] {
        let subject = Subject { principal: &principal, resource, database };
        assert_eq!(
            policy.for_subject(&subject).judge(&[action("select a.b")], Moment::default()).decision(),
            decision
        );
    }
}

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

#[test]
fn a_hold_binds_to_the_policy_that_held_it() {
    let policy = policy("  - { name: h, actions: [truncate], decision: hold }\n");
    let judgement = judge(&policy, &reporter(), &["truncate public.t"]);
    let pending = judgement.hold([1; 32], [2; 16], 7).unwrap();
    let binding = crate::Binding { statement: [1; 32], session: [2; 16], hold: 7, policy: policy.digest() };
    assert_eq!(pending.binding(), &binding);
}

#[test]
fn who_meets_the_same_rules_shares_their_index_and_who_meets_others_does_not() {
    let policy = policy(
        r#"
  - { name: all, actions: [select], decision: allow }
  - { name: one, who: { uid: 1 }, actions: [insert], decision: allow }
"#,
    );
    let of = |uid| {
        let principal = Principal { uid, ..reporter() };
        policy.for_subject(&Subject { principal: &principal, resource: "shop", database: "shop" })
    };
    let (two, three, one) = (of(2), of(3), of(1));
    assert!(Arc::ptr_eq(&two.ranked, &three.ranked));
    assert!(!Arc::ptr_eq(&two.ranked, &one.ranked));
    let insert = [action("insert a.b")];
    assert_eq!(
        (one.judge(&insert, Moment::default()).rule(), two.judge(&insert, Moment::default()).rule()),
        ("one", "default")
    );
}

#[test]
fn what_is_only_observed_is_told_and_not_enforced() {
    let policy = policy(
        r#"
  - { name: all, actions: ["*"], decision: allow }
  - { name: d, actions: [drop], decision: deny, mode: observe }
  - { name: h, actions: [truncate], decision: hold, mode: observe }
  - { name: e, actions: [delete], decision: deny, mode: enforce }
  - { name: o, actions: [opaque], decision: allow, mode: observe }
"#,
    );
    for (actions, expect, would) in [
        (&["select a.b"][..], "allow all", None),
        (&["drop a.b"], "allow all", Some("deny d")),
        (&["truncate a.b"], "allow all", Some("hold h")),
        (&["truncate a.b", "drop a.b"], "allow all", Some("deny d")),
        (&["delete a.b"], "deny e", None),
        // The statement is refused anyway.
        (&["drop a.b", "delete a.b"], "deny e", None),
        // A rule that allows lets nothing pass as long as it is observed.
        (&["opaque x"], "deny default", None),
    ] {
        check(&policy, actions, expect);
        let judgement = judge(&policy, &reporter(), actions);
        let found = judgement.would().map(|would| format!("{} {}", would.decision, would.rule));
        assert_eq!(found.as_deref(), would, "{actions:?}");
    }
    assert_eq!(policy.observed(), ["rule \"d\" at p:5:5", "rule \"h\" at p:6:5", "rule \"o\" at p:8:5"]);
}

#[test]
fn a_resource_that_is_only_observed_refuses_nothing_but_what_shows_a_secret() {
    let read = |rules: &str| {
        let text = format!("version: 1\nresources: [{{name: shop, mode: observe}}]\nrules:\n{rules}");
        Arc::new(Policy::parse(&[Document { name: "p", text: &text }]).unwrap())
    };
    let plain = read(
        "  - { name: d, actions: [drop], decision: deny }\n  - { name: h, actions: [lock], decision: hold }\n",
    );
    for (actions, would) in [
        (&["select a.b"][..], "deny default"),
        (&["drop a.b"], "deny d"),
        (&["lock a.b"], "hold h"),
        (&["opaque x"], "deny default"),
        (&["replicate"], "deny default"),
        (&["copy-out a.b"], "deny default"),
    ] {
        check(&plain, actions, "allow observed");
        let found = judge(&plain, &reporter(), actions);
        assert_eq!(found.would().map(|w| format!("{} {}", w.decision, w.rule)).as_deref(), Some(would));
    }
    let masked =
        read("  - { name: m, actions: ['*'], decision: allow, mask: public.customers.ssn, mode: observe }\n");
    let principal = reporter();
    let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
    assert!(!masked.masks(&subject).is_empty());
    for (actions, expect) in [
        (&["select public.customers"][..], "allow m"),
        (&["copy-out public.customers"], "deny m"),
        (&["opaque x"], "deny default"),
        (&["replicate"], "deny default"),
        (&["alter public.customers"], "deny m"),
        (&["create public.copy", "select public.customers", "stores masked"], "deny m"),
        (&["create view public.copy", "select public.customers"], "deny m"),
    ] {
        check(&masked, actions, expect);
    }
    // What nobody allowed, and nobody reads, could carry a secret past its mask.
    let unspoken = read("  - { name: m, mask: public.customers.ssn }\n");
    for (actions, expect) in [
        (&["select public.customers"][..], "allow observed"),
        (&["drop public.orders"], "allow observed"),
        (&["update public.orders"], "allow observed"),
        (&["function function pg_catalog.query_to_xml"], "deny default"),
        (&["call function public.p"], "deny default"),
        (&["do"], "deny default"),
        (&["system"], "deny default"),
        (&["create function public.f"], "deny default"),
        (&["alter public.orders"], "deny default"),
        (&["copy-server public.orders"], "deny default"),
    ] {
        check(&unspoken, actions, expect);
    }
}

/// The base's rules in one document, a team's in another, in either order.
fn layered(base: &[String], team: &[String], base_first: bool) -> Arc<Policy> {
    let rules = |name: &str, rules: &[String]| {
        let rules = rules.iter().enumerate();
        rules.map(|(at, rule)| format!("  - {{ name: {name}{at}, {rule} }}\n")).collect::<String>()
    };
    let base = format!("version: 1\nlayer: base\nrules:\n{}", rules("base", base));
    let team = format!("version: 1\nrules:\n{}", rules("team", team));
    let mut documents = [Document { name: "base", text: &base }, Document { name: "team", text: &team }];
    if !base_first {
        documents.reverse();
    }
    Arc::new(Policy::parse(&documents).unwrap())
}

#[test]
fn the_base_decides_where_it_speaks_and_is_named_first() {
    let rule = |text: &str| vec![text.to_owned()];
    let deny = rule("actions: [drop], decision: deny");
    let allow = rule("actions: [drop, select], decision: allow");
    for base_first in [true, false] {
        let policy = |base: &[String], team: &[String]| layered(base, team, base_first);
        check(&policy(&deny, &allow), &["drop a.b"], "deny base0");
        check(&policy(&deny, &allow), &["select a.b"], "allow team0");
        check(&policy(&allow, &deny), &["drop a.b"], "deny team0");
        check(&policy(&deny, &deny), &["drop a.b"], "deny base0");
        check(&policy(&allow, &[]), &["insert a.b"], "deny default");
    }
}

#[test]
fn a_teams_file_cannot_lift_the_base_from_a_resource() {
    let base = Document {
        name: "base",
        text: "version: 1\nlayer: base\nrules: [{name: a, actions: [read], decision: deny}]",
    };
    for resource in [
        "{name: shop, addresses: [10.0.0.1], mode: observe}",
        "{name: shop, mode: observe}",
        // Under this name the server would be none that the base's rules speak of.
        "{name: mine, addresses: [10.0.0.1]}",
    ] {
        let text = format!("version: 1\nresources: [{resource}]\n");
        let team = Document { name: "team", text: &text };
        let errors = Policy::parse(&[base, team]).unwrap_err();
        let name = if resource.contains("mine") { "mine" } else { "shop" };
        let expect = format!(
            "team:2:13: a team's file cannot say what resource `{name}` is: rules of the base go by it; describe it in a \
             document of the base, or in the configuration"
        );
        assert_eq!(errors[0].to_string(), expect);
        assert!(Policy::parse(&[team]).is_ok());
        let text = format!("layer: base\n{text}");
        assert!(Policy::parse(&[base, Document { name: "base too", text: &text }]).is_ok());
    }
}

#[test]
fn where_the_base_is_named_from_outside_no_document_can_name_itself() {
    let base =
        Document { name: "base", text: "version: 1\nrules: [{name: a, actions: [drop], decision: deny}]" };
    let rules = "version: 1\nrules: [{name: b, actions: [drop], decision: allow}]";
    let team = Document { name: "team", text: rules };
    let policy = Arc::new(Policy::parse_over(&[base], &[team]).unwrap());
    assert_eq!(policy.rule("a").map(crate::Rule::layer), Some(crate::Layer::Base));
    assert_eq!(policy.rule("b").map(crate::Rule::layer), Some(crate::Layer::Team));
    check(&policy, &["drop a.b"], "deny a");
    assert_ne!(policy.digest(), Policy::parse_over(&[], &[base, team]).unwrap().digest());

    let text = format!("layer: base\n{rules}");
    let claims = Document { name: "team", text: &text };
    let errors = Policy::parse_over(&[base], &[claims]).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "team:1:8: this document is not of layer `base`: it is not named as one of those; leave `layer` out: which \
         documents are the base's is configured"
    );
    assert!(Policy::parse_over(&[claims], &[]).is_ok());
    assert!(Policy::parse(&[base, claims]).is_ok());
}
