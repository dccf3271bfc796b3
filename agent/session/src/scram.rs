//! SCRAM-SHA-256 from the server's side (RFC 5802 and 7677), for clients that insist on being asked who they are.
//!
//! It takes and refuses what PostgreSQL does (`auth-scram.c`), with channel binding of the one type that PostgreSQL has,
//! `tls-server-end-point`.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use postgres_protocol::authentication::sasl::{SCRAM_SHA_256 as PLAIN, SCRAM_SHA_256_PLUS as PLUS};
use ring::{digest, hmac};

const BINDING: &str = "tls-server-end-point";

/// What a client's password is proved by, without the password: what PostgreSQL has in `pg_authid.rolpassword`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// In base64.
    salt: String,
    iterations: u32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl Verifier {
    /// Reads `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`, with the last three in base64.
    pub fn parse(text: &str) -> Option<Self> {
        let (iterations, rest) = text.strip_prefix(PLAIN)?.strip_prefix('$')?.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
        BASE64.decode(salt).ok().filter(|salt| !salt.is_empty())?;
        Some(Verifier {
            salt: salt.to_owned(),
            iterations: iterations.parse().ok().filter(|iterations| *iterations > 0)?,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }
}

/// How a client proves who it is.
#[derive(Clone)]
pub struct ClientAuthentication {
    /// What it has to know.
    pub verifier: Arc<Verifier>,
    /// Our half of the nonce: printable ASCII without commas, and of this connection alone.
    pub nonce: String,
    /// The hash of the certificate that it was shown (`tls-server-end-point`), where the connection is encrypted.
    pub end_point: Option<Vec<u8>>,
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthentication")
            .field("bound", &self.end_point.is_some())
            .finish_non_exhaustive()
    }
}

/// One exchange.
pub(crate) struct Exchange {
    authentication: ClientAuthentication,
    state: State,
}

enum State {
    /// The client chooses a mechanism.
    Begin,
    /// It has chosen, and said nothing yet.
    First {
        bound: bool,
    },
    /// It has to prove what it knows.
    Final {
        /// What its `c=` has to be.
        binding: String,
        nonce: String,
        /// Of the AuthMessage what comes before the client's last word.
        before: String,
    },
    Over,
}

/// What comes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// AuthenticationSASLContinue with this.
    Continue(String),
    /// It is who it says; AuthenticationSASLFinal with this.
    Proved(String),
    /// The password is wrong.
    Wrong,
    /// It broke the protocol.
    Malformed(&'static str),
}

impl Exchange {
    pub(crate) fn new(authentication: ClientAuthentication) -> Self {
        Exchange { authentication, state: State::Begin }
    }

    /// In the order in which a client is to prefer them.
    pub(crate) fn mechanisms(&self) -> &'static [&'static [u8]] {
        match self.authentication.end_point {
            Some(_) => &const { [PLUS.as_bytes(), PLAIN.as_bytes()] },
            None => &const { [PLAIN.as_bytes()] },
        }
    }

    /// The body of a SASLInitialResponse or a SASLResponse.
    pub(crate) fn message(&mut self, body: &[u8]) -> Step {
        self.step(body).unwrap_or_else(|wrong| {
            self.state = State::Over;
            wrong
        })
    }

    fn step(&mut self, body: &[u8]) -> Result<Step, Step> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begin => {
                let end = body.iter().position(|byte| *byte == 0).ok_or(MALFORMED)?;
                let (mechanism, rest) = (&body[..end], &body[end + 1..]);
                if !self.mechanisms().contains(&mechanism) {
                    return Err(Step::Malformed("client selected an invalid SASL authentication mechanism"));
                }
                let bound = mechanism == PLUS.as_bytes();
                let (length, data) = rest.split_first_chunk::<4>().ok_or(MALFORMED)?;
                match i32::from_be_bytes(*length) {
                    // It waits to be asked.
                    -1 if data.is_empty() => {
                        self.state = State::First { bound };
                        Ok(Step::Continue(String::new()))
                    }
                    length if usize::try_from(length).is_ok_and(|length| length == data.len()) => {
                        self.first(text(data)?, bound)
                    }
                    _ => Err(MALFORMED),
                }
            }
            State::First { bound } => self.first(text(body)?, bound),
            State::Final { binding, nonce, before } => self.last(text(body)?, &binding, &nonce, &before),
            State::Over => Err(MALFORMED),
        }
    }

    /// `gs2-header client-first-message-bare`.
    fn first(&mut self, message: &str, bound: bool) -> Result<Step, Step> {
        let (flag, rest) = message.split_once(',').ok_or(MALFORMED)?;
        let offered = self.authentication.end_point.as_ref();
        let bound_to: &[u8] = match (flag, offered, bound) {
            ("n", _, false) | ("y", None, false) => &[],
            ("y", Some(_), false) => {
                // Somebody between us took the offer away.
                return Err(Step::Malformed(
                    "the client supports SCRAM channel binding but thinks the server does not, and it does",
                ));
            }
            (flag, Some(end_point), true) if flag.strip_prefix("p=") == Some(BINDING) => end_point,
            _ => return Err(Step::Malformed("malformed SCRAM message: its channel binding")),
        };
        let Some(bare) = rest.strip_prefix(',') else {
            return Err(Step::Malformed("client uses authorization identity, but it is not supported"));
        };
        let mut attributes = bare.split(',');
        // The user is the start-up packet's; what stands here is not looked at.
        attributes.next().filter(|user| user.starts_with("n=")).ok_or(MALFORMED)?;
        let clients = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(MALFORMED)?;
        if clients.is_empty() || !clients.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Step::Malformed("non-printable characters in SCRAM nonce"));
        }
        let header = message.get(..message.len() - bare.len()).unwrap_or_default();
        let binding = BASE64.encode([header.as_bytes(), bound_to].concat());
        let nonce = format!("{clients}{}", self.authentication.nonce);
        let Verifier { salt, iterations, .. } = &*self.authentication.verifier;
        let answer = format!("r={nonce},s={salt},i={iterations}");
        let before = format!("{bare},{answer}");
        self.state = State::Final { binding, nonce, before };
        Ok(Step::Continue(answer))
    }

    /// `client-final-message`.
    fn last(&self, message: &str, binding: &str, nonce: &str, before: &str) -> Result<Step, Step> {
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(MALFORMED)?;
        let mut attributes = without_proof.split(',');
        if attributes.next().and_then(|c| c.strip_prefix("c=")) != Some(binding) {
            return Err(Step::Malformed("SCRAM channel binding check failed"));
        }
        if attributes.next().and_then(|r| r.strip_prefix("r=")) != Some(nonce) {
            return Err(Step::Malformed("invalid SCRAM response: the nonce does not match"));
        }
        let proof: [u8; 32] =
            BASE64.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(MALFORMED)?;
        let verifier = &self.authentication.verifier;
        let whole = format!("{before},{without_proof}");
        let signed = |key: &[u8; 32]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), whole.as_bytes());
        let mut client_key = proof;
        for (byte, signature) in client_key.iter_mut().zip(signed(&verifier.stored_key).as_ref()) {
            *byte ^= signature;
        }
        let stored = digest::digest(&digest::SHA256, &client_key);
        // How long that takes tells of a hash that nobody can choose.
        if stored.as_ref() != verifier.stored_key {
            return Err(Step::Wrong);
        }
        Ok(Step::Proved(format!("v={}", BASE64.encode(signed(&verifier.server_key)))))
    }
}

const MALFORMED: Step = Step::Malformed("malformed SCRAM message");

fn text(bytes: &[u8]) -> Result<&str, Step> {
    std::str::from_utf8(bytes).map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
    use postgres_protocol::password::scram_sha_256;

    use super::*;

    const PASSWORD: &[u8] = b"correct horse";

    fn exchange(end_point: Option<&[u8]>) -> Exchange {
        Exchange::new(ClientAuthentication {
            verifier: Arc::new(Verifier::parse(&scram_sha_256(PASSWORD)).unwrap()),
            nonce: "ours".to_owned(),
            end_point: end_point.map(<[u8]>::to_vec),
        })
    }

    fn initial(mechanism: &str, data: &[u8]) -> Vec<u8> {
        let length = i32::try_from(data.len()).unwrap().to_be_bytes();
        [mechanism.as_bytes(), b"\0", &length, data].concat()
    }

    /// The client of the tokio drivers, which wrote none of this.
    fn talk(
        mut ours: Exchange,
        mechanism: &str,
        password: &[u8],
        binding: ChannelBinding,
    ) -> Result<(), Step> {
        let mut client = ScramSha256::new(password, binding);
        let Step::Continue(first) = ours.message(&initial(mechanism, client.message())) else {
            return Err(Step::Malformed("first"));
        };
        client.update(first.as_bytes()).unwrap();
        match ours.message(client.message()) {
            Step::Proved(last) => client.finish(last.as_bytes()).map_err(|_| Step::Malformed("not ours")),
            other => Err(other),
        }
    }

    #[test]
    fn a_client_that_knows_the_password_is_let_in_and_sees_that_we_know_it_too() {
        let bound = || ChannelBinding::tls_server_end_point(b"hash".to_vec());
        assert_eq!(talk(exchange(None), PLAIN, PASSWORD, ChannelBinding::unsupported()), Ok(()));
        assert_eq!(talk(exchange(None), PLAIN, PASSWORD, ChannelBinding::unrequested()), Ok(()));
        assert_eq!(talk(exchange(Some(b"hash")), PLAIN, PASSWORD, ChannelBinding::unsupported()), Ok(()));
        assert_eq!(talk(exchange(Some(b"hash")), PLUS, PASSWORD, bound()), Ok(()));
        assert_eq!(talk(exchange(None), PLAIN, b"another", ChannelBinding::unsupported()), Err(Step::Wrong));
        assert_eq!(talk(exchange(Some(b"hash")), PLUS, b"another", bound()), Err(Step::Wrong));
        // Somebody between has another certificate.
        let other = talk(exchange(Some(b"other")), PLUS, PASSWORD, bound());
        assert_eq!(other, Err(Step::Malformed("SCRAM channel binding check failed")));
    }

    #[test]
    fn an_offer_that_was_taken_away_is_noticed() {
        let mut ours = exchange(Some(b"hash"));
        let step = ours.message(&initial(PLAIN, b"y,,n=,r=theirs"));
        assert!(
            matches!(step, Step::Malformed(why) if why.contains("thinks the server does not")),
            "{step:?}"
        );
    }

    #[test]
    fn a_client_may_wait_to_be_asked() {
        let mut ours = exchange(None);
        assert_eq!(ours.message(b"SCRAM-SHA-256\0\xff\xff\xff\xff"), Step::Continue(String::new()));
        assert!(
            matches!(ours.message(b"n,,n=,r=theirs"), Step::Continue(first) if first.starts_with("r=theirsours,"))
        );
    }

    #[test]
    fn what_is_malformed_is_refused_and_ends_it() {
        for body in [
            &b""[..],
            b"SCRAM-SHA-256",
            b"SCRAM-SHA-1\0\0\0\0\0",
            b"SCRAM-SHA-256-PLUS\0\0\0\0\0",
            b"SCRAM-SHA-256\0\0\0",
            b"SCRAM-SHA-256\0\0\0\0\x09n,,",
            b"SCRAM-SHA-256\0\xff\xff\xff\xfen,,n=,r=x",
            &initial(PLAIN, b""),
            &initial(PLAIN, b"n"),
            &initial(PLAIN, b"n,"),
            &initial(PLAIN, b"n,,"),
            &initial(PLAIN, b"n,a=admin,n=,r=x"),
            &initial(PLAIN, b"n,,m=x,n=,r=x"),
            &initial(PLAIN, b"n,,n=,r="),
            &initial(PLAIN, b"n,,n=,r=\x07"),
            &initial(PLAIN, b"p=tls-server-end-point,,n=,r=x"),
            &initial(PLAIN, b"p=tls-unique,,n=,r=x"),
            &initial(PLAIN, b"n,,n=,r=\xff"),
        ] {
            let mut ours = exchange(None);
            assert!(matches!(ours.message(body), Step::Malformed(_)), "{body:?}");
            assert_eq!(ours.message(&initial(PLAIN, b"n,,n=,r=theirs")), MALFORMED, "{body:?}");
        }
        for last in [
            &b""[..],
            b"c=biws,r=theirsours",
            b"c=biws,r=theirs,p=AAAA",
            b"c=eSws,r=theirsours,p=AAAA",
            b"c=biws,r=theirsours,p=AAAA",
            b"r=theirsours,c=biws,p=AAAA",
            b"c=biws,r=theirsours,p=!",
        ] {
            let mut ours = exchange(None);
            assert!(matches!(ours.message(&initial(PLAIN, b"n,,n=,r=theirs")), Step::Continue(_)));
            assert!(matches!(ours.message(last), Step::Malformed(_)), "{last:?}");
            // Nobody tries twice.
            assert_eq!(ours.message(last), MALFORMED);
        }
    }

    #[test]
    fn a_verifier_is_what_postgresql_has_or_nothing() {
        let good = scram_sha_256(PASSWORD);
        assert!(Verifier::parse(&good).is_some());
        for bad in [
            "",
            "password",
            "md5d41d8cd98f00b204e9800998ecf8427e",
            &good[..good.len() - 3],
            &good.replace("$4096:", "$0:"),
            &good.replace("SCRAM-SHA-256", "SCRAM-SHA-1"),
        ] {
            assert_eq!(Verifier::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{:?}", Verifier::parse(&good)), "Some(Verifier(…))");
    }
}
