//! A batch of changes, kept as the bytes that are written.
//!
//! ```text
//! batch    sequence u64 | count u32 | records
//! record   kind u8 | family varint | key | value, or the end of a range: each with its length as a varint in front
//! ```
//!
//! This is the form in which RocksDB logs a batch (`db/write_batch.cc`; log files are kept across versions, so it does not
//! change): a batch is made, joined with others and handed over without an allocation for each key. The first twelve
//! bytes are filled in when it is handed over. Records are only read back here, by [`WriteBatch::ops`].

use super::kv::Cf;

const HEADER: usize = 12;
const COUNT_AT: usize = 8;

const DELETE: u8 = 0x4;
const PUT: u8 = 0x5;
const DELETE_RANGE: u8 = 0xe;

/// One change of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Sets a key.
    Put(Cf, &'a [u8], &'a [u8]),
    /// Removes a key, present or not.
    Delete(Cf, &'a [u8]),
    /// Removes all keys in `start..end`.
    DeleteRange(Cf, &'a [u8], &'a [u8]),
}

/// Changes that happen together or not at all, in order.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Empty, or a header and records.
    bytes: Vec<u8>,
    count: u32,
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

impl WriteBatch {
    fn begin(&mut self, kind: u8, cf: Cf, key: &[u8], more: usize) {
        if self.bytes.is_empty() {
            self.bytes.reserve(HEADER + key.len() + more + 16);
            self.bytes.extend_from_slice(&[0; HEADER]);
        }
        self.count += 1;
        // Families have small numbers: one byte as a varint.
        self.bytes.extend_from_slice(&[kind, cf as u8]);
        self.add(key);
    }

    fn add(&mut self, bytes: &[u8]) {
        put_length(&mut self.bytes, bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Sets a key.
    pub fn put(&mut self, cf: Cf, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.put_parts(cf, key.as_ref(), &[value.as_ref()]);
    }

    /// Sets a key to a value that is in several pieces; where in [`WriteBatch::bytes_mut`] the value begins.
    pub fn put_parts(&mut self, cf: Cf, key: &[u8], value: &[&[u8]]) -> usize {
        let length = value.iter().map(|part| part.len()).sum();
        self.begin(PUT, cf, key, length);
        put_length(&mut self.bytes, length);
        let at = self.bytes.len();
        value.iter().for_each(|part| self.bytes.extend_from_slice(part));
        at
    }

    /// Removes a key.
    pub fn delete(&mut self, cf: Cf, key: impl AsRef<[u8]>) {
        self.begin(DELETE, cf, key.as_ref(), 0);
    }

    /// Removes a range of keys.
    pub fn delete_range(&mut self, cf: Cf, start: impl AsRef<[u8]>, end: impl AsRef<[u8]>) {
        let end = end.as_ref();
        self.begin(DELETE_RANGE, cf, start.as_ref(), end.len());
        self.add(end);
    }

    /// Adds the changes of another batch behind these; by how much places in the other one are further on now.
    pub fn append(&mut self, other: Self) -> usize {
        if self.bytes.capacity() == 0 {
            *self = other;
            return 0;
        }
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&[0; HEADER]);
        }
        let shift = self.bytes.len() - HEADER;
        self.bytes.extend_from_slice(other.bytes.get(HEADER..).unwrap_or_default());
        self.count += other.count;
        shift
    }

    /// Makes room for this many bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Everything, to read values whose places are known.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Everything, to change values whose places are known.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The batch as RocksDB reads it; empty without changes.
    pub fn encoded(&mut self) -> &[u8] {
        if let Some(count) = self.bytes.get_mut(COUNT_AT..HEADER) {
            count.copy_from_slice(&self.count.to_le_bytes());
        }
        &self.bytes
    }

    /// The changes in order.
    ///
    /// # Panics
    /// Never: this type alone writes what is read.
    pub fn ops(&self) -> impl Iterator<Item = Op<'_>> {
        let mut rest = self.bytes.get(HEADER..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (&[kind, family], records) = rest.split_first_chunk()?;
            rest = records;
            let cf = Cf::ALL[usize::from(family)];
            let key = take(&mut rest);
            Some(match kind {
                PUT => Op::Put(cf, key, take(&mut rest)),
                DELETE_RANGE => Op::DeleteRange(cf, key, take(&mut rest)),
                _ => Op::Delete(cf, key),
            })
        })
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (mut length, mut used) = (0, 0);
    loop {
        let byte = rest[used];
        length |= usize::from(byte & 0x7f) << (7 * used);
        used += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (taken, behind) = rest[used..].split_at(length);
    *rest = behind;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_back_in_order_and_join() {
        let long = vec![7_u8; 70_000];
        let mut first = WriteBatch::default();
        assert!(first.is_empty() && first.encoded().is_empty() && first.ops().next().is_none());
        first.put(Cf::Rows, b"key", &long);
        first.delete(Cf::Users, b"gone");
        let mut second = WriteBatch::default();
        let at = second.put_parts(Cf::Default, b"", &[b"in ", b"parts"]);
        second.delete_range(Cf::Versions, b"a", b"b");
        let shift = first.append(second);
        assert_eq!(&first.bytes()[at + shift..at + shift + 8], b"in parts");
        first.bytes_mut()[at + shift] = b'o';
        let expected = [
            Op::Put(Cf::Rows, b"key", &long),
            Op::Delete(Cf::Users, b"gone"),
            Op::Put(Cf::Default, b"", b"on parts"),
            Op::DeleteRange(Cf::Versions, b"a", b"b"),
        ];
        assert!(first.ops().eq(expected));
        assert_eq!((first.len(), first.encoded()[COUNT_AT]), (4, 4));
        let mut empty = WriteBatch::default();
        assert_eq!(empty.append(first), 0);
        assert!(empty.ops().eq(expected));
        let mut reserved = WriteBatch::default();
        reserved.reserve(100);
        assert_eq!(reserved.append(empty), 0);
        assert!(reserved.ops().eq(expected));
    }
}
