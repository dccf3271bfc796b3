//! Strings and encodings in which a quote is none.

use super::*;

/// Strings that are one thing where a backslash escapes, and another where it does not.
#[test]
fn strings_that_are_read_in_another_way() -> Result<()> {
    story(&setup(), |world| {
        let (on, off) = ("SET standard_conforming_strings = on", "SET standard_conforming_strings = off");
        // The secret where strings conform; a text where a backslash escapes.
        let conforming = "SELECT '\\' || a || ' AS x --' FROM vault.secrets";
        // The other way round.
        let escaping = "SELECT '\\'' || a || ' AS x --' FROM vault.secrets";
        // The same for what is masked, where only one of the two columns is seen.
        let masked = "SELECT '\\' || ssn || ' AS x --'\nFROM people";
        check(
            world,
            vec![
                ("SET", vec![q(off), q("SELECT 1"), q(on), q(conforming)]),
                ("SET to off", vec![q(off), q(escaping)]),
                ("at once", vec![q(off), q("SELECT 1"), qs(&[on, conforming])]),
                ("to off at once", vec![qs(&[off, escaping])]),
                (
                    "set_config",
                    vec![q("SELECT set_config('standard_conforming_strings', 'off', false)"), q(escaping)],
                ),
                (
                    "set_config in a pipeline",
                    vec![batch(&[
                        wire::run("SELECT set_config('standard_conforming_strings', 'off', false)"),
                        wire::run(escaping),
                    ])],
                ),
                (
                    "a stable function in a pipeline",
                    vec![batch(&[wire::run("SELECT public.escape_stable()"), wire::run(escaping)])],
                ),
                (
                    "SET LOCAL and COMMIT at once",
                    vec![
                        q("BEGIN"),
                        q("SET LOCAL standard_conforming_strings = off"),
                        q("SELECT 1"),
                        qs(&["COMMIT", conforming]),
                    ],
                ),
                (
                    "SET LOCAL and COMMIT in a pipeline",
                    vec![
                        q("BEGIN"),
                        q("SET LOCAL standard_conforming_strings = off"),
                        q("SELECT 1"),
                        batch(&[wire::run("COMMIT"), wire::run(conforming)]),
                    ],
                ),
                (
                    "a savepoint",
                    vec![
                        q("BEGIN"),
                        q("SAVEPOINT s"),
                        q(off),
                        q("SELECT 1"),
                        qs(&["ROLLBACK TO s", conforming]),
                        q("COMMIT"),
                    ],
                ),
                ("DISCARD ALL", vec![q(off), q("SELECT 1"), qs(&["DISCARD ALL", conforming])]),
                (
                    "a mask and a prepared statement",
                    vec![batch(&[wire::parse("m", masked)]), q(off), batch(&[execute("m")])],
                ),
                ("a mask and EXECUTE", vec![q(&format!("PREPARE m AS {masked}")), q(off), q("EXECUTE m")]),
            ],
        )
    })
}

#[test]
fn encodings_in_which_a_byte_of_a_character_is_a_quote_or_a_backslash() -> Result<()> {
    story(&setup(), |world| {
        // In each of these the second byte of a character may be a backslash.
        for (encoding, character) in
            [("SJIS", b"\x95\x5c"), ("BIG5", b"\xa5\x5c"), ("GBK", b"\x95\x5c"), ("GB18030", b"\x95\x5c")]
        {
            let set = format!("SET client_encoding = {encoding}");
            // To who does not know the character, `\'` does not end the string.
            let text = [&b"SELECT E'"[..], character, b"' || a || ' AS x --' FROM vault.secrets"].concat();
            let at_once = [wire::query(&set), bytes(&text).messages].concat();
            check(
                world,
                vec![
                    (encoding, vec![q(&set), bytes(&text)]),
                    (encoding, vec![Step { messages: at_once, ready: 2 }]),
                ],
            )?;
        }
        Ok(())
    })
}
