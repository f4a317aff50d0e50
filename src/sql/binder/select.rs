//! SELECT: targets, WHERE, grouping, windows, DISTINCT, ORDER BY, locks, and the plan they make.
//!
//! The plan is, from the bottom: FROM, WHERE, Aggregate, HAVING, Window, then either Sort, LockRows, Limit and Project (so that
//! targets are computed for the rows that are returned only), or, where the output itself is sorted or multiplied
//! (DISTINCT, set-returning or volatile targets), ProjectSet, Project, Distinct, Sort, Limit.

use crate::error::{Error, Result};
use crate::sql::ast::{self, Distinct, ExprKind, LockStrength};
use crate::sql::eval::is_volatile;
use crate::sql::expr::{Expr, SortKey};
use crate::sql::logical::{Field, LockTarget, LogicalPlan, Window};
use crate::sql::walk;
use crate::types::{Oid, SqlType};

use super::context::{AGGREGATE_BASE, Binder, Place, SET_BASE, WINDOW_BASE};
use super::group::Grouping;
use super::query::{column_name, order_position};
use super::window::BoundWindow;

/// One output column while the SELECT is put together.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub expr: Expr,
    pub name: String,
    pub origin: Option<(Oid, i16)>,
    pub position: u32,
}

/// One ORDER BY item: an output column or an expression of its own.
enum OrderKey {
    Output(usize, SortKey),
    Own(SortKey),
}

/// A SELECT's parts, all bound.
struct Parts {
    outputs: Vec<Output>,
    order: Vec<OrderKey>,
    having: Option<Expr>,
    distinct_on: Option<Vec<Expr>>,
}

impl Binder<'_> {
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        query: &ast::Query,
        keep_unknown: bool,
    ) -> Result<LogicalPlan> {
        if let Some(into) = &select.into {
            return Err(crate::error!(SYNTAX_ERROR, "SELECT ... INTO is not allowed here").at(into.name.position));
        }
        let from = self.from_list(&select.from)?;
        self.level().scope = from.scope;
        for (at, (name, spec)) in select.windows.iter().enumerate() {
            if select.windows[..at].iter().any(|earlier| earlier.0 == *name) {
                return Err(crate::error!(WINDOWING_ERROR, "window \"{name}\" is already defined").at(spec.position));
            }
        }
        self.level().named_windows.clone_from(&select.windows);
        let mut plan = from.plan;
        if let Some(filter) = &select.filter {
            let predicate = self.condition(filter, Place::Where, "WHERE")?;
            plan = LogicalPlan::Filter { input: Box::new(plan), predicate };
        }
        let mut outputs = self.targets(&select.targets, Place::Targets)?;
        if !keep_unknown {
            for output in &mut outputs {
                let expr = std::mem::replace(&mut output.expr, Expr::Default);
                output.expr = self.settle(expr, output.position)?;
            }
        }
        let grouping = self.grouping_items(&select.group_by, &mut outputs)?;
        let having = match &select.having {
            Some(having) => Some(self.condition(having, Place::Having, "HAVING")?),
            None => None,
        };
        let distinct_on = match &select.distinct {
            Distinct::On(exprs) => Some(self.distinct_on(exprs, &outputs)?),
            _ => None,
        };
        let order = self.order_items(&query.order_by, &outputs, &select.distinct)?;
        let mut parts = Parts { outputs, order, having, distinct_on };
        let grouped = !select.group_by.is_empty() || parts.having.is_some() || !self.level().aggregates.is_empty();
        if grouped {
            plan = self.aggregate_plan(plan, grouping, &mut parts)?;
        }
        plan = self.window_plans(plan, &mut parts)?;
        self.output_plan(plan, parts, select, query, grouped)
    }

    /// Expands and binds a target list.
    ///
    /// # Errors
    /// Whatever is wrong with a target.
    pub(super) fn targets(&mut self, targets: &[ast::Target], place: Place) -> Result<Vec<Output>> {
        let mut outputs = Vec::with_capacity(targets.len());
        for target in targets {
            match &target.expr.kind {
                ExprKind::Star(None) => {
                    let scope = &self.level().scope;
                    let columns: Vec<_> = scope.star.iter().map(|at| scope.columns[*at].clone()).collect();
                    if columns.is_empty() && scope.rels.is_empty() {
                        return Err(crate::error!(SYNTAX_ERROR, "SELECT * with no tables specified is not valid")
                            .at(target.expr.position));
                    }
                    columns.iter().for_each(|column| self.reads(column));
                    outputs.extend(columns.into_iter().map(|column| Output {
                        expr: Expr::Column { index: column.index, ty: column.ty },
                        name: column.name,
                        origin: column.origin,
                        position: target.expr.position,
                    }));
                }
                ExprKind::Star(Some(name)) => {
                    let found = self.find_rel(name.schema(), name.last());
                    let Some((level, rel)) = found else {
                        let alias = name.last();
                        return Err(crate::error!(UNDEFINED_TABLE, "missing FROM-clause entry for table \"{alias}\"")
                            .at(name.position));
                    };
                    for column in self.levels[level].scope.columns_of(rel) {
                        let expr = self.reference(level, &column);
                        outputs.push(Output {
                            expr,
                            name: column.name,
                            origin: column.origin,
                            position: name.position,
                        });
                    }
                }
                ExprKind::FieldStar(base) => self.expand_fields(base, place, &mut outputs)?,
                _ => {
                    let expr = self.expr(&target.expr, place)?;
                    let origin = self.origin(&expr, &target.expr);
                    let name = target.alias.clone().unwrap_or_else(|| column_name(&target.expr));
                    outputs.push(Output { expr, name, origin, position: target.expr.position });
                }
            }
        }
        Ok(outputs)
    }

    /// `(expr).*`.
    fn expand_fields(&mut self, base: &ast::Expr, place: Place, outputs: &mut Vec<Output>) -> Result<()> {
        let record = self.expr(base, place)?;
        if let Expr::Row { fields, .. } = &record
            && self.names().snapshot.composite_fields(record.ty().oid).is_none()
        {
            for (at, expr) in fields.iter().enumerate() {
                outputs.push(Output {
                    expr: expr.clone(),
                    name: format!("f{}", at + 1),
                    origin: None,
                    position: base.position,
                });
            }
            return Ok(());
        }
        let call_columns = match &record {
            Expr::Column { index, .. } if *index >= SET_BASE => {
                Some(self.level().sets[*index - SET_BASE].columns.clone())
            }
            _ => None,
        };
        let fields: Vec<(String, SqlType)> = match call_columns {
            Some(columns) => columns.into_iter().map(|field| (field.name, field.ty)).collect(),
            None => self.names().snapshot.composite_fields(record.ty().oid).ok_or_else(|| {
                let text = self.type_text(record.ty().oid);
                crate::error!(WRONG_OBJECT_TYPE, "type {text} is not composite").at(base.position)
            })?,
        };
        for (index, (name, ty)) in fields.into_iter().enumerate() {
            let expr = Expr::Field { record: Box::new(record.clone()), index, ty };
            outputs.push(Output { expr, name, origin: None, position: base.position });
        }
        Ok(())
    }

    fn origin(&mut self, bound: &Expr, written: &ast::Expr) -> Option<(Oid, i16)> {
        let (Expr::Column { index, .. }, ExprKind::Column(name)) = (bound, &written.kind) else { return None };
        let scope = &self.level().scope;
        scope
            .columns
            .iter()
            .find(|column| column.index == *index && column.name == name.last())
            .and_then(|column| column.origin)
    }

    fn distinct_on(&mut self, exprs: &[ast::Expr], outputs: &[Output]) -> Result<Vec<Expr>> {
        let mut on = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let bound = match self.output_reference(expr, outputs, "DISTINCT ON")? {
                Some(at) => outputs[at].expr.clone(),
                None => self.known(expr, Place::OrderBy)?,
            };
            self.check_groupable(bound.ty().oid, expr.position)?;
            on.push(bound);
        }
        Ok(on)
    }

    /// The output column that an ORDER BY item names by name or position.
    pub(super) fn output_reference(
        &mut self,
        expr: &ast::Expr,
        outputs: &[Output],
        clause: &str,
    ) -> Result<Option<usize>> {
        match &expr.kind {
            ExprKind::Number(text) => order_position(text, outputs.len(), clause, expr.position).map(Some),
            ExprKind::String(_) | ExprKind::Null => {
                Err(crate::error!(SYNTAX_ERROR, "non-integer constant in {clause}").at(expr.position))
            }
            ExprKind::Column(name) if name.parts.len() == 1 => {
                let mut found = (0..outputs.len()).filter(|at| outputs[*at].name == name.parts[0]);
                let first = found.next();
                if let Some(first) = first
                    && found.any(|other| !walk::same(&outputs[other].expr, &outputs[first].expr))
                {
                    let text = name.last();
                    return Err(crate::error!(AMBIGUOUS_COLUMN, "{clause} \"{text}\" is ambiguous").at(expr.position));
                }
                Ok(first)
            }
            _ => Ok(None),
        }
    }

    fn order_items(
        &mut self,
        items: &[ast::OrderItem],
        outputs: &[Output],
        distinct: &Distinct,
    ) -> Result<Vec<OrderKey>> {
        let mut order = Vec::with_capacity(items.len());
        for item in items {
            if let Some(at) = self.output_reference(&item.expr, outputs, "ORDER BY")? {
                let key = self.sort_key(outputs[at].expr.clone(), item)?;
                order.push(OrderKey::Output(at, key));
                continue;
            }
            let bound = self.known(&item.expr, Place::OrderBy)?;
            let key = self.sort_key(bound, item)?;
            match outputs.iter().position(|output| walk::same(&output.expr, &key.expr)) {
                Some(at) => order.push(OrderKey::Output(at, key)),
                None if *distinct == Distinct::Distinct => {
                    return Err(crate::error!(
                        INVALID_COLUMN_REFERENCE,
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list"
                    )
                    .at(item.expr.position));
                }
                None => order.push(OrderKey::Own(key)),
            }
        }
        Ok(order)
    }

    fn aggregate_plan(&mut self, plan: LogicalPlan, grouping: Grouping, parts: &mut Parts) -> Result<LogicalPlan> {
        let grouping = grouping.with_level(self)?;
        for output in &mut parts.outputs {
            grouping.rewrite(&mut output.expr, output.position)?;
        }
        if let Some(having) = &mut parts.having {
            grouping.rewrite(having, 0)?;
        }
        for key in &mut parts.order {
            let (OrderKey::Output(_, key) | OrderKey::Own(key)) = key;
            grouping.rewrite(&mut key.expr, 0)?;
        }
        for expr in parts.distinct_on.iter_mut().flatten() {
            grouping.rewrite(expr, 0)?;
        }
        for (window, call) in &mut self.level().windows {
            for expr in window.partition_by.iter_mut().chain(&mut call.args).chain(&mut call.filter) {
                grouping.rewrite(expr, 0)?;
            }
            for key in &mut window.order_by {
                grouping.rewrite(&mut key.expr, 0)?;
            }
        }
        for set in &mut self.level().sets {
            grouping.rewrite(&mut set.expr, 0)?;
        }
        let plan = grouping.plan(plan);
        Ok(match parts.having.take() {
            Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
            None => plan,
        })
    }

    /// One Window node per distinct specification; placeholders become the columns that the nodes append.
    fn window_plans(&mut self, mut plan: LogicalPlan, parts: &mut Parts) -> Result<LogicalPlan> {
        let windows = std::mem::take(&mut self.level().windows);
        if windows.is_empty() {
            return Ok(plan);
        }
        let mut places = vec![0; windows.len()];
        let mut groups: Vec<(BoundWindow, Vec<usize>)> = Vec::new();
        for (at, (window, _)) in windows.iter().enumerate() {
            match groups.iter_mut().find(|group| group.0.same(window)) {
                Some(group) => group.1.push(at),
                None => groups.push((window.clone(), vec![at])),
            }
        }
        for (window, members) in groups {
            let mut fields = plan.fields().to_vec();
            let mut calls = Vec::with_capacity(members.len());
            for at in members {
                places[at] = fields.len();
                fields.push(Field { name: "window".to_owned(), ty: windows[at].1.ty, origin: None });
                calls.push(windows[at].1.clone());
            }
            plan = LogicalPlan::Window(Window {
                input: Box::new(plan),
                partition_by: window.partition_by,
                order_by: window.order_by,
                frame: window.frame,
                calls,
                fields,
            });
        }
        let place =
            |index: usize| if (WINDOW_BASE..SET_BASE).contains(&index) { places[index - WINDOW_BASE] } else { index };
        parts.for_each_expr(&mut |expr| walk::renumber(expr, &place));
        for set in &mut self.level().sets {
            walk::renumber(&mut set.expr, &place);
        }
        Ok(plan)
    }

    fn output_plan(
        &mut self,
        mut plan: LogicalPlan,
        mut parts: Parts,
        select: &ast::Select,
        query: &ast::Query,
        grouped: bool,
    ) -> Result<LogicalPlan> {
        let sets = std::mem::take(&mut self.level().sets);
        let has_sets = !sets.is_empty();
        if has_sets {
            let mut fields = plan.fields().to_vec();
            let first = fields.len();
            fields.extend(sets.iter().map(|set| Field {
                name: "set".to_owned(),
                ty: if set.columns.len() == 1 { set.columns[0].ty } else { SqlType::of(Oid::RECORD) },
                origin: None,
            }));
            plan = LogicalPlan::ProjectSet { input: Box::new(plan), calls: sets, fields };
            let place = |index: usize| if index >= SET_BASE { first + index - SET_BASE } else { index };
            parts.for_each_expr(&mut |expr| walk::renumber(expr, &place));
        }
        let volatile_key = parts.order.iter().any(|key| match key {
            // Evaluating such a key a second time, as a target, could give another value, or cost as much again.
            OrderKey::Output(_, key) => is_volatile(&key.expr) || walk::has_subquery(&key.expr),
            OrderKey::Own(_) => false,
        });
        let locks = self.lock_targets(&query.locks, select, grouped)?;
        if matches!(select.distinct, Distinct::All) && !has_sets && (!volatile_key || !locks.is_empty()) {
            return self.sort_then_project(plan, parts, query, locks);
        }
        if !locks.is_empty() {
            return Err(Error::unsupported("row locks with set-returning functions in the target list"));
        }
        self.project_then_sort(plan, parts, select, query)
    }

    fn sort_then_project(
        &mut self,
        mut plan: LogicalPlan,
        parts: Parts,
        query: &ast::Query,
        locks: Vec<LockTarget>,
    ) -> Result<LogicalPlan> {
        let keys: Vec<SortKey> = parts
            .order
            .into_iter()
            .map(|key| match key {
                OrderKey::Output(_, key) | OrderKey::Own(key) => key,
            })
            .collect();
        let sorted = !keys.is_empty();
        if sorted {
            plan = LogicalPlan::Sort { input: Box::new(plan), keys };
        }
        if query.limit.with_ties && !sorted {
            return Err(crate::error!(SYNTAX_ERROR, "WITH TIES cannot be specified without ORDER BY clause"));
        }
        if !locks.is_empty() {
            plan = LogicalPlan::LockRows { input: Box::new(plan), targets: locks };
        }
        plan = self.limited(plan, &query.limit, true)?;
        Ok(project(plan, parts.outputs))
    }

    fn project_then_sort(
        &mut self,
        plan: LogicalPlan,
        parts: Parts,
        select: &ast::Select,
        query: &ast::Query,
    ) -> Result<LogicalPlan> {
        let width = parts.outputs.len();
        let mut outputs = parts.outputs;
        let mut keys: Vec<SortKey> = Vec::with_capacity(parts.order.len());
        let column_of = |outputs: &mut Vec<Output>, expr: Expr| -> Expr {
            let ty = expr.ty();
            let at = outputs.iter().position(|output| walk::same(&output.expr, &expr)).unwrap_or_else(|| {
                outputs.push(Output { expr, name: "sort".to_owned(), origin: None, position: 0 });
                outputs.len() - 1
            });
            Expr::Column { index: at, ty }
        };
        for key in parts.order {
            keys.push(match key {
                OrderKey::Output(at, key) => SortKey { expr: Expr::Column { index: at, ty: key.expr.ty() }, ..key },
                OrderKey::Own(key) => SortKey { expr: column_of(&mut outputs, key.expr.clone()), ..key },
            });
        }
        let on: Option<Vec<Expr>> =
            parts.distinct_on.map(|exprs| exprs.into_iter().map(|expr| column_of(&mut outputs, expr)).collect());
        if let Some(on) = &on {
            check_distinct_on(on, &keys)?;
        }
        if select.distinct == Distinct::Distinct {
            for output in &outputs[..width] {
                self.check_groupable(output.expr.ty().oid, output.position)?;
            }
        }
        let mut fields: Vec<Field> = outputs[..width].iter().map(field).collect();
        let mut plan = project(plan, outputs);
        if select.distinct == Distinct::Distinct {
            plan = LogicalPlan::Distinct { input: Box::new(plan), on: None };
        }
        if let Some(on) = on {
            // Groups are found by neighbourhood: sort by the ON columns, in the order given where there is one.
            let mut all: Vec<SortKey> = keys.clone();
            for expr in &on {
                if !all.iter().any(|key| walk::same(&key.expr, expr)) {
                    all.push(SortKey { expr: expr.clone(), descending: false, nulls_first: false });
                }
            }
            plan = LogicalPlan::Sort { input: Box::new(plan), keys: all };
            plan = LogicalPlan::Distinct { input: Box::new(plan), on: Some(on) };
        } else if !keys.is_empty() {
            plan = LogicalPlan::Sort { input: Box::new(plan), keys };
        }
        plan = self.limited(plan, &query.limit, true)?;
        if plan.fields().len() > width {
            let exprs = fields.iter().enumerate().map(|(index, field)| Expr::Column { index, ty: field.ty }).collect();
            fields.truncate(width);
            plan = LogicalPlan::Project { input: Box::new(plan), exprs, fields };
        }
        Ok(plan)
    }

    fn lock_targets(
        &mut self,
        locks: &[ast::LockClause],
        select: &ast::Select,
        grouped: bool,
    ) -> Result<Vec<LockTarget>> {
        let Some(first) = locks.first() else { return Ok(Vec::new()) };
        let name = lock_name(first.strength);
        let refused = if !matches!(select.distinct, Distinct::All) {
            Some("DISTINCT clause")
        } else if !select.group_by.is_empty() {
            Some("GROUP BY clause")
        } else if select.having.is_some() {
            Some("HAVING clause")
        } else if grouped {
            Some("aggregate functions")
        } else {
            None
        };
        if let Some(what) = refused {
            return Err(crate::error!(FEATURE_NOT_SUPPORTED, "{name} is not allowed with {what}"));
        }
        let scope = self.level().scope.clone();
        let mut targets: Vec<LockTarget> = Vec::new();
        for lock in locks {
            for of in &lock.of {
                if scope.rel(None, of.last()).is_none() {
                    let (text, clause) = (of.last(), lock_name(lock.strength));
                    return Err(crate::error!(
                        UNDEFINED_TABLE,
                        "relation \"{text}\" in {clause} clause not found in FROM clause"
                    )
                    .at(of.position));
                }
            }
            for (at, rel) in scope.rels.iter().enumerate() {
                let named = lock.of.is_empty() || lock.of.iter().any(|of| of.last() == rel.alias);
                let (Some(tag), Some(table)) = (rel.tag, &rel.table) else { continue };
                if !named {
                    continue;
                }
                let row_id = scope.columns.iter().find(|column| column.rel == Some(at) && column.name == "\u{0}rowid");
                let row_id_column = row_id.expect("every scan has its row id").index;
                match targets.iter_mut().find(|target| target.tag == tag) {
                    Some(target) if (target.strength as u8) < lock.strength as u8 => target.strength = lock.strength,
                    Some(_) => {}
                    None => targets.push(LockTarget {
                        tag,
                        table: std::sync::Arc::clone(table),
                        row_id_column,
                        strength: lock.strength,
                        wait: lock.wait,
                    }),
                }
            }
        }
        // To lock a row is to keep others from changing it.
        for target in &targets {
            self.claim(target.table.oid, crate::catalog::acl::UPDATE);
        }
        Ok(targets)
    }
}

impl Parts {
    fn for_each_expr(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.outputs.iter_mut().for_each(|output| f(&mut output.expr));
        for key in &mut self.order {
            let (OrderKey::Output(_, key) | OrderKey::Own(key)) = key;
            f(&mut key.expr);
        }
        self.distinct_on.iter_mut().flatten().for_each(f);
    }
}

fn field(output: &Output) -> Field {
    Field { name: output.name.clone(), ty: output.expr.ty(), origin: output.origin }
}

/// Puts a projection on a plan.
pub(super) fn project(plan: LogicalPlan, outputs: Vec<Output>) -> LogicalPlan {
    let fields = outputs.iter().map(field).collect();
    let exprs = outputs.into_iter().map(|output| output.expr).collect();
    LogicalPlan::Project { input: Box::new(plan), exprs, fields }
}

/// The leading ORDER BY items must be the DISTINCT ON expressions, in any order.
fn check_distinct_on(on: &[Expr], keys: &[SortKey]) -> Result<()> {
    let mut seen = vec![false; on.len()];
    for key in keys {
        match on.iter().position(|expr| walk::same(expr, &key.expr)) {
            Some(at) => seen[at] = true,
            None if seen.iter().all(|found| *found) => break,
            None => {
                return Err(crate::error!(
                    INVALID_COLUMN_REFERENCE,
                    "SELECT DISTINCT ON expressions must match initial ORDER BY expressions"
                ));
            }
        }
    }
    Ok(())
}

/// The clause of a lock strength.
pub(super) fn lock_name(strength: LockStrength) -> &'static str {
    match strength {
        LockStrength::KeyShare => "FOR KEY SHARE",
        LockStrength::Share => "FOR SHARE",
        LockStrength::NoKeyUpdate => "FOR NO KEY UPDATE",
        LockStrength::Update => "FOR UPDATE",
    }
}

/// Whether a column number is an aggregate's placeholder.
pub(super) fn is_aggregate_placeholder(index: usize) -> bool {
    (AGGREGATE_BASE..WINDOW_BASE).contains(&index)
}
