//! The slips that people make, each with the cure that its author is told.

use super::errors;

/// What is told of a document with those rules.
fn of_rules(rules: &str) -> Vec<String> {
    errors(&format!("version: 1\nrules:\n{rules}"))
}

#[test]
fn a_slip_of_yaml_is_told_as_what_it_is() {
    for (text, expect) in [
        (
            "version: 1\nrules:\n\t- name: a\n",
            "p.yaml:3:2: it is no YAML: tabs disallowed within this context (block indentation); indent with spaces",
        ),
        (
            "version: 1\nrules:\n- name: a\n   actions: [select]\n  decision: allow\n",
            "p.yaml:4:11: it is no YAML: mapping values are not allowed in this context; look at the indentation: the keys \
             of one map begin in the same column",
        ),
        (
            "version: 1\nrules:\n- name: a\n  who: {user: a}\n   actions: [select]\n",
            "p.yaml:5:4: it is no YAML: while parsing a block mapping, did not find expected key; look at the indentation: \
             the keys of one map begin in the same column",
        ),
        (
            "version: 1\nrules:\n- name: a\n  actions: *\n",
            "p.yaml:4:12: it is no YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric \
             character; put what begins with `*` in quotes",
        ),
        (
            "version: 1\n---\nversion: 1\n",
            "p.yaml:2:1: there is more than one document in it; write each in a file of its own",
        ),
        (
            "version: 1\nx: &a {user: b}\nrules:\n- name: b\n  <<: *a\n",
            "p.yaml:5:3: `<<` is not read here; write the keys out, or give an anchor to the whole of a value",
        ),
    ] {
        assert_eq!(errors(text), [expect], "{text}");
    }
}

#[test]
fn a_word_of_another_language_is_told_as_ours() {
    for (rule, expect) in [
        (
            "- {name: a, tables: [a.b], actions: [select], decision: allow}",
            "a rule has no key `tables`; write `relations`",
        ),
        ("- {name: a, actions: [all], decision: allow}", "there is no action `all`; write `\"*\"`"),
        (
            "- {name: a, actions: [execute], decision: allow}",
            "there is no action `execute`; write `function`, or `call` for a procedure",
        ),
        (
            "- {name: a, actions: [insert into], decision: allow}",
            "there is no action `insert into`; did you mean `insert`?",
        ),
        ("- {name: a, actions: [select], decision: reject}", "there is no decision `reject`; write `deny`"),
        ("- {name: a, actions: [select], decision: approve}", "there is no decision `approve`; write `hold`"),
        (
            "- {name: a, actions: [select], decision: deny, mode: dry-run}",
            "there is no mode `dry-run`; write `observe`",
        ),
        (
            "- {name: a, who: {service: x.service}, actions: [select], decision: allow}",
            "`who` has no key `service`; write `unit`",
        ),
        (
            "- {name: a, who: {group: x}, actions: [select], decision: allow}",
            "`who` has no key `group`; write `gid`",
        ),
        ("- {name: a, mask: {columns: a.b.c, as: hash}}", "a mask has no key `as`; write `with`"),
        (
            "- {name: a, actions: [select], decision: allow, when: {time: {from: 8}}}",
            "a time has no key `from`; write `hours`",
        ),
    ] {
        let found = of_rules(rule);
        assert!(found.first().is_some_and(|found| found.ends_with(expect)), "{rule}: {found:?}");
    }
}

#[test]
fn a_value_of_another_kind_is_told_how_to_be_written() {
    let rule = |rest: &str| format!("- {{name: a, actions: [select], decision: allow, {rest}}}");
    for (rest, expect) in [
        (
            "when: {condition: true}",
            "condition is text, this is true or false; write one of: present, absent",
        ),
        ("who: agent", "`who` is a map, this is text; write its keys, as `{ user: agent }`"),
        (
            "when: {time: \"08:00-18:00\"}",
            "a time is a map, this is text; write its keys, as `{ hours: \"08:00-18:00\" }`",
        ),
        (
            "when: {time: {hours: [\"08:00-10:00\"]}}",
            "hours is text, this is a list; write one span, and a list of times for several",
        ),
        (
            "when: {time: {days: monday-friday}}",
            "there is no day `monday-friday`; write one of: mon, tue, wed, thu, fri, sat, sun, or a span: mon-fri",
        ),
    ] {
        let found = of_rules(&rule(rest));
        assert!(found.first().is_some_and(|found| found.ends_with(expect)), "{rest}: {found:?}");
    }
}

#[test]
fn a_pattern_that_is_none_is_told_what_was_most_likely_meant() {
    let tags = "version: 1\ntags: {rels: [a.b], cols: [a.b.c]}\nrules:\n";
    for (rest, expect) in [
        ("relations: [orders]", "write `schema.orders`, or `\"*.orders\"` for that name in every schema"),
        (
            "relations: [\"shop*\"]",
            "write `\"shop*.*\"` for all that is in such schemas, or `\"*.shop*\"` for such names in every one",
        ),
        (
            "relations: [db.shop.orders]",
            "write `schema.name`: a database goes under `databases`, columns under `columns` of `when` or in a mask",
        ),
        ("relations: [rels]", "write `tag:rels`"),
        ("relations: [\"tag: rels\"]", "did you mean `rels`?"),
        ("relations: [\"tags:rels\"]", "write `tag:rels`"),
        (
            "relations: [\"shop.orders_%\"]",
            "`*` alone stands for any characters; a name with `%` in it goes in double quotes, and all of it in single ones",
        ),
        ("functions: [\"shop.refund(bigint)\"]", "write the name without its arguments: `shop.refund`"),
        ("mask: [cols]", "write `tag:cols`"),
        ("mask: [email]", "write `schema.table.column`, or `\"*.*.email\"` for that name in every table"),
        (
            "mask: [shop.customers]",
            "write it as `schema.table.column`, and `\"schema.table.*\"` for every column of a table",
        ),
    ] {
        let found =
            errors(&format!("{tags}- {{name: a, actions: [function, select], decision: allow, {rest}}}"));
        assert!(found.iter().any(|found| found.ends_with(expect)), "{rest}: {found:?}");
    }
}

#[test]
fn an_action_that_is_never_done_to_what_is_listed_is_told_which_list_it_goes_with() {
    for (rest, expect) in [
        (
            "actions: [function], relations: [a.b]",
            "`function` is never done to what this rule lists; list `functions`, or leave the lists out of its rule",
        ),
        (
            "actions: [transaction], relations: [a.b]",
            "`transaction` is never done to what this rule lists; move it to a rule without those lists",
        ),
    ] {
        let found = of_rules(&format!("- {{name: a, {rest}, decision: allow}}"));
        assert!(found.iter().any(|found| found.ends_with(expect)), "{rest}: {found:?}");
    }
}
