//! A place that holds one image, which can be deleted: the smallest correct transport of that kind keeps all laws.
#![allow(clippy::expect_used, reason = "tests")]

use transship_conformance::Memory;

transship_conformance::conformance!(Memory::of_one());
