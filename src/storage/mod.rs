//! Floor 0b: bytes on disk.
//!
//! One ordered key-value store with four column families behind the trait [`Kv`]; RocksDB is the real one, a `BTreeMap` the
//! one for tests. What is durable when: a [`WriteBatch`] is atomic across families; [`Kv::sync`] puts on disk everything
//! written before it. Key layouts are in [`keyspace`] and byte-exact in docs/FORMAT.md.

mod batch;
pub mod keyspace;
mod kv;
mod log_space;
mod log_sync;
mod memory;
mod rocksdb;

pub use batch::{Op, WriteBatch};
pub use kv::{Cf, Kv, Visit};
pub use memory::MemoryKv;
pub use rocksdb::{RocksKv, RocksOptions};
