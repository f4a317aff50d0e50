//! OmenDB: a PostgreSQL-wire database for vectors.

pub mod bench;
pub mod cache;
pub mod catalog;
pub mod common;
pub mod config;
pub mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod index;
pub mod pgwire;
pub mod server;
pub mod session;
pub mod simd;
pub mod sql;
pub mod storage;
pub mod table;
pub mod txn;
pub mod types;
