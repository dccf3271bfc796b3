//! What a text means depends on what came before it. Each attack here is a script that makes the server read
//! `vault.secrets`, which the policy denies, or a masked column, by a text that looks as if it read something else.
//!
//! Played past Portreeve it must give the secret, else it is no attack; played through Portreeve it must not. Beside them
//! stand the honest neighbours, which must be understood: the policy denies what is not.

mod honest;
mod names;
mod path;
mod strings;

use anyhow::{Context as _, Result, ensure};
use e2e::wire::{self, Wire};
use e2e::{Setup, World, story};

use crate::steps::{Step, batch, bytes, execute, play, q, qs};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.people.ssn] }
  - { name: no-vault, actions: [select, copy-out], relations: [\"vault.*\"], decision: deny }
";

const DATABASE: &str = r"
CREATE SCHEMA vault;
CREATE TABLE vault.secrets (a text);
INSERT INTO vault.secrets VALUES ('the-secret');
CREATE SCHEMA mine;
CREATE TABLE mine.secrets (a text);
INSERT INTO mine.secrets VALUES ('decoy');
CREATE TABLE public.people (id int, ssn text);
INSERT INTO public.people VALUES (1, 'the-secret');
CREATE FUNCTION public.move() RETURNS text LANGUAGE plpgsql AS
  $$BEGIN RETURN set_config('search_path', 'vault', false); END$$;
CREATE FUNCTION public.move_stable() RETURNS text STABLE LANGUAGE plpgsql AS
  $$BEGIN RETURN set_config('search_path', 'vault', false); END$$;
CREATE FUNCTION public.move_immutable() RETURNS text IMMUTABLE LANGUAGE sql AS
  $$SELECT set_config('search_path', 'vault', false)$$;
CREATE FUNCTION public.escape_stable() RETURNS text STABLE LANGUAGE sql AS
  $$SELECT set_config('standard_conforming_strings', 'off', false)$$;
CREATE FUNCTION public.own_path() RETURNS text SET search_path = vault LANGUAGE sql AS $$SELECT 'x'::text$$;
CREATE TABLE public.indexed (a text);
CREATE FUNCTION public.moved(text) RETURNS text IMMUTABLE LANGUAGE sql AS
  $$SELECT set_config('search_path', 'vault', false)$$;
CREATE INDEX ON public.indexed (public.moved(a));
CREATE FUNCTION public.step(text, text) RETURNS text IMMUTABLE LANGUAGE sql AS
  $$SELECT set_config('search_path', 'vault', false)$$;
CREATE AGGREGATE public.collected(text) (SFUNC = public.step, STYPE = text);
CREATE VIEW public.moving AS SELECT set_config('search_path', 'vault', false) AS a;
CREATE TABLE public.filled (a text DEFAULT set_config('search_path', 'vault', false));
CREATE TABLE public.checked (a text CHECK (set_config('search_path', 'vault', false) <> a));
";

/// The same, but nothing is masked: what cannot be told of rows would be.
fn unmasked() -> Setup {
    let mut setup = setup();
    setup.policy = setup.policy.replace(", mask: [public.people.ssn]", "");
    setup
}

fn setup() -> Setup {
    let mut setup = Setup::policy(POLICY);
    setup.database = DATABASE.to_owned();
    setup.server = vec!["max_prepared_transactions=5".to_owned()];
    setup
}

/// Reads a decoy by this name and no schema.
const READ: &str = "SELECT a FROM secrets";
const SECRET: &str = "the-secret";

/// Statements that put back what an attack has moved.
const AGAIN: &str = "
DROP SCHEMA IF EXISTS mine CASCADE; DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA mine;
CREATE TABLE mine.secrets (a text); INSERT INTO mine.secrets VALUES ('decoy');
CREATE VIEW mine.v AS SELECT a FROM mine.secrets;
ALTER SCHEMA mine OWNER TO shop_service; ALTER TABLE mine.secrets OWNER TO shop_service;
ALTER VIEW mine.v OWNER TO shop_service;
CREATE OR REPLACE VIEW vault.v AS SELECT a FROM vault.secrets; ALTER VIEW vault.v OWNER TO shop_service;";

type Attack = (&'static str, Vec<Step>);

/// None of these gets through, and each would.
fn check(world: &World, attacks: Vec<Attack>) -> Result<()> {
    let mut through = Vec::new();
    for (name, steps) in attacks {
        world.server.sql("shop", AGAIN)?;
        let mut wire = world.direct_wire()?;
        let direct = play(&mut wire, &steps).with_context(|| name.to_owned())?;
        if !direct.join("\n").contains(SECRET) {
            through.push(format!("{name} is no attack: {direct:?}"));
            continue;
        }
        drop(wire);
        world.server.sql("shop", AGAIN)?;
        // What was committed past the daemon is what it finds.
        let mut wire = world.wire()?;
        wire.talk(&[wire::query("CREATE TABLE IF NOT EXISTS public.nothing ()")], 1)?;
        wire.talk(&[wire::query("SELECT 1 FROM public.nothing")], 1)?;
        let got = play(&mut wire, &steps).with_context(|| name.to_owned())?;
        if got.join("\n").contains(SECRET) {
            through.push(format!("{name}: {got:?}"));
        }
    }
    ensure!(through.is_empty(), "these get through:\n{}", through.join("\n"));
    Ok(())
}

/// Knows the path as `mine, vault`, so that the decoy is what the name means.
fn both() -> Step {
    q("SET search_path = mine, vault")
}
