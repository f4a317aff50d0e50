//! Running a bound statement: rows to the client as they come, or a utility statement's effect.

use std::sync::Arc;

use crate::bail;
use crate::error::{Error, Result};
use crate::pgwire::{Format, RowEncoder, Sink, backend};
use crate::sql::ast::{self, Query, QueryBody, Statement};
use crate::sql::binder;
use crate::sql::ddl;
use crate::sql::executor::Pulled;
use crate::sql::logical::Field;
use crate::sql::parser;
use crate::types::column::Batch;
use crate::types::io::IoContext;
use crate::types::{Datum, Oid, SqlType};

use super::pipeline::{self, Planned};
use super::portal::{Portal, PortalState, Prepared, describe, needs_no_block, text_field, wire_types};
use super::session::{Block, Session, failed_block};
use super::settings::Settings;

/// What a utility statement has done.
pub(super) struct Effect {
    pub tag: String,
    /// Rows for the client.
    pub rows: Option<(Vec<Field>, Vec<Batch>)>,
}

impl Effect {
    /// A tag and nothing else.
    pub(super) fn tag(tag: impl Into<String>) -> Self {
        Self { tag: tag.into(), rows: None }
    }
}

/// The table of SELECT INTO.
pub(super) fn into_clause(query: &Query) -> Option<&ast::IntoTable> {
    match &query.body {
        QueryBody::Select(select) => select.into.as_ref(),
        _ => None,
    }
}

impl Session {
    /// Runs a portal until its rows or `max_rows` (0: all) are sent; the command tag, or `None` when rows are left.
    ///
    /// # Errors
    /// Whatever the statement raises.
    pub(super) fn run_portal(
        &mut self,
        portal: &mut Portal,
        max_rows: u64,
        describe_rows: bool,
        sink: &mut dyn Sink,
    ) -> Result<Option<String>> {
        if matches!(portal.state, PortalState::Ready) {
            self.start_portal(portal, describe_rows, sink)?;
        }
        match &portal.state {
            PortalState::Running { .. } => self.pump(portal, max_rows, sink),
            PortalState::Rows { .. } => self.send_rows(portal, max_rows, sink),
            PortalState::Ready | PortalState::Done | PortalState::Failed => {
                let verb = portal.prepared.plan.as_ref().map_or("SELECT", |plan| plan.verb);
                Ok(Some(row_tag(verb, 0)))
            }
        }
    }

    fn start_portal(&mut self, portal: &mut Portal, describe_rows: bool, sink: &mut dyn Sink) -> Result<()> {
        let parsed =
            portal.prepared.statement.clone().ok_or_else(|| Error::internal("an empty statement has no portal"))?;
        if self.block == Block::Failed && !parser::ends_block(&parsed.statement) {
            return Err(failed_block());
        }
        if portal.prepared.plan.is_some() {
            self.open_plan(portal)?;
            if describe_rows && let Some(fields) = &portal.prepared.fields {
                backend::row_description(sink.buffer(), &describe(&self.core, fields, &portal.formats));
            }
            return Ok(());
        }
        if let Statement::Execute { name, args } = &parsed.statement {
            let mut inner = self.execute_portal(name, args, &portal.formats)?;
            inner.formats.clone_from(&portal.formats);
            self.start_portal(&mut inner, describe_rows, sink)?;
            portal.state = std::mem::replace(&mut inner.state, PortalState::Done);
            portal.prepared = inner.prepared;
            return Ok(());
        }
        let params = std::mem::take(&mut portal.params);
        let effect = self.utility(&parsed, &params, sink)?;
        let batches = match effect.rows {
            Some((fields, batches)) => {
                if portal.formats.len() != fields.len() {
                    portal.formats.resize(fields.len(), Format::Text);
                }
                if describe_rows {
                    backend::row_description(sink.buffer(), &describe(&self.core, &fields, &portal.formats));
                }
                portal.prepared.fields = Some(Arc::from(fields));
                batches
            }
            None => Vec::new(),
        };
        portal.state = PortalState::Rows { batches, tag: effect.tag };
        Ok(())
    }

    /// Opens a portal's plan, making it anew when the catalog changes while its tables are locked.
    pub(super) fn open_plan(&mut self, portal: &mut Portal) -> Result<()> {
        loop {
            let plan = portal.prepared.plan.clone().expect("the caller has looked");
            if plan.lock(&self.core)? {
                let running = plan.open(&self.core, std::mem::take(&mut portal.params), None)?;
                portal.state = PortalState::Running { running: Box::new(running), rest: None, count: 0 };
                return Ok(());
            }
            let mut prepared = portal.prepared.clone();
            self.refresh(&mut prepared, "\u{0}")?;
            portal.prepared = prepared;
        }
    }

    fn pump(&mut self, portal: &mut Portal, max_rows: u64, sink: &mut dyn Sink) -> Result<Option<String>> {
        let PortalState::Running { running, rest, count } = &mut portal.state else { return Ok(None) };
        let Some(plan) = &portal.prepared.plan else { return Ok(None) };
        let (returns_rows, verb) = (plan.returns_rows, plan.verb);
        let types: &[Oid] = if returns_rows { &plan.wire_types } else { &[] };
        portal.formats.resize(types.len(), Format::Text);
        let mut encoder = RowEncoder::new(types, &portal.formats);
        let mut left = if max_rows == 0 { u64::MAX } else { max_rows };
        let result = loop {
            if left == 0 {
                break Ok(None);
            }
            let pulled = match rest.take() {
                Some(batch) => Ok(Some(Pulled::Batch(batch))),
                None => running.operator.pull(&running.ctx),
            };
            let sent = match pulled {
                Ok(None) => break Ok(Some(())),
                Ok(Some(pulled)) if !returns_rows => {
                    *count += pulled.rows() as u64;
                    continue;
                }
                Ok(Some(pulled)) => send_pulled(pulled, left, &mut encoder, plan, &running.ctx.eval.io(), sink),
                Err(error) => Err(error),
            };
            match sent {
                Ok((rows, more)) => {
                    left -= rows;
                    *count += rows;
                    *rest = more;
                }
                Err(error) => break Err(error),
            }
        };
        let total = *count;
        match result? {
            None => {
                // A limit that was met exactly is not known to be the end; PostgreSQL suspends as well.
                *count = 0;
                Ok(None)
            }
            Some(()) => {
                portal.state = PortalState::Done;
                Ok(Some(row_tag(verb, total)))
            }
        }
    }

    fn send_rows(&mut self, portal: &mut Portal, max_rows: u64, sink: &mut dyn Sink) -> Result<Option<String>> {
        let PortalState::Rows { batches, tag } = &mut portal.state else { return Ok(None) };
        let types = wire_types(&self.core, portal.prepared.fields.as_deref().unwrap_or_default());
        let names = self.core.names();
        let eval = self.core.eval(&names, Arc::from([]));
        let mut encoder = RowEncoder::new(&types, &portal.formats);
        let mut left = if max_rows == 0 { usize::MAX } else { usize::try_from(max_rows).unwrap_or(usize::MAX) };
        while !batches.is_empty() {
            let rows = left.min(batches[0].rows);
            encoder.encode_batch(&batches[0], 0..rows, &eval.io(), sink.buffer())?;
            sink.flush_if_full()?;
            left -= rows;
            if rows < batches[0].rows {
                batches[0] = batches[0].slice(rows, batches[0].rows - rows);
                return Ok(None);
            }
            batches.remove(0);
            // As with a plan: a limit that was met exactly is not known to be the end.
            if left == 0 {
                return Ok(None);
            }
        }
        let tag = tag.clone();
        portal.state = PortalState::Done;
        Ok(Some(tag))
    }

    /// The portal of EXECUTE.
    pub(super) fn execute_portal(&mut self, name: &str, args: &[ast::Expr], formats: &[Format]) -> Result<Portal> {
        let mut prepared = self.statement_named(name)?.clone();
        self.refresh(&mut prepared, name)?;
        // Like PostgreSQL, arguments of a statement without parameters are not looked at.
        if args.len() != prepared.params.len() && !prepared.params.is_empty() {
            return Err(crate::error!(SYNTAX_ERROR, "wrong number of parameters for prepared statement \"{name}\"")
                .detail(format!("Expected {} parameters but got {}.", prepared.params.len(), args.len())));
        }
        let mut params = Vec::with_capacity(args.len());
        for (arg, ty) in args.iter().zip(&*prepared.params) {
            params.push(self.constant(arg, *ty)?);
        }
        Ok(Portal::new(prepared, params, formats.to_vec()))
    }

    /// The value of a constant expression.
    fn constant(&mut self, expr: &ast::Expr, ty: SqlType) -> Result<Datum> {
        let names = self.core.names();
        self.core.transaction();
        let eval = self.core.eval(&names, Arc::from([]));
        let env = binder::BindEnv { names: &names, format: &eval.format, now_micros: eval.transaction_micros };
        let bound = binder::bind_constant(expr, ty, &env, &mut binder::Params::default())?;
        crate::sql::eval::eval_row(&bound, crate::sql::eval::Row::Values(&[]), &eval)
    }

    /// The columns of a utility statement's rows.
    pub(super) fn utility_fields(&mut self, statement: &Statement) -> Result<Option<Arc<[Field]>>> {
        Ok(match statement {
            Statement::Explain(explain) => {
                let oid = if explain.format == "json" { Oid::JSON } else { Oid::TEXT };
                Some(Arc::from([Field { name: "QUERY PLAN".to_owned(), ty: SqlType::of(oid), origin: None }]))
            }
            Statement::Show { name } if name == "all" => {
                Some(["name", "setting", "description"].iter().map(|name| text_field(name)).collect())
            }
            Statement::Show { name } => Some(Arc::from([text_field(&self.core.settings.lock().canonical_name(name)?)])),
            Statement::Fetch(fetch) if !fetch.is_move => match self.portals.get(&fetch.cursor) {
                Some(portal) => portal.prepared.fields.clone(),
                None => bail!(INVALID_CURSOR_NAME, "cursor \"{}\" does not exist", fetch.cursor),
            },
            Statement::Execute { name, .. } => self.statement_named(name)?.fields.clone(),
            _ => None,
        })
    }

    /// The parameters of statements that contain a query.
    pub(super) fn utility_params(&mut self, statement: &Statement, declared: Option<&[Oid]>) -> Result<Vec<SqlType>> {
        let inner = match statement {
            Statement::Explain(explain) => (*explain.statement).clone(),
            Statement::DeclareCursor(cursor) => Statement::Query(Box::new(cursor.query.clone())),
            Statement::CreateTableAs(create) => Statement::Query(Box::new(create.query.clone())),
            _ => return Ok(declared.unwrap_or_default().iter().map(|oid| SqlType::of(*oid)).collect()),
        };
        match inner {
            Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                Ok(pipeline::plan(&self.core, &inner, declared)?.params.to_vec())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn utility(&mut self, parsed: &Arc<ast::ParsedStatement>, params: &[Datum], sink: &mut dyn Sink) -> Result<Effect> {
        let statement = &parsed.statement;
        if let Some(name) = needs_no_block(statement)
            && self.block != Block::None
        {
            bail!(ACTIVE_SQL_TRANSACTION, "{name} cannot run inside a transaction block");
        }
        if ddl::is_ddl(statement) {
            return self.define(statement);
        }
        match statement {
            Statement::Transaction(control) => self.control(control),
            Statement::Set(set) => self.set(set),
            Statement::Show { name } => self.show(name),
            Statement::Discard(target) => self.discard(*target),
            Statement::Explain(explain) => self.explain(explain, params),
            Statement::Copy(copy) => self.copy(copy, sink),
            Statement::CreateTableAs(create) => self.create_table_as(create, params),
            Statement::Query(query) => self.select_into(query),
            Statement::Prepare { name, types, statement } => self.prepare_sql(name, types, statement, &parsed.text),
            Statement::Deallocate { name } => self.deallocate(name.as_deref()),
            Statement::DeclareCursor(declare) => self.declare(declare, params, &parsed.text),
            Statement::Fetch(fetch) => self.fetch(fetch),
            Statement::CloseCursor { name } => self.close_cursor(name.as_deref()),
            other => self.service(other),
        }
    }

    /// Executes data definition against the transaction's copy of the catalog.
    fn define(&mut self, statement: &Statement) -> Result<Effect> {
        if let Statement::AlterSetting {
            setting: ast::SetStatement { name, value: ast::SetValue::Values(values), .. },
            ..
        } = statement
        {
            Settings::check(name, values)?;
        }
        let txn = self.core.transaction();
        let done = self.core.with_edit(&txn, wants_temporary(statement), |ctx| {
            ddl::execute(statement, ctx).map(|tag| (tag, std::mem::take(&mut ctx.later)))
        });
        txn.next_command();
        let (tag, later) = done?;
        // Statements that leave something for later may not stand in a transaction block.
        for step in later {
            self.core.commit()?;
            let txn = self.core.transaction();
            step.wait_for_writers(&txn, &self.core.cancel)?;
            self.core.with_edit(&txn, false, |ctx| ddl::finish(step, ctx))?;
        }
        Ok(Effect::tag(tag))
    }
}

/// Sends at most `left` rows: how many, and those that are left over.
fn send_pulled(
    pulled: Pulled,
    left: u64,
    encoder: &mut RowEncoder,
    plan: &Planned,
    io: &IoContext<'_>,
    sink: &mut dyn Sink,
) -> Result<(u64, Option<Batch>)> {
    let batch = match pulled {
        Pulled::Batch(batch) => batch,
        Pulled::Rows(rows) if rows.len() as u64 <= left => {
            rows.iter().try_for_each(|row| encoder.encode_row(row, io, sink.buffer()))?;
            sink.flush_if_full()?;
            return Ok((rows.len() as u64, None));
        }
        Pulled::Rows(rows) => {
            let types: Vec<Oid> = plan.fields.iter().map(|field| field.ty.oid).collect();
            Batch::from_rows(&types, &rows)
        }
    };
    let rows = usize::try_from(left).unwrap_or(usize::MAX).min(batch.rows);
    encoder.encode_batch(&batch, 0..rows, io, sink.buffer())?;
    sink.flush_if_full()?;
    Ok((rows as u64, (rows < batch.rows).then(|| batch.slice(rows, batch.rows - rows))))
}

/// The tag of a statement that counts rows; an INSERT's has a zero where PostgreSQL once had an OID.
fn row_tag(verb: &str, rows: u64) -> String {
    let mut tag = String::with_capacity(32);
    tag.push_str(verb);
    tag.push_str(if verb == "INSERT" { " 0 " } else { " " });
    tag.push_str(itoa::Buffer::new().format(rows));
    tag
}

/// Whether a statement makes temporary objects.
fn wants_temporary(statement: &Statement) -> bool {
    let in_temporary = |name: &ast::Name| name.schema() == Some("pg_temp");
    match statement {
        Statement::CreateTable(create) => create.temporary || in_temporary(&create.name),
        Statement::CreateSequence(create) => create.temporary || in_temporary(&create.name),
        Statement::CreateView(create) => create.temporary || in_temporary(&create.name),
        _ => false,
    }
}

/// The prepared form of a statement inside another.
pub(super) fn parsed_inner(statement: &Statement, text: &str) -> Arc<ast::ParsedStatement> {
    Arc::new(ast::ParsedStatement { statement: statement.clone(), text: text.to_owned() })
}

/// Used where a statement is prepared by SQL.
pub(super) fn fields_of(prepared: &Prepared) -> Option<&[Field]> {
    prepared.fields.as_deref()
}
