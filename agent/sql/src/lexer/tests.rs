//! Lexer cases.
