//! INSERT, UPDATE, DELETE.

use std::sync::Arc;

use crate::catalog::Relation;
use crate::catalog::acl;
use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::{ColumnDesc, ConstraintKind, IndexTarget, TableDesc};
use crate::error::{Error, Result};
use crate::sql::ast::{self, AssignTarget, Assignment, ConflictTarget, ExprKind, QueryBody};
use crate::sql::eval::implies;
use crate::sql::expr::{Call, CallForm, Expr};
use crate::sql::logical::{ConflictUpdate, Field, LogicalPlan, Modify, ModifyAction, OnConflict};
use crate::sql::walk;
use crate::types::{Datum, Oid, SqlType};

use super::coerce::CoercionContext;
use super::context::{Binder, Level, Place, Scope, ScopeColumn, ScopeRel};
use super::from::{Bound, SYSTEM_COLUMNS};
use super::table_expr;

/// Generated columns: position and expression over the new row.
type Generated = Vec<(usize, Expr)>;

/// What UPDATE and DELETE say alike.
struct ChangedRows<'a> {
    table: &'a ast::Name,
    /// As messages call it.
    verb: &'static str,
    alias: Option<&'a str>,
    from: &'a [ast::FromItem],
    filter: Option<&'a ast::Expr>,
    returning: &'a [ast::Target],
}

impl Binder<'_> {
    fn target_table(&self, name: &ast::Name, verb: &str) -> Result<Arc<TableDesc>> {
        match self.relation(name)? {
            Relation::Table(table) => Ok(table),
            Relation::View(view) => {
                let (view, doing) = (&view.name, verb);
                Err(crate::error!(OBJECT_NOT_IN_PREREQUISITE_STATE, "cannot {doing} view \"{view}\"")
                    .detail("Views are not automatically updatable here.")
                    .at(name.position))
            }
            Relation::System(desc) => {
                Err(crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", desc.name)
                    .at(name.position))
            }
            other => Err(crate::error!(WRONG_OBJECT_TYPE, "cannot open relation \"{}\"", other.name())
                .detail(format!(
                    "This operation is not supported for {}.",
                    if matches!(other, Relation::Sequence(_)) { "sequences" } else { "indexes" }
                ))
                .at(name.position)),
        }
    }

    fn with_ctes(
        &mut self,
        with: Option<&ast::With>,
        f: impl FnOnce(&mut Self) -> Result<LogicalPlan>,
    ) -> Result<LogicalPlan> {
        let before = self.ctes.len();
        let ctes = match with {
            // WITH of a data-modifying statement is bound as that of a query.
            Some(with) => self.with_list(with)?,
            None => Vec::new(),
        };
        let body = f(self);
        self.ctes.truncate(before);
        let body = body?;
        Ok(if ctes.is_empty() { body } else { LogicalPlan::With { ctes, body: Box::new(body) } })
    }

    /// Binds INSERT.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(super) fn insert(&mut self, insert: &ast::Insert) -> Result<LogicalPlan> {
        self.with_ctes(insert.with.as_ref(), |binder| binder.insert_inner(insert))
    }

    fn insert_inner(&mut self, insert: &ast::Insert) -> Result<LogicalPlan> {
        let table = self.target_table(&insert.table, "insert into")?;
        let positions = self.insert_columns(insert, &table)?;
        let inserted = positions.iter().map(|at| table.columns[*at].attnum);
        self.claim(table.oid, acl::INSERT).inserted.extend(inserted);
        let input = self.insert_source(insert, &table, &positions)?;
        let alias = insert.alias.clone().unwrap_or_else(|| table.name.clone());
        let on_conflict = match &insert.on_conflict {
            Some(clause) => Some(self.on_conflict(clause, &table, &alias)?),
            None => None,
        };
        let action = ModifyAction::Insert { input, on_conflict };
        self.modify(table, action, &insert.returning, &alias, None)
    }

    fn insert_columns(&mut self, insert: &ast::Insert, table: &TableDesc) -> Result<Vec<usize>> {
        if insert.columns.is_empty() {
            return Ok((0..table.columns.len()).collect());
        }
        let mut positions = Vec::with_capacity(insert.columns.len());
        for target in &insert.columns {
            let position = self.target_column(target, table)?;
            if positions.contains(&position) {
                let name = &target.column;
                return Err(
                    crate::error!(DUPLICATE_COLUMN, "column \"{name}\" specified more than once").at(target.position)
                );
            }
            positions.push(position);
        }
        Ok(positions)
    }

    fn target_column(&self, target: &AssignTarget, table: &TableDesc) -> Result<usize> {
        if !target.subscripts.is_empty() || target.field.is_some() {
            return Err(Error::unsupported("assignment to an element or field of a column").at(target.position));
        }
        table.column_named(&target.column).ok_or_else(|| {
            let (column, table) = (&target.column, &table.name);
            crate::error!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{table}\" does not exist")
                .at(target.position)
        })
    }

    /// The rows to insert, one column per table column.
    fn insert_source(
        &mut self,
        insert: &ast::Insert,
        table: &Arc<TableDesc>,
        positions: &[usize],
    ) -> Result<LogicalPlan> {
        let Some(source) = &insert.source else {
            let row = self.full_row(table, &[], Vec::new())?;
            return Ok(LogicalPlan::Values { rows: vec![row], fields: table_fields(table) });
        };
        let plain_values =
            source.with.is_none() && source.order_by.is_empty() && source.limit == ast::LimitClause::default();
        if let (QueryBody::Values(rows), true) = (&source.body, plain_values) {
            return self.insert_values(rows, insert, table, positions);
        }
        let plan = self.query_keeping(source, true)?;
        let found = plan.fields().to_vec();
        self.check_width(found.len(), insert, positions, source_position(source))?;
        let mut given = Vec::with_capacity(found.len());
        // Literals in a SELECT list are read as the column's type.
        let plan = match plan {
            LogicalPlan::Project { input, exprs, fields } => {
                let mut converted = Vec::with_capacity(exprs.len());
                let mut changed = fields;
                for ((expr, position), field) in exprs.into_iter().zip(positions).zip(&mut changed) {
                    let column = &table.columns[*position];
                    let expr = if expr.ty().oid == Oid::UNKNOWN {
                        self.assign(expr, column.ty, &column.name, 0)?
                    } else {
                        expr
                    };
                    field.ty = expr.ty();
                    converted.push(expr);
                }
                LogicalPlan::Project { input, exprs: converted, fields: changed }
            }
            other => {
                let types = super::query::settled_types(&other);
                self.convert_output(other, &types, "INSERT")?
            }
        };
        for (index, position) in positions.iter().enumerate().take(found.len()) {
            let column = &table.columns[*position];
            self.check_assignable(column, insert.overriding_system, false, 0)?;
            let ty = plan.fields()[index].ty;
            given.push(self.assign(Expr::Column { index, ty }, column.ty, &column.name, 0)?);
        }
        let exprs = self.full_row(table, &positions[..found.len()], given)?;
        Ok(LogicalPlan::Project { input: Box::new(plan), exprs, fields: table_fields(table) })
    }

    fn check_width(&self, found: usize, insert: &ast::Insert, positions: &[usize], position: u32) -> Result<()> {
        if found > positions.len() {
            return Err(crate::error!(SYNTAX_ERROR, "INSERT has more expressions than target columns").at(position));
        }
        if found < positions.len() && !insert.columns.is_empty() {
            let at = insert.columns[found].position;
            return Err(crate::error!(SYNTAX_ERROR, "INSERT has more target columns than expressions").at(at));
        }
        Ok(())
    }

    fn insert_values(
        &mut self,
        rows: &[Vec<ast::Expr>],
        insert: &ast::Insert,
        table: &Arc<TableDesc>,
        positions: &[usize],
    ) -> Result<LogicalPlan> {
        self.levels.push(Level::default());
        let bound = self.insert_rows(rows, insert, table, positions);
        self.levels.pop();
        Ok(LogicalPlan::Values { rows: bound?, fields: table_fields(table) })
    }

    fn insert_rows(
        &mut self,
        rows: &[Vec<ast::Expr>],
        insert: &ast::Insert,
        table: &Arc<TableDesc>,
        positions: &[usize],
    ) -> Result<Vec<Vec<Expr>>> {
        let width = rows.first().map_or(0, Vec::len);
        let mut bound = Vec::with_capacity(rows.len());
        // Defaults are the same for every row: bind them once.
        let template = self.full_row(table, &[], Vec::new())?;
        for row in rows {
            let at = row.get(positions.len()).or(row.first()).map_or(0, |expr| expr.position);
            if row.len() != width {
                return Err(crate::error!(SYNTAX_ERROR, "VALUES lists must all be the same length").at(at));
            }
            self.check_width(row.len(), insert, positions, at)?;
            let mut full = template.clone();
            for (expr, position) in row.iter().zip(positions) {
                let column = &table.columns[*position];
                let is_default = expr.kind == ExprKind::Default;
                self.check_assignable(column, insert.overriding_system, is_default, expr.position)?;
                if is_default || (insert.overriding_system == Some(false) && column.identity.is_some()) {
                    continue;
                }
                let value = self.expr(expr, Place::Values)?;
                full[*position] = self.assign(value, column.ty, &column.name, expr.position)?;
            }
            bound.push(full);
        }
        Ok(bound)
    }

    /// Values for all columns: those given, defaults for the rest.
    fn full_row(&mut self, table: &Arc<TableDesc>, positions: &[usize], given: Vec<Expr>) -> Result<Vec<Expr>> {
        let mut slots: Vec<Option<Expr>> = vec![None; table.columns.len()];
        for (position, expr) in positions.iter().zip(given) {
            slots[*position] = Some(expr);
        }
        let mut row = Vec::with_capacity(slots.len());
        for (position, slot) in slots.into_iter().enumerate() {
            row.push(match slot {
                Some(expr) => expr,
                None => self.column_default(&table.columns[position])?,
            });
        }
        Ok(row)
    }

    /// What a column gets when nothing is said.
    pub(super) fn column_default(&mut self, column: &ColumnDesc) -> Result<Expr> {
        if let Some(identity) = &column.identity {
            let sequence = Expr::Const(Datum::Oid(identity.sequence), SqlType::of(Oid::REGCLASS));
            let row = builtin().procs_named("nextval").next().expect("pg_proc has nextval");
            let call = Expr::Call(Call {
                function: row.oid,
                args: vec![sequence],
                ty: SqlType::of(Oid::INT8),
                form: CallForm::Function,
                position: 0,
            });
            return self.assign(call, column.ty, &column.name, 0);
        }
        match &column.default {
            Some(text) if column.generated.is_none() => {
                table_expr::bind_stored(text, &[], Some(column.ty), self.names(), Place::Default)
            }
            _ => {
                let null = Expr::Const(Datum::Null, SqlType::of(Oid::UNKNOWN));
                self.assign(null, column.ty, &column.name, 0)
            }
        }
    }

    /// Identity ALWAYS and generated columns take no values.
    fn check_assignable(
        &self,
        column: &ColumnDesc,
        overriding: Option<bool>,
        is_default: bool,
        position: u32,
    ) -> Result<()> {
        let name = &column.name;
        if is_default {
            return Ok(());
        }
        if column.generated.is_some() {
            return Err(crate::error!(GENERATED_ALWAYS, "cannot insert a non-DEFAULT value into column \"{name}\"")
                .detail(format!("Column \"{name}\" is a generated column."))
                .at(position));
        }
        if column.identity.as_ref().is_some_and(|identity| identity.always) && overriding.is_none() {
            return Err(crate::error!(GENERATED_ALWAYS, "cannot insert a non-DEFAULT value into column \"{name}\"")
                .detail(format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS."))
                .hint("Use OVERRIDING SYSTEM VALUE to override.")
                .at(position));
        }
        Ok(())
    }

    fn on_conflict(&mut self, clause: &ast::OnConflict, table: &Arc<TableDesc>, alias: &str) -> Result<OnConflict> {
        let arbiters = self.arbiters(clause, table)?;
        self.claim_arbiters(&arbiters, table);
        let Some((assignments, filter)) = &clause.update else { return Ok(OnConflict { arbiters, update: None }) };
        if arbiters.is_empty() {
            return Err(crate::error!(
                SYNTAX_ERROR,
                "ON CONFLICT DO UPDATE requires inference specification or constraint name"
            )
            .hint("For example, ON CONFLICT (column_name).")
            .at(clause.position));
        }
        self.levels.push(Level::default());
        let schema = self.schema_text(table, alias);
        self.level().scope = row_scope(table, alias, schema);
        let excluded = row_scope(table, "excluded", None);
        let result = (|binder: &mut Self| {
            binder.level().scope.append(excluded, clause.position)?;
            // Bare names mean the existing row.
            let width = table.columns.len();
            for column in &mut binder.level().scope.columns[width..] {
                column.qualified_only = true;
            }
            let assignments = binder.assignments(assignments, table)?;
            binder.claim_updates(&assignments, table);
            let predicate = match filter {
                Some(filter) => Some(binder.condition(filter, Place::Where, "WHERE")?),
                None => None,
            };
            Ok(ConflictUpdate { assignments, predicate })
        })(self);
        self.levels.pop();
        Ok(OnConflict { arbiters, update: Some(result?) })
    }

    fn claim_updates(&mut self, assignments: &[(usize, Expr)], table: &TableDesc) {
        let updated = assignments.iter().map(|item| table.columns[item.0].attnum);
        self.claim(table.oid, acl::UPDATE).updated.extend(updated);
    }

    /// To look for a conflict is to read the key.
    fn claim_arbiters(&mut self, arbiters: &[Oid], table: &TableDesc) {
        for index in table.indexes.iter().filter(|index| arbiters.contains(&index.oid)) {
            for key in &index.keys {
                if let IndexTarget::Column(attnum) = key.target {
                    self.claim(table.oid, acl::SELECT).selected.insert(attnum);
                }
            }
        }
    }

    fn arbiters(&mut self, clause: &ast::OnConflict, table: &Arc<TableDesc>) -> Result<Vec<Oid>> {
        match &clause.target {
            ConflictTarget::None => Ok(Vec::new()),
            ConflictTarget::Constraint(name) => {
                let found = table.constraints.iter().find(|constraint| constraint.name == *name);
                match found.map(|constraint| &constraint.kind) {
                    Some(ConstraintKind::PrimaryKey { index, .. } | ConstraintKind::Unique { index, .. }) => {
                        Ok(vec![*index])
                    }
                    Some(_) => Err(crate::error!(
                        WRONG_OBJECT_TYPE,
                        "constraint in ON CONFLICT clause has no associated index"
                    )),
                    None => {
                        let table = &table.name;
                        Err(crate::error!(
                            UNDEFINED_OBJECT,
                            "constraint \"{name}\" for table \"{table}\" does not exist"
                        ))
                    }
                }
            }
            ConflictTarget::Keys { exprs, filter } => {
                self.inferred_arbiters(exprs, filter.as_ref(), table, clause.position)
            }
        }
    }

    fn inferred_arbiters(
        &mut self,
        exprs: &[ast::Expr],
        filter: Option<&ast::Expr>,
        table: &Arc<TableDesc>,
        position: u32,
    ) -> Result<Vec<Oid>> {
        let columns: Vec<(String, SqlType)> =
            table.columns.iter().map(|column| (column.name.clone(), column.stored_type())).collect();
        let mut wanted = Vec::with_capacity(exprs.len());
        for expr in exprs {
            wanted.push(table_expr::bind(expr, &columns, None, self.names(), Place::IndexExpression)?);
        }
        let filter = match filter {
            Some(filter) => Some(table_expr::bind(
                filter,
                &columns,
                Some(SqlType::of(Oid::BOOL)),
                self.names(),
                Place::IndexPredicate,
            )?),
            None => None,
        };
        let mut found = Vec::new();
        for index in table.indexes.iter().filter(|index| index.unique && index.valid) {
            let mut keys = Vec::with_capacity(index.keys.len());
            for key in &index.keys {
                keys.push(match &key.target {
                    IndexTarget::Column(attnum) => {
                        let at = table.position_of(*attnum).expect("an index names live columns");
                        Expr::Column { index: at, ty: table.columns[at].stored_type() }
                    }
                    IndexTarget::Expr(text) => {
                        table_expr::bind_stored(text, &columns, None, self.names(), Place::IndexExpression)?
                    }
                });
            }
            let same_set = keys.iter().all(|key| wanted.iter().any(|other| walk::same(key, other)))
                && wanted.iter().all(|other| keys.iter().any(|key| walk::same(key, other)));
            let predicate_fits = match (&index.predicate, &filter) {
                (None, _) => true,
                (Some(text), Some(filter)) => {
                    let bool_type = Some(SqlType::of(Oid::BOOL));
                    let predicate =
                        table_expr::bind_stored(text, &columns, bool_type, self.names(), Place::IndexPredicate)?;
                    implies(&[filter], &predicate)
                }
                (Some(_), None) => false,
            };
            if same_set && predicate_fits {
                found.push(index.oid);
            }
        }
        if found.is_empty() {
            return Err(crate::error!(
                INVALID_COLUMN_REFERENCE,
                "there is no unique or exclusion constraint matching the ON CONFLICT specification"
            )
            .at(position));
        }
        Ok(found)
    }

    /// SET items: positions and values in the columns' types.
    fn assignments(&mut self, items: &[Assignment], table: &Arc<TableDesc>) -> Result<Vec<(usize, Expr)>> {
        let mut out: Vec<(usize, Expr)> = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Assignment::One { target, value } => self.assignment(target, value, table, &mut out)?,
                Assignment::Many { targets, value } => match &value.kind {
                    ExprKind::Row(values) => {
                        if values.len() != targets.len() {
                            return Err(crate::error!(
                                SYNTAX_ERROR,
                                "number of columns does not match number of values"
                            )
                            .at(value.position));
                        }
                        for (target, value) in targets.iter().zip(values) {
                            self.assignment(target, value, table, &mut out)?;
                        }
                    }
                    ExprKind::ScalarQuery(query) => {
                        self.assign_from_query(targets, query, table, value.position, &mut out)?
                    }
                    _ => {
                        return Err(crate::error!(
                            FEATURE_NOT_SUPPORTED,
                            "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression"
                        )
                        .at(value.position));
                    }
                },
            }
        }
        Ok(out)
    }

    fn assign_from_query(
        &mut self,
        targets: &[AssignTarget],
        query: &ast::Query,
        table: &Arc<TableDesc>,
        position: u32,
        out: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        use crate::sql::expr::{Subquery, SubqueryKind};
        let (plan, correlated) = self.subquery(query, Place::Update)?;
        let fields = plan.fields().to_vec();
        if fields.len() != targets.len() {
            return Err(crate::error!(SYNTAX_ERROR, "number of columns does not match number of values").at(position));
        }
        let plan = Arc::new(plan);
        for (at, target) in targets.iter().enumerate() {
            let column = self.target_column(target, table)?;
            // One subquery per column; the rows are few and the plan is shared.
            let exprs = vec![Expr::Column { index: at, ty: fields[at].ty }];
            let one =
                LogicalPlan::Project { input: Box::new((*plan).clone()), exprs, fields: vec![fields[at].clone()] };
            let ty = fields[at].ty;
            let value =
                Expr::Subquery(Box::new(Subquery { kind: SubqueryKind::Scalar, plan: Arc::new(one), correlated, ty }));
            self.check_twice(out, column, &target.column, target.position)?;
            let value = self.assign(value, table.columns[column].ty, &target.column, position)?;
            out.push((column, value));
        }
        Ok(())
    }

    fn check_twice(&self, out: &[(usize, Expr)], column: usize, name: &str, position: u32) -> Result<()> {
        if out.iter().any(|item| item.0 == column) {
            return Err(crate::error!(SYNTAX_ERROR, "multiple assignments to same column \"{name}\"").at(position));
        }
        Ok(())
    }

    fn assignment(
        &mut self,
        target: &AssignTarget,
        value: &ast::Expr,
        table: &Arc<TableDesc>,
        out: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        if !target.subscripts.is_empty() && target.field.is_none() {
            return self.assign_element(target, value, table, out);
        }
        if let (true, Some(field)) = (target.subscripts.is_empty(), &target.field) {
            return self.assign_field(target, field, value, table, out);
        }
        let column = self.target_column(target, table)?;
        self.check_twice(out, column, &target.column, target.position)?;
        let desc = &table.columns[column];
        let name = &desc.name;
        if value.kind == ExprKind::Default {
            let default =
                if desc.generated.is_some() { Expr::Const(Datum::Null, desc.ty) } else { self.column_default(desc)? };
            out.push((column, default));
            return Ok(());
        }
        if desc.generated.is_some() || desc.identity.as_ref().is_some_and(|identity| identity.always) {
            let what = if desc.generated.is_some() {
                format!("Column \"{name}\" is a generated column.")
            } else {
                format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")
            };
            return Err(crate::error!(GENERATED_ALWAYS, "column \"{name}\" can only be updated to DEFAULT")
                .detail(what)
                .at(target.position));
        }
        let bound = self.expr(value, Place::Update)?;
        let bound = self.assign(bound, desc.ty, name, value.position)?;
        out.push((column, bound));
        Ok(())
    }

    /// `SET a[1] = x`: the column's new value is its old one, or what an item before has made of it, with a part replaced.
    fn assign_element(
        &mut self,
        target: &AssignTarget,
        value: &ast::Expr,
        table: &Arc<TableDesc>,
        out: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let plain = AssignTarget { subscripts: Vec::new(), ..target.clone() };
        let column = self.target_column(&plain, table)?;
        let desc = &table.columns[column];
        let container = match out.iter().position(|item| item.0 == column) {
            Some(at) if matches!(out[at].1, Expr::Store { .. }) => out.remove(at).1,
            Some(_) => return self.check_twice(out, column, &target.column, target.position),
            // The target's columns come first in the scope of UPDATE and of ON CONFLICT.
            None => Expr::Column { index: column, ty: desc.ty },
        };
        let bound = self.expr(value, Place::Update)?;
        let stored = self.store(container, desc.ty, &target.subscripts, bound, value.position)?;
        out.push((column, stored));
        Ok(())
    }

    /// `SET p.x = v`: a row of the old fields and the new one.
    fn assign_field(
        &mut self,
        target: &AssignTarget,
        field: &str,
        value: &ast::Expr,
        table: &Arc<TableDesc>,
        out: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let plain = AssignTarget { field: None, ..target.clone() };
        let column = self.target_column(&plain, table)?;
        let desc = &table.columns[column];
        let (name, ty) = (&desc.name, desc.ty);
        let Some(fields) = self.names().snapshot.composite_fields(ty.oid) else {
            let shown = self.type_text(ty.oid);
            return Err(crate::error!(
                DATATYPE_MISMATCH,
                "cannot assign to field \"{field}\" of column \"{name}\" because its type {shown} is not a composite type"
            )
            .at(target.position));
        };
        let Some(at) = fields.iter().position(|found| found.0 == field) else {
            let shown = self.type_text(ty.oid);
            return Err(crate::error!(
                UNDEFINED_COLUMN,
                "cannot assign to field \"{field}\" of column \"{name}\" because there is no such column in data type \
                 {shown}"
            )
            .at(target.position));
        };
        let mut parts = match out.iter().position(|item| item.0 == column) {
            Some(place) => match out.remove(place).1 {
                Expr::Row { fields, .. } => fields,
                other => {
                    out.push((column, other));
                    return self.check_twice(out, column, &target.column, target.position);
                }
            },
            None => (0..fields.len())
                .map(|index| {
                    let record = Box::new(Expr::Column { index: column, ty });
                    Expr::Field { record, index, ty: fields[index].1 }
                })
                .collect(),
        };
        let bound = self.expr(value, Place::Update)?;
        let found = bound.ty().oid;
        let wanted = fields[at].1;
        let converted = self.try_coerce(bound, wanted, CoercionContext::Assignment, value.position)?;
        let Some(converted) = converted else {
            let (wanted, found) = (self.type_text(wanted.oid), self.type_text(found));
            return Err(crate::error!(
                DATATYPE_MISMATCH,
                "subfield \"{field}\" is of type {wanted} but expression is of type {found}"
            )
            .hint("You will need to rewrite or cast the expression.")
            .at(value.position));
        };
        parts[at] = converted;
        out.push((column, Expr::Row { fields: parts, names: None, ty }));
        Ok(())
    }

    /// Binds UPDATE.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(super) fn update(&mut self, update: &ast::Update) -> Result<LogicalPlan> {
        let rows = ChangedRows {
            table: &update.table,
            verb: "update",
            alias: update.alias.as_deref(),
            from: &update.from,
            filter: update.filter.as_ref(),
            returning: &update.returning,
        };
        self.with_ctes(update.with.as_ref(), |binder| {
            binder.change(&rows, |binder, table, input, row_id_column| {
                let assignments = binder.assignments(&update.assignments, table)?;
                binder.claim_updates(&assignments, table);
                Ok(ModifyAction::Update { input, row_id_column, assignments })
            })
        })
    }

    /// Binds DELETE.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(super) fn delete(&mut self, delete: &ast::Delete) -> Result<LogicalPlan> {
        let rows = ChangedRows {
            table: &delete.table,
            verb: "delete from",
            alias: delete.alias.as_deref(),
            from: &delete.using,
            filter: delete.filter.as_ref(),
            returning: &delete.returning,
        };
        self.with_ctes(delete.with.as_ref(), |binder| {
            binder.change(&rows, |binder, table, input, row_id_column| {
                binder.claim(table.oid, acl::DELETE);
                Ok(ModifyAction::Delete { input, row_id_column })
            })
        })
    }

    /// UPDATE and DELETE: finds the rows, and lets `action` say what happens to them.
    fn change(
        &mut self,
        rows: &ChangedRows<'_>,
        action: impl FnOnce(&mut Self, &Arc<TableDesc>, LogicalPlan, usize) -> Result<ModifyAction>,
    ) -> Result<LogicalPlan> {
        let table = self.target_table(rows.table, rows.verb)?;
        self.levels.push(Level::default());
        let plan = (|| {
            let (input, row_id_column, alias) =
                self.modify_input(&table, rows.table, rows.alias, rows.from, rows.filter)?;
            let action = action(self, &table, input, row_id_column)?;
            let scope = self.level().scope.clone();
            self.modify(table, action, rows.returning, &alias, Some(scope))
        })();
        self.levels.pop();
        plan
    }

    /// The rows to change: the target's columns, its system columns, then those of FROM or USING.
    fn modify_input(
        &mut self,
        table: &Arc<TableDesc>,
        name: &ast::Name,
        alias: Option<&str>,
        from: &[ast::FromItem],
        filter: Option<&ast::Expr>,
    ) -> Result<(LogicalPlan, usize, String)> {
        let shown = alias.unwrap_or(&table.name).to_owned();
        let alias = alias.map(|name| ast::Alias { name: name.to_owned(), columns: Vec::new() });
        let target = self.scan(table, name, alias.as_ref())?;
        let bound = if from.is_empty() {
            target
        } else {
            let others = self.from_list(from)?;
            let fields: Vec<Field> = target.plan.fields().iter().chain(others.plan.fields()).cloned().collect();
            let mut scope = target.scope;
            scope.append(others.scope, name.position)?;
            let plan = LogicalPlan::Join {
                kind: crate::sql::logical::JoinKind::Inner,
                lateral: false,
                left: Box::new(target.plan),
                right: Box::new(others.plan),
                on: None,
                fields,
            };
            Bound { plan, scope }
        };
        self.level().scope = bound.scope;
        let mut plan = bound.plan;
        if let Some(filter) = filter {
            let predicate = self.condition(filter, Place::Where, "WHERE")?;
            plan = LogicalPlan::Filter { input: Box::new(plan), predicate };
        }
        Ok((plan, table.columns.len() + SYSTEM_COLUMNS.len() - 1, shown))
    }

    fn modify(
        &mut self,
        table: Arc<TableDesc>,
        action: ModifyAction,
        returning: &[ast::Target],
        alias: &str,
        scope: Option<Scope>,
    ) -> Result<LogicalPlan> {
        let columns: Vec<(String, SqlType)> =
            table.columns.iter().map(|column| (column.name.clone(), column.stored_type())).collect();
        let names = self.names();
        let mut checks = Vec::new();
        let mut generated: Generated = Vec::new();
        if !matches!(action, ModifyAction::Delete { .. }) {
            for constraint in &table.constraints {
                if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                    let bool_type = Some(SqlType::of(Oid::BOOL));
                    let bound = table_expr::bind_stored(expr, &columns, bool_type, names, Place::Check)?;
                    checks.push((constraint.name.clone(), bound));
                }
            }
            for (at, column) in table.columns.iter().enumerate() {
                if let Some(text) = &column.generated {
                    generated
                        .push((at, table_expr::bind_stored(text, &columns, Some(column.ty), names, Place::Generated)?));
                }
            }
        }
        let (exprs, fields, versions) = self.returning(&table, returning, alias, scope)?;
        let returning = exprs;
        Ok(LogicalPlan::Modify(Box::new(Modify { table, action, returning, versions, fields, checks, generated })))
    }

    /// The schema that may qualify a table's name: not when the table goes by an alias.
    fn schema_text(&self, table: &TableDesc, alias: &str) -> Option<String> {
        let schema = self.names().snapshot.schema_name(table.schema)?;
        (alias == table.name).then(|| schema.to_owned())
    }

    /// RETURNING: the row of the table first, then the other columns of the input (without the target's own).
    fn returning(
        &mut self,
        table: &Arc<TableDesc>,
        targets: &[ast::Target],
        alias: &str,
        scope: Option<Scope>,
    ) -> Result<(Vec<Expr>, Vec<Field>, bool)> {
        if targets.is_empty() {
            return Ok((Vec::new(), Vec::new(), false));
        }
        let schema = self.schema_text(table, alias);
        self.levels.push(Level::default());
        let mut scope = scope.unwrap_or_else(|| inserted_scope(table, alias, schema));
        let plain = scope.width;
        // OLD and NEW come behind; a relation of that name hides them, and `*` leaves them out.
        for version in ["old", "new"] {
            let mut rows = row_scope(table, version, None);
            if scope.rel(None, version).is_some() {
                rows.rels[0].hidden = true;
            }
            rows.star.clear();
            rows.columns.iter_mut().for_each(|column| column.qualified_only = true);
            scope.append(rows, 0)?;
        }
        self.level().scope = scope;
        let outputs = self.targets(targets, Place::Returning);
        let outputs = outputs.and_then(|outputs| {
            outputs
                .into_iter()
                .map(|mut output| {
                    output.expr = self.settle(output.expr, output.position)?;
                    Ok(output)
                })
                .collect::<Result<Vec<_>>>()
        });
        self.levels.pop();
        let outputs = outputs?;
        let fields = outputs
            .iter()
            .map(|output| Field { name: output.name.clone(), ty: output.expr.ty(), origin: output.origin })
            .collect();
        let exprs: Vec<Expr> = outputs.into_iter().map(|output| output.expr).collect();
        let mut read = Vec::new();
        exprs.iter().for_each(|expr| walk::columns_of(expr, &mut read));
        let versions = read.into_iter().any(|column| column >= plain) || exprs.iter().any(walk::has_subquery);
        Ok((exprs, fields, versions))
    }
}

fn source_position(query: &ast::Query) -> u32 {
    match &query.body {
        QueryBody::Select(select) => select.targets.first().map_or(0, |target| target.expr.position),
        _ => 0,
    }
}

fn table_fields(table: &TableDesc) -> Vec<Field> {
    let field = |column: &ColumnDesc| Field { name: column.name.clone(), ty: column.stored_type(), origin: None };
    table.columns.iter().map(field).collect()
}

/// What RETURNING of INSERT sees behind the table's columns: `xmax` is 0 unless the row was there before.
const INSERTED_COLUMNS: [(&str, Oid); 2] = [("xmax", Oid::XID), ("tableoid", Oid::OID)];

/// The names of an inserted row: the table's columns, then what [`INSERTED_COLUMNS`] lists.
fn inserted_scope(table: &Arc<TableDesc>, alias: &str, schema: Option<String>) -> Scope {
    let mut scope = row_scope(table, alias, schema);
    for (name, ty) in INSERTED_COLUMNS {
        scope.columns.push(ScopeColumn {
            name: name.to_owned(),
            ty: SqlType::of(ty),
            index: scope.width,
            rel: Some(0),
            origin: None,
            qualified_only: false,
            system: true,
        });
        scope.width += 1;
    }
    scope
}

/// The names of one row of a table, without system columns.
fn row_scope(table: &Arc<TableDesc>, alias: &str, schema: Option<String>) -> Scope {
    let columns: Vec<ScopeColumn> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| ScopeColumn {
            name: column.name.clone(),
            ty: column.stored_type(),
            index,
            rel: Some(0),
            origin: Some((table.oid, column.attnum)),
            qualified_only: false,
            system: false,
        })
        .collect();
    let rel = ScopeRel {
        alias: alias.to_owned(),
        schema,
        table: Some(Arc::clone(table)),
        tag: None,
        row_type: table.row_type,
        hidden: false,
    };
    let width = columns.len();
    Scope { rels: vec![rel], columns, star: (0..width).collect(), width }
}
