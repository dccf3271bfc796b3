//! Trees that no server has written; those of a real one are with the catalog's own tests.

use super::*;

/// A query over relation 7 with these fields of its own.
fn query(fields: &str) -> String {
    let entry = "{RANGETBLENTRY :alias <> :eref {ALIAS :aliasname t :colnames (\"a\\ b\" \"\\(\")} :rtekind 0 :relid 7 \
                 :selectedCols (b 8 10)}";
    format!("({{QUERY :commandType 1 :cteList <> :rtable ({entry}) {fields} :setOperations <>}})")
}

fn column(number: i16, keys: &str) -> String {
    format!(
        "{{TARGETENTRY :expr {{VAR :varno 1 :varattno {number} :varlevelsup 0}} :resname x\\ \\}} {keys} :resjunk false}}"
    )
}

#[test]
fn columns_and_what_decides_are_told_apart() {
    let of = |attnum| ColumnRef { relation: 7, attnum };
    let list =
        [column(3, ":ressortgroupref 0"), column(-1, ":ressortgroupref 0"), column(2, ":ressortgroupref 1")];
    let quals = ":jointree {FROMEXPR :fromlist ({RANGETBLREF :rtindex 1}) :quals {OPEXPR :args ({VAR :varno 1 :varattno 4 \
                 :varlevelsup 0} {CONST :constvalue 4 [ 1 0 0 0 ]})}}";
    let view = read(&query(&format!("{quals} :targetList ({})", list.join(" ")))).unwrap();
    assert_eq!(view.columns, [ViewColumn::Own(of(3)), ViewColumn::Made(Vec::new()), ViewColumn::Own(of(2))]);
    assert_eq!(view.decides, [of(2), of(4)]);
    assert!(view.has(of(3)) && view.has(of(4)) && !view.has(of(1)));
}

#[test]
fn what_is_not_understood_tells_nothing() {
    let whole = query(&format!(":targetList ({})", column(1, ":ressortgroupref 0")));
    assert!(read(&whole).is_some());
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_none(), "{}", &whole[..end]);
    }
    for (part, other) in [
        (":commandType 1", ":commandType 2"),
        (":varlevelsup 0", ":varlevelsup 1"),
        (":varno 1", ":varno 2"),
        (":varno 1", ":varno 0"),
        (":rtekind 0", ":rtekind 7"),
        (":relid 7", ":relid x"),
        (":ressortgroupref 0", ""),
        (":setOperations <>", ""),
        (":setOperations <>", ":setOperations {SETOPERATIONSTMT :op 1 :all true}"),
    ] {
        assert!(whole.contains(part) && read(&whole.replace(part, other)).is_none(), "{other}");
    }
}

#[test]
fn no_tree_is_too_deep_for_the_stack() {
    let deep = |depth: usize| {
        let quals = format!("{}{{X :y 1}}{}", "{NOT :arg ".repeat(depth), "}".repeat(depth));
        query(&format!(":havingQual {quals} :targetList ({})", column(1, ":ressortgroupref 0")))
    };
    assert!(read(&deep(100)).is_some());
    for depth in [400, 100_000] {
        assert!(read(&deep(depth)).is_none());
    }
    assert!(read(&"(".repeat(1_000_000)).is_none());
}
