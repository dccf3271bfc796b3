//! What is only observed, and whose word a base takes.

use super::*;

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
pub(super) fn layered(base: &[String], team: &[String], base_first: bool) -> Arc<Policy> {
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
