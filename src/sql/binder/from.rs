//! FROM: tables, views, subqueries, functions and joins, and the names they bring into scope.
//!
//! While a FROM item is bound, the innermost level has an empty scope. The right side of a lateral join is bound with the
//! left side's names one level out, as it will run: once per left row. A derived table takes the place of the
//! innermost level, because its plan stands inline.

use std::sync::Arc;

use crate::catalog::Relation;
use crate::catalog::acl;
use crate::catalog::descriptor::{RelationDesc, TableDesc, ViewDesc};
use crate::error::{Error, Result};
use crate::sql::ast::{self, ExprKind, FromItem, JoinCondition};
use crate::sql::expr::Expr;
use crate::sql::logical::{Field, FunctionCall, JoinKind, LogicalPlan, Scan, SystemColumn};
use crate::sql::{parser, walk};
use crate::types::{Oid, SqlType};

use super::context::{Binder, CteEntry, Level, Place, Scope, ScopeColumn, ScopeRel};
use super::types::resolve_type;

/// A bound FROM item.
pub(super) struct Bound {
    pub plan: LogicalPlan,
    pub scope: Scope,
}

/// The system columns of every scan, in order; pruned when nothing reads them.
pub(super) const SYSTEM_COLUMNS: [(SystemColumn, &str, Oid); 5] = [
    (SystemColumn::TableOid, "tableoid", Oid::OID),
    (SystemColumn::Ctid, "ctid", Oid::TID),
    (SystemColumn::Xmin, "xmin", Oid::XID),
    (SystemColumn::Xmax, "xmax", Oid::XID),
    (SystemColumn::RowId, "\u{0}rowid", Oid::INT8),
];

impl Binder<'_> {
    /// Binds a FROM list; no items are one row without columns.
    ///
    /// # Errors
    /// Whatever is wrong with an item.
    pub(super) fn from_list(&mut self, items: &[FromItem]) -> Result<Bound> {
        let mut all: Option<Bound> = None;
        for item in items {
            all = Some(match all {
                None => self.from_item(item)?,
                Some(left) => {
                    let (right, lateral) = self.beside(&left.scope, item)?;
                    cross(left, right, lateral)?
                }
            });
        }
        Ok(all.unwrap_or_else(|| Bound {
            plan: LogicalPlan::Values { rows: vec![Vec::new()], fields: Vec::new() },
            scope: Scope::default(),
        }))
    }

    /// Binds an item to the right of others; also whether it is run once per row of those.
    fn beside(&mut self, left: &Scope, item: &FromItem) -> Result<(Bound, bool)> {
        if !needs_left(item) {
            return Ok((self.from_item(item)?, false));
        }
        self.level().scope = left.clone();
        self.levels.push(Level::default());
        let bound = self.nested(|binder| binder.from_item(item));
        self.levels.pop();
        self.level().scope = Scope::default();
        Ok((bound?, true))
    }

    fn from_item(&mut self, item: &FromItem) -> Result<Bound> {
        match item {
            FromItem::Table { name, alias, sample, .. } => {
                if *sample {
                    return Err(Error::unsupported("TABLESAMPLE").at(name.position));
                }
                self.from_table(name, alias.as_ref())
            }
            FromItem::Query { query, alias, .. } => {
                let own = self.levels.pop();
                let plan = self.query(query);
                self.levels.extend(own);
                let plan = plan?;
                let alias = alias.clone().unwrap_or_default();
                let scope = derived_scope(&plan, &alias, None)?;
                Ok(Bound { plan, scope })
            }
            FromItem::Function { calls, rows_from, ordinality, alias, position, .. } => {
                self.from_function(calls, *rows_from, *ordinality, alias.as_ref(), *position)
            }
            FromItem::Join { kind, left, right, condition, alias } => {
                let left = self.nested(|binder| binder.from_item(left))?;
                let (right, lateral) = self.beside(&left.scope, right)?;
                let joined = self.join(*kind, left, right, lateral, condition)?;
                match alias {
                    Some(alias) => aliased_join(joined, alias),
                    None => Ok(joined),
                }
            }
        }
    }

    fn from_table(&mut self, name: &ast::Name, alias: Option<&ast::Alias>) -> Result<Bound> {
        if let [only] = name.parts.as_slice()
            && let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == *only)
        {
            let CteEntry { id, fields, .. } = cte.clone();
            let plan = LogicalPlan::CteScan { id, fields };
            let alias = alias.cloned().unwrap_or_else(|| ast::Alias { name: only.clone(), columns: Vec::new() });
            let scope = derived_scope(&plan, &alias, None)?;
            return Ok(Bound { plan, scope });
        }
        let relation = self.relation(name)?;
        if !matches!(relation, Relation::Index(_)) {
            self.claim(relation.oid(), acl::SELECT);
        }
        match relation {
            Relation::Table(table) => self.scan(&table, name, alias),
            Relation::View(view) => self.view(&view, name, alias),
            Relation::System(desc) => {
                let field = |column: &crate::catalog::descriptor::ColumnDesc| Field {
                    name: column.name.clone(),
                    ty: column.ty,
                    origin: Some((desc.oid, column.attnum)),
                };
                let mut fields: Vec<Field> = desc.columns.iter().map(field).collect();
                fields.push(Field { name: "tableoid".to_owned(), ty: SqlType::of(Oid::OID), origin: None });
                let schema = self.names().snapshot.schema_name(desc.schema).map(str::to_owned);
                let plan = LogicalPlan::SystemScan { relation: Arc::clone(&desc), fields };
                let name =
                    alias.cloned().unwrap_or_else(|| ast::Alias { name: desc.name.to_owned(), columns: Vec::new() });
                let mut scope = derived_scope(&plan, &name, schema)?;
                if let Some(last) = scope.columns.last_mut() {
                    last.system = true;
                }
                scope.star.pop();
                Ok(Bound { plan, scope })
            }
            Relation::Sequence(sequence) => sequence_rows(&sequence, alias),
            Relation::Index(_) => Err(crate::error!(WRONG_OBJECT_TYPE, "cannot open relation \"{}\"", name.last())
                .detail("This operation is not supported for indexes.")
                .at(name.position)),
        }
    }

    /// The relation of a name.
    ///
    /// # Errors
    /// `42P01`, `3F000` is not used here: PostgreSQL says that the relation does not exist.
    pub fn relation(&self, name: &ast::Name) -> Result<Relation> {
        // A view's text was resolved by its owner.
        if self.views.is_empty() {
            self.names().check_usage(name.schema()).map_err(|error| error.at(name.position))?;
        }
        let found = self.names().find_relation(name.schema(), name.last());
        found.ok_or_else(|| crate::error!(UNDEFINED_TABLE, "relation \"{name}\" does not exist").at(name.position))
    }

    /// A scan of all columns of a table, with its system columns.
    pub(super) fn scan(
        &mut self,
        table: &Arc<TableDesc>,
        name: &ast::Name,
        alias: Option<&ast::Alias>,
    ) -> Result<Bound> {
        let tag = self.tag();
        let shown = alias.map_or_else(|| table.name.clone(), |alias| alias.name.clone());
        let mut fields: Vec<Field> = table
            .columns
            .iter()
            .map(|column| Field {
                name: column.name.clone(),
                ty: column.stored_type(),
                origin: Some((table.oid, column.attnum)),
            })
            .collect();
        let width = fields.len();
        fields.extend(SYSTEM_COLUMNS.map(|(_, name, oid)| Field {
            name: name.to_owned(),
            ty: SqlType::of(oid),
            origin: None,
        }));
        let plan = LogicalPlan::Scan(Scan {
            table: Arc::clone(table),
            alias: shown.clone(),
            columns: (0..width).collect(),
            system: SYSTEM_COLUMNS.map(|(column, _, _)| column).to_vec(),
            fields,
            tag,
        });
        let schema = match alias {
            Some(_) => None,
            None => self.names().snapshot.schema_name(table.schema).map(str::to_owned),
        };
        let alias = ast::Alias { name: shown, columns: alias.map(|alias| alias.columns.clone()).unwrap_or_default() };
        if alias.columns.len() > width {
            return Err(too_many_aliases(&alias, width).at(name.position));
        }
        let mut scope = derived_scope(&plan, &alias, schema)?;
        for column in &mut scope.columns[width..] {
            column.system = true;
        }
        scope.star.truncate(width);
        scope.rels[0].table = Some(Arc::clone(table));
        scope.rels[0].tag = Some(tag);
        scope.rels[0].row_type = table.row_type;
        Ok(Bound { plan, scope })
    }

    fn view(&mut self, view: &Arc<ViewDesc>, name: &ast::Name, alias: Option<&ast::Alias>) -> Result<Bound> {
        if self.views.contains(&view.oid) {
            return Err(crate::error!(
                INVALID_OBJECT_DEFINITION,
                "infinite recursion detected in rules for relation \"{}\"",
                view.name
            )
            .at(name.position));
        }
        let query = parser::parse_query(&view.query)?;
        let (levels, ctes) = (std::mem::take(&mut self.levels), std::mem::take(&mut self.ctes));
        self.views.push(view.oid);
        let outside = self.claims_of.replace(view.owner);
        let plan = self.nested(|binder| binder.query(&query));
        self.claims_of = outside;
        self.views.pop();
        (self.levels, self.ctes) = (levels, ctes);
        let plan = plan?;
        let fields: Vec<Field> = view
            .columns
            .iter()
            .map(|column| Field {
                name: column.name.clone(),
                ty: column.stored_type(),
                origin: Some((view.oid, column.attnum)),
            })
            .collect();
        let exprs =
            plan.fields().iter().enumerate().map(|(index, field)| Expr::Column { index, ty: field.ty }).collect();
        let plan = LogicalPlan::Project { input: Box::new(plan), exprs, fields };
        let schema = self.names().snapshot.schema_name(view.schema).map(str::to_owned).filter(|_| alias.is_none());
        let alias = alias.cloned().unwrap_or_else(|| ast::Alias { name: view.name.clone(), columns: Vec::new() });
        let mut scope = derived_scope(&plan, &alias, schema)?;
        scope.rels[0].row_type = view.row_type;
        Ok(Bound { plan, scope })
    }

    fn from_function(
        &mut self,
        calls: &[ast::TableFunction],
        rows_from: bool,
        ordinality: bool,
        alias: Option<&ast::Alias>,
        position: u32,
    ) -> Result<Bound> {
        let mut bound = Vec::new();
        for call in calls {
            self.table_function(call, &mut bound, position)?;
        }
        let mut fields: Vec<Field> = bound.iter().flat_map(|call: &FunctionCall| call.columns.clone()).collect();
        let single = !rows_from && bound.len() == 1 && bound[0].columns.len() == 1;
        let scalar = single && calls[0].columns.is_empty() && !has_named_columns(&bound[0].expr);
        let row_type = match bound.as_slice() {
            [only] if only.columns.len() > 1 => only.expr.ty().oid,
            _ => Oid::NONE,
        };
        if ordinality {
            fields.push(Field { name: "ordinality".to_owned(), ty: SqlType::of(Oid::INT8), origin: None });
        }
        let name = match alias {
            Some(alias) if !alias.name.is_empty() => alias.name.clone(),
            _ => match &calls[0].call.kind {
                ExprKind::Call(call) => call.name.last().to_owned(),
                _ => fields.first().map_or_else(String::new, |field| field.name.clone()),
            },
        };
        if scalar {
            fields[0].name.clone_from(&name);
        }
        let plan = LogicalPlan::FunctionScan { calls: bound, ordinality, fields };
        let alias = ast::Alias { name, columns: alias.map(|alias| alias.columns.clone()).unwrap_or_default() };
        let mut scope = derived_scope(&plan, &alias, None)?;
        scope.rels[0].row_type = if row_type == Oid::RECORD { Oid::NONE } else { row_type };
        if row_type == Oid::RECORD {
            scope.rels[0].row_type = Oid::RECORD;
        }
        Ok(Bound { plan, scope })
    }

    fn table_function(&mut self, item: &ast::TableFunction, out: &mut Vec<FunctionCall>, position: u32) -> Result<()> {
        let ExprKind::Call(call) = &item.call.kind else {
            let expr = self.known(&item.call, Place::FromFunction)?;
            let name = super::query::column_name(&item.call);
            let ty = expr.ty();
            out.push(FunctionCall { expr, columns: vec![Field { name, ty, origin: None }] });
            return Ok(());
        };
        if call.name.last() == "unnest" && call.args.len() > 1 {
            for arg in &call.args {
                let mut one = (**call).clone();
                one.args = vec![arg.clone()];
                let item = ast::TableFunction {
                    call: ast::Expr { kind: ExprKind::Call(Box::new(one)), position: item.call.position },
                    columns: Vec::new(),
                };
                self.table_function(&item, out, position)?;
            }
            return Ok(());
        }
        let (expr, mut columns) = self.function_call_in_from(call, item.call.position)?;
        if !item.columns.is_empty() {
            columns = Vec::with_capacity(item.columns.len());
            for (name, ty) in &item.columns {
                columns.push(Field { name: name.clone(), ty: resolve_type(ty, self.names())?, origin: None });
            }
        } else if expr.ty().oid == Oid::RECORD && columns.len() == 1 && columns[0].ty.oid == Oid::RECORD {
            return Err(crate::error!(
                SYNTAX_ERROR,
                "a column definition list is required for functions returning \"record\""
            )
            .at(position));
        }
        out.push(FunctionCall { expr, columns });
        Ok(())
    }

    fn function_call_in_from(&mut self, call: &ast::FuncCall, position: u32) -> Result<(Expr, Vec<Field>)> {
        let mut args = Vec::with_capacity(call.args.len());
        let mut arg_names = Vec::new();
        for arg in &call.args {
            if let ExprKind::NamedArg { name, value } = &arg.kind {
                arg_names.resize(args.len(), None);
                arg_names.push(Some(name.clone()));
                args.push(self.expr(value, Place::FromFunction)?);
            } else {
                args.push(self.expr(arg, Place::FromFunction)?);
            }
        }
        let chosen = self.choose_function(&call.name, args, &arg_names, call.variadic, position)?;
        if chosen.row.kind == 'a' {
            return Err(
                crate::error!(GROUPING_ERROR, "aggregate functions are not allowed in functions in FROM").at(position)
            );
        }
        if chosen.row.kind == 'w' {
            return Err(
                crate::error!(WINDOWING_ERROR, "window functions are not allowed in functions in FROM").at(position)
            );
        }
        let columns = self.function_columns(&chosen, call.name.last());
        Ok((super::call::plain_call(chosen, position), columns))
    }

    fn join(
        &mut self,
        kind: ast::JoinKind,
        left: Bound,
        right: Bound,
        lateral: bool,
        condition: &JoinCondition,
    ) -> Result<Bound> {
        let join_kind = match kind {
            ast::JoinKind::Inner | ast::JoinKind::Cross => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            ast::JoinKind::Right => JoinKind::Right,
            ast::JoinKind::Full => JoinKind::Full,
        };
        if lateral && matches!(join_kind, JoinKind::Right | JoinKind::Full) {
            return Err(crate::error!(INVALID_COLUMN_REFERENCE, "invalid reference to FROM-clause entry for table")
                .detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference."));
        }
        let columns: Vec<String> = match condition {
            JoinCondition::Using { columns, .. } => columns.clone(),
            JoinCondition::Natural => natural_columns(&left.scope, &right.scope),
            _ => Vec::new(),
        };
        let left_width = left.scope.width;
        let mut pairs = Vec::with_capacity(columns.len());
        let mut tests = Vec::with_capacity(columns.len());
        for name in &columns {
            let a = using_column(&left.scope, name, "left")?;
            let mut b = using_column(&right.scope, name, "right")?;
            self.reads(&a);
            self.reads(&b);
            b.index += left_width;
            let test = self.binary(
                "=",
                Expr::Column { index: a.index, ty: a.ty },
                Expr::Column { index: b.index, ty: b.ty },
                0,
            )?;
            tests.push(test);
            pairs.push((a, b));
        }
        let left_columns = left.scope.columns.len();
        let mut scope = left.scope;
        scope.append(right.scope, 0)?;
        let on = match condition {
            JoinCondition::On(expr) => {
                self.level().scope = scope.clone();
                let bound = self.condition(expr, Place::JoinOn, "JOIN/ON");
                self.level().scope = Scope::default();
                Some(bound?)
            }
            _ => walk::conjunction(tests),
        };
        let fields: Vec<Field> = left.plan.fields().iter().chain(right.plan.fields()).cloned().collect();
        let plan = LogicalPlan::Join {
            kind: join_kind,
            lateral,
            left: Box::new(left.plan),
            right: Box::new(right.plan),
            on,
            fields,
        };
        let mut bound = Bound { plan, scope };
        if !pairs.is_empty() {
            self.merge_columns(&mut bound, join_kind, pairs, left_columns)?;
        }
        Ok(bound)
    }

    /// Puts the merged columns of USING in front.
    fn merge_columns(
        &mut self,
        bound: &mut Bound,
        kind: JoinKind,
        pairs: Vec<(ScopeColumn, ScopeColumn)>,
        left_columns: usize,
    ) -> Result<()> {
        let mut merged = Vec::with_capacity(pairs.len());
        if kind == JoinKind::Full {
            let mut fields = bound.plan.fields().to_vec();
            let mut exprs: Vec<Expr> =
                fields.iter().enumerate().map(|(index, field)| Expr::Column { index, ty: field.ty }).collect();
            for (a, b) in &pairs {
                let common = self.common_type(&[(a.ty.oid, 0), (b.ty.oid, 0)], "JOIN/USING")?;
                let mut args = Vec::with_capacity(2);
                for side in [a, b] {
                    args.push(self.to_common(
                        Expr::Column { index: side.index, ty: side.ty },
                        common,
                        "JOIN/USING",
                        0,
                    )?);
                }
                let ty = SqlType::of(common);
                merged.push(ScopeColumn { index: exprs.len(), ty, rel: None, origin: None, ..a.clone() });
                exprs.push(Expr::Coalesce { args, ty });
                fields.push(Field { name: a.name.clone(), ty, origin: None });
            }
            let input =
                std::mem::replace(&mut bound.plan, LogicalPlan::Values { rows: Vec::new(), fields: Vec::new() });
            bound.scope.width = exprs.len();
            bound.plan = LogicalPlan::Project { input: Box::new(input), exprs, fields };
        } else {
            for (a, b) in &pairs {
                let source = if kind == JoinKind::Right { b } else { a };
                merged.push(ScopeColumn { rel: None, name: a.name.clone(), ..source.clone() });
            }
        }
        let scope = &mut bound.scope;
        let mut gone = Vec::new();
        for (a, b) in &pairs {
            for (at, column) in scope.columns.iter_mut().enumerate() {
                let in_left = at < left_columns;
                if column.name == a.name
                    && !column.system
                    && column.index == if in_left { a.index } else { b.index }
                    && !column.qualified_only
                {
                    column.qualified_only = true;
                    gone.push(at);
                }
            }
        }
        let first = scope.columns.len();
        scope.star.retain(|at| !gone.contains(at));
        let mut star: Vec<usize> = (first..first + merged.len()).collect();
        star.append(&mut scope.star);
        scope.star = star;
        scope.columns.extend(merged.into_iter().map(|column| ScopeColumn {
            qualified_only: false,
            system: false,
            ..column
        }));
        Ok(())
    }
}

fn natural_columns(left: &Scope, right: &Scope) -> Vec<String> {
    let names =
        |scope: &Scope| -> Vec<String> { scope.star.iter().map(|at| scope.columns[*at].name.clone()).collect() };
    let right = names(right);
    names(left).into_iter().filter(|name| right.contains(name)).collect()
}

fn using_column(scope: &Scope, name: &str, side: &str) -> Result<ScopeColumn> {
    let mut found =
        scope.columns.iter().filter(|column| column.name == name && !column.qualified_only && !column.system);
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column.clone()),
        (Some(_), Some(_)) => {
            Err(crate::error!(AMBIGUOUS_COLUMN, "common column name \"{name}\" appears more than once in {side} table"))
        }
        (None, _) => Err(crate::error!(
            UNDEFINED_COLUMN,
            "column \"{name}\" specified in USING clause does not exist in {side} table"
        )),
    }
}

fn cross(left: Bound, right: Bound, lateral: bool) -> Result<Bound> {
    let fields: Vec<Field> = left.plan.fields().iter().chain(right.plan.fields()).cloned().collect();
    let mut scope = left.scope;
    scope.append(right.scope, 0)?;
    let plan = LogicalPlan::Join {
        kind: JoinKind::Inner,
        lateral,
        left: Box::new(left.plan),
        right: Box::new(right.plan),
        on: None,
        fields,
    };
    Ok(Bound { plan, scope })
}

fn too_many_aliases(alias: &ast::Alias, width: usize) -> Error {
    let (name, given) = (&alias.name, alias.columns.len());
    crate::error!(
        INVALID_COLUMN_REFERENCE,
        "table \"{name}\" has {width} columns available but {given} columns specified"
    )
}

/// The scope of a plan under an alias.
pub(super) fn derived_scope(plan: &LogicalPlan, alias: &ast::Alias, schema: Option<String>) -> Result<Scope> {
    let fields = plan.fields();
    if alias.columns.len() > fields.len() {
        return Err(too_many_aliases(alias, fields.len()));
    }
    let columns = fields
        .iter()
        .enumerate()
        .map(|(index, field)| ScopeColumn {
            name: alias.columns.get(index).cloned().unwrap_or_else(|| field.name.clone()),
            ty: field.ty,
            index,
            rel: Some(0),
            origin: field.origin,
            qualified_only: false,
            system: false,
        })
        .collect();
    let rel =
        ScopeRel { alias: alias.name.clone(), schema, table: None, tag: None, row_type: Oid::RECORD, hidden: false };
    Ok(Scope { rels: vec![rel], columns, star: (0..fields.len()).collect(), width: fields.len() })
}

/// `(a JOIN b ...) AS j`: only `j` is visible outside.
fn aliased_join(bound: Bound, alias: &ast::Alias) -> Result<Bound> {
    let Bound { plan, mut scope } = bound;
    let rel = scope.rels.len();
    for old in &mut scope.rels {
        old.hidden = true;
    }
    if alias.columns.len() > scope.star.len() {
        return Err(too_many_aliases(alias, scope.star.len()));
    }
    scope.rels.push(ScopeRel {
        alias: alias.name.clone(),
        schema: None,
        table: None,
        tag: None,
        row_type: Oid::RECORD,
        hidden: false,
    });
    let columns: Vec<ScopeColumn> = scope
        .star
        .iter()
        .enumerate()
        .map(|(at, from)| {
            let column = scope.columns[*from].clone();
            let name = alias.columns.get(at).cloned().unwrap_or(column.name.clone());
            ScopeColumn { name, rel: Some(rel), qualified_only: false, ..column }
        })
        .collect();
    scope.star = (0..columns.len()).collect();
    scope.columns = columns;
    Ok(Bound { plan, scope })
}

/// A sequence read as a table of one row.
fn sequence_rows(sequence: &crate::catalog::descriptor::SequenceDesc, alias: Option<&ast::Alias>) -> Result<Bound> {
    let columns = [("last_value", Oid::INT8), ("log_cnt", Oid::INT8), ("is_called", Oid::BOOL), ("tableoid", Oid::OID)];
    let fields =
        columns.map(|(name, oid)| Field { name: name.to_owned(), ty: SqlType::of(oid), origin: None }).to_vec();
    let relation = Arc::new(RelationDesc {
        oid: sequence.oid,
        schema: sequence.schema,
        name: "sequence",
        kind: 'S',
        columns: Vec::new(),
    });
    let plan = LogicalPlan::SystemScan { relation, fields };
    let alias = alias.cloned().unwrap_or_else(|| ast::Alias { name: sequence.name.clone(), columns: Vec::new() });
    let mut scope = derived_scope(&plan, &alias, None)?;
    if let Some(last) = scope.columns.last_mut() {
        last.system = true;
    }
    scope.star.pop();
    Ok(Bound { plan, scope })
}

/// Whether the function's columns have names of their own (OUT parameters).
fn has_named_columns(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => crate::catalog::builtin().proc_row(call.function).is_some_and(|row| row.modes.is_some()),
        _ => false,
    }
}

/// Whether an item must see the items to its left: LATERAL subqueries, functions over columns.
fn needs_left(item: &FromItem) -> bool {
    match item {
        FromItem::Table { .. } => false,
        FromItem::Query { lateral, .. } => *lateral,
        FromItem::Function { calls, .. } => calls.iter().any(|call| mentions_columns(&call.call)),
        FromItem::Join { left, right, .. } => needs_left(left) || needs_left(right),
    }
}

/// Whether a column name or a subquery stands in an expression; errs on the side of yes.
fn mentions_columns(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::BitString { .. }
        | ExprKind::Param(_)
        | ExprKind::SqlValue { .. } => false,
        ExprKind::Call(call) => call.args.iter().any(mentions_columns),
        ExprKind::Cast { arg, .. } | ExprKind::Unary { arg, .. } => mentions_columns(arg),
        ExprKind::Binary { left, right, .. } => mentions_columns(left) || mentions_columns(right),
        ExprKind::Array(items) | ExprKind::Row(items) => items.iter().any(mentions_columns),
        ExprKind::NamedArg { value, .. } => mentions_columns(value),
        _ => true,
    }
}
