//! What a text means depends on what came before it: search path, strings, catalog.

use pgwire::backend::encode;
use policy::{Answer, Catalog, Function};

use super::client::*;
use super::fixture::*;
use super::world::World;
use crate::{Event, Request};

/// Orders of the vault may not be read.
const VAULT: &str = r#"
  - { name: all, actions: ["*"], decision: allow }
  - { name: no-vault, actions: [select], relations: ["vault.*"], decision: deny }
  - { name: hold-deletes, actions: [delete, delete-all], decision: hold }
"#;

const READ: &str = "SELECT id FROM orders";

#[track_caller]
fn check_vault_unread(script: &[Vec<u8>]) {
    let mut world = World::new(VAULT);
    world.reviewer = Some(Answer::Deny);
    let clear = world.send(&[query(READ)]);
    assert_eq!(clear.last().unwrap(), "ready I");
    world.send(script);
    world.send(&[sync()]);
    let behind = world.server.ran.iter().skip_while(|ran| !ran.starts_with("SET"));
    assert!(!behind.clone().any(|ran| ran == READ), "{:?}", world.server.ran);
}

#[test]
fn a_search_path_that_moves_moves_what_names_mean() {
    let set = "SET search_path = vault";
    check_vault_unread(&[query(set), query(READ)]);
    check_vault_unread(&[run(set), run(READ), sync()]);
    check_vault_unread(&[run(set), sync(), run(READ), sync()]);
    check_vault_unread(&[parse("r", READ), sync(), query(set), bind("", "r"), execute("", 0), sync()]);
    check_vault_unread(&[parse("r", READ), run(set), bind("", "r"), execute("", 0), sync()]);
    check_vault_unread(&[parse("s", set), sync(), query("EXECUTE s"), query(READ)]);
    check_vault_unread(&[query("PREPARE r AS SELECT id FROM orders"), query(set), query("EXECUTE r")]);
}

#[test]
fn where_the_server_would_make_a_schema_to_tell_the_path_the_setting_is_read() {
    for set in [query("SET search_path = vault"), run("SET search_path = vault")] {
        let mut world = World::new(VAULT);
        world.server.path_makes_schema = true;
        world.send(&[set, sync()]);
        let got = world.send(&[query(READ)]);
        assert!(got[0].starts_with("error 42501") && got[1..] == ["ready I"], "{got:?}");
        let asked = |word| world.server.ran.iter().filter(|ran| ran.contains(word)).count();
        assert_eq!(asked("current_schemas"), asked("regexp_matches"), "{:?}", world.server.ran);
        let got = world.send(&[query("SELECT id FROM public.orders")]);
        assert_eq!(got.last().unwrap(), "ready I");
    }
}

#[test]
fn names_that_a_transaction_has_moved_are_not_believed_qualified_or_not() {
    let swap = [
        query("BEGIN"),
        query("ALTER TABLE public.orders RENAME TO was"),
        query("ALTER TABLE vault.orders SET SCHEMA public"),
    ]
    .concat();
    for read in [READ, "SELECT id FROM public.orders"] {
        let mut world = World::new(VAULT);
        // What is not refused as it takes the table from under the rule is refused behind it.
        let moved = world.send(&[query(READ), swap.clone()]).join("\n");
        assert!(moved.contains("error 42501"), "{moved}");
        let got = world.send(&[query(read)]).join("\n");
        assert!(got.starts_with("error"), "{got}");
    }
}

#[test]
fn a_cascade_is_not_told_where_the_open_transaction_may_have_more_hang_on_a_table() {
    let truncate = "TRUNCATE public.orders CASCADE";
    let key = "ALTER TABLE vault.orders ADD of int REFERENCES public.orders";
    let ends = |messages: &[Vec<u8>]| {
        let mut world = World::new(VAULT);
        world.send(&[query(READ)]);
        world.send(messages);
        world.send(&[query(truncate)]).join("\n")
    };
    assert!(!ends(&[]).contains("error"));
    assert!(ends(&[query("BEGIN"), query(key)]).starts_with("error 42501"));
    assert!(ends(&[query("BEGIN"), run(key), sync()]).starts_with("error 42501"));
    // What is committed is read, and what is only taken away leaves less.
    assert!(!ends(&[query(key)]).contains("error"));
    assert!(!ends(&[query("BEGIN"), query(key), query("COMMIT")]).contains("error"));
    assert!(!ends(&[query("BEGIN"), query("DROP TABLE vault.orders")]).contains("error"));
}

#[test]
fn strings_are_not_guessed_where_how_they_are_read_may_have_changed() {
    let mut world = World::new(VAULT);
    world.reviewer = Some(Answer::Deny);
    world.send(&[query(READ), query("SET standard_conforming_strings = off")]);
    let text = "SELECT '\\'; DELETE FROM orders; --'";
    world.send(&[run("SET standard_conforming_strings = on"), query(text), sync()]);
    assert!(!world.server.ran.iter().any(|ran| ran.starts_with("DELETE")), "{:?}", world.server.ran);
}

/// A session that begins with what was known of the database once: another function has the number now.
fn remembering() -> World {
    let rules = r#"
  - { name: all, actions: ["*"], decision: allow }
  - { name: no-settle, actions: [function], functions: ["public.settle"], decision: deny }
"#;
    let harmless = Function { name: "harmless".to_owned(), ..settle() };
    World::remembering(rules, Catalog::new(0, [], [], [harmless]))
}

#[test]
fn nothing_is_judged_by_a_remembered_catalog() {
    for message in [query(READ), run(READ), function_call(21_000)] {
        let mut world = remembering();
        let refreshed = |world: &World| {
            world.requests.iter().any(|r| matches!(r, Request::RefreshCatalog | Request::ShareCatalog))
        };
        assert!(!refreshed(&world), "before there is anything to judge");
        world.send(&[message, sync()]);
        assert!(refreshed(&world));
        assert!(!world.server.ran.iter().any(|ran| ran.contains("harmless")));
    }
    let mut world = remembering();
    let got = world.send(&[function_call(21_000)]).join("\n");
    assert!(got.starts_with("error 42501"), "{got}");
}

#[test]
fn a_function_is_called_by_the_name_that_it_has_now() {
    let mut world = World::new(VAULT);
    let newer = world.catalog.take();
    world.send(&[query("ALTER FUNCTION settle() RENAME TO harmless")]);
    world.catalog = newer;
    let asked = |world: &World| {
        world.requests.iter().filter(|r| matches!(r, Request::RefreshCatalog | Request::ShareCatalog)).count()
    };
    let before = asked(&world);
    world.send(&[function_call(21_000)]);
    assert!(asked(&world) > before);
}

#[test]
fn the_catalog_is_asked_for_as_soon_as_what_changes_it_has_ended() {
    let mut world = World::new(VAULT);
    let asked = |world: &World| {
        world.requests.iter().filter(|r| matches!(r, Request::RefreshCatalog | Request::ShareCatalog)).count()
    };
    world.send(&[query("BEGIN"), query("ALTER TABLE orders RENAME TO was")]);
    let before = asked(&world);
    world.send(&[query("COMMIT")]);
    assert_eq!(asked(&world), before + 1);
    // It need not be asked for again.
    world.send(&[query("SELECT 1")]);
    assert_eq!(asked(&world), before + 1);
}

#[test]
fn a_catalog_that_is_lost_is_asked_for_with_each_message_and_nothing_is_read_by_the_old_one() {
    let mut world = World::new(VAULT);
    world.send(&[query(READ)]);
    world.catalog = None;
    world.send(&[query("ALTER TABLE orders RENAME TO was")]);
    for _ in 0..2 {
        let got = world.send(&[query("SELECT id FROM public.orders")]).join("\n");
        assert!(got.starts_with("error 42501") && got.ends_with("ready I"), "{got}");
    }
    world.catalog = Some(catalog(2));
    assert_eq!(world.send(&[query(READ)]).last().unwrap(), "ready I");
    assert!(world.server.ran.last().unwrap() == READ, "{:?}", world.server.ran);
}

#[test]
fn a_batch_that_begins_with_begin_knows_its_names() {
    let mut world = World::new(VAULT);
    let got = world.send(&[run("BEGIN"), run(READ), run("COMMIT"), sync()]);
    assert!(got.contains(&"SELECT 3".to_owned()), "{got:?}");
}

#[test]
fn nothing_is_asked_before_a_set_transaction() {
    // The server takes it before the first query of a transaction alone: a question of ours would be that query.
    for script in [
        vec![query("BEGIN"), query("SET search_path = public"), query("SET TRANSACTION READ ONLY")],
        vec![
            query("BEGIN"),
            query("SET LOCAL search_path = public"),
            run("SET TRANSACTION READ ONLY"),
            sync(),
        ],
        vec![query("SET search_path = public; BEGIN"), query("SET TRANSACTION READ ONLY")],
    ] {
        let mut world = World::new(VAULT);
        for message in &script {
            world.send(std::slice::from_ref(message));
        }
        world.send(&[query(READ)]);
        let ran = &world.server.ran;
        let place = |what: &str| ran.iter().rposition(|text| text.contains(what)).unwrap();
        let begun = ran.iter().position(|text| text.contains("BEGIN")).unwrap();
        let between = &ran[begun..place("SET TRANSACTION")];
        assert!(!between.iter().any(|text| text.contains("current_schemas")), "{ran:?}");
        assert!(place("current_schemas") < place(READ), "{ran:?}");
    }
}

#[test]
fn what_is_cancelled_while_its_meaning_is_asked_for_is_cancelled_and_nothing_else() {
    let cancelled = "error 57014 canceling statement due to user request";
    let to_server = |world: &World| world.requests.iter().any(|r| matches!(r, Request::CancelBackend { .. }));
    for message in [vec![query(READ)], vec![parse("", READ), bind("", ""), execute("", 0), sync()]] {
        // While the server is asked for the path.
        let mut world = World::new(VAULT);
        world.send(&[query("SET search_path = public")]);
        world.turn(|session, turn| assert_eq!(session.frontend(&message.concat(), turn), 0));
        world.event(Event::Cancel);
        assert_eq!(world.send(&message), [cancelled, "ready I"]);
        assert!(!to_server(&world) && !world.server.ran.iter().any(|ran| ran == READ));
        assert_eq!(world.send(&message).last().unwrap(), "ready I");
        assert!(world.server.ran.iter().any(|ran| ran == READ));
        // While the catalog is read.
        let mut world = remembering();
        world.cancels = true;
        assert_eq!(world.send(&message), [cancelled, "ready I"]);
        assert!(!to_server(&world) && !world.server.ran.iter().any(|ran| ran == READ));
        // Where the time limit of the session, or a request that came before, meets our question.
        let mut world = World::new(VAULT);
        world.send(&[query("SET search_path = public"), query("BEGIN")]);
        world.server.runs_out_of_time = true;
        let got = world.send(&message);
        assert_eq!(got, ["error 57014 canceling statement due to statement timeout", "ready E"]);
    }
}

#[test]
fn a_path_that_the_server_says_has_moved_is_asked_for_again() {
    let mut world = World::new(GUARDED);
    let asked = |world: &World| {
        let asks = |frame: &&Vec<u8>| String::from_utf8_lossy(frame).contains("current_schemas");
        world.server.received.iter().filter(asks).count()
    };
    world.send(&[query("SELECT id FROM orders")]);
    world.send(&[query("SELECT id FROM orders")]);
    assert_eq!(asked(&world), 1);
    world.server_says(|out| encode::parameter_status(out, b"search_path", b"vault").unwrap());
    world.send(&[query("SELECT id FROM orders")]);
    assert_eq!(asked(&world), 2);
}
