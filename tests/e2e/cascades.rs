//! What stands on an object goes with it: DROP … CASCADE reaches what a rule protects by its own name.

use anyhow::{Result, ensure};
use e2e::{Setup, story};

use crate::effects::{Shows, check_on, texts};
use crate::steps::play;

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: no-vault, actions: [\"*\"], relations: [\"vault.*\"], decision: deny }
  - { name: no-function, actions: [drop], functions: [\"vault.*\"], decision: deny }
  - { name: no-locked, actions: [\"*\"], relations: [public.locked], decision: deny }
  - { name: no-keep, actions: [\"*\"], relations: [public.keep_seq], decision: deny }
";

const AGAIN: &str = "
GRANT CREATE ON DATABASE shop TO shop_service;
DROP PUBLICATION IF EXISTS told; DROP SCHEMA IF EXISTS mine CASCADE; DROP SCHEMA IF EXISTS vault CASCADE; DROP SCHEMA IF EXISTS public CASCADE;
CREATE SCHEMA public; CREATE SCHEMA vault;
ALTER SCHEMA public OWNER TO shop_service; ALTER SCHEMA vault OWNER TO shop_service;
SET ROLE shop_service;
CREATE EXTENSION hstore SCHEMA public;
CREATE TYPE public.mood AS ENUM ('a', 'b');
CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION public.g() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.run() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE public.parent (id int PRIMARY KEY);
CREATE TABLE public.plain (a int);
CREATE TABLE vault.child (id int REFERENCES public.parent);
CREATE TABLE vault.t (id int, m public.mood, n public.positive[], h public.hstore);
CREATE TABLE vault.d (id int DEFAULT public.f(1));
CREATE SEQUENCE public.numbers; CREATE TABLE vault.numbered (id int DEFAULT nextval('public.numbers'));
CREATE SEQUENCE public.others; CREATE DOMAIN public.other AS int DEFAULT nextval('public.others');
CREATE TABLE vault.others (id public.other);
CREATE TABLE vault.p (p public.plain);
CREATE VIEW vault.v AS SELECT public.g();
CREATE TRIGGER g BEFORE INSERT ON vault.t FOR EACH ROW EXECUTE FUNCTION public.run();
CREATE COLLATION public.plain_c FROM \"C\";
CREATE TEXT SEARCH DICTIONARY public.plain_words (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION public.words (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION public.words ALTER MAPPING FOR asciiword WITH public.plain_words;
CREATE TABLE vault.texts (a text COLLATE public.plain_c, b int);
CREATE INDEX ON vault.texts USING gin (to_tsvector('public.words', a));
CREATE TABLE public.locked (id int PRIMARY KEY, a int, b int);
CREATE INDEX locked_v ON public.locked (a); CREATE STATISTICS public.locked_st ON a, b FROM public.locked;
CREATE FUNCTION public.counted(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE STATISTICS public.locked_f ON (public.counted(a)), b FROM public.locked;
CREATE TABLE public.open (id int PRIMARY KEY, a int, b int);
CREATE INDEX open_v ON public.open (a); CREATE STATISTICS public.open_st ON a, b FROM public.open;
CREATE SEQUENCE public.locked_s_seq OWNED BY public.locked.a;
CREATE TABLE public.keeper (id int GENERATED ALWAYS AS IDENTITY, a int, b int); CREATE SEQUENCE public.keep_seq OWNED BY public.keeper.a;
SELECT setval('public.keep_seq', 5);
CREATE TABLE public.filled (id serial, a int); CREATE TABLE vault.fills (id int DEFAULT nextval('public.filled_id_seq'));
CREATE TABLE public.unique_ids (id int, a int, b int UNIQUE); CREATE UNIQUE INDEX ui ON public.unique_ids (id);
CREATE VIEW public.over_ids AS SELECT a FROM public.unique_ids;
CREATE TABLE vault.refers (id int REFERENCES public.unique_ids (id)); CREATE TABLE vault.refers_b (b int REFERENCES public.unique_ids (b));
CREATE TABLE public.identified (id int); CREATE SEQUENCE public.apart;
CREATE STATISTICS public.open_f ON (public.f(a)), b FROM public.open;
CREATE PUBLICATION told FOR TABLE public.locked, public.open;
RESET ROLE;
CREATE OPERATOR CLASS public.by_value FOR TYPE int USING btree AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
ALTER OPERATOR CLASS public.by_value USING btree OWNER TO shop_service;
SET ROLE shop_service;
CREATE INDEX ON vault.texts (b public.by_value);
CREATE FUNCTION vault.of(public.positive) RETURNS int LANGUAGE sql AS 'SELECT 1';
RESET ROLE;
";

const COLUMNS: &str = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'vault'";
const KEYS: &str = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'";
const FUNCTIONS: &str = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'vault'::regnamespace";

fn setup() -> Setup {
    Setup::policy(POLICY)
}

/// An extension of the job's own, as one is that needs no superuser.
const OWN: &str = "
RESET ROLE;
CREATE EXTENSION insert_username SCHEMA vault;
ALTER EXTENSION insert_username DROP FUNCTION vault.insert_username();
UPDATE pg_extension SET extowner = 'shop_service'::regrole WHERE extname = 'insert_username';
";

#[test]
fn what_belongs_to_an_extension_moves_with_it() -> Result<()> {
    story(&setup(), |world| {
        let own = format!("DROP EXTENSION IF EXISTS insert_username; {AGAIN}{OWN}");
        let members = "SELECT count(*) FROM pg_depend WHERE deptype = 'e' AND objid = 'vault.p'::regclass";
        let add = "ALTER EXTENSION insert_username ADD TABLE vault.p";
        check_on(world, &own, vec![("a new member", texts(&[add]), Shows::In(members))])?;
        let joined = format!("{own}{add};");
        let moves = texts(&["ALTER EXTENSION insert_username SET SCHEMA public"]);
        let drop = texts(&["ALTER EXTENSION insert_username DROP TABLE vault.p"]);
        check_on(
            world,
            &joined,
            vec![("a move", moves, Shows::In(COLUMNS)), ("a member no more", drop, Shows::In(members))],
        )
    })
}

#[test]
fn what_stands_on_what_is_dropped_is_judged() -> Result<()> {
    story(&setup(), |world| {
        let attack = |name: &'static str, text: &str, query| (name, texts(&[text]), Shows::In(query));
        check_on(
            world,
            AGAIN,
            vec![
                attack("a type", "DROP TYPE mood CASCADE", COLUMNS),
                attack("a domain", "DROP DOMAIN public.positive CASCADE", COLUMNS),
                attack("a domain that a function takes", "DROP DOMAIN positive CASCADE", FUNCTIONS),
                attack("a function", "DROP FUNCTION g() CASCADE", COLUMNS),
                attack(
                    "a function of a default",
                    "DROP FUNCTION f(int) CASCADE",
                    "SELECT count(*) FROM pg_attrdef",
                ),
                attack(
                    "a sequence of a default",
                    "DROP SEQUENCE numbers CASCADE",
                    "SELECT count(*) FROM pg_attrdef",
                ),
                attack("a sequence of a domain", "DROP SEQUENCE others CASCADE", COLUMNS),
                attack(
                    "a function of a trigger",
                    "DROP FUNCTION IF EXISTS run CASCADE",
                    "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
                ),
                attack("an extension", "DROP EXTENSION hstore CASCADE", COLUMNS),
                attack("a schema", "DROP SCHEMA public CASCADE", COLUMNS),
                attack("all that a role owns", "DROP OWNED BY shop_service CASCADE", COLUMNS),
                attack("a collation", "DROP COLLATION plain_c CASCADE", COLUMNS),
                attack(
                    "a text search configuration",
                    "DROP TEXT SEARCH CONFIGURATION words CASCADE",
                    "SELECT count(*) FROM pg_index WHERE indrelid = 'vault.texts'::regclass",
                ),
                attack(
                    "a dictionary below it",
                    "DROP TEXT SEARCH DICTIONARY plain_words CASCADE",
                    "SELECT count(*) FROM pg_ts_config WHERE cfgname = 'words'",
                ),
                attack(
                    "an operator class",
                    "DROP OPERATOR CLASS by_value USING btree CASCADE",
                    "SELECT count(*) FROM pg_index WHERE indrelid = 'vault.texts'::regclass",
                ),
                attack(
                    "a type in a transaction that makes others",
                    "BEGIN; CREATE TABLE n (a int); DROP TYPE mood CASCADE; COMMIT",
                    COLUMNS,
                ),
                attack("a table that is referred to", "DROP TABLE parent CASCADE", KEYS),
                attack(
                    "a key that is referred to",
                    "ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE",
                    KEYS,
                ),
                attack("an index that a key rests on", "DROP INDEX ui CASCADE", KEYS),
                attack(
                    "a constraint that a key rests on",
                    "ALTER TABLE unique_ids DROP CONSTRAINT unique_ids_b_key CASCADE",
                    KEYS,
                ),
                attack(
                    "a column that a key refers to",
                    "ALTER TABLE unique_ids DROP COLUMN id CASCADE",
                    KEYS,
                ),
                attack("the type of a table's rows", "DROP TABLE plain CASCADE", COLUMNS),
            ],
        )?;
        for sql in [
            "CREATE TYPE lone AS ENUM ('a')",
            "CREATE TABLE uses (l lone)",
            "DROP TYPE lone CASCADE",
            "SELECT * FROM uses",
            "DROP TABLE uses CASCADE",
            "CREATE UNIQUE INDEX alone ON open (b)",
            "DROP INDEX alone CASCADE",
            "DROP FUNCTION IF EXISTS nothing() CASCADE",
        ] {
            let got = play(&mut world.wire()?, &texts(&[sql]))?;
            ensure!(!got.join("\n").contains("42501"), "{sql}: {got:?}");
        }
        Ok(())
    })
}

#[test]
fn what_belongs_to_a_table_is_judged_as_the_table() -> Result<()> {
    story(&setup(), |world| {
        let indexes = "SELECT string_agg(relname || relfilenode || coalesce(reloptions::text, ''), ' ' ORDER BY relname) \
             FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid WHERE indrelid = 'locked'::regclass";
        let counts = "SELECT string_agg(stxname || coalesce(obj_description(oid), ''), ' ' ORDER BY stxname) FROM pg_statistic_ext \
             WHERE stxrelid = 'locked'::regclass";
        let of_index = |name: &'static str, text: &str| (name, texts(&[text]), Shows::In(indexes));
        let of_counts = |name: &'static str, text: &str| (name, texts(&[text]), Shows::In(counts));
        check_on(
            world,
            AGAIN,
            vec![
                of_index("an index", "DROP INDEX locked_v"),
                of_index("one of many", "DROP INDEX IF EXISTS open_v, public.locked_v"),
                of_index("an index's name", "ALTER INDEX locked_pkey RENAME TO x"),
                of_index("an index as a table", "ALTER TABLE locked_v RENAME TO x"),
                of_index("an index's options", "ALTER INDEX locked_v SET (fillfactor = 50)"),
                of_index("an index again", "REINDEX INDEX locked_v"),
                of_index(
                    "an index under another name",
                    "BEGIN; ALTER INDEX open_v RENAME TO x; ALTER INDEX locked_v RENAME TO open_v; DROP INDEX open_v; \
                     COMMIT",
                ),
                (
                    "what is published",
                    texts(&["ALTER PUBLICATION told DROP TABLE open, locked"]),
                    Shows::In("SELECT count(*) FROM pg_publication_rel WHERE prrelid = 'locked'::regclass"),
                ),
                (
                    "statistics with a function",
                    texts(&["DROP FUNCTION counted(int) CASCADE"]),
                    Shows::In(counts),
                ),
                of_counts("statistics", "DROP STATISTICS locked_st"),
                of_counts("the name of statistics", "ALTER STATISTICS locked_st RENAME TO x"),
                of_counts("a comment on statistics", "COMMENT ON STATISTICS public.locked_st IS 'x'"),
            ],
        )?;
        for sql in [
            "CREATE INDEX open_w ON open (b)",
            "REINDEX INDEX open_v",
            "ALTER INDEX open_v RENAME TO open_x",
            "DROP INDEX open_x, open_w",
            "ALTER STATISTICS open_st RENAME TO open_counts",
            "DROP STATISTICS open_counts",
            "ALTER PUBLICATION told DROP TABLE open",
            "DROP FUNCTION f(int) RESTRICT",
            "BEGIN; CREATE INDEX i ON open (a); DROP INDEX i; COMMIT",
        ] {
            let got = play(&mut world.wire()?, &texts(&[sql]))?;
            ensure!(!got.join("\n").contains("42501"), "{sql}: {got:?}");
        }
        Ok(())
    })
}

#[test]
fn a_sequence_is_judged_with_the_table_that_owns_it() -> Result<()> {
    story(&setup(), |world| {
        let kept = "SELECT relowner::regrole || relpersistence::text || nspname FROM pg_class \
             JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 'keep_seq'";
        let attack = |name: &'static str, text: &str| (name, texts(&[text]), Shows::In(kept));
        let defaults = "SELECT count(*) FROM pg_attrdef WHERE adrelid = 'vault.fills'::regclass";
        let mut attacks = vec![
            attack("a table", "DROP TABLE keeper"),
            attack(
                "one of many, under another name",
                "BEGIN; ALTER TABLE keeper RENAME TO x; DROP TABLE x; COMMIT",
            ),
            attack("a column", "ALTER TABLE keeper DROP COLUMN a"),
            attack(
                "a column under another name",
                "BEGIN; ALTER TABLE keeper RENAME a TO c; ALTER TABLE keeper RENAME b TO a; \
                 ALTER TABLE keeper DROP c; COMMIT",
            ),
            (
                "another schema",
                texts(&["CREATE SCHEMA mine", "ALTER TABLE keeper SET SCHEMA mine"]),
                Shows::In(kept),
            ),
            ("a default that takes from it", texts(&["DROP TABLE filled CASCADE"]), Shows::In(defaults)),
            (
                "a default that takes from a column's",
                texts(&["ALTER TABLE filled DROP COLUMN id CASCADE"]),
                Shows::In(defaults),
            ),
            (
                "the sequence of a table",
                texts(&["ALTER SEQUENCE locked_s_seq RENAME TO x"]),
                Shows::In("SELECT count(*) FROM pg_class WHERE relname = 'locked_s_seq'"),
            ),
            (
                "numbers that begin again",
                texts(&["TRUNCATE keeper RESTART IDENTITY"]),
                Shows::In("SELECT last_value FROM keep_seq"),
            ),
        ];
        // A sequence is logged as its table is since version 15.
        if world.server.sql("shop", "SELECT current_setting('server_version_num')::int >= 150000")? == "t" {
            attacks.push(attack("no log", "ALTER TABLE keeper SET UNLOGGED"));
        }
        check_on(world, AGAIN, attacks)?;
        for sql in [
            "ALTER TABLE keeper DROP COLUMN b",
            "ALTER TABLE keeper ADD COLUMN c int",
            "TRUNCATE keeper",
            "ALTER TABLE identified ADD n int GENERATED ALWAYS AS IDENTITY",
            "ALTER SEQUENCE apart OWNED BY identified.id",
            "ALTER TABLE identified ALTER n RESTART WITH 7",
            "ALTER TABLE identified ALTER n DROP IDENTITY",
            "CREATE SCHEMA mine",
            "ALTER TABLE identified SET SCHEMA mine",
            "SELECT nextval('mine.apart')",
            "DROP TABLE mine.identified",
        ] {
            let got = play(&mut world.wire()?, &texts(&[sql]))?;
            ensure!(!got.join("\n").contains("42501"), "{sql}: {got:?}");
        }
        Ok(())
    })
}

/// What stands on an object is known by the name that this had before the transaction.
#[test]
fn what_stands_on_what_the_transaction_has_called_otherwise_is_judged() -> Result<()> {
    story(&setup(), |world| {
        let attack = |name: &'static str, renames: &str, drops: &str, query| {
            (name, texts(&["BEGIN", renames, drops, "COMMIT"]), Shows::In(query))
        };
        check_on(
            world,
            AGAIN,
            vec![
                attack("a type", "ALTER TYPE mood RENAME TO m", "DROP TYPE m CASCADE", COLUMNS),
                attack("a domain", "ALTER DOMAIN positive RENAME TO p", "DROP DOMAIN p CASCADE", COLUMNS),
                attack("a function", "ALTER FUNCTION g() RENAME TO h", "DROP FUNCTION h CASCADE", COLUMNS),
                attack(
                    "a collation",
                    "ALTER COLLATION plain_c RENAME TO c",
                    "DROP COLLATION c CASCADE",
                    COLUMNS,
                ),
                attack(
                    "a schema that a type came to",
                    "CREATE SCHEMA mine; ALTER TYPE mood SET SCHEMA mine",
                    "DROP SCHEMA mine CASCADE",
                    COLUMNS,
                ),
                attack(
                    "a schema that a table came to",
                    "CREATE SCHEMA mine; ALTER TABLE parent SET SCHEMA mine",
                    "DROP SCHEMA mine CASCADE",
                    KEYS,
                ),
                ("a text", texts(&["ALTER TYPE mood RENAME TO m; DROP TYPE m CASCADE"]), Shows::In(COLUMNS)),
            ],
        )?;
        world.server.sql("shop", AGAIN)?;
        let honest = [
            "BEGIN",
            "ALTER TYPE mood RENAME TO m",
            "ALTER DOMAIN other RENAME TO another",
            "COMMIT",
            "BEGIN",
            "CREATE TYPE own AS ENUM ('a')",
            "ALTER FUNCTION counted(int) STABLE",
            "CREATE TABLE owned (a own, b m)",
            "DROP TABLE owned",
            "DROP TYPE own",
            "ROLLBACK",
        ];
        let mut wire = world.wire()?;
        let got = play(&mut wire, &texts(&honest))?;
        ensure!(!got.iter().any(|line| line.starts_with('E')), "{got:?}");
        Ok(())
    })
}
