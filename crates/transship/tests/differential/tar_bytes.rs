//! Entries of a tar, every byte of which can be wrong.

/// One entry, as it will stand in the archive.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) magic: &'static [u8; 8],
    /// Bytes 345 to 500.
    pub(crate) prefix: Vec<u8>,
    pub(crate) mode: Vec<u8>,
    pub(crate) mtime: Vec<u8>,
    pub(crate) uid: Vec<u8>,
    /// In place of the true one.
    pub(crate) size: Option<Vec<u8>>,
    /// Records of an extended header in front.
    pub(crate) pax: Vec<Vec<u8>>,
    /// For all entries that follow.
    pub(crate) global: Vec<Vec<u8>>,
    /// Payloads of GNU headers in front, for the name and for the link.
    pub(crate) long_names: Vec<Vec<u8>>,
    pub(crate) long_links: Vec<Vec<u8>>,
    /// Bytes 329 to 337, and 337 to 345.
    pub(crate) device: Vec<u8>,
    /// With the mark of star at the end.
    pub(crate) star: bool,
    pub(crate) sum: Sum,
}

/// How the checksum is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    /// As all tools do.
    Usual,
    /// One that is wrong.
    Wrong,
    /// Of signed bytes.
    Signed,
    /// With blanks around it.
    Blanks,
    /// In all eight bytes.
    Long,
    /// No digits at all.
    Empty,
}

pub(crate) const USTAR: &[u8; 8] = b"ustar\x0000";
pub(crate) const GNU: &[u8; 8] = b"ustar  \0";
pub(crate) const OLD: &[u8; 8] = &[0; 8];
pub(crate) const ODD: &[u8; 8] = b"ustar\x001 ";

impl Entry {
    pub(crate) fn file(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.into(),
            kind: b'0',
            link: Vec::new(),
            data: data.to_vec(),
            magic: USTAR,
            prefix: Vec::new(),
            mode: b"0000644".to_vec(),
            mtime: b"00000000000".to_vec(),
            uid: b"0000000".to_vec(),
            size: None,
            pax: Vec::new(),
            global: Vec::new(),
            long_names: Vec::new(),
            long_links: Vec::new(),
            device: Vec::new(),
            star: false,
            sum: Sum::Usual,
        }
    }

    pub(crate) fn link(name: &str, kind: u8, to: &str) -> Self {
        Self { kind, link: to.into(), ..Self::file(name, b"") }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        extension(out, b'g', &records(&self.global));
        extension(out, b'x', &records(&self.pax));
        for long in &self.long_names {
            extension(out, b'L', long);
        }
        for long in &self.long_links {
            extension(out, b'K', long);
        }
        let mut block = [0_u8; 512];
        put(&mut block[..100], &self.name);
        put(&mut block[100..108], &self.mode);
        put(&mut block[108..116], &self.uid);
        put(&mut block[116..124], b"0000000");
        let size = format!("{:011o}", self.data.len()).into_bytes();
        put(&mut block[124..136], self.size.as_ref().unwrap_or(&size));
        put(&mut block[136..148], &self.mtime);
        block[156] = self.kind;
        put(&mut block[157..257], &self.link);
        block[257..265].copy_from_slice(self.magic);
        put(&mut block[345..500], &self.prefix);
        put(&mut block[329..337], &self.device);
        put(&mut block[337..345], &self.device);
        if self.star {
            block[508..].copy_from_slice(b"tar\0");
        }
        seal(&mut block, self.sum);
        out.extend_from_slice(&block);
        padded(out, &self.data);
    }
}

/// A record `LENGTH KEY=VALUE`.
pub(crate) fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length += 1;
    }
    format!("{length} {key}={value}\n").into_bytes()
}

fn records(all: &[Vec<u8>]) -> Vec<u8> {
    all.concat()
}

fn extension(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    if payload.is_empty() {
        return;
    }
    let magic = if matches!(kind, b'L' | b'K') { GNU } else { USTAR };
    Entry { kind, magic, ..Entry::file("././@Extension", payload) }.write(out);
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = field.len().min(bytes.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

fn seal(block: &mut [u8; 512], how: Sum) {
    block[148..156].fill(b' ');
    let mut sum: i64 = block.iter().map(|byte| i64::from(*byte)).sum();
    if how == Sum::Signed {
        sum = block.iter().map(|byte| i64::from(byte.cast_signed())).sum();
    }
    let text = match how {
        Sum::Usual | Sum::Signed => format!("{sum:06o}\0 "),
        Sum::Wrong => format!("{:06o}\0 ", sum ^ 1),
        Sum::Blanks => format!("{sum:>7o} "),
        Sum::Long => format!("{sum:08o}"),
        Sum::Empty => " ".repeat(8),
    };
    put(&mut block[148..156], text.as_bytes());
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
}
