//! Opening a store: finding the newest commit, and finishing or removing what a crash left half done.
//!
//! No snapshot outlives a restart, so all superseded versions go at once, and so does everything that commits left for collection.
//! Rows written ahead become ordinary rows if their transaction's commit record says so, and disappear if not. Every
//! step can be interrupted and run again.

use crate::error::{Error, Result};
use crate::storage::keyspace::{self, FORMAT_VERSION, mark_key, tag_end};
use crate::storage::{Cf, Kv, WriteBatch};
use crate::txn::gc;
use crate::txn::record;

/// Brings a store into order; the newest commit timestamp.
pub(super) fn recover(kv: &dyn Kv) -> Result<u64> {
    check_format(kv)?;
    let newest = kv.get(Cf::Default, &mark_key("ts"))?.and_then(|value| record::u64_at(&value, 0)).unwrap_or(0);
    let mut batch = WriteBatch::default();
    batch.delete_range(Cf::Versions, Vec::new(), vec![0xff; 17]);
    kv.write(batch, false);
    resolve_early(kv)?;
    collect(kv)?;
    Ok(newest)
}

fn check_format(kv: &dyn Kv) -> Result<()> {
    let key = mark_key("format");
    match kv.get(Cf::Default, &key)? {
        None => {
            let mut batch = WriteBatch::default();
            batch.put(Cf::Default, key, FORMAT_VERSION.to_le_bytes().to_vec());
            kv.write(batch, true);
            Ok(())
        }
        Some(version) if version == FORMAT_VERSION.to_le_bytes() => Ok(()),
        Some(version) => Err(crate::error!(
            FEATURE_NOT_SUPPORTED,
            "data directory has format {version:?}, this server reads format {FORMAT_VERSION}"
        )
        .hint("Open it with the version of OmenDB that wrote it.")),
    }
}

fn resolve_early(kv: &dyn Kv) -> Result<()> {
    let mut records = Vec::new();
    kv.scan(Cf::Default, b"P", &tag_end(b'P'), &mut |key, value| {
        let txn = keyspace::transaction_of_key(key).ok_or_else(|| Error::corrupt("stored commit record is damaged"))?;
        records.push((key.to_vec(), txn, record::decode_early(value)?));
        Ok(true)
    })?;
    for (key, txn, (ts, ranges)) in records {
        for (storage, range) in ranges {
            let mut next = range.start;
            while next < range.end {
                next = gc::resolve_chunk(kv, txn, ts, storage, &(next..range.end))?;
            }
        }
        let mut batch = WriteBatch::default();
        batch.delete(Cf::Default, key);
        kv.write(batch, false);
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
        kv.write(batch, false);
    }
    Ok(())
}
