//! Who vouches for the servers to clients that ask for TLS.

use super::finding::{Area, Finding};
use crate::authority::{Authority, Config};
use crate::cli::ca::trust;

/// What is known of the authority.
#[derive(Debug)]
pub(super) enum Seen {
    /// It is made at the daemon's first start.
    NotYet,
    /// It may not be looked at.
    Hidden(String),
    /// Why clients that look at certificates are refused by it, or all of them.
    Unfit(String),
    There {
        described: String,
        /// Whether this machine trusts it, as far as that can be told.
        trusted: Option<bool>,
    },
}

/// Looks at it, and makes none.
pub(super) fn look(config: &Config) -> Seen {
    match Authority::is_there(config) {
        Ok(true) => {}
        Ok(false) => return Seen::NotYet,
        Err(error) => return Seen::Hidden(error.to_string()),
    }
    match Authority::open(config) {
        Ok(authority) => match authority.out_of_time() {
            Some(why) => Seen::Unfit(why),
            None => Seen::There {
                described: authority.described().to_owned(),
                trusted: authority.anchor().and_then(|anchor| trust::trusts("/".as_ref(), anchor)),
            },
        },
        Err(error) => Seen::Unfit(error.to_string()),
    }
}

/// What that comes to.
pub(super) fn judge(seen: &Seen) -> Finding {
    const CHECK: &str = "authority";
    match seen {
        Seen::NotYet => Finding::note(
            Area::Configuration,
            CHECK,
            "the authority that vouches to clients with TLS is made at the first start",
        ),
        Seen::Unfit(error) => {
            let what = "the authority that vouches to clients with TLS cannot be used";
            Finding::failure(Area::Configuration, CHECK, what).why(error)
        }
        Seen::Hidden(why) => {
            let what = "the authority that vouches to clients with TLS could not be looked at";
            Finding::note(Area::Configuration, CHECK, what).why(why)
        }
        Seen::There { described, trusted: Some(false) } => {
            let what = format!(
                "this machine does not trust the authority that vouches to clients with TLS: {described}"
            );
            Finding::note(Area::Configuration, CHECK, what)
                .why("jobs with sslmode=verify-full or verify-ca are refused by their own client; others are not")
                .cure("portreeve ca install")
        }
        Seen::There { described, trusted: Some(true) | None } => {
            let what = format!("the authority that vouches to clients with TLS is {described}");
            Finding::ok(Area::Configuration, CHECK, what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn an_authority_is_looked_at_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { directory: folder.path().join("authority"), ..Config::default() };
        assert_eq!(judge(&look(&config)).level, Level::Note);
        assert!(!config.directory.exists());

        Authority::open(&config).unwrap();
        let finding = judge(&look(&config));
        assert!(finding.what.contains("Portreeve on "), "{finding:?}");

        std::fs::write(config.directory.join("authority.pem"), "not one").unwrap();
        let finding = judge(&look(&config));
        assert_eq!(finding.level, Level::Failure);
        assert!(finding.why.unwrap().contains("authority.pem"));
    }

    #[test]
    fn a_machine_that_does_not_trust_it_is_told_how() {
        for (trusted, expect, cure) in [
            (Some(true), Level::Ok, None),
            (None, Level::Ok, None),
            (Some(false), Level::Note, Some("portreeve ca install")),
        ] {
            let finding = judge(&Seen::There { described: "CN=x".to_owned(), trusted });
            assert_eq!((finding.level, finding.cure.as_deref()), (expect, cure), "{trusted:?}");
        }
    }
}
