//! Showing a server that we may log in ("Authentication" in PostgreSQL's manual): what it asks for, and what it gets.
//!
//! A server is not trusted because it answers. It gets nothing that the resource's rules do not name, so that one that
//! only stands in the place of the real one does not choose how a password is shown to it.

use std::fmt;

use bytes::BytesMut;
use pgwire::backend::Authentication;
use pgwire::frontend::encode;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};

#[cfg(test)]
mod tests;

/// How a server has a client show who it is, in the words of libpq's `require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It does not ask: `trust`, `cert` and `peer` in its pg_hba.conf.
    None,
    /// The password itself: `password`, `ldap`, `pam`, `radius` and others.
    Password,
    /// A digest of the password, from which a weak one can be guessed quickly.
    Md5,
    /// A proof that shows nothing of the password, given by both sides.
    ScramSha256,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::None => "none",
            Method::Password => "password",
            Method::Md5 => "md5",
            Method::ScramSha256 => "scram-sha-256",
        })
    }
}

/// libpq's `channel_binding`: whether the proof of SCRAM is worth something on this very connection alone, so that
/// nobody between the two sides can have made it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// It is not.
    Disable,
    /// Where the server can.
    #[default]
    Prefer,
    /// No login without.
    Require,
}

/// What a server may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The methods that are allowed; none within: `scram-sha-256` and `none` everywhere, `md5` over TLS.
    pub methods: Option<Vec<Method>>,
    /// Whether SCRAM must be bound to the connection.
    pub channel_binding: ChannelBinding,
}

/// The connection to the server, as far as a login depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The digest of the server's certificate that SCRAM is bound to (`tls-server-end-point`, RFC 5929), where the
    /// connection is encrypted and the certificate has one.
    pub end_point: Option<Vec<u8>>,
}

impl Channel {
    /// A connection that never leaves the machine's kernel, such as a Unix socket: nobody is on its way.
    pub fn local() -> Self {
        Channel { encrypted: true, end_point: None }
    }
}

/// One login's conversation.
pub struct Authenticator {
    role: String,
    password: Option<Vec<u8>>,
    rules: Rules,
    channel: Channel,
    state: State,
}

/// How far it has come.
enum State {
    /// The server has not said what it wants.
    Unasked,
    /// It has what it wanted, and we wait for what it makes of it.
    Answered,
    /// We have begun to prove that we know the password.
    Scram(Box<ScramSha256>),
    /// And the server has proved it, too.
    Proved,
    /// It lets us in.
    Over,
}

/// What an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The server is to speak next.
    More,
    /// It lets us in.
    Done,
}

/// Why we do not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A method that the rules do not name.
    #[error("the server asks for {}, which the configuration does not allow", asked(*.0))]
    NotAllowed(Method),
    /// The same, by the rules that hold where nothing is written.
    #[error("the server asks for an md5 password over a connection that is not encrypted")]
    Md5InClear,
    /// It would be read on its way.
    #[error("the server asks for the password in clear text over a connection that is not encrypted")]
    PasswordInClear,
    /// There is none.
    #[error("the server asks for a password ({0}), and the resource's credential has none")]
    NoPassword(Method),
    /// Something that is not spoken here.
    #[error("the server asks for {0}, which Portreeve does not speak")]
    Unknown(&'static str),
    /// No SCRAM.
    #[error("the server offers no SASL mechanism that Portreeve speaks (SCRAM-SHA-256), but {offered}")]
    NoMechanism {
        /// What it offers.
        offered: String,
    },
    /// A connection without TLS has no certificate that a proof could be bound to.
    #[error("the server offers SCRAM-SHA-256-PLUS over a connection that it does not encrypt")]
    PlusInClear,
    /// `channel_binding: require`, and there is none.
    #[error("`channel_binding: require` of the resource, and {0}")]
    Unbound(&'static str),
    /// The server's side of SCRAM.
    #[error("the server's SCRAM-SHA-256 challenge is not valid: {0}")]
    Challenge(String),
    /// It lets us in without having proved that it knows the password.
    #[error("the server ended SCRAM-SHA-256 too early")]
    Early,
    /// Its proof is wrong.
    #[error("the server could not prove that it knows the password: {0}")]
    NotProved(String),
    /// A message that answers nothing.
    #[error("the server sent {0} out of place")]
    OutOfPlace(&'static str),
    /// An answer that the protocol has no room for.
    #[error("the answer to the server is too long for the protocol")]
    TooLong,
}

fn asked(method: Method) -> &'static str {
    match method {
        Method::None => "no password (none)",
        Method::Password => "the password in clear text (password)",
        Method::Md5 => "an md5 password (md5)",
        Method::ScramSha256 => "SCRAM-SHA-256 (scram-sha-256)",
    }
}

impl Error {
    /// The SQLSTATE to tell the client.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            // protocol_violation
            Error::OutOfPlace(_) => "08P01",
            // program_limit_exceeded
            Error::TooLong => "54000",
            // invalid_authorization_specification
            _ => "28000",
        }
    }

    /// What can be done about it, where something can.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Error::NotAllowed(Method::Password) => {
                "Name password in `authentication` of the resource, beside `tls` of mode verify-ca or verify-full; or \
                 let the server ask for scram-sha-256."
            }
            Error::NotAllowed(Method::Md5) => {
                "Name md5 in `authentication` of the resource, or give the role a scram-sha-256 password."
            }
            Error::NotAllowed(Method::None) => {
                "Name none in `authentication` of the resource, or let the server ask for a password."
            }
            Error::NotAllowed(Method::ScramSha256) => {
                "Name scram-sha-256 in `authentication` of the resource."
            }
            Error::Md5InClear => {
                "Give the resource `tls`, or name md5 in its `authentication`; or give the role a scram-sha-256 \
                 password."
            }
            Error::PasswordInClear => "Give the resource `tls` of mode verify-ca or verify-full.",
            Error::NoPassword(_) => "Add a password to the resource's credential.",
            Error::Unbound(_) => {
                "Let the server ask for scram-sha-256 over TLS, or write `channel_binding: prefer`."
            }
            _ => return None,
        })
    }
}

impl Authenticator {
    /// A login that begins. `password` never leaves but as `rules` allow it.
    pub fn new(role: String, password: Option<Vec<u8>>, rules: Rules, channel: Channel) -> Self {
        Authenticator { role, password, rules, channel, state: State::Unasked }
    }

    /// Takes the server's word, and appends our answer to `out`.
    ///
    /// # Errors
    /// Why there is none: the connection is to be given up.
    pub fn answer(&mut self, asked: &Authentication<'_>, out: &mut BytesMut) -> Result<Progress, Error> {
        match asked {
            Authentication::Ok => return self.done(),
            Authentication::CleartextPassword => {
                let password = self.password(Method::Password)?;
                encode::password(out, password).map_err(|_| Error::TooLong)?;
                self.state = State::Answered;
            }
            Authentication::Md5Password { salt } => {
                let role = self.role.clone();
                let answer = md5_hash(role.as_bytes(), self.password(Method::Md5)?, *salt);
                encode::password(out, answer.as_bytes()).map_err(|_| Error::TooLong)?;
                self.state = State::Answered;
            }
            Authentication::Sasl(mechanisms) => {
                let offered: Vec<&[u8]> = mechanisms.iter().collect();
                self.begin_scram(&offered, out)?;
            }
            Authentication::SaslContinue(challenge) => {
                let State::Scram(scram) = &mut self.state else {
                    return Err(Error::OutOfPlace("a SASL challenge"));
                };
                scram.update(challenge).map_err(|error| Error::Challenge(error.to_string()))?;
                encode::sasl_response(out, scram.message()).map_err(|_| Error::TooLong)?;
            }
            Authentication::SaslFinal(proof) => {
                let State::Scram(scram) = &mut self.state else {
                    return Err(Error::OutOfPlace("a SASL outcome"));
                };
                scram.finish(proof).map_err(|error| Error::NotProved(error.to_string()))?;
                self.state = State::Proved;
            }
            Authentication::Other { kind, .. } => {
                return Err(Error::Unknown(match kind {
                    2 => "Kerberos V5",
                    6 => "SCM credentials",
                    7 | 8 => "GSSAPI (gss)",
                    9 => "SSPI (sspi)",
                    _ => "an authentication method that has no name yet",
                }));
            }
        }
        Ok(Progress::More)
    }

    /// Whether the server has let us in. Before that, nothing but questions is to be taken from it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn done(&mut self) -> Result<Progress, Error> {
        match self.state {
            State::Unasked => self.allow(Method::None)?,
            State::Scram(_) => return Err(Error::Early),
            State::Over => return Err(Error::OutOfPlace("AuthenticationOk")),
            State::Answered | State::Proved => {}
        }
        (self.state, self.password) = (State::Over, None);
        Ok(Progress::Done)
    }

    /// The password, where it may be used so.
    fn password(&self, method: Method) -> Result<&[u8], Error> {
        self.allow(method)?;
        self.password.as_deref().ok_or(Error::NoPassword(method))
    }

    fn allow(&self, method: Method) -> Result<(), Error> {
        if !matches!(self.state, State::Unasked) {
            return Err(Error::OutOfPlace("another question for a password"));
        }
        match &self.rules.methods {
            Some(methods) if !methods.contains(&method) => return Err(Error::NotAllowed(method)),
            None if method == Method::Password => return Err(Error::NotAllowed(method)),
            None if method == Method::Md5 && !self.channel.encrypted => return Err(Error::Md5InClear),
            _ => {}
        }
        if method == Method::Password && !self.channel.encrypted {
            return Err(Error::PasswordInClear);
        }
        if method != Method::ScramSha256 && self.rules.channel_binding == ChannelBinding::Require {
            return Err(Error::Unbound(
                "the server asks for something that cannot be bound to the connection",
            ));
        }
        Ok(())
    }

    /// Chooses as libpq does.
    fn begin_scram(&mut self, offered: &[&[u8]], out: &mut BytesMut) -> Result<(), Error> {
        let has = |name: &str| offered.contains(&name.as_bytes());
        let plus = has(SCRAM_SHA_256_PLUS);
        if !plus && !has(SCRAM_SHA_256) {
            let names: Vec<_> = offered.iter().map(|name| String::from_utf8_lossy(name)).collect();
            return Err(Error::NoMechanism { offered: names.join(", ") });
        }
        let password = self.password(Method::ScramSha256)?;
        if plus && !self.channel.encrypted {
            return Err(Error::PlusInClear);
        }
        let binding = self.rules.channel_binding;
        let end_point = self.channel.end_point.as_ref().filter(|_| binding != ChannelBinding::Disable);
        let (mechanism, bound) = match end_point {
            Some(end_point) if plus => {
                (SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(end_point.clone()))
            }
            _ if binding == ChannelBinding::Require => {
                return Err(Error::Unbound(match plus {
                    true => "its certificate has no digest to be bound to (RFC 5929)",
                    false => "the server does not offer it (SCRAM-SHA-256-PLUS)",
                }));
            }
            // We could, and say so: a server that can as well knows now that somebody took its offer away.
            Some(_) => (SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None if !has(SCRAM_SHA_256) => {
                return Err(Error::NoMechanism { offered: SCRAM_SHA_256_PLUS.to_owned() });
            }
            None => (SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
        };
        let scram = ScramSha256::new(password, bound);
        encode::sasl_initial_response(out, mechanism.as_bytes(), Some(scram.message()))
            .map_err(|_| Error::TooLong)?;
        self.state = State::Scram(Box::new(scram));
        Ok(())
    }
}
