//! docker-archive
