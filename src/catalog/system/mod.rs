//! The system relations, `pg_catalog` and `information_schema`: their columns and their rows.
//!
//! Rows are made anew for every scan, from the built-in catalog, the snapshot of the statement and live state; there is
//! nothing to keep in step. A relation that has a shape but no row maker is empty. What the catalog does not store, such as the OID
//! of a column default, is computed from what it does, so that it is the same in every scan and every relation.
//!
//! * [`shapes`]: names and columns.
//! * [`live`]: what only the running server knows.
//! * [`rowset`]: rows by column name; [`makers`]: which function makes which relation.
//! * [`builtin_rows`], [`classes`], [`attributes`], [`indexes`], [`typing`], [`constraints`], [`dependencies`], [`roles`]: `pg_catalog`.
//! * [`overviews`], [`activity`]: its views.
//! * [`standard`] makes `information_schema`.

mod activity;
mod attributes;
mod builtin_rows;
mod classes;
pub(in crate::catalog) mod constraints;
pub(in crate::catalog) mod dependencies;
mod indexes;
pub mod live;
mod makers;
pub(in crate::catalog) mod objects;
mod overviews;
pub mod privileges;
mod roles;
mod rowset;
mod shapes;
mod standard;
mod typing;

#[cfg(test)]
pub(crate) mod tests;

pub use live::LiveState;
pub use makers::{SystemContext, rows};
pub use objects::{attrdef_oid, builtin_schema, column_constraint_oid, extension_schema};
pub use shapes::{relation, relation_by_oid, relations};
