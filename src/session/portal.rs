//! Prepared statements and portals.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::pgwire::{ColumnDesc, Format};
use crate::sql::ast::{ParsedStatement, ReindexTarget, Statement};
use crate::sql::logical::Field;
use crate::txn::SavepointId;
use crate::types::column::Batch;
use crate::types::{Datum, Oid, SqlType};

use super::core::Core;
use super::pipeline::{Planned, Running};

/// A prepared statement. Cheap to clone: what it holds is shared and does not change.
#[derive(Clone)]
pub(super) struct Prepared {
    /// The statement; `None` for an empty one.
    pub statement: Option<Arc<ParsedStatement>>,
    /// Parameter types as declared.
    pub declared: Arc<[Oid]>,
    /// Parameter types found.
    pub params: Arc<[SqlType]>,
    /// Output columns; `None` when no rows come back.
    pub fields: Option<Arc<[Field]>>,
    /// The plan of a query or data modification.
    pub plan: Option<Arc<Planned>>,
    /// Made by SQL's PREPARE.
    pub from_sql: bool,
    /// When it was made, microseconds since 2000-01-01 UTC.
    pub micros: i64,
}

/// Where a portal stands.
pub(super) enum PortalState {
    /// Not started.
    Ready,
    /// A plan that yields rows; the rest of a batch that was cut by a row limit.
    Running { running: Box<Running>, rest: Option<Batch>, count: u64 },
    /// Rows that a utility statement has made.
    Rows { batches: Vec<Batch>, tag: String },
    /// Nothing is left.
    Done,
    /// An error ended it half-way; there is no going on from there.
    Failed,
}

/// A bound statement.
pub(super) struct Portal {
    pub prepared: Prepared,
    pub params: Vec<Datum>,
    pub formats: Vec<Format>,
    pub state: PortalState,
    /// Made by DECLARE: its options and the rows read so far when it can scroll.
    pub cursor: Option<Cursor>,
    /// The last savepoint before it was made: rolling back to that one, or to one before, takes it away.
    pub since: Option<SavepointId>,
}

impl Portal {
    /// A portal that has not run yet.
    pub(super) fn new(prepared: Prepared, params: Vec<Datum>, formats: Vec<Format>) -> Self {
        Self { prepared, params, formats, state: PortalState::Ready, cursor: None, since: None }
    }

    /// Whether it is a cursor that outlives its transaction: all its rows are read.
    pub(super) fn is_held(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.hold && cursor.exhausted)
    }

    /// Whether it may run (again).
    ///
    /// # Errors
    /// `55000` after an error, and once a statement without rows has run.
    pub(super) fn check_runs(&self, name: &str) -> Result<()> {
        let ran = matches!(self.state, PortalState::Done) && self.prepared.fields.is_none();
        if ran || matches!(self.state, PortalState::Failed) {
            bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "portal \"{name}\" cannot be run");
        }
        Ok(())
    }
}

/// What DECLARE says of a cursor, and where it stands.
#[derive(Default)]
pub(super) struct Cursor {
    /// SCROLL or NO SCROLL, if it was declared with either.
    pub scroll: Option<bool>,
    pub hold: bool,
    pub binary: bool,
    /// The rows read so far, without those that were forgotten.
    pub kept: Vec<Vec<Datum>>,
    /// Rows read and forgotten: they were passed, and it does not go back.
    pub forgotten: usize,
    /// Rows before the present one, the present one included: 0 is before the first.
    pub at: usize,
    pub exhausted: bool,
}

/// The columns of a result as described to the client.
pub(super) fn describe(core: &Core, fields: &[Field], formats: &[Format]) -> Vec<ColumnDesc> {
    let names = core.names();
    fields
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let base = names.snapshot.base_type(field.ty);
            let size = crate::catalog::builtin().type_row(base.oid).map_or(-1, |row| row.len);
            let size = match names.snapshot.user_type(base.oid).map(|ty| &ty.kind) {
                Some(crate::catalog::descriptor::TypeKind::Enum { .. }) => 4,
                _ => size,
            };
            let (table, attnum) = field.origin.unwrap_or((Oid::NONE, 0));
            ColumnDesc {
                name: field.name.clone(),
                table,
                attnum,
                type_oid: base.oid,
                type_size: size,
                typmod: if base.oid == field.ty.oid { field.ty.typmod } else { base.typmod },
                format: formats.get(at).copied().unwrap_or(Format::Text),
            }
        })
        .collect()
}

/// Base types of columns, as values are sent.
pub(super) fn wire_types(core: &Core, fields: &[Field]) -> Vec<Oid> {
    let names = core.names();
    fields.iter().map(|field| names.snapshot.base_type(field.ty).oid).collect()
}

/// Whether the statement must not run in a transaction block.
pub(super) fn needs_no_block(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::CreateDatabase { .. } => Some("CREATE DATABASE"),
        Statement::Drop(drop) if drop.kind == crate::sql::ast::ObjectKind::Database => Some("DROP DATABASE"),
        Statement::CreateIndex(create) if create.concurrently => Some("CREATE INDEX CONCURRENTLY"),
        Statement::Drop(drop) if drop.concurrently => Some("DROP INDEX CONCURRENTLY"),
        Statement::Reindex(reindex) => match reindex.target {
            _ if reindex.concurrently => Some("REINDEX CONCURRENTLY"),
            ReindexTarget::Schema(_) => Some("REINDEX SCHEMA"),
            ReindexTarget::Database(_) => Some("REINDEX DATABASE"),
            ReindexTarget::System(_) => Some("REINDEX SYSTEM"),
            ReindexTarget::Index(_) | ReindexTarget::Table(_) => None,
        },
        Statement::Cluster { table: None, .. } => Some("CLUSTER"),
        Statement::Vacuum { analyze_only: false, .. } => Some("VACUUM"),
        _ => None,
    }
}

/// A single text column of rows.
pub(super) fn text_rows(name: &str, lines: &[String]) -> (Vec<Field>, Vec<Batch>) {
    let rows: Vec<Vec<Datum>> = lines.iter().map(|line| vec![Datum::text(line.as_str())]).collect();
    (vec![text_field(name)], vec![Batch::from_rows(&[Oid::TEXT], &rows)])
}

/// A text column.
pub(super) fn text_field(name: &str) -> Field {
    Field { name: name.to_owned(), ty: SqlType::of(Oid::TEXT), origin: None }
}

impl Prepared {
    /// An empty statement.
    pub(super) fn empty() -> Self {
        Self {
            statement: None,
            declared: Arc::default(),
            params: Arc::default(),
            fields: None,
            plan: None,
            from_sql: false,
            micros: 0,
        }
    }
}
