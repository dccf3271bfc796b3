//! The checker finds what it is there to find, and the tree is in order.

use super::{
    modules::{self, Source},
    packages::{self, Dependency, Package},
    paths::{Root, roots},
};

/// The roots of a text in `a::b`, space separated.
#[track_caller]
fn check_roots(text: &str, expect: &str) {
    let found: Vec<_> = roots(text, 2)
        .into_iter()
        .map(|(_, root)| match root {
            Root::Module(name) => name,
            Root::Everything => "*".to_owned(),
        })
        .collect();
    assert_eq!(found.join(" "), expect, "{text}");
}

#[test]
fn paths_from_the_root_are_found_however_they_are_spelled() {
    check_roots("use crate::config;", "config");
    check_roots("use crate::config::Config;", "config");
    check_roots("use crate::{config::{self, Config}, proxy, secret::Secret as S};", "config proxy secret");
    check_roots("use crate::{\n    a::{b::{c}, d},\n    e,\n};\nuse crate::f;", "a e f");
    check_roots("use {crate::a, std::fmt, crate::b};", "a b");
    check_roots("fn f() -> crate::a::T { crate::b::g::<crate::c::X>() }", "a b c");
    check_roots("use portreeve::cli;", "cli");
    check_roots("pub(crate) fn f() {}", "");
    check_roots("use super::x; use self::y; use std::crate_::z;", "");
    check_roots("use super::super::a::B;", "a");
    check_roots("use super::{x, super::{a::B, c}};", "a c");
    check_roots("mod tests { use super::super::x; use super::super::super::a; } use super::super::b;", "a b");
    check_roots("use crate::*;", "*");
    check_roots("use crate::a::*;", "a");
    check_roots("macro_rules! m { () => { $crate::a::f() } }", "");
}

#[test]
fn comments_and_literals_name_nothing() {
    check_roots("// use crate::a;\n/* crate::b /* crate::c */ crate::d */ /// crate::e\n", "");
    check_roots("let s = \"crate::a \\\" crate::b\"; let r = r#\"crate::c \" crate::d\"#;", "");
    check_roots("let c = '\"'; use crate::a; let d = '\\''; use crate::b; let e = '\\u{22}';", "a b");
    check_roots("fn f<'a>(x: &'a str) -> crate::a::T<'a> {}", "a");
}

#[test]
fn every_way_to_break_the_modules_order_is_found() {
    #[track_caller]
    fn check(path: &str, text: &str, expect: &[&str]) {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        assert_eq!(modules::check(&[source]), expect);
    }
    check("proxy/upstream.rs", "use crate::intercept::Peer;\nuse crate::secret::Secret;", &[]);
    check("intercept.rs", "use crate::intercept::Peer; mod tests { use super::config; }", &[]);
    check("lib.rs", "pub mod anything;", &[]);
    check(
        "intercept/pins.rs",
        "\nuse crate::config::Config;",
        &["intercept/pins.rs:2: intercept must not know config"],
    );
    check(
        "catalog.rs",
        "use super::store::Store;",
        &["catalog.rs:1: catalog and store never know each other"],
    );
    check(
        "proxy.rs",
        "use crate::*; use crate::helpers::X;",
        &[
            "proxy.rs:1: a glob over the whole crate hides who is known",
            "proxy.rs:1: crate::helpers has no place in the order",
        ],
    );
    check("utils.rs", "", &["utils.rs: utils has no place in the order (xtask/src/layers/modules.rs)"]);
}

#[test]
fn every_way_to_break_the_packages_order_is_found() {
    #[track_caller]
    fn check(name: &str, dependencies: &[(&str, bool)], expect: &[&str]) {
        let dependencies = dependencies
            .iter()
            .map(|(name, only_aside)| Dependency { name: (*name).to_owned(), only_aside: *only_aside })
            .collect();
        assert_eq!(packages::check(&[Package { name: name.to_owned(), dependencies }]), expect);
    }
    check("masking", &[("policy", false), ("bytes", false), ("tokio", true)], &[]);
    check("sql", &[("sqlparser", false), ("policy", false)], &[]);
    check("policy", &[("sql", false)], &["package policy must not know sql"]);
    check("policy", &[("sql", true)], &["package policy must not know sql"]);
    check("session", &[("tokio-util", false)], &["package session is pure and must not know tokio-util"]);
    check(
        "session",
        &[("sqlparser", false)],
        &["package session must not know sqlparser: it belongs to sql"],
    );
    check("common", &[], &["package common has no place in the order (xtask/src/layers/packages.rs)"]);
}

#[test]
fn the_tree_is_in_order() {
    assert_eq!(super::check().unwrap(), Vec::<String>::new());
}
