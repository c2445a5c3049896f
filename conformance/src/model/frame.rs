//! Frames of zstd, as simple as they can be: an encoder and a decoder of a few lines, so that an author of a transport builds no C for it.

/// The most bytes of a block.
const BLOCK: usize = 128 << 10;

/// What begins a frame that decoders skip.
pub(super) const SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// A frame of one segment, whose blocks are runs of one byte or raw.
pub(super) fn frame(content: &[u8]) -> Vec<u8> {
    // A single segment, whose size stands in eight bytes; no checksum, no dictionary.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1110_0000];
    frame.extend((content.len() as u64).to_le_bytes());
    let blocks = content.len().div_ceil(BLOCK).max(1);
    for at in 0..blocks {
        let block = &content[at * BLOCK..content.len().min((at + 1) * BLOCK)];
        let run =
            block.split_first().filter(|(first, rest)| rest.iter().all(|byte| byte == *first));
        let (kind, stored) = run.map_or((0, block), |(_, _)| (1, &block[..1]));
        let header = usize::from(at + 1 == blocks) | (kind << 1) | (block.len() << 3);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(stored);
    }
    frame
}

/// What frames as [`frame`] makes them are of, with skippable ones between them. `None` for others.
pub(super) fn unframed(mut frames: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    while !frames.is_empty() {
        let magic = take(&mut frames, 4)?;
        if magic == SKIPPED {
            let size = take(&mut frames, 4)?;
            take(&mut frames, number(size))?;
            continue;
        }
        // The header, and the size of the content.
        take(&mut frames, 9)?;
        let mut last = false;
        while !last {
            let header = number(take(&mut frames, 3)?);
            last = header & 1 == 1;
            let size = header >> 3;
            if (header >> 1) & 3 == 1 {
                content.resize(content.len() + size, take(&mut frames, 1)?[0]);
            } else {
                content.extend_from_slice(take(&mut frames, size)?);
            }
        }
    }
    Some(content)
}

fn take<'a>(from: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(size)?;
    *from = rest;
    Some(taken)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_takes_frames_of_all_sizes() {
        for size in [0, 1, 255, 256, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let noise: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0].wrapping_mul(31)).collect();
            for content in [noise, vec![0; size]] {
                let decoded = zstd::decode_all(frame(&content).as_slice());
                assert!(decoded.is_ok_and(|decoded| decoded == content), "{size}");
                assert_eq!(unframed(&frame(&content)), Some(content), "{size}");
            }
        }
    }
}
