use std::sync::Arc;

use proptest::prelude::*;

use super::Remark;
use super::candidates::Candidates;
use crate::{Action, Cause, Detail, Document, Object, ObjectKind, Policy, Principal, Subject, Verb};

#[test]
fn rules_that_never_decide_are_remarked_upon() {
    let a = "- { name: a, actions: [select], decision: allow }\n";
    for (rules, remarks) in [
        (format!("{a}- {{ name: b, actions: [insert], decision: allow }}\n"), &[][..]),
        (
            format!("{a}- {{ name: b, who: {{uid: 1}}, actions: [select], decision: allow }}\n"),
            &["p:3:3: rule \"b\" never decides: rule \"a\" at p:2:3 is about all of it"],
        ),
        (
            format!("{a}- {{ name: b, actions: [read], decision: deny }}\n"),
            &["p:2:3: rule \"a\" never decides: rule \"b\" at p:3:3 is about all of it"],
        ),
        (format!("{a}- {{ name: b, who: {{uid: 1}}, actions: [read], decision: deny }}\n"), &[]),
        (format!("{a}- {{ name: b, relations: [a.b], actions: [select], decision: deny }}\n"), &[]),
        (
            format!(
                "{a}- {{ name: b, functions: [pg_catalog.lower], actions: [function], decision: allow }}\n"
            ),
            &[],
        ),
        (
            format!(
                "{a}- {{ name: b, functions: [\"pg_catalog.*\"], actions: [function], decision: allow }}\n"
            ),
            &["p:3:3: rule \"b\" allows pg_catalog.query_to_xml too, which runs SQL that no rule is asked \
               about; name what is meant, or deny it by a rule"],
        ),
        (
            "- { name: b, functions: [\"pg_catalog.*\"], actions: [function], decision: allow }\n\
             - { name: d, functions: [\"pg_catalog.*_to_xml*\", \"pg_catalog.pg_read_*\"], \
                actions: [function], decision: deny }\n"
                .to_owned(),
            &[],
        ),
        (
            "- { name: b, relations: [\"pg_catalog.*\"], actions: [select], decision: allow }\n".to_owned(),
            &[
                "p:2:3: rule \"b\" allows pg_catalog.pg_authid too, which holds the roles' password verifiers; \
               name what is meant, or deny it by a rule",
            ],
        ),
        (
            format!("{a}- {{ name: b, actions: [opaque], decision: allow, mask: a.b.c }}\n"),
            &["p:3:3: rule \"b\" names `opaque` in vain: rule \"b\" at p:3:3 denies or masks for the same \
               subjects"],
        ),
        (
            format!("- {{ name: m, mask: a.b.c }}\n- {{ name: b, actions: [opaque], decision: hold }}\n{a}"),
            &["p:3:3: rule \"b\" names `opaque` in vain: rule \"m\" at p:2:3 denies or masks for the same \
               subjects"],
        ),
    ] {
        let text = format!("rules:\n{rules}version: 1\n");
        let policy = Policy::parse(&[Document { name: "p", text: &text }]).unwrap();
        let found: Vec<String> = policy.remarks().iter().map(ToString::to_string).collect();
        assert_eq!(found, remarks, "{rules}");
    }
}

fn read(rules: &str) -> Policy {
    let text = format!("version: 1\nrules:\n{rules}");
    Policy::parse(&[Document { name: "p", text: &text }]).unwrap()
}

fn told(remarks: Vec<Remark>) -> String {
    remarks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_rule_that_matches_nothing_is_told_with_the_reason() {
    for (rule, why) in [
        (
            "who: { user: [ann, bob] }, except: [{ user: '*' }], actions: [read], decision: allow",
            "`except` takes out everybody whom `who` is about",
        ),
        ("who: { user: ann }, except: { user: bob }, actions: [read], decision: allow", ""),
        (
            "who: { user: ann, uid: 1 }, except: { user: a* }, mask: a.b.c",
            "`except` takes out everybody whom `who` is about",
        ),
        (
            "actions: ['drop table'], functions: [public.f], decision: deny",
            "none of its actions is ever done to what it lists",
        ),
        ("actions: ['drop table', 'drop function'], functions: [public.f], decision: deny", ""),
        (
            "actions: [update-all, delete-all], when: { condition: present }, decision: hold",
            "with that `condition` there is only select, update, delete",
        ),
        (
            "actions: [update], when: { condition: absent }, decision: hold",
            "with that `condition` there is only select, update-all, delete-all",
        ),
        ("actions: [update, delete-all], when: { condition: absent }, decision: hold", ""),
    ] {
        let expect = match why {
            "" => String::new(),
            why => format!("p:3:3: rule \"r\" never matches: {why}"),
        };
        assert_eq!(told(read(&format!("- {{ name: r, {rule} }}\n")).remarks()), expect, "{rule}");
    }
    let served = "version: 1\nresources: [{name: shop, addresses: [10.0.0.1], databases: [shop]}]\nrules:\n\
                  - {name: r, resources: [shop], databases: [DB], actions: [read], decision: allow}\n";
    let remarks = |database: &str| {
        let text = served.replace("DB", database);
        told(Policy::parse(&[Document { name: "p", text: &text }]).unwrap().remarks())
    };
    assert_eq!(
        remarks("postgres"),
        "p:4:3: rule \"r\" never matches: none of its resources serves one of its `databases`"
    );
    assert_eq!(remarks("sh*"), "");
}

#[test]
fn what_of_a_rule_is_there_in_vain_is_told() {
    for (rule, what) in [
        (
            "actions: [select, insert], when: { condition: present }, decision: allow",
            "names `insert` in vain: `condition` is asked of select, update, update-all, delete, delete-all alone; give \
             `insert` a rule without it",
        ),
        (
            "actions: [select, delete], when: { columns: a.b.c }, decision: deny",
            "names `delete` in vain: `columns` is asked of select, predicate, insert, update, update-all alone; give \
             `delete` a rule without it",
        ),
        // With a group or a star came what is not asked.
        ("actions: [read], when: { limit: 5 }, decision: allow", ""),
        ("actions: ['*'], when: { condition: present }, decision: deny", ""),
        ("actions: [select, insert], when: { time: { days: sun } }, decision: allow", ""),
        (
            "actions: [select], relations: [a.b], when: { columns: a.x.c }, decision: allow",
            "allows no column of what it lists: its `columns` are of other relations",
        ),
        (
            "actions: [select], relations: [a.b], when: { columns: '*.x.c' }, decision: deny",
            "is about no column of what it lists: its `columns` are of other relations",
        ),
        ("actions: [select], relations: ['a.*'], when: { columns: '*.x.c' }, decision: deny", ""),
        ("actions: [select], when: { columns: a.x.c }, decision: deny", ""),
        (
            "who: { unit: support }, actions: [select], decision: allow",
            "has in `who` a unit that there is not: a unit's name ends with its type, as `support.service`",
        ),
        ("who: { unit: 'support-*' }, actions: [select], decision: allow", ""),
        (
            "except: { executable: psql }, actions: [select], decision: deny",
            "has in `except` an executable that there is not: it is told by its whole path, as `*/psql`",
        ),
        ("who: { executable: '*/psql' }, mask: a.b.c", ""),
        (
            "who: { cgroup: ci/* }, mask: a.b.c",
            "has in `who` a cgroup that there is not: its path begins with `/`, as `/ci/*`",
        ),
    ] {
        let expect = match what {
            "" => String::new(),
            what => format!("p:3:3: rule \"r\" {what}"),
        };
        assert_eq!(told(read(&format!("- {{ name: r, {rule} }}\n")).remarks()), expect, "{rule}");
    }
    let text = "version: 1\ntags: {used: a.b, lost: a.c}\nrules: [{name: r, actions: [read], relations: 'tag:used', decision: allow}]\n";
    let policy = |text: &str| Policy::parse(&[Document { name: "p", text }]).unwrap();
    assert_eq!(told(policy(text).remarks()), "p:2:19: tag `lost` is named by no rule");
    assert_eq!(told(policy(&format!("layer: base\n{text}")).remarks()), "");
}

#[test]
fn rows_that_may_be_changed_and_not_chosen_are_told() {
    let told_of = |verb: &str, decides: &str| {
        format!(
            "p:3:3: rule \"r\" {decides} `{verb}`, and no rule lets the rows be chosen: a WHERE reads its columns; allow \
             `select` there, without a limit"
        )
    };
    let few = "- { name: few, actions: [select], when: { limit: 5 }, decision: allow }\n";
    for (rule, others, expect) in [
        ("actions: [delete], relations: [a.b], decision: hold", "", told_of("delete", "holds")),
        ("actions: [write], relations: [a.b], decision: allow", few, told_of("update", "allows")),
        (
            "actions: [update], relations: [a.b], decision: allow",
            "- { name: o, actions: [read], relations: [a.c], decision: allow }\n",
            told_of("update", "allows"),
        ),
        (
            "who: { user: ann }, actions: [update], decision: allow",
            "- { name: o, who: { user: bob }, actions: [read], decision: allow }\n",
            told_of("update", "allows"),
        ),
        (
            "who: { user: ann }, actions: [update], relations: [a.b], decision: allow",
            "- { name: o, who: { unit: 'x-*' }, actions: [read], relations: ['a.*'], decision: hold }\n",
            String::new(),
        ),
        ("actions: [select, update], relations: [a.b], decision: allow", "", String::new()),
        ("actions: [delete], relations: [a.b], decision: deny", "", String::new()),
        ("actions: [update-all, delete-all], relations: [a.b], decision: allow", "", String::new()),
        ("actions: ['*'], decision: hold", "", String::new()),
    ] {
        let remarks = read(&format!("- {{ name: r, {rule} }}\n{others}")).remarks();
        assert_eq!(told(remarks), expect, "{rule} {others}");
    }
}

#[test]
fn names_that_a_database_does_not_have_are_told_where_another_is_meant() {
    let cases = "version: 1\nresource: s\ndatabase: s\nschema: { app.patients: [id, ssn], app.visits: [id] }\ncases:\n\
                 - { name: n, who: { uid: 1 }, statement: SELECT 1, expect: allow, rule: implied }\n";
    let cases = crate::CaseFile::parse(&Document { name: "c", text: cases }).unwrap();
    for (rule, what) in [
        (
            "mask: app.patients.snn",
            "masks app.patients.snn, a column that app.patients does not have; did you mean `ssn`?",
        ),
        ("mask: app.patients.note*", "masks app.patients.note*, a column that app.patients does not have"),
        (
            "mask: app.patient.ssn",
            "masks app.patient.ssn, of a relation that is not there; did you mean `app.patients`?",
        ),
        (
            "actions: [update], when: { columns: app.visits.idd }, decision: allow",
            "names app.visits.idd, a column that app.visits does not have; did you mean `id`?",
        ),
        (
            "actions: [read], relations: [app.visit, app.visits], decision: allow",
            "names app.visit, which is not there; did you mean `app.visits`?",
        ),
        // What is known may be a part.
        (
            "actions: [read], relations: [app.invoices, hr.visit, 'app.visi*'], decision: allow, mask: [hr.a.b, '*.*.x']",
            "",
        ),
        ("mask: [app.patients.ssn, 'app.patients.*']", ""),
    ] {
        let expect = match what {
            "" => String::new(),
            what => format!("p:3:3: rule \"r\" {what}"),
        };
        let policy = read(&format!("- {{ name: r, {rule} }}\n"));
        assert_eq!(told(policy.unknown_names(&cases.catalog, |_| true)), expect, "{rule}");
    }
}

#[test]
fn a_rule_that_others_are_about_all_of_is_told_with_them() {
    let covered = "p:4:3: rule \"b\" never decides: rule \"a\" at p:3:3 is about all of it";
    for (a, b, expect) in [
        // By pattern.
        (
            "actions: [read], relations: ['public.*'], decision: allow",
            "actions: [select], relations: [public.a], decision: allow",
            covered,
        ),
        (
            "actions: [read], relations: ['public.a*'], decision: allow",
            "actions: [select], relations: [public.b], decision: allow",
            "",
        ),
        // By whom.
        (
            "who: { user: 'ci-*' }, actions: [read], decision: allow",
            "who: { user: ci-1, uid: 7 }, actions: [read], decision: allow",
            covered,
        ),
        (
            "who: { user: ci-1 }, actions: [read], decision: allow",
            "who: { user: ['ci-*'] }, actions: [read], decision: allow",
            "",
        ),
        (
            "except: { uid: [0, 1] }, actions: [read], decision: allow",
            "except: { uid: 0 }, actions: [read], decision: allow",
            "",
        ),
        (
            "except: { uid: 0, user: root }, actions: [read], decision: allow",
            "except: { uid: 0 }, actions: [read], decision: allow",
            covered,
        ),
        // By where.
        (
            "resources: ['sh*'], actions: [read], decision: allow",
            "resources: [shop], actions: [read], decision: allow",
            covered,
        ),
        ("databases: [shop], actions: [read], decision: allow", "actions: [read], decision: allow", ""),
        // By conditions.
        (
            "actions: [read], decision: allow",
            "actions: [select], when: { limit: 5 }, decision: allow",
            covered,
        ),
        (
            "actions: [select], when: { limit: 10 }, decision: allow",
            "actions: [select], when: { limit: 5 }, decision: allow",
            covered,
        ),
        (
            "actions: [select], when: { limit: 5 }, decision: allow",
            "actions: [select], when: { limit: 10 }, decision: allow",
            "",
        ),
        (
            "actions: [select], when: { columns: '*.*.id' }, decision: allow",
            "actions: [select], when: { columns: a.b.id }, decision: allow",
            covered,
        ),
        // A SELECT that reads no column is allowed by the one, and not held by the other.
        (
            "actions: [select], when: { columns: '*.*.*' }, decision: hold",
            "actions: [select], when: { columns: a.b.id }, decision: allow",
            "",
        ),
        // What is observed takes nothing from what is enforced.
        ("actions: [read], decision: deny, mode: observe", "actions: [select], decision: allow", ""),
        ("actions: [read], decision: deny", "actions: [select], decision: allow, mode: observe", covered),
        (
            "actions: [select, insert], decision: deny",
            "actions: [insert, select], decision: allow",
            "p:4:3: rule \"b\" contradicts rule \"a\" at p:3:3: of what both are about, `deny` decides",
        ),
    ] {
        let rules = format!("- {{ name: a, {a} }}\n- {{ name: b, {b} }}\n");
        assert_eq!(told(read(&rules).remarks()), expect, "{rules}");
    }
    let parts = read(
        "- { name: a, actions: [select], relations: [public.*], decision: deny }\n\
         - { name: b, actions: [insert], decision: hold }\n\
         - { name: c, actions: [select, insert], relations: [public.a], decision: allow }\n\
         - { name: d, actions: [select, insert], relations: [public.a, hr.a], decision: allow }\n",
    );
    assert_eq!(
        told(parts.remarks()),
        "p:5:3: rule \"c\" never decides: rules \"a\" at p:3:3 and \"b\" at p:4:3 are about all of it together"
    );
}

#[test]
fn what_two_rules_decide_otherwise_about_is_told_when_asked() {
    let overlaps =
        |a: &str, b: &str| told(read(&format!("- {{ name: a, {a} }}\n- {{ name: b, {b} }}\n")).overlaps());
    assert_eq!(
        overlaps(
            "actions: [write], relations: ['public.*'], decision: allow",
            "actions: [delete, drop], decision: hold"
        ),
        "p:3:3: rule \"a\" (allow) and rule \"b\" (hold) at p:4:3 overlap in delete: there rule \"b\" decides, hold"
    );
    assert_eq!(
        overlaps(
            "actions: ['*'], decision: deny",
            "actions: [ddl, session], relations: ['public.*'], decision: allow"
        ),
        "p:3:3: rule \"a\" (deny) and rule \"b\" (allow) at p:4:3 overlap in references, create, alter, drop: there rule \"a\" \
         decides, deny"
    );
    for (a, b) in [
        ("actions: [read], decision: allow", "actions: [write], decision: deny"),
        ("actions: [read], decision: allow", "actions: [read], decision: allow"),
        (
            "actions: [read], relations: ['a.*'], decision: allow",
            "actions: [read], relations: ['b.*'], decision: deny",
        ),
        (
            "who: { user: ann }, actions: [read], decision: allow",
            "who: { user: bob }, actions: [read], decision: deny",
        ),
        (
            "who: { user: ann }, actions: [read], decision: allow",
            "except: { user: ann }, actions: [read], decision: deny",
        ),
        (
            "resources: [a], actions: [read], decision: allow",
            "resources: [b], actions: [read], decision: deny",
        ),
        (
            "actions: [alter], schemas: [a], decision: allow",
            "actions: [alter], relations: [a.b], decision: deny",
        ),
    ] {
        assert_eq!(overlaps(a, b), "", "{a} | {b}");
    }
}

/// The YAML of one rule without its name, in which each key is as often as not.
fn any_rule() -> impl Strategy<Value = String> {
    let of = |values: &[&'static str]| prop::sample::select(values.to_vec());
    (
        of(&[
            "",
            "who: { user: ann }, ",
            "who: { user: 'a*' }, ",
            "who: [{ user: bob }, { uid: 7 }], ",
            "who: { executable: /x }, ",
        ]),
        of(&[
            "",
            "",
            "except: { user: ann }, ",
            "except: { user: 'a*', uid: 7 }, ",
            "except: { executable: /x }, ",
        ]),
        of(&["", "", "databases: [shop], ", "databases: ['s*'], "]),
        of(&[
            "'*'",
            "read",
            "select",
            "select, insert",
            "write",
            "drop",
            "'drop table'",
            "ddl",
            "opaque",
            "function, drop",
        ]),
        of(&[
            "",
            "",
            "relations: [public.a], ",
            "relations: ['public.*'], ",
            "relations: ['*.a', hr.b], ",
            "functions: ['public.*'], ",
        ]),
        of(&[
            "",
            "",
            "",
            "when: { condition: present }, ",
            "when: { columns: '*.*.x' }, ",
            "when: { columns: ['*.*.x', '*.*.y'] }, ",
            "when: { time: { days: sun } }, ",
        ]),
        of(&["decision: allow", "decision: hold", "decision: deny", "decision: deny, mode: observe"]),
    )
        .prop_map(|(who, except, databases, actions, objects, when, decision)| {
            format!("{who}{except}{databases}actions: [{actions}], {objects}{when}{decision}")
        })
}

fn any_action() -> impl Strategy<Value = Action> {
    let kinds = prop::sample::select(vec![
        (ObjectKind::Relation, "table"),
        (ObjectKind::Relation, "view"),
        (ObjectKind::Function, "function"),
    ]);
    let schema = prop::option::weighted(0.8, prop::sample::select(vec!["public", "hr"]));
    let verb = prop::sample::select(vec![
        Verb::Select,
        Verb::Insert,
        Verb::Update,
        Verb::DeleteAll,
        Verb::Drop,
        Verb::Create,
        Verb::Function,
        Verb::Opaque,
    ]);
    let columns = prop::option::of(prop::sample::subsequence(vec!["x", "y"], 0..=2));
    // Nothing does the one to the other.
    let done =
        |(verb, (kind, _)): &(Verb, (ObjectKind, &str))| verb.may_be_done_to(*kind) || *verb == Verb::Opaque;
    let verb = (verb, kinds).prop_filter("it is never done", done);
    let name = prop::sample::select(vec!["a", "b"]);
    (verb, schema, name, any::<bool>(), columns, prop::option::of(any::<bool>())).prop_map(
        |((verb, (kind, class)), schema, name, implied, columns, condition)| {
            let object =
                Object { kind, class, schema: schema.map(str::to_owned), name: name.to_owned(), oid: None };
            let columns = columns.map(|columns| columns.into_iter().map(str::to_owned).collect());
            Action { verb, object, implied, detail: Detail { columns, condition, ..Detail::NONE } }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_that_is_said_never_to_decide_does_not(
        rules in prop::collection::vec(any_rule(), 2..7),
        actions in prop::collection::vec(any_action(), 30),
        subjects in prop::collection::vec((prop::sample::select(vec!["ann", "abe", "bob"]), 6u32..8, any::<bool>(), any::<bool>()), 6),
    ) {
        let parsed = |rule: &String| {
            let text = format!("version: 1\nrules:\n- {{ name: r, {rule} }}\n");
            Policy::parse(&[Document { name: "p", text: &text }]).is_ok()
        };
        let rules = rules.iter().filter(|rule| parsed(rule)).enumerate();
        let text: String = rules.map(|(at, rule)| format!("- {{ name: r{at}, {rule} }}\n")).collect();
        if text.is_empty() {
            return Ok(());
        }
        let policy = Arc::new(read(&text));
        let remarks = policy.remarks();
        let silent: Vec<&str> = remarks
            .iter()
            .filter(|r| ["never decides", "never matches", "contradicts"].iter().any(|what| r.message.contains(what)))
            .map(|remark| remark.message.split('"').nth(1).unwrap())
            .collect();
        for (user, uid, known, sunday) in subjects {
            let executable = known.then(|| "/x".to_owned());
            let principal = Principal { user: Some(user.to_owned()), uid, executable, ..Principal::plain() };
            let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
            let at = if sunday { "2026-03-01T10:00:00Z" } else { "2026-03-02T10:00:00Z" };
            let judgement = policy.for_subject(&subject).judge(&actions, at.parse().unwrap());
            for finding in judgement.findings() {
                for finding in std::iter::once(finding).chain(finding.would.as_deref()) {
                    let decided = finding.cause == Cause::Rule && silent.contains(&&*finding.rule);
                    prop_assert!(!decided, "{}\n{} {:?}", text, finding.action, remarks);
                }
            }
        }
    }
}

/// The remarks and overlaps where every rule is asked about every other.
fn by_asking_all(policy: &Policy) -> [Vec<Remark>; 2] {
    let all = |_: &_| (0..policy.rules.len()).collect::<Vec<_>>();
    let any = |_: &_, is: &mut dyn FnMut(usize) -> bool| (0..policy.rules.len()).any(is);
    [policy.remarks_by(all, all, any), policy.overlaps_by(all)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn looking_among_candidates_finds_what_asking_all_rules_does(
        rules in prop::collection::vec((any_rule(), any_subject()), 2..12),
    ) {
        let with = |(rule, subject): &(String, String)| match rule.contains("who: ") {
            true => rule.clone(),
            false => format!("{subject}{rule}"),
        };
        let parsed = |rule: &String| {
            let text = format!("version: 1\nrules:\n- {{ name: r, {rule} }}\n");
            Policy::parse(&[Document { name: "p", text: &text }]).is_ok()
        };
        let rules = rules.iter().map(with).filter(parsed).enumerate();
        let text: String = rules.map(|(at, rule)| format!("- {{ name: r{at}, {rule} }}\n")).collect();
        if !text.is_empty() {
            let policy = read(&text);
            prop_assert_eq!([policy.remarks(), policy.overlaps()], by_asking_all(&policy), "{}", text);
        }
    }
}

/// Whom and where, beside what [`any_rule`] says of it.
fn any_subject() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "who: { user: ann, uid: [6, 7] }, ",
        "who: [{ user: [ann, bob] }, { unit: a.service }], ",
        "who: [{ user: ann }, { user: 'a*' }], ",
        "who: { unit: [a.service, b.service] }, ",
        "who: { container: [web, 'web-*'] }, ",
        "who: { gid: 5 }, resources: [shop], ",
        "resources: [shop, clinic], ",
        "resources: [shop, 's*'], ",
    ])
    .prop_map(str::to_owned)
}

#[test]
fn rules_that_write_out_whom_or_what_they_are_about_are_not_all_asked_about_each_other() {
    let who = ["user: job", "unit: job", "uid: 1"];
    let rules: String = (0..3_000)
        .map(|at| {
            let (who, decision) = (who[at % 3], ["allow", "hold", "deny"][at / 3 % 3]);
            let objects = format!("relations: [app.t{}, 'app.part_{at}_*']", at % 900);
            format!("- {{ name: r{at}, who: {{ {who}{at} }}, actions: [read], {objects}, decision: {decision} }}\n")
        })
        .collect();
    let policy = read(&rules);
    let candidates = Candidates::new(&policy.rules);
    let asked: usize = policy.rules.iter().map(|rule| candidates.covering(rule).len()).sum();
    assert_eq!(asked, 3_000, "each finds itself alone");
}
