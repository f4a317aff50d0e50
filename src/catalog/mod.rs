//! Floor 2: the catalog: what objects there are, for the binder and for clients alike.
//!
//! Built-in rows are PostgreSQL's and pgvector's own ([`mod@builtin`]); user objects are immutable descriptors
//! ([`descriptor`]) in a [`Snapshot`] per database. DDL edits a transaction's private copy ([`Edit`]) and publishes it at
//! commit through [`Catalog`], which keeps every object as one key of the default column family. One transaction at a time
//! does DDL (the session takes a lock), so publishing never conflicts.
//!
//! * [`lookup`]: names with a search path, for `reg*` types and messages.
//! * [`system`]: columns and rows of `pg_catalog` and `information_schema`.
//! * [`acl`], [`privileges`]: access lists, memberships, and who may do what.
//! * [`progress`]: index builds under way.
//! * [`describe`], [`describe_object`], [`signature`]: the texts PostgreSQL prints about objects.
//! * [`reloptions`]: `WITH (...)` options of indexes; [`vector_index`]: descriptors of `hnsw` and `ivfflat` as the engine reads them.

pub mod acl;
pub mod builtin;
pub mod describe;
pub mod describe_object;
pub mod descriptor;
pub mod lookup;
pub mod privileges;
pub mod progress;
mod regnames;
pub mod reloptions;
pub mod signature;
pub mod snapshot;
pub mod store;
pub mod system;
pub mod vector_index;

pub use builtin::builtin;
pub use lookup::Names;
pub use snapshot::{Relation, SearchPath, Snapshot, TypeRef};
pub use store::{Catalog, Edit};
