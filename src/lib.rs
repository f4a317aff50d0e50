//! OmenDB: a PostgreSQL-wire database for vectors.

pub mod catalog;
pub mod error;
pub mod sql;
pub mod types;
