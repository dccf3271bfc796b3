//! Texts that nobody wrote: those of the corpora with tokens dropped, doubled, moved, and taken from elsewhere.

mod keywords;

use std::time::Instant;

use anyhow::Result;

use crate::compare::compare;
use crate::corpus::Corpus;
use crate::oracle;
use crate::report::Findings;
use keywords::KEYWORDS;

/// Words and signs that change how what is around them is read.
const SPICE: &[&str] = &[
    "ONLY",
    "TABLE",
    "FROM",
    "SELECT",
    "INTO",
    "AS",
    "OR",
    "AND",
    "NOT",
    "LIKE",
    "COLLATE",
    "END",
    "UNION ALL",
    "EXCEPT",
    "WITH",
    "RECURSIVE",
    "LATERAL",
    "USING",
    "ON",
    "NATURAL",
    "JOIN",
    "CROSS JOIN",
    "LEFT",
    "WHERE",
    "RETURNING",
    "VALUES",
    "SET",
    "DEFAULT",
    "NULL",
    "ALL",
    "DISTINCT",
    "TOP",
    "REPLACE",
    "IGNORE",
    "OVERWRITE",
    "LIMIT",
    "OFFSET",
    "FETCH FIRST",
    "FOR UPDATE",
    "WINDOW",
    "OVER",
    "FILTER",
    "WITHIN GROUP",
    "ORDER BY",
    "GROUP BY",
    "HAVING",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "IN",
    "ANY",
    "SOME",
    "EXISTS",
    "ARRAY",
    "ROW",
    "INTERVAL",
    "DATE",
    "TIMESTAMP",
    "CAST",
    "EXTRACT",
    "POSITION",
    "SUBSTRING",
    "TRIM",
    "OVERLAY",
    "AT TIME ZONE",
    "IS",
    "ISNULL",
    "BETWEEN",
    "SYMMETRIC",
    "OPERATOR(pg_catalog.+)",
    "VARIADIC",
    "TABLESAMPLE",
    "PIVOT",
    "UNPIVOT",
    "QUALIFY",
    "STRUCT",
    "MAP",
    "XOR",
    "REGEXP",
    "RLIKE",
    "DIV",
    "ILIKE",
    "PRIOR",
    "CONNECT BY",
    "START",
    "PARTITION",
    "SETTINGS",
    "FORMAT",
    "FINAL",
    "SAMPLE",
    "PREWHERE",
    "LOCAL",
    "TEMP",
    "UNLOGGED",
    "MATERIALIZED",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    ";",
    "*",
    "::",
    ":=",
    "=>",
    "=",
    "<",
    "||",
    "->",
    "->>",
    "@>",
    "~",
    "!",
    "?",
    "#",
    "%",
    "^",
    "&",
    "|",
    "/",
    "-",
    "+",
    "--\n",
    "/* x */",
    "/*/* */*/",
    "''",
    "'x'",
    "E'\\''",
    "U&'\\0061'",
    "U&\"\\0061\"",
    "B'1'",
    "X'1f'",
    "N'x'",
    "$$x$$",
    "$a$;$a$",
    "\"q\"",
    "\"Q q\"",
    "\"\"\"\"",
    "$1",
    "1",
    "1.5",
    "1e3",
    "é",
    "secret",
    "t",
    "s.t",
    "t.a",
    "t.*",
    "f(a)",
    "s.f(a)",
    "current_user",
    "user",
    "session_user",
    "int",
    "text",
    "name",
    "value",
    "public",
    "pg_catalog",
];

/// The same inside of code.
const SPICE_OF_CODE: &[&str] = &[
    "BEGIN",
    "DECLARE",
    "LOOP",
    "IF",
    "ELSIF",
    "EXCEPTION WHEN others THEN",
    "PERFORM",
    "EXECUTE",
    "EXECUTE 'SELECT a FROM t'",
    "RETURN",
    "RETURN QUERY",
    "RETURN NEXT",
    "RAISE NOTICE",
    "FOREACH x IN ARRAY",
    "WHILE",
    "FOR r IN",
    "..",
    "<<l>>",
    "OPEN c",
    "c CURSOR FOR",
    "FETCH c INTO",
    "STRICT",
    "END LOOP",
    "END IF",
    "END CASE",
    "CALL",
    "GET DIAGNOSTICS",
    "NULL ;",
    "EXIT WHEN",
    "query",
    "next",
    "perform",
    "execute",
    "insert",
    "merge",
    "import",
    "new",
    "old",
    "found",
    "reverse",
    "slice",
    "constant",
    "alias FOR $1",
    "INSERT INTO t",
    "MERGE INTO t",
    "INTO x",
    "DO $x$ BEGIN PERFORM a FROM t; END $x$",
    "CREATE FUNCTION",
    "BEGIN ATOMIC",
    "CREATE RULE r AS ON INSERT TO t DO (",
    "; END",
    "#",
    "ASSERT",
    "CLOSE c",
    "MOVE c",
    "COMMIT",
    "ROLLBACK",
];

/// A small generator whose numbers depend on the seed alone (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or_default()
    }
}

/// Longer ones cost more than they tell.
const LONGEST: usize = 1500;

/// Code in one of the texts: which, which of its tokens, and its own tokens.
struct Code {
    text: usize,
    token: usize,
    tokens: Vec<String>,
}

impl Code {
    /// That of functions and of DO.
    fn of(text: usize, tokens: &[String]) -> Option<Self> {
        let is = |at: usize, words: &[&str]| {
            tokens.get(at).is_some_and(|token| words.iter().any(|word| token.eq_ignore_ascii_case(word)))
        };
        let makes =
            is(0, &["do"]) || (is(0, &["create"]) && (1..4).any(|at| is(at, &["function", "procedure"])));
        let token = (0..tokens.len()).filter(|at| makes && tokens[*at].len() > 20).find(|at| {
            let token = &tokens[*at];
            token.starts_with('$') || (token.starts_with('\'') && !token.contains('\\'))
        })?;
        let quoted = &tokens[token];
        let code = if let Some(tag) = quoted.strip_prefix('$') {
            let tag = tag.find('$')? + 2;
            quoted.get(tag..quoted.len().checked_sub(tag)?)?.to_owned()
        } else {
            quoted[1..quoted.len() - 1].replace("\'\'", "'")
        };
        let scanned = pg_query::scan(&code).ok()?.tokens;
        let tokens: Vec<String> = scanned
            .iter()
            .filter_map(|token| {
                code.get(usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?)
            })
            .filter(|token| !token.starts_with("--") && !token.starts_with("/*"))
            .map(str::to_owned)
            .collect();
        (!tokens.is_empty()).then_some(Code { text, token, tokens })
    }
}

struct Run<'a> {
    texts: &'a [Vec<String>],
    code: &'a [Code],
    seed: u64,
    numbers: Numbers,
}

/// Tries so many, on every core.
///
/// # Errors
///
/// No thread can be made.
pub fn run(
    corpora: &[Corpus],
    seed: u64,
    first: u64,
    count: u64,
    until: Option<Instant>,
) -> Result<Findings> {
    let mut texts = Vec::new();
    for text in corpora.iter().flat_map(|corpus| &corpus.texts).filter(|text| text.len() <= LONGEST) {
        let Some(reading) = oracle::read(text) else { continue };
        texts
            .push(reading.tokens.iter().map(|token| text[token.clone()].to_owned()).collect::<Vec<String>>());
    }
    let code: Vec<Code> = texts.iter().enumerate().filter_map(|(at, tokens)| Code::of(at, tokens)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let begun = Instant::now();
    let mut all = Findings::default();
    let (mut tried, mut valid, mut understood, mut next) = (0, 0, 0, u64::MAX);
    let results = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for core in 0..cores {
            let (texts, code) = (&texts, &code);
            let work = move || {
                Run { texts, code, seed, numbers: Numbers(seed) }.many(
                    first + core,
                    cores,
                    count / cores,
                    until,
                )
            };
            threads.push(std::thread::Builder::new().stack_size(crate::STACK).spawn_scoped(scope, work)?);
        }
        threads
            .into_iter()
            .map(|t| t.join().map_err(|_| anyhow::anyhow!("a thread panicked")))
            .collect::<Result<Vec<_>>>()
    })?;
    for result in results {
        tried += result.tried;
        valid += result.valid;
        understood += result.understood;
        next = next.min(result.next);
        all.merge(result.findings);
    }
    println!(
        "mutations: {tried} tried, {valid} valid for PostgreSQL, {understood} of those understood, seed {seed}, {:.0} s; go on with --first {next}",
        begun.elapsed().as_secs_f64()
    );
    Ok(all)
}

#[derive(Default)]
struct Tried {
    tried: u64,
    valid: u64,
    understood: u64,
    /// The number of the text that would have been next.
    next: u64,
    findings: Findings,
}

impl Run<'_> {
    /// Tries every so manieth text from `first` on. Each has numbers of its own, so that a run can go on from any of them.
    fn many(mut self, first: u64, step: u64, count: u64, until: Option<Instant>) -> Tried {
        let mut done = Tried { next: first, ..Tried::default() };
        while done.tried < count
            && (!done.tried.is_multiple_of(64) || until.is_none_or(|until| Instant::now() < until))
        {
            self.numbers = Numbers(Numbers(self.seed ^ done.next.wrapping_mul(0x2545_f491_4f6c_dd1d)).next());
            let text = self.text();
            done.tried += 1;
            done.next += step;
            let Some(reading) = oracle::read(&text) else {
                // What PostgreSQL refuses may still not end us; one in eight is enough to see it.
                if done.tried.is_multiple_of(8) && crate::compare::panics(&text) {
                    let finding = crate::compare::Finding::panic();
                    let outcome = crate::compare::Outcome { findings: vec![finding], ..Default::default() };
                    done.findings.add(&outcome, &text);
                }
                continue;
            };
            done.valid += 1;
            let outcome = compare(&text, &reading);
            done.understood += u64::from(outcome.verdicts.iter().all(|verdict| verdict.opaque.is_none()));
            done.findings.add(&outcome, &text);
        }
        done
    }

    fn text(&mut self) -> String {
        let texts = self.texts;
        if !self.code.is_empty() && self.numbers.below(4) == 0 {
            return self.code();
        }
        let mut tokens: Vec<&str> = Vec::new();
        tokens.extend(texts[self.numbers.below(texts.len())].iter().map(String::as_str));
        self.mutate(&mut tokens, SPICE, |run| &texts[run.numbers.below(texts.len())]);
        self.joined(&tokens)
    }

    /// A text with other code in it.
    fn code(&mut self) -> String {
        let all = self.code;
        let code = &all[self.numbers.below(all.len())];
        let mut inside: Vec<&str> = code.tokens.iter().map(String::as_str).collect();
        let spice = if self.numbers.below(2) == 0 { SPICE } else { SPICE_OF_CODE };
        self.mutate(&mut inside, spice, |run| &all[run.numbers.below(all.len())].tokens);
        let inside = format!("$mutated$ {} $mutated$", self.joined(&inside));
        let mut tokens: Vec<&str> = self.texts[code.text].iter().map(String::as_str).collect();
        tokens[code.token] = &inside;
        tokens.join(" ")
    }

    fn mutate<'t>(
        &mut self,
        tokens: &mut Vec<&'t str>,
        spice: &[&'t str],
        other_text: impl Fn(&mut Self) -> &'t Vec<String>,
    ) {
        for _ in 0..=self.numbers.below(3) {
            let at = self.numbers.below(tokens.len());
            let other = self.numbers.below(tokens.len());
            match self.numbers.below(11) {
                0 if tokens.len() > 1 => drop(tokens.remove(at)),
                1 if tokens.len() > 1 => tokens.swap(at, other),
                2 => tokens.insert(at, tokens[at]),
                3 | 4 => {
                    let from = other_text(self);
                    tokens[at] = &from[self.numbers.below(from.len())];
                }
                5 => tokens.insert(at, spice[self.numbers.below(spice.len())]),
                6 => tokens[at] = spice[self.numbers.below(spice.len())],
                7 => {
                    // One name, wherever it stands, and a word that may be one.
                    let (name, word) = (tokens[at], self.keyword());
                    tokens.iter_mut().filter(|token| **token == name).for_each(|token| *token = word);
                }
                // A label, or a name of one's own.
                8 => tokens.insert(at, self.keyword()),
                9 => {
                    tokens.insert(at, self.keyword());
                    tokens.insert(at, "AS");
                }
                _ => {
                    // Some of another statement, as it stands there.
                    let from = other_text(self);
                    let start = self.numbers.below(from.len());
                    let end = (start + 1 + self.numbers.below(6)).min(from.len());
                    tokens.splice(at..at, from[start..end].iter().map(String::as_str));
                }
            }
        }
    }

    fn keyword(&mut self) -> &'static str {
        KEYWORDS[self.numbers.below(KEYWORDS.len())]
    }

    fn joined(&mut self, tokens: &[&str]) -> String {
        let mut text = String::new();
        for token in tokens {
            text.push_str(token);
            // Tokens that touch are read as others; that is tried too.
            match self.numbers.below(40) {
                0 => {}
                1 => text.push_str("/**/"),
                2 => text.push('\n'),
                _ => text.push(' '),
            }
        }
        text
    }
}
