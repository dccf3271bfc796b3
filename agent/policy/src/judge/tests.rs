use super::*;
use crate::{Detail, Document, MaskMethod, Object, ObjectKind, Principal, Renaming};

mod layers;
mod messages;
mod properties;
mod renames;

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
fn who_keeps_one_setting_from_being_shown_keeps_all_of_them_at_once() {
    let policy = policy(
        r#"
  - { name: r, actions: [session], decision: allow }
  - { name: keys, actions: [show], settings: ["app.*"], decision: deny }
  - { name: replica, actions: [set], settings: [session_replication_role], decision: deny }
  - { name: one, actions: [show], settings: [primary_conninfo], decision: deny }
"#,
    );
    for (actions, expect) in [
        (&["show app.key"][..], "deny keys"),
        (&["implied show app.key"], "deny keys"),
        (&["show primary_conninfo"], "deny one"),
        (&["implied show all"], "deny keys"),
        (&["show work_mem"], "allow r"),
        (&["set session_replication_role"], "deny replica"),
        // It leaves what is so by itself.
        (&["set all"], "allow r"),
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
fn nothing_masked_is_copied_out() {
    let star = "  - { name: star, actions: [\"*\"], decision: allow }\n";
    let mask = "  - { name: m, mask: public.customers.ssn }\n";
    let other = "  - { name: o, who: { user: other }, mask: public.customers.ssn }\n";
    for (rules, actions, expect) in [
        (&[star, other][..], &["select a.b", "copy-out"][..], "allow star"),
        (&[star, mask], &["select a.b", "copy-out"], "allow star"),
        (&[star, mask], &["select a.b", "copy-out", "stores masked"], "deny m"),
        (&[star, mask], &["select public.customers", "copy-out public.customers"], "deny m"),
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
