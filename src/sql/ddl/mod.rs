//! Floor 6b: data definition. Every CREATE, ALTER, DROP and their kin, executed against a private copy of the catalog.
//!
//! A statement changes the transaction's [`crate::catalog::Edit`], and rows where it must (validation, index builds,
//! rewrites under a new storage); the caller holds the catalog lock and publishes the edit with the commit. Names are
//! resolved against the edit, so a later statement of the transaction sees an earlier one. Words, codes, details and hints
//! are PostgreSQL 18's. What PostgreSQL can do and OmenDB cannot is `0A000` and named.
//!
//! * [`DdlContext`]: what a statement works on; [`execute`]: the dispatcher; [`table_of_query`]: CREATE TABLE AS's table.
//! * Tables: `create_table`, `columns`, `defaults`, `constraints`, `foreign_key`, `like`; changes: `alter_table`,
//!   `alter_column`, `rewrite`, `validate`; `index`, `reindex`, `concurrent`; `truncate`.
//! * Other objects: `sequence`, `schema`, `types`, `view`, `extension`, `database`, `role`, `comment`, `grant`, `membership`, `owner`, `rename`.
//! * Removal: `depend` (what hangs on what), `drop`.
//! * `naming` (automatic names), `bind` (the way to the binder), `visit` (walks over expressions).

mod alter_column;
mod alter_table;
mod bind;
mod columns;
mod comment;
mod concurrent;
mod constraints;
mod context;
mod create_table;
mod database;
mod defaults;
mod depend;
mod drop;
mod extension;
mod foreign_key;
mod grant;
mod index;
mod like;
mod membership;
mod naming;
mod owner;
mod reindex;
mod remove;
mod rename;
mod rewrite;
mod role;
mod schema;
mod sequence;
mod statement;
#[cfg(test)]
mod tests;
mod truncate;
mod types;
mod validate;
mod view;
mod view_text;
mod visit;

pub use bind::IndexExprs;
pub use concurrent::{Later, finish};
pub use context::DdlContext;
pub use create_table::{NewTable, table_of_query};
pub use drop::drop_schema;
pub use statement::{execute, is_ddl};
