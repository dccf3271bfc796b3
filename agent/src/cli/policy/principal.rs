//! `--as user=reporter,uid=1001,claims.group=data`: a principal in words.

use policy::Principal;

use super::Error;

/// What can be given; a claim as `claims.NAME`.
pub(super) const KEYS: [&str; 9] =
    ["user", "uid", "gid", "unit", "cgroup", "executable", "executable_sha256", "container", "claims.NAME"];

/// A plain process with what was given changed.
pub(super) fn principal(given: &[String]) -> Result<Principal, Error> {
    let mut principal = Principal::plain();
    for given in given {
        let error = |reason| Error::Principal { given: given.clone(), reason };
        let (key, value) = given.split_once('=').ok_or_else(|| error("it has no value"))?;
        let number = || value.parse().map_err(|_| error("it is no number"));
        let text = Some(value.to_owned());
        match key {
            "user" => principal.user = text,
            "uid" => principal.uid = number()?,
            "gid" => principal.gid = number()?,
            "unit" => principal.unit = text,
            "cgroup" => principal.cgroup = text,
            "executable" => principal.executable = text,
            "executable_sha256" => {
                let mut digest = [0; 32];
                hex::decode_to_slice(value, &mut digest).map_err(|_| error("it is no SHA-256"))?;
                principal.executable_sha256 = Some(digest);
            }
            "container" => principal.container = text,
            key => match key.strip_prefix("claims.").filter(|claim| !claim.is_empty()) {
                Some(claim) => {
                    principal.claims.entry(claim.to_owned()).or_default().push(value.to_owned());
                }
                None => return Err(error("there is no such key")),
            },
        }
    }
    Ok(principal)
}
