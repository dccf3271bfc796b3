//! What servers ask for, and what they get, over each kind of connection.

use postgres_protocol::authentication::md5_hash;

use super::*;

const PASSWORD: &[u8] = b"secret enough";

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Clear,
    /// Encrypted, by a certificate without a digest.
    Tls,
    /// Encrypted, by a certificate with one.
    Bound,
}

fn authenticator(way: Way, methods: Option<&[Method]>, channel_binding: ChannelBinding) -> Authenticator {
    let channel = Channel {
        encrypted: way != Way::Clear,
        end_point: (way == Way::Bound).then(|| b"digest of a certificate".to_vec()),
    };
    let rules = Rules { methods: methods.map(<[_]>::to_vec), channel_binding };
    Authenticator::new("app".to_owned(), Some(PASSWORD.to_vec()), rules, channel)
}

/// What the server gets: the message without its header, or our refusal.
fn answered(authenticator: &mut Authenticator, asked: &Authentication<'_>) -> Result<Vec<u8>, Error> {
    let mut out = BytesMut::new();
    authenticator.answer(asked, &mut out)?;
    Ok(out.get(5..).unwrap_or_default().to_vec())
}

/// AuthenticationSASL with these mechanisms.
fn sasl(authenticator: &mut Authenticator, mechanisms: &[&str]) -> Result<(String, String), Error> {
    let mut asked = BytesMut::new();
    let names: Vec<&[u8]> = mechanisms.iter().map(|name| name.as_bytes()).collect();
    pgwire::backend::encode::authentication_sasl(&mut asked, &names).unwrap();
    let message = pgwire::backend::Message::parse(b'R', &asked[5..]).unwrap();
    let pgwire::backend::Message::Authentication(asked) = message else { panic!("{message:?}") };
    let sent = answered(authenticator, &asked)?;
    let (mechanism, rest) = sent.split_at(sent.iter().position(|byte| *byte == 0).unwrap());
    let first = String::from_utf8(rest[5..].to_vec()).unwrap();
    // The channel's part of SCRAM's first message (RFC 5802, gs2-header).
    let gs2 = first.split(",n=").next().unwrap().to_owned();
    Ok((String::from_utf8(mechanism.to_vec()).unwrap(), gs2))
}

const BOTH: &[&str] = &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];
const PLAIN: &[&str] = &["SCRAM-SHA-256"];

#[test]
fn scram_is_bound_to_the_connection_as_libpq_does_it() {
    use ChannelBinding::{Disable, Prefer, Require};
    for (way, binding, offered, expect) in [
        (Way::Bound, Prefer, BOTH, Ok(("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,"))),
        (Way::Bound, Require, BOTH, Ok(("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,"))),
        (Way::Bound, Disable, BOTH, Ok(("SCRAM-SHA-256", "n,"))),
        // An offer that somebody took away: the server is told that we could have taken it.
        (Way::Bound, Prefer, PLAIN, Ok(("SCRAM-SHA-256", "y,"))),
        (Way::Bound, Disable, PLAIN, Ok(("SCRAM-SHA-256", "n,"))),
        (Way::Bound, Require, PLAIN, Err("the server does not offer it")),
        (Way::Tls, Prefer, BOTH, Ok(("SCRAM-SHA-256", "n,"))),
        (Way::Tls, Require, BOTH, Err("no digest")),
        (Way::Tls, Prefer, &["SCRAM-SHA-256-PLUS"], Err("no SASL mechanism")),
        (Way::Clear, Prefer, PLAIN, Ok(("SCRAM-SHA-256", "n,"))),
        (Way::Clear, Require, PLAIN, Err("does not offer it")),
        (Way::Clear, Prefer, BOTH, Err("that it does not encrypt")),
        (Way::Bound, Prefer, &["OAUTHBEARER", "X"], Err("but OAUTHBEARER, X")),
    ] {
        let told = sasl(&mut authenticator(way, None, binding), offered);
        match (told, expect) {
            (Ok((mechanism, gs2)), Ok(expect)) => {
                assert_eq!((&*mechanism, &*gs2), expect, "{way:?} {binding:?}")
            }
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (told, expect) => panic!("{way:?} {binding:?} {offered:?}: {told:?}, not {expect:?}"),
        }
    }
}

#[test]
fn a_password_is_shown_only_as_the_rules_and_the_connection_allow() {
    use Method::{Md5, None as Unasked, Password, ScramSha256};
    let md5 = Authentication::Md5Password { salt: [1, 2, 3, 4] };
    let hash = [md5_hash(b"app", PASSWORD, [1, 2, 3, 4]).into_bytes(), vec![0]].concat();
    let (clear, plain) = (Authentication::CleartextPassword, [PASSWORD, &[0]].concat());
    let all = Some(&[Unasked, Password, Md5, ScramSha256][..]);
    for (asked, way, methods, expect) in [
        (&md5, Way::Bound, None, Ok(&hash)),
        (&md5, Way::Tls, None, Ok(&hash)),
        (&md5, Way::Clear, None, Err(Error::Md5InClear)),
        (&md5, Way::Clear, Some(&[Md5][..]), Ok(&hash)),
        (&md5, Way::Clear, all, Ok(&hash)),
        (&md5, Way::Tls, Some(&[ScramSha256, Unasked]), Err(Error::NotAllowed(Md5))),
        (&clear, Way::Tls, None, Err(Error::NotAllowed(Password))),
        (&clear, Way::Clear, None, Err(Error::NotAllowed(Password))),
        (&clear, Way::Tls, Some(&[Password]), Ok(&plain)),
        (&clear, Way::Clear, Some(&[Password]), Err(Error::PasswordInClear)),
        (&clear, Way::Clear, all, Err(Error::PasswordInClear)),
        (&clear, Way::Tls, Some(&[Md5]), Err(Error::NotAllowed(Password))),
        (&Authentication::Ok, Way::Clear, None, Ok(&vec![])),
        (&Authentication::Ok, Way::Clear, Some(&[Unasked]), Ok(&vec![])),
        (&Authentication::Ok, Way::Tls, Some(&[ScramSha256]), Err(Error::NotAllowed(Unasked))),
        (&Authentication::Other { kind: 7, data: &[] }, Way::Tls, all, Err(Error::Unknown("GSSAPI (gss)"))),
    ] {
        let told = answered(&mut authenticator(way, methods, ChannelBinding::Prefer), asked);
        assert_eq!(told.as_ref(), expect.as_ref().map(|expect| *expect), "{asked:?} {way:?} {methods:?}");
    }
    assert_eq!(
        sasl(&mut authenticator(Way::Bound, Some(&[Md5, Unasked]), ChannelBinding::Prefer), BOTH),
        Err(Error::NotAllowed(ScramSha256))
    );
}

#[test]
fn nothing_but_scram_can_be_bound() {
    for asked in
        [Authentication::Ok, Authentication::Md5Password { salt: [0; 4] }, Authentication::CleartextPassword]
    {
        let methods = [Method::None, Method::Md5, Method::Password];
        let mut strict = authenticator(Way::Bound, Some(&methods), ChannelBinding::Require);
        let told = answered(&mut strict, &asked).unwrap_err();
        assert!(matches!(told, Error::Unbound(_)), "{told}");
        assert!(told.hint().unwrap().contains("channel_binding"), "{told}");
    }
}

#[test]
fn a_server_asks_once_and_proves_itself_before_it_lets_us_in() {
    let new = || authenticator(Way::Tls, None, ChannelBinding::Prefer);
    // After the first word of SCRAM there is no way back to something weaker, nor past the proof.
    for (asked, expect) in [
        (Authentication::Ok, Error::Early),
        (Authentication::Md5Password { salt: [0; 4] }, Error::OutOfPlace("another question for a password")),
    ] {
        let mut begun = new();
        sasl(&mut begun, PLAIN).unwrap();
        assert_eq!(answered(&mut begun, &asked), Err(expect));
        assert!(!begun.is_over());
    }
    let mut begun = new();
    sasl(&mut begun, PLAIN).unwrap();
    assert!(matches!(sasl(&mut begun, PLAIN), Err(Error::OutOfPlace(_))));
    let challenge = Authentication::SaslContinue(b"r=somebody else's,s=AAAA,i=4096");
    assert!(matches!(answered(&mut begun, &challenge), Err(Error::Challenge(_))));
    // Out of place before anything was asked, and after everything was.
    assert!(matches!(answered(&mut new(), &challenge), Err(Error::OutOfPlace(_))));
    assert!(matches!(answered(&mut new(), &Authentication::SaslFinal(b"v=")), Err(Error::OutOfPlace(_))));
    let mut over = new();
    answered(&mut over, &Authentication::Ok).unwrap();
    assert!(over.is_over());
    assert_eq!(answered(&mut over, &Authentication::Ok), Err(Error::OutOfPlace("AuthenticationOk")));
}

/// A server that knows the salt and says so, and proves nothing.
#[test]
fn a_server_that_cannot_prove_itself_is_not_logged_in_to() {
    let mut authenticator = authenticator(Way::Clear, None, ChannelBinding::Prefer);
    let mut out = BytesMut::new();
    let mut asked = BytesMut::new();
    pgwire::backend::encode::authentication_sasl(&mut asked, &[b"SCRAM-SHA-256"]).unwrap();
    let message = pgwire::backend::Message::parse(b'R', &asked[5..]).unwrap();
    let pgwire::backend::Message::Authentication(asked) = message else { panic!("{message:?}") };
    authenticator.answer(&asked, &mut out).unwrap();
    let sent = String::from_utf8_lossy(&out).into_owned();
    let nonce = sent.split("r=").nth(1).unwrap();
    let challenge = format!("r={nonce}more,s=c2FsdA==,i=4096");
    let proof = answered(&mut authenticator, &Authentication::SaslContinue(challenge.as_bytes())).unwrap();
    assert!(!proof.windows(PASSWORD.len()).any(|window| window == PASSWORD));
    let forged = Authentication::SaslFinal(b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let told = answered(&mut authenticator, &forged).unwrap_err();
    assert!(matches!(told, Error::NotProved(_)), "{told}");
    assert!(answered(&mut authenticator, &Authentication::Ok).is_err());
}

#[test]
fn every_refusal_says_what_was_asked_and_what_would_allow_it() {
    for method in [Method::None, Method::Password, Method::Md5, Method::ScramSha256] {
        let error = Error::NotAllowed(method);
        assert!(error.to_string().contains(&method.to_string()), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains(&format!("ame {method} in `authentication`")), "{hint}");
    }
    assert!(Error::Md5InClear.hint().unwrap().contains("`tls`"));
    assert!(Error::PasswordInClear.hint().unwrap().contains("`tls`"));
}
