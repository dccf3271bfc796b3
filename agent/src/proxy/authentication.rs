//! What a server may ask for at a login, as it is written.

use serde::Deserialize;
use session::authentication::{self, Rules};

use super::TlsConfig;

/// One of libpq's methods of `require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The server does not ask.
    None,
    /// The password in clear text.
    Password,
    /// The password's MD5.
    Md5,
    /// SCRAM-SHA-256, with channel binding or without.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
}

/// libpq's `channel_binding`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server can.
    #[default]
    Prefer,
    /// No login without.
    Require,
}

/// What does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Nothing would be allowed.
    #[error(
        "`authentication: []` allows no login; name some of scram-sha-256, md5, password and none, or take it away"
    )]
    Nothing,
    /// The password would be shown to anybody who stands in the place of the server, and a job can put somebody there.
    #[error(
        "`authentication` names password, which shows the password to the server: give the resource `tls` of mode \
         verify-ca or verify-full, so that nobody else is taken for it"
    )]
    Password,
    /// There is nothing to be bound to.
    #[error("`channel_binding: require` needs `tls`: {{mode: require}}, verify-ca or verify-full")]
    NoTls,
    /// Nothing else can be bound.
    #[error("`channel_binding: require` needs scram-sha-256 among `authentication`")]
    NoScram,
}

/// What is written, as a login goes by it.
///
/// # Errors
///
/// It does not fit together, or not to `tls`.
pub fn rules(
    methods: Option<&[Method]>,
    channel_binding: ChannelBinding,
    tls: &TlsConfig,
) -> Result<Rules, Mistake> {
    let names = |method| methods.is_some_and(|methods| methods.contains(&method));
    if methods.is_some_and(<[_]>::is_empty) {
        return Err(Mistake::Nothing);
    }
    if names(Method::Password) && !tls.is_verified() {
        return Err(Mistake::Password);
    }
    if channel_binding == ChannelBinding::Require {
        if !tls.is_encrypted() {
            return Err(Mistake::NoTls);
        }
        if methods.is_some() && !names(Method::ScramSha256) {
            return Err(Mistake::NoScram);
        }
    }
    let method = |method: &Method| match method {
        Method::None => authentication::Method::None,
        Method::Password => authentication::Method::Password,
        Method::Md5 => authentication::Method::Md5,
        Method::ScramSha256 => authentication::Method::ScramSha256,
    };
    Ok(Rules {
        methods: methods.map(|methods| methods.iter().map(method).collect()),
        channel_binding: match channel_binding {
            ChannelBinding::Disable => authentication::ChannelBinding::Disable,
            ChannelBinding::Prefer => authentication::ChannelBinding::Prefer,
            ChannelBinding::Require => authentication::ChannelBinding::Require,
        },
    })
}
