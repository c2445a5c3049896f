//! Where manifests of OCI alone are accepted, the samples of the kit are of OCI: the smallest correct transport that does so keeps all
//! laws.
#![allow(clippy::expect_used, reason = "tests")]

use transship_conformance::Memory;

transship_conformance::conformance!(Memory::of_oci());
