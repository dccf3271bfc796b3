//! Statements that hold SQL: SQL itself with its INTO, EXECUTE, RETURN, RAISE, cursors.

use super::{Body, Stop};
use crate::Effects;
use crate::lexer::{Kind, Token};
use crate::statement::Form;
use crate::utility::comma_parts;

impl<'t> Body<'_, '_, '_, '_, 't> {
    /// A statement of SQL, up to a semicolon outside of parentheses and of the body of a function that it makes; without
    /// its INTO and the variables behind it (`make_execsql_stmt`).
    pub(super) fn sql(&mut self) -> Option<()> {
        let text = self.at.text;
        let start = self.at.rest;
        let routine = makes_routine(text, start);
        let import = start.first().is_some_and(|token| token.is(text, "import"));
        let (mut parens, mut blocks) = (0_usize, 0_usize);
        let mut statement: Vec<Token> = Vec::new();
        let mut into = false;
        while let Some(token) = self.at.next() {
            match token.kind {
                Kind::LeftParen => parens += 1,
                Kind::RightParen => parens = parens.saturating_sub(1),
                Kind::Semicolon if parens == 0 && blocks == 0 => {
                    self.code.piece(&statement, Form::Statement);
                    return Some(());
                }
                Kind::Word if routine && parens == 0 => {
                    if token.is(text, "begin") || token.is(text, "case") {
                        blocks += 1;
                    } else if token.is(text, "end") {
                        blocks = blocks.saturating_sub(1);
                    }
                }
                _ => {}
            }
            if !token.is(text, "into") || import {
                statement.push(token);
                continue;
            }
            let mut before = statement.iter().rev();
            let writes = before.next().is_some_and(|b| b.is(text, "insert") || b.is(text, "merge"));
            if writes && before.next().is_some_and(|b| b.kind == Kind::Dot) {
                // A column of that name: what PL/pgSQL makes of it depends on how many dots there are.
                return None;
            }
            if writes {
                statement.push(token);
            } else if std::mem::replace(&mut into, true) {
                return None;
            } else {
                self.targets()?;
            }
        }
        None
    }

    /// EXECUTE of a text.
    pub(super) fn execute(&mut self) -> Option<()> {
        let ends = [Stop::Word("into"), Stop::Word("using"), Stop::Semicolon];
        let (query, mut stop) = self.until(&ends)?;
        self.dynamic(query)?;
        loop {
            match stop {
                Stop::Word("into") => {
                    self.targets()?;
                    stop = if self.at.eat("using") {
                        Stop::Word("using")
                    } else {
                        self.semicolon()?;
                        Stop::Semicolon
                    };
                }
                Stop::Word(_) => loop {
                    stop = self.expression(&[Stop::Comma, Stop::Semicolon, Stop::Word("into")])?;
                    if stop != Stop::Comma {
                        break;
                    }
                },
                _ => return Some(()),
            }
        }
    }

    /// The text of EXECUTE: a plain literal is read, and nothing else can be.
    pub(super) fn dynamic(&mut self, tokens: &[Token]) -> Option<()> {
        match tokens {
            [] => return None,
            [literal] if literal.kind.is_string() => self.code.nested(*literal),
            [first, ..] => {
                self.code.opaque_at("EXECUTE of a text that is made when it runs", Some(*first));
                self.selected(tokens)?;
            }
        }
        Some(())
    }

    pub(super) fn returning(&mut self) -> Option<()> {
        let text = self.at.text;
        if self.at.eat_kind(Kind::Semicolon) {
            return Some(());
        }
        let dotted = self.at.rest.get(1).is_some_and(|next| next.kind == Kind::Dot);
        if !dotted && self.at.eat("query") {
            return self.query();
        }
        if !dotted && self.at.eat("next") && self.at.eat_kind(Kind::Semicolon) {
            return Some(());
        }
        let (value, _) = self.until(&[Stop::Semicolon])?;
        // The row of a trigger goes back to where it came from.
        if let [row] = value
            && ["new", "old", "null"].iter().any(|word| row.is(text, word))
        {
            return Some(());
        }
        self.selected(value)
    }

    /// Values behind USING, up to the semicolon.
    fn using(&mut self, mut stop: Stop) -> Option<()> {
        while stop != Stop::Semicolon {
            stop = self.expression(&[Stop::Comma, Stop::Semicolon])?;
        }
        Some(())
    }

    pub(super) fn raise(&mut self) -> Option<()> {
        if self.at.eat_kind(Kind::Semicolon) {
            return Some(());
        }
        self.at.eat_one(&["exception", "warning", "notice", "info", "log", "debug"]);
        let mut stop = Stop::Comma;
        if self.at.string().is_some() {
            if self.at.eat_kind(Kind::Comma) {
                while stop == Stop::Comma {
                    stop = self.expression(&[Stop::Comma, Stop::Semicolon, Stop::Word("using")])?;
                }
                if stop == Stop::Semicolon {
                    return Some(());
                }
                return self.raise_options();
            }
        } else if self.at.eat("sqlstate") {
            self.at.string()?;
        } else if !self.at.sees("using") {
            self.at.label()?;
        }
        if self.at.eat("using") {
            return self.raise_options();
        }
        self.semicolon()
    }

    fn raise_options(&mut self) -> Option<()> {
        loop {
            self.at.label()?;
            if !self.at.eat_operator("=") && !self.at.eat_kind(Kind::ColonEquals) {
                return None;
            }
            if self.expression(&[Stop::Comma, Stop::Semicolon])? == Stop::Semicolon {
                return Some(());
            }
        }
    }

    /// GET DIAGNOSTICS
    pub(super) fn diagnostics(&mut self) -> Option<()> {
        self.at.eat_one(&["current", "stacked"]);
        self.word("diagnostics")?;
        loop {
            self.variable()?;
            if !self.at.eat_operator("=") && !self.at.eat_kind(Kind::ColonEquals) {
                return None;
            }
            self.at.label()?;
            if !self.at.eat_kind(Kind::Comma) {
                return self.semicolon();
            }
        }
    }

    pub(super) fn open(&mut self) -> Option<()> {
        let name = self.variable()?.pop()?;
        if self.at.sees_kind(Kind::Semicolon) || self.at.sees_kind(Kind::LeftParen) {
            let arguments = self.at.group().unwrap_or_default();
            self.opened(&name, arguments)?;
            return self.semicolon();
        }
        self.code.happens(Effects { reopens: true, ..Effects::default() }, false);
        let _ = self.at.eat_all(&["no", "scroll"]) || self.at.eat("scroll");
        self.word("for")?;
        self.query()
    }

    /// A query up to the semicolon, or EXECUTE of its text.
    fn query(&mut self) -> Option<()> {
        if self.at.eat("execute") {
            let (query, stop) = self.until(&[Stop::Word("using"), Stop::Semicolon])?;
            self.dynamic(query)?;
            return self.using(stop);
        }
        let (query, _) = self.until(&[Stop::Semicolon])?;
        if query.is_empty() {
            return None;
        }
        self.code.piece(query, Form::Statement);
        Some(())
    }

    /// A cursor that was declared with its query is opened: all of that name, whichever is in sight.
    pub(super) fn opened(&mut self, name: &str, arguments: &[Token]) -> Option<()> {
        for argument in comma_parts(arguments) {
            // name := value
            let value = match argument {
                [name, sign, value @ ..]
                    if name.kind.is_name()
                        && (sign.kind == Kind::ColonEquals || sign.written(self.at.text) == "=>") =>
                {
                    value
                }
                value => value,
            };
            self.selected(value)?;
        }
        self.code.happens(Effects { reopens: true, ..Effects::default() }, false);
        let queries = self.cursors.get(name)?.clone();
        for query in queries {
            if self.code.has_changed() {
                if !self.code.may_read_again(query) {
                    return None;
                }
                self.code.piece(query, Form::Statement);
            }
        }
        Some(())
    }

    /// FETCH … INTO: rows of any cursor that a variable may name, one of the session too, whose query runs as they come.
    pub(super) fn fetch(&mut self) -> Option<()> {
        let (from, _) = self.until(&[Stop::Word("into")])?;
        self.direction(from)?;
        self.code.happens(moves(), true);
        self.targets()?;
        self.semicolon()
    }

    pub(super) fn move_cursor(&mut self) -> Option<()> {
        let (from, _) = self.until(&[Stop::Semicolon])?;
        self.direction(from)?;
        self.code.happens(moves(), false);
        Some(())
    }

    pub(super) fn close(&mut self) -> Option<()> {
        self.variable()?;
        self.code.happens(Effects { reopens: true, ..Effects::default() }, false);
        self.semicolon()
    }

    /// `[direction FROM | IN] cursor`; how many may be an expression.
    fn direction(&mut self, tokens: &[Token]) -> Option<()> {
        const WORDS: [&str; 9] =
            ["next", "prior", "first", "last", "absolute", "relative", "forward", "backward", "all"];
        let text = self.at.text;
        let mut depth = 0_usize;
        let end = tokens.iter().position(|token| {
            match token.kind {
                Kind::LeftParen | Kind::LeftBracket => depth += 1,
                Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && (token.is(text, "from") || token.is(text, "in"))
        });
        let Some(end) = end else {
            return if tokens.iter().all(|t| t.kind.is_name() || t.kind == Kind::Dot) {
                Some(())
            } else {
                None
            };
        };
        let mut count = &tokens[..end];
        while let [first, rest @ ..] = count
            && WORDS.iter().any(|word| first.is(text, word))
        {
            count = rest;
        }
        if !count.is_empty() {
            self.selected(count)?;
        }
        Some(())
    }
}

/// What runs as rows of a cursor come.
fn moves() -> Effects {
    Effects { search_path: true, string_syntax: true, ..Effects::default() }
}

/// CREATE [OR REPLACE] FUNCTION or PROCEDURE.
fn makes_routine(text: &str, tokens: &[Token]) -> bool {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(text, word));
    let at = if is(1, "or") && is(2, "replace") { 3 } else { 1 };
    is(0, "create") && (is(at, "function") || is(at, "procedure"))
}
