//! PL/pgSQL, cut into its statements as PostgreSQL's own grammar cuts it (`src/pl/plpgsql/src/pl_gram.y`, 14 to 18): by
//! reserved words outside of parentheses, whatever stands between. What stands between is SQL, and is read as such.
//!
//! The server compiles all of a body before it runs any of it, so that what is not cut so is no body. Which branch is
//! taken, how often a loop runs and what an error takes back is not followed; a loop is read twice where its first time
//! changes what names mean.

mod declare;
mod loops;
mod others;

use std::collections::BTreeMap;

use super::sequence::Code;
use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};
use crate::statement::Form;

/// Blocks and statements within each other.
const MAX_NESTING: usize = 200;

/// Words that PL/pgSQL reserves (`pl_reserved_kwlist.h`): none of them is a variable's name without quotes.
const RESERVED: [&str; 24] = [
    "all", "begin", "by", "case", "declare", "else", "end", "execute", "for", "foreach", "from", "if", "in",
    "into", "loop", "not", "null", "or", "strict", "then", "to", "using", "when", "while",
];

/// What ends a piece of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Word(&'static str),
    Semicolon,
    Comma,
    /// `..`
    Range,
}

impl Stop {
    fn is(self, token: Token, text: &str) -> bool {
        match self {
            Stop::Word(word) => token.is(text, word),
            Stop::Semicolon => token.kind == Kind::Semicolon,
            Stop::Comma => token.kind == Kind::Comma,
            Stop::Range => token.kind == Kind::Operator && token.written(text) == "..",
        }
    }
}

/// A body as it is read.
struct Body<'b, 'c, 'r, 'a, 't> {
    code: &'b mut Code<'c, 'r, 'a>,
    at: Cursor<'t>,
    /// Cursors that are declared with their queries, which run where they are opened.
    cursors: BTreeMap<String, Vec<&'t [Token]>>,
    depth: usize,
}

impl Code<'_, '_, '_> {
    /// Reads a body in PL/pgSQL.
    pub(crate) fn plpgsql(&mut self, tokens: &[Token]) {
        for name in ["found", "sqlstate", "sqlerrm"] {
            self.values.add(name);
        }
        let values = self.values.clone();
        self.body(tokens);
        let loops = tokens.iter().any(|token| token.is(self.text, "loop"));
        if loops && self.is_unsettled() {
            // What a loop does at its end comes before its beginning.
            self.values = values;
            self.settle(tokens);
            self.body(tokens);
        }
        self.strings(tokens);
    }

    fn body(&mut self, tokens: &[Token]) {
        let at = Cursor::new(self.text, tokens);
        // The text outlives the code.
        let mut body = Body { code: self, at, cursors: BTreeMap::new(), depth: 0 };
        let whole = body.whole();
        let at = body.at;
        if whole.is_none() || !at.is_end() {
            let token = at.peek().or_else(|| tokens.last().copied());
            self.opaque_at("unsupported syntax of PL/pgSQL", token);
        }
    }
}

impl<'t> Body<'_, '_, '_, '_, 't> {
    /// `#option …`, the block, and perhaps a semicolon.
    fn whole(&mut self) -> Option<()> {
        while self.at.eat_operator("#") {
            self.at.label()?;
            self.at.label()?;
        }
        self.label()?;
        self.block()?;
        self.at.eat_kind(Kind::Semicolon);
        Some(())
    }

    /// `<<label>>`, if there is one.
    fn label(&mut self) -> Option<bool> {
        if !self.at.eat_operator("<<") {
            return Some(false);
        }
        let label = self.identifier()?;
        self.code.values.add(label);
        self.at.eat_operator(">>").then_some(true)
    }

    /// `[DECLARE …] BEGIN … [EXCEPTION …] END [label]`.
    fn block(&mut self) -> Option<()> {
        if self.at.sees("declare") {
            self.declarations()?;
        }
        self.word("begin")?;
        self.statements()?;
        if self.at.eat("exception") {
            while self.at.eat("when") {
                self.until(&[Stop::Word("then")])?;
                self.statements()?;
            }
        }
        self.word("end")?;
        if !self.at.sees_kind(Kind::Semicolon) && !self.at.is_end() {
            self.identifier()?;
        }
        Some(())
    }

    /// Statements up to what ends or parts a block.
    fn statements(&mut self) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return None;
        }
        loop {
            let ends = ["end", "exception", "elsif", "elseif", "else", "when"];
            if ends.iter().any(|word| self.at.sees(word)) && !self.assigns() {
                break;
            }
            self.statement()?;
        }
        self.depth -= 1;
        Some(())
    }

    /// Whether the word ahead is a variable that gets a value.
    fn assigns(&self) -> bool {
        let [first, second, ..] = self.at.rest else { return false };
        let text = self.at.text;
        let is_name = first.kind == Kind::Parameter
            || (first.kind.is_name() && !RESERVED.iter().any(|word| first.is(text, word)));
        is_name
            && (matches!(second.kind, Kind::ColonEquals | Kind::LeftBracket | Kind::Dot)
                || (second.kind == Kind::Operator && second.written(text) == "="))
    }

    fn statement(&mut self) -> Option<()> {
        let labelled = self.label()?;
        if labelled
            && !["declare", "begin", "loop", "while", "for", "foreach"].iter().any(|w| self.at.sees(w))
        {
            return None;
        }
        if self.at.sees("declare") || self.at.sees("begin") {
            self.block()?;
            return self.semicolon();
        }
        if self.assigns() {
            return self.assignment();
        }
        let first = self.at.peek().filter(|token| token.kind.is_name())?;
        let word = if first.kind == Kind::Word { first.name(self.at.text) } else { "\"".into() };
        let start = self.at;
        self.at.next();
        match &*word {
            "if" => self.conditional(),
            "case" => self.case(),
            "loop" => self.loop_body(),
            "while" => {
                self.expression(&[Stop::Word("loop")])?;
                self.loop_body()
            }
            "for" => self.for_loop(),
            "foreach" => self.for_each(),
            "exit" | "continue" => self.exit(),
            "return" => self.returning(),
            "raise" => self.raise(),
            "assert" => {
                if self.expression(&[Stop::Comma, Stop::Semicolon])? == Stop::Comma {
                    self.expression(&[Stop::Semicolon])?;
                }
                Some(())
            }
            "perform" => self.expression(&[Stop::Semicolon]).map(|_| ()),
            "execute" => self.execute(),
            "get" => self.diagnostics(),
            "open" => self.open(),
            "fetch" => self.fetch(),
            "move" => self.move_cursor(),
            "close" => self.close(),
            "null" => self.semicolon(),
            "call" | "do" | "commit" | "rollback" => {
                self.at = start;
                let (statement, _) = self.until(&[Stop::Semicolon])?;
                self.code.piece(statement, Form::Statement);
                Some(())
            }
            "\"" => None,
            word if RESERVED.contains(&word) => None,
            _ => {
                self.at = start;
                self.sql()
            }
        }
    }

    /// `variable := expression`
    fn assignment(&mut self) -> Option<()> {
        let (all, _) = self.until(&[Stop::Semicolon])?;
        let text = self.at.text;
        let mut depth = 0_usize;
        let sign = all.iter().position(|token| {
            match token.kind {
                Kind::LeftBracket | Kind::LeftParen => depth += 1,
                Kind::RightBracket | Kind::RightParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
                && (token.kind == Kind::ColonEquals
                    || (token.kind == Kind::Operator && token.written(text) == "="))
        })?;
        let (target, value) = (&all[..sign], all.get(sign + 1..)?);
        if target.iter().any(|token| token.kind == Kind::LeftBracket) {
            // Its subscripts are expressions.
            self.code.piece(target, Form::Selected);
        }
        self.selected(value)
    }

    fn conditional(&mut self) -> Option<()> {
        loop {
            self.expression(&[Stop::Word("then")])?;
            self.statements()?;
            if self.at.eat_one(&["elsif", "elseif"]).is_none() {
                break;
            }
        }
        if self.at.eat("else") {
            self.statements()?;
        }
        self.word("end")?;
        self.word("if")?;
        self.semicolon()
    }

    fn case(&mut self) -> Option<()> {
        if !self.at.eat("when") {
            self.expression(&[Stop::Word("when")])?;
        }
        loop {
            self.expression(&[Stop::Word("then")])?;
            self.statements()?;
            if !self.at.eat("when") {
                break;
            }
        }
        if self.at.eat("else") {
            self.statements()?;
        }
        self.word("end")?;
        self.word("case")?;
        self.semicolon()
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.at.eat(word).then_some(())
    }

    fn semicolon(&mut self) -> Option<()> {
        self.at.eat_kind(Kind::Semicolon).then_some(())
    }

    /// The tokens up to one of these outside of parentheses, which is stepped over (`read_sql_construct`).
    fn until(&mut self, stops: &[Stop]) -> Option<(&'t [Token], Stop)> {
        let mut depth = 0_usize;
        for (index, token) in self.at.rest.iter().enumerate() {
            if depth == 0
                && let Some(stop) = stops.iter().copied().find(|stop| stop.is(*token, self.at.text))
            {
                let piece = &self.at.rest[..index];
                self.at.rest = &self.at.rest[index + 1..];
                return Some((piece, stop));
            }
            match token.kind {
                Kind::LeftParen | Kind::LeftBracket => depth += 1,
                Kind::RightParen | Kind::RightBracket => depth = depth.checked_sub(1)?,
                Kind::Semicolon => return None,
                _ => {}
            }
        }
        None
    }

    /// An expression up to one of these.
    fn expression(&mut self, stops: &[Stop]) -> Option<Stop> {
        let (tokens, stop) = self.until(stops)?;
        self.selected(tokens)?;
        Some(stop)
    }

    /// An expression: what follows the SELECT that PL/pgSQL sets before it.
    fn selected(&mut self, tokens: &[Token]) -> Option<()> {
        if tokens.is_empty() {
            return None;
        }
        self.code.piece(tokens, Form::Selected);
        Some(())
    }

    /// Names of variables with commas between, perhaps behind STRICT (`read_into_target`).
    fn targets(&mut self) -> Option<()> {
        self.at.eat("strict");
        loop {
            self.variable()?;
            if !self.at.eat_kind(Kind::Comma) {
                return Some(());
            }
        }
    }

    /// A word that is not reserved, or a quoted name.
    fn identifier(&mut self) -> Option<String> {
        let first = self.at.peek().filter(|token| token.kind.is_name())?;
        if RESERVED.iter().any(|word| first.is(self.at.text, word)) {
            return None;
        }
        self.at.label().map(std::borrow::Cow::into_owned)
    }

    /// `name[.name …]`
    fn variable(&mut self) -> Option<Vec<String>> {
        let is_parameter = self.at.sees_kind(Kind::Parameter);
        let first = self.at.peek().filter(|token| is_parameter || token.kind.is_name())?;
        if RESERVED.iter().any(|word| first.is(self.at.text, word)) {
            return None;
        }
        self.at.next();
        let mut parts = vec![first.name(self.at.text).into_owned()];
        while self.at.eat_kind(Kind::Dot) {
            parts.push(self.at.label()?.into_owned());
        }
        Some(parts)
    }
}
