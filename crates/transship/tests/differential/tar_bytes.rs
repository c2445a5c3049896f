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
    pub(crate) good_checksum: bool,
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
            good_checksum: true,
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
        seal(&mut block);
        if !self.good_checksum {
            block[150] ^= 1;
        }
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

fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
}
