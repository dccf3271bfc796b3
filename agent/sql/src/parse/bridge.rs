//! Our tokens as `sqlparser`'s, rewritten where it would read another statement than PostgreSQL, or none at all.
//!
//! A rewrite keeps every expression, name of a relation and type in its place, so that what is read covers what the
//! server does; what it leaves out says nothing of what is read or written: ONLY (the reading then covers more), modifiers
//! of operators, locks and windows, collations, words between the arguments of functions that the grammar knows.
//! Each is tried at a place where PostgreSQL's grammar takes these words for nothing else. Where that is not sure the
//! tokens go on as they are, and `sqlparser` refuses them.

mod calls;
mod clauses;
mod from;
mod grouping;
mod look;
mod only;
mod returning;
mod signs;

use std::ops::Range;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token as To, TokenWithSpan, Word};

use crate::keywords::{is_keyword, is_passed_on};
use crate::lexer::{Kind, Token};
use signs::{one, operator};

/// A slice of tokens, ready for `sqlparser`.
pub(super) struct Bridged {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Which of ours have no place of their own in the tree.
    pub(super) unplaced: Vec<bool>,
}

pub(super) fn bridge(text: &str, tokens: &[Token]) -> Bridged {
    bridge_from(text, tokens, Level::default())
}

/// The same of what follows a SELECT.
pub(super) fn bridge_selected(text: &str, tokens: &[Token]) -> Bridged {
    bridge_from(text, tokens, Level { query: true, ..Level::default() })
}

fn bridge_from(text: &str, tokens: &[Token], level: Level) -> Bridged {
    let mut bridge = Bridge {
        text,
        tokens,
        out: Vec::with_capacity(tokens.len() + 1),
        unplaced: vec![false; tokens.len()],
        levels: vec![level],
        rows: Vec::new(),
        ahead: tokens.len().saturating_mul(8),
    };
    bridge.range(0..tokens.len());
    Bridged { tokens: bridge.out, unplaced: bridge.unplaced }
}

/// What is known inside the parentheses or brackets at hand.
#[derive(Default)]
struct Level {
    /// SELECT, DELETE or UPDATE has been met: FROM is theirs.
    query: bool,
    /// Inside of a list of relations: FROM's, or USING's.
    lists: bool,
    /// Inside of SET's list.
    assigns: bool,
    /// CASEs without their END.
    cases: usize,
    /// They are those of `substring(…)`.
    substring: bool,
}

struct Bridge<'a> {
    text: &'a str,
    tokens: &'a [Token],
    out: Vec<TokenWithSpan>,
    unplaced: Vec<bool>,
    /// Innermost last; never empty.
    levels: Vec<Level>,
    /// What the list at hand calls the rows that RETURNING calls `old` and `new`.
    rows: Vec<(String, &'static str)>,
    /// How many tokens may still be looked at ahead where no parentheses bound it.
    ahead: usize,
}

impl Bridge<'_> {
    fn range(&mut self, range: Range<usize>) {
        let mut index = range.start;
        while index < range.end {
            index += self.step(index).max(1);
        }
    }

    /// Passes on what begins at this token; how many tokens that were.
    fn step(&mut self, index: usize) -> usize {
        if let Some(row) = self.row_called(index) {
            self.push(index, quoted(row));
            return 1;
        }
        let token = self.tokens[index];
        let rewritten = match token.kind {
            // Of a word for a type sqlparser takes no more than the word, and what is behind the dot for a field of the value.
            Kind::Word if self.is_schema_of_type(index) => {
                let schema = token.name(self.text);
                self.push(index, quoted(&schema));
                1
            }
            Kind::Word => {
                let word = token.name(self.text);
                match self.word(index, &word) {
                    0 => self.typed_literal(index),
                    rewritten => rewritten,
                }
            }
            Kind::Quoted | Kind::UnicodeQuoted => self.typed_literal(index),
            Kind::Dot if self.is_operator(index + 1, "*") => {
                // The star becomes a name, which no text can hold: sqlparser takes it at the end of any reference.
                self.pass(index);
                self.push(index + 1, quoted("*"));
                2
            }
            Kind::Operator if self.is_star_of_relation(index) => self.drop(index, 1),
            Kind::String => self.frame_bound(index),
            Kind::Comma if self.level().assigns => {
                self.pass(index);
                1 + self.assignment(index + 1)
            }
            Kind::LeftParen | Kind::LeftBracket => self.open(index),
            Kind::RightParen | Kind::RightBracket => {
                if self.levels.len() > 1 {
                    self.levels.pop();
                }
                0
            }
            _ => 0,
        };
        if rewritten == 0 {
            self.pass(index);
        }
        rewritten
    }

    /// Whether the name at hand is the schema of the type of a cast.
    fn is_schema_of_type(&self, index: usize) -> bool {
        let kind = |at: Option<usize>| at.and_then(|at| self.tokens.get(at)).map(|token| token.kind);
        kind(index.checked_sub(1)) == Some(Kind::ColonColon) && kind(index.checked_add(1)) == Some(Kind::Dot)
    }

    /// What a word begins that is rewritten; 0: nothing.
    fn word(&mut self, index: usize, word: &str) -> usize {
        match word {
            "select" | "delete" | "update" => {
                let level = self.level_mut();
                level.query = true;
                level.lists = false;
                0
            }
            "from" if self.is_trims(index) => self.drop(index, 1),
            "from" if !self.is_label(index) => {
                let lists = self.level().query && !self.is_before(index, "distinct");
                let level = self.level_mut();
                level.assigns = false;
                level.lists |= lists;
                0
            }
            "returning" if self.is(index + 1, "with") => self.returning_with(index),
            "where" | "returning" | "when" => {
                let level = self.level_mut();
                level.assigns = false;
                level.lists = false;
                0
            }
            "group" | "having" | "order" | "limit" | "offset" | "for" | "window" | "union" | "intersect"
            | "except" => {
                self.level_mut().lists = false;
                0
            }
            "set" => {
                self.level_mut().lists = false;
                let lists = self.kind(index + 1).is_some_and(|k| k.is_name() || k == Kind::LeftParen);
                self.level_mut().assigns = lists;
                if lists {
                    self.pass(index);
                    1 + self.assignment(index + 1)
                } else {
                    0
                }
            }
            "case" if !self.is_label(index) => {
                self.level_mut().cases += 1;
                0
            }
            "end" if !self.is_label(index) => {
                let level = self.level_mut();
                match level.cases.checked_sub(1) {
                    Some(cases) => {
                        level.cases = cases;
                        0
                    }
                    // Without a CASE it can only be a label.
                    None => self.replace(index, quoted("end")),
                }
            }
            "only" => self.only(index),
            "table" if self.table_is_query(index) => {
                for word in [keyword("select", Keyword::SELECT), To::Mul, keyword("from", Keyword::FROM)] {
                    self.push(index, word);
                }
                1
            }
            "operator" => self.named_operator(index),
            "using" => match self.merge_source(index) {
                0 => self.using(index),
                rewritten => rewritten,
            },
            "grouping" => self.grouping_sets(index),
            // GROUP BY DISTINCT, GROUP BY ALL: how often equal sets of groups are given.
            "distinct" | "all" if self.is_before(index, "by") && self.is_two_before(index, "group") => {
                self.drop(index, 1)
            }
            // LIKE ALL (…) and LIKE SOME (…) hold the same operands against each other as LIKE ANY (…), which sqlparser knows.
            "all" | "some" if self.is_before_pattern(index) => {
                self.replace(index, keyword("any", Keyword::ANY))
            }
            // The national types are the others by another name (src/backend/parser/gram.y, character).
            "national"
                if self.is_type_begun(index)
                    && (self.is(index + 1, "char") || self.is(index + 1, "character")) =>
            {
                self.drop(index, 1)
            }
            // Behind AS a list in parentheses that begins with a name is one of columns, and `nchar` what they are of.
            "nchar"
                if self.is_type_begun(index)
                    && (self.is(index + 1, "varying")
                        || self.kind(index + 1) == Some(Kind::LeftParen)
                            && self.kind(index + 2) == Some(Kind::Integer)) =>
            {
                self.replace(index, To::make_word("char", None))
            }
            "fetch" => self.fetch(index),
            "at" => self.at_local(index),
            "current" => self.current_of(index),
            // IS NULL in one word, which may be a function's too.
            "isnull" if !self.is_label(index) && self.kind(index + 1) != Some(Kind::LeftParen) => {
                self.push(index, keyword("is", Keyword::IS));
                self.replace(index, keyword("null", Keyword::NULL))
            }
            "values" if self.is_compared_with(index) => self.compared_values(index),
            "as" => self.column_definitions(index),
            "rows" => self.rows_from(index),
            "tablesample" => self.sample(index),
            "search" | "cycle" => self.search_or_cycle(index),
            // It would be taken for the name of the last column.
            "on" if self.ends_select_list(index) => {
                self.push(index, keyword("where", Keyword::WHERE));
                self.push(index, keyword("true", Keyword::TRUE));
                self.pass(index);
                1
            }
            "conflict" if self.is_before(index, "on") => self.conflict(index),
            "substring" if self.kind(index + 1) == Some(Kind::LeftParen) => {
                self.pass(index);
                let opened = self.open(index + 1);
                if opened == 0 {
                    self.pass(index + 1);
                }
                self.level_mut().substring = true;
                1 + opened.max(1)
            }
            "similar" | "escape" if self.level().substring && !self.is(index + 1, "to") => {
                // substring(x SIMILAR y ESCAPE z) is the function of three arguments.
                self.level_mut().substring = word == "similar";
                self.replace(index, To::Comma)
            }
            "collation" if self.is(index + 1, "for") && self.kind(index + 2) == Some(Kind::LeftParen) => {
                self.push(index, To::make_word("pg_collation_for", None));
                self.unplaced[index + 1] = true;
                2
            }
            "insert" if self.is_before(index, "then") && self.are(index + 1, &["default", "values"]) => {
                self.pass(index);
                self.pass(index + 2);
                self.push(index + 1, To::LParen);
                self.pass(index + 1);
                self.push(index + 1, To::RParen);
                3
            }
            "source" | "target" if self.is_before(index, "by") && self.is_two_before(index, "matched") => {
                let keyword = To::make_word(word, None);
                self.replace(index, keyword)
            }
            // Other questions about the same value.
            "document" | "normalized" if self.is_asked(index) => {
                self.replace(index, keyword("null", Keyword::NULL))
            }
            "json" if self.is_asked(index) => {
                let words = self.kind_of_json(index);
                self.unplaced[index + 1..index + words].fill(true);
                self.replace(index, keyword("null", Keyword::NULL));
                words
            }
            "nfc" | "nfd" | "nfkc" | "nfkd" if self.is_asked(index) && self.is(index + 1, "normalized") => {
                self.unplaced[index + 1] = true;
                self.replace(index, keyword("null", Keyword::NULL)) + 1
            }
            _ => {
                let modifiers = self.modifiers(index, word);
                if modifiers > 0 {
                    return self.drop(index, modifiers);
                }
                self.special_call(index, word)
            }
        }
    }

    /// How many words IS JSON … has from JSON on.
    fn kind_of_json(&self, index: usize) -> usize {
        let kinds = ["value", "array", "object", "scalar"];
        let kind = 1 + usize::from(kinds.into_iter().any(|word| self.is(index + 1, word)));
        let unique = ["with", "without"].into_iter().any(|word| self.are(index + kind, &[word, "unique"]));
        match unique {
            true => kind + 2 + usize::from(self.is(index + kind + 2, "keys")),
            false => kind,
        }
    }

    /// How many words from here on only modify what stands around them.
    fn modifiers(&self, index: usize, word: &str) -> usize {
        let after = |word| self.is_before(index, word);
        match word {
            "overriding"
                if (self.is(index + 1, "system") || self.is(index + 1, "user"))
                    && self.is(index + 2, "value") =>
            {
                3
            }
            // FOR NO KEY UPDATE, FOR KEY SHARE: weaker locks of the same rows.
            "no" if after("for") && self.are(index + 1, &["key", "update"]) => 2,
            "key" if after("for") && self.is(index + 1, "share") => 1,
            // Reserved words that change how the same operands are compared or passed; of a column called `between` a label.
            "symmetric" | "asymmetric" if after("between") && !self.ends_item(index + 1) => 1,
            "variadic"
                if self.before(index).is_some_and(|t| matches!(t.kind, Kind::LeftParen | Kind::Comma)) =>
            {
                1
            }
            // Behind the end of a window's frame, and before the end of the window.
            "exclude" if after("row") || after("preceding") || after("following") => {
                let words: [&[&str]; 4] = [&["current", "row"], &["no", "others"], &["group"], &["ties"]];
                let fits = |words: &&&[&str]| {
                    self.are(index + 1, words) && self.kind(index + 1 + words.len()) == Some(Kind::RightParen)
                };
                words.iter().find(fits).map_or(0, |words| 1 + words.len())
            }
            // A reserved word: behind an expression and before a name it is nothing but the clause.
            "collate" if !self.is_label(index) => match self.chain(index + 1) {
                0 => 0,
                names => 1 + names,
            },
            _ => 0,
        }
    }

    /// Whether what stands here can be a type: behind `::`, or behind AS where words follow that no label has.
    fn is_type_begun(&self, index: usize) -> bool {
        self.before(index).is_some_and(|token| token.kind == Kind::ColonColon) || self.is_before(index, "as")
    }

    /// Whether this FROM follows no characters to trim: `trim(FROM x)`, `trim(LEADING FROM x)`.
    fn is_trims(&self, index: usize) -> bool {
        let sides = ["both", "leading", "trailing"];
        let side = usize::from(sides.into_iter().any(|side| self.is_before(index, side)));
        let open = index.checked_sub(1 + side);
        open.is_some_and(|open| self.kind(open) == Some(Kind::LeftParen) && self.is_before(open, "trim"))
    }

    /// Whether what follows LIKE or ILIKE here are patterns in parentheses.
    fn is_before_pattern(&self, index: usize) -> bool {
        let like = self.is_before(index, "like") || self.is_before(index, "ilike");
        like && self.kind(index + 1) == Some(Kind::LeftParen)
    }

    /// Whether a query that begins there is what ANY or ALL compare with.
    fn is_compared_with(&self, index: usize) -> bool {
        self.before(index).is_some_and(|token| token.kind == Kind::LeftParen)
            && ["any", "some", "all"].into_iter().any(|word| self.is_two_before(index, word))
    }

    /// `ANY (VALUES …)` as ANY of a query from it.
    fn compared_values(&mut self, index: usize) -> usize {
        let Some(end) = self.closing(index - 1) else { return 0 };
        for token in [keyword("select", Keyword::SELECT), To::Mul, keyword("from", Keyword::FROM), To::LParen]
        {
            self.push(index, token);
        }
        self.pass(index);
        self.range(index + 1..end);
        self.push(index, To::RParen);
        end - index
    }

    /// `OPERATOR(schema.op)`: PostgreSQL's own as the operator itself, another with its schema.
    fn named_operator(&mut self, index: usize) -> usize {
        let text = self.text;
        if self.kind(index + 1) != Some(Kind::LeftParen) {
            return 0;
        }
        let mut at = index + 2;
        let schema = self.kind(at).is_some_and(Kind::is_name) && self.kind(at + 1) == Some(Kind::Dot);
        let schema = schema.then(|| self.tokens[at].name(text).into_owned());
        if schema.is_some() {
            at += 2;
        }
        if self.kind(at) != Some(Kind::Operator) || self.kind(at + 1) != Some(Kind::RightParen) {
            return 0;
        }
        let written = self.tokens[at].written(text);
        let token = match schema.as_deref() {
            None | Some("pg_catalog") => operator(written),
            Some(schema) => To::CustomBinaryOperator(format!("{schema}.{written}")),
        };
        self.push(index, token);
        self.skip(index..at + 2);
        at + 2 - index
    }

    /// `type 'literal'` as a cast, where `sqlparser` does not know the type's name for one.
    fn typed_literal(&mut self, index: usize) -> usize {
        let names = self.chain(index);
        if names == 0 || !self.kind(index + names).is_some_and(Kind::is_string) || self.is_before_dot(index) {
            return 0;
        }
        let first = self.tokens[index];
        if names == 1 && first.kind == Kind::Word {
            let word = first.name(self.text);
            // Of the keywords only those that no other place of the grammar has before a string.
            let is_type = matches!(&*word, "text" | "name" | "path" | "xml");
            if !is_type && (is_passed_on(&word) || is_keyword(&word)) {
                return 0;
            }
        }
        let literal = index + names;
        self.push(literal, To::make_word("cast", None));
        self.push(literal, To::LParen);
        self.pass(literal);
        self.push(literal, keyword("as", Keyword::AS));
        for at in index..literal {
            self.pass(at);
        }
        self.push(literal, To::RParen);
        names + 1
    }

    fn level(&self) -> &Level {
        self.levels.last().unwrap_or(&OUTSIDE)
    }

    fn level_mut(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// Passes a token on as it is.
    fn pass(&mut self, index: usize) {
        self.push(index, one(self.text, self.tokens[index]));
    }

    /// Passes another token on, from the place of ours at `index`.
    fn push(&mut self, index: usize, token: To) {
        let column = index as u64 + 1;
        let span = Span::new(Location::new(1, column), Location::new(1, column));
        self.out.push(TokenWithSpan { token, span });
    }

    fn replace(&mut self, index: usize, token: To) -> usize {
        self.push(index, token);
        self.unplaced[index] = true;
        1
    }

    /// Leaves so many tokens out.
    fn drop(&mut self, index: usize, count: usize) -> usize {
        self.skip(index..index + count);
        count
    }

    fn skip(&mut self, range: Range<usize>) {
        self.unplaced[range].fill(true);
    }
}

const OUTSIDE: Level = Level { query: false, lists: false, assigns: false, cases: 0, substring: false };

fn keyword(value: &str, keyword: Keyword) -> To {
    To::Word(Word { value: value.to_owned(), quote_style: None, keyword })
}

/// A quoted name.
fn quoted(value: &str) -> To {
    To::Word(Word { value: value.to_owned(), quote_style: Some('"'), keyword: Keyword::NoKeyword })
}
