//! Queries: WITH, set operations, VALUES, and the clauses around them.

use crate::error::Result;
use crate::sql::ast::{self, CteBody, ExprKind, QueryBody};
use crate::sql::expr::{Expr, SortKey};
use crate::sql::logical::{Cte, Field, LogicalPlan, RecursiveTerm};
use crate::types::{Datum, Oid, SqlType};

use super::coerce::CoercionContext;
use super::context::{Binder, CteEntry, Level, Place};
use super::expr::shared_typmod;
use super::from::derived_scope;

impl Binder<'_> {
    /// Binds a query; literals of unknown type in its output become text.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<LogicalPlan> {
        self.query_keeping(query, false)
    }

    /// Binds a query; `keep_unknown` leaves literals of unknown type in its output for the caller to convert.
    pub(super) fn query_keeping(&mut self, query: &ast::Query, keep_unknown: bool) -> Result<LogicalPlan> {
        self.nested(|binder| {
            let before = binder.ctes.len();
            let ctes = match &query.with {
                Some(with) => binder.with_list(with)?,
                None => Vec::new(),
            };
            let body = binder.query_body(query, keep_unknown);
            binder.ctes.truncate(before);
            let body = body?;
            Ok(if ctes.is_empty() { body } else { LogicalPlan::With { ctes, body: Box::new(body) } })
        })
    }

    fn query_body(&mut self, query: &ast::Query, keep_unknown: bool) -> Result<LogicalPlan> {
        match &query.body {
            QueryBody::Select(select) => {
                self.levels.push(Level::default());
                let plan = self.select(select, query, keep_unknown);
                self.levels.pop();
                plan
            }
            QueryBody::Values(rows) => {
                let plan = self.values(rows, keep_unknown)?;
                self.around(plan, query)
            }
            QueryBody::SetOp { op, all, left, right } => {
                let plan = self.set_operation(*op, *all, left, right)?;
                self.around(plan, query)
            }
            QueryBody::Nested(inner) => {
                let plan = self.query_keeping(inner, keep_unknown)?;
                self.around(plan, query)
            }
        }
    }

    /// ORDER BY, LIMIT and locks around a query whose columns are all that they can name.
    fn around(&mut self, plan: LogicalPlan, query: &ast::Query) -> Result<LogicalPlan> {
        if let Some(lock) = query.locks.first() {
            let name = super::select::lock_name(lock.strength);
            return Err(crate::error!(FEATURE_NOT_SUPPORTED, "{name} is not allowed with UNION/INTERSECT/EXCEPT"));
        }
        let mut keys: Vec<SortKey> = Vec::with_capacity(query.order_by.len());
        let fields = plan.fields().to_vec();
        for item in &query.order_by {
            let index = match &item.expr.kind {
                ExprKind::Number(text) => order_position(text, fields.len(), "ORDER BY", item.expr.position)?,
                ExprKind::Column(name) if name.parts.len() == 1 => {
                    match fields.iter().position(|field| field.name == name.parts[0]) {
                        Some(index) => index,
                        None => return Err(self.missing_column(name)),
                    }
                }
                _ if matches!(query.body, QueryBody::Values(_)) => {
                    self.levels.push(Level::default());
                    self.level().scope =
                        derived_scope(&plan, &ast::Alias { name: "*VALUES*".to_owned(), columns: Vec::new() }, None)?;
                    let bound = self.known(&item.expr, Place::OrderBy);
                    self.levels.pop();
                    let key = self.sort_key(bound?, item)?;
                    keys.push(key);
                    continue;
                }
                _ => {
                    return Err(crate::error!(FEATURE_NOT_SUPPORTED, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                        .detail("Only result column names can be used, not expressions or functions.")
                        .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
                        .at(item.expr.position));
                }
            };
            let key = self.sort_key(Expr::Column { index, ty: fields[index].ty }, item)?;
            keys.push(key);
        }
        let plan = if keys.is_empty() { plan } else { LogicalPlan::Sort { input: Box::new(plan), keys } };
        self.limited(plan, &query.limit, false)
    }

    /// One ORDER BY item over a bound expression.
    ///
    /// # Errors
    /// `42883` for types without an order.
    pub(super) fn sort_key(&mut self, expr: Expr, item: &ast::OrderItem) -> Result<SortKey> {
        self.check_sortable(expr.ty().oid, item.expr.position)?;
        let descending = match item.using.as_deref() {
            Some(">" | ">=") => true,
            Some("<" | "<=") | None => item.descending,
            Some(other) => {
                return Err(crate::error!(WRONG_OBJECT_TYPE, "operator {other} is not a valid ordering operator")
                    .hint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
                    .at(item.expr.position));
            }
        };
        Ok(SortKey { expr, descending, nulls_first: item.nulls_first.unwrap_or(descending) })
    }

    /// LIMIT and OFFSET.
    pub(super) fn limited(
        &mut self,
        plan: LogicalPlan,
        clause: &ast::LimitClause,
        in_select: bool,
    ) -> Result<LogicalPlan> {
        let limit = self.limit_expr(clause.limit.as_ref(), Place::Limit, in_select)?;
        let offset = self.limit_expr(clause.offset.as_ref(), Place::Offset, in_select)?;
        if limit.is_none() && offset.is_none() {
            return Ok(plan);
        }
        if clause.with_ties && !matches!(plan, LogicalPlan::Sort { .. }) {
            return Err(crate::error!(SYNTAX_ERROR, "WITH TIES cannot be specified without ORDER BY clause"));
        }
        Ok(LogicalPlan::Limit { input: Box::new(plan), limit, offset, with_ties: clause.with_ties })
    }

    fn limit_expr(&mut self, expr: Option<&ast::Expr>, place: Place, in_select: bool) -> Result<Option<Expr>> {
        let Some(expr) = expr else { return Ok(None) };
        // The columns of the query itself are out of reach here, so its own level stands in with no names.
        let own = (!in_select).then(Level::default);
        let pushed = own.is_some();
        self.levels.extend(own);
        let scope = std::mem::take(&mut self.level().scope);
        let bound = self.expr(expr, place);
        self.level().scope = scope;
        if pushed {
            self.levels.pop();
        }
        let bound = match bound {
            Err(error) if error.sqlstate() == crate::error::SqlState::UNDEFINED_COLUMN => {
                let what = place.name();
                return Err(crate::error!(INVALID_COLUMN_REFERENCE, "argument of {what} must not contain variables")
                    .at(expr.position));
            }
            other => other?,
        };
        let source = bound.ty().oid;
        match self.try_coerce(bound, SqlType::of(Oid::INT8), CoercionContext::Assignment, expr.position)? {
            Some(Expr::Outer { depth, index, ty }) if depth > 1 => {
                Ok(Some(Expr::Outer { depth: depth - 1, index, ty }))
            }
            Some(bound) => Ok(Some(bound)),
            None => {
                let (what, text) = (place.name(), self.type_text(source));
                Err(crate::error!(DATATYPE_MISMATCH, "argument of {what} must be type bigint, not type {text}")
                    .at(expr.position))
            }
        }
    }

    pub(super) fn with_list(&mut self, with: &ast::With) -> Result<Vec<Cte>> {
        let mut ctes: Vec<Cte> = Vec::with_capacity(with.ctes.len());
        let first = self.ctes.len();
        for item in &with.ctes {
            if self.ctes[first..].iter().any(|cte| cte.name == item.name) {
                let name = &item.name;
                return Err(crate::error!(DUPLICATE_ALIAS, "WITH query name \"{name}\" specified more than once")
                    .at(item.position));
            }
            let id = self.next_cte;
            self.next_cte += 1;
            let cte = match &item.body {
                CteBody::Query(query) if with.recursive && mentions_table(query, &item.name) => {
                    self.recursive_cte(item, query, id)?
                }
                body => {
                    let plan = match body {
                        CteBody::Query(query) => self.query(query)?,
                        CteBody::Insert(insert) => self.insert(insert)?,
                        CteBody::Update(update) => self.update(update)?,
                        CteBody::Delete(delete) => self.delete(delete)?,
                    };
                    let fields = renamed(plan.fields(), &item.columns, &item.name, item.position)?;
                    Cte { id, name: item.name.clone(), plan, recursive: None, fields, materialized: item.materialized }
                }
            };
            self.ctes.push(CteEntry { name: item.name.clone(), id, fields: cte.fields.clone() });
            ctes.push(cte);
        }
        Ok(ctes)
    }

    fn recursive_cte(&mut self, item: &ast::CommonTable, query: &ast::Query, id: usize) -> Result<Cte> {
        let name = &item.name;
        let QueryBody::SetOp { op: ast::SetOp::Union, all, left, right } = &query.body else {
            return Err(crate::error!(
                INVALID_RECURSION,
                "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
            )
            .at(item.position));
        };
        if !query.order_by.is_empty() {
            return Err(crate::error!(FEATURE_NOT_SUPPORTED, "ORDER BY in a recursive query is not implemented")
                .at(item.position));
        }
        if query.limit.limit.is_some() || query.limit.offset.is_some() {
            return Err(
                crate::error!(FEATURE_NOT_SUPPORTED, "LIMIT in a recursive query is not implemented").at(item.position)
            );
        }
        let plan = self.query(left)?;
        let fields = renamed(plan.fields(), &item.columns, name, item.position)?;
        self.ctes.push(CteEntry { name: name.clone(), id, fields: fields.clone() });
        let term = self.query_keeping(right, true);
        self.ctes.pop();
        let term = term?;
        let found = term.fields().to_vec();
        if found.len() != fields.len() {
            return Err(
                crate::error!(SYNTAX_ERROR, "each UNION query must have the same number of columns").at(item.position)
            );
        }
        for (at, (want, have)) in fields.iter().zip(&found).enumerate() {
            let common = self.common_type(&[(want.ty.oid, 0), (have.ty.oid, 0)], "UNION")?;
            if common != want.ty.oid {
                let (a, b) = (self.type_text(want.ty.oid), self.type_text(common));
                return Err(crate::error!(
                    DATATYPE_MISMATCH,
                    "recursive query \"{name}\" column {} has type {a} in non-recursive term but type {b} overall",
                    at + 1
                )
                .hint("Cast the output of the non-recursive term to the correct type.")
                .at(item.position));
            }
        }
        let types: Vec<SqlType> = fields.iter().map(|field| field.ty).collect();
        let term = self.convert_output(term, &types, "UNION")?;
        let recursive = Some(RecursiveTerm { plan: term, union_all: *all });
        Ok(Cte { id, name: name.clone(), plan, recursive, fields, materialized: item.materialized })
    }

    /// Converts the columns of a plan to given types.
    pub(super) fn convert_output(&mut self, plan: LogicalPlan, types: &[SqlType], what: &str) -> Result<LogicalPlan> {
        if plan.fields().iter().zip(types).all(|(field, ty)| field.ty.oid == ty.oid) {
            return Ok(plan);
        }
        // Literals are converted where they stand, so that they are read as the wanted type.
        if let LogicalPlan::Project { input, exprs, fields } = plan {
            let mut converted = Vec::with_capacity(exprs.len());
            let mut changed = fields;
            for ((expr, ty), field) in exprs.into_iter().zip(types).zip(&mut changed) {
                let expr = self.to_common(expr, ty.oid, what, 0)?;
                field.ty = SqlType::with(ty.oid, if expr.ty().oid == ty.oid { expr.ty().typmod } else { -1 });
                converted.push(expr);
            }
            return Ok(LogicalPlan::Project { input, exprs: converted, fields: changed });
        }
        if let LogicalPlan::Values { rows, fields } = plan {
            let mut changed = fields;
            for (field, ty) in changed.iter_mut().zip(types) {
                field.ty = SqlType::of(ty.oid);
            }
            let mut converted = Vec::with_capacity(rows.len());
            for row in rows {
                let mut items = Vec::with_capacity(row.len());
                for (expr, ty) in row.into_iter().zip(types) {
                    items.push(self.to_common(expr, ty.oid, what, 0)?);
                }
                converted.push(items);
            }
            return Ok(LogicalPlan::Values { rows: converted, fields: changed });
        }
        let (mut exprs, mut fields) = (Vec::new(), Vec::new());
        for (index, (field, ty)) in plan.fields().iter().zip(types).enumerate() {
            let expr = self.to_common(Expr::Column { index, ty: field.ty }, ty.oid, what, 0)?;
            fields.push(Field { name: field.name.clone(), ty: expr.ty(), origin: None });
            exprs.push(expr);
        }
        Ok(LogicalPlan::Project { input: Box::new(plan), exprs, fields })
    }

    fn set_operation(
        &mut self,
        op: ast::SetOp,
        all: bool,
        left: &ast::Query,
        right: &ast::Query,
    ) -> Result<LogicalPlan> {
        let what = match op {
            ast::SetOp::Union => "UNION",
            ast::SetOp::Intersect => "INTERSECT",
            ast::SetOp::Except => "EXCEPT",
        };
        let left = self.query_keeping(left, true)?;
        let right = self.query_keeping(right, true)?;
        let (a, b) = (left.fields().to_vec(), right.fields().to_vec());
        if a.len() != b.len() {
            return Err(crate::error!(SYNTAX_ERROR, "each {what} query must have the same number of columns"));
        }
        let (mut types, mut fields) = (Vec::with_capacity(a.len()), Vec::with_capacity(a.len()));
        for (x, y) in a.iter().zip(&b) {
            let common = self.common_type(&[(x.ty.oid, 0), (y.ty.oid, 0)], what)?;
            if !all || op != ast::SetOp::Union {
                self.check_groupable(common, 0)?;
            }
            let ty = SqlType::with(common, shared_typmod([x.ty, y.ty].into_iter(), common));
            types.push(ty);
            fields.push(Field { name: x.name.clone(), ty, origin: None });
        }
        let left = self.convert_output(left, &types, what)?;
        let right = self.convert_output(right, &types, what)?;
        Ok(LogicalPlan::SetOp { op, all, left: Box::new(left), right: Box::new(right), fields })
    }

    fn values(&mut self, rows: &[Vec<ast::Expr>], keep_unknown: bool) -> Result<LogicalPlan> {
        self.levels.push(Level::default());
        let plan = self.values_inner(rows, keep_unknown);
        self.levels.pop();
        plan
    }

    fn values_inner(&mut self, rows: &[Vec<ast::Expr>], keep_unknown: bool) -> Result<LogicalPlan> {
        let width = rows.first().map_or(0, Vec::len);
        let mut bound: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != width {
                let position = row.first().map_or(0, |expr| expr.position);
                return Err(crate::error!(SYNTAX_ERROR, "VALUES lists must all be the same length").at(position));
            }
            bound.push(row.iter().map(|expr| self.expr(expr, Place::Values)).collect::<Result<Vec<_>>>()?);
        }
        let mut fields = Vec::with_capacity(width);
        for column in 0..width {
            let types: Vec<(Oid, u32)> =
                bound.iter().zip(rows).map(|(row, at)| (row[column].ty().oid, at[column].position)).collect();
            let all_unknown = types.iter().all(|(oid, _)| *oid == Oid::UNKNOWN);
            let name = format!("column{}", column + 1);
            if keep_unknown && all_unknown {
                fields.push(Field { name, ty: SqlType::of(Oid::UNKNOWN), origin: None });
                continue;
            }
            let common = self.common_type(&types, "VALUES")?;
            let typmod = shared_typmod(bound.iter().map(|row| row[column].ty()), common);
            for (row, at) in bound.iter_mut().zip(rows) {
                let expr = std::mem::replace(&mut row[column], Expr::Const(Datum::Null, SqlType::of(common)));
                row[column] = self.to_common(expr, common, "VALUES", at[column].position)?;
            }
            fields.push(Field { name, ty: SqlType::with(common, typmod), origin: None });
        }
        Ok(LogicalPlan::Values { rows: bound, fields })
    }
}

/// A position in ORDER BY or GROUP BY, made 0-based.
///
/// # Errors
/// `42P10` when it is out of range, `42601` when it is no integer.
pub(super) fn order_position(text: &str, count: usize, clause: &str, position: u32) -> Result<usize> {
    match text.parse::<usize>() {
        Ok(at) if (1..=count).contains(&at) => Ok(at - 1),
        Ok(at) => {
            Err(crate::error!(INVALID_COLUMN_REFERENCE, "{clause} position {at} is not in select list").at(position))
        }
        Err(_) => Err(crate::error!(SYNTAX_ERROR, "non-integer constant in {clause}").at(position)),
    }
}

fn renamed(fields: &[Field], names: &[String], cte: &str, position: u32) -> Result<Vec<Field>> {
    if names.len() > fields.len() {
        return Err(crate::error!(
            INVALID_COLUMN_REFERENCE,
            "WITH query \"{cte}\" has {} columns available but {} columns specified",
            fields.len(),
            names.len()
        )
        .at(position));
    }
    let rename = |(at, field): (usize, &Field)| Field {
        name: names.get(at).cloned().unwrap_or_else(|| field.name.clone()),
        origin: None,
        ..field.clone()
    };
    Ok(fields.iter().enumerate().map(rename).collect())
}

/// Whether a table of this bare name is read anywhere in a query; looks through the debug form's structure by names.
fn mentions_table(query: &ast::Query, name: &str) -> bool {
    fn item(from: &ast::FromItem, name: &str) -> bool {
        match from {
            ast::FromItem::Table { name: table, .. } => table.parts.len() == 1 && table.parts[0] == name,
            ast::FromItem::Query { query, .. } => mentions_table(query, name),
            ast::FromItem::Function { .. } => false,
            ast::FromItem::Join { left, right, .. } => item(left, name) || item(right, name),
        }
    }
    let with = query.with.as_ref().is_some_and(|with| {
        with.ctes.iter().any(|cte| matches!(&cte.body, CteBody::Query(inner) if mentions_table(inner, name)))
    });
    with || match &query.body {
        QueryBody::Select(select) => {
            let text = || format!("{:?}{:?}", select.filter, select.targets);
            select.from.iter().any(|from| item(from, name)) || text().contains(&format!("parts: [{name:?}]"))
        }
        QueryBody::Values(_) => false,
        QueryBody::SetOp { left, right, .. } => mentions_table(left, name) || mentions_table(right, name),
        QueryBody::Nested(inner) => mentions_table(inner, name),
    }
}

/// The name that PostgreSQL gives an output column without an alias.
#[must_use]
pub fn column_name(expr: &ast::Expr) -> String {
    name_of(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// The name that an expression suggests, and whether it comes from a column or function: other names, of types and of CASE,
/// give way to those of a cast or a CASE around them. One walk, because casts and CASEs nest deep.
fn name_of(expr: &ast::Expr) -> Option<(String, bool)> {
    let weak = |name: &str| Some((name.to_owned(), false));
    let name = match &expr.kind {
        ExprKind::Cast { arg, ty } => {
            return name_of(arg).filter(|(_, strong)| *strong).or_else(|| weak(ty.name.last()));
        }
        ExprKind::Case { otherwise, .. } => {
            let inner = otherwise.as_ref().and_then(|otherwise| name_of(otherwise));
            return inner.filter(|(_, strong)| *strong).or_else(|| weak("case"));
        }
        ExprKind::Subscript { base, .. } => return name_of(base),
        ExprKind::Collate { arg, .. } => return name_of(arg),
        ExprKind::ScalarQuery(query) => return query_name(query),
        ExprKind::Column(name) => name.last(),
        ExprKind::Star(Some(name)) => name.last(),
        ExprKind::Field { name, .. } => name,
        ExprKind::Call(call) => call.name.last(),
        ExprKind::Coalesce(_) => "coalesce",
        ExprKind::Greatest(_) => "greatest",
        ExprKind::Least(_) => "least",
        ExprKind::NullIf(..) => "nullif",
        ExprKind::Array(_) | ExprKind::ArrayQuery(_) => "array",
        ExprKind::Row(_) => "row",
        ExprKind::Exists(_) => "exists",
        ExprKind::Grouping(_) => "grouping",
        ExprKind::AtTimeZone { .. } => "timezone",
        ExprKind::Overlaps { .. } => "overlaps",
        ExprKind::SqlValue { name, .. } => return Some((name.to_ascii_lowercase(), true)),
        _ => return None,
    };
    Some((name.to_owned(), true))
}

fn query_name(query: &ast::Query) -> Option<(String, bool)> {
    match &query.body {
        QueryBody::Select(select) => {
            let target = select.targets.first()?;
            Some((target.alias.clone().unwrap_or_else(|| column_name(&target.expr)), true))
        }
        QueryBody::Nested(inner) => query_name(inner),
        QueryBody::SetOp { left, .. } => query_name(left),
        QueryBody::Values(_) => Some(("column1".to_owned(), true)),
    }
}

/// Turns unknown output columns into text, where a plan's output is final.
pub(super) fn settled_types(plan: &LogicalPlan) -> Vec<SqlType> {
    plan.fields()
        .iter()
        .map(|field| if field.ty.oid == Oid::UNKNOWN { SqlType::of(Oid::TEXT) } else { field.ty })
        .collect()
}
