//! A store in memory, for tests and throw-away databases. Every write is at once as durable as it gets.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use super::kv::{Cf, Kv, Visit, WriteBatch, WriteOp};
use crate::error::Result;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Four ordered maps.
#[derive(Default)]
pub struct MemoryKv {
    maps: RwLock<[Map; 4]>,
}

impl MemoryKv {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn collect(&self, cf: Cf, start: &[u8], end: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        if start >= end {
            return Vec::new();
        }
        let maps = self.maps.read();
        maps[cf as usize].range(start.to_vec()..end.to_vec()).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

impl Kv for MemoryKv {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.maps.read()[cf as usize].get(key).cloned())
    }

    fn get_with(&self, cf: Cf, key: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.get(cf, key)? {
            Some(value) => visit(&value).map(|()| true),
            None => Ok(false),
        }
    }

    fn scan(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        for (key, value) in self.collect(cf, start, end) {
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        for (key, value) in self.collect(cf, start, end).into_iter().rev() {
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: WriteBatch, _sync: bool) {
        let mut maps = self.maps.write();
        for op in batch.ops {
            match op {
                WriteOp::Put(cf, key, value) => {
                    maps[cf as usize].insert(key, value);
                }
                WriteOp::Delete(cf, key) => {
                    maps[cf as usize].remove(&key);
                }
                WriteOp::DeleteRange(cf, start, end) => {
                    maps[cf as usize].retain(|key, _| *key < start || *key >= end);
                }
            }
        }
    }

    fn approximate_size(&self, cf: Cf, start: &[u8], end: &[u8]) -> u64 {
        self.collect(cf, start, end).iter().map(|(k, v)| (k.len() + v.len()) as u64).sum()
    }

    fn flush(&self) {}
}
