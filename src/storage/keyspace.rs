//! Key layouts. All integers are big-endian, so that byte order is number order; the first byte is a tag.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | rows | `R` storage u32, row id u32 | header, row body (`txn/record.rs`) |
//! | rows | `I` storage u32, key bytes, row id u32 | timestamp of the commit that put it, u64 little-endian |
//! | versions | storage u32, row id u32, !begin u64 | end u64, flags u8, row body |
//! | default | `C` object | catalog |
//! | default | `S` oid u32 | sequence state |
//! | default | `M` name | marks: format version, timestamps of commits used up to |
//! | default | `P` transaction u64 | commit timestamp of a transaction that wrote ahead |
//! | default | `P` transaction u64, number u32 | a piece of what a transaction wrote ahead |
//! | default | `G` commit_ts u64 | what a commit made useless: deleted rows, retired entries, dropped storages |
//! | users | role name | verifier |

/// The on-disk format this binary writes.
pub const FORMAT_VERSION: u32 = 2;
/// The oldest on-disk format that this binary reads.
pub const FORMAT_VERSION_MIN: u32 = 1;

const ROW_TAG: u8 = b'R';
const ENTRY_TAG: u8 = b'I';

/// Key of a row.
#[must_use]
pub fn row_key(storage: u32, row: u32) -> [u8; 9] {
    let mut key = [0; 9];
    key[0] = ROW_TAG;
    key[1..5].copy_from_slice(&storage.to_be_bytes());
    key[5..9].copy_from_slice(&row.to_be_bytes());
    key
}

/// The key after a storage's last row.
#[must_use]
pub fn rows_end(storage: u32) -> [u8; 5] {
    let mut key = [0; 5];
    key[0] = ROW_TAG;
    key[1..5].copy_from_slice(&(storage + 1).to_be_bytes());
    key
}

/// The row id in a row key.
///
/// # Panics
/// On a key of another shape: only row keys are scanned with row bounds.
#[must_use]
pub fn row_of_key(key: &[u8]) -> u32 {
    assert!(key.len() == 9 && key[0] == ROW_TAG, "a row key has nine bytes");
    u32::from_be_bytes([key[5], key[6], key[7], key[8]])
}

/// Key of a superseded version.
#[must_use]
pub fn version_key(storage: u32, row: u32, begin_ts: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[0..4].copy_from_slice(&storage.to_be_bytes());
    key[4..8].copy_from_slice(&row.to_be_bytes());
    key[8..16].copy_from_slice(&(!begin_ts).to_be_bytes());
    key
}

/// The timestamp in the key of a superseded version.
///
/// # Panics
/// On a key of another shape.
#[must_use]
pub fn version_begin(key: &[u8]) -> u64 {
    !u64::from_be_bytes(key[8..].try_into().expect("a version's key has sixteen bytes"))
}

/// Prefix of a row's superseded versions.
#[must_use]
pub fn versions_of(storage: u32, row: u32) -> [u8; 8] {
    let mut key = [0; 8];
    key[0..4].copy_from_slice(&storage.to_be_bytes());
    key[4..8].copy_from_slice(&row.to_be_bytes());
    key
}

/// The row id in the key of a superseded version.
///
/// # Panics
/// On a key of another shape.
#[must_use]
pub fn version_row(key: &[u8]) -> u32 {
    assert!(key.len() == 16, "a version's key has sixteen bytes");
    u32::from_be_bytes([key[4], key[5], key[6], key[7]])
}

/// Prefix of an index's entries.
#[must_use]
pub fn entry_prefix(storage: u32) -> Vec<u8> {
    let mut key = vec![ENTRY_TAG];
    key.extend_from_slice(&storage.to_be_bytes());
    key
}

/// Key of an index entry.
#[must_use]
pub fn entry_key(storage: u32, key_bytes: &[u8], row: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + key_bytes.len());
    key.push(ENTRY_TAG);
    key.extend_from_slice(&storage.to_be_bytes());
    key.extend_from_slice(key_bytes);
    key.extend_from_slice(&row.to_be_bytes());
    key
}

/// Key of an index entry given as the index's key bytes with the big-endian row id behind them.
#[must_use]
pub fn entry_key_of(storage: u32, key_and_row: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + key_and_row.len());
    key.push(ENTRY_TAG);
    key.extend_from_slice(&storage.to_be_bytes());
    key.extend_from_slice(key_and_row);
    key
}

/// Key of a sequence's state.
#[must_use]
pub fn sequence_key(oid: u32) -> Vec<u8> {
    let mut key = vec![b'S'];
    key.extend_from_slice(&oid.to_be_bytes());
    key
}

/// Key of a mark.
#[must_use]
pub fn mark_key(name: &str) -> Vec<u8> {
    let mut key = vec![b'M'];
    key.extend_from_slice(name.as_bytes());
    key
}

/// Key of an early writer's commit record.
#[must_use]
pub fn pending_key(transaction: u64) -> Vec<u8> {
    let mut key = vec![b'P'];
    key.extend_from_slice(&transaction.to_be_bytes());
    key
}

/// Key of a piece of what a transaction wrote ahead.
#[must_use]
pub fn ahead_key(transaction: u64, number: u32) -> Vec<u8> {
    let mut key = pending_key(transaction);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number of a piece in its key; `None` in that of a commit record.
#[must_use]
pub fn ahead_number(key: &[u8]) -> Option<u32> {
    key.get(9..13).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
}

/// The transaction in the key of a commit record.
#[must_use]
pub fn transaction_of_key(key: &[u8]) -> Option<u64> {
    key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
}

/// Key of the garbage of a commit.
#[must_use]
pub fn garbage_key(commit_ts: u64) -> Vec<u8> {
    let mut key = vec![b'G'];
    key.extend_from_slice(&commit_ts.to_be_bytes());
    key
}

/// The key behind the last one with a tag in the default family.
#[must_use]
pub fn tag_end(tag: u8) -> [u8; 1] {
    [tag + 1]
}

/// Prefix of a storage's superseded versions.
#[must_use]
pub fn versions_prefix(storage: u32) -> [u8; 4] {
    storage.to_be_bytes()
}
