//! COPY, CREATE TABLE AS and SELECT INTO: rows in bulk.

use std::sync::Arc;

use crate::bail;
use crate::catalog::acl;
use crate::catalog::descriptor::TableDesc;
use crate::catalog::privileges::Claim;
use crate::catalog::{Names, Relation};
use crate::error::{Error, Result, SqlState};
use crate::pgwire::copy_format::{CopyFormat, CopyOptions, CopyReader, CopyWriter, ForceColumns};
use crate::pgwire::{Format, Sink, backend};
use crate::sql::ast::{self, Copy, CopySource, CopyTarget, CreateTableAs, Query, Statement};
use crate::sql::ddl;
use crate::txn::{TableLock, Wait};
use crate::types::{Datum, Oid, SqlType};

use super::load;
use super::pipeline::{self, Planned};
use super::portal::wire_types;
use super::session::Session;
use super::statement::Effect;

impl Session {
    /// COPY.
    pub(super) fn copy(&mut self, copy: &Copy, sink: &mut dyn Sink) -> Result<Effect> {
        match &copy.target {
            CopyTarget::Stdio => {}
            CopyTarget::File(_) => {
                return Err(Error::unsupported("COPY to or from a file on the server")
                    .hint("Use STDIN or STDOUT, or psql's \\copy."));
            }
            CopyTarget::Program(_) => return Err(Error::unsupported("COPY to or from a program")),
        }
        let options = CopyOptions::new(&copy.options, copy.from)?;
        if let Some(encoding) = &options.encoding
            && !matches!(
                encoding.to_ascii_lowercase().replace(['-', '_'], "").as_str(),
                "utf8" | "unicode" | "sqlascii"
            )
        {
            return Err(Error::unsupported(format!("COPY with encoding \"{encoding}\"")));
        }
        if copy.from { self.copy_in(copy, options, sink) } else { self.copy_out(copy, options, sink) }
    }

    fn copy_in(&mut self, copy: &Copy, options: CopyOptions, sink: &mut dyn Sink) -> Result<Effect> {
        let CopySource::Table { name, columns } = &copy.source else { bail!(SYNTAX_ERROR, "COPY FROM needs a table") };
        let txn = self.core.transaction();
        let names = self.core.names();
        let table = copy_table(&names, name, true)?;
        txn.lock_table(table.oid, TableLock::RowExclusive, Wait::Block, &self.core.cancel)?;
        let names = self.core.names();
        // It may have been dropped while somebody else had it locked.
        let Some(table) = names.snapshot.table(table.oid).cloned() else {
            bail!(UNDEFINED_TABLE, "relation \"{}\" does not exist", table.name)
        };
        if txn.read_only() {
            bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute COPY FROM in a read-only transaction");
        }
        txn.begin_statement();
        let positions = copy_columns(&table, columns)?;
        self.check_insert(&names, &table, &positions)?;
        check_forced(&options, &table, &positions)?;
        let ctx = pipeline::context(&self.core, &names);
        let (loader, mut inserter) = load::prepare(&ctx, &names, table, positions, copy.filter.as_ref())?;
        let shown: Vec<String> = loader.columns().map(str::to_owned).collect();
        let format = if options.format == CopyFormat::Binary { Format::Binary } else { Format::Text };
        backend::copy_in_response(sink.buffer(), format, shown.len());
        let reader = CopyReader::new(options.clone(), loader.table_name(), shown);
        let helped = self.core.engine.scan_threads > 1;
        let skipped = load::run(loader, &mut inserter, reader, &options, helped, sink)?;
        let count = inserter.finish()?;
        if skipped > 0 {
            let rows = if skipped == 1 { "row was" } else { "rows were" };
            self.core.add_notice(Error::with_severity(
                crate::error::Severity::Notice,
                SqlState::SUCCESSFUL_COMPLETION,
                format!("{skipped} {rows} skipped due to data type incompatibility"),
            ));
        }
        txn.next_command();
        Ok(Effect::tag(format!("COPY {count}")))
    }

    /// INSERT on the table, or on every column that the data has.
    fn check_insert(&self, names: &Names, table: &TableDesc, positions: &[usize]) -> Result<()> {
        let mut claim = Claim::new(table.oid, None, acl::INSERT);
        claim.inserted.extend(positions.iter().map(|at| table.columns[*at].attnum));
        let role = self.core.role()?;
        names.snapshot.check_claim(&claim, &role)
    }

    fn copy_out(&mut self, copy: &Copy, options: CopyOptions, sink: &mut dyn Sink) -> Result<Effect> {
        let plan = self.copy_plan(copy)?;
        let Some(mut running) =
            (if plan.lock(&self.core)? { Some(plan.open(&self.core, Vec::new(), None)?) } else { None })
        else {
            return self.copy_out(copy, options, sink);
        };
        let columns: Vec<String> = plan.fields.iter().map(|field| field.name.clone()).collect();
        for forced in [&options.force_quote] {
            if let ForceColumns::Named(named) = forced
                && let Some(missing) = named.iter().find(|name| !columns.contains(name))
            {
                bail!(INVALID_COLUMN_REFERENCE, "FORCE_QUOTE column \"{missing}\" not referenced by COPY");
            }
        }
        let types = wire_types(&self.core, &plan.fields);
        let mut writer = CopyWriter::new(options, columns, &types);
        backend::copy_out_response(sink.buffer(), writer.format(), types.len());
        writer.begin(sink.buffer());
        let mut count = 0;
        while let Some(batch) = running.operator.next(&running.ctx)? {
            writer.encode_batch(&batch, 0..batch.rows, &running.ctx.eval.io(), sink.buffer())?;
            count += batch.rows;
            sink.flush_if_full()?;
        }
        writer.finish(sink.buffer());
        backend::copy_done(sink.buffer());
        Ok(Effect::tag(format!("COPY {count}")))
    }

    fn copy_plan(&mut self, copy: &Copy) -> Result<Planned> {
        let statement = match &copy.source {
            CopySource::Query(statement) => (**statement).clone(),
            CopySource::Table { name, columns } => {
                let names = self.core.names();
                let table = copy_table(&names, name, false)?;
                let positions = copy_columns(&table, columns)?;
                let target = |at: &usize| ast::Target {
                    expr: ast::Expr {
                        kind: ast::ExprKind::Column(ast::Name::simple(table.columns[*at].name.clone(), 0)),
                        position: 0,
                    },
                    alias: None,
                };
                let select = ast::Select {
                    targets: positions.iter().map(target).collect(),
                    from: vec![ast::FromItem::Table { name: name.clone(), only: true, alias: None, sample: false }],
                    ..ast::Select::default()
                };
                let body = ast::QueryBody::Select(Box::new(select));
                Statement::Query(Box::new(Query { body, ..Query::default() }))
            }
        };
        let plan = pipeline::plan(&self.core, &statement, Some(&[]))?;
        if !plan.returns_rows {
            bail!(FEATURE_NOT_SUPPORTED, "COPY query must have a RETURNING clause");
        }
        Ok(plan)
    }

    /// SELECT ... INTO, as CREATE TABLE AS.
    pub(super) fn select_into(&mut self, query: &Query) -> Result<Effect> {
        let mut query = query.clone();
        let into = match &mut query.body {
            ast::QueryBody::Select(select) => select.into.take(),
            _ => None,
        };
        let Some(into) = into else { return Err(Error::internal("a query without INTO is planned")) };
        let create = CreateTableAs {
            name: into.name,
            if_not_exists: false,
            temporary: into.temporary,
            columns: Vec::new(),
            query,
            with_data: true,
        };
        self.create_table_as(&create, &[])
    }

    /// CREATE TABLE AS.
    pub(super) fn create_table_as(&mut self, create: &CreateTableAs, params: &[Datum]) -> Result<Effect> {
        let txn = self.core.transaction();
        let statement = Statement::Query(Box::new(create.query.clone()));
        let plan = pipeline::plan(&self.core, &statement, Some(&[]))?;
        let columns: Vec<(String, SqlType)> = plan.fields.iter().map(|field| (field.name.clone(), field.ty)).collect();
        let new = ddl::NewTable {
            name: &create.name,
            temporary: create.temporary,
            unlogged: false,
            if_not_exists: create.if_not_exists,
            column_names: &create.columns,
        };
        let made = self.core.with_edit(&txn, create.temporary, |ctx| ddl::table_of_query(&new, &columns, ctx));
        let Some(table) = made?.map(Arc::new) else { return Ok(Effect::tag("CREATE TABLE AS")) };
        if !create.with_data {
            return Ok(Effect::tag("CREATE TABLE AS"));
        }
        plan.lock(&self.core)?;
        let mut running = plan.open(&self.core, params.to_vec(), None)?;
        let open = running.ctx.shared.table(&table)?;
        let types: Vec<Oid> = plan.fields.iter().map(|field| field.ty.oid).collect();
        let mut count = 0;
        while let Some(batch) = running.operator.next(&running.ctx)? {
            let rows: Vec<Vec<Datum>> = (0..batch.rows).map(|at| batch.row(&types, at)).collect();
            let evaluator = running.ctx.evaluator(&table);
            open.insert_batch(&*txn, &running.ctx.write(&evaluator), &rows)?;
            count += rows.len();
        }
        txn.next_command();
        Ok(Effect::tag(format!("SELECT {count}")))
    }
}

fn copy_table(names: &Names, name: &ast::Name, from: bool) -> Result<Arc<TableDesc>> {
    match names.relation(&name.parts).map_err(|error| error.at(name.position))? {
        Relation::Table(table) => Ok(table),
        Relation::View(view) if from => bail!(WRONG_OBJECT_TYPE, "cannot copy to view \"{}\"", view.name),
        Relation::View(view) => {
            let error = crate::error!(WRONG_OBJECT_TYPE, "cannot copy from view \"{}\"", view.name);
            Err(error.hint("Try the COPY (SELECT ...) TO variant."))
        }
        other if from => bail!(WRONG_OBJECT_TYPE, "cannot copy to {} \"{}\"", other.kind_name(), other.name()),
        other => bail!(WRONG_OBJECT_TYPE, "cannot copy from {} \"{}\"", other.kind_name(), other.name()),
    }
}

/// Positions of the columns of COPY; all but generated ones when none are named.
fn copy_columns(table: &TableDesc, columns: &[String]) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok((0..table.columns.len()).filter(|at| table.columns[*at].generated.is_none()).collect());
    }
    let mut positions = Vec::with_capacity(columns.len());
    for name in columns {
        let Some(at) = table.column_named(name) else {
            bail!(UNDEFINED_COLUMN, "column \"{name}\" of relation \"{}\" does not exist", table.name)
        };
        if table.columns[at].generated.is_some() {
            return Err(crate::error!(INVALID_COLUMN_REFERENCE, "column \"{name}\" is a generated column")
                .detail("Generated columns cannot be used in COPY."));
        }
        if positions.contains(&at) {
            bail!(DUPLICATE_COLUMN, "column \"{name}\" specified more than once");
        }
        positions.push(at);
    }
    Ok(positions)
}

fn check_forced(options: &CopyOptions, table: &TableDesc, positions: &[usize]) -> Result<()> {
    for (forced, name) in [(&options.force_not_null, "FORCE_NOT_NULL"), (&options.force_null, "FORCE_NULL")] {
        let ForceColumns::Named(named) = forced else { continue };
        for column in named {
            match table.column_named(column) {
                None => bail!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{}\" does not exist", table.name),
                Some(at) if !positions.contains(&at) => {
                    bail!(INVALID_COLUMN_REFERENCE, "{name} column \"{column}\" not referenced by COPY")
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}
