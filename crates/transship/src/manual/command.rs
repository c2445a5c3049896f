//! The command `transship`: what it prints, for people and as JSON.
