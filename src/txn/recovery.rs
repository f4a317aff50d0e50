//! Opening a store: finding a timestamp behind all commits, and finishing or removing what a crash left half done.
//!
//! Rows written ahead become ordinary rows if their transaction's commit record says so; if not, the versions that they
//! displaced come back. After that superseded versions go at once, since no snapshot outlives a restart, and so does everything
//! that commits left for collection. Every step can be interrupted and run again.

use crate::catalog::descriptor::StorageId;
use crate::error::{Error, Result};
use crate::storage::keyspace::{self, FORMAT_VERSION, FORMAT_VERSION_MIN, mark_key, pending_key, tag_end};
use crate::storage::{Cf, Kv, WriteBatch};
use crate::txn::gc;
use crate::txn::record::{self, Ahead};
use crate::txn::row_store::RowIdRange;
use crate::txn::settle;

/// Brings a store into order; a timestamp that no commit is above.
pub(super) fn recover(kv: &dyn Kv) -> Result<u64> {
    check_format(kv)?;
    let newest = kv.get(Cf::Default, &mark_key("ts"))?.and_then(|value| record::u64_at(&value, 0)).unwrap_or(0);
    settle_all(kv)?;
    let mut batch = WriteBatch::default();
    batch.delete_range(Cf::Versions, Vec::new(), vec![0xff; 17]);
    kv.write(batch);
    collect(kv)?;
    Ok(newest)
}

fn check_format(kv: &dyn Kv) -> Result<()> {
    let key = mark_key("format");
    let mark = kv.get(Cf::Default, &key)?;
    let found = mark.as_deref().map(|mark| mark.try_into().map(u32::from_le_bytes));
    match found {
        Some(Ok(FORMAT_VERSION)) => Ok(()),
        None | Some(Ok(FORMAT_VERSION_MIN..FORMAT_VERSION)) => {
            let mut batch = WriteBatch::default();
            batch.put(Cf::Default, key, FORMAT_VERSION.to_le_bytes());
            kv.write(batch);
            kv.sync();
            Ok(())
        }
        Some(other) => {
            let name = other.map_or_else(|_| "unknown".to_owned(), |version| version.to_string());
            Err(crate::error!(
                FEATURE_NOT_SUPPORTED,
                "data directory has format {name}, this server reads formats {FORMAT_VERSION_MIN} to {FORMAT_VERSION}"
            )
            .hint("Open it with the version of OmenDB that wrote it."))
        }
    }
}

/// Ends what transactions wrote ahead, one after the other.
fn settle_all(kv: &dyn Kv) -> Result<()> {
    let mut next = pending_key(0);
    loop {
        let mut found = None;
        kv.scan(Cf::Default, &next, &tag_end(b'P'), &mut |key, _| {
            found = Some(
                keyspace::transaction_of_key(key).ok_or_else(|| Error::corrupt("stored commit record is damaged"))?,
            );
            Ok(false)
        })?;
        let Some(txn) = found else { return Ok(()) };
        settle_one(kv, txn)?;
        next = pending_key(txn + 1);
    }
}

fn settle_one(kv: &dyn Kv, txn: u64) -> Result<()> {
    let record = kv.get(Cf::Default, &pending_key(txn))?;
    let (ts, ranges) = record.map_or(Ok((0, Vec::new())), |record| record::decode_early(&record))?;
    settle_ranges(kv, txn, ts, &ranges)?;
    settle::for_each_piece(kv, txn, &mut |number, piece| {
        match piece {
            Ahead::Rows(ranges) => settle_ranges(kv, txn, ts, &ranges)?,
            Ahead::Retired(items) if ts > 0 => settle::remove_retired(kv, &items, (txn, ts), number)?,
            Ahead::Retired(_) => {}
        }
        Ok(true)
    })?;
    settle::forget(kv, txn);
    Ok(())
}

fn settle_ranges(kv: &dyn Kv, txn: u64, ts: u64, ranges: &[(StorageId, RowIdRange)]) -> Result<()> {
    for (storage, range) in ranges {
        let mut next = range.start;
        while next < range.end {
            let rest = next..range.end;
            next = match ts {
                0 => settle::take_back(kv, txn, 0, *storage, &rest, &mut Vec::new())?,
                _ => settle::settle(kv, txn, ts, *storage, &rest)?,
            };
        }
    }
    Ok(())
}

fn collect(kv: &dyn Kv) -> Result<()> {
    let mut records = Vec::new();
    kv.scan(Cf::Default, b"G", &tag_end(b'G'), &mut |key, value| {
        records.push((key.to_vec(), value.to_vec()));
        Ok(true)
    })?;
    for (key, value) in records {
        let ts =
            keyspace::transaction_of_key(&key).ok_or_else(|| Error::corrupt("stored garbage record is damaged"))?;
        let mut batch = WriteBatch::default();
        for item in record::decode_garbage(&value)? {
            gc::remove(kv, &item, ts, &mut batch)?;
        }
        batch.delete(Cf::Default, key);
        kv.write(batch);
    }
    Ok(())
}
