//! What moves the search path without the text that runs it saying so: code that hangs on a domain, a policy for rows, a
//! foreign key, a partition, or that runs when a message is bound, fetched or checked late.
//!
//! Each script reads a decoy by a name without a schema, moves the path, and reads again. Played past Portreeve the
//! second reading must give the secret, else it is no attack; played through Portreeve it must not.

use anyhow::{Context as _, Result, ensure};
use e2e::wire;
use e2e::{Setup, World, story};

use crate::steps::{Step, batch, play, q};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: no-vault, actions: [select, copy-out], relations: [\"vault.*\"], decision: deny }
";

const DATABASE: &str = r"
CREATE SCHEMA vault;
CREATE TABLE vault.secrets (a text);
INSERT INTO vault.secrets VALUES ('the-secret');
CREATE SCHEMA mine;
CREATE TABLE mine.secrets (a text);
INSERT INTO mine.secrets VALUES ('decoy');
CREATE FUNCTION public.move() RETURNS text LANGUAGE plpgsql AS
  $$BEGIN RETURN set_config('search_path', 'vault', false); END$$;
CREATE FUNCTION public.moved(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
  $$BEGIN RETURN set_config('search_path', 'vault', false); END$$;
CREATE FUNCTION public.moving() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN PERFORM set_config('search_path', 'vault', false); RETURN NULL; END$$;
CREATE FUNCTION public.event() RETURNS event_trigger LANGUAGE plpgsql AS
  $$BEGIN PERFORM set_config('search_path', 'vault', false); END$$;

CREATE DOMAIN public.plain AS text CHECK (set_config('search_path', 'vault', false) <> VALUE);
CREATE DOMAIN public.calling AS text CHECK (public.moved(VALUE) <> VALUE);
CREATE DOMAIN public.around AS public.plain;
CREATE TYPE public.pair AS (a public.plain);
CREATE TABLE public.plainly (a public.plain);
CREATE TABLE public.callingly (a public.calling);
CREATE TABLE public.listed (a public.plain[]);
CREATE TABLE public.paired (a public.pair);
CREATE TABLE public.arounded (a public.around);

CREATE TABLE public.guarded (a text);
ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY moves ON public.guarded USING (public.moved(a) <> '');
INSERT INTO public.guarded VALUES ('x');

CREATE TABLE public.behind (a text);
ALTER TABLE public.behind ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.behind FORCE ROW LEVEL SECURITY;
CREATE POLICY looks ON public.behind USING (EXISTS (SELECT FROM public.guarded));
INSERT INTO public.behind VALUES ('x');
CREATE DOMAIN public.filling AS text DEFAULT set_config('search_path', 'vault', false);
CREATE TABLE public.fillingly (a public.filling);
CREATE TABLE public.late (a text);
INSERT INTO public.late VALUES ('x');
ALTER TABLE public.late ADD CONSTRAINT moves CHECK (public.moved(a) <> a) NOT VALID;
ALTER TABLE public.late OWNER TO shop_service;

CREATE TABLE public.parent (id int PRIMARY KEY);
CREATE TABLE public.child (id int REFERENCES public.parent ON DELETE CASCADE);
CREATE TRIGGER moves AFTER DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.moving();
INSERT INTO public.parent SELECT generate_series(1, 100);
INSERT INTO public.child SELECT generate_series(1, 100);

CREATE TABLE public.whole (id int, a text) PARTITION BY LIST (id);
CREATE TABLE public.part PARTITION OF public.whole (CHECK (set_config('search_path', 'vault', false) <> a)) FOR VALUES IN (1);
CREATE TABLE public.based (a text DEFAULT set_config('search_path', 'vault', false));
CREATE VIEW public.over AS SELECT a FROM public.based;

GRANT ALL ON SCHEMA mine TO shop_service;
CREATE TABLE public.deferred (a text);
CREATE CONSTRAINT TRIGGER moves AFTER INSERT ON public.deferred DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION public.moving();
";

const READ: &str = "SELECT a FROM secrets";
const SECRET: &str = "the-secret";

fn mine() -> Step {
    q("SET search_path = mine")
}

fn check(world: &World, attacks: Vec<(&str, Vec<Step>)>) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, steps) in attacks {
        let direct = play(&mut world.direct_wire()?, &steps).with_context(|| name.to_owned())?;
        if !direct.join("\n").contains(SECRET) {
            wrong.push(format!("{name} is no attack: {direct:?}"));
            continue;
        }
        let got = play(&mut world.wire()?, &steps).with_context(|| name.to_owned())?;
        if got.join("\n").contains(SECRET) {
            wrong.push(format!("{name}: {got:?}"));
        }
        if !got.contains(&"D decoy".to_owned()) && direct.contains(&"D decoy".to_owned()) {
            wrong.push(format!("{name}: what is honest is refused, too: {got:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_path_that_moves_unseen() -> Result<()> {
    let mut setup = Setup::policy(POLICY);
    setup.database = DATABASE.to_owned();
    story(&setup, |world| {
        let by = |sql: &str| vec![mine(), q(READ), q(sql), q(READ)];
        let within = |texts: &[&str]| {
            let begin = [mine(), q("BEGIN"), q(READ)].into_iter();
            let rest = texts.iter().map(|sql| q(sql)).chain([q(READ), q("ROLLBACK")]);
            begin.chain(rest).collect::<Vec<_>>()
        };
        check(
            world,
            vec![
                (
                    "query_to_xml",
                    by(
                        "SELECT query_to_xml('SELECT set_config(''search_path'', ''vault'', false)', true, false, '')",
                    ),
                ),
                (
                    "ts_stat",
                    by(
                        "SELECT * FROM ts_stat('SELECT set_config(''search_path'', ''vault'', false)::tsvector')",
                    ),
                ),
                (
                    "json_populate_record",
                    by(
                        "SELECT json_populate_record(p, '{\"a\": \"x\"}') FROM (SELECT 1) o LEFT JOIN public.plainly p ON true",
                    ),
                ),
                ("a domain", by("INSERT INTO public.plainly VALUES ('x')")),
                ("a domain that calls", by("INSERT INTO public.callingly VALUES ('x')")),
                ("an array of a domain", by("INSERT INTO public.listed VALUES ('{x}')")),
                ("a composite type", by("INSERT INTO public.paired VALUES ('(x)')")),
                ("a domain of a domain", by("INSERT INTO public.arounded VALUES ('x')")),
                ("a policy for rows", by("SELECT a FROM public.guarded")),
                ("another relation's policy", by("SELECT a FROM public.behind")),
                ("a domain's default", by("INSERT INTO public.fillingly DEFAULT VALUES")),
                ("VALIDATE", by("ALTER TABLE public.late VALIDATE CONSTRAINT moves")),
                ("a cascade", by("DELETE FROM public.parent WHERE id = (SELECT min(id) FROM public.parent)")),
                ("a partition", by("INSERT INTO public.whole VALUES (1, 'x')")),
                ("a view's table", by("INSERT INTO public.over DEFAULT VALUES")),
                (
                    "FETCH",
                    vec![
                        mine(),
                        q("BEGIN"),
                        q("DECLARE c CURSOR FOR SELECT public.move()"),
                        q(READ),
                        q("FETCH c"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "FETCH in one text",
                    vec![
                        mine(),
                        q("BEGIN"),
                        q("DECLARE c CURSOR FOR SELECT public.move()"),
                        q(READ),
                        q(&format!("FETCH c; {READ}")),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "FETCH in a pipeline",
                    vec![
                        mine(),
                        q("BEGIN"),
                        q("DECLARE c CURSOR FOR SELECT public.move()"),
                        q(READ),
                        batch(&[wire::run("FETCH c"), wire::run(READ)]),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "MOVE",
                    vec![
                        mine(),
                        q("BEGIN"),
                        q("DECLARE c CURSOR FOR SELECT public.move()"),
                        q(READ),
                        q("MOVE c"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "a table made like another",
                    within(&[
                        "CREATE TABLE mine.like (LIKE public.based INCLUDING DEFAULTS)",
                        "INSERT INTO mine.like DEFAULT VALUES",
                    ]),
                ),
                (
                    "a table that inherits",
                    within(&[
                        "CREATE TABLE mine.heir () INHERITS (public.based)",
                        "INSERT INTO mine.heir DEFAULT VALUES",
                    ]),
                ),
                (
                    "a new default",
                    within(&[
                        "CREATE TABLE mine.own (a text DEFAULT set_config('search_path', 'vault', false))",
                        "SET LOCAL search_path = mine",
                        "INSERT INTO mine.own DEFAULT VALUES",
                    ]),
                ),
                (
                    "a new trigger",
                    within(&[
                        "CREATE TABLE mine.own (a text)",
                        "CREATE TRIGGER t AFTER INSERT ON mine.own FOR EACH ROW EXECUTE FUNCTION public.moving()",
                        "INSERT INTO mine.own VALUES ('x')",
                    ]),
                ),
                (
                    "a new view",
                    within(&[
                        "CREATE VIEW mine.v AS SELECT public.move()",
                        "SET LOCAL search_path = mine",
                        "SELECT * FROM mine.v",
                    ]),
                ),
                (
                    "a table made like another, in one text",
                    vec![
                        mine(),
                        q(READ),
                        q(&format!(
                            "CREATE TABLE mine.like (LIKE public.based INCLUDING DEFAULTS); \
                     INSERT INTO mine.like DEFAULT VALUES; {READ}; DROP TABLE mine.like"
                        )),
                    ],
                ),
                (
                    "SET CONSTRAINTS",
                    vec![
                        mine(),
                        q("BEGIN"),
                        q("INSERT INTO public.deferred VALUES ('x')"),
                        q(READ),
                        q("SET CONSTRAINTS ALL IMMEDIATE"),
                        q(READ),
                        q("ROLLBACK"),
                    ],
                ),
                (
                    "COMMIT",
                    vec![
                        mine(),
                        q("BEGIN"),
                        q("INSERT INTO public.deferred VALUES ('x')"),
                        q(READ),
                        q("COMMIT"),
                        q(READ),
                    ],
                ),
                (
                    "Bind",
                    vec![
                        mine(),
                        q(READ),
                        batch(&[wire::parse("m", "SELECT public.moved('x')"), wire::bind("", "m", &[])]),
                        q(READ),
                    ],
                ),
                (
                    "Bind in a pipeline",
                    vec![
                        mine(),
                        batch(&[wire::parse("r", READ)]),
                        batch(&[
                            wire::parse("m", "SELECT public.moved('x')"),
                            wire::bind("", "m", &[]),
                            wire::bind("p", "r", &[]),
                            wire::execute("p", 0),
                        ]),
                    ],
                ),
                ("EXPLAIN", by("EXPLAIN SELECT public.moved('x')")),
            ],
        )?;
        let from_16: i32 = world
            .server
            .sql("shop", "SELECT current_setting('server_version_num')::int / 10000")?
            .trim()
            .parse()?;
        if from_16 >= 16 {
            check(world, vec![("pg_input_is_valid", by("SELECT pg_input_is_valid('x', 'public.plain')"))])?;
        }
        world
            .server
            .sql("shop", "CREATE EVENT TRIGGER moves ON ddl_command_end EXECUTE FUNCTION public.event()")?;
        // What was committed past the daemon is what it finds.
        play(&mut world.wire()?, &[q("CREATE TABLE public.nothing ()"), q("SELECT 1 FROM public.nothing")])?;
        check(world, vec![("an event trigger", by("CREATE TEMP TABLE x ()"))])
    })
}

/// What may move the path is itself understood, with the names in it, in every way to send it.
#[test]
fn what_may_move_the_path_is_understood_itself() -> Result<()> {
    let mut setup = Setup::policy(POLICY);
    setup.database = DATABASE.to_owned();
    story(&setup, |world| {
        let sql = "SELECT a, public.moved('x') FROM secrets";
        let (parse, bind, execute) =
            (wire::parse("m", sql), wire::bind("p", "m", &[]), wire::execute("p", 0));
        let ways = vec![
            ("a Query", vec![mine(), q(sql)]),
            ("a batch", vec![mine(), batch(&[parse.clone(), bind.clone(), execute.clone()])]),
            (
                "bound, and executed later",
                vec![
                    mine(),
                    q("BEGIN"),
                    batch(&[parse.clone(), bind.clone()]),
                    batch(&[execute]),
                    q("COMMIT"),
                ],
            ),
            (
                "row by row",
                vec![
                    mine(),
                    q("INSERT INTO secrets VALUES ('decoy')"),
                    q("BEGIN"),
                    batch(&[parse, bind, wire::execute("p", 1), wire::execute("p", 1)]),
                    q("COMMIT"),
                ],
            ),
            (
                "a cursor",
                vec![
                    mine(),
                    q("BEGIN"),
                    q(&format!("DECLARE c CURSOR FOR {sql}")),
                    q("FETCH c"),
                    q("COMMIT"),
                ],
            ),
        ];
        for (name, steps) in ways {
            let again = "DELETE FROM mine.secrets; INSERT INTO mine.secrets VALUES ('decoy')";
            world.server.sql("shop", again)?;
            let direct = play(&mut world.direct_wire()?, &steps)?;
            world.server.sql("shop", again)?;
            let got = play(&mut world.wire()?, &steps)?;
            ensure!(direct == got, "{name}: {direct:?}, but {got:?}");
            ensure!(got.contains(&"D decoy|vault".to_owned()), "{name}: {got:?}");
        }
        Ok(())
    })
}
