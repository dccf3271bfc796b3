//! What a session asks its driver for, and what comes of it elsewhere.

use std::sync::Arc;

use policy::{Answer, Subject, Verdict};
use session::{ApprovalRequest, Event, Granted, Refusal, Request};

use super::super::current;
use super::super::local::Signal;
use super::super::login::{self, LoggedIn};
use super::turn::Input;
use super::{Connection, Finish};
use crate::approvals::Ask;
use crate::catalog::Live;

impl Connection {
    /// Does what the session asked for.
    pub(super) fn carry_out(&mut self) {
        for request in std::mem::take(&mut self.requests) {
            match request {
                Request::Login { database, connected } => {
                    self.deadline = None;
                    self.database.clone_from(&database);
                    let shared = Arc::clone(&self.local.shared);
                    let resource = Arc::clone(&self.resource);
                    let server = self.server.clone();
                    self.login = Some(Box::pin(login::log_in(shared, resource, server, database, connected)));
                }
                Request::RefreshCatalog => match &self.live {
                    Some(live) => self.refresh = Some(Box::pin(live.refresh())),
                    None => self.tell(Event::CatalogLost),
                },
                Request::ShareCatalog => match &self.live {
                    Some(live) => {
                        self.refresh = Some(Box::pin(live.refresh()));
                        self.shares = true;
                    }
                    None => self.tell(Event::CatalogLost),
                },
                Request::AskApproval(request) => self.ask_approval(*request),
                Request::WithdrawApproval(_) => (self.hold, self.verdict) = (None, None),
                Request::CancelBackend { process_id, secret } => {
                    let shared = Arc::clone(&self.local.shared);
                    let resource = Arc::clone(&self.resource);
                    let (route, server) = self.server.clone();
                    let way = self.live.as_ref().map(Live::way).unwrap_or_default();
                    let cancelling = std::mem::take(&mut self.cancelling);
                    tokio::task::spawn_local(async move {
                        let key = (process_id, &secret[..]);
                        let cancelled = login::cancel(&shared, (&resource, way), (&route, server), key).await;
                        if let Err(error) = cancelled {
                            tracing::warn!(%error, resource = resource.name, "a cancel request was lost");
                        }
                        drop(cancelling);
                    });
                }
                Request::CancelOther { process_id, secret } => {
                    self.cancels = Some(Box::pin(self.local.shared.cancels.cancel(&(process_id, secret))));
                }
                Request::Cancellable { process_id, secret } => {
                    let cancels = &self.local.shared.cancels;
                    self.cancel = Some(cancels.register((process_id, secret), self.signal.clone()));
                }
                Request::FinishBackend => {
                    if self.backend_finish == Finish::No {
                        self.backend_finish = Finish::Asked;
                    }
                }
                Request::Close => self.close(),
            }
        }
        // What did not lead to one to the server is done.
        self.cancelling.clear();
    }

    /// An event for the next round: a session is never called from within its own step.
    pub(super) fn tell(&self, event: Event) {
        // The receiver is ours.
        drop(self.signal.send(Signal::Event(event)));
    }

    pub(super) fn ask_approval(&mut self, request: ApprovalRequest) {
        let binding = request.binding;
        let ask = Ask {
            id: request.id,
            expires_us: request.expires_us,
            principal: self.principal.clone(),
            resource: self.resource.name.clone(),
            database: self.database.clone(),
            statement: request.statement,
            values: request.values,
            findings: request.findings,
            binding,
        };
        match self.local.shared.approvals.register(ask) {
            Ok(mut held) => self.hold = Some(Box::pin(async move { held.outcome().await })),
            Err(error) => self.tell(Event::Verdict(Verdict {
                binding,
                answer: Answer::Deny,
                reviewer: "portreeve".to_owned(),
                reason: error.to_string(),
            })),
        }
    }

    /// The policy as it concerns this job now.
    pub(super) fn subject_policy(&self) -> Arc<policy::SubjectPolicy> {
        let subject =
            Subject { principal: &self.principal, resource: &self.resource.name, database: &self.database };
        Arc::new(current(&self.local.shared.policy).for_subject(&subject))
    }

    pub(super) fn logged_in(&mut self, outcome: Result<LoggedIn, Refusal>) {
        let event = match outcome {
            Err(refusal) => Event::Refused(refusal),
            Ok(LoggedIn { stream, lease, live }) => {
                let channel = stream.channel();
                self.backend = Some(stream);
                let catalog = live.as_ref().map_or_else(Arc::default, Live::current);
                let catalog_unchecked = live.as_ref().is_some_and(Live::is_unchecked);
                self.live = live;
                Event::Granted(Box::new(Granted {
                    role: lease.role,
                    password: lease.password.map(|password| password.expose().to_vec()),
                    rules: self.resource.rules.clone(),
                    channel,
                    database: lease.database,
                    catalog,
                    catalog_unchecked,
                    policy: self.subject_policy(),
                    cache_key: format!("{}/{}", self.resource.name, self.database).into(),
                }))
            }
        };
        self.step(Input::Event(event));
    }
}
