//! transship
