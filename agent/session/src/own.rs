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
    /// Asks for facts, up to a Sync: by a statement and a portal of this name, since a Query would take the client's unnamed
    /// statement and portal with it.
    Facts { name: &'a [u8], asked: Asked },
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
    /// Tells how many of the Syncs before it the server has answered: by the answer to a Close of what is not there.
    AfterCopy { absent: &'a [u8] },
    /// What the server keeps to itself is to come.
    Flush,
    /// The client is gone.
    Terminate,
}

/// What a session asks the server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The effective schemas, in order: [`FACTS`].
    Path,
    /// The same by [`LISTED`]: the server has told nothing, because it would have had to make a schema first.
    Listed,
    /// What the role reaches: [`REACH`].
    Reach,
    /// Nothing: it is to forget its plans, [`RENEWAL`].
    Plans,
}

/// What was prepared is taken apart again when it is next used, by the names of then. PostgreSQL does so by itself where the
/// search path has changed or what a plan stands on, but not where something new stands before it in the path
/// (`plancache.c`, `SearchPathMatchesCurrentEnvironment`).
const RENEWAL: &str = "DISCARD PLANS";

/// The role, then a row for each schema that it may use.
const REACH: &str = "SELECT current_user::pg_catalog.name UNION ALL \
    SELECT nspname FROM pg_catalog.pg_namespace WHERE pg_catalog.has_schema_privilege(oid, 'USAGE')";

/// One row for the schema in which objects are created (empty if there is none), then one for each that is looked
/// through, in order; no row at all where [`LISTED`] is to be asked. Every name is qualified, so that no search path can
/// change what runs.
///
/// `current_schemas` makes the session's temporary schema where `pg_temp` stands first in the path and there is none
/// yet: a transaction of the client's would then find it made.
pub(crate) const FACTS: &str = "SELECT pg_catalog.unnest(CASE \
    WHEN pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.=) 0 \
     AND pg_catalog.strpos(pg_catalog.lower(pg_catalog.current_setting('search_path')), 'pg_temp') \
         OPERATOR(pg_catalog.>) 0 \
    THEN ARRAY[]::pg_catalog.name[] \
    ELSE pg_catalog.array_cat(ARRAY[coalesce(pg_catalog.current_schema(), '')]::pg_catalog.name[], \
                              pg_catalog.current_schemas(true)) END)";

/// The same where `pg_temp` is listed and there is no such schema: from the setting, as the server reads it
/// (`SplitIdentifierString`, `recomputeNamespacePath`). Names that stand for no schema, or for one that the role may
/// not use, are passed over; `pg_catalog` comes first where it is not listed. No literal has a backslash, whose meaning
/// is the session's. It takes six times as long as [`FACTS`], most of it to plan, and so is not a part of it.
pub(crate) const LISTED: &str = "SELECT pg_catalog.unnest(CASE \
    WHEN pg_catalog.array_position(listed, 'pg_catalog'::pg_catalog.name) IS NULL \
    THEN pg_catalog.array_cat(ARRAY[coalesce(listed[1], ''), 'pg_catalog']::pg_catalog.name[], listed) \
    ELSE pg_catalog.array_cat(ARRAY[listed[1]], listed) END) \
    FROM (SELECT ARRAY( \
      SELECT name \
      FROM (SELECT place, \
                   CASE WHEN written OPERATOR(pg_catalog.=) '$user' THEN current_user ELSE written END AS name \
            FROM (SELECT place, \
                         CASE WHEN pg_catalog.left(part[1], 1) OPERATOR(pg_catalog.=) '\"' \
                         THEN pg_catalog.replace(pg_catalog.substr( \
                                part[1], 2, pg_catalog.length(part[1]) OPERATOR(pg_catalog.-) 2), '\"\"', '\"') \
                         ELSE pg_catalog.translate(part[1], 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', \
                                                            'abcdefghijklmnopqrstuvwxyz') \
                         END::pg_catalog.name AS written \
                  FROM pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'), \
                         '(\"(?:[^\"]|\"\")*\"|[^\", [:cntrl:]][^, [:cntrl:]]*)', 'g') \
                       WITH ORDINALITY AS item(part, place)) item) item \
      WHERE name OPERATOR(pg_catalog.=) 'pg_temp' \
         OR EXISTS (SELECT FROM pg_catalog.pg_namespace n \
                    WHERE n.nspname OPERATOR(pg_catalog.=) name \
                      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')) \
      ORDER BY place) AS listed OFFSET 0) path";

/// Begins with a word that no statement begins with.
const REFUSED: &[u8] = b"refused by portreeve";

impl Own<'_> {
    /// Appends the message. Names that come from the client's own messages hold no zero byte, so the encoders
    /// cannot fail on them.
    pub(crate) fn encode(self, out: &mut BytesMut) {
        let encoded = match self {
            Own::Facts { name, asked } => {
                let text = match asked {
                    Asked::Path => FACTS,
                    Asked::Listed => LISTED,
                    Asked::Reach => REACH,
                    Asked::Plans => RENEWAL,
                };
                facts(out, name, text)
            }
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
            Own::AfterCopy { absent } => {
                // The server may skip all up to a Sync.
                encode::sync(out);
                let closed = encode::close(out, Target::Statement, absent);
                encode::sync(out);
                closed
            }
            Own::Flush => {
                encode::flush(out);
                Ok(())
            }
            Own::Terminate => {
                encode::terminate(out);
                Ok(())
            }
        };
        debug_assert!(encoded.is_ok(), "a message of our own does not encode");
    }
}

fn facts(out: &mut BytesMut, name: &[u8], text: &str) -> Result<(), EncodeError> {
    // One that failed half-way may have left its statement behind.
    encode::close(out, Target::Statement, name)?;
    encode::parse(out, name, text.as_bytes(), &[])?;
    encode::bind(out, name, name, &[], &[], &[])?;
    encode::execute(out, name, 0)?;
    encode::close(out, Target::Portal, name)?;
    encode::close(out, Target::Statement, name)?;
    encode::sync(out);
    Ok(())
}
