//! What a statement does beside what it says: through what it defines, calls, casts or takes along.
//!
//! Each attack is played past Portreeve first, where its effect must show, else it is no attack; and then, on a database
//! that is as it was, through Portreeve, where it must not. Beside them stand honest neighbours, which must work.

use anyhow::{Context as _, Result, ensure};
use e2e::{Setup, World, story};

use crate::steps::{Step, play, q};

pub(crate) const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: no-vault, actions: [\"*\"], relations: [\"vault.*\"], decision: deny }
  - { name: no-secret, actions: [select, references], relations: [public.secret], decision: deny }
  - { name: no-pin, actions: [select], relations: [public.pins], when: { columns: public.pins.pin }, decision: deny }
  - { name: no-run, actions: [function, call], functions: [public.run, public.hash, \"pg_catalog.set_config\"], decision: deny }
  - { name: no-role, actions: [set-role], decision: deny }
  - { name: no-program, actions: [copy-program], decision: deny }
  - { name: no-setting, actions: [set], settings: [lock_timeout], decision: deny }
";

const DATABASE: &str = r"
RESET ROLE;
CREATE ROLE app;
GRANT app TO shop_service;
GRANT pg_execute_server_program TO shop_service;
";

/// The database as each attack finds it.
pub(crate) const AGAIN: &str = r"
DROP SCHEMA IF EXISTS vault CASCADE; DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA IF EXISTS public CASCADE; DROP OWNED BY app;
ALTER ROLE shop_service RESET ALL;
CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC;
CREATE SCHEMA vault; GRANT ALL ON SCHEMA vault TO shop_service, app;
CREATE TABLE vault.secret (a text);
INSERT INTO vault.secret VALUES ('the-secret');
CREATE TABLE public.secret (pw text);
INSERT INTO public.secret VALUES ('the-secret'), ('the-secret');
CREATE TABLE public.pins (id int, pin text);
INSERT INTO public.pins VALUES (1, 'the-secret'); ALTER TABLE public.pins OWNER TO shop_service;
CREATE TABLE public.t (a int, b text);
INSERT INTO public.t VALUES (1, 'x');
CREATE TABLE public.effects (what text);
CREATE TABLE public.twin (b text); CREATE TABLE vault.twin (b text); INSERT INTO vault.twin VALUES ('the-secret');
CREATE FUNCTION public.copies() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO public.effects SELECT b FROM twin; RETURN NEW; END$$;
ALTER TABLE public.twin OWNER TO shop_service; ALTER TABLE vault.twin OWNER TO shop_service;
CREATE FUNCTION public.run(text) RETURNS text LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO public.effects VALUES ('ran'); RETURN $1; END$$;
ALTER FUNCTION public.run(text) OWNER TO shop_service;
CREATE FUNCTION public.hash(int) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO public.effects VALUES ('ran'); RETURN $1; END$$;
CREATE VIEW vault.over AS SELECT b FROM public.t;
CREATE FUNCTION public.peek() RETURNS text LANGUAGE plpgsql AS
  $$BEGIN FOR i IN 1..2 LOOP NULL; END LOOP; RETURN (SELECT a FROM vault.secret); END$$;
CREATE FUNCTION public.peek_atomic() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT a FROM vault.secret; END;
CREATE FUNCTION public.peek_along() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = vault AS
  'SELECT a FROM secret';
CREATE FUNCTION public.peek_text() RETURNS text LANGUAGE plpgsql AS
  $$DECLARE r text; BEGIN EXECUTE 'SELECT a FROM vault.secret' INTO r; RETURN r; END$$;
CREATE FUNCTION public.peek_built() RETURNS text LANGUAGE plpgsql AS
  $$DECLARE r text; BEGIN EXECUTE 'SELECT a FROM va' || 'ult.secret' INTO r; RETURN r; END$$;
CREATE FUNCTION public.peek_twice() RETURNS text LANGUAGE sql AS 'SELECT public.peek()';
CREATE FUNCTION public.peek_of(text, text) RETURNS text LANGUAGE sql AS 'SELECT a FROM vault.secret';
CREATE FUNCTION public.peek_row(public.t) RETURNS xml LANGUAGE sql AS 'SELECT a::xml FROM vault.secret';
CREATE OPERATOR public.+ (leftarg = text, rightarg = text, function = public.peek_of);
CREATE CAST (public.t AS xml) WITH FUNCTION public.peek_row(public.t);
CREATE VIEW public.xml_view AS SELECT query_to_xml('SELECT a FROM vault.secret', true, true, '') AS a;
CREATE VIEW public.calling_view AS SELECT public.peek() AS a;
CREATE FUNCTION public.honest() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT b FROM public.t); END$$;
CREATE FUNCTION public.empties() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM vault.secret; RETURN NEW; END$$;
CREATE TABLE public.triggered (a int);
CREATE TRIGGER g AFTER INSERT ON public.triggered FOR EACH ROW EXECUTE FUNCTION public.empties();
CREATE TABLE public.parent (id int PRIMARY KEY);
CREATE TABLE vault.child (id int REFERENCES public.parent ON DELETE CASCADE);
INSERT INTO public.parent VALUES (1); INSERT INTO vault.child VALUES (1);
CREATE TABLE public.filled (a int, b text DEFAULT public.run('x'));
CREATE TABLE public.checked (b text CHECK (public.run(b) <> ''));
CREATE DOMAIN public.ran AS text CHECK (public.run(VALUE) <> '');
CREATE TYPE public.holds AS (a int, b public.ran);
CREATE DOMAIN public.kept AS text; CREATE TABLE vault.kept (a public.kept); INSERT INTO vault.kept VALUES ('the-secret');
CREATE TYPE public.shape AS (a text); CREATE TABLE vault.shaped OF public.shape; INSERT INTO vault.shaped VALUES ('the-secret');
CREATE TABLE public.late (b text); INSERT INTO public.late VALUES ('x');
ALTER TABLE public.late ADD CONSTRAINT c CHECK (public.run(b) <> '') NOT VALID;
CREATE DOMAIN public.late_kept AS text; CREATE TABLE public.keeps (b public.late_kept); INSERT INTO public.keeps VALUES ('x');
ALTER DOMAIN public.late_kept ADD CONSTRAINT c CHECK (public.run(VALUE) <> '') NOT VALID;
CREATE VIEW public.called AS SELECT public.run('x') AS a;
CREATE MATERIALIZED VIEW public.filled_later AS SELECT a FROM public.called WITH NO DATA;
CREATE TABLE public.ruled (a int);
CREATE RULE r AS ON INSERT TO public.ruled DO ALSO INSERT INTO public.effects SELECT b FROM vault.twin;
CREATE VIEW public.over_ruled AS SELECT a FROM public.ruled; GRANT ALL ON public.over_ruled TO shop_service;
CREATE FUNCTION public.given(text DEFAULT public.run('x')) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.holding(text) RETURNS text LANGUAGE plpgsql AS
  $$DECLARE x public.ran; BEGIN x := $1; RETURN x; END$$;
GRANT ALL ON public.triggered, public.parent, public.filled, public.checked, public.xml_view, public.calling_view
  TO shop_service;
GRANT ALL ON vault.child TO shop_service;
GRANT CREATE ON DATABASE shop TO shop_service; ALTER SCHEMA vault OWNER TO shop_service;
ALTER DOMAIN public.kept OWNER TO shop_service; ALTER DOMAIN public.late_kept OWNER TO shop_service;
ALTER TYPE public.shape OWNER TO shop_service; ALTER TABLE vault.shaped OWNER TO shop_service;
ALTER TABLE public.late OWNER TO shop_service; ALTER MATERIALIZED VIEW public.filled_later OWNER TO shop_service;
GRANT SELECT ON public.called TO shop_service;
ALTER VIEW vault.over OWNER TO shop_service; ALTER TABLE vault.secret OWNER TO shop_service;
ALTER TABLE public.secret OWNER TO shop_service; ALTER TABLE public.t OWNER TO shop_service;
ALTER FUNCTION public.honest() OWNER TO shop_service; ALTER FUNCTION public.peek() OWNER TO shop_service;
ALTER TABLE public.effects OWNER TO shop_service; GRANT ALL ON public.effects TO PUBLIC;
";

const SECRET: &str = "the-secret";

/// How an attack shows.
pub(crate) enum Shows {
    /// The client is told the secret.
    Told,
    /// The client is told the secret by an error of this code.
    Error(&'static str),
    /// This query of the server gives another row than without the attack.
    In(&'static str),
}

/// What was done, as the server has it.
pub(crate) const EFFECTS: Shows = Shows::In("SELECT count(*) FROM public.effects");

/// Plays each past Portreeve, where it shows, and through Portreeve, where it does not.
pub(crate) fn check(world: &World, attacks: Vec<(&str, Vec<Step>, Shows)>) -> Result<()> {
    check_on(world, AGAIN, attacks)
}

/// The same on another database, as this makes it.
pub(crate) fn check_on(world: &World, again: &str, attacks: Vec<(&str, Vec<Step>, Shows)>) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, steps, shows) in attacks {
        for direct in [true, false] {
            world.server.sql("shop", again).with_context(|| name.to_owned())?;
            let state = || match &shows {
                Shows::Told | Shows::Error(_) => Ok(String::new()),
                Shows::In(query) => world.server.sql("shop", query),
            };
            let before = state()?;
            let mut wire = if direct { world.direct_wire()? } else { world.wire()? };
            if !direct {
                // What was done past the daemon is what it finds.
                play(&mut wire, &texts(&["CREATE TABLE public.nothing ()", "SELECT 1 FROM public.nothing"]))?;
            }
            let got = play(&mut wire, &steps).with_context(|| name.to_owned())?;
            drop(wire);
            let shown = match &shows {
                Shows::Told => got.join("\n").contains(SECRET),
                Shows::Error(code) => got.contains(&format!("E {code}")),
                Shows::In(_) => state()? != before,
            };
            match (direct, shown) {
                (true, false) => {
                    wrong.push(format!("{name} is no attack: {got:?}"));
                    break;
                }
                (false, true) => wrong.push(format!("{name}: {got:?}")),
                _ => {}
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

pub(crate) fn setup() -> Setup {
    let mut setup = Setup::policy(POLICY);
    setup.database = DATABASE.to_owned();
    setup
}

pub(crate) fn texts(texts: &[&str]) -> Vec<Step> {
    texts.iter().map(|sql| q(sql)).collect()
}

#[test]
fn a_write_through_a_view_goes_by_the_rules_of_its_base() -> Result<()> {
    story(&setup(), |world| {
        let leaks = Shows::In("SELECT count(*) FROM public.effects WHERE what = 'the-secret'");
        check(
            world,
            vec![("a view over a ruled table", texts(&["INSERT INTO over_ruled VALUES (1)"]), leaks)],
        )
    })
}

/// Nobody else sees the view yet, nor by what name it goes.
#[test]
fn a_write_through_a_view_of_the_same_transaction_goes_by_the_rules_of_its_base() -> Result<()> {
    const KEPT: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: kept, actions: [destructive], relations: [public.kept], decision: deny }
";
    const AGAIN: &str = "
DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; ALTER SCHEMA public OWNER TO shop_service; SET ROLE shop_service;
CREATE TABLE public.kept (a int); INSERT INTO public.kept VALUES (1);
CREATE TABLE public.t (a int); CREATE VIEW public.over AS SELECT a FROM public.t;
";
    let lost = || Shows::In("SELECT count(*) FROM public.kept");
    story(&Setup::policy(KEPT), |world| {
        let made = "CREATE VIEW v AS SELECT a FROM kept";
        check_on(
            world,
            AGAIN,
            vec![
                ("one text", texts(&[&format!("{made}; DELETE FROM v")]), lost()),
                ("a transaction", texts(&["BEGIN", made, "DELETE FROM v", "COMMIT"]), lost()),
                ("a block", texts(&[&format!("DO $$BEGIN {made}; DELETE FROM v; END$$")]), lost()),
                (
                    "another of the name",
                    texts(&[
                        "BEGIN",
                        "CREATE OR REPLACE VIEW over AS TABLE kept",
                        "DELETE FROM over",
                        "COMMIT",
                    ]),
                    lost(),
                ),
            ],
        )?;
        world.server.sql("shop", AGAIN)?;
        let mut wire = world.wire()?;
        let honest = "CREATE VIEW v AS SELECT a FROM t; INSERT INTO v VALUES (1); DELETE FROM v";
        let got = play(&mut wire, &texts(&["BEGIN", honest, "COMMIT"]))?;
        ensure!(!got.iter().any(|line| line.starts_with("E ")), "{got:?}");
        Ok(())
    })
}

#[test]
fn definitions_that_run_what_they_name() -> Result<()> {
    story(&setup(), |world| {
        let one = |sql: &str| texts(&[sql]);
        let role = "SELECT count(*) FROM pg_class WHERE relname = 'made' AND relowner = 'app'::regrole";
        let made = "CREATE TABLE public.made ()";
        check(
            world,
            vec![
                ("an index that casts", one("CREATE INDEX ON secret ((pw::int))"), Shows::Error("22P02")),
                ("a unique index", one("CREATE UNIQUE INDEX ON secret (pw)"), Shows::Error("23505")),
                ("a primary key", one("ALTER TABLE secret ADD PRIMARY KEY (pw)"), Shows::Error("23505")),
                (
                    "another type",
                    one("ALTER TABLE secret ALTER pw TYPE int USING pw::int"),
                    Shows::Error("22P02"),
                ),
                (
                    "a check of a domain",
                    one("ALTER DOMAIN kept ADD CHECK (VALUE <> 'the-secret')"),
                    Shows::Error("23514"),
                ),
                (
                    "a check of a domain, later",
                    texts(&[
                        "ALTER DOMAIN kept ADD CONSTRAINT c CHECK (VALUE <> 'the-secret') NOT VALID",
                        "ALTER DOMAIN kept VALIDATE CONSTRAINT c",
                    ]),
                    Shows::Error("23514"),
                ),
                (
                    "a type of which there is a table",
                    texts(&[
                        "CREATE DOMAIN d AS text CHECK (VALUE <> 'the-secret')",
                        "ALTER TYPE shape ALTER ATTRIBUTE a TYPE d CASCADE",
                    ]),
                    Shows::Error("23514"),
                ),
                ("a check that is there already", one("ALTER TABLE late VALIDATE CONSTRAINT c"), EFFECTS),
                ("the same of a domain", one("ALTER DOMAIN late_kept VALIDATE CONSTRAINT c"), EFFECTS),
                ("a view that is filled", one("REFRESH MATERIALIZED VIEW filled_later"), EFFECTS),
                (
                    "a schema that is called otherwise",
                    texts(&["ALTER SCHEMA vault RENAME TO s", "SELECT a FROM s.secret"]),
                    Shows::Told,
                ),
                (
                    "a column that is called as a word of ALTER TYPE",
                    texts(&[
                        "CREATE TABLE own (a int)",
                        "INSERT INTO own VALUES (1)",
                        "ALTER TABLE own ADD value text DEFAULT run('x')",
                    ]),
                    EFFECTS,
                ),
                (
                    "a check that casts",
                    one("ALTER TABLE secret ADD CHECK (pw::int > 0)"),
                    Shows::Error("22P02"),
                ),
                (
                    "a foreign key",
                    texts(&[
                        "CREATE TABLE o (a text PRIMARY KEY)",
                        "ALTER TABLE secret ADD FOREIGN KEY (pw) REFERENCES o",
                    ]),
                    Shows::Error("23503"),
                ),
                ("a default named like a word", one("ALTER TABLE t ADD c int DEFAULT hash(1)"), EFFECTS),
                ("a check by an attribute", one("ALTER TABLE t ADD CHECK ((b).run <> '')"), EFFECTS),
                (
                    "an aggregate",
                    texts(&[
                        "CREATE AGGREGATE mine(text, bool) (sfunc = set_config, stype = text, initcond = 'role')",
                        "SELECT mine('app', false)",
                        made,
                    ]),
                    Shows::In(role),
                ),
                (
                    "a cast",
                    texts(&[
                        "CREATE FUNCTION public.of(t) RETURNS int LANGUAGE sql AS 'SELECT 1'",
                        "CREATE CAST (text AS t) WITH FUNCTION public.run(text)",
                        "CREATE DOMAIN d AS text CHECK (run(VALUE) <> '')",
                        "SELECT 'x'::d",
                    ]),
                    EFFECTS,
                ),
                (
                    "what a drop takes along",
                    one("DROP TABLE t CASCADE"),
                    Shows::In("SELECT count(*) FROM pg_views WHERE schemaname = 'vault'"),
                ),
                (
                    "another schema",
                    one("ALTER TABLE t SET SCHEMA vault"),
                    Shows::In("SELECT count(*) FROM pg_tables WHERE schemaname = 'vault'"),
                ),
                (
                    "a program",
                    one("COPY t TO PROGRAM 'cat > portreeve-was-here'"),
                    Shows::In("SELECT (pg_stat_file('portreeve-was-here', true)).modification"),
                ),
            ],
        )
    })
}

/// What is restricted by its name keeps it, for whom it is restricted.
#[test]
fn nothing_is_renamed_away_from_under_a_rule() -> Result<()> {
    story(&setup(), |world| {
        let told = |sql: &[&str]| (texts(sql), Shows::Told);
        let ran = |sql: &[&str]| (texts(sql), EFFECTS);
        let attacks = vec![
            ("another name", told(&["ALTER TABLE secret RENAME TO harmless", "SELECT pw FROM harmless"])),
            (
                "another name by ALTER INDEX",
                told(&["ALTER INDEX secret RENAME TO harmless", "SELECT pw FROM harmless"]),
            ),
            (
                "another schema",
                told(&["CREATE SCHEMA s", "ALTER TABLE secret SET SCHEMA s", "SELECT pw FROM s.secret"]),
            ),
            (
                "another name by a block",
                told(&[
                    "DO $$BEGIN ALTER TABLE secret ADD c int; ALTER TABLE secret RENAME TO harmless; END$$",
                    "SELECT pw FROM harmless",
                ]),
            ),
            (
                "another table by that name",
                told(&[
                    "BEGIN",
                    "ALTER TABLE secret RENAME TO aside",
                    "ALTER TABLE t RENAME TO secret",
                    "ALTER TABLE aside RENAME TO t",
                    "COMMIT",
                    "SELECT pw FROM t",
                ]),
            ),
            ("a column", told(&["ALTER TABLE pins RENAME pin TO harmless", "SELECT harmless FROM pins"])),
            (
                "a column by its type",
                told(&["ALTER TYPE pins RENAME ATTRIBUTE pin TO harmless", "SELECT harmless FROM pins"]),
            ),
            (
                "the table of a column",
                told(&["ALTER TABLE pins RENAME TO harmless", "SELECT pin FROM harmless"]),
            ),
            ("a function", ran(&["ALTER FUNCTION run(text) RENAME TO harmless", "SELECT harmless('x')"])),
            (
                "a function in another schema",
                ran(&["CREATE SCHEMA s", "ALTER ROUTINE run(text) SET SCHEMA s", "SELECT s.run('x')"]),
            ),
        ];
        check(world, attacks.into_iter().map(|(name, (steps, shows))| (name, steps, shows)).collect())?;
        let honest = [
            "ALTER TABLE t RENAME TO u",
            "ALTER TABLE t RENAME b TO c",
            "ALTER TABLE pins RENAME id TO number",
            "ALTER TABLE secret ADD COLUMN c int",
            "ALTER TABLE secret RENAME pw TO password",
            "ALTER FUNCTION honest() RENAME TO candid",
        ];
        passes(world, &honest)
    })
}

/// Rows of a table that may be altered and written, but not read.
#[test]
fn what_is_made_on_a_table_is_handed_its_rows() -> Result<()> {
    story(&setup(), |world| {
        let keeps = |row: &str| {
            format!(
                "CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS \
                 $$BEGIN INSERT INTO effects SELECT {row}; RETURN NULL; END$$"
            )
        };
        let writes = "UPDATE secret SET pw = 'x'";
        let told = "SELECT what FROM effects";
        check(
            world,
            vec![
                (
                    "a trigger for each row",
                    texts(&[
                        &keeps("OLD.pw"),
                        "CREATE TRIGGER k AFTER UPDATE ON secret FOR EACH ROW EXECUTE FUNCTION keeps()",
                        writes,
                        told,
                    ]),
                    Shows::Told,
                ),
                (
                    "a trigger for all",
                    texts(&[
                        &keeps("pw FROM old_rows"),
                        "CREATE TRIGGER k AFTER UPDATE ON secret REFERENCING OLD TABLE AS old_rows \
                         EXECUTE FUNCTION keeps()",
                        writes,
                        told,
                    ]),
                    Shows::Told,
                ),
                (
                    "a policy for rows",
                    texts(&[
                        "CREATE POLICY k ON secret USING (pw = 'the-secret')",
                        "ALTER TABLE secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
                        "DELETE FROM secret",
                    ]),
                    Shows::In("SELECT count(*) FROM public.secret"),
                ),
                (
                    "bounds",
                    texts(&[
                        "CREATE TABLE whole (pw text) PARTITION BY LIST (pw)",
                        "ALTER TABLE whole ATTACH PARTITION secret FOR VALUES IN ('other')",
                    ]),
                    Shows::Error("23514"),
                ),
            ],
        )
    })
}

/// What works past Portreeve works through it, with the same answers.
pub(crate) fn passes(world: &World, honest: &[&str]) -> Result<()> {
    for sql in honest {
        world.server.sql("shop", AGAIN)?;
        let direct = play(&mut world.direct_wire()?, &texts(&[sql]))?;
        ensure!(!direct.iter().any(|line| line.starts_with('E')), "{sql} does not work: {direct:?}");
        world.server.sql("shop", AGAIN)?;
        let mut wire = world.wire()?;
        play(&mut wire, &texts(&["CREATE TABLE public.nothing ()", "SELECT 1 FROM public.nothing"]))?;
        let got = play(&mut wire, &texts(&[sql]))?;
        ensure!(direct == got, "{sql}: {direct:?}, but {got:?}");
    }
    Ok(())
}
