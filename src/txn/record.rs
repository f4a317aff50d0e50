//! Stored forms: rows, superseded versions, commit records of early writers, and what a commit leaves to collect.
//!
//! ```text
//! row       format u8 | flags u8 | ts u64 | crc32c of the body u32 | body
//! version   end_ts u64 | flags u8 | body
//! early     commit_ts u64 (0: not committed) | (storage u32, first row u32, end row u32)*
//! garbage   (kind u8, storage u32, [row u32 | key length u32, key and row])*
//! ```
//!
//! All numbers are little-endian. The timestamp lies outside the checksum because it is filled in when the commit is
//! ordered, long after the body was encoded. In a pending row it is the number of the transaction that wrote it.

use crate::catalog::descriptor::StorageId;
use crate::error::{Error, Result};
use crate::txn::row_store::{RowId, RowIdRange};

/// Bytes before the body of a row.
pub(super) const HEADER: usize = 14;
/// Where the timestamp stands in a row.
pub(super) const TS_AT: usize = 2;
/// Bytes before the body of a version.
pub(super) const VERSION_HEADER: usize = 9;

const FORMAT: u8 = 1;

/// The row was deleted: there is no body.
pub(super) const DELETED: u8 = 1;
/// Written ahead of its transaction's commit.
pub(super) const PENDING: u8 = 2;
/// There is no older version.
pub(super) const FIRST: u8 = 4;

/// What precedes a row's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) flags: u8,
    /// Commit timestamp, or the transaction of a pending row.
    pub(super) ts: u64,
}

impl Head {
    pub(super) fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes)
}

/// A little-endian timestamp.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes)
}

/// A row ready to be stored but for its timestamp.
pub(super) fn encode_row(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + body.len());
    value.extend_from_slice(&[FORMAT, flags]);
    value.extend_from_slice(&0_u64.to_le_bytes());
    value.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    value.extend_from_slice(body);
    value
}

/// Sets the flags of a row that is not stored yet.
pub(super) fn set_flags(value: &mut [u8], flags: u8) {
    value[1] = flags;
}

/// Fills in a timestamp.
pub(super) fn stamp(value: &mut [u8], at: usize, ts: u64) {
    value[at..at + 8].copy_from_slice(&ts.to_le_bytes());
}

/// The parts of a stored row.
#[inline]
pub(super) fn open_row(value: &[u8]) -> Result<(Head, &[u8])> {
    match (value.split_at_checked(HEADER), u64_at(value, TS_AT)) {
        (Some((head, body)), Some(ts)) if head[0] == FORMAT => Ok((Head { flags: head[1], ts }, body)),
        _ => Err(Error::corrupt("stored row has an invalid header")),
    }
}

/// Whether a stored row's body is the one that was written.
pub(super) fn verify_row(value: &[u8]) -> Result<()> {
    let (_, body) = open_row(value)?;
    if u32_at(value, HEADER - 4) == Some(crc32c::crc32c(body)) {
        return Ok(());
    }
    Err(Error::corrupt("stored row does not match its checksum"))
}

/// A superseded version, its end to be filled in at offset 0.
pub(super) fn encode_version(body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(VERSION_HEADER + body.len());
    value.extend_from_slice(&0_u64.to_le_bytes());
    value.push(0);
    value.extend_from_slice(body);
    value
}

/// End timestamp and body of a superseded version.
pub(super) fn open_version(value: &[u8]) -> Result<(u64, &[u8])> {
    match (u64_at(value, 0), value.get(VERSION_HEADER..)) {
        (Some(end), Some(body)) => Ok((end, body)),
        _ => Err(Error::corrupt("stored row version has an invalid header")),
    }
}

/// The commit record of a transaction that wrote rows early.
pub(super) fn encode_early(commit_ts: u64, ranges: &[(StorageId, RowIdRange)]) -> Vec<u8> {
    let mut value = Vec::with_capacity(8 + 12 * ranges.len());
    value.extend_from_slice(&commit_ts.to_le_bytes());
    for (storage, range) in ranges {
        for number in [storage.0, range.start, range.end] {
            value.extend_from_slice(&number.to_le_bytes());
        }
    }
    value
}

/// Reads [`encode_early`].
pub(super) fn decode_early(value: &[u8]) -> Result<(u64, Vec<(StorageId, RowIdRange)>)> {
    let damaged = || Error::corrupt("stored commit record is damaged");
    let commit_ts = u64_at(value, 0).ok_or_else(damaged)?;
    let (parts, rest) = value[8..].as_chunks::<12>();
    if !rest.is_empty() {
        return Err(damaged());
    }
    let number = |part: &[u8; 12], at: usize| u32_at(part, at).expect("a part has three numbers");
    Ok((commit_ts, parts.iter().map(|p| (StorageId(number(p, 0)), number(p, 4)..number(p, 8))).collect()))
}

/// Something that no snapshot from its commit on needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Garbage {
    /// A superseded version; not recorded, since no version survives a restart.
    Version { storage: StorageId, row: RowId, begin: u64 },
    /// A deleted row's mark.
    Tombstone { storage: StorageId, row: RowId },
    /// A retired index entry: key bytes with the big-endian row id behind them.
    Entry { index: StorageId, key: Box<[u8]> },
    /// A dropped table or index.
    Storage(StorageId),
}

const TOMBSTONE: u8 = 1;
const ENTRY: u8 = 2;
const STORAGE: u8 = 3;

/// The record of a commit's garbage; `None` when there is nothing to record.
pub(super) fn encode_garbage(items: &[Garbage]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut put = |kind: u8, numbers: &[u32], key: &[u8]| {
        out.push(kind);
        numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        out.extend_from_slice(key);
    };
    for item in items {
        match item {
            Garbage::Version { .. } => {}
            Garbage::Tombstone { storage, row } => put(TOMBSTONE, &[storage.0, *row], &[]),
            Garbage::Entry { index, key } => {
                let length = u32::try_from(key.len()).expect("keys are far shorter than 4 GiB");
                put(ENTRY, &[index.0, length], key);
            }
            Garbage::Storage(storage) => put(STORAGE, &[storage.0], &[]),
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Reads [`encode_garbage`].
pub(super) fn decode_garbage(mut bytes: &[u8]) -> Result<Vec<Garbage>> {
    let damaged = || Error::corrupt("stored garbage record is damaged");
    let mut items = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        let storage = StorageId(u32_at(rest, 0).ok_or_else(damaged)?);
        let used = match *kind {
            TOMBSTONE => {
                items.push(Garbage::Tombstone { storage, row: u32_at(rest, 4).ok_or_else(damaged)? });
                8
            }
            ENTRY => {
                let length = u32_at(rest, 4).ok_or_else(damaged)? as usize;
                let key = rest.get(8..8 + length).filter(|key| key.len() >= 4).ok_or_else(damaged)?;
                items.push(Garbage::Entry { index: storage, key: key.into() });
                8 + length
            }
            STORAGE => {
                items.push(Garbage::Storage(storage));
                4
            }
            _ => return Err(damaged()),
        };
        bytes = rest.get(used..).ok_or_else(damaged)?;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_damage_is_found() {
        let mut row = encode_row(FIRST, b"body");
        stamp(&mut row, TS_AT, 77);
        assert_eq!(open_row(&row).unwrap(), (Head { flags: FIRST, ts: 77 }, &b"body"[..]));
        verify_row(&row).unwrap();
        row[HEADER] ^= 1;
        assert_eq!(verify_row(&row).unwrap_err().sqlstate().as_str(), "XX001");
        assert!(open_row(&row[..5]).is_err());
        let ranges = vec![(StorageId(3), 1..9), (StorageId(4), 7..8)];
        assert_eq!(decode_early(&encode_early(5, &ranges)).unwrap(), (5, ranges));
        let garbage = vec![
            Garbage::Tombstone { storage: StorageId(1), row: 2 },
            Garbage::Entry { index: StorageId(3), key: b"key\0\0\0\x04".as_slice().into() },
            Garbage::Storage(StorageId(9)),
        ];
        let bytes = encode_garbage(&garbage).unwrap();
        assert_eq!(decode_garbage(&bytes).unwrap(), garbage);
        assert!(decode_garbage(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(encode_garbage(&[Garbage::Version { storage: StorageId(1), row: 1, begin: 1 }]), None);
    }
}
