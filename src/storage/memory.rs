//! A store in memory, for tests and throw-away databases. Every write is at once as durable as it gets. A scan holds on to
//! the map that it started with; a write meanwhile works on a copy.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use super::batch::{Op, WriteBatch};
use super::kv::{Cf, Kv, Visit};
use crate::error::Result;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Four ordered maps.
#[derive(Default)]
pub struct MemoryKv {
    maps: RwLock<[Arc<Map>; 4]>,
}

impl MemoryKv {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn map(&self, cf: Cf) -> Arc<Map> {
        Arc::clone(&self.maps.read()[cf as usize])
    }
}

fn range<'a>(map: &'a Map, start: &[u8], end: &[u8]) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
    // A range that ends before it starts would panic; it is empty.
    let start = start.min(end);
    map.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)))
}

impl Kv for MemoryKv {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.maps.read()[cf as usize].get(key).cloned())
    }

    fn get_with(&self, cf: Cf, key: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.map(cf).get(key) {
            Some(value) => visit(value).map(|()| true),
            None => Ok(false),
        }
    }

    fn scan(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        for (key, value) in range(&self.map(cf), start, end) {
            if !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        for (key, value) in range(&self.map(cf), start, end).rev() {
            if !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: WriteBatch) {
        let mut maps = self.maps.write();
        for op in batch.ops() {
            match op {
                Op::Put(cf, key, value) => {
                    Arc::make_mut(&mut maps[cf as usize]).insert(key.to_vec(), value.to_vec());
                }
                Op::Delete(cf, key) => {
                    Arc::make_mut(&mut maps[cf as usize]).remove(key);
                }
                Op::DeleteRange(cf, start, end) => {
                    Arc::make_mut(&mut maps[cf as usize])
                        .retain(|key, _| key.as_slice() < start || key.as_slice() >= end);
                }
            }
        }
    }

    fn sync(&self) {}

    fn approximate_size(&self, cf: Cf, start: &[u8], end: &[u8]) -> u64 {
        range(&self.map(cf), start, end).map(|(k, v)| (k.len() + v.len()) as u64).sum()
    }

    fn flush(&self) {}
}
