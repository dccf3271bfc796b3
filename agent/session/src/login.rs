//! Logging in to the server as the resource's own role, while the client sees nothing but success or a reason.

use pgwire::backend::{Message, encode};
use pgwire::startup::{MIN_SECRET_LEN, ProtocolVersion};
use pgwire::{HEADER_LEN, Piece, Splitter, Whole};

use crate::active::Active;
use crate::authentication::{self, Authenticator};
use crate::{Fault, Refusal, Request, Turn};

/// Between our start-up packet and the server's first ReadyForQuery.
pub(crate) struct Login {
    pub(crate) active: Box<Active>,
    authenticator: Authenticator,
    /// The role and the database that the server knows.
    pub(crate) whose: (String, String),
    splitter: Splitter,
    /// What the client gets in the server's place.
    cancel_secret: Vec<u8>,
    /// The server's own cancel key.
    pub(crate) key: Option<(i32, Vec<u8>)>,
}

/// How far it has come.
pub(crate) enum Progress {
    More,
    /// ReadyForQuery: the session runs.
    Done,
    /// The server, or we, will not go on.
    Failed(Refusal),
    /// The server refuses what the client asks for, and has told it so in its own words. Why.
    Refused(String),
}

/// Messages before ReadyForQuery are short.
const LONGEST: usize = 1 << 20;

impl Login {
    pub(crate) fn new(
        active: Box<Active>,
        authenticator: Authenticator,
        whose: (String, String),
        cancel_secret: Vec<u8>,
    ) -> Self {
        let splitter = Splitter::new(LONGEST);
        Login { active, authenticator, whose, splitter, cancel_secret, key: None }
    }

    /// Takes what the server sent, up to the end of the login, and says how many bytes that was.
    pub(crate) fn backend(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<(usize, Progress), Fault> {
        let mut at = 0;
        let whole = |_| Whole::Needed { limit: LONGEST };
        while let Some(piece) =
            self.splitter.next(input.get(at..).unwrap_or_default(), whole).map_err(Fault::Backend)?
        {
            at += piece.len();
            let Piece::Frame { tag, frame } = piece else { continue };
            match self.message(tag, frame, turn)? {
                Progress::More => {}
                over => return Ok((at, over)),
            }
        }
        Ok((at, Progress::More))
    }

    fn message(&mut self, tag: u8, frame: &[u8], turn: &mut Turn<'_>) -> Result<Progress, Fault> {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        match Message::parse(tag, body).map_err(Fault::Backend)? {
            Message::Authentication(asked) => Ok(match self.authenticator.answer(&asked, turn.login()) {
                Ok(authentication::Progress::More) => Progress::More,
                Ok(authentication::Progress::Done) => {
                    encode::authentication_ok(turn.frontend());
                    Progress::More
                }
                Err(error) => Progress::Failed(error.into()),
            }),
            Message::ParameterStatus { .. } | Message::BackendKeyData { .. } | Message::ReadyForQuery(_)
                if !self.authenticator.is_over() =>
            {
                // Taken for a login, it would be one past all rules.
                Err(out_of_place(tag))
            }
            Message::ParameterStatus { name, value } => {
                self.active.parameter_status(name, value);
                turn.frontend().extend_from_slice(frame);
                Ok(Progress::More)
            }
            Message::BackendKeyData { process_id, secret } => {
                self.key = Some((process_id, secret.to_vec()));
                turn.request(Request::Cancellable { process_id, secret: self.cancel_secret.clone() });
                encode::backend_key_data(turn.frontend(), process_id, &self.cancel_secret)
                    .map_err(|_| Fault::BackendOutOfPlace { message: "BackendKeyData" })?;
                Ok(Progress::More)
            }
            Message::NegotiateProtocolVersion { version, .. } => {
                if version < ProtocolVersion::V3_2 {
                    self.cancel_secret.truncate(MIN_SECRET_LEN);
                }
                turn.frontend().extend_from_slice(frame);
                Ok(Progress::More)
            }
            Message::NoticeResponse(_) => {
                turn.frontend().extend_from_slice(frame);
                Ok(Progress::More)
            }
            Message::ErrorResponse(error) => {
                let refusal = Refusal::of_server(&error);
                if !refusal.is_of_login() {
                    turn.frontend().extend_from_slice(frame);
                    return Ok(Progress::Refused(refusal.message));
                }
                Ok(Progress::Failed(refusal))
            }
            Message::ReadyForQuery(_) => {
                turn.frontend().extend_from_slice(frame);
                Ok(Progress::Done)
            }
            _ => Err(out_of_place(tag)),
        }
    }
}

fn out_of_place(tag: u8) -> Fault {
    Fault::BackendOutOfPlace { message: pgwire::backend::tag::name(tag).unwrap_or("a message") }
}
