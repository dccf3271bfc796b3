//! Logging in to the server as the resource's own role, while the client sees nothing but success or a reason.

use pgwire::backend::{Authentication, Message, encode, notice};
use pgwire::frontend::encode as frontend;
use pgwire::{FrameError, HEADER_LEN, Piece, Splitter, Whole};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

use crate::active::Active;
use crate::{Fault, Request, Turn};

/// Between our start-up packet and the server's first ReadyForQuery.
pub(crate) struct Login {
    pub(crate) active: Box<Active>,
    password: Option<Vec<u8>>,
    scram: Option<ScramSha256>,
    /// The server has let the role in.
    authenticated: bool,
    splitter: Splitter,
    cancel_secret: [u8; 4],
    /// The server's own cancel key.
    pub(crate) key: Option<(i32, Vec<u8>)>,
}

/// How far it has come.
pub(crate) enum Progress {
    More,
    /// ReadyForQuery: the session runs.
    Done,
    /// The server, or we, will not go on. SQLSTATE and why.
    Failed(String, String),
    /// The server refuses what the client asks for, and has told it so in its own words. Why.
    Refused(String),
}

/// Messages before ReadyForQuery are short.
const LONGEST: usize = 1 << 20;

impl Login {
    pub(crate) fn new(active: Box<Active>, password: Option<Vec<u8>>, cancel_secret: [u8; 4]) -> Self {
        let splitter = Splitter::new(LONGEST);
        Login { active, password, scram: None, authenticated: false, splitter, cancel_secret, key: None }
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
            Message::Authentication(request) => self.authenticate(&request, turn),
            Message::ParameterStatus { name, value } => {
                self.active.parameter_status(name, value);
                turn.frontend().extend_from_slice(frame);
                Ok(Progress::More)
            }
            Message::BackendKeyData { process_id, secret } => {
                self.key = Some((process_id, secret.to_vec()));
                turn.request(Request::Cancellable { process_id, secret: self.cancel_secret.to_vec() });
                encode::backend_key_data(turn.frontend(), process_id, &self.cancel_secret)
                    .map_err(|_| Fault::BackendOutOfPlace { message: "BackendKeyData" })?;
                Ok(Progress::More)
            }
            Message::NoticeResponse(_) | Message::NegotiateProtocolVersion { .. } => {
                turn.frontend().extend_from_slice(frame);
                Ok(Progress::More)
            }
            Message::ErrorResponse(error) => {
                let text = |code| String::from_utf8_lossy(error.get(code).unwrap_or_default()).into_owned();
                let (sqlstate, message) = (text(notice::code::SQLSTATE), text(notice::code::MESSAGE));
                // Class 28 is about the role, which is the resource's own and not the client's.
                if self.authenticated && !sqlstate.starts_with("28") {
                    turn.frontend().extend_from_slice(frame);
                    return Ok(Progress::Refused(message));
                }
                Ok(Progress::Failed(sqlstate, message))
            }
            Message::ReadyForQuery(_) => {
                turn.frontend().extend_from_slice(frame);
                Ok(Progress::Done)
            }
            _ => Err(Fault::BackendOutOfPlace {
                message: pgwire::backend::tag::name(tag).unwrap_or("a message"),
            }),
        }
    }

    fn authenticate(&mut self, request: &Authentication<'_>, turn: &mut Turn<'_>) -> Result<Progress, Fault> {
        let refused = |why: &str| Ok(Progress::Failed("28000".to_owned(), why.to_owned()));
        match request {
            Authentication::Ok => {
                if self.scram.is_some() {
                    // The server has not proved that it knows the password.
                    return refused("the server ended SCRAM-SHA-256 too early");
                }
                encode::authentication_ok(turn.frontend());
                self.password = None;
                self.authenticated = true;
                Ok(Progress::More)
            }
            Authentication::Sasl(mechanisms) => {
                if !mechanisms.iter().any(|name| name == SCRAM_SHA_256.as_bytes()) {
                    return refused(
                        "the server offers no SASL mechanism that Portreeve speaks (SCRAM-SHA-256)",
                    );
                }
                let Some(password) = &self.password else {
                    return refused("the server asks for a password, and the resource's credential has none");
                };
                let scram = ScramSha256::new(password, ChannelBinding::unsupported());
                let sent = frontend::sasl_initial_response(
                    turn.login(),
                    SCRAM_SHA_256.as_bytes(),
                    Some(scram.message()),
                );
                self.scram = Some(scram);
                sent.map_or_else(|_| Err(malformed("its SASL mechanism")), |()| Ok(Progress::More))
            }
            Authentication::SaslContinue(data) => {
                let Some(scram) = &mut self.scram else {
                    return Err(malformed("a SASL challenge out of place"));
                };
                if scram.update(data).is_err() {
                    return refused("the server's SCRAM-SHA-256 challenge is not valid");
                }
                let sent = frontend::sasl_response(turn.login(), scram.message());
                sent.map_or_else(|_| Err(malformed("its SASL challenge")), |()| Ok(Progress::More))
            }
            Authentication::SaslFinal(data) => {
                let Some(mut scram) = self.scram.take() else {
                    return Err(malformed("a SASL outcome out of place"));
                };
                match scram.finish(data) {
                    Ok(()) => Ok(Progress::More),
                    Err(_) => refused("the server could not prove that it knows the password"),
                }
            }
            Authentication::CleartextPassword => {
                refused("the server asks for the password in clear text, which Portreeve never sends")
            }
            Authentication::Md5Password { .. } => refused(
                "the server asks for an md5 password, which Portreeve does not send: use scram-sha-256",
            ),
            Authentication::Other { .. } => {
                refused("the server asks for an authentication method that Portreeve does not speak")
            }
        }
    }
}

fn malformed(what: &'static str) -> Fault {
    Fault::Backend(FrameError::Malformed { message: "Authentication", what })
}
