//! What takes an object from under a rule by another name.

use super::*;

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
