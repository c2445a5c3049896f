//! Where layers have to be tars, the samples of the kit are: the smallest correct transport that claims it keeps all laws.
#![allow(clippy::expect_used, reason = "tests")]

use transship_conformance::Memory;

transship_conformance::conformance!(Memory::of_tars());
