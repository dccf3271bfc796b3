//! The tags of the messages that a frontend sends, by the manual's names.

/// Bind.
pub const BIND: u8 = b'B';
/// Close.
pub const CLOSE: u8 = b'C';
/// CopyData.
pub const COPY_DATA: u8 = b'd';
/// CopyDone.
pub const COPY_DONE: u8 = b'c';
/// CopyFail.
pub const COPY_FAIL: u8 = b'f';
/// Describe.
pub const DESCRIBE: u8 = b'D';
/// Execute.
pub const EXECUTE: u8 = b'E';
/// Flush.
pub const FLUSH: u8 = b'H';
/// FunctionCall.
pub const FUNCTION_CALL: u8 = b'F';
/// Parse.
pub const PARSE: u8 = b'P';
/// PasswordMessage, SASLInitialResponse, SASLResponse and GSSResponse: which of them, the state tells.
pub const PASSWORD: u8 = b'p';
/// Query.
pub const QUERY: u8 = b'Q';
/// Sync.
pub const SYNC: u8 = b'S';
/// Terminate.
pub const TERMINATE: u8 = b'X';

/// The message's name in the manual; `None` if no frontend sends such a message.
pub const fn name(tag: u8) -> Option<&'static str> {
    Some(match tag {
        BIND => "Bind",
        CLOSE => "Close",
        COPY_DATA => "CopyData",
        COPY_DONE => "CopyDone",
        COPY_FAIL => "CopyFail",
        DESCRIBE => "Describe",
        EXECUTE => "Execute",
        FLUSH => "Flush",
        FUNCTION_CALL => "FunctionCall",
        PARSE => "Parse",
        PASSWORD => "PasswordMessage",
        QUERY => "Query",
        SYNC => "Sync",
        TERMINATE => "Terminate",
        _ => return None,
    })
}
