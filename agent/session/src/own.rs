//! The SQL and the messages that a session sends on its own account: a closed list.
//!
//! A refusal is PostgreSQL's own: in the place of the refused message the server gets one that must fail, and
//! its ErrorResponse is replaced by ours. So the order of replies, the skip to Sync and the state of the
//! transaction are what PostgreSQL makes of an error. Each of these messages fails for a reason that no state
//! of the server can take away.

use bytes::BytesMut;
use pgwire::EncodeError;
use pgwire::frontend::{Target, encode};

/// A message of the session's own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Own<'a> {
    /// Asks for the effective schemas, in order, up to a Sync: by a statement and a portal of this name, since a
    /// Query would take the client's unnamed statement and portal with it.
    Facts { name: &'a [u8] },
    /// Describe of the client's portal; its answer is swallowed.
    DescribePortal(&'a [u8]),
    /// A Query that is a syntax error.
    FailingQuery,
    /// A Parse under the client's name whose text is a syntax error.
    FailingParse(&'a [u8]),
    /// A Bind of a statement that is not there, for the client's portal.
    FailingBind { portal: &'a [u8], absent: &'a [u8] },
    /// An Execute of a portal that is not there.
    FailingExecute { absent: &'a [u8] },
    /// The client's Bind of a statement that is not there: closed before, lest the server has one all the same. What it
    /// says is then what it says to the client's own.
    AbsentBind { portal: &'a [u8], statement: &'a [u8] },
    /// The client's Execute of a portal that is not there, likewise.
    AbsentExecute(&'a [u8]),
    /// A FunctionCall of a function that is not there (OID 0 is none).
    FailingFunctionCall,
    /// The client is gone.
    Terminate,
}

/// One row for each schema. Every name is qualified, so that no search path can change what runs.
pub(crate) const FACTS: &str = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))";

/// Begins with a word that no statement begins with.
const REFUSED: &[u8] = b"refused by portreeve";

impl Own<'_> {
    /// Appends the message. Names that come from the client's own messages hold no zero byte, so the encoders
    /// cannot fail on them.
    pub(crate) fn encode(self, out: &mut BytesMut) {
        let encoded = match self {
            Own::Facts { name } => facts(out, name),
            Own::DescribePortal(name) => encode::describe(out, Target::Portal, name),
            Own::FailingQuery => encode::query(out, REFUSED),
            Own::FailingParse(name) => encode::parse(out, name, REFUSED, &[]),
            Own::FailingBind { portal, absent } => encode::bind(out, portal, absent, &[], &[], &[]),
            Own::FailingExecute { absent } => encode::execute(out, absent, 0),
            Own::AbsentBind { portal, statement } => encode::close(out, Target::Statement, statement)
                .and_then(|()| encode::bind(out, portal, statement, &[], &[], &[])),
            Own::AbsentExecute(portal) => {
                encode::close(out, Target::Portal, portal).and_then(|()| encode::execute(out, portal, 0))
            }
            Own::FailingFunctionCall => encode::function_call(out, 0, &[], &[], pgwire::Format::TEXT),
            Own::Terminate => {
                encode::terminate(out);
                Ok(())
            }
        };
        debug_assert!(encoded.is_ok(), "a message of our own does not encode");
    }
}

fn facts(out: &mut BytesMut, name: &[u8]) -> Result<(), EncodeError> {
    // One that failed half-way may have left its statement behind.
    encode::close(out, Target::Statement, name)?;
    encode::parse(out, name, FACTS.as_bytes(), &[])?;
    encode::bind(out, name, name, &[], &[], &[])?;
    encode::execute(out, name, 0)?;
    encode::close(out, Target::Portal, name)?;
    encode::close(out, Target::Statement, name)?;
    encode::sync(out);
    Ok(())
}
