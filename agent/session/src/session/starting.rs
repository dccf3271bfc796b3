//! From the client's first packet to the login: who it is, and what it asks for.

use std::borrow::Cow;
use std::rc::Rc;

use evidence::{Body, Digest, SessionStart};
use pgwire::backend::encode;
use pgwire::frontend::tag;
use pgwire::startup::{MIN_SECRET_LEN, ProtocolVersion};
use pgwire::{HEADER_LEN, Header};

use super::{Phase, Session};
use crate::active::{Active, Ledger};
use crate::authentication::Authenticator;
use crate::login::Login;
use crate::scram::{Exchange, Step};
use crate::startup::{First, Startup, first};
use crate::{Fault, Granted, Options, Refusal, Request, Turn};

/// The longest message of a client that proves who it is, in bytes: as PostgreSQL has it (`PG_MAX_SASL_MESSAGE_LENGTH`,
/// and room for its header and the name of the mechanism).
const LONGEST_PROOF: usize = 1100;

impl Session {
    pub(super) fn startup(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<usize, Fault> {
        let (first, len) = first(input)?;
        match first {
            First::Incomplete => {}
            First::Cancel { process_id, secret } => {
                turn.request(Request::CancelOther { process_id, secret });
                turn.request(Request::Close);
                self.phase = Phase::Over;
            }
            First::Startup(startup) => self.asked(startup, turn),
        }
        Ok(len)
    }

    fn asked(&mut self, startup: Startup, turn: &mut Turn<'_>) {
        let refusal = if startup.user().is_empty() {
            Some(("28000", "no PostgreSQL user name specified in startup packet"))
        } else {
            None
        };
        let Phase::Startup(ledger) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        match (refusal, self.options.authentication.clone()) {
            (Some((sqlstate, message)), _) => {
                self.phase = Phase::Asking(ledger, startup);
                self.end_with(("FATAL", sqlstate, message), message, turn);
            }
            (None, Some(authentication)) => {
                let exchange = Exchange::new(authentication);
                let asked = encode::authentication_sasl(turn.frontend(), exchange.mechanisms());
                debug_assert!(asked.is_ok(), "a message of ours does not encode");
                self.phase = Phase::Authentication(ledger, startup, exchange);
            }
            (None, None) => self.ask_for_login(ledger, startup, turn),
        }
    }

    fn ask_for_login(&mut self, ledger: Ledger, startup: Startup, turn: &mut Turn<'_>) {
        let database = String::from_utf8_lossy(startup.database()).into_owned();
        let connected = !startup.replicates() || startup.get("replication") == Some(b"database");
        self.phase = Phase::Asking(ledger, startup);
        turn.request(Request::Login { database, connected });
    }

    /// The client's part of SCRAM-SHA-256, message by message.
    pub(super) fn authenticate(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<usize, Fault> {
        let Some(header) = Header::parse(input).map_err(Fault::Frontend)? else { return Ok(0) };
        if header.tag != tag::PASSWORD {
            let message = tag::name(header.tag).unwrap_or("a message");
            return Err(Fault::FrontendOutOfPlace { message });
        }
        let length = header.frame_len();
        if length > LONGEST_PROOF {
            return Err(Fault::Limit {
                what: "the client's proof of who it is is too long",
                limit: LONGEST_PROOF,
            });
        }
        let Some(body) = input.get(HEADER_LEN..length) else { return Ok(0) };
        let Phase::Authentication(ledger, startup, mut exchange) =
            std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return Ok(0);
        };
        let step = exchange.message(body);
        let encoded = match &step {
            Step::Continue(said) => encode::authentication_sasl_continue(turn.frontend(), said.as_bytes()),
            Step::Proved(said) => encode::authentication_sasl_final(turn.frontend(), said.as_bytes()),
            Step::Wrong | Step::Malformed(_) => Ok(()),
        };
        debug_assert!(encoded.is_ok(), "a message of ours does not encode");
        match step {
            Step::Proved(_) => self.ask_for_login(ledger, startup, turn),
            Step::Continue(_) => self.phase = Phase::Authentication(ledger, startup, exchange),
            Step::Wrong => {
                let user = String::from_utf8_lossy(startup.user());
                let message = format!(
                    "password authentication failed for user \"{user}\": clients of resource \"{}\" need the password \
                     that Portreeve has for them",
                    self.options.peer.resource
                );
                self.phase = Phase::Asking(ledger, startup);
                self.end_with(("FATAL", "28P01", &message), "the client's password is wrong", turn);
            }
            Step::Malformed(why) => {
                self.phase = Phase::Asking(ledger, startup);
                self.end_with(("FATAL", "08P01", why), why, turn);
            }
        }
        Ok(length)
    }

    pub(super) fn granted(&mut self, granted: Granted, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Phase::Asking(mut ledger, startup) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return Ok(());
        };
        let Granted {
            role,
            password,
            rules,
            channel,
            database,
            catalog,
            catalog_unchecked,
            policy,
            cache_key,
        } = granted;
        let digest = Digest(policy.digest());
        ledger.write(turn, &start(&self.options, &startup, &database, &role, digest))?;
        let judgement = policy.judge(&startup.actions(), policy::Moment::from_micros(turn.now.wall_us));
        let mut active =
            Active::new(Rc::clone(&self.options), Rc::clone(&self.cache), ledger, cache_key, policy, catalog);
        active.replicates(startup.replicates());
        if catalog_unchecked {
            active.doubt_catalog();
        }
        let authenticator = Authenticator::new(role.clone(), password, rules, channel);
        let whose = (role.clone(), database.clone());
        let secret = cancel_secret(&self.options, startup.version);
        self.phase = Phase::Login(Login::new(Box::new(active), authenticator, whose, secret));
        if judgement.decision() != policy::Decision::Allow {
            // A hold at the start-up packet would have nobody to tell about it.
            let message = judgement.message();
            self.end_with(("FATAL", "42501", &message), &message, turn);
            return Ok(());
        }
        let encoded = startup.packet(&role, &database).encode(turn.login());
        if encoded.is_err() {
            self.login_failed(Refusal::new("54000", "the start-up packet is too long"), turn);
        }
        Ok(())
    }

    pub(super) fn login_failed(&mut self, refusal: Refusal, turn: &mut Turn<'_>) {
        let Phase::Login(login) = &self.phase else { return };
        let (role, database) = &login.whose;
        let refusal = refusal.of_login(&self.options.peer.resource, role, database);
        self.end_told(refusal.fields(), &refusal.message, turn);
    }
}

/// The secret part of the client's cancel key, as long as this version of the protocol has it.
fn cancel_secret(options: &Options, version: ProtocolVersion) -> Vec<u8> {
    match version {
        version if version < ProtocolVersion::V3_2 => options.cancel_secret[..MIN_SECRET_LEN].to_vec(),
        _ => options.cancel_secret.to_vec(),
    }
}

pub(super) fn start<'a>(
    options: &'a Options,
    startup: &'a Startup,
    database: &'a str,
    role: &'a str,
    policy: Digest,
) -> Body<'a> {
    let peer = &options.peer;
    Body::SessionStart(Box::new(SessionStart {
        principal: Cow::Borrowed(&peer.principal),
        source: peer.source,
        destination: peer.destination,
        resource: Cow::Borrowed(&peer.resource),
        database: Cow::Borrowed(database),
        role: Cow::Borrowed(role),
        policy,
        startup_user: Cow::Borrowed(startup.user()),
        startup_database: Cow::Borrowed(startup.get("database").unwrap_or_default()),
        application_name: Cow::Borrowed(startup.get("application_name").unwrap_or_default()),
    }))
}
