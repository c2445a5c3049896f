//! Buffers of a chunk's size that are used again, in the whole process.
//!
//! Each body has a few of them for a short time, on threads of its own. Given back to an allocator that has an arena for
//! each thread, they stay in many arenas: pushing 40 images then takes three times the memory that is in use.

use std::sync::{Mutex, PoisonError};

use super::chunks::CHUNK;

/// How many are kept.
const MOST: usize = 16;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer of [`CHUNK`] bytes, whatever they are.
pub(super) fn take() -> Vec<u8> {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    // The system's zeroed pages: nothing is written before something is read.
    spare.unwrap_or_else(|| vec![0; CHUNK])
}

/// Keeps a buffer for the next who needs one, if it is one of these.
pub(super) fn give(buffer: Vec<u8>) {
    if buffer.len() != CHUNK {
        return;
    }
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < MOST {
        spare.push(buffer);
    }
}
