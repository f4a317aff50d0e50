//! Aggregates.
//!
//! SQL gives an aggregate to the query of the innermost columns in its arguments: in `SELECT (SELECT max(t.a) FROM u) FROM t` the
//! maximum is over the rows of `t`, and the outer query is the one that groups. Until a level is grouped its aggregates are
//! columns from [`AGGREGATE_BASE`] on, for subqueries as well as for itself.

use std::sync::Arc;

use crate::bail;
use crate::catalog::builtin::builtin;
use crate::error::Result;
use crate::sql::ast;
use crate::sql::expr::{AggregateCall, Expr, SortKey};
use crate::sql::logical::LogicalPlan;
use crate::sql::walk;
use crate::types::{Oid, SqlType};

use super::call::ChosenCall;
use super::coerce::CoercionContext;
use super::context::{AGGREGATE_BASE, Binder, Place};
use super::select::is_aggregate_placeholder;

impl Binder<'_> {
    /// `count(*)`.
    ///
    /// # Errors
    /// `42809` for what is no aggregate.
    pub(super) fn star_call(&mut self, call: &ast::FuncCall, place: Place, position: u32) -> Result<Expr> {
        let name = call.name.last();
        let row = builtin().procs_named(name).find(|row| row.args.is_empty() && row.kind == 'a');
        let Some(row) = row else {
            return Err(crate::error!(
                WRONG_OBJECT_TYPE,
                "{name}(*) specified, but {name} is not an aggregate function"
            )
            .at(position));
        };
        let chosen = ChosenCall { row, args: Vec::new(), result: SqlType::of(row.result) };
        match &call.over {
            Some(over) => self.window_call(call, chosen, over, place, position),
            None => self.aggregate(call, chosen, place, position),
        }
    }

    /// Binds a call of an aggregate whose arguments are bound.
    ///
    /// # Errors
    /// `42803` where none may stand.
    pub(super) fn aggregate(
        &mut self,
        call: &ast::FuncCall,
        chosen: ChosenCall,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        if builtin().aggregate(chosen.row.oid).is_some_and(|row| row.kind != 'n') {
            return Err(crate::error!(
                WRONG_OBJECT_TYPE,
                "WITHIN GROUP is required for ordered-set aggregate {}",
                call.name.last()
            )
            .at(position));
        }
        let order_by = self.sort_items(&call.order_by)?;
        if call.distinct {
            for arg in &chosen.args {
                self.check_groupable(arg.ty().oid, position)?;
            }
            for key in &order_by {
                if !chosen.args.iter().any(|arg| walk::same(arg, &key.expr)) {
                    return Err(crate::error!(
                        INVALID_COLUMN_REFERENCE,
                        "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list"
                    )
                    .at(position));
                }
            }
        }
        let filter = self.filter_clause(call)?;
        let result = chosen.result;
        let call = AggregateCall {
            function: chosen.row.oid,
            args: chosen.args,
            direct_args: 0,
            distinct: call.distinct,
            order_by,
            filter,
            ty: result,
        };
        self.push_aggregate(call, place, position)
    }

    /// Gives an aggregate to the level that it belongs to; a reference to its value.
    fn push_aggregate(&mut self, mut call: AggregateCall, place: Place, position: u32) -> Result<Expr> {
        let out = levels_out(&mut call);
        let at = self.levels.len() - 1 - out;
        let around = self.levels[at].subquery;
        let place = if out == 0 { Some(place) } else { around.map(|(place, _)| place) };
        let nests = out > 0 && holds_aggregate_of(&mut call, out);
        check_allowed(place, nests).map_err(|error| error.at(position))?;
        if out > 0 {
            move_out(&mut call, out).map_err(|error| error.at(position))?;
            if around.is_some_and(|(_, first_cte)| reads_nested_cte(&mut call, first_cte)) {
                return Err(
                    crate::error!(FEATURE_NOT_SUPPORTED, "outer-level aggregate cannot use a nested CTE").at(position)
                );
            }
        }
        let ty = call.ty;
        let level = &mut self.levels[at];
        let same = |other: &AggregateCall| {
            other.function == call.function
                && other.distinct == call.distinct
                && other.filter.is_none()
                && call.filter.is_none()
                && other.order_by.is_empty()
                && call.order_by.is_empty()
                && other.args.len() == call.args.len()
                && other.args.iter().zip(&call.args).all(|(a, b)| walk::same(a, b))
        };
        let index = AGGREGATE_BASE
            + level.aggregates.iter().position(same).unwrap_or_else(|| {
                level.aggregates.push(call.clone());
                level.aggregates.len() - 1
            });
        if out == 0 {
            return Ok(Expr::Column { index, ty });
        }
        level.referenced = true;
        Ok(Expr::Outer { depth: out, index, ty })
    }

    /// FILTER of an aggregate, or of one that is called as a window function.
    pub(super) fn filter_clause(&mut self, call: &ast::FuncCall) -> Result<Option<Expr>> {
        call.filter.as_ref().map(|filter| self.condition(filter, Place::Filter, "FILTER")).transpose()
    }

    fn sort_items(&mut self, items: &[ast::OrderItem]) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let expr = self.known(&item.expr, Place::AggregateArgument)?;
            keys.push(self.sort_key(expr, item)?);
        }
        Ok(keys)
    }

    /// `percentile_cont(0.5) WITHIN GROUP (ORDER BY x)`.
    ///
    /// # Errors
    /// `42809` for other aggregates.
    pub(super) fn ordered_set(
        &mut self,
        call: &ast::FuncCall,
        direct: Vec<Expr>,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        let name = call.name.last();
        let order_by = self.sort_items(&call.within_group)?;
        let direct_count = direct.len();
        let mut args = direct;
        args.extend(order_by.iter().map(|key| key.expr.clone()));
        let hypothetical = builtin()
            .procs_named(name)
            .filter(|row| row.kind == 'a')
            .any(|row| builtin().aggregate(row.oid).is_some_and(|aggregate| aggregate.kind == 'h'));
        let chosen = if hypothetical {
            let row = builtin()
                .procs_named(name)
                .find(|row| row.variadic == Oid::ANY)
                .expect("hypothetical-set aggregates are variadic");
            let mut converted = Vec::with_capacity(args.len());
            for (at, arg) in args.into_iter().enumerate() {
                let want = order_by.get(at).map(|key| key.expr.ty().oid);
                converted.push(match want {
                    Some(want) if at < direct_count => self.coerce(arg, want, CoercionContext::Implicit, position)?,
                    _ => arg,
                });
            }
            ChosenCall { row, args: converted, result: SqlType::of(row.result) }
        } else {
            self.choose_function(&call.name, args, &[], false, position)?
        };
        if builtin().aggregate(chosen.row.oid).is_none_or(|row| row.kind == 'n') {
            return Err(crate::error!(
                WRONG_OBJECT_TYPE,
                "{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"
            )
            .at(position));
        }
        let filter = self.filter_clause(call)?;
        let order_by = order_by
            .into_iter()
            .zip(&chosen.args[direct_count..])
            .map(|(key, arg)| SortKey { expr: arg.clone(), ..key })
            .collect();
        let call = AggregateCall {
            function: chosen.row.oid,
            ty: chosen.result,
            args: chosen.args,
            direct_args: direct_count,
            distinct: false,
            order_by,
            filter,
        };
        self.push_aggregate(call, place, position)
    }
}

/// Calls `f` with each reference in an aggregate's arguments that leads out of them: how many levels out of the call it leads,
/// 0 for the rows of its own level.
fn visit_references(exprs: &mut [&mut Expr], f: &mut dyn FnMut(&mut Expr, usize)) {
    for expr in exprs {
        walk::visit_refs_mut(expr, 0, &mut |reference, level| {
            let out = match reference {
                Expr::Outer { depth, .. } => depth.checked_sub(level),
                // Inside a subquery, a column of its own.
                _ => (level == 0).then_some(0),
            };
            if let Some(out) = out {
                f(reference, out);
            }
        });
    }
}

/// Arguments, ORDER BY and FILTER; the arguments without so many first ones.
fn arguments(call: &mut AggregateCall, skip: usize) -> Vec<&mut Expr> {
    let keys = call.order_by.iter_mut().map(|key| &mut key.expr);
    call.args[skip..].iter_mut().chain(keys).chain(&mut call.filter).collect()
}

/// What is computed for each row: all but the direct arguments.
fn per_row(call: &mut AggregateCall) -> Vec<&mut Expr> {
    arguments(call, call.direct_args)
}

/// How many levels out the query is that an aggregate belongs to; its own without any column.
fn levels_out(call: &mut AggregateCall) -> usize {
    let mut least = None;
    visit_references(&mut per_row(call), &mut |_, out| least = Some(least.map_or(out, |least: usize| least.min(out))));
    least.unwrap_or(0)
}

/// Whether an aggregate that belongs so many levels out has another of that query in its arguments.
fn holds_aggregate_of(call: &mut AggregateCall, out: usize) -> bool {
    let mut found = false;
    visit_references(&mut per_row(call), &mut |reference, level| {
        found |= level == out && matches!(reference, Expr::Outer { index, .. } if is_aggregate_placeholder(*index));
    });
    found
}

/// Whether an aggregate may stand in a place of the query that it belongs to; none: its FROM clause.
fn check_allowed(place: Option<Place>, nests: bool) -> Result<()> {
    if nests || place == Some(Place::AggregateArgument) {
        bail!(GROUPING_ERROR, "aggregate function calls cannot be nested");
    }
    match place {
        Some(place) if place.allows_aggregates() => Ok(()),
        Some(place) => bail!(GROUPING_ERROR, "aggregate functions are not allowed in {}", place.name()),
        None => bail!(GROUPING_ERROR, "aggregate functions are not allowed in FROM clause of their own query level"),
    }
}

/// Puts the arguments of an aggregate in terms of the query so many levels out.
fn move_out(call: &mut AggregateCall, out: usize) -> Result<()> {
    let mut has_lower = false;
    visit_references(&mut arguments(call, 0), &mut |reference, level| match *reference {
        Expr::Outer { depth, index, ty } if level >= out => {
            *reference = match depth - out {
                0 => Expr::Column { index, ty },
                depth => Expr::Outer { depth, index, ty },
            };
        }
        // All that is computed for each row is at least as far out as the aggregate.
        _ => has_lower = true,
    });
    if has_lower {
        bail!(GROUPING_ERROR, "outer-level aggregate cannot contain a lower-level variable in its direct arguments");
    }
    Ok(())
}

/// The WITH queries that subqueries in an expression read, and those that they make.
#[derive(Default)]
struct Ctes {
    read: Vec<usize>,
    made: Vec<usize>,
}

impl Ctes {
    fn add(&mut self, expr: &mut Expr) {
        if let Expr::Subquery(subquery) = expr {
            self.add_plan(Arc::make_mut(&mut subquery.plan));
        }
        walk::for_each_child_mut(expr, &mut |child| self.add(child));
    }

    fn add_plan(&mut self, plan: &mut LogicalPlan) {
        match plan {
            LogicalPlan::CteScan { id, .. } => self.read.push(*id),
            LogicalPlan::With { ctes, .. } => self.made.extend(ctes.iter().map(|cte| cte.id)),
            _ => {}
        }
        walk::for_each_expr_mut(plan, &mut |expr| self.add(expr));
        walk::for_each_input_mut(plan, &mut |input| self.add_plan(input));
    }
}

/// Whether arguments read a WITH query that the aggregate's own query does not see: one that is numbered from `first` on.
fn reads_nested_cte(call: &mut AggregateCall, first: usize) -> bool {
    let mut ctes = Ctes::default();
    arguments(call, 0).into_iter().for_each(|expr| ctes.add(expr));
    ctes.read.iter().any(|id| *id >= first && !ctes.made.contains(id))
}
