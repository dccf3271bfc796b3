//! Records in the central store: the same bytes as in the segments, read and verified alike.

use std::collections::BTreeMap;
use std::io::{self, Write};

use evidence::verify::{Fault, Place, Problem, Report, Verifier};
use evidence::{BootId, Header, PublicKey, SessionId};

use super::{Error, Source, Take};
use crate::cli::store::login::{Connector, Login, block_on};
use crate::store::{self, Address, Boot, Reader, Row};

/// A central store.
#[derive(Debug)]
pub struct Stored {
    address: Address,
    connector: Connector,
}

impl Stored {
    /// The store at an address.
    ///
    /// # Errors
    /// Nobody can log in so.
    pub fn new(address: Address, login: &Login) -> Result<Self, Error> {
        let connector = login.connector(&address)?;
        Ok(Stored { address, connector })
    }

    async fn reader(&self) -> Result<Reader, store::Error> {
        Reader::open(&self.connector, &self.address).await
    }
}

impl Source for Stored {
    fn read(&self, session: Option<SessionId>, take: Take<'_>) -> Result<(), Error> {
        let mut damaged = 0;
        block_on(async {
            let take: &mut dyn FnMut(Row) -> Result<(), Error> = &mut |row| match Header::decode(&row.header)
            {
                Ok(header) => take(&header, &row.body),
                Err(_) => {
                    damaged += 1;
                    Ok(())
                }
            };
            self.reader().await?.read(session, take).await
        })??;
        if damaged > 0 {
            writeln!(
                io::stderr(),
                "warning: {damaged} damaged records were passed over; `portreeve audit verify` names them"
            )?;
        }
        Ok(())
    }

    /// Without `keys`, the keys that the boots first arrived with count. Everything that is signed here is held to
    /// all that it signed: it was not shipped before that.
    fn verify(&self, keys: &[PublicKey]) -> Result<Report, Error> {
        let mut verification = Verification::default();
        verification.verifier.keeps_all();
        let verification = std::cell::RefCell::new(verification);
        block_on(async {
            let boot = &mut |boot: &Boot| verification.borrow_mut().boot(boot);
            let record = &mut |boot: &Boot, row: Row| verification.borrow_mut().record(boot, &row);
            self.reader().await?.read_to_verify(boot, record).await
        })??;
        Ok(verification.into_inner().finish(keys))
    }
}

#[derive(Debug, Default)]
struct Verification {
    verifier: Verifier,
    keys: Vec<PublicKey>,
    records: BTreeMap<BootId, u64>,
    problems: Vec<Problem>,
    untold: u64,
}

/// More problems of columns than this are counted, not told.
const MAX_PROBLEMS: usize = 1000;

impl Verification {
    fn boot(&mut self, boot: &Boot) {
        // A boot that never arrived with a key has none that it could be trusted by.
        self.keys.push(boot.public_key.unwrap_or(PublicKey([0; 32])));
        self.records.entry(boot.boot).or_default();
    }

    fn record(&mut self, boot: &Boot, row: &Row) {
        *self.records.entry(boot.boot).or_default() += 1;
        self.verifier.record(&row.header, Some(&row.body));
        if !row.columns_agree {
            let header = Header::decode(&row.header).ok();
            let place = Place {
                boot: Some(boot.boot),
                lane: header.as_ref().map(|header| header.lane),
                sequence: header.as_ref().map(|header| header.sequence),
                ..Place::default()
            };
            if self.problems.len() < MAX_PROBLEMS {
                self.problems.push(Problem { place, fault: Fault::Columns });
            } else {
                self.untold += 1;
            }
        }
    }

    fn finish(mut self, keys: &[PublicKey]) -> Report {
        let trusted = if keys.is_empty() { &self.keys } else { keys };
        trusted.iter().for_each(|key| self.verifier.trust(*key));
        let mut report = self.verifier.finish();
        for (boot, _) in self.records.iter().filter(|(_, records)| **records == 0) {
            let place = Place { boot: Some(*boot), ..Place::default() };
            report.problems.push(Problem { place, fault: Fault::NoRecords });
        }
        report.problems.extend(self.problems);
        report.untold += self.untold;
        report
    }
}
