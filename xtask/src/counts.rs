//! How many checks passed, and reading that out of what test runners print.

use std::fmt;
use std::ops::AddAssign;

/// Printed as the plain line that ends every subcommand that checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// One check.
    pub(crate) fn one(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed), skipped: 0 }
    }

    /// Sums the `test result:` lines of libtest and the `Summary` lines of nextest. A runner that failed without
    /// naming a failed test (it did not build) counts as one failure.
    pub(crate) fn of_runner(succeeded: bool, said: &str) -> Self {
        let mut sum = Self::default();
        for line in said.lines().map(str::trim_start) {
            if line.starts_with("test result:") || line.starts_with("Summary [") {
                sum.passed += number_before(line, &["passed"]);
                sum.failed += number_before(line, &["failed", "timed", "exec"]);
                sum.skipped += number_before(line, &["skipped", "ignored"]);
            }
        }
        if !succeeded && sum.failed == 0 {
            sum.failed = 1;
        }
        sum
    }

    pub(crate) fn good(self) -> bool {
        self.failed == 0
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The numbers in front of any of these words.
fn number_before(line: &str, wanted: &[&str]) -> u64 {
    let words: Vec<&str> =
        line.split([' ', ';', ',', '(', ')']).filter(|w| !w.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| wanted.contains(&pair[1]));
    pairs.filter_map(|pair| pair[0].parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn sums_what_runners_say() {
        let libtest = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let counts = Counts { passed: 5, failed: 1, skipped: 1 };
        assert_eq!(Counts::of_runner(false, libtest), counts);
        let nextest = "     Summary [   0.5s] 14 tests run: 11 passed (1 slow), 2 failed, 1 timed out, 3 skipped";
        let counts = Counts { passed: 11, failed: 3, skipped: 3 };
        assert_eq!(Counts::of_runner(false, nextest), counts);
    }

    #[test]
    fn what_does_not_build_is_a_failure() {
        assert_eq!(Counts::of_runner(false, "error: could not compile"), Counts::one(false));
        assert_eq!(Counts::of_runner(true, ""), Counts::default());
    }

    #[test]
    fn prints_the_plain_line() {
        assert_eq!(Counts::one(true).to_string(), "1 passed, 0 failed, 0 skipped");
    }
}
