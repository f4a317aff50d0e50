//! Stored forms: rows, superseded versions, commit records of early writers, and what a commit leaves to collect.
//!
//! ```text
//! row       format u8 | flags u8 | ts u64 | crc32c of the body u32 | body | [stamp u64]
//! version   end u64 | flags u8 | body
//! early     commit_ts u64 (0: not committed) | (storage u32, first row u32, end row u32)*
//! ahead     1 u8 | (storage u32, first row u32, end row u32)*    or    2 u8 | garbage
//! garbage   (kind u8, storage u32, [row u32 | key length u32, key and row])*
//! ```
//!
//! All numbers are little-endian. The timestamp lies outside the checksum because it is filled in when the commit is
//! ordered, long after the body was encoded. In a pending row it is the number of the transaction that wrote it, and
//! its stamp says which part of that transaction did. A version's end is the commit that replaced it; or, with the
//! highest bit, the transaction that displaced it ahead of its commit.

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
/// A stamp stands behind the body.
pub(super) const STAMPED: u8 = 8;

/// The highest bit: no timestamp has it. Set in stamps, and in the end of a version that was displaced by a transaction
/// ahead of its commit, whose number is in the other bits.
pub(super) const OWN: u64 = 1 << 63;

/// Says which part of a transaction wrote a version: later parts have greater stamps, and all are greater than any
/// timestamp.
pub(super) fn stamp_of(command: u32, epoch: u32) -> u64 {
    OWN | u64::from(command) << 32 | u64::from(epoch)
}

/// The command in a stamp.
pub(super) fn command_of(stamp: u64) -> u32 {
    ((stamp & !OWN) >> 32) as u32
}

/// The number of savepoints in a stamp.
pub(super) fn epoch_of(stamp: u64) -> u32 {
    stamp as u32
}

/// What precedes a row's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) flags: u8,
    /// Commit timestamp, or the transaction of a pending row.
    pub(super) ts: u64,
    /// Of a stamped row; 0 in others.
    pub(super) stamp: u64,
}

impl Head {
    pub(super) fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a transaction wrote this row ahead and nobody has settled it.
    pub(super) fn is_pending_of(self, txn: u64) -> bool {
        self.is(PENDING) && self.ts == txn
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes)
}

/// A little-endian timestamp.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes)
}

/// What precedes the body of a row that has no timestamp yet.
pub(super) fn row_header(flags: u8, body: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    (header[0], header[1]) = (FORMAT, flags);
    header[HEADER - 4..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    header
}

/// A row ready to be stored but for its timestamp.
pub(super) fn encode_row(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + body.len());
    value.extend_from_slice(&row_header(flags, body));
    value.extend_from_slice(body);
    value
}

/// The header of an encoded row that turns out to have no older version.
///
/// # Panics
/// When it is not an encoded row.
pub(super) fn first_of(value: &[u8]) -> [u8; HEADER] {
    let mut header = *value.first_chunk::<HEADER>().expect("an encoded row has a header");
    header[1] = FIRST;
    header
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
        (Some((head, body)), Some(ts)) if head[0] == FORMAT && head[1] & STAMPED == 0 => {
            Ok((Head { flags: head[1], ts, stamp: 0 }, body))
        }
        (Some((head, body)), Some(ts)) if head[0] == FORMAT && body.len() >= 8 => {
            let (body, stamp) = body.split_at(body.len() - 8);
            Ok((Head { flags: head[1], ts, stamp: u64_at(stamp, 0).unwrap_or(0) }, body))
        }
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

/// A row written ahead of a transaction's commit.
pub(super) fn encode_ahead(flags: u8, txn: u64, stamp: u64, body: &[u8]) -> Vec<u8> {
    let mut value = encode_row(flags | PENDING | STAMPED, body);
    self::stamp(&mut value, TS_AT, txn);
    value.extend_from_slice(&stamp.to_le_bytes());
    value
}

/// [`encode_ahead`] of a row that is encoded as a new one already, in pieces: header, body, stamp.
pub(super) struct AheadOf<'a>([u8; HEADER], &'a [u8], [u8; 8]);

impl AheadOf<'_> {
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        [&self.0, self.1, &self.2]
    }
}

/// See [`AheadOf`].
///
/// # Panics
/// When it is not a stored row.
pub(super) fn ahead_of(stored: &[u8], txn: u64, stamp: u64) -> AheadOf<'_> {
    let (header, body) = stored.split_first_chunk::<HEADER>().expect("a stored row has a header");
    let mut header = *header;
    header[1] |= PENDING | STAMPED;
    self::stamp(&mut header, TS_AT, txn);
    AheadOf(header, body, stamp.to_le_bytes())
}

/// What precedes the body of a version.
pub(super) fn version_header(end: u64, flags: u8) -> [u8; VERSION_HEADER] {
    let mut header = [flags; VERSION_HEADER];
    header[..8].copy_from_slice(&end.to_le_bytes());
    header
}

/// A version that is not in `rows` any more: its end, and what to remember of its flags.
pub(super) fn encode_version(end: u64, flags: u8, body: &[u8]) -> Vec<u8> {
    [&version_header(end, flags)[..], body].concat()
}

/// A version that is not the newest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Older<'a> {
    pub(super) end: u64,
    pub(super) flags: u8,
    pub(super) body: &'a [u8],
}

/// Reads [`encode_version`].
pub(super) fn open_version(value: &[u8]) -> Result<Older<'_>> {
    match (u64_at(value, 0), value.split_at_checked(VERSION_HEADER)) {
        (Some(end), Some((head, body))) => Ok(Older { end, flags: head[VERSION_HEADER - 1], body }),
        _ => Err(Error::corrupt("stored row version has an invalid header")),
    }
}

/// The commit record of a transaction that wrote ahead. Format 1 kept the ranges of its rows in it.
pub(super) fn encode_early(commit_ts: u64) -> Vec<u8> {
    commit_ts.to_le_bytes().to_vec()
}

fn decode_ranges(bytes: &[u8]) -> Option<Vec<(StorageId, RowIdRange)>> {
    let (parts, rest) = bytes.as_chunks::<12>();
    let number = |part: &[u8; 12], at: usize| u32_at(part, at).expect("a part has three numbers");
    let ranges = parts.iter().map(|part| (StorageId(number(part, 0)), number(part, 4)..number(part, 8)));
    rest.is_empty().then(|| ranges.collect())
}

/// Reads [`encode_early`].
pub(super) fn decode_early(value: &[u8]) -> Result<(u64, Vec<(StorageId, RowIdRange)>)> {
    let parts = u64_at(value, 0).zip(value.get(8..).and_then(decode_ranges));
    parts.ok_or_else(|| Error::corrupt("stored commit record is damaged"))
}

/// A piece of what a transaction wrote ahead, and what its end has to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Rows of these ranges may be pending.
    Rows(Vec<(StorageId, RowIdRange)>),
    /// Index entries that its commit makes useless.
    Retired(Vec<Garbage>),
}

const AHEAD_ROWS: u8 = 1;
const AHEAD_RETIRED: u8 = 2;

impl Ahead {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Rows(ranges) => {
                let mut value = Vec::with_capacity(1 + 12 * ranges.len());
                value.push(AHEAD_ROWS);
                for number in ranges.iter().flat_map(|(storage, range)| [storage.0, range.start, range.end]) {
                    value.extend_from_slice(&number.to_le_bytes());
                }
                value
            }
            Self::Retired(items) => {
                let mut value = vec![AHEAD_RETIRED];
                value.extend(encode_garbage(items).unwrap_or_default());
                value
            }
        }
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self> {
        match value.split_first() {
            Some((&AHEAD_ROWS, ranges)) => decode_ranges(ranges).map(Self::Rows),
            Some((&AHEAD_RETIRED, items)) => return decode_garbage(items).map(Self::Retired),
            _ => None,
        }
        .ok_or_else(|| Error::corrupt("stored record of rows written ahead is damaged"))
    }
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

impl Garbage {
    /// Whether the record of a commit's garbage has it.
    pub(super) fn is_recorded(&self) -> bool {
        !matches!(self, Self::Version { .. })
    }
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
        assert_eq!(open_row(&row).unwrap(), (Head { flags: FIRST, ts: 77, stamp: 0 }, &b"body"[..]));
        verify_row(&row).unwrap();
        row[HEADER] ^= 1;
        assert_eq!(verify_row(&row).unwrap_err().sqlstate().as_str(), "XX001");
        assert!(open_row(&row[..5]).is_err());
        let stamp = stamp_of(3, 9);
        let ahead = encode_ahead(DELETED, 12, stamp, b"body");
        let head = Head { flags: DELETED | PENDING | STAMPED, ts: 12, stamp };
        assert_eq!(open_row(&ahead).unwrap(), (head, &b"body"[..]));
        assert_eq!((command_of(stamp), epoch_of(stamp)), (3, 9));
        verify_row(&ahead).unwrap();
        assert!(open_row(&ahead[..HEADER + 5]).is_err());
        assert_eq!(ahead_of(&encode_row(DELETED, b"body"), 12, stamp).parts().concat(), ahead);
        let older = encode_version(OWN | 12, FIRST, b"older");
        let older = open_version(&older).unwrap();
        assert_eq!((older.end, older.flags, older.body), (OWN | 12, FIRST, &b"older"[..]));
        let ranges = vec![(StorageId(3), 1..9), (StorageId(4), 7..8)];
        assert_eq!(decode_early(&encode_early(5)).unwrap(), (5, Vec::new()));
        let rows = Ahead::Rows(ranges);
        let bytes = rows.encode();
        assert_eq!(Ahead::decode(&bytes).unwrap(), rows);
        assert!(Ahead::decode(&bytes[..bytes.len() - 1]).is_err());
        let garbage = vec![
            Garbage::Tombstone { storage: StorageId(1), row: 2 },
            Garbage::Entry { index: StorageId(3), key: b"key\0\0\0\x04".as_slice().into() },
            Garbage::Storage(StorageId(9)),
        ];
        let bytes = encode_garbage(&garbage).unwrap();
        assert_eq!(decode_garbage(&bytes).unwrap(), garbage);
        let retired = Ahead::Retired(garbage);
        assert_eq!(Ahead::decode(&retired.encode()).unwrap(), retired);
        assert!(decode_garbage(&bytes[..bytes.len() - 1]).is_err());
        let version = Garbage::Version { storage: StorageId(1), row: 1, begin: 1 };
        assert!(!version.is_recorded() && encode_garbage(&[version]).is_none());
    }
}
