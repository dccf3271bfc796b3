//! Whom a rule is about.
//!
//! Identification may have failed to learn something (the process had gone before `/proc` was read). What is
//! not known never helps the one who asks: see [`Standing`].

use crate::pattern::Glob;
use crate::principal::Principal;

/// How a principal stands to a condition; the order lets `and` be the least and `or` the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It is not meant.
    Outside,
    /// What the condition asks for is not known of this principal.
    Unknown,
    /// It is meant.
    Inside,
}

impl Standing {
    const fn of(meant: bool) -> Self {
        if meant { Standing::Inside } else { Standing::Outside }
    }
}

/// One block of conditions: all keys must match, each with any of its values. An empty list asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) user: Vec<Glob>,
    pub(crate) uid: Vec<u32>,
    pub(crate) gid: Vec<u32>,
    pub(crate) unit: Vec<Glob>,
    pub(crate) cgroup: Vec<Glob>,
    pub(crate) executable: Vec<Glob>,
    pub(crate) executable_sha256: Vec<[u8; 32]>,
    pub(crate) container: Vec<Glob>,
    pub(crate) claims: Vec<(String, Vec<Glob>)>,
}

impl Who {
    /// The keys in documents.
    pub(crate) const KEYS: [&'static str; 9] =
        ["user", "uid", "gid", "unit", "cgroup", "executable", "executable_sha256", "container", "claims"];

    /// Whether it asks for what may not be known of a principal.
    pub(crate) fn may_be_unknown(&self) -> bool {
        let Who { unit, cgroup, executable, executable_sha256, container, claims, .. } = self;
        let paths = [unit, cgroup, executable, container];
        paths.iter().any(|globs| !globs.is_empty()) || !executable_sha256.is_empty() || !claims.is_empty()
    }

    /// Whether it means whomever `other` means. It may say no where it does.
    pub(crate) fn covers(&self, other: &Who) -> bool {
        let globs = |wide: &[Glob], narrow: &[Glob]| covers(wide, narrow, Glob::covers);
        let claims = self.claims.iter().all(|(claim, wide)| {
            let narrow = other.claims.iter().find(|(name, _)| name == claim);
            narrow.is_some_and(|(_, narrow)| globs(wide, narrow))
        });
        claims
            && globs(&self.user, &other.user)
            && globs(&self.unit, &other.unit)
            && globs(&self.cgroup, &other.cgroup)
            && globs(&self.container, &other.container)
            && globs(&self.executable, &other.executable)
            && covers(&self.uid, &other.uid, u32::eq)
            && covers(&self.gid, &other.gid, u32::eq)
            && covers(&self.executable_sha256, &other.executable_sha256, <[u8; 32]>::eq)
    }

    /// Whether somebody may be meant by both, as far as login names, numbers and units tell.
    pub(crate) fn meets(&self, other: &Who) -> bool {
        let globs = |one: &[Glob], other: &[Glob]| meets(one, other, Glob::meets);
        globs(&self.user, &other.user)
            && globs(&self.unit, &other.unit)
            && globs(&self.container, &other.container)
            && meets(&self.uid, &other.uid, u32::eq)
            && meets(&self.gid, &other.gid, u32::eq)
    }

    /// How that principal stands to this block.
    pub(crate) fn standing(&self, principal: &Principal) -> Standing {
        self.each(principal).map(|(_, standing)| standing).min().unwrap_or(Standing::Inside)
    }

    /// The keys by which it does not mean that principal.
    pub(crate) fn outside(&self, principal: &Principal) -> Vec<String> {
        let outside = self.each(principal).filter(|(_, standing)| *standing == Standing::Outside);
        let name = |(key, claim): (&str, Option<&str>)| match claim {
            Some(claim) => format!("{key}.{claim}"),
            None => key.to_owned(),
        };
        outside.map(|(key, _)| name(key)).collect()
    }

    /// How that principal stands to each key, and to each claim.
    fn each<'a>(
        &'a self,
        principal: &'a Principal,
    ) -> impl Iterator<Item = ((&'static str, Option<&'a str>), Standing)> + 'a {
        // A uid without a login name, a cgroup without a unit or container and a token without a claim are known
        // not to have one. What stands behind a path that could not be read is unknown, and so is what a token would say
        // that is not shown.
        let no_cgroup = if principal.cgroup.is_some() { Standing::Outside } else { Standing::Unknown };
        let content = match &principal.executable_sha256 {
            _ if self.executable_sha256.is_empty() => Standing::Inside,
            Some(digest) => Standing::of(self.executable_sha256.contains(digest)),
            None => Standing::Unknown,
        };
        let conditions = [
            ("user", any(&self.user, principal.user.as_deref(), Standing::Outside)),
            ("uid", Standing::of(self.uid.is_empty() || self.uid.contains(&principal.uid))),
            ("gid", Standing::of(self.gid.is_empty() || self.gid.contains(&principal.gid))),
            ("unit", any(&self.unit, principal.unit.as_deref(), no_cgroup)),
            ("container", any(&self.container, principal.container.as_deref(), no_cgroup)),
            ("cgroup", any(&self.cgroup, principal.cgroup.as_deref(), Standing::Unknown)),
            ("executable", any(&self.executable, principal.executable.as_deref(), Standing::Unknown)),
            ("executable_sha256", content),
        ];
        let claims = self.claims.iter().map(|(claim, globs)| {
            let standing = match principal.claims.get(claim).map(Vec::as_slice) {
                Some([]) => Standing::Unknown,
                None if principal.claims.is_empty() => Standing::Unknown,
                None => Standing::Outside,
                Some(values) => Standing::of(values.iter().any(|v| globs.iter().any(|glob| glob.matches(v)))),
            };
            (("claims", Some(claim.as_str())), standing)
        });
        conditions.into_iter().map(|(key, standing)| ((key, None), standing)).chain(claims)
    }
}

/// Lists of which any value is meant, and all where there is none: whether the one has all of the other.
pub(crate) fn covers<T>(wide: &[T], narrow: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| covers(w, n))))
}

/// Whether two such lists have something in common.
pub(crate) fn meets<T>(one: &[T], other: &[T], meets: impl Fn(&T, &T) -> bool) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|a| other.iter().any(|b| meets(a, b)))
}

fn any(globs: &[Glob], value: Option<&str>, missing: Standing) -> Standing {
    match value {
        _ if globs.is_empty() => Standing::Inside,
        Some(value) => Standing::of(globs.iter().any(|glob| glob.matches(value))),
        None => missing,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| Glob::new(text)).collect()
    }

    #[test]
    fn every_key_must_match_with_any_of_its_values() {
        let principal = Principal {
            uid: 1000,
            gid: 100,
            user: Some("reporter".into()),
            executable: Some("/usr/bin/psql".into()),
            executable_sha256: Some([7; 32]),
            cgroup: Some("/ci/job-1".into()),
            claims: [("group", vec!["web".to_owned(), "data".to_owned()]), ("address", vec![])]
                .map(|(name, values)| (name.to_owned(), values))
                .into(),
            ..Principal::default()
        };
        let gone = Principal {
            executable: None,
            executable_sha256: None,
            cgroup: None,
            claims: BTreeMap::new(),
            ..principal.clone()
        };
        let claims = |value| vec![("group".to_owned(), globs(&[value]))];
        let who = Who::default;
        let (inside, outside, unknown) = (Standing::Inside, Standing::Outside, Standing::Unknown);
        for (who, known, after_exit) in [
            (who(), inside, inside),
            (Who { user: globs(&["ops", "rep*"]), ..who() }, inside, inside),
            (Who { user: globs(&["ops"]), ..who() }, outside, outside),
            (Who { uid: vec![0, 1000], gid: vec![100], ..who() }, inside, inside),
            (Who { uid: vec![1000], gid: vec![0], ..who() }, outside, outside),
            (Who { executable: globs(&["/usr/bin/*"]), ..who() }, inside, unknown),
            (Who { executable: globs(&["/usr/bin/*"]), uid: vec![0], ..who() }, outside, outside),
            (Who { cgroup: globs(&["/ci/*"]), ..who() }, inside, unknown),
            (Who { unit: globs(&["*.service"]), ..who() }, outside, unknown),
            (Who { container: globs(&["*"]), ..who() }, outside, unknown),
            (Who { executable_sha256: vec![[8; 32], [7; 32]], ..who() }, inside, unknown),
            (Who { executable_sha256: vec![[8; 32]], ..who() }, outside, unknown),
            (Who { claims: claims("data"), ..who() }, inside, unknown),
            (Who { claims: claims("ops"), ..who() }, outside, unknown),
            (Who { claims: vec![("team".into(), globs(&["*"]))], ..who() }, outside, unknown),
            (Who { claims: vec![("address".into(), globs(&["*"]))], ..who() }, unknown, unknown),
        ] {
            assert_eq!(who.standing(&principal), known, "{who:?}");
            assert_eq!(who.standing(&gone), after_exit, "{who:?}, gone");
        }
    }
}
