use super::*;

mod slips;

fn errors(text: &str) -> Vec<String> {
    let documents = [Document { name: "p.yaml", text }];
    let errors = Policy::parse(&documents).expect_err(text);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_of_the_format_is_read() {
    let text = r#"
version: 1
resources:
  - name: shop
    addresses: ["10.0.0.5:5432", db.internal]
    databases: [shop, shop_test]
rules:
  - name: reporters-read-public
    who:
      - { user: [reporter, "rep-*"], uid: 1000, gid: [100, 101], unit: "ci-*.service" }
      - { cgroup: "/ci/*", executable: /usr/bin/psql, claims: { group: [data, ops] } }
      - { container: "web-*", executable_sha256: DIGEST }
    except: { user: root }
    resources: [shop]
    databases: "shop*"
    actions: [select, "drop  materialized view", read, session, "*", FUNCTION]
    relations: ["public.*", '"Odd Schema"."*"']
    functions: ["pg_catalog.lower"]
    schemas: [public]
    roles: [app]
    settings: ["search_path", "myapp.user"]
    decision: allow
    message: ask the data team
    mask:
      - public.customers.ssn
      - { columns: [public.customers.email, "*.*.mail"], with: email }
      - { columns: public.customers.phone, with: null }
  - name: masks-alone
    mask: "hr.*.*"
"#;
    let text = &text.replace("DIGEST", &"0f".repeat(32));
    let policy = Policy::parse(&[Document { name: "p.yaml", text }]).unwrap();
    let rule = policy.rule("reporters-read-public").unwrap();
    assert_eq!(rule.place().to_string(), "p.yaml:8:5");
    assert_eq!(rule.who.len(), 3);
    assert_eq!(rule.who[0].user.len(), 2);
    assert_eq!(rule.who[1].claims[0].1.len(), 2);
    assert_eq!((rule.who[2].container.len(), &rule.who[2].executable_sha256[..]), (1, &[[0x0f; 32]][..]));
    assert_eq!(rule.message(), Some("ask the data team"));
    let masks: Vec<String> = rule.masks.iter().map(|(c, m)| format!("{c} {m}")).collect();
    assert_eq!(
        masks,
        [
            "public.customers.ssn redact",
            "public.customers.email email",
            "*.*.mail email",
            "public.customers.phone null"
        ]
    );
    assert_eq!(policy.rule("masks-alone").unwrap().decision(), None);
    assert_eq!(policy.resources()[0].addresses[1].to_string(), "db.internal:5432");
}

#[test]
fn each_mistake_names_its_place_and_its_cure() {
    let rule = |body: &str| format!("version: 1\nrules:\n  - name: r\n{body}");
    let body = "    actions: [select]\n    decision: allow\n";
    for (text, error) in [
        (String::new(), "p.yaml:1:1: a policy document is a map, this is nothing; write it as `key: value`"),
        ("rules: []\n".into(), "p.yaml:1:1: `version` is missing; write `version: 1`"),
        ("version: 2\n".into(), "p.yaml:1:10: this version of the format is not known; write `version: 1`"),
        (
            "version: 1\nrulez: []\n".into(),
            "p.yaml:2:1: a policy document has no key `rulez`; did you mean `rules`?",
        ),
        (
            rule(&format!("{body}    relation: [public.a]\n")),
            "p.yaml:6:5: a rule has no key `relation`; did you mean `relations`?",
        ),
        (
            rule(&format!("{body}    who: {{usr: a}}\n")),
            "p.yaml:6:11: `who` has no key `usr`; did you mean `user`?",
        ),
        (
            rule("    actions: [selct]\n    decision: allow\n"),
            "p.yaml:4:15: there is no action `selct`; did you mean `select`?",
        ),
        (
            rule("    actions: [drop tabel]\n    decision: allow\n"),
            "p.yaml:4:15: there is no action `drop tabel`; did you mean `drop table`?",
        ),
        (
            rule("    actions: [delete all]\n    decision: allow\n"),
            "p.yaml:4:15: there is no action `delete all`; did you mean `delete-all`?",
        ),
        (
            rule("    actions: [select]\n    decision: alow\n"),
            "p.yaml:5:15: there is no decision `alow`; did you mean `allow`?",
        ),
        (
            rule("    mask: [{columns: a.b.c, with: hsh}]\n"),
            "p.yaml:4:35: there is no masking method `hsh`; did you mean `hash`?",
        ),
        (
            rule("    mask: [a.b]\n"),
            "p.yaml:4:12: `a.b` is no pattern for columns: it has 2 of the 3 parts `schema.table.column`; \
             write it as `schema.table.column`, and `\"schema.table.*\"` for every column of a table",
        ),
        (
            rule(&format!("{body}    relations: [orders]\n")),
            "p.yaml:6:17: `orders` is no pattern for relations: it has 1 of the 2 parts `schema.name`; \
             write `schema.orders`, or `\"*.orders\"` for that name in every schema",
        ),
        (
            rule("    actions: [select, banana]\n    decision: allow\n"),
            "p.yaml:4:23: there is no action `banana`; write \"*\" or one of: select, predicate, insert, update, \
             update-all, delete, delete-all, truncate, lock, copy-in, copy-out, copy-server, copy-program, references, create, alter, \
             drop, maintain, grant, revoke, role, set-role, set, show, transaction, prepare, cursor, notify, \
             call, function, do, explain, system, replicate, opaque, read, write, destructive, ddl, session",
        ),
        (
            rule("    actions: [select, transaction]\n    decision: allow\n    relations: [\"a.*\"]\n"),
            "p.yaml:4:23: `transaction` is never done to what this rule lists; move it to a rule without \
             those lists",
        ),
        (
            rule(&format!("{body}    relations: []\n")),
            "p.yaml:6:16: relations is empty; name at least one, or leave the key out",
        ),
        (
            rule(&format!("{body}    who:\n")),
            "p.yaml:6:8: who is empty; name at least one, or leave the key out",
        ),
        (
            rule(&format!("{body}    who: {{}}\n")),
            "p.yaml:6:10: `who` without a condition is everyone; leave the key out",
        ),
        (
            rule(&format!("{body}    who: {{executable_sha256: [0f0f]}}\n")),
            "p.yaml:6:31: executable_sha256 is no SHA-256; write its 64 hexadecimal digits",
        ),
        (
            rule(&format!("{body}    who: {{uid: root}}\n")),
            "p.yaml:6:16: uid is a number, this is text; write it in digits",
        ),
        (
            rule(&format!("{body}    who: {{user: 7}}\n")),
            "p.yaml:6:17: user is text, this is a number; put it in quotes",
        ),
        (
            rule("    actions: [select]\n"),
            "p.yaml:4:14: `actions` need a `decision`; add `decision: allow`, `deny` or `hold`",
        ),
        (
            rule("    decision: deny\n"),
            "p.yaml:3:5: `decision` needs `actions`; add `actions: [\"*\"]` or name them",
        ),
        (
            rule("    mask: a.b.c\n    relations: a.b\n"),
            "p.yaml:5:16: this means nothing without `actions`; add `actions` and `decision`",
        ),
        (rule(""), "p.yaml:3:5: the rule says nothing; give it `actions` and `decision`, or `mask`"),
        (
            rule(&format!("{body}    decision: deny\n")),
            "p.yaml:6:5: `decision` is there twice; keep one of them",
        ),
        (
            rule(&format!("{body}  - name: r\n{body}")),
            "p.yaml:6:5: there is already a rule `r`, at p.yaml:3:5; give each its own name",
        ),
        (
            format!("version: 1\nrules:\n  - name: default\n{body}"),
            "p.yaml:3:11: `default` stands for what is decided without a rule; choose another name",
        ),
        (
            format!("version: 1\nrules:\n  - name: a b\n{body}"),
            "p.yaml:3:11: a rule's name is not a name; use at most 64 letters, digits, `-`, `_` and `.`",
        ),
        (
            format!(
                "version: 1\nresources:\n  - {{name: shop, addresses: [10.0.0.5]}}\nrules:\n  - name: r\n\
                 {body}    resources: [shpo]\n"
            ),
            "p.yaml:8:17: there is no resource `shpo`; did you mean `shop`?",
        ),
        (
            "version: 1\nresources:\n  - {name: shop, addresses: [10.0.0.5.6]}\n".into(),
            "p.yaml:3:30: `10.0.0.5.6` is no address: its host is neither an IP address nor a name; write \
             host:port, network/bits:port or name:port",
        ),
    ] {
        assert_eq!(errors(&text), [error], "{text}");
    }
}

#[test]
fn what_is_no_yaml_is_said_with_its_place() {
    for text in [
        "version: 1\nrules: [\n",
        "version: 1\nrules:\n  - name: r\n    actions: *\n",
        "version: 1\n\trules: []\n",
        "version: 1\n---\nversion: 1\n",
        "a: &a [x]\nb: {<<: *a}\n",
        "a: !!binary x\n",
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("p.yaml:") && !errors[0].contains('\n'), "{errors:?}");
    }
    assert!(errors("version: 1\nrules:\n  - actions: *\n")[0].ends_with("in quotes"));
}

#[test]
fn a_document_that_unfolds_or_nests_without_end_is_refused() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(1..9)
            .map(|i| {
                let (name, of) = (char::from(b'a' + i), char::from(b'a' + i - 1));
                format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(","))
            })
            .collect::<String>();
    assert_eq!(errors(&bomb).len(), 1);
    assert_eq!(errors(&"[".repeat(100_000)).len(), 1);
    assert_eq!(errors(&"#".repeat(MAX_DOCUMENT + 1)).len(), 1);
}

#[test]
fn all_mistakes_of_all_documents_are_found_in_one_go() {
    let a = "version: 1\nrules:\n  - {name: x, actions: [slect], decision: alow}\n";
    let b = "version: 1\nrules:\n  - {name: x, actions: [select], decision: allow}\n";
    let errors = Policy::parse(&[Document { name: "a.yaml", text: a }, Document { name: "b.yaml", text: b }])
        .unwrap_err();
    let places: Vec<String> = errors.iter().map(|error| error.place.to_string()).collect();
    assert_eq!(places, ["a.yaml:3:25", "a.yaml:3:43", "b.yaml:3:5"]);
}

#[test]
fn the_digest_tells_any_two_lists_of_texts_apart() {
    let digest = |documents: &[(&str, &str)]| {
        let documents: Vec<_> = documents.iter().map(|(name, text)| Document { name, text }).collect();
        Policy::parse(&documents).unwrap().digest()
    };
    let one = digest(&[("a", "version: 1\n")]);
    assert_eq!(one, digest(&[("a", "version: 1\n")]));
    assert_ne!(one, digest(&[("a", "version: 1\n#\n")]));
    assert_eq!(one, digest(&[("elsewhere/a", "version: 1\n")]));
    assert_ne!(one, digest(&[("a", "version: 1\n"), ("b", "version: 1\n")]));
    assert_ne!(digest(&[]), one);
}

#[test]
fn a_rule_tells_the_resources_and_the_users_that_it_is_about() {
    let text = "version: 1\nrules:\n  \
                - {name: some, who: [{user: [ada, ops-*]}, {user: ci}], resources: [\"shop-*\"], actions: [read], \
                decision: allow}\n  \
                - {name: all, actions: [read], decision: allow}\n";
    let policy = Policy::parse(&[Document { name: "p.yaml", text }]).unwrap();
    let [some, all] = policy.rules() else { panic!("{policy:?}") };
    assert_eq!([some.concerns("shop-1"), some.concerns("audit"), all.concerns("audit")], [true, false, true]);
    assert_eq!(some.users().collect::<Vec<_>>(), ["ada", "ci"]);
    assert_eq!(all.users().count(), 0);
}

#[test]
fn a_tag_stands_for_its_patterns_wherever_and_before_it_is_defined() {
    let rules = Document {
        name: "rules",
        text: r#"
version: 1
rules:
  - { name: reads, actions: [read], relations: ["tag:open", "public.a"], decision: allow, mask: "tag:pii" }
  - { name: asks, actions: [read], when: { columns: ["tag:pii"] }, decision: hold, mask: { columns: "tag:open", with: hash } }
"#,
    };
    let tags = Document {
        name: "tags",
        text: "version: 1\ntags: { open: [\"web.*\", shop.items], pii: [public.customers.ssn, \"vault.*\"] }\n",
    };
    let policy = Policy::parse(&[rules, tags]).unwrap();
    let judging = |name: &str| policy.rule(name).unwrap().judging.clone().unwrap();
    let names = |patterns: &[crate::pattern::NamePattern]| {
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let columns = |patterns: &[crate::pattern::ColumnPattern]| {
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&judging("reads").objects.relations), "web.* shop.items public.a");
    assert_eq!(columns(&judging("asks").when.columns), "public.customers.ssn vault.*.*");
    let masks = |name: &str| {
        let masks = &policy.rule(name).unwrap().masks;
        masks.iter().map(|(column, method)| format!("{column} {method}")).collect::<Vec<_>>()
    };
    assert_eq!(masks("reads"), ["public.customers.ssn redact", "vault.*.* redact"]);
    assert_eq!(masks("asks"), ["web.*.* hash", "shop.items.* hash"]);
}

#[test]
fn the_base_does_not_rest_on_what_a_team_writes() {
    let base =
        "version: 1\nlayer: base\nrules: [{name: a, relations: 'tag:t', actions: [read], decision: deny}]\n";
    let team = "version: 1\ntags: {t: public.a}\nrules: [{name: b, relations: 'tag:t', actions: [read], decision: deny}]\n";
    let errors =
        Policy::parse(&[Document { name: "base", text: base }, Document { name: "team", text: team }])
            .unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "base:3:30: the base's rules cannot rest on the tag `t`, which a team's file defines; define it in a document of \
         the base"
    );
    let of_its_own = format!("tags: {{t: public.b}}\n{base}");
    let errors =
        Policy::parse(&[Document { name: "base", text: &of_its_own }, Document { name: "team", text: team }])
            .unwrap_err();
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["team:2:8: there is already a tag `t`, at base:1:8; give each its own name"]
    );
    let uses = "version: 1\nrules: [{name: b, relations: 'tag:t', actions: [read], decision: deny}]\n";
    assert!(
        Policy::parse(&[Document { name: "base", text: &of_its_own }, Document { name: "t", text: uses }])
            .is_ok()
    );
}

#[test]
fn a_mistake_in_a_tag_or_a_condition_is_told_with_its_cure() {
    let rule = |decision: &str, actions: &str, when: &str| {
        format!(
            "version: 1\nrules:\n  - name: r\n    actions: [{actions}]\n    decision: {decision}\n    when: {when}\n"
        )
    };
    for (text, error) in [
        (rule("allow", "read", "{}"), "p.yaml:6:11: `when` asks nothing; give it a condition, or leave the key out"),
        (rule("allow", "read", "{ limits: 1 }"), "p.yaml:6:13: `when` has no key `limits`; did you mean `limit`?"),
        (
            rule("allow", "insert", "{ condition: present }"),
            "p.yaml:6:24: `condition` is asked of none of this rule's actions; name one of: select, update, update-all, \
             delete, delete-all",
        ),
        (rule("deny", "delete", "{ condition: no }"), "p.yaml:6:24: there is no condition `no`; write one of: present, absent"),
        (
            rule("allow", "delete", "{ limit: 5 }"),
            "p.yaml:6:20: `limit` is asked of none of this rule's actions; name one of: select",
        ),
        (
            rule("deny", "read", "{ limit: 5 }"),
            "p.yaml:6:20: what a rule denies or holds is what no limit keeps small; write `limit: {above: 100}`",
        ),
        (
            rule("allow", "read", "{ limit: { above: 5 } }"),
            "p.yaml:6:20: a rule cannot allow what has no known limit; write `limit: 100`, or leave it out",
        ),
        (
            rule("allow", "read", "{ columns: public.a }"),
            "p.yaml:6:22: `public.a` is no pattern for columns: it has 2 of the 3 parts `schema.table.column`; write it as \
             `schema.table.column`, and `\"schema.table.*\"` for every column of a table",
        ),
        (
            rule("allow", "read", "{ columns: 'tag:x' }"),
            "p.yaml:6:22: there is no tag `x`; define it under `tags`",
        ),
        (
            rule("allow", "select", "{ roles: [a] }"),
            "p.yaml:6:20: `roles` is asked of none of this rule's actions; name one of: grant, revoke",
        ),
        (
            rule("allow", "read", "{ time: { days: [fry] } }"),
            "p.yaml:6:28: there is no day `fry`; did you mean `fri`?",
        ),
        (
            rule("allow", "read", "{ time: { hours: 8-18 } }"),
            "p.yaml:6:28: `8-18` are no hours of a day; write them as \"08:00-18:00\"; \"22:00-06:00\" ends on the next day",
        ),
        (
            rule("allow", "read", "{ time: { zone: Berlin } }"),
            "p.yaml:6:27: there is no time zone `Berlin`; write its name in the tz database, as `Europe/Berlin`",
        ),
        (
            "version: 1\nrules: [{name: r, mask: a.b.c, when: {limit: 5}}]\n".to_owned(),
            "p.yaml:2:38: this means nothing without `actions`; add `actions` and `decision`",
        ),
        (
            "version: 1\ntags: {c: a.b.c, d: [a]}\nrules: [{name: r, actions: [read], relations: 'tag:c', decision: deny}]\n"
                .to_owned(),
            "p.yaml:2:22: `a` is no pattern for a tag: it has 1 of the 3 parts `schema.table.column`; write a \
             relation as `schema.name`, a column as `schema.table.column`\n\
             p.yaml:3:47: this tag stands for columns, and a rule's `relations` for whole relations; name the tag under \
             `columns` of `when` or in a mask, or give the relations one of their own",
        ),
    ] {
        assert_eq!(errors(&text).join("\n"), error, "{text}");
    }
}
