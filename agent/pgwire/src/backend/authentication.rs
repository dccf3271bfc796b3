//! The authentication requests, told apart by the number that the body begins with.

use crate::{FrameError, read::Reader};

/// What a backend asks for, or says, during authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// 0: authenticated.
    Ok,
    /// 3: the password in clear.
    CleartextPassword,
    /// 5: the password hashed with MD5 and this salt.
    Md5Password {
        /// Four bytes of salt.
        salt: [u8; 4],
    },
    /// 10: SASL, with the mechanisms in the server's order of preference.
    Sasl(Mechanisms<'a>),
    /// 11: the server's next SASL message.
    SaslContinue(&'a [u8]),
    /// 12: the server's last SASL message.
    SaslFinal(&'a [u8]),
    /// Any other (Kerberos, GSSAPI, SSPI, …).
    Other {
        /// Its number.
        kind: i32,
        /// What follows the number.
        data: &'a [u8],
    },
}

/// Names of SASL mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mechanisms<'a>(&'a [u8]);

impl<'a> Mechanisms<'a> {
    /// Each name in turn.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.split_inclusive(|byte| *byte == 0).map(|name| &name[..name.len() - 1])
    }
}

impl<'a> Authentication<'a> {
    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, FrameError> {
        let kind = reader.i32()?;
        let message = match kind {
            0 => Authentication::Ok,
            3 => Authentication::CleartextPassword,
            5 => {
                let salt = reader.u32()?.to_be_bytes();
                Authentication::Md5Password { salt }
            }
            10 => {
                let mut names: &[u8] = &[];
                let list = reader.rest();
                while !reader.cstr()?.is_empty() {
                    names = &list[..list.len() - reader.rest().len()];
                }
                Authentication::Sasl(Mechanisms(names))
            }
            11 => return Ok(Authentication::SaslContinue(reader.rest())),
            12 => return Ok(Authentication::SaslFinal(reader.rest())),
            kind => return Ok(Authentication::Other { kind, data: reader.rest() }),
        };
        reader.end()?;
        Ok(message)
    }
}
