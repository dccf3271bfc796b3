//! Functions and operators of others that are called as those of PostgreSQL are.

use super::*;

#[test]
fn what_computes_otherwise_than_postgresqls_own_function_may_fail_where_that_does_not() {
    let asked = |functions: Vec<Function>, text: &str| {
        let catalog = catalog().changed(1, Changes { functions, ..Changes::default() });
        let mut analysis = analyse(text.as_bytes(), &settings(), &catalog, &Limits::default());
        let statement = analysis.statements.remove(0);
        assert!(
            statement.actions.iter().all(|action| action.implied || action.verb == Verb::Select),
            "{text}"
        );
        statement.steers != crate::flow::constant()
    };
    for (name, call) in [
        ("lower", "lower(ssn, 'x')"),
        ("count", "count(ssn, 'x')"),
        ("upper", "(ssn).upper"),
        ("md5", "customers.md5"),
    ] {
        let body = Body::Text("SELECT CASE WHEN $1 = $2 THEN 'x' END".into());
        let own =
            Function { schema: "pg_catalog".to_owned(), ..function(899, name, "internal", Body::Foreign) };
        let users = Function { volatility: Volatility::Immutable, ..function(901, name, "sql", body) };
        let text = format!("SELECT {call} FROM customers");
        assert!(!asked(vec![own.clone()], &text), "{text}");
        assert!(asked(vec![own, users], &text), "{text}");
    }
}

#[test]
fn who_only_computes_as_postgresqls_own_function_of_that_name_needs_no_rule() {
    let immutable = |oid, name: &str, language: &str, body| Function {
        volatility: Volatility::Immutable,
        ..function(oid, name, language, body)
    };
    // As citext brings them.
    let larger = || immutable(900, "larger", "c", Body::Foreign);
    let replace = "SELECT pg_catalog.regexp_replace( $1::pg_catalog.text, CASE WHEN pg_catalog.strpos($2, 'c') = 0 THEN $2 || 'i' ELSE $2 END, 'g');";
    let computing = [
        immutable(901, "max", "", Body::Calls(vec![900])),
        immutable(901, "max", "c", Body::Foreign),
        immutable(901, "max", "sql", Body::Text(replace.into())),
        immutable(901, "max", "sql", Body::Tree { relations: vec![], functions: vec![900], writes: false }),
    ];
    let called_by = |calls: Option<Calls>, f: Function, text: &str| {
        let own = Function { schema: "pg_catalog".to_owned(), ..immutable(899, "max", "", Body::Foreign) };
        let functions = vec![own, larger(), f];
        actions(&catalog().changed(1, Changes { functions, calls, ..Changes::default() }), text)
    };
    let casts = vec![Cast { name: "text".to_owned(), function: 604 }];
    let casting =
        called_by(Some(Calls { casts, ..Calls::default() }), computing[2].clone(), "SELECT max(id) FROM t");
    assert!(casting.split(", ").any(|action| action == "function public.max"), "{casting}");
    let called = |f, text: &str| called_by(None, f, text);
    for function in computing {
        let told = called(function.clone(), "SELECT max(id) FROM t");
        assert!(told.contains("*function public.max"), "{told} by {function:?}");
        assert!(!told.contains(", function public.max") && !told.starts_with("function"), "{told}");
        // By its own schema's name it is meant.
        let told = called(function, "SELECT public.max(id) FROM t");
        assert!(told.split(", ").any(|action| action == "function public.max"), "{told}");
    }
    let others = [
        function(901, "max", "c", Body::Foreign),
        function(901, "max", "", Body::Calls(vec![900])),
        immutable(901, "max", "", Body::Calls(vec![900, 500])),
        immutable(901, "max", "plpgsql", Body::Text("BEGIN RETURN 1; END".into())),
        immutable(901, "max", "sql", Body::Text("SELECT pw FROM secret".into())),
        immutable(901, "max", "sql", Body::Text("SELECT public.reads()".into())),
        immutable(901, "max", "sql", Body::Text("SELECT lower($1)".into())),
        immutable(901, "max", "sql", Body::Text("SELECT pg_catalog.nextval('s')".into())),
        immutable(901, "max", "sql", Body::Text("SELECT $1::mood".into())),
        immutable(901, "max", "sql", Body::Text("SELECT $1; SELECT $1".into())),
        immutable(
            901,
            "max",
            "sql",
            Body::Tree { relations: vec![SECRET], functions: vec![], writes: false },
        ),
        immutable(901, "max", "sql", Body::Tree { relations: vec![], functions: vec![502], writes: false }),
        immutable(901, "max", "plperlu", Body::Unread),
        Function { security_definer: true, ..immutable(901, "max", "c", Body::Foreign) },
        immutable(901, "unheard_of", "c", Body::Foreign),
        // PostgreSQL's own of that name came with a later version.
        immutable(901, "casefold", "c", Body::Foreign),
    ];
    for function in others {
        let name = function.name.clone();
        let told = called(function.clone(), &format!("SELECT {name}(id) FROM t"));
        let expected = format!("function public.{name}");
        assert!(told.split(", ").any(|action| action == expected), "{told} by {function:?}");
    }
}

#[test]
fn what_a_function_makes_of_its_arguments_alone_carries_these() {
    let immutable = |name: &str, language: &str, body| Function {
        volatility: Volatility::Immutable,
        ..function(901, name, language, body)
    };
    let stored_beside = |f: Function, unseen: Vec<policy::Oid>, text: &str| {
        let operators = [
            ("<=>".to_owned(), vec![("public".to_owned(), 901)]),
            ("+".to_owned(), vec![("public".to_owned(), 900)]),
        ];
        let calls = Some(Calls { operators: operators.into(), unseen, ..Calls::default() });
        let functions = vec![f, function(900, "larger", "c", Body::Foreign)];
        let catalog = catalog().changed(1, Changes { functions, calls, ..Changes::default() });
        let text = format!("INSERT INTO t (a) SELECT {text} FROM customers");
        let mut analysis = analyse(text.as_bytes(), &settings(), &catalog, &Limits::default());
        let statement = analysis.statements.remove(0);
        // A rule has to allow the call all the same.
        assert!(
            statement.actions.iter().any(|action| !action.implied && action.verb == Verb::Function),
            "{text}"
        );
        statement.written
    };
    let stored = |f: Function, text: &str| stored_beside(f, Vec::new(), text);
    let of = |attnum| policy::Lineage::Derived(vec![policy::ColumnRef { relation: CUSTOMERS, attnum }]);
    let text = |body: &str| Body::Text(body.into());
    for f in [
        immutable("digest", "c", Body::Foreign),
        function(901, "uuid_generate_v4", "c", Body::Foreign),
        function(901, "discount", "sql", text("SELECT amount * (100 - percent) / 100")),
        function(901, "discount", "sql", text("SELECT CASE WHEN $1 > amount THEN amount ELSE 0 END;")),
    ] {
        let name = f.name.clone();
        assert_eq!(stored(f.clone(), &format!("{name}('x')")), crate::flow::constant(), "{name}");
        assert_eq!(stored(f.clone(), &format!("{name}(id)")), of(1), "{name}");
        assert_eq!(stored(f.clone(), &format!("{name}(ssn)")), of(3), "{name}");
        assert_eq!(stored(f, "id <=> 2"), of(1), "{name}");
    }
    // A cast that applies by itself to what it is given or gives may read anything.
    let unseen = stored_beside(immutable("digest", "c", Body::Foreign), vec![900], "digest('x') <=> 'y'");
    assert_eq!(unseen, policy::Lineage::Unknown);
    for f in [
        function(901, "digest", "c", Body::Foreign),
        Function { security_definer: true, ..immutable("digest", "c", Body::Foreign) },
        immutable("crosstab", "c", Body::Foreign),
        immutable("f", "sql", text("SELECT a + b")),
    ] {
        let name = f.name.clone();
        assert_eq!(stored(f.clone(), &format!("{name}('x')")), policy::Lineage::Unknown, "{f:?}");
        assert_eq!(stored(f.clone(), "'x' <=> 'y'"), policy::Lineage::Unknown, "{f:?}");
    }
    // Of which rows an operator gives is not told, and a function by what its body names.
    let reads = |relations: &[policy::Oid]| {
        let mut read = crate::flow::constant();
        relations.iter().for_each(|oid| crate::flow::add(&mut read, crate::flow::column(*oid, 0)));
        read
    };
    for (language, body, read) in [
        ("sql", "SELECT ssn FROM customers LIMIT 1", reads(&[CUSTOMERS])),
        ("sql", "SELECT secret()", reads(&[SECRET])),
        ("sql", "SELECT s.a", reads(&[141])),
        ("sql", "SELECT a FROM t", reads(&[T])),
        ("sql", "SELECT (TABLE secret)", reads(&[SECRET])),
        ("sql", "SELECT a b", reads(&[])),
        ("sql", "SELECT mood 'x'", reads(&[])),
        ("sql", "SELECT mood E'x'", reads(&[])),
        ("sql", "SELECT user", reads(&[])),
        ("sql", "SELECT a::mood", reads(&[])),
        ("sql", "SELECT \"a\".b", reads(&[])),
        ("plpgsql", "SELECT a", reads(&[])),
    ] {
        let f = immutable("f", language, text(body));
        assert_eq!(stored(f.clone(), "f('x')"), read, "{body}");
        assert_eq!(stored(f, "'x' <=> 'y'"), policy::Lineage::Unknown, "{body}");
    }
}

#[test]
fn an_operator_is_in_any_schema_of_the_path() {
    let told = |path: crate::SearchPath, operator: &str| {
        let settings = crate::Settings { search_path: path, ..settings() };
        let text = format!("SELECT a {operator} b FROM t");
        let statement =
            analyse(text.as_bytes(), &settings, &catalog(), &Limits::default()).statements.remove(0);
        let calls = statement.actions.iter().filter(|action| action.verb == policy::Verb::Function);
        calls.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let listed = |path: &[&str]| crate::SearchPath::listed(path.iter().map(|s| (*s).to_owned()).collect());
    let (one, two) =
        (listed(&["pg_catalog", "public"]), listed(&["pg_temp_3", "pg_catalog", "public", "other"]));
    assert_eq!(told(one.clone(), "<=>"), "function operator public.<=>");
    assert_eq!(told(two, "<=>"), "function operator public.<=>, function operator other.<=>");
    assert_eq!(told(one, "OPERATOR(other.<=>)"), "function operator other.<=>");
    assert_eq!(told(crate::SearchPath::Unknown, "<=>"), "function operator <=>");
}
