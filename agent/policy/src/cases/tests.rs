use super::*;
use crate::{Action, Verb};

const FILE: &str = r#"
version: 1
resource: shop
database: shop
schema:
  public.customers: [id, name, ssn]
  public.names: { view: [id, name], of: [public.customers.id, public.customers] }
  public.customers_2026: { table: [id, name, ssn], parents: [public.customers] }
functions: [public.charge]
procedures: [public.settle]
types: { public.mood: enum }
principals:
  reporter: { user: reporter, uid: 1001 }
cases:
  - name: two reads
    who: reporter
    statements: ["TABLE customers", "TABLE names"]
    expect: allow
    rule: r
    masked: [3]
  - name: in place, elsewhere
    who: { uid: 0, executable: null, executable_sha256: null, container: web, claims: { group: ops } }
    resource: other
    database: postgres
    statement: DROP TABLE customers
    expect: deny
    rule: default
"#;

fn parse(text: &str) -> Result<CaseFile, Vec<DocumentError>> {
    CaseFile::parse(&Document { name: "c.yaml", text })
}

#[test]
fn a_cases_file_gives_a_catalog_and_a_case_for_each_statement() {
    let file = parse(FILE).unwrap();
    let relation = |name| file.catalog.relation_named("public", name).unwrap();
    let (customers, names) = (relation("customers"), relation("names"));
    assert_eq!(names.bases.len(), 2);
    assert_eq!(names.bases[0], crate::ColumnRef { relation: customers.oid, attnum: 1 });
    assert_eq!(customers.children, [relation("customers_2026").oid]);
    assert_eq!(file.catalog.functions_named("public", "settle").filter(|f| f.procedure).count(), 1);
    assert_eq!(file.search_path, ["pg_catalog", "public"]);

    let [first, second, third] = file.cases.as_slice() else { panic!("{:?}", file.cases) };
    assert_eq!((first.place.line, second.statement.as_str()), (17, "TABLE names"));
    assert_eq!(first.principal.user.as_deref(), Some("reporter"));
    assert_eq!(first.principal.executable.as_deref(), Some("/usr/bin/job"));
    assert_eq!(first.principal.executable_sha256, Some([0; 32]));
    assert_eq!((&third.principal.executable, third.principal.executable_sha256), (&None, None));
    assert_eq!(third.principal.container.as_deref(), Some("web"));
    assert_eq!((third.resource.as_str(), third.database.as_str()), ("other", "postgres"));
}

#[test]
fn a_mismatch_says_what_came_out_and_why() {
    let file = parse(FILE).unwrap();
    let policy = std::sync::Arc::new(crate::Policy::parse(&[]).unwrap());
    let judge = |case: &Case, actions: &[Action]| {
        policy.for_subject(&case.subject()).judge(actions, crate::Moment::default())
    };
    let none = Masked::Columns(BTreeSet::new());
    let drop = Action::bare(Verb::Drop);
    assert_eq!(file.cases[2].check(&judge(&file.cases[2], &[drop]), &none), Ok(()));
    let judgement = judge(&file.cases[0], &[Action::bare(Verb::Select)]);
    let mismatch = file.cases[0].check(&judgement, &none).unwrap_err();
    assert_eq!(
        mismatch.to_string(),
        "c.yaml:17:18: two reads\n    statement: TABLE customers\n    expected:  allow by rule \"r\", masked: \
         3\n    got:       deny by rule \"default\", no column masked\n    because:   select is denied by rule \
         \"default\": no rule allows it"
    );
}

#[test]
fn mistakes_in_a_cases_file_name_their_place_and_cure() {
    let case = "cases:\n  - { name: n, who: {uid: 1}, statement: x, expect: allow, rule: r }\n";
    for (text, error) in [
        (
            format!("version: 1\n{case}"),
            "c.yaml:3:5: it is not said where the case runs; give `resource` and `database`",
        ),
        (
            format!("version: 1\nresource: a\ndatabase: b\nschema: {{t: [a]}}\n{case}"),
            "c.yaml:4:10: `t` names no schema; write it as `schema.name`",
        ),
        (
            format!("version: 1\nresource: a\ndatabase: b\nschema: {{p.v: {{view: [a], of: p.t}}}}\n{case}"),
            "c.yaml:4:31: there is no `p.t` so far; name a column or relation that stands further up",
        ),
        (
            format!(
                "version: 1\nresource: a\ndatabase: b\nprincipals: {{bob: {{uid: 1}}}}\n{}",
                case.replace("{uid: 1}", "bbo")
            ),
            "c.yaml:6:21: there is no principal `bbo`; did you mean `bob`?",
        ),
        (
            format!(
                "version: 1\nresource: a\ndatabase: b\n{}",
                case.replace("uid: 1", "executable_sha256: 0g")
            ),
            "c.yaml:5:41: executable_sha256 is no SHA-256; write its 64 hexadecimal digits",
        ),
        ("version: 1\n".into(), "c.yaml:1:1: `cases` is missing; write at least one"),
        ("version: 1\ncases: []\n".into(), "c.yaml:2:8: `cases` is empty; write at least one"),
    ] {
        let errors: Vec<String> = parse(&text).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(errors.iter().any(|found| found == error), "{text}\n{errors:?}");
    }
}

#[test]
fn a_file_may_have_a_schema_alone_where_no_cases_are_asked_for() {
    for cases in ["", "cases: []\n"] {
        let text = format!("version: 1\nschema: {{app.t: [id]}}\n{cases}");
        let file = CaseFile::parse_schema(&Document { name: "c.yaml", text: &text }).unwrap();
        assert!(file.cases.is_empty() && file.catalog.schemas().any(|schema| schema == "app"));
    }
}
