//! What the server says that rows will look like: the masks are made from it, and a replay reads rows by it.

use std::borrow::Cow;

use evidence::{Body, ResultChunk, Stream};
use policy::Output;

use super::Active;
use super::backend::out_of_place;
use super::expected::Expected;
use crate::{Fault, Request, Turn};

impl Active {
    /// RowDescription, or NoData where there are no fields.
    pub(super) fn described(
        &mut self,
        fields: Option<pgwire::backend::RowDescription<'_>>,
        tag: u8,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let catalog = self.facts.committed_catalog();
        let unknown = |oid| oid != 0 && catalog.relation(oid).is_none();
        let unknown = fields.clone().is_some_and(|mut fields| fields.any(|field| unknown(field.table_oid)));
        let mut stale = false;
        let outcome = match self.queue.front() {
            Some(Expected::DescribeStatement { of } | Expected::DescribePortal { of }) => {
                let of = fields.and(*of);
                self.acknowledged(tag, frame, turn)?;
                self.record_description(of, frame, turn)
            }
            Some(Expected::OwnDescribe { portal }) => {
                let record = portal.record;
                let of = fields.as_ref().map(|_| record);
                if let (Some(masks), Some(fields)) = (&portal.masks, fields) {
                    stale = unknown;
                    // It is set once: each Bind makes a portal of its own.
                    drop(portal.plan.set(masking::RowPlan::new(fields, portal.output(), masks)));
                }
                self.queue.pop();
                self.record_description(of, frame, turn)
            }
            Some(Expected::OwnFacts { .. }) => Ok(()),
            Some(Expected::Query { run, refusal: None }) => {
                if let (Some(masks), Some(fields)) = (&run.masks, fields) {
                    stale = unknown;
                    let statement = run.reading.statements().get(run.at);
                    let lineage = statement.map_or(&Output::Unknown, |s| &s.output);
                    run.plan = Some(masking::RowPlan::new(fields, lineage, masks));
                }
                self.result(tag, frame, turn)
            }
            _ => out_of_place(tag),
        };
        if stale {
            // These rows are masked whole; the next statement is read by a catalog that has the relation.
            turn.request(Request::RefreshCatalog);
        }
        outcome
    }

    /// In the extended protocol rows come without their description: it is recorded with the Parse or Bind that
    /// it is of.
    fn record_description(
        &mut self,
        of: Option<u64>,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let Some(statement) = of else { return Ok(()) };
        for frames in frame.chunks(ResultChunk::MAX) {
            let frames = Cow::Borrowed(frames);
            let chunk = ResultChunk { statement, stream: Stream::Backend, frames };
            self.ledger.write(turn, &Body::ResultChunk(chunk))?;
        }
        Ok(())
    }
}
