//! The smallest correct transport keeps all laws.
#![allow(clippy::expect_used, reason = "tests")]

use transship_conformance::Memory;

transship_conformance::conformance!(Memory::new());
