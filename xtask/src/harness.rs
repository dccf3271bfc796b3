//! What the test harness says, counted line by line.

/// What came of tests. A check that is no set of tests counts as one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// What failed, by name.
    pub(crate) failures: Vec<String>,
}

impl Counts {
    /// Takes in what a line of the harness's output says, if it says anything.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// Takes in what was counted elsewhere; its failures say where.
    pub(crate) fn add(&mut self, others: Self, place: &str) {
        self.passed += others.passed;
        self.failed += others.failed;
        self.failures.extend(others.failures.into_iter().map(|failure| format!("{place}: {failure}")));
    }

    /// Counts one failure that no harness tells of.
    pub(crate) fn fail(&mut self, what: &str) {
        self.failed += 1;
        self.failures.push(what.to_owned());
    }
}

/// `12` of `ok. 12 passed; 0 failed; …`.
fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_the_harness_says() {
        let mut counts = Counts::default();
        for line in [
            "running 15 tests",
            "test module::a_name ... ok",
            "test module::another ... FAILED",
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.01s",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: in a form that is not known",
        ] {
            counts.read(line);
        }
        let failures = vec!["module::another".to_owned()];
        assert_eq!(counts, Counts { passed: 14, failed: 3, failures });

        let mut all = Counts { passed: 1, ..Counts::default() };
        all.add(counts, "elsewhere");
        let failures = vec!["elsewhere: module::another".to_owned()];
        assert_eq!(all, Counts { passed: 15, failed: 3, failures });
    }
}
