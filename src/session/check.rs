//! Whether a database agrees with itself: rows with indexes, and rows with the constraints declared for them.
//!
//! [`Table::check`] compares rows and indexes; what needs expressions or a second table is judged here: CHECK constraints,
//! generated columns, foreign keys. Everything is read at one moment, so the check also holds while others write.
//! `omendb check DIR` runs it over every database of a directory that no server uses, `omendb_check()` over the database of
//! the session. Neither repairs anything.

use std::path::Path;
use std::sync::Arc;

use hashbrown::HashSet;

use crate::catalog::Names;
use crate::catalog::descriptor::{AttNum, ConstraintKind, ForeignKey, RelationDesc, TableDesc};
use crate::common::ident::quote_ident;
use crate::config::Config;
use crate::error::{Error, Result, SqlState};
use crate::pgwire::{Login, Waker};
use crate::sql::eval::context::CheckFinding;
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::eval::{EvalContext, SessionFacade};
use crate::sql::executor::{ExecContext, Shared, SystemRows};
use crate::table::{RowId, ScanSpec, Table};
use crate::txn::{TableLock, View, Wait};
use crate::types::{Datum, Oid, compare, keycode};

use super::core::Core;
use super::engine::Engine;
use super::session::Session;
use super::stored::Stored;

/// Findings reported of one table at most, besides those of its indexes.
const FINDINGS_MAX: usize = 1000;

/// Stored expressions read no system relations.
struct NoSystemRows;

impl SystemRows for NoSystemRows {
    fn rows(&self, relation: &RelationDesc) -> Result<Vec<Vec<Datum>>> {
        Err(Error::unsupported(format!("reading {} in a stored expression", relation.name)))
    }
}

/// Checks every table of the session's database.
///
/// # Errors
/// `42501` for anyone but a superuser, `57014`, storage errors.
pub(super) fn database(core: &Core, eval: &EvalContext) -> Result<Vec<CheckFinding>> {
    if !core.role()?.superuser {
        crate::bail!(INSUFFICIENT_PRIVILEGE, "permission denied for function omendb_check");
    }
    let names = core.names();
    let shared = Shared::new(
        core.transaction(),
        Arc::clone(&core.engine.tables),
        Arc::clone(&names),
        Arc::new(Stored(Arc::clone(&names))),
        Arc::new(NoSystemRows),
    );
    let ctx = ExecContext { shared: Arc::new(shared), eval: eval.clone(), part: None };
    let mut findings = Vec::new();
    for table in names.snapshot.objects.tables.values() {
        ctx.shared.txn.lock_table(table.oid, TableLock::AccessShare, Wait::Block, &eval.cancel)?;
        let mut check = TableCheck::new(table, &names, &ctx)?;
        check.indexes()?;
        check.constraints()?;
        for constraint in table.constraints.iter().filter(|constraint| constraint.validated) {
            if let ConstraintKind::ForeignKey(key) = &constraint.kind {
                check.foreign_key(&constraint.name, key)?;
            }
        }
        findings.append(&mut check.findings);
    }
    Ok(findings)
}

/// Checks every database of a directory that no server uses; each finding is one line.
///
/// # Errors
/// `58030` when there is no database in the directory, `55006` when a server has it open, storage errors.
pub fn directory(dir: &Path) -> Result<Vec<String>> {
    if !dir.join("store").join("CURRENT").is_file() {
        crate::bail!(IO_ERROR, "directory \"{}\" holds no database", dir.display());
    }
    let config = Config::load(None, std::iter::empty(), &[("data", dir.display().to_string())])?;
    let engine = Engine::open(&config)?;
    let shared = engine.catalog.shared();
    let admin = shared.roles.values().find(|role| role.superuser);
    let Some(admin) = admin.map(|role| role.name.clone()) else {
        return Err(Error::corrupt("there is no superuser in the catalog"));
    };
    let mut lines = Vec::new();
    for (number, database) in (1..).zip(shared.databases.values()) {
        let login = Login {
            user: admin.clone(),
            database: database.name.clone(),
            settings: Vec::new(),
            client_address: None,
            server_address: None,
            pid: number,
            tls: None,
            waker: Waker::none(),
        };
        let session = match Session::open(Arc::clone(&engine), login) {
            Ok(session) => session,
            // A template takes no connections; it has no tables either.
            Err(error) if error.sqlstate() == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => continue,
            Err(error) => return Err(error),
        };
        let core = &session.core;
        core.transaction().begin_statement();
        let names = core.names();
        let eval = core.eval(&names, Arc::from([]));
        for finding in SessionFacade::check_database(&**core, &eval)? {
            lines.push(format!("{}: {}", database.name, finding.line()));
        }
        core.rollback();
    }
    Ok(lines)
}

/// One table while it is checked.
struct TableCheck<'a> {
    desc: &'a Arc<TableDesc>,
    table: Table,
    names: &'a Names,
    ctx: &'a ExecContext,
    view: View,
    relation: String,
    findings: Vec<CheckFinding>,
}

impl<'a> TableCheck<'a> {
    fn new(desc: &'a Arc<TableDesc>, names: &'a Names, ctx: &'a ExecContext) -> Result<Self> {
        let schema = names.snapshot.schema_name(desc.schema).unwrap_or("public");
        Ok(Self {
            desc,
            table: ctx.shared.table(desc)?,
            names,
            ctx,
            view: ctx.shared.txn.view(),
            relation: format!("{}.{}", quote_ident(schema), quote_ident(&desc.name)),
            findings: Vec::new(),
        })
    }

    fn report(&mut self, index: Option<String>, row: RowId, problem: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(CheckFinding { relation: self.relation.clone(), index, row: i64::from(row), problem });
        }
    }

    /// Rows against indexes, and NOT NULL.
    fn indexes(&mut self) -> Result<()> {
        let evaluator = self.ctx.evaluator(self.desc);
        for problem in self.table.check(&*self.ctx.shared.txn, &evaluator)? {
            let index = self.desc.indexes.iter().find(|index| index.oid == problem.index);
            self.report(index.map(|index| index.name.clone()), problem.row, problem.message);
        }
        Ok(())
    }

    /// Runs over the rows: their ids and values.
    fn rows(
        table: &Table,
        view: &View,
        ctx: &ExecContext,
        each: &mut dyn FnMut(RowId, Vec<Datum>) -> Result<()>,
    ) -> Result<()> {
        let desc = table.desc();
        let mut types: Vec<Oid> = desc.columns.iter().map(|column| column.ty.oid).collect();
        types.push(Oid::INT8);
        let spec = ScanSpec::new((0..desc.columns.len()).collect(), true);
        let mut scan = table.scan_at(&ctx.shared.txn, spec, view.clone());
        while let Some(batch) = scan.next()? {
            ctx.check()?;
            for at in 0..batch.rows {
                let mut values = batch.row(&types, at);
                let id = match values.pop() {
                    Some(Datum::Int8(id)) => RowId::try_from(id).unwrap_or(0),
                    _ => 0,
                };
                each(id, values)?;
            }
        }
        Ok(())
    }

    /// CHECK constraints and generated columns.
    fn constraints(&mut self) -> Result<()> {
        let mut checks = self.ctx.shared.stored.checks(self.desc)?;
        let skipped = |name: &str| self.desc.constraints.iter().any(|item| item.name == name && !item.validated);
        checks.checks.retain(|(name, _)| !skipped(name));
        if checks.checks.is_empty() && checks.generated.is_empty() {
            return Ok(());
        }
        let (table, view, ctx, desc) = (self.table.clone(), self.view.clone(), self.ctx, Arc::clone(self.desc));
        Self::rows(&table, &view, ctx, &mut |id, values| {
            for (name, check) in &checks.checks {
                match eval_row(check, Row::Values(&values), &ctx.eval) {
                    Ok(value) if value.as_bool() == Some(false) => {
                        self.report(None, id, format!("row violates check constraint \"{name}\""));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let message = &error.report().message;
                        self.report(None, id, format!("check constraint \"{name}\" cannot be evaluated: {message}"));
                    }
                }
            }
            for (position, expr) in &checks.generated {
                let value = eval_row(expr, Row::Values(&values), &ctx.eval);
                if !value.is_ok_and(|value| agree(&value, &values[*position])) {
                    let column = &desc.columns[*position].name;
                    self.report(None, id, format!("generated column \"{column}\" does not have its value"));
                }
            }
            Ok(())
        })
    }

    /// Every key that rows refer to is there.
    fn foreign_key(&mut self, name: &str, key: &ForeignKey) -> Result<()> {
        let Some(parent) = self.names.snapshot.table(key.referenced_table) else {
            self.report(None, 0, format!("foreign key \"{name}\" refers to a table that is not there"));
            return Ok(());
        };
        self.ctx.shared.txn.lock_table(parent.oid, TableLock::AccessShare, Wait::Block, &self.ctx.eval.cancel)?;
        let target = self.ctx.shared.table(parent)?;
        let mut keys: HashSet<Vec<u8>> = HashSet::new();
        Self::rows(&target, &self.view, self.ctx, &mut |_, values| {
            keys.extend(key_bytes(parent, &key.referenced_columns, &values));
            Ok(())
        })?;
        let (table, view, ctx, desc) = (self.table.clone(), self.view.clone(), self.ctx, Arc::clone(self.desc));
        Self::rows(&table, &view, ctx, &mut |id, values| {
            if key_bytes(&desc, &key.columns, &values).is_some_and(|bytes| !keys.contains(&bytes)) {
                self.report(None, id, format!("row has no referenced row of foreign key \"{name}\""));
            }
            Ok(())
        })
    }
}

fn agree(left: &Datum, right: &Datum) -> bool {
    match (left.is_null(), right.is_null()) {
        (false, false) => compare::equal(left, right),
        (left, right) => left == right,
    }
}

/// The key in comparable bytes; `None` when part of it is NULL, which refers to nothing. Integers compare across widths.
fn key_bytes(table: &TableDesc, columns: &[AttNum], values: &[Datum]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for attnum in columns {
        let position = table.position_of(*attnum)?;
        let value = match &values[position] {
            Datum::Null => return None,
            Datum::Int2(value) => Datum::Int8(i64::from(*value)),
            Datum::Int4(value) => Datum::Int8(i64::from(*value)),
            other => other.clone(),
        };
        keycode::encode_key_typed(table.columns[position].ty.oid, &value, false, false, &mut bytes);
    }
    Some(bytes)
}
