//! The top-level modules that a source text names, by reading it as text: comments and literals out, then
//! every path that begins at the crate's root, spelled `crate::`, `portreeve::` or with enough `super::`.

/// The crate's name as its program spells it.
const CRATE: &str = "portreeve";

/// What a path names right after the crate's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Module(String),
    /// `crate::*`.
    Everything,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`.
    Separator,
    Other(char),
}

/// The roots with their lines (from 1), in the text of a module that lies `depth` levels below the root.
pub(super) fn roots(text: &str, depth: usize) -> Vec<(usize, Root)> {
    let mut reader = Reader { tokens: tokens(text), at: 0, depth, found: Vec::new() };
    reader.read();
    reader.found
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// Levels below the root at this place, counting `mod x { … }` in the text.
    depth: usize,
    found: Vec<(usize, Root)>,
}

impl Reader {
    fn read(&mut self) {
        // For each open brace, whether it is a module's.
        let mut braces = Vec::new();
        while let Some(token) = self.token(0).cloned() {
            let begins_path = self.at == 0 || !matches!(self.before(), Token::Separator | Token::Other('$'));
            match token {
                Token::Word(word) if word == "mod" && matches!(self.token(2), Some(Token::Other('{'))) => {
                    braces.push(true);
                    self.depth += 1;
                    self.at += 3;
                }
                Token::Other('{') => {
                    braces.push(false);
                    self.at += 1;
                }
                Token::Other('}') => {
                    if braces.pop() == Some(true) {
                        self.depth -= 1;
                    }
                    self.at += 1;
                }
                Token::Word(word)
                    if begins_path
                        && (word == "crate" || word == "super" || word == CRATE)
                        && self.token(1) == Some(&Token::Separator) =>
                {
                    self.tree(None);
                }
                _ => self.at += 1,
            }
        }
    }

    /// Reads a path or a tree of a `use`. `up` is how many levels above this place the path has come to;
    /// none before its first word.
    fn tree(&mut self, up: Option<usize>) {
        let line = self.tokens.get(self.at).map_or(0, |(line, _)| *line);
        match self.token(0).cloned() {
            Some(Token::Word(word)) => {
                self.at += 1;
                let further = self.token(0) == Some(&Token::Separator);
                let above = match (word.as_str(), up) {
                    ("super", up) => Some(up.unwrap_or(0) + 1),
                    ("self", up) => up,
                    ("crate", _) => Some(self.depth),
                    (name, None) if name == CRATE => Some(self.depth),
                    (_, Some(up)) if up == self.depth => {
                        self.found.push((line, Root::Module(word)));
                        None
                    }
                    _ => None,
                };
                if further {
                    self.at += 1;
                    match above {
                        Some(_) => self.tree(above),
                        // Below a module that is named already, or outside the crate: read over it.
                        None => self.rest(),
                    }
                }
            }
            Some(Token::Other('*')) => {
                self.at += 1;
                if up == Some(self.depth) {
                    self.found.push((line, Root::Everything));
                }
            }
            Some(Token::Other('{')) => {
                self.at += 1;
                while let Some(token) = self.token(0).cloned() {
                    match token {
                        Token::Other('}') => {
                            self.at += 1;
                            return;
                        }
                        Token::Other(',') => self.at += 1,
                        // `x as y`
                        Token::Word(word) if word == "as" => self.at += 2,
                        Token::Word(_) | Token::Other('*' | '{') => self.tree(up),
                        Token::Separator | Token::Other(_) => self.at += 1,
                    }
                }
            }
            _ => {}
        }
    }

    /// What follows a module that was named: more words, or a whole tree.
    fn rest(&mut self) {
        loop {
            match self.token(0) {
                Some(Token::Word(_)) => self.at += 1,
                Some(Token::Other('{')) => {
                    self.braces();
                    return;
                }
                _ => return,
            }
            if self.token(0) != Some(&Token::Separator) {
                return;
            }
            self.at += 1;
        }
    }

    fn braces(&mut self) {
        let mut open = 0_usize;
        while let Some(token) = self.token(0) {
            match token {
                Token::Other('{') => open += 1,
                Token::Other('}') => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn before(&self) -> &Token {
        self.tokens.get(self.at.wrapping_sub(1)).map_or(&Token::Separator, |(_, token)| token)
    }
}

/// Words and signs with their lines; comments, strings and characters are passed over.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '"' => string(rest),
            '\'' => character(rest),
            ':' if rest.starts_with("::") => {
                tokens.push((line, Token::Separator));
                2
            }
            _ if is_word(first) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                match raw_string(rest, length) {
                    Some(length) => length,
                    None => {
                        tokens.push((line, Token::Word(rest[..length].to_owned())));
                        length
                    }
                }
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push((line, Token::Other(first)));
                }
                first.len_utf8()
            }
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A block comment's length; they nest.
fn comment(text: &str) -> usize {
    let (mut open, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            open += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            open -= 1;
            at += 2;
            if open == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// A string literal's length, from its quote on.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"…"`, `br#"…"#` and the like, if the word of `word` bytes begins one.
fn raw_string(text: &str, word: usize) -> Option<usize> {
    if !matches!(&text[..word], "r" | "br" | "cr") {
        return None;
    }
    let hashes = text[word..].bytes().take_while(|byte| *byte == b'#').count();
    let inside = text[word + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(word + hashes + 1 + length)
}

/// The length of a character literal, or of a lifetime's apostrophe.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        // `'\n'`, `'\u{1f600}'`: to the next apostrophe that is not the escaped one.
        Some((_, '\\')) => text.get(3..).and_then(|rest| rest.find('\'')).map_or(text.len(), |at| at + 4),
        Some((_, _)) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}
