//! What came of it.

use anyhow::{Result, bail};

use crate::arguments::Arguments;
use crate::compare::Pair;
use crate::known::Known;

/// As many lines of a difference are printed; all are in the files.
const SHOWN: usize = 60;

/// All tests of a suite, with what is known of them.
#[derive(Debug)]
pub(crate) struct Report {
    pairs: Vec<Pair>,
    known: Known,
}

impl Report {
    /// Of these pairs.
    pub(crate) fn new(pairs: Vec<Pair>, known: Known) -> Self {
        Report { pairs, known }
    }

    /// Prints it.
    ///
    /// # Errors
    ///
    /// A test differs that is not known to.
    pub(crate) fn tell(&self, arguments: &Arguments) -> Result<()> {
        let mut unknown = 0;
        for pair in &self.pairs {
            if pair.is_same() {
                println!("same       {}", pair.test);
                continue;
            }
            let diff = pair.diff()?;
            if let Some(known) = self.known.of(&pair.test).filter(|known| known.is(&diff)) {
                println!("known      {}: {}", pair.test, known.reason);
            } else {
                unknown += 1;
                println!("DIFFERENT  {}", pair.test);
                diff.lines().take(SHOWN).for_each(|line| println!("    {line}"));
                if diff.lines().nth(SHOWN).is_some() {
                    println!("    …");
                }
            }
        }
        for known in self.known.entries() {
            let test = &known.test;
            match self.pairs.iter().find(|pair| pair.test == *test) {
                Some(pair) if pair.is_same() => println!("NO MORE    {test}: listed, and it is the same"),
                None if arguments.wants_all() => {
                    println!("NO MORE    {test}: listed, and there is no such test")
                }
                _ => {}
            }
        }
        let same = self.pairs.iter().filter(|pair| pair.is_same()).count();
        println!(
            "\n{}: {} tests, {same} the same, {} different, of which {unknown} are not listed; what they said is in {}",
            arguments.suite,
            self.pairs.len(),
            self.pairs.len() - same,
            arguments.results()?.display()
        );
        if unknown > 0 {
            bail!("{unknown} tests can tell that Portreeve is there");
        }
        Ok(())
    }
}
