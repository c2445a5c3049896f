//! Errors of containerd, as ours.

use std::error::Error as _;

use tonic::{Code, Status};
use transship_core::{Error, ErrorKind};

/// What containerd says, with the kind that fits.
pub(crate) fn error(status: &Status) -> Error {
    if is_of_lease(status) {
        let message =
            "the lease that kept what was written is gone: it has expired, or was deleted";
        let said = Error::new(ErrorKind::NotFound, format!("containerd: {}", status.message()));
        return Error::new(ErrorKind::Conflict, message)
            .caused_by(said)
            .hint("copy it again: what is there still is not sent again");
    }
    let kind = kind(status);
    let message = match status.message() {
        "" => format!("containerd gives {:?} and no reason", status.code()),
        message => format!("containerd: {message}"),
    };
    let error = Error::new(kind, message);
    match status.source() {
        // The connection's own words.
        Some(source) => error.caused_by(source.to_string()),
        None => error,
    }
}

fn kind(status: &Status) -> ErrorKind {
    if status.message().contains("no space left on device") {
        return ErrorKind::NoSpace;
    }
    match status.code() {
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        Code::PermissionDenied | Code::Unauthenticated => ErrorKind::Denied,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Unavailable,
        Code::Aborted => ErrorKind::Conflict,
        Code::InvalidArgument => ErrorKind::InvalidInput,
        Code::ResourceExhausted => ErrorKind::LimitExceeded,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::DataLoss => ErrorKind::Corrupt,
        // The connection, not containerd: it speaks through codes of its own.
        Code::Unknown | Code::Internal if is_of_connection(status) => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// Whether a lease is not there. It is containerd's word alone that tells it from a blob that is not.
fn is_of_lease(status: &Status) -> bool {
    status.code() == Code::NotFound && status.message().starts_with("lease ")
}

/// Whether the connection has failed, and containerd has said nothing.
pub(crate) fn is_of_connection(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<hyper::Error>() || error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (status, expected) in [
            (Status::not_found("image \"x\": not found"), ErrorKind::NotFound),
            (Status::unknown("write /x: no space left on device"), ErrorKind::NoSpace),
            (Status::not_found("lease \"x\": not found"), ErrorKind::Conflict),
            (Status::not_found("lease does not exist: not found"), ErrorKind::Conflict),
            (Status::unknown("what"), ErrorKind::Unexpected),
            (Status::unimplemented("unknown service x"), ErrorKind::Unsupported),
        ] {
            let error = error(&status);
            assert_eq!(error.kind(), expected, "{error}");
        }
    }
}
