use std::path::Path;

use clap::{FromArgMatches, Subcommand as _};

use super::*;

mod recorded;

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

/// Runs `portreeve policy ARGUMENTS`.
fn run(arguments: &[&str]) -> (Result<bool, String>, String) {
    let command = Command::augment_subcommands(clap::Command::new("policy").no_binary_name(true));
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return (Err(error.to_string()), String::new()),
    };
    let command = PolicyCommand { command: Command::from_arg_matches(&matches).unwrap() };
    let mut out = Vec::new();
    let result = run_to(&command, &mut out);
    let result = result.map(|code| code == ExitCode::SUCCESS).map_err(|error| error.to_string());
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn every_example_policy_does_what_its_cases_say() {
    let (result, out) = run(&["test", "--every-rule", policies().to_str().unwrap()]);
    assert_eq!(result, Ok(true), "{out}");
    assert!(!out.contains("has no cases"), "{out}");
}

#[test]
fn the_readme_shows_the_policy_that_is_tested() {
    let readme = std::fs::read_to_string(policies().join("../README.md")).unwrap();
    let policy = std::fs::read_to_string(policies().join("clinic.yaml")).unwrap();
    let begins = policy.find("version: 1").unwrap();
    assert!(readme.contains(&format!("```yaml\n{}```\n", &policy[begins..])));
}

#[test]
fn the_readme_shows_cases_that_hold() {
    let readme = std::fs::read_to_string(policies().join("../README.md")).unwrap();
    let (_, cases) = readme.split_once("```yaml\n# clinic.cases.yaml\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cases = cases.split("```").next().unwrap();
    std::fs::write(folder.path().join("clinic.cases.yaml"), cases).unwrap();
    std::fs::copy(policies().join("clinic.yaml"), folder.path().join("clinic.yaml")).unwrap();
    let (result, out) = run(&["test", folder.path().to_str().unwrap()]);
    assert_eq!(result, Ok(true), "{out}");
    assert!(out.contains("1 of 1 cases as expected"), "{out}");
}

#[test]
fn every_example_policy_is_one_that_check_has_nothing_to_say_about() {
    for entry in std::fs::read_dir(policies()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".yaml") && !name.ends_with(".cases.yaml") {
            let resources = ["--resource", "shop", "--resource", "clinic"];
            let (result, out) = run(&[&["check"], &resources[..], &[path.to_str().unwrap()]].concat());
            assert_eq!((result, out.lines().count()), (Ok(true), 1), "{out}");
        }
    }
}

#[test]
fn a_wrong_document_fails_the_check_with_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    std::fs::write(&path, "version: 2\nrules: [{name: a, actions: [selct], decision: allow}]\n").unwrap();
    let (result, out) = run(&["check", folder.path().to_str().unwrap()]);
    let error = result.unwrap_err();
    assert_eq!((error.lines().count(), out.as_str()), (2, ""), "{error}");
    assert!(error.contains("p.yaml:2:29: there is no action `selct`; did you mean `select`?"), "{error}");
}

#[test]
fn a_document_under_an_ending_that_nobody_reads_is_a_mistake_and_not_left_out() {
    for name in ["base.yml", "base.YAML"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.yaml"), "version: 1\n").unwrap();
        assert!(run(&["check", folder.path().to_str().unwrap()]).0.is_ok());
        std::fs::write(folder.path().join(name), "version: 1\n").unwrap();
        let error = run(&["check", folder.path().to_str().unwrap()]).0.unwrap_err();
        assert!(error.ends_with("base.yaml, or move it elsewhere") && error.contains(name), "{error}");
    }
}

#[test]
fn the_base_is_what_is_named_as_such_and_no_other_document_joins_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let base =
        write("base.yaml", "version: 1\nrules: [{name: no, actions: [transaction], decision: deny}]\n");
    let rules = "version: 1\nrules: [{name: yes, actions: [transaction], decision: allow}]\n";
    let team = write("team.yaml", rules);
    let claims = write("claims.yaml", &format!("layer: base\n{rules}"));
    let (result, out) = run(&["explain", "--base", &base, "--policy", &team, "--as", "uid=1", "BEGIN"]);
    assert!(result.is_ok() && out.starts_with("deny by rule \"no\""), "{result:?} {out}");
    let (result, _) = run(&["check", "--base", &base, &claims]);
    assert!(result.unwrap_err().contains("claims.yaml:1:8: this document is not of layer `base`"));
    let (result, _) = run(&["check", &claims]);
    assert_eq!(result, Ok(true));
}

#[test]
fn a_rule_with_a_time_is_explained_and_tested_by_the_time_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let rule = "{name: sundays, actions: [transaction], when: {time: {days: sun}}, decision: allow}";
    let policy = write("p.yaml", &format!("version: 1\nrules: [{rule}]\n"));
    let at = |time| run(&["explain", "--policy", &policy, "--as", "uid=1", "--at", time, "BEGIN"]);
    assert!(at("2026-03-01T10:00:00Z").1.starts_with("allow by rule \"sundays\""));
    assert!(at("2026-03-02T10:00:00Z").1.starts_with("deny by rule \"default\""));
    let wrong = at("sunday").0.unwrap_err();
    assert_eq!(wrong, "--at sunday: it is no time with an offset; write it as 2026-03-02T09:30:00Z");
    write(
        "p.cases.yaml",
        "version: 1\nresource: shop\ndatabase: shop\ncases:\n\
         - {name: on sundays, who: {uid: 1}, at: 2026-03-01T10:00:00Z, statement: BEGIN, expect: allow, rule: sundays}\n\
         - {name: on mondays, who: {uid: 1}, statement: BEGIN, expect: deny, rule: default}\n",
    );
    let (result, out) = run(&["test", folder.path().to_str().unwrap()]);
    assert_eq!(result, Ok(true), "{out}");
}

const RULES: &str = r#"version: 1
rules:
  - { name: reads, who: { user: ann }, actions: [read], relations: ["public.*"], decision: allow }
  - { name: small, actions: [select], when: { limit: 10 }, decision: allow }
  - { name: late, actions: [select], relations: [public.orders], decision: hold }
  - { name: later, actions: [read], relations: ["public.orders"], when: { condition: present }, decision: hold }
  - { name: watched, actions: [select], decision: deny, mode: observe }
  - { name: elsewhere, resources: [billing], actions: [read], decision: deny }
  - { name: other-database, databases: [hr], actions: [read], decision: deny }
  - { name: of-bob, who: { user: bob }, actions: [read], decision: allow, mask: public.orders.id }
  - { name: not-ann, except: { user: ann }, actions: [read], decision: deny }
  - { name: by-program, who: { executable: /x }, actions: [read], decision: allow }
  - { name: writes, actions: [write], decision: allow }
  - { name: of-hr, actions: [read], relations: ["hr.*"], decision: deny }
  - { name: veil, mask: public.orders.note }
"#;

const DATABASE: &str = "version: 1
resource: shop
database: shop
schema: { public.orders: [id, note] }
principals: { ann: { user: ann, executable: null } }
cases:
  - { name: held, who: ann, statement: SELECT id FROM orders WHERE id = 1, expect: hold, rule: late }
  - { name: masked, who: ann, statement: SELECT note FROM orders LIMIT 5, expect: hold, rule: late, masked: [1] }
";

#[test]
fn what_was_left_out_of_a_question_is_told_where_it_decides() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    let rules = "version: 1\nrules: [{name: r, resources: [shop], actions: [select], decision: allow}]\n";
    std::fs::write(&path, rules).unwrap();
    let asked = |rest: &[&str]| {
        let asked = ["explain", "--policy", path.to_str().unwrap(), "--as", "uid=1"];
        run(&[&asked[..], rest].concat()).1
    };
    let (named, known) = ("no rule names the resource", "no table is known here");
    let out = asked(&["--resource", "shpo", "SELECT 1"]);
    assert!(out.contains("no rule names the resource \"shpo\" (--resource): they name shop\n"), "{out}");
    assert!(!out.contains(known), "{out}");
    let out = asked(&["--resource", "shop", "SELECT a FROM t"]);
    assert!(out.contains(known) && !out.contains(named), "{out}");
}

#[test]
fn check_knows_the_tables_of_the_cases_beside_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "p.yaml",
        "version: 1\nrules: [{name: r, mask: public.orders.note}, {name: m, mask: public.orders.noet}]\n",
    );
    write(
        "p.cases.yaml",
        DATABASE.split("  - { name: held").next().unwrap().trim_end().trim_end_matches("cases:"),
    );
    // Without cases it is no cases file.
    assert!(run(&["check", folder.path().to_str().unwrap()]).0.is_err());
    write("p.cases.yaml", &DATABASE.replace("rule: late", "rule: m"));
    for path in [folder.path().to_owned(), folder.path().join("p.yaml")] {
        let (result, out) = run(&["check", path.to_str().unwrap()]);
        assert_eq!(result, Ok(true));
        let told = "rule \"m\" masks public.orders.noet, a column that public.orders does not have; did you mean `note`?";
        assert_eq!((out.lines().count(), out.contains(told)), (2, true), "{out}");
    }
}

#[test]
fn what_is_not_known_of_who_asks_is_told_where_it_decides() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("p.yaml");
    let rules = "version: 1
rules:
  - { name: begins, actions: [transaction], decision: allow }
  - { name: waits, who: { claims: { ref: x } }, actions: [transaction, set], decision: hold }
";
    std::fs::write(&policy, rules).unwrap();
    let explain = |sql: &str| {
        let policy = policy.to_str().unwrap();
        run(&["explain", "--policy", policy, "--as", "uid=1", sql]).1
    };
    let (held, denied) = (explain("BEGIN"), explain("SET app.x = 1"));
    assert!(held.starts_with("hold by rule \"waits\""), "{held}");
    let why = "since it is not known whether it is about this one";
    assert!(held.contains(&format!("\"waits\" decides: hold, {why}")), "{held}");
    assert!(denied.starts_with("deny by rule \"default\""), "{denied}");
    assert!(denied.contains(&format!("\"waits\" holds only what another rule allows, {why}")), "{denied}");
}

#[test]
fn each_rule_is_explained_with_why_it_decides_or_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (policy, cases) = (write("p.yaml", RULES), write("p.cases.yaml", DATABASE));
    let asked =
        ["explain", "--policy", &policy, "--schema", &cases, "--resource", "shop", "--database", "shop"];
    let (result, out) =
        run(&[&asked[..], &["--as", "user=ann,executable=", "SELECT id FROM orders WHERE id = 1"]].concat());
    assert_eq!(result, Ok(true));
    let expect = format!(
        "hold by rule \"late\"
  select table public.orders is held by rule \"late\": a reviewer decides whether it runs
  only observed: it would be denied by rule \"watched\"
SELECT id FROM orders WHERE id = 1
  hold   select table public.orders  by rule \"late\" ({policy}:5:5)
           columns id; by a condition
           \"reads\" matches, but allow is milder
           \"small\" would allow it with a literal LIMIT of at most 10 in the query itself that reads it, without an aggregate or a window
           \"late\" decides: hold
           \"later\" matches, but comes after one that decides the same
           \"watched\" matches, and would deny, but is only observed
           \"writes\" is about other actions
           \"of-hr\" is about other objects
  column 1  exact    public.orders.id
masks hold by \"veil\"
not about this job here:
           \"elsewhere\" is about other resources
           \"other-database\" is about other databases
           \"of-bob\" is about others, by `user`
           \"not-ann\" takes this one out by `except`
           \"by-program\" is about others, by `executable`
"
    );
    assert_eq!(out, expect);
}

#[test]
fn each_column_is_explained_with_what_it_carries_and_how_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let masks = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [{ columns: [public.orders.note], with: last4 }] }
";
    let (policy, cases) = (write("p.yaml", masks), write("p.cases.yaml", DATABASE));
    let columns = |sql| {
        let (result, out) = run(&["explain", "--policy", &policy, "--schema", &cases, "--as", "uid=1", sql]);
        assert_eq!(result, Ok(true), "{out}");
        let line = |line: &&str| line.starts_with("  column") || line.starts_with("  each column");
        out.lines().filter(line).map(str::trim_start).collect::<Vec<_>>().join("\n")
    };
    for (sql, expected) in [
        (
            "SELECT id, note FROM orders",
            "column 1  exact    public.orders.id\ncolumn 2  exact    public.orders.note, shown by last4",
        ),
        (
            "SELECT note FROM orders UNION ALL SELECT id FROM orders",
            "column 1  exact    public.orders.id or public.orders.note, shown by redact",
        ),
        (
            "SELECT id || note FROM orders",
            "column 1  derived  from public.orders.id, public.orders.note, shown by redact",
        ),
        ("SELECT o FROM orders o", "column 1  derived  from public.orders.*, shown by redact"),
        (
            "SELECT 1, nothing FROM orders",
            "column 1  derived  from no column\ncolumn 2  unknown, shown by redact",
        ),
        (
            "SELECT * FROM orders JOIN orders o USING (id)",
            "each column  derived  from public.orders.id, public.orders.note, shown by redact",
        ),
        ("FETCH c", "columns as of \"c\""),
        ("BEGIN", ""),
    ] {
        assert_eq!(columns(sql), expected, "{sql}");
    }
}

#[test]
fn a_test_says_which_rules_no_case_has_tried() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("p.yaml", RULES);
    write("p.cases.yaml", DATABASE);
    let path = folder.path().to_str().unwrap();
    let (result, out) = run(&["test", path]);
    assert_eq!(result, Ok(true), "{out}");
    let untried: Vec<&str> = out.lines().filter(|line| line.contains("decides in none")).collect();
    assert_eq!(untried.len(), 10, "{out}");
    assert!(untried[0].ends_with("p.yaml:3:5: rule \"reads\" decides in none of the cases"), "{out}");
    assert!(out.ends_with("p.cases.yaml: 2 of 2 cases as expected, 3 of 13 rules tried\nok: 2 cases, 0 not as expected, 10 rules untried\n"), "{out}");
    assert_eq!(run(&["test", "--every-rule", path]).0, Ok(false));
}

#[test]
fn overlaps_are_told_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    let rules = "  - { name: a, actions: [read], decision: allow }\n  - { name: b, actions: [read], relations: [x.y], decision: deny }\n";
    std::fs::write(&path, format!("version: 1\nrules:\n{rules}")).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(run(&["check", path]).1.lines().count(), 1);
    let (_, out) = run(&["check", "--overlaps", path]);
    assert!(out.contains("overlap in select, copy-out: there rule \"b\" decides, deny"), "{out}");
}

#[test]
fn the_schema_is_json_that_names_itself() {
    let (result, out) = run(&["schema"]);
    assert_eq!(result, Ok(true));
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["title"], "Portreeve policy");
}

#[test]
fn a_case_that_comes_out_otherwise_fails_the_test_and_shows_both() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("p.yaml", "version: 1\nrules: [{name: a, actions: [transaction], decision: allow}]\n");
    write(
        "p.cases.yaml",
        "version: 1\nresource: r\ndatabase: d\ncases:\n  - {name: n, who: {uid: 1}, statement: BEGIN, \
         expect: deny, rule: default}\n",
    );
    let (result, out) = run(&["test", folder.path().to_str().unwrap()]);
    assert_eq!(result, Ok(false), "{out}");
    assert!(out.contains("expected:  deny by rule \"default\""), "{out}");
    assert!(out.contains("got:       allow by rule \"a\""), "{out}");
}

#[test]
fn an_explanation_names_the_decision_the_rule_and_its_place() {
    let (policy, schema) = (policies().join("application.yaml"), policies().join("application.cases.yaml"));
    let arguments = |sql| {
        let (policy, schema) = (policy.to_str().unwrap(), schema.to_str().unwrap());
        let who = "user=shop,unit=shop-api.service";
        let place = ["--as", who, "--resource", "shop", "--database", "shop", "--schema", schema];
        let (result, out) = run(&[&["explain", "--policy", policy][..], &place, &[sql]].concat());
        assert_eq!(result, Ok(true), "{out}");
        out
    };
    let out = arguments("BEGIN; DELETE FROM orders");
    assert!(out.starts_with("deny by rule \"shop-whole-tables\"\n"), "{out}");
    assert!(out.contains(": Give the statement a condition."), "{out}");
    assert!(out.contains("application.yaml:33:5"), "{out}");
    assert!(out.contains("  allow  transaction"), "{out}");
    assert!(arguments("SELECT 1").starts_with("allow"), "constants alone");
}

#[test]
fn who_asks_is_said_in_known_words() {
    for (given, error) in [
        ("usr=a", "--as usr=a: there is no such key; write key=value with one of user, uid, "),
        ("user", "--as user: it has no value; write"),
        ("executable_sha256=0g", "--as executable_sha256=0g: it is no SHA-256; write"),
        ("uid=x", "--as uid=x: it is no number; write"),
        ("claims.=x", "--as claims.=x: there is no such key; write"),
    ] {
        let policy = policies().join("application.yaml");
        let (result, _) = run(&["explain", "--policy", policy.to_str().unwrap(), "--as", given, "SELECT 1"]);
        let found = result.unwrap_err();
        assert!(found.starts_with(error), "{found}");
    }
}
