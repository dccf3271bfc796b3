//! What a reviewer sees of a hold, and what a hostile one cannot do to the terminal.

use super::*;
use crate::approvals::protocol::{FindingView, Hold, Who};

fn hold() -> Hold {
    Hold {
        id: "h-7k3f9".into(),
        session: "02".repeat(16),
        who: Who {
            uid: 1000,
            user: Some("ci".into()),
            pid: 42,
            comm: "psql".into(),
            executable: Some("/usr/bin/psql".into()),
            command_line: Some("psql -c x".into()),
            unit: Some("agent.service".into()),
            claims: [("ref".into(), vec!["main\u{1b}".into()])].into(),
        },
        resource: "shop".into(),
        database: "orders".into(),
        statement: "DELETE FROM orders\n WHERE id = $1\u{1b}[2J\u{202e}".into(),
        statement_bytes: 40,
        values: vec!["7\n8".into()],
        values_count: 1,
        cut: false,
        findings: vec![FindingView {
            action: "delete table public.orders".into(),
            decision: "hold".into(),
            rule: "ask-first".into(),
            message: Some("tell us why".into()),
        }],
        asked_at: "2026-11-23T14:00:00Z".into(),
        expires_at: "2026-11-23T14:15:00Z".into(),
    }
}

fn shown(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_list_is_a_table() {
    let text = shown(|out| show::list(out, &[hold()]));
    let expect = "\
ID       EXPIRES               WHO                  DATABASE     HELD BY    STATEMENT
h-7k3f9  2026-11-23T14:15:00Z  ci in agent.service  shop/orders  ask-first  \
DELETE FROM orders WHERE id = $1\\u{1b}[2J\\u{202e}
";
    assert_eq!(text, expect);
    assert_eq!(shown(|out| show::list(out, &[])), "No statement waits for approval.\n");
}

#[test]
fn a_page_shows_everything_and_nothing_that_moves_the_cursor() {
    let text = shown(|out| show::full(out, &hold()));
    let expect = "\
id          h-7k3f9
asked       2026-11-23T14:00:00Z
expires     2026-11-23T14:15:00Z
who         ci in agent.service (uid 1000), pid 42, psql
executable  /usr/bin/psql
command     psql -c x
unit        agent.service
claim       ref=main\\u{1b}
database    shop/orders
session     02020202020202020202020202020202
does        delete table public.orders (hold, rule ask-first: tell us why)
statement
    DELETE FROM orders
     WHERE id = $1\\u{1b}[2J\\u{202e}
$1          7 8
";
    assert_eq!(text, expect);
}

#[test]
fn a_statement_that_is_not_shown_in_full_says_so() {
    let text = shown(|out| show::full(out, &Hold { cut: true, values_count: 9, ..hold() }));
    assert!(text.contains("*** NOT ALL IS SHOWN") && text.contains("1 of 9 values"), "{text}");
}

#[test]
fn cells_are_short_and_of_one_line() {
    for (text, width, expect) in [("a\n\tb", 9, "a b"), ("abcdef", 4, "abc…"), ("éàü", 3, "éàü"), ("", 3, "")]
    {
        assert_eq!(text::cell(text, width), expect);
    }
}

#[test]
fn a_daemon_that_does_not_run_is_named_with_the_cure() {
    let command = ApprovalsCommand {
        socket: "/nonexistent/portreeve.sock".into(),
        format: Format::Table,
        command: Command::List { wait: false },
    };
    let error = run_to(&command, &mut Vec::new()).unwrap_err().to_string();
    assert!(
        error.contains("/nonexistent/portreeve.sock") && error.contains("does the daemon run"),
        "{error}"
    );
}
