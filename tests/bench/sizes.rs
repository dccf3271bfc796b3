//! What a megabyte of any shape takes to read: time, and the most memory. The shapes are made, not listed: a random piece of
//! grammar, repeated beside itself or within itself, behind a random beginning.
//!
//! Each is read by a process of its own, whose peak the kernel tells.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use policy::{CaseFile, Document};
use sql::{Limits, SearchPath, Settings};

/// How long a text is, how long it may take, and how much.
const SIZE: usize = 1_000_000;
const LONGEST: Duration = Duration::from_secs(1);
const MOST: u64 = 256 << 20;

/// As a worker of the daemon has it.
const STACK: usize = 64 << 20;

/// How many shapes, unless it is said.
const SHAPES: u64 = 200;

const DATABASE: &str = "version: 1\nresource: shop\ndatabase: shop\nschema:\n  public.t: [a, b]\n  public.u: [a, c]\n\
    cases: [{name: n, who: {uid: 1}, statement: SELECT 1, expect: allow, rule: r}]\n";

const HEADS: &[&str] = &[
    "",
    "SELECT ",
    "SELECT a FROM t WHERE ",
    "SELECT 1 FROM ",
    "SELECT a FROM t GROUP BY ",
    "SELECT a FROM t ORDER BY ",
    "INSERT INTO t VALUES ",
    "INSERT INTO t (a) SELECT ",
    "UPDATE t SET ",
    "DELETE FROM t WHERE ",
    "MERGE INTO t USING ",
    "WITH ",
    "WITH RECURSIVE ",
    "CREATE TABLE n (",
    "CREATE VIEW v AS SELECT ",
    "ALTER TABLE t ",
    "CREATE INDEX ON t (",
    "EXPLAIN SELECT ",
    "COPY (SELECT ",
    "PREPARE p AS SELECT ",
    "GRANT ",
    "DROP TABLE ",
    "DO $$BEGIN ",
    "SET x = ",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT ",
    "CREATE RULE r AS ON INSERT TO t DO ALSO (",
    "VALUES ",
];

/// Words and signs of which pieces are made.
const WORDS: &[&str] = &[
    "a",
    "t.a",
    "t",
    "u",
    "1",
    "'x'",
    "$1",
    "f",
    "lower(a)",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "::",
    "int",
    "text",
    "+",
    "||",
    "=",
    "-",
    "*",
    "/*x*/",
    "--\n",
    "AND",
    "OR",
    "NOT",
    "IN",
    "LIKE",
    "BETWEEN",
    "IS NULL",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "SELECT",
    "FROM",
    "WHERE",
    "JOIN",
    "ON",
    "USING",
    "LEFT",
    "UNION ALL",
    "EXCEPT",
    "VALUES",
    "AS",
    "ROW",
    "ARRAY",
    "EXISTS",
    "ANY",
    "CAST",
    "OVER",
    "PARTITION BY",
    "ORDER BY",
    "GROUP BY",
    "GROUPING SETS",
    "ROLLUP",
    "HAVING",
    "LIMIT",
    "FETCH FIRST",
    "ROWS ONLY",
    "FOR UPDATE",
    "WITH",
    "TABLESAMPLE",
    "ROWS FROM",
    "LATERAL",
    "ONLY",
    "TABLE",
    "DEFAULT",
    "CHECK",
    "REFERENCES t",
    "PRIMARY KEY",
    "SET",
    "MERGE INTO",
    "CYCLE",
    "SEARCH",
    "AT LOCAL",
    "COLLATE",
    "OPERATOR(+)",
    "json_object",
    "xmlelement",
    "INTO",
    "RETURNING",
    "ADD",
    "DROP",
    "CASCADE",
    "BEGIN",
    "LOOP",
    "IF",
    ";",
    "$$",
    "é",
    "U&'x'",
];

/// Numbers that depend on the seed alone (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap_or_default()
    }

    fn one<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.below(words.len())]
    }

    /// Up to so many words. A parenthesis that is open at the end is closed behind it.
    fn piece(&mut self, most: usize) -> (String, String) {
        let (mut opens, mut closes) = (String::new(), String::new());
        for _ in 0..=self.below(most) {
            match self.one(WORDS) {
                "(" => {
                    opens.push_str("( ");
                    closes.insert_str(0, ") ");
                }
                "[" => {
                    opens.push_str("[ ");
                    closes.insert_str(0, "] ");
                }
                ")" | "]" if closes.is_empty() => {}
                close @ (")" | "]") if closes.starts_with(close) => {
                    opens.push_str(&closes[..2]);
                    closes.drain(..2);
                }
                word => drop(write!(opens, "{word} ")),
            }
        }
        (opens, closes)
    }
}

/// The shape of that number.
fn shape(seed: u64) -> String {
    let mut numbers = Numbers(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut text = numbers.one(HEADS).to_owned();
    let (opens, closes) = numbers.piece(8);
    let depth = if numbers.below(3) == 0 { 100 } else { 1 };
    // A piece may have come to nothing.
    let between = if numbers.below(2) == 0 || opens.is_empty() { ", " } else { "" };
    while text.len() < SIZE {
        // Beside itself, and within itself as deep as texts may go.
        text.push_str(&opens.repeat(depth));
        text.push_str(&closes.repeat(depth));
        text.push_str(between);
    }
    let (opens, closes) = numbers.piece(4);
    text + &opens + &closes
}

/// The benchmark: `sizes`, `sizes COUNT`, or one shape.
///
/// # Errors
///
/// An argument, or a shape that takes too long or too much.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    let count = match (words.next(), words.next()) {
        (Some(word), Some(seed)) if word == "one" => return one(seed.parse()?),
        (Some(count), None) => count.parse().context("not a number of shapes")?,
        (None, _) => SHAPES,
        (Some(word), Some(_)) => bail!("unknown argument `{word}`"),
    };
    let program = std::env::current_exe()?;
    let (mut slowest, mut largest, mut beyond) = ((Duration::ZERO, 0), (0, 0), Vec::new());
    for seed in 0..count {
        let ran = Command::new(&program).args(["sizes", "one", &seed.to_string()]).output()?;
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        let mut numbers = told.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
        let (Some(micros), Some(bytes), true) = (numbers.next(), numbers.next(), ran.status.success()) else {
            beyond.push(format!("shape {seed} ended the process: {}", ran.status));
            continue;
        };
        let took = Duration::from_micros(micros);
        slowest = slowest.max((took, seed));
        largest = largest.max((bytes, seed));
        if took > LONGEST || bytes > MOST {
            beyond.push(format!("shape {seed}: {took:?}, {} MiB: {}", bytes >> 20, beginning(seed)));
        }
    }
    println!("\n{count} shapes of {SIZE} bytes");
    println!("the slowest took {:?} (shape {}: {})", slowest.0, slowest.1, beginning(slowest.1));
    println!("the largest took {} MiB (shape {}: {})", largest.0 >> 20, largest.1, beginning(largest.1));
    ensure!(beyond.is_empty(), "beyond {LONGEST:?} or {} MiB:\n{}", MOST >> 20, beyond.join("\n"));
    Ok(())
}

fn beginning(seed: u64) -> String {
    shape(seed).chars().take(120).collect::<String>().replace('\n', " ")
}

/// Reads one shape, and tells the microseconds and the bytes that it took at most beyond the text.
fn one(seed: u64) -> Result<()> {
    let database = CaseFile::parse(&Document { name: "database", text: DATABASE })
        .map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let path = SearchPath::listed(database.search_path.clone());
    let settings = Settings { search_path: path, ..Settings::default() };
    let text = shape(seed);
    let before = peak()?;
    let read = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        let began = Instant::now();
        let analysis = sql::analyse(text.as_bytes(), &settings, &database.catalog, &Limits::default());
        let took = began.elapsed();
        std::hint::black_box(analysis);
        took
    })?;
    let took = read.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
    println!("{} {}", took.as_micros(), peak()?.saturating_sub(before));
    Ok(())
}

/// The most memory that this process has had.
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes << 10)
}
